//! The layers, one file each: builder, shape rule, weights, call, Keras config.
//!
//! A new layer is a file here and one word in the list below. Names, arguments and defaults are Keras 3's.

mod activation_fn;
mod affine;
mod attend;
mod call;
mod config;
mod constant;
mod convolution;
mod encoding;
mod frame;
mod headed_attention;
mod heads;
mod image;
mod inner;
mod mask;
mod merge;
mod mixing;
mod moved;
mod parameter;
mod pooling;
mod positions;
mod recurrent;
mod recurrent_cell;
mod signature;
mod spatial;
mod spec;
mod steps;
mod symbol;
mod tone;
mod transformer;
mod traversal;
mod warp;
mod weighing;

pub use activation_fn::ActivationFn;
pub use attention::ScoreMode;
pub use bidirectional::Merge;
pub use call::{Call, Precision, Updates};
pub(crate) use call::{SetMasks, in_precision, output_masks};
pub use config::{Config, Read, object};
pub use constant::Constant;
pub use conv_lstm::ConvLSTM;
pub use convolution::{Convolution, Kind};
pub use cropping::Cropping;
pub use frame::Frame;
pub use headed_attention::HeadedAttention;
pub use image::Factor;
pub use inner::{Inner, ReadLayer};
pub use lambda::register_function;
pub(crate) use mask::check as check_mask;
pub use mask::{Mask, Masks};
pub use mixing::Mixing;
pub use parameter::Parameter;
pub use pooling::{GlobalPooling, Pool, Pooling};
pub use recurrent::Recurrent;
pub use recurrent_cell::{CellKind, Gated, Parts, RecurrentCell};
pub use rotary_embedding::RopeType;
pub use signature::{Argument, Signature};
pub use spatial::PerAxis;
pub use spec::Spec;
pub use steps::Steps;
pub(crate) use symbol::snake_case;
pub use symbol::{CallNode, Input, Inputs, LayerRef, Source, Symbol};
pub use traversal::{Traversal, Traverse};
pub use up_sampling::UpSampling;
pub use weighing::WeighingAttention;
pub use zero_padding::ZeroPadding;

use crate::constraints::Constraint;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::initializers::Initializer;
use crate::registry::{registered_name, registry};
use crate::regularizers::Regularizer;
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// A function of tensors with weights.
///
/// A layer is its arguments alone: the model holds the weights, so a layer is described by its config and called with
/// them.
pub trait Layer: fmt::Debug + Any + Send + Sync {
    /// Keras's class: `Dense`.
    fn class_name(&self) -> &'static str;

    /// The outputs' shapes and dtypes, and the place that rejects inputs.
    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>>;

    /// The weights for these inputs, in Keras's order.
    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>>;

    /// The outputs for the inputs, with the weights that `call` holds.
    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors>;

    /// The arguments, under Keras's names; what all layers have (name, dtype, trainable) is added around it.
    fn config(&self) -> Config;

    /// What training keeps for the backward beside the outputs, for the summary's memory.
    fn kept_spec(&self, _inputs: &[Spec]) -> Vec<Spec> {
        Vec::new()
    }

    /// The activation that the output went through last, so that a loss can be computed from what it was applied to.
    fn output_activation(&self) -> Option<ActivationFn> {
        None
    }

    /// The product that the output is, up to its activation, so that a loss can be computed from what is multiplied.
    fn head(&self) -> Option<Head> {
        None
    }

    /// Whether the layer computes in f32 under mixed precision.
    fn full_precision(&self) -> bool {
        false
    }

    /// Whether the layer knows what the masks of its inputs mean for it, as Keras's `supports_masking` says. One that does
    /// not destroys them, and [`Model::warnings`](crate::model::Model::warnings) say so.
    fn supports_masking(&self) -> bool {
        false
    }

    /// Where the mask of an output comes from, `masked` being which inputs have one. It is asked of a layer that
    /// [supports masking](Layer::supports_masking) alone; as in Keras, masks then pass through, each from the input to the
    /// output of its number.
    ///
    /// [`Call::mask`] has the masks themselves.
    fn compute_mask(&self, output: usize, masked: &[bool]) -> Mask {
        let _ = masked;
        Mask::Of(output)
    }

    /// The states of the cell of a recurrence for an input of one step, if the layer is one ([`RNN`]): it is called on the step and
    /// the states before it, and gives its output and the states after it.
    fn state_spec(&self, input: &Spec) -> Option<Vec<Spec>> {
        let _ = input;
        None
    }

    /// How the layer goes through a sequence, if it is one that [`Bidirectional`] can go with in both directions.
    fn recurrent(&self) -> Option<&dyn Traverse> {
        None
    }

    /// How Keras's `call` names what the layer is called on, and what the layer was told of it.
    fn signature(&self) -> Signature {
        Signature::PLAIN
    }

    /// The same layer, told so; `None` where there is nothing to tell.
    fn with_signature(&self, signature: Signature) -> Option<Arc<dyn Layer>> {
        let _ = signature;
        None
    }

    /// Whether the layer can be called on a few steps of a sequence at a time, with what [`Call::steps`] keeps of those before,
    /// and then gives what it gives for these steps of the whole: no step's output depends on one behind it. `grows` says which
    /// inputs come so; the others stay.
    ///
    /// Where all layers of a model say so, it writes sequences without going through the steps before again.
    fn stepwise(&self, grows: &[bool]) -> bool {
        let _ = grows;
        false
    }

    /// The layers that this one holds, which a model file writes with it.
    fn inner(&self) -> Vec<&Inner> {
        Vec::new()
    }

    /// Whether each sample's output depends on that sample alone and a call leaves nothing behind, so that samples can be called
    /// in any company. Where a layer does not say so, they are not.
    fn is_samplewise(&self, training: bool) -> bool {
        let _ = training;
        false
    }
}

/// A layer's output as a product of its first input, `x · kernel + bias`, by the places of its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The kernel, (features, classes).
    pub kernel: usize,
    /// Whether it stands transposed, (classes, features).
    pub transposed: bool,
    /// The bias, if there is one.
    pub bias: Option<usize>,
}

/// A weight that a layer asks for.
#[derive(Clone, Debug)]
pub struct WeightSpec {
    /// Keras's name: `kernel`.
    pub name: String,
    /// Its shape.
    pub shape: Shape,
    /// The type of its elements.
    pub dtype: DType,
    /// Its first values.
    pub initializer: Box<dyn Initializer>,
    /// Whether training changes it by gradients.
    pub trainable: bool,
    /// What training adds to the loss for it, if it is trainable.
    pub regularizer: Option<Box<dyn Regularizer>>,
    /// What it is held to after each step that changes it.
    pub constraint: Option<Box<dyn Constraint>>,
    /// Whether it is a state of samples that goes from batch to batch, in evaluations too, and not something learnt.
    pub state: bool,
}

impl WeightSpec {
    /// A trainable weight of f32.
    pub fn new(name: impl Into<String>, shape: Shape, initializer: Box<dyn Initializer>) -> WeightSpec {
        let (name, dtype, trainable) = (name.into(), DType::F32, true);
        WeightSpec { name, shape, dtype, initializer, trainable, regularizer: None, constraint: None, state: false }
    }

    /// The same, changed by the layer alone if at all.
    pub fn frozen(self) -> WeightSpec {
        WeightSpec { trainable: false, ..self }
    }
}

/// The one input of a layer that takes one.
fn one(inputs: &[Spec]) -> Result<&Spec> {
    match inputs {
        [x] if x.rank() == 0 => Err(Error::Input("expected an input with a batch axis, got shape ()".into())),
        [x] => Ok(x),
        _ => Err(Error::Input(format!("expected one input, got {}", inputs.len()))),
    }
}

/// The kinds of [`Convolution`], of [`Pooling`], of [`Recurrent`], of [`HeadedAttention`] and of
/// [`WeighingAttention`].
pub mod kinds {
    pub use super::additive_attention::Additive;
    pub use super::conv::Full;
    pub use super::conv_transpose::Transposed;
    pub use super::depthwise_conv::Depthwise;
    pub use super::group_query_attention::GroupQuery;
    pub use super::gru::Gru;
    pub use super::lstm::Lstm;
    pub use super::multi_head_attention::MultiHead;
    pub use super::pooling::{Average, Max};
    pub use super::separable_conv::Separable;
    pub use super::simple_rnn::Simple;
}

/// The dropout of [`SpatialDropout1D`] and its like.
pub use spatial_dropout::SpatialDropout;

/// The short names that Keras has for poolings.
pub mod short {
    pub use super::average_pooling::{AvgPool1D, AvgPool2D, AvgPool3D};
    pub use super::global_average_pooling::{GlobalAvgPool1D, GlobalAvgPool2D, GlobalAvgPool3D};
    pub use super::global_max_pooling::{GlobalMaxPool1D, GlobalMaxPool2D, GlobalMaxPool3D};
    pub use super::max_pooling::{MaxPool1D, MaxPool2D, MaxPool3D};
}

registry!(
    layers: "layer" in "keras.layers", Layer => LayerRef, |new| LayerRef::new(new);
    ///
    /// ```
    /// use uncrumple::layers::{self, Call, Config, Layer, Read, WeightSpec, object};
    /// use uncrumple::prelude::*;
    /// use uncrumple::{Shape, tensor::Tensors};
    ///
    /// /// power(x, exponent) · scale, with a scale for each feature.
    /// #[derive(Debug)]
    /// struct Power {
    ///     exponent: usize,
    /// }
    ///
    /// impl Power {
    ///     fn from_config(config: &Config) -> Result<Power> {
    ///         Ok(Power { exponent: config.size("exponent")? })
    ///     }
    /// }
    ///
    /// impl Layer for Power {
    ///     fn class_name(&self) -> &'static str {
    ///         "Power"
    ///     }
    ///
    ///     fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
    ///         Ok(inputs.to_vec())
    ///     }
    ///
    ///     fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
    ///         let features = Shape::new(&[inputs[0].known(-1)?])?;
    ///         Ok(vec![WeightSpec::new("scale", features, Box::new(Ones))])
    ///     }
    ///
    ///     fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
    ///         let mut y = call.weight(0)?;
    ///         for _ in 0..self.exponent {
    ///             y = y.mul(inputs[0])?;
    ///         }
    ///         Ok(Tensors::from_elem(y, 1))
    ///     }
    ///
    ///     fn config(&self) -> Config {
    ///         object(serde_json::json!({ "exponent": self.exponent }))
    ///     }
    /// }
    ///
    /// # fn main() -> Result<()> {
    /// layers::register("Custom>Power", Power::from_config)?;
    /// let model = Sequential::new([3]).add(Power { exponent: 2 }).add(Dense::new(1)).build()?;
    /// # let folder = tempfile::tempdir().map_err(|e| Error::Config(e.to_string()))?;
    /// # let path = folder.path().join("powers.keras");
    /// # let x = Tensor::from_slice(&[1f32, -2.0, 3.0], [1, 3])?;
    /// # model.save(&path)?;
    /// # assert_eq!(Model::load(&path)?.predict(&x)?.to_vec::<f32>()?, model.predict(&x)?.to_vec::<f32>()?);
    /// # if false {
    /// model.save("powers.keras")?; // Keras opens it where a class of its own is registered as `Custom>Power`.
    /// let again = Model::load("powers.keras")?;
    /// # }
    /// # Ok(())
    /// # }
    /// ```
);

/// The layer of a serialized form: its class and config with what all layers have. Whole models are read from files alone.
///
/// # Errors
/// Another form, and as [`from_config`].
pub fn deserialize(value: &serde_json::Value) -> Result<LayerRef> {
    use serde_json::Value;
    let class = registered_name(value).or_else(|| value.get("class_name").and_then(Value::as_str));
    let (Some(class), Some(config)) = (class, value.get("config").and_then(Value::as_object)) else {
        return Err(Error::Config("expected a layer with a class_name and a config".into()));
    };
    let layer = from_config(class, config)?.with_arguments(config, Precision::F32)?;
    let layer = layer.trainable(config.flag("trainable", true)?);
    Ok(match config.find("name").and_then(Value::as_str) {
        Some(name) => layer.named(name),
        None => layer,
    })
}

/// Keras's serialized form of a layer of this class.
pub(crate) fn serialized(class_name: &str, config: Config) -> serde_json::Value {
    let mut serialized = REGISTRY.serialized(class_name, config);
    if let Some(name) = PACKAGED.iter().find(|name| name.ends_with(&format!(">{class_name}"))) {
        // Where that package has it, so that Keras finds it by itself.
        let theirs = || format!("keras_hub.src.layers.modeling.{}", snake_case(class_name));
        serialized["module"] = name.starts_with("keras_hub>").then(theirs).into();
        serialized["registered_name"] = (*name).into();
    }
    serialized
}

/// The listed layers that Keras has in a package of its own or not at all, by the names under which they are registered.
const PACKAGED: [&str; 8] = [
    "keras_hub>PositionEmbedding",
    "keras_hub>RotaryEmbedding",
    "keras_hub>SinePositionEncoding",
    "keras_hub>TokenAndPositionEmbedding",
    "keras_hub>TransformerDecoder",
    "keras_hub>TransformerEncoder",
    "uncrumple>Sampling",
    "uncrumple>SinusoidalEmbedding",
];

/// Lists the layers: `module: Layer "alias" …, …;`, the other names that Keras has for the class; `over` stands behind those that
/// hold other layers.
macro_rules! layers {
    (@from $layer:ident $config:ident $read:ident) => {
        $layer::from_config($config)
    };
    (@from $layer:ident $config:ident $read:ident over) => {
        $layer::from_config($config, $read)
    };
    ($($module:ident: $($layer:ident $($over:ident)? $($alias:literal)*),+;)*) => {
        $(
            mod $module;
            $(pub use $module::$layer;)+
        )*
        $($(
            impl $layer {
                /// Calls the layer on symbols, which adds it to the graph that they grow.
                ///
                /// The call takes the layer: a clone of it that is called too is another layer, with weights of its
                /// own. One that is called several times with the same weights is made by `shared`:
                /// `let layer = Dense::new(8).shared();`, then `layer.call(&a)?` and `layer.call(&b)?`.
                ///
                /// # Errors
                /// Inputs that the layer cannot take, in Keras's words and with the layer's name.
                #[track_caller]
                pub fn call(self, inputs: impl Inputs) -> Result<Symbol> {
                    LayerRef::new(self).call(inputs)
                }

                /// The layer under a name of one's own.
                pub fn named(self, name: &str) -> LayerRef {
                    LayerRef::new(self).named(name)
                }

                /// The layer with a penalty on its outputs that training adds to the loss.
                pub fn activity_regularizer(self, regularizer: impl Regularizer) -> LayerRef {
                    LayerRef::new(self).activity_regularizer(regularizer)
                }

                /// The layer as a handle that can be called several times, with the same weights each time.
                pub fn shared(self) -> LayerRef {
                    LayerRef::new(self)
                }
            }
        )+)*

        /// Every layer, for the prelude.
        pub mod all {
            $($(pub use super::$module::$layer;)+)*
        }

        /// The modules that hold a layer, for the test that compares them with the folder.
        pub const MODULES: &[&str] = &[$(stringify!($module)),*];

        /// The classes that a model file can name.
        pub const CLASSES: &[&str] = &[$($(stringify!($layer)),+),*];

        /// The layer that a Keras config describes.
        ///
        /// # Errors
        /// A class or an argument that this engine does not know.
        pub fn from_config(class_name: &str, config: &Config) -> Result<LayerRef> {
            from_config_with(class_name, config, &mut deserialize)
        }

        /// The same, where `read` reads the layers that the config holds.
        ///
        /// # Errors
        /// As [`from_config`], and what `read` answers.
        pub fn from_config_with(class_name: &str, config: &Config, read: &mut ReadLayer) -> Result<LayerRef> {
            match class_name {
                $($(stringify!($layer) $(| $alias)* => {
                    Ok(LayerRef::new(layers!(@from $layer config read $($over)?)?))
                })+)*
                _ => REGISTRY.make(class_name, config),
            }
        }
    };
}

layers! {
    activation: Activation;
    activity_regularization: ActivityRegularization;
    add: Add;
    additive_attention: AdditiveAttention;
    alpha_dropout: AlphaDropout;
    attention: Attention;
    average: Average;
    average_pooling: AveragePooling1D "AvgPool1D", AveragePooling2D "AvgPool2D", AveragePooling3D "AvgPool3D";
    batch_normalization: BatchNormalization;
    bidirectional: Bidirectional over;
    category_encoding: CategoryEncoding;
    center_crop: CenterCrop;
    concatenate: Concatenate;
    conv: Conv1D "Convolution1D", Conv2D "Convolution2D", Conv3D "Convolution3D";
    conv_lstm: ConvLSTM1D, ConvLSTM2D, ConvLSTM3D;
    conv_transpose: Conv1DTranspose "Convolution1DTranspose", Conv2DTranspose "Convolution2DTranspose",
        Conv3DTranspose "Convolution3DTranspose";
    cropping: Cropping1D, Cropping2D, Cropping3D;
    cut_mix: CutMix;
    dense: Dense;
    depthwise_conv: DepthwiseConv1D, DepthwiseConv2D;
    discretization: Discretization;
    dot: Dot;
    dropout: Dropout;
    einsum_dense: EinsumDense;
    elu: ELU;
    embedding: Embedding;
    flatten: Flatten;
    gaussian_dropout: GaussianDropout;
    gaussian_noise: GaussianNoise;
    global_average_pooling: GlobalAveragePooling1D "GlobalAvgPool1D", GlobalAveragePooling2D "GlobalAvgPool2D",
        GlobalAveragePooling3D "GlobalAvgPool3D";
    global_max_pooling: GlobalMaxPooling1D "GlobalMaxPool1D", GlobalMaxPooling2D "GlobalMaxPool2D",
        GlobalMaxPooling3D "GlobalMaxPool3D";
    group_normalization: GroupNormalization;
    group_query_attention: GroupQueryAttention "GroupedQueryAttention";
    gru: GRU, GRUCell;
    lambda: Lambda;
    layer_normalization: LayerNormalization;
    leaky_relu: LeakyReLU;
    lstm: LSTM, LSTMCell;
    masking: Masking;
    max_pooling: MaxPooling1D "MaxPool1D", MaxPooling2D "MaxPool2D", MaxPooling3D "MaxPool3D";
    maximum: Maximum;
    minimum: Minimum;
    mix_up: MixUp;
    multi_head_attention: MultiHeadAttention;
    multiply: Multiply;
    normalization: Normalization;
    permute: Permute;
    position_embedding: PositionEmbedding "keras_hub>PositionEmbedding" "keras_nlp>PositionEmbedding";
    prelu: PReLU;
    random_brightness: RandomBrightness;
    random_contrast: RandomContrast;
    random_crop: RandomCrop;
    random_erasing: RandomErasing;
    random_flip: RandomFlip;
    random_rotation: RandomRotation;
    random_translation: RandomTranslation;
    random_zoom: RandomZoom;
    relu: ReLU;
    repeat_vector: RepeatVector;
    rescaling: Rescaling;
    reshape: Reshape;
    resizing: Resizing;
    reversible_embedding: ReversibleEmbedding "keras_hub>ReversibleEmbedding" "keras_nlp>ReversibleEmbedding";
    rms_normalization: RMSNormalization;
    rnn: RNN over;
    rotary_embedding: RotaryEmbedding "keras_hub>RotaryEmbedding" "keras_nlp>RotaryEmbedding";
    sampling: Sampling "uncrumple>Sampling";
    separable_conv: SeparableConv1D "SeparableConvolution1D", SeparableConv2D "SeparableConvolution2D";
    simple_rnn: SimpleRNN, SimpleRNNCell;
    sine_position_encoding: SinePositionEncoding "keras_hub>SinePositionEncoding" "keras_nlp>SinePositionEncoding";
    sinusoidal_embedding: SinusoidalEmbedding "uncrumple>SinusoidalEmbedding";
    softmax: Softmax;
    spatial_dropout: SpatialDropout1D, SpatialDropout2D, SpatialDropout3D;
    stacked_rnn_cells: StackedRNNCells over;
    subtract: Subtract;
    time_distributed: TimeDistributed over;
    token_and_position_embedding: TokenAndPositionEmbedding "keras_hub>TokenAndPositionEmbedding" "keras_nlp>TokenAndPositionEmbedding";
    transformer_decoder: TransformerDecoder "keras_hub>TransformerDecoder" "keras_nlp>TransformerDecoder";
    transformer_encoder: TransformerEncoder "keras_hub>TransformerEncoder" "keras_nlp>TransformerEncoder";
    unit_normalization: UnitNormalization;
    up_sampling: UpSampling1D, UpSampling2D, UpSampling3D;
    zero_padding: ZeroPadding1D, ZeroPadding2D, ZeroPadding3D;
}
