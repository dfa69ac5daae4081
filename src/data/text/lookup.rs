//! What the lookups share: a vocabulary, how it is learnt, and the places of its terms.

use super::file::State;
use super::output::{NOWHERE, Output};
use super::salt::{Salt, bin};
use super::strings::integers;
use crate::config::{Config, find, find_size, flag, list, object, refuse, word, wrong};
use crate::error::{Error, Result};
use crate::files::read_file;
use crate::tensor::Tensor;
use indexmap::IndexSet;
use serde_json::{Value, json};
use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::path::Path;

/// Places of unknown terms: a file may say how many, and each is a term of the vocabulary.
const MOST_OOV: usize = 1 << 20;
/// Terms that an error names.
const NAMED: usize = 8;

/// What a vocabulary is of.
pub(super) trait Key: Borrow<Self::Ref> + Clone + Debug + Display + Ord + Hash {
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

/// A vocabulary, and which places its terms have.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lookup<K: Key> {
    pub max_tokens: Option<usize>,
    pub num_oov_indices: usize,
    pub mask_token: Option<K>,
    pub oov_token: K,
    pub invert: bool,
    pub output: Output,
    pub pad_to_max_tokens: bool,
    /// Whether numbers are hashed for their place among the unknown ones.
    pub farmhash: bool,
    pub salt: Option<Salt>,
    given: Option<Given<K>>,
    /// Whether the vocabulary is not for `adapt` to learn.
    fixed: bool,
    terms: Option<IndexSet<K>>,
    /// For each place, those of unknown terms included.
    weights: Option<Vec<f32>>,
}

/// A vocabulary as it was given, which is an argument.
#[derive(Clone, Debug, PartialEq)]
struct Given<K> {
    terms: Vec<K>,
    weights: Option<Vec<f64>>,
}

impl<K: Key> Lookup<K> {
    pub fn new(mask_token: Option<K>, oov_token: K) -> Lookup<K> {
        Lookup {
            max_tokens: None,
            num_oov_indices: 1,
            mask_token,
            oov_token,
            invert: false,
            output: Output::Int,
            pad_to_max_tokens: false,
            farmhash: false,
            salt: None,
            given: None,
            fixed: false,
            terms: None,
            weights: None,
        }
    }

    /// Checks the arguments.
    pub fn check(&self) -> Result<()> {
        let bad = |message: String| Err(Error::Config(message));
        if let Some(most) = self.max_tokens.filter(|&most| most < 2 || i32::try_from(most).is_err()) {
            return bad(format!("argument `max_tokens`: expected 2 to {}, got {most}", i32::MAX));
        }
        if self.pad_to_max_tokens && self.max_tokens.is_none() {
            return bad("argument `pad_to_max_tokens`: expected `max_tokens` beside it".into());
        }
        if self.num_oov_indices > MOST_OOV {
            let got = self.num_oov_indices;
            return bad(format!("argument `num_oov_indices`: expected at most {MOST_OOV}, got {got}"));
        }
        if self.invert && self.output != Output::Int {
            let got = self.output.name();
            return bad(format!("argument `output_mode`: expected int where `invert` is true, got {got}"));
        }
        if self.salt.is_some() && K::NUMBERS && !self.farmhash {
            return bad("argument `salt`: expected `oov_method` farmhash beside it, got floormod".into());
        }
        Ok(())
    }

    /// Where the places of unknown terms begin.
    fn oov_start(&self) -> usize {
        usize::from(self.mask_token.is_some() && self.output == Output::Int)
    }

    /// Where the places of known terms begin.
    fn token_start(&self) -> usize {
        self.oov_start() + self.num_oov_indices
    }

    /// How many places there are.
    pub fn size(&self) -> usize {
        self.token_start() + self.terms.as_ref().map_or(0, IndexSet::len)
    }

    /// The terms that stand for what is none, in their places.
    fn special(&self) -> Vec<K> {
        let mask = self.mask_token.iter().take(self.oov_start()).cloned();
        mask.chain(std::iter::repeat_n(self.oov_token.clone(), self.num_oov_indices)).collect()
    }

    /// The term of each place.
    pub fn vocabulary(&self) -> Vec<K> {
        let mut all = self.special();
        all.extend(self.terms.iter().flatten().cloned());
        all
    }

    fn terms(&self) -> Result<&IndexSet<K>> {
        self.terms.as_ref().ok_or_else(|| {
            Error::Config("there is no vocabulary yet: call `adapt` with data, or set a vocabulary".into())
        })
    }

    /// Takes a vocabulary that is an argument of the layer.
    pub fn give(&mut self, terms: Vec<K>, weights: Option<Vec<f64>>) -> Result<()> {
        self.set(terms.clone(), weights.as_deref())?;
        self.given = Some(Given { terms, weights });
        self.fixed = true;
        Ok(())
    }

    /// Takes the lines of a file as the vocabulary.
    pub fn give_file(&mut self, path: &Path) -> Result<()> {
        if self.output == Output::TfIdf {
            let message = "argument `output_mode`: tf_idf needs weights, which a vocabulary's file does not have";
            return Err(Error::Config(message.into()));
        }
        let bytes = read_file(path)?;
        let text = std::str::from_utf8(&bytes).map_err(|e| Error::file(path, format!("is not UTF-8: {e}")))?;
        let lines = text.strip_suffix('\n').unwrap_or(text).split('\n').map(|line| line.trim_end_matches('\r'));
        let terms = parse_lines(lines).and_then(|terms| self.set(terms, None));
        terms.map_err(|e| Error::file(path, e.to_string()))?;
        (self.fixed, self.given) = (true, None);
        Ok(())
    }

    /// Replaces the vocabulary, with the special terms before it or without them.
    pub fn set(&mut self, vocabulary: Vec<K>, weights: Option<&[f64]>) -> Result<()> {
        self.check()?;
        let bad = |message: String| Err(Error::Config(message));
        match weights {
            None if self.output == Output::TfIdf => {
                return bad("`idf_weights` must be set if output_mode is 'tf_idf'".into());
            }
            Some(_) if self.output != Output::TfIdf => {
                let got = self.output.name();
                return bad(format!("`idf_weights` should only be set if output_mode is 'tf_idf', got {got}"));
            }
            Some(weights) if weights.len() != vocabulary.len() => {
                let (weights, terms) = (weights.len(), vocabulary.len());
                let message = "`idf_weights` must be the same length as vocabulary";
                return bad(format!("{message}: expected {terms} weights, got {weights}"));
            }
            _ => {}
        }
        if vocabulary.is_empty() {
            return bad("cannot set an empty vocabulary: expected at least one term".into());
        }
        let (start, count) = (self.token_start(), vocabulary.len());
        let special = self.special();
        let complete = vocabulary.starts_with(&special);
        let (mut terms, mut repeated) = (IndexSet::with_capacity(count), Vec::new());
        for term in vocabulary.into_iter().skip(if complete { start } else { 0 }) {
            if let Some(term) = terms.replace(term) {
                repeated.push(term);
            }
        }
        if !repeated.is_empty() {
            let message = "the vocabulary has at least one repeated term: make the terms unique. Repeated are";
            return bad(format!("{message} {}", listed(&repeated)));
        }
        let reserved = [self.mask_token.as_ref(), Some(&self.oov_token).filter(|_| self.invert)];
        for (token, what) in reserved.into_iter().zip(["mask", "OOV"]) {
            if let Some(place) = token.and_then(|token| terms.get_index_of(token.borrow())) {
                let message = format!("found the reserved {what} token at place {place} of the vocabulary's terms");
                let expected = format!("leave mask and OOV tokens out, or begin with {}", listed(&special));
                return bad(format!("{message}: {expected}"));
            }
        }
        let size = start + terms.len();
        if let Some(most) = self.max_tokens.filter(|&most| size > most) {
            return bad(format!("a vocabulary of {size} tokens is larger than `max_tokens`, which is {most}"));
        }
        if i32::try_from(size).is_err() {
            return bad(format!("a vocabulary of {size} tokens is larger than int32 can number"));
        }
        self.weights = weights.map(|weights| {
            let mean = weights.iter().sum::<f64>() / weights.len() as f64;
            let front = std::iter::repeat_n(mean, if complete { 0 } else { start });
            self.padded(front.chain(weights.iter().copied()).map(|w| w as f32).collect())
        });
        (self.terms, self.given) = (Some(terms), None);
        Ok(())
    }

    fn padded(&self, mut weights: Vec<f32>) -> Vec<f32> {
        if let Some(most) = self.max_tokens.filter(|_| self.pad_to_max_tokens) {
            weights.resize(most.max(weights.len()), 0.0);
        }
        weights
    }

    /// Begins to learn a vocabulary.
    pub fn counts(&self) -> Result<Counts<K>> {
        self.check()?;
        if self.fixed {
            let message = "cannot adapt to data after the vocabulary was given as an argument or a file";
            return Err(Error::Config(message.into()));
        }
        Ok(Counts { terms: HashMap::new(), documents: 0 })
    }

    /// Takes the terms that were counted as the vocabulary: the most frequent first, of equally frequent ones the last by
    /// their bytes.
    pub fn learn(&mut self, mut counts: Counts<K>) -> Result<()> {
        for special in self.mask_token.iter().chain([&self.oov_token]) {
            counts.terms.remove(special.borrow());
        }
        let start = self.token_start();
        let most = match self.max_tokens {
            Some(most) if most <= start => {
                let message = format!("expected more than {start}, which stand for no term, got {most}");
                return Err(Error::Config(format!("argument `max_tokens`: {message}")));
            }
            Some(most) => most - start,
            None => usize::MAX,
        };
        if counts.terms.is_empty() {
            return Err(Error::Data("there is no term in the data: expected at least one".into()));
        }
        let mut terms: Vec<(K, Count)> = counts.terms.into_iter().collect();
        terms.sort_unstable_by(|a, b| b.1.all.cmp(&a.1.all).then_with(|| b.0.cmp(&a.0)));
        terms.truncate(most);
        if i32::try_from(start + terms.len()).is_err() {
            return Err(Error::Data(format!("{} terms are more than int32 can number", terms.len())));
        }
        if self.output == Output::TfIdf {
            let documents = counts.documents as f64;
            let idf = |count: &Count| (1.0 + documents / (1.0 + count.documents as f64)).ln() as f32;
            let weights: Vec<f32> = terms.iter().map(|(_, count)| idf(count)).collect();
            let mean = (weights.iter().map(|&w| f64::from(w)).sum::<f64>() / weights.len() as f64) as f32;
            self.weights = Some(self.padded(std::iter::repeat_n(mean, start).chain(weights).collect()));
        }
        self.terms = Some(terms.into_iter().map(|(term, _)| term).collect());
        Ok(())
    }

    /// What finds the places of terms.
    pub fn finder(&self) -> Result<Finder<'_, K>> {
        self.check()?;
        if self.invert {
            let message = "this lookup is inverted: `decode` turns numbers into terms";
            return Err(Error::Config(message.into()));
        }
        let terms = self.terms()?;
        if self.output == Output::TfIdf && self.weights.as_ref().is_none_or(|w| w.len() != self.depth()) {
            let message = "`idf_weights` do not fit the vocabulary: set both after all other arguments";
            return Err(Error::Config(message.into()));
        }
        Ok(Finder { lookup: self, terms, start: self.token_start() })
    }

    /// The elements of a vector.
    pub fn depth(&self) -> usize {
        self.max_tokens.filter(|_| self.pad_to_max_tokens).unwrap_or_else(|| self.size())
    }

    /// What counts are multiplied by.
    pub fn idf(&self) -> Option<&[f32]> {
        self.weights.as_deref().filter(|_| self.output == Output::TfIdf)
    }

    /// The terms at these places; of places that have none, the one for unknown terms.
    pub fn decode(&self, places: &Tensor) -> Result<Vec<K>> {
        self.check()?;
        if self.output != Output::Int {
            let got = self.output.name();
            return Err(Error::Config(format!("only numbers can be decoded, and `output_mode` is {got}")));
        }
        let (terms, start) = (self.terms()?, self.token_start());
        let term = |&place: &i64| match (place, &self.mask_token) {
            (0, Some(mask)) => mask,
            _ => {
                let at = usize::try_from(place).ok().and_then(|place| place.checked_sub(start));
                at.and_then(|at| terms.get_index(at)).unwrap_or(&self.oov_token)
            }
        };
        Ok(integers(places, "decode")?.iter().map(term).cloned().collect())
    }

    /// The arguments under Keras's names, as they were given.
    pub fn config(&self) -> Config {
        let given = self.given.as_ref();
        let terms = given.map(|given| given.terms.iter().map(K::to_json).collect::<Vec<_>>());
        let mut config = object(json!({
            "invert": self.invert,
            "max_tokens": self.max_tokens,
            "num_oov_indices": self.num_oov_indices,
            "oov_token": self.oov_token.to_json(),
            "mask_token": self.mask_token.as_ref().map(K::to_json),
            "output_mode": self.output.name(),
            "sparse": false,
            "pad_to_max_tokens": self.pad_to_max_tokens,
            "vocabulary_dtype": "int64",
            "idf_weights": given.and_then(|given| given.weights.clone()),
            "vocabulary": terms,
            "vocabulary_size": self.terms.as_ref().map(|_| self.size()),
            "oov_method": if self.farmhash { "farmhash" } else { "floormod" },
            "salt": self.salt.map(Salt::to_json),
            "encoding": "utf-8",
        }));
        config.remove(if K::NUMBERS { "encoding" } else { "vocabulary_dtype" });
        config
    }

    /// The lookup that a Keras config describes, where the class has these tokens unless told otherwise.
    pub fn from_config(config: &Config, mask_token: Option<K>, oov_token: K, lacking: &[Output]) -> Result<Lookup<K>> {
        refuse(config, &["sparse", "ragged"])?;
        let expected = if K::NUMBERS { "a whole number" } else { "a string" };
        let token = |name: &str| {
            let value = find(config, name);
            value.map(|v| K::from_json(v).ok_or_else(|| wrong(name, expected, v))).transpose()
        };
        if config.get("oov_token").is_some_and(Value::is_null) {
            return Err(wrong("oov_token", expected, &Value::Null));
        }
        let only = |name: &str, value: &str| match word(config, name, value)? {
            word if word.eq_ignore_ascii_case(value) => Ok(()),
            word => Err(wrong(name, value, &word.into())),
        };
        only("encoding", "utf-8")?;
        only("vocabulary_dtype", if K::NUMBERS { "int64" } else { "string" })?;
        let farmhash = match &*word(config, "oov_method", "floormod")? {
            "floormod" => false,
            "farmhash" => true,
            other => return Err(wrong("oov_method", "floormod or farmhash", &other.into())),
        };
        let mut lookup = Lookup {
            max_tokens: find_size(config, "max_tokens")?,
            num_oov_indices: find_size(config, "num_oov_indices")?.unwrap_or(1),
            invert: flag(config, "invert", false)?,
            output: Output::from_name(&word(config, "output_mode", "int")?, lacking)?,
            pad_to_max_tokens: flag(config, "pad_to_max_tokens", false)?,
            farmhash,
            salt: Salt::read(config)?,
            ..Lookup::new(token("mask_token")?.or(mask_token), token("oov_token")?.unwrap_or(oov_token))
        };
        lookup.check()?;
        if let Some(value) = find(config, "vocabulary") {
            let terms = list(value).and_then(|list| list.iter().map(K::from_json).collect::<Option<Vec<_>>>());
            let terms = terms.ok_or_else(|| wrong("vocabulary", &format!("a list of {expected}s"), value))?;
            let weights = find(config, "idf_weights").map(|value| {
                let list = list(value).and_then(|list| list.iter().map(Value::as_f64).collect::<Option<Vec<_>>>());
                list.ok_or_else(|| wrong("idf_weights", "a list of numbers", value))
            });
            lookup.give(terms, weights.transpose()?)?;
        }
        Ok(lookup)
    }

    /// What a file has of it, beside the arguments of what it is in.
    ///
    /// A vocabulary that was learnt is lines of an entry, as Keras writes it. Where Keras could not read these again (a
    /// term with a line break, an empty last one, weights that are padded) it is an argument.
    pub fn save(&self, mut config: Config) -> Result<State> {
        self.check()?;
        let all = self.vocabulary();
        let lines: Vec<String> = all.iter().map(K::to_string).collect();
        let text = lines.join("\n");
        let weights = self.idf().map(<[f32]>::to_vec);
        let mut vocabulary = None;
        if self.terms.is_some() && self.given.is_none() {
            let whole =
                split_lines(&text).eq(lines.iter().map(String::as_str)) && lines.last().is_some_and(|l| !l.is_empty());
            if whole && !(self.pad_to_max_tokens && weights.is_some()) {
                vocabulary = Some(text);
            } else {
                config.insert("vocabulary".into(), all.iter().map(K::to_json).collect());
                config
                    .insert("idf_weights".into(), weights.as_ref().map(|w| &w[..all.len().min(w.len())]).into_value());
            }
        }
        Ok(State { vocabulary, weights, numbers: K::NUMBERS != self.invert, ..State::new(config) })
    }

    /// Takes what a file has beside the arguments.
    pub fn restore(&mut self, State { config, vocabulary, weights, .. }: State) -> Result<()> {
        let weights = weights.filter(|_| self.output == Output::TfIdf);
        let (vocabulary, size) = (vocabulary.as_deref(), find_size(&config, "vocabulary_size")?);
        if self.given.is_none() {
            let Some(text) = vocabulary else { return Ok(()) };
            let mut lines: Vec<&str> = split_lines(text).collect();
            if text.ends_with('\n') {
                lines.push("");
            }
            // Keras takes away empty lines at the end, even one that is a term, as the size shows.
            while Some(lines.len()) != size && lines.last().is_some_and(|line| line.is_empty()) {
                lines.pop();
            }
            let terms = parse_lines(lines.into_iter())?;
            // Padded ones count for no term.
            let wide = weights.as_ref().map(|w| w.iter().take(terms.len()).map(|&w| f64::from(w)).collect::<Vec<_>>());
            self.set(terms, wide.as_deref())?;
        }
        let Some(weights) = weights else { return Ok(()) };
        let (got, expected) = (weights.len(), self.depth());
        if got != expected {
            return Err(Error::Config(format!("expected {expected} `idf_weights`, got {got}")));
        }
        self.weights = Some(weights);
        Ok(())
    }
}

/// A list, or nothing, as JSON.
trait IntoValue {
    fn into_value(self) -> Value;
}

impl IntoValue for Option<&[f32]> {
    fn into_value(self) -> Value {
        self.map_or(Value::Null, |list| list.iter().map(|&x| f64::from(x)).collect())
    }
}

fn parse_lines<'t, K: Key>(lines: impl Iterator<Item = &'t str>) -> Result<Vec<K>> {
    let parse = |(i, line): (usize, &str)| {
        let clipped: String = line.chars().take(NAMED * 8).collect();
        let bad = || Error::Config(format!("line {} of the vocabulary is no whole number: `{clipped}`", i + 1));
        K::parse(line).ok_or_else(bad)
    };
    lines.enumerate().map(parse).collect()
}

/// The lines of a text where Python's `splitlines` ends them, with which Keras reads vocabularies.
fn split_lines(text: &str) -> impl Iterator<Item = &str> {
    let ends =
        |c: char| matches!(c, '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let mut rest = Some(text).filter(|text| !text.is_empty());
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(at) = text.find(ends) else { return rest.take() };
        let end = if text[at..].starts_with("\r\n") { 2 } else { text[at..].chars().next().map_or(1, char::len_utf8) };
        rest = Some(&text[at + end..]).filter(|rest| !rest.is_empty());
        Some(&text[..at])
    })
}

/// Terms for an error.
fn listed<K: Debug>(terms: &[K]) -> String {
    let named: Vec<String> =
        terms.iter().take(NAMED).map(|term| format!("{term:?}").chars().take(60).collect()).collect();
    let more = if terms.len() > NAMED { format!(", … ({} in all)", terms.len()) } else { String::new() };
    format!("[{}{more}]", named.join(", "))
}

/// How often a term is there, and in how many documents.
#[derive(Default)]
struct Count {
    all: u64,
    documents: u64,
    /// The last document that it was in.
    last: u64,
}

/// How often terms are there.
pub(super) struct Counts<K> {
    terms: HashMap<K, Count>,
    documents: u64,
}

impl<K: Key> Counts<K> {
    /// What follows is of another document.
    pub fn document(&mut self) {
        self.documents += 1;
    }

    pub fn add(&mut self, term: &K::Ref) {
        let count = match self.terms.get_mut(term) {
            Some(count) => count,
            None => self.terms.entry(term.to_owned()).or_default(),
        };
        count.all += 1;
        if count.last != self.documents {
            (count.last, count.documents) = (self.documents, count.documents + 1);
        }
    }

    /// The same for all terms of a shape, of which a last axis is a document, or each one of a single axis.
    pub fn add_all<'k>(&mut self, terms: impl Iterator<Item = &'k K::Ref>, axes: &[usize])
    where
        K::Ref: 'k,
    {
        let length = if axes.len() < 2 { 1 } else { axes[axes.len() - 1] };
        for (i, term) in terms.enumerate() {
            if i.is_multiple_of(length.max(1)) {
                self.document();
            }
            self.add(term);
        }
    }
}

/// Finds the places of terms.
pub(super) struct Finder<'l, K: Key> {
    lookup: &'l Lookup<K>,
    terms: &'l IndexSet<K>,
    start: usize,
}

impl<K: Key> Finder<'_, K> {
    /// The place of a term.
    ///
    /// # Errors
    /// An unknown one where none has a place.
    pub fn place(&self, term: &K::Ref) -> Result<i32> {
        let lookup = self.lookup;
        if lookup.mask_token.as_ref().is_some_and(|mask| mask.borrow() == term) {
            return Ok(if lookup.output == Output::Int { 0 } else { NOWHERE });
        }
        if let Some(at) = self.terms.get_index_of(term) {
            return Ok((self.start + at) as i32);
        }
        let unknown = match lookup.num_oov_indices {
            0 => {
                let term: String = term.to_owned().to_string().chars().take(60).collect();
                let message = "when `num_oov_indices` is 0 all inputs should be in the vocabulary, found";
                return Err(Error::Data(format!("{message} `{term}`: consider `num_oov_indices` of 1")));
            }
            1 => 0,
            places => K::place(term, places, lookup.farmhash, lookup.salt),
        };
        Ok((lookup.oov_start() + unknown) as i32)
    }

    /// The places of all terms.
    pub fn places<'k>(&self, terms: impl Iterator<Item = &'k K::Ref>) -> Result<Vec<i32>>
    where
        K::Ref: 'k,
    {
        terms.map(|term| self.place(term)).collect()
    }
}
