//! The certificate authorities to trust.
//!
//! Input: a file and a directory in PEM form, or neither, which means those of the system. Output:
//! the authorities, or the reason why they cannot be used. Limits: every file of a directory is
//! read, whatever its name.

use std::path::Path;
use std::sync::Arc;

use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

use super::settings::Settings;
use crate::error::Result;
use crate::fs::{self, Kind};

/// Keeps a path to a wrong file from filling the memory.
const MOST_CERTIFICATE_BYTES: u64 = 1 << 24;

/// The authorities, or a sentence that says why they cannot be read.
pub(super) fn roots(settings: &Settings) -> std::result::Result<RootCerts, String> {
    let (file, directory) = (&settings.certificates, &settings.certificate_directory);
    if file.is_none() && directory.is_none() {
        return Ok(RootCerts::PlatformVerifier);
    }
    let mut found = Vec::new();
    if let Some(file) = file {
        found.extend(some_in(file, in_file(file))?);
    }
    if let Some(directory) = directory {
        found.extend(some_in(directory, in_directory(directory))?);
    }
    Ok(RootCerts::Specific(Arc::new(found)))
}

/// The certificates at `path`; having none is a fault, too.
fn some_in(
    path: &Path,
    found: Result<Vec<Certificate<'static>>>,
) -> std::result::Result<Vec<Certificate<'static>>, String> {
    match found {
        Err(error) => Err(format!("the certificates to trust cannot be read: {error}")),
        Ok(found) if found.is_empty() => Err(format!(
            "`{}` holds no certificate in PEM form",
            path.display()
        )),
        Ok(found) => Ok(found),
    }
}

fn in_file(path: &Path) -> Result<Vec<Certificate<'static>>> {
    let text = fs::read_to_limit(path, MOST_CERTIFICATE_BYTES)?;
    // Such files may hold keys beside certificates, so only an empty result is an error.
    let certificates = parse_pem(&text).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    Ok(certificates.collect())
}

fn in_directory(directory: &Path) -> Result<Vec<Certificate<'static>>> {
    let mut found = Vec::new();
    for (name, _) in fs::list(directory)? {
        let path = directory.join(name);
        // Such directories are full of links, also of broken ones and of links to directories.
        if matches!(fs::stat(&path), Ok(Some(stat)) if stat.kind == Kind::File) {
            found.extend(in_file(&path).unwrap_or_default());
        }
    }
    Ok(found)
}
