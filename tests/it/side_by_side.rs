//! Digests computed side by side equal those computed one after the other, and so do the installed
//! files.
//!
//! Every backend runs on every processor, with the instructions it is named after if the processor
//! has them. The expected digests come from the `sha2` crate and from the standard.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pkg_install::Cancellation;
use pkg_install::Result;
use pkg_install::command::{self, Context, Options};
use pkg_install::digest::{Algorithm, Backend, Digest};
use pkg_install::environment::Locate;
use pkg_install::fs::Fs;
use pkg_install::outcome::Silent;
use pkg_install::source::Source;
use proptest::prelude::*;
use sha2::Digest as _;

use crate::support::scene::{Scene, assert_unchanged, tree};
use crate::support::wheel_builder::Wheel;

const ENGINES: [Backend; 3] = [Backend::Single, Backend::Avx2, Backend::Avx512];

/// Bytes that differ from place to place and from seed to seed.
fn bytes(seed: usize, length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (((at + 1) * (2 * seed + 7) * 0x9e37) >> 5) as u8)
        .collect()
}

fn sha256(content: &[u8]) -> Vec<u8> {
    sha2::Sha256::digest(content).to_vec()
}

/// Every backend gives each content its digest, in the order of the contents.
#[track_caller]
fn all_agree(contents: &[Vec<u8>]) {
    let given: Vec<(Algorithm, &[u8])> = contents
        .iter()
        .map(|content| (Algorithm::Sha256, &content[..]))
        .collect();
    let expected: Vec<Vec<u8>> = contents.iter().map(|content| sha256(content)).collect();
    for backend in ENGINES {
        let digests = backend.digest_each(&given);
        assert_eq!(digests.len(), contents.len());
        for (at, digest) in digests.iter().enumerate() {
            assert_eq!(
                digest.bytes(),
                expected[at],
                "{backend:?}, number {at}, {} bytes",
                contents[at].len()
            );
        }
    }
}

#[test]
fn every_length_has_its_digest_in_every_lane() {
    for turn in 0..16 {
        all_agree(
            &(turn..=300)
                .map(|length| bytes(length, length))
                .collect::<Vec<_>>(),
        );
    }
}

#[test]
fn lengths_around_whole_blocks_have_their_digests() {
    for block in [64_usize, 128, 4096, 1 << 15] {
        all_agree(
            &(block - 10..block + 2)
                .map(|length| bytes(length, length))
                .collect::<Vec<_>>(),
        );
    }
}

#[test]
fn the_longest_goes_on_alone() {
    let mut contents: Vec<Vec<u8>> = (0..20).map(|number| bytes(number, 40 * number)).collect();
    contents.insert(7, bytes(7, (2 << 20) + 1));
    contents.push(bytes(9, 2 << 20));
    all_agree(&contents);
}

#[test]
fn any_number_of_contents_has_its_digests() {
    for count in (0..6).chain(14..19).chain(31..34) {
        all_agree(
            &(0..count)
                .map(|number| bytes(number, 200 - number))
                .collect::<Vec<_>>(),
        );
    }
}

/// FIPS 180-4 and its examples.
#[test]
fn r140_the_published_digests() {
    let published = [
        (
            "",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        (
            "abc",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (
            concat!(
                "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn",
                "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"
            ),
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
        ),
    ];
    let given: Vec<(Algorithm, &[u8])> = published
        .map(|(text, _)| (Algorithm::Sha256, text.as_bytes()))
        .repeat(5);
    for backend in ENGINES {
        for (digest, (text, hex)) in backend.digest_each(&given).iter().zip(published.repeat(5)) {
            assert_eq!(digest.to_hex(), hex, "{backend:?}, `{text}`");
        }
    }
}

#[test]
fn other_algorithms_go_between() {
    let content = bytes(1, 500);
    let names = [
        "sha256", "sha512", "sha256", "blake2b", "sha3_256", "sha256", "sha256", "sha384", "sha256",
    ];
    let algorithms = names.map(|name| Algorithm::from_name(name).expect("known"));
    for backend in ENGINES {
        let digests = backend.digest_each(&algorithms.map(|algorithm| (algorithm, &content[..])));
        assert_eq!(
            digests,
            algorithms.map(|algorithm| Digest::of(algorithm, &content)),
            "{backend:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_mixture_has_its_digests(
        lengths in prop::collection::vec(prop_oneof![0_usize..200, 0_usize..5000], 0..50),
    ) {
        let numbered = lengths.iter().enumerate();
        let contents: Vec<_> = numbered.map(|(number, length)| bytes(number, *length)).collect();
        all_agree(&contents);
    }
}

/// Installs the wheels into a new environment by one thread, hashing with this backend.
fn install(scene: &Scene, wheels: &[Wheel], backend: Backend) -> (String, Result<()>) {
    let venv = scene.venv();
    let sources: Vec<Source> = wheels
        .iter()
        .map(|wheel| Source::from_path(scene.wheel(wheel)))
        .collect();
    let locate = Locate {
        target: Some(venv.clone()),
        ..Locate::default()
    };
    let (fs, cancel) = (Fs::default(), Cancellation::default());
    let context = Context {
        fs: &fs,
        cancel: &cancel,
        events: &Silent,
    };
    let options = Options {
        backend,
        jobs: Some(1),
        ..Options::default()
    };
    let done = pkg_install::Environment::locate(&locate).and_then(|environment| {
        command::install(&environment, &sources.into(), &options, context).map(drop)
    });
    let seen = tree(&venv);
    std::fs::remove_dir_all(&venv).expect("it can be removed");
    (seen, done)
}

/// Files of many sizes and of all methods: so many that they come in groups, and one too large for
/// that.
fn project(name: &str) -> Wheel {
    let wheel = (0..60).fold(Wheel::new(name, "1.0"), |wheel, number| {
        let (path, content) = (
            format!("{name}/m{number}.py"),
            bytes(number, number * number),
        );
        match number % 3 {
            0 => wheel.file(&path, content),
            1 => wheel.stored(&path, content),
            _ => wheel.zstd(&path, content),
        }
    });
    let other = URL_SAFE_NO_PAD.encode(sha2::Sha512::digest(b"by another algorithm"));
    wheel
        .file(&format!("{name}/large"), bytes(3, (1 << 20) + 1))
        .file(&format!("{name}/sha512"), "by another algorithm")
        .record_row(&format!("{name}/sha512"), &format!("sha512={other}"), 20)
        .file(&format!("{name}/empty"), "")
        .entry_points(&format!("[console_scripts]\n{name} = {name}.m0:main\n"))
}

#[test]
fn every_engine_installs_the_same() {
    let scene = Scene::new();
    // More than is held at once.
    let halves = (0..5).fold(Wheel::new("halves", "1.0"), |wheel, number| {
        wheel.file(
            &format!("halves/{number}"),
            bytes(number, (1 << 19) + number),
        )
    });
    let wheels = [project("one"), project("two"), halves];
    let (expected, done) = install(&scene, &wheels, Backend::Single);
    done.expect("the wheels are right");
    assert!(expected.lines().count() > 130, "{expected}");
    for backend in ENGINES {
        let (seen, done) = install(&scene, &wheels, backend);
        done.expect("the wheels are right");
        assert_unchanged(&expected, &seen);
    }
}

#[test]
fn every_engine_reports_the_same_faults() {
    let scene = Scene::new();
    let spoil = |wheel: Wheel, path: &str| {
        wheel.tamper_entry(path, |entry| entry.both(|header| header.crc ^= 1))
    };
    let (early, late) = ("one/m48.py", "one/m50.py");
    let cases = [
        (project("one").wrong_digest(early), early),
        (spoil(project("one"), late), late),
        // The first fault in the archive is reported, whatever its kind, although digests are known
        // later than checksums.
        (spoil(project("one").wrong_digest(early), late), early),
        (spoil(project("one").wrong_digest(late), early), early),
        (project("one").wrong_digest("one/large"), "one/large"),
    ];
    for (wheel, named) in cases {
        let said = ENGINES.map(|backend| {
            let (seen, done) = install(&scene, std::slice::from_ref(&wheel), backend);
            assert!(!seen.contains("one/"), "{seen}");
            done.expect_err("the wheel is wrong").to_string()
        });
        assert!(said[0].contains(&format!("`{named}`")), "{}", said[0]);
        assert_eq!(said[0], said[1]);
        assert_eq!(said[0], said[2]);
    }
}
