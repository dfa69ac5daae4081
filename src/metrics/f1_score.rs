//! The harmonic mean of precision and recall.

use super::{Average, FBetaScore, Metric, config_of};
use crate::error::Result;
use crate::layers::Config;
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};

/// 2 precision · recall / (precision + recall): [`FBetaScore`] with β = 1
/// ([Keras](https://keras.io/api/metrics/classification_metrics/#f1score-class)).
///
/// Targets, one-hot or of several labels, of any dtype, and predictions: both `(batch, classes)`. Defaults: a figure
/// for each class, no threshold.
#[derive(Clone, Copy, Debug, Default)]
pub struct F1Score(FBetaScore);

impl F1Score {
    /// The metric of each class.
    pub fn new() -> F1Score {
        F1Score::default()
    }

    /// How one figure is made of the classes' figures.
    pub fn average(self, average: Average) -> F1Score {
        F1Score(self.0.average(average))
    }

    /// What a prediction must be above to mean yes.
    pub fn threshold(self, threshold: f64) -> F1Score {
        F1Score(self.0.threshold(threshold))
    }

    pub(super) fn from_config(config: &Config) -> Result<F1Score> {
        FBetaScore::from_config(config).map(|score| F1Score(score.beta(1.0)))
    }
}

impl Metric for F1Score {
    fn class_name(&self) -> &'static str {
        "F1Score"
    }

    fn name(&self) -> String {
        "f1_score".into()
    }

    fn state(&self, outputs: usize) -> Result<Vec<Shape>> {
        self.0.state(outputs)
    }

    fn update(&self, state: &[Tensor], y_true: &Tensor, y_pred: &Tensor, weights: Option<&Tensor>) -> Result<Tensors> {
        self.0.update(state, y_true, y_pred, weights)
    }

    fn result(&self, state: &[Vec<f32>]) -> Vec<f64> {
        self.0.result(state)
    }

    fn config(&self) -> Config {
        let mut arguments = self.0.config();
        arguments.retain(|key, _| key == "average" || key == "threshold");
        config_of(self, "float32", arguments)
    }
}
