//! What is known of a tensor before there is data.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use std::fmt;

/// The shape and dtype of a symbol. The first axis is the batch; an extent that the data decides is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The extents, the batch's included.
    pub dims: Vec<Option<usize>>,
    /// The type of the elements.
    pub dtype: DType,
}

impl Spec {
    /// A batch of samples of this shape.
    pub fn batch_of(sample: &[usize], dtype: DType) -> Spec {
        Spec { dims: std::iter::once(None).chain(sample.iter().map(|&d| Some(d))).collect(), dtype }
    }

    /// How many axes there are.
    pub fn rank(&self) -> usize {
        self.dims.len()
    }

    /// The place of an axis, which counts from the end where it is negative.
    ///
    /// # Errors
    /// An axis that the shape does not have.
    pub fn axis(&self, axis: isize) -> Result<usize> {
        let at = if axis < 0 { axis + self.rank() as isize } else { axis };
        match usize::try_from(at) {
            Ok(at) if at < self.rank() => Ok(at),
            _ => Err(Error::Input(format!("expected an input with an axis {axis}, got shape {self}"))),
        }
    }

    /// The extent of an axis that must be known.
    ///
    /// # Errors
    /// An axis that the shape does not have, or whose extent the data decides.
    pub fn known(&self, axis: isize) -> Result<usize> {
        self.dims[self.axis(axis)?]
            .ok_or_else(|| Error::Input(format!("expected axis {axis} of the input to be known, got shape {self}")))
    }

    /// Checks that these are axes of a sample, each named once.
    ///
    /// # Errors
    /// An axis that the shape does not have, the batch's, or one that is named twice.
    pub fn axes(&self, axes: &[isize]) -> Result<Vec<usize>> {
        let mut places = axes.iter().map(|&a| self.axis(a)).collect::<Result<Vec<_>>>()?;
        places.sort_unstable();
        if places.is_empty() || places[0] == 0 || places.windows(2).any(|w| w[0] == w[1]) {
            let message = format!("expected different axes behind the batch's, got {axes:?} for the shape {self}");
            return Err(Error::Config(format!("argument `axis`: {message}")));
        }
        Ok(places)
    }

    /// The product of the extents but the batch's; `None` where one of them is.
    ///
    /// # Errors
    /// A product that no memory holds.
    pub fn sample_size(&self) -> Result<Option<usize>> {
        let dims: Option<Vec<usize>> = self.dims.iter().skip(1).copied().collect();
        dims.map(|dims| Shape::new(&dims).map(|shape| shape.size())).transpose()
    }

    /// Checks that the elements are floating-point numbers.
    pub fn require_float(&self) -> Result<()> {
        if self.dtype.is_float() {
            return Ok(());
        }
        Err(Error::Input(format!("expected a floating-point input, got {}", self.dtype)))
    }

    /// The shape of a batch of `batch` samples, if all other extents are known.
    pub fn shape(&self, batch: usize) -> Option<Shape> {
        let dims: Option<Vec<usize>> =
            self.dims.iter().enumerate().map(|(i, d)| if i == 0 { Some(batch) } else { *d }).collect();
        Shape::new(&dims?).ok()
    }
}

/// Keras's way: `(None, 784)`.
impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<_> = self.dims.iter().map(|d| d.map_or("None".into(), |d| d.to_string())).collect();
        write!(f, "({}{})", dims.join(", "), if dims.len() == 1 { "," } else { "" })
    }
}
