//! What a model goes by.

mod grad_cam;

pub use grad_cam::{GradCam, grad_cam};
