"""Whatever pkg-install accepts, Python's `zipfile` reads as the same names and bytes.

    python3 zipfile_agrees.py --binary PATH [--count N] [--seed N] [--wheels DIR]

Honest wheels, those of `tests/fuzz/seeds.py` and the small ones of DIR, have a few bytes changed: flipped, deleted,
inserted, moved, numbers replaced. Each is installed into one virtual environment, every second without a look at
digests, so that more is accepted. A wheel that is refused must leave the environment as it was; of one that is accepted,
the new files must be the entries that `zipfile` sees, with their bytes, and be gone after uninstalling. The last line
counts what was accepted, refused and at odds. The exit code is 1 where anything is at odds, panics, or takes longer than
10 seconds. Launchers, and scripts whose first line is rewritten, are compared by name alone. Limits: `zipfile` cannot
read Zstandard; the dist-info directory of an honest wheel is named like its file.
"""

import argparse
import collections
import os
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "fuzz"))

import seeds  # noqa: E402  (it stands beside the fuzz targets, not beside this script)

SECONDS = 10
LARGEST = 200_000
NUMBERS = (0, 1, 8, 0xFFFF, 0xFFFFFFFF, 0x08074B50, 0x06054B50, 0x02014B50)
GENERATED = ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json")
Tree = dict[str, bytes]


class Odd(Exception):
    """Something that must not happen."""


class Environment:
    """A virtual environment and the program that is tried on it."""

    def __init__(self, scratch: pathlib.Path, binary: pathlib.Path) -> None:
        self.root, self.binary, self.scratch = scratch / "venv", binary, scratch
        foreign = ("PKG_INSTALL_", "PIP_", "PYTHON", "VIRTUAL_ENV")
        self.variables = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.root], check=True)
        self.site = next(self.root.glob("lib/python*/site-packages")).relative_to(self.root).as_posix()
        self.include = f"include/site/{self.site.split('/')[1]}"
        self.before = self.tree()

    def tree(self) -> Tree:
        """The files of the environment with their content, but for its lock."""
        found = {}
        for directory, _, names in os.walk(self.root):
            for name in names:
                path = pathlib.Path(directory, name)
                key = path.relative_to(self.root).as_posix()
                found[key] = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
        found.pop(".lock", None)
        return found

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run the program; it neither panics nor takes long."""
        command = [self.binary, *arguments, "--target", self.root]
        try:
            run = subprocess.run(
                command, env=self.variables, capture_output=True, text=True, errors="replace", timeout=SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise Odd(f"it takes longer than {SECONDS} seconds") from error
        if run.returncode not in (0, 3, 4, 5) or "panicked" in run.stderr:
            raise Odd(f"exit code {run.returncode}: {run.stderr}")
        return run


def mutate(data: bytes, dice: random.Random) -> bytes:
    """A few bytes of the wheel changed; now and then none."""
    changed = bytearray(data)
    for _ in range(dice.choice((0, 1, 1, 1, 2, 3))):
        # The end of the file has the headers that matter most.
        at = dice.randrange(len(changed) if dice.random() < 0.5 else min(len(changed), 400))
        at = at if dice.random() < 0.5 else len(changed) - 1 - at
        span = dice.randrange(1, 40)
        match dice.randrange(7):
            case 0:
                changed[at] ^= 1 << dice.randrange(8)
            case 1:
                changed[at] = dice.randrange(256)
            case 2:
                changed[at:at] = dice.randbytes(dice.randrange(1, 9))
            case 3:
                del changed[at : at + span]
            case 4:
                changed[at:at] = changed[dice.randrange(len(changed)) :][:span]
            case 5:
                changed[at : at + 4] = struct.pack("<I", dice.choice(NUMBERS))
            case 6:
                changed[at : at + 2] = struct.pack("<H", dice.choice(NUMBERS) & 0xFFFF)
    return bytes(changed)


def place(name: str, environment: Environment, project: str, version: str) -> str | None:
    """Where an entry goes below the environment's root; `None` for what an installer writes itself."""
    top, _, below = name.partition("/")
    if top == f"{project}-{version}.dist-info":
        normal = re.sub("[-_.]+", "_", project).lower()
        return None if below in GENERATED else f"{environment.site}/{normal}-{version}.dist-info/{below}"
    if top != f"{project}-{version}.data":
        return f"{environment.site}/{name}"
    scheme, _, rest = below.partition("/")
    homes = {"scripts": "bin/", "data": "", "headers": f"{environment.include}/{project.replace('_', '-')}/"}
    return homes.get(scheme, f"{environment.site}/") + rest


def expected(path: pathlib.Path, environment: Environment) -> Tree | None:
    """The files that `zipfile` sees, by their place; `None` where it cannot decompress one."""
    files = {}
    project, version = path.name.split("-")[:2]
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            try:
                content = archive.read(info)
            except NotImplementedError:
                return None
            at = place(info.filename, environment, project, version)
            if at is not None:
                files[at] = content
    return files


def compare(path: pathlib.Path, environment: Environment) -> str:
    """What was installed is what `zipfile` reads."""
    after = environment.tree()
    new = {at: content for at, content in after.items() if environment.before.get(at) != content}
    gone = environment.before.keys() - after.keys()
    try:
        wanted = expected(path, environment)
    except Exception as error:
        raise Odd(f"`zipfile` cannot read it: {error!r}") from error
    if wanted is None:
        return "not read by zipfile"
    made = {at for at in new if at.startswith("bin/") or at.rpartition("/")[2] in GENERATED and ".dist-info/" in at}
    differ = {at for at in wanted if new.get(at) != wanted[at] and not (at in made and at in new)}
    if gone or differ or new.keys() - made - wanted.keys():
        raise Odd(f"gone {gone}, other content {differ}, only here {new.keys() - made - wanted.keys()}")
    return "accepted"


def attempt(path: pathlib.Path, environment: Environment, options: list[str]) -> str:
    """Install one wheel; say what became of it."""
    if environment.run(path, "--no-compat-check", *options).returncode != 0:
        verdict = "refused"
    else:
        verdict = compare(path, environment)
        # The project is that of the file name, whatever the archive says.
        environment.run("uninstall", path.name.split("-")[0])
    if environment.tree() != environment.before:
        raise Odd(f"{verdict}, and the environment is not as it was")
    return verdict


def honest(directory: pathlib.Path | None) -> list[tuple[str, bytes]]:
    """Wheels to change, with their file names."""
    found = [(path.name, path.read_bytes()) for path in sorted(seeds.TESTDATA.glob("*.whl"))]
    found += [("demo-1.0-py3-none-any.whl", image) for image in seeds.wheels()[len(found) :]]
    for path in sorted(directory.glob("*.whl")) if directory else []:
        if path.stat().st_size <= LARGEST:
            found.append((path.name, path.read_bytes()))
    return found


def main() -> int:
    """Try them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, required=True, help="the program")
    parser.add_argument("--count", type=int, default=2000, help="how many wheels to try")
    parser.add_argument("--seed", type=int, default=1, help="the first seed; each wheel has its own")
    parser.add_argument("--wheels", type=pathlib.Path, help="a directory of more honest wheels")
    arguments = parser.parse_args()
    originals = honest(arguments.wheels)
    counts: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as scratch:
        environment = Environment(pathlib.Path(scratch), arguments.binary.resolve())
        for seed in range(arguments.seed, arguments.seed + arguments.count):
            dice = random.Random(seed)
            name, data = dice.choice(originals)
            path = pathlib.Path(scratch, name)
            path.write_bytes(mutate(data, dice))
            try:
                verdict = attempt(path, environment, ["--verify", "off"] if seed % 2 else [])
            except Odd as odd:
                verdict = "at odds"
                print(f"seed {seed}: {name}: {odd}")
                if environment.tree() != environment.before:
                    environment = Environment(pathlib.Path(tempfile.mkdtemp(dir=scratch)), arguments.binary.resolve())
            counts[verdict] += 1
            path.unlink()
    print(", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())))
    return 1 if counts["at odds"] or not counts["accepted"] else 0


if __name__ == "__main__":
    sys.exit(main())
