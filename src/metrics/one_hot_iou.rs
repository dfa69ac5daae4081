//! Intersection over union of some classes, with one-hot targets.

use super::overlap::{Overlap, of_overlap, setters};
use crate::error::Result;
use crate::layers::Config;

/// [`super::IoU`] of one-hot targets and of probabilities
/// ([Keras](https://keras.io/api/metrics/segmentation_metrics/#onehotiou-class)).
///
/// Targets, one-hot, and predictions: both `(batch, …, classes)`; the largest of a row is its class. By default no
/// class is ignored. Keras counts in int32 and cuts weights off to whole numbers; here they count as they are.
#[derive(Clone, Debug)]
pub struct OneHotIoU(Overlap);

impl OneHotIoU {
    /// Of these classes, of `num_classes` in all.
    pub fn new(num_classes: usize, target_class_ids: impl Into<Vec<usize>>) -> OneHotIoU {
        let (sparse_y_true, sparse_y_pred) = (false, false);
        let target_class_ids = Some(target_class_ids.into());
        OneHotIoU(Overlap { target_class_ids, sparse_y_true, sparse_y_pred, ..Overlap::new(num_classes) })
    }

    pub(super) fn from_config(config: &Config) -> Result<OneHotIoU> {
        Overlap::read(config, [false, false]).map(OneHotIoU)
    }
}

setters!(OneHotIoU: target_class_ids ignore_class sparse_y_pred);
of_overlap!(OneHotIoU);
