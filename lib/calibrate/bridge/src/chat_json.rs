//! The filter `tojson` of chat templates: `json.dumps` of Python, and its options.

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

const MAX_DEPTH: usize = 200;

struct Style {
    ascii: bool,
    indent: Option<String>,
    item: String,
    key: String,
    sort: bool,
}

fn refuse(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

/// `repr(float)`: the shortest digits that read back, exponents with a sign and two digits.
pub fn python_float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_string();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_string();
    }
    let text = format!("{value:?}");
    let Some((digits, exponent)) = text.split_once('e') else {
        return text;
    };
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(rest) => ('-', rest),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

fn push_string(text: &str, ascii: bool, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c if ascii && !c.is_ascii() => {
                let mut units = [0u16; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn scalar(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::None => Ok("null".to_string()),
        ValueKind::Bool => Ok(if value.is_true() { "true" } else { "false" }.to_string()),
        ValueKind::Number if value.is_integer() => Ok(value.to_string()),
        ValueKind::Number => f64::try_from(value.clone()).map(python_float),
        kind => Err(refuse(format!("tojson: {kind} is not JSON serializable"))),
    }
}

fn key_text(key: &Value) -> Result<String, Error> {
    match key.as_str() {
        Some(text) => Ok(text.to_string()),
        None => scalar(key),
    }
}

impl Style {
    fn line(&self, depth: usize, out: &mut String) {
        if let Some(indent) = &self.indent {
            out.push('\n');
            for _ in 0..depth {
                out.push_str(indent);
            }
        }
    }

    fn pairs(&self, state: &State, value: &Value, depth: usize, out: &mut String) -> Result<(), Error> {
        let mut pairs = Vec::new();
        for key in value.try_iter()? {
            let item = value.get_item(&key)?;
            pairs.push((key_text(&key)?, item));
        }
        if self.sort {
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
        }
        out.push('{');
        for (index, (key, item)) in pairs.iter().enumerate() {
            if index > 0 {
                out.push_str(&self.item);
            }
            self.line(depth + 1, out);
            push_string(key, self.ascii, out);
            out.push_str(&self.key);
            self.write(state, item, depth + 1, out)?;
        }
        if !pairs.is_empty() {
            self.line(depth, out);
        }
        out.push('}');
        Ok(())
    }

    fn items(&self, state: &State, value: &Value, depth: usize, out: &mut String) -> Result<(), Error> {
        let mut empty = true;
        out.push('[');
        for item in value.try_iter()? {
            if !empty {
                out.push_str(&self.item);
            }
            empty = false;
            self.line(depth + 1, out);
            self.write(state, &item, depth + 1, out)?;
        }
        if !empty {
            self.line(depth, out);
        }
        out.push(']');
        Ok(())
    }

    fn write(&self, state: &State, value: &Value, depth: usize, out: &mut String) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(refuse("tojson: the value is nested too deeply"));
        }
        let before = out.len();
        match value.kind() {
            ValueKind::String => push_string(value.as_str().unwrap_or_default(), self.ascii, out),
            ValueKind::Map => self.pairs(state, value, depth, out)?,
            ValueKind::Seq | ValueKind::Iterable => self.items(state, value, depth, out)?,
            _ => out.push_str(&scalar(value)?),
        }
        // What contains it is charged for it again: that bounds the depth as well.
        state.consume_fuel(1 + ((out.len() - before) / 64) as u64)
    }
}

/// A positional argument, or the one of that name.
fn argument(positional: Option<Value>, named: &Kwargs, name: &str) -> Result<Option<Value>, Error> {
    let given = match positional {
        Some(value) => Some(value),
        None => named.get::<Option<Value>>(name)?,
    };
    Ok(given.filter(|value| !value.is_none()))
}

fn indentation(value: &Value) -> Result<String, Error> {
    if let Some(text) = value.as_str() {
        return Ok(text.to_string());
    }
    let width = i64::try_from(value.clone())?;
    if width > 64 {
        return Err(refuse(format!("tojson: an indent of {width}")));
    }
    Ok(" ".repeat(usize::try_from(width).unwrap_or(0)))
}

fn separators(value: &Value) -> Result<(String, String), Error> {
    let texts: Vec<String> =
        value.try_iter()?.filter_map(|item| item.as_str().map(str::to_string)).take(3).collect();
    match <[String; 2]>::try_from(texts) {
        Ok([item, key]) => Ok((item, key)),
        Err(_) => Err(refuse("tojson: separators are two strings")),
    }
}

/// Arguments in the order of transformers' function: ensure_ascii, indent, separators, sort_keys.
pub fn tojson(state: &State, value: &Value, given: Rest<Value>, named: Kwargs) -> Result<Value, Error> {
    if given.len() > 4 {
        return Err(Error::from(ErrorKind::TooManyArguments));
    }
    let at = |index: usize, name: &str| argument(given.get(index).cloned(), &named, name);
    let indent = at(1, "indent")?.as_ref().map(indentation).transpose()?;
    let (item, key) = match at(2, "separators")? {
        Some(given) => separators(&given)?,
        None => (if indent.is_some() { "," } else { ", " }.to_string(), ": ".to_string()),
    };
    let style = Style {
        ascii: at(0, "ensure_ascii")?.is_some_and(|v| v.is_true()),
        indent,
        item,
        key,
        sort: at(3, "sort_keys")?.is_some_and(|v| v.is_true()),
    };
    named.assert_all_used()?;
    let mut out = String::new();
    style.write(state, value, 0, &mut out)?;
    Ok(Value::from(out))
}
