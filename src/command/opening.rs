//! From sources to wheels: those that are here are opened whole, those that are elsewhere are
//! looked at.
//!
//! Input: [`Source`]s. Output: [`Opened`], the wheels in the same order, and what will bring those
//! that are not here yet.

use super::{Context, Options};
use crate::error::Result;
use crate::outcome::{Progress, Warning};
use crate::source::Source;
use crate::spec::record::Verify;
use crate::stage::Bring;
use crate::threads::Pool;
use crate::wheel::{self, OpenOptions, Records, Wheel};

/// Wheels that can be planned with.
pub struct Opened {
    /// The wheels, one a source.
    pub wheels: Vec<Wheel>,
    /// What brings those that are not here.
    pub coming: Option<Box<dyn Coming>>,
}

impl Opened {
    /// What is odd about any wheel.
    pub fn warnings(&self) -> impl Iterator<Item = Warning> {
        self.wheels
            .iter()
            .flat_map(|wheel| wheel.warnings.iter().cloned())
    }

    /// Reads what was left out of any wheel; false where nothing was.
    ///
    /// # Errors
    /// As where they were opened.
    pub fn look_closer(&mut self, progress: &dyn Progress) -> Result<bool> {
        let coming = self
            .coming
            .as_deref()
            .filter(|_| !self.wheels.iter().all(Wheel::is_record_read));
        let Some(coming) = coming else {
            return Ok(false);
        };
        coming.look_closer(&mut self.wheels, progress)?;
        Ok(true)
    }
}

/// What brings wheels from elsewhere.
pub trait Coming: Bring {
    /// Reads what was left out of a [preview](Wheel::preview), of all wheels of [`Opened`].
    ///
    /// # Errors
    /// As where they were opened.
    fn look_closer(&self, wheels: &mut [Wheel], progress: &dyn Progress) -> Result<()>;

    /// What was odd so far; told once.
    fn take_warnings(&self) -> Vec<Warning>;
}

/// Opens all wheels.
///
/// # Errors
/// Every fault of every wheel; a failure to read comes first.
pub fn open(
    sources: &[Source],
    options: &Options,
    pool: &Pool,
    context: Context<'_>,
) -> Result<Opened> {
    // What nobody will install does not need all of its RECORD, as long as nothing asks for a
    // digest.
    let records = if options.dry_run && options.verify != Verify::Strict {
        Records::Small
    } else {
        Records::All
    };
    let Options {
        verify,
        require_hashes,
        direct_url,
        ..
    } = *options;
    let open = OpenOptions {
        verify,
        require_hashes,
        direct_url,
        records,
    };
    #[cfg(feature = "http")]
    if sources.iter().any(|source| source.path().is_none()) {
        return super::fetching::open(sources, open, options, pool, context);
    }
    let _ = context;
    Ok(Opened {
        wheels: wheel::open_all(pool, sources, open)?,
        coming: None,
    })
}
