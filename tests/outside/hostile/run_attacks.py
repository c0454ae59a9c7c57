"""Run hostile wheels and environments through pkg-install, pip, uv and installer.

    python3 tests/outside/hostile/run_attacks.py
    python3 tests/outside/hostile/run_attacks.py --peers DIR --output tests/outside/hostile/TABLE.md

Every attack (attacks_*.py) is made again for each tool: a virtual environment, directories beside
it that must not change, and malformed wheels. Everything is hashed before and after; only the
environment's `.lock` is left out. Without `--peers` only pkg-install runs, and the network is not
used. DIR is an environment with the other tools; it is made from the package index if it is empty.

Prints a table in Markdown. Exit code 1: pkg-install does not answer as the attack expects: refused
with code 3, 4 or 5 and nothing changed; installed and nothing else changed; or removed and nothing
else changed.
"""

from __future__ import annotations

import collections
import datetime
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import attacks_archive  # noqa: F401
import attacks_environment  # noqa: F401
import attacks_metadata  # noqa: F401
import attacks_names  # noqa: F401
import attacks_trust  # noqa: F401
from attacks import ATTACKS, INSTALLED, REFUSED, REMOVED, Attack, Place
from lib import trees, venv
from lib.wheels import Wheel

INTERPRETER = ("venv/bin/python", "venv/bin/activate", "venv/pyvenv.cfg")
HERE, LIBRARY = "venv/", f"venv/{venv.PURELIB}/"
SECONDS = 20
KINDS = (
    "correct",
    "refused, but left files",
    "accepted, hung or did harm",
    "refused a valid input",
    "not supported",
)

HEAD = """{} attacks, {}; {}.

```sh
{}
```

`refused (3), nothing left` is an exit code and the state of the disk, found by hashing everything
before and after. Changes to files of others are in bold. The column "expected" states pkg-install's
own rules: another tool may install an archive that two readers see differently without breaking a
promise, and the content that it read may be harmless.

`x` and `y` are projects; `other` is a project that is already installed. `uv` and `pip` run with
`--no-index --no-deps`."""


class Tool:
    """A program: its name, and its command lines for installing and removing."""

    def __init__(
        self, name: str, install: list, remove: list | None, variables: dict[str, str] | None = None
    ):
        self.name = name
        self.install = install
        self.remove = remove
        self.variables = variables or {}
        self.answers: list[str] = []


def tools(binary: pathlib.Path, peers: venv.Peers | None, root: pathlib.Path) -> list[Tool]:
    """All available tools, with pkg-install first."""
    uninstall = [binary, "uninstall", "x", "--target", root]
    found = [Tool("pkg-install", [binary, "--target", root], uninstall)]
    if peers is None:
        return found
    python, quiet = root / "bin/python", ["--no-index", "--no-deps"]
    pip = [peers.python, "-m", "pip", "--python", python]
    uv = [peers.uv, "pip"]
    path = {"PYTHONPATH": str(peers.installer)}
    pip_install = [*pip, "install", *quiet, "--no-cache-dir", "--no-compile"]
    uv_install = [*uv, "install", "--offline", *quiet, "--no-cache", "--python", python]
    installer = [python, "-m", "installer", "--no-compile-bytecode"]
    found.append(Tool("pip", pip_install, [*pip, "uninstall", "--yes", "x"]))
    found.append(Tool("uv", uv_install, [*uv, "uninstall", "--python", python, "x"]))
    found.append(Tool("installer", installer, None, path))
    return found


class Ground:
    """A scratch directory: a clean environment to copy, and the place of the attack."""

    def __init__(self, scratch: pathlib.Path):
        self.scratch = scratch
        self.pattern = scratch / "pattern"
        self.root = scratch / "place"
        self.variables = venv.clean_variables(
            HOME=str(scratch / "home"),
            TMPDIR=str(scratch / "tmp"),
            XDG_CACHE_HOME=str(scratch / "home"),
        )
        for name in ("home", "tmp"):
            (scratch / name).mkdir()
        venv.make(self.pattern)

    def place(self) -> Place:
        """A fresh place."""
        trees.remove(self.root)
        shutil.copytree(self.pattern, self.root / "venv", symlinks=True)
        purelib = self.root / LIBRARY
        for path in ("outside", "venv-evil", f"venv/{venv.PURELIB}-evil"):
            (self.root / path).mkdir()
            (self.root / path / "keep.txt").write_text("keep\n")
        (self.root / "wheels").mkdir()
        return Place(self.root, self.root / "venv", purelib)

    def snapshot(self) -> trees.Snapshot:
        return trees.snapshot(self.root, skip=("venv/.lock", "wheels"))

    def run(self, tool: Tool, attack: Attack) -> str:
        """The tool's answer to the attack."""
        place = self.place()
        made = attack.make(place)
        if isinstance(made, (Wheel, list)):
            made = made if isinstance(made, list) else [made]
            made = {wheel.file_name: wheel.bytes() for wheel in made}
        paths = [place.root / "wheels" / name for name in made or {}]
        for path in paths:
            if made and made[path.name]:
                path.write_bytes(made[path.name])
        command = [*tool.install, *paths] if paths else tool.remove
        if command is None:
            return "cannot remove"
        before = self.snapshot()
        commands = [command]
        if tool.name == "installer" and paths:
            commands = [[*tool.install, path] for path in paths]
        codes = [self.call(tool, each) for each in commands]
        code = next((code for code in codes if code != 0), 0)
        return answer(attack, code, before, self.snapshot())

    def call(self, tool: Tool, command: list) -> int | None:
        """The exit code; None if the tool took too long."""
        variables = {**self.variables, **tool.variables}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        try:
            done = venv.run(command, env=variables, cwd=self.scratch, timeout=SECONDS, **quiet)
        except subprocess.TimeoutExpired:
            return None
        return done.returncode


def answer(attack: Attack, code: int | None, before: trees.Snapshot, after: trees.Snapshot) -> str:
    """In words: the exit code, and the changes to the place."""

    def is_file(tree: trees.Snapshot, path: str) -> bool:
        return path in tree and tree[path].kind != trees.DIRECTORY

    changed = trees.changed(before, after)
    left = [path for path in changed if is_file(after, path)]
    words = []
    if any(path.startswith(INTERPRETER) for path in changed):
        words.append("**changed the interpreter**")
    away = [path for path in changed if not path.startswith(HERE) or "site-packages-evil" in path]
    if away:
        wrote = any(path in after for path in away)
        words.append("**wrote outside**" if wrote else "**removed outside**")
    own = ("x-", "x/") if attack.expected in (INSTALLED, REMOVED) else ("x-",)
    lost = [path for path in changed if path.startswith(LIBRARY) and is_file(before, path)]
    lost = [path for path in lost if not path[len(LIBRARY) :].startswith(own)]
    if lost:
        verb = "replaced" if any(path in after for path in lost) else "removed"
        words.append(f"**{verb} a file of another project**")
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
        words.insert(0, "claimed success, did nothing")
    else:
        bait = attack.bait and attack.bait.replace("PYTHON", venv.PYTHON)
        words.insert(0, "installed without it" if bait and bait not in after else "installed")
    return ", ".join(words)


def as_expected(attack: Attack, said: str) -> bool:
    """Whether an answer is the one that pkg-install has to give."""
    if attack.expected == REFUSED:
        return said in ["refused ({}), nothing left".format(code) for code in (3, 4, 5)]
    return said == attack.expected


def kind(attack: Attack, said: str) -> int:
    """The column of the summary for an answer."""
    if said == "cannot remove":
        return 4
    if "**" in said or said == "hung":
        return 2
    if said.startswith("refused"):
        return 1 if not said.endswith("nothing left") else 0 if attack.expected == REFUSED else 3
    return 0 if said == attack.expected else 2


def versions(binary: pathlib.Path, peers: venv.Peers | None) -> str:
    """The versions of all tools."""
    own = " ".join(venv.must([binary, "--version"]).split()[:2])
    others = peers.versions() if peers else []
    return ", ".join([own, *others, "Python " + sys.version.split()[0]])


def report(head: str, contenders: list[Tool]) -> str:
    """The summary and the table."""
    names = [tool.name for tool in contenders]
    names += [name for name in ("pip", "uv", "installer") if name not in names]
    lines = ["# Hostile wheels and environments", "", head, ""]
    lines += ["| tool | {} |".format(" | ".join(KINDS)), "| --- " + "| ---: " * len(KINDS) + "|"]
    for tool in contenders:
        counts = collections.Counter(
            kind(attack, said) for attack, said in zip(ATTACKS, tool.answers)
        )
        lines.append(
            "| {} | {} |".format(
                tool.name, " | ".join(str(counts[number]) for number in range(len(KINDS)))
            )
        )
    lines += ["", "| row | attack | expected | {} |".format(" | ".join(names))]
    lines.append("| --- " * (3 + len(names)) + "|")
    order = sorted(range(len(ATTACKS)), key=lambda number: int(ATTACKS[number].row[1:]))
    for number in order:
        attack = ATTACKS[number]
        answers = [tool.answers[number] for tool in contenders]
        answers += ["not tested"] * (len(names) - len(answers))
        lines.append(
            "| {} | {} | {} | {} |".format(
                attack.row, attack.words, attack.expected, " | ".join(answers)
            )
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    add("--peers", metavar="DIR", type=pathlib.Path, help="also run pip, uv and installer from DIR")
    add("--output", metavar="FILE", type=pathlib.Path, help="write the table to a file")
    options = parser.parse_args()
    binary = venv.checked_binary(options.binary)
    peers = venv.Peers(options.peers).make() if options.peers else None
    with venv.scratch_directory("attacks") as scratch:
        ground = Ground(scratch)
        contenders = tools(binary, peers, ground.root / "venv")
        for tool in contenders:
            tool.answers = [ground.run(tool, attack) for attack in ATTACKS]
    answers = zip(ATTACKS, contenders[0].answers)
    wrong = [(attack, said) for attack, said in answers if not as_expected(attack, said)]
    command = "python3 tests/outside/hostile/run_attacks.py" + (" --peers DIR" if peers else "")
    date = datetime.date.today()
    head = HEAD.format(len(ATTACKS), date, versions(binary, peers), command)
    text = report(head, contenders)
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    else:
        print(text)
    for attack, said in wrong:
        expected = attack.expected
        print(f"WRONG {attack.row}, {attack.words}: {said} instead of {expected}")
    print(f"{len(ATTACKS)} attacks, {len(wrong)} answered wrongly by pkg-install")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
