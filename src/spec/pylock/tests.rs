//! Lock files as pip 26.3 and uv 0.13 write them, shortened, and malformed ones.

use proptest::prelude::*;

use super::*;
use crate::digest::{Algorithm, Digest};
use crate::spec::location::Location;
use crate::spec::marker::MarkerEnvironment;
use crate::spec::tags::{TagSet, Target};

const SIX: &str = "4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274";
const IDNA: &str = "946d195a0d259cbba61165e88e65941f16e9b36ea6ddb97f00452bae8b1287d3";

/// As `pip lock` writes it.
const PIP: &str = include_str!("samples/pip.toml");

/// As `uv export --format pylock.toml` writes it.
const UV: &str = include_str!("samples/uv.toml");

/// A lock file with one key `packages` of this text.
fn lock(packages: &str) -> String {
    format!("lock-version = '1.0'\ncreated-by = 'x'\n{packages}")
}

/// A package with one wheel, and more keys.
fn six(more: &str, wheel: &str) -> String {
    format!(
        "[[packages]]\nname = 'six'\nversion = '1.17.0'\n{more}\n[[packages.wheels]]\n{wheel}\n\
         hashes = {{sha256 = '{SIX}'}}\n"
    )
}

const URL: &str = "url = 'https://example.com/six-1.17.0-py2.py3-none-any.whl'";

struct Setting {
    selection: Selection,
    compat_check: bool,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            selection: Selection::default(),
            compat_check: true,
        }
    }
}

fn select(text: &str, setting: &Setting) -> Result<Vec<LockedWheel>, Vec<String>> {
    let shown = |faults: Vec<Fault>| faults.iter().map(ToString::to_string).collect::<Vec<_>>();
    let environment = MarkerEnvironment {
        implementation_name: "cpython".into(),
        os_name: "posix".into(),
        python_full_version: "3.11.7".into(),
        python_version: "3.11".into(),
        sys_platform: "linux".into(),
        ..MarkerEnvironment::default()
    };
    let tags = TagSet::new(&Target::of_tests());
    let choice = Choice {
        environment: &environment,
        python: &Version::parse("3.11.7").unwrap(),
        described: "this Python",
        selection: &setting.selection,
        rank: &|tags_of_wheel| tags.best(tags_of_wheel),
        compat_check: setting.compat_check,
    };
    LockFile::parse(text.as_bytes())
        .map_err(shown)?
        .select(&choice)
        .map_err(shown)
}

fn names(text: &str, setting: &Setting) -> Vec<String> {
    select(text, setting)
        .unwrap()
        .into_iter()
        .map(|wheel| wheel.file_name)
        .collect()
}

fn refused(text: &str) -> Vec<String> {
    select(text, &Setting::default()).unwrap_err()
}

#[test]
fn c65_only_two_forms_of_names_are_lock_files() {
    for name in ["pylock.toml", "pylock.dev.toml", "pylock.a-b_c.toml"] {
        assert!(is_lock_name(name), "{name}");
    }
    for name in [
        "pylock",
        "pylock.",
        "pylock..toml",
        "pylock.a.b.toml",
        "my-pylock.toml",
        "pylocktoml",
        "pylock.devtoml",
    ] {
        assert!(!is_lock_name(name), "{name}");
    }
}

#[test]
fn c65_versions_that_are_not_known_are_refused_and_newer_keys_told() {
    let text = |version: &str| {
        format!("lock-version = {version}\ncreated-by = 'x'\nnew = 1\npackages = []\n")
    };
    assert_eq!(
        refused(&text("'2.0'")),
        ["its `lock-version` is `2.0`, only `1.x` is supported"]
    );
    assert_eq!(
        refused(&text("'1'")),
        ["its `lock-version` is `1`, only `1.x` is supported"]
    );
    assert_eq!(refused(&text("1.0")), ["`lock-version` is not text"]);
    assert_eq!(refused("packages = []"), ["`lock-version` is missing"]);
    assert!(
        LockFile::parse(text("'1.0'").as_bytes())
            .unwrap()
            .warnings
            .is_empty()
    );
    let newer = text("'1.1'").replace("[]", "[{name = 'a', tool = {x = 1}, odd = 1}]");
    let told: Vec<_> = LockFile::parse(newer.as_bytes()).unwrap().warnings;
    let key = |key: &str| ResolutionOddity::UnknownKey {
        key: key.into(),
        version: "1.1".into(),
    };
    assert_eq!(told, [key("packages[0].odd"), key("new")]);
}

#[test]
fn c65_what_is_not_a_lock_file_says_where() {
    assert!(
        refused("a = 1\nb = [\n")[0].starts_with("it is not TOML: line "),
        "{:?}",
        refused("a = 1\nb = [\n")
    );
    let text = "lock-version = '1.0'\nextras = 'a'\nenvironments = ['x == 1']\n\
                packages = [{}, {name = '!'}, {name = 'a', wheels = [{}]}]";
    assert_eq!(
        refused(text),
        [
            "`created-by` is missing",
            "the marker `x == 1` of `environments` is not valid: `x` is not a field that may be \
             used here",
            "`extras` is not a list of texts",
            "`packages[0].name` is missing",
            "`packages[1].name` is not a project's name",
            "`packages[2].wheels[0].url` is missing",
        ]
    );
}

#[test]
fn c66_the_environment_has_to_be_one_of_the_lock_files() {
    let text = |top: &str| lock(&format!("{top}\npackages = []\n"));
    assert_eq!(
        refused(&text("requires-python = '>=3.12'")),
        ["it requires Python >=3.12, the environment has 3.11.7"]
    );
    let other = text("environments = [\"sys_platform == 'win32'\", \"python_version < '3.9'\"]");
    assert_eq!(
        refused(&other),
        [
            "it was made for other environments: none of `sys_platform == 'win32'`, \
             `python_version < '3.9'` holds here"
        ]
    );
    let unchecked = Setting {
        compat_check: false,
        ..Setting::default()
    };
    assert_eq!(select(&other, &unchecked), Ok(Vec::new()));
    assert_eq!(
        names(
            &text("environments = [\"os_name == 'nt'\", \"os_name == 'posix'\"]"),
            &Setting::default()
        )
        .len(),
        0
    );
}

#[test]
fn c67_markers_skip_and_two_that_are_left_are_ambiguous() {
    let skipped = six(
        "marker = \"sys_platform == 'win32'\"\nrequires-python = '>=4'",
        URL,
    );
    assert_eq!(
        names(&lock(&(skipped + &six("", URL))), &Setting::default()),
        ["six-1.17.0-py2.py3-none-any.whl"]
    );
    assert_eq!(
        refused(&lock(
            &(six("", URL) + &six("", URL).replace("'six'", "'SIX'"))
        )),
        ["`six` is listed more than once for this environment: `six 1.17.0`, `six 1.17.0`"]
    );
    assert_eq!(
        refused(&lock(&six("requires-python = '>=3.12'", URL))),
        ["`six 1.17.0` requires Python >=3.12, the environment has 3.11.7"]
    );
    assert_eq!(
        refused(&lock(&six("marker = \"extra == 'a'\"", URL))),
        [
            "the marker `extra == 'a'` of `six` is not valid: `extra` is not a field that may be \
             used here"
        ]
    );
}

#[test]
fn c67_sources_that_exclude_each_other_are_refused() {
    let archive =
        format!("archive = {{url = 'https://example.com/a.whl', hashes = {{sha256 = '{SIX}'}}}}");
    assert_eq!(
        refused(&lock(&six(&archive, URL))),
        ["`six 1.17.0` has sources that cannot be used together: `archive`, `wheels`"]
    );
    assert_eq!(
        refused(&lock("[[packages]]\nname = 'a'\nwheels = []\n")),
        ["`a` has no source"]
    );
}

#[test]
fn c68_extras_and_groups_are_none_and_the_default_ones() {
    let package = |name: &str, marker: &str| {
        six(&format!("marker = \"{marker}\""), &URL.replace("six", name))
            .replace("'six'", &format!("'{name}'"))
    };
    let text = lock(
        &("extras = ['socks']\ndependency-groups = ['dev']\ndefault-groups = ['main']\n"
            .to_owned()
            + &package("a", "'main' in dependency_groups")
            + &package("b", "'Dev' in dependency_groups")
            + &package("c", "'socks' in extras")),
    );
    let of = |extras: &[&str], groups: &[&str], without_default_groups: bool| {
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let selection = Selection {
            extras: texts(extras),
            groups: texts(groups),
            without_default_groups,
        };
        select(
            &text,
            &Setting {
                selection,
                compat_check: true,
            },
        )
        .map(|wheels| {
            wheels
                .iter()
                .map(|wheel| wheel.file_name.split('-').next().unwrap().to_owned())
                .collect::<String>()
        })
    };
    assert_eq!(of(&[], &[], false).unwrap(), "a");
    assert_eq!(of(&["Socks"], &["dev"], false).unwrap(), "abc");
    assert_eq!(of(&[], &["dev"], true).unwrap(), "b");
    assert_eq!(of(&[], &["main"], true).unwrap(), "a");
    assert_eq!(
        of(&["x"], &["y"], false).unwrap_err(),
        [
            "it has no extra `x`, only `socks`",
            "it has no dependency group `y`, only `dev`"
        ]
    );
    assert_eq!(
        refused("lock-version = '1.0'\ncreated-by = 'x'\n"),
        ["`packages` is missing"]
    );
}

#[test]
fn c69_what_pip_and_uv_lock_is_understood() {
    let wheels = select(PIP, &Setting::default()).unwrap();
    assert_eq!(
        wheels[1].location,
        Location::File("/w/a b%20c/six-1.17.0-py2.py3-none-any.whl".into())
    );
    assert_eq!(
        wheels
            .iter()
            .map(|wheel| wheel.is_direct)
            .collect::<Vec<_>>(),
        [false, true]
    );
    let wheels = select(UV, &Setting::default()).unwrap();
    let [idna, pysocks] = wheels.as_slice() else {
        panic!("{wheels:?}")
    };
    assert_eq!((idna.is_direct, idna.size), (true, None));
    assert_eq!(
        idna.hashes,
        [Digest::from_hex(Algorithm::Sha256, IDNA).unwrap()]
    );
    assert_eq!(
        (pysocks.file_name.as_str(), pysocks.size),
        ("pysocks-1.7.1-py3-none-any.whl", Some(16725))
    );
    assert_eq!(
        pysocks.location.label(),
        "https://example.com/8d/PySocks-1.7.1-py3-none-any.whl"
    );
}

#[test]
fn c69_the_wheel_is_chosen_by_tags_and_build_alone() {
    let wheel = |name: &str| {
        format!("{{name = '{name}', url = 'https://example.com/x', hashes = {{sha256 = '{SIX}'}}}}")
    };
    let text = |names: &[&str]| {
        let wheels: Vec<_> = names.iter().map(|name| wheel(name)).collect();
        lock(&format!(
            "[[packages]]\nname = 'a'\nversion = '1'\nwheels = [{}]\n",
            wheels.join(", ")
        ))
    };
    let chosen = |candidates: &[&str]| names(&text(candidates), &Setting::default()).remove(0);
    let native = "a-1-cp311-cp311-manylinux_2_17_x86_64.whl";
    assert_eq!(
        chosen(&[
            "a-1-py3-none-any.whl",
            "odd.whl",
            native,
            "a-1-cp312-cp312-linux_x86_64.whl"
        ]),
        native
    );
    assert_eq!(
        chosen(&["a-1-2-py3-none-any.whl", "a-1-10-py3-none-any.whl"]),
        "a-1-10-py3-none-any.whl"
    );
    assert_eq!(
        refused(&text(&["a-1-cp312-cp312-win32.whl"])),
        ["the only wheel of `a 1` does not fit this Python"]
    );
    assert_eq!(
        refused(&text(&[
            "a-1-cp312-cp312-win32.whl",
            "a-1-cp311-cp311-win32.whl"
        ])),
        ["none of the 2 wheels of `a 1` fits this Python"]
    );
    assert_eq!(
        refused(&text(&["b-1-py3-none-any.whl"])),
        ["`b-1-py3-none-any.whl` is not a wheel of `a 1`"]
    );
    assert_eq!(
        refused(&text(&["a-2-py3-none-any.whl"])),
        ["`a-2-py3-none-any.whl` is not a wheel of `a 1`"]
    );
    let unchecked = Setting {
        compat_check: false,
        ..Setting::default()
    };
    assert_eq!(
        names(&text(&["a-1-cp312-cp312-win32.whl"]), &unchecked),
        ["a-1-cp312-cp312-win32.whl"]
    );
}

#[test]
fn c69_names_come_before_paths_and_paths_before_urls() {
    let of = |wheel: &str| {
        select(&lock(&six("", wheel)), &Setting::default())
            .unwrap()
            .remove(0)
    };
    let both = of(&format!("path = './w/six-1.17.0-py3-none-any.whl'\n{URL}"));
    assert_eq!(
        both.location,
        Location::File("./w/six-1.17.0-py3-none-any.whl".into())
    );
    assert_eq!(both.file_name, "six-1.17.0-py3-none-any.whl");
    let named = of("path = 'w/blob'\nname = 'six-1.17.0-1-py3-none-any.whl'");
    assert_eq!(named.file_name, "six-1.17.0-1-py3-none-any.whl");
    assert_eq!(
        refused(&lock(&six(
            "",
            "name = 'six-1.17.0-py3-none-any.whl'\nurl = 'ftp://u:p@example.com/x'"
        ))),
        [
            "`six 1.17.0` is at `ftp://example.com/x`: only `https`, `http` and `file` URLs can \
             be read"
        ]
    );
}

#[test]
fn c70_c74_all_secure_hashes_hold_and_one_has_to_be_there() {
    let with = |hashes: &str| lock(&six("", URL)).replace(&format!("sha256 = '{SIX}'"), hashes);
    let several = with(&format!("SHA256 = '{SIX}', md5 = '0', blake2s = '{SIX}'"));
    assert_eq!(
        select(&several, &Setting::default()).unwrap()[0]
            .hashes
            .len(),
        2
    );
    assert_eq!(
        refused(&with("md5 = '00'")),
        ["`six 1.17.0` has no secure hash, only `md5`"]
    );
    assert_eq!(refused(&with("")), ["`six 1.17.0` has no hash"]);
    assert_eq!(
        refused(&with("sha256 = '00'")),
        ["the hash `00` of `six 1.17.0` is not valid"]
    );
    assert_eq!(
        refused(&with("sha256 = 0")),
        ["`packages[0].wheels[0].hashes.sha256` is not text"]
    );
    assert_eq!(
        refused(&lock(&six("", &format!("{URL}\nsize = -1")))),
        ["`packages[0].wheels[0].size` is not a number of bytes"]
    );
}

#[test]
fn c71_dependencies_and_tools_decide_nothing() {
    let more = "dependencies = [{name = 'gone'}, 3]\ntool = {x = {marker = 'no'}}\n\
                attestation-identities = [{kind = 'x'}]";
    let text = lock(&format!("tool = 1\n{}", six(more, URL)));
    assert_eq!(
        names(&text, &Setting::default()),
        ["six-1.17.0-py2.py3-none-any.whl"]
    );
}

#[test]
fn e105_everything_that_is_no_wheel_is_one_fault() {
    let hashes = format!("hashes = {{sha256 = '{SIX}'}}");
    let text = lock(&format!(
        "[[packages]]\nname = 'a'\n\
         vcs = {{type = 'git', url = 'https://t@example.com/a.git', commit-id = '0'}}\n\
         [[packages]]\nname = 'b'\ndirectory = {{path = '../b', editable = true}}\n\
         [[packages]]\nname = 'c'\ndirectory = {{path = '.'}}\n\
         [[packages]]\nname = 'd'\narchive = {{path = 'd.zip', {hashes}}}\n\
         [[packages]]\nname = 'e'\nversion = '1'\n\
         sdist = {{url = 'https://example.com/e-1.tar.gz', {hashes}}}\n"
    ));
    assert_eq!(
        refused(&text),
        [
            "only wheels can be installed, but `a` is a git repository, \
             `https://example.com/a.git`; `b` is an editable directory, `../b`; `c` is a \
             directory, `.`; `d` is an archive of sources, `d.zip`; `e 1` is a source \
             distribution, `https://example.com/e-1.tar.gz`"
        ]
    );
}

/// Texts of [`UV`] that are replaced by others.
const KEYS: &[&str] = &[
    "1.0",
    ">=3.10",
    "sys_platform == 'win32'",
    "colorama",
    "0.4.6",
    "https://example.com/76/idna-3.10-py3-none-any.whl",
    "name",
    "16725",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_text_makes_it_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..60),
        cut in 0..UV.len(),
        value in "\\PC{0,20}",
        key in prop::sample::select(KEYS),
    ) {
        let _ = LockFile::parse(&bytes);
        let _ = select(UV.get(..cut).unwrap_or_default(), &Setting::default());
        let _ = select(&UV.replace(key, &value), &Setting::default());
    }
}
