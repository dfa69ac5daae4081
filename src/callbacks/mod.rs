//! What looks on while a model trains, and steps in: the callbacks, one file each.
//!
//! A new callback is a file here and one word in the list below. The trait is [`crate::train::Callback`].

use crate::error::{Error, Result};
use crate::train::{CallbackState, Logs};
use std::collections::BTreeMap;

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

    /// Forgets the best figure, at the beginning of a run whose epochs will have these figures.
    fn begin(&mut self, figures: &[String]) -> Result<()> {
        self.best = None;
        self.smaller_is_better()?;
        if figures.contains(&self.name) { Ok(()) } else { Err(self.missing(figures)) }
    }

    /// Whether this epoch's figure is better than the best one by more than `min_delta`; if so it is the best from now
    /// on. NaN is never better.
    fn improves(&mut self, logs: &Logs) -> Result<bool> {
        let better = self.is_beyond(logs, self.best)?;
        if better {
            self.best = logs.get(&self.name);
        }
        Ok(better)
    }

    /// Whether this epoch's figure is better than `bound` by more than `min_delta`.
    fn is_beyond(&self, logs: &Logs, bound: Option<f64>) -> Result<bool> {
        let names = || logs.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>();
        let value = logs.get(&self.name).ok_or_else(|| self.missing(&names()))?;
        Ok(match (self.smaller_is_better()?, bound) {
            (_, None) => !value.is_nan(),
            (true, Some(bound)) => value < bound - self.min_delta,
            (false, Some(bound)) => value > bound + self.min_delta,
        })
    }

    /// The best figure so far, for a backup.
    fn state(&self) -> BTreeMap<String, f64> {
        self.best.iter().map(|&best| ("best".to_string(), best)).collect()
    }

    fn restore(&mut self, state: &CallbackState) {
        self.best = state.values.get("best").copied();
    }

    fn missing(&self, figures: &[String]) -> Error {
        let advice = match self.name.starts_with("val_") {
            true => "; give fit a validation_split or validation_data, or monitor another figure",
            false => "",
        };
        let known = figures.join(", ");
        Error::Config(format!("there is no figure `{}` to monitor among {known}{advice}", self.name))
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

/// The setters of a callback that watches a figure by its `monitor`.
macro_rules! watches {
    ($class:ident) => {
        impl $class {
            /// The figure that is watched; `val_loss` unless told otherwise.
            pub fn monitor(mut self, figure: &str) -> Self {
                self.monitor.name = figure.to_string();
                self
            }

            /// Whether smaller or larger is better; the figure's name tells unless told otherwise.
            pub fn mode(mut self, mode: crate::callbacks::Mode) -> Self {
                self.monitor.mode = mode;
                self
            }
        }
    };
    ($class:ident, min_delta: $default:literal) => {
        watches!($class);

        impl $class {
            #[doc = concat!("What an improvement must exceed; ", $default, " unless told otherwise.")]
            pub fn min_delta(mut self, delta: f64) -> Self {
                self.monitor.min_delta = delta.abs();
                self
            }
        }
    };
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
    interrupt: Interrupt;
    json_logger: JSONLogger;
    learning_rate_scheduler: LearningRateScheduler;
    model_checkpoint: ModelCheckpoint;
    profiler: Profiler;
    #[cfg(feature = "cli")]
    progress_bar: ProgressBar;
    reduce_lr_on_plateau: ReduceLROnPlateau;
    tensor_board: TensorBoard;
    terminate_on_nan: TerminateOnNaN;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;
    use crate::train::Epoch;

    fn logs(name: &str, value: f64) -> Logs {
        let mut logs = Logs::default();
        logs.push(name, value);
        logs
    }

    /// A trainer whose weight grows by 1 with each step, so that weights tell steps apart.
    fn counter() -> (Trainer, Dataset) {
        let model = Sequential::new([1]).add(Dense::new(1).use_bias(false)).build().unwrap();
        let mut trainer = model
            .compile(SGD::new(1.0), (), ())
            .unwrap()
            .with_step(|running, batch| running.call(&[&batch.inputs()[0]])?[0].mean(&[], false)?.mul_scalar(-1.0));
        trainer.set_weights(&[Tensor::zeros(&Device::Cpu, [1, 1], DType::F32).unwrap()]).unwrap();
        (trainer, Dataset::new(Tensor::ones(&Device::Cpu, [1, 1], DType::F32).unwrap(), ()).unwrap())
    }

    fn weight(trainer: &Trainer) -> f64 {
        trainer.weights().unwrap()[0].item().unwrap()
    }

    /// Puts a figure of its own into the logs' place: the callback under test sees these values, one an epoch.
    struct Told<C>(C, Vec<f64>);

    impl<C: Callback> Callback for Told<C> {
        fn on_train_begin(&mut self, trainer: &mut Trainer) -> Result<()> {
            self.0.on_train_begin(trainer)
        }
        fn on_epoch_end(&mut self, trainer: &mut Trainer, epoch: &Epoch, _: &Logs) -> Result<Control> {
            self.0.on_epoch_end(trainer, epoch, &logs("val_loss", self.1[epoch.number]))
        }
        fn on_train_end(&mut self, trainer: &mut Trainer) -> Result<()> {
            self.0.on_train_end(trainer)
        }
    }

    /// Epochs run and the weight in the end, which is the number of the epoch that it comes from.
    fn stopped(stop: EarlyStopping, values: &[f64]) -> (usize, f64) {
        let (mut trainer, data) = counter();
        let fit = Fit::epochs(values.len()).validation_data(&data).callback(Told(stop, values.to_vec()));
        let epochs = trainer.fit(&data, fit).unwrap().epochs.len();
        (epochs, weight(&trainer))
    }

    #[test]
    fn early_stopping_waits_as_long_as_it_is_told() {
        let new = EarlyStopping::new;
        assert_eq!(stopped(new(), &[3.0, 2.0, 2.5, 1.0]), (3, 3.0));
        assert_eq!(stopped(new().patience(1), &[3.0, 2.0, 2.5, 1.0]), (3, 3.0));
        assert_eq!(stopped(new().patience(2), &[3.0, 2.0, 2.5, 1.0, 1.5, 1.6, 0.1]), (6, 6.0));
        assert_eq!(stopped(new().patience(2), &[f64::NAN; 5]), (2, 2.0));
        assert_eq!(stopped(new().min_delta(0.5), &[3.0, 2.0, 1.7, 1.0]), (3, 3.0));
        assert_eq!(stopped(new().mode(Mode::Max), &[1.0, 2.0, 3.0, 2.0, 9.0]), (4, 4.0));
        // The first epoch never stops it, nor do those that warm up.
        assert_eq!(stopped(new(), &[f64::NAN, f64::NAN, 1.0]), (2, 2.0));
        assert_eq!(stopped(new().start_from_epoch(2), &[1.0, 2.0, 3.0, 4.0, 5.0]), (4, 4.0));
        // Better than before, and yet not good enough to wait anew.
        assert_eq!(stopped(new().patience(3).baseline(0.5), &[3.0, 2.0, 2.5, 1.0, 2.0, 0.1]), (3, 3.0));
        assert_eq!(stopped(new().patience(2).baseline(2.5), &[3.0, 2.0, 2.1, 2.2, 0.1]), (4, 4.0));
    }

    #[test]
    fn early_stopping_puts_the_best_weights_back() {
        let new = || EarlyStopping::new().restore_best_weights();
        assert_eq!(stopped(new().patience(2), &[3.0, 2.0, 2.5, 2.6, 1.0]), (4, 2.0));
        // Also where the epochs end before the patience does.
        assert_eq!(stopped(new().patience(9), &[3.0, 1.0, 2.0]), (3, 2.0));
        assert_eq!(stopped(new().patience(1), &[f64::NAN, 1.0]), (2, 2.0));
        // The first are the best until a figure says otherwise.
        assert_eq!(stopped(new().patience(1), &[f64::NAN, f64::NAN, 1.0]), (2, 1.0));
    }

    #[test]
    fn the_schedule_sets_the_step_size() {
        let (mut trainer, data) = counter();
        let schedule = LearningRateScheduler::new(|epoch, rate| if epoch == 0 { 0.5 } else { rate / 2.0 });
        trainer.fit(&data, Fit::epochs(3).callback(schedule)).unwrap();
        assert_eq!((trainer.learning_rate(), weight(&trainer)), (0.125, 0.875));
        let wrong = LearningRateScheduler::new(|_, _| f64::NAN);
        assert!(matches!(trainer.fit(&data, Fit::epochs(1).callback(wrong)), Err(Error::Config(_))));
    }

    #[test]
    fn checkpoints_are_saved_each_epoch_or_when_better() {
        let folder = tempfile::tempdir().unwrap();
        let saved = |name: &str, best: bool| -> Vec<String> {
            let below = folder.path().join(name);
            let checkpoint = ModelCheckpoint::new(below.join("{epoch:02d}-{val_loss:.1f}.keras").to_str().unwrap());
            let checkpoint = if best { checkpoint.save_best_only() } else { checkpoint };
            let (mut trainer, data) = counter();
            let told = Told(checkpoint, vec![3.0, 2.0, 2.5, 1.0]);
            trainer.fit(&data, Fit::epochs(4).validation_data(&data).callback(told)).unwrap();
            let entries = std::fs::read_dir(&below).unwrap();
            let mut names: Vec<String> =
                entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
            names.sort();
            for name in &names {
                let weight = Model::load(below.join(name)).unwrap().weight("dense/kernel").unwrap().item().unwrap();
                assert_eq!(weight, name[..2].parse::<f64>().unwrap());
            }
            names
        };
        assert_eq!(saved("all", false), ["01-3.0.keras", "02-2.0.keras", "03-2.5.keras", "04-1.0.keras"]);
        assert_eq!(saved("best", true), ["01-3.0.keras", "02-2.0.keras", "04-1.0.keras"]);
    }

    #[test]
    fn the_table_has_a_row_an_epoch() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/history.csv");
        for epochs in [3, 2] {
            let (mut trainer, data) = counter();
            let fit = Fit::epochs(epochs).validation_data(&data).callback(CSVLogger::new(&path));
            let history = trainer.fit(&data, fit).unwrap();
            let copy = folder.path().join("copy.csv");
            history.write_csv(&copy).unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(text, std::fs::read_to_string(copy).unwrap());
            assert_eq!(text.lines().count(), epochs + 1);
            // A run that ends before its first epoch does takes nothing away.
            let broken = LearningRateScheduler::new(|_, _| f64::NAN);
            let fit = Fit::epochs(1).callback(CSVLogger::new(&path)).callback(broken);
            assert!(trainer.fit(&data, fit).is_err());
            assert_eq!(text, std::fs::read_to_string(&path).unwrap());
        }
    }

    #[test]
    fn what_cannot_be_watched_or_saved_is_refused_before_the_first_step() {
        let (mut trainer, data) = counter();
        let mut refused = |fit: Fit, words: &[&str]| {
            let error = trainer.fit(&data, fit).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
            assert_eq!(weight(&trainer), 0.0);
        };
        refused(Fit::epochs(1).callback(EarlyStopping::new()), &["no figure `val_loss`", "among loss"]);
        refused(Fit::epochs(1).callback(EarlyStopping::new().monitor("accuracy")), &["no figure `accuracy`"]);
        let best = ModelCheckpoint::new("m.keras").save_best_only();
        refused(Fit::epochs(1).callback(best), &["no figure `val_loss`"]);
        let field = ModelCheckpoint::new("{val_loss:.2f}.keras");
        refused(Fit::epochs(1).callback(field), &["{val_loss:.2f}", "epoch, loss"]);
        refused(Fit::epochs(1).callback(ModelCheckpoint::new("m.h5")), &["m.h5", ".keras"]);
    }

    /// Fails when the epoch of this number ends.
    struct Failing(usize);

    impl Callback for Failing {
        fn on_epoch_end(&mut self, _: &mut Trainer, epoch: &Epoch, _: &Logs) -> Result<Control> {
            if epoch.number == self.0 { Err(Error::Data("enough".into())) } else { Ok(Control::Continue) }
        }
    }

    #[test]
    fn an_error_keeps_the_history_and_ends_the_run() {
        let (mut trainer, data) = counter();
        let stop = EarlyStopping::new().patience(9).restore_best_weights();
        let fit = Fit::epochs(9).validation_data(&data).callback(Told(stop, vec![3.0, 1.0, 2.0]));
        let error = trainer.fit(&data, fit.callback(Failing(2))).unwrap_err().to_string();
        assert_eq!((error.as_str(), trainer.history().epochs.len(), weight(&trainer)), ("enough", 3, 2.0));
    }

    #[test]
    fn every_file_is_in_the_list() {
        let folder = std::fs::read_dir(crate::files::repository().join("src/callbacks")).unwrap();
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
        let seen: Vec<bool> =
            [1.0, 0.95, 0.85, 0.8].iter().map(|&v| monitor.improves(&logs("loss", v)).unwrap()).collect();
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
