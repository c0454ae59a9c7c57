//! `pyvenv.cfg`, as `venv`, virtualenv and uv write it (PEP 405).
//!
//! Input: its text. Output: [`Config`]. Invariants: this never fails; the interpreter is asked for
//! missing values. Limits: only the keys that this crate needs.

use std::path::PathBuf;

/// The values in `pyvenv.cfg`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Config {
    /// The three numbers of the interpreter's release when the environment was made.
    pub(super) version: Option<(u32, u32, u32)>,
    /// `CPython`, `PyPy`; absent if `venv` made the environment.
    pub(super) implementation: Option<String>,
    /// The directory of the interpreter that the environment was made from. It counts only for a
    /// copy of that interpreter; otherwise the link to it says where it is.
    pub(super) home: Option<PathBuf>,
    /// Whether the environment was made to be moved (`uv venv --relocatable`).
    pub(super) relocatable: bool,
}

impl Config {
    /// Parses lines of `key = value`. As in Python, case does not matter in keys, and other lines
    /// are ignored.
    pub(super) fn parse(text: &str) -> Self {
        let mut config = Self::default();
        let mut short = None;
        for line in text.trim_start_matches('\u{feff}').lines() {
            let Some((key, value)) = line.split_once('=') else {
                continue;
            };
            let value = value.trim();
            match key.trim().to_ascii_lowercase().as_str() {
                "implementation" => config.implementation = Some(value.to_owned()),
                "home" => config.home = Some(value.into()),
                "relocatable" => config.relocatable = value.eq_ignore_ascii_case("true"),
                "version_info" => config.version = release(value),
                "version" => short = release(value),
                _ => {}
            }
        }
        config.version = config.version.or(short);
        config
    }
}

/// The three numbers at the start of `3.11.7`, `3.11.7.final.0` or `3.14.0rc2`.
fn release(text: &str) -> Option<(u32, u32, u32)> {
    let (major, rest) = text.split_once('.')?;
    let (minor, rest) = rest.split_once('.')?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    Some((
        major.parse().ok()?,
        minor.parse().ok()?,
        rest[..end].parse().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_makers_of_environments_are_understood() {
        let config = |text| Config::parse(text);
        let venv =
            config("home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.2\n");
        assert_eq!(
            venv,
            Config {
                version: Some((3, 11, 2)),
                implementation: None,
                home: Some("/usr/bin".into()),
                relocatable: false,
            }
        );
        let uv = config(
            "home = /a = b\nimplementation = CPython\nuv = 0.8.3\nversion_info = 3.14.0rc2\n",
        );
        assert_eq!(
            uv,
            Config {
                version: Some((3, 14, 0)),
                implementation: Some("CPython".into()),
                home: Some("/a = b".into()),
                relocatable: false,
            }
        );
        let virtualenv = config(
            "Version_Info=3.11.7.final.0\r\nversion = 20.1.0\r\nvirtualenv = 20.1.0\r\nrubbish",
        );
        assert_eq!(virtualenv.version, Some((3, 11, 7)));
        assert_eq!(config("version = 3.x.1\nversion_info = \n").version, None);
    }
}
