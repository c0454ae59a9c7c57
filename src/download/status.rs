//! Statuses of answers in messages.

use crate::error::{Error, NetworkFault};

/// A status as messages show it: `HTTP 503 Service Unavailable`. The server's own words are left
/// out: they may be anything.
pub(crate) fn status_line(status: u16) -> String {
    // The numbers of content delivery networks are in no registry.
    let reason = match status {
        520 => Some("Unknown Error"),
        521 => Some("Web Server Is Down"),
        522 => Some("Connection Timed Out"),
        523 => Some("Origin Is Unreachable"),
        524 => Some("A Timeout Occurred"),
        525 => Some("TLS Handshake Failed"),
        526 => Some("Invalid TLS Certificate"),
        527 => Some("Connection Interrupted"),
        _ => ureq::http::StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason()),
    };
    reason.map_or_else(
        || format!("HTTP {status}"),
        |reason| format!("HTTP {status} {reason}"),
    )
}

impl Error {
    /// The answer of `label` has a status that brings nothing.
    pub(crate) fn http_status(label: &str, status: u16) -> Self {
        Self::network(NetworkFault::Status, label, status_line(status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_shown_with_their_registered_reason() {
        for (status, shown) in [
            (503, "HTTP 503 Service Unavailable"),
            (404, "HTTP 404 Not Found"),
            (522, "HTTP 522 Connection Timed Out"),
            (599, "HTTP 599"),
        ] {
            assert_eq!(status_line(status), shown);
        }
    }
}
