//! A batch gives what its rows give alone: bit for bit where the plans chose the same kernels, else within the fixture's
//! tolerance.

use handmill::engine::{Engine, Tensors};

use crate::{Check, Fixture, Row, cases, data, slice};

/// Layers that stand for themselves: what they do is a row of the tests of kernels, or has no batch.
const FAMILIES: &[&str] = &["attention", "feedforward", "generative", "recurrent", "transformers"];

pub fn rows() -> Vec<(String, Row)> {
    let wanted = |case: &String| FAMILIES.contains(&case.split('/').next().unwrap_or_default());
    let row = |case: String| -> (String, Row) {
        let name = format!("batch/{case}");
        (name, Box::new(move |engine| alone(&case, engine)))
    };
    let cases: Vec<_> = cases().into_iter().filter(wanted).collect();
    assert!(cases.len() >= 60, "only {} cases", cases.len());
    cases.into_iter().map(row).collect()
}

/// The axis of the batch, if `tensor` has one.
fn axis(case: &str, tensor: &str) -> Option<usize> {
    let time_first = [
        "attention/mha_causal",
        "attention/transformer_encoder_layer_pre_norm",
        "recurrent/gru",
        "recurrent/lstm_projection",
    ];
    let time_first = time_first.contains(&case);
    match (case, tensor) {
        (_, "attn_mask" | "tgt_mask" | "src_mask") => None,
        (_, "h_0" | "c_0" | "h_n" | "c_n") => Some(1),
        // Images are the rows, and every row has all texts.
        ("transformers/clip", "input_ids" | "attention_mask" | "text_embeds") => None,
        ("transformers/clip", "logits_per_text") => Some(1),
        (_, "query" | "key" | "value" | "attn_output" | "input" | "output" | "src") if time_first => Some(1),
        _ => Some(0),
    }
}

fn alone(case: &str, engine: &Engine) -> Check {
    let fixture = Fixture::open(case, engine)?;
    let (together, planned) = fixture.run(&fixture.inputs)?;
    let sizes = fixture.inputs.iter().filter_map(|(name, t)| Some(t.shape()[axis(case, name)?]));
    let rows = sizes.min().ok_or("no input has a batch")?;
    if rows < 2 {
        return Err(format!("{} has {rows} rows", data().join(case).display()).into());
    }
    for row in [0, rows - 1] {
        let one = |(name, t): (&String, &_)| {
            (name.clone(), axis(case, name).map_or_else(|| Clone::clone(t), |axis| slice(t, axis, row, 1)))
        };
        let inputs: Tensors = fixture.inputs.iter().map(one).collect();
        let (got, alone) = fixture.run(&inputs)?;
        for (name, want) in together.iter().filter(|(name, _)| !name.starts_with("debug.")) {
            let want = axis(case, name).map_or_else(|| want.clone(), |axis| slice(want, axis, row, 1));
            let atol = if alone == planned { 0.0 } else { fixture.atol(name) };
            fixture.near(&format!("{name} of row {row} alone"), &got[name], &want, atol)?;
        }
    }
    Ok(())
}
