//! The losses and their gradients on a CUDA card, a chunk of rows at a time.

use super::{Inputs, LinearCrossEntropy, Sizes};
use crate::device::Elements;
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel, Product};
use crate::error::Result;
use crate::ops::rows;
use crate::shape::Shape;
use crate::tensor::{FLOATS, Tensor};
use smallvec::SmallVec;
use std::ops::Range;

static LOSSES: Kernel = Kernel::new("linear_cross_entropy", "linear_cross_entropy_losses", FLOATS);
static ADD: Kernel = Kernel::new("linear_cross_entropy", "linear_cross_entropy_add", FLOATS);

pub(super) fn run(
    op: &LinearCrossEntropy,
    device: &CudaDevice,
    inputs: &Inputs,
    sizes: Sizes,
    outputs: &mut [Tensor],
) -> Result<()> {
    let chunks = sizes.chunks(op.chunk);
    let whole = chunks.clone().count() <= 1;
    let card = Card { device, op, inputs, sizes, whole };
    let (x, kernel) = (inputs.x.detach().reshape([sizes.rows, sizes.features])?, inputs.kernel.detach());
    // Of each chunk the rows' gradients, and the sums of all chunks for the kernel and the bias.
    let (mut dx, mut dk, mut db) = (SmallVec::<[Tensor; 1]>::new(), None, None);
    for rows in chunks {
        let x = if whole { x.clone() } else { x.slice(0, rows.clone())? };
        let z = card.product([&x, &kernel], [false, op.transposed], inputs.bias)?;
        card.losses(&z, rows, &outputs[1])?;
        if op.record {
            dx.push(card.product([&z, &kernel], [false, !op.transposed], None)?);
            let (a, b) = if op.transposed { (&z, &x) } else { (&x, &z) };
            card.add(&mut dk, card.product([a, b], [true, false], None)?)?;
            if op.bias {
                card.add(&mut db, z.sum(&[0], false)?)?;
            }
        }
    }
    let losses = outputs[1].detach();
    outputs[0] = losses.mul(&inputs.factors.detach())?.sum(&[], false)?;
    let dx = match &dx[..] {
        [] => None,
        [dx] => Some(dx.clone()),
        several => Some(Tensor::concatenate(&several.iter().collect::<SmallVec<[&Tensor; 8]>>(), 0)?),
    };
    for (output, gradient) in outputs[2..].iter_mut().zip([dx, dk, db]) {
        // Where there are no rows, there is nothing to add up.
        *output = match gradient {
            Some(gradient) => gradient.cast(output.dtype())?.reshape(output.shape())?,
            None => Tensor::zeros(&output.device(), output.shape(), output.dtype())?,
        };
    }
    Ok(())
}

struct Card<'a> {
    device: &'a CudaDevice,
    op: &'a LinearCrossEntropy,
    inputs: &'a Inputs<'a>,
    sizes: Sizes,
    /// Whether there is one chunk alone.
    whole: bool,
}

impl Card<'_> {
    /// a · b, either of which may stand transposed.
    fn product(&self, [a, b]: [&Tensor; 2], transposed: [bool; 2], bias: Option<&Tensor>) -> Result<Tensor> {
        let [ta, tb] = transposed;
        let ([m, k], n) = ([usize::from(ta), usize::from(!ta)].map(|i| a.shape()[i]), b.shape()[usize::from(!tb)]);
        let out = Tensor::empty(&a.device(), Shape::new(&[m, n])?, a.dtype())?;
        self.device.matmul(&Product {
            a,
            b,
            out: &out,
            bias: bias.map(|bias| bias as &dyn Elements),
            m,
            n,
            k,
            batch: 1,
            transpose_a: ta,
            transpose_b: tb,
            stride_a: 0,
            stride_b: 0,
            stride_out: 0,
        })?;
        Ok(out)
    }

    /// The losses of these rows, of which `z` are the logits and become their gradients where these are wanted.
    fn losses(&self, z: &Tensor, rows: Range<usize>, losses: &Tensor) -> Result<()> {
        let Inputs { labels, factors, .. } = *self.inputs;
        let (grid, team) = rows::team(rows.len(), self.sizes.classes, 1);
        let args = [
            Arg::output(losses)?,
            Arg::output(z)?,
            Arg::input(labels)?,
            Arg::I32(labels.dtype().size() as i32),
            Arg::input(factors)?,
            Arg::I32(i32::from(self.op.record)),
            Arg::I64(rows.start as i64),
            Arg::I64(rows.len() as i64),
            Arg::I64(self.sizes.classes as i64),
            team,
        ];
        self.device.launch(&LOSSES, z.dtype(), grid, &args)
    }

    /// Adds what a chunk gives, in the type of arithmetic; where it is all that there is, it is the sum.
    fn add(&self, sum: &mut Option<Tensor>, part: Tensor) -> Result<()> {
        if self.whole {
            *sum = Some(part);
            return Ok(());
        }
        let (n, first) = (part.shape().size(), sum.is_none());
        let to = match sum.take() {
            Some(sum) => sum,
            None => Tensor::empty(&part.device(), part.shape(), part.dtype().arithmetic())?,
        };
        let args = [Arg::output(&to)?, Arg::input(&part)?, Arg::I64(n as i64), Arg::I32(i32::from(first))];
        self.device.launch(&ADD, part.dtype(), Grid::elements(n), &args)?;
        *sum = Some(to);
        Ok(())
    }
}
