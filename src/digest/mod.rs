//! Digests: SHA-256 and the other algorithms that RECORD may use.
//!
//! Input: bytes. Output: a [`Digest`]. Only algorithms that the specification of RECORD calls
//! secure are here ("sha256 or better"): md5, sha1 and sha224 are unknown to this crate, so they
//! cannot be accepted by accident.

mod multi_buffer;
#[cfg(target_arch = "x86_64")]
mod paired;
mod parts;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::Digest as _;

pub use multi_buffer::Backend;
pub use parts::WholeHasher;

/// A hash algorithm of Python's `hashlib` that is at least as strong as SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// `sha256`, 32 bytes; what every build tool writes.
    Sha256,
    /// `sha384`, 48 bytes.
    Sha384,
    /// `sha512`, 64 bytes.
    Sha512,
    /// `sha3_256`, 32 bytes.
    Sha3_256,
    /// `sha3_384`, 48 bytes.
    Sha3_384,
    /// `sha3_512`, 64 bytes.
    Sha3_512,
    /// `blake2b`, 64 bytes.
    Blake2b,
    /// `blake2s`, 32 bytes.
    Blake2s,
}

impl Algorithm {
    const ALL: [Self; 8] = [
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
        Self::Sha3_256,
        Self::Sha3_384,
        Self::Sha3_512,
        Self::Blake2b,
        Self::Blake2s,
    ];

    /// The algorithm of this `hashlib` name; `None` if it is unknown or not secure.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }

    /// The name in `hashlib` and in RECORD.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Sha3_256 => "sha3_256",
            Self::Sha3_384 => "sha3_384",
            Self::Sha3_512 => "sha3_512",
            Self::Blake2b => "blake2b",
            Self::Blake2s => "blake2s",
        }
    }

    /// The length of a digest in bytes.
    pub fn length(self) -> usize {
        match self {
            Self::Sha256 | Self::Sha3_256 | Self::Blake2s => 32,
            Self::Sha384 | Self::Sha3_384 => 48,
            Self::Sha512 | Self::Sha3_512 | Self::Blake2b => 64,
        }
    }
}

/// A digest and the algorithm that made it. Equal digests mean equal bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    // An array for the longest digest makes the type `Copy` and saves an allocation for each file.
    // Unused bytes are always zero, as the derived comparisons look at them too.
    bytes: [u8; 64],
}

impl Digest {
    /// The digest of `content`.
    pub fn of(algorithm: Algorithm, content: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(content);
        hasher.finish()
    }

    /// A digest from its bytes; `None` if there are too many or too few of them.
    pub fn from_bytes(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        let mut digest = Self {
            algorithm,
            bytes: [0; 64],
        };
        (bytes.len() == algorithm.length()).then(|| {
            digest.bytes[..bytes.len()].copy_from_slice(bytes);
            digest
        })
    }

    /// A digest from hexadecimal digits of either case, as in `#sha256=…` and lock files; `None` if
    /// there are too many or too few, or other characters.
    pub fn from_hex(algorithm: Algorithm, text: &str) -> Option<Self> {
        if text.len() != 2 * algorithm.length() {
            return None;
        }
        let value = |digit: u8| char::from(digit).to_digit(16);
        let mut bytes = [0; 64];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let both = value(pair[0])? << 4 | value(pair[1])?;
            *byte = u8::try_from(both).expect("two digits are a byte");
        }
        Self::from_bytes(algorithm, &bytes[..algorithm.length()])
    }

    /// The first of `digests` that this algorithm made.
    pub fn among(digests: &[Self], algorithm: Algorithm) -> Option<Self> {
        digests
            .iter()
            .find(|digest| digest.algorithm == algorithm)
            .copied()
    }

    /// The algorithm that made the digest.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The bytes; their number depends on the algorithm.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.algorithm.length()]
    }

    /// Lower-case hexadecimal digits, without the algorithm.
    pub fn to_hex(self) -> String {
        // A table takes a twentieth of the time of `write!`, and packing needs a digest per file.
        const DIGITS: [char; 16] = [
            '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
        ];
        let bytes = self.bytes();
        let mut text = String::with_capacity(2 * bytes.len());
        for byte in bytes {
            text.push(DIGITS[usize::from(byte >> 4)]);
            text.push(DIGITS[usize::from(byte & 15)]);
        }
        text
    }
}

impl Digest {
    /// Appends the digest as RECORD writes it: `sha256=` and URL-safe base64 without padding
    /// (Recording installed projects, "The RECORD file").
    pub fn write_to(&self, text: &mut Vec<u8>) {
        let mut base64 = [0; LONGEST_BASE64];
        let length = URL_SAFE_NO_PAD
            .encode_slice(self.bytes(), &mut base64)
            .expect("64 bytes are the longest digest");
        text.extend_from_slice(self.algorithm.name().as_bytes());
        text.push(b'=');
        text.extend_from_slice(&base64[..length]);
    }
}

/// How many characters 64 bytes take in base64 without padding.
const LONGEST_BASE64: usize = 86;

/// As [`Digest::write_to`].
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::new();
        self.write_to(&mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A value that is equal for two contents only if they are the same, as far as it is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// A digest that has been verified, or will be before the content is used.
    Digest(Digest),
    /// The CRC-32, if digests are not verified and so prove nothing.
    Crc(u32),
}

/// Computes a digest of bytes that come in pieces.
pub struct Hasher {
    algorithm: Algorithm,
    state: AlgorithmState,
}

enum AlgorithmState {
    Sha256(sha2::Sha256),
    Sha384(sha2::Sha384),
    Sha512(sha2::Sha512),
    Sha3_256(sha3::Sha3_256),
    Sha3_384(sha3::Sha3_384),
    Sha3_512(sha3::Sha3_512),
    Blake2b(Box<blake2::Blake2b512>),
    Blake2s(Box<blake2::Blake2s256>),
}

/// Evaluates one expression for the state of any algorithm.
macro_rules! each_state {
    ($value:expr, $state:ident => $body:expr) => {
        match $value {
            AlgorithmState::Sha256($state) => $body,
            AlgorithmState::Sha384($state) => $body,
            AlgorithmState::Sha512($state) => $body,
            AlgorithmState::Sha3_256($state) => $body,
            AlgorithmState::Sha3_384($state) => $body,
            AlgorithmState::Sha3_512($state) => $body,
            AlgorithmState::Blake2b($state) => $body,
            AlgorithmState::Blake2s($state) => $body,
        }
    };
}

impl Hasher {
    /// A hasher that has taken in nothing yet.
    pub fn new(algorithm: Algorithm) -> Self {
        let state = match algorithm {
            Algorithm::Sha256 => AlgorithmState::Sha256(sha2::Sha256::new()),
            Algorithm::Sha384 => AlgorithmState::Sha384(sha2::Sha384::new()),
            Algorithm::Sha512 => AlgorithmState::Sha512(sha2::Sha512::new()),
            Algorithm::Sha3_256 => AlgorithmState::Sha3_256(sha3::Sha3_256::new()),
            Algorithm::Sha3_384 => AlgorithmState::Sha3_384(sha3::Sha3_384::new()),
            Algorithm::Sha3_512 => AlgorithmState::Sha3_512(sha3::Sha3_512::new()),
            Algorithm::Blake2b => AlgorithmState::Blake2b(Box::default()),
            Algorithm::Blake2s => AlgorithmState::Blake2s(Box::default()),
        };
        Self { algorithm, state }
    }

    /// Takes in more bytes.
    pub fn update(&mut self, content: &[u8]) {
        each_state!(&mut self.state, state => state.update(content));
    }

    /// The digest of everything that was taken in.
    pub fn finish(self) -> Digest {
        let mut digest = Digest {
            algorithm: self.algorithm,
            bytes: [0; 64],
        };
        each_state!(self.state, state => {
            let bytes = state.finalize();
            digest.bytes[..bytes.len()].copy_from_slice(&bytes);
        });
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digests of `abc`, from the algorithms' own documents.
    #[test]
    fn r140_every_algorithm_gives_its_published_digest() {
        for (name, hex) in [
            (
                "sha256",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                "sha3_256",
                "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
            ),
            (
                "blake2s",
                "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982",
            ),
            (
                "sha512",
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a83\
                 6ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
            (
                "blake2b",
                "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc\
                 252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
            ),
        ] {
            let algorithm = Algorithm::from_name(name).expect("known");
            let digest = Digest::of(algorithm, b"abc");
            assert_eq!(digest.to_hex(), hex, "{name}");
            assert_eq!(Digest::from_hex(algorithm, hex), Some(digest), "{name}");
        }
    }

    #[test]
    fn c41_weak_algorithms_are_unknown() {
        for name in ["md5", "sha1", "sha224", "SHA256", ""] {
            assert_eq!(Algorithm::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn hexadecimal_digits_are_counted_and_checked() {
        let hex = "00".repeat(32);
        assert!(Digest::from_hex(Algorithm::Sha256, &hex).is_some());
        assert!(Digest::from_hex(Algorithm::Sha256, &hex[2..]).is_none());
        assert!(Digest::from_hex(Algorithm::Sha256, &format!("+0{}", &hex[2..])).is_none());
        for other in ["zz", "0g", "-0", "0/", ":0", "@0", "0`", "é"] {
            let text = format!("{other}{}", &hex[2..]);
            assert!(
                Digest::from_hex(Algorithm::Sha256, &text).is_none(),
                "{text}"
            );
        }
        let digest = Digest::of(Algorithm::Sha512, b"abc");
        let upper = digest.to_hex().to_uppercase();
        assert_eq!(Digest::from_hex(Algorithm::Sha512, &upper), Some(digest));
    }
}
