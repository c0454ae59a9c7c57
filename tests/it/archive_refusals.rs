//! Archives that two readers could read in two ways are refused whole; those that are odd but clear
//! are installed.
//!
//! Every refusal is proved by its words, its exit code and an environment that is as it was. Names
//! and kinds of entries are in [`entry_refusals`](crate::entry_refusals), content in
//! [`content_refusals`](crate::content_refusals).

use std::process::Command;

use crate::support::scene::{Run, Scene, assert_unchanged, site_packages, tree};
use crate::support::verdict::{Case, all_accepted, all_refused};
use crate::support::wheel_builder::Wheel;
use crate::support::zip_image::{self, ZipEntry, ZipImage};

pub const NAME: &str = "demo-1.0-py3-none-any.whl";
pub const DEFLATED: &str = "demo/__init__.py";
pub const STORED: &str = "demo/plain.txt";

pub fn demo() -> Wheel {
    Wheel::new("demo", "1.0")
        .file(DEFLATED, "x = 1\n".repeat(40))
        .stored(STORED, "plain\n".repeat(10))
}

/// The wheel after a change of its archive.
pub fn archive(title: &str, says: &[&str], change: impl Fn(&mut ZipImage) + 'static) -> Case {
    Case::new(title, &demo().tamper(change)).says(says)
}

/// The wheel after a change of its deflated entry.
pub fn deflated(title: &str, says: &[&str], change: impl Fn(&mut ZipEntry) + 'static) -> Case {
    Case::new(title, &demo().tamper_entry(DEFLATED, change)).says(says)
}

/// The wheel after a change of its stored entry.
pub fn stored(title: &str, says: &[&str], change: impl Fn(&mut ZipEntry) + 'static) -> Case {
    Case::new(title, &demo().tamper_entry(STORED, change)).says(says)
}

#[test]
fn r01_incomplete_archives() {
    let whole = demo().bytes();
    let length = whole.len();
    let says = ["not a readable zip archive"];
    let cut = |length: usize| {
        Case::named(
            &format!("cut to {length} bytes"),
            NAME,
            whole[..length].to_vec(),
        )
        .says(&says)
    };
    all_refused(
        [
            0,
            1,
            21,
            22,
            length / 4,
            length / 2,
            length - 22,
            length - 4,
            length - 1,
        ]
        .map(cut),
    );
    let end = length - 22;
    all_refused([
        Case::named(
            "text",
            NAME,
            b"this is not a zip archive, however long it is".repeat(10),
        )
        .says(&says),
        Case::named("a tar archive", NAME, vec![0; 10240]).says(&says),
        Case::named("no end record", NAME, [&whole[..end], &[b'x'; 22]].concat()).says(&says),
    ]);
}

#[test]
fn r02_r05_e08_a_second_archive_in_the_comment() {
    let other = Wheel::new("demo", "1.0")
        .file("demo/__init__.py", "evil = 1\n")
        .bytes();
    let end_record: Vec<u8> = [b"PK\x05\x06".as_slice(), &[0; 18]].concat();
    all_refused([
        archive("a whole archive", &["the end records"], move |zip| {
            zip.comment = other.clone();
        }),
        archive("an end record", &["the end record"], move |zip| {
            zip.comment = end_record.clone();
        }),
        archive("the beginning of a local header", &["comment"], |zip| {
            zip.comment = b"see PK\x03\x04".to_vec();
        }),
        archive("longer than stated", &["after the end record"], |zip| {
            zip.comment = b"a note".to_vec();
            zip.end.comment_length = Some(3);
        }),
        archive("shorter than stated", &["comment"], |zip| {
            zip.comment = b"a note".to_vec();
            zip.end.comment_length = Some(60);
        }),
    ]);
    all_accepted([archive("plain text", &[], |zip| {
        zip.comment = b"built on a Monday".to_vec();
    })]);
}

#[test]
fn r03_r04_r32_r34_bytes_that_belong_to_no_entry() {
    let bytes = demo().bytes();
    all_refused([
        archive("after the end", &["after the"], |zip| {
            zip.suffix = b"signature".to_vec();
        }),
        archive(
            "before the first entry",
            &["before entry", "7 bytes"],
            |zip| zip.prefix = b"#!stub\n".to_vec(),
        ),
        Case::named(
            "before it, and offsets count from it",
            NAME,
            [b"#!stub\n".as_slice(), &bytes].concat(),
        )
        .says(&["the end records"]),
        archive(
            "a tar header before it",
            &["before entry", "512 bytes"],
            |zip| zip.prefix = vec![b'0'; 512],
        ),
        stored("between two entries", &["before entry", STORED], |entry| {
            entry.gap_before = vec![0; 9];
        }),
        archive(
            "before the central directory",
            &["before the central directory"],
            |zip| {
                zip.gap_before_directory = b"more".to_vec();
            },
        ),
        archive("before the end record", &["the end records"], |zip| {
            zip.gap_before_end = vec![b'x'; 9];
        }),
    ]);
}

#[test]
fn r06_r07_r08_r27_an_index_that_contradicts_itself() {
    all_refused([
        stored("a comment on an entry", &[STORED, "comment"], |entry| {
            entry.listing.comment = b"note".to_vec();
        }),
        archive("a directory of no size", &["the end record"], |zip| {
            zip.end.directory_size = Some(0);
        }),
        archive(
            "a directory that is elsewhere",
            &["the end records"],
            |zip| {
                zip.end.directory_offset = Some(10);
            },
        ),
        archive("a directory behind the end", &["the end records"], |zip| {
            zip.end.directory_offset = Some(0x00ff_ffff);
        }),
        archive(
            "fewer entries than there are",
            &["after the last entry"],
            |zip| {
                (zip.end.entries, zip.end.entries_on_disk) = (Some(2), Some(2));
            },
        ),
        archive(
            "more entries than there are",
            &["the central directory"],
            |zip| {
                (zip.end.entries, zip.end.entries_on_disk) = (Some(9), Some(9));
            },
        ),
        archive("two counts", &["counts of entries"], |zip| {
            zip.end.entries_on_disk = Some(2);
        }),
        archive("another disk", &["several disks"], |zip| zip.end.disk = 1),
        archive("a directory on another disk", &["several disks"], |zip| {
            zip.end.directory_disk = 1;
        }),
        stored(
            "an entry for readers yet to come",
            &[STORED, "a newer version"],
            |entry| {
                entry.central.version_needed = 64;
            },
        ),
        stored("an entry on another disk", &[STORED, "disk"], |entry| {
            entry.listing.disk = 1;
        }),
    ]);
}

#[test]
fn e09_r09_r10_zip64_where_it_is_not_needed() {
    let local_only = |entry: &mut ZipEntry| {
        let (size, packed) = (u64::from(entry.local.usize), u64::from(entry.local.csize));
        entry.local.extra = zip_image::zip64_extra(&[size, packed]);
        (entry.local.usize, entry.local.csize) = (u32::MAX, u32::MAX);
    };
    all_accepted([
        Case::new("in both headers", &demo().zip64(DEFLATED).zip64(STORED)),
        deflated("in the local header, as Python writes it", &[], local_only),
        archive("in the end record", &[], |zip| zip.end.zip64 = true),
        archive("in the end record, which says so", &[], |zip| {
            zip.end.zip64 = true;
            (zip.end.entries, zip.end.entries_on_disk) = (Some(u16::MAX), Some(u16::MAX));
            (zip.end.directory_size, zip.end.directory_offset) = (Some(u32::MAX), Some(u32::MAX));
        }),
    ]);
    all_refused([
        archive(
            "two end records that differ",
            &["zip64 end record"],
            |zip| {
                zip.end.zip64 = true;
                (zip.end.entries, zip.end.entries_on_disk) = (Some(3), Some(3));
            },
        ),
        stored(
            "a field that is cut off",
            &["extra field is cut off"],
            |entry| {
                entry.use_zip64();
                entry.both(|header| header.extra.truncate(10));
            },
        ),
        stored(
            "two fields, of which one reader takes the first and another the last",
            &["two zip64 fields"],
            |entry| {
                let other = zip_image::zip64_extra(&[1, 1]);
                entry.use_zip64();
                entry.central.extra.splice(0..0, other).for_each(drop);
            },
        ),
        stored(
            "two fields in the local header",
            &["zip64 field"],
            |entry| {
                entry.use_zip64();
                entry.local.extra.extend(zip_image::zip64_extra(&[1, 1]));
            },
        ),
        stored(
            "an extra field that is cut off",
            &["extra field is cut off"],
            |entry| {
                entry.central.extra = b"\x01\x00\xff\x00".to_vec();
            },
        ),
        stored("sizes that differ", &[STORED], |entry| {
            entry.use_zip64();
            entry.local.extra[4] += 1;
        }),
        stored(
            "sizes that need the field, and no field",
            &[STORED],
            |entry| {
                entry.both(|header| (header.usize, header.csize) = (u32::MAX, u32::MAX));
            },
        ),
    ]);
}

#[test]
fn e07_r11_r12_local_headers_that_say_something_else() {
    all_refused([
        deflated(
            "the name",
            &[DEFLATED, "demo/__evil__.py", "name"],
            |entry| {
                entry.local.name = b"demo/__evil__.py".to_vec();
            },
        ),
        deflated(
            "the flags",
            &[DEFLATED, "flags", "0x0800", "0x0000"],
            |entry| entry.local.flags = zip_image::UTF8,
        ),
        deflated("the method", &[DEFLATED, "method"], |entry| {
            entry.local.method = zip_image::STORED;
        }),
        deflated("the CRC", &[DEFLATED, "CRC"], |entry| entry.local.crc ^= 1),
        deflated("no CRC and no descriptor", &[DEFLATED, "CRC"], |entry| {
            entry.local.crc = 0;
        }),
        deflated("the size", &[DEFLATED, "size", "240", "241"], |entry| {
            entry.local.usize += 1;
        }),
        deflated(
            "the compressed size",
            &[DEFLATED, "compressed size"],
            |entry| entry.local.csize -= 1,
        ),
        deflated("encryption", &[DEFLATED], |entry| {
            entry.local.flags |= zip_image::ENCRYPTED;
        }),
        deflated(
            "another name by an extra field",
            &["extra field"],
            |entry| {
                let other = [
                    &[1][..],
                    &crc32fast::hash(DEFLATED.as_bytes()).to_le_bytes(),
                    b"demo/evil.py",
                ]
                .concat();
                entry.central.extra = zip_image::extra(0x7075, &other);
            },
        ),
    ]);
}

#[test]
fn r13_r14_r17_entries_and_local_headers_do_not_pair_up() {
    let hidden = |zip: &mut ZipImage| {
        let mut entry = ZipEntry::new(
            "demo/hidden.py",
            b"import os\n",
            0o100_644,
            zip_image::STORED,
        );
        entry.listing.listed = false;
        zip.entries.insert(1, entry);
    };
    let quoted = |zip: &mut ZipImage| {
        let inner = zip.entries[1].clone();
        let offset = zip.entries[0].body.len();
        let mut bytes = Vec::new();
        bytes.extend(
            ZipImage {
                entries: vec![inner],
                ..ZipImage::default()
            }
            .to_bytes(),
        );
        let outer = &mut zip.entries[0];
        outer.body.extend(&bytes);
        let length = outer.body.len() as u32;
        outer.both(|header| header.csize = length);
        let begin = 30 + outer.local.name.len() + offset;
        zip.entries[1].listing.offset = Some(begin as u32);
        zip.entries[1].listing.present = false;
    };
    all_refused([
        archive(
            "a member that only streams show",
            &["bytes", "belong to no entry"],
            hidden,
        ),
        archive(
            "the last member, likewise",
            &["before the central directory"],
            move |zip| {
                hidden(zip);
                zip.entries[1..].rotate_left(1);
            },
        ),
        stored("no local header", &[STORED], |entry| {
            entry.listing.present = false;
        }),
        stored(
            "a local header behind the end",
            &["belong to no entry"],
            |entry| {
                entry.listing.offset = Some(0x00ff_ffff);
            },
        ),
        stored(
            "a local header in the middle of something",
            &["share bytes"],
            |entry| entry.listing.offset = Some(7),
        ),
        archive(
            "one local header for two entries",
            &["share bytes"],
            |zip| {
                let mut again = zip.entries[1].clone();
                again.listing.present = false;
                again.listing.offset = Some(0);
                again.central = zip.entries[0].central.clone();
                again.central.name = b"demo/again.py".to_vec();
                zip.entries.push(again);
            },
        ),
        archive("an entry within another", &["share bytes"], quoted),
        stored(
            "content that reaches into the next entry",
            &[STORED],
            |entry| {
                entry.both(|header| {
                    (header.csize, header.usize) = (header.csize + 4, header.usize + 4);
                });
            },
        ),
    ]);
}

#[test]
fn e04_e05_r15_r16_one_name_twice() {
    let twice = |content: &'static [u8]| {
        move |zip: &mut ZipImage| {
            zip.entries.insert(
                2,
                ZipEntry::new(STORED, content, 0o100_644, zip_image::STORED),
            );
        }
    };
    let same: &'static [u8] =
        b"plain\nplain\nplain\nplain\nplain\nplain\nplain\nplain\nplain\nplain\n";
    all_refused([
        archive(
            "with other content",
            &["two entries", STORED],
            twice(b"other\n"),
        ),
        archive(
            "with the same content",
            &["two entries", STORED],
            twice(same),
        ),
    ]);
}

#[test]
fn e10_r33_more_entries_than_sixteen_bits_count() {
    let scene = Scene::new();
    let many = (0..65_600).fold(Wheel::new("demo", "1.0"), |wheel, number| {
        wheel.stored(&format!("demo/{number}"), "")
    });
    let wheel = scene.wheel(&many.tamper(|zip| {
        zip.end.zip64 = true;
        (zip.end.entries, zip.end.entries_on_disk) = (Some(u16::MAX), Some(u16::MAX));
    }));
    let venv = scene.venv();
    let run = scene.install(
        &venv,
        &["--dry-run", "--json", &wheel.display().to_string()],
    );
    run.assert_code(0);
    assert_eq!(run.json()["changes"][0]["files"], 65_604);
}

#[test]
fn r36_a_wheel_that_is_no_file_is_refused_without_waiting() {
    let scene = Scene::new();
    let venv = scene.venv();
    let pipe = scene.join(NAME);
    Run::of(Command::new("mkfifo").arg(&pipe)).assert_code(0);
    let device = scene.join("device").join(NAME);
    std::fs::create_dir(scene.join("device")).expect("a directory can be made");
    std::os::unix::fs::symlink("/dev/zero", &device).expect("a link can be made");
    let (one, two) = (scene.join("loop").join(NAME), scene.join("loop/other"));
    std::fs::create_dir(scene.join("loop")).expect("a directory can be made");
    std::os::unix::fs::symlink(&one, &two).expect("a link can be made");
    std::os::unix::fs::symlink(&two, &one).expect("a link can be made");
    let directory = scene.join("directories").join(NAME);
    std::fs::create_dir_all(&directory).expect("directories can be made");
    let listed = scene.join("directories");
    let before = tree(&venv);
    for path in [&pipe, &device, &one, &scene.join("loop"), &listed] {
        let mut bounded = Command::new("timeout");
        bounded
            .arg("30")
            .arg(env!("CARGO_BIN_EXE_pkg-install"))
            .arg(path)
            .arg("--target")
            .arg(&venv);
        let run = Run::of(bounded.current_dir(scene.path()));
        run.assert_code(3)
            .assert_stderr(NAME)
            .assert_stderr("not a regular file")
            .assert_stderr("state: nothing was");
        assert_unchanged(&before, &tree(&venv));
    }
    crate::support::verdict::refused(
        &scene,
        &venv,
        &[&directory.display().to_string()],
        2,
        &[NAME, "has no wheels"],
    );
    assert_unchanged(&before, &tree(&venv));
    assert!(!site_packages(&venv).join("demo").exists());
}
