//! How files are fetched; plain data.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How files are fetched. The caller decides all of it: nothing is read from the process's
/// environment here.
#[derive(Clone)]
pub struct Settings {
    /// The cache's directory, which is made if it is missing; without one, a private directory that
    /// is deleted with the downloader.
    pub cache: Option<PathBuf>,
    /// Whether it is an error if the cache cannot be used. Otherwise that is a warning, and a
    /// private directory takes its place.
    pub cache_is_named: bool,
    /// How long to wait for another process that fetches the same file and makes no progress.
    pub lock_timeout: Duration,
    /// Take everything from the cache and fetch nothing.
    pub offline: bool,
    /// Ask the server for pages that are kept in the cache, even if they are still fresh.
    pub refresh: bool,
    /// How many connections fetch files at once.
    pub connections: usize,
    /// How many more connections fetch resources at once.
    pub resource_connections: usize,
    /// How many connections there may be to one host at once; at least as many as `connections`.
    pub host_connections: usize,
    /// How many bytes of a file's end a preview asks for first.
    pub tail: u64,
    /// How often a file or resource is tried again before it is given up. Only failures in a row
    /// count: a try that brought new bytes ends the row.
    pub retries: u32,
    /// The pause before the first new try; it doubles with each.
    pub backoff: Duration,
    /// How long a host's name may take to be looked up, and how long connecting to it may take.
    pub connect_timeout: Duration,
    /// How long a server may send nothing in one try.
    pub stall_timeout: Duration,
    /// How long a server may send nothing of a file or resource in all tries together, with the
    /// pauses between them. A host that has never answered gets this time once for everything that
    /// it is asked for.
    pub give_up_after: Duration,
    /// The proxy for `http` addresses: `http://name:password@host:port`.
    pub http_proxy: Option<String>,
    /// The proxy for `https` addresses.
    pub https_proxy: Option<String>,
    /// Hosts, domains and networks (`10.0.0.0/8`) that are asked without a proxy, separated by
    /// commas or white space.
    pub no_proxy: Option<String>,
    /// Certificates to trust instead of the system's, in PEM form.
    pub certificates: Option<PathBuf>,
    /// A directory of files with certificates to trust instead of the system's, or beside those of
    /// `certificates`.
    pub certificate_directory: Option<PathBuf>,
    /// A netrc file with logins by host; it may be missing.
    pub netrc: Option<PathBuf>,
    /// The value of the `User-Agent` header.
    pub user_agent: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cache: None,
            cache_is_named: true,
            lock_timeout: Duration::from_secs(60),
            offline: false,
            refresh: false,
            connections: 16,
            // Resources are small, so that their time is all latency: more of them at once cost
            // the server little.
            resource_connections: 32,
            host_connections: 32,
            // The end records of a zip archive with the longest possible comment, and a little
            // more for the central directory.
            tail: (1 << 16) + (1 << 13),
            // Five tries in all; their pauses sum to about eight seconds.
            retries: 4,
            backoff: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(10),
            // Nearly as long as pip waits, and short enough that a second try fits: it reaches a
            // server of which one connection has died.
            stall_timeout: Duration::from_secs(12),
            // A person at a terminal waits for an error for at most 20 seconds.
            give_up_after: Duration::from_secs(16),
            http_proxy: None,
            https_proxy: None,
            no_proxy: None,
            certificates: None,
            certificate_directory: None,
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
