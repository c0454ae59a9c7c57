//! Requests: connections, proxies, certificates, credentials, redirects.
//!
//! Input: an address and what to ask for. Output: an [`Answer`], whose body is still to be read, or
//! a [`Trouble`]. Invariants: credentials go to the host that they are for and to no other, and
//! stand in no message; nothing leads from https to http; who waits here is interrupted within
//! [`PAUSE`]. Only this file names the HTTP crate's requests.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Proxy};
use url::Url;

use super::netrc::{Login, Netrc};
use super::response::Answer;
use super::retry::{Halt, Trouble};
use super::{Settings, label_of};
use crate::error::{Error, NetworkFault, Result};
use crate::fs;

/// The longest time between two looks at whether the user wants to stop.
pub(super) const PAUSE: Duration = Duration::from_millis(100);
const MOST_REDIRECTS: usize = 10;
const MOST_CERTIFICATE_BYTES: u64 = 1 << 24;
const MOST_NETRC_BYTES: u64 = 1 << 20;

/// Makes requests, from any thread.
pub(super) struct Client {
    routes: Mutex<Routes>,
    make: Box<dyn Fn(Option<Proxy>) -> Agent + Send + Sync>,
    proxies: Proxies,
    netrc: Netrc,
}

/// The agents, each with its own connections: an agent knows one proxy.
struct Routes {
    direct: Agent,
    http: Option<Agent>,
    https: Option<Agent>,
}

struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    /// Hosts that are asked directly.
    without: Vec<String>,
}

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ask {
    /// The value of `Range`; the whole file where there is none.
    pub(super) range: Option<String>,
    /// The value of `If-Range`: the range is wanted of this state of the file, else the whole.
    pub(super) if_range: Option<String>,
}

impl Client {
    /// Reads certificates and netrc; connects to nothing yet.
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        let proxy = |text: &Option<String>| match text
            .as_deref()
            .filter(|text| !text.trim().is_empty())
        {
            None => Ok(None),
            Some(text) => Proxy::new(text.trim()).map(Some).map_err(|_| {
                Error::usage("the address of the proxy cannot be read: write `http://host:port`")
            }),
        };
        let without = settings.no_proxy.as_deref().unwrap_or_default();
        let proxies = Proxies {
            http: proxy(&settings.http_proxy)?,
            https: proxy(&settings.https_proxy)?,
            without: without
                .split([',', ' '])
                .filter(|name| !name.is_empty())
                .map(str::to_lowercase)
                .collect(),
        };
        let netrc = match &settings.netrc {
            Some(path) if fs::stat(path)?.is_some() => Netrc::parse(&String::from_utf8_lossy(
                &fs::read_to_limit(path, MOST_NETRC_BYTES)?,
            )),
            _ => Netrc::default(),
        };
        let make = Box::new(agents(settings, roots(settings)?));
        Ok(Self {
            routes: Mutex::new(Routes::new(&*make, &proxies)),
            make,
            proxies,
            netrc,
        })
    }

    /// Ends every connection, so that who waits for one fails at once. Later requests fail too,
    /// unless `renew`.
    pub(super) fn hang_up(&self, renew: bool) {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = if renew {
            Routes::new(&*self.make, &self.proxies)
        } else {
            routes.same()
        };
        let old = std::mem::replace(&mut *routes, fresh);
        drop(routes);
        for agent in [Some(old.direct), old.http, old.https]
            .into_iter()
            .flatten()
        {
            agent.shutdown();
        }
    }

    /// Asks, follows redirects, and returns the first answer that is none. Its status may say that
    /// it failed.
    pub(super) fn get(
        &self,
        url: &Url,
        ask: &Ask,
        halt: Halt<'_>,
    ) -> std::result::Result<Answer, Trouble> {
        let label = label_of(url);
        let mut at = url.clone();
        let mut seen = Vec::new();
        loop {
            if !matches!(at.scheme(), "http" | "https") || at.host_str().is_none() {
                return Err(Trouble::Fatal(Error::network(
                    NetworkFault::Address,
                    &label,
                    "its address is neither `http` nor `https`",
                )));
            }
            let response = self.send(&at, self.authorization(url, &at), ask, halt)?;
            let answer = Answer::new(response);
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let next = next_address(&at, answer.header("location"), &seen).map_err(|reason| {
                let host = at.host_str().unwrap_or_default();
                Trouble::Fatal(Error::network(
                    NetworkFault::Redirect,
                    &label,
                    format!("`{host}` redirects {reason}"),
                ))
            })?;
            seen.push(std::mem::replace(&mut at, next));
        }
    }

    /// The value of `Authorization` for a request to `at`, which `asked` led to.
    fn authorization(&self, asked: &Url, at: &Url) -> Option<String> {
        let own = login_of(asked).filter(|_| asked.origin() == at.origin());
        let login = own.or_else(|| self.netrc.login(at.host_str()?).cloned())?;
        Some(format!(
            "Basic {}",
            STANDARD.encode(format!("{}:{}", login.name, login.password))
        ))
    }

    /// One request. It runs in a thread of its own: nothing else can end the wait for a name or a
    /// connection.
    fn send(
        &self,
        url: &Url,
        authorization: Option<String>,
        ask: &Ask,
        halt: Halt<'_>,
    ) -> std::result::Result<ureq::http::Response<ureq::Body>, Trouble> {
        halt.check()?;
        let mut request = self
            .agent(url)
            .get(bare(url).as_str())
            .header("Accept-Encoding", "identity");
        for (name, value) in [
            ("Authorization", authorization),
            ("Range", ask.range.clone()),
            ("If-Range", ask.if_range.clone()),
        ] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let (sender, receiver) = sync_channel(1);
        let thread = std::thread::Builder::new().name("request".to_owned());
        // Who gave up no longer listens.
        let spawned = thread.spawn(move || drop(sender.send(request.call())));
        spawned.map_err(|error| Trouble::passing(format!("no thread can be started: {error}")))?;
        loop {
            match receiver.recv_timeout(PAUSE) {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) => {
                    halt.check()?;
                    return Err(Trouble::of(error, url));
                }
                Err(RecvTimeoutError::Timeout) => halt.check()?,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Trouble::passing("the request broke off".to_owned()));
                }
            }
        }
    }

    fn agent(&self, url: &Url) -> Agent {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let proxied = if url.scheme() == "https" {
            &routes.https
        } else {
            &routes.http
        };
        match proxied {
            Some(agent) if !self.proxies.leave_out(url.host_str().unwrap_or_default()) => {
                agent.clone()
            }
            _ => routes.direct.clone(),
        }
    }
}

impl Routes {
    fn new(make: &dyn Fn(Option<Proxy>) -> Agent, proxies: &Proxies) -> Self {
        let proxied = |proxy: &Option<Proxy>| proxy.as_ref().map(|proxy| make(Some(proxy.clone())));
        Self {
            direct: make(None),
            http: proxied(&proxies.http),
            https: proxied(&proxies.https),
        }
    }

    fn same(&self) -> Self {
        Self {
            direct: self.direct.clone(),
            http: self.http.clone(),
            https: self.https.clone(),
        }
    }
}

impl Proxies {
    /// Whether `host`, or a domain that it is in, is to be asked directly.
    fn leave_out(&self, host: &str) -> bool {
        let host = host.trim_matches(['[', ']']);
        self.without.iter().any(|name| {
            let name = name.trim_start_matches('*').trim_start_matches('.');
            name.is_empty()
                || host == name
                || host
                    .strip_suffix(name)
                    .is_some_and(|rest| rest.ends_with('.'))
        })
    }
}

/// Where a redirect leads, or why it is not followed.
fn next_address(
    at: &Url,
    location: Option<&str>,
    seen: &[Url],
) -> std::result::Result<Url, &'static str> {
    let next = location
        .and_then(|to| at.join(to).ok())
        .ok_or("to nowhere")?;
    match next.scheme() {
        "https" => {}
        "http" if at.scheme() == "http" => {}
        "http" => return Err("from `https` to `http`, where anybody may listen"),
        _ => return Err("to an address that is neither `https` nor `http`"),
    }
    if next == *at || seen.contains(&next) {
        return Err("in a circle");
    }
    if seen.len() >= MOST_REDIRECTS {
        return Err("once more, after ten redirects");
    }
    Ok(next)
}

/// What makes agents with these settings.
fn agents(settings: &Settings, roots: RootCerts) -> impl Fn(Option<Proxy>) -> Agent + use<> {
    let tls = TlsConfig::builder().root_certs(roots).build();
    let (connections, stall) = (settings.connections.max(1), settings.stall_timeout);
    let (connect, user_agent) = (settings.connect_timeout, settings.user_agent.clone());
    move |proxy| {
        Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .tls_config(tls.clone())
            .user_agent(user_agent.as_str())
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections)
            .timeout_resolve(Some(connect))
            .timeout_connect(Some(connect))
            .timeout_send_request(Some(stall))
            .timeout_recv_response(Some(stall))
            .timeout_per_read(Some(stall))
            .build()
            .into()
    }
}

/// Whose signature on a server's certificate is believed.
fn roots(settings: &Settings) -> Result<RootCerts> {
    let Some(path) = &settings.certificates else {
        return Ok(RootCerts::PlatformVerifier);
    };
    let text = fs::read_to_limit(path, MOST_CERTIFICATE_BYTES)?;
    let found = parse_pem(&text).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let found: Vec<_> = found.collect();
    if found.is_empty() {
        return Err(Error::usage(format!(
            "`{}` holds no certificate in PEM form",
            path.display()
        )));
    }
    Ok(RootCerts::Specific(Arc::new(found)))
}

/// The name and password that a URL holds, as they are meant.
fn login_of(url: &Url) -> Option<Login> {
    let plain = |text: &str| percent_decoded(text);
    let password = url.password().unwrap_or_default();
    (!url.username().is_empty() || !password.is_empty()).then(|| Login {
        name: plain(url.username()),
        password: plain(password),
    })
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = (byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(meant) => {
                decoded.push(meant);
                at += 3;
            }
            None => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The URL as it is asked for: without credentials and fragment.
pub(super) fn bare(url: &Url) -> Url {
    let mut bare = url.clone();
    // Only URLs without a host cannot be changed so, and those hold neither.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    bare.set_fragment(None);
    bare
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_the_domains_above_them_are_left_out_of_proxies() {
        let without = |text: &str| Proxies {
            http: None,
            https: None,
            without: text.split(',').map(str::to_lowercase).collect(),
        };
        for (text, host, left_out) in [
            ("localhost,example.org", "example.org", true),
            ("example.org", "files.example.org", true),
            (".example.org", "files.example.org", true),
            ("*.example.org", "files.example.org", true),
            ("example.org", "badexample.org", false),
            ("::1", "[::1]", true),
            ("*", "anything", true),
            ("127.0.0.1", "127.0.0.11", false),
        ] {
            assert_eq!(without(text).leave_out(host), left_out, "{text} {host}");
        }
    }

    #[test]
    fn redirects_lead_neither_to_less_safety_nor_for_ever() {
        let url = |text: &str| Url::parse(text).expect("it is one");
        let (at, many) = (
            url("https://a.example/x/y.whl"),
            vec![url("https://b.example/"); MOST_REDIRECTS],
        );
        let next = |to, seen: &[Url]| next_address(&at, to, seen).map(String::from);
        assert_eq!(
            next(Some("z.whl"), &many[1..]),
            Ok("https://a.example/x/z.whl".to_owned())
        );
        assert_eq!(
            next(Some("//c.example/z.whl"), &[]),
            Ok("https://c.example/z.whl".to_owned())
        );
        assert_eq!(
            next(Some("http://a.example/"), &[]),
            Err("from `https` to `http`, where anybody may listen")
        );
        assert_eq!(
            next(Some("file:///etc/passwd"), &[]),
            Err("to an address that is neither `https` nor `http`")
        );
        assert_eq!(
            next(Some("https://b.example/"), &many[..1]),
            Err("in a circle")
        );
        assert_eq!(next(Some("y.whl"), &[]), Err("in a circle"));
        assert_eq!(
            next(Some("z.whl"), &many),
            Err("once more, after ten redirects")
        );
        assert_eq!(next(None, &[]), Err("to nowhere"));
    }

    #[test]
    fn credentials_are_taken_out_of_urls() {
        let url = Url::parse("https://an%40na:p%3A%C3%A9%zz@example.org/a.whl#sha256=1")
            .expect("it is one");
        let login = login_of(&url).expect("it has one");
        assert_eq!(
            (login.name.as_str(), login.password.as_str()),
            ("an@na", "p:é%zz")
        );
        assert_eq!(bare(&url).as_str(), "https://example.org/a.whl");
        assert_eq!(login_of(&bare(&url)), None);
    }
}
