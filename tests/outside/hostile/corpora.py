"""Run public corpora of hostile archives, which must not be installed.

    python3 tests/outside/hostile/corpora.py --binary target/release/pkg-install --malo DIR --zipdiff DIR

`--malo` is a clone of the project Malo (fastzip/malo), whose zip archives and deflate streams are sorted into
`accept`, `iffy`, `malicious` and `reject`. `--zipdiff` is the directory that the generator of the project ZipDiff
(ouuan/ZipDiff) fills when `cargo run --bin construction` is run in its `zip-diff`: archives of the fourteen classes of
ambiguity, A1 to C5. Neither is part of this repository.

An archive is first looked at as it is. If the only complaint is that it holds no metadata of a wheel, it is made one
(see graft.py) and installed with `--verify off`, where nothing but the archive itself can be wrong. A compressed stream
is put into an otherwise sound wheel. What Malo accepts has to be installed, and everything else refused, in both cases
but for what `EXCEPTIONS` and `harmless` name with the rule that they follow. Exit code 1 where that is not so.
"""

import argparse
import collections
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

import graft

FLAGS = "the headers contradict each other: the flag of a data descriptor is set in one of them"
CRC = "a CRC-32 that two contents share is no fault of the archive; RECORD has a digest of each"
EXCEPTIONS = {
    "zip/accept/data_descriptor.zip": FLAGS,
    "zip/accept/data_descriptor_zip64.zip": FLAGS,
    "zip/accept/normal_deflate_zip64_extra.zip": "a zip64 field in a local header has both sizes (APPNOTE 4.5.3)",
    "zip/iffy/crc_collision_empty_nonempty.zip": CRC,
    "zip/iffy/crc_collision_two_nonempty.zip": CRC,
    "zip/iffy/crc_zero_nonempty.zip": CRC,
    "deflate/iffy/nonzero_padding.deflate": "the bits that fill up the last byte mean nothing (RFC 1951, 3.2.3)",
    "zip/iffy/nosubdir.zip": "directories need no entries of their own; hardly any wheel has them",
}
LEGAL = re.compile(rb"[^\x00-\x1f\x7f-\xff\\:]+\Z")


class Installer:
    """The program, and a directory to install into."""

    def __init__(self, binary: pathlib.Path, scratch: pathlib.Path):
        self.binary = binary
        self.target = scratch / "target"
        self.wheel = scratch / "x-1.0-py3-none-any.whl"

    def run(self, archive: bytes, *options: str) -> tuple[int, str]:
        """Exit code and the first complaint of one run."""
        self.wheel.write_bytes(archive)
        command = [self.binary, *options, self.wheel, "--target", self.target]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if done.returncode not in (0, 3):
            raise SystemExit("exit code {}:\n{}".format(done.returncode, done.stderr))
        if done.returncode and self.target.exists():
            raise SystemExit("refused, but something is left in the target:\n" + done.stderr)
        shutil.rmtree(self.target, ignore_errors=True)
        complaint = done.stderr.replace("`{}`".format(self.wheel), "it").strip()
        return done.returncode, " ".join(complaint.split("\n")[0:2]).removeprefix("error: ")

    def archive(self, archive: bytes) -> tuple[bool, str]:
        """Whether it was installed, and what was said of it if not."""
        code, said = self.run(archive, "--dry-run")
        if code and "no `.dist-info`" in said:
            try:
                code, said = self.run(graft.graft(archive), "--verify", "off")
            except graft.Ungraftable as reason:
                return True, "it was read, but {}".format(reason)
        return code == 0, said

    def stream(self, stream: bytes, method: int, content: bytes) -> tuple[bool, str]:
        """The same of compressed bytes that are said to be `content`."""
        code, said = self.run(graft.carry(stream, method, content))
        return code == 0, said


def inflated(stream: bytes) -> bytes:
    """What a deflate stream gives before it ends or goes wrong."""
    inflate, content = zlib.decompressobj(-15), b""
    try:
        for byte in stream:
            content += inflate.decompress(bytes([byte]))
    except zlib.error:
        pass
    return content


def numbers(archive: bytes, extra: int, length: int, stated: tuple[int, ...]) -> tuple[int, ...]:
    """The numbers of a header, those of its only extra field, zip64, in place of the missing ones."""
    missing = [place for place, number in enumerate(stated) if number == 0xFFFFFFFF]
    if length == 0 and not missing:
        return stated
    if struct.unpack_from("<HH", archive, extra) != (1, 8 * len(missing)) or length != 4 + 8 * len(missing):
        return (-1,) * len(stated)
    found = list(stated)
    for number, place in enumerate(missing):
        found[place] = struct.unpack_from("<Q", archive, extra + 4 + 8 * number)[0]
    return tuple(found)


def agrees(archive: bytes) -> bool:
    """Whether all that a one-entry archive says of the entry's sizes is one and the same."""
    at = archive.rfind(b"PK\x05\x06")
    size, line = struct.unpack_from("<LL", archive, at + 12)
    flags, method = struct.unpack_from("<HH", archive, line + 8)
    crc, packed, unpacked, name, extra = struct.unpack_from("<LLLHH", archive, line + 16)
    central = numbers(archive, line + 46 + name, extra, (unpacked, packed))
    local = struct.unpack_from("<LLLHH", archive, 14)
    sizes = numbers(archive, 30 + local[3], local[4], (local[2], local[1]))
    begin = 30 + local[3] + local[4]
    if flags & 8 == 0:
        return (local[0], *sizes) == (crc, *central) and begin + central[1] == line and size + line == at
    wide = "<LLQQ" if local[4] else "<LLLL"
    after = begin + central[1]
    descriptor = struct.pack(wide, 0x08074B50, crc, central[1], central[0])
    stated = (local[0], *sizes) in [(crc, *central), (0, 0, 0)]
    return stated and method == 8 and archive[after:line] == descriptor and size + line == at


def harmless(group: str, archive: bytes) -> str | None:
    """The rule by which an archive of ZipDiff may be installed; none where it must not be."""
    at = archive.rfind(b"PK\x05\x06")
    listed = graft.names(archive, struct.unpack_from("<L", archive, at + 16)[0], at)
    plain = all(LEGAL.match(name) for name in listed) and len(set(listed)) == len(listed)
    if group == "a2" and agrees(archive):
        return "all headers state the same sizes: one of the combinations has to be right"
    if group == "a4" and listed == [b"test/"] and b"testPK" not in archive:
        return "an empty directory entry is a directory"
    parts = {part for name in listed for part in name.split(b"/")}
    if group in ("b2", "b3") and plain and not parts & {b"", b".", b".."}:
        return "names in plain characters are different files on Unix, `...` among them"
    if group == "b4" and plain:
        return "names in another case are different files where the file system tells them apart"
    return None


class Tally:
    """What was counted, and what went wrong."""

    def __init__(self) -> None:
        self.counts: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
        self.rules: dict[str, list[str]] = collections.defaultdict(list)
        self.wrong: list[str] = []

    def add(self, group: str, name: str, wanted: bool, installed: bool, said: str, rule: str | None) -> None:
        """`wanted` says whether it should be installed; `rule` is why it may be otherwise."""
        self.counts[group]["installed" if installed else "refused"] += 1
        if installed == wanted:
            return
        if rule:
            self.rules[rule].append(name)
        else:
            self.wrong.append("{} is {}: {}".format(name, "installed" if installed else "refused", said))

    def show(self) -> None:
        for group, counts in sorted(self.counts.items()):
            print("{:20} {:5} refused {:5} installed".format(group, counts["refused"], counts["installed"]))
        for rule, names in self.rules.items():
            shown = ", ".join(names[:4]) + (" and {} more".format(len(names) - 4) if len(names) > 4 else "")
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
            installed, said = installer.archive(data)
        elif path.suffix == ".deflate":
            installed, said = installer.stream(data, graft.DEFLATE, inflated(data))
        else:
            continue
        tally.add("malo {}/{}".format(kind, verdict), name, verdict == "accept", installed, said, EXCEPTIONS.get(name))


def zipdiff(directory: pathlib.Path, installer: Installer, tally: Tally) -> None:
    for path in sorted(directory.glob("**/[abc][1-5]-*.zip")):
        group, archive = path.name.split("-")[0], path.read_bytes()
        installed, said = installer.archive(archive)
        rule = harmless(group, archive) if installed else None
        tally.add("zipdiff " + group.upper(), path.name, False, installed, said, rule)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--malo", type=pathlib.Path)
    parser.add_argument("--zipdiff", type=pathlib.Path)
    options = parser.parse_args()
    base = "/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None
    tally = Tally()
    with tempfile.TemporaryDirectory(dir=base) as scratch:
        installer = Installer(options.binary.resolve(), pathlib.Path(scratch))
        if options.malo:
            malo(options.malo, installer, tally)
        if options.zipdiff:
            zipdiff(options.zipdiff, installer, tally)
    tally.show()
    total = sum(sum(counts.values()) for counts in tally.counts.values())
    print("{} samples, {} not as they should be".format(total, len(tally.wrong)))
    return 1 if tally.wrong or not total else 0


if __name__ == "__main__":
    sys.exit(main())
