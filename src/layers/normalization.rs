//! Features with mean 0 and variance 1.

use super::{Call, Config, Constant, Layer, Read, Spec, WeightSpec, object, one};
use crate::data::Dataset;
use crate::device::Device;
use crate::device::cpu::philox::Philox;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::initializers::{Initializer, Zeros};
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use serde_json::{Map, Value, json};

/// The least deviation that is divided by: Keras's epsilon.
const EPSILON: f64 = 1e-7;

/// Elements of data that are widened at a time.
const BLOCK: usize = 1 << 20;

/// (x − mean) / max(√variance, 1e-7), or with `invert` x · max(√variance, 1e-7) + mean
/// ([Keras](https://keras.io/api/layers/preprocessing_layers/numerical/normalization/)).
///
/// Each place along `axis`, by default the last, has its own mean and variance; they are those of the data that the
/// layer is adapted to, or are given. Input `(batch, …)` of any dtype, output of the same shape; integers become
/// float32, and so it computes under mixed precision. Weights, unless mean and variance are given: `mean` and
/// `variance`, of the extents of `axis`, and `count` (int32, always 0, as in Keras); training leaves them alone. Before
/// it is adapted the mean is 0 and the variance 1.
#[derive(Clone, Debug)]
pub struct Normalization {
    axis: Vec<isize>,
    invert: bool,
    given: Option<[Constant; 2]>,
    adapted: Option<[Statistic; 2]>,
}

impl Default for Normalization {
    fn default() -> Self {
        Normalization::new()
    }
}

impl Normalization {
    /// A layer that normalises each feature of the last axis.
    pub fn new() -> Normalization {
        Normalization { axis: vec![-1], invert: false, given: None, adapted: None }
    }

    /// The axes whose places have a mean and a variance each; none for one mean and one variance of all. By default
    /// `[-1]`. Set it before the layer is adapted.
    pub fn axis(mut self, axis: impl Into<Vec<isize>>) -> Self {
        self.axis = axis.into();
        self
    }

    /// Whether it undoes the normalisation; by default it does not.
    pub fn invert(mut self, invert: bool) -> Self {
        self.invert = invert;
        self
    }

    /// Sets mean and variance: a number, or an array that broadcasts to the extents of `axis`.
    pub fn mean_and_variance(mut self, mean: impl Into<Constant>, variance: impl Into<Constant>) -> Self {
        self.given = Some([mean.into(), variance.into()]);
        self
    }

    /// Takes mean and variance (of the population) from the one input of the data set, `(rows, …)` of any dtype,
    /// computed in f64.
    ///
    /// # Errors Data that is held out or of which a part is, several inputs, NaN or infinity, an axis that it does not
    /// have, a mean that was given.
    pub fn adapt(mut self, data: &Dataset) -> Result<Normalization> {
        if self.given.is_some() {
            return Err(Error::Config("a Normalization layer whose mean and variance are given cannot adapt".into()));
        }
        let data = data.adapted_to()?.to_device(&Device::Cpu)?;
        let shape = data.shape();
        if shape.size() == 0 || shape.rank() == 0 {
            return Err(Error::Data(format!("a Normalization layer cannot adapt to data of shape {shape}")));
        }
        let kept = self.kept(&Spec::batch_of(&shape[1..], data.dtype()))?;
        let reduced: Vec<isize> = (0..shape.rank()).filter(|i| !kept.contains(i)).map(|i| i as isize).collect();
        let dims: Vec<usize> = kept.iter().map(|&i| shape[i]).collect();
        let places = dims.iter().product::<usize>();
        let count = Tensor::scalar((shape.size() / places) as f64)?;

        // Σ f(block) / count over blocks of rows, so that little of the data is widened at a time.
        let rows = (BLOCK * shape[0] / shape.size()).max(1);
        let mean_of = |f: &dyn Fn(Tensor) -> Result<Tensor>| -> Result<Tensor> {
            let mut sum: Option<Tensor> = None;
            for start in (0..shape[0]).step_by(rows) {
                let block = data.slice(0, start..(start + rows).min(shape[0]))?.cast(DType::F64)?;
                let part = f(block)?.sum(&reduced, true)?;
                sum = Some(match sum {
                    None => part,
                    Some(sum) => sum.add(&part)?,
                });
            }
            sum.ok_or_else(|| Error::Internal("no blocks".into()))?.div(&count)
        };
        let mean = mean_of(&Ok)?;
        let variance = mean_of(&|x| x.sub(&mean)?.square())?;
        let statistic = |t: &Tensor| -> Result<Statistic> {
            let values: Vec<f32> = t.data::<f64>()?.iter().map(|&x| x as f32).collect();
            if !values.iter().all(|x| x.is_finite()) {
                return Err(Error::Data("the data that a Normalization layer adapts to holds NaN or infinity".into()));
            }
            Ok(Statistic { values, dims: dims.clone() })
        };
        self.adapted = Some([statistic(&mean)?, statistic(&variance)?]);
        Ok(self)
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Normalization> {
        let axis = match config.get("axis") {
            None => vec![-1],
            Some(_) => config.integers("axis")?.unwrap_or_default().into_iter().map(|a| a as isize).collect(),
        };
        let given = match (Constant::read(config, "mean")?, Constant::read(config, "variance")?) {
            (Some(mean), Some(variance)) => Some([mean, variance]),
            (None, None) => None,
            _ => return Err(Error::Config("arguments `mean` and `variance`: expected both or neither".into())),
        };
        Ok(Normalization { axis, invert: config.flag("invert", false)?, given, adapted: None })
    }

    /// The places of the axes that are kept apart, in order.
    fn kept(&self, x: &Spec) -> Result<Vec<usize>> {
        let mut kept = self.axis.iter().map(|&a| x.axis(a)).collect::<Result<Vec<_>>>()?;
        kept.sort_unstable();
        kept.dedup();
        if kept.len() < self.axis.len() || kept.contains(&0) {
            let message = format!("expected different axes behind the batch's, got {:?} for the shape {x}", self.axis);
            return Err(Error::Config(format!("argument `axis`: {message}")));
        }
        Ok(kept)
    }

    /// The extents of the axes that are kept apart.
    fn extents(&self, x: &Spec) -> Result<Vec<usize>> {
        self.kept(x)?.into_iter().map(|i| x.known(i as isize - x.rank() as isize)).collect()
    }
}

impl Layer for Normalization {
    fn class_name(&self) -> &'static str {
        "Normalization"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        let extents = self.extents(x)?;
        let list = || Spec { dims: extents.iter().copied().map(Some).collect(), dtype: x.dtype };
        for (name, constant) in ["mean", "variance"].into_iter().zip(self.given.iter().flatten()) {
            constant.check_finite(name)?;
            if !constant.fits(&list().dims) {
                let message = format!("expected `{name}` to broadcast to {}, the extents of `axis`", list());
                return Err(Error::Input(format!("{message}, got {:?} for the shape {x}", constant.dims())));
            }
            if name == "variance" && constant.values().iter().any(|&v| v < 0.0) {
                return Err(Error::Config("argument `variance`: expected numbers of at least 0".into()));
            }
        }
        if let Some([mean, _]) = self.adapted.as_ref().filter(|[mean, _]| mean.dims != extents) {
            let message = format!("expected extents {:?} along `axis`, as in the data it adapted to", mean.dims);
            return Err(Error::Input(format!("{message}, got shape {x}")));
        }
        let dtype = if x.dtype.is_float() { x.dtype } else { DType::F32 };
        Ok(vec![Spec { dims: x.dims.clone(), dtype }])
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        if self.given.is_some() {
            return Ok(vec![]);
        }
        let dims = self.extents(one(inputs)?)?;
        let shape = Shape::new(&dims)?;
        let plain = |value: f32| Statistic { values: vec![value; shape.size()], dims: dims.clone() };
        let [mean, variance] = self.adapted.clone().unwrap_or_else(|| [plain(0.0), plain(1.0)]);
        let count = WeightSpec::new("count", Shape::SCALAR, Box::new(Zeros));
        Ok(vec![
            WeightSpec::new("mean", shape, Box::new(mean)).frozen(),
            WeightSpec::new("variance", shape, Box::new(variance)).frozen(),
            WeightSpec { dtype: DType::I32, ..count }.frozen(),
        ])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let x = call.float(inputs[0])?;
        let shape = x.shape();
        let kept = self.kept(&Spec::batch_of(&shape[1..], x.dtype()))?;
        // The statistics with their axes where the input has them, and 1 elsewhere.
        let place = |t: Tensor| -> Result<Tensor> {
            let mut dims = vec![1; shape.rank()];
            for (&axis, &extent) in kept.iter().rev().zip(t.shape().iter().rev()) {
                dims[axis] = extent;
            }
            t.cast(x.dtype())?.reshape(Shape::new(&dims)?)
        };
        let (mean, variance) = match &self.given {
            Some([mean, variance]) => (mean.like(&x)?, variance.like(&x)?),
            None => (call.raw_weight(0)?.clone(), call.raw_weight(1)?.clone()),
        };
        let (mean, deviation) = (place(mean)?, place(variance)?.sqrt()?.clip(EPSILON, f64::INFINITY)?);
        let y = if self.invert { x.mul(&deviation)?.add(&mean)? } else { x.sub(&mean)?.div(&deviation)? };
        Ok(Tensors::from_elem(y, 1))
    }

    fn config(&self) -> Config {
        let [mean, variance] = match &self.given {
            Some(given) => given.each_ref().map(Constant::serialized),
            None => [Value::Null, Value::Null],
        };
        object(json!({ "axis": self.axis, "invert": self.invert, "mean": mean, "variance": variance }))
    }

    fn full_precision(&self) -> bool {
        true
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }
}

/// The mean or the variance of data, as the first values of the weight that holds it.
#[derive(Clone, Debug)]
struct Statistic {
    values: Vec<f32>,
    dims: Vec<usize>,
}

impl Initializer for Statistic {
    fn class_name(&self) -> &'static str {
        "Statistic"
    }

    fn config(&self) -> Map<String, Value> {
        Map::new()
    }

    fn values(&self, _: &Shape, _: &Philox) -> Result<Vec<f32>> {
        Ok(self.values.clone())
    }

    fn boxed(&self) -> Box<dyn Initializer> {
        Box::new(self.clone())
    }
}
