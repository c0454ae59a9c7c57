//! The options of bytecode, and `SOURCE_DATE_EPOCH`.
//!
//! Input: arguments, and that one variable. Output: what the library takes, or a refusal.

use pkg_install::BytecodeOptions;

use super::args::groups::BytecodeArgs;
use super::refusal::UsageError;
use super::variables::Matched;

/// The variable that says which time everything gets (reproducible-builds.org).
const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// How to compile; `None` if nothing is compiled.
pub fn bytecode(args: &BytecodeArgs) -> Option<BytecodeOptions> {
    args.compile_bytecode.then(|| {
        BytecodeOptions::default()
            .with_invalidation(args.invalidation_mode)
            .with_levels(args.optimize.clone())
    })
}

/// Refuses an option that was typed and says how to compile, if nothing is compiled. Its variable
/// may be set permanently, so that is no error.
pub fn check(matched: &Matched, compiles: bool) -> Result<(), UsageError> {
    let mut options = ["invalidation-mode", "optimize"].into_iter();
    match options.find(|name| matched.is_typed(&name.replace('-', "_"))) {
        Some(typed) if !compiles => Err(UsageError::new(format!(
            "`--{typed}` says how to compile, and needs `--compile-bytecode`"
        ))),
        _ => Ok(()),
    }
}

/// The time that everything gets, in seconds since 1970, if there is such a variable.
pub fn source_date_epoch() -> Result<Option<u64>, UsageError> {
    let Some(value) = std::env::var_os(EPOCH).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let text = value.to_string_lossy();
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    // Times beyond this do not fit into the 64 signed bits of file systems.
    let seconds = text
        .parse()
        .ok()
        .filter(|seconds| *seconds <= i64::MAX as u64);
    match seconds {
        Some(seconds) if is_number => Ok(Some(seconds)),
        _ => Err(UsageError::new(format!(
            "the variable {EPOCH} is `{text}`: not a number of seconds since 1970"
        ))),
    }
}
