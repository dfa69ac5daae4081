//! What the commands that learn from a table share: its parts, and how far a network is beyond common sense.

use crate::say;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use uncrumple::data::{ColumnKind, Feature, FeatureSpace, Table};
use uncrumple::prelude::*;
use uncrumple::programs::tabular::{Problem, Tabular, Target};

/// The table and what is said of it.
#[derive(Args, Clone)]
pub struct Source {
    /// A CSV file; the first line names the columns
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The column to predict
    #[arg(long, value_name = "COLUMN")]
    target: String,

    /// The kind of problem, where the column's values do not tell
    #[arg(long, value_name = "KIND", value_enum)]
    kind: Option<Kind>,

    /// Columns to leave out
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    exclude: Vec<String>,

    /// Columns of numbers that stand for categories
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    categorical: Vec<String>,

    /// Hold out the latest rows: the column with their time, a number or as in 2026-01-31; it is not learnt from
    #[arg(long, value_name = "COLUMN", conflicts_with = "group")]
    time: Option<String>,

    /// Hold out whole groups: the column that names a row's group, such as a patient; it is not learnt from
    #[arg(long, value_name = "COLUMN")]
    group: Option<String>,

    /// The fraction of the rows to be tested on
    #[arg(long, value_name = "FRACTION", default_value_t = 0.2)]
    test_split: f64,

    /// The fraction of the other rows for validation
    #[arg(long, value_name = "FRACTION", default_value_t = 0.2)]
    validation_split: f64,
}

/// Kinds of problems, by name. The values have no descriptions, which would make the help longer than it is worth.
#[derive(Clone, Copy, ValueEnum)]
pub enum Kind {
    Regression,
    Binary,
    Categorical,
}

impl From<Kind> for Problem {
    fn from(kind: Kind) -> Problem {
        match kind {
            Kind::Regression => Problem::Regression,
            Kind::Binary => Problem::Binary,
            Kind::Categorical => Problem::Categorical,
        }
    }
}

/// A table, divided and encoded.
pub struct Parts {
    pub tabular: Tabular,
    pub train: Dataset,
    pub validation: Dataset,
    pub test: Dataset,
    about: Vec<String>,
}

impl Source {
    /// The folder for results unless told otherwise.
    pub fn out(&self) -> PathBuf {
        PathBuf::from("runs").join(self.file.file_stem().unwrap_or_default())
    }

    /// Reads and divides the table, and learns from the training part what its columns hold.
    pub fn parts(&self, seed: u64) -> Result<Parts> {
        let whole = Table::read(&self.file)?;
        let named = self.time.iter().chain(&self.group).chain(&self.exclude);
        named.clone().chain(&self.categorical).try_for_each(|name| whole.column(name).map(drop))?;
        let known = (0..).zip(whole.column(&self.target)?.cells()).filter_map(|(i, cell)| cell.map(|_| i));
        let known: Vec<i32> = known.collect();
        let without = whole.rows() - known.len();
        let table = if without == 0 { whole } else { whole.take(&known)? };
        let target = Target::new(&table, &self.target, self.kind.map(Problem::from))?;

        let (rest, test) = table.split(self.test_split, &self.split(&table, &target)?.seed(seed))?;
        let (train, validation) = rest.split(self.validation_split, &self.split(&rest, &target)?.seed(seed + 1))?;
        let mut space = FeatureSpace::new().exclude(&self.target);
        for name in named {
            space = space.exclude(name);
        }
        for name in &self.categorical {
            space = space.feature(name, Feature::string_categorical());
        }
        let tabular = Tabular { space: space.adapt(&train)?, target };
        let about = self.about(&table, without, &tabular, [&train, &validation, &test]);
        let set = |part: &Table| tabular.dataset(part);
        let (train, validation, test) = (set(&train)?, set(&validation)?, set(&test)?.held_out());
        Ok(Parts { train, validation, test, about, tabular })
    }

    fn split(&self, table: &Table, target: &Target) -> Result<Split> {
        let numbered = |name: &str| -> Result<Vec<i64>> {
            let column = table.column(name)?;
            let mut values: Vec<_> = column.cells().map(Option::unwrap_or_default).collect();
            values.sort_unstable();
            values.dedup();
            // Where the text stands among all: the order of dates as ISO 8601 writes them.
            Ok(column.cells().map(|c| values.partition_point(|v| *v < c.unwrap_or_default()) as i64).collect())
        };
        if let Some(name) = &self.group {
            return Ok(Split::grouped(numbered(name)?));
        }
        if let Some(name) = &self.time {
            let column = table.column(name)?;
            if column.missing() > 0 {
                let message = format!("--time: column `{name}` has {} cells without a value", column.missing());
                return Err(Error::Data(message));
            }
            return Ok(match column.kind() {
                ColumnKind::Number => Split::temporal(column.numbers()?),
                _ => Split::temporal(numbered(name)?.into_iter().map(|t| t as f64).collect::<Vec<_>>()),
            });
        }
        let enough = table.column(target.column())?.counts().iter().all(|(_, count)| *count >= 2);
        if target.problem() == Problem::Regression || !enough {
            return Ok(Split::random());
        }
        Ok(Split::stratified(numbered(target.column())?))
    }

    fn about(
        &self,
        table: &Table,
        without: usize,
        tabular: &Tabular,
        [train, validation, test]: [&Table; 3],
    ) -> Vec<String> {
        let (space, target) = (&tabular.space, &tabular.target);
        let mut about = vec![format!(
            "{}: {} rows, {} columns",
            self.file.display(),
            table.rows() + without,
            table.columns().len()
        )];
        if without > 0 {
            about.push(format!("         {without} rows without a target are left out"));
        }
        let counts = table.column(target.column()).map(|c| c.counts()).unwrap_or_default();
        let shown: Vec<_> = counts.iter().take(5).map(|(value, n)| format!("{value} {n}")).collect();
        let more = if counts.len() > 5 { ", …" } else { "" };
        about.push(match target.problem() {
            Problem::Regression => format!("target   {}: regression", target.column()),
            kind => format!("target   {}: {} ({}{more})", target.column(), kind.name(), shown.join(", ")),
        });
        let columns: Vec<_> = space.features().map(|(name, width)| format!("{name} {width}")).collect();
        about.push(format!(
            "inputs   {} numbers from {} columns: {}",
            space.width(),
            columns.len(),
            columns.join(", ")
        ));
        about.extend(space.left_out().iter().map(|(name, reason)| format!("left out {name}: {reason}")));
        let how = match (&self.time, &self.group) {
            (Some(time), _) => format!("the latest by {time}"),
            (_, Some(group)) => format!("whole groups of {group}"),
            _ => "at random".into(),
        };
        about.push(format!(
            "rows     {} to train on, {} for validation, {} to be tested on ({how})",
            train.rows(),
            validation.rows(),
            test.rows()
        ));
        about
    }
}

impl Parts {
    /// Prints what the table is and how it is divided.
    pub fn describe(&self) -> Result<()> {
        self.about.iter().try_for_each(say)
    }
}

/// Prints the network's figures on the test part beside those of who always says the same.
pub fn verdict(problem: Problem, train: &Dataset, test: &Dataset, figures: &Logs) -> Result<()> {
    let (what, baseline) = common_sense(problem, train, test)?;
    say(format!("{:<32} {:>12} {:>12}", format!("{} test rows", test.len()), "network", "baseline"))?;
    for (name, value) in figures.iter() {
        let own = baseline.iter().find(|(n, _)| *n == name);
        let own = own.map_or_else(|| "–".to_string(), |(_, value)| format!("{value:.4}"));
        say(format!("{name:<32} {value:>12.4} {own:>12}"))?;
    }
    say(format!("The baseline is {what}."))
}

/// What is reached without looking at the inputs.
fn common_sense(problem: Problem, train: &Dataset, test: &Dataset) -> Result<(String, Vec<(&'static str, f64)>)> {
    if problem != Problem::Regression {
        let counts = train.class_counts()?;
        let (most, _) = counts.iter().rev().max_by_key(|(_, count)| *count).copied().unwrap_or_default();
        let right = test.classes()?.iter().filter(|&&class| class == most).count();
        let mut figures = vec![("accuracy", right as f64 / test.len() as f64)];
        if problem == Problem::Binary {
            figures.push(("auc", 0.5));
        }
        return Ok(("always the most frequent class of the training part".into(), figures));
    }
    let mut known: Vec<f64> = train.targets()[0].to_vec::<f32>()?.into_iter().map(f64::from).collect();
    let targets: Vec<f64> = test.targets()[0].to_vec::<f32>()?.into_iter().map(f64::from).collect();
    known.sort_unstable_by(f64::total_cmp);
    let (mean, median) = (known.iter().sum::<f64>() / known.len() as f64, known[known.len() / 2]);
    let mean_of = |f: &dyn Fn(f64) -> f64| targets.iter().map(|&y| f(y)).sum::<f64>() / targets.len() as f64;
    let squared = mean_of(&|y| (y - mean) * (y - mean));
    let centre = mean_of(&|y| y);
    let variance = mean_of(&|y| (y - centre) * (y - centre));
    let figures = vec![
        ("loss", squared),
        ("mean_absolute_error", mean_of(&|y| (y - median).abs())),
        ("root_mean_squared_error", squared.sqrt()),
        ("r2_score", 1.0 - squared / variance),
    ];
    Ok(("always the training part's mean, and its median for the absolute error".into(), figures))
}
