"""Kill commands that fill the store, let many fill it at once, and edit what is linked to it.

    python3 tests/outside/crash/store.py [--kills N] [--processes N] [--seed N] [--size N]
                                          [--link-mode MODE]

- SIGKILL at random moments of an installation that fills the store: every entry that is there has
  the digests that RECORD states, the environment is as before or complete, and the next command
  fills what is missing and leaves nothing of the killed ones behind.
- Several processes fill the store with the same wheels and link them: each environment is right, and
  each wheel is in the store once.
- A file is changed through a link by appending, cutting and overwriting: the next environment is
  right, and a warning names the file.

Prints counts. Exit code 1: anything bad was found, or nothing was killed.
"""

from __future__ import annotations

import collections
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import trees, venv
from lib.wheels import module_text, project


class Store:
    """A cache, wheels, and environments that are made from them."""

    def __init__(self, binary, scratch, size, mode):
        self.binary, self.scratch, self.mode = binary, scratch, mode
        self.cache = scratch / "cache"
        names = ("alpha", "beta", "gamma", "delta")
        self.wheels = [
            project(
                name,
                "1.0",
                {f"{name}/m{n}.py": module_text(name, "1.0", n) for n in range(size)}
                | {f"{name}/__init__.py": "", f"{name}/large.bin": "x" * 1_500_000},
                scripts=[f"{name} = {name}:main"],
            ).write(scratch / "wheels")
            for name in names
        ]
        self.names = names
        # Symbolic links lead to where the same wheels always are.
        more = () if mode == "symlink" else ("--store", "never")
        self.expected = trees.snapshot(self.made("expected", *more))

    def line(self, target, *more):
        return [
            self.binary, *self.wheels, "--target", self.scratch / target, "--no-compat-check",
            "--cache-dir", self.cache, "--store", "always", "--link-mode", self.mode, "--json", *more,
        ]

    def made(self, target, *more):
        """An environment, made by a command that has to succeed."""
        line = self.line(target)
        if more:
            line = [part for part in line if part not in ("--store", "always", "--link-mode", self.mode)]
        venv.must([*line, *more], code=0)
        return self.scratch / target

    def install(self, target):
        done = venv.run(self.line(target))
        return done.returncode, json.loads(done.stdout) if done.stdout else {}

    def faults(self, target):
        """What is wrong with an environment, and with the store."""
        found = trees.snapshot(self.scratch / target)
        if found != self.expected:
            yield f"{target}: {trees.difference(self.expected, found)}"
        yield from self.store_faults()

    def store_faults(self):
        checked = venv.run(
            [self.binary, "cache", "verify", "--cache-dir", self.cache, "--json"]
        )
        if checked.returncode != 0:
            yield f"the store: {venv.one_line(checked.stdout + checked.stderr)}"

    def leftovers(self):
        filling = self.cache / "store/v1/filling"
        # A kill right after a directory was made leaves it empty, and it is removed an hour later.
        # A kill at the end leaves a lock, which the next command that has something to fill removes.
        places = filling.glob("*")
        return sorted(str(path) for place in places for path in place.iterdir() if path.name != "lock")

    def entries(self):
        store = self.cache / "store/v1"
        return [path for path in store.glob("??/*") if (path / "index").exists()]


def killed(store, kills, chance, counter):
    """SIGKILL at moments of the time that filling usually takes."""
    # Linking what is in the store already takes a fraction of the time.
    trees.remove(store.cache)
    begin = time.monotonic()
    store.install("timed")
    usual = time.monotonic() - begin
    for number in range(kills):
        trees.remove(store.cache)
        target = f"killed-{number}"
        process = subprocess.Popen(
            store.line(target), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(chance.random() * usual)
        process.kill()
        counter["killed"] += process.wait() == -signal.SIGKILL
        counter["entries"] += len(store.entries())
        yield from store.store_faults()
        code, result = store.install(target)
        if code != 0:
            yield f"after a kill: exit code {code}: {result.get('error')}"
        yield from store.faults(target)
        if len(store.entries()) != len(store.wheels):
            yield f"{len(store.entries())} entries after a kill and another command"
        if store.leftovers():
            yield f"left behind: {store.leftovers()}"
        trees.remove(store.scratch / target)


def raced(store, processes, counter):
    """Many commands that fill and link the same wheels at the same time."""
    trees.remove(store.cache)
    targets = [f"raced-{number}" for number in range(processes)]
    running = [
        subprocess.Popen(store.line(target), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for target in targets
    ]
    for target, process in zip(targets, running):
        out, told = process.communicate()
        counter["raced"] += 1
        if process.returncode != 0:
            yield f"{target}: exit code {process.returncode}: {venv.one_line(told.decode())}"
            continue
        if json.loads(out)["warnings"]:
            yield f"{target}: {json.loads(out)['warnings'][0]}"
        yield from store.faults(target)
    if len(store.entries()) != len(store.wheels):
        yield f"{len(store.entries())} entries for {len(store.wheels)} wheels"


def edited(store, counter):
    """Changes through a link."""
    path = store.made("edited") / "alpha/m1.py"
    content = path.read_bytes()

    def append():
        with open(path, "ab") as file:
            file.write(b"# mine\n")

    def cut():
        os.truncate(path, 3)

    def overwrite():
        with open(path, "r+b") as file:
            file.write(b"#" * len(content))

    for number, change in enumerate((append, cut, overwrite)):
        trees.remove(store.scratch / "edited")
        store.made("edited")
        change()
        target = f"after-{number}"
        code, result = store.install(target)
        told = [w["message"] for w in result.get("warnings", ()) if w["code"] == "damaged-cache"]
        counter["edited"] += 1
        if code != 0 or not any("`alpha/m1.py`" in message for message in told):
            yield f"{change.__name__}: exit code {code}, warnings {told}"
        yield from store.faults(target)


def main():
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    add("--kills", metavar="N", type=int, default=200, help="how many commands are killed")
    add("--processes", metavar="N", type=int, default=8, help="how many fill the store at once")
    add("--seed", metavar="N", type=int, default=1, help="of the random moments")
    add("--size", metavar="N", type=int, default=60, help="modules in each package")
    modes = ("hardlink", "copy", "symlink")
    add("--link-mode", choices=modes, default="hardlink", help="how files are linked")
    options = parser.parse_args()
    binary = venv.checked_binary(options.binary)
    counter, faults = collections.Counter(), []
    with venv.scratch_directory("store") as scratch:
        store = Store(binary, scratch, options.size, options.link_mode)
        faults += killed(store, options.kills, random.Random(options.seed), counter)
        faults += raced(store, options.processes, counter)
        # Copies are not linked, so no edit gets through them.
        if options.link_mode != "copy":
            faults += edited(store, counter)
    for fault in faults[:20]:
        print("BAD", fault)
    print(" ".join(f"{name}={count}" for name, count in counter.items()), f"bad={len(faults)}")
    return 1 if faults or options.kills and not counter["killed"] else 0


if __name__ == "__main__":
    sys.exit(main())
