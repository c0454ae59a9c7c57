//! Names to an environment: `resolve`, installing and downloading from a package index.

use std::fs;

use serde_json::{Value, json};
use sha2::Digest as _;

use crate::support::http_server::{Server, Turn};
use crate::support::scene::{Run, Scene, assert_unchanged, site_packages, tree};
use crate::support::wheel_builder::Wheel;

/// An index on a server, and a scene with the environment `venv`.
pub struct IndexScene {
    pub scene: Scene,
    pub server: Server,
}

impl IndexScene {
    pub fn new() -> Self {
        let scene = Scene::new();
        scene.venv();
        Self {
            scene,
            server: Server::start(),
        }
    }

    /// Puts the versions of a project on the index `at`, each with its requirements.
    pub fn put_at(&self, at: &str, name: &str, versions: &[(&str, &[&str])]) {
        let files: Vec<Value> = versions
            .iter()
            .map(|(version, requires)| self.file(name, version, requires))
            .collect();
        self.put_page(at, name, &files);
    }

    pub fn put_page(&self, at: &str, name: &str, files: &[Value]) {
        let page = json!({"meta": {"api-version": "1.1"}, "name": name, "files": files});
        // The server sends a body that begins so as a page of an index.
        let body = page
            .to_string()
            .replace("{\"files\"", "{\"meta\":{},\"files\"");
        self.server.put(&format!("{at}/{name}/"), body.as_bytes());
    }

    pub fn put(&self, name: &str, versions: &[(&str, &[&str])]) {
        self.put_at("simple", name, versions);
    }

    /// The entry of one wheel, which the server serves together with its METADATA.
    pub fn file(&self, name: &str, version: &str, requires: &[&str]) -> Value {
        let mut wheel = Wheel::new(name, version).file(&format!("{name}.py"), "x = 1\n");
        for requirement in requires {
            wheel = wheel.metadata_line(&format!("Requires-Dist: {requirement}"));
        }
        self.file_of(&wheel)
    }

    /// Puts a project on the index that has this wheel only.
    pub fn put_wheel(&self, name: &str, wheel: &Wheel) {
        self.put_page("simple", name, &[self.file_of(wheel)]);
    }

    /// The entry of a wheel.
    pub fn file_of(&self, wheel: &Wheel) -> Value {
        let path = self.scene.wheel(wheel);
        let file_name = wheel.wheel_file_name();
        let content = fs::read(&path).expect("it was made");
        let sha: String = sha2::Sha256::digest(&content)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        self.server.put(&format!("files/{file_name}"), &content);
        fs::remove_file(path).expect("it is there");
        json!({"filename": file_name, "url": format!("../../files/{file_name}"),
            "hashes": {"sha256": sha}, "size": content.len()})
    }

    /// Runs a command with the index, a cache of this scene and the server at hand.
    pub fn run(&self, arguments: &[&str]) -> Run {
        let index = self.server.url("simple/").to_string();
        self.run_with_index(&index, arguments)
    }

    pub fn run_with_index(&self, index: &str, arguments: &[&str]) -> Run {
        let mut command = self.scene.command();
        command
            .args(arguments)
            .args(["--index-url", index, "--cache-dir", "cache"])
            .env("no_proxy", "127.0.0.1");
        Run::of(&mut command)
    }

    pub fn install(&self, arguments: &[&str]) -> Run {
        self.run(&[&["--target", "venv"], arguments].concat())
    }

    pub fn has(&self, dist_info: &str) -> bool {
        let site = site_packages(&self.scene.join("venv"));
        site.join(format!("{dist_info}.dist-info")).exists()
    }
}

#[test]
fn names_are_resolved_and_installed_and_then_nothing_is_asked() {
    let index = IndexScene::new();
    index.put(
        "app",
        &[
            ("1.0", &[]),
            ("2.0", &["lib >=1", "gone ; python_version < '3'"]),
        ],
    );
    index.put("lib", &[("1.0", &[]), ("1.5", &[]), ("2.0a1", &[])]);
    index.install(&["app"]).assert_code(0);
    assert!(index.has("app-2.0") && index.has("lib-1.5"));
    let site = site_packages(&index.scene.join("venv"));
    let requested = |name: &str| site.join(format!("{name}.dist-info/REQUESTED")).exists();
    assert!(requested("app-2.0") && !requested("lib-1.5"));
    let (asked, before) = (index.server.order().len(), tree(&index.scene.join("venv")));
    let run = index.install(&["app>=1", "--json"]);
    run.assert_code(0);
    assert_eq!(run.json()["outcome"], "unchanged");
    assert_eq!(
        index.server.order().len(),
        asked,
        "{:?}",
        index.server.order()
    );
    assert_unchanged(&before, &tree(&index.scene.join("venv")));
}

#[test]
fn figures_of_a_resolution_are_beside_its_pins_and_not_among_them() {
    let index = IndexScene::new();
    index.put("app", &[("2.0", &["lib"])]);
    index.put("lib", &[("1.5", &[])]);
    let run = index.run(&["resolve", "app", "--target", "venv", "-v"]);
    run.assert_code(0);
    assert_eq!(run.stdout, "app==2.0\nlib==1.5\n    # via app\n");
    assert!(run.stderr.contains(" requests, "), "{}", run.stderr);
    // From the cache nothing is asked for.
    let run = index.run(&["resolve", "app", "--target", "venv", "--offline", "--json"]);
    run.assert_code(0);
    let asked = &run.json()["asked"];
    assert_eq!(*asked, json!({"requests": 0, "bytes": 0, "tiers": 0}));
}

#[test]
fn resolve_writes_pins_a_report_and_a_lock_file_that_install_alike() {
    let index = IndexScene::new();
    index.put("app", &[("2.0", &["lib >=1"])]);
    index.put("lib", &[("1.5", &[])]);
    index
        .scene
        .write("requirements.in", "app # the one\n-c constraints.txt\n");
    index.scene.write("constraints.txt", "lib <2\nother ==1\n");
    let run = index.run(&["resolve", "-r", "requirements.in", "--target", "venv"]);
    run.assert_code(0);
    let expected = "app==2.0\n    # via requirements.in:1\nlib==1.5\n    # via app\n";
    assert_eq!(run.stdout, expected);
    let arguments = ["--report", "report.json", "--lock", "pylock.toml", "--json"];
    let run = index.run(&[&["resolve", "app", "--target", "venv"][..], &arguments].concat());
    run.assert_code(0);
    let json = run.json();
    assert_eq!(json["outcome"], "resolved");
    let names: Vec<_> = (json["packages"].as_array().expect("a list").iter())
        .map(|package| package["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(names, ["lib", "app"], "each after what it needs");
    for document in [["--report", "report.json"], ["--lock", "pylock.toml"]] {
        let mut command = index.scene.command();
        command
            .args(["--target", "venv", "--reinstall", "--cache-dir", "cache"])
            .args(document)
            .env("no_proxy", "127.0.0.1");
        Run::of(&mut command).assert_code(0);
        assert!(index.has("app-2.0") && index.has("lib-1.5"), "{document:?}");
    }
}

#[test]
fn installed_versions_stay_unless_they_are_upgraded() {
    let index = IndexScene::new();
    index.put("app", &[("1.0", &["lib"]), ("2.0", &["lib"])]);
    index.put("lib", &[("1.0", &[]), ("2.0", &[])]);
    index.install(&["app==1.0", "lib==1.0"]).assert_code(0);
    index.install(&["app"]).assert_code(0);
    assert!(index.has("app-1.0") && index.has("lib-1.0"));
    index.install(&["app", "-U"]).assert_code(0);
    assert!(index.has("app-2.0") && index.has("lib-1.0"));
    index
        .install(&["app", "-U", "--upgrade-strategy", "eager"])
        .assert_code(0);
    assert!(index.has("lib-2.0"));
}

#[test]
fn the_projects_that_rejected_versions_need_are_not_asked_for() {
    let index = IndexScene::new();
    let names: Vec<String> = (0..30).map(|number| format!("only{number}")).collect();
    let versions: Vec<String> = (0..30).map(|number| format!("{number}.0")).collect();
    let requires: Vec<[&str; 2]> = (0..30)
        .map(|number| {
            [
                if number < 3 { "base <2" } else { "base >=2" },
                &names[number],
            ]
        })
        .collect();
    let app: Vec<(&str, &[&str])> = (0..30)
        .map(|number| (versions[number].as_str(), &requires[number][..]))
        .collect();
    index.put("app", &app);
    index.put("base", &[("1.0", &[]), ("2.0", &[])]);
    for name in &names {
        index.put(name, &[("1.0", &[])]);
    }
    let run = index.run(&["resolve", "app", "base <2", "--target", "venv"]);
    run.assert_code(0);
    assert!(run.stdout.contains("app==2.0"), "{}", run.stdout);
    let order = index.server.order();
    let is_needed = |path: &&String| path.starts_with("simple/only");
    let needed: Vec<&String> = order.iter().filter(is_needed).collect();
    // The scout follows the best version before anything is rejected; the last one is taken.
    assert!(needed.len() <= 2, "{needed:?}");
    assert!(needed.iter().any(|path| *path == "simple/only2/"));
    let is_wheel = |path: &&String| path.starts_with("files/app-");
    assert!(order.iter().filter(is_wheel).count() <= 30, "{order:?}");
}

#[test]
fn what_a_guess_leads_to_is_not_asked_for_once_many_versions_were_rejected() {
    let index = IndexScene::new();
    index.put("base", &[("1.0", &[]), ("2.0", &[])]);
    let named = |text: &str| -> Vec<String> {
        let names = 0..30;
        names.map(|number| format!("{text}{number}")).collect()
    };
    let (numbers, pins) = (named(""), named("pin =="));
    let (only, deep) = (named("only"), named("deep"));
    // Each version of `app` is rejected after `only` was asked for, and before that is looked at.
    let requires: Vec<[&str; 2]> = only
        .iter()
        .zip(&pins)
        .map(|(one, pin)| [&**one, pin])
        .collect();
    let app: Vec<(&str, &[&str])> = (numbers.iter().zip(&requires))
        .map(|(number, requires)| (number.as_str(), &requires[..]))
        .collect();
    let pin: Vec<(&str, &[&str])> = (numbers.iter())
        .map(|number| (number.as_str(), &["base >=2"][..]))
        .collect();
    index.put("pin", &pin);
    index.put("app", &app);
    for (only, deep) in only.iter().zip(&deep) {
        index.put(only, &[("1.0", &[deep])]);
    }
    let run = index.run(&["resolve", "app", "base <2", "--target", "venv"]);
    run.assert_code(7);
    let order = index.server.order();
    let count = |start: &str| order.iter().filter(|path| path.starts_with(start)).count();
    assert_eq!(count("simple/only"), 30);
    // The first versions are followed, until the search begins anew.
    let deep = count("simple/deep");
    assert!(deep <= 10, "{deep} pages");
}

#[test]
fn what_an_extra_that_was_met_late_needs_is_asked_for_in_the_right_version() {
    let scene = IndexScene::new();
    scene.put("late", &[("1.0", &["base[more]"])]);
    scene.put("base", &[("1.0", &["tied==1.0; extra == 'more'"])]);
    scene.put("tied", &[("1.0", &[]), ("2.0", &[])]);
    scene
        .run(&["resolve", "base", "late", "--python", "python3"])
        .assert_code(0);
    let seen = |version: &str| {
        let path = format!("files/tied-{version}-py3-none-any.whl");
        scene.server.seen(&path).len()
    };
    assert_eq!((seen("1.0"), seen("2.0")), (1, 0));
}

#[test]
fn pip_s_configuration_is_named_by_errors_about_its_index_and_with_verbose() {
    let index = IndexScene::new();
    index.put("app", &[("1.0", &[])]);
    index.server.put("simple/closed/", b"");
    index.server.always("simple/closed/", Turn::Status(403, ""));
    let pip = index.server.url_with("me:secret", "simple/").to_string();
    let run = |arguments: &[&str]| {
        let mut command = index.scene.command();
        command
            .args(["resolve", "--target", "venv", "--cache-dir", "cache"])
            .args(arguments)
            .envs([("PIP_CONFIG_FILE", "/dev/null"), ("PIP_NO_INDEX", "0")])
            .env("PIP_INDEX_URL", &pip)
            .env("no_proxy", "127.0.0.1");
        Run::of(&mut command)
    };
    let is_named = |run: &Run| {
        assert!(!run.stderr.contains("secret"), "{}", run.stderr);
        run.stderr.contains("`--no-pip-config`")
    };
    for (arguments, code, names) in [
        (&["app"][..], 0, false),
        (&["app", "-v"], 0, true),
        (&["closed"], 1, true),
        (&["nowhere"], 7, true),
        (&["app ==3"], 7, true),
    ] {
        let run = run(arguments);
        run.assert_code(code);
        assert_eq!(is_named(&run), names, "{arguments:?}: {}", run.stderr);
    }
    let typed = index.server.url("simple/").to_string();
    let run = run(&["nowhere", "--index-url", &typed]);
    run.assert_code(7);
    assert!(!is_named(&run), "pip has no say: {}", run.stderr);
}

#[test]
fn a_loose_list_is_resolved_and_its_index_is_used() {
    let index = IndexScene::new();
    index.put_at("other", "app", &[("1.0", &["lib"])]);
    index.put_at("other", "lib", &[("1.0", &[])]);
    let other = index.server.url("other/");
    let text = format!("--index-url {other}\napp >0.5\n");
    index.scene.write("list.in", text);
    let mut command = index.scene.command();
    command
        .args(["--target", "venv", "-r", "list.in", "--cache-dir", "cache"])
        .env("no_proxy", "127.0.0.1");
    Run::of(&mut command).assert_code(0);
    assert!(index.has("app-1.0") && index.has("lib-1.0"));
}

#[test]
fn what_has_no_answer_ends_with_7_and_changes_nothing() {
    let index = IndexScene::new();
    index.put("app", &[("1.0", &["lib >2"])]);
    index.put("lib", &[("1.0", &[])]);
    let before = tree(&index.scene.join("venv"));
    for (arguments, code) in [
        (&["app"][..], "no-solution"),
        (&["nowhere"], "unknown-project"),
    ] {
        let run = index.install(&[arguments, &["--json"]].concat());
        run.assert_code(7);
        let found = run.json()["error"]["code"].clone();
        assert!(found.is_string(), "{found} {code}");
    }
    assert_unchanged(&before, &tree(&index.scene.join("venv")));
}

#[test]
fn the_first_index_that_knows_a_project_decides_and_an_error_is_never_passed_over() {
    let index = IndexScene::new();
    index.put_at("private", "app", &[("1.0", &[])]);
    index.put("app", &[("9.0", &[])]);
    index.put("lib", &[("1.0", &[])]);
    let private = index.server.url("private/").to_string();
    let extra = ["--extra-index-url", private.as_str(), "--target", "venv"];
    let run = index.run(&[&["resolve", "app", "lib"][..], &extra].concat());
    run.assert_code(0);
    assert!(run.stdout.contains("app==1.0") && run.stdout.contains("lib==1.0"));
    index.server.put("private/lib/", b"");
    index.server.always("private/lib/", Turn::Status(403, ""));
    let run = index.run(&[&["resolve", "lib", "--refresh"][..], &extra].concat());
    run.assert_code(1);
    let tied = format!("lib={}", index.server.url("simple/"));
    let run = index.run(&[&["resolve", "lib", "--index", &tied][..], &extra].concat());
    run.assert_code(0);
}

#[test]
fn directories_come_before_indexes_and_no_index_asks_nothing() {
    let index = IndexScene::new();
    index.put("lib", &[("2.0", &[])]);
    let local = Wheel::new("app", "1.0")
        .file("app.py", "")
        .metadata_line("Requires-Dist: lib");
    index.scene.wheel(&local);
    let run = index.install(&["app", "-f", "wheels"]);
    run.assert_code(0);
    assert!(index.has("app-1.0") && index.has("lib-2.0"));
    let asked = index.server.order().len();
    let mut command = index.scene.command();
    command.args([
        "resolve",
        "app",
        "--no-index",
        "-f",
        "wheels",
        "--target",
        "venv",
    ]);
    Run::of(&mut command).assert_code(7);
    assert_eq!(index.server.order().len(), asked);
}

#[test]
fn a_wheel_that_is_not_the_one_on_the_page_is_refused() {
    let index = IndexScene::new();
    index.put("app", &[("1.0", &[])]);
    let before = tree(&index.scene.join("venv"));
    let other = index.file("app", "1.0", &["lib"]);
    assert!(
        other["filename"].is_string(),
        "the server has another file now"
    );
    index.install(&["app"]).assert_code(3);
    assert_unchanged(&before, &tree(&index.scene.join("venv")));
}

#[test]
fn what_was_fetched_to_resolve_is_not_fetched_again_without_a_cache() {
    let scene = IndexScene::new();
    // Of a large wheel the resolution reads the end only.
    let noise: String = (0..200_000_u32)
        .map(|number| char::from(b'!' + (number.wrapping_mul(2_654_435_761) >> 25) as u8 % 90))
        .collect();
    let wheel = Wheel::new("large", "1.0").file("large.txt", &noise);
    let content = fs::read(scene.scene.wheel(&wheel)).expect("it was made");
    scene.put("small", &[("1.0", &["large"])]);
    scene.put_wheel("large", &wheel);
    let index = scene.server.url("simple/").to_string();
    let paths = [
        "files/small-1.0-py3-none-any.whl",
        "files/large-1.0-py3-none-any.whl",
    ];
    let commands: [&[&str]; 3] = [
        &["--target", "venv", "small"],
        &["download", "small", "--dest", "wheels"],
        &["pack", "small", "--output", "env.tar.gz"],
    ];
    for arguments in commands {
        let before = paths.map(|path| (scene.server.seen(path).len(), scene.server.sent(path)));
        let mut command = scene.scene.command();
        command
            .args(arguments)
            .args(["--index-url", &index, "--no-cache"])
            .env("no_proxy", "127.0.0.1");
        Run::of(&mut command).assert_code(0);
        let after = paths.map(|path| (scene.server.seen(path).len(), scene.server.sent(path)));
        assert_eq!(after[0].0 - before[0].0, 1, "{arguments:?}");
        assert_eq!(
            after[1].1 - before[1].1,
            content.len() as u64,
            "{arguments:?}"
        );
    }
}

#[test]
fn download_fetches_what_names_lead_to() {
    let index = IndexScene::new();
    index.put("app", &[("1.0", &["lib"])]);
    index.put("lib", &[("1.0", &[])]);
    index
        .run(&["download", "app", "--dest", "out", "--target", "venv"])
        .assert_code(0);
    let files = fs::read_dir(index.scene.join("out"))
        .expect("it was made")
        .count();
    assert_eq!(files, 2);
}

#[test]
fn a_project_file_is_installed_with_its_extras_and_groups() {
    let index = IndexScene::new();
    for name in ["app", "lib", "tool"] {
        index.put(name, &[("1.0", &[])]);
    }
    let text = "[project]\nname = 'mine'\ndependencies = ['app']\n\
                [project.optional-dependencies]\nmore = ['lib']\n\
                [dependency-groups]\ndev = ['tool']\n";
    index.scene.write("pyproject.toml", text);
    let list = ["-r", "pyproject.toml"];
    index.install(&list).assert_code(0);
    assert!(index.has("app-1.0") && !index.has("lib-1.0"));
    let more = ["--extra", "more", "--group", "dev"];
    index.install(&[&list[..], &more].concat()).assert_code(0);
    assert!(index.has("lib-1.0") && index.has("tool-1.0"));
}
