//! The activations by name.

use super::elu::EluFunction;
use super::gelu::GeluFunction;
use super::relu::ReluFunction;
use super::sigmoid::SigmoidFunction;
use super::silu::SiluFunction;
use super::softplus::SoftplusFunction;
use super::tanh::TanhFunction;
use super::unary::{Function, SlopeOf};
use crate::device::cpu::Float;
use crate::device::cuda::{Arg, CudaDevice, Grid};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

macro_rules! activations {
    ($($(#[$doc:meta])* $variant:ident $name:literal $function:ty;)*) => {
        /// An element-wise activation that ops such as `linear` apply to their result in the same pass.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
        pub enum Activation {
            /// x: no activation.
            #[default]
            Linear,
            $($(#[$doc])* $variant,)*
        }

        impl Activation {
            /// Every activation.
            pub const ALL: &[Activation] = &[Activation::Linear, $(Activation::$variant),*];

            /// Keras's name.
            pub fn name(self) -> &'static str {
                match self {
                    Activation::Linear => "linear",
                    $(Activation::$variant => $name,)*
                }
            }

            /// Replaces each element by the activation of it.
            #[inline]
            pub(crate) fn cpu<T: Float>(self, x: &mut [T]) {
                match self {
                    Activation::Linear => {}
                    $(Activation::$variant => {
                        T::vectorize(#[inline(always)] || x.iter_mut().for_each(|x| *x = <$function>::value(*x)));
                    })*
                }
            }

            /// What the slope is computed from; `None` where it is 1.
            pub(crate) fn slope_of(self) -> Option<SlopeOf> {
                match self {
                    Activation::Linear => None,
                    $(Activation::$variant => Some(<$function>::SLOPE_OF),)*
                }
            }

            /// Launches the activation of each element of `from` into `to`, which may be the same memory.
            pub(crate) fn cuda(self, device: &CudaDevice, from: &Tensor, to: &Tensor) -> Result<()> {
                let kernel = match self {
                    Activation::Linear => return Ok(()),
                    $(Activation::$variant => <$function>::kernel(),)*
                };
                let n = from.shape().size();
                let args = [Arg::input(from)?, Arg::output(to)?, Arg::I64(n as i64)];
                device.launch(kernel, from.dtype(), Grid::elements(n), &args)
            }

            /// The activation of each element.
            pub fn call(self, x: &Tensor) -> Result<Tensor> {
                match self {
                    Activation::Linear => Ok(x.clone()),
                    $(Activation::$variant => super::unary::Unary::<$function>::of(x),)*
                }
            }

            /// `dy · f′`, from what [`Activation::slope_of`] names.
            pub(crate) fn grad(self, from: &Tensor, dy: &Tensor) -> Result<Tensor> {
                match self {
                    Activation::Linear => Ok(dy.clone()),
                    $(Activation::$variant => super::unary::UnaryGrad::<$function>::of(from, dy),)*
                }
            }
        }
    };
}

activations! {
    /// max(x, 0).
    Relu "relu" ReluFunction;
    /// 1 / (1 + e⁻ˣ).
    Sigmoid "sigmoid" SigmoidFunction;
    /// tanh x.
    Tanh "tanh" TanhFunction;
    /// x Φ(x), exactly.
    Gelu "gelu" GeluFunction;
    /// x / (1 + e⁻ˣ).
    Silu "silu" SiluFunction;
    /// x above 0, else eˣ − 1.
    Elu "elu" EluFunction;
    /// ln(1 + eˣ).
    Softplus "softplus" SoftplusFunction;
}

impl Activation {
    /// The activation that Keras calls `name`.
    ///
    /// # Errors
    /// A name that is not in the list.
    pub fn from_name(name: &str) -> Result<Activation> {
        Activation::ALL.iter().copied().find(|a| a.name() == name).ok_or_else(|| {
            let known: Vec<_> = Activation::ALL.iter().map(|a| a.name()).collect();
            Error::Config(format!("unknown activation `{name}`; known are {}", known.join(", ")))
        })
    }
}
