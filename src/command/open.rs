//! From sources to wheels: files on disk are opened, remote files are previewed.
//!
//! Input: [`Source`]s. Output: [`Opened`], with the wheels in the same order and everything that is
//! needed to read more of them later.

#[cfg(feature = "http")]
use super::remote::{Missing, RemoteWheels};
use super::{Context, Options};
use crate::error::Result;
use crate::outcome::{Events, Warning};
use crate::source::Source;
use crate::spec::record::Verify;
use crate::stage::Arrivals;
use crate::threads::Pool;
use crate::wheel::{self, Archives, OpenOptions, Records, Wheel, WheelId};

/// Wheels that can be planned with, and their archives. By default there are none.
#[derive(Default)]
pub struct Opened {
    /// One wheel per source.
    pub wheels: Vec<Wheel>,
    /// The bytes of those wheels that are here.
    pub archives: Archives,
    /// The source of each wheel.
    #[cfg(feature = "http")]
    sources: Vec<Source>,
    /// Reads remote wheels; `None` if there are none.
    #[cfg(feature = "http")]
    remote: Option<RemoteWheels>,
}

/// Opens all wheels.
///
/// # Errors
/// All faults of all wheels in one error; but if anything cannot be read, only that.
#[cfg_attr(
    not(feature = "http"),
    allow(
        clippy::needless_pass_by_value,
        reason = "only remote wheels keep their sources"
    )
)]
pub fn open(
    sources: Vec<Source>,
    options: &Options,
    pool: &Pool,
    context: Context<'_>,
) -> Result<Opened> {
    // A dry run needs few digests, so large RECORDs are read only if a decision turns out to depend
    // on them. Strict verification asks for RECORD itself.
    let records = if options.dry_run && options.verify != Verify::Strict {
        Records::Small
    } else {
        Records::All
    };
    let open = OpenOptions {
        verify: options.verify,
        require_hashes: options.require_hashes,
        records,
    };
    #[cfg(feature = "http")]
    if sources.iter().any(|source| source.path().is_none()) {
        let remote = RemoteWheels::new(open, options, context)?;
        let (wheels, archives) = remote.open_among(&sources, pool, context.events)?;
        return Ok(Opened {
            wheels,
            archives,
            sources,
            remote: Some(remote),
        });
    }
    // Without the feature `http` the parameter would be unused.
    let _ = context;
    let (wheels, archives) = wheel::open_all(pool, &sources, open)?;
    Ok(Opened {
        wheels,
        archives,
        #[cfg(feature = "http")]
        sources: Vec::new(),
        #[cfg(feature = "http")]
        remote: None,
    })
}

impl Opened {
    /// The oddities of all wheels.
    pub fn warnings(&self) -> impl Iterator<Item = Warning> {
        self.wheels
            .iter()
            .flat_map(|wheel| wheel.warnings.iter().cloned())
    }

    /// Reads the RECORDs of these wheels, which were left out when they were opened. Returns the
    /// oddities of the wheels that were not known before.
    ///
    /// # Errors
    /// As [`open`], and [`SourceFault::ChangedOnServer`] if a server has another file by now.
    pub fn read_digests(&mut self, ids: &[WheelId], progress: &dyn Events) -> Result<Vec<Warning>> {
        #[cfg(feature = "http")]
        if let Some(remote) = &self.remote {
            let mut warnings = Vec::new();
            let new = remote.read_digests(&self.missing(ids), progress)?;
            for (id, new) in ids.iter().zip(new) {
                let old = std::mem::replace(&mut self.wheels[id.0 as usize], new);
                let known = |warning: &&Warning| old.warnings.contains(warning);
                let all = self.wheels[id.0 as usize].warnings.iter();
                warnings.extend(all.filter(|warning| !known(warning)).cloned());
            }
            return Ok(warnings);
        }
        // Only a remote wheel can have been opened without its RECORD.
        let _ = (ids, progress);
        Ok(Vec::new())
    }

    /// Calls `work` while those of the `needed` wheels that are not here are downloaded. `work`
    /// gets them as they arrive, or `None` if everything is here already.
    pub fn while_downloading<T>(
        &self,
        needed: &[WheelId],
        progress: &dyn Events,
        work: impl FnOnce(Option<Arrivals<'_>>) -> T,
    ) -> T {
        #[cfg(feature = "http")]
        if let Some(remote) = &self.remote {
            let missing = self.missing(needed);
            if !missing.is_empty() {
                return remote
                    .while_downloading(&missing, progress, |arrivals| work(Some(arrivals)));
            }
        }
        // Without the feature `http` the parameters would be unused.
        let _ = (needed, progress);
        work(None)
    }

    /// Those of the wheels that are not here.
    #[cfg(feature = "http")]
    fn missing(&self, ids: &[WheelId]) -> Vec<Missing<'_>> {
        let ids = ids.iter().filter(|id| !self.archives.is_here(**id));
        let missing = |&id: &WheelId| Missing {
            id,
            source: &self.sources[id.0 as usize],
            preview: &self.wheels[id.0 as usize],
        };
        ids.map(missing).collect()
    }

    /// Oddities of the downloads so far; each is returned once.
    pub fn take_warnings(&self) -> Vec<Warning> {
        #[cfg(feature = "http")]
        if let Some(remote) = &self.remote {
            return remote.take_warnings();
        }
        Vec::new()
    }
}
