//! The tags of `pkg_install::spec::tags` compared with those of Python's own `packaging`, for this
//! interpreter and for other targets.
//!
//! Needs `python3` with pip (which carries a copy of `packaging`) or with `packaging` itself; the
//! newer of the two is used.

use std::process::Command;

use pkg_install::spec::tags::{Implementation, Platform, Target, supported};
use serde_json::{Value, json};

/// Reads targets from its first argument and writes their tags, this interpreter's tags, and what
/// its `packaging` can do.
///
/// `packaging` asks the running system for its C library; the answers are replaced by those of the
/// target.
const ORACLE: &str = r#"
import json, os, platform, struct, sys, sysconfig
found = []
for name in ("pip._vendor.packaging", "packaging"):
    try:
        package = __import__(name, fromlist=["x"])
        tags = __import__(name + ".tags", fromlist=["x"])
        found.append((tuple(int(part) for part in package.__version__.split(".")[:2]), tags))
    except ImportError:
        pass
if not found:
    sys.exit("neither pip nor packaging can be imported by " + sys.executable)
version, tags = max(found, key=lambda pair: pair[0])
many, musl = tags._manylinux, tags._musllinux

def this_platform():
    system = platform.system()
    name = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    if system == "Darwin":
        major, minor = platform.mac_ver()[0].split(".")[:2]
        return {"kind": "mac", "major": int(major), "minor": int(minor), "arch": platform.machine()}
    if system != "Linux":
        return {"kind": "other", "name": name}
    arch = name.split("_", 1)[1]
    if struct.calcsize("P") == 4:
        arch = {"x86_64": "i686", "aarch64": "armv8l"}.get(arch, arch)
    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION").rsplit()[1]
        major, minor = libc.split(".")[:2]
        return {"kind": "glibc", "major": int(major), "minor": int(minor), "arch": arch}
    except (AttributeError, OSError, ValueError, IndexError):
        found = musl._get_musl_version(sys.executable)
        if found is None:
            return {"kind": "linux", "arch": arch}
        return {"kind": "musl", "major": found[0], "minor": found[1], "arch": arch}

this = {
    "implementation": sys.implementation.name,
    "version": list(sys.version_info[:2]),
    "soabi": sysconfig.get_config_var("SOABI"),
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "debug": bool(sysconfig.get_config_var("Py_DEBUG")),
    "platform": this_platform(),
    "tags": [str(tag) for tag in tags.sys_tags()],
}

def platforms(of):
    kind, pair = of["kind"], (of.get("major"), of.get("minor"))
    if kind == "mac":
        return list(tags.mac_platforms(pair, of["arch"]))
    if kind == "other":
        return [of["name"]]
    many._is_linux_armhf = many._is_linux_i686 = lambda *_: True
    many._get_glibc_version = lambda: many._GLibCVersion(*pair) if kind == "glibc" else (-1, -1)
    musl._get_musl_version = lambda _: musl._MuslVersion(*pair) if kind == "musl" else None
    answers = {"get_platform": staticmethod(lambda: "linux-" + of["arch"])}
    tags.sysconfig = type("Sysconfig", (), answers)
    return list(tags._linux_platforms(is_32bit=False))

def answer(case):
    found, python = platforms(case["platform"]), tuple(case["version"])
    nodot = "".join(map(str, python))
    if case["name"] == "cp":
        own = list(tags.cpython_tags(python, case["abis"], found))
    else:
        own = list(tags.generic_tags(case["name"] + nodot, case["abis"], found))
    pure = {"cp": "cp" + nodot, "pp": "pp3"}.get(case["name"])
    return [str(tag) for tag in own + list(tags.compatible_tags(python, pure, found))]

print(json.dumps({
    "packaging": version,
    "this": this,
    "threads": hasattr(tags, "_is_threaded_cpython"),
    "abi3t": hasattr(tags, "_abi3t_applies"),
    "fat3": "fat3" in tags._mac_binary_formats((10, 9), "x86_64"),
    "arm": "archs" in many.platform_tags.__code__.co_varnames[:1],
    "answers": [answer(case) for case in json.loads(sys.argv[1])],
}))
"#;

fn ask(cases: &[Value]) -> Value {
    let output = Command::new("python3")
        .args(["-c", ORACLE, &Value::from(cases).to_string()])
        .output()
        .expect("these tests need a python3 in PATH");
    assert!(
        output.status.success(),
        "these tests need a python3 with pip or packaging: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("the oracle writes JSON")
}

fn strings(value: &Value) -> Vec<String> {
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(|text| text.as_str().expect("a text").to_owned())
        .collect()
}

fn number(value: &Value) -> u32 {
    value
        .as_u64()
        .and_then(|number| u32::try_from(number).ok())
        .expect("a number")
}

/// Our tags as an older `packaging` would write and order them. Only the differences between the
/// versions are undone here:
///
/// * before 26.3 `linux_ARCH` was the last platform of a group and not the first;
/// * before 26.1 there was no `abi3t`, and older ones gave a free-threaded Python the `abi3` that
///   it cannot load;
/// * older ones call the `fat3` of macOS `fat32`;
/// * before 22 `sys_tags()` (and only it) left out `cpXY-none-any`, which the first test undoes.
fn as_written_by(oracle: &Value, threaded: bool, ours: Vec<String>) -> Vec<String> {
    let packaging = (
        number(&oracle["packaging"][0]),
        number(&oracle["packaging"][1]),
    );
    let has = |feature: &str| oracle[feature].as_bool().expect("a flag");
    let mut tags = ours;
    if threaded && !has("threads") {
        tags.iter_mut()
            .for_each(|tag| *tag = tag.replace("-abi3t-", "-abi3-"));
    } else if !has("abi3t") {
        tags.retain(|tag| !tag.contains("-abi3t-"));
    }
    if !has("fat3") {
        tags.iter_mut()
            .for_each(|tag| *tag = tag.replace("_fat3", "_fat32"));
    }
    if packaging >= (26, 3) {
        return tags;
    }
    let group = |tag: &String| tag.rsplit_once('-').map(|(head, _)| head.to_owned());
    tags.chunk_by(|one, next| group(one) == group(next))
        .flat_map(|group| {
            let (plain, rest): (Vec<_>, Vec<_>) = group
                .iter()
                .cloned()
                .partition(|tag| tag.contains("-linux_"));
            rest.into_iter().chain(plain)
        })
        .collect()
}

fn written(target: &Target) -> Vec<String> {
    supported(target).iter().map(ToString::to_string).collect()
}

fn platform(of: &Value) -> Platform {
    let text = |key: &str| of[key].as_str().expect("a text").to_owned();
    let version = || (number(&of["major"]), number(&of["minor"]));
    match of["kind"].as_str().expect("a kind") {
        "glibc" => Platform::Glibc {
            major: version().0,
            minor: version().1,
            arch: text("arch"),
        },
        "musl" => Platform::Musl {
            major: version().0,
            minor: version().1,
            arch: text("arch"),
        },
        "mac" => Platform::MacOs {
            major: version().0,
            minor: version().1,
            arch: text("arch"),
        },
        "linux" => Platform::Linux { arch: text("arch") },
        _ => Platform::Other(text("name")),
    }
}

#[test]
fn c11_this_interpreter_supports_what_packaging_says() {
    let oracle = ask(&[]);
    let this = &oracle["this"];
    let target = Target {
        implementation: match this["implementation"].as_str().expect("a name") {
            "cpython" => Implementation::CPython,
            "pypy" => Implementation::PyPy,
            other => Implementation::Other(other.to_owned()),
        },
        version: (number(&this["version"][0]), number(&this["version"][1])),
        abi: this["soabi"].as_str().map(str::to_owned),
        free_threaded: this["free_threaded"].as_bool().expect("a flag"),
        debug: this["debug"].as_bool().expect("a flag"),
        platform: platform(&this["platform"]),
    };
    let mut ours = as_written_by(&oracle, target.free_threaded, written(&target));
    if number(&oracle["packaging"][0]) < 22 {
        ours.retain(|tag| !(tag.starts_with("cp") && tag.ends_with("-none-any")));
    }
    assert_eq!(ours, strings(&this["tags"]), "{target}");
}

/// A target for the oracle and for us. `abis` are those that `packaging` would find out on the
/// target itself.
struct Case {
    target: Target,
    asked: Value,
    /// Only a recent `packaging` knows its architecture.
    recent: bool,
}

fn case(name: &str, version: (u32, u32), abis: &[&str], on: Value) -> Case {
    let flags = abis
        .first()
        .and_then(|abi| abi.strip_prefix("cp"))
        .unwrap_or_default();
    let target = Target {
        implementation: match name {
            "cp" => Implementation::CPython,
            "pp" => Implementation::PyPy,
            "ip" => Implementation::Other("ironpython".to_owned()),
            other => Implementation::Other(other.to_owned()),
        },
        version,
        abi: abis.first().map(|abi| (*abi).to_owned()),
        free_threaded: flags.contains('t'),
        debug: flags.contains('d'),
        platform: platform(&on),
    };
    let recent = matches!(
        on["arch"].as_str(),
        Some("armv8l" | "riscv64" | "loongarch64")
    );
    let asked =
        json!({"name": name, "version": [version.0, version.1], "abis": abis, "platform": on});
    Case {
        target,
        asked,
        recent,
    }
}

fn cases() -> Vec<Case> {
    let on = |kind: &str, version: (u32, u32), arch: &str| {
        let (major, minor) = version;
        json!({"kind": kind, "major": major, "minor": minor, "arch": arch})
    };
    let other = |name: &str| json!({"kind": "other", "name": name});
    let cpython = |version, abis: &[&str], on| case("cp", version, abis, on);
    vec![
        cpython((3, 12), &["cp312"], on("glibc", (2, 39), "x86_64")),
        cpython((3, 12), &["cp312"], on("glibc", (2, 4), "x86_64")),
        cpython((3, 9), &["cp39"], on("glibc", (2, 31), "i686")),
        cpython((3, 10), &["cp310"], on("glibc", (2, 39), "aarch64")),
        cpython((3, 10), &["cp310"], on("glibc", (2, 16), "aarch64")),
        cpython((3, 10), &["cp310"], on("glibc", (2, 28), "armv7l")),
        cpython((3, 10), &["cp310"], on("glibc", (2, 28), "armv8l")),
        cpython((3, 13), &["cp313"], on("glibc", (2, 41), "riscv64")),
        cpython((3, 13), &["cp313"], on("glibc", (2, 38), "loongarch64")),
        cpython((3, 13), &["cp313"], on("glibc", (2, 38), "ppc64le")),
        cpython((3, 13), &["cp313"], on("glibc", (2, 38), "s390x")),
        cpython((3, 13), &["cp313"], on("glibc", (2, 36), "mips64")),
        cpython((3, 13), &["cp313"], on("glibc", (3, 1), "x86_64")),
        cpython((3, 13), &["cp313t"], on("glibc", (2, 39), "x86_64")),
        cpython(
            (3, 14),
            &["cp314td", "cp314t"],
            on("glibc", (2, 39), "x86_64"),
        ),
        cpython(
            (3, 12),
            &["cp312d", "cp312"],
            on("glibc", (2, 39), "x86_64"),
        ),
        cpython((3, 7), &["cp37m"], on("glibc", (2, 31), "x86_64")),
        cpython((3, 2), &["cp32m"], on("glibc", (2, 31), "x86_64")),
        cpython((4, 0), &["cp40"], on("glibc", (2, 50), "x86_64")),
        cpython((3, 11), &["cp311"], on("musl", (1, 2), "x86_64")),
        cpython((3, 11), &["cp311"], on("musl", (1, 2), "armv8l")),
        cpython((3, 11), &["cp311"], on("linux", (0, 0), "x86_64")),
        cpython((3, 12), &["cp312"], on("mac", (14, 0), "arm64")),
        cpython((3, 12), &["cp312"], on("mac", (12, 6), "x86_64")),
        cpython((3, 9), &["cp39"], on("mac", (10, 15), "x86_64")),
        cpython((3, 9), &["cp39"], on("mac", (10, 16), "arm64")),
        cpython((3, 14), &["cp314t"], on("mac", (26, 1), "arm64")),
        cpython((3, 12), &["cp312"], other("win_amd64")),
        cpython((3, 13), &["cp313t"], other("win_arm64")),
        cpython((3, 11), &["cp311"], other("freebsd_14_0_release_amd64")),
        case(
            "pp",
            (3, 11),
            &["pypy311_pp73"],
            on("glibc", (2, 36), "x86_64"),
        ),
        case(
            "pp",
            (3, 10),
            &["pypy310_pp73"],
            on("mac", (11, 2), "x86_64"),
        ),
        case(
            "graalpy",
            (3, 11),
            &["graalpy242_311_native"],
            on("glibc", (2, 36), "aarch64"),
        ),
        case("ip", (3, 4), &[], other("win_amd64")),
    ]
}

#[test]
fn c11_e104_other_targets_support_what_packaging_says() {
    let cases = cases();
    let oracle = ask(&cases
        .iter()
        .map(|case| case.asked.clone())
        .collect::<Vec<_>>());
    let answers = oracle["answers"].as_array().expect("a list");
    assert_eq!(answers.len(), cases.len());
    let knows_recent = oracle["arm"].as_bool().expect("a flag");
    for (case, answer) in cases.iter().zip(answers) {
        let ours = as_written_by(&oracle, case.target.free_threaded, written(&case.target));
        if case.recent && !knows_recent {
            // It gives such a machine `linux_ARCH` and nothing that follows from it; all it gives
            // must still be ours.
            assert!(
                strings(answer).iter().all(|tag| ours.contains(tag)),
                "{}",
                case.target
            );
        } else {
            assert_eq!(ours, strings(answer), "{}", case.target);
        }
    }
}
