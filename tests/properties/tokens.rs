//! Sequences: what comes later changes nothing before it, and padding changes nothing at all.

use handmill::engine::Engine;
use handmill::tensor::HostTensor;

use crate::{Check, Fixture, Row, changed, padded, slice};

/// Models that read from left to right: the input, its axis of time, the output, its axis of time.
const CAUSAL: &[(&str, &str, usize, &str, usize)] = &[
    ("attention/masked_self_attention_layer", "input", 1, "output", 1),
    ("attention/transformer", "decoder_input_ids", 1, "logits", 1),
    ("attention/transformer_pre_norm", "decoder_input_ids", 1, "logits", 1),
    ("feedforward/conv1d_sequence", "input", 1, "logits", 1),
    ("recurrent/attention_captioner", "input_ids", 1, "logits", 1),
    ("recurrent/attention_captioner_plain", "input_ids", 1, "logits", 1),
    ("recurrent/attention_seq2seq", "decoder_input_ids", 1, "logits", 1),
    ("recurrent/char_language_model_embedding", "input_ids", 1, "logits", 1),
    ("recurrent/char_language_model_lstm", "input_ids", 1, "logits", 1),
    ("recurrent/char_language_model_one_hot", "input_ids", 1, "logits", 1),
    ("recurrent/gru", "input", 0, "output", 0),
    ("recurrent/lstm", "input", 1, "output", 1),
    ("recurrent/many_to_many", "input", 1, "logits", 1),
    ("recurrent/rnn_tanh", "input", 1, "output", 1),
    ("recurrent/seq2seq", "decoder_input_ids", 1, "logits", 1),
    ("transformers/bart", "decoder_input_ids", 1, "logits", 1),
    ("transformers/clip_text", "input_ids", 1, "last_hidden_state", 1),
    ("transformers/gpt2", "input_ids", 1, "logits", 1),
    ("transformers/llama", "input_ids", 1, "logits", 1),
    ("transformers/llama3_rope", "input_ids", 1, "logits", 1),
    ("transformers/t5", "decoder_input_ids", 1, "logits", 1),
    ("transformers/t5_v1_1", "decoder_input_ids", 1, "logits", 1),
];

/// Models with a mask: the ids and their mask, the output, whether it has an axis of the same tokens, and on which side
/// padding may stand. GPT-2 and BERT count positions from the first column, so that padding before a text moves it.
const PADDED: &[(&str, &str, bool, bool)] = &[
    ("recurrent/attention_seq2seq", "logits", false, false),
    ("transformers/bart", "logits", false, false),
    ("transformers/bert", "last_hidden_state", true, false),
    ("transformers/bert_masked_lm", "logits", true, false),
    ("transformers/bert_sequence_classification", "logits", false, false),
    ("transformers/gpt2", "logits", true, false),
    ("transformers/llama", "logits", true, false),
    ("transformers/llama", "logits", true, true),
    ("transformers/llama3_rope", "logits", true, true),
    ("transformers/t5", "logits", false, false),
    ("transformers/t5", "logits", false, true),
    ("transformers/t5_v1_1", "logits", false, true),
];

pub fn rows() -> Vec<(String, Row)> {
    let mut rows: Vec<(String, Row)> = vec![];
    for &(case, input, axis, output, out_axis) in CAUSAL {
        let row = move |engine: &Engine| later(case, engine, (input, axis), (output, out_axis));
        rows.push((format!("later/{case}"), Box::new(row)));
    }
    for &(case, output, tokens, left) in PADDED {
        let side = if left { "left" } else { "right" };
        let row = move |engine: &Engine| padding(case, engine, output, tokens, left);
        rows.push((format!("padding/{side}/{case}"), Box::new(row)));
    }
    rows
}

/// Other values in the last places change the last outputs and no bit of those before.
fn later(case: &str, engine: &Engine, (input, axis): (&str, usize), (output, out_axis): (&str, usize)) -> Check {
    let mut fixture = Fixture::open(case, engine)?;
    // A mask that hides the last places would make this a test of nothing.
    if let Some(mask) = fixture.inputs.get_mut("attention_mask").filter(|_| input == "input_ids") {
        *mask = HostTensor::i32(mask.shape(), vec![1; mask.len()]);
    }
    let (want, _) = fixture.run(&fixture.inputs)?;
    let length = fixture.inputs[input].shape()[axis];
    for from in [length - 1, length / 2] {
        let mut inputs = fixture.inputs.clone();
        let other = (from..length).fold(inputs[input].clone(), |t, at| changed(&t, axis, at));
        inputs.insert(input.to_owned(), other);
        let (got, _) = fixture.run(&inputs)?;
        let before = |t: &HostTensor| slice(t, out_axis, 0, from);
        let after = |t: &HostTensor| slice(t, out_axis, from, length - from);
        fixture.near(&format!("{output} before {from}"), &before(&got[output]), &before(&want[output]), 0.0)?;
        if after(&got[output]) == after(&want[output]) {
            return Err(format!("{case}: {output} from {from} on is as it was with other inputs there").into());
        }
    }
    Ok(())
}

/// Columns that a mask hides change nothing, whatever ids they hold.
fn padding(case: &str, engine: &Engine, output: &str, tokens: bool, left: bool) -> Check {
    let mut fixture = Fixture::open(case, engine)?;
    // Room for more columns, in models whose positions end.
    for name in ["input_ids", "attention_mask", "token_type_ids", "decoder_input_ids"] {
        if let Some(t) = fixture.inputs.get_mut(name) {
            *t = slice(t, 1, 0, t.shape()[1].min(6));
        }
    }
    let mask = &fixture.inputs["attention_mask"];
    let mask = HostTensor::i32(mask.shape(), vec![1; mask.len()]);
    fixture.inputs.insert("attention_mask".into(), mask);
    let (want, _) = fixture.run(&fixture.inputs)?;
    let length = fixture.inputs["input_ids"].shape()[1];
    let sides = if left { [3, 0] } else { [0, 3] };
    for id in [0.0, 5.0] {
        let mut inputs = fixture.inputs.clone();
        for (name, value) in [("input_ids", id), ("attention_mask", 0.0), ("token_type_ids", 0.0)] {
            if let Some(t) = inputs.get_mut(name) {
                *t = padded(t, 1, sides, value);
            }
        }
        let (got, _) = fixture.run(&inputs)?;
        let got = if tokens { slice(&got[output], 1, sides[0], length) } else { got[output].clone() };
        fixture.near(&format!("{output} beside padding of {id}"), &got, &want[output], fixture.atol(output))?;
    }
    Ok(())
}
