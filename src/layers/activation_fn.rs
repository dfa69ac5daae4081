//! The activations that layers have: the element-wise ones, and those along the last axis.

use super::{Call, Config, Read, Spec};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::ops::Activation;
use crate::tensor::Tensor;
use serde_json::{Value, json};

/// An activation of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActivationFn {
    /// An element-wise one.
    Element(Activation),
    /// eˣ / Σ eˣ over the last axis.
    Softmax,
    /// x − ln Σ eˣ over the last axis.
    LogSoftmax,
    /// The nearest point of the simplex, over the last axis.
    Sparsemax,
    /// The first half of the last axis times the sigmoid of the second.
    Glu,
}

impl Default for ActivationFn {
    fn default() -> Self {
        ActivationFn::Element(Activation::Linear)
    }
}

/// Those along the last axis.
const ALONG: [ActivationFn; 4] =
    [ActivationFn::Softmax, ActivationFn::LogSoftmax, ActivationFn::Sparsemax, ActivationFn::Glu];

impl ActivationFn {
    /// Keras's name.
    pub fn name(self) -> &'static str {
        match self {
            ActivationFn::Element(a) => a.name(),
            ActivationFn::Softmax => "softmax",
            ActivationFn::LogSoftmax => "log_softmax",
            ActivationFn::Sparsemax => "sparsemax",
            ActivationFn::Glu => "glu",
        }
    }

    /// What a Keras config has: the name or, for KerasHub's one, the registered function, which Keras alone does not know.
    pub(super) fn to_json(self) -> Value {
        match self {
            ActivationFn::Element(Activation::GeluTanh) => json!({
                "module": "builtins",
                "class_name": "function",
                "config": "keras_hub>gelu_approximate",
                "registered_name": "function",
            }),
            _ => self.name().into(),
        }
    }

    /// Every activation.
    pub fn all() -> impl Iterator<Item = ActivationFn> {
        Activation::ALL.iter().map(|&a| ActivationFn::Element(a)).chain(ALONG)
    }

    /// The activation that Keras calls `name`; `swish` is `silu` there too, and `hard_swish` `hard_silu`.
    /// Functions of KerasHub have its name before theirs in files.
    ///
    /// # Errors
    /// A name that this engine does not know.
    pub fn from_name(name: &str) -> Result<ActivationFn> {
        let name = match name {
            "swish" => "silu",
            "hard_swish" => "hard_silu",
            "keras_hub>gelu_approximate" | "keras_nlp>gelu_approximate" => "gelu_approximate",
            name => name,
        };
        ActivationFn::all().find(|a| a.name() == name).ok_or_else(|| {
            let known: Vec<_> = ActivationFn::all().map(ActivationFn::name).collect();
            Error::Config(format!("unknown activation `{name}`; known are {}", known.join(", ")))
        })
    }

    /// The argument `name` of a config: `default` where it is absent, none where it is null, as Keras reads it.
    pub(super) fn read(config: &Config, name: &str, default: ActivationFn) -> Result<ActivationFn> {
        match config.contains_key(name) {
            true => ActivationFn::from_name(&config.word(name, "linear")?),
            false => Ok(default),
        }
    }

    /// The activation of a tensor. What sums along an axis computes in f32 at least.
    pub fn call(self, x: &Tensor) -> Result<Tensor> {
        let widened = |x: &Tensor| match x.dtype() {
            DType::F16 | DType::BF16 => x.cast(DType::F32),
            _ => Ok(x.clone()),
        };
        match self {
            ActivationFn::Element(a) => a.call(x),
            ActivationFn::Softmax => widened(x)?.softmax(-1),
            ActivationFn::LogSoftmax => widened(x)?.log_softmax(-1),
            ActivationFn::Sparsemax => widened(x)?.sparsemax(-1),
            ActivationFn::Glu => x.glu(-1),
        }
    }

    /// The part of it that an op applies to its result in the same pass: all of it where it is element-wise, unless the
    /// loss undoes it.
    pub(super) fn fused(self, call: &Call) -> Activation {
        match self {
            ActivationFn::Element(a) if !call.wants_logits() => a,
            _ => Activation::Linear,
        }
    }

    /// What is left of it after [`ActivationFn::fused`].
    pub(super) fn rest(self, call: &Call, y: Tensor) -> Result<Tensor> {
        match self {
            ActivationFn::Element(_) => Ok(y),
            _ if call.wants_logits() => Ok(y),
            along => along.call(&y),
        }
    }

    /// The output's spec for an input's.
    ///
    /// # Errors
    /// No axis beside the batch for what runs along one, an odd or unknown extent for what halves it.
    pub(super) fn output(self, mut x: Spec) -> Result<Spec> {
        if matches!(self, ActivationFn::Element(_)) {
            return Ok(x);
        }
        if x.rank() < 2 {
            return Err(Error::Input(format!("expected at least 2 axes for {}, got shape {x}", self.name())));
        }
        if self == ActivationFn::Glu {
            let last = x.known(-1)?;
            if last % 2 == 1 {
                return Err(Error::Input(format!("expected an even last axis for glu, got shape {x}")));
            }
            x.dims.pop();
            x.dims.push(Some(last / 2));
        }
        Ok(x)
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
            "Gaussian error linear activation by way of tanh, as in GPT-2; files name it as KerasHub does." gelu_tanh
                $crate::ops::Activation::GeluTanh.into();
            "Sigmoid linear activation, x / (1 + e⁻ˣ), also called swish." silu $crate::ops::Activation::Silu.into();
            "Exponential linear activation: x above 0, else eˣ − 1." elu $crate::ops::Activation::Elu.into();
            "Smooth rectified activation, ln(1 + eˣ)." softplus $crate::ops::Activation::Softplus.into();
            "x above 0, else eˣ − 1: celu with α = 1." celu $crate::ops::Activation::Celu.into();
            "eˣ." exponential $crate::ops::Activation::Exponential.into();
            "0 within ±½, else x." hard_shrink $crate::ops::Activation::HardShrink.into();
            "min(max(x/6 + ½, 0), 1)." hard_sigmoid $crate::ops::Activation::HardSigmoid.into();
            "x · min(max(x/6 + ½, 0), 1)." hard_silu $crate::ops::Activation::HardSilu.into();
            "min(max(x, −1), 1)." hard_tanh $crate::ops::Activation::HardTanh.into();
            "x from 0 on, else 0.2 x." leaky_relu $crate::ops::Activation::LeakyRelu.into();
            "ln(1 / (1 + e⁻ˣ))." log_sigmoid $crate::ops::Activation::LogSigmoid.into();
            "x tanh(ln(1 + eˣ))." mish $crate::ops::Activation::Mish.into();
            "min(max(x, 0), 6)." relu6 $crate::ops::Activation::Relu6.into();
            "λ x above 0, else λ α (eˣ − 1)." selu $crate::ops::Activation::Selu.into();
            "x brought nearer to 0 by ½, and 0 within ±½." soft_shrink $crate::ops::Activation::SoftShrink.into();
            "x / (1 + |x|)." softsign $crate::ops::Activation::Softsign.into();
            "0 up to −1, x from 1 on, (x + 1)² / 4 between." sparse_plus $crate::ops::Activation::SparsePlus.into();
            "min(max((x + 1) / 2, 0), 1)." sparse_sigmoid $crate::ops::Activation::SparseSigmoid.into();
            "(x + √(x² + 4)) / 2." squareplus $crate::ops::Activation::Squareplus.into();
            "x − tanh x." tanh_shrink $crate::ops::Activation::TanhShrink.into();
            "Softmax over the last axis." softmax $crate::layers::ActivationFn::Softmax;
            "Logarithm of softmax over the last axis." log_softmax $crate::layers::ActivationFn::LogSoftmax;
            "Nearest point of the simplex over the last axis." sparsemax $crate::layers::ActivationFn::Sparsemax;
            "First half of the last axis times the sigmoid of the second." glu $crate::layers::ActivationFn::Glu;
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
