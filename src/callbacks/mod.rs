//! What looks on while a model trains, and steps in: the callbacks, one file each.
//!
//! A new callback is a file here and one word in the list below. The trait is [`crate::train::Callback`].

use crate::error::{Error, Result};
use crate::train::Logs;

/// Whether a figure is better when it is smaller or larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// What the figure's name says: losses, errors and divergences become smaller, accuracies and areas larger.
    #[default]
    Auto,
    /// Smaller is better.
    Min,
    /// Larger is better.
    Max,
}

/// A figure that is watched for improvement.
#[derive(Clone, Debug)]
struct Monitor {
    name: String,
    mode: Mode,
    min_delta: f64,
    best: Option<f64>,
}

impl Monitor {
    fn new(name: &str) -> Monitor {
        Monitor { name: name.to_string(), mode: Mode::Auto, min_delta: 0.0, best: None }
    }

    /// Whether this epoch's figure is better than the best one by more than `min_delta`; if so it is the best from now
    /// on. NaN is never better.
    fn improves(&mut self, logs: &Logs) -> Result<bool> {
        let Some(value) = logs.get(&self.name) else {
            let known: Vec<&str> = logs.iter().map(|(name, _)| name).collect();
            let advice = match self.name.starts_with("val_") {
                true => "; give fit a validation_split or validation_data, or monitor another figure",
                false => "",
            };
            let message = format!("there is no figure `{}` to monitor among {}{advice}", self.name, known.join(", "));
            return Err(Error::Config(message));
        };
        let better = match (self.smaller_is_better()?, self.best) {
            (_, None) => !value.is_nan(),
            (true, Some(best)) => value < best - self.min_delta,
            (false, Some(best)) => value > best + self.min_delta,
        };
        if better {
            self.best = Some(value);
        }
        Ok(better)
    }

    fn smaller_is_better(&self) -> Result<bool> {
        const SMALLER: [&str; 7] = ["loss", "error", "mae", "mse", "crossentropy", "divergence", "perplexity"];
        const LARGER: [&str; 6] = ["accuracy", "acc", "auc", "precision", "recall", "similarity"];
        let ends = |endings: &[&str]| endings.iter().any(|ending| self.name.ends_with(ending));
        match self.mode {
            Mode::Min => Ok(true),
            Mode::Max => Ok(false),
            Mode::Auto if ends(&SMALLER) => Ok(true),
            Mode::Auto if ends(&LARGER) => Ok(false),
            Mode::Auto => {
                let message = format!("cannot tell whether `{}` is better small or large: set the mode", self.name);
                Err(Error::Config(message))
            }
        }
    }
}

/// Lists the callbacks: `module: Class;`.
macro_rules! callbacks {
    ($($(#[$condition:meta])* $module:ident: $class:ident;)*) => {
        $(
            $(#[$condition])*
            mod $module;
            $(#[$condition])*
            pub use $module::$class;
        )*

        /// Every callback, for the prelude.
        pub mod all {
            $($(#[$condition])* pub use super::$module::$class;)*
        }

        /// The modules that hold a callback, for the test that compares them with the folder.
        pub const MODULES: &[&str] = &[$(stringify!($module)),*];
    };
}

callbacks! {
    csv_logger: CSVLogger;
    early_stopping: EarlyStopping;
    learning_rate_scheduler: LearningRateScheduler;
    model_checkpoint: ModelCheckpoint;
    #[cfg(feature = "cli")]
    progress_bar: ProgressBar;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logs(name: &str, value: f64) -> Logs {
        let mut logs = Logs::default();
        logs.push(name, value);
        logs
    }

    #[test]
    fn every_file_is_in_the_list() {
        let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").into());
        let folder = std::fs::read_dir(std::path::Path::new(&root).join("src/callbacks")).unwrap();
        let mut files: Vec<String> = folder
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .filter(|name| name != "mod")
            .collect();
        files.sort();
        assert_eq!(files, MODULES);
    }

    #[test]
    fn a_figure_improves_in_its_own_direction() {
        let improvements = |name: &str, mode, values: &[f64]| -> Vec<bool> {
            let mut monitor = Monitor { mode, ..Monitor::new(name) };
            values.iter().map(|&v| monitor.improves(&logs(name, v)).unwrap()).collect()
        };
        assert_eq!(improvements("val_loss", Mode::Auto, &[2.0, 1.0, 1.0, 3.0, 0.5]), [true, true, false, false, true]);
        assert_eq!(improvements("val_accuracy", Mode::Auto, &[0.5, 0.6, 0.4]), [true, true, false]);
        assert_eq!(improvements("val_accuracy", Mode::Min, &[0.5, 0.6, 0.4]), [true, false, true]);
        assert_eq!(improvements("loss", Mode::Max, &[0.5, 0.6, 0.4]), [true, true, false]);
        assert_eq!(improvements("loss", Mode::Auto, &[f64::NAN, 1.0, f64::NAN, 0.9]), [false, true, false, true]);
    }

    #[test]
    fn min_delta_is_what_an_improvement_must_exceed() {
        let mut monitor = Monitor { min_delta: 0.1, ..Monitor::new("loss") };
        let seen: Vec<bool> = [1.0, 0.95, 0.85, 0.8].iter().map(|&v| monitor.improves(&logs("loss", v)).unwrap()).collect();
        assert_eq!(seen, [true, false, true, false]);
    }

    #[test]
    fn what_cannot_be_monitored_is_an_error() {
        let missing = Monitor::new("val_loss").improves(&logs("loss", 1.0)).unwrap_err().to_string();
        assert!(missing.contains("no figure `val_loss`") && missing.contains("validation_split"), "{missing}");
        let unclear = Monitor::new("temperature").improves(&logs("temperature", 1.0)).unwrap_err().to_string();
        assert!(unclear.contains("set the mode"), "{unclear}");
    }
}
