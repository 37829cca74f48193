//! Cooperative matrices on an adapter without them: the text of a shader, with each lane of 32 holding the elements of a
//! sum that it owns, in f32. A matrix on the left or right is the place it is loaded from, read when it is multiplied: no
//! barrier stands between the two.
//!
//! What is tried so is the shader's own arithmetic: which elements are loaded, multiplied, stored and finished, and
//! where barriers stand. A driver's order of sums, and a matrix's layout in registers, are not.

use std::fmt::Write;
use std::sync::Arc;

use handmill::adapter::Adapter;
use handmill::cooperative::tried;
use handmill::device::Device;
use handmill::kernel::Kernel;
use handmill::shader::Shaders;
use libtest_mimic::Failed;

use super::judge::both_runs;
use super::row::Row;

/// Lanes of a subgroup.
const LANES: usize = 32;

/// An adapter with cooperative matrices of `side`, and what `device` has.
pub fn adapter(device: &Device, side: u32) -> Adapter {
    Adapter { cooperative: Some(side), ..device.adapter().clone() }
}

/// The row with floats stored as f16 and the variant that takes cooperative matrices of `side`, if one can.
pub fn row(row: &Row, device: &Device, side: u32) -> Option<(Row, &'static str)> {
    let half = row.half()?;
    let how = if side == 16 { "coop" } else { "coop8" };
    let variants = half.case.variants(&adapter(device, side)).ok()?;
    variants.iter().any(|v| v.how == how).then_some((half, how))
}

/// The variant `how` as on `adapter`, which has more than `device`, by `shaders` that do without that.
pub fn emulated_row(
    row: &Row,
    device: &Arc<Device>,
    adapter: &Adapter,
    shaders: &Arc<Shaders>,
    how: &str,
) -> Result<(), Failed> {
    let expected = row.case.expected(device.tol()).map_err(|e| e.to_string())?;
    let run = |checks, poison| row.case.run_as(adapter, device, shaders, how, checks, poison);
    both_runs(row, &format!("{} emulated", row.case.kernel.name), &expected, run)
}

/// `shaders` with every cooperative variant of `kernels` emulated, its text changed by `change` before: a folder, and
/// the shaders in it.
pub fn shaders<'k>(
    from: &Shaders,
    kernels: impl Iterator<Item = &'k Kernel>,
    change: impl Fn(&str) -> String,
) -> Result<(tempfile::TempDir, Arc<Shaders>), String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    for variant in kernels.flat_map(|k| k.variants).filter(|v| v.how.starts_with("coop")) {
        let source = from.module(variant.shader).map_err(|e| e.to_string())?.source.clone();
        let path = folder.path().join(format!("{}.wgsl", variant.shader));
        std::fs::create_dir_all(path.parent().ok_or("a shader without a folder")?).map_err(|e| e.to_string())?;
        std::fs::write(path, emulated(&change(&source))?).map_err(|e| e.to_string())?;
    }
    let shaders = Shaders::folder(folder.path()).map_err(|e| e.to_string())?;
    Ok((folder, shaders))
}

/// `source` without cooperative matrices.
pub fn emulated(source: &str) -> Result<String, String> {
    let side = if source.contains("coop_mat16x16<") { 16 } else { 8 };
    let own = side * side / LANES;
    let mut text = source.replace("enable wgpu_cooperative_matrix;\n", "");
    for (matrix, place) in
        [("f16, A", "vec3<u32>"), ("f16, B", "vec3<u32>"), ("f32, C", &format!("array<f32, {own}u>"))]
    {
        text = text.replace(&format!("coop_mat{side}x{side}<{matrix}>"), place);
    }
    let (mut loaded, mut stored) = (vec![], vec![]);
    text = calls(&text, "coopLoad", &mut loaded)?;
    text = calls(&text, "coopStore", &mut stored)?;
    text = text.replace("coopMultiplyAdd(", "cooperative_multiply_add(");
    let mut text = entry(&text, side, own)?;
    text.push_str("\nvar<private> lane_of_matrix: u32;\nvar<private> columns_of_lane: u32;\nvar<private> side: u32;\n");
    text.push_str(&multiply_add(&loaded, side, own));
    for array in &stored {
        for by_rows in [true, false] {
            text.push_str(&store(array, by_rows, side, own));
        }
    }
    match text.contains("coop_mat") || text.contains("coopLoad") || text.contains("coopStore") {
        true => Err("something cooperative is left".into()),
        false => Ok(text),
    }
}

/// Calls of `coopLoad[T]<M>(&array[i], stride)` as places `(array and order, i, stride)`, and of
/// `coopStore[T](m, &array[i], stride)` as calls of a function of the array; the arrays, by number, are added to `arrays`.
fn calls(text: &str, what: &str, arrays: &mut Vec<String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(what) {
        out.push_str(&rest[..at]);
        let call = &rest[at + what.len()..];
        let (head, tail) = call.split_once('&').ok_or("a call without an array")?;
        let (array, tail) = tail.split_once('[').ok_or("an array without an index")?;
        let end = closing(tail).ok_or("an index without an end")?;
        let by_rows = head.starts_with('T');
        let number = arrays.iter().position(|a| a == array).unwrap_or_else(|| {
            arrays.push(array.to_owned());
            arrays.len() - 1
        });
        if what == "coopLoad" {
            write!(out, "vec3<u32>({}u, {}", 2 * number + usize::from(by_rows), &tail[..end])
        } else {
            let value = head.split_once('(').map_or("", |(_, value)| value);
            write!(out, "{}({value}{}", store_name(array, by_rows), &tail[..end])
        }
        .map_err(|e| e.to_string())?;
        rest = &tail[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn store_name(array: &str, by_rows: bool) -> String {
    format!("store_by_{}_{array}", if by_rows { "rows" } else { "columns" })
}

/// Where the bracket closes in which `text` begins.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 1;
    text.char_indices().find_map(|(at, c)| {
        depth += i32::from(c == '[') - i32::from(c == ']');
        (depth == 0).then_some(at)
    })
}

/// The entry point with subgroups of 32 lanes, of which it is told by its local index. Bounds of loops that a compiler
/// does not know keep it from unrolling them, which takes minutes.
fn entry(text: &str, side: usize, own: usize) -> Result<String, String> {
    let start = text.find("@compute").ok_or("no entry point")?;
    let (head, body) = text[start..].split_once(") {\n").ok_or("an entry point without a body")?;
    let named = |builtin: &str| {
        let name = head.split_once(&format!("@builtin({builtin}) "))?.1.split_once(':')?.0;
        Some(name.to_owned())
    };
    let lane = named("local_invocation_index").ok_or("an entry point that does not know its lane")?;
    let (mut arguments, mut lines) = (head.to_owned(), format!("    lane_of_matrix = {lane} % {LANES}u;\n"));
    for (name, value) in [("side", side), ("columns_of_lane", own)] {
        lines.push_str(&format!("    {name} = min({value}u, {lane} + {value}u);\n"));
    }
    for (builtin, sign) in [("subgroup_id", '/'), ("subgroup_invocation_id", '%')] {
        if let Some(name) = named(builtin) {
            arguments = arguments.replace(&format!("@builtin({builtin}) {name}: u32,"), "");
            lines.push_str(&format!("    let {name} = {lane} {sign} {LANES}u;\n"));
        }
    }
    Ok(format!("{}{arguments}) {{\n{lines}{body}", &text[..start]))
}

/// The elements of a sum that a lane owns, of matrices in one of the `arrays`. Four terms a step, since an invocation on
/// a CPU adapter may count few steps.
fn multiply_add(arrays: &[String], side: usize, own: usize) -> String {
    let lanes = side / own;
    let case = |(i, array): (usize, &String)| format!("case {i}u: {{ return f32({array}[at]); }}\n");
    let cases: String = arrays.iter().enumerate().map(case).collect();
    let column = format!("lane_of_matrix % {lanes}u * {own}u + column");
    let term = |i: usize| {
        let k = format!("k + {i}u");
        format!("element_of(left_of, lane_of_matrix / {lanes}u, {k}) * element_of(right_of, {k}, {column})")
    };
    let terms: Vec<_> = (0..4).map(term).collect();
    format!(
        "fn element_of(m: vec3<u32>, row: u32, column: u32) -> f32 {{\n\
         let at = m.y + select(column * m.z + row, row * m.z + column, (m.x & 1u) == 1u);\n\
         switch m.x >> 1u {{\n{cases}default: {{ return 0.0; }}\n}}\n}}\n\
         fn cooperative_multiply_add(left_of: vec3<u32>, right_of: vec3<u32>, sum_of: array<f32, {own}u>) \
         -> array<f32, {own}u> {{\nvar total = sum_of;\n\
         for (var column = 0u; column < columns_of_lane; column++) {{\nvar sum = total[column];\n\
         for (var k = 0u; k < side; k += 4u) {{ sum += {}; }}\n\
         total[column] = sum;\n}}\nreturn total;\n}}\n",
        terms.join(" + ")
    )
}

/// The store of a sum to `array`.
fn store(array: &str, by_rows: bool, side: usize, own: usize) -> String {
    let lanes = side / own;
    let (row, column) =
        (format!("(lane_of_matrix / {lanes}u)"), format!("(lane_of_matrix % {lanes}u * {own}u + column)"));
    let (far, near) = if by_rows { (row, column) } else { (column, row) };
    format!(
        "fn {}(sum_of: array<f32, {own}u>, first: u32, stride: u32) {{\nvar held = sum_of;\n\
         for (var column = 0u; column < columns_of_lane; column++) {{\n\
         {array}[first + {far} * stride + {near}] = held[column];\n}}\n}}\n",
        store_name(array, by_rows)
    )
}

/// Bugs in the main loop of a product, each as the text it changes: every one fails a row.
const BUGS: [(&str, &str); 9] = [
    ("coopLoadT<Left>(&a_tile[row * LONG + k], LONG)", "coopLoadT<Left>(&a_tile[row * LONG], LONG)"),
    ("coopLoadT<Left>(&a_tile[row * LONG + k], LONG)", "coopLoad<Left>(&a_tile[row * LONG + k], LONG)"),
    ("coopLoad<Right>(&w_tile[column * LONG + k], LONG)", "coopLoadT<Right>(&w_tile[column * LONG + k], LONG)"),
    ("coopLoadT<Right>(&w_tile[k * WIDE + column], WIDE)", "coopLoadT<Right>(&w_tile[k * WIDE + column], LONG)"),
    ("let column = subgroup % 2u * 4u * SIDE;", "let column = subgroup / 2u * 4u * SIDE;"),
    ("s32 = coopMultiplyAdd(l3, r, s32)", "s32 = coopMultiplyAdd(l2, r, s32)"),
    ("if (m < o.rows && n < params.columns)", "if (m < o.rows)"),
    ("if (m < o.rows && n < params.columns)", "if (n < params.columns)"),
    ("let at = m * LONG + k;", "let at = m * LONG + k / 8u * 8u;"),
];

/// Every bug of `BUGS` is seen by one of `rows`.
pub fn bugs_of_a_product_fail(rows: &[Row], device: &Arc<Device>, from: &Shaders) -> Result<(), String> {
    let rows: Vec<_> = rows.iter().filter_map(|r| row(r, device, 8)).collect();
    let kernels = || rows.iter().take(1).map(|(row, _)| row.case.kernel);
    for (right, wrong) in BUGS {
        let source = from.module("matmul/coop8").map_err(|e| e.to_string())?.source.clone();
        if !source.contains(right) {
            return Err(format!("matmul_coop8 has no `{right}` to change"));
        }
        let (_folder, shaders) = shaders(from, kernels(), |text| text.replace(right, wrong))?;
        let passes =
            |(row, how): &(Row, &'static str)| emulated_row(row, device, &adapter(device, 8), &shaders, how).is_ok();
        if rows.iter().all(passes) {
            return Err(format!("no row sees `{wrong}` in place of `{right}`"));
        }
    }
    Ok(())
}

/// What a device tries when it is opened passes on right arithmetic and fails on wrong one.
pub fn a_device_tries_its_matrices(device: &Arc<Device>) -> Result<(), String> {
    let change = |right: &'static str, wrong: &'static str| {
        move |text: &str| {
            assert!(text.contains(right), "no `{right}` to change");
            emulated(&text.replace(right, wrong)).unwrap_or_else(|e| panic!("{e}"))
        }
    };
    for side in [8, 16] {
        if let Some(reason) = tried(device, side, change("SIDE", "SIDE")) {
            return Err(format!("{side}: {reason}"));
        }
        let bugs = [
            ("coopLoad<Right>(&v_tile[k]", "coopLoadT<Right>(&v_tile[k]", "a · vᵀ"),
            ("&w_tile[k * SIDE]", "&w_tile[k]", "a · w"),
            ("coopLoadT<Left>(&a_tile[k], 2u * SIDE)", "coopLoadT<Left>(&a_tile[k], SIDE)", "a · w"),
            ("k < 2u * SIDE", "k < SIDE", "a · w"),
            ("coopStoreT(second", "coopStore(second", "a · vᵀ"),
        ];
        for (right, wrong, product) in bugs {
            let expected = format!("the product {product} of small whole numbers is wrong: ");
            let said = tried(device, side, change(right, wrong));
            if !said.as_ref().is_some_and(|s| s.starts_with(&expected)) {
                return Err(format!("{side}, `{wrong}`: said {said:?}, expected {expected}"));
            }
        }
    }
    Ok(())
}
