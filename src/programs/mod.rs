//! The named programs: one name means the same model, loss, optimizer and batch size wherever it is measured.

pub mod captions;
mod dense;
pub mod diffusion;
pub mod image;
pub mod language;
pub mod pictures;
pub mod pretrained;
mod recurrent;
pub mod sequences;
pub mod series;
pub mod tabular;
pub mod text;
pub mod transformers;
pub mod vae;

use crate::data::Dataset;
use crate::device::cpu::philox::Philox;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layers::Precision;
use crate::losses::Loss;
use crate::model::Model;
use crate::optimizers::{Adam, Optimizer, RMSprop};
use crate::tensor::Tensor;
use crate::train::{Batch, Metrics, Running, Trainer};

/// A program: what is trained, on what, and in batches of which size.
pub struct Program {
    /// Its name: `dense-categorical`.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Samples of a batch on the CPU and on a GPU.
    pub batch: (usize, usize),
    /// What the inputs are.
    pub inputs: &'static [Kind],
    /// What the targets are.
    pub targets: &'static [Kind],
    model: fn() -> Result<Model>,
    objective: Objective,
    optimizer: fn() -> Box<dyn Optimizer>,
    /// What it computes in where it is measured.
    pub precision: Precision,
}

/// What a program minimises.
#[derive(Clone, Copy)]
enum Objective {
    /// A loss of its output.
    Loss(fn() -> Box<dyn Loss>),
    /// What a step of its own gives, by [`Trainer::with_step`].
    Step(fn(&Running, &Batch) -> Result<Tensor>),
}

/// Random data of a kind, with the shape of a sample.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Standard normal float32.
    Normal(&'static [usize]),
    /// float32 uniform in [0, 1).
    Uniform(&'static [usize]),
    /// 0 or 1, as float32.
    Bits(&'static [usize]),
    /// Whole numbers below the first, as int32.
    Below(usize, &'static [usize]),
    /// One of so many classes, as a float32 vector with a 1 at its place.
    OneHot(usize),
}

/// Every program but those that are [large](LARGE).
pub const ALL: &[Program] = &[
    dense::BINARY,
    dense::CATEGORICAL,
    dense::MULTILABEL,
    dense::REGRESSION,
    image::CONVNET,
    image::SEPARABLE_CONVNET,
    image::RESNET,
    recurrent::ONE,
    recurrent::STACKED,
    recurrent::GATED,
    transformers::ENCODER,
    transformers::SEQ2SEQ,
    transformers::GPT,
    vae::VAE,
    diffusion::DIFFUSION,
];

/// Programs that are too large for a CPU to be measured on, where a step takes many seconds.
pub const LARGE: &[Program] = &[transformers::GPT2];

/// The program of this name.
///
/// # Errors
/// A name that no program has.
pub fn find(name: &str) -> Result<&'static Program> {
    let all = || ALL.iter().chain(LARGE);
    all().find(|p| p.name == name).ok_or_else(|| {
        let known: Vec<_> = all().map(|p| p.name).collect();
        Error::Config(format!("unknown program `{name}`; known are {}", known.join(", ")))
    })
}

impl Program {
    /// The model, its weights drawn from seed 0.
    pub fn model(&self) -> Result<Model> {
        (self.model)()
    }

    /// The optimizer.
    pub fn optimizer(&self) -> Box<dyn Optimizer> {
        (self.optimizer)()
    }

    /// A trainer of `model` with the program's loss, or its own step, and its optimizer, and these metrics.
    pub fn compile(&self, model: Model, metrics: impl Metrics) -> Result<Trainer> {
        let of = |losses| Trainer::new(model, (self.optimizer)(), losses, metrics.metrics());
        match self.objective {
            Objective::Loss(loss) => of(vec![loss()]),
            Objective::Step(step) => Ok(of(Vec::new())?.with_step(step)),
        }
    }

    /// `n` random samples from `seed`.
    pub fn data(&self, n: usize, seed: u64) -> Result<Dataset> {
        let mut stream = 0;
        let mut make = |kinds: &[Kind]| -> Result<Vec<Tensor>> {
            let next = |kind: &Kind| {
                stream += 1;
                kind.tensor(n, &Philox::new(seed as i64, 0, stream))
            };
            kinds.iter().map(next).collect()
        };
        let (inputs, targets) = (make(self.inputs)?, make(self.targets)?);
        Dataset::new(inputs, targets)
    }
}

impl Kind {
    fn tensor(self, n: usize, numbers: &Philox) -> Result<Tensor> {
        let sample = match self {
            Kind::Normal(sample) | Kind::Uniform(sample) | Kind::Bits(sample) | Kind::Below(_, sample) => sample,
            Kind::OneHot(_) => &[],
        };
        let shape = crate::Shape::new(&[&[n], sample].concat())?;
        let size = shape.size();
        let block = |i: usize| i as u64 / 4;
        match self {
            Kind::Normal(_) => {
                Tensor::from_slice(&(0..size).map(|i| numbers.normal(block(i))[i % 4]).collect::<Vec<_>>(), shape)
            }
            Kind::Uniform(_) => {
                Tensor::from_slice(&(0..size).map(|i| numbers.uniform(block(i))[i % 4]).collect::<Vec<_>>(), shape)
            }
            Kind::Bits(_) => {
                let bit = |i: usize| (numbers.block(block(i))[i % 4] >> 31) as f32;
                Tensor::from_slice(&(0..size).map(bit).collect::<Vec<_>>(), shape)
            }
            Kind::Below(end, _) => {
                let number = |i: usize| ((u64::from(numbers.block(block(i))[i % 4]) * end as u64) >> 32) as i32;
                Tensor::from_slice(&(0..size).map(number).collect::<Vec<_>>(), shape)
            }
            Kind::OneHot(classes) => Kind::Below(classes, &[]).tensor(n, numbers)?.one_hot(classes, DType::F32),
        }
    }
}

fn rmsprop() -> Box<dyn Optimizer> {
    RMSprop::new(1e-3).into()
}

fn adam() -> Box<dyn Optimizer> {
    Adam::new(1e-3).into()
}
