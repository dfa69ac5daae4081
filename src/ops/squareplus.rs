//! The squareplus function.

use super::unary::unary;
use crate::device::cpu::Float;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// (x + √(x² + 4)) / 2, which for negative x is 2 / (√(x² + 4) − x), with the slope y / √(x² + 4).
    SquareplusFunction, Squareplus, SquareplusGrad, "squareplus", slope of Input, over -4.0..4.0;
    value(x) squareplus(x);
    slope(x) squareplus(x) / root(x);
}

#[inline(always)]
fn root<T: Float>(x: T) -> T {
    (x * x + T::of(4.0)).sqrt()
}

#[inline(always)]
fn squareplus<T: Float>(x: T) -> T {
    if x > T::ZERO { T::of(0.5) * (x + root(x)) } else { T::of(2.0) / (root(x) - x) }
}

impl Tensor {
    /// (x + √(x² + 4)) / 2 element by element ([Keras](https://keras.io/api/layers/activations/#squareplus-function) with its default b = 4,
    /// [paper](https://arxiv.org/abs/2112.11687)).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn squareplus(&self) -> Result<Tensor> {
        Squareplus::of(self)
    }
}
