//! Text out of ids, piece by piece, and texts that end it.

use super::*;

/// Two tokenizers whose first ids are the bytes: of GPT-2's kind, where every token stands for bytes, and of Llama's, where
/// bytes are what no other token can say.
fn tokenizers() -> Result<[(&'static str, tempfile::NamedTempFile, Tokenizer); 2], Failed> {
    let plain = |b: u32| matches!(b, 33..=126 | 161..=172 | 174..=255);
    let mut others = 256..;
    let letter = |b: u32| if plain(b) { b } else { others.next().unwrap_or(b) };
    let letters: Vec<String> = (0..256).map(letter).map(|c| char::from_u32(c).unwrap_or(' ').to_string()).collect();
    let mut vocab: serde_json::Map<String, Value> = (0..256).map(|i| (letters[i].clone(), i.into())).collect();
    vocab.insert("ab".into(), 256.into());
    let special = json!([{"id": 257, "content": "<end>", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true}]);
    let levels = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false});
    let gpt2 = json!({"version": "1.0", "added_tokens": special, "pre_tokenizer": levels, "decoder": levels,
        "model": {"type": "BPE", "vocab": vocab, "merges": ["a b"]}});
    let mut vocab: serde_json::Map<String, Value> = (0..256).map(|i| (format!("<0x{i:02X}>"), i.into())).collect();
    vocab.insert("\u{2581}ab".into(), 256.into());
    let decoder = json!({"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "\u{2581}"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]});
    let llama = json!({"version": "1.0", "added_tokens": special, "decoder": decoder,
        "model": {"type": "BPE", "vocab": vocab, "merges": [], "byte_fallback": true}});
    let open = |name, json: Value| -> Result<_, Failed> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), json.to_string())?;
        let tokenizer = Tokenizer::open(file.path())?;
        Ok((name, file, tokenizer))
    };
    Ok([open("gpt2", gpt2)?, open("llama", llama)?])
}

pub fn bytes_tokenizer() -> Result<(tempfile::NamedTempFile, Tokenizer), Failed> {
    let [(_, file, tokenizer), _] = tokenizers()?;
    Ok((file, tokenizer))
}

/// Pieces of a stream make up the text of all ids, and none has half a character.
pub fn text_stream() -> Check {
    for (name, _, tokenizer) in &tokenizers()? {
        let mut random = 1u64;
        for round in 0..200 {
            let mut ids = vec![];
            for _ in 0..round % 40 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let characters = ["a", "ü", "漢", "🦀", " ", "\u{fffd}", "e\u{301}"];
                match (random >> 33) % 9 {
                    7 => ids.push(256),
                    8 => ids.push(257),
                    n => ids.extend(characters[n as usize].bytes().map(i32::from)),
                }
            }
            let mut stream = TextStream::new(tokenizer);
            let (mut pieces, mut last) = (vec![], ids.len());
            for (at, &id) in ids.iter().enumerate() {
                let piece = stream.push(id)?;
                if !piece.is_empty() {
                    last = at;
                }
                same("half a character", piece.ends_with('\u{fffd}'), false)?;
                pieces.push(piece);
            }
            pieces.push(stream.finish()?);
            same(
                &format!("{name}: {ids:?}, the last piece after {last}"),
                pieces.concat(),
                tokenizer.decode(&ids, true)?,
            )?;
            same("nothing is left", stream.finish()?, String::new())?;
        }
        // A prompt before it keeps the space that only the first of all tokens loses.
        let mut stream = TextStream::new(tokenizer).after(&[97, 256]);
        let space = if *name == "llama" { " ab" } else { "ab" };
        same("after a prompt", (stream.push(256)?.as_str(), stream.push(98)?.as_str()), (space, "b"))?;
        // Half a character is kept until the end.
        let mut stream = TextStream::new(tokenizer);
        let pieces = [97, 0xe6, 0xbc].map(|id| stream.push(id));
        let [a, half, more] = pieces;
        same("half", (a?.as_str(), half?.as_str(), more?.as_str()), ("a", "", ""))?;
        same("the rest", stream.finish()?.chars().all(|c| c == '\u{fffd}'), true)?;
        same("an id outside", stream.push(999).is_err(), true)?;
    }
    Ok(())
}

/// A stream ends before the first stop text, and what looked like one but is none comes out.
pub fn stop_texts() -> Check {
    let (_file, tokenizer) = bytes_tokenizer()?;
    let texts = ["a\n\nb", "a\n b\n", "xaabaab!", "ü\u{a0}ü", "stopstop", "no", "aaab", "\n", "abab"];
    let stops: [&[&str]; 8] =
        [&["\n\n"], &["aab!"], &["ü"], &["stop", "top"], &["\u{a0}"], &["aab", "ab"], &[""], &["zz", "baba"]];
    for text in texts {
        for stop in stops {
            let stop: Vec<String> = stop.iter().map(|s| (*s).to_owned()).collect();
            let mut stream = TextStream::until(&tokenizer, &stop);
            let mut shown = String::new();
            for id in tokenizer.encode(text, false)? {
                shown += &stream.push(id)?;
                same("a prefix", text.starts_with(&shown), true)?;
            }
            let end = stop.iter().filter(|s| !s.is_empty()).filter_map(|s| text.find(s.as_str())).min();
            same(&format!("{text:?} until {stop:?}"), stream.stopped(), end.is_some())?;
            shown += &stream.finish()?;
            same(&format!("{text:?} before {stop:?}"), shown.as_str(), &text[..end.unwrap_or(text.len())])?;
        }
    }
    Ok(())
}
