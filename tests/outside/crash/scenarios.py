"""The commands that the crash tests interrupt: how each begins and how it has to end."""

from __future__ import annotations

from lib import trees, venv

NAMES = ("fresh", "replace", "uninstall", "undo", "target", "replace-undoable", "void")


class Scenario:
    """A command, the environment's tree `before` it, and the tree `after` it."""

    def __init__(self, space, name, durable=False):
        self.space, self.name = space, name
        self.root = space.fresh_target if name == "target" else space.root
        more = ["--durable"] if durable else []
        old, new, names = space.projects.old, space.projects.new, space.projects.names
        words = {
            "fresh": ["-j1", *more, *new],
            "target": ["-j1", *more, *new],
            "replace": ["-j1", *more, *new],
            "replace-undoable": ["-j1", "--undoable", *more, *new],
            "uninstall": ["uninstall", *more, *names],
            "undo": ["undo", *more],
            "void": ["uninstall", *more, *names],
        }[name]
        self.command = space.command(*words, target=self.root)
        self.recover = space.command("recover", target=self.root)
        space.restore("empty")
        if name in ("replace", "replace-undoable", "uninstall", "undo", "void"):
            space.must(*old)
        if name in ("undo", "void"):
            space.must("--undoable", *new)
        if name == "target":
            trees.remove(self.root)
        else:
            space.save(name)
        self.before = self.tree()
        venv.must(self.command, code=1)
        self.after = self.tree()
        # Whether the environment may differ from `before`.
        self.dirty = True
        if trees.without_control(self.after) == trees.without_control(self.before):
            raise SystemExit(f"{name}: the command changes nothing")

    def tree(self):
        """The tree that is compared.

        A target that is empty counts as missing, because nothing can remove it after a kill.
        """
        found = trees.snapshot(self.root)
        # What is kept for `undo` has random names.
        return trees.without_control(found) if self.name == "replace-undoable" else found

    def reset(self):
        """Put the environment back as it was before the command."""
        if not self.dirty:
            return
        self.dirty = False
        if self.name == "target":
            trees.remove(self.root)
        else:
            self.space.restore(self.name)

    def keep(self):
        """Keep a copy of the environment as it is now, after a crash."""
        copy = self.space.scratch / "crashed"
        trees.remove(copy)
        copy.mkdir()
        trees.copy_contents(self.root, copy)
        return copy

    def put(self, copy):
        """Put a kept copy back."""
        self.dirty = True
        trees.empty(self.root)
        trees.copy_contents(copy, self.root)

    def judge(self, found):
        """`before`, `after`, or None for any other tree."""
        if found == self.before:
            return "before"
        return "after" if found == self.after else None

    def judge_without_control(self, found):
        """The same, ignoring what is in `.pkg-install`."""
        plain = trees.without_control(found)
        if plain == trees.without_control(self.before):
            return "before"
        return "after" if plain == trees.without_control(self.after) else None

    def explain(self, found):
        """How a tree differs from the more similar one of `before` and `after`."""
        return trees.nearer(self.before, self.after, found)

    def half_seen(self):
        """Projects whose dist-info exists while files of theirs are missing or changed."""
        home = self.root if self.name == "target" else self.root / venv.PURELIB
        return venv.broken_projects(home)
