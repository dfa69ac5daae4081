//! Variational autoencoders of pictures.

use super::{Kind, Objective, Program, adam};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layers::{
    CategoryEncoding, Concatenate, Conv2D, Conv2DTranspose, Dense, Flatten, Input, Precision, Reshape, Sampling, Symbol,
};
use crate::losses::gaussian_kl;
use crate::model::Model;
use crate::ops::Padding;
use crate::tensor::Tensor;
use crate::train::{Batch, Running};
use smallvec::SmallVec;

/// A variational autoencoder of pictures ([Kingma and Welling, 2013](https://arxiv.org/abs/1312.6114); [Keras's
/// example](https://keras.io/examples/generative/vae/)): an encoder tells where in a space of few numbers a picture lies,
/// and a decoder makes it of them again.
///
/// The model reads pictures `(batch, height, width, channels)` with values in [0, 1] and, if it has classes, theirs, int32
/// `(batch, 1)` ([conditional](https://papers.nips.cc/paper/5775)): its outputs are the pictures made again, and the means
/// and logarithms of variances `(batch, latent)` that the encoder gives. Its layers `encoder` and `decoder` are models, by
/// [`Model::get_layer`]: the first gives means, logarithms of variances and the point that was drawn, the second reads
/// points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vae {
    image: [usize; 3],
    latent: usize,
    classes: Option<usize>,
    beta: f64,
}

impl Vae {
    /// An autoencoder of pictures of these extents, of which height and width are multiples of 4, with so many numbers
    /// between encoder and decoder.
    pub fn new(image: [usize; 3], latent: usize) -> Vae {
        Vae { image, latent, classes: None, beta: 1.0 }
    }

    /// Tells encoder and decoder which of so many classes a picture is of; by default they are told nothing.
    pub fn classes(mut self, classes: usize) -> Vae {
        self.classes = Some(classes);
        self
    }

    /// What the divergence from the standard normal distribution is multiplied by in the loss: above 1 the numbers of a
    /// point are more independent of each other and say less of a picture
    /// ([Higgins et al., 2017](https://openreview.net/forum?id=Sy2fzU9gl)); by default 1.
    pub fn beta(mut self, beta: f64) -> Vae {
        self.beta = beta;
        self
    }

    /// The network, its weights drawn from seed 0.
    ///
    /// # Errors
    /// Sides that are no multiples of 4, a size that is 0.
    pub fn model(&self) -> Result<Model> {
        let [height, width, _] = self.image;
        if !height.is_multiple_of(4) || !width.is_multiple_of(4) {
            let message = format!("a VAE takes pictures whose sides are multiples of 4, got {height} x {width}");
            return Err(Error::Config(message));
        }
        let (encoder, decoder) = (self.encoder()?.as_layer(), self.decoder()?.as_layer());
        let mut inputs = vec![Input::new(self.image)];
        inputs.extend(self.class());
        let encoded = encoder.call_all(&inputs)?;
        let [z_mean, z_log_var, z] = &encoded[..] else {
            return Err(Error::Internal("an encoder has three outputs".into()));
        };
        let point: Vec<Symbol> = std::iter::once(z).chain(&inputs[1..]).cloned().collect();
        let picture = decoder.call(&point)?;
        Model::new(&inputs, [&picture, z_mean, z_log_var])
    }

    /// Pictures, and classes if there are any, to means, logarithms of variances, and points.
    fn encoder(&self) -> Result<Model> {
        let mut inputs = vec![Input::new(self.image)];
        let conv = |filters| Conv2D::new(filters, 3).strides(2).padding(Padding::Same).relu();
        let x = conv(64).call(&conv(32).call(&inputs[0])?)?;
        let x = Dense::new(16).relu().call(&self.told(Flatten::new().call(&x)?, &mut inputs)?)?;
        let (z_mean, z_log_var) =
            (Dense::new(self.latent).named("z_mean").call(&x)?, Dense::new(self.latent).named("z_log_var").call(&x)?);
        let z = Sampling::new().call([&z_mean, &z_log_var])?;
        Ok(Model::new(&inputs, [&z_mean, &z_log_var, &z])?.named("encoder"))
    }

    /// Points, and classes if there are any, to pictures.
    fn decoder(&self) -> Result<Model> {
        let [height, width, channels] = self.image;
        let mut inputs = vec![Input::new([self.latent])];
        let x = self.told(inputs[0].clone(), &mut inputs)?;
        let x = Dense::new(height / 4 * (width / 4) * 64).relu().call(&x)?;
        let x = Reshape::new([height / 4, width / 4, 64].map(|n| n as i64)).call(&x)?;
        let up = |filters| Conv2DTranspose::new(filters, 3).strides(2).padding(Padding::Same).relu();
        let x = up(32).call(&up(64).call(&x)?)?;
        let picture = Conv2D::new(channels, 3).padding(Padding::Same).sigmoid().call(&x)?;
        Ok(Model::new(&inputs, &picture)?.named("decoder"))
    }

    fn class(&self) -> Option<Symbol> {
        self.classes.map(|_| Input::with([1], DType::I32, None))
    }

    /// What is known, with the class beside it if there is one.
    fn told(&self, x: Symbol, inputs: &mut Vec<Symbol>) -> Result<Symbol> {
        let (Some(class), Some(classes)) = (self.class(), self.classes) else { return Ok(x) };
        let told = CategoryEncoding::new(classes).one_hot().call(&class)?;
        inputs.push(class);
        Concatenate::new().call([&x, &told])
    }

    /// The step for [`Trainer::with_step`](crate::train::Trainer::with_step): see [`Vae::loss`].
    pub fn step(self) -> impl Fn(&Running, &Batch) -> Result<Tensor> + Send + Sync + 'static {
        move |running, batch| self.loss(running, batch)
    }

    /// The binary cross-entropy of the pictures made again, summed over their values, and β times the [divergence
    /// ](gaussian_kl) of their points' distributions from the standard normal one, both averaged over the batch: with β = 1
    /// a bound of the negative log-likelihood (ELBO), in nats a picture. A batch's inputs are the model's.
    ///
    /// # Errors
    /// A model of another kind.
    pub fn loss(&self, running: &Running, batch: &Batch) -> Result<Tensor> {
        let inputs: SmallVec<[&Tensor; 4]> = batch.inputs().iter().collect();
        let outputs = running.call_logits(&inputs)?;
        let ([pictures, ..], [logits, z_mean, z_log_var]) = (&inputs[..], &outputs[..]) else {
            let (taken, given) = (inputs.len(), outputs.len());
            return Err(Error::Config(format!(
                "a VAE reads pictures and gives pictures, means and logarithms of variances: got {taken} inputs and \
                 {given} outputs"
            )));
        };
        let [logits, z_mean, z_log_var] = [logits, z_mean, z_log_var].map(|output| output.cast(pictures.dtype()));
        let n = batch.len() as f64;
        let reconstruction = logits?.sigmoid_cross_entropy(pictures)?.sum(&[], false)?.mul_scalar(1.0 / n)?;
        reconstruction.add(&gaussian_kl(&z_mean?, &z_log_var?)?.mul_scalar(self.beta)?)
    }
}

const DIGIT: [usize; 3] = [28, 28, 1];

pub(super) const VAE: Program = Program {
    name: "vae",
    about: "pictures through two numbers: Conv2D 32, 64, Dense 16, 2 and back by Conv2DTranspose 64, 32 on 28 × 28 pixels",
    batch: (128, 1024),
    inputs: &[Kind::Uniform(&DIGIT)],
    targets: &[],
    model: || Vae::new(DIGIT, 2).model(),
    objective: Objective::Step(|running, batch| Vae::new(DIGIT, 2).loss(running, batch)),
    optimizer: adam,
    precision: Precision::F32,
};
