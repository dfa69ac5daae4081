//! Which classes were taken for which.

use super::{BLUE, INK, MUTED, ORANGE, bold, draw, mixed, text, width_of};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;
use uncrumple::Result;

const GAP: i32 = 4;
/// What a number needs to be read.
const ROOM: i32 = 60;
/// Characters of a name that are shown.
const LONGEST: usize = 24;

/// A table of counts, what is right in blue and what is wrong in orange, the darker the more, with the names of the classes.
///
/// The two have scales of their own: of a good network's thousands the errors would not be seen.
pub fn confusion_matrix(counts: &[Vec<usize>], names: &[String], path: &Path) -> Result<()> {
    let classes = counts.len() as i32;
    // Of many classes only the colours find room.
    let cell = (1200 / classes.max(1)).clamp(16, 84);
    let head = bold((cell - 10).clamp(10, 26) as u32, INK);
    let names: Vec<String> = names.iter().map(|name| short(name)).collect();
    let widths: Vec<i32> = names.iter().map(|name| width_of(name, &head)).collect();
    let widest = widths.iter().copied().max().unwrap_or(0);
    // Names that are wider than a column stand upright above it.
    let upright = widest > cell - 2 * GAP;
    let (left, top) = (115 + widest, if upright { 180 + widest } else { 200 });
    let size = ((left + classes * cell + 60).max(800), top + classes * cell + 50);
    let most = |right: bool| {
        let cells =
            counts.iter().enumerate().flat_map(|(i, row)| row.iter().enumerate().map(move |(j, n)| (i == j, *n)));
        cells.filter(|(diagonal, _)| *diagonal == right).map(|(_, n)| n).max().unwrap_or(0).max(1)
    };
    let (most_right, most_wrong) = (most(true), most(false));
    draw(path, (size.0 as u32, size.1 as u32), |area| {
        let centred = Pos::new(HPos::Center, VPos::Center);
        let before = Pos::new(HPos::Right, VPos::Center);
        let sideways = |style: &TextStyle<'static>| style.transform(FontTransform::Rotate270).pos(centred);
        area.draw(&Text::new("Confusion matrix", (left, 30), bold(36, INK)))?;
        let total: usize = counts.iter().flatten().sum();
        let right: usize = counts.iter().enumerate().map(|(i, row)| row[i]).sum();
        let share = 100.0 * right as f64 / total.max(1) as f64;
        let line = format!("{right} of {total} test pictures recognised, {share:.2} %");
        area.draw(&Text::new(line, (left, 80), text(24, MUTED)))?;
        let middle = classes * cell / 2;
        area.draw(&Text::new("taken for", (left + middle, 134), text(24, MUTED).pos(centred)))?;
        area.draw(&Text::new("class", (left - widest - 63, top + middle), sideways(&text(24, MUTED))))?;
        for (i, row) in counts.iter().enumerate() {
            let along = i as i32 * cell + (cell - GAP) / 2;
            if let (Some(name), Some(width)) = (names.get(i), widths.get(i)) {
                let (style, y) = match upright {
                    true => (sideways(&head), top - 14 - width / 2),
                    false => (head.pos(centred), top - 26),
                };
                area.draw(&Text::new(name.clone(), (left + along, y), style))?;
                area.draw(&Text::new(name.clone(), (left - 22, top + along), head.pos(before)))?;
            }
            for (j, &n) in row.iter().enumerate() {
                let (x, y) = (left + j as i32 * cell, top + i as i32 * cell);
                let (base, share) = match i == j {
                    true => (BLUE, n as f64 / most_right as f64),
                    false => (ORANGE, n as f64 / most_wrong as f64),
                };
                // Even the rarest error is told from none.
                let depth = if n == 0 { 0.0 } else { 0.1 + 0.8 * share };
                let fill = if n == 0 { RGBColor(248, 250, 252) } else { mixed(base, depth) };
                area.draw(&Rectangle::new([(x, y), (x + cell - GAP, y + cell - GAP)], fill.filled()))?;
                let ink = if depth > 0.5 { WHITE } else { INK };
                let centre = (x + (cell - GAP) / 2, y + (cell - GAP) / 2);
                if n > 0 && cell >= ROOM {
                    area.draw(&Text::new(n.to_string(), centre, text(26, ink).pos(centred)))?;
                }
            }
        }
        Ok(())
    })
}

/// A name, of which so much is shown as finds room.
fn short(name: &str) -> String {
    match name.chars().count() {
        0..=LONGEST => name.into(),
        _ => name.chars().take(LONGEST - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_length_and_number_find_room() -> Result<()> {
        assert_eq!((short("ankle boot").as_str(), short(&"x".repeat(30)).chars().count()), ("ankle boot", LONGEST));
        let folder = tempfile::tempdir().unwrap();
        for (classes, length) in [(2, 1), (3, 40), (120, 9)] {
            let names: Vec<String> = (0..classes).map(|_| "n".repeat(length)).collect();
            let path = folder.path().join("matrix.png");
            confusion_matrix(&vec![vec![1; classes]; classes], &names, &path)?;
            assert!(path.metadata().is_ok_and(|file| file.len() > 1000));
        }
        Ok(())
    }
}
