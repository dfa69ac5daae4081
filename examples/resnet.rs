//! Trains a small residual network that reads handwritten digits: blocks whose input goes around them as well.
//!
//! `cargo run --release --example resnet` runs it from the project's folder.

use uncrumple::prelude::*;

/// `relu(f(x) + x)`, where f is two convolutions. With strides, x is taken to the new size by a window of one pixel.
fn block(x: &Symbol, filters: usize, strides: usize) -> Result<Symbol> {
    let skip = if strides > 1 { Conv2D::new(filters, 1).strides(strides).call(x)? } else { x.clone() };
    let conv = || Conv2D::new(filters, 3).padding(Padding::Same).use_bias(false);

    let y = conv().strides(strides).call(x)?;
    let y = BatchNormalization::new().call(&y)?;
    let y = Activation::relu().call(&y)?;
    let y = conv().call(&y)?;
    let y = BatchNormalization::new().call(&y)?;
    Activation::relu().call(&Add::new().call([&y, &skip])?)
}

fn main() -> Result<()> {
    let (train, test) = datasets::mnist()?;

    let input = Input::new([28, 28, 1]);
    let x = Conv2D::new(16, 3).padding(Padding::Same).call(&input)?;
    let x = block(&x, 16, 1)?;
    let x = block(&x, 32, 2)?;
    let x = block(&x, 64, 2)?;
    let x = GlobalAveragePooling2D::new().call(&x)?;
    let output = Dense::new(10).softmax().call(&x)?;

    let model = Model::new(&input, &output)?;
    println!("{}\n", model.summary());

    let mut trainer =
        model.on(Device::best()).compile(Adam::new(1e-3), SparseCategoricalCrossentropy::new(), [Accuracy::new()])?;
    let history = trainer.fit(&train, Fit::epochs(3).batch_size(128).validation_split(0.1))?;
    println!("{history}\ntest       {}", trainer.evaluate(&test)?);
    trainer.save("mnist-resnet.keras")
}
