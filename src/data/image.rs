//! Pictures as tensors, in Keras's words.

use crate::dtype::DType;
use crate::error::Result;
use crate::files::image;
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
        Ok(())
    }
}
