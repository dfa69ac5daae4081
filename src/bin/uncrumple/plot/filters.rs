//! What a network looks for in a picture first.

use super::sheet::{Picture, Tile, sheet};
use super::{BLUE, ORANGE, mixed};
use plotters::prelude::*;
use std::path::Path;
use uncrumple::prelude::*;

/// How many are shown.
const SHOWN: usize = 64;

/// A sheet of the filters of the model's first convolution over pictures, or else of the first dense layer if it reads
/// pictures of these extents (height, width, channels) as rows of numbers.
///
/// What sees one channel is drawn in blue where it is above 0 and in orange below, what sees three as their colours, grey
/// where it is 0; the largest number of all is the fullest. Nothing is drawn, and false comes back, where there is neither
/// layer, or where it sees another number of channels, which have no colours, or each channel by itself.
pub fn filters(model: &Model, extents: Option<[usize; 3]>, path: &Path) -> Result<bool> {
    let Some((name, [height, width, channels, count], kernel)) = first(model, extents)? else { return Ok(false) };
    let largest = kernel.iter().fold(0f32, |largest, x| largest.max(x.abs())).max(f32::MIN_POSITIVE);
    let picture = |filter: usize| {
        let numbers = kernel.iter().skip(filter).step_by(count).map(|x| x / largest);
        match channels {
            1 => Picture { height, width, pixels: numbers.map(diverging).collect() },
            _ => Picture::of([height, width, channels], &numbers.collect::<Vec<_>>(), |x| (x + 1.0) * 127.5),
        }
    };
    let tiles: Vec<_> = (0..count.min(SHOWN)).map(|filter| Tile { picture: picture(filter), lines: vec![] }).collect();
    let shown = shown(count);
    let colours = if channels == 1 { "blue above 0, orange below" } else { "grey is 0" };
    let line = format!("{shown} of {height} × {width}; {colours}, the fullest colour is {largest:.3}");
    sheet(&format!("What {name} looks for"), &line, &tiles, if height.max(width) > 16 { 112 } else { 80 }, path)?;
    Ok(true)
}

/// Which of so many filters are shown.
fn shown(count: usize) -> String {
    match count {
        1 => "The one filter".into(),
        2..=SHOWN => format!("All {count} filters"),
        _ => format!("The first {SHOWN} of {count} filters"),
    }
}

/// The layer's name, the extents (height, width, channels, filters), and the numbers.
type Kernel = (String, [usize; 4], Vec<f32>);

/// The first kernel that reads pictures.
fn first(model: &Model, extents: Option<[usize; 3]>) -> Result<Option<Kernel>> {
    // The weights of a model inside the model are among them, under its name.
    let kernels = || model.graph().weights.iter().filter(|(path, _)| path.ends_with("kernel"));
    let convolution = kernels().find(|(_, weight)| weight.shape.rank() == 4).map(|(path, weight)| {
        let shape = weight.shape;
        (path, [shape[0], shape[1], shape[2], shape[3]])
    });
    let dense = || {
        let [height, width, channels] = extents?;
        let (path, weight) = kernels().find(|(_, weight)| weight.shape.rank() == 2)?;
        let fits = weight.shape[0] == height * width * channels;
        fits.then_some((path, [height, width, channels, weight.shape[1]]))
    };
    let Some((path, shape)) = convolution
        .or_else(dense)
        .filter(|(path, shape)| matches!(shape[2], 1 | 3) && !path.ends_with("depthwise_kernel"))
    else {
        return Ok(None);
    };
    let layer = path.rsplit_once('/').map_or(path.as_str(), |(layer, _)| layer);
    let numbers = model.weight(path)?.cast(DType::F32)?.to_vec::<f32>()?;
    Ok(Some((layer.to_string(), shape, numbers)))
}

/// White at 0, blue at 1, orange at -1.
fn diverging(x: f32) -> [u8; 3] {
    let RGBColor(red, green, blue) = mixed(if x > 0.0 { BLUE } else { ORANGE }, f64::from(x.abs()));
    [red, green, blue]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_convolution_is_found_wherever_it_is() -> Result<()> {
        let of =
            |model: &Model, extents| -> Result<_> { Ok(first(model, extents)?.map(|(name, shape, _)| (name, shape))) };
        let found = |name: &str, shape: [usize; 4]| Some((name.to_string(), shape));
        let grey = Sequential::new([8, 8, 1]).add(Conv2D::new(5, 3)).add(Conv2D::new(7, 2)).build()?.named("grey");
        assert_eq!(of(&grey, None)?, found("conv2d", [3, 3, 1, 5]));
        let around = Sequential::new([8, 8, 1]).add(grey.as_layer()).add(Flatten::new()).add(Dense::new(2)).build()?;
        assert_eq!(of(&around, None)?, found("grey/conv2d", [3, 3, 1, 5]));
        let separable = Sequential::new([8, 8, 3]).add(SeparableConv2D::new(4, [3, 2])).build()?;
        assert_eq!(of(&separable, None)?, None);
        let two = Sequential::new([8, 8, 2]).add(Conv2D::new(5, 3)).build()?;
        assert_eq!(of(&two, None)?, None);
        let dense = Sequential::new([12]).add(Dense::new(6)).add(Dense::new(2)).build()?;
        assert_eq!(of(&dense, Some([2, 2, 3]))?, found("dense", [2, 2, 3, 6]));
        assert_eq!((of(&dense, Some([3, 2, 1]))?, of(&dense, None)?), (None, None));
        Ok(())
    }

    #[test]
    fn filters_are_counted() {
        let want = ["The one filter", "All 2 filters", "All 64 filters", "The first 64 of 65 filters"];
        assert_eq!([1, 2, 64, 65].map(shown), want);
    }

    #[test]
    fn colours_part_at_zero() {
        assert_eq!(diverging(0.0), [255; 3]);
        assert_eq!((diverging(1.0), diverging(-1.0)), ([37, 99, 235], [234, 88, 12]));
    }

    #[test]
    fn a_sheet_is_made_where_there_is_something_to_show() -> Result<()> {
        let folder = tempfile::tempdir().map_err(|e| Error::Config(e.to_string()))?;
        let path = folder.path().join("filters.png");
        let dense = Sequential::new([12]).add(Dense::new(70)).build()?;
        assert!(!filters(&dense, None, &path)? && !path.exists());
        assert!(filters(&dense, Some([2, 2, 3]), &path)? && path.exists());
        assert!(filters(&Sequential::new([8, 8, 1]).add(Conv2D::new(5, 3)).build()?, None, &path)?);
        Ok(())
    }
}
