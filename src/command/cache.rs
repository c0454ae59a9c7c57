//! `cache`: looks at what the cache holds, and removes or checks it.
//!
//! Input: the path of a cache and a [`CacheAction`]. Output: a [`CacheOutcome`]. Without a cache
//! there is nothing to do, which is no error. All of it is safe beside running commands.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Context;
use crate::cancellation::Cancellation;
use crate::digest::Digest;
use crate::download::{CacheContents, CachePart, CachedItem};
use crate::error::{Error, Result};
use crate::outcome::{Activity, ActivityKind, RunningActivity};
use crate::spec::name::ProjectName;
use crate::store::{ContentId, StoreContents, StoredItem};

/// What killed commands have left of notes, pages and answers is removed after so long; a running
/// command needs it for milliseconds.
const LEFTOVER: Duration = Duration::from_secs(24 * 60 * 60);
/// An unfinished download is of use as long as the command may be tried again.
const UNFINISHED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What to do with a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheAction {
    /// Say where it is.
    Directory,
    /// Say how much there is.
    Size,
    /// Remove what is of no use, and then what was used longest ago.
    Prune {
        /// Removes what was not used for so long.
        older_than: Option<Duration>,
        /// Removes as much as is needed to leave at most so many bytes.
        max_size: Option<u64>,
    },
    /// Hash every wheel.
    Verify {
        /// Removes the damaged ones.
        repair: bool,
    },
    /// Remove the wheels of these projects, or everything if there are none.
    Clean {
        /// Names of projects.
        names: Vec<String>,
    },
}

/// The result of a [`CacheAction`].
#[derive(Debug, Clone, Default)]
pub struct CacheOutcome {
    /// The cache's directory, whether it exists or not; `None` if none can be named.
    pub directory: Option<PathBuf>,
    /// How many items of each kind there are, and their bytes; after a removal, those that are
    /// left.
    pub parts: Vec<(CachePart, u64, u64)>,
    /// How many bytes of the store are shared with environments.
    pub linked: u64,
    /// The paths of the removed items below the directory, with their bytes. In a dry run those
    /// that would be removed.
    pub removed: Vec<(String, u64)>,
    /// The paths of items that were to be removed and that another process is working on.
    pub in_use: Vec<String>,
    /// The paths of wheels whose content does not have their digest, and of changed files of
    /// unpacked wheels.
    pub damaged: Vec<String>,
}

/// Does `action` with the cache at `path`. With `dry_run` nothing is removed.
///
/// # Errors
/// The cache of another user, a directory that cannot be read, an item that cannot be removed, or
/// a name that is no project's.
pub fn cache(
    path: Option<&Path>,
    action: &CacheAction,
    dry_run: bool,
    context: Context<'_>,
) -> Result<CacheOutcome> {
    let path = path.map(crate::fs::absolute).transpose()?;
    let mut outcome = CacheOutcome {
        directory: path.clone(),
        ..CacheOutcome::default()
    };
    // A name is refused even if there is no cache.
    let projects = match action {
        CacheAction::Clean { names } => projects(names)?,
        _ => HashSet::new(),
    };
    if *action == CacheAction::Directory {
        return Ok(outcome);
    }
    let opened = path.map(|path| CachePlaces::open(&path, context));
    let Some((places, items)) = opened.transpose()?.flatten() else {
        outcome.parts = counts(&[]);
        return Ok(outcome);
    };
    let cancel = context.cancel;
    let chosen = match action {
        CacheAction::Directory | CacheAction::Size => HashSet::new(),
        CacheAction::Prune {
            older_than,
            max_size,
        } => prunable(&items, SystemTime::now(), *older_than, *max_size),
        CacheAction::Verify { repair } => {
            let damaged = places.damaged(&items, cancel, context)?;
            outcome.damaged = damaged.values().cloned().collect();
            if *repair {
                damaged.into_keys().collect()
            } else {
                HashSet::new()
            }
        }
        CacheAction::Clean { .. } => of_projects(&items, &projects),
    };
    let (chosen, mut left) = divided(items, &chosen);
    if dry_run {
        let removed = chosen.into_iter().map(|item| (item.path, item.bytes));
        outcome.removed = removed.collect();
    } else if matches!(
        action,
        CacheAction::Prune { .. }
            | CacheAction::Verify { repair: true }
            | CacheAction::Clean { .. }
    ) {
        left.extend(places.remove(chosen, &mut outcome, context)?);
    }
    outcome.damaged.sort();
    outcome.parts = counts(&left);
    outcome.linked = left.iter().map(|item| item.linked).sum();
    Ok(outcome)
}

/// An unpacked wheel as an item of the cache.
fn item_of(stored: &StoredItem) -> CachedItem {
    CachedItem {
        part: CachePart::Store,
        path: stored.path(),
        bytes: stored.bytes,
        linked: stored.linked,
        used: stored.used,
        digest: None,
        project: stored.project.clone(),
        is_leftover: false,
    }
}

/// A cache and its store.
struct CachePlaces {
    contents: CacheContents,
    store: Option<StoreContents>,
    /// The entries of the store.
    stored: Vec<StoredItem>,
}

impl CachePlaces {
    /// Opens a cache and lists what is in it; `None` if there is none.
    fn open(path: &Path, context: Context<'_>) -> Result<Option<(Self, Vec<CachedItem>)>> {
        let Some(contents) = CacheContents::open(path, context.fs)? else {
            return Ok(None);
        };
        let reading = Activity::new(
            ActivityKind::ReadInput,
            contents.path().display().to_string(),
        );
        let _running = RunningActivity::begin(context.events, &reading);
        let store = StoreContents::open(contents.path(), context.fs)?;
        let stored = store.as_ref().map(StoreContents::items).transpose()?;
        let stored = stored.unwrap_or_default();
        let mut items = contents.items()?;
        items.extend(stored.iter().map(item_of));
        let places = Self {
            contents,
            store,
            stored,
        };
        Ok(Some((places, items)))
    }

    /// Removes items, and says in `outcome` which of them are gone. Returns those that are in use.
    fn remove(
        &self,
        items: Vec<CachedItem>,
        outcome: &mut CacheOutcome,
        context: Context<'_>,
    ) -> Result<Vec<CachedItem>> {
        let activity = Activity::of_files(ActivityKind::Remove, items.len());
        let running = RunningActivity::begin(context.events, &activity);
        // It is held until the end: no command links files that are being removed.
        let lock = self.store.as_ref().map(StoreContents::lock).transpose()?;
        let lock = lock.flatten();
        let store = self.store.as_ref().filter(|_| lock.is_some());
        let mut left: Vec<ContentId> = self.stored.iter().map(|stored| stored.id).collect();
        let mut in_use = Vec::new();
        for item in items {
            context.cancel.check()?;
            let is_gone = match (item.part, store) {
                (CachePart::Store, None) => false,
                (CachePart::Store, Some(store)) => {
                    let id = ContentId::from_hex(item.name());
                    id.map(|id| store.remove(id)).transpose()?;
                    left.retain(|one| Some(*one) != id);
                    true
                }
                _ => self.contents.remove(&item, context.cancel)?,
            };
            if is_gone {
                outcome.removed.push((item.path, item.bytes));
            } else {
                outcome.in_use.push(item.path.clone());
                in_use.push(item);
            }
            running.advance(1);
        }
        if let Some(store) = store {
            store.tidy(&left)?;
        }
        Ok(in_use)
    }

    /// The wheels that do not have their digests, by their numbers, with the path of a file that is
    /// not right.
    fn damaged(
        &self,
        items: &[CachedItem],
        cancel: &Cancellation,
        context: Context<'_>,
    ) -> Result<HashMap<usize, String>> {
        let is_wheel =
            |item: &CachedItem| matches!(item.part, CachePart::Wheels | CachePart::Store);
        let wheels = || items.iter().enumerate().filter(|(_, item)| is_wheel(item));
        let activity = Activity::of_files(ActivityKind::Check, wheels().count());
        let running = RunningActivity::begin(context.events, &activity);
        let mut found = HashMap::new();
        for (number, item) in wheels() {
            let damage = match (item.part, &self.store) {
                (CachePart::Store, Some(store)) => {
                    let mut stored = self.stored.iter();
                    let stored = stored.find(|stored| stored.path() == item.path);
                    stored.map_or(Ok(None), |stored| store.damage(stored, cancel))?
                }
                _ if self.contents.is_intact(item, cancel)? => None,
                _ => Some(item.path.clone()),
            };
            found.extend(damage.map(|path| (number, path)));
            running.advance(1);
        }
        Ok(found)
    }
}

/// Divides the items into the chosen ones and the others.
fn divided(items: Vec<CachedItem>, chosen: &HashSet<usize>) -> (Vec<CachedItem>, Vec<CachedItem>) {
    let (chosen, left): (Vec<_>, Vec<_>) =
        (items.into_iter().enumerate()).partition(|(number, _)| chosen.contains(number));
    let items = |numbered: Vec<(usize, CachedItem)>| numbered.into_iter().map(|(_, item)| item);
    (items(chosen).collect(), items(left).collect())
}

fn projects(names: &[String]) -> Result<HashSet<ProjectName>> {
    let parse = |name: &String| {
        ProjectName::parse(name)
            .ok_or_else(|| Error::usage(format!("`{name}` is not a project's name")))
    };
    names.iter().map(parse).collect()
}

fn counts(items: &[CachedItem]) -> Vec<(CachePart, u64, u64)> {
    let count = |part: CachePart| {
        let of_part = items.iter().filter(|item| item.part == part);
        let (files, bytes) = of_part.fold((0, 0), |(files, bytes): (u64, u64), item| {
            (files + 1, bytes.saturating_add(item.bytes))
        });
        (part, files, bytes)
    };
    CachePart::ALL.map(count).to_vec()
}

/// The items that are of no use, were not used for `older_than`, or have to go so that `max_size`
/// bytes are left, as indices.
fn prunable(
    items: &[CachedItem],
    now: SystemTime,
    older_than: Option<Duration>,
    max_size: Option<u64>,
) -> HashSet<usize> {
    // A time in the future, of a clock that was set back, is as good as now.
    let age = |item: &CachedItem| now.duration_since(item.used).unwrap_or_default();
    let mut chosen: HashSet<usize> = HashSet::new();
    for (number, item) in items.iter().enumerate() {
        let least = match item.part {
            _ if item.is_leftover => Some(LEFTOVER),
            CachePart::Partial => Some(UNFINISHED.min(older_than.unwrap_or(UNFINISHED))),
            CachePart::Wheels
            | CachePart::Store
            | CachePart::Notes
            | CachePart::Pages
            | CachePart::Interpreters => older_than,
        };
        if least.is_some_and(|least| age(item) >= least) {
            chosen.insert(number);
        }
    }
    let mut left: u64 = (items.iter().enumerate())
        .filter(|(number, _)| !chosen.contains(number))
        .fold(0, |sum, (_, item)| sum.saturating_add(item.bytes));
    let mut by_use: Vec<usize> = (0..items.len()).collect();
    // What environments share frees little, so that it is kept longest.
    by_use.sort_by_key(|&number| (items[number].linked > 0, items[number].used));
    for number in by_use {
        // Notes are small, and go with their wheels.
        let is_small = items[number].part == CachePart::Notes;
        if max_size.is_some_and(|most| left > most) && !is_small && chosen.insert(number) {
            left -= items[number].bytes;
        }
    }
    without_wheels(items, &mut chosen);
    chosen
}

/// Adds the notes about wheels that are not there, or will not be.
fn without_wheels(items: &[CachedItem], chosen: &mut HashSet<usize>) {
    let mut there: HashMap<Digest, bool> = HashMap::new();
    for (number, item) in items.iter().enumerate() {
        if let (CachePart::Wheels, Some(digest)) = (item.part, item.digest) {
            *there.entry(digest).or_default() |= !chosen.contains(&number);
        }
    }
    for (number, item) in items.iter().enumerate() {
        let is_about_nothing = |digest: Digest| !there.get(&digest).copied().unwrap_or(false);
        let is_note = item.part == CachePart::Notes && !item.is_leftover;
        if is_note && item.digest.is_none_or(is_about_nothing) {
            chosen.insert(number);
        }
    }
}

/// The wheels of these projects, and the notes about them; everything if there are none.
fn of_projects(items: &[CachedItem], projects: &HashSet<ProjectName>) -> HashSet<usize> {
    if projects.is_empty() {
        return (0..items.len()).collect();
    }
    let is_of = |item: &CachedItem| {
        let project = item.project.as_ref();
        project.is_some_and(|project| projects.contains(project))
    };
    let numbers = 0..items.len();
    let mut chosen: HashSet<usize> = numbers.filter(|&number| is_of(&items[number])).collect();
    without_wheels(items, &mut chosen);
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Algorithm;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn item(part: CachePart, path: &str, bytes: u64, days: u32) -> CachedItem {
        CachedItem {
            part,
            path: path.to_owned(),
            bytes,
            linked: 0,
            project: None,
            used: now() - DAY * days,
            digest: Some(Digest::of(Algorithm::Sha256, path.as_bytes())),
            is_leftover: false,
        }
    }

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + DAY * 10_000
    }

    #[test]
    fn the_least_recently_used_go_first_and_notes_with_their_wheels() {
        let mut items = vec![
            item(CachePart::Wheels, "old", 50, 40),
            item(CachePart::Wheels, "new", 50, 1),
            item(CachePart::Wheels, "middle", 50, 20),
            item(CachePart::Pages, "page", 10, 30),
            item(CachePart::Notes, "about old", 1, 1),
            item(CachePart::Notes, "about nothing", 1, 1),
            item(CachePart::Partial, "unfinished", 5, 3),
            item(CachePart::Partial, "abandoned", 5, 8),
            item(CachePart::Pages, "leftover", 1, 2),
        ];
        items[4].digest = items[0].digest;
        items[8].is_leftover = true;
        let pruned = |older: Option<u32>, most: Option<u64>| {
            let older = older.map(|days| DAY * days);
            let mut chosen: Vec<usize> = prunable(&items, now(), older, most).into_iter().collect();
            chosen.sort_unstable();
            chosen
        };
        assert_eq!(pruned(None, None), [5, 7, 8]);
        assert_eq!(pruned(Some(35), None), [0, 4, 5, 7, 8]);
        assert_eq!(pruned(Some(2), None), [0, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(pruned(None, Some(120)), [0, 4, 5, 7, 8]);
        assert_eq!(pruned(None, Some(115)), [0, 3, 4, 5, 7, 8]);
        assert_eq!(pruned(None, Some(0)), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn cleaning_by_name_spares_other_projects() {
        let of = |project: &str, part| CachedItem {
            project: ProjectName::parse(project),
            ..item(part, project, 1, 0)
        };
        let items = [
            of("A_b", CachePart::Wheels),
            of("c", CachePart::Wheels),
            item(CachePart::Pages, "pages/x", 1, 0),
        ];
        let chosen = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            of_projects(&items, &projects(&names).expect("names"))
        };
        assert_eq!(chosen(&["a.B"]), HashSet::from([0]));
        assert_eq!(chosen(&["d"]), HashSet::new());
        assert_eq!(chosen(&[]).len(), 3);
        assert!(projects(&["-".to_owned()]).is_err());
    }
}
