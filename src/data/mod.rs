//! What networks are trained on: data sets, their splits and batches, and the sets that come with the project.

mod dataset;
pub mod datasets;
mod image;

pub use dataset::{Dataset, IntoTensors};
pub use image::{ColorMode, img_to_array, load_img};
