//! What the lookups share: a vocabulary, how it is learnt, and the places of its terms.

mod counts;
mod file;
mod key;

pub(super) use key::Key;

use super::output::{NOWHERE, Output};
use super::salt::Salt;
use super::strings::integers;
use crate::error::{Error, Result};
use crate::files::read_file;
use crate::tensor::Tensor;
use indexmap::IndexSet;
use std::fmt::Debug;
use std::path::Path;

/// Places of unknown terms: a file may say how many, and each is a term of the vocabulary.
const MOST_OOV: usize = 1 << 20;
/// Terms that an error names.
const NAMED: usize = 8;

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
        let terms = file::parse_lines(lines).and_then(|terms| self.set(terms, None));
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
            front.chain(weights.iter().copied()).map(|w| w as f32).collect()
        });
        (self.terms, self.given) = (Some(terms), None);
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
        if self.output == Output::TfIdf && self.weights.as_ref().is_none_or(|w| w.len() != self.size()) {
            let message = "`idf_weights` do not fit the vocabulary: set both after all other arguments";
            return Err(Error::Config(message.into()));
        }
        Ok(Finder { lookup: self, terms, start: self.token_start() })
    }

    /// The elements of a vector.
    pub fn depth(&self) -> usize {
        self.max_tokens.filter(|_| self.pad_to_max_tokens).unwrap_or_else(|| self.size())
    }

    /// What counts are multiplied by; places that are there for their number alone have nothing.
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
}

/// Terms for an error.
fn listed<K: Debug>(terms: &[K]) -> String {
    let named: Vec<String> =
        terms.iter().take(NAMED).map(|term| format!("{term:?}").chars().take(60).collect()).collect();
    let more = if terms.len() > NAMED { format!(", … ({} in all)", terms.len()) } else { String::new() };
    format!("[{}{more}]", named.join(", "))
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
