//! The proxies: which requests go through one, and through which.
//!
//! Input: the addresses and the exceptions, as the usual variables hold them. Output: the proxy of
//! a URL, if it has one. Invariants: an address that cannot be used fails only the requests that
//! would need it; no message shows the login of a proxy. Limits: a proxy speaks HTTP or HTTPS and
//! allows tunnels; SOCKS is not supported.

use std::net::IpAddr;

use ureq::Proxy;
use url::{Host, Url};

use super::settings::Settings;
use crate::spec::location::without_credentials;

/// The proxies by the scheme of the URL, and the exceptions.
pub(super) struct Proxies {
    pub(super) http: Option<ProxyAddress>,
    pub(super) https: Option<ProxyAddress>,
    without: Vec<Exception>,
}

/// One proxy.
pub(super) struct ProxyAddress {
    /// Its address without the login.
    pub(super) label: String,
    /// Whether its address has a login.
    pub(super) has_login: bool,
    /// The proxy, or the reason why it cannot be used.
    pub(super) proxy: Result<Proxy, &'static str>,
}

/// A host, or several, that are asked without a proxy.
#[derive(Debug, PartialEq, Eq)]
enum Exception {
    Everything,
    /// This host and the domains below it, at this port or at all.
    Domain(String, Option<u16>),
    /// The addresses whose first bits, this many, are those of the given one.
    Network(IpAddr, u32, Option<u16>),
}

impl Proxies {
    pub(super) fn new(settings: &Settings) -> Self {
        let address = |text: &Option<String>| {
            let text = text.as_deref().map(str::trim);
            text.filter(|text| !text.is_empty()).map(ProxyAddress::read)
        };
        Self {
            http: address(&settings.http_proxy),
            https: address(&settings.https_proxy),
            without: exceptions(settings.no_proxy.as_deref().unwrap_or_default()),
        }
    }

    /// The proxy that `url` is asked through.
    pub(super) fn of(&self, url: &Url) -> Option<&ProxyAddress> {
        let proxy = if url.scheme() == "https" {
            &self.https
        } else {
            &self.http
        };
        proxy.as_ref().filter(|_| !self.leave_out(url))
    }

    fn leave_out(&self, url: &Url) -> bool {
        let (Some(host), port) = (url.host(), url.port_or_known_default()) else {
            return false;
        };
        self.without.iter().any(|one| one.covers(&host, port))
    }
}

impl ProxyAddress {
    fn read(text: &str) -> Self {
        // Without a scheme it is `host:port`, as for other clients.
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let (scheme, rest) = (scheme.to_ascii_lowercase(), rest.trim_end_matches('/'));
        let whole = format!("{scheme}://{rest}");
        // The crate would accept SOCKS here and panic at the first request.
        let proxy = match scheme.as_str() {
            // Its reason is dropped, because it may repeat the password.
            "http" | "https" => Proxy::new(&whole).map_err(|_| "write `http://host:port`"),
            scheme if scheme.starts_with("socks") => {
                Err("SOCKS proxies are not supported, only `http` and `https` ones")
            }
            _ => Err("only `http` and `https` proxies are supported"),
        };
        Self {
            label: without_credentials(&whole),
            has_login: rest.contains('@'),
            proxy,
        }
    }
}

/// The entries of a list such as `localhost, .example.org, 10.0.0.0/8, example.com:8080`.
fn exceptions(text: &str) -> Vec<Exception> {
    // curl separates by commas or white space, pip and uv by commas with white space around.
    text.split(|c: char| c == ',' || c.is_whitespace())
        .filter(|entry| !entry.is_empty())
        .filter_map(Exception::read)
        .collect()
}

impl Exception {
    /// Reads one entry; `None` if it can never fit.
    fn read(entry: &str) -> Option<Self> {
        if entry == "*" {
            return Some(Self::Everything);
        }
        if let Some((network, bits)) = entry.split_once('/') {
            let network = bare(network).parse().ok()?;
            return Some(Self::Network(network, bits.parse().ok()?, None));
        }
        let (host, port) = match entry.rsplit_once(':') {
            // Other colons before the last one are those of an IPv6 address without brackets.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, Some(port.parse().ok()?))
            }
            _ => (entry, None),
        };
        if let Ok(address) = bare(host).parse::<IpAddr>() {
            return Some(Self::Network(address, 128, port));
        }
        let name = host.trim_start_matches('*').trim_start_matches('.');
        let name = name.trim_end_matches('.');
        // URLs have the ASCII form of names with other letters.
        match Host::parse(name).ok()? {
            Host::Domain(name) => Some(Self::Domain(name, port)),
            Host::Ipv4(address) => Some(Self::Network(address.into(), 128, port)),
            Host::Ipv6(address) => Some(Self::Network(address.into(), 128, port)),
        }
    }

    fn covers(&self, host: &Host<&str>, port: Option<u16>) -> bool {
        let at = |wanted: &Option<u16>| wanted.is_none() || *wanted == port;
        match (self, host) {
            (Self::Everything, _) => true,
            (Self::Domain(name, wanted), Host::Domain(host)) => {
                let above = host.trim_end_matches('.').strip_suffix(name.as_str());
                at(wanted) && above.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            (Self::Network(network, bits, wanted), Host::Ipv4(host)) => {
                at(wanted) && is_in((*host).into(), *network, *bits)
            }
            (Self::Network(network, bits, wanted), Host::Ipv6(host)) => {
                at(wanted) && is_in((*host).into(), *network, *bits)
            }
            _ => false,
        }
    }
}

/// `host` without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Whether an address is in a network. Addresses of the two families are never in one network.
fn is_in(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let (different, all) = match (address, network) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            (u128::from(one.to_bits() ^ other.to_bits()), u32::BITS)
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits(), u128::BITS),
        _ => return false,
    };
    // No bits at all are the whole family, for which the shift would be too wide.
    different.checked_shr(all.saturating_sub(bits)).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(without: &str) -> Proxies {
        Proxies::new(&Settings {
            http_proxy: Some("http://127.0.0.1:1".to_owned()),
            no_proxy: Some(without.to_owned()),
            ..Settings::default()
        })
    }

    #[test]
    fn hosts_domains_networks_and_ports_are_left_out_of_proxies() {
        for (text, host, left_out) in [
            ("localhost,example.org", "example.org", true),
            ("example.org", "files.example.org", true),
            (".example.org", "files.example.org", true),
            (".example.org", "example.org", true),
            ("*.example.org", "files.example.org", true),
            ("Example.ORG.", "example.org", true),
            ("b\u{fc}cher.example", "b\u{fc}cher.example", true),
            ("example.org", "badexample.org", false),
            ("example.org:80", "example.org", true),
            ("example.org:8080", "example.org", false),
            ("example.org:8080", "example.org:8080", true),
            ("::1", "[::1]", true),
            ("[::1]", "[::1]", true),
            ("[::1]:80", "[::1]", true),
            ("fd00::/8", "[fd12::1]", true),
            ("fd00::/8", "[fe80::1]", false),
            ("*", "anything", true),
            ("127.0.0.1", "127.0.0.11", false),
            ("0.0.1", "127.0.0.1", false),
            ("127.0.0.1:80", "127.0.0.1", true),
            ("127.0.0.1:81", "127.0.0.1", false),
            ("10.0.0.0/8", "10.200.3.4", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3/16", "10.1.200.1", true),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "[::1]", false),
            ("192.0.2.1/32", "192.0.2.1", true),
            ("10.0.0.0/x,/8,:,", "10.0.0.1", false),
            ("localhost,\n10.0.0.0/8", "10.0.0.1", true),
            ("a \t 127.0.0.1", "127.0.0.1", true),
            ("", "127.0.0.1", false),
        ] {
            let url = Url::parse(&format!("http://{host}/a.whl")).expect("it is one");
            assert_eq!(proxies(text).of(&url).is_none(), left_out, "{text} {host}");
        }
    }

    #[test]
    fn proxies_that_cannot_be_used_are_known_by_name_and_without_their_login() {
        for (text, label, usable) in [
            ("http://a:1", "http://a:1", true),
            ("a:1", "http://a:1", true),
            ("HTTPS://u:p@a:1", "https://a:1", true),
            ("socks5://u:p@a:1", "socks5://a:1", false),
            ("SOCKS5H://a:1", "socks5h://a:1", false),
            ("socks4://a:1", "socks4://a:1", false),
            ("socks://a:1", "socks://a:1", false),
            ("ftp://a:1", "ftp://a:1", false),
            ("http://:secret@", "http://", false),
        ] {
            let read = ProxyAddress::read(text);
            assert_eq!(
                (read.label.as_str(), read.proxy.is_ok()),
                (label, usable),
                "{text}"
            );
        }
    }
}
