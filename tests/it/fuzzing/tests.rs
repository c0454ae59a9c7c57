//! The fuzz targets on stable: bytes from `proptest`, and correct wheels with a few bytes changed.
//!
//! The seed is fixed, so that every run gives the same result; `PROPTEST_RNG_SEED` and
//! `PROPTEST_CASES` extend it.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

use super::other_reader::agree;
use super::*;
use crate::support::wheel_builder::{EXECUTABLE, Wheel};

/// Gives a number of cases to `check`.
fn run<S: Strategy>(cases: u32, strategy: S, check: impl Fn(S::Value)) {
    let mut config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    if matches!(config.rng_seed, RngSeed::Random) {
        config.rng_seed = RngSeed::Fixed(1);
    }
    let result = TestRunner::new(config).run(&strategy, |value| {
        check(value);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// Any bytes, and texts of words that mean something to the parser.
fn texts(words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(words).prop_map(|word| word.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..8),
        1 => "\\PC{0,6}".prop_map(String::into_bytes),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// A change of a few bytes.
#[derive(Debug, Clone)]
enum Damage {
    Flip(u16, u8),
    Insert(u16, Vec<u8>),
    Delete(u16, u8),
    Duplicate(u16, u16, u8),
    Swap(u16, u16, bool),
    Number(u16, u32, bool),
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len().max(1);
        let place = |at: u16| usize::from(at) % length;
        let range = |at: u16, count: usize| place(at).min(length - count.min(length))..;
        match self {
            Self::Flip(at, mask) => bytes[place(*at)] ^= mask,
            Self::Insert(at, new) => bytes
                .splice(place(*at)..place(*at), new.iter().copied())
                .for_each(drop),
            Self::Delete(at, count) => {
                bytes
                    .drain(place(*at)..(place(*at) + usize::from(*count)).min(length))
                    .for_each(drop);
            }
            Self::Duplicate(from, to, count) => {
                let piece =
                    bytes[place(*from)..(place(*from) + usize::from(*count)).min(length)].to_vec();
                bytes.splice(place(*to)..place(*to), piece).for_each(drop);
            }
            Self::Swap(one, other, wide) => {
                let (one, other) = (range(*one, 4).start, range(*other, 4).start);
                for offset in 0..if *wide { 4 } else { 2 } {
                    bytes.swap(one + offset, other + offset);
                }
            }
            Self::Number(at, number, wide) => {
                let (at, count) = (range(*at, 4).start, if *wide { 4 } else { 2 });
                bytes[at..at + count].copy_from_slice(&number.to_le_bytes()[..count]);
            }
        }
    }
}

fn mutations() -> impl Strategy<Value = Vec<Damage>> {
    let number = prop_oneof![
        any::<u32>(),
        0..64_u32,
        Just(u32::MAX),
        Just(0xffff),
        Just(0x0605_4b50)
    ];
    let at = any::<u16>;
    let mutation = prop_oneof![
        (at(), 1..=u8::MAX).prop_map(|(at, mask)| Damage::Flip(at, mask)),
        (at(), 0..8_u32).prop_map(|(at, bit)| Damage::Flip(at, 1 << bit)),
        (at(), vec(any::<u8>(), 1..8)).prop_map(|(at, new)| Damage::Insert(at, new)),
        (at(), 1..32_u8).prop_map(|(at, count)| Damage::Delete(at, count)),
        (at(), at(), 1..64_u8).prop_map(|(from, to, count)| Damage::Duplicate(from, to, count)),
        (at(), at(), any::<bool>()).prop_map(|(one, other, wide)| Damage::Swap(one, other, wide)),
        (at(), number, any::<bool>())
            .prop_map(|(at, number, wide)| Damage::Number(at, number, wide)),
    ];
    vec(mutation, 0..4)
}

/// Wheels of every form that is accepted.
fn honest() -> Vec<Vec<u8>> {
    let demo = Wheel::new("demo", "1.0").file("demo/__init__.py", "x = 1\n".repeat(30));
    let full = demo
        .clone()
        .stored("demo/stored.txt", "as it is")
        .zstd("demo/zstd.txt", "again ".repeat(40))
        .file_mode("demo/run.sh", "#!/bin/sh\n", EXECUTABLE)
        .directory("demo/empty")
        .data("scripts/tool2", "#!python\nprint(1)\n")
        .data("data/share/demo.txt", "demo\n")
        .data("headers/demo.h", "int x;\n")
        .entry_points(
            "[console_scripts]\ndemo = demo:main\n[gui_scripts]\nwindow = demo.window:Main.run\n",
        );
    let wide = demo
        .clone()
        .zip64("demo/__init__.py")
        .tamper(|zip| zip.end.zip64 = true);
    let streamed = demo
        .clone()
        .descriptor("demo/__init__.py")
        .tamper(|zip| zip.comment = b"a comment".to_vec());
    let resident = Wheel::new("resident", "2.0")
        .file("resident/__init__.py", "x = 2\n")
        .file("resident/new.py", "");
    [demo, full, wide, streamed, resident]
        .iter()
        .map(Wheel::bytes)
        .collect()
}

/// Opens, compares and installs an image; says whether it was accepted.
fn try_image(image: &[u8]) -> bool {
    let accepted = archive(image);
    if let Some(contents) = &accepted {
        agree(image, contents);
    }
    install(image);
    accepted.is_some()
}

#[test]
fn honest_wheels_are_installed_and_taken_back_by_every_policy() {
    for image in honest() {
        assert!(try_image(&image));
        // The length chooses the options: a comment makes each of them.
        for length in 0..24_u8 {
            let mut longer = image.clone();
            if !longer.ends_with(b"a comment") {
                let at = longer.len() - 2;
                longer[at] = length;
                longer.extend(vec![b' '; usize::from(length)]);
            }
            assert!(try_image(&longer));
        }
    }
}

#[test]
fn mutated_wheels_are_refused_or_read_as_everybody_reads_them() {
    let honest = honest();
    let accepted = std::cell::Cell::new(0);
    run(
        700,
        (0..honest.len(), mutations()),
        |(number, mutations)| {
            let mut image = honest[number].clone();
            mutations
                .iter()
                .for_each(|mutation| mutation.apply(&mut image));
            accepted.set(accepted.get() + u32::from(try_image(&image)));
        },
    );
    assert!(
        accepted.get() > 0,
        "no mutation was accepted, so nothing was compared"
    );
}

#[test]
fn forged_wheels_are_refused_or_read_as_everybody_reads_them() {
    run(500, vec(any::<u8>(), 0..96), |data| {
        let (image, contents) = forged(&data);
        if let Some(contents) = contents {
            agree(&image, &contents);
        }
    });
    assert!(
        archive(&forge(b"")).is_some(),
        "no bytes at all are an honest wheel"
    );
}

#[test]
fn any_bytes_are_refused_or_read() {
    run(100, vec(any::<u8>(), 0..256), |data| {
        try_image(&data);
    });
    run(1000, vec(any::<u8>(), 0..256), |data| {
        for target in [
            record,
            headers,
            entry_points,
            wheel_name,
            journal,
            resolution,
        ] {
            target(&data);
        }
        [page, requirement].iter().for_each(|target| target(&data));
    });
}

#[test]
fn records_are_written_as_they_were_read() {
    let words = &[
        "demo/a.py",
        ",",
        ",",
        ",,",
        "\n",
        "\r\n",
        "\"",
        "\"\"",
        "./",
        "/",
        "\\",
        " ",
        "\u{feff}",
        "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
        "sha256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "0",
        "18446744073709551615",
    ];
    run(2000, texts(words), |data| record(&data));
}

#[test]
fn headers_are_read_or_refused() {
    let words = &[
        "Wheel-Version: ",
        "Metadata-Version: ",
        "Name: ",
        "Version: ",
        "Requires-Python: ",
        "Root-Is-Purelib: true",
        "demo",
        "1.0",
        "2.1",
        ">=3.8",
        "!1.0.post1.dev2+local",
        "\n",
        "\n",
        "\r\n",
        "\r",
        " ",
        ":",
    ];
    run(2000, texts(words), |data| headers(&data));
}

#[test]
fn entry_points_make_launchers_that_call_them_and_nothing_else() {
    let words = &[
        "[console_scripts]\n",
        "[gui_scripts]\n",
        "[other]\n",
        "name",
        "=",
        " = ",
        "module:main",
        "a.b:c.d",
        "[extra]",
        "\n",
        "\n ",
        "python",
        "..",
        "/",
        "#",
        ";",
        "\u{2028}",
        "²",
    ];
    run(2000, texts(words), |data| entry_points(&data));
}

#[test]
fn names_of_wheels_are_read_as_one_thing() {
    let words = &[
        "demo",
        "-",
        "-",
        "-",
        "1.0",
        "1!2.0rc1+l_1",
        "3",
        "py3",
        "none",
        "any",
        ".",
        "_",
        ".whl",
        "é",
        "py2.py3",
    ];
    run(1000, texts(words), |data| {
        wheel_name(&[&data, &b"-py3-none-any.whl"[..]].concat());
    });
    run(1000, texts(words), |data| wheel_name(&data));
}

#[test]
fn output_of_resolvers_is_read_or_refused() {
    let words = &[
        "lock-version = '1.0'\n",
        "created-by = 'x'\n",
        "[[packages]]\n",
        "name = 'a'\n",
        "wheels = [{url = 'https://u:p@host/a-1-py3-none-any.whl', hashes = {sha256 = 'ab'}}]\n",
        r#"{"version": "1", "install": [], "environment": {}}"#,
        r#"{"metadata": {"name": "a", "version": "1"}}"#,
        "a==1.0",
        " --hash=sha256:ab",
        " \\\n",
        "\n",
        "; ",
        "python_version",
        " >= ",
        " in ",
        " not in ",
        "'3.8'",
        " and ",
        " or ",
        "((((((((((((((((",
        ")",
        "extras",
        "https://user:word@host/",
        "file:///a%20b/",
        "#sha256=",
        "%",
    ];
    run(1500, texts(words), |data| resolution(&data));
}

#[test]
fn journals_lead_nowhere_else() {
    let good = ["/venv", "/venv/lib", "stage-a", "lib/a", "0"];
    let words = &[
        "/venv",
        "/",
        "/..",
        "/.",
        "lib",
        "a",
        "stage-a",
        "0",
        "\\u0000",
        "/venv/lib",
    ];
    let text = vec(prop::sample::select(&words[..]), 0..5).prop_map(|parts| parts.concat());
    run(2000, vec((0..good.len(), text), 0..3), |changes| {
        let mut texts = good.map(str::to_owned);
        for (number, text) in changes {
            texts[number] = text;
        }
        journal(&journal_text(&texts));
    });
}

#[test]
fn planted_state_changes_nothing_outside_of_the_environment() {
    run(200, vec(any::<u8>(), 0..96), |data| planted_state(&data));
}

fn journal_text([path, home, stage, operation, slot]: &[String; 5]) -> Vec<u8> {
    format!(
        r#"{{"uid":1,"undoable":false,
           "roots":[{{"path":"{path}","inode":7,"home":"{home}","stage":"{stage}",
                      "trash":"trash-b"}}],
           "operations":[{{"kind":"in","root":0,"path":"{operation}","slot":"{slot}"}}]}}"#
    )
    .into_bytes()
}

/// Contents with everything that a compressor looks for: runs, words, near and far repetitions,
/// and bytes that cannot be compressed.
fn contents() -> impl Strategy<Value = Vec<u8>> {
    #[derive(Debug, Clone)]
    enum Part {
        Bytes(Vec<u8>),
        Run(u8, usize),
        Repeat { distance: usize, length: usize },
        Noise { seed: u32, length: usize },
    }
    let part = prop_oneof![
        vec(any::<u8>(), 0..40).prop_map(Part::Bytes),
        (any::<u8>(), 0_usize..2_000).prop_map(|(byte, length)| Part::Run(byte, length)),
        (1_usize..40_000, 0_usize..600)
            .prop_map(|(distance, length)| Part::Repeat { distance, length }),
        (any::<u32>(), 0_usize..70_000).prop_map(|(seed, length)| Part::Noise { seed, length }),
    ];
    vec(part, 0..30).prop_map(|parts| {
        let mut content = Vec::new();
        for part in parts {
            match part {
                Part::Bytes(bytes) => content.extend(bytes),
                Part::Run(byte, length) => content.resize(content.len() + length, byte),
                Part::Repeat { distance, length } => {
                    let from = content.len().saturating_sub(distance);
                    let repeated: Vec<u8> = content[from..]
                        .iter()
                        .cycle()
                        .take(length)
                        .copied()
                        .collect();
                    content.extend(repeated);
                }
                Part::Noise { seed, length } => {
                    let mut state = u64::from(seed) | 1;
                    content.extend((0..length).map(|_| {
                        state = state
                            .wrapping_mul(6_364_136_223_846_793_005)
                            .wrapping_add(1);
                        // Half of the bytes are few different ones: codes of many lengths.
                        let byte = (state >> 56) as u8;
                        if state >> 55 & 1 == 0 { byte & 7 } else { byte }
                    }));
                }
            }
        }
        content
    })
}

/// Compressed contents: the size of the pieces, the content and the stream.
fn streams() -> impl Strategy<Value = (u16, Vec<u8>, Vec<u8>)> {
    (any::<u16>(), contents(), 0_u32..10).prop_map(|(piece, content, level)| {
        let mut encoder =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(level));
        std::io::Write::write_all(&mut encoder, &content).expect("it is written to memory");
        (
            piece,
            content,
            encoder.finish().expect("it is written to memory"),
        )
    })
}

#[test]
fn deflate_streams_are_decoded_in_pieces_of_any_size() {
    run(64, streams(), |(piece, content, stream)| {
        let data = [&piece.to_le_bytes()[..], &stream, b"more"].concat();
        assert!(deflate(&data) == Some(content));
    });
}

#[test]
fn damaged_deflate_streams_are_judged_as_by_zlib() {
    let damage = vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    let cases = (streams(), damage, any::<prop::sample::Index>());
    run(128, cases, |((piece, _, mut stream), damage, length)| {
        for (at, byte) in damage {
            let at = at.index(stream.len());
            stream[at] ^= byte;
        }
        deflate(&[&piece.to_le_bytes()[..], &stream].concat());
        deflate(
            &[
                &piece.to_le_bytes()[..],
                &stream[..length.index(stream.len())],
            ]
            .concat(),
        );
    });
}

#[test]
fn any_bytes_are_judged_as_by_zlib_if_taken_for_a_deflate_stream() {
    run(1_000, vec(any::<u8>(), 2..300), |data| {
        deflate(&data);
    });
    // Headers with codes of their own, which most random bytes do not have.
    run(
        2_000,
        (0_u8..32, vec(any::<u8>(), 2..200)),
        |(lengths, rest)| {
            deflate(&[&[0, 0, lengths << 3 | 0b101][..], &rest].concat());
        },
    );
}
