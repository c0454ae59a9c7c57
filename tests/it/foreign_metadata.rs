//! A wheel speaks for itself only: nothing that it brings below `.data` becomes metadata of a
//! project, neither of another one nor its own.

use crate::support::scene::Scene;
use crate::support::verdict::{Case, all_accepted, all_refused};
use crate::support::wheel_builder::Wheel;

fn demo() -> Wheel {
    Wheel::new("demo", "1.0").file("demo.py", "x = 1\n")
}

/// The wheel with one more file below `.data`.
fn bringing(path: &str) -> Case {
    Case::new(path, &demo().data(path, "x"))
}

#[test]
fn metadata_of_another_project_below_data_is_refused() {
    let library = format!(
        "lib/python{}/site-packages",
        crate::support::scene::interpreter().minor
    );
    all_refused(
        [
            "purelib/victim-2.0.dist-info/METADATA",
            "platlib/victim-2.0.dist-info/RECORD",
            "purelib/victim.egg-info",
            "purelib/victim.egg-info/PKG-INFO",
            "purelib/Victim-2.0.DIST-INFO/METADATA",
            "purelib/victim-2.0.di\u{17f}t-info/METADATA",
            &format!("data/{library}/victim-2.0.dist-info/METADATA"),
            &format!("data/{library}/victim-2.0.dist-info"),
        ]
        .map(|path| bringing(path).says(&["metadata of a project", path])),
    );
}

#[test]
fn a_wheels_own_metadata_cannot_be_forged_below_data() {
    all_refused(
        ["INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "x"].map(|name| {
            bringing(&format!("purelib/demo-1.0.dist-info/{name}")).says(&["metadata of a project"])
        }),
    );
}

#[test]
fn a_link_inside_the_environment_is_no_way_to_metadata() {
    let scene = Scene::new();
    let venv = scene.venv_with_lib64();
    let path = format!(
        "data/lib64/python{}/site-packages/victim-2.0.dist-info/METADATA",
        crate::support::scene::interpreter().minor
    );
    let wheel = scene.wheel(&demo().data(&path, "x"));
    scene
        .install(&venv, &[wheel])
        .assert_code(3)
        .assert_stderr("metadata of a project");
}

#[test]
fn other_places_may_have_names_of_metadata() {
    all_accepted(
        [
            "purelib/vendored/other-1.0.dist-info/METADATA",
            "data/share/other-1.0.dist-info/METADATA",
            "purelib/tool.dist-info.py",
        ]
        .map(bringing),
    );
    // Old build tools packed this beside the dist-info directory.
    all_accepted([Case::new(
        "an own egg-info",
        &demo().file("demo.egg-info/PKG-INFO", "Name: demo\n"),
    )]);
}

#[test]
fn a_second_dist_info_directory_is_refused_in_every_spelling() {
    all_refused(
        ["victim-2.0.dist-info", "victim-2.0.DIST-INFO"].map(|name| {
            let second = format!("{name}/METADATA");
            Case::new(name, &demo().file(&second, "x")).says(&["2 `.dist-info` directories", name])
        }),
    );
}
