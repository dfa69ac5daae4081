//! The losses and their gradients on the CPU, a chunk of rows at a time.

use super::{Inputs, LinearCrossEntropy, NAME, Sizes};
use crate::device::cpu::convert::Convert;
use crate::device::cpu::gemm::{View, gemm};
use crate::device::cpu::threads::Parts;
use crate::device::cpu::{Float, Scratch, threads};
use crate::error::Result;
use crate::ops::activation::Activation;
use crate::ops::index::{self, with_index};
use crate::ops::rows;
use crate::tensor::Tensor;
use crate::with_float;

pub(super) fn run(op: &LinearCrossEntropy, inputs: &Inputs, sizes: Sizes, outputs: &mut [Tensor]) -> Result<()> {
    with_float!(inputs.x.dtype(), NAME, T => with_index!(inputs.labels.dtype(), I => of::<T, I>(op, inputs, sizes, outputs)))
}

fn of<T: Float, I: Convert>(
    op: &LinearCrossEntropy,
    inputs: &Inputs,
    sizes: Sizes,
    outputs: &mut [Tensor],
) -> Result<()> {
    let Sizes { features, classes, .. } = sizes;
    let (x, kernel, labels) = (inputs.x.data::<T>()?, inputs.kernel.data::<T>()?, inputs.labels.data::<I>()?);
    let (bias, factors) = (inputs.bias.map(|b| b.data::<T>()).transpose()?, inputs.factors.data::<T>()?);
    index::check(NAME, labels, classes, "label", "classes")?;
    let (sums, gradients) = outputs.split_at_mut(2);
    let losses = sums[1].data_mut::<T>()?;
    let mut gradients = gradients.iter_mut().map(|g| g.data_mut::<T>());
    let mut next = || gradients.next().transpose();
    let (mut dx, mut dk, mut db) = (next()?, next()?, next()?);
    if sizes.rows == 0 {
        [&mut dk, &mut db].into_iter().flatten().for_each(|gradient| gradient.fill(T::ZERO));
    }
    // A row's features are what the kernel's rows are or, transposed, its columns.
    let width = if op.transposed { features } else { classes };
    let (down, up) = (View::new(kernel, width, op.transposed), View::new(kernel, width, !op.transposed));
    let finish = Activation::Linear.after(bias);
    let chunks = sizes.chunks(op.chunk);
    let most = chunks.clone().map(|rows| rows.len()).max().unwrap_or(0);
    let mut scratch = Scratch::<T>::new(most * classes)?;
    for rows in chunks {
        let (count, first) = (rows.len(), rows.start == 0);
        let z = &mut scratch.elements()[..count * classes];
        let x = &x[rows.start * features..rows.end * features];
        gemm([count, classes, features], View::new(x, features, false), down, z, false, Some(&finish))?;
        let of_rows = (&labels[rows.clone()], &factors[rows.clone()]);
        losses_of(z, classes, of_rows, &mut losses[rows.clone()], op.record);
        if let Some(dx) = &mut dx {
            let dx = &mut dx[rows.start * features..rows.end * features];
            gemm([count, features, classes], View::new(z, classes, false), up, dx, false, None)?;
        }
        if let Some(dk) = &mut dk {
            let (x, z) = ((x, features), (&*z, classes));
            let ((a, m), (b, n)) = if op.transposed { (z, x) } else { (x, z) };
            gemm([m, n, count], View::new(a, m, true), View::new(b, n, false), dk, !first, None)?;
        }
        if let Some(db) = &mut db {
            add_rows(z, db, !first);
        }
    }
    let total = rows::total(losses, factors, |loss, factor| loss * factor);
    sums[0].data_mut::<T>()?[0] = total;
    Ok(())
}

/// The losses of rows of logits, which become (softmax − one_hot) · factor where the gradients are wanted.
fn losses_of<T: Float, I: Convert>(
    z: &mut [T],
    classes: usize,
    (labels, factors): (&[I], &[T]),
    losses: &mut [T],
    record: bool,
) {
    let losses = Parts::new(losses);
    threads::split_rows(z, classes, rows::grain(classes), |first, z| {
        // SAFETY: `split_rows` hands out rows that do not overlap.
        let losses = unsafe { losses.slice(first..first + z.len() / classes) };
        let of_rows = labels[first..].iter().zip(&factors[first..]).zip(losses);
        T::vectorize(
            #[inline(always)]
            || {
                for (z, ((label, &factor), loss)) in z.chunks_exact_mut(classes).zip(of_rows) {
                    let label = label.to_i64() as usize;
                    let (own, top) = (z[label], rows::largest(z));
                    if !record {
                        let mut log = [T::ZERO];
                        rows::log_sum_exp(z, classes, &mut log);
                        *loss = log[0] - own;
                        continue;
                    }
                    z.iter_mut().for_each(|z| *z = (*z - top).exp());
                    let sum = rows::sum(z);
                    *loss = top + sum.ln() - own;
                    let scale = factor / sum;
                    z.iter_mut().for_each(|z| *z = (*z * scale).flush());
                    z[label] = (z[label] - factor).flush();
                }
            },
        );
    });
}

/// The sums of columns, added to `sums` or in their place. Each is formed in the order of the rows.
fn add_rows<T: Float>(z: &[T], sums: &mut [T], add: bool) {
    let classes = sums.len();
    threads::split_rows(sums, 1, 256, |first, sums| {
        T::vectorize(
            #[inline(always)]
            || {
                if !add {
                    sums.fill(T::ZERO);
                }
                for z in z.chunks_exact(classes) {
                    sums.iter_mut().zip(&z[first..]).for_each(|(sum, &z)| *sum += z);
                }
            },
        );
    });
}
