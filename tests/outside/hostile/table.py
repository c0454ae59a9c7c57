"""What pkg-install, pip, uv and installer do with hostile wheels and environments, as a table.

    python3 tests/outside/hostile/table.py --binary target/release/pkg-install
    python3 tests/outside/hostile/table.py --binary target/release/pkg-install --tools DIR --output tests/outside/hostile/TABLE.md

Every attack (attacks_*.py) is made anew for every tool: a virtual environment, things beside it that are nobody's to
touch, and wheels made of raw bytes. Everything is hashed before and after; only the environment's empty `.lock` is left
out. Nothing is fetched. Without `--tools` only pkg-install runs; DIR is a directory as benches/against/run.py keeps it,
with uv and pip in `bin` and installer in `alone`, and is filled by pip where it is not there.

Exit code 1 where pkg-install does not answer as the attack expects: refused with code 3, 4 or 5 and nothing changed,
installed and nothing else touched, or removed and nothing else touched.
"""

import argparse
import collections
import datetime
import hashlib
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tempfile

import attacks_archive  # noqa: F401
import attacks_environment  # noqa: F401
import attacks_metadata  # noqa: F401
import attacks_names  # noqa: F401
from attacks import ATTACKS, INSTALLED, REFUSED, REMOVED, Attack, Place
from forge import Wheel

PYTHON = "python{}.{}".format(*sys.version_info)
FOREIGN = ("PKG_INSTALL_", "PIP_", "PYTHON", "UV_", "VIRTUAL_ENV")
INTERPRETER = ("venv/bin/python", "venv/bin/activate", "venv/pyvenv.cfg")
HERE, LIBRARY = "venv/", "venv/lib/{}/site-packages/".format(PYTHON)
SECONDS = 20
KINDS = (
    "as it should be",
    "refused, and left something",
    "let through, hung or did harm",
    "refused what is sound",
    "cannot do it",
)

HEAD = """{} attacks, {}; {}.

```sh
{}
```

`refused (3), nothing left` is an exit code and the state of the disk, found by hashing everything before and after;
bold is a change of what belongs to somebody else. What should be is pkg-install's own rule: a tool that installs an
archive of which two readers see two things has done what it promises, and what it read may be harmless.

`x` and `y` are projects, `other` is one that is installed already. `uv` and `pip` run with `--no-index --no-deps`."""


class Tool:
    """A program: its name, and its command lines for installing and removing."""

    def __init__(self, name: str, install: list, remove: list | None, variables: dict[str, str] | None = None):
        self.name = name
        self.install = install
        self.remove = remove
        self.variables = variables or {}
        self.answers: list[str] = []


def tools(binary: pathlib.Path, peers: pathlib.Path | None, venv: pathlib.Path) -> list[Tool]:
    """All tools that are here, ours first."""
    found = [Tool("pkg-install", [binary, "--target", venv], [binary, "uninstall", "x", "--target", venv])]
    if peers is None:
        return found
    python, quiet = venv / "bin/python", ["--no-index", "--no-deps"]
    pip = [peers / "bin/python", "-m", "pip", "--python", python]
    uv = [peers / "bin/uv", "pip"]
    alone = {"PYTHONPATH": str(peers / "alone")}
    pip_install = [*pip, "install", *quiet, "--no-cache-dir", "--no-compile"]
    uv_install = [*uv, "install", "--offline", *quiet, "--no-cache", "--python", python]
    found.append(Tool("pip", pip_install, [*pip, "uninstall", "--yes", "x"]))
    found.append(Tool("uv", uv_install, [*uv, "uninstall", "--python", python, "x"]))
    found.append(Tool("installer", [python, "-m", "installer", "--no-compile-bytecode"], None, alone))
    return found


def make_peers(directory: pathlib.Path) -> None:
    """Fetches uv, pip and installer, unless they are there."""
    if (directory / "alone/installer").is_dir():
        return
    subprocess.run([sys.executable, "-m", "venv", directory], check=True)
    install = [directory / "bin/python", "-m", "pip", "install", "--quiet"]
    subprocess.run([*install, "--upgrade", "pip", "uv"], check=True)
    subprocess.run([*install, "--target", directory / "alone", "installer"], check=True)


def tree(root: pathlib.Path) -> dict[str, str]:
    """Everything below, by path: directories, links with their target, files with mode and digest."""
    found = {}
    for directory, names, files in os.walk(root):
        for name in names + files:
            path = pathlib.Path(directory, name)
            key, mode = str(path.relative_to(root)), path.lstat().st_mode
            if stat.S_ISLNK(mode):
                found[key] = "link to " + os.readlink(path)
            elif stat.S_ISREG(mode):
                found[key] = "{:o} {}".format(mode, hashlib.sha256(path.read_bytes()).hexdigest())
            else:
                found[key] = "{:o}".format(mode)
    return {key: value for key, value in found.items() if key != "venv/.lock" and not key.startswith("wheels")}


class Range:
    """The scratch directory: an environment to copy, the place of the attack, and what tools need for themselves."""

    def __init__(self, scratch: pathlib.Path):
        self.scratch = scratch
        self.pattern = scratch / "pattern"
        self.root = scratch / "place"
        self.variables = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        own = {"HOME": "home", "TMPDIR": "tmp", "XDG_CACHE_HOME": "home"}
        self.variables.update({name: str(scratch / path) for name, path in own.items()})
        self.variables.update(PYTHONDONTWRITEBYTECODE="1", PIP_CONFIG_FILE=os.devnull, UV_NO_CONFIG="1")
        self.variables.update(PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_ROOT_USER_ACTION="ignore")
        for name in ("home", "tmp"):
            (scratch / name).mkdir()
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.pattern], check=True)

    def place(self) -> Place:
        """A fresh place."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.pattern, self.root / "venv", symlinks=True)
        purelib = self.root / LIBRARY
        for path in ("outside", "venv-evil", "venv/lib/{}/site-packages-evil".format(PYTHON)):
            (self.root / path).mkdir()
            (self.root / path / "keep.txt").write_text("keep\n")
        (self.root / "wheels").mkdir()
        return Place(self.root, self.root / "venv", purelib)

    def run(self, tool: Tool, attack: Attack) -> str:
        """The tool's answer to the attack."""
        place = self.place()
        made = attack.make(place)
        if isinstance(made, (Wheel, list)):
            made = {wheel.file_name: wheel.bytes() for wheel in (made if isinstance(made, list) else [made])}
        paths = [place.root / "wheels" / name for name in made or {}]
        for path in paths:
            if made and made[path.name]:
                path.write_bytes(made[path.name])
        command = [*tool.install, *paths] if paths else tool.remove
        if command is None:
            return "cannot remove"
        before = tree(self.root)
        commands = [[*tool.install, path] for path in paths] if tool.name == "installer" and paths else [command]
        codes = [self.call(tool, each) for each in commands]
        code = next((code for code in codes if code != 0), 0)
        return answer(attack, code, before, tree(self.root))

    def call(self, tool: Tool, command: list) -> int | None:
        """The exit code; none where it took too long."""
        words = [os.fspath(word) for word in command]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        try:
            return subprocess.run(
                words, env=self.variables | tool.variables, cwd=self.scratch, timeout=SECONDS, check=False, **quiet
            ).returncode
        except subprocess.TimeoutExpired:
            return None


def answer(attack: Attack, code: int | None, before: dict[str, str], after: dict[str, str]) -> str:
    """In words: what the tool said by its exit code, and what it did to the place."""
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    left = [path for path in changed if path in after and not after[path].startswith("4")]
    words = []
    if any(path.startswith(INTERPRETER) for path in changed):
        words.append("**changed the interpreter**")
    away = [path for path in changed if not path.startswith(HERE) or "site-packages-evil" in path]
    if away:
        words.append("**wrote outside**" if any(path in after for path in away) else "**removed outside**")
    own = ("x-", "x/") if attack.expected in (INSTALLED, REMOVED) else ("x-",)
    lost = [path for path in changed if path.startswith(LIBRARY) and not before.get(path, "4").startswith("4")]
    lost = [path for path in lost if not path.removeprefix(LIBRARY).startswith(own)]
    if lost:
        verb = "replaced" if any(path in after for path in lost) else "removed"
        words.append("**{} what is another's**".format(verb))
    if code is None:
        words.insert(0, "hung")
    elif code != 0:
        files = "1 file left" if len(left) == 1 else "{} files left".format(len(left))
        rest = "nothing left" if not changed else files if left else "directories left"
        words.insert(0, "refused ({}), {}".format(code, rest))
    elif attack.expected == REMOVED:
        gone = LIBRARY + "x/__init__.py" not in after
        words.insert(0, "removed" if gone else "kept")
    elif not left:
        words.insert(0, "said yes, did nothing")
    else:
        bait = attack.bait and attack.bait.replace("PYTHON", PYTHON)
        words.insert(0, "installed without it" if bait and bait not in after else "installed")
    return ", ".join(words)


def as_expected(attack: Attack, said: str) -> bool:
    if attack.expected == REFUSED:
        return said in ["refused ({}), nothing left".format(code) for code in (3, 4, 5)]
    return said == attack.expected


def kind(attack: Attack, said: str) -> int:
    """The column of the summary that an answer falls into."""
    if said == "cannot remove":
        return 4
    if "**" in said or said == "hung":
        return 2
    if said.startswith("refused"):
        return 1 if not said.endswith("nothing left") else 0 if attack.expected == REFUSED else 3
    return 0 if said == attack.expected else 2


def versions(binary: pathlib.Path, peers: pathlib.Path | None) -> str:
    commands = [[binary, "--version"]]
    if peers:
        commands += [[peers / "bin/python", "-m", "pip", "--version"], [peers / "bin/uv", "--version"]]
    said = [subprocess.run(each, capture_output=True, text=True, check=True).stdout for each in commands]
    words = [" ".join(text.split()[:2]) for text in said]
    if peers:
        name = next((peers / "alone").glob("installer-*.dist-info")).name
        words.append("installer " + name.removeprefix("installer-").removesuffix(".dist-info"))
    return ", ".join([*words, "Python " + sys.version.split()[0]])


def report(head: str, contenders: list[Tool]) -> str:
    """The table, with what it sums up to."""
    names = [tool.name for tool in contenders]
    names += [name for name in ("pip", "uv", "installer") if name not in names]
    lines = ["# Hostile wheels and environments", "", head, ""]
    lines += ["| tool | {} |".format(" | ".join(KINDS)), "| --- " + "| ---: " * len(KINDS) + "|"]
    for tool in contenders:
        counts = collections.Counter(kind(attack, said) for attack, said in zip(ATTACKS, tool.answers))
        lines.append("| {} | {} |".format(tool.name, " | ".join(str(counts[number]) for number in range(len(KINDS)))))
    lines += ["", "| row | attack | should be | {} |".format(" | ".join(names))]
    lines.append("| --- " * (3 + len(names)) + "|")
    order = sorted(range(len(ATTACKS)), key=lambda number: int(ATTACKS[number].row[1:]))
    for number in order:
        attack = ATTACKS[number]
        answers = [tool.answers[number] for tool in contenders]
        answers += ["not here"] * (len(names) - len(answers))
        lines.append("| {} | {} | {} | {} |".format(attack.row, attack.words, attack.expected, " | ".join(answers)))
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--tools", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path)
    options = parser.parse_args()
    binary, peers = options.binary.resolve(), options.tools and options.tools.absolute()
    if peers:
        make_peers(peers)
    base = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=base) as scratch:
        ground = Range(pathlib.Path(scratch))
        contenders = tools(binary, peers, ground.root / "venv")
        for tool in contenders:
            tool.answers = [ground.run(tool, attack) for attack in ATTACKS]
    wrong = [(attack, said) for attack, said in zip(ATTACKS, contenders[0].answers) if not as_expected(attack, said)]
    command = "python3 tests/outside/hostile/table.py --binary target/release/pkg-install" + (" --tools DIR" if peers else "")
    head = HEAD.format(len(ATTACKS), datetime.date.today(), versions(binary, peers), command)
    text = report(head, contenders)
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    else:
        print(text)
    for attack, said in wrong:
        print("WRONG {}, {}: {} instead of {}".format(attack.row, attack.words, said, attack.expected))
    print("{} attacks, {} not as they should be".format(len(ATTACKS), len(wrong)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
