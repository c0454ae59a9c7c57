//! A netrc file: which login and password belong to which host.
//!
//! Input: its text, in the format of the `ftp` program. Output: [`Login`]s by host. Limits: macros
//! are skipped; a password has no white space and, quoted or not, is taken as it stands between the
//! quotes.

use std::fmt;

/// A name and a password; its `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) name: String,
    pub(super) password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

/// All logins of a file.
#[derive(Debug, Default)]
pub(super) struct Netrc {
    /// The host, or none for the default, in the order of the file.
    machines: Vec<(Option<String>, Login)>,
}

impl Netrc {
    /// Reads the text. What cannot be understood is skipped: the file is other programs' too.
    pub(super) fn parse(text: &str) -> Self {
        let mut machines = Vec::new();
        let mut entry: Option<(Option<String>, Login)> = None;
        let empty = || Login {
            name: String::new(),
            password: String::new(),
        };
        let mut in_macro = false;
        for line in text.lines() {
            if in_macro {
                // Only an empty line ends a macro, even if a line inside looks like an entry.
                in_macro = !line.trim().is_empty();
                continue;
            }
            let mut words = line.split_whitespace().map(|word| word.trim_matches('"'));
            while let Some(word) = words.next() {
                match word {
                    "machine" => machines
                        .extend(entry.replace((words.next().map(str::to_lowercase), empty()))),
                    "default" => machines.extend(entry.replace((None, empty()))),
                    "login" | "user" | "password" | "account" => {
                        if let (Some((_, login)), Some(value)) = (&mut entry, words.next()) {
                            match word {
                                "password" => value.clone_into(&mut login.password),
                                // Its value is consumed, as it may be a word like `login`.
                                "account" => {}
                                _ => value.clone_into(&mut login.name),
                            }
                        }
                    }
                    "macdef" => {
                        in_macro = true;
                        break;
                    }
                    // A comment stands in place of a keyword only: a password may begin with `#`.
                    word if word.starts_with('#') => break,
                    _ => {}
                }
            }
        }
        machines.extend(entry);
        Self { machines }
    }

    /// The login for `host`, of this user if one is given: the first entry of that name, else the
    /// default, if it may be used.
    pub(super) fn login(
        &self,
        host: &str,
        user: Option<&str>,
        may_default: bool,
    ) -> Option<&Login> {
        let host = host.to_lowercase();
        let of = |name: Option<&str>| {
            let mut entries = self.machines.iter();
            entries.find(|(machine, login)| {
                machine.as_deref() == name && user.is_none_or(|user| login.name == user)
            })
        };
        of(Some(&host))
            .or_else(|| of(None).filter(|_| may_default))
            .map(|(_, login)| login)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_found_by_host_and_by_default() {
        let text = "# a comment\nmachine One.example login anna password \"p#1\"\n\
                    machine two.example\n  login bert\n\
                    \tpassword s3\nmacdef init\nmachine evil.example login x\n\n\
                    machine one.example login later password no\n\
                    default login anyone password guest";
        let netrc = Netrc::parse(text);
        let found = |host: &str| {
            netrc
                .login(host, None, true)
                .map(|login| (login.name.as_str(), login.password.as_str()))
        };
        assert_eq!(found("one.example"), Some(("anna", "p#1")));
        assert_eq!(found("TWO.example"), Some(("bert", "s3")));
        assert_eq!(found("evil.example"), Some(("anyone", "guest")));
        assert!(
            Netrc::parse("machine a.example login b")
                .login("c.example", None, true)
                .is_none()
        );
        assert!(!format!("{netrc:?}").contains("s3"));
        let of = |host: &str, user: &str, may_default: bool| {
            let login = netrc.login(host, Some(user), may_default);
            login.map(|login| login.password.as_str())
        };
        assert_eq!(of("one.example", "later", true), Some("no"));
        assert_eq!(of("one.example", "carl", true), None);
        assert_eq!(of("evil.example", "anyone", true), Some("guest"));
        assert_eq!(of("evil.example", "anyone", false), None);
        assert!(netrc.login("evil.example", None, false).is_none());
    }
}
