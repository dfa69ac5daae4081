//! What a layer works with when it is called on data.

use super::{Layer, Mask, Masks, Steps};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::ops::Generator;
use crate::regularizers::Regularizer;
use crate::tensor::Tensor;
use serde_json::Value;
use smallvec::SmallVec;

/// What a run of layers leaves beside its outputs.
#[derive(Debug, Default)]
pub struct Updates {
    /// New values of weights that a layer changes by itself, such as running statistics: the weight's number and its
    /// value.
    pub values: SmallVec<[(usize, Tensor); 4]>,
    /// Penalties on activations, to be added to the loss; `None` where there is no loss.
    pub losses: Option<SmallVec<[Tensor; 2]>>,
}

impl Updates {
    /// Without penalties, for a prediction.
    pub fn new() -> Updates {
        Updates::default()
    }

    /// The same with penalties, for a loss.
    pub fn with_losses(self) -> Updates {
        Updates { losses: Some(SmallVec::new()), ..self }
    }

    /// Adds a penalty on a tensor, divided by its batch and in f32 at least, if there is a loss.
    pub(crate) fn penalize(&mut self, regularizer: &dyn Regularizer, x: &Tensor) -> Result<()> {
        if let Some(losses) = &mut self.losses {
            let half = matches!(x.dtype(), DType::F16 | DType::BF16);
            let penalty = regularizer.penalty(&if half { x.cast(DType::F32)? } else { x.clone() })?;
            let batch = x.shape().first().map_or(1, |&n| n.max(1));
            losses.push(penalty.mul_scalar(1.0 / batch as f64)?);
        }
        Ok(())
    }
}

/// What layers compute in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// f32 throughout.
    #[default]
    F32,
    /// f32 weights, bf16 products and activations; norms, softmax and losses in f32 (Micikevicius et al., 2017).
    MixedBf16,
    /// The same with f16. Training needs an optimizer with a `loss_scale_factor`, without which `compile` refuses it.
    MixedF16,
}

impl Precision {
    /// The dtype of activations.
    pub fn compute_dtype(self) -> DType {
        match self {
            Precision::F32 => DType::F32,
            Precision::MixedBf16 => DType::BF16,
            Precision::MixedF16 => DType::F16,
        }
    }

    /// That of which the activations have this dtype.
    pub(crate) fn of(compute: DType) -> Precision {
        match compute {
            DType::BF16 => Precision::MixedBf16,
            DType::F16 => Precision::MixedF16,
            _ => Precision::F32,
        }
    }

    /// The policy that a layer's `dtype` in a config stands for, f32 where there is none.
    pub(crate) fn read(dtype: Option<&Value>) -> Result<Precision> {
        let name = match dtype {
            None => Some("float32"),
            Some(Value::String(name)) => Some(name.as_str()),
            Some(object) => object.get("config").and_then(|c| c.get("name")).and_then(Value::as_str),
        };
        let known = [Precision::F32, Precision::MixedBf16, Precision::MixedF16];
        known.into_iter().find(|p| Some(p.name()) == name).ok_or_else(|| {
            let got: String = dtype.map(Value::to_string).unwrap_or_default().chars().take(80).collect();
            Error::Config(format!("argument `dtype`: expected float32, mixed_bfloat16 or mixed_float16, got {got}"))
        })
    }

    /// Keras's serialized form of the policy.
    pub(crate) fn serialized(self) -> Value {
        crate::files::keras::object::policy(self.name())
    }

    /// Keras's name of the policy: `mixed_bfloat16`.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "float32",
            Precision::MixedBf16 => "mixed_bfloat16",
            Precision::MixedF16 => "mixed_float16",
        }
    }
}

/// An input of a layer that computes in `compute`: floating-point numbers but float64 in that dtype.
pub(crate) fn in_precision(x: &Tensor, compute: DType) -> Result<Tensor> {
    let recast = x.dtype().is_float() && x.dtype() != compute && x.dtype() != DType::F64;
    if recast { x.cast(compute) } else { Ok(x.clone()) }
}

/// A layer's weights and the circumstances of the call.
pub struct Call<'a> {
    pub(crate) weights: &'a [Tensor],
    pub(crate) first_weight: usize,
    pub(crate) training: bool,
    pub(crate) trainable: bool,
    pub(crate) logits: bool,
    pub(crate) compute: DType,
    pub(crate) generator: Option<&'a Generator>,
    pub(crate) updates: &'a mut Updates,
    pub(crate) masks: &'a [Option<Tensor>],
    pub(crate) set: SetMasks,
    pub(crate) steps: Option<&'a Steps>,
}

/// The masks that a call gave its outputs, or said that they have none: the output's number and its mask.
pub(crate) type SetMasks = SmallVec<[(usize, Option<Tensor>); 1]>;

/// The masks of a layer's outputs: those that its call set, else where the layer says that they come from.
pub(crate) fn output_masks(layer: &dyn Layer, given: &[Option<Tensor>], mut set: SetMasks, outputs: usize) -> Masks {
    if given.iter().all(Option::is_none) && set.is_empty() {
        return Masks::new();
    }
    let masked: SmallVec<[bool; 4]> = given.iter().map(Option::is_some).collect();
    let passed = |output| match layer.compute_mask(output, &masked) {
        Mask::Of(input) => given.get(input).cloned().flatten(),
        Mask::None | Mask::Set => None,
    };
    let mask = |output| match set.iter_mut().find(|(at, _)| *at == output) {
        Some((_, mask)) => mask.take(),
        None if layer.supports_masking() => passed(output),
        None => None,
    };
    (0..outputs).map(mask).collect()
}

impl<'a> Call<'a> {
    /// What the call keeps of the steps before, where a sequence comes a few steps at a time.
    pub fn steps(&self) -> Option<&'a Steps> {
        self.steps
    }

    /// How many steps of the sequence were before those that the layer is called on.
    pub fn first_step(&self) -> usize {
        self.steps.map_or(0, Steps::first)
    }

    /// A weight by its place in the layer's list, in the dtype that the layer computes in.
    pub fn weight(&self, i: usize) -> Result<Tensor> {
        let weight = self.raw_weight(i)?;
        if weight.dtype() == DType::F32 && self.compute != DType::F32 {
            weight.cast(self.compute)
        } else {
            Ok(weight.clone())
        }
    }

    /// A weight as it is stored.
    pub fn raw_weight(&self, i: usize) -> Result<&Tensor> {
        self.weights.get(i).ok_or_else(|| Error::Internal(format!("the layer has no weight {i}")))
    }

    /// A weight as it is stored or, where an earlier call of the run has set it, with the value that it will have.
    pub fn latest(&self, i: usize) -> Result<Tensor> {
        let place = self.first_weight + i;
        let set = self.updates.values.iter().rev().find(|(at, _)| *at == place);
        set.map_or_else(|| self.raw_weight(i).cloned(), |(_, value)| Ok(value.clone()))
    }

    /// Whether the call is part of training, where dropout drops and statistics follow the batch.
    pub fn training(&self) -> bool {
        self.training
    }

    /// Whether training may change the layer: it and all models that it is a part of are trainable. Where it may not, running
    /// statistics stay as they are.
    pub fn trainable(&self) -> bool {
        self.trainable
    }

    /// Whether the output is wanted before its last activation, for a loss that is computed from logits.
    pub fn wants_logits(&self) -> bool {
        self.logits
    }

    /// The dtype that the layer computes in.
    pub fn compute_dtype(&self) -> DType {
        self.compute
    }

    /// An input as it is if it is floating-point, else converted to the dtype that the layer computes in.
    pub fn float(&self, x: &Tensor) -> Result<Tensor> {
        if x.dtype().is_float() { Ok(x.clone()) } else { x.cast(self.compute) }
    }

    /// The mask of an input: `bool`, true where an element counts, of a shape that the input's begins with, most often
    /// `(batch, steps)`. `None` where the input has none.
    pub fn mask(&self, input: usize) -> Option<&Tensor> {
        self.masks.get(input)?.as_ref()
    }

    /// Gives an output a mask, or none, whatever [`Layer::compute_mask`] says.
    pub fn set_mask(&mut self, output: usize, mask: Option<Tensor>) {
        self.set.push((output, mask));
    }

    /// The random numbers of this step.
    pub fn generator(&self) -> Result<&Generator> {
        self.generator
            .ok_or_else(|| Error::Config("random layers need a generator: call the model by a trainer".into()))
    }

    /// In training x with a fraction of its elements dropped, and the others scaled up; at other times x.
    pub(super) fn dropout(&self, x: &Tensor, rate: f64) -> Result<Tensor> {
        match rate {
            _ if !self.training || rate == 0.0 => Ok(x.clone()),
            // Nothing is drawn, nor scaled by 1 / 0; what comes before still has a gradient, 0.
            1.0 => x.mul_scalar(0.0),
            _ => x.dropout(rate, self.generator()?),
        }
    }

    /// Sets a weight to `value` once the step is done.
    pub fn update(&mut self, i: usize, value: Tensor) {
        self.updates.values.push((self.first_weight + i, value));
    }

    /// Adds the penalty of a regularizer on a tensor, divided by its batch, to the loss, if there is one.
    ///
    /// # Errors
    /// A tensor that the regularizer cannot take.
    pub fn penalize(&mut self, regularizer: &dyn Regularizer, x: &Tensor) -> Result<()> {
        self.updates.penalize(regularizer, x)
    }
}
