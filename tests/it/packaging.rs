//! Requirements, markers and sets of versions are read as the library `packaging` reads them.
//!
//! `tests/outside/against/compare_with_packaging.py` made the sample, and checks random lines in
//! the same way: the variable `PACKAGING_CASES` names its file.

use pkg_install::spec::marker::{Marker, MarkerEnvironment, MarkerScope, Sets};
use pkg_install::spec::requirement::Requirement;
use pkg_install::spec::version::{Specifiers, Version};

const SAMPLE: &str = include_str!("../../testdata/resolve/packaging.tsv");

fn environment() -> MarkerEnvironment {
    let text = |text: &str| text.to_owned();
    MarkerEnvironment {
        implementation_name: text("cpython"),
        implementation_version: text("3.12.1"),
        os_name: text("posix"),
        platform_machine: text("x86_64"),
        platform_python_implementation: text("CPython"),
        platform_release: text("6.1.0"),
        platform_system: text("Linux"),
        platform_version: text("#1 SMP"),
        python_full_version: text("3.12.1"),
        python_version: text("3.12"),
        sys_platform: text("linux"),
    }
}

/// What a requirement says, as the script writes it.
fn requirement(text: &str) -> String {
    let Ok(read) = Requirement::parse(text) else {
        return "refused".to_owned();
    };
    let specifiers = read.specifiers().expect("no address is made");
    let inside = ["0.9", "1.0", "1.1a1", "2", "3.10"];
    let inside = inside.map(|text| Version::parse(text).expect("a version"));
    let inside = inside.iter().filter(|version| specifiers.contains(version));
    let inside: Vec<&str> = inside.map(Version::raw).collect();
    let (name, extras) = (read.name.normalized(), read.extras.join(","));
    let holds = read.applies(&environment());
    format!("{name}|{extras}|{}|{holds}", inside.join(" "))
}

fn marker(text: &str) -> String {
    match Marker::parse(text, MarkerScope::Requirement) {
        Ok(marker) => marker.holds(&environment(), &Sets::default()).to_string(),
        Err(reason) => reason,
    }
}

fn contains(specifiers: &str, version: &str) -> String {
    match (Specifiers::parse(specifiers), Version::parse(version)) {
        (Some(specifiers), Some(version)) => specifiers.contains(&version).to_string(),
        (None, Some(_)) => "refused".to_owned(),
        (_, None) => format!("`{version}` is no version"),
    }
}

#[test]
fn packaging_reads_the_same() {
    let file = std::env::var_os("PACKAGING_CASES");
    let cases = file.map_or_else(
        || SAMPLE.to_owned(),
        |path| std::fs::read_to_string(path).expect("the script has written it"),
    );
    let mut wrong = Vec::new();
    for line in cases.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [kind, text, other, expected] = fields[..] else {
            panic!("{line}");
        };
        let found = match kind {
            "requirement" => requirement(text),
            "marker" => marker(text),
            "contains" => contains(text, other),
            _ => panic!("{line}"),
        };
        if found != expected {
            wrong.push(format!("{kind} `{text}` {other}: {found}, not {expected}"));
        }
    }
    let first = wrong.iter().take(20).cloned().collect::<Vec<_>>();
    let count = wrong.len();
    assert!(wrong.is_empty(), "{count} differ:\n{}", first.join("\n"));
}
