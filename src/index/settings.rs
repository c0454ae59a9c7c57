//! How an index is asked; plain data.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::acceptance::Acceptance;
use super::locations::Locations;
use crate::digest::Digest;
use crate::spec::location::Location;
use crate::spec::marker::MarkerEnvironment;
use crate::spec::name::ProjectName;
use crate::spec::version::{Specifiers, Version};

/// How an index is asked, and for what.
#[derive(Debug)]
pub struct IndexSettings {
    /// The indexes.
    pub locations: Locations,
    /// Directories with wheels and pages of links, which come before the indexes.
    pub find_links: Vec<Location>,
    /// What a wheel has to be in order to be used.
    pub acceptance: Arc<Acceptance>,
    /// The wheels that requirements name by address, by project: nothing else of it is looked for.
    pub direct: BTreeMap<ProjectName, DirectWheel>,
    /// The installed projects whose version may stay, and the path of their METADATA.
    pub installed: BTreeMap<ProjectName, (Version, PathBuf)>,
    /// What the scout follows.
    pub ahead: Ahead,
}

/// A wheel that a requirement names by address.
#[derive(Debug, Clone)]
pub struct DirectWheel {
    /// Its path or URL.
    pub location: Location,
    /// The digests that it must have.
    pub digests: Vec<Digest>,
}

/// What is fetched before the solver asks for it. It decides nothing: a wrong guess costs a
/// request.
#[derive(Debug, Default)]
pub struct Ahead {
    /// The values that markers are evaluated with.
    pub environment: MarkerEnvironment,
    /// The sets of versions that requirements and constraints of the command state.
    pub stated: BTreeMap<ProjectName, Vec<Specifiers>>,
    /// Whether pre-releases are as good as final releases.
    pub prereleases: bool,
    /// Whether requirements of requirements are not followed.
    pub no_deps: bool,
}
