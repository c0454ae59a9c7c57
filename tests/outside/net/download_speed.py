"""Compare pkg-install, uv and pip installing the same wheels from a slow server.

    python3 tests/outside/net/download_speed.py --wheels DIR [--rounds 5] [--delay-ms 50]
                                                [--rate 100] [--peers DIR] [--without pip]
    python3 tests/outside/net/download_speed.py --wheels DIR --server https://host/simple/

Each round runs everything once, in turn, with empty caches and a fresh virtual environment:
`pkg-install URLS`; its two halves alone (`pkg-install download` for the URLs, and `pkg-install` for
the files); `uv pip install --no-deps --no-cache`; `pip install --no-deps --no-cache-dir`; and `pip
download` with the same options. With `--server`, an address at which the same files are served, no
server is started. `--real-time` runs everything with `chrt -f`, so that other work on the machine
does not interfere.

Prints the median seconds, the median of each round's ratio to pkg-install, and the time of a whole
installation as a multiple of the longer half, which is 1 if fetching and installing overlap
completely. Exit code 1: a command failed.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import time
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import trees, venv


class Comparison:
    """One set of wheels, a server for it, and an environment to install into."""

    def __init__(self, options: argparse.Namespace, scratch: pathlib.Path, address: str):
        self.options, self.scratch, self.address = options, scratch, address
        self.front = ["chrt", "-f", "10"] if options.real_time else []
        self.files = sorted(options.wheels.resolve().glob("*.whl"))
        self.urls = [f"{address}/{urllib.parse.quote(file.name)}" for file in self.files]
        self.venv = scratch / "venv"
        self.variables = venv.clean_variables(
            no_proxy="127.0.0.1",
            UV_CONCURRENT_DOWNLOADS="50",
            HOME=str(scratch),
            XDG_CACHE_HOME=str(scratch / "cache"),
        )
        venv.make(scratch / "model")

    def commands(self) -> dict[str, list[str]]:
        """The command lines, by name."""
        options, urls = self.options, self.urls
        own, pip = str(options.binary), options.pip
        target = ["--target", str(self.venv), "--no-progress", "-q"]
        python = ["--python", str(self.venv / "bin/python")]
        dest = ["--dest", str(self.scratch / "out")]
        cache = ["--cache-dir", str(self.scratch / "cache/own")]
        quiet = ["-q", "--no-deps"]
        uv = [str(options.uv), "pip", "install", *quiet, "--no-cache", *python]
        uncached = [*quiet, "--no-cache-dir"]
        commands = {
            "pkg-install": [own, *urls, *target, *cache],
            "pkg-install download": [own, "download", "-q", "--no-progress", *dest, *urls, *cache],
            "pkg-install of files": [own, *map(str, self.files), *target],
            "uv": [*uv, *urls],
            "pip": [*pip, *python, "install", *uncached, "--no-compile", *urls],
            "pip download": [*pip, "download", *uncached, *dest, *urls],
        }
        without = options.without
        return {name: words for name, words in commands.items() if name.split()[0] not in without}

    def run(self, command: list[str]) -> float:
        """Run a command with empty caches; return its seconds."""
        for left in ("venv", "out", "cache"):
            trees.remove(self.scratch / left)
        shutil.copytree(self.scratch / "model", self.venv, symlinks=True)
        begin = time.monotonic()
        done = subprocess.run(
            self.front + command,
            env=self.variables,
            cwd=self.scratch,
            capture_output=True,
            text=True,
        )
        seconds = time.monotonic() - begin
        if done.returncode:
            status = venv.describe_status(done.returncode)
            sys.exit(f"{' '.join(command[:6])} ...: {status}:\n{done.stderr[-2000:]}")
        return seconds

    def stats(self) -> str:
        """The requests and bytes since the last call, if the server is our own."""
        if self.options.server:
            return ""
        with urllib.request.urlopen(f"{self.address}/stats/reset") as answer:
            counts = json.load(answer).values()
        total = sum(file.stat().st_size for file in self.files)
        sent, requests = sum(count["bytes"] for count in counts), sum(
            count["requests"] for count in counts
        )
        return f"{requests} requests, {sent:,} bytes of {total:,}"

    def rounds(self) -> dict[str, list[float]]:
        """The seconds of each command, round by round."""
        seconds: dict[str, list[float]] = {}
        for number in range(self.options.rounds):
            commands = list(self.commands().items())
            turn = number % len(commands)
            for name, command in commands[turn:] + commands[:turn]:
                self.stats()
                seconds.setdefault(name, []).append(self.run(command))
                shown = f"round {number + 1}: {name} {seconds[name][-1]:.2f} s"
                print(f"{shown}; {self.stats()}", file=sys.stderr, flush=True)
        return seconds


def show(comparison: Comparison, seconds: dict[str, list[float]]) -> None:
    """Print medians and ratios."""
    own = seconds["pkg-install"]
    size = sum(file.stat().st_size for file in comparison.files)
    print(f"{len(comparison.urls)} wheels, {size / 1e6:.0f} MB")
    print("| command | seconds | times as long as pkg-install |\n| --- | ---: | ---: |")
    for name, took in seconds.items():
        ratio = statistics.median(other / mine for other, mine in zip(took, own))
        print(f"| {name} | {statistics.median(took):.2f} | {ratio:.2f} |")
    halves = zip(own, seconds["pkg-install download"], seconds["pkg-install of files"])
    whole = statistics.median(mine / max(fetch, install) for mine, fetch, install in halves)
    print(f"whole installation / longer of download and installation alone: {whole:.2f}")


def serve(options: argparse.Namespace) -> subprocess.Popen:
    """Start the server in a process of its own."""
    program = pathlib.Path(__file__).resolve().parents[1] / "lib" / "server.py"
    front = ["chrt", "-f", "11"] if options.real_time else []
    limits = ["--delay-ms", str(options.delay_ms), "--rate", str(options.rate)]
    command = [*front, sys.executable, str(program), str(options.wheels), *limits]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def main() -> None:
    """Compare with one set of wheels."""
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    add("--wheels", metavar="DIR", required=True, type=pathlib.Path, help="a directory of wheels")
    add("--uv", metavar="PATH", default="uv", help="uv (default: the one on the PATH)")
    add("--peers", metavar="DIR", type=pathlib.Path, help="take uv and pip from DIR; see venv.py")
    add("--rounds", metavar="N", type=int, default=5, help="rounds (default: 5)")
    add("--delay-ms", type=float, default=50, help="the delay of each answer (default: 50)")
    add("--rate", type=float, default=100, help="megabits per second of each connection")
    add("--server", metavar="URL", help="a directory on a server with the same wheels")
    leave_out = "leave one out; may be repeated"
    add("--without", action="append", default=[], choices=["uv", "pip"], help=leave_out)
    add("--real-time", action="store_true", help="run everything with `chrt -f`")
    options = parser.parse_args()
    options.binary = venv.checked_binary(options.binary)
    options.pip = [sys.executable, "-m", "pip"]
    if options.peers:
        peers = venv.Peers(options.peers).make()
        options.uv, options.pip = peers.uv, [str(peers.python), "-m", "pip"]
    with venv.scratch_directory("download-speed") as scratch:
        server = None if options.server else serve(options)
        try:
            own = server is not None
            address = server.stdout.readline().strip() if own else options.server.rstrip("/")
            comparison = Comparison(options, scratch, address)
            show(comparison, comparison.rounds())
        finally:
            if server is not None:
                server.terminate()
                server.communicate()


if __name__ == "__main__":
    main()
