//! Arrays in NumPy files as what goes into a model and what comes out of it, by the names of its layers.

use crate::warn;
use clap::Args;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use uncrumple::data::Table;
use uncrumple::explain::{class_scores, likeliest};
use uncrumple::files::{Array, idx, npy};
use uncrumple::layers::Spec;
use uncrumple::prelude::*;
use uncrumple::programs::pictures::Pictures;
use uncrumple::programs::tabular::{Problem, Tabular};

/// What the commands' help says about files.
pub const HELP: &str = "A model with one input reads an .npy file. For several, repeat --x NAME=FILE.npy with the names of \
    the input layers, or name one .npz file whose arrays have these names, or numpy.savez's arr_0, arr_1, … in their order. \
    MNIST's idx files (also gzipped) are read too, and their pictures become rows of numbers, or get an axis of one \
    channel, where the model takes them so. Numbers are converted to the model's dtype; nothing else is changed unless \
    --divide says so, so they must be what the model was trained on. A model of tables, such as `train csv` and \
    `train sentiment` leave, reads a .csv file with the columns of its table.";

/// Whether a file's lower-case name is one of an idx file.
pub fn is_idx(name: &str) -> bool {
    ["ubyte", ".idx", "ubyte.gz", ".idx.gz"].iter().any(|ending| name.ends_with(ending))
}

/// An array of a file that holds one.
fn read(path: &Path) -> Result<Array> {
    if is_idx(&path.to_string_lossy().to_lowercase()) { idx::read(path) } else { npy::read(path) }
}

/// `FILE` or `NAME=FILE`.
#[derive(Clone, Debug)]
pub struct Source {
    name: Option<String>,
    path: PathBuf,
}

impl std::str::FromStr for Source {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> std::result::Result<Source, Self::Err> {
        let whole = || Source { name: None, path: text.into() };
        Ok(match text.split_once('=') {
            // A file that is there is meant, whatever its name.
            Some((name, path)) if !name.is_empty() && !name.contains('/') && !Path::new(text).exists() => {
                Source { name: Some(name.into()), path: path.into() }
            }
            _ => whole(),
        })
    }
}

impl Source {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether its name ends so.
    pub fn is(&self, extension: &str) -> bool {
        self.path.extension().is_some_and(|e| e.eq_ignore_ascii_case(extension))
    }
}

/// A model, and files of what goes into it.
#[derive(Args)]
pub struct Inputs {
    /// A .keras file that uncrumple or Keras 3 wrote
    #[arg(value_name = "MODEL.keras")]
    pub model: PathBuf,

    /// The inputs: FILE.npy, or NAME=FILE.npy for each of several, or FILE.npz; the first axis is the samples; or FILE.csv
    #[arg(long, value_name = "FILE", required = true)]
    pub x: Vec<Source>,

    /// Divide the inputs by this number, as by 255 for a model that was trained on bytes as numbers from 0 to 1
    #[arg(long, value_name = "NUMBER")]
    pub divide: Option<f64>,
}

/// A model, and files of what goes into it and of what should come out.
#[derive(Args)]
pub struct Samples {
    #[command(flatten)]
    pub inputs: Inputs,

    /// The targets, likewise; names are those of the output layers; a table holds them itself
    #[arg(long, value_name = "FILE")]
    y: Vec<Source>,
}

impl Samples {
    /// [`check_apart`] for all that is read.
    pub fn check_apart(&self, written: &[&Path]) -> Result<()> {
        check_apart(self.inputs.x.iter().chain(&self.y).map(Source::path), written)
    }
}

/// What --divide gives, where it can be divided by.
fn divisor(divide: Option<f64>) -> Result<Option<f64>> {
    match divide {
        Some(by) if !by.is_normal() => wrong("--divide: expected a number other than 0".into()),
        divide => Ok(divide),
    }
}

/// How a model reads the pictures of --image; --divide says otherwise.
pub fn pictures(model: &Model, divide: Option<f64>) -> Result<Pictures> {
    let pictures = Pictures::of(model).map_err(|e| Error::Config(format!("--image: {e}")))?;
    let Some(by) = divisor(divide)? else { return Ok(pictures) };
    if by != 1.0 && Pictures::are_scaled_by(model) {
        warn("--divide: the model begins by scaling pictures itself, so their numbers are now divided twice");
    }
    Ok(pictures.divided_by(by))
}

fn wrong<T>(message: String) -> Result<T> {
    Err(Error::Config(message))
}

/// Arrays with the file that each came from, in the order of `names`; `what` they are is for errors.
fn arrays(names: &[String], sources: &[Source], what: &str) -> Result<Vec<(Array, PathBuf)>> {
    let all = names.join(", ");
    if let [Source { name: None, path }] = sources {
        if sources[0].is("npz") {
            let mut found = npy::read_npz(path)?;
            let known = found.keys().cloned().collect::<Vec<_>>().join(", ");
            let named = names.iter().all(|name| found.contains_key(name));
            let alone = names.len() == 1 && found.len() == 1;
            let take = |(i, name): (usize, &String)| {
                let array = match () {
                    () if named => found.remove(name),
                    () if alone => found.pop_first().map(|(_, array)| array),
                    () => found.remove(&format!("arr_{i}")),
                };
                let missing = || format!("holds the arrays {known}; the model's {what}s are {all}");
                Ok((array.ok_or_else(|| Error::File { path: path.clone(), message: missing() })?, path.clone()))
            };
            return names.iter().enumerate().map(take).collect();
        }
        if names.len() == 1 {
            return Ok(vec![(read(path)?, path.clone())]);
        }
        return wrong(format!(
            "the model has {} {what}s ({all}): give NAME=FILE for each, or an .npz file",
            names.len()
        ));
    }
    for source in sources {
        match &source.name {
            None => {
                let path = source.path.display();
                return wrong(format!(
                    "{path}: of several files each needs a name, as in NAME={path}; {what}s are {all}"
                ));
            }
            Some(name) if !names.contains(name) => {
                return wrong(format!("the model has no {what} `{name}`, only {all}"));
            }
            Some(_) => {}
        }
    }
    let find = |name: &String| {
        let mut found = sources.iter().filter(|s| s.name.as_ref() == Some(name));
        match (found.next(), found.next()) {
            (Some(source), None) => Ok((read(&source.path)?, source.path.clone())),
            (None, _) => wrong(format!("there is no file for the {what} `{name}` of the model; its {what}s are {all}")),
            _ => wrong(format!("there are two files for the {what} `{name}`")),
        }
    };
    names.iter().map(find).collect()
}

/// What a model reads of a table, and the table, if a table is given.
fn table(model: &Model, Inputs { x, divide, .. }: &Inputs) -> Result<Option<(Tabular, Table)>> {
    let [source @ Source { name: None, path }] = &x[..] else { return Ok(None) };
    if !source.is("csv") && !source.is("tsv") {
        return Ok(None);
    }
    match Tabular::of(model)? {
        Some(_) if divide.is_some() => wrong("--divide: a table's numbers are scaled as the model learnt to".into()),
        Some(tabular) => Ok(Some((tabular, Table::read(path)?))),
        None => {
            let message =
                "is a table; the model is not one of tables, such as `train csv` leaves, so it takes .npy files".into();
            Err(Error::File { path: path.clone(), message })
        }
    }
}

/// Pictures of an idx file as the model takes them: as rows of numbers, or with an axis of one channel. What else has
/// as many numbers would be read in another order.
fn as_wanted(pictures: Tensor, spec: &Spec) -> Result<Tensor> {
    let shape = pictures.shape();
    let Some((&samples, sample)) = shape.split_first() else { return Ok(pictures) };
    let row = [Some(sample.iter().product())];
    let channel: Vec<_> = sample.iter().copied().chain([1]).map(Some).collect();
    match spec.dims.get(1..) {
        Some(want) if want == row => pictures.reshape([samples, sample.iter().product()]),
        Some(want) if want == channel => pictures.reshape(&[&[samples], sample, &[1]].concat()[..]),
        _ => Ok(pictures),
    }
}

/// The model's inputs, in their order and of their dtypes.
pub fn inputs(model: &Model, given: &Inputs) -> Result<Vec<Tensor>> {
    let divide = divisor(given.divide)?;
    if let Some((tabular, table)) = table(model, given)? {
        return Ok(vec![tabular.space.transform(&table)?]);
    }
    let tabular = Tabular::of(model)?.is_some();
    let wanted = &model.graph().inputs;
    let names: Vec<String> = wanted.iter().map(|(name, _)| name.clone()).collect();
    let tensor = |((name, spec), (array, path)): (&(String, Spec), (Array, PathBuf))| {
        let mut tensor = Tensor::from_array(&array)?;
        if is_idx(&path.to_string_lossy().to_lowercase()) {
            tensor = as_wanted(tensor, spec)?;
        }
        let got = tensor.shape();
        let fits = |(want, got): (&Option<usize>, &usize)| want.is_none_or(|want| want == *got);
        if got.len() != spec.dims.len() || !spec.dims.iter().zip(got.iter()).all(fits) {
            let axis = |n: &Option<usize>| n.map_or_else(|| "any".to_owned(), |n| n.to_string());
            let sample: String = spec.dims.iter().skip(1).map(|n| format!(", {}", axis(n))).collect();
            let table = if tabular { ", which it computes from a .csv file with its columns" } else { "" };
            let message = format!("has shape {got}; input `{name}` of the model takes (samples{sample}){table}");
            return Err(Error::File { path, message });
        }
        let tensor = if tensor.dtype() == spec.dtype { tensor } else { tensor.cast(spec.dtype)? };
        divide.map_or(Ok(tensor.clone()), |by| tensor.mul_scalar(1.0 / by))
    };
    wanted.iter().zip(arrays(&names, &given.x, "input")?).map(tensor).collect()
}

/// Targets of the model's outputs, in their order; numbers of 64 bits as float32, since losses are computed in it.
pub fn targets(model: &Model, sources: &[Source]) -> Result<Vec<Tensor>> {
    let tensor = |(array, _): (Array, PathBuf)| {
        let tensor = Tensor::from_array(&array)?;
        if tensor.dtype() == DType::F64 { tensor.cast(DType::F32) } else { Ok(tensor) }
    };
    arrays(&model.graph().output_names(), sources, "output")?.into_iter().map(tensor).collect()
}

/// Inputs and targets; a table holds both.
pub fn dataset(model: &Model, Samples { inputs: x, y }: &Samples) -> Result<Dataset> {
    match table(model, x)? {
        Some((tabular, table)) if y.is_empty() => {
            let (known, without) = tabular.target.known(&table)?;
            if without > 0 {
                warn(format!("left out {without} rows that have no {}", tabular.target.column()));
            }
            return tabular.dataset(&known);
        }
        Some((tabular, _)) => {
            return wrong(format!("--y: the targets are the table's column `{}`", tabular.target.column()));
        }
        None if y.is_empty() => return wrong("--y: name the file with the targets".into()),
        None => {}
    }
    let (inputs, targets) = (inputs(model, x)?, targets(model, y)?);
    let samples = |tensor: &Tensor| tensor.shape().first().copied();
    if let ([input], [target]) = (&inputs[..], &targets[..])
        && let (Some(n), Some(m)) = (samples(input), samples(target))
        && n != m
    {
        let [from, to] = [&x.x, y].map(|sources| sources[0].path.display());
        return wrong(format!("{from} has {n} samples, {to} has {m}"));
    }
    Dataset::new(inputs, targets)
}

/// Looks whether the outputs can be written to these files, before anything is computed; a table only of a model of tables.
pub fn check_outputs(names: &[String], files: &[Source], tabular: bool) -> Result<()> {
    let all = names.join(", ");
    for file in files {
        let path = file.path.display();
        match (&file.name, files.len()) {
            (None, 1) if file.is("csv") && tabular => {}
            _ if file.is("csv") && !tabular => {
                let message =
                    "a table is for models of tables, such as `train csv` leaves: name an .npy or an .npz file";
                return wrong(format!("{path}: {message}"));
            }
            _ if !file.is("npy") && !file.is("npz") => return wrong(format!("{path}: name an .npy or an .npz file")),
            (Some(name), _) if !names.contains(name) => {
                return wrong(format!("the model has no output `{name}`, only {all}"));
            }
            (Some(_), _) if !file.is("npy") => return wrong(format!("{path}: one output goes into an .npy file")),
            (None, 1) if names.len() == 1 || file.is("npz") => {}
            (None, 1) => {
                let message = format!("the model has {} outputs ({all}): name an .npz file for them", names.len());
                return wrong(format!("{message}, not {path}, or give NAME=FILE.npy for those that you want"));
            }
            (None, _) => return wrong(format!("{path}: of several files each needs a name, as in NAME={path}")),
            (Some(_), _) => {}
        }
    }
    Ok(())
}

/// Looks whether nothing that is read would be written over: links and detours are followed.
pub fn check_apart<'a>(read: impl IntoIterator<Item = &'a Path>, written: &[&Path]) -> Result<()> {
    let place = |path: &Path| std::fs::canonicalize(path).ok();
    let read: Vec<_> = read.into_iter().filter_map(place).collect();
    match written.iter().find(|path| place(path).is_some_and(|path| read.contains(&path))) {
        Some(path) => {
            wrong(format!("{}: would be written over what is read from it; name another file", path.display()))
        }
        None => Ok(()),
    }
}

/// Writes outputs where the checked `files` say; gives a line for each file.
pub fn write_outputs(names: &[String], outputs: &[Tensor], files: &[Source]) -> Result<Vec<String>> {
    let write = |file: &Source| {
        let named = file.name.as_ref().and_then(|name| names.iter().position(|n| n == name));
        let chosen = named.or((!file.is("npz")).then_some(0)).map_or(0..names.len(), |i| i..i + 1);
        let (names, outputs) = (&names[chosen.clone()], &outputs[chosen]);
        let arrays = outputs.iter().map(array).collect::<Result<Vec<_>>>()?;
        if file.is("npz") {
            npy::write_npz(&file.path, &names.iter().cloned().zip(arrays).collect::<BTreeMap<_, _>>())?;
        } else if let [array] = &arrays[..] {
            npy::write(&file.path, array)?;
        }
        let shapes: Vec<String> = names.iter().zip(outputs).map(|(name, t)| format!("{name} {}", t.shape())).collect();
        Ok(format!("{}  {}", file.path.display(), shapes.join(", ")))
    };
    files.iter().map(write).collect()
}

/// Writes what a model predicts of a table's rows as a table: a number, or the class and how likely each class is.
pub fn write_table(tabular: &Tabular, output: &Tensor, path: &Path) -> Result<String> {
    let target = &tabular.target;
    let values = output.cast(DType::F32)?.to_vec::<f32>()?;
    let (width, classes) = (output.shape().last(), target.classes());
    let failed = |e: csv::Error| std::io::Error::other(e.to_string());
    uncrumple::files::atomic_write(path, |out| {
        let mut writer = csv::Writer::from_writer(out);
        let likely = classes.iter().map(|class| format!("{}={class}", target.column()));
        writer.write_record(std::iter::once(target.column().to_string()).chain(likely)).map_err(failed)?;
        for row in values.chunks_exact(width) {
            let likely = match (classes.len(), row) {
                (0, _) => vec![],
                (2, [_]) => class_scores(row).into_owned(),
                _ => row.to_vec(),
            };
            if target.problem() == Problem::Multilabel {
                let labels: Vec<_> =
                    classes.iter().zip(&likely).filter(|(_, p)| **p > 0.5).map(|(c, _)| &**c).collect();
                let likely = likely.iter().map(f32::to_string);
                writer.write_record(std::iter::once(labels.join(" ")).chain(likely)).map_err(failed)?;
                continue;
            }
            let best = likeliest(&likely);
            // A number where there are no classes; none is likelier than one whose number is NaN.
            let first = match (classes.get(best), likely.get(best)) {
                (Some(class), Some(p)) if !p.is_nan() => class.clone(),
                (_, p) => p.unwrap_or(&row[0]).to_string(),
            };
            writer.write_record(std::iter::once(first).chain(likely.iter().map(f32::to_string))).map_err(failed)?;
        }
        writer.flush()
    })?;
    Ok(format!("{}  column {}", path.display(), target.column()))
}

/// An output as NumPy has it, which knows no bfloat16.
fn array(output: &Tensor) -> Result<Array> {
    if output.dtype() == DType::BF16 { output.cast(DType::F32)?.to_array() } else { output.to_array() }
}
