//! `uncrumple train weather`: the temperature of tomorrow from five days of weather.

use super::print_left;
use super::run::Run;
use crate::options::{describe, rate};
use crate::{plot, say};
use clap::Args;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use uncrumple::callbacks::EarlyStopping;
use uncrumple::files::atomic_write;
use uncrumple::prelude::*;
use uncrumple::programs::series::{AHEAD, FEATURES, HOURS, NETWORKS, Network, Weather};

/// Learn to foretell tomorrow's temperature, by several networks, and compare them
#[derive(Args)]
#[command(
    after_help = "Eight years of hourly weather at one place (datasets/weather). A network sees five days, each hour \
    with temperature, pressure, wind, and where it is in day and year, and foretells the temperature 24 \
    hours after the last. The first four years are trained on, the next two choose the epoch and the \
    network, the last two test it: nothing of a later part is known to an earlier one. All are held \
    against who says that tomorrow at this hour is as warm as now. RMSprop minimises the squared error \
    in batches of 128, for 10 epochs with a learning rate of 0.001. The folder has a folder for each \
    network, and a picture of two weeks of the test part as the best of them foretold them: weeks in \
    which it is as far off as in all."
)]
pub struct Arguments {
    /// Only this network, or several of them; all unless given
    #[arg(long, value_name = "NAME", value_parser = names())]
    program: Vec<String>,

    /// How often to go through the hours; the weights of the best epoch by validation are kept
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,

    /// Windows of a step
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: u32,

    /// RMSprop's learning rate
    #[arg(long, value_name = "RATE", default_value_t = 1e-3, allow_negative_numbers = true, value_parser = rate)]
    learning_rate: f64,

    #[command(flatten)]
    run: Run,
}

fn names() -> clap::builder::PossibleValuesParser {
    NETWORKS.iter().map(|network| network.name).collect::<Vec<_>>().into()
}

/// Windows that are evaluated together.
const TOGETHER: usize = 1000;
const METRIC: &str = "mean_absolute_error";

pub fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { program, run, .. } = arguments;
    let chosen: Vec<&Network> =
        NETWORKS.iter().filter(|n| program.is_empty() || program.iter().any(|name| n.name == name)).collect();
    if chosen.len() > 1 && run.profiles() {
        return Err(Error::Config("--profile: times one training; name the network by --program".into()));
    }
    let device = run.compute.start()?;
    let out = run.out("weather")?;
    let weather = Weather::new(&datasets::weather()?)?;
    let parts = Parts::new(&weather)?;
    parts.describe(&weather)?;
    say(format!("on       {}", describe(&device)))?;

    let mut table = Table { persistence: parts.persistence, rows: Vec::new() };
    let mut best: Option<Model> = None;
    for network in &chosen {
        say(format!("\n{}: {}", network.name, network.about))?;
        let Some((row, model)) = learn(network, arguments, &parts, &device, &out)? else { return Ok(()) };
        if table.best().is_none_or(|best| row.mae[0] < best.mae[0]) {
            best = Some(model);
        }
        table.rows.push(row);
    }
    chosen.iter().try_for_each(|network| run.finish(&out.join(network.name)))?;
    say(format!("\n{}", table.text()))?;
    table.save(&out.join("results.csv"))?;
    let (Some(model), Some(row)) = (best, table.best()) else { return Ok(()) };
    say(table.verdict(row))?;
    let forecast = foretold(&model, &parts)?;
    plot::forecast(&two_weeks(&weather, &parts.foretold, &forecast, row.name), &out.join("forecast"))?;
    say("")?;
    let model = format!("{}/model.keras", row.name);
    let mut left = vec![(model.as_str(), "the best of the trained networks by validation; the others are beside it")];
    left.extend(LEFT);
    print_left(&out, &left)
}

/// What a run leaves in its folder beside the networks.
const LEFT: [(&str, &str); 3] = [
    ("results.csv", "the table"),
    ("forecast.png", "two weeks of the test part, neither the best nor the worst, and what was foretold"),
    ("forecast.svg", "the same to enlarge"),
];

/// Trains a network and judges it; nothing comes back where Ctrl-C ended it.
fn learn(
    network: &Network,
    arguments: &Arguments,
    parts: &Parts,
    device: &Device,
    out: &Path,
) -> Result<Option<(Row, Model)>> {
    let Arguments { epochs, batch_size, learning_rate, run, .. } = arguments;
    let out = out.join(network.name);
    std::fs::create_dir_all(&out).map_err(|source| Error::Io { path: out.clone(), source })?;
    let model = network.model(&parts.train)?.seed(run.compute.seed())?;
    let model = model.precision(run.precision.into()).on(device.clone());
    let parameters = model.summary().trainable_parameters();
    let metrics = [MeanAbsoluteError::new()];
    let mut trainer = model.compile(RMSprop::new(*learning_rate), MeanSquaredError::new(), metrics)?;
    let (epochs, clock) = (*epochs as usize, Clock::default());
    let fit = Fit::epochs(epochs)
        .batch_size(*batch_size as usize)
        .validation_data(&parts.validation)
        .callback(EarlyStopping::new().patience(epochs).restore_best_weights())
        .callback(clock.clone());
    let Some(history) = run.train_one_of_several(&mut trainer, &parts.train, fit, &out)? else { return Ok(None) };
    plot::learning_curves(&history, METRIC, &out.join("learning-curves.png"))?;
    let mut mae =
        |part: &Dataset| -> Result<f64> { Ok(trainer.evaluate_with(part, TOGETHER)?.get(METRIC).unwrap_or(f64::NAN)) };
    let mae = [mae(&parts.validation)?, mae(&parts.test)?];
    Ok(Some((Row { name: network.name, parameters, mae, epoch: clock.median() }, trainer.into_model())))
}

/// What is trained on, chosen by and tested on.
struct Parts {
    train: Dataset,
    validation: Dataset,
    test: Dataset,
    /// The hours of the test part that are foretold.
    foretold: Vec<usize>,
    /// How far off it is that tomorrow is as warm as now, in validation and test.
    persistence: [f64; 2],
    /// The first and the last hour that each part foretells.
    ends: [[usize; 2]; 3],
}

impl Parts {
    fn new(weather: &Weather) -> Result<Parts> {
        let [train, validation, test] = weather.parts()?;
        let rows = weather.foretold()?;
        let ends = [0, 1, 2].map(|i| [rows[i][0], rows[i][rows[i].len() - 1]]);
        let [_, chosen, foretold] = rows;
        let off = |rows: &[usize]| {
            let now = |row: usize| weather.temperatures[row - AHEAD];
            rows.iter().map(|&row| f64::from((weather.temperatures[row] - now(row)).abs())).sum::<f64>()
                / rows.len() as f64
        };
        let persistence = [off(&chosen), off(&foretold)];
        Ok(Parts { train, validation, test, foretold, persistence, ends })
    }

    /// Prints what is learnt from.
    fn describe(&self, weather: &Weather) -> Result<()> {
        say(format!("target   the temperature {AHEAD} hours ahead, in °C"))?;
        say(format!("inputs   {HOURS} hours of {} numbers: {}", FEATURES.len(), FEATURES.join(", ")))?;
        let parts = [&self.train, &self.validation, &self.test];
        for (i, (part, what)) in parts.into_iter().zip(["to train on", "for validation", "to be tested on"]).enumerate()
        {
            let [first, last] = self.ends[i].map(|row| weather.times[row].get(..10).unwrap_or_default());
            let head = if i == 0 { "hours" } else { "" };
            say(format!("{head:<8} {:>6} {what:<15} ({first} to {last})", part.len()))?;
        }
        Ok(())
    }
}

/// A line of the table.
struct Row {
    name: &'static str,
    parameters: usize,
    /// In validation and test.
    mae: [f64; 2],
    /// Of an epoch, validation included; nothing where a run was gone on with that was over.
    epoch: Option<Duration>,
}

struct Table {
    persistence: [f64; 2],
    rows: Vec<Row>,
}

impl Table {
    /// The best network by validation, which is not NaN.
    fn best(&self) -> Option<&Row> {
        self.rows.iter().filter(|row| !row.mae[0].is_nan()).min_by(|a, b| a.mae[0].total_cmp(&b.mae[0]))
    }

    fn text(&self) -> String {
        let line =
            |c: [&str; 6]| format!("{:<12} {:>11} {:>15} {:>10} {:>15} {:>11}", c[0], c[1], c[2], c[3], c[4], c[5]);
        let mut lines = vec![line(["", "parameters", "validation MAE", "test MAE", "of persistence", "s an epoch"])];
        let [validation, test] = self.persistence.map(|mae| format!("{mae:.3} °C"));
        lines.push(line(["persistence", "0", &validation, &test, "1.000", "–"]));
        for row in &self.rows {
            let [validation, test] = row.mae.map(|mae| format!("{mae:.3} °C"));
            let ratio = format!("{:.3}", row.mae[1] / self.persistence[1]);
            let epoch = row.epoch.map_or("–".into(), |time| format!("{:.1}", time.as_secs_f64()));
            lines.push(line([row.name, &row.parameters.to_string(), &validation, &test, &ratio, &epoch]));
        }
        lines.join("\n")
    }

    fn save(&self, path: &Path) -> Result<()> {
        atomic_write(path, |out| {
            writeln!(out, "model,parameters,validation_mae,test_mae,ratio,seconds_per_epoch")?;
            let [validation, test] = self.persistence;
            writeln!(out, "persistence,0,{validation},{test},1,")?;
            for Row { name, parameters, mae: [validation, test], epoch } in &self.rows {
                let epoch = epoch.map_or(String::new(), |time| format!("{:.3}", time.as_secs_f64()));
                let ratio = test / self.persistence[1];
                writeln!(out, "{name},{parameters},{validation},{test},{ratio},{epoch}")?;
            }
            Ok(())
        })
    }

    fn verdict(&self, best: &Row) -> String {
        let (mae, persistence) = (best.mae[1], self.persistence[1]);
        let less = (1.0 - mae / persistence) * 100.0;
        let than = "than who says that it will be as warm as now";
        let how = if less >= 0.0 { format!("{less:.1} % less") } else { format!("{:.1} % more", -less) };
        format!("\n{} is off by {mae:.2} °C in the test part, {how} {than} ({persistence:.2} °C).", best.name)
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

/// What the network says of each hour of the test part, in °C.
fn foretold(model: &Model, parts: &Parts) -> Result<Vec<f32>> {
    let outputs = model.predict_source(&parts.test, TOGETHER)?;
    outputs.first().map_or(Ok(Vec::new()), |output| output.cast(DType::F32)?.to_vec::<f32>())
}

/// Two weeks, in hours.
const TWO_WEEKS: usize = 14 * 24;

/// Of all pairs of weeks the one in which network and persistence are off by what they are off by in the whole part:
/// neither the best of them nor the worst.
fn two_weeks<'a>(weather: &'a Weather, rows: &[usize], forecast: &[f32], name: &'static str) -> plot::Forecast<'a> {
    let was = |row: usize| weather.temperatures[row];
    let errors: Vec<[f64; 2]> = rows
        .iter()
        .zip(forecast)
        .map(|(&row, &said)| [(said - was(row)).abs(), (was(row - AHEAD) - was(row)).abs()].map(f64::from))
        .collect();
    let mean = |range: &[[f64; 2]]| [0, 1].map(|i| range.iter().map(|e| e[i]).sum::<f64>() / range.len().max(1) as f64);
    let whole = mean(&errors);
    let unlike = |start: &usize| {
        let own = mean(&errors[*start..(start + TWO_WEEKS).min(errors.len())]);
        (own[0] / whole[0] - 1.0).abs() + (own[1] / whole[1] - 1.0).abs()
    };
    // Stretches without a gap that begin at midnight; the whole part where there is none.
    let last = rows.len().saturating_sub(TWO_WEEKS);
    let sound = |&start: &usize| {
        let until = rows.get(start + TWO_WEEKS - 1);
        weather.times[rows[start]].contains(" 00:00") && until == Some(&(rows[start] + TWO_WEEKS - 1))
    };
    let start = (0..=last).filter(sound).min_by(|a, b| unlike(a).total_cmp(&unlike(b))).unwrap_or(0);
    let range = start..(start + TWO_WEEKS).min(rows.len());
    let rows = &rows[range.clone()];
    plot::Forecast {
        name,
        times: rows.iter().map(|&row| weather.times[row].as_str()).collect(),
        real: rows.iter().map(|&row| was(row)).collect(),
        forecast: forecast[range.clone()].to_vec(),
        persistence: rows.iter().map(|&row| was(row - AHEAD)).collect(),
        errors: mean(&errors[range]),
    }
}
