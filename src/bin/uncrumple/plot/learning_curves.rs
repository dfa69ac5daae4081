//! Loss and accuracy over the epochs.

use super::{BLUE, Drawn, INK, MUTED, ORANGE, RULE, bold, draw, text};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;
use uncrumple::Result;
use uncrumple::train::History;

type Area<'a> = DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>;

/// Loss on the left and a metric on the right, of training and of validation; the loss alone where no metric is named.
pub fn learning_curves(history: &History, metric: impl Into<Option<&'static str>>, path: &Path) -> Result<()> {
    let Some(metric) = metric.into() else {
        return draw(path, (800, 680), |area| panel(area, "Loss", history, "loss", &|v| short(*v)));
    };
    let label: &dyn Fn(&f64) -> String = match metric {
        "accuracy" => &|v| format!("{:.1} %", v * 100.0),
        _ => &|v| short(*v),
    };
    let title: String = metric.split('_').collect::<Vec<_>>().join(" ");
    let title = title[..1].to_uppercase() + &title[1..];
    draw(path, (1600, 680), |area| {
        let (left, right) = area.split_horizontally(800);
        panel(&left, "Loss", history, "loss", &|v| short(*v))?;
        panel(&right, &title, history, metric, label)
    })
}

/// With as many digits as fit beside an axis.
fn short(v: f64) -> String {
    match v.abs() {
        x if x >= 1e5 => format!("{v:.0e}"),
        x if x >= 1000.0 => format!("{v:.0}"),
        x if x >= 100.0 => format!("{v:.1}"),
        _ => format!("{v:.2}"),
    }
}

fn panel(area: &Area, title: &str, history: &History, figure: &str, label: &dyn Fn(&f64) -> String) -> Drawn {
    let curves =
        [("training", history.values(figure), BLUE), ("validation", history.values(&format!("val_{figure}")), ORANGE)];
    let values = curves.iter().flat_map(|(_, values, _)| values).copied().filter(|v| v.is_finite());
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
    let margin = ((high - low) * 0.12).max(0.005);
    let (bottom, top) =
        ((low - margin).max(0.0), if figure == "accuracy" { (high + margin).min(1.0) } else { high + margin });
    let epochs = history.epochs.len().max(1);
    // One epoch is a point in the middle; more fill the width.
    let (first, last) = if epochs == 1 { (0.0, 2.0) } else { (1.0, epochs as f64) };

    area.draw(&Text::new(title.to_string(), (100, 34), bold(36, INK)))?;
    // The legend stands beside the title, in the curves' colours.
    let mut x = 470;
    for (name, values, colour) in &curves {
        if !values.is_empty() {
            area.draw(&Rectangle::new([(x, 47), (x + 32, 52)], colour.filled()))?;
            area.draw(&Text::new(*name, (x + 42, 42), text(24, MUTED)))?;
            x += 150;
        }
    }
    let mut chart = ChartBuilder::on(area)
        .margin_top(104)
        .margin_right(46)
        .margin_bottom(22)
        .x_label_area_size(72)
        .y_label_area_size(100)
        .build_cartesian_2d(first..last, bottom..top)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RULE.stroke_width(2))
        .axis_style(RULE.stroke_width(2))
        .x_labels(epochs.clamp(3, 10))
        .x_label_formatter(&|x| {
            let is_epoch = (x - x.round()).abs() < 1e-6 && (1.0..=epochs as f64).contains(&x.round());
            if is_epoch { format!("{x:.0}") } else { String::new() }
        })
        .y_labels(6)
        .y_label_formatter(label)
        .x_desc("epoch")
        .label_style(text(24, MUTED))
        .axis_desc_style(text(24, MUTED).pos(Pos::new(HPos::Center, VPos::Bottom)))
        .draw()?;
    for (_, values, colour) in curves {
        let points: Vec<(f64, f64)> =
            values.iter().enumerate().filter(|(_, v)| v.is_finite()).map(|(i, v)| (i as f64 + 1.0, *v)).collect();
        // Where lines so near meet at sharp angles, wide ones would end in spikes far beyond the values.
        let width = if points.len() <= 400 { 5 } else { 1 };
        chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(width)))?;
        // So many dots that they touch would only thicken the line.
        if points.len() <= 40 {
            chart.draw_series(points.iter().map(|&point| Circle::new(point, 7, colour.filled())))?;
        }
    }
    Ok(())
}
