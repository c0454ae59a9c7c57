"""Let pkg-install, uv and pip install the same wheels from a server that is far away, by turns.

    python3 race.py --binary PATH --uv PATH --wheels DIR [--rounds 5] [--delay-ms 50] [--rate 100] [--real-time]
    python3 race.py ... --server https://host/simple/     (a server that serves the same files; none is started then)

Each round runs everything once, in turn, with empty caches and a fresh virtual environment: `pkg-install URLS`, its two
halves alone (`pkg-install download` of the URLs, and `pkg-install` of the files), `uv pip install --no-deps --no-cache`,
`pip install --no-deps --no-cache-dir` and `pip download` so. The scratch directory is in memory. Printed are the median
seconds, the median of each round's ratio to pkg-install, and what a whole installation takes as a multiple of the longer
half, which is 1 where fetching and installing overlap wholly. `--real-time` keeps other work on the machine out, as far as
`chrt -f 10` may be used. Say `--without pip` to leave a slow one out.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request


class Race:
    """One set of wheels, a server for it, and a place to install to."""

    def __init__(self, said: argparse.Namespace, scratch: pathlib.Path, address: str):
        self.said, self.scratch, self.address = said, scratch, address
        self.front = ["chrt", "-f", "10"] if said.real_time else []
        self.files = sorted(said.wheels.resolve().glob("*.whl"))
        self.urls = [f"{address}/{urllib.parse.quote(file.name)}" for file in self.files]
        self.venv = scratch / "venv"
        foreign = ("PKG_INSTALL_", "PIP_", "UV_", "PYTHON", "VIRTUAL_ENV")
        self.variables = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        self.variables |= {"no_proxy": "127.0.0.1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_CONFIG_FILE": os.devnull}
        self.variables |= {"UV_CONCURRENT_DOWNLOADS": "50", "HOME": str(scratch), "XDG_CACHE_HOME": str(scratch / "cache")}
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", scratch / "model"], check=True)

    def commands(self) -> dict[str, list[str]]:
        """What takes part, by name."""
        said, binary = self.said, str(self.said.binary)
        target, python = ["--target", str(self.venv), "--no-progress", "-q"], str(self.venv / "bin/python")
        out, report = str(self.scratch / "out"), ["--cache-dir", str(self.scratch / "cache/own")]
        pip = [sys.executable, "-m", "pip"]
        all_of_them = {
            "pkg-install": [binary, *self.urls, *target, *report],
            "pkg-install download": [binary, "download", "--dest", out, "-q", "--no-progress", *self.urls, *report],
            "pkg-install of files": [binary, *map(str, self.files), *target],
            "uv": [str(said.uv), "pip", "install", "-q", "--no-deps", "--no-cache", "--python", python, *self.urls],
            "pip": [*pip, "--python", python, "install", "-q", "--no-deps", "--no-cache-dir", "--no-compile", *self.urls],
            "pip download": [*pip, "download", "-q", "--no-deps", "--no-cache-dir", "--dest", out, *self.urls],
        }
        return {name: command for name, command in all_of_them.items() if name.split()[0] not in said.without}

    def run(self, command: list[str]) -> float:
        """How many seconds a command takes that begins with nothing."""
        for left in ("venv", "out", "cache"):
            shutil.rmtree(self.scratch / left, ignore_errors=True)
        shutil.copytree(self.scratch / "model", self.venv, symlinks=True)
        begin = time.monotonic()
        done = subprocess.run(self.front + command, env=self.variables, cwd=self.scratch, capture_output=True, text=True)
        seconds = time.monotonic() - begin
        if done.returncode:
            sys.exit(f"{' '.join(command[:6])} … ended with code {done.returncode}:\n{done.stderr[-2000:]}")
        return seconds

    def stats(self) -> str:
        """What our own last run asked for, where the server counts."""
        if self.said.server:
            return ""
        with urllib.request.urlopen(f"{self.address}/stats/reset") as answer:
            counts = json.load(answer).values()
        total = sum(file.stat().st_size for file in self.files)
        sent, requests = sum(count["bytes"] for count in counts), sum(count["requests"] for count in counts)
        return f"{requests} requests, {sent:,} bytes of {total:,}"

    def rounds(self) -> dict[str, list[float]]:
        """The seconds of each, round by round."""
        seconds: dict[str, list[float]] = {}
        for number in range(self.said.rounds):
            commands = list(self.commands().items())
            turn = number % len(commands)
            for name, command in commands[turn:] + commands[:turn]:
                self.stats()
                seconds.setdefault(name, []).append(self.run(command))
                shown = f"round {number + 1}: {name} {seconds[name][-1]:.2f} s"
                print(f"{shown}; {self.stats()}", file=sys.stderr, flush=True)
        return seconds


def show(race: Race, seconds: dict[str, list[float]]) -> None:
    """Print medians and ratios."""
    own = seconds["pkg-install"]
    print(f"{len(race.urls)} wheels, {sum(file.stat().st_size for file in race.files) / 1e6:.0f} MB")
    print("| command | seconds | times as long as pkg-install |\n| --- | ---: | ---: |")
    for name, took in seconds.items():
        ratio = statistics.median(other / mine for other, mine in zip(took, own))
        print(f"| {name} | {statistics.median(took):.2f} | {ratio:.2f} |")
    halves = zip(own, seconds["pkg-install download"], seconds["pkg-install of files"])
    whole = statistics.median(mine / max(fetch, install) for mine, fetch, install in halves)
    print(f"all / the longer of download alone and installation alone: {whole:.2f}")


def serve(said: argparse.Namespace) -> subprocess.Popen:
    """Start the slow server."""
    program = pathlib.Path(__file__).with_name("slow_server.py")
    front = ["chrt", "-f", "11"] if said.real_time else []
    command = [*front, sys.executable, program, said.wheels, "--delay-ms", str(said.delay_ms), "--rate", str(said.rate)]
    return subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)


def main() -> None:
    """Race over one set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True, type=lambda path: pathlib.Path(path).resolve(), help="pkg-install")
    parser.add_argument("--uv", default="uv", help="uv")
    parser.add_argument("--wheels", required=True, type=pathlib.Path, help="a directory of wheels")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--delay-ms", type=float, default=50, help="how long each answer takes")
    parser.add_argument("--rate", type=float, default=100, help="megabits a second of each connection")
    parser.add_argument("--server", help="the address of a directory on a server that serves the same wheels")
    parser.add_argument("--without", action="append", default=[], choices=["uv", "pip"], help="leave one out")
    parser.add_argument("--real-time", action="store_true", help="run everything under `chrt -f`")
    said = parser.parse_args()
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="race-", dir=memory))
    server = None if said.server else serve(said)
    try:
        address = said.server.rstrip("/") if server is None else server.stdout.readline().strip()
        race = Race(said, scratch, address)
        show(race, race.rounds())
    finally:
        if server is not None:
            server.terminate()
            server.communicate()
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
