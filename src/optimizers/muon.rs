//! Muon: matrices by their momentum made orthogonal, the rest by Adam.

use super::adam::{KERNEL, Rule};
use super::moments::Moments;
use super::settings::{check_words, range};
use super::{Hyper, Optimizer, Piece, Settings, Slot, settings_of};
use crate::device::cpu::Float;
use crate::device::cuda::Kernel;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layers::{Config, Read, object};
use crate::schedules::LearningRate;
use crate::shape::Shape;
use crate::tensor::Tensor;
use serde_json::{Value, json};

/// For a matrix of n × k: `m ← μ·m + g`, X the orthogonal matrix nearest to `g + μ·m` (Nesterov; else to m), and `w ← w
/// − lr·0.2·√max(n, k)·X` (Jordan, [*Muon*](https://kellerjordan.github.io/posts/muon/), 2024; the factor from Liu et
/// al., *Muon is scalable for LLM training*, 2025; [Keras](https://keras.io/api/optimizers/muon/)). X is come near to
/// by some steps of `X ← a·X + (b·XXᵀ + c·(XXᵀ)²)·X` from the matrix over its norm. Parameters of another rank,
/// embeddings and those of layers in `exclude_layers` (the last one's should be) have [`super::Adam`]'s rule and a
/// decay of their own. The rule of a matrix is ops, some fifty launches for each on a CUDA card.
///
/// Defaults: learning rate 0.001, μ 0.95, Nesterov, 5 steps, a 3.4445, b −4.775, c 2.0315, `rms_rate` 0.2; Adam's as
/// there; weights decay by 0.004 under both rules.
#[derive(Clone, Debug)]
pub struct Muon {
    pub(super) settings: Settings,
    adam: Rule,
    adam_weight_decay: Option<f64>,
    adam_lr_ratio: f64,
    exclude_layers: Vec<String>,
    exclude_embeddings: bool,
    coefficients: [f64; 3],
    momentum: f64,
    ns_steps: usize,
    nesterov: bool,
    rms_rate: Option<f64>,
}

const WEIGHT_DECAY: f64 = 0.004;
/// What Adam's are called here.
const BETAS: [&str; 2] = ["adam_beta_1", "adam_beta_2"];

impl Muon {
    /// Muon at this learning rate.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Muon {
        Muon {
            settings: Settings { weight_decay: Some(WEIGHT_DECAY), ..Settings::new(learning_rate) },
            adam: Rule::default(),
            adam_weight_decay: Some(WEIGHT_DECAY),
            adam_lr_ratio: 1.0,
            exclude_layers: Vec::new(),
            exclude_embeddings: true,
            coefficients: [3.4445, -4.775, 2.0315],
            momentum: 0.95,
            ns_steps: 5,
            nesterov: true,
            rms_rate: Some(0.2),
        }
    }

    /// Adam's decay of the running mean of gradients; by default 0.9.
    pub fn adam_beta_1(mut self, beta: f64) -> Self {
        self.adam.moments.beta_1 = beta;
        self
    }

    /// Adam's decay of the running mean of squares; by default 0.999.
    pub fn adam_beta_2(mut self, beta: f64) -> Self {
        self.adam.moments.beta_2 = beta;
        self
    }

    /// What keeps Adam's root away from 0; by default 1e-7.
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.adam.moments.epsilon = epsilon;
        self
    }

    /// The weight decay of what Adam's rule changes, or none; by default 0.004. `weight_decay` is that of the matrices.
    pub fn adam_weight_decay(mut self, decay: impl Into<Option<f64>>) -> Self {
        self.adam_weight_decay = decay.into();
        self
    }

    /// What the learning rate is multiplied by for Adam's rule; by default 1.
    pub fn adam_lr_ratio(mut self, ratio: f64) -> Self {
        self.adam_lr_ratio = ratio;
        self
    }

    /// Leaves matrices to Adam whose path (`output/kernel`) has one of these words in it; none by default. Keras takes
    /// regular expressions; here a word with a sign of one is an error.
    pub fn exclude_layers<'a>(mut self, words: impl IntoIterator<Item = &'a str>) -> Self {
        self.exclude_layers = words.into_iter().map(String::from).collect();
        self
    }

    /// Whether matrices with `embedding` in their path are left to Adam; by default they are.
    pub fn exclude_embeddings(mut self, exclude: bool) -> Self {
        self.exclude_embeddings = exclude;
        self
    }

    /// The a of the iteration; by default 3.4445.
    pub fn muon_a(mut self, a: f64) -> Self {
        self.coefficients[0] = a;
        self
    }

    /// The b of the iteration; by default −4.775.
    pub fn muon_b(mut self, b: f64) -> Self {
        self.coefficients[1] = b;
        self
    }

    /// The c of the iteration; by default 2.0315.
    pub fn muon_c(mut self, c: f64) -> Self {
        self.coefficients[2] = c;
        self
    }

    /// How much of a matrix's momentum stays at each step; by default 0.95.
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        self
    }

    /// Steps of the iteration; by default 5.
    pub fn ns_steps(mut self, steps: usize) -> Self {
        self.ns_steps = steps;
        self
    }

    /// Whether a matrix looks ahead by its momentum; by default it does.
    pub fn nesterov(mut self, nesterov: bool) -> Self {
        self.nesterov = nesterov;
        self
    }

    /// What an update is multiplied by beside the root of its longer side, or neither; by default 0.2.
    pub fn rms_rate(mut self, rate: impl Into<Option<f64>>) -> Self {
        self.rms_rate = rate.into();
        self
    }

    pub(super) fn from_config(config: &Config) -> Result<Muon> {
        let default = Muon::new(0.001);
        let optional = |name: &str, default: Option<f64>| -> Result<Option<f64>> {
            if !config.contains_key(name) {
                return Ok(default);
            }
            config.find(name).map(|_| config.number(name, 0.0)).transpose()
        };
        let words = config.find("exclude_layers").map(|list| {
            let words = list.as_array().and_then(|list| list.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
            words.ok_or_else(|| Error::Config(format!("argument `exclude_layers`: expected words, got {list}")))
        });
        let [a, b, c] = default.coefficients;
        Ok(Muon {
            adam: Rule { moments: Moments::read(config, BETAS)?, amsgrad: false },
            adam_weight_decay: optional("adam_weight_decay", default.adam_weight_decay)?,
            adam_lr_ratio: config.number("adam_lr_ratio", default.adam_lr_ratio)?,
            exclude_layers: words.transpose()?.unwrap_or_default().into_iter().map(String::from).collect(),
            exclude_embeddings: config.flag("exclude_embeddings", default.exclude_embeddings)?,
            coefficients: [config.number("muon_a", a)?, config.number("muon_b", b)?, config.number("muon_c", c)?],
            momentum: config.number("momentum", default.momentum)?,
            ns_steps: if config.contains_key("ns_steps") { config.size("ns_steps")? } else { default.ns_steps },
            nesterov: config.flag("nesterov", default.nesterov)?,
            rms_rate: optional("rms_rate", default.rms_rate)?,
            settings: default.settings,
        })
    }

    /// The orthogonal matrix that is nearest, nearly.
    fn orthogonal(&self, x: &Tensor) -> Result<Tensor> {
        let [a, b, c] = self.coefficients;
        // The products are of the shorter side.
        let tall = x.shape()[0] > x.shape()[1];
        let norm = x.square()?.sum(&[], false)?.sqrt()?.add_scalar(1e-7)?;
        let mut x = if tall { x.transpose(&[1, 0])? } else { x.clone() }.div(&norm)?;
        for _ in 0..self.ns_steps {
            let square = x.matmul_with(&x, false, true)?;
            let mixed = square.mul_scalar(b)?.add(&square.mul_scalar(c)?.matmul(&square)?)?;
            x = x.mul_scalar(a)?.add(&mixed.matmul(&x)?)?;
        }
        if tall { x.transpose(&[1, 0]) } else { Ok(x) }
    }
}

impl Optimizer for Muon {
    settings_of!(Muon);

    fn slots(&self) -> &'static [&'static str] {
        &["momentum", "velocity"]
    }

    fn slot(&self, slot: usize, path: &str, shape: &Shape) -> Slot {
        if slot == 1 && self.is_whole(path, shape) { Slot::Absent } else { Slot::Kept(*shape) }
    }

    fn is_whole(&self, path: &str, shape: &Shape) -> bool {
        shape.len() == 2
            && !(self.exclude_embeddings && path.to_lowercase().contains("embedding"))
            && !self.exclude_layers.iter().any(|word| path.contains(word.as_str()))
    }

    fn update_whole(&self, hyper: &Tensor, weight: &Tensor, gradient: &Tensor, slots: &mut [Tensor]) -> Result<Tensor> {
        let [momentum, ..] = slots else { return Err(Error::Internal("Muon keeps a momentum".into())) };
        let moved = momentum.mul_scalar(self.momentum)?.add(gradient)?;
        // What is negligible is 0, as under every rule; NaN is not.
        let [zero, least] =
            [0.0, f64::from(f32::NEGLIGIBLE)].map(|x| Tensor::full(&weight.device(), (), DType::F32, x));
        let moved = moved.abs()?.less(&least?)?.select(&zero?, &moved)?;
        momentum.assign(&moved)?;
        let direction = if self.nesterov { moved.mul_scalar(self.momentum)?.add(gradient)? } else { moved };
        let longer = weight.shape()[0].max(weight.shape()[1]) as f64;
        let factor = self.rms_rate.map_or(1.0, |rate| rate * longer.sqrt());
        let rate = hyper.slice(0, 0..1)?.reshape(())?.mul_scalar(factor)?;
        weight.sub(&self.orthogonal(&direction)?.mul(&rate)?)
    }

    fn hyper(&self, iteration: u64, learning_rate: f64) -> Hyper {
        let mut hyper = self.adam.hyper(&self.settings, iteration, learning_rate * self.adam_lr_ratio);
        // Adam's rule reads no learning rate beside its own; the decay knows no ratio.
        hyper[0] = learning_rate as f32;
        hyper[1] = (self.adam_weight_decay.unwrap_or(0.0) * learning_rate) as f32;
        hyper
    }

    fn check(&self) -> Result<()> {
        self.adam.moments.check_as(BETAS)?;
        range("adam_weight_decay", self.adam_weight_decay.unwrap_or(0.0), 0.0, f64::INFINITY)?;
        range("adam_lr_ratio", self.adam_lr_ratio, 0.0, f64::INFINITY)?;
        range("momentum", self.momentum, 0.0, 1.0)?;
        range("rms_rate", self.rms_rate.unwrap_or(0.0), 0.0, f64::INFINITY)?;
        for (name, value) in ["muon_a", "muon_b", "muon_c"].into_iter().zip(self.coefficients) {
            range(name, value, f64::MIN, f64::INFINITY)?;
        }
        check_words("exclude_layers", &self.exclude_layers)
    }

    fn update(&self, hyper: &Hyper, piece: Piece) {
        self.adam.update(hyper, piece);
    }

    fn kernel(&self) -> Option<&'static Kernel> {
        Some(&KERNEL)
    }

    fn config(&self) -> Config {
        let [a, b, c] = self.coefficients;
        object(json!({
            "adam_beta_1": self.adam.moments.beta_1,
            "adam_beta_2": self.adam.moments.beta_2,
            "epsilon": self.adam.moments.epsilon,
            "exclude_layers": self.exclude_layers,
            "muon_a": a,
            "muon_b": b,
            "muon_c": c,
            "adam_lr_ratio": self.adam_lr_ratio,
            "momentum": self.momentum,
            "ns_steps": self.ns_steps,
            "nesterov": self.nesterov,
            "exclude_embeddings": self.exclude_embeddings,
            "adam_weight_decay": self.adam_weight_decay,
            "rms_rate": self.rms_rate,
        }))
    }
}
