//! A classifier that judges pictures a network made.

use crate::say;
use uncrumple::metrics::frechet_distance;
use uncrumple::prelude::*;

/// A small convnet that has learnt to tell real pictures apart: how it sees them is how they are compared.
pub struct Judge {
    /// From pictures to numbers that the classes are told by.
    features: Model,
    /// From these to the probability of each class.
    head: Model,
}

/// Numbers of a picture that are compared.
const FEATURES: usize = 64;
const EPOCHS: usize = 3;
const BATCH: usize = 64;
const RATE: f64 = 2e-3;
/// Pictures that are looked at together.
const TOGETHER: usize = 500;

impl Judge {
    /// Learns from pictures (n, height, width, channels) with values in [0, 1] and their classes, int32 (n,).
    pub fn train(pictures: &Tensor, classes: &Tensor, count: usize, seed: u64, device: &Device) -> Result<Judge> {
        let sample: Vec<usize> = pictures.shape().iter().skip(1).copied().collect();
        let conv = |filters| Conv2D::new(filters, 3).strides(2).padding(Padding::Same).relu();
        let features = Sequential::new(&sample[..])
            .add(conv(32))
            .add(conv(64))
            .add(Flatten::new())
            .add(Dropout::new(0.3))
            .add(Dense::new(FEATURES).relu());
        let features = features.build()?.named("features").as_layer();
        let head = Sequential::new([FEATURES]).add(Dense::new(count).softmax()).build()?.named("head").as_layer();
        let input = Input::new(&sample[..]);
        let model = Model::new(&input, &head.call(&features.call(&input)?)?)?.seed(seed)?.on(device.clone());
        let steps = EPOCHS * pictures.shape()[0].div_ceil(BATCH);
        let fall = CosineDecay::new(RATE, steps);
        let mut trainer = model.compile(Adam::new(fall), SparseCategoricalCrossentropy::new(), [Accuracy::new()])?;
        trainer.fit(&Dataset::new(pictures, classes)?, Fit::epochs(EPOCHS).batch_size(BATCH))?;
        let model = trainer.into_model();
        Ok(Judge { features: model.get_layer("features")?, head: model.get_layer("head")? })
    }

    /// What it sees in pictures.
    pub fn features(&self, pictures: &Tensor) -> Result<Tensor> {
        Ok(self.features.predict_all(vec![pictures.clone()], TOGETHER)?.swap_remove(0))
    }

    /// The share of features whose class it takes to be this one.
    fn recognized(&self, features: &Tensor, classes: &[i32]) -> Result<f64> {
        let scores = self.head.predict_all(vec![features.clone()], TOGETHER)?.swap_remove(0);
        let found = scores.argmax(-1)?.cast(DType::I32)?.to_vec::<i32>()?;
        let right = found.iter().zip(classes).filter(|(found, class)| found == class).count();
        Ok(right as f64 / classes.len().max(1) as f64)
    }

    /// Prints how far sets of pictures are from the real ones, and how many it recognizes of the class that they should be
    /// of: each with a name, pictures, and classes.
    pub fn print(&self, title: &str, real: &Tensor, rows: &[(String, Tensor, Vec<i32>)]) -> Result<()> {
        let real = self.features(real)?;
        let width =
            rows.iter().map(|(name, ..)| name.chars().count()).chain([title.chars().count()]).max().unwrap_or(0);
        say(format!("{title:<width$}   Fréchet distance   recognized"))?;
        for (name, pictures, classes) in rows {
            let features = self.features(pictures)?;
            let distance = frechet_distance(&real, &features)?;
            let recognized = 100.0 * self.recognized(&features, classes)?;
            say(format!("{name:<width$}   {distance:>16.2}   {recognized:>8.1} %"))?;
        }
        Ok(())
    }
}
