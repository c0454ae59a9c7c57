"""Make a wheel of what is none: of any archive, or of any compressed bytes.

A corpus of hostile archives has no metadata in them, so an installer refuses them all, whatever it thinks of their
structure. `graft` puts the metadata of a wheel into such an archive and touches nothing else: the new entries come
behind the old ones, their lines behind the old lines of the central directory, and the end records count them. `carry`
puts compressed bytes as they are into a wheel that is right in everything else.
"""

import base64
import hashlib
import io
import struct
import zipfile
import zlib

DIST_INFO = "x-1.0.dist-info"
METADATA = b"Metadata-Version: 2.1\nName: x\nVersion: 1.0\n"
WHEEL = b"Wheel-Version: 1.0\nGenerator: hostile\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
STORED, DEFLATE = 0, 8
UTF8 = 1 << 11


class Ungraftable(Exception):
    """The end of the archive is not where one expects it."""


def row(path: str, content: bytes) -> str:
    """The line of RECORD for one file."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    quoted = '"{}"'.format(path.replace('"', '""')) if set(path) & set('",\r\n') else path
    return "{},sha256={},{}\n".format(quoted, digest, len(content))


def metadata(rows: str) -> list[tuple[str, bytes]]:
    """The entries that make a wheel: METADATA, WHEEL, and RECORD with `rows` and its own."""
    files = [("METADATA", METADATA), ("WHEEL", WHEEL)]
    files = [("{}/{}".format(DIST_INFO, name), content) for name, content in files]
    record = rows + "".join(row(*each) for each in files) + DIST_INFO + "/RECORD,,\n"
    return [*files, (DIST_INFO + "/RECORD", record.encode("utf-8", "surrogateescape"))]


def entry(name: str, body: bytes, method: int, crc: int, size: int, offset: int) -> tuple[bytes, bytes]:
    """One entry as it stands in the body, and its line of the central directory."""
    raw = name.encode()
    flags = 0 if name.isascii() else UTF8
    shared = struct.pack("<HHHHHLLLHH", 20, flags, method, 0, 0x5021, crc, len(body), size, len(raw), 0)
    local = b"PK\x03\x04" + shared + raw + body
    attributes = 0o100644 << 16
    return local, b"PK\x01\x02\x14\x03" + shared + struct.pack("<HHHLL", 0, 0, 0, attributes, offset) + raw


def stored(files: list[tuple[str, bytes]], offset: int) -> tuple[bytes, bytes]:
    """Several entries that are not compressed, beginning at `offset`."""
    bodies, lines = b"", b""
    for name, content in files:
        body, line = entry(name, content, STORED, zlib.crc32(content), len(content), offset + len(bodies))
        bodies, lines = bodies + body, lines + line
    return bodies, lines


def end(count: int, size: int, offset: int) -> bytes:
    """The end record of an archive without a comment."""
    return b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, count, count, size, offset, 0)


def carry(stream: bytes, method: int, content: bytes) -> bytes:
    """A wheel with one file, `x/data`, whose compressed bytes are `stream` and which is said to be `content`."""
    body, line = entry("x/data", stream, method, zlib.crc32(content), len(content), 0)
    bodies, lines = stored(metadata(row("x/data", content)), len(body))
    return body + bodies + line + lines + end(4, len(line + lines), len(body + bodies))


def names(archive: bytes, at: int, stop: int) -> list[bytes]:
    """The names in the central directory."""
    found = []
    while archive[at : at + 4] == b"PK\x01\x02" and at < stop:
        name, extra, comment = struct.unpack_from("<HHH", archive, at + 28)
        found.append(archive[at + 46 : at + 46 + name])
        at += 46 + name + extra + comment
    return found


def content_of(archive: bytes, name: str) -> bytes:
    """What Python reads of an entry; nothing where it cannot."""
    try:
        return zipfile.ZipFile(io.BytesIO(archive)).read(name)
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, zlib.error, EOFError, ValueError):
        return b""


def graft(archive: bytes) -> bytes:
    """`archive` as a wheel."""
    at = archive.rfind(b"PK\x05\x06")
    if at < 0 or len(archive) < at + 22:
        raise Ungraftable("it has no end record")
    here, total, size, offset = struct.unpack_from("<HHLL", archive, at + 8)
    tail = at
    wide = archive[at - 20 : at - 16] == b"PK\x06\x07"
    if wide:
        tail = struct.unpack_from("<Q", archive, at - 12)[0]
        if archive[tail : tail + 4] != b"PK\x06\x06":
            raise Ungraftable("its zip64 end record is not where it should be")
        here, total, size, offset = struct.unpack_from("<QQQQ", archive, tail + 24)
    if offset + size != tail:
        raise Ungraftable("its central directory does not end where the end record begins")
    listed = [name.decode("utf-8", "surrogateescape") for name in names(archive, offset, tail)]
    rows = "".join(row(name, content_of(archive, name)) for name in listed if not name.endswith("/"))
    bodies, lines = stored(metadata(rows), offset)
    numbers = (here + 3, total + 3, size + len(lines), offset + len(bodies))
    last = bytearray(archive[tail:])
    if wide:
        struct.pack_into("<QQQQ", last, 24, *numbers)
        struct.pack_into("<Q", last, at - tail - 12, tail + len(bodies) + len(lines))
    fields = list(struct.unpack_from("<HHLL", last, at - tail + 8))
    for place, most in enumerate((0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)):
        if fields[place] != most:
            fields[place] = numbers[place]
    struct.pack_into("<HHLL", last, at - tail + 8, *fields)
    return archive[:offset] + bodies + archive[offset:tail] + lines + bytes(last)
