//! Which classes are taken for which.

use super::{MOST, segment_sum};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::ops::whole;
use crate::tensor::Tensor;

/// How often the class i was taken for the class j: float32 `(classes, classes)`, in row i and column j the number of
/// samples of the label i with the prediction j, or the sum of their weights.
///
/// Labels and predicted labels, whole numbers of any dtype, and weights, all of as many elements; of probabilities
/// `argmax(-1)` makes labels. A sample with a label or a prediction out of range does not count. It is computed on the
/// device, and waits for nothing.
///
/// ```
/// use uncrumple::metrics::confusion_matrix;
/// # use uncrumple::prelude::*;
/// # fn main() -> Result<()> {
/// let (labels, predicted) = (Tensor::from_slice(&[0, 1, 1], 3)?, Tensor::from_slice(&[0, 1, 0], 3)?);
/// assert_eq!(confusion_matrix(&labels, &predicted, 2, None)?.to_vec::<f32>()?, [1., 0., 1., 1.]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Different numbers of elements, more than 4096 classes.
pub fn confusion_matrix(
    labels: &Tensor,
    predictions: &Tensor,
    classes: usize,
    weights: Option<&Tensor>,
) -> Result<Tensor> {
    let (n, given) = (labels.shape().size(), predictions.shape().size());
    if n != given || weights.is_some_and(|w| w.shape().size() != n) {
        let message =
            format!("expected as many labels as predictions and weights, got {n} labels, {given} predictions");
        return Err(Error::shape("confusion_matrix", message));
    }
    if classes > MOST {
        return Err(Error::Config(format!("confusion_matrix: expected at most {MOST} classes, got {classes}")));
    }
    // Float labels are cut off to whole ones first, as in Keras; f32 has every class and no number beyond as one.
    let number = |x: &Tensor| whole(&x.reshape([n])?)?.cast(DType::F32);
    let (t, p) = (number(labels)?, number(predictions)?);
    let within = |x: &Tensor| -> Result<Tensor> {
        let full = |value| Tensor::full(&x.device(), (), DType::F32, value);
        let below = x.less(&full(classes as f64)?)?.cast(DType::F32)?;
        x.greater_equal(&full(0.0)?)?.cast(DType::F32)?.mul(&below)
    };
    let mut counted = within(&t)?.mul(&within(&p)?)?;
    // Below 2²⁴, where f32 still has every whole number.
    let place = t.mul_scalar(classes as f64)?.add(&p)?.mul(&counted)?.cast(DType::I32)?;
    if let Some(weights) = weights {
        counted = counted.mul(&weights.reshape([n])?.cast(DType::F32)?)?;
    }
    segment_sum(&counted, &place, classes * classes)?.reshape([classes, classes])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_class_does_not_count() -> Result<()> {
        let labels = Tensor::from_slice(&[0i64, 1, (1 << 32) + 1, -(1 << 32), 1], 5)?;
        let predicted = Tensor::from_slice(&[0f32, f32::NAN, 1.0, 0.0, 1.9], 5)?;
        assert_eq!(confusion_matrix(&labels, &predicted, 2, None)?.to_vec::<f32>()?, [1., 0., 0., 1.]);
        Ok(())
    }

    /// One by one they would not add up in f32.
    #[test]
    fn counts_pass_what_f32_counts_to() -> Result<()> {
        let zeros = Tensor::from_slice(&[0; 5], 5)?;
        let weights = Tensor::from_slice(&[16_777_216f32, 1., 1., 1., 1.], 5)?;
        assert_eq!(confusion_matrix(&zeros, &zeros, 1, Some(&weights))?.to_vec::<f32>()?, [16_777_220.]);
        Ok(())
    }
}
