//! A U-Net that says of each pixel of a scene which digit it is part of, or none
//! ([Ronneberger et al., 2015](https://arxiv.org/abs/1505.04597)): handwritten digits, two to a scene.
//!
//! `cargo run --release --example segmentation` reached a mean IoU of 0.62 on scenes of test digits; if all is
//! called background it is 0.08.

use uncrumple::ops::Generator;
use uncrumple::prelude::*;

const SIDE: usize = 48;
const DIGITS: usize = 2;
/// A pixel's class is its digit, or this.
const BACKGROUND: usize = 10;

/// Scenes of digits at random places, one over the other where they meet, and the class of each pixel.
fn scenes(digits: &Dataset, count: usize, seed: i64) -> Result<Dataset> {
    let (pixels, labels) = (digits.inputs()[0].to_vec::<f32>()?, digits.classes()?);
    let random = Generator::new(seed, &Device::Cpu)?.uniform([count, DIGITS, 3], DType::F32, 0.0, 1.0)?;
    let (mut pictures, mut classes) = (vec![0f32; count * SIDE * SIDE], vec![BACKGROUND as i32; count * SIDE * SIDE]);
    for (i, place) in random.to_vec::<f32>()?.chunks(3).enumerate() {
        let below = |n: usize, u: f32| ((u * n as f32) as usize).min(n - 1);
        let (digit, top, left) =
            (below(labels.len(), place[0]), below(SIDE - 27, place[1]), below(SIDE - 27, place[2]));
        for (row, line) in pixels[digit * 28 * 28..][..28 * 28].chunks(28).enumerate() {
            for (column, &ink) in line.iter().enumerate().filter(|(_, ink)| **ink > 0.3) {
                let at = (i / DIGITS * SIDE + top + row) * SIDE + left + column;
                (pictures[at], classes[at]) = (ink, labels[digit] as i32);
            }
        }
    }
    Dataset::new(
        Tensor::from_slice(&pictures, [count, SIDE, SIDE, 1])?,
        Tensor::from_slice(&classes, [count, SIDE, SIDE])?,
    )
}

fn block(x: &Symbol, filters: usize) -> Result<Symbol> {
    let x = Conv2D::new(filters, 3).padding(Padding::Same).use_bias(false).call(x)?;
    Activation::relu().call(&BatchNormalization::new().call(&x)?)
}

/// To half the size and back, and what was found there beside what is seen here: the one tells which digit, the other
/// where it ends.
fn level(x: &Symbol, filters: &[usize]) -> Result<Symbol> {
    let [own, below @ ..] = filters else { return Ok(x.clone()) };
    let x = block(x, *own)?;
    if below.is_empty() {
        return block(&x, *own);
    }
    let found = level(&MaxPooling2D::new(2).call(&x)?, below)?;
    let found = Conv2DTranspose::new(*own, 2).strides(2).call(&found)?;
    block(&Concatenate::new().call([&x, &found])?, *own)
}

fn main() -> Result<()> {
    let (train, test) = datasets::mnist()?;
    let (train, test) = (scenes(&train, 8000, 0)?, scenes(&test, 1000, 1)?);

    let input = Input::new([SIDE, SIDE, 1]);
    let output = Dense::new(BACKGROUND + 1).softmax().call(&level(&input, &[8, 16, 32, 64])?)?;
    let model = Model::new(&input, &output)?.on(Device::best());
    println!("{}\n", model.summary());
    let epochs = 5;
    let rate = CosineDecay::new(3e-3, epochs * train.len() / 8);
    let iou = MeanIoU::new(BACKGROUND + 1).sparse_y_pred(false).named("iou");
    let mut trainer = model.compile(Adam::new(rate), SparseCategoricalCrossentropy::new(), iou)?;
    println!("{}", trainer.fit(&train, Fit::epochs(epochs).batch_size(8))?);

    // If all is said to be background, that is the only class of which anything is found.
    let classes = test.targets()[0].to_vec::<i32>()?;
    let background = classes.iter().filter(|&&class| class == BACKGROUND as i32).count();
    let nothing = background as f64 / classes.len() as f64 / (BACKGROUND + 1) as f64;
    let found = trainer.evaluate_with(&test, 100)?.get("iou").unwrap_or(f64::NAN);
    println!("\nmean intersection over union of {} scenes of test digits", test.len());
    println!("{found:8.3}  by the U-Net\n{nothing:8.3}  if all is background");
    Ok(())
}
