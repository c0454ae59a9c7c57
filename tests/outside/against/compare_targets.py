"""Compare which wheels pkg-install, uv and pip choose for interpreters that are not here.

    python3 tests/outside/against/compare_targets.py --peers PEERS [--lists N] [--without-pip]

uv makes a universal lock file (PEP 751) of each list in targets.txt. For each of six interpreters
three choices are compared, by the file names of the wheels:

- pkg-install reads the lock file with --python-version and --python-platform;
- uv resolves the same pins, with the markers of the lock file, for the same two options;
- pip gets the pins that apply, since it evaluates markers for the interpreter that runs it, and
  every platform tag of the target.

If a list has no wheel for a target, both pkg-install and uv have to refuse it. Exit code 1: a
choice differs.
"""

from __future__ import annotations

import collections
import json
import os
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import venv

LISTS = pathlib.Path(__file__).with_name("targets.txt")
SELECTING = re.compile(r"Selecting: \S+ \[compatible\] \((\S+\.whl)\)")


def manylinux(arch: str, oldest: int) -> list[str]:
    """The platform tags of a Linux with glibc 2.28."""
    return [f"manylinux_2_{minor}_{arch}" for minor in range(28, oldest - 1, -1)]


# The version, the platform, and all platform tags for pip, which does not know that a tag of
# PEP 600 or PEP 656 includes the older ones.
TARGETS = (
    ("3.12", "x86_64-manylinux_2_28", [*manylinux("x86_64", 5), "manylinux2014_x86_64"]),
    ("3.12", "aarch64-unknown-linux-gnu", [*manylinux("aarch64", 17), "manylinux2014_aarch64"]),
    ("3.13", "x86_64-unknown-linux-musl", [f"musllinux_1_{minor}_x86_64" for minor in (2, 1, 0)]),
    ("3.12", "macos", ["macosx_13_0_arm64"]),
    ("3.11", "x86_64-apple-darwin", ["macosx_13_0_x86_64"]),
    ("3.13", "windows", ["win_amd64"]),
)


def pin_of(wheel: str) -> tuple[str, str]:
    """The project and the version of a wheel."""
    name, version = wheel.split("-")[:2]
    return venv.normal_name(name), version.replace("_", "+") if "+" not in version else version


class Comparison:
    """The tools, and the differences that were found."""

    def __init__(self, binary: pathlib.Path, peers: venv.Peers, scratch: pathlib.Path):
        self.binary, self.peers, self.scratch = binary, peers, scratch
        self.variables = venv.clean_variables(keep=("PIP_", "UV_"), VIRTUAL_ENV="")
        self.chosen = self.compared = 0
        self.refused: list[str] = []
        self.differences: list[str] = []

    def lock(self, number: int, requirements: str) -> tuple[pathlib.Path, pathlib.Path]:
        """A lock file of some requirements, and its pins with their markers."""
        typed = "\n".join(requirements.split()) + "\n"
        options = ["--universal", "--only-binary", ":all:", "--python-version", "3.11", "--quiet"]
        compile_ = [self.peers.uv, "pip", "compile", *options, "-"]
        lock = self.scratch / f"pylock.list{number}.toml"
        pins = self.scratch / f"pins{number}.txt"
        more = {"env": self.variables, "input": typed}
        venv.must([*compile_, "--format", "pylock.toml", "--output-file", lock], **more)
        plain = venv.must([*compile_, "--no-header", "--no-annotate"], **more)
        pins.write_text(plain, encoding="utf-8")
        return lock, pins

    def ours(self, lock: pathlib.Path, described: list[str]) -> set[str] | None:
        """The wheels that pkg-install takes from a lock file."""
        download = [self.binary, "download", "--dry-run", "--json", "--no-cache", "--lock", lock]
        # No interpreter may be needed.
        variables = {**self.variables, "PATH": "/nowhere"}
        done = venv.run([*download, "--dest", self.scratch / "no", *described], env=variables)
        if done.returncode == 3:
            return None
        if done.returncode != 0:
            sys.exit(f"{lock}: {done.stderr}")
        return {os.path.basename(wheel["path"]) for wheel in json.loads(done.stdout)["downloads"]}

    def uvs(self, pins: pathlib.Path, described: list[str]) -> set[str] | None:
        """The wheels that uv chooses for pins."""
        install = [self.peers.uv, "pip", "install", "--dry-run", "--no-deps", "--verbose"]
        only = ["--only-binary", ":all:", "--target", self.scratch / "no"]
        done = venv.run([*install, *only, *described, "-r", pins], env=self.variables)
        if done.returncode != 0:
            return None
        return set(SELECTING.findall(done.stderr))

    def compare(self, name: str, files: tuple[pathlib.Path, pathlib.Path], target) -> set[str]:
        """Compare the choices of one list for one target; return ours."""
        version, platform, _ = target
        described = ["--python-version", version, "--python-platform", platform]
        lock, pins = files
        mine, theirs = self.ours(lock, described), self.uvs(pins, described)
        where = f"{name} for {version} on {platform}"
        if mine is None or theirs is None:
            if mine is not theirs:
                who = "pkg-install" if mine is None else "uv"
                self.differences.append(f"{where}: only {who} refuses it")
            else:
                self.refused.append(where)
            return set()
        self.chosen += len(mine)
        self.differences += [f"{where}: only pkg-install takes {file}" for file in mine - theirs]
        self.differences += [f"{where}: only uv takes {file}" for file in theirs - mine]
        return mine

    def compare_with_pip(self, target, wheels: set[str]) -> None:
        """Compare wheels of a target with those that pip chooses for the same pins."""
        version, platform, tags = target
        batches: list[dict[str, str]] = []
        for wheel in sorted(wheels):
            name, number = pin_of(wheel)
            # pip takes one version of a project at a time.
            free = next((batch for batch in batches if name not in batch), None)
            if free is None:
                batches.append(free := {})
            free[name] = f"{name}=={number}"
        theirs: set[str] = set()
        for batch in batches:
            install = [self.peers.python, "-m", "pip", "install", "--dry-run", "--quiet"]
            how = ["--ignore-installed", "--no-deps", "--only-binary=:all:", "--report", "-"]
            where = ["--target", self.scratch / "no", "--implementation", "cp"]
            platforms = [f"--platform={tag}" for tag in tags]
            command = [*install, *how, *where, "--python-version", version, *platforms]
            report = json.loads(venv.must([*command, *batch.values()], env=self.variables))
            urls = [item["download_info"]["url"] for item in report["install"]]
            theirs.update(url.rsplit("/", 1)[1].replace("%2B", "+") for url in urls)
        self.compared += len(theirs)
        where = f"{version} on {platform}"
        self.differences += [f"{where}: only pkg-install takes {file}" for file in wheels - theirs]
        self.differences += [f"{where}: only pip takes {file}" for file in theirs - wheels]


def main() -> int:
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    add("--peers", required=True, type=pathlib.Path, help="a directory for pip and uv")
    add("--lists", type=int, default=None, help="only the first N lists")
    add("--without-pip", action="store_true", help="compare with uv alone")
    options = parser.parse_args()
    binary, peers = venv.checked_binary(options.binary), venv.Peers(options.peers).make()
    lines = [line.strip() for line in LISTS.read_text(encoding="utf-8").splitlines()]
    lists = [line for line in lines if line and not line.startswith("#")][: options.lists]
    with venv.scratch_directory("targets") as scratch:
        comparison = Comparison(binary, peers, scratch)
        by_target = collections.defaultdict(set)
        for number, requirements in enumerate(lists):
            files = comparison.lock(number, requirements)
            for index, target in enumerate(TARGETS):
                by_target[index] |= comparison.compare(requirements, files, target)
        print(f"{comparison.chosen} choices for {len(lists)} lists compared with uv's", flush=True)
        if not options.without_pip:
            for index, target in enumerate(TARGETS):
                comparison.compare_with_pip(target, by_target[index])
            print(f"{comparison.compared} choices compared with pip's")
    for text in comparison.refused:
        print(f"refused by both: {text}")
    for text in comparison.differences:
        print(text)
    print(f"{len(comparison.differences)} differences")
    return 1 if comparison.differences or not comparison.chosen else 0


if __name__ == "__main__":
    sys.exit(main())
