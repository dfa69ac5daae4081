//! A function that the program registered, as a layer.

use super::{Call, Config, Layer, Read, Spec, WeightSpec, object};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::registry::Registry;
use crate::shape::{MAX_RANK, Shape};
use crate::tensor::{Tensor, Tensors, no_grad};
use serde_json::{Value, json};
use std::sync::Arc;

type Function = Arc<dyn Fn(&[&Tensor]) -> Result<Tensor> + Send + Sync>;

static FUNCTIONS: Registry<Function> = Registry::new("function", "keras.layers", "layers::register_function", &[]);

/// Elements of inputs on which a function is tried for the shape of its output.
const MOST: usize = 1 << 22;

/// Makes a function of tensors known to [`Lambda`] under Keras's `registered_name`, `Package>name`. It gets the layer's
/// inputs; its gradients are those of the ops that it uses. Registered again, the new one is meant.
///
/// ```
/// use uncrumple::layers;
/// use uncrumple::prelude::*;
/// # fn main() -> Result<()> {
/// layers::register_function("Custom>squares", |x| Tensor::concatenate(&[x[0], &x[0].square()?], -1))?;
/// let input = Input::new([3]);
/// let x = Lambda::new("Custom>squares").call(&input)?;
/// assert_eq!(x.spec().to_string(), "(None, 6)");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// A name that is no `Package>name`, or whose name another package's function has.
pub fn register_function(
    name: &str,
    function: impl Fn(&[&Tensor]) -> Result<Tensor> + Send + Sync + 'static,
) -> Result<()> {
    let function: Function = Arc::new(function);
    FUNCTIONS.add(name, move |_| Ok(function.clone()))
}

/// A function of the program's own ([Keras](https://keras.io/api/layers/core_layers/lambda/)), which
/// [`register_function`] made known under a name. A file has the name alone: code in one, as Keras writes for a Python
/// `lambda`, is never run.
///
/// Inputs `(batch, …)`, one or more, of any dtype that the function takes, and one output of as many samples. Shape and
/// dtype of the output are what the function makes of zeros on the CPU, tried twice to see which extents the data
/// decides; where [`Lambda::output_shape`] says the shape, nothing is tried and the dtype is the first input's. No
/// weights.
#[derive(Clone, Debug)]
pub struct Lambda {
    function: String,
    output_shape: Option<Vec<Option<usize>>>,
}

impl Lambda {
    /// The function that is registered under this name.
    pub fn new(function: &str) -> Lambda {
        Lambda { function: function.into(), output_shape: None }
    }

    /// The shape of a sample of the output; `None` for an extent that the data decides.
    pub fn output_shape(mut self, sample: impl Into<Vec<Option<usize>>>) -> Self {
        self.output_shape = Some(sample.into());
        self
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Lambda> {
        config.refuse(&["mask"])?;
        if config.find("arguments").is_some_and(|arguments| arguments != &json!({})) {
            return Err(Error::Config("argument `arguments`: expected none, since the function gets none".into()));
        }
        let function = config.find("function").filter(|f| f.get("class_name") == Some(&json!("function")));
        let name = function.and_then(|f| f.get("config")?.as_str()).filter(|name| name.contains('>'));
        let name = name.ok_or_else(|| {
            let message =
                "argument `function` of a Lambda: expected a registered function, since Python code is never run";
            Error::Config(format!("{message}: register it as `Package>name` in Keras and here"))
        })?;
        let extent = |v: &Value| match v {
            Value::Null => Some(None),
            v => v.as_u64().and_then(|n| usize::try_from(n).ok()).map(Some),
        };
        let output_shape = match config.find("output_shape") {
            None => None,
            // Keras writes a tuple.
            Some(given) => {
                let list = given.get("items").unwrap_or(given).as_array();
                let shape = list.and_then(|list| list.iter().map(extent).collect::<Option<Vec<_>>>());
                Some(shape.ok_or_else(|| {
                    Error::Config("argument `output_shape`: expected the shape of a sample as a list".into())
                })?)
            }
        };
        Ok(Lambda { function: name.into(), output_shape })
    }

    fn apply(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        FUNCTIONS.make(&self.function, &Config::new())?(inputs)
    }

    /// The output for zeros with this extent where one is open.
    fn try_on(&self, inputs: &[Spec], open: usize) -> Result<Spec> {
        let mut elements = 0;
        let zeros = |x: &Spec| {
            let dims: Vec<usize> = x.dims.iter().map(|d| d.unwrap_or(open)).collect();
            let shape = Shape::new(&dims)?;
            elements += shape.size();
            if elements > MOST {
                let message = format!("argument `output_shape`: an input of shape {x} is too large to find it out");
                return Err(Error::Config(format!("{message}: give it")));
            }
            Tensor::zeros(&Device::Cpu, shape, x.dtype)
        };
        let inputs = inputs.iter().map(zeros).collect::<Result<Vec<_>>>()?;
        let output = no_grad(|| self.apply(&inputs.iter().collect::<Vec<_>>()))?;
        Ok(Spec { dims: output.shape().iter().map(|&d| Some(d)).collect(), dtype: output.dtype() })
    }
}

impl Layer for Lambda {
    fn class_name(&self) -> &'static str {
        "Lambda"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let Some(batch) = inputs.first().and_then(|x| x.dims.first()) else {
            return Err(Error::Input("expected at least one input with a batch axis".into()));
        };
        if let Some(sample) = &self.output_shape {
            if sample.len() >= MAX_RANK {
                let message = format!("expected at most {} extents, got {}", MAX_RANK - 1, sample.len());
                return Err(Error::Config(format!("argument `output_shape`: {message}")));
            }
            let dims = std::iter::once(batch).chain(sample).copied().collect();
            return Ok(vec![Spec { dims, dtype: inputs[0].dtype }]);
        }
        let (mut spec, other) = (self.try_on(inputs, 2)?, self.try_on(inputs, 3)?);
        if spec.rank() == other.rank() {
            spec.dims.iter_mut().zip(&other.dims).for_each(|(dim, other)| *dim = dim.filter(|_| *dim == *other));
        }
        if spec.rank() != other.rank() || spec.dims.first() != Some(batch) {
            let message = format!("expected an output of as many samples as there are, got {spec} of {}", inputs[0]);
            return Err(Error::Input(format!("{message} from `{}`", self.function)));
        }
        Ok(vec![spec])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, _: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let y = self.apply(inputs)?;
        let (shape, samples) = (y.shape(), inputs.first().map(|x| x.shape().first().copied()));
        let fits = |sample: &Vec<Option<usize>>| {
            Some(shape.first().copied()) == samples
                && sample.len() + 1 == shape.rank()
                && sample.iter().zip(&shape[1..]).all(|(want, got)| want.is_none_or(|want| want == *got))
        };
        if !self.output_shape.as_ref().is_none_or(fits) {
            let message = format!("expected an output of the shape that `output_shape` says, got {shape}");
            return Err(Error::Input(format!("{message} from `{}`", self.function)));
        }
        Ok(Tensors::from_elem(y, 1))
    }

    fn config(&self) -> Config {
        let mut config = object(json!({
            "function": {
                "module": "builtins", "class_name": "function", "config": self.function, "registered_name": "function",
            },
            "arguments": {},
        }));
        if let Some(shape) = &self.output_shape {
            config.insert("output_shape".into(), json!(shape));
        }
        config
    }
}
