//! Properties for fuzzing: one function for each kind of untrusted input.
//!
//! Input: any bytes. Output: nothing, or the accepted content, to be compared with another
//! reader's; a panic is a fault. Each function checks what must hold for all accepted input. In
//! these tests the bytes come from `proptest` (`tests`); `cargo fuzz` compiles the same functions
//! and guides them by coverage (`tests/fuzz`). Limits: at most [`MOST_CONTENT`] bytes of an entry
//! are read.

#![allow(
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::needless_pass_by_value,
    reason = "a fault is reported by panicking, and the tests' builders are part of this module"
)]

mod deflate;
mod forge;
mod ground;
pub mod other_reader;
mod planted_state;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use deflate::deflate;
pub use forge::forge;
pub use ground::install;
pub use planted_state::planted_state;

use pkg_install::archive::{Archive, Expected, Scratch};
use pkg_install::digest::{Algorithm, Digest};
use pkg_install::path::{PathFault, RelPath, check_component};
use pkg_install::script;
use pkg_install::spec::core_metadata::{Headers, Metadata, WheelInfo};
use pkg_install::spec::entry_points;
use pkg_install::spec::location::{Location, hashes_in};
use pkg_install::spec::marker::{Marker, MarkerEnvironment, MarkerScope};
use pkg_install::spec::name::ProjectName;
use pkg_install::spec::pip_report::PipReport;
use pkg_install::spec::project::ProjectFile;
use pkg_install::spec::pylock::LockFile;
use pkg_install::spec::record::{
    RecordRow, Verify, read_installed_record, read_wheel_record, write_record,
};
use pkg_install::spec::requirement::Requirement;
use pkg_install::spec::requirements::{LooseList, Requirements};
use pkg_install::spec::simple::{CondensedPage, Page};
use pkg_install::spec::version::Version;
use pkg_install::spec::wheel_name::WheelName;
use pkg_install::transaction::Journal;

/// The most bytes of one entry that are read.
pub const MOST_CONTENT: u64 = 1 << 22;

/// A file of an archive: its path and its content.
pub type Content = (String, Vec<u8>);

/// Opens the bytes as an archive and reads every entry. Returns all files in the order of the
/// archive, or `None` if the archive or any entry is refused. Every other reader must see the same
/// files.
pub fn archive(data: &[u8]) -> Option<Vec<Content>> {
    let archive = ground::with_file(data, |path| Archive::open(path, "fuzzed").ok())?;
    let mut scratch = Scratch::new();
    let mut contents = Vec::with_capacity(archive.entries().len());
    for entry in archive.entries() {
        assert!(
            RelPath::parse(entry.path.as_str()).is_ok(),
            "`{}` is no safe path",
            entry.path
        );
        let head = archive.head(entry, &mut scratch);
        let content = archive
            .content(entry, Expected::default(), MOST_CONTENT, &mut scratch)
            .ok()?;
        assert_eq!(
            content.len() as u64,
            entry.size,
            "the size of `{}`",
            entry.path
        );
        assert_eq!(
            crc32fast::hash(&content),
            entry.crc,
            "the CRC-32 of `{}`",
            entry.path
        );
        let head = head
            .unwrap_or_else(|error| panic!("`{}` has content and no head: {error:?}", entry.path));
        assert!(
            content.starts_with(&head),
            "the head of `{}` is not how it begins",
            entry.path
        );
        assert!(
            head.len() == content.len().min(64),
            "`{}` has a head of {} bytes",
            entry.path,
            head.len()
        );
        contents.push((entry.path.to_string(), content));
    }
    Some(contents)
}

/// The limit of rows; few texts here have as many.
const MOST_ROWS: usize = 10_000;

/// Reads the bytes as a RECORD, of a wheel and of an installed project. An accepted text is written
/// and read again as the same, without warnings.
pub fn record(data: &[u8]) {
    for verify in [Verify::Strict, Verify::Normal, Verify::Off] {
        let read = read_wheel_record(data, verify, MOST_ROWS);
        // A RECORD with an invalid path is refused when it is compared with the archive.
        if read.faults.is_empty()
            && read
                .rows
                .iter()
                .all(|row| RelPath::parse(&row.path).is_ok())
        {
            let again = read_wheel_record(&write_record(&read.rows), Verify::Strict, MOST_ROWS);
            assert_eq!(
                (&again.rows, &again.warnings[..], &again.faults[..]),
                (&read.rows, &[][..], &[][..])
            );
        }
    }
    if let Ok(rows) = read_installed_record(data) {
        let again: Vec<RecordRow> =
            read_installed_record(&write_record(&rows)).expect("what was written is read");
        assert_eq!(again, rows);
    }
}

/// Reads the bytes as WHEEL and as METADATA. Names and versions that are accepted are read again as
/// the same.
pub fn headers(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let headers = Headers::parse(text);
        for name in ["Tag", "Name"] {
            assert_eq!(headers.get(name), headers.all(name).next());
            assert!(
                headers.all(name).all(|value| value == value.trim()),
                "a value keeps the space around it"
            );
        }
    }
    let _ = WheelInfo::parse(data);
    if let Ok(metadata) = Metadata::parse(data) {
        check_name(&metadata.name);
        check_version(&metadata.version);
    }
}

/// Reads the bytes as entry_points.txt. An accepted text makes launchers with safe names and the
/// usual number of lines.
pub fn entry_points(data: &[u8]) {
    let Ok(entry_points) = entry_points::parse(data) else {
        return;
    };
    let interpreter = Path::new("/venv/bin/python");
    let lines = |script: &[u8]| {
        script
            .split(|byte| matches!(byte, b'\n' | b'\r' | 0x0b | 0x0c))
            .count()
    };
    let plain = script::launcher(interpreter, "module", "main").expect("it is a plain launcher");
    for entry_point in entry_points {
        let (name, module, attribute) = (
            &entry_point.name,
            &entry_point.module,
            &entry_point.attribute,
        );
        assert!(check_component(name).is_ok(), "`{name}` is no safe name");
        assert!(
            !name.eq_ignore_ascii_case("python"),
            "`{name}` takes the interpreter's place"
        );
        for text in [module, attribute] {
            let word = |character: char| {
                character.is_alphanumeric() || character == '_' || character == '.'
            };
            assert!(
                !text.is_empty() && text.chars().all(word),
                "`{text}` is no dotted identifier"
            );
        }
        if let Ok(launcher) = script::launcher(interpreter, module, attribute) {
            assert_eq!(
                lines(&launcher),
                lines(&plain),
                "`{name}` makes another launcher"
            );
        }
    }
}

/// Reads the bytes as the file name of a wheel. An accepted name has one spelling that is read as
/// the same.
pub fn wheel_name(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(parsed) = WheelName::parse(text) else {
        return;
    };
    check_name(&parsed.name);
    check_version(&parsed.version);
    assert!(check_component(text).is_ok() && !parsed.tags.is_empty());
    let build = parsed
        .build
        .as_ref()
        .map(|build| format!("-{build}"))
        .unwrap_or_default();
    let (name, version) = (parsed.name.escaped(), parsed.version.escaped());
    for tag in [&parsed.tags[0], &parsed.tags[parsed.tags.len() - 1]] {
        let plain = format!("{name}-{version}{build}-{tag}.whl");
        // The canonical spelling of a version may be longer than the name of a file can be.
        if plain.len() > pkg_install::path::MAX_COMPONENT {
            continue;
        }
        let again = WheelName::parse(&plain)
            .unwrap_or_else(|fault| panic!("`{text}` is read, `{plain}` not: {fault}"));
        assert_eq!(
            (again.name.normalized(), &again.version),
            (parsed.name.normalized(), &parsed.version)
        );
        assert_eq!(
            (&again.build, &again.tags[..]),
            (&parsed.build, std::slice::from_ref(tag))
        );
    }
}

/// Reads the bytes as a journal, as they are and below a first line with the checksum that they
/// need. An accepted journal names nothing outside of its roots and is written as it was read.
pub fn journal(data: &[u8]) {
    let digest = Digest::of(Algorithm::Sha256, data).to_hex();
    let sealed = [
        format!("pkg-install journal 2 {digest} {}\n", data.len()).as_bytes(),
        data,
    ]
    .concat();
    for file in [data, &sealed] {
        let Ok(journal) = Journal::decode(file) else {
            continue;
        };
        for root in &journal.roots {
            for path in [&root.at.path, &root.home] {
                assert!(path.is_empty() || RelPath::parse(path).is_ok(), "`{path}`");
            }
            assert!(check_component(&root.stage).is_ok() && check_component(&root.trash).is_ok());
        }
        for operation in &journal.operations {
            assert!(operation.root < journal.roots.len());
            assert!(
                RelPath::parse(&operation.path).is_ok(),
                "`{}`",
                operation.path
            );
            assert!(
                check_component(&operation.slot).is_ok(),
                "`{}`",
                operation.slot
            );
        }
        assert_eq!(Journal::decode(&journal.encode()), Ok(journal));
    }
}

/// Reads the bytes as output of resolvers: pip's report, a lock file, requirements, a marker, an
/// address. An address is shown without its password.
pub fn resolution(data: &[u8]) {
    let _ = PipReport::parse(data);
    let _ = LockFile::parse(data);
    let _ = Requirements::parse(data);
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for context in [
        MarkerScope::Plain,
        MarkerScope::Requirement,
        MarkerScope::LockedPackage,
    ] {
        let _ = Marker::parse(text, context);
    }
    let _ = hashes_in(text);
    if let Ok((location, _)) = Location::from_url(text) {
        if let Location::Url(_) = &location {
            let shown = location.label();
            let password = url::Url::parse(&shown)
                .ok()
                .and_then(|url| url.password().map(str::to_owned));
            assert!(password.is_none(), "`{shown}` shows a password");
        }
        assert_eq!(
            location.path().is_some(),
            matches!(location, Location::File(_))
        );
        let _ = location.file_name();
    }
}

/// Reads the bytes as a page of an index, in JSON and in HTML, and as a kept page. What is kept of
/// a page says the same as the page.
pub fn page(data: &[u8]) {
    let project = ProjectName::parse("demo").expect("a name");
    for kind in ["application/vnd.pypi.simple.v1+json", "text/html"] {
        let _ = Page::parse_links(kind, data);
        let Ok(page) = Page::parse(&project, kind, data) else {
            continue;
        };
        let kept = CondensedPage::read(page.condensed()).expect("it was just written");
        assert_eq!(kept.versions.len(), page.releases.len());
        for (position, release) in page.releases.iter().enumerate() {
            assert_eq!(kept.versions[position], release.version);
            assert_eq!(kept.wheels(position), release.wheels);
        }
    }
    if let Some(kept) = CondensedPage::read(data.to_vec()) {
        for position in 0..kept.versions.len() {
            kept.wheels(position);
        }
    }
}

/// Reads the bytes as a requirement, as a list of requirements, and as a `pyproject.toml`.
pub fn requirement(data: &[u8]) {
    if let Ok(list) = LooseList::parse(data) {
        let _ = list.check(&MarkerEnvironment::default());
    }
    if let Ok(file) = ProjectFile::parse(data) {
        let python = Version::parse("3.12.1").expect("a version");
        let names = ["a".to_owned()];
        let _ = file.requirements(&names, &names, &python);
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(requirement) = Requirement::parse(text)
    {
        requirement.applies(&MarkerEnvironment::default());
        requirement.applies_only_with("a", &MarkerEnvironment::default());
        let shown = requirement.to_string();
        let again = Requirement::parse(&shown).expect("what is shown can be read");
        assert_eq!(again.to_string(), shown);
        assert_eq!(again.name, requirement.name);
    }
}

/// Installs what the bytes [forge]. Returns it, and what [`archive`] reads of it.
pub fn forged(data: &[u8]) -> (Vec<u8>, Option<Vec<Content>>) {
    let image = forge(data);
    let contents = archive(&image);
    install(&image);
    (image, contents)
}

fn check_name(name: &ProjectName) {
    let again = ProjectName::parse(name.normalized()).expect("a normalised name is a name");
    assert_eq!(again.normalized(), name.normalized());
    // METADATA may have a longer name than any file; it is refused for not being the file's.
    let escaped = name.escaped();
    assert!(
        matches!(check_component(&escaped), Ok(()) | Err(PathFault::TooLong))
            && !escaped.contains('-')
    );
}

fn check_version(version: &Version) {
    assert_eq!(Version::parse(version.raw()).as_ref(), Some(version));
    assert_eq!(
        Version::parse(&version.to_string()).as_ref(),
        Some(version),
        "the canonical spelling is another version"
    );
    assert!(
        !version.escaped().contains(['-', '/']),
        "`{}` cannot be part of a name",
        version.escaped()
    );
}
