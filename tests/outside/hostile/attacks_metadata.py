"""Attacks with RECORD, metadata, entry points and special files."""

from __future__ import annotations

from attacks import INSTALLED, Place, Wheel, attack
from lib.wheels import digest

LIBRARY = "venv/lib/PYTHON/site-packages/"


def with_script(text: str) -> Wheel:
    return Wheel().scripts(text)


@attack("R61", "content that does not match RECORD")
def other_content(place: Place):
    wheel = Wheel()
    wheel.file("x/a.py")
    wheel.rows["x/a.py"] = "x/a.py,{},9\n".format(digest(b"good = 1\n"))
    return wheel


@attack("R62", "a file that RECORD does not list")
def unlisted(place: Place):
    wheel = Wheel()
    wheel.file("x/evil.py")
    wheel.rows["x/evil.py"] = None
    return wheel


@attack("R63", "a row of RECORD for a missing file: dropped, with a warning", INSTALLED)
def phantom(place: Place):
    wheel = Wheel()
    wheel.lines = "x/gone.py,{},9\n".format(digest(b"good = 1\n"))
    return wheel


@attack("R64", "a row of RECORD that leads out of the environment")
def row_outside(place: Place):
    wheel = Wheel()
    wheel.lines = "../../../../outside/keep.txt,,\n"
    return wheel


@attack("R64", "a row of RECORD for `pyvenv.cfg`")
def row_of_venv(place: Place):
    wheel = Wheel()
    wheel.lines = "../../../pyvenv.cfg,,\n"
    return wheel


@attack("R65", "a row of RECORD for `./`")
def row_of_library(place: Place):
    wheel = Wheel()
    wheel.lines = "./,,\n"
    return wheel


@attack("R66", "no RECORD")
def no_record(place: Place):
    wheel = Wheel()
    wheel.record = None
    return wheel


@attack("R66", "a RECORD that is not UTF-8")
def record_bytes(place: Place):
    wheel = Wheel()
    wheel.record = b"x/\xff.py,,\n"
    return wheel


@attack("R66", "two rows of RECORD that contradict each other")
def two_rows(place: Place):
    wheel = Wheel()
    wheel.lines = "x/__init__.py,{},9\n".format(digest(b"evil = 1\n"))
    return wheel


@attack("R67", "an MD5 digest")
def weak(place: Place):
    wheel = Wheel()
    wheel.file("x/a.py")
    wheel.rows["x/a.py"] = "x/a.py,{},9\n".format(digest(b"evil = 1\n", "md5"))
    return wheel


@attack("R67", "no digest")
def no_digest(place: Place):
    wheel = Wheel()
    wheel.file("x/a.py")
    wheel.rows["x/a.py"] = "x/a.py,,\n"
    return wheel


@attack("R67", "a wrong size")
def wrong_size(place: Place):
    wheel = Wheel()
    wheel.file("x/a.py")
    wheel.rows["x/a.py"] = "x/a.py,{},8\n".format(digest(b"evil = 1\n"))
    return wheel


@attack("R67", "a digest of RECORD itself: ignored, with a warning", INSTALLED)
def record_of_record(place: Place):
    wheel = Wheel()
    wheel.rows["x-1.0.dist-info/RECORD"] = "x-1.0.dist-info/RECORD,{},9\n".format(
        digest(b"evil = 1\n")
    )
    return wheel


@attack("R69", "two dist-info directories")
def two_projects(place: Place):
    wheel = Wheel()
    wheel.file("y-1.0.dist-info/METADATA", b"Metadata-Version: 2.1\nName: y\nVersion: 1.0\n")
    return wheel


@attack("R70", "a METADATA for another project")
def other_name(place: Place):
    wheel = Wheel()
    wheel.metadata = b"Metadata-Version: 2.1\nName: pip\nVersion: 1.0\n"
    return wheel


@attack("R70", "a METADATA for another version")
def other_version(place: Place):
    wheel = Wheel()
    wheel.metadata = b"Metadata-Version: 2.1\nName: x\nVersion: 99\n"
    return wheel


@attack("R71", "no WHEEL")
def no_wheel(place: Place):
    wheel = Wheel()
    wheel.wheel = None
    return wheel


@attack("R71", "Wheel-Version 2.0")
def version_two(place: Place):
    wheel = Wheel()
    wheel.wheel = b"Wheel-Version: 2.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    return wheel


@attack("R72", "tags for another system")
def tags(place: Place):
    return Wheel(tag="cp27-cp27m-win32")


@attack("R73", "a METADATA with a stated size of 1 GB")
def huge_metadata(place: Place):
    wheel = Wheel()
    content, wheel.metadata = wheel.metadata or b"", None
    wheel.meta("METADATA", content).both(size=1 << 30)
    return wheel


@attack("R74", "`.data/unknown/a.py`")
def unknown_scheme(place: Place):
    wheel = Wheel()
    wheel.file("x-1.0.data/unknown/a.py")
    return wheel


@attack("R74", "the data directory of another project: a directory like any other", INSTALLED)
def other_data(place: Place):
    wheel = Wheel()
    wheel.file("y-1.0.data/purelib/a.py")
    return wheel


@attack("R75", "`x/a.py` and `.data/purelib/x/a.py`, with different content")
def twice_there(place: Place):
    wheel = Wheel()
    wheel.file("x/a.py", b"good = 1\n")
    wheel.file("x-1.0.data/purelib/x/a.py", b"evil = 1\n")
    return wheel


@attack("R77", "an entry point named `../../outside/evil`", bait="outside/evil")
def script_climbs(place: Place):
    return with_script("../../outside/evil = x:main\n")


@attack("R77", "an entry point named with an absolute path", bait="outside/evil")
def script_absolute(place: Place):
    return with_script("{}/evil = x:main\n".format(place.outside))


@attack("R77", "an entry point named `.`")
def script_dot(place: Place):
    return with_script(". = x:main\n")


@attack("R78", "an entry point named `python`")
def script_python(place: Place):
    return with_script("python = x:main\n")


@attack("R79", "`.data/scripts/python3`")
def data_python(place: Place):
    wheel = Wheel()
    wheel.file("x-1.0.data/scripts/python3", b"#!/bin/sh\n")
    return wheel


@attack("R80", "`.data/data/pyvenv.cfg`")
def venv_settings(place: Place):
    wheel = Wheel()
    wheel.file("x-1.0.data/data/pyvenv.cfg", b"home = /nowhere\n")
    return wheel


@attack("R80", "`.data/data/bin/python`")
def venv_python(place: Place):
    wheel = Wheel()
    wheel.file("x-1.0.data/data/bin/python", b"#!/bin/sh\n", 0o100755)
    return wheel


@attack("R80", "`.data/scripts/activate`")
def activate(place: Place):
    wheel = Wheel()
    wheel.file("x-1.0.data/scripts/activate", b"#!/bin/sh\n")
    return wheel


@attack("R81", "an entry point that is code: `x:main;import os`")
def script_code(place: Place):
    return with_script("tool = x:main;import os\n")


@attack("R81", "an entry point with a space in its function")
def script_space(place: Place):
    return with_script("tool = x:a b\n")


@attack("R82", "two wheels with the same script")
def script_of_two(place: Place):
    one, two = Wheel(), Wheel("y")
    two.entries[0] = Wheel("y").file("y/__init__.py")
    return [one.scripts("tool = x:main\n"), two.scripts("tool = y:main\n")]


@attack("R86", "a `.pth` that runs code when Python starts: a file like any other", INSTALLED)
def pth(place: Place):
    wheel = Wheel()
    wheel.file(
        "x.pth",
        "import pathlib; pathlib.Path({!r}).touch()\n".format(str(place.outside / "ran")).encode(),
    )
    return wheel


@attack("R94", "a project named `..`")
def name_climbs(place: Place):
    wheel = Wheel("..")
    wheel.file("..-1.0.data/headers/evil.h")
    return wheel
