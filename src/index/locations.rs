//! Which indexes are asked for a project, and in which order.
//!
//! Input: the indexes of the command, of its lists and of pip's configuration. Output: the
//! addresses of a project's page, in the order in which they are asked. Invariant: unless the user
//! asks to merge them, the first index that knows a project decides alone, so a public index cannot
//! offer a higher version of a private project ("dependency confusion"). Limits: an
//! index is an `http` or `https` address.

use std::collections::BTreeMap;

use url::Url;

use crate::error::{Error, Result};
use crate::spec::location::without_credentials;
use crate::spec::name::ProjectName;

/// The public index of Python projects.
///
/// # Panics
/// Never: the address is well formed.
// The one place that states it: everything else takes the address from here.
pub fn default_index() -> Url {
    let service = "pypi";
    let address = format!("https://{service}.org/simple/");
    Url::parse(&address).expect("the address is well formed")
}

/// The indexes, in the order in which they are asked.
#[derive(Debug, Clone, Default)]
pub struct Locations {
    indexes: Vec<IndexUrl>,
    /// The index that each of these projects comes from, and from no other.
    by_project: BTreeMap<ProjectName, IndexUrl>,
    /// Whether the versions of all indexes count, and not only those of the first one.
    is_merged: bool,
}

/// The address of an index. It ends in a slash and may hold credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct IndexUrl(Url);

/// Without credentials.
impl std::fmt::Debug for IndexUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.label())
    }
}

impl IndexUrl {
    /// Reads the address of an index.
    ///
    /// # Errors
    /// It is not an `http` or `https` address.
    pub fn parse(text: &str) -> Result<Self> {
        let shown = || without_credentials(text);
        let mut url = Url::parse(text.trim())
            .map_err(|_| Error::usage(format!("`{}` is not the address of an index", shown())))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            let message = format!(
                "`{}` is not the address of an index: only `http` and `https` can be asked",
                shown()
            );
            return Err(Error::usage(message));
        }
        url.set_fragment(None);
        // Relative to an address without the slash, the project's name would replace its last part.
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Ok(Self(url))
    }

    /// The address of a project's page.
    fn page(&self, project: &ProjectName) -> Url {
        let mut url = self.0.clone();
        // Normalized names are safe in an address.
        url.set_path(&format!("{}{}/", url.path(), project.normalized()));
        url
    }

    /// Its name in messages: the address without credentials.
    pub fn label(&self) -> String {
        crate::spec::location::label_of(&self.0)
    }
}

impl From<Url> for IndexUrl {
    fn from(url: Url) -> Self {
        Self(url)
    }
}

impl Locations {
    /// These indexes, in this order; an address that occurs again is left out.
    pub fn new(indexes: impl IntoIterator<Item = IndexUrl>) -> Self {
        let mut unique: Vec<IndexUrl> = Vec::new();
        for index in indexes {
            if !unique.contains(&index) {
                unique.push(index);
            }
        }
        Self {
            indexes: unique,
            by_project: BTreeMap::new(),
            is_merged: false,
        }
    }

    /// Lets the versions of all indexes count.
    pub fn merge(&mut self) {
        self.is_merged = true;
    }

    /// How many indexes there are for projects that are not tied to one.
    pub fn count(&self) -> usize {
        self.indexes.len()
    }

    /// Whether the versions of several indexes are merged for this project.
    pub(super) fn merges(&self, project: &ProjectName) -> bool {
        // Without an index there is nothing to wait for: directories alone are enough.
        self.is_merged && !self.indexes.is_empty() && !self.by_project.contains_key(project)
    }

    /// Ties a project to one index.
    pub fn tie(&mut self, project: ProjectName, index: IndexUrl) {
        self.by_project.insert(project, index);
    }

    /// The addresses of a project's page, each with its index, in the order in which they are
    /// asked.
    pub(super) fn pages(&self, project: &ProjectName) -> Vec<(IndexUrl, Url)> {
        let indexes = match self.by_project.get(project) {
            Some(tied) => std::slice::from_ref(tied),
            None => &self.indexes,
        };
        let page = |index: &IndexUrl| (index.clone(), index.page(project));
        indexes.iter().map(page).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ProjectName {
        ProjectName::parse(text).expect("a name")
    }

    fn index(text: &str) -> IndexUrl {
        IndexUrl::parse(text).expect("an index")
    }

    #[test]
    fn pages_are_below_the_index_in_its_order() {
        let (one, two) = (
            index("https://u:p@h.example/root?x=1"),
            index("http://i.example/s/"),
        );
        let mut locations = Locations::new([one.clone(), two.clone(), one]);
        let pages = |project: &str, locations: &Locations| -> Vec<String> {
            let pages = locations.pages(&name(project)).into_iter();
            pages.map(|(_, url)| url.to_string()).collect()
        };
        let expected = [
            "https://u:p@h.example/root/my-project/?x=1",
            "http://i.example/s/my-project/",
        ];
        assert_eq!(pages("My.Project", &locations), expected);
        locations.tie(name("my_project"), two);
        assert_eq!(pages("My.Project", &locations), expected[1..]);
        locations.merge();
        assert!(locations.merges(&name("other")) && !locations.merges(&name("my_project")));
        assert_eq!(locations.indexes[0].label(), "https://h.example/root/");
    }

    #[test]
    fn an_index_is_an_http_address_and_credentials_are_not_shown() {
        for text in [
            "h.example/simple",
            "ftp://u:p@h/simple",
            "file:///simple",
            "https://",
        ] {
            let error = IndexUrl::parse(text).expect_err(text);
            assert_eq!(error.code(), "usage");
            assert!(!error.to_string().contains("u:p"), "{error}");
        }
    }
}
