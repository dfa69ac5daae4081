//! Texts as the places of their words.

use super::file::{Saved, State};
use super::lookup::Lookup;
use super::methods::vocabulary_methods;
use super::output::Output;
use super::strings::Strings;
use crate::config::{Config, find, find_size, list, object, refuse, word, wrong};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use rayon::prelude::*;
use serde_json::{Value, json};
use std::borrow::Cow;

/// Words in a row that are one term at most, and numbers of a text: a file may say how many.
const LONGEST_NGRAM: usize = 256;
const LONGEST: usize = 1 << 24;

/// Texts as the places of their words in a vocabulary
/// ([Keras](https://keras.io/api/layers/preprocessing_layers/text/text_vectorization/)).
///
/// A text is standardized, split into tokens, and these, or with `ngrams` runs of them joined by spaces, are looked up.
/// Numbers: 0 is past the end of a text, 1 an unknown term, from 2 on come those of the vocabulary. Vectors: element 0
/// is for unknown terms, from 1 on come those of the vocabulary, which has the most frequent first, of equally frequent
/// ones the last by their bytes.
///
/// As in TensorFlow, only the letters A to Z become small and only ASCII's punctuation is taken out, while white space is
/// the space, tab, line feed, vertical tab, form feed and carriage return: `É` stays, and a no-break space is a letter.
///
/// Input: texts `(batch,)` or `(batch, 1)`, or without `split` tokens of `(batch,)` or `(batch, length)`. Output: int32
/// `(batch, output_sequence_length)`, as long as the longest text by default; or float32 `(batch, vocabulary)`. Default:
/// the numbers of words in small letters without punctuation.
///
/// ```
/// # use uncrumple::data::TextVectorization;
/// # fn main() -> uncrumple::Result<()> {
/// let mut vectorize = TextVectorization::new().max_tokens(20_000).output_sequence_length(4);
/// vectorize.adapt(&["The cat sat.", "The dog!"])?;
/// assert_eq!(vectorize.get_vocabulary(), ["", "[UNK]", "the", "sat", "dog", "cat"]);
/// let numbers = vectorize.call(&["the bird sat"])?;
/// assert_eq!(numbers.to_vec::<i32>()?, [2, 1, 3, 0]);
/// assert_eq!(vectorize.decode(&numbers)?, ["the [UNK] sat"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TextVectorization {
    lookup: Lookup<String>,
    standardize: Standardize,
    split: SplitOn,
    ngrams: Option<Ngrams>,
    output_sequence_length: Option<usize>,
}

vocabulary_methods!(TextVectorization: String);

/// What is done to a text before it is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standardize {
    /// Nothing.
    None,
    /// Small letters, of A to Z.
    Lower,
    /// Without ASCII's punctuation.
    StripPunctuation,
    /// Both.
    LowerAndStripPunctuation,
}

/// Where a text is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitOn {
    /// Nowhere: it is one token.
    None,
    /// At ASCII's white space.
    Whitespace,
    /// Between all characters (Unicode's scalar values).
    Character,
}

/// How many tokens in a row make a term: up to a number, or each of several numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ngrams {
    /// One, two, … up to so many.
    UpTo(usize),
    /// Each of these, in this order.
    Each(Vec<usize>),
}

impl From<usize> for Ngrams {
    fn from(most: usize) -> Ngrams {
        Ngrams::UpTo(most)
    }
}

impl<const N: usize> From<[usize; N]> for Ngrams {
    fn from(each: [usize; N]) -> Ngrams {
        Ngrams::Each(each.into())
    }
}

impl From<Vec<usize>> for Ngrams {
    fn from(each: Vec<usize>) -> Ngrams {
        Ngrams::Each(each)
    }
}

/// The enumerations by Keras's names; that for nothing is null.
const STANDARDIZE: [(Standardize, Option<&str>); 4] = [
    (Standardize::None, None),
    (Standardize::Lower, Some("lower")),
    (Standardize::StripPunctuation, Some("strip_punctuation")),
    (Standardize::LowerAndStripPunctuation, Some("lower_and_strip_punctuation")),
];
const SPLIT: [(SplitOn, Option<&str>); 3] =
    [(SplitOn::None, None), (SplitOn::Whitespace, Some("whitespace")), (SplitOn::Character, Some("character"))];

impl Default for TextVectorization {
    fn default() -> TextVectorization {
        TextVectorization::new()
    }
}

impl TextVectorization {
    /// Numbers of words in small letters without punctuation, without a vocabulary yet.
    pub fn new() -> TextVectorization {
        TextVectorization {
            lookup: Lookup::new(Some(String::new()), "[UNK]".into()),
            standardize: Standardize::LowerAndStripPunctuation,
            split: SplitOn::Whitespace,
            ngrams: None,
            output_sequence_length: None,
        }
    }

    /// What is done to a text first. Default: small letters, without punctuation.
    pub fn standardize(mut self, standardize: Standardize) -> Self {
        self.standardize = standardize;
        self
    }

    /// Where a text is split. Default: at white space.
    pub fn split(mut self, split: SplitOn) -> Self {
        self.split = split;
        self
    }

    /// How many tokens in a row make a term: up to a number, or each of a list. Default: one.
    pub fn ngrams(mut self, ngrams: impl Into<Ngrams>) -> Self {
        self.ngrams = Some(ngrams.into());
        self
    }

    /// How many numbers a text becomes: longer ones are cut off, shorter ones are padded with 0. Default: as many as the
    /// longest of a call has.
    pub fn output_sequence_length(mut self, length: usize) -> Self {
        self.output_sequence_length = Some(length);
        self
    }

    /// Learns the vocabulary of texts, each of which is a document for `tf_idf`.
    ///
    /// # Errors
    /// A vocabulary that was given; texts without a term; `max_tokens` that leaves no place for one.
    pub fn adapt<'a>(&mut self, texts: impl Into<Strings<'a>>) -> Result<()> {
        self.check()?;
        let (mut counts, texts) = (self.lookup.counts()?, texts.into());
        for row in texts.values().chunks(self.row(&texts)?.max(1)) {
            counts.document();
            self.each_term(row, |term| counts.add(term));
        }
        self.lookup.learn(counts)
    }

    /// The numbers or vectors of these texts.
    ///
    /// # Errors
    /// No vocabulary; a shape that the arguments do not take.
    pub fn call<'a>(&self, texts: impl Into<Strings<'a>>) -> Result<Tensor> {
        self.check()?;
        let (finder, texts) = (self.lookup.finder()?, texts.into());
        let (output, depth, weights) = (self.lookup.output, self.lookup.depth(), self.lookup.idf());
        let row = self.row(&texts)?;
        let places = |row: &[Cow<'_, str>]| {
            let mut places = Vec::new();
            let mut failed = None;
            self.each_term(row, |term| match finder.place(term) {
                Ok(place) => places.push(place),
                Err(error) => failed = Some(error),
            });
            failed.map_or(Ok(places), Err)
        };
        if self.split == SplitOn::None && texts.shape().rank() < 2 {
            // Tokens of one axis stay in it.
            return output.encode(&places(texts.values())?, texts.shape(), depth, weights);
        }
        let rows = match row {
            0 => vec![Vec::new(); texts.shape()[0]],
            _ => texts.values().par_chunks(row).map(places).collect::<Result<Vec<_>>>()?,
        };
        output.encode_rows(&rows, self.output_sequence_length, depth, weights)
    }

    /// The texts of these numbers, `(batch, length)` or `(length,)`: the terms joined by spaces, or by nothing where texts
    /// are split into characters, without the padding.
    ///
    /// # Errors
    /// A tensor of no whole numbers or of other axes; vectors or runs of tokens, which are no text; no vocabulary.
    pub fn decode(&self, numbers: &Tensor) -> Result<Vec<String>> {
        self.check()?;
        if self.ngrams.is_some() {
            return Err(Error::Config(
                "argument `ngrams`: expected none to decode, since runs of tokens overlap".into(),
            ));
        }
        let shape = numbers.shape();
        if !(1..=2).contains(&shape.rank()) {
            return Err(Error::Input(format!("expected numbers of (batch, length) to decode, got shape {shape}")));
        }
        let terms = self.lookup.decode(numbers)?;
        let between = if self.split == SplitOn::Character { "" } else { " " };
        let join = |row: &[String]| {
            let words: Vec<&str> = row.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
            words.join(between)
        };
        if shape.last() == 0 {
            return Ok(vec![String::new(); if shape.rank() == 1 { 1 } else { shape[0] }]);
        }
        Ok(terms.chunks(shape.last()).map(join).collect())
    }

    /// The arguments, under Keras's names.
    pub fn config(&self) -> Config {
        let lookup = self.lookup.config();
        let mut config = object(json!({
            "max_tokens": lookup["max_tokens"],
            "standardize": STANDARDIZE.into_iter().find(|(s, _)| *s == self.standardize).and_then(|(_, name)| name),
            "split": SPLIT.into_iter().find(|(s, _)| *s == self.split).and_then(|(_, name)| name),
            "ngrams": match &self.ngrams {
                None => Value::Null,
                Some(Ngrams::UpTo(most)) => json!(most),
                Some(Ngrams::Each(each)) => json!(each),
            },
            "output_mode": self.lookup.output.name(),
            "output_sequence_length": self.output_sequence_length,
        }));
        for same in ["pad_to_max_tokens", "sparse", "vocabulary", "idf_weights", "encoding"] {
            config.insert(same.into(), lookup[same].clone());
        }
        config.insert("ragged".into(), false.into());
        config.insert("vocabulary_size".into(), self.vocabulary_size().into());
        config
    }

    /// What a Keras config describes.
    ///
    /// # Errors
    /// An argument that is not what it should be, or that this engine lacks: functions of one's own, ragged and sparse
    /// outputs, other encodings than UTF-8.
    pub fn from_config(config: &Config) -> Result<TextVectorization> {
        // The lookup inside has these always.
        refuse(config, &["mask_token", "oov_token", "num_oov_indices", "invert", "oov_method", "salt"])?;
        let ngrams = find(config, "ngrams").map(|value| {
            let size = |n: &Value| n.as_u64().and_then(|n| usize::try_from(n).ok());
            let ngrams = match list(value) {
                Some(each) => each.iter().map(size).collect::<Option<_>>().map(Ngrams::Each),
                None => size(value).map(Ngrams::UpTo),
            };
            ngrams.ok_or_else(|| wrong("ngrams", "a whole number or a list of them", value))
        });
        let mask = Some(String::new());
        let vectorization = TextVectorization {
            lookup: Lookup::from_config(config, mask, "[UNK]".into(), &[Output::OneHot])?,
            standardize: named(config, "standardize", &STANDARDIZE, Standardize::LowerAndStripPunctuation)?,
            split: named(config, "split", &SPLIT, SplitOn::Whitespace)?,
            ngrams: ngrams.transpose()?,
            output_sequence_length: find_size(config, "output_sequence_length")?,
        };
        vectorization.check()?;
        Ok(vectorization)
    }

    fn check(&self) -> Result<()> {
        self.lookup.check()?;
        let bad = |message: String| Err(Error::Config(message));
        if let Some(ngrams) = &self.ngrams {
            let each = match ngrams {
                Ngrams::UpTo(most) => std::slice::from_ref(most),
                Ngrams::Each(each) => each,
            };
            let known = !each.is_empty() && each.len() <= LONGEST_NGRAM;
            if !known || each.iter().any(|n| !(1..=LONGEST_NGRAM).contains(n)) {
                let got: Vec<_> = each.iter().take(8).map(usize::to_string).collect();
                let expected = format!("expected numbers from 1 to {LONGEST_NGRAM}");
                return bad(format!("argument `ngrams`: {expected}, got {}", got.join(", ")));
            }
        }
        match self.output_sequence_length {
            Some(_) if self.lookup.output != Output::Int => {
                let got = self.lookup.output.name();
                bad(format!("argument `output_sequence_length`: expected `output_mode` int beside it, got {got}"))
            }
            Some(length) if !(1..=LONGEST).contains(&length) => {
                bad(format!("argument `output_sequence_length`: expected 1 to {LONGEST}, got {length}"))
            }
            _ => Ok(()),
        }
    }

    /// How many strings make a row.
    fn row(&self, texts: &Strings<'_>) -> Result<usize> {
        let shape = texts.shape();
        let single = self.split != SplitOn::None;
        match (shape.rank(), shape.last()) {
            (1, _) if single || (self.ngrams.is_none() && self.output_sequence_length.is_none()) => Ok(1),
            (2, 1) => Ok(1),
            (2, length) if !single => Ok(length),
            _ if single => Err(Error::Input(format!("expected texts of (batch,) or (batch, 1), got shape {shape}"))),
            _ => Err(Error::Input(format!("expected tokens of (batch, length), got shape {shape}"))),
        }
    }

    /// Calls `each` with the terms of a row in their order.
    fn each_term(&self, row: &[Cow<'_, str>], mut each: impl FnMut(&str)) {
        let texts: Vec<Cow<'_, str>> = row.iter().map(|text| self.standardize.apply(text)).collect();
        let mut tokens: Vec<&str> = Vec::new();
        texts.iter().for_each(|text| self.split.apply(text, &mut tokens));
        let mut run = String::new();
        let mut of = |n: usize| {
            for window in tokens.windows(n) {
                run.clear();
                for (i, token) in window.iter().enumerate() {
                    run.push_str(if i == 0 { "" } else { " " });
                    run.push_str(token);
                }
                each(&run);
            }
        };
        match &self.ngrams {
            None => tokens.iter().for_each(|token| each(token)),
            Some(Ngrams::UpTo(most)) => (1..=*most).for_each(of),
            Some(Ngrams::Each(lengths)) => lengths.iter().for_each(|&n| of(n)),
        }
    }
}

impl Standardize {
    fn apply(self, text: &str) -> Cow<'_, str> {
        let (lower, strip) = match self {
            Standardize::None => return text.into(),
            Standardize::Lower => (true, false),
            Standardize::StripPunctuation => (false, true),
            Standardize::LowerAndStripPunctuation => (true, true),
        };
        let kept = text.chars().filter(|c| !(strip && c.is_ascii_punctuation()));
        kept.map(|c| if lower { c.to_ascii_lowercase() } else { c }).collect::<String>().into()
    }
}

impl SplitOn {
    fn apply<'t>(self, text: &'t str, tokens: &mut Vec<&'t str>) {
        let blank = |c: char| matches!(c, ' ' | '\t'..='\r');
        match self {
            SplitOn::None => tokens.push(text),
            SplitOn::Whitespace => tokens.extend(text.split(blank).filter(|token| !token.is_empty())),
            SplitOn::Character => tokens.extend(text.char_indices().map(|(i, c)| &text[i..i + c.len_utf8()])),
        }
    }
}

/// What Keras calls by these names; null stands for nothing, and one that is absent has its default.
fn named<T: Copy>(config: &Config, name: &str, known: &[(T, Option<&str>)], default: T) -> Result<T> {
    let Some(value) = config.get(name) else { return Ok(default) };
    let word = if value.is_null() { None } else { Some(word(config, name, "")?) };
    known.iter().find(|(_, n)| *n == word.as_deref()).map(|(known, _)| *known).ok_or_else(|| {
        let names: Vec<_> = known.iter().filter_map(|(_, name)| *name).collect();
        wrong(name, &format!("null, {}", names.join(" or ")), value)
    })
}

impl Saved for TextVectorization {
    const CLASS: &'static str = "TextVectorization";
    const NAME: &'static str = "text_vectorization";

    fn saved(&self) -> Result<State> {
        self.check()?;
        let inner = Some(("_lookup_layer", "string_lookup"));
        Ok(State { single: self.split != SplitOn::None, inner, ..self.lookup.save(self.config())? })
    }

    fn restored(state: State) -> Result<TextVectorization> {
        let mut restored = TextVectorization::from_config(&state.config)?;
        restored.lookup.restore(state)?;
        Ok(restored)
    }
}
