//! Positions as angles by which features are turned.

use super::moved::Moved;
use super::positions::{Table, positions};
use super::signature::{signed, told};
use super::sine_position_encoding::{CALL, check_positive};
use super::{Call, Config, Layer, Read, Signature, Spec, WeightSpec, object, one};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};
use serde_json::{Value, json};

/// Features turned by angles that grow with the position
/// ([KerasHub](https://keras.io/keras_hub/api/modeling_layers/rotary_embedding/), [Su et al.,
/// 2021](https://arxiv.org/abs/2104.09864)): of the halves a and b of the features, (a·cos − b·sin, b·cos + a·sin), at
/// the position p and the feature i of a half by the angle p·w with w = max_wavelength^(−2i / features).
///
/// Input `(batch, steps, features)` or `(batch, steps, heads, features)` with an even number of features, or another
/// order of axes by `sequence_axis` and `feature_axis`; output of the same shape. The first step has the position
/// `start_index`. No weights. Angles are computed in f32 under mixed precision too, and so are the products. Defaults:
/// 10000, axes 1 and −1, position 0, no scaling.
///
/// `rope_type` says how [`scaling_factor`](RotaryEmbedding::scaling_factor) stretches positions, so that a model reads
/// longer texts than it was trained on.
///
/// Model files name it `keras_hub>RotaryEmbedding`.
#[derive(Clone, Debug)]
pub struct RotaryEmbedding {
    max_wavelength: f64,
    scaling_factor: f64,
    rope_type: RopeType,
    beta_fast: f64,
    beta_slow: f64,
    original_max_position_embeddings: f64,
    truncate: bool,
    sequence_axis: isize,
    feature_axis: isize,
    denominator_dim: Option<usize>,
    table: Table,
    signature: Signature,
}

/// How [`RotaryEmbedding::scaling_factor`] s stretches positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RopeType {
    /// All angles are divided by s.
    #[default]
    Linear,
    /// All are divided by s^(features / (features − 2)).
    Dynamic,
    /// Those of features that turn seldom are divided by s, those that turn often are not, and the output is scaled by
    /// 1 + ln(s) / 10 ([Peng et al., 2023](https://arxiv.org/abs/2309.00071)).
    Yarn,
}

impl RopeType {
    const ALL: [RopeType; 3] = [RopeType::Linear, RopeType::Dynamic, RopeType::Yarn];

    /// Keras's name.
    pub fn name(self) -> &'static str {
        match self {
            RopeType::Linear => "linear",
            RopeType::Dynamic => "dynamic",
            RopeType::Yarn => "yarn",
        }
    }
}

/// A chained setter of one argument.
macro_rules! setters {
    ($($(#[$doc:meta])+ $name:ident: $type:ty;)+) => {$(
        $(#[$doc])+
        pub fn $name(mut self, $name: $type) -> Self {
            self.$name = $name;
            self
        }
    )+};
}

impl RotaryEmbedding {
    /// The layer with Keras's defaults.
    #[allow(clippy::new_without_default)]
    pub fn new() -> RotaryEmbedding {
        RotaryEmbedding {
            max_wavelength: 10_000.0,
            scaling_factor: 1.0,
            rope_type: RopeType::Linear,
            beta_fast: 32.0,
            beta_slow: 1.0,
            original_max_position_embeddings: 4096.0,
            truncate: true,
            sequence_axis: 1,
            feature_axis: -1,
            denominator_dim: None,
            table: Table::default(),
            signature: CALL,
        }
    }

    setters! {
        /// What the wavelengths, divided by 2π, grow to; by default 10000.
        max_wavelength: f64;
        /// By how much positions are stretched, in the way of `rope_type`; by default 1.
        scaling_factor: f64;
        /// How they are; by default linearly.
        rope_type: RopeType;
        /// With yarn: features that turn at least so often in the length that the model was trained on are not
        /// stretched; by default 32.
        beta_fast: f64;
        /// With yarn: those that turn at most so often are stretched whole; by default 1.
        beta_slow: f64;
        /// With yarn: the length that the model was trained on; by default 4096.
        original_max_position_embeddings: f64;
        /// With yarn: whether the bounds between those features are rounded to whole ones; by default they are.
        truncate: bool;
        /// The axis of steps; by default 1.
        sequence_axis: isize;
        /// The axis of features; by default the last.
        feature_axis: isize;
    }

    /// What stands for the number of features in the wavelengths; by default that number. Yarn has no use for it.
    pub fn denominator_dim(mut self, denominator_dim: usize) -> Self {
        self.denominator_dim = Some(denominator_dim);
        self
    }

    told! {
        /// The position of the first step; by default 0.
        number start_index;
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<RotaryEmbedding> {
        let new = RotaryEmbedding::new();
        let axis = |name: &str, default: isize| match config.find(name) {
            None => Ok(default),
            Some(value) => value
                .as_i64()
                .and_then(|axis| isize::try_from(axis).ok())
                .ok_or_else(|| Error::Config(format!("argument `{name}`: expected a whole number"))),
        };
        let name = match config.get("rope_type") {
            // Where Keras leaves the scaling out.
            Some(Value::Null) => "null".into(),
            _ => config.word("rope_type", "linear")?,
        };
        let rope_type = RopeType::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let name: String = name.chars().take(40).collect();
            Error::Config(format!("argument `rope_type`: expected linear, dynamic or yarn, got {name}"))
        })?;
        Ok(RotaryEmbedding {
            max_wavelength: config.number("max_wavelength", new.max_wavelength)?,
            scaling_factor: config.number("scaling_factor", new.scaling_factor)?,
            rope_type,
            beta_fast: config.number("beta_fast", new.beta_fast)?,
            beta_slow: config.number("beta_slow", new.beta_slow)?,
            original_max_position_embeddings: config
                .number("original_max_position_embeddings", new.original_max_position_embeddings)?,
            truncate: config.flag("truncate", new.truncate)?,
            sequence_axis: axis("sequence_axis", new.sequence_axis)?,
            feature_axis: axis("feature_axis", new.feature_axis)?,
            denominator_dim: config.find("denominator_dim").map(|_| config.size("denominator_dim")).transpose()?,
            ..new
        })
    }

    /// The angle of a feature of a half at the position 1, of so many features in all; in Keras's f32.
    fn frequency(&self, feature: usize, features: usize) -> f32 {
        let (base, scale, all) = (self.max_wavelength as f32, self.scaling_factor as f32, features as f32);
        let place = 2.0 * feature as f32;
        let plain = base.powf(-place / self.denominator_dim.map_or(all, |n| n as f32));
        match self.rope_type {
            RopeType::Linear => plain / scale,
            RopeType::Dynamic => plain / scale.powf(all / (all - 2.0).max(1.0)),
            RopeType::Yarn => {
                let turns = base.powf(place / all);
                // The feature that turns so many times in the original length.
                let turning = |times: f64| {
                    let length = self.original_max_position_embeddings as f32 / (times as f32 * std::f32::consts::TAU);
                    all * length.ln() / (2.0 * base.ln())
                };
                let (mut low, mut high) = (turning(self.beta_fast), turning(self.beta_slow));
                if self.truncate {
                    (low, high) = (low.floor(), high.ceil());
                }
                let (low, high) = (low.max(0.0), high.min(all - 1.0));
                let stretched = ((feature as f32 - low) / (high - low).max(0.001)).clamp(0.0, 1.0);
                stretched / (scale * turns) + (1.0 - stretched) / turns
            }
        }
    }

    /// The row of a position: cosines, then sines.
    fn fill(&self, frequencies: &[f32], position: usize, row: &mut [f32]) {
        let factor = match self.rope_type {
            RopeType::Yarn => 0.1 * (self.scaling_factor as f32).ln() + 1.0,
            _ => 1.0,
        };
        let (cosines, sines) = row.split_at_mut(frequencies.len());
        for ((cosine, sine), frequency) in cosines.iter_mut().zip(sines).zip(frequencies) {
            let angle = position as f32 * frequency;
            (*cosine, *sine) = (factor * angle.cos(), factor * angle.sin());
        }
    }
}

impl Layer for RotaryEmbedding {
    fn class_name(&self) -> &'static str {
        "RotaryEmbedding"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let positive = [
            ("max_wavelength", self.max_wavelength),
            ("scaling_factor", self.scaling_factor),
            ("beta_fast", self.beta_fast),
            ("beta_slow", self.beta_slow),
            ("original_max_position_embeddings", self.original_max_position_embeddings),
            ("denominator_dim", self.denominator_dim.map_or(1.0, |n| n as f64)),
        ];
        positive.into_iter().try_for_each(|(name, value)| check_positive(name, value))?;
        let x = one(inputs)?;
        x.require_float()?;
        x.axes(&[self.sequence_axis, self.feature_axis])?;
        let features = x.known(self.feature_axis)?;
        if !features.is_multiple_of(2) {
            let axis = self.feature_axis;
            return Err(Error::Input(format!("expected an even extent of axis {axis} of the input, got shape {x}")));
        }
        positions(&self.signature, 0, x.dims[x.axis(self.sequence_axis)?].unwrap_or(0))?;
        Ok(vec![x.clone()])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(Vec::new())
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let x = inputs[0];
        let shape = x.shape();
        let [sequence, feature] =
            [self.sequence_axis, self.feature_axis].map(|axis| shape.axis(axis, "RotaryEmbedding"));
        let (sequence, feature) = (sequence?, feature?);
        let features = shape[feature];
        let (table, first) = self.table.covering(
            positions(&self.signature, call.first_step(), shape[sequence])?,
            features,
            &x.device(),
            || (0..features / 2).map(|i| self.frequency(i, features)).collect::<Vec<f32>>(),
            |frequencies, position, row| self.fill(frequencies, position, row),
        )?;
        // Where features come last, the axis of steps moves up if they stood before it.
        let (moved, axis) = (Moved::new(x, &[feature as isize])?, sequence - usize::from(feature < sequence));
        Ok(Tensors::from_elem(moved.back(&moved.rows(x)?.rotate(&table, axis as isize, first)?)?, 1))
    }

    fn config(&self) -> Config {
        object(json!({
            "max_wavelength": self.max_wavelength,
            "scaling_factor": self.scaling_factor,
            "rope_type": self.rope_type.name(),
            "beta_fast": self.beta_fast,
            "beta_slow": self.beta_slow,
            "original_max_position_embeddings": self.original_max_position_embeddings,
            "truncate": self.truncate,
            "sequence_axis": self.sequence_axis,
            "feature_axis": self.feature_axis,
            "denominator_dim": self.denominator_dim,
        }))
    }

    signed!();

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }

    fn stepwise(&self, _: &[bool]) -> bool {
        // What comes a few steps at a time does so along the first axis behind the batch's.
        self.sequence_axis == 1
    }
}
