//! Small bodies that are held in memory: index pages, metadata files.
//!
//! Input: [`ResourceRequest`]s, from any thread. Output: [`Resource`]s, each address fetched once.
//! Asking never waits; a callback on arrival may ask for more, so that a tree of resources is
//! fetched as fast as it becomes known. Resources share the connections with files and go before
//! them. Limits: nothing is written to a cache; a body longer than the request's limit is refused.

use std::collections::HashMap;
use std::io::Read as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use url::Url;

use super::client::{Client, RequestHeaders, identity};
use super::fetcher::{Fetcher, PAUSE};
use super::queue::{Class, Job, Ran, Task};
use super::ranges::Part;
use super::response::HeaderFields;
use super::retry::{Attempts, FetchError};
use crate::error::{Error, NetworkFault, Result};
use crate::spec::location::label_of;
use crate::threads::Cancel;

/// A small body to fetch.
#[derive(Debug, Clone)]
pub struct ResourceRequest {
    /// Its address, which may hold credentials.
    pub url: Url,
    /// The value of `Accept`, if the server offers several forms.
    pub accept: Option<String>,
    /// The entity tag of a copy that the caller has: the server may answer that it is still the
    /// same (status 304).
    pub etag: Option<String>,
    /// Whether the body may be compressed by `gzip`. The caller decompresses it if
    /// `Content-Encoding` says so.
    pub gzip: bool,
    /// The most bytes that the body may have.
    pub limit: u64,
}

/// An answer whose status is 2xx, 304, 404 or 410.
#[derive(Debug)]
pub struct Resource {
    /// The address that answered, after all redirects: relative links start from it.
    pub url: Url,
    /// The status of the answer.
    pub status: u16,
    /// The body as it was sent.
    pub body: Vec<u8>,
    fields: HeaderFields,
}

impl Resource {
    /// The value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.to_str().ok()
    }
}

/// All resources of a downloader, by address.
#[derive(Default)]
pub(super) struct Resources {
    entries: Mutex<HashMap<String, ResourceState>>,
    /// Notified when an entry is no longer pending.
    ended: Condvar,
}

enum ResourceState {
    Pending,
    Ready(Arc<Resource>),
    Failed(Error),
}

/// Called on a connection's thread; it should be short.
type Arrived = Box<dyn FnOnce(&Arc<Resource>) + Send>;

impl Resources {
    /// Has a resource fetched, unless its address was asked for before; returns whether it was not.
    /// Never waits.
    pub(super) fn want(
        self: &Arc<Self>,
        fetcher: &Fetcher,
        request: ResourceRequest,
        arrived: Arrived,
    ) -> bool {
        let label = label_of(&request.url);
        let mut entries = self.lock();
        if entries.contains_key(&label) {
            return false;
        }
        // This precedes the queueing: a quick answer must not be overwritten.
        entries.insert(label.clone(), ResourceState::Pending);
        drop(entries);
        if fetcher.offline {
            self.end(&label, Err(Error::offline(vec![label.clone()])));
            return true;
        }
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let job = ResourceFetch {
            resources: Arc::clone(self),
            client: Arc::clone(&fetcher.client),
            cancel: fetcher.cancel.clone(),
            attempts: Mutex::new(fetcher.retry.attempts()),
            arrived: Mutex::new(Some(arrived)),
            request,
            label: label.clone(),
        };
        let submitted = fetcher.scheduler.submit(Task {
            job: Arc::new(job),
            class: Class::Resource,
            host,
            parts: vec![Part::Whole],
            split: None,
            results: None,
        });
        if let Err(trouble) = submitted {
            self.end(&label, Err(trouble.into_error(&label)));
        }
        true
    }

    /// A resource, which is asked for if it was not before. Waits for it. A failure is returned
    /// once; asking again asks the server again.
    pub(super) fn get(
        self: &Arc<Self>,
        fetcher: &Fetcher,
        request: &ResourceRequest,
    ) -> Result<Arc<Resource>> {
        let label = label_of(&request.url);
        loop {
            self.want(fetcher, request.clone(), Box::new(|_| ()));
            let mut entries = self.lock();
            while let Some(ResourceState::Pending) = entries.get(&label) {
                fetcher.cancel.check()?;
                // Cancelling notifies no condition variable, so the wait has to look at the token.
                let waited = self.ended.wait_timeout(entries, PAUSE);
                entries = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            match entries.remove(&label) {
                Some(ResourceState::Ready(resource)) => {
                    entries.insert(label, ResourceState::Ready(Arc::clone(&resource)));
                    return Ok(resource);
                }
                Some(ResourceState::Failed(error)) => return Err(error),
                // Another caller took the failure; this one asks again.
                _ => {}
            }
        }
    }

    fn end(&self, label: &str, result: Result<Arc<Resource>>) {
        let entry = match result {
            Ok(resource) => ResourceState::Ready(resource),
            Err(error) => ResourceState::Failed(error),
        };
        self.lock().insert(label.to_owned(), entry);
        self.ended.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, ResourceState>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One resource on its way.
struct ResourceFetch {
    resources: Arc<Resources>,
    client: Arc<Client>,
    cancel: Cancel,
    request: ResourceRequest,
    label: String,
    attempts: Mutex<Attempts>,
    arrived: Mutex<Option<Arrived>>,
}

impl Job for ResourceFetch {
    fn run(&self, _: &Part) -> Ran {
        let result = match self.fetch() {
            Ok(resource) => Ok(Arc::new(resource)),
            Err(FetchError::Fatal(error)) => Err(error),
            Err(FetchError::Passing(passing)) => {
                let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
                match attempts.failed(passing, &self.label) {
                    Ok(retry) => return Ran::Again(retry.pause),
                    Err(error) => Err(error),
                }
            }
        };
        let resource = result.as_ref().ok().cloned();
        // This precedes the callback, which would wait for ever if it got this resource itself.
        self.resources.end(&self.label, result);
        // Taken after a failure too: the callback may hold the downloader, which must not be
        // dropped together with this job, while the scheduler is locked.
        let arrived = (self.arrived.lock())
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let (Some(resource), Some(arrived)) = (resource, arrived) {
            arrived(&resource);
        }
        Ran::Done(Ok(()))
    }
}

impl ResourceFetch {
    fn fetch(&self) -> std::result::Result<Resource, FetchError> {
        let ResourceRequest { url, limit, .. } = &self.request;
        let answer = self.client.get(url, &self.headers(), &self.cancel)?;
        if !matches!(answer.status, 200..300 | 304 | 404 | 410) {
            return Err(FetchError::of_status(&answer, url, &self.label));
        }
        let (at, status, length) = (answer.url.clone(), answer.status, answer.length());
        let (fields, body) = answer.into_parts();
        let mut bytes = Vec::new();
        // One byte more shows that the limit is exceeded.
        body.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| FetchError::of(error.into(), url, &self.label))?;
        let received = bytes.len() as u64;
        if received > *limit {
            let why = format!("its body has more than {limit} bytes");
            return Err(Error::network(NetworkFault::Status, &self.label, why).into());
        }
        // A 304 may have the length of the body that it leaves out (RFC 9110, 8.6).
        if status != 304 && length.is_some_and(|length| length > received) {
            return Err(FetchError::passing("the server broke the connection off"));
        }
        Ok(Resource {
            url: at,
            status,
            body: bytes,
            fields,
        })
    }

    fn headers(&self) -> RequestHeaders {
        let encoding = if self.request.gzip {
            ("Accept-Encoding", "gzip".to_owned())
        } else {
            identity()
        };
        let mut headers = vec![encoding];
        headers.extend(self.request.accept.clone().map(|form| ("Accept", form)));
        let etag = self.request.etag.clone();
        headers.extend(etag.map(|tag| ("If-None-Match", tag)));
        headers
    }
}
