"""What `random_walks.py` compares."""

from __future__ import annotations

import csv
import dataclasses
import os
import pathlib
from collections.abc import Iterable

from lib import trees


@dataclasses.dataclass
class Outcome:
    """How a command ended; `json` is None without `--json`."""

    code: int
    stdout: str
    stderr: str
    json: dict | None = None
    # `--dry-run` or `--check`, if it only said what would be done.
    word: str = ""


def compared_changes(said: dict, command) -> list[tuple]:
    """The changes in a JSON object, as far as a dry run knows them."""
    names = ["action", "name", "version", "previous", "source", "files"]
    # The sizes of bytecode are guesses before it is compiled, and some sources do not compile.
    if command.has("--compile-bytecode"):
        names.remove("files")
    else:
        names.append("bytes")
    return sorted(tuple(str(change.get(name)) for name in names) for change in said["changes"])


def with_parents(paths: Iterable[str]) -> set[str]:
    """Relative paths and the directories that they are in."""
    found = set()
    for path in paths:
        while path:
            found.add(path)
            path = os.path.dirname(path)
    return found


def owned_paths(library: pathlib.Path, root: pathlib.Path) -> set[str]:
    """The paths in every RECORD with their directories, relative to the root of the environment."""
    listed = set()
    for record in library.glob("*.dist-info/RECORD"):
        with open(record, newline="", encoding="utf-8") as file:
            paths = (os.path.normpath(library / row[0]) for row in csv.reader(file))
            listed.update(os.path.relpath(path, root) for path in paths)
    return with_parents(listed)


def without_bytecode(found: trees.Snapshot) -> trees.Snapshot:
    """A snapshot as if all bytecode were empty."""
    empty = {"size": 0, "content": trees.digest_of(b"")}
    return {path: node._replace(**empty) if path.endswith(".pyc") else node for path, node in found.items()}
