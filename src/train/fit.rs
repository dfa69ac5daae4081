//! The training loop.

use super::backup::{Backup, Place, identity};
use super::batches::shuffled;
use super::check::check_count;
use super::evaluate::BATCH_SIZE;
use super::feed::Feed;
use super::history::no_epochs;
use super::{Callback, Control, Epoch, History, Trainer};
use crate::data::{Dataset, Source, Split};
use crate::device::Device;
use crate::device::cpu::threads;
use crate::error::{Error, Result};
use crate::profile;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// How [`Trainer::fit`] goes over the data; the setters have Keras's names and defaults.
pub struct Fit {
    epochs: usize,
    batch_size: usize,
    steps_per_epoch: Option<usize>,
    shuffle: bool,
    validation_split: f64,
    validation_data: Option<Dataset>,
    class_weight: Vec<(i64, f64)>,
    callbacks: Vec<Box<dyn Callback>>,
    identity: Value,
    backup: Option<PathBuf>,
    backup_every: Duration,
    resume: bool,
}

impl Fit {
    /// This many times over the data, in shuffled batches of 32.
    pub fn epochs(epochs: usize) -> Fit {
        Fit {
            epochs,
            batch_size: BATCH_SIZE,
            steps_per_epoch: None,
            shuffle: true,
            validation_split: 0.0,
            validation_data: None,
            class_weight: Vec::new(),
            callbacks: Vec::new(),
            identity: Value::Null,
            backup: None,
            backup_every: Duration::from_secs(30),
            resume: false,
        }
    }

    /// Samples of a batch; 32 unless told otherwise.
    pub fn batch_size(mut self, batch_size: usize) -> Fit {
        self.batch_size = batch_size;
        self
    }

    /// Batches of an epoch, at most; all of the data's unless told otherwise. Where the data has more, each epoch has others of
    /// them, drawn at random; without [`Fit::shuffle`] the first.
    pub fn steps_per_epoch(mut self, steps: usize) -> Fit {
        self.steps_per_epoch = Some(steps);
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

    /// Counts the samples of these classes as often as their weights say in the loss, those of others once; see
    /// [`Dataset::class_weight`]. What is validated on is not weighted, as in Keras.
    pub fn class_weight(mut self, weights: impl Into<Vec<(i64, f64)>>) -> Fit {
        self.class_weight = weights.into();
        self
    }

    /// Adds one that looks on.
    pub fn callback(mut self, callback: impl Callback + 'static) -> Fit {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Puts the whole run down in the file `path` from time to time and at its end, for [`Fit::resume`]: weights,
    /// optimizer, figures, random numbers, and what callbacks keep. The file stays; it is Keras's
    /// [BackupAndRestore](https://keras.io/api/callbacks/backup_and_restore/), in the midst of epochs too.
    pub fn backup(mut self, path: impl AsRef<Path>) -> Fit {
        self.backup = Some(path.as_ref().to_path_buf());
        self
    }

    /// [`Fit::backup`], and goes on from the file if it is there: with the same bits as a run that nothing ended, if
    /// device, model, data, callbacks and arguments are the same. There may be more epochs.
    pub fn resume(self, path: impl AsRef<Path>) -> Fit {
        Fit { resume: true, ..self.backup(path) }
    }

    /// What decides a run's bits and nothing else tells, such as the numbers in a step of one's own: [`Fit::resume`] refuses a
    /// backup with another.
    pub fn identity(mut self, identity: Value) -> Fit {
        self.identity = identity;
        self
    }

    /// How often [`Fit::backup`] writes, which waits for the device: after the first step that ends this time after the
    /// last backup; 30 seconds unless told otherwise.
    pub fn backup_every(mut self, time: Duration) -> Fit {
        self.backup_every = time;
        self
    }
}

impl Trainer {
    /// Trains on a data set and returns the figures of each epoch.
    ///
    /// The data is moved to the device first; where it does not fit there, batch by batch.
    ///
    /// # Errors
    /// Data that does not fit the model, a label out of range, a model without trainable weights, a trainable weight
    /// that the loss does not depend on, a loss that is no finite number at the end of an epoch ([`Error::Diverged`]),
    /// a device or a callback that fails. What was learnt before stays in the trainer, its figures in
    /// [`Trainer::history`], and callbacks see the end of the run.
    pub fn fit(&mut self, data: &Dataset, fit: Fit) -> Result<History> {
        threads::enter(|| self.run(data, fit))
    }

    /// [`Trainer::fit`] on samples that are read when they are needed: two batches ahead, on a thread of their own. In the
    /// same order as data in memory, to the same bits. Its labels are not looked at beforehand, but for those of the first
    /// batch; `validation_split` and `class_weight` want data in memory.
    ///
    /// # Errors
    /// As [`Trainer::fit`]; what the source fails with.
    pub fn fit_source(&mut self, source: &dyn Source, fit: Fit) -> Result<History> {
        if fit.validation_split != 0.0 || !fit.class_weight.is_empty() {
            let message = "`validation_split` and `class_weight` need data in memory: give `validation_data`, and a source \
                           whose data has sample weights";
            return Err(Error::Config(message.into()));
        }
        check_count(source.len())?;
        let first: Vec<i32> = (0..fit.batch_size.clamp(1, source.len().max(1)) as i32).collect();
        let first = source.read(&first)?;
        self.check_data(&first)?;
        // Of what is not in memory, the beginning tells whether it is the same.
        let sum = fit.backup.is_some().then(|| first.checksum()).transpose()?;
        threads::enter(|| {
            let validation = fit.validation_data.clone();
            self.run_on(Feed::Source(source), validation, sum, fit)
        })
    }

    fn run(&mut self, data: &Dataset, fit: Fit) -> Result<History> {
        let Fit { validation_split, class_weight, validation_data, .. } = &fit;
        if !(0.0..1.0).contains(validation_split) {
            let message = format!("`validation_split`: expected at least 0 and less than 1, got {validation_split}");
            return Err(Error::Config(message));
        }
        let (train, validation) = match validation_data {
            Some(validation) => (data.clone(), Some(validation.clone())),
            None if *validation_split > 0.0 => {
                data.split(*validation_split, &Split::in_order()).map(|(t, v)| (t, Some(v)))?
            }
            None => (data.clone(), None),
        };
        self.check_data(&train)?;
        let train = if class_weight.is_empty() { train } else { train.class_weight(class_weight)? };
        let sum = fit.backup.is_some().then(|| train.checksum()).transpose()?;
        let train = self.placed(train)?;
        let feed = Feed::of(&train, self.device());
        self.run_on(feed, validation, sum, fit)
    }

    /// `sum` is the checksum of the data, for a backup.
    fn run_on(&mut self, train: Feed, validation: Option<Dataset>, sum: Option<u32>, fit: Fit) -> Result<History> {
        let Fit { epochs, batch_size, steps_per_epoch, shuffle, .. } = fit;
        let mut callbacks = fit.callbacks;
        if epochs == 0 || batch_size == 0 || steps_per_epoch == Some(0) || train.len() == 0 {
            return Err(no_epochs());
        }
        self.history = History::default();
        self.check_trainable()?;
        if let Some(validation) = &validation {
            self.check_data(validation)?;
        }
        let sums = [sum, validation.as_ref().filter(|_| sum.is_some()).map(Dataset::checksum).transpose()?];
        let validation = validation.map(|v| self.placed(v)).transpose()?;
        self.figures = self.names();
        if let Some(validation) = &validation {
            // What does not fit shows now and not after an epoch.
            let first: Vec<i32> = (0..batch_size.min(validation.len()) as i32).collect();
            let batch = self.batch(validation, &first)?;
            let looked = self.look(&batch);
            self.generator.rewind();
            looked?;
            let names = self.figures.iter().map(|name| format!("val_{name}")).collect::<Vec<_>>();
            self.figures.extend(names);
        }
        let samples = steps_per_epoch.map_or(train.len(), |steps| steps.saturating_mul(batch_size).min(train.len()));
        let epoch = Epoch { number: 0, epochs, steps: samples.div_ceil(batch_size), batch_size, samples };
        let mut backup = match fit.backup {
            None => None,
            Some(path) => {
                let [data, validation] = sums.map(|sum| sum.map(|sum| format!("{sum:08x}")));
                let own = json!({
                    "shuffle": shuffle,
                    "class_weight": fit.class_weight,
                    "identity": fit.identity,
                    "checksum of the data": data,
                    "checksum of the validation data": validation,
                });
                Some(Backup::new(path, fit.backup_every, identity(self, &epoch, own))?)
            }
        };
        let mut begun = 0;
        let mut result = callbacks.iter_mut().try_for_each(|callback| {
            begun += 1;
            callback.on_train_begin(self)
        });
        if result.is_ok() {
            result = (|| {
                let place = match &backup {
                    Some(backup) if fit.resume && backup.exists() => backup.restore(self, &epoch, &mut callbacks)?,
                    _ => Place::default(),
                };
                let run = Run { train, validation: validation.as_ref(), shuffle, callbacks: &mut callbacks };
                self.run_epochs(run, epoch, backup.as_mut(), place)
            })();
        }
        result = result.and(self.finalize_variable_values());
        // Also after an error: what a callback put aside, such as the best weights, is put back.
        for callback in &mut callbacks[..begun] {
            result = result.and(callback.on_train_end(self));
        }
        result.map(|()| self.history.clone())
    }

    /// The data on the device, where a step then gathers its batch; on the host where it does not fit on the device.
    fn placed(&self, data: Dataset) -> Result<Dataset> {
        match data.to_device(self.device()) {
            Err(Error::OutOfMemory { .. }) => data.to_device(&Device::Cpu),
            placed => placed,
        }
    }

    fn run_epochs(
        &mut self,
        run: Run,
        mut epoch: Epoch,
        mut backup: Option<&mut Backup>,
        mut place: Place,
    ) -> Result<()> {
        let Run { train, validation, shuffle, callbacks } = run;
        while place.epoch < epoch.epochs && !place.stopped {
            epoch.number = place.epoch;
            place.begun_with = self.constant_rate();
            callbacks.iter_mut().try_for_each(|c| c.on_epoch_begin(self, &epoch))?;
            self.reset_metrics()?;
            if let Some(midway) = place.midway.take() {
                midway.restore(self)?;
            }
            let mut order = if shuffle {
                shuffled(train.len(), self.seed, self.state.iteration as i64 - place.steps as i64)
            } else {
                (0..train.len() as i32).collect()
            };
            order.truncate(epoch.samples);
            let place = &mut place;
            let stops = thread::scope(|scope| {
                let mut batches =
                    train.batches(self.device(), scope, order.chunks(epoch.batch_size).skip(place.steps))?;
                while place.steps < epoch.steps {
                    {
                        let _span = profile::step();
                        let data = profile::phase("data");
                        let batch = batches.next(self)?;
                        drop(data);
                        self.train_on_batch(&batch)?;
                    }
                    let stops = told(callbacks, |c| c.on_step_end(self, &epoch, place.steps))?;
                    place.steps += 1;
                    if let Some(backup) = backup.as_mut().filter(|backup| stops || backup.is_due()) {
                        backup.write(self, place, callbacks)?;
                    }
                    if stops {
                        return Ok(true);
                    }
                }
                Ok::<_, Error>(false)
            })?;
            if stops {
                return Ok(());
            }
            let mut logs = self.logs()?;
            if let Some(loss) = logs.get("loss").filter(|loss| !loss.is_finite()) {
                self.history.epochs.push(logs);
                return Err(Error::Diverged { loss, epoch: epoch.number + 1 });
            }
            if let Some(validation) = validation {
                for (name, value) in self.look_at(validation, epoch.batch_size)?.iter() {
                    logs.push(format!("val_{name}"), value);
                }
            }
            self.history.epochs.push(logs.clone());
            let stopped = told(callbacks, |c| c.on_epoch_end(self, &epoch, &logs))?;
            *place = Place { epoch: place.epoch + 1, stopped, ..Place::default() };
            let ends = stopped || place.epoch == epoch.epochs;
            if let Some(backup) = backup.as_mut().filter(|backup| ends || backup.is_due()) {
                backup.write(self, place, callbacks)?;
            }
        }
        Ok(())
    }
}

/// What the epochs of a run go over, and who looks on.
struct Run<'a> {
    train: Feed<'a>,
    validation: Option<&'a Dataset>,
    shuffle: bool,
    callbacks: &'a mut [Box<dyn Callback>],
}

/// Tells all callbacks, and whether one of them ends the run.
fn told(
    callbacks: &mut [Box<dyn Callback>],
    mut tell: impl FnMut(&mut Box<dyn Callback>) -> Result<Control>,
) -> Result<bool> {
    callbacks.iter_mut().try_fold(false, |stops, callback| Ok(stops | (tell(callback)? == Control::Stop)))
}
