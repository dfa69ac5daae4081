//! Layer normalisation on the CPU: a row is read from memory once, and stays in the nearest cache for all of its sums.

use super::grad::Inputs;
use super::{LayerNorm, LayerNormGrad};
use crate::device::Device;
use crate::device::cpu::Float;
use crate::device::cpu::threads::{self, Parts};
use crate::error::{Error, Result};
use crate::ops::rows;
use crate::shape::Shape;
use crate::tensor::Tensor;
use smallvec::SmallVec;

/// Rows of a block, whose part of the gradients of γ and β one thread forms: of some elements, and enough rows that what the
/// blocks find is little beside them. It depends on the shape alone, and so does the order of the sums.
fn height(count: usize) -> usize {
    ((1 << 14) / count.max(1)).max(16)
}

/// A tensor's elements, if it is there.
fn data<'a, T: Float>(tensor: Option<&&'a Tensor>) -> Result<Option<&'a [T]>> {
    tensor.map(|t| t.data::<T>()).transpose()
}

/// Normalises, and keeps the moments.
pub fn forward<T: Float>(op: &LayerNorm, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
    let count = inputs[0].shape().last();
    let (x, residual) = (inputs[0].data::<T>()?, data::<T>(op.residual.then(|| &inputs[1]))?);
    let [gamma, beta] = op.vectors(inputs);
    let (gamma, beta) = (data::<T>(gamma)?, data::<T>(beta)?);
    let [y, sum @ .., moments] = outputs else {
        return Err(Error::Internal("a layer normalisation has at least two outputs".into()));
    };
    let y = Parts::new(y.data_mut::<T>()?);
    let sum = sum.first_mut().map(|sum| Ok::<_, Error>(Parts::new(sum.data_mut::<T>()?))).transpose()?;
    let moments = moments.data_mut::<T>()?;
    let rows = moments.len() / 2;
    let moments = Parts::new(moments);
    threads::split(rows, rows::grain(count), &|range| {
        for row in range {
            let part = row * count..(row + 1) * count;
            // SAFETY: `split` hands out each row once.
            let (y, sum, moments) = unsafe {
                let sum = sum.as_ref().map(|sum| sum.slice(part.clone()));
                (y.slice(part.clone()), sum, moments.slice(2 * row..2 * row + 2))
            };
            let x = &x[part.clone()];
            T::vectorize(
                #[inline(always)]
                || {
                    let x = match (sum, residual) {
                        (Some(sum), Some(residual)) => {
                            let each = sum.iter_mut().zip(x).zip(&residual[part]);
                            each.for_each(|((sum, &x), &residual)| *sum = x + residual);
                            &*sum
                        }
                        _ => x,
                    };
                    let [mean, scale] = row_moments(op, x);
                    moments.copy_from_slice(&[mean, scale]);
                    let each = y.iter_mut().zip(x);
                    let normal = |x: T| (x - mean) * scale;
                    match (gamma, beta) {
                        (Some(gamma), Some(beta)) => each
                            .zip(gamma.iter().zip(beta))
                            .for_each(|((y, &x), (&gamma, &beta))| *y = normal(x).mul_add(gamma, beta)),
                        (Some(gamma), None) => each.zip(gamma).for_each(|((y, &x), &gamma)| *y = normal(x) * gamma),
                        (None, Some(beta)) => each.zip(beta).for_each(|((y, &x), &beta)| *y = normal(x) + beta),
                        (None, None) => each.for_each(|(y, &x)| *y = normal(x)),
                    }
                },
            );
        }
    });
    Ok(())
}

/// A row's mean, and 1 / √(variance + ε).
#[inline(always)]
fn row_moments<T: Float>(op: &LayerNorm, x: &[T]) -> [T; 2] {
    let count = T::of(x.len().max(1) as f64);
    let mean = if op.centred { rows::sum(x) / count } else { T::ZERO };
    let squares = rows::total(x, x, |x, _| (x - mean) * (x - mean));
    [mean, T::ONE / (squares / count + T::of(op.epsilon)).sqrt()]
}

/// All gradients that are wanted: dx of each row, and the parts of those of γ and β of each block of rows, which are added.
pub fn backward<T: Float>(op: &LayerNormGrad, inputs: &Inputs, outputs: &mut [Tensor]) -> Result<()> {
    let (rows, count) = (inputs.x.shape().rows(), inputs.x.shape().last());
    let height = height(count);
    let blocks = rows.div_ceil(height);
    let (x, dy, moments) = (inputs.x.data::<T>()?, inputs.dy.data::<T>()?, inputs.moments.data::<T>()?);
    let (gamma, ds) = (data::<T>(inputs.gamma.as_ref())?, data::<T>(inputs.ds.as_ref())?);
    let (dx, sums) = op.outputs(outputs);
    let dx = dx.map(|dx| Ok::<_, Error>(Parts::new(dx.data_mut::<T>()?))).transpose()?;
    let of_blocks = |_| Tensor::empty(&Device::Cpu, Shape::new(&[blocks, count])?, T::DTYPE);
    let mut found = sums.iter().map(of_blocks).collect::<Result<SmallVec<[Tensor; 2]>>>()?;
    let parts = found.iter_mut().map(|t| Ok(Parts::new(t.data_mut::<T>()?))).collect::<Result<SmallVec<[_; 2]>>>()?;
    threads::split(blocks, 1, &|range| {
        for block in range {
            // SAFETY: `split` hands out each block once.
            let mut parts = parts.iter().map(|all| unsafe { all.slice(block * count..(block + 1) * count) });
            let mut of_gamma = if op.of_gamma { parts.next() } else { None };
            let mut of_beta = if op.of_beta { parts.next() } else { None };
            of_gamma.iter_mut().chain(&mut of_beta).for_each(|sums| sums.fill(T::ZERO));
            for row in block * height..((block + 1) * height).min(rows) {
                let part = row * count..(row + 1) * count;
                let (x, dy, ds) = (&x[part.clone()], &dy[part.clone()], ds.map(|ds| &ds[part.clone()]));
                // SAFETY: the rows of a block are no other block's.
                let dx = dx.as_ref().map(|dx| unsafe { dx.slice(part) });
                let [mean, scale] = [moments[2 * row], moments[2 * row + 1]];
                T::vectorize(
                    #[inline(always)]
                    || {
                        if let Some(sums) = &mut of_gamma {
                            let each = sums.iter_mut().zip(x).zip(dy);
                            each.for_each(|((sum, &x), &dy)| *sum = ((x - mean) * scale).mul_add(dy, *sum));
                        }
                        if let Some(sums) = &mut of_beta {
                            sums.iter_mut().zip(dy).for_each(|(sum, &dy)| *sum += dy);
                        }
                        if let Some(dx) = dx {
                            row_gradient(op.norm.centred, [mean, scale], (x, gamma, dy), dx);
                            if let Some(ds) = ds {
                                dx.iter_mut().zip(ds).for_each(|(dx, &ds)| *dx += ds);
                            }
                        }
                    },
                );
            }
        }
    });
    for (sum, found) in sums.iter_mut().zip(&found) {
        *sum = found.sum(&[0], false)?;
    }
    Ok(())
}

/// A row of dx.
#[inline(always)]
fn row_gradient<T: Float>(
    centred: bool,
    [mean, scale]: [T; 2],
    (x, gamma, dy): (&[T], Option<&[T]>, &[T]),
    dx: &mut [T],
) {
    match gamma {
        Some(gamma) => dx.iter_mut().zip(dy).zip(gamma).for_each(|((g, &dy), &gamma)| *g = dy * gamma),
        None => dx.copy_from_slice(dy),
    }
    let count = T::of(x.len() as f64);
    let sum = if centred { rows::sum(dx) / count } else { T::ZERO };
    let product = rows::total(dx, x, |g, x| g * (x - mean)) * scale / count;
    for (g, &x) in dx.iter_mut().zip(x) {
        *g = (scale * (*g - sum - (x - mean) * scale * product)).flush();
    }
}
