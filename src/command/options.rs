//! How commands behave.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::cancellation::Cancellation;
use crate::digest::Backend;
use crate::environment::Invalidation;
use crate::fs::Capabilities;
use crate::outcome::ProjectChange;
use crate::plan::conflict::OnConflict;
use crate::spec::record::Verify;
use crate::store::{LinkMode, StoreUse};
use crate::transaction::About;

/// How commands behave. The fields have the names of the command line's options.
///
/// [`Options::default`] is the behaviour without any option; the methods `with_…` change it:
///
/// ```
/// use pkg_install::{OnConflict, Options};
///
/// let options = Options::default()
///     .with_on_conflict(OnConflict::First)
///     .with_durable(true);
/// assert!(options.durable && !options.reinstall);
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "testing"), non_exhaustive)]
pub struct Options {
    /// What to do if two projects want different contents at one path.
    pub on_conflict: OnConflict,
    /// How strictly RECORD is read and contents are checked.
    pub verify: Verify,
    /// Whether to replace a project that is installed in the same version already.
    pub reinstall: bool,
    /// Whether it is a failure if one of the files is there already, whatever it holds.
    pub require_new_files: bool,
    /// Whether RECORD has to list every file of a wheel with a digest and a size, itself without
    /// either, and no signature.
    pub complete_record: bool,
    /// Whether RECORD, as it is installed, gets digests of the contents. Those that the wheel
    /// states are then not compared with anything.
    pub fresh_digests: bool,
    /// Whether the directories for metadata and headers are called as the wheel spells its name,
    /// and not by the normalised name.
    pub keep_spelling: bool,
    /// Whether to remove the installed projects that the input does not name. `pip` and editable
    /// projects stay.
    pub exact: bool,
    /// How to compile bytecode in the same transaction; `None` means not to.
    pub bytecode: Option<BytecodeOptions>,
    /// The time that files of bytecode get, in seconds since 1970 (`SOURCE_DATE_EPOCH`). By default
    /// they are then checked by hashes, and are readable for everybody.
    pub source_date_epoch: Option<u64>,
    /// Whether every wheel must be pinned to a hash.
    pub require_hashes: bool,
    /// Whether to flush everything to the disk, so that the result survives a loss of power.
    pub durable: bool,
    /// Whether to keep the replaced files, which [`undo`](super::undo) needs.
    pub undoable: bool,
    /// Whether to plan only, and change nothing.
    pub dry_run: bool,
    /// How many threads work; `None` means one per processor.
    pub jobs: Option<usize>,
    /// The content of INSTALLER, without the line end; if it is empty there is no such file.
    pub installer: String,
    /// Whether wheels that were given as arguments count as direct references, so that their
    /// direct_url.json is written.
    pub direct_url: bool,
    /// Whether to refuse wheels whose tags or `Requires-Python` do not fit the interpreter.
    pub compat_check: bool,
    /// Which wheels are put into the store of the cache and taken from it. Without a cache there is
    /// no store.
    pub store: StoreUse,
    /// How files come out of the store.
    pub link_mode: LinkMode,
    /// How long to wait while another process holds the lock.
    pub lock_timeout: Duration,
    /// Stops the commands with these options from elsewhere.
    pub cancellation: Cancellation,
    /// The implementation that hashes. The command line has no such option: only tests need
    /// another one than the fastest.
    #[doc(hidden)]
    pub backend: Backend,
    /// How remote wheels are fetched.
    #[cfg(feature = "http")]
    pub download: crate::download::Settings,
    /// How the file system treats names; `None` means to find out.
    #[doc(hidden)]
    pub capabilities: Option<Capabilities>,
}

/// How to compile bytecode.
///
/// ```
/// use pkg_install::{BytecodeOptions, Invalidation, Options};
///
/// let bytecode = BytecodeOptions::default().with_invalidation(Invalidation::CheckedHash);
/// let options = Options::default().with_bytecode(bytecode);
/// # let _ = options;
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "testing"), non_exhaustive)]
pub struct BytecodeOptions {
    /// How interpreters find out whether it is up to date; `None` means by the time of the source,
    /// or by its hash with [`Options::source_date_epoch`].
    pub invalidation: Option<Invalidation>,
    /// The optimisation levels, from 0 to 2; none means level 0.
    pub levels: Vec<u8>,
    /// How long one source may take.
    #[doc(hidden)]
    pub patience: Duration,
}

impl Default for BytecodeOptions {
    fn default() -> Self {
        Self {
            invalidation: None,
            levels: Vec::new(),
            // The largest sources take a few seconds on a slow machine.
            patience: Duration::from_secs(60),
        }
    }
}

impl BytecodeOptions {
    /// With this [`BytecodeOptions::invalidation`].
    #[must_use]
    pub fn with_invalidation(mut self, invalidation: impl Into<Option<Invalidation>>) -> Self {
        self.invalidation = invalidation.into();
        self
    }

    /// With these [`BytecodeOptions::levels`].
    #[must_use]
    pub fn with_levels(mut self, levels: Vec<u8>) -> Self {
        self.levels = levels;
        self
    }

    /// The levels, sorted and each once.
    pub(super) fn distinct_levels(&self) -> Vec<u8> {
        let mut levels = self.levels.clone();
        if levels.is_empty() {
            levels.push(0);
        }
        levels.sort_unstable();
        levels.dedup();
        levels
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            on_conflict: OnConflict::Error,
            verify: Verify::Normal,
            reinstall: false,
            require_new_files: false,
            complete_record: false,
            fresh_digests: false,
            keep_spelling: false,
            exact: false,
            bytecode: None,
            source_date_epoch: None,
            require_hashes: false,
            // An environment can be made again, so flushing is not worth its time by default.
            durable: false,
            // The kept files need as much space as the replaced versions had.
            undoable: false,
            dry_run: false,
            jobs: None,
            installer: "pkg-install".to_owned(),
            direct_url: false,
            compat_check: true,
            store: StoreUse::Auto,
            link_mode: LinkMode::Auto,
            lock_timeout: Duration::from_secs(60),
            cancellation: Cancellation::default(),
            backend: Backend::default(),
            #[cfg(feature = "http")]
            download: crate::download::Settings::default(),
            capabilities: None,
        }
    }
}

impl Options {
    /// With this [`Options::on_conflict`].
    #[must_use]
    pub fn with_on_conflict(mut self, on_conflict: OnConflict) -> Self {
        self.on_conflict = on_conflict;
        self
    }

    /// With this [`Options::verify`].
    #[must_use]
    pub fn with_verify(mut self, verify: Verify) -> Self {
        self.verify = verify;
        self
    }

    /// With this [`Options::reinstall`].
    #[must_use]
    pub fn with_reinstall(mut self, reinstall: bool) -> Self {
        self.reinstall = reinstall;
        self
    }

    /// With this [`Options::complete_record`].
    #[must_use]
    pub fn with_complete_record(mut self, complete_record: bool) -> Self {
        self.complete_record = complete_record;
        self
    }

    /// With this [`Options::fresh_digests`].
    #[must_use]
    pub fn with_fresh_digests(mut self, fresh_digests: bool) -> Self {
        self.fresh_digests = fresh_digests;
        self
    }

    /// With this [`Options::keep_spelling`].
    #[must_use]
    pub fn with_keep_spelling(mut self, keep_spelling: bool) -> Self {
        self.keep_spelling = keep_spelling;
        self
    }

    /// With this [`Options::require_new_files`].
    #[must_use]
    pub fn with_require_new_files(mut self, require_new_files: bool) -> Self {
        self.require_new_files = require_new_files;
        self
    }

    /// With this [`Options::exact`].
    #[must_use]
    pub fn with_exact(mut self, exact: bool) -> Self {
        self.exact = exact;
        self
    }

    /// With this [`Options::bytecode`].
    #[must_use]
    pub fn with_bytecode(mut self, bytecode: impl Into<Option<BytecodeOptions>>) -> Self {
        self.bytecode = bytecode.into();
        self
    }

    /// With this [`Options::source_date_epoch`].
    #[must_use]
    pub fn with_source_date_epoch(mut self, seconds: impl Into<Option<u64>>) -> Self {
        self.source_date_epoch = seconds.into();
        self
    }

    /// With this [`Options::require_hashes`].
    #[must_use]
    pub fn with_require_hashes(mut self, require_hashes: bool) -> Self {
        self.require_hashes = require_hashes;
        self
    }

    /// With this [`Options::durable`].
    #[must_use]
    pub fn with_durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// With this [`Options::undoable`].
    #[must_use]
    pub fn with_undoable(mut self, undoable: bool) -> Self {
        self.undoable = undoable;
        self
    }

    /// With this [`Options::dry_run`].
    #[must_use]
    pub fn with_dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// With this [`Options::jobs`].
    #[must_use]
    pub fn with_jobs(mut self, jobs: impl Into<Option<usize>>) -> Self {
        self.jobs = jobs.into();
        self
    }

    /// With this [`Options::installer`].
    #[must_use]
    pub fn with_installer(mut self, installer: impl Into<String>) -> Self {
        self.installer = installer.into();
        self
    }

    /// With this [`Options::direct_url`].
    #[must_use]
    pub fn with_direct_url(mut self, direct_url: bool) -> Self {
        self.direct_url = direct_url;
        self
    }

    /// With this [`Options::compat_check`].
    #[must_use]
    pub fn with_compat_check(mut self, compat_check: bool) -> Self {
        self.compat_check = compat_check;
        self
    }

    /// With this [`Options::store`].
    #[must_use]
    pub fn with_store(mut self, store: StoreUse) -> Self {
        self.store = store;
        self
    }

    /// With this [`Options::link_mode`].
    #[must_use]
    pub fn with_link_mode(mut self, link_mode: LinkMode) -> Self {
        self.link_mode = link_mode;
        self
    }

    /// With this [`Options::lock_timeout`].
    #[must_use]
    pub fn with_lock_timeout(mut self, lock_timeout: Duration) -> Self {
        self.lock_timeout = lock_timeout;
        self
    }

    /// With this [`Options::cancellation`].
    #[must_use]
    pub fn with_cancellation(mut self, cancellation: Cancellation) -> Self {
        self.cancellation = cancellation;
        self
    }

    /// What the history says about a transaction of now with these changes.
    pub(super) fn about<'a>(&self, changes: &'a [ProjectChange]) -> About<'a> {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH);
        let time = self.source_date_epoch;
        // A clock that is before 1970 was never set.
        let time = time.unwrap_or_else(|| now().map_or(0, |since| since.as_secs()));
        About { changes, time }
    }

    /// The directory of the cache that holds the store; `None` if there is none.
    pub(super) fn cache(&self) -> Option<&Path> {
        #[cfg(feature = "http")]
        return self.download.cache.as_deref();
        #[cfg(not(feature = "http"))]
        None
    }

    /// With this [`Options::download`].
    #[cfg(feature = "http")]
    #[must_use]
    pub fn with_download(mut self, download: crate::download::Settings) -> Self {
        self.download = download;
        self
    }
}
