//! From requirements to one version of each project.
//!
//! Input: [`Wanted`], and [`KnownProjects`], which tells versions and dependencies. Output: a
//! [`Resolution`], or an error that proves why there is none. The search itself is that of the
//! crate `pubgrub`, which only this module names. Invariants: nothing is read, fetched or run here;
//! the answer depends on what `KnownProjects` says and not on when it says it.

mod answer;
mod demands;
mod explain;
mod known;
mod order;
mod package;
mod proof;
mod provider;
mod ranges;
mod resolution;
mod search;
mod solver_set;
mod stop;
#[cfg(test)]
mod tests;
mod versions;
mod wanted;
mod wording;

pub(crate) use known::{
    Candidates, Dependencies, KnownProjects, OtherHash, Rejection, VersionFilter, VersionState,
    VersionStates,
};
pub(crate) use resolution::{Resolution, ResolutionWarning, ResolvedProject, Via};
pub(crate) use wanted::{RequirementOrigin, StatedRequirement, Upgrade, Wanted};

use pubgrub::PubGrubError;

use self::demands::Demands;
use self::package::SolverPackage;
use self::proof::ProofFacts;
use self::ranges::VersionArena;
use self::search::Search;
use self::solver_set::SolverVersion;
use self::stop::SearchEnd;
use crate::error::{Error, Result};
use crate::spec::version::Version;

/// The versions that satisfy everything that is wanted.
///
/// Where there are several answers it prefers, in this order: what is installed, unless it is to
/// be upgraded; final releases; higher versions, of what is wanted first before what others need.
///
/// # Errors
/// An error of the kind [`Unsolvable`](crate::error::ErrorKind::Unsolvable) that explains why there
/// is no answer, or that the search was given up; else the first error of `known`.
pub(crate) fn solve(wanted: &Wanted, known: &dyn KnownProjects) -> Result<Resolution> {
    let arena = VersionArena::new();
    let demands = Demands::new(wanted, &arena)?;
    let search = Search::new(demands, known, &arena);
    // The command has one version, whatever its number.
    let version = SolverVersion::alone(arena.alloc(Version::parse("0").expect("a version")));
    loop {
        let stop = match pubgrub::resolve(&search, SolverPackage::Root, version) {
            Ok(solution) => match answer::resolution(&search, &solution) {
                Ok(resolution) => return Ok(resolution),
                Err(stop) => stop,
            },
            Err(PubGrubError::NoSolution(derivation)) => {
                let facts = ProofFacts::of(derivation);
                return Err(Error::unsolvable(explain::contradiction(&search, &facts)));
            }
            Err(
                PubGrubError::ErrorRetrievingDependencies { source, .. }
                | PubGrubError::ErrorChoosingVersion { source, .. }
                | PubGrubError::ErrorInShouldCancel(source),
            ) => source,
        };
        let stop = match stop {
            SearchEnd::Reorder => search.begin_round().err(),
            stop => Some(stop),
        };
        match stop {
            None | Some(SearchEnd::Reorder) => {}
            Some(SearchEnd::Failed(error)) => return Err(error),
            Some(SearchEnd::GiveUp) => {
                return Err(Error::unsolvable(explain::given_up(&search)));
            }
        }
    }
}
