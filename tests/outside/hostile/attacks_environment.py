"""Attacks that depend on what the environment already contains."""

from __future__ import annotations

import os

from attacks import INSTALLED, REMOVED, Place, Wheel, attack

LIBRARY = "venv/lib/PYTHON/site-packages/"


def with_file(name: str, content: bytes = b"evil = 1\n") -> Wheel:
    wheel = Wheel()
    wheel.file(name, content)
    return wheel


def other(path: str, content: bytes) -> Wheel:
    """A wheel of the project `y` with one file."""
    wheel = Wheel("y")
    wheel.entries = []
    wheel.file(path, content)
    return wheel


@attack("R88", "a file that another project owns")
def owned(place: Place):
    place.project("other", {"shared/a.py": b"mine = 1\n"})
    return with_file("shared/a.py")


@attack("R89", "a file without an owner")
def unowned(place: Place):
    place.put("mine/a.py")
    return with_file("mine/a.py")


@attack("R90", "two wheels with different content for one path")
def two_contents(place: Place):
    return [with_file("shared/a.py"), other("shared/a.py", b"good = 1\n")]


@attack("R91", "two wheels with the same content for one path", INSTALLED)
def same_content(place: Place):
    return [with_file("shared/a.py"), other("shared/a.py", b"evil = 1\n")]


@attack("R92", "two versions of one project")
def two_versions(place: Place):
    return [Wheel(), Wheel(version="2.0")]


@attack(
    "R95", "a directory of the library that is a link to a place outside", bait="outside/evil.py"
)
def link_outside(place: Place):
    (place.purelib / "y").symlink_to(place.outside)
    return with_file("y/evil.py")


@attack("R95", "the same, and the file already exists")
def link_outside_over(place: Place):
    (place.purelib / "y").symlink_to(place.outside)
    return with_file("y/keep.txt")


@attack("R97", "a path that is a link to a file outside")
def link_in_the_way(place: Place):
    place.put("y/b.py")
    (place.purelib / "y/a.py").symlink_to(place.outside / "keep.txt")
    return with_file("y/a.py")


@attack("R98", "a new version of a file that is also linked from outside", INSTALLED)
def hard_link(place: Place):
    place.project("x", {"x/__init__.py": b"old = 1\n"})
    os.link(place.purelib / "x/__init__.py", place.outside / "cached.py")
    return Wheel()


@attack("R99", "a library that is a link within the environment", INSTALLED)
def linked_library(place: Place):
    (place.venv / "lib64").unlink(missing_ok=True)
    (place.venv / "lib64").symlink_to("lib")
    return with_file("x-1.0.data/platlib/x/a.py")


@attack("R113", "two metadata directories for the project to replace", INSTALLED)
def two_old(place: Place):
    place.project("x", {"x/__init__.py": b"old = 1\n"})
    own = "x-0.8.dist-info/"
    place.put(own + "METADATA", b"Metadata-Version: 2.1\nName: x\nVersion: 0.8\n")
    place.put(own + "RECORD", b"x-0.8.dist-info/METADATA,,\nx-0.8.dist-info/RECORD,,\n")
    return Wheel()


@attack("R114", "an older version without RECORD")
def no_record(place: Place):
    place.project("x", {"x/__init__.py": b"old = 1\n"}, record=False)
    return Wheel()


@attack("R63", "removal with a RECORD that lists `pyvenv.cfg`", REMOVED)
def remove_settings(place: Place):
    place.project("x", {"x/__init__.py": b"x = 1\n"}, "../../../pyvenv.cfg,,\n")


@attack("R63", "removal with a RECORD that lists a file of `venv-evil`", REMOVED)
def remove_sibling(place: Place):
    place.project("x", {"x/__init__.py": b"x = 1\n"}, "../../../../venv-evil/keep.txt,,\n")


@attack("R115", "removal with a RECORD that lists a file outside by `..`", REMOVED)
def remove_outside(place: Place):
    place.project("x", {"x/__init__.py": b"x = 1\n"}, "../../../../outside/keep.txt,,\n")


@attack("R115", "removal with a RECORD that lists a file outside by its absolute path", REMOVED)
def remove_absolute(place: Place):
    place.project("x", {"x/__init__.py": b"x = 1\n"}, "{}/keep.txt,,\n".format(place.outside))


@attack("R115", "removal with a RECORD that lists `bin/python`", REMOVED)
def remove_python(place: Place):
    place.project("x", {"x/__init__.py": b"x = 1\n"}, "../../../bin/python,,\n")


@attack("R115", "removal with a RECORD that lists the library itself", REMOVED)
def remove_library(place: Place):
    place.put("mine.py")
    place.project("x", {"x/__init__.py": b"x = 1\n"}, "./,,\n")


@attack("R116", "removal with a RECORD that leads outside through a link", REMOVED)
def remove_through(place: Place):
    (place.purelib / "y").symlink_to(place.outside)
    place.project("x", {"x/__init__.py": b"x = 1\n"}, "y/keep.txt,,\n")
