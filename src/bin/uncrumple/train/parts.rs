//! A table, divided and encoded.

use crate::say;
use uncrumple::data::{FeatureSpace, Table};
use uncrumple::prelude::*;
use uncrumple::programs::tabular::{Problem, Tabular, Target};

/// What a network learns from, is chosen by, and is tested on.
pub struct Parts {
    pub tabular: Tabular,
    pub train: Dataset,
    pub validation: Dataset,
    pub test: Dataset,
    /// What a reader should know of them, line by line.
    pub about: Vec<String>,
}

/// How a table is divided.
pub struct Division<'a> {
    /// What is held out of the whole for the test, and of the rest for validation.
    pub fractions: [f64; 2],
    /// How rows are chosen.
    pub split: &'a dyn Fn(&Table) -> Result<Split>,
    /// The same in words.
    pub how: &'a str,
    pub seed: u64,
}

impl Parts {
    /// Divides a table, and learns from the training part alone what its columns hold.
    pub fn new(table: &Table, target: &Target, space: FeatureSpace, division: &Division) -> Result<Parts> {
        let Division { fractions, split, how, seed } = division;
        let (rest, test) = table.split(fractions[0], &split(table)?.seed(*seed))?;
        let (train, validation) = rest.split(fractions[1], &split(&rest)?.seed(seed.wrapping_add(1)))?;
        let tabular = Tabular { space: space.kinds_of(table).adapt(&train)?, target: target.clone() };
        let about = about(table, &tabular, [&train, &validation, &test], how);
        let [train, validation, test] = [&train, &validation, &test].map(|part| tabular.dataset(part));
        let (train, validation, test) = (train?, validation?, test?);
        Ok(Parts { train, validation, test, about, tabular })
    }

    /// Prints what the table is and how it is divided.
    pub fn describe(&self) -> Result<()> {
        self.about.iter().try_for_each(say)
    }
}

/// Where each cell stands among the different ones by their characters, which is the order of dates as ISO 8601 writes them.
pub fn numbered(table: &Table, name: &str) -> Result<Vec<i64>> {
    let column = table.column(name)?;
    let mut values: Vec<_> = column.cells().map(Option::unwrap_or_default).collect();
    values.sort_unstable();
    values.dedup();
    Ok(column.cells().map(|c| values.partition_point(|v| *v < c.unwrap_or_default()) as i64).collect())
}

/// At random, of each class the same share where there are classes and each has rows enough.
pub fn by_class(table: &Table, target: &Target) -> Result<Split> {
    let enough = target.counts(table)?.iter().all(|(_, count)| *count >= 2);
    match target.problem() {
        Problem::Binary | Problem::Categorical if enough => {
            Ok(Split::stratified(target.tensor(table)?.cast(DType::I64)?.to_vec::<i64>()?))
        }
        _ => Ok(Split::random()),
    }
}

/// The first few of many.
pub fn some(words: Vec<String>, most: usize) -> String {
    let more = if words.len() > most { ", …" } else { "" };
    words.into_iter().take(most).collect::<Vec<_>>().join(", ") + more
}

fn about(table: &Table, tabular: &Tabular, [train, validation, test]: [&Table; 3], how: &str) -> Vec<String> {
    let (space, target) = (&tabular.space, &tabular.target);
    let counts = target.counts(table).unwrap_or_default();
    let classes = match target.problem() {
        Problem::Regression => String::new(),
        Problem::Multilabel => format!(" ({} labels)", target.classes().len()),
        _ => format!(" ({})", some(counts.iter().map(|(value, n)| format!("{value} {n}")).collect(), 6)),
    };
    let columns: Vec<_> = space.features().map(|(name, width)| format!("{name} {width}")).collect();
    let from = columns.len();
    let columns_are = if from == 1 { "column" } else { "columns" };
    let mut about = vec![
        format!("target   {}: {}{classes}", target.column(), target.problem().name()),
        format!("inputs   {} numbers from {from} {columns_are}: {}", space.width(), some(columns, 12)),
    ];
    about.extend(space.left_out().iter().map(|(name, reason)| format!("left out {name}: {reason}")));
    about.push(format!(
        "rows     {} to train on, {} for validation, {} to be tested on ({how})",
        train.rows(),
        validation.rows(),
        test.rows()
    ));
    about
}
