//! Tags of some interpreters and systems, compared with those of Python's `packaging`.

use super::*;

fn target(version: (u32, u32), platform: Platform) -> Target {
    Target {
        version,
        platform,
        ..Target::of_tests()
    }
}

fn tag(text: &str) -> Tag {
    let mut parts = text.split('-').map(str::to_owned);
    let mut next = || parts.next().expect("three parts");
    Tag {
        python: next(),
        abi: next(),
        platform: next(),
    }
}

fn glibc(minor: u32, arch: &str) -> Platform {
    Platform::Glibc {
        major: 2,
        minor,
        arch: arch.to_owned(),
    }
}

#[test]
fn c11_the_best_tag_of_a_wheel_decides() {
    let set = TagSet::new(&target((3, 11), glibc(36, "x86_64")));
    assert_eq!(set.best(&[tag("cp311-cp311-linux_x86_64")]), Some(0));
    let native = set.best(&[tag("py3-none-any"), tag("cp311-cp311-manylinux2014_x86_64")]);
    assert_eq!(native, set.best(&[tag("CP311-cp311-manylinux2014_x86_64")]));
    assert!(native < set.best(&[tag("cp38-abi3-manylinux1_x86_64")]));
    assert!(set.best(&[tag("cp38-abi3-manylinux1_x86_64")]) < set.best(&[tag("py3-none-any")]));
}

#[test]
fn c11_what_does_not_fit_has_no_rank() {
    let set = TagSet::new(&target((3, 11), glibc(36, "x86_64")));
    for text in [
        "cp312-cp312-manylinux2014_x86_64",
        "cp312-abi3-manylinux2014_x86_64",
        "cp310-cp310-manylinux2014_x86_64",
        "cp311-cp311-manylinux_2_37_x86_64",
        "cp311-cp311-manylinux2014_aarch64",
        "cp311-cp311-musllinux_1_2_x86_64",
        "cp311-cp311-any",
        "py2-none-any",
        "py312-none-any",
    ] {
        assert_eq!(set.best(&[tag(text)]), None, "{text}");
    }
    assert_eq!(set.best(&[]), None);
}

#[test]
fn e104_free_threaded_and_pypy_have_their_own_abi() {
    let mut threaded = target((3, 14), glibc(36, "x86_64"));
    threaded.free_threaded = true;
    let set = TagSet::new(&threaded);
    assert!(
        set.best(&[tag("cp314-cp314t-manylinux2014_x86_64")])
            .is_some()
    );
    assert_eq!(set.best(&[tag("cp314-cp314-manylinux2014_x86_64")]), None);
    assert_eq!(set.best(&[tag("cp39-abi3-manylinux2014_x86_64")]), None);
    let mut pypy = target((3, 11), glibc(36, "x86_64"));
    pypy.implementation = Implementation::PyPy;
    pypy.abi = Some("pypy311-pp73-x86_64-linux-gnu".to_owned());
    let tags = supported(&pypy);
    assert_eq!(tags[0], tag("pp311-pypy311_pp73-linux_x86_64"));
    assert!(tags.contains(&tag("pp3-none-any")) && !tags.contains(&tag("cp311-none-any")));
}

#[test]
fn a_wrong_version_does_not_make_the_list_endless() {
    let huge = u32::MAX;
    let linux = target(
        (3, huge),
        Platform::Glibc {
            major: huge,
            minor: huge,
            arch: "x86_64".to_owned(),
        },
    );
    assert!(platforms(&linux.platform).len() < 20_000);
    assert!(mac((huge, 0), "arm64").len() < 1000);
    assert!(supported(&target((3, huge), Platform::Other("win_amd64".to_owned()))).len() < 2000);
    assert_eq!(
        platforms(&Platform::Glibc {
            major: 1,
            minor: 1,
            arch: "x86_64".to_owned()
        }),
        ["linux_x86_64"]
    );
}
