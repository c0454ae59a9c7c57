//! Fetching wheels over http and https, into a cache that many processes share.
//!
//! Input: a [`Wanted`]: an address and what is promised of the file. Output: an [`OpenFile`] whose
//! length and digests were checked, or a [`Peek`], which is read like a file and fetches only what
//! is read. Invariants: nothing half-written is ever found under a final name; what has arrived is
//! kept, also by a process that is killed, and is not fetched again; a cached file is hashed again
//! when it is used; credentials go to their host only and stand in no message. Only this directory
//! names the HTTP crate and starts threads of its own.
//!
//! ```text
//! CACHE/partial/KEY/{content,log}       what has arrived so far; see the partial module
//! CACHE/partial/KEY.lock                held by who fetches into it
//! CACHE/wheels/AB/SHA256/NAME.whl       complete and checked
//! CACHE/known/KEY                       the SHA-256 of a file that is pinned by other digests only
//! ```
//!
//! Limits: HTTP/1.1; Basic authentication; proxies have to allow tunnels (`CONNECT`), also for
//! http. A file that is not pinned is fetched anew by every [`Downloader`].

mod cache;
mod client;
mod date;
mod fetch;
mod looks;
mod many;
mod netrc;
mod partial;
mod peek;
mod ranges;
mod response;
mod retry;
mod together;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use url::Url;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::fs::{Fs, OpenFile};
use crate::outcome::{Progress, Warning};

use cache::Store;
use client::{Client, PAUSE};
use looks::Looks;
use retry::Halt;
use together::Spare;

pub use many::Receiver;
pub use peek::Peek;

/// How files are fetched. Nothing of it is read from the process's environment here.
#[derive(Clone)]
pub struct Settings {
    /// The cache's directory, made where it is missing; without one, a private directory that goes
    /// with the downloader.
    pub cache: Option<PathBuf>,
    /// Take everything from the cache and fetch nothing.
    pub offline: bool,
    /// How many files are fetched at once.
    pub connections: usize,
    /// How much of a file's end a look into it asks for first.
    pub tail: u64,
    /// How often a file is tried again before it is given up. What brought new bytes does not
    /// count.
    pub retries: u32,
    /// The pause before the first new try; it doubles with each.
    pub backoff: Duration,
    /// How long finding a host, and connecting to it, may each take.
    pub connect_timeout: Duration,
    /// How long a server may send nothing.
    pub stall_timeout: Duration,
    /// The proxy for `http` addresses: `http://name:password@host:port`.
    pub http_proxy: Option<String>,
    /// The proxy for `https` addresses.
    pub https_proxy: Option<String>,
    /// Hosts and domains that are asked without a proxy, separated by commas.
    pub no_proxy: Option<String>,
    /// Certificates to believe, in PEM form, in place of the system's.
    pub certificates: Option<PathBuf>,
    /// Logins by host; a file that is not there holds none.
    pub netrc: Option<PathBuf>,
    /// What servers are told of who asks.
    pub user_agent: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cache: None,
            offline: false,
            connections: 16,
            // The end records of a zip archive with the longest comment that there may be, and a
            // little more.
            tail: (1 << 16) + (1 << 13),
            retries: 5,
            backoff: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            http_proxy: None,
            https_proxy: None,
            no_proxy: None,
            certificates: None,
            netrc: None,
            user_agent: concat!("pkg-install/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Without the proxies, which may hold passwords.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("cache", &self.cache)
            .field("offline", &self.offline)
            .finish_non_exhaustive()
    }
}

/// A file that is wanted, and what was promised of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Where it is; may hold credentials.
    pub url: Url,
    /// The name that it gets in the cache: one component of a path.
    pub file_name: String,
    /// Its length, where that is known beforehand.
    pub size: Option<u64>,
    /// The digests that it must have, all of them.
    pub pinned: Vec<Digest>,
    /// How messages call it: the address without credentials, as [`label_of`] makes it.
    pub label: String,
}

/// Without the address, which may hold a password.
impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wanted")
            .field("label", &self.label)
            .field("pinned", &self.pinned)
            .finish_non_exhaustive()
    }
}

/// The address as it may be shown: without credentials and without a fragment.
pub fn label_of(url: &Url) -> String {
    client::bare(url).into()
}

/// Fetches files; may be used from several threads.
#[derive(Debug, Clone)]
pub struct Downloader {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    client: Arc<Client>,
    store: Store,
    offline: bool,
    connections: usize,
    spare: Spare,
    tail: u64,
    retries: u32,
    backoff: Duration,
    cancel: Arc<AtomicBool>,
    transfers: AtomicUsize,
    looks: Looks,
    watch: std::thread::Thread,
    done: Arc<AtomicBool>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        self.watch.unpark();
    }
}

impl Downloader {
    /// A downloader that connects to nothing yet. All of its work ends soon after `cancel` becomes
    /// true.
    ///
    /// # Errors
    /// Where the cache, the certificates or a proxy's address cannot be used.
    pub fn new(settings: &Settings, fs: &Fs, cancel: Arc<AtomicBool>) -> Result<Self> {
        let client = Arc::new(Client::new(settings)?);
        let store = Store::new(settings.cache.as_deref(), fs)?;
        let done = Arc::new(AtomicBool::new(false));
        let watch = watch(Arc::clone(&client), Arc::clone(&cancel), Arc::clone(&done))?;
        let inner = Inner {
            client,
            store,
            offline: settings.offline,
            connections: settings.connections.max(1),
            spare: Spare::none(),
            tail: settings.tail.max(1),
            retries: settings.retries,
            backoff: settings.backoff,
            cancel,
            transfers: AtomicUsize::new(0),
            looks: Looks::default(),
            watch,
            done,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The file, where the cache has it; it is hashed again.
    ///
    /// # Errors
    /// Where the cache cannot be read.
    pub fn cached(&self, wanted: &Wanted) -> Result<Option<OpenFile>> {
        self.inner.store.cached(wanted, self.inner.halt())
    }

    /// A look into the file without fetching it whole: its length is asked for, and its end.
    ///
    /// # Errors
    /// Where it cannot be fetched, or is not what was promised.
    pub fn peek(&self, wanted: &Wanted) -> Result<Peek> {
        Peek::open(&self.inner, wanted, Arc::clone(&self.inner.cancel))
    }

    /// The whole file: from the cache, or fetched, then checked against its promised length and all
    /// pinned digests.
    ///
    /// # Errors
    /// Where it cannot be fetched, or is not what was promised.
    pub fn fetch(&self, wanted: &Wanted, progress: &dyn Progress) -> Result<OpenFile> {
        self.inner.fetch(wanted, self.inner.halt(), progress)
    }

    /// What was odd so far and did not stop anything; told once.
    pub fn take_warnings(&self) -> Vec<Warning> {
        self.inner.store.take_warnings()
    }
}

impl Inner {
    fn halt(&self) -> Halt<'_> {
        Halt::new(&self.cancel, &self.cancel)
    }
}

/// A thread that ends all connections once the user wants to stop: who reads from one looks at
/// nothing else.
fn watch(
    client: Arc<Client>,
    cancel: Arc<AtomicBool>,
    done: Arc<AtomicBool>,
) -> Result<std::thread::Thread> {
    let work = move || {
        while !done.load(Ordering::Relaxed) {
            if cancel.load(Ordering::Relaxed) {
                client.hang_up(false);
            }
            std::thread::park_timeout(PAUSE);
        }
    };
    let thread = std::thread::Builder::new()
        .name("watch".to_owned())
        .spawn(work);
    let thread =
        thread.map_err(|error| Error::io("start a thread in", std::path::Path::new("."), error))?;
    Ok(thread.thread().clone())
}
