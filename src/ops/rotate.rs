//! Pairs of features turned by angles that grow along an axis.

use crate::device::cpu::convert::require_float;
use crate::device::cpu::{Float, threads};
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one, given};
use crate::with_float;

/// (a, b) → (a·cos − b·sin, b·cos + a·sin) for the halves a and b of the last axis; back where it is inverse.
#[derive(Clone, Copy, Debug)]
pub struct Rotate {
    axis: usize,
    first: usize,
    inverse: bool,
}

static ROTATE: Kernel = Kernel::new("rotate", "rotate", FLOATS);

impl Tensor {
    /// The two halves a and b of the last axis turned against each other, (a·cos − b·sin, b·cos + a·sin), by angles of
    /// the place along `axis`: what rotary embeddings do ([Su et al., 2021](https://arxiv.org/abs/2104.09864)).
    ///
    /// `table` (float32) has a row for each place, its cosines and behind them its sines, as many together as the last
    /// axis has elements; the place 0 of this tensor has the row `first`. No gradient flows to it.
    ///
    /// # Errors
    /// A dtype that is no float, a last axis of odd extent or one that is `axis` itself, a table of another shape or
    /// dtype or with too few rows.
    pub fn rotate(&self, table: &Tensor, axis: isize, first: usize) -> Result<Tensor> {
        let axis = self.shape().axis(axis, "rotate")?;
        apply_one(Rotate { axis, first, inverse: false }, &[self, table])
    }
}

impl Rotate {
    /// Places along the axis, rows of features at each of them, and features.
    fn sizes(&self, shape: &Shape) -> [usize; 3] {
        let behind = shape.get(self.axis + 1..shape.rank().saturating_sub(1)).unwrap_or(&[]);
        [shape.get(self.axis).copied().unwrap_or(0), behind.iter().product(), shape.last()]
    }

    fn sign(&self) -> f32 {
        if self.inverse { -1.0 } else { 1.0 }
    }
}

impl Op for Rotate {
    fn name(&self) -> &'static str {
        "rotate"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let [x, table] = inputs else {
            return Err(Error::shape("rotate", format!("expected a tensor and a table, got {}", given(inputs))));
        };
        require_float("rotate", x.dtype)?;
        let [places, _, features] = self.sizes(&x.shape);
        if self.axis + 1 >= x.shape.rank() || !features.is_multiple_of(2) {
            let message = "expected a last axis of even extent behind the axis of places";
            return Err(Error::shape("rotate", format!("{message} {}, got shape {}", self.axis, x.shape)));
        }
        let rows = self.first.checked_add(places);
        let fits = |table: &Meta| match table.shape[..] {
            [n, width] => rows.is_some_and(|rows| rows <= n) && width == features && table.dtype == DType::F32,
            _ => false,
        };
        if !fits(table) {
            let rows = format!("rows {} to {}", self.first, self.first.saturating_add(places));
            let message = format!("expected a table float32 with the {rows} of {features} numbers, got {table}");
            return Err(Error::shape("rotate", message));
        }
        Ok(Metas::from_elem(*x, 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (x, table) = (inputs[0], inputs[1].data::<f32>()?);
        let [places, behind, features] = self.sizes(&x.shape());
        with_float!(x.dtype(), "rotate", T => {
            let (x, sign) = (x.data::<T>()?, T::of(f64::from(self.sign())));
            let grain = (1usize << 14).div_ceil(features.max(1));
            threads::split_rows(outputs[0].data_mut::<T>()?, features, grain, |start, out| {
                T::vectorize(#[inline(always)] || {
                    for (row, out) in (start..).zip(out.chunks_exact_mut(features)) {
                        let angles = &table[(self.first + row / behind % places) * features..][..features];
                        let ((cos, sin), (a, b)) =
                            (angles.split_at(features / 2), x[row * features..][..features].split_at(features / 2));
                        let (low, high) = out.split_at_mut(features / 2);
                        let pairs = low.iter_mut().zip(high).zip(a.iter().zip(b)).zip(cos.iter().zip(sin));
                        for (((low, high), (&a, &b)), (&cos, &sin)) in pairs {
                            let (cos, sin) = (T::of(f64::from(cos)), sign * T::of(f64::from(sin)));
                            (*low, *high) = (a * cos - b * sin, b * cos + a * sin);
                        }
                    }
                });
            });
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (x, n) = (inputs[0], inputs[0].shape().size());
        let [places, behind, features] = self.sizes(&x.shape());
        let [pairs, half, behind, places, first] =
            [n / 2, features / 2, behind, places, self.first].map(|x| Arg::I64(x as i64));
        let tensors = [Arg::output(&outputs[0])?, Arg::input(x)?, Arg::input(inputs[1])?];
        let args = [tensors[0], tensors[1], tensors[2], pairs, half, behind, places, first, Arg::F32(self.sign())];
        device.launch(&ROTATE, x.dtype(), Grid::elements(n / 2), &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::inputs(&[1]))
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let back = Rotate { inverse: !self.inverse, ..*self };
        Ok(Gradients::from_iter([Some(apply_one(back, &[node.grad()?, node.input(1)?])?), None]))
    }

    fn cases() -> Vec<Case> {
        let case = |shape: &[usize], axis: usize, first: usize, rows: usize, inverse| {
            let table = Sample::new([rows, shape[shape.len() - 1]]).dtype(DType::F32);
            Case::new(Rotate { axis, first, inverse }, [Sample::new(shape), table])
        };
        vec![
            case(&[1, 2], 0, 0, 1, false),
            case(&[2, 0, 4], 1, 0, 0, false),
            case(&[2, 3, 0], 1, 1, 5, false),
            case(&[2, 3, 66], 1, 0, 3, false),
            case(&[3, 5, 2, 16], 1, 2, 9, false),
            case(&[2, 2, 7, 48], 2, 0, 7, true),
            case(&[1, 1, 3, 6], 1, 4, 5, true),
            case(&[2, 33_001, 2], 1, 0, 33_001, false),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_turn_swaps_the_halves() -> Result<()> {
        let x = Tensor::from_slice(&[1f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], [2, 4])?;
        let table = Tensor::from_slice(&[9f32, 9.0, 9.0, 9.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0], [3, 4])?;
        assert_eq!(x.rotate(&table, 0, 1)?.to_vec::<f32>()?, [1.0, 2.0, 3.0, 4.0, -7.0, -8.0, 5.0, 6.0]);
        for (axis, first) in [(0, 2), (0, usize::MAX), (1, 0), (-1, 0), (2, 0)] {
            assert!(x.rotate(&table, axis, first).is_err(), "{axis} {first}");
        }
        assert!(x.slice(1, 0..3)?.rotate(&table.slice(1, 0..3)?, 0, 0).is_err());
        assert!(x.rotate(&table.cast(DType::F64)?, 0, 0).is_err());
        Ok(())
    }
}
