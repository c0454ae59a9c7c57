//! RECORDs at each level of strictness, and what is read back after writing.

use super::*;
use crate::digest::Algorithm;

const GOOD: &str = "sha256=1HNeOiZeFu7gP1lxi5tdAwGcB9i2xR-Q2jpmbuwTqzU";

fn row(path: &str, size: Option<u64>) -> RecordRow {
    RecordRow {
        path: path.to_owned(),
        digest: size.map(|_| Digest::of(Algorithm::Sha256, b"2")),
        size,
    }
}

fn read(text: &str, verify: Verify) -> WheelRecord {
    read_wheel_record(text.as_bytes(), verify, 10_000)
}

/// `text` lists `a.py`: with a fault in strict, with a warning of this code in normal, and
/// maybe with one in off.
fn is_odd(text: &str, code: WarningCode, verify_off_warns: bool) {
    let strict = read(text, Verify::Strict);
    assert_eq!(
        (strict.faults.len(), strict.warnings.len()),
        (1, 0),
        "{text:?}: {strict:?}"
    );
    let normal = read(text, Verify::Normal);
    assert_eq!(normal.faults, [], "{text:?}");
    assert_eq!(
        normal
            .warnings
            .iter()
            .map(|(code, _)| *code)
            .collect::<Vec<_>>(),
        [code],
        "{text:?}"
    );
    let off = read(text, Verify::Off);
    assert_eq!(
        (off.faults.len(), off.warnings.len()),
        (0, usize::from(verify_off_warns)),
        "{text:?}: {off:?}"
    );
    for record in [strict, normal, off] {
        assert_eq!(
            record
                .rows
                .iter()
                .map(|row| row.path.as_str())
                .collect::<Vec<_>>(),
            ["a.py"],
            "{text:?}"
        );
    }
}

#[test]
fn c36_what_the_specification_writes_is_read_without_a_word() {
    let text = format!(
        "a.py,{GOOD},1\r\n\"b,\"\"c\"\"\nd\",{GOOD},1\r\n\r\n \nx\u{2028}y,,\n\
         a-1.dist-info/RECORD,,\n"
    );
    for verify in [Verify::Strict, Verify::Normal, Verify::Off] {
        let record = read(&text, verify);
        let rows = [
            row("a.py", Some(1)),
            row("b,\"c\"\nd", Some(1)),
            row("x\u{2028}y", None),
            row("a-1.dist-info/RECORD", None),
        ];
        assert_eq!(
            record,
            WheelRecord {
                rows: rows.to_vec(),
                ..WheelRecord::default()
            }
        );
    }
}

#[test]
fn c42_e37_digests_that_leave_no_doubt_are_warned_about() {
    is_odd(
        &format!("a.py,{GOOD}=,1\n"),
        WarningCode::RecordPaddedDigest,
        false,
    );
    let hex = Digest::of(Algorithm::Sha256, b"2").to_hex();
    is_odd(
        &format!("a.py,sha256={hex},1\n"),
        WarningCode::RecordHexadecimalDigest,
        false,
    );
    is_odd(
        &format!("a.py,{},1\n", GOOD.replace('-', "+")),
        WarningCode::RecordStandardAlphabet,
        false,
    );
    is_odd(
        &format!("a.py,{}V,1\n", GOOD.trim_end_matches('U')),
        WarningCode::RecordNoncanonicalDigest,
        false,
    );
}

#[test]
fn c43_e35_rows_that_leave_no_doubt_are_warned_about() {
    is_odd("/a.py,,\n", WarningCode::RecordLeadingSlash, true);
    is_odd("//a.py,,\n", WarningCode::RecordLeadingSlash, true);
    is_odd("./a.py,,\n", WarningCode::RecordDotPrefix, true);
    is_odd("a.py,,,\n", WarningCode::RecordColumns, true);
    is_odd("a.py,\n", WarningCode::RecordColumns, true);
    is_odd("a.py\n", WarningCode::RecordColumns, true);
    is_odd("\u{feff}a.py,,\n", WarningCode::RecordBom, true);
    is_odd("a.py,,\na.py,,\n", WarningCode::RecordDuplicateRow, true);
    let windows = read("pkg\\sub\\a.py,,\n", Verify::Normal);
    assert_eq!(
        (windows.rows, windows.warnings[0].0),
        (
            vec![row("pkg/sub/a.py", None)],
            WarningCode::RecordBackslash
        )
    );
    let both = read("\\.\\a.py,,\na.py,,", Verify::Normal);
    assert_eq!(both.rows, [row("a.py", None)]);
    let codes: Vec<_> = both.warnings.iter().map(|(code, _)| *code).collect();
    assert_eq!(
        codes,
        [
            WarningCode::RecordBackslash,
            WarningCode::RecordLeadingSlash,
            WarningCode::RecordDotPrefix,
            WarningCode::RecordDuplicateRow
        ]
    );
}

#[test]
fn c40_c41_e35_all_faults_are_collected_and_off_has_none() {
    let text = format!(
        "a,md5=1B2M2Y8AsgTpgAmY7PhCfg,0\nb,sha256=AAAA,1\n\n,,\nc,{GOOD},1.5\nd,{GOOD},+1\n\
         e,{GOOD},-1\n"
    );
    let reasons = [
        (0, "md5 is not a secure hash"),
        (0, "the digest is not base64 of the right length"),
        (4, "it has no path"),
        (5, "its size is not a number"),
        (6, "its size is not a number"),
        (7, "its size is not a number"),
    ];
    for verify in [Verify::Strict, Verify::Normal] {
        let record = read(&text, verify);
        let found: Vec<_> = record
            .faults
            .iter()
            .map(|fault| match fault {
                RecordFault::Row { line, reason, .. } => (*line, *reason),
                RecordFault::Digest { reason, .. } => (0, *reason),
                other => panic!("{other}"),
            })
            .collect();
        assert_eq!(found, reasons, "{verify:?}");
        assert_eq!(record.rows.len(), 5, "{verify:?}");
    }
    let off = read(&text, Verify::Off);
    assert_eq!((off.faults, off.warnings), (vec![], vec![]));
    assert_eq!(
        (off.rows[0].digest, off.rows[0].size, off.rows[2].size),
        (None, Some(0), None)
    );
    assert_eq!(off.rows[2].digest, row("", Some(1)).digest);
}

#[test]
fn e35_rows_that_contradict_each_other_are_refused() {
    let text = format!("a,{GOOD},1\na,{GOOD},2\na,,\n");
    for verify in [Verify::Strict, Verify::Normal] {
        let record = read(&text, verify);
        assert_eq!(
            record.faults,
            vec![RecordFault::Contradiction("a".to_owned()); 2]
        );
        assert_eq!(record.rows, [row("a", Some(1))]);
    }
    assert_eq!(read(&text, Verify::Off).faults, []);
    let one_broken = read(&format!("a,{GOOD},1\na,md5=x,1\n"), Verify::Normal);
    assert!(
        matches!(&one_broken.faults[..], [RecordFault::Digest { .. }]),
        "{one_broken:?}"
    );
}

#[test]
fn e35_a_record_that_is_not_utf8_is_refused() {
    for verify in [Verify::Strict, Verify::Normal, Verify::Off] {
        assert_eq!(
            read_wheel_record(b"a,,\n\xff,,\n", verify, 10).faults,
            [RecordFault::NotUtf8]
        );
    }
    assert_eq!(read_installed_record(b"\xff"), Err(RecordFault::NotUtf8));
}

#[test]
fn e35_long_rows_are_cut_in_faults() {
    let record = read(&format!("{},,x\n", "é".repeat(10_000)), Verify::Normal);
    let [RecordFault::Row { text, .. }] = &record.faults[..] else {
        panic!("{record:?}")
    };
    assert_eq!(text.chars().count(), SHOWN + 1);
}

#[test]
fn e36_an_installed_record_is_read_as_tolerantly_as_pip_does() {
    let text = format!(
        "\u{feff}../../bin/a,{GOOD},1\r\n/abs,md5=x,y\n,,\n\nb\nc,{GOOD}=,1,,\n\
         ../../../etc/passwd,,\n"
    );
    let rows = read_installed_record(text.as_bytes()).expect("rows");
    let expected = [
        row("../../bin/a", Some(1)),
        row("/abs", None),
        row("b", None),
        row("c", Some(1)),
        row("../../../etc/passwd", None),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn c36_c39_what_is_written_is_read_back_equal() {
    let rows = [
        row("a b.py", Some(1)),
        row("b,c\"d\ne\rf", Some(0)),
        row("é", Some(u64::MAX)),
        row("x/RECORD", None),
    ];
    let bytes = write_record(&rows);
    let text = format!(
        "a b.py,{GOOD},1\n\"b,c\"\"d\ne\rf\",{GOOD},0\né,{GOOD},18446744073709551615\nx/RECORD,,\n"
    );
    assert_eq!(String::from_utf8_lossy(&bytes), text);
    assert_eq!(read_wheel_record(&bytes, Verify::Strict, 10_000).rows, rows);
    assert_eq!(read_installed_record(&bytes), Ok(rows.to_vec()));
    assert_eq!(write_record(&[]), b"");
    let marked = [row("\u{feff}a.py", None), row("b.py", None)];
    assert_eq!(
        read_installed_record(&write_record(&marked)),
        Ok(marked.to_vec())
    );
}

#[test]
fn e35_lines_are_counted_whatever_they_end_in() {
    for text in [
        "a,,\n\n\n\"b\nc\",,\nd,,x",
        "a,,\r\n\r\n\r\n\"b\r\nc\",,\r\nd,,x\r\n",
    ] {
        let record = read(text, Verify::Normal);
        assert!(
            matches!(&record.faults[..], [RecordFault::Row { line: 6, .. }]),
            "{record:?}"
        );
    }
}

#[test]
fn of_many_faults_the_first_are_kept_and_the_others_counted() {
    let text = "\\\n".repeat(5000);
    let record = read(&text, Verify::Normal);
    assert_eq!((record.faults.len(), record.warnings.len()), (1000, 1000));
    assert_eq!(record.left_out.faults, 4000);
    // Too few columns, a backslash, and a leading slash in each row.
    assert_eq!(record.left_out.warnings, 3 * 5000 - 1000);
    let strict = read(&text, Verify::Strict);
    assert_eq!(strict.left_out.faults, 4 * 5000 - 1000);
}

#[test]
fn no_more_rows_are_read_than_the_archive_could_need() {
    let text: String = (0..20).map(|number| format!("{number},,\n")).collect();
    let record = read_wheel_record(text.as_bytes(), Verify::Normal, 10);
    assert_eq!(record.rows.len(), 10);
    assert_eq!(record.faults, [RecordFault::TooManyRows { limit: 10 }]);
    let enough = read_wheel_record(text.as_bytes(), Verify::Normal, 20);
    assert_eq!((enough.rows.len(), enough.faults.len()), (20, 0));
}
