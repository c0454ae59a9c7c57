//! Forged wheels: bytes decide what a small wheel contains and which fields of its archive are
//! wrong.
//!
//! Input: any bytes; none gives a correct wheel. Output: an archive whose structure is mostly
//! intact, so that the code behind the first checks is reached too. The same bytes give the same
//! archive. Limits: a few entries of a few hundred bytes, and one that is larger than is held in
//! memory at once.

use crate::support::wheel_builder::{EXECUTABLE, FILE, Wheel};
use crate::support::zip_image::{self, DEFLATE, Header, STORED, ZSTD, ZipEntry, ZipImage};

/// Paths for files of the wheel.
const PATHS: &[&str] = &[
    "demo/__init__.py",
    "demo/module.py",
    "demo/deep/er/file.txt",
    "present/module.py",
    "shared.py",
    "pointer.py",
    "directory/precious",
    "inner/module.py",
    "resident/__init__.py",
    "demo",
    "demo/",
    "demo/__pycache__/module.cpython-313.pyc",
    "demo-1.0.data/scripts/tool",
    "demo-1.0.data/scripts/python",
    "demo-1.0.data/scripts/in/side",
    "demo-1.0.data/data/share/demo.txt",
    "demo-1.0.data/data/pyvenv.cfg",
    "demo-1.0.data/data/.lock",
    "demo-1.0.data/data/bin/tool",
    "demo-1.0.data/data/lib/python3.13/site-packages/demo/module.py",
    "demo-1.0.data/headers/demo.h",
    "demo-1.0.data/purelib/demo/module.py",
    "demo-1.0.data/platlib/demo/other.py",
    "demo-1.0.data/else/x",
    "demo-1.0.dist-info/METADATA",
    "demo-1.0.dist-info/INSTALLER",
    "demo-1.0.dist-info/licenses/LICENSE",
    "demo-1.0.dist-info/RECORD.jws",
    "demo-2.0.dist-info/METADATA",
    ".pkg-install/journal",
    "../outside/precious",
    "/outside",
    "a/../../b",
    "a//b",
    "C:x",
    "a\\b",
    "Demo/Module.py",
    "d\u{e9}mo.py",
    "",
];

/// Contents for files.
const CONTENTS: &[&[u8]] = &[
    b"",
    b"x = 1\n",
    b"precious\n",
    b"present\n",
    b"#!python\nprint(1)\n",
    b"#!pythonw\r\n",
    b"#!python",
    b"PK\x03\x04PK\x01\x02PK\x05\x06",
    b"[console_scripts]\ndemo = demo:main\ntool = demo.deep:main.run\n",
    b"[console_scripts]\npython = demo:main\n[gui_scripts]\n../x = a:b\n",
];

/// Lines of RECORD, WHEEL and METADATA that are not in every wheel.
const LINES: &[&str] = &[
    "demo/__init__.py,,",
    "demo/absent.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0",
    "../../../../outside/precious,,",
    "/demo/module.py,,",
    "./demo/module.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=,0",
    "demo-1.0.dist-info/RECORD,,",
    "\"demo/quo,ted.py\",md5=1B2M2Y8AsgTpgAmY7PhCfg,x",
    "Wheel-Version: 1.9",
    "Root-Is-Purelib: false",
    "Name: other",
    "Version: 2.0",
    "Requires-Python: >=2.7, <3.6.*",
    " folded",
    "",
];

/// Numbers at which a field means something else.
const NUMBERS: &[u64] = &[
    0,
    1,
    8,
    22,
    30,
    46,
    0x41,
    0xffff,
    0xfffe,
    0x7fff_ffff,
    0xffff_ffff,
    0xffff_fffe,
    u64::MAX,
];

/// The bytes as decisions; all are 0 once they have run out.
struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    fn byte(&mut self) -> u8 {
        let (&first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        first
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit.max(1)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// As many bytes as the first one states, up to 63.
    fn bytes(&mut self) -> &'a [u8] {
        let count = self.below(64).min(self.0.len());
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    /// Another value for a field that holds `old`: near it, remarkable, or any.
    fn number(&mut self, old: u64) -> u64 {
        match self.byte() % 4 {
            0 => old.wrapping_add(u64::from(self.byte())),
            1 => old.wrapping_sub(u64::from(self.byte())),
            2 => self.pick(NUMBERS),
            _ => (0..4).fold(0, |number, _| number << 8 | u64::from(self.byte())),
        }
    }
}

/// The archive that these bytes stand for.
pub fn forge(data: &[u8]) -> Vec<u8> {
    let choices = &mut Choices(data);
    let mut wheel = Wheel::new("demo", "1.0")
        .file("demo/__init__.py", "x = 1\n".repeat(20))
        .stored("demo/data", "y");
    for _ in 0..choices.below(6) {
        wheel = add(wheel, choices);
    }
    let mut image = wheel.image();
    for _ in 0..choices.below(8) {
        bend(&mut image, choices);
    }
    let mut bytes = image.to_bytes();
    for _ in 0..choices.below(4) {
        let at = (choices.below(256) << 8 | choices.below(256)) % bytes.len();
        bytes[at] ^= choices.byte();
    }
    bytes
}

/// One more file, link, directory or line.
fn add(wheel: Wheel, choices: &mut Choices<'_>) -> Wheel {
    let line = |choices: &mut Choices<'_>| choices.pick(LINES);
    match choices.byte() % 10 {
        0 => wheel.symlink(choices.pick(PATHS), "/outside"),
        1 => wheel.directory(choices.pick(PATHS)),
        2 => wheel.record_line(line(choices)),
        3 => wheel.metadata_line(line(choices)),
        4 => wheel.wheel_line(line(choices)),
        5 => {
            let content = choices.pick(CONTENTS);
            let name = choices.pick(&[
                "entry_points.txt",
                "RECORD.p7s",
                "METADATA",
                "direct_url.json",
                "x/y",
            ]);
            wheel.dist_info_file(name, content)
        }
        6 => {
            let (path, digest) = (
                choices.pick(PATHS),
                String::from_utf8_lossy(choices.bytes()).into_owned(),
            );
            wheel.record_row(path, &digest, choices.byte())
        }
        method => {
            let path = choices.pick(PATHS);
            // The last is more than is held in memory at once.
            let content = match choices.byte() % 8 {
                0 => choices.bytes().to_vec(),
                1 if choices.byte() == 1 => vec![b'x'; (1 << 20) + 1],
                _ => choices.pick(CONTENTS).to_vec(),
            };
            match method {
                7 => wheel.stored(path, content),
                8 => wheel.zstd(path, content),
                _ => wheel.file_mode(
                    path,
                    content,
                    choices.pick(&[FILE, EXECUTABLE, 0, 0o040_755, 0o020_644]),
                ),
            }
        }
    }
}

/// One lie.
fn bend(image: &mut ZipImage, choices: &mut Choices<'_>) {
    let count = image.entries.len();
    let number = choices.below(count);
    if count == 0 {
        return;
    }
    let entry = &mut image.entries[number];
    match choices.byte() % 16 {
        0..4 => bend_header(&mut entry.local, choices),
        4..6 => bend_header(&mut entry.central, choices),
        6..8 => {
            // Both headers tell the same lie.
            let rest = choices.0;
            bend_header(&mut entry.local, choices);
            bend_header(&mut entry.central, &mut Choices(rest));
        }
        8 => bend_listing(entry, choices),
        9 => bend_body(entry, choices),
        10 => entry.use_descriptor(),
        11 => entry.use_zip64(),
        12 => bend_descriptor(entry, choices),
        13 => entry.gap_before = choices.bytes().to_vec(),
        14 => {
            let twin = entry.clone();
            image.entries.insert(choices.below(count + 1), twin);
        }
        _ => bend_end(image, choices),
    }
}

fn bend_header(header: &mut Header, choices: &mut Choices<'_>) {
    let low = |choices: &mut Choices<'_>, old: u16| choices.number(u64::from(old)) as u16;
    let wide = |choices: &mut Choices<'_>, old: u32| choices.number(u64::from(old)) as u32;
    match choices.byte() % 12 {
        0 => header.version_needed = low(choices, header.version_needed),
        1 => header.flags ^= 1 << choices.below(16),
        2 => header.method = choices.pick(&[STORED, DEFLATE, ZSTD, 9, 12, 14, 99]),
        3 => header.date = low(choices, header.date),
        4 => header.crc = wide(choices, header.crc),
        5 => header.csize = wide(choices, header.csize),
        6 => header.usize = wide(choices, header.usize),
        7 => header.name = choices.pick(PATHS).into(),
        8 => header.name.extend(choices.bytes()),
        9 => header.extra.extend(zip_image::extra(
            choices.pick(&[1, 0x5455, 0x7075, 0x6375, 0xcafe]),
            choices.bytes(),
        )),
        10 => {
            let numbers = [
                choices.number(header.usize.into()),
                choices.number(header.csize.into()),
                choices.number(0),
            ];
            header
                .extra
                .extend(zip_image::zip64_extra(&numbers[..choices.below(4)]));
        }
        _ => header.extra.extend(choices.bytes()),
    }
}

fn bend_listing(entry: &mut ZipEntry, choices: &mut Choices<'_>) {
    let listing = &mut entry.listing;
    match choices.byte() % 8 {
        0 => listing.version_made_by = choices.number(listing.version_made_by.into()) as u16,
        1 => listing.disk = choices.number(0) as u16,
        2 => listing.internal = choices.number(0) as u16,
        3 => listing.external = choices.number(listing.external.into()) as u32,
        4 => listing.comment = choices.bytes().to_vec(),
        5 => listing.offset = Some(choices.number(0) as u32),
        6 => listing.listed = false,
        _ => listing.present = false,
    }
}

/// Changes the compressed content; the headers follow if the next byte says so.
fn bend_body(entry: &mut ZipEntry, choices: &mut Choices<'_>) {
    let at = choices.below(entry.body.len() + 1);
    match choices.byte() % 4 {
        0 => entry.body.extend(choices.bytes()),
        1 => entry.body.truncate(at),
        2 => entry
            .body
            .splice(at..at, choices.bytes().iter().copied())
            .for_each(drop),
        _ if at < entry.body.len() => entry.body[at] ^= choices.byte(),
        _ => {}
    }
    if choices.byte() % 2 == 1 {
        let length = entry.body.len() as u32;
        entry.both(|header| header.csize = length);
    }
}

/// A data descriptor without its signature, with wide sizes, or with other numbers.
fn bend_descriptor(entry: &mut ZipEntry, choices: &mut Choices<'_>) {
    entry.use_descriptor();
    match choices.byte() % 4 {
        0 => entry.descriptor.drain(..4).for_each(drop),
        1 => {
            let central = &entry.central;
            let sizes = [central.csize, central.usize]
                .map(|size| u64::from(size).to_le_bytes())
                .concat();
            entry.descriptor.splice(8.., sizes).for_each(drop);
        }
        2 => entry.descriptor.extend(choices.bytes()),
        _ => {
            let at = choices.below(entry.descriptor.len());
            entry.descriptor[at] ^= choices.byte();
        }
    }
}

fn bend_end(image: &mut ZipImage, choices: &mut Choices<'_>) {
    let count = image.entries.len() as u64;
    match choices.byte() % 13 {
        0 => image.prefix = choices.bytes().to_vec(),
        1 => image.gap_before_directory = choices.bytes().to_vec(),
        2 => image.gap_before_end = choices.bytes().to_vec(),
        3 => image.suffix = choices.bytes().to_vec(),
        4 => image.comment = choices.bytes().to_vec(),
        5 => image.end.disk = choices.number(0) as u16,
        6 => image.end.directory_disk = choices.number(0) as u16,
        7 => image.end.entries = Some(choices.number(count) as u16),
        8 => image.end.entries_on_disk = Some(choices.number(count) as u16),
        9 => image.end.directory_size = Some(choices.number(0) as u32),
        10 => image.end.directory_offset = Some(choices.number(0) as u32),
        11 => image.end.comment_length = Some(choices.number(image.comment.len() as u64) as u16),
        _ => image.end.zip64 = !image.end.zip64,
    }
}
