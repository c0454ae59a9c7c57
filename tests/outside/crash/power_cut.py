"""Cut the power under `pkg-install --durable` on real file systems, and check what the disk holds.

    python3 tests/outside/crash/power_cut.py [--file-system NAME ...] [--sample SECONDS]
    python3 tests/outside/crash/power_cut.py --control BINARY

Images of ext4, XFS and btrfs are mounted through loop devices, with background commits delayed to
300 seconds. On each of them the scenarios `fresh`, `replace` and `uninstall` run with `--durable`
under strace, which kills the command at each of its renames, flushes and removals of files. Then
the power goes: ext4 and XFS are shut down without writing anything back; the image of btrfs is
copied while it is mounted. Each cut is made twice: as it is, and after another file of the same
file system was flushed (`+`), which forces the metadata of all other files onto the disk but not
their data. The image is mounted again and `pkg-install recover` runs: the environment has to be
byte for byte as before or as after the command. After a command that had succeeded it has to be as
after, even without recovery.

`--control BINARY` tests a build without the flush before the journal, and succeeds only if that
shows damage on ext4 or XFS: this proves that the cuts are effective. At the end the script shows,
without judging it, what a power cut leaves of a command that succeeded without `--durable`.

Prints counts for each file system and scenario and a line with the sums. Exit code 1: anything bad
was found (with `--control`: nothing was found); 2: no file system could be tested. Needs root,
Linux with loop devices, strace, and the tools of e2fsprogs, xfsprogs and btrfs-progs (installed
with apt-get if possible). A file system that cannot be made or mounted is skipped with the reason.
"""

from __future__ import annotations

import collections
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import parallel
import tracing
import workspace
from lib import trees, venv

SCENARIOS = ("fresh", "replace", "uninstall")
COLUMNS = ("cuts", "success", "untouched", "back", "forward", "damaged")
CUT_AT = ("rename", "renameat", "renameat2", "fsync", "syncfs", "unlink", "unlinkat")
# How to make it, its mount options, the smallest image in MiB, the package with its tools.
FILE_SYSTEMS = {
    "ext4": (["mkfs.ext4", "-q", "-F"], "commit=300", 96, "e2fsprogs"),
    "xfs": (["mkfs.xfs", "-q", "-f"], "", 320, "xfsprogs"),
    "btrfs": (["mkfs.btrfs", "-q", "-f"], "commit=300", 256, "btrfs-progs"),
}


def main():
    parser = parallel.new_parser(__doc__, 12)
    add = parser.add_argument
    add("--control", type=pathlib.Path, metavar="BINARY", help="a build without the first flush")
    only = "only this one; may be repeated"
    add("--file-system", action="append", choices=list(FILE_SYSTEMS), help=only)
    options = parser.parse_args()
    binary = venv.checked_binary(options.control or options.binary)
    if os.getuid():
        print("power: not tested: mounting file systems needs root")
        return 2
    tracing.check()
    makers = [(make[0], package) for make, _, _, package in FILE_SYSTEMS.values()]
    workspace.need(("xfs_io", "xfsprogs"), *makers)
    counts, faults, loose, skipped = {}, [], [], []
    names = options.file_system or list(FILE_SYSTEMS)
    begin = time.monotonic()
    for name in names:
        share = None if options.sample is None else options.sample / len(names)
        try:
            with venv.scratch_directory("power") as scratch:
                with Machine(scratch, name, binary, options.size) as machine:
                    machine.all(counts, faults, share)
                    loose += machine.without_durable()
        except Unable as reason:
            skipped.append(f"{name}: not tested: {reason}")
    for line in skipped + loose:
        print(line)
    if not counts:
        print(f"power: not tested: no file system could be mounted, {len(skipped)} skipped")
        return 2
    total = parallel.print_table(counts, COLUMNS)
    parallel.print_faults(faults, 10)
    print(
        f"power{' (control)' if options.control else ''}: {total['cuts']} cuts on "
        f"{len(names) - len(skipped)} file systems ({len(skipped)} not tested): "
        f"{total['success']} after success, {total['untouched']} untouched, "
        f"{total['back']} settled back, {total['forward']} settled forward, "
        f"{total['damaged']} damaged, {time.monotonic() - begin:.0f} s"
    )
    if options.control:
        good, bad = "the control is damaged, as it has to be", "BAD the control is not damaged"
        print(good if faults else bad)
        return 0 if faults else 1
    return 1 if faults or not total["cuts"] else 0


class Unable(Exception):
    """A file system that cannot be tested here."""


def call(*command):
    """Run a command that has to succeed for the file system to be tested."""
    result = venv.run(command)
    if result.returncode:
        said = (result.stderr or result.stdout).strip()[:200]
        raise Unable(f"`{command[0]}`: {said or result.returncode}")


class Machine:
    """A disk with one file system that can lose its power."""

    def __init__(self, scratch, name, binary, size):
        self.scratch, self.name, self.binary = scratch, name, binary
        self.make, self.options, self.mebibytes, _ = FILE_SYSTEMS[name]
        self.mount_point = scratch / "disk"
        self.mount_point.mkdir()
        self.root = self.mount_point / "venv"
        self.image = scratch / "image"
        self.projects = workspace.Projects(scratch, size)

    def __enter__(self):
        try:
            self.format()
        except BaseException:
            self.unmount()
            raise
        return self

    def __exit__(self, *_):
        self.unmount()

    def format(self):
        """Make the file system, and the images with which the scenarios begin."""
        with open(self.image, "wb") as file:
            file.truncate(self.mebibytes << 20)
        call(workspace.find(self.make[0]) or self.make[0], *self.make[1:], self.image)
        self.mount()
        venv.make_fast(self.root)
        self.unmount()
        self.keep("fresh")
        self.mount()
        self.must(*self.projects.old)
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
        """Unmount; a file system that was shut down cannot be asked whether it is mounted."""
        for attempt in range(100):
            with open("/proc/self/mounts") as file:
                if not any(line.split()[1] == os.fspath(self.mount_point) for line in file):
                    return
            lazy = ["-l"] if attempt > 90 else []
            command = ["umount", *lazy, self.mount_point]
            if subprocess.run(command, capture_output=True, check=False).returncode:
                time.sleep(0.05)

    def power_on(self, scenario):
        """Mount the disk with which the scenario begins."""
        self.unmount()
        # A new file gets a new loop device: an old one may still have the disk that was shut down.
        fresh = self.scratch / "fresh-image"
        call("cp", "--sparse=always", self.base(scenario), fresh)
        os.replace(fresh, self.image)
        self.mount()

    def cut(self, metadata):
        """Turn the power off and on. With `metadata`, another file is flushed just before."""
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
            xfs_io = workspace.find("xfs_io") or "xfs_io"
            call(xfs_io, "-x", "-c", "shutdown", self.mount_point)
            self.unmount()
        self.mount()

    def command(self, scenario):
        if scenario == "uninstall":
            words = ["uninstall", "--durable", *self.projects.names]
        else:
            words = ["-j1", "--durable", *self.projects.new]
        return [self.binary, *words, "--target", self.root]

    def must(self, *words):
        venv.must([self.binary, *words, "--target", self.root], code=1)

    def recover(self):
        return venv.run([self.binary, "recover", "--target", self.root])

    def all(self, counts, faults, seconds):
        """Cut the power in all scenarios."""
        for scenario in SCENARIOS:
            counter = counts.setdefault(f"{self.name} {scenario}", collections.Counter())
            self.power_on(scenario)
            before = trees.snapshot(self.root)
            result, entered = tracing.record(self.command(scenario))
            if result.returncode:
                status = venv.describe_status(result.returncode)
                raise SystemExit(f"{scenario}: {status}: {result.stderr}")
            after = trees.snapshot(self.root)
            judge = Judge(self, scenario, (before, after), counter, faults)
            judge.success(False)
            judge.success(True)
            share = None if seconds is None else seconds / len(SCENARIOS)
            deadline = parallel.Deadline(share)
            points = tracing.points(entered, lambda name, _: name in CUT_AT)
            removing = [point for point in points if point.call.startswith("unlink")]
            points = [point for point in points if point not in removing]
            points += tracing.evenly(removing, 6)
            cuts = [(point, metadata) for point in points for metadata in (False, True)]
            for point, metadata in parallel.spread(cuts):
                if deadline.over():
                    break
                judge.killed(point, metadata)
        self.unmount()

    def without_durable(self):
        """What a cut right after success leaves without `--durable`, as lines of text."""
        lines = []
        for metadata in (False, True):
            self.power_on("fresh")
            before = trees.snapshot(self.root)
            self.must(*self.projects.new)
            after = trees.snapshot(self.root)
            self.cut(metadata)
            result = self.recover()
            found = trees.snapshot(self.root)
            files = [path for path in trees.files(after) if path not in before]
            files = [path for path in files if after[path].kind == trees.FILE]
            empty = sum(
                1 for path in files if path in found and found[path].size == 0 != after[path].size
            )
            gone = sum(1 for path in files if path not in found)
            same = sum(1 for path in files if found.get(path) == after[path])
            failed = ""
            if result.returncode:
                status = venv.describe_status(result.returncode)
                failed = f"; recover: {status}: {result.stderr.strip()[:160]}"
            flushed = ", other file flushed" if metadata else ""
            lines.append(
                f"{self.name}: without --durable, cut right after success{flushed}: "
                f"{len(files)} files: {same} intact, {empty} empty, {gone} missing{failed}"
            )
        self.unmount()
        return lines


class Judge:
    """Cuts the power in one scenario, and checks what is found."""

    def __init__(self, machine, scenario, states, counter, faults):
        self.machine, self.scenario = machine, scenario
        self.before, self.after = states
        self.counter, self.faults = counter, faults

    def success(self, metadata):
        """Cut the power right after the command has succeeded."""
        self.machine.power_on(self.scenario)
        result = venv.run(self.machine.command(self.scenario))
        if result.returncode:
            status = venv.describe_status(result.returncode)
            self.bad("success", f"{status}: {result.stderr.strip()[-200:]}")
            return
        self.machine.cut(metadata)
        self.counter["cuts"] += 1
        plain = trees.without_control(trees.snapshot(self.machine.root))
        found = self.recovered("success")
        if found is None:
            return
        if plain != self.after or found != self.after:
            self.bad("after success", self.explain(plain if plain != self.after else found))
        else:
            self.counter["success"] += 1

    def killed(self, point, metadata):
        """Cut the power in the middle of the command."""
        self.machine.power_on(self.scenario)
        result, _ = tracing.strike(self.machine.command(self.scenario), point, "signal=KILL")
        if result.returncode != -signal.SIGKILL:
            return
        self.machine.cut(metadata)
        self.counter["cuts"] += 1
        first = trees.snapshot(self.machine.root)
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
        """The tree after `recover`; None if that failed."""
        result = self.machine.recover()
        if result.returncode:
            status = venv.describe_status(result.returncode)
            self.bad(where, f"recover: {status}: {result.stderr.strip()[-260:]}")
            return None
        return trees.snapshot(self.machine.root)

    def explain(self, found):
        return trees.nearer(self.before, self.after, found)

    def bad(self, where, what):
        self.counter["damaged"] += 1
        self.faults.append(f"{self.machine.name} {self.scenario}: cut at {where}: {what}")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
