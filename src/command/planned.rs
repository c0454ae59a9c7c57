//! A planned transaction: everything is decided, nothing is written, and the lock is held.

use std::collections::HashSet;
use std::fmt;
use std::time::Instant;

use super::observer::Observer;
use super::open::Opened;
use super::session::Session;
use super::settling::Settling;
use super::{Options, make_plan};
use crate::environment::{Compilers, marker_values};
use crate::error::{Result, escaped};
use crate::installed::Installed;
use crate::installed::requires::{self, Requiring};
use crate::outcome::{
    Action, Activity, ActivityKind, Outcome, PathConflict, PlannedFiles, ProjectChange,
    RunningActivity, Status, Step, StoreFigures, UnmetRequirement, Warning,
};
use crate::plan::Plan;
use crate::spec::name::ProjectName;
use crate::spec::version::Version;
use crate::stage::{self, CompileWith, StageOptions, StoreFiles};
use crate::store::{LinkMode, StoreCounts};
use crate::threads::Pool;
use crate::transaction::{self, Areas, CommitOptions};

/// A plan together with the lock of its environment, so that the plan still holds when it is
/// applied.
///
/// Its [`Display`](fmt::Display) has a line per change, such as `replace idna 2.7 -> 3.20`. Either
/// [apply](Self::apply) or [discard](Self::discard) it: if it is dropped the lock is released, but
/// an empty lock file and directories that were made for it stay.
#[must_use = "nothing happens to the environment before the plan is applied"]
pub struct PlannedTransaction<'a> {
    session: Session<'a>,
    plan: Plan,
    opened: Opened,
    pool: Pool,
    options: Options,
    /// The interpreters that compile its bytecode, if it has any.
    compilers: Option<Compilers>,
    changes: Vec<ProjectChange>,
    warnings: Vec<Warning>,
}

impl<'a> PlannedTransaction<'a> {
    pub(super) fn new(
        session: Session<'a>,
        plan: Plan,
        opened: Opened,
        pool: Pool,
        options: &Options,
    ) -> Self {
        Self {
            changes: make_plan::changes(&plan),
            session,
            plan,
            opened,
            pool,
            options: options.clone(),
            compilers: None,
            warnings: Vec::new(),
        }
    }

    pub(super) fn with_compilers(mut self, compilers: Option<Compilers>) -> Self {
        self.compilers = compilers;
        self
    }

    pub(crate) fn with_warnings(mut self, warnings: Vec<Warning>) -> Self {
        self.warnings = warnings;
        self
    }

    /// The planned changes, sorted by project name.
    pub fn changes(&self) -> &[ProjectChange] {
        &self.changes
    }

    /// The conflicts that the options resolve, and how.
    pub fn conflicts(&self) -> &[PathConflict] {
        &self.plan.conflicts
    }

    /// The oddities that were met while planning.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The files that will be written and removed.
    pub fn files(&self) -> PlannedFiles {
        make_plan::files(&self.session.layout, &self.plan)
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.plan.is_empty()
    }

    /// Carries the plan out, all of it or nothing. With [`Options::dry_run`] nothing is written.
    ///
    /// # Errors
    /// The first failure of any kind. The environment is then as it was before, unless
    /// [`Error::effect`](crate::Error::effect) says otherwise.
    pub fn apply(mut self, observer: &Observer<'_>) -> Result<Outcome> {
        let mut outcome = Outcome::new(Status::Unchanged);
        outcome.changes = std::mem::take(&mut self.changes);
        outcome.conflicts.clone_from(&self.plan.conflicts);
        observer.events().resolved(&outcome.conflicts);
        if self.options.dry_run {
            stage::predict_records(&mut self.plan);
            outcome.changes = make_plan::changes(&self.plan);
            outcome.status = Status::Planned;
            outcome.files = Some(self.files());
        } else if !self.plan.is_empty() {
            (outcome.changes, outcome.store) = self.write(observer)?;
            outcome.status = Status::Committed;
            return Ok(outcome);
        }
        self.session.leave_unchanged();
        Ok(outcome)
    }

    /// Gives the lock back and changes nothing.
    pub fn discard(self) {
        self.session.leave_unchanged();
    }

    /// Stages and commits. Returns the changes once more, because their bytes include those of the
    /// RECORDs now.
    fn write(mut self, observer: &Observer<'_>) -> Result<Written> {
        observer.warn(self.session.lock_warning());
        let removes_all = {
            let mut changes = self.plan.changes.iter();
            let leaving: usize = self
                .plan
                .changes
                .iter()
                .map(|change| change.old.len())
                .sum();
            changes.all(|change| change.action == Action::Remove)
                && leaving == self.session.installed.len()
        };
        let unmet = self.unmet_requirements();
        let epoch = self.options.source_date_epoch;
        let settling = epoch.map(|epoch| Settling::of(&self.session, &self.plan, epoch));
        let written = self.stage_and_commit(observer);
        // Downloads may warn and then fail, so the warnings are passed on before the error is.
        observer.warn(self.opened.take_warnings());
        let (session, written) = self.session.unless_failed(written)?;
        session.leave_changed(removes_all, epoch.is_some());
        observer.warn(settling.map(Settling::settle).unwrap_or_default());
        observer.warn(unmet.iter().map(UnmetRequirement::warning));
        Ok(written)
    }

    /// The requirements that are not met afterwards, among those of the projects that come, and
    /// those of others for what is replaced or removed. Nothing is read for projects that are new.
    fn unmet_requirements(&self) -> Vec<UnmetRequirement> {
        let session = &self.session;
        let Ok(python) = session.environment.python() else {
            return Vec::new();
        };
        let changes = || {
            let changes = self.plan.changes.iter();
            changes.filter(|change| change.action != Action::Keep)
        };
        let leaving: HashSet<usize> = changes().flat_map(|change| &change.old).copied().collect();
        let staying: Vec<&Installed> = (0..session.installed.len())
            .filter(|number| !leaving.contains(number))
            .map(|number| &session.installed[number])
            .collect();
        let mut all = requires::versions(staying.iter().copied());
        let mut coming = Vec::new();
        for change in changes() {
            let Some(wheel) = change.wheel.map(|id| &self.opened.wheels[id.0 as usize]) else {
                continue;
            };
            all.insert(change.name.clone(), Version::parse(&change.version));
            coming.push(Requiring {
                name: change.name.clone(),
                version: change.version.clone(),
                requires: wheel.metadata.requires_dist.clone(),
            });
        }
        let markers = marker_values(python);
        let mut unmet = requires::unmet(&coming, &all, &markers, |_| true);
        let touched: HashSet<&ProjectName> = changes()
            .filter(|change| !change.old.is_empty())
            .map(|change| &change.name)
            .collect();
        if !touched.is_empty() {
            let others = requires::read(&session.layout, &staying, &self.pool);
            let is_touched = |name: &ProjectName| touched.contains(name);
            unmet.extend(requires::unmet(&others, &all, &markers, is_touched));
        }
        unmet
    }

    fn stage_and_commit(&mut self, observer: &Observer<'_>) -> Result<Written> {
        let (session, events) = (&self.session, observer.events());
        let plan = std::mem::take(&mut self.plan);
        let begin = Instant::now();
        let areas = Areas::make(&session.fs, &session.layout, &plan.operations)?;
        let stages = areas.stages();
        let needed: Vec<_> = plan.wheels().collect();
        let counts = StoreCounts::default();
        // The times and modes of files are set afterwards, which links would do to the store.
        let link_mode = match self.options.source_date_epoch {
            Some(_) => LinkMode::Copy,
            None => self.options.link_mode,
        };
        let store = (self.opened).store_files(&needed, link_mode, &counts);
        // Before the downloads start: their events come between this one and the end.
        let sizes = plan.contents().map(|file| file.size);
        let bytes = sizes.fold(0, u64::saturating_add);
        events.begin(plan.contents().count() as u64, bytes);
        let compile = self.compilers.as_ref().map(|compilers| CompileWith {
            compilers,
            layout: &session.layout,
            destdir: session.environment.destdir(),
        });
        let staged = self.opened.while_downloading(&needed, events, |arrivals| {
            let stage_options = StageOptions {
                verify: self.options.verify,
                backend: self.options.backend,
                pool: &self.pool,
                arrivals,
                store: store.as_ref(),
                compile,
                epoch: self.options.source_date_epoch,
                cancel: &session.cancel,
                progress: events,
            };
            stage::stage(&stages, plan, &self.opened.archives, stage_options)
        });
        // The progress must end even if staging failed, so the error is returned afterwards.
        events.end();
        let staged = match staged {
            Ok(staged) => staged,
            Err(error) => {
                // Many files may be staged by now, and after Ctrl-C this is all that is waited for.
                let activity = Activity::new(ActivityKind::CleanUp, "");
                let _running = RunningActivity::begin(events, &activity);
                drop(areas);
                return Err(error);
            }
        };
        let figures = store.as_ref().map(|store| store.figures(&staged.plan));
        observer.warn(store.as_ref().and_then(StoreFiles::warning));
        // What was not put into the store is removed before the commit, whose time counts.
        drop(store);
        let changes = make_plan::changes(&staged.plan);
        events.step(Step::Stage, begin.elapsed());
        let begin = Instant::now();
        let commit_options = CommitOptions {
            durable: self.options.durable,
            undoable: self.options.undoable,
            about: self.options.about(&changes),
        };
        let committed =
            transaction::commit(&session.layout, areas, staged, commit_options, events)?;
        events.step(Step::Commit, committed.moved);
        events.step(Step::Clean, begin.elapsed().saturating_sub(committed.moved));
        observer.warn(committed.warnings);
        Ok((changes, figures))
    }
}

/// The changes with their final bytes, and what the store was used for.
type Written = (Vec<ProjectChange>, Option<StoreFigures>);

/// A line per change.
impl fmt::Display for PlannedTransaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for change in &self.changes {
            let (name, version) = (&change.name, escaped(&change.version));
            match (change.action, &change.previous) {
                (Action::Install, _) => writeln!(f, "install {name} {version}")?,
                (Action::Replace, Some(previous)) => {
                    writeln!(f, "replace {name} {} -> {version}", escaped(previous))?;
                }
                (Action::Replace, None) => writeln!(f, "replace {name} {version}")?,
                (Action::Reinstall, _) => writeln!(f, "reinstall {name} {version}")?,
                (Action::Remove, _) => writeln!(f, "remove {name} {version}")?,
                (Action::Keep, _) => writeln!(f, "keep {name} {version}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for PlannedTransaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlannedTransaction")
            .field("changes", &self.changes)
            .finish_non_exhaustive()
    }
}
