"""Run many commands at once on one environment.

    python3 tests/outside/crash/concurrent_commands.py [--rounds 50] [--kill] [--uv PATH]

In each round eight processes start at once on one virtual environment: installations of different
versions of a few projects (two share a namespace; one is a module in one version and a package in
the next), removals, `recover`, and, if uv is on the PATH or given with --uv, an installation or a
removal by uv, which uses the same lock. With `--kill` some of the processes are killed after a
random time; the others have to continue.

After each round, and a `recover` if anything was killed, the environment has to equal some serial
order of the commands: each project is installed at most once, every RECORD is complete and correct,
every file has an owner, and nothing is left of `.pkg-install`. The only exit codes allowed are 0,
and 5 if the lock could not be acquired in time or if a project to remove was not installed. Then a
process that holds the lock is killed in the middle of its change while others wait: the next one
has to settle what is left and continue.

Prints a line with counts. Exit code 1: anything bad was found. Needs Linux and strace.
"""

from __future__ import annotations

import collections
import csv
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import parallel
import tracing
from lib import trees, venv
from lib.wheels import module_text, project


def main():
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    add("--rounds", metavar="N", type=int, default=50, help="rounds (default: 50)")
    add("--processes", metavar="N", type=int, default=8, help="processes at once (default: 8)")
    add("--kill", action="store_true", help="kill some of them")
    add("--uv", metavar="PATH", default=shutil.which("uv"), help="uv, to run as well")
    add("--seed", metavar="N", type=int, default=1, help="the seed of all random choices")
    options = parser.parse_args()
    options.binary = venv.checked_binary(options.binary)
    tracing.check()
    begin = time.monotonic()
    with venv.scratch_directory("concurrent") as scratch:
        crowd = Crowd(scratch, options)
        for number in range(options.rounds):
            crowd.round(number)
        crowd.kill_lock_holders()
    parallel.print_faults(crowd.faults)
    counts = crowd.counts
    ran = " ".join(f"{name}={counts[name]}" for name in sorted(counts))
    print(
        f"concurrent: {options.rounds} rounds of {options.processes} processes"
        f"{' with uv' if options.uv else ' without uv'}: {ran}; {len(crowd.faults)} bad, "
        f"{time.monotonic() - begin:.0f} s"
    )
    return 1 if crowd.faults else 0


def projects(version, shared):
    """The projects in one version; with `shared`, two of them own a file with equal content."""
    plain = {f"one/m{n}.py": module_text("one", version, n) for n in range(30)}
    first = {f"space/a/m{n}.py": module_text("space-a", version, n) for n in range(20)}
    second = {f"space/b/m{n}.py": module_text("space-b", version, n) for n in range(20)}
    if shared:
        first["space/common.txt"] = second["space/common.txt"] = "both\n"
    if int(version[0]) % 2:
        turns = {"turns.py": f"v = {version}\n"}
    else:
        turns = {"turns/__init__.py": f"v = {version}\n", "turns/x.py": "x = 1\n"}
    scripts = ["one = one.m0:main", f"one-{version[0]} = one.m0:main"]
    return [
        project("one", version, plain, scripts=scripts),
        project("space-a", version, first, data={"share/a/data": version}),
        project("space-b", version, second),
        project("turns", version, turns),
    ]


class Crowd:
    """An environment, and the processes that use it at the same time."""

    def __init__(self, scratch, options):
        self.scratch, self.options = scratch, options
        self.random = random.Random(options.seed)
        self.root = venv.make_fast(scratch / "venv")
        self.wheels = {}
        for version in ("1.0", "2.0", "3.0", "4.0"):
            # uv removes files that another project owns too, so nothing is shared with it.
            for made in projects(version, shared=not options.uv):
                self.wheels[made.name, version] = made.write(scratch / "wheels")
        self.names = sorted({name for name, _ in self.wheels})
        self.empty = trees.snapshot(self.root)
        self.counts, self.faults = collections.Counter(), []

    def command(self):
        """A random command: (kind, words)."""
        some = self.random.sample(self.names, self.random.randint(1, len(self.names)))
        kinds = ("install", "reinstall", "uninstall", "recover", "uv")
        kind = self.random.choices(kinds, (9, 2, 5, 1, 2))[0]
        target = ["--target", self.root, "--lock-timeout", "120"]
        if kind == "uv" and not self.options.uv:
            kind = "install"
        wheels = [self.wheels[name, f"{self.random.randint(1, 4)}.0"] for name in some]
        if kind == "uninstall":
            return kind, [self.options.binary, "uninstall", *target, some[0]]
        if kind == "recover":
            return kind, [self.options.binary, "recover", *target]
        if kind == "uv":
            uv = [self.options.uv, "pip"]
            python = ["--python", self.root / "bin" / "python"]
            if self.random.random() < 0.3:
                return kind, [*uv, "uninstall", "-q", *python, some[0]]
            more = ["--no-deps", "--no-index", "--offline", "--no-cache", "-q"]
            return kind, [*uv, "install", *more, "--link-mode", "copy", *python, *wheels]
        if kind == "reinstall":
            wheels.insert(0, "--reinstall")
        return kind, [self.options.binary, *target, *wheels]

    def round(self, number):
        """Start the processes of one round, wait for them, and check the environment."""
        running = []
        for _ in range(self.options.processes):
            kind, command = self.command()
            running.append((kind, command, start(command)))
        killed = 0
        if self.options.kill:
            # uv promises nothing after a kill: only its waiting is tested.
            for kind, _, process in self.random.sample(running, min(3, len(running))):
                time.sleep(self.random.random() * 0.03)
                if kind != "uv" and process.poll() is None:
                    process.kill()
                    killed += 1
        for kind, command, process in running:
            stderr = process.communicate(timeout=300)[1].strip()
            self.outcome(number, kind, command, process.returncode, stderr)
        if killed:
            settled = venv.run([self.options.binary, "recover", "--target", self.root])
            if settled.returncode:
                status = venv.describe_status(settled.returncode)
                self.bad(number, f"recover: {status}: {settled.stderr.strip()[-200:]}")
        self.check(number)

    def outcome(self, number, kind, command, code, stderr):
        """Count the outcome of one process, or report it."""
        words = " ".join(os.path.basename(os.fspath(word)) for word in command[1:])
        absent = kind == "uninstall" and "not installed" in stderr
        status = venv.describe_status(code)
        if code == 0:
            self.counts[f"{kind}:done"] += 1
        elif code == -signal.SIGKILL and self.options.kill:
            self.counts[f"{kind}:killed"] += 1
        elif kind == "uv":
            self.counts["uv:refused"] += 1
            if "lock" not in stderr.lower():
                self.bad(number, f"uv: {status}: {words}: {stderr[-300:]}")
        elif code == 5 and (absent or "lock" in stderr):
            self.counts[f"{kind}:{'absent' if absent else 'timeout'}"] += 1
        else:
            self.bad(number, f"{kind}: {status}: {words}: {stderr[-300:]}")

    def check(self, number):
        """Check that the environment is consistent."""
        purelib = self.root / venv.PURELIB
        if (purelib / trees.CONTROL).exists():
            self.bad(number, f"left: {sorted(os.listdir(purelib / trees.CONTROL))}")
        seen = collections.Counter(info.name.split("-")[0] for info in purelib.glob("*.dist-info"))
        for name, times in seen.items():
            if times > 1 or name.replace("_", "-") not in self.names:
                self.bad(number, f"`{name}` is installed {times} times")
        for info, what in venv.broken_projects(purelib)[:3]:
            self.bad(number, f"`{info}`: {what}")
        found = trees.snapshot(self.root)
        owned = self.owned(purelib)
        # uv leaves empty directories behind when it removes a project.
        unowned = sorted(path for path in found if path not in owned and not is_empty(path, found))
        if unowned:
            self.bad(number, f"without an owner: {' '.join(unowned[:5])}")
        self.counts["rounds:consistent"] += 1

    def owned(self, purelib):
        """The paths in every RECORD, their directories, and the environment's own paths."""
        owned = set(self.empty)
        for record in purelib.glob("*.dist-info/RECORD"):
            with open(record, newline="", encoding="utf-8") as file:
                for row in csv.reader(file):
                    path = os.path.relpath(os.path.normpath(purelib / row[0]), self.root)
                    while path:
                        owned.add(path)
                        path = os.path.dirname(path)
        return owned

    def bad(self, number, what):
        self.faults.append(f"round {number}: {what}")

    def kill_lock_holders(self):
        """Kill processes that hold the lock in the middle of a change while others wait."""
        binary = self.options.binary
        for name in self.names:
            venv.run([binary, "uninstall", "--target", self.root, name])
        wheels = {
            version: [self.wheels[name, version] for name in self.names]
            for version in ("1.0", "2.0")
        }
        command = [binary, "-j1", "--target", self.root]
        for number in range(3, 12):
            venv.run([*command, *wheels["1.0"]])
            # strace delays it at one of its renames, at which it is killed.
            inject = f"inject=renameat2:delay_enter=800000:when={number}"
            trace = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=renameat2"]
            dying = start([*trace, "-e", inject, *command, *wheels["2.0"]])
            time.sleep(0.2)
            waiting = [start([*command, "--reinstall", *wheels["1.0"]]) for _ in range(3)]
            time.sleep(0.1)
            where = f"lock holder {number}"
            early = [process for process in waiting if process.poll() is not None]
            if early:
                self.bad(where, f"a process did not wait: exit code {early[0].returncode}")
            children = pathlib.Path(f"/proc/{dying.pid}/task/{dying.pid}/children")
            for child in children.read_text().split():
                os.kill(int(child), signal.SIGKILL)
            dying.communicate()
            for process in waiting:
                stderr = process.communicate(timeout=120)[1].strip()
                if process.returncode:
                    status = venv.describe_status(process.returncode)
                    self.bad(where, f"a waiting process: {status}: {stderr[-200:]}")
            if dying.returncode != -signal.SIGKILL:
                self.bad(where, f"the lock holder was not killed: {dying.returncode}")
            self.check(where)
            self.counts["holders:killed"] += 1


def start(command):
    """Start a command whose stderr is read later."""
    return subprocess.Popen(
        [os.fspath(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=venv.clean_variables(),
    )


def is_empty(path, found):
    """Whether a path is a directory with nothing but directories in it."""
    below = (other for other in found if other.startswith(path + "/"))
    return found[path].kind == trees.DIRECTORY and all(
        found[other].kind == trees.DIRECTORY for other in below
    )


if __name__ == "__main__":
    sys.exit(main())
