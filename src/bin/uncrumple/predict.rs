//! `uncrumple predict`: a model's outputs for arrays in files, and what it takes pictures for.

use crate::arrays::{self, Inputs, Source};
use crate::options::{Compute, Policy, describe};
use crate::{say, warn};
use clap::Args;
use std::path::PathBuf;
use uncrumple::prelude::*;
use uncrumple::programs::pictures::Pictures;
use uncrumple::programs::tabular::Tabular;

/// Compute a model's outputs for arrays in NumPy files, for the rows of a table, or for pictures
#[derive(Args)]
#[command(after_help = arrays::HELP)]
#[command(mut_arg("x", |x| x.required(false).required_unless_present("image")))]
pub struct Arguments {
    #[command(flatten)]
    inputs: Inputs,

    /// Instead of --x: PNG and JPEG pictures, which are brought to the model's size, and whose numbers are scaled as in its
    /// training; of each the likeliest classes are printed
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
    let names = model.graph().output_names();
    let tabular = Tabular::of(&model)?;
    arrays::check_outputs(&names, &arguments.out, tabular.is_some())?;
    arrays::check_apart(&arguments.inputs.x, &arguments.out.iter().map(Source::path).collect::<Vec<_>>())?;
    let pictures = if arguments.image.is_empty() { None } else { Some(pictures(&model, arguments)?) };
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

/// How the model reads pictures; --divide says otherwise.
fn pictures(model: &Model, arguments: &Arguments) -> Result<Pictures> {
    let pictures = Pictures::of(model).map_err(|e| Error::Config(format!("--image: {e}")))?;
    Ok(match arguments.inputs.divisor()? {
        Some(by) => Pictures { scale: 1.0 / by, ..pictures },
        None => pictures,
    })
}

/// Prints a line for each picture: its file, and the classes that it is most likely of.
fn say_classes(arguments: &Arguments, classes: &[String], output: &Tensor) -> Result<()> {
    let values = output.cast(DType::F32)?.to_vec::<f32>()?;
    let names: Vec<String> = arguments.image.iter().map(|path| path.display().to_string()).collect();
    let widest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    for (name, row) in names.iter().zip(values.chunks_exact(classes.len().max(1))) {
        let likely = row.iter().all(|p| *p >= 0.0) && (row.iter().sum::<f32>() - 1.0).abs() < 0.01;
        let mut order: Vec<usize> = (0..row.len()).collect();
        // Of equals the first, as argmax has it.
        order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
        let shown = order.iter().take(arguments.top as usize).map(|&i| match likely {
            true => format!("{} {:.2} %", classes[i], row[i] * 100.0),
            false => format!("{} {}", classes[i], row[i]),
        });
        say(format!("{name:<widest$}  {}", shown.collect::<Vec<_>>().join(", ")))?;
    }
    Ok(())
}
