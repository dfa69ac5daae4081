//! What every optimizer has: learning rate, clipping, weight decay, moving averages, accumulation, loss scaling.

use super::Hyper;
use crate::error::{Error, Result};
use crate::layers::{Config, Read, object, snake_case};
use crate::schedules::LearningRate;
pub(super) use crate::schedules::{positive, range, share};
use serde_json::json;

/// Learning rate, clipping, decoupled weight decay, the moving average of the weights, accumulation of gradients and
/// the scale of the loss, with Keras's defaults: a learning rate and nothing else.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// A name in Keras's configs, if it is not the class's.
    pub name: Option<String>,
    /// The step size.
    pub learning_rate: LearningRate,
    /// The largest norm of one parameter's gradient; a larger one is shrunk to it.
    pub clipnorm: Option<f64>,
    /// The largest norm of all gradients together; larger ones are shrunk alike.
    pub global_clipnorm: Option<f64>,
    /// The largest element of a gradient, and the least with a minus; others are set to them.
    pub clipvalue: Option<f64>,
    /// The fraction of each weight, times the learning rate, that a step takes away.
    pub weight_decay: Option<f64>,
    /// Weights whose path (`dense_1/bias`) has one of these words in it do not decay.
    pub exclude_from_weight_decay: Vec<String>,
    /// Whether a moving average of the weights is kept, which they become at the end of a training.
    pub use_ema: bool,
    /// How much of the average stays at each step; 0.99.
    pub ema_momentum: f64,
    /// After how many updates the weights become their average, each time; never before the end if absent.
    pub ema_overwrite_frequency: Option<u64>,
    /// What the loss is multiplied by, and the gradients divided by, so that those of f16 are not rounded to 0.
    pub loss_scale_factor: Option<f64>,
    /// How many steps' gradients are averaged before the weights change.
    pub gradient_accumulation_steps: Option<u64>,
}

impl Settings {
    /// This learning rate and nothing else.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Settings {
        Settings {
            name: None,
            learning_rate: learning_rate.into(),
            clipnorm: None,
            global_clipnorm: None,
            clipvalue: None,
            weight_decay: None,
            exclude_from_weight_decay: Vec::new(),
            use_ema: false,
            ema_momentum: 0.99,
            ema_overwrite_frequency: None,
            loss_scale_factor: None,
            gradient_accumulation_steps: None,
        }
    }

    /// Steps that make one update.
    pub(crate) fn steps(&self) -> u64 {
        self.gradient_accumulation_steps.unwrap_or(1).max(1)
    }

    /// Whether gradients are added up over steps.
    pub(super) fn accumulates(&self) -> bool {
        self.steps() > 1
    }

    /// Whether the weight of this path decays.
    pub(super) fn decays(&self, path: &str) -> bool {
        !self.exclude_from_weight_decay.iter().any(|word| path.contains(word.as_str()))
    }

    /// Rejects what Keras rejects, and numbers without a meaning.
    pub(super) fn check(&self) -> Result<()> {
        self.learning_rate.check()?;
        range("weight_decay", self.weight_decay.unwrap_or(0.0), 0.0, f64::INFINITY)?;
        share("ema_momentum", self.ema_momentum)?;
        positive("loss_scale_factor", self.loss_scale_factor.unwrap_or(1.0))?;
        let counts = [
            ("ema_overwrite_frequency", self.ema_overwrite_frequency, 1),
            ("gradient_accumulation_steps", self.gradient_accumulation_steps, 2),
        ];
        for (name, count, least) in counts {
            if let Some(count) = count.filter(|count| *count < least) {
                return Err(Error::Config(format!("argument `{name}`: expected at least {least}, got {count}")));
            }
        }
        check_words("exclude_from_weight_decay", &self.exclude_from_weight_decay)?;
        let clips =
            [("clipnorm", self.clipnorm), ("global_clipnorm", self.global_clipnorm), ("clipvalue", self.clipvalue)];
        let mut given = clips.iter().filter_map(|(name, clip)| clip.map(|clip| (name, clip)));
        if let (Some((first, _)), Some((second, _))) = (given.clone().next(), given.clone().nth(1)) {
            return Err(Error::Config(format!(
                "arguments `{first}` and `{second}`: only one of them can clip gradients"
            )));
        }
        given.try_for_each(|(name, clip)| positive(name, clip))
    }

    /// The numbers of a step that all rules read, and those of one rule.
    pub(super) fn hyper(&self, learning_rate: f64, [a, b, c, d, e]: [f64; 5]) -> Hyper {
        let decay = self.weight_decay.unwrap_or(0.0) * learning_rate;
        [learning_rate, decay, self.clipvalue.unwrap_or(f64::INFINITY), a, b, c, d, e].map(|x| x as f32)
    }

    pub(super) fn read(&mut self, config: &Config) -> Result<()> {
        let optional =
            |name| -> Result<Option<f64>> { config.find(name).map(|_| config.number(name, 0.0)).transpose() };
        let count = |name| -> Result<Option<u64>> {
            Ok(config.find(name).map(|_| config.size(name)).transpose()?.map(|n| n as u64))
        };
        self.name = config.find("name").map(|_| config.word("name", "")).transpose()?;
        if let Some(rate) = config.find("learning_rate") {
            self.learning_rate = LearningRate::read(rate)?;
        }
        self.clipnorm = optional("clipnorm")?;
        self.global_clipnorm = optional("global_clipnorm")?;
        self.clipvalue = optional("clipvalue")?;
        if config.contains_key("weight_decay") {
            self.weight_decay = optional("weight_decay")?;
        }
        self.use_ema = config.flag("use_ema", false)?;
        self.ema_momentum = config.number("ema_momentum", 0.99)?;
        self.ema_overwrite_frequency = count("ema_overwrite_frequency")?;
        self.loss_scale_factor = optional("loss_scale_factor")?;
        // Keras takes 0 for none.
        self.gradient_accumulation_steps = count("gradient_accumulation_steps")?.filter(|steps| *steps > 0);
        Ok(())
    }

    pub(super) fn config(&self, class: &str) -> Config {
        object(json!({
            "name": self.name.clone().unwrap_or_else(|| snake_case(class)),
            "learning_rate": self.learning_rate.serialized(),
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "loss_scale_factor": self.loss_scale_factor,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
        }))
    }
}

/// Checks words that are looked for in the paths of weights. Keras takes regular expressions, of which one would be
/// found in no path.
pub(super) fn check_words(name: &str, words: &[String]) -> Result<()> {
    let is_plain = |word: &String| !word.is_empty() && !word.contains(|c| r"\^$.|?*+()[]{}".contains(c));
    words.iter().find(|word| !is_plain(word)).map_or(Ok(()), |word| {
        Err(Error::Config(format!(
            "argument `{name}`: expected words that are in paths of weights as they are, got `{word}`; this engine \
             knows no regular expressions"
        )))
    })
}

macro_rules! setters {
    () => {
        /// Shrinks each parameter's gradient to this norm where it is larger.
        pub fn clipnorm(mut self, norm: f64) -> Self {
            self.settings.clipnorm = Some(norm);
            self
        }

        /// Shrinks all gradients alike where their common norm is larger than this.
        pub fn global_clipnorm(mut self, norm: f64) -> Self {
            self.settings.global_clipnorm = Some(norm);
            self
        }

        /// Holds each element of the gradients between this and minus this.
        pub fn clipvalue(mut self, value: f64) -> Self {
            self.settings.clipvalue = Some(value);
            self
        }

        /// Takes this fraction of each weight, times the learning rate, away at each step.
        pub fn weight_decay(mut self, decay: f64) -> Self {
            self.settings.weight_decay = Some(decay);
            self
        }

        /// Leaves weights alone, when others decay, whose path has one of these words in it: `["bias"]`. Keras takes
        /// regular expressions; here a word with a sign of one is an error.
        pub fn exclude_from_weight_decay<'a>(mut self, words: impl IntoIterator<Item = &'a str>) -> Self {
            self.settings.exclude_from_weight_decay = words.into_iter().map(String::from).collect();
            self
        }

        /// Keeps a moving average of the weights, `a ← μ·a + (1−μ)·w` after each step; at the end of a training the
        /// weights become their average.
        pub fn use_ema(mut self, use_ema: bool) -> Self {
            self.settings.use_ema = use_ema;
            self
        }

        /// How much of the moving average, μ, stays at each step; by default 0.99.
        pub fn ema_momentum(mut self, momentum: f64) -> Self {
            self.settings.ema_momentum = momentum;
            self
        }

        /// Makes the weights their average after so many updates, each time; by default at the end alone.
        pub fn ema_overwrite_frequency(mut self, updates: u64) -> Self {
            self.settings.ema_overwrite_frequency = Some(updates);
            self
        }

        /// Multiplies the loss by this before the walk back, and divides the gradients by it, so that those of f16 are
        /// not rounded to 0: a power of two, say 1024.
        pub fn loss_scale_factor(mut self, factor: f64) -> Self {
            self.settings.loss_scale_factor = Some(factor);
            self
        }

        /// Changes the weights after so many steps, by the mean of their gradients; by default after each.
        pub fn gradient_accumulation_steps(mut self, steps: u64) -> Self {
            self.settings.gradient_accumulation_steps = Some(steps);
            self
        }
    };
}
pub(super) use setters;

/// What `Optimizer` asks first of one that holds its [`Settings`].
macro_rules! settings_of {
    ($class:ident) => {
        fn class_name(&self) -> &'static str {
            stringify!($class)
        }

        fn settings(&self) -> &Settings {
            &self.settings
        }

        fn settings_mut(&mut self) -> &mut Settings {
            &mut self.settings
        }
    };
}
pub(super) use settings_of;
