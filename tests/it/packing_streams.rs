//! The deflate streams of a packed tar archive: those of many compressors, joined into one gzip
//! member that every reader takes for an ordinary one.

use std::io::{Read as _, Write as _};
use std::process::Command;

use flate2::{Compress, Compression, FlushCompress};

use crate::support::scene::{Run, Scene, interpreter};
use crate::support::wheel_builder::Wheel;
use crate::support::zip_image::ZipEntry;

/// Bytes that look random, the same at every call.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Contents of several kinds; lengths step by one, so that streams end at every bit of a byte.
fn contents() -> Vec<Vec<u8>> {
    let text = |length: usize| {
        let words = noise(length, 3).into_iter();
        words
            .map(|byte| b"etaoin shrdlu\n"[usize::from(byte) % 14])
            .collect()
    };
    let mut contents = vec![
        Vec::new(),
        vec![0; 1],
        vec![b'a'; 100_000],
        noise(70_000, 1),
        text(300_000),
    ];
    contents.extend((1..40).map(|length| text(length * 7)));
    contents
}

/// The stream of zlib-rs, with a flush after every `piece` bytes.
fn flushed(content: &[u8], level: u32, piece: usize, flush: FlushCompress) -> Vec<u8> {
    let mut compress = Compress::new(Compression::new(level), false);
    let mut stream = Vec::with_capacity(content.len() * 2 + 10_000);
    for piece in content.chunks(piece) {
        compress
            .compress_vec(piece, &mut stream, flush)
            .expect("there is room");
    }
    compress
        .compress_vec(&[], &mut stream, FlushCompress::Finish)
        .expect("there is room");
    stream
}

/// The stream of libdeflate.
fn one_shot(content: &[u8], level: i32) -> Vec<u8> {
    let level = libdeflater::CompressionLvl::new(level).expect("levels are 0 to 12");
    let mut compressor = libdeflater::Compressor::new(level);
    let mut stream = vec![0; compressor.deflate_compress_bound(content.len())];
    let length = compressor
        .deflate_compress(content, &mut stream)
        .expect("there is room");
    stream.truncate(length);
    stream
}

/// Stored blocks of odd lengths, empty ones among them; the last one is empty.
fn stored(content: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut block = |last: u8, bytes: &[u8]| {
        let length = u16::try_from(bytes.len()).expect("a block is short");
        stream.push(last);
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(bytes);
    };
    for piece in content.chunks(4_999) {
        block(0, piece);
        block(0, &[]);
    }
    block(1, &[]);
    stream
}

/// The streams of Python's zlib with each of its strategies, for all contents in turn.
fn of_python(scene: &Scene, contents: &[Vec<u8>]) -> Vec<(usize, Vec<u8>)> {
    let code = "import struct, sys, zlib\n\
        data, out = open(sys.argv[1], 'rb').read(), open(sys.argv[2], 'wb')\n\
        at = 0\n\
        while at < len(data):\n\
        \x20   n, = struct.unpack_from('<I', data, at)\n\
        \x20   part = data[at + 4 : at + 4 + n]\n\
        \x20   at += 4 + n\n\
        \x20   for strategy in range(5):\n\
        \x20       c = zlib.compressobj(6, zlib.DEFLATED, -15, 1 + strategy, strategy)\n\
        \x20       stream = c.compress(part) + c.flush()\n\
        \x20       out.write(struct.pack('<I', len(stream)) + stream)\n";
    let mut input = Vec::new();
    for content in contents {
        let length = u32::try_from(content.len()).expect("it is short");
        input.extend(length.to_le_bytes());
        input.extend(content);
    }
    let (input, output) = (scene.write("contents", input), scene.join("streams"));
    let mut python = Command::new(&interpreter().executable);
    Run::of(python.args(["-I", "-c", code]).args([&input, &output])).assert_code(0);
    let all = std::fs::read(&output).expect("it is written");
    let (mut rest, mut streams) = (&all[..], Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        streams.push((streams.len() / 5, after[..length].to_vec()));
        rest = &after[length..];
    }
    streams
}

/// A wheel with every content, compressed by every compressor.
fn wheel(scene: &Scene) -> (Wheel, Vec<(String, Vec<u8>)>) {
    let contents = contents();
    let mut streams = of_python(scene, &contents);
    for (number, content) in contents.iter().enumerate() {
        let mut add = |stream| streams.push((number, stream));
        (0..10).for_each(|level| add(flushed(content, level, usize::MAX, FlushCompress::None)));
        (0..13).for_each(|level| add(one_shot(content, level)));
        for flush in [
            FlushCompress::Sync,
            FlushCompress::Full,
            FlushCompress::Partial,
        ] {
            add(flushed(content, 6, 97, flush));
        }
        add(stored(content));
    }
    let mut wheel = Wheel::new("streams", "1");
    let mut expected = Vec::new();
    for (number, (content, stream)) in streams.into_iter().enumerate() {
        let path = format!("streams/{number}");
        let content = &contents[content];
        wheel = wheel.file(&path, content);
        let replace = move |entry: &mut ZipEntry| {
            let length = u32::try_from(stream.len()).expect("it is short");
            (entry.local.csize, entry.central.csize) = (length, length);
            entry.body.clone_from(&stream);
        };
        wheel = wheel.tamper_entry(&path, replace);
        expected.push((path, content.clone()));
    }
    (wheel, expected)
}

#[test]
fn streams_of_every_compressor_are_one_member_for_every_reader() {
    let scene = Scene::new();
    let (wheel, expected) = wheel(&scene);
    let wheel = scene.wheel(&wheel).display().to_string();
    let run = scene.run(&["pack", &wheel, "--output", "x.tar.gz", "--json"]);
    let copied = run.assert_code(0).json()["artifact"]["copied"].clone();
    assert!(copied.as_u64() > Some(expected.len() as u64), "{copied}");
    let path = scene.join("x.tar.gz");
    let compressed = std::fs::read(&path).expect("it is written");

    // These two stop after the first member.
    let mut by_flate2 = Vec::new();
    flate2::read::GzDecoder::new(&compressed[..])
        .read_to_end(&mut by_flate2)
        .expect("a gzip member");
    let mut by_libdeflate = vec![0; by_flate2.len()];
    let length = libdeflater::Decompressor::new()
        .gzip_decompress(&compressed, &mut by_libdeflate)
        .expect("a gzip member");
    assert!(length == by_flate2.len() && by_libdeflate == by_flate2);

    let gunzip = Command::new("gzip").arg("-dc").arg(&path).output();
    let gunzip = gunzip.expect("there is gzip");
    assert!(gunzip.status.success() && gunzip.stdout == by_flate2);

    let mut want = std::fs::File::create(scene.join("want")).expect("a file");
    for (path, content) in &expected {
        writeln!(
            want,
            "{path} {:08x} {}",
            crc32fast::hash(content),
            content.len()
        )
        .expect("room");
    }
    drop(want);
    let code = "import gzip, io, sys, tarfile, zlib\n\
        path, want, minor = sys.argv[1:]\n\
        data = open(path, 'rb').read()\n\
        plain = gzip.decompress(data)\n\
        d = zlib.decompressobj(31)\n\
        assert d.decompress(data) == plain and d.eof and not d.unused_data\n\
        for mode, file in (('r:', io.BytesIO(plain)), ('r|gz', open(path, 'rb'))):\n\
        \x20   found = {}\n\
        \x20   with tarfile.open(fileobj=file, mode=mode) as tar:\n\
        \x20       for info in tar:\n\
        \x20           if info.isfile(): found[info.name] = tar.extractfile(info).read()\n\
        \x20   for line in open(want):\n\
        \x20       name, crc, size = line.split()\n\
        \x20       part = found[f'lib/python{minor}/site-packages/{name}']\n\
        \x20       assert (zlib.crc32(part), len(part)) == (int(crc, 16), int(size)), name\n";
    let mut python = Command::new(&interpreter().executable);
    python
        .args(["-I", "-c", code])
        .args([&path, &scene.join("want")]);
    Run::of(python.arg(&interpreter().minor)).assert_code(0);

    std::fs::create_dir(scene.join("by-tar")).expect("a directory");
    let mut tar = Command::new("tar");
    Run::of(
        tar.arg("-xzf")
            .arg(&path)
            .arg("-C")
            .arg(scene.join("by-tar")),
    )
    .assert_code(0);
    scene.run(&["check", "--target", "by-tar"]).assert_code(0);
}

/// What Python reads from an artefact: the digest of each file of the wheel, by its path.
fn read(scene: &Scene, artefact: &str) -> String {
    let code = "import gzip, hashlib, json, sys, tarfile, zipfile\n\
        path = sys.argv[1]\n\
        if path.endswith('.tar.gz'):\n\
        \x20   tar = tarfile.open(path)\n\
        \x20   files = {i.name: tar.extractfile(i).read() for i in tar if i.isfile()}\n\
        else:\n\
        \x20   archive = zipfile.ZipFile(path)\n\
        \x20   assert archive.testzip() is None\n\
        \x20   files = {i.filename: archive.read(i) for i in archive.infolist()}\n\
        for name in sorted(files): print(name, hashlib.sha256(files[name]).hexdigest())\n";
    let mut python = Command::new(&interpreter().executable);
    let run = Run::of(python.args(["-I", "-c", code]).arg(scene.join(artefact)));
    run.assert_code(0).stdout.clone()
}

#[test]
fn contents_are_copied_stored_or_deflated_anew_and_are_the_same() {
    let scene = Scene::new();
    let mut wheel = Wheel::new("anew", "1").zstd("anew/modern.txt", "modern\n".repeat(5_000));
    for (number, content) in contents().into_iter().enumerate() {
        wheel = match number % 3 {
            0 => wheel.stored(&format!("anew/{number}"), content),
            _ => wheel.file(&format!("anew/{number}"), content),
        };
    }
    // Larger than what is deflated ahead of the writer.
    wheel = wheel.file("anew/large", "large\n".repeat(3 << 20));
    let wheel = scene.wheel(&wheel).display().to_string();
    for format in ["zip", "tar.gz"] {
        let packed = |how: &str, jobs: &str| {
            let name = format!("{how}-{jobs}.{format}");
            let run = scene.run(&[
                "pack",
                &wheel,
                "--output",
                &name,
                "--json",
                "--compress",
                how,
                "-j",
                jobs,
            ]);
            let artifact = run.assert_code(0).json()["artifact"].clone();
            let bytes = std::fs::read(scene.join(&name)).expect("it is written");
            (artifact, bytes, read(&scene, &name))
        };
        let (copied, copy, files) = packed("copy", "2");
        assert_eq!(
            (&copied["recompressed"], files.lines().count() > 40),
            (&1.into(), true)
        );
        let mut lengths = Vec::new();
        for how in ["none", "1", "9"] {
            let (artifact, bytes, found) = packed(how, "3");
            assert_eq!(found, files, "{format} {how}");
            assert_eq!(
                (&artifact["copied"], &artifact["id"]),
                (&0.into(), &copied["id"])
            );
            assert!(packed(how, "1").1 == bytes, "{format} {how}");
            lengths.push(bytes.len());
        }
        assert!(
            lengths[0] > 18 << 20 && lengths[1] > lengths[2],
            "{lengths:?}"
        );
        assert!(copy.len() < lengths[0]);
    }
    let refused = scene.run(&["pack", &wheel, "--output", "x.zip", "--compress", "10"]);
    refused.assert_code(2);
    let arguments = [
        "pack",
        &wheel,
        "--output",
        "i",
        "--format",
        "oci",
        "--interpreter",
        "/p",
    ];
    for (how, recompressed) in [("copy", 1), ("9", 48), ("none", 48)] {
        let arguments = [&arguments[..], &["--compress", how, "--json"]].concat();
        let artifact = scene.run(&arguments).assert_code(0).json()["artifact"].clone();
        assert_eq!(artifact["recompressed"], recompressed, "{how}");
    }
}

#[test]
fn damage_is_refused_when_contents_are_deflated_anew() {
    let scene = Scene::new();
    let damage = |entry: &mut ZipEntry| {
        let last = entry.body.len() / 2;
        entry.body[last] ^= 1;
    };
    let wheel = Wheel::new("damaged", "1")
        .stored("damaged/data", noise(100_000, 9))
        .tamper_entry("damaged/data", damage);
    let wheel = scene.wheel(&wheel).display().to_string();
    for name in ["x.zip", "x.tar.gz", "x.pyz"] {
        for how in ["none", "6"] {
            let run = scene.run(&["pack", &wheel, "--output", name, "--compress", how]);
            run.assert_code(3);
            assert!(!scene.join(name).exists());
        }
    }
}
