//! Trains a network that reads handwritten digits, tests it, and saves it as a `.keras` file.
//!
//! `cargo run --release --example library` runs it from the project's folder.

use uncrumple::prelude::*;

fn main() -> Result<()> {
    let (train, test) = datasets::mnist()?;

    let input = Input::new([28, 28, 1]);
    let x = Flatten::new().call(&input)?;
    let x = Dense::new(512).relu().call(&x)?;
    let output = Dense::new(10).softmax().call(&x)?;

    let model = Model::new(&input, &output)?;
    println!("{}\n", model.summary());

    let mut trainer =
        model.on(Device::best()).compile(Adam::new(1e-3), SparseCategoricalCrossentropy::new(), [Accuracy::new()])?;
    let history = trainer.fit(&train, Fit::epochs(3).batch_size(128).validation_split(0.1))?;
    println!("{history}\ntest       {}", trainer.evaluate(&test)?);
    trainer.save("mnist.keras")
}
