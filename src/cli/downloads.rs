//! How remote wheels are fetched, from arguments and the process's variables.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use pkg_install::InterpreterCache;

use super::args::groups::DownloadArgs;

/// The download settings, with proxies, certificates, logins and the cache directory from the
/// process's variables.
pub fn download_settings(args: &DownloadArgs) -> pkg_install::command::Settings {
    // An address of a proxy that is not UTF-8 cannot be used, so it counts as unset.
    let text = |names: &[&str]| variable(names).and_then(|value| value.into_string().ok());
    let home = variable(&["HOME"]).map(PathBuf::from);
    let cache = args.cache_dir.clone().or_else(default_cache);
    let all = text(&["ALL_PROXY", "all_proxy"]);
    let defaults = pkg_install::command::Settings::default();
    let timeout = args
        .timeout
        .map(|seconds| Duration::from_secs(seconds.get().into()));
    pkg_install::command::Settings {
        connect_timeout: timeout.unwrap_or(defaults.connect_timeout),
        stall_timeout: timeout.unwrap_or(defaults.stall_timeout),
        // A server that may be silent for long in one try gets a second one, too.
        give_up_after: timeout.map_or(defaults.give_up_after, |timeout| {
            defaults.give_up_after.max(timeout * 2)
        }),
        cache: cache.filter(|_| !args.no_cache),
        cache_is_named: args.cache_dir.is_some(),
        offline: args.offline,
        connections: usize::from(args.concurrent_downloads),
        // Not HTTP_PROXY in capitals: in a CGI program it holds the `Proxy` header of a request.
        http_proxy: text(&["http_proxy"]).or_else(|| all.clone()),
        https_proxy: text(&["https_proxy", "HTTPS_PROXY"]).or(all),
        no_proxy: text(&["no_proxy", "NO_PROXY"]),
        certificates: variable(&["SSL_CERT_FILE"])
            .map(PathBuf::from)
            .or_else(certificates_of_the_system),
        certificate_directory: variable(&["SSL_CERT_DIR"]).map(PathBuf::from),
        netrc: variable(&["NETRC"])
            .map(PathBuf::from)
            .or_else(|| Some(home?.join(".netrc"))),
        ..defaults
    }
}

/// Where answers of interpreters are kept: with what was fetched, or nowhere.
pub fn interpreter_cache(download: &pkg_install::command::Settings) -> Option<InterpreterCache> {
    let directory = download.cache.as_ref()?;
    Some(
        InterpreterCache::new(directory)
            .with_refresh(download.refresh)
            .with_variables(std::env::vars_os()),
    )
}

/// The system's file of certificates, if it has to be named: if one of these variables is set to
/// nothing, the HTTP crate would take that as the name of a file. Elsewhere than on Unix, and on
/// macOS, the system has no such file and ignores the variables.
fn certificates_of_the_system() -> Option<PathBuf> {
    let is = |name: &str, empty: bool| {
        std::env::var_os(name).is_some_and(|value| value.is_empty() == empty)
    };
    let has_empty = is("SSL_CERT_FILE", true) || is("SSL_CERT_DIR", true);
    #[cfg(all(unix, not(target_vendor = "apple")))]
    if has_empty && !is("SSL_CERT_DIR", false) {
        return openssl_probe::probe().cert_file;
    }
    let _ = has_empty;
    None
}

/// The value of the first of these variables that is set.
fn variable(names: &[&str]) -> Option<OsString> {
    let mut values = names.iter().filter_map(std::env::var_os);
    values.find(|value| !value.is_empty())
}

/// The directory of the cache if none was named.
pub fn default_cache() -> Option<PathBuf> {
    // The XDG specification has relative paths in this variable ignored.
    let caches = variable(&["XDG_CACHE_HOME"])
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let home = || Some(PathBuf::from(variable(&["HOME"])?).join(".cache"));
    Some(caches.or_else(home)?.join("pkg-install"))
}
