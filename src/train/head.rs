//! The loss of an output that is a product with many columns, as the logits of a vocabulary are: it is computed from what is
//! multiplied, so that the logits of all rows are never there.

use super::compile::loss_of;
use crate::error::Result;
use crate::layers::{Precision, in_precision};
use crate::losses::{Loss, Reduction, whole};
use crate::metrics::Metric;
use crate::model::Model;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Columns from which it pays: below, the logits take little memory.
const CLASSES: usize = 512;

/// The product that an output is, by the places of its weights in the model.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutputHead {
    kernel: usize,
    transposed: bool,
    bias: Option<usize>,
    precision: Precision,
}

impl OutputHead {
    /// That of an output whose loss is a cross-entropy with labels, where nothing else needs its logits.
    pub fn of(
        model: &Model,
        output: usize,
        losses: &[Box<dyn Loss>],
        metrics: &[Box<dyn Metric>],
    ) -> Option<OutputHead> {
        let loss = loss_of(losses, output).filter(|l| l.takes_head() && l.reduction() != Reduction::None)?;
        let (step, head) = model.graph.output_head(output).filter(|_| metrics.is_empty())?;
        let ends_with_link = model.graph.output_activation(output) == loss.link();
        let first = model.graph.layers[step.layer].weights.start;
        let weight = |place: usize| first + place;
        let classes = model.graph.weights.get(weight(head.kernel))?.1.shape[usize::from(!head.transposed)];
        (classes >= CLASSES && (ends_with_link || loss.takes_logits())).then(|| OutputHead {
            kernel: weight(head.kernel),
            transposed: head.transposed,
            bias: head.bias.map(weight),
            precision: Precision::of(step.called.compute_dtype(model.precision)),
        })
    }

    /// The loss for these features, which the head multiplies, and for the model's weights.
    ///
    /// # Errors
    /// Targets that do not fit, weights of samples that do not.
    pub fn loss(
        &self,
        loss: &dyn Loss,
        weights: &[Tensor],
        (features, y_true): (&Tensor, &Tensor),
        sample_weights: Option<&Tensor>,
    ) -> Result<Tensor> {
        let rows = Shape::new(&features.shape()[..features.shape().rank() - 1])?;
        let factors = loss.reduction().factors(rows, sample_weights, &features.device())?;
        let weight = |place: usize| in_precision(&weights[place], self.precision.compute_dtype());
        let bias = self.bias.map(weight).transpose()?;
        let kernel = (&weight(self.kernel)?, self.transposed);
        features.linear_cross_entropy(kernel, bias.as_ref(), &whole(y_true)?, &factors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dataset;
    use crate::layers::{Dense, Embedding, Input};
    use crate::losses::SparseCategoricalCrossentropy;
    use crate::metrics::SparseCategoricalAccuracy;
    use crate::optimizers::SGD;
    use crate::train::Trainer;

    fn model(softmax: bool) -> Result<Model> {
        let ids = Input::with([3], crate::DType::I32, None);
        let x = Embedding::new(9, 4).mask_zero(true).call(&ids)?;
        let dense = Dense::new(CLASSES + 8);
        let y = if softmax { dense.softmax() } else { dense.use_bias(false) }.call(&x)?;
        Model::new(&ids, &y)
    }

    /// Loss and weights after a step, with the logits or without.
    fn step(softmax: bool, reduction: Reduction, weights: Option<&Tensor>, logits: bool) -> Result<Vec<Vec<f32>>> {
        let loss = SparseCategoricalCrossentropy::new().reduction(reduction);
        let loss = if softmax { loss } else { SparseCategoricalCrossentropy::from_logits().reduction(reduction) };
        let metrics: Vec<Box<dyn Metric>> =
            if logits { vec![SparseCategoricalAccuracy::new().into()] } else { Vec::new() };
        let mut trainer = model(softmax)?.compile(SGD::new(0.5), loss, metrics)?;
        assert_eq!(trainer.heads[0].is_none(), logits);
        let ids = Tensor::from_slice(&[1, 2, 0, 8, 0, 0], [2, 3])?;
        let labels = Tensor::from_slice(&[0f32, 519.0, 3.0, 100.0, 5.0, 7.0], [2, 3])?;
        let mut batch = Dataset::new(vec![ids], vec![labels])?;
        if let Some(weights) = weights {
            batch = batch.sample_weight(weights.clone())?;
        }
        trainer.train_on_batch(&batch)?;
        let of =
            |trainer: &Trainer| trainer.model.weights.iter().map(|w| w.to_vec::<f32>()).collect::<Result<Vec<_>>>();
        let mut all = of(&trainer)?;
        all.push(vec![trainer.logs()?.get("loss").unwrap_or(f64::NAN) as f32]);
        all.push(vec![trainer.evaluate(&batch)?.get("loss").unwrap_or(f64::NAN) as f32]);
        Ok(all)
    }

    #[test]
    fn the_loss_is_that_of_the_logits() -> Result<()> {
        let each = Tensor::from_slice(&[0.5f32, 1.0, 2.0, 3.0, 1.0, 1.0], [2, 3])?;
        let of_samples = Tensor::from_slice(&[0.5f32, 2.0], [2])?;
        for softmax in [true, false] {
            for reduction in [Reduction::SumOverBatchSize, Reduction::Sum, Reduction::MeanWithSampleWeight] {
                for weights in [None, Some(&each), Some(&of_samples)] {
                    let [got, want] = [false, true].map(|logits| step(softmax, reduction, weights, logits));
                    for (got, want) in got?.iter().flatten().zip(want?.iter().flatten()) {
                        let near = (got - want).abs() <= 2e-6 * want.abs().max(1.0);
                        assert!(near, "{got} for {want}: {reduction:?}, {weights:?}");
                    }
                }
            }
        }
        Ok(())
    }
}
