"""Use a store whose disk is full, read-only, another user's or another device, or that has no links left.

    python3 tests/outside/crash/store_disks.py [--only WORD] [--size N]

- full: the cache is on a tmpfs of many sizes: the environment is right, a warning says that the wheels
  are not kept, and every entry of the store is whole;
- read_only: the store is filled and then mounted read-only;
- other_user: the cache belongs to another user;
- other_device: `auto` copies with one warning, and `hardlink` is refused before anything is written;
- many_links: a stored file has as many names as ext4 gives it, so that it is copied and the others are
  linked;
- clones: on btrfs files are cloned, and changing one leaves the store as it is.

Prints a line for each case, and one with counts. Exit code 1: anything bad was found; 2: nothing could be
tested. Needs root, and Linux with tmpfs; a case that cannot be mounted is reported and not counted.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import trees, venv
from lib.wheels import module_text, project

# The user `nobody`.
UNPRIVILEGED = 65534
# How many names a file on ext4 may have.
EXT4_LINKS = 65_000


class Unable(Exception):
    """Something cannot be mounted here."""


class Disks:
    """A place to mount, wheels, and what an environment with them looks like."""

    def __init__(self, binary, scratch, size):
        self.binary, self.scratch = binary, scratch
        self.disk = scratch / "disk"
        self.disk.mkdir()
        self.wheels = [
            project(
                name,
                "1.0",
                {f"{name}/m{n}.py": module_text(name, "1.0", n) for n in range(size)}
                | {f"{name}/__init__.py": "", f"{name}/large.bin": os.urandom(300_000).hex()},
            ).write(scratch / "wheels")
            for name in ("alpha", "beta")
        ]
        self.number = 0
        _, _, self.expected = self.install(scratch / "expected", "never")

    def mount(self, *words):
        done = subprocess.run(
            ["mount", *map(str, words), str(self.disk)], capture_output=True, check=False
        )
        if done.returncode:
            raise Unable(done.stderr.decode().strip())

    def unmount(self):
        subprocess.run(["umount", str(self.disk)], capture_output=True, check=False)

    def image(self, maker, megabytes):
        """Mount a new file system in a file."""
        self.number += 1
        path = self.scratch / f"image-{self.number}"
        with open(path, "wb") as file:
            file.truncate(megabytes << 20)
        try:
            made = subprocess.run([*maker, str(path)], capture_output=True, check=False)
        except FileNotFoundError as error:
            raise Unable(str(error)) from error
        if made.returncode:
            raise Unable(made.stderr.decode().strip())
        self.mount("-o", "loop", path)

    def target(self):
        self.number += 1
        return f"target-{self.number}"

    def install(self, target, store, *more, cache=None):
        """Install all wheels: the exit code, the JSON result, and the tree that is there."""
        line = [self.binary, *self.wheels, "--target", target, "--no-compat-check", "--json"]
        line += ["--cache-dir", cache or self.disk / "cache", "--store", store, *more]
        done = venv.run(line)
        tree = trees.snapshot(target) if os.path.exists(target) else {}
        return done.returncode, json.loads(done.stdout) if done.stdout else {}, tree

    def right(self, target, *more, codes=(), counts=()):
        """Install, and tell what is wrong; `codes` are those of the warnings that have to come."""
        code, result, tree = self.install(target, "always", *more)
        told = [warning["code"] for warning in result.get("warnings", ())]
        if code != 0:
            yield f"{target}: exit code {code}: {result.get('error')}"
        elif tree != self.expected:
            yield f"{target}: {trees.difference(self.expected, tree)}"
        if told != list(codes):
            yield f"{target}: warnings {told}, not {list(codes)}"
        for name, wanted in dict(counts).items():
            found = (result.get("store") or {}).get(name)
            if found != wanted:
                yield f"{target}: {name} {found}, not {wanted}"

    def whole(self):
        """What is wrong with the entries of the store."""
        line = [self.binary, "cache", "verify", "--cache-dir", self.disk / "cache", "--json"]
        checked = venv.run(line)
        if checked.returncode != 0:
            yield f"the store: {venv.one_line(checked.stdout + checked.stderr)}"

    def case_full(self):
        for kilobytes in (256, 512, 700, 900, 1200, 1600, 2200, 3000):
            self.mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs")
            target = self.scratch / self.target()
            code, result, tree = self.install(target, "always")
            told = [warning["code"] for warning in result.get("warnings", ())]
            filled = (result.get("store") or {}).get("filled")
            if code != 0 or tree != self.expected:
                yield f"{kilobytes} kB: exit code {code}: {result.get('error')}"
            # The store is on another device, too, so there may be a second warning.
            elif (filled == len(self.wheels)) == ("unusable-cache" in told):
                yield f"{kilobytes} kB: {filled} wheels were kept, warnings {told}"
            yield from self.whole()
            self.unmount()

    def case_read_only(self):
        self.mount("-t", "tmpfs", "tmpfs")
        yield from self.right(self.scratch / self.target(), "--link-mode", "copy")
        self.mount("-o", "remount,ro")
        yield from self.right(self.scratch / self.target(), codes=["unusable-cache"])

    def case_other_user(self):
        self.mount("-t", "tmpfs", "tmpfs")
        (self.disk / "cache").mkdir()
        os.chown(self.disk / "cache", UNPRIVILEGED, UNPRIVILEGED)
        yield from self.right(self.scratch / self.target(), codes=["unusable-cache"])
        if list((self.disk / "cache").iterdir()):
            yield "something was put into the cache of another user"

    def case_other_device(self):
        self.mount("-t", "tmpfs", "tmpfs")
        for counts in ({"filled": 2}, {"linked": 0, "filled": 0}):
            target = self.scratch / self.target()
            yield from self.right(target, codes=["not-linked"], counts=counts)
        refused = self.scratch / self.target()
        code, result, _ = self.install(refused, "always", "--link-mode", "hardlink")
        if code != 1 or refused.exists():
            yield f"hardlink: exit code {code}, {result.get('error')}"

    def case_many_links(self):
        self.image(["mkfs.ext4", "-q"], 256)
        yield from self.right(self.disk / self.target())
        [stored] = self.disk.glob("cache/store/v1/??/*/tree/alpha/m1.py")
        names = self.disk / "names"
        names.mkdir()
        for number in range(EXT4_LINKS - stored.stat().st_nlink):
            os.link(stored, names / str(number))
        yield from self.right(self.disk / self.target(), counts={"copied": 1, "filled": 0})

    def case_clones(self):
        self.image(["mkfs.btrfs", "-q"], 256)
        yield from self.right(self.disk / self.target())
        target = self.disk / self.target()
        yield from self.right(target, counts={"linked": 0, "copied": 0, "filled": 0})
        with open(target / "alpha/m1.py", "r+b") as file:
            file.write(b"#")
        yield from self.right(self.disk / self.target(), "--link-mode", "reflink")
        yield from self.whole()


def main():
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    add("--only", metavar="WORD", default="", help="only cases with this word in their names")
    add("--size", metavar="N", type=int, default=40, help="modules in each package")
    options = parser.parse_args()
    binary = venv.checked_binary(options.binary)
    if os.getuid():
        print("disks of the store: not tested: mounting them needs root")
        return 2
    tested = bad = 0
    with venv.scratch_directory("store-disks", "/var/tmp") as scratch:
        disks = Disks(binary, scratch, options.size)
        for name in [name for name in dir(Disks) if name.startswith("case_")]:
            if options.only not in name:
                continue
            try:
                faults = list(getattr(disks, name)())
            except Unable as error:
                print(f"{name[5:]}: not tested: {venv.one_line(str(error))}")
                continue
            finally:
                disks.unmount()
            tested, bad = tested + 1, bad + len(faults)
            print(f"{name[5:]}: {'bad' if faults else 'right'}")
            for fault in faults:
                print("  BAD", fault)
    print(f"cases={tested} bad={bad}")
    return 1 if bad else 0 if tested else 2


if __name__ == "__main__":
    sys.exit(main())
