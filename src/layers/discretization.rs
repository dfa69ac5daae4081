//! Numbers as the bins that they fall into.

use super::encoding::Output;
use super::{Call, Config, Constant, Layer, Read, Spec, WeightSpec, object, one};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use serde_json::{Value, json};

/// The number of the bin that x falls into: how many boundaries are at most x
/// ([Keras](https://keras.io/api/layers/preprocessing_layers/numerical/discretization/)).
///
/// Input `(batch, …)` of any dtype. n boundaries in ascending order make n + 1 bins, of which each begins with its lower
/// boundary. Output: int32 of the same shape, or float32 vectors of n + 1 elements as
/// [`CategoryEncoding`](super::CategoryEncoding) has them. Default: the number. No weights. A config of a layer that was
/// never adapted is refused; `num_bins` and `epsilon` of one that was are kept.
#[derive(Clone, Debug)]
pub struct Discretization {
    boundaries: Constant,
    output: Output,
    num_bins: Value,
    epsilon: f64,
}

impl Discretization {
    /// The layer of these boundaries, in ascending order.
    pub fn new(bin_boundaries: impl Into<Vec<f64>>) -> Discretization {
        let boundaries = Constant::from(bin_boundaries.into());
        Discretization { boundaries, output: Output::Int, num_bins: Value::Null, epsilon: 0.01 }
    }

    /// A vector with a 1 at the bin, for each number.
    pub fn one_hot(mut self) -> Self {
        self.output = Output::OneHot;
        self
    }

    /// A vector with a 1 at each bin that occurs along the last axis.
    pub fn multi_hot(mut self) -> Self {
        self.output = Output::MultiHot;
        self
    }

    /// A vector of how often each bin occurs along the last axis.
    pub fn count(mut self) -> Self {
        self.output = Output::Count;
        self
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Discretization> {
        config.refuse(&["sparse"])?;
        let Some(boundaries) = Constant::read(config, "bin_boundaries")?.filter(|b| b.dims().len() == 1) else {
            return Err(Error::Config("argument `bin_boundaries`: expected a list of numbers".into()));
        };
        Ok(Discretization {
            boundaries,
            output: Output::from_name(&config.word("output_mode", "int")?)?,
            num_bins: config.find("num_bins").cloned().unwrap_or_default(),
            epsilon: config.number("epsilon", 0.01)?,
        })
    }
}

impl Layer for Discretization {
    fn class_name(&self) -> &'static str {
        "Discretization"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        self.boundaries.check_finite("bin_boundaries")?;
        if !self.boundaries.values().is_sorted() {
            let got = self.boundaries.serialized();
            return Err(Error::Config(format!("argument `bin_boundaries`: expected ascending numbers, got {got}")));
        }
        Ok(vec![self.output.spec(one(inputs)?, self.boundaries.values().len() + 1)?])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let x = call.float(inputs[0])?;
        let column = x.reshape(Shape::new(&[&x.shape()[..], &[1]].concat())?)?;
        let passed = column.greater_equal(&self.boundaries.like(&x)?)?.cast(DType::F32)?;
        let bins = passed.sum(&[-1], false)?.cast(DType::I32)?;
        Ok(Tensors::from_elem(self.output.encode(&bins, self.boundaries.values().len() + 1)?, 1))
    }

    fn config(&self) -> Config {
        object(json!({
            "bin_boundaries": self.boundaries.serialized(),
            "num_bins": self.num_bins,
            "epsilon": self.epsilon,
            "output_mode": self.output.name(),
            "sparse": false,
        }))
    }

    fn full_precision(&self) -> bool {
        true
    }
}
