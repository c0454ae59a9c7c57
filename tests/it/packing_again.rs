//! `pack` to a place that has a file already.

use std::fs::{self, File};
use std::os::unix::fs::symlink;

use sha2::Digest as _;

use crate::support::scene::{Run, Scene};
use crate::support::wheel_builder::Wheel;

#[test]
fn a_file_that_differs_in_any_byte_is_replaced_with_or_without_a_digest() {
    let scene = Scene::new();
    // Longer than what is compared at once.
    let bytes: Vec<u8> = (0..700_000_u32).map(|at| (at ^ at >> 8) as u8).collect();
    let wheel = scene.wheel(&Wheel::new("demo", "1.0").stored("demo.bin", bytes));
    let wheel = wheel.display().to_string();
    for format in ["pyz", "zip", "tar.gz"] {
        let name = format!("demo.{format}");
        let arguments = ["pack", &wheel, "--output", &name];
        let with_digest = [&arguments[..], &["--json"]].concat();
        let first = scene.run(&with_digest).assert_code(0).json();
        let content = fs::read(scene.join(&name)).expect("it is written");
        let digest = sha2::Sha256::digest(&content);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(first["artifact"]["sha256"], digest);
        for at in [0, content.len() / 2, content.len() - 1] {
            let mut other = content.clone();
            other[at] ^= 1;
            for arguments in [&arguments[..], &with_digest] {
                fs::write(scene.join(&name), &other).expect("it can be written");
                scene.run(arguments).assert_code(0);
                let written = fs::read(scene.join(&name)).expect("it is written");
                assert!(written == content, "{format}: byte {at}");
            }
        }
        let again = scene.run(&arguments).stdout;
        assert!(again.contains(" is up to date"), "{again}");
        let again = scene.run(&with_digest).assert_code(0).json();
        assert_eq!(
            (&again["outcome"], &again["artifact"]),
            (&"unchanged".into(), &first["artifact"])
        );
    }
}

#[test]
fn a_link_stays_and_an_open_descriptor_is_refused() {
    let scene = Scene::new();
    let wheel = scene.wheel(&Wheel::new("demo", "1.0").file("demo.py", "x = 1\n"));
    let wheel = wheel.display().to_string();
    scene.write("elsewhere/old.zip", "old");
    symlink("elsewhere/old.zip", scene.join("demo.zip")).expect("it can be made");
    let pack = |output| scene.run(&["pack", &wheel, "--output", output]);
    pack("demo.zip").assert_code(0);
    assert!(scene.join("demo.zip").is_symlink());
    let packed = fs::read(scene.join("elsewhere/old.zip")).expect("it is there");
    assert!(packed.starts_with(b"PK"));

    // Like `/dev/stdout`, which must stay what it is.
    symlink("/proc/self/fd/1", scene.join("stdout.zip")).expect("it can be made");
    let redirected = File::create(scene.join("redirected.zip")).expect("it can be made");
    let mut command = scene.command();
    command.args(["pack", &wheel, "--output", "stdout.zip"]);
    Run::of(command.stdout(redirected))
        .assert_code(2)
        .assert_stderr("cannot name an artefact");
    assert!(scene.join("stdout.zip").is_symlink());
}
