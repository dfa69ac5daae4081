//! The ops, one file each: meaning, shape rule, CPU, CUDA launch, backward, and what it is tested on.
//!
//! A new op is a file here, its kernels in `kernels/`, and one word in the list below, from which the conformance suite
//! takes its cases. A test compares the folder with the list.

mod activation;
mod binary;
mod channels;
mod copy;
mod fold;
mod index;
mod operators;
mod pool;
mod random;
mod reduce;
mod rows;
mod unary;
mod window;

pub use activation::Activation;
pub use affine_transform::FillMode;
pub use attention::Attend;
pub(crate) use index::whole;
pub use moving_statistics::moving_statistics;
pub use random::Generator;
pub use random_affine::Motion;
pub use recurrent::{Given, Pass, Weights, on_card};
pub(crate) use recurrent::{Gru, Lstm, ResetFirst, SimpleRnn};
pub use resize::Interpolation;
pub use window::{Padding, Slide, Window};

/// Lists the ops: `module: Op, Op, …`.
macro_rules! ops {
    ($($module:ident: $($op:ty),+;)*) => {
        $(mod $module;)*

        /// The modules that hold an op, for the test that compares them with the folder.
        pub const MODULES: &[&str] = &[$(stringify!($module)),*];

        /// Every op by its type, with its cases.
        pub fn all() -> Vec<(&'static str, Vec<crate::tensor::Case>)> {
            let mut all = vec![("Accumulate", <crate::autograd::Accumulate as crate::tensor::Op>::cases())];
            $({
                use $module::*;
                $(all.push((stringify!($op), <$op as crate::tensor::Op>::cases()));)+
            })*
            all
        }

        /// The cases of every op.
        pub fn cases() -> Vec<crate::tensor::Case> {
            all().into_iter().flat_map(|(_, cases)| cases).collect()
        }
    };
}

ops! {
    absolute: Absolute, AbsoluteGrad;
    add: Add;
    affine_transform: AffineTransform;
    argmax: Argmax;
    attention: Attention, AttentionGrad;
    average_pool: AveragePool, AveragePoolGrad;
    batch_norm: BatchNorm, BatchNormGrad;
    box_mask: BoxMask;
    broadcast_to: BroadcastTo;
    cast: Cast;
    clip: Clip;
    compare: Compare;
    concatenate: Concatenate;
    conv: Conv, ConvTranspose, ConvKernelGrad;
    cos: Cos, CosGrad;
    divide: Divide;
    dropout: Dropout;
    elu: Elu, EluGrad;
    exp: Exp, ExpGrad;
    gather: Gather, GatherGrad;
    gelu: Gelu, GeluGrad;
    gelu_tanh: GeluTanh, GeluTanhGrad;
    hard_shrink: HardShrink, HardShrinkGrad;
    hard_sigmoid: HardSigmoid, HardSigmoidGrad;
    hard_silu: HardSilu, HardSiluGrad;
    hard_tanh: HardTanh, HardTanhGrad;
    layer_norm: LayerNorm, LayerNormGrad;
    leaky_relu: LeakyRelu, LeakyReluGrad;
    linear: Linear;
    linear_cross_entropy: LinearCrossEntropy;
    log: Log, LogGrad;
    log_sigmoid: LogSigmoid, LogSigmoidGrad;
    log_softmax: LogSoftmax, LogSoftmaxGrad;
    matmul: Matmul;
    max: Max;
    max_pool: MaxPool, MaxPoolGrad;
    maximum: Maximum, MaximumSlope;
    mean: Mean;
    min: Min;
    minimum: Minimum;
    mish: Mish, MishGrad;
    moving_statistics: MovingStatistics;
    multiply: Multiply;
    normalize_channels: NormalizeChannels, NormalizeChannelsGrad;
    one_hot: OneHot;
    pad: Pad;
    power: Power, BaseSlope, ExponentSlope;
    random_affine: RandomAffine;
    random_beta: RandomBeta;
    random_normal: RandomNormal;
    random_permutation: RandomPermutation;
    random_truncated_normal: RandomTruncatedNormal;
    random_uniform: RandomUniform;
    rectify: Rectify, RectifyGrad;
    recurrent: Gru, GruGrad, Lstm, LstmGrad, ResetFirst, ResetFirstGrad, SimpleRnn, SimpleRnnGrad;
    relu: Relu, ReluGrad;
    relu6: Relu6, Relu6Grad;
    rescale: Rescale;
    reshape: Reshape;
    resize: Resize;
    rotate: Rotate;
    select: Select;
    selu: Selu, SeluGrad;
    sigmoid: Sigmoid, SigmoidGrad;
    sigmoid_cross_entropy: SigmoidCrossEntropy, SigmoidCrossEntropyGrad;
    silu: Silu, SiluGrad;
    sin: Sin, SinGrad;
    slice: Slice;
    soft_shrink: SoftShrink, SoftShrinkGrad;
    softmax: Softmax, SoftmaxGrad;
    softmax_cross_entropy: SoftmaxCrossEntropy, SoftmaxCrossEntropyGrad;
    softplus: Softplus, SoftplusGrad;
    softsign: Softsign, SoftsignGrad;
    sparse_plus: SparsePlus, SparsePlusGrad;
    sparse_sigmoid: SparseSigmoid, SparseSigmoidGrad;
    sparse_softmax_cross_entropy: SparseSoftmaxCrossEntropy, SparseSoftmaxCrossEntropyGrad;
    sparsemax: Sparsemax, SparsemaxGrad;
    sqrt: Sqrt, SqrtGrad;
    square: Square, SquareGrad;
    squareplus: Squareplus, SquareplusGrad;
    subtract: Subtract;
    sum: Sum;
    tanh: Tanh, TanhGrad;
    tanh_shrink: TanhShrink, TanhShrinkGrad;
    transpose: Transpose;
    tril: Tril;
}
