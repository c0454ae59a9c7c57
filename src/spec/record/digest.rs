//! The second column of RECORD.
//!
//! Input: its text, not empty. Output: the digest, and how its spelling departs from the
//! specification. Invariant: a text without departures is equal to the output of [`Digest`]'s
//! `Display`.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{NO_PAD, URL_SAFE_NO_PAD};

use crate::digest::{Algorithm, Digest};
use crate::error::WarningCode;

/// Ignores the bits of the last character that belong to no byte.
const NONCANONICAL: GeneralPurpose =
    GeneralPurpose::new(&URL_SAFE, NO_PAD.with_decode_allow_trailing_bits(true));

/// How many bytes the decoder may ask for to read the longest digest, which has 64: it counts whole
/// groups of three. Whatever needs more is no digest.
const MOST_DECODED: usize = 66;

/// A departure from the specification's spelling that leaves no doubt about the digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Oddity {
    Hexadecimal,
    Padded,
    StandardAlphabet,
    Noncanonical,
}

impl Oddity {
    pub(super) fn code(self) -> WarningCode {
        match self {
            Self::Hexadecimal => WarningCode::RecordHexadecimalDigest,
            Self::Padded => WarningCode::RecordPaddedDigest,
            Self::StandardAlphabet => WarningCode::RecordStandardAlphabet,
            Self::Noncanonical => WarningCode::RecordNoncanonicalDigest,
        }
    }

    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Hexadecimal => "the digest is hexadecimal instead of base64",
            Self::Padded => "the base64 is padded with `=`",
            Self::StandardAlphabet => "the base64 has `+` or `/` instead of `-` or `_`",
            Self::Noncanonical => "the base64 has stray bits in its last character",
        }
    }
}

/// Reads `algorithm=base64` ("Recording installed projects", "The RECORD file").
pub(super) fn parse_digest(text: &str) -> Result<(Digest, Vec<Oddity>), &'static str> {
    let (algorithm, encoded) = text
        .split_once('=')
        .ok_or("there is no `=` between algorithm and digest")?;
    let algorithm = match algorithm {
        "md5" => return Err("md5 is not a secure hash"),
        "sha1" => return Err("sha1 is not a secure hash"),
        "sha224" | "sha3_224" | "sha512_224" => {
            return Err("a hash of 224 bits is weaker than sha256");
        }
        "" => return Err("there is no algorithm"),
        name => Algorithm::from_name(name).ok_or("the algorithm is not known")?,
    };
    // Nearly all digests are spelled like this. A buffer of its own spares an allocation for each.
    let mut bytes = [0; MOST_DECODED];
    if let Ok(length) = URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes)
        && let Some(digest) = Digest::from_bytes(algorithm, &bytes[..length])
    {
        return Ok((digest, Vec::new()));
    }
    // No base64 of this algorithm's digest, padded or not, is as long as its hexadecimal digits.
    if let Some(digest) = Digest::from_hex(algorithm, encoded) {
        return Ok((digest, vec![Oddity::Hexadecimal]));
    }
    let mut oddities = Vec::new();
    let bare = encoded.trim_end_matches('=');
    if bare.len() != encoded.len() {
        // Padding fills the last group of four, and nothing more.
        if encoded.len() != bare.len().next_multiple_of(4) {
            return Err("the padding of the base64 has the wrong length");
        }
        oddities.push(Oddity::Padded);
    }
    let mut encoded = bare.to_owned();
    if bare.contains(['+', '/']) {
        if bare.contains(['-', '_']) {
            return Err("the base64 mixes two alphabets");
        }
        oddities.push(Oddity::StandardAlphabet);
        encoded = bare.replace('+', "-").replace('/', "_");
    }
    // The strict decoder goes first, since the lenient one does not report stray bits.
    let bytes = if let Ok(bytes) = URL_SAFE_NO_PAD.decode(&encoded) {
        bytes
    } else {
        oddities.push(Oddity::Noncanonical);
        NONCANONICAL
            .decode(&encoded)
            .map_err(|_| "the digest is not base64")?
    };
    let digest = Digest::from_bytes(algorithm, &bytes)
        .ok_or("the digest is not base64 of the right length")?;
    Ok((digest, oddities))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c41_c42_digests_are_read_with_their_oddities_or_refused() {
        let digest = Digest::of(Algorithm::Sha256, b"2");
        let good = digest.to_string();
        assert_eq!(good, "sha256=1HNeOiZeFu7gP1lxi5tdAwGcB9i2xR-Q2jpmbuwTqzU");
        let odd =
            |text: &str| parse_digest(text).map(|(found, oddities)| (found == digest, oddities));
        assert_eq!(odd(&good), Ok((true, vec![])));
        assert_eq!(odd(&format!("{good}=")), Ok((true, vec![Oddity::Padded])));
        assert_eq!(
            odd(&good.replace('-', "+")),
            Ok((true, vec![Oddity::StandardAlphabet]))
        );
        let all = format!("{}V=", good.replace('-', "+").trim_end_matches('U'));
        assert_eq!(
            odd(&all),
            Ok((
                true,
                vec![
                    Oddity::Padded,
                    Oddity::StandardAlphabet,
                    Oddity::Noncanonical
                ]
            ))
        );
        for name in ["sha384", "sha512", "sha3_256", "blake2b"] {
            let algorithm = Algorithm::from_name(name).expect("known");
            let digest = Digest::of(algorithm, b"2");
            assert_eq!(
                parse_digest(&digest.to_string()),
                Ok((digest, vec![])),
                "{name}"
            );
        }
        let hex = format!("sha256={}", digest.to_hex());
        assert_eq!(odd(&hex), Ok((true, vec![Oddity::Hexadecimal])));
        assert_eq!(
            odd(&hex[..hex.len() - 1]),
            Err("the digest is not base64 of the right length")
        );
        assert_eq!(
            odd(&format!("{hex}=")),
            Err("the padding of the base64 has the wrong length")
        );
        // 64 hexadecimal digits are also how base64 may spell 384 bits: there the length says that
        // they are base64.
        let sha384 = format!("sha384={}", digest.to_hex());
        let (long, oddities) = parse_digest(&sha384).expect("it is base64");
        assert_eq!((long.to_string(), oddities), (sha384, vec![]));
        for (text, reason) in [
            ("md5=1B2M2Y8AsgTpgAmY7PhCfg", "md5 is not a secure hash"),
            (
                "sha1=2jmj7l5rSw0yVb_vlWAYkK_YBwk",
                "sha1 is not a secure hash",
            ),
            (
                "sha224=0UoCjCo6K8lHYQK7KII0xBWisB-CjqYqxbPkLw",
                "a hash of 224 bits is weaker than sha256",
            ),
            ("SHA256=x", "the algorithm is not known"),
            ("sha256", "there is no `=` between algorithm and digest"),
            ("=x", "there is no algorithm"),
            ("sha256=", "the digest is not base64 of the right length"),
            (
                "sha256=AAAA",
                "the digest is not base64 of the right length",
            ),
            ("sha256=A", "the digest is not base64"),
            ("sha256=ab cd", "the digest is not base64"),
            (
                "sha256=AAAA====",
                "the padding of the base64 has the wrong length",
            ),
            ("sha256=-+", "the base64 mixes two alphabets"),
        ] {
            assert_eq!(odd(text), Err(reason), "{text}");
        }
    }
}
