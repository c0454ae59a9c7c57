//! Archives that two readers understand differently, because of headers beside the usual fields:
//! extra fields, data descriptors of uncertain length, attributes of other systems.
//!
//! Each case is either a wheel that was once installed or an archive of a public corpus, built anew
//! here. The simpler contradictions are in [`archive_refusals`](crate::archive_refusals).

use crate::support::verdict::{Case, all_accepted, all_refused};
use crate::support::wheel_builder::Wheel;
use crate::support::zip_image::{ZipEntry, extra, zip64_extra};

const DEFLATED: &str = "demo/__init__.py";
const STORED: &str = "demo/plain.txt";

fn demo() -> Wheel {
    Wheel::new("demo", "1.0")
        .file(DEFLATED, "x = 1\n".repeat(40))
        .stored(STORED, "plain\n".repeat(10))
}

/// The wheel after a change of its deflated entry.
fn deflated(title: &str, says: &[&str], change: impl Fn(&mut ZipEntry) + 'static) -> Case {
    Case::new(title, &demo().tamper_entry(DEFLATED, change)).says(says)
}

/// The wheel after a change of its stored entry.
fn stored(title: &str, says: &[&str], change: impl Fn(&mut ZipEntry) + 'static) -> Case {
    Case::new(title, &demo().tamper_entry(STORED, change)).says(says)
}

/// The extra field that holds a name in UTF-8, valid for an entry of the name `of`.
fn unicode_path(version: u8, of: &str, name: &str) -> Vec<u8> {
    extra(
        0x7075,
        &[
            &[version][..],
            &crc32fast::hash(of.as_bytes()).to_le_bytes(),
            name.as_bytes(),
        ]
        .concat(),
    )
}

#[test]
fn r10_extra_fields_that_do_not_add_up() {
    const TIMES: &[u8] = &[0x55, 0x54, 5, 0, 1, 0, 0, 0, 0];
    let field = |title: &str, bytes: &'static [u8]| {
        [
            deflated(
                title,
                &[DEFLATED, "local header", "extra field"],
                move |entry| {
                    entry.local.extra = bytes.to_vec();
                },
            ),
            deflated(title, &[DEFLATED, "central", "extra field"], move |entry| {
                entry.central.extra = bytes.to_vec();
            }),
        ]
    };
    all_refused(field("three bytes", b"   "));
    all_refused(field("one byte behind a field", &[0x55, 0x54, 1, 0, 0, 0]));
    all_refused([deflated(
        "longer than the area",
        &[DEFLATED, "local header", "extra field"],
        |entry| {
            entry.local.extra = vec![0x55, 0x54, 200, 0, 1];
        },
    )]);
    all_accepted([deflated("of times, which do not matter", &[], |entry| {
        entry.both(|header| header.extra = TIMES.to_vec());
    })]);
}

#[test]
fn r10_zip64_fields_that_are_read_in_two_ways() {
    let sizes = |entry: &ZipEntry| {
        [
            u64::from(entry.central.usize),
            u64::from(entry.central.csize),
        ]
    };
    all_refused([
        deflated("twice, equal", &[DEFLATED, "zip64"], |entry| {
            entry.use_zip64();
            entry.both(|header| header.extra.extend_from_within(..));
        }),
        deflated(
            "twice, the second without sizes",
            &[DEFLATED, "zip64"],
            |entry| {
                entry.both(|header| {
                    header.extra = [
                        zip64_extra(&[u64::from(header.usize), u64::from(header.csize)]),
                        zip64_extra(&[0, 0]),
                    ]
                    .concat();
                });
            },
        ),
        deflated(
            "other sizes than those of the local header",
            &[DEFLATED, "zip64"],
            |entry| {
                entry.local.extra = zip64_extra(&[9, 9]);
            },
        ),
        deflated(
            "other sizes than those of the central directory",
            &[DEFLATED, "zip64"],
            |entry| {
                entry.central.extra = zip64_extra(&[9, 9]);
            },
        ),
        deflated(
            "longer than what is missing",
            &[DEFLATED, "zip64"],
            |entry| {
                entry.use_zip64();
                entry.central.extra = zip64_extra(&[240, u64::from(entry.body.len() as u32), 0]);
            },
        ),
        deflated(
            "one size in the local header, the other in the field",
            &[DEFLATED, "zip64"],
            move |entry| {
                entry.local.extra = zip64_extra(&sizes(entry)[1..]);
                entry.local.csize = u32::MAX;
            },
        ),
        deflated(
            "one size in the local header, both in the field",
            &[DEFLATED, "zip64"],
            move |entry| {
                entry.local.extra = zip64_extra(&sizes(entry));
                entry.local.csize = u32::MAX;
            },
        ),
    ]);
    all_accepted([
        deflated(
            "the same sizes as the local header, as Bazel writes it",
            &[],
            move |entry| {
                entry.local.extra = zip64_extra(&sizes(entry));
            },
        ),
        deflated(
            "only the size that is missing, in the central directory",
            &[],
            move |entry| {
                entry.central.extra = zip64_extra(&sizes(entry)[1..]);
                entry.central.csize = u32::MAX;
            },
        ),
        deflated("only the offset", &[], |entry| {
            entry.central.extra = zip64_extra(&[0]);
            entry.listing.offset = Some(u32::MAX);
        }),
    ]);
}

#[test]
fn r28_a_name_in_an_extra_field() {
    let other = "demo/other.py";
    let field = |title: &str, bytes: Vec<u8>| {
        let local = bytes.clone();
        [
            deflated(title, &[DEFLATED, "extra field"], move |entry| {
                entry.local.extra.clone_from(&local);
            }),
            deflated(title, &[DEFLATED, "extra field"], move |entry| {
                entry.central.extra.clone_from(&bytes);
            }),
        ]
    };
    all_refused(field("another one", unicode_path(1, DEFLATED, other)));
    all_refused(field(
        "another one with a CRC of something else",
        unicode_path(1, other, other),
    ));
    all_refused(field(
        "another one of an unknown version",
        unicode_path(2, DEFLATED, other),
    ));
    all_refused(field(
        "the same with a CRC of something else",
        unicode_path(1, other, DEFLATED),
    ));
    let chain = [
        unicode_path(1, DEFLATED, other),
        unicode_path(1, DEFLATED, DEFLATED),
    ]
    .concat();
    all_refused(field("another one and then the same", chain));
    all_refused([deflated(
        "too short for a CRC",
        &[DEFLATED, "extra field"],
        |entry| {
            entry.both(|header| header.extra = extra(0x7075, &[1, 2, 3]));
        },
    )]);
    all_refused(field("the same", unicode_path(1, DEFLATED, DEFLATED)));
}

#[test]
fn r11_a_local_name_that_is_only_shown_alike() {
    let odd = "demo/\u{fffd}.py";
    let wheel = demo()
        .file(odd, "y = 2\n")
        .tamper_entry(odd, |entry| entry.local.name = b"demo/\xff.py".to_vec());
    all_refused([Case::new("bytes that are no UTF-8", &wheel).says(&["local header", "name"])]);
}

#[test]
fn r24_descriptors_with_an_uncertain_end() {
    all_refused([
        stored(
            "of content that is not compressed",
            &[STORED, "descriptor"],
            ZipEntry::use_descriptor,
        ),
        deflated(
            "beside a local header that states one size of two",
            &[DEFLATED, "compressed size"],
            |entry| {
                entry.use_descriptor();
                entry.local.usize = entry.central.usize;
            },
        ),
        deflated(
            "beside a local header that states the sizes and no CRC",
            &[DEFLATED, "CRC-32"],
            |entry| {
                entry.use_descriptor();
                (entry.local.csize, entry.local.usize) = (entry.central.csize, entry.central.usize);
            },
        ),
        deflated(
            "with wide sizes, and no zip64 field that says so",
            &[DEFLATED, "descriptor"],
            |entry| {
                entry.use_descriptor();
                wide(entry);
            },
        ),
        deflated(
            "with narrow sizes, and a zip64 field that says otherwise",
            &[DEFLATED, "descriptor"],
            |entry| {
                entry.use_descriptor();
                entry.local.extra = zip64_extra(&[0, 0]);
                (entry.local.csize, entry.local.usize) = (u32::MAX, u32::MAX);
            },
        ),
    ]);
    let empty = demo()
        .stored("demo/py.typed", "")
        .descriptor("demo/py.typed");
    all_accepted([
        Case::new("of content that is empty", &empty),
        deflated("with wide sizes, as the zip64 field says", &[], |entry| {
            entry.use_descriptor();
            wide(entry);
            entry.local.extra = zip64_extra(&[0, 0]);
            (entry.local.csize, entry.local.usize) = (u32::MAX, u32::MAX);
        }),
    ]);
}

/// The descriptor with sizes of eight bytes.
fn wide(entry: &mut ZipEntry) {
    let mut bytes = b"PK\x07\x08".to_vec();
    bytes.extend(entry.central.crc.to_le_bytes());
    bytes.extend(u64::from(entry.central.csize).to_le_bytes());
    bytes.extend(u64::from(entry.central.usize).to_le_bytes());
    entry.descriptor = bytes;
}

#[test]
fn r31_a_directory_by_the_attributes_of_dos() {
    const DIRECTORY: u32 = 0x10;
    let attributes = |host: u16| {
        stored("on a file", &[STORED, "directory"], move |entry| {
            entry.listing.version_made_by = host << 8 | 20;
            entry.listing.external |= DIRECTORY;
        })
    };
    all_refused([attributes(0), attributes(3), attributes(19)]);
    let directory = demo().directory("demo/empty");
    let tampered = directory
        .clone()
        .tamper_entry("demo/empty/", |entry| entry.listing.external |= DIRECTORY);
    all_accepted([
        Case::new("on a directory", &tampered),
        Case::new("not on a directory", &directory),
    ]);
}
