//! The `.keras` file: a zip of metadata.json, config.json and model.weights.h5, as Keras 3 writes and reads it.
//!
//! A file is data: reading one runs nothing that it brings, and a class that is neither this engine's nor registered is
//! an error that names it. The graph is built from the config without a weight being drawn; its shapes are then held
//! against the arrays that the file really has, so that a config cannot ask for more memory than the file brings.

mod compile;
mod inbound;
mod object;
mod order;
mod read_config;
pub(super) mod weights;
mod write_config;

use super::Model;
use crate::error::{Error, Result};
use crate::files::{archive, h5};
use crate::layers::Config;
use crate::losses::Loss;
use crate::metrics::Metric;
use crate::optimizers::Optimizer;
use crate::tensor::Tensor;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

const METADATA: &str = "metadata.json";
const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.weights.h5";
/// What every file holds.
pub(super) const ENTRIES: [&str; 3] = [METADATA, CONFIG, WEIGHTS];
/// The version whose format this is.
const KERAS_VERSION: &str = "3.15.1";
/// Bytes of a config: far more than any model has, and little enough to be held as a tree of values.
const MAX_CONFIG: usize = 8 << 20;

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
    let metadata = json!({"keras_version": KERAS_VERSION, "date_saved": date(SystemTime::now())}).to_string();
    let config = Value::Object(config).to_string();
    let weights = h5::write(&tree, path)?;
    drop(tree);
    let own = [(METADATA, metadata.as_bytes()), (CONFIG, config.as_bytes()), (WEIGHTS, &weights)];
    archive::write(path, own.into_iter().chain(model.attachments.iter().map(|(name, bytes)| (name.as_str(), &**bytes))))
}

/// Reads the `.keras` file `path`.
///
/// # Errors
/// A file that is damaged or not Keras 3's; a layer or an argument that this engine does not know; weights that are
/// missing, left over, or of another shape or dtype than the config says.
pub fn read(path: impl AsRef<Path>) -> Result<Loaded> {
    let path = path.as_ref();
    loaded(archive::read(path)?, path)
}

/// What is in the bytes of a whole `.keras` file; `path` is its name in errors.
///
/// # Errors
/// As [`read`].
pub fn parse(bytes: &[u8], path: &Path) -> Result<Loaded> {
    loaded(archive::parse(bytes, path)?, path)
}

fn loaded(mut entries: BTreeMap<String, Vec<u8>>, path: &Path) -> Result<Loaded> {
    // Errors of the config name the layer; which file it was in belongs to them too.
    let in_file = |e: Error| match e {
        Error::File { .. } | Error::Io { .. } => e,
        other => Error::file(path, other.to_string()),
    };
    let metadata = json(archive::take(&mut entries, METADATA, path)?, METADATA, path)?;
    let version = metadata.get("keras_version").and_then(Value::as_str).unwrap_or("");
    if version.split('.').next() != Some("3") {
        let message = format!("was written by Keras `{}`; files of Keras 3 can be read", object::clip(version));
        return Err(Error::file(path, message));
    }
    let config = json(archive::take(&mut entries, CONFIG, path)?, CONFIG, path)?;
    let described = read_config::read(&config).map_err(in_file)?;
    let mut tree = h5::read(archive::take(&mut entries, WEIGHTS, path)?, path)?;
    let values = weights::read(&mut tree, &described.graph, described.sequential, path).map_err(in_file)?;
    let mut model = Model::from_graph(described.graph, values)?.named(&described.name).precision(described.precision);
    model.sequential = described.sequential;
    let compiled = config.get("compile_config").and_then(Value::as_object).filter(|c| !c.is_empty());
    let training = compiled.map(|compiled| {
        let mut training = compile::read(compiled, &model)?;
        (training.iteration, training.slots) = weights::read_optimizer(&tree, &model, &mut *training.optimizer, path)?;
        Ok(training)
    });
    // What layers of Keras's keep in folders is theirs; a plain entry is somebody's attachment.
    entries.retain(|name, _| !name.contains('/'));
    model.attachments = entries.into_iter().map(|(name, bytes)| (name, bytes.into())).collect();
    Ok(Loaded { model, training: training.map(|t| t.map_err(in_file)) })
}

/// Keras opens a file as what its name says that it is.
pub(crate) fn check_name(path: &Path) -> Result<()> {
    if path.extension().is_some_and(|e| e == "keras") {
        return Ok(());
    }
    Err(Error::file(path, "expected a name that ends in .keras, as Keras does"))
}

fn json(bytes: Vec<u8>, name: &str, path: &Path) -> Result<Value> {
    if bytes.len() > MAX_CONFIG {
        return Err(Error::file(path, format!("`{name}` has {} bytes; at most {MAX_CONFIG} are read", bytes.len())));
    }
    serde_json::from_slice(&bytes).map_err(|e| Error::file(path, format!("`{name}` is no whole JSON: {e}")))
}

/// `2026-01-31@23:59:59`, in UTC.
fn date(now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    let leap = |y: u64| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
    let mut left = days;
    while left >= 365 + u64::from(leap(year)) {
        left -= 365 + u64::from(leap(year));
        year += 1;
    }
    let months = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while left >= months[month] {
        left -= months[month];
        month += 1;
    }
    let (h, m, s) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year:04}-{:02}-{:02}@{h:02}:{m:02}:{s:02}", month + 1, left + 1)
}

#[cfg(test)]
mod tests {
    use super::date;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn dates() {
        let at = |seconds| date(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01@00:00:00");
        assert_eq!(at(951_782_400), "2000-02-29@00:00:00");
        assert_eq!(at(1_767_225_599), "2025-12-31@23:59:59");
        assert_eq!(at(4_107_542_399), "2100-02-28@23:59:59");
        assert_eq!(at(4_107_542_400), "2100-03-01@00:00:00");
    }
}
