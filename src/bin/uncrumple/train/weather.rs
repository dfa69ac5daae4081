//! `uncrumple train weather`: the temperature of tomorrow from five days of weather.

use super::comparison::{BEST, Contender, Measure, Options, TOGETHER, Task, chosen, names};
use super::print_left;
use crate::{plot, say};
use clap::Args;
use uncrumple::prelude::*;
use uncrumple::programs::series::{AHEAD, FEATURES, HOURS, NETWORKS, Weather};

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
    #[arg(long, value_name = "NAME", value_parser = names(NETWORKS.iter().map(|network| network.name)))]
    program: Vec<String>,

    #[command(flatten)]
    options: Options,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { program, options } = arguments;
    let chosen = chosen(NETWORKS, program, |network| network.name);
    let task = Task {
        name: "weather",
        measure: Measure::MeanAbsoluteError("°C"),
        baseline: "persistence",
        epochs: 10,
        batch_size: 128,
        learning_rate: 1e-3,
    };
    let start = options.start(task, chosen.len())?;
    let weather = Weather::new(&datasets::weather()?)?;
    let parts = Parts::new(&weather)?;
    parts.describe(&weather)?;
    let mut comparison = start.hold_against(parts.persistence)?;
    for network in chosen {
        say(format!("\n{}: {}", network.name, network.about))?;
        let model = comparison.prepare(network.model(&parts.train)?)?;
        let optimizer = RMSprop::new(comparison.learning_rate());
        let trainer = model.compile(optimizer, MeanSquaredError::new(), [MeanAbsoluteError::new()])?;
        let parts = [&parts.train, &parts.validation, &parts.test];
        if !comparison.add(Contender { name: network.name, trainer, parts })? {
            return Ok(());
        }
    }
    let Some(best) = comparison.finish()? else { return Ok(()) };
    say(verdict(best.name, best.measured[1], parts.persistence[1]))?;
    let forecast = foretold(&best.model, &parts)?;
    let picture = comparison.out.join("forecast");
    plot::forecast(&two_weeks(&weather, &parts.foretold, &forecast, best.name), &picture)?;
    say("")?;
    let model = format!("{}/model.keras", best.name);
    let mut left = vec![(model.as_str(), BEST)];
    left.extend(LEFT);
    print_left(&comparison.out, &left)
}

fn verdict(name: &str, mae: f64, persistence: f64) -> String {
    let less = (1.0 - mae / persistence) * 100.0;
    let than = "than who says that it will be as warm as now";
    let how = if less >= 0.0 { format!("{less:.1} % less") } else { format!("{:.1} % more", -less) };
    format!("{name} is off by {mae:.2} °C in the test part, {how} {than} ({persistence:.2} °C).")
}

/// What a run leaves in its folder beside the networks.
const LEFT: [(&str, &str); 3] = [
    ("results.csv", "the table"),
    ("forecast.png", "two weeks of the test part, neither the best nor the worst, and what was foretold"),
    ("forecast.svg", "the same to enlarge"),
];

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
