//! Heads: projections to them, attention of each, and a projection back.

use super::attend::{Sight, attend, attend_and_show, check_dropout, scores_spec, with_last};
use super::{Call, Config, Parameter, Spec, WeightSpec};
use crate::device::cpu::philox::Philox;
use crate::error::{Error, Result};
use crate::initializers::Initializer;
use crate::ops::Activation;
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};

/// How many heads there are, and of which sizes.
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    /// Of queries; a multiple of those of keys, of which neighbours share one.
    pub heads: usize,
    pub key_heads: usize,
    /// Of queries and keys.
    pub size: usize,
    pub value_size: usize,
    pub use_bias: bool,
    pub use_gate: bool,
    pub dropout: f64,
}

/// What an attention is called on.
pub struct Attended<'a> {
    pub query: &'a Tensor,
    pub value: &'a Tensor,
    pub key: &'a Tensor,
    pub sight: Sight,
    /// Queries that count, `(batch, queries)`.
    pub query_mask: Option<&'a Tensor>,
    /// Whether the probabilities are wanted too.
    pub scores: bool,
    /// Whether key and value come with the query where a sequence comes a few steps at a time.
    pub grows: bool,
}

/// What the weights of projections are.
pub struct Projections<'a> {
    /// What stands before their names.
    pub prefix: &'a str,
    pub kernel: &'a Parameter,
    pub bias: &'a Parameter,
}

impl Heads {
    /// Checks the arguments.
    pub fn check(&self) -> Result<()> {
        let counts = [self.heads, self.key_heads, self.size, self.value_size];
        if counts.contains(&0) {
            return Err(Error::Config(format!("expected heads of a size, at least 1, got {counts:?}")));
        }
        if !self.heads.is_multiple_of(self.key_heads) {
            let (heads, key_heads) = (self.heads, self.key_heads);
            let message = "expected `num_query_heads` to be a multiple of `num_key_value_heads`";
            return Err(Error::Config(format!("{message}, got {heads} and {key_heads}")));
        }
        check_dropout(self.dropout)
    }

    /// The weights for so many features of query, value and key, and for an output of this shape.
    pub fn weights(
        &self,
        [query, value, key]: [usize; 3],
        output: &[usize],
        of: Projections,
    ) -> Result<Vec<WeightSpec>> {
        let mut weights = Vec::new();
        let mut add = |name: &str, inputs: &[usize], outputs: &[usize]| -> Result<()> {
            let kernel = of.kernel.spec_as(&format!("{name}/kernel"), Shape::new(&[inputs, outputs].concat())?)?;
            let matrix = [Shape::new(inputs)?.size(), Shape::new(outputs)?.size()];
            weights.push(WeightSpec { initializer: as_matrix(kernel.initializer, matrix), ..kernel });
            if self.use_bias {
                weights.push(of.bias.spec_as(&format!("{name}/bias"), Shape::new(outputs)?)?);
            }
            Ok(())
        };
        let prefix = of.prefix;
        let (keys, values) = ([self.key_heads, self.size], [self.key_heads, self.value_size]);
        add(&format!("{prefix}query_dense"), &[query], &[self.heads, self.size])?;
        add(&format!("{prefix}key_dense"), &[key], &keys)?;
        if self.use_gate {
            // Keras has no public name for it.
            let outer = prefix.trim_end_matches('_');
            add(&format!("{outer}_gate_dense"), &[query], &[self.heads, self.value_size])?;
        }
        add(&format!("{prefix}value_dense"), &[value], &values)?;
        add(&format!("{prefix}output_dense"), &[self.heads, self.value_size], output)?;
        Ok(weights)
    }

    /// How many weights a projection has.
    fn step(&self) -> usize {
        1 + usize::from(self.use_bias)
    }

    /// How many weights there are.
    pub fn count(&self) -> usize {
        self.step() * (4 + usize::from(self.use_gate))
    }

    /// x by a kernel whose first axes are x's features, which gives `outputs` in their place.
    fn linear(&self, call: &Call, place: usize, x: &Tensor, activation: Activation) -> Result<Tensor> {
        let kernel = call.weight(place)?;
        let features = x.shape().last();
        let columns = kernel.shape().size() / features.max(1);
        let bias = if self.use_bias { Some(call.weight(place + 1)?.reshape([columns])?) } else { None };
        x.linear(&kernel.reshape([features, columns])?, bias.as_ref(), activation)
    }

    /// x in heads, `(batch, steps, heads, size)`.
    fn project(&self, call: &Call, place: usize, x: &Tensor, heads: [usize; 2]) -> Result<Tensor> {
        let y = self.linear(call, place, x, Activation::Linear)?;
        y.reshape(with_last(&y, &heads)?)
    }

    /// Key and value in heads.
    fn keys_and_values(&self, call: &Call, first: usize, key: &Tensor, value: &Tensor) -> Result<[Tensor; 2]> {
        let (step, gate) = (self.step(), usize::from(self.use_gate));
        Ok([
            self.project(call, first + step, key, [self.key_heads, self.size])?,
            self.project(call, first + (2 + gate) * step, value, [self.key_heads, self.value_size])?,
        ])
    }

    /// The output and, if they are wanted, the probabilities `(batch, heads, queries, keys)`, with the weights from
    /// `first` on.
    pub fn forward(&self, call: &Call, first: usize, on: Attended) -> Result<Tensors> {
        let step = self.step();
        let query = self.project(call, first, on.query, [self.heads, self.size])?;
        let new = || self.keys_and_values(call, first, on.key, on.value);
        let [key, value] = match call.steps() {
            None => new()?,
            Some(steps) if on.grows => {
                let [key, value] = new()?;
                [steps.append(first, &key)?, steps.append(first + 1, &value)?]
            }
            Some(steps) => steps.once(first, new)?,
        };
        let scale = 1.0 / (self.size as f64).sqrt();
        let (projected, mut shown) = ([&query, &key, &value], None);
        let mut y = if on.scores {
            let (y, probabilities) =
                attend_and_show(call, projected, scale, &on.sight.queries(on.query_mask)?, self.dropout)?;
            shown = Some(probabilities);
            y
        } else {
            let y = attend(call, projected, scale, &on.sight, self.dropout)?;
            self.without_queries(y, &value, on.query_mask)?
        };
        if self.use_gate {
            let gate = self.linear(call, first + 2 * step, on.query, Activation::Sigmoid)?;
            y = y.mul(&gate.reshape(y.shape())?)?;
        }
        let output = self.count() - step;
        let y = self.linear(call, first + output, &y.reshape(with_rows(&y)?)?, Activation::Linear)?;
        let kernel = call.raw_weight(first + output)?.shape();
        let y = y.reshape(with_last(&y, &kernel[2..])?)?;
        Ok(std::iter::once(y).chain(shown).collect())
    }

    /// What heads have where a query does not count: as in Keras the mean of all values and, in a layer with dropout,
    /// zeros.
    ///
    /// A mask of such queries would be as large as the scores; what they see does not matter, so that they are replaced
    /// behind.
    fn without_queries(&self, y: Tensor, value: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        let Some(mask) = mask else { return Ok(y) };
        let [batch, queries, heads, size] = *y.shape() else {
            return Err(Error::Internal("an output of heads has 4 axes".into()));
        };
        let other = match self.dropout > 0.0 {
            true => Tensor::zeros(&y.device(), (), y.dtype())?,
            false => value.mean(&[1], true)?.reshape([batch, 1, self.key_heads, 1, size])?,
        };
        let grouped = y.reshape([batch, queries, self.key_heads, heads / self.key_heads, size])?;
        let mask = mask.reshape([batch, queries, 1, 1, 1])?;
        mask.select(&grouped, &other)?.reshape(y.shape())
    }

    /// What training keeps of an attention of these.
    pub fn kept(&self, query: &Spec, key: &Spec, scores: bool) -> Vec<Spec> {
        let of = |x: &Spec, heads: usize, size: usize| {
            let extents = Some(heads.saturating_mul(size));
            Spec { dims: vec![x.dims[0], x.dims[1], extents], dtype: x.dtype }
        };
        let mut kept = vec![
            of(query, self.heads, self.size),
            of(key, self.key_heads, self.size),
            of(key, self.key_heads, self.value_size),
            of(query, self.heads, self.value_size),
        ];
        match scores {
            // Products, probabilities, and those that were not dropped.
            true => kept.extend(vec![scores_spec(Some(self.heads), query, key); 3]),
            false => kept.push(of(query, self.heads, 1)),
        }
        kept
    }
}

/// The shape of rows of heads one beside the other.
fn with_rows(y: &Tensor) -> Result<Shape> {
    match *y.shape() {
        [batch, steps, heads, size] => Shape::new(&[batch, steps, heads * size]),
        _ => Err(Error::Internal("an output of heads has 4 axes".into())),
    }
}

/// The first values of a kernel whose inputs or outputs have several axes: as Keras's `EinsumDense`, an initializer
/// that looks at how many there are counts them all. No file names it.
pub(super) fn as_matrix(initializer: Box<dyn Initializer>, matrix: [usize; 2]) -> Box<dyn Initializer> {
    const COUNTING: [&str; 3] = ["Glorot", "He", "Lecun"];
    let class = initializer.class_name();
    match class == "VarianceScaling" || COUNTING.iter().any(|name| class.starts_with(name)) {
        true => Box::new(AsMatrix { initializer, matrix }),
        false => initializer,
    }
}

#[derive(Clone, Debug)]
struct AsMatrix {
    initializer: Box<dyn Initializer>,
    matrix: [usize; 2],
}

impl Initializer for AsMatrix {
    fn class_name(&self) -> &'static str {
        self.initializer.class_name()
    }

    fn config(&self) -> Config {
        self.initializer.config()
    }

    fn values(&self, _: &Shape, numbers: &Philox) -> Result<Vec<f32>> {
        self.initializer.values(&Shape::new(&self.matrix)?, numbers)
    }

    fn boxed(&self) -> Box<dyn Initializer> {
        Box::new(self.clone())
    }
}
