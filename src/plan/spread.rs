//! Spread: from the entries of a wheel to scheme paths (binary distribution format, "Installing a
//! wheel").
//!
//! Input: a wheel, the layout and the interpreter. Output: every file that the project will have,
//! generated ones included, or everything that is wrong with their paths. The `.data` directory is
//! the one named for the wheel's own project, in any spelling; any other directory that ends in
//! `.data` is an ordinary one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::project_metadata::is_project_metadata;
use super::{ChangeId, Content, WantedFile, WheelId};
use crate::digest::{Algorithm, Digest};
use crate::environment::Python;
use crate::environment::layout::{Layout, Place, SchemeKey};
use crate::environment::protected::Protected;
use crate::error::{Fault, MetadataFault, SpreadFault};
use crate::path::{self, RelPath};
use crate::script::{self, ScriptPython};
use crate::wheel::{Wheel, WheelEntry};

/// The environment that every wheel of a command is spread over.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// The scheme directories.
    pub layout: &'a Layout,
    /// The files that no project may own.
    pub protected: &'a Protected,
    /// The interpreter that scripts are for; `None` if it is not known, and no wheel has scripts.
    pub python: Option<&'a Python>,
    /// How scripts start their interpreter; `None` if that is not known, and no wheel has scripts.
    pub scripts: Option<ScriptPython<'a>>,
    /// The word in INSTALLER; if it is empty there is no such file.
    pub installer: &'a str,
    /// Whether contents are checked against their digests.
    pub verified: bool,
    /// Whether the directories for metadata and headers are called as the wheel spells its name.
    pub keep_spelling: bool,
    /// Whether the file system has Windows' rules for names.
    pub windows_names: bool,
}

impl<'a> Destination<'a> {
    fn python(&self) -> &'a Python {
        self.python
            .expect("wheels with scripts are refused if the interpreter is not known")
    }

    fn script_python(&self) -> ScriptPython<'a> {
        self.scripts
            .expect("wheels with scripts are refused if the interpreter is not known")
    }
}

/// Every file that the wheel's project will have, sorted by place.
///
/// # Errors
/// Everything that is wrong with the paths of the wheel's files.
pub fn spread(
    wheel: &Wheel,
    id: WheelId,
    owner: ChangeId,
    destination: &Destination<'_>,
) -> Result<Vec<WantedFile>, Vec<Fault>> {
    let dist_info = if destination.keep_spelling {
        wheel.dist_info.clone()
    } else {
        wheel.name.dist_info()
    };
    let mut spread = Spread {
        wheel,
        id,
        owner,
        destination,
        library: if wheel.root_is_purelib {
            SchemeKey::Purelib
        } else {
            SchemeKey::Platlib
        },
        dist_info,
        // The four are INSTALLER, REQUESTED, direct_url.json and RECORD.
        files: Vec::with_capacity(wheel.entries.len() + 4),
        faults: Vec::new(),
    };
    let scripts = spread.generated_scripts();
    for entry in wheel.entries.iter() {
        if let Err(fault) = spread.entry(entry, &scripts) {
            spread.faults.push(fault);
        }
    }
    for (name, content) in scripts {
        let new = NewContent {
            executable: true,
            ..spread.made(content)
        };
        spread.generated(SchemeKey::Scripts, &name, new);
    }
    spread.metadata();
    spread.check_protected();
    // Most entries come in this order, so that hardly anything is moved.
    spread
        .files
        .sort_by(|one, other| one.place.cmp(&other.place));
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
    destination: &'a Destination<'a>,
    library: SchemeKey,
    dist_info: String,
    files: Vec<WantedFile>,
    faults: Vec<Fault>,
}

impl Spread<'_> {
    /// Adds the file of one entry, unless a generated script takes its place.
    fn entry(
        &mut self,
        entry: &WheelEntry,
        scripts: &BTreeMap<String, Arc<[u8]>>,
    ) -> Result<(), Fault> {
        let text = entry.path.as_str();
        let plain = |path: &str| {
            RelPath::parse(path).map_err(|fault| SpreadFault::UnsafePath {
                path: text.to_owned(),
                fault,
            })
        };
        let (key, path) = match self.wheel.below_data(text) {
            Some(below) => match self.scheme(text, below)? {
                (SchemeKey::Scripts, name)
                    if scripts
                        .keys()
                        .any(|entry_point| script::shadowed_by_entry_point(name, entry_point)) =>
                {
                    return Ok(());
                }
                (key, below) => {
                    let path = if key == SchemeKey::Headers {
                        plain(&format!("{}/{below}", self.header_name()))?
                    } else {
                        plain(below)?
                    };
                    let layout = self.destination.layout;
                    // The final place decides: every scheme may lead into a library.
                    if is_project_metadata(layout, &layout.place(key, &path)) {
                        return Err(SpreadFault::ProjectMetadata(text.to_owned()).into());
                    }
                    (key, path)
                }
            },
            None => match self.renamed(text) {
                Some(renamed) => (self.library, plain(&renamed)?),
                None => (self.library, entry.path.clone()),
            },
        };
        let mut new = match &entry.script {
            Some(original) => {
                let rewritten = script::rewritten(original, self.destination.script_python());
                self.made(
                    rewritten
                        .map_err(|reason| self.not_a_script(text, "#!python", reason))?
                        .into(),
                )
            }
            None => NewContent {
                content: Content::Entry(self.id, entry.id),
                size: entry.size,
                digest: entry.digest,
                crc: crc_of(entry, self.destination.verified),
                executable: false,
            },
        };
        // Scripts must be executable, but an archive made on Windows has no execute bits.
        new.executable = entry.executable || key == SchemeKey::Scripts;
        self.push(key, &path, new);
        Ok(())
    }

    /// Content that comes from no entry of the wheel.
    fn made(&self, bytes: Arc<[u8]>) -> NewContent {
        NewContent {
            size: bytes.len() as u64,
            digest: Some(Digest::of(Algorithm::Sha256, &bytes)),
            crc: (!self.destination.verified).then(|| crc32fast::hash(&bytes)),
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

    /// The directory of a project's headers: the project's name as the wheel's file name spells it,
    /// with `-` for `_`, like pip's, or exactly so.
    fn header_name(&self) -> String {
        let name = self.wheel.name.name.as_str();
        if self.destination.keep_spelling {
            name.to_owned()
        } else {
            name.replace('_', "-")
        }
    }

    /// The path of an entry in dist-info with the directory's name normalised (Recording installed
    /// projects, "The .dist-info directory"); `None` for other entries.
    fn renamed(&self, text: &str) -> Option<String> {
        let rest = text
            .strip_prefix(&self.wheel.dist_info)
            // Otherwise a directory whose name only begins like the dist-info's would match.
            .filter(|rest| rest.starts_with('/'))?;
        Some(format!("{}{rest}", self.dist_info))
    }

    /// The content of each script that the entry points define, by name.
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
        if self.wheel.name.name.normalized() == "pip" && !wanted.is_empty() {
            wanted = script::console_names(wanted, self.destination.python().target.version);
        }
        let mut scripts = BTreeMap::new();
        for (name, module, attribute) in wanted {
            match script::launcher(self.destination.script_python(), &module, &attribute) {
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

    /// The files of dist-info that the installer writes (Recording installed projects).
    fn metadata(&mut self) {
        if !self.destination.installer.is_empty() {
            let installer = format!("{}\n", self.destination.installer);
            self.dist_info_file("INSTALLER", installer.into_bytes().into());
        }
        if self.wheel.requested {
            self.dist_info_file("REQUESTED", Arc::from([]));
        }
        if let Some(direct_url) = &self.wheel.direct_url {
            self.dist_info_file("direct_url.json", direct_url.clone());
        }
        let record = NewContent {
            content: Content::Record(self.owner),
            size: 0,
            digest: None,
            crc: None,
            executable: false,
        };
        let path = format!("{}/RECORD", self.dist_info);
        self.generated(self.library, &path, record);
    }

    fn dist_info_file(&mut self, name: &str, content: Arc<[u8]>) {
        let path = format!("{}/{name}", self.dist_info);
        let made = self.made(content);
        self.generated(self.library, &path, made);
    }

    /// Adds a file that is no entry of the wheel.
    fn generated(&mut self, key: SchemeKey, path: &str, new: NewContent) {
        match RelPath::parse(path) {
            Ok(path) => self.push(key, &path, new),
            Err(fault) => {
                let path = path.to_owned();
                self.faults
                    .push(SpreadFault::UnsafePath { path, fault }.into());
            }
        }
    }

    fn push(&mut self, key: SchemeKey, path: &RelPath, new: NewContent) {
        let layout = self.destination.layout;
        self.files.push(WantedFile {
            place: layout.place(key, path),
            recorded: layout.recorded(self.library, key, path),
            owner: self.owner,
            content: new.content,
            executable: new.executable,
            size: new.size,
            digest: new.digest,
            crc: new.crc,
        });
    }

    /// Refuses files at protected places, and names that the file system reserves.
    fn check_protected(&mut self) {
        let destination = self.destination;
        let faults = self.files.iter().filter_map(|file| {
            let what = destination
                .protected
                .reason(destination.layout, &file.place)?;
            let path = file.recorded.to_string();
            Some(SpreadFault::Protected { path, what }.into())
        });
        self.faults.extend(faults);
        if self.destination.windows_names {
            let reserved = self.files.iter().filter(|file| is_reserved(&file.place));
            self.faults.extend(
                reserved.map(|file| SpreadFault::ReservedName(file.recorded.to_string()).into()),
            );
        }
    }
}

/// Whether a component of the path is a name that Windows reserves or cannot have.
pub fn is_reserved(place: &Place) -> bool {
    path::has_reserved_component(place.path.as_str())
}

/// The CRC-32 in the archive, if an entry's content is compared by that: digests prove nothing
/// unless they are verified.
pub(super) fn crc_of(entry: &WheelEntry, verified: bool) -> Option<u32> {
    (!verified).then_some(entry.crc)
}

struct NewContent {
    content: Content,
    size: u64,
    digest: Option<Digest>,
    crc: Option<u32>,
    executable: bool,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::plan::scenario::{python, wheel};
    use crate::spec::entry_points::EntryPoint;
    use crate::spec::name::ProjectName;

    const LIBRARY: &str = "lib/python3.11/site-packages";

    /// The file of each place in a virtual environment.
    fn spread_out(wheel: &Wheel) -> Result<BTreeMap<String, WantedFile>, Vec<Fault>> {
        let layout = Layout::for_tests("/venv", LIBRARY);
        let destination = Destination {
            layout: &layout,
            protected: &Protected::of(&layout),
            python: Some(&python()),
            scripts: Some(ScriptPython::At(Path::new("/venv/bin/python"))),
            installer: "test",
            verified: true,
            keep_spelling: false,
            windows_names: true,
        };
        let files = spread(wheel, WheelId(3), ChangeId(1), &destination)?;
        assert!(files.is_sorted_by(|a, b| a.place <= b.place));
        let by_place = files.into_iter().map(|file| {
            let path = file.place.path.as_str();
            let shown = path.strip_prefix(LIBRARY).map(|below| format!("~{below}"));
            (shown.unwrap_or_else(|| path.to_owned()), file)
        });
        Ok(by_place.collect())
    }

    fn faults(paths: &[&str]) -> Vec<Fault> {
        spread_out(&wheel("demo-1.0-py3-none-any.whl", paths)).expect_err("refused")
    }

    #[test]
    fn every_entry_goes_to_its_scheme_and_the_installers_files_are_added() {
        let mut wheel = wheel(
            "My.Demo-1.0-py3-none-any.whl",
            &[
                "demo/a.py",
                "other-1.0.data/scripts/x",
                "My.Demo-1.0.dist-info/METADATA",
                "My.Demo-1.0.data/purelib/b.py",
                "My.Demo-1.0.data/scripts/tool",
                "My.Demo-1.0.data/headers/demo.h",
                "My.Demo-1.0.data/data/share/doc",
            ],
        );
        wheel.requested = true;
        let files = spread_out(&wheel).expect("nothing is wrong");
        let places: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(
            places,
            [
                "bin/tool",
                "include/My.Demo/demo.h",
                "share/doc",
                "~/b.py",
                "~/demo/a.py",
                "~/my_demo-1.0.dist-info/INSTALLER",
                "~/my_demo-1.0.dist-info/METADATA",
                "~/my_demo-1.0.dist-info/RECORD",
                "~/my_demo-1.0.dist-info/REQUESTED",
                "~/other-1.0.data/scripts/x",
            ]
        );
        let recorded = |place: &str| files[place].recorded.to_string();
        assert_eq!(recorded("bin/tool"), "../../../bin/tool");
        assert_eq!(recorded("~/demo/a.py"), "demo/a.py");
        assert!(files["bin/tool"].executable && !files["~/demo/a.py"].executable);
        assert!(files.values().all(|file| file.owner == ChangeId(1)));
        let record = &files["~/my_demo-1.0.dist-info/RECORD"];
        assert!(matches!(record.content, Content::Record(ChangeId(1))));
        let module = &files["~/demo/a.py"].content;
        assert!(matches!(module, Content::Entry(WheelId(3), id) if *id == wheel.entries[0].id));
    }

    #[test]
    fn an_entry_point_takes_the_place_of_a_script_with_its_name() {
        let paths = ["demo-1.0.data/scripts/tool", "demo-1.0.data/scripts/other"];
        let mut wheel = wheel("demo-1.0-py3-none-any.whl", &paths);
        wheel.entry_points.push(EntryPoint {
            name: "tool".to_owned(),
            module: "demo".to_owned(),
            attribute: "main".to_owned(),
        });
        let files = spread_out(&wheel).expect("nothing is wrong");
        assert!(matches!(files["bin/tool"].content, Content::Bytes(_)));
        assert!(matches!(files["bin/other"].content, Content::Entry(..)));
    }

    #[test]
    fn all_faults_of_a_wheel_are_found() {
        let found = faults(&[
            "demo-1.0.data/stdlib/x.py",
            "demo-1.0.data/scripts/a/b",
            "demo-1.0.data/scripts/python3",
            "demo-1.0.data/data/pyvenv.cfg",
            "demo/.pkg-install/journal",
            "demo/nul.py",
        ]);
        let is = |fault: &Fault| match fault {
            Fault::Spread(SpreadFault::DataScheme(_)) => 'd',
            Fault::Spread(SpreadFault::NestedScript(_)) => 'n',
            Fault::Spread(SpreadFault::Protected { .. }) => 'p',
            Fault::Spread(SpreadFault::ReservedName(_)) => 'r',
            _ => '?',
        };
        let mut kinds: Vec<char> = found.iter().map(is).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, ['d', 'n', 'p', 'p', 'p', 'r']);
    }

    #[test]
    fn a_dist_info_whose_name_is_too_long_is_a_fault_and_not_left_out() {
        let mut wheel = wheel("demo-1.0-py3-none-any.whl", &["demo.py"]);
        wheel.name.name = ProjectName::parse(&"a".repeat(250)).expect("a name");
        let found = spread_out(&wheel).expect_err("refused");
        let unsafe_paths = found
            .iter()
            .filter(|fault| matches!(fault, Fault::Spread(SpreadFault::UnsafePath { .. })));
        assert_eq!(unsafe_paths.count(), 2, "INSTALLER and RECORD: {found:?}");
    }
}
