"""Break downloads off and look at what is fetched again, and at what is installed in the end.

    python3 breaks.py --binary PATH --wheels DIR [--times 50] [--seed 1] [--rate 400]

Three things are done with a server of this process (see slow_server.py). A connection is CUT at a random place, once in
each of TIMES installations, which all have to succeed. `pkg-install` is KILLED by SIGKILL after a random time, and the
same command has to succeed then. And eight processes install into eight environments out of one SHARED cache that is
empty. After each, every byte of every wheel has come, and none twice. After a kill no byte is sent again that the cache
had noted, and what was written and not noted is less than a block for each connection. What was installed has to equal,
byte for byte, what an undisturbed command installs. Counts are printed; the exit code is 1 where anything differs.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from slow_server import Manner, Server

# What a connection may have written and not noted: a block, and what was written with its last bytes.
BLOCK = (1 << 18) + (1 << 17)
CONNECTIONS = 16
# How many share a cache.
PROCESSES = 8


def tree(root: pathlib.Path) -> str:
    """The names, kinds, modes and contents of everything below a directory, hashed; without the lock."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if name == ".lock":
            continue
        if path.is_symlink():
            kind = os.readlink(path)
        else:
            kind = "" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{name} {path.lstat().st_mode:o} {kind}\n".encode())
    return digest.hexdigest()


class Ground:
    """A server, a model of an environment, and what went wrong."""

    def __init__(self, said: argparse.Namespace, scratch: pathlib.Path, server: Server):
        self.binary, self.scratch, self.server = said.binary, scratch, server
        self.wheels = {path.name: path.stat().st_size for path in sorted(said.wheels.glob("*.whl"))}
        self.random = random.Random(said.seed)
        self.faults = 0
        foreign = ("PKG_INSTALL_", "VIRTUAL_ENV")
        self.variables = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        self.variables |= {"no_proxy": "127.0.0.1", "HOME": str(scratch)}
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", scratch / "model"], check=True)

    def start(self, number: int = 0, cache: str = "cache") -> subprocess.Popen:
        """Begin to install everything into an environment."""
        urls = [f"{self.server.url(name)}#sha256={self.digests[name]}" for name in self.wheels]
        where = ["--target", str(self.venv(number)), "--cache-dir", str(self.scratch / cache), "--no-progress", "-q"]
        return subprocess.Popen(
            [self.binary, *urls, *where],
            env=self.variables,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )

    def venv(self, number: int) -> pathlib.Path:
        return self.scratch / f"venv{number}"

    def clear(self, venvs: int = 1) -> None:
        """Fresh environments, an empty cache, counts at zero."""
        shutil.rmtree(self.scratch / "cache", ignore_errors=True)
        for number in range(venvs):
            shutil.rmtree(self.venv(number), ignore_errors=True)
            shutil.copytree(self.scratch / "model", self.venv(number), symlinks=True)
        self.server.answered.clear()
        self.server.turns.clear()

    def learn(self) -> float:
        """What an undisturbed command installs, and how long it takes."""
        directory = self.server.directory
        self.digests = {name: hashlib.sha256((directory / name).read_bytes()).hexdigest() for name in self.wheels}
        self.clear(PROCESSES)
        begin = time.monotonic()
        self.ends_well("undisturbed", self.start())
        took = time.monotonic() - begin
        self.nothing_twice("undisturbed")
        # Scripts name their environment, so that each is compared with itself.
        for number in range(1, PROCESSES):
            self.ends_well("undisturbed", self.start(number))
        self.trees = [tree(self.venv(number)) for number in range(PROCESSES)]
        return took

    def fault(self, what: str, why: str) -> None:
        self.faults += 1
        print(f"FAIL {what}: {why}", flush=True)

    def ends_well(self, what: str, process: subprocess.Popen) -> None:
        _, told = process.communicate()
        if process.returncode:
            self.fault(what, f"code {process.returncode}\n{told[-2000:]}")

    def as_undisturbed(self, what: str, number: int = 0) -> None:
        if tree(self.venv(number)) != self.trees[number]:
            self.fault(what, "the environment is another than an undisturbed one")

    def twice(self) -> dict[str, int]:
        """How many bytes of each wheel were sent more than once; fewer than it has is a negative number."""
        counts = self.server.stats()
        return {name: counts.get(name, {"bytes": 0})["bytes"] - size for name, size in self.wheels.items()}

    def noted(self) -> dict[str, list[tuple[int, int]]]:
        """Which bytes of each wheel the cache has noted; `unnoted` is how many more were written."""
        noted = {path.name: [(0, self.wheels[path.name])] for path in self.scratch.glob("cache/wheels/*/*/*.whl")}
        names = {size: name for name, size in self.wheels.items()}
        self.unnoted = 0
        for log in self.scratch.glob("cache/partial/*/log"):
            lines = [line for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]
            if not lines:
                continue
            ranges = sorted(tuple(map(int, line.split("-"))) for line in lines[1:])
            content = log.with_name("content")
            written = content.stat().st_blocks * 512 if content.exists() else 0
            self.unnoted += max(0, written - sum(end - start for start, end in ranges))
            noted.setdefault(names[json.loads(lines[0])["total"]], []).extend(ranges)
        return noted

    def nothing_twice(self, what: str) -> int:
        twice = self.twice()
        for name, count in twice.items():
            if count:
                self.fault(what, f"`{name}`: {count} bytes more than it has were sent")
        return sum(count for count in twice.values() if count > 0)


def cut(ground: Ground, times: int) -> None:
    """A connection ends at a random place."""
    cut = twice = 0
    total = sum(ground.wheels.values())
    for number in range(times):
        ground.clear()
        place = ground.random.randrange(1, total)
        ground.server.cut_after = place
        what = f"cut {number}, after {place} bytes"
        ground.ends_well(what, ground.start())
        ground.as_undisturbed(what)
        cut += sum(one.sent < one.end - one.start for one in list(ground.server.answered))
        twice += ground.nothing_twice(what)
    print(f"cut: {times} installations, {cut} answers cut off, {twice} bytes sent twice", flush=True)


def killed(ground: Ground, times: int, longest: float) -> None:
    """`pkg-install` is killed at a random time."""
    hit = resumed = twice = lost = 0
    for number in range(times):
        ground.clear()
        process = ground.start()
        time.sleep(ground.random.uniform(0.02, longest))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        # The server's threads see that nobody is there any more.
        time.sleep(0.1)
        hit += process.returncode == -signal.SIGKILL
        noted = ground.noted()
        ground.server.answered.clear()
        what = f"kill {number}"
        ground.ends_well(what, ground.start())
        ground.as_undisturbed(what)
        resumed += any(noted.values())
        for one in list(ground.server.answered):
            again = sum(max(0, min(end, one.end) - max(start, one.start)) for start, end in noted.get(one.path, []))
            twice += again
            if again:
                ground.fault(what, f"`{one.path}`: {again} bytes were sent again that had been noted")
        lost = max(ground.unnoted, lost)
        if ground.unnoted > BLOCK * CONNECTIONS:
            ground.fault(what, f"{ground.unnoted} bytes had been written and not noted")
    print(f"killed: {times} times, {hit} before the end, {resumed} with something to go on with", end="", flush=True)
    print(f"; {twice} noted bytes sent again, at most {lost} written and not noted", flush=True)


def shared(ground: Ground, processes: int) -> None:
    """Several processes, several environments, one empty cache."""
    ground.clear(processes)
    running = [ground.start(number) for number in range(processes)]
    with concurrent.futures.ThreadPoolExecutor(processes) as waiting:
        list(waiting.map(lambda process: ground.ends_well("shared", process), running))
    for number in range(processes):
        ground.as_undisturbed(f"shared {number}", number)
    twice = ground.nothing_twice("shared")
    print(f"shared: {processes} processes, one empty cache, {twice} bytes sent twice", flush=True)


def main() -> None:
    """Break everything off."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True, type=os.path.abspath, help="pkg-install")
    parser.add_argument("--wheels", required=True, type=pathlib.Path, help="a directory of wheels")
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=400, help="megabits a second of each connection")
    parser.add_argument("--delay-ms", type=float, default=5, help="how long each answer takes")
    said = parser.parse_args()
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="breaks-", dir=memory))
    try:
        with Server(said.wheels.resolve(), Manner(said.delay_ms / 1e3, said.rate * 1e6 / 8)) as server:
            ground = Ground(said, scratch, server)
            took = ground.learn()
            cut(ground, said.times)
            killed(ground, said.times, took)
            shared(ground, PROCESSES)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"{ground.faults} violations")
    sys.exit(1 if ground.faults else 0)


if __name__ == "__main__":
    main()
