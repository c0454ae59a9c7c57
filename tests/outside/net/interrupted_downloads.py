"""Interrupt downloads, and check what is fetched again and what is installed in the end.

    python3 tests/outside/net/interrupted_downloads.py --wheels DIR [--times 50] [--seed 1]

There are three parts, with a local server:

- cut: a connection is cut at a random place, once in each of TIMES installations, which all have
  to succeed;
- killed: `pkg-install` is killed after a random time; the same command has to succeed afterwards;
- shared: eight processes install into eight environments with one empty cache.

After each part every byte of every wheel has arrived exactly once. After a kill no byte is sent
again that the cache had recorded, and the bytes that were written but not recorded are less than a
block for each connection. The environment has to equal, byte for byte, the one that an undisturbed
command makes.

Prints counts. Exit code 1: anything differs.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import hashlib
import json
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import server, trees, venv

# The most that a connection may have written without recording it: a block, and the bytes written
# together with its last ones.
BLOCK = (1 << 18) + (1 << 17)
CONNECTIONS = 16
# The number of processes that share a cache.
PROCESSES = 8


class Ground:
    """A server, an environment to copy, and the number of faults."""

    def __init__(self, options: argparse.Namespace, scratch: pathlib.Path, source: server.Server):
        self.binary, self.scratch, self.server = options.binary, scratch, source
        self.wheels = {
            path.name: path.stat().st_size for path in sorted(options.wheels.glob("*.whl"))
        }
        if not self.wheels:
            sys.exit(f"no wheel in {options.wheels}")
        self.digests = {
            name: hashlib.sha256((source.directory / name).read_bytes()).hexdigest()
            for name in self.wheels
        }
        self.random = random.Random(options.seed)
        self.faults = 0
        self.unrecorded = 0
        self.variables = venv.clean_variables(no_proxy="127.0.0.1", HOME=str(scratch))
        venv.make(scratch / "model")

    def start(self, number: int = 0) -> subprocess.Popen:
        """Start to install everything into an environment."""
        urls = [f"{self.server.url(name)}#sha256={self.digests[name]}" for name in self.wheels]
        places = ["--target", self.venv(number), "--cache-dir", self.scratch / "cache"]
        return subprocess.Popen(
            [self.binary, *urls, *map(str, places), "--no-progress", "-q"],
            env=self.variables,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )

    def venv(self, number: int) -> pathlib.Path:
        return self.scratch / f"venv{number}"

    def clear(self, venvs: int = 1) -> None:
        """Make fresh environments, empty the cache and set the counts to zero."""
        trees.remove(self.scratch / "cache")
        for number in range(venvs):
            trees.remove(self.venv(number))
            shutil.copytree(self.scratch / "model", self.venv(number), symlinks=True)
        self.server.transfers.clear()
        self.server.replies.clear()

    def learn(self) -> float:
        """Run undisturbed commands, keep their results, and return the time that one takes."""
        self.clear(PROCESSES)
        begin = time.monotonic()
        self.must_succeed("undisturbed", self.start())
        took = time.monotonic() - begin
        self.nothing_twice("undisturbed")
        # Scripts contain the path of their environment, so each is compared with itself.
        for number in range(1, PROCESSES):
            self.must_succeed("undisturbed", self.start(number))
        self.trees = [trees.snapshot(self.venv(number)) for number in range(PROCESSES)]
        return took

    def fault(self, what: str, why: str) -> None:
        self.faults += 1
        print(f"FAIL {what}: {why}", flush=True)

    def must_succeed(self, what: str, process: subprocess.Popen) -> None:
        _, stderr = process.communicate()
        if process.returncode:
            self.fault(what, f"{venv.describe_status(process.returncode)}\n{stderr[-2000:]}")

    def as_undisturbed(self, what: str, number: int = 0) -> None:
        """Check that an environment is as an undisturbed command makes it."""
        found = trees.snapshot(self.venv(number))
        if found != self.trees[number]:
            self.fault(what, f"the environment: {trees.difference(self.trees[number], found)}")

    def nothing_twice(self, what: str) -> int:
        """Check that each byte was sent once; return the number of bytes sent again."""
        counts, twice = self.server.stats(), 0
        for name, size in self.wheels.items():
            count = counts.get(name, {"bytes": 0})["bytes"] - size
            twice += max(count, 0)
            if count:
                self.fault(what, f"`{name}`: {count} bytes more than its size were sent")
        return twice

    def recorded(self) -> dict[str, list[tuple[int, int]]]:
        """The ranges of each wheel that the cache has recorded; also counts the other bytes."""
        found = {
            path.name: [(0, self.wheels[path.name])]
            for path in self.scratch.glob("cache/wheels/*/*/*.whl")
        }
        names = {size: name for name, size in self.wheels.items()}
        self.unrecorded = 0
        for log in self.scratch.glob("cache/partial/*/log"):
            lines = log.read_text().splitlines(keepends=True)
            lines = [line for line in lines if line.endswith("\n")]
            if not lines:
                continue
            ranges = sorted(tuple(map(int, line.split("-"))) for line in lines[1:])
            content = log.with_name("content")
            written = content.stat().st_blocks * 512 if content.exists() else 0
            self.unrecorded += max(0, written - sum(end - start for start, end in ranges))
            found.setdefault(names[json.loads(lines[0])["total"]], []).extend(ranges)
        return found


def cut(ground: Ground, times: int) -> None:
    """Cut a connection at a random place."""
    cuts = twice = 0
    total = sum(ground.wheels.values())
    for number in range(times):
        ground.clear()
        place = ground.random.randrange(1, total)
        ground.server.cut_after = place
        what = f"cut {number}, after {place} bytes"
        ground.must_succeed(what, ground.start())
        ground.as_undisturbed(what)
        cuts += sum(one.sent < one.end - one.start for one in list(ground.server.transfers))
        twice += ground.nothing_twice(what)
    print(f"cut: {times} installations, {cuts} answers cut off, {twice} bytes sent twice")


def killed(ground: Ground, times: int, longest: float) -> None:
    """Kill `pkg-install` at a random time."""
    hit = resumed = twice = lost = 0
    for number in range(times):
        ground.clear()
        process = ground.start()
        time.sleep(ground.random.uniform(0.02, max(longest, 0.03)))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        # Give the server's threads time to notice.
        time.sleep(0.1)
        hit += process.returncode == -signal.SIGKILL
        recorded = ground.recorded()
        ground.server.transfers.clear()
        what = f"kill {number}"
        ground.must_succeed(what, ground.start())
        ground.as_undisturbed(what)
        resumed += any(recorded.values())
        for one in list(ground.server.transfers):
            again = sum(
                max(0, min(end, one.end) - max(start, one.start))
                for start, end in recorded.get(one.path, [])
            )
            twice += again
            if again:
                ground.fault(what, f"`{one.path}`: {again} recorded bytes were sent again")
        lost = max(ground.unrecorded, lost)
        if ground.unrecorded > BLOCK * CONNECTIONS:
            ground.fault(what, f"{ground.unrecorded} bytes were written but not recorded")
    print(
        f"killed: {times} times, {hit} before the end, {resumed} with recorded bytes; "
        f"{twice} recorded bytes sent again, at most {lost} written but not recorded"
    )


def shared(ground: Ground, processes: int) -> None:
    """Run several processes on several environments with one empty cache."""
    ground.clear(processes)
    running = [ground.start(number) for number in range(processes)]
    with concurrent.futures.ThreadPoolExecutor(processes) as waiting:
        list(waiting.map(lambda process: ground.must_succeed("shared", process), running))
    for number in range(processes):
        ground.as_undisturbed(f"shared {number}", number)
    twice = ground.nothing_twice("shared")
    print(f"shared: {processes} processes, one empty cache, {twice} bytes sent twice")


def main() -> int:
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    add("--wheels", metavar="DIR", required=True, type=pathlib.Path, help="a directory of wheels")
    add("--times", metavar="N", type=int, default=50, help="cuts and kills (default: 50)")
    add("--seed", metavar="N", type=int, default=1, help="the seed of all random choices")
    add("--rate", type=float, default=400, help="megabits per second of each connection")
    add("--delay-ms", type=float, default=5, help="the delay of each answer")
    options = parser.parse_args()
    options.binary = venv.checked_binary(options.binary)
    behaviour = server.slow(options.delay_ms, options.rate)
    with venv.scratch_directory("interrupted") as scratch:
        with server.Server(options.wheels.resolve(), behaviour) as source:
            ground = Ground(options, scratch, source)
            took = ground.learn()
            cut(ground, options.times)
            killed(ground, options.times, took)
            shared(ground, PROCESSES)
    print(f"{ground.faults} faults")
    return 1 if ground.faults else 0


if __name__ == "__main__":
    sys.exit(main())
