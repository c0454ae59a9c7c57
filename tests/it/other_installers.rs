//! Environments as other installers leave them: rows for directories, pip's target layout, files
//! and directories that are links into a cache, editable projects, and leftovers.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::scene::{Run, Scene, python, site_packages, tree};
use crate::support::wheel_builder::{Wheel, digest};

/// A project as another tool left it in `library`: `files` and METADATA are written, and RECORD
/// lists each file under the name that `listed` gives it, then the lines of `more`.
fn left_by_another(
    library: &Path,
    project: (&str, &str),
    files: &[(&str, &str)],
    listed: fn(&str) -> String,
    more: &str,
) {
    let (name, version) = project;
    let info = format!("{name}-{version}.dist-info");
    let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
    let own = [
        (format!("{info}/METADATA"), metadata),
        (format!("{info}/INSTALLER"), "another\n".to_owned()),
    ];
    let mut record = String::new();
    let files = files
        .iter()
        .map(|(path, content)| ((*path).to_owned(), (*content).to_owned()));
    for (path, content) in files.chain(own) {
        write(&library.join(&path), &content);
        let digest = digest(content.as_bytes());
        record += &format!("{},{digest},{}\n", listed(&path), content.len());
    }
    record += more;
    write(
        &library.join(&info).join("RECORD"),
        &format!("{record}{info}/RECORD,,\n"),
    );
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().expect("a file has a parent"))
        .expect("directories can be made");
    fs::write(path, content).expect("it can be written");
}

fn as_is(path: &str) -> String {
    path.to_owned()
}

/// The names that `list` shows.
fn listed(scene: &Scene, target: &Path) -> Vec<String> {
    let run = scene.install(target, &["list", "--json"]);
    let projects = run.assert_code(0).json()["projects"].clone();
    let projects = projects.as_array().expect("an array").iter();
    projects
        .map(|project| project["name"].as_str().expect("text").to_owned())
        .collect()
}

fn uninstall(scene: &Scene, target: &Path, name: &str) -> Run {
    scene.install(target, &["uninstall", name])
}

/// The names in a directory that begin with `pkg`.
fn names_of_pkg(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).expect("it can be listed");
    let names = names.map(|name| name.expect("it can be listed").file_name());
    let mut names: Vec<String> = names
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.starts_with("pkg"))
        .collect();
    names.sort();
    names
}

#[test]
fn an_egg_info_that_a_record_lists_is_no_project() {
    for egg in ["pkg.egg-info", "pkg-1.0-py3.9.egg-info", "other.egg-info"] {
        let scene = Scene::new();
        let venv = scene.venv();
        let wheel = |version: &str| {
            let info = format!("{egg}/PKG-INFO");
            let wheel = Wheel::new("pkg", version).file("pkg/__init__.py", version);
            scene.wheel(&wheel.file(&info, format!("Name: pkg\nVersion: {version}\n")))
        };
        let (old, new) = (wheel("1.0"), wheel("2.0"));
        scene.install(&venv, &[&old]).assert_code(0);
        assert_eq!(listed(&scene, &venv), ["pkg"], "{egg}");
        scene.install(&venv, &["check"]).assert_code(0);
        let again = scene.install(&venv, &["--json".as_ref(), old.as_os_str()]);
        assert_eq!(again.assert_code(0).json()["outcome"], "unchanged", "{egg}");
        scene.install(&venv, &[&new]).assert_code(0);
        uninstall(&scene, &venv, "pkg").assert_code(0);
        assert!(!site_packages(&venv).join(egg).exists(), "{egg}");
        assert!(names_of_pkg(&site_packages(&venv)).is_empty(), "{egg}");
    }
}

#[test]
fn a_dist_info_that_another_project_lists_blocks_nobody() {
    let scene = Scene::new();
    let venv = scene.venv();
    let library = site_packages(&venv);
    let info = "other-1.0.dist-info/METADATA";
    let files = [("pkg.py", ""), (info, "Name: other\nVersion: 1.0\n")];
    left_by_another(&library, ("pkg", "1.0"), &files, as_is, "");
    assert_eq!(listed(&scene, &venv), ["pkg"]);
    scene.install(&venv, &["check"]).assert_code(0);
    let other = scene.wheel(&Wheel::new("other", "2.0").file("other.py", ""));
    scene.install(&venv, &[&other]).assert_code(0);
    assert_eq!(listed(&scene, &venv), ["other", "pkg"]);
    uninstall(&scene, &venv, "pkg").assert_code(0);
    assert_eq!(listed(&scene, &venv), ["other"]);
}

#[test]
fn an_egg_that_no_record_lists_is_still_a_project() {
    let scene = Scene::new();
    let venv = scene.venv();
    let library = site_packages(&venv);
    left_by_another(&library, ("pkg", "1.0"), &[("pkg.py", "")], as_is, "");
    write(&library.join("egg-1.0-py3.9.egg-info"), "Name: egg\n");
    assert_eq!(listed(&scene, &venv), ["egg", "pkg"]);
}

#[test]
fn rows_for_directories_are_no_files() {
    let scene = Scene::new();
    let venv = scene.venv();
    let library = site_packages(&venv);
    let rows = "pkg/__pycache__,,\npkg/__init__.cpython-311.pyc,,\n\
                pkg-1.0.dist-info/__pycache__,,\npkg/,,\npkg/data/,,\n./pkg/sub,,\n__pycache__,,\n";
    let files = [
        ("pkg/__init__.py", ""),
        ("pkg/data/x", ""),
        ("pkg/sub/y", ""),
    ];
    left_by_another(&library, ("pkg", "1.0"), &files, as_is, rows);
    scene.install(&venv, &["check"]).assert_code(0);
    write(
        &library.join("pkg/__pycache__/__init__.cpython-311.pyc"),
        "x",
    );
    scene.install(&venv, &["check"]).assert_code(0);
    let removed = uninstall(&scene, &venv, "pkg");
    removed.assert_code(0);
    assert!(
        !removed.stderr.contains("__pycache__"),
        "{}",
        removed.stderr
    );
    assert!(!removed.stderr.contains("outside"), "{}", removed.stderr);
    assert!(names_of_pkg(&library).is_empty());
}

/// As `pip install --target` names them: from the directory in which it staged the files.
fn as_pip_target_lists(path: &str) -> String {
    match path.split('/').next() {
        Some("bin" | "share" | "include") => format!("../../{path}"),
        _ => path.to_owned(),
    }
}

#[test]
fn a_directory_that_pip_filled_is_checked_replaced_and_emptied() {
    let fill = |scene: &Scene| {
        let target = scene.join("app");
        let files = [
            ("pkg.py", "def main(): print('1.0')\n"),
            ("bin/pkgrun", "#!/bin/sh\n"),
            ("share/pkg/d.txt", "1.0"),
            ("include/python/pkg/pkg.h", "1.0"),
        ];
        left_by_another(&target, ("pkg", "1.0"), &files, as_pip_target_lists, "");
        symlink("/bin/sh", target.join("bin/python-tool")).expect("a link can be made");
        target
    };
    let scene = Scene::new();
    let target = fill(&scene);
    scene.install(&target, &["check"]).assert_code(0);
    write(&target.join("share/pkg/d.txt"), "new");
    scene.install(&target, &["check"]).assert_code(6);
    write(&target.join("share/pkg/d.txt"), "1.0");
    let new = Wheel::new("pkg", "2.0")
        .file("pkg.py", "def main(): print('2.0')\n")
        .data("data/share/pkg/d.txt", "2.0")
        .entry_points("[console_scripts]\npkgrun = pkg:main\n");
    scene.install(&target, &[scene.wheel(&new)]).assert_code(0);
    scene.install(&target, &["check"]).assert_code(0);
    assert!(!target.join("include").exists());

    let scene = Scene::new();
    let target = fill(&scene);
    let removed = uninstall(&scene, &target, "pkg");
    removed.assert_code(0);
    assert_eq!(removed.stderr, "");
    assert!(!target.join("share").exists() && !target.join("bin/pkgrun").exists());
    assert!(target.join("bin/python-tool").is_symlink());
}

#[test]
fn rows_that_lead_out_of_a_target_stay_outside() {
    let scene = Scene::new();
    let target = scene.join("app");
    let outside = scene.write("victim", "mine");
    write(&target.join("victim"), "theirs");
    let rows = "../victim,,\n../../../victim,,\n";
    left_by_another(&target, ("pkg", "1.0"), &[("pkg.py", "")], as_is, rows);
    scene.install(&target, &["check"]).assert_code(6);
    uninstall(&scene, &target, "pkg").assert_code(0);
    assert!(outside.exists() && target.join("victim").exists());
}

#[test]
fn an_editable_project_gives_way_to_a_wheel_of_its_version() {
    let scene = Scene::new();
    let venv = scene.venv();
    let library = site_packages(&venv);
    let source = scene.write("src/pkg/__init__.py", "WHERE = 'source tree'\n");
    let source = source.parent().and_then(Path::parent).expect("it is there");
    let path = format!("{}\n", source.display());
    let url = format!(
        "{{\"url\": \"file://{}\", \"dir_info\": {{\"editable\": true}}}}",
        source.display()
    );
    let files = [
        ("__editable__.pkg-1.0.pth", path.as_str()),
        ("pkg-1.0.dist-info/direct_url.json", url.as_str()),
    ];
    left_by_another(&library, ("pkg", "1.0"), &files, as_is, "");
    let wheel = Wheel::new("pkg", "1.0").file("pkg/__init__.py", "WHERE = 'wheel'\n");
    let wheel = scene.wheel(&wheel).display().to_string();
    let planned = scene
        .install(&venv, &["--dry-run", "--json", &wheel])
        .json();
    assert_eq!(planned["changes"][0]["action"], "reinstall");
    scene.install(&venv, &[&wheel]).assert_code(0);
    assert_eq!(python(&venv, "import pkg\nprint(pkg.WHERE)"), "wheel\n");
    let again = scene.install(&venv, &["--json", &wheel]).json();
    assert_eq!(again["outcome"], "unchanged");
}

#[test]
fn a_project_from_a_local_directory_that_is_not_editable_stays() {
    let scene = Scene::new();
    let venv = scene.venv();
    for url in [
        "{\"url\": \"file:///src\", \"dir_info\": {}}",
        "{\"url\": \"file:///src\", \"dir_info\": {\"editable\": false}}",
        "{\"url\": \"file:///pkg.whl\", \"archive_info\": {}}",
        "not JSON",
        "[]",
    ] {
        let files = [("pkg.py", ""), ("pkg-1.0.dist-info/direct_url.json", url)];
        left_by_another(&site_packages(&venv), ("pkg", "1.0"), &files, as_is, "");
        let wheel = scene.wheel(&Wheel::new("pkg", "1.0").file("pkg.py", ""));
        let run = scene.install(&venv, &["--json".as_ref(), wheel.as_os_str()]);
        assert_eq!(run.json()["outcome"], "unchanged", "{url}");
    }
}

#[test]
fn a_file_that_is_a_link_into_a_cache_is_checked_by_its_content() {
    let scene = Scene::new();
    let venv = scene.venv();
    let library = site_packages(&venv);
    left_by_another(
        &library,
        ("pkg", "1.0"),
        &[("pkg/x.py", "x = 1\n")],
        as_is,
        "",
    );
    let cached = scene.write("cache/x.py", "x = 1\n");
    fs::remove_file(library.join("pkg/x.py")).expect("it can be removed");
    symlink(&cached, library.join("pkg/x.py")).expect("a link can be made");
    scene.install(&venv, &["check"]).assert_code(0);
    for content in ["x = 2\n", "x = 11\n"] {
        scene.write("cache/x.py", content);
        scene.install(&venv, &["check"]).assert_code(6);
    }
    fs::remove_file(&cached).expect("it can be removed");
    scene.install(&venv, &["check"]).assert_code(6);
    uninstall(&scene, &venv, "pkg").assert_code(0);
    assert!(!library.join("pkg").exists());
}

#[test]
fn a_leftover_dist_info_is_no_project_and_goes_when_its_project_comes() {
    for left in [
        &[][..],
        &["INSTALLER"],
        &["sub/deep/x", "REQUESTED"],
        &["empty/"],
    ] {
        for version in ["1.0", "2.0"] {
            let scene = Scene::new();
            let venv = scene.venv();
            let info = site_packages(&venv).join("pkg-1.0.dist-info");
            fs::create_dir(&info).expect("it can be made");
            for name in left {
                match name.strip_suffix('/') {
                    Some(name) => fs::create_dir(info.join(name)).expect("it can be made"),
                    None => write(&info.join(name), "left"),
                }
            }
            assert!(listed(&scene, &venv).is_empty());
            scene.install(&venv, &["check"]).assert_code(0);
            let wheel = scene.wheel(&Wheel::new("pkg", version).file("pkg.py", ""));
            let run = scene.install(&venv, &["--json".as_ref(), wheel.as_os_str()]);
            assert_eq!(run.assert_code(0).json()["changes"][0]["action"], "install");
            let expected = [format!("pkg-{version}.dist-info"), "pkg.py".to_owned()];
            assert_eq!(names_of_pkg(&site_packages(&venv)), expected, "{left:?}");
            assert!(!info.join("sub").exists() && !info.join("empty").exists());
            scene.install(&venv, &["check"]).assert_code(0);
        }
    }
}

#[test]
fn a_leftover_can_be_uninstalled() {
    let scene = Scene::new();
    let venv = scene.venv();
    let info = site_packages(&venv).join("pkg-1.0.dist-info");
    fs::create_dir(&info).expect("it can be made");
    uninstall(&scene, &venv, "pkg").assert_code(0);
    assert!(!info.exists());
}

#[test]
fn a_dist_info_without_record_blocks_only_if_no_whole_one_stands_beside_it() {
    let scene = Scene::new();
    let venv = scene.venv();
    let library = site_packages(&venv);
    let alone = library.join("pkg-0.9.dist-info");
    write(&alone.join("METADATA"), "Name: pkg\nVersion: 0.9\n");
    let wheel = scene.wheel(&Wheel::new("pkg", "2.0").file("pkg.py", "new"));
    let (wheel, directory) = (wheel.display().to_string(), alone.display().to_string());
    for command in [&[wheel.as_str()][..], &["uninstall", "pkg"]] {
        let run = scene.install(&venv, command);
        run.assert_code(5).assert_stderr(&directory);
        run.assert_stderr("delete that directory");
    }
    let checked = scene.install(&venv, &["check"]);
    checked.assert_code(6);
    assert!(
        checked.stdout.contains("pkg-0.9.dist-info"),
        "{}",
        checked.stdout
    );
    assert!(!checked.stdout.contains("replaced"), "{}", checked.stdout);
    left_by_another(&library, ("pkg", "1.0"), &[("pkg.py", "old")], as_is, "");
    scene.install(&venv, &[&wheel]).assert_code(0);
    assert_eq!(names_of_pkg(&library), ["pkg-2.0.dist-info", "pkg.py"]);
}

/// A project whose directories are links into a cache, as virtualenv and pdm link them.
fn linked_out_of_a_cache(scene: &Scene, venv: &Path) {
    let cache = scene.join("cache");
    let files = [("pkg/__init__.py", "cached = True\n"), ("pkg_one.py", "")];
    left_by_another(
        &cache,
        ("pkg", "1.0"),
        &files,
        as_is,
        "../../../bin/pkgrun,,\n",
    );
    for name in ["pkg", "pkg_one.py", "pkg-1.0.dist-info"] {
        let link = site_packages(venv).join(name);
        symlink(cache.join(name), link).expect("a link can be made");
    }
    write(&venv.join("bin/pkgrun"), "#!/bin/sh\n");
}

#[test]
fn a_linked_project_is_listed_checked_replaced_and_removed_and_its_cache_stays() {
    let scene = Scene::new();
    let venv = scene.venv();
    linked_out_of_a_cache(&scene, &venv);
    let cached = tree(&scene.join("cache"));
    assert_eq!(listed(&scene, &venv), ["pkg"]);
    let again = scene.install(&venv, &[scene.wheel(&Wheel::new("pkg", "1.0"))]);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
    for version in ["1.0", "2.0"] {
        let wheel = Wheel::new("pkg", version).file("pkg/__init__.py", "cached = False\n");
        let wheel = scene.wheel(&wheel).display().to_string();
        let run = scene.install(&venv, &["--reinstall", &wheel]);
        run.assert_code(0);
        assert_eq!(run.stderr, "");
        scene.install(&venv, &["check"]).assert_code(0);
        let shown = python(&venv, "import pkg\nprint(pkg.cached)");
        assert_eq!(shown, "False\n");
        uninstall(&scene, &venv, "pkg").assert_code(0);
        assert!(names_of_pkg(&site_packages(&venv)).is_empty());
        linked_out_of_a_cache(&scene, &venv);
    }
    uninstall(&scene, &venv, "pkg").assert_code(0);
    assert!(names_of_pkg(&site_packages(&venv)).is_empty());
    assert!(!venv.join("bin/pkgrun").exists());
    assert_eq!(tree(&scene.join("cache")), cached);
}

#[test]
fn a_link_that_other_projects_are_behind_too_stays_until_the_last_leaves() {
    let scene = Scene::new();
    let venv = scene.venv();
    let cache = scene.join("cache");
    for name in ["pkg", "other"] {
        let file = format!("pkgs/{name}.py");
        left_by_another(&cache, (name, "1.0"), &[(&file, "")], as_is, "");
        let info = format!("{name}-1.0.dist-info");
        symlink(cache.join(&info), site_packages(&venv).join(&info)).expect("a link can be made");
    }
    let link = site_packages(&venv).join("pkgs");
    symlink(cache.join("pkgs"), &link).expect("a link can be made");
    uninstall(&scene, &venv, "pkg").assert_code(0);
    assert!(link.is_symlink());
    uninstall(&scene, &venv, "other").assert_code(0);
    assert!(!link.is_symlink() && cache.join("pkgs/pkg.py").exists());
}
