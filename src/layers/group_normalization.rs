//! Group normalisation.

use super::affine::{Affine, affine_setters};
use super::moved::Moved;
use super::{Call, Config, Layer, Read, Spec, WeightSpec, layer_normalization, object, one};
use crate::axes::Axes;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// gamma · (x − mean) / √(variance + epsilon) + beta, with the mean and variance of each sample over groups of neighbouring
/// channels and all other axes
/// ([Keras](https://keras.io/api/layers/normalization_layers/group_normalization/),
/// [paper](https://arxiv.org/abs/1803.08494)).
///
/// Input `(batch, …)` of a floating-point dtype, output of the same shape. Weights, of the extent of `axis`: `gamma` if `scale`,
/// `beta` if `center`. Defaults: 32 groups, the last axis, epsilon 1e-3, both weights, gamma ones and beta zeros. It computes in
/// f32 under mixed precision.
#[derive(Clone, Debug)]
pub struct GroupNormalization {
    groups: i64,
    axis: isize,
    affine: Affine,
}

impl Default for GroupNormalization {
    fn default() -> Self {
        GroupNormalization::new(32)
    }
}

impl GroupNormalization {
    /// Normalisation over `groups` groups of the channels, whose number they divide; −1 stands for a group for each channel,
    /// which is called instance normalisation.
    pub fn new(groups: i64) -> GroupNormalization {
        GroupNormalization { groups, axis: -1, affine: Affine::new() }
    }

    /// The axis of the channels; by default the last.
    pub fn axis(mut self, axis: isize) -> Self {
        self.axis = axis;
        self
    }

    affine_setters!(affine);

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<GroupNormalization> {
        let one = |name, default| -> Result<i64> {
            match config.integers(name)?.as_deref() {
                None => Ok(default),
                Some(&[one]) => Ok(one),
                Some(list) => Err(Error::Config(format!("argument `{name}`: expected one number, got {list:?}"))),
            }
        };
        Ok(GroupNormalization {
            axis: one("axis", -1)? as isize,
            affine: Affine::read(config)?,
            ..GroupNormalization::new(one("groups", 32)?)
        })
    }

    /// How many groups there are of so many channels.
    fn groups(&self, channels: usize) -> Result<usize> {
        let groups = if self.groups == -1 { channels } else { usize::try_from(self.groups).unwrap_or(0) };
        if groups == 0 {
            let message = format!("expected a positive integer, or -1 for instance normalization, got {}", self.groups);
            return Err(Error::Config(format!("argument `groups`: {message}")));
        }
        if !channels.is_multiple_of(groups) {
            let message = format!("expected a number that divides the {channels} channels, got {groups}");
            return Err(Error::Config(format!("argument `groups`: {message}")));
        }
        Ok(groups)
    }
}

impl Layer for GroupNormalization {
    fn class_name(&self) -> &'static str {
        "GroupNormalization"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let outputs = layer_normalization::check(inputs, &Axes::from(self.axis), self.affine.epsilon)?;
        self.groups(one(inputs)?.known(self.axis)?)?;
        Ok(outputs)
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        let shape = Shape::new(&[one(inputs)?.known(self.axis)?])?;
        self.affine.weights(shape)
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let moved = Moved::new(inputs[0], &[self.axis])?;
        let x = moved.rows(inputs[0])?;
        let (shape, channels) = (x.shape(), x.shape().last());
        let (batch, groups) = (shape[0], self.groups(channels)?);
        let (places, each) = (shape[1..shape.rank() - 1].iter().product::<usize>(), channels / groups);
        // What makes a group becomes a row.
        let rows = x.reshape([batch, places, groups, each])?.transpose(&[0, 2, 1, 3])?;
        let rows = rows.reshape([batch, groups, places * each])?.layer_norm(None, None, self.affine.epsilon)?;
        let mut y = rows.reshape([batch, groups, places, each])?.transpose(&[0, 2, 1, 3])?.reshape(shape)?;
        let [gamma, beta] = self.affine.places();
        if let Some(gamma) = gamma {
            y = y.mul(&call.weight(gamma)?)?;
        }
        if let Some(beta) = beta {
            y = y.add(&call.weight(beta)?)?;
        }
        Ok(Tensors::from_elem(moved.back(&y)?, 1))
    }

    fn config(&self) -> Config {
        let mut config = object(json!({
            "groups": self.groups,
            "axis": self.axis,
        }));
        self.affine.write(&mut config);
        config
    }

    fn full_precision(&self) -> bool {
        true
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }
}
