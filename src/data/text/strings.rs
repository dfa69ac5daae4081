//! Strings in a shape.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::{IntoShape, Shape};
use crate::tensor::Tensor;
use std::borrow::Cow;

/// Strings in a shape, where Keras has tensors of strings: texts `(batch,)`, or tokens `(batch, length)`.
///
/// A slice, an array or a vector of strings becomes one of a single axis wherever one is asked for.
///
/// ```
/// # use uncrumple::data::{StringLookup, Strings};
/// # fn main() -> uncrumple::Result<()> {
/// let lookup = StringLookup::new().vocabulary(["a", "b"])?;
/// assert_eq!(lookup.call(&["a", "c"])?.to_vec::<i32>()?, [1, 0]);
/// let tokens = Strings::new(["a", "b", "b", "c"], [2, 2])?;
/// assert_eq!(lookup.call(&tokens)?.shape()[..], [2, 2]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Strings<'a> {
    values: Vec<Cow<'a, str>>,
    shape: Shape,
}

impl<'a> Strings<'a> {
    /// These strings, row by row, in this shape.
    ///
    /// # Errors
    /// Another number of strings than the shape has places.
    pub fn new(
        values: impl IntoIterator<Item = impl Into<Cow<'a, str>>>,
        shape: impl IntoShape,
    ) -> Result<Strings<'a>> {
        let (values, shape): (Vec<_>, _) = (values.into_iter().map(Into::into).collect(), shape.into_shape()?);
        if values.len() != shape.size() {
            let message = format!("{} strings do not fill the shape {shape}", values.len());
            return Err(Error::shape("Strings::new", message));
        }
        Ok(Strings { values, shape })
    }

    fn flat(values: impl Iterator<Item = &'a str>) -> Strings<'a> {
        let values: Vec<_> = values.map(Cow::Borrowed).collect();
        // One axis of what is in memory always fits.
        let shape = Shape::new(&[values.len()]).unwrap_or(Shape::SCALAR);
        Strings { values, shape }
    }

    /// The extents of the axes.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The strings, row by row.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.values.iter().map(|value| &**value)
    }

    /// The strings, row by row.
    pub fn into_vec(self) -> Vec<String> {
        self.values.into_iter().map(Cow::into_owned).collect()
    }

    pub(super) fn values(&self) -> &[Cow<'a, str>] {
        &self.values
    }
}

impl<'a, S: AsRef<str>> From<&'a [S]> for Strings<'a> {
    fn from(values: &'a [S]) -> Strings<'a> {
        Strings::flat(values.iter().map(AsRef::as_ref))
    }
}

impl<'a, S: AsRef<str>> From<&'a Vec<S>> for Strings<'a> {
    fn from(values: &'a Vec<S>) -> Strings<'a> {
        values[..].into()
    }
}

impl<'a, S: AsRef<str>, const N: usize> From<&'a [S; N]> for Strings<'a> {
    fn from(values: &'a [S; N]) -> Strings<'a> {
        values[..].into()
    }
}

impl<'a> From<&'a Strings<'_>> for Strings<'a> {
    fn from(strings: &'a Strings<'_>) -> Strings<'a> {
        Strings { shape: strings.shape, ..Strings::flat(strings.iter()) }
    }
}

/// What is put into bins: strings, or a tensor of whole numbers.
#[derive(Clone, Debug)]
pub enum Keys<'a> {
    /// Strings.
    Strings(Strings<'a>),
    /// Whole numbers: int32, int64 or uint8.
    Numbers(Tensor),
}

impl<'a, T: Into<Strings<'a>>> From<T> for Keys<'a> {
    fn from(strings: T) -> Keys<'a> {
        Keys::Strings(strings.into())
    }
}

impl From<&Tensor> for Keys<'_> {
    fn from(numbers: &Tensor) -> Self {
        Keys::Numbers(numbers.clone())
    }
}

/// The elements of a tensor of whole numbers, on the host.
pub(super) fn integers(tensor: &Tensor, what: &'static str) -> Result<Vec<i64>> {
    if !matches!(tensor.dtype(), DType::I32 | DType::I64 | DType::U8) {
        return Err(Error::dtype(what, format!("expected int32, int64 or uint8, got {}", tensor.dtype())));
    }
    tensor.cast(DType::I64)?.to_vec()
}
