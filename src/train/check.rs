//! What is found out before the first step: nobody should wait an epoch for it, and a GPU would not tell.

use super::Trainer;
use super::compile::loss_of;
use crate::data::Dataset;
use crate::device::Device;
use crate::device::cpu::convert::Convert;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::with_dtype;

impl Trainer {
    /// Refuses to train what cannot be trained.
    pub(super) fn check_trainable(&self) -> Result<()> {
        if self.trainable.is_empty() {
            return Err(Error::Config("the model has no trainable weights: there is nothing to train".into()));
        }
        self.check_metrics()
    }

    /// Refuses metrics beside a step of one's own, from which they would get nothing.
    pub(super) fn check_metrics(&self) -> Result<()> {
        if self.step.is_some() && self.metrics.iter().any(|list| !list.is_empty()) {
            let message = "metrics need the outputs, which a step of one's own keeps to itself";
            return Err(Error::Config(format!("{message}: compile without metrics")));
        }
        Ok(())
    }

    /// Refuses more samples than can be numbered, and labels out of range: on a CUDA device they would make every
    /// weight NaN without a word.
    pub(super) fn check_data(&self, data: &Dataset) -> Result<()> {
        check_count(data.len())?;
        if self.step.is_some() {
            return Ok(());
        }
        for (i, (target, &output)) in data.targets().iter().zip(&self.model.graph.outputs).enumerate() {
            let classes = self.model.graph.spec(output).and_then(|spec| spec.dims.last().copied().flatten());
            if let (Some(classes), true) = (classes, loss_of(&self.losses, i).is_some_and(|l| l.takes_labels())) {
                check_labels(i, target, classes, self.model.graph.value_name(output))?;
            }
        }
        Ok(())
    }
}

/// Refuses more samples than can be numbered.
pub(super) fn check_count(samples: usize) -> Result<()> {
    if i32::try_from(samples).is_err() {
        return Err(Error::Data(format!("{samples} samples are more than the {} that fit", i32::MAX)));
    }
    Ok(())
}

fn check_labels(number: usize, target: &Tensor, classes: usize, output: &str) -> Result<()> {
    let target = target.to_device(&Device::Cpu)?;
    let right = |label: f64| label >= 0.0 && label < classes as f64 && label.fract() == 0.0;
    let wrong = with_dtype!(target.dtype(), T => {
        let labels = target.data::<T>()?.iter().map(|x| x.to_f64());
        labels.enumerate().find(|(_, label)| !right(*label))
    });
    let Some((at, label)) = wrong else { return Ok(()) };
    let sample = at / (target.shape().size() / target.shape()[0]).max(1);
    Err(Error::Data(format!(
        "target {number} holds the label {label} in sample {sample}; the {classes} classes of the output `{output}` \
         have the labels 0 to {}",
        classes.saturating_sub(1)
    )))
}
