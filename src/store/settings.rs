//! What the store is used for, and how files come out of it; plain data.

/// Which wheels are put into the store and taken from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StoreUse {
    /// All but those that are given as paths: such files are often built anew, and would fill the
    /// store with versions that nothing asks for again.
    #[default]
    Auto,
    /// All of them.
    Always,
    /// None.
    Never,
}

/// How files of the store become files of an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkMode {
    /// The first of the modes below that is possible.
    #[default]
    Auto,
    /// Copies that share their blocks with the store until they are changed.
    Reflink,
    /// Further names of the files in the store.
    Hardlink,
    /// Copies.
    Copy,
    /// Symbolic links to whole packages; other files as with `Auto`.
    Symlink,
}

impl LinkMode {
    /// Whether it is an error if nothing can be linked. The others copy then.
    pub fn needs_links(self) -> bool {
        matches!(self, Self::Reflink | Self::Hardlink | Self::Symlink)
    }
}
