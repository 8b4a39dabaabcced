//! Methods of Python's strings that templates call: what minijinja-contrib leaves out or has otherwise.

use minijinja::value::{from_args, Kwargs, Tuple};
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat;

/// `str.isspace`: Unicode white space and four separators of ASCII that Rust does not count.
fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// `str.strip`, `lstrip` and `rstrip`; `characters`: a set, white space when absent.
pub fn strip<'a>(text: &'a str, characters: Option<&str>, left: bool, right: bool) -> &'a str {
    let matches = |c: char| characters.map_or_else(|| is_space(c), |set| set.contains(c));
    let text = if left { text.trim_start_matches(matches) } else { text };
    if right {
        text.trim_end_matches(matches)
    } else {
        text
    }
}

/// The filter `trim`.
pub fn trim(value: &Value, characters: Option<&str>) -> Value {
    match value.as_str() {
        Some(text) => Value::from(strip(text, characters, true, true)),
        None => Value::from(strip(&value.to_string(), characters, true, true)),
    }
}

/// `str.title`: letters behind what is no letter become upper case.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for character in text.chars() {
        if inside {
            out.extend(character.to_lowercase());
        } else {
            out.extend(character.to_uppercase());
        }
        inside = character.is_alphabetic();
    }
    out
}

/// The filter `title`: words begin behind white space and the characters -({[<.
pub fn title_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for character in text.chars() {
        if inside {
            out.extend(character.to_lowercase());
        } else {
            out.extend(character.to_uppercase());
        }
        inside = !is_space(character) && !"-({[<".contains(character);
    }
    out
}

/// `str.splitlines`.
fn split_lines(text: &str, keep_ends: bool) -> Vec<&str> {
    let is_end = |c: char| {
        matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
    };
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(is_end) {
        let first = rest[at..].chars().next().map_or(1, char::len_utf8);
        let end = at + if rest[at..].starts_with("\r\n") { 2 } else { first };
        lines.push(if keep_ends { &rest[..end] } else { &rest[..at] });
        rest = &rest[end..];
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

fn limit(count: Option<i64>) -> usize {
    count.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX - 1)
}

/// `str.split()` without a separator, at most `limit` times, from the left or the right.
fn split_spaces(text: &str, limit: usize, from_right: bool) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = strip(text, None, !from_right, from_right);
    while !rest.is_empty() {
        let cut = if from_right { rest.rfind(is_space) } else { rest.find(is_space) };
        match cut {
            Some(at) if parts.len() < limit => {
                let width = rest[at..].chars().next().map_or(1, char::len_utf8);
                let (part, other) =
                    if from_right { (&rest[at + width..], &rest[..at]) } else { (&rest[..at], &rest[at + width..]) };
                parts.push(part);
                rest = strip(other, None, !from_right, from_right);
            }
            _ => {
                parts.push(rest); // white space on its far side stays, as in Python
                break;
            }
        }
    }
    if from_right {
        parts.reverse();
    }
    parts
}

fn split(text: &str, separator: Option<&str>, count: Option<i64>, from_right: bool) -> Result<Value, Error> {
    let limit = limit(count);
    let parts: Vec<&str> = match separator {
        None => split_spaces(text, limit, from_right),
        Some("") => return Err(Error::new(ErrorKind::InvalidOperation, "split: empty separator")),
        Some(separator) if from_right => {
            let mut parts: Vec<&str> = text.rsplitn(limit + 1, separator).collect();
            parts.reverse();
            parts
        }
        Some(separator) => text.splitn(limit + 1, separator).collect(),
    };
    Ok(parts.into_iter().map(Value::from).collect())
}

fn partition(text: &str, separator: &str, from_right: bool) -> Value {
    let found = if from_right { text.rsplit_once(separator) } else { text.split_once(separator) };
    let parts = match found {
        Some((before, after)) => [before, separator, after],
        None if from_right => ["", "", text],
        None => [text, "", ""],
    };
    Value::from(Tuple::from(parts.map(Value::from)))
}

fn of_string(text: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "strip" | "lstrip" | "rstrip" => {
            let (characters,): (Option<&str>,) = from_args(args)?;
            Value::from(strip(text, characters, method != "rstrip", method != "lstrip"))
        }
        "split" | "rsplit" => {
            let (separator, count, named): (Option<&str>, Option<i64>, Kwargs) = from_args(args)?;
            let separator = separator.or(named.get("sep")?);
            let count = count.or(named.get("maxsplit")?);
            named.assert_all_used()?;
            split(text, separator, count, method == "rsplit")?
        }
        "splitlines" => {
            let (keep_ends, named): (Option<bool>, Kwargs) = from_args(args)?;
            let keep_ends = keep_ends.or(named.get("keepends")?);
            named.assert_all_used()?;
            split_lines(text, keep_ends.unwrap_or(false)).into_iter().map(Value::from).collect()
        }
        "title" => {
            let () = from_args(args)?;
            Value::from(title(text))
        }
        "partition" | "rpartition" => {
            let (separator,): (&str,) = from_args(args)?;
            partition(text, separator, method == "rpartition")
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            Value::from(text.strip_prefix(prefix).unwrap_or(text))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            Value::from(text.strip_suffix(suffix).unwrap_or(text))
        }
        _ => return Ok(None),
    }))
}

pub fn call(state: &mut State, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        if let Some(result) = of_string(text, method, args)? {
            return Ok(result);
        }
    }
    pycompat::unknown_method_callback(state, value, method, args)
}
