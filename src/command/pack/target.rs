//! The environment that is packed: it exists nowhere yet, so nothing on disk decides anything.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::base::{BaseImage, architecture};
use super::{ENTRY, ImageRequest, PackRequest, check_request};
use crate::cancellation::Cancellation;
#[cfg(feature = "http")]
use crate::command::names::{self, NamedWheels};
use crate::command::open::{self, Opened};
use crate::command::request::{Input, ResolvedInput};
use crate::command::shared_downloads::SharedDownloads;
use crate::command::up_to_date::{InstalledSet, SortedWheels};
use crate::command::{Context, Options, install, make_plan};
use crate::environment::layout::Layout;
use crate::environment::protected::Protected;
use crate::environment::{self, Environment, Locate, Python};
use crate::error::{Error, Result};
use crate::installed::facts::{Facts, Site};
use crate::installed::removal::Removal;
use crate::outcome::Step;
use crate::pack::{AddedContent, AddedFile, NeededPython};
use crate::path::RelPath;
use crate::plan::spread::Destination;
use crate::plan::{self, Candidate, Content, Plan, Wants};
use crate::script;
use crate::spec::record::Verify;
use crate::store::StoreUse;
use crate::threads::Pool;

/// The root of an environment that can be moved. None of its texts names it.
const ROOT: &str = "/environment";

/// The environment that is packed, and does not exist.
pub(super) struct PackTarget {
    environment: Environment,
    pub(super) layout: Layout,
    pub(super) python: NeededPython,
    /// The directory of the artefact that holds everything, if there is one.
    pub(super) below: Option<RelPath>,
    /// Whether there are packages only.
    is_plain: bool,
    /// The interpreter that `bin/python` links to.
    interpreter: Option<PathBuf>,
    /// The base of the image, if it is one and has one.
    pub(super) base: Option<BaseImage>,
}

impl PackTarget {
    pub(super) fn new(
        locate: &Locate,
        request: &PackRequest,
        cancel: &Cancellation,
    ) -> Result<Self> {
        let is_named = locate.python.is_some() || locate.described.release.is_some();
        let locate = match is_named {
            true => locate.clone(),
            false => locate.clone().with_python(PathBuf::from("python3")),
        };
        let located = environment::locate(&locate)?;
        let found = located.python()?;
        let python = NeededPython::of(found)
            .filter(|_| !located.is_for_windows())
            .ok_or_else(|| {
                let target = &found.target;
                let kinds = "artefacts are for CPython and PyPy on Unix";
                Error::usage(format!("{kinds}, and not for {target}"))
            })?;
        check_request(request)?;
        let root = request
            .image
            .as_ref()
            .map_or(Path::new(ROOT), |image| &image.prefix);
        let below = match (&request.plain, &request.image) {
            (Some(path), _) => Some(relative(path)?),
            (None, Some(image)) => {
                Some(relative(image.prefix.strip_prefix("/").map_err(|_| {
                    let shown = image.prefix.display();
                    Error::usage(format!("`{shown}` is not an absolute path"))
                })?)?)
            }
            (None, None) => None,
        };
        let is_plain = request.plain.is_some();
        let root = root.to_str().unwrap_or(ROOT);
        let layout = match is_plain {
            true => Layout::nominal(root, ""),
            false => Layout::movable(root, &python.name),
        };
        let base = match &request.image {
            Some(image) => base_of(image, found)?,
            None => None,
        };
        let interpreter = interpreter(request, base.as_ref(), &python, cancel)?;
        let executable = match (&interpreter, is_plain, &request.image) {
            (Some(path), _, None) => path.clone(),
            (None, true, _) => Path::new("/usr/bin").join(&python.name),
            _ => Path::new(root).join("bin/python"),
        };
        let needed = Python {
            executable: Some(executable),
            ..found.clone()
        };
        // An image has its environment at a known place.
        let is_relocatable = !is_plain && request.image.is_none();
        let environment = Environment::imagined(&layout, needed, is_relocatable);
        Ok(Self {
            environment,
            layout,
            python,
            below,
            is_plain,
            interpreter,
            base,
        })
    }

    /// The processor that the wheels are for, as images name it.
    pub(super) fn architecture(&self) -> Result<&str> {
        let python = self.environment.python()?;
        architecture(&python.target.platform).ok_or_else(|| no_images(python))
    }

    /// Opens the wheels, and decides which files there are.
    pub(super) fn plan(
        &self,
        input: &Input,
        options: &Options,
        pool: &Pool,
        context: Context<'_>,
    ) -> Result<(Opened, Plan)> {
        let begin = Instant::now();
        let present = InstalledSet::new(&self.environment, &self.layout, &[], options);
        let downloads = SharedDownloads::new(options, context);
        let resolved = self.resolved(input, &downloads)?;
        #[cfg(feature = "http")]
        let (resolved, named) = resolved;
        let wanted = SortedWheels::new(resolved, &present);
        // A dry run of an installation leaves out large RECORDs and reads them when a decision
        // depends on them; here they are simply read. The store has no compressed data.
        let opening = options.clone().with_dry_run(false);
        let opening = opening.with_store(StoreUse::Never);
        let opened = open::open(wanted.needed(), &opening, pool, &downloads)?;
        context.events.step(Step::Open, begin.elapsed());
        context.warn(opened.warnings());
        #[cfg(feature = "http")]
        named.check(&opened.wheels)?;
        install::check_python(&opened.wheels, &self.environment, options, context)?;
        let begin = Instant::now();
        let decision = wanted
            .decide(&present, context)?
            .expect("every wheel is opened if nothing is installed");
        let protected = Protected::of(&self.layout);
        let destination = Destination {
            layout: &self.layout,
            protected: &protected,
            python: self.environment.python().ok(),
            scripts: self.environment.script_python(),
            installer: &options.installer,
            verified: options.verify != Verify::Off,
            keep_spelling: false,
            windows_names: false,
        };
        let changes = decision.changes;
        let files = make_plan::spread_all(&destination, &opened.wheels, &changes, pool, context)?;
        let candidates = files.into_iter().map(|file| {
            let site = Site {
                place: file.place.clone(),
                missing_root: file.place.clone(),
                live: None,
                blocked: None,
            };
            Candidate::new(file, site)
        });
        let wants = Wants {
            changes,
            files: candidates.collect(),
            bytecode: Vec::new(),
            on_conflict: options.on_conflict,
        };
        let facts = Facts {
            layout: &self.layout,
            installed: &[],
            removal: Removal::default(),
            records: Default::default(),
            ignores_case: false,
            staying: Vec::new(),
            protected,
        };
        let plan = plan::make(wants, &facts)?;
        context.events.step(Step::Plan, begin.elapsed());
        Ok((opened, plan))
    }

    #[cfg(feature = "http")]
    fn resolved(
        &self,
        input: &Input,
        downloads: &SharedDownloads<'_>,
    ) -> Result<(ResolvedInput, NamedWheels)> {
        let (options, context) = (downloads.options, downloads.context);
        let environment = &self.environment;
        let mut resolved = input.resolve(environment, options, &|_, _, _| None, context)?;
        let installed = Default::default();
        let named = names::add(environment, input, &mut resolved, installed, downloads)?;
        Ok((resolved, named))
    }

    #[cfg(not(feature = "http"))]
    fn resolved(&self, input: &Input, downloads: &SharedDownloads<'_>) -> Result<ResolvedInput> {
        let (options, context) = (downloads.options, downloads.context);
        input.resolve(&self.environment, options, &|_, _, _| None, context)
    }

    /// The files that no wheel has: the interpreter, and the script of an entry point.
    pub(super) fn added(&self, plan: &Plan, request: &PackRequest) -> Result<Vec<AddedFile>> {
        if self.is_plain {
            return Ok(Vec::new());
        }
        let bytes = |path: &str, content: &[u8], executable| AddedFile {
            path: path.to_owned(),
            content: AddedContent::Bytes(content.into()),
            executable,
        };
        let mut added = match &self.interpreter {
            None => {
                let launcher = self.python.interpreter();
                vec![
                    bytes("bin/python", &launcher, true),
                    bytes("bin/python3", &launcher, true),
                    // It makes the directory an environment for other programs before its first
                    // start, which adds where its interpreter is.
                    bytes(
                        "pyvenv.cfg",
                        b"include-system-site-packages = false\n",
                        false,
                    ),
                ]
            }
            Some(path) => self.links(path)?,
        };
        let Some(entry) = &request.entry else {
            return Ok(added);
        };
        if let Some((module, attribute)) = entry.split_once(':') {
            let scripts = self.environment.script_python();
            let scripts = scripts.expect("the interpreter of the artefact is known");
            let script = script::launcher(scripts, module, attribute)
                .map_err(|reason| Error::usage(format!("`{entry}` cannot run: {reason}")))?;
            added.push(bytes(&format!("bin/{ENTRY}"), &script, true));
            return Ok(added);
        }
        let scripts = plan.files.iter().filter_map(|file| {
            let name = file.place.path.as_str().strip_prefix("bin/")?;
            (file.executable && !matches!(file.content, Content::Record(_))).then_some(name)
        });
        let scripts: Vec<&str> = scripts.collect();
        if scripts.contains(&entry.as_str()) {
            return Ok(added);
        }
        let known = match scripts[..] {
            [] => "the wheels have no scripts".to_owned(),
            _ => format!("there are {}", scripts.join(", ")),
        };
        Err(Error::usage(format!(
            "no wheel has a script `{entry}`: {known}"
        )))
    }

    /// Links to an interpreter at a fixed path, which make the directory a virtual environment.
    fn links(&self, interpreter: &Path) -> Result<Vec<AddedFile>> {
        let text = interpreter
            .to_str()
            .filter(|text| interpreter.is_absolute() && !text.contains(['\n', '\r', '\0']));
        let (Some(text), Some(home)) = (text, interpreter.parent()) else {
            let shown = interpreter.display();
            return Err(Error::usage(format!(
                "`{shown}` is not an absolute path in one line"
            )));
        };
        let config = format!(
            "home = {}\ninclude-system-site-packages = false\n",
            home.display()
        );
        let named = format!("bin/{}", self.python.name);
        let links = ["bin/python", "bin/python3", &named].map(|path| AddedFile {
            path: path.to_owned(),
            content: AddedContent::Link(text.to_owned()),
            executable: true,
        });
        let config = AddedFile {
            path: "pyvenv.cfg".to_owned(),
            content: AddedContent::Bytes(config.into_bytes()),
            executable: false,
        };
        Ok(links.into_iter().chain([config]).collect())
    }
}

/// A path of an artefact.
fn relative(path: &Path) -> Result<RelPath> {
    let text = path.to_str().unwrap_or_default().trim_end_matches('/');
    RelPath::parse(text)
        .map_err(|fault| Error::usage(format!("`{}`: it has {fault}", path.display())))
}

/// The base of an image, if it has one.
fn base_of(image: &ImageRequest, python: &Python) -> Result<Option<BaseImage>> {
    let platform = &python.target.platform;
    let architecture = architecture(platform).ok_or_else(|| no_images(python))?;
    let base = image.base.as_ref();
    let read = |(path, tag): &(PathBuf, Option<String>)| {
        BaseImage::read(path, tag.as_deref(), architecture)
    };
    base.map(read).transpose()
}

fn no_images(python: &Python) -> Error {
    let target = python.target.to_string();
    Error::usage(format!("images are for Linux, and not for {target}"))
}

/// The interpreter that `bin/python` links to. That of an image must be in its base, unless it is
/// named.
fn interpreter(
    request: &PackRequest,
    base: Option<&BaseImage>,
    python: &NeededPython,
    cancel: &Cancellation,
) -> Result<Option<PathBuf>> {
    if request.interpreter.is_some() || request.image.is_none() {
        return Ok(request.interpreter.clone());
    }
    let Some(base) = base else {
        return Err(Error::usage(
            "an image without a base has no interpreter; name the path of the one it will have",
        ));
    };
    let places = ["/usr/local/bin", "/usr/bin"].map(|place| Path::new(place).join(&python.name));
    match base.find(&places, cancel)? {
        Some(path) => Ok(Some(path)),
        None => Err(Error::usage(format!(
            "the base has no {} in /usr/local/bin or /usr/bin; name its path",
            python.name
        ))),
    }
}
