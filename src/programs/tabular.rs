//! Networks for tables: what is to be predicted, from which columns, by layers of which sizes.

use crate::data::{Column, ColumnKind, Dataset, FeatureSpace, Table};
use crate::error::{Error, Result};
use crate::layers::{Dense, Dropout, Input, Normalization, Symbol};
use crate::losses::{BinaryCrossentropy, MeanSquaredError, SparseCategoricalCrossentropy};
use crate::metrics::{
    AUC, Average, BinaryAccuracy, F1Score, MeanAbsoluteError, Precision, R2Score, Recall, RootMeanSquaredError,
    SparseCategoricalAccuracy,
};
use crate::model::Model;
use crate::optimizers::Adam;
use crate::tensor::Tensor;
use crate::train::Trainer;
use serde_json::{Value, json};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

/// The entry of a model file that says what the model reads and predicts.
const ENTRY: &str = "feature_space.json";

/// Whole numbers of at most so many values are taken for classes.
const FEW: usize = 10;

/// A kind of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A number.
    Regression,
    /// One of two classes.
    Binary,
    /// One of several classes.
    Categorical,
    /// Any number of several labels, which stand between spaces in the column's cells; none where a cell has no value.
    Multilabel,
}

impl Problem {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Problem::Regression => "regression",
            Problem::Binary => "binary",
            Problem::Categorical => "categorical",
            Problem::Multilabel => "multilabel",
        }
    }

    /// The metric that people look at first.
    pub fn metric(self) -> &'static str {
        match self {
            Problem::Regression => "mean_absolute_error",
            Problem::Binary | Problem::Categorical => "accuracy",
            Problem::Multilabel => "f1_micro",
        }
    }
}

/// The column that is to be predicted.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    column: String,
    problem: Problem,
    /// What the classes are called, in the order of their numbers; empty for a regression.
    classes: Vec<String>,
}

impl Target {
    /// The column `name` of a table: for the kind of problem that is told, or else that its values look like. Two values are
    /// a binary problem; words, or whole numbers of at most 10 values, a categorical one; other numbers a regression.
    /// Classes are in the order of their numbers or their characters; the second of two is the positive one. In a column of
    /// numbers `1` and `1.0` are one class.
    ///
    /// # Errors
    /// There is no such column, or it is not for such a problem; a single value; as many classes as half the rows.
    pub fn new(table: &Table, name: &str, problem: Option<Problem>) -> Result<Target> {
        let column = table.column(name)?;
        let (kind, counts) = (column.kind(), values(column));
        let parsed = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
        let whole = kind == ColumnKind::Number && counts.iter().all(|(value, _)| parsed(value).fract() == 0.0);
        let problem = problem.unwrap_or(match counts.len() {
            2 => Problem::Binary,
            n if kind == ColumnKind::Category || (whole && n <= FEW) => Problem::Categorical,
            _ => Problem::Regression,
        });
        let wrong = |message: String| Err(Error::Data(format!("column `{name}` cannot be predicted: {message}")));
        if counts.len() < 2 {
            return wrong(format!("it has {} different values", counts.len()));
        }
        match problem {
            Problem::Regression if kind == ColumnKind::Category => {
                column.numbers()?;
            }
            Problem::Binary if counts.len() != 2 => return wrong(format!("binary, but of {} values", counts.len())),
            Problem::Categorical if counts.len() > (table.rows() - column.missing()) / 2 => {
                let stray = counts.iter().find(|(value, _)| !parsed(value).is_finite());
                let hint = stray.map_or_else(String::new, |(value, _)| {
                    format!("; to predict a number, all of its cells must be numbers, and `{value}` is none")
                });
                let message = format!("{} classes in {} rows are too many to learn", counts.len(), table.rows());
                return wrong(message + &hint);
            }
            _ => {}
        }
        let mut classes: Vec<String> = counts.iter().map(|(value, _)| value.to_string()).collect();
        if problem == Problem::Multilabel {
            let labels: BTreeSet<&str> = counts.iter().flat_map(|(value, _)| value.split_whitespace()).collect();
            classes = labels.into_iter().map(String::from).collect();
        }
        if problem == Problem::Regression {
            classes.clear();
        }
        classes.sort_by(|a, b| match kind {
            ColumnKind::Number => parsed(a).total_cmp(&parsed(b)),
            _ => a.cmp(b),
        });
        Ok(Target { column: name.into(), problem, classes })
    }

    /// The rows of a table whose target is known, and how many others there are. In a multi-label problem it always is: a
    /// cell without a value has no label.
    ///
    /// # Errors
    /// There is no such column, or it has no value at all.
    pub fn known(&self, table: &Table) -> Result<(Table, usize)> {
        let column = table.column(&self.column)?;
        let without = if self.problem == Problem::Multilabel { 0 } else { column.missing() };
        if without == 0 {
            return Ok((table.clone(), 0));
        }
        if without == table.rows() {
            return Err(Error::Data(format!("column `{}`, which is to be predicted, has no values", self.column)));
        }
        let rows: Vec<i32> = (0..).zip(column.cells()).filter_map(|(i, cell)| cell.map(|_| i)).collect();
        Ok((table.take(&rows)?, without))
    }

    /// The values in a table and how often each occurs, the most frequent first.
    ///
    /// # Errors
    /// There is no such column.
    pub fn counts<'a>(&self, table: &'a Table) -> Result<Vec<(&'a str, usize)>> {
        Ok(values(table.column(&self.column)?))
    }

    /// The column's name.
    pub fn column(&self) -> &str {
        &self.column
    }

    /// The kind of problem.
    pub fn problem(&self) -> Problem {
        self.problem
    }

    /// What the classes are called, in the order of their numbers; none for a regression.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The targets in a table: float32 `(rows, 1)`, int32 `(rows,)` of a categorical problem, float32 `(rows, labels)` of a
    /// multi-label one.
    ///
    /// # Errors
    /// A cell that has no value, is no number, or is none of the classes.
    pub fn tensor(&self, table: &Table) -> Result<Tensor> {
        let column = table.column(&self.column)?;
        let missing = |row: usize| Error::Data(format!("column `{}`, row {}: has no value", self.column, row + 1));
        if self.problem == Problem::Regression {
            let numbers = column.numbers()?;
            if let Some(row) = numbers.iter().position(|x| x.is_nan()) {
                return Err(missing(row));
            }
            return Tensor::from_slice(&numbers.iter().map(|&x| x as f32).collect::<Vec<_>>(), [table.rows(), 1]);
        }
        let places: HashMap<&str, usize> = self.classes.iter().map(|c| &**c).zip(0..).collect();
        let numbers: Option<HashMap<u64, usize>> =
            self.classes.iter().map(|c| number(c)).zip(0..).map(|(n, i)| Some((n?, i))).collect();
        // Numbers are found by their value, however they are written.
        let place = |class: &str| match &numbers {
            Some(numbers) => numbers.get(&number(class)?),
            None => places.get(class),
        };
        let unknown = |row: usize, class: &str| {
            let (name, known) = (&self.column, self.classes.join(", "));
            Error::Data(format!("column `{name}`, row {}: `{class}` is none of the classes {known}", row + 1))
        };
        if self.problem == Problem::Multilabel {
            let mut bits = vec![0f32; table.rows() * places.len()];
            for (row, (bits, cell)) in bits.chunks_exact_mut(places.len()).zip(column.cells()).enumerate() {
                for label in cell.unwrap_or("").split_whitespace() {
                    bits[*places.get(label).ok_or_else(|| unknown(row, label))?] = 1.0;
                }
            }
            return Tensor::from_slice(&bits, [table.rows(), places.len()]);
        }
        let class = |(row, cell): (usize, Option<&str>)| {
            let cell = cell.ok_or_else(|| missing(row))?;
            place(cell).map(|&i| i as i32).ok_or_else(|| unknown(row, cell))
        };
        let classes = column.cells().enumerate().map(class).collect::<Result<Vec<i32>>>()?;
        match self.problem {
            Problem::Categorical => Tensor::from_slice(&classes, table.rows()),
            _ => Tensor::from_slice(&classes.iter().map(|&c| c as f32).collect::<Vec<_>>(), [table.rows(), 1]),
        }
    }
}

/// The values of a column and how often each occurs, the most frequent first. Numbers that are equal are one value, written
/// as most of its cells have it.
fn values(column: &Column) -> Vec<(&str, usize)> {
    if column.kind() != ColumnKind::Number {
        return column.counts();
    }
    let mut places: HashMap<Option<u64>, usize> = HashMap::new();
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for (text, count) in column.counts() {
        match places.entry(number(text)) {
            Entry::Occupied(place) => counts[*place.get()].1 += count,
            Entry::Vacant(place) => {
                place.insert(counts.len());
                counts.push((text, count));
            }
        }
    }
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    counts
}

/// The bits of a number, the same for both zeros.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|x: &f64| x.is_finite()).map(|x| (x + 0.0).to_bits())
}

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
        let output = match self.target.problem {
            Problem::Binary => Dense::new(1).sigmoid().call(&x)?,
            Problem::Categorical => Dense::new(self.target.classes.len()).softmax().call(&x)?,
            Problem::Multilabel => Dense::new(self.target.classes.len()).sigmoid().call(&x)?,
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
        match self.target.problem {
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
        let classes = match tabular.target.problem {
            Problem::Categorical | Problem::Multilabel => tabular.target.classes.len(),
            Problem::Regression | Problem::Binary => 1,
        };
        if takes != Some(tabular.space.width()) || gives != Some(classes) {
            return Err(damaged("it is that of another model".into()));
        }
        Ok(Some(tabular))
    }

    /// Both, as they are kept beside a model.
    pub fn to_json(&self) -> Value {
        let Target { column, problem, classes } = &self.target;
        let target = json!({ "column": column, "problem": problem.name(), "classes": classes });
        json!({ "inputs": self.space.to_json(), "target": target })
    }

    fn from_json(value: &Value) -> Result<Tabular> {
        let space = FeatureSpace::from_json(value.get("inputs").unwrap_or(&Value::Null))?;
        let target = || {
            let target = value.get("target")?;
            let text = |key: &str| target.get(key)?.as_str().map(String::from);
            let name = text("problem")?;
            let problems = [Problem::Regression, Problem::Binary, Problem::Categorical, Problem::Multilabel];
            let problem = problems.into_iter().find(|p| p.name() == name)?;
            let classes = target.get("classes")?.as_array()?.iter();
            let classes: Vec<String> = classes.map(|c| c.as_str().map(String::from)).collect::<Option<_>>()?;
            let fits = match problem {
                Problem::Regression => classes.is_empty(),
                Problem::Binary => classes.len() == 2,
                Problem::Categorical => classes.len() >= 2,
                Problem::Multilabel => !classes.is_empty(),
            };
            fits.then_some(Target { column: text("column")?, problem, classes })
        };
        let target = target().ok_or_else(|| Error::Data("it does not say what is predicted".into()))?;
        Ok(Tabular { space, target })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;
    use crate::device::Device;
    use crate::dtype::DType;
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
