//! "Platform compatibility tags": which wheels a Python can use, best first.
//!
//! Input: a [`Target`], the facts about one interpreter and the system below it. Output: the list
//! that `packaging.tags.sys_tags()` (26.3) gives on that system, in the same order, as a [`TagSet`]
//! that ranks a wheel's tags. Invariants: the first tag is the most specific one, `py30-none-any`
//! the last. Limits: a minor version, and a macOS major version, above [`MAX_STEPS`] counts as
//! [`MAX_STEPS`]; iOS, Android and Pyodide get their own platform and no older one; a `_manylinux`
//! module, by which an interpreter may veto manylinux wheels, would have to be run and is not
//! asked.

mod platform_name;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;

use crate::spec::wheel_name::Tag;

/// The highest number that a walk over versions begins with, so that a wrong one cannot make the
/// list endless.
pub const MAX_STEPS: u32 = 200;

/// The facts that an interpreter's tags depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `sys.implementation.name`.
    pub implementation: Implementation,
    /// `sys.version_info[:2]`.
    pub version: (u32, u32),
    /// The ABI of an interpreter other than CPython, as its `SOABI` gives it: `pypy311-pp73`,
    /// `pypy311_pp73`. The ABI of CPython follows from the version and the two flags; `none` and
    /// `abi3` mean that wheels for it are left out.
    pub abi: Option<String>,
    /// `Py_GIL_DISABLED`: built without the global interpreter lock. Means something from CPython
    /// 3.13 on.
    pub free_threaded: bool,
    /// `Py_DEBUG`: a debug build, which also loads what is built for the release build of CPython
    /// 3.8 and later.
    pub debug: bool,
    /// The system that the interpreter runs on.
    pub platform: Platform,
}

/// Which Python it is; it decides the first letters of its own Python tag ("Python Tag").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Implementation {
    /// `cp`.
    CPython,
    /// `pp`.
    PyPy,
    /// Any other, by `sys.implementation.name`: `graalpy`, `ironpython`.
    Other(String),
}

/// The system, as far as platform tags name it ("Platform Tag").
///
/// `arch` is the interpreter's, not the kernel's: a 32-bit Python is `i686` on an x86-64 kernel and
/// `armv8l` on an aarch64 one. Manylinux on ARM of 32 bits (`armv7l`, `armv8l`) means the
/// hard-float ABI; a soft-float interpreter is [`Platform::Linux`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are named for what they are")]
pub enum Platform {
    /// Linux with the GNU C library of this version (PEP 600, and the names of PEP 513, 571 and
    /// 599).
    Glibc {
        major: u32,
        minor: u32,
        arch: String,
    },
    /// Linux with musl of this version (PEP 656).
    Musl {
        major: u32,
        minor: u32,
        arch: String,
    },
    /// Linux with another C library, or with one that is not known.
    Linux { arch: String },
    /// macOS of this version; `arch` is `arm64` or `x86_64`.
    MacOs {
        major: u32,
        minor: u32,
        arch: String,
    },
    /// Any other system, as `sysconfig.get_platform()` names it: `win_amd64`,
    /// `freebsd_14_0_release_amd64`.
    Other(String),
}

#[cfg(test)]
impl Target {
    /// CPython 3.11 on Linux, for tests that need any target.
    pub fn of_tests() -> Self {
        Self {
            implementation: Implementation::CPython,
            version: (3, 11),
            abi: None,
            free_threaded: false,
            debug: false,
            platform: Platform::Glibc {
                major: 2,
                minor: 36,
                arch: "x86_64".into(),
            },
        }
    }
}

impl Target {
    /// The interpreter without its platform, such as `CPython 3.13t`.
    pub fn interpreter(&self) -> String {
        let name = match &self.implementation {
            Implementation::CPython => "CPython",
            Implementation::PyPy => "PyPy",
            Implementation::Other(name) => name,
        };
        let thread = if self.free_threaded { "t" } else { "" };
        let debug = if self.debug { "d" } else { "" };
        let (major, minor) = self.version;
        format!("{name} {major}.{minor}{thread}{debug}")
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on ", self.interpreter())?;
        match &self.platform {
            Platform::Glibc { major, minor, arch } => {
                write!(f, "Linux {arch} with glibc {major}.{minor}")
            }
            Platform::Musl { major, minor, arch } => {
                write!(f, "Linux {arch} with musl {major}.{minor}")
            }
            Platform::Linux { arch } => write!(f, "Linux {arch}"),
            Platform::MacOs { major, minor, arch } => write!(f, "macOS {major}.{minor} {arch}"),
            Platform::Other(name) => f.write_str(name),
        }
    }
}

/// Every tag that `target` can use, the best one first ("Use": the order of
/// `packaging.tags.sys_tags()`).
///
/// A tag may occur twice if the interpreter's own Python tag is `py`; the first place counts.
pub fn supported(target: &Target) -> Vec<Tag> {
    let platforms = platforms(&target.platform);
    let mut list = List {
        tags: Vec::new(),
        platforms,
    };
    let own = match &target.implementation {
        Implementation::CPython => {
            cpython(target, &mut list);
            Some(format!("cp{}", joined(target.version)))
        }
        Implementation::PyPy => {
            generic(target, "pp", &mut list);
            Some("pp3".to_owned())
        }
        Implementation::Other(name) => {
            generic(target, short_name(name), &mut list);
            None
        }
    };
    pure(target.version, own.as_deref(), &mut list);
    list.tags
}

/// The list while it grows, and the platforms that each Python and ABI are combined with.
struct List {
    tags: Vec<Tag>,
    platforms: Vec<String>,
}

impl List {
    fn push(&mut self, python: &str, abi: &str, platform: &str) {
        self.tags.push(Tag {
            python: python.to_lowercase(),
            abi: abi.to_lowercase(),
            platform: platform.to_lowercase(),
        });
    }

    fn on_every_platform(&mut self, python: &str, abi: &str) {
        for index in 0..self.platforms.len() {
            let platform = self.platforms[index].clone();
            self.push(python, abi, &platform);
        }
    }
}

fn joined((major, minor): (u32, u32)) -> String {
    format!("{major}{minor}")
}

/// The abbreviations of "Python Tag"; other implementations use their full name.
fn short_name(name: &str) -> &str {
    match name {
        "python" => "py",
        "ironpython" => "ip",
        "jython" => "jy",
        other => other,
    }
}

/// Tags that only CPython supports: its own ABIs, the stable ABI, and the stable ABI of every
/// earlier version ("ABI Tag").
fn cpython(target: &Target, list: &mut List) {
    let (major, minor) = target.version;
    let python = format!("cp{}", joined(target.version));
    if !matches!(target.abi.as_deref(), Some("none" | "abi3" | "abi3t")) {
        for abi in cpython_abis(target) {
            list.on_every_platform(&python, &abi);
        }
    }
    // Free-threaded builds cannot load `abi3` extensions; their stable ABI is `abi3t` (PEP 803).
    let threaded = free_threaded(target);
    let stable = (target.version >= (3, 2)).then_some(if threaded { "abi3t" } else { "abi3" });
    if let Some(stable) = stable {
        list.on_every_platform(&python, stable);
    }
    list.on_every_platform(&python, "none");
    if let Some(stable) = stable {
        // The stable ABI exists since 3.2.
        for older in (2..minor.min(MAX_STEPS)).rev() {
            list.on_every_platform(&format!("cp{}", joined((major, older))), stable);
        }
    }
}

fn free_threaded(target: &Target) -> bool {
    target.free_threaded && target.version >= (3, 13)
}

fn cpython_abis(target: &Target) -> Vec<String> {
    let release = format!(
        "cp{}{}",
        joined(target.version),
        if free_threaded(target) { "t" } else { "" }
    );
    let debug = if target.debug { "d" } else { "" };
    if target.version < (3, 8) {
        // Before 3.8 the ABI also named the allocator, and release and debug builds could not load
        // each other's extensions.
        return vec![format!("{release}{debug}m")];
    }
    if target.debug {
        vec![format!("{release}d"), release]
    } else {
        vec![release]
    }
}

/// Tags of an interpreter without rules of its own: its ABI, and `none`.
fn generic(target: &Target, name: &str, list: &mut List) {
    let python = format!("{name}{}", joined(target.version));
    let abi = target
        .abi
        .as_deref()
        .map(abi_of_soabi)
        .filter(|abi| !abi.is_empty() && abi != "none");
    if let Some(abi) = abi {
        list.on_every_platform(&python, &abi);
    }
    list.on_every_platform(&python, "none");
}

/// The part of a `SOABI` that is an ABI; what follows names the platform once more.
fn abi_of_soabi(soabi: &str) -> String {
    let parts = if soabi.starts_with("pypy") {
        2
    } else if soabi.starts_with("graalpy") {
        3
    } else {
        usize::MAX
    };
    soabi
        .split('-')
        .take(parts)
        .collect::<Vec<_>>()
        .join("_")
        .replace(['.', ' '], "_")
}

/// Tags that do not depend on the implementation: no ABI, on this platform and then on any
/// ("Compressed Tag Sets" has `py3`).
fn pure(version: (u32, u32), own: Option<&str>, list: &mut List) {
    let (major, minor) = version;
    let mut pythons = vec![format!("py{}", joined(version)), format!("py{major}")];
    pythons.extend(
        (0..minor.min(MAX_STEPS))
            .rev()
            .map(|older| format!("py{}", joined((major, older)))),
    );
    for python in &pythons {
        list.on_every_platform(python, "none");
    }
    for python in own.into_iter().chain(pythons.iter().map(String::as_str)) {
        list.push(python, "none", "any");
    }
}

/// The platform tags of a system, the most specific one first.
fn platforms(platform: &Platform) -> Vec<String> {
    match platform {
        Platform::Glibc { major, minor, arch } => {
            let archs = loadable_archs(arch);
            let mut tags = plain_linux(&archs);
            if has_manylinux(&archs) {
                for arch in &archs {
                    manylinux((*major, *minor), arch, &mut tags);
                }
            }
            tags
        }
        Platform::Musl { major, minor, arch } => {
            let archs = loadable_archs(arch);
            let mut tags = plain_linux(&archs);
            for arch in archs {
                tags.extend(
                    (0..=(*minor).min(MAX_STEPS))
                        .rev()
                        .map(|minor| format!("musllinux_{major}_{minor}_{arch}")),
                );
            }
            tags
        }
        Platform::Linux { arch } => plain_linux(&loadable_archs(arch)),
        Platform::MacOs { major, minor, arch } => mac((*major, *minor), arch),
        Platform::Other(name) => vec![name.replace(['-', '.', ' '], "_")],
    }
}

/// The architectures whose code a process of `arch` runs: 32-bit ARM code of version 7 on version
/// 8.
fn loadable_archs(arch: &str) -> Vec<&str> {
    if arch == "armv8l" {
        vec!["armv8l", "armv7l"]
    } else {
        vec![arch]
    }
}

fn plain_linux(archs: &[&str]) -> Vec<String> {
    archs.iter().map(|arch| format!("linux_{arch}")).collect()
}

/// Whether manylinux is defined for an architecture at all.
fn has_manylinux(archs: &[&str]) -> bool {
    const DEFINED: [&str; 9] = [
        "x86_64",
        "aarch64",
        "ppc64",
        "ppc64le",
        "s390x",
        "loongarch64",
        "riscv64",
        "i686",
        "armv7l",
    ];
    archs.iter().any(|arch| DEFINED.contains(arch))
}

/// `manylinux_X_Y` from the system's glibc down to the oldest one that has a manylinux (PEP 600).
fn manylinux((major, minor): (u32, u32), arch: &str, tags: &mut Vec<String>) {
    // CentOS 5 is the oldest system ever served, and had only Intel's architectures; the others
    // begin with CentOS 7.
    let oldest = if matches!(arch, "x86_64" | "i686") {
        5
    } else {
        17
    };
    let major = major.min(MAX_STEPS);
    // Should there be a glibc 3, it runs what was built for 2; how far 2 will have gone is
    // `packaging`'s guess.
    for of_major in (2..=major).rev() {
        let newest = if of_major == major {
            minor.min(MAX_STEPS)
        } else {
            50
        };
        let oldest = if of_major == 2 { oldest } else { 0 };
        for of_minor in (oldest..=newest).rev() {
            tags.push(format!("manylinux_{of_major}_{of_minor}_{arch}"));
            let legacy = match (of_major, of_minor) {
                (2, 17) => "manylinux2014",
                (2, 12) => "manylinux2010",
                (2, 5) => "manylinux1",
                _ => continue,
            };
            tags.push(format!("{legacy}_{arch}"));
        }
    }
}

/// `macosx_X_Y` from the system's version down ("macOS").
fn mac((major, minor): (u32, u32), arch: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut push = |major: u32, minor: u32, formats: &[&str]| {
        tags.extend(
            formats
                .iter()
                .map(|format| format!("macosx_{major}_{minor}_{format}")),
        );
    };
    if major == 10 {
        for minor in (0..=minor.min(MAX_STEPS)).rev() {
            push(10, minor, &mac_formats((10, minor), arch));
        }
    }
    // From 11 on the major version is the yearly one, and wheels name the minor version 0.
    for major in (11..=major.min(MAX_STEPS)).rev() {
        push(major, 0, &mac_formats((major, 0), arch));
    }
    if major >= 11 {
        // 10.16 is what macOS 11 calls itself to programs that do not know it.
        for minor in (4..=16).rev() {
            // No arm64 code is older than 11, but a universal2 file may say so for the sake of its
            // x86_64 half.
            let formats = if arch == "x86_64" {
                mac_formats((10, minor), arch)
            } else {
                vec!["universal2"]
            };
            push(10, minor, &formats);
        }
    }
    tags
}

/// The file formats that hold code for `arch` on that version of macOS.
fn mac_formats(version: (u32, u32), arch: &str) -> Vec<&str> {
    match arch {
        "x86_64" if version < (10, 4) => Vec::new(),
        "x86_64" => vec![
            "x86_64",
            "intel",
            "fat64",
            "fat3",
            "universal2",
            "universal",
        ],
        "arm64" => vec!["arm64", "universal2"],
        other => vec![other],
    }
}

/// The supported tags of one target, with their ranks.
#[derive(Debug, Clone)]
pub struct TagSet {
    ranks: HashMap<Tag, usize>,
}

impl TagSet {
    /// The tags of [`supported`].
    pub fn new(target: &Target) -> Self {
        supported(target).into_iter().collect()
    }

    /// The rank of the tag among `tags` that fits best: 0 is the best there is; `None` if none fits
    /// and the wheel must not be installed ("Use"). Case does not matter.
    pub fn best(&self, tags: &[Tag]) -> Option<usize> {
        tags.iter().filter_map(|tag| self.rank(tag)).min()
    }

    fn rank(&self, tag: &Tag) -> Option<usize> {
        // The tags of a `WheelName` are in lower case, so the copies below are rarely made.
        let found = self.ranks.get(tag).copied();
        let parts = [&tag.python, &tag.abi, &tag.platform];
        if found.is_some()
            || !parts
                .iter()
                .any(|part| part.contains(|character: char| character.is_uppercase()))
        {
            return found;
        }
        let [python, abi, platform] = parts.map(|part| part.to_lowercase());
        self.ranks
            .get(&Tag {
                python,
                abi,
                platform,
            })
            .copied()
    }
}

impl FromIterator<Tag> for TagSet {
    /// Ranks tags by their order; the first of two equal ones counts.
    fn from_iter<I: IntoIterator<Item = Tag>>(tags: I) -> Self {
        let mut ranks = HashMap::new();
        for (rank, tag) in tags.into_iter().enumerate() {
            ranks.entry(tag).or_insert(rank);
        }
        Self { ranks }
    }
}
