//! The functions of the library for programs that install wheels.
//!
//! Each takes a located environment and [`Options`], and returns a value. They access the file
//! system with no hooks and no observer but the one that is passed.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::command::{self, Context, Fs, Input, Observer, Options, PlannedTransaction};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::outcome::{CheckOutcome, Events, InstalledProject, Outcome, Silent, Warning};
use crate::source::Source;
use crate::spec::location::Location;
use crate::transaction::PastTransaction;

/// A wheel to install: its path or URL, and the digest that it must have.
#[derive(Debug, Clone)]
pub struct WheelSource(Source);

impl WheelSource {
    /// The wheel file at this path.
    ///
    /// ```
    /// let wheel = pkg_install::WheelSource::path("dist/six-1.17.0-py2.py3-none-any.whl");
    /// # let _ = wheel;
    /// ```
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Self(Source::from_path(path))
    }

    /// The wheel at this `http` or `https` URL. A fragment such as `#sha256=…` pins its digest.
    ///
    /// # Errors
    /// The text is no such URL, or its fragment is no digest ([`ErrorKind::Usage`] or
    /// [`ErrorKind::Input`]).
    ///
    /// [`ErrorKind::Usage`]: crate::ErrorKind::Usage
    /// [`ErrorKind::Input`]: crate::ErrorKind::Input
    pub fn url(url: &str) -> Result<Self> {
        let mut sources = Source::from_argument(url.as_ref())?;
        match (sources.pop(), sources.is_empty()) {
            (Some(source), true) if matches!(source.location, Location::Url(_)) => Ok(Self(source)),
            _ => {
                let shown = crate::spec::location::shown(url);
                Err(Error::usage(format!("`{shown}` is no URL of a wheel")))
            }
        }
    }
}

/// Plans to install all of `wheels`, and locks the environment until the plan is applied or
/// discarded.
///
/// Remote wheels are previewed; they are downloaded when the plan is applied.
///
/// ```no_run
/// use pkg_install::{Environment, Locate, Observer, Options, WheelSource};
///
/// # fn main() -> pkg_install::Result<()> {
/// let environment = Environment::locate(&Locate::target("venv"))?;
/// let wheels = [WheelSource::path("six-1.17.0-py2.py3-none-any.whl")];
/// let plan = pkg_install::plan(&environment, &wheels, &Options::default())?;
/// print!("{plan}");
/// let outcome = plan.apply(&Observer::none())?;
/// println!("{:?}", outcome.changes);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Every fault of every wheel ([`ErrorKind::Input`](crate::ErrorKind::Input)), every conflict that
/// [`Options::on_conflict`] does not resolve, or an environment that cannot be locked or changed.
pub fn plan<'a>(
    environment: &'a Environment,
    wheels: &[WheelSource],
    options: &Options,
) -> Result<PlannedTransaction<'a>> {
    let sources: Vec<Source> = wheels.iter().map(|wheel| wheel.0.clone()).collect();
    collecting(options, |context| {
        command::plan_install(environment, &Input::from(sources), options, context)
    })
}

/// Plans to remove installed projects, and locks the environment until the plan is applied or
/// discarded.
///
/// ```no_run
/// # use pkg_install::{Environment, Locate, Observer, Options};
/// # fn main() -> pkg_install::Result<()> {
/// let environment = Environment::locate(&Locate::target("venv"))?;
/// let plan = pkg_install::plan_removal(&environment, &["six"], &Options::default())?;
/// plan.apply(&Observer::none())?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// A name is not installed, or its files are not known.
pub fn plan_removal<'a>(
    environment: &'a Environment,
    names: &[&str],
    options: &Options,
) -> Result<PlannedTransaction<'a>> {
    collecting(options, |context| {
        command::plan_uninstall(environment, &owned(names), options, context)
    })
}

/// Compares installed projects with their RECORDs; all of them if `names` is empty.
///
/// ```no_run
/// # use pkg_install::{Environment, Locate, Options};
/// # fn main() -> pkg_install::Result<()> {
/// let environment = Environment::locate(&Locate::target("venv"))?;
/// for difference in pkg_install::check(&environment, &[], &Options::default())?.differences {
///     println!("{}: {}", difference.project, difference.path);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// A name is not installed, or the environment cannot be read. Differences are no error.
pub fn check(environment: &Environment, names: &[&str], options: &Options) -> Result<CheckOutcome> {
    with_context(options, &Silent, |context| {
        command::check(environment, &owned(names), options, context)
    })
}

/// Lists the installed projects, sorted by name.
///
/// ```no_run
/// # use pkg_install::{Environment, Locate, Options};
/// # fn main() -> pkg_install::Result<()> {
/// let environment = Environment::locate(&Locate::target("venv"))?;
/// for project in pkg_install::list(&environment, &Options::default())? {
///     println!("{} {}", project.name, project.version);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The environment cannot be locked or read.
pub fn list(environment: &Environment, options: &Options) -> Result<Vec<InstalledProject>> {
    with_context(options, &Silent, |context| {
        command::list(environment, options, context)
    })
}

/// Undoes the last transaction, if it ran with [`Options::undoable`].
///
/// ```no_run
/// # use pkg_install::{Environment, Locate, Observer, Options};
/// # fn main() -> pkg_install::Result<()> {
/// let environment = Environment::locate(&Locate::target("venv"))?;
/// pkg_install::undo(&environment, &Options::default(), &Observer::none())?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Nothing was kept, or the environment has changed since.
pub fn undo(
    environment: &Environment,
    options: &Options,
    observer: &Observer<'_>,
) -> Result<Outcome> {
    with_context(options, observer.events(), |context| {
        command::undo(environment, options, context)
    })
}

/// Undoes all transactions after the one of this number in [`history`], which all have to have run
/// with [`Options::undoable`]; 0 means the first one, too. All of them are undone, or none.
///
/// ```no_run
/// # use pkg_install::{Environment, Locate, Observer, Options};
/// # fn main() -> pkg_install::Result<()> {
/// let environment = Environment::locate(&Locate::target("venv"))?;
/// pkg_install::undo_to(&environment, 3, &Options::default(), &Observer::none())?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`undo`], or there was no such transaction.
pub fn undo_to(
    environment: &Environment,
    number: u64,
    options: &Options,
    observer: &Observer<'_>,
) -> Result<Outcome> {
    with_context(options, observer.events(), |context| {
        command::undo_to(environment, number, options, context)
    })
}

/// The transactions of an environment, oldest first, since the first one that ran with
/// [`Options::undoable`].
///
/// ```no_run
/// # use pkg_install::{Environment, Locate, Options};
/// # fn main() -> pkg_install::Result<()> {
/// let environment = Environment::locate(&Locate::target("venv"))?;
/// for past in pkg_install::history(&environment, &Options::default())? {
///     println!("{}: {} changes", past.number, past.changes.len());
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The environment cannot be locked or read.
pub fn history(environment: &Environment, options: &Options) -> Result<Vec<PastTransaction>> {
    with_context(options, &Silent, |context| {
        command::history(environment, options, context)
    })
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn with_context<T>(
    options: &Options,
    events: &dyn Events,
    act: impl FnOnce(Context<'_>) -> T,
) -> T {
    act(Context {
        fs: &Fs::default().with_threads(options.jobs),
        cancel: &options.cancellation,
        events,
    })
}

/// Plans with an observer that keeps the warnings for [`PlannedTransaction::warnings`].
fn collecting<'a>(
    options: &Options,
    plan: impl FnOnce(Context<'_>) -> Result<PlannedTransaction<'a>>,
) -> Result<PlannedTransaction<'a>> {
    let warnings = KeptWarnings::default();
    let planned = with_context(options, &warnings, plan)?;
    let warnings = warnings.0.into_inner();
    Ok(planned.with_warnings(warnings.unwrap_or_else(PoisonError::into_inner)))
}

#[derive(Default)]
struct KeptWarnings(Mutex<Vec<Warning>>);

impl Events for KeptWarnings {
    fn warning(&self, warning: Warning) {
        let mut warnings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        warnings.push(warning);
    }
}
