//! Which classes were taken for which.

use super::{BLUE, Extents, INK, MUTED, ORANGE, bold, draw, extents, mixed, short, text};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;
use uncrumple::Result;

/// What a number needs to be read.
const ROOM: i32 = 60;
/// What a name needs.
const NAMED: i32 = 16;
/// How wide the table should be, and how wide it is at most, where there are many classes.
const WIDTH: i32 = 1200;
const WIDEST: i32 = 2400;
/// The least that is seen of a cell.
const LEAST: i32 = 4;
/// Characters of a name that are shown.
const LONGEST: usize = 24;

/// Of more classes no matrix is drawn.
pub const MOST: usize = (WIDEST / LEAST) as usize;

/// A table of counts, what is right in blue and what is wrong in orange, the darker the more, with the names of the
/// classes; of very many without the names. Nothing is drawn, and false comes back, where there are more than [`MOST`].
///
/// The two have scales of their own: of a good network's thousands the errors would not be seen.
pub fn confusion_matrix(counts: &[Vec<usize>], names: &[String], path: &Path) -> Result<bool> {
    let Some(layout) = Layout::new(counts.len(), names) else { return Ok(false) };
    let Layout { cell, gap, left, top, .. } = layout;
    let most = |right: bool| {
        let cells =
            counts.iter().enumerate().flat_map(|(i, row)| row.iter().enumerate().map(move |(j, n)| (i == j, *n)));
        cells.filter(|(diagonal, _)| *diagonal == right).map(|(_, n)| n).max().unwrap_or(0).max(1)
    };
    let (most_right, most_wrong) = (most(true), most(false));
    draw(path, (layout.size.0 as u32, layout.size.1 as u32), |area| {
        let centred = Pos::new(HPos::Center, VPos::Center);
        let sideways = |style: &TextStyle<'static>| style.transform(FontTransform::Rotate270).pos(centred);
        area.draw(&Text::new("Confusion matrix", (left, 30), bold(36, INK)))?;
        let total: usize = counts.iter().flatten().sum();
        let right: usize = counts.iter().enumerate().map(|(i, row)| row[i]).sum();
        let share = 100.0 * right as f64 / total.max(1) as f64;
        let line = format!("{right} of {total} test pictures recognised, {share:.2} %");
        area.draw(&Text::new(line, (left, 80), text(24, MUTED)))?;
        let middle = counts.len() as i32 * cell / 2;
        area.draw(&Text::new("taken for", (left + middle, ABOVE), text(24, MUTED).pos(centred)))?;
        area.draw(&Text::new("class", (layout.beside(), top + middle), sideways(&text(24, MUTED))))?;
        for (i, (name, _)) in layout.names.iter().enumerate() {
            let style = if layout.upright { sideways(&layout.head) } else { layout.head.pos(centred) };
            area.draw(&Text::new(name.as_str(), layout.above_column(i).middle(), style))?;
            area.draw(&Text::new(name.as_str(), layout.before_row(i).middle(), layout.head.pos(centred)))?;
        }
        for (i, row) in counts.iter().enumerate() {
            for (j, &n) in row.iter().enumerate() {
                let (x, y) = (left + j as i32 * cell, top + i as i32 * cell);
                let (base, share) = match i == j {
                    true => (BLUE, n as f64 / most_right as f64),
                    false => (ORANGE, n as f64 / most_wrong as f64),
                };
                // Even the rarest error is told from none.
                let depth = if n == 0 { 0.0 } else { 0.1 + 0.8 * share };
                let fill = if n == 0 { RGBColor(248, 250, 252) } else { mixed(base, depth) };
                area.draw(&Rectangle::new([(x, y), (x + cell - gap, y + cell - gap)], fill.filled()))?;
                let ink = if depth > 0.5 { WHITE } else { INK };
                let centre = (x + (cell - gap) / 2, y + (cell - gap) / 2);
                if n > 0 && cell >= ROOM {
                    area.draw(&Text::new(n.to_string(), centre, text(26, ink).pos(centred)))?;
                }
            }
        }
        Ok(())
    })?;
    Ok(true)
}

/// Where the middle of the line above the columns is.
const ABOVE: i32 = 134;

/// Where everything is.
struct Layout {
    /// From a cell to the next, and how much of it is white.
    cell: i32,
    gap: i32,
    /// Where the cells begin.
    left: i32,
    top: i32,
    /// Of the whole picture.
    size: (i32, i32),
    /// The names as they are shown and how large they are; none where cells are too small for them.
    names: Vec<(String, (i32, i32))>,
    head: TextStyle<'static>,
    /// Whether names stand upright above the columns, because they are wider than these.
    upright: bool,
}

impl Layout {
    fn new(classes: usize, names: &[String]) -> Option<Layout> {
        let count = i32::try_from(classes).ok().filter(|_| classes <= MOST)?.max(1);
        let named = count <= WIDEST / NAMED;
        let cell = if named { (WIDTH / count).clamp(NAMED, 84) } else { WIDEST / count };
        let gap = (cell / 4).min(4);
        let head = bold((cell - 10).clamp(10, 26) as u32, INK);
        let names = names.iter().take(if named { classes } else { 0 }).map(|name| short(name, LONGEST));
        let names: Vec<_> = names.map(|name| (name.clone(), extents(&name, &head))).collect();
        let widest = names.iter().map(|(_, (width, _))| *width).max().unwrap_or(0);
        let upright = widest > cell - 2 * gap;
        let (left, top) = (115 + widest, if upright { 180 + widest } else { 200 });
        let size = ((left + count * cell + 60).max(800), top + count * cell + 50);
        Some(Layout { cell, gap, left, top, size, names, head, upright })
    }

    /// How far into the picture the middle of the line before the rows is.
    fn beside(&self) -> i32 {
        let widest = self.names.iter().map(|(_, (width, _))| *width).max().unwrap_or(0);
        self.left - widest - 63
    }

    /// The middle of a row or column, from where they begin.
    fn along(&self, i: usize) -> i32 {
        i as i32 * self.cell + (self.cell - self.gap) / 2
    }

    /// Where the name above a column is.
    fn above_column(&self, i: usize) -> Extents {
        let (width, height) = self.names[i].1;
        let (width, height, bottom) = if self.upright { (height, width, 14) } else { (width, height, 26 - height / 2) };
        Extents { left: self.left + self.along(i) - width / 2, top: self.top - bottom - height, width, height }
    }

    /// Where the name before a row is.
    fn before_row(&self, i: usize) -> Extents {
        let (width, height) = self.names[i].1;
        Extents { left: self.left - 22 - width, top: self.top + self.along(i) - height / 2, width, height }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(classes: usize, length: usize) -> Vec<String> {
        (0..classes).map(|_| "n".repeat(length)).collect()
    }

    #[test]
    fn names_of_every_length_and_number_find_room() {
        for (classes, length) in [(1, 1), (2, 1), (3, 40), (10, 10), (40, 3), (120, 9), (150, 300)] {
            let layout = Layout::new(classes, &named(classes, length)).unwrap();
            assert_eq!(layout.names.len(), classes);
            let about = |what: &str| format!("{what} of {classes} classes, names of {length}");
            let (columns, rows): (Vec<_>, Vec<_>) =
                (0..classes).map(|i| (layout.above_column(i), layout.before_row(i))).unzip();
            for (column, row) in columns.iter().zip(&rows) {
                // Below the line above the columns, which is 24 pixels high, and above the cells.
                assert!(column.top >= ABOVE + 12 && column.bottom() <= layout.top, "{}", about("column"));
                assert!(column.left >= 0 && column.right() <= layout.size.0, "{}", about("column"));
                assert!(row.left >= layout.beside() + 12 && row.right() <= layout.left, "{}", about("row"));
                assert!(row.top >= 0 && row.bottom() <= layout.size.1, "{}", about("row"));
            }
            assert!(layout.beside() >= 12, "{}", about("the line"));
            assert!(columns.windows(2).all(|pair| pair[0].right() <= pair[1].left), "{}", about("columns"));
            assert!(rows.windows(2).all(|pair| pair[0].bottom() <= pair[1].top), "{}", about("rows"));
        }
    }

    #[test]
    fn of_many_classes_the_picture_stays_small() {
        for classes in [151, 300, MOST] {
            let layout = Layout::new(classes, &named(classes, 9)).unwrap();
            assert!(layout.names.is_empty() && layout.cell > layout.gap && layout.cell >= LEAST);
            let whole = (layout.left + classes as i32 * layout.cell, layout.top + classes as i32 * layout.cell);
            assert!(whole.0 <= layout.size.0 && whole.1 <= layout.size.1);
            assert!(layout.size.0.max(layout.size.1) <= WIDEST + 300, "{:?}", layout.size);
        }
        assert!(Layout::new(MOST + 1, &[]).is_none());
    }

    #[test]
    fn a_matrix_is_drawn_or_left_out() -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("matrix.png");
        assert!(!confusion_matrix(&vec![vec![]; MOST + 1], &[], &path)? && !path.exists());
        for classes in [2, 200] {
            assert!(confusion_matrix(&vec![vec![1; classes]; classes], &named(classes, 5), &path)? && path.exists());
            std::fs::remove_file(&path).unwrap();
        }
        Ok(())
    }
}
