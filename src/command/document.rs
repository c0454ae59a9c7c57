//! Reading the documents that a request names, by path or URL.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
#[cfg(feature = "http")]
use std::sync::mpsc::{RecvTimeoutError, channel};
#[cfg(feature = "http")]
use std::time::Duration;

use super::{Context, Options};
#[cfg(feature = "http")]
use crate::download::{Downloader, Keep, ResourceRequest, Urgency};
use crate::error::{Error, ResolutionFault, Result};
use crate::fs::{self, Dir, Fs, Kind, MessageFile};
use crate::spec::location::{Location, shown};
use crate::spec::pylock::is_lock_name;

/// Far more than any report, lock file or list has.
#[cfg(feature = "http")]
const MOST_BYTES: u64 = 1 << 28;
/// How often a wait for a document looks whether the user wants to stop.
#[cfg(feature = "http")]
const PAUSE: Duration = Duration::from_millis(50);

/// A text that was read already.
#[derive(Debug)]
pub struct Document {
    /// Its path, or `-` for stdin; messages name it so.
    pub at: PathBuf,
    /// Its bytes.
    pub content: Vec<u8>,
}

impl Document {
    /// Writes `content` to the file at `path`, which is replaced as a whole; a symbolic link stays.
    /// A pipe or a device, and what this process has open, such as `/dev/stdout`, is written to: to
    /// replace it would break other programs.
    ///
    /// # Errors
    /// The directory does not exist, or cannot be written to; or `path` is a directory, or a link
    /// that leads nowhere.
    pub fn write(path: &Path, content: &[u8], fs: &Fs) -> Result<()> {
        let path = fs::behind_link(path)?;
        match fs::stat(&path)?.map(|stat| stat.kind) {
            None | Some(Kind::File) if !fs::is_own_descriptor(&path) => {}
            Some(Kind::Directory) => {
                let message = format!("`{}` is a directory", path.display());
                return Err(Error::usage(message));
            }
            _ => return append(&path, content),
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(OsStr::to_str))
        else {
            let message = format!("`{}` cannot be the path of a file", path.display());
            return Err(Error::usage(message));
        };
        let directory = Dir::open(fs, parent)?;
        // Written under another name, so that the path never shows half a file.
        let partial = format!(".{name}.part");
        // An interrupted command may have left this file.
        directory.remove_file(&partial)?;
        let mut file = directory.create(&partial, false)?;
        file.write(content)?;
        drop(file);
        directory.replace(&partial, name)
    }

    /// Refuses a lock file that is to be saved under a name which tools do not take for one
    /// ("`pylock.toml` specification", "File Name"). A pipe or a device may have any name.
    ///
    /// # Errors
    /// Such a name, or a path that cannot be looked at.
    pub fn check_lock_name(path: &Path) -> Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_special = fs::is_own_descriptor(path)
            || fs::stat(path)?.is_some_and(|stat| stat.kind == Kind::Other);
        if is_special || is_lock_name(&name) {
            return Ok(());
        }
        let fault = ResolutionFault::LockName(name.into_owned());
        Err(Error::usage(fault.to_string()))
    }

    /// Writes the file `name` in the directory, which is made if it is missing.
    ///
    /// # Errors
    /// The directory cannot be made or written to.
    pub fn write_into(directory: &Path, name: &str, content: &[u8], fs: &Fs) -> Result<()> {
        Dir::make_all(fs, directory)?;
        Self::write(&directory.join(name), content, fs)
    }

    /// Reads standard input, which is named `-`.
    ///
    /// # Errors
    /// Input that cannot be read, or a cancelled command.
    pub fn read_stdin(context: Context<'_>) -> Result<Self> {
        Ok(Self {
            at: PathBuf::from("-"),
            content: fs::read_stdin(context.cancel)?,
        })
    }

    /// Reads the file at `path`, or fetches the document at an `http` or `https` address; a missing
    /// file is a usage error.
    pub fn read(path: &Path, options: &Options, context: Context<'_>) -> Result<Self> {
        let text = path.to_string_lossy();
        let path = match Location::is_url(&text).then(|| Location::from_url(&text)) {
            None => path.to_owned(),
            Some(Ok((Location::File(path), _))) => path,
            Some(Ok((Location::Url(url), _))) => return fetch(url, options, context),
            Some(Err(reason)) => {
                let message = format!("`{}` cannot be used: {reason}", shown(&text));
                return Err(Error::usage(message));
            }
        };
        if fs::stat(&path)?.is_none() {
            // An address with another scheme is no file either, and may hold a password.
            let shown = shown(&path.display().to_string());
            return Err(Error::usage(format!("there is no file `{shown}`")));
        }
        Ok(Self {
            content: fs::read_document(&path, context.cancel)?,
            at: path,
        })
    }
}

/// Writes to something that is there, behind what it has.
fn append(path: &Path, content: &[u8]) -> Result<()> {
    let mut file = MessageFile::append(path)?;
    let written = file.write_all(content).and_then(|()| file.flush());
    written.map_err(|error| Error::io("write", path, error))
}

#[cfg(feature = "http")]
fn fetch(url: url::Url, options: &Options, context: Context<'_>) -> Result<Document> {
    let label = shown(url.as_str());
    let downloader = Downloader::new(&options.download, context.fs, context.cancel.clone())?;
    let (sender, arrives) = channel();
    let request = ResourceRequest {
        url,
        accept: None,
        gzip: true,
        limit: MOST_BYTES,
        keep: Keep::Never,
        form: None,
        urgency: Urgency::default(),
    };
    // The receiver is gone only if the user wants to stop.
    downloader.want(request, move |resource| drop(sender.send(resource)));
    let resource = loop {
        match arrives.recv_timeout(PAUSE) {
            Ok(resource) => break resource?,
            Err(RecvTimeoutError::Timeout) => downloader.cancel().check()?,
            Err(RecvTimeoutError::Disconnected) => return Err(Error::interrupted()),
        }
    };
    context.warn(downloader.take_warnings());
    if !matches!(resource.status, 200..300) {
        return Err(Error::http_status(&label, resource.status));
    }
    Ok(Document {
        at: PathBuf::from(label),
        content: resource.body,
    })
}

#[cfg(not(feature = "http"))]
#[expect(
    clippy::needless_pass_by_value,
    reason = "the `fetch` of a build with HTTP consumes the URL"
)]
fn fetch(url: url::Url, _: &Options, _: Context<'_>) -> Result<Document> {
    let label = shown(url.as_str());
    Err(Error::usage(format!(
        "`{label}` cannot be fetched by this build"
    )))
}
