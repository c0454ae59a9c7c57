//! The part of pip's configuration that says where to look (pip's "Configuration").
//!
//! Input: the text of a `pip.conf`. Output: its settings. Limits: only the sections `[global]` and
//! `[install]`, the second of which wins; of a command line's other options nothing.

use super::ini;

/// Where pip is configured to look.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct PipConfiguration {
    /// `index-url`.
    pub index_url: Option<String>,
    /// `extra-index-url`.
    pub extra_index_urls: Option<Vec<String>>,
    /// `find-links`.
    pub find_links: Option<Vec<String>>,
    /// `no-index`.
    pub no_index: Option<bool>,
}

impl PipConfiguration {
    /// Reads a file; lines that mean nothing here are passed over.
    pub fn parse(text: &str) -> Self {
        let mut read = Self::default();
        for section in ["global", "install"] {
            let items = ini::items(text, &['=', ':']);
            for item in items.iter().filter(|item| item.section == Some(section)) {
                let words = || item.value.split_whitespace().map(str::to_owned).collect();
                // pip takes `_` for `-` in the names of options.
                match item.name.to_ascii_lowercase().replace('_', "-").as_str() {
                    "index-url" => read.index_url = Some(item.value.trim().to_owned()),
                    "extra-index-url" => read.extra_index_urls = Some(words()),
                    "find-links" => read.find_links = Some(words()),
                    "no-index" => read.no_index = Some(is_true(&item.value)),
                    _ => {}
                }
            }
        }
        read
    }
}

fn is_true(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    matches!(text.as_str(), "1" | "true" | "yes" | "on")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_of_the_command_wins_and_values_may_have_lines() {
        let text = "[global]\nindex_url = https://a/simple\nextra-index-url =\n  https://b\n\
                    \u{20}  https://c\n\
                    timeout = 9\n[install]\nindex-url: https://d/simple\nno-index = yes\n[list]\n\
                    index-url = https://e\n";
        let read = PipConfiguration::parse(text);
        assert_eq!(read.index_url.as_deref(), Some("https://d/simple"));
        let extra = ["https://b", "https://c"].map(str::to_owned);
        assert_eq!(read.extra_index_urls.as_deref(), Some(&extra[..]));
        assert_eq!((read.find_links, read.no_index), (None, Some(true)));
    }
}
