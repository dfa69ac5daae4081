//! The activations by name.

use super::elu::EluFunction;
use super::exp::ExpFunction;
use super::gelu::GeluFunction;
use super::gelu_tanh::GeluTanhFunction;
use super::hard_shrink::HardShrinkFunction;
use super::hard_sigmoid::HardSigmoidFunction;
use super::hard_silu::HardSiluFunction;
use super::hard_tanh::HardTanhFunction;
use super::leaky_relu::LeakyReluFunction;
use super::log_sigmoid::LogSigmoidFunction;
use super::mish::MishFunction;
use super::relu::ReluFunction;
use super::relu6::Relu6Function;
use super::selu::SeluFunction;
use super::sigmoid::SigmoidFunction;
use super::silu::SiluFunction;
use super::soft_shrink::SoftShrinkFunction;
use super::softplus::SoftplusFunction;
use super::softsign::SoftsignFunction;
use super::sparse_plus::SparsePlusFunction;
use super::sparse_sigmoid::SparseSigmoidFunction;
use super::squareplus::SquareplusFunction;
use super::tanh::TanhFunction;
use super::tanh_shrink::TanhShrinkFunction;
use super::unary::{Function, SlopeOf};
use crate::device::cpu::{Float, threads};
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

            /// What runs on each piece of a row, or on whole rows, that a product has finished: the bias of their columns is
            /// added, if there is one, then the activation replaces them.
            pub(crate) fn after<T: Float>(self, bias: Option<&[T]>) -> impl Fn(usize, usize, &mut [T]) + Sync {
                move |_, column, piece| {
                    if let Some(bias) = bias {
                        T::vectorize(#[inline(always)] || {
                            for row in piece.chunks_mut(bias.len().max(1)) {
                                row.iter_mut().zip(&bias[column..]).for_each(|(x, &b)| *x += b);
                            }
                        });
                    }
                    self.cpu(piece);
                }
            }

            /// Multiplies each of `dy` by the slope, from what [`Activation::slope_of`] names.
            pub(crate) fn cpu_slope<T: Float>(self, from: &[T], dy: &mut [T]) {
                match self {
                    Activation::Linear => {}
                    $(Activation::$variant => {
                        T::vectorize(#[inline(always)] || {
                            dy.iter_mut().zip(from).for_each(|(dy, &from)| *dy = *dy * <$function>::slope(from));
                        });
                    })*
                }
            }

            /// The activation of each element of `from`, over the threads.
            pub(crate) fn cpu_from<T: Float>(self, from: &[T], to: &mut [T]) {
                threads::split_rows(to, 1, 1 << 14, |start, to| {
                    to.copy_from_slice(&from[start..start + to.len()]);
                    self.cpu(to);
                });
            }

            /// What the slope is computed from; `None` where it is 1.
            pub(crate) fn slope_of(self) -> Option<SlopeOf> {
                match self {
                    Activation::Linear => None,
                    $(Activation::$variant => Some(<$function>::SLOPE_OF),)*
                }
            }

            /// Which of the argument and the value the slope is computed from.
            pub(crate) fn slope_source<'a, T>(self, argument: &'a [T], value: &'a [T]) -> &'a [T] {
                if self.slope_of() == Some(SlopeOf::Input) { argument } else { value }
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
    /// ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))), under KerasHub's name.
    GeluTanh "gelu_approximate" GeluTanhFunction;
    /// x / (1 + e⁻ˣ).
    Silu "silu" SiluFunction;
    /// x above 0, else eˣ − 1.
    Elu "elu" EluFunction;
    /// ln(1 + eˣ).
    Softplus "softplus" SoftplusFunction;
    /// x above 0, else eˣ − 1: with its default α Keras's celu is elu.
    Celu "celu" EluFunction;
    /// eˣ.
    Exponential "exponential" ExpFunction;
    /// 0 within ±½, else x.
    HardShrink "hard_shrink" HardShrinkFunction;
    /// min(max(x/6 + ½, 0), 1).
    HardSigmoid "hard_sigmoid" HardSigmoidFunction;
    /// x · min(max(x/6 + ½, 0), 1).
    HardSilu "hard_silu" HardSiluFunction;
    /// min(max(x, −1), 1).
    HardTanh "hard_tanh" HardTanhFunction;
    /// x from 0 on, else 0.2 x.
    LeakyRelu "leaky_relu" LeakyReluFunction;
    /// ln(1 / (1 + e⁻ˣ)).
    LogSigmoid "log_sigmoid" LogSigmoidFunction;
    /// x tanh(ln(1 + eˣ)).
    Mish "mish" MishFunction;
    /// min(max(x, 0), 6).
    Relu6 "relu6" Relu6Function;
    /// λ x above 0, else λ α (eˣ − 1).
    Selu "selu" SeluFunction;
    /// x brought nearer to 0 by ½, and 0 within ±½.
    SoftShrink "soft_shrink" SoftShrinkFunction;
    /// x / (1 + |x|).
    Softsign "softsign" SoftsignFunction;
    /// 0 up to −1, x from 1 on, (x + 1)² / 4 between.
    SparsePlus "sparse_plus" SparsePlusFunction;
    /// min(max((x + 1) / 2, 0), 1).
    SparseSigmoid "sparse_sigmoid" SparseSigmoidFunction;
    /// (x + √(x² + 4)) / 2.
    Squareplus "squareplus" SquareplusFunction;
    /// x − tanh x.
    TanhShrink "tanh_shrink" TanhShrinkFunction;
}

impl Activation {
    /// The activation that Keras calls `name`, if it is an element-wise one.
    pub fn from_name(name: &str) -> Option<Activation> {
        Activation::ALL.iter().copied().find(|a| a.name() == name)
    }
}

impl Tensor {
    /// The first half along `axis` times the sigmoid of the second: the gated linear unit
    /// ([Keras](https://keras.io/api/layers/activations/#glu-function), [paper](https://arxiv.org/abs/1612.08083)).
    ///
    /// # Errors
    /// An axis that the tensor does not have, or of an odd extent; a dtype that is no float.
    pub fn glu(&self, axis: isize) -> Result<Tensor> {
        let shape = self.shape();
        let extent = shape[shape.axis(axis, "glu")?];
        if extent % 2 == 1 {
            return Err(Error::shape("glu", format!("expected an even extent of axis {axis}, got shape {shape}")));
        }
        self.slice(axis, 0..extent / 2)?.mul(&self.slice(axis, extent / 2..extent)?.sigmoid()?)
    }

    /// x where it is above `threshold`, else `value`, element by element
    /// ([Keras](https://keras.io/api/layers/activations/#threshold-function)). NaN becomes `value`.
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn threshold(&self, threshold: f64, value: f64) -> Result<Tensor> {
        let number = |value| Tensor::full(&self.device(), (), self.dtype(), value);
        self.greater(&number(threshold)?)?.select(self, &number(value)?)
    }

    /// max(x, 0) + min(α (e^(x/α) − 1), 0), element by element: elu with a slope of 1 at 0 for any α
    /// ([Keras](https://keras.io/api/layers/activations/#celu-function), [paper](https://arxiv.org/abs/1704.07483)).
    ///
    /// # Errors
    /// A dtype that is no float, an α that is not positive.
    pub fn celu(&self, alpha: f64) -> Result<Tensor> {
        if !(alpha > 0.0 && alpha.is_finite()) {
            return Err(Error::Config(format!("celu: expected a positive alpha, got {alpha}")));
        }
        self.mul_scalar(1.0 / alpha)?.elu()?.mul_scalar(alpha)
    }
}
