//! This crate's own sources as plain facts: functions, paths, types, modules, attributes.
//!
//! Input: the files of the crate. Output: a [`Source`] for each, parsed with `syn`. Limits: code
//! that macros produce is not seen; the arguments of a macro call are searched for paths only.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use proc_macro2::{Spacing, Span, TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

/// Directories that a fuzzer fills with generated files.
const GENERATED: &[&str] = &[
    "tests/fuzz/artifacts",
    "tests/fuzz/corpus",
    "tests/fuzz/coverage",
    "tests/fuzz/target",
];

/// One source file.
#[derive(Default)]
pub struct Source {
    /// Relative to the crate's root, with `/`: `src/error/mod.rs`.
    pub path: String,
    pub text: String,
    pub functions: Vec<Function>,
    /// Every path of two or more names, every path of a `use`, every macro.
    pub named: Vec<Named>,
    /// Structs, enums, traits and type aliases outside of test code, with their lines.
    pub types: Vec<(String, usize)>,
    /// The modules that the file declares, with their lines.
    pub modules: Vec<(String, usize)>,
    /// The text of each attribute, without spaces, with its line.
    pub attributes: Vec<(String, usize)>,
    /// Names that a `pub use` of this file takes from its modules: name and module.
    pub reexports: Vec<(String, String)>,
    /// How many enclosing items belong to tests.
    test_depth: usize,
    /// How many enclosing blocks there are: types inside of a function are its own business.
    block_depth: usize,
}

/// A function with a name.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    /// The line of `fn`, from 1.
    pub line: usize,
    /// The lines from `fn` to the closing brace; 0 if there is no body.
    pub lines: usize,
    /// The number of parameters without the receiver.
    pub parameters: usize,
    /// Whether the body is a single `match`.
    pub is_table: bool,
    pub test: bool,
}

/// A path or a macro as the code names it: `std::fs::read`, `println!`.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    pub path: String,
    /// From 1; for a path in a `use` tree the line of the `use`.
    pub line: usize,
    /// Whether this is code for tests.
    pub test: bool,
}

/// Every Rust file of `src`, `tests` and `benches`, sorted by path; parsed once.
pub fn all_sources() -> &'static [Source] {
    static SOURCES: OnceLock<Vec<Source>> = OnceLock::new();
    SOURCES.get_or_init(|| {
        let files = text_files(&["src", "tests", "benches", "examples"]).into_iter();
        let files = files.filter(|(path, _)| path.ends_with(".rs"));
        files
            .map(|(path, text)| Source::new(&path, &text))
            .collect()
    })
}

/// The files of `src`.
pub fn library() -> impl Iterator<Item = &'static Source> {
    let sources = all_sources().iter();
    sources.filter(|source| source.path.starts_with("src/"))
}

/// Every text file below these directories, or named by them, with its path, sorted by path.
pub fn text_files(names: &[&str]) -> Vec<(String, String)> {
    let mut files = Vec::new();
    names.iter().for_each(|name| collect(name, &mut files));
    files.sort();
    files
}

fn collect(name: &str, files: &mut Vec<(String, String)>) {
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if full.is_dir() && !GENERATED.contains(&name) {
        for child in fs::read_dir(&full).expect("the directory can be listed") {
            let child = child.expect("the directory can be listed").file_name();
            collect(&format!("{name}/{}", child.to_string_lossy()), files);
        }
    } else if let Ok(text) = fs::read_to_string(&full) {
        files.push((name.to_owned(), text));
    }
}

impl Source {
    /// Parses `text`; the path says whether all of it is test code.
    pub fn new(path: &str, text: &str) -> Self {
        let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let tests = ["/tests.rs", "/tests/"];
        let test =
            !path.starts_with("src/") || tests.iter().any(|part| format!("/{path}").contains(part));
        let mut source = Self {
            path: path.to_owned(),
            text: text.to_owned(),
            test_depth: usize::from(test),
            ..Self::default()
        };
        source.visit_file(&file);
        source
    }

    fn add_function(&mut self, signature: &syn::Signature, block: Option<&syn::Block>) {
        let line = line(signature.fn_token.span);
        let receiver = usize::from(signature.receiver().is_some());
        let lines = block.map_or(0, |block| {
            block.brace_token.span.close().start().line + 1 - line
        });
        let is_table = block.is_some_and(|block| {
            matches!(&block.stmts[..], [syn::Stmt::Expr(syn::Expr::Match(_), _)])
        });
        self.functions.push(Function {
            name: signature.ident.to_string(),
            line,
            lines,
            parameters: signature.inputs.len() - receiver,
            is_table,
            test: self.test_depth > 0,
        });
    }

    fn add_type(&mut self, name: &syn::Ident) {
        if self.test_depth == 0 && self.block_depth == 0 {
            self.types.push((name.to_string(), line(name.span())));
        }
    }

    fn add_named(&mut self, path: String, line: usize) {
        let test = self.test_depth > 0;
        self.named.push(Named { path, line, test });
    }

    /// Paths and macros among the arguments of a macro.
    fn search(&mut self, tokens: TokenStream) {
        let mut path = String::new();
        let mut at = 0;
        let mut rest = tokens.into_iter().peekable();
        while let Some(token) = rest.next() {
            match token {
                TokenTree::Ident(name) => {
                    if !path.ends_with("::") {
                        self.end_path(&mut path, at);
                        at = line(name.span());
                    }
                    path.push_str(&name.to_string());
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' && !path.is_empty() => {
                    let joint = mark.spacing() == Spacing::Joint;
                    if joint && is_colon(rest.peek()) {
                        rest.next();
                        path.push_str("::");
                    } else {
                        self.end_path(&mut path, at);
                    }
                }
                TokenTree::Punct(mark)
                    if mark.as_char() == '!'
                        && !path.is_empty()
                        && matches!(rest.peek(), Some(TokenTree::Group(_))) =>
                {
                    path.push('!');
                    self.end_path(&mut path, at);
                }
                TokenTree::Group(group) => {
                    self.end_path(&mut path, at);
                    self.search(group.stream());
                }
                _ => self.end_path(&mut path, at),
            }
        }
        self.end_path(&mut path, at);
    }

    fn end_path(&mut self, path: &mut String, line: usize) {
        let found = std::mem::take(path);
        let found = found.trim_end_matches("::");
        if found.contains("::") || found.ends_with('!') {
            self.add_named(found.to_owned(), line);
        }
    }
}

impl<'ast> Visit<'ast> for Source {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let is_test = attributes(item).iter().any(is_for_tests);
        self.test_depth += usize::from(is_test);
        match item {
            syn::Item::Fn(function) => self.add_function(&function.sig, Some(&function.block)),
            syn::Item::Struct(item) => self.add_type(&item.ident),
            syn::Item::Enum(item) => self.add_type(&item.ident),
            syn::Item::Trait(item) => self.add_type(&item.ident),
            syn::Item::Type(item) => self.add_type(&item.ident),
            syn::Item::Mod(module) => {
                let line = line(module.ident.span());
                self.modules.push((module.ident.to_string(), line));
            }
            syn::Item::Use(item) => {
                let mut paths = Vec::new();
                flatten(String::new(), &item.tree, &mut paths);
                for path in paths {
                    if !matches!(item.vis, syn::Visibility::Inherited)
                        && let Some((module, name)) = path.rsplit_once("::")
                    {
                        self.reexports.push((name.to_owned(), module.to_owned()));
                    }
                    self.add_named(path, line(item.use_token.span));
                }
            }
            _ => {}
        }
        visit::visit_item(self, item);
        self.test_depth -= usize::from(is_test);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        let is_test = function.attrs.iter().any(is_for_tests);
        self.test_depth += usize::from(is_test);
        self.add_function(&function.sig, Some(&function.block));
        visit::visit_impl_item_fn(self, function);
        self.test_depth -= usize::from(is_test);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        self.add_function(&function.sig, function.default.as_ref());
        visit::visit_trait_item_fn(self, function);
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        self.block_depth += 1;
        visit::visit_block(self, block);
        self.block_depth -= 1;
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let names: Vec<_> = path.segments.iter().map(|s| s.ident.to_string()).collect();
            self.add_named(names.join("::"), line(path.span()));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let names: Vec<_> = call
            .path
            .segments
            .iter()
            .map(|s| s.ident.to_string())
            .collect();
        self.add_named(format!("{}!", names.join("::")), line(call.path.span()));
        self.search(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            let mut text = list
                .path
                .get_ident()
                .map_or_else(String::new, ToString::to_string);
            text.push('(');
            text.push_str(&list.tokens.to_string().replace([' ', '\n'], ""));
            self.attributes
                .push((text, line(attribute.pound_token.span)));
        } else if let Some(name) = attribute.path().get_ident() {
            self.attributes
                .push((name.to_string(), line(attribute.pound_token.span)));
        }
    }
}

fn is_colon(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Punct(mark)) if mark.as_char() == ':')
}

fn line(span: Span) -> usize {
    span.start().line
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether an attribute is `#[test]`, `#[cfg(test)]` or `#[cfg(all(test, …))]`.
fn is_for_tests(attribute: &syn::Attribute) -> bool {
    match &attribute.meta {
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            let text = list.tokens.to_string().replace(' ', "");
            text == "test" || text.starts_with("all(test") || text.starts_with("any(test")
        }
        _ => false,
    }
}

/// Takes a `use` tree apart: `a::{b, c::{self, d}}` names `a::b`, `a::c` and `a::c::d`.
fn flatten(prefix: String, tree: &syn::UseTree, paths: &mut Vec<String>) {
    match tree {
        syn::UseTree::Path(path) => flatten(format!("{prefix}{}::", path.ident), &path.tree, paths),
        syn::UseTree::Group(group) => {
            for tree in &group.items {
                flatten(prefix.clone(), tree, paths);
            }
        }
        syn::UseTree::Name(name) if name.ident == "self" => {
            paths.push(prefix.trim_end_matches("::").to_owned());
        }
        syn::UseTree::Name(name) => paths.push(format!("{prefix}{}", name.ident)),
        syn::UseTree::Rename(rename) => paths.push(format!("{prefix}{}", rename.ident)),
        syn::UseTree::Glob(_) => paths.push(format!("{prefix}*")),
    }
}

#[test]
fn sources_are_read_for_what_they_are() {
    let text = r##"//! std::fs in a comment
use std::{fs, io::{self, Read as _}};
fn one<F: Fn(u8, u8) -> Vec<u8>>(map: BTreeMap<u8, F>, (x, y): (u8, [u8; 2]),) -> [u8; 2] {
    let quote = ('"', '\'', "println!(\"// }", r#"fs::read "}"#);
    zip::read(quote, a != b); fn_pointer(self.zip);
}
trait T { fn two(self: Box<Self>, a: u8); }
#[cfg(test)]
mod tests { fn three() { assert!(rayon::join!()) } }
fn four(x: u8) -> u8 { match x { _ => 0 } }
struct Five;
"##;
    let source = Source::new("src/x.rs", text);
    let functions: Vec<_> = source
        .functions
        .iter()
        .map(|f| (f.name.as_str(), f.line, f.lines, f.parameters, f.is_table))
        .collect();
    let expected = [
        ("one", 3, 4, 2, false),
        ("two", 7, 0, 1, false),
        ("three", 9, 1, 0, false),
        ("four", 10, 1, 1, true),
    ];
    assert_eq!(functions, expected);
    let named: Vec<_> = source
        .named
        .iter()
        .map(|named| (named.path.as_str(), named.line, named.test))
        .collect();
    let expected = [
        ("std::fs", 2, false),
        ("std::io", 2, false),
        ("std::io::Read", 2, false),
        ("zip::read", 5, false),
        ("assert!", 9, true),
        ("rayon::join!", 9, true),
    ];
    assert_eq!(named, expected);
    let types = [("T".to_owned(), 7), ("Five".to_owned(), 11)];
    assert_eq!(source.types, types);
}
