//! The built-in shaders as text, without a device: naga accepts them and translates them for every backend,
//! kernels and entry points match, plans supply every parameter, the rules of a WGSL file hold, and the tables
//! of the documentation are complete.

// The rows of the kernel tests: here they are planned, not run.
#[allow(dead_code)]
#[path = "kernels/attention.rs"]
mod attention;
#[allow(dead_code)]
#[path = "kernels/conv.rs"]
mod conv;
#[allow(dead_code)]
#[path = "kernels/elementwise.rs"]
mod elementwise;
#[allow(dead_code)]
#[path = "kernels/index.rs"]
mod index;
#[allow(dead_code)]
#[path = "kernels/layout.rs"]
mod layout;
#[allow(dead_code)]
#[path = "kernels/linalg.rs"]
mod linalg;
#[allow(dead_code)]
#[path = "kernels/loss.rs"]
mod loss;
#[allow(dead_code)]
#[path = "kernels/matmul.rs"]
mod matmul;
#[allow(dead_code)]
#[path = "kernels/norm.rs"]
mod norm;
#[allow(dead_code)]
#[path = "kernels/optimizer.rs"]
mod optimizer;
#[allow(dead_code)]
#[path = "kernels/pool.rs"]
mod pool;
#[allow(dead_code)]
#[path = "kernels/random.rs"]
mod random;
#[path = "kernels/recurrent.rs"]
mod recurrent;
#[allow(dead_code)]
#[path = "kernels/reduce.rs"]
mod reduce;
#[allow(dead_code)]
#[path = "kernels/resize.rs"]
mod resize;
#[allow(dead_code)]
#[path = "kernels/row.rs"]
mod row;
#[allow(dead_code)]
#[path = "kernels/softmax.rs"]
mod softmax;
#[path = "shaders/half.rs"]
mod stored;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use handmill::adapter::Adapter;
use handmill::graph::FixedGraph;
use handmill::kernels;
use handmill::models::{Inputs, Loaded};
use handmill::plan::{Half, Options, Plan};
use handmill::shader::{Access, Module, Shaders, validate};
use handmill::weights::load_tensors;
use naga::back::PipelineConstants;
use naga::back::pipeline_constants::process_overrides;
use naga::back::{hlsl, msl, spv};
use naga::{AddressSpace, ShaderStage};
use row::Row;

/// Lines of a shader.
const LINES: usize = 200;
/// Storage buffers that every WebGPU implementation grants a shader.
const STORAGE_BUFFERS: usize = 8;
/// Invocations of a workgroup that every WebGPU implementation grants.
const INVOCATIONS: u32 = 256;
/// Bytes of workgroup memory that every WebGPU implementation grants.
const WORKGROUP_BYTES: u32 = 16 << 10;

/// The largest workgroup that kernels ask for through `override WG`.
const WG: f64 = 256.0;

static SHADERS: LazyLock<Arc<Shaders>> = LazyLock::new(Shaders::built_in);

/// Shaders with entry points.
fn names() -> impl Iterator<Item = &'static str> {
    Shaders::names().filter(|name| !name.starts_with("lib/"))
}

fn module(name: &str) -> Arc<Module> {
    SHADERS.module(name).unwrap_or_else(|e| panic!("{e}"))
}

fn text(name: &str) -> String {
    SHADERS.original(name).unwrap_or_else(|e| panic!("{e}"))
}

/// Fails with every finding at once.
fn none(what: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

/// Prints past the test harness, which keeps the output of tests that pass to itself.
fn note(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// One entry point with its overrides resolved: `WG` as large as it gets, flags true, all else 1.
fn resolved(name: &str, source: &str, entry: &str) -> Result<(naga::Module, naga::valid::ModuleInfo), String> {
    let (parsed, info) = validate(name, source, &[]).map_err(|e| e.to_string())?;
    let missing = parsed.overrides.iter().filter(|(_, o)| o.init.is_none()).filter_map(|(_, o)| o.name.clone());
    let constants: PipelineConstants =
        missing.map(|name| if name == "WG" { (name, WG) } else { (name, 1.0) }).collect();
    let (module, info) = process_overrides(&parsed, &info, Some((ShaderStage::Compute, entry)), &constants)
        .map_err(|e| format!("overrides: {e}"))?;
    Ok((module.into_owned(), info.into_owned()))
}

fn spirv(module: &naga::Module, info: &naga::valid::ModuleInfo, entry: &str) -> Result<(), String> {
    let pipeline = spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: entry.to_owned() };
    let options = spv::Options { lang_version: (1, 3), ..Default::default() };
    let words = spv::write_vec(module, info, &options, Some(&pipeline)).map_err(|e| e.to_string())?;
    if words.len() > 5 { Ok(()) } else { Err("nothing but a header".into()) }
}

fn metal(module: &naga::Module, info: &naga::valid::ModuleInfo, entry: &str) -> Result<(), String> {
    let pipeline = msl::PipelineOptions {
        entry_point: Some((ShaderStage::Compute, entry.to_owned())),
        ..msl::PipelineOptions::default()
    };
    let options = msl::Options { lang_version: (2, 4), ..msl::Options::default() };
    let (source, told) = msl::write_string(module, info, &options, &pipeline).map_err(|e| e.to_string())?;
    told.entry_point_names.into_iter().try_for_each(|e| e.map(|_| ()).map_err(|e| e.to_string()))?;
    if source.contains("kernel void") { Ok(()) } else { Err("no kernel in it".into()) }
}

fn direct_x(
    module: &naga::Module,
    info: &naga::valid::ModuleInfo,
    entry: &str,
    model: hlsl::ShaderModel,
) -> Result<(), String> {
    let pipeline = hlsl::PipelineOptions { entry_point: Some((ShaderStage::Compute, entry.to_owned())) };
    let options = hlsl::Options { shader_model: model, ..hlsl::Options::default() };
    let mut source = String::new();
    let told =
        hlsl::Writer::new(&mut source, &options, &pipeline).write(module, info, None).map_err(|e| e.to_string())?;
    told.entry_point_names.into_iter().try_for_each(|e| e.map(|_| ()).map_err(|e| e.to_string()))?;
    if source.contains("numthreads") { Ok(()) } else { Err("no entry point in it".into()) }
}

/// Translates every entry point of `module` for every backend that can have it.
fn translate(name: &str, module: &Module, model: hlsl::ShaderModel, found: &mut Vec<String>) -> usize {
    // Direct3D has no cooperative matrices.
    let cooperative = module.source.contains("enable wgpu_cooperative_matrix;");
    for entry in module.entries.keys() {
        let mut say = |backend: &str, result: Result<(), String>| {
            found.extend(result.err().map(|e| format!("{name}, {entry}, f16 in {:?}, {backend}: {e}", module.half)));
        };
        match resolved(name, &module.source, entry) {
            Err(e) => say("WGSL", Err(e)),
            Ok((module, info)) => {
                say("SPIR-V", spirv(&module, &info, entry));
                say("MSL", metal(&module, &info, entry));
                if !cooperative {
                    say("HLSL", direct_x(&module, &info, entry, model));
                }
            }
        }
    }
    module.entries.len()
}

#[test]
fn every_entry_point_translates_for_every_backend() {
    let mut found = vec![];
    let mut count = 0;
    for name in names() {
        // Subgroups need shader model 6; everything else must do without.
        let subgroups = module(name).source.contains("subgroup");
        let model = if subgroups { hlsl::ShaderModel::V6_0 } else { hlsl::ShaderModel::V5_1 };
        count += translate(name, &module(name), model, &mut found);
    }
    assert!(count > 0, "no entry points at all");
    none("translations failed", found);
}

#[test]
fn every_snippet_is_imported() {
    let sources: String = Shaders::names().map(text).collect();
    let unused = Shaders::names().filter(|n| n.starts_with("lib/") && !sources.contains(&format!("// @import {n}\n")));
    none("snippets that no shader imports", unused.map(str::to_owned).collect());
}

#[test]
fn kernels_and_entry_points_match() {
    let mut found = vec![];
    let mut used: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for kernel in kernels::all() {
        for variant in kernel.variants {
            let label = variant.label(kernel);
            let Ok(module) = SHADERS.module(variant.shader) else {
                found.push(format!("{label}: there is no shader {}", variant.shader));
                continue;
            };
            if variant.steps.is_empty() {
                found.push(format!("{label}: has no steps"));
            }
            for step in variant.steps {
                used.entry(variant.shader).or_default().insert(step.entry);
                let Some(entry) = module.entries.get(step.entry) else {
                    found.push(format!("{label}: {} has no entry point {}", variant.shader, step.entry));
                    continue;
                };
                let scratch = |name: &str| variant.scratch.iter().any(|s| s.name == name);
                for binding in entry.bindings.iter().filter(|b| b.access != Access::Uniform) {
                    let name = binding.name.as_str();
                    if kernel.port(name).is_none() && !kernel.outputs.contains(&name) && !scratch(name) {
                        found.push(format!("{label}: '{name}' is no input, output or scratch buffer"));
                    }
                }
            }
        }
    }
    for name in names() {
        let entries = module(name).entries.keys().cloned().collect::<Vec<_>>();
        let lonely = entries.iter().filter(|e| !used.get(name).is_some_and(|u| u.contains(e.as_str())));
        found.extend(lonely.map(|e| format!("{name}: no kernel has a step {e}")));
    }
    none("kernels and shaders differ", found);
}

#[test]
fn variants_use_the_words_of_the_notation() {
    let notation = fs::read_to_string(root().join("docs/notation.md")).expect("docs/notation.md");
    let section = notation.split("\n## Variants\n").nth(1).expect("a section Variants").split("\n## ").next();
    let words: BTreeSet<&str> =
        section.into_iter().flat_map(str::lines).filter_map(|l| l.strip_prefix("| `")?.split('`').next()).collect();
    let mut found = vec![];
    for kernel in kernels::all() {
        let mut seen = BTreeSet::new();
        for variant in kernel.variants {
            let label = variant.label(kernel);
            if !variant.how.is_empty() && !words.contains(variant.how) {
                found.push(format!("{label}: '{}' is not in the list", variant.how));
            }
            if !seen.insert(variant.how) {
                found.push(format!("{label}: two variants have this name"));
            }
        }
        if !seen.contains("") {
            found.push(format!("{}: has no plain variant", kernel.name));
        }
    }
    none("variants", found);
}

/// `Plan::with` packs every field of `Params` and every override, or says which one has no value.
fn plan(graph: &Arc<FixedGraph>, adapter: &Adapter, how: &str, fuse: bool, half: Half) -> handmill::Result<Plan> {
    let (shaders, variant) = (SHADERS.clone(), Some(how.to_owned()));
    Plan::with(graph, adapter, &Options { shaders, variant, fuse, half, ..Options::default() })
}

fn labels() -> BTreeSet<String> {
    kernels::all().flat_map(|k| k.variants.iter().map(|v| v.label(k))).collect()
}

fn rows() -> Vec<Row> {
    let families = [
        elementwise::rows as fn() -> Vec<Row>,
        reduce::rows,
        matmul::rows,
        linalg::rows,
        conv::rows,
        pool::rows,
        softmax::rows,
        attention::rows,
        norm::rows,
        layout::rows,
        index::rows,
        resize::rows,
        random::rows,
        recurrent::rows,
        loss::rows,
        optimizer::rows,
    ];
    families.iter().flat_map(|rows| rows()).collect()
}

#[test]
fn rows_plan_on_every_named_adapter_with_every_variant() {
    let (mut found, mut planned) = (vec![], BTreeSet::new());
    for row in rows() {
        let graph = match row.case.graph() {
            Ok(graph) => Arc::new(graph),
            Err(e) => {
                found.push(format!("{}: {e}", row.name));
                continue;
            }
        };
        for adapter in Adapter::profiles() {
            for variant in row.case.variants(&adapter).unwrap_or_default() {
                let label = variant.label(row.case.kernel);
                match plan(&graph, &adapter, variant.how, false, Half::Nothing) {
                    Ok(plan) => planned.extend(plan.ops.iter().map(|op| op.variant().label(op.call.kernel))),
                    Err(e) => found.push(format!("{}, {}, {label}: {e}", row.name, adapter.name)),
                }
            }
        }
    }
    planned.extend(stored::planned(&mut found));
    found.extend(labels().difference(&planned).map(|label| format!("{label}: no row plans it")));
    none("rows do not plan", found);
}

#[test]
fn fixtures_plan_on_every_named_adapter_with_every_variant() {
    let hows: BTreeSet<&str> = kernels::all().flat_map(|k| k.variants.iter().map(|v| v.how)).collect();
    let mut found = vec![];
    for folder in fixtures() {
        let graph = match graph(&folder) {
            Ok(graph) => graph,
            Err(e) => {
                found.push(format!("{}: {e}", shown(&folder)));
                continue;
            }
        };
        for adapter in Adapter::profiles() {
            let failed =
                |how: &&str| plan(&graph, &adapter, how, true, Half::Nothing).err().map(|e| format!("'{how}': {e}"));
            let failures = hows.iter().filter_map(failed);
            found.extend(failures.map(|e| format!("{}, {}, {e}", shown(&folder), adapter.name)));
        }
    }
    none("fixtures do not plan", found);
}

fn graph(folder: &Path) -> handmill::Result<Arc<FixedGraph>> {
    let loaded = Loaded::open(folder)?;
    let inputs = loaded.model.graph_inputs(&load_tensors(folder.join("inputs.safetensors"))?);
    let keys = loaded.folder.checkpoint()?.tensors().iter().map(|t| t.name.clone()).collect();
    loaded.graph(&Inputs::of(&inputs), Some(keys))
}

/// Folders of `tests/data` with a `config.json` and inputs.
fn fixtures() -> Vec<PathBuf> {
    let folders = |path: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        entries.map(|e| e.expect("an entry").path()).filter(|p| p.is_dir()).collect()
    };
    let mut found: Vec<_> = folders(&root().join("tests/data")).iter().flat_map(|f| folders(f)).collect();
    found.retain(|f| f.join("config.json").exists() && f.join("inputs.safetensors").exists());
    found.sort();
    assert!(!found.is_empty(), "tests/data holds no fixtures");
    found
}

#[test]
fn entry_points_stay_within_the_limits_of_webgpu() {
    let mut found = vec![];
    for name in names() {
        let module = module(name);
        for (entry, reflected) in module.entries.iter() {
            let buffers = reflected.bindings.iter().filter(|b| b.access != Access::Uniform).count();
            if buffers > STORAGE_BUFFERS {
                found.push(format!("{name}, {entry}: {buffers} storage buffers"));
            }
            let Ok((resolved, info)) = resolved(name, &module.source, entry) else { continue };
            let invocations: u32 = resolved.entry_points[0].workgroup_size.iter().product();
            if invocations > INVOCATIONS {
                found.push(format!("{name}, {entry}: {invocations} invocations"));
            }
            let used = info.get_entry_point(0);
            let local = resolved
                .global_variables
                .iter()
                .filter(|(h, g)| g.space == AddressSpace::WorkGroup && !used[*h].is_empty());
            let bytes: u32 =
                local.map(|(_, g)| resolved.types[g.ty].inner.size(resolved.to_ctx()).next_multiple_of(16)).sum();
            if bytes > WORKGROUP_BYTES {
                found.push(format!("{name}, {entry}: {bytes} bytes of workgroup memory"));
            }
        }
    }
    none("limits", found);
}

/// The names before the dash of `// layer_norm — …`.
fn header(line: &str) -> Option<Vec<&str>> {
    let (names, text) = line.strip_prefix("// ")?.split_once(" — ")?;
    let names: Vec<_> = names.split(", ").collect();
    let name = |n: &&str| !n.is_empty() && n.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    (names.iter().all(name) && !text.is_empty()).then_some(names)
}

#[test]
fn files_keep_the_rules() {
    let mut found = vec![];
    for name in Shaders::names() {
        let text = text(name);
        let lines = text.lines().count();
        if lines > LINES {
            found.push(format!("{name}: {lines} lines"));
        }
        let first = text.lines().next().unwrap_or("");
        if name.starts_with("lib/") {
            if !first.starts_with("// ") {
                found.push(format!("{name}: begins with '{first}', expected a comment"));
            }
        } else {
            let module = module(name);
            let stem = name.rsplit('/').next().unwrap_or(name);
            match header(first) {
                None => found.push(format!("{name}: begins with '{first}', expected '// <name> — <what it does>'")),
                Some(titles) => {
                    let known = |t: &&str| *t == stem || module.entries.contains_key(*t);
                    found
                        .extend(titles.iter().filter(|t| !known(t)).map(|t| format!("{name}: has no entry point {t}")));
                }
            }
        }
        for (i, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or("");
            if code.contains("__") {
                found.push(format!("{name}:{}: two underscores, which WGSL reserves", i + 1));
            }
        }
    }
    none("files", found);
}

#[test]
fn the_readme_names_every_kernel_and_model() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    let names = kernels::all().map(|k| k.name).chain(handmill::models::all().map(|m| m.name));
    let missing = names.filter(|name| !readme.contains(&format!("`{name}`")));
    none("README.md does not name", missing.map(str::to_owned).collect());
}

#[test]
fn planted_faults_are_found() {
    assert_eq!(header("// fill, iota — tensors from nothing."), Some(vec!["fill", "iota"]));
    for line in ["// LayerNorm — x", "// layer_norm - x", "// layer_norm — ", "layer_norm — x", "struct Params {"]
    {
        assert_eq!(header(line), None, "{line}");
    }
    let broken = "@compute @workgroup_size(1) fn broken() { let x: u32 = 1.5; }";
    assert!(validate("broken", broken, &[]).is_err());
    let nowhere = resolved("norm/layer_norm", &module("norm/layer_norm").source, "no_such_entry");
    assert!(nowhere.map_or(true, |(module, _)| module.entry_points.is_empty()));
    assert_eq!(
        function_lengths("fn a() {\n    b();\n}\nimpl T {\n    pub fn c(\n    ) {\n    }\n}\n"),
        [(1, 3), (5, 3)]
    );
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// First line and number of lines of every function, by the indentation that rustfmt gives its end.
fn function_lengths(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = vec![];
    for (i, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = &line[..line.len() - code.len()];
        let words = ["pub(crate) ", "pub(super) ", "pub ", "const ", "async ", "unsafe "];
        let mut rest = code;
        while let Some(shorter) = words.iter().find_map(|w| rest.strip_prefix(w)) {
            rest = shorter;
        }
        if rest.starts_with("fn ") && !rest.ends_with('}') && !rest.ends_with(';') {
            let end = format!("{indent}}}");
            let last = lines[i..].iter().position(|l| *l == end).unwrap_or(0);
            found.push((i + 1, last + 1));
        }
    }
    found
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// A path of the repository, for messages.
fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

/// Files of 600 lines, functions of 60, models of 400, examples of 120: printed, not enforced.
#[test]
fn budgets_are_printed() {
    let mut files = vec![];
    for folder in ["src", "kernels-ref/src", "tests", "examples"] {
        rust_files(&root().join(folder), &mut files);
    }
    files.sort();
    assert!(!files.is_empty());
    for path in files {
        let shown = shown(&path);
        let text = fs::read_to_string(&path).expect("a source file");
        let (lines, budget) = (
            text.lines().count(),
            match shown.as_str() {
                s if s.starts_with("examples/") => 120,
                s if s.starts_with("src/models/") => 400,
                _ => 600,
            },
        );
        if lines > budget {
            note(format!("{shown}: {lines} lines, the budget is {budget}"));
        }
        for (line, length) in function_lengths(&text).into_iter().filter(|(_, length)| *length > 60) {
            note(format!("{shown}:{line}: a function of {length} lines, the budget is 60"));
        }
    }
}
