//! Installation reports as pip 26.3 writes them, shortened, and ones that are refused.

use proptest::prelude::*;

use super::*;

const SHA: &str = "4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274";

/// As pip 26.3 writes it, but shorter.
fn report(items: &str) -> String {
    format!(
        r#"{{"version": "1", "pip_version": "26.3", "install": [{items}], "environment": {{
        "implementation_name": "cpython", "implementation_version": "3.11.7", "os_name": "posix",
        "platform_machine": "x86_64", "platform_release": "6.18.44", "platform_system": "Linux",
        "platform_version": "SMP", "python_full_version": "3.11.7", "python_version": "3.11",
        "platform_python_implementation": "CPython", "sys_platform": "linux"}}}}"#
    )
}

fn item(download_info: &str, flags: &str, name: &str) -> String {
    format!(
        r#"{{"download_info": {download_info}, {flags}, "metadata": {{"metadata_version": "2.1",
        "name": "{name}", "version": "1.17.0", "summary": "s"}}, "requested_extras": ["x"]}}"#
    )
}

fn archive(url: &str) -> String {
    format!(
        r#"{{"url": "{url}",
            "archive_info": {{"hashes": {{"sha256": "{SHA}"}}, "hash": "sha256={SHA}"}}}}"#
    )
}

const INDEX: &str = r#""is_direct": false, "is_yanked": false, "requested": true"#;
const DIRECT: &str = r#""is_direct": true, "is_yanked": true, "requested": false"#;

fn refused(text: &str) -> Vec<String> {
    PipReport::parse(text.as_bytes())
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn c72_wheels_are_read_with_hash_request_and_warning() {
    let remote = item(
        &archive("https://example.com/p/six-1.17.0-py2.py3-none-any.whl"),
        INDEX,
        "six",
    );
    let local = item(
        &archive("file:///w/a%20b%2520c/Six-1.17.0-py2.py3-none-any.whl"),
        DIRECT,
        "six",
    );
    let found = PipReport::parse(report(&format!("{remote}, {local}")).as_bytes()).unwrap();
    let [first, second] = found.items.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(
        first.location.label(),
        "https://example.com/p/six-1.17.0-py2.py3-none-any.whl"
    );
    assert_eq!(
        first.hashes,
        [Digest::from_hex(Algorithm::Sha256, SHA).unwrap()]
    );
    assert!(first.requested && !second.requested);
    assert_eq!(
        second.location.path().unwrap().to_str(),
        Some("/w/a b%20c/Six-1.17.0-py2.py3-none-any.whl")
    );
    assert_eq!(
        found.warnings,
        [ResolutionOddity::Yanked("six 1.17.0".into())]
    );
}

#[test]
fn c51_c52_download_info_is_kept_for_direct_references_alone() {
    let url = "https://u:p@example.com/six-1.17.0-py2.py3-none-any.whl";
    let info =
        |url: &str| format!(r#"{{"url":"{url}","archive_info":{{"hash":"sha256={SHA}"}},"x":1}}"#);
    let items = format!(
        "{}, {}",
        item(&info(url), DIRECT, "six"),
        item(&info(url), INDEX, "six")
    );
    let found = PipReport::parse(report(&items).as_bytes()).unwrap();
    let kept: Value = serde_json::from_slice(found.items[0].direct_url.as_ref().unwrap()).unwrap();
    let expected: Value =
        serde_json::from_str(&info("https://example.com/six-1.17.0-py2.py3-none-any.whl")).unwrap();
    assert_eq!(kept, expected);
    assert_eq!(found.items[1].direct_url, None);
    assert_eq!(found.items[0].hashes.len(), 1);
}

#[test]
fn c72_e105_everything_that_is_no_wheel_is_one_fault() {
    let items = [
        item(&archive("https://example.com/a-1.17.0.tar.gz"), INDEX, "a"),
        item(
            r#"{"url": "https://t:s@example.com/b.git",
                "vcs_info": {"vcs": "git", "commit_id": "0"}}"#,
            DIRECT,
            "b",
        ),
        item(r#"{"url": "file:///c", "dir_info": {}}"#, DIRECT, "c"),
        item(
            r#"{"url": "file:///d", "dir_info": {"editable": true}}"#,
            DIRECT,
            "d",
        ),
        item(
            &archive("https://example.com/six-1.17.0-py2.py3-none-any.whl"),
            INDEX,
            "six",
        ),
    ];
    assert_eq!(
        refused(&report(&items.join(","))),
        [
            "only wheels can be installed, but `a 1.17.0` is a source distribution, \
             `https://example.com/a-1.17.0.tar.gz`; `b 1.17.0` is a git repository, \
             `https://example.com/b.git`; `c 1.17.0` is a directory, `file:///c`; `d 1.17.0` is \
             an editable directory, `file:///d`"
        ]
    );
}

#[test]
fn c72_other_versions_and_texts_are_refused() {
    assert_eq!(
        refused(r#"{"version": "2", "install": []}"#),
        ["its `version` is `\"2\"`, only `\"1\"` is supported"]
    );
    assert_eq!(
        refused(r#"{"version": 1, "install": []}"#),
        ["its `version` is `1`, only `\"1\"` is supported"]
    );
    assert_eq!(refused(r#"{"install": []}"#), ["`version` is missing"]);
    assert_eq!(refused("[]"), ["`version` is missing"]);
    assert!(refused("{")[0].starts_with("it is not JSON: EOF"));
    assert_eq!(
        refused(r#"{"version": "1"}"#),
        ["it is not an installation report of pip: missing field `install` at line 1 column 16"]
    );
    let nowhere = item(r#"{"archive_info": {}}"#, INDEX, "six");
    assert_eq!(
        refused(&report(&nowhere)),
        [
            "it is not an installation report of pip: missing field `url` in `download_info` of \
             `six 1.17.0`"
        ]
    );
    let other = item(
        &archive("https://example.com/seven-1.17.0-py3-none-any.whl"),
        INDEX,
        "six",
    );
    assert_eq!(
        refused(&report(&other)),
        ["`seven-1.17.0-py3-none-any.whl` is not a wheel of `six 1.17.0`"]
    );
    let host = item(
        &archive("file://example.com/six-1.17.0-py3-none-any.whl"),
        INDEX,
        "six",
    );
    assert_eq!(
        refused(&report(&host)),
        [
            "`six 1.17.0` is at `file://example.com/six-1.17.0-py3-none-any.whl`: a `file` URL \
             cannot name another host",
        ]
    );
    let hash = archive("https://example.com/six-1.17.0-py3-none-any.whl").replace(SHA, "00");
    assert_eq!(
        refused(&report(&item(&hash, INDEX, "six"))),
        ["the hash `00` of `six 1.17.0` is not valid"]
    );
    let older = r#"{"url": "https://example.com/six-1.17.0-py3-none-any.whl",
        "archive_info": {"hash": "sha256:00"}}"#;
    assert_eq!(
        refused(&report(&item(older, INDEX, "six"))),
        ["the hash `sha256:00` of `six 1.17.0` is not valid"]
    );
    let fragment = archive("https://example.com/six-1.17.0-py3-none-any.whl#sha256=01");
    assert_eq!(
        refused(&report(&item(&fragment, INDEX, "six"))),
        ["the hash `sha256=01` of `six 1.17.0` is not valid"]
    );
}

#[test]
fn c72_another_environment_is_told() {
    let found = PipReport::parse(report("").as_bytes()).unwrap();
    let here = MarkerEnvironment {
        implementation_name: "cpython".into(),
        platform_machine: "x86_64".into(),
        python_version: "3.12".into(),
        sys_platform: "linux".into(),
        ..MarkerEnvironment::default()
    };
    assert_eq!(
        found.differences(&here),
        [("python_version", "3.11".to_owned(), "3.12".to_owned())]
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_text_makes_it_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..60),
        url in "\\PC{0,40}",
        cut in 0..900usize,
    ) {
        let _ = PipReport::parse(&bytes);
        let url = url.replace(['"', '\\'], "/");
        let text = report(&item(&archive(&format!("file:///{url}")), DIRECT, "six"));
        let _ = PipReport::parse(text.as_bytes());
        let _ = PipReport::parse(&text.as_bytes()[..cut.min(text.len())]);
    }
}

#[test]
fn the_older_hash_counts_beside_the_newer_ones() {
    let hashes = |older: &str| {
        let info = archive("https://example.com/six-1.17.0-py3-none-any.whl");
        let info = info.replace(&format!("sha256={SHA}"), older);
        let report = PipReport::parse(report(&item(&info, INDEX, "six")).as_bytes());
        report.unwrap().items.remove(0).hashes
    };
    assert_eq!(
        hashes(&format!("sha256={SHA}")).len(),
        1,
        "it repeats the other"
    );
    let other = "00".repeat(32);
    assert_eq!(
        hashes(&format!("sha256={other}")).len(),
        2,
        "no file has both"
    );
    assert_eq!(hashes("md5=00").len(), 1, "it proves nothing");
}
