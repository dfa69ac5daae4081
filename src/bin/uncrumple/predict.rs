//! `uncrumple predict`: a model's outputs for arrays in files.

use crate::options::{Compute, Policy, describe};
use crate::say;
use clap::Args;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use uncrumple::files::{Array, npy};
use uncrumple::prelude::*;

/// Compute a model's outputs for arrays in a NumPy file
#[derive(Args)]
#[command(after_help = "A model with one input reads an .npy file. One with several reads an .npz file whose arrays \
    have the inputs' names, or numpy.savez's arr_0, arr_1, … in their order. Numbers are converted to what the model \
    takes.")]
pub struct Arguments {
    /// A .keras file that uncrumple or Keras 3 wrote
    #[arg(value_name = "MODEL.keras")]
    model: PathBuf,

    /// The inputs: .npy, or .npz for several; the first axis is the samples
    #[arg(long, value_name = "FILE")]
    x: PathBuf,

    /// Where the outputs go: .npy, or .npz with an array for each output's layer
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

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
    let mut model = Model::load(&arguments.model)?.on(device.clone());
    if let Some(policy) = arguments.precision {
        model = model.precision(policy.into());
    }
    let names = model.graph().output_names();
    let many = is_npz(&arguments.out);
    if names.len() > 1 && !many {
        let message = format!(
            "the model has {} outputs ({}): name an .npz file for them, not {}",
            names.len(),
            names.join(", "),
            arguments.out.display()
        );
        return Err(Error::Config(message));
    }
    let inputs = inputs(&model, &arguments.x)?;
    let samples = inputs.first().and_then(|t| t.shape().first().copied()).unwrap_or(0);
    let outputs = model.predict_all(inputs, arguments.batch_size as usize)?;
    let arrays = outputs.iter().map(array).collect::<Result<Vec<_>>>()?;
    if many {
        npy::write_npz(&arguments.out, &names.iter().cloned().zip(arrays).collect::<BTreeMap<_, _>>())?;
    } else if let Some(array) = arrays.first() {
        npy::write(&arguments.out, array)?;
    }
    let shapes: Vec<String> = names.iter().zip(&outputs).map(|(name, t)| format!("{name} {}", t.shape())).collect();
    say(format!("{samples} samples on {}", describe(&device)))?;
    say(format!("{}  {}", arguments.out.display(), shapes.join(", ")))
}

fn is_npz(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npz"))
}

/// The arrays of a file as the model's inputs, in their order and of their dtypes.
fn inputs(model: &Model, path: &Path) -> Result<Vec<Tensor>> {
    let wanted = &model.graph().inputs;
    let arrays: Vec<Array> = if is_npz(path) {
        let mut found = npy::read_npz(path)?;
        let known = found.keys().cloned().collect::<Vec<_>>().join(", ");
        let named = wanted.iter().all(|(name, _)| found.contains_key(name));
        let take = |(i, (name, _)): (usize, &(String, _))| {
            let array = if named { found.remove(name) } else { found.remove(&format!("arr_{i}")) };
            array.ok_or_else(|| {
                let names: Vec<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
                let message = format!("holds the arrays {known}; the model's inputs are {}", names.join(", "));
                Error::File { path: path.to_path_buf(), message }
            })
        };
        wanted.iter().enumerate().map(take).collect::<Result<_>>()?
    } else if wanted.len() == 1 {
        vec![npy::read(path)?]
    } else {
        let names: Vec<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
        let message = format!("the model has {} inputs ({}): put them in an .npz file", wanted.len(), names.join(", "));
        return Err(Error::Config(message));
    };
    let tensor = |((_, spec), array): (&(String, uncrumple::layers::Spec), &Array)| {
        let tensor = Tensor::from_array(array)?;
        if tensor.dtype() == spec.dtype { Ok(tensor) } else { tensor.cast(spec.dtype) }
    };
    wanted.iter().zip(&arrays).map(tensor).collect()
}

/// An output as NumPy has it, which knows no bfloat16.
fn array(output: &Tensor) -> Result<Array> {
    if output.dtype() == DType::BF16 { output.cast(DType::F32)?.to_array() } else { output.to_array() }
}
