"""Snapshots of directory trees: take, compare, copy and remove them."""

from __future__ import annotations

import hashlib
import os
import pathlib
import re
import shutil
import stat
from collections.abc import Callable, Iterable
from typing import NamedTuple

# pkg-install and uv lock this file; it stays in the environment's root.
LOCK = ".lock"
# The directory in which pkg-install prepares a change.
CONTROL = ".pkg-install"
# Its list of past transactions.
HISTORY = f"{CONTROL}/history"

DIRECTORY, FILE, SYMLINK, OTHER = "directory", "file", "link", "other"


class Node(NamedTuple):
    """One thing in a tree.

    `mode` is None for a link. `size` is None for all but files. `content` is the SHA-256 of a
    file, the target of a link, or None.
    """

    kind: str
    mode: int | None = None
    size: int | None = None
    content: str | None = None


Snapshot = dict[str, Node]
# Replaces the bytes of a file before they are hashed; gets the relative path as well.
Rewrite = Callable[[str, bytes], bytes]


def look(path: str | os.PathLike, contents: bool = True) -> Node:
    """One thing; with `contents` false files are not read."""
    seen = os.lstat(path)
    mode = stat.S_IMODE(seen.st_mode)
    if stat.S_ISDIR(seen.st_mode):
        return Node(DIRECTORY, mode)
    if stat.S_ISLNK(seen.st_mode):
        return Node(SYMLINK, content=os.readlink(path))
    if not stat.S_ISREG(seen.st_mode):
        return Node(OTHER, mode)
    digest = digest_of(pathlib.Path(path).read_bytes()) if contents else None
    return Node(FILE, mode, seen.st_size, digest)


def digest_of(content: bytes) -> str:
    """The digest by which contents are compared."""
    return hashlib.sha256(content).hexdigest()


def snapshot(
    root: str | os.PathLike,
    skip: Iterable[str] = (LOCK,),
    contents: bool = True,
    rewrite: Rewrite | None = None,
) -> Snapshot:
    """Everything below a directory, by relative path; empty if the directory does not exist.

    `skip` has relative paths that are left out, with everything below them. With `contents` false
    files are not read. `rewrite` changes what is read from a file before it is hashed.
    """
    root, left_out, found = os.fspath(root), set(skip), {}

    def enter(directory: str, below: str) -> None:
        with os.scandir(directory) as entries:
            for entry in entries:
                name = below + entry.name
                if name in left_out:
                    continue
                node = look(entry.path, contents and rewrite is None)
                if node.kind == FILE and contents and name.endswith(HISTORY):
                    # Two runs of one command differ in the time only.
                    content = pathlib.Path(entry.path).read_bytes()
                    content = re.sub(rb'"time":[0-9]+', b'"time":0', content)
                    node = Node(FILE, node.mode, len(content), digest_of(content))
                if node.kind == FILE and contents and rewrite is not None:
                    content = rewrite(name, pathlib.Path(entry.path).read_bytes())
                    node = Node(FILE, node.mode, len(content), digest_of(content))
                found[name] = node
                if node.kind == DIRECTORY:
                    enter(entry.path, name + "/")

    if os.path.isdir(root):
        enter(root, "")
    return found


def files(found: Snapshot) -> Snapshot:
    """A snapshot without its directories."""
    return {path: node for path, node in found.items() if node.kind != DIRECTORY}


def has_control(found: Snapshot) -> bool:
    """Whether anything of pkg-install's own is in a snapshot."""
    return any(CONTROL in path.split("/") for path in found)


def without_control(found: Snapshot) -> Snapshot:
    """A snapshot without pkg-install's own directory."""
    return {path: node for path, node in found.items() if CONTROL not in path.split("/")}


def changed(expected: dict, found: dict) -> set[str]:
    """The paths in which two snapshots differ."""
    paths = expected.keys() | found.keys()
    return {path for path in paths if expected.get(path) != found.get(path)}


def differences(expected: dict, found: dict) -> list[str]:
    """How two snapshots differ: `-path` is missing, `+path` is new, `~path` is another."""
    words = [f"-{path}" for path in sorted(expected.keys() - found.keys())]
    words += [f"+{path}" for path in sorted(found.keys() - expected.keys())]
    both = sorted(expected.keys() & found.keys())
    return words + [f"~{path}" for path in both if expected[path] != found[path]]


def difference(expected: dict, found: dict, limit: int = 6) -> str:
    """How two snapshots differ, on one line."""
    words = differences(expected, found)
    more = f" and {len(words) - limit} more" if len(words) > limit else ""
    return " ".join(words[:limit]) + more


def nearer(before: Snapshot, after: Snapshot, found: Snapshot) -> str:
    """How a snapshot differs from the more similar one of two others, which it is compared with."""
    pairs = ((before, "before"), (after, "after"))
    wanted, name = min(pairs, key=lambda pair: len(changed(pair[0], found)))
    return f"compared with {name}: {difference(wanted, found)}"


def copy_contents(source: str | os.PathLike, target: str | os.PathLike) -> None:
    """Copy everything in a directory into another one, with modes, links and exact times."""
    for entry in os.scandir(source):
        to = os.path.join(target, entry.name)
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), to)
        elif entry.is_dir():
            os.mkdir(to)
            copy_contents(entry.path, to)
            shutil.copystat(entry.path, to)
        else:
            shutil.copy2(entry.path, to)


def empty(directory: str | os.PathLike) -> None:
    """Remove everything in a directory, whatever its modes are."""
    for entry in list(os.scandir(directory)):
        remove(entry.path)


def remove(path: str | os.PathLike) -> None:
    """Remove a file, a link, or a directory with everything in it, if it exists."""
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
    elif os.path.lexists(path):
        try:
            shutil.rmtree(path)
        except PermissionError:
            _open_up(path)
            shutil.rmtree(path)


def _open_up(directory: str | os.PathLike) -> None:
    """Change the modes of directories so that their contents can be removed."""
    os.chmod(directory, 0o700)
    for entry in list(os.scandir(directory)):
        if entry.is_dir(follow_symlinks=False):
            _open_up(entry.path)
