"""Environments, the binary under test, and the tools that it is compared with."""

from __future__ import annotations

import argparse
import base64
import contextlib
import csv
import hashlib
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from lib import trees

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
PYTHON = "python{}.{}".format(*sys.version_info)
PURELIB = f"lib/{PYTHON}/site-packages"
# Prefixes of variables that configure one of the tools.
FOREIGN = ("PKG_INSTALL_", "PIP_", "PYTHON", "UV_", "VIRTUAL_ENV")


# The binary under test


def default_binary() -> pathlib.Path:
    """The release binary of the repository that this file is in."""
    target = os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")
    return pathlib.Path(target, "release", "pkg-install")


def new_parser(text: str) -> argparse.ArgumentParser:
    """A command line with --binary whose --help is the text."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=text, formatter_class=style)
    own = "the pkg-install to test (default: the release binary of this repository)"
    parser.add_argument(
        "--binary", metavar="PATH", type=pathlib.Path, default=default_binary(), help=own
    )
    return parser


def checked_binary(path: str | os.PathLike) -> pathlib.Path:
    """The absolute path of the binary, or an exit with a message."""
    path = pathlib.Path(path).resolve()
    if not path.is_file() or not os.access(path, os.X_OK):
        hint = "build it with `cargo build --release`, or pass --binary"
        sys.exit(f"`{path}` is not a program: {hint}")
    return path


# Scratch directories and commands


def scratch_home() -> str:
    """The directory for scratch directories: memory if possible."""
    memory = "/dev/shm"
    return memory if os.access(memory, os.W_OK | os.X_OK) else tempfile.gettempdir()


@contextlib.contextmanager
def scratch_directory(name: str, home: str | None = None) -> Iterator[pathlib.Path]:
    """A directory that is removed at the end, also after SIGTERM."""
    # SIGTERM raises SystemExit, so that `finally` blocks remove directories and mounts.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    home = home or scratch_home()
    path = pathlib.Path(tempfile.mkdtemp(prefix=f"pkg-install-{name}-", dir=home)).resolve()
    try:
        yield path
    finally:
        with contextlib.suppress(OSError):
            trees.remove(path)


def clean_variables(keep: tuple[str, ...] = (), **more: str) -> dict[str, str]:
    """The environment variables without those that configure a tool.

    `keep` has prefixes of variables that stay. `more` are variables to set.
    """
    foreign = tuple(prefix for prefix in FOREIGN if prefix not in keep)
    variables = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    variables.update(PYTHONDONTWRITEBYTECODE="1", LC_ALL="C.UTF-8")
    variables.update(PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_ROOT_USER_ACTION="ignore")
    if "PIP_" not in keep:
        variables["PIP_CONFIG_FILE"] = os.devnull
    if "UV_" not in keep:
        variables.update(UV_NO_CONFIG="1", UV_NO_PROGRESS="1")
    variables.update(more)
    return variables


def run(command: list, **more) -> subprocess.CompletedProcess:
    """Run a command without input and capture its output as text; it may fail."""
    more.setdefault("env", clean_variables())
    if "input" not in more:
        more.setdefault("stdin", subprocess.DEVNULL)
    more.setdefault("stdout", subprocess.PIPE)
    more.setdefault("stderr", subprocess.PIPE)
    words = [os.fspath(word) for word in command]
    return subprocess.run(words, text=True, errors="replace", check=False, **more)


def as_builder(umask: int, uid: int | None = None) -> dict:
    """Arguments of `run` for a umask and, if this is root, another user."""
    if uid is None or os.getuid() != 0:
        return {"umask": umask}
    return {"umask": umask, "user": uid, "group": uid, "extra_groups": []}


def is_public(path: str | os.PathLike) -> bool:
    """Whether other users, too, can reach and start a program."""
    path = pathlib.Path(path).resolve()
    return all(place.stat().st_mode & 0o001 for place in (path, *path.parents))


def must(command: list, code: int = 2, **more) -> str:
    """Run a command that has to succeed; return its output, or exit with `code`."""
    done = run(command, **more)
    if done.returncode != 0:
        words = shlex.join(os.fspath(word) for word in command)
        print(f"{words[:300]}: {describe_status(done.returncode)}")
        print((done.stdout or "")[-3000:], (done.stderr or "")[-6000:], sep="\n")
        sys.exit(code)
    return done.stdout


def describe_status(code: int) -> str:
    """An exit status in words."""
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def one_line(text: str, limit: int = 260) -> str:
    """The end of a text, on one line."""
    return " | ".join(text.strip().splitlines())[-limit:]


# Environments


def make_fast(root: pathlib.Path, base: str | os.PathLike | None = None) -> pathlib.Path:
    """Make a virtual environment without starting Python; `base` is its interpreter."""
    root = pathlib.Path(root)
    for directory in ("bin", "include", PURELIB):
        (root / directory).mkdir(parents=True)
    base = os.fspath(base or os.path.realpath(sys.executable))
    (root / "bin" / "python").symlink_to(base)
    for name in ("python3", PYTHON):
        (root / "bin" / name).symlink_to("python")
    version = ".".join(map(str, sys.version_info[:3]))
    home = f"home = {os.path.dirname(base)}"
    text = f"{home}\ninclude-system-site-packages = false\nversion = {version}\n"
    (root / "pyvenv.cfg").write_text(text)
    return root


def make(root: pathlib.Path) -> pathlib.Path:
    """Make a virtual environment without pip, as `python -m venv` does."""
    must([sys.executable, "-m", "venv", "--without-pip", root])
    return pathlib.Path(root)


def broken_projects(purelib: pathlib.Path) -> list[tuple[str, str]]:
    """What disagrees with the RECORD of each project in a library: [(dist-info, fault)]."""
    wrong: list[tuple[str, str]] = []
    for info in sorted(pathlib.Path(purelib).glob("*.dist-info")):
        record = info / "RECORD"
        if not record.is_file():
            wrong.append((info.name, "has no RECORD"))
            continue
        with open(record, newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        listed = {os.path.normpath(info.parent / row[0]) for row in rows}
        wrong += [(info.name, fault) for row in rows for fault in _row_faults(info.parent, row)]
        names = [file.name for file in info.iterdir() if os.fspath(file) not in listed]
        wrong += [(info.name, f"{name}: not in RECORD") for name in names]
    return wrong


def _row_faults(purelib: pathlib.Path, row: list[str]) -> Iterator[str]:
    path, digest, size = row
    try:
        with open(os.path.normpath(purelib / path), "rb") as file:
            content = file.read()
    except OSError as error:
        yield f"{path}: {error.strerror}"
        return
    if digest:
        algorithm, _, value = digest.partition("=")
        own = base64.urlsafe_b64encode(hashlib.new(algorithm, content).digest())
        if own.rstrip(b"=").decode() != value:
            yield f"{path}: another digest"
    if size and int(size) != len(content):
        yield f"{path}: another size"


def normal_name(text: str, joint: str = "-") -> str:
    """The name of a project in its normal spelling; `joint` replaces its punctuation."""
    return re.sub(r"[-_.]+", joint, text).lower()


# Peers: the other installers


class Peers:
    """uv, pip and installer in a scratch environment.

    `python` is an interpreter with pip; `uv` is the program; `installer` is a directory for
    PYTHONPATH that holds nothing but the package installer.
    """

    def __init__(self, directory: pathlib.Path):
        self.directory = pathlib.Path(directory).absolute()
        self.python = self.directory / "bin" / "python"
        self.uv = self.directory / "bin" / "uv"
        self.installer = self.directory / "alone"

    def make(self) -> Peers:
        """Fetch the newest versions from the package index, unless they are there already."""
        if not (self.installer / "installer").is_dir():
            make_tools(self.directory, "pip", "uv")
            install = [self.python, "-m", "pip", "install", "--quiet"]
            variables = clean_variables(keep=("PIP_",))
            must([*install, "--target", self.installer, "installer"], env=variables)
        return self

    def versions(self) -> list[str]:
        """The names and versions of the three."""
        commands = ([self.python, "-m", "pip", "--version"], [self.uv, "--version"])
        words = [" ".join(must(command).split()[:2]) for command in commands]
        metadata = next(self.installer.glob("installer-*.dist-info")).name
        return [*words, "installer " + metadata[len("installer-") : -len(".dist-info")]]


def make_tools(directory: pathlib.Path, *packages: str) -> pathlib.Path:
    """Make an environment with the newest versions of some packages; return its interpreter."""
    must([sys.executable, "-m", "venv", directory])
    python = pathlib.Path(directory, "bin", "python")
    install = [python, "-m", "pip", "install", "--quiet", "--upgrade", *packages]
    must(install, env=clean_variables(keep=("PIP_",)))
    return python
