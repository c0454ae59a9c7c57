//! Which process holds a lock, for the message of another that waits for it.
//!
//! Linux lists all locks in `/proc/locks`, with the process and the file of each (proc_locks(5)).
//! Elsewhere, and for a holder that is not visible from here, nothing is known.

use std::path::Path;

use super::read::read_virtual;
use super::stat::stat;

/// A process that holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockHolder {
    /// Its number.
    pub process: u32,
    /// The name of its program, and the first argument if that is a plain word such as `sync`.
    /// Other arguments may hold passwords.
    pub command: Option<String>,
}

impl LockHolder {
    /// The process that holds a `flock` on the file at `path`, if it can be known.
    pub fn of(path: &Path) -> Option<Self> {
        let inode = stat(path).ok()??.inode;
        let process = holder_in(&read_virtual(Path::new("/proc/locks"))?, inode)?;
        let arguments = read_virtual(&Path::new("/proc").join(process.to_string()).join("cmdline"));
        Some(Self {
            process,
            command: arguments.as_deref().and_then(command),
        })
    }
}

impl std::fmt::Display for LockHolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {}", self.process)?;
        match &self.command {
            Some(command) => write!(f, ", `{command}`"),
            None => Ok(()),
        }
    }
}

/// The process in `locks` that holds a `flock` on the file with this number.
fn holder_in(locks: &str, inode: u64) -> Option<u32> {
    // `1: FLOCK  ADVISORY  WRITE 4711 fe:01:131073 0 EOF`. Devices are not compared: overlays
    // report another one here than `stat` does. Lines with `->` are of processes that wait.
    let mut found = locks.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let kind = fields.next()?;
        let process = fields.nth(2)?.parse().ok()?;
        let number = fields.next()?.rsplit(':').next()?.parse::<u64>().ok()?;
        // 0 stands for a process of another namespace.
        (kind == "FLOCK" && number == inode && process > 0).then_some(process)
    });
    // Files of two file systems may have one number; it is then not known which is meant.
    let first = found.next()?;
    found.all(|other| other == first).then_some(first)
}

/// The name of the program and a plain first argument.
fn command(arguments: &str) -> Option<String> {
    let mut words = arguments.split('\0');
    let program = words.next()?.rsplit('/').next()?;
    let is_word = |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase());
    match words.next().filter(is_word) {
        _ if program.is_empty() => None,
        Some(word) => Some(format!("{program} {word}")),
        None => Some(program.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_are_found_by_the_number_of_the_file() {
        let locks = "1: FLOCK  ADVISORY  WRITE 4711 fe:01:131073 0 EOF\n\
                     1: -> FLOCK  ADVISORY  WRITE 4712 fe:01:131073 0 EOF\n\
                     2: POSIX  ADVISORY  READ 9 00:2d:5 128 128\n\
                     3: FLOCK  ADVISORY  WRITE 0 00:2d:6 0 EOF\n\
                     4: FLOCK  ADVISORY  WRITE 8 00:2d:7 0 EOF\n\
                     5: FLOCK  ADVISORY  WRITE 9 00:2e:7 0 EOF\n";
        assert_eq!(holder_in(locks, 131_073), Some(4711));
        for unknown in [5, 6, 7, 8] {
            assert_eq!(holder_in(locks, unknown), None, "{unknown}");
        }
    }

    #[test]
    fn only_plain_words_of_a_command_are_repeated() {
        let told = |arguments: &str| command(arguments).unwrap_or_default();
        assert_eq!(told("/usr/bin/uv\0sync\0--index\0secret\0"), "uv sync");
        assert_eq!(told("pkg-install\0https://u:p@x/\0"), "pkg-install");
        assert_eq!(told(""), "");
    }
}
