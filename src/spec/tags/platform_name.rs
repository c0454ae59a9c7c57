//! Names of platforms, as people write them to describe a system that is not this one.
//!
//! Input: one of uv's names (`aarch64-manylinux_2_28`, `x86_64-apple-darwin`, `windows`) or the
//! platform tag of a wheel (`musllinux_1_2_x86_64`, "Platform Tag"). Output: a [`Platform`].
//! Invariants: [`Platform::tag`] of a platform that was read is read as the same platform. Limits:
//! no Android, iOS or Pyodide.

use std::str::FromStr;

use super::Platform;
use crate::spec::digits::number;

/// The C library that a system without a version in its name has at least, as in uv: that of RHEL 8
/// and Debian 10.
const GLIBC: (u32, u32) = (2, 28);
/// The same for riscv64, which older systems do not run on.
const GLIBC_OF_RISCV64: (u32, u32) = (2, 39);
/// The musl that such a system has at least, as in uv: that of Alpine 3.13.
const MUSL: (u32, u32) = (1, 2);
/// The macOS that such a system has at least, as in uv.
const MACOS: (u32, u32) = (13, 0);

/// The architectures of Linux, as wheel tags and as target triples name them.
const LINUX: &[(&str, &str)] = &[
    ("x86_64", "x86_64"),
    ("aarch64", "aarch64"),
    ("i686", "i686"),
    ("armv7l", "armv7"),
    ("ppc64le", "powerpc64le"),
    ("s390x", "s390x"),
    ("riscv64", "riscv64"),
    ("loongarch64", "loongarch64"),
];

/// The architectures of macOS, as wheel tags and as target triples name them.
const MAC: &[(&str, &str)] = &[("arm64", "aarch64"), ("x86_64", "x86_64")];

/// The tags of Windows, and the architectures as target triples name them.
const WINDOWS: &[(&str, &str)] = &[
    ("win_amd64", "x86_64"),
    ("win_arm64", "aarch64"),
    ("win32", "i686"),
];

/// The names that are understood, for people.
const KNOWN: &str = "`linux`, `macos`, `windows`; `ARCH-manylinux_2_28`, `ARCH-manylinux2014`, \
                     `ARCH-musllinux_1_2`; `ARCH-unknown-linux-gnu`, `ARCH-unknown-linux-musl`, \
                     `ARCH-apple-darwin`, `ARCH-pc-windows-msvc`; or the platform tag of a wheel: \
                     `manylinux_2_28_ARCH`, `musllinux_1_2_ARCH`, `linux_ARCH`, \
                     `macosx_13_0_arm64`, `macosx_13_0_x86_64`, `win_amd64`, `win_arm64`, `win32`, \
                     `any`";

impl FromStr for Platform {
    type Err = String;

    /// Reads a name; case does not matter. The error lists the names that are known.
    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.to_ascii_lowercase();
        of_alias(&name)
            .or_else(|| of_triple(&name))
            .or_else(|| of_tag(&name))
            .ok_or_else(|| {
                let archs: Vec<&str> = LINUX.iter().map(|(tag, _)| *tag).collect();
                format!(
                    "no such platform is known; known are {KNOWN}, and ARCH may be {}",
                    archs.join(", ")
                )
            })
    }
}

impl Platform {
    /// The platform tag that names this system best, such as `manylinux_2_28_x86_64`.
    pub fn tag(&self) -> String {
        match self {
            Self::Glibc { major, minor, arch } => format!("manylinux_{major}_{minor}_{arch}"),
            Self::Musl { major, minor, arch } => format!("musllinux_{major}_{minor}_{arch}"),
            Self::Linux { arch } => format!("linux_{arch}"),
            Self::MacOs { major, minor, arch } => format!("macosx_{major}_{minor}_{arch}"),
            Self::Other(name) => name.clone(),
        }
    }

    /// Whether it is Windows.
    pub fn is_windows(&self) -> bool {
        matches!(self, Self::Other(name) if WINDOWS.iter().any(|(tag, _)| tag == name))
    }

    fn glibc((major, minor): (u32, u32), arch: &str) -> Self {
        let arch = arch.to_owned();
        Self::Glibc { major, minor, arch }
    }

    fn musl((major, minor): (u32, u32), arch: &str) -> Self {
        let arch = arch.to_owned();
        Self::Musl { major, minor, arch }
    }

    fn mac((major, minor): (u32, u32), arch: &str) -> Self {
        let arch = arch.to_owned();
        Self::MacOs { major, minor, arch }
    }
}

/// The names of systems without an architecture mean the usual one.
fn of_alias(name: &str) -> Option<Platform> {
    match name {
        "linux" => Some(Platform::glibc(GLIBC, "x86_64")),
        "macos" => Some(Platform::mac(MACOS, "arm64")),
        "windows" => Some(Platform::Other("win_amd64".to_owned())),
        "any" => Some(Platform::Other("any".to_owned())),
        _ => None,
    }
}

/// `ARCH-SYSTEM`, where the architecture is named as in a triple or as in a tag.
fn of_triple(name: &str) -> Option<Platform> {
    let (arch, system) = name.split_once('-')?;
    let tag_of = |table: &[(&'static str, &str)]| {
        let mut rows = table.iter();
        rows.find(|(tag, triple)| *tag == arch || *triple == arch)
            .map(|(tag, _)| *tag)
    };
    match system {
        "apple-darwin" => Some(Platform::mac(MACOS, tag_of(MAC)?)),
        "pc-windows-msvc" => Some(Platform::Other(tag_of(WINDOWS)?.to_owned())),
        "unknown-linux-gnu" | "unknown-linux-gnueabihf" | "unknown-linux" => {
            let arch = tag_of(LINUX)?;
            let version = if arch == "riscv64" {
                GLIBC_OF_RISCV64
            } else {
                GLIBC
            };
            Some(Platform::glibc(version, arch))
        }
        "unknown-linux-musl" | "unknown-linux-musleabihf" => {
            Some(Platform::musl(MUSL, tag_of(LINUX)?))
        }
        _ => of_tag(&format!("{system}_{}", tag_of(LINUX)?)),
    }
}

/// A wheel's platform tag.
fn of_tag(name: &str) -> Option<Platform> {
    if WINDOWS.iter().any(|(tag, _)| *tag == name) {
        return Some(Platform::Other(name.to_owned()));
    }
    if let Some(rest) = name.strip_prefix("macosx_") {
        let (version, arch) = versioned(rest)?;
        let is_known = MAC.iter().any(|(tag, _)| *tag == arch);
        return is_known.then(|| Platform::mac(version, arch));
    }
    let (system, arch) = LINUX
        .iter()
        .find_map(|(arch, _)| Some((name.strip_suffix(arch)?.strip_suffix('_')?, *arch)))?;
    match system {
        "linux" => Some(Platform::Linux {
            arch: arch.to_owned(),
        }),
        // The names of PEP 513, 571 and 599 for what PEP 600 numbers.
        "manylinux1" => Some(Platform::glibc((2, 5), arch)),
        "manylinux2010" => Some(Platform::glibc((2, 12), arch)),
        "manylinux2014" => Some(Platform::glibc((2, 17), arch)),
        _ => {
            let (libc, version) = system.split_once('_')?;
            let (version, rest) = versioned(version)?;
            match libc {
                _ if !rest.is_empty() => None,
                "manylinux" => Some(Platform::glibc(version, arch)),
                "musllinux" => Some(Platform::musl(version, arch)),
                _ => None,
            }
        }
    }
}

/// The two numbers at the start of `13_0_arm64`, and what follows them.
fn versioned(text: &str) -> Option<((u32, u32), &str)> {
    let (major, rest) = text.split_once('_')?;
    let (minor, rest) = rest.split_once('_').unwrap_or((rest, ""));
    Some(((number(major)?, number(minor)?), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(name: &str) -> Option<String> {
        name.parse::<Platform>().ok().map(|platform| platform.tag())
    }

    #[test]
    fn names_of_uv_and_tags_of_wheels_are_understood() {
        for (name, expected) in [
            ("linux", "manylinux_2_28_x86_64"),
            ("Linux", "manylinux_2_28_x86_64"),
            ("macos", "macosx_13_0_arm64"),
            ("windows", "win_amd64"),
            ("any", "any"),
            ("x86_64-unknown-linux-gnu", "manylinux_2_28_x86_64"),
            ("aarch64-unknown-linux-gnu", "manylinux_2_28_aarch64"),
            ("aarch64-unknown-linux-musl", "musllinux_1_2_aarch64"),
            ("riscv64-unknown-linux", "manylinux_2_39_riscv64"),
            ("armv7-unknown-linux-gnueabihf", "manylinux_2_28_armv7l"),
            ("powerpc64le-unknown-linux-gnu", "manylinux_2_28_ppc64le"),
            ("aarch64-manylinux_2_17", "manylinux_2_17_aarch64"),
            ("x86_64-manylinux2014", "manylinux_2_17_x86_64"),
            ("x86_64-musllinux_1_1", "musllinux_1_1_x86_64"),
            ("aarch64-apple-darwin", "macosx_13_0_arm64"),
            ("x86_64-apple-darwin", "macosx_13_0_x86_64"),
            ("x86_64-pc-windows-msvc", "win_amd64"),
            ("aarch64-pc-windows-msvc", "win_arm64"),
            ("i686-pc-windows-msvc", "win32"),
            ("manylinux1_i686", "manylinux_2_5_i686"),
            ("manylinux2010_x86_64", "manylinux_2_12_x86_64"),
            ("manylinux2014_s390x", "manylinux_2_17_s390x"),
            ("linux_riscv64", "linux_riscv64"),
            ("macosx_10_9_x86_64", "macosx_10_9_x86_64"),
            ("win32", "win32"),
        ] {
            let read = tag(name);
            assert_eq!(read.as_deref(), Some(expected), "{name}");
            assert_eq!(tag(expected), read, "{expected}");
        }
    }

    #[test]
    fn other_names_are_refused_with_the_known_ones() {
        for name in [
            "",
            "amiga",
            "linux_",
            "linux_vax",
            "manylinux_2_x86_64",
            "manylinux_2_28_1_x86_64",
            "manylinux_2_28",
            "macosx_11_0_universal2",
            "macosx_11_arm64",
            "macosx_11_0_armv7l",
            "win_vax",
            "aarch64-manylinux",
            "x86_64-manylinux_2",
            "vax-unknown-linux-gnu",
            "x86_64-unknown-freebsd",
            "x86_64-",
            "-",
        ] {
            let error = name.parse::<Platform>().expect_err(name);
            assert!(
                error.contains("`aarch64") || error.contains("aarch64"),
                "{error}"
            );
        }
    }
}
