//! "Marking a base environment as externally managed" (PEP 668).
//!
//! Input: an interpreter's standard library directory. Output: a refusal in the distributor's own
//! words, if the directory has the marker. Limits: only the message without a language (`Error`) is
//! shown, not the translations.

use std::path::Path;

use crate::error::{Error, Result};
use crate::fs;
use crate::spec::ini;

/// The limit of the marker in bytes; the rest of a longer file is not read.
const MAX_MARKER: u64 = 1 << 20;

/// The message of a marker that has none.
const NO_WORDS: &str = "its distributor asks to leave it to the distribution's own tools";

/// Refuses an environment whose standard library directory has the file `EXTERNALLY-MANAGED`.
/// `prefix` is the environment in the message.
pub(super) fn refuse(stdlib: &Path, prefix: &Path) -> Result<()> {
    let marker = stdlib.join("EXTERNALLY-MANAGED");
    if fs::stat(&marker)?.is_none_or(|stat| stat.kind != fs::Kind::File) {
        return Ok(());
    }
    // The existence of the marker decides: one that cannot be read or understood still forbids.
    let message = fs::read_to_limit(&marker, MAX_MARKER)
        .ok()
        .and_then(|bytes| message(&String::from_utf8_lossy(&bytes)));
    Err(Error::externally_managed(
        prefix,
        message.unwrap_or_else(|| NO_WORDS.to_owned()),
    ))
}

/// The value of `Error` in the section `externally-managed`; the last one if there are several.
fn message(text: &str) -> Option<String> {
    // PEP 668 refers to `configparser`, which takes both separators and ignores case only in keys.
    let items = ini::items(text, &['=', ':']);
    let found = items.into_iter().rfind(|item| {
        item.section == Some("externally-managed") && item.name.eq_ignore_ascii_case("error")
    })?;
    let message = found.value.trim();
    (!message.is_empty()).then(|| message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn c62_the_message_may_have_many_lines() {
        let text = "# by the distribution\n[other]\nError=no\n[externally-managed]\n\
                    Error-de=Nein\n gar nicht\n\
                    Error=Use apt.\n Really.\n\n # a remark\n See https://example.org/a=b\n\
                    Later: x\n";
        assert_eq!(
            message(text).as_deref(),
            Some("Use apt.\nReally.\n\nSee https://example.org/a=b")
        );
    }

    #[test]
    fn c62_keys_ignore_case_and_sections_do_not() {
        assert_eq!(
            message("[externally-managed]\r\n  error : a\r\n    b\r\n  Other=c\r\n").as_deref(),
            Some("a\nb")
        );
        assert_eq!(message("[Externally-Managed]\nError=a\n"), None);
        for nothing in [
            "",
            "Error=a",
            "[externally-managed]\n",
            "[externally-managed]\nError=\n",
            "\0\u{fffd}[==",
        ] {
            assert_eq!(message(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn c62_the_marker_forbids_whatever_it_says() {
        let stdlib = tempfile::tempdir().unwrap();
        let prefix = Path::new("/usr");
        assert!(refuse(stdlib.path(), prefix).is_ok());
        let marker = stdlib.path().join("EXTERNALLY-MANAGED");
        std::fs::write(&marker, b"\xff").unwrap();
        let error = refuse(stdlib.path(), prefix).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Environment);
        assert!(error.to_string().contains(NO_WORDS), "{error}");
        std::fs::write(&marker, "[externally-managed]\nError=Use apt.\n").unwrap();
        let error = refuse(stdlib.path(), prefix).unwrap_err();
        assert!(
            error.to_string().contains("`/usr`") && error.to_string().contains("Use apt."),
            "{error}"
        );
    }
}
