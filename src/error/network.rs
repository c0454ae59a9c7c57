//! Why a file could not be fetched, in kinds that differ in what a person can do.

use super::code::Code;

/// The kinds of network failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "http"),
    allow(dead_code, reason = "without HTTP nothing is fetched")
)]
pub(crate) enum NetworkFault {
    /// The host is not known or does not answer.
    Unreachable,
    /// The connection broke or the server failed, more often than is tried.
    TransferFailed,
    /// The server asks for credentials, or refuses the given ones.
    Credentials,
    /// The server answered with another status that is an error.
    Status,
    /// The proxy cannot be used, cannot be reached, or refuses the request.
    Proxy,
    /// The proxy asks for a login, or refuses the given one.
    ProxyCredentials,
    /// The certificates to trust cannot be read.
    Certificates,
    /// The issuer of the server's certificate is not trusted.
    UntrustedCertificate,
    /// The server's certificate has expired.
    ExpiredCertificate,
    /// The secure connection failed in another way.
    Tls,
    /// The server redirects to an address that cannot be used.
    Redirect,
    /// The address is neither `http` nor `https`.
    Address,
    /// The file on the server changed while it was read.
    ChangedWhileRead,
    /// There is no room for the file in the cache.
    CacheFull,
}

impl NetworkFault {
    pub(super) fn word(self) -> Code {
        match self {
            Self::Unreachable => Code::Unreachable,
            Self::TransferFailed => Code::TransferFailed,
            Self::Credentials => Code::Credentials,
            Self::Status => Code::HttpStatus,
            Self::Proxy => Code::Proxy,
            Self::ProxyCredentials => Code::ProxyCredentials,
            Self::Certificates => Code::Certificates,
            Self::UntrustedCertificate => Code::UntrustedCertificate,
            Self::ExpiredCertificate => Code::ExpiredCertificate,
            Self::Tls => Code::Tls,
            Self::Redirect => Code::Redirect,
            Self::Address => Code::Address,
            Self::ChangedWhileRead => Code::ChangedWhileRead,
            Self::CacheFull => Code::CacheFull,
        }
    }
}
