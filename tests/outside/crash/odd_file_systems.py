"""Install, replace and remove on file systems that are full, read-only, layered or split up.

    python3 tests/outside/crash/odd_file_systems.py [--only WORD] [--kills N] [--size N]

The cases: an overlay with the old version in its lower layer (as in images of containers), with
undo, and killed at its renames; `bin` on a device of its own, also killed at its renames;
site-packages or the whole environment mounted read-only, or owned by another user; a small tmpfs,
in many sizes, and one with few inodes, in many numbers; a target that is a symbolic link;
directories of the environment that are symbolic links to places inside or outside; `ulimit -f` and
`ulimit -n`.

Every outcome has to be one of two: exit code 0, and the environment byte for byte as the command
leaves it on a plain file system; or another exit code, and the environment byte for byte as before.
After a kill, `recover` has to make it so; also if too few open files (`ulimit -n` below 32) let
the removal of `.pkg-install` fail.

Prints a line for each case, and one with counts. Exit code 1: anything bad was found; 2: nothing
could be tested. Needs root, Linux with overlayfs and tmpfs, and strace. A case that cannot be
mounted is reported and not counted.
"""

from __future__ import annotations

import collections
import os
import pathlib
import resource
import shutil
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import parallel
import tracing
import workspace
from lib import trees, venv

# The user `nobody`.
UNPRIVILEGED = 65534
ACTIONS = ("install", "replace", "uninstall")
RENAMES = ("rename", "renameat", "renameat2", "mkdir", "mkdirat", "rmdir")


def main():
    parser = parallel.new_parser(__doc__, 12, sample=False)
    add = parser.add_argument
    add("--only", metavar="WORD", help="only cases with this word in their names")
    add("--kills", metavar="N", type=int, default=150, help="kills in each case (default: 150)")
    options = parser.parse_args()
    options.binary = venv.checked_binary(options.binary)
    if os.getuid():
        print("odd file systems: not tested: mounting them needs root")
        return 2
    tracing.check()
    with venv.scratch_directory("odd") as scratch:
        odd = Odd(scratch, options)
        try:
            for name in [name for name in dir(Odd) if name.startswith("case_")]:
                odd.case(name, getattr(odd, name))
        finally:
            odd.unmount()
    counts = odd.counts
    print(
        f"odd file systems: {sum(counts.values())} outcomes: {counts['done']} done, "
        f"{counts['refused']} refused and unchanged, {counts['settled']} settled after a kill, "
        f"{counts['bad']} bad, {counts['skipped']} not tested"
    )
    if counts["bad"]:
        return 1
    return 0 if counts["done"] else 2


class Unable(Exception):
    """A file system that cannot be mounted here."""


def call(*command):
    """Run a command that has to succeed for the case to be tested."""
    result = venv.run(command)
    if result.returncode:
        words = " ".join(os.fspath(word) for word in command[:3])
        raise Unable(f"`{words}`: {result.stderr.strip()[:160]}")


def start_of(action):
    """The state with which an action begins."""
    return "empty" if action == "install" else "old"


def head(text, limit=240):
    """The start of a text, on one line."""
    return " | ".join(text.strip().splitlines())[:limit]


class Odd:
    """An environment at one path, on the file system that each case mounts there."""

    def __init__(self, scratch, options):
        self.scratch, self.only, self.kills_by_case = scratch, options.only, options.kills
        scratch.chmod(0o755)
        self.binary = scratch / "pkg-install"
        shutil.copy(options.binary, self.binary)
        self.disk = scratch / "disk"
        self.disk.mkdir()
        self.root = self.disk / "venv"
        self.mounted = []
        self.counts = collections.Counter()
        projects = workspace.Projects(scratch, options.size)
        self.names = projects.names
        self.words = {
            "install": ["-j1", *projects.new],
            "replace": ["-j1", *projects.new],
            "uninstall": ["uninstall", *self.names],
        }
        # Other users may not be able to reach the interpreter that runs this script.
        base = scratch / "base" / venv.PYTHON
        base.parent.mkdir()
        shutil.copy(os.path.realpath(sys.executable), base)
        venv.make_fast(self.root, base)
        self.keep("empty")
        self.must("-j1", *projects.old)
        self.keep("old")
        self.before = {action: self.saved(start_of(action)) for action in ACTIONS}
        self.after = {}
        for action in ACTIONS:
            self.clear()
            self.fill(start_of(action))
            self.must(*self.words[action])
            self.after[action] = self.tree()
        self.clear()

    # The content of the path

    def tree(self):
        return trees.snapshot(self.root)

    def keep(self, state):
        (self.scratch / state).mkdir()
        trees.copy_contents(self.disk, self.scratch / state)

    def saved(self, state):
        return trees.snapshot(self.scratch / state / "venv")

    def fill(self, state):
        trees.copy_contents(self.scratch / state, self.disk)

    def clear(self):
        self.unmount()
        trees.empty(self.disk)

    def mount(self, *words):
        call("mount", *words)
        self.mounted.append(words[-1])

    def unmount(self):
        while self.mounted:
            call("umount", "-l", self.mounted.pop())

    # Running and judging

    def command(self, *words, target=None):
        return [self.binary, *words, "--target", target or self.root]

    def must(self, *words):
        venv.must(self.command(*words), code=1)

    def case(self, name, play):
        """Run one case."""
        name = name[len("case_") :].replace("_", " ")
        if self.only and self.only not in name:
            return
        try:
            play()
        except Unable as reason:
            self.report("skipped", name, str(reason))
        self.clear()

    def report(self, outcome, name, what=""):
        """Count and print one outcome."""
        self.counts[outcome] += 1
        word = {"bad": "BAD", "skipped": "not tested"}.get(outcome, outcome)
        print(f"{name}: {word}{': ' if what else ''}{what}")

    def attempt(self, name, action, expect=None, quiet=False, recover=False, stays=None, **more):
        """Run an action and judge it; `expect` is `done` or `refused` if only that is right.

        With `recover`, things may be left in `.pkg-install` until `recover` has run. `stays` is a
        directory that cannot be removed.
        """
        before = self.before[action]
        result = venv.run(self.command(*self.words[action]), **more)
        code, found, stderr = result.returncode, self.tree(), head(result.stderr)
        if recover and trees.without_control(found) != found:
            if not venv.run(self.command("recover")).returncode:
                found = self.tree()
        if stays and code == 0 and not os.listdir(self.root / stays):
            found.pop(stays)
        status = venv.describe_status(code)
        if code == 0 and found == self.after[action] and expect != "refused":
            outcome, what = "done", ""
        elif code > 0 and found == before and expect != "done":
            outcome, what = "refused", f"{status}: {stderr[:110]}"
        else:
            wanted = self.after[action] if code == 0 else before
            outcome = "bad"
            what = f"{status}, {trees.difference(wanted, found)}: {stderr}"
        if quiet and outcome != "bad":
            self.counts[outcome] += 1
        else:
            self.report(outcome, name, what)
        return outcome

    def kills(self, name, action, prepare):
        """Kill an action at each rename, and at each creation and removal of directories."""
        words, states = self.words[action], (self.before[action], self.after[action])

        def wanted(call, text):
            return call in (*RENAMES, "openat") and tracing.mutates(call, text)

        def settled(found):
            return found in states

        def choose(points):
            first = [point for point in points if point.call != "openat"]
            opens = [point for point in points if point.call == "openat" and point.main]
            return tracing.evenly(first + opens, self.kills_by_case)

        self.kill_each(name, words, prepare, (wanted, choose), (settled, states[0]))

    def undo_kills(self, name, prepare, before, after):
        """Kill `undo`; what is kept for it has random names, so only the rest is compared."""

        def wanted(call, _):
            return call in (*RENAMES, "unlinkat")

        def settled(found):
            return found == after or trees.without_control(found) == before

        def choose(points):
            first = [point for point in points if point.call != "unlinkat"]
            unlinks = [point for point in points if point.call == "unlinkat"]
            return first + tracing.evenly(unlinks, 20)

        self.kill_each(name, ["undo"], prepare, (wanted, choose), (settled, after))

    def kill_each(self, name, words, prepare, select, judge):
        """Kill a command at chosen points, recover, and judge what that leaves."""
        (wanted, choose), (settled, expected) = select, judge
        prepare()
        _, entered = tracing.record(self.command(*words))
        points = choose(tracing.points(entered, wanted))
        bad = 0
        for point in points:
            prepare()
            result, _ = tracing.strike(self.command(*words), point, "signal=KILL")
            if result.returncode != -signal.SIGKILL:
                continue
            recovery = venv.run(self.command("recover"))
            found = self.tree()
            if recovery.returncode == 0 and settled(found):
                self.counts["settled"] += 1
                continue
            bad += 1
            self.counts["bad"] += 1
            if bad <= 4:
                status = venv.describe_status(recovery.returncode)
                away = trees.difference(expected, found)
                where = f"{name}: BAD: killed at {point}"
                print(f"{where}: recover: {status}: {away}: {head(recovery.stderr)}")
        print(f"{name}: {len(points)} kills, {bad} bad")

    # The cases

    def overlay(self, state):
        """Put the environment into the lower layer of an overlay."""
        self.clear()
        lower, upper, work = layers = [
            self.scratch / f"layer-{name}" for name in ("lower", "upper", "work")
        ]
        for directory in layers:
            trees.remove(directory)
            directory.mkdir()
        trees.copy_contents(self.scratch / state, lower)
        options = f"lowerdir={lower},upperdir={upper},workdir={work}"
        self.mount("-t", "overlay", "overlay", "-o", options, self.disk)

    def case_overlay(self):
        for action in ACTIONS:
            self.overlay(start_of(action))
            self.attempt(f"overlay, {action}", action, "done")

    def case_overlay_killed(self):
        for action in ("replace", "uninstall"):
            self.kills(f"overlay, {action}, killed", action, lambda: self.overlay("old"))

    def case_overlay_undo(self):
        for action in ("replace", "uninstall"):
            if action == "replace":
                words = ["--undoable", *self.words[action]]
            else:
                words = ["uninstall", "--undoable", *self.names]
            name, before = f"overlay, undo of {action}", self.before[action]
            self.overlay("old")
            done = venv.run(self.command(*words))
            changed = trees.without_control(self.tree())
            undone = venv.run(self.command("undo"))
            found = self.tree()
            codes = (done.returncode, undone.returncode)
            if codes == (0, 0) and changed == self.after[action] and found == before:
                self.report("done", name)
            else:
                what = f"exit codes {codes}, {trees.difference(before, found)}"
                self.report("bad", name, f"{what}: {head(done.stderr + undone.stderr)}")
                continue

            def prepare(words=words):
                self.overlay("old")
                self.must(*words)

            prepare()
            kept = trees.without_control(self.tree())
            self.undo_kills(f"{name}, killed", prepare, kept, before)

    def piece(self, state, inside="venv/bin"):
        """Put a part of the environment on a device of its own."""
        self.clear()
        self.fill(state)
        part = self.disk / inside
        away = self.scratch / "piece"
        trees.remove(away)
        away.mkdir()
        trees.copy_contents(part, away)
        trees.empty(part)
        self.mount("-t", "tmpfs", "tmpfs", part)
        part.chmod(0o755)
        trees.copy_contents(away, part)

    def case_bin_on_another_device(self):
        for action in ACTIONS:
            self.piece(start_of(action))
            self.attempt(f"bin on another device, {action}", action, "done")

    def case_bin_on_another_device_killed(self):
        for action in ACTIONS:
            state = start_of(action)
            name = f"bin on another device, {action}, killed"
            self.kills(name, action, lambda state=state: self.piece(state))

    def case_package_on_another_device(self):
        inside = f"venv/{venv.PURELIB}/alpha"
        for action in ("replace", "uninstall"):
            self.piece("old", inside)
            name = f"a package that is a mount point, {action}"
            self.attempt(name, action, stays=self.stays(action))

    def stays(self, action):
        """The mount point that an uninstallation cannot remove."""
        return f"{venv.PURELIB}/alpha" if action == "uninstall" else None

    def case_bind_mounts(self):
        for inside in ("bin", f"{venv.PURELIB}/alpha"):
            for action in ACTIONS:
                self.clear()
                self.fill(start_of(action))
                part = self.root / inside
                if part.is_dir():
                    self.mount("--bind", part, part)
                    stays = None if inside == "bin" else self.stays(action)
                    name = f"{part.name} mounted upon itself, {action}"
                    self.attempt(name, action, stays=stays)

    def read_only(self, state, inside):
        """Mount a part of the environment read-only."""
        self.clear()
        self.fill(state)
        part = self.disk / inside
        self.mount("--bind", part, part)
        call("mount", "-o", "remount,ro,bind", part)

    def case_read_only(self):
        parts = {"site-packages": f"venv/{venv.PURELIB}", "bin": "venv/bin", "environment": "venv"}
        for words, inside in parts.items():
            for action in ACTIONS:
                self.read_only(start_of(action), inside)
                self.attempt(f"{words} mounted read-only, {action}", action, "refused")

    def case_owned_by_another_user(self):
        parts = {
            "site-packages": venv.PURELIB,
            "bin": "bin",
            "environment": ".",
            "a package": f"{venv.PURELIB}/alpha",
        }
        user = {"user": UNPRIVILEGED, "group": UNPRIVILEGED}
        for words, inside in parts.items():
            for action in ACTIONS:
                if words == "a package" and action == "install":
                    continue
                self.clear()
                self.fill(start_of(action))
                self.give(self.root, UNPRIVILEGED)
                self.give(self.root / inside, 0)
                name = f"{words} owned by root, {action} as another user"
                self.attempt(name, action, "refused", **user)

    def give(self, directory, user):
        """Change the owner of a directory and of everything in it."""
        for path in [directory, *directory.rglob("*")]:
            os.chown(path, user, user, follow_symlinks=False)

    def small(self, state, option):
        """Put the environment on a small tmpfs; return whether it fits."""
        self.clear()
        self.mount("-t", "tmpfs", "-o", option, "tmpfs", self.disk)
        self.disk.chmod(0o755)
        try:
            self.fill(state)
        except OSError:
            return False
        return True

    def ladder(self, name, options):
        """Run each action on file systems that grow until there is enough room."""
        for action in ACTIONS:
            outcomes = collections.Counter()
            for option in options(action):
                if self.small(start_of(action), option):
                    label = f"{name} {option}, {action}"
                    outcomes[self.attempt(label, action, quiet=True)] += 1
            print_steps(f"{name}, {action}", outcomes)
            if action != "uninstall" and not (outcomes["done"] and outcomes["refused"]):
                what = "the sizes do not reach from refused to done"
                self.report("bad", f"{name}, {action}", what)

    def case_full_disk(self):
        # tmpfs counts pages, and each file takes one.
        def options(action):
            used, more = (
                sum(node.kind == trees.FILE for node in tree[action].values())
                for tree in (self.before, self.after)
            )
            return [f"size={4 * pages}k" for pages in range(used, used + more + 40, 2)]

        self.ladder("full disk", options)

    def case_no_inodes(self):
        def options(action):
            used, more = len(self.before[action]), len(self.after[action])
            numbers = range(used + 2, used + more + 50, 2)
            return [f"size=64m,nr_inodes={number}" for number in numbers]

        self.ladder("few inodes", options)

    def case_target_is_a_link(self):
        link = self.scratch / "link"
        link.symlink_to(self.root)
        for action in ACTIONS:
            self.clear()
            self.fill(start_of(action))
            before, after = self.before[action], self.after[action]
            result = venv.run(self.command(*self.words[action], target=link))
            found = self.tree()
            # Scripts contain the path of the environment as it was given, and RECORD contains
            # the digests of scripts.
            differ = trees.changed(after, found)
            same = found.keys() == after.keys() and all(contains_path(path) for path in differ)
            broken = venv.broken_projects(self.root / venv.PURELIB)
            name, status = f"the target is a link, {action}", venv.describe_status(
                result.returncode
            )
            if result.returncode == 0 and same and not broken:
                self.report("done", name)
            elif result.returncode and found == before:
                self.report("refused", name, result.stderr.strip()[:110])
            else:
                what = f"{status}, {trees.difference(after, found)}"
                self.report("bad", name, f"{what}: {result.stderr.strip()[:200]}")
        link.unlink()

    def case_links_inside(self):
        package = f"{venv.PURELIB}/space"
        for words, to_outside in (("inside", False), ("outside", True)):
            for action in ACTIONS:
                self.clear()
                self.fill(start_of(action))
                real = (self.scratch if to_outside else self.root) / "elsewhere"
                trees.remove(real)
                (self.root / package).mkdir(exist_ok=True)
                shutil.copytree(self.root / package, real)
                trees.remove(self.root / package)
                link = os.path.relpath(real, self.root / venv.PURELIB)
                (self.root / package).symlink_to(link)
                name = f"a directory that is a link to a place {words}, {action}"
                self.attempt_with_link(name, action, package, real if to_outside else None)

    def attempt_with_link(self, name, action, package, outside):
        """Run an action in an environment in which the directory `package` is a link."""
        before = self.tree()
        before_outside = trees.snapshot(outside) if outside else {}
        result = venv.run(self.command(*self.words[action]))
        found = self.tree()
        found_outside = trees.snapshot(outside) if outside else {}
        stderr, status = head(result.stderr, 140), venv.describe_status(result.returncode)
        complete = not venv.broken_projects(self.root / venv.PURELIB)
        is_link = os.path.islink(self.root / package)
        if found_outside != before_outside:
            what = f"outside: {trees.difference(before_outside, found_outside)}"
            self.report("bad", name, f"{status}: {what}")
        elif result.returncode and found == before:
            self.report("refused", name, f"{status}: {stderr}")
        elif result.returncode == 0 and complete and is_link and not trees.has_control(found):
            self.report("done", name, stderr)
        else:
            self.report("bad", name, f"{status}: {trees.difference(before, found)}: {stderr}")

    def limited(self, name, limit, numbers):
        """Run each action under a limit of the system, with several numbers."""
        for action in ACTIONS:
            outcomes = collections.Counter()
            for number in numbers:
                outcome = self.attempt_limited(
                    f"{name} {number}, {action}", action, limit, number, quiet=True, recover=True
                )
                outcomes[outcome] += 1
            print_steps(f"{name}, {action}", outcomes)

    def attempt_limited(self, name, action, limit, number, expect=None, **more):
        self.clear()
        self.fill(start_of(action))

        def set_limit():
            resource.setrlimit(limit, (number, number))

        return self.attempt(name, action, expect, preexec_fn=set_limit, **more)

    def case_ulimit_f(self):
        numbers = [0, 1, 10, 50, 100, 200, 400, 1000, 2000, 5000, 1 << 20]
        self.limited("ulimit -f (bytes)", resource.RLIMIT_FSIZE, numbers)

    def case_ulimit_n(self):
        self.limited("ulimit -n", resource.RLIMIT_NOFILE, list(range(6, 40, 2)))
        for action in ACTIONS:
            name = f"ulimit -n 32, {action}"
            self.attempt_limited(name, action, resource.RLIMIT_NOFILE, 32, "done")


def print_steps(name, outcomes):
    steps = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    print(f"{name}: {sum(outcomes.values())} steps: {steps}")


def contains_path(path):
    """Whether a file contains the path of its environment, or a digest of such a file."""
    return path.startswith("bin/") or path.endswith(".dist-info/RECORD")


if __name__ == "__main__":
    sys.exit(main())
