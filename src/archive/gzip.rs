//! Bodies of HTTP that are compressed with gzip (RFC 1952).
//!
//! Input: a whole body and the most bytes that it may have when decompressed. Output: its content.
//! Invariant: never more than the limit is held, whatever the body claims.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;

/// Why a body cannot be decompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GzipError {
    /// It has more than the allowed bytes.
    TooLong,
    /// It is not gzip, or is damaged.
    Corrupt(String),
}

/// The content of a gzip body, if it has at most `limit` bytes.
///
/// # Errors
/// The content is longer, or the body is damaged.
pub fn gunzip(body: &[u8], limit: u64) -> Result<Vec<u8>, GzipError> {
    let mut content = Vec::new();
    // One byte more shows that the limit is exceeded.
    MultiGzDecoder::new(body)
        .take(limit.saturating_add(1))
        .read_to_end(&mut content)
        .map_err(|error| GzipError::Corrupt(error.to_string()))?;
    if content.len() as u64 > limit {
        return Err(GzipError::TooLong);
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_body_is_unpacked_up_to_its_limit() {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(&[b'x'; 100_000]).expect("it fits");
        let body = writer.finish().expect("it fits");
        assert_eq!(
            gunzip(&body, 100_000).map(|content| content.len()),
            Ok(100_000)
        );
        assert_eq!(gunzip(&body, 99_999), Err(GzipError::TooLong));
        for damaged in [&body[..body.len() - 9], b"plain", b""] {
            let result = gunzip(damaged, 100_000);
            assert!(matches!(result, Err(GzipError::Corrupt(_))), "{damaged:?}");
        }
    }
}
