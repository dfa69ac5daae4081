//! How the cells of a column become numbers.

use super::{Column, Feature, Tokens};
use crate::error::{Error, Result};
use serde_json::{Value, json};
use std::collections::HashMap;

/// The least deviation that is divided by: Keras's epsilon.
const EPSILON: f64 = 1e-7;

/// Numbers of a text's tokens that stand for no token of the vocabulary: 0 past its end, 1 for an unknown one.
const RESERVED: usize = 2;
const UNKNOWN: usize = 1;
/// Tokens of a text that are read at most: a file may say how many, and each is a number in every row.
const LONGEST: usize = 1 << 16;

/// What was learnt of a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Encoder {
    Number { mean: f64, deviation: f64, indicator: bool },
    Category { vocabulary: Vec<String> },
    Text { tokens: Tokens, ngrams: usize, vocabulary: Vec<String> },
    Sequence { tokens: Tokens, vocabulary: Vec<String>, length: usize },
}

impl Encoder {
    pub fn adapt(column: &Column, feature: Feature) -> Result<Encoder> {
        Ok(match feature {
            Feature::Float | Feature::FloatNormalized => {
                let Moments { mean, deviation, indicator } = Moments::of(column)?;
                match feature {
                    // What is missing is the mean here, too, and 0 stands for it: (mean − mean) / 1 is no number as it
                    // was.
                    Feature::Float => Encoder::Number { mean: 0.0, deviation: 1.0, indicator },
                    _ => Encoder::Number { mean, deviation, indicator },
                }
            }
            Feature::StringCategorical { max_tokens } => {
                let counts = column.counts();
                let mut words: Vec<(&str, usize)> = counts.into_iter().chain([("", column.missing())]).collect();
                words.retain(|(_, count)| *count > 0);
                words.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
                let vocabulary = words.into_iter().take(max_tokens).map(|(word, _)| word.to_string()).collect();
                Encoder::Category { vocabulary }
            }
            Feature::Text { tokens, ngrams, max_tokens } => {
                Encoder::Text { tokens, ngrams, vocabulary: vocabulary_of(column, tokens, ngrams, max_tokens)? }
            }
            Feature::TextSequence { tokens, max_tokens, output_sequence_length: length } => {
                if !(1..=LONGEST).contains(&length) {
                    let expected = format!("expected an integer from 1 to {LONGEST}, got {length}");
                    return Err(Error::Config(format!("argument `output_sequence_length`: {expected}")));
                }
                if max_tokens <= RESERVED {
                    let expected = format!("expected more than {RESERVED}, which are no words, got {max_tokens}");
                    return Err(Error::Config(format!("argument `max_tokens`: {expected}")));
                }
                let vocabulary = vocabulary_of(column, tokens, 1, max_tokens - RESERVED)?;
                Encoder::Sequence { tokens, vocabulary, length }
            }
        })
    }

    /// Fills the elements of each row, which are 0.
    pub fn encode<'a>(&self, column: &Column, rows: impl Iterator<Item = &'a mut [f32]>) -> Result<()> {
        match self {
            Encoder::Number { mean, deviation, indicator } => {
                for (to, x) in rows.zip(column.numbers()?) {
                    to[0] = if x.is_nan() { 0.0 } else { ((x - mean) / deviation) as f32 };
                    if *indicator {
                        to[1] = f32::from(x.is_nan());
                    }
                }
            }
            Encoder::Category { vocabulary } => {
                let places = places(vocabulary, 1);
                for (to, cell) in rows.zip(column.cells()) {
                    to[places.get(cell.unwrap_or("")).copied().unwrap_or(0)] = 1.0;
                }
            }
            Encoder::Text { tokens, ngrams, vocabulary } => {
                let places = places(vocabulary, 0);
                // A longer run cannot be a token, whatever a file says.
                let longest = vocabulary.iter().map(|v| v.chars().count()).max().unwrap_or(0);
                for (to, cell) in rows.zip(column.cells()) {
                    tokens.each(cell.unwrap_or(""), longest.min(*ngrams), |token| {
                        if let Some(&place) = places.get(token) {
                            to[place] = 1.0;
                        }
                    });
                }
            }
            Encoder::Sequence { tokens, vocabulary, .. } => {
                let places = places(vocabulary, RESERVED);
                for (to, cell) in rows.zip(column.cells()) {
                    let mut to = to.iter_mut();
                    tokens.each(cell.unwrap_or(""), 1, |token| {
                        if let Some(to) = to.next() {
                            *to = places.get(token).copied().unwrap_or(UNKNOWN) as f32;
                        }
                    });
                }
            }
        }
        Ok(())
    }

    /// The elements of a row.
    pub fn width(&self) -> usize {
        match self {
            Encoder::Number { indicator, .. } => 1 + usize::from(*indicator),
            Encoder::Category { vocabulary } => 1 + vocabulary.len(),
            Encoder::Text { vocabulary, .. } => vocabulary.len(),
            Encoder::Sequence { length, .. } => *length,
        }
    }

    /// How many numbers a token can be.
    pub fn vocabulary_size(&self) -> Option<usize> {
        match self {
            Encoder::Sequence { vocabulary, .. } => Some(RESERVED + vocabulary.len()),
            _ => None,
        }
    }

    pub fn to_json(&self) -> Value {
        match self {
            Encoder::Number { mean, deviation, indicator } => {
                json!({ "type": "float", "mean": mean, "deviation": deviation, "indicator": indicator })
            }
            Encoder::Category { vocabulary } => json!({ "type": "string_categorical", "vocabulary": vocabulary }),
            Encoder::Text { tokens, ngrams, vocabulary } => {
                json!({ "type": "text", "tokens": tokens.name(), "ngrams": ngrams, "vocabulary": vocabulary })
            }
            Encoder::Sequence { tokens, vocabulary, length } => json!({
                "type": "text_sequence",
                "tokens": tokens.name(),
                "vocabulary": vocabulary,
                "output_sequence_length": length,
            }),
        }
    }

    pub fn from_json(value: &Value) -> Option<Encoder> {
        let number = |key: &str| value.get(key)?.as_f64();
        let size = |key: &str| usize::try_from(value.get(key)?.as_u64()?).ok();
        let tokens = || Tokens::from_name(value.get("tokens")?.as_str()?);
        let vocabulary = || -> Option<Vec<String>> {
            value.get("vocabulary")?.as_array()?.iter().map(|w| w.as_str().map(String::from)).collect()
        };
        match value.get("type")?.as_str()? {
            "float" => {
                let (mean, deviation) = (number("mean")?, number("deviation")?);
                let indicator = value.get("indicator")?.as_bool()?;
                (deviation > 0.0).then_some(Encoder::Number { mean, deviation, indicator })
            }
            "string_categorical" => Some(Encoder::Category { vocabulary: vocabulary()? }),
            "text" => {
                let vocabulary = vocabulary().filter(|v| !v.is_empty())?;
                Some(Encoder::Text { tokens: tokens()?, ngrams: size("ngrams")?, vocabulary })
            }
            "text_sequence" => {
                let length = size("output_sequence_length").filter(|length| (1..=LONGEST).contains(length))?;
                Some(Encoder::Sequence { tokens: tokens()?, vocabulary: vocabulary()?, length })
            }
            _ => None,
        }
    }
}

/// The most frequent tokens of a column's texts, of equally frequent ones the first by their characters.
fn vocabulary_of(column: &Column, tokens: Tokens, ngrams: usize, most: usize) -> Result<Vec<String>> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for cell in column.cells().flatten() {
        tokens.each(cell, ngrams, |token| match counts.get_mut(token) {
            Some(count) => *count += 1,
            None => drop(counts.insert(token.into(), 1)),
        });
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let vocabulary: Vec<String> = counts.into_iter().take(most).map(|(token, _)| token).collect();
    if vocabulary.is_empty() {
        return Err(Error::Data(format!("column `{}` holds no text", column.name())));
    }
    Ok(vocabulary)
}

/// The number of each token, from `first` on.
fn places(vocabulary: &[String], first: usize) -> HashMap<&str, usize> {
    vocabulary.iter().map(|token| &**token).zip(first..).collect()
}

/// What the numbers of a column are around, and whether some are missing.
struct Moments {
    mean: f64,
    deviation: f64,
    indicator: bool,
}

impl Moments {
    fn of(column: &Column) -> Result<Moments> {
        let numbers = column.numbers()?;
        let present: Vec<f64> = numbers.iter().copied().filter(|x| !x.is_nan()).collect();
        let indicator = present.len() < numbers.len();
        if present.is_empty() {
            return Err(Error::Data(format!("column `{}` has no values", column.name())));
        }
        let mean_of = |f: &dyn Fn(f64) -> f64| present.iter().map(|&x| f(x) / present.len() as f64).sum::<f64>();
        let mean = mean_of(&|x| x);
        let deviation = mean_of(&|x| (x - mean) * (x - mean)).sqrt().max(EPSILON);
        if !mean.is_finite() || !deviation.is_finite() {
            let message = format!("the numbers of column `{}` are too large to take their variance", column.name());
            return Err(Error::Data(message));
        }
        Ok(Moments { mean, deviation, indicator })
    }
}
