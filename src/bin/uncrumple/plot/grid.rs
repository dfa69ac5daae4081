//! Small pictures edge to edge, in rows.

use super::sheet::Picture;
use super::{INK, MUTED, bold, draw, text, width_of};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;
use uncrumple::{Error, Result, Tensor};

const MARGIN: i32 = 44;
const TOP: i32 = 144;
/// Between a row's name and its pictures.
const GAP: i32 = 16;
/// Between pictures.
const LINE: i32 = 2;

/// Pictures of a row, and what it is called.
pub struct Row {
    pub name: String,
    pub pictures: Vec<Picture>,
}

/// Rows of pictures under a title and a line that tells of them, each pixel a square of `scale` pixels.
pub fn grid(title: &str, line: &str, rows: &[Row], scale: usize, path: &Path) -> Result<()> {
    let style = text(22, INK);
    let names = rows.iter().map(|row| width_of(&row.name, &style)).max().unwrap_or(0);
    let left = MARGIN + if names > 0 { names + GAP } else { 0 };
    let of = |picture: &Picture| ((picture.width * scale) as i32, (picture.height * scale) as i32);
    let all = || rows.iter().flat_map(|row| &row.pictures).map(of);
    let (w, h) = (all().map(|(w, _)| w).max().unwrap_or(1), all().map(|(_, h)| h).max().unwrap_or(1));
    let columns = rows.iter().map(|row| row.pictures.len()).max().unwrap_or(0) as i32;
    let words = width_of(title, &bold(36, INK)).max(width_of(line, &text(24, MUTED)));
    let width = (left + columns * (w + LINE)).max(MARGIN + words) + MARGIN;
    let height = TOP + rows.len() as i32 * (h + LINE) + MARGIN;
    draw(path, (width as u32, height as u32), |area| {
        area.draw(&Text::new(title, (MARGIN, 30), bold(36, INK)))?;
        area.draw(&Text::new(line, (MARGIN, 80), text(24, MUTED)))?;
        for (i, row) in rows.iter().enumerate() {
            let top = TOP + i as i32 * (h + LINE);
            let style = style.pos(Pos::new(HPos::Right, VPos::Center));
            area.draw(&Text::new(row.name.as_str(), (left - GAP, top + h / 2), style))?;
            for (j, picture) in row.pictures.iter().enumerate() {
                let (w, h) = of(picture);
                let pixels = picture.sampled((w as usize, h as usize)).into_flattened();
                let at = (left + j as i32 * (w + LINE), top);
                let element = BitMapElement::with_owned_buffer(at, (w as u32, h as u32), pixels);
                area.draw(&element.ok_or_else(|| Error::Internal("a picture of too few pixels".into()))?)?;
            }
        }
        Ok(())
    })
}

/// The pictures of a tensor (n, height, width, channels) with values in [0, 1], to which `shade` gives 0 to 255.
pub fn pictures(tensor: &Tensor, shade: impl Fn(f32) -> f32 + Copy) -> Result<Vec<Picture>> {
    let shape = tensor.shape();
    let &[_, height, width, channels] = shape.dims() else {
        return Err(Error::Internal(format!("pictures of shape {shape}")));
    };
    let numbers = tensor.to_vec::<f32>()?;
    let picture = |numbers: &[f32]| Picture::of([height, width, channels], numbers, shade);
    Ok(numbers.chunks((height * width * channels).max(1)).map(picture).collect())
}
