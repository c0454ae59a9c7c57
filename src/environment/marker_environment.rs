//! The values of environment markers for an interpreter, without starting it.
//!
//! Input: a [`Python`]. Output: its [`MarkerEnvironment`]. Invariant: the fields of the system are
//! those of the running kernel, as Python's `platform` asks it; for an interpreter elsewhere they
//! follow from its platform, and `platform_release` and `platform_version` are empty, as in uv.
//! Limits: a pre-release of Python counts as its release; the version of an implementation other
//! than CPython is known only as far as its ABI names it.

use super::Python;
use crate::spec::marker::MarkerEnvironment;
use crate::spec::tags::{Implementation, Platform};

/// The fields of `uname`.
struct Kernel {
    system: String,
    release: String,
    version: String,
    machine: String,
}

/// The values of all fields ("Dependency specifiers", "Defined environment marker fields").
pub fn marker_values(python: &Python) -> MarkerEnvironment {
    let uname = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let here = Kernel {
        system: text(uname.sysname()),
        release: text(uname.release()),
        version: text(uname.version()),
        machine: text(uname.machine()),
    };
    let elsewhere = kernel_of(&python.target.platform).filter(|_| python.is_elsewhere);
    values(python, elsewhere.unwrap_or(here))
}

/// The kernel of a platform, as far as the platform's name tells; `None` for the platform `any`.
fn kernel_of(platform: &Platform) -> Option<Kernel> {
    let (system, machine) = match platform {
        Platform::Glibc { arch, .. } | Platform::Musl { arch, .. } | Platform::Linux { arch } => {
            ("Linux", arch.as_str())
        }
        Platform::MacOs { arch, .. } => ("Darwin", arch.as_str()),
        Platform::Other(name) => ("Windows", machine_of_windows(name)?),
    };
    Some(Kernel {
        system: system.to_owned(),
        release: String::new(),
        version: String::new(),
        machine: machine.to_owned(),
    })
}

/// `platform.machine()` on Windows, as the variable `PROCESSOR_ARCHITECTURE` has it.
fn machine_of_windows(platform: &str) -> Option<&'static str> {
    match platform {
        "win_amd64" => Some("AMD64"),
        "win_arm64" => Some("ARM64"),
        "win32" => Some("x86"),
        _ => None,
    }
}

fn values(python: &Python, kernel: Kernel) -> MarkerEnvironment {
    let target = &python.target;
    let full = python.version.to_string();
    let (name, title) = match &target.implementation {
        Implementation::CPython => ("cpython", "CPython"),
        Implementation::PyPy => ("pypy", "PyPy"),
        Implementation::Other(name) if name == "graalpy" => ("graalpy", "GraalVM"),
        Implementation::Other(name) => (name.as_str(), name.as_str()),
    };
    // The specification uses `0` for an implementation without a version.
    let implementation_version = match target.implementation {
        Implementation::CPython => full.clone(),
        _ => target
            .abi
            .as_deref()
            .and_then(version_in_abi)
            .unwrap_or_else(|| "0".to_owned()),
    };
    MarkerEnvironment {
        implementation_name: name.to_owned(),
        implementation_version,
        os_name: if target.platform.is_windows() {
            "nt".to_owned()
        } else {
            "posix".to_owned()
        },
        platform_machine: machine(&target.platform, kernel.machine),
        platform_python_implementation: title.to_owned(),
        sys_platform: sys_platform(&target.platform, &kernel.system, &kernel.release),
        platform_release: kernel.release,
        platform_system: kernel.system,
        platform_version: kernel.version,
        python_full_version: full,
        python_version: format!("{}.{}", target.version.0, target.version.1),
    }
}

/// `7.3` from `pypy311-pp73`.
fn version_in_abi(abi: &str) -> Option<String> {
    let digits = abi
        .rsplit(['-', '_'])
        .next()?
        .trim_start_matches(|c: char| !c.is_ascii_digit());
    let (major, minor) = digits.split_at_checked(1)?;
    minor
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(())?;
    Some(if minor.is_empty() {
        major.to_owned()
    } else {
        format!("{major}.{minor}")
    })
}

/// `platform.machine()`: the kernel's processor, also if the interpreter is a 32-bit one. An
/// interpreter of a foreign one is run by an emulator, which calls the processor by its name.
fn machine(platform: &Platform, kernel: String) -> String {
    match platform {
        Platform::Glibc { arch, .. } | Platform::Musl { arch, .. } | Platform::Linux { arch } => {
            let is_smaller = matches!(
                (arch.as_str(), kernel.as_str()),
                ("i686", "x86_64") | ("armv8l", "aarch64")
            );
            if is_smaller { kernel } else { arch.clone() }
        }
        Platform::MacOs { arch, .. } => arch.clone(),
        Platform::Other(_) => kernel,
    }
}

/// `sys.platform`; on systems that are neither Linux nor macOS the system's name and the first
/// number of its release.
fn sys_platform(platform: &Platform, system: &str, release: &str) -> String {
    match platform {
        Platform::Glibc { .. } | Platform::Musl { .. } | Platform::Linux { .. } => {
            "linux".to_owned()
        }
        Platform::MacOs { .. } => "darwin".to_owned(),
        // It was named so when there was a 16-bit Windows.
        Platform::Other(_) if platform.is_windows() => "win32".to_owned(),
        Platform::Other(_) => {
            let major = release
                .split(|c: char| !c.is_ascii_digit())
                .next()
                .unwrap_or_default();
            format!("{}{major}", system.to_lowercase())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::process::Command;

    use super::*;
    use crate::environment::{Locate, locate};
    use crate::spec::tags::Target;
    use crate::spec::version::Version;

    #[test]
    fn c67_the_values_are_those_that_the_interpreter_gives() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().join("venv");
        let made = Command::new("python3")
            .args(["-m", "venv", "--without-pip"])
            .arg(&root)
            .status()
            .unwrap();
        assert!(made.success());
        let code = "import json, os, sys, platform as p; v = sys.implementation.version; \
                    print(json.dumps({\
            'implementation_name': sys.implementation.name,\
            'implementation_version': '%d.%d.%d' % (v.major, v.minor, v.micro),\
            'os_name': os.name, 'platform_machine': p.machine(),\
            'platform_python_implementation': p.python_implementation(), 'platform_release': \
            p.release(),\
            'platform_system': p.system(), 'platform_version': p.version(),\
            'python_full_version': p.python_version(), 'python_version': \
            '.'.join(p.python_version_tuple()[:2]),\
            'sys_platform': sys.platform}))";
        let output = Command::new(root.join("bin/python"))
            .args(["-I", "-c", code])
            .output()
            .unwrap();
        let mut said: BTreeMap<String, String> = serde_json::from_slice(&output.stdout).unwrap();
        let mut take = |name: &str| said.remove(name).unwrap();
        let expected = MarkerEnvironment {
            implementation_name: take("implementation_name"),
            implementation_version: take("implementation_version"),
            os_name: take("os_name"),
            platform_machine: take("platform_machine"),
            platform_python_implementation: take("platform_python_implementation"),
            platform_release: take("platform_release"),
            platform_system: take("platform_system"),
            platform_version: take("platform_version"),
            python_full_version: take("python_full_version"),
            python_version: take("python_version"),
            sys_platform: take("sys_platform"),
        };
        let found = locate(&Locate {
            target: Some(root),
            ..Locate::default()
        })
        .unwrap();
        assert_eq!(marker_values(found.python().unwrap()), expected);
    }

    #[test]
    fn an_interpreter_elsewhere_has_the_values_of_its_platform() {
        let values = |platform: &str| {
            let target = Target {
                version: (3, 12),
                platform: platform.parse().unwrap(),
                ..Target::of_tests()
            };
            let values = marker_values(&Python {
                executable: None,
                version: Version::parse("3.12.0").unwrap(),
                target,
                is_elsewhere: true,
            });
            let unknown = [&values.platform_release, &values.platform_version];
            if platform != "any" {
                assert!(unknown.iter().all(|value| value.is_empty()), "{platform}");
            }
            [
                values.os_name,
                values.sys_platform,
                values.platform_system,
                values.platform_machine,
                values.python_full_version,
                values.implementation_version,
            ]
            .join(" ")
        };
        for (platform, expected) in [
            ("linux", "posix linux Linux x86_64"),
            ("aarch64-unknown-linux-musl", "posix linux Linux aarch64"),
            ("linux_i686", "posix linux Linux i686"),
            ("macos", "posix darwin Darwin arm64"),
            ("macosx_10_9_x86_64", "posix darwin Darwin x86_64"),
            ("windows", "nt win32 Windows AMD64"),
            ("win_arm64", "nt win32 Windows ARM64"),
            ("win32", "nt win32 Windows x86"),
        ] {
            assert_eq!(values(platform), format!("{expected} 3.12.0 3.12.0"));
        }
        // The platform of pure wheels tells nothing, so that this machine is meant.
        assert!(!values("any").contains("Windows"));
    }

    #[test]
    fn other_interpreters_and_systems_are_named_as_python_names_them() {
        let linux = |arch: &str| Platform::Linux { arch: arch.into() };
        let machine =
            |platform: &Platform, kernel: &str| super::machine(platform, kernel.to_owned());
        assert_eq!(machine(&linux("i686"), "x86_64"), "x86_64");
        assert_eq!(machine(&linux("aarch64"), "x86_64"), "aarch64");
        let other = Platform::Other("freebsd-14.0-release-amd64".into());
        assert_eq!(machine(&other, "amd64"), "amd64");
        assert_eq!(sys_platform(&other, "FreeBSD", "14.0-RELEASE"), "freebsd14");
        let mac = Platform::MacOs {
            major: 14,
            minor: 2,
            arch: "arm64".into(),
        };
        assert_eq!(sys_platform(&mac, "Darwin", "23.2.0"), "darwin");
        assert_eq!(version_in_abi("pypy311-pp73").as_deref(), Some("7.3"));
        assert_eq!(version_in_abi("graalpy"), None);
        assert_eq!(version_in_abi(""), None);
    }
}
