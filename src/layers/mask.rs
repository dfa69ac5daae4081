//! Which elements of a tensor count: masks, as Keras hands them from layer to layer.

use crate::error::{Error, Result};
use crate::shape::{MAX_RANK, Shape};
use crate::tensor::Tensor;
use smallvec::SmallVec;

/// The masks of several tensors, in their order; one that is missing, at the end too, is of a tensor without a mask.
///
/// A mask is a tensor of `bool`, true where an element counts. Its shape is what the tensor's begins with: `(batch, steps)`
/// for `(batch, steps, features)`.
pub type Masks = SmallVec<[Option<Tensor>; 2]>;

/// Where the mask of a layer's output comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// The output has none.
    None,
    /// It is the mask of the input of this number, if that has one.
    Of(usize),
    /// The call makes it: [`Call::set_mask`](super::Call::set_mask).
    Set,
}

/// A mask with axes of extent 1 behind its own, to stand beside a tensor of this rank.
pub(super) fn beside(mask: &Tensor, rank: usize) -> Result<Tensor> {
    let mut extents: SmallVec<[usize; MAX_RANK]> = mask.shape().iter().copied().collect();
    extents.resize(rank.max(extents.len()), 1);
    mask.reshape(Shape::new(&extents)?)
}

/// True where one of two masks is; they broadcast.
pub(super) fn either(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.select(a, b)
}

/// True where both of two masks are; they broadcast.
pub(super) fn both(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.select(b, a)
}

/// Checks that a mask is one, and for a tensor of this shape.
///
/// # Errors
/// Another dtype than `bool`, a shape that the tensor's does not begin with.
pub(crate) fn check(mask: &Tensor, of: &Shape) -> Result<()> {
    let (shape, dtype) = (mask.shape(), mask.dtype());
    if dtype == crate::DType::Bool && of.starts_with(shape.dims()) {
        return Ok(());
    }
    let message = format!("expected a mask of bool and of a shape that {of} begins with, got {dtype} {shape}");
    Err(Error::shape("mask", message))
}
