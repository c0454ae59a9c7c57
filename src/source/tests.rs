//! Sources from arguments and from what resolvers leave, with files that need not be wheels.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::digest::{Algorithm, Digest};
use crate::error::{ErrorKind, WarningCode};
use crate::spec::pylock::Selection;

pub(super) const SHA: &str = "4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274";

fn fitting(compat_check: bool) -> Fitting {
    let markers = MarkerEnvironment {
        implementation_name: "cpython".into(),
        platform_machine: "x86_64".into(),
        python_version: "3.11".into(),
        sys_platform: "linux".into(),
        ..MarkerEnvironment::default()
    };
    Fitting::new(
        &Target::of_tests(),
        &Version::parse("3.11.7").unwrap(),
        markers,
        compat_check,
    )
}

/// A directory with empty files of these names.
pub(super) fn shelf(names: &[&str]) -> TempDir {
    let scratch = tempfile::tempdir().unwrap();
    for name in names {
        let path = scratch.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    scratch
}

fn message<T: std::fmt::Debug>(result: Result<T>) -> (ErrorKind, String) {
    let error = result.unwrap_err();
    (error.kind(), error.to_string())
}

pub(super) fn sha() -> Digest {
    Digest::from_hex(Algorithm::Sha256, SHA).unwrap()
}

fn report_text(python: &str) -> String {
    format!(
        r#"{{"version": "1", "environment": {{"python_version": "{python}"}}, "install": [
        {{"download_info": {{"url": "https://example.com/six-1.17.0-py2.py3-none-any.whl",
          "archive_info": {{"hashes": {{"sha256": "{SHA}"}}}}}},
          "is_direct": false, "is_yanked": true,
          "requested": true, "metadata": {{"name": "six", "version": "1.17.0"}}}},
        {{"download_info": {{"url": "file:///w/a-1-py3-none-any.whl", "archive_info": {{}}}},
          "is_direct": true, "metadata": {{"name": "a", "version": "1"}}}}]}}"#
    )
}

#[test]
fn c51_c72_a_report_gives_its_wheels_where_it_was_made_for_this_environment() {
    let found = pip_report::sources(
        report_text("3.11").as_bytes(),
        Path::new("r.json"),
        Some(&fitting(true)),
    )
    .unwrap();
    let [six, a] = found.sources.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(
        (six.requested, &six.direct_reference, &six.pinned.all),
        (true, &DirectReference::Never, &vec![sha()])
    );
    assert_eq!(
        (a.requested, a.path()),
        (false, Some(Path::new("/w/a-1-py3-none-any.whl")))
    );
    let json = &br#"{"archive_info":{},"url":"file:///w/a-1-py3-none-any.whl"}"#[..];
    assert_eq!(a.direct_reference, DirectReference::Written(json.into()));
    let [warning] = found.warnings.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(
        (warning.code, warning.wheel.as_deref()),
        (WarningCode::Yanked, Some("r.json"))
    );
    assert_eq!(
        warning.message,
        "`six 1.17.0` was yanked: its project has withdrawn the release"
    );

    let other = report_text("3.12");
    let (kind, text) = message(pip_report::sources(
        other.as_bytes(),
        Path::new("r.json"),
        Some(&fitting(true)),
    ));
    assert_eq!(kind, ErrorKind::Input);
    assert_eq!(
        text,
        "`r.json`: it was made for another environment: `python_version` is `3.12` in it and \
         `3.11` here"
    );
    assert_eq!(
        pip_report::sources(other.as_bytes(), Path::new("-"), Some(&fitting(false)))
            .unwrap()
            .sources
            .len(),
        2
    );
}

fn lock_text(artifact: &str) -> String {
    format!(
        "lock-version = '1.0'\ncreated-by = 'x'\n[[packages]]\nname = 'six'\n\
         {artifact} = {{name = 'six-1-py3-none-any.whl', path = '../w/six.whl', size = 7, hashes \
         = {{sha256 = '{SHA}'}}}}\n"
    )
}

#[test]
fn c65_c69_a_lock_file_is_known_by_its_name_and_its_paths_are_relative_to_it() {
    let locked = |text: &str, at: &str| {
        lock_file::sources(
            text.as_bytes(),
            Path::new(at),
            &fitting(true),
            &Selection::default(),
        )
    };
    let text = lock_text("wheels")
        .replace("wheels = {", "wheels = [{")
        .replace("}}", "}}]");
    let found = locked(&text, "/p/locks/pylock.toml").unwrap();
    let [six] = found.sources.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(
        (six.path(), six.size),
        (Some(Path::new("/p/locks/../w/six.whl")), Some(7))
    );
    assert_eq!(
        (six.file_name.as_str(), &six.direct_reference),
        ("six-1-py3-none-any.whl", &DirectReference::Never)
    );
    assert_eq!(six.pinned.all, [sha()]);
    for (at, path) in [
        ("-", "../w/six.whl"),
        ("pylock.dev.toml", "../w/six.whl"),
        ("l/pylock.toml", "l/../w/six.whl"),
    ] {
        assert_eq!(
            locked(&text, at).unwrap().sources[0].path(),
            Some(Path::new(path)),
            "{at}"
        );
    }
    let (kind, message) = message(locked(&text, "/p/lock.toml"));
    assert_eq!(kind, ErrorKind::Input);
    assert_eq!(
        message,
        "`/p/lock.toml`: `lock.toml` is not a lock file's name: it is `pylock.toml` or \
         `pylock.NAME.toml`"
    );
}

#[test]
fn c51_an_archive_that_is_a_wheel_is_a_direct_reference() {
    let text = lock_text("archive").replace("six.whl", "six-1-py3-none-any.whl");
    let found = lock_file::sources(
        text.as_bytes(),
        Path::new("-"),
        &fitting(true),
        &Selection::default(),
    )
    .unwrap();
    assert_eq!(found.sources[0].direct_reference, DirectReference::Always);
}

/// Nothing is installed.
const NONE: &IsInstalled<'static> = &|_, _, _| None;

#[test]
fn what_is_installed_is_not_looked_for_unless_a_hash_can_choose_a_wheel() {
    let scratch = shelf(&["one/six-1-py3-none-any.whl"]);
    let found = |text: &str, find_links: &[PathBuf]| {
        let is_installed: &IsInstalled<'_> =
            &|name, version, _| (name.normalized() == "six").then(|| version.clone());
        let at = Path::new("-");
        requirements::sources(
            text.as_bytes(),
            at,
            &fitting(true),
            find_links,
            is_installed,
        )
        .map(|found| (found.sources.len(), found.satisfied.len()))
    };
    let hashed = format!("six==1 --hash=sha256:{SHA}");
    let there = [scratch.path().join("one")];
    let typo = [scratch.path().join("none")];
    assert_eq!(found("six==1", &[]).unwrap(), (0, 1));
    assert_eq!(found("six==1", &typo).unwrap(), (0, 1));
    assert_eq!(found("six==1", &there).unwrap(), (0, 1));
    assert_eq!(found(&hashed, &there).unwrap(), (1, 0));
    assert_eq!(found(&hashed, &[]).unwrap(), (0, 1));
    let error = found("six==1\nother==1", &[]).unwrap_err();
    assert_eq!(error.code(), "nowhere-to-look");
    assert!(!error.to_string().contains("six"), "{error}");
}

#[test]
fn c65_a_lock_file_is_no_list() {
    let text = lock_text("archive");
    let error = requirements::sources(
        text.as_bytes(),
        Path::new("l/pylock.dev.toml"),
        &fitting(true),
        &[],
        NONE,
    )
    .unwrap_err();
    assert_eq!(error.code(), "lock-as-requirements");
    assert!(error.to_string().contains("`l/pylock.dev.toml`"), "{error}");
}

fn listed(text: &str, at: &Path, find_links: &[PathBuf]) -> Result<Vec<String>> {
    let found = requirements::sources(text.as_bytes(), at, &fitting(true), find_links, NONE)?;
    Ok(found
        .sources
        .into_iter()
        .map(|source| source.file_name)
        .collect())
}

#[test]
fn c74_a_pinned_version_is_found_in_directories_by_tags_and_build() {
    let scratch = shelf(&[
        "one/six-1-py3-none-any.whl",
        "one/six-1.0-2-py3-none-any.whl",
        "one/six-2-cp311-cp311-manylinux_2_17_x86_64.whl",
        "one/six-1-cp312-cp312-win32.whl",
        "one/odd.whl",
        "two/a_b-1-py3-none-any.whl",
        "two/a_b-1-cp311-cp311-manylinux_2_17_x86_64.whl",
        "two/torch-2.0-cp311-cp311-manylinux_2_17_x86_64.whl",
        "two/torch-2.0+cpu-py3-none-any.whl",
        "two/win-1-cp312-cp312-win32.whl",
    ]);
    let (one, two) = (scratch.path().join("one"), scratch.path().join("two"));
    let text = format!(
        "--find-links two\nsix==1 --hash=sha256:{SHA} --hash=sha256:{}\n\
         A.b==1.0 --hash=sha256:{SHA}\n\
                        torch==2.0 --hash=sha256:{SHA}\n",
        "0".repeat(64)
    );
    let at = scratch.path().join("list.txt");
    let names = listed(&text, &at, std::slice::from_ref(&one)).unwrap();
    let expected = [
        "six-1.0-2-py3-none-any.whl",
        "a_b-1-cp311-cp311-manylinux_2_17_x86_64.whl",
        "torch-2.0+cpu-py3-none-any.whl",
    ];
    assert_eq!(names, expected);
    let found = requirements::sources(
        text.as_bytes(),
        &at,
        &fitting(true),
        std::slice::from_ref(&one),
        NONE,
    )
    .unwrap();
    assert_eq!(
        (
            found.sources[0].pinned.all.len(),
            found.sources[0].pinned.any[0].len()
        ),
        (0, 2)
    );
    assert_eq!(found.sources[0].direct_reference, DirectReference::Never);

    let (kind, text) = message(listed("six==3\nwin==1", &at, &[one, two.clone()]));
    assert_eq!(kind, ErrorKind::Input);
    assert!(
        text.contains("line 1: no wheel of `six==3` is in `"),
        "{text}"
    );
    assert!(text.contains(
        "line 2: no wheel of `win==1` fits the environment: there is `win-1-cp312-cp312-win32.whl`"
    ));
    let unchecked = requirements::sources(b"win==1", &at, &fitting(false), &[two], NONE).unwrap();
    assert_eq!(unchecked.sources.len(), 1);
}

#[test]
fn c73_a_requirement_with_a_url_needs_no_directory() {
    let text = format!(
        "six @ https://example.com/six-1-py3-none-any.whl#sha256={SHA} --hash=sha256:{SHA}"
    );
    let found =
        requirements::sources(text.as_bytes(), Path::new("-"), &fitting(true), &[], NONE).unwrap();
    assert_eq!(
        found.sources[0].pinned,
        Pins::all_of(vec![sha()]).and_one_of(vec![sha()])
    );
    assert_eq!(found.sources[0].direct_reference, DirectReference::Always);
    let error = requirements::sources(
        b"a==1\nb==1\nc==1",
        Path::new("-"),
        &fitting(true),
        &[],
        NONE,
    )
    .unwrap_err();
    assert_eq!(error.code(), "nowhere-to-look");
}

#[test]
fn no_message_about_an_argument_or_a_line_holds_a_password() {
    for address in [
        "git+https://s3cr3t@github.com/o/r.git",
        "git+https://u:s3cr3t@h/x",
        "ftp://u:s3cr3t@h/six-1-py3-none-any.whl",
        "https://u:s3cr3t/x@h/six-1-py3-none-any.whl",
        "https://u:s3cr3t#x@h/six-1-py3-none-any.whl",
        "https://u:s3cr3t?x@h/six-1-py3-none-any.whl",
        " https://u:s3cr3t@h/six-1-py3-none-any.whl#sha256=0",
        "https:u:s3cr3t@h/six-1.tar.gz",
        "six @ https://u:s3cr3t@h/six-1-py3-none-any.whl",
        "https://h/six-1.tar.gz?X-Amz-Signature=s3cr3t",
        "https://h:x/six-1-py3-none-any.whl?sig=s3cr3t",
    ] {
        let mut texts = Vec::new();
        match Source::from_argument(Path::new(address)) {
            Err(error) => texts.push(format!("{error} {error:?}")),
            Ok(found) => texts.push(found[0].label()),
        }
        for line in [
            address.trim().to_owned(),
            format!("six @ {}", address.trim()),
            format!("-e {address}"),
            format!("-r {address}"),
        ] {
            let found = requirements::sources(
                line.as_bytes(),
                Path::new("-"),
                &fitting(true),
                &[],
                &|_, _, _| None,
            );
            match found {
                Err(error) => texts.push(format!("{error} {error:?}")),
                Ok(found) => texts.push(found.sources[0].label()),
            }
        }
        for text in texts {
            assert!(!text.contains("s3cr3t"), "{address}: {text}");
        }
    }
}

#[test]
fn files_of_other_kinds_are_named_once() {
    let listed = |text: &str, at: &str| {
        let found = requirements::sources(
            text.as_bytes(),
            Path::new(at),
            &fitting(true),
            &[],
            &|_, _, _| None,
        );
        found.unwrap_err()
    };
    let json = listed("\n {\n\"version\": \"1\",\n\"install\": []\n}\n", "r.txt");
    assert_eq!(
        (json.code(), json.to_string().lines().count()),
        ("json-as-requirements", 1)
    );
    for name in ["uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock"] {
        let at = Path::new("/p").join(name);
        let locked = lock_file::sources(b"x", &at, &fitting(true), &Selection::default());
        let reported = pip_report::sources(b"x", &at, Some(&fitting(true)));
        for error in [
            locked.unwrap_err(),
            reported.unwrap_err(),
            listed("x", at.to_str().unwrap()),
        ] {
            assert_eq!(
                (error.kind(), error.code()),
                (ErrorKind::Input, "tools-own-lock")
            );
        }
    }
}

#[test]
fn an_unusable_url_in_a_lock_file_is_named() {
    let text = lock_text("wheels")
        .replace("wheels = {", "wheels = [{")
        .replace("}}", "}}]")
        .replace(
            "name = 'six-1-py3-none-any.whl', path = '../w/six.whl'",
            "url = 'ftp://u:p@h/six-1-py3-none-any.whl'",
        );
    let at = Path::new("pylock.toml");
    let found = lock_file::sources(text.as_bytes(), at, &fitting(true), &Selection::default());
    let error = found.unwrap_err();
    assert_eq!(error.code(), "location");
    assert!(
        error
            .to_string()
            .contains("`six` is at `ftp://h/six-1-py3-none-any.whl`"),
        "{error}"
    );
}
