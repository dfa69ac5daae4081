//! A run put down in a file, so that it goes on with the same bits after its process ended.
//!
//! The file is no model: it holds the values of weights, optimizer, running means and callbacks under the names of the
//! program that wrote it, which the program that goes on has too. So it is written quickly, and layers and steps of one's
//! own need no word for it.

use super::{Callback, CallbackState, Epoch, History, Logs, Trainer};
use crate::error::{Error, Result};
use crate::files::{Array, prepare, safetensors};
use crate::model::keras;
use crate::ops::Generator;
use crate::optimizers::State;
use crate::tensor::Tensor;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Where a run is put down, and when.
pub(super) struct Backup {
    path: PathBuf,
    every: Duration,
    last: Instant,
    /// What must be the same for a run to go on.
    identity: Value,
}

/// How far a run has come.
#[derive(Default)]
pub(super) struct Place {
    /// The epoch that it is in, from 0.
    pub epoch: usize,
    /// Steps of it that are done.
    pub steps: usize,
    /// Whether a callback ended the run.
    pub stopped: bool,
    /// The learning rate before the epoch began, where no schedule decides it.
    pub begun_with: Option<f64>,
    /// What the steps done have changed beside the weights.
    pub midway: Option<Midway>,
}

/// Figures of an epoch that was left in its midst.
pub(super) struct Midway {
    rate: Option<f64>,
    trackers: Vec<Tensor>,
}

const RUN: &str = "run";
/// More steps than any run makes.
const MOST_STEPS: u64 = 1 << 53;
/// Characters of a value in a message.
const MOST_SHOWN: usize = 60;

impl Backup {
    /// One in this file, of a run that [`identity`] describes.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(super) fn new(path: PathBuf, every: Duration, identity: Value) -> Result<Backup> {
        prepare(&path)?;
        Ok(Backup { path, every, last: Instant::now(), identity })
    }

    /// Whether the last time is long enough ago.
    pub(super) fn is_due(&self) -> bool {
        self.last.elapsed() >= self.every
    }

    /// Whether there is something to go on from.
    pub(super) fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Puts the run down, atomically.
    pub(super) fn write(&mut self, trainer: &Trainer, place: &Place, callbacks: &[Box<dyn Callback>]) -> Result<()> {
        let mut arrays = BTreeMap::new();
        let mut keep = |name: String, tensor: &Tensor| -> Result<()> {
            arrays.insert(name, tensor.to_array()?);
            Ok(())
        };
        for (path, weight) in trainer.model.weight_paths().zip(&trainer.model.weights) {
            keep(format!("weights/{path}"), weight)?;
        }
        for (i, slots) in trainer.state.slots.iter().enumerate() {
            slots.iter().enumerate().try_for_each(|(j, slot)| keep(format!("slots/{i}/{j}"), slot))?;
        }
        for (k, own) in trainer.owns.iter().enumerate() {
            for (i, slots) in own.state.slots.iter().enumerate() {
                slots.iter().enumerate().try_for_each(|(j, slot)| keep(format!("own/{k}/slots/{i}/{j}"), slot))?;
            }
        }
        for (i, tracker) in trainer.trackers.tensors().enumerate() {
            keep(format!("trackers/{i}"), tracker)?;
        }
        let mut values = Vec::new();
        for (i, callback) in callbacks.iter().enumerate() {
            let state = callback.state()?;
            state.tensors.iter().enumerate().try_for_each(|(j, t)| keep(format!("callbacks/{i}/{j}"), t))?;
            let numbers = state.values.into_iter().map(|(name, v)| (name, number(v))).collect::<Value>();
            values.push(json!({ "callback": callback.name(), "values": numbers }));
        }
        let logs = |logs: &Logs| logs.iter().map(|(name, v)| json!([name, number(v)])).collect::<Value>();
        let run = json!({
            "identity": self.identity,
            "iteration": trainer.state.iteration,
            "epoch": place.epoch,
            "steps": place.steps,
            "stopped": place.stopped,
            "begun_with": place.begun_with,
            "rate": trainer.constant_rate(),
            "callbacks": values,
            "history": trainer.history.epochs.iter().map(logs).collect::<Value>(),
        });
        let metadata = BTreeMap::from([(RUN.to_string(), run.to_string())]);
        safetensors::write(&self.path, &safetensors::Contents { arrays, metadata })?;
        self.last = Instant::now();
        Ok(())
    }

    /// Brings trainer and callbacks to where the run was put down.
    pub(super) fn restore(
        &self,
        trainer: &mut Trainer,
        run: &Epoch,
        callbacks: &mut [Box<dyn Callback>],
    ) -> Result<Place> {
        self.try_restore(trainer, run, callbacks).map_err(|error| match error {
            Error::File { .. } | Error::Io { .. } => error,
            other => self.wrong(&other.to_string()),
        })
    }

    fn wrong(&self, what: &str) -> Error {
        Error::file(&self.path, format!("is not a backup of this run: {what}; remove it to begin anew"))
    }

    fn try_restore(&self, trainer: &mut Trainer, run: &Epoch, callbacks: &mut [Box<dyn Callback>]) -> Result<Place> {
        let wrong = |what: &str| self.wrong(what);
        let safetensors::Contents { mut arrays, metadata } = safetensors::read(&self.path)?;
        let text = metadata.get(RUN).ok_or_else(|| wrong("it does not say where a run stands"))?;
        let saved: Value = serde_json::from_str(text).map_err(|e| wrong(&e.to_string()))?;
        if let Some((key, there, here)) = difference("", &saved["identity"], &self.identity) {
            let message =
                format!("`{key}` is {} there and {} here: give what the run began with", clip(there), clip(here));
            return Err(wrong(&message));
        }
        let count = |key: &str| saved[key].as_u64().ok_or_else(|| wrong(&format!("it has no `{key}`")));
        let (iteration, epoch, steps) = (count("iteration")?, count("epoch")? as usize, count("steps")? as usize);
        if steps > run.steps || steps as u64 > iteration || iteration > MOST_STEPS {
            return Err(wrong(&format!("it has done {steps} of {} steps of an epoch, {iteration} in all", run.steps)));
        }
        let rate = |key: &str| match (trainer.constant_rate(), saved[key].as_f64()) {
            (Some(_), Some(rate)) if rate >= 0.0 => Ok(Some(rate)),
            (None, None) => Ok(None),
            _ if steps == 0 && key == "begun_with" => Ok(None),
            _ => Err(wrong(&format!("`{key}` is no learning rate"))),
        };
        let (rate, begun_with) = (rate("rate")?, rate("begun_with")?);
        let history = saved["history"].as_array().and_then(|epochs| epochs.iter().map(logs).collect());
        let epochs = history.ok_or_else(|| wrong("it has no `history`"))?;

        let mut take = |name: String, like: &Tensor| -> Result<Tensor> {
            let value = tensor(arrays.remove(&name)).transpose()?;
            match value.filter(|v| v.meta() == like.meta()) {
                Some(value) => value.to_device(&like.device())?.copy(),
                None => Err(wrong(&format!("it has no `{name}` of {}", like.meta()))),
            }
        };
        let model = &trainer.model;
        let paths = model.weight_paths().zip(&model.weights);
        let weights = paths.map(|(path, w)| take(format!("weights/{path}"), w)).collect::<Result<Vec<_>>>()?;
        let mut slots_of = |state: &State, part: &str| {
            let of = |(i, slots): (usize, &Vec<Tensor>)| {
                slots.iter().enumerate().map(|(j, slot)| take(format!("{part}slots/{i}/{j}"), slot)).collect()
            };
            state.slots.iter().enumerate().map(of).collect::<Result<Vec<Vec<_>>>>()
        };
        let slots = slots_of(&trainer.state, "")?;
        let owns = trainer.owns.iter().enumerate();
        let of_owns = owns.map(|(k, own)| slots_of(&own.state, &format!("own/{k}/"))).collect::<Result<Vec<_>>>()?;
        let trackers = trainer.trackers.tensors().enumerate();
        let trackers = trackers.map(|(i, t)| take(format!("trackers/{i}"), t)).collect::<Result<Vec<_>>>()?;

        let mut waiting: Vec<&mut Box<dyn Callback>> = callbacks.iter_mut().collect();
        for (i, kept) in saved["callbacks"].as_array().into_iter().flatten().enumerate() {
            let name = kept["callback"].as_str().unwrap_or("");
            let mut state = CallbackState::default();
            for (key, value) in kept["values"].as_object().into_iter().flatten() {
                let value = parsed(value).ok_or_else(|| wrong(&format!("`{key}` of callback {name} is no number")))?;
                state.values.insert(key.clone(), value);
            }
            let names = (0..).map(|j| format!("callbacks/{i}/{j}"));
            let found = names.map_while(|name| tensor(arrays.remove(&name)));
            state.tensors = found.collect::<Result<_>>()?;
            match waiting.iter().position(|callback| callback.name() == name) {
                Some(at) => waiting.remove(at).restore(state)?,
                None if state.is_empty() => {}
                None => return Err(wrong(&format!("the callback {name} was there and is not here"))),
            }
        }
        for callback in waiting {
            if !callback.state()?.is_empty() {
                return Err(wrong(&format!("the callback {} is here and was not there", callback.name())));
            }
        }
        trainer.set_weights(&weights)?;
        trainer.state.slots = slots;
        trainer.state.iteration = iteration;
        for (own, slots) in trainer.owns.iter_mut().zip(of_owns) {
            own.state.slots = slots;
            own.state.iteration = iteration;
        }
        trainer.generator = Generator::at_step(trainer.seed, iteration as i64, trainer.device())?;
        // What was recorded reads the slots that were there before.
        trainer.captures = trainer.captures.take().map(|_| Default::default());
        trainer.history = History { epochs };
        let midway = (steps > 0).then_some(Midway { rate, trackers });
        let begun_with = if steps > 0 { begun_with } else { rate };
        begun_with.map_or(Ok(()), |rate| trainer.set_learning_rate(rate))?;
        Ok(Place { epoch, steps, stopped: saved["stopped"] == true, begun_with, midway })
    }
}

impl Midway {
    /// Brings an epoch that has begun to where it was left.
    pub(super) fn restore(self, trainer: &mut Trainer) -> Result<()> {
        trainer.trackers.tensors_mut().zip(&self.trackers).try_for_each(|(to, from)| to.assign(from))?;
        self.rate.map_or(Ok(()), |rate| trainer.set_learning_rate(rate))
    }
}

/// What must be the same for a run to go on: all that decides its bits, as far as it can be told. Layers and steps of one's
/// own cannot be described, but by [`Fit::identity`](super::Fit::identity). `fit` holds what [`Fit`](super::Fit) was told.
pub(super) fn identity(trainer: &Trainer, run: &Epoch, fit: Value) -> Value {
    let mut identity = json!({
        "samples": run.samples,
        "batch_size": run.batch_size,
        "seed": trainer.seed,
        "figures": trainer.figures,
        "optimizer": trainer.optimizer.class_name(),
        "optimizers": trainer.owns.iter().map(|own| json!([own.name, own.optimizer.serialized()])).collect::<Value>(),
        "model": keras::describe(&trainer.model, &trainer.training()).unwrap_or_default(),
    });
    for (key, value) in fit.as_object().into_iter().flatten() {
        identity[key] = value.clone();
    }
    identity
}

/// Where two values first differ, and what is there.
fn difference<'a>(path: &str, there: &'a Value, here: &'a Value) -> Option<(String, &'a Value, &'a Value)> {
    let below = |key: &str| if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
    match (there, here) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys = b.keys().chain(a.keys());
            keys.find_map(|key| difference(&below(key), &there[key], &here[key]))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(i, (a, b))| difference(&below(&i.to_string()), a, b))
        }
        _ => (there != here).then(|| (path.to_string(), there, here)),
    }
}

/// A value in a message.
fn clip(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > MOST_SHOWN { text.chars().take(MOST_SHOWN).collect::<String>() + "…" } else { text }
}

/// JSON has no word for numbers that are not finite.
fn number(value: f64) -> Value {
    if value.is_finite() { value.into() } else { value.to_string().into() }
}

fn parsed(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn logs(epoch: &Value) -> Option<Logs> {
    let mut logs = Logs::default();
    for figure in epoch.as_array()? {
        logs.push(figure[0].as_str()?, parsed(&figure[1])?);
    }
    Some(logs)
}

fn tensor(array: Option<Array>) -> Option<Result<Tensor>> {
    array.map(|array| Tensor::from_array(&array))
}
