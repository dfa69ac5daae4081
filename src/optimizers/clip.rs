//! What each gradient is multiplied by: clipping by norm, and undoing what it was multiplied by before.

use super::Settings;
use crate::dtype::DType;
use crate::error::Result;
use crate::tensor::Tensor;

/// For each gradient the factor that scales it and then clips it, on the gradients' device; `None` where it is 1.
///
/// With `clipnorm` c each gradient g, scaled by `factor`, is multiplied by `min(1, c / ‖g‖)`; with `global_clipnorm`
/// all are by one number, from the norm of all together. The norms are summed in a fixed order.
pub(super) fn clip_scales(settings: &Settings, gradients: &[Tensor], factor: f64) -> Result<Option<Tensor>> {
    let Some(first) = gradients.first() else { return Ok(None) };
    let (limit, global) = match (settings.clipnorm, settings.global_clipnorm) {
        (Some(limit), _) => (limit, false),
        (None, Some(limit)) => (limit, true),
        (None, None) => return factors(gradients, factor),
    };
    let squares = gradients.iter().map(|g| g.square()?.sum(&[], false)?.reshape([1])).collect::<Result<Vec<_>>>()?;
    let squares = Tensor::concatenate(&squares.iter().collect::<Vec<_>>(), 0)?;
    let squares = if global { squares.sum(&[0], true)?.broadcast_to([gradients.len()])? } else { squares };
    // In terms of the gradients as they are; c / max(‖g‖, c) is min(1, c / ‖g‖), also where the gradient is 0.
    let limit = Tensor::full(&first.device(), [1], DType::F32, limit / factor)?;
    let scales = limit.div(&squares.sqrt()?.maximum(&limit)?)?;
    Ok(Some(if factor == 1.0 { scales } else { scales.mul_scalar(factor)? }))
}

/// A gradient as a rule of whole parameters gets it: scaled by the `i`-th of `scales`, each element held by
/// `clipvalue`.
pub(super) fn clipped(settings: &Settings, gradient: &Tensor, scales: Option<&Tensor>, i: usize) -> Result<Tensor> {
    let gradient = match scales {
        Some(scales) => gradient.mul(&scales.slice(0, i..i + 1)?.reshape(())?)?,
        None => gradient.clone(),
    };
    settings.clipvalue.map_or_else(|| Ok(gradient.clone()), |most| gradient.clip(-most, most))
}

/// The same factor for each gradient; `None` where it is 1.
pub(super) fn factors(gradients: &[Tensor], factor: f64) -> Result<Option<Tensor>> {
    match gradients.first().filter(|_| factor != 1.0) {
        Some(first) => Tensor::full(&first.device(), [gradients.len()], DType::F32, factor).map(Some),
        None => Ok(None),
    }
}
