//! What networks are trained on: data sets, their splits and batches, and the sets that come with the project.

mod dataset;
pub mod datasets;

pub use dataset::{Dataset, IntoTensors};
