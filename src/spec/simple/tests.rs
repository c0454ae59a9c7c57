//! Pages as indexes send them, in both forms, and pages that no index should send.

use proptest::prelude::*;

use super::*;
use crate::digest::Algorithm;

const JSON: &str = "application/vnd.pypi.simple.v1+json; charset=utf-8";
const SHA: &str = "4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274";

fn page(kind: &str, body: &str) -> Result<Page, IndexFault> {
    let project = ProjectName::parse("My.Project").expect("a name");
    Page::parse(&project, kind, body.as_bytes())
}

fn json(files: &str) -> Page {
    let body = format!(r#"{{"meta": {{"api-version": "1.1"}}, "files": [{files}]}}"#);
    page(JSON, &body).expect("a page")
}

fn html(body: &str) -> Page {
    page("text/html", body).expect("a page")
}

fn versions(page: &Page) -> Vec<String> {
    let versions = page.releases.iter();
    versions
        .map(|release| release.version.to_string())
        .collect()
}

#[test]
fn both_forms_of_a_page_say_the_same() {
    let body = format!(
        r#"{{"filename": "my_project-1.0-py3-none-any.whl",
            "url": "../f/my_project-1.0-py3-none-any.whl",
            "hashes": {{"sha256": "{SHA}", "md5": "00"}}, "requires-python": ">=3.8,<4",
            "core-metadata": {{"sha256": "{SHA}"}}, "yanked": "a & b", "size": 7, "x": [{{}}]}},
           {{"filename": "My.Project-1.0.tar.gz", "url": "x", "hashes": {{}}}}"#
    );
    let mut from_json = json(&body);
    let from_html = html(&format!(
        "<!DOCTYPE html><html><body><a href='../f/my%5Fproject-1.0-py3-none-any.whl#sha256={SHA}' \
         data-requires-python='&gt;=3.8,&#60;4' data-dist-info-metadata=sha256={SHA} \
         data-yanked='a &amp; b'>something else</a><A HREF=my.project-1.0.tar.gz>x</A>"
    ));
    // Only JSON has sizes, and the link keeps the page's spelling.
    let release = &mut from_json.releases[0];
    assert_eq!(release.wheels[0].size.take(), Some(7));
    release.wheels[0].link = from_html.releases[0].wheels[0].link.clone();
    assert_eq!(from_json, from_html);
    let wheel = &from_html.releases[0].wheels[0];
    assert_eq!(&*wheel.file_name, "my_project-1.0-py3-none-any.whl");
    let digest = Digest::from_hex(Algorithm::Sha256, SHA).expect("a digest");
    assert_eq!(&*wheel.digests, [digest]);
    assert_eq!(wheel.metadata, MetadataFile::Pinned(Box::new(digest)));
    assert_eq!(wheel.yanked.as_deref(), Some("a & b"));
    assert!(from_html.releases[0].has_source);
}

#[test]
fn only_files_of_the_project_count_and_versions_are_sorted() {
    let file = |name: &str| format!(r#"{{"filename": "{name}", "url": "x"}}"#);
    let names = [
        "my_project-10.0-py3-none-any.whl",
        "my_project-9.0-py3-none-any.whl",
        "my_project-9-1-py3-none-any.whl",
        "other-1.0-py3-none-any.whl",
        "my_project-1.0-py3-none.whl",
        "my_project-x-py3-none-any.whl",
        "my-project-8.0.tar.gz",
        "my-project-extra-7.0.tar.gz",
        "my_project-1.0.exe",
    ];
    let page = json(&names.map(file).join(","));
    assert_eq!(versions(&page), ["8.0", "9.0", "10.0"]);
    assert_eq!(page.releases[1].wheels.len(), 2, "9 and 9.0 are one");
    assert!(page.releases[0].has_source && page.releases[0].wheels.is_empty());
}

#[test]
fn keys_of_other_types_count_as_absent() {
    let page = json(
        r#"{"filename": "my_project-1-py3-none-any.whl", "url": "x", "hashes": {"sha256": "00"},
            "requires-python": ">=3.x", "core-metadata": 1, "yanked": false, "size": -1},
           {"filename": "my_project-2-py3-none-any.whl", "url": "x", "hashes": [],
            "requires-python": null, "core-metadata": true, "yanked": null, "size": "x"},
           {"filename": 7, "url": "x"}"#,
    );
    let [one, two] = &page.releases[..] else {
        panic!("{page:?}")
    };
    let plain = |release: &Release| release.wheels[0].clone();
    assert_eq!(plain(one).metadata, MetadataFile::Absent);
    assert_eq!(plain(two).metadata, MetadataFile::Unpinned);
    for wheel in [plain(one), plain(two)] {
        assert!(wheel.digests.is_empty() && wheel.requires_python.is_none());
        assert!(wheel.yanked.is_none() && wheel.size.is_none());
    }
}

#[test]
fn the_state_of_a_project_is_read_in_both_forms() {
    let body = r#"{"project-status": {"status": "quarantined", "reason": "bad"}, "files": []}"#;
    let quarantined = ProjectStatus::Quarantined("bad".to_owned());
    assert_eq!(page(JSON, body).expect("a page").status, quarantined);
    let body = "<meta name='pypi:project-status' content='quarantined'>\
                <meta name='pypi:project-status-reason' content='bad'>";
    assert_eq!(html(body).status, quarantined);
    let body = r#"{"project-status": {"status": "new"}, "files": []}"#;
    let active = ProjectStatus::Active;
    assert_eq!(page(JSON, body).expect("a page").status, active);
}

#[test]
fn other_versions_and_other_contents_are_refused() {
    let refused = |kind: &str, body: &str| page(kind, body).expect_err("it is no page");
    let newer = r#"{"meta": {"api-version": "2.0"}, "files": []}"#;
    let version = IndexFault::ApiVersion("2.0".to_owned());
    assert_eq!(refused(JSON, newer), version);
    let newer = "<meta name='pypi:repository-version' content='2.0'>";
    assert_eq!(refused("text/html", newer), version);
    for (kind, body) in [
        (JSON, "[]"),
        (JSON, "{}"),
        (JSON, "{\"files\": 1}"),
        (JSON, "{\"files\": []} x"),
        (JSON, "<html>"),
        ("text/plain", "{\"files\": []}"),
        ("", "<a>"),
    ] {
        let fault = refused(kind, body);
        assert!(matches!(fault, IndexFault::NotAPage(_)), "{kind} {body}");
    }
    let nested = format!("{{\"files\": {}", "[".repeat(100_000));
    assert!(matches!(refused(JSON, &nested), IndexFault::NotAPage(_)));
}

#[test]
fn links_start_from_the_page_and_lead_to_http_only() {
    let address = Url::parse("https://h.example/simple/my-project/").expect("a URL");
    let at = |link: &str| {
        let page = html(&format!("<a href='{link}'>"));
        let wheel = page.releases.first()?.wheels.first()?;
        wheel.address(&address).map(String::from)
    };
    let name = "my_project-1-py3-none-any.whl";
    let expected = format!("https://h.example/simple/my-project/{name}");
    assert_eq!(at(name), Some(expected));
    let expected = format!("https://h.example/f/{name}");
    assert_eq!(at(&format!("/f/{name}#x=y")), Some(expected));
    assert_eq!(at(&format!("file:///tmp/{name}")), None);
    assert_eq!(at(&format!("ftp://h.example/{name}")), None);
}

#[test]
fn a_page_with_too_many_files_is_refused() {
    let link = "<a href=x>";
    let fault = page("text/html", &link.repeat(MOST_FILES + 1)).expect_err("too many");
    assert_eq!(fault, IndexFault::TooManyFiles { limit: MOST_FILES });
}

proptest! {
    #[test]
    fn no_body_makes_the_readers_fail(body in ".{0,300}") {
        let _ = page("text/html", &body);
        let _ = page(JSON, &body);
    }

    #[test]
    fn every_wheel_that_is_kept_belongs_to_the_project(
        names in proptest::collection::vec(
            "[mM]y[-_.]project-[0-9a._!+-]{1,9}(-py3)?-none-any.whl", 0..9
        )
    ) {
        let links: String = names.iter().map(|name| format!("<a href=\"{name}\">")).collect();
        let page = html(&links);
        prop_assert!(page.releases.is_sorted_by(|one, next| one.version < next.version));
        for release in &page.releases {
            for wheel in &release.wheels {
                let parts = wheel.file_name.split('-').count();
                prop_assert!(matches!(parts, 5 | 6));
            }
        }
    }
}
