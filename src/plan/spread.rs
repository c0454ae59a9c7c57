//! Spread: which file of a wheel goes where (binary distribution format, "Installing a wheel").
//!
//! Input: a wheel, the layout and the interpreter. Output: every file that the project will have,
//! generated ones included, or what is wrong with where the wheel wants them. The `.data` directory
//! is the one named like the wheel's own dist-info; another directory that ends in `.data` is an
//! ordinary one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::{ChangeId, Content, NewFile, WheelId};
use crate::digest::{Algorithm, Digest, Identity};
use crate::environment::Python;
use crate::environment::layout::{Layout, Place, STATE_DIR, SchemeKey};
use crate::error::{Fault, MetadataFault, SpreadFault};
use crate::path::{self, RelPath};
use crate::script;
use crate::wheel::{Wheel, WheelFile};

/// What every wheel of a command is spread over.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// The scheme directories.
    pub layout: &'a Layout,
    /// The interpreter that scripts are for.
    pub python: &'a Python,
    /// The word in INSTALLER.
    pub installer: &'a str,
    /// Whether contents are checked against their digests.
    pub verified: bool,
    /// Whether Windows' rules for names hold where the files go.
    pub windows_names: bool,
}

/// Every file that the wheel's project will have, sorted by place.
///
/// # Errors
/// Everything that is wrong with where the wheel wants its files.
pub fn spread(
    wheel: &Wheel,
    id: WheelId,
    owner: ChangeId,
    ground: &Ground<'_>,
) -> Result<Vec<NewFile>, Vec<Fault>> {
    let dist_info = format!(
        "{}-{}.dist-info",
        wheel.name.name.escaped(),
        wheel.name.version.escaped()
    );
    let mut spread = Spread {
        wheel,
        id,
        owner,
        ground,
        library: if wheel.root_is_purelib {
            SchemeKey::Purelib
        } else {
            SchemeKey::Platlib
        },
        data: format!("{}/", wheel.data_directory()),
        dist_info,
        files: Vec::with_capacity(wheel.files.len() + 4),
        faults: Vec::new(),
    };
    let scripts = spread.generated_scripts();
    for file in &wheel.files {
        if let Err(fault) = spread.entry(file, &scripts) {
            spread.faults.push(fault);
        }
    }
    for (name, content) in scripts {
        spread.script(&name, content);
    }
    spread.metadata();
    spread.check_protected();
    spread.files.sort_by_cached_key(|file| file.place.clone());
    if spread.faults.is_empty() {
        Ok(spread.files)
    } else {
        Err(spread.faults)
    }
}

struct Spread<'a> {
    wheel: &'a Wheel,
    id: WheelId,
    owner: ChangeId,
    ground: &'a Ground<'a>,
    library: SchemeKey,
    data: String,
    dist_info: String,
    files: Vec<NewFile>,
    faults: Vec<Fault>,
}

impl Spread<'_> {
    /// The place of one entry, and its content where that is not the entry's own.
    fn entry(
        &mut self,
        file: &WheelFile,
        scripts: &BTreeMap<String, Arc<[u8]>>,
    ) -> Result<(), Fault> {
        let entry = self.wheel.entry(file.entry);
        let text = entry.path.as_str();
        let plain = |path: &str| {
            RelPath::parse(path).map_err(|fault| SpreadFault::UnsafePath {
                path: text.to_owned(),
                fault,
            })
        };
        let (key, path) = match text.strip_prefix(&self.data) {
            Some(below) => match self.scheme(text, below)? {
                (SchemeKey::Scripts, name)
                    if scripts
                        .keys()
                        .any(|entry_point| script::shadowed_by_entry_point(name, entry_point)) =>
                {
                    return Ok(());
                }
                (SchemeKey::Headers, below) => (
                    SchemeKey::Headers,
                    plain(&format!("{}/{below}", self.header_name()))?,
                ),
                (key, below) => (key, plain(below)?),
            },
            None => match self.renamed(text) {
                Some(renamed) => (self.library, plain(&renamed)?),
                None => (self.library, entry.path.clone()),
            },
        };
        let mut new = match &file.script {
            Some(original) => {
                let rewritten = script::rewritten(original, &self.ground.python.executable);
                self.made(
                    rewritten
                        .map_err(|reason| self.not_a_script(text, "#!python", reason))?
                        .into(),
                )
            }
            None => NewContent {
                content: Content::Entry(self.id, file.entry),
                size: entry.size,
                digest: file.digest,
                identity: match (self.ground.verified, file.digest) {
                    (true, digest) => digest.map(Identity::Digest),
                    (false, _) => Some(Identity::Crc(entry.crc)),
                },
                executable: false,
            },
        };
        new.executable = entry.executable || key == SchemeKey::Scripts;
        self.push(key, &path, new);
        Ok(())
    }

    /// Content that is made here.
    fn made(&self, bytes: Arc<[u8]>) -> NewContent {
        NewContent {
            size: bytes.len() as u64,
            digest: Some(Digest::of(Algorithm::Sha256, &bytes)),
            identity: Some(Identity::of(&bytes, self.ground.verified)),
            content: Content::Bytes(bytes),
            executable: false,
        }
    }

    /// The scheme of a path below `.data`, and the rest of the path.
    fn scheme<'t>(&self, text: &str, below: &'t str) -> Result<(SchemeKey, &'t str), SpreadFault> {
        let (key, rest) = below
            .split_once('/')
            .ok_or_else(|| SpreadFault::DataScheme(text.to_owned()))?;
        let key = match key {
            "purelib" => SchemeKey::Purelib,
            "platlib" => SchemeKey::Platlib,
            "scripts" => SchemeKey::Scripts,
            "data" => SchemeKey::Data,
            "headers" => SchemeKey::Headers,
            _ => return Err(SpreadFault::DataScheme(text.to_owned())),
        };
        if key == SchemeKey::Scripts && rest.contains('/') {
            return Err(SpreadFault::NestedScript(text.to_owned()));
        }
        Ok((key, rest))
    }

    /// The directory of a project's headers: the name of the wheel as its file spells it, as pip
    /// writes it.
    fn header_name(&self) -> String {
        self.wheel.name.name.as_str().replace('_', "-")
    }

    /// A path in dist-info, with the directory's name normalised (Recording installed projects,
    /// "The .dist-info directory").
    fn renamed(&self, text: &str) -> Option<String> {
        let rest = text
            .strip_prefix(&self.wheel.dist_info)
            .filter(|rest| rest.starts_with('/'))?;
        Some(format!("{}{rest}", self.dist_info))
    }

    /// The content of each script that the entry points ask for, by name.
    fn generated_scripts(&mut self) -> BTreeMap<String, Arc<[u8]>> {
        let wanted = self.wheel.entry_points.iter();
        let mut wanted: Vec<_> = wanted
            .map(|point| {
                (
                    point.name.clone(),
                    point.module.clone(),
                    point.attribute.clone(),
                )
            })
            .collect();
        if self.wheel.name.name.normalized() == "pip" {
            wanted = script::console_names(wanted, self.ground.python.target.version);
        }
        let mut scripts = BTreeMap::new();
        for (name, module, attribute) in wanted {
            match script::launcher(&self.ground.python.executable, &module, &attribute) {
                Ok(content) => {
                    scripts.insert(name, content.into());
                }
                Err(reason) => {
                    let fault = self.not_a_script(&name, &format!("{module}:{attribute}"), reason);
                    self.faults.push(fault.into());
                }
            }
        }
        scripts
    }

    fn not_a_script(&self, name: &str, value: &str, reason: &'static str) -> MetadataFault {
        MetadataFault::EntryPoint {
            name: name.to_owned(),
            value: value.to_owned(),
            reason,
        }
    }

    fn script(&mut self, name: &str, content: Arc<[u8]>) {
        match RelPath::parse(name) {
            Ok(path) => self.generated(SchemeKey::Scripts, &path, content, true),
            Err(fault) => {
                let path = name.to_owned();
                self.faults
                    .push(SpreadFault::UnsafePath { path, fault }.into());
            }
        }
    }

    /// The files of dist-info that the installer writes (Recording installed projects).
    fn metadata(&mut self) {
        let installer = format!("{}\n", self.ground.installer);
        self.dist_info_file("INSTALLER", installer.into_bytes().into());
        if self.wheel.source.requested {
            self.dist_info_file("REQUESTED", Arc::from([]));
        }
        if let Some(direct_url) = &self.wheel.direct_url {
            self.dist_info_file("direct_url.json", direct_url.clone());
        }
        if let Ok(path) = RelPath::parse(&format!("{}/RECORD", self.dist_info)) {
            let record = NewContent {
                content: Content::Record,
                size: 0,
                digest: None,
                identity: None,
                executable: false,
            };
            self.push(self.library, &path, record);
        }
    }

    fn dist_info_file(&mut self, name: &str, content: Arc<[u8]>) {
        if let Ok(path) = RelPath::parse(&format!("{}/{name}", self.dist_info)) {
            self.generated(self.library, &path, content, false);
        }
    }

    fn generated(&mut self, key: SchemeKey, path: &RelPath, bytes: Arc<[u8]>, executable: bool) {
        let made = self.made(bytes);
        self.push(key, path, NewContent { executable, ..made });
    }

    fn push(&mut self, key: SchemeKey, path: &RelPath, new: NewContent) {
        let layout = self.ground.layout;
        self.files.push(NewFile {
            place: layout.place(key, path),
            recorded: layout.recorded(self.library, key, path),
            owner: self.owner,
            content: new.content,
            executable: new.executable,
            size: new.size,
            digest: new.digest,
            identity: new.identity,
        });
    }

    /// Refuses files that would take the place of the interpreter, the environment's own files or
    /// this tool's state.
    fn check_protected(&mut self) {
        let guard = Guard::of(self.ground.layout);
        let faults = self.files.iter().filter_map(|file| {
            let what = guard.protects(self.ground.layout, &file.place)?;
            let path = file.recorded.to_string();
            Some(SpreadFault::Protected { path, what }.into())
        });
        self.faults.extend(faults);
        if self.ground.windows_names {
            let reserved = self.files.iter().filter(|file| is_reserved(&file.place));
            self.faults.extend(
                reserved.map(|file| SpreadFault::ReservedName(file.recorded.to_string()).into()),
            );
        }
    }
}

/// Whether Windows would take any name on the way to a place for something else, or not at all.
pub fn is_reserved(place: &Place) -> bool {
    place.path.components().any(path::is_reserved_on_windows)
}

/// Whether a component of the path is the state directory.
fn holds_state_dir(path: &str) -> bool {
    memchr::memchr_iter(b'.', path.as_bytes()).any(|at| {
        let (before, name) = path.split_at(at);
        let is_whole = |rest: &str| rest.is_empty() || rest.starts_with('/');
        (before.is_empty() || before.ends_with('/'))
            && name
                .split_at_checked(STATE_DIR.len())
                .is_some_and(|(name, rest)| name.eq_ignore_ascii_case(STATE_DIR) && is_whole(rest))
    })
}

struct NewContent {
    content: Content,
    size: u64,
    digest: Option<Digest>,
    identity: Option<Identity>,
    executable: bool,
}

/// What in an environment no project may own. Places are compared by where they are: a link or a
/// mount inside the environment is another way to the same directory.
pub struct Guard {
    scripts: PathBuf,
    home: PathBuf,
    libraries: [PathBuf; 2],
}

impl Guard {
    /// The guard of an environment.
    pub fn of(layout: &Layout) -> Self {
        let own = |key| layout.absolute_directory(key);
        let libraries = [own(SchemeKey::Purelib), own(SchemeKey::Platlib)];
        Self {
            scripts: own(SchemeKey::Scripts),
            home: own(SchemeKey::Data),
            libraries,
        }
    }

    /// What stands, or could stand, at `place` and must not be touched; `None` for an ordinary
    /// file.
    pub fn protects(&self, layout: &Layout, place: &Place) -> Option<&'static str> {
        if holds_state_dir(place.path.as_str()) {
            return Some("the state of a transaction");
        }
        let name = place.path.file_name();
        let is_settings = name.eq_ignore_ascii_case("pyvenv.cfg");
        let is_lock = name.eq_ignore_ascii_case(".lock");
        let program = script::is_protected_name(name);
        if !is_settings && !is_lock && program.is_none() {
            return None;
        }
        let path = layout.absolute(place);
        let directory = path.parent()?;
        if is_settings && directory == self.home {
            return Some("the environment's configuration");
        }
        if is_lock
            && (directory == self.home || self.libraries.iter().any(|library| directory == library))
        {
            return Some("the environment's lock");
        }
        program.filter(|_| directory == self.scripts)
    }
}
