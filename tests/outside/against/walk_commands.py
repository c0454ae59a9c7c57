"""The environments and the command lines of `random_walks.py`."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import random
import sys

from walk_wheels import VERSIONS, Family
from lib import venv

EXE = os.path.realpath(sys.executable)
# Environments with an interpreter of their own, and all others.
VENVS = ("venv", "relocatable", "active", "local")
KINDS = (
    *VENVS, "venv", "new target", "old target", "prefix", "root", "whole root", "described", "described prefix",
)  # fmt: skip
EPOCHS = ("1700000000", "0", "315532800")


@dataclasses.dataclass
class Python:
    """An interpreter: its program, its version as `X.Y`, and its prefix."""

    exe: str
    version: str
    prefix: str

    @classmethod
    def ask(cls, exe: str | os.PathLike) -> Python:
        """Start an interpreter to learn about it."""
        code = "import os, sys; print(os.path.realpath(sys.executable), sys.prefix, '{}.{}'.format(*sys.version_info))"
        real, prefix, version = venv.must([exe, "-c", code]).split()
        return cls(real, version, prefix)

    @property
    def library(self) -> str:
        """The library below a prefix."""
        return f"lib/python{self.version}/site-packages"


@dataclasses.dataclass
class Place:
    """An environment: what selects it on a command line, and where it is.

    `root` holds all of it; `prefix` is the directory below it that has `bin` and `lib`.
    """

    kind: str
    root: pathlib.Path
    words: list
    python: Python
    prefix: str = ""
    # What `installer` takes to install into it, or None if it cannot.
    installer: list | None = None
    variables: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def purelib(self) -> pathlib.Path:
        """Its library."""
        plain = self.kind in ("new target", "old target", "described")
        return self.root if plain else self.root / self.prefix / self.python.library

    def make(self) -> None:
        """Make what is there before the first command."""
        if self.kind in VENVS:
            for directory in ("bin", "include", self.python.library):
                (self.root / directory).mkdir(parents=True)
            (self.root / "bin" / "python").symlink_to(self.python.exe)
            (self.root / "bin" / "python3").symlink_to("python")
            text = f"home = {os.path.dirname(self.python.exe)}\ninclude-system-site-packages = false\n"
            text += f"version = {self.python.version}.0\n"
            text += "relocatable = true\n" if self.kind == "relocatable" else ""
            (self.root / "pyvenv.cfg").write_text(text)
        elif self.kind != "new target":
            self.root.mkdir()


def new_place(scratch: pathlib.Path, chance: random.Random, pythons: list[Python]) -> Place:
    """A random environment, which is not there yet."""
    kind, root, python = chance.choice(KINDS), scratch / "env", chance.choice(pythons)
    if kind in VENVS:
        root = scratch / "work" / ".venv" if kind == "local" else root
        exe = root / "bin" / "python"
        words = chance.choice((["--target", root], ["--python", exe]))
        variables = {"VIRTUAL_ENV": os.fspath(root)} if kind == "active" else {}
        words = [] if kind in ("active", "local") else words
        return Place(kind, root, words, python, "", ["--python", exe], variables)
    if kind == "prefix":
        words = ["--python", python.exe, "--prefix", root]
        return Place(kind, root, words, python, "", words)
    if kind == "root":
        words = ["--python", python.exe, "--prefix", "/usr", "--root", root]
        installer = ["--python", python.exe, "--prefix", "/usr", "--destdir", root]
        return Place(kind, root, words, python, "usr", installer)
    if kind == "whole root":
        words = ["--python", python.exe, "--root", root]
        installer = ["--python", python.exe, "--destdir", root]
        return Place(kind, root, words, python, python.prefix.strip("/"), installer)
    if kind == "described prefix":
        words = ["--prefix", root, "--python-version", python.version]
        return Place(kind, root, words, python)
    if kind == "old target" and chance.random() < 0.3:
        # Named by a symbolic link to it.
        (scratch / "link").symlink_to(root)
        return Place(kind, root, ["--target", scratch / "link"], python)
    words = ["--target", root]
    if kind == "described":
        words += ["--python-version", python.version, "--python-platform", "x86_64-manylinux_2_28"]
    return Place(kind, root, words, python)


@dataclasses.dataclass
class Command:
    """One command line: `words` after the program, and the variables that are set for it."""

    kind: str
    words: list
    variables: dict[str, str] = dataclasses.field(default_factory=dict)
    input: str | None = None
    umask: int = 0o022

    # What an oracle asks.

    def has(self, *options: str) -> bool:
        """Whether one of these options is typed or set by a variable."""
        names = {"PKG_INSTALL_" + option.strip("-").upper().replace("-", "_") for option in options}
        return any(option in self.words for option in options) or bool(names & self.variables.keys())

    @property
    def writes(self) -> bool:
        """Whether it may change the environment."""
        changing = self.kind in ("install", "sync", "uninstall", "undo", "recover", "installer")
        return changing and not self.has("--dry-run", "--check")

    def more(self, *words: str, **variables: str) -> Command:
        """The same command with more words."""
        words = [*self.words, *words]
        return dataclasses.replace(self, words=words, variables={**self.variables, **variables})

    def reordered(self, chance: random.Random) -> Command:
        """The same command with its wheels in another order."""
        places = [place for place, word in enumerate(self.words) if ".whl" in os.fspath(word)]
        words, order = list(self.words), chance.sample(places, len(places))
        for place, other in zip(places, order):
            words[place] = self.words[other]
        return dataclasses.replace(self, words=words)

    def without(self, *options: str) -> Command:
        """The same command without options, which have one value each unless they are flags."""
        words, place = [], 0
        while place < len(self.words):
            if self.words[place] in options:
                place += 1 if self.words[place] in FLAGS else 2
            else:
                words.append(self.words[place])
                place += 1
        names = {"PKG_INSTALL_" + option.strip("-").upper().replace("-", "_") for option in options}
        variables = {name: value for name, value in self.variables.items() if name not in names}
        return dataclasses.replace(self, words=words, variables=variables)


# Options: (chance, option, values); None for a flag.
OUTPUT = (
    (0.65, "--json", None),
    (0.06, "--quiet", None),
    (0.08, "-v", None),
    (0.06, "-vv", None),
    (0.12, "--progress", ("auto", "bars", "plain", "json", "none")),
    (0.04, "--progress-fd", ("2",)),
    (0.08, "--output-format", ("text", "github")),
    (0.06, "--color", ("auto", "always", "never")),
    (0.06, "--log", ("{out}/log.txt",)),
)
CHANGING = (
    (0.25, "--undoable", None),
    (0.06, "--durable", None),
    (0.4, "--jobs", ("1", "2", "3", "4")),
    (0.05, "--lock-timeout", ("5", "0")),
)
INSTALLING = (
    *CHANGING,
    (0.3, "--compile-bytecode", None),
    (0.12, "--invalidation-mode", ("timestamp", "checked-hash", "unchecked-hash")),
    (0.12, "-o", ("0", "1", "2")),
    (0.25, "--link-mode", ("auto", "hardlink", "copy", "hardlink", "reflink")),
    (0.4, "--store", ("auto", "always", "always", "never")),
    (0.2, "--verify", ("strict", "normal", "off")),
    (0.3, "--on-conflict", ("error", "first", "last")),
    (0.15, "--reinstall", None),
    (0.1, "--exact", None),
    (0.06, "--relocatable", None),
    (0.06, "--script-python", ("/usr/bin/env python3", "/opt/python/bin/python", EXE)),
    (0.06, "--installer", ("somebody",)),
    (0.1, "--direct-url", None),
    (0.06, "--no-compat-check", None),
    (0.04, "--offline", None),
    (0.04, "--no-cache", None),
    (0.04, "--require-hashes", None),
    (0.03, "--no-compile", None),
    (0.02, "--break-system-packages", None),
    (0.05, "--concurrent-downloads", ("1", "3")),
)
RESOLVING = (
    (0.12, "--upgrade", None),
    (0.08, "--upgrade-strategy", ("only-if-needed", "eager")),
    (0.1, "--no-deps", None),
    (0.1, "--pre", None),
    (0.05, "--refresh", None),
    (0.05, "--constraints", ("{out}/constraints.txt",)),
    (0.05, "--index-strategy", ("first", "any")),
    (0.1, "--save-report", ("{out}/saved.json",)),
    (0.1, "--save-lock", ("{out}/pylock.saved.toml",)),
    (0.03, "--exclude-newer", ("P1D", "2020-01-01")),
    (0.03, "--no-pip-config", None),
    (0.02, "--timeout", ("5",)),
)
EXCLUDING = (
    ("--no-cache", "--cache-dir"),
    ("--progress", "--progress-fd"),
    ("--quiet", "-v"),
    ("--quiet", "-vv"),
    ("--script-python", "--relocatable"),
)
FLAGS = {
    option
    for _, option, values in (*OUTPUT, *INSTALLING, *RESOLVING, (0, "--dry-run", None), (0, "--check", None))
    if values is None
}


class Commands:
    """Makes random commands for one environment and one family of wheels."""

    def __init__(self, place: Place, family: Family, scratch: pathlib.Path, index: str):
        self.place, self.family, self.index = place, family, index
        self.out, self.cache = scratch / "out", scratch / "cache"
        self.out.mkdir(exist_ok=True)
        self.chance = family.chance
        # What may be installed: a sample for commands that name projects.
        (self.out / "constraints.txt").write_text(f"{self.family.names[0]}<3\n")

    def options(self, table: tuple) -> list[tuple[str, str | None]]:
        """Some options of a table, with values."""
        some = []
        for likely, option, values in table:
            if self.chance.random() < likely:
                value = self.chance.choice(values).format(out=self.out) if values else None
                some.append((option, value))
        return some

    def finish(self, kind: str, words: list, table: tuple, place: bool = True) -> Command:
        """A command with random options, a few of them as variables."""
        command = Command(kind, list(words), umask=self.chance.choice((0o022, 0o022, 0o022, 0o077, 0o002)))
        for option, value in self.options(table):
            if option.startswith("--") and self.chance.random() < 0.12 and kind != "installer":
                name = "PKG_INSTALL_" + option.strip("-").upper().replace("-", "_")
                command.variables[name] = value or "1"
            else:
                command.words += [option] if value is None else [option, value]
        # Options that are wrong usage without another one, or with it, are mostly left out.
        if not command.has("--compile-bytecode") and self.chance.random() < 0.9:
            command = command.without("--invalidation-mode", "-o")
        for one, other in EXCLUDING:
            if command.has(one) and command.has(other) and self.chance.random() < 0.9:
                command = command.without(one)
        if self.chance.random() < 0.3:
            command.variables["SOURCE_DATE_EPOCH"] = self.chance.choice(EPOCHS)
        if command.has("--output-format"):
            command.variables["GITHUB_STEP_SUMMARY"] = os.fspath(self.out / "summary.md")
        if self.chance.random() < 0.01:
            command.variables["SOURCE_DATE_EPOCH"] = self.chance.choice(("junk", "-1", "99999999999999999999"))
        command.words += self.place.words if place else []
        return command

    # Inputs

    def some(self, most: int = 4) -> list[tuple[str, str]]:
        """Some projects, each in one version."""
        names = self.chance.sample(self.family.names, self.chance.randint(1, min(most, len(self.family.names))))
        return [(name, self.chance.choice(VERSIONS)) for name in names]

    def wheel_words(self) -> list:
        """Wheels as words: paths, pinned paths, addresses; now and then a bad one."""
        words = []
        for pair in self.some():
            path = self.family.paths[pair]
            how = self.chance.random()
            if how < 0.7:
                words.append(os.fspath(path))
            elif how < 0.8:
                words.append(f"{path}#sha256={self.family.hash_of(path)}")
            elif how < 0.83:
                words.append(f"{path}#sha256={'0' * 64}")
            else:
                words.append(f"{self.index}/{path.name}")
        if self.chance.random() < 0.03:
            words.append(os.fspath(self.family.broken))
        if self.chance.random() < 0.02:
            # All versions of all projects, which is a conflict.
            words.append(os.fspath(self.family.directory))
        return words

    def requirement_words(self) -> list:
        """Requirements as words."""
        words = []
        for name, version in self.some(3):
            limit = self.chance.choice(("", f"=={version}", f">={version}", f"<={version}", "!=3.0", "~=2.0"))
            extra = "[more]" if self.chance.random() < 0.15 else ""
            spelling = name.upper() if self.chance.random() < 0.1 else name
            words.append(f"{spelling}{extra}{limit}")
        if self.chance.random() < 0.03:
            words.append("no-such-project")
        return words

    def places(self) -> list:
        """Where requirements are looked up."""
        if self.chance.random() < 0.5:
            return ["--no-index", "--find-links", self.family.directory]
        return ["--index-url", f"{self.index}/simple/"]

    def list_file(self) -> pathlib.Path:
        """A list of requirements: loose, pinned, pinned with hashes, or paths."""
        lines, how = [], self.chance.random()
        for name, version in self.some():
            path = self.family.paths[name, version]
            pin = f"{name}=={version}"
            if how < 0.3:
                lines.append(f"{name}>={version}  # loose")
            elif how < 0.6:
                lines.append(pin)
            elif how < 0.8:
                lines.append(f"{pin} --hash=sha256:{self.family.hash_of(path)}")
            else:
                lines.append(f"{name} @ file://{path}" if self.chance.random() < 0.5 else os.fspath(path))
        file = self.out / "requirements.txt"
        file.write_text("\n".join(lines) + "\n")
        return file

    # Commands

    def resolve(self, *words: str) -> Command:
        """Resolve some requirements."""
        table = (*OUTPUT, (0.1, "--no-deps", None), (0.1, "--pre", None))
        given = ["resolve", *self.requirement_words(), *words, *self.places()]
        return self.finish("resolve", [*given, "--cache-dir", self.cache], table)

    def install(self, resolved: pathlib.Path | None = None) -> Command:
        """Install something; `resolved` is a lock file or a report."""
        how, words, table = self.chance.random(), [], (*INSTALLING, *OUTPUT)
        if resolved is not None:
            words = ["--lock" if resolved.suffix == ".toml" else "--report", resolved]
        elif how < 0.5:
            words = self.wheel_words()
        elif how < 0.8:
            words, table = [*self.requirement_words(), *self.places()], (*table, *RESOLVING)
        else:
            words, table = ["-r", self.list_file(), *self.places()], (*table, *RESOLVING)
        first = ["install"] if self.chance.random() < 0.3 else []
        return self.finish("install", [*first, *words, "--cache-dir", self.cache], table)

    def sync(self, resolved: pathlib.Path | None = None) -> Command:
        """Make the environment hold exactly something."""
        words = [resolved] if resolved is not None else self.chance.choice((self.sync_list, self.sync_wheels))()
        words = ["sync", *words, "--cache-dir", self.cache]
        table = tuple(row for row in INSTALLING if row[1] != "--exact")
        return self.finish("sync", words, (*table, *OUTPUT))

    def sync_list(self) -> list:
        return [self.list_file(), *self.places()]

    def sync_wheels(self) -> list:
        return [os.fspath(self.family.paths[pair]) for pair in self.some()]

    def uninstall(self, installed: list[str]) -> Command:
        """Remove some of what is installed, now and then something that is not."""
        names = self.chance.sample(installed, min(len(installed), self.chance.randint(1, 3)))
        if not names or self.chance.random() < 0.05:
            names.append(self.chance.choice(self.family.names))
        names = [name.upper().replace("-", "_") if self.chance.random() < 0.1 else name for name in names]
        names += names[:1] if self.chance.random() < 0.05 else []
        return self.finish("uninstall", ["uninstall", *names], (*CHANGING, *OUTPUT))

    def undo(self, numbers: list[int]) -> Command:
        """Undo the last transaction, or all after one."""
        words = ["undo"]
        if self.chance.random() < 0.4:
            words += ["--to", str(self.chance.choice([*numbers, 0, 1]))]
        table = tuple(row for row in CHANGING if row[1] != "--undoable")
        return self.finish("undo", words, (*table, *OUTPUT))

    def recover(self) -> Command:
        return self.finish("recover", ["recover"], OUTPUT)

    def installer(self) -> Command:
        """What `python -m installer` does."""
        words = ["installer", *(os.fspath(self.family.paths[pair]) for pair in self.some(2))]
        table = (
            (0.3, "--compile-bytecode", ("0", "1", "2")),
            (0.3, "--no-compile-bytecode", None),
            (0.3, "--validate-record", ("all", "entries", "none")),
            (0.6, "--overwrite-existing", None),
            (0.5, "--json", None),
        )
        command = self.finish("installer", [*words, *self.place.installer], table, place=False)
        command.variables["XDG_CACHE_HOME"] = os.fspath(self.out.parent / "xdg")
        return command

    def look(self, installed: list[str], paths: list[str]) -> Command:
        """A command that reads the environment."""
        kind = self.chance.choice(("list", "show", "owner", "check", "history"))
        words: list = [kind]
        if kind == "list" and self.chance.random() < 0.7:
            words += ["--format", self.chance.choice(("columns", "freeze", "json", "cyclonedx"))]
            words += ["--licenses"] if self.chance.random() < 0.3 else []
        elif kind == "show":
            words += self.chance.sample(installed, min(len(installed), 2)) or ["nothing"]
            words += ["--files"] if self.chance.random() < 0.5 else []
        elif kind == "owner":
            words += [os.fspath(self.place.root / path) for path in self.chance.sample(paths, min(len(paths), 3))]
            words += [] if len(words) > 1 else ["nothing"]
        elif kind == "check" and self.chance.random() < 0.5:
            words += ["--requires"]
        return self.finish(kind, words, OUTPUT)

    def cache_command(self) -> Command:
        """Look after the cache."""
        choices = (
            ["dir"], ["size"], ["verify"], ["verify", "--repair"], ["prune"], ["prune", "--older-than", "0"],
            ["prune", "--max-size", "10kB"], ["clean"], ["clean", self.chance.choice(self.family.names)],
        )  # fmt: skip
        words = ["cache", *self.chance.choice(choices), "--cache-dir", self.cache]
        if self.chance.random() < 0.3 and words[1] in ("prune", "clean", "verify"):
            words += ["--dry-run"]
        return self.finish("cache", words, OUTPUT[:4], place=False)

    def pack(self) -> Command:
        """Make an artefact; its path is the last word."""
        table = (
            *OUTPUT,
            (0.3, "--compress", ("copy", "none", "1", "9")),
            (0.3, "--on-conflict", ("first", "last")),
            (0.2, "--verify", ("strict", "off")),
            (0.3, "--jobs", ("1", "4")),
            (0.2, "--layers", ("wheel", "one")),
            (0.1, "--plain", ("python",)),
            (0.1, "--interpreter", ("/usr/bin/python3",)),
            (0.1, "--direct-url", None),
            (0.1, "--dry-run", None),
        )
        words = ["pack", *self.wheel_words(), "--cache-dir", self.cache]
        ending = self.chance.choice((".pyz", ".zip", ".tar.gz", ""))
        command = self.finish("pack", words, table, place=False)
        command.words += ["--python", EXE, "--format", ending.strip(".") or "oci"]
        return command.more("--output", os.fspath(self.out / f"artefact{ending}"))

    def verify(self) -> Command:
        """Check wheels."""
        table = (*OUTPUT, (0.4, "--verify", ("strict", "normal", "off")))
        words = [os.fspath(self.family.paths[pair]) for pair in self.some()]
        words += [os.fspath(self.family.broken)] if self.chance.random() < 0.2 else []
        return self.finish("verify", ["verify", *words], table, place=False)

    def download(self) -> Command:
        """Fetch wheels."""
        words = [*self.requirement_words(), *self.places()]
        words = ["download", *words, "--dest", self.out / "wheels", "--cache-dir", self.cache]
        return self.finish("download", words, (*OUTPUT, (0.2, "--offline", None), (0.2, "--dry-run", None)))
