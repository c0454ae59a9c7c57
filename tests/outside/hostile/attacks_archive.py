"""Attacks on the structure of the archive, which readers may see differently."""

from __future__ import annotations

import os
import struct
import zlib

from attacks import INSTALLED, Place, Wheel, attack
from lib.wheels import DESCRIPTOR, ENCRYPTED, FULL, STORED, Entry, deflate, zip64


def named(wheel: Wheel, content: bytes) -> dict[str, bytes]:
    return {wheel.file_name: content}


@attack("R1", "cut off in the middle")
def cut(place: Place):
    whole = Wheel().bytes()
    return named(Wheel(), whole[: len(whole) // 2])


@attack("R2", "two complete archives, one after the other")
def two_archives(place: Place):
    other = Wheel()
    other.file("x/evil.py")
    return named(Wheel(), Wheel().bytes() + other.bytes())


@attack("R3", "bytes after the end record")
def trailing(place: Place):
    wheel = Wheel()
    wheel.suffix = b"more"
    return wheel


@attack("R4", "a program before the first entry")
def leading(place: Place):
    wheel = Wheel()
    return named(wheel, b"#!/bin/sh\nexit\n" + wheel.bytes())


@attack("R5", "an archive in the comment")
def comment(place: Place):
    wheel, other = Wheel(), Wheel()
    other.file("x/evil.py")
    wheel.comment = other.bytes()
    return wheel


@attack("R6", "a comment on an entry")
def entry_comment(place: Place):
    wheel = Wheel()
    wheel.entries[0].comment = b"note"
    return wheel


@attack("R7", "a central directory with size 0")
def no_size(place: Place):
    wheel = Wheel()
    wheel.end = {"size": 0}
    return wheel


@attack("R8", "fewer entries counted than listed")
def fewer(place: Place):
    wheel = Wheel()
    wheel.file("x/evil.py")
    wheel.end = {"here": 4, "count": 4}
    return wheel


@attack("R9", "a zip64 end record with another number of entries")
def wide_end(place: Place):
    wheel = Wheel()
    wheel.file("x/evil.py")
    wheel.wide = {"count": 4}
    return wheel


@attack("R9", "a zip64 locator that points elsewhere")
def locator(place: Place):
    wheel = Wheel()
    wheel.wide = {"locator": 0}
    wheel.end = {"here": 0xFFFF, "count": 0xFFFF, "size": FULL, "offset": FULL}
    return wheel


@attack("R10", "a zip64 field whose sizes differ from the header's")
def idle_zip64(place: Place):
    wheel = Wheel()
    wheel.entries[0].both(extra=zip64(99, 99))
    return wheel


@attack("R10", "two zip64 fields")
def twice_zip64(place: Place):
    wheel = Wheel()
    entry = wheel.entries[0]
    entry.widen()
    entry.both(extra=entry.local.extra + zip64(0, 0))
    return wheel


@attack("R10", "extra fields of the wrong length")
def odd_extra(place: Place):
    wheel = Wheel()
    wheel.entries[0].both(extra=b"   ")
    return wheel


@attack("R11", "a local header with another name")
def local_name(place: Place):
    wheel = Wheel()
    wheel.file("x/good.py").local.name = b"x/evil.py"
    return wheel


@attack("R12", "a local header with another method")
def local_method(place: Place):
    wheel = Wheel()
    wheel.file("x/evil.py", method=STORED).local.method = 8
    return wheel


@attack("R12", "a local header with another size")
def local_size(place: Place):
    wheel = Wheel()
    wheel.file("x/evil.py", b"good = 1\nevil = 1\n", method=STORED).local.size = 9
    return wheel


@attack("R13", "an entry that the central directory does not list")
def hidden(place: Place):
    wheel = Wheel()
    wheel.file("x/evil.py").listed = False
    return wheel


@attack("R14", "an entry whose local header does not exist")
def nowhere(place: Place):
    wheel = Wheel()
    wheel.file("x/evil.py").offset = 0x00FFFFFF
    return wheel


@attack("R15", "a name twice, with two contents")
def twice(place: Place):
    wheel = Wheel()
    wheel.file("x/a.py", b"good = 1\n")
    wheel.file("x/a.py", b"evil = 1\n")
    return wheel


@attack("R16", "a name twice, with the same content")
def twice_same(place: Place):
    wheel = Wheel()
    wheel.file("x/a.py")
    wheel.file("x/a.py")
    return wheel


@attack("R17", "two names for the same bytes")
def overlap(place: Place):
    wheel = Wheel()
    entry = wheel.file("x/evil.py", b"x = 1\n")
    entry.present, entry.offset = False, 0
    return wheel


@attack("R18", "64 MB with a stated size of 9 bytes")
def bomb(place: Place):
    wheel = Wheel()
    wheel.file("x/evil.bin", bytes(1 << 26)).both(size=9)
    return wheel


@attack("R18", "9 bytes with a stated size of 8 EB")
def boast(place: Place):
    wheel = Wheel()
    wheel.file("x/evil.bin").both(size=FULL, packed=FULL, extra=zip64(1 << 63, 11))
    return wheel


@attack("R19", "more content than stated, and a CRC of its first part")
def longer(place: Place):
    wheel = Wheel()
    entry = wheel.file("x/a.py", b"good = 1\n")
    entry.body = deflate(b"good = 1\nevil = 1\n")
    entry.both(packed=len(entry.body))
    return wheel


@attack("R20", "a wrong CRC-32")
def crc(place: Place):
    wheel = Wheel()
    wheel.file("x/a.py").both(crc=1)
    return wheel


@attack("R21", "bytes after the deflated content")
def garbage(place: Place):
    wheel = Wheel()
    entry = wheel.file("x/a.py")
    entry.body += b"garbage"
    entry.both(packed=len(entry.body))
    return wheel


@attack("R21", "two deflate streams in one entry")
def streams(place: Place):
    wheel = Wheel()
    entry = wheel.file("x/a.py")
    entry.body += deflate(b"more = 1\n")
    entry.both(packed=len(entry.body))
    return wheel


@attack("R22", "a stored entry with two different sizes")
def two_sizes(place: Place):
    wheel = Wheel()
    entry = wheel.file("x/a.py", b"good = 1\n", method=STORED)
    entry.body += b"evil = 1\n"
    entry.both(packed=len(entry.body))
    return wheel


@attack("R23", "a data descriptor, as in streamed archives", INSTALLED)
def described(place: Place):
    wheel = Wheel()
    wheel.file("x/a.py").describe()
    return wheel


@attack("R24", "a data descriptor with another size")
def wrong_descriptor(place: Place):
    wheel = Wheel()
    entry = wheel.file("x/a.py")
    entry.describe()
    entry.descriptor = entry.descriptor[:-4] + struct.pack("<L", 99)
    return wheel


@attack("R24", "a missing data descriptor")
def no_descriptor(place: Place):
    wheel = Wheel()
    wheel.file("x/a.py").both(flags=DESCRIPTOR)
    return wheel


@attack("R24", "a data descriptor after stored content")
def stored_descriptor(place: Place):
    wheel = Wheel()
    wheel.file("x/a.py", method=STORED).describe()
    return wheel


@attack("R25", "an encrypted entry")
def encrypted(place: Place):
    wheel = Wheel()
    wheel.file("x/a.py").both(flags=ENCRYPTED)
    return wheel


@attack("R26", "an unknown method")
def method(place: Place):
    wheel = Wheel()
    wheel.file("x/a.py", method=STORED).both(method=77)
    return wheel


@attack("R27", "an entry on another disk")
def disk(place: Place):
    wheel = Wheel()
    wheel.file("x/a.py").disk = 1
    return wheel


@attack("R28", "another name in an extra field")
def unicode_path(place: Place):
    wheel = Wheel()
    field = b"\x01" + struct.pack("<L", zlib.crc32(b"x/a.py")) + b"x/evil.py"
    wheel.file("x/a.py").both(extra=struct.pack("<HH", 0x7075, len(field)) + field)
    return wheel


@attack("R29", "a name that is not UTF-8")
def no_utf8(place: Place):
    wheel = Wheel()
    wheel.file(b"x/\xff\xfe.py")
    return wheel


@attack("R30", "a line break in a name")
def line_break(place: Place):
    wheel = Wheel()
    wheel.file("x/a\nb.py")
    return wheel


@attack("R30", "a NUL in a name, followed by `.txt`")
def nul(place: Place):
    wheel = Wheel()
    wheel.file("x/a.py\0.txt")
    return wheel


@attack("R31", "a directory entry with content")
def full_directory(place: Place):
    wheel = Wheel()
    wheel.file("x/evil/", b"evil = 1\n", 0o040755)
    return wheel


@attack("R31", "a directory according to its attributes, a file according to its name")
def dos_directory(place: Place):
    wheel = Wheel()
    wheel.file("x/a.py").attributes |= 0x10
    return wheel


@attack("R32", "bytes between two entries")
def gap(place: Place):
    wheel = Wheel()
    wheel.file("x/a.py").gap = Entry("x/evil.py", b"evil = 1\n").body
    return wheel


@attack("R33", "zip64 although it is not needed", INSTALLED)
def honest_zip64(place: Place):
    wheel = Wheel()
    wheel.file("x/a.py").widen()
    wheel.wide = {}
    return wheel


@attack("R34", "a file that is both a tar archive and a zip archive")
def tar(place: Place):
    wheel = Wheel()
    wheel.prefix = b"x-1.0/evil.py".ljust(100, b"\0") + b"0000644\0".ljust(412, b"\0")
    return wheel


@attack("R35", "a name of 300 bytes")
def long_name(place: Place):
    wheel = Wheel()
    wheel.file("x/" + "a" * 300 + ".py")
    return wheel


@attack("R35", "a name of 300 directories")
def deep(place: Place):
    wheel = Wheel()
    wheel.file("x/" + "a/" * 300 + "a.py")
    return wheel


@attack("R36", "a pipe in place of the wheel")
def pipe(place: Place):
    os.mkfifo(place.root / "wheels" / Wheel().file_name)
    return {Wheel().file_name: b""}
