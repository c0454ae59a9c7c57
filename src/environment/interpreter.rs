//! Asking an interpreter about itself.
//!
//! Input: its path, and another prefix if one is wanted. Output: the values of `sys` and
//! `sysconfig`, checked and typed. Invariants: it runs isolated (`-I`) and without `site` (`-S`),
//! so that no installed code is executed, and it writes no bytecode (`-B`). Without `site` an
//! interpreter before 3.14 does not know that it belongs to a virtual environment, so those are
//! recognised by their files. Limits: Python 3.6 and later.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde::Deserialize;

use super::interpreter_cache::Question;
use super::locate_request::Inquiry;
use super::{Python, Scheme, child, elf};
use crate::cancellation::Cancellation;
use crate::error::{Error, Result, escaped};
use crate::spec::tags::{Implementation, Platform, Target};
use crate::spec::version::Version;

const SCRIPT: &str = include_str!("interpreter.py");

/// How many characters of an interpreter's output messages repeat.
const SHOWN: usize = 500;

/// An interpreter's answers about itself.
#[derive(Debug)]
pub(super) struct Interpreter {
    /// It, its version and its target.
    pub(super) python: Python,
    /// `sys.prefix`, or the one that was asked for.
    pub(super) prefix: PathBuf,
    /// The directory of its standard library.
    pub(super) stdlib: PathBuf,
    /// Its scheme, or that below the prefix that was asked for.
    pub(super) scheme: Scheme,
}

#[derive(Deserialize)]
struct InterpreterAnswer {
    implementation: String,
    version: (u32, u32, u32),
    soabi: Option<String>,
    free_threaded: bool,
    debug: bool,
    platform: String,
    narrow: bool,
    libc: Option<String>,
    mac: Option<(String, String)>,
    executable: String,
    prefix: String,
    stdlib: String,
    paths: HashMap<String, String>,
}

/// Starts the interpreter and reads its answer, unless one was kept; `executable` is absolute.
///
/// # Errors
/// If it cannot be started, fails, or says something else than was asked; if the command was
/// cancelled, which kills it.
pub(super) fn ask(
    executable: &Path,
    prefix: Option<&Path>,
    inquiry: Inquiry<'_>,
) -> Result<Interpreter> {
    inquiry.cancellation.check()?;
    let fail = |reason: String| Error::interpreter(executable, reason);
    let question =
        (inquiry.cache).and_then(|cache| Question::new(cache, executable, prefix, SCRIPT));
    if let Some(line) = question.as_ref().and_then(Question::kept_answer)
        && let Ok(found) = understand(&line, executable, prefix)
    {
        return Ok(found);
    }
    let mut command = isolated(executable);
    command.args(["-I", "-S", "-B", "-c", SCRIPT]).args(prefix);
    let output = child::run(&mut command, inquiry.cancellation);
    // Ctrl-C at a terminal may also end the interpreter, whose failure is not the cause then.
    inquiry.cancellation.check()?;
    let output = output.map_err(|error| fail(error.to_string()))?;
    if repeats_script(&output) {
        return Err(fail("it is not a Python interpreter".to_owned()));
    }
    if !output.status.success() {
        return Err(fail(complaint(&output)));
    }
    // A wrapper around the interpreter may have printed lines before the answer.
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text
        .lines()
        .rfind(|line| !line.trim().is_empty())
        .unwrap_or_default();
    let found = understand(line, executable, prefix).map_err(fail)?;
    if let (Some(question), Some(program)) = (question, &found.python.executable) {
        question.keep(line.to_owned(), program, &found.stdlib);
    }
    Ok(found)
}

/// A command that starts the interpreter and passes on nothing that it should not know.
pub(super) fn isolated(executable: &Path) -> Command {
    let mut command = Command::new(executable);
    command
        // Without this variable, macOS 11 and later report version 10.16 to a Python that was built
        // on an older system.
        .env("SYSTEM_VERSION_COMPAT", "0")
        // The launcher of macOS would make the interpreter take itself for another one.
        .env_remove("__PYVENV_LAUNCHER__")
        // A wrapper, or a relative `home`, takes nothing from the working directory, which may be
        // another user's.
        .current_dir("/");
    for name in SECRETS {
        command.env_remove(name);
    }
    command
}

/// Variables that may hold a login, and that no interpreter needs in order to say what it is. A
/// wrapper around one may log all that it gets.
const SECRETS: [&str; 10] = [
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "NETRC",
    "PKG_INSTALL_FIND_LINKS",
    "PKG_INSTALL_INDEX_URL",
    "PKG_INSTALL_EXTRA_INDEX_URL",
];

/// Whether a program took the script for something to print or to look for, as `echo` and `ls` do.
fn repeats_script(output: &Output) -> bool {
    let first = SCRIPT.lines().next().unwrap_or(SCRIPT);
    [&output.stdout, &output.stderr]
        .iter()
        .any(|text| String::from_utf8_lossy(text).contains(first))
}

/// All of its error output: a version manager has the cause in the first line, a traceback in the
/// last.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    // Python 2, and 3.3 and earlier, answer with the list of their options.
    if text.to_ascii_lowercase().contains("unknown option: -i") {
        return "it is too old: Python 3.6 or later is needed".to_owned();
    }
    let lines: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    if lines.is_empty() {
        output.status.to_string()
    } else {
        format!("{}: {}", output.status, shortened(&lines.join("; ")))
    }
}

fn strange(line: &str) -> String {
    if line.is_empty() {
        "it is not a Python interpreter: it prints nothing".to_owned()
    } else {
        format!("it says `{}`", shortened(line))
    }
}

fn shortened(line: &str) -> String {
    escaped(&line.trim().chars().take(SHOWN).collect::<String>())
}

/// Turns the line that an interpreter has answered into types; a failure is a reason.
fn understand(
    line: &str,
    asked: &Path,
    prefix: Option<&Path>,
) -> std::result::Result<Interpreter, String> {
    let answer = serde_json::from_str(line).map_err(|_| strange(line))?;
    typed(answer, asked, prefix)
}

fn typed(
    answer: InterpreterAnswer,
    asked: &Path,
    prefix: Option<&Path>,
) -> std::result::Result<Interpreter, String> {
    let place = |name: &str| {
        let text = answer
            .paths
            .get(name)
            .ok_or_else(|| format!("it names no `{name}` directory"))?;
        absolute(text).ok_or_else(|| {
            format!(
                "its `{name}` directory `{}` is not an absolute path",
                shortened(text)
            )
        })
    };
    let scheme = Scheme {
        purelib: place("purelib")?,
        platlib: place("platlib")?,
        scripts: place("scripts")?,
        data: place("data")?,
        headers: place("include")?,
    };
    let own = || absolute(&answer.prefix).ok_or_else(|| "it names no prefix".to_owned());
    let prefix = prefix.map_or_else(own, |prefix| Ok(prefix.to_owned()))?;
    let stdlib = absolute(&answer.stdlib).ok_or("it names no standard library")?;
    // `sys.executable` is empty if the interpreter cannot find its own path.
    let executable = absolute(&answer.executable).unwrap_or_else(|| asked.to_owned());
    let platform = platform(&answer, &executable).ok_or_else(|| {
        format!(
            "its platform `{}` is not understood",
            shortened(&answer.platform)
        )
    })?;
    let (major, minor, micro) = answer.version;
    let version =
        Version::parse(&format!("{major}.{minor}.{micro}")).ok_or("its version is not one")?;
    let implementation = match answer.implementation.as_str() {
        "cpython" => Implementation::CPython,
        "pypy" => Implementation::PyPy,
        other => Implementation::Other(other.to_owned()),
    };
    let target = Target {
        // The ABI of CPython follows from the rest.
        abi: answer
            .soabi
            .filter(|_| implementation != Implementation::CPython),
        implementation,
        version: (major, minor),
        free_threaded: answer.free_threaded,
        debug: answer.debug,
        platform,
    };
    Ok(Interpreter {
        python: Python {
            executable: Some(executable),
            version,
            target,
            is_elsewhere: false,
        },
        prefix,
        stdlib,
        scheme,
    })
}

/// A path from the bytes that the script wrote as characters.
fn absolute(text: &str) -> Option<PathBuf> {
    // JSON cannot hold paths that are not UTF-8, so each character stands for one byte.
    let bytes = text
        .chars()
        .map(|c| u8::try_from(u32::from(c)).ok())
        .collect::<Option<Vec<u8>>>()?;
    Some(PathBuf::from(OsString::from_vec(bytes))).filter(|path| path.is_absolute())
}

/// The platform as `packaging` finds it ("Platform Tag", PEP 600, PEP 656).
fn platform(answer: &InterpreterAnswer, executable: &Path) -> Option<Platform> {
    if let Some((version, machine)) = &answer.mac {
        // macOS may report its version without a second number, such as `26`.
        let (major, minor) = elf::version(version).or_else(|| Some((version.parse().ok()?, 0)))?;
        let arch = if answer.narrow && machine == "x86_64" {
            "i386"
        } else {
            machine
        };
        return Some(Platform::MacOs {
            major,
            minor,
            arch: arch.to_owned(),
        });
    }
    let Some(machine) = answer.platform.strip_prefix("linux-") else {
        return Some(Platform::Other(answer.platform.clone()))
            .filter(|_| !answer.platform.is_empty());
    };
    // The kernel's name for the processor; a 32-bit interpreter on a 64-bit kernel is of the
    // smaller architecture.
    let arch = match machine {
        "x86_64" if answer.narrow => "i686".to_owned(),
        "aarch64" if answer.narrow => "armv8l".to_owned(),
        other => other.replace(['-', '.'], "_"),
    };
    if let Some((major, minor)) = answer.libc.as_deref().and_then(glibc_version) {
        // manylinux tags promise hard float on ARM, which the name of the processor does not show.
        let is_soft =
            matches!(arch.as_str(), "armv7l" | "armv8l") && !elf::is_hard_float(executable);
        return Some(if is_soft {
            Platform::Linux { arch }
        } else {
            Platform::Glibc { major, minor, arch }
        });
    }
    let musl =
        elf::musl(executable).and_then(|(loader, version)| version.or_else(|| ask_musl(&loader)));
    Some(match musl {
        Some((major, minor)) => Platform::Musl { major, minor, arch },
        None => Platform::Linux { arch },
    })
}

/// From `glibc 2.36`.
fn glibc_version(confstr: &str) -> Option<(u32, u32)> {
    elf::version(confstr.strip_prefix("glibc ")?)
}

/// Musl's loader, started without a program, says its version among other things, and fails.
fn ask_musl(loader: &Path) -> Option<(u32, u32)> {
    // It ends at once, so it needs no way to be cancelled.
    let output = child::run(&mut Command::new(loader), &Cancellation::default()).ok()?;
    String::from_utf8_lossy(&output.stderr)
        .lines()
        .find_map(|line| elf::version(line.strip_prefix("Version ")?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn answer(
        platform: &str,
        narrow: bool,
        libc: Option<&str>,
        mac: Option<(&str, &str)>,
    ) -> InterpreterAnswer {
        InterpreterAnswer {
            implementation: "pypy".into(),
            version: (3, 11, 13),
            soabi: Some("pypy311-pp73".into()),
            free_threaded: false,
            debug: false,
            platform: platform.into(),
            narrow,
            libc: libc.map(str::to_owned),
            mac: mac.map(|(version, machine)| (version.into(), machine.into())),
            executable: "/p/bin/pypy".into(),
            prefix: "/p".into(),
            stdlib: "/p/lib".into(),
            paths: ["purelib", "platlib", "scripts", "data", "include"]
                .map(|name| (name.into(), format!("/p/{name}\u{e9}")))
                .into(),
        }
    }

    fn platform_of(
        platform: &str,
        narrow: bool,
        libc: Option<&str>,
        mac: Option<(&str, &str)>,
    ) -> Platform {
        super::platform(&answer(platform, narrow, libc, mac), Path::new("/nowhere")).unwrap()
    }

    #[test]
    fn platforms_are_named_as_packaging_names_them() {
        let glibc = |arch: &str| Platform::Glibc {
            major: 2,
            minor: 36,
            arch: arch.into(),
        };
        assert_eq!(
            platform_of("linux-x86_64", false, Some("glibc 2.36"), None),
            glibc("x86_64")
        );
        assert_eq!(
            platform_of("linux-x86_64", true, Some("glibc 2.36"), None),
            glibc("i686")
        );
        let soft = Platform::Linux {
            arch: "armv8l".into(),
        };
        assert_eq!(
            platform_of("linux-aarch64", true, Some("glibc 2.36"), None),
            soft
        );
        assert_eq!(
            platform_of("linux-x86_64", false, None, None),
            Platform::Linux {
                arch: "x86_64".into()
            }
        );
        let mac = |major, minor, arch: &str| Platform::MacOs {
            major,
            minor,
            arch: arch.into(),
        };
        assert_eq!(
            platform_of("macosx-11.0-arm64", false, None, Some(("14.2.1", "arm64"))),
            mac(14, 2, "arm64")
        );
        assert_eq!(
            platform_of("macosx-10.9", false, None, Some(("26", "x86_64"))),
            mac(26, 0, "x86_64")
        );
        assert_eq!(
            platform_of("freebsd-14", false, None, None),
            Platform::Other("freebsd-14".into())
        );
    }

    #[test]
    fn e104_another_implementation_keeps_its_abi_and_paths_their_bytes() {
        let found = typed(
            answer("linux-x86_64", false, None, None),
            Path::new("/x"),
            None,
        )
        .unwrap();
        assert_eq!(found.python.target.implementation, Implementation::PyPy);
        assert_eq!(found.python.target.abi.as_deref(), Some("pypy311-pp73"));
        assert_eq!(found.python.version.to_string(), "3.11.13");
        assert_eq!(
            found.scheme.headers.as_os_str().as_encoded_bytes(),
            b"/p/include\xe9"
        );
        let mut relative = answer("linux-x86_64", false, None, None);
        relative.paths.insert("scripts".into(), "bin".into());
        assert!(
            typed(relative, Path::new("/x"), None)
                .unwrap_err()
                .contains("`scripts`")
        );
    }

    #[test]
    fn what_does_not_answer_is_said_with_its_own_words() {
        let cancellation = &Cancellation::default();
        let inquiry = Inquiry {
            cancellation,
            cache: None,
        };
        // Programs of the system: a file that another test's child still has open for writing
        // cannot be executed.
        for (program, expected) in [
            ("/nowhere/python", "No such file"),
            ("/", "denied"),
            ("/bin/sh", "exit status: "),
            ("/bin/echo", "not a Python interpreter"),
            ("/bin/ls", "not a Python interpreter"),
        ] {
            let error = ask(Path::new(program), None, inquiry)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(program) && error.contains(expected),
                "{error}"
            );
        }
        let old = Output {
            status: std::process::ExitStatus::from_raw(2 << 8),
            stdout: Vec::new(),
            stderr: b"Unknown option: -I\nusage: python2 [option] ... [-c cmd | -m mod | file | -]"
                .to_vec(),
        };
        assert!(complaint(&old).contains("too old"), "{}", complaint(&old));
        assert!(strange("").contains("not a Python interpreter"));
        let output = Output {
            status: std::process::ExitStatus::from_raw(3 << 8),
            stdout: Vec::new(),
            stderr: b"first\ngone \x1b[2J wrong\n\n".to_vec(),
        };
        assert_eq!(
            complaint(&output),
            "exit status: 3: first; gone \\u{1b}[2J wrong"
        );
    }
}
