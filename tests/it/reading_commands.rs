//! The commands that only read: `list`, `show`, `owner` and `verify`.

use crate::support::scene::{Scene, assert_unchanged, site_packages, tree};
use crate::support::wheel_builder::Wheel;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// `web` requires `idna`, and, for its extra, `socks`.
fn two(scene: &Scene, venv: &Path) {
    let web = Wheel::new("Web", "2.0")
        .file("web/__init__.py", "x = 1\n")
        .entry_points("[console_scripts]\nweb = web:main\n")
        .metadata_line("Summary: Makes requests")
        .metadata_line("License: MIT")
        .metadata_line("Requires-Python: >=3.8")
        .metadata_line("Requires-Dist: idna (>=2)")
        .metadata_line("Requires-Dist: socks; extra == 'socks'");
    let idna = Wheel::new("idna", "3.7")
        .file("idna/core.py", "")
        .metadata_line("Classifier: License :: OSI Approved :: BSD License");
    let paths = [web, idna].map(|wheel| scene.wheel(&wheel).display().to_string());
    scene.install(venv, &paths).assert_code(0);
}

#[test]
fn list_has_a_heading_and_three_formats() {
    let scene = Scene::new();
    let venv = scene.venv();
    assert_eq!(scene.install(&venv, &["list"]).assert_code(0).stdout, "");
    two(&scene, &venv);
    let columns = scene.install(&venv, &["list"]).stdout;
    let lines: Vec<&str> = columns.lines().collect();
    assert!(lines[0].starts_with("Name  Version  Files"), "{columns}");
    assert!(lines[1].starts_with("----  -------"), "{columns}");
    assert!(lines[2].starts_with("idna  3.7 "), "{columns}");
    assert!(lines[3].starts_with("web   2.0 "), "{columns}");
    let licences = scene.install(&venv, &["list", "--licenses"]).stdout;
    assert!(
        licences.contains("Licence") && licences.contains("BSD License"),
        "{licences}"
    );
    let frozen = scene.install(&venv, &["list", "--format", "freeze"]).stdout;
    assert_eq!(frozen, "idna==3.7\nweb==2.0\n");
    let json = scene.install(&venv, &["list", "--format", "json"]).stdout;
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let expected = json!([{"name": "idna", "version": "3.7"}, {"name": "web", "version": "2.0"}]);
    assert_eq!(json, expected);
    let json = scene
        .install(&venv, &["list", "--format", "json", "--licenses"])
        .stdout;
    assert!(json.contains("\"license\":\"MIT\""), "{json}");
}

#[test]
fn what_freeze_prints_is_read_again() {
    let scene = Scene::new();
    let venv = scene.venv();
    two(&scene, &venv);
    let direct = Wheel::new("direct", "1.0").file("direct.py", "");
    let path = scene.wheel(&direct).display().to_string();
    scene
        .install(&venv, &["--direct-url", &path])
        .assert_code(0);
    let local = Wheel::new("local", "1.0").file("local.py", "");
    let local = scene.wheel(&local).display().to_string();
    scene.install(&venv, &[&local]).assert_code(0);
    let info = site_packages(&venv).join("local-1.0.dist-info/direct_url.json");
    let editable = r#"{"url": "file:///src/local", "dir_info": {"editable": true}}"#;
    fs::write(info, editable).expect("it can be written");
    let frozen = scene.install(&venv, &["list", "--format", "freeze"]).stdout;
    assert!(frozen.contains("direct @ file:///"), "{frozen}");
    assert!(frozen.contains("#sha256="), "{frozen}");
    assert!(frozen.contains("# editable: local==1.0"), "{frozen}");
    let pins = scene.write("frozen.txt", frozen).display().to_string();
    let again = scene.venv_at("again");
    let run = scene.install(&again, &["-r", &pins, "-f", "wheels"]);
    run.assert_code(0);
    assert!(site_packages(&again).join("direct.py").exists());
    assert!(site_packages(&again).join("web").exists());
}

#[test]
fn the_json_of_list_says_where_from_and_what_for() {
    let scene = Scene::new();
    let venv = scene.venv();
    two(&scene, &venv);
    let report = scene.install(&venv, &["list", "--json"]).json();
    let web = &report["projects"][1];
    for (field, value) in [
        ("name", json!("web")),
        ("location", json!(site_packages(&venv))),
        ("installer", json!("pkg-install")),
        ("requested", json!(false)),
        ("direct_url", Value::Null),
        ("requires", json!(["idna (>=2)"])),
        ("license", json!("MIT")),
    ] {
        assert_eq!(web[field], value, "{field}");
    }
    assert_eq!(report["projects"][0]["required_by"], json!(["web"]));
}

#[test]
fn show_prints_metadata_origin_and_files() {
    let scene = Scene::new();
    let venv = scene.venv();
    two(&scene, &venv);
    let run = scene.install(&venv, &["show", "WEB", "idna"]);
    run.assert_code(0);
    for line in [
        "Name: web",
        "Version: 2.0",
        "Summary: Makes requests",
        "License: MIT",
        "Installer: pkg-install",
        "Requires: idna (>=2)",
        "Requires-Python: >=3.8",
        "Required-by: web",
    ] {
        assert!(
            run.stdout.lines().any(|found| found == line),
            "{line}\n{}",
            run.stdout
        );
    }
    assert!(!run.stdout.contains("web/__init__.py"));
    let run = scene.install(&venv, &["show", "web", "--files"]);
    for path in [
        "web/__init__.py",
        "../../../bin/web",
        "web-2.0.dist-info/RECORD",
    ] {
        assert!(
            run.stdout.contains(&format!("  {path}\n")),
            "{path}\n{}",
            run.stdout
        );
    }
    let run = scene.install(&venv, &["show", "web", "gone", "--json"]);
    run.assert_code(1).assert_stderr("not installed: `gone`");
    assert_eq!(run.json()["projects"][0]["name"], "web");
    assert_eq!(run.json()["error"]["code"], "not-installed");
    assert!(!run.stderr.contains("state:"), "{}", run.stderr);
}

#[test]
fn owner_names_the_projects_of_files_directories_and_bytecode() {
    let scene = Scene::new();
    let venv = scene.venv_with_lib64();
    two(&scene, &venv);
    let library = site_packages(&venv);
    let cache = library.join("web/__pycache__");
    fs::create_dir(&cache).expect("it can be made");
    fs::write(cache.join("__init__.cpython-311.pyc"), "").expect("it can be written");
    fs::remove_file(library.join("idna/core.py")).expect("it can be removed");
    let lib64: PathBuf = venv
        .join("lib64")
        .join(library.strip_prefix(venv.join("lib")).expect("below"));
    for (path, owner) in [
        (venv.join("bin/web"), "web 2.0"),
        (library.join("web/__init__.py"), "web 2.0"),
        (lib64.join("web/__init__.py"), "web 2.0"),
        (cache.join("__init__.cpython-311.pyc"), "web 2.0"),
        (library.join("web"), "web 2.0"),
        (library.join("idna/core.py"), "idna 3.7"),
        (library.clone(), "idna 3.7, web 2.0"),
        (PathBuf::from("venv/bin/web"), "web 2.0"),
        (PathBuf::from("venv/bin/../bin/web"), "web 2.0"),
        // As `show --files` prints it, and as it is below the environment.
        (PathBuf::from("web/__init__.py"), "web 2.0"),
        (PathBuf::from("bin/web"), "web 2.0"),
    ] {
        let path = path.display().to_string();
        let run = scene.install(&venv, &["owner", &path]);
        run.assert_code(0);
        assert_eq!(run.stdout, format!("{path}: {owner}\n"));
    }
    let python = venv.join("bin/python").display().to_string();
    let web = venv.join("bin/web").display().to_string();
    let run = scene.install(&venv, &["owner", &web, &python, "/etc/passwd", "--json"]);
    run.assert_code(1)
        .assert_stderr("no project owns")
        .assert_stderr("/etc/passwd");
    let report = run.json();
    assert_eq!(report["error"]["code"], "no-owner");
    assert_eq!(
        report["owners"][0]["projects"],
        json!([{"name": "web", "version": "2.0"}])
    );
    assert_eq!(report["owners"][1]["projects"], json!([]));
}

#[test]
fn verify_needs_no_environment_and_names_every_fault_of_every_wheel() {
    let scene = Scene::new();
    let good = Wheel::new("good", "1.0")
        .file("good.py", "x")
        .tag("cp27-cp27m-win32");
    let good = scene.wheel(&good).display().to_string();
    let run = scene.run_with(&[("PATH", "")], &["verify", &good]);
    run.assert_code(0);
    assert_eq!(run.stdout.lines().count(), 1, "{}", run.stdout);
    assert!(run.stdout.contains("verified 1 wheel"), "{}", run.stdout);
    let report = scene.run(&["verify", "wheels", "--json"]).json();
    assert_eq!(report["wheels"][0]["name"], "good");
    assert_eq!(report["environment"], Value::Null);

    let mut changed = Wheel::new("changed", "1.0")
        .file("a.py", "a")
        .wrong_digest("a.py");
    for number in 0..12 {
        let name = format!("f{number}.py");
        changed = changed.file(&name, "content").wrong_digest(&name);
    }
    let changed = scene.wheel(&changed).display().to_string();
    let unsafe_place = Wheel::new("place", "1.0").data("nowhere/x", "x");
    let unsafe_place = scene.wheel(&unsafe_place).display().to_string();
    let broken = scene
        .write("broken-1.0-py3-none-any.whl", "no")
        .display()
        .to_string();
    let run = scene.run(&["verify", &good, &changed, &unsafe_place, &broken, "--json"]);
    run.assert_code(3);
    for name in ["a.py", "f11.py", "nowhere", "broken-1.0"] {
        run.assert_stderr(name);
    }
    assert!(!run.stderr.contains("state:") && !run.stderr.contains("good-1.0"));
    let wheels = run.json()["error"]["wheels"]
        .as_array()
        .expect("wheels")
        .len();
    assert_eq!(wheels, 3);
    assert_eq!(scene.run(&["verify", "gone.whl"]).assert_code(2).stdout, "");
    scene
        .run(&["verify", "https://example.org/a-1-py3-none-any.whl"])
        .assert_code(2);
    let pinned = format!("{good}#sha256={}", "0".repeat(64));
    scene.run(&["verify", &pinned]).assert_code(3);
    scene
        .run(&["verify", "--require-hashes", &good])
        .assert_code(3);
}

#[test]
fn reading_commands_change_nothing() {
    let scene = Scene::new();
    let venv = scene.venv();
    two(&scene, &venv);
    let before = tree(&venv);
    for arguments in [
        &["list"][..],
        &["list", "--licenses"],
        &["show", "web"],
        &["owner", "bin/web"],
        &["check"],
    ] {
        scene.install(&venv, arguments).assert_code(0);
        assert_unchanged(&before, &tree(&venv));
    }
}
