//! Metrics under names of one's own, or with samples counted by their weights.

use super::Metric;
use crate::error::Result;
use crate::layers::Config;
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};

/// A metric under a name of one's own, which logs, history and a `.keras` file show, or one that counts samples by
/// their weights: `SparseCategoricalAccuracy::new().named("acc")`, `Precision::new().weighted()`.
///
/// What Keras chooses a class for, [`super::Accuracy`], is a word in a file, `accuracy` or `acc`: another name of it is
/// known while the program runs and not written.
#[derive(Debug)]
pub struct Named {
    pub(super) metric: Box<dyn Metric>,
    pub(super) name: String,
    pub(super) weighted: bool,
}

impl Named {
    /// The metric with samples counted by their weights.
    pub fn weighted(self) -> Named {
        Named { weighted: true, ..self }
    }

    /// A metric under its own name with samples counted by their weights.
    pub fn weighing(metric: Box<dyn Metric>) -> Named {
        Named { name: metric.name(), metric, weighted: true }
    }
}

impl From<Named> for Box<dyn Metric> {
    fn from(metric: Named) -> Self {
        Box::new(metric)
    }
}

impl Metric for Named {
    fn class_name(&self) -> &'static str {
        self.metric.class_name()
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn is_weighted(&self) -> bool {
        self.weighted
    }

    fn is_masked(&self) -> bool {
        self.metric.is_masked()
    }

    fn state(&self, outputs: usize) -> Result<Vec<Shape>> {
        self.metric.state(outputs)
    }

    fn update(&self, state: &[Tensor], y_true: &Tensor, y_pred: &Tensor, weights: Option<&Tensor>) -> Result<Tensors> {
        self.metric.update(state, y_true, y_pred, weights)
    }

    fn result(&self, state: &[Vec<f32>]) -> Vec<f64> {
        self.metric.result(state)
    }

    fn config(&self) -> Config {
        let mut config = self.metric.config();
        config.insert("name".into(), self.name.clone().into());
        config
    }
}
