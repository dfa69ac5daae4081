//! Inner products.

use super::moved::Moved;
use super::{Call, Config, Layer, Mask, Read, Spec, WeightSpec, merge, object};
use crate::axes::Axes;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// The sums of products of two inputs along an axis of each ([Keras](https://keras.io/api/layers/merging_layers/dot/)).
///
/// Inputs `(batch, …)`, two of one floating-point dtype, of which the axes have the same extent. Output: the batch, the
/// first input's other axes, the second's; `(batch, 1)` where none is left. With `normalize` the vectors along the axes
/// are first brought to the length 1 (lengths below 1e-7 are divided by as 1e-7), so that what comes out is cosines.
/// Default: not. No weights.
#[derive(Clone, Debug)]
pub struct Dot {
    axes: Axes,
    normalize: bool,
}

impl Dot {
    /// The layer along this axis of both, or along one of each: `Dot::new(1)`, `Dot::new([2, 1])`.
    pub fn new(axes: impl Into<Axes>) -> Dot {
        Dot { axes: axes.into(), normalize: false }
    }

    /// Whether cosines are computed; by default they are not.
    pub fn normalize(mut self, normalize: bool) -> Self {
        self.normalize = normalize;
        self
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Dot> {
        if config.find("axes").is_none() {
            return Err(Error::Config("argument `axes` is missing".into()));
        }
        Ok(Dot { axes: Axes::read(config.get("axes"), "axes", -1)?, normalize: config.flag("normalize", false)? })
    }

    fn pair(&self) -> Result<[isize; 2]> {
        match *self.axes.list() {
            [axis] => Ok([axis, axis]),
            [a, b] => Ok([a, b]),
            ref axes => Err(Error::Config(format!("argument `axes`: expected one or two axes, got {axes:?}"))),
        }
    }
}

impl Layer for Dot {
    fn class_name(&self) -> &'static str {
        "Dot"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        merge::exactly(2, inputs)?;
        merge::check(inputs)?.require_float()?;
        let (a, b) = (&inputs[0], &inputs[1]);
        let [along_a, along_b] = self.pair()?;
        let (at_a, at_b) = (a.axes(&[along_a])?[0], b.axes(&[along_b])?[0]);
        // An extent that the data decides must turn out to be the other.
        if a.dims[at_a].zip(b.dims[at_b]).is_some_and(|(a, b)| a != b) {
            let message =
                format!("expected axis {along_a} of the first input and axis {along_b} of the second to agree");
            return Err(Error::Input(format!("{message}, got shapes {}", merge::list(inputs))));
        }
        let kept = |x: &Spec, at: usize, from: usize| -> Vec<Option<usize>> {
            x.dims.iter().enumerate().filter(|(i, _)| *i >= from && *i != at).map(|(_, d)| *d).collect()
        };
        let mut dims = [kept(a, at_a, 0), kept(b, at_b, 1)].concat();
        if dims.len() == 1 {
            dims.push(Some(1));
        }
        Ok(vec![Spec { dims, dtype: a.dtype }])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, _: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let mut left = Vec::new();
        // Each as (batch, other axes, axis).
        let matrix = |x: &Tensor, axis: isize, left: &mut Vec<usize>| -> Result<Tensor> {
            let rows = Moved::new(x, &[axis])?.rows(x)?;
            let shape = rows.shape();
            let [batch, ref others @ .., last] = *shape.dims() else {
                return Err(Error::shape("Dot", format!("expected at least 2 axes, got shape {shape}")));
            };
            left.extend(others);
            let rows = match self.normalize {
                true => rows.div(&rows.square()?.sum(&[-1], true)?.clip(1e-14, f64::INFINITY)?.sqrt()?)?,
                false => rows,
            };
            rows.reshape([batch, others.iter().product(), last])
        };
        let [along_a, along_b] = self.pair()?;
        let a = matrix(inputs[0], along_a, &mut left)?;
        let b = matrix(inputs[1], along_b, &mut left)?;
        left.insert(0, a.shape()[0]);
        if left.len() == 1 {
            left.push(1);
        }
        Ok(Tensors::from_elem(a.matmul_with(&b, false, true)?.reshape(Shape::new(&left)?)?, 1))
    }

    fn config(&self) -> Config {
        object(json!({ "axes": self.axes.serialized(), "normalize": self.normalize }))
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn compute_mask(&self, _: usize, _: &[bool]) -> Mask {
        Mask::None
    }
}
