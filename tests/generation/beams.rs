//! Beam search against every sequence there is.

use super::*;

/// The best of all sequences of at most `left` more tokens, by `Σ log p / n^penalty`; one of the token 2 ends.
fn best_of_all(
    logits: &mut Next<'_>,
    ids: &[i32],
    (n, left): (usize, usize),
    sum: f64,
    penalty: f64,
) -> Result<(f64, Vec<i32>), Failed> {
    if left == 0 || (n > 0 && ids.ends_with(&[2])) {
        return Ok((sum / (n as f64).powf(penalty), ids.to_vec()));
    }
    let scores: Vec<f64> = logits(ids)?.iter().map(|&l| f64::from(l)).collect();
    let total = scores.iter().map(|s| s.exp()).sum::<f64>().ln();
    let mut best = (f64::NEG_INFINITY, vec![]);
    for (id, score) in scores.iter().enumerate() {
        let next = [ids, &[id as i32]].concat();
        let found = best_of_all(logits, &next, (n + 1, left - 1), sum + score - total, penalty)?;
        if found.0 > best.0 {
            best = found;
        }
    }
    Ok(best)
}

pub fn searching(num_beams: usize, length_penalty: f64, early_stopping: EarlyStopping, most: usize) -> Rules {
    let beams = Beams { num_beams, length_penalty, early_stopping };
    Rules { max_new_tokens: most, eos: vec![2], beams, ..Rules::default() }
}

/// As many beams as there are sequences find the best one.
pub fn exhaustive(model: &Model, engine: &Engine) -> Check {
    let (of, config) = model.tiny;
    for seed in 0..3 {
        let context = Context::random(of, Config::parse("config.json", config)?, engine, seed)?;
        let prompt = vec![vec![0, 1], vec![1, 1]];
        for penalty in [0.0, 1.0, -1.5] {
            let rules = searching(27, penalty, EarlyStopping::Never, 3);
            let got = answers(&context, model.kind, &prompt, &[vec![1; 2], vec![1; 2]], &rules)?;
            for (row, prompt) in prompt.iter().enumerate() {
                let begin = if matches!(model.kind, Kind::Both(_)) { vec![start(&context)] } else { prompt.clone() };
                let mut next = |ids: &[i32]| logits(&context, model.kind, prompt, ids);
                let (_, want) = best_of_all(&mut next, &begin, (0, 3), 0.0, penalty)?;
                same(&format!("seed {seed}, row {row}, penalty {penalty}"), &got[row][..want.len()], &want)?;
                same("padding", got[row][want.len()..].iter().all(|&id| id == 2), true)?;
            }
        }
    }
    // Without caches, beams are the same.
    let Kind::Decoder(causal) = model.kind else { return Ok(()) };
    let context = open(model.case, engine)?;
    let rules = searching(4, 1.0, EarlyStopping::Likely, 9);
    let [kept, none] = [Cache::Kept, Cache::None].map(|cache| {
        let mut decoder = Decoder::open_rows(&context, causal, Rows { batch: 2, beams: 4 }, 14, cache)?;
        decoder.generate_rows(&[vec![7, 3, 1], vec![9]], &rules, &mut |_, _| {})
    });
    same("without caches", none?, kept?)
}

/// Beam search over logits that are a function of the last two tokens: the best of all, and no worse with fewer beams
/// than the greedy sequence.
pub fn toy_beams() -> Check {
    for seed in 0..40i32 {
        let toy = |ids: &[i32]| -> Vec<f32> {
            let [.., a, b] = ids else { return vec![0.0; 4] };
            (0..4).map(|id| ((seed * 31 + a * 7 + b * 13 + id * 29) as f32 * 0.7).sin() * 3.0).collect()
        };
        let mut next = |rows: &[Vec<i32>], _: &[usize]| {
            Ok(HostTensor::f32(&[rows.len(), 4], rows.iter().flat_map(|ids| toy(ids)).collect()))
        };
        for penalty in [-1.0, 0.0, 0.7, 1.0, 2.0] {
            let rules = searching(64, penalty, EarlyStopping::Never, 3);
            let got = generate(&mut next, &[vec![0, 1]], &rules, &mut |_, _| {})?;
            let (_, want) = best_of_all(&mut |ids| Ok(toy(ids)), &[0, 1], (0, 3), 0.0, penalty)?;
            same(&format!("seed {seed}, penalty {penalty}"), &got[0], &want)?;
        }
        // Nobody looks at how beams go on once the search is over.
        let early = searching(2, 1.0, EarlyStopping::AtOnce, 12);
        let mut calls = 0;
        let mut counted = |rows: &[Vec<i32>], from: &[usize]| {
            calls += 1;
            next(rows, from)
        };
        let ids = generate(&mut counted, &[vec![0, 1]], &early, &mut |_, _| {})?.remove(0);
        same("calls", calls >= ids.len() - 2 && calls <= 12, true)?;
    }
    Ok(())
}
