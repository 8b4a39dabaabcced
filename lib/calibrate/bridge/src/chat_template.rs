//! The functions `bantam_template_*`: chat templates as transformers renders them. Its environment is Jinja's
//! with trim_blocks, lstrip_blocks, loop controls, `raise_exception`, `strftime_now`, its own `tojson`, and the tag
//! `generation`, which changes nothing of the text.

use crate::boundary::{guard, OwnedText, Text};
use crate::local_time::LocalTime;
use crate::{bounded, chat_json, chat_methods};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Value};
use std::ptr::null_mut;
use std::time::Duration;

/// What one rendering may use: an instruction costs 1, and so do 64 bytes of text that it makes or looks at.
const FUEL: u64 = 4_000_000;
/// What fuel does not see is bounded by these.
const LIMITS: bounded::Limits = bounded::Limits { bytes: 512 << 20, time: Duration::from_secs(20) };
const RAISED: &str = "the template refuses the messages: ";
/// Names of a message's reasoning; the first is the one that templates are given.
const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

pub struct BantamTemplate {
    source: String,
}

fn describe(error: &Error) -> String {
    let what = match error.kind() {
        ErrorKind::OutOfFuel => "the template does not end: it was stopped after 4 million steps".to_string(),
        kind => error.detail().map_or_else(|| kind.to_string(), str::to_string),
    };
    match error.line() {
        Some(line) => format!("line {line}: {what}"),
        None => what,
    }
}

fn environment(now: Option<LocalTime>) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.set_unknown_method_callback(chat_methods::call);
    environment.add_filter("tojson", chat_json::tojson);
    environment.add_filter("title", |text: String| chat_methods::title_words(&text));
    environment.add_filter("trim", |value: &Value, characters: Option<&str>| chat_methods::trim(value, characters));
    environment.add_function("raise_exception", |message: &Value| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, format!("{RAISED}{message}")))
    });
    environment.add_function("strftime_now", move |format: &str| {
        let now = now.ok_or_else(|| "there is no time".to_string());
        now.and_then(|now| now.format(format)).map_err(|e| Error::new(ErrorKind::InvalidOperation, e))
    });
    Ok(environment)
}

/// Where a string that begins at `at` ends: behind its quote.
fn end_of_string(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != bytes[at] {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(bytes.len())
}

/// Where an expression or tag whose inside begins at `at` ends: behind `close`.
fn end_of_code(bytes: &[u8], mut at: usize, close: &[u8]) -> usize {
    while at < bytes.len() {
        if bytes[at..].starts_with(close) {
            return at + close.len();
        }
        at = if matches!(bytes[at], b'"' | b'\'') { end_of_string(bytes, at) } else { at + 1 };
    }
    at
}

fn end_of_text(source: &str, at: usize, close: &str) -> usize {
    source[at..].find(close).map_or(source.len(), |found| at + found + close.len())
}

/// The name of the tag whose inside begins at `at`: `if` of `{%- if`.
fn tag_name(source: &str, at: usize) -> &str {
    let inside = source[at..].trim_start_matches(['-', '+']).trim_start();
    let end = inside.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(inside.len());
    &inside[..end]
}

/// Jinja's engine here has no tags of users: `generation` becomes `with`, which scopes what is set in it just so.
fn without_generation_tags(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = String::with_capacity(source.len());
    let mut done = 0;
    let mut at = 0;
    while let Some(found) = source[at..].find('{') {
        let open = at + found;
        at = match bytes.get(open + 1) {
            Some(b'#') => end_of_text(source, open + 2, "#}"),
            Some(b'{') => end_of_code(bytes, open + 2, b"}}"),
            Some(b'%') => {
                let name = tag_name(source, open + 2);
                let end = end_of_code(bytes, open + 2, b"%}");
                if name == "generation" || name == "endgeneration" {
                    let start = name.as_ptr() as usize - source.as_ptr() as usize;
                    out.push_str(&source[done..start]);
                    out.push_str(if name == "generation" { "with" } else { "endwith" });
                    done = start + name.len();
                }
                match name {
                    "raw" => end_of_text(source, end, "endraw"),
                    _ => end,
                }
            }
            _ => open + 1,
        };
    }
    out.push_str(&source[done..]);
    out
}

fn set(pairs: &mut Vec<(String, Value)>, key: &str, value: Value) {
    match pairs.iter_mut().find(|(name, _)| name == key) {
        Some(pair) => pair.1 = value,
        None => pairs.push((key.to_string(), value)),
    }
}

/// As transformers hands messages to templates: without keys that are null, reasoning under its usual names.
fn message(value: &Value) -> Result<Value, String> {
    let mut pairs = Vec::new();
    for key in value.try_iter().map_err(|e| e.to_string())? {
        let item = value.get_item(&key).map_err(|e| e.to_string())?;
        if !item.is_none() {
            pairs.push((key.to_string(), item));
        }
    }
    let reasoning =
        REASONING.iter().find_map(|name| pairs.iter().find(|(key, _)| key == name)).map(|pair| pair.1.clone());
    if let Some(reasoning) = reasoning {
        if !pairs.iter().any(|(key, _)| key == "thinking") {
            pairs.insert(0, ("thinking".to_string(), reasoning.clone()));
        }
        set(&mut pairs, REASONING[0], reasoning);
    }
    Ok(Value::from_pairs(pairs))
}

fn parse(json: &[u8], what: &str) -> Result<Value, String> {
    serde_json::from_slice(json).map_err(|e| format!("{what}: {e}"))
}

fn messages(json: &[u8]) -> Result<Value, String> {
    let list = parse(json, "messages")?;
    if list.kind() != ValueKind::Seq {
        return Err("messages: a list was expected".to_string());
    }
    let mut all = Vec::new();
    for (index, item) in list.try_iter().map_err(|e| e.to_string())?.enumerate() {
        if item.kind() != ValueKind::Map {
            return Err(format!("message {}: an object was expected", index + 1));
        }
        all.push(message(&item)?);
    }
    Ok(Value::from(all))
}

fn open(source: String) -> Result<BantamTemplate, String> {
    let source = without_generation_tags(&source);
    let environment = environment(None).map_err(|e| describe(&e))?;
    environment.template_from_str(&source).map_err(|e| describe(&e))?;
    Ok(BantamTemplate { source })
}

/// Copies of everything that one rendering reads.
struct Rendering {
    source: String,
    messages: Vec<u8>,
    tools: Vec<u8>,
    variables: Vec<u8>,
    now: LocalTime,
}

impl Rendering {
    fn run(&self) -> Result<String, String> {
        let (tools, variables) = (&self.tools, &self.variables);
        let tools = if tools.is_empty() { Value::from(()) } else { parse(tools, "tools")? };
        let mut context = vec![
            (Value::from("messages"), messages(&self.messages)?),
            (Value::from("tools"), tools),
            (Value::from("documents"), Value::from(())),
        ];
        let variables = parse(variables, "variables")?;
        for key in variables.try_iter().map_err(|e| e.to_string())? {
            let item = variables.get_item(&key).map_err(|e| e.to_string())?;
            context.push((key, item));
        }
        let environment = environment(Some(self.now)).map_err(|e| describe(&e))?;
        let template = environment.template_from_str(&self.source).map_err(|e| describe(&e))?;
        template.render(Value::from_pairs(context)).map_err(|e| describe(&e))
    }
}

/// # Safety
/// `source` is valid for the call; so is `error`, or null (here and below).
#[no_mangle]
pub unsafe extern "C" fn bantam_template_open(source: Text, error: *mut OwnedText) -> *mut BantamTemplate {
    guard(error, null_mut(), || {
        let source = source.utf8()?.to_string();
        Ok(Box::into_raw(Box::new(bounded::run(LIMITS, move || open(source))?)))
    })
}

/// # Safety
/// `chat` comes from `bantam_template_open`, or is null, and is not used any more.
#[no_mangle]
pub unsafe extern "C" fn bantam_template_close(chat: *mut BantamTemplate) {
    if !chat.is_null() {
        drop(Box::from_raw(chat));
    }
}

/// # Safety
/// `chat` is open and the texts are valid for the call.
#[no_mangle]
pub unsafe extern "C" fn bantam_template_render(
    chat: *const BantamTemplate,
    messages: Text,
    tools: Text,
    variables: Text,
    now: LocalTime,
    error: *mut OwnedText,
) -> OwnedText {
    guard(error, OwnedText::none(), || {
        let rendering = Rendering {
            source: (*chat).source.clone(),
            messages: messages.bytes().to_vec(),
            tools: tools.bytes().to_vec(),
            variables: variables.bytes().to_vec(),
            now,
        };
        bounded::run(LIMITS, move || rendering.run()).map(OwnedText::from)
    })
}
