//! The place of an artefact that is one file. It is written beside its place, under a name of its
//! own, and one rename puts it there.

use std::io;
use std::path::Path;

use super::PackedArtifact;
use crate::command::Context;
use crate::command::open::Opened;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::fs::{self, Dir, OpenFile, ReadAt as _};
use crate::outcome::Status;
use crate::pack::{self, ArtifactSpec, Contents, PackFormat, PackOptions, PackedContent};
use crate::stage::Arrivals;

/// The place of an artefact.
pub(super) struct ArtifactPlace<'a> {
    directory: Dir,
    /// Its own path, its name, and the name that it has while it is written.
    path: &'a Path,
    name: String,
    partial: String,
}

impl<'a> ArtifactPlace<'a> {
    pub(super) fn new(path: &'a Path, context: Context<'_>) -> Result<Self> {
        let place = fs::behind_link(path)?;
        let name = place.file_name().and_then(|name| name.to_str());
        let Some(name) = name.filter(|_| !fs::is_own_descriptor(&place)) else {
            let shown = path.display();
            return Err(Error::usage(format!("`{shown}` cannot name an artefact")));
        };
        if let Some(stat) = fs::stat(path)?
            && stat.kind != fs::Kind::File
        {
            let shown = path.display();
            return Err(Error::usage(format!(
                "`{shown}` is there and no regular file"
            )));
        }
        let parent = place.parent().unwrap_or(Path::new("/"));
        Ok(Self {
            directory: Dir::open(context.fs, parent)?,
            path,
            partial: format!(".{name}.{}.part", super::unique_name()),
            name: name.to_owned(),
        })
    }

    /// Refuses to begin if the artefact will not fit, as far as its length is known.
    pub(super) fn check_space(&self, contents: &Contents<'_>, opened: &Opened) -> Result<()> {
        let mut needed: u64 = 0;
        for file in contents.files() {
            needed += match file.content {
                // What a download will bring is not known yet.
                PackedContent::Entry(wheel, entry) if opened.archives.is_here(wheel) => {
                    opened.archives.get(wheel)?.entries()[entry.0 as usize].compressed()
                }
                _ => 0,
            };
        }
        let directory = self.directory.path();
        let available = fs::available_space(directory)?;
        if needed > available {
            return Err(Error::no_space(directory, needed, available));
        }
        Ok(())
    }

    pub(super) fn write(
        &self,
        artefact: &ArtifactSpec<'_>,
        contents: &Contents<'_>,
        from: (&Opened, Option<Arrivals<'_>>),
        how: &PackOptions<'_>,
    ) -> Result<(PackedArtifact, Status)> {
        let entries = contents.count() as u64;
        how.progress.begin(entries, contents.size());
        let packed = self.write_partial(artefact, contents, from, how);
        how.progress.end();
        let placed = packed.and_then(|packed| {
            how.cancel.check()?;
            let status = self.put(how)?;
            Ok((packed, status))
        });
        let (packed, status) = match placed {
            Ok((packed, status)) => (packed, status),
            Err(error) => {
                // The first failure matters more than a file that stays behind.
                let _ = self.directory.remove_file(&self.partial);
                return Err(error);
            }
        };
        let artifact = PackedArtifact {
            path: self.path.to_owned(),
            format: artefact.format,
            bytes: packed.bytes,
            sha256: packed.sha256.map(Digest::to_hex),
            id: contents.id.clone(),
            entries: packed.counts.entries,
            copied: packed.counts.copied,
            recompressed: packed.counts.recompressed,
            layers: Vec::new(),
        };
        Ok((artifact, status))
    }

    fn write_partial(
        &self,
        artefact: &ArtifactSpec<'_>,
        contents: &Contents<'_>,
        (opened, arrivals): (&Opened, Option<Arrivals<'_>>),
        how: &PackOptions<'_>,
    ) -> Result<pack::Packed> {
        let is_application = artefact.format == PackFormat::Pyz;
        let file = self.directory.create(&self.partial, is_application)?;
        let from = (&opened.archives, arrivals);
        let (file, packed) = pack::pack(artefact, contents, from, how, file)?;
        if how.durable {
            file.flush()?;
        }
        Ok(packed)
    }

    /// Gives the artefact its name, unless the same bytes have it already.
    fn put(&self, how: &PackOptions<'_>) -> Result<Status> {
        if self.is_there() {
            self.directory.remove_file(&self.partial)?;
            return Ok(Status::Unchanged);
        }
        self.directory.replace(&self.partial, &self.name)?;
        if how.durable {
            self.directory.flush()?;
        }
        Ok(Status::Packed)
    }

    /// Whether the same bytes have the name already. Few commands pack the same again, so that
    /// comparing costs less than hashing every artefact for this.
    fn is_there(&self) -> bool {
        let open = |path: &Path| OpenFile::open(path).ok().flatten();
        let partial = self.directory.path().join(&self.partial);
        // A file that cannot be read is replaced.
        let (Some(old), Some(new)) = (open(self.path), open(&partial)) else {
            return false;
        };
        old.size() == new.size() && have_same_content(&old, &new).unwrap_or(false)
    }
}

/// How many bytes of two files are compared at once.
const PIECE: usize = 1 << 18;

/// Whether two files of the same length have the same content.
fn have_same_content(one: &OpenFile, other: &OpenFile) -> io::Result<bool> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for at in (0..one.size()).step_by(PIECE) {
        let length = usize::try_from(one.size() - at).map_or(PIECE, |left| left.min(PIECE));
        for (file, bytes) in [(one, &mut ours), (other, &mut theirs)] {
            bytes.resize(length, 0);
            file.read_exact_at(bytes, at)?;
        }
        if ours != theirs {
            return Ok(false);
        }
    }
    Ok(true)
}
