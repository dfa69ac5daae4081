//! The training loop.

use super::batches::shuffled;
use super::evaluate::BATCH_SIZE;
use super::history::no_epochs;
use super::{Callback, Control, Epoch, History, Trainer};
use crate::data::Dataset;
use crate::device::cpu::threads;
use crate::error::Result;
use crate::tensor::Tensor;

/// How [`Trainer::fit`] goes over the data; the setters have Keras's names and defaults.
pub struct Fit {
    epochs: usize,
    batch_size: usize,
    shuffle: bool,
    validation_split: f64,
    validation_data: Option<Dataset>,
    callbacks: Vec<Box<dyn Callback>>,
}

impl Fit {
    /// This many times over the data, in shuffled batches of 32.
    pub fn epochs(epochs: usize) -> Fit {
        Fit {
            epochs,
            batch_size: BATCH_SIZE,
            shuffle: true,
            validation_split: 0.0,
            validation_data: None,
            callbacks: Vec::new(),
        }
    }

    /// Samples of a batch; 32 unless told otherwise.
    pub fn batch_size(mut self, batch_size: usize) -> Fit {
        self.batch_size = batch_size;
        self
    }

    /// Whether each epoch goes through the data in another order; it does unless told otherwise.
    pub fn shuffle(mut self, shuffle: bool) -> Fit {
        self.shuffle = shuffle;
        self
    }

    /// Holds this fraction of the data back, the last part before shuffling, to be evaluated after each epoch.
    pub fn validation_split(mut self, fraction: f64) -> Fit {
        self.validation_split = fraction;
        self
    }

    /// Evaluates this data after each epoch.
    pub fn validation_data(mut self, data: &Dataset) -> Fit {
        self.validation_data = Some(data.clone());
        self
    }

    /// Adds one that looks on.
    pub fn callback(mut self, callback: impl Callback + 'static) -> Fit {
        self.callbacks.push(Box::new(callback));
        self
    }
}

impl Trainer {
    /// Trains on a data set and returns the figures of each epoch.
    ///
    /// # Errors
    /// Data that does not fit the model, a trainable weight that the loss does not depend on, a device or a callback
    /// that fails. What was learnt before stays in the trainer.
    pub fn fit(&mut self, data: &Dataset, fit: Fit) -> Result<History> {
        threads::enter(|| self.run(data, fit))
    }

    fn run(&mut self, data: &Dataset, fit: Fit) -> Result<History> {
        let Fit { epochs, batch_size, shuffle, validation_split, validation_data, mut callbacks } = fit;
        if epochs == 0 || batch_size == 0 {
            return Err(no_epochs());
        }
        let (train, validation) = match validation_data {
            Some(validation) => (data.clone(), Some(validation)),
            None if validation_split > 0.0 => data.split(1.0 - validation_split).map(|(t, v)| (t, Some(v)))?,
            None => (data.clone(), None),
        };
        // Data lives on the device: a step then gathers its batch there.
        let device = self.device().clone();
        let train = train.to_device(&device)?;
        let validation = validation.map(|v| v.to_device(&device)).transpose()?;
        let samples = train.len();
        let steps = samples.div_ceil(batch_size);
        let mut history = History::default();
        callbacks.iter_mut().try_for_each(|c| c.on_train_begin(self))?;
        for number in 0..epochs {
            let epoch = Epoch { number, epochs, steps, batch_size, samples };
            callbacks.iter_mut().try_for_each(|c| c.on_epoch_begin(self, &epoch))?;
            self.reset_trackers()?;
            let order = if shuffle {
                shuffled(samples, self.model.seed, self.state.iteration as i64)
            } else {
                (0..samples as i32).collect()
            };
            for (step, indices) in order.chunks(batch_size).enumerate() {
                let indices = Tensor::from_slice(indices, indices.len())?.to_device(&device)?;
                self.train_on_batch(&train.gather(&indices)?)?;
                callbacks.iter_mut().try_for_each(|c| c.on_step_end(self, &epoch, step))?;
            }
            let mut logs = self.logs()?;
            if let Some(validation) = &validation {
                for (name, value) in self.evaluate_with(validation, batch_size)?.iter() {
                    logs.push(format!("val_{name}"), value);
                }
            }
            history.epochs.push(logs.clone());
            let mut control = Control::Continue;
            for callback in &mut callbacks {
                if callback.on_epoch_end(self, &epoch, &logs)? == Control::Stop {
                    control = Control::Stop;
                }
            }
            if control == Control::Stop {
                break;
            }
        }
        callbacks.iter_mut().try_for_each(|c| c.on_train_end(self))?;
        Ok(history)
    }
}
