//! Every message of this crate, and the rules that all of them keep.
//!
//! `messages.txt` has one line or more for every kind of failure and fault: code, then message. Set
//! `UPDATE_MESSAGES=1` to write it anew after a message was changed.

use std::path::Path;

use super::*;
use crate::digest::{Algorithm, Digest};
use crate::path::PathFault;
use index::samples::index_faults;
use resolution::samples::resolution_faults;

const KNOWN: &str = include_str!("messages.txt");

pub(super) fn text(text: &str) -> String {
    text.to_owned()
}

pub(super) fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn digest(content: &str) -> Box<Digest> {
    Box::new(Digest::of(Algorithm::Sha256, content.as_bytes()))
}

fn archive_faults() -> Vec<ArchiveFault> {
    use ArchiveFault as F;
    let entry = || text("a/b.py");
    vec![
        F::NotAnArchive(text("no end record")),
        F::NotAFile,
        F::HiddenBytes {
            place: text("before entry `a/b.py`"),
            count: 7,
        },
        F::Overlap {
            first: text("a"),
            second: text("b"),
        },
        F::DuplicateName(entry()),
        F::NameNotUtf8(text("\u{fffd}")),
        F::UnsafePath {
            path: text("../a"),
            fault: PathFault::Dots,
        },
        F::Method {
            entry: entry(),
            method: text("bzip2"),
        },
        F::Encrypted(entry()),
        F::LocalHeader {
            entry: entry(),
            field: "the flags are",
            local: text("0x1"),
            central: text("0x0"),
        },
        F::Structure {
            place: text("the end record"),
            found: "its comment is cut off",
        },
        F::DirectoryContent(text("a/")),
        F::SpecialEntry {
            entry: entry(),
            kind: "a symbolic link",
        },
        F::FileAndDirectory(text("a")),
        F::Truncated(entry()),
        F::Corrupt {
            entry: entry(),
            reason: text("invalid block"),
        },
        F::Size {
            entry: entry(),
            stated: 1,
            actual: 2,
        },
        F::Inflation {
            content: 9000,
            archive: 8,
            limit: 800,
        },
        F::Crc {
            entry: entry(),
            stated: 1,
            actual: 2,
        },
        F::DigestMismatch {
            entry: entry(),
            recorded: digest("a"),
            actual: digest("b"),
        },
        F::TooLarge {
            what: text("the number of entries"),
            size: 9,
            limit: 8,
        },
    ]
}

fn metadata_faults() -> Vec<MetadataFault> {
    use MetadataFault as F;
    vec![
        F::FileName {
            name: text("a.whl"),
            reason: "it has fewer than five parts",
        },
        F::DistInfoCount(Vec::new()),
        F::DistInfoCount(texts(&["a-1.dist-info", "b-1.dist-info"])),
        F::DistInfoName {
            found: text("b-1.dist-info"),
            expected: text("a-1.dist-info"),
        },
        F::Missing(text("a-1.dist-info/WHEEL")),
        F::NotUtf8(text("METADATA")),
        F::Header {
            file: "METADATA",
            field: "Name",
            value: None,
        },
        F::Header {
            file: "METADATA",
            field: "Name",
            value: Some(text("-")),
        },
        F::Newer {
            what: "Wheel-Version",
            found: text("2.0"),
            supported: "1.x",
        },
        F::Mismatch {
            field: "Name",
            metadata: text("a"),
            file_name: text("b"),
        },
        F::Version {
            what: "Requires-Python",
            text: text("x"),
        },
        F::Incompatible {
            tags: text("cp39-cp39-win32"),
            environment: text("CPython 3.11"),
        },
        F::RequiresPython {
            requires: text(">=3.12"),
            python: text("3.11.2"),
        },
        F::WindowsLaunchers(texts(&["flask", "tool"])),
        F::TooManyEntryPoints {
            count: 10_001,
            limit: 10_000,
        },
        F::EntryPointLine {
            line: 3,
            text: text("a"),
        },
        F::EntryPoint {
            name: text("a"),
            value: text("m"),
            reason: "it does not have the form `module:object`",
        },
    ]
}

fn other_faults() -> Vec<Fault> {
    let path = || text("a/b.py");
    vec![
        RecordFault::NotUtf8.into(),
        RecordFault::Row {
            line: 2,
            reason: "it has no path",
            text: text(",,"),
        }
        .into(),
        RecordFault::Digest {
            path: path(),
            reason: "it has no digest",
            text: text(""),
        }
        .into(),
        RecordFault::Contradiction(path()).into(),
        RecordFault::Size {
            entry: path(),
            recorded: 1,
            actual: 2,
        }
        .into(),
        RecordFault::UnsafePath {
            path: text("/a"),
            fault: PathFault::Absolute,
        }
        .into(),
        RecordFault::TooManyRows { limit: 10_008 }.into(),
        RecordFault::NotRecorded(path()).into(),
        RecordFault::Absent(path()).into(),
        SpreadFault::UnsafePath {
            path: text("a/.."),
            fault: PathFault::Dots,
        }
        .into(),
        SpreadFault::DataScheme(text("a-1.data/x/y")).into(),
        SpreadFault::NestedScript(text("a-1.data/scripts/x/y")).into(),
        SpreadFault::Twice(path()).into(),
        SpreadFault::ReservedName(text("nul.py")).into(),
        SpreadFault::ProjectMetadata(text("a-1.data/purelib/b-1.dist-info/METADATA")).into(),
        SpreadFault::Protected {
            path: text("bin/python"),
            what: "the interpreter",
        }
        .into(),
        Fault::LeftOut(7),
        SourceFault::Digest {
            pinned: digest("a"),
            actual: digest("b"),
        }
        .into(),
        SourceFault::NoneOfDigests {
            allowed: 2,
            actual: digest("b"),
        }
        .into(),
        SourceFault::Size {
            promised: 1,
            actual: 2,
        }
        .into(),
        SourceFault::Longer { promised: 1 }.into(),
        SourceFault::ContentEncoding(text("gzip")).into(),
        SourceFault::NotAWheel {
            content_type: text("text/html"),
        }
        .into(),
        SourceFault::SourceDistribution.into(),
        SourceFault::NotFetched.into(),
        SourceFault::ChangedOnServer.into(),
        SourceFault::NotPinned.into(),
    ]
}

fn environment_errors() -> Vec<Error> {
    let path = Path::new("/venv");
    vec![
        Error::no_environment(Vec::new()),
        Error::no_environment(vec![path.join(".venv")]),
        Error::bad_environment(path, "it is not a directory"),
        Error::interpreter(path, "it ends with status 1"),
        Error::no_interpreter(),
        Error::externally_managed(path, "Use apt.\nReally."),
        Error::locked(path, 60),
        Error::lock_failed(path, io::Error::from(io::ErrorKind::PermissionDenied)),
        Error::lock_failed(path, rustix::io::Errno::NOLCK.into()),
        Error::not_replaceable("six", "it has no RECORD", Some(text("conda"))),
        Error::not_listed(texts(&["a"])),
        Error::no_owner(texts(&["bin/a", "/etc/b"])),
        Error::not_installed(texts(&["a", "b"])),
        Error::leads_outside(path, Path::new("/elsewhere")),
        Error::foreign_environment(path, &path.join("bin"), "belongs to user 7"),
        Error::foreign_state(path, "its directory belongs to user 7"),
        Error::journal(path, "it is cut off"),
        Error::nothing_to_undo(path),
        Error::cannot_undo(path, "`a.py` has changed since"),
        Error::cannot_go_back(path, 0, "transaction 2 was not kept"),
        Error::cannot_go_back(path, 3, "it was itself taken back"),
    ]
}

fn network_errors() -> Vec<Error> {
    use NetworkFault as F;
    let faults = [
        F::Unreachable,
        F::TransferFailed,
        F::Credentials,
        F::Status,
        F::Proxy,
        F::ProxyCredentials,
        F::Certificates,
        F::UntrustedCertificate,
        F::ExpiredCertificate,
        F::Tls,
        F::Redirect,
        F::Address,
        F::ChangedWhileRead,
        F::CacheFull,
    ];
    let errors = faults.map(|fault| Error::network(fault, "https://host/a.whl", "the reason"));
    errors.into_iter().collect()
}

fn unsolvable_errors() -> Vec<Error> {
    let name = || text("netifaces");
    let findings = [
        Finding::Contradiction,
        Finding::NoWheel(name()),
        Finding::UnknownProject(name()),
        Finding::NoVersion(name()),
        Finding::GaveUp,
    ];
    let steps = || texts(&["a 1 needs b >=2", "you want a and b <2 (requirements.in:1)"]);
    let proof = |finding| Error::unsolvable(NoSolution::new(finding, steps(), Vec::new()));
    findings.map(proof).into()
}

fn clash(path: &str, owners: &[(&str, &str)], is_settleable: bool) -> Clash {
    let owners = owners.iter().map(|(owner, what)| ClashSide {
        owner: text(owner),
        content: text(what),
        size: what.contains('=').then_some(1),
    });
    Clash {
        path: text(path),
        owners: owners.collect(),
        is_settleable,
    }
}

fn other_errors() -> Vec<Error> {
    use RequestFault as F;
    let path = Path::new("/a");
    let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
    let full = || io::Error::from_raw_os_error(28);
    let cv = [
        ("opencv-python", "sha256=a"),
        ("opencv-contrib-python", "sha256=b"),
    ];
    let shared = (0..12).map(|number| clash(&format!("cv2/{number}.so"), &cv, true));
    let mixed = [("a", "a file"), ("b", "a directory")];
    let mixed = [clash("x", &mixed, false), clash("y", &cv, true)];
    let faults = [ArchiveFault::NotAFile, ArchiveFault::Encrypted(text("a"))];
    let mut errors = vec![
        Error::io("read", path, denied()),
        Error::io_to("rename", path, Path::new("/b"), denied()),
        Error::no_space(path, 2, 1),
        Error::usage("no wheel was named"),
        Error::interrupted(),
        Error::refused("a.whl", faults.clone()),
        Error::wheels(vec![
            (text("a.whl"), vec![faults[0].clone().into()]),
            (text("b.whl"), vec![faults[0].clone().into()]),
        ]),
        Error::conflicts(shared.collect()),
        Error::conflicts(mixed.into()),
        Error::two_versions("six", texts(&["six-1.whl", "six-2.whl"])),
        Error::differences(1),
        Error::differences(2),
        Error::unmet_requirements(1),
        Error::unmet_requirements(2),
        Error::damaged_cache(path, 1),
        Error::damaged_cache(path, 2),
        Error::offline(texts(&["https://host/a.whl"])),
        Error::io("write", path, full()).of_cache(),
    ];
    let requests = [
        F::ExclusivePlaces,
        F::NeedsInterpreter,
        F::NeedsPlace,
        F::NoSuchWheel,
        F::ProjectName,
        F::Scheme,
        F::LockAsWheel,
        F::RequirementsAsWheel,
        F::ReportAsWheel,
    ];
    errors.extend(requests.map(|fault| Error::request(fault, "the reason")));
    errors
}

/// Code and message of every sample.
fn samples() -> Vec<(&'static str, String)> {
    let faults = archive_faults().into_iter().map(Fault::from);
    let faults = faults
        .chain(metadata_faults().into_iter().map(Fault::from))
        .chain(other_faults())
        .chain(resolution_faults().into_iter().map(Fault::from))
        .chain(index_faults().into_iter().map(Fault::from))
        .map(|fault| Error::wheel("a.whl", fault));
    let errors = other_errors()
        .into_iter()
        .chain(environment_errors())
        .chain(unsolvable_errors())
        .chain(network_errors());
    let all = errors.chain(faults);
    all.map(|error| (error.code(), error.to_string())).collect()
}

#[test]
fn messages_are_the_known_ones() {
    let lines = samples()
        .into_iter()
        .map(|(code, text)| format!("{code}: {text}\n"));
    let found: String = lines.collect();
    if std::env::var_os("UPDATE_MESSAGES").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/error/messages.txt");
        std::fs::write(path, &found).expect("the sources can be written");
        return;
    }
    for (found, known) in found.lines().zip(KNOWN.lines()) {
        assert_eq!(found, known);
    }
    assert_eq!(found.lines().count(), KNOWN.lines().count());
}

#[test]
fn every_code_is_unique_documented_and_has_a_message() {
    let samples = samples();
    for (number, (code, meaning)) in CODES.iter().enumerate() {
        assert!(
            !CODES[..number].iter().any(|(other, _)| other == code),
            "{code}"
        );
        assert!(meaning.ends_with('.'), "{code}");
        assert!(samples.iter().any(|(found, _)| found == code), "{code}");
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(code.chars().all(is_plain), "{code}");
    }
}

#[test]
fn no_message_names_an_option_of_the_command_line() {
    for (code, text) in samples() {
        assert!(!text.contains("`--"), "{code}: {text}");
    }
}

#[test]
fn ten_conflicts_are_shown_and_the_rest_counted() {
    let owners = [("one", "sha256=a"), ("two", "sha256=b")];
    let clashes = (0..12).map(|number| clash(&format!("cv2/{number}.so"), &owners, true));
    let text = Error::conflicts(clashes.collect()).to_string();
    assert_eq!(text.lines().count(), 12);
    assert!(text.ends_with("… and 2 more"), "{text}");
    assert!(
        text.starts_with("one and two both provide 12 files"),
        "{text}"
    );
}

#[test]
fn twelve_steps_of_a_proof_are_shown_and_the_rest_counted() {
    let steps = (0..14).map(|number| format!("step {number}")).collect();
    let proof = NoSolution::new(Finding::Contradiction, steps, Vec::new());
    let error = Error::unsolvable(proof);
    let lines: Vec<_> = error.to_string().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 14);
    assert_eq!(lines[13], "  … and 2 more steps");
    assert_eq!(error.kind(), ErrorKind::Unsolvable);
    assert_eq!(error.no_solution().map(|proof| proof.steps.len()), Some(14));
}

#[test]
fn r58_what_a_terminal_would_obey_is_escaped() {
    let fault = ArchiveFault::DuplicateName("\u{1b}[2Jx\u{202e}".into());
    let text = Error::wheel("a.whl", fault).to_string();
    assert!(text.contains("\\u{1b}[2Jx\\u{202e}"), "{text}");
}

#[test]
fn of_many_faults_a_thousand_are_kept_and_the_others_counted() {
    let faults = |count| vec![Fault::from(RecordFault::NotUtf8); count];
    let error = Error::refused("a.whl", faults(MOST_KEPT + 5));
    let (_, kept) = &error.refused_wheels()[0];
    assert_eq!(kept.len(), MOST_KEPT + 1);
    assert_eq!(kept.last(), Some(&Fault::LeftOut(5)));
    // The number of the others is no reason of its own.
    assert_eq!(error.code(), "record-not-utf8");
    let mut counted = faults(MOST_KEPT + 2);
    counted.push(Fault::LeftOut(3));
    let error = Error::refused("a.whl", counted);
    assert_eq!(error.refused_wheels()[0].1.last(), Some(&Fault::LeftOut(5)));
    assert_eq!(
        Error::refused("a.whl", faults(2)).refused_wheels()[0]
            .1
            .len(),
        2
    );
}
