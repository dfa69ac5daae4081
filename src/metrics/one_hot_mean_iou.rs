//! Intersection over union of all classes, with one-hot targets.

use super::overlap::{Overlap, of_overlap, setters};
use crate::error::Result;
use crate::layers::Config;

/// [`super::MeanIoU`] of one-hot targets and of probabilities
/// ([Keras](https://keras.io/api/metrics/segmentation_metrics/#onehotmeaniou-class)).
///
/// Targets, one-hot, and predictions: both `(batch, …, classes)`; the largest of a row is its class. By default no
/// class is ignored. Keras counts in int32 and cuts weights off to whole numbers; here they count as they are.
#[derive(Clone, Debug)]
pub struct OneHotMeanIoU(Overlap);

impl OneHotMeanIoU {
    /// Of all of `num_classes`.
    pub fn new(num_classes: usize) -> OneHotMeanIoU {
        OneHotMeanIoU(Overlap { sparse_y_true: false, sparse_y_pred: false, ..Overlap::new(num_classes) })
    }

    pub(super) fn from_config(config: &Config) -> Result<OneHotMeanIoU> {
        Overlap::read(config, [false, false]).map(OneHotMeanIoU)
    }
}

setters!(OneHotMeanIoU: ignore_class sparse_y_pred);
of_overlap!(OneHotMeanIoU);
