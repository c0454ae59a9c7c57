//! Markers that hold and do not hold on CPython 3.11 for Linux, and markers that are refused.

use proptest::prelude::*;

use super::*;

fn linux() -> MarkerEnvironment {
    MarkerEnvironment {
        implementation_name: "cpython".into(),
        implementation_version: "3.11.7".into(),
        os_name: "posix".into(),
        platform_machine: "x86_64".into(),
        platform_python_implementation: "CPython".into(),
        platform_release: "6.18.44-fc-v509".into(),
        platform_system: "Linux".into(),
        platform_version: "#1 SMP PREEMPT_DYNAMIC @0".into(),
        python_full_version: "3.11.7".into(),
        python_version: "3.11".into(),
        sys_platform: "linux".into(),
    }
}

fn holds(text: &str) -> bool {
    let sets = Sets {
        extras: vec!["a-b".into()],
        dependency_groups: vec!["dev".into()],
        ..Sets::default()
    };
    let marker = Marker::parse(text, MarkerScope::LockedPackage)
        .unwrap_or_else(|reason| panic!("{text}: {reason}"));
    marker.holds(&linux(), &sets)
}

#[test]
fn c67_markers_hold_as_the_specification_says() {
    for (text, expected) in [
        ("sys_platform == 'win32'", false),
        ("sys_platform != \"win32\"", true),
        ("python_version >= '3.9'", true),
        ("python_version<'3.9'", false),
        ("python_version > '3.9' and python_version <= '3.11'", true),
        ("'3.9' < python_version", true),
        ("'3.12' <= python_version", false),
        ("python_version == '3.*'", true),
        ("python_version ~= '3.8'", true),
        ("'3.11.2' ~= python_version", true),
        ("python_full_version < '3.11.8'", true),
        ("python_full_version === '3.11.7'", true),
        ("python_version in '3.10, 3.11'", true),
        ("implementation_version >= '3.11'", true),
        ("platform_release >= '5'", false),
        ("platform_release == '6.18.44-fc-v509'", true),
        ("'SMP' in platform_version", true),
        ("'SMP' not  in platform_version", false),
        ("sys_platform < 'm'", false),
        ("sys_platform >= 'linux'", true),
        ("sys_platform >= 'a'", false),
        (
            "os_name == 'nt' or os_name == 'posix' and sys_platform == 'linux'",
            true,
        ),
        (
            "(os_name == 'posix' or os_name == 'nt') and (sys_platform == 'darwin')",
            false,
        ),
        ("python_version < '0'", false),
        ("platform_python_implementation != 'PyPy'", true),
    ] {
        assert_eq!(holds(text), expected, "{text}");
    }
}

#[test]
fn c68_extras_and_groups_are_sets_of_what_is_selected() {
    for (text, expected) in [
        ("'A_b' in extras", true),
        ("'c' in extras", false),
        ("'c' not in extras", true),
        ("'dev' in dependency_groups or 'x' in extras", true),
        ("extras in 'a-b'", false),
        ("'a-b' == extras", false),
        ("extras not in 'x'", false),
    ] {
        assert_eq!(holds(text), expected, "{text}");
    }
    assert!(Marker::parse("'a' in extras", MarkerScope::Plain).is_err());
}

#[test]
fn what_cannot_be_read_says_why() {
    for (text, reason) in [
        ("", "it ends too early"),
        ("python_version", "it ends too early"),
        ("python_version >", "it ends too early"),
        (
            "extra == 'x'",
            "`extra` is not a field that may be used here",
        ),
        (
            "python_versions == '3'",
            "`python_versions` is not a field that may be used here",
        ),
        ("python_version = '3'", "an operator is expected at `= '3'`"),
        ("python_version == '3", "a quote is not closed"),
        ("(python_version == '3'", "a `)` is missing"),
        ("python_version not '3'", "`not` without `in`"),
        (
            "'3' == '3'",
            "it compares something else than a field with a text in quotes",
        ),
        (
            "os_name == sys_platform",
            "it compares something else than a field with a text in quotes",
        ),
        (
            "os_name == 'nt' xor os_name == 'x'",
            "`xor os_name == 'x'` is left over",
        ),
        (
            "python_version ~= '3'",
            "`~=` needs a version of two numbers or more, and `3` is none",
        ),
        (
            "'linux' ~= sys_platform",
            "`~=` needs a field that is a version on its right",
        ),
        (
            "os_name ~= '3.1'",
            "`~=` needs a version of two numbers or more, and `3.1` is none",
        ),
        (
            "os_name == é",
            "a field or a text in quotes is expected at `é`",
        ),
    ] {
        assert_eq!(
            Marker::parse(text, MarkerScope::Plain),
            Err(reason.to_owned()),
            "{text}"
        );
    }
    let deep = "(".repeat(100_000);
    assert!(Marker::parse(&deep, MarkerScope::Plain).is_err_and(|reason| reason.contains("nest")));
}

/// Parts of markers.
const WORDS: &[&str] = &[
    "python_version",
    "extras",
    "'3.1'",
    "\"é\"",
    "==",
    "<",
    "in",
    "not",
    "and",
    "or",
    "(",
    ")",
    "~=",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_text_makes_it_panic(
        text in "[a-z_ ()'\"<>=!~.é0-9]{0,40}",
        soup in proptest::collection::vec(prop::sample::select(WORDS), 0..12),
    ) {
        for text in [text, soup.join(" ")] {
            if let Ok(marker) = Marker::parse(&text, MarkerScope::LockedPackage) {
                marker.holds(&linux(), &Sets::default());
            }
        }
    }
}

#[test]
fn lists_may_use_old_names_and_ask_for_extras() {
    for (text, expected) in [
        ("os.name == 'posix'", true),
        ("sys.platform == 'win32'", false),
        ("platform.machine == 'x86_64'", true),
        ("platform.python_implementation == 'CPython'", true),
        ("python_implementation == 'PyPy'", false),
        ("'SMP' in platform.version", true),
        ("extra == 'x'", false),
        ("extra != 'x'", true),
        ("'x' == extra or os.name == 'posix'", true),
    ] {
        let marker = Marker::parse(text, MarkerScope::Requirement).unwrap();
        assert_eq!(marker.holds(&linux(), &Sets::default()), expected, "{text}");
        for scope in [MarkerScope::Plain, MarkerScope::LockedPackage] {
            assert!(Marker::parse(text, scope).is_err(), "{text}");
        }
    }
    assert!(Marker::parse("'x' in extras", MarkerScope::Requirement).is_err());
}
