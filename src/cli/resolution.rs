//! Running `resolve`, and showing what it decided.
//!
//! Input: [`ResolveArgs`]. Output: the report and the lock file that were asked for, and pins as
//! text or JSON. A document whose path is `-` takes the place of the pins on stdout.

use std::path::Path;

use pkg_install::command::{
    self, Asked, Context, Document, Options, ResolvedRequest, ResolvedWheel, lock_of, report_of,
};
use pkg_install::error::{Result, escaped};
use pkg_install::{Environment, Locate};
use schemars::JsonSchema;
use serde::Serialize;

use super::CommandResult;
use super::args::ResolveArgs;

/// Means stdout if it is given as the path of a file.
const STDOUT: &str = "-";

/// A resolution, and what is printed of it.
pub struct ShownResolution {
    pub resolved: ResolvedRequest,
    /// The documents that were asked for on stdout; without any, pins are printed.
    documents: Option<String>,
}

/// Resolves, and writes the documents that were asked for.
pub fn run(
    args: &ResolveArgs,
    locate: &Locate,
    options: &Options,
    context: Context<'_>,
) -> Result<CommandResult> {
    if let Some(path) = args.lock.as_deref()
        && path.as_os_str() != STDOUT
    {
        Document::check_lock_name(path)?;
    }
    let request = args.request(options, context)?;
    let resolved = command::resolve(&environment(locate)?, &request, options, context)?;
    let mut documents = None;
    let mut write = |path: &Path, text: String| -> Result<()> {
        if path.as_os_str() == STDOUT {
            documents.get_or_insert_with(String::new).push_str(&text);
            Ok(())
        } else {
            Document::write(path, text.as_bytes(), context.fs)
        }
    };
    if let Some(path) = &args.report {
        write(path, report_of(&resolved)?)?;
    }
    if let Some(path) = &args.lock {
        write(path, lock_of(&resolved)?)?;
    }
    Ok(CommandResult::Resolved(Box::new(ShownResolution {
        resolved,
        documents,
    })))
}

/// The environment to resolve for: the one that is named or active, else that of any interpreter.
fn environment(locate: &Locate) -> Result<Environment> {
    // Nothing is installed, so the mark of another package manager does not matter.
    let locate = locate.clone().with_break_system_packages(true);
    match Environment::locate(&locate) {
        Err(error) if error.code() == "no-environment" => {
            Environment::locate(&locate.with_python(Some("python3".into())))
        }
        found => found,
    }
}

impl ShownResolution {
    /// What was asked of servers, for `-v`.
    pub fn asked(&self) -> String {
        let Asked {
            requests,
            bytes,
            tiers,
        } = self.resolved.asked;
        let kilobytes = bytes.div_ceil(1000);
        format!("  asked   {requests:5} requests, {kilobytes} kB, {tiers} of them in a row\n")
    }

    /// What is printed on stdout.
    pub fn text(&self) -> String {
        match &self.documents {
            Some(documents) => documents.clone(),
            None => pins(&self.resolved),
        }
    }
}

/// One pin per line, each with what needs it.
fn pins(resolved: &ResolvedRequest) -> String {
    let mut wheels: Vec<&ResolvedWheel> = resolved.wheels.iter().collect();
    wheels.sort_by(|one, other| one.name.cmp(&other.name));
    let mut text = String::new();
    for wheel in wheels {
        let extras = if wheel.extras.is_empty() {
            String::new()
        } else {
            format!("[{}]", wheel.extras.join(","))
        };
        let pin = match wheel.wheel.url().filter(|_| wheel.is_direct) {
            Some(url) => format!("{}{extras} @ {url}", wheel.name),
            None => format!("{}{extras}=={}", wheel.name, wheel.version),
        };
        text += &escaped(&pin).to_string();
        text.push('\n');
        if !wheel.via.is_empty() {
            text += &format!("    # via {}\n", escaped(&wheel.via.join(", ")));
        }
    }
    text
}

/// The part of the JSON output that only `resolve` has.
#[derive(Serialize, JsonSchema)]
pub struct ResolutionObject<'a> {
    /// In the order of installation.
    packages: Vec<PackageObject<'a>>,
    asked: AskedObject,
    /// How often the search began.
    rounds: u32,
}

impl<'a> ResolutionObject<'a> {
    /// What was resolved.
    pub fn of(resolved: &'a ResolvedRequest) -> Self {
        Self {
            packages: PackageObject::all(resolved),
            asked: AskedObject::of(resolved),
            rounds: resolved.rounds,
        }
    }
}

/// One package of the JSON output.
#[derive(Serialize, JsonSchema)]
struct PackageObject<'a> {
    name: &'a str,
    version: String,
    /// The URL of the wheel, without credentials.
    source: Option<String>,
    sha256: Option<String>,
    size: Option<u64>,
    requested: bool,
    extras: &'a [String],
    via: &'a [String],
}

impl<'a> PackageObject<'a> {
    /// All packages, in the order of installation.
    fn all(resolved: &'a ResolvedRequest) -> Vec<Self> {
        let of = |wheel: &'a ResolvedWheel| Self {
            name: wheel.name.normalized(),
            version: wheel.version.to_string(),
            source: wheel.wheel.url(),
            sha256: wheel.wheel.sha256(),
            size: wheel.wheel.size,
            requested: wheel.requested,
            extras: &wheel.extras,
            via: &wheel.via,
        };
        resolved.wheels.iter().map(of).collect()
    }
}

/// What was asked of servers.
#[derive(Serialize, JsonSchema)]
struct AskedObject {
    requests: u64,
    bytes: u64,
    /// How many answers had to be waited for in a row.
    tiers: u64,
}

impl AskedObject {
    /// What a resolution asked for.
    fn of(resolved: &ResolvedRequest) -> Self {
        Self {
            requests: resolved.asked.requests,
            bytes: resolved.asked.bytes,
            tiers: resolved.asked.tiers,
        }
    }
}
