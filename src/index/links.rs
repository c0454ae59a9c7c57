//! Directories with wheels, and pages of links (`--find-links` of pip).
//!
//! Input: their locations. Output: the wheels by project. Limits: they are read once, at the start;
//! subdirectories are not looked into; files that are no wheels are passed over.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use url::Url;

use super::awaited::Awaited;
use super::project::Offered;
use crate::download::{Downloader, Keep, Resource, ResourceRequest};
use crate::error::{Error, IndexFault, NetworkFault, Result};
use crate::fs;
use crate::spec::location::{Location, label_of};
use crate::spec::name::ProjectName;
use crate::spec::simple::{self, Page};
use crate::spec::version::Version;
use crate::spec::wheel_name::WheelName;

/// The wheels of directories and pages of links, by project.
pub(super) type Links = BTreeMap<ProjectName, Vec<(Version, Offered)>>;

/// Reads all directories and pages.
pub(super) fn read(downloader: &Downloader, locations: &[Location]) -> Result<Links> {
    let mut links = Links::new();
    let pages = Arc::new(Awaited::new());
    let remote = || {
        locations.iter().filter_map(|location| match location {
            Location::Url(url) => Some(url),
            Location::File(_) => None,
        })
    };
    // All are asked for before any is waited for.
    for url in remote() {
        ask(downloader, url, &pages);
    }
    for location in locations {
        match location {
            Location::File(path) => directory(path, &mut links)?,
            Location::Url(url) => {
                let page = pages.wait(url, downloader.cancel())?;
                page_of_links(&page, &mut links)?;
            }
        }
    }
    Ok(links)
}

fn add(links: &mut Links, name: WheelName, wheel: Offered) {
    links
        .entry(name.name)
        .or_default()
        .push((name.version, wheel));
}

fn directory(path: &Path, links: &mut Links) -> Result<()> {
    for (file_name, _) in fs::list(path)? {
        let Some(file_name) = file_name.to_str() else {
            continue;
        };
        if let Ok(name) = WheelName::parse(file_name) {
            add(links, name, Offered::local(path.join(file_name), file_name));
        }
    }
    Ok(())
}

fn ask(downloader: &Downloader, url: &Url, pages: &Arc<Awaited<Url, Resource>>) {
    let Some(urgency) = pages.claim(url) else {
        return;
    };
    let request = ResourceRequest {
        url: url.clone(),
        accept: Some(simple::ACCEPT.to_owned()),
        gzip: true,
        limit: simple::MOST_BYTES,
        keep: Keep::UntilStale,
        form: None,
        urgency,
    };
    let (pages, key) = (Arc::clone(pages), url.clone());
    downloader.want(request, move |answer| {
        pages.put(&key, answer.map(Arc::new));
    });
}

fn page_of_links(answer: &Resource, links: &mut Links) -> Result<()> {
    let label = label_of(&answer.url);
    if answer.status != 200 {
        let why = format!("the server answered with status {}", answer.status);
        return Err(Error::network(NetworkFault::Status, &label, why));
    }
    let content_type = answer.content_type.as_deref().unwrap_or_default();
    let page = Page::parse_links(content_type, &answer.body)
        .map_err(|fault: IndexFault| Error::wheel(&label, fault))?;
    let base = page
        .base
        .as_deref()
        .and_then(|base| answer.url.join(base).ok());
    let base = base.as_ref().unwrap_or(&answer.url);
    for wheel in page.links {
        if let Ok(name) = WheelName::parse(&wheel.file_name)
            && let Some(offered) = Offered::of(wheel, base)
        {
            add(links, name, offered);
        }
    }
    Ok(())
}
