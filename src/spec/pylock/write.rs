//! Writing a lock file.
//!
//! Input: [`ResolvedWheel`]s and the environment that they were chosen for. Output: the TOML of
//! version 1.0. Limits: one environment, which `environments` states, so that another one refuses
//! the file; credentials are left out of addresses.

use std::fmt::{self, Write as _};

use crate::digest::Digest;
use crate::spec::location::Location;
use crate::spec::marker::MarkerEnvironment;
use crate::spec::resolved::{ResolvedWheel, WheelFile};
use crate::spec::timestamp::Timestamp;

/// The lock file of these wheels, which it lists by name.
pub fn write(wheels: &[ResolvedWheel], environment: &MarkerEnvironment) -> String {
    let mut text = String::new();
    let written = write_to(&mut text, wheels, environment);
    written.expect("a string takes everything");
    text
}

fn write_to(
    out: &mut String,
    wheels: &[ResolvedWheel],
    environment: &MarkerEnvironment,
) -> fmt::Result {
    writeln!(out, "lock-version = \"1.0\"")?;
    let marker = format!(
        "python_version == '{}' and implementation_name == '{}' and sys_platform == '{}' and \
         platform_machine == '{}'",
        environment.python_version,
        environment.implementation_name,
        environment.sys_platform,
        environment.platform_machine
    );
    writeln!(out, "environments = [{}]", text(&marker))?;
    let python = format!("=={}.*", environment.python_version);
    writeln!(out, "requires-python = {}", text(&python))?;
    writeln!(out, "created-by = \"pkg-install\"")?;
    let mut sorted: Vec<&ResolvedWheel> = wheels.iter().collect();
    sorted.sort_by(|one, other| one.name.cmp(&other.name));
    for wheel in sorted {
        package(out, wheel)?;
    }
    Ok(())
}

fn package(out: &mut String, wheel: &ResolvedWheel) -> fmt::Result {
    writeln!(out, "\n[[packages]]")?;
    writeln!(out, "name = {}", text(wheel.name.normalized()))?;
    writeln!(out, "version = {}", text(&wheel.version.to_string()))?;
    if let Some(index) = &wheel.index {
        writeln!(out, "index = {}", text(index))?;
    }
    if !wheel.needs.is_empty() {
        let names = wheel.needs.iter();
        let needs: Vec<String> = names
            .map(|name| format!("{{ name = {} }}", text(name.normalized())))
            .collect();
        writeln!(out, "dependencies = [{}]", needs.join(", "))?;
    }
    if wheel.is_direct {
        return writeln!(out, "archive = {{ {} }}", file(&wheel.wheel, false));
    }
    writeln!(out, "wheels = [")?;
    for sibling in &wheel.siblings {
        writeln!(out, "    {{ {} }},", file(sibling, true))?;
    }
    writeln!(out, "]")
}

fn file(wheel: &WheelFile, has_name: bool) -> String {
    let mut keys = Vec::new();
    if has_name {
        keys.push(format!("name = {}", text(&wheel.file_name)));
    }
    match &wheel.location {
        Location::File(path) => keys.push(format!("path = {}", text(&path.display().to_string()))),
        Location::Url(_) => keys.extend(wheel.url().map(|url| format!("url = {}", text(&url)))),
    }
    keys.extend(wheel.size.map(|size| format!("size = {size}")));
    let uploaded = wheel.upload_time.as_deref();
    // A TOML date stands without quotes; anything else would break the file.
    let uploaded = uploaded.filter(|time| Timestamp::is_plain(time));
    keys.extend(uploaded.map(|time| format!("upload-time = {time}")));
    let hash =
        |digest: &Digest| format!("{} = {}", digest.algorithm().name(), text(&digest.to_hex()));
    let hashes: Vec<String> = wheel.digests.iter().map(hash).collect();
    keys.push(format!("hashes = {{ {} }}", hashes.join(", ")));
    keys.join(", ")
}

/// A basic string of TOML (TOML 1.0, "String").
fn text(value: &str) -> String {
    let mut quoted = String::from("\"");
    for character in value.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            control if control.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(control));
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}
