//! The columns of a table as the numbers that a network takes.

use super::{Column, ColumnKind, Table, Tokens};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// The least deviation that is divided by: Keras's epsilon.
const EPSILON: f64 = 1e-7;

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
///   frequent ones of the training part; all others are nowhere.
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

/// What was learnt of a column.
#[derive(Clone, Debug, PartialEq)]
enum Encoder {
    Number { mean: f64, deviation: f64, indicator: bool },
    Category { vocabulary: Vec<String> },
    Text { tokens: Tokens, ngrams: usize, vocabulary: Vec<String> },
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
            let column = table.column(name)?;
            let rows = values.chunks_exact_mut(width).map(|row| &mut row[at..at + encoder.width()]);
            match encoder {
                Encoder::Number { mean, deviation, indicator } => {
                    for (to, x) in rows.zip(column.numbers()?) {
                        to[0] = if x.is_nan() { 0.0 } else { ((x - mean) / deviation) as f32 };
                        if *indicator {
                            to[1] = f32::from(x.is_nan());
                        }
                    }
                }
                Encoder::Category { vocabulary } => {
                    let places: HashMap<&str, usize> = vocabulary.iter().map(|v| &**v).zip(1..).collect();
                    for (to, cell) in rows.zip(column.cells()) {
                        to[places.get(cell.unwrap_or("")).copied().unwrap_or(0)] = 1.0;
                    }
                }
                Encoder::Text { tokens, ngrams, vocabulary } => {
                    let places: HashMap<&str, usize> = vocabulary.iter().map(|v| &**v).zip(0..).collect();
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
            }
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
        let feature = |(name, encoder): &(String, Encoder)| {
            let encoder = match encoder {
                Encoder::Number { mean, deviation, indicator } => {
                    json!({ "type": "float", "mean": mean, "deviation": deviation, "indicator": indicator })
                }
                Encoder::Category { vocabulary } => json!({ "type": "string_categorical", "vocabulary": vocabulary }),
                Encoder::Text { tokens, ngrams, vocabulary } => {
                    json!({ "type": "text", "tokens": tokens.name(), "ngrams": ngrams, "vocabulary": vocabulary })
                }
            };
            (name.clone(), encoder)
        };
        let features: Map<String, Value> = self.features.iter().map(feature).collect();
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

impl Encoder {
    fn adapt(column: &Column, feature: Feature) -> Result<Encoder> {
        if let Feature::StringCategorical { max_tokens } = feature {
            let counts = column.counts();
            let mut words: Vec<(&str, usize)> = counts.into_iter().chain([("", column.missing())]).collect();
            words.retain(|(_, count)| *count > 0);
            words.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
            let vocabulary = words.into_iter().take(max_tokens).map(|(word, _)| word.to_string()).collect();
            return Ok(Encoder::Category { vocabulary });
        }
        if let Feature::Text { tokens, ngrams, max_tokens } = feature {
            let mut counts: HashMap<String, usize> = HashMap::new();
            for cell in column.cells().flatten() {
                tokens.each(cell, ngrams, |token| match counts.get_mut(token) {
                    Some(count) => *count += 1,
                    None => drop(counts.insert(token.into(), 1)),
                });
            }
            let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
            counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            let vocabulary: Vec<String> = counts.into_iter().take(max_tokens).map(|(token, _)| token).collect();
            if vocabulary.is_empty() {
                return Err(Error::Data(format!("column `{}` holds no text", column.name())));
            }
            return Ok(Encoder::Text { tokens, ngrams, vocabulary });
        }
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
        Ok(match feature {
            // What is missing is the mean here, too, and 0 stands for it: (mean − mean) / 1 is no number as it was.
            Feature::Float => Encoder::Number { mean: 0.0, deviation: 1.0, indicator },
            _ => Encoder::Number { mean, deviation, indicator },
        })
    }

    fn width(&self) -> usize {
        match self {
            Encoder::Number { indicator, .. } => 1 + usize::from(*indicator),
            Encoder::Category { vocabulary } => 1 + vocabulary.len(),
            Encoder::Text { vocabulary, .. } => vocabulary.len(),
        }
    }

    fn from_json(value: &Value) -> Option<Encoder> {
        let number = |key: &str| value.get(key)?.as_f64();
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
                let name = value.get("tokens")?.as_str()?;
                let tokens = Tokens::from_name(name)?;
                let ngrams = usize::try_from(value.get("ngrams")?.as_u64()?).ok()?;
                let vocabulary = vocabulary().filter(|v| !v.is_empty())?;
                Some(Encoder::Text { tokens, ngrams, vocabulary })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn table(text: &str) -> Table {
        Table::parse(text.as_bytes(), Path::new("t.csv")).unwrap()
    }

    const TRAIN: &str = "x,y,c,name,one\n1,5,a,Ann,7\n3,,b,Bob,7\n2,5,a,Cid,7\n2,8,,Dan,7\n";

    #[test]
    fn columns_become_numbers() -> Result<()> {
        let space = FeatureSpace::new().adapt(&table(TRAIN))?;
        assert_eq!(space.features().collect::<Vec<_>>(), [("x", 1), ("y", 2), ("c", 4)]);
        let reasons = ["holds 4 different texts in 4 rows", "is always 7"];
        assert_eq!(space.left_out().iter().map(|(_, reason)| &**reason).collect::<Vec<_>>(), reasons);
        // Another order, a column more, a category that was never seen, values that are not there.
        let new = table("c,extra,y,x\nz,1,,2\n,2,6,4\nb,3,8,NA\n");
        let (x, y) = (0.5f64.sqrt(), 2f64.sqrt());
        let want = [
            [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0],
            [2.0 / x, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0],
            [0.0, 2.0 / y, 0.0, 0.0, 0.0, 0.0, 1.0],
        ];
        for space in [FeatureSpace::from_json(&space.to_json())?, space] {
            let got = space.transform(&new)?;
            assert_eq!(got.shape()[..], [3, 7]);
            let want = want.concat();
            let near = |(&got, want): (&f32, &f64)| (f64::from(got) - want).abs() <= 1e-6;
            assert!(got.to_vec::<f32>()?.iter().zip(&want).all(near), "{got}");
        }
        Ok(())
    }

    #[test]
    fn what_is_told_counts() -> Result<()> {
        let space = FeatureSpace::new()
            .feature("x", Feature::StringCategorical { max_tokens: 1 })
            .feature("y", Feature::Float)
            .exclude("c")
            .adapt(&table(TRAIN))?;
        assert_eq!(space.features().collect::<Vec<_>>(), [("x", 2), ("y", 2)]);
        let got = space.transform(&table(TRAIN))?.to_vec::<f32>()?;
        assert_eq!(got, [1.0, 0.0, 5.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 5.0, 0.0, 0.0, 1.0, 8.0, 0.0]);
        Ok(())
    }

    #[test]
    fn texts_become_words_or_letters() -> Result<()> {
        let texts = Table::from_columns([("t", ["A good, GOOD film.", "no film", ""])])?;
        let told = |tokens, ngrams, max_tokens| {
            FeatureSpace::new().feature("t", Feature::Text { tokens, ngrams, max_tokens }).adapt(&texts)
        };
        // film 2, good 2, a 1, no 1
        let words = told(Tokens::Words, 1, 3)?;
        for space in [FeatureSpace::from_json(&words.to_json())?, words] {
            assert_eq!(space.transform(&texts)?.to_vec::<f32>()?, [1., 1., 1., 1., 0., 0., 0., 0., 0.]);
        }
        let pairs = told(Tokens::Words, 2, 100)?;
        // a, film, good, no; a good, good film, good good, no film
        assert_eq!(pairs.width(), 8);
        let letters = told(Tokens::Letters, 2, 1000)?;
        let new = Table::from_columns([("t", ["o", "zz"])])?;
        // ^ $ o; of pairs none: ^o and o$ do not occur. Of zz only where it begins and ends.
        let ones: Vec<f32> =
            letters.transform(&new)?.to_vec::<f32>()?.chunks(letters.width()).map(|row| row.iter().sum()).collect();
        assert_eq!(ones, [3.0, 2.0]);
        Ok(())
    }

    #[test]
    fn runs_of_any_length_come_to_an_end() -> Result<()> {
        let text = |vocabulary: &[&str]| {
            let feature =
                json!({ "type": "text", "tokens": "words", "ngrams": usize::MAX as u64, "vocabulary": vocabulary });
            FeatureSpace::from_json(&json!({ "features": { "t": feature } }))
        };
        let texts = Table::from_columns([("t", [&*"a b ".repeat(3000), "b"])])?;
        assert_eq!(text(&["a b", "c"])?.transform(&texts)?.to_vec::<f32>()?, [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(
            FeatureSpace::new()
                .feature("t", Feature::Text { tokens: Tokens::Words, ngrams: usize::MAX, max_tokens: 9 })
                .adapt(&Table::from_columns([("t", ["a b", "b"])])?)?
                .width(),
            3
        );
        assert!(text(&[]).is_err(), "a text without words has no elements");
        Ok(())
    }

    #[test]
    fn a_word_among_numbers_counts_wherever_it_is() -> Result<()> {
        let cell = |i: usize| if i == 7 { "unknown".into() } else { (i * i).to_string() };
        let whole = table(&format!("x,z\n{}", (0..40).map(|i| format!("{},{i}\n", cell(i))).collect::<String>()));
        for rows in [0..20, 20..40] {
            let part = whole.take(&rows.collect::<Vec<_>>())?;
            let space = FeatureSpace::new().kinds_of(&whole).adapt(&part)?;
            let reason = "1 cell is no number, such as `unknown` in row 8: correct it or leave it empty";
            assert_eq!(space.left_out(), [("x".to_string(), reason.to_string())]);
            assert_eq!(space.transform(&whole)?.shape()[..], [40, 1]);
        }
        Ok(())
    }

    #[test]
    fn nothing_is_learnt_from_what_is_held_out() -> Result<()> {
        let whole = table(TRAIN);
        let (train, test) = whole.split(0.5, &crate::data::Split::random())?;
        let adapt = |table: &Table| FeatureSpace::new().feature("c", Feature::string_categorical()).adapt(table);
        assert!(adapt(&whole).unwrap_err().to_string().contains("was split"));
        assert!(adapt(&test).unwrap_err().to_string().contains("held out"));
        assert!(adapt(&test.take(&[0])?).is_err());
        let space = adapt(&train)?;
        assert_eq!(space.transform(&test)?.shape()[0], 2);
        assert!(train.split(0.5, &crate::data::Split::random()).unwrap_err().to_string().contains("split first"));
        Ok(())
    }

    #[test]
    fn what_does_not_fit_is_refused() -> Result<()> {
        let space = FeatureSpace::new().adapt(&table(TRAIN))?;
        let refused = |text: &str| space.transform(&table(text)).unwrap_err().to_string();
        assert!(refused("x,y\n1,2\n").contains("no column `c`"));
        assert!(refused("x,y,c\n1,two,a\n").contains("column `y`, row 1"));
        assert!(refused("x,y,c\n1e300,2,a\n").contains("beyond float32's range"));
        assert!(FeatureSpace::new().transform(&table(TRAIN)).is_err());
        assert!(FeatureSpace::new().exclude("q").adapt(&table(TRAIN)).is_err());
        assert!(FeatureSpace::new().adapt(&table("a\n1\n1\n")).unwrap_err().to_string().contains("`a` is always 1"));
        for bad in
            [json!({}), json!({"features": {"a": {"type": "float", "mean": 0, "deviation": 0, "indicator": true}}})]
        {
            assert!(FeatureSpace::from_json(&bad).is_err());
        }
        Ok(())
    }
}
