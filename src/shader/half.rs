//! Storage as f16: the text of a shader, with some bindings' elements half as large.
//!
//! An element is widened to f32 where it is read and rounded to nearest even where it is written, so the rest of the
//! shader, all of its arithmetic among it, stays as it is: one file serves both. A binding of `u32` that moves bits of
//! floats is widened to the bits of an f32.

use std::collections::{HashMap, HashSet};

/// The elements of a binding.
#[derive(Clone, Copy)]
struct Element<'a> {
    /// `""`, or `vec2` or `vec4`.
    vector: &'a str,
    /// Holds the bits of floats as u32.
    bits: bool,
}

impl<'a> Element<'a> {
    /// Of `f32`, `u32` and their vectors of two and four.
    fn parse(text: &'a str) -> Option<Element<'a>> {
        let (vector, scalar) = match text.split_once('<') {
            Some((vector @ ("vec2" | "vec4"), scalar)) => (vector, scalar.strip_suffix('>')?),
            Some(_) => return None,
            None => ("", text),
        };
        matches!(scalar, "f32" | "u32").then_some(Element { vector, bits: scalar == "u32" })
    }

    /// The type with elements of `scalar`.
    fn of(self, scalar: &str) -> String {
        if self.vector.is_empty() { scalar.to_owned() } else { format!("{}<{scalar}>", self.vector) }
    }

    fn widened(self, place: &str) -> String {
        let wide = format!("{}({place})", self.of("f32"));
        if self.bits { format!("bitcast<{}>({wide})", self.of("u32")) } else { wide }
    }

    fn rounded(self, value: &str) -> String {
        if self.bits {
            format!("{}(bitcast<{}>({value}))", self.of("f16"), self.of("f32"))
        } else {
            format!("{}({value})", self.of("f16"))
        }
    }
}

/// `source` with the bindings `names` stored as f16. Lines stay where they are.
pub(super) fn halved(source: &str, names: &[String]) -> Result<String, String> {
    let mut elements = HashMap::new();
    let mut own = HashSet::new();
    let mut text = String::with_capacity(source.len() + source.len() / 8);
    for line in source.lines() {
        let declared = names.iter().find(|name| line.contains("var<storage") && line.contains(&format!(" {name}: ")));
        match declared {
            // The shader reads and writes it as f16 itself.
            Some(name) if line.contains("f16>") => {
                own.insert(name.as_str());
                text.push_str(line);
            }
            Some(name) => text.push_str(&declaration(line, name, &mut elements)?),
            None => text.push_str(line),
        }
        text.push('\n');
    }
    if let Some(name) = names.iter().find(|name| !elements.contains_key(name.as_str()) && !own.contains(name.as_str()))
    {
        return Err(format!("has no storage binding '{name}'"));
    }
    // Before the first line, so that errors keep their lines.
    Ok(format!("enable f16; {}", rewritten(&text, &elements)?))
}

/// The declaration of `name` with elements of f16; notes what they were.
fn declaration<'a>(
    line: &'a str,
    name: &'a str,
    elements: &mut HashMap<&'a str, Element<'a>>,
) -> Result<String, String> {
    let odd = || format!("'{name}' cannot be stored as f16: `{}`", line.trim());
    let (before, rest) = line.split_once(": array<").ok_or_else(odd)?;
    let (element, after) = rest.split_once(">;").ok_or_else(odd)?;
    let found = Element::parse(element).ok_or_else(odd)?;
    elements.insert(name, found);
    Ok(format!("{before}: array<{}>;{after}", found.of("f16")))
}

/// `text` with every read and write of the elements converted.
fn rewritten(text: &str, elements: &HashMap<&str, Element>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("//") {
            let end = rest.find('\n').unwrap_or(rest.len());
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        } else if is_word(first) {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            match elements.get(word).filter(|_| after.starts_with('[') && !out.ends_with('.')) {
                Some(element) => rest = access(word, after, *element, elements, &mut out)?,
                None => {
                    out.push_str(word);
                    rest = after;
                }
            }
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    Ok(out)
}

/// Writes the access to an element of `name` whose index begins `text`, and returns what follows.
fn access<'t>(
    name: &str,
    text: &'t str,
    element: Element,
    elements: &HashMap<&str, Element>,
    out: &mut String,
) -> Result<&'t str, String> {
    let (index, after) = bracketed(text);
    let place = format!("{name}[{}]", rewritten(index, elements)?);
    let part = component(after);
    let follows = after[part.len()..].trim_start();
    if is_compound(follows) {
        return Err(format!("'{name}' is changed where it lies, which rounds twice in f16: `{}`", line_of(text)));
    }
    if !follows.starts_with('=') || follows.starts_with("==") {
        out.push_str(&element.widened(&place));
        return Ok(after);
    }
    let end = follows.find(';').ok_or_else(|| format!("an assignment to '{name}' has no end"))?;
    let value = rewritten(follows[1..end].trim(), elements)?;
    let written = if part.is_empty() { element } else { Element { vector: "", ..element } };
    out.push_str(&format!("{place}{} = {}", rewritten(part, elements)?, written.rounded(&value)));
    Ok(&follows[end..])
}

/// The text between the bracket that begins `text` and its partner, and what follows.
fn bracketed(text: &str) -> (&str, &str) {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        depth += i32::from(c == '[') - i32::from(c == ']');
        if depth == 0 {
            return (&text[1..at], &text[at + 1..]);
        }
    }
    (&text[1..], "")
}

/// A component of a vector that begins `text`, such as `.x` or `[j]`.
fn component(text: &str) -> &str {
    match text.chars().next() {
        Some('.') => &text[..1 + text[1..].find(|c| !is_word(c)).unwrap_or(text.len() - 1)],
        Some('[') => &text[..bracketed(text).0.len() + 2],
        _ => "",
    }
}

fn is_compound(text: &str) -> bool {
    ["+=", "-=", "*=", "/=", "%=", "|=", "&=", "^=", "++", "--"].iter().any(|operator| text.starts_with(operator))
}

fn line_of(text: &str) -> &str {
    text.lines().next().unwrap_or("").trim()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "@group(0) @binding(1) var<storage, read> x: array<f32>;   // (n)\n\
                        @group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;\n\
                        @group(0) @binding(3) var<storage, read> w: array<u32>;\n";

    fn body(code: &str, names: &[&str]) -> Result<String, String> {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let text = halved(&format!("{HEAD}{code}\n"), &names)?;
        Ok(text.lines().nth(3).unwrap_or("").to_owned())
    }

    #[test]
    fn reads_are_widened_and_writes_rounded() {
        for (code, expected) in [
            ("let v = x[i + 1u] * x[j];", "let v = f32(x[i + 1u]) * f32(x[j]);"),
            ("y[i] = vec4(x[x_at[i]]);", "y[i] = vec4<f16>(vec4(f32(x[x_at[i]])));"),
            ("y[i].x = y[i + 1u].z;", "y[i].x = f16(vec4<f32>(y[i + 1u]).z);"),
            ("y[i][u32(x[j])] = 1.0;", "y[i][u32(f32(x[j]))] = f16(1.0);"),
            ("if (x[i] == 0.0) { }", "if (f32(x[i]) == 0.0) { }"),
            ("let b = w[i >> 1u];", "let b = bitcast<u32>(f32(w[i >> 1u]));"),
            ("let c = params.x[0] + xx[1]; // x[2]", "let c = params.x[0] + xx[1]; // x[2]"),
        ] {
            assert_eq!(body(code, &["x", "y", "w"]).unwrap(), expected);
        }
        assert_eq!(body("let v = x[w[i]];", &["w"]).unwrap(), "let v = x[bitcast<u32>(f32(w[i]))];");
    }

    #[test]
    fn declarations_change_and_lines_stay() {
        let text = halved(HEAD, &["x".into(), "y".into()]).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "enable f16; @group(0) @binding(1) var<storage, read> x: array<f16>;   // (n)");
        assert_eq!(lines[1], "@group(0) @binding(2) var<storage, read_write> y: array<vec4<f16>>;");
        assert_eq!(lines[2], HEAD.lines().nth(2).unwrap());
    }

    #[test]
    fn what_a_shader_declares_as_f16_is_its_own() {
        let text = "@group(0) @binding(1) var<storage, read> a: array<vec4<f16>>;\nlet v = a[i];\n";
        assert_eq!(halved(text, &["a".into()]).unwrap(), format!("enable f16; {text}"));
    }

    #[test]
    fn what_cannot_be_stored_as_f16_is_said() {
        assert_eq!(body("", &["z"]).unwrap_err(), "has no storage binding 'z'");
        let twice = "'y' is changed where it lies, which rounds twice in f16: `[i] += a;`";
        assert_eq!(body("y[i] += a;", &["y"]).unwrap_err(), twice);
        let ids = "@group(0) @binding(1) var<storage, read> ids: array<i32>;\n";
        assert!(halved(ids, &["ids".into()]).unwrap_err().starts_with("'ids' cannot be stored as f16: "));
    }
}
