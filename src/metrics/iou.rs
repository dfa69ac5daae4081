//! Intersection over union of some classes.

use super::overlap::{Overlap, of_overlap, setters};
use crate::error::Result;
use crate::layers::Config;

/// Of each of some classes the number of samples that are of it and were taken for it, divided by that of those that
/// are either; and of these shares the mean, over the classes that occur
/// ([Keras](https://keras.io/api/metrics/segmentation_metrics/#iou-class)).
///
/// Targets and predictions: labels `(batch, …)`, whole numbers of any dtype; of probabilities set
/// `sparse_y_pred(false)`. By default no class is ignored. Keras counts in int32 and cuts weights off to whole numbers;
/// here they count as they are.
#[derive(Clone, Debug)]
pub struct IoU(Overlap);

impl IoU {
    /// Of these classes, of `num_classes` in all.
    pub fn new(num_classes: usize, target_class_ids: impl Into<Vec<usize>>) -> IoU {
        IoU(Overlap { target_class_ids: Some(target_class_ids.into()), ..Overlap::new(num_classes) })
    }

    pub(super) fn from_config(config: &Config) -> Result<IoU> {
        Overlap::read(config, [true, true]).map(IoU)
    }
}

setters!(IoU: target_class_ids ignore_class sparse_y_true sparse_y_pred);
of_overlap!(IoU);
