"""Kill an installation from names at many moments, from its first request on.

    python3 tests/outside/crash/kill_resolving.py [--points N]

`pkg-install app --target VENV` resolves `app` and what it needs, from an index on this machine that
answers a little late, and replaces an older version of each project. SIGKILL comes after a share of
the time that the command usually takes; the shares are spread evenly. After the kill the environment
has to be byte for byte as before or as after the command, if need be once `pkg-install recover` has
run, and the next command with the same cache has to succeed.

Exit code 1: anything bad was found, or nothing was tested.
"""

from __future__ import annotations

import collections
import http.server
import pathlib
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import trees, venv, wheels

PROJECTS = [f"p{number}" for number in range(12)]
DELAY = 0.004


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of a directory, a little late."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        time.sleep(DELAY)
        super().do_GET()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Print nothing: clients are killed on purpose."""


def made(name: str, version: str) -> wheels.Wheel:
    """A project whose wheel needs the next two."""
    number = PROJECTS.index(name)
    needs = "".join(f"Requires-Dist: {other}>={version}\n" for other in PROJECTS[number + 1 : number + 3])
    files = {f"{name}/m{place}.py": wheels.module_text(name, version, place) for place in range(8)}
    wheel = wheels.project(name, version, files, scripts=[f"{name} = {name}.m0:main"])
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
    wheel.metadata = text.encode()
    return wheel


def publish(directory: pathlib.Path) -> None:
    """An index with two versions of each project, and their wheels."""
    for name in PROJECTS:
        page = directory / "simple" / name
        page.mkdir(parents=True)
        links = []
        for version in ("1.0", "2.0"):
            path = made(name, version).write(page)
            links.append(f'<a href="{path.name}">x</a>')
        (page / "index.html").write_text("<!DOCTYPE html>" + "".join(links))


class Killer:
    """An environment with the older versions, and the command that replaces them."""

    def __init__(self, scratch: pathlib.Path, binary: pathlib.Path, address: str):
        self.scratch, self.binary = scratch, binary
        self.root = venv.make_fast(scratch / "venv")
        self.options = ["--target", self.root, "--index-url", f"{address}/simple/", "--cache-dir", scratch / "cache"]
        self.variables = venv.clean_variables(no_proxy="127.0.0.1")
        venv.must([binary, *(f"{name}==1.0" for name in PROJECTS), *self.options], env=self.variables)
        self.saved = scratch / "saved"
        self.saved.mkdir()
        trees.copy_contents(self.root, self.saved)
        self.before = trees.snapshot(self.root)
        self.usual = self.after_seconds()
        self.after = trees.snapshot(self.root)

    def command(self) -> list:
        return [str(word) for word in (self.binary, "install", PROJECTS[0], "--upgrade", "--upgrade-strategy", "eager", *self.options)]

    def reset(self) -> None:
        trees.empty(self.root)
        trees.copy_contents(self.saved, self.root)
        trees.remove(self.scratch / "cache")

    def after_seconds(self) -> float:
        """Run the command to its end; return how long it took."""
        self.reset()
        begin = time.monotonic()
        venv.must(self.command(), env=self.variables)
        return time.monotonic() - begin

    def kill(self, share: float, counter: collections.Counter) -> str | None:
        """Kill once; return what is bad."""
        self.reset()
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(self.command(), env=self.variables, **quiet)
        try:
            process.wait(share * self.usual)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        found = trees.snapshot(self.root)
        if trees.has_control(found):
            venv.must([self.binary, "recover", "--target", self.root], code=1)
            counter["recovered"] += 1
            found = trees.snapshot(self.root)
        state = {True: "before"}.get(found == self.before) or {True: "after"}.get(found == self.after)
        if state is None:
            return trees.nearer(self.before, self.after, found)
        counter[state] += 1
        done = venv.run(self.command(), env=self.variables)
        if done.returncode or trees.snapshot(self.root) != self.after:
            return f"the next command: {venv.describe_status(done.returncode)}: {venv.one_line(done.stderr)}"
        return None


def main() -> int:
    parser = venv.new_parser(__doc__)
    parser.add_argument("--points", type=int, default=300)
    options = parser.parse_args()
    binary = venv.checked_binary(options.binary)
    counter, faults = collections.Counter(), []
    with venv.scratch_directory("kill-resolving") as scratch:
        publish(scratch / "index")
        server = Server(("127.0.0.1", 0), lambda *words: Handler(*words, directory=str(scratch / "index")))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        killer = Killer(scratch, binary, f"http://127.0.0.1:{server.server_address[1]}")
        for number in range(options.points):
            share = 1.1 * (number + 1) / options.points
            fault = killer.kill(share, counter)
            if fault:
                faults.append(f"killed after {share:.3f} of the usual time: {fault}")
        server.shutdown()
    for fault in faults[:20]:
        print(fault)
    print(f"kill_resolving: {options.points} points: {counter['before']} before, {counter['after']} after, {counter['recovered']} recovered, {len(faults)} bad")
    return 1 if faults or not counter["before"] or not counter["after"] else 0


if __name__ == "__main__":
    sys.exit(main())
