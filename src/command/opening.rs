//! From sources to wheels: those that are here are opened whole, those that are elsewhere are looked at.
//!
//! Input: [`Source`]s. Output: [`Opened`], the wheels in the same order, and what will bring those that are not here yet.

use super::{Context, Options};
use crate::error::Result;
use crate::report::Warning;
use crate::source::Source;
use crate::stage::Bring;
use crate::wheel::{self, OpenOptions, Pool, Wheel};

/// Wheels that can be planned with.
pub struct Opened {
    /// The wheels, one a source.
    pub wheels: Vec<Wheel>,
    /// What brings those that are not here.
    pub coming: Option<Box<dyn Coming>>,
}

/// What brings wheels from elsewhere.
pub trait Coming: Bring {
    /// What was odd so far; told once.
    fn take_warnings(&self) -> Vec<Warning>;
}

/// Opens all wheels.
///
/// # Errors
/// Every fault of every wheel; a failure to read comes first.
pub fn open(sources: &[Source], options: &Options, pool: &Pool, context: Context<'_>) -> Result<Opened> {
    let open =
        OpenOptions { verify: options.verify, require_hashes: options.require_hashes, direct_url: options.direct_url };
    #[cfg(feature = "http")]
    if sources.iter().any(|source| source.path().is_none()) {
        return super::fetching::open(sources, open, options, pool, context);
    }
    let _ = context;
    Ok(Opened { wheels: wheel::open_all(pool, sources, open)?, coming: None })
}
