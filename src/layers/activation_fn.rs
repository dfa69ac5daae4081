//! The activations that layers have: the element-wise ones and softmax.

use crate::dtype::DType;
use crate::error::Result;
use crate::ops::Activation;
use crate::tensor::Tensor;

/// An activation of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActivationFn {
    /// An element-wise one.
    Element(Activation),
    /// eˣ / Σ eˣ over the last axis.
    Softmax,
}

impl Default for ActivationFn {
    fn default() -> Self {
        ActivationFn::Element(Activation::Linear)
    }
}

impl ActivationFn {
    /// Keras's name.
    pub fn name(self) -> &'static str {
        match self {
            ActivationFn::Element(a) => a.name(),
            ActivationFn::Softmax => "softmax",
        }
    }

    /// The activation that Keras calls `name`.
    ///
    /// # Errors
    /// A name that this engine does not know.
    pub fn from_name(name: &str) -> Result<ActivationFn> {
        if name == "softmax" {
            Ok(ActivationFn::Softmax)
        } else {
            Activation::from_name(name).map(ActivationFn::Element)
        }
    }

    /// The activation of a tensor. Softmax computes in f32 at least.
    pub fn call(self, x: &Tensor) -> Result<Tensor> {
        match self {
            ActivationFn::Element(a) => a.call(x),
            ActivationFn::Softmax if matches!(x.dtype(), DType::F16 | DType::BF16) => x.cast(DType::F32)?.softmax(-1),
            ActivationFn::Softmax => x.softmax(-1),
        }
    }
}

impl From<Activation> for ActivationFn {
    fn from(a: Activation) -> Self {
        ActivationFn::Element(a)
    }
}

/// The setters that layers with an activation have.
macro_rules! activation_setters {
    () => {
        /// Sets the activation.
        pub fn activation(mut self, activation: impl Into<$crate::layers::ActivationFn>) -> Self {
            self.activation = activation.into();
            self
        }

        /// Rectified linear activation.
        pub fn relu(self) -> Self {
            self.activation($crate::ops::Activation::Relu)
        }

        /// Sigmoid activation.
        pub fn sigmoid(self) -> Self {
            self.activation($crate::ops::Activation::Sigmoid)
        }

        /// Hyperbolic tangent activation.
        pub fn tanh(self) -> Self {
            self.activation($crate::ops::Activation::Tanh)
        }

        /// Exact Gaussian error linear activation.
        pub fn gelu(self) -> Self {
            self.activation($crate::ops::Activation::Gelu)
        }

        /// Softmax over the last axis.
        pub fn softmax(self) -> Self {
            self.activation($crate::layers::ActivationFn::Softmax)
        }
    };
}
pub(crate) use activation_setters;
