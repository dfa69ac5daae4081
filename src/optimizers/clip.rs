//! Clipping by norm: what each gradient is multiplied by.

use super::Settings;
use crate::dtype::DType;
use crate::error::Result;
use crate::tensor::Tensor;

/// For each gradient the factor that clips it, on the gradients' device; `None` where nothing is clipped.
///
/// With `clipnorm` c each gradient g has its own factor, `min(1, c / ‖g‖)`; with `global_clipnorm` all have one, from the
/// norm of all together. The norms are summed in a fixed order.
pub fn clip_scales(settings: &Settings, gradients: &[Tensor]) -> Result<Option<Tensor>> {
    let Some(first) = gradients.first() else { return Ok(None) };
    let (limit, global) = match (settings.clipnorm, settings.global_clipnorm) {
        (Some(limit), _) => (limit, false),
        (None, Some(limit)) => (limit, true),
        (None, None) => return Ok(None),
    };
    let squares = gradients.iter().map(|g| g.square()?.sum(&[], false)?.reshape([1])).collect::<Result<Vec<_>>>()?;
    let squares = Tensor::concatenate(&squares.iter().collect::<Vec<_>>(), 0)?;
    let squares = if global { squares.sum(&[0], true)?.broadcast_to([gradients.len()])? } else { squares };
    let limit = Tensor::full(&first.device(), [1], DType::F32, limit)?;
    // c / max(‖g‖, c) is min(1, c / ‖g‖), also where the gradient is 0.
    Ok(Some(limit.div(&squares.sqrt()?.maximum(&limit)?)?))
}
