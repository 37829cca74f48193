//! Goldens made by PyTorch: `tests/data/layers/<case>` (its `meta.json` names the versions).

use std::path::Path;

use handmill::tensor::HostTensor;
use safetensors::SafeTensors;

use crate::row::Row;

/// The f32 tensor `name` of `tests/data/layers/<case>/<file>.safetensors`.
pub fn tensor(case: &str, file: &str, name: &str) -> HostTensor {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/layers/{case}/{file}.safetensors"));
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let tensors = SafeTensors::deserialize(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let view = tensors.tensor(name).unwrap_or_else(|e| panic!("{}: {name}: {e}", path.display()));
    assert_eq!(view.dtype(), safetensors::Dtype::F32, "{}: {name}", path.display());
    let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    HostTensor::f32(view.shape(), values.collect())
}

/// The layer's input.
pub fn input(case: &str) -> HostTensor {
    tensor(case, "inputs", "input")
}

/// The layer's weight `name`.
pub fn weight(case: &str, name: &str) -> HostTensor {
    tensor(case, "model", name)
}

/// `row` with the layer's output as the golden of its first output. PyTorch computed it in f32, at most
/// 8e-7 from f64.
pub fn golden(row: Row, case: &str) -> Row {
    row.golden(0, &tensor(case, "outputs", "output").to_f64(), 1e-6)
}
