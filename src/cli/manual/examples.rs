//! The examples of the manual pages. A test parses each of them.

/// Commands as they are typed, each with what it does.
pub type Examples = &'static [(&'static str, &'static str)];

/// The examples of each page, by the name of the page.
pub const ALL: &[(&str, Examples)] = &[
    ("pkg-install", PROGRAM),
    ("pkg-install-install", INSTALL),
    ("pkg-install-sync", SYNC),
    ("pkg-install-download", DOWNLOAD),
    ("pkg-install-resolve", RESOLVE),
    ("pkg-install-pack", PACK),
    ("pkg-install-installer", INSTALLER),
    ("pkg-install-cache", CACHE),
    ("pkg-install-cache-dir", CACHE_DIR),
    ("pkg-install-cache-size", CACHE_SIZE),
    ("pkg-install-cache-prune", CACHE_PRUNE),
    ("pkg-install-cache-verify", CACHE_VERIFY),
    ("pkg-install-cache-clean", CACHE_CLEAN),
    ("pkg-install-uninstall", UNINSTALL),
    ("pkg-install-check", CHECK),
    ("pkg-install-verify", VERIFY),
    ("pkg-install-list", LIST),
    ("pkg-install-show", SHOW),
    ("pkg-install-owner", OWNER),
    ("pkg-install-undo", UNDO),
    ("pkg-install-history", HISTORY),
    ("pkg-install-recover", RECOVER),
    ("pkg-install-help", HELP),
    ("pkg-install-completions", COMPLETIONS),
    ("pkg-install-man", MAN),
];

/// The examples of the page of this name.
pub fn of(page: &str) -> Examples {
    let found = ALL.iter().find(|(name, _)| *name == page);
    found.map_or(&[], |(_, examples)| examples)
}

const PROGRAM: Examples = &[
    (
        "pkg-install 'flask>=3' --target venv",
        "Resolve a requirement and install everything that it needs:",
    ),
    (
        "pkg-install --dry-run wheels --target venv",
        "Print what would be written, and change nothing:",
    ),
    (
        "pkg-install uninstall flask --undoable --target venv\npkg-install undo --target venv",
        "Remove a project, and bring it back:",
    ),
];

const INSTALL: Examples = &[
    (
        "pkg-install install 'flask>=3' --target venv",
        "Resolve a requirement and install everything that it needs:",
    ),
    (
        "pkg-install install wheels --target venv",
        "Install every wheel of a directory:",
    ),
    (
        "pkg-install install --lock pylock.toml --extra docs --target venv",
        "Install what a lock file pins, with one of its extras:",
    ),
    (
        "pkg-install install -r pins.txt --require-hashes --python /usr/bin/python3 --root image",
        "Install for the system's interpreter, below the root of an image:",
    ),
    (
        "pkg-install install --check -r pins.txt --target venv && echo current",
        "Find out whether an environment is up to date:",
    ),
    (
        "pkg-install install wheels --target venv --on-conflict last",
        "Let the wheel that comes later win if two have the same file:",
    ),
];

const SYNC: Examples = &[(
    "pkg-install sync pylock.toml --target venv",
    "Install what a lock file pins, and remove everything else:",
)];

const DOWNLOAD: Examples = &[(
    "pkg-install download -r pins.txt --dest wheels --target venv",
    "Fetch wheels now, and install them later without a network:",
)];

const RESOLVE: Examples = &[
    (
        "pkg-install resolve 'flask>=3' --lock pylock.toml --target venv",
        "Write a lock file:",
    ),
    (
        "pkg-install resolve -r requirements.in --python-version 3.12 > pins.txt",
        "Write a list of pins for a version of Python:",
    ),
];

const PACK: Examples = &[
    (
        "pkg-install pack --lock pylock.toml --output env.tar.gz",
        "Make an environment that can be moved, for engines such as Spark:",
    ),
    (
        "pkg-install pack wheels --entry flask --output app.pyz",
        "Make an application in one executable file:",
    ),
    (
        "pkg-install pack -r pins.txt --format oci --output image",
        "Make a container image, with a layer for each large wheel:",
    ),
];

const INSTALLER: Examples = &[(
    "pkg-install installer --destdir image dist/hello-1.0-py3-none-any.whl",
    "Install a built wheel for a distribution's package, as `python -m installer` does:",
)];

const CACHE: Examples = &[("pkg-install cache size", "Print how much the cache holds:")];

const CACHE_DIR: Examples = &[("pkg-install cache dir", "Print the directory of the cache:")];

const CACHE_SIZE: Examples = &[(
    "pkg-install cache size --json",
    "Print how much the cache holds, for a program:",
)];

const CACHE_PRUNE: Examples = &[(
    "pkg-install cache prune --older-than 30 --max-size 2GiB",
    "Keep what was used in the last 30 days, and at most 2 GiB of it:",
)];

const CACHE_VERIFY: Examples = &[(
    "pkg-install cache verify --repair",
    "Hash every wheel in the cache, and remove the damaged ones:",
)];

const CACHE_CLEAN: Examples = &[(
    "pkg-install cache clean numpy",
    "Remove the wheels of one project from the cache:",
)];

const UNINSTALL: Examples = &[(
    "pkg-install uninstall flask jinja2 --undoable --target venv",
    "Remove two projects, and keep what is needed to bring them back:",
)];

const CHECK: Examples = &[
    (
        "pkg-install check --target venv",
        "Compare every installed file with RECORD:",
    ),
    (
        "pkg-install check --requires --target venv",
        "Also find requirements that are not met:",
    ),
    (
        "pkg-install check --json --target venv | jq .differences",
        "Print the differences for a program:",
    ),
];

const VERIFY: Examples = &[(
    "pkg-install verify dist --verify strict",
    "Check the wheels that a build has made:",
)];

const LIST: Examples = &[
    ("pkg-install list --target venv", "List what is installed:"),
    (
        "pkg-install list --format freeze --target venv > pins.txt",
        "Write a list that can be installed again:",
    ),
];

const SHOW: Examples = &[(
    "pkg-install show flask --files --target venv",
    "Print the metadata, the origin and the files of a project:",
)];

const OWNER: Examples = &[(
    "pkg-install owner venv/bin/flask --target venv",
    "Find out which project a script belongs to:",
)];

const UNDO: Examples = &[
    (
        "pkg-install undo --target venv",
        "Take back the last transaction, if it ran with --undoable:",
    ),
    (
        "pkg-install undo --to 3 --dry-run --target venv",
        "Print what would change if everything after transaction 3 were taken back:",
    ),
];

const HISTORY: Examples = &[(
    "pkg-install history --target venv",
    "List the transactions, with their numbers:",
)];

const RECOVER: Examples = &[(
    "pkg-install recover --target venv",
    "Settle what an interrupted command has left, for example before a backup:",
)];

const HELP: Examples = &[(
    "pkg-install help resolve",
    "Print all options of a command:",
)];

const COMPLETIONS: Examples = &[
    (
        "pkg-install completions bash > ~/.local/share/bash-completion/completions/pkg-install",
        "Install for bash:",
    ),
    (
        "pkg-install completions zsh > ~/.zfunc/_pkg-install",
        "Install for zsh, if ~/.zfunc is in its fpath:",
    ),
    (
        "pkg-install completions fish > ~/.config/fish/completions/pkg-install.fish",
        "Install for fish:",
    ),
];

const MAN: Examples = &[
    (
        "pkg-install man resolve | man -l -",
        "Read the page of a command:",
    ),
    (
        "pkg-install man --dir /usr/local/share/man/man1",
        "Install the pages of all commands:",
    ),
];
