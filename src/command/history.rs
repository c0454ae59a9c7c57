//! `history`: the transactions of an environment.

use super::session::look;
use super::{Context, Options};
use crate::environment::Environment;
use crate::error::Result;
use crate::transaction::{self, PastTransaction};

/// The transactions of an environment since the first one that ran with [`Options::undoable`],
/// oldest first. Of very many only the last thousand are there.
///
/// # Errors
/// If the environment cannot be read, or others could have written its history.
pub fn history(
    environment: &Environment,
    options: &Options,
    context: Context<'_>,
) -> Result<Vec<PastTransaction>> {
    look(environment, options, context, |session| {
        transaction::past(context.fs, &session.layout)
    })
}
