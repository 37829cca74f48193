//! Which tensor of a checkpoint is which weight of a model: the strict report.

use super::checkpoint::{Checkpoint, TensorInfo};
use super::convert;
use crate::error::{Error, Result};
use crate::file::excerpt;
use crate::kernel::Spec;
use crate::shape::Dims;
use crate::tensor::Dtype;

/// How many unused tensors an error names beside missing weights.
const NAMED: usize = 8;

/// A checkpoint that has every weight a model wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The name in the checkpoint of each wanted weight, in the order asked.
    pub names: Vec<String>,
    /// Tensors that nothing wants and that the model does not call ignorable: worth a notice.
    pub unused: Vec<String>,
}

impl Checkpoint {
    /// Finds every wanted weight and checks its shape and kind.
    ///
    /// A key is looked up as it is; then with one of `prefixes` before it, as a body's weights stand
    /// in the checkpoint of a model with a head; then without a prefix it has, as the head's body
    /// stands in the checkpoint of the body. Names of old checkpoints, `gamma` and `beta` for a norm's
    /// `weight` and `bias`, are known too. F16, BF16 and F64 fit wherever F32 is wanted.
    ///
    /// # Errors
    /// [`Error::Weights`] with all missing and mis-shaped weights.
    pub fn resolve(
        &self,
        wanted: &[(String, Spec)],
        prefixes: &[&str],
        ignorable: fn(&str) -> bool,
    ) -> Result<Resolved> {
        let (mut names, mut problems) = (Vec::with_capacity(wanted.len()), Vec::new());
        let (mut used, mut missing) = (std::collections::HashSet::new(), false);
        for (key, spec) in wanted {
            match self.find(key, prefixes) {
                Some(info) => {
                    problems.extend(mismatch(key, spec, info));
                    used.insert(info.name.as_str());
                    names.push(info.name.clone());
                }
                None => {
                    missing = true;
                    problems.push(format!("{key}: missing, expected {} {}", spec.dtype, Dims(&spec.shape)));
                }
            }
        }
        let unused = self.tensors().iter().map(|info| &info.name);
        let unused: Vec<String> =
            unused.filter(|name| !used.contains(name.as_str()) && !ignorable(name)).cloned().collect();
        if problems.is_empty() {
            return Ok(Resolved { names, unused });
        }
        let mut error = problems;
        if missing && !unused.is_empty() {
            // Usually the missing weights under other names.
            let rest = if unused.len() > NAMED { ", …" } else { "" };
            let some = unused.iter().take(NAMED).map(|name| excerpt(name)).collect::<Vec<_>>().join(", ");
            error.push(format!("not used by the model: {some}{rest} ({} in all)", unused.len()));
        }
        Err(Error::Weights { what: self.path().display().to_string(), problems: error })
    }

    fn find(&self, key: &str, prefixes: &[&str]) -> Option<&TensorInfo> {
        let prefixes = prefixes.iter().map(|prefix| prefix.trim_end_matches('.')).filter(|prefix| !prefix.is_empty());
        let longer = prefixes.clone().map(|prefix| format!("{prefix}.{key}"));
        let shorter = prefixes.filter_map(|prefix| key.strip_prefix(prefix)?.strip_prefix('.').map(str::to_owned));
        let names: Vec<String> = std::iter::once(key.to_owned()).chain(longer).chain(shorter).collect();
        let old = names.iter().filter_map(|name| old_name(name)).collect::<Vec<_>>();
        names.iter().chain(&old).find_map(|name| self.info(name))
    }
}

/// `LayerNorm.gamma` and `LayerNorm.beta` are the names of checkpoints converted from TensorFlow.
fn old_name(name: &str) -> Option<String> {
    let norm = |stem: &str| stem.ends_with("LayerNorm") || stem.ends_with("layer_norm");
    let renamed = [(".weight", ".gamma"), (".bias", ".beta")];
    renamed
        .iter()
        .find_map(|(new, old)| name.strip_suffix(new).filter(|stem| norm(stem)).map(|stem| format!("{stem}{old}")))
}

fn mismatch(key: &str, spec: &Spec, info: &TensorInfo) -> Option<String> {
    let shown = if info.name == key { key.to_owned() } else { format!("{key} (as {})", info.name) };
    if info.shape != spec.shape {
        let transposed = spec.shape.len() == 2 && info.shape.iter().rev().eq(&spec.shape);
        let hint = if transposed { ": it is transposed" } else { "" };
        return Some(format!("{shown}: {} in the file, expected {}{hint}", Dims(&info.shape), Dims(&spec.shape)));
    }
    // An f16 weight may come from f32: the engine asks for the rounding when it loads.
    let dtype = if spec.dtype == Dtype::F16 { Dtype::F32 } else { spec.dtype };
    convert::refuse(info.dtype, dtype).map(|message| format!("{shown}: {message}"))
}
