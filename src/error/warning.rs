//! The kinds of warnings, and the oddities of resolvers' files that are only worth a warning.

use std::fmt::{self, Write as _};

use super::escape::Escaping;

macro_rules! warning_codes {
    ($($name:ident $slug:literal $meaning:literal)*) => {
        /// The kind of a [`Warning`](crate::Warning). Its text is a short word that never changes
        /// its meaning, such as `record-padded-digest`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum WarningCode { $(#[doc = $meaning] $name),* }

        impl WarningCode {
            /// The word itself.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $slug),* }
            }
        }

        /// Every code of a warning with its meaning, in the order of this crate's layers.
        pub const WARNING_CODES: &[(WarningCode, &str)] = &[$((WarningCode::$name, $meaning)),*];
    };
}

warning_codes! {
    // Reports, lock files and lists of requirements.
    Yanked "yanked" "The project has withdrawn the release."
    LockUnknownKey "lock-unknown-key" "A lock file of a newer version has an unknown key."
    RequirementsOption "requirements-option" "An option in a list of requirements is ignored."

    // Resolution.
    DependencyConfusion "dependency-confusion"
        "Indexes are merged, so a public one can replace a private project."
    MissingExtra "missing-extra" "A project does not have the extra that is asked for."
    Archived "archived" "The project is archived: it gets no more releases."
    Deprecated "deprecated" "The project is deprecated."

    // Downloads.
    Netrc "netrc" "The netrc file cannot be read, so its logins are not used."
    UnusableCache "unusable-cache" "The cache of the user cannot be used."
    DamagedCache "damaged-cache" "A cached file was damaged and is not used."
    NotLinked "not-linked" "Files are copied from the store, because they cannot be linked."

    // The wheel's metadata and RECORD.
    Metadata "metadata" "A metadata file departs from its specification."
    RepackedFile "repacked-file" "The wheel has a file that only installers write."
    RecordBom "record-bom" "RECORD begins with a byte order mark."
    RecordColumns "record-columns" "A row of RECORD does not have three columns."
    RecordBackslash "record-backslash" "A path in RECORD has backslashes."
    RecordLeadingSlash "record-leading-slash" "A path in RECORD begins with `/`."
    RecordDotPrefix "record-dot-prefix" "A path in RECORD begins with `./`."
    RecordDuplicateRow "record-duplicate-row" "Two rows of RECORD are equal."
    RecordHexadecimalDigest "record-hexadecimal-digest" "A digest in RECORD is hexadecimal."
    RecordPaddedDigest "record-padded-digest" "A digest in RECORD is padded with `=`."
    RecordStandardAlphabet "record-standard-alphabet"
        "A digest in RECORD is in the standard alphabet of base64, not the URL-safe one."
    RecordNoncanonicalDigest "record-noncanonical-digest"
        "The last character of a digest in RECORD has bits that belong to no byte."
    RecordOwnDigest "record-own-digest" "RECORD states a digest of itself."
    RecordAbsentFile "record-absent-file" "RECORD lists a file that the wheel does not have."
    LeftOut "left-out" "There are more oddities than are listed."

    // The environment.
    PlainDirectory "plain-directory"
        "A directory has the name of a virtual environment, and is none."
    UncheckedPython "unchecked-python" "Requires-Python was not checked: no interpreter is known."
    Unlocked "unlocked" "The lock file could not be locked, so uv is not kept out."

    // Planning.
    SeveralBuilds "several-builds" "The highest of several builds of one version is installed."
    WindowsName "windows-name" "A file has a name that Windows reserves or cannot have."
    EditableKept "editable-kept" "An editable project is not in the input and stays."

    // Installed projects that are replaced or removed.
    RecordLeadsOutside "record-leads-outside"
        "RECORD lists a file outside of the environment, which stays."
    RecordProtected "record-protected" "RECORD lists a part of the environment, which stays."
    RecordDirectory "record-directory" "RECORD lists a directory, which stays."
    EditedFile "edited-file" "A file was edited since it was installed."
    Leftover "leftover" "What is left of a project that is not whole is removed."

    // Requirements between installed projects.
    MissingDependency "missing-dependency" "A required project is not installed."
    IncompatibleDependency "incompatible-dependency"
        "A required project is installed in a version that does not fit."

    // Bytecode.
    NotCompiled "not-compiled" "A source is no valid Python, so it has no bytecode."

    // The transaction.
    Recovered "recovered" "An interrupted command was settled."
    Unsettled "unsettled" "An interrupted command was found and left as it is."
    NotDurable "not-durable" "The change may not survive a loss of power."
    NotReproducible "not-reproducible"
        "A directory could not be given the time of SOURCE_DATE_EPOCH."
    NotCleaned "not-cleaned" "Temporary files could not be deleted."
}

impl fmt::Display for WarningCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something odd in the file of a resolver that does not keep it from being used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the sentences of `Display` explain the fields")]
pub enum ResolutionOddity {
    /// The project has withdrawn the release.
    Yanked(String),
    /// A key of a newer format is not known.
    UnknownKey { key: String, version: String },
    /// An option is ignored.
    IgnoredOption {
        line: u64,
        option: String,
        reason: &'static str,
    },
}

impl ResolutionOddity {
    /// The code of the warning about it.
    pub fn code(&self) -> WarningCode {
        match self {
            Self::Yanked(_) => WarningCode::Yanked,
            Self::UnknownKey { .. } => WarningCode::LockUnknownKey,
            Self::IgnoredOption { .. } => WarningCode::RequirementsOption,
        }
    }
}

impl fmt::Display for ResolutionOddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaping(f);
        match self {
            Self::Yanked(release) => {
                write!(
                    f,
                    "`{release}` was yanked: its project has withdrawn the release"
                )
            }
            Self::UnknownKey { key, version } => write!(
                f,
                "the unknown key `{key}` is ignored; the lock file has version {version}"
            ),
            Self::IgnoredOption {
                line,
                option,
                reason,
            } => write!(f, "line {line}: `{option}` is ignored: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_unique_and_its_meaning_is_a_sentence() {
        for (number, (code, meaning)) in WARNING_CODES.iter().enumerate() {
            let word = code.to_string();
            let mut others = WARNING_CODES[..number].iter();
            assert!(!others.any(|(other, _)| other.as_str() == word), "{word}");
            assert!(meaning.ends_with('.'), "{word}");
            let is_plain = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(word.chars().all(is_plain), "{word}");
        }
    }

    #[test]
    fn the_documentation_lists_every_code() {
        let text = include_str!("../../docs/cli.md");
        for (code, meaning) in WARNING_CODES {
            let row = format!("| `{code}` | {meaning} |");
            assert!(text.lines().any(|line| line == row), "{row}");
        }
    }

    #[test]
    fn oddities_of_resolvers_files_name_the_odd_thing() {
        let unknown = ResolutionOddity::UnknownKey {
            key: "x\u{1b}".to_owned(),
            version: "1.1".to_owned(),
        };
        let ignored = ResolutionOddity::IgnoredOption {
            line: 4,
            option: "--pre".to_owned(),
            reason: "nothing is looked up in an index",
        };
        let yanked = ResolutionOddity::Yanked("six 1.17.0".to_owned());
        let named = [
            (unknown, "`x\\u{1b}`", WarningCode::LockUnknownKey),
            (ignored, "line 4: `--pre`", WarningCode::RequirementsOption),
            (yanked, "`six 1.17.0`", WarningCode::Yanked),
        ];
        for (oddity, part, code) in named {
            assert_eq!(oddity.code(), code);
            assert!(oddity.to_string().contains(part), "{oddity}");
        }
    }
}
