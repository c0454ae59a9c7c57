"""Turn archives and compressed streams into wheels.

A corpus of hostile archives has no metadata in them, so an installer refuses them all, whatever it
thinks of their structure. `add_metadata` adds the metadata of a wheel to such an archive and
changes nothing else: the new entries follow the old ones, their lines follow the old lines of the
central directory, and the end records count them. `wheel_with_stream` puts compressed bytes
unchanged into a wheel that is otherwise valid.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from lib.wheels import END, FULL, FULL16, STORED, Wheel, row


class NotConvertible(Exception):
    """The end of the archive is not as expected."""


def wheel_with_stream(stream: bytes, method: int, content: bytes) -> bytes:
    """A wheel with one file, whose compressed bytes are `stream` and whose content is `content`."""
    wheel = Wheel("x", method=STORED)
    entry = wheel.file("x/data", content)
    entry.body = stream
    entry.both(method=method, packed=len(stream))
    return wheel.bytes()


def names(archive: bytes, at: int, stop: int) -> list[bytes]:
    """The names in the central directory."""
    found = []
    while archive[at : at + 4] == b"PK\x01\x02" and at < stop:
        name, extra, comment = struct.unpack_from("<HHH", archive, at + 28)
        found.append(archive[at + 46 : at + 46 + name])
        at += 46 + name + extra + comment
    return found


def content_of(archive: bytes, name: str) -> bytes:
    """What Python reads of an entry; empty if it cannot."""
    broken = (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError)
    try:
        return zipfile.ZipFile(io.BytesIO(archive)).read(name)
    except (*broken, zlib.error, EOFError, ValueError):
        return b""


def add_metadata(archive: bytes) -> bytes:
    """The archive as a wheel."""
    at = archive.rfind(END)
    if at < 0 or len(archive) < at + 22:
        raise NotConvertible("it has no end record")
    here, total, size, offset = struct.unpack_from("<HHLL", archive, at + 8)
    tail = at
    wide = archive[at - 20 : at - 16] == b"PK\x06\x07"
    if wide:
        tail = struct.unpack_from("<Q", archive, at - 12)[0]
        if archive[tail : tail + 4] != b"PK\x06\x06":
            raise NotConvertible("its zip64 end record is not where it should be")
        here, total, size, offset = struct.unpack_from("<QQQQ", archive, tail + 24)
    if offset + size != tail:
        raise NotConvertible("its central directory does not end at the end record")
    bodies, lines = metadata_of(archive, offset, tail)
    numbers = (here + 3, total + 3, size + len(lines), offset + len(bodies))
    last = bytearray(archive[tail:])
    if wide:
        struct.pack_into("<QQQQ", last, 24, *numbers)
        struct.pack_into("<Q", last, at - tail - 12, tail + len(bodies) + len(lines))
    fields = list(struct.unpack_from("<HHLL", last, at - tail + 8))
    for place, most in enumerate((FULL16, FULL16, FULL, FULL)):
        if fields[place] != most:
            fields[place] = numbers[place]
    struct.pack_into("<HHLL", last, at - tail + 8, *fields)
    return archive[:offset] + bodies + archive[offset:tail] + lines + bytes(last)


def metadata_of(archive: bytes, offset: int, tail: int) -> tuple[bytes, bytes]:
    """METADATA, WHEEL and RECORD for an archive: their entries, and their central directory."""
    listed = [name.decode("utf-8", "surrogateescape") for name in names(archive, offset, tail)]
    files = [name for name in listed if not name.endswith("/")]
    wheel = Wheel("x", method=STORED)
    wheel.lines = "".join(row(name, content_of(archive, name)) for name in files)
    bodies, lines = b"", b""
    for entry in wheel.seal():
        lines += entry.central_bytes(offset + len(bodies))
        bodies += entry.local_bytes()
    return bodies, lines
