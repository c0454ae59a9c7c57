//! Zip bombs: archives that inflate to far more than their size, than they state, or than there is
//! room for.
//!
//! Each is refused with both figures: before anything is written if the archive itself states the
//! size, and otherwise as soon as more comes out than it states.

use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use pkg_install::Cancellation;
use pkg_install::command::{self, Context, Options};
use pkg_install::environment::Locate;
use pkg_install::error::ErrorKind;
use pkg_install::fs::{FaultHook, Fs, FsOp};
use pkg_install::outcome::Silent;
use pkg_install::source::Source;
use pkg_install::spec::record::Verify;

use crate::support::scene::{Scene, assert_unchanged, tree};
use crate::support::verdict::{Case, all_refused, refused};
use crate::support::wheel_builder::{Wheel, digest};
use crate::support::zip_image;

const FILE: &str = "demo/data.bin";
const GIB: u64 = 1 << 30;

/// A wheel of this project with one file that is said to have so many bytes, in RECORD too.
fn said_to_have(name: &str, method: u16, size: u64) -> Wheel {
    let path = format!("{name}/data.bin");
    let wheel = Wheel::new(name, "1.0");
    let wheel = match method {
        zip_image::ZSTD => wheel.zstd(&path, [0; 4096]),
        _ => wheel.file(&path, [0; 4096]),
    };
    wheel
        .record_row(&path, &digest(b""), size)
        .tamper_entry(&path, move |entry| {
            entry.use_zip64();
            let extra = zip_image::zip64_extra(&[size, entry.body.len() as u64]);
            entry.both(|header| header.extra.clone_from(&extra));
        })
}

#[test]
fn r18_what_inflates_to_far_more_than_it_is() {
    let bomb = |title: &str, method: u16, size: u64| {
        Case::new(title, &said_to_have("demo", method, size)).says(&[
            &format!("its entries have {}", size / 10_000),
            "the archive has",
            "limit",
        ])
    };
    all_refused(
        [
            bomb("ten gigabytes", zip_image::DEFLATE, 10 * GIB),
            bomb(
                "one byte more than any archive may",
                zip_image::DEFLATE,
                GIB,
            ),
            bomb("with Zstandard", zip_image::ZSTD, 10 * GIB),
            bomb(
                "more than there are bytes",
                zip_image::DEFLATE,
                u64::MAX - 10_000,
            ),
            bomb("without looking at RECORD", zip_image::DEFLATE, 10 * GIB)
                .with(&["--verify", "off"]),
        ]
        .map(|case| case),
    );
    let twice = |wheel: Wheel| {
        wheel
            .file("demo/more.bin", [0; 64])
            .record_row("demo/more.bin", &digest(b""), u64::MAX)
    };
    let twice = twice(said_to_have("demo", zip_image::DEFLATE, u64::MAX)).tamper_entry(
        "demo/more.bin",
        |entry| {
            entry.use_zip64();
            let extra = zip_image::zip64_extra(&[u64::MAX, entry.body.len() as u64]);
            entry.both(|header| header.extra.clone_from(&extra));
        },
    );
    all_refused([Case::new("a sum that has no number", &twice).says(&["the archive has"])]);
}

#[test]
fn r18_honest_zeros_are_installed() {
    let scene = Scene::new();
    let venv = scene.venv();
    let zeros = vec![0; 8 << 20];
    let path = scene.wheel(&Wheel::new("demo", "1.0").file(FILE, &zeros));
    let (packed, content) = (
        std::fs::metadata(&path).expect("it is there").len(),
        zeros.len() as u64,
    );
    assert!(content / packed > 200, "{packed}");
    scene
        .install(&venv, &["--verify".into(), "off".into(), path])
        .assert_code(0);
}

#[test]
fn r18_more_than_there_is_room_for_is_refused_before_anything_is_written() {
    let scene = Scene::new();
    let venv = scene.venv();
    let room = fs2::available_space(&venv).expect("the file system says");
    let names: Vec<String> = (0..=room / (GIB - (1 << 20)))
        .map(|number| format!("project{number}"))
        .collect();
    let wheels = names
        .iter()
        .map(|name| scene.wheel(&said_to_have(name, zip_image::DEFLATE, GIB - (1 << 20))));
    let wheels: Vec<String> = wheels.map(|path| path.display().to_string()).collect();
    let wheels: Vec<&str> = wheels.iter().map(String::as_str).collect();
    refused(
        &scene,
        &venv,
        &wheels,
        1,
        &[" free, but ", "are needed", "site-packages"],
    );
}

/// Adds up what is written to staged files of this name.
struct Scales {
    name: PathBuf,
    written: Mutex<u64>,
}

impl FaultHook for Scales {
    fn before(&self, mutation: &FsOp<'_>) -> io::Result<()> {
        if let FsOp::Write(path, bytes) = mutation
            && path.ends_with(&self.name)
        {
            *self.written.lock().expect("no watcher panics") += bytes.len() as u64;
        }
        Ok(())
    }
}

#[test]
fn r18_r19_nothing_is_written_beyond_what_is_stated() {
    // Large enough to be written in pieces: what is smaller is looked at as a whole before anything
    // of it is written.
    const STATED: u64 = 25 << 20;
    for method in [zip_image::DEFLATE, zip_image::ZSTD] {
        let scene = Scene::new();
        let venv = scene.venv();
        let content = vec![7; 32 << 20];
        let wheel = Wheel::new("demo", "1.0").file("demo/__init__.py", "");
        let wheel = if method == zip_image::ZSTD {
            wheel.zstd(FILE, content)
        } else {
            wheel.file(FILE, content)
        };
        let wheel = wheel.record_row(FILE, &digest(b""), STATED);
        let wheel = wheel.tamper_entry(FILE, |entry| {
            entry.both(|header| header.usize = STATED as u32);
        });
        let source = Source::from_path(scene.wheel(&wheel));
        let before = tree(&venv);
        let scales = Arc::new(Scales {
            name: FILE.split('/').next_back().expect("a name").into(),
            written: Mutex::new(0),
        });
        let (fs, cancel) = (
            Fs::with_hook(Arc::<Scales>::clone(&scales)),
            Cancellation::default(),
        );
        let context = Context {
            fs: &fs,
            cancel: &cancel,
            events: &Silent,
        };
        let locate = Locate {
            target: Some(venv.clone()),
            ..Locate::default()
        };
        let options = Options {
            verify: Verify::Off,
            ..Options::default()
        };
        let error = pkg_install::Environment::locate(&locate)
            .and_then(|environment| {
                command::install(&environment, &vec![source].into(), &options, context).map(drop)
            })
            .expect_err("a bomb");
        assert!(!cancel.is_cancelled());
        let said = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Input, "{said}");
        assert!(
            said.contains("demo-1.0")
                && said.contains(FILE)
                && said.contains(&format!("but {STATED} are stated")),
            "{said}"
        );
        let written = *scales.written.lock().expect("no watcher panics");
        assert!(0 < written && written <= STATED, "{written}");
        assert_unchanged(&before, &tree(&venv));
    }
}

#[test]
fn r35_more_entries_than_are_read_are_refused_by_their_number() {
    const COUNT: u64 = 5_000_000;
    let scene = Scene::new();
    let venv = scene.venv();
    // Only the end records are there; the directory that they tell of is a hole.
    let size = COUNT * 46;
    let mut end = b"PK\x06\x06".to_vec();
    end.extend(44_u64.to_le_bytes());
    end.extend([45, 0, 45, 0].into_iter().chain([0; 8]));
    [COUNT, COUNT, size, 0]
        .iter()
        .for_each(|number| end.extend(number.to_le_bytes()));
    end.extend(b"PK\x06\x07\0\0\0\0");
    end.extend(size.to_le_bytes());
    end.extend(1_u32.to_le_bytes());
    end.extend(b"PK\x05\x06\0\0\0\0");
    end.extend([0xff; 12].into_iter().chain([0; 2]));
    let path = scene.write("demo-1.0-py3-none-any.whl", "");
    let file = std::fs::File::options()
        .write(true)
        .open(&path)
        .expect("it is there");
    file.write_all_at(&end, size).expect("a hole takes no room");
    let says = [
        "demo-1.0-py3-none-any.whl",
        "the number of entries is 5000000, the limit is 2000000",
    ];
    refused(&scene, &venv, &[&path.display().to_string()], 3, &says);
}
