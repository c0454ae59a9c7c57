//! Output of resolvers, installed through the library: reports, lock files and requirements.
//!
//! The texts are as pip and uv write them, the wheels come from the scene; the environment is a
//! real one.

use std::fs;
use std::path::{Path, PathBuf};

use pkg_install::Cancellation;
use pkg_install::command::{self, Context, Options};
use pkg_install::environment::{self, Locate};
use pkg_install::error::{Error, ErrorKind};
use pkg_install::fs::Fs;
use pkg_install::outcome::Silent;
use pkg_install::source::{Fitting, Source, Sourced, lock_file, pip_report, requirements};
use pkg_install::spec::pylock::Selection;
use sha2::Digest as _;

use crate::support::scene::{Scene, site_packages, tree};
use crate::support::wheel_builder::Wheel;

/// A scene with an environment and one wheel, whose directory's name has to be escaped in a URL.
struct Setting {
    scene: Scene,
    venv: PathBuf,
    wheel: PathBuf,
    sha: String,
}

impl Setting {
    fn new() -> Self {
        let scene = Scene::new();
        let venv = scene.venv();
        let wheel = Wheel::new("demo", "1.0")
            .file("demo.py", "x = 1\n")
            .write_to(&scene.join("a b%20c"));
        let sha = sha2::Sha256::digest(fs::read(&wheel).expect("the wheel can be read"));
        let sha = sha
            .iter()
            .fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        Self {
            scene,
            venv,
            wheel,
            sha,
        }
    }

    fn locate(&self) -> Locate {
        Locate {
            target: Some(self.venv.clone()),
            ..Locate::default()
        }
    }

    fn fitting(&self) -> Fitting {
        let environment = environment::locate(&self.locate()).expect("the environment is whole");
        let python = environment.python().expect("it has an interpreter");
        Fitting::new(
            &python.target,
            &python.version,
            environment::marker_values(python),
            true,
        )
    }

    fn url(&self) -> String {
        format!("file://{}", self.wheel.display())
            .replace('%', "%25")
            .replace(' ', "%20")
    }

    fn install(&self, sources: &[Source]) -> Result<(), Error> {
        let (fs, cancel) = (Fs::default(), Cancellation::default());
        let context = Context {
            fs: &fs,
            cancel: &cancel,
            events: &Silent,
        };
        let options = Options {
            require_hashes: true,
            direct_url: true,
            ..Options::default()
        };
        pkg_install::Environment::locate(&self.locate()).and_then(|environment| {
            command::install(&environment, &sources.to_vec().into(), &options, context).map(drop)
        })
    }

    /// Installs the sources; returns direct_url.json, and whether there is REQUESTED.
    #[track_caller]
    fn installed(&self, sourced: Sourced) -> (Option<serde_json::Value>, bool) {
        self.install(&sourced.sources).expect("it can be installed");
        let dist_info = site_packages(&self.venv).join("demo-1.0.dist-info");
        let direct_url = fs::read(dist_info.join("direct_url.json")).ok();
        (
            direct_url.map(|json| serde_json::from_slice(&json).expect("it is JSON")),
            dist_info.join("REQUESTED").exists(),
        )
    }

    /// Fails unless the sources are refused with these words and nothing is changed.
    #[track_caller]
    fn refuses(&self, sourced: Sourced, words: &str) {
        let before = tree(&self.venv);
        let error = self.install(&sourced.sources).expect_err("it is refused");
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(before, tree(&self.venv));
    }

    fn report(&self, is_direct: bool) -> Sourced {
        let text = format!(
            r#"{{"version": "1", "pip_version": "26.3", "environment": {{"sys_platform": "linux"}},
            "install": [{{"download_info": {{"url": "{}", "archive_info":
                {{"hash": "sha256={sha}", "hashes": {{"sha256": "{sha}"}}}}}},
            "is_direct": {is_direct}, "is_yanked": false, "requested": true,
            "metadata": {{"name": "demo", "version": "1.0"}}}}]}}"#,
            self.url(),
            sha = self.sha
        );
        pip_report::sources(text.as_bytes(), Path::new("-"), Some(&self.fitting()))
            .expect("the report is understood")
    }

    fn lock(&self, artifact: &str) -> Sourced {
        let text = format!(
            "lock-version = '1.0'\ncreated-by = 'x'\n[[packages]]\nname = 'demo'\n\
             marker = \"sys_platform != 'win32'\"\n{artifact}\n"
        )
        .replace("SHA", &self.sha);
        let at = self.scene.write("locks/pylock.toml", &text);
        lock_file::sources(text.as_bytes(), &at, &self.fitting(), &Selection::default())
            .expect("the lock file is understood")
    }

    fn list(&self, hashes: &str) -> Sourced {
        let text = format!("demo==1.0 {hashes}");
        let home = self.wheel.parent().expect("a file has a parent").to_owned();
        requirements::sources(
            text.as_bytes(),
            Path::new("-"),
            &self.fitting(),
            &[home],
            &|_, _, _| None,
        )
        .expect("the list is understood")
    }
}

const BOTH: &str = "{path = '../a b%20c/demo-1.0-py3-none-any.whl', hashes = {sha256 = 'SHA'}}";

#[test]
fn c51_e106_a_report_is_installed_with_its_own_words() {
    let setting = Setting::new();
    let (direct_url, requested) = setting.installed(setting.report(true));
    let sha = &setting.sha;
    let archive_info =
        serde_json::json!({"hash": format!("sha256={sha}"), "hashes": {"sha256": sha}});
    let expected = serde_json::json!({"url": setting.url(), "archive_info": archive_info});
    assert_eq!((direct_url, requested), (Some(expected), true));
    let setting = Setting::new();
    assert_eq!(setting.installed(setting.report(false)), (None, true));
}

#[test]
fn c51_c69_a_lock_file_is_installed_and_its_archives_are_direct_references() {
    let setting = Setting::new();
    assert_eq!(
        setting.installed(setting.lock(&format!("wheels = [{BOTH}]"))),
        (None, false)
    );
    let setting = Setting::new();
    let (direct_url, _) = setting.installed(setting.lock(&format!("archive = {BOTH}")));
    let url = setting.url();
    let expected =
        serde_json::json!({"url": url, "archive_info": {"hashes": {"sha256": setting.sha}}});
    assert_eq!(direct_url, Some(expected));
}

#[test]
fn c69_a_wheel_may_lie_in_a_file_of_another_name() {
    let setting = Setting::new();
    fs::rename(&setting.wheel, setting.scene.join("blob")).unwrap();
    let artifact = "wheels = [{name = 'demo-1.0-py3-none-any.whl', path = '../blob', \
                    hashes = {sha256 = 'SHA'}}]";
    assert_eq!(setting.installed(setting.lock(artifact)), (None, false));
}

#[test]
fn c70_size_and_every_hash_are_checked_before_anything_is_written() {
    let setting = Setting::new();
    let size = fs::metadata(&setting.wheel).unwrap().len();
    let with = |more: &str| {
        setting.lock(&format!(
            "wheels = [{}]",
            BOTH.replace("hashes = {", &format!("{more}hashes = {{"))
        ))
    };
    setting.refuses(
        with("size = 7, "),
        &format!("the archive has {size} bytes, 7 were promised"),
    );
    let zeros = "0".repeat(128);
    let both = BOTH.replace("hashes = {", &format!("hashes = {{sha512 = '{zeros}', "));
    setting.refuses(
        setting.lock(&format!("wheels = [{both}]")),
        &format!("it was pinned to sha512={zeros}"),
    );
    assert_eq!(
        setting.installed(with(&format!("size = {size}, "))),
        (None, false)
    );
}

#[test]
fn c74_one_of_the_hashes_of_a_requirement_has_to_hold() {
    let setting = Setting::new();
    let (zeros, ones) = ("0".repeat(64), "1".repeat(64));
    setting.refuses(
        setting.list(&format!("--hash=sha256:{zeros}")),
        "it was pinned to sha256=0000",
    );
    let none = format!("--hash=sha256:{zeros} --hash=sha256:{ones}");
    setting.refuses(
        setting.list(&none),
        "which is none of the 2 hashes that it may have",
    );
    setting.refuses(setting.list(""), "none is pinned");
    assert_eq!(
        setting.installed(setting.list(&format!("{none} --hash=sha256:{}", setting.sha))),
        (None, false)
    );
}
