//! A wheel has a file at a path that is already taken in the environment: by another project, by a
//! file without an owner, by a link.
//!
//! Conflicts between wheels are in [`conflicts`](crate::conflicts).

use crate::conflicts::{project, read, texts, two_of_a_kind, wheels, with_unowned};
use crate::support::scene::{Scene, assert_unchanged, site_packages, tree};
use crate::support::verdict::{Rows, refused};
use crate::support::wheel_builder::Wheel;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

#[test]
fn r88_a_file_of_an_installed_project() {
    let scene = Scene::new();
    let venv = scene.venv();
    let paths = wheels(&scene, &two_of_a_kind());
    scene.install(&venv, &[&paths[0]]).assert_code(0);
    let says = ["cv2/cv2.py", "opencv-python", "opencv-contrib-python"];
    refused(&scene, &venv, &[&paths[1]], 4, &says);
    scene
        .install(&venv, &["--on-conflict", "first", &paths[1]])
        .assert_code(0);
    assert_eq!(read(&site_packages(&venv).join("cv2/cv2.py")), "one");
    assert_eq!(
        Rows::of(&venv, "opencv_contrib_python-1.0.dist-info").lies(),
        [""; 0]
    );

    let scene = Scene::new();
    let venv = scene.venv();
    let paths = wheels(&scene, &two_of_a_kind());
    scene.install(&venv, &[&paths[0]]).assert_code(0);
    scene
        .install(&venv, &["--on-conflict", "last", &paths[1]])
        .assert_code(0);
    assert_eq!(read(&site_packages(&venv).join("cv2/cv2.py")), "two");
    assert_eq!(
        Rows::of(&venv, "opencv_contrib_python-1.0.dist-info").lies(),
        [""; 0]
    );
    assert_eq!(
        Rows::of(&venv, "opencv_python-1.0.dist-info").lies(),
        [""; 0],
        "the loser's RECORD states what is on disk"
    );
}

#[test]
fn e66_a_project_that_is_replaced_loses_no_record_to_its_own_new_version() {
    let scene = Scene::new();
    let venv = scene.venv();
    let shared = [
        project("one", &[("ns/shared.py", "same"), ("one.py", "1")]),
        project("two", &[("ns/shared.py", "same")]),
    ];
    let paths = wheels(&scene, &shared);
    scene.install(&venv, &texts(&paths)).assert_code(0);
    let newer = Wheel::new("one", "2.0")
        .file("ns/shared.py", "other")
        .file("one.py", "2");
    let newer = wheels(&scene, &[newer]).remove(0);
    refused(&scene, &venv, &[&newer], 4, &["ns/shared.py"]);
    scene
        .install(&venv, &["--on-conflict", "last", &newer])
        .assert_code(0);
    assert_eq!(read(&site_packages(&venv).join("ns/shared.py")), "other");
    assert!(!site_packages(&venv).join("one-1.0.dist-info").exists());
    for dist_info in ["one-2.0.dist-info", "two-1.0.dist-info"] {
        assert_eq!(Rows::of(&venv, dist_info).lies(), [""; 0], "{dist_info}");
    }
}

#[test]
fn e70_r89_a_file_without_an_owner() {
    let scene = Scene::new();
    let (venv, file) = with_unowned(&scene, "mine\n");
    let path = wheels(&scene, &[project("demo", &[("mod.py", "theirs\n")])]).remove(0);
    refused(
        &scene,
        &venv,
        &[&path],
        4,
        &["mod.py", "demo", "different contents"],
    );
    scene
        .install(&venv, &["--on-conflict", "first", &path])
        .assert_code(0);
    assert_eq!(read(&file), "mine\n");
    assert_eq!(Rows::of(&venv, "demo-1.0.dist-info").lies(), [""; 0]);

    let scene = Scene::new();
    let (venv, file) = with_unowned(&scene, "mine\n");
    let path = wheels(&scene, &[project("demo", &[("mod.py", "theirs\n")])]).remove(0);
    scene
        .install(&venv, &["--on-conflict", "last", &path])
        .assert_code(0);
    assert_eq!(read(&file), "theirs\n");
    assert_eq!(Rows::of(&venv, "demo-1.0.dist-info").lies(), [""; 0]);
}

#[test]
fn r89_equal_bytes_without_an_owner_are_no_conflict() {
    let scene = Scene::new();
    let (venv, file) = with_unowned(&scene, "same\n");
    let path = wheels(&scene, &[project("demo", &[("mod.py", "same\n")])]).remove(0);
    scene.install(&venv, &[path]).assert_code(0);
    assert_eq!(read(&file), "same\n");
    assert_eq!(Rows::of(&venv, "demo-1.0.dist-info").lies(), [""; 0]);
}

#[test]
fn r89_equal_bytes_that_cannot_be_executed_are_no_conflict() {
    let scene = Scene::new();
    let venv = scene.venv();
    let tool = venv.join("bin/tool");
    fs::write(&tool, "#!/bin/sh\nexit 0\n").expect("it can be written");
    let wheel = Wheel::new("demo", "1.0").data("scripts/tool", "#!/bin/sh\nexit 0\n");
    scene.install(&venv, &[scene.wheel(&wheel)]).assert_code(0);
    let mode = fs::metadata(&tool)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o755, "a script of a wheel can be executed");
}

#[test]
fn e57_a_directory_link_within_the_environment_is_followed() {
    let scene = Scene::new();
    let venv = scene.venv();
    fs::create_dir_all(venv.join("share/man")).expect("directories can be made");
    symlink("share/man", venv.join("man")).expect("a link can be made");
    let wheel = Wheel::new("demo", "1.0").data("data/man/man1/demo.1", "page\n");
    scene.install(&venv, &[scene.wheel(&wheel)]).assert_code(0);
    assert_eq!(read(&venv.join("share/man/man1/demo.1")), "page\n");
    assert!(
        fs::symlink_metadata(venv.join("man"))
            .expect("it is there")
            .is_symlink()
    );
    let rows = Rows::of(&venv, "demo-1.0.dist-info");
    assert!(
        rows.rows.contains_key("../../../man/man1/demo.1"),
        "{:?}",
        rows.paths()
    );
    assert_eq!(rows.lies(), [""; 0]);
    let same = Wheel::new("other", "1.0").data("data/share/man/man1/demo.1", "other page\n");
    refused(
        &scene,
        &venv,
        &[&scene.wheel(&same).display().to_string()],
        4,
        &["man1/demo.1", "demo", "other"],
    );
}

#[test]
fn e58_r95_a_directory_link_out_of_the_environment_is_refused() {
    let scene = Scene::new();
    let venv = scene.venv();
    let outside = scene.join("outside");
    fs::create_dir(&outside).expect("a directory can be made");
    symlink(&outside, site_packages(&venv).join("demo")).expect("a link can be made");
    let wheel = project("demo", &[("demo/__init__.py", ""), ("demo/sub/x.py", "")]);
    let before = tree(&outside);
    let path = scene.wheel(&wheel).display().to_string();
    for policy in ["error", "first", "last"] {
        let says = ["demo", "symbolic link", &outside.display().to_string()];
        refused(&scene, &venv, &["--on-conflict", policy, &path], 5, &says);
    }
    assert_unchanged(&before, &tree(&outside));
}

#[test]
fn e59_r97_a_link_where_a_file_has_to_be_is_never_written_through() {
    let scene = Scene::new();
    let venv = scene.venv();
    let outside = scene.write("outside.py", "mine\n");
    let link = site_packages(&venv).join("mod.py");
    symlink(&outside, &link).expect("a link can be made");
    let path = scene
        .wheel(&project("demo", &[("mod.py", "theirs\n")]))
        .display()
        .to_string();
    refused(
        &scene,
        &venv,
        &[&path],
        4,
        &["mod.py", "demo", "symbolic link"],
    );
    scene
        .install(&venv, &["--on-conflict", "last", &path])
        .assert_code(0);
    assert!(
        !fs::symlink_metadata(&link)
            .expect("it is there")
            .is_symlink()
    );
    assert_eq!(
        (read(&link), read(&outside)),
        ("theirs\n".to_owned(), "mine\n".to_owned())
    );
    assert_eq!(Rows::of(&venv, "demo-1.0.dist-info").lies(), [""; 0]);
}

#[test]
fn r97_a_link_that_stays_is_recorded_as_what_it_is() {
    let scene = Scene::new();
    let venv = scene.venv();
    let outside = scene.write("outside.py", "mine\n");
    let link = site_packages(&venv).join("mod.py");
    symlink(&outside, &link).expect("a link can be made");
    let [path] = &wheels(&scene, &[project("demo", &[("mod.py", "theirs\n")])])[..] else {
        panic!("one wheel")
    };
    scene
        .install(&venv, &[path, "--on-conflict", "first"])
        .assert_code(0);
    assert!(
        fs::symlink_metadata(&link)
            .expect("it is there")
            .is_symlink()
    );
    assert_eq!(
        Rows::of(&venv, "demo-1.0.dist-info").rows["mod.py"],
        (String::new(), String::new())
    );
    scene.install(&venv, &["check"]).assert_code(0);
}

#[test]
fn e60_r98_a_file_with_a_second_name_keeps_its_bytes_there() {
    let scene = Scene::new();
    let (venv, file) = with_unowned(&scene, "cached\n");
    let second = scene.join("cache");
    fs::hard_link(&file, &second).expect("a second name can be made");
    let path = scene
        .wheel(&project("demo", &[("mod.py", "theirs\n")]))
        .display()
        .to_string();
    scene
        .install(&venv, &["--on-conflict", "last", &path])
        .assert_code(0);
    assert_eq!(
        (read(&file), read(&second)),
        ("theirs\n".to_owned(), "cached\n".to_owned())
    );
    assert_eq!(fs::metadata(&second).expect("it is there").nlink(), 1);
}
