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
        let all = range.start * count..range.end * count;
        // SAFETY: `split` hands out ranges that do not overlap.
        let (y, mut sum, moments) = unsafe {
            let sum = sum.as_ref().map(|sum| sum.slice(all.clone()));
            (y.slice(all.clone()), sum, moments.slice(2 * range.start..2 * range.end))
        };
        let (x, residual) = (&x[all.clone()], residual.map(|residual| &residual[all]));
        T::vectorize(
            #[inline(always)]
            || {
                for (row, moments) in moments.as_chunks_mut().0.iter_mut().enumerate() {
                    let part = row * count..(row + 1) * count;
                    let x = match (&mut sum, residual) {
                        (Some(sum), Some(residual)) => {
                            let sum = &mut sum[part.clone()];
                            let each = sum.iter_mut().zip(&x[part.clone()]).zip(&residual[part.clone()]);
                            each.for_each(|((sum, &x), &residual)| *sum = x + residual);
                            &*sum
                        }
                        _ => &x[part.clone()],
                    };
                    *moments = row_moments(op, x);
                    normalize(*moments, x, [gamma, beta], &mut y[part]);
                }
            },
        );
    });
    Ok(())
}

/// (x − mean) · scale · γ + β.
#[inline(always)]
fn normalize<T: Float>([mean, scale]: [T; 2], x: &[T], [gamma, beta]: [Option<&[T]>; 2], y: &mut [T]) {
    let (each, normal) = (y.iter_mut().zip(x), |x: T| (x - mean) * scale);
    match (gamma, beta) {
        (Some(gamma), Some(beta)) => {
            let each = each.zip(gamma.iter().zip(beta));
            each.for_each(|((y, &x), (&gamma, &beta))| *y = normal(x).mul_add(gamma, beta));
        }
        (Some(gamma), None) => each.zip(gamma).for_each(|((y, &x), &gamma)| *y = normal(x) * gamma),
        (None, Some(beta)) => each.zip(beta).for_each(|((y, &x), &beta)| *y = normal(x) + beta),
        (None, None) => each.for_each(|(y, &x)| *y = normal(x)),
    }
}

/// A row's mean, and 1 / √(variance + ε).
#[inline(always)]
fn row_moments<T: Float>(op: &LayerNorm, x: &[T]) -> [T; 2] {
    let count = T::of(x.len().max(1) as f64);
    let mean = if op.centred { rows::sum(x) / count } else { T::ZERO };
    let squares = rows::total(x, x, |x, _| (x - mean) * (x - mean));
    [mean, T::ONE / (squares / count + T::of(op.epsilon)).sqrt()]
}

/// All gradients that are wanted: dx of each row, and of each block of rows its part of those of γ and β, which are added up.
pub fn backward<T: Float>(op: &LayerNormGrad, inputs: &Inputs, outputs: &mut [Tensor]) -> Result<()> {
    let (rows, count) = (inputs.x.shape().rows(), inputs.x.shape().last());
    let height = height(count);
    let blocks = rows.div_ceil(height);
    let (x, dy, moments) = (inputs.x.data::<T>()?, inputs.dy.data::<T>()?, inputs.moments.data::<T>()?);
    let (gamma, ds) = (data::<T>(inputs.gamma.as_ref())?, data::<T>(inputs.ds.as_ref())?);
    let (dx, sums) = op.outputs(outputs);
    let dx = dx.map(|dx| Ok::<_, Error>(Parts::new(dx.data_mut::<T>()?))).transpose()?;
    // Both sums if one is wanted: the other one costs little.
    let size = if sums.is_empty() { 0 } else { 2 * count };
    let mut found = Tensor::empty(&Device::Cpu, Shape::new(&[blocks, size])?, T::DTYPE)?;
    let parts = Parts::new(found.data_mut::<T>()?);
    threads::split(blocks, 1, &|range| {
        for block in range {
            let rows = block * height..((block + 1) * height).min(rows);
            let all = rows.start * count..rows.end * count;
            // SAFETY: `split` hands out each block once, and neither parts nor rows of blocks overlap.
            let (sums, mut dx) = unsafe {
                let dx = dx.as_ref().map(|dx| dx.slice(all.clone()));
                (parts.slice(block * size..(block + 1) * size), dx)
            };
            let (x, dy, ds) = (&x[all.clone()], &dy[all.clone()], ds.map(|ds| &ds[all]));
            let moments = &moments[2 * rows.start..2 * rows.end];
            T::vectorize(
                #[inline(always)]
                || {
                    sums.fill(T::ZERO);
                    for (row, &moments) in moments.as_chunks().0.iter().enumerate() {
                        let part = row * count..(row + 1) * count;
                        let (x, dy) = (&x[part.clone()], &dy[part.clone()]);
                        let ds = ds.map(|ds| &ds[part.clone()]);
                        let dx = dx.as_mut().map(|dx| &mut dx[part]);
                        let centred = op.norm.centred;
                        match gamma {
                            Some(gamma) => row_gradients::<T, true>(centred, moments, [x, gamma, dy], ds, sums, dx),
                            // γ is not read.
                            None => row_gradients::<T, false>(centred, moments, [x, x, dy], ds, sums, dx),
                        }
                    }
                },
            );
        }
    });
    if !sums.is_empty() {
        let found = found.sum(&[0], false)?;
        let (of_gamma, of_beta) = found.data::<T>()?.split_at(count);
        let wanted = [op.of_gamma.then_some(of_gamma), op.of_beta.then_some(of_beta)];
        for (sum, found) in sums.iter_mut().zip(wanted.into_iter().flatten()) {
            sum.data_mut::<T>()?.copy_from_slice(found);
        }
    }
    Ok(())
}

/// dx of a row if it is wanted; what the row adds to the sums for γ and β, one behind the other, if there are any.
#[inline(always)]
fn row_gradients<T: Float, const WEIGHTED: bool>(
    centred: bool,
    [mean, scale]: [T; 2],
    [x, gamma, dy]: [&[T]; 3],
    ds: Option<&[T]>,
    sums: &mut [T],
    dx: Option<&mut [T]>,
) {
    let whole = x.len() / 16 * 16;
    let [(x_whole, x_rest), (gamma_whole, gamma_rest), (dy_whole, dy_rest)] =
        [x, gamma, dy].map(|row| row.split_at(whole));
    let (of_gamma, of_beta) = sums.split_at_mut(sums.len() / 2);
    let [(gammas_whole, gammas_rest), (betas_whole, betas_rest)] =
        [of_gamma, of_beta].map(|sums| sums.split_at_mut(whole.min(sums.len())));
    let moments = [mean, scale];
    let [sum, product] =
        row_sums::<T, 16, WEIGHTED>(moments, [x_whole, gamma_whole, dy_whole], [gammas_whole, betas_whole]);
    let [more, more_product] =
        row_sums::<T, 1, WEIGHTED>(moments, [x_rest, gamma_rest, dy_rest], [gammas_rest, betas_rest]);
    let Some(dx) = dx else { return };
    let count = T::of(x.len() as f64);
    let sum = if centred { (sum + more) / count } else { T::ZERO };
    let product = (product + more_product) / count;
    for (((dx, &x), &dy), &gamma) in dx.iter_mut().zip(x).zip(dy).zip(gamma) {
        let g = if WEIGHTED { dy * gamma } else { dy };
        *dx = (scale * (g - sum - (x - mean) * scale * product)).flush();
    }
    if let Some(ds) = ds {
        dx.iter_mut().zip(ds).for_each(|(dx, &ds)| *dx += ds);
    }
}

/// Σ g and Σ g · n over `N` elements at a time; adds dy · n and dy to the sums for γ and β, if there are any.
#[inline(always)]
fn row_sums<T: Float, const N: usize, const WEIGHTED: bool>(
    [mean, scale]: [T; 2],
    row: [&[T]; 3],
    [of_gamma, of_beta]: [&mut [T]; 2],
) -> [T; 2] {
    let [x, gamma, dy] = row.map(|row| row.as_chunks::<N>().0);
    let (of_gamma, of_beta) = (of_gamma.as_chunks_mut::<N>().0, of_beta.as_chunks_mut::<N>().0);
    let mut lanes = [[T::ZERO; N]; 2];
    let [sums, products] = &mut lanes;
    for (i, ((x, gamma), dy)) in x.iter().zip(gamma).zip(dy).enumerate() {
        let n: [T; N] = std::array::from_fn(|l| (x[l] - mean) * scale);
        let g: [T; N] = std::array::from_fn(|l| if WEIGHTED { dy[l] * gamma[l] } else { dy[l] });
        sums.iter_mut().zip(&g).for_each(|(sum, &g)| *sum += g);
        products.iter_mut().zip(g.iter().zip(&n)).for_each(|(sum, (&g, &n))| *sum = g.mul_add(n, *sum));
        if let (Some(of_gamma), Some(of_beta)) = (of_gamma.get_mut(i), of_beta.get_mut(i)) {
            of_gamma.iter_mut().zip(dy.iter().zip(&n)).for_each(|(sum, (&dy, &n))| *sum = dy.mul_add(n, *sum));
            of_beta.iter_mut().zip(dy).for_each(|(sum, &dy)| *sum += dy);
        }
    }
    lanes.map(|lanes| lanes.into_iter().fold(T::ZERO, |a, b| a + b))
}
