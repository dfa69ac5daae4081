//! Looking without training: evaluation and prediction.

use super::check::check_count;
use super::feed::Feed;
use super::{Batch, Logs, Trainer};
use crate::data::{Dataset, IntoTensors, Source};
use crate::device::Device;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::metrics::mean_result;
use crate::model::{Model, unique};
use crate::tensor::{Tensor, Tensors};
use std::ops::Range;
use std::thread;

/// Samples of a batch where the user names no other number, as in Keras.
pub(crate) const BATCH_SIZE: usize = 32;

impl Trainer {
    /// Loss and metrics over a data set, in batches of 32.
    ///
    /// # Errors
    /// Data that does not fit the model, a label out of range.
    pub fn evaluate(&mut self, data: &Dataset) -> Result<Logs> {
        self.evaluate_with(data, BATCH_SIZE)
    }

    /// [`Trainer::evaluate`] in batches of another size.
    pub fn evaluate_with(&mut self, data: &Dataset, batch_size: usize) -> Result<Logs> {
        self.check_metrics()?;
        self.check_data(data)?;
        self.look_at(data, batch_size)
    }

    /// [`Trainer::evaluate_with`] on samples that are read when they are needed, as by [`Trainer::fit_source`].
    ///
    /// # Errors
    /// As [`Trainer::evaluate`]; what the source fails with.
    pub fn evaluate_source(&mut self, source: &dyn Source, batch_size: usize) -> Result<Logs> {
        self.check_metrics()?;
        check_count(source.len())?;
        self.look_through(Feed::Source(source), batch_size)
    }

    /// The same of data that was checked.
    pub(super) fn look_at(&mut self, data: &Dataset, batch_size: usize) -> Result<Logs> {
        self.look_through(Feed::of(data, self.device()), batch_size)
    }

    fn look_through(&mut self, feed: Feed, batch_size: usize) -> Result<Logs> {
        self.reset_metrics()?;
        let order: Vec<i32> = (0..feed.len() as i32).collect();
        let chunks = order.chunks(batch_size.max(1));
        let steps = chunks.len();
        let looked = thread::scope(|scope| {
            let mut batches = feed.batches(self.device(), scope, chunks)?;
            (0..steps).try_for_each(|_| {
                let batch = batches.next(self)?;
                self.look(&batch)
            })
        });
        self.generator.rewind();
        looked?;
        self.logs()
    }

    /// The samples of these numbers on the trainer's device, gathered where the data lies.
    pub(super) fn batch(&self, data: &Dataset, indices: &[i32]) -> Result<Batch> {
        data.gather(indices)?.to_device(self.device())
    }

    /// The figures since the last epoch, validation or evaluation began, or since [`Trainer::reset_metrics`]: `loss`,
    /// the outputs' losses where there are several (`{output}_loss`), and the metrics (then `{output}_{metric}`; of one
    /// with several figures, such as one for each class, `{metric}_0`, `{metric}_1`, …). It
    /// waits for the device.
    pub fn logs(&self) -> Result<Logs> {
        let read = |t: &Tensor| t.to_vec::<f32>();
        let loss = self.trackers.loss.iter().map(read).collect::<Result<Vec<_>>>()?;
        let mut values = vec![mean_result(&loss)];
        for total in &self.trackers.losses {
            values.push(mean_result(&[read(total)?, loss[1].clone()]));
        }
        for (metric, state) in self.metrics.iter().flatten().zip(&self.trackers.metrics) {
            values.extend(metric.result(&state.iter().map(read).collect::<Result<Vec<_>>>()?));
        }
        let mut logs = Logs::default();
        self.names().into_iter().zip(values).for_each(|(name, value)| logs.push(name, value));
        Ok(logs)
    }

    /// The names of the figures, in their order.
    pub(super) fn names(&self) -> Vec<String> {
        let outputs = self.model.graph.output_names();
        let losses = outputs.iter().take(self.trackers.losses.len()).map(|output| format!("{output}_loss"));
        let mut names: Vec<String> = std::iter::once("loss".to_string()).chain(losses).collect();
        let mut states = self.trackers.metrics.iter();
        for (output, list) in outputs.iter().zip(&self.metrics) {
            let prefix = if outputs.len() > 1 { format!("{output}_") } else { String::new() };
            for metric in list {
                let name = metric.name();
                // As Keras tells the two apart.
                let twice = metric.is_weighted() && list.iter().any(|m| !m.is_weighted() && m.name() == name);
                let name = format!("{prefix}{}{name}", if twice { "weighted_" } else { "" });
                let zeros: Vec<Vec<f32>> =
                    states.next().into_iter().flatten().map(|state| vec![0.0; state.shape().size()]).collect();
                match metric.result(&zeros).len() {
                    1 => names.push(name),
                    figures => names.extend((0..figures).map(|i| format!("{name}_{i}"))),
                }
            }
        }
        unique(names)
    }

    /// Begins the running means of loss and metrics anew, as an epoch does.
    pub fn reset_metrics(&mut self) -> Result<()> {
        let device = self.model.device.clone();
        for state in self.trackers.tensors_mut() {
            let zeros = Tensor::zeros(&device, state.shape(), DType::F32)?;
            state.assign(&zeros)?;
        }
        Ok(())
    }

    /// The outputs for one batch, with which the states of stateful layers move on; see [`Model::advance`].
    ///
    /// # Errors
    /// As [`Model::advance`].
    pub fn advance(&mut self, inputs: &[&Tensor]) -> Result<Tensors> {
        self.model.advance(inputs)
    }

    /// Sets the states of stateful layers to 0; see [`Model::reset_state`].
    ///
    /// # Errors
    /// A device that fails.
    pub fn reset_state(&mut self) -> Result<()> {
        self.model.reset_state()
    }

    /// The first output for these inputs; see [`Model::predict`].
    pub fn predict(&self, inputs: impl IntoTensors) -> Result<Tensor> {
        self.model.predict(inputs)
    }
}

impl Model {
    /// The first output for these inputs, computed in batches of 32 on the model's device, on the CPU. Inputs of
    /// another dtype are converted, as by [`Model::call`].
    ///
    /// # Errors
    /// Inputs of another number or shape, or of different lengths.
    pub fn predict(&self, inputs: impl IntoTensors) -> Result<Tensor> {
        let mut outputs = self.predict_all(inputs, BATCH_SIZE)?;
        if outputs.is_empty() {
            return Err(Error::Internal("a model without outputs".into()));
        }
        Ok(outputs.swap_remove(0))
    }

    /// All outputs for these inputs, computed in batches on the model's device, on the CPU.
    pub fn predict_all(&self, inputs: impl IntoTensors, batch_size: usize) -> Result<Vec<Tensor>> {
        let inputs = inputs.into_tensors();
        let model = Model { weights: self.weights_on_device()?, ..self.clone() };
        if inputs.iter().any(|t| t.shape().is_empty()) {
            return Err(Error::shape("predict", "expected samples along the first axis of each input, got a scalar"));
        }
        let n = inputs.first().and_then(|t| t.shape().first().copied()).unwrap_or(0);
        if let Some(other) = inputs.iter().find(|t| t.shape().first() != Some(&n)) {
            let message = format!("the inputs have {n} and {} samples", other.shape()[0]);
            return Err(Error::shape("predict", message));
        }
        model.call_all(n, batch_size, |range| inputs.iter().map(|t| t.slice(0, range.clone())).collect())
    }

    /// All outputs for samples that are read when they are needed, as by [`Trainer::fit_source`], computed in batches
    /// on the model's device, on the CPU: for windows of a [`TimeSeries`](crate::data::TimeSeries), too.
    ///
    /// # Errors
    /// Inputs of another number or shape; what the source fails with.
    pub fn predict_source(&self, source: &dyn Source, batch_size: usize) -> Result<Vec<Tensor>> {
        check_count(source.len())?;
        let model = Model { weights: self.weights_on_device()?, ..self.clone() };
        model.call_all(source.len(), batch_size, |range| {
            let indices: Vec<i32> = range.map(|i| i as i32).collect();
            Ok(source.read(&indices)?.samples()?.inputs().to_vec())
        })
    }

    /// The outputs for batches of `n` samples, one after the other.
    fn call_all(
        &self,
        n: usize,
        batch_size: usize,
        mut batch: impl FnMut(Range<usize>) -> Result<Vec<Tensor>>,
    ) -> Result<Vec<Tensor>> {
        let mut parts: Vec<Tensors> = Vec::new();
        let mut start = 0usize;
        loop {
            let end = start.saturating_add(batch_size.max(1)).min(n);
            let outputs = self.call(&batch(start..end)?.iter().collect::<Vec<_>>())?;
            parts.push(outputs.iter().map(|t| t.to_device(&Device::Cpu)).collect::<Result<_>>()?);
            start = end;
            if start >= n {
                break;
            }
        }
        let output = |i: usize| Tensor::concatenate(&parts.iter().map(|p| &p[i]).collect::<Vec<_>>(), 0);
        (0..parts[0].len()).map(output).collect()
    }
}
