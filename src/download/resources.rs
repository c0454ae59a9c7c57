//! Small bodies that are held in memory: index pages, metadata files.
//!
//! Input: [`ResourceRequest`]s, from any thread. Output: [`Resource`]s, each address asked for
//! once. Asking never waits; a callback gets the answer and may ask for more, so that a tree of
//! resources is fetched as fast as it becomes known. The cache is looked into on a few threads, as
//! that is work for processors and disks; what it lacks goes to the connections, which resources
//! share with files and get before them. Limits: a body longer than the request's limit is refused;
//! what is kept between commands, and for how long, is the business of [`pages`](super::pages).

use std::collections::HashSet;
use std::io::Read as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Instant;

use url::Url;

use super::client::{Client, RequestHeaders, identity};
use super::errand::{Errand, resource_task};
use super::fetcher::Fetcher;
use super::pages::{Keep, KeptPage, Pages};
use super::queue::{Job, Ran, Task};
use super::ranges::Part;
use super::retry::{Attempts, FetchError};
use super::urgency::Urgency;
use super::waits::{HeardBody, Waits};
use crate::archive::{GzipError, gunzip};
use crate::cancellation::Cancellation;
use crate::error::{Error, NetworkFault, Result};
use crate::spec::location::{label_of, request_url};
use crate::threads::OnPanic;

/// A small body to fetch.
#[derive(Debug, Clone)]
pub struct ResourceRequest {
    /// Its address, which may hold credentials.
    pub url: Url,
    /// The value of `Accept`, if the server offers several forms.
    pub accept: Option<String>,
    /// Whether the server may compress the body with `gzip`.
    pub gzip: bool,
    /// The most bytes that the body may have, also when it is decompressed.
    pub limit: u64,
    /// How the answer is kept between commands.
    pub keep: Keep,
    /// The name of the form in which the caller keeps the answer, with [`Resource::keep`]; `None`
    /// if the body is kept as it comes.
    pub form: Option<&'static str>,
    /// Whether somebody waits for the answer.
    pub urgency: Urgency,
}

/// An answer whose status is 2xx, 404 or 410.
#[derive(Debug)]
pub struct Resource {
    /// The address that answered, after all redirects: relative links start from it.
    pub url: Url,
    /// The status of the answer.
    pub status: u16,
    /// The value of `Content-Type`, if there is one that is text.
    pub content_type: Option<String>,
    /// The body, decompressed; or what was kept of it, in the form that the request names.
    pub body: Vec<u8>,
    /// Whether `body` is in that form.
    pub is_in_form: bool,
    unkept: Option<UnkeptPage>,
}

/// An answer that its receiver keeps.
struct UnkeptPage {
    page: KeptPage,
    form: &'static str,
    key: String,
    keeping: Keeping,
}

/// Counts as an answer that is about to be kept.
struct Keeping(Arc<Resources>);

impl Keeping {
    fn begin(resources: &Arc<Resources>) -> Self {
        *resources.lock_keeping() += 1;
        Self(Arc::clone(resources))
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        *self.0.lock_keeping() -= 1;
        self.0.kept.notify_all();
    }
}

impl std::fmt::Debug for UnkeptPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("UnkeptPage").field(&self.key).finish()
    }
}

impl Resource {
    /// Keeps the answer in the form of the request, if it may be kept and is not kept already.
    pub fn keep(self, content: Vec<u8>) {
        if let Some(unkept) = self.unkept {
            let page = unkept.page.in_form(unkept.form, content);
            unkept.keeping.0.pages.write(&unkept.key, &page);
        }
    }
}

/// All resources of a downloader.
pub(super) struct Resources {
    /// The addresses that were asked for.
    asked: Mutex<HashSet<String>>,
    pages: Pages,
    /// How many answers are about to be kept.
    keeping: Mutex<usize>,
    /// Notified when one was kept.
    kept: Condvar,
}

/// Called once on a connection's thread; it should be short.
type Arrived = Box<dyn FnOnce(Result<Resource>) + Send>;

impl Resources {
    pub(super) fn new(pages: Pages) -> Self {
        Self {
            asked: Mutex::default(),
            pages,
            keeping: Mutex::default(),
            kept: Condvar::new(),
        }
    }

    /// Has a resource fetched, unless its address was asked for before; returns whether it was not.
    /// Never waits.
    pub(super) fn want(
        self: &Arc<Self>,
        fetcher: &Arc<Fetcher>,
        request: ResourceRequest,
        arrived: Arrived,
    ) -> bool {
        let key = key_of(&request.url);
        if !self.lock().insert(key.clone()) {
            return false;
        }
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let job = ResourceFetch {
            resources: Arc::clone(self),
            client: Arc::clone(&fetcher.client),
            offline: fetcher.offline,
            cancel: fetcher.cancel.clone(),
            attempts: Mutex::new(fetcher.retry.attempts()),
            arrived: Mutex::new(Some(arrived)),
            request,
            key,
            host,
            kept: OnceLock::new(),
        };
        let job = Arc::new(job);
        if job.request.keep == Keep::Never && !fetcher.offline {
            job.submit(fetcher);
            return true;
        }
        let look_up = LookUp {
            fetch: Arc::clone(&job),
            fetcher: Arc::downgrade(fetcher),
        };
        let errand = Errand::new(move || look_up.run());
        let task = resource_task(errand, job.request.urgency.clone());
        let submitted = fetcher.readers.submit(task);
        if let Err(trouble) = submitted {
            job.end(Err(trouble.into_error(&job.label())));
        }
        true
    }

    /// A content that was kept under this key, which is no address.
    pub(super) fn recall(&self, key: &str, form: &str) -> Option<Vec<u8>> {
        let kept = self.pages.read(key)?;
        kept.has_form(Some(form)).then_some(kept.body)
    }

    /// Keeps a content under this key.
    pub(super) fn remember(&self, key: &str, form: &str, content: Vec<u8>) {
        self.pages.write(key, &KeptPage::of_content(form, content));
    }

    /// Waits until all answers that have come are kept.
    pub(super) fn settle(&self) {
        let mut keeping = self.lock_keeping();
        while *keeping > 0 {
            let waited = self.kept.wait(keeping);
            keeping = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock_keeping(&self) -> MutexGuard<'_, usize> {
        self.keeping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does `work` on a connection's thread for resources.
pub(super) fn run_beside(
    fetcher: &Fetcher,
    urgency: Urgency,
    work: impl FnOnce() + Send + 'static,
) -> Result<()> {
    let task = resource_task(Errand::new(work), urgency);
    (fetcher.scheduler.submit(task))
        .map(drop)
        .map_err(|trouble| trouble.into_error("the parts of a wheel"))
}

/// Does `work` on a thread that looks into the cache. It is dropped if none can be started.
pub(super) fn run_soon(fetcher: &Fetcher, work: impl FnOnce() + Send + 'static) {
    let urgency = Urgency::default();
    urgency.raise();
    let _ = fetcher
        .readers
        .submit(resource_task(Errand::new(work), urgency));
}

/// What identifies an address: all of it but credentials and fragment.
fn key_of(url: &Url) -> String {
    request_url(url).into()
}

/// One resource on its way.
struct ResourceFetch {
    resources: Arc<Resources>,
    client: Arc<Client>,
    offline: bool,
    cancel: Cancellation,
    request: ResourceRequest,
    /// What identifies the address.
    key: String,
    host: String,
    /// The answer of an earlier command, about which the server is asked.
    kept: OnceLock<KeptPage>,
    attempts: Mutex<Attempts>,
    arrived: Mutex<Option<Arrived>>,
}

/// Looks for a resource in the cache, and asks the server if it is not there.
struct LookUp {
    fetch: Arc<ResourceFetch>,
    fetcher: Weak<Fetcher>,
}

impl LookUp {
    fn run(self) {
        if let Some(found) = self.fetch.look_up() {
            self.fetch.end(found);
        } else if let Some(fetcher) = self.fetcher.upgrade() {
            self.fetch.submit(&fetcher);
        }
    }
}

impl Job for ResourceFetch {
    fn run(&self, _: &Part) -> Ran {
        let mut waits = self.attempts().waits();
        waits.begin(Instant::now());
        let result = match self.ask(&mut waits) {
            Ok(resource) => Ok(resource),
            Err(FetchError::Fatal(error)) => Err(error),
            Err(FetchError::Passing(passing)) => {
                let mut attempts = self.attempts();
                waits.end(Instant::now(), true);
                attempts.lose(waits.take());
                match attempts.failed(passing, &self.label()) {
                    Ok(retry) => return Ran::Again(retry.pause),
                    Err(error) => Err(error),
                }
            }
        };
        self.end(result);
        Ran::Done(Ok(()))
    }
}

impl ResourceFetch {
    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How errors name it: without the query, although that may select another page. It is made
    /// only for them, since a long resolution reads thousands of resources.
    fn label(&self) -> String {
        label_of(&self.request.url)
    }

    fn end(&self, result: Result<Resource>) {
        if result.is_err() {
            // Asking again asks the server again.
            self.resources.lock().remove(&self.key);
        }
        // Taken out here: the callback may hold the downloader, which must not be dropped together
        // with this job, while the scheduler is locked.
        let arrived = (self.arrived.lock())
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(arrived) = arrived {
            // What others wait for may then never come.
            let _stop = OnPanic(|| self.cancel.cancel());
            arrived(result);
        }
    }

    /// Has a connection ask the server.
    fn submit(self: &Arc<Self>, fetcher: &Fetcher) {
        let submitted = fetcher.scheduler.submit(Task {
            host: self.host.clone(),
            ..resource_task(Arc::clone(self) as _, self.request.urgency.clone())
        });
        if let Err(trouble) = submitted {
            self.end(Err(trouble.into_error(&self.label())));
        }
    }

    /// The answer that the cache has, or the reason why there will be none; `None` if the server
    /// has to be asked.
    fn look_up(&self) -> Option<Result<Resource>> {
        let keep = self.request.keep;
        let pages = &self.resources.pages;
        let kept = (keep != Keep::Never)
            .then(|| pages.read(&self.key))
            .flatten()
            // One in another form is of no use, not even for asking whether it has changed.
            .filter(|kept| kept.has_form(self.request.form));
        let may_use = |kept: &KeptPage| {
            self.offline || keep == Keep::Forever || (!pages.refresh && kept.is_fresh())
        };
        match kept {
            Some(kept) if may_use(&kept) => Some(Ok(self.resource_of(kept))),
            // Without an answer nothing else is left.
            _ if self.offline => Some(Err(Error::offline(vec![self.label()]))),
            Some(kept) => {
                let _ = self.kept.set(kept);
                None
            }
            None => None,
        }
    }

    /// Asks the server.
    fn ask(&self, waits: &mut Waits) -> std::result::Result<Resource, FetchError> {
        let ResourceRequest { url, keep, .. } = &self.request;
        let pages = &self.resources.pages;
        let mut headers = self.headers();
        headers.extend(
            self.kept
                .get()
                .map(KeptPage::conditions)
                .unwrap_or_default(),
        );
        let patience = self.attempts().left();
        let answer = self.client.get(url, &headers, patience, &self.cancel)?;
        // The server was asked whether something has changed only if that was kept.
        let is_unchanged = answer.status == 304 && self.kept.get().is_some();
        if !is_unchanged && !matches!(answer.status, 200..300 | 404 | 410) {
            return Err(FetchError::of_status(&answer, url, &self.label()));
        }
        let (at, status, length) = (answer.url.clone(), answer.status, answer.length());
        let coding = answer.coding();
        let (fields, body) = answer.into_parts();
        let body = HeardBody {
            body,
            waits,
            patience,
        };
        let body = self.body(body, status, length)?;
        self.client.traffic.received(body.len());
        if let (304, Some(kept)) = (status, self.kept.get()) {
            let kept = kept.clone().confirmed(&fields);
            pages.write(&self.key, &kept);
            return Ok(self.resource_of(kept));
        }
        let body = self.decompressed(coding, body)?;
        let text = |name: &str| Some(fields.get(name)?.to_str().ok()?.to_owned());
        let content_type = text("content-type");
        let (mut body, mut unkept) = (body, None);
        if *keep != Keep::Never && status == 200 {
            let mut page = KeptPage::new(&at, &fields, body);
            if let Some(form) = self.request.form {
                body = std::mem::take(&mut page.body);
                unkept = Some(UnkeptPage {
                    page,
                    form,
                    key: self.key.clone(),
                    keeping: Keeping::begin(&self.resources),
                });
            } else {
                pages.write(&self.key, &page);
                body = page.body;
            }
        }
        Ok(Resource {
            url: at,
            status,
            content_type,
            body,
            is_in_form: false,
            unkept,
        })
    }

    fn resource_of(&self, kept: KeptPage) -> Resource {
        Resource {
            url: kept.url().unwrap_or_else(|| self.request.url.clone()),
            status: 200,
            content_type: kept.content_type().map(str::to_owned),
            body: kept.body,
            is_in_form: self.request.form.is_some(),
            unkept: None,
        }
    }

    /// The body as it was sent, if all of it came.
    fn body(
        &self,
        body: impl std::io::Read,
        status: u16,
        length: Option<u64>,
    ) -> std::result::Result<Vec<u8>, FetchError> {
        let limit = self.request.limit;
        let mut bytes = Vec::new();
        // One byte more shows that the limit is exceeded.
        body.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| FetchError::of(error.into(), &self.request.url, &self.label()))?;
        let received = bytes.len() as u64;
        if received > limit {
            return Err(self.too_long().into());
        }
        // A 304 may have the length of the body that it leaves out (RFC 9110, 8.6).
        if status != 304 && length.is_some_and(|length| length > received) {
            return Err(FetchError::passing("the server broke the connection off"));
        }
        Ok(bytes)
    }

    fn decompressed(
        &self,
        coding: Option<&str>,
        body: Vec<u8>,
    ) -> std::result::Result<Vec<u8>, FetchError> {
        match coding {
            None => Ok(body),
            Some("gzip") if self.request.gzip => match gunzip(&body, self.request.limit) {
                Ok(content) => Ok(content),
                Err(GzipError::TooLong) => Err(self.too_long().into()),
                // A connection that broke looks the same, so it is tried again.
                Err(GzipError::Corrupt(reason)) => Err(FetchError::passing(format!(
                    "the server sent a damaged gzip body: {reason}"
                ))),
            },
            Some(coding) => {
                let why = format!("the server sent the content encoding `{coding}`");
                Err(Error::network(NetworkFault::Status, &self.label(), why).into())
            }
        }
    }

    fn too_long(&self) -> Error {
        let why = format!("its body has more than {} bytes", self.request.limit);
        Error::network(NetworkFault::Status, &self.label(), why)
    }

    fn headers(&self) -> RequestHeaders {
        let encoding = if self.request.gzip {
            ("Accept-Encoding", "gzip".to_owned())
        } else {
            identity()
        };
        let mut headers = vec![encoding];
        headers.extend(self.request.accept.clone().map(|form| ("Accept", form)));
        headers
    }
}
