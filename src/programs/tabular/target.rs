//! What is to be predicted.

use crate::data::{Column, ColumnKind, Table};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use serde_json::{Value, json};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

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

    pub(super) fn to_json(&self) -> Value {
        json!({ "column": self.column, "problem": self.problem.name(), "classes": self.classes })
    }

    /// What [`Target::to_json`] made; nothing where it is damaged.
    pub(super) fn from_json(value: &Value) -> Option<Target> {
        let text = |key: &str| value.get(key)?.as_str().map(String::from);
        let name = text("problem")?;
        let problems = [Problem::Regression, Problem::Binary, Problem::Categorical, Problem::Multilabel];
        let problem = problems.into_iter().find(|p| p.name() == name)?;
        let classes = value.get("classes")?.as_array()?.iter();
        let classes: Vec<String> = classes.map(|c| c.as_str().map(String::from)).collect::<Option<_>>()?;
        let fits = match problem {
            Problem::Regression => classes.is_empty(),
            Problem::Binary => classes.len() == 2,
            Problem::Categorical => classes.len() >= 2,
            Problem::Multilabel => !classes.is_empty(),
        };
        fits.then_some(Target { column: text("column")?, problem, classes })
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
