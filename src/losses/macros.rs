//! What the losses share: patterns of code that each file fills in.

/// A loss without arguments of its own: what it makes of targets and predictions of one shape, one number a sample.
macro_rules! plain {
    ($(#[$doc:meta])* $class:ident |$t:ident, $p:ident| $losses:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $class {
            pub(super) reduction: super::Reduction,
        }

        impl $class {
            /// The loss.
            pub fn new() -> Self {
                Self::default()
            }

            pub(super) fn from_config(config: &crate::layers::Config) -> crate::error::Result<Self> {
                Ok($class { reduction: super::Reduction::read(config)? })
            }
        }

        impl super::Loss for $class {
            super::of_values!($class);

            fn call(
                &self,
                y_true: &crate::tensor::Tensor,
                y_pred: &crate::tensor::Tensor,
                _: bool,
            ) -> crate::error::Result<crate::tensor::Tensor> {
                let ($t, $p) = &super::matched(stringify!($class), y_true, y_pred)?;
                $losses
            }

            fn config(&self) -> crate::layers::Config {
                crate::layers::Config::new()
            }
        }
    };
}
pub(super) use plain;

/// What `Loss` asks of a loss of values that no activation leads to, beside `call` and `config`.
macro_rules! of_values {
    ($class:ident) => {
        fn class_name(&self) -> &'static str {
            stringify!($class)
        }

        fn link(&self) -> Option<crate::layers::ActivationFn> {
            None
        }

        fn takes_logits(&self) -> bool {
            false
        }

        fn reduction(&self) -> super::Reduction {
            self.reduction
        }
    };
}
pub(super) use of_values;

/// The constructors of a loss of probabilities or logits, for its `impl`.
macro_rules! from_logits {
    ($activation:literal) => {
        /// The loss of probabilities.
        pub fn new() -> Self {
            Self::default()
        }

        #[doc = concat!("The same of logits: the model's output has no ", $activation, ".")]
        pub fn from_logits() -> Self {
            Self { from_logits: true, ..Self::default() }
        }
    };
}
pub(super) use from_logits;

/// Label smoothing beside it, and the config that both are in, with arguments of the loss's own, each a `number` or a
/// `flag`.
macro_rules! label_smoothing {
    ($to:literal $(, $own:ident: $read:ident = $default:expr)*) => {
        #[doc = concat!("How far targets are drawn towards ", $to, ", from 0 to 1.")]
        pub fn label_smoothing(mut self, label_smoothing: f64) -> Self {
            self.label_smoothing = label_smoothing;
            self
        }

        pub(crate) fn from_config(config: &crate::layers::Config) -> crate::error::Result<Self> {
            use crate::layers::Read;
            super::last_axis(config)?;
            Ok(Self {
                from_logits: config.flag("from_logits", false)?,
                label_smoothing: config.number("label_smoothing", 0.0)?,
                $($own: config.$read(stringify!($own), $default)?,)*
                reduction: super::Reduction::read(config)?,
            })
        }
    };
}
pub(super) use label_smoothing;

/// What `Loss` asks of a loss of probabilities or logits beside `call` and `config`.
macro_rules! of_probabilities {
    ($class:ident, $link:expr) => {
        fn class_name(&self) -> &'static str {
            stringify!($class)
        }

        fn link(&self) -> Option<crate::layers::ActivationFn> {
            Some($link)
        }

        fn takes_logits(&self) -> bool {
            self.from_logits
        }

        fn reduction(&self) -> super::Reduction {
            self.reduction
        }
    };
}
pub(super) use of_probabilities;
