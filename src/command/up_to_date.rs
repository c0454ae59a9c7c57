//! Projects that are installed already, so that their wheels need not be opened or fetched.
//!
//! Input: the wheels that a command is asked for, and the installed projects. Output: a [`Verdict`]
//! for each wheel. A file name states the project and the version, so a wheel that is installed in
//! this version is neither opened nor fetched. Its pinned hashes are compared with what
//! direct_url.json records. If nothing is recorded, RECORD is compared with that of the wheel
//! (see `same_contents.rs`), but only if the wheel is on this machine or
//! [`Options::require_hashes`] asks for certainty; otherwise the project stays, as with pip and uv.
//!
//! Limits: the first verdict is made before the environment is locked, and made again under the
//! lock.

use std::cell::OnceCell;
use std::collections::HashSet;

use super::request::ResolvedInput;
use super::{Context, Options};
use crate::environment::Environment;
use crate::environment::layout::Layout;
use crate::error::Result;
use crate::fs;
use crate::installed::{Form, Installed};
use crate::outcome::Action;
use crate::plan::changes::{self, Installs, Offer};
use crate::plan::{Change, WheelId};
use crate::source::{Pins, Satisfied, Source};
use crate::spec::direct_url::RecordedOrigin;
use crate::spec::name::ProjectName;
use crate::spec::tags::TagSet;
use crate::spec::version::Version;
use crate::spec::wheel_name::Tag;
use crate::spec::wheel_name::WheelName;

/// What an installed project means for a wheel that is to be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is this wheel, so there is nothing to do.
    Keep,
    /// It has the same version. Whether it is this wheel is seen by its contents.
    Compare,
    /// It is not this wheel, or there is none.
    Install,
}

/// The installed projects, as seen at one time.
pub struct InstalledSet<'a> {
    layout: &'a Layout,
    installed: &'a [Installed],
    options: &'a Options,
    environment: &'a Environment,
    /// The tags of the interpreter, made once a wheel is found to be installed.
    tags: OnceCell<TagSet>,
}

impl<'a> InstalledSet<'a> {
    /// Projects that were found in `environment`.
    pub fn new(
        environment: &'a Environment,
        layout: &'a Layout,
        installed: &'a [Installed],
        options: &'a Options,
    ) -> Self {
        Self {
            layout,
            installed,
            options,
            environment,
            tags: OnceCell::new(),
        }
    }

    /// Whether the environment's interpreter can use a project, as far as its WHEEL says.
    ///
    /// Only the directory of an interpreter that was described may hold wheels for another one: it
    /// may have been filled for another machine. Other environments are spared the reading.
    pub fn can_be_used(&self, project: &Installed) -> bool {
        let Some(python) = self.environment.python().ok() else {
            return true;
        };
        if !self.environment.is_described() {
            return true;
        }
        let recorded = project.tags(self.layout);
        let tags = || self.tags.get_or_init(|| TagSet::new(&python.target));
        recorded.is_empty() || tags().best(&recorded).is_some()
    }

    /// The environment that they were found in.
    pub fn environment(&self) -> &'a Environment {
        self.environment
    }

    /// The installed version that satisfies a requirement for `wanted`, as far as is recorded.
    pub fn satisfying(&self, name: &ProjectName, wanted: &Version, pins: &Pins) -> Option<Version> {
        let project = self.only(name)?;
        let version = project.parsed_version()?;
        let is_right =
            version.matches(wanted) && self.compare(project, pins, &|| false) == Verdict::Keep;
        is_right.then_some(version)
    }

    /// Whether `source`, whose file name was read, is installed already.
    pub fn verdict(&self, source: &Source, name: &WheelName) -> Verdict {
        let Some(project) = self
            .only(&name.name)
            .filter(|project| project.has_version(&name.version))
        else {
            return Verdict::Install;
        };
        // These wheels are refused when they are opened, even if they would change nothing.
        let is_unpinned = self.options.require_hashes && source.pinned.is_empty();
        if is_unpinned || !self.fits(name) {
            return Verdict::Compare;
        }
        let is_here = || {
            source
                .path()
                .is_some_and(|path| matches!(fs::stat(path), Ok(Some(_))))
        };
        self.compare(project, &source.pinned, &is_here)
    }

    /// Whether the interpreter can use a wheel, as far as its file name says.
    fn fits(&self, name: &WheelName) -> bool {
        let Ok(python) = self.environment.python() else {
            return name.tags.iter().any(Tag::is_universal);
        };
        let tags = || self.tags.get_or_init(|| TagSet::new(&python.target));
        !self.options.compat_check || tags().best(&name.tags).is_some()
    }

    /// The project of this name, unless it is installed twice, which is always repaired.
    fn only(&self, name: &ProjectName) -> Option<&Installed> {
        match changes::of_project(name, self.installed)[..] {
            [number] => Some(&self.installed[number]).filter(|one| one.form != Form::Leftover),
            _ => None,
        }
    }

    /// Compares a project of the right version with pinned hashes. `is_here` says that the wheel
    /// can be read without a download.
    fn compare(&self, project: &Installed, pins: &Pins, is_here: &dyn Fn() -> bool) -> Verdict {
        if self.options.reinstall {
            return Verdict::Install;
        }
        match project.origin(self.layout) {
            // Its modules are imported from a source tree, and not from the wheel.
            RecordedOrigin::SourceTree { editable: true } => Verdict::Install,
            // The tags in WHEEL may be wrong, so the contents decide.
            _ if !self.can_be_used(project) => Verdict::Compare,
            _ if pins.is_empty() => Verdict::Keep,
            RecordedOrigin::SourceTree { .. } => Verdict::Install,
            RecordedOrigin::Archive(digests) => match pins.agree_with(&digests) {
                Some(true) => Verdict::Keep,
                Some(false) => Verdict::Install,
                None => self.unrecorded(is_here),
            },
            RecordedOrigin::Unknown => self.unrecorded(is_here),
        }
    }

    fn unrecorded(&self, is_here: &dyn Fn() -> bool) -> Verdict {
        if self.options.require_hashes || is_here() {
            Verdict::Compare
        } else {
            Verdict::Keep
        }
    }
}

/// What a command is asked for, sorted by whether it is there already.
pub struct SortedWheels {
    wheels: Vec<WantedWheel>,
    satisfied: Vec<Satisfied>,
}

struct WantedWheel {
    source: Source,
    label: String,
    /// `None` if the file name is not a wheel's; opening it reports that.
    name: Option<WheelName>,
    /// Its number among the opened wheels; `None` if it is not opened.
    id: Option<WheelId>,
}

/// The changes of an installation, under the environment's lock.
pub struct Decision {
    /// One change per project, sorted by name.
    pub changes: Vec<Change>,
    /// The changes whose wheel may be the installed project, as indices.
    pub compare: Vec<usize>,
}

impl SortedWheels {
    /// Decides which wheels have to be opened.
    pub fn new(resolved: ResolvedInput, present: &InstalledSet<'_>) -> Self {
        let ResolvedInput {
            sources, satisfied, ..
        } = resolved;
        let mut ids = (0..).map(WheelId);
        let wheels = sources.into_iter().map(|source| {
            let name = WheelName::parse(&source.file_name).ok();
            let verdict = name
                .as_ref()
                .map_or(Verdict::Install, |name| present.verdict(&source, name));
            WantedWheel {
                label: source.label(),
                id: (verdict != Verdict::Keep).then(|| ids.next()).flatten(),
                name,
                source,
            }
        });
        Self {
            wheels: wheels.collect(),
            satisfied,
        }
    }

    /// The sources that have to be opened. A [`WheelId`] is an index.
    pub fn needed(&self) -> Vec<Source> {
        let needed = self.wheels.iter().filter(|wheel| wheel.id.is_some());
        needed.map(|wheel| wheel.source.clone()).collect()
    }

    /// Decides the changes; `present` was seen under the lock. `None` if that needs a wheel that
    /// was not opened, since another command has changed the environment meanwhile.
    ///
    /// # Errors
    /// As [`changes::installs`].
    pub fn decide(
        &self,
        present: &InstalledSet<'_>,
        context: Context<'_>,
    ) -> Result<Option<Decision>> {
        let (mut offers, mut unsure) = (Vec::new(), HashSet::new());
        for WantedWheel {
            source,
            label,
            name,
            id,
        } in &self.wheels
        {
            let Some(name) = name else { continue };
            let verdict = present.verdict(source, name);
            if verdict == Verdict::Compare {
                unsure.extend(*id);
            }
            offers.push(Offer {
                name: &name.name,
                version: &name.version,
                build: name.build.as_ref(),
                label,
                wheel: *id,
                replaces_same: verdict != Verdict::Keep,
            });
        }
        for satisfied in &self.satisfied {
            let Satisfied {
                name,
                version,
                label,
                pins,
            } = satisfied;
            // A wheel of the same version satisfies the requirement, too.
            if offers
                .iter()
                .any(|offer| offer.name == name && offer.version == version)
            {
                continue;
            }
            offers.push(Offer {
                name,
                version,
                build: None,
                label,
                wheel: None,
                replaces_same: present.satisfying(name, version, pins).is_none(),
            });
        }
        let Installs { changes, warnings } = changes::installs(&offers, present.installed)?;
        let lacks_wheel = |change: &Change| change.action != Action::Keep && change.wheel.is_none();
        if changes.iter().any(lacks_wheel) {
            return Ok(None);
        }
        context.warn(warnings);
        let may_be_kept = |change: &Change| {
            change.action == Action::Reinstall
                && change.wheel.is_some_and(|id| unsure.contains(&id))
        };
        let numbers = 0..changes.len();
        Ok(Some(Decision {
            compare: numbers
                .filter(|&number| may_be_kept(&changes[number]))
                .collect(),
            changes,
        }))
    }
}
