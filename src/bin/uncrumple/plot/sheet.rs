//! Small pictures side by side, each with what there is to say of it.

use super::{Extents, INK, MUTED, RULE, bold, draw, extents, text, width_of};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;
use uncrumple::{Error, Result};

const MARGIN: i32 = 44;
const TOP: i32 = 144;
const GAP: i32 = 20;
/// Between the lines under a picture.
const LINE: i32 = 24;
const COLUMNS: usize = 8;

/// A picture, row by row, of three colours a pixel.
pub struct Picture {
    pub height: usize,
    pub width: usize,
    pub pixels: Vec<[u8; 3]>,
}

impl Picture {
    /// The picture whose pixels are these, of one channel or three; `shade` is what 0 to 255 a number stands for. Of two
    /// channels the first is shown, of more than three the first three.
    pub fn of([height, width, channels]: [usize; 3], numbers: &[f32], shade: impl Fn(f32) -> f32) -> Picture {
        let byte = |x: f32| shade(x).round().clamp(0.0, 255.0) as u8;
        let pixel = |numbers: &[f32]| match *numbers {
            [red, green, blue, ..] => [byte(red), byte(green), byte(blue)],
            _ => [numbers.first().map_or(0, |&grey| byte(grey)); 3],
        };
        Picture { height, width, pixels: numbers.chunks_exact(channels.max(1)).map(pixel).collect() }
    }

    /// Its extents where it fills a square of this side: a small one enlarged by a whole number, so that all its pixels are
    /// alike.
    pub fn within(&self, side: usize) -> (usize, usize) {
        let long = self.height.max(self.width).max(1);
        let to = if long <= side { side / long * long } else { side };
        ((self.width * to / long).max(1), (self.height * to / long).max(1))
    }

    /// The pixels of a picture of these extents, each the one that lies there: nothing is smoothed.
    pub fn sampled(&self, (width, height): (usize, usize)) -> Vec<[u8; 3]> {
        let row = |y: usize| y * self.height / height * self.width;
        let at = |y: usize, x: usize| self.pixels.get(row(y) + x * self.width / width);
        (0..height * width).map(|i| at(i / width, i % width).copied().unwrap_or([255; 3])).collect()
    }
}

/// A picture and the lines under it.
pub struct Tile {
    pub picture: Picture,
    pub lines: Vec<String>,
}

/// A sheet of tiles under a title and a line that tells of them; a picture fills a square of `side`.
pub fn sheet(title: &str, line: &str, tiles: &[Tile], side: usize, path: &Path) -> Result<()> {
    let layout = Layout::new(title, line, tiles, side);
    draw(path, (layout.size.0 as u32, layout.size.1 as u32), |area| {
        area.draw(&Text::new(title, (MARGIN, 30), bold(36, INK)))?;
        area.draw(&Text::new(line, (MARGIN, 80), text(24, MUTED)))?;
        for (i, tile) in tiles.iter().enumerate() {
            let extents = tile.picture.within(side);
            let (w, h) = (extents.0 as i32, extents.1 as i32);
            let room = layout.room(i);
            let at = (room.left + (room.width - w) / 2, room.top + (side as i32 - h) / 2);
            let pixels = tile.picture.sampled(extents).into_flattened();
            let element = BitMapElement::with_owned_buffer(at, (w as u32, h as u32), pixels);
            area.draw(&element.ok_or_else(|| Error::Internal("a tile of too few pixels".into()))?)?;
            // Where a picture is as white as the sheet.
            let around = [(at.0 - 1, at.1 - 1), (at.0 + w, at.1 + h)];
            area.draw(&Rectangle::new(around, RULE.stroke_width(1)))?;
            for (n, line) in tile.lines.iter().enumerate() {
                let Extents { left, top, .. } = layout.caption(i, n, line);
                let style = layout.style(n).pos(Pos::new(HPos::Left, VPos::Top));
                area.draw(&Text::new(line.as_str(), (left, top), style))?;
            }
        }
        Ok(())
    })
}

/// Where everything is.
struct Layout {
    side: i32,
    /// From a tile to the next.
    cell: (i32, i32),
    columns: usize,
    /// Of the whole sheet.
    size: (i32, i32),
    /// The lines under a picture, in turn.
    styles: [TextStyle<'static>; 2],
}

impl Layout {
    fn new(title: &str, line: &str, tiles: &[Tile], side: usize) -> Layout {
        let (side, styles) = (side as i32, [bold(20, INK), text(18, MUTED)]);
        let captions = tiles.iter().flat_map(|tile| tile.lines.iter().zip(styles.iter().cycle()));
        let widest = captions.map(|(line, style)| width_of(line, style)).chain([side]).max().unwrap_or_default();
        let lines = tiles.iter().map(|tile| tile.lines.len()).max().unwrap_or(0) as i32;
        let cell = (widest + GAP, side + lines * LINE + 8 + GAP);
        // As wide as its words at least.
        let words = width_of(title, &bold(36, INK)).max(width_of(line, &text(24, MUTED)));
        let (columns, rows) = (tiles.len().clamp(1, COLUMNS), tiles.len().div_ceil(COLUMNS) as i32);
        let width = (columns as i32 * cell.0).max(words) + 2 * MARGIN;
        Layout { side, cell, columns, size: (width, TOP + rows * cell.1 + MARGIN), styles }
    }

    /// What a tile has room in.
    fn room(&self, tile: usize) -> Extents {
        let (column, row) = ((tile % self.columns) as i32, (tile / self.columns) as i32);
        let (width, height) = (self.cell.0 - GAP, self.cell.1 - GAP);
        Extents { left: MARGIN + column * self.cell.0, top: TOP + row * self.cell.1, width, height }
    }

    fn style(&self, line: usize) -> &TextStyle<'static> {
        &self.styles[line % self.styles.len()]
    }

    /// Where a line under a picture is.
    fn caption(&self, tile: usize, line: usize, caption: &str) -> Extents {
        let room = self.room(tile);
        let (width, height) = extents(caption, self.style(line));
        let top = room.top + self.side + 8 + line as i32 * LINE;
        Extents { left: room.left + (room.width - width) / 2, top, width, height }
    }
}

/// Asserts that the words of a sheet are inside of it, and those of each tile in its room.
#[cfg(test)]
pub fn assert_room(title: &str, line: &str, tiles: &[Tile], side: usize) {
    let layout = Layout::new(title, line, tiles, side);
    for (style, words) in [(bold(36, INK), title), (text(24, MUTED), line)] {
        assert!(MARGIN + width_of(words, &style) <= layout.size.0, "{words}");
    }
    for (i, tile) in tiles.iter().enumerate() {
        let room = layout.room(i);
        assert!(room.right() <= layout.size.0 && room.bottom() <= layout.size.1, "tile {i}");
        for (n, line) in tile.lines.iter().enumerate() {
            let caption = layout.caption(i, n, line);
            assert!(caption.left >= room.left && caption.right() <= room.right(), "{line}");
            assert!(caption.top >= room.top + side as i32 && caption.bottom() <= room.bottom(), "{line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_enlarged_by_a_whole_number_and_not_smoothed() {
        let picture = Picture::of([1, 2, 1], &[0.0, 1.0], |x| x * 255.0);
        assert_eq!(picture.pixels, [[0; 3], [255; 3]]);
        assert_eq!(picture.within(5), (4, 2));
        assert_eq!(picture.sampled((4, 2)), [0, 0, 255, 255, 0, 0, 255, 255].map(|grey| [grey; 3]));
        // A large one loses pixels, and keeps its form.
        let wide = Picture::of([100, 200, 3], &[0.5; 60_000], |x| x);
        assert_eq!((wide.within(50), wide.sampled((50, 25)).len()), ((50, 25), 50 * 25));
    }

    #[test]
    fn a_pixel_is_its_grey_or_its_first_three_channels() {
        assert_eq!(Picture::of([1, 1, 2], &[7.0, 9.0], |x| x).pixels, [[7; 3]]);
        assert_eq!(Picture::of([1, 1, 4], &[-1.0, 2.4, 300.0, 9.0], |x| x).pixels, [[0, 2, 255]]);
    }
}
