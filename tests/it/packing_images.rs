//! `pack --format oci`: image layouts whose blobs are what their names say, with or without a base.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::support::scene::{Run, Scene, interpreter, tree};
use crate::support::wheel_builder::Wheel;

const TAG: &str = "org.opencontainers.image.ref.name";

fn sha256(content: &[u8]) -> String {
    let digest = sha2::Sha256::digest(content);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The content of a blob, which has to be what its descriptor says.
#[track_caller]
fn blob(layout: &Path, descriptor: &Value) -> Vec<u8> {
    let digest = descriptor["digest"].as_str().expect("a digest");
    let name = digest.strip_prefix("sha256:").expect("SHA-256");
    let content = std::fs::read(layout.join("blobs/sha256").join(name)).expect("the blob");
    assert_eq!(sha256(&content), name);
    assert_eq!(descriptor["size"], content.len());
    content
}

fn document(layout: &Path, descriptor: &Value) -> Value {
    serde_json::from_slice(&blob(layout, descriptor)).expect("JSON")
}

fn gunzipped(content: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(content)
        .read_to_end(&mut plain)
        .expect("a gzip member");
    plain
}

/// The manifest and the configuration of an image, all of whose blobs are checked.
#[track_caller]
fn image(layout: &Path, tag: &str) -> (Value, Value) {
    let index = std::fs::read(layout.join("index.json")).expect("the index");
    let index: Value = serde_json::from_slice(&index).expect("JSON");
    let manifests = index["manifests"].as_array().expect("manifests");
    let of_tag: Vec<&Value> = manifests
        .iter()
        .filter(|entry| entry["annotations"][TAG] == tag)
        .collect();
    assert_eq!(of_tag.len(), 1, "{index:#}");
    let manifest = document(layout, of_tag[0]);
    let config = document(layout, &manifest["config"]);
    let layers = manifest["layers"].as_array().expect("layers");
    let diff_ids = config["rootfs"]["diff_ids"].as_array().expect("diff ids");
    assert_eq!(layers.len(), diff_ids.len());
    for (layer, diff_id) in layers.iter().zip(diff_ids) {
        let plain = gunzipped(&blob(layout, layer));
        assert_eq!(*diff_id, format!("sha256:{}", sha256(&plain)));
    }
    if let Some(history) = config["history"].as_array() {
        assert_eq!(history.len(), layers.len());
    }
    (manifest, config)
}

/// A wheel that is large enough for a layer of its own.
fn large(name: &str) -> Wheel {
    let mut state = 9_u64;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    };
    let noise: Vec<u8> = std::iter::repeat_with(next).take(1_200_000).collect();
    Wheel::new(name, "1")
        .file(&format!("{name}/noise.bin"), noise)
        .file(
            &format!("{name}/__init__.py"),
            "def main(): print('large')\n",
        )
        .entry_points(&format!("[console_scripts]\n{name} = {name}:main\n"))
}

fn small(name: &str) -> Wheel {
    Wheel::new(name, "1").file(&format!("{name}.py"), "x = 1\n")
}

fn written(scene: &Scene, wheels: &[Wheel]) -> Vec<String> {
    let paths = wheels.iter().map(|wheel| scene.wheel(wheel));
    paths.map(|path| path.display().to_string()).collect()
}

/// Packs an image; `options` name the wheels, too.
#[track_caller]
fn packed(scene: &Scene, output: &str, options: &[&str]) -> Value {
    let common = ["pack", "--format", "oci", "--json", "--output", output];
    let run = scene.run(&[&common[..], options].concat());
    run.assert_code(0).json()
}

#[test]
fn each_large_wheel_has_a_layer_that_all_images_share() {
    let scene = Scene::new();
    let paths = written(&scene, &[large("large"), small("one"), small("two")]);
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let fixed = ["--interpreter", "/usr/bin/python3"];
    let all = packed(&scene, "all", &[&paths[..], &fixed].concat());
    let layers = all["artifact"]["layers"]
        .as_array()
        .expect("layers")
        .clone();
    let names: Vec<&Value> = layers.iter().map(|layer| &layer["wheels"]).collect();
    assert_eq!(
        names,
        [&json!([]), &json!(["large 1"]), &json!(["one 1", "two 1"])]
    );
    let (_, config) = image(&scene.join("all"), "latest");
    let variables = config["config"]["Env"].as_array().expect("variables");
    assert!(
        variables[0]
            .as_str()
            .is_some_and(|text| text.starts_with("PATH=/app/bin:"))
    );
    assert_eq!(config["created"], "1980-01-01T00:00:00Z");
    // Another image, made elsewhere with other wheels beside it.
    let other = Scene::new();
    let paths = written(&other, &[small("zero"), large("large")]);
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let fewer = packed(&other, "few", &[&paths[..], &fixed, &["-j", "1"]].concat());
    assert_eq!(fewer["artifact"]["layers"][1], layers[1]);
    assert_eq!(fewer["artifact"]["layers"][0], layers[0]);
    let one = packed(
        &scene,
        "one",
        &[&paths[..], &fixed, &["--layers", "one"]].concat(),
    );
    assert_eq!(one["artifact"]["layers"].as_array().map(Vec::len), Some(1));
    image(&scene.join("one"), "latest");
}

#[test]
fn an_image_has_directories_before_files_and_scripts_that_name_its_interpreter() {
    let scene = Scene::new();
    let paths = written(&scene, &[large("large")]);
    let fixed = ["--interpreter", "/usr/bin/python3", "--prefix", "/opt/it"];
    let entry = ["--entry", "large"];
    packed(
        &scene,
        "image",
        &[&[paths[0].as_str()], &fixed[..], &entry].concat(),
    );
    let (manifest, config) = image(&scene.join("image"), "latest");
    assert_eq!(config["config"]["Entrypoint"], json!(["/opt/it/bin/large"]));
    let mut seen = BTreeSet::new();
    for layer in manifest["layers"].as_array().expect("layers") {
        let plain = gunzipped(&blob(&scene.join("image"), layer));
        let text = String::from_utf8_lossy(&plain);
        if text.contains("opt/it/bin/large") {
            assert!(text.contains("#!/opt/it/bin/python\n"));
        }
        let mut at = 0;
        while plain[at] != 0 {
            let field = |from: usize, to: usize| {
                let field = &plain[at + from..at + to];
                let end = field
                    .iter()
                    .position(|&byte| byte == 0)
                    .unwrap_or(field.len());
                String::from_utf8_lossy(&field[..end]).into_owned()
            };
            let name = field(0, 100);
            let size = usize::from_str_radix(&field(124, 136), 8).expect("octal digits");
            assert!(
                name.starts_with("opt/") && field(108, 116) == "0000000",
                "{name}"
            );
            if let Some((parent, _)) = name.trim_end_matches('/').rsplit_once('/') {
                assert!(seen.contains(&format!("{parent}/")), "{name}");
            }
            seen.insert(name);
            at += 512 + size.next_multiple_of(512);
        }
    }
    assert!(seen.contains("opt/it/bin/large") && seen.contains("opt/it/pyvenv.cfg"));
}

/// Writes a layout with one layer, which holds one file.
fn base(scene: &Scene, file: &str) {
    let blobs = scene.join("base/blobs/sha256");
    std::fs::create_dir_all(&blobs).expect("directories");
    let put = |content: &[u8], kind: &str| {
        let name = sha256(content);
        std::fs::write(blobs.join(&name), content).expect("a blob");
        json!({"mediaType": kind, "digest": format!("sha256:{name}"), "size": content.len()})
    };
    let mut block = vec![0; 512];
    block[..file.len()].copy_from_slice(file.as_bytes());
    block[124..136].copy_from_slice(b"00000000000\0");
    block[156] = b'0';
    block.resize(3 * 512, 0);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&block).expect("room");
    let layer = gzip.finish().expect("room");
    let config = json!({
        "architecture": match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        },
        "os": "linux",
        "config": {"Env": ["PATH=/base/bin", "KEPT=1"], "Cmd": ["sh"], "User": "me"},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sha256(&block))]},
        "history": [{"created_by": "base"}],
    });
    let oci = "application/vnd.oci.image";
    let config = put(
        config.to_string().as_bytes(),
        &format!("{oci}.config.v1+json"),
    );
    let layer = put(&layer, &format!("{oci}.layer.v1.tar+gzip"));
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": [layer]});
    let mut entry = put(
        manifest.to_string().as_bytes(),
        &format!("{oci}.manifest.v1+json"),
    );
    entry["annotations"] = json!({TAG: "3"});
    let index = json!({"schemaVersion": 2, "manifests": [entry]});
    scene.write("base/index.json", index.to_string());
    scene.write("base/oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
}

#[test]
fn a_base_is_extended_and_its_interpreter_found() {
    let scene = Scene::new();
    let python = format!("usr/local/bin/python{}", interpreter().minor);
    base(&scene, &python);
    let paths = written(&scene, &[small("one")]);
    let options = [paths[0].as_str(), "--base", "base:3", "--entry", "one:main"];
    packed(&scene, "image", &options);
    let (manifest, config) = image(&scene.join("image"), "latest");
    assert_eq!(manifest["layers"].as_array().map(Vec::len), Some(3));
    let variables = json!(["KEPT=1", "PATH=/app/bin:/base/bin", "VIRTUAL_ENV=/app"]);
    assert_eq!(config["config"]["Env"], variables);
    assert_eq!(
        config["config"]["Entrypoint"],
        json!(["/app/bin/pack-entry"])
    );
    assert_eq!(
        (&config["config"]["User"], &config["config"]["Cmd"]),
        (&json!("me"), &Value::Null)
    );
    let plain = gunzipped(&blob(&scene.join("image"), &manifest["layers"][1]));
    assert!(String::from_utf8_lossy(&plain).contains(&format!("/{python}")));
    // Another name for it in the same layout; the first one stays.
    packed(
        &scene,
        "image",
        &[&options[..], &["--tag", "other"]].concat(),
    );
    let again = packed(&scene, "image", &options);
    assert_eq!(again["outcome"], "unchanged");
    assert_eq!(
        image(&scene.join("image"), "other"),
        image(&scene.join("image"), "latest")
    );
}

#[test]
fn images_without_an_interpreter_and_foreign_directories_are_refused() {
    let scene = Scene::new();
    base(&scene, "usr/bin/perl");
    scene.write("taken/file", "mine");
    let paths = written(&scene, &[small("one"), small("two").file("two/.wh.x", "")]);
    let fixed = ["--interpreter", "/usr/bin/python3"];
    let refused = |options: &[&str], code: i32, part: &str| {
        let common = ["pack", "--format", "oci"];
        let run = scene.run(&[&common[..], options].concat());
        run.assert_code(code).assert_stderr(part);
    };
    let (one, two) = (paths[0].as_str(), paths[1].as_str());
    refused(&[one, "--output", "x"], 2, "has no interpreter");
    refused(
        &[one, "--output", "x", "--base", "base"],
        2,
        "the base has no",
    );
    refused(
        &[one, "--output", "x", "--base", "base:4"],
        2,
        "no such image",
    );
    refused(
        &[&[one, "--output", "taken"], &fixed[..]].concat(),
        2,
        "no image layout",
    );
    refused(&[&[two, "--output", "x"], &fixed[..]].concat(), 3, ".wh.x");
    assert!(!scene.join("x/index.json").exists());
}

/// The SHA-512 as RECORD has it.
fn sha512(content: &[u8]) -> String {
    let digest = BASE64_URL_SAFE_NO_PAD.encode(sha2::Sha512::digest(content));
    format!("sha512={digest}")
}

/// Random-looking content, which is not compressed, so that blobs are as long as it.
fn large_content(seed: u32) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(3 << 20).collect()
}

/// A wheel with more than the threads of a layer pass on at once, before and after `bad.py`.
fn large_wheel() -> Wheel {
    Wheel::new("large", "1")
        .file("a.bin", large_content(1))
        .file("bad.py", "x = 1\n".repeat(100))
        .stored("z.bin", large_content(2))
}

/// There is neither an image in the layout nor a blob that was begun.
#[track_caller]
fn assert_no_image(scene: &Scene, layout: &str) {
    let left = tree(&scene.join(layout));
    let has_any = ["index.json", ".part"]
        .iter()
        .any(|name| left.contains(name));
    assert!(!has_any, "{left}");
}

#[test]
fn damage_in_a_large_layer_is_refused_and_leaves_no_blob() {
    let scene = Scene::new();
    let bad = [
        large_wheel().wrong_digest("a.bin"),
        large_wheel().wrong_digest("bad.py"),
        large_wheel().wrong_digest("z.bin"),
        large_wheel().record_row("bad.py", &sha512(b"another"), 600),
        large_wheel().crc("bad.py", 1),
        large_wheel().tamper_entry("a.bin", |entry| entry.body[1 << 20] ^= 1),
    ];
    let fixed = ["--interpreter", "/usr/bin/python3"];
    for (number, wheel) in bad.iter().enumerate() {
        let wheel = scene.wheel(wheel).display().to_string();
        for compress in ["copy", "1"] {
            let output = format!("image{number}{compress}");
            let options = [&wheel, "--format", "oci", "--compress", compress];
            let run = scene.run(&[&["pack", "--output", &output][..], &options, &fixed].concat());
            run.assert_code(3).assert_stderr("large-1");
            assert_no_image(&scene, &output);
        }
    }
}

#[test]
fn a_layer_that_cannot_be_written_ends_the_command() {
    let scene = Scene::new();
    let wheel = scene.wheel(&large_wheel()).display().to_string();
    let fixed = ["--interpreter", "/usr/bin/python3", "--output", "image"];
    for verify in ["normal", "off"] {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$@\""])
            .arg(env!("CARGO_BIN_EXE_pkg-install"))
            .args(["pack", &wheel, "--format", "oci", "--verify", verify])
            .args(fixed)
            .current_dir(scene.path());
        Run::of(&mut shell).assert_code(1).assert_stderr(".part");
        assert_no_image(&scene, "image");
    }
}

#[test]
fn contents_with_another_digest_than_sha_256_are_packed() {
    let scene = Scene::new();
    let content = "x = 1\n";
    let digest = sha512(content.as_bytes());
    let wheel = small("one").record_row("one.py", &digest, content.len());
    let paths = written(&scene, &[wheel]);
    let fixed = ["--interpreter", "/usr/bin/python3"];
    packed(
        &scene,
        "image",
        &[&[paths[0].as_str()], &fixed[..]].concat(),
    );
    image(&scene.join("image"), "latest");
}
