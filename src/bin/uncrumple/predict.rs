//! `uncrumple predict`: a model's outputs for arrays in files.

use crate::arrays::{self, Inputs, Source};
use crate::options::{Compute, Policy, describe};
use crate::{say, warn};
use clap::Args;
use uncrumple::prelude::*;
use uncrumple::programs::tabular::Tabular;

/// Compute a model's outputs for arrays in NumPy files, or for the rows of a table
#[derive(Args)]
#[command(after_help = arrays::HELP)]
pub struct Arguments {
    #[command(flatten)]
    inputs: Inputs,

    /// Where the outputs go: .npy, or .npz with an array for each output's layer; NAME=FILE.npy for one of several;
    /// .csv for those of a table's rows
    #[arg(long, value_name = "FILE", required = true)]
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
    let inputs = arrays::inputs(&model, &arguments.inputs)?;
    let samples = inputs.first().and_then(|t| t.shape().first().copied()).unwrap_or(0);
    let outputs = model.predict_all(inputs, arguments.batch_size as usize)?;
    for (name, output) in names.iter().zip(&outputs) {
        let values = output.cast(DType::F32)?.to_vec::<f32>()?;
        let lost = values.iter().filter(|v| !v.is_finite()).count();
        if lost > 0 {
            warn(format!("{lost} of {} numbers of `{name}` are NaN or infinite: look at the inputs", values.len()));
        }
    }
    let written = match (&arguments.out[..], tabular, &outputs[..]) {
        ([out], Some(tabular), [output]) if out.is("csv") => vec![arrays::write_table(&tabular, output, out.path())?],
        _ => arrays::write_outputs(&names, &outputs, &arguments.out)?,
    };
    say(format!("{samples} samples on {}", describe(&device)))?;
    written.into_iter().try_for_each(say)
}
