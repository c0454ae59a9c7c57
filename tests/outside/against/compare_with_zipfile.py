"""Check that Python's `zipfile` reads every accepted wheel as the same names and bytes.

    python3 tests/outside/against/compare_with_zipfile.py [--count N] [--seed N] [--wheels DIR]

A few bytes of valid wheels, those of `tests/fuzz/seeds.py` and the small ones of DIR, are changed:
flipped, deleted, inserted, moved, numbers replaced. Each wheel is installed into one virtual
environment, every second one without checking digests, so that more are accepted. After a refusal
the environment has to be unchanged. After an installation the new files have to be the entries that
`zipfile` reads, with the same bytes, and have to disappear after uninstalling.

The last line counts accepted, refused and contradictory wheels. Exit code 1: a wheel is
contradictory, the program panics or takes longer than 10 seconds, or no wheel was accepted. Limits:
entry-point scripts and scripts whose first line is rewritten are compared only by name; `zipfile`
cannot read Zstandard; the name of the dist-info directory is derived from the file name.
"""

from __future__ import annotations

import collections
import pathlib
import random
import struct
import subprocess
import sys
import zipfile

OUTSIDE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(OUTSIDE), str(OUTSIDE.parent / "fuzz")]

import seeds
from lib import trees, venv

SECONDS = 10
LARGEST = 200_000
NUMBERS = (0, 1, 8, 0xFFFF, 0xFFFFFFFF, 0x08074B50, 0x06054B50, 0x02014B50)
GENERATED = ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json")


class Contradiction(Exception):
    """Something that must not happen."""


class Environment:
    """A virtual environment, and the binary under test."""

    def __init__(self, root: pathlib.Path, binary: pathlib.Path) -> None:
        self.root, self.binary = venv.make(root), binary
        self.site = next(root.glob("lib/python*/site-packages")).relative_to(root).as_posix()
        self.include = f"include/site/{self.site.split('/')[1]}"
        self.before = self.tree()

    def tree(self) -> trees.Snapshot:
        """The files of the environment except its lock."""
        return trees.files(trees.snapshot(self.root))

    def run(self, *arguments: object) -> int:
        """Run the binary; return its exit code. It must not panic or take long."""
        command = [self.binary, *arguments, "--target", self.root]
        try:
            done = venv.run(command, timeout=SECONDS)
        except subprocess.TimeoutExpired as error:
            raise Contradiction(f"it takes longer than {SECONDS} seconds") from error
        if done.returncode not in (0, 3, 4, 5) or "panicked" in done.stderr:
            status = venv.describe_status(done.returncode)
            raise Contradiction(f"{status}: {done.stderr}")
        return done.returncode


def mutate(data: bytes, dice: random.Random) -> bytes:
    """The wheel with a few changed bytes, sometimes with none."""
    changed = bytearray(data)
    for _ in range(dice.choice((0, 1, 1, 1, 2, 3))):
        # The end of the file has the headers that matter most.
        at = dice.randrange(len(changed) if dice.random() < 0.5 else min(len(changed), 400))
        at = at if dice.random() < 0.5 else len(changed) - 1 - at
        span = dice.randrange(1, 40)
        change = dice.randrange(7)
        if change == 0:
            changed[at] ^= 1 << dice.randrange(8)
        elif change == 1:
            changed[at] = dice.randrange(256)
        elif change == 2:
            changed[at:at] = dice.randbytes(dice.randrange(1, 9))
        elif change == 3:
            del changed[at : at + span]
        elif change == 4:
            changed[at:at] = changed[dice.randrange(len(changed)) :][:span]
        elif change == 5:
            changed[at : at + 4] = struct.pack("<I", dice.choice(NUMBERS))
        else:
            changed[at : at + 2] = struct.pack("<H", dice.choice(NUMBERS) & 0xFFFF)
    return bytes(changed)


def place(name: str, environment: Environment, project: str, version: str) -> str | None:
    """The path of an installed entry; None for files that an installer writes itself."""
    top, _, below = name.partition("/")
    if top == f"{project}-{version}.dist-info":
        info = f"{venv.normal_name(project, '_')}-{version}.dist-info"
        return None if below in GENERATED else f"{environment.site}/{info}/{below}"
    if top != f"{project}-{version}.data":
        return f"{environment.site}/{name}"
    scheme, _, rest = below.partition("/")
    headers = f"{environment.include}/{project.replace('_', '-')}/"
    homes = {"scripts": "bin/", "data": "", "headers": headers}
    return homes.get(scheme, f"{environment.site}/") + rest


def expected(path: pathlib.Path, environment: Environment) -> dict[str, str] | None:
    """The digests of what `zipfile` reads, by path; None if it cannot decompress an entry."""
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
                files[at] = trees.digest_of(content)
    return files


def compare(path: pathlib.Path, environment: Environment) -> str:
    """Check that the installed files are what `zipfile` reads."""
    after = environment.tree()
    new = {at: node.content for at, node in after.items() if environment.before.get(at) != node}
    gone = environment.before.keys() - after.keys()
    try:
        wanted = expected(path, environment)
    except Exception as error:
        raise Contradiction(f"`zipfile` cannot read it: {error!r}") from error
    if wanted is None:
        return "not read by zipfile"
    made = {at for at in new if at.startswith("bin/") or is_generated(at)}
    differ = {at for at in wanted if new.get(at) != wanted[at] and not (at in made and at in new)}
    extra = new.keys() - made - wanted.keys()
    if gone or differ or extra:
        raise Contradiction(f"missing {gone}, other content {differ}, not in zipfile {extra}")
    return "accepted"


def is_generated(path: str) -> bool:
    """Whether an installer writes this file itself."""
    return ".dist-info/" in path and path.rpartition("/")[2] in GENERATED


def attempt(path: pathlib.Path, environment: Environment, options: list[str]) -> str:
    """Install one wheel; return the verdict."""
    if environment.run(path, "--no-compat-check", *options) != 0:
        verdict = "refused"
    else:
        verdict = compare(path, environment)
        # The name of the project comes from the file name, not from the archive.
        environment.run("uninstall", path.name.split("-")[0])
    found = environment.tree()
    if found != environment.before:
        away = trees.difference(environment.before, found)
        raise Contradiction(f"{verdict}, and the environment has changed: {away}")
    return verdict


def valid(directory: pathlib.Path | None) -> list[tuple[str, bytes]]:
    """Valid wheels, with their file names."""
    found = [(path.name, path.read_bytes()) for path in sorted(seeds.TESTDATA.glob("*.whl"))]
    made = seeds.wheels()[len(found) :]
    found += [("demo-1.0-py3-none-any.whl", image) for image in made]
    for path in sorted(directory.glob("*.whl")) if directory else []:
        if path.stat().st_size <= LARGEST:
            found.append((path.name, path.read_bytes()))
    return found


def main() -> int:
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    add("--count", metavar="N", type=int, default=2000, help="wheels to try (default: 2000)")
    add("--seed", metavar="N", type=int, default=1, help="the first seed; each wheel has its own")
    add("--wheels", metavar="DIR", type=pathlib.Path, help="a directory of more valid wheels")
    options = parser.parse_args()
    binary, originals = venv.checked_binary(options.binary), valid(options.wheels)
    counts: collections.Counter[str] = collections.Counter()
    with venv.scratch_directory("zipfile") as scratch:
        environment = Environment(scratch / "venv", binary)
        for seed in range(options.seed, options.seed + options.count):
            dice = random.Random(seed)
            name, data = dice.choice(originals)
            path = scratch / name
            path.write_bytes(mutate(data, dice))
            try:
                verdict = attempt(path, environment, ["--verify", "off"] if seed % 2 else [])
            except Contradiction as contradiction:
                verdict = "contradictory"
                print(f"seed {seed}: {name}: {contradiction}")
                if environment.tree() != environment.before:
                    environment = Environment(scratch / f"venv{seed}", binary)
            counts[verdict] += 1
            path.unlink()
    print(", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())))
    return 1 if counts["contradictory"] or not counts["accepted"] else 0


if __name__ == "__main__":
    sys.exit(main())
