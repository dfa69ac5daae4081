//! The extents of a tensor's axes.

use crate::error::{Error, Result};
use std::fmt;
use std::ops::Deref;

/// The most axes that a tensor can have.
pub const MAX_RANK: usize = 8;

/// The extents of a tensor's axes, outermost first; `[]` is a scalar.
///
/// Kept inline, so that making one takes nothing from the allocator. It reads as a slice.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    dims: [usize; MAX_RANK],
    rank: u8,
}

impl Shape {
    /// The shape of a single number.
    pub const SCALAR: Shape = Shape { dims: [0; MAX_RANK], rank: 0 };

    /// A shape with these extents.
    ///
    /// # Errors
    /// More than [`MAX_RANK`] axes, or more elements than memory can hold.
    pub fn new(dims: &[usize]) -> Result<Shape> {
        if dims.len() > MAX_RANK {
            return Err(Error::shape("shape", format!("{dims:?} has {} axes, at most {MAX_RANK} fit", dims.len())));
        }
        // The largest element has 8 bytes, and no allocation may pass isize::MAX bytes.
        let elements = dims.iter().filter(|&&d| d != 0).try_fold(8usize, |n, &d| n.checked_mul(d));
        if elements.is_none_or(|bytes| bytes > isize::MAX as usize) {
            return Err(Error::shape("shape", format!("{dims:?} has more elements than memory can hold")));
        }
        let mut shape = Shape { rank: dims.len() as u8, ..Shape::SCALAR };
        shape.dims[..dims.len()].copy_from_slice(dims);
        Ok(shape)
    }

    /// How many axes there are.
    pub const fn rank(&self) -> usize {
        self.rank as usize
    }

    /// How many elements there are: the product of the extents, 1 for a scalar.
    pub fn size(&self) -> usize {
        self.iter().product()
    }

    /// The extents as a slice.
    pub fn dims(&self) -> &[usize] {
        &self.dims[..self.rank()]
    }

    /// The extent of the last axis, 1 for a scalar.
    pub fn last(&self) -> usize {
        self.dims().last().copied().unwrap_or(1)
    }

    /// How many rows there are when all axes but the last are one: 1 for a scalar.
    pub fn rows(&self) -> usize {
        self.dims().split_last().map_or(1, |(_, outer)| outer.iter().product())
    }

    /// The axis that `axis` names, which counts from the end where it is negative.
    ///
    /// # Errors
    /// An axis that the shape does not have, named together with `op`.
    pub fn axis(&self, axis: isize, op: &'static str) -> Result<usize> {
        let rank = self.rank() as isize;
        let at = if axis < 0 { axis + rank } else { axis };
        if (0..rank).contains(&at) {
            Ok(at as usize)
        } else {
            Err(Error::shape(op, format!("axis {axis} is out of range for the shape {self}")))
        }
    }

    /// This shape with the extent of one axis replaced.
    pub fn with(&self, axis: usize, extent: usize) -> Result<Shape> {
        let mut dims = self.dims;
        dims[axis] = extent;
        Shape::new(&dims[..self.rank()])
    }

    /// This shape without one axis.
    pub fn without(&self, axis: usize) -> Shape {
        let mut shape = *self;
        shape.dims.copy_within(axis + 1..self.rank(), axis);
        shape.rank -= 1;
        shape.dims[shape.rank()] = 0;
        shape
    }

    /// The shape that two shapes broadcast to, as in NumPy: aligned at the last axis, an extent of 1 stretches.
    ///
    /// # Errors
    /// Extents that differ where neither is 1, named together with `op`.
    pub fn broadcast(&self, other: &Shape, op: &'static str) -> Result<Shape> {
        if self == other {
            return Ok(*self);
        }
        let rank = self.rank().max(other.rank());
        let mut dims = [0; MAX_RANK];
        let extent = |shape: &Shape, i: usize| match (i + shape.rank()).checked_sub(rank) {
            Some(i) => shape[i],
            None => 1,
        };
        for (i, dim) in dims[..rank].iter_mut().enumerate() {
            *dim = match (extent(self, i), extent(other, i)) {
                (a, b) if a == b => a,
                (1, b) => b,
                (a, 1) => a,
                _ => {
                    let message = format!("the shapes {self} and {other} do not broadcast together");
                    return Err(Error::shape(op, message));
                }
            };
        }
        Shape::new(&dims[..rank])
    }

    /// The distance in elements between neighbours along each axis of a row-major array.
    pub fn strides(&self) -> [usize; MAX_RANK] {
        let mut strides = [0; MAX_RANK];
        let mut step = 1;
        for i in (0..self.rank()).rev() {
            strides[i] = step;
            step *= self.dims[i];
        }
        strides
    }

    /// The strides that read an array of this shape as one of the broader shape `to`: 0 along stretched axes.
    pub fn broadcast_strides(&self, to: &Shape) -> [usize; MAX_RANK] {
        let own = self.strides();
        let mut strides = [0; MAX_RANK];
        let lead = to.rank() - self.rank();
        for i in 0..self.rank() {
            strides[lead + i] = if self.dims[i] == 1 { 0 } else { own[i] };
        }
        strides
    }
}

impl Deref for Shape {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        self.dims()
    }
}

/// Python's way: `()`, `(3,)`, `(32, 784)`.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.dims() {
            [one] => write!(f, "({one},)"),
            dims => {
                f.write_str("(")?;
                for (i, d) in dims.iter().enumerate() {
                    write!(f, "{}{d}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str(")")
            }
        }
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What can name a shape: `()`, `3`, `[3, 4]`, a slice, a vector, a [`Shape`].
pub trait IntoShape {
    /// The shape that it names.
    ///
    /// # Errors
    /// As for [`Shape::new`].
    fn into_shape(self) -> Result<Shape>;
}

impl IntoShape for Shape {
    fn into_shape(self) -> Result<Shape> {
        Ok(self)
    }
}

impl IntoShape for &Shape {
    fn into_shape(self) -> Result<Shape> {
        Ok(*self)
    }
}

impl IntoShape for () {
    fn into_shape(self) -> Result<Shape> {
        Ok(Shape::SCALAR)
    }
}

impl IntoShape for usize {
    fn into_shape(self) -> Result<Shape> {
        Shape::new(&[self])
    }
}

impl<const N: usize> IntoShape for [usize; N] {
    fn into_shape(self) -> Result<Shape> {
        Shape::new(&self)
    }
}

impl IntoShape for &[usize] {
    fn into_shape(self) -> Result<Shape> {
        Shape::new(self)
    }
}

impl<const N: usize> IntoShape for &[usize; N] {
    fn into_shape(self) -> Result<Shape> {
        Shape::new(self)
    }
}

impl IntoShape for Vec<usize> {
    fn into_shape(self) -> Result<Shape> {
        Shape::new(&self)
    }
}

impl IntoShape for &Vec<usize> {
    fn into_shape(self) -> Result<Shape> {
        Shape::new(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasts_as_numpy_does() -> Result<()> {
        let shape = |dims: &[usize]| Shape::new(dims);
        assert_eq!(shape(&[3, 1])?.broadcast(&shape(&[4])?, "add")?, shape(&[3, 4])?);
        assert_eq!(shape(&[])?.broadcast(&shape(&[2, 0])?, "add")?, shape(&[2, 0])?);
        assert_eq!(shape(&[1])?.broadcast(&shape(&[0])?, "add")?, shape(&[0])?);
        assert!(shape(&[3])?.broadcast(&shape(&[4])?, "add").is_err());
        assert!(shape(&[2])?.broadcast(&shape(&[0])?, "add").is_err());
        assert_eq!(&shape(&[3, 1])?.broadcast_strides(&shape(&[2, 3, 4])?)[..3], &[0, 1, 0]);
        Ok(())
    }

    #[test]
    fn rejects_what_no_memory_holds() {
        assert!(Shape::new(&[usize::MAX, 2]).is_err());
        assert!(Shape::new(&[1 << 60]).is_err());
        assert!(Shape::new(&[1 << 31, 1 << 31, 0]).is_err());
        assert!(Shape::new(&[1; MAX_RANK + 1]).is_err());
        assert_eq!(Shape::new(&[0, 7]).map(|s| s.size()).ok(), Some(0));
    }

    #[test]
    fn prints_as_python_does() -> Result<()> {
        assert_eq!(Shape::SCALAR.to_string(), "()");
        assert_eq!(Shape::new(&[3])?.to_string(), "(3,)");
        assert_eq!(Shape::new(&[32, 784])?.to_string(), "(32, 784)");
        Ok(())
    }

    #[test]
    fn names_axes_from_both_ends() -> Result<()> {
        let shape = Shape::new(&[2, 3])?;
        assert_eq!(shape.axis(-1, "sum")?, 1);
        assert!(shape.axis(2, "sum").is_err() && shape.axis(-3, "sum").is_err());
        assert_eq!(shape.without(0), Shape::new(&[3])?);
        Ok(())
    }
}
