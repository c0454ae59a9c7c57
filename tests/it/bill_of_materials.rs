//! `list --format cyclonedx`: a bill of materials of what is installed.

use serde_json::{Value, json};

use crate::support::scene::Scene;
use crate::support::wheel_builder::Wheel;

#[test]
fn a_bill_has_a_component_for_each_project_and_says_what_requires_what() {
    let scene = Scene::new();
    let venv = scene.venv();
    let one = Wheel::new("one", "1.0+local.1")
        .file("one.py", "")
        .metadata_line("Requires-Dist: two>=1")
        .metadata_line("License-Expression: MIT OR Apache-2.0")
        .metadata_line("Summary: The \u{e9}first\u{202e}")
        .metadata_line("Home-page: https://one.example/")
        .dist_info_file("sboms/parts.cdx.json", "{}");
    let two = Wheel::new("two", "2.0")
        .file("two.py", "")
        .metadata_line("License: BSD, or so")
        .metadata_line("Home-page: none at all");
    let paths = [one, two].map(|wheel| scene.wheel(&wheel).display().to_string());
    scene.install(&venv, &paths).assert_code(0);
    let list = |more: &[&str]| {
        let run = scene.install(
            &venv,
            &[&["list", "--format", "cyclonedx"][..], more].concat(),
        );
        run.assert_code(0);
        run.stdout
    };
    let text = list(&[]);
    assert_eq!(
        text,
        list(&["-v"]),
        "the same each time, and for programs only"
    );
    let is_escaped = !text.contains('\u{202e}');
    assert!(is_escaped, "a terminal would obey it: {text}");
    let bill: Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(bill["bomFormat"], "CycloneDX");
    assert_eq!(bill["specVersion"], "1.6");
    let digest = bill["components"][0]["externalReferences"][1]["hashes"][0]["content"].clone();
    assert_eq!(digest.as_str().map(str::len), Some(64));
    assert_eq!(
        bill["components"],
        json!([
            {
                "type": "library",
                "bom-ref": "one==1.0+local.1",
                "name": "one",
                "version": "1.0+local.1",
                "description": "The \u{e9}first\u{202e}",
                "licenses": [{"expression": "MIT OR Apache-2.0"}],
                "purl": "pkg:pypi/one@1.0%2Blocal.1",
                "externalReferences": [
                    {"type": "website", "url": "https://one.example/"},
                    {
                        "type": "bom",
                        "url": "one-1.0%2Blocal.1.dist-info/sboms/parts.cdx.json",
                        "hashes": [{"alg": "SHA-256", "content": digest}],
                    },
                ],
            },
            {
                "type": "library",
                "bom-ref": "two==2.0",
                "name": "two",
                "version": "2.0",
                "licenses": [{"license": {"name": "BSD, or so"}}],
                "purl": "pkg:pypi/two@2.0",
            },
        ])
    );
    assert_eq!(
        bill["dependencies"],
        json!([{"ref": "one==1.0+local.1", "dependsOn": ["two==2.0"]}, {"ref": "two==2.0"}])
    );
}
