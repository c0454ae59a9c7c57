//! Reading compressed layers of container images (RFC 1952).

use std::io::Read;

/// The content of gzip members one behind the other. Damage is an error of the reader.
pub fn gzip_reader(from: impl Read) -> impl Read {
    flate2::read::MultiGzDecoder::new(from)
}
