//! Pictures as tensors, in Keras's words.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::files::image;
use crate::ops::Interpolation;
use crate::tensor::Tensor;
use std::path::Path;

pub use crate::files::image::ColorMode;

/// Loads the PNG or JPEG file `path`: uint8 (height, width, channels), as
/// [`keras.utils.load_img`](https://keras.io/api/data_loading/image/#load_img-function) does at the picture's own size.
///
/// # Errors
/// A file that is neither, is truncated or damaged, declares more than its length can hold, or cannot be read.
pub fn load_img(path: impl AsRef<Path>, color_mode: ColorMode) -> Result<Tensor> {
    Tensor::from_array(&image::read(path, color_mode)?)
}

/// A picture as float32, its numbers as they are, as
/// [`keras.utils.img_to_array`](https://keras.io/api/data_loading/image/#img_to_array-function).
///
/// # Errors
/// A device that fails.
pub fn img_to_array(img: &Tensor) -> Result<Tensor> {
    img.cast(DType::F32)
}

/// A picture at another height and width, uint8 again: what `load_img` of Keras gives for a `target_size` with
/// `interpolation="bilinear"`. Proportions are not kept, and a smaller picture sees all pixels of the larger one.
///
/// # Errors
/// Another tensor than (height, width, channels), a height or a width of 0.
pub fn resized(img: &Tensor, [height, width]: [usize; 2]) -> Result<Tensor> {
    if img.shape().rank() != 3 {
        return Err(Error::shape("resized", format!("expected (height, width, channels), got {}", img.shape())));
    }
    if height == 0 || width == 0 {
        return Err(Error::shape("resized", format!("{height} × {width} pixels: expected 1 × 1 at least")));
    }
    let along = |img: &Tensor, axis, extent| img.resize(axis, extent, Interpolation::Bilinear, true);
    let whole = along(&along(&img_to_array(img)?, 0, height)?, 1, width)?;
    // A cast cuts off what a half is added to here.
    whole.add_scalar(0.5)?.cast(DType::U8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::repository;

    #[test]
    fn a_picture_is_a_tensor() -> Result<()> {
        let img = load_img(repository().join("tests/data/rgba.png"), ColorMode::Rgb)?;
        assert_eq!((img.dtype(), img.shape().dims()), (DType::U8, &[21, 33, 3][..]));
        // Row 1, column 2 of what tests/data/README.md draws.
        let array = img_to_array(&img)?.to_vec::<f32>()?;
        assert_eq!(array[(33 + 2) * 3..][..3], [12.0, 14.0, 242.0]);
        assert!(load_img("none.png", ColorMode::Rgb).is_err());
        assert_eq!(resized(&img, [21, 33])?.to_vec::<u8>()?, img.to_vec::<u8>()?);
        // Means of two by two pixels.
        let four = Tensor::from_slice(&[0u8, 10, 20, 31], [2, 2, 1])?;
        assert_eq!(resized(&four, [1, 1])?.to_vec::<u8>()?, [15]);
        assert_eq!(resized(&Tensor::from_slice(&[255u8; 12], [2, 2, 3])?, [5, 3])?.to_vec::<u8>()?, [255; 45]);
        let message = |img, size| resized(img, size).unwrap_err().to_string();
        assert!(message(&img, [0, 3]).contains("0 × 3 pixels: expected 1 × 1 at least"));
        assert!(message(&four.reshape(4)?, [1, 1]).contains("expected (height, width, channels), got (4,)"));
        Ok(())
    }
}
