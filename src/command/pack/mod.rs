//! `pack`: one artefact from wheels, instead of an environment.
//!
//! The steps are those of an installation up to the plan, for an environment that does not exist:
//! nothing is locked, and nothing on disk decides anything. Then [`pack`](crate::pack) writes the
//! artefact beside its place while wheels arrive, under a name of its own, and one rename puts it
//! there. An image is begun when all wheels are here.

mod base;
mod image;
mod place;
mod target;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::open::Opened;
use super::request::Input;
use super::{Context, Options, make_plan};
use crate::environment::Locate;
use crate::error::{Error, Result};
use crate::outcome::{Outcome, Status, Step};
use crate::pack::{
    self, AddedFile, ArtifactSpec, Contents, LayerFiles, PackCompression, PackFormat, PackOptions,
    WrittenLayer,
};
use crate::plan::{Plan, WheelId};
use crate::stage::{self, Arrivals};
use crate::threads::Pool;
use image::ImageParts;
use place::ArtifactPlace;
use target::PackTarget;

/// The script that runs an entry point that no wheel has a script for.
const ENTRY: &str = "pack-entry";

/// The artefact that is wanted.
#[derive(Debug, Clone)]
pub struct PackRequest {
    /// Its path.
    pub output: PathBuf,
    /// Its format.
    pub format: PackFormat,
    /// What an application runs: the name of a script, or `MODULE:ATTRIBUTE`; `None` for the
    /// interpreter itself.
    pub entry: Option<String>,
    /// The interpreter at this path is used, and none is looked for.
    pub interpreter: Option<PathBuf>,
    /// Packages only, in this directory of the artefact, as with `pip install --target`.
    pub plain: Option<PathBuf>,
    /// How contents are compressed.
    pub compression: PackCompression,
    /// The time of every file, in seconds since 1970.
    pub modified: Option<u64>,
    /// Whether the digest of the whole is wanted, which is a tenth of the work. An image has it
    /// always.
    pub digest: bool,
    /// What an image is like; only with [`PackFormat::Oci`].
    pub image: Option<ImageRequest>,
}

/// How an image is made.
#[derive(Debug, Clone)]
pub struct ImageRequest {
    /// The directory of the environment in the image, an absolute path.
    pub prefix: PathBuf,
    /// The layout of the image that is extended, and the name of the image in it.
    pub base: Option<(PathBuf, Option<String>)>,
    /// Whether everything is one layer.
    pub as_one: bool,
    /// The name of the image.
    pub tag: String,
}

/// The result of packing.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PackOutcome {
    /// The projects and the conflicts. The status is `Unchanged` if the same artefact was there
    /// already.
    pub plan: Outcome,
    /// The artefact; `None` after a dry run.
    pub artifact: Option<PackedArtifact>,
}

/// An artefact.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PackedArtifact {
    /// Its path.
    pub path: PathBuf,
    /// Its format.
    pub format: PackFormat,
    /// Its length in bytes.
    pub bytes: u64,
    /// The SHA-256 of the whole, or of the manifest of an image, in hexadecimal digits; `None` if
    /// it was not asked for.
    pub sha256: Option<String>,
    /// The SHA-256 of the paths, modes and digests of what it contains.
    pub id: String,
    /// How many files it contains.
    pub entries: u64,
    /// How many of them are copied as the wheels have them.
    pub copied: u64,
    /// How many entries of wheels are compressed again.
    pub recompressed: u64,
    /// The layers that were added to an image; none for other formats.
    pub layers: Vec<ArtifactLayer>,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArtifactLayer {
    /// The projects in it, each with its version; none for what no wheel has.
    pub projects: Vec<String>,
    /// The SHA-256 of the blob, in hexadecimal digits.
    pub digest: String,
    /// The SHA-256 of the archive before it is compressed.
    pub diff_id: String,
    /// The length of the blob in bytes.
    pub bytes: u64,
}

impl ArtifactLayer {
    fn of(files: &LayerFiles, written: &WrittenLayer) -> Self {
        Self {
            projects: files.projects.clone(),
            digest: written.digest.to_hex(),
            diff_id: written.diff_id.to_hex(),
            bytes: written.bytes,
        }
    }
}

/// Packs the wheels of `input` for the interpreter that `locate` means, or by default `python3`.
///
/// # Errors
/// The first failure of any kind. What was at the artefact's place is still there then.
pub fn pack(
    locate: &Locate,
    input: &Input,
    request: &PackRequest,
    options: &Options,
    context: Context<'_>,
) -> Result<PackOutcome> {
    let pool = Pool::new(options.jobs)?;
    let target = PackTarget::new(locate, request, context.cancel)?;
    let (opened, plan) = target.plan(input, options, &pool, context)?;
    let mut outcome = Outcome::new(Status::Planned);
    outcome.conflicts.clone_from(&plan.conflicts);
    context.events.resolved(&outcome.conflicts);
    let added = target.added(&plan, request)?;
    if options.dry_run {
        let mut plan = plan;
        stage::predict_records(&mut plan);
        outcome.changes = make_plan::changes(&plan);
        outcome.files = Some(make_plan::files(&target.layout, &plan));
        return Ok(PackOutcome {
            plan: outcome,
            artifact: None,
        });
    }
    let begin = Instant::now();
    let how = PackOptions {
        verify: options.verify,
        backend: options.backend,
        compression: request.compression,
        pool: &pool,
        cancel: context.cancel,
        progress: context.events,
        durable: options.durable,
    };
    let needed: Vec<WheelId> = plan.wheels().collect();
    let written = opened.while_downloading(&needed, context.events, |arrivals| {
        let from = (&opened, &plan, arrivals);
        write(request, (&target, added), from, &how, context)
    });
    let (artifact, status) = written?;
    context.warn(opened.take_warnings());
    context.events.step(Step::Stage, begin.elapsed());
    outcome.status = status;
    outcome.changes = make_plan::changes(&plan);
    Ok(PackOutcome {
        plan: outcome,
        artifact: Some(artifact),
    })
}

/// Refuses options that the format cannot honour.
fn check_request(request: &PackRequest) -> Result<()> {
    let word = request.format.word();
    let is_application = request.format == PackFormat::Pyz;
    let is_image = request.format == PackFormat::Oci;
    let message = if request.entry.is_some() && !is_application && !is_image {
        format!("only applications and images have an entry, and {word} is an environment")
    } else if request.plain.is_some() && (is_application || is_image) {
        format!("plain packages have no interpreter, and {word} needs one")
    } else if request.interpreter.is_some() && is_application {
        "an application finds its interpreter when it starts".to_owned()
    } else if request.image.is_some() != is_image {
        format!("{word} is no image")
    } else {
        return Ok(());
    };
    Err(Error::usage(message))
}

/// The name of the script that an entry runs.
fn script_of(entry: &str) -> &str {
    if entry.contains(':') { ENTRY } else { entry }
}

/// Writes the artefact while wheels arrive.
fn write(
    request: &PackRequest,
    (target, added): (&PackTarget, Vec<AddedFile>),
    (opened, plan, arrivals): (&Opened, &Plan, Option<Arrivals<'_>>),
    how: &PackOptions<'_>,
    context: Context<'_>,
) -> Result<(PackedArtifact, Status)> {
    if let Some(arrivals) = &arrivals {
        let first: BTreeSet<WheelId> = match request.image {
            // The layers are shared out by the compressed lengths of all files.
            Some(_) => plan.wheels().collect(),
            None => pack::wheels_without_digests(plan).collect(),
        };
        receive_first(&first, opened, arrivals)?;
    }
    let below = target.below.as_ref();
    let contents = Contents::gather(plan, &opened.archives, added, below, how)?;
    let modified = request.modified.unwrap_or(pack::MODIFIED);
    if let Some(image) = &request.image {
        let parts = ImageParts {
            target,
            base: target.base.as_ref(),
            plan,
            contents: &contents,
            opened,
            modified,
        };
        return image::write(request, image, &parts, how, context);
    }
    let spec = ArtifactSpec {
        format: request.format,
        python: &target.python,
        entry: request.entry.as_deref().map(script_of),
        modified,
        hashes: request.digest,
    };
    let place = ArtifactPlace::new(&request.output, context)?;
    place.check_space(&contents, opened)?;
    place.write(&spec, &contents, (opened, arrivals), how)
}

/// Receives wheels until these are here.
fn receive_first(
    first: &BTreeSet<WheelId>,
    opened: &Opened,
    arrivals: &Arrivals<'_>,
) -> Result<()> {
    while first.iter().any(|&id| !opened.archives.is_here(id)) {
        // If nothing will come any more, reading the wheel that is missing fails and names it.
        let Ok(arrival) = arrivals.archives.recv() else {
            break;
        };
        let (id, archive) = arrival?;
        opened.archives.fill(id, archive);
    }
    Ok(())
}

/// A name that no other command uses at the same time.
fn unique_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // Relaxed: only that each number is given once matters.
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_nanos());
    format!("{}-{now}-{number}", std::process::id())
}
