//! A tensor with another extent along an axis, its elements interpolated.

use super::copy::Along;
use crate::device::Device;
use crate::device::cpu::convert::require_float;
use crate::device::cpu::{Float, threads};
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one, given};
use crate::with_float;
use std::f64::consts::PI;

/// What an element between others is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interpolation {
    /// The nearest one.
    Nearest,
    /// On the line between its two neighbours.
    #[default]
    Bilinear,
    /// On Keys's cubic through four of them, with a = −0.5
    /// ([paper](https://ieeexplore.ieee.org/document/1163711)).
    Bicubic,
    /// By the Lanczos kernel of radius 3.
    Lanczos3,
    /// By the Lanczos kernel of radius 5.
    Lanczos5,
}

impl Interpolation {
    /// All of them.
    pub const ALL: [Interpolation; 5] = [
        Interpolation::Nearest,
        Interpolation::Bilinear,
        Interpolation::Bicubic,
        Interpolation::Lanczos3,
        Interpolation::Lanczos5,
    ];

    /// Keras's name.
    pub fn name(self) -> &'static str {
        match self {
            Interpolation::Nearest => "nearest",
            Interpolation::Bilinear => "bilinear",
            Interpolation::Bicubic => "bicubic",
            Interpolation::Lanczos3 => "lanczos3",
            Interpolation::Lanczos5 => "lanczos5",
        }
    }

    /// From how far away elements have a part.
    fn radius(self) -> f64 {
        match self {
            Interpolation::Nearest => 0.5,
            Interpolation::Bilinear => 1.0,
            Interpolation::Bicubic => 2.0,
            Interpolation::Lanczos3 => 3.0,
            Interpolation::Lanczos5 => 5.0,
        }
    }

    /// The part of an element at the distance `x`, before the parts are made to add up to 1.
    fn part(self, x: f64) -> f64 {
        if x >= self.radius() {
            return 0.0;
        }
        match self {
            Interpolation::Nearest => 1.0,
            Interpolation::Bilinear => 1.0 - x,
            Interpolation::Bicubic if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Interpolation::Bicubic => ((2.5 - 0.5 * x) * x - 4.0) * x + 2.0,
            // The limit, as Keras's backend takes it.
            _ if x <= 1e-3 => 1.0,
            _ => self.radius() * (PI * x).sin() * (PI * x / self.radius()).sin() / (PI * x).powi(2),
        }
    }
}

/// Along an axis of n elements, to `extent`: out[i] = Σ w(i, j) · x[j], where w(i, j) is the interpolation's weight at
/// the distance of j from (i + ½) · n / extent − ½, divided by the sum of all w(i, ·). With an antialias filter the
/// weights of a smaller output reach n / extent times as far.
///
/// Transposed, from the other side, out[j] = Σ w(i, j) · x[i], it is its own backward.
#[derive(Clone, Copy, Debug)]
pub struct Resize {
    axis: isize,
    extent: usize,
    interpolation: Interpolation,
    antialias: bool,
    transposed: bool,
}

static RESIZE: Kernel = Kernel::new("resize", "resize_fwd", FLOATS);

impl Tensor {
    /// The tensor with `extent` elements along `axis`, interpolated between their centres, for any floating-point
    /// dtype: one axis of [Keras's `resize`](https://keras.io/api/ops/image/#resize-function), whose weights it has.
    /// With `antialias` a smaller output sees all of the input.
    ///
    /// # Errors
    /// An axis that the tensor does not have or that has no elements, a dtype that is no float.
    pub fn resize(&self, axis: isize, extent: usize, interpolation: Interpolation, antialias: bool) -> Result<Tensor> {
        if self.shape()[self.shape().axis(axis, "resize")?] == extent {
            return Ok(self.clone());
        }
        apply_one(Resize { axis, extent, interpolation, antialias, transposed: false }, &[self])
    }
}

impl Resize {
    /// A row for each element of the output: where its weights begin in the input, then the weights, all rows with as
    /// many. It is a CPU tensor, in f64 whatever the dtype, whose memory the pool keeps.
    fn weights(&self, from: usize) -> Result<Tensor> {
        if self.transposed {
            // This is the backward of an op from `extent` to `from`.
            return transposed(&self.forward_weights(self.extent, from)?, self.extent);
        }
        self.forward_weights(from, self.extent)
    }

    fn forward_weights(&self, from: usize, to: usize) -> Result<Tensor> {
        let scale = from as f64 / to as f64;
        let nearest = self.interpolation == Interpolation::Nearest;
        let stretch = if self.antialias { scale.max(1.0) } else { 1.0 };
        let reach = self.interpolation.radius() * stretch;
        let count = if nearest { 1 } else { ((2.0 * reach).ceil() as usize).clamp(1, from) };
        let mut table = Tensor::empty(&Device::Cpu, Shape::new(&[to, 1 + count])?, DType::F64)?;
        for (i, row) in table.data_mut::<f64>()?.chunks_exact_mut(1 + count).enumerate() {
            let centre = (i as f64 + 0.5) * scale - 0.5;
            // In whole numbers, since half a step is a tie.
            let nearest_one = ((2 * i + 1) as u128 * from as u128 / (2 * to.max(1)) as u128) as usize;
            let first = (centre - reach).floor().max(-1.0) + 1.0;
            let start = if nearest { nearest_one } else { (first as usize).min(from - count) };
            row[0] = start as f64;
            let mut total = 0.0;
            for (j, weight) in (start..).zip(&mut row[1..]) {
                *weight = if nearest { 1.0 } else { self.interpolation.part((centre - j as f64).abs() / stretch) };
                total += *weight;
            }
            row[1..].iter_mut().for_each(|weight| *weight /= total);
        }
        Ok(table)
    }
}

/// The table of the transposed matrix, from that of one with `columns` columns. Rows begin no later than those after
/// them, so a column's elements lie next to each other.
fn transposed(table: &Tensor, columns: usize) -> Result<Tensor> {
    let (rows, width) = (table.shape()[0], table.shape().last());
    let table = table.data::<f64>()?;
    let start = |row: usize| table[row * width] as usize;
    // The rows from the first to before the last that reach each column.
    let spans = || {
        let (mut first, mut end) = (0, 0);
        (0..columns).map(move |column| {
            while first < rows && start(first) + width - 1 <= column {
                first += 1;
            }
            while end < rows && start(end) <= column {
                end += 1;
            }
            first..end
        })
    };
    let count = spans().map(|span| span.len()).max().unwrap_or(0).max(1);
    let mut out = Tensor::empty(&Device::Cpu, Shape::new(&[columns, 1 + count])?, DType::F64)?;
    let each = out.data_mut::<f64>()?.chunks_exact_mut(1 + count);
    for ((column, span), out) in spans().enumerate().zip(each) {
        let first = span.start.min(rows - count);
        out[0] = first as f64;
        for (row, weight) in (first..).zip(&mut out[1..]) {
            *weight = if span.contains(&row) { table[row * width + 1 + column - start(row)] } else { 0.0 };
        }
    }
    Ok(out)
}

impl Op for Resize {
    fn name(&self) -> &'static str {
        "resize"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let [x] = inputs else {
            return Err(Error::shape("resize", format!("expected one tensor, got {}", given(inputs))));
        };
        require_float("resize", x.dtype)?;
        let axis = x.shape.axis(self.axis, "resize")?;
        if x.shape[axis] == 0 || self.extent == 0 {
            let message = format!("expected elements along axis {axis}, got shape {} to {}", x.shape, self.extent);
            return Err(Error::shape("resize", message));
        }
        Ok(Metas::from_elem(Meta::new(x.shape.with(axis, self.extent)?, x.dtype), 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (x, out) = (inputs[0], &mut outputs[0]);
        if out.shape().size() == 0 {
            return Ok(());
        }
        let Along { count, inner, .. } = Along::new(&x.shape(), x.shape().axis(self.axis, "resize")?);
        let (table, extent) = (self.weights(count)?, self.extent);
        let (table, width) = (table.data::<f64>()?, table.shape().last());
        with_float!(x.dtype(), "resize", T => {
            let x = x.data::<T>()?;
            threads::split_rows(out.data_mut::<T>()?, inner, (1usize << 13).div_ceil(inner * width), |first, out| {
                T::vectorize(#[inline(always)] || {
                    for (i, out) in (first..).zip(out.chunks_exact_mut(inner)) {
                        let row = &table[i % extent * width..][..width];
                        let x = &x[(i / extent * count + row[0] as usize) * inner..];
                        out.fill(T::ZERO);
                        for (&weight, x) in row[1..].iter().zip(x.chunks_exact(inner)) {
                            let weight = <T as Float>::of(weight);
                            out.iter_mut().zip(x).for_each(|(out, &x)| *out = Float::mul_add(x, weight, *out));
                        }
                    }
                });
            });
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (x, out) = (inputs[0], &outputs[0]);
        let n = out.shape().size();
        if n == 0 {
            return Ok(());
        }
        let Along { count, inner, .. } = Along::new(&x.shape(), x.shape().axis(self.axis, "resize")?);
        let weights = self.weights(count)?;
        let table = Tensor::constant(device, bytemuck::cast_slice(weights.data::<f64>()?))?;
        let sizes = [n, count, self.extent, inner, weights.shape().last()].map(|x| Arg::I64(x as i64));
        let [n_arg, count, extent, inner, width] = sizes;
        let args = [Arg::output(out)?, Arg::input(x)?, Arg::input(&table)?, n_arg, count, extent, inner, width];
        device.launch(&RESIZE, x.dtype(), Grid::elements(n), &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::NOTHING)
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let x = node.input_meta(0).shape;
        let (extent, transposed) = (x[x.axis(self.axis, "resize")?], !self.transposed);
        Ok(Gradients::from_iter([Some(apply_one(Resize { extent, transposed, ..*self }, &[node.grad()?])?)]))
    }

    fn cases() -> Vec<Case> {
        let case = |shape: &[usize], axis, extent, interpolation, antialias| {
            Case::new(Resize { axis, extent, interpolation, antialias, transposed: false }, [Sample::new(shape)])
        };
        let mut cases = vec![
            case(&[2, 33, 3], 1, 20, Interpolation::Nearest, false),
            case(&[0, 3], 1, 5, Interpolation::Bilinear, false),
            case(&[3, 5, 0], 1, 2, Interpolation::Bilinear, true),
            case(&[3, 1, 2], 1, 4, Interpolation::Lanczos5, true),
            case(&[700, 3, 2], 1, 5, Interpolation::Bilinear, false),
            case(&[2, 70], 0, 3, Interpolation::Bicubic, false),
        ];
        for interpolation in Interpolation::ALL {
            for (extent, antialias) in [(16, true), (16, false), (5, true), (5, false)] {
                cases.push(case(&[2, 9, 3], 1, extent, interpolation, antialias));
            }
        }
        let interpolation = Interpolation::Bicubic;
        let back = Resize { axis: 1, extent: 7, interpolation, antialias: true, transposed: true };
        cases.push(Case::new(back, [Sample::new([2, 4, 3])]));
        cases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_those_of_the_line_between_neighbours() -> Result<()> {
        let x = Tensor::from_slice(&[0f64, 4.0], 2)?;
        assert_eq!(x.resize(0, 4, Interpolation::Bilinear, false)?.to_vec::<f64>()?, [0.0, 1.0, 3.0, 4.0]);
        assert_eq!(x.resize(0, 4, Interpolation::Nearest, false)?.to_vec::<f64>()?, [0.0, 0.0, 4.0, 4.0]);
        let x = Tensor::from_slice(&[0f64, 4.0, 8.0, 12.0], 4)?;
        assert_eq!(x.resize(0, 2, Interpolation::Bilinear, false)?.to_vec::<f64>()?, [2.0, 10.0]);
        // The parts ¼ ¾ ¾ ¼, of which the first one's ¼ lies outside.
        let smooth = x.resize(0, 2, Interpolation::Bilinear, true)?.to_vec::<f64>()?;
        assert!(
            smooth.iter().zip([20.0 / 7.0, 64.0 / 7.0]).all(|(got, want)| (got - want).abs() < 1e-12),
            "{smooth:?}"
        );
        assert!(Tensor::zeros(&Device::Cpu, [2, 0], DType::F32)?.resize(1, 3, Interpolation::Nearest, false).is_err());
        Ok(())
    }
}
