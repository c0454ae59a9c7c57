//! `--index-strategy`: the first index that knows a project decides alone, or all together.

use serde_json::Value;

use crate::index_install::IndexScene;
use crate::support::http_server::{Server, Turn};
use crate::support::scene::{Run, site_packages};
use crate::support::wheel_builder::Wheel;

/// A scene with a private index, which has app 1.0, before a public one with app 9.0.
struct TwoIndexes {
    public: IndexScene,
    private: IndexScene,
}

impl TwoIndexes {
    fn new() -> Self {
        let indexes = Self {
            public: IndexScene::new(),
            private: IndexScene::new(),
        };
        indexes.private.put("app", &[("1.0", &[])]);
        indexes.public.put("app", &[("9.0", &["lib"])]);
        indexes.public.put("lib", &[("1.0", &[])]);
        indexes
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let private = self.private.server.url("simple/").to_string();
        let more = ["--extra-index-url", &private, "--target", "venv"];
        self.public.run(&[arguments, &more].concat())
    }

    fn resolve(&self, arguments: &[&str]) -> Run {
        self.run(&[&["resolve", "app"], arguments].concat())
    }
}

fn codes(run: &Run) -> Vec<String> {
    let document = run.json();
    let warnings = document["warnings"].as_array().cloned();
    let code = |warning: Value| warning["code"].as_str().unwrap_or("none").to_owned();
    warnings.unwrap_or_default().into_iter().map(code).collect()
}

#[test]
fn by_default_a_higher_version_of_a_later_index_does_not_count() {
    let indexes = TwoIndexes::new();
    for arguments in [
        &[][..],
        &["--index-strategy", "first"],
        &["--index-strategy", "first-index"],
    ] {
        let run = indexes.resolve(arguments);
        run.assert_code(0);
        assert!(run.stdout.starts_with("app==1.0\n"), "{}", run.stdout);
        assert!(!run.stderr.contains("index"), "{}", run.stderr);
    }
    assert!(indexes.public.server.order().is_empty());
}

#[test]
fn any_takes_the_highest_version_of_all_indexes_and_warns_once() {
    let indexes = TwoIndexes::new();
    for spelling in ["any", "unsafe-best-match"] {
        let run = indexes.resolve(&["--index-strategy", spelling, "--json"]);
        run.assert_code(0);
        assert_eq!(codes(&run), ["dependency-confusion"]);
        let run = indexes.resolve(&["--index-strategy", spelling]);
        assert!(run.stdout.contains("app==9.0\n"), "{}", run.stdout);
        assert_eq!(run.stderr.matches("private project").count(), 1);
    }
    let run = indexes.run(&["app", "--index-strategy", "any"]);
    run.assert_code(0);
    assert!(indexes.public.has("app-9.0") && indexes.public.has("lib-1.0"));
    // A lower version comes from the index that has it.
    let run = indexes.run(&["app==1.0", "--index-strategy", "any"]);
    run.assert_code(0);
    assert!(indexes.public.has("app-1.0"));
}

#[test]
fn the_variable_says_any_and_what_is_typed_wins() {
    let indexes = TwoIndexes::new();
    let private = indexes.private.server.url("simple/").to_string();
    let public = indexes.public.server.url("simple/").to_string();
    for (typed, expected) in [
        (&[][..], "app==9.0"),
        (&["--index-strategy=first"], "app==1.0"),
    ] {
        let mut command = indexes.public.scene.command();
        command
            .args(["resolve", "app", "--target", "venv", "-i", &public])
            .args(["--extra-index-url", &private, "--cache-dir", "cache"])
            .args(typed)
            .env("PKG_INSTALL_INDEX_STRATEGY", "any")
            .env("no_proxy", "127.0.0.1");
        let run = Run::of(&mut command);
        run.assert_code(0);
        assert!(run.stdout.contains(expected), "{}", run.stdout);
    }
}

#[test]
fn an_index_that_refuses_is_an_error_with_any_too() {
    for status in [401, 403, 500] {
        let indexes = TwoIndexes::new();
        let server: &Server = &indexes.private.server;
        server.always("simple/app/", Turn::Status(status, "Retry-After: 0\r\n"));
        let run = indexes.resolve(&["--index-strategy", "any"]);
        run.assert_code(1);
        assert_eq!(run.stdout, "", "{status}");
        // The order of the indexes makes no difference.
        let indexes = TwoIndexes::new();
        let server: &Server = &indexes.public.server;
        server.always("simple/app/", Turn::Status(status, "Retry-After: 0\r\n"));
        let run = indexes.resolve(&["--index-strategy", "any"]);
        run.assert_code(1);
    }
}

#[test]
fn a_project_that_is_tied_to_an_index_comes_from_it_with_any_too() {
    let indexes = TwoIndexes::new();
    let tied = format!("app={}", indexes.private.server.url("simple/"));
    let run = indexes.resolve(&["--index-strategy", "any", "--index", &tied]);
    run.assert_code(0);
    assert!(run.stdout.contains("app==1.0\n"), "{}", run.stdout);
}

#[test]
fn of_one_file_name_the_wheel_of_the_earlier_index_counts() {
    let indexes = TwoIndexes::new();
    let same = |value: &str| Wheel::new("same", "1.0").file("same.py", format!("x = {value}\n"));
    indexes.private.put_wheel("same", &same("'private'"));
    indexes.public.put_wheel("same", &same("'public'"));
    // Another file of the same version counts as well: its build is higher.
    indexes.private.put("built", &[("1.0", &[])]);
    let built = Wheel::new("built", "1.0")
        .build("2")
        .file("built.py", "x = 'public'\n");
    indexes.public.put_wheel("built", &built);
    let run = indexes.run(&["same", "built", "--index-strategy", "any"]);
    run.assert_code(0);
    let site = site_packages(&indexes.public.scene.join("venv"));
    let text = |name: &str| std::fs::read_to_string(site.join(name)).expect("it is installed");
    assert_eq!(text("same.py"), "x = 'private'\n");
    assert_eq!(text("built.py"), "x = 'public'\n");
}

#[test]
fn directories_are_merged_with_indexes_by_any_and_come_first_without() {
    let index = IndexScene::new();
    index.put("app", &[("2.0", &[])]);
    index
        .scene
        .wheel(&Wheel::new("app", "1.0").file("app.py", ""));
    let resolve = |more: &[&str]| {
        let arguments = ["resolve", "app", "-f", "wheels", "--target", "venv"];
        let run = index.run(&[&arguments, more].concat());
        run.assert_code(0);
        run
    };
    assert!(resolve(&[]).stdout.contains("app==1.0\n"));
    assert!(
        resolve(&["--index-strategy", "any"])
            .stdout
            .contains("app==2.0\n")
    );
    let run = resolve(&["--index-strategy", "any", "--no-index", "--json"]);
    assert!(codes(&run).is_empty());
}

#[test]
fn a_lock_file_names_the_index_of_each_wheel_that_any_took() {
    let indexes = TwoIndexes::new();
    let run = indexes.resolve(&["--index-strategy", "any", "--lock", "-"]);
    run.assert_code(0);
    let public = indexes.public.server.url("simple/").to_string();
    assert!(
        run.stdout.contains(&format!("index = \"{public}\"")),
        "{}",
        run.stdout
    );
}

#[test]
fn one_index_alone_has_nothing_to_merge_and_an_unknown_strategy_is_refused() {
    let index = IndexScene::new();
    index.put("app", &[("2.0", &[])]);
    let run = index.run(&[
        "resolve",
        "app",
        "--target",
        "venv",
        "--json",
        "--index-strategy",
        "any",
    ]);
    run.assert_code(0);
    assert!(codes(&run).is_empty());
    let run = index.run(&[
        "resolve",
        "app",
        "--target",
        "venv",
        "--index-strategy",
        "all",
    ]);
    run.assert_code(2);
}
