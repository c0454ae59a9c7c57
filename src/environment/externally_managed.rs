//! "Marking a base environment as externally managed" (PEP 668).
//!
//! Input: an interpreter's standard library directory. Output: a refusal in the distributor's own
//! words, where it has the marker. Limits: the message that is not for one language (`Error`),
//! whatever the user speaks.

use std::path::Path;

use crate::error::{Error, Result};
use crate::fs;

/// No message needs more; the rest of a longer file is not read.
const MAX_MARKER: u64 = 1 << 20;

/// What is said where the marker says nothing.
const NO_WORDS: &str = "its distributor asks to leave it to the distribution's own tools";

/// Refuses an environment whose standard library directory has `EXTERNALLY-MANAGED`; `prefix` names
/// it to the user.
///
/// # Errors
/// Where it has, or where that cannot be found out.
pub(super) fn refuse(stdlib: &Path, prefix: &Path) -> Result<()> {
    let marker = stdlib.join("EXTERNALLY-MANAGED");
    if fs::stat(&marker)?.is_none_or(|stat| stat.kind != fs::Kind::File) {
        return Ok(());
    }
    // The marker alone decides; one that cannot be read or understood still forbids.
    let bytes = fs::read_to_limit(&marker, MAX_MARKER).unwrap_or_default();
    let message = message(&String::from_utf8_lossy(&bytes));
    Err(Error::externally_managed(
        prefix,
        message.unwrap_or_else(|| NO_WORDS.to_owned()),
    ))
}

/// The value of `Error` in section `externally-managed`, as Python's `configparser` without
/// interpolation reads it.
fn message(text: &str) -> Option<String> {
    let mut section = "";
    let mut key: Option<(bool, usize)> = None;
    let mut lines: Vec<&str> = Vec::new();
    for line in text.trim_start_matches('\u{feff}').lines() {
        let content = line.trim();
        let indent = line.len() - line.trim_start().len();
        if content.starts_with(['#', ';']) {
            continue;
        }
        match key {
            // A value goes on in lines that are indented more than its key, and over empty ones.
            Some((wanted, of_key)) if content.is_empty() || indent > of_key => {
                if wanted {
                    lines.push(content);
                }
                continue;
            }
            _ => key = None,
        }
        if let Some(name) = content
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
        {
            section = name.0;
        } else if let Some((name, value)) = content.split_once(['=', ':']) {
            let wanted =
                section == "externally-managed" && name.trim().eq_ignore_ascii_case("error");
            if wanted {
                lines = vec![value.trim()];
            }
            key = Some((wanted, indent));
        }
    }
    let message = lines.join("\n").trim().to_owned();
    (!message.is_empty()).then_some(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn c62_the_message_may_have_many_lines() {
        let text = "# by the distribution\n[other]\nError=no\n[externally-managed]\nError-de=Nein\n gar nicht\n\
                    Error=Use apt.\n Really.\n\n # a remark\n See https://example.org/a=b\nLater: x\n";
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
