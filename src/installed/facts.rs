//! Facts: everything on disk that a plan depends on, as plain data.
//!
//! Input: an environment's layout and what is installed in it. A command asks [`Gather`] first
//! which files the removed projects take with them, then what exists at the place of each new file,
//! and gets the rest as [`Facts`] at the end. Files are read, and RECORDs with them, only if the
//! plan depends on their content: nothing is read for an installation into free places.

use std::collections::{BTreeMap, BTreeSet};

use super::Installed;
use super::ownership::{Ownership, PlacedRow};
use super::removal::{self, Removal};
use super::survey::{Survey, Surveyed, sums_of};
use crate::digest::{Algorithm, Digest};
use crate::environment::layout::{Layout, Place};
use crate::environment::protected::Protected;
use crate::error::Result;
use crate::fs::{Kind, Stat};
use crate::outcome::Warning;
use crate::threads::Pool;

/// What exists at the place of a new file.
#[derive(Debug, Clone)]
pub struct Site {
    /// The place itself, symbolic links to directories resolved.
    pub place: Place,
    /// The outermost directory that is missing on the way to the place; the place itself if its
    /// directory is there.
    pub missing_root: Place,
    /// The file or directory that exists there, unless it is removed.
    pub live: Option<Box<Live>>,
    /// A file that stays and blocks a directory of the place.
    pub blocked: Option<Box<Blocked>>,
}

/// Something other than a directory at the place of a required directory.
#[derive(Debug, Clone)]
pub struct Blocked {
    /// Its place.
    pub by: Place,
    /// The installed projects that list it, as indices.
    pub owners: Vec<usize>,
}

/// Something that exists at the place of a new file.
#[derive(Debug, Clone)]
pub struct Live {
    /// Its type.
    pub content: LiveContent,
    /// The installed projects that list it, as indices; for a directory those that list something
    /// in it.
    pub owners: Vec<usize>,
}

/// The type of what exists at the place of a new file.
#[derive(Debug, Clone)]
pub enum LiveContent {
    /// A regular file.
    File(LiveFile),
    /// A symbolic link.
    Symlink,
    /// A directory.
    Directory,
    /// A device, pipe or socket.
    Other,
}

/// A regular file that is on disk.
#[derive(Debug, Clone, Copy)]
pub struct LiveFile {
    /// Its length in bytes.
    pub size: u64,
    /// Whether any execute bit is set.
    pub executable: bool,
    /// Its digest, by the algorithm of the digest that it is compared with, and its CRC-32; `None`
    /// before [`Gather::read_live`], and if the file had vanished by then.
    pub sums: Option<(Digest, u32)>,
}

impl Live {
    /// The regular file that it is.
    pub fn file(&self) -> Option<LiveFile> {
        match self.content {
            LiveContent::File(file) => Some(file),
            LiveContent::Symlink | LiveContent::Directory | LiveContent::Other => None,
        }
    }

    /// Whether it is a regular file with an execute bit.
    pub fn is_executable(&self) -> bool {
        self.file().is_some_and(|file| file.executable)
    }
}

/// Everything that a plan depends on beside what it wants.
pub struct Facts<'a> {
    /// The environment's coordinates, with all roots that were found.
    pub layout: &'a Layout,
    /// The installed projects; other fields refer to them by index.
    pub installed: &'a [Installed],
    /// The files that the removed projects take with them.
    pub removal: Removal,
    /// The RECORDs of the owners of live files, by their index: a project that loses a file gets
    /// its RECORD corrected.
    pub records: BTreeMap<usize, Vec<PlacedRow>>,
    /// Whether two spellings in different case are one name here.
    pub ignores_case: bool,
    /// Every listed place that stays, with an owner, sorted by place; filled only if case is
    /// ignored.
    pub staying: Vec<(Place, usize)>,
    /// The files that no project may own.
    pub protected: Protected,
}

/// Gathers facts step by step.
pub struct Gather<'a> {
    survey: Survey<'a>,
    ownership: Ownership<'a>,
    protected: Protected,
    removal: Removal,
    /// The owners of the places that were asked for.
    live_owners: BTreeSet<usize>,
}

impl<'a> Gather<'a> {
    /// Nothing is looked at yet. Mounts that are found become roots of `layout`.
    pub fn new(
        layout: &'a mut Layout,
        installed: &'a [Installed],
        protected: Protected,
        pool: &'a Pool,
    ) -> Self {
        Self {
            survey: Survey::new(layout),
            ownership: Ownership::new(installed, pool),
            protected,
            removal: Removal::default(),
            live_owners: BTreeSet::new(),
        }
    }

    /// The layout, with the roots found so far.
    pub fn layout(&self) -> &Layout {
        self.survey.layout()
    }

    /// Looks at everything that the installed projects with these indices take with them. Comes
    /// before [`Gather::site`], which has to know what leaves.
    ///
    /// # Errors
    /// If one of them has no usable RECORD, or something cannot be looked at.
    pub fn remove(&mut self, leaving: &[usize]) -> Result<Vec<Warning>> {
        let (removal, warnings) = removal::collect(
            &mut self.survey,
            &mut self.ownership,
            &self.protected,
            leaving,
        )?;
        self.removal = removal;
        Ok(warnings)
    }

    /// Looks at the place of a new file, but does not read a file there.
    ///
    /// # Errors
    /// If it cannot be looked at, or a symbolic link on the way leads out of the environment.
    pub fn site(&mut self, place: &Place) -> Result<Site> {
        // What is behind a link that leaves is not in the way, and need not be in the environment.
        if let Some(missing_root) = self.leaving_link(place) {
            return Ok(Site {
                place: place.clone(),
                missing_root,
                live: None,
                blocked: None,
            });
        }
        let Surveyed {
            place,
            missing_root,
            stat,
            blocked_by,
        } = self.survey.look(place)?;
        let leaves = |place: &Place| self.removal.files.contains(place);
        // Directories are kept here: whether one leaves whole is decided by the plan.
        let stat = stat.filter(|stat| stat.kind == Kind::Directory || !leaves(&place));
        let blocked_by = blocked_by.filter(|by| !leaves(by));
        let live = match stat {
            Some(stat) => Some(Box::new(self.live(&place, &stat)?)),
            None => None,
        };
        let blocked = match blocked_by {
            Some(by) => Some(Box::new(Blocked {
                owners: self.ownership.owners_of(&by, &mut self.survey)?,
                by,
            })),
            None => None,
        };
        Ok(Site {
            place,
            missing_root,
            live,
            blocked,
        })
    }

    /// The link on the way to a place that leaves, if there is one.
    fn leaving_link(&self, place: &Place) -> Option<Place> {
        // Nearly always there is none, and no parent has to be put together.
        if self.removal.links.is_empty() {
            return None;
        }
        let mut at = place.parent();
        while let Some(above) = at {
            if self.removal.links.contains(&above) {
                return Some(above);
            }
            at = above.parent();
        }
        None
    }

    fn live(&mut self, place: &Place, stat: &Stat) -> Result<Live> {
        let owners = self.ownership.owners_of(place, &mut self.survey)?;
        let content = match stat.kind {
            Kind::File => LiveContent::File(LiveFile {
                size: stat.size,
                executable: stat.mode & 0o111 != 0,
                sums: None,
            }),
            Kind::Symlink => LiveContent::Symlink,
            Kind::Directory => LiveContent::Directory,
            Kind::Other => LiveContent::Other,
        };
        // Nothing else can be displaced, so no other owner needs a corrected RECORD.
        if matches!(content, LiveContent::File(_) | LiveContent::Symlink) {
            self.live_owners.extend(&owners);
        }
        Ok(Live { content, owners })
    }

    /// Reads a live file at a real place, to compare it with a new one whose digest is by
    /// `algorithm`. Does nothing if it is no regular file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read_live(&self, place: &Place, live: &mut Live, algorithm: Algorithm) -> Result<()> {
        if let LiveContent::File(file) = &mut live.content {
            file.sums = sums_of(&self.survey.layout().absolute(place), algorithm)?;
        }
        Ok(())
    }

    /// Looks at what is left to know, and hands everything over.
    ///
    /// # Errors
    /// If a RECORD that the plan depends on cannot be read.
    pub fn finish(mut self, ignores_case: bool) -> Result<Facts<'a>> {
        let mut records = BTreeMap::new();
        for number in self.live_owners {
            let rows = self.ownership.placed_rows(number, &mut self.survey)?;
            records.insert(number, rows);
        }
        let mut staying = Vec::new();
        if ignores_case {
            let owners = self.ownership.owners(&mut self.survey)?;
            let kept = owners
                .iter()
                .filter(|(place, _)| !self.removal.files.contains(place));
            staying
                .extend(kept.filter_map(|(place, owners)| Some((place.clone(), *owners.first()?))));
            staying.sort();
        }
        Ok(Facts {
            installed: self.ownership.installed,
            layout: self.survey.into_layout(),
            removal: self.removal,
            records,
            ignores_case,
            staying,
            protected: self.protected,
        })
    }
}
