//! Pictures of a run, drawn with a font that is part of the binary.

mod confusion_matrix;
mod film;
mod filters;
mod forecast;
mod grid;
mod heat;
mod learning_curves;
mod misclassified;
mod samples;
mod sheet;

pub use confusion_matrix::{MOST, confusion_matrix};
pub use filters::filters;
pub use forecast::{Forecast, forecast};
pub use grid::{Row, grid, pictures};
pub use heat::heat;
pub use learning_curves::learning_curves;
pub use misclassified::misclassified;
pub use samples::Samples;
pub use sheet::Picture;

use film::film;
use plotters::prelude::*;
use plotters::style::register_font;
use std::io::Write;
use std::path::Path;
use std::sync::OnceLock;
use uncrumple::files::atomic_write;
use uncrumple::{Error, Result};

const REGULAR: &str = "Noto Sans";
const BOLD: &str = "Noto Sans Bold";
const INK: RGBColor = RGBColor(30, 41, 59);
const MUTED: RGBColor = RGBColor(100, 116, 139);
const RULE: RGBColor = RGBColor(226, 232, 240);
const BLUE: RGBColor = RGBColor(37, 99, 235);
const ORANGE: RGBColor = RGBColor(234, 88, 12);

/// Draws a picture into a PNG file.
fn draw(
    path: &Path,
    size: (u32, u32),
    picture: impl FnOnce(&DrawingArea<BitMapBackend, plotters::coord::Shift>) -> Drawn,
) -> Result<()> {
    let failed = |e: &dyn std::fmt::Display| undrawn(path, e);
    if !fonts() {
        return Err(failed(&"its font is damaged"));
    }
    let mut pixels = vec![0; size.0 as usize * size.1 as usize * 3];
    let area = BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area();
    area.fill(&WHITE).map_err(|e| failed(&e))?;
    picture(&area).map_err(|e| failed(&e))?;
    area.present().map_err(|e| failed(&e))?;
    drop(area);
    atomic_write(path, |out| {
        let mut encoder = png::Encoder::new(out, size.0, size.1);
        encoder.set_color(png::ColorType::Rgb);
        // Rows are mostly like those above them; with this and the slower compression files are a fraction as large.
        encoder.set_filter(png::FilterType::Up);
        encoder.set_compression(png::Compression::Default);
        encoder.write_header()?.write_image_data(&pixels)?;
        Ok(())
    })
}

/// What can be drawn as pixels and as lines.
trait Drawing {
    fn on<DB: DrawingBackend<ErrorType: 'static>>(&self, area: &DrawingArea<DB, plotters::coord::Shift>) -> Drawn;
}

/// Draws the same into a PNG file and into an SVG file beside it; `path` lacks the ending.
fn draw_both(path: &Path, size: (u32, u32), drawing: &impl Drawing) -> Result<()> {
    draw(&path.with_extension("png"), size, |area| drawing.on(area))?;
    let path = path.with_extension("svg");
    let failed = |e: &dyn std::fmt::Display| undrawn(&path, e);
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        area.fill(&WHITE).map_err(|e| failed(&e))?;
        drawing.on(&area).map_err(|e| failed(&e))?;
        area.present().map_err(|e| failed(&e))?;
    }
    // A family and a weight, and what there is where the family is not.
    let text = text
        .replace(
            &format!("font-family=\"{BOLD}\""),
            &format!("font-family=\"{REGULAR}, sans-serif\" font-weight=\"bold\""),
        )
        .replace(&format!("font-family=\"{REGULAR}\""), &format!("font-family=\"{REGULAR}, sans-serif\""));
    atomic_write(&path, |out| out.write_all(text.as_bytes()))
}

fn undrawn(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::File { path: path.to_path_buf(), message: format!("the picture could not be drawn: {error}") }
}

/// Makes the fonts known, which must be before the first style is made of one.
fn fonts() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    let fonts = [(REGULAR, notosans::REGULAR_TTF), (BOLD, notosans::BOLD_TTF)];
    let register = |(name, font)| register_font(name, FontStyle::Normal, font).is_ok();
    *KNOWN.get_or_init(|| fonts.into_iter().all(register))
}

/// How many pixels a line of text is wide and high.
fn extents(line: &str, style: &TextStyle) -> (i32, i32) {
    style.font.box_size(line).map_or((0, 0), |(width, height)| (width as i32, height as i32))
}

/// How many pixels a line of text is wide.
fn width_of(line: &str, style: &TextStyle) -> i32 {
    extents(line, style).0
}

/// A name, of which so many characters are shown at most.
pub fn short(name: &str, most: usize) -> String {
    match name.chars().count() > most {
        true => name.chars().take(most - 1).chain(['…']).collect(),
        false => name.into(),
    }
}

/// A rectangle of a picture.
#[derive(Clone, Copy)]
struct Extents {
    left: i32,
    top: i32,
    width: i32,
    height: i32,
}

impl Extents {
    fn middle(self) -> (i32, i32) {
        (self.left + self.width / 2, self.top + self.height / 2)
    }

    #[cfg(test)]
    fn right(self) -> i32 {
        self.left + self.width
    }

    #[cfg(test)]
    fn bottom(self) -> i32 {
        self.top + self.height
    }
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

/// Text of this size in this colour.
fn text(size: u32, colour: RGBColor) -> TextStyle<'static> {
    styled(REGULAR, size, colour)
}

/// The same in bold.
fn bold(size: u32, colour: RGBColor) -> TextStyle<'static> {
    styled(BOLD, size, colour)
}

fn styled(font: &'static str, size: u32, colour: RGBColor) -> TextStyle<'static> {
    fonts();
    (font, size).into_font().color(&colour)
}

/// White with this much of a colour in it.
fn mixed(colour: RGBColor, share: f64) -> RGBColor {
    let mix = |c: u8| (255.0 + (f64::from(c) - 255.0) * share).round() as u8;
    RGBColor(mix(colour.0), mix(colour.1), mix(colour.2))
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn long_names_are_cut() {
        assert_eq!((short("ankle boot", 10).as_str(), short("ankle boots", 10).as_str()), ("ankle boot", "ankle boo…"));
        assert_eq!(short(&"é".repeat(30), 4), "ééé…");
    }
}
