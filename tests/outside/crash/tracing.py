"""System calls, counted and interfered with through strace.

`record` runs a command and returns its mutating system calls in the order in which they were entered. `points` turns
them into places at which strace can strike: strace counts each system call by itself and in each thread, and with
`when=N` strikes at the first thread that comes to its N-th. Without `-f` it sees the main thread alone. So each call of
the main thread is reached without `-f`, and of the others those with `-f` that no earlier call of the same number hides.

Needs strace 5 or later. Linux.
"""

import os
import re
import tempfile

import scene

# Calls that change a file system, or, as flock, guard that.
CALLS = (
    "openat open creat mkdir mkdirat write pwrite64 writev copy_file_range sendfile ftruncate fallocate fchmod fchmodat "
    "chmod utimensat link linkat symlink symlinkat rename renameat renameat2 unlink unlinkat rmdir fsync fdatasync syncfs "
    "sync_file_range flock ioctl"
).split()
# Of ioctl only what clones files.
CLONES = re.compile(r"FICLONE|BTRFS_IOC_CLONE")


class Point:
    """A place to strike: the N-th call of a name, in the main thread or in the first that comes to it."""

    __slots__ = ("call", "number", "main", "text")

    def __init__(self, call, number, main, text):
        self.call, self.number, self.main, self.text = call, number, main, text

    def __str__(self):
        return f"{self.call} {self.number}{'' if self.main else ' of any thread'} [{self.text}]"


def record(command, readers=False):
    """The calls of a run in order of entry: (thread, is main, name, text). With `readers`, also opens that create nothing."""
    with tempfile.TemporaryDirectory(dir=scene.scratch_home()) as directory:
        log = os.path.join(directory, "log")
        traced = ["strace", "-f", "-qq", "-s", "0", "-o", log, "-e", "trace=" + calls(), *command]
        result = scene.run(traced)
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


def calls():
    return ",".join("?" + name for name in CALLS)


def mutates(name, text):
    if name in ("openat", "open"):
        return "O_CREAT" in text
    if name == "ioctl":
        return CLONES.search(text) is not None
    if name == "write":
        return not re.match(r"[012],", text)
    return True


def points(entered, select=mutates):
    """The points of a recorded run that can be struck at and that `select` takes."""
    counts, first, found = {}, {}, []
    for thread, main, name, text in entered:
        number = counts[thread, name] = counts.get((thread, name), 0) + 1
        hidden = (name, number) in first
        first.setdefault((name, number), thread)
        if select(name, text) and (main or not hidden):
            found.append(Point(name, number, main, re.sub(r"\s+", " ", text)[:90]))
    return found


def strike(command, point, action, sticky=False, **more):
    """Run a command with something done to it at a point, as `signal=KILL` or `error=EIO`.

    Returns what it left, and how many calls were struck: an error strikes each thread that comes to its N-th call.
    """
    when = f"{point.number}{'+' if sticky else ''}"
    log = os.path.join(more.pop("scratch"), "struck") if "scratch" in more else os.devnull
    trace = ["strace", *(() if point.main else ("-f",)), "-qq", "-s", "0", "-o", log]
    inject = ["-e", f"trace={point.call}", "-e", f"inject={point.call}:{action}:when={when}"]
    result = scene.run([*trace, *inject, *command], **more)
    if log == os.devnull:
        return result, None
    with open(log, errors="replace") as file:
        return result, [line for line in file.read().splitlines() if "(INJECTED)" in line]


def check():
    """Ends with a message where strace cannot trace here."""
    scene.insist(("strace", "strace"))
    result = scene.run(["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=openat", "true"])
    if result.returncode:
        raise SystemExit(f"strace cannot trace here: {result.stderr.strip()}")


def evenly(things, count):
    """At most `count` of the things, evenly spread."""
    if count >= len(things):
        return list(things)
    return [things[int(place * len(things) / count)] for place in range(count)]


__all__ = ["CALLS", "Point", "check", "evenly", "mutates", "points", "record", "strike"]
