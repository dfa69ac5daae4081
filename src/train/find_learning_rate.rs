//! Which learning rates a model can take.

use super::Trainer;
use super::batches::shuffled;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// What [`Trainer::find_learning_rate`] saw.
#[derive(Clone, Debug)]
pub struct LearningRates {
    /// The learning rate of each step.
    pub rates: Vec<f64>,
    /// The loss of each step's batch, smoothed by a moving average of 0.98.
    pub losses: Vec<f64>,
    /// The rate at which the loss fell fastest: one to begin with. `None` where it never fell.
    pub suggested: Option<f64>,
}

/// What the average keeps at each step.
const SMOOTHING: f64 = 0.98;
/// A loss this many times the least has diverged.
const DIVERGED: f64 = 4.0;
/// Steps whose averages say too little.
const FIRST: usize = 10;

impl Trainer {
    /// Tries learning rates from `rates.start` to `rates.end`, each step the next by equal factors, until the loss grows
    /// to four times its least: the range test of [Smith, 2017](https://arxiv.org/abs/1506.01186). Then weights,
    /// optimizer and learning rate are again what they were.
    ///
    /// # Errors
    /// A range that does not grow, fewer than 20 steps, an optimizer with a schedule; those of
    /// [`Trainer::train_on_batch`].
    pub fn find_learning_rate(
        &mut self,
        data: &Dataset,
        batch_size: usize,
        rates: std::ops::Range<f64>,
        steps: usize,
    ) -> Result<LearningRates> {
        if !(rates.start > 0.0 && rates.start < rates.end && rates.end.is_finite())
            || steps < 2 * FIRST
            || batch_size == 0
        {
            let message = format!(
                "expected learning rates that grow from more than 0, at least {} steps and a batch size, got {rates:?}, \
                 {steps} and {batch_size}",
                2 * FIRST
            );
            return Err(Error::Config(message));
        }
        if let Some(own) = self.owns.first() {
            let message = "find_learning_rate knows one optimizer, and the layer has one of its own";
            return Err(Error::Config(format!("{message}: `{}`", own.name)));
        }
        self.check_data(data)?;
        let rate = self.learning_rate();
        self.set_learning_rate(rate)?;
        let copies = |list: &[Tensor]| list.iter().map(Tensor::copy).collect::<Result<Vec<_>>>();
        let (weights, iteration) = (copies(&self.model.weights)?, self.state.iteration);
        let slots = self.state.slots.iter().map(|slots| copies(slots)).collect::<Result<Vec<_>>>()?;
        let found = self.try_rates(data, batch_size, rates, steps);
        let restored = self.set_weights(&weights).and_then(|()| self.resume(iteration, &slots));
        self.captures = self.captures.take().map(|_| Default::default());
        restored.and(self.set_learning_rate(rate)).and(self.reset_metrics()).and(found)
    }

    fn try_rates(
        &mut self,
        data: &Dataset,
        batch_size: usize,
        rates: std::ops::Range<f64>,
        steps: usize,
    ) -> Result<LearningRates> {
        let factor = (rates.end / rates.start).powf(1.0 / (steps - 1) as f64);
        let mut found = LearningRates { rates: Vec::new(), losses: Vec::new(), suggested: None };
        let (mut order, mut average, mut least) = (Vec::new(), 0.0, f64::INFINITY);
        for step in 0..steps {
            if order.is_empty() {
                order = shuffled(data.len(), self.seed, step as i64);
            }
            let batch = self.batch(data, &order.split_off(order.len().saturating_sub(batch_size)))?;
            let rate = rates.start * factor.powi(step as i32);
            self.set_learning_rate(rate)?;
            self.reset_metrics()?;
            self.train_on_batch(&batch)?;
            let loss = self.logs()?.get("loss").unwrap_or(f64::NAN);
            average = SMOOTHING * average + (1.0 - SMOOTHING) * loss;
            // An average that began at 0, corrected for it as Adam's are.
            let smooth = average / (1.0 - SMOOTHING.powi(step as i32 + 1));
            let diverged = step >= FIRST && smooth > DIVERGED * least;
            if !smooth.is_finite() || diverged {
                break;
            }
            least = least.min(smooth);
            found.rates.push(rate);
            found.losses.push(smooth);
        }
        let falls = found.losses.windows(3).map(|w| w[0] - w[2]).enumerate().skip(FIRST);
        let steepest = falls.filter(|(_, fall)| *fall > 0.0).max_by(|a, b| a.1.total_cmp(&b.1));
        found.suggested = steepest.map(|(i, _)| found.rates[i + 1]);
        Ok(found)
    }
}
