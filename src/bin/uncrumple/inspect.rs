//! `uncrumple inspect`: what is in a file of data.

use crate::arrays::is_idx;
use crate::say;
use clap::Args;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use uncrumple::Shape;
use uncrumple::data::{Column, ColumnKind, Table};
use uncrumple::files::{Array, idx, image, npy, safetensors};
use uncrumple::prelude::*;

/// Show what a file of data holds: types, ranges, missing values, and how often classes occur
#[derive(Args)]
#[command(
    after_help = "Tables (.csv, .tsv), NumPy's arrays (.npy, .npz), MNIST's (idx, also gzipped), weights (.safetensors) and \
    pictures (.png, .jpg) are known; `summary` shows models (.keras)."
)]
pub struct Arguments {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Whole numbers of at most so many values are counted one by one.
const FEW: usize = 20;
/// Elements that are looked at together.
const PIECE: usize = 1 << 16;

pub fn run(arguments: &Arguments) -> Result<()> {
    let path = &arguments.file;
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    if ends(&[".csv", ".tsv"]) {
        return table(&Table::read(path)?, path);
    }
    if ends(&[".keras"]) {
        let message = "is a model: `uncrumple summary` shows its layers".into();
        return Err(Error::File { path: path.clone(), message });
    }
    if ends(&[".png", ".jpg", ".jpeg"]) {
        return array("pixels", &image::read(path, image::ColorMode::Rgb)?);
    }
    let arrays: Vec<(String, Array)> = match () {
        () if ends(&[".npy"]) => vec![("array".into(), npy::read(path)?)],
        () if ends(&[".npz"]) => npy::read_npz(path)?.into_iter().collect(),
        () if ends(&[".safetensors"]) => safetensors::read(path)?.arrays.into_iter().collect(),
        () if is_idx(&name) => vec![("array".into(), idx::read(path)?)],
        () => {
            let message =
                "has a name that no known kind of data ends in: .csv, .tsv, .npy, .npz, .safetensors, .png, .jpg, \
                           .jpeg, ubyte, .idx, or the last two with .gz"
                    .into();
            return Err(Error::File { path: path.clone(), message });
        }
    };
    arrays.iter().try_for_each(|(name, values)| array(name, values))
}

fn table(table: &Table, path: &Path) -> Result<()> {
    say(format!("{}: {} rows, {} columns\n", path.display(), table.rows(), table.columns().len()))?;
    let width = table.columns().iter().map(|c| c.name().chars().count()).max().unwrap_or(0).clamp(6, 32);
    say(format!("{:<width$}  {:<8} {:>7} {:>8}  values", "column", "type", "missing", "distinct"))?;
    for column in table.columns() {
        let (kind, values) = match column.kind() {
            ColumnKind::Number => ("number", numbers(column)?),
            ColumnKind::Category => ("category", words(&column.counts())),
            ColumnKind::Empty => ("empty", String::new()),
        };
        let (missing, distinct) = (column.missing(), column.counts().len());
        say(format!("{:<width$}  {kind:<8} {missing:>7} {distinct:>8}  {values}", column.name()).trim_end())?;
    }
    Ok(())
}

/// The most frequent values.
fn words(counts: &[(&str, usize)]) -> String {
    let short = |text: &str| {
        // A line's end in a cell is none of the report's.
        let text = &*text.replace(char::is_control, " ");
        if text.chars().count() > 24 { text.chars().take(23).collect::<String>() + "…" } else { text.into() }
    };
    let shown: Vec<_> = counts.iter().take(6).map(|(value, n)| format!("{} {n}", short(value))).collect();
    shown.join(", ") + if counts.len() > 6 { ", …" } else { "" }
}

fn numbers(column: &Column) -> Result<String> {
    let mut range = Range::default();
    column.numbers()?.into_iter().for_each(|x| range.add(x));
    let counts = column.counts();
    Ok(if counts.len() <= 5 && counts.iter().any(|(_, n)| *n > 1) {
        format!("{range}: {}", words(&counts))
    } else {
        range.to_string()
    })
}

/// What finite numbers lie between; it prints as `1 to 9, mean 4.5, deviation 2.1`.
struct Range {
    count: usize,
    low: f64,
    high: f64,
    mean: f64,
    /// The sum of the squared deviations from the mean.
    squares: f64,
}

impl Default for Range {
    fn default() -> Range {
        Range { count: 0, low: f64::INFINITY, high: f64::NEG_INFINITY, mean: 0.0, squares: 0.0 }
    }
}

impl Range {
    /// One number more, if it is finite; by [Welford's
    /// algorithm](https://en.wikipedia.org/wiki/Algorithms_for_calculating_variance#Welford's_online_algorithm).
    fn add(&mut self, x: f64) {
        if !x.is_finite() {
            return;
        }
        self.count += 1;
        (self.low, self.high) = (self.low.min(x), self.high.max(x));
        let before = x - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (x - self.mean);
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Range { count, low, high, mean, squares } = self;
        let deviation = (squares / *count as f64).sqrt();
        write!(f, "{low} to {high}, mean {}, deviation {}", short(*mean), short(deviation))
    }
}

/// Four digits that count.
fn short(x: f64) -> String {
    let digits = if x == 0.0 { 0 } else { (3 - x.abs().log10().floor() as i64).clamp(0, 12) as usize };
    format!("{x:.digits$}")
}

/// Looks at the elements piece by piece, since numbers take more memory than a file's bytes.
fn array(name: &str, array: &Array) -> Result<()> {
    let shape = Shape::new(&array.shape)?;
    say(format!("{name}: {} {shape}", array.dtype))?;
    let mut range = Range::default();
    // How often each whole number occurs, as long as there are few and nothing else.
    let mut counts = Some(BTreeMap::new()).filter(|_| shape.rank() <= 2);
    let size = array.dtype.size();
    for bytes in array.bytes.chunks(PIECE * size) {
        let piece = Array::new(array.dtype, vec![bytes.len() / size], bytes.to_vec())?;
        for x in Tensor::from_array(&piece)?.cast(DType::F64)?.to_vec::<f64>()? {
            range.add(x);
            counts = counts.filter(|_| x.fract() == 0.0);
            if let Some(known) = &mut counts
                && (known.len() <= FEW || known.contains_key(&(x as i64)))
            {
                *known.entry(x as i64).or_insert(0usize) += 1;
            }
        }
    }
    if range.count == 0 {
        return say(if array.is_empty() { "    no elements" } else { "    no finite number" });
    }
    say(format!("    {range}"))?;
    let lost = array.len() - range.count;
    if lost > 0 {
        say(format!("    {lost} elements are NaN or infinite: no network can be trained on them"))?;
    }
    match counts {
        None => Ok(()),
        Some(counts) if counts.len() > FEW => say(format!("    more than {FEW} different whole numbers")),
        Some(counts) => {
            let counts: Vec<_> = counts.iter().map(|(value, count)| format!("{value} {count}")).collect();
            say(format!("    how often each occurs: {}", counts.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_that_of_the_finite_numbers() {
        let mut range = Range::default();
        [1e6 + 1.0, f64::NAN, 1e6 + 2.0, f64::INFINITY, 1e6 + 6.0].into_iter().for_each(|x| range.add(x));
        assert_eq!((range.count, range.mean), (3, 1e6 + 3.0));
        assert_eq!(range.to_string(), "1000001 to 1000006, mean 1000003, deviation 2.160");
    }
}
