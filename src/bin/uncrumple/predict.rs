//! `uncrumple predict`: a model's outputs for arrays in files, and what it takes pictures for.

use crate::arrays::{self, Inputs, Source};
use crate::options::{Compute, Policy, describe};
use crate::{say, warn};
use clap::Args;
use std::path::PathBuf;
use uncrumple::explain::{class_scores, ranked};
use uncrumple::prelude::*;
use uncrumple::programs::tabular::Tabular;

/// Compute a model's outputs for arrays in NumPy files, for the rows of a table, or for pictures
#[derive(Args)]
#[command(after_help = arrays::HELP)]
#[command(override_usage = "uncrumple predict <MODEL.keras> --x <FILE>... --out <FILE>... [OPTIONS]
       uncrumple predict <MODEL.keras> --image <FILE>... [OPTIONS]")]
#[command(mut_arg("x", |x| x.required(false).required_unless_present("image")))]
pub struct Arguments {
    #[command(flatten)]
    inputs: Inputs,

    /// Instead of --x: PNG and JPEG pictures, which are brought to the model's size, and of which the likeliest
    /// classes are printed. Their numbers, 0 to 255, are scaled as the model's file says; where it says nothing and
    /// the model does not begin by scaling them (Rescaling, Normalization), they are divided by 255. --divide takes
    /// the place of that, before what the model does itself
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "x")]
    image: Vec<PathBuf>,

    /// How many classes of a picture are printed
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    top: u32,

    /// Where the outputs go: .npy, or .npz with an array for each output's layer; NAME=FILE.npy for one of several;
    /// .csv for those of a table's rows
    #[arg(long, value_name = "FILE", required_unless_present = "image")]
    out: Vec<Source>,

    /// Samples that are computed at once
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: u32,

    /// What layers compute in; the file's own unless given
    #[arg(long, value_name = "POLICY", value_enum)]
    precision: Option<Policy>,

    #[command(flatten)]
    compute: Compute,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let device = arguments.compute.start()?;
    let mut model = Model::load(&arguments.inputs.model)?.on(device.clone());
    if let Some(policy) = arguments.precision {
        model = model.precision(policy.into());
    }
    model.warnings().into_iter().for_each(warn);
    let names = model.graph().output_names();
    let tabular = Tabular::of(&model)?;
    arrays::check_outputs(&names, &arguments.out, tabular.is_some())?;
    let read = arguments.inputs.x.iter().map(Source::path).chain(arguments.image.iter().map(PathBuf::as_path));
    arrays::check_apart(read, &arguments.out.iter().map(Source::path).collect::<Vec<_>>())?;
    let pictures = match arguments.image.is_empty() {
        true => None,
        false => Some(arrays::pictures(&model, arguments.inputs.divide)?),
    };
    let inputs = match &pictures {
        Some(pictures) => vec![pictures.load(&model, &arguments.image)?],
        None => arrays::inputs(&model, &arguments.inputs)?,
    };
    let samples = inputs.first().and_then(|t| t.shape().first().copied()).unwrap_or(0);
    let outputs = model.predict_all(inputs, arguments.batch_size as usize)?;
    for (name, output) in names.iter().zip(&outputs) {
        let values = output.cast(DType::F32)?.to_vec::<f32>()?;
        let lost = values.iter().filter(|v| !v.is_finite()).count();
        if lost > 0 {
            warn(format!("{lost} of {} numbers of `{name}` are NaN or infinite: look at the inputs", values.len()));
        }
    }
    if let (Some(pictures), [output]) = (&pictures, &outputs[..]) {
        say_classes(arguments, &pictures.classes, output)?;
    }
    let written = match (&arguments.out[..], tabular, &outputs[..]) {
        ([out], Some(tabular), [output]) if out.is("csv") => vec![arrays::write_table(&tabular, output, out.path())?],
        _ => arrays::write_outputs(&names, &outputs, &arguments.out)?,
    };
    if pictures.is_none() {
        say(format!("{samples} samples on {}", describe(&device)))?;
    }
    written.into_iter().try_for_each(say)
}

/// Prints a line for each picture: its file, and the classes that it is most likely of.
fn say_classes(arguments: &Arguments, classes: &[String], output: &Tensor) -> Result<()> {
    let values = output.cast(DType::F32)?.to_vec::<f32>()?;
    let names: Vec<String> = arguments.image.iter().map(|path| path.display().to_string()).collect();
    let widest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    for (name, row) in names.iter().zip(values.chunks_exact(output.shape().last().max(1))) {
        let scores = class_scores(row);
        let likely = scores.iter().all(|p| *p >= 0.0) && (scores.iter().sum::<f32>() - 1.0).abs() < 0.01;
        let shown = ranked(&scores).into_iter().take(arguments.top as usize).map(|i| match likely {
            true => format!("{} {:.2} %", classes[i], scores[i] * 100.0),
            false => format!("{} {}", classes[i], scores[i]),
        });
        say(format!("{name:<widest$}  {}", shown.collect::<Vec<_>>().join(", ")))?;
    }
    Ok(())
}
