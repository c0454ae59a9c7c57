//! Lock files in the own formats of tools, and the commands that export them.

/// A lock file that only its own tool reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToolsLock {
    /// The name of the file.
    pub file_name: &'static str,
    /// The name of the tool.
    pub tool: &'static str,
    /// The command of the tool that writes a format for others.
    pub export: &'static str,
}

impl ToolsLock {
    /// All that are known.
    pub(super) const ALL: [Self; 4] = [
        Self {
            file_name: "uv.lock",
            tool: "uv",
            export: "uv export --format pylock.toml",
        },
        Self {
            file_name: "poetry.lock",
            tool: "Poetry",
            export: "poetry export --format pylock.toml",
        },
        Self {
            file_name: "pdm.lock",
            tool: "PDM",
            export: "pdm export --format pylock",
        },
        Self {
            file_name: "Pipfile.lock",
            tool: "Pipenv",
            export: "pipenv requirements --hash",
        },
    ];

    /// The one of this name, if there is one.
    pub fn called(file_name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|lock| lock.file_name.eq_ignore_ascii_case(file_name))
    }
}
