"""Attacks by wheels that speak for other projects, and by files that are no regular ones."""

from __future__ import annotations

import os

from attacks import INSTALLED, Place, Wheel, attack


def with_data(path: str, content: bytes = b"Name: other\n") -> Wheel:
    """A wheel with one file below `.data`."""
    wheel = Wheel()
    wheel.file(f"x-1.0.data/{path}", content)
    return wheel


@attack("R74", "the dist-info of another project below `.data/purelib`")
def forged_project(place: Place):
    return with_data("purelib/victim-2.0.dist-info/METADATA")


@attack("R74", "the dist-info of an installed project below `.data/platlib`")
def forged_record(place: Place):
    place.project("other", {"other.py": b"x = 1\n"})
    return with_data("platlib/other-0.9.dist-info/direct_url.json", b"{}")


@attack("R74", "an egg-info of another project below `.data/purelib`")
def forged_egg(place: Place):
    return with_data("purelib/victim.egg-info/PKG-INFO")


@attack("R74", "the dist-info of another project by its path below `.data/data`")
def forged_by_path(place: Place):
    library = place.purelib.relative_to(place.venv)
    return with_data(f"data/{library}/victim-2.0.dist-info/METADATA")


@attack("R74", "the dist-info of another project in capitals")
def forged_capitals(place: Place):
    return with_data("purelib/victim-2.0.DIST-INFO/METADATA")


@attack("R74", "the dist-info of another project with a long s")
def forged_folded(place: Place):
    return with_data("purelib/victim-2.0.di\u017ft-info/METADATA")


@attack("R74", "its own INSTALLER below `.data/purelib`")
def forged_installer(place: Place):
    return with_data("purelib/x-1.0.dist-info/INSTALLER", b"apt\n")


@attack("R74", "its own direct_url.json below `.data/purelib`")
def forged_origin(place: Place):
    return with_data("purelib/x-1.0.dist-info/direct_url.json", b"{}")


@attack("R80", "the state directory with a kelvin sign")
def folded_state(place: Place):
    wheel = Wheel()
    wheel.file(".p\u212ag-install/journal", b"x")
    return wheel


@attack("R80", "the state directory with a ligature")
def ligature_state(place: Place):
    wheel = Wheel()
    wheel.file(".pkg-in\ufb06all/journal", b"x")
    return wheel


@attack("R125", "a pipe in place of INSTALLER of another project", INSTALLED)
def pipe_installer(place: Place):
    place.project("other", {"other.py": b"x = 1\n"})
    path = place.purelib / "other-0.9.dist-info/INSTALLER"
    path.unlink()
    os.mkfifo(path)
    return Wheel()


@attack("R125", "a pipe in place of direct_url.json of another project", INSTALLED)
def pipe_origin(place: Place):
    place.project("other", {"other.py": b"x = 1\n"})
    os.mkfifo(place.purelib / "other-0.9.dist-info/direct_url.json")
    return Wheel()


@attack("R125", "a journal that every user may write")
def open_journal(place: Place):
    state = place.purelib / ".pkg-install"
    state.mkdir()
    place.put(".pkg-install/journal", b"pkg-install journal 2 x 1\n{")
    state.chmod(0o777)
    return Wheel()
