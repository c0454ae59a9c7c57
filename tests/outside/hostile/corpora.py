"""Install the archives of two public corpora, which an installer must refuse.

    python3 tests/outside/hostile/corpora.py --malo DIR --zipdiff DIR

`--malo` is a clone of the project Malo (fastzip/malo), whose zip archives and deflate streams are
sorted into `accept`, `iffy`, `malicious` and `reject`. `--zipdiff` is the directory that the
generator of the project ZipDiff (ouuan/ZipDiff) fills if `cargo run --bin construction` runs in its
`zip-diff`: archives of the fourteen classes of ambiguity, A1 to C5. Neither is part of this
repository.

Each archive is first planned as it is. If the only complaint is that it has no metadata of a wheel,
metadata is added (see convert.py) and it is installed with `--verify off`, so that only the archive
itself can be wrong. A compressed stream is put into an otherwise valid wheel. Archives that Malo
accepts have to be installed, and all others refused, apart from the exceptions in `EXCEPTIONS` and
`harmless`, each with the rule that it follows.

Prints counts for each group. Exit code 1: an archive was treated otherwise, or there was none.
"""

from __future__ import annotations

import collections
import pathlib
import re
import struct
import sys
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import convert
from lib import trees, venv
from lib.wheels import DEFLATE, END, FULL

FLAGS = "its headers disagree: only one of them has the flag of a data descriptor"
CRC = "two contents may share a CRC-32, which is no fault of the archive; RECORD has digests"
ZIP64 = "the zip64 field of a local header needs both sizes (APPNOTE 4.5.3)"
PADDING = "the bits that pad the last byte have no meaning (RFC 1951, 3.2.3)"
EXCEPTIONS = {
    "zip/accept/data_descriptor.zip": FLAGS,
    "zip/accept/data_descriptor_zip64.zip": FLAGS,
    "zip/accept/normal_deflate_zip64_extra.zip": ZIP64,
    "zip/iffy/crc_collision_empty_nonempty.zip": CRC,
    "zip/iffy/crc_collision_two_nonempty.zip": CRC,
    "zip/iffy/crc_zero_nonempty.zip": CRC,
    "deflate/iffy/nonzero_padding.deflate": PADDING,
    "zip/iffy/nosubdir.zip": "directories need no entries of their own; few wheels have them",
}
LEGAL = re.compile(rb"[^\x00-\x1f\x7f-\xff\\:]+\Z")


class Installer:
    """The binary, and a directory to install into."""

    def __init__(self, binary: pathlib.Path, scratch: pathlib.Path):
        self.binary = binary
        self.target = scratch / "target"
        self.wheel = scratch / "x-1.0-py3-none-any.whl"

    def run(self, archive: bytes, *options: str) -> tuple[int, str]:
        """Exit code and the first complaint of one run."""
        self.wheel.write_bytes(archive)
        command = [self.binary, *options, self.wheel, "--target", self.target]
        done = venv.run(command)
        if done.returncode not in (0, 3):
            raise SystemExit(f"{venv.describe_status(done.returncode)}:\n{done.stderr}")
        if done.returncode and self.target.exists():
            raise SystemExit("refused, but the target was created:\n" + done.stderr)
        trees.remove(self.target)
        complaint = done.stderr.replace("`{}`".format(self.wheel), "it").strip()
        return done.returncode, " ".join(complaint.split("\n")[0:2]).replace("error: ", "", 1)

    def archive(self, archive: bytes) -> tuple[bool, str]:
        """Whether an archive is installed, and otherwise the complaint."""
        code, complaint = self.run(archive, "--dry-run")
        if code and "no `.dist-info`" in complaint:
            try:
                code, complaint = self.run(convert.add_metadata(archive), "--verify", "off")
            except convert.NotConvertible as reason:
                return True, f"it was read, but {reason}"
        return code == 0, complaint

    def stream(self, stream: bytes, method: int, content: bytes) -> tuple[bool, str]:
        """The same for compressed bytes with the content `content`."""
        code, complaint = self.run(convert.wheel_with_stream(stream, method, content))
        return code == 0, complaint


def inflated(stream: bytes) -> bytes:
    """What a deflate stream contains before it ends or becomes invalid."""
    inflate, content = zlib.decompressobj(-15), b""
    try:
        for byte in stream:
            content += inflate.decompress(bytes([byte]))
    except zlib.error:
        pass
    return content


def numbers(archive: bytes, extra: int, length: int, stated: tuple[int, ...]) -> tuple[int, ...]:
    """The numbers of a header; its zip64 field, the only extra field, replaces missing ones."""
    missing = [place for place, number in enumerate(stated) if number == FULL]
    if length == 0 and not missing:
        return stated
    if struct.unpack_from("<HH", archive, extra) != (1, 8 * len(missing)) or length != 4 + 8 * len(
        missing
    ):
        return (-1,) * len(stated)
    found = list(stated)
    for number, place in enumerate(missing):
        found[place] = struct.unpack_from("<Q", archive, extra + 4 + 8 * number)[0]
    return tuple(found)


def agrees(archive: bytes) -> bool:
    """Whether all headers of an archive with one entry state the same sizes."""
    at = archive.rfind(END)
    size, line = struct.unpack_from("<LL", archive, at + 12)
    flags, method = struct.unpack_from("<HH", archive, line + 8)
    crc, packed, unpacked, name, extra = struct.unpack_from("<LLLHH", archive, line + 16)
    central = numbers(archive, line + 46 + name, extra, (unpacked, packed))
    local = struct.unpack_from("<LLLHH", archive, 14)
    sizes = numbers(archive, 30 + local[3], local[4], (local[2], local[1]))
    begin = 30 + local[3] + local[4]
    if flags & 8 == 0:
        return (
            (local[0], *sizes) == (crc, *central)
            and begin + central[1] == line
            and size + line == at
        )
    wide = "<LLQQ" if local[4] else "<LLLL"
    after = begin + central[1]
    descriptor = struct.pack(wide, 0x08074B50, crc, central[1], central[0])
    stated = (local[0], *sizes) in [(crc, *central), (0, 0, 0)]
    return stated and method == 8 and archive[after:line] == descriptor and size + line == at


def harmless(group: str, archive: bytes) -> str | None:
    """The rule by which an archive of ZipDiff may be installed; None if it must not be."""
    at = archive.rfind(END)
    listed = convert.names(archive, struct.unpack_from("<L", archive, at + 16)[0], at)
    plain = all(LEGAL.match(name) for name in listed) and len(set(listed)) == len(listed)
    if group == "a2" and agrees(archive):
        return "all headers state the same sizes: one combination has to be right"
    if group == "a4" and listed == [b"test/"] and b"testPK" not in archive:
        return "an empty directory entry is a directory"
    parts = {part for name in listed for part in name.split(b"/")}
    if group in ("b2", "b3") and plain and not parts & {b"", b".", b".."}:
        return "names in plain characters are different files on Unix, even `...`"
    if group == "b4" and plain:
        return "names in another case are different files if the file system distinguishes them"
    return None


class Tally:
    """The counts, and the archives that were treated wrongly."""

    def __init__(self) -> None:
        self.counts: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
        self.rules: dict[str, list[str]] = collections.defaultdict(list)
        self.wrong: list[str] = []

    def add(self, group: str, name: str, wanted: bool, answer: tuple[bool, str], rule: str | None):
        """Count an answer; `wanted`: it should be installed; `rule`: why it need not be."""
        installed, complaint = answer
        verdict = "installed" if installed else "refused"
        self.counts[group][verdict] += 1
        if installed == wanted:
            return
        if rule:
            self.rules[rule].append(name)
        else:
            self.wrong.append(f"{name} is {verdict}: {complaint}")

    def show(self) -> None:
        for group, counts in sorted(self.counts.items()):
            print(
                "{:20} {:5} refused {:5} installed".format(
                    group, counts["refused"], counts["installed"]
                )
            )
        for rule, names in self.rules.items():
            shown = ", ".join(names[:4]) + (
                " and {} more".format(len(names) - 4) if len(names) > 4 else ""
            )
            print("exception, {}: {} ({})".format(len(names), rule, shown))
        for line in self.wrong:
            print("WRONG " + line)


def malo(directory: pathlib.Path, installer: Installer, tally: Tally) -> None:
    for path in sorted(directory.glob("*/*/*")):
        kind, verdict = path.parts[-3], path.parts[-2]
        if verdict not in ("accept", "iffy", "malicious", "reject"):
            continue
        name, data = "/".join(path.parts[-3:]), path.read_bytes()
        if path.suffix == ".zip":
            answer = installer.archive(data)
        elif path.suffix == ".deflate":
            answer = installer.stream(data, DEFLATE, inflated(data))
        else:
            continue
        group, wanted = f"malo {kind}/{verdict}", verdict == "accept"
        tally.add(group, name, wanted, answer, EXCEPTIONS.get(name))


def zipdiff(directory: pathlib.Path, installer: Installer, tally: Tally) -> None:
    for path in sorted(directory.glob("**/[abc][1-5]-*.zip")):
        group, archive = path.name.split("-")[0], path.read_bytes()
        answer = installer.archive(archive)
        rule = harmless(group, archive) if answer[0] else None
        tally.add("zipdiff " + group.upper(), path.name, False, answer, rule)


def main() -> int:
    parser = venv.new_parser(__doc__)
    add = parser.add_argument
    add("--malo", metavar="DIR", type=pathlib.Path, help="a clone of Malo")
    add("--zipdiff", metavar="DIR", type=pathlib.Path, help="the archives of ZipDiff")
    options = parser.parse_args()
    binary, tally = venv.checked_binary(options.binary), Tally()
    with venv.scratch_directory("corpora") as scratch:
        installer = Installer(binary, scratch)
        if options.malo:
            malo(options.malo, installer, tally)
        if options.zipdiff:
            zipdiff(options.zipdiff, installer, tally)
    tally.show()
    total = sum(sum(counts.values()) for counts in tally.counts.values())
    print("{} samples, {} wrong".format(total, len(tally.wrong)))
    return 1 if tally.wrong or not total else 0


if __name__ == "__main__":
    sys.exit(main())
