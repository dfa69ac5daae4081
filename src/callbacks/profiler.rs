//! Where the time of a training goes.

use crate::error::Result;
use crate::profile::{self, Profile};
use crate::train::{Callback, Control, Epoch, Logs, Trainer, peak};
use std::path::PathBuf;

/// Times twenty steps of a training, after a few that warm it up; at the end prints what they were made of, by op and by
/// layer, and writes them as a trace for chrome://tracing.
///
/// The weights become the same bits as without it. On a CUDA card these steps are not replayed from a graph.
pub struct Profiler {
    path: PathBuf,
    steps: usize,
    warm_up: usize,
    done: usize,
    /// Whether steps were captured before.
    captures: bool,
    recording: bool,
    profile: Option<Profile>,
}

const STEPS: usize = 20;
const WARM_UP: usize = 5;

impl Profiler {
    /// One that writes its trace to this file.
    pub fn new(path: impl Into<PathBuf>) -> Profiler {
        let path = path.into();
        Profiler { path, steps: STEPS, warm_up: WARM_UP, done: 0, captures: false, recording: false, profile: None }
    }

    fn turn(&mut self, trainer: &mut Trainer) -> Result<()> {
        if self.done == self.warm_up && self.profile.is_none() {
            profile::begin(trainer.device())?;
            self.recording = true;
        }
        if self.done == self.warm_up + self.steps {
            self.end(trainer)?;
        }
        Ok(())
    }

    fn end(&mut self, trainer: &mut Trainer) -> Result<()> {
        if std::mem::take(&mut self.recording) {
            trainer.set_capture(self.captures);
            self.profile = Some(profile::end()?);
        }
        Ok(())
    }
}

impl Callback for Profiler {
    fn on_train_begin(&mut self, trainer: &mut Trainer) -> Result<()> {
        (self.done, self.profile) = (0, None);
        self.captures = trainer.set_capture(false);
        Ok(())
    }

    fn on_epoch_begin(&mut self, trainer: &mut Trainer, epoch: &Epoch) -> Result<()> {
        // A run that was put down goes on at a later epoch than the first.
        if self.done == 0 && self.profile.is_none() {
            let total = (epoch.epochs - epoch.number) * epoch.steps;
            self.warm_up = WARM_UP.min(total / 4);
            self.steps = STEPS.min(total - self.warm_up);
            self.turn(trainer)?;
        }
        Ok(())
    }

    fn on_step_end(&mut self, trainer: &mut Trainer, _: &Epoch, _: usize) -> Result<Control> {
        self.done += 1;
        self.turn(trainer)?;
        Ok(Control::Continue)
    }

    fn on_epoch_end(&mut self, _: &mut Trainer, _: &Epoch, _: &Logs) -> Result<Control> {
        Ok(Control::Continue)
    }

    fn on_train_end(&mut self, trainer: &mut Trainer) -> Result<()> {
        self.end(trainer)?;
        let Some(profile) = self.profile.take() else { return Ok(()) };
        profile.write_trace(&self.path)?;
        let table = profile.table().peak(peak(trainer.device())?);
        println!("\n{table}\n{}", self.path.display());
        Ok(())
    }
}
