//! WHEEL and METADATA: files of mail headers.
//!
//! Input: the bytes of either file. Output: the headers that the installer needs, and warnings.
//! Invariants: the first of several headers of one name counts; nothing after the headers is read,
//! however large it is. Limits: the caller bounds the size; everything here is linear in it.

use std::borrow::Cow;

use super::digits;
use crate::error::MetadataFault;
use crate::spec::name::ProjectName;
use crate::spec::version::{Specifiers, Version};

/// The newest `Wheel-Version` whose rules this crate knows.
const WHEEL_VERSION: (u64, u64) = (1, 0);
/// The newest `Metadata-Version` whose rules this crate knows.
const METADATA_VERSION: (u64, u64) = (2, 5);

/// The longest `Requires-Python` that is read, in bytes. A longer one counts as not valid: each of
/// its versions would take far more memory than its text.
const MAX_REQUIRES_PYTHON: usize = 4096;

/// The headers of a text, as Python's `email.parser` reads them.
///
/// They end at the first line that is not a header: a blank one or, as for `email.parser`, one
/// without a name. Lines end in `\n`, `\r\n` or `\r`. Names are printable ASCII and are compared
/// without regard to case.
#[derive(Debug, Clone, Default)]
pub struct Headers<'a> {
    fields: Vec<(&'a str, Cow<'a, str>)>,
}

impl<'a> Headers<'a> {
    /// Reads the headers of `text`; a byte order mark before them is passed over. Values lose the
    /// white space around them; folded ones are joined, with the white space that each folded line
    /// begins with.
    pub fn parse(text: &'a str) -> Self {
        let mut fields: Vec<(&'a str, Cow<'a, str>)> = Vec::new();
        let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
        while !rest.is_empty() {
            let (line, behind) = split_line(rest);
            rest = behind;
            if line.is_empty() {
                break;
            }
            if line.starts_with([' ', '\t']) {
                // Before the first header there is nothing to continue, and `email.parser` passes
                // over it.
                if let Some((_, value)) = fields.last_mut() {
                    value.to_mut().push_str(line);
                }
                continue;
            }
            let Some((name, value)) = line.split_once(':').filter(|(name, _)| is_name(name)) else {
                break;
            };
            fields.push((name, Cow::Borrowed(value)));
        }
        Self { fields }
    }

    /// The headers of `text`, and what follows the blank line after them.
    pub fn parse_with_body(text: &'a str) -> (Self, &'a str) {
        let ends = ["\n\n", "\r\n\r\n"].map(|blank| Some((text.find(blank)?, blank.len())));
        let body = ends
            .into_iter()
            .flatten()
            .min()
            .map_or("", |(at, length)| &text[at + length..]);
        (Self::parse(text), body)
    }

    /// All headers, each with its name, in the order written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields
            .iter()
            .map(|(name, value)| (*name, value.trim()))
    }

    /// The value of the first header named `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The values of all headers named `name`, in the order written.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields
            .iter()
            .filter(move |(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }
}

/// The first line of `text` without its end, and what follows.
fn split_line(text: &str) -> (&str, &str) {
    let Some(end) = text.find(['\n', '\r']) else {
        return (text, "");
    };
    let (line, rest) = text.split_at(end);
    // Either end is one byte long, so the slice begins at a character.
    (line, rest.strip_prefix("\r\n").unwrap_or(&rest[1..]))
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The layout of the wheel as WHEEL describes it ("Binary distribution format", "The .dist-info
/// directory").
///
/// Its `Tag` lines are not read: they may disagree with the file name, which is what counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelInfo {
    /// Whether the wheel's root is installed into purelib and not into platlib. A missing header is
    /// `false`, and case is ignored.
    pub root_is_purelib: bool,
    /// Warnings: a `Wheel-Version` with a greater minor version
    /// ([`MetadataFault::Newer`]).
    pub warnings: Vec<MetadataFault>,
}

impl WheelInfo {
    /// Reads WHEEL ("Binary distribution format", "Installing a wheel": "Unpack", a to c).
    ///
    /// # Errors
    /// [`MetadataFault::NotUtf8`]; [`MetadataFault::Header`] if `Wheel-Version` is missing or not
    /// made of numbers; [`MetadataFault::Newer`] if its major version is greater than the known
    /// one.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetadataFault> {
        let text =
            std::str::from_utf8(bytes).map_err(|_| MetadataFault::NotUtf8("WHEEL".to_owned()))?;
        let headers = Headers::parse(text);
        let found = required(&headers, "WHEEL", "Wheel-Version")?;
        let version =
            format_version(found).ok_or_else(|| unreadable("WHEEL", "Wheel-Version", found))?;
        let newer = |supported| MetadataFault::Newer {
            what: "Wheel-Version",
            found: found.to_owned(),
            supported,
        };
        if version.0 > WHEEL_VERSION.0 {
            return Err(newer("1.x"));
        }
        let warnings = if version > WHEEL_VERSION {
            vec![newer("1.0")]
        } else {
            Vec::new()
        };
        let root_is_purelib = headers
            .get("Root-Is-Purelib")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        Ok(Self {
            root_is_purelib,
            warnings,
        })
    }
}

/// The project as METADATA describes it ("Core metadata specifications").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The project ("Name").
    pub name: ProjectName,
    /// Its version ("Version").
    pub version: Version,
    /// The Pythons that it supports ("Requires-Python"); `None` if the header is missing or cannot
    /// be read.
    pub requires_python: Option<Specifiers>,
    /// The requirements, as written ("Requires-Dist"). Only some commands read them.
    pub requires_dist: Vec<Box<str>>,
    /// The extras, as written ("Provides-Extra").
    pub provides_extra: Vec<Box<str>>,
    /// Warnings: a `Metadata-Version` with a greater minor version
    /// ([`MetadataFault::Newer`]), a `Requires-Python` that cannot be read
    /// ([`MetadataFault::Version`]).
    pub warnings: Vec<MetadataFault>,
}

impl Metadata {
    /// Reads METADATA ("Core metadata specifications", "Metadata-Version": what tools do with newer
    /// ones).
    ///
    /// # Errors
    /// [`MetadataFault::NotUtf8`] for a fault anywhere in the file; [`MetadataFault::Header`] if
    /// `Metadata-Version`, `Name` or `Version` is missing or cannot be read;
    /// [`MetadataFault::Newer`] if the major version is greater than the known one.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetadataFault> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| MetadataFault::NotUtf8("METADATA".to_owned()))?;
        let headers = Headers::parse(text);
        let mut warnings: Vec<MetadataFault> = metadata_version(&headers)?.into_iter().collect();
        let name = required(&headers, "METADATA", "Name")?;
        let version = required(&headers, "METADATA", "Version")?;
        let requires_python = headers.get("Requires-Python").and_then(|text| {
            // pip ignores one that is not valid, such as the `>=3.6.*` of old wheels; a refusal
            // would keep users from wheels that work.
            let specifiers = (text.len() <= MAX_REQUIRES_PYTHON)
                .then(|| Specifiers::parse(text))
                .flatten();
            if specifiers.is_none() {
                warnings.push(MetadataFault::Version {
                    what: "Requires-Python",
                    text: text.to_owned(),
                });
            }
            specifiers
        });
        Ok(Self {
            name: ProjectName::parse(name).ok_or_else(|| unreadable("METADATA", "Name", name))?,
            version: Version::parse(version)
                .ok_or_else(|| unreadable("METADATA", "Version", version))?,
            requires_python,
            requires_dist: headers.all("Requires-Dist").map(Into::into).collect(),
            provides_extra: headers.all("Provides-Extra").map(Into::into).collect(),
            warnings,
        })
    }
}

/// Checks `Metadata-Version`; a minor version that is not known yet makes a warning.
fn metadata_version(headers: &Headers<'_>) -> Result<Option<MetadataFault>, MetadataFault> {
    let found = required(headers, "METADATA", "Metadata-Version")?;
    let version =
        format_version(found).ok_or_else(|| unreadable("METADATA", "Metadata-Version", found))?;
    let newer = |supported| MetadataFault::Newer {
        what: "Metadata-Version",
        found: found.to_owned(),
        supported,
    };
    if version.0 > METADATA_VERSION.0 {
        return Err(newer("2.x"));
    }
    Ok((version > METADATA_VERSION).then(|| newer("2.5")))
}

fn required<'b>(
    headers: &'b Headers<'_>,
    file: &'static str,
    field: &'static str,
) -> Result<&'b str, MetadataFault> {
    headers.get(field).ok_or(MetadataFault::Header {
        file,
        field,
        value: None,
    })
}

fn unreadable(file: &'static str, field: &'static str, value: &str) -> MetadataFault {
    MetadataFault::Header {
        file,
        field,
        value: Some(value.to_owned()),
    }
}

/// The major and minor version of a file format; `None` if the text has anything but numbers and
/// dots.
fn format_version(text: &str) -> Option<(u64, u64)> {
    let numbers: Option<Vec<u64>> = text.split('.').map(digits::number).collect();
    let numbers = numbers?;
    // A bare `1` counts as `1.0`, and parts after the minor version carry no rules.
    Some((*numbers.first()?, numbers.get(1).copied().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wheel(text: &str) -> Result<WheelInfo, MetadataFault> {
        WheelInfo::parse(text.as_bytes())
    }

    fn metadata(text: &str) -> Result<Metadata, MetadataFault> {
        Metadata::parse(text.as_bytes())
    }

    /// The answers of `email.parser.Parser().parsestr(text, headersonly=True)`.
    #[test]
    fn headers_are_read_as_python_reads_them() {
        let headers = Headers::parse("A: 1\r\nb:2 \nLong: x,\n  y\n\tz\na: 3\n\nA: body\n");
        assert_eq!(headers.get("a"), Some("1"));
        assert_eq!(headers.all("A").collect::<Vec<_>>(), ["1", "3"]);
        assert_eq!(headers.get("B"), Some("2"));
        assert_eq!(headers.get("long"), Some("x,  y\tz"));
        assert_eq!(headers.get("c"), None);
        assert_eq!(Headers::parse(" stray\nA: 1\rB: 2\r\n").get("b"), Some("2"));
        assert_eq!(Headers::parse("no header\nA: 1\n").get("a"), None);
        assert_eq!(Headers::parse("A : 1\nB: 2").get("b"), None);
        assert_eq!(Headers::parse(": 0\nB: 2").get("b"), Some("2"));
        assert_eq!(Headers::parse("\u{feff}A:\n 1").get("a"), Some("1"));
        assert_eq!(Headers::parse("A: 1\n \nB: 2").get("b"), Some("2"));
    }

    #[test]
    fn c01_a_greater_major_wheel_version_is_refused() {
        let fault = MetadataFault::Newer {
            what: "Wheel-Version",
            found: "2.0".to_owned(),
            supported: "1.x",
        };
        assert_eq!(
            wheel("Wheel-Version: 2.0\nRoot-Is-Purelib: true\n"),
            Err(fault)
        );
    }

    #[test]
    fn c02_a_greater_minor_wheel_version_is_a_warning() {
        let warnings = wheel("Wheel-Version: 1.9\n").expect("installable").warnings;
        assert!(
            matches!(&warnings[..], [MetadataFault::Newer { found, .. }] if found == "1.9"),
            "{warnings:?}"
        );
        for known in ["1.0", "1", "0.1", "1.0.0"] {
            assert_eq!(
                wheel(&format!("Wheel-Version: {known}\n"))
                    .expect("installable")
                    .warnings,
                [],
                "{known}"
            );
        }
    }

    #[test]
    fn c03_e32_a_missing_or_unreadable_wheel_version_is_refused() {
        let refused = |value: Option<&str>| {
            let value = value.map(str::to_owned);
            Err(MetadataFault::Header {
                file: "WHEEL",
                field: "Wheel-Version",
                value,
            })
        };
        for value in [
            "1.9.dev",
            "x",
            "",
            "+1.0",
            "1..0",
            "1.0 beta",
            "99999999999999999999",
        ] {
            assert_eq!(
                wheel(&format!("Wheel-Version: {value}\n")),
                refused(Some(value)),
                "{value}"
            );
        }
        assert_eq!(wheel(""), refused(None));
        assert_eq!(wheel("\nWheel-Version: 1.0\n"), refused(None));
        assert_eq!(
            WheelInfo::parse(b"\xff"),
            Err(MetadataFault::NotUtf8("WHEEL".to_owned()))
        );
    }

    #[test]
    fn c04_c05_root_is_purelib_ignores_case_and_may_be_missing() {
        for (line, expected) in [
            ("Root-Is-Purelib: true", true),
            ("Root-Is-Purelib: True", true),
            ("root-is-purelib:TRUE", true),
            ("Root-Is-Purelib: false", false),
            ("Root-Is-Purelib: yes", false),
            ("", false),
        ] {
            let info = wheel(&format!("Wheel-Version: 1.0\r\n{line}\r\n")).expect("installable");
            assert_eq!(info.root_is_purelib, expected, "{line}");
        }
    }

    #[test]
    fn e31_the_first_of_several_headers_wins() {
        let info = wheel(
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nWheel-Version: 3.0\n\
             Root-Is-Purelib: false\n",
        );
        assert_eq!(
            info,
            Ok(WheelInfo {
                root_is_purelib: true,
                warnings: Vec::new()
            })
        );
    }

    #[test]
    fn c12_e33_tags_are_not_read() {
        let info = wheel(
            "Wheel-Version: 1.0\nTag:\nTag: py2.py3-none-any,\n folded\nRoot-Is-Purelib: true\n",
        );
        assert!(info.expect("installable").root_is_purelib);
    }

    #[test]
    fn c06_c07_metadata_needs_its_three_headers_and_a_known_major_version() {
        let good =
            metadata("\u{feff}Metadata-Version: 2.5\nName: Foo.Bar\nVersion: 1.0+cu121\n\n\0body")
                .expect("read");
        assert_eq!(
            (good.name.normalized(), good.version.raw()),
            ("foo-bar", "1.0+cu121")
        );
        assert_eq!((good.requires_python, good.warnings), (None, Vec::new()));
        assert!(good.requires_dist.is_empty() && good.provides_extra.is_empty());

        let fault = MetadataFault::Newer {
            what: "Metadata-Version",
            found: "3.0".to_owned(),
            supported: "2.x",
        };
        assert_eq!(
            metadata("Metadata-Version: 3.0\nName: a\nVersion: 1\n"),
            Err(fault)
        );
        let warnings = metadata("Metadata-Version: 2.6\nName: a\nVersion: 1\n")
            .expect("read")
            .warnings;
        assert!(
            matches!(
                &warnings[..],
                [MetadataFault::Newer {
                    supported: "2.5",
                    ..
                }]
            ),
            "{warnings:?}"
        );

        for (text, field) in [
            ("Name: a\nVersion: 1\n", "Metadata-Version"),
            (
                "Metadata-Version: x\nName: a\nVersion: 1\n",
                "Metadata-Version",
            ),
            ("Metadata-Version: 2.1\nVersion: 1\n", "Name"),
            ("Metadata-Version: 2.1\nName: ../a\nVersion: 1\n", "Name"),
            ("Metadata-Version: 2.1\nName: a\n\nVersion: 1\n", "Version"),
            ("Metadata-Version: 2.1\nName: a\nVersion: x\n", "Version"),
        ] {
            let fault = metadata(text).expect_err(text);
            assert!(
                matches!(fault, MetadataFault::Header { field: found, .. } if found == field),
                "{text:?}: {fault}"
            );
        }
    }

    #[test]
    fn requirements_and_extras_are_kept_as_written() {
        let text = "Metadata-Version: 2.1\nName: a\nVersion: 1\nRequires-Dist: b (>=1)\n\
                    Provides-Extra: X_y\nRequires-Dist: c;\n  extra == 'x-y'\n\nRequires-Dist: d";
        let read = metadata(text).expect("read");
        let requires: Vec<&str> = read.requires_dist.iter().map(|line| &**line).collect();
        assert_eq!(requires, ["b (>=1)", "c;  extra == 'x-y'"]);
        assert_eq!(read.provides_extra, ["X_y".into()]);
    }

    #[test]
    fn c13_requires_python_that_cannot_be_read_is_a_warning() {
        let head = "Metadata-Version: 2.1\nName: a\nVersion: 1\n";
        let read = metadata(&format!("{head}Requires-Python: >=3.8,\n        <4\n")).expect("read");
        let python = Version::parse("3.11.7").expect("a version");
        assert!(
            read.requires_python
                .is_some_and(|specifiers| specifiers.contains(&python))
        );
        let read = metadata(&format!("{head}Requires-Python: >=3.6.*\n")).expect("read");
        assert_eq!(read.requires_python, None);
        assert_eq!(
            read.warnings,
            [MetadataFault::Version {
                what: "Requires-Python",
                text: ">=3.6.*".to_owned()
            }]
        );
    }

    #[test]
    fn e30_metadata_that_is_not_utf8_is_refused_even_in_its_body() {
        let bytes = b"Metadata-Version: 2.1\nName: a\nVersion: 1\n\nbody \xff";
        assert_eq!(
            Metadata::parse(bytes),
            Err(MetadataFault::NotUtf8("METADATA".to_owned()))
        );
    }
}
