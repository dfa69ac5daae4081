//! Intersection over union of all classes.

use super::overlap::{Overlap, of_overlap, setters};
use crate::error::Result;
use crate::layers::Config;

/// [`super::IoU`] of all classes
/// ([Keras](https://keras.io/api/metrics/segmentation_metrics/#meaniou-class)).
///
/// Targets and predictions: labels `(batch, …)`, whole numbers of any dtype; of probabilities set
/// `sparse_y_pred(false)`. By default no class is ignored. Keras counts in int32 and cuts weights off to whole numbers;
/// here they count as they are.
#[derive(Clone, Debug)]
pub struct MeanIoU(Overlap);

impl MeanIoU {
    /// Of all of `num_classes`.
    pub fn new(num_classes: usize) -> MeanIoU {
        MeanIoU(Overlap::new(num_classes))
    }

    pub(super) fn from_config(config: &Config) -> Result<MeanIoU> {
        Overlap::read(config, [true, true]).map(MeanIoU)
    }
}

setters!(MeanIoU: ignore_class sparse_y_true sparse_y_pred);
of_overlap!(MeanIoU);
