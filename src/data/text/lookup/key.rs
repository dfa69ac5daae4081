//! What vocabularies are of.

use crate::data::text::salt::{Salt, bin};
use serde_json::Value;
use std::borrow::Borrow;
use std::fmt::{Debug, Display};
use std::hash::Hash;

/// What a vocabulary is of.
pub(in crate::data::text) trait Key:
    Borrow<Self::Ref> + Clone + Debug + Display + Ord + Hash
{
    /// The same, borrowed.
    type Ref: ?Sized + Eq + Hash + ToOwned<Owned = Self>;
    /// Whether numbers and not strings are looked up.
    const NUMBERS: bool;

    /// A line of a file.
    fn parse(line: &str) -> Option<Self>;
    fn from_json(value: &Value) -> Option<Self>;
    fn to_json(&self) -> Value;
    /// Of so many places of unknown terms, the one of this.
    fn place(key: &Self::Ref, places: usize, farmhash: bool, salt: Option<Salt>) -> usize;
}

impl Key for String {
    type Ref = str;
    const NUMBERS: bool = false;

    fn parse(line: &str) -> Option<String> {
        Some(line.into())
    }

    fn from_json(value: &Value) -> Option<String> {
        value.as_str().map(String::from)
    }

    fn to_json(&self) -> Value {
        self.as_str().into()
    }

    fn place(key: &str, places: usize, _: bool, salt: Option<Salt>) -> usize {
        bin(key.as_bytes(), salt, places)
    }
}

impl Key for i64 {
    type Ref = i64;
    const NUMBERS: bool = true;

    fn parse(line: &str) -> Option<i64> {
        line.trim().parse().ok()
    }

    fn from_json(value: &Value) -> Option<i64> {
        value.as_i64()
    }

    fn to_json(&self) -> Value {
        (*self).into()
    }

    fn place(key: &i64, places: usize, farmhash: bool, salt: Option<Salt>) -> usize {
        match farmhash {
            true => bin(key.to_string().as_bytes(), salt, places),
            false => key.rem_euclid(places as i64) as usize,
        }
    }
}
