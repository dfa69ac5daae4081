//! What the layers share that merge their inputs element by element.

use super::Spec;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The specs as a list.
pub fn list(specs: &[Spec]) -> String {
    specs.iter().map(Spec::to_string).collect::<Vec<_>>().join(", ")
}

/// Checks that there are inputs and that they have one dtype.
pub fn check(inputs: &[Spec]) -> Result<&Spec> {
    let Some(first) = inputs.first() else {
        return Err(Error::Input("expected at least one input, got none".into()));
    };
    match inputs.iter().find(|x| x.dtype != first.dtype) {
        Some(x) => Err(Error::Input(format!("expected inputs of one dtype, got {} and {}", first.dtype, x.dtype))),
        None => Ok(first),
    }
}

/// Checks the number of inputs.
pub fn exactly(count: usize, inputs: &[Spec]) -> Result<()> {
    if inputs.len() == count {
        return Ok(());
    }
    Err(Error::Input(format!("expected {count} inputs, got {}", inputs.len())))
}

/// The spec that the inputs broadcast to: the batch stays in front, the other axes are aligned at the last one.
pub fn spec(inputs: &[Spec]) -> Result<Vec<Spec>> {
    let first = check(inputs)?;
    first.require_float()?;
    let rank = inputs.iter().map(Spec::rank).max().unwrap_or(0);
    let mut dims = vec![Some(1); rank];
    for x in inputs {
        let ahead = rank - x.rank();
        for (i, &extent) in x.dims.iter().enumerate() {
            let dim = &mut dims[if i == 0 { 0 } else { ahead + i }];
            *dim = match (*dim, extent) {
                (a, b) if a == b => a,
                (Some(1), b) => b,
                (a, Some(1)) => a,
                // An extent that the data decides must turn out to be 1 or this one.
                (Some(n), None) | (None, Some(n)) => Some(n),
                _ => {
                    let message = format!("expected inputs of compatible shapes, got {}", list(inputs));
                    return Err(Error::Input(message));
                }
            };
        }
    }
    Ok(vec![Spec { dims, dtype: first.dtype }])
}

/// The inputs merged one after the other, where those of lower rank have axes of size 1 put in behind the batch.
pub fn merge(inputs: &[&Tensor], f: impl Fn(&Tensor, &Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let rank = inputs.iter().map(|x| x.shape().rank()).max().unwrap_or(0);
    let align = |x: &Tensor| -> Result<Tensor> {
        let shape = x.shape();
        let (Some((batch, sample)), true) = (shape.split_first(), shape.rank() < rank) else { return Ok(x.clone()) };
        x.reshape(Shape::new(&[&[*batch], &vec![1; rank - shape.rank()][..], sample].concat())?)
    };
    let (first, others) = inputs.split_first().ok_or_else(|| Error::Internal("nothing to merge".into()))?;
    others.iter().try_fold(align(first)?, |sum, x| f(&sum, &align(x)?))
}

/// A layer that merges its inputs one after the other by an op of two tensors.
macro_rules! merging {
    ($(#[$doc:meta])* $layer:ident $op:expr $(; of $count:literal)? $(; then $finish:expr)?) => {
        $(#[$doc])*
        ///
        /// Inputs `(batch, …)`, one or more, of one floating-point dtype and of shapes that broadcast as in NumPy; one
        /// of lower rank has axes of size 1 put in behind the batch. Output: what they broadcast to. No weights.
        #[derive(Clone, Debug, Default)]
        pub struct $layer;

        impl $layer {
            #[doc = concat!("The layer; call it on several symbols: `", stringify!($layer), "::new().call([&a, &b])`.")]
            pub fn new() -> $layer {
                $layer
            }

            /// The layer that a Keras config describes.
            pub(super) fn from_config(_: &crate::layers::Config) -> crate::error::Result<$layer> {
                Ok($layer)
            }
        }

        impl crate::layers::Layer for $layer {
            fn class_name(&self) -> &'static str {
                stringify!($layer)
            }

            fn output_spec(&self, inputs: &[crate::layers::Spec]) -> crate::error::Result<Vec<crate::layers::Spec>> {
                $(crate::layers::merge::exactly($count, inputs)?;)?
                crate::layers::merge::spec(inputs)
            }

            fn weights(&self, _: &[crate::layers::Spec]) -> crate::error::Result<Vec<crate::layers::WeightSpec>> {
                Ok(vec![])
            }

            fn forward(
                &self,
                _: &mut crate::layers::Call,
                inputs: &[&crate::tensor::Tensor],
            ) -> crate::error::Result<crate::tensor::Tensors> {
                let merged = crate::layers::merge::merge(inputs, $op)?;
                $(let merged = ($finish)(merged, inputs.len())?;)?
                Ok(crate::tensor::Tensors::from_elem(merged, 1))
            }

            fn config(&self) -> crate::layers::Config {
                crate::layers::Config::new()
            }
        }
    };
}
pub(super) use merging;
