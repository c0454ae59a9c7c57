//! RECORD at each level of `--verify`: the faults that are refused, warned of, and accepted.

use sha2::Digest as _;

use crate::support::scene::{Scene, site_packages};
use crate::support::verdict::{Case, Rows, all_accepted, all_refused};
use crate::support::wheel_builder::{Wheel, digest};

const CONTENT: &str = "x = '?>'\n";
const FILE: &str = "demo/__init__.py";

fn demo() -> Wheel {
    Wheel::new("demo", "1.0").file(FILE, CONTENT)
}

/// The wheel whose file has this digest in RECORD.
fn digest_is(text: &str) -> Wheel {
    demo().record_row(FILE, text, CONTENT.len())
}

/// The digest of `content` in hexadecimal digits, which is not how RECORD writes it.
fn hexadecimal(content: &[u8]) -> String {
    let digits: String = sha2::Sha256::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256={digits}")
}

/// A wheel whose right digest has both characters in which the two alphabets of base64 differ.
fn two_alphabets() -> (Wheel, String) {
    let contents = (0..).map(|number| format!("n = {number}\n"));
    let content = contents
        .into_iter()
        .find(|content| {
            digest(content.as_bytes())[7..].contains('-')
                && digest(content.as_bytes())[7..].contains('_')
        })
        .expect("some digest has both");
    let standard = digest(content.as_bytes())
        .replacen("sha256=", "", 1)
        .replace('-', "+")
        .replace('_', "/");
    let wheel = Wheel::new("demo", "1.0").file(FILE, &content);
    (
        wheel.record_row(FILE, &format!("sha256={standard}"), content.len()),
        standard,
    )
}

/// Refused in `strict`, a warning with these words in `normal`, taken in `off`.
fn tolerated(title: &str, wheel: &Wheel, says: &[&str]) {
    all_refused([Case::new(title, wheel)
        .with(&["--verify", "strict"])
        .says(says)]);
    let warned: Vec<&str> = says
        .iter()
        .copied()
        .chain(["warning", "demo-1.0-py3-none-any.whl"])
        .collect();
    all_accepted([
        Case::new(title, wheel).says(&warned),
        Case::new(title, wheel)
            .with(&["--verify", "normal"])
            .says(&warned),
        Case::new(title, wheel)
            .with(&["--verify", "off"])
            .says(&[""]),
    ]);
}

/// Refused in `strict` and `normal` with these words.
fn refused(title: &str, wheel: &Wheel, says: &[&str]) {
    all_refused([
        Case::new(title, wheel)
            .with(&["--verify", "strict"])
            .says(says),
        Case::new(title, wheel).says(says),
    ]);
}

/// [`refused`], and taken in `off`.
fn only_off(title: &str, wheel: &Wheel, says: &[&str]) {
    refused(title, wheel, says);
    all_accepted([Case::new(title, wheel)
        .with(&["--verify", "off"])
        .says(&[""])]);
}

/// Taken in every level without a word.
fn accepted(title: &str, wheel: &Wheel) {
    all_accepted(
        ["strict", "normal", "off"].map(|level| Case::new(title, wheel).with(&["--verify", level])),
    );
}

#[test]
fn c38_c44_e39_r68_what_the_specification_writes() {
    accepted("plain", &demo());
    let signed = ["{dist-info}/RECORD.jws", "{dist-info}/RECORD.p7s"];
    let unlisted = signed.iter().fold(demo(), |wheel, path| {
        wheel.file(path, "signature").omit_from_record(path)
    });
    accepted("signatures that are not listed", &unlisted);
    let names = demo()
        .file("demo/a,b.txt", "1\n")
        .file("demo/a b'c.txt", "3\n");
    accepted("names with commas and apostrophes", &names);
    let quoted = demo().file("demo/a\"b,c.txt", "2\n");
    all_accepted([Case::new("a name with quotation marks", &quoted)
        .with(&["--verify", "strict"])
        .says(&["Windows"])]);
    accepted(
        "names that split lines elsewhere",
        &demo().file("demo/a\u{b7}b.txt", "1\n"),
    );
    accepted("an empty file", &demo().file("demo/py.typed", ""));
}

#[test]
fn c40_r61_r62_contents_and_rows_must_agree() {
    let actual = digest(CONTENT.as_bytes());
    only_off(
        "another digest",
        &demo().wrong_digest(FILE),
        &[FILE, &actual, &digest(b"other bytes"), "RECORD"],
    );
    refused(
        "a file that is not listed",
        &demo().omit_from_record(FILE),
        &[FILE, "not listed in RECORD"],
    );
    refused(
        "METADATA not listed",
        &demo().omit_from_record("{dist-info}/METADATA"),
        &["METADATA", "not listed"],
    );
    only_off("another size", &demo().wrong_size(FILE), &[FILE, "9", "10"]);
    all_accepted([
        Case::new("not listed", &demo().omit_from_record(FILE)).with(&["--verify", "off"])
    ]);
}

#[test]
fn r20_the_right_crc_does_not_make_a_digest_right() {
    let wheel = demo()
        .stored("demo/data.bin", "12345678")
        .wrong_digest("demo/data.bin");
    only_off("stored", &wheel, &["demo/data.bin", &digest(b"12345678")]);
    let script = demo()
        .data("scripts/tool", "#!python\nprint(1)\n")
        .wrong_digest("{data}/scripts/tool");
    only_off(
        "a script that is rewritten",
        &script,
        &["scripts/tool", &digest(b"#!python\nprint(1)\n")],
    );
    let metadata = demo()
        .entry_points("[console_scripts]\n")
        .wrong_digest("{dist-info}/entry_points.txt");
    only_off(
        "a file that is read early",
        &metadata,
        &["entry_points.txt"],
    );
}

#[test]
fn c41_r67_digests_that_prove_nothing() {
    for (text, word) in [
        ("md5=8b1a9953c4611296a827abf8c47804d7", "md5"),
        ("sha1=2jmj7l5rSw0yVb_vlWAYkK_YBwk", "sha1"),
        ("crc32=AAAAAA", "crc32"),
        ("sha224=0UoCjCo6K8lHYQK7KII0xBWisB-CjqYqxbPkLw", "sha224"),
        ("shake_128=f5wlbuh0xcUzZ7Vbbh0vgQ", "shake_128"),
        ("ripemd160=nBGFpedUkdj89O5wKNJoLrV2s-I", "ripemd160"),
        ("sha256=", FILE),
        ("sha256", FILE),
        ("", "no digest"),
        ("sha256=!!!", FILE),
        ("=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", FILE),
    ] {
        only_off(text, &digest_is(text), &[FILE, word]);
    }
    let sizes = ["-1", "1e3", "ten", "0x9", "18446744073709551616"];
    for size in sizes {
        only_off(
            size,
            &demo().record_row(FILE, &digest(CONTENT.as_bytes()), size),
            &["RECORD line", "size"],
        );
    }
}

#[test]
fn c41_other_secure_digests_are_as_good() {
    let other = |name: &str, text: &str| {
        Case::new(name, &digest_is(&format!("{name}={text}"))).with(&["--verify", "strict"])
    };
    let asked = |name: &str| {
        let code = format!(
            "import base64, hashlib\n\
             digest = hashlib.new('{name}', {CONTENT:?}.encode()).digest()\n\
             print(base64.urlsafe_b64encode(digest).decode().rstrip('='))"
        );
        let scene = Scene::new();
        crate::support::scene::python(&scene.venv(), &code)
            .trim()
            .to_owned()
    };
    for name in [
        "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512", "blake2b", "blake2s",
    ] {
        all_accepted([other(name, &asked(name))]);
        let wrong = digest(b"x").replacen("sha256=", "", 1);
        all_refused([other(name, &wrong).says(&[FILE, name])]);
        let another = asked(name).chars().rev().collect::<String>();
        all_refused([other(name, &another).says(&[FILE, name])]);
    }
}

#[test]
fn c42_e37_digests_that_leave_no_doubt() {
    tolerated(
        "padded",
        &digest_is(&format!("{}=", digest(CONTENT.as_bytes()))),
        &[FILE],
    );
    let (wheel, standard) = two_alphabets();
    tolerated("the standard alphabet", &wheel, &[FILE, &standard]);
    // As sphinx-theme-builder wrote it until 2023.
    tolerated(
        "hexadecimal",
        &digest_is(&hexadecimal(CONTENT.as_bytes())),
        &[FILE, "hexadecimal"],
    );
    let scene = Scene::new();
    let venv = scene.venv();
    scene
        .install(
            &venv,
            &[scene.wheel(&digest_is(&hexadecimal(CONTENT.as_bytes())))],
        )
        .assert_code(0);
    assert_eq!(
        Rows::of(&venv, "demo-1.0.dist-info").lies(),
        Vec::<String>::new()
    );
    let hexadecimal_wrong = digest_is(&hexadecimal(b"other bytes"));
    all_refused([Case::new("hexadecimal and wrong", &hexadecimal_wrong)
        .says(&[FILE, &digest(CONTENT.as_bytes())])]);
    let padded_wrong = digest_is(&format!("{}=", digest(b"other bytes")));
    all_refused([
        Case::new("padded and wrong", &padded_wrong).says(&[FILE, &digest(CONTENT.as_bytes())])
    ]);
    let short = digest(CONTENT.as_bytes());
    only_off("too short", &digest_is(&short[..short.len() - 4]), &[FILE]);
}

#[test]
fn c42_r66_rows_that_stand_twice() {
    let row = format!("{FILE},{},{}", digest(CONTENT.as_bytes()), CONTENT.len());
    tolerated("equal", &demo().record_line(&row), &[FILE]);
    let other = format!("{FILE},{},{}", digest(b"other bytes"), CONTENT.len());
    only_off(
        "with another digest",
        &demo().record_line(&other),
        &[FILE, "twice"],
    );
    let other = format!("{FILE},{},77", digest(CONTENT.as_bytes()));
    only_off(
        "with another size",
        &demo().record_line(&other),
        &[FILE, "twice"],
    );
}

#[test]
fn c43_r63_rows_of_files_that_are_not_there() {
    let wheel = demo().record_row("demo/gone.py", &digest(b""), 0);
    tolerated("absent", &wheel, &["demo/gone.py", "not in the archive"]);
    let scene = Scene::new();
    let venv = scene.venv();
    scene.install(&venv, &[scene.wheel(&wheel)]).assert_code(0);
    let rows = Rows::of(&venv, "demo-1.0.dist-info");
    assert!(
        !rows.rows.contains_key("demo/gone.py"),
        "{:?}",
        rows.paths()
    );
    assert!(!site_packages(&venv).join("demo/gone.py").exists());
}

#[test]
fn c43_e35_rows_that_are_spelled_oddly() {
    let spelled = |path: &str| {
        let row = format!("{path},{},{}", digest(CONTENT.as_bytes()), CONTENT.len());
        demo().omit_from_record(FILE).record_line(&row)
    };
    tolerated(
        "a leading slash",
        &spelled("/demo/__init__.py"),
        &["begins with `/`"],
    );
    tolerated(
        "a leading dot",
        &spelled("./demo/__init__.py"),
        &["./demo/__init__.py"],
    );
    tolerated("backslashes", &spelled("demo\\__init__.py"), &["backslash"]);
    let mut text = format!("{FILE},{},{}\n", digest(CONTENT.as_bytes()), CONTENT.len());
    let image = demo().image();
    for name in ["METADATA", "WHEEL"] {
        let path = format!("demo-1.0.dist-info/{name}");
        let entry = image
            .entries
            .iter()
            .find(|entry| entry.central.name == path.as_bytes())
            .expect("it is there");
        let mut content = Vec::new();
        std::io::Read::read_to_end(
            &mut flate2::read::DeflateDecoder::new(&entry.body[..]),
            &mut content,
        )
        .expect("it is deflated");
        text.push_str(&format!("{path},{},{}\n", digest(&content), content.len()));
    }
    text.push_str("demo-1.0.dist-info/RECORD,,\n");
    accepted("as written by hand", &demo().raw_record(&text));
    accepted(
        "lines that end in CRLF",
        &demo().raw_record(&text.replace('\n', "\r\n")),
    );
    accepted(
        "lines that end in CR alone",
        &demo().raw_record(&text.replace('\n', "\r")),
    );
    accepted(
        "blank lines",
        &demo().raw_record(&text.replace('\n', "\n\n")),
    );
    accepted("no last line end", &demo().raw_record(text.trim_end()));
    tolerated(
        "a byte order mark",
        &demo().raw_record(&format!("\u{feff}{text}")),
        &["byte order mark"],
    );
    tolerated(
        "two columns",
        &demo().raw_record(&text.replace("RECORD,,", "RECORD,")),
        &["three columns"],
    );
    tolerated(
        "four columns",
        &demo().raw_record(&text.replace("RECORD,,", "RECORD,,,x")),
        &["three columns"],
    );
}

#[test]
fn e36_r64_r65_rows_that_lead_elsewhere() {
    for path in ["../../../../etc/passwd", "demo/../../x", "..", ".", "C:/x"] {
        refused(path, &demo().record_line(&format!("{path},,")), &[path]);
    }
    only_off("no path", &demo().record_line(",sha256=x,1"), &["no path"]);
    for directory in ["demo", "demo/", "other/"] {
        // Never copied into the RECORD that is written, so that no removal will find it there.
        tolerated(
            directory,
            &demo().record_line(&format!("{directory},,")),
            &[directory, "not in the archive"],
        );
    }
}

#[test]
fn c47_e38_r66_r67_record_itself() {
    refused(
        "absent",
        &demo().without_record(),
        &["demo-1.0.dist-info/RECORD", "missing"],
    );
    refused("empty", &demo().raw_record(""), &["not listed"]);
    refused(
        "an open quotation mark",
        &demo().raw_record("\"demo/__init__.py,,\n"),
        &[FILE],
    );
    let binary = demo().tamper_entry("{dist-info}/RECORD", |entry| {
        *entry = crate::support::zip_image::ZipEntry::new(
            "demo-1.0.dist-info/RECORD",
            b"\xff\xfe,,\n",
            0o100_644,
            0,
        );
    });
    refused("not UTF-8", &binary, &["`RECORD` is not UTF-8"]);
    let own = demo().record_row("{dist-info}/RECORD", &digest(b""), 0);
    let warns = ["warning", "RECORD states a digest of itself"];
    all_accepted([Case::new("a digest of itself", &own).says(&warns)]);
}

#[test]
fn c46_e41_files_that_only_installers_write_are_left_out() {
    let repacked = demo()
        .dist_info_file("INSTALLER", "conda\n")
        .dist_info_file("REQUESTED", "")
        .dist_info_file("direct_url.json", "{\"url\": \"file:///evil\"}");
    all_accepted([
        Case::new("repacked", &repacked).says(&["warning", "3 files are an installer's to write"])
    ]);
    let scene = Scene::new();
    let venv = scene.venv();
    scene
        .install(&venv, &[scene.wheel(&repacked)])
        .assert_code(0);
    let dist_info = site_packages(&venv).join("demo-1.0.dist-info");
    let installer = std::fs::read_to_string(dist_info.join("INSTALLER")).expect("it is there");
    assert_eq!(installer, "pkg-install\n");
    assert!(!dist_info.join("REQUESTED").exists() && !dist_info.join("direct_url.json").exists());
}
