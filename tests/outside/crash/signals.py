"""Send signals at random moments, and check how the program ends and what it leaves.

    python3 tests/outside/crash/signals.py [--moments N] [--seed N] [--size N]

`install`, `uninstall`, `check` and `download` from a local server get one of these at random moments
of the time that they usually take:

- SIGKILL;
- SIGINT twice, the second one up to 20 ms after the first, as by an impatient user;
- SIGTERM once.

A command that the signal meets too late ends by itself, with exit code 0. Otherwise the exit code is
130 after SIGINT and 143 after SIGTERM; after a commit that had begun it may also be 0. Between the
second SIGINT and the end of the process there is at most a second. The environment is then byte for
byte as before or as after the command, if need be once `pkg-install recover` has run; `check` changes
nothing; in the directory of a download there are complete wheels only.

Prints counts for each command and signal, and the longest time that a process took to end. Exit code
1: anything bad was found, or nothing was tested.
"""

from __future__ import annotations

import collections
import pathlib
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import parallel
import workspace
from lib import server, trees, venv

COLUMNS = ("moments", "stopped", "finished", "recovered", "bad")
# An interpreter start, a busy machine: still far less than the wait of a user who is annoyed.
LONGEST = 1.0
SIGNALS = {"kill": signal.SIGKILL, "twice": signal.SIGINT, "term": signal.SIGTERM}
CODES = {"kill": {-signal.SIGKILL}, "twice": {130}, "term": {143}}


class Command:
    """A command, the state that it begins with, and how it may end."""

    def __init__(self, space, name, address):
        self.space, self.name = space, name
        projects = space.projects
        self.dest = space.scratch / "dest"
        self.line = {
            "install": lambda: space.command(*projects.new),
            "uninstall": lambda: space.command("uninstall", *projects.names),
            "check": lambda: space.command("check"),
            "download": lambda: [
                space.binary, "download", "--no-cache", "--dest", self.dest,
                *(f"{address}/{path.name}" for path in projects.new),
            ],
        }[name]()
        self.wheels = {path.name: path.read_bytes() for path in projects.new}
        self.reset()
        self.before = trees.snapshot(space.root)
        begin = time.monotonic()
        venv.must(self.line, code=1)
        self.usual = time.monotonic() - begin
        self.after = trees.snapshot(space.root)

    def reset(self):
        """Put everything back as it was before the command."""
        self.space.restore("old")
        trees.remove(self.dest)
        self.dest.mkdir()

    def strike(self, kind, after, gap):
        """Run the command with the signal; return its exit code, error output and last seconds."""
        words = [str(word) for word in self.line]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        process = subprocess.Popen(
            words, stderr=subprocess.PIPE, text=True, env=venv.clean_variables(), **quiet
        )
        try:
            time.sleep(after)
            process.send_signal(SIGNALS[kind])
            if kind == "twice":
                time.sleep(gap)
                process.send_signal(signal.SIGINT)
            begin = time.monotonic()
            _, told = process.communicate(timeout=60)
        finally:
            process.kill()
            process.wait()
        return process.returncode, told, time.monotonic() - begin

    def faults(self, counter):
        """What is wrong with what the command left; recovers if needed."""
        if self.name == "download":
            left = {path.name: path for path in self.dest.iterdir() if path.suffix == ".whl"}
            for name, path in left.items():
                if path.read_bytes() != self.wheels[name]:
                    yield f"`{name}` is incomplete"
        if trees.snapshot(self.space.root) in (self.before, self.after):
            return
        counter["recovered"] += 1
        yield from self.space.faults_after_recovery(self.before, self.after)


def main():
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    add("--moments", metavar="N", type=int, default=200, help="of each command and signal")
    add("--seed", metavar="N", type=int, default=1, help="of the random moments")
    add("--size", metavar="N", type=int, default=300, help="modules of each package")
    options = parser.parse_args()
    options.binary = venv.checked_binary(options.binary)
    chance, begin = random.Random(options.seed), time.monotonic()
    counts, faults, slowest = {}, [], collections.Counter()
    with venv.scratch_directory("signals") as scratch:
        space = workspace.Workspace(scratch, options.binary, options.size)
        space.must(*space.projects.old)
        space.save("old")
        wheels = space.projects.new[0].parent
        # Slow enough that most moments are in the middle of a transfer.
        with server.Server(wheels, server.slow(20, 20)) as files:
            for name in ("install", "uninstall", "check", "download"):
                command = Command(space, name, files.address)
                for kind in SIGNALS:
                    counter = counts.setdefault(f"{name} {kind}", collections.Counter())
                    for _ in range(options.moments):
                        moment = chance.random() * command.usual * 1.1
                        for fault in one(command, kind, moment, chance, counter, slowest):
                            counter["bad"] += 1
                            faults.append(f"{name}, {kind} after {moment * 1e3:.1f} ms: {fault}")
    total = parallel.print_table(counts, COLUMNS)
    parallel.print_faults(faults)
    times = ", ".join(f"{kind} {slowest[kind] * 1e3:.0f} ms" for kind in SIGNALS)
    print(
        f"signals: {total['moments']} moments: {total['stopped']} stopped, "
        f"{total['finished']} finished, {total['recovered']} recovered, {total['bad']} bad; "
        f"longest end: {times}; {time.monotonic() - begin:.0f} s"
    )
    return 1 if faults or not total["stopped"] else 0


def one(command, kind, moment, chance, counter, slowest):
    """One signal at one moment; yields what is wrong."""
    command.reset()
    code, told, took = command.strike(kind, moment, chance.random() * 0.02)
    counter["moments"] += 1
    slowest[kind] = max(slowest[kind], took)
    # Until the program has set its handlers, signals have their default action.
    early = {-SIGNALS[kind]}
    if code == 0:
        counter["finished"] += 1
    elif code in CODES[kind] | early:
        counter["stopped"] += 1
    else:
        yield f"{venv.describe_status(code)}: {venv.one_line(told)}"
    if kind == "twice" and took > LONGEST:
        yield f"it took {took:.1f} s to end after the second signal"
    yield from command.faults(counter)


if __name__ == "__main__":
    sys.exit(main())
