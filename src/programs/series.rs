//! Networks that foretell the weather, and what they are given of it.

use crate::data::{Dataset, Table, TimeSeries};
use crate::error::{Error, Result};
use crate::layers::{
    Conv1D, Dense, Dropout, Flatten, GRU, GlobalAveragePooling1D, Input, LSTM, MaxPooling1D, Normalization, Symbol,
};
use crate::model::Model;
use crate::tensor::Tensor;
use std::f64::consts::TAU;

/// Hours that a network sees: five days.
pub const HOURS: usize = 120;
/// How many hours after the last of them the temperature is to be foretold.
pub const AHEAD: usize = 24;
/// What a network is told of each hour. The temperature is the first, because it is what is foretold.
///
/// The wind is a vector, as 359 degrees are next to 1; so are the hour and the day, as points of a circle.
pub const FEATURES: [&str; 8] = [
    "temperature",
    "pressure",
    "wind to the east",
    "wind to the north",
    "hour sin",
    "hour cos",
    "year sin",
    "year cos",
];
/// Shares of the hours that are trained on, that choose the epoch and the network, and that test it, in the order of
/// time.
pub const PARTS: [f64; 3] = [0.5, 0.25, 0.25];

/// A network between the hours and the forecast.
pub struct Network {
    /// Its name: `dense`.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// From `(batch, HOURS, FEATURES)` to the features that one last unit adds up.
    body: fn(&Symbol) -> Result<Symbol>,
}

/// Every network, in the order of a table that compares them.
pub const NETWORKS: &[Network] = &[DENSE, CONV1D, LSTM_16, STACKED_GRU];

const DENSE: Network = Network {
    name: "dense",
    about: "Flatten, Dense 16: every hour has weights of its own",
    body: |hours| Dense::new(16).relu().call(&Flatten::new().call(hours)?),
};

const CONV1D: Network = Network {
    name: "conv1d",
    about: "Conv1D 8 of 24, 12 and 6 hours with poolings: what is seen of one day is seen of another",
    body: |hours| {
        let x = Conv1D::new(8, 24).relu().call(hours)?;
        let x = Conv1D::new(8, 12).relu().call(&MaxPooling1D::new(2).call(&x)?)?;
        let x = Conv1D::new(8, 6).relu().call(&MaxPooling1D::new(2).call(&x)?)?;
        GlobalAveragePooling1D::new().call(&x)
    },
};

const LSTM_16: Network =
    Network { name: "lstm", about: "LSTM 16: hour after hour, with a memory", body: |hours| LSTM::new(16).call(hours) };

const STACKED_GRU: Network = Network {
    name: "stacked-gru",
    about: "GRU 32 twice, with half of the state and of the output dropped out: more memory, and less of it by heart",
    body: |hours| {
        let gru = || GRU::new(32).recurrent_dropout(0.5);
        let x = gru().return_sequences(true).call(hours)?;
        Dropout::new(0.5).call(&gru().call(&x)?)
    },
};

impl Network {
    /// The model that takes hours as they were measured and gives degrees: what normalises the one and undoes it for
    /// the other is learnt from the training part.
    ///
    /// # Errors
    /// A part that is held out.
    pub fn model(&self, train: &Dataset) -> Result<Model> {
        let input = Input::new([HOURS, FEATURES.len()]);
        let x = (self.body)(&Normalization::new().adapt(train)?.call(&input)?)?;
        let targets = Dataset::new(train.targets().to_vec(), ())?;
        let degrees = Normalization::new().invert(true).adapt(&targets)?;
        Model::new(&input, &degrees.call(&Dense::new(1).call(&x)?)?)
    }
}

/// The weather as networks see it, hour by hour.
pub struct Weather {
    /// Windows of [`HOURS`], each with the temperature [`AHEAD`] of its end.
    pub series: TimeSeries,
    /// The time of each hour as the table has it.
    pub times: Vec<String>,
    /// In °C.
    pub temperatures: Vec<f32>,
}

impl Weather {
    /// What a table such as that of [`weather`](crate::data::datasets::weather) holds. Hours may be missing: no window
    /// reaches over a gap.
    ///
    /// # Errors
    /// A column that is not there or holds no numbers, a time that is not written as `2009-07-01 00:00:00`, rows that
    /// are not in the order of time.
    pub fn new(table: &Table) -> Result<Weather> {
        let column = |name: &str| table.column(name)?.numbers();
        let (temperature, pressure) = (column("temperature")?, column("pressure")?);
        let (speed, direction) = (column("wind_speed")?, column("wind_direction")?);
        let times: Vec<String> =
            table.column("time")?.cells().map(|cell| cell.unwrap_or_default().to_string()).collect();
        let moments = times.iter().map(|time| Moment::read(time)).collect::<Result<Vec<_>>>()?;

        let mut rows = Vec::with_capacity(times.len() * FEATURES.len());
        for (i, moment) in moments.iter().enumerate() {
            // The wind comes from its direction.
            let (east, north) = direction[i].to_radians().sin_cos();
            let ((hour_sin, hour_cos), (year_sin, year_cos)) =
                ((TAU * moment.hour / 24.0).sin_cos(), (TAU * moment.of_year).sin_cos());
            let row: [f64; FEATURES.len()] = [
                temperature[i],
                pressure[i],
                -speed[i] * east,
                -speed[i] * north,
                hour_sin,
                hour_cos,
                year_sin,
                year_cos,
            ];
            rows.extend(row.map(|x| x as f32));
        }
        let temperatures: Vec<f32> = temperature.iter().map(|&t| t as f32).collect();
        let series = TimeSeries::new(&Tensor::from_slice(&rows, [times.len(), FEATURES.len()])?, HOURS)
            .targets(&Tensor::from_slice(&temperatures, [times.len(), 1])?)
            .ahead(AHEAD)
            .times(moments.iter().map(|moment| moment.days * 24.0 + moment.hour).collect::<Vec<_>>());
        Ok(Weather { series, times, temperatures })
    }

    /// The parts to train on, to choose by, and to test on.
    ///
    /// # Errors
    /// Too few hours, gaps in all of a part.
    pub fn parts(&self) -> Result<[Dataset; 3]> {
        self.series.parts(PARTS)
    }

    /// The hour that each window of each part foretells, as a number of a row.
    ///
    /// # Errors
    /// As [`Weather::parts`].
    pub fn foretold(&self) -> Result<[Vec<usize>; 3]> {
        let rows: Vec<i32> = (0..self.times.len() as i32).collect();
        let parts = self.series.clone().targets(&Tensor::from_slice(&rows, rows.len())?).parts(PARTS)?;
        let rows = |part: &Dataset| -> Result<Vec<usize>> {
            Ok(part.targets()[0].to_vec::<i32>()?.into_iter().map(|row| row as usize).collect())
        };
        let [train, validation, test] = &parts;
        Ok([rows(train)?, rows(validation)?, rows(test)?])
    }
}

/// A time of the calendar.
struct Moment {
    /// Days since 1 January 1970.
    days: f64,
    /// Hours of the day.
    hour: f64,
    /// How much of its year is over.
    of_year: f64,
}

impl Moment {
    fn read(text: &str) -> Result<Moment> {
        let number = |range: std::ops::Range<usize>| text.get(range).and_then(|digits| digits.parse::<u32>().ok());
        let read = || {
            let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
            let (hour, minute) = (number(11..13)?, number(14..16)?);
            let sound = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60;
            sound.then(|| {
                let first = days_since_1970(year, 1, 1);
                let (days, hour) = (days_since_1970(year, month, day), f64::from(hour) + f64::from(minute) / 60.0);
                let of_year = (days - first + hour / 24.0) / (days_since_1970(year + 1, 1, 1) - first);
                Moment { days, hour, of_year }
            })
        };
        read().ok_or_else(|| Error::Data(format!("expected a time such as 2009-07-01 00:00:00, got `{text}`")))
    }
}

/// Of the Gregorian calendar; years begin with March, so that the leap day is their last
/// ([Hinnant](https://howardhinnant.github.io/date_algorithms.html#days_from_civil)).
fn days_since_1970(year: u32, month: u32, day: u32) -> f64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((i64::from(month) + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    (era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Source;
    use crate::data::datasets::weather;

    #[test]
    fn days_are_those_of_the_calendar() -> Result<()> {
        for (date, days) in
            [((1970, 1, 1), 0.0), ((2000, 2, 29), 11_016.0), ((2000, 3, 1), 11_017.0), ((2017, 6, 30), 17_347.0)]
        {
            assert_eq!(days_since_1970(date.0, date.1, date.2), days, "{date:?}");
        }
        let moment = Moment::read("2016-12-31 12:00:00")?;
        assert_eq!((moment.hour, moment.of_year), (12.0, 365.5 / 366.0));
        for bad in [
            "",
            "2016",
            "2016-13-01 00:00:00",
            "2016-01-00 00:00",
            "2016-01-01T24:00",
            "01.01.2016 00:00",
            "é2016-01-01 00",
        ] {
            assert!(Moment::read(bad).is_err(), "{bad}");
        }
        Ok(())
    }

    #[test]
    fn the_weather_is_divided_in_time() -> Result<()> {
        let weather = Weather::new(&weather()?)?;
        let parts = weather.parts()?;
        let rows = weather.foretold()?;
        // Four years and twice two; what five days and one of each part must come before is foretold nowhere.
        let lost = HOURS + AHEAD - 1;
        for (i, (hours, ends)) in [(35_064, 35_064), (17_532, 52_596), (17_532, 70_128)].into_iter().enumerate() {
            let (part, rows) = (&parts[i], &rows[i]);
            assert_eq!((part.len(), rows.len()), (hours - lost, hours - lost), "part {i}");
            assert_eq!(rows[rows.len() - 1], ends - 1, "part {i}");
            // The last hour of the window is a day before.
            let at = part.len() / 3;
            let sample = part.read(&[at as i32])?;
            let window = sample.inputs()[0].to_vec::<f32>()?;
            assert_eq!(window[(HOURS - 1) * FEATURES.len()], weather.temperatures[rows[at] - AHEAD]);
            assert_eq!(sample.targets()[0].to_vec::<f32>()?, [weather.temperatures[rows[at]]]);
        }
        assert_eq!(weather.times[rows[2][0]], "2015-07-07 11:00:00");
        Ok(())
    }

    #[test]
    fn wind_from_the_west_blows_to_the_east() -> Result<()> {
        let row = |time: &str, from: &str| [time.to_string(), from.to_string()];
        let hours: Vec<[String; 2]> =
            (0..300).map(|i| row(&format!("2016-01-{:02} {:02}:00:00", i / 24 + 1, i % 24), "270")).collect();
        let same = |cell: &str| vec![cell.to_string(); hours.len()];
        let column = |i: usize| hours.iter().map(|row| row[i].clone()).collect::<Vec<_>>();
        let table = Table::from_columns([
            ("time", column(0)),
            ("wind_direction", column(1)),
            ("wind_speed", same("5")),
            ("temperature", same("10")),
            ("pressure", same("1000")),
        ])?;
        let weather = Weather::new(&table)?;
        let window = weather.series.dataset()?.read(&[0])?.inputs()[0].to_vec::<f32>()?;
        assert!((window[2] - 5.0).abs() < 1e-5 && window[3].abs() < 1e-5, "{:?}", &window[..8]);
        // Six in the morning is a quarter of the day.
        assert!((window[6 * FEATURES.len() + 4] - 1.0).abs() < 1e-6);
        Ok(())
    }

    #[test]
    fn every_network_foretells_degrees() -> Result<()> {
        let [train, ..] = Weather::new(&weather()?)?.parts()?;
        for network in NETWORKS {
            let model = network.model(&train)?;
            let foretold = model.predict_source(&train.take(50)?, 20)?.remove(0);
            assert_eq!(foretold.shape()[..], [50, 1], "{}", network.name);
            assert!(foretold.to_vec::<f32>()?.iter().all(|t| (-40.0..50.0).contains(t)), "{}", network.name);
        }
        Ok(())
    }
}
