//! `pack` on the command line: from its arguments to what the library takes.

use std::path::{Path, PathBuf};

use pkg_install::command::{ImageRequest, Options, PackRequest};

use super::args::groups::EnvironmentArgs;
use super::args::pack::{ArtifactArgs, FormatWord, LayersWord, PackArgs};
#[cfg(feature = "http")]
use super::downloads::download_settings;
use super::refusal::UsageError;
use super::variables;

/// What the arguments mean: the artefact, how to make it, and for which interpreter.
///
/// # Errors
/// A name that does not say which format is meant, or a time that is none.
pub fn parts(args: &PackArgs) -> Result<(PackRequest, Options, EnvironmentArgs), UsageError> {
    let wanted = PackRequest {
        // Nothing else shows it.
        digest: args.output.json,
        ..request(&args.artifact)?
    };
    let environment = EnvironmentArgs {
        python: args.artifact.python.clone(),
        python_version: args.artifact.python_version,
        python_platform: args.artifact.python_platform.clone(),
        ..EnvironmentArgs::default()
    };
    let options = Options::default()
        .with_on_conflict(args.on_conflict)
        .with_verify(args.contents.verify)
        .with_require_hashes(args.strictness.require_hashes)
        .with_compat_check(!args.strictness.no_compat_check)
        .with_installer(&args.contents.installer)
        .with_direct_url(args.contents.direct_url)
        .with_dry_run(args.dry_run)
        .with_durable(args.durable)
        .with_jobs(args.jobs.jobs.map(usize::from));
    #[cfg(feature = "http")]
    let options = {
        let mut download = download_settings(&args.download);
        download.refresh = args.request.selection.resolution.refresh;
        options.with_download(download)
    };
    Ok((wanted, options, environment))
}

/// The artefact that the arguments mean.
fn request(args: &ArtifactArgs) -> Result<PackRequest, UsageError> {
    let name = args.path.file_name().unwrap_or_default().to_string_lossy();
    let is_directory = || args.path.is_dir().then_some(FormatWord::Oci);
    let format = args
        .format
        .or_else(|| FormatWord::of_name(&name))
        .or_else(is_directory);
    let format = format.ok_or_else(|| UsageError {
        message: format!("the name `{name}` does not say which format is wanted"),
        hint: Some(
            "end it in .pyz, .zip or .tar.gz, or name one with `--format`, such as oci".to_owned(),
        ),
    })?;
    Ok(PackRequest {
        output: args.path.clone(),
        format: format.format(),
        entry: args.entry.clone(),
        interpreter: args.interpreter.clone(),
        plain: args.plain.clone(),
        compression: args.compress.0,
        modified: variables::source_date_epoch()?,
        digest: false,
        image: (format == FormatWord::Oci).then(|| image(args)),
    })
}

/// How an image is made.
fn image(args: &ArtifactArgs) -> ImageRequest {
    let base = args.base.as_deref().map(|text| {
        // A path may have a colon, too.
        let split = text.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'));
        match split {
            Some((path, tag)) if !Path::new(text).is_dir() => {
                (PathBuf::from(path), Some(tag.to_owned()))
            }
            _ => (PathBuf::from(text), None),
        }
    });
    ImageRequest {
        prefix: args.prefix.clone(),
        base,
        as_one: args.layers == LayersWord::One,
        tag: args.tag.clone(),
    }
}
