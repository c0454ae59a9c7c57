"""Attacks with the names and kinds of entries."""

from __future__ import annotations

from attacks import INSTALLED, Place, Wheel, attack
from lib.wheels import LINK, PIPE

LIBRARY = "venv/lib/PYTHON/site-packages/"


def with_file(name: str | bytes, **more) -> Wheel:
    wheel = Wheel()
    wheel.file(name, **more)
    return wheel


@attack("R39", "`../../../../outside/evil.txt`", bait="outside/evil.txt")
def climb(place: Place):
    return with_file("../../../../outside/evil.txt")


@attack("R40", "`../site-packages-evil/evil.py`", bait="venv/lib/PYTHON/site-packages-evil/evil.py")
def sibling(place: Place):
    return with_file("../site-packages-evil/evil.py")


@attack("R40", "`.data/data/../venv-evil/evil.py`", bait="venv-evil/evil.py")
def data_climb(place: Place):
    return with_file("x-1.0.data/data/../venv-evil/evil.py")


@attack("R41", "an absolute path", bait="outside/evil.txt")
def absolute(place: Place):
    return with_file("{}/evil.txt".format(place.outside))


@attack("R42", "`x/../y/a.py`", bait=LIBRARY + "y/a.py")
def dots(place: Place):
    return with_file("x/../y/a.py")


@attack("R42", "`x//a.py`")
def empty_part(place: Place):
    return with_file("x//a.py")


@attack("R42", "`./x/a.py`")
def dot(place: Place):
    return with_file("./x/a.py")


@attack("R43", "`x\\..\\..\\evil.py`")
def backslash(place: Place):
    return with_file("x\\..\\..\\evil.py")


@attack("R44", "`C:/evil.py`")
def drive(place: Place):
    return with_file("C:/evil.py")


@attack("R44", "`//server/share/evil.py`")
def share(place: Place):
    return with_file("//server/share/evil.py")


@attack("R45", "`x/a.py:stream`, a plain name on Unix", INSTALLED)
def stream(place: Place):
    return with_file("x/a.py:stream")


@attack(
    "R46", "`x/CON` and `x/nul.txt`, devices on Windows only", INSTALLED, bait=LIBRARY + "x/nul.txt"
)
def devices(place: Place):
    wheel = with_file("x/CON")
    wheel.file("x/nul.txt")
    return wheel


@attack("R48", "`x/Mod.py` and `x/mod.py`, two files here", INSTALLED, bait=LIBRARY + "x/Mod.py")
def case(place: Place):
    wheel = with_file("x/Mod.py", content=b"a = 1\n")
    wheel.file("x/mod.py", b"b = 1\n")
    return wheel


@attack("R49", "`x/é.py` composed and decomposed, two files here", INSTALLED)
def composed(place: Place):
    wheel = with_file("x/\u00e9.py", content=b"a = 1\n")
    wheel.file("x/e\u0301.py", b"b = 1\n")
    return wheel


@attack("R51", "`y` and `y/a.py`")
def file_and_directory(place: Place):
    wheel = with_file("y")
    wheel.file("y/a.py")
    return wheel


@attack("R52", "`y/a.py` where `y` is another project's file")
def file_in_the_way(place: Place):
    place.project("other", {"y": b"mine = 1\n"})
    return with_file("y/a.py")


@attack("R53", "a symbolic link to a file outside")
def link(place: Place):
    return with_file("x/link", content=str(place.outside / "keep.txt").encode(), mode=LINK)


@attack(
    "R53", "a symbolic link to a directory outside, and a file through it", bait="outside/evil.py"
)
def through_link(place: Place):
    wheel = with_file("x/link", content=str(place.outside).encode(), mode=LINK)
    wheel.file("x/link/evil.py")
    return wheel


@attack("R54", "a pipe")
def pipe(place: Place):
    return with_file("x/pipe", content=b"", mode=PIPE)


@attack("R55", "a setuid file", INSTALLED)
def setuid(place: Place):
    return with_file("x/run", mode=0o104777)


@attack("R58", "a terminal's escape sequence in a name")
def escape(place: Place):
    return with_file("x/\x1b[2J.py")


@attack("R58", "a name written from right to left")
def right_to_left(place: Place):
    return with_file("x/\u202eyp.live")


@attack(
    "R59",
    "`.pkg-install/journal`, in which pkg-install keeps its state",
    bait=LIBRARY + ".pkg-install/journal",
)
def journal(place: Place):
    return with_file(".pkg-install/journal")


@attack("R59", "`.data/data/.lock`, the lock of pkg-install and uv")
def lock(place: Place):
    return with_file("x-1.0.data/data/.lock")


@attack("R60", "bytecode that does not match its source, listed like any file", INSTALLED)
def bytecode(place: Place):
    return with_file("x/__pycache__/__init__.cpython-311.pyc")
