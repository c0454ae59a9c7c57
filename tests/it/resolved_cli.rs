//! Output of resolvers on the command line: which packages are installed or refused, and the
//! messages.
//!
//! Texts are as pip and uv write them; the wheels are on this machine, as paths or `file` URLs. All
//! texts use the scene's one environment, which a refusal has to leave as it was. Choices from lock
//! files are in [`lock_file_choices`](crate::lock_file_choices).

use std::fs::{self, File};

use serde_json::{Value, json};
use sha2::Digest as _;

use crate::support::scene::{Run, Scene, assert_unchanged, interpreter, site_packages, tree};
use crate::support::wheel_builder::Wheel;

/// A scene whose environment is `venv`, with a wheel of each of these projects in `wheels`.
pub struct Shop {
    pub scene: Scene,
}

impl Shop {
    pub fn new(names: &[&str]) -> Self {
        let scene = Scene::new();
        scene.venv();
        for name in names {
            scene.wheel(&Wheel::new(name, "1.0").file(&format!("{name}.py"), "x = 1\n"));
        }
        Self { scene }
    }

    pub fn sha(&self, name: &str) -> String {
        let content = fs::read(self.scene.join(&wheel(name))).expect("the wheel can be read");
        sha2::Sha256::digest(content)
            .iter()
            .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }

    /// One item of a report.
    pub fn item(&self, name: &str) -> Value {
        let url = format!("file://{}", self.scene.join(&wheel(name)).display());
        let info = json!({"url": url, "archive_info": {"hashes": {"sha256": self.sha(name)}}});
        item(name, &info)
    }

    /// Writes a report; returns its path.
    pub fn report(&self, items: &[Value]) -> String {
        let environment =
            json!({"python_version": interpreter().minor, "implementation_name": "cpython"});
        self.report_for(&environment, items)
    }

    pub fn report_for(&self, environment: &Value, items: &[Value]) -> String {
        let report = json!({"version": "1", "pip_version": "26.3", "install": items,
            "environment": environment});
        self.scene.write("report.json", report.to_string());
        "report.json".to_owned()
    }

    /// A package of a lock file, with a marker unless that is empty.
    pub fn package(&self, name: &str, marker: &str) -> String {
        let marker = if marker.is_empty() {
            String::new()
        } else {
            format!("marker = {marker:?}\n")
        };
        let (path, sha) = (wheel(name), self.sha(name));
        format!(
            "[[packages]]\nname = '{name}'\nversion = '1.0'\n{marker}\
             wheels = [{{path = '{path}', hashes = {{sha256 = '{sha}'}}}}]\n"
        )
    }

    /// Writes a lock file of this name.
    pub fn lock(&self, file_name: &str, head: &str, packages: &[String]) -> String {
        let text = format!(
            "lock-version = '1.0'\ncreated-by = 'x'\n{head}\n{}",
            packages.concat()
        );
        self.scene.write(file_name, text);
        file_name.to_owned()
    }

    pub fn install(&self, arguments: &[&str]) -> Run {
        self.scene.install(&self.scene.join("venv"), arguments)
    }

    /// The projects that are installed.
    pub fn installed(&self) -> Vec<String> {
        let names =
            fs::read_dir(site_packages(&self.scene.join("venv"))).expect("it can be listed");
        let names = names.map(|entry| {
            entry
                .expect("it can be listed")
                .file_name()
                .to_string_lossy()
                .into_owned()
        });
        let mut names: Vec<_> = names
            .filter_map(|name| Some(name.strip_suffix("-1.0.dist-info")?.to_owned()))
            .collect();
        names.sort();
        names
    }

    /// Fails unless this is refused with exit code 3 and every one of these words, and changes
    /// nothing.
    #[track_caller]
    pub fn refuses(&self, arguments: &[&str], words: &[&str]) {
        let before = tree(&self.scene.join("venv"));
        let run = self.install(arguments);
        run.assert_code(3)
            .assert_stderr("state: nothing was changed");
        words.iter().for_each(|words| {
            run.assert_stderr(words);
        });
        assert_unchanged(&before, &tree(&self.scene.join("venv")));
    }
}

pub fn wheel(name: &str) -> String {
    format!("wheels/{name}-1.0-py3-none-any.whl")
}

pub fn item(name: &str, download_info: &Value) -> Value {
    json!({"download_info": download_info, "is_direct": false, "is_yanked": false,
        "requested": true,
        "metadata": {"metadata_version": "2.1", "name": name, "version": "1.0"}})
}

#[test]
fn c72_a_report_is_read_from_stdin() {
    let shop = Shop::new(&["a", "b"]);
    let report = shop.report(&[shop.item("a"), shop.item("b")]);
    let stdin = File::open(shop.scene.join(&report)).unwrap();
    Run::of(
        shop.scene
            .command()
            .args(["--report", "-", "--target", "venv"])
            .stdin(stdin),
    )
    .assert_code(0);
    assert_eq!(shop.installed(), ["a", "b"]);
}

#[test]
fn c72_stdin_is_read_for_one_text_only() {
    let shop = Shop::new(&["a"]);
    for arguments in [["--report", "-", "--lock", "-"], ["-r", "-", "-r", "-"]] {
        shop.install(&arguments)
            .assert_code(2)
            .assert_stderr("stdin can be read only once");
    }
}

#[test]
fn c72_a_text_that_is_not_there_is_wrong_usage_as_a_wheel_is() {
    let shop = Shop::new(&["a"]);
    for (option, path, shown) in [
        ("--report", "gone.json", "gone.json"),
        ("--lock", "gone/pylock.toml", "gone/pylock.toml"),
        (
            "-r",
            "ftp://u:p@example.com/list.txt",
            "ftp://example.com/list.txt",
        ),
    ] {
        shop.install(&[option, path])
            .assert_code(2)
            .assert_stderr(&format!("there is no file `{shown}`"));
    }
}

#[test]
fn a_command_behind_options_is_no_wheel() {
    let shop = Shop::new(&["a"]);
    for word in ["check", "list", "undo"] {
        let words = format!("hint: write `pkg-install {word} …`");
        shop.scene
            .run(&["--target", "venv", word])
            .assert_code(2)
            .assert_stderr(&words);
    }
    shop.install(&["six==1.0"])
        .assert_code(7)
        .assert_stderr("no index has six");
}

#[test]
fn c74_a_directory_to_look_in_has_to_be_there() {
    let shop = Shop::new(&["a"]);
    shop.scene
        .write("list.txt", "--find-links nowhere\na==1.0\n");
    for missing in ["wheel", "list.txt"] {
        let run = shop.install(&["-r", "list.txt", "-f", missing]);
        run.assert_code(2)
            .assert_stderr(&format!("there is no directory `{missing}`"));
    }
    shop.install(&["-r", "list.txt", "-f", "wheels"])
        .assert_code(0);
    assert_eq!(shop.installed(), ["a"]);
    // As pip-compile writes it when it runs in the directory of the wheels and not in that of the
    // list.
    shop.scene
        .write("lists/list.txt", "--find-links ./wheels\na==1.0\n");
    shop.install(&["-r", "lists/list.txt", "--reinstall"])
        .assert_code(0);
    shop.scene.write("lists/wheels/b-1.0-py3-none-any.whl", "");
    shop.refuses(
        &["-r", "lists/list.txt", "--reinstall"],
        &["no wheel of `a==1.0` is in `lists/./wheels`"],
    );
}

#[test]
fn c51_a_list_may_name_wheels_by_paths_below_the_working_directory() {
    let shop = Shop::new(&["a"]);
    shop.scene.write(
        "lists/list.txt",
        format!("./{} --hash=sha256:{}\n", wheel("a"), shop.sha("a")),
    );
    shop.install(&["-r", "lists/list.txt", "--require-hashes"])
        .assert_code(0);
    let origin = site_packages(&shop.scene.join("venv")).join("a-1.0.dist-info/direct_url.json");
    let origin: Value = serde_json::from_slice(&fs::read(origin).unwrap()).unwrap();
    let url = format!("file://{}", shop.scene.join(&wheel("a")).display());
    assert_eq!(
        origin,
        json!({"url": url, "archive_info": {"hashes": {"sha256": shop.sha("a")}}})
    );
}

#[test]
fn c72_everything_that_is_given_together_is_one_transaction() {
    let shop = Shop::new(&["a", "b", "c", "d"]);
    let report = shop.report(&[shop.item("a")]);
    let lock = shop.lock("pylock.toml", "", &[shop.package("b", "")]);
    let (zeros, last) = ("0".repeat(64), wheel("d"));
    shop.scene
        .write("list.txt", format!("c==1.0 --hash=sha256:{zeros}\n"));
    let all = [
        "--report", &report, "--lock", &lock, "-r", "list.txt", "-f", "wheels", &last,
    ];
    shop.refuses(
        &all,
        &["it was pinned to sha256=0000", "c-1.0-py3-none-any.whl"],
    );

    shop.scene.write(
        "list.txt",
        format!("c==1.0 --hash=sha256:{}\n", shop.sha("c")),
    );
    let before = tree(&shop.scene.join("venv"));
    let run = shop.install(&[&all[..], &["--undoable", "--json"]].concat());
    let changes = run.assert_code(0).json()["changes"]
        .as_array()
        .map(Vec::len);
    assert_eq!(
        (changes, shop.installed()),
        (Some(4), ["a", "b", "c", "d"].map(str::to_owned).to_vec())
    );
    shop.scene.run(&["undo", "--target", "venv"]).assert_code(0);
    assert_unchanged(&before, &tree(&shop.scene.join("venv")));
}

#[test]
fn c72_a_report_for_another_python_is_refused_unless_nothing_is_checked() {
    let shop = Shop::new(&["a"]);
    let report = shop.report_for(&json!({"python_version": "2.7"}), &[shop.item("a")]);
    let words = format!(
        "`python_version` is `2.7` in it and `{}` here",
        interpreter().minor
    );
    shop.refuses(
        &["--report", &report],
        &[&words, "hint: `--no-compat-check` installs it anyway"],
    );
    shop.install(&["--report", &report, "--no-compat-check"])
        .assert_code(0);
    assert_eq!(shop.installed(), ["a"]);
}

#[test]
fn c72_a_yanked_release_is_installed_with_a_warning() {
    let shop = Shop::new(&["a"]);
    let mut yanked = shop.item("a");
    yanked["is_yanked"] = json!(true);
    let report = shop.report(&[yanked]);
    let json = shop
        .install(&["--report", &report, "--json"])
        .assert_code(0)
        .json();
    assert_eq!(json["outcome"], "committed");
    let expected = json!([{"code": "yanked", "wheel": "report.json",
        "message": "`a 1.0` was yanked: its project has withdrawn the release"}]);
    assert_eq!(json["warnings"], expected);
    shop.install(&["--report", &report, "--reinstall"])
        .assert_code(0)
        .assert_stderr("`a 1.0` was yanked");
}

#[test]
fn e105_everything_that_is_no_wheel_is_named_at_once() {
    let shop = Shop::new(&["a"]);
    let sdist = json!({"url": "https://example.com/b-1.0.tar.gz", "archive_info": {}});
    let git =
        json!({"url": "https://example.com/c.git", "vcs_info": {"vcs": "git", "commit_id": "0"}});
    let report = shop.report(&[shop.item("a"), item("b", &sdist), item("c", &git)]);
    let lock = shop.lock(
        "pylock.toml",
        "",
        &[
            "[[packages]]\nname = 'd'\ndirectory = {path = 'd', editable = true}\n\
           [[packages]]\nname = 'e'\nversion = '1.0'\n\
           sdist = {url = 'https://example.com/e-1.0.zip', hashes = {}}\n"
                .to_owned(),
        ],
    );
    let words = [
        "`b 1.0` is a source distribution, `https://example.com/b-1.0.tar.gz`; \
         `c 1.0` is a git repository",
        "`d` is an editable directory, `d`; \
         `e 1.0` is a source distribution, `https://example.com/e-1.0.zip`",
        "hint: build wheels of them",
    ];
    shop.refuses(&["--report", &report, "--lock", &lock], &words);
}

#[test]
fn c74_every_wheel_has_to_be_pinned_if_hashes_are_required() {
    let shop = Shop::new(&["a", "b"]);
    let mut loose = shop.item("a");
    loose["download_info"]["archive_info"] = json!({});
    let report = shop.report(&[loose, shop.item("b")]);
    shop.refuses(
        &["--report", &report, "--require-hashes"],
        &["a-1.0-py3-none-any.whl", "none is pinned"],
    );
    shop.install(&["--report", &report]).assert_code(0);

    let shop = Shop::new(&["a", "b"]);
    let report = shop.report(&[shop.item("a")]);
    let lock = shop.lock("pylock.toml", "", &[shop.package("b", "")]);
    shop.install(&["--report", &report, "--lock", &lock, "--require-hashes"])
        .assert_code(0);
    assert_eq!(shop.installed(), ["a", "b"]);
}

#[test]
fn c72_lines_that_pip_mixes_into_its_report_are_known() {
    let shop = Shop::new(&["a"]);
    let report = shop.report(&[shop.item("a")]);
    let text = fs::read_to_string(shop.scene.join(&report)).unwrap();
    shop.scene.write(&report, format!("Collecting a\n{text}"));
    shop.refuses(
        &["--report", &report],
        &[
            "it is not JSON",
            "hint: `pip install --report -` mixes it with other lines",
        ],
    );
}

#[test]
fn wheels_are_put_into_a_directory_that_is_made_for_them() {
    let shop = Shop::new(&["a"]);
    for dest in ["new", "./new2", "new3/deep"] {
        shop.scene
            .run(&["download", &wheel("a"), "--dest", dest])
            .assert_code(0);
        assert_eq!(
            fs::read_dir(shop.scene.join(dest)).unwrap().count(),
            1,
            "{dest}"
        );
    }
}

#[test]
fn one_wheel_that_several_texts_name_is_installed_once() {
    let shop = Shop::new(&["a", "b", "c"]);
    let report = shop.report(&[shop.item("a"), shop.item("b")]);
    shop.lock(
        "pylock.toml",
        "",
        &[shop.package("b", ""), shop.package("c", "")],
    );
    shop.lock("pylock.dev.toml", "", &[shop.package("c", "")]);
    let (venv, path) = (shop.scene.join("venv"), shop.scene.join(&wheel("c")));
    let all = [
        "--report",
        &report,
        "--lock",
        "pylock.toml",
        "--lock",
        "pylock.dev.toml",
        &path.display().to_string(),
    ];
    let json = shop
        .install(&[&all[..], &["--json"]].concat())
        .assert_code(0)
        .json();
    assert_eq!(json["changes"].as_array().map(Vec::len), Some(3));
    let requested = |name: &str| {
        site_packages(&venv)
            .join(format!("{name}-1.0.dist-info/REQUESTED"))
            .exists()
    };
    assert_eq!(["a", "b", "c"].map(requested), [true, true, false]);

    // Lists made at different times know different files of one release; a file of either list is
    // accepted.
    let (zeros, ones, hash) = ("0".repeat(64), "1".repeat(64), shop.sha("a"));
    shop.scene.write(
        "old.txt",
        format!("a==1.0 --hash=sha256:{hash} --hash=sha256:{ones}\n"),
    );
    let lists = [
        "-r",
        "old.txt",
        "-r",
        "new.txt",
        "-f",
        "wheels",
        "--reinstall",
    ];
    shop.scene.write(
        "new.txt",
        format!("a==1.0 --hash=sha256:{zeros} --hash=sha256:{hash}\n"),
    );
    shop.install(&lists).assert_code(0);
    shop.scene.write(
        "new.txt",
        format!("a==1.0 --hash=sha256:{zeros} --hash=sha256:{ones}\n"),
    );
    shop.refuses(
        &lists,
        &[
            "a-1.0-py3-none-any.whl",
            "which is none of the 2 hashes that it may have",
        ],
    );

    // The promises that all texts make of the wheel have to hold.
    let wrong = shop
        .package("c", "")
        .replace(&shop.sha("c"), &"0".repeat(64));
    shop.lock("pylock.dev.toml", "", &[wrong]);
    shop.refuses(
        &[&all[..], &["--reinstall"]].concat(),
        &["it was pinned to sha256=0000"],
    );
}

#[test]
fn a_fault_of_a_list_of_names_does_not_hide_among_names_without_versions() {
    let scene = Scene::new();
    scene.venv();
    for fault in ["six @ ${PLACE}/six.whl", "-e .", "six >=1 <2", "--unknown"] {
        scene.write("list.in", format!("app >=1\n{fault}\nother[x]\n"));
        let run = scene.run(&["-r", "list.in", "--target", "venv"]);
        run.assert_code(3).assert_stderr("line 2");
        assert!(!run.stderr.contains("not pinned"), "{}", run.stderr);
    }
    // A list that is pinned but for one line is refused for that.
    let pinned = "app==1.0\nother==2.0\nsix >=1 <2\n";
    scene.write("list.in", pinned);
    let run = scene.run(&["-r", "list.in", "--target", "venv"]);
    run.assert_code(3).assert_stderr("line 3: ");
}

#[test]
fn lists_that_name_each_other_are_read_once() {
    let shop = Shop::new(&["one", "two"]);
    let scene = &shop.scene;
    scene.write("first.in", "one\n-r below/second.in\n");
    scene.write("below/second.in", "two\n-r ../first.in\n-c ../first.in\n");
    let lists = ["-r", "first.in", "--find-links", "wheels", "--no-index"];
    let run = scene.install(&scene.join("venv"), &lists);
    run.assert_code(0);
    for name in ["one", "two"] {
        assert!(run.stdout.contains(&format!("+ {name} ")), "{}", run.stdout);
    }
}
