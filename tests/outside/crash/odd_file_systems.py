"""Installations, replacements and removals on file systems that are odd, full, read-only, or in several pieces.

    python3 odd_file_systems.py [--binary PATH] [--only WORD] [--kills N] [--size N]

Cases: an overlay with the old version in its lower layer (as every image of a container has it), with undo, and killed at its
renames; `bin` on a device of its own, also killed at its renames; site-packages or all of the environment mounted
read-only, or owned by somebody else; a small tmpfs, size by size, and one with few inodes, number by number; a target that
is a symbolic link; directories inside that are symbolic links, which lead inside or outside; `ulimit -f` and `ulimit -n`.

Every outcome has to be one of two: exit code 0 and the environment as the same command leaves it on a plain file system, to
the byte; or another exit code and the environment as before, to the byte. After a kill, `recover` has to make it so; and
also where too few open files (`ulimit -n` below 32) let the deleting of `.pkg-install` fail as well.
One line for each case, and one with counts; the exit code is 1 where anything bad was found, 2 where nothing could be tested.

Needs root (to mount), Linux with overlayfs and tmpfs, python3, strace. What cannot be mounted here is said and not counted.
"""

import argparse
import collections
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

import scenarios
import scene
import tracing

NOBODY = 65534


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    scene.add_binary_option(parser)
    parser.add_argument("--only", metavar="WORD", help="only cases with this word in their name")
    parser.add_argument("--kills", type=int, default=150, help="kills by case, spread evenly over all there are")
    parser.add_argument("--size", type=int, default=12, help="modules in each package")
    options = parser.parse_args()
    options.binary = scene.checked_binary(options.binary)
    if os.getuid():
        print("odd file systems: not tested: needs root, to mount them")
        return 2
    tracing.check()
    with tempfile.TemporaryDirectory(prefix="pkg-install-odd-", dir=scene.scratch_home()) as scratch:
        odd = Odd(pathlib.Path(scratch), options)
        try:
            for name in [name for name in dir(Odd) if name.startswith("case_")]:
                odd.case(name, getattr(odd, name))
        finally:
            odd.unmount()
    counts = odd.counts
    print(
        f"odd file systems: {sum(counts.values())} outcomes: {counts['done']} done, {counts['refused']} refused and "
        f"unchanged, {counts['settled']} settled after a kill, {counts['bad']} bad, {counts['skipped']} not tested"
    )
    if counts["bad"]:
        return 1
    return 0 if counts["done"] else 2


class Unable(Exception):
    """Something that cannot be mounted here."""


def call(*command):
    words = [os.fspath(word) for word in command]
    result = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode:
        raise Unable(f"`{' '.join(words[:3])}`: {result.stderr.strip()[:160]}")


class Odd:
    """An environment at one path, on whatever the case puts there."""

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
        old, new = scene.scenario_projects(options.size)
        self.old = [scene.make_wheel(scratch / "wheels-old", made) for made in old]
        self.new = [scene.make_wheel(scratch / "wheels-new", made) for made in new]
        self.names = [made["name"] for made in old]
        self.words = {
            "install": ["-j1", *self.new],
            "replace": ["-j1", *self.new],
            "uninstall": ["uninstall", *self.names],
        }
        # The interpreter at work may be where nobody else can go.
        base = scratch / "base" / scene.PYTHON
        base.parent.mkdir()
        shutil.copy(os.path.realpath(sys.executable), base)
        scene.make_venv(self.root, base)
        self.keep("empty")
        self.must("-j1", *self.old)
        self.keep("old")
        self.before = {"install": self.saved("empty"), "replace": self.saved("old"), "uninstall": self.saved("old")}
        self.after = {}
        for action in ("replace", "uninstall", "install"):
            self.clear()
            self.fill("empty" if action == "install" else "old")
            self.must(*self.words[action])
            self.after[action] = scene.tree(self.root)
        self.clear()

    # What is at the path

    def keep(self, state):
        (self.scratch / state).mkdir()
        scene.copy_content(self.disk, self.scratch / state)

    def saved(self, state):
        return scene.tree(self.scratch / state / "venv")

    def fill(self, state):
        scene.copy_content(self.scratch / state, self.disk)

    def clear(self):
        self.unmount()
        scene.empty(self.disk)

    def mount(self, *words):
        call("mount", *words)
        self.mounted.append(words[-1])

    def unmount(self):
        while self.mounted:
            call("umount", "-l", self.mounted.pop())

    def start_of(self, action):
        return "empty" if action == "install" else "old"

    # What is run, and judged

    def command(self, *words, target=None):
        return [self.binary, *words, "--target", target or self.root]

    def must(self, *words):
        result = scene.run(self.command(*words))
        if result.returncode:
            raise SystemExit(f"the scene cannot be set: exit {result.returncode}: {result.stderr}")

    def case(self, name, play):
        name = name.removeprefix("case_").replace("_", " ")
        if self.only and self.only not in name:
            return
        try:
            play()
        except Unable as reason:
            self.say("skipped", name, str(reason))
        self.clear()

    def say(self, outcome, name, what=""):
        self.counts[outcome] += 1
        word = {"bad": "BAD", "skipped": "not tested"}.get(outcome, outcome)
        print(f"{name}: {word}{': ' if what else ''}{what}")

    def attempt(self, name, action, expect=None, quiet=False, recover=False, stays=None, **more):
        """Run an action and judge it; `expect` is `done` or `refused` where only that is right.

        With `recover` things may be left in `.pkg-install` until then. `stays` is a directory that cannot go.
        """
        before = self.before[action]
        result = scene.run(self.command(*self.words[action]), **more)
        found = scene.tree(self.root)
        said = " | ".join(result.stderr.strip().splitlines())[:240]
        if recover and scene.without_control(found) != found and not scene.run(self.command("recover")).returncode:
            found = scene.tree(self.root)
        if stays and result.returncode == 0 and not os.listdir(self.root / stays):
            found.pop(stays)
        if result.returncode == 0 and found == self.after[action] and expect != "refused":
            outcome, what = "done", ""
        elif result.returncode > 0 and found == before and expect != "done":
            outcome, what = "refused", f"exit {result.returncode}: {said[:110]}"
        else:
            wanted = self.after[action] if result.returncode == 0 else before
            outcome, what = "bad", f"{scene.describe_status(result.returncode)}, {scene.difference(wanted, found)}: {said}"
        if quiet and outcome != "bad":
            self.counts[outcome] += 1
        else:
            self.say(outcome, name, what)
        return outcome

    def kills(self, name, action, prepare, words=None, before=None, after=None):
        """Kill an action at each rename, and at each directory that is made or removed; recover."""
        words = words or self.words[action]
        before = self.before[action] if before is None else before
        after = self.after[action] if after is None else after
        prepare()
        _, entered = tracing.record(self.command(*words))
        names = ("rename", "renameat", "renameat2", "mkdir", "mkdirat", "rmdir", "openat")
        points = tracing.points(entered, lambda name, text: name in names and tracing.mutates(name, text))
        points = [point for point in points if point.call != "openat"] + [
            point for point in points if point.call == "openat" and point.main
        ]
        points = tracing.evenly(points, self.kills_by_case)
        bad = 0
        for point in points:
            prepare()
            result, _ = tracing.strike(self.command(*words), point, "signal=KILL")
            if result.returncode != -signal.SIGKILL:
                continue
            settled = scene.run(self.command("recover"))
            found = scene.tree(self.root)
            if settled.returncode == 0 and found in (before, after):
                self.counts["settled"] += 1
                continue
            bad += 1
            away = scene.difference(before, found)
            self.counts["bad"] += 1
            if bad <= 4:
                said = " | ".join(settled.stderr.strip().splitlines())[:240]
                print(f"{name}: BAD: killed at {point}: recover: exit {settled.returncode}: {away}: {said}")
        print(f"{name}: {len(points)} kills, {bad} bad")

    # The cases

    def overlay(self, state):
        """The environment in the lower layer of an overlay."""
        self.clear()
        lower, upper, work = (self.scratch / f"layer-{name}" for name in ("lower", "upper", "work"))
        for directory in (lower, upper, work):
            scene.remove(directory)
            directory.mkdir()
        scene.copy_content(self.scratch / state, lower)
        self.mount("-t", "overlay", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={work}", self.disk)

    def case_overlay(self):
        for action in ("install", "replace", "uninstall"):
            self.overlay(self.start_of(action))
            self.attempt(f"overlay, {action}", action, "done")

    def case_overlay_killed(self):
        for action in ("replace", "uninstall"):
            self.kills(f"overlay, {action}, killed", action, lambda: self.overlay("old"))

    def case_overlay_undo(self):
        for action in ("replace", "uninstall"):
            words = ["--undoable", *self.words[action]] if action == "replace" else [
                "uninstall", "--undoable", *self.names
            ]
            self.overlay("old")
            done = scene.run(self.command(*words))
            changed = scene.without_control(scene.tree(self.root))
            undone = scene.run(self.command("undo"))
            found = scene.tree(self.root)
            right = (done.returncode, undone.returncode) == (0, 0) and changed == self.after[action]
            if right and found == self.before[action]:
                self.say("done", f"overlay, undo of {action}")
            else:
                what = f"exits {done.returncode}, {undone.returncode}, {scene.difference(self.before[action], found)}: "
                said = (done.stderr + undone.stderr).strip().replace("\n", " | ")
                self.say("bad", f"overlay, undo of {action}", what + said[:240])
                continue

            def prepare(words=words):
                self.overlay("old")
                self.must(*words)

            prepare()
            kept = scene.tree(self.root)
            # What is kept for undo has random names: only that it is whole again can be judged.
            self.undo_kills(f"overlay, undo of {action}, killed", prepare, scene.without_control(kept), self.before[action])

    def undo_kills(self, name, prepare, before, after):
        prepare()
        _, entered = tracing.record(self.command("undo"))
        names = ("rename", "renameat", "renameat2", "mkdir", "mkdirat", "rmdir", "unlinkat")
        points = tracing.points(entered, lambda call, _: call in names)
        points = [point for point in points if point.call != "unlinkat"] + tracing.evenly(
            [point for point in points if point.call == "unlinkat"], 20
        )
        bad = 0
        for point in points:
            prepare()
            result, _ = tracing.strike(self.command("undo"), point, "signal=KILL")
            if result.returncode != -signal.SIGKILL:
                continue
            settled = scene.run(self.command("recover"))
            found = scene.tree(self.root)
            if settled.returncode == 0 and (found == after or scene.without_control(found) == before):
                self.counts["settled"] += 1
                continue
            bad += 1
            self.counts["bad"] += 1
            if bad <= 4:
                said = " | ".join(settled.stderr.strip().splitlines())[:240]
                away = scene.difference(after, found)
                print(f"{name}: BAD: killed at {point}: recover: exit {settled.returncode}: {away}: {said}")
        print(f"{name}: {len(points)} kills, {bad} bad")

    def piece(self, state, inside="venv/bin"):
        """A part of the environment on a device of its own."""
        self.clear()
        self.fill(state)
        part = self.disk / inside
        away = self.scratch / "piece"
        scene.remove(away)
        away.mkdir()
        scene.copy_content(part, away)
        scene.empty(part)
        self.mount("-t", "tmpfs", "tmpfs", part)
        part.chmod(0o755)
        scene.copy_content(away, part)

    def case_bin_on_another_device(self):
        for action in ("install", "replace", "uninstall"):
            self.piece(self.start_of(action))
            self.attempt(f"bin on another device, {action}", action, "done")

    def case_bin_on_another_device_killed(self):
        for action in ("install", "replace", "uninstall"):
            state = self.start_of(action)
            self.kills(f"bin on another device, {action}, killed", action, lambda state=state: self.piece(state))

    def case_package_on_another_device(self):
        inside = f"venv/{scene.PURELIB}/alpha"
        for action in ("replace", "uninstall"):
            self.piece("old", inside)
            self.attempt(f"a package that is a mount point, {action}", action, stays=self.stays(action))

    def stays(self, action):
        """The mount point that an uninstallation cannot take away."""
        return f"{scene.PURELIB}/alpha" if action == "uninstall" else None

    def case_bind_mounts(self):
        for inside in ("bin", f"{scene.PURELIB}/alpha"):
            for action in ("install", "replace", "uninstall"):
                self.clear()
                self.fill(self.start_of(action))
                part = self.root / inside
                if part.is_dir():
                    self.mount("--bind", part, part)
                    stays = None if inside == "bin" else self.stays(action)
                    self.attempt(f"{part.name} mounted upon itself, {action}", action, stays=stays)

    def read_only(self, state, inside):
        self.clear()
        self.fill(state)
        part = self.disk / inside
        self.mount("--bind", part, part)
        call("mount", "-o", "remount,ro,bind", part)

    def case_read_only(self):
        for words, inside in (("site-packages", f"venv/{scene.PURELIB}"), ("bin", "venv/bin"), ("environment", "venv")):
            for action in ("install", "replace", "uninstall"):
                self.read_only(self.start_of(action), inside)
                self.attempt(f"{words} mounted read-only, {action}", action, "refused")

    def case_somebody_elses(self):
        for words, inside in (("site-packages", scene.PURELIB), ("bin", "bin"), ("environment", "."), ("a package", None)):
            for action in ("install", "replace", "uninstall"):
                inside_now = inside or f"{scene.PURELIB}/alpha"
                if inside is None and action == "install":
                    continue
                self.clear()
                self.fill(self.start_of(action))
                for path in [self.root, *self.root.rglob("*")]:
                    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
                theirs = self.root / inside_now
                for path in [theirs, *theirs.rglob("*")]:
                    os.chown(path, 0, 0, follow_symlinks=False)
                self.attempt(f"{words} of root, {action} by nobody", action, "refused", user=NOBODY, group=NOBODY)

    def small(self, state, option):
        self.clear()
        self.mount("-t", "tmpfs", "-o", option, "tmpfs", self.disk)
        self.disk.chmod(0o755)
        try:
            self.fill(state)
        except OSError:
            return False
        return True

    def ladder(self, name, options):
        for action in ("install", "replace", "uninstall"):
            outcomes = collections.Counter()
            for option in options(action):
                if self.small(self.start_of(action), option):
                    outcomes[self.attempt(f"{name} {option}, {action}", action, quiet=True)] += 1
            steps = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
            print(f"{name}, {action}: {sum(outcomes.values())} steps: {steps}")
            if action != "uninstall" and not (outcomes["done"] and outcomes["refused"]):
                self.say("bad", f"{name}, {action}", "the ladder does not reach from refused to done")

    def case_full_disk(self):
        # tmpfs counts pages: each file takes one.
        def options(action):
            used = len([what for what in self.before[action].values() if what[0] == "file"])
            more = len([what for what in self.after[action].values() if what[0] == "file"])
            return [f"size={4 * pages}k" for pages in range(used, used + more + 40, 2)]

        self.ladder("full disk", options)

    def case_no_inodes(self):
        def options(action):
            used, more = len(self.before[action]), len(self.after[action])
            return [f"size=64m,nr_inodes={number}" for number in range(used + 2, used + more + 50, 2)]

        self.ladder("few inodes", options)

    def case_target_is_a_link(self):
        link = self.scratch / "link"
        link.symlink_to(self.root)
        for action in ("install", "replace", "uninstall"):
            self.clear()
            self.fill(self.start_of(action))
            before, after = self.before[action], dict(self.after[action])
            result = scene.run(self.command(*self.words[action], target=link))
            found = scene.tree(self.root)
            # Scripts and the RECORD that has their digests speak of the path that was named.
            names = self.named_by_path(after)
            same = found.keys() == after.keys() and all(found[path] == after[path] for path in after if path not in names)
            if result.returncode == 0 and same and not scenarios.broken_projects(self.root / scene.PURELIB):
                self.say("done", f"the target is a link, {action}")
            elif result.returncode and found == before:
                self.say("refused", f"the target is a link, {action}", result.stderr.strip()[:110])
            else:
                what = f"exit {result.returncode}, {scene.difference(after, found)}: {result.stderr.strip()[:200]}"
                self.say("bad", f"the target is a link, {action}", what)
        link.unlink()

    def named_by_path(self, found):
        return {path for path in found if path.startswith("bin/") or path.endswith(".dist-info/RECORD")}

    def case_links_inside(self):
        package = f"{scene.PURELIB}/space"
        for words, to_outside in (("leads inside", False), ("leads outside", True)):
            for action in ("install", "replace", "uninstall"):
                self.clear()
                self.fill(self.start_of(action))
                real = (self.scratch if to_outside else self.root) / "elsewhere"
                scene.remove(real)
                (self.root / package).mkdir(exist_ok=True)
                shutil.copytree(self.root / package, real)
                scene.remove(self.root / package)
                (self.root / package).symlink_to(os.path.relpath(real, self.root / scene.PURELIB))
                before, outside = scene.tree(self.root), scene.tree(real)
                result = scene.run(self.command(*self.words[action]))
                found = scene.tree(self.root)
                said = " | ".join(result.stderr.strip().splitlines())[:140]
                name = f"a directory that is a link and {words}, {action}"
                whole = not scenarios.broken_projects(self.root / scene.PURELIB)
                clean = not any(scene.CONTROL in path.split("/") for path in found)
                if to_outside and scene.tree(real) != outside:
                    self.say("bad", name, f"exit {result.returncode}: outside: {scene.difference(outside, scene.tree(real))}")
                elif result.returncode and found == before:
                    self.say("refused", name, f"exit {result.returncode}: {said}")
                elif result.returncode == 0 and whole and clean and os.path.islink(self.root / package):
                    self.say("done", name, said)
                else:
                    what = f"exit {result.returncode}: {scene.difference(before, found)}: {said}"
                    self.say("bad", name, what)

    def limited(self, name, what, numbers, actions=("install", "replace", "uninstall")):
        for action in actions:
            outcomes = collections.Counter()
            for number in numbers:
                self.clear()
                self.fill(self.start_of(action))

                def limit(number=number):
                    resource.setrlimit(what, (number, number))

                outcomes[self.attempt(f"{name} {number}, {action}", action, quiet=True, recover=True, preexec_fn=limit)] += 1
            steps = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
            print(f"{name}, {action}: {sum(outcomes.values())} steps: {steps}")

    def case_ulimit_f(self):
        self.limited("ulimit -f (bytes)", resource.RLIMIT_FSIZE, [0, 1, 10, 50, 100, 200, 400, 1000, 2000, 5000, 1 << 20])

    def case_ulimit_n(self):
        self.limited("ulimit -n", resource.RLIMIT_NOFILE, list(range(6, 40, 2)))
        for action in ("install", "replace", "uninstall"):
            self.clear()
            self.fill(self.start_of(action))

            def limit():
                resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))

            self.attempt(f"ulimit -n 32, {action}", action, "done", preexec_fn=limit)


if __name__ == "__main__":
    sys.exit(main())
