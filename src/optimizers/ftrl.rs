//! Follow the regularized leader.

use super::settings::{positive, range};
use super::update::two;
use super::{Hyper, Optimizer, Piece, Settings, settings_of};
use crate::device::cuda::Kernel;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layers::{Config, Read, object};
use crate::schedules::LearningRate;
use serde_json::json;

/// `n = a + g²`, `z ← z + g + 2·s·w − (n^p − a^p) / lr · w`, `w ← (clip(z, −l1, l1) − z) / (n^p / lr + 2·l2 + β / lr)`,
/// `a ← n`, with `p = −learning_rate_power`, a from 0.1 on: weights that do not help are exactly 0 (McMahan et al., *Ad
/// click prediction: a view from the trenches*, KDD 2013; [Keras](https://keras.io/api/optimizers/ftrl/)).
///
/// Defaults: learning rate 0.001, learning rate power −0.5, initial accumulator value 0.1, l1, l2, s and β 0. The
/// learning rate must stay above 0.
#[derive(Clone, Debug)]
pub struct Ftrl {
    pub(super) settings: Settings,
    learning_rate_power: f64,
    initial_accumulator_value: f64,
    l1_regularization_strength: f64,
    l2_regularization_strength: f64,
    l2_shrinkage_regularization_strength: f64,
    beta: f64,
}

static KERNEL: Kernel = Kernel::new("optimizers", "ftrl", &[DType::F32]);

impl Ftrl {
    /// Ftrl at this learning rate.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Ftrl {
        Ftrl {
            settings: Settings::new(learning_rate),
            learning_rate_power: -0.5,
            initial_accumulator_value: 0.1,
            l1_regularization_strength: 0.0,
            l2_regularization_strength: 0.0,
            l2_shrinkage_regularization_strength: 0.0,
            beta: 0.0,
        }
    }

    /// How the rate falls with the sum of squares, at most 0; by default -0.5.
    pub fn learning_rate_power(mut self, learning_rate_power: f64) -> Self {
        self.learning_rate_power = learning_rate_power;
        self
    }

    /// What the sum of squares begins with; by default 0.1.
    pub fn initial_accumulator_value(mut self, initial_accumulator_value: f64) -> Self {
        self.initial_accumulator_value = initial_accumulator_value;
        self
    }

    /// l1: what keeps weights at 0; by default 0.
    pub fn l1_regularization_strength(mut self, l1_regularization_strength: f64) -> Self {
        self.l1_regularization_strength = l1_regularization_strength;
        self
    }

    /// l2: what makes weights small; by default 0.
    pub fn l2_regularization_strength(mut self, l2_regularization_strength: f64) -> Self {
        self.l2_regularization_strength = l2_regularization_strength;
        self
    }

    /// s: what makes weights small by way of their gradients; by default 0.
    pub fn l2_shrinkage_regularization_strength(mut self, l2_shrinkage_regularization_strength: f64) -> Self {
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength;
        self
    }

    /// β of the paper; by default 0.
    pub fn beta(mut self, beta: f64) -> Self {
        self.beta = beta;
        self
    }

    pub(super) fn from_config(config: &Config) -> Result<Ftrl> {
        let default = Ftrl::new(0.001);
        Ok(Ftrl {
            learning_rate_power: config.number("learning_rate_power", default.learning_rate_power)?,
            initial_accumulator_value: config.number("initial_accumulator_value", default.initial_accumulator_value)?,
            l1_regularization_strength: config
                .number("l1_regularization_strength", default.l1_regularization_strength)?,
            l2_regularization_strength: config
                .number("l2_regularization_strength", default.l2_regularization_strength)?,
            l2_shrinkage_regularization_strength: config
                .number("l2_shrinkage_regularization_strength", default.l2_shrinkage_regularization_strength)?,
            beta: config.number("beta", default.beta)?,
            settings: default.settings,
        })
    }
}

impl Optimizer for Ftrl {
    settings_of!(Ftrl);

    fn slots(&self) -> &'static [&'static str] {
        &["accumulator", "linear"]
    }

    fn initial(&self, slot: usize) -> f64 {
        if slot == 0 { self.initial_accumulator_value } else { 0.0 }
    }

    fn hyper(&self, _: u64, learning_rate: f64) -> Hyper {
        let (l1, l2) =
            (self.l1_regularization_strength, 2.0 * self.l2_regularization_strength + self.beta / learning_rate);
        let shrinkage = 2.0 * self.l2_shrinkage_regularization_strength;
        self.settings.hyper(learning_rate, [-self.learning_rate_power, l1, l2, shrinkage, 0.0])
    }

    fn check(&self) -> Result<()> {
        if let Some(rate) = self.settings.learning_rate.constant() {
            positive("learning_rate", rate)?;
        }
        if !(self.learning_rate_power <= 0.0 && self.learning_rate_power.is_finite()) {
            let message = format!("expected at most 0, got {}", self.learning_rate_power);
            return Err(Error::Config(format!("argument `learning_rate_power`: {message}")));
        }
        let others = [
            ("initial_accumulator_value", self.initial_accumulator_value),
            ("l1_regularization_strength", self.l1_regularization_strength),
            ("l2_regularization_strength", self.l2_regularization_strength),
            ("l2_shrinkage_regularization_strength", self.l2_shrinkage_regularization_strength),
            ("beta", self.beta),
        ];
        others.iter().try_for_each(|(name, value)| range(name, *value, 0.0, f64::INFINITY))
    }

    fn update(&self, hyper: &Hyper, piece: Piece) {
        let [lr, _, _, power, l1, l2, shrinkage, _] = *hyper;
        let to_power = move |x: f32| if power == 0.5 { x.sqrt() } else { x.powf(power) };
        two(hyper, piece, move |w, g, a, z| {
            let n = a + g * g;
            let root = to_power(n);
            let z = z + (g + shrinkage * w - (root - to_power(a)) / lr * w);
            // Comparisons that leave NaN as it is.
            let clipped = if z > l1 {
                l1
            } else if z < -l1 {
                -l1
            } else {
                z
            };
            ((clipped - z) / (root / lr + l2), n, z)
        });
    }

    fn kernel(&self) -> Option<&'static Kernel> {
        Some(&KERNEL)
    }

    fn config(&self) -> Config {
        object(json!({
            "learning_rate_power": self.learning_rate_power,
            "initial_accumulator_value": self.initial_accumulator_value,
            "l1_regularization_strength": self.l1_regularization_strength,
            "l2_regularization_strength": self.l2_regularization_strength,
            "l2_shrinkage_regularization_strength": self.l2_shrinkage_regularization_strength,
            "beta": self.beta,
        }))
    }
}
