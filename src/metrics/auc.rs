//! The area under a curve that thresholds draw.

use super::counts::{Counting, Counts, OfCounts, of_counts, ratios, shares};
use super::{count, numbers, place};
use crate::error::{Error, Result};
use crate::layers::{Config, Read, object};
use serde_json::{Value, json};

/// The curve whose area it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// Recall over the share of false positives.
    Roc,
    /// Precision over recall.
    Pr,
}

/// The area under the curve that thresholds draw through recall and the share of false positives, or through precision
/// and recall ([Keras](https://keras.io/api/metrics/classification_metrics/#auc-class);
/// [Davis and Goadrich, 2006](https://www.biostat.wisc.edu/~page/rocpr.pdf)).
///
/// Targets, of any dtype, and probabilities: both `(batch, …)`; beside `(batch, 1)` the other may be `(batch)`. With
/// `multi_label` both are `(batch, labels)`, and the result is the mean of the labels' areas. Defaults: 200 thresholds,
/// the curve ROC, trapezoids between the points, for PR the interpolation of its paper.
#[derive(Clone, Debug)]
pub struct AUC {
    num_thresholds: usize,
    thresholds: Option<Vec<f64>>,
    curve: Curve,
    summation_method: Summation,
    multi_label: bool,
    num_labels: Option<usize>,
    label_weights: Option<Vec<f64>>,
    from_logits: bool,
}

/// How the area between two points is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Summation {
    /// Under the line between them, or for PR as its paper says.
    Interpolation,
    /// Under the lower one.
    Minoring,
    /// Under the higher one.
    Majoring,
}

impl AUC {
    /// The area under ROC, of 200 thresholds.
    pub fn new() -> AUC {
        AUC {
            num_thresholds: 200,
            thresholds: None,
            curve: Curve::Roc,
            summation_method: Summation::Interpolation,
            multi_label: false,
            num_labels: None,
            label_weights: None,
            from_logits: false,
        }
    }

    /// The curve.
    pub fn curve(mut self, curve: Curve) -> AUC {
        self.curve = curve;
        self
    }

    /// How the area between two points is taken.
    pub fn summation_method(mut self, method: Summation) -> AUC {
        self.summation_method = method;
        self
    }

    /// How many thresholds there are, at least 2.
    pub fn num_thresholds(mut self, thresholds: usize) -> AUC {
        self.num_thresholds = thresholds;
        self
    }

    /// Thresholds of one's own between 0 and 1, to which those just below 0 and just above 1 are added.
    pub fn thresholds(mut self, thresholds: impl Into<Vec<f64>>) -> AUC {
        let mut thresholds = thresholds.into();
        thresholds.sort_by(f64::total_cmp);
        self.thresholds = Some(thresholds);
        self
    }

    /// Takes the mean of the areas of each label, a place of the last axis.
    pub fn multi_label(mut self, multi_label: bool) -> AUC {
        self.multi_label = multi_label;
        self
    }

    /// Whether predictions are logits, which then go through a sigmoid first.
    pub fn from_logits(mut self, from_logits: bool) -> AUC {
        self.from_logits = from_logits;
        self
    }

    /// How often each label, a place of the last axis, counts: with `multi_label` its area, else its predictions.
    pub fn label_weights(mut self, weights: impl Into<Vec<f64>>) -> AUC {
        self.label_weights = Some(weights.into());
        self
    }

    pub(super) fn from_config(config: &Config) -> Result<AUC> {
        let (multi_label, from_logits) = (config.flag("multi_label", false)?, config.flag("from_logits", false)?);
        let mut auc = AUC { multi_label, from_logits, ..AUC::new() };
        auc.num_thresholds = count("num_thresholds", place(config, "num_thresholds")?.unwrap_or(200), 2)?;
        if let Some(thresholds) = numbers(config, "thresholds")? {
            auc = auc.thresholds(thresholds);
        }
        auc.curve = match config.word("curve", "ROC")?.as_str() {
            "ROC" | "roc" => Curve::Roc,
            "PR" | "pr" => Curve::Pr,
            other => return Err(Error::Config(format!("argument `curve`: expected ROC or PR, got `{other}`"))),
        };
        let method = config.word("summation_method", "interpolation")?;
        auc.summation_method = match method.to_lowercase().as_str() {
            "interpolation" => Summation::Interpolation,
            "minoring" => Summation::Minoring,
            "majoring" => Summation::Majoring,
            _ => {
                let message = "argument `summation_method`: expected interpolation, minoring or majoring";
                return Err(Error::Config(format!("{message}, got `{method}`")));
            }
        };
        auc.num_labels = place(config, "num_labels")?;
        auc.label_weights = match config.find("label_weights").map(|v| (v, v.pointer("/config/value"))) {
            // Keras writes a tensor.
            Some((_, Some(value))) => numbers(&object(json!({"label_weights": value})), "label_weights")?,
            _ => numbers(config, "label_weights")?,
        };
        Ok(auc)
    }

    /// The area of a label.
    fn area(&self, c: &Counts) -> f64 {
        if (self.curve, self.summation_method) == (Curve::Pr, Summation::Interpolation) {
            return interpolated(c);
        }
        let recall = shares(&c.true_positives, &c.false_negatives);
        let (x, y) = match self.curve {
            Curve::Roc => (shares(&c.false_positives, &c.true_negatives), recall),
            Curve::Pr => (recall, shares(&c.true_positives, &c.false_positives)),
        };
        let height = |a: f64, b: f64| match self.summation_method {
            Summation::Interpolation => (a + b) / 2.0,
            Summation::Minoring => a.min(b),
            Summation::Majoring => a.max(b),
        };
        x.windows(2).zip(y.windows(2)).map(|(x, y)| (x[0] - x[1]) * height(y[0], y[1])).sum()
    }
}

impl Default for AUC {
    fn default() -> AUC {
        AUC::new()
    }
}

impl OfCounts for AUC {
    fn counting(&self) -> Result<Counting> {
        let inner = match &self.thresholds {
            Some(_) => Counting::at(&self.thresholds, 0.5)?.thresholds,
            None => {
                let last = count("num_thresholds", self.num_thresholds, 2)? - 1;
                (1..last).map(|i| i as f64 / last as f64).collect()
            }
        };
        let all = |low, high| std::iter::once(low).chain(inner.iter().copied()).chain([high]).collect::<Vec<_>>();
        let even = self.thresholds.is_none() || Counting::at(&Some(all(0.0, 1.0)), 0.5)?.even;
        let (thresholds, by_label, logits) = (all(-1e-7, 1.0 + 1e-7), self.multi_label, self.from_logits);
        let label_weights = self.label_weights.clone();
        Ok(Counting { thresholds, even, wide: true, by_label, logits, label_weights, ..Counting::default() })
    }

    fn figures(&self, counts: &[Counts]) -> Vec<f64> {
        let areas: Vec<f64> = counts.iter().map(|c| self.area(c)).collect();
        let weights = self.label_weights.clone().filter(|_| self.multi_label);
        let weights = weights.unwrap_or_else(|| vec![1.0; areas.len()]);
        let sum = areas.iter().zip(&weights).map(|(a, w)| a * w).sum();
        ratios(&[sum], &[weights.iter().sum()])
    }

    fn arguments(&self) -> Config {
        let tensor = |weights| json!({"class_name": "__tensor__", "config": {"value": weights, "dtype": "float32"}});
        let mut config = object(json!({
            "num_thresholds": self.thresholds.as_ref().map_or(self.num_thresholds, |list| list.len() + 2),
            "curve": if self.curve == Curve::Roc { "ROC" } else { "PR" },
            "summation_method": format!("{:?}", self.summation_method).to_lowercase(),
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": self.label_weights.as_ref().map_or(Value::Null, tensor),
            "from_logits": self.from_logits,
        }));
        if let Some(thresholds) = &self.thresholds {
            config.insert("thresholds".into(), json!(thresholds));
        }
        config
    }
}

of_counts!(AUC);

/// The area under precision over recall: between two thresholds true positives grow linearly with all positives.
fn interpolated(c: &Counts) -> f64 {
    let divide = |a: f64, b: f64| if b == 0.0 { 0.0 } else { a / b };
    let both: Vec<f64> = c.true_positives.iter().zip(&c.false_positives).map(|(t, f)| t + f).collect();
    let part = |i: usize| {
        let (t, t_next) = (c.true_positives[i], c.true_positives[i + 1]);
        let (p, p_next) = (both[i], both[i + 1]);
        let slope = divide(t - t_next, (p - p_next).max(0.0));
        let intercept = t_next - slope * p_next;
        let ratio = if p > 0.0 && p_next > 0.0 { p / p_next } else { 1.0 };
        divide(slope * (t - t_next + intercept * ratio.ln()), (t_next + c.false_negatives[i + 1]).max(0.0))
    };
    (0..both.len().saturating_sub(1)).map(part).sum()
}
