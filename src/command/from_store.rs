//! Wheels that are in the store, so that their archives need neither be opened nor fetched.
//!
//! Input: [`Source`]s. Output: for each the wheel in the store, if it is there and whole. A source
//! is recognised by its pinned hash or, on this machine, by what its file looks like; any other has
//! to be opened first, and is then recognised by its contents.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Context, Options};
use crate::digest::{Algorithm, Digest};
use crate::environment::{Environment, EnvironmentKind};
use crate::error::{Error, Result, WarningCode};
use crate::fs::{self, LockWait, Stat};
use crate::outcome::Warning;
use crate::source::Source;
use crate::spec::record::Verify;
use crate::store::{
    ArchiveFacts, ContentId, Filling, Found, LinkMode, Store, StoreCheck, StoreUse, StoredWheel,
};
use crate::threads::{Pool, in_parallel};
use crate::wheel::{OpenOptions, Wheel, WheelEntry};

/// Refuses symbolic links into the store where they would do harm, before anything is fetched.
///
/// # Errors
/// Bytecode is wanted, or the environment is an interpreter's own or is shipped elsewhere.
pub fn check_links(environment: &Environment, options: &Options) -> Result<()> {
    if options.link_mode != LinkMode::Symlink {
        return Ok(());
    }
    if options.bytecode.is_some() {
        return Err(Error::usage(
            "packages that are symbolic links get no bytecode, because many environments may have \
             the same ones; choose another link mode, or no bytecode",
        ));
    }
    // Outside of virtual environments pip removes what is behind a link, too.
    if environment.kind() == EnvironmentKind::Prefix || environment.has_destdir() {
        return Err(Error::usage(
            "symbolic links to packages are for virtual environments and target directories only",
        ));
    }
    Ok(())
}

/// The store as one command uses it.
pub struct UsedStore {
    store: Store,
    which: StoreUse,
    open: OpenOptions,
    /// How files are checked; `None` if nothing is taken from them.
    check: Option<StoreCheck>,
    /// Entries that are not used, since something is wrong with them.
    refused: HashSet<ContentId>,
}

/// A wheel and its files in the store.
pub type FoundWheel = (Wheel, Arc<StoredWheel>);

impl UsedStore {
    /// Opens the store; `None` if none of the sources would use it.
    ///
    /// # Errors
    /// There is no store, or it cannot be opened, and links to it were asked for by name.
    pub fn open(
        sources: &[Source],
        (open, refused): (OpenOptions, &HashSet<ContentId>),
        options: &Options,
        context: Context<'_>,
    ) -> Result<Option<Self>> {
        let which = options.store;
        if !sources.iter().any(|source| is_used(which, source)) {
            return Ok(None);
        }
        let needs_links = options.link_mode.needs_links();
        let Some(path) = options.cache() else {
            if needs_links {
                return Err(Error::usage("links are asked for, but no cache is used"));
            }
            return Ok(None);
        };
        // A dry run makes no store.
        if options.dry_run && !Store::exists(path) {
            return Ok(None);
        }
        let wait = LockWait {
            timeout: options.lock_timeout,
            cancel: context.cancel,
            waiting: &|path| context.events.waiting(path),
        };
        match Store::open(path, context.fs, &wait) {
            Ok(store) => Ok(Some(Self {
                store,
                which,
                open,
                check: match options.verify {
                    _ if options.dry_run => None,
                    Verify::Strict => Some(StoreCheck::Contents),
                    Verify::Normal | Verify::Off => Some(StoreCheck::Looks),
                },
                refused: refused.clone(),
            })),
            Err(error) if needs_links => Err(error),
            Err(error) => {
                // The store is only a matter of speed, so this is no failure.
                context.warn([Warning {
                    code: WarningCode::UnusableCache,
                    wheel: None,
                    message: format!("{error}; the store is not used"),
                }]);
                Ok(None)
            }
        }
    }

    /// The store itself.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The wheels of these sources that are known without opening anything else.
    ///
    /// # Errors
    /// Cancelling.
    pub fn find_all(
        &self,
        sources: &[Source],
        pool: &Pool,
        context: Context<'_>,
    ) -> Result<Vec<Option<FoundWheel>>> {
        let find = |source: &Source| {
            if !is_used(self.which, source) {
                return Ok(NOTHING);
            }
            let id = if source.pinned.is_empty() {
                // The note about a file is only good for what it looks like now.
                stat_of(source).and_then(|stat| self.store.content_of_file(&stat))
            } else {
                (self.store).content_of_archive(&source.pinned, source.size)
            };
            id.map_or(Ok(NOTHING), |id| self.find(id, source, context))
        };
        in_order(in_parallel(pool, sources, find), context)
    }

    /// The wheels among those that were opened whose contents are in the store.
    ///
    /// # Errors
    /// Cancelling.
    pub fn find_opened(
        &self,
        opened: &[OpenedSource<'_>],
        pool: &Pool,
        context: Context<'_>,
    ) -> Result<Vec<Option<FoundWheel>>> {
        let find = |opened: &OpenedSource<'_>| {
            let source = opened.source;
            if !is_used(self.which, source) {
                return Ok(NOTHING);
            }
            let Some(id) = ContentId::of(opened.wheel) else {
                return Ok(NOTHING);
            };
            let answer = self.find(id, source, context)?;
            if answer.found.is_some() {
                self.note(opened, id);
            }
            Ok(answer)
        };
        in_order(in_parallel(pool, opened, find), context)
    }

    fn find(&self, id: ContentId, source: &Source, context: Context<'_>) -> Result<StoreAnswer> {
        if self.refused.contains(&id) {
            return Ok(NOTHING);
        }
        let settles = self.check.is_some();
        let found = match self.store.find(id, settles, context.cancel) {
            Ok(found) => found,
            Err(error) => {
                context.cancel.check()?;
                return Ok(StoreAnswer::warning(unusable(source.label(), &error)));
            }
        };
        match found {
            Found::Missing => Ok(NOTHING),
            Found::Damaged(path) => Ok(StoreAnswer::warning(damaged(source.label(), &path))),
            // A warning means that strict reading of RECORD might refuse the wheel.
            Found::Whole(contents, _)
                if self.open.verify == Verify::Strict && !contents.warnings.is_empty() =>
            {
                Ok(NOTHING)
            }
            Found::Whole(contents, stored) => {
                let wheel = contents.into_wheel(source, self.open)?;
                Ok(StoreAnswer {
                    found: wheel.map(|wheel| (wheel, Arc::from(stored))),
                    warning: None,
                })
            }
        }
    }

    /// What is wrong with the files of these wheels. An entry with a damaged file is removed.
    ///
    /// # Errors
    /// Cancelling.
    pub fn check(
        &self,
        wheels: &[UsedWheel],
        pool: &Pool,
        context: Context<'_>,
    ) -> Result<Vec<RefusedEntry>> {
        let Some(check) = self.check else {
            return Ok(Vec::new());
        };
        let check_one = |wheel: &UsedWheel| {
            let (stored, entries) = (&wheel.stored, &wheel.entries);
            let warning = match self.store.check(stored, entries, check, context.cancel) {
                Ok(None) => return Ok(None),
                Ok(Some(path)) => damaged(wheel.label.clone(), &path),
                Err(error) => {
                    context.cancel.check()?;
                    unusable(wheel.label.clone(), &error)
                }
            };
            Ok(Some(RefusedEntry {
                id: stored.id,
                warning,
            }))
        };
        let answers: Vec<Result<Option<RefusedEntry>>> = match check {
            // This is beside other work on all threads, and hardly takes longer on one.
            StoreCheck::Looks => wheels.iter().map(check_one).collect(),
            StoreCheck::Contents | StoreCheck::OnlyContents => in_parallel(pool, wheels, check_one),
        };
        answers.into_iter().filter_map(Result::transpose).collect()
    }

    /// Prepares to put a wheel into the store; `None` if it does not belong there.
    pub fn filling<'a>(
        &'a self,
        source: &Source,
        wheel: &'a Wheel,
        before: Option<Stat>,
    ) -> Option<Filling<'a>> {
        // Without verification nothing is known about the bytes.
        if self.open.verify == Verify::Off || !is_used(self.which, source) {
            return None;
        }
        Filling::new(&self.store, wheel, archive_facts(source), before)
    }

    fn note(&self, opened: &OpenedSource<'_>, id: ContentId) {
        if let Some(archive) = archive_facts(opened.source) {
            self.store.note_archive(&archive, id);
        }
        if let Some(stat) = &opened.before {
            self.store.note_file(stat, id);
        }
    }
}

/// A wheel whose files are taken from the store.
pub struct UsedWheel {
    /// How messages name it.
    pub label: String,
    /// Its entries, in the order of the store's index.
    pub entries: Arc<Vec<WheelEntry>>,
    /// Its files.
    pub stored: Arc<StoredWheel>,
}

/// An entry of the store that cannot be used, and why.
pub struct RefusedEntry {
    /// The identity of its contents.
    pub id: ContentId,
    /// What is wrong with it.
    pub warning: Warning,
}

/// A wheel whose archive was opened.
pub struct OpenedSource<'a> {
    /// Where it comes from.
    pub source: &'a Source,
    /// How its file looked before it was opened, if it is on this machine.
    pub before: Option<Stat>,
    /// What was read.
    pub wheel: &'a Wheel,
}

/// What the store has for one source, and what was found to be wrong with it.
struct StoreAnswer {
    found: Option<FoundWheel>,
    warning: Option<Warning>,
}

const NOTHING: StoreAnswer = StoreAnswer {
    found: None,
    warning: None,
};

impl StoreAnswer {
    fn warning(warning: Warning) -> Self {
        Self {
            found: None,
            warning: Some(warning),
        }
    }
}

/// The warning that a file of an entry is not as it was written.
fn damaged(label: String, path: &str) -> Warning {
    let message = format!(
        "`{path}` in the store was changed since it was put there, perhaps through a link from an \
         environment; the wheel is unpacked again"
    );
    Warning {
        code: WarningCode::DamagedCache,
        wheel: Some(label),
        message,
    }
}

/// The warning that an entry cannot be read.
fn unusable(label: String, error: &Error) -> Warning {
    Warning {
        code: WarningCode::DamagedCache,
        wheel: Some(label),
        message: format!("{error}; the wheel is unpacked again"),
    }
}

/// The wheels that were found. Warnings come in the order of the sources, whatever the threads did.
fn in_order(
    answers: Vec<Result<StoreAnswer>>,
    context: Context<'_>,
) -> Result<Vec<Option<FoundWheel>>> {
    let mut found = Vec::with_capacity(answers.len());
    for answer in answers {
        let answer = answer?;
        context.warn(answer.warning);
        found.push(answer.found);
    }
    Ok(found)
}

/// What is known about the archive of a source that was checked against its pins.
fn archive_facts(source: &Source) -> Option<ArchiveFacts> {
    Some(ArchiveFacts {
        digest: Digest::among(&source.pinned.certain(), Algorithm::Sha256)?,
        size: source.size,
    })
}

/// What the file of a source on this machine looks like; `None` for any other.
pub fn stat_of(source: &Source) -> Option<Stat> {
    fs::stat(source.path()?).ok().flatten()
}

fn is_used(which: StoreUse, source: &Source) -> bool {
    match which {
        StoreUse::Always => true,
        StoreUse::Auto => source.path().is_none() || !source.is_argument,
        StoreUse::Never => false,
    }
}
