//! What an op is tested on.

use super::Op;
use crate::dtype::DType;
use crate::shape::{IntoShape, Shape};
use std::ops::Range;
use std::sync::Arc;

/// The floating-point types.
pub const FLOATS: &[DType] = &DType::FLOATS;

/// One op with one set of inputs, run by the conformance suite on every device and for every dtype it names.
pub struct Case {
    /// The op, with its arguments.
    pub op: Arc<dyn Op>,
    /// Its inputs.
    pub inputs: Vec<Sample>,
    /// What stands for the dtype of [`Sample`]s that leave it open.
    pub dtypes: &'static [DType],
    /// How many of the outputs callers see. The others only serve the backward, so no gradient flows into them.
    pub shown: usize,
}

impl Case {
    /// A case over the floating-point types.
    pub fn new(op: impl Op, inputs: impl IntoIterator<Item = Sample>) -> Case {
        Case { op: Arc::new(op), inputs: inputs.into_iter().collect(), dtypes: FLOATS, shown: usize::MAX }
    }

    /// The same over these types.
    pub fn dtypes(self, dtypes: &'static [DType]) -> Case {
        Case { dtypes, ..self }
    }

    /// The same where callers see the first `shown` outputs only.
    pub fn shown(self, shown: usize) -> Case {
        Case { shown, ..self }
    }
}

/// An input of a [`Case`]: a shape and how it is filled, from a fixed seed.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its shape.
    pub shape: Shape,
    /// Its values: uniform over this range.
    pub range: Range<f64>,
    /// Its dtype; `None` for the case's.
    pub dtype: Option<DType>,
    /// Whether the type that arithmetic is done in stands for the case's.
    pub wide: bool,
}

impl Sample {
    /// Uniform over [−2, 2).
    pub fn new(shape: impl IntoShape) -> Sample {
        Sample::within(shape, -2.0..2.0)
    }

    /// Uniform over `range`.
    ///
    /// # Panics
    /// On a shape that cannot be: cases are written by hand.
    #[allow(clippy::expect_used)]
    pub fn within(shape: impl IntoShape, range: Range<f64>) -> Sample {
        Sample { shape: shape.into_shape().expect("a case's shape is valid"), range, dtype: None, wide: false }
    }

    /// Integers from 0 to `n` − 1.
    pub fn below(shape: impl IntoShape, n: usize) -> Sample {
        Sample { dtype: Some(DType::I32), ..Sample::within(shape, 0.0..n as f64) }
    }

    /// The same in the type that arithmetic on the case's is done in.
    pub fn wide(self) -> Sample {
        Sample { wide: true, ..self }
    }

    /// Its dtype in a case for `dtype`.
    pub fn dtype_for(&self, dtype: DType) -> DType {
        self.dtype.unwrap_or(if self.wide { dtype.arithmetic() } else { dtype })
    }

    /// The same with a dtype of its own.
    pub fn dtype(self, dtype: DType) -> Sample {
        Sample { dtype: Some(dtype), ..self }
    }
}
