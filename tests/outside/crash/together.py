"""Many processes at once on one environment.

    python3 together.py [--binary PATH] [--rounds 50] [--kill] [--uv PATH] [--processes 8] [--seed N]

In each round eight processes start at once on one virtual environment: installations of different versions of a few
projects (two of which share a namespace, and one of which is a module in one version and a package in the other),
removals, `recover`, and, where uv is on PATH or named by --uv, an installation or removal by uv, whose lock is the same. With
`--kill` some of the processes are killed with SIGKILL after a random time; the others have to go on.

After each round, and a `recover` where something was killed, the environment has to equal some serial order: each
project is there at most once, in a version that a process of any round has asked for, every RECORD is complete and right to the byte,
no file belongs to nobody and nothing of `.pkg-install` is left. Only exit code 0 is allowed, and 5 where the lock could not be had
in time or where what was to be removed was not there. Then a holder of the lock is killed in the middle of its change while others
wait for it: the next one settles what it left and goes on.

One line with counts; the exit code is 1 where anything bad was found. Needs Linux, python3; strace for the last part.
"""

import argparse
import collections
import csv
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import scenarios
import scene
import tracing


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    scene.add_binary_option(parser)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--kill", action="store_true", help="kill some of them")
    parser.add_argument("--uv", default=shutil.which("uv"), help="the uv to have in the middle")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.binary = scene.checked_binary(options.binary)
    tracing.check()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pkg-install-together-", dir=scene.scratch_home()) as scratch:
        crowd = Crowd(pathlib.Path(scratch), options)
        for number in range(options.rounds):
            crowd.round(number)
        crowd.holder()
    scenarios.print_faults(crowd.faults)
    counts = crowd.counts
    ran = " ".join(f"{name}={counts[name]}" for name in sorted(counts))
    print(
        f"together: {options.rounds} rounds of {options.processes} processes{' with uv' if options.uv else ' without uv'}: "
        f"{ran}; {len(crowd.faults)} bad, {time.monotonic() - begin:.0f} s"
    )
    return 1 if crowd.faults else 0


def projects(version, shared):
    """The projects in one version; a namespace that two share, and with `shared` a file in it, and one that is a module or
    a package."""
    plain = {f"one/m{n}.py": scene.module_text("one", version, n) for n in range(30)}
    first = {f"space/a/m{n}.py": scene.module_text("space-a", version, n) for n in range(20)}
    second = {f"space/b/m{n}.py": scene.module_text("space-b", version, n) for n in range(20)}
    if shared:
        first["space/common.txt"] = second["space/common.txt"] = "both\n"
    odd = int(version[0]) % 2
    turns = {"turns.py": f"v = {version}\n"} if odd else {"turns/__init__.py": f"v = {version}\n", "turns/x.py": "x = 1\n"}
    return [
        scene.project("one", version, plain, scripts=["one = one.m0:main", f"one-{version[0]} = one.m0:main"]),
        scene.project("space-a", version, first, data={"share/a/data": version}),
        scene.project("space-b", version, second),
        scene.project("turns", version, turns),
    ]


class Crowd:
    """An environment, and the processes that meet on it."""

    def __init__(self, scratch, options):
        self.scratch, self.options = scratch, options
        self.random = random.Random(options.seed)
        self.root = scene.make_venv(scratch / "venv")
        self.wheels = {}
        for version in ("1.0", "2.0", "3.0", "4.0"):
            # uv removes what another project owns as well.
            for made in projects(version, shared=not options.uv):
                self.wheels[made["name"], version] = scene.make_wheel(scratch / "wheels", made)
        self.names = sorted({name for name, _ in self.wheels})
        self.empty = scene.tree(self.root)
        self.counts, self.faults = collections.Counter(), []

    def command(self):
        """What one process does: (sort, command)."""
        some = self.random.sample(self.names, self.random.randint(1, len(self.names)))
        sort = self.random.choices(("install", "reinstall", "uninstall", "recover", "uv"), (9, 2, 5, 1, 2))[0]
        target = ["--target", self.root, "--lock-timeout", "120"]
        if sort == "uv" and not self.options.uv:
            sort = "install"
        wheels = [self.wheels[name, f"{self.random.randint(1, 4)}.0"] for name in some]
        if sort == "uninstall":
            return sort, [self.options.binary, "uninstall", *target, some[0]]
        if sort == "recover":
            return sort, [self.options.binary, "recover", *target]
        if sort == "uv":
            python = ["--python", self.root / "bin" / "python"]
            if self.random.random() < 0.3:
                return sort, [self.options.uv, "pip", "uninstall", "-q", *python, some[0]]
            more = ["--no-deps", "--no-index", "--offline", "--no-cache", "-q", "--link-mode", "copy"]
            return sort, [self.options.uv, "pip", "install", *more, *python, *wheels]
        if sort == "reinstall":
            wheels.insert(0, "--reinstall")
        return sort, [self.options.binary, *target, *wheels]

    def round(self, number):
        running = []
        for _ in range(self.options.processes):
            sort, command = self.command()
            running.append((sort, command, start(command)))
        killed = 0
        if self.options.kill:
            # uv promises nothing when it is killed; only its waiting is tested.
            for sort, _, process in self.random.sample(running, 3):
                time.sleep(self.random.random() * 0.03)
                if sort != "uv" and process.poll() is None:
                    process.kill()
                    killed += 1
        for sort, command, process in running:
            said = process.communicate(timeout=300)[1].strip()
            self.outcome(number, sort, command, process.returncode, said)
        if killed:
            settled = scene.run([self.options.binary, "recover", "--target", self.root])
            if settled.returncode:
                self.bad(number, f"recover: exit {settled.returncode}: {settled.stderr.strip()[-200:]}")
        self.check(number)

    def outcome(self, number, sort, command, code, said):
        words = " ".join(os.path.basename(os.fspath(word)) for word in command[1:])
        if code == 0:
            self.counts[f"{sort}:done"] += 1
        elif code == -signal.SIGKILL and self.options.kill:
            self.counts[f"{sort}:killed"] += 1
        elif sort == "uv":
            self.counts["uv:refused"] += 1
            if "lock" not in said.lower():
                self.bad(number, f"uv: exit {code}: {words}: {said[-300:]}")
        elif code == 5 and ("lock" in said or (sort == "uninstall" and "not installed" in said)):
            self.counts[f"{sort}:{'absent' if 'not installed' in said else 'timeout'}"] += 1
        else:
            self.bad(number, f"{sort}: {scene.describe_status(code)}: {words}: {said[-300:]}")

    def check(self, number):
        """The environment is whole."""
        purelib = self.root / scene.PURELIB
        if (purelib / scene.CONTROL).exists():
            self.bad(number, f"left: {sorted(os.listdir(purelib / scene.CONTROL))}")
        seen = collections.Counter(info.name.split("-")[0] for info in purelib.glob("*.dist-info"))
        for name, times in seen.items():
            if times > 1 or name.replace("_", "-") not in self.names:
                self.bad(number, f"`{name}` is installed {times} times")
        for info, what in scenarios.broken_projects(purelib)[:3]:
            self.bad(number, f"`{info}`: {what}")
        found = scene.tree(self.root)
        owned = set(self.empty)
        for record in purelib.glob("*.dist-info/RECORD"):
            with open(record, newline="", encoding="utf-8") as file:
                for row in csv.reader(file):
                    path = os.path.relpath(os.path.normpath(purelib / row[0]), self.root)
                    while path:
                        owned.add(path)
                        path = os.path.dirname(path)
        nobody = sorted(path for path in found if path not in owned and not harmless(path, found))
        if nobody:
            self.bad(number, f"nobody's: {' '.join(nobody[:5])}")
        self.counts["rounds:whole"] += 1

    def bad(self, number, what):
        self.faults.append(f"round {number}: {what}")

    def holder(self):
        """The holder of the lock dies in mid-change while others wait."""
        for name in self.names:
            scene.run([self.options.binary, "uninstall", "--target", self.root, name])
        wheels = {version: [self.wheels[name, version] for name in self.names] for version in ("1.0", "2.0")}
        command = [self.options.binary, "-j1", "--target", self.root]
        for number in range(3, 12):
            scene.run([*command, *wheels["1.0"]])
            # It is held up at one of its renames, and dies there.
            inject = f"inject=renameat2:delay_enter=800000:when={number}"
            trace = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=renameat2", "-e", inject]
            dying = start([*trace, *command, *wheels["2.0"]])
            time.sleep(0.2)
            waiting = [start([*command, "--reinstall", *wheels["1.0"]]) for _ in range(3)]
            time.sleep(0.1)
            early = [process for process in waiting if process.poll() is not None]
            if early:
                self.bad(f"holder {number}", f"a waiter did not wait: exit {early[0].returncode}")
            for child in pathlib.Path(f"/proc/{dying.pid}/task/{dying.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
            dying.communicate()
            for process in waiting:
                said = process.communicate(timeout=120)[1]
                if process.returncode:
                    self.bad(f"holder {number}", f"a waiter: exit {process.returncode}: {said.strip()[-200:]}")
            if dying.returncode != -signal.SIGKILL:
                self.bad(f"holder {number}", f"the holder was not killed: {dying.returncode}")
            self.check(f"holder {number}")
            self.counts["holders:killed"] += 1


def start(command):
    """Start a command whose errors are read later."""
    return subprocess.Popen(
        [os.fspath(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=scene.clean_variables(),
    )


def harmless(path, found):
    """Empty directories, which uv leaves where it removes a project, and what it keeps its cache with."""
    if found[path][0] == "directory":
        return not any(other.startswith(path + "/") and found[other][0] != "directory" for other in found)
    return False


if __name__ == "__main__":
    sys.exit(main())
