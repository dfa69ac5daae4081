//! How long a task learns, on how much at a time, and how fast.

use crate::options::rate;
use clap::Args;
use uncrumple::schedules::CosineDecay;

/// What is not given is the task's own.
#[derive(Args)]
pub struct Pace {
    /// How often to go through the training part; the weights of the best epoch by validation are kept, if the task does not
    /// say otherwise
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,

    /// Samples of a step
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: Option<u32>,

    /// The optimizer's learning rate, the highest where it changes
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = rate)]
    learning_rate: Option<f64>,
}

impl Pace {
    pub fn epochs(&self, own: usize) -> usize {
        self.epochs.map_or(own, |n| n as usize)
    }

    pub fn batch_size(&self, own: usize) -> usize {
        self.batch_size.map_or(own, |n| n as usize)
    }

    pub fn learning_rate(&self, own: f64) -> f64 {
        self.learning_rate.unwrap_or(own)
    }

    /// The learning rate over all steps: it rises to its highest in the first of so many parts of them, and falls to 0 along a
    /// cosine.
    pub fn schedule(&self, own: f64, steps: usize, parts: usize) -> CosineDecay {
        let warmup = steps / parts;
        CosineDecay::new(0.0, (steps - warmup).max(1)).warmup(self.learning_rate(own), warmup)
    }
}
