//! What was foretold beside what came.

use super::{Drawing, Drawn, INK, MUTED, ORANGE, RULE, bold, draw_both, text, width_of};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;
use uncrumple::Result;

/// Hours of temperature in °C, and what was said of them a day before.
pub struct Forecast<'a> {
    /// The network that foretold them.
    pub name: &'static str,
    /// `2016-04-01 00:00:00`, one an hour.
    pub times: Vec<&'a str>,
    pub real: Vec<f32>,
    pub forecast: Vec<f32>,
    /// What it was a day before.
    pub persistence: Vec<f32>,
    /// How far off both are on average.
    pub errors: [f64; 2],
}

const SIZE: (u32, u32) = (1600, 760);
const LEFT: i32 = 100;
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Draws `path.png` and `path.svg`.
pub fn forecast(forecast: &Forecast, path: &Path) -> Result<()> {
    draw_both(path, SIZE, forecast)
}

/// `1 Apr` of `2016-04-01 …`, as it stands where it is written otherwise.
fn day(time: &str) -> String {
    let number = |range: std::ops::Range<usize>| time.get(range).and_then(|digits| digits.parse::<usize>().ok());
    match (number(5..7).and_then(|month| MONTHS.get(month.checked_sub(1)?)), number(8..10)) {
        (Some(month), Some(day)) => format!("{day} {month}"),
        _ => time.to_string(),
    }
}

impl Forecast<'_> {
    /// From which day to which.
    fn span(&self) -> String {
        let [first, last] = [self.times.first(), self.times.last()].map(|time| time.copied().unwrap_or_default());
        format!("{} to {} {}", day(first), day(last), last.get(..4).unwrap_or_default())
    }
}

impl Drawing for Forecast<'_> {
    fn on<DB: DrawingBackend<ErrorType: 'static>>(&self, area: &DrawingArea<DB, Shift>) -> Drawn {
        let [network, now] = self.errors;
        let curves = [
            ("as warm as a day before".to_string(), &self.persistence, MUTED.mix(0.45), 2, Some(now)),
            ("temperature".to_string(), &self.real, INK.mix(1.0), 3, None),
            (format!("{}, 24 hours before", self.name), &self.forecast, ORANGE.mix(1.0), 4, Some(network)),
        ];
        let values = curves.iter().flat_map(|(_, values, ..)| values.iter()).copied().filter(|v| v.is_finite());
        let (low, high) = values.fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let (low, high) = if low <= high { (low.floor() - 1.0, high.ceil() + 1.0) } else { (0.0, 1.0) };
        let hours = self.times.len().max(2) as f64 - 1.0;

        area.draw(&Text::new(format!("Temperature, {}", self.span()), (LEFT, 30), bold(36, INK)))?;
        // The legend under the title, in the curves' colours; the real one first.
        let mut x = LEFT;
        for i in [1, 2, 0] {
            let (name, _, colour, width, error) = &curves[i];
            let off = error.map_or(String::new(), |error| format!(": off by {error:.2} °C"));
            let (words, style) = (format!("{name}{off}"), text(24, MUTED));
            area.draw(&Rectangle::new([(x, 99 - width / 2), (x + 36, 100 + width / 2)], colour.filled()))?;
            area.draw(&Text::new(words.clone(), (x + 46, 88), style.clone()))?;
            x += 46 + width_of(&words, &style) + 44;
        }
        let mut chart = ChartBuilder::on(area)
            .margin_top(146)
            .margin_right(46)
            .margin_bottom(18)
            .x_label_area_size(56)
            .y_label_area_size(LEFT)
            .build_cartesian_2d(0.0..hours, f64::from(low)..f64::from(high))?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(RULE.stroke_width(2))
            .axis_style(RULE.stroke_width(2))
            .x_labels(0)
            .y_labels(7)
            .y_label_formatter(&|t| format!("{t:.0} °C"))
            .label_style(text(24, MUTED))
            .draw()?;
        // A line at each midnight, and the day between two.
        let plane = chart.plotting_area();
        let midnights = self.times.iter().enumerate().filter(|(_, time)| time.contains(" 00:00"));
        let (_, bottom) = plane.map_coordinate(&(0.0, f64::from(low)));
        let style = text(22, MUTED).pos(Pos::new(HPos::Center, VPos::Top));
        for (hour, time) in midnights {
            let hour = hour as f64;
            let line = [(hour, f64::from(low)), (hour, f64::from(high))];
            plane.draw(&PathElement::new(line, RULE.stroke_width(1)))?;
            if hour + 12.0 <= hours {
                let (middle, _) = plane.map_coordinate(&(hour + 12.0, 0.0));
                area.draw(&Text::new(day(time), (middle, bottom + 16), style.clone()))?;
            }
        }
        for (_, values, colour, width, _) in &curves {
            let points = values.iter().enumerate().filter(|(_, v)| v.is_finite());
            let points = points.map(|(hour, &value)| (hour as f64, f64::from(value)));
            chart.draw_series(LineSeries::new(points, colour.stroke_width(*width as u32)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_named() {
        assert_eq!((day("2016-04-01 00:00:00").as_str(), day("2016-13-01").as_str()), ("1 Apr", "2016-13-01"));
    }
}
