"""Walk at random through commands and options, and check after every command what has to hold.

    python3 tests/outside/against/random_walks.py [--seed N] [--steps N] [--seconds N] [--peers PEERS]

Each walk makes a family of small wheels, an environment, and a sequence of commands with random
options, all from its seed. After every command:

- the exit code is a documented one, nothing panicked, and it ended within a minute; the output of
  `--json` fits the schema;
- after an error the tree is as before, after a success `check` finds nothing that the walk has not
  damaged itself, every file has an owner, and nothing is left behind;
- `--dry-run` and `--check` change nothing and say what the command then does;
- the same command again changes nothing;
- other values of `--jobs`, `--link-mode` and `--store` give the same tree;
- a killed command is settled by `recover`: the tree is as before or as after;
- `undo` restores the tree from before; a `sync` equals one into a fresh environment;
- no file of the store changes;
- with `--peers`, pip lists the same projects and finds the same requirements unmet.

A failure is printed with its seed, its command line and how to repeat it. `--trace` prints all
commands; `--keep DIR` leaves the files there, so that the commands can be repeated by hand.

Exit code 1: something does not hold, or nothing was tested.
"""

from __future__ import annotations

import collections
import json
import os
import pathlib
import shlex
import shutil
import stat
import sys
import time
import traceback
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import server, trees, venv
from walk_changes import Changes
from walk_commands import EXE, VENVS, Command, Python
from walk_environment import Fault
from walk_oracles import owned_paths, with_parents
from walk_wheels import VERSIONS


class Walk(Changes):
    """The random steps of one walk."""

    def walk(self) -> None:
        for self.step in range(self.options.steps):
            if time.monotonic() > self.options.deadline:
                break
            self.one_step()

    def one_step(self) -> None:
        kinds = {
            "install": 34, "sync": 10, "uninstall": 12, "undo": 10, "recover": 2, "installer": 6, "look": 8,
            "cache": 4, "pack": 5, "verify": 2, "download": 3, "mine": 6, "other": 5 if self.options.peers else 0,
            "lock": 5, "freeze": 3, "three_ways": 3, "pip": 2 if self.options.peers else 0,
        }  # fmt: skip
        kind = self.chance.choices(list(kinds), list(kinds.values()))[0]
        getattr(self, f"step_{kind}")()

    def step_install(self) -> None:
        self.change(self.commands.install())

    def step_sync(self) -> None:
        command = self.commands.sync()
        self.change(command)
        if self.chance.random() < 0.3:
            self.fresh(command)

    def step_lock(self) -> None:
        """Resolve into a file, and install that."""
        option, name = self.chance.choice((("--lock", "pylock.toml"), ("--report", "report.json")))
        file = self.commands.out / name
        file.unlink(missing_ok=True)
        if self.run(self.commands.resolve(option, os.fspath(file))).code == 0:
            maker = self.commands.sync if self.chance.random() < 0.4 else self.commands.install
            self.change(maker(file))

    def step_uninstall(self) -> None:
        self.change(self.commands.uninstall(self.installed()))

    def step_undo(self) -> None:
        self.undo(self.commands.undo(list(self.states)))

    def step_recover(self) -> None:
        self.change(self.commands.recover())

    def step_installer(self) -> None:
        if self.place.installer:
            self.change(self.commands.installer())

    def step_look(self) -> None:
        before = self.tree()
        paths = [path for path in before if trees.CONTROL not in path]
        self.run(self.commands.look(self.installed(), sorted(paths)))
        self.equal(before, self.tree(), "a command that reads has changed the tree")

    def step_cache(self) -> None:
        outcome = self.run(self.commands.cache_command())
        if outcome.code and not self.shared_edit:
            raise Fault(f"the cache: {outcome.code}: {outcome.stdout}{outcome.stderr}")

    def step_verify(self) -> None:
        command = self.commands.verify()
        broken = os.fspath(self.family.broken) in command.words
        doubtful = self.family.doubtful.intersection(command.words)
        code = self.run(command).code
        # At the level `off` damage in a file may be seen by its CRC-32 or not at all.
        wrong = code == 0 and broken and not command.has("--verify") or code == 3 and not broken and not doubtful
        if wrong or code not in (0, 2, 3):
            raise Fault(f"verify ends with {code}, with a damaged wheel: {broken}")

    def step_download(self) -> None:
        before = self.tree()
        outcome = self.run(self.commands.download())
        for item in (outcome.json or {}).get("downloads") or []:
            path = pathlib.Path(item["path"])
            if item["sha256"] and path.exists() and self.family.hash_of(path) != item["sha256"]:
                raise Fault(f"{path} has another hash")
        self.equal(before, self.tree(), "download has changed the tree")

    def step_pack(self) -> None:
        """Make an artefact twice; it has to be the same, and an application has to start."""
        command = self.commands.pack()
        artefact = pathlib.Path(command.words[-1])
        trees.remove(artefact)
        outcome = self.run(command)
        if outcome.code or command.has("--dry-run"):
            if artefact.exists():
                raise Fault("an artefact was written")
            return
        first = trees.snapshot(artefact) if artefact.is_dir() else trees.look(artefact)
        trees.remove(artefact)
        again = self.run(command.without("--jobs").more("--jobs", "2"))
        second = trees.snapshot(artefact) if artefact.is_dir() else trees.look(artefact)
        if again.code or first != second:
            raise Fault("the same artefact is another one")
        if artefact.suffix in (".zip", ".gz"):
            self.check_artefact(command, artefact)
        if artefact.suffix == ".pyz":
            done = venv.run([sys.executable, artefact, "-c", "print(42)"], env=self.variables(command))
            if done.returncode or done.stdout.strip() != "42":
                raise Fault(f"the application: {done.returncode}: {done.stderr[-600:]}")

    def check_artefact(self, command: Command, artefact: pathlib.Path) -> None:
        """What is in an archive is an environment, which nothing is wrong with."""
        place = self.commands.out / "unpacked"
        trees.remove(place)
        unpack(artefact, place)
        root = place / "python" if command.has("--plain") else place
        done = venv.run([self.options.binary, "check", "--json", "--target", root], env=self.variables(Command("", [])))
        if done.returncode:
            raise Fault(f"check of the artefact: {done.returncode}: {done.stdout[-900:]}{done.stderr[-500:]}")

    def step_three_ways(self) -> None:
        """From names, from a lock file and from a report the same is installed."""
        words, places = self.commands.requirement_words(), self.commands.places()
        lock, report = self.commands.out / "pylock.ways.toml", self.commands.out / "ways.json"
        cache = ["--cache-dir", self.commands.cache]
        target = ["--target", self.scratch / "ways"]
        found = []
        for option, file in (("--lock", lock), ("--report", report)):
            given = ["resolve", *words, *places, option, file, *cache, "--python", EXE]
            found.append(self.run(Command("resolve", given)).code)
        for given in ([*words, *places], ["--lock", lock], ["--report", report]):
            if found[:2] != [0, 0] and given[0] in ("--lock", "--report"):
                continue
            trees.remove(target[1])
            code = self.run(Command("install", [*given, *cache, *target, "--no-compile"], {"VIRTUAL_ENV": ""})).code
            tree = trees.files(trees.snapshot(target[1]))
            own = ("/REQUESTED", "/direct_url.json", "/RECORD")
            found.append((code, {path: node for path, node in tree.items() if not path.endswith(own)}))
        if found[0] != found[1] or (found[0] == 7) != (found[2][0] == 7):
            raise Fault(f"resolved: {found[0]}, {found[1]}; installed: {found[2][0]}")
        for code, tree in found[3:]:
            if code != found[2][0]:
                raise Fault(f"from names: {found[2][0]}, from a lock file or a report: {code}")
            self.equal(found[2][1], tree, "from a lock file or a report")

    def step_mine(self) -> None:
        """Make, edit or delete a file, as users do."""
        library = self.place.purelib
        if not library.exists():
            return
        how = self.chance.choice(("new", "new", "directory", "link", "edit", "delete", "inside", "editable", "write"))
        if how in ("edit", "delete", "write"):
            owned = sorted(owned_paths(library, self.place.root))
            files = [path for path in owned if (self.place.root / path).is_file()]
            files = [path for path in files if ".dist-info/" not in path]
            if not files:
                return
            path = self.place.root / self.chance.choice(files)
            if how == "write":
                # In place: the file may be one with the store's.
                self.shared_edit |= path.stat().st_nlink > 1
                path.write_text("# written over by the user\n")
            else:
                path.unlink()
            self.emptied |= with_parents([os.path.relpath(path.parent, self.place.root)])
            if how == "edit":
                path.write_text("# edited\n")
        elif how == "editable":
            self.make_editable(library)
        else:
            name = self.chance.choice(("mine", "space/mine", "space/disputed.py", "alpha/mine.py", "omega_module.py"))
            path = library / name
            if path.exists() or path.is_symlink() or not path.parent.is_dir():
                return
            if how == "directory":
                path.mkdir()
            elif how == "link":
                path.symlink_to("nowhere")
            else:
                path.write_text("# mine\n")
        self.say(f"# by the user: {how}")
        self.touched()

    def make_editable(self, library: pathlib.Path) -> None:
        """What `pip install -e` leaves of a project."""
        name = self.chance.choice(self.family.names)
        stem = venv.normal_name(name, "_")
        if list(library.glob(f"{stem}-*.dist-info")):
            return
        info = library / f"{stem}-1.0.dist-info"
        info.mkdir()
        (library / f"__editable__.{stem}.pth").write_text("/src\n")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "direct_url.json").write_text('{"url": "file:///src", "dir_info": {"editable": true}}')
        own = ("METADATA", "direct_url.json", "RECORD")
        rows = [f"__editable__.{stem}.pth", *(f"{info.name}/{file}" for file in own)]
        (info / "RECORD").write_text("".join(f"{row},,\n" for row in rows))
        self.editable = True

    def step_other(self) -> None:
        """Another tool changes the environment."""
        if self.place.kind not in VENVS:
            return
        python, name = self.place.root / "bin" / "python", self.chance.choice(self.family.names)
        path = self.family.paths[name, self.chance.choice(VERSIONS)]
        offline = ["--no-deps", "--no-index"]
        pip = [self.options.peers.python, "-m", "pip", "--python", python]
        uv = [self.options.peers.uv, "pip"]
        words = self.chance.choice((
            [*pip, "uninstall", "-y", name],
            [*pip, "install", "--no-compile", *offline, path],
            [*uv, "install", "--python", python, *offline, "--offline", path, "--link-mode", "copy"],
            [*uv, "uninstall", "--python", python, name],
        ))  # fmt: skip
        self.say("# " + shlex.join(map(str, words)))
        more = {"env": {**self.variables(Command("", [])), "UV_CACHE_DIR": str(self.scratch / "uv")}}
        done = venv.run(words, **more)
        self.count[f"other {words[2] if words[0] != self.options.peers.uv else 'uv'} {done.returncode}"] += 1
        self.touched()

    def step_pip(self) -> None:
        """pip sees what we see."""
        if not self.place.purelib.exists() or self.place.kind not in VENVS:
            return
        python = self.place.root / "bin" / "python"
        pip = [self.options.peers.python, "-m", "pip", "--python", python]
        done = venv.run([*pip, "list", "--format", "json"])
        if "does not support python" in done.stderr:
            return
        if done.returncode:
            raise Fault(f"pip list: {done.returncode}: {done.stderr[-1500:]}")
        theirs = {venv.normal_name(item["name"]): item["version"] for item in json.loads(done.stdout)}
        ours = {venv.normal_name(item["name"]): item["version"] for item in self.ask("list")["projects"]}
        if theirs != ours:
            raise Fault(f"pip lists {theirs}, we list {ours}")
        done = venv.run([*pip, "check"])
        unmet = self.ask("check", "--requires").get("unmet_requirements")
        if (done.returncode == 0) != (not unmet):
            raise Fault(f"pip check: {done.returncode} {done.stdout}; we: {unmet}")

    def step_freeze(self) -> None:
        """What `list --format freeze` prints is what is there."""
        if not self.place.root.exists():
            return
        outcome = self.run(Command("list", ["list", "--format", "freeze", *self.place.words]))
        file = self.commands.out / "frozen.txt"
        file.write_text(outcome.stdout)
        if outcome.code or not any(not line.startswith("#") for line in outcome.stdout.splitlines()):
            return
        words = ["sync", "--check", "--find-links", self.family.directory, file, *self.place.words]
        outcome = self.run(Command("sync", [*words, "--cache-dir", self.commands.cache]))
        if outcome.code:
            raise Fault(f"a frozen environment is not as it is: {outcome.code}: {outcome.stdout}{outcome.stderr}")


def unpack(artefact: pathlib.Path, place: pathlib.Path) -> None:
    """Unpack an archive with its modes and links, which `zipfile` leaves out."""
    if artefact.suffix == ".gz":
        shutil.unpack_archive(artefact, place)
        return
    with zipfile.ZipFile(artefact) as archive:
        for entry in archive.infolist():
            path, mode = place / entry.filename, entry.external_attr >> 16
            path.parent.mkdir(parents=True, exist_ok=True)
            if stat.S_ISLNK(mode):
                path.symlink_to(archive.read(entry).decode())
            elif not entry.is_dir():
                path.write_bytes(archive.read(entry))
                path.chmod(stat.S_IMODE(mode))


def repeat(options, seed: int) -> str:
    peers = f" --peers {options.peers.directory}" if options.peers else ""
    peers += "".join(f" --python {exe}" for exe in options.python)
    own = f"--binary {options.binary} --seed {seed} --walks 1 --steps {options.steps}{peers} --trace"
    return f"python3 {sys.argv[0]} {own}"


def one_walk(options, home: pathlib.Path, index: server.Server, seed: int, total: collections.Counter) -> bool:
    """Walk once; whether all was well."""
    scratch = home / f"walk-{seed}"
    trees.remove(scratch)
    scratch.mkdir()
    walk = None
    try:
        walk = Walk(options, scratch, index, seed)
        walk.walk()
        return True
    except Exception as fault:
        # A mistake of this script shows its traceback, and does not end the other walks.
        text = fault if isinstance(fault, Fault) else traceback.format_exc()
        place = f"step {walk.step}, {walk.place.kind}:\n  {walk.last}" if walk else "at its start"
        print(f"FAIL  seed {seed}, {place}\n  {text}")
        print(f"  repeat: {repeat(options, seed)}\n", flush=True)
        return False
    finally:
        if walk:
            total.update(walk.count)
        total["walks"] += 1
        if not options.keep:
            trees.remove(scratch)


def main() -> int:
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    add("--seed", type=int, default=1, help="the seed of the first walk (default: 1)")
    add("--walks", type=int, default=10**9, help="how many walks at most")
    add("--steps", type=int, default=25, help="the steps of each walk (default: 25)")
    add("--seconds", type=float, default=60, help="when to end (default: 60)")
    add("--kill", type=float, default=0.1, help="the share of commands that are also killed (default: 0.1)")
    add("--python", action="append", default=[], metavar="EXE", help="more interpreters for environments")
    add("--peers", type=pathlib.Path, metavar="DIR", help="a directory with or for pip and uv")
    add("--keep", type=pathlib.Path, metavar="DIR", help="leave the files of the walks here")
    add("--trace", action="store_true", help="print every command")
    options = parser.parse_args()
    options.binary = venv.checked_binary(options.binary)
    options.pythons = [Python.ask(exe) for exe in (EXE, *options.python)]
    options.peers = venv.Peers(options.peers).make() if options.peers else None
    options.schema = json.loads(venv.must([options.binary, "--json-schema"]))
    options.deadline = time.monotonic() + options.seconds
    total, failed = collections.Counter(), []
    with venv.scratch_directory("walks") as scratch, server.Server(scratch) as index:
        home = options.keep or scratch
        home.mkdir(exist_ok=True)
        for seed in range(options.seed, options.seed + options.walks):
            if time.monotonic() > options.deadline:
                break
            if not one_walk(options, home.resolve(), index, seed, total):
                failed.append(seed)
    for name, number in sorted(total.items()):
        print(f"{number:8} {name}")
    print(f"random_walks: {total['walks']} walks, {total['commands']} commands, {len(failed)} failed: {failed}")
    return 1 if failed or not total["commands"] else 0


if __name__ == "__main__":
    sys.exit(main())
