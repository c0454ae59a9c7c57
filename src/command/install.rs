//! `install`: installs wheels, all of them or none.

use std::collections::HashSet;
use std::time::Instant;

use super::from_store::RefusedEntry;
use super::make_plan::{self, Installation};
#[cfg(feature = "http")]
use super::names::{self, NamedWheels};
use super::observer::Observer;
use super::open::Opened;
use super::planned::PlannedTransaction;
use super::request::{Input, ResolvedInput};
use super::session::{Purpose, Session};
use super::shared_downloads::SharedDownloads;
use super::up_to_date::{InstalledSet, SortedWheels};
use super::{Context, Options, compiling, from_store, open};
use crate::environment::layout::Layout;
use crate::environment::{Environment, EnvironmentKind, Python};
use crate::error::{Error, Fault, MetadataFault, Result, WarningCode};
use crate::installed::{self, Installed};
use crate::outcome::{Outcome, Step, Warning};
use crate::plan::Plan;
use crate::plan::bytecode::WantedBytecode;
use crate::spec::tags::TagSet;
use crate::spec::wheel_name::Tag;
use crate::threads::{Pool, beside};
use crate::wheel::Wheel;

/// Installs all wheels, or none.
///
/// # Errors
/// The first failure of any kind. The environment is then as it was before, unless
/// [`Error::effect`] says otherwise.
pub fn install(
    environment: &Environment,
    input: &Input,
    options: &Options,
    context: Context<'_>,
) -> Result<Outcome> {
    plan_install(environment, input, options, context)?.apply(&Observer::new(context.events))
}

/// How often the environment may change between the first look at it and the lock, so that wheels
/// are needed which were not opened. Each time another command has installed or removed something.
const ATTEMPTS: usize = 8;

/// Opens the wheels that are needed, locks the environment and plans.
pub(crate) fn plan_install<'a>(
    environment: &'a Environment,
    input: &Input,
    options: &Options,
    context: Context<'_>,
) -> Result<PlannedTransaction<'a>> {
    let pool = Pool::new(options.jobs)?;
    context.warn(plain_directory(environment));
    let layout = Layout::of(environment)?;
    // This is seen without the lock, which is not held while wheels are fetched.
    let mut installed = installed::glance(&layout)?;
    compiling::check(environment, options)?;
    from_store::check_links(environment, options)?;
    let mut compilers = None;
    let mut refused = HashSet::new();
    for _ in 0..ATTEMPTS {
        let begin = Instant::now();
        let present = InstalledSet::new(environment, &layout, &installed, options);
        // Each attempt has its own, since an address is fetched only once.
        let downloads = SharedDownloads::new(options, context);
        let resolved = resolved(input, (&present, &layout, &installed), &downloads)?;
        #[cfg(feature = "http")]
        let (resolved, named) = resolved;
        let wanted = SortedWheels::new(resolved, &present);
        let needed = wanted.needed();
        if compilers.is_none() && !needed.is_empty() {
            compilers = compiling::start(environment, options, &pool)?;
        }
        let mut opened = open::open_without(needed, options, (&pool, &refused), &downloads)?;
        context.events.step(Step::Open, begin.elapsed());
        context.warn(opened.warnings());
        #[cfg(feature = "http")]
        named.check(&opened.wheels)?;
        check_python(&opened.wheels, environment, options, context)?;
        let bytecode = compiling::wanted(compilers.as_ref(), options, context)?;
        let attempt = Attempt {
            environment,
            layout: &layout,
            options,
            pool: &pool,
            context,
        };
        let (mut session, plan, damaged) = attempt.plan(&wanted, &mut opened, bytecode)?;
        if damaged.is_empty()
            && let Some(plan) = plan
        {
            let planned = PlannedTransaction::new(session, plan, opened, pool, options);
            return Ok(planned.with_compilers(compilers));
        }
        // Their wheels are opened instead, and the next plan is made with these.
        for entry in damaged {
            refused.insert(entry.id);
            context.warn([entry.warning]);
        }
        installed = std::mem::take(&mut session.installed);
        session.leave_unchanged();
    }
    Err(Error::bad_environment(
        environment.root(),
        "other commands keep changing it; try again",
    ))
}

/// One attempt to plan with wheels that are opened.
struct Attempt<'a, 'e> {
    environment: &'e Environment,
    layout: &'a Layout,
    options: &'a Options,
    pool: &'a Pool,
    context: Context<'a>,
}

/// A locked environment; the plan, unless it needs wheels that are not opened; and the entries of
/// the store that it cannot be carried out with.
type Attempted<'e> = (Session<'e>, Option<Plan>, Vec<RefusedEntry>);

impl<'e> Attempt<'_, 'e> {
    /// Locks the environment and plans, and checks the files of the store meanwhile: looking at
    /// each of them takes about as long as planning.
    fn plan(
        &self,
        wanted: &SortedWheels,
        opened: &mut Opened,
        bytecode: Option<WantedBytecode>,
    ) -> Result<Attempted<'e>> {
        let begin = Instant::now();
        let (planned, checked) = match opened.to_check() {
            Some((store, wheels)) => beside(
                || self.lock_and_plan(wanted, opened, bytecode),
                || store.check(&wheels, self.pool, self.context),
            ),
            None => (self.lock_and_plan(wanted, opened, bytecode), Ok(Vec::new())),
        };
        self.context.events.step(Step::Plan, begin.elapsed());
        // After a failure, too: they may explain it.
        self.context.warn(opened.take_warnings());
        let (session, plan) = planned?;
        match checked {
            Ok(damaged) => Ok((session, plan, damaged)),
            Err(error) => {
                session.leave_unchanged();
                Err(error)
            }
        }
    }

    fn lock_and_plan(
        &self,
        wanted: &SortedWheels,
        opened: &mut Opened,
        bytecode: Option<WantedBytecode>,
    ) -> Result<(Session<'e>, Option<Plan>)> {
        let (options, context) = (self.options, self.context);
        let mut session = Session::begin(self.environment, Purpose::Install, options, context)?;
        let present = InstalledSet::new(self.environment, self.layout, &session.installed, options);
        let decided = wanted.decide(&present, context);
        let planned = decided.and_then(|decision| {
            let installation = decision.map(|decision| Installation {
                opened,
                decision,
                bytecode,
                options,
            });
            installation
                .map(|install| make_plan::install(&mut session, install, self.pool, context))
                .transpose()
        });
        session.unless_failed(planned)
    }
}

/// Names by which people call virtual environments.
const NAMES_OF_VENVS: [&str; 4] = ["venv", ".venv", "env", ".env"];

/// Warns of a plain directory that has the name of a virtual environment, which was probably not
/// made yet.
fn plain_directory(environment: &Environment) -> Option<Warning> {
    let name = environment.root().file_name()?.to_str()?;
    let is_forgotten =
        environment.kind() == EnvironmentKind::Target && NAMES_OF_VENVS.contains(&name);
    is_forgotten.then(|| Warning {
        code: WarningCode::PlainDirectory,
        wheel: None,
        message: format!(
            "`{name}` is no virtual environment (it has no `pyvenv.cfg`), so it is used as a plain \
             directory; `python3 -m venv {name}` makes one"
        ),
    })
}

/// Refuses wheels that the environment's interpreter cannot use. Wheels for every Python and
/// platform that have no scripts can be installed without knowing it.
pub(super) fn check_python(
    wheels: &[Wheel],
    environment: &Environment,
    options: &Options,
    context: Context<'_>,
) -> Result<()> {
    if environment.is_for_windows() {
        check_launchers(wheels)?;
    }
    match environment.python() {
        Ok(python) if options.compat_check => check_fit(wheels, python),
        Ok(_) => Ok(()),
        Err(error) => {
            let is_universal = |wheel: &Wheel| wheel.name.tags.iter().any(Tag::is_universal);
            let needs_python = |wheel: &Wheel| {
                !scripts_of(wheel).is_empty() || options.compat_check && !is_universal(wheel)
            };
            if wheels.iter().any(needs_python) {
                return Err(error);
            }
            if options.compat_check
                && wheels
                    .iter()
                    .any(|wheel| wheel.metadata.requires_python.is_some())
            {
                context.warn([Warning {
                    code: WarningCode::UncheckedPython,
                    wheel: None,
                    message: format!("Requires-Python was not checked: {error}"),
                }]);
            }
            Ok(())
        }
    }
}

/// The files of a wheel that start an interpreter, by name.
fn scripts_of(wheel: &Wheel) -> Vec<String> {
    let points = wheel.entry_points.iter().map(|point| point.name.clone());
    let entries = wheel.entries.iter();
    let entries = entries.filter(|entry| entry.script.is_some());
    let entries = entries.map(|entry| entry.path.file_name().to_owned());
    points.chain(entries).collect()
}

/// Refuses wheels whose scripts would need launchers for Windows: programs that start the
/// interpreter, of which this one carries none.
fn check_launchers(wheels: &[Wheel]) -> Result<()> {
    let refused = wheels.iter().filter_map(|wheel| {
        let scripts = scripts_of(wheel);
        let fault = MetadataFault::WindowsLaunchers(scripts.clone());
        (!scripts.is_empty()).then(|| (wheel.label.clone(), vec![fault.into()]))
    });
    let refused: Vec<_> = refused.collect();
    if refused.is_empty() {
        Ok(())
    } else {
        Err(Error::wheels(refused))
    }
}

/// An environment as it was seen before it is locked.
type SeenEnvironment<'a> = (&'a InstalledSet<'a>, &'a Layout, &'a [Installed]);

/// The wheels that `input` means, those of its names included.
#[cfg(feature = "http")]
fn resolved(
    input: &Input,
    (present, layout, installed): SeenEnvironment<'_>,
    downloads: &SharedDownloads<'_>,
) -> Result<(ResolvedInput, NamedWheels)> {
    let (options, context) = (downloads.options, downloads.context);
    let environment = present.environment();
    let is_installed = |name: &_, version: &_, pins: &_| present.satisfying(name, version, pins);
    let mut resolved = input.resolve(environment, options, &is_installed, context)?;
    let usable = installed
        .iter()
        .filter(|project| present.can_be_used(project));
    let metadata = names::installed_metadata(usable, layout, options);
    let named = names::add(environment, input, &mut resolved, metadata, downloads)?;
    Ok((resolved, named))
}

/// The wheels that `input` means.
#[cfg(not(feature = "http"))]
fn resolved(
    input: &Input,
    (present, _, _): SeenEnvironment<'_>,
    downloads: &SharedDownloads<'_>,
) -> Result<ResolvedInput> {
    let (options, context) = (downloads.options, downloads.context);
    let is_installed = |name: &_, version: &_, pins: &_| present.satisfying(name, version, pins);
    input.resolve(present.environment(), options, &is_installed, context)
}

/// Refuses wheels that the environment's interpreter cannot use (platform compatibility tags; core
/// metadata, "Requires-Python").
fn check_fit(wheels: &[Wheel], python: &Python) -> Result<()> {
    let tags = TagSet::new(&python.target);
    let mut refused = Vec::new();
    for wheel in wheels {
        let mut faults: Vec<Fault> = Vec::new();
        if tags.best(&wheel.name.tags).is_none() {
            let own: Vec<String> = wheel.name.tags.iter().map(ToString::to_string).collect();
            let (tags, environment) = (own.join(", "), python.target.to_string());
            faults.push(MetadataFault::Incompatible { tags, environment }.into());
        }
        if let Some(requires) = &wheel.metadata.requires_python
            && !requires.contains(&python.version)
        {
            let (requires, python) = (requires.to_string(), python.version.to_string());
            faults.push(MetadataFault::RequiresPython { requires, python }.into());
        }
        if !faults.is_empty() {
            refused.push((wheel.label.clone(), faults));
        }
    }
    if refused.is_empty() {
        Ok(())
    } else {
        Err(Error::wheels(refused))
    }
}
