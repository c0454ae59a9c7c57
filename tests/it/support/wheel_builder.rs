//! Wheels from text, broken ones too.
//!
//! `Wheel::new("demo", "1.0").file("demo/__init__.py", "").write_to(dir)` is a correct wheel:
//! METADATA, WHEEL and RECORD are written after its files, in this order. Every other method
//! changes one thing: the metadata, the RECORD, or, with [`Wheel::tamper`], any field of the
//! [archive](ZipImage). Paths may contain `{dist-info}` and `{data}` for the wheel's own
//! directories. The same calls make the same bytes.

use std::fmt::{Display, Write as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::Digest as _;

use super::zip_image::{self, ZipEntry, ZipImage};

/// The mode of a regular file that everybody may read.
pub const FILE: u32 = 0o100_644;
/// The mode of a regular file that everybody may execute.
pub const EXECUTABLE: u32 = 0o100_755;

/// A wheel that is being built.
#[derive(Clone)]
pub struct Wheel {
    name: String,
    version: String,
    tag: String,
    build: Option<String>,
    file_name: Option<String>,
    dist_info: Option<String>,
    root_is_purelib: String,
    metadata_lines: String,
    wheel_lines: String,
    entries: Vec<Entry>,
    record: Record,
    tampers: Vec<Tamper>,
}

/// One change of the archive.
type Tamper = Rc<dyn Fn(&mut ZipImage)>;

#[derive(Clone)]
struct Entry {
    path: String,
    content: Vec<u8>,
    mode: u32,
    method: u16,
}

/// The rows that RECORD has in addition to, or instead of, the true ones.
#[derive(Clone, Default)]
struct Record {
    absent: bool,
    raw: Option<String>,
    omitted: Vec<String>,
    /// Rows in place of, or beside, the true ones: path, digest, size.
    rows: Vec<(String, String, String)>,
    lines: String,
}

impl Wheel {
    /// A pure wheel of this project for any Python 3. In the file name `-` becomes `_`; case and
    /// dots stay as they are.
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            tag: "py3-none-any".to_owned(),
            build: None,
            file_name: None,
            dist_info: None,
            root_is_purelib: "true".to_owned(),
            metadata_lines: String::new(),
            wheel_lines: String::new(),
            entries: Vec::new(),
            record: Record::default(),
            tampers: Vec::new(),
        }
    }

    /// A file that everybody may read, deflated.
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.file_mode(path, content, FILE)
    }

    /// A file with this mode: type and permissions, as in `0o100755`.
    pub fn file_mode(self, path: &str, content: impl AsRef<[u8]>, mode: u32) -> Self {
        self.entry(path, content.as_ref(), mode, zip_image::DEFLATE)
    }

    /// A file that is not compressed.
    pub fn stored(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.entry(path, content.as_ref(), FILE, zip_image::STORED)
    }

    /// A file compressed with Zstandard.
    pub fn zstd(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.entry(path, content.as_ref(), FILE, zip_image::ZSTD)
    }

    /// A file below the data directory: `data("scripts/tool", …)`, `data("data/share/x", …)`.
    pub fn data(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.file(&format!("{{data}}/{path}"), content)
    }

    /// A file in the dist-info directory; METADATA, WHEEL and entry_points.txt of this kind replace
    /// the default ones.
    pub fn dist_info_file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.file(&format!("{{dist-info}}/{name}"), content)
    }

    /// The content of `entry_points.txt`.
    pub fn entry_points(self, text: &str) -> Self {
        self.dist_info_file("entry_points.txt", text)
    }

    /// A directory entry; the path's final slash is added if it is missing.
    pub fn directory(self, path: &str) -> Self {
        self.entry(
            &format!("{}/", path.trim_end_matches('/')),
            &[],
            0o040_755,
            zip_image::STORED,
        )
    }

    /// A symbolic link, as Info-ZIP stores one.
    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(path, target.as_bytes(), 0o120_777, zip_image::STORED)
    }

    fn entry(mut self, path: &str, content: &[u8], mode: u32, method: u16) -> Self {
        self.entries.push(Entry {
            path: path.to_owned(),
            content: content.to_vec(),
            mode,
            method,
        });
        self
    }

    /// The tags of the file name, compressed as there: `cp311.cp312-abi3-linux_x86_64`.
    pub fn tag(mut self, tag: &str) -> Self {
        self.tag = tag.to_owned();
        self
    }

    /// The build tag: `3`, `"1local"`.
    pub fn build(mut self, build: impl Display) -> Self {
        self.build = Some(build.to_string());
        self
    }

    /// The whole file name, instead of the one made from name, version, build and tags.
    pub fn file_name(mut self, name: &str) -> Self {
        self.file_name = Some(name.to_owned());
        self
    }

    /// The dist-info directory, instead of `NAME-VERSION.dist-info`.
    pub fn dist_info(mut self, directory: &str) -> Self {
        self.dist_info = Some(directory.to_owned());
        self
    }

    /// Whether the root goes to purelib.
    pub fn root_is_purelib(self, pure: bool) -> Self {
        self.root_is_purelib_text(if pure { "true" } else { "false" })
    }

    /// The value of `Root-Is-Purelib`, in any spelling; empty leaves the line out.
    pub fn root_is_purelib_text(mut self, text: &str) -> Self {
        self.root_is_purelib = text.to_owned();
        self
    }

    /// One more header of METADATA: `metadata_line("Requires-Python: >=3.8")`.
    pub fn metadata_line(mut self, line: &str) -> Self {
        let _ = writeln!(self.metadata_lines, "{line}");
        self
    }

    /// One more header of WHEEL.
    pub fn wheel_line(mut self, line: &str) -> Self {
        let _ = writeln!(self.wheel_lines, "{line}");
        self
    }

    /// WHEEL as a whole.
    pub fn raw_wheel(self, text: impl AsRef<[u8]>) -> Self {
        self.dist_info_file("WHEEL", text)
    }

    /// METADATA as a whole.
    pub fn raw_metadata(self, text: impl AsRef<[u8]>) -> Self {
        self.dist_info_file("METADATA", text)
    }

    /// Leaves one file out of the archive and out of RECORD: `without("{dist-info}/METADATA")`.
    pub fn without(self, path: &str) -> Self {
        let path = self.expand(path);
        let row = path.clone();
        self.tamper(move |zip| {
            zip.entries
                .retain(|entry| entry.central.name != path.as_bytes());
        })
        .omit_from_record(&row)
    }

    /// A row that replaces the path's true one, or an additional one. The digest is written as it
    /// is.
    pub fn record_row(mut self, path: &str, digest: &str, size: impl Display) -> Self {
        self.record
            .rows
            .push((path.to_owned(), digest.to_owned(), size.to_string()));
        self
    }

    /// A whole line after all rows, as it is.
    pub fn record_line(mut self, line: &str) -> Self {
        let _ = writeln!(self.record.lines, "{line}");
        self
    }

    /// Leaves the row of this path out.
    pub fn omit_from_record(mut self, path: &str) -> Self {
        self.record.omitted.push(path.to_owned());
        self
    }

    /// Leaves RECORD out of the archive.
    pub fn without_record(mut self) -> Self {
        self.record.absent = true;
        self
    }

    /// RECORD as a whole.
    pub fn raw_record(mut self, text: &str) -> Self {
        self.record.raw = Some(text.to_owned());
        self
    }

    /// A row with the right size and the digest of other bytes.
    pub fn wrong_digest(self, path: &str) -> Self {
        let size = self.content(path).len();
        self.record_row(path, &digest(b"other bytes"), size)
    }

    /// A row with the right digest and one byte too many.
    pub fn wrong_size(self, path: &str) -> Self {
        let content = self.content(path);
        let (digest, size) = (digest(content), content.len() + 1);
        self.record_row(path, &digest, size)
    }

    /// [`wrong_digest`](Self::wrong_digest) of the file that was added last: all before it are
    /// right.
    pub fn wrong_last_digest(self) -> Self {
        let path = self
            .entries
            .last()
            .expect("a file was added before")
            .path
            .clone();
        self.wrong_digest(&path)
    }

    /// Changes the archive before it is written; several changes run in the order of the calls.
    pub fn tamper(mut self, change: impl Fn(&mut ZipImage) + 'static) -> Self {
        self.tampers.push(Rc::new(change));
        self
    }

    /// Changes one entry of the archive.
    pub fn tamper_entry(self, path: &str, change: impl Fn(&mut ZipEntry) + 'static) -> Self {
        let path = self.expand(path);
        self.tamper(move |zip| change(zip.entry(&path)))
    }

    /// Writes CRC and sizes behind the content instead of before it.
    pub fn descriptor(self, path: &str) -> Self {
        self.tamper_entry(path, ZipEntry::use_descriptor)
    }

    /// Writes the sizes to the ZIP64 field.
    pub fn zip64(self, path: &str) -> Self {
        self.tamper_entry(path, ZipEntry::use_zip64)
    }

    /// Says that the entry was compressed by this method.
    pub fn method(self, path: &str, method: u16) -> Self {
        self.tamper_entry(path, move |entry| {
            entry.both(|header| header.method = method);
        })
    }

    /// Says that the content has this CRC.
    pub fn crc(self, path: &str, crc: u32) -> Self {
        self.tamper_entry(path, move |entry| entry.both(|header| header.crc = crc))
    }

    /// The file name.
    pub fn wheel_file_name(&self) -> String {
        let build = self
            .build
            .as_ref()
            .map(|build| format!("-{build}"))
            .unwrap_or_default();
        let made = || {
            format!(
                "{}-{}{build}-{}.whl",
                escape(&self.name),
                escape(&self.version),
                self.tag
            )
        };
        self.file_name.clone().unwrap_or_else(made)
    }

    /// The name of the dist-info directory.
    pub fn dist_info_name(&self) -> String {
        let made = || format!("{}-{}.dist-info", escape(&self.name), escape(&self.version));
        self.dist_info.clone().unwrap_or_else(made)
    }

    /// The archive, all changes made.
    pub fn image(&self) -> ZipImage {
        let mut files: Vec<Entry> = self
            .entries
            .iter()
            .map(|entry| Entry {
                path: self.expand(&entry.path),
                ..entry.clone()
            })
            .collect();
        for (name, content) in [("METADATA", self.metadata()), ("WHEEL", self.wheel())] {
            let path = self.expand(&format!("{{dist-info}}/{name}"));
            if !files.iter().any(|entry| entry.path == path) {
                files.push(Entry {
                    path,
                    content: content.into(),
                    mode: FILE,
                    method: zip_image::DEFLATE,
                });
            }
        }
        if !self.record.absent {
            let path = self.expand("{dist-info}/RECORD");
            let content = self.record_text(&files, &path).into();
            files.push(Entry {
                path,
                content,
                mode: FILE,
                method: zip_image::DEFLATE,
            });
        }
        let entries = files
            .iter()
            .map(|file| ZipEntry::new(&file.path, &file.content, file.mode, file.method));
        let mut zip = ZipImage {
            entries: entries.collect(),
            ..ZipImage::default()
        };
        self.tampers.iter().for_each(|change| change(&mut zip));
        zip
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> Vec<u8> {
        self.image().to_bytes()
    }

    /// Writes the file into `directory`, which is created if it is missing.
    pub fn write_to(&self, directory: &Path) -> PathBuf {
        let path = directory.join(self.wheel_file_name());
        std::fs::create_dir_all(directory).expect("the directory can be made");
        std::fs::write(&path, self.bytes()).expect("the wheel can be written");
        path
    }

    fn metadata(&self) -> String {
        format!(
            "Metadata-Version: 2.1\nName: {}\nVersion: {}\n{}",
            self.name, self.version, self.metadata_lines
        )
    }

    fn wheel(&self) -> String {
        let mut text = "Wheel-Version: 1.0\nGenerator: wheel_builder\n".to_owned();
        if !self.root_is_purelib.is_empty() {
            let _ = writeln!(text, "Root-Is-Purelib: {}", self.root_is_purelib);
        }
        for tag in expand_tags(&self.tag) {
            let _ = writeln!(text, "Tag: {tag}");
        }
        text + &self.wheel_lines
    }

    fn record_text(&self, files: &[Entry], own_path: &str) -> String {
        if let Some(raw) = &self.record.raw {
            return self.expand(raw);
        }
        let truth = files.iter().filter(|entry| !entry.path.ends_with('/'));
        let mut rows: Vec<(String, String, String)> = truth
            .map(|entry| {
                (
                    entry.path.clone(),
                    digest(&entry.content),
                    entry.content.len().to_string(),
                )
            })
            .chain([(own_path.to_owned(), String::new(), String::new())])
            .collect();
        let omitted: Vec<String> = self
            .record
            .omitted
            .iter()
            .map(|path| self.expand(path))
            .collect();
        rows.retain(|row| !omitted.contains(&row.0));
        for (path, digest, size) in &self.record.rows {
            let row = (self.expand(path), digest.clone(), size.clone());
            match rows.iter_mut().find(|other| other.0 == row.0) {
                Some(other) => *other = row,
                None => rows.push(row),
            }
        }
        let mut text = String::new();
        for (path, digest, size) in rows {
            let _ = writeln!(text, "{},{digest},{size}", quote(&path));
        }
        text + &self.expand(&self.record.lines)
    }

    fn content(&self, path: &str) -> &[u8] {
        let path = self.expand(path);
        let found = self
            .entries
            .iter()
            .find(|entry| self.expand(&entry.path) == path);
        &found
            .unwrap_or_else(|| panic!("`{path}` was not added"))
            .content
    }

    fn expand(&self, path: &str) -> String {
        let stem = self.dist_info_name();
        let data = format!("{}.data", stem.trim_end_matches(".dist-info"));
        path.replace("{dist-info}", &stem).replace("{data}", &data)
    }
}

/// The digest of `content` as RECORD writes it.
pub fn digest(content: &[u8]) -> String {
    format!(
        "sha256={}",
        URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(content))
    )
}

/// A name or version as in a wheel's file name.
fn escape(text: &str) -> String {
    text.replace('-', "_")
}

/// `py2.py3-none-any` as `py2-none-any` and `py3-none-any`.
fn expand_tags(compressed: &str) -> Vec<String> {
    let [python, abi, platform] = compressed.split('-').collect::<Vec<_>>()[..] else {
        return vec![compressed.to_owned()];
    };
    let mut tags = Vec::new();
    for python in python.split('.') {
        for abi in abi.split('.') {
            tags.extend(
                platform
                    .split('.')
                    .map(|platform| format!("{python}-{abi}-{platform}")),
            );
        }
    }
    tags
}

/// A field of a CSV file, in quotation marks if needed.
fn quote(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
