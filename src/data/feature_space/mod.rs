//! The columns of a table as the numbers that a network takes.

mod encoder;

use self::encoder::Encoder;
use super::{Column, ColumnKind, Table, Tokens};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Categories of a column that have an element of their own, unless told otherwise.
const MAX_TOKENS: usize = 100;

/// How columns of a [`Table`] become a vector of float32 for each row: what
/// [`keras.utils.FeatureSpace`](https://keras.io/api/utils/feature_space/) does.
///
/// [`FeatureSpace::adapt`] looks at the training part of the table alone; [`FeatureSpace::transform`] then makes vectors of
/// it and of any other table that has these columns, in any order and with others beside them.
///
/// - A number becomes (x − mean) / max(deviation, 1e-7) of the training part ([`Feature::FloatNormalized`]), or stays as it
///   is ([`Feature::Float`]). A cell without a value counts as the mean; where the training part has such cells, a second
///   element is 1 there and 0 elsewhere.
/// - A category becomes a vector with a 1 at its place ([`Feature::StringCategorical`]): place 0 for all that the training
///   part does not have, then its categories, the most frequent first, of equally frequent ones the first by their
///   characters. A cell without a value is a category like any other.
/// - A text becomes a vector with a 1 at the place of each of its words or of their letters ([`Feature::Text`]), the most
///   frequent ones of the training part; all others are nowhere. Or it becomes their numbers, in their order
///   ([`Feature::TextSequence`]).
///
/// Which of them a column is follows from its cells, or is said with [`FeatureSpace::feature`]. A column that can teach
/// nothing is left out, with a reason ([`FeatureSpace::left_out`]): one of a single value or of none; one of words of which
/// more than half are different, such as names.
#[derive(Clone, Debug, Default)]
pub struct FeatureSpace {
    told: Vec<(String, Feature)>,
    excluded: Vec<String>,
    kinds: HashMap<String, Kind>,
    features: Vec<(String, Encoder)>,
    left_out: Vec<(String, String)>,
}

/// What a column is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// A number as it is.
    Float,
    /// A number with mean 0 and variance 1.
    FloatNormalized,
    /// A category.
    StringCategorical {
        /// Categories that have an element of their own; the rarer ones are as unknown ones.
        max_tokens: usize,
    },
    /// Words, or what else a text is made of, as they are without punctuation and in small letters: what
    /// [TextVectorization](https://keras.io/api/layers/preprocessing_layers/text/text_vectorization/) does with
    /// `output_mode="multi_hot"`. A column is one only if it is told.
    Text {
        /// Words or letters.
        tokens: Tokens,
        /// So many of them in a row at most are a token, too.
        ngrams: usize,
        /// Tokens that have an element.
        max_tokens: usize,
    },
    /// The tokens of a text in their order, each as a number, for an [`Embedding`](crate::layers::Embedding): what
    /// [TextVectorization](https://keras.io/api/layers/preprocessing_layers/text/text_vectorization/) does with
    /// `output_mode="int"`. 0 stands where the text is over, 1 for every token that is none of the vocabulary, and from 2
    /// on are those of the training part, the most frequent first. A column is one only if it is told.
    TextSequence {
        /// Words or letters.
        tokens: Tokens,
        /// How many numbers there are at most, 0 and 1 among them.
        max_tokens: usize,
        /// The tokens of a text that are taken, from its beginning: 65 536 at most.
        output_sequence_length: usize,
    },
}

impl Feature {
    /// A category, at most 100 of which have an element of their own.
    pub fn string_categorical() -> Feature {
        Feature::StringCategorical { max_tokens: MAX_TOKENS }
    }
}

/// What a column's cells are.
#[derive(Clone, Debug)]
struct Kind {
    kind: ColumnKind,
    /// How many cells are no numbers and the first of them, in a column that is one of numbers otherwise.
    strays: Option<String>,
}

impl FeatureSpace {
    /// Every column for what it looks like.
    pub fn new() -> FeatureSpace {
        FeatureSpace::default()
    }

    /// Takes the column `name` for a feature of this kind.
    pub fn feature(mut self, name: &str, feature: Feature) -> Self {
        self.told.push((name.into(), feature));
        self
    }

    /// Leaves the column `name` out, as the one that is to be predicted.
    pub fn exclude(mut self, name: &str) -> Self {
        self.excluded.push(name.into());
        self
    }

    /// Takes columns for what they are in the whole table, of which parts are to be trained on and held out. A single word
    /// among numbers makes a column one of words, in whichever part it is; what kind of cells there are tells the network
    /// nothing of them.
    pub fn kinds_of(mut self, whole: &Table) -> Self {
        self.kinds = whole.columns().iter().map(|column| (column.name().into(), Kind::of(column))).collect();
        self
    }

    /// Learns means, deviations and vocabularies from `table`.
    ///
    /// # Errors
    /// A validation or test part, or a table of which one was split off; a column that was named and is not there, or holds
    /// other cells than were named; no column that can teach anything.
    pub fn adapt(mut self, table: &Table) -> Result<FeatureSpace> {
        table.mark().adapt()?;
        let mut named = self.told.iter().map(|(name, _)| name).chain(&self.excluded);
        named.try_for_each(|name| table.column(name).map(drop))?;
        (self.features, self.left_out) = (Vec::new(), Vec::new());
        for column in table.columns() {
            let name = column.name();
            if self.excluded.iter().any(|n| n == name) {
                continue;
            }
            let told = self.told.iter().rev().find(|(n, _)| n == name).map(|(_, feature)| *feature);
            let kind = self.kinds.get(name).cloned().unwrap_or_else(|| Kind::of(column));
            match told.map_or_else(|| guess(column, &kind), Ok) {
                Ok(feature) => self.features.push((name.into(), Encoder::adapt(column, feature)?)),
                Err(reason) => self.left_out.push((name.into(), reason)),
            }
        }
        if self.features.is_empty() {
            let reasons: String = self.left_out.iter().map(|(name, reason)| format!("; `{name}` {reason}")).collect();
            return Err(Error::Data(format!("no column of the table can be learnt from{reasons}")));
        }
        Ok(self)
    }

    /// The columns that are used, in their order, each with how many elements it becomes.
    pub fn features(&self) -> impl Iterator<Item = (&str, usize)> {
        self.features.iter().map(|(name, encoder)| (&**name, encoder.width()))
    }

    /// The columns that are not used, each with the reason.
    pub fn left_out(&self) -> &[(String, String)] {
        &self.left_out
    }

    /// The elements of a vector.
    pub fn width(&self) -> usize {
        self.features().map(|(_, width)| width).sum()
    }

    /// The most that a number of the column `name` is, plus one: what an [`Embedding`](crate::layers::Embedding) of a
    /// [`Feature::TextSequence`] takes for its `input_dim`. Nothing for other features.
    pub fn vocabulary_size(&self, name: &str) -> Option<usize> {
        self.features.iter().find(|(n, _)| n == name).and_then(|(_, encoder)| encoder.vocabulary_size())
    }

    /// Float32 `(rows, width)` of a table.
    ///
    /// # Errors
    /// A feature space that was not adapted; a column that is not there; a cell that should be a number and is none.
    pub fn transform(&self, table: &Table) -> Result<Tensor> {
        if self.features.is_empty() {
            return Err(Error::Config(
                "a feature space must be adapted before it transforms: call `adapt` first".into(),
            ));
        }
        let width = self.width();
        let mut values = vec![0f32; table.rows() * width];
        let mut at = 0;
        for (name, encoder) in &self.features {
            let rows = values.chunks_exact_mut(width).map(|row| &mut row[at..at + encoder.width()]);
            encoder.encode(table.column(name)?, rows)?;
            at += encoder.width();
        }
        if let Some(i) = values.iter().position(|x| !x.is_finite()) {
            return Err(Error::Data(format!(
                "row {} of the table holds a number beyond float32's range",
                i / width + 1
            )));
        }
        Tensor::from_slice(&values, [table.rows(), width])
    }

    /// What it learnt, to be kept beside the model.
    pub fn to_json(&self) -> Value {
        let features: Map<String, Value> =
            self.features.iter().map(|(name, encoder)| (name.clone(), encoder.to_json())).collect();
        json!({ "features": features })
    }

    /// What [`FeatureSpace::to_json`] gave.
    ///
    /// # Errors
    /// Anything else.
    pub fn from_json(value: &Value) -> Result<FeatureSpace> {
        let damaged = |name: &str| Error::Data(format!("feature `{name}` of the feature space is damaged"));
        let features = value.get("features").and_then(Value::as_object).filter(|f| !f.is_empty());
        let features = features.ok_or_else(|| Error::Data("a feature space without features".into()))?;
        let read = |(name, value): (&String, &Value)| {
            let encoder = Encoder::from_json(value).ok_or_else(|| damaged(name))?;
            Ok((name.clone(), encoder))
        };
        let features = features.iter().map(read).collect::<Result<_>>()?;
        Ok(FeatureSpace { features, ..FeatureSpace::default() })
    }
}

impl Kind {
    fn of(column: &Column) -> Kind {
        let (count, first) = column.words();
        let present = column.cells().len() - column.missing();
        let strays = first.filter(|_| count * 2 < present).map(|(row, text)| {
            let (are, them) = match count {
                1 => ("1 cell is no number".to_string(), "it"),
                _ => (format!("{count} cells are no numbers"), "them"),
            };
            format!("{are}, such as `{text}` in row {}: correct {them} or leave {them} empty", row + 1)
        });
        Kind { kind: column.kind(), strays }
    }
}

/// What a column is taken for, or why it is left out.
fn guess(column: &Column, Kind { kind, strays }: &Kind) -> Result<Feature, String> {
    let counts = column.counts();
    if counts.is_empty() {
        return Err("has no values".into());
    }
    if counts.len() == 1 && column.missing() == 0 {
        return Err(format!("is always {}", counts[0].0));
    }
    let present: usize = counts.iter().map(|(_, count)| count).sum();
    if *kind == ColumnKind::Category && counts.len() > 2 && counts.len() > present / 2 {
        let words = || format!("holds {} different texts in {present} rows", counts.len());
        return Err(strays.clone().unwrap_or_else(words));
    }
    Ok(if *kind == ColumnKind::Number { Feature::FloatNormalized } else { Feature::string_categorical() })
}

#[cfg(test)]
mod tests;
