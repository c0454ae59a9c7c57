//! Refused entries: content that is not what the archive states, data descriptors, encryption and
//! compression methods.
//!
//! Archives that are refused for their structure are in
//! [`archive_refusals`](crate::archive_refusals).

use crate::archive_refusals::{DEFLATED, STORED, deflated, demo, stored};
use crate::support::verdict::{Case, all_accepted, all_refused};
use crate::support::zip_image::{Header, ZipEntry};

#[test]
fn e21_r19_r20_r22_content_that_is_not_what_the_archive_states() {
    let lie = |title: &str, change: fn(&mut ZipEntry), size: usize| {
        let wheel = demo().record_row(
            DEFLATED,
            "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
            size,
        );
        Case::new(title, &wheel.tamper_entry(DEFLATED, change)).says(&[DEFLATED])
    };
    all_refused([
        Case::new("the CRC", &demo().crc(STORED, 0x0bad_cafe))
            .says(&[STORED, "CRC-32", "0badcafe"]),
        Case::new("the CRC of what is deflated", &demo().crc(DEFLATED, 1))
            .says(&[DEFLATED, "CRC-32", "00000001"]),
        lie(
            "more bytes than stated",
            |entry| entry.both(|header| header.usize = 239),
            239,
        ),
        lie(
            "fewer bytes than stated",
            |entry| entry.both(|header| header.usize = 241),
            241,
        ),
        lie(
            "no bytes stated",
            |entry| entry.both(|header| header.usize = 0),
            0,
        ),
        stored("a stored entry of two sizes", &[STORED], |entry| {
            entry.both(|header| header.usize -= 1);
        }),
    ]);
}

#[test]
fn r19_r20_r21_the_same_for_streamed_content() {
    let content: Vec<u8> = (0..700_000_u32)
        .flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    let big = "demo/big.so";
    let wheels = [
        demo().file(big, &content),
        demo().stored(big, &content),
        demo().zstd(big, vec![7_u8; 3_000_000]),
    ];
    let change =
        |change: fn(&mut ZipEntry)| wheels.clone().map(|wheel| wheel.tamper_entry(big, change));
    all_accepted(wheels.clone().map(|wheel| Case::new("as it is", &wheel)));
    let crc = change(|entry| entry.both(|header| header.crc ^= 1));
    all_refused(crc.map(|wheel| Case::new("the CRC", &wheel).says(&[big, "CRC-32"])));
    let digest = wheels.clone().map(|wheel| wheel.wrong_digest(big));
    all_refused(
        digest.map(|wheel| Case::new("the digest", &wheel).says(&[big, "digest", "RECORD"])),
    );
    let longer = change(|entry| entry.both(|header| header.usize += 1));
    let off = ["--verify", "off"];
    all_refused(longer.map(|wheel| {
        Case::new("fewer bytes than stated", &wheel)
            .with(&off)
            .says(&[big])
    }));
    let shorter = change(|entry| entry.both(|header| header.usize -= 1));
    all_refused(shorter.map(|wheel| {
        Case::new("more bytes than stated", &wheel)
            .with(&off)
            .says(&[big])
    }));
    let cut = change(|entry| {
        entry.body.pop();
        entry.both(|header| header.csize -= 1);
    });
    all_refused(cut.map(|wheel| Case::new("cut off", &wheel).says(&[big])));
    let garbage = change(|entry| {
        entry.body.extend(b"garbage");
        entry.both(|header| header.csize += 7);
    });
    all_refused(garbage.map(|wheel| Case::new("garbage behind it", &wheel).says(&[big])));
}

#[test]
fn r21_deflated_data_that_makes_no_sense() {
    let body = |title: &str, change: fn(&mut Vec<u8>)| {
        deflated(title, &[DEFLATED, "unpack"], move |entry| {
            change(&mut entry.body);
            let length = entry.body.len() as u32;
            entry.both(|header| header.csize = length);
        })
    };
    all_refused([
        body("garbage behind the stream", |body| body.push(0)),
        body("two streams", |body| body.extend_from_within(..)),
        // What looks like the end of a gzip member is garbage, too, and so is what follows it.
        deflated("a trailer of its own", &[DEFLATED, "unpack"], |entry| {
            let Header { crc, usize, .. } = entry.central;
            entry
                .body
                .extend([crc.to_le_bytes(), usize.to_le_bytes()].concat());
            entry.body.push(0);
            let length = entry.body.len() as u32;
            entry.both(|header| {
                header.csize = length;
                header.crc ^= 1;
            });
        }),
        body("cut off", |body| body.truncate(body.len() - 1)),
        body("empty", Vec::clear),
        body("a block of no type", |body| *body = vec![0x07, 0, 0]),
        body("a reference to before the beginning", |body| {
            *body = vec![0x03, 0x0f, 0x00, 0x00];
        }),
        body("lengths that differ", |body| {
            *body = vec![0x01, 0x02, 0x00, 0x00, 0x00, b'a', b'b'];
        }),
    ]);
}

#[test]
fn e11_r23_r24_data_descriptors() {
    let short = |change: fn(&mut ZipEntry)| {
        move |entry: &mut ZipEntry| {
            entry.use_descriptor();
            change(entry);
        }
    };
    all_accepted([
        Case::new("with its signature", &demo().descriptor(DEFLATED)),
        deflated(
            "without it",
            &[],
            short(|entry| entry.descriptor = entry.descriptor.split_off(4)),
        ),
        deflated(
            "with sizes in the local header, too",
            &[],
            short(|entry| {
                (entry.local.crc, entry.local.csize, entry.local.usize) =
                    (entry.central.crc, entry.central.csize, entry.central.usize);
            }),
        ),
    ]);
    all_refused([
        deflated(
            "of another CRC",
            &[DEFLATED, "descriptor"],
            short(|entry| entry.descriptor[4] ^= 1),
        ),
        deflated(
            "of another compressed size",
            &[DEFLATED, "descriptor"],
            short(|entry| entry.descriptor[8] ^= 1),
        ),
        deflated(
            "of another size",
            &[DEFLATED, "descriptor"],
            short(|entry| entry.descriptor[12] ^= 1),
        ),
        deflated(
            "absent",
            &[DEFLATED, "descriptor"],
            short(|entry| entry.descriptor.clear()),
        ),
        deflated(
            "cut off",
            &[DEFLATED, "descriptor"],
            short(|entry| entry.descriptor.truncate(9)),
        ),
        deflated(
            "of a sort of its own",
            &[DEFLATED, "descriptor"],
            short(|entry| entry.descriptor[2] = 9),
        ),
    ]);
}

#[test]
fn e15_r25_encryption_in_every_form() {
    let flag = |title: &str, bit: u16| {
        deflated(title, &[DEFLATED, "encrypted"], move |entry| {
            entry.both(|header| header.flags |= 1 << bit);
        })
    };
    all_refused([
        flag("plain", 0),
        flag("strong", 6),
        flag("masked headers", 13),
    ]);
    all_refused([deflated("patched data", &[DEFLATED], |entry| {
        entry.both(|header| header.flags |= 1 << 5);
    })]);
}

#[test]
fn e13_e14_r26_methods() {
    let known = [
        (9, "deflate64"),
        (12, "bzip2"),
        (14, "lzma"),
        (95, "xz"),
        (98, "ppmd"),
        (99, "aes"),
        (77, "77"),
    ];
    all_refused(known.map(|(method, name)| {
        Case::new(name, &demo().method(DEFLATED, method)).says(&[DEFLATED, name, "deflate or zstd"])
    }));
    all_refused([
        Case::new("one, which is unknown", &demo().method(DEFLATED, 1))
            .says(&[DEFLATED, "compressed with"]),
    ]);
    let zstd = demo().zstd("demo/z.py", "y = 2\n".repeat(100));
    all_accepted([Case::new("zstd", &zstd)]);
    let garbage = zstd.tamper_entry("demo/z.py", |entry| {
        entry.body.extend(b"garbage");
        entry.both(|header| header.csize += 7);
    });
    all_refused([
        Case::new("zstd with garbage behind the frame", &garbage).says(&["demo/z.py", "unpack"])
    ]);
}
