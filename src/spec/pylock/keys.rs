//! The keys of a TOML table, taken one by one.
//!
//! Input: a table and its path in the text. Output: values of the requested type, or a fault that
//! names the key by its full path. Keys that remain at the end are unknown ones.

use toml::{Table, Value};

use crate::error::ResolutionFault;

/// A table whose keys are taken out one by one.
pub(super) struct Keys {
    table: Table,
    at: String,
}

impl Keys {
    /// Parses a whole document.
    pub(super) fn parse(text: &[u8]) -> Result<Self, ResolutionFault> {
        let syntax = ResolutionFault::NotToml;
        let text = std::str::from_utf8(text).map_err(|error| syntax(error.to_string()))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        // The `Display` of a TOML error quotes the text, which may be a URL with credentials, so
        // only the line and the message are taken from it.
        let table = text.parse::<Table>().map_err(|error| {
            let before = error
                .span()
                .and_then(|span| text.get(..span.start))
                .unwrap_or_default();
            syntax(format!(
                "line {}: {}",
                before.matches('\n').count() + 1,
                error.message()
            ))
        })?;
        Ok(Self {
            table,
            at: String::new(),
        })
    }

    /// The full path of a key.
    pub(super) fn path(&self, key: &str) -> String {
        if self.at.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.at)
        }
    }

    fn bad(&self, key: &str, expected: &'static str) -> ResolutionFault {
        ResolutionFault::BadKey {
            key: self.path(key),
            expected,
        }
    }

    /// The value of a key, converted by `read`; `None` if the key is missing.
    fn take<T>(
        &mut self,
        key: &str,
        expected: &'static str,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Result<Option<T>, ResolutionFault> {
        let value = self.table.remove(key);
        value
            .map(|value| read(value).ok_or_else(|| self.bad(key, expected)))
            .transpose()
    }

    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, ResolutionFault> {
        self.take(key, "text", text)
    }

    pub(super) fn required(&mut self, key: &str) -> Result<String, ResolutionFault> {
        let text = self.text(key)?;
        text.ok_or_else(|| ResolutionFault::MissingKey(self.path(key)))
    }

    /// The text of a key, converted by `parse`; `None` if the key is missing.
    pub(super) fn parsed<T>(
        &mut self,
        key: &str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ResolutionFault> {
        self.take(key, expected, |value| {
            text(value).and_then(|text| parse(&text))
        })
    }

    /// A list of texts; empty if the key is missing.
    pub(super) fn texts(&mut self, key: &str) -> Result<Vec<String>, ResolutionFault> {
        let texts = self.take(key, "a list of texts", |value| match value {
            Value::Array(items) => items.into_iter().map(text).collect(),
            _ => None,
        })?;
        Ok(texts.unwrap_or_default())
    }

    pub(super) fn number(&mut self, key: &str) -> Result<Option<u64>, ResolutionFault> {
        self.take(key, "a number of bytes", |value| {
            value
                .as_integer()
                // TOML integers are signed: a negative size is a value of the wrong type.
                .and_then(|number| u64::try_from(number).ok())
        })
    }

    /// Whether a key is `true`; a missing key counts as `false`.
    pub(super) fn flag(&mut self, key: &str) -> Result<bool, ResolutionFault> {
        Ok(self
            .take(key, "`true` or `false`", |value| value.as_bool())?
            .unwrap_or_default())
    }

    pub(super) fn table(&mut self, key: &str) -> Result<Option<Self>, ResolutionFault> {
        let at = self.path(key);
        self.take(key, "a table", |value| match value {
            Value::Table(table) => Some(Self { table, at }),
            _ => None,
        })
    }

    /// A list of tables; `None` if the key is missing, which differs from an empty list.
    pub(super) fn tables(&mut self, key: &str) -> Result<Option<Vec<Self>>, ResolutionFault> {
        let at = self.path(key);
        self.take(key, "a list of tables", |value| match value {
            Value::Array(items) => items
                .into_iter()
                .enumerate()
                .map(|(index, item)| match item {
                    Value::Table(table) => Some(Self {
                        table,
                        at: format!("{at}[{index}]"),
                    }),
                    _ => None,
                })
                .collect(),
            _ => None,
        })
    }

    /// All keys with their texts.
    pub(super) fn pairs(self) -> Result<Vec<(String, String)>, ResolutionFault> {
        let Self { table, at } = self;
        let bad = |key: &str| ResolutionFault::BadKey {
            key: format!("{at}.{key}"),
            expected: "text",
        };
        table
            .into_iter()
            .map(|(key, value)| match text(value) {
                Some(value) => Ok((key, value)),
                None => Err(bad(&key)),
            })
            .collect()
    }

    /// Drops known keys that are not needed.
    pub(super) fn ignore(&mut self, keys: &[&str]) {
        for key in keys {
            self.table.remove(*key);
        }
    }

    /// The paths of the keys that were not taken.
    pub(super) fn rest(&self) -> Vec<String> {
        self.table.keys().map(|key| self.path(key)).collect()
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}
