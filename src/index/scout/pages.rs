//! The pages of projects: which index has one, and which version of it is looked at first.
//!
//! Input: names, and the versions that something needs. Output: facts in [`Scout::projects`], and
//! the metadata of the likely version, which is asked for.

use std::sync::{Arc, PoisonError, Weak};

use url::Url;

use super::{MISSING, Scout, asked_twice};
use crate::download::{Keep, Resource, ResourceRequest, Urgency};
use crate::error::{Error, IndexFault, Result};
use crate::index::merge::Answers;
use crate::index::page::condensed;
use crate::index::project::{IndexedProject, Offered};
use crate::resolve::VersionFilter;
use crate::spec::location::label_of;
use crate::spec::name::ProjectName;
use crate::spec::simple::{self, CONDENSED, CondensedPage, ProjectStatus};
use crate::spec::version::Version;

impl Scout {
    /// Begins to look for the versions of a project. `lead` are the versions that something needs.
    pub(in crate::index) fn want_project(
        self: &Arc<Self>,
        name: &ProjectName,
        lead: Option<VersionFilter>,
    ) {
        let Some(urgency) = self.projects.claim(name) else {
            return;
        };
        let wheels = self.links.get(name);
        if self.settings.locations.merges(name) {
            self.ask_all_indexes(name, wheels.cloned(), lead, &urgency);
        } else if let Some(wheels) = wheels {
            let accepts = &self.settings.acceptance;
            let project = IndexedProject::of_wheels(name, wheels.clone(), accepts);
            self.projects.put(name, Ok(Arc::new(project)));
        } else {
            self.ask_index(name, 0, lead, urgency);
        }
    }

    /// Asks the `number`-th index for a project, and the next one if that does not know it.
    fn ask_index(
        self: &Arc<Self>,
        name: &ProjectName,
        number: usize,
        lead: Option<VersionFilter>,
        urgency: Urgency,
    ) {
        let pages = self.settings.locations.pages(name);
        let Some((index, url)) = pages.into_iter().nth(number) else {
            // No index knows it.
            self.projects.put(name, Ok(Arc::default()));
            return;
        };
        let (project, next) = (name.clone(), urgency.clone());
        let arrived = move |scout: Arc<Self>, answer: Result<Resource>| match answer {
            Ok(page) if MISSING.contains(&page.status) => {
                scout.ask_index(&project, number + 1, lead, next);
            }
            Ok(page) => scout.read_page(&project, &index.label(), page, |read| {
                scout.put_project(&project, read, lead.as_ref());
            }),
            Err(error) => scout.projects.put(&project, Err(error)),
        };
        if !self.ask_page(&url, urgency, arrived) {
            // Two projects have different addresses, so only a redirecting index gets here.
            self.projects.put(name, Err(asked_twice(&url)));
        }
    }

    /// Asks all indexes for a project at the same time, and merges their answers with `wheels`,
    /// which come before all of them.
    fn ask_all_indexes(
        self: &Arc<Self>,
        name: &ProjectName,
        wheels: Option<Vec<(Version, Offered)>>,
        lead: Option<VersionFilter>,
        urgency: &Urgency,
    ) {
        let accepts = &self.settings.acceptance;
        let wheels = wheels.map(|wheels| IndexedProject::of_wheels(name, wheels, accepts));
        let pages = self.settings.locations.pages(name);
        let answers = Arc::new(Answers::new(pages.len(), wheels));
        let lead = Arc::new(lead);
        for (number, (index, url)) in pages.into_iter().enumerate() {
            let (answers, lead) = (Arc::clone(&answers), Arc::clone(&lead));
            let project = name.clone();
            let arrived = move |scout: Arc<Self>, answer: Result<Resource>| {
                let note = |answer: Result<Option<IndexedProject>>| {
                    let accepts = &scout.settings.acceptance;
                    if let Some(merged) = answers.put(number, answer, &project, accepts) {
                        scout.put_project(&project, merged, lead.as_ref().as_ref());
                    }
                };
                match answer {
                    Ok(page) if MISSING.contains(&page.status) => note(Ok(None)),
                    Ok(page) => scout.read_page(&project, &index.label(), page, |read| {
                        note(read.map(Some));
                    }),
                    Err(error) => note(Err(error)),
                }
            };
            if !self.ask_page(&url, urgency.clone(), arrived) {
                // This answer stays missing, so that nothing replaces the error.
                self.projects.put(name, Err(asked_twice(&url)));
                return;
            }
        }
    }

    /// Asks for a page. Returns false if its address was asked for before.
    fn ask_page(
        self: &Arc<Self>,
        url: &Url,
        urgency: Urgency,
        arrived: impl FnOnce(Arc<Self>, Result<Resource>) + Send + 'static,
    ) -> bool {
        let request = ResourceRequest {
            url: url.clone(),
            accept: Some(simple::ACCEPT.to_owned()),
            gzip: true,
            limit: simple::MOST_BYTES,
            keep: Keep::UntilStale,
            form: Some(CONDENSED),
            urgency,
        };
        let scout = Arc::downgrade(self);
        self.downloader.want(request, move |answer| {
            if let Some(scout) = Weak::upgrade(&scout) {
                arrived(scout, answer);
            }
        })
    }

    fn read_page(
        &self,
        name: &ProjectName,
        index: &str,
        mut answer: Resource,
        done: impl FnOnce(Result<IndexedProject>),
    ) {
        let (page, keep) = match condensed(name, &mut answer) {
            Ok((page, keep)) => (Ok(page), keep),
            Err(error) => (Err(error), None),
        };
        // Those that wait go on before the page is written to the cache.
        done(page.and_then(|page| self.project_of(name, index, &answer.url, page)));
        if let Some(content) = keep {
            answer.keep(content);
        }
    }

    fn put_project(
        self: &Arc<Self>,
        name: &ProjectName,
        read: Result<IndexedProject>,
        lead: Option<&VersionFilter>,
    ) {
        let read = read.map(Arc::new);
        let found = read.as_ref().ok().cloned();
        if let Some(found) = &found
            && found.status != ProjectStatus::Active
        {
            let mut remarks = self.remarks.lock().unwrap_or_else(PoisonError::into_inner);
            remarks.push((name.clone(), found.status.clone()));
        }
        self.projects.put(name, read);
        // Wants the metadata of the version that will most likely be taken.
        if let Some(found) = found
            && let Some(version) = self.likely(name, &found, lead)
        {
            self.want_metadata(name, &version, &found);
        }
    }

    fn project_of(
        &self,
        name: &ProjectName,
        index: &str,
        at: &Url,
        page: CondensedPage,
    ) -> Result<IndexedProject> {
        if let ProjectStatus::Quarantined(reason) = &page.status {
            let fault = IndexFault::Quarantined {
                project: name.to_string(),
                reason: reason.clone(),
            };
            return Err(Error::wheel(&label_of(at), fault));
        }
        let accepts = &self.settings.acceptance;
        Ok(IndexedProject::of_page(name, page, at, index, accepts))
    }

    /// The version that will be taken if nothing else has a say.
    fn likely(
        &self,
        name: &ProjectName,
        project: &IndexedProject,
        lead: Option<&VersionFilter>,
    ) -> Option<Version> {
        let ahead = &self.settings.ahead;
        let stated = ahead
            .stated
            .get(name)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let candidates = &project.candidates;
        let all = candidates.versions();
        let will_do = |position: &usize| {
            let version = &all[*position];
            let is_wanted = lead.is_none_or(|set| set(version))
                && stated.iter().all(|set| set.contains(version));
            // The state takes longest to find out.
            is_wanted && {
                let state = candidates.state(*position);
                state.rejection.is_none() && state.yanked.is_none()
            }
        };
        let preferred = |position: &usize| ahead.prereleases || !all[*position].is_prerelease();
        let positions = || (0..all.len()).rev();
        let found = positions().filter(preferred).find(will_do);
        let found = found.or_else(|| positions().find(will_do))?;
        Some(all[found].clone())
    }
}
