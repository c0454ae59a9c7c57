"""What has to hold of a command of `random_walks.py` that changes the environment."""

from __future__ import annotations

import json
import os
import subprocess

from lib import trees
from walk_commands import Command
from walk_environment import Environment, Fault
from walk_oracles import Outcome, compared_changes, without_bytecode


class Changes(Environment):
    """Runs commands that change one environment, also in other ways, and checks them."""

    def change(self, command: Command) -> Outcome:
        """Run a command with everything that has to hold of it."""
        before, announced, other, killed = self.tree(), None, None, None
        # Whether files can be cloned is known only if one is, which a dry run must not try.
        clones = "reflink" in [*command.words, *command.variables.values()]
        # A dry run does not read the contents of wheels, and so sees no damage in them.
        unknown = clones or os.fspath(self.family.broken) in command.words
        if command.kind in ("install", "sync", "uninstall") and not unknown and self.chance.random() < 0.3:
            announced = self.announce(command, before)
        if command.kind in ("install", "sync") and not clones and self.chance.random() < 0.2:
            other = self.another_way(command)
        if command.kind in ("install", "sync", "uninstall") and self.chance.random() < self.options.kill:
            killed = self.kill(command)
        outcome = self.run(command)
        after = self.tree()
        if announced and command.has("--json"):
            self.as_announced(command, announced, outcome)
        if other:
            if other[0] != outcome.code:
                raise Fault(f"{other[2]}: ends with {other[0]}, not {outcome.code}")
            self.equal(other[1], self.tree("SOURCE_DATE_EPOCH" in command.variables), other[2])
        if killed is not None:
            self.as_before_or_after(killed, before)
        if outcome.code or (outcome.json and outcome.json["outcome"] == "unchanged"):
            if after != before:
                what = trees.difference(before, after)
                raise Fault(f"code {outcome.code}, but the tree changed: {what}\n{outcome.stderr[-600:]}")
            return outcome
        self.succeeded(command, outcome, before, after)
        if command.has("--save-lock", "--save-report") and not command.has("--require-hashes"):
            self.saved(command)
        if command.kind in ("install", "sync") and self.chance.random() < 0.3 and not command.has("--reinstall"):
            self.again(command)
        if command.has("--undoable") and self.history and self.chance.random() < 0.35:
            self.undo(Command("undo", ["undo", *self.place.words]))
        return outcome

    def announce(self, command: Command, before: trees.Snapshot) -> Outcome:
        """Run it without changing anything."""
        word = "--check" if command.kind != "uninstall" and self.chance.random() < 0.4 else "--dry-run"
        outcome = self.run(command.without("--json").more("--json", word))
        outcome.word = word
        if self.tree() != before:
            raise Fault(f"{word} has changed the tree: {trees.difference(before, self.tree())}")
        return outcome

    def as_announced(self, command: Command, announced: Outcome, outcome: Outcome) -> None:
        """Compare what was said with what was done."""
        changed = outcome.json["outcome"] == "committed"
        code = int(changed) if announced.word == "--check" and not outcome.code else outcome.code
        if announced.code != code:
            what = f"{announced.word} ends with {announced.code}, the command with {outcome.code}"
            raise Fault(f"{what}: {announced.stderr[-500:]} / {outcome.stderr[-500:]}")
        said, done = (compared_changes(one.json, command) for one in (announced, outcome))
        if said != done:
            raise Fault(f"{announced.word} says {said}, but this is done: {done}")

    def another_way(self, command: Command) -> tuple | None:
        """The tree that the command makes with other values of options that do not count."""
        if command.has("--offline"):
            return None
        options = {"--jobs": ("1", "4"), "--store": ("auto", "always", "never"), "--link-mode": ("auto", "copy")}
        saved = self.save()
        variant = command.without(*options)
        words = [word for option, values in options.items() for word in (option, self.chance.choice(values))]
        if not command.has("--on-conflict"):
            variant = variant.reordered(self.chance)
        outcome = self.run(variant.more(*words))
        found = self.tree("SOURCE_DATE_EPOCH" in command.variables)
        self.restore(saved)
        return outcome.code, found, " ".join(words)

    def kill(self, command: Command) -> trees.Snapshot:
        """Kill the command at a random moment, recover, and put the tree back.

        Any command that writes recovers, also one that fails.
        """
        saved = self.save()
        self.say(f"# killed: {self.line(command)}")
        words = [os.fspath(word) for word in (self.options.binary, *command.words)]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        more = {"env": self.variables(command), "cwd": self.scratch / "work", "umask": command.umask}
        process = subprocess.Popen(words, **more, **quiet)
        try:
            process.wait(self.chance.random() ** 2 * 0.15)
        except subprocess.TimeoutExpired:
            process.kill()
        process.wait()
        if self.place.purelib.exists():
            self.settle()
        found = self.tree(bytecode=False)
        self.restore(saved)
        self.count["kills"] += 1
        return found

    def settle(self) -> None:
        """Let a command settle what a killed one has left, now and then in another place."""
        settles = self.chance.choice((["recover"], ["recover"], ["uninstall", "no-such-project"]))
        words, root = self.place.words, self.place.root
        moved = root.with_name("moved") if self.chance.random() < 0.3 and root in words else root
        root.rename(moved)
        words = [moved if word == root else word for word in words]
        done = self.run(Command(settles[0], [*settles, *words]))
        moved.rename(root)
        if done.code != (0 if settles == ["recover"] else 5):
            raise Fault(f"{settles} after a kill ends with {done.code}: {done.stderr}")

    def as_before_or_after(self, killed: trees.Snapshot, before: trees.Snapshot) -> None:
        """Compare the tree of a killed command with those before it and after it."""
        trio = (killed, without_bytecode(before), self.tree(bytecode=False))
        killed, before, after = (trees.without_control(found) for found in trio)
        # A lock file that was left goes with the next command that changes something, and empty
        # directories of the environment are of use to it.
        lock = os.path.join(self.place.prefix, ".lock")
        extra = [path for path in killed if path == lock or path in self.own and path not in before]
        if killed != after:
            killed = {path: node for path, node in killed.items() if path not in extra}
        if killed not in (before, after):
            raise Fault("killed and recovered: " + trees.nearer(before, after, killed))

    def succeeded(self, command: Command, outcome: Outcome, before: dict, after: dict) -> None:
        """What holds after a success."""
        if command.kind == "undo":
            self.check_tree(after)
            return
        changed = trees.without_control(before) != trees.without_control(after)
        was = self.history
        self.history = trees.has_control(after)
        if self.history and not was and not command.has("--undoable"):
            raise Fault(f"left: {[path for path in after if trees.CONTROL in path]}")
        self.check_tree(after)
        self.check_modes(command, before, after)
        if outcome.json and not self.foreign:
            self.check_list(outcome.json["changes"])
        if self.history:
            self.note_transaction(command, before, after)
        elif changed:
            self.states.clear()

    def note_transaction(self, command: Command, before: dict, after: dict) -> None:
        """Remember the tree under the number of its transaction."""
        past = self.ask("history")["transactions"]
        if not past:
            self.states.clear()
            return
        last = past[-1]
        if last["number"] in self.states:
            return
        if last["kept"] is False:
            self.states.clear()
        elif last["number"] == 1:
            self.states = {0: before}
        elif not self.states:
            # Something else has changed the tree since the transaction before.
            self.states[last["number"] - 1] = before
        self.states[last["number"]] = after

    def again(self, command: Command) -> None:
        """The same command once more changes nothing."""
        before = self.tree()
        outcome = self.run(command.without("--json").more("--json"))
        if outcome.code or outcome.json["outcome"] != "unchanged":
            what = f"{outcome.json['outcome']} {outcome.json['changes']} {outcome.stderr[-500:]}"
            raise Fault(f"a second time: {outcome.code} {what}")
        self.equal(before, self.tree(), "a second time")

    def saved(self, command: Command) -> None:
        """What was saved is what is installed."""
        for option, file in (("--lock", "pylock.saved.toml"), ("--report", "saved.json")):
            path = self.commands.out / file
            if not command.has("--save-" + option.strip("-")) or not path.exists():
                continue
            if option == "--report" and not json.loads(path.read_text())["install"]:
                # An empty report is refused.
                continue
            words = ["install", "--check", option, path, "--cache-dir", self.commands.cache]
            outcome = self.run(Command("install", [*words, *self.place.words]))
            if outcome.code:
                raise Fault(f"what was saved is not installed: {outcome.code} {outcome.stdout} {outcome.stderr}")
            path.unlink()

    def undo(self, command: Command) -> None:
        """Undo, and compare with the tree that was there."""
        before = self.tree()
        past = self.ask("history")["transactions"] if self.history else []
        killed = self.kill(command) if self.chance.random() < self.options.kill and self.history else None
        outcome = self.run(command)
        after = self.tree()
        if killed is not None:
            self.as_before_or_after(killed, before)
        if outcome.code:
            if after != before:
                raise Fault(f"undo failed, but the tree changed: {trees.difference(before, after)}")
            return
        self.history = trees.has_control(after)
        now = self.ask("history")["transactions"] if self.place.root.exists() else []
        if now and len(now) > len(past):
            number = now[-1]["back_to"]
        elif not now and past:
            number = 0
        else:
            return
        self.count["undone"] += 1
        if number in self.states:
            # The library stays if the transaction made it: the state directory is in it.
            stays = {path: node for path, node in after.items() if path in self.own}
            wanted = {**stays, **self.states[number]}
            self.equal(wanted, after, f"undo to {number}")
            self.count["undone and compared"] += 1
            if now:
                self.states[now[-1]["number"]] = after
        self.check_tree(after)
        if not now:
            self.states.clear()

    def fresh(self, command: Command) -> None:
        """A sync equals one into a fresh environment."""
        if self.editable or command.has("--on-conflict", "--offline", "--dry-run", "--check"):
            return
        command = command.without("--json", "--reinstall", "--undoable")
        command = command.more("--reinstall", SOURCE_DATE_EPOCH="1700000000")
        saved = self.save()
        mine = set(self.mine)
        first = self.run(command)
        found = trees.files(self.tree())
        self.restore(None)
        self.place.make()
        second = self.run(command)
        expected = trees.files(self.tree())
        self.restore(saved)
        if first.code or second.code:
            return
        found = {path: node for path, node in found.items() if path not in mine}
        self.equal(expected, found, "a sync differs from a fresh one")
        self.count["fresh"] += 1
