//! An application in one executable file: lines for the shell, a zip archive with the environment,
//! and a small zip archive that Python runs.
//!
//! Python reads the index of the archive at the end of a file at every start, so that one is small.
//! Both archives count their offsets from their own beginning: neither the shell lines nor four
//! gigabytes of packages are in the way of any Python.

use serde_json::json;

use super::PackCounts;
use super::checks::Checks;
use super::contents::{Contents, PackedContent, PackedFile};
use super::launcher::NeededPython;
use super::output::ArtifactOutput;
use super::zip::ZipWriter;
use super::zipped::{self, dos_time};
use crate::digest::{Algorithm, Digest};
use crate::error::Result;

/// What makes an environment an application.
pub(super) struct Application<'a> {
    pub(super) python: &'a NeededPython,
    /// The script that runs; `None` for the interpreter itself.
    pub(super) entry: Option<&'a str>,
}

/// Writes the file.
pub(super) fn write(
    application: &Application<'_>,
    contents: &Contents<'_>,
    checks: &Checks<'_>,
    modified: u64,
    output: &mut ArtifactOutput<'_>,
) -> Result<PackCounts> {
    let Application { python, entry } = *application;
    output.write(&python.start(&contents.id, entry))?;
    let begin = output.length();
    let counts = zipped::write(contents, checks, modified, output)?;
    let inner = (begin, output.length());
    let about = json!({
        "version": 1,
        "id": contents.id,
        "python": python.name,
        "tag": python.tag,
        "entry": entry,
        "environment": [inner.0, inner.1],
    });
    let files = [
        ("__main__.py", python.main(&contents.id, entry, inner)),
        ("META.json", format!("{about}\n").into_bytes()),
    ];
    let paths = files.iter().map(|(path, _)| path);
    let mut zip = ZipWriter::new(output, dos_time(modified), paths);
    for (path, content) in files {
        let file = PackedFile {
            path: path.into(),
            executable: false,
            size: content.len() as u64,
            digest: Digest::of(Algorithm::Sha256, &content),
            owner: None,
            content: PackedContent::Bytes(&content),
        };
        zipped::stored(&file, &content, 0o100_644, (&mut zip, output))?;
    }
    zip.finish(output)?;
    Ok(counts)
}
