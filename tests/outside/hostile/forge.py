"""Wheels of which any field can be made wrong.

A `Wheel` is sound until an attack changes it: METADATA, WHEEL and RECORD are written with it. An `Entry` keeps apart
what stands in the body and what each header says of it. Nothing is checked; the same calls make the same bytes.
"""

import base64
import dataclasses
import hashlib
import struct
import zlib

STORED, DEFLATE = 0, 8
FILE, LINK, PIPE = 0o100644, 0o120777, 0o010644
DESCRIPTOR, ENCRYPTED, UTF8 = 1 << 3, 1, 1 << 11
FULL = 0xFFFFFFFF


def deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def digest(content: bytes, algorithm: str = "sha256") -> str:
    """The digest as RECORD writes it."""
    made = hashlib.new(algorithm, content).digest()
    return "{}={}".format(algorithm, base64.urlsafe_b64encode(made).rstrip(b"=").decode())


@dataclasses.dataclass
class Header:
    """What the local header and the central directory both have."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    extra: bytes = b""

    def pack(self) -> bytes:
        numbers = (20, self.flags, self.method, 0, 0x5021, self.crc, self.packed, self.size)
        return struct.pack("<HHHHHLLLHH", *numbers, len(self.name), len(self.extra))


class Entry:
    """One entry; `offset`, `listed` and `present` bend where it is and whether it is there."""

    def __init__(self, name: str | bytes, content: bytes, mode: int = FILE, method: int = DEFLATE):
        raw = name if isinstance(name, bytes) else name.encode()
        self.content = content
        self.body = deflate(content) if method == DEFLATE else content
        flags = UTF8 if isinstance(name, str) and not name.isascii() else 0
        self.local = Header(raw, flags, method, zlib.crc32(content), len(self.body), len(content))
        self.central = dataclasses.replace(self.local)
        self.attributes = mode << 16
        self.gap = self.descriptor = self.comment = b""
        self.disk = 0
        self.offset: int | None = None
        self.listed = self.present = True

    def both(self, **fields) -> None:
        """Sets fields of both headers."""
        for header in (self.local, self.central):
            for name, value in fields.items():
                setattr(header, name, value)

    def describe(self) -> None:
        """Moves CRC and sizes behind the content."""
        self.both(flags=self.local.flags | DESCRIPTOR)
        self.descriptor = b"PK\x07\x08" + struct.pack("<LLL", self.local.crc, self.local.packed, self.local.size)
        self.local.crc = self.local.packed = self.local.size = 0

    def widen(self) -> None:
        """Moves the sizes into zip64 fields."""
        extra = zip64(self.local.size, self.local.packed)
        self.both(size=FULL, packed=FULL, extra=extra)


def zip64(*numbers: int) -> bytes:
    return struct.pack("<HH", 1, 8 * len(numbers)) + struct.pack("<{}Q".format(len(numbers)), *numbers)


class Wheel:
    """A wheel of the project `x`, unless told otherwise."""

    def __init__(self, name: str = "x", version: str = "1.0", tag: str = "py3-none-any"):
        self.stem = "{}-{}".format(name, version)
        self.file_name = "{}-{}.whl".format(self.stem, tag)
        self.dist_info = self.stem + ".dist-info"
        self.metadata: bytes | None = "Metadata-Version: 2.1\nName: {}\nVersion: {}\n".format(name, version).encode()
        self.wheel: bytes | None = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {}\n".format(tag).encode()
        self.entries: list[Entry] = []
        self.rows: dict[str, str | None] = {}
        self.lines = ""
        self.record: bytes | None = b""
        self.prefix = self.suffix = self.comment = self.gap = b""
        self.end: dict[str, int] = {}
        self.wide: dict[str, int] | None = None
        self.file("x/__init__.py", b"x = 1\n")

    def file(self, name: str | bytes, content: bytes = b"evil = 1\n", mode: int = FILE, method: int = DEFLATE) -> Entry:
        entry = Entry(name, content, mode, method)
        self.entries.append(entry)
        return entry

    def meta(self, name: str, content: bytes) -> Entry:
        """A file in the dist-info directory."""
        return self.file("{}/{}".format(self.dist_info, name), content)

    def scripts(self, text: str) -> "Wheel":
        """The wheel with these console scripts."""
        self.meta("entry_points.txt", b"[console_scripts]\n" + text.encode())
        return self

    def row(self, entry: Entry) -> str:
        name = entry.central.name.decode("utf-8", "surrogateescape")
        if name in self.rows:
            return self.rows[name] or ""
        if name.endswith("/"):
            return ""
        quoted = '"{}"'.format(name.replace('"', '""')) if set(name) & set('",\r\n') else name
        return "{},{},{}\n".format(quoted, digest(entry.content), len(entry.content))

    def seal(self) -> list[Entry]:
        """All entries, with those that describe the rest."""
        entries = list(self.entries)
        own = self.dist_info + "/"
        for name, content in (("METADATA", self.metadata), ("WHEEL", self.wheel)):
            if content is not None:
                entries.append(Entry(own + name, content))
        if self.record is not None:
            text = self.record or self.record_text(entries)
            entries.append(Entry(own + "RECORD", text))
        return entries

    def record_text(self, entries: list[Entry]) -> bytes:
        rows = list(dict.fromkeys(self.row(entry) for entry in entries if entry.listed))
        own = self.dist_info + "/RECORD"
        own = self.rows.get(own, own + ",,\n")
        return ("".join(rows) + self.lines + (own or "")).encode("utf-8", "surrogateescape")

    def bytes(self) -> bytes:
        out, lines, count = bytearray(self.prefix), bytearray(), 0
        for entry in self.seal():
            begin = len(out) + len(entry.gap)
            if entry.present:
                out += entry.gap + b"PK\x03\x04" + entry.local.pack() + entry.local.name + entry.local.extra
                out += entry.body + entry.descriptor
            if entry.listed:
                count += 1
                offset = begin if entry.offset is None else entry.offset
                lines += b"PK\x01\x02\x14\x03" + entry.central.pack()
                lines += struct.pack("<HHHLL", len(entry.comment), entry.disk, 0, entry.attributes, offset)
                lines += entry.central.name + entry.central.extra + entry.comment
        start = len(out)
        return bytes(out + lines + self.gap + self.ends(count, len(lines), start) + self.suffix)

    def ends(self, count: int, size: int, offset: int) -> bytes:
        """The end records; `wide` and `end` override their numbers."""
        numbers = {"disk": 0, "here": count, "count": count, "size": size, "offset": offset} | self.end
        rest = [numbers[name] for name in ("here", "count", "size", "offset")]
        end = b"PK\x05\x06" + struct.pack("<HHHHLL", numbers["disk"], 0, *rest)
        end += struct.pack("<H", len(self.comment)) + self.comment
        if self.wide is None:
            return end
        wide = {"count": count, "size": size, "offset": offset, "locator": offset + size + len(self.gap)} | self.wide
        numbers64 = (44, 0x2D, 0x2D, 0, 0, wide["count"], wide["count"], wide["size"], wide["offset"])
        record64 = b"PK\x06\x06" + struct.pack("<QHHLLQQQQ", *numbers64)
        return record64 + b"PK\x06\x07" + struct.pack("<LQL", 0, wide["locator"], 1) + end
