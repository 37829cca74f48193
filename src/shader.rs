//! WGSL sources: the built-in files or a folder, the two directives, and what naga reads from them.
//!
//! A shader is the truth about its bindings, parameters and workgroup memory; Rust reflects it and restates
//! nothing. Two comment directives exist: `// @import lib/grid` includes a snippet once, and `// @unroll`
//! before a loop `for (var i = 0u; i < N; i++) {` writes its body out N times, since naga gives drivers no
//! unroll hint.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};

use naga::valid::{Capabilities, GlobalUse, ModuleInfo, ValidationFlags, Validator};

use crate::error::{Error, Result};
use crate::file::{excerpt, fnv};

mod half;

static BUILT_IN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/shaders.rs"));

/// Where WGSL comes from: the built-in files, or a folder of the same structure that overrides them.
#[derive(Debug, Default)]
pub struct Shaders {
    folder: Option<PathBuf>,
    modules: Mutex<HashMap<String, Arc<Module>>>,
    specialised: Mutex<HashMap<(String, String), Arc<Entries>>>,
    fingerprints: Mutex<HashMap<String, u64>>,
}

/// Entry points by name.
pub type Entries = BTreeMap<String, Entry>;

/// An expanded and reflected shader.
#[derive(Debug)]
pub struct Module {
    /// Path below `shaders/`, or the head of an inline source.
    pub name: String,
    /// WGSL with directives carried out.
    pub source: String,
    /// True if it comes from the engine itself and may run without bounds checks.
    pub built_in: bool,
    /// Entry points by name.
    pub entries: Arc<Entries>,
    /// Fields of the `params` uniform, and its size in bytes.
    pub params: (Vec<Field>, u32),
    /// Pipeline-overridable constants: name, and whether it has a default.
    pub overrides: Vec<(String, bool)>,
    /// Bindings whose elements are stored as f16.
    pub half: Vec<String>,
    /// Where each line comes from.
    origins: Vec<String>,
    /// The parsed module, where sizes depend on overrides.
    sized_by_overrides: Option<Box<(naga::Module, ModuleInfo)>>,
}

/// An entry point.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Workgroup size.
    pub workgroup: [u32; 3],
    /// Bindings of group 0 it uses, by number.
    pub bindings: Vec<Binding>,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
}

/// A variable of group 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Variable name.
    pub name: String,
    /// `@binding` number.
    pub number: u32,
    /// Address space and access.
    pub access: Access,
    /// Written, and read again as numbers: stored as f16 it would be rounded in between.
    pub read_back: bool,
}

/// Address space and access of a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// `var<uniform>`.
    Uniform,
    /// `var<storage, read>`.
    Read,
    /// `var<storage, read_write>`.
    ReadWrite,
}

/// A field of `Params`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Name.
    pub name: String,
    /// Byte offset.
    pub offset: u32,
    /// `u32`, `i32` or `f32`.
    pub kind: FieldKind,
}

/// Type of a [`Field`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// `u32`.
    U32,
    /// `i32`.
    I32,
    /// `f32`.
    F32,
}

impl Shaders {
    /// The built-in files, which all of a process shares: each is parsed once.
    pub fn built_in() -> Arc<Shaders> {
        static SHARED: LazyLock<Arc<Shaders>> = LazyLock::new(Arc::default);
        SHARED.clone()
    }

    /// Files of `folder` first, the built-in ones where it has none: edit, save, run again.
    pub fn folder(folder: impl AsRef<Path>) -> Result<Arc<Shaders>> {
        let folder = folder.as_ref();
        if !folder.is_dir() {
            return Err(Error::file(folder, "is not a folder of WGSL shaders"));
        }
        Ok(Arc::new(Shaders { folder: Some(folder.to_owned()), ..Shaders::default() }))
    }

    /// Every built-in path below `shaders/`, without `.wgsl`.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// The text of `name`, and whether it is built in.
    fn text(&self, name: &str) -> Result<(String, bool)> {
        if name.contains('\n') {
            return Ok((name.to_owned(), false));
        }
        if let Some(folder) = &self.folder {
            let path = folder.join(format!("{name}.wgsl"));
            if path.exists() {
                let text =
                    std::fs::read_to_string(&path).map_err(|e| Error::file(&path, format!("cannot be read: {e}")))?;
                return Ok((text, false));
            }
        }
        let found = BUILT_IN.iter().find(|(n, _)| *n == name);
        found.map(|(_, text)| ((*text).to_owned(), true)).ok_or_else(|| Error::shader(name, "no such shader"))
    }

    /// The file as it stands, before the directives.
    pub fn original(&self, name: &str) -> Result<String> {
        Ok(self.text(name)?.0)
    }

    /// A number that changes with the text of `name` or of what it imports.
    pub fn fingerprint(&self, name: &str) -> Result<u64> {
        if let Some(found) = self.fingerprints.lock().unwrap_or_else(|e| e.into_inner()).get(name) {
            return Ok(*found);
        }
        let print = fnv(self.expand(name)?.0.as_bytes());
        self.fingerprints.lock().unwrap_or_else(|e| e.into_inner()).insert(name.to_owned(), print);
        Ok(print)
    }

    /// The expanded, validated and reflected shader `name`: a path below `shaders/`, or WGSL text itself.
    pub fn module(&self, name: &str) -> Result<Arc<Module>> {
        if let Some(module) = self.modules.lock().unwrap_or_else(|e| e.into_inner()).get(name) {
            return Ok(module.clone());
        }
        let (source, origins, built_in) = self.expand(name)?;
        let shown = if name.contains('\n') { "an inline shader".to_owned() } else { name.to_owned() };
        let module = Arc::new(reflect(&shown, source, origins, built_in, &[])?);
        self.modules.lock().unwrap_or_else(|e| e.into_inner()).insert(name.to_owned(), module.clone());
        Ok(module)
    }

    /// As [`Shaders::module`], with the elements of the bindings `half` stored as f16.
    pub fn module_with(&self, name: &str, half: &[String]) -> Result<Arc<Module>> {
        let module = self.module(name)?;
        if half.is_empty() {
            return Ok(module);
        }
        let key = format!("{name}\0{}", half.join(" "));
        if let Some(module) = self.modules.lock().unwrap_or_else(|e| e.into_inner()).get(&key) {
            return Ok(module.clone());
        }
        let source = half::halved(&module.source, half).map_err(|message| Error::shader(&module.name, message))?;
        let module = Arc::new(reflect(&module.name, source, module.origins.clone(), module.built_in, half)?);
        self.modules.lock().unwrap_or_else(|e| e.into_inner()).insert(key, module.clone());
        Ok(module)
    }

    /// The entry points of `module` under `overrides`, on which workgroup sizes may depend.
    pub fn entries(&self, module: &Module, overrides: &[(String, f64)]) -> Result<Arc<Entries>> {
        let Some(parsed) = &module.sized_by_overrides else { return Ok(module.entries.clone()) };
        let key = (module.name.clone(), format!("{:?} {overrides:?}", module.half));
        if let Some(entries) = self.specialised.lock().unwrap_or_else(|e| e.into_inner()).get(&key) {
            return Ok(entries.clone());
        }
        let constants = overrides.iter().cloned().collect();
        let (resolved, info) =
            naga::back::pipeline_constants::process_overrides(&parsed.0, &parsed.1, None, &constants)
                .map_err(|e| Error::shader(&module.name, e.to_string()))?;
        let entries = Arc::new(entry_points(&resolved, &info));
        self.specialised.lock().unwrap_or_else(|e| e.into_inner()).insert(key, entries.clone());
        Ok(entries)
    }

    /// The text after the directives, where each of its lines comes from, and whether all of it is built in.
    fn expand(&self, name: &str) -> Result<(String, Vec<String>, bool)> {
        let mut built_in = true;
        let mut out = String::new();
        self.include(name, &mut HashSet::new(), &mut built_in, &mut out)?;
        let constants = constants(&out);
        let unrolled =
            unroll(&out, &constants).map_err(|message| Error::shader(name.lines().next().unwrap_or(""), message))?;
        let (source, origins) = unmarked(&unrolled);
        Ok((source, origins, built_in))
    }

    fn include(&self, name: &str, seen: &mut HashSet<String>, built_in: &mut bool, out: &mut String) -> Result<()> {
        let (text, own) = self.text(name)?;
        *built_in &= own;
        let shown = self.shown(name, own);
        for (number, line) in text.lines().enumerate() {
            if let Some(path) = line.trim().strip_prefix("// @import ") {
                if seen.insert(path.trim().to_owned()) {
                    self.include(path.trim(), seen, built_in, out).map_err(|e| match e {
                        Error::Shader { shader, message } if shader == path.trim() => {
                            let message = format!("imports {shader}, and there is {message}");
                            Error::shader(format!("{shown}:{}", number + 1), message)
                        }
                        other => other,
                    })?;
                }
                continue;
            }
            out.push_str(line);
            if line.trim() != "// @unroll" {
                out.push_str(&format!("{MARK}{shown}:{}", number + 1));
            }
            out.push('\n');
        }
        Ok(())
    }

    /// The file of `name` as an error names it.
    fn shown(&self, name: &str, built_in: bool) -> String {
        match &self.folder {
            _ if name.contains('\n') => "an inline shader".into(),
            Some(folder) if !built_in => folder.join(format!("{name}.wgsl")).display().to_string(),
            _ => format!("shaders/{name}.wgsl"),
        }
    }
}

/// Ends a line during expansion; the file and line it comes from follow. A comment, so that unrolling keeps it.
const MARK: &str = "//\u{1}";

/// The lines without their marks, and the marks. A line that unrolling made has the mark of the one before.
fn unmarked(text: &str) -> (String, Vec<String>) {
    let mut source = String::with_capacity(text.len());
    let mut origins: Vec<String> = vec![];
    for line in text.lines() {
        let (code, origin) = line.split_once(MARK).unwrap_or((line, ""));
        source.push_str(code);
        source.push('\n');
        let before = || origins.last().cloned().unwrap_or_default();
        origins.push(if origin.is_empty() { before() } else { origin.to_owned() });
    }
    (source, origins)
}

/// `const NAME = 8u;` lines, for loop bounds.
fn constants(text: &str) -> HashMap<String, u64> {
    let parse = |line: &str| {
        let (name, rest) = line.trim().strip_prefix("const ")?.split_once('=')?;
        let name = name.split(':').next()?.trim().to_owned();
        let value = rest.split(';').next()?.trim().trim_end_matches('u').parse().ok()?;
        Some((name, value))
    };
    text.lines().filter_map(parse).collect()
}

/// Writes out every loop that follows an `// @unroll` line, innermost first by recursion.
fn unroll(text: &str, constants: &HashMap<String, u64>) -> Result<String, String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::new();
    let mut i = 0;
    while i < lines.len() {
        if lines[i].trim() != "// @unroll" {
            out.push_str(lines[i]);
            out.push('\n');
            i += 1;
            continue;
        }
        let header = lines.get(i + 1).map_or("", |line| line.split(MARK).next().unwrap_or(""));
        let (variable, count) = loop_header(header, constants).ok_or_else(|| {
            format!("'// @unroll' needs 'for (var i = 0u; i < N; i++) {{' with a constant N, found '{}'", header.trim())
        })?;
        let (body, after) = loop_body(&lines, i + 1)?;
        let body = unroll(&body, constants)?;
        for k in 0..count {
            out.push_str("{\n");
            out.push_str(&replace_word(&body, &variable, &format!("{k}u")));
            out.push_str("}\n");
        }
        i = after;
    }
    Ok(out)
}

fn loop_header(line: &str, constants: &HashMap<String, u64>) -> Option<(String, u64)> {
    let inner = line.trim().strip_prefix("for (var ")?;
    let (variable, rest) = inner.split_once(" = 0u; ")?;
    let rest = rest.strip_prefix(&format!("{variable} < "))?;
    let (bound, rest) = rest.split_once("; ")?;
    if !rest.starts_with(&format!("{variable}++) {{")) {
        return None;
    }
    let count = bound.trim_end_matches('u').parse().ok().or_else(|| constants.get(bound).copied())?;
    Some((variable.to_owned(), count))
}

/// The text between the braces of the loop at `lines[start]`, and the line after it.
fn loop_body(lines: &[&str], start: usize) -> Result<(String, usize), String> {
    let header = lines[start];
    let open = header.find('{').ok_or("a loop without a brace")?;
    let mut depth = 1i32;
    let mut body = String::new();
    let mut rest = &header[open + 1..];
    let mut i = start;
    loop {
        let code = rest.split("//").next().unwrap_or("");
        for (at, ch) in code.char_indices() {
            depth += i32::from(ch == '{') - i32::from(ch == '}');
            if depth == 0 {
                body.push_str(&code[..at]);
                body.push('\n');
                return Ok((body, i + 1));
            }
        }
        body.push_str(rest);
        body.push('\n');
        i += 1;
        rest = lines.get(i).ok_or("an unrolled loop has no end")?;
    }
}

/// `text` with every whole word `word` outside comments replaced.
fn replace_word(text: &str, word: &str, by: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let (code, comment) = line.split_at(line.find("//").unwrap_or(line.len()));
        let mut done = 0;
        while let Some(at) = code[done..].find(word).map(|at| done + at) {
            let before = code[..at].chars().next_back().is_some_and(|c| is_word(c) || c == '.');
            let after = code[at + word.len()..].chars().next().is_some_and(is_word);
            out.push_str(&code[done..at]);
            out.push_str(if before || after { word } else { by });
            done = at + word.len();
        }
        out.push_str(&code[done..]);
        out.push_str(comment);
        out.push('\n');
    }
    out
}

/// Parses and validates WGSL with naga.
///
/// # Errors
/// [`Error::Shader`] with the file and line: those of `origins`, else those of `source` itself
pub fn validate(name: &str, source: &str, origins: &[String]) -> Result<(naga::Module, ModuleInfo)> {
    let fail = |place: Option<naga::SourceLocation>, message: String| {
        // What is missing at the end is missed on the last line.
        let line = place.map_or(0, |p| (p.line_number as usize).min(source.lines().count()));
        let text = source.lines().nth(line.max(1) - 1).unwrap_or("").trim();
        let own = || if line == 0 { name.to_owned() } else { format!("{name}:{line}") };
        let at = line.checked_sub(1).and_then(|n| origins.get(n)).cloned().unwrap_or_else(own);
        Error::shader(at, if line == 0 { message } else { format!("{message}, in `{}`", excerpt(text)) })
    };
    let module = naga::front::wgsl::parse_str(source).map_err(|e| fail(e.location(source), e.message().to_owned()))?;
    let mut validator = Validator::new(
        ValidationFlags::all(),
        Capabilities::SUBGROUP
            | Capabilities::SUBGROUP_BARRIER
            | Capabilities::SHADER_FLOAT16
            | Capabilities::COOPERATIVE_MATRIX
            | Capabilities::SHADER_FLOAT16_IN_FLOAT32,
    );
    let info = validator.validate(&module).map_err(|e| fail(e.location(source), chain(e.as_inner())))?;
    Ok((module, info))
}

/// An error and what it comes from, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source());
    causes.map(|e| e.to_string().replace('\n', " ")).collect::<Vec<_>>().join(": ")
}

fn reflect(name: &str, source: String, origins: Vec<String>, built_in: bool, half: &[String]) -> Result<Module> {
    let (module, info) = validate(name, &source, &origins)?;
    let mut params = (vec![], 0);
    for (_, global) in module.global_variables.iter() {
        if global.space == naga::AddressSpace::Uniform {
            params = fields(&module, global.ty).map_err(|m| Error::shader(name, m))?;
        }
    }
    let entries = Arc::new(entry_points(&module, &info));
    let overrides =
        module.overrides.iter().map(|(_, o)| (o.name.clone().unwrap_or_default(), o.init.is_some())).collect();
    let sized = module.entry_points.iter().any(|e| e.workgroup_size_overrides.is_some());
    let sized_by_overrides = sized.then(|| Box::new((module, info)));
    let (name, half) = (name.to_owned(), half.to_vec());
    Ok(Module { name, source, built_in, entries, params, overrides, half, origins, sized_by_overrides })
}

fn entry_points(module: &naga::Module, info: &ModuleInfo) -> Entries {
    let entries = module.entry_points.iter().enumerate().map(|(i, entry)| {
        let used = info.get_entry_point(i);
        let mut bindings = vec![];
        let mut workgroup_bytes = 0;
        for (handle, global) in module.global_variables.iter() {
            if used[handle] == GlobalUse::empty() {
                continue;
            }
            let access = match global.space {
                naga::AddressSpace::Uniform => Access::Uniform,
                naga::AddressSpace::Storage { access } if access.contains(naga::StorageAccess::STORE) => {
                    Access::ReadWrite
                }
                naga::AddressSpace::Storage { .. } => Access::Read,
                naga::AddressSpace::WorkGroup => {
                    workgroup_bytes += module.types[global.ty].inner.size(module.to_ctx()).next_multiple_of(16);
                    continue;
                }
                _ => continue,
            };
            let number = global.binding.as_ref().map_or(0, |b| b.binding);
            let read_back =
                access == Access::ReadWrite && used[handle].contains(GlobalUse::READ) && floats(module, global);
            bindings.push(Binding { name: global.name.clone().unwrap_or_default(), number, access, read_back });
        }
        bindings.sort_by_key(|b| b.number);
        (entry.name.clone(), Entry { workgroup: entry.workgroup_size, bindings, workgroup_bytes })
    });
    entries.collect()
}

/// True if the elements are floats; bits that are only moved are not.
fn floats(module: &naga::Module, global: &naga::GlobalVariable) -> bool {
    let naga::TypeInner::Array { base, .. } = module.types[global.ty].inner else { return true };
    module.types[base].inner.scalar_kind().is_none_or(|kind| kind == naga::ScalarKind::Float)
}

fn fields(module: &naga::Module, ty: naga::Handle<naga::Type>) -> Result<(Vec<Field>, u32), String> {
    let naga::TypeInner::Struct { members, span } = &module.types[ty].inner else {
        return Err("the uniform is not a struct".into());
    };
    let field = |m: &naga::StructMember| {
        let name = m.name.clone().unwrap_or_default();
        let kind = match module.types[m.ty].inner {
            naga::TypeInner::Scalar(naga::Scalar { kind: naga::ScalarKind::Uint, width: 4 }) => FieldKind::U32,
            naga::TypeInner::Scalar(naga::Scalar { kind: naga::ScalarKind::Sint, width: 4 }) => FieldKind::I32,
            naga::TypeInner::Scalar(naga::Scalar { kind: naga::ScalarKind::Float, width: 4 }) => FieldKind::F32,
            _ => return Err(format!("Params.{name} is not a 4-byte scalar")),
        };
        Ok(Field { name, offset: m.offset, kind })
    };
    Ok((members.iter().map(field).collect::<Result<_, _>>()?, *span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_shader_is_valid() {
        let shaders = Shaders::built_in();
        for name in Shaders::names().filter(|n| !n.starts_with("lib/")) {
            shaders.module(name).unwrap();
        }
    }

    #[test]
    fn unrolling_replaces_whole_words_and_nests() {
        let text = "const N = 2u;\n// @unroll\nfor (var i = 0u; i < N; i++) {\n// @unroll\nfor (var j = 0u; j < 2u; j++) { a[i] += x.i * ij[j]; }\n}\n";
        let out = unroll(text, &constants(text)).unwrap();
        assert_eq!(out.matches("a[0u]").count(), 2);
        assert!(out.contains("a[1u] += x.i * ij[0u];"), "{out}");
        assert_eq!(replace_word("acc[c] = cc;", "c", "1u"), "acc[1u] = cc;\n");
    }

    #[test]
    fn a_loop_that_cannot_be_unrolled_is_an_error() {
        assert!(unroll("// @unroll\nfor (var i = 0u; i < n; i++) {\n}\n", &HashMap::new()).is_err());
    }
}
