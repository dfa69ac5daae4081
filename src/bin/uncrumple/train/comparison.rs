//! Several networks that learn the same, and the table that compares them.

use super::pace::Pace;
use super::run::Run;
use crate::options::describe;
use crate::{plot, say};
use clap::Args;
use clap::builder::PossibleValuesParser;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use uncrumple::callbacks::EarlyStopping;
use uncrumple::files::atomic_write;
use uncrumple::prelude::*;

/// Options of a task that compares networks; what is not given is the task's own.
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    pace: Pace,

    #[command(flatten)]
    run: Run,
}

/// What the best network's file is, in the list of what is left.
pub const BEST: &str = "the best of the trained networks by validation; if there are others, they are beside it";

/// The values of an option that takes networks' names.
pub fn names(networks: impl Iterator<Item = &'static str>) -> PossibleValuesParser {
    networks.collect::<Vec<_>>().into()
}

/// The networks of these names, or all if there are none.
pub fn chosen<'a, N>(networks: &'a [N], program: &[String], name: impl Fn(&N) -> &'static str) -> Vec<&'a N> {
    networks.iter().filter(|&n| program.is_empty() || program.iter().any(|p| name(n) == p)).collect()
}

/// What networks are compared by.
#[derive(Clone, Copy, PartialEq)]
pub enum Measure {
    /// How far off they are on average, in this unit.
    MeanAbsoluteError(&'static str),
    /// The share of samples of which they are right.
    Accuracy,
}

impl Measure {
    /// The name of the metric.
    fn metric(self) -> &'static str {
        match self {
            Measure::MeanAbsoluteError(_) => "mean_absolute_error",
            Measure::Accuracy => "accuracy",
        }
    }

    /// Its name in the table.
    fn title(self) -> &'static str {
        match self {
            Measure::MeanAbsoluteError(_) => "MAE",
            Measure::Accuracy => "accuracy",
        }
    }

    fn show(self, value: f64) -> String {
        match self {
            Measure::MeanAbsoluteError(unit) => format!("{value:.3} {unit}"),
            Measure::Accuracy => format!("{:.1} %", value * 100.0),
        }
    }

    /// Whether it is an error, of which a part of another one's says something.
    fn is_error(self) -> bool {
        matches!(self, Measure::MeanAbsoluteError(_))
    }

    fn better(self, value: f64, than: f64) -> bool {
        match self {
            Measure::MeanAbsoluteError(_) => value < than,
            Measure::Accuracy => value > than,
        }
    }
}

/// What is compared, and how networks learn unless told otherwise.
pub struct Task {
    pub name: &'static str,
    pub measure: Measure,
    /// Who needs no network.
    pub baseline: &'static str,
    pub epochs: usize,
    pub batch_size: usize,
    pub learning_rate: f64,
}

/// A network that is yet to learn, from the first of the parts; the second chooses its epoch, the third tests it.
pub struct Contender<'a> {
    pub name: &'static str,
    pub trainer: Trainer,
    pub parts: [&'a Dataset; 3],
}

/// A network that has learnt.
pub struct Learnt {
    pub name: &'static str,
    pub model: Model,
    /// In validation and test.
    pub measured: [f64; 2],
}

/// A comparison whose baseline is not known yet.
pub struct Start<'a> {
    options: &'a Options,
    task: Task,
    device: Device,
    out: PathBuf,
}

/// A comparison under way.
pub struct Comparison<'a> {
    options: &'a Options,
    task: Task,
    device: Device,
    pub out: PathBuf,
    /// How good the baseline is in validation and test.
    baseline: [f64; 2],
    rows: Vec<Row>,
    best: Option<Learnt>,
}

/// A line of the table.
struct Row {
    name: &'static str,
    parameters: usize,
    measured: [f64; 2],
    /// Of an epoch, validation included; nothing where a run was gone on with that was over.
    epoch: Option<Duration>,
}

/// Samples that are evaluated together.
pub const TOGETHER: usize = 1000;

impl Options {
    pub fn seed(&self) -> u64 {
        self.run.compute.seed()
    }

    /// Finds the device, which comes before all that computes, and makes the folder, for so many networks.
    pub fn start(&self, task: Task, networks: usize) -> Result<Start<'_>> {
        if networks > 1 && self.run.profiles() {
            return Err(Error::Config("--profile: times one training; name the network by --program".into()));
        }
        let device = self.run.compute.start()?;
        let out = self.run.out(task.name)?;
        Ok(Start { options: self, task, device, out })
    }
}

impl<'a> Start<'a> {
    /// Holds networks against one who is as good as this in validation and test, and says where they are trained.
    pub fn hold_against(self, baseline: [f64; 2]) -> Result<Comparison<'a>> {
        let Start { options, task, device, out } = self;
        say(format!("on       {}", describe(&device)))?;
        Ok(Comparison { options, task, device, out, baseline, rows: Vec::new(), best: None })
    }
}

impl Comparison<'_> {
    /// The model as the options have it: its seed, its precision, its device.
    pub fn prepare(&self, model: Model) -> Result<Model> {
        let Run { precision, compute, .. } = &self.options.run;
        Ok(model.seed(compute.seed())?.precision((*precision).into()).on(self.device.clone()))
    }

    pub fn learning_rate(&self) -> f64 {
        self.options.pace.learning_rate(self.task.learning_rate)
    }

    /// Trains a network and judges it; says whether to go on, which Ctrl-C denies.
    pub fn add(&mut self, contender: Contender) -> Result<bool> {
        let Contender { name, mut trainer, parts: [train, validation, test] } = contender;
        let (run, metric) = (&self.options.run, self.task.measure.metric());
        let out = self.out.join(name);
        std::fs::create_dir_all(&out).map_err(|source| Error::Io { path: out.clone(), source })?;
        let parameters = trainer.model().summary().trainable_parameters();
        let epochs = self.options.pace.epochs(self.task.epochs);
        let clock = Clock::default();
        let fit = Fit::epochs(epochs)
            .batch_size(self.options.pace.batch_size(self.task.batch_size))
            .validation_data(validation)
            .callback(EarlyStopping::new().patience(epochs).restore_best_weights())
            .callback(clock.clone());
        let Some(history) = run.train_one_of_several(&mut trainer, train, fit, &out)? else { return Ok(false) };
        plot::learning_curves(&history, metric, &out.join("learning-curves.png"))?;
        let mut measure = |part: &Dataset| -> Result<f64> {
            Ok(trainer.evaluate_with(part, TOGETHER)?.get(metric).unwrap_or(f64::NAN))
        };
        let measured = [measure(validation)?, measure(test)?];
        self.rows.push(Row { name, parameters, measured, epoch: clock.median() });
        // Nothing is better than NaN, and NaN is better than nothing.
        let than = self.best.as_ref().map(|best| best.measured[0]).filter(|value| !value.is_nan());
        if than.is_none_or(|than| self.task.measure.better(measured[0], than)) {
            self.best = Some(Learnt { name, model: trainer.into_model(), measured });
        }
        Ok(true)
    }

    /// Prints the table and saves it; gives the best network by validation, whose measure is a number.
    pub fn finish(&mut self) -> Result<Option<Learnt>> {
        self.rows.iter().try_for_each(|row| self.options.run.finish(&self.out.join(row.name)))?;
        say(format!("\n{}\n", self.text()))?;
        self.save()?;
        Ok(self.best.take().filter(|best| !best.measured[0].is_nan()))
    }

    /// The measure as a part of the baseline's, which says something of errors alone.
    fn ratio(&self, test: f64) -> Option<f64> {
        self.task.measure.is_error().then_some(test / self.baseline[1])
    }

    fn text(&self) -> String {
        let Task { measure, baseline, .. } = self.task;
        let title = measure.title();
        let line = |name: &str, parameters: usize, measured: [f64; 2], epoch: Option<Duration>| {
            let mut cells = vec![name.to_string(), parameters.to_string()];
            cells.extend(measured.map(|value| measure.show(value)));
            cells.extend(self.ratio(measured[1]).map(|ratio| format!("{ratio:.3}")));
            cells.push(epoch.map_or("–".into(), |time| format!("{:.1}", time.as_secs_f64())));
            cells
        };
        let mut head = vec![String::new(), "parameters".into(), format!("validation {title}"), format!("test {title}")];
        head.extend(measure.is_error().then(|| format!("of {baseline}")));
        head.push("s an epoch".into());
        let mut lines = vec![head, line(baseline, 0, self.baseline, None)];
        lines.extend(self.rows.iter().map(|row| line(row.name, row.parameters, row.measured, row.epoch)));
        let length = |cell: &String| cell.chars().count();
        let width = |column: usize| lines.iter().map(|line| length(&line[column])).max().unwrap_or(0);
        let show = |line: &Vec<String>| {
            let cells = line.iter().enumerate().map(|(column, cell)| {
                let space = " ".repeat(width(column) - length(cell));
                if column == 0 { format!("{cell}{space}") } else { format!("   {space}{cell}") }
            });
            cells.collect::<String>()
        };
        lines.iter().map(show).collect::<Vec<_>>().join("\n")
    }

    fn save(&self) -> Result<()> {
        let Task { measure, baseline, .. } = self.task;
        let values = self.baseline;
        let title = measure.title().to_lowercase();
        let ratio = |test: f64| self.ratio(test).map_or(String::new(), |ratio| format!(",{ratio}"));
        atomic_write(&self.out.join("results.csv"), |out| {
            let head = if measure.is_error() { ",ratio" } else { "" };
            writeln!(out, "model,parameters,validation_{title},test_{title}{head},seconds_per_epoch")?;
            writeln!(out, "{baseline},0,{},{}{},", values[0], values[1], ratio(values[1]))?;
            for Row { name, parameters, measured: [validation, test], epoch } in &self.rows {
                let epoch = epoch.map_or(String::new(), |time| format!("{:.3}", time.as_secs_f64()));
                writeln!(out, "{name},{parameters},{validation},{test}{},{epoch}", ratio(*test))?;
            }
            Ok(())
        })
    }
}

/// The time that epochs take, seen from outside of the run.
#[derive(Clone, Default)]
struct Clock(Arc<Mutex<Times>>);

#[derive(Default)]
struct Times {
    begun: Option<Instant>,
    epochs: Vec<Duration>,
}

impl Clock {
    fn median(&self) -> Option<Duration> {
        let mut epochs = self.0.lock().unwrap_or_else(PoisonError::into_inner).epochs.clone();
        epochs.sort_unstable();
        epochs.get(epochs.len() / 2).copied()
    }
}

impl Callback for Clock {
    fn on_epoch_begin(&mut self, _: &mut Trainer, _: &Epoch) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).begun = Some(Instant::now());
        Ok(())
    }

    fn on_epoch_end(&mut self, _: &mut Trainer, _: &Epoch, _: &Logs) -> Result<Control> {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let took = times.begun.map(|begun| begun.elapsed());
        times.epochs.extend(took);
        Ok(Control::Continue)
    }
}
