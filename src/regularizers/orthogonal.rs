//! Rows or columns at right angles.

use super::{Regularizer, factor, number};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use serde_json::{Map, Value};

/// The mean of |cos| of the angles between the rows of a matrix, or between its columns, times a factor: for rows uᵢ of
/// length 1, factor · Σ_{i<j} |uᵢ·uⱼ| / (n (n − 1) / 2)
/// ([Keras](https://keras.io/api/layers/regularizers/#orthogonalregularizer-class)).
///
/// For weights of two axes; a matrix of one row has the penalty 0. Defaults: the factor 0.01, rows.
#[derive(Clone, Copy, Debug)]
pub struct OrthogonalRegularizer {
    factor: f64,
    columns: bool,
}

impl OrthogonalRegularizer {
    /// A penalty on rows with this factor.
    pub fn new(factor: f64) -> OrthogonalRegularizer {
        OrthogonalRegularizer { factor, columns: false }
    }

    /// The same on columns: Keras's `mode="columns"`.
    pub fn columns(self) -> OrthogonalRegularizer {
        OrthogonalRegularizer { columns: true, ..self }
    }

    pub(super) fn from_config(config: &Map<String, Value>) -> Result<OrthogonalRegularizer> {
        let columns = match config.get("mode").and_then(Value::as_str).unwrap_or("rows") {
            "rows" => false,
            "columns" => true,
            mode => {
                let message = format!("argument `mode` of a regularizer: expected rows or columns, got {mode}");
                return Err(Error::Config(message));
            }
        };
        Ok(OrthogonalRegularizer { factor: number(config, "factor", 0.01)?, columns })
    }
}

impl Default for OrthogonalRegularizer {
    fn default() -> Self {
        OrthogonalRegularizer::new(0.01)
    }
}

impl Regularizer for OrthogonalRegularizer {
    fn class_name(&self) -> &'static str {
        "OrthogonalRegularizer"
    }

    fn config(&self) -> Map<String, Value> {
        let mode = if self.columns { "columns" } else { "rows" };
        Map::from_iter([("factor".into(), self.factor.into()), ("mode".into(), mode.into())])
    }

    fn check(&self) -> Result<()> {
        factor("factor", self.factor)
    }

    fn penalty(&self, x: &Tensor) -> Result<Tensor> {
        if x.shape().rank() != 2 {
            let message = format!("expected a weight of 2 axes, got shape {}", x.shape());
            return Err(Error::shape("OrthogonalRegularizer", message));
        }
        let along = if self.columns { 0 } else { 1 };
        // Keras's: x · min(1 / |x|, 1e7).
        let length = x.square()?.sum(&[along], true)?.clip(1e-14, f64::INFINITY)?.sqrt()?;
        let unit = x.div(&length)?;
        let products = unit.matmul_with(&unit, self.columns, !self.columns)?;
        let n = products.shape()[0];
        // A diagonal element is the product of a vector of length 1 with itself; its gradient cancels too.
        let own = unit.square()?.sum(&[along], true)?;
        let all = products.abs()?.sum(&[], false)?.sub(&own.sum(&[], false)?)?;
        all.mul_scalar(if n < 2 { 0.0 } else { self.factor / (n as f64 * (n as f64 - 1.0)) })
    }

    fn boxed(&self) -> Box<dyn Regularizer> {
        Box::new(*self)
    }
}
