//! What the metrics share that are the best of one figure where another is good enough.

use super::counts::{Counting, Counts};
use super::{count, place};
use crate::error::{Error, Result};
use crate::layers::{Config, Read, object};
use serde_json::json;

/// What another figure must at least be, and the thresholds that are tried.
#[derive(Clone, Debug)]
pub struct Constraint {
    pub least: f64,
    pub num_thresholds: usize,
    pub class_id: Option<usize>,
}

impl Constraint {
    pub fn new(least: f64) -> Constraint {
        Constraint { least, num_thresholds: 200, class_id: None }
    }

    pub fn read(config: &Config, key: &str) -> Result<Constraint> {
        let constraint = Constraint {
            least: config.number(key, f64::NAN)?,
            num_thresholds: place(config, "num_thresholds")?.unwrap_or(200),
            class_id: place(config, "class_id")?,
        };
        constraint.counting(key).map(|_| constraint)
    }

    /// 0, 1 / (n − 1), …, 1, or ½ alone.
    ///
    /// # Errors
    /// Numbers out of range.
    pub fn counting(&self, key: &str) -> Result<Counting> {
        let (least, class_id) = (self.least, self.class_id);
        if !(0.0..=1.0).contains(&least) {
            return Err(Error::Config(format!("argument `{key}`: expected a number from 0 to 1, got {least}")));
        }
        let last = count("num_thresholds", self.num_thresholds, 1)? - 1;
        if last == 0 {
            return Ok(Counting { class_id, ..Counting::at(&None, 0.5)? });
        }
        let thresholds = (0..=last).map(|i| i as f64 / last as f64).collect();
        Ok(Counting { thresholds, even: true, class_id, ..Counting::default() })
    }

    /// The largest of `figures` at a threshold at which the other figure is large enough; 0 if there is none.
    pub fn best(&self, counts: &[Counts], figures: impl Fn(&Counts) -> [Vec<f64>; 2]) -> Vec<f64> {
        let best = |counts: &Counts| {
            let [constrained, wanted] = figures(counts);
            let feasible = constrained.iter().zip(&wanted).filter(|(c, _)| **c >= self.least);
            feasible.fold(0.0, |best: f64, (_, &wanted)| best.max(wanted))
        };
        counts.iter().map(best).collect()
    }

    pub fn config(&self, key: &str) -> Config {
        let mut config = object(json!({"num_thresholds": self.num_thresholds, "class_id": self.class_id}));
        config.insert(key.into(), self.least.into());
        config
    }
}

/// A metric that is the best of one share of counts where another is at least some number.
macro_rules! at_constraint {
    (
        $(#[$doc:meta])* $class:ident at $key:ident;
        $one:ident of $both:ident where $constrained:ident of $whole:ident
    ) => {
        $(#[$doc])*
        ///
        /// Targets, of any dtype, and predictions in [0, 1]: both `(batch, …)`; beside `(batch, 1)` the other may be
        /// `(batch)`. Defaults: 200 even thresholds from 0 to 1, all classes. 0 where no threshold does.
        #[derive(Clone, Debug)]
        pub struct $class(crate::metrics::at_constraint::Constraint);

        impl $class {
            #[doc = concat!("The best where the ", stringify!($key), " is at least this, a number from 0 to 1.")]
            pub fn new($key: f64) -> Self {
                $class(crate::metrics::at_constraint::Constraint::new($key))
            }

            /// How many thresholds are tried.
            pub fn num_thresholds(mut self, thresholds: usize) -> Self {
                self.0.num_thresholds = thresholds;
                self
            }

            /// Looks at one class alone, a place of the last axis.
            pub fn class_id(mut self, class: usize) -> Self {
                self.0.class_id = Some(class);
                self
            }

            pub(super) fn from_config(config: &crate::layers::Config) -> crate::error::Result<Self> {
                crate::metrics::at_constraint::Constraint::read(config, stringify!($key)).map($class)
            }
        }

        impl crate::metrics::counts::OfCounts for $class {
            fn counting(&self) -> crate::error::Result<crate::metrics::counts::Counting> {
                self.0.counting(stringify!($key))
            }

            fn figures(&self, counts: &[crate::metrics::counts::Counts]) -> Vec<f64> {
                use crate::metrics::counts::shares;
                self.0.best(counts, |c| [shares(&c.$constrained, &c.$whole), shares(&c.$one, &c.$both)])
            }

            fn arguments(&self) -> crate::layers::Config {
                self.0.config(stringify!($key))
            }
        }

        crate::metrics::counts::of_counts!($class);
    };
}
pub(super) use at_constraint;
