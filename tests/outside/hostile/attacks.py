"""What an attack is, and the place where it happens.

An attack is a function from a `Place` to wheels, registered under a number that the tests of the same thing carry too,
with its words and what pkg-install has to answer. It may change the place before any tool is run.
"""

import dataclasses
import pathlib
from typing import Callable

from forge import Wheel, digest

REFUSED, INSTALLED, REMOVED = "refused", "installed", "removed"


@dataclasses.dataclass
class Place:
    """A directory with a virtual environment `venv` in it, and things beside it that are nobody's to touch."""

    root: pathlib.Path
    venv: pathlib.Path
    purelib: pathlib.Path

    @property
    def outside(self) -> pathlib.Path:
        return self.root / "outside"

    def put(self, path: str, content: bytes = b"mine = 1\n") -> pathlib.Path:
        """A file in site-packages."""
        full = self.purelib / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(content)
        return full

    def project(self, name: str, files: dict[str, bytes], lines: str = "", record: bool = True) -> None:
        """An installed project; `lines` are further lines of its RECORD."""
        own = "{}-0.9.dist-info/".format(name)
        metadata = "Metadata-Version: 2.1\nName: {}\nVersion: 0.9\n".format(name).encode()
        described = {"METADATA": metadata, "INSTALLER": b"pip\n", "WHEEL": b"Wheel-Version: 1.0\n"}
        rows = ""
        for path, content in (files | {own + path: content for path, content in described.items()}).items():
            self.put(path, content)
            rows += "{},{},{}\n".format(path, digest(content), len(content))
        if record:
            self.put(own + "RECORD", (rows + lines + own + "RECORD,,\n").encode())


Answer = Wheel | list[Wheel] | dict[str, bytes] | None


@dataclasses.dataclass
class Attack:
    """`bait` is the path, from the place's root, that an installer makes if it does all that the wheel asks."""

    row: str
    words: str
    make: Callable[[Place], Answer]
    expected: str
    bait: str | None


ATTACKS: list[Attack] = []


def attack(row: str, words: str, expected: str = REFUSED, bait: str | None = None):
    """Registers the function below it."""

    def register(make: Callable[[Place], Answer]) -> Callable[[Place], Answer]:
        ATTACKS.append(Attack(row, words, make, expected, bait))
        return make

    return register
