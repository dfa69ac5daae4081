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

    /// The activation that Keras calls `name`; `swish` is `silu` there too.
    ///
    /// # Errors
    /// A name that this engine does not know.
    pub fn from_name(name: &str) -> Result<ActivationFn> {
        match name {
            "softmax" => Ok(ActivationFn::Softmax),
            "swish" => Ok(Activation::Silu.into()),
            _ => Activation::from_name(name).map(ActivationFn::Element),
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

/// Hands the activations to a macro: what they are, the name that a method has, the value.
macro_rules! activations {
    ($use:ident) => {
        $use! {
            "No activation." linear $crate::ops::Activation::Linear.into();
            "Rectified linear activation, max(x, 0)." relu $crate::ops::Activation::Relu.into();
            "Sigmoid activation, 1 / (1 + e⁻ˣ)." sigmoid $crate::ops::Activation::Sigmoid.into();
            "Hyperbolic tangent activation." tanh $crate::ops::Activation::Tanh.into();
            "Exact Gaussian error linear activation, x Φ(x)." gelu $crate::ops::Activation::Gelu.into();
            "Sigmoid linear activation, x / (1 + e⁻ˣ), also called swish." silu $crate::ops::Activation::Silu.into();
            "Exponential linear activation: x above 0, else eˣ − 1." elu $crate::ops::Activation::Elu.into();
            "Smooth rectified activation, ln(1 + eˣ)." softplus $crate::ops::Activation::Softplus.into();
            "Softmax over the last axis." softmax $crate::layers::ActivationFn::Softmax;
        }
    };
}
pub(super) use activations;

/// The setters that layers with an activation have: `activations!(activation_setters)` in the layer's `impl`.
macro_rules! activation_setters {
    ($($doc:literal $name:ident $value:expr;)*) => {
        /// Sets an activation that is chosen at run time, such as `ActivationFn::from_name("relu")?`.
        pub fn activation(mut self, activation: impl Into<$crate::layers::ActivationFn>) -> Self {
            self.activation = activation.into();
            self
        }

        $(
            #[doc = $doc]
            pub fn $name(mut self) -> Self {
                self.activation = $value;
                self
            }
        )*
    };
}
pub(super) use activation_setters;
