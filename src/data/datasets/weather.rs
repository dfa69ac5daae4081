//! Hours of weather.

use super::{folder, unzipped};
use crate::data::Table;
use crate::error::Result;
use std::path::Path;

/// Eight years of hourly weather at one point of the Irish coast, July 2009 to June 2017, without a gap (NASA's
/// [MERRA-2](https://doi.org/10.1175/JCLI-D-16-0758.1), 2017): the columns `time`, `wind_speed` (m/s), `wind_direction`
/// (degrees, where it comes from), `temperature` (°C) and `pressure` (hPa); 70 128 rows in the order of time.
///
/// # Errors
/// The folder `datasets/weather` is not there, or not what it was.
pub fn weather() -> Result<Table> {
    const FILE: &str = "weather/hourly.csv.gz";
    Table::parse(unzipped(&folder()?.join(FILE))?.as_bytes(), Path::new(FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weather_is_whole() -> Result<()> {
        let table = weather()?;
        assert_eq!(table.rows(), 8 * 365 * 24 + 2 * 24, "eight years, two of them with a leap day");
        let times: Vec<&str> = table.column("time")?.cells().flatten().collect();
        assert_eq!((times[0], times[table.rows() - 1]), ("2009-07-01 00:00:00", "2017-06-30 23:00:00"));
        // Every hour is there once: each is the hour of the day that its place says, and days follow.
        assert!(times.iter().enumerate().all(|(i, time)| time[11..13].parse() == Ok(i % 24)));
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
        for (name, low, high, mean) in [
            ("temperature", -5.99, 24.5, 8.1904),
            ("pressure", 933.09, 1021.49, 991.7014),
            ("wind_speed", 0.035, 27.261, 7.6533),
            ("wind_direction", 0.0, 360.0, 202.9563),
        ] {
            let numbers = table.column(name)?.numbers()?;
            let (least, most) = numbers.iter().fold((f64::MAX, f64::MIN), |(l, m), &x| (l.min(x), m.max(x)));
            assert_eq!((least, most), (low, high), "{name}");
            assert!((numbers.iter().sum::<f64>() / numbers.len() as f64 - mean).abs() < 1e-4, "{name}");
        }
        Ok(())
    }
}
