//! What the layers of images share: their inputs, their arguments, and how images come to another size.

use super::{Config, Read, Spec};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::ops::{Generator, Interpolation};
use crate::tensor::Tensor;
use serde_json::{Value, json};

/// Of a class's names for one, two and three spatial axes, that for `N`.
pub fn class<const N: usize>(names: [&'static str; 3]) -> &'static str {
    names[N - 1]
}

/// Checks that the axes of the inputs are in the order that this engine has.
pub fn channels_last(config: &Config) -> Result<()> {
    match config.word("data_format", "channels_last")?.as_str() {
        "channels_last" => Ok(()),
        other => Err(Error::Config(format!("argument `data_format`: expected channels_last, got {other}"))),
    }
}

/// Checks that an input has a batch, `N` spatial axes and channels.
pub fn spatial<const N: usize>(x: &Spec) -> Result<()> {
    if x.rank() == N + 2 {
        return Ok(());
    }
    let axes = ["steps", "height, width", "depth, height, width"][N - 1];
    Err(Error::Input(format!("expected {} axes (batch, {axes}, channels), got shape {x}", N + 2)))
}

/// The spec of images of any dtype that become floating-point.
pub fn float_images(x: &Spec) -> Result<Spec> {
    spatial::<2>(x)?;
    Ok(Spec { dims: x.dims.clone(), dtype: if x.dtype.is_float() { x.dtype } else { DType::F32 } })
}

/// The spec of images with this height and width.
pub fn sized(x: Spec, [height, width]: [usize; 2]) -> Result<Spec> {
    for (name, extent) in [("height", height), ("width", width)] {
        if extent == 0 {
            return Err(Error::Config(format!("argument `{name}`: expected at least 1, got 0")));
        }
    }
    let [batch, _, _, channels] = x.dims[..] else {
        return Err(Error::Internal("images have four axes".into()));
    };
    Ok(Spec { dims: vec![batch, Some(height), Some(width), channels], dtype: x.dtype })
}

/// The argument `interpolation`.
pub fn read_interpolation(config: &Config, default: &str) -> Result<Interpolation> {
    let name = config.word("interpolation", default)?;
    Interpolation::ALL.into_iter().find(|i| i.name() == name).ok_or_else(|| {
        let known = Interpolation::ALL.map(Interpolation::name).join(", ");
        Error::Config(format!("argument `interpolation`: expected one of {known}, got {name}"))
    })
}

/// The height and width of images.
pub fn extents(x: &Tensor) -> [usize; 2] {
    [x.shape()[1], x.shape()[2]]
}

/// Images of this height and width.
pub fn resize(x: &Tensor, size: [usize; 2], interpolation: Interpolation, antialias: bool) -> Result<Tensor> {
    x.resize(1, size[0], interpolation, antialias)?.resize(2, size[1], interpolation, antialias)
}

/// The part of images of this size in their middle, where the odd row and column that is left over lies behind it.
pub fn centre(x: &Tensor, size: [usize; 2]) -> Result<Tensor> {
    let start = |axis: usize| (extents(x)[axis] - size[axis]) / 2;
    x.slice(1, start(0)..start(0) + size[0])?.slice(2, start(1)..start(1) + size[1])
}

/// Height and width in the proportion of `to` that `fit` makes of the images' own and of what the other one asks for:
/// the smaller of them to crop, the larger to pad.
pub fn in_proportion(x: &Tensor, to: [usize; 2], fit: impl Fn(usize, usize) -> usize) -> [usize; 2] {
    let [height, width] = extents(x);
    let scaled = |extent: usize, by: usize, of: usize| (extent as u128 * by as u128 / of as u128) as usize;
    [fit(height, scaled(width, to[0], to[1])).max(1), fit(width, scaled(height, to[1], to[0])).max(1)]
}

/// The largest part in the middle of images that has the proportions of `size`, resized to it.
pub fn crop_and_resize(x: &Tensor, size: [usize; 2], interpolation: Interpolation, antialias: bool) -> Result<Tensor> {
    resize(&centre(x, in_proportion(x, size, usize::min))?, size, interpolation, antialias)
}

/// Where boxes with these sides begin and end, at uniform places: all in parts of the height and the width, float32,
/// `(batch, 2)`.
pub fn random_boxes(generator: &Generator, sides: &Tensor) -> Result<[Tensor; 2]> {
    let start = generator.uniform(sides.shape(), DType::F32, 0.0, 1.0)?.mul(&sides.rescale(-1.0, 1.0)?)?;
    let end = start.add(sides)?;
    Ok([start, end])
}

/// What a random number of a layer lies between: Keras's `factor`, which is one number, for −x to x, or two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Factor {
    /// From its opposite to it, within the layer's bounds.
    One(f64),
    /// From one to the other.
    Two(f64, f64),
}

impl From<f64> for Factor {
    fn from(x: f64) -> Factor {
        Factor::One(x)
    }
}

impl From<(f64, f64)> for Factor {
    fn from((low, high): (f64, f64)) -> Factor {
        Factor::Two(low, high)
    }
}

impl From<[f64; 2]> for Factor {
    fn from([low, high]: [f64; 2]) -> Factor {
        Factor::Two(low, high)
    }
}

impl Factor {
    /// The argument `name`, if it is there.
    pub(super) fn read(config: &Config, name: &str) -> Result<Option<Factor>> {
        let Some(value) = config.find(name) else { return Ok(None) };
        let factor = match (value.as_f64(), value.as_array().map(Vec::as_slice)) {
            (Some(x), _) => Some(Factor::One(x)),
            (_, Some([low, high])) => low.as_f64().zip(high.as_f64()).map(|(low, high)| Factor::Two(low, high)),
            _ => None,
        };
        factor
            .map(Some)
            .ok_or_else(|| Error::Config(format!("argument `{name}`: expected a number or a list of two, got {value}")))
    }

    /// The argument `name`, which must be there.
    pub(super) fn required(config: &Config, name: &str) -> Result<Factor> {
        Factor::read(config, name)?.ok_or_else(|| Error::Config(format!("argument `{name}` is missing")))
    }

    /// From what to what the number lies.
    pub(super) fn range(self, least: f64) -> [f64; 2] {
        match self {
            Factor::One(x) => [(-x.abs()).max(least), x.abs()],
            Factor::Two(low, high) => [low.min(high), low.max(high)],
        }
    }

    /// As it was given.
    pub(super) fn serialized(self) -> Value {
        match self {
            Factor::One(x) => json!(x),
            Factor::Two(low, high) => json!([low, high]),
        }
    }

    /// Checks that its numbers lie within bounds.
    pub(super) fn check(self, name: &str, [least, most]: [f64; 2]) -> Result<()> {
        let numbers = match self {
            Factor::One(x) => [x, x],
            Factor::Two(low, high) => [low, high],
        };
        if numbers.iter().all(|x| (least..=most).contains(x)) {
            return Ok(());
        }
        let got = self.serialized();
        Err(Error::Config(format!("argument `{name}`: expected a number or two in [{least}, {most}], got {got}")))
    }
}
