"""Kill a command, bring the environment to another place or mount, and go on there.

    python3 tests/outside/crash/moved.py [--kills N] [--size N]

A replacement and an undo are killed at some of their renames. Then the environment is copied with
and without its times, moved, deleted and restored, bind-mounted at another path, kept in an overlay
that is mounted again at another path, or used as the lower layer of a new overlay, as the next
layer of a container image does. In each of these places `recover`, `list`, `check`, an
installation, an uninstallation and `undo` are run.

Every command has to succeed. After the installation all new files have to be there. After `recover`, `list` and `check` the environment has to be byte for
byte as before or as after the killed command; after the uninstallation no file of a project may be
left; after `undo` it has to be as before that command or as before the one that came before it. In the
overlays `undo` may also be refused without any change, because directories of a lower layer cannot
be renamed.

Prints a line for each place, and one with counts. Exit code 1: anything bad was found; 2: nothing
could be mounted here. Needs root, Linux with overlayfs, and strace.
"""

from __future__ import annotations

import collections
import os
import pathlib
import shutil
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import parallel
import tracing
import workspace
from lib import trees, venv

RENAMES = ("rename", "renameat", "renameat2")
COMMANDS = ("recover", "list", "check", "install", "uninstall", "undo")


def main():
    parser = parallel.new_parser(__doc__, 4, sample=False)
    more = "kills in each place (default: 6)"
    parser.add_argument("--kills", metavar="N", type=int, default=6, help=more)
    options = parser.parse_args()
    binary = venv.checked_binary(options.binary)
    if os.getuid():
        print("moved: not tested: mounting needs root")
        return 2
    tracing.check()
    with venv.scratch_directory("moved") as scratch:
        moved = Moved(scratch, binary, options)
        try:
            return moved.all()
        finally:
            moved.unmount()


class Unable(Exception):
    """A place that cannot be made here."""


class Moved:
    """An environment that is interrupted in one place and used in another one."""

    def __init__(self, scratch, binary, options):
        self.scratch, self.binary, self.kills = scratch, binary, options.kills
        self.projects = workspace.Projects(scratch, options.size)
        self.home = scratch / "home"
        self.home.mkdir()
        self.root = self.home / "venv"
        self.other = scratch / "other"
        self.mounted = []
        self.counts = collections.Counter()
        self.faults = []
        # The state that a place begins with, and whether it is an overlay.
        self.state, self.layered = "empty", False
        # The states of the story, as trees and as directories.
        self.trees = {}
        venv.make_fast(self.root)
        self.keep("empty")
        self.must("--undoable", "-j1", *self.projects.old)
        self.keep("old")
        self.must("--undoable", "-j1", *self.projects.new)
        self.keep("new")

    def command(self, *words, root=None):
        return [self.binary, *words, "--target", root or self.root]

    def must(self, *words):
        venv.must(self.command(*words), code=1)

    def keep(self, state):
        """Keep a copy of the environment, and its tree without what is private."""
        directory = self.scratch / f"state-{state}"
        directory.mkdir()
        trees.copy_contents(self.home, directory)
        self.trees[state] = trees.without_control(trees.snapshot(self.root))

    def put(self, state, home):
        """Make the environment anew in a directory that is empty."""
        trees.copy_contents(self.scratch / f"state-{state}", home)

    def clear(self):
        self.unmount()
        for directory in (self.home, self.other):
            trees.remove(directory)
            directory.mkdir()

    # Mounts

    def mount(self, *words):
        result = venv.run(["mount", *words])
        if result.returncode:
            raise Unable(result.stderr.strip()[:160])
        self.mounted.append(words[-1])

    def unmount(self):
        while self.mounted:
            venv.run(["umount", "-l", self.mounted.pop()])

    def overlay(self, lower, upper, work, place):
        for directory in (upper, work):
            directory.mkdir(exist_ok=True)
        options = f"lowerdir={lower},upperdir={upper},workdir={work}"
        self.mount("-t", "overlay", "overlay", "-o", options, place)

    def layers(self, *names):
        """Empty directories for the layers of an overlay."""
        found = [self.scratch / f"layer-{name}" for name in names]
        for directory in found:
            trees.remove(directory)
            directory.mkdir()
        return found

    # Places: each prepares `home` with a state, and later brings it elsewhere

    def place_copied(self):
        yield self.home
        shutil.copytree(self.root, self.other / "copy", symlinks=True)
        yield self.other / "copy"

    def place_copied_without_times(self):
        yield self.home
        venv.must(["cp", "-r", self.root, self.other / "copy"], code=1)
        for directory, _, files in os.walk(self.other / "copy"):
            for file in files:
                path = os.path.join(directory, file)
                if not os.path.islink(path):
                    os.utime(path, (1 << 30, 1 << 30))
        yield self.other / "copy"

    def place_moved(self):
        yield self.home
        os.rename(self.root, self.other / "moved")
        yield self.other / "moved"

    def place_restored(self):
        yield self.home
        shutil.copytree(self.root, self.other / "backup", symlinks=True)
        trees.remove(self.root)
        shutil.copytree(self.other / "backup", self.root, symlinks=True)
        yield self.root

    def place_bind_mounted(self):
        yield self.home
        self.mount("--bind", self.home, self.other)
        yield self.other / "venv"

    def place_overlay_mounted_again(self):
        lower, upper, work = self.layers("lower", "upper", "work")
        self.fill(lower)
        self.overlay(lower, upper, work, self.home)
        yield None
        self.unmount()
        self.overlay(lower, upper, work, self.other)
        yield self.other / "venv"

    def place_lower_layer(self):
        yield self.home
        (upper, work) = self.layers("upper", "work")
        self.overlay(self.home, upper, work, self.other)
        yield self.other / "venv"

    def fill(self, home):
        self.put(self.state, home)

    # Playing and judging

    def all(self):
        places = [name for name in dir(self) if name.startswith("place_")]
        for name in places:
            self.one_place(name)
        for fault in self.faults[:12]:
            print(fault)
        counts = self.counts
        print(
            f"moved: {counts['good']} commands succeeded, {counts['refused']} undos refused above "
            f"a lower layer, {counts['bad']} bad, {counts['skipped']} places not tested"
        )
        if counts["bad"]:
            return 1
        mounted = counts["place bind mounted"] or counts["place overlay mounted again"]
        return 0 if mounted else 2

    def one_place(self, name):
        title = name.replace("_", " ")
        self.layered = "layer" in name or "overlay" in name
        begin = self.counts["good"], self.counts["bad"]
        try:
            for state, words, states in (
                ("old", ["--undoable", "-j1", *self.projects.new], ("old", "new")),
                ("new", ["undo"], ("new", "old")),
            ):
                self.state = state
                self.one_story(name, words, states)
        except Unable as reason:
            self.counts["skipped"] += 1
            print(f"{title}: not tested: {reason}")
            return
        good, bad = self.counts["good"] - begin[0], self.counts["bad"] - begin[1]
        self.counts[title] += good
        print(f"{title}: {good} commands succeeded, {bad} bad")

    def start(self, name):
        """Make a place with the environment in it, and return the steps that are left."""
        self.clear()
        steps = getattr(self, name)()
        home = next(steps)
        if home is not None:
            self.fill(home)
        return steps

    def one_story(self, name, words, states):
        self.start(name)
        _, entered = tracing.record(self.command(*words))
        points = tracing.points(entered, lambda call, _: call in RENAMES)
        # The first rename gives the journal its name.
        for point in tracing.evenly(points[1:], self.kills):
            for command in COMMANDS:
                steps = self.start(name)
                result, _ = tracing.strike(self.command(*words), point, "signal=KILL")
                if result.returncode != -signal.SIGKILL:
                    continue
                what = f"{name}: {' '.join(words[:1])} killed at {point}, {command}"
                self.judge(next(steps), command, states, what)

    def judge(self, root, command, states, what):
        words = {
            "install": ["-j1", "--reinstall", *self.projects.new],
            "uninstall": ["uninstall", *self.projects.names],
        }.get(command, [command])
        result = venv.run(self.command(*words, root=root))
        found = trees.without_control(trees.snapshot(root))
        allowed = {
            "install": ("new",),
            "uninstall": ("empty",),
            "undo": ("old", "empty"),
        }.get(command, states)
        # `undo` has nothing to do if the killed command was an undo that recovery finished.
        nothing = command == "undo" and states == ("new", "old") and found == self.trees["old"]
        if command == "install":
            # New scripts name the interpreter of the place that they are installed in.
            good = found.keys() == self.trees["new"].keys()
            good = good and not venv.broken_projects(root / venv.PURELIB)
        else:
            good = any(found == self.trees[state] for state in allowed)
        # What was moved to a lower layer cannot be renamed; an undo is then refused.
        refused = command == "undo" and self.layered and result.returncode == 1
        if refused and any(found == self.trees[state] for state in states):
            self.counts["refused"] += 1
            return
        if good and (result.returncode == 0 or nothing):
            self.counts["good"] += 1
            return
        self.counts["bad"] += 1
        status = venv.describe_status(result.returncode)
        away = trees.difference(self.trees[allowed[0]], found)
        self.faults.append(f"BAD {what}: {status}, {away}: {venv.one_line(result.stderr)}")


if __name__ == "__main__":
    sys.exit(main())
