//! What the layers share that move images at random: interpolation, and what is outside.

use super::image::{extents, read_interpolation};
use super::{Call, Config, Read, Spec};
use crate::error::{Error, Result};
use crate::ops::{FillMode, Interpolation, Motion};
use crate::tensor::{Tensor, Tensors};
use serde_json::{Value, json};

/// Their arguments beside the motion.
#[derive(Clone, Debug, Default)]
pub struct Warp {
    pub fill_mode: FillMode,
    pub interpolation: Interpolation,
    pub fill_value: f64,
    pub seed: Value,
}

impl Warp {
    /// The arguments of a config.
    pub fn read(config: &Config) -> Result<Warp> {
        let name = config.word("fill_mode", "reflect")?;
        let fill_mode = FillMode::ALL.into_iter().find(|f| f.name() == name).ok_or_else(|| {
            let known = FillMode::ALL.map(FillMode::name).join(", ");
            Error::Config(format!("argument `fill_mode`: expected one of {known}, got {name}"))
        })?;
        Ok(Warp {
            fill_mode,
            interpolation: read_interpolation(config, "bilinear")?,
            fill_value: config.number("fill_value", 0.0)?,
            seed: config.find("seed").cloned().unwrap_or_default(),
        })
    }

    /// Adds them to a config.
    pub fn write(&self, mut config: Config) -> Config {
        let Warp { fill_mode, interpolation, fill_value, seed } = self;
        config.insert("fill_mode".into(), fill_mode.name().into());
        config.insert("interpolation".into(), interpolation.name().into());
        config.insert("fill_value".into(), json!(fill_value));
        config.insert("seed".into(), seed.clone());
        config.insert("data_format".into(), "channels_last".into());
        config
    }

    /// Checks them; the spec is returned.
    pub fn check(&self, spec: Spec) -> Result<Vec<Spec>> {
        if matches!(self.interpolation, Interpolation::Nearest | Interpolation::Bilinear) {
            return Ok(vec![spec]);
        }
        let name = self.interpolation.name();
        Err(Error::Config(format!("argument `interpolation`: expected nearest or bilinear, got {name}")))
    }

    /// In training the images moved, else as they are.
    pub fn forward(&self, call: &Call, images: &Tensor, motion: Motion) -> Result<Tensors> {
        let x = call.float(images)?;
        if !call.training() {
            return Ok(Tensors::from_elem(x, 1));
        }
        let maps = call.generator()?.affine(motion, &x.shape())?;
        let y = x.affine_transform(&maps, extents(&x), self.interpolation, self.fill_mode, self.fill_value)?;
        Ok(Tensors::from_elem(y, 1))
    }
}

/// The setters of a [`Warp`] that is the field `warp` of the layer.
macro_rules! warp_setters {
    () => {
        /// What is seen outside the image; by default it is mirrored.
        pub fn fill_mode(mut self, fill_mode: $crate::ops::FillMode) -> Self {
            self.warp.fill_mode = fill_mode;
            self
        }

        /// What pixels between others are, nearest or bilinear; by default bilinear.
        pub fn interpolation(mut self, interpolation: $crate::ops::Interpolation) -> Self {
            self.warp.interpolation = interpolation;
            self
        }

        /// What is outside where the fill mode is a constant; by default 0.
        pub fn fill_value(mut self, value: f64) -> Self {
            self.warp.fill_value = value;
            self
        }
    };
}
pub(super) use warp_setters;
