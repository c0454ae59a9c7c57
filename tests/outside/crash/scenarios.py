"""The scenarios that are interrupted, and the loop over their points that the crash tests share.

A `Scenario` is a state of an environment (`before`), a command, and the state that it leads to (`after`), each one a tree.
`Stage.play` runs one. `run_all` divides the work over processes with scratch directories of their own; each prints
nothing and returns `Counter`s.
"""

import base64
import collections
import csv
import hashlib
import multiprocessing
import os
import pathlib
import re
import shutil
import sys
import time
import traceback

import scene

NAMES = ("fresh", "replace", "uninstall", "undo", "target", "replace-undoable", "void")


class Scenario:
    """One scenario in one scene: how it begins, what is run, and how it has to end."""

    def __init__(self, stage, name, durable=False):
        self.stage, self.name = stage, name
        self.root = stage.fresh_target if name == "target" else stage.root
        more = ["--durable"] if durable else []
        old, new = stage.old, stage.new
        words = {
            "fresh": ["-j1", *more, *new],
            "target": ["-j1", *more, *new],
            "replace": ["-j1", *more, *new],
            "replace-undoable": ["-j1", "--undoable", *more, *new],
            "uninstall": ["uninstall", *more, *stage.names],
            "undo": ["undo", *more],
            "void": ["uninstall", *more, *stage.names],
        }[name]
        self.command = stage.command(*words, target=self.root)
        self.recover = stage.command("recover", target=self.root)
        stage.restore("empty")
        if name in ("replace", "replace-undoable", "uninstall", "undo", "void"):
            stage.must(*old)
        if name in ("undo", "void"):
            stage.must("--undoable", *new)
        if name == "target":
            scene.remove(self.root)
        else:
            stage.save(name)
        self.before = self.tree()
        self.dirty = False
        result = scene.run(self.command)
        if result.returncode:
            raise SystemExit(f"{name}: exit {result.returncode}: {result.stderr}")
        self.after = self.tree()
        self.dirty = True
        if scene.without_control(self.after) == scene.without_control(self.before):
            raise SystemExit(f"{name}: the command changes nothing")

    def tree(self):
        """What is compared. A target that is empty counts as one that is not there: nothing can remove it after a kill."""
        found = scene.tree(self.root)
        # What is kept for `undo` has random names.
        return scene.without_control(found) if self.name == "replace-undoable" else found

    def reset(self):
        if not self.dirty:
            return
        self.dirty = False
        if self.name == "target":
            scene.remove(self.root)
        else:
            self.stage.restore(self.name)

    def keep(self, state):
        """Keep the environment as it is now, whatever it is; its root directory stays."""
        copy = self.stage.scratch / f"crashed-{state}"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        scene.copy_content(self.root, copy)
        return copy

    def put(self, copy):
        self.dirty = True
        scene.empty(self.root)
        scene.copy_content(copy, self.root)

    def judge(self, found):
        """`before`, `after`, or nothing of the two."""
        if found == self.before:
            return "before"
        return "after" if found == self.after else None

    def leftover(self, found):
        """Whether a tree is before or after but for what is in `.pkg-install`."""
        plain = scene.without_control(found)
        if plain == scene.without_control(self.before):
            return "before"
        return "after" if plain == scene.without_control(self.after) else None

    def explain(self, found):
        """How far a tree is from the nearer one of the two."""
        wanted, name = min(((self.before, "before"), (self.after, "after")), key=lambda pair: distance(pair[0], found))
        return f"against {name}: {scene.difference(wanted, found)}"

    def half_seen(self):
        """Projects whose dist-info is there while files of theirs are missing or changed."""
        home = self.root if self.name == "target" else self.root / scene.PURELIB
        return broken_projects(home)


def distance(one, two):
    """In how many paths two trees differ."""
    return sum(one.get(path) != two.get(path) for path in one.keys() | two.keys())


def broken_projects(purelib):
    """What is wrong with the RECORD of each dist-info in a library: [(dist-info, what)]."""
    wrong = []
    purelib = pathlib.Path(purelib)
    if not purelib.is_dir():
        return wrong
    for info in sorted(purelib.glob("*.dist-info")):
        record = info / "RECORD"
        if not record.is_file():
            wrong.append((info.name, "has no RECORD"))
            continue
        with open(record, newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        listed = set()
        for path, digest, size in rows:
            full = os.path.normpath(os.path.join(purelib, path))
            listed.add(full)
            try:
                with open(full, "rb") as file:
                    content = file.read()
            except OSError as error:
                wrong.append((info.name, f"{path}: {error.strerror}"))
                continue
            if digest:
                algorithm, _, value = digest.partition("=")
                own = base64.urlsafe_b64encode(hashlib.new(algorithm, content).digest()).rstrip(b"=").decode()
                if own != value:
                    wrong.append((info.name, f"{path}: another digest"))
            if size and int(size) != len(content):
                wrong.append((info.name, f"{path}: another size"))
        for file in info.iterdir():
            if os.fspath(file) not in listed:
                wrong.append((info.name, f"{file.name}: not in RECORD"))
    return wrong


def spread(things):
    """The things in an order in which every beginning is spread evenly over them."""
    return [things[place] for place in _scattered(len(things))]


def _scattered(count):
    """0..count, each once, scattered: steps of about count x 0.618 that share no divisor with it."""
    step = max(1, int(count * 0.6180339887498949))
    while _divisor(step, count) != 1:
        step += 1
    return [(number * step) % count for number in range(count)]


def _divisor(one, two):
    while two:
        one, two = two, one % two
    return one


class Deadline:
    """A share of the time; without one it never ends."""

    def __init__(self, seconds):
        self.end = None if seconds is None else time.monotonic() + seconds

    def over(self):
        return self.end is not None and time.monotonic() >= self.end


def run_all(work, processes, *arguments):
    """Run `work(number, processes, *arguments)` in processes of its own; returns the sum of what they counted, and the faults.

    Work returns ({name: Counter}, [fault]).
    """
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    children = [
        context.Process(target=_guarded, args=(queue, work, number, processes, arguments)) for number in range(processes)
    ]
    for child in children:
        child.start()
    counts, faults = collections.OrderedDict(), []
    for _ in children:
        counted, found = queue.get()
        for name, counter in counted.items():
            counts.setdefault(name, collections.Counter()).update(counter)
        faults.extend(found)
    for child in children:
        child.join()
    return counts, faults


def _guarded(queue, work, number, processes, arguments):
    try:
        queue.put(work(number, processes, *arguments))
    except BaseException as error:  # whatever it is, the parent waits for an answer
        if not isinstance(error, SystemExit):
            traceback.print_exc()
        queue.put(({}, [f"worker {number} stopped: {error}"]))


def print_table(counts, columns):
    """One line for each name, and their sum."""
    width = max([len(name) for name in counts] + [8])
    print(f"{'':{width}} " + " ".join(f"{column:>{max(len(column), 6)}}" for column in columns))
    total = collections.Counter()
    for name, counter in counts.items():
        total.update(counter)
        print(f"{name:{width}} " + " ".join(f"{counter[column]:>{max(len(column), 6)}}" for column in columns))
    print(f"{'all':{width}} " + " ".join(f"{total[column]:>{max(len(column), 6)}}" for column in columns))
    sys.stdout.flush()
    return total


def print_faults(faults, shown=30):
    """The faults, one of each sort: what is left of them without paths and numbers."""
    sorts = collections.OrderedDict()
    for fault in faults:
        what = re.sub(r"\[.*?\]:|`[^`]*`|[-+~]\S*/\S+|\d+|\bE[A-Z]+\b\+?", "", fault)
        sorts.setdefault(what[:150], []).append(fault)
    for alike in list(sorts.values())[:shown]:
        print(f"BAD {alike[0]}" + (f" ({len(alike)} like this)" if len(alike) > 1 else ""))
    if len(sorts) > shown:
        print(f"... and {len(sorts) - shown} more sorts")
