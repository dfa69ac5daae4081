//! `uncrumple summary`: what a model is made of.

use crate::options::Policy;
use crate::say;
use clap::Args;
use std::path::PathBuf;
use uncrumple::prelude::*;

/// Show the layers of a model file, their shapes and parameters, and what training it takes in memory
#[derive(Args)]
pub struct Arguments {
    /// A .keras file that uncrumple or Keras 3 wrote
    #[arg(value_name = "MODEL.keras")]
    model: PathBuf,

    /// Samples of the batch that activations are stated for
    #[arg(long, value_name = "N", default_value_t = 32)]
    batch_size: usize,

    /// What layers compute in; the file's own unless given
    #[arg(long, value_name = "POLICY", value_enum)]
    precision: Option<Policy>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let model = Model::load(&arguments.model)?;
    let model = match arguments.precision {
        Some(policy) => model.precision(policy.into()),
        None => model,
    };
    say(model.summary().batch_size(arguments.batch_size))
}
