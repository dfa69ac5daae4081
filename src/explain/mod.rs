//! What a model goes by.

mod classes;
mod grad_cam;

pub use classes::{class_scores, likeliest, ranked};
pub use grad_cam::{GradCam, grad_cam};
