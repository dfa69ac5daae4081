//! The `.keras` file: a zip of metadata.json, config.json and model.weights.h5, as Keras 3 writes and reads it.
//!
//! A file is data: reading one runs nothing that it brings, and a class that is neither this engine's nor registered is
//! an error that names it. The graph is built from the config without a weight being drawn; its shapes are then held
//! against the arrays that the file really has, so that a config cannot ask for more memory than the file brings.

mod compile;
mod inbound;
mod order;
mod read_config;
pub(super) mod weights;
mod write_config;

use super::Model;
use crate::error::{Error, Result};
use crate::files::h5;
pub(super) use crate::files::keras::ENTRIES;
pub(crate) use crate::files::keras::check_name;
use crate::files::keras::{self as file, Contents};
use crate::layers::Config;
use crate::losses::Loss;
use crate::metrics::Metric;
use crate::optimizers::Optimizer;
use crate::tensor::Tensor;
use serde_json::Value;
use std::path::Path;

/// What is in a `.keras` file.
#[derive(Debug)]
pub struct Loaded {
    /// The model, on the CPU.
    pub model: Model,
    /// How it was being trained, if it was; an error where this engine lacks the optimizer, a loss or a metric.
    pub training: Option<Result<TrainingState>>,
}

/// How a model is being trained: what a file holds beside the model.
#[derive(Debug)]
pub struct TrainingState {
    /// The optimizer.
    pub optimizer: Box<dyn Optimizer>,
    /// Steps made.
    pub iteration: u64,
    /// The optimizer's numbers for each trainable weight in the model's order, in the order of [`Optimizer::slots`].
    pub slots: Vec<Vec<Tensor>>,
    /// The loss of each output; none where a step of one's own computes it.
    pub losses: Vec<Box<dyn Loss>>,
    /// What the losses are multiplied by before they are added; nothing if absent.
    pub loss_weights: Option<Vec<f64>>,
    /// The metrics of each output.
    pub metrics: Vec<Vec<Box<dyn Metric>>>,
}

impl TrainingState {
    /// The same, borrowed for writing.
    pub fn borrowed(&self) -> Training<'_> {
        Training {
            optimizer: &*self.optimizer,
            iteration: self.iteration,
            slots: &self.slots,
            losses: &self.losses,
            loss_weights: self.loss_weights.as_deref(),
            metrics: &self.metrics,
        }
    }
}

/// A [`TrainingState`] that somebody else owns.
#[derive(Clone, Copy, Debug)]
pub struct Training<'a> {
    /// The optimizer.
    pub optimizer: &'a dyn Optimizer,
    /// Steps made.
    pub iteration: u64,
    /// The optimizer's numbers for each trainable weight in the model's order, on any device.
    pub slots: &'a [Vec<Tensor>],
    /// The loss of each output, one for all of them, or none where a step of one's own computes it.
    pub losses: &'a [Box<dyn Loss>],
    /// What the losses are multiplied by.
    pub loss_weights: Option<&'a [f64]>,
    /// The metrics of each output; empty if there are none at all.
    pub metrics: &'a [Vec<Box<dyn Metric>>],
}

impl Model {
    /// Writes the model to the `.keras` file `path`, atomically; Keras 3 opens it without code of its own.
    ///
    /// # Errors
    /// A name that does not end in `.keras`; a file that cannot be written; layers of names that Keras cannot tell
    /// apart; a class of one's own that is not registered, by [`crate::layers::register`] and its like.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        write(path, self, None)
    }

    /// Opens the `.keras` file `path`, which Keras 3 or this engine wrote.
    ///
    /// # Errors
    /// A file that is damaged, or names what this engine does not know.
    pub fn load(path: impl AsRef<Path>) -> Result<Model> {
        Ok(read(path)?.model)
    }
}

/// Writes a model with what is attached to it, and how it is being trained, to the `.keras` file `path`, atomically.
///
/// # Errors
/// A name that does not end in `.keras`; a file that cannot be written; names that Keras cannot tell apart.
pub fn write(path: impl AsRef<Path>, model: &Model, training: Option<Training<'_>>) -> Result<()> {
    let path = path.as_ref();
    check_name(path)?;
    let mut config = write_config::write(model)?;
    // What could not be read again is not written, above all a class that nobody registered.
    let lost = |e: Error| Error::file(path, format!("could not be opened again: {e}"));
    read_config::read(&Value::Object(config.clone())).map_err(lost)?;
    let mut tree = h5::Tree::default();
    weights::write(model, &mut tree)?;
    let mut compiled = Config::new();
    if let Some(training) = training {
        compiled = compile::write(&training, model)?;
        compile::read(&compiled, model).map_err(lost)?;
        weights::write_optimizer(model, training.optimizer, training.iteration, training.slots, &mut tree)?;
    }
    config.insert("compile_config".into(), Value::Object(compiled));
    let attached: Vec<_> = model.attachments.iter().map(|(name, bytes)| (name.as_str(), &**bytes)).collect();
    file::write(path, config, tree, &attached)
}

/// What a file would say of a model and of how it is being trained, but for numbers that training changes.
///
/// # Errors
/// As [`write`].
pub(crate) fn describe(model: &Model, training: &Training<'_>) -> Result<Value> {
    let mut config = write_config::write(model)?;
    // Two models that are built alike have names of their own.
    let own = config.get_mut("config").and_then(Value::as_object_mut);
    own.into_iter().for_each(|own| drop(own.remove("name")));
    config.insert("compile".into(), Value::Object(compile::write(training, model)?));
    Ok(Value::Object(config))
}

/// Reads the `.keras` file `path`.
///
/// # Errors
/// A file that is damaged or not Keras 3's; a layer or an argument that this engine does not know; weights that are
/// missing, left over, or of another shape or dtype than the config says.
pub fn read(path: impl AsRef<Path>) -> Result<Loaded> {
    let path = path.as_ref();
    loaded(Contents::read(path)?, path)
}

/// What is in the bytes of a whole `.keras` file; `path` is its name in errors.
///
/// # Errors
/// As [`read`].
pub fn parse(bytes: &[u8], path: &Path) -> Result<Loaded> {
    loaded(Contents::parse(bytes, path)?, path)
}

fn loaded(mut contents: Contents, path: &Path) -> Result<Loaded> {
    // Errors of the config name the layer; which file it was in belongs to them too.
    let described = read_config::read(&contents.config).map_err(|e| contents.in_file(e))?;
    let mut tree = contents.weights()?;
    let values =
        weights::read(&mut tree, &described.graph, described.sequential, path).map_err(|e| contents.in_file(e))?;
    let mut model = Model::from_graph(described.graph, values)?.named(&described.name).precision(described.precision);
    model.sequential = described.sequential;
    let compiled = contents.config.get("compile_config").and_then(Value::as_object).filter(|c| !c.is_empty());
    let training = compiled.map(|compiled| {
        let mut training = compile::read(compiled, &model)?;
        (training.iteration, training.slots) = weights::read_optimizer(&tree, &model, &mut *training.optimizer, path)?;
        Ok(training)
    });
    let training = training.map(|t| t.map_err(|e| contents.in_file(e)));
    // What layers of Keras's keep in folders is theirs; a plain entry is somebody's attachment.
    let plain = contents.rest().into_iter().filter(|(name, _)| !name.contains('/'));
    model.attachments = plain.map(|(name, bytes)| (name, bytes.into())).collect();
    Ok(Loaded { model, training })
}
