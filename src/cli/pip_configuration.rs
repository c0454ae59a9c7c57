//! Where pip is configured to look: its variables and files, read as pip reads them.
//!
//! Input: `PIP_…` variables and `pip.conf` files. Output: [`Places`]. Invariant: variables win over
//! files, and of the files the later in pip's order wins: system, user, environment,
//! `PIP_CONFIG_FILE`. Limits: files that are missing or cannot be read are passed over, as by pip.

use std::path::PathBuf;

use pkg_install::command::{Places, pip_places};
use pkg_install::error::Result;

/// Where pip is configured to look.
pub fn places() -> Result<Places> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let mut places = Places::default();
    for path in files() {
        pip_places(&path, &mut places);
    }
    let words = |text: String| text.split_whitespace().map(str::to_owned).collect();
    if let Some(url) = variable("PIP_INDEX_URL") {
        places.index_url = Some(url);
    }
    if let Some(urls) = variable("PIP_EXTRA_INDEX_URL") {
        places.extra_index_urls = words(urls);
    }
    if let Some(links) = variable("PIP_FIND_LINKS") {
        places.find_links = words(links);
    }
    if let Some(flag) = variable("PIP_NO_INDEX") {
        places.no_index = !matches!(flag.to_lowercase().as_str(), "0" | "false" | "no" | "off");
    }
    Ok(places)
}

/// The files that pip reads, those that win last.
fn files() -> Vec<PathBuf> {
    let path = |name: &str| {
        let value = std::env::var_os(name).filter(|value| !value.is_empty());
        value.map(PathBuf::from)
    };
    let named = path("PIP_CONFIG_FILE");
    if named
        .as_deref()
        .is_some_and(|path| path.as_os_str() == "/dev/null")
    {
        return Vec::new();
    }
    let mut files = Vec::new();
    if let Some(directories) = std::env::var_os("XDG_CONFIG_DIRS").filter(|text| !text.is_empty()) {
        let mut all: Vec<_> = std::env::split_paths(&directories).collect();
        // The first directory of the variable is the most important one.
        all.reverse();
        files.extend(
            all.into_iter()
                .map(|directory| directory.join("pip/pip.conf")),
        );
    } else {
        files.push("/etc/xdg/pip/pip.conf".into());
    }
    files.push("/etc/pip.conf".into());
    let home = path("HOME");
    files.extend(home.as_ref().map(|home| home.join(".pip/pip.conf")));
    let user = path("XDG_CONFIG_HOME").or_else(|| Some(home?.join(".config")));
    files.extend(user.map(|user| user.join("pip/pip.conf")));
    files.extend(path("VIRTUAL_ENV").map(|environment| environment.join("pip.conf")));
    files.extend(named);
    files
}
