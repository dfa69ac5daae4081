//! Batch normalisation.

use super::affine::{Affine, affine_setters};
use super::moved::Moved;
use super::{Call, Config, Layer, Read, Spec, WeightSpec, layer_normalization, mask, object, one};
use crate::axes::Axes;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::initializers::{Initializer, Ones, Zeros};
use crate::ops::moving_statistics;
use crate::shape::{MAX_RANK, Shape};
use crate::tensor::{Tensor, Tensors};
use serde_json::json;
use smallvec::SmallVec;

/// gamma · (x − mean) / √(variance + epsilon) + beta, for each place along `axis`
/// ([Keras](https://keras.io/api/layers/normalization_layers/batch_normalization/),
/// [paper](https://arxiv.org/abs/1502.03167)).
///
/// In training, mean and variance (of the population) are those of the batch over all other axes, and the moving ones follow:
/// moving · momentum + batch · (1 − momentum). At other times the moving ones are used, and also in training where the layer
/// is not trainable. A layer that is called twice in a step takes both batches into its moving statistics, as in Keras.
///
/// Input `(batch, …)` of a floating-point dtype, output of the same shape and dtype. Weights, of the extent of `axis`: `gamma`
/// if `scale`, `beta` if `center`, and `moving_mean` and `moving_variance`, which gradients do not change. Defaults: the last
/// axis, momentum 0.99, epsilon 1e-3, gamma ones, beta zeros, moving mean zeros, moving variance ones. Under mixed precision it
/// takes and gives halves, and computes in f32.
///
/// With a mask, of one axis less than the input, the batch's mean and variance are those of the elements that count, divided by
/// their number + 1e-7 as in Keras.
#[derive(Clone, Debug)]
pub struct BatchNormalization {
    axis: isize,
    momentum: f64,
    affine: Affine,
    moving_mean: Box<dyn Initializer>,
    moving_variance: Box<dyn Initializer>,
}

impl Default for BatchNormalization {
    fn default() -> Self {
        BatchNormalization::new()
    }
}

impl BatchNormalization {
    /// Normalisation of each place of the last axis.
    pub fn new() -> BatchNormalization {
        BatchNormalization {
            axis: -1,
            momentum: 0.99,
            affine: Affine::new(),
            moving_mean: Box::new(Zeros),
            moving_variance: Box::new(Ones),
        }
    }

    /// The axis whose places are normalised each by itself: that of the channels; by default the last.
    pub fn axis(mut self, axis: isize) -> Self {
        self.axis = axis;
        self
    }

    /// How much of the moving statistics stays in a step, from 0 to 1; by default 0.99.
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        self
    }

    affine_setters!(affine);

    /// The moving mean's first values; by default zeros.
    pub fn moving_mean_initializer(mut self, initializer: impl Initializer) -> Self {
        self.moving_mean = Box::new(initializer);
        self
    }

    /// The moving variance's first values; by default ones.
    pub fn moving_variance_initializer(mut self, initializer: impl Initializer) -> Self {
        self.moving_variance = Box::new(initializer);
        self
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<BatchNormalization> {
        config.refuse(&["synchronized", "renorm"])?;
        let [axis] = *Axes::read(config.get("axis"), "axis", -1)?.list() else {
            return Err(Error::Config("argument `axis`: expected one axis, got several".into()));
        };
        Ok(BatchNormalization {
            axis,
            momentum: config.number("momentum", 0.99)?,
            affine: Affine::read(config)?,
            moving_mean: config.initializer("moving_mean_initializer", "Zeros")?,
            moving_variance: config.initializer("moving_variance_initializer", "Ones")?,
        })
    }
}

/// What Keras adds to the number of elements that count before it divides by it.
const NONE: f64 = 1e-7;

/// Mean and variance over all axes but the last of the elements that count.
fn masked_moments(x: &Tensor, mask: &Tensor) -> Result<[Tensor; 2]> {
    let x = &if matches!(x.dtype(), DType::F16 | DType::BF16) { x.cast(DType::F32)? } else { x.clone() };
    let (zero, channels) = (Tensor::zeros(&x.device(), (), x.dtype())?, x.shape().last());
    let axes: SmallVec<[isize; MAX_RANK]> = (0..x.shape().rank() as isize - 1).collect();
    let count = mask.cast(x.dtype())?.sum(&axes, false)?.add_scalar(NONE)?;
    let mean_of = |x: &Tensor| mask.select(x, &zero)?.sum(&axes, false)?.div(&count)?.reshape([channels]);
    let mean = mean_of(x)?;
    let variance = mean_of(&x.sub(&mean)?.square()?)?;
    Ok([mean, variance])
}

impl Layer for BatchNormalization {
    fn class_name(&self) -> &'static str {
        "BatchNormalization"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        if !(0.0..=1.0).contains(&self.momentum) {
            let message = format!("argument `momentum`: expected a number in [0, 1], got {}", self.momentum);
            return Err(Error::Config(message));
        }
        layer_normalization::check(inputs, &self.axis.into(), self.affine.epsilon)
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        let shape = Shape::new(&[one(inputs)?.known(self.axis)?])?;
        let moving = [("moving_mean", &self.moving_mean), ("moving_variance", &self.moving_variance)];
        let moving = moving.map(|(name, initializer)| Ok(WeightSpec::new(name, shape, initializer.clone()).frozen()));
        self.affine.weights(shape)?.into_iter().map(Ok).chain(moving).collect()
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        // The last axis stays where it is.
        let last = inputs[0].shape().axis(self.axis, "axis")? + 1 == inputs[0].shape().rank();
        let moved = if last { None } else { Some(Moved::new(inputs[0], &[self.axis])?) };
        let x = moved.as_ref().map_or_else(|| Ok(inputs[0].clone()), |moved| moved.rows(inputs[0]))?;
        let (place, epsilon) = (self.affine.count(), self.affine.epsilon);
        let (mean, variance) = (call.latest(place)?, call.latest(place + 1)?);
        let [gamma, beta] = self.affine.places().map(|i| i.map(|i| call.raw_weight(i).cloned()).transpose());
        let (gamma, beta) = (gamma?, beta?);
        let (gamma, beta) = (gamma.as_ref(), beta.as_ref());
        if let Some(mask) = call.mask(0).filter(|mask| mask.shape().rank() + 1 != inputs[0].shape().rank()) {
            let (x, mask) = (inputs[0].shape(), mask.shape());
            return Err(Error::Input(format!("expected a mask of one axis less than the input's {x}, got {mask}")));
        }
        let y = if call.training() && call.trainable() {
            let (y, [batch_mean, batch_variance]) = match call.mask(0) {
                None => x.batch_norm(gamma, beta, epsilon)?,
                Some(mask) => {
                    let mut mask = mask::beside(mask, inputs[0].shape().rank())?;
                    if let Some(moved) = &moved {
                        mask = moved.rows(&mask.broadcast_to(inputs[0].shape())?)?;
                    }
                    let [mean, variance] = masked_moments(&x, &mask)?;
                    (x.normalize_channels(&mean, &variance, gamma, beta, epsilon)?, [mean.detach(), variance.detach()])
                }
            };
            // An empty batch says nothing.
            if x.shape().size() > 0 {
                let of_batch = [&batch_mean, &batch_variance];
                let [mean, variance] = moving_statistics([&mean, &variance], of_batch, self.momentum)?;
                call.update(place, mean);
                call.update(place + 1, variance);
            }
            y
        } else {
            x.normalize_channels(&mean, &variance, gamma, beta, epsilon)?
        };
        Ok(Tensors::from_elem(moved.map_or_else(|| Ok(y.clone()), |moved| moved.back(&y))?, 1))
    }

    fn config(&self) -> Config {
        let mut config = object(json!({
            "axis": self.axis,
            "momentum": self.momentum,
            "moving_mean_initializer": self.moving_mean.serialized(),
            "moving_variance_initializer": self.moving_variance.serialized(),
            "synchronized": false,
            "renorm": false,
            "renorm_clipping": null,
            "renorm_momentum": 0.99,
        }));
        self.affine.write(&mut config);
        config
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn is_samplewise(&self, training: bool) -> bool {
        !training
    }
}
