//! `uncrumple inspect`: what is in a file of data.

use crate::say;
use clap::Args;
use std::path::{Path, PathBuf};
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
        () if ends(&["ubyte", ".idx", "ubyte.gz", ".idx.gz"]) => vec![("array".into(), idx::read(path)?)],
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
        if text.chars().count() > 24 { text.chars().take(23).collect::<String>() + "…" } else { text.into() }
    };
    let shown: Vec<_> = counts.iter().take(6).map(|(value, n)| format!("{} {n}", short(value))).collect();
    shown.join(", ") + if counts.len() > 6 { ", …" } else { "" }
}

fn numbers(column: &Column) -> Result<String> {
    let values: Vec<f64> = column.numbers()?.into_iter().filter(|x| !x.is_nan()).collect();
    let counts = column.counts();
    let range = range(&values);
    Ok(if counts.len() <= 5 { format!("{range}: {}", words(&counts)) } else { range })
}

/// `1 to 9, mean 4.5, deviation 2.1`.
fn range(values: &[f64]) -> String {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt();
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{low} to {high}, mean {}, deviation {}", short(mean), short(deviation))
}

/// Four digits that count.
fn short(x: f64) -> String {
    let digits = if x == 0.0 { 0 } else { (3 - x.abs().log10().floor() as i64).clamp(0, 12) as usize };
    format!("{x:.digits$}")
}

fn array(name: &str, array: &Array) -> Result<()> {
    let tensor = Tensor::from_array(array)?;
    say(format!("{name}: {} {}", tensor.dtype(), tensor.shape()))?;
    let values = tensor.cast(DType::F64)?.to_vec::<f64>()?;
    let finite: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
    if finite.is_empty() {
        return say(if values.is_empty() { "    no elements" } else { "    no finite number" });
    }
    say(format!("    {}", range(&finite)))?;
    if finite.len() < values.len() {
        say(format!(
            "    {} elements are NaN or infinite: no network can be trained on them",
            values.len() - finite.len()
        ))?;
    }
    let mut classes: Vec<i64> = finite.iter().filter(|x| x.fract() == 0.0).map(|&x| x as i64).collect();
    if classes.len() < values.len() || tensor.shape().rank() > 2 {
        return Ok(());
    }
    classes.sort_unstable();
    let counts: Vec<_> = classes.chunk_by(|a, b| a == b).map(|run| format!("{} {}", run[0], run.len())).collect();
    match counts.len() {
        2..=FEW => say(format!("    how often each occurs: {}", counts.join(", "))),
        n => say(format!("    {n} different whole numbers")),
    }
}
