//! Images of another size.

use super::image::{
    channels_last, crop_and_resize, extents, in_proportion, read_interpolation, resize, sized, spatial,
};
use super::{Call, Config, Layer, Read, Spec, WeightSpec, object, one};
use crate::error::{Error, Result};
use crate::ops::Interpolation;
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// Images resized to a height and a width
/// ([Keras](https://keras.io/api/layers/preprocessing_layers/image_preprocessing/resizing/)).
///
/// Input `(batch, height, width, channels)` of a floating-point dtype, output the same with this height and width. It
/// computes in f32 under mixed precision. Integers are refused, which Keras rounds again: put a
/// [`Rescaling`](super::Rescaling) before it. Defaults: bilinear, without an antialias filter, proportions not kept, 0
/// around what is padded. No weights.
#[derive(Clone, Debug)]
pub struct Resizing {
    size: [usize; 2],
    interpolation: Interpolation,
    crop: bool,
    pad: bool,
    fill_value: f64,
    antialias: bool,
}

impl Resizing {
    /// Images of this height and width.
    pub fn new(height: usize, width: usize) -> Resizing {
        let (interpolation, size) = (Interpolation::Bilinear, [height, width]);
        Resizing { size, interpolation, crop: false, pad: false, fill_value: 0.0, antialias: false }
    }

    /// What pixels between others are; by default bilinear.
    pub fn interpolation(mut self, interpolation: Interpolation) -> Self {
        self.interpolation = interpolation;
        self
    }

    /// Whether the largest part in the middle is taken that has the output's proportions; by default it is not.
    pub fn crop_to_aspect_ratio(mut self, crop: bool) -> Self {
        self.crop = crop;
        self
    }

    /// Whether `fill_value` is put around images first, so that they have the output's proportions; by default it is
    /// not.
    pub fn pad_to_aspect_ratio(mut self, pad: bool) -> Self {
        self.pad = pad;
        self
    }

    /// What is put around images; by default 0.
    pub fn fill_value(mut self, value: f64) -> Self {
        self.fill_value = value;
        self
    }

    /// Whether smaller images are made of all pixels, by a filter as wide as they are apart; by default they are not.
    pub fn antialias(mut self, antialias: bool) -> Self {
        self.antialias = antialias;
        self
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Resizing> {
        channels_last(config)?;
        match config.word("fill_mode", "constant")?.as_str() {
            "constant" => Ok(Resizing {
                interpolation: read_interpolation(config, "bilinear")?,
                crop: config.flag("crop_to_aspect_ratio", false)?,
                pad: config.flag("pad_to_aspect_ratio", false)?,
                fill_value: config.number("fill_value", 0.0)?,
                antialias: config.flag("antialias", false)?,
                ..Resizing::new(config.size("height")?, config.size("width")?)
            }),
            other => Err(Error::Config(format!("argument `fill_mode`: expected constant, got {other}"))),
        }
    }
}

impl Layer for Resizing {
    fn class_name(&self) -> &'static str {
        "Resizing"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        if !x.dtype.is_float() {
            let message = format!("expected a floating-point input, got {}; put a Rescaling before it", x.dtype);
            return Err(Error::Input(message));
        }
        spatial::<2>(x)?;
        if self.crop && self.pad {
            let message = "arguments `crop_to_aspect_ratio` and `pad_to_aspect_ratio`: expected at most one of them";
            return Err(Error::Config(message.into()));
        }
        Ok(vec![sized(x.clone(), self.size)?])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, _: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let (x, size) = (inputs[0], self.size);
        let y = if self.crop {
            crop_and_resize(x, size, self.interpolation, self.antialias)?
        } else if self.pad {
            let (whole, own) = (in_proportion(x, size, usize::max), extents(x));
            // As much on both sides, as Keras does, so one less where the number is odd.
            let [rows, columns] = [0, 1].map(|axis| (whole[axis] - own[axis]) / 2);
            let padded = x.pad(1, rows, rows, self.fill_value)?.pad(2, columns, columns, self.fill_value)?;
            resize(&padded, size, self.interpolation, self.antialias)?
        } else {
            resize(x, size, self.interpolation, self.antialias)?
        };
        Ok(Tensors::from_elem(y, 1))
    }

    fn config(&self) -> Config {
        object(json!({
            "height": self.size[0],
            "width": self.size[1],
            "interpolation": self.interpolation.name(),
            "crop_to_aspect_ratio": self.crop,
            "pad_to_aspect_ratio": self.pad,
            "fill_mode": "constant",
            "fill_value": self.fill_value,
            "antialias": self.antialias,
            "data_format": "channels_last",
        }))
    }

    fn full_precision(&self) -> bool {
        true
    }
}
