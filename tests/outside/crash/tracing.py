"""Record the system calls of a command with strace, and interfere with single ones.

`record` runs a command and returns its system calls in the order in which they were entered.
`points` selects the calls that strace can strike. strace counts the calls of each name separately
in each thread, and `when=N` strikes the first thread that reaches its N-th call. Without `-f` it
sees only the main thread. So every call of the main thread can be struck without `-f`; of the other
threads only calls that no earlier call with the same number hides.

Needs strace 5 or later. Linux.
"""

from __future__ import annotations

import os
import re
import tempfile

import workspace
from lib import venv

# Calls that change a file system, and flock, which guards changes.
CALLS = (
    "openat open creat mkdir mkdirat write pwrite64 writev copy_file_range sendfile ftruncate "
    "fallocate fchmod fchmodat chmod utimensat link linkat symlink symlinkat rename renameat "
    "renameat2 unlink unlinkat rmdir fsync fdatasync syncfs sync_file_range flock ioctl"
).split()
# The uses of ioctl that clone files; others change nothing.
CLONES = re.compile(r"FICLONE|BTRFS_IOC_CLONE")


class Point:
    """The N-th call of a name, in the main thread or in the first thread that reaches it."""

    __slots__ = ("call", "number", "main", "text")

    def __init__(self, call, number, main, text):
        self.call, self.number, self.main, self.text = call, number, main, text

    def __str__(self):
        return f"{self.call} {self.number}{'' if self.main else ' of any thread'} [{self.text}]"


def record(command):
    """Run a command; return its result and its calls: [(thread, is main, name, text)]."""
    with tempfile.TemporaryDirectory(dir=venv.scratch_home()) as directory:
        log = os.path.join(directory, "log")
        names = "trace=" + ",".join("?" + name for name in CALLS)
        strace = ["strace", "-f", "-qq", "-s", "0", "-o", log, "-e", names]
        result = venv.run([*strace, *command])
        with open(log, errors="replace") as file:
            lines = file.read().splitlines()
    main = lines[0].split()[0] if lines else ""
    entered = []
    for line in lines:
        found = re.match(r"(\d+) +(\w+)\((.*)", line)
        if found:
            thread, name, text = found.groups()
            entered.append((thread, thread == main, name, text))
    return result, entered


def mutates(name, text):
    """Whether a call changes anything."""
    if name in ("openat", "open"):
        return "O_CREAT" in text
    if name == "ioctl":
        return CLONES.search(text) is not None
    if name == "write":
        return not re.match(r"[012],", text)
    return True


def points(entered, select=mutates):
    """The recorded calls that strace can strike and that `select` accepts."""
    counts, first, found = {}, {}, []
    for thread, main, name, text in entered:
        number = counts[thread, name] = counts.get((thread, name), 0) + 1
        hidden = (name, number) in first
        first.setdefault((name, number), thread)
        if select(name, text) and (main or not hidden):
            found.append(Point(name, number, main, re.sub(r"\s+", " ", text)[:90]))
    return found


def strike(command, point, action, sticky=False, scratch=None):
    """Run a command with something done to it at a point, such as `signal=KILL` or `error=EIO`.

    `sticky` also strikes all later calls of that name. Returns the result and, if `scratch` is a
    directory, the lines for the calls that were struck: an error strikes every thread that reaches
    its N-th call.
    """
    when = f"{point.number}{'+' if sticky else ''}"
    log = os.path.join(scratch, "struck") if scratch else os.devnull
    trace = ["strace", *(() if point.main else ("-f",)), "-qq", "-s", "0", "-o", log]
    inject = ["-e", f"trace={point.call}", "-e", f"inject={point.call}:{action}:when={when}"]
    result = venv.run([*trace, *inject, *command])
    if scratch is None:
        return result, []
    with open(log, errors="replace") as file:
        return result, [line for line in file.read().splitlines() if "(INJECTED)" in line]


def check():
    """Exit with a message if strace cannot trace here."""
    workspace.insist(("strace", "strace"))
    result = venv.run(["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=openat", "true"])
    if result.returncode:
        raise SystemExit(f"strace cannot trace here: {result.stderr.strip()}")


def evenly(things, count):
    """At most `count` of the things, evenly spread."""
    if count >= len(things):
        return list(things)
    return [things[int(place * len(things) / count)] for place in range(count)]
