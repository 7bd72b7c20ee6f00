//! Whether a file has the shape that its schema asks for: keys, types, words, ranges. All that is wrong at once.
//!
//! What is refused is taken out of the tree and its surroundings are marked as damaged, so that the rules behind can go
//! on with the rest without drawing conclusions from the hole.

use serde_json::Value as Json;
use std::collections::BTreeMap;

use stead_core::ids::nearest;

use crate::grammar::scalar::Form;
use crate::node::{Mark, Node, Scalar, Value};
use crate::problem::{Code, Problem};

/// Words people know from elsewhere, and what the grammar calls them.
const HINTS: [(&str, &str); 18] = [
    ("depends_on", "needs"),
    ("depends", "needs"),
    ("requires", "needs"),
    ("healthcheck", "checks"),
    ("probes", "checks"),
    ("container_name", "container"),
    ("networks", "network_mode"),
    ("network", "network_mode"),
    ("env", "environment"),
    ("env_file", "environment"),
    ("memory", "mem_limit"),
    ("cmd", "command"),
    ("entrypoint", "command"),
    ("enabled", "monitor"),
    ("disabled", "suspended"),
    ("interval", "every"),
    ("cron", "schedule"),
    ("tags", "labels"),
];

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Types {
    text: bool,
    int: bool,
    number: bool,
    bool: bool,
    list: bool,
    map: bool,
}

/// A schema, compiled.
#[derive(Debug, Default)]
pub struct Shape {
    types: Types,
    words: Vec<String>,
    fields: BTreeMap<String, Shape>,
    /// Values of a map whose keys are free.
    rest: Option<Box<Shape>>,
    items: Option<Box<Shape>>,
    required: Vec<String>,
    min: Option<f64>,
    max: Option<f64>,
    form: Option<Form>,
    /// Keys that start with `x-` are left alone.
    extensions: bool,
}

impl Shape {
    pub fn compile(schema: &Json) -> Shape {
        let texts = |key: &str| -> Vec<String> {
            match &schema[key] {
                Json::Array(items) => items
                    .iter()
                    .filter_map(|i| i.as_str().map(str::to_owned))
                    .collect(),
                Json::String(one) => vec![one.clone()],
                _ => Vec::new(),
            }
        };
        let mut words = texts("enum");
        for choice in schema["oneOf"].as_array().into_iter().flatten() {
            words.extend(choice["const"].as_str().map(str::to_owned));
            words.extend(
                choice["enum"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|w| w.as_str().map(str::to_owned)),
            );
        }
        let types = texts("type");
        let has = |word: &str| types.iter().any(|t| t == word);
        let sub = |key: &str| {
            schema[key]
                .is_object()
                .then(|| Box::new(Shape::compile(&schema[key])))
        };
        Shape {
            types: Types {
                text: has("string") || !words.is_empty(),
                int: has("integer") || has("number"),
                number: has("number"),
                bool: has("boolean"),
                list: has("array"),
                map: has("object"),
            },
            words,
            fields: schema["properties"]
                .as_object()
                .map(|fields| {
                    fields
                        .iter()
                        .map(|(k, v)| (k.clone(), Shape::compile(v)))
                        .collect()
                })
                .unwrap_or_default(),
            rest: sub("additionalProperties"),
            items: sub("items"),
            required: texts("required"),
            min: schema["minimum"].as_f64(),
            max: schema["maximum"].as_f64(),
            form: schema["x-stead"].as_str().and_then(Form::of_word),
            extensions: schema.get("patternProperties").is_some(),
        }
    }

    /// What is wrong with `root`. It is left with what fits.
    pub fn check(&self, file: &str, root: &mut Node) -> Vec<Problem> {
        let mut sink = Sink {
            file,
            problems: Vec::new(),
        };
        let start = Mark {
            line: 1,
            column: 1,
            length: 0,
        };
        if !self.fit("the file", start, root, &mut sink) {
            *root = Node {
                damaged: true,
                ..Node::null()
            };
        }
        root.sort();
        sink.problems
    }

    /// Checks one value under `key`; false when it has to be taken out.
    fn fit(&self, key: &str, key_at: Mark, node: &mut Node, sink: &mut Sink<'_>) -> bool {
        let at = if node.at.line == 0 { key_at } else { node.at };
        match &mut node.value {
            Value::Null if self.types.map => {
                node.damaged |= self.missing(key, key_at, &[], sink);
                true
            }
            Value::Null if self.types.list => true,
            Value::Scalar(scalar, text) if self.takes(scalar) => {
                self.scalar(key, at, scalar, text, sink)
            }
            Value::List(items) if self.types.list => {
                let before = items.len();
                if let Some(shape) = &self.items {
                    items.retain_mut(|item| {
                        let at = item.at;
                        shape.fit(key, at, item, sink)
                    });
                }
                node.damaged |= items.len() != before;
                true
            }
            Value::Map(_) if self.types.map => {
                self.map(key, key_at, node, sink);
                true
            }
            _ => {
                let help = self.type_help(node);
                let message = format!("`{key}` takes {}, found {}", self.expected(), node.what());
                sink.push(at, Code::WrongType, message, help);
                false
            }
        }
    }

    fn takes(&self, scalar: &Scalar) -> bool {
        match scalar {
            Scalar::Bool(_) => self.types.bool,
            Scalar::Int(_) => self.types.int,
            Scalar::Float(_) => self.types.number,
            Scalar::Text => self.types.text,
        }
    }

    fn scalar(
        &self,
        key: &str,
        at: Mark,
        scalar: &Scalar,
        text: &str,
        sink: &mut Sink<'_>,
    ) -> bool {
        if !self.words.is_empty() && !self.words.iter().any(|w| w == text) {
            let near = nearest(text, self.words.iter().map(String::as_str));
            let help = match near {
                Some(word) => format!("did you mean `{word}`? Known: {}", self.words.join(", ")),
                None => format!("known: {}", self.words.join(", ")),
            };
            sink.push(
                at,
                Code::UnknownWord,
                format!("`{key}` does not know {:?}", shorten(text)),
                help,
            );
            return false;
        }
        if let Some(form) = self.form
            && let Err(why) = form.check(text)
        {
            sink.push(
                at,
                form.code(),
                format!("`{key}`: {}", shorten(&why)),
                form.help(),
            );
            return false;
        }
        let number = match scalar {
            Scalar::Int(n) => *n as f64,
            Scalar::Float(n) => *n,
            _ => return true,
        };
        if self.min.is_some_and(|min| number < min) || self.max.is_some_and(|max| number > max) {
            let help = match (self.min, self.max) {
                (Some(min), Some(max)) => format!("write a number from {min} to {max}"),
                (Some(min), None) => format!("write a number from {min} up"),
                (_, max) => format!("write a number up to {}", max.unwrap_or(f64::MAX)),
            };
            sink.push(
                at,
                Code::OutOfRange,
                format!("`{key}` is {text}, which is out of range"),
                help,
            );
            return false;
        }
        true
    }

    fn map(&self, key: &str, key_at: Mark, node: &mut Node, sink: &mut Sink<'_>) {
        let Value::Map(entries) = &mut node.value else {
            return;
        };
        let mut given = Vec::with_capacity(entries.len());
        let mut damaged = false;
        entries.retain_mut(|entry| {
            if self.extensions && entry.key.starts_with("x-") {
                return false;
            }
            given.push(entry.key.clone());
            let kept = match self.fields.get(&entry.key).or(self.rest.as_deref()) {
                Some(shape) => {
                    shape.fit(&shorten(&entry.key), entry.key_at, &mut entry.value, sink)
                }
                None => {
                    self.unknown_key(&entry.key, entry.key_at, sink);
                    false
                }
            };
            damaged |= !kept;
            kept
        });
        node.damaged |= damaged | self.missing(key, key_at, &given, sink);
    }

    fn unknown_key(&self, key: &str, at: Mark, sink: &mut Sink<'_>) {
        if sink.full() {
            return;
        }
        let known = || self.fields.keys().map(String::as_str);
        let hint = HINTS
            .iter()
            .find(|(from, to)| *from == key && self.fields.contains_key(*to))
            .map(|(_, to)| *to);
        let near = hint.map(str::to_owned).or_else(|| nearest(key, known()));
        let all = known().collect::<Vec<_>>().join(", ");
        let help = match near {
            Some(word) => format!("did you mean `{word}`?"),
            None => format!("known keys here: {all}"),
        };
        sink.push(
            at,
            Code::UnknownKey,
            format!("unknown key `{}`", shorten(key)),
            help,
        );
    }

    /// Names required keys that are not there; true if there are any.
    fn missing(&self, key: &str, at: Mark, given: &[String], sink: &mut Sink<'_>) -> bool {
        let missing: Vec<&String> = self
            .required
            .iter()
            .filter(|r| !given.contains(*r))
            .collect();
        for required in &missing {
            let help = match self.fields.get(*required) {
                Some(field) if !field.words.is_empty() => {
                    format!("add `{required}: {}`", field.words.join("|"))
                }
                Some(field) => format!("add `{required}:` with {}", field.expected()),
                None => format!("add `{required}:`"),
            };
            sink.push(
                at,
                Code::MissingKey,
                format!("`{key}` has no `{required}`"),
                help,
            );
        }
        !missing.is_empty()
    }

    fn expected(&self) -> String {
        if !self.words.is_empty() {
            return format!("one of {}", self.words.join(", "));
        }
        let t = self.types;
        let form = match self.form {
            Some(Form::Duration) => "a length of time",
            Some(Form::Size) => "a size",
            Some(Form::Percent) => "a percentage",
            Some(Form::Window) => "a time of day window",
            Some(Form::Days) => "days of the week",
            Some(Form::Business) => "business hours",
            Some(Form::Date) => "a date",
            Some(Form::Level) => "a level from 0 to 2",
            Some(Form::Maintenance) => "a maintenance window",
            Some(Form::Schedule) => "a cron expression",
            None => "",
        };
        if !form.is_empty() {
            return form.to_owned();
        }
        let words: Vec<&str> = [
            (t.text, "a text"),
            (t.number, "a number"),
            (t.int && !t.number, "a whole number"),
            (t.bool, "true or false"),
            (t.list, "a list"),
            (t.map, "a map"),
        ]
        .into_iter()
        .filter_map(|(yes, word)| yes.then_some(word))
        .collect();
        words.join(" or ")
    }

    fn type_help(&self, node: &Node) -> String {
        if let Some(form) = self.form {
            return form.help().to_owned();
        }
        let t = self.types;
        match (&node.value, node.text()) {
            (Value::Scalar(Scalar::Text, _), Some(text)) if t.bool => {
                match text.to_ascii_lowercase().as_str() {
                    "yes" | "on" => "write true".to_owned(),
                    "no" | "off" => "write false".to_owned(),
                    _ => "write true or false, without quotes".to_owned(),
                }
            }
            (Value::Scalar(Scalar::Text, _), Some(text))
                if t.int && text.parse::<f64>().is_ok() =>
            {
                format!("remove the quotes: {}", shorten(text))
            }
            (Value::Scalar(Scalar::Text, _), Some(text)) if t.list && !t.map => {
                format!("write a list: [{}]", shorten(text))
            }
            (Value::Scalar(..), Some(text)) if t.text => {
                format!("put it in quotes: \"{}\"", shorten(text))
            }
            (Value::Null, _) => format!("give it {}, or remove the key", self.expected()),
            (Value::List(_), _) if t.map => "write `key: value` lines instead of a list".to_owned(),
            (Value::Map(_), _) if t.list => "start each item with `- `".to_owned(),
            _ => format!("write {}", self.expected()),
        }
    }
}

struct Sink<'a> {
    file: &'a str,
    problems: Vec<Problem>,
}

impl Sink<'_> {
    /// One more than is shown, so that the count says there are more; nothing is gained by keeping all.
    fn full(&self) -> bool {
        self.problems.len() > crate::problem::MAX_PROBLEMS
    }

    fn push(&mut self, at: Mark, code: Code, message: String, help: impl Into<String>) {
        if !self.full() {
            self.problems
                .push(Problem::at(self.file, at, code, message, help));
        }
    }
}

/// A user's text, short enough for a message.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(120) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}
