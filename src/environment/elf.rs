//! The platform of an interpreter, read from its executable file without running it.
//!
//! Input: the path of an ELF file. Output: its [`Platform`], by the rules of PEP 600 and PEP 656
//! and of `packaging`, or `None` if anything is uncertain; the interpreter is then asked.
//! Invariants: no content of the file makes it fail or panic. Limits: 32-bit ARM is never certain,
//! because its name depends on the kernel; neither is an interpreter without a loader (static), nor
//! one whose C library is not in the directory of its loader.

use std::ops::Range;
use std::path::{Path, PathBuf};

use memchr::memmem;

use crate::elf::{ElfFields, segment_kind};
use crate::fs::{self, OpenFile, ReadAt as _};
use crate::spec::tags::Platform;

/// How many bytes of the file are read. Linkers put the program headers directly after the ELF
/// header.
const HEAD: u64 = 4096;
/// The longest path of a loader, in bytes: Linux takes no longer ones.
const MAX_LOADER: u64 = 4096;

/// The fields at the start of an ELF file.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    arch: Option<&'static str>,
    hard_float: bool,
    /// The position of the loader's path in the file.
    loader: Option<Range<u64>>,
}

/// The platform for which a program was built and on which it runs.
pub(super) fn platform(executable: &Path) -> Option<Platform> {
    let (header, loader) = open(executable)?;
    let (arch, loader) = (header.arch?.to_owned(), loader?);
    let name = loader.file_name()?.to_str()?;
    if name.starts_with("ld-musl-") {
        let (major, minor) = musl_version(&fs::read(&loader).ok()?)?;
        return Some(Platform::Musl { major, minor, arch });
    }
    if !name.starts_with("ld-linux") && !name.starts_with("ld64.so.") {
        return None;
    }
    // The loader has the version of the C library and is a tenth of its size. It states the version
    // since 2.33; for older ones the library is read.
    let loader = fs::canonical(&loader).ok()?;
    let version = |file: &Path, name: &[u8]| glibc_version(&fs::read(file).ok()?, name);
    let library = || version(&loader.with_file_name("libc.so.6"), b"GNU C Library");
    let (major, minor) = version(&loader, b"ld.so (").or_else(library)?;
    Some(Platform::Glibc { major, minor, arch })
}

/// The musl loader of a program, and musl's version if the loader's file states it; `None` if the
/// program's loader is another one.
pub(super) fn musl(executable: &Path) -> Option<(PathBuf, Option<(u32, u32)>)> {
    let loader = open(executable)?.1?;
    loader
        .file_name()?
        .to_str()?
        .starts_with("ld-musl-")
        .then_some(())?;
    let version = fs::read(&loader)
        .ok()
        .and_then(|bytes| musl_version(&bytes));
    Some((loader, version))
}

/// The loader of a program, without symbolic links; `None` if it has none.
pub(super) fn loader_of(executable: &Path) -> Option<PathBuf> {
    fs::canonical(&open(executable)?.1?).ok()
}

/// Whether this is a 32-bit ARM program of the ABI that manylinux requires: EABI 5 with hardware
/// floating point.
pub(super) fn is_hard_float(executable: &Path) -> bool {
    open(executable).is_some_and(|(header, _)| header.hard_float)
}

fn open(executable: &Path) -> Option<(Header, Option<PathBuf>)> {
    let path = fs::canonical(executable).ok()?;
    let header = header(&fs::read_to_limit(&path, HEAD).ok()?)?;
    let loader = header
        .loader
        .clone()
        .and_then(|range| loader(&path, &range));
    Some((header, loader))
}

/// The loader's path. It may be anywhere in the file: `patchelf` moves it to the end.
fn loader(file: &Path, range: &Range<u64>) -> Option<PathBuf> {
    let length = range
        .end
        .checked_sub(range.start)
        .filter(|&length| length <= MAX_LOADER)?;
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    OpenFile::open(file)
        .ok()??
        .read_exact_at(&mut bytes, range.start)
        .ok()?;
    let text = std::str::from_utf8(bytes.strip_suffix(b"\0")?).ok()?;
    Some(PathBuf::from(text)).filter(|path| path.is_absolute())
}

/// Reads the ELF header and the program header that names the loader (`PT_INTERP`).
fn header(bytes: &[u8]) -> Option<Header> {
    let fields = ElfFields::of(bytes)?;
    let (wide, big) = (fields.wide, fields.big);
    let machine = fields.number(18, 2)?;
    let flags = fields.number(if wide { 48 } else { 36 }, 4)?;
    // 40 is EM_ARM. The mask selects the EABI version in the top byte and EF_ARM_ABI_FLOAT_HARD.
    let hard_float = (machine, wide) == (40, false) && flags & 0xff00_0400 == 0x0500_0400;
    let mut segments = fields.segments()?.into_iter();
    let loader = segments.find(|segment| segment.kind == segment_kind::LOADER);
    Some(Header {
        arch: arch(machine, wide, big),
        hard_float,
        loader: loader.map(|segment| segment.in_file),
    })
}

/// The architecture as platform tags name it.
fn arch(machine: u64, wide: bool, big: bool) -> Option<&'static str> {
    Some(match (machine, wide, big) {
        (3, false, false) => "i686",
        (21, true, false) => "ppc64le",
        (21, true, true) => "ppc64",
        (22, true, true) => "s390x",
        // Machine 62 with 32-bit addresses is x32, whose programs cannot load `x86_64` wheels.
        (62, true, false) => "x86_64",
        (183, true, false) => "aarch64",
        (243, true, false) => "riscv64",
        (258, true, false) => "loongarch64",
        _ => return None,
    })
}

/// The version that glibc states in a file of its own: `GNU C Library (…) stable release version
/// 2.36.`, or `ld.so (…) …`. `name` is the beginning of that text.
fn glibc_version(bytes: &[u8], name: &[u8]) -> Option<(u32, u32)> {
    const VERSION: &str = "release version ";
    let start = memmem::find(bytes, name)?;
    let line = bytes[start..]
        .split(|&byte| byte == b'\n' || byte == 0)
        .next()?;
    let line = String::from_utf8_lossy(line);
    version(&line[line.find(VERSION)? + VERSION.len()..])
}

/// The version in musl's loader: the only text between two zero bytes that consists of three
/// numbers. `None` if there are two such texts.
fn musl_version(bytes: &[u8]) -> Option<(u32, u32)> {
    // The usage text proves that the file is musl's, before a bare number counts as its version.
    memmem::find(bytes, b"musl libc (")?;
    let mut found = None;
    for text in bytes.split(|&byte| byte == 0) {
        // `1.2.3` has 5 bytes, and three numbers of three digits have 11.
        let is_version = (5..12).contains(&text.len())
            && text.split(|&byte| byte == b'.').count() == 3
            && text
                .split(|&byte| byte == b'.')
                .all(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit));
        if is_version && found.replace(text).is_some_and(|before| before != text) {
            return None;
        }
    }
    version(std::str::from_utf8(found?).ok()?)
}

/// The first two numbers of a text that begins with a version.
pub(super) fn version(text: &str) -> Option<(u32, u32)> {
    let (major, rest) = text.split_once('.')?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    Some((major.parse().ok()?, rest[..end].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The start of an ELF file with one program header, which is of this type.
    fn crafted(wide: bool, big: bool, machine: u16, flags: u32, kind: u32) -> Vec<u8> {
        let mut bytes = vec![0; 128];
        bytes[..6].copy_from_slice(&[
            0x7f,
            b'E',
            b'L',
            b'F',
            1 + u8::from(wide),
            1 + u8::from(big),
        ]);
        let mut put = |at: usize, width: usize, value: u64| {
            let all = value.to_be_bytes();
            let mut field = all[8 - width..].to_vec();
            if !big {
                field.reverse();
            }
            bytes[at..at + width].copy_from_slice(&field);
        };
        let word = if wide { 8 } else { 4 };
        put(18, 2, machine.into());
        put(if wide { 32 } else { 28 }, word, 64);
        put(if wide { 48 } else { 36 }, 4, flags.into());
        put(if wide { 54 } else { 42 }, 2, if wide { 56 } else { 32 });
        put(if wide { 56 } else { 44 }, 2, 1);
        put(64, 4, kind.into());
        put(if wide { 72 } else { 68 }, word, 0x2e0);
        put(if wide { 96 } else { 80 }, word, 28);
        bytes
    }

    #[test]
    fn every_architecture_has_its_name() {
        let known = [
            (true, false, 62, "x86_64"),
            (false, false, 3, "i686"),
            (true, false, 183, "aarch64"),
            (true, false, 21, "ppc64le"),
            (true, true, 21, "ppc64"),
            (true, true, 22, "s390x"),
            (true, false, 243, "riscv64"),
            (true, false, 258, "loongarch64"),
        ];
        for (wide, big, machine, name) in known {
            let header = header(&crafted(wide, big, machine, 0, 3)).unwrap();
            assert_eq!(
                header,
                Header {
                    arch: Some(name),
                    hard_float: false,
                    loader: Some(0x2e0..0x2fc)
                }
            );
        }
    }

    #[test]
    fn uncertain_platforms_are_none() {
        // x32 is neither of the two architectures of its processor, and ARM's name is the kernel's.
        assert_eq!(header(&crafted(false, false, 62, 0, 3)).unwrap().arch, None);
        assert_eq!(header(&crafted(false, false, 40, 0, 3)).unwrap().arch, None);
        assert_eq!(header(&crafted(true, true, 183, 0, 3)).unwrap().arch, None);
        assert_eq!(
            header(&crafted(true, false, 62, 0, 1)).unwrap().loader,
            None
        );
        assert_eq!(header(b"#!/bin/sh\n"), None);
        assert_eq!(platform(Path::new("/nowhere/python")), None);
    }

    #[test]
    fn hard_float_needs_abi_5() {
        assert!(
            header(&crafted(false, false, 40, 0x0500_0400, 3))
                .unwrap()
                .hard_float
        );
        assert!(
            !header(&crafted(false, false, 40, 0x0500_0200, 3))
                .unwrap()
                .hard_float
        );
        assert!(
            !header(&crafted(false, false, 40, 0x0400_0400, 3))
                .unwrap()
                .hard_float
        );
    }

    #[test]
    fn cut_off_and_huge_fields_are_no_reason_to_panic() {
        for whole in [
            crafted(true, false, 62, 0, 3),
            crafted(false, true, 62, 0, 1),
        ] {
            for length in 0..whole.len() {
                let _ = header(&whole[..length]);
            }
            for at in 6..whole.len() {
                let mut bytes = whole.clone();
                let end = (at + 8).min(bytes.len());
                bytes[at..end].fill(0xff);
                let _ = header(&bytes);
            }
        }
    }

    #[test]
    fn versions_of_libraries() {
        let glibc = |bytes| glibc_version(bytes, b"GNU C Library");
        let stable =
            b"..G GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\nCopyright";
        assert_eq!(glibc(stable), Some((2, 36)));
        assert_eq!(
            glibc(b"GNU C Library development release version 2.39.9000."),
            Some((2, 39))
        );
        assert_eq!(glibc(b"release version 2.36."), None);
        assert_eq!(glibc(b"GNU C Library\nrelease version 2.36."), None);
        let loader = b"ld.so\0ld.so (GNU libc) stable release version 2.41.\n";
        assert_eq!(glibc_version(loader, b"ld.so ("), Some((2, 41)));
        let musl = b"\x00127.0.0.1\x001.2.4\0musl libc (x86_64)\nVersion %s\x001.2.4\0";
        assert_eq!(musl_version(musl), Some((1, 2)));
        assert_eq!(musl_version(b"\x001.2.4\0"), None);
        assert_eq!(musl_version(b"musl libc (x)\x001.2.4\x001.3.0\0"), None);
        assert_eq!(musl_version(b"musl libc (x)\x001.2.4-git-3-gab\0"), None);
    }
}
