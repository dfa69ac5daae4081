//! What of a picture speaks for a class.

use super::sheet::{Picture, Tile, sheet};
use std::path::Path;
use uncrumple::data::resized;
use uncrumple::prelude::*;

/// How large pictures are drawn.
const SIDE: usize = 448;

/// Viridis at equal steps, from dark to bright.
const COLOURS: [[u8; 3]; 9] = [
    [68, 1, 84],
    [71, 44, 122],
    [59, 81, 139],
    [44, 113, 142],
    [33, 144, 141],
    [39, 173, 129],
    [92, 200, 99],
    [170, 220, 50],
    [253, 231, 37],
];

/// How much of the colour lies over the picture.
const OVER: f32 = 0.6;

/// A picture, uint8 (height, width, 3), and beside it the same under a heatmap, (height, width) from 0 to 1, which is made as
/// large as the picture.
pub fn heat(picture: &Tensor, heatmap: &Tensor, title: &str, line: &str, path: &Path) -> Result<()> {
    let picture = shown(picture)?;
    let over = overlaid(&picture, heatmap)?;
    let tile = |picture, line: &str| Tile { picture, lines: vec![line.to_string()] };
    let tiles = [tile(picture, "the picture"), tile(over, "the brighter, the more it speaks for the class")];
    sheet(title, line, &tiles, SIDE, path)
}

/// The picture as it is drawn: a large one made smaller with all its pixels, a small one enlarged.
fn shown(picture: &Tensor) -> Result<Picture> {
    let read = |picture: &Tensor| -> Result<Picture> {
        let shape = picture.shape();
        let numbers = picture.cast(DType::F32)?.to_vec::<f32>()?;
        Ok(Picture::of([shape[0], shape[1], shape[2]], &numbers, |x| x))
    };
    let whole = read(picture)?;
    let (width, height) = whole.within(SIDE);
    if width < whole.width || height < whole.height {
        return read(&resized(picture, [height, width])?);
    }
    Ok(Picture { height, width, pixels: whole.sampled((width, height)) })
}

/// The picture in grey under the colours of a heatmap.
fn overlaid(picture: &Picture, heatmap: &Tensor) -> Result<Picture> {
    let along = |heat: &Tensor, axis, extent| heat.resize(axis, extent, Interpolation::Bilinear, false);
    let heat = along(&along(heatmap, 0, picture.height)?, 1, picture.width)?.to_vec::<f32>()?;
    let pixel = |(&[red, green, blue], heat): (&[u8; 3], f32)| {
        let grey = 0.299 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue);
        colour(heat).map(|c| (OVER * c + (1.0 - OVER) * grey).round() as u8)
    };
    let pixels = picture.pixels.iter().zip(heat).map(pixel).collect();
    Ok(Picture { height: picture.height, width: picture.width, pixels })
}

/// The colour of a number from 0 to 1, between its neighbours'.
fn colour(heat: f32) -> [f32; 3] {
    let at = heat.clamp(0.0, 1.0) * (COLOURS.len() - 1) as f32;
    let (low, part) = (at as usize, at.fract());
    let high = (low + 1).min(COLOURS.len() - 1);
    std::array::from_fn(|i| f32::from(COLOURS[low][i]) * (1.0 - part) + f32::from(COLOURS[high][i]) * part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go_from_dark_to_bright() {
        assert_eq!((colour(-1.0), colour(2.0)), ([68.0, 1.0, 84.0], [253.0, 231.0, 37.0]));
        assert_eq!((colour(0.5), colour(0.0625)), ([33.0, 144.0, 141.0], [69.5, 22.5, 103.0]));
    }

    #[test]
    fn pictures_of_every_size_are_drawn_under_their_heat() -> Result<()> {
        let heatmap = Tensor::from_slice(&[0f32, 1.0, 0.5, 0.25], [2, 2])?;
        for (extents, want) in [([28, 28, 3], (448, 448)), ([1000, 500, 3], (224, 448)), ([300, 400, 3], (400, 300))] {
            let picture = Tensor::from_slice(&vec![200u8; extents.iter().product()], extents)?;
            let picture = shown(&picture)?;
            assert_eq!((picture.width, picture.height), want);
            assert!(picture.pixels.iter().all(|pixel| *pixel == [200; 3]));
            let over = overlaid(&picture, &heatmap)?;
            assert_eq!((over.width, over.height, over.pixels.len()), (want.0, want.1, want.0 * want.1));
            // At the corners there is nothing to interpolate.
            assert_eq!((over.pixels[0], over.pixels[want.0 - 1]), ([121, 81, 130], [232, 219, 102]));
        }
        Ok(())
    }
}
