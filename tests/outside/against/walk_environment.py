"""The environment that `random_walks.py` changes, how its commands run, and what always holds."""

from __future__ import annotations

import collections
import json
import os
import pathlib
import random
import shlex
import subprocess

from lib import schema, server, trees, venv
from walk_commands import Command, Commands, new_place
from walk_oracles import Outcome, owned_paths, with_parents
from walk_wheels import Family

CODES = (0, 1, 2, 3, 4, 5, 6, 7)
# How many seconds a command may take.
LIMIT = 60


class Fault(Exception):
    """Something that has to hold does not."""


class Environment:
    """One environment, and what the walk knows about it."""

    def __init__(self, options, scratch: pathlib.Path, index: server.Server, seed: int):
        self.options, self.scratch, self.seed = options, scratch, seed
        self.chance = random.Random(seed)
        self.family = Family(scratch / "wheels", self.chance)
        self.place = new_place(scratch, self.chance, options.pythons)
        index.directory = self.family.directory
        index.replies.clear()
        for name in self.family.names:
            page = server.Reply(headers={"Content-Type": "text/html"}, body=self.family.page(name))
            index.replies[f"simple/{venv.normal_name(name)}/"] = lambda page=page: page
        self.commands = Commands(self.place, self.family, scratch, index.address)
        (scratch / "work").mkdir()
        self.place.make()
        self.base = self.tree()
        self.mine: trees.Snapshot = {}
        # Paths that `check` may complain about, since the walk or another tool damaged them.
        self.damaged: set[str] = set()
        # Directories that stay: those of the environment, and what the user has emptied.
        library = os.path.relpath(self.place.purelib, self.place.root)
        self.own = with_parents([library]) | {"."}
        own = ("bin", "include", "share", "etc", "lib")
        self.own |= {os.path.join(self.place.prefix, name) for name in own}
        self.emptied: set[str] = set()
        # Whether another tool or the walk itself has changed files of projects.
        self.foreign = self.editable = False
        self.history = False
        # The tree after each transaction that can be undone to, by number.
        self.states: dict[int, trees.Snapshot] = {}
        self.count = collections.Counter()
        self.step = 0
        self.log: list[str] = []
        self.last = ""
        # Whether the user has written into a file that the store shares.
        self.shared_edit = False

    def variables(self, command: Command) -> dict[str, str]:
        home, cache = os.fspath(self.scratch / "home"), os.fspath(self.scratch / "xdg")
        more = {"HOME": home, "XDG_CACHE_HOME": cache, "no_proxy": "127.0.0.1", "RUST_BACKTRACE": "0"}
        return venv.clean_variables(**{**more, **self.place.variables, **command.variables})

    def line(self, command: Command) -> str:
        """A command as a line for a shell."""
        variables = {**self.place.variables, **command.variables}
        given = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
        words = shlex.join(os.fspath(word) for word in command.words)
        mask = "" if command.umask == 0o022 else f"umask {command.umask:03o}; "
        return f"{mask}{' '.join([*given, os.fspath(self.options.binary)])} {words}"

    def say(self, line: str) -> None:
        self.last = line
        self.log.append(line)
        if self.options.trace:
            print(line, flush=True)

    def run(self, command: Command) -> Outcome:
        """Run a command to its end, and check what holds for all commands."""
        self.say(self.line(command))
        store = self.store()
        words = [self.options.binary, *command.words]
        more = {"env": self.variables(command), "cwd": self.scratch / "work", "umask": command.umask}
        try:
            done = venv.run(words, timeout=LIMIT, **more)
        except subprocess.TimeoutExpired:
            raise Fault(f"it takes more than {LIMIT} seconds") from None
        outcome = Outcome(done.returncode, done.stdout, done.stderr)
        if done.returncode not in CODES or "panicked" in done.stderr:
            raise Fault(f"{venv.describe_status(done.returncode)}: {done.stderr[-1500:]}")
        if command.has("--json") and not command.has("--json-schema"):
            self.check_json(command, outcome)
        after = self.store()
        changed = [path for path in store.keys() & after.keys() if store[path] != after[path]]
        if changed and not self.shared_edit:
            raise Fault(f"files of the store changed: {changed[:3]}")
        here = [name for name in os.listdir(self.scratch / "work") if name != ".venv"]
        if here:
            raise Fault(f"files in the working directory: {here}")
        self.count["commands"] += 1
        slug = outcome.json["error"]["code"] if outcome.json and outcome.json.get("error") else ""
        self.count[f"{command.kind} {done.returncode} {slug}".strip()] += 1
        if done.returncode == 2:
            self.count[f"usage: {venv.one_line(done.stderr, 400)[:150]}"] += 1
        if done.returncode == 1 and command.kind not in ("show", "owner", "installer") and not command.has("--check"):
            self.count[f"odd: {venv.one_line(done.stderr, 160)}"] += 1
        return outcome

    def check_json(self, command: Command, outcome: Outcome) -> None:
        if command.kind == "list" and command.has("--format"):
            return
        try:
            outcome.json = json.loads(outcome.stdout)
        except ValueError as error:
            raise Fault(f"not JSON: {error}: {outcome.stdout[:300]!r}, {outcome.stderr[-300:]}") from None
        wrong = list(schema.faults(self.options.schema, outcome.json))
        if wrong:
            raise Fault(f"the JSON does not fit the schema: {wrong[:5]}")
        if (outcome.json["error"] is not None) != (outcome.json["outcome"] == "failed"):
            raise Fault(f"outcome {outcome.json['outcome']} with error {outcome.json['error']}")

    def ask(self, kind: str, *words: str) -> dict:
        """The JSON of a reading command."""
        outcome = self.run(Command(kind, [kind, *words, "--json", *self.place.words]))
        if outcome.code == 5 and not self.place.purelib.exists():
            # An environment that is not there is refused.
            return {"projects": [], "differences": [], "transactions": []}
        if outcome.json is None or outcome.code not in (0, 6):
            raise Fault(f"{kind} fails: {outcome.code}: {outcome.stderr}")
        return outcome.json


    def tree(self, bytecode: bool = True) -> trees.Snapshot:
        """The environment; bytecode has a time in it, and is not compared if that may differ."""
        keep = None if bytecode else lambda path, content: b"" if path.endswith(".pyc") else content
        found = trees.snapshot(self.place.root, rewrite=keep)
        if self.place.root.exists():
            found["."] = trees.look(self.place.root)
        return found

    def store(self) -> trees.Snapshot:
        """The files of the store that are finished."""
        found = trees.snapshot(self.scratch / "cache" / "store")
        return {path: node for path, node in found.items() if node.kind == trees.FILE and "/filling/" not in path}

    def save(self) -> pathlib.Path | None:
        """Copy the environment, to put it back later; None if it is not there."""
        copy = self.scratch / "saved"
        trees.remove(copy)
        if not self.place.root.exists():
            return None
        copy.mkdir()
        trees.copy_contents(self.place.root, copy)
        copy.chmod(self.place.root.stat().st_mode & 0o7777)
        return copy

    def restore(self, copy: pathlib.Path | None) -> None:
        """Put the environment back as it was saved."""
        trees.remove(self.place.root)
        if copy is not None:
            self.place.root.mkdir()
            trees.copy_contents(copy, self.place.root)
            self.place.root.chmod(copy.stat().st_mode & 0o7777)

    def equal(self, expected: dict, found: dict, what: str) -> None:
        """Insist that two trees are equal, apart from what undo needs."""
        expected, found = trees.without_control(expected), trees.without_control(found)
        if expected != found:
            text = trees.difference(expected, found, 12)
            some = sorted(trees.changed(expected, found))[:3]
            detail = "; ".join(f"{path}: {expected.get(path)} / {found.get(path)}" for path in some)
            raise Fault(f"{what}: {text}\n  {detail}")


    def installed(self) -> list[str]:
        """The names of the installed projects."""
        return [project["name"] for project in self.ask("list")["projects"]]

    def touched(self) -> None:
        """The tree was changed by something else: note what is there now."""
        self.foreign = True
        self.states.clear()
        found = self.tree()
        owned = owned_paths(self.place.purelib, self.place.root)
        self.mine = {path: node for path, node in found.items() if path not in owned and path not in self.base}
        self.damaged = {one["path"] for one in self.ask("check")["differences"]}

    def check_tree(self, found: trees.Snapshot) -> None:
        """The tree is consistent."""
        differences = [one for one in self.ask("check")["differences"] if one["path"] not in self.damaged]
        if differences:
            raise Fault(f"check finds {differences[:4]}")
        plain = self.place.kind in ("new target", "old target", "root", "whole root", "described")
        if plain and (self.place.root / self.place.prefix / ".lock").exists():
            raise Fault(".lock was left")
        owned = owned_paths(self.place.purelib, self.place.root)
        known = owned | self.base.keys() | with_parents(self.mine) | self.emptied | self.own
        stray = sorted(trees.without_control(found).keys() - known)
        if stray and self.place.kind in ("prefix", "described prefix"):
            stray = [path for path in stray if path != ".lock"]
        if stray:
            raise Fault(f"without an owner: {stray[:6]}")
        for path, node in self.mine.items():
            if path in found and node.kind == trees.FILE and found[path] != node and trees.CONTROL not in path:
                if path not in owned:
                    raise Fault(f"the user's file changed: {path}: {node} {found[path]}")

    def check_list(self, changes: list[dict]) -> None:
        """What was said to be installed is there."""
        there = {venv.normal_name(one["name"]): one["version"] for one in self.ask("list")["projects"]}
        for change in changes:
            wanted = None if change["action"] == "remove" else change["version"]
            if there.get(venv.normal_name(change["name"])) != wanted:
                raise Fault(f"{change}, but installed is {there}")

    def check_modes(self, command: Command, before: trees.Snapshot, after: trees.Snapshot) -> None:
        """What was written has the modes of the umask, or the modes and the time of the epoch."""
        epoch = command.variables.get("SOURCE_DATE_EPOCH")
        mask = 0o022 if epoch else command.umask
        for path, node in trees.without_control(after).items():
            if node == before.get(path) or node.kind == trees.SYMLINK or path == ".lock":
                continue
            modes = (0o777 & ~mask, 0o666 & ~mask) if node.kind == trees.FILE else (0o777 & ~mask,)
            if node.mode not in modes:
                raise Fault(f"{path} has the mode {node.mode:o}, with the umask {command.umask:03o}")
            time = os.lstat(self.place.root / path).st_mtime
            if epoch and time != int(epoch):
                raise Fault(f"{path} has the time {time}, not {epoch}")
