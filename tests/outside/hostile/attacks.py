"""The registry of attacks, and the place that they attack.

An attack is a function from a `Place` to wheels. It is registered under the number that the tests
of the same behaviour use, with a description and the answer that pkg-install has to give. It may
change the place before any tool runs.
"""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Callable, Dict, List, Optional, Union

from lib import wheels

REFUSED, INSTALLED, REMOVED = "refused", "installed", "removed"


class Wheel(wheels.Wheel):
    """A valid wheel with one module of the project `x`, for an attack to change."""

    def __init__(self, name: str = "x", version: str = "1.0", tag: str = wheels.TAG):
        super().__init__(name, version, tag)
        self.file("x/__init__.py", b"x = 1\n")


@dataclasses.dataclass
class Place:
    """A directory with a virtual environment, and directories beside it that must not change."""

    root: pathlib.Path
    venv: pathlib.Path
    purelib: pathlib.Path

    @property
    def outside(self) -> pathlib.Path:
        return self.root / "outside"

    def put(self, path: str, content: bytes = b"mine = 1\n") -> pathlib.Path:
        """Write a file into site-packages."""
        full = self.purelib / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(content)
        return full

    def project(self, name: str, files: dict, lines: str = "", record: bool = True) -> None:
        """Write an installed project; `lines` are added to its RECORD."""
        own = f"{name}-0.9.dist-info/"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.9\n".encode()
        described = {"METADATA": metadata, "INSTALLER": b"pip\n", "WHEEL": b"Wheel-Version: 1.0\n"}
        rows = ""
        for path, content in {**files, **{own + key: described[key] for key in described}}.items():
            self.put(path, content)
            rows += wheels.row(path, content)
        if record:
            self.put(own + "RECORD", (rows + lines + own + "RECORD,,\n").encode())


Answer = Optional[Union[Wheel, List[Wheel], Dict[str, bytes]]]


@dataclasses.dataclass
class Attack:
    """`bait` is a path that an installer creates if it does everything the wheel asks for."""

    row: str
    words: str
    make: Callable[[Place], Answer]
    expected: str
    bait: str | None


ATTACKS: list[Attack] = []


def attack(row: str, words: str, expected: str = REFUSED, bait: str | None = None):
    """Register the function below it as an attack."""

    def register(make: Callable[[Place], Answer]) -> Callable[[Place], Answer]:
        ATTACKS.append(Attack(row, words, make, expected, bait))
        return make

    return register
