//! Networks for tables: what is to be predicted, from which columns, by layers of which sizes.

mod target;

pub use target::{Problem, Target};

use crate::data::{Dataset, FeatureSpace, Table};
use crate::error::{Error, Result};
use crate::layers::{Dense, Dropout, Input, Normalization, Symbol};
use crate::losses::{BinaryCrossentropy, MeanSquaredError, SparseCategoricalCrossentropy};
use crate::metrics::{
    AUC, Average, BinaryAccuracy, F1Score, MeanAbsoluteError, Precision, R2Score, Recall, RootMeanSquaredError,
    SparseCategoricalAccuracy,
};
use crate::model::Model;
use crate::optimizers::Adam;
use crate::train::Trainer;
use serde_json::{Value, json};

/// The entry of a model file that says what the model reads and predicts.
const ENTRY: &str = "feature_space.json";

/// What a network reads of a table, and what it predicts.
#[derive(Clone, Debug)]
pub struct Tabular {
    /// The inputs.
    pub space: FeatureSpace,
    /// The output.
    pub target: Target,
}

/// Sizes of a network for a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizes {
    /// Units of each hidden layer.
    pub width: usize,
    /// Hidden layers.
    pub depth: usize,
    /// The share of units that dropout leaves out behind each hidden layer.
    pub dropout: f64,
    /// Adam's learning rate.
    pub learning_rate: f64,
}

impl Default for Sizes {
    /// Two layers of 64 units, no dropout, a learning rate of 0.001.
    fn default() -> Sizes {
        Sizes { width: 64, depth: 2, dropout: 0.0, learning_rate: 1e-3 }
    }
}

impl Tabular {
    /// Inputs and targets of a table; those of a part that is held out are held out, too.
    ///
    /// # Errors
    /// As [`FeatureSpace::transform`] and [`Target::tensor`].
    pub fn dataset(&self, table: &Table) -> Result<Dataset> {
        Ok(Dataset::new(self.space.transform(table)?, self.target.tensor(table)?)?.made_of(table))
    }

    /// A dense network for the data set, which must be the training part: layers of `relu` units between what
    /// [`Tabular::model_around`] has.
    ///
    /// # Errors
    /// Sizes that no layer can have.
    pub fn model(&self, train: &Dataset, sizes: Sizes) -> Result<Model> {
        self.model_around(train, |input| {
            let mut x = input.clone();
            for _ in 0..sizes.depth {
                x = Dense::new(sizes.width).relu().call(&x)?;
                if sizes.dropout != 0.0 {
                    x = Dropout::new(sizes.dropout).call(&x)?;
                }
            }
            Ok(x)
        })
    }

    /// A network of any layers for the data set, which must be the training part: `body` comes between the input, a vector
    /// for each row, and an output with the activation that the problem wants. A regression's network computes in
    /// deviations from the training part's mean, which its last layer undoes. What it reads and predicts is attached to
    /// it, for [`Tabular::of`].
    ///
    /// # Errors
    /// Those of the body.
    pub fn model_around(&self, train: &Dataset, body: impl FnOnce(&Symbol) -> Result<Symbol>) -> Result<Model> {
        let input = Input::new([self.space.width()]);
        let x = body(&input)?;
        let output = match self.target.problem() {
            Problem::Binary => Dense::new(1).sigmoid().call(&x)?,
            Problem::Categorical => Dense::new(self.target.classes().len()).softmax().call(&x)?,
            Problem::Multilabel => Dense::new(self.target.classes().len()).sigmoid().call(&x)?,
            Problem::Regression => {
                let values = train.targets()[0].to_vec::<f32>()?;
                let mean_of =
                    |f: &dyn Fn(f64) -> f64| values.iter().map(|&y| f(y.into())).sum::<f64>() / values.len() as f64;
                let mean = mean_of(&|y| y);
                let variance = mean_of(&|y| (y - mean) * (y - mean));
                let scale = Normalization::new().mean_and_variance(mean, variance).invert(true);
                scale.call(&Dense::new(1).call(&x)?)?
            }
        };
        Model::new(&input, &output)?.attach(ENTRY, self.to_json().to_string().into_bytes())
    }

    /// A trainer of `model` with Adam of this learning rate, and the loss and the metrics of the problem.
    ///
    /// # Errors
    /// As [`Model::compile`].
    pub fn compile(&self, model: Model, learning_rate: f64) -> Result<Trainer> {
        let adam = Adam::new(learning_rate);
        match self.target.problem() {
            Problem::Regression => {
                let metrics = (MeanAbsoluteError::new(), RootMeanSquaredError::new(), R2Score::new());
                model.compile(adam, MeanSquaredError::new(), metrics)
            }
            Problem::Binary => {
                let metrics = (BinaryAccuracy::new().named("accuracy"), AUC::new(), Precision::new(), Recall::new());
                model.compile(adam, BinaryCrossentropy::new(), metrics)
            }
            Problem::Multilabel => {
                let f1 = |average: Average| F1Score::new().average(average).threshold(0.5);
                let metrics = (
                    BinaryAccuracy::new().named("accuracy"),
                    f1(Average::Micro).named("f1_micro"),
                    f1(Average::Macro).named("f1_macro"),
                );
                model.compile(adam, BinaryCrossentropy::new(), metrics)
            }
            Problem::Categorical => {
                let metrics = [SparseCategoricalAccuracy::new().named("accuracy")];
                model.compile(adam, SparseCategoricalCrossentropy::new(), metrics)
            }
        }
    }

    /// What is attached to a model that [`Tabular::model`] built; nothing if it did not.
    ///
    /// # Errors
    /// An attachment that is damaged, or does not fit the model.
    pub fn of(model: &Model) -> Result<Option<Tabular>> {
        let Some(bytes) = model.attachment(ENTRY) else { return Ok(None) };
        let damaged = |what: String| Error::Data(format!("the model's `{ENTRY}` is damaged: {what}"));
        let value: Value = serde_json::from_slice(bytes).map_err(|e| damaged(e.to_string()))?;
        let tabular = Tabular::from_json(&value).map_err(|e| damaged(e.to_string()))?;
        let takes = model.graph().inputs.first().and_then(|(_, spec)| spec.dims.last().copied().flatten());
        let gives =
            model.graph().outputs.first().and_then(|&value| model.graph().spec(value)?.dims.last().copied().flatten());
        let classes = match tabular.target.problem() {
            Problem::Categorical | Problem::Multilabel => tabular.target.classes().len(),
            Problem::Regression | Problem::Binary => 1,
        };
        if takes != Some(tabular.space.width()) || gives != Some(classes) {
            return Err(damaged("it is that of another model".into()));
        }
        Ok(Some(tabular))
    }

    /// Both, as they are kept beside a model.
    pub fn to_json(&self) -> Value {
        json!({ "inputs": self.space.to_json(), "target": self.target.to_json() })
    }

    fn from_json(value: &Value) -> Result<Tabular> {
        let space = FeatureSpace::from_json(value.get("inputs").unwrap_or(&Value::Null))?;
        let target = value.get("target").and_then(Target::from_json);
        let target = target.ok_or_else(|| Error::Data("it does not say what is predicted".into()))?;
        Ok(Tabular { space, target })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;
    use crate::device::Device;
    use crate::dtype::DType;
    use crate::tensor::Tensor;
    use std::path::Path;

    fn table(text: &str) -> Table {
        Table::parse(text.as_bytes(), Path::new("t.csv")).unwrap()
    }

    #[test]
    fn the_problem_follows_from_the_column() -> Result<()> {
        let rows: String =
            (0..30).map(|i| format!("{},{},{},{}.5,k{i}\n", i % 2, i % 3 * 10, ["no", "yes"][i / 15], i)).collect();
        let table = table(&format!("bit,class,word,number,id\n{rows}"));
        let target = |name: &str, told| Target::new(&table, name, told);
        let bit = target("bit", None)?;
        assert_eq!((bit.problem(), bit.classes()), (Problem::Binary, &["0".to_string(), "1".into()][..]));
        let class = target("class", None)?;
        assert_eq!((class.problem(), class.classes().join(" ").as_str()), (Problem::Categorical, "0 10 20"));
        assert_eq!(class.tensor(&table)?.to_vec::<i32>()?[..4], [0, 1, 2, 0]);
        assert_eq!(target("word", None)?.tensor(&table)?.to_vec::<f32>()?[14..16], [0.0, 1.0]);
        assert_eq!(target("number", None)?.problem(), Problem::Regression);
        assert_eq!(target("class", Some(Problem::Regression))?.tensor(&table)?.to_vec::<f32>()?[1], 10.0);
        for (name, told, want) in [
            ("id", None, "30 classes in 30 rows"),
            ("class", Some(Problem::Binary), "binary, but of 3 values"),
            ("word", Some(Problem::Regression), "expected a number, got `no`"),
            ("gone", None, "no column `gone`"),
        ] {
            assert!(target(name, told).unwrap_err().to_string().contains(want), "{name}");
        }
        Ok(())
    }

    #[test]
    fn the_numbers_of_a_part_are_of_that_part() -> Result<()> {
        let rows: String = (0..40).map(|i| format!("{i},{}\n", 3 * i)).collect();
        let (train, test) = table(&format!("x,y\n{rows}")).split(0.5, &Split::random())?;
        let target = Target::new(&train, "y", None)?;
        let tabular = Tabular { space: FeatureSpace::new().exclude("y").adapt(&train)?, target };
        let (train, test) = (tabular.dataset(&train)?, tabular.dataset(&test)?);
        let inputs = |data: &Dataset| data.with_inputs(data.inputs()[0].mul_scalar(2.0)?)?.input(0);
        Normalization::new().adapt(&inputs(&train)?)?;
        for held_out in [test.input(0)?, inputs(&test)?] {
            assert!(Normalization::new().adapt(&held_out).unwrap_err().to_string().contains("held out"));
        }
        assert!(train.split(0.5, &Split::random()).unwrap_err().to_string().contains("split first"));
        assert!(train.with_inputs(Tensor::zeros(&Device::Cpu, [3, 1], DType::F32)?).is_err());
        Ok(())
    }

    #[test]
    fn equal_numbers_are_one_class() -> Result<()> {
        let rows: String = ["1", "1.0", "0", "1", "-0", "0"].map(|cell| format!("5,{cell}\n")).concat().repeat(3);
        let numbers = table(&format!("x,y\n{rows}"));
        let target = Target::new(&numbers, "y", None)?;
        assert_eq!((target.problem(), target.classes()), (Problem::Binary, &["0".to_string(), "1".into()][..]));
        assert_eq!(target.counts(&numbers)?, [("0", 9), ("1", 9)]);
        assert_eq!(target.tensor(&numbers)?.to_vec::<f32>()?[..6], [1.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
        assert!(
            target.tensor(&table("y\none\n")).unwrap_err().to_string().contains("`one` is none of the classes 0, 1")
        );
        Ok(())
    }

    #[test]
    fn rows_without_a_target_are_left_out() -> Result<()> {
        let gaps = table(&format!("x,y\n{}", "1,2\n2,\n3,4.5\n".repeat(4)));
        let target = Target::new(&gaps, "y", Some(Problem::Regression))?;
        let (known, without) = target.known(&gaps)?;
        assert_eq!((known.rows(), without), (8, 4));
        assert_eq!(known.column("x")?.numbers()?[..3], [1.0, 3.0, 1.0]);
        assert!(target.known(&table("x,y\n1,\n")).unwrap_err().to_string().contains("has no values"));
        let labels = Target::new(&gaps, "y", Some(Problem::Multilabel))?;
        assert_eq!(labels.known(&gaps)?.1, 0);
        Ok(())
    }

    #[test]
    fn sizes_that_no_layer_has_are_refused() -> Result<()> {
        let numbers = table(&format!("x,y\n{}", (0..20).map(|i| format!("{i},{i}\n")).collect::<String>()));
        let target = Target::new(&numbers, "y", None)?;
        let tabular = Tabular { space: FeatureSpace::new().exclude("y").adapt(&numbers)?, target };
        for dropout in [-0.5, f64::NAN, 1.5] {
            let sizes = Sizes { dropout, ..Sizes::default() };
            assert!(tabular.model(&tabular.dataset(&numbers)?, sizes).is_err(), "{dropout}");
        }
        Ok(())
    }

    #[test]
    fn what_a_model_reads_travels_with_it() -> Result<()> {
        let rows: String = (0..20).map(|i| format!("{i},{},{}\n", ["a", "b", "c"][i % 3], 3 * i)).collect();
        let table = table(&format!("x,c,y\n{rows}"));
        let target = Target::new(&table, "y", None)?;
        let tabular = Tabular { space: FeatureSpace::new().exclude("y").adapt(&table)?, target };
        let data = tabular.dataset(&table)?;
        let model = tabular.model(&data, Sizes { dropout: 0.5, ..Sizes::default() })?;
        let again = Tabular::of(&model)?.unwrap();
        assert_eq!((again.target, again.space.to_json()), (tabular.target.clone(), tabular.space.to_json()));
        let other = Model::new(&Input::new([2]), &Dense::new(1).call(&Input::new([2]))?);
        assert!(other.is_err(), "two inputs that are not one");
        let input = Input::new([2]);
        let other = Model::new(&input, &Dense::new(1).call(&input)?)?;
        assert!(Tabular::of(&other)?.is_none());
        for bytes in [&b"{"[..], b"{}", model.attachment(ENTRY).unwrap()] {
            assert!(Tabular::of(&other.clone().attach(ENTRY, bytes)?).is_err());
        }
        Ok(())
    }
}
