//! Where the time of a training goes.

use crate::error::Result;
use crate::files::{atomic_write, prepare};
use crate::profile::{self, Profile};
use crate::train::{Callback, Control, Epoch, Trainer, peak};
use std::io::Write;
use std::path::PathBuf;

/// Times twenty steps of a training, after a few that warm it up; at the end prints what they were made of, by op and by
/// layer, and writes them as a trace for chrome://tracing.
///
/// Missing folders are made. The weights become the same bits as without it. On a CUDA card these steps are not replayed from a graph.
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
        trainer.set_capture(self.captures);
        if std::mem::take(&mut self.recording) {
            self.profile = Some(profile::end()?);
        }
        Ok(())
    }
}

impl Callback for Profiler {
    fn on_train_begin(&mut self, trainer: &mut Trainer) -> Result<()> {
        prepare(&self.path)?;
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

    fn on_train_end(&mut self, trainer: &mut Trainer) -> Result<()> {
        self.end(trainer)?;
        let Some(profile) = self.profile.take() else { return Ok(()) };
        atomic_write(&self.path, |out| out.write_all(profile.trace().to_string().as_bytes()))?;
        let table = profile.table();
        // Without what the machine can do, where there is no memory left to measure it in.
        let table = match peak(trainer.device()) {
            Ok(peak) => table.peak(peak),
            Err(_) => table,
        };
        // Who reads along may have gone.
        let _ = writeln!(std::io::stdout(), "\n{table}\n{}", self.path.display());
        Ok(())
    }
}
