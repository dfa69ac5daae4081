//! Networks that look at images.

use super::{Kind, Objective, Program, adam, rmsprop};
use crate::error::Result;
use crate::layers::{
    Activation, Add, BatchNormalization, Conv2D, Dense, GlobalAveragePooling2D, Input, MaxPooling2D, Precision,
    SeparableConv2D, Symbol,
};
use crate::losses::{CategoricalCrossentropy, SparseCategoricalCrossentropy};
use crate::model::Model;
use crate::ops::Padding;

/// The network of the program `convnet` on images: three convolutions with poolings between them, a probability for each
/// class.
///
/// # Errors
/// Images that are too small for its windows, less than 18 pixels a side.
pub fn convnet(images: &Symbol, classes: usize) -> Result<Symbol> {
    let x = Conv2D::new(64, 3).relu().call(images)?;
    let x = MaxPooling2D::new(2).call(&x)?;
    let x = Conv2D::new(128, 3).relu().call(&x)?;
    let x = MaxPooling2D::new(2).call(&x)?;
    let x = Conv2D::new(256, 3).relu().call(&x)?;
    classify(&x, classes)
}

/// The network of the program `separable-convnet` on images: three pairs of separable convolutions with poolings between
/// them, a dense layer, a probability for each class.
///
/// # Errors
/// Images that are too small for its windows, less than 32 pixels a side.
pub fn separable_convnet(images: &Symbol, classes: usize) -> Result<Symbol> {
    let pair = |x: &Symbol, filters: [usize; 2]| {
        filters.into_iter().try_fold(x.clone(), |x, filters| SeparableConv2D::new(filters, 3).relu().call(&x))
    };
    let x = MaxPooling2D::new(2).call(&pair(images, [32, 64])?)?;
    let x = MaxPooling2D::new(2).call(&pair(&x, [64, 128])?)?;
    let x = GlobalAveragePooling2D::new().call(&pair(&x, [64, 128])?)?;
    let x = Dense::new(32).relu().call(&x)?;
    Dense::new(classes).softmax().call(&x)
}

/// The network of the program `resnet` on images: a convolution, three stages of two residual blocks, a probability for each
/// class ([paper](https://arxiv.org/abs/1512.03385)).
///
/// # Errors
/// Images without pixels or channels.
pub fn resnet(images: &Symbol, classes: usize) -> Result<Symbol> {
    let mut x = Conv2D::new(32, 3).padding(Padding::Same).call(images)?;
    for (filters, strides) in [(32, 1), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1)] {
        x = residual(&x, filters, strides)?;
    }
    classify(&x, classes)
}

/// A network as a model of images with these extents, of ten classes.
///
/// # Errors
/// As the network's.
pub fn of_ten(network: fn(&Symbol, usize) -> Result<Symbol>, image: [usize; 3]) -> Result<Model> {
    let input = Input::new(image);
    Model::new(&input, &network(&input, 10)?)
}

fn classify(features: &Symbol, classes: usize) -> Result<Symbol> {
    Dense::new(classes).softmax().call(&GlobalAveragePooling2D::new().call(features)?)
}

/// `relu(f(x) + x)` with two normalised convolutions as f. Where it strides, a window of one pixel takes x along.
fn residual(x: &Symbol, filters: usize, strides: usize) -> Result<Symbol> {
    let skip = if strides > 1 { Conv2D::new(filters, 1).strides(strides).call(x)? } else { x.clone() };
    let conv = || Conv2D::new(filters, 3).padding(Padding::Same).use_bias(false);
    let y = BatchNormalization::new().call(&conv().strides(strides).call(x)?)?;
    let y = Activation::relu().call(&y)?;
    let y = BatchNormalization::new().call(&conv().call(&y)?)?;
    Activation::relu().call(&Add::new().call([&y, &skip])?)
}

pub(super) const CONVNET: Program = Program {
    name: "convnet",
    about: "ten classes: Conv2D 64, 128, 256 with poolings, Dense 10 softmax on 28 × 28 pixels",
    batch: (64, 512),
    inputs: &[Kind::Normal(&[28, 28, 1])],
    targets: &[Kind::Below(10, &[])],
    model: || of_ten(convnet, [28, 28, 1]),
    objective: Objective::Loss(|| SparseCategoricalCrossentropy::new().into()),
    optimizer: adam,
    precision: Precision::F32,
};

pub(super) const SEPARABLE_CONVNET: Program = Program {
    name: "separable-convnet",
    about: "ten classes: six SeparableConv2D with poolings, Dense 32, 10 softmax on 64 × 64 pixels of 3 colours",
    batch: (32, 256),
    inputs: &[Kind::Normal(&[64, 64, 3])],
    targets: &[Kind::OneHot(10)],
    model: || of_ten(separable_convnet, [64, 64, 3]),
    objective: Objective::Loss(|| CategoricalCrossentropy::new().into()),
    optimizer: rmsprop,
    precision: Precision::F32,
};

pub(super) const RESNET: Program = Program {
    name: "resnet",
    about: "ten classes: six residual blocks of 32, 64, 128 filters, Dense 10 softmax on 32 × 32 pixels of 3 colours",
    batch: (32, 512),
    inputs: &[Kind::Normal(&[32, 32, 3])],
    targets: &[Kind::Below(10, &[])],
    model: || of_ten(resnet, [32, 32, 3]),
    objective: Objective::Loss(|| SparseCategoricalCrossentropy::new().into()),
    optimizer: adam,
    precision: Precision::F32,
};
