//! Advice for people: what to do about a failure, in this program's commands and options.
//!
//! Input: an error of the library. Output: a sentence that begins in lower case and has no full
//! stop, or nothing if there is no advice to give.

use pkg_install::error::{Advice, Clash, Error, ErrorKind, Fault, UNOWNED, escaped};

const OVERRIDE: &str = "`--no-compat-check` installs it anyway";
const ASK: &str = "ask the server's administrator";

/// The ways out that a failed resolution names.
pub fn ways_out(error: &Error) -> Vec<String> {
    let advice = error.no_solution().map_or(&[][..], |proof| &proof.advice);
    let sentences = advice.iter().filter_map(|advice| match advice {
        Advice::PinYanked { project, version } => Some(format!(
            "{project} {version} is yanked; it is taken only if you ask for `{project}=={version}` \
             yourself"
        )),
        Advice::OtherPython { project, requires } => Some(format!(
            "{project} has wheels for Python {requires}; name such an interpreter with `--python`"
        )),
        Advice::BuildWheel(project) => Some(format!(
            "build a wheel with `pip wheel {project}`, and name its directory with `--find-links`"
        )),
        Advice::LaterUploads(project) => Some(format!(
            "{project} has later uploads that would do; `--exclude-newer` leaves them out"
        )),
        // The library may learn to name more than this program has words for.
        _ => None,
    });
    sentences.map(|sentence| escaped(&sentence)).collect()
}

/// Whether an error is about one of these places, or about a project that none of them has.
pub fn is_about_places(error: &Error, places: &[String]) -> bool {
    let text = error.to_string();
    let is_named = |place: &String| text.contains(place.trim_end_matches('/'));
    error.kind() == ErrorKind::Unsolvable || places.iter().any(is_named)
}

/// What to do about `error`.
pub fn hint(error: &Error) -> Option<&'static str> {
    if error.code() == "conflict" && error.clashes().iter().all(|clash| !clash.is_settleable) {
        // `--on-conflict` settles none of these, so the usual advice would mislead.
        return Some("install only one of them, or move what is in the way");
    }
    let is_unowned = |clash: &Clash| clash.owners.iter().any(|side| side.owner == UNOWNED);
    if error.code() == "conflict" && error.clashes().iter().all(is_unowned) {
        return Some(
            "move what is in the way, or choose a winner with `--on-conflict first` or \
             `--on-conflict last`",
        );
    }
    let faults = error.refused_wheels().iter().flat_map(|(_, faults)| faults);
    of_code(error.code()).or_else(|| faults.map(Fault::code).find_map(of_code))
}

fn of_code(code: &str) -> Option<&'static str> {
    let (_, hint) = HINTS.iter().find(|(codes, _)| codes.contains(&code))?;
    Some(hint)
}

/// The advice by the code of the failure or fault.
const HINTS: &[(&[&str], &str)] = &[
    (
        &["conflict"],
        "install only one of them, or choose a winner with `--on-conflict first` or \
         `--on-conflict last`",
    ),
    (&["two-versions"], "pass one wheel of each project"),
    (
        &["unknown-project"],
        "check how it is spelled, or name an index that has it with `--extra-index-url`, or a \
         directory with `--find-links`",
    ),
    (
        &["gave-up"],
        "narrow down the versions of the projects that are named, for instance with a list of \
         `--constraints`",
    ),
    (
        &["foreign-environment"],
        "name it to use it all the same: `--target DIR`, or `--python DIR` for its interpreter",
    ),
    (
        &["foreign-state"],
        "run the command as its owner, or take the permission to write away from others; move away \
         what you do not know",
    ),
    (
        &["no-environment"],
        "pass `--target DIR` or `--python EXE`, or activate a virtual environment",
    ),
    (
        &["no-interpreter"],
        "name an interpreter with `--python`, or describe one with `--python-version`",
    ),
    (
        &["needs-interpreter"],
        "name an interpreter with `--python`, or describe one with `--python-version` beside \
         `--prefix`",
    ),
    (
        &["needs-place"],
        "name a directory with `--target`, or a prefix with `--prefix`",
    ),
    (
        &["exclusive-places"],
        "`--target` names a directory of its own; `--prefix` and `--root` go with `--python`",
    ),
    (
        &["externally-managed"],
        "use a virtual environment, or pass `--break-system-packages`",
    ),
    (
        &["locked"],
        "wait for the other process, or raise `--lock-timeout`",
    ),
    (
        &["nothing-to-undo"],
        "only a transaction that ran with `--undoable` can be undone; `undo --to N` goes further \
         back in the `history`",
    ),
    (
        &["lock-unsupported"],
        "mount the file system with locks (NFS: run `rpc.statd` or mount with `local_lock=flock`; \
         Lustre: mount with `flock`), or install into a local directory and copy it",
    ),
    (
        &["not-replaceable"],
        "remove it with the tool that installed it; if that tool is gone, delete that directory \
         and install again",
    ),
    (
        &["project-name"],
        "check how it is spelled; `--lock`, `--report` and `--requirements` read what \
         a resolver wrote",
    ),
    (
        &["lock-as-wheel", "lock-as-requirements"],
        "name a lock file with `--lock`",
    ),
    (
        &["requirements-as-wheel"],
        "name a list of requirements with `--requirements`",
    ),
    (
        &["report-as-wheel", "json-as-requirements"],
        "name an installation report with `--report`",
    ),
    (
        &["source-distribution"],
        "build a wheel of it with `pip wheel --no-deps`",
    ),
    (
        &["scheme"],
        "fetch or build the wheel with another program, and name the file",
    ),
    (
        &["not-pinned"],
        "pin it with `#sha256=…`, or leave out `--require-hashes`",
    ),
    // Fetching.
    (&["offline"], "run it once without `--offline`"),
    (
        &["cache"],
        "name another directory with `--cache-dir`, or do without one: `--no-cache`",
    ),
    (
        &["damaged-cache"],
        "remove them with `pkg-install cache verify --repair`",
    ),
    (
        &["cache-full"],
        "make room, or name another directory for the cache",
    ),
    (
        &["unreachable"],
        "check the name of the host, the network and the proxy settings",
    ),
    (
        &["transfer-failed"],
        "try again: what has arrived is kept; `--timeout` gives a slow server more time",
    ),
    (
        &["credentials"],
        "put the credentials for the host into the netrc file",
    ),
    (&["http-status"], "check the address"),
    (
        &["proxy"],
        "check `http_proxy`, `https_proxy` and `all_proxy`; `no_proxy` names hosts to ask directly",
    ),
    (
        &["proxy-credentials"],
        "put the login into the proxy's address: `http://name:password@host:port`",
    ),
    (
        &["certificates"],
        "check `SSL_CERT_FILE` and `SSL_CERT_DIR`, or unset them to trust the system's",
    ),
    (
        &["untrusted-certificate"],
        "name the certificates of your network in `SSL_CERT_FILE`",
    ),
    (
        &["expired-certificate"],
        "check the clock of this machine, or ask the server's administrator",
    ),
    (&["tls"], ASK),
    (
        &["redirect"],
        "ask the server's administrator, or take the wheel from elsewhere",
    ),
    (
        &["address"],
        "only `http` and `https` addresses can be fetched",
    ),
    (
        &["changed-while-read"],
        "try again, with an address whose file does not change",
    ),
    // Wheels.
    (
        &[
            "incompatible-tags",
            "requires-python",
            "other-environment",
            "no-locked-environment",
            "package-requires-python",
        ],
        OVERRIDE,
    ),
    (
        &["hidden-bytes", "truncated-archive", "not-an-archive"],
        "fetch or build the wheel again",
    ),
    // Files of resolvers.
    (
        &["not-wheels"],
        "build wheels of them with `pip wheel --no-deps`, and resolve again with those; \
         `--only-binary :all:` keeps pip from choosing sources, `uv export --no-emit-local` \
         leaves local projects out",
    ),
    (
        &["lock-name"],
        "`--lock -` reads one without a name, or of another, from stdin",
    ),
    (
        &["not-json"],
        "`pip install --report -` mixes it with other lines; `--quiet` keeps it pure",
    ),
    (
        &["nowhere-to-look"],
        "download the wheels with `pip download --no-deps`, and name their directory with \
         `--find-links`",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use pkg_install::error::CODES;

    #[test]
    fn what_succeeds_or_fails_otherwise_has_no_way_out() {
        assert_eq!(ways_out(&Error::usage("no wheel was named")), [""; 0]);
    }

    #[test]
    fn every_hint_is_for_codes_that_exist_and_no_code_has_two() {
        let mut seen = Vec::new();
        for code in HINTS.iter().flat_map(|(codes, _)| *codes) {
            assert!(CODES.iter().any(|(known, _)| known == code), "{code}");
            assert!(!seen.contains(code), "{code}");
            seen.push(*code);
        }
    }

    #[test]
    fn the_documentation_names_every_option_and_command_that_a_hint_names() {
        let page = include_str!("../../docs/troubleshooting.md");
        for (codes, hint) in HINTS {
            for code in *codes {
                let heading = format!("\n### `{code}`\n");
                let (_, entry) = page.split_once(&heading).expect(code);
                let entry = entry.split("\n###").next().unwrap_or(entry);
                let words: Vec<&str> = entry.split_whitespace().collect();
                let entry = words.join(" ");
                for quoted in hint.split('`').skip(1).step_by(2) {
                    assert!(
                        entry.contains(quoted),
                        "{code}: `{quoted}` is not in {entry}"
                    );
                }
            }
        }
    }
}
