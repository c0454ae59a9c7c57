//! Metadata of a wheel: file name, WHEEL, METADATA, tags and pinned hashes, each refused or
//! accepted.
//!
//! RECORD is tested in [`record_levels`](crate::record_levels).

use sha2::Digest as _;

use crate::support::scene::{Scene, interpreter, site_packages, tree};
use crate::support::verdict::{Case, all_accepted, all_refused, refused};
use crate::support::wheel_builder::{Wheel, digest};

fn demo() -> Wheel {
    Wheel::new("demo", "1.0").file("demo/__init__.py", "x = 1\n")
}

/// The wheel with this WHEEL.
fn wheel_says(text: &str) -> Case {
    Case::new(&format!("WHEEL {text:?}"), &demo().raw_wheel(text))
}

/// The wheel with this METADATA.
fn metadata_says(text: &str) -> Case {
    Case::new(&format!("METADATA {text:?}"), &demo().raw_metadata(text))
}

/// The correct wheel under another file name.
fn called(name: &str) -> Case {
    Case::named(name, name, demo().bytes())
}

#[test]
fn c01_c02_c03_r71_e31_e32_wheel_versions() {
    all_refused([
        wheel_says("Wheel-Version: 2.0\nRoot-Is-Purelib: true\n")
            .says(&["Wheel-Version is 2.0", "1.x"]),
        wheel_says("Wheel-Version: 10.1\nRoot-Is-Purelib: true\n").says(&["Wheel-Version is 10.1"]),
        wheel_says("Root-Is-Purelib: true\n").says(&["WHEEL has no `Wheel-Version`"]),
        wheel_says("").says(&["WHEEL has no `Wheel-Version`"]),
        wheel_says("Wheel-Version: 1.9.dev\n").says(&["`Wheel-Version: 1.9.dev`", "not valid"]),
        wheel_says("Wheel-Version: one\n").says(&["`Wheel-Version: one`"]),
        wheel_says("Wheel-Version: -1.0\n").says(&["`Wheel-Version: -1.0`"]),
        Case::new("no WHEEL", &demo().without("{dist-info}/WHEEL"))
            .says(&["demo-1.0.dist-info/WHEEL", "missing"]),
        Case::new(
            "not UTF-8",
            &demo().raw_wheel(b"Wheel-Version: 1.0\nX: \xff\n"),
        )
        .says(&["`WHEEL` is not UTF-8"]),
    ]);
    all_accepted([
        wheel_says("Wheel-Version: 1.9\nRoot-Is-Purelib: true\n").says(&[
            "warning",
            "Wheel-Version is 1.9",
            "1.0",
        ]),
        wheel_says("Wheel-Version: 0.1\nRoot-Is-Purelib: true\n"),
        wheel_says("Wheel-Version: 1.0\nWheel-Version: 9.9\nRoot-Is-Purelib: true\n"),
    ]);
}

#[test]
fn c06_c07_e30_metadata_that_cannot_be_trusted() {
    let version =
        |version: &str| format!("Metadata-Version: {version}\nName: demo\nVersion: 1.0\n");
    all_refused([
        Case::new("no METADATA", &demo().without("{dist-info}/METADATA"))
            .says(&["dist-info/METADATA", "missing"]),
        metadata_says(&version("3.0")).says(&["Metadata-Version is 3.0", "2.x"]),
        metadata_says(&version("two")).says(&["`Metadata-Version: two`"]),
        metadata_says("Name: demo\nVersion: 1.0\n").says(&["METADATA has no `Metadata-Version`"]),
        metadata_says("Metadata-Version: 2.1\nVersion: 1.0\n").says(&["METADATA has no `Name`"]),
        metadata_says("Metadata-Version: 2.1\nName: demo\n").says(&["METADATA has no `Version`"]),
        metadata_says("Metadata-Version: 2.1\nName: -demo-\nVersion: 1.0\n")
            .says(&["`Name: -demo-`"]),
        metadata_says("Metadata-Version: 2.1\nName: demo\nVersion: soon\n")
            .says(&["`Version: soon`"]),
        Case::new(
            "not UTF-8",
            &demo()
                .raw_metadata(b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n\nGr\xfc\xdfe\n"),
        )
        .says(&["`METADATA` is not UTF-8"]),
    ]);
    all_accepted([
        metadata_says(&version("2.9")).says(&["warning", "Metadata-Version is 2.9"]),
        metadata_says(&version("1.0")),
        Case::new(
            "other files are bytes",
            &demo().dist_info_file("licenses/LICENSE", b"\xff\xfe\x00"),
        ),
    ]);
}

#[test]
fn c08_c10_e25_e26_r69_r70_one_dist_info_of_the_same_project() {
    let other = |directory: &str| Case::new(directory, &demo().dist_info(directory));
    all_refused([
        Case::new("two", &demo().file("other-2.0.dist-info/METADATA", "x")).says(&[
            "2 `.dist-info` directories",
            "demo-1.0.dist-info",
            "other-2.0.dist-info",
        ]),
        Case::new("none", &demo().dist_info("demo-1.0.info")).says(&["no `.dist-info` directory"]),
        other("demobar-1.0.dist-info").says(&["`demobar-1.0.dist-info`", "`demo-1.0.dist-info`"]),
        other("dem-1.0.dist-info").says(&["`dem-1.0.dist-info`"]),
        other("demo-1.1.dist-info").says(&["`demo-1.1.dist-info`", "`demo-1.0.dist-info`"]),
        other("demo.dist-info").says(&["`demo.dist-info`"]),
        other("demo-1.0.dist-info.dist-info")
            .says(&["`demo-1.0.dist-info.dist-info`", "`demo-1.0.dist-info`"]),
        metadata_says("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
            .says(&["Name", "`other`", "`demo`"]),
        metadata_says("Metadata-Version: 2.1\nName: demo\nVersion: 2.0\n")
            .says(&["Version", "`2.0`", "`1.0`"]),
    ]);
    all_accepted([
        Case::new(
            "a nested one",
            &demo().file("demo/_vendor/x-1.dist-info/METADATA", "x"),
        ),
        other("Demo-1.0.0.dist-info"),
        metadata_says("Metadata-Version: 2.1\nName: DEMO\nVersion: 1.0.0\n"),
    ]);
}

#[test]
fn e27_a_local_version_may_be_missing_from_the_metadata() {
    let wheel = |file: &str, inside: &str| {
        let metadata = format!("Metadata-Version: 2.1\nName: demo\nVersion: {inside}\n");
        let name = format!("demo-{file}-py3-none-any.whl");
        let wheel = demo()
            .dist_info(&format!("demo-{inside}.dist-info"))
            .raw_metadata(metadata);
        Case::new(&format!("{file} holds {inside}"), &wheel.file_name(&name))
    };
    all_accepted([
        wheel("1.0+cu121", "1.0"),
        wheel("1.0+cu121", "1.0+cu121"),
        wheel("1.0+Cu_121", "1.0+cu.121"),
    ]);
    let others = [
        wheel("1.0", "1.0+cu121"),
        wheel("1.0+cu121", "1.0+cpu"),
        wheel("1.0+cu121", "1.1"),
    ];
    all_refused(others.map(|case| case.says(&["dist-info directory", "the file name requires"])));
}

#[test]
fn c09_r72_file_names() {
    all_refused([
        called("demo-1.0-py3-none.whl").says(&["not a wheel's file name"]),
        called("demo-1.0.whl").says(&["not a wheel's file name"]),
        called("demo-1.0--none-any.whl").says(&["not a wheel's file name"]),
        called("demo-1.0-py3-none-.whl").says(&["not a wheel's file name"]),
        called("demo-1.0-py3..py2-none-any.whl").says(&["not a wheel's file name"]),
        called("demo-1.0-build-py3-none-any.whl").says(&["not a wheel's file name"]),
        called("demo-1.0-1-2-py3-none-any.whl").says(&["not a wheel's file name"]),
        called("demo-soon-py3-none-any.whl").says(&["version"]),
        called("_demo-1.0-py3-none-any.whl").says(&["name"]),
    ]);
    all_accepted([
        called("Demo-1.0-py3-none-any.whl"),
        called("demo-1.0.0-py3-none-any.whl"),
        called("demo-1.0-1-py3-none-any.whl"),
        called("demo-1.0-20local.1-py3-none-any.whl"),
        called("demo-1.0-py2.py3-none-any.whl"),
        called("demo-1.0-PY3-None-Any.whl"),
        Case::new(
            "dots and capitals",
            &Wheel::new("A.B_c", "1.0").file("a.py", "x = 1\n"),
        ),
    ]);
}

#[test]
fn c11_r72_tags_decide_whether_a_wheel_fits() {
    let digits = interpreter().minor.replace('.', "");
    let fits = |tag: &str| Case::new(tag, &demo().tag(tag));
    let refuse = |tag: &str| fits(tag).says(&[tag, "does not fit", "--no-compat-check"]);
    all_refused(
        [
            "py2-none-any",
            "cp27-cp27mu-manylinux1_x86_64",
            "cp399-cp399-linux_x86_64",
            "py3-none-win_amd64",
            "py3-abi9-any",
        ]
        .map(refuse),
    );
    let own = format!("cp{digits}-none-any");
    all_accepted(
        [
            "py3-none-any",
            "py2.py3-none-any",
            "cp27.py3-none-any.win32",
            own.as_str(),
        ]
        .map(fits),
    );
    let anyway = ["py2-none-any", "cp399-cp399-win_amd64"];
    all_accepted(anyway.map(|tag| fits(tag).with(&["--no-compat-check"])));
}

#[test]
fn c12_e33_r71_what_wheel_says_of_tags_does_not_count() {
    let tags = |lines: &str| {
        wheel_says(&format!(
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n{lines}"
        ))
    };
    all_accepted([
        tags(""),
        tags("Tag:\nTag: \n"),
        tags("Tag: py2.py3-none-any\n"),
        tags("Tag: cp27-cp27mu-win32\nBuild: x\n"),
        tags("Tag: not a tag\n"),
    ]);
}

#[test]
fn c13_requires_python() {
    let asks = |text: &str| {
        Case::new(
            text,
            &demo().metadata_line(&format!("Requires-Python: {text}")),
        )
    };
    let has = interpreter().version.as_str();
    all_refused(
        [">=3.99", "<3", "~=2.7", "==3.1.*"]
            .map(|text| asks(text).says(&[text, has, "Python", "--no-compat-check"])),
    );
    let exactly = format!("!={has}");
    all_refused([asks(&exactly).says(&[has])]);
    all_accepted([">=3.6", ">=3.6,!=3.7.*", "", ">=2.7, <4"].map(asks));
    all_accepted([asks(">=3.99").with(&["--no-compat-check"])]);
    all_accepted([asks(">=3.x or so").says(&["warning", "Requires-Python", ">=3.x or so"])]);
}

#[test]
fn r73_metadata_that_is_far_too_large_is_not_read() {
    let huge = "demo-1.0.dist-info/entry_points.txt";
    let wheel = demo()
        .dist_info_file("entry_points.txt", "")
        .tamper_entry(huge, |entry| {
            entry.both(|header| header.usize = 1 << 29);
        });
    all_refused([Case::new("half a gigabyte, as stated", &wheel)
        .with(&["--verify", "off"])
        .says(&[huge, "536870912", "the limit is 1048576"])]);
}

#[test]
fn r73_headers_without_end_and_without_sense() {
    let start = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n";
    all_refused([
        metadata_says("Metadata-Version: 2.1\nName: de\0mo\nVersion: 1.0\n")
            .says(&["`Name: de\\u{0}mo`"]),
        metadata_says("Metadata-Version: 2.1\nName: demo\nVersion: 1.0\0\n")
            .says(&["`Version: 1.0\\u{0}`"]),
    ]);
    let many = format!("{start}{}", "Classifier: x\n".repeat(200_000));
    let long = format!("{start}Summary: {}\n", "x".repeat(3_000_000));
    let folded = format!("{start}Description: x\n{}", "        x\n".repeat(200_000));
    all_accepted([
        Case::new("many", &demo().raw_metadata(many)),
        Case::new("long", &demo().raw_metadata(long)),
        Case::new("of many lines", &demo().raw_metadata(folded)),
        Case::new(
            "with a zero byte in a header that is not read",
            &demo().raw_metadata(format!("{start}Summary: a\0b\n")),
        ),
    ]);
}

#[test]
fn r94_a_name_leads_no_header_elsewhere() {
    for name in ["..", "a..", "_", "-", "a\\b", "a:b"] {
        let file = format!("{name}-1.0-py3-none-any.whl");
        let wheel = demo()
            .dist_info(&format!("{name}-1.0.dist-info"))
            .data("headers/evil.h", "x");
        all_refused([Case::named(name, &file, wheel.bytes()).says(&["name"])]);
    }
}

fn sha256(bytes: &[u8]) -> String {
    sha2::Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn r38_c74_pinned_hashes() {
    let scene = Scene::new();
    let venv = scene.venv();
    let path = scene.wheel(&demo());
    let plain = path.display().to_string();
    let right = sha256(&demo().bytes());
    let wrong = "0".repeat(64);
    refused(
        &scene,
        &venv,
        &[&format!("{plain}#sha256={wrong}")],
        3,
        &[&right, &wrong, "demo-1.0-py3-none-any.whl"],
    );
    refused(
        &scene,
        &venv,
        &["--require-hashes", &plain],
        3,
        &["demo-1.0-py3-none-any.whl", "--require-hashes"],
    );
    let (both, other) = (
        format!("{plain}#sha256={right}"),
        scene.wheel(&Wheel::new("other", "2.0")),
    );
    refused(
        &scene,
        &venv,
        &["--require-hashes", &both, &other.display().to_string()],
        3,
        &["other-2.0"],
    );
    refused(
        &scene,
        &venv,
        &[&format!("{plain}#sha256={right}&sha512={wrong}{wrong}")],
        3,
        &[&wrong],
    );
    for weak in ["#sha512=12".to_owned(), "#sha256=12".to_owned()] {
        refused(&scene, &venv, &[&format!("{plain}{weak}")], 2, &[&weak]);
    }
    // md5 and sha1 prove nothing, so they do not count as a pin.
    for weak in [
        format!("#md5={}", "0".repeat(32)),
        format!("#sha1={}", "0".repeat(40)),
    ] {
        let arguments = ["--require-hashes", &format!("{plain}{weak}")];
        refused(&scene, &venv, &arguments, 3, &["--require-hashes"]);
    }
    scene
        .install(&venv, &["--require-hashes", &both])
        .assert_code(0);
    assert!(site_packages(&venv).join("demo/__init__.py").is_file());
}

#[test]
fn r61_c40_the_wrong_digest_in_the_last_file_of_the_last_of_ten_wheels() {
    let scene = Scene::new();
    let venv = scene.venv();
    let project = |number: usize| {
        let name = format!("project{number}");
        (0..20).fold(Wheel::new(&name, "1.0"), |wheel, file| {
            wheel.file(
                &format!("{name}/m{file:02}.py"),
                format!("x = {number}{file}\n"),
            )
        })
    };
    let mut wheels: Vec<String> = (0..9)
        .map(|number| scene.wheel(&project(number)).display().to_string())
        .collect();
    wheels.push(
        scene
            .wheel(&project(9).wrong_last_digest())
            .display()
            .to_string(),
    );
    let before = tree(&venv);
    for jobs in ["1", "8"] {
        let arguments: Vec<&str> = wheels
            .iter()
            .map(String::as_str)
            .chain(["-j", jobs])
            .collect();
        let stated = digest(b"other bytes");
        let actual = digest(b"x = 919\n");
        let says = [
            "project9-1.0-py3-none-any.whl",
            "project9/m19.py",
            stated.as_str(),
            actual.as_str(),
        ];
        refused(&scene, &venv, &arguments, 3, &says);
        let report = scene
            .install(&venv, &[&arguments[..], &["--json"]].concat())
            .json();
        assert_eq!(
            (&report["outcome"], &report["error"]["kind"]),
            (&"failed".into(), &"input".into())
        );
        assert_eq!(report["error"]["effect"], "untouched");
    }
    assert_eq!(before, tree(&venv));
}

#[test]
fn every_fault_of_every_wheel_is_reported_at_once() {
    let scene = Scene::new();
    let venv = scene.venv();
    let first = scene.wheel(
        &demo()
            .omit_from_record("demo/__init__.py")
            .raw_wheel("Wheel-Version: 2.0\n"),
    );
    let second = scene.wheel(&Wheel::new("other", "1.0").without("{dist-info}/METADATA"));
    let says = [
        "demo-1.0",
        "Wheel-Version is 2.0",
        "`demo/__init__.py` is not listed",
        "other-1.0",
        "METADATA",
    ];
    refused(
        &scene,
        &venv,
        &[&first.display().to_string(), &second.display().to_string()],
        3,
        &says,
    );
    let json = [
        "--json".to_owned(),
        first.display().to_string(),
        second.display().to_string(),
    ];
    let wheels = scene.install(&venv, &json).json()["error"]["wheels"].clone();
    assert_eq!(wheels.as_array().map(Vec::len), Some(2), "{wheels}");
    assert_eq!(
        wheels[0]["faults"].as_array().map(Vec::len),
        Some(2),
        "{wheels}"
    );
}
