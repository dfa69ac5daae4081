//! Adam with decoupled weight decay.

// The decay is in every rule, so the kernel is Adam's.
use super::adam::{KERNEL, Rule, rule_methods, rule_setters};
use super::{Hyper, Optimizer, Piece, Settings, settings_of};
use crate::device::cuda::Kernel;
use crate::error::Result;
use crate::layers::Config;
use crate::schedules::LearningRate;

/// `w ← w − λ·lr·w`, then [`super::Adam`]'s step (Loshchilov and Hutter, *Decoupled weight decay regularization*, ICLR
/// 2019; [Keras](https://keras.io/api/optimizers/adamw/)).
///
/// Defaults: λ 0.004, the others as [`super::Adam`]'s. All weights decay, biases too, as in Keras.
#[derive(Clone, Debug)]
pub struct AdamW {
    pub(super) settings: Settings,
    rule: Rule,
}

const WEIGHT_DECAY: f64 = 0.004;

impl AdamW {
    /// AdamW at this learning rate.
    pub fn new(learning_rate: impl Into<LearningRate>) -> AdamW {
        let settings = Settings { weight_decay: Some(WEIGHT_DECAY), ..Settings::new(learning_rate) };
        AdamW { settings, rule: Rule::default() }
    }

    rule_setters!();

    pub(super) fn from_config(config: &Config) -> Result<AdamW> {
        Ok(AdamW { rule: Rule::from_config(config)?, ..AdamW::new(0.001) })
    }
}

impl Optimizer for AdamW {
    settings_of!(AdamW);

    rule_methods!();
}
