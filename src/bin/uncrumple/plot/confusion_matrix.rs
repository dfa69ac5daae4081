//! Which classes were taken for which.

use super::{BLUE, INK, MUTED, ORANGE, bold, draw, mixed, text};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;
use uncrumple::Result;

const CELL: i32 = 84;
const GAP: i32 = 4;
const LEFT: i32 = 130;
const TOP: i32 = 200;

/// A table of counts, what is right in blue and what is wrong in orange, the darker the more.
///
/// The two have scales of their own: of a good network's thousands the errors would not be seen.
pub fn confusion_matrix(counts: &[Vec<usize>], accuracy: f64, path: &Path) -> Result<()> {
    let classes = counts.len() as i32;
    let size = (LEFT + classes * CELL + 60, TOP + classes * CELL + 50);
    let most = |right: bool| {
        let cells =
            counts.iter().enumerate().flat_map(|(i, row)| row.iter().enumerate().map(move |(j, n)| (i == j, *n)));
        cells.filter(|(diagonal, _)| *diagonal == right).map(|(_, n)| n).max().unwrap_or(0).max(1)
    };
    let (most_right, most_wrong) = (most(true), most(false));
    draw(path, (size.0 as u32, size.1 as u32), |area| {
        let centred = Pos::new(HPos::Center, VPos::Center);
        let middle = LEFT + classes * CELL / 2;
        area.draw(&Text::new("Confusion matrix", (LEFT, 30), bold(36, INK)))?;
        let total: usize = counts.iter().flatten().sum();
        let right: usize = counts.iter().enumerate().map(|(i, row)| row[i]).sum();
        let line = format!("{right} of {total} test pictures read right, {:.2} %", accuracy * 100.0);
        area.draw(&Text::new(line, (LEFT, 80), text(24, MUTED)))?;
        area.draw(&Text::new("read as", (middle, TOP - 66), text(24, MUTED).pos(centred)))?;
        let sideways = text(24, MUTED).transform(FontTransform::Rotate270).pos(centred);
        area.draw(&Text::new("digit", (LEFT - 78, TOP + classes * CELL / 2), sideways))?;
        for (i, row) in counts.iter().enumerate() {
            let along = |i: usize| i as i32 * CELL + CELL / 2;
            area.draw(&Text::new(i.to_string(), (LEFT + along(i), TOP - 26), bold(26, INK).pos(centred)))?;
            area.draw(&Text::new(i.to_string(), (LEFT - 30, TOP + along(i)), bold(26, INK).pos(centred)))?;
            for (j, &n) in row.iter().enumerate() {
                let (x, y) = (LEFT + j as i32 * CELL, TOP + i as i32 * CELL);
                let (base, share) = match i == j {
                    true => (BLUE, n as f64 / most_right as f64),
                    false => (ORANGE, n as f64 / most_wrong as f64),
                };
                // Even the rarest error is told from none.
                let depth = if n == 0 { 0.0 } else { 0.1 + 0.8 * share };
                let fill = if n == 0 { RGBColor(248, 250, 252) } else { mixed(base, depth) };
                area.draw(&Rectangle::new([(x, y), (x + CELL - GAP, y + CELL - GAP)], fill.filled()))?;
                let ink = if depth > 0.5 { WHITE } else { INK };
                let centre = (x + (CELL - GAP) / 2, y + (CELL - GAP) / 2);
                if n > 0 {
                    area.draw(&Text::new(n.to_string(), centre, text(26, ink).pos(centred)))?;
                }
            }
        }
        Ok(())
    })
}
