//! What MixUp and CutMix share: images and labels that are mixed with others of their batch.

use super::image::float_images;
use super::{Call, Spec};
use crate::error::{Error, Result};
use crate::ops::Generator;
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use std::fmt;

/// A way to mix the samples of a batch with each other, as [`MixUp`](super::MixUp) and [`CutMix`](super::CutMix) are.
pub trait Mixing: fmt::Debug + Send + Sync + 'static {
    /// Images `(batch, height, width, channels)` and labels `(batch, classes)` mixed in the same way.
    ///
    /// # Errors
    /// Images or labels of other shapes, or that are no floating-point numbers.
    fn mix(&self, generator: &Generator, images: &Tensor, labels: Option<&Tensor>) -> Result<(Tensor, Option<Tensor>)>;
}

/// The specs of images, and of labels if they are there.
pub fn specs(inputs: &[Spec]) -> Result<Vec<Spec>> {
    let (images, labels) = match inputs {
        [images] => (images, None),
        [images, labels] => (images, Some(labels)),
        _ => {
            return Err(Error::Input(format!("expected images and at most their labels, got {} inputs", inputs.len())));
        }
    };
    let images = float_images(images)?;
    if let Some(labels) = labels {
        check_labels(labels.rank(), labels.dtype.is_float(), labels)?;
    }
    Ok(std::iter::once(images).chain(labels.cloned()).collect())
}

fn check_labels(rank: usize, is_float: bool, what: impl fmt::Display) -> Result<()> {
    if rank == 2 && is_float {
        return Ok(());
    }
    let message = "expected labels as floating-point vectors (batch, classes), since whole numbers cannot be mixed";
    Err(Error::Input(format!("{message}, got {what}; one-hot them first")))
}

/// In training the inputs mixed, else as they are.
pub fn forward(mixing: &impl Mixing, call: &Call, inputs: &[&Tensor]) -> Result<Tensors> {
    let images = call.float(inputs[0])?;
    if !call.training() {
        return Ok(std::iter::once(images).chain(inputs.get(1).map(|&labels| labels.clone())).collect());
    }
    let (images, labels) = mixing.mix(call.generator()?, &images, inputs.get(1).copied())?;
    Ok(std::iter::once(images).chain(labels).collect())
}

/// How many images there are to mix, once images and labels are checked.
pub fn batch(images: &Tensor, labels: Option<&Tensor>) -> Result<usize> {
    if images.shape().rank() != 4 || !images.dtype().is_float() {
        return Err(Error::Input(format!(
            "expected floating-point images (batch, height, width, channels) to mix, got {}",
            images.meta()
        )));
    }
    labels.map_or(Ok(()), |y| check_labels(y.shape().rank(), y.dtype().is_float(), y.meta()))?;
    Ok(images.shape()[0])
}

/// x · weight + other · (1 − weight), with one weight for each sample and the samples of `order` as the others.
pub fn blend(x: &Tensor, order: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let mut dims = [1; crate::shape::MAX_RANK];
    dims[0] = x.shape()[0];
    let weight = weight.reshape(Shape::new(&dims[..x.shape().rank()])?)?.cast(x.dtype())?;
    let other = x.gather(order)?;
    x.sub(&other)?.mul(&weight)?.add(&other)
}

/// What a layer that mixes has beside its own arguments.
macro_rules! mixing_layer {
    ($layer:ident, $check:expr, $config:expr) => {
        impl $crate::layers::Layer for $layer {
            fn class_name(&self) -> &'static str {
                stringify!($layer)
            }

            fn output_spec(&self, inputs: &[$crate::layers::Spec]) -> Result<Vec<$crate::layers::Spec>> {
                $check(self)?;
                $crate::layers::mixing::specs(inputs)
            }

            fn weights(&self, _: &[$crate::layers::Spec]) -> Result<Vec<$crate::layers::WeightSpec>> {
                Ok(vec![])
            }

            fn forward(&self, call: &mut $crate::layers::Call, inputs: &[&Tensor]) -> Result<$crate::tensor::Tensors> {
                $crate::layers::mixing::forward(self, call, inputs)
            }

            fn config(&self) -> $crate::layers::Config {
                $config(self)
            }

            fn full_precision(&self) -> bool {
                true
            }
        }
    };
}
pub(super) use mixing_layer;
