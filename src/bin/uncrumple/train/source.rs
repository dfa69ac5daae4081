//! A table of somebody's, and what is said of it.

use super::parts::{Division, Parts, by_class, numbered};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use uncrumple::data::{ColumnKind, Feature, FeatureSpace, Table, Tokens};
use uncrumple::prelude::*;
use uncrumple::programs::tabular::{Problem, Target};

/// Words of a text that are told apart.
const WORDS: usize = 2000;

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

    /// Columns of text: each of their words is a number, whether it occurs
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    text: Vec<String>,

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
    Multilabel,
}

impl From<Kind> for Problem {
    fn from(kind: Kind) -> Problem {
        match kind {
            Kind::Regression => Problem::Regression,
            Kind::Binary => Problem::Binary,
            Kind::Categorical => Problem::Categorical,
            Kind::Multilabel => Problem::Multilabel,
        }
    }
}

/// Whether a time is written as ISO 8601 has it, from the year on and without an offset from UTC.
fn is_iso(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let (date, time) = shape.split_at_checked(10).unwrap_or((&shape, ""));
    let time = time.strip_suffix('Z').unwrap_or(time);
    let clock = |time: &str| time.starts_with("00:00") && time.chars().all(|c| "0:.".contains(c));
    date == "0000-00-00" && (time.is_empty() || time.strip_prefix(['T', ' ']).is_some_and(clock))
}

impl Source {
    /// What the file is called.
    pub fn name(&self) -> String {
        self.file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Reads and divides the table, and learns from the training part what its columns hold.
    pub fn parts(&self, seed: u64) -> Result<Parts> {
        let whole = Table::read(&self.file)?;
        let named = self.time.iter().chain(&self.group).chain(&self.exclude);
        let told = self.categorical.iter().chain(&self.text);
        named.clone().chain(told).try_for_each(|name| whole.column(name).map(drop))?;
        if named.clone().any(|name| *name == self.target) {
            let message = "is the one to predict: --exclude, --time and --group take others";
            return Err(Error::Config(format!("column `{}` {message}", self.target)));
        }
        let target = Target::new(&whole, &self.target, self.kind.map(Problem::from))?;
        let (table, without) = target.known(&whole)?;
        let mut space = FeatureSpace::new().exclude(&self.target);
        for name in named {
            space = space.exclude(name);
        }
        for name in &self.categorical {
            space = space.feature(name, Feature::string_categorical());
        }
        for name in &self.text {
            space = space.feature(name, Feature::Text { tokens: Tokens::Words, ngrams: 1, max_tokens: WORDS });
        }
        let how = match (&self.time, &self.group) {
            (Some(time), _) => format!("the latest by {time}"),
            (_, Some(group)) => format!("whole groups of {group}"),
            _ => "at random".into(),
        };
        let split = |table: &Table| self.split(table, &target);
        let division = Division { fractions: [self.test_split, self.validation_split], split: &split, how: &how, seed };
        let mut parts = Parts::new(&table, &target, space, &division)?;
        if parts.tabular.space.left_out().iter().any(|(_, reason)| reason.contains("different texts")) {
            let hint = "--text COLUMN learns from the words of a column, --time COLUMN orders the rows by it";
            parts.about.push(format!("         ({hint})"));
        }
        if without > 0 {
            parts.about.insert(0, format!("left out {without} rows that have no {}", self.target));
        }
        parts.about.insert(0, self.file.display().to_string());
        Ok(parts)
    }

    fn split(&self, table: &Table, target: &Target) -> Result<Split> {
        let whole = |option: &str, name: &String| -> Result<()> {
            match table.column(name)?.missing() {
                0 => Ok(()),
                n => Err(Error::Data(format!("{option}: column `{name}` has {n} cells without a value"))),
            }
        };
        if let Some(name) = &self.group {
            whole("--group", name)?;
            return Ok(Split::grouped(numbered(table, name)?));
        }
        if let Some(name) = &self.time {
            whole("--time", name)?;
            let column = table.column(name)?;
            if let (ColumnKind::Category, Some(text)) = (column.kind(), column.cells().flatten().find(|c| !is_iso(c))) {
                let message = format!(
                    "--time: column `{name}` holds `{text}`: expected numbers, or times as in 2026-01-31 or \
                     2026-01-31T23:59:59Z, whose characters have their order"
                );
                return Err(Error::Data(message));
            }
            return Ok(match column.kind() {
                ColumnKind::Number => Split::temporal(column.numbers()?),
                _ => Split::temporal(numbered(table, name)?.into_iter().map(|t| t as f64).collect::<Vec<_>>()),
            });
        }
        by_class(table, target)
    }
}

#[cfg(test)]
mod tests {
    use super::is_iso;

    #[test]
    fn times_have_the_order_of_their_characters() {
        for sound in ["2026-01-31", "2026-01-31T23:59", "2026-01-31 23:59:59.5", "2026-01-31T23:59:59Z"] {
            assert!(is_iso(sound), "{sound}");
        }
        for other in
            ["31/12/2025", "2026-1-31", "Jan 31", "2026-01-31T23:59+02:00", "2026-01-31x", "2026-01-31T", "", "é"]
        {
            assert!(!is_iso(other), "{other}");
        }
    }
}
