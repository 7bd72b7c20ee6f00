//! A YAML file as a tree of values that know where they stand, and a serde reader over it.
//!
//! Every rule that needs a position asks a [`Cursor`]; the typed grammar stays free of positions.

use serde::de::{self, IntoDeserializer, Visitor};
use std::fmt;

/// Where something stands. Lines and columns start at 1 and count characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    pub line: u32,
    pub column: u32,
    /// Characters; 0 where unknown.
    pub length: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub key: String,
    pub key_at: Mark,
    pub value: Node,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    /// A scalar with its text as written, so that `1.10` stays `1.10`.
    Scalar(Scalar, String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub at: Mark,
    pub value: Value,
    /// Something inside was refused and taken out, so nothing may be concluded from what is missing.
    pub damaged: bool,
}

impl Node {
    pub fn null() -> Node {
        Node {
            at: Mark::default(),
            value: Value::Null,
            damaged: false,
        }
    }

    /// The word for a user: `a text`, `a list`.
    pub fn what(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar(Scalar::Bool(_), _) => "true or false",
            Value::Scalar(Scalar::Int(_), _) => "a whole number",
            Value::Scalar(Scalar::Float(_), _) => "a number",
            Value::Scalar(Scalar::Text, _) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(_, text) => Some(text),
            _ => None,
        }
    }

    /// Sorts the entries of all maps by key, which makes looking one up cheap. Depth is bounded by the reader.
    pub fn sort(&mut self) {
        match &mut self.value {
            Value::Map(entries) => {
                entries.sort_by(|a, b| a.key.cmp(&b.key));
                entries.iter_mut().for_each(|e| e.value.sort());
            }
            Value::List(items) => items.iter_mut().for_each(Node::sort),
            Value::Null | Value::Scalar(..) => {}
        }
    }

    /// The entry under `key` of a sorted map.
    fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries
                .binary_search_by(|e| e.key.as_str().cmp(key))
                .ok()
                .and_then(|index| entries.get(index)),
            _ => None,
        }
    }
}

/// A place in a sorted tree: a value, and where to point when the value is not there.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a> {
    pub file: &'a str,
    node: Option<&'a Node>,
    key: Option<&'a Entry>,
    at: Mark,
}

impl<'a> Cursor<'a> {
    pub fn root(file: &'a str, node: &'a Node) -> Cursor<'a> {
        Cursor {
            file,
            node: Some(node),
            key: None,
            at: node.at,
        }
    }

    /// A place in no file at all (an environment variable).
    pub fn nowhere(file: &'a str) -> Cursor<'a> {
        Cursor {
            file,
            node: None,
            key: None,
            at: Mark::default(),
        }
    }

    /// The value under `key`; this place itself where there is none.
    pub fn get(self, key: &str) -> Cursor<'a> {
        match self.node.and_then(|n| n.entry(key)) {
            Some(e) => Cursor {
                file: self.file,
                node: Some(&e.value),
                key: Some(e),
                at: e.value.at,
            },
            None => Cursor { node: None, ..self },
        }
    }

    /// The `index`th item; this place itself where there is none.
    pub fn item(self, index: usize) -> Cursor<'a> {
        match self.node.map(|n| &n.value) {
            Some(Value::List(items)) => match items.get(index) {
                Some(n) => Cursor {
                    file: self.file,
                    node: Some(n),
                    key: None,
                    at: n.at,
                },
                None => self,
            },
            _ => self,
        }
    }

    pub fn has(self, key: &str) -> bool {
        self.node.is_some_and(|n| n.entry(key).is_some())
    }

    /// The keys written here, in the order of the file.
    pub fn keys(self) -> Vec<&'a str> {
        let mut entries: Vec<&'a Entry> = match self.node.map(|n| &n.value) {
            Some(Value::Map(entries)) => entries.iter().collect(),
            _ => Vec::new(),
        };
        entries.sort_by_key(|e| (e.key_at.line, e.key_at.column));
        entries.into_iter().map(|e| e.key.as_str()).collect()
    }

    /// Where the value stands.
    pub fn at(self) -> Mark {
        self.at
    }

    /// Where its key stands, or the value itself in a list.
    pub fn key_at(self) -> Mark {
        self.key.map_or(self.at, |e| e.key_at)
    }

    /// The text of the value as it was written, where it is one.
    pub fn text(self) -> Option<&'a str> {
        self.node.and_then(Node::text)
    }

    pub fn damaged(self) -> bool {
        self.node.is_none_or(|n| n.damaged)
    }
}

/// Why a tree does not fit a type. The shape check comes first, so this is the exception.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    pub at: Mark,
    pub message: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Mismatch {}

impl de::Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Mismatch {
            at: Mark::default(),
            message: message.to_string(),
        }
    }
}

impl Mismatch {
    fn at(mut self, at: Mark) -> Mismatch {
        if self.at == Mark::default() {
            self.at = at;
        }
        self
    }
}

impl<'de> de::Deserializer<'de> for &'de Node {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        let result = match &self.value {
            Value::Null => visitor.visit_unit(),
            Value::Scalar(Scalar::Bool(b), _) => visitor.visit_bool(*b),
            Value::Scalar(Scalar::Int(n), _) => visitor.visit_i64(*n),
            Value::Scalar(Scalar::Float(n), _) => visitor.visit_f64(*n),
            Value::Scalar(Scalar::Text, text) => visitor.visit_borrowed_str(text),
            Value::List(items) => visitor.visit_seq(Items(items.iter())),
            Value::Map(entries) => visitor.visit_map(Entries {
                rest: entries.iter(),
                value: None,
            }),
        };
        result.map_err(|e| e.at(self.at))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match &self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    /// Scalars that want their text as written ask for `bytes`.
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match &self.value {
            Value::Scalar(_, text) => visitor
                .visit_borrowed_str(text)
                .map_err(|e: Mismatch| e.at(self.at)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match &self.value {
            Value::Null => visitor.visit_seq(Items([].iter())),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match &self.value {
            Value::Null => visitor.visit_map(Entries {
                rest: [].iter(),
                value: None,
            }),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match &self.value {
            Value::Scalar(_, text) => visitor.visit_enum(text.as_str().into_deserializer()),
            _ => Err(de::Error::custom(format!(
                "expected a word, found {}",
                self.what()
            ))),
        }
        .map_err(|e: Mismatch| e.at(self.at))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string byte_buf unit unit_struct newtype_struct
        tuple tuple_struct identifier ignored_any
    }
}

struct Items<'de>(std::slice::Iter<'de, Node>);

impl<'de> de::SeqAccess<'de> for Items<'de> {
    type Error = Mismatch;
    fn next_element_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Mismatch> {
        self.0.next().map(|node| seed.deserialize(node)).transpose()
    }
}

struct Entries<'de> {
    rest: std::slice::Iter<'de, Entry>,
    value: Option<&'de Entry>,
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = Mismatch;
    fn next_key_seed<K: de::DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Mismatch> {
        let Some(entry) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some(entry);
        let key: de::value::StrDeserializer<'_, Mismatch> = entry.key.as_str().into_deserializer();
        seed.deserialize(key)
            .map(Some)
            .map_err(|e| e.at(entry.key_at))
    }
    fn next_value_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, Mismatch> {
        match self.value.take() {
            Some(entry) => seed.deserialize(&entry.value),
            None => Err(de::Error::custom("a value was asked for before its key")),
        }
    }
}
