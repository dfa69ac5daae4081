//! Several axes as one, at the end.

use crate::error::Result;
use crate::shape::{MAX_RANK, Shape};
use crate::tensor::Tensor;
use smallvec::{SmallVec, smallvec};

/// The way from a tensor to one of rows, of which the elements lie along `axes` of it, and back.
pub struct Moved {
    /// The tensor's axes, those of a row behind the others; empty where they are so already.
    order: SmallVec<[isize; MAX_RANK]>,
    /// The extents in that order, and how many of the axes are not a row's.
    dims: SmallVec<[usize; MAX_RANK]>,
    others: usize,
}

impl Moved {
    /// The way for a tensor of the shape of `x`; axes may be negative.
    ///
    /// # Errors
    /// Axes that it does not have.
    pub fn new(x: &Tensor, axes: &[isize]) -> Result<Moved> {
        let shape = x.shape();
        type Axes = SmallVec<[usize; MAX_RANK]>;
        let mut row = axes.iter().map(|&a| shape.axis(a, "axes")).collect::<Result<Axes>>()?;
        row.sort_unstable();
        let others: Axes = (0..shape.rank()).filter(|a| !row.contains(a)).collect();
        let count = others.len();
        let order: Axes = others.into_iter().chain(row).collect();
        let dims = order.iter().map(|&a| shape[a]).collect();
        let in_order = order.iter().copied().eq(0..shape.rank());
        let order = if in_order { SmallVec::new() } else { order.into_iter().map(|a| a as isize).collect() };
        Ok(Moved { order, dims, others: count })
    }

    /// The extents of the other axes, and that of a row.
    pub fn rows_shape(&self) -> Result<Shape> {
        let (others, row) = self.dims.split_at(self.others);
        let extents: SmallVec<[usize; MAX_RANK]> = others.iter().copied().chain([row.iter().product()]).collect();
        Shape::new(&extents)
    }

    /// The tensor as rows.
    pub fn rows(&self, x: &Tensor) -> Result<Tensor> {
        let x = if self.order.is_empty() { x.clone() } else { x.transpose(&self.order)? };
        x.reshape(self.rows_shape()?)
    }

    /// Rows as the tensor was.
    pub fn back(&self, rows: &Tensor) -> Result<Tensor> {
        let y = rows.reshape(Shape::new(&self.dims)?)?;
        if self.order.is_empty() {
            return Ok(y);
        }
        let mut inverse: SmallVec<[isize; MAX_RANK]> = smallvec![0; self.order.len()];
        for (to, &from) in self.order.iter().enumerate() {
            inverse[from as usize] = to as isize;
        }
        y.transpose(&inverse)
    }
}
