//! What a command resolves, as the user named it; plain data.

use std::path::{Path, PathBuf};

use super::super::Document;
use crate::fs;
use crate::source::is_requirement;
use crate::spec::location::{Location, without_credentials};
use crate::spec::pip_configuration::PipConfiguration;
use crate::spec::timestamp::Timestamp;

/// The requirements of a command, where to look for their wheels, and what to prefer. By default
/// nothing.
#[derive(Debug, Default)]
pub struct ResolutionRequest {
    /// Requirements that were named as arguments.
    pub requirements: Vec<String>,
    /// Lists of requirements, and `pyproject.toml` files.
    pub lists: Vec<Document>,
    /// Lists of constraints.
    pub constraints: Vec<Document>,
    /// The extras of the `pyproject.toml` files.
    pub extras: Vec<String>,
    /// The dependency groups of the `pyproject.toml` files.
    pub groups: Vec<String>,
    /// Where to look.
    pub places: Places,
    /// Where pip is configured to look, which counts if nothing else says where.
    pub pip: Places,
    /// Whether pre-releases are as good as final releases.
    pub prereleases: bool,
    /// Whether only the requirements are resolved, and not what they need.
    pub no_deps: bool,
    /// Only files that were uploaded before this time.
    pub before: Option<Timestamp>,
    /// Which installed projects may change although they satisfy everything.
    pub upgrade: Upgrading,
    /// Where to save the installation report of what was resolved, before it is installed.
    pub save_report: Option<PathBuf>,
    /// Where to save it as a lock file.
    pub save_lock: Option<PathBuf>,
}

impl ResolutionRequest {
    /// Whether it was typed what to resolve or where to look, so that every list is resolved.
    pub(in crate::command) fn asks_for_an_index(&self) -> bool {
        let has_page = self
            .places
            .find_links
            .iter()
            .any(|text| Location::is_url(text));
        !self.requirements.is_empty()
            || has_page
            || self.places.name_indexes()
            || !self.places.tied.is_empty()
    }

    /// Takes an argument as a requirement, unless it is a path that exists, a URL, or the name of a
    /// wheel. Returns whether it did.
    pub fn take_argument(&mut self, argument: &Path) -> bool {
        let Some(text) = argument.to_str().filter(|_| is_requirement(argument)) else {
            return false;
        };
        self.requirements.push(text.to_owned());
        true
    }
}

/// Adds what a `pip.conf` says to `places`. A file that is missing or cannot be read is passed
/// over, as by pip.
pub fn pip_places(path: &Path, places: &mut Places) {
    let read = fs::read(path)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let Some(text) = read else {
        return;
    };
    let PipConfiguration {
        index_url,
        extra_index_urls,
        find_links,
        no_index,
    } = PipConfiguration::parse(&text);
    if index_url.is_some() {
        places.index_url = index_url;
    }
    if let Some(urls) = extra_index_urls {
        places.extra_index_urls = urls;
    }
    if let Some(links) = find_links {
        places.find_links = links;
    }
    if let Some(no_index) = no_index {
        places.no_index = no_index;
    }
}

/// Where to look for projects.
#[derive(Debug, Default, Clone)]
pub struct Places {
    /// The address of the index that is asked last; `None` means the public one.
    pub index_url: Option<String>,
    /// The addresses of the indexes that are asked before it, in order.
    pub extra_index_urls: Vec<String>,
    /// Projects, each with the address of the one index that it comes from.
    pub tied: Vec<(String, String)>,
    /// Directories with wheels, and addresses of pages of links.
    pub find_links: Vec<String>,
    /// Whether no index is asked.
    pub no_index: bool,
    /// Whether the versions of all places count, and not only those of the first that knows a
    /// project. A public index can replace a private project then ("dependency confusion").
    pub merges_indexes: bool,
}

impl Places {
    /// These places, and those of pip for what these leave open. Also returns the places that are
    /// pip's, as messages name them.
    pub(super) fn with_pip(&self, pip: &Self) -> (Self, Vec<String>) {
        let (mut all, mut from_pip) = (self.clone(), Vec::new());
        if !self.name_indexes() {
            all.index_url.clone_from(&pip.index_url);
            all.extra_index_urls.clone_from(&pip.extra_index_urls);
            all.no_index = pip.no_index;
            if pip.no_index {
                from_pip.push("--no-index".to_owned());
            } else {
                let urls = pip.extra_index_urls.iter().chain(&pip.index_url);
                from_pip.extend(urls.map(|url| without_credentials(url)));
            }
        }
        if self.find_links.is_empty() {
            all.find_links.clone_from(&pip.find_links);
            let links = pip.find_links.iter();
            from_pip.extend(links.map(|link| without_credentials(link)));
        }
        (all, from_pip)
    }

    /// Whether they name an index, or forbid to ask any.
    pub(super) fn name_indexes(&self) -> bool {
        self.index_url.is_some() || !self.extra_index_urls.is_empty() || self.no_index
    }
}

/// Which installed projects may change although they satisfy everything.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Upgrading {
    /// None.
    #[default]
    Nothing,
    /// Those that the user names.
    Named,
    /// All that are needed.
    Everything,
}
