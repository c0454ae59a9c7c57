//! Installed files get what a file gets that is made in their directory: its group if it has the
//! set-group-ID bit, and its default ACL.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use rustix::fs::XattrFlags;

use crate::support::scene::{Run, Scene, assert_unchanged, site_packages, tree};
use crate::support::wheel_builder::Wheel;

const DEFAULT: &str = "system.posix_acl_default";
const ACCESS: &str = "system.posix_acl_access";

/// A wheel with a script, a module, data in an existing and in a new directory.
fn wheel(version: &str) -> Wheel {
    Wheel::new("demo", version)
        .file("demo/__init__.py", version)
        .file("shared/demo/x.py", version)
        .data("scripts/tool", "#!python\nprint()\n")
        .data("data/share/one.txt", version)
        .data("data/share/new/two.txt", version)
        .entry_points("[console_scripts]\ndemo = demo:main\n")
}

/// An environment with directories of other projects, and what is installed in each.
struct Places {
    scene: Scene,
    venv: PathBuf,
    /// Directories that are there before, and paths below them that are installed.
    installed: Vec<(PathBuf, Vec<&'static str>)>,
}

impl Places {
    fn new() -> Self {
        let scene = Scene::new();
        let venv = scene.venv();
        let library = site_packages(&venv);
        for made in [venv.join("share"), library.join("shared")] {
            fs::create_dir(made).expect("it can be made");
        }
        let installed = vec![
            (venv.join("bin"), vec!["tool", "demo"]),
            (venv.join("share"), vec!["one.txt", "new", "new/two.txt"]),
            (library.join("shared"), vec!["demo", "demo/x.py"]),
            (
                library,
                vec!["demo", "demo/__init__.py", "demo-1.0.dist-info/RECORD"],
            ),
        ];
        Self {
            scene,
            venv,
            installed,
        }
    }

    fn install(&self) {
        self.install_with(&["--store", "never"]);
    }

    /// Installs the wheel with further options.
    fn install_with(&self, options: &[&str]) -> Run {
        let wheel = self.scene.wheel(&wheel("1.0"));
        let mut command = self.scene.command();
        let run = Run::of(
            command
                .args(["--cache-dir", "cache", "--no-compat-check", "--json"])
                .arg("--target")
                .arg(&self.venv)
                .args(options)
                .arg(wheel),
        );
        run.assert_code(0);
        let state = site_packages(&self.venv).join(".pkg-install");
        assert!(!state.exists(), "nothing stays behind");
        run
    }
}

fn attribute(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = Vec::with_capacity(1 << 12);
    rustix::fs::getxattr(path, name, rustix::buffer::spare_capacity(&mut value))
        .ok()
        .map(|_| value)
}

/// What a file, and a directory, get in `directory`: group, mode and both ACLs.
type Given = (u32, u32, Option<Vec<u8>>, Option<Vec<u8>>);

fn given(path: &Path) -> Given {
    let metadata = fs::metadata(path).expect("it is there");
    let acls = (attribute(path, ACCESS), attribute(path, DEFAULT));
    (metadata.gid(), metadata.mode() & 0o7666, acls.0, acls.1)
}

fn assert_like_new_ones(places: &Places) {
    for (directory, installed) in &places.installed {
        let (file, inner) = (directory.join("probe.txt"), directory.join("probe"));
        fs::write(&file, "x").expect("it can be written");
        fs::create_dir(&inner).expect("it can be made");
        let expected = (given(&file), given(&inner));
        fs::remove_file(&file).expect("it can be removed");
        fs::remove_dir(&inner).expect("it can be removed");
        for name in installed {
            let path = directory.join(name);
            let expected = if path.is_dir() {
                &expected.1
            } else {
                &expected.0
            };
            let mut found = given(&path);
            // The execute bits are the wheel's.
            found.1 &= !0o111;
            let wanted = (
                expected.0,
                expected.1 & !0o111,
                expected.2.clone(),
                expected.3.clone(),
            );
            if path.is_dir() || found.1 == wanted.1 && found.2 == wanted.2 {
                assert_eq!(found, wanted, "{}", path.display());
            } else {
                // A program's ACL may have execute permission, so only the group is compared.
                assert_eq!(
                    (found.0, &found.3),
                    (wanted.0, &wanted.3),
                    "{}",
                    path.display()
                );
                assert_eq!(found.2.is_some(), wanted.2.is_some(), "{}", path.display());
            }
        }
    }
}

#[test]
fn files_get_the_group_of_a_directory_with_the_set_group_id_bit() {
    let places = Places::new();
    if fs::metadata(&places.venv).expect("it is there").uid() != 0 {
        return; // Only root can give directories to any group.
    }
    let groups = [Some(4711), Some(4712), Some(4711), None];
    for ((directory, _), group) in places.installed.iter().zip(groups) {
        if let Some(group) = group {
            chown(directory, None, Some(group)).expect("root may do so");
            let mode = Permissions::from_mode(0o2775);
            fs::set_permissions(directory, mode).expect("its owner may do so");
        }
    }
    places.install();
    assert_like_new_ones(&places);
    let newest = fs::metadata(places.venv.join("share/new/two.txt")).expect("it is there");
    assert_eq!(newest.gid(), 4712);
    // A library with such a group, and directories in it without.
    let other = Places::new();
    let library = site_packages(&other.venv);
    chown(&library, None, Some(4713)).expect("root may do so");
    fs::set_permissions(&library, Permissions::from_mode(0o2775)).expect("its owner may do so");
    other.install();
    assert_like_new_ones(&other);
    let script = fs::metadata(other.venv.join("bin/tool")).expect("it is there");
    assert_ne!(script.gid(), 4713);
}

/// A default ACL in the form of Linux: version 2, then tag, permissions and ID of each entry.
fn default_acl(user: u32) -> Vec<u8> {
    let none = u32::MAX;
    let entries: [(u16, u16, u32); 5] = [
        (1, 7, none),
        (2, 6, user),
        (4, 5, none),
        (16, 7, none),
        (32, 5, none),
    ];
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        acl.extend(tag.to_le_bytes());
        acl.extend(permissions.to_le_bytes());
        acl.extend(id.to_le_bytes());
    }
    acl
}

#[test]
fn files_get_the_default_acl_of_their_directory() {
    let places = Places::new();
    let users = [Some(4711), Some(4712), None, Some(4713)];
    for ((directory, _), user) in places.installed.iter().zip(users) {
        if let Some(user) = user {
            let acl = default_acl(user);
            let set = rustix::fs::setxattr(directory, DEFAULT, &acl, XattrFlags::empty());
            if set.is_err() {
                return; // This file system has no ACLs.
            }
        }
    }
    places.install();
    assert_like_new_ones(&places);
    let data = places.venv.join("share/new");
    assert_eq!(attribute(&data, DEFAULT), Some(default_acl(4712)));
}

#[test]
fn a_failure_after_staging_leaves_nothing_of_such_directories() {
    let places = Places::new();
    let acl = default_acl(4711);
    let bin = places.venv.join("bin");
    if rustix::fs::setxattr(&bin, DEFAULT, &acl, XattrFlags::empty()).is_err() {
        return; // This file system has no ACLs.
    }
    let before = tree(&places.venv);
    let wrong = wheel("1.0").wrong_digest("demo/__init__.py");
    let run = (places.scene).install(&places.venv, &[places.scene.wheel(&wrong)]);
    run.assert_code(3);
    assert_unchanged(&before, &tree(&places.venv));
}

#[test]
fn files_of_the_store_are_not_linked_into_directories_that_pass_something_on() {
    let places = Places::new();
    let acl = default_acl(4711);
    let share = places.venv.join("share");
    if rustix::fs::setxattr(&share, DEFAULT, &acl, XattrFlags::empty()).is_err() {
        return; // This file system has no ACLs.
    }
    // With a file of another project the directory stays after removing.
    fs::write(share.join("other.txt"), "x").expect("it can be written");
    // The first time the store is filled, the second time it is used.
    for expected in [1, 0] {
        let run = places.install_with(&["--store", "always", "--link-mode", "hardlink"]);
        let figures = run.json()["store"].clone();
        assert_eq!(figures["filled"], expected, "{figures}");
        assert_like_new_ones(&places);
        let links = |path: &Path| fs::metadata(path).expect("it is there").nlink();
        let library = site_packages(&places.venv);
        assert!(links(&library.join("demo/__init__.py")) > 1);
        for name in ["one.txt", "new/two.txt"] {
            let path = share.join(name);
            assert_eq!(links(&path), 1, "{name}");
            assert_eq!(fs::read(&path).expect("it can be read"), b"1.0", "{name}");
        }
        let all = [
            "uninstall",
            "--target",
            places.venv.to_str().expect("text"),
            "demo",
        ];
        places.scene.run(&all).assert_code(0);
    }
}
