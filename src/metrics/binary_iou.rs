//! Intersection over union of yes and no.

use super::overlap::{OfOverlap, Overlap, of_overlap};
use crate::dtype::DType;
use crate::error::Result;
use crate::layers::{Config, Read, object};
use crate::tensor::Tensor;
use serde_json::json;

/// [`super::IoU`] of the classes 0 and 1, a prediction at or above the threshold meaning 1
/// ([Keras](https://keras.io/api/metrics/segmentation_metrics/#binaryiou-class)).
///
/// Targets 0 and 1, of any dtype, and predictions: both `(batch, …)`, of as many elements. Defaults: the mean over both
/// classes, the threshold ½. Keras counts in int32 and cuts weights off to whole numbers; here they count as they are.
#[derive(Clone, Debug)]
pub struct BinaryIoU {
    overlap: Overlap,
    threshold: f64,
}

impl BinaryIoU {
    /// The mean over both classes at the threshold ½.
    pub fn new() -> BinaryIoU {
        BinaryIoU { overlap: Overlap::new(2), threshold: 0.5 }.target_class_ids([0, 1])
    }

    /// The classes whose mean it is.
    pub fn target_class_ids(mut self, classes: impl Into<Vec<usize>>) -> BinaryIoU {
        self.overlap.target_class_ids = Some(classes.into());
        self
    }

    /// What a prediction must reach to mean 1.
    pub fn threshold(mut self, threshold: f64) -> BinaryIoU {
        self.threshold = threshold;
        self
    }

    pub(super) fn from_config(config: &Config) -> Result<BinaryIoU> {
        let mut full = config.clone();
        full.insert("num_classes".into(), 2.into());
        Ok(BinaryIoU { overlap: Overlap::read(&full, [true, true])?, threshold: config.number("threshold", 0.5)? })
    }
}

impl Default for BinaryIoU {
    fn default() -> BinaryIoU {
        BinaryIoU::new()
    }
}

impl OfOverlap for BinaryIoU {
    fn overlap(&self) -> &Overlap {
        &self.overlap
    }

    fn own(&self) -> Config {
        object(json!({"target_class_ids": self.overlap.target_class_ids, "threshold": self.threshold}))
    }
}

of_overlap!(BinaryIoU, |this, y_pred| {
    let p = y_pred.cast(DType::F32)?;
    p.greater_equal(&Tensor::full(&p.device(), (), DType::F32, this.threshold)?)?.cast(DType::F32)
});
