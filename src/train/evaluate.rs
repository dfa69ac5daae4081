//! Looking without training: evaluation and prediction.

use super::{Logs, Trainer};
use crate::data::{Dataset, IntoTensors};
use crate::device::Device;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::tensor::{Tensor, Tensors};

/// Samples of a batch where the user names no other number, as in Keras.
pub(crate) const BATCH_SIZE: usize = 32;

impl Trainer {
    /// Loss and metrics over a data set, in batches of 32.
    ///
    /// # Errors
    /// Data that does not fit the model.
    pub fn evaluate(&mut self, data: &Dataset) -> Result<Logs> {
        self.evaluate_with(data, BATCH_SIZE)
    }

    /// [`Trainer::evaluate`] in batches of another size.
    pub fn evaluate_with(&mut self, data: &Dataset, batch_size: usize) -> Result<Logs> {
        self.reset_trackers()?;
        for start in (0..data.len()).step_by(batch_size.max(1)) {
            let end = (start + batch_size.max(1)).min(data.len());
            let indices: Vec<i32> = (start as i32..end as i32).collect();
            let batch =
                data.gather(&Tensor::from_slice(&indices, indices.len())?.to_device(&data.inputs()[0].device())?)?;
            self.look(&batch.to_device(self.device())?)?;
        }
        self.logs()
    }

    /// The figures since the last epoch, validation or evaluation began. It waits for the device.
    pub fn logs(&self) -> Result<Logs> {
        let read = |t: &Tensor| t.to_vec::<f32>();
        let mut logs = Logs::default();
        let loss = self.trackers.loss.iter().map(read).collect::<Result<Vec<_>>>()?;
        logs.push("loss", crate::metrics::mean_result(&loss));
        let outputs = self.metrics.len();
        let named = self.metrics.iter().enumerate().flat_map(|(i, list)| list.iter().map(move |m| (i, m)));
        for ((output, metric), state) in named.zip(&self.trackers.metrics) {
            let state = state.iter().map(read).collect::<Result<Vec<_>>>()?;
            let layer = self.model.graph.output_layer(output).map_or("", |l| l.name.as_str());
            let name = if outputs > 1 { format!("{layer}_{}", metric.name()) } else { metric.name() };
            logs.push(name, metric.result(&state));
        }
        Ok(logs)
    }

    pub(super) fn reset_trackers(&mut self) -> Result<()> {
        let device = self.model.device.clone();
        for state in self.trackers.loss.iter_mut().chain(self.trackers.metrics.iter_mut().flatten()) {
            let zeros = Tensor::zeros(&device, state.shape(), DType::F32)?;
            state.assign(&zeros)?;
        }
        Ok(())
    }

    /// The first output for these inputs; see [`Model::predict`].
    pub fn predict(&self, inputs: impl IntoTensors) -> Result<Tensor> {
        self.model.predict(inputs)
    }
}

impl Model {
    /// The first output for these inputs, computed in batches of 32 on the model's device, on the CPU.
    ///
    /// # Errors
    /// Inputs of another number, shape or dtype, or of different lengths.
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
        let n = inputs.first().and_then(|t| t.shape().first().copied()).unwrap_or(0);
        if let Some(other) = inputs.iter().find(|t| t.shape().first() != Some(&n)) {
            let message = format!("the inputs have {n} and {:?} samples", other.shape().first());
            return Err(Error::shape("predict", message));
        }
        let mut parts: Vec<Tensors> = Vec::new();
        let mut start = 0;
        loop {
            let end = (start + batch_size.max(1)).min(n);
            let batch = inputs.iter().map(|t| t.slice(0, start..end)).collect::<Result<Vec<_>>>()?;
            let outputs = model.call(&batch.iter().collect::<Vec<_>>())?;
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
