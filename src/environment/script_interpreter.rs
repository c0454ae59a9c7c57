//! The interpreter that the scripts of an environment start with.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::{Error, Result};

/// The program that looks for another one on the path.
const ENV: &str = "/usr/bin/env ";

/// The interpreter that the scripts of an environment start with. By default the environment's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ScriptInterpreter {
    /// The environment's own interpreter.
    #[default]
    Own,
    /// `python` in the directory of the script, so that both can be moved.
    Beside,
    /// The program at this absolute path.
    At(PathBuf),
    /// The first program of this name on the path of the user who starts the script.
    OnPath(String),
}

impl FromStr for ScriptInterpreter {
    type Err = Error;

    /// Reads an absolute path, or `/usr/bin/env NAME`.
    fn from_str(text: &str) -> Result<Self> {
        let is_name = |name: &&str| {
            let mut bytes = name.bytes();
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte);
            !name.starts_with('-') && !name.is_empty() && bytes.all(is_plain)
        };
        if let Some(name) = text.strip_prefix(ENV).map(str::trim).filter(is_name) {
            return Ok(Self::OnPath(name.to_owned()));
        }
        if !Path::new(text).is_absolute() {
            return Err(Error::usage(
                "the interpreter of scripts must be an absolute path, or `/usr/bin/env NAME`",
            ));
        }
        if text.contains(char::is_control) {
            return Err(Error::usage(
                "the path of the interpreter of scripts has a control character",
            ));
        }
        Ok(Self::At(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_or_a_name_on_the_path_is_read() {
        let read = |text: &str| text.parse::<ScriptInterpreter>().ok();
        let at = |path: &str| Some(ScriptInterpreter::At(path.into()));
        assert_eq!(read("/usr/bin/python3"), at("/usr/bin/python3"));
        assert_eq!(read("/opt/my python"), at("/opt/my python"));
        assert_eq!(
            read("/usr/bin/env python3.12"),
            Some(ScriptInterpreter::OnPath("python3.12".into()))
        );
        // More words would be one to the kernel, which passes the rest of the line as one argument.
        assert_eq!(
            read("/usr/bin/env -S python3"),
            at("/usr/bin/env -S python3")
        );
        for wrong in ["python3", "", "bin/python", "env python3", "/a\nb"] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}
