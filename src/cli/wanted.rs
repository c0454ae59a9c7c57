//! The arguments that say what is to be installed, and how what is elsewhere is fetched.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args};

use pkg_install::spec::pylock::Selection;

/// What is to be installed.
#[derive(Args, Clone)]
pub struct WantedArgs {
    /// Wheels, by path or URL; a directory stands for every `*.whl` directly inside it,
    /// `…#sha256=…` pins a wheel to its hash
    #[arg(value_name = "WHEEL", required_unless_present_any = ["report", "lock", "requirements"])]
    pub wheels: Vec<PathBuf>,
    /// Install what `pip install --report FILE` resolved; `-` reads stdin
    #[arg(long, value_name = "FILE", env = "PKG_INSTALL_REPORT")]
    pub report: Vec<PathBuf>,
    /// Install what a `pylock.toml` pins (PEP 751); `-` reads stdin
    #[arg(long, value_name = "FILE", env = "PKG_INSTALL_LOCK")]
    pub lock: Vec<PathBuf>,
    /// Install a list of pinned requirements, as `pip-compile`, `uv pip compile` and `uv export`
    /// write it; `-` reads stdin
    #[arg(short, long, value_name = "FILE", env = "PKG_INSTALL_REQUIREMENTS")]
    pub requirements: Vec<PathBuf>,
    /// A directory that holds the wheels of `--requirements`
    #[arg(short, long, value_name = "DIR", env = "PKG_INSTALL_FIND_LINKS")]
    pub find_links: Vec<PathBuf>,
    /// Of `--lock`: include an extra
    #[arg(
        long,
        value_name = "NAME",
        env = "PKG_INSTALL_EXTRA",
        value_delimiter = ','
    )]
    pub extra: Vec<String>,
    /// Of `--lock`: include a dependency group
    #[arg(
        long,
        value_name = "NAME",
        env = "PKG_INSTALL_GROUP",
        value_delimiter = ','
    )]
    pub group: Vec<String>,
    /// Of `--lock`: leave the default dependency groups out
    #[arg(long, env = "PKG_INSTALL_NO_DEFAULT_GROUPS", value_parser = FalseyValueParser::new())]
    pub no_default_groups: bool,
}

impl WantedArgs {
    /// What is wanted of lock files.
    pub fn selection(&self) -> Selection {
        // A variable that is set to nothing, or ends in a comma, names nothing.
        let named = |names: &[String]| {
            names
                .iter()
                .filter(|name| !name.is_empty())
                .cloned()
                .collect()
        };
        let (extras, groups) = (named(&self.extra), named(&self.group));
        Selection {
            extras,
            groups,
            without_default_groups: self.no_default_groups,
        }
    }

    /// The first option that was typed and chooses from a lock file, where there is none. A
    /// variable may say it for good.
    pub fn lacks_lock(&self, said: &ArgMatches) -> Option<&'static str> {
        let typed = |name: &str| {
            said.value_source(&name.replace('-', "_")) == Some(ValueSource::CommandLine)
        };
        ["extra", "group", "no-default-groups"]
            .into_iter()
            .find(|name| self.lock.is_empty() && typed(name))
    }
}

/// How wheels on servers are fetched.
#[cfg(feature = "http")]
#[derive(Args, Clone)]
#[command(next_help_heading = "Downloads")]
pub struct DownloadArgs {
    /// How many wheels are fetched at once
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256), env = "PKG_INSTALL_CONCURRENT_DOWNLOADS")]
    concurrent_downloads: u16,
    /// Where wheels are kept between commands [default: `pkg-install` in $XDG_CACHE_HOME or
    /// ~/.cache]
    #[arg(long, value_name = "DIR", env = "PKG_INSTALL_CACHE_DIR")]
    cache_dir: Option<PathBuf>,
    /// Keep nothing between commands
    #[arg(long, env = "PKG_INSTALL_NO_CACHE", value_parser = FalseyValueParser::new(), conflicts_with = "cache_dir")]
    no_cache: bool,
    /// Take every wheel from the cache and fetch nothing
    #[arg(long, env = "PKG_INSTALL_OFFLINE", value_parser = FalseyValueParser::new())]
    offline: bool,
}

#[cfg(feature = "http")]
impl DownloadArgs {
    /// How to fetch, the process's own variables included: proxies, certificates, logins, the
    /// cache's place.
    pub fn settings(&self) -> pkg_install::download::Settings {
        let variable = |names: &[&str]| {
            let values = names.iter().filter_map(std::env::var_os);
            values.into_iter().find(|value| !value.is_empty())
        };
        let text = |names: &[&str]| variable(names).and_then(|value| value.into_string().ok());
        let home = variable(&["HOME"]).map(PathBuf::from);
        let cache = self.cache_dir.clone().or_else(|| {
            let cached = variable(&["XDG_CACHE_HOME"])
                .map(PathBuf::from)
                .filter(|path| path.is_absolute());
            Some(
                cached
                    .or_else(|| Some(home.clone()?.join(".cache")))?
                    .join("pkg-install"),
            )
        });
        let all = text(&["ALL_PROXY", "all_proxy"]);
        pkg_install::download::Settings {
            cache: cache.filter(|_| !self.no_cache),
            offline: self.offline,
            connections: usize::from(self.concurrent_downloads),
            // HTTP_PROXY in capitals could come from a request's header where this runs behind a
            // web server.
            http_proxy: text(&["http_proxy"]).or_else(|| all.clone()),
            https_proxy: text(&["https_proxy", "HTTPS_PROXY"]).or(all),
            no_proxy: text(&["no_proxy", "NO_PROXY"]),
            certificates: variable(&["SSL_CERT_FILE"]).map(PathBuf::from),
            netrc: variable(&["NETRC"])
                .map(PathBuf::from)
                .or_else(|| Some(home?.join(".netrc"))),
            ..pkg_install::download::Settings::default()
        }
    }
}
