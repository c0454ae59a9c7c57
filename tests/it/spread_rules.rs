//! The specification's spread rules: the path, mode and RECORD row of each file of a wheel.
//!
//! Scripts have a file of their own, [`script_rules`](crate::script_rules).

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::scene::{Run, Scene, interpreter, python, site_packages, tree};
use crate::support::verdict::{Case, Rows, all_accepted, all_refused};
use crate::support::wheel_builder::{EXECUTABLE, Wheel};

/// A wheel with something in every scheme.
fn everywhere() -> Wheel {
    Wheel::new("Demo_pkg", "1.0")
        .file("demo/__init__.py", "x = 1\n")
        .data("purelib/pure.py", "x = 'pure'\n")
        .data("platlib/plat.py", "x = 'plat'\n")
        .data("headers/sub/demo.h", "#define X 1\n")
        .data("scripts/tool", "#!python\nprint('tool')\n")
        .data("data/share/demo/data.txt", "data\n")
        .entry_points("[console_scripts]\ndemo-main = demo:main\n")
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .permissions()
        .mode()
        & 0o7777
}

#[test]
fn c15_c17_every_scheme_has_its_directory() {
    let scene = Scene::new();
    let venv = scene.venv();
    scene
        .install(&venv, &[scene.wheel(&everywhere())])
        .assert_code(0);
    let library = site_packages(&venv);
    assert_eq!(text(&library.join("pure.py")), "x = 'pure'\n");
    assert_eq!(text(&library.join("plat.py")), "x = 'plat'\n");
    assert_eq!(text(&venv.join("share/demo/data.txt")), "data\n");
    let headers = venv.join(format!(
        "include/site/python{}/Demo-pkg/sub/demo.h",
        interpreter().minor
    ));
    assert_eq!(text(&headers), "#define X 1\n");
    assert!(venv.join("bin/tool").is_file() && venv.join("bin/demo-main").is_file());
    assert!(!library.join("Demo_pkg-1.0.data").exists());
}

#[test]
fn c04_c05_r76_root_is_purelib_chooses_between_two_libraries() {
    for (value, pure) in [
        ("true", true),
        ("True", true),
        ("TRUE", true),
        ("false", false),
        ("", false),
        ("yes", false),
    ] {
        let scene = Scene::new();
        let venv = scene.venv();
        let lib64 = venv.join(format!("lib64/python{}/site-packages", interpreter().minor));
        fs::create_dir_all(&lib64).expect("directories can be made");
        let wheel = everywhere().root_is_purelib_text(value);
        scene.install(&venv, &[scene.wheel(&wheel)]).assert_code(0);
        let (home, other) = if pure {
            (site_packages(&venv), lib64.clone())
        } else {
            (lib64.clone(), site_packages(&venv))
        };
        assert!(home.join("demo/__init__.py").is_file(), "{value:?}");
        assert!(!other.join("demo").exists(), "{value:?}");
        assert!(
            site_packages(&venv).join("pure.py").is_file() && lib64.join("plat.py").is_file(),
            "{value:?}"
        );
        let rows = Rows::read(&home.join("demo_pkg-1.0.dist-info"));
        assert_eq!(rows.lies(), [""; 0], "{value:?}");
    }
}

#[test]
fn e55_r99_lib64_as_a_link_is_one_library() {
    let scene = Scene::new();
    let venv = scene.venv_with_lib64();
    let same = everywhere()
        .data("platlib/pure.py", "x = 'pure'\n")
        .root_is_purelib(false);
    scene.install(&venv, &[scene.wheel(&same)]).assert_code(0);
    let rows = Rows::of(&venv, "demo_pkg-1.0.dist-info");
    assert_eq!(rows.lies(), [""; 0]);
    assert_eq!(
        python(&venv, "import pure, plat\nprint(pure.x, plat.x)"),
        "pure plat\n"
    );
}

#[test]
fn c16_c21_r74_files_in_no_scheme_are_refused() {
    let extra =
        |path: &str| Case::new(path, &everywhere().data(path, "x")).says(&[path, "no scheme"]);
    all_refused([
        extra("unknown/x"),
        extra("stray.txt"),
        extra("Scripts/tool"),
        extra("include/x.h"),
    ]);
    let nested = everywhere().data("scripts/sub/tool", "#!python\n");
    all_refused([Case::new("a directory of scripts", &nested)
        .says(&["scripts/sub/tool", "holds only files"])]);
    all_refused([
        Case::new("traversal", &everywhere().data("data/../../evil", "x")).says(&["unsafe"]),
    ]);
}

#[test]
fn e28_e29_the_data_directory_is_the_one_named_like_dist_info() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = Wheel::new("foo.bar", "1.0")
        .file_name("foo_bar-1.0-py3-none-any.whl")
        .data("data/share/x.txt", "1\n")
        .file("corpus.data/words.txt", "2\n")
        .file("other-1.0.data/scripts/tool", "3\n");
    scene.install(&venv, &[scene.wheel(&wheel)]).assert_code(0);
    assert_eq!(text(&venv.join("share/x.txt")), "1\n");
    let library = site_packages(&venv);
    assert_eq!(text(&library.join("corpus.data/words.txt")), "2\n");
    assert_eq!(text(&library.join("other-1.0.data/scripts/tool")), "3\n");
    assert!(!library.join("foo.bar-1.0.data").exists() && !venv.join("bin/tool").exists());
}

#[test]
fn e06_r75_one_place_from_two_parts_of_a_wheel() {
    let twice = |content: &str| everywhere().data("purelib/demo/__init__.py", content);
    all_accepted([Case::new("the same content", &twice("x = 1\n"))]);
    all_refused([Case::new("other content", &twice("x = 2\n")).says(&["demo/__init__.py"])]);
}

#[test]
fn c23_c24_e17_e18_r57_modes_follow_the_umask_and_the_execute_bit() {
    let odd = |mode: u32| {
        move |entry: &mut crate::support::zip_image::ZipEntry| entry.listing.external = mode << 16
    };
    let wheel = everywhere()
        .file_mode("demo/run.sh", "#!/bin/sh\n", EXECUTABLE)
        .file_mode("demo/secret.py", "x = 1\n", 0o100_600)
        .file_mode("demo/open.py", "x = 2\n", 0o100_666)
        .file("demo/none.py", "x = 3\n")
        .tamper_entry("demo/none.py", odd(0o100_000))
        .file("demo/untyped.sh", "#!/bin/sh\n")
        .tamper_entry("demo/untyped.sh", odd(0o755))
        .file("demo/setuid.sh", "#!/bin/sh\n")
        .tamper_entry("demo/setuid.sh", odd(0o106_711));
    for (umask, plain, program) in [
        ("022", 0o644, 0o755),
        ("027", 0o640, 0o750),
        ("077", 0o600, 0o700),
        ("000", 0o666, 0o777),
    ] {
        let scene = Scene::new();
        let venv = scene.venv();
        let path = scene.wheel(&wheel).display().to_string();
        scene
            .run_under_umask(umask, &["--target", &venv.display().to_string(), &path])
            .assert_code(0);
        let library = site_packages(&venv);
        let dist_info = library.join("demo_pkg-1.0.dist-info");
        for name in [
            "demo/__init__.py",
            "demo/secret.py",
            "demo/open.py",
            "demo/none.py",
        ] {
            assert_eq!(mode(&library.join(name)), plain, "{name} under {umask}");
        }
        for name in ["METADATA", "RECORD", "INSTALLER"] {
            assert_eq!(mode(&dist_info.join(name)), plain, "{name} under {umask}");
        }
        for name in [
            "demo",
            "demo/run.sh",
            "demo/untyped.sh",
            "demo/setuid.sh",
            "demo_pkg-1.0.dist-info",
        ] {
            assert_eq!(mode(&library.join(name)), program, "{name} under {umask}");
        }
        for name in ["bin/tool", "bin/demo-main", "share", "share/demo"] {
            assert_eq!(mode(&venv.join(name)), program, "{name} under {umask}");
        }
    }
}

#[test]
fn c35_c36_record_lists_every_file_and_nothing_else() {
    let scene = Scene::new();
    let venv = scene.venv();
    let before: BTreeSet<String> = files(&venv);
    let wheel = everywhere()
        .file("demo/a,b \"c\".txt", "1\n")
        .file("demo/grün.txt", "2\n");
    scene
        .install(&venv, &["--direct-url".into(), scene.wheel(&wheel)])
        .assert_code(0);
    let created: BTreeSet<String> = files(&venv).difference(&before).cloned().collect();
    let code = format!(
        "import csv, os\nlibrary = {:?}\n\
         record = library + '/demo_pkg-1.0.dist-info/RECORD'\n\
         rows = list(csv.reader(open(record, newline='', encoding='utf-8')))\n\
         assert all(len(row) == 3 for row in rows)\n\
         assert len(rows) == len(set(row[0] for row in rows))\n\
         paths = [os.path.normpath(os.path.join(library, row[0])) for row in rows]\n\
         [print(os.path.relpath(path, {:?})) for path in paths]",
        site_packages(&venv).display().to_string(),
        venv.display().to_string()
    );
    let listed: BTreeSet<String> = python(&venv, &code).lines().map(str::to_owned).collect();
    assert_eq!(listed, created);
    assert_eq!(Rows::of(&venv, "demo_pkg-1.0.dist-info").lies(), [""; 0]);
}

/// Every file and link below `root` but the lock, relative to it.
fn files(root: &Path) -> BTreeSet<String> {
    let text = tree(root);
    let lines = text.lines().filter(|line| !line.contains("  directory "));
    lines
        .filter_map(|line| line.split_once("  "))
        .map(|(path, _)| path.to_owned())
        .collect()
}

#[test]
fn c48_c49_dist_info_is_normalised_and_recorded_so() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = Wheel::new("PyYAML.Ext", "6.0")
        .file("yaml.py", "x = 1\n")
        .dist_info_file("licenses/LICENSE", "free\n");
    scene.install(&venv, &[scene.wheel(&wheel)]).assert_code(0);
    let library = site_packages(&venv);
    assert!(!library.join("PyYAML.Ext-6.0.dist-info").exists());
    let rows = Rows::of(&venv, "pyyaml_ext-6.0.dist-info");
    let expected = [
        "INSTALLER",
        "METADATA",
        "RECORD",
        "WHEEL",
        "licenses/LICENSE",
    ];
    let mut expected: Vec<String> = expected
        .iter()
        .map(|name| format!("pyyaml_ext-6.0.dist-info/{name}"))
        .collect();
    expected.push("yaml.py".to_owned());
    assert_eq!(rows.paths(), expected);
    assert_eq!(rows.lies(), [""; 0]);
}

#[test]
fn c45_e41_directories_in_dist_info_are_copied_as_they_are() {
    let scene = Scene::new();
    let venv = scene.venv();
    let extra = [
        "licenses/LICENSE",
        "licenses/vendored/COPYING",
        "sboms/auditwheel.json",
        "unknown/x.bin",
    ];
    let wheel = extra.iter().fold(everywhere(), |wheel, name| {
        wheel.dist_info_file(name, *name)
    });
    scene.install(&venv, &[scene.wheel(&wheel)]).assert_code(0);
    for name in extra {
        assert_eq!(
            text(
                &site_packages(&venv)
                    .join("demo_pkg-1.0.dist-info")
                    .join(name)
            ),
            name
        );
    }
}

#[test]
fn c50_c51_c53_what_the_installer_says_of_itself() {
    let scene = Scene::new();
    let venv = scene.venv();
    let path = scene.wheel(&everywhere()).display().to_string();
    let dist_info = site_packages(&venv).join("demo_pkg-1.0.dist-info");
    scene.install(&venv, &[path.as_str()]).assert_code(0);
    assert_eq!(text(&dist_info.join("INSTALLER")), "pkg-install\n");
    assert!(!dist_info.join("REQUESTED").exists() && !dist_info.join("direct_url.json").exists());

    let other = scene.venv_at("with space/venv");
    let wheel = scene.write(
        "with space/demo_pkg-1.0-py3-none-any.whl",
        everywhere().bytes(),
    );
    let options = [
        "--installer".into(),
        "builder 7".into(),
        "--direct-url".into(),
        wheel,
    ];
    scene.install(&other, &options).assert_code(0);
    let dist_info = site_packages(&other).join("demo_pkg-1.0.dist-info");
    assert_eq!(text(&dist_info.join("INSTALLER")), "builder 7\n");
    let origin: serde_json::Value =
        serde_json::from_str(&text(&dist_info.join("direct_url.json"))).expect("it is JSON");
    let url = origin["url"].as_str().expect("a text");
    assert!(
        url.starts_with("file:///") && url.ends_with("with%20space/demo_pkg-1.0-py3-none-any.whl"),
        "{url}"
    );
    let digest = origin["archive_info"]["hashes"]["sha256"]
        .as_str()
        .expect("a text");
    let asked = format!(
        "import hashlib\nprint(hashlib.sha256(open({:?}, 'rb').read()).hexdigest())",
        options[3]
    );
    assert_eq!(python(&other, &asked).trim(), digest);
}

#[test]
fn e56_a_plain_directory_has_the_layout_of_pip_target() {
    let scene = Scene::new();
    for spelling in ["app", "./app/", ".//app//", "other/../app2"] {
        fs::create_dir_all(scene.join("other")).expect("a directory can be made");
        let path = scene.wheel(&everywhere());
        scene.install(Path::new(spelling), &[path]).assert_code(0);
        let app = scene.join(spelling);
        for name in [
            "demo/__init__.py",
            "pure.py",
            "plat.py",
            "bin/tool",
            "bin/demo-main",
            "share/demo/data.txt",
        ] {
            assert!(app.join(name).is_file(), "{name} in {spelling}");
        }
        assert!(
            app.join("include/Demo-pkg/sub/demo.h").is_file(),
            "{}",
            tree(&app)
        );
        assert_eq!(
            Rows::read(&app.join("demo_pkg-1.0.dist-info")).lies(),
            [""; 0]
        );
        fs::remove_dir_all(&app).expect("it can be removed");
    }
}

#[test]
fn c35_pip_and_importlib_see_what_was_installed() {
    let scene = Scene::new();
    let venv = scene.venv();
    scene
        .install(&venv, &[scene.wheel(&everywhere())])
        .assert_code(0);
    let code = "from importlib.metadata import distribution as d\n\
                demo = d('demo-pkg')\n\
                print(demo.version, demo.read_text('INSTALLER').strip(), len(demo.files), \
                all(f.locate().exists() for f in demo.files), [e.name for e in demo.entry_points])";
    assert_eq!(
        python(&venv, code),
        "1.0 pkg-install 12 True ['demo-main']\n"
    );
    let mut pip = Command::new(&interpreter().executable);
    let run = Run::of(
        pip.args(["-m", "pip", "--python"])
            .arg(venv.join("bin/python"))
            .args(["list", "--format=freeze"]),
    );
    run.assert_code(0);
    assert_eq!(run.stdout, "Demo_pkg==1.0\n");
}

#[test]
fn a_data_directory_in_another_spelling_of_the_project_is_spread() {
    for data in [
        "my-pkg-1.0.data",
        "my_pkg-1.0-7.data",
        "my_pkg.data",
        "My_Pkg-1.0.data",
        "my.pkg-1.data",
        "my_pkg-1.0+local.data",
        "my_pkg-1.0_local.data",
    ] {
        let scene = Scene::new();
        let venv = scene.venv();
        let wheel = Wheel::new("my_pkg", "1.0")
            .file(&format!("{data}/scripts/tool"), "#!python\nprint('runs')\n")
            .file(&format!("{data}/data/share/x.txt"), "x")
            .file(&format!("{data}/headers/x.h"), "x")
            .file(&format!("{data}/purelib/my_pkg.py"), "x = 1\n");
        scene.install(&venv, &[scene.wheel(&wheel)]).assert_code(0);
        let run = Run::of(&mut Command::new(venv.join("bin/tool")));
        assert_eq!(run.stdout, "runs\n", "{data}");
        assert!(venv.join("share/x.txt").is_file(), "{data}");
        assert!(site_packages(&venv).join("my_pkg.py").is_file(), "{data}");
        assert!(!site_packages(&venv).join(data).exists(), "{data}");
        scene.install(&venv, &["check"]).assert_code(0);
    }
}

#[test]
fn a_data_directory_of_another_project_is_an_ordinary_one() {
    let scene = Scene::new();
    let venv = scene.venv();
    let foreign = [
        "my_pkg2-1.0.data",
        "my_pkg-extra-1.0.data",
        "my-1.0.data",
        "my_pkg-2to3.data",
    ];
    let mut wheel = Wheel::new("my_pkg", "1.0");
    for data in foreign {
        wheel = wheel.file(&format!("{data}/scripts/tool"), "x");
    }
    scene.install(&venv, &[scene.wheel(&wheel)]).assert_code(0);
    assert!(!venv.join("bin/tool").exists());
    for data in foreign {
        assert!(site_packages(&venv).join(data).is_dir(), "{data}");
    }
}

#[test]
fn a_colon_is_an_ordinary_character_on_unix() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = Wheel::new("demo", "1.0")
        .file("demo.py", "def main():\n    print('runs')\n")
        .file("demo_data/10:30.txt", "x")
        .data("scripts/ns:tool", "#!python\nprint('runs')\n")
        .entry_points("[console_scripts]\ndemo:run = demo:main\n");
    let run = scene.install(&venv, &[scene.wheel(&wheel)]);
    run.assert_code(0).assert_stderr("Windows");
    assert!(site_packages(&venv).join("demo_data/10:30.txt").is_file());
    for name in ["ns:tool", "demo:run"] {
        let run = Run::of(&mut Command::new(venv.join("bin").join(name)));
        assert_eq!(run.stdout, "runs\n", "{name}");
    }
    scene.install(&venv, &["check"]).assert_code(0);
    scene.install(&venv, &["uninstall", "demo"]).assert_code(0);
    assert!(!venv.join("bin/ns:tool").exists());
}
