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
    #[cfg(feature = "libdeflate")]
    if let Some(content) = gunzip_member(body, limit) {
        return Ok(content);
    }
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

/// The content of a body that is one member, as nearly all are; libdeflate takes half the time.
/// `None` if anything is wrong with the body, or if it may be several members.
#[cfg(feature = "libdeflate")]
fn gunzip_member(body: &[u8], limit: u64) -> Option<Vec<u8>> {
    // CRC-32 and length of the content (RFC 1952, 2.3.1).
    let (before, trailer) = body.split_last_chunk::<8>()?;
    let (crc, length) = trailer.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(length.try_into().ok()?);
    // Deflate makes at most 1032 bytes of one, so a short body cannot claim much memory.
    let most = limit.min(body.len() as u64 * 1032);
    if u64::from(length) > most {
        return None;
    }
    let mut content = vec![0; usize::try_from(length).ok()?];
    let mut decompressor = libdeflater::Decompressor::new();
    let written = decompressor.gzip_decompress(body, &mut content).ok()?;
    // libdeflate stops after the first member and does not report where. It has compared the
    // content with the trailer of that member: if this is the last trailer, and its bytes occur
    // only once, then there is no other member.
    let is_last = written == content.len() && crc32fast::hash(&content) == u32::from_le_bytes(*crc);
    (is_last && memchr::memmem::find(before, trailer).is_none()).then_some(content)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_body_is_unpacked_up_to_its_limit() {
        let gzip = |content: &[u8]| {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            writer.write_all(content).expect("it fits");
            writer.finish().expect("it fits")
        };
        let body = gzip(&[b'x'; 100_000]);
        assert_eq!(
            gunzip(&body, 100_000).map(|content| content.len()),
            Ok(100_000)
        );
        assert_eq!(gunzip(&body, 99_999), Err(GzipError::TooLong));
        // The length of the last member is that of the first, and so is its content, or not.
        for second in [b'x', b'y'] {
            let twice = [body.clone(), gzip(&[second; 100_000])].concat();
            let length = gunzip(&twice, 200_000).map(|content| content.len());
            assert_eq!(length, Ok(200_000), "a body may have several members");
            assert_eq!(gunzip(&twice, 199_999), Err(GzipError::TooLong));
        }
        for damaged in [&body[..body.len() - 9], b"plain", b""] {
            let result = gunzip(damaged, 100_000);
            assert!(matches!(result, Err(GzipError::Corrupt(_))), "{damaged:?}");
        }
    }
}
