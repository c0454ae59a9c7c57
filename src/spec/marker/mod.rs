//! Environment markers: whether a requirement applies to an interpreter and a system.
//!
//! Input: a marker's text and the values of its fields. Output: a [`Marker`], and whether it holds.
//! Invariants: every parsed marker can be evaluated; nothing of this machine is read. Limits: the
//! fields `extras` and `dependency_groups` exist in lock files only, `extra` in requirements only;
//! parentheses nest up to 64 deep.

#[cfg(test)]
mod tests;

use crate::spec::version::{Specifiers, Version};

/// How deep parentheses may nest.
// Reading and evaluating recurse, and a hostile marker must not overflow the stack.
const MAX_DEPTH: u32 = 64;

/// The values of all fields but the sets ("Dependency specifiers", "Defined environment marker
/// fields").
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(
    missing_docs,
    reason = "the fields are named as the specification names them"
)]
pub struct MarkerEnvironment {
    pub implementation_name: String,
    pub implementation_version: String,
    pub os_name: String,
    pub platform_machine: String,
    pub platform_python_implementation: String,
    pub platform_release: String,
    pub platform_system: String,
    pub platform_version: String,
    pub python_full_version: String,
    pub python_version: String,
    pub sys_platform: String,
}

/// The selected extras and groups, normalized ("`pylock.toml` specification", "Installation").
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sets {
    /// The value of `extra`: the one extra that a requirement is read for, or nothing.
    pub extra: String,
    /// The value of `extras`.
    pub extras: Vec<String>,
    /// The value of `dependency_groups`.
    pub dependency_groups: Vec<String>,
}

/// The place of a marker, which decides which fields it may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkerScope {
    /// Everywhere: fields with one value.
    Plain,
    /// A requirement of METADATA: `extra` too, and the older names of some fields.
    Requirement,
    /// `packages.marker` of a lock file: `extras` and `dependency_groups` too.
    LockedPackage,
}

/// A marker that can be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker(Expression);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Expression {
    All(Vec<Self>),
    Any(Vec<Self>),
    Comparison {
        left: Operand,
        operator: Operator,
        right: Operand,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operand {
    Field(Field),
    Constant(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    ImplementationName,
    ImplementationVersion,
    OsName,
    PlatformMachine,
    PlatformPythonImplementation,
    PlatformRelease,
    PlatformSystem,
    PlatformVersion,
    PythonFullVersion,
    PythonVersion,
    SysPlatform,
    Extra,
    Extras,
    DependencyGroups,
}

/// Names of fields before PEP 508, which METADATA of old wheels has.
const OLD_NAMES: [(&str, Field); 6] = [
    ("os.name", Field::OsName),
    ("platform.machine", Field::PlatformMachine),
    (
        "platform.python_implementation",
        Field::PlatformPythonImplementation,
    ),
    ("platform.version", Field::PlatformVersion),
    ("python_implementation", Field::PlatformPythonImplementation),
    ("sys.platform", Field::SysPlatform),
];

const FIELDS: [(&str, Field); 14] = [
    ("extra", Field::Extra),
    ("implementation_name", Field::ImplementationName),
    ("implementation_version", Field::ImplementationVersion),
    ("os_name", Field::OsName),
    ("platform_machine", Field::PlatformMachine),
    (
        "platform_python_implementation",
        Field::PlatformPythonImplementation,
    ),
    ("platform_release", Field::PlatformRelease),
    ("platform_system", Field::PlatformSystem),
    ("platform_version", Field::PlatformVersion),
    ("python_full_version", Field::PythonFullVersion),
    ("python_version", Field::PythonVersion),
    ("sys_platform", Field::SysPlatform),
    ("extras", Field::Extras),
    ("dependency_groups", Field::DependencyGroups),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    /// One that version specifiers have, too.
    Order(&'static str),
    In,
    NotIn,
}

/// The operators of version specifiers. An operator comes after those that it is a prefix of.
const ORDERS: [&str; 8] = ["===", "==", "!=", "<=", ">=", "~=", "<", ">"];

/// The operator that is defined only between versions: guessing a meaning of `~= "3"` would leave
/// packages out, or add some.
const COMPATIBLE: Operator = Operator::Order("~=");

fn is_release(field: Field, text: &str) -> bool {
    field.is_version() && !text.contains(',') && Specifiers::parse(&format!("~={text}")).is_some()
}

impl Marker {
    /// Reads a marker ("Dependency specifiers", "Environment Markers").
    ///
    /// # Errors
    /// The first reason why it cannot be read, such as an unknown field.
    pub fn parse(text: &str, context: MarkerScope) -> Result<Self, String> {
        let mut reader = MarkerReader {
            rest: text,
            context,
            depth: 0,
        };
        let expression = reader.any()?;
        reader.skip_space();
        if reader.rest.is_empty() {
            Ok(Self(expression))
        } else {
            Err(format!("`{}` is left over", reader.rest))
        }
    }

    /// Whether it holds ("Dependency specifiers", "Marker comparisons").
    pub fn holds(&self, environment: &MarkerEnvironment, sets: &Sets) -> bool {
        self.0.holds(environment, sets)
    }

    /// Whether it may make a difference to it that `extra`, a normalized name, is selected. Much
    /// faster than to find out, and most markers name another extra, or none.
    pub fn may_depend_on_extra(&self, extra: &str) -> bool {
        self.0.may_depend_on_extra(extra)
    }
}

/// The rest of a marker that has not been read yet.
struct MarkerReader<'a> {
    rest: &'a str,
    context: MarkerScope,
    depth: u32,
}

impl<'a> MarkerReader<'a> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    /// The next letters, digits, dots and underscores, without consuming them.
    fn word(&mut self) -> &'a str {
        self.skip_space();
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.');
        &self.rest[..end.unwrap_or(self.rest.len())]
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let takes = self.word() == word;
        if takes {
            self.rest = &self.rest[word.len()..];
        }
        takes
    }

    fn any(&mut self) -> Result<Expression, String> {
        let mut parts = vec![self.all()?];
        while self.takes_word("or") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 {
            parts.remove(0)
        } else {
            Expression::Any(parts)
        })
    }

    fn all(&mut self) -> Result<Expression, String> {
        let mut parts = vec![self.one()?];
        while self.takes_word("and") {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 {
            parts.remove(0)
        } else {
            Expression::All(parts)
        })
    }

    fn one(&mut self) -> Result<Expression, String> {
        self.skip_space();
        if let Some(rest) = self.rest.strip_prefix('(') {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(format!("its parentheses nest deeper than {MAX_DEPTH}"));
            }
            self.rest = rest;
            let inner = self.any()?;
            self.skip_space();
            self.rest = self.rest.strip_prefix(')').ok_or("a `)` is missing")?;
            self.depth -= 1;
            return Ok(inner);
        }
        let (left, operator, right) = (self.operand()?, self.operator()?, self.operand()?);
        match (&left, &right) {
            (Operand::Field(field), Operand::Constant(text))
                if operator == COMPATIBLE && !is_release(*field, text) =>
            {
                Err(format!(
                    "`~=` needs a version of two numbers or more, and `{text}` is none"
                ))
            }
            (Operand::Constant(_), Operand::Field(field))
                if operator == COMPATIBLE && !field.is_version() =>
            {
                Err("`~=` needs a field that is a version on its right".to_owned())
            }
            (Operand::Field(Field::Extra), Operand::Constant(text)) => Ok(Expression::Comparison {
                right: Operand::Constant(normalized(text)),
                left,
                operator,
            }),
            (Operand::Constant(text), Operand::Field(Field::Extra)) => Ok(Expression::Comparison {
                left: Operand::Constant(normalized(text)),
                operator,
                right,
            }),
            (Operand::Field(_), Operand::Constant(_))
            | (Operand::Constant(_), Operand::Field(_)) => Ok(Expression::Comparison {
                left,
                operator,
                right,
            }),
            _ => Err("it compares something else than a field with a text in quotes".to_owned()),
        }
    }

    fn operand(&mut self) -> Result<Operand, String> {
        self.skip_space();
        if let Some(quote) = self
            .rest
            .chars()
            .next()
            .filter(|first| matches!(first, '"' | '\''))
        {
            let (text, rest) = self.rest[1..]
                .split_once(quote)
                .ok_or("a quote is not closed")?;
            self.rest = rest;
            return Ok(Operand::Constant(text.to_owned()));
        }
        let word = self.word();
        if word.is_empty() {
            return Err(match self.rest {
                "" => "it ends too early".to_owned(),
                rest => format!("a field or a text in quotes is expected at `{rest}`"),
            });
        }
        let field = FIELDS
            .iter()
            .chain(&OLD_NAMES)
            .find(|(name, _)| *name == word)
            .map(|(_, field)| *field);
        let is_old = word.contains('.') || word == "python_implementation";
        let is_allowed = |field: &Field| match field {
            Field::Extra => self.context == MarkerScope::Requirement,
            Field::Extras | Field::DependencyGroups => self.context == MarkerScope::LockedPackage,
            _ => !is_old || self.context == MarkerScope::Requirement,
        };
        match field.filter(is_allowed) {
            Some(field) => {
                self.rest = &self.rest[word.len()..];
                Ok(Operand::Field(field))
            }
            None => Err(format!("`{word}` is not a field that may be used here")),
        }
    }

    fn operator(&mut self) -> Result<Operator, String> {
        if self.takes_word("in") {
            return Ok(Operator::In);
        }
        if self.takes_word("not") {
            return if self.takes_word("in") {
                Ok(Operator::NotIn)
            } else {
                Err("`not` without `in`".to_owned())
            };
        }
        let order = ORDERS
            .into_iter()
            .find(|order| self.rest.starts_with(order));
        let order = order.ok_or_else(|| match self.rest {
            "" => "it ends too early".to_owned(),
            rest => format!("an operator is expected at `{rest}`"),
        })?;
        self.rest = &self.rest[order.len()..];
        Ok(Operator::Order(order))
    }
}

impl Field {
    fn is_set(self) -> bool {
        matches!(self, Self::Extras | Self::DependencyGroups)
    }

    /// Whether its values are compared as versions if both sides are valid versions.
    fn is_version(self) -> bool {
        matches!(
            self,
            Self::ImplementationVersion
                | Self::PlatformRelease
                | Self::PlatformVersion
                | Self::PythonFullVersion
                | Self::PythonVersion
        )
    }

    fn value(self, environment: &MarkerEnvironment) -> &str {
        match self {
            Self::ImplementationName => &environment.implementation_name,
            Self::ImplementationVersion => &environment.implementation_version,
            Self::OsName => &environment.os_name,
            Self::PlatformMachine => &environment.platform_machine,
            Self::PlatformPythonImplementation => &environment.platform_python_implementation,
            Self::PlatformRelease => &environment.platform_release,
            Self::PlatformSystem => &environment.platform_system,
            Self::PlatformVersion => &environment.platform_version,
            Self::PythonFullVersion => &environment.python_full_version,
            Self::PythonVersion => &environment.python_version,
            Self::SysPlatform => &environment.sys_platform,
            Self::Extra | Self::Extras | Self::DependencyGroups => "",
        }
    }
}

impl Expression {
    fn may_depend_on_extra(&self, extra: &str) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().any(|part| part.may_depend_on_extra(extra))
            }
            Self::Comparison {
                left: Operand::Field(Field::Extra),
                operator,
                right: Operand::Constant(text),
            }
            | Self::Comparison {
                left: Operand::Constant(text),
                operator,
                right: Operand::Field(Field::Extra),
            } => *operator != Operator::Order("==") || text == extra,
            Self::Comparison { .. } => false,
        }
    }

    fn holds(&self, environment: &MarkerEnvironment, sets: &Sets) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(environment, sets)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(environment, sets)),
            Self::Comparison {
                left: Operand::Constant(text),
                operator,
                right: Operand::Field(field),
            } => match field {
                Field::Extras => contains(&sets.extras, *operator, text),
                Field::DependencyGroups => contains(&sets.dependency_groups, *operator, text),
                Field::Extra => compare(text, *operator, &sets.extra, false),
                field => compare(
                    text,
                    *operator,
                    field.value(environment),
                    field.is_version(),
                ),
            },
            Self::Comparison {
                left: Operand::Field(field),
                operator,
                right: Operand::Constant(text),
            } => {
                let value = field.value(environment);
                match field {
                    Field::Extra => compare(&sets.extra, *operator, text, false),
                    // A set can only stand on the right.
                    field if field.is_set() => false,
                    field => compare(value, *operator, text, field.is_version()),
                }
            }
            Self::Comparison { .. } => false,
        }
    }
}

/// A constant and a set of strings: every other operator is false ("Marker comparisons").
fn contains(set: &[String], operator: Operator, text: &str) -> bool {
    let name = normalized(text);
    match operator {
        Operator::In => set.contains(&name),
        Operator::NotIn => !set.contains(&name),
        Operator::Order(_) => false,
    }
}

/// The name of an extra or of a dependency group, by the rule for names of projects.
pub fn normalized(name: &str) -> String {
    let name = name.trim();
    super::name::ProjectName::parse(name)
        .map_or_else(|| name.to_owned(), |name| name.normalized().to_owned())
}

/// Compares two texts: as versions if `as_version` is set and both are valid, otherwise as strings.
fn compare(left: &str, operator: Operator, right: &str, as_version: bool) -> bool {
    let order = match operator {
        Operator::In => return right.contains(left),
        Operator::NotIn => return !right.contains(left),
        Operator::Order("===") => return left.eq_ignore_ascii_case(right),
        Operator::Order(order) => order,
    };
    // A comma would begin another clause.
    if as_version
        && !right.contains(',')
        && let (Some(version), Some(set)) = (
            Version::parse(left),
            Specifiers::parse(&format!("{order}{right}")),
        )
    {
        return set.contains(&version);
    }
    match order {
        "!=" => left != right,
        "<" | ">" => false,
        _ => left == right,
    }
}
