//! Numbers as the bins that they fall into.

use super::encoding::Output;
use super::{Call, Config, Constant, Layer, Read, Spec, WeightSpec, object, one};
use crate::data::Dataset;
use crate::device::Device;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use serde_json::{Value, json};

/// How near quantiles are to the true ones: Keras's default.
const EPSILON: f64 = 0.01;

/// Numbers, each with how many it stands for, as 1/`epsilon` of them, interpolated; the same if there are fewer.
fn quantiles(summary: &[(f64, f64)], epsilon: f64) -> Vec<(f64, f64)> {
    if (summary.len() as f64 * epsilon) < 1.0 {
        return summary.to_vec();
    }
    // Keras adds and divides in float32.
    let mut total = 0f32;
    let sums: Vec<f32> = summary
        .iter()
        .map(|(_, weight)| {
            total += *weight as f32;
            total
        })
        .collect();
    let shares: Vec<f64> = sums.iter().map(|sum| f64::from(sum / total)).collect();
    let sums: Vec<f64> = sums.into_iter().map(f64::from).collect();
    let count = (1.0 / epsilon).ceil() as usize;
    let mut before = 0.0;
    let quantile = |i: usize| {
        let share = epsilon + i as f64 * epsilon;
        let at = shares.partition_point(|&at| at <= share);
        let (x, sum) = match at {
            0 => (summary[0].0, sums[0]),
            _ if at == sums.len() => (summary[at - 1].0, sums[at - 1]),
            _ => {
                let (a, b) = (shares[at - 1], shares[at]);
                let between = |a: f64, b: f64, t: f64| a + (b - a) * t;
                let t = (share - a) / (b - a);
                (between(summary[at - 1].0, summary[at].0, t), between(sums[at - 1], sums[at], t))
            }
        };
        let weight = sum - before;
        before = sum;
        (f64::from(x as f32), f64::from(weight as f32))
    };
    (0..count).map(quantile).collect()
}

/// The number of the bin that x falls into: how many boundaries are at most x
/// ([Keras](https://keras.io/api/layers/preprocessing_layers/numerical/discretization/)).
///
/// Input `(batch, …)` of any dtype. n boundaries in ascending order make n + 1 bins, of which each begins with its
/// lower boundary; NaN falls into the last. Output: int32 of the same shape, or float32 vectors of n + 1 elements as
/// [`CategoryEncoding`](super::CategoryEncoding) has them. Default: the number. No weights. A config of a layer that
/// was never adapted is refused; `num_bins` and `epsilon` of one that was are kept.
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
        Discretization { boundaries, output: Output::Int, num_bins: Value::Null, epsilon: EPSILON }
    }

    /// The layer whose boundaries divide the one input of the data set into `num_bins` bins that hold about equally
    /// many numbers: Keras's `adapt` of a layer of `num_bins` bins, with its `epsilon` of 0.01. Fewer numbers than 100
    /// are all boundaries of quantiles, more are summed up by 100 of them first.
    ///
    /// # Errors
    /// Fewer than two bins; data that is held out or of which a part is, several inputs, NaN or infinity.
    pub fn adapted(num_bins: usize, data: &Dataset) -> Result<Discretization> {
        if num_bins < 2 {
            return Err(Error::Config(format!("argument `num_bins`: expected at least 2, got {num_bins}")));
        }
        let data = data.adapted_to()?.to_device(&Device::Cpu)?.cast(DType::F32)?;
        let mut values = data.to_vec::<f32>()?;
        if !values.iter().all(|x| x.is_finite()) {
            return Err(Error::Data("the data that a Discretization layer adapts to holds NaN or infinity".into()));
        }
        values.sort_unstable_by(f32::total_cmp);
        // Every step-th number stands for those before it.
        let step = (values.len() as f64 * EPSILON).max(1.0);
        let chosen = values.iter().skip(step as usize - 1).step_by(step as usize);
        let summary: Vec<(f64, f64)> = chosen.map(|&x| (f64::from(x), step)).collect();
        let mut boundaries = quantiles(&quantiles(&summary, EPSILON), 1.0 / num_bins as f64);
        boundaries.pop();
        let boundaries: Vec<f64> = boundaries.into_iter().map(|(x, _)| x).collect();
        Ok(Discretization { num_bins: json!(num_bins), ..Discretization::new(boundaries) })
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
            epsilon: config.number("epsilon", EPSILON)?,
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
        // NaN is below no boundary.
        let last = self.boundaries.values().len();
        let above = column.less(&self.boundaries.like(&x)?)?.cast(DType::F32)?.sum(&[-1], false)?;
        let bins = above.rescale(-1.0, last as f64)?.cast(DType::I32)?;
        Ok(Tensors::from_elem(self.output.encode(&bins, last + 1)?, 1))
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

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Keras 3.15.1 adapts to: `Discretization(num_bins=b).adapt(x)` on x = (7919·i mod 1009)·0.37 − 50.
    #[test]
    fn boundaries_are_keras_s() -> Result<()> {
        let cases: [(i64, usize, &[f64]); 4] = [
            (7, 3, &[2.5399956703186035, 134.62998962402344]),
            (100, 4, &[40.279972076416016, 138.32986450195312, 230.08998107910156]),
            (1237, 5, &[24.14798355102539, 99.0360336303711, 173.48008728027344, 248.07199096679688]),
            (250, 2, &[135.37005615234375]),
        ];
        for (n, bins, want) in cases {
            let x: Vec<f32> = (0..n).map(|i| ((i * 7919 % 1009) as f64 * 0.37 - 50.0) as f32).collect();
            let layer = Discretization::adapted(bins, &Dataset::new(Tensor::from_slice(&x, [n as usize, 1])?, ())?)?;
            let got = layer.boundaries.values();
            let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-5;
            assert!(got.len() == want.len() && got.iter().zip(want).all(near), "{n} {bins}: {got:?}");
        }
        assert!(Discretization::adapted(1, &Dataset::new(Tensor::from_slice(&[1.0f32], 1)?, ())?).is_err());
        Ok(())
    }
}
