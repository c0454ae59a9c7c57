"""Cut the power under `pkg-install --durable` on real file systems, and see what the disk holds.

    python3 power.py [--binary PATH] [--control BINARY] [--file-system NAME ...] [--sample SECONDS] [--size N]

Images of ext4, XFS and btrfs are mounted through loop devices, with background commits put off to 300 seconds. In each
one the scenarios `fresh`, `replace` and `uninstall` are run with `--durable` under strace, which kills the command at
each of its renames, flushes and removals of files, until it ends by itself. Then the power goes: ext4 and XFS are shut down
without writing anything back, of btrfs the image is copied while it is mounted. Each cut is made twice: as it is, and
after another file of the same file system was flushed (`+`), which drags the metadata of all others onto the disk but
not their data. The image is mounted again and `pkg-install recover` is run: the environment has to be as before or as
after, to the byte, and after a command that had succeeded exactly as after, also without recovery.

`--control BINARY` does the same with a build that lacks the flush before the journal, and succeeds only where that shows
damage on ext4 or XFS: the proof that the cuts cut. At the end it is shown, and not judged, what a power cut leaves of a
command that succeeded without `--durable`. A count for each file system and scenario and one line with the sum; the exit
code is 1 where anything bad was found (with `--control`: where nothing was), 2 where no file system could be tested.

Needs root, Linux with loop devices, python3, strace, and the tools of e2fsprogs, xfsprogs, btrfs-progs (installed where
apt-get is there). A file system that cannot be made or mounted here is skipped with the reason and counts as not tested.
"""

import argparse
import collections
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import scenarios
import scene
import tracing

SCENARIOS = ("fresh", "replace", "uninstall")
COLUMNS = ("cuts", "success", "untouched", "back", "forward", "damaged")
CUT_AT = ("rename", "renameat", "renameat2", "fsync", "syncfs", "unlink", "unlinkat")
# make, mount options, and the smallest image in MiB
FILE_SYSTEMS = {
    "ext4": (["mkfs.ext4", "-q", "-F"], "commit=300", 96, ("mkfs.ext4", "e2fsprogs")),
    "xfs": (["mkfs.xfs", "-q", "-f"], "", 320, ("mkfs.xfs", "xfsprogs")),
    "btrfs": (["mkfs.btrfs", "-q", "-f"], "commit=300", 256, ("mkfs.btrfs", "btrfs-progs")),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    scene.add_binary_option(parser)
    parser.add_argument("--control", type=pathlib.Path, metavar="BINARY", help="a build without the first flush")
    parser.add_argument("--file-system", action="append", choices=list(FILE_SYSTEMS), help="only this one")
    parser.add_argument("--sample", type=float, metavar="SECONDS", help="only what fits into that time")
    parser.add_argument("--size", type=int, default=12, help="modules in each package")
    options = parser.parse_args()
    binary = scene.checked_binary(options.control or options.binary)
    if os.getuid():
        print("power: not tested: needs root, to mount file systems")
        return 2
    tracing.check()
    scene.need(("xfs_io", "xfsprogs"), *(tools[3] for tools in FILE_SYSTEMS.values()))
    counts, faults, loose, skipped = collections.OrderedDict(), [], [], []
    names = options.file_system or list(FILE_SYSTEMS)
    begin = time.monotonic()
    for name in names:
        share = None if options.sample is None else options.sample / len(names)
        try:
            with Machine(name, binary, options.size) as machine:
                machine.all(counts, faults, share)
                loose += machine.without_durable()
        except Unable as reason:
            skipped.append(f"{name}: not tested: {reason}")
    for line in skipped + loose:
        print(line)
    if not counts:
        print(f"power: not tested: no file system could be mounted, {len(skipped)} skipped")
        return 2
    total = scenarios.print_table(counts, COLUMNS)
    scenarios.print_faults(faults, 10)
    print(
        f"power{' (control)' if options.control else ''}: {total['cuts']} cuts on {len(names) - len(skipped)} file systems "
        f"({len(skipped)} not tested): {total['success']} after success, {total['untouched']} untouched, {total['back']} "
        f"settled back, {total['forward']} settled forward, {total['damaged']} damaged, {time.monotonic() - begin:.0f} s"
    )
    if options.control:
        print("the control is damaged, as it has to be" if faults else "BAD the control is not damaged: the cuts cut nothing")
        return 0 if faults else 1
    return 1 if faults or not total["cuts"] else 0


class Unable(Exception):
    """A file system that cannot be tested here."""


def call(*command):
    result = subprocess.run(
        [os.fspath(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise Unable(f"`{command[0]}`: {(result.stderr or result.stdout).strip()[:200] or result.returncode}")
    return result.stdout


class Machine:
    """A disk with one file system that can lose its power."""

    def __init__(self, name, binary, size):
        self.name, self.binary, self.size = name, binary, size
        self.make, self.options, self.mebibytes, _ = FILE_SYSTEMS[name]

    def __enter__(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="pkg-install-power-", dir=scene.scratch_home()))
        self.mount_point = self.scratch / "disk"
        self.mount_point.mkdir()
        self.root = self.mount_point / "venv"
        self.image = self.scratch / "image"
        old, new = scene.scenario_projects(self.size)
        self.old = [scene.make_wheel(self.scratch / "old", made) for made in old]
        self.new = [scene.make_wheel(self.scratch / "new", made) for made in new]
        self.names = [made["name"] for made in old]
        try:
            self.format()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.unmount()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def format(self):
        with open(self.image, "wb") as file:
            file.truncate(self.mebibytes << 20)
        call(scene.find(self.make[0]) or self.make[0], *self.make[1:], self.image)
        self.mount()
        scene.make_venv(self.root)
        self.unmount()
        self.keep("fresh")
        self.mount()
        self.run(*self.old)
        self.unmount()
        self.keep("replace")

    def base(self, scenario):
        return self.scratch / f"base-{'fresh' if scenario == 'fresh' else 'replace'}"

    def keep(self, scenario):
        call("cp", "--sparse=always", self.image, self.base(scenario))

    def mount(self):
        options = "loop" + ("," + self.options if self.options else "")
        call("mount", "-t", self.name, "-o", options, self.image, self.mount_point)

    def unmount(self):
        """Unmount; of a file system that was shut down nothing but the list of mounts can be asked."""
        for patience in range(100):
            with open("/proc/self/mounts") as file:
                if not any(line.split()[1] == os.fspath(self.mount_point) for line in file):
                    return
            lazy = ["-l"] if patience > 90 else []
            if subprocess.run(["umount", *lazy, self.mount_point], capture_output=True, check=False).returncode:
                time.sleep(0.05)

    def power_on(self, scenario):
        """The disk as the scenario begins with it."""
        self.unmount()
        call("cp", "--sparse=always", self.base(scenario), self.image)
        self.mount()

    def cut(self, metadata):
        """The power goes and comes back. With `metadata` something else was flushed just before."""
        if metadata:
            with open(self.mount_point / "another-file", "w") as file:
                file.write("x")
                file.flush()
                os.fsync(file.fileno())
        if self.name == "btrfs":
            copy = self.scratch / "copy"
            call("cp", "--sparse=always", self.image, copy)
            self.unmount()
            os.replace(copy, self.image)
        else:
            call(scene.find("xfs_io") or "xfs_io", "-x", "-c", "shutdown", self.mount_point)
            self.unmount()
        self.mount()

    def command(self, scenario, durable=True):
        more = ["--durable"] if durable else []
        words = ["uninstall", *more, *self.names] if scenario == "uninstall" else ["-j1", *more, *self.new]
        return [self.binary, *words, "--target", self.root]

    def run(self, *words):
        result = scene.run([self.binary, *words, "--target", self.root])
        if result.returncode:
            raise SystemExit(f"the scene cannot be set: exit {result.returncode}: {result.stderr}")

    def all(self, counts, faults, seconds):
        for scenario in SCENARIOS:
            counter = counts.setdefault(f"{self.name} {scenario}", collections.Counter())
            self.power_on(scenario)
            before = scene.tree(self.root)
            result, entered = tracing.record(self.command(scenario))
            if result.returncode:
                raise SystemExit(f"{scenario}: exit {result.returncode}: {result.stderr}")
            after = scene.tree(self.root)
            judge = Judge(self, scenario, before, after, counter, faults)
            judge.success(False)
            judge.success(True)
            deadline = scenarios.Deadline(None if seconds is None else seconds / len(SCENARIOS))
            points = tracing.points(entered, lambda name, _: name in CUT_AT)
            removing = [point for point in points if point.call.startswith("unlink")]
            points = [point for point in points if point not in removing] + tracing.evenly(removing, 6)
            for point, metadata in scenarios.spread([(point, metadata) for point in points for metadata in (False, True)]):
                if deadline.over():
                    break
                judge.killed(point, metadata)
        self.unmount()

    def without_durable(self):
        """What a cut right after success leaves without `--durable`, in words."""
        lines = []
        for metadata in (False, True):
            self.power_on("fresh")
            before = scene.tree(self.root)
            self.run(*self.new)
            after = scene.tree(self.root)
            self.cut(metadata)
            result = scene.run([self.binary, "recover", "--target", self.root])
            found = scene.tree(self.root)
            files = [path for path, what in after.items() if what[0] == "file" and path not in before]
            nothing = scene.hashlib.sha256(b"").digest()
            hollow = sum(1 for path in files if path in found and found[path][2] == nothing != after[path][2])
            gone = sum(1 for path in files if path not in found)
            same = sum(1 for path in files if found.get(path) == after[path])
            said = "" if result.returncode == 0 else f"; recover: exit {result.returncode}: {result.stderr.strip()[:160]}"
            lines.append(
                f"{self.name}: without --durable, cut right after success{', other file flushed' if metadata else ''}: of "
                f"{len(files)} files {same} whole, {hollow} empty, {gone} absent{said}"
            )
        self.unmount()
        return lines


class Judge:
    """Cuts in one scenario, and what to think of what is found."""

    def __init__(self, machine, scenario, before, after, counter, faults):
        self.machine, self.scenario, self.before, self.after = machine, scenario, before, after
        self.counter, self.faults = counter, faults

    def success(self, metadata):
        """The power goes right after the command has succeeded."""
        self.machine.power_on(self.scenario)
        result = scene.run(self.machine.command(self.scenario))
        if result.returncode:
            self.bad("success", f"exit {result.returncode}: {result.stderr.strip()[-200:]}")
            return
        self.machine.cut(metadata)
        self.counter["cuts"] += 1
        plain = scene.without_control(scene.tree(self.machine.root))
        found = self.recovered("success")
        if found is None:
            return
        if plain != self.after or found != self.after:
            self.bad("after success", self.explain(plain if plain != self.after else found))
        else:
            self.counter["success"] += 1

    def killed(self, point, metadata):
        """The power goes in the middle."""
        self.machine.power_on(self.scenario)
        result, _ = tracing.strike(self.machine.command(self.scenario), point, "signal=KILL")
        if result.returncode != -signal.SIGKILL:
            return
        self.machine.cut(metadata)
        self.counter["cuts"] += 1
        first = scene.tree(self.machine.root)
        where = f"{point}{'+' if metadata else ''}"
        found = self.recovered(where)
        if found is None:
            return
        if found == self.before:
            self.counter["untouched" if first == self.before else "back"] += 1
        elif found == self.after:
            self.counter["forward"] += 1
        else:
            self.bad(where, self.explain(found))

    def recovered(self, where):
        result = scene.run([self.machine.binary, "recover", "--target", self.machine.root])
        if result.returncode:
            self.bad(where, f"recover: exit {result.returncode}: {result.stderr.strip()[-260:]}")
            return None
        return scene.tree(self.machine.root)

    def explain(self, found):
        pairs = ((self.before, "before"), (self.after, "after"))
        wanted, name = min(pairs, key=lambda pair: scenarios.distance(pair[0], found))
        return f"against {name}: {scene.difference(wanted, found)}"

    def bad(self, where, what):
        self.counter["damaged"] += 1
        self.faults.append(f"{self.machine.name} {self.scenario}: cut at {where}: {what}")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
