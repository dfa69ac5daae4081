//! What the layers share that merge their inputs element by element.

use super::{Call, Spec, mask};
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

/// What a masked element of an input stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Masked {
    /// What it is.
    Itself,
    /// 1; the product is 0 where all are masked.
    One,
    /// What the others make.
    Others,
}

/// A tensor with axes of extent 1 put in behind the batch.
fn lifted(x: &Tensor, by: usize) -> Result<Tensor> {
    let shape = x.shape();
    let (Some((batch, sample)), true) = (shape.split_first(), by > 0) else { return Ok(x.clone()) };
    x.reshape(Shape::new(&[&[*batch], &vec![1; by][..], sample].concat())?)
}

/// The inputs merged one after the other, where those of lower rank have axes of size 1 put in behind the batch. Where all
/// have a mask, the output's is true where one of theirs is.
pub fn merge(
    call: &mut Call,
    inputs: &[&Tensor],
    masked: Masked,
    f: impl Fn(&Tensor, &Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let rank = inputs.iter().map(|x| x.shape().rank()).max().unwrap_or(0);
    let one_rank = inputs.iter().all(|x| x.shape().rank() == rank);
    let number = |x: &Tensor, value| Tensor::full(&x.device(), (), x.dtype(), value);
    let missing = || Error::Internal("nothing to merge".into());
    let mut merged: Option<Tensor> = None;
    // Where what was merged so far counts; none where one of the inputs has no mask.
    let mut kept: Option<Tensor> = None;
    let mut mask_rank = 0;
    for (i, x) in inputs.iter().enumerate() {
        let ahead = rank - x.shape().rank();
        let mut x = lifted(x, ahead)?;
        let mask = match call.mask(i) {
            Some(mask) => {
                mask_rank = mask_rank.max(mask.shape().rank() + ahead);
                Some(mask::beside(&lifted(mask, ahead)?, rank)?)
            }
            None => None,
        };
        // As in Keras, which loses the masks of inputs that it has to reshape here.
        if let (Masked::One, Some(mask), true) = (masked, &mask, one_rank) {
            x = mask.select(&x, &number(&x, 1.0)?)?;
        }
        let Some(mut before) = merged else {
            (merged, kept) = (Some(x), mask);
            continue;
        };
        if masked == Masked::Others && one_rank {
            if let Some(mask) = &mask {
                x = mask.select(&x, &before)?;
            }
            if let Some(kept) = &kept {
                before = kept.select(&before, &x)?;
            }
        }
        kept = match (kept, mask) {
            (Some(kept), Some(mask)) => Some(mask::either(&kept, &mask)?),
            _ => None,
        };
        merged = Some(f(&before, &x)?);
    }
    let mut merged = merged.ok_or_else(missing)?;
    if let Some(kept) = kept {
        if masked == Masked::One && one_rank {
            merged = kept.select(&merged, &number(&merged, 0.0)?)?;
        }
        let mask = kept.reshape(Shape::new(&kept.shape()[..mask_rank.min(rank)])?)?;
        call.set_mask(0, Some(mask));
    }
    Ok(merged)
}

/// A layer that merges its inputs one after the other by an op of two tensors.
macro_rules! merging {
    ($(#[$doc:meta])* $layer:ident $op:expr $(; of $count:literal)? $(; then $finish:expr)? $(; masked $masked:ident)?) => {
        $(#[$doc])*
        ///
        /// Inputs `(batch, …)`, one or more, of one floating-point dtype and of shapes that broadcast as in NumPy; one
        /// of lower rank has axes of size 1 put in behind the batch. Output: what they broadcast to, with a mask if each has one: true where one of theirs is.
        /// No weights.
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
                call: &mut crate::layers::Call,
                inputs: &[&crate::tensor::Tensor],
            ) -> crate::error::Result<crate::tensor::Tensors> {
                let masked = [$(crate::layers::merge::Masked::$masked,)? crate::layers::merge::Masked::Itself][0];
                let merged = crate::layers::merge::merge(call, inputs, masked, $op)?;
                $(let merged = ($finish)(merged, inputs.len())?;)?
                Ok(crate::tensor::Tensors::from_elem(merged, 1))
            }

            fn config(&self) -> crate::layers::Config {
                crate::layers::Config::new()
            }

            fn supports_masking(&self) -> bool {
                true
            }

            fn compute_mask(&self, _: usize, masked: &[bool]) -> crate::layers::Mask {
                if masked.contains(&false) { crate::layers::Mask::None } else { crate::layers::Mask::Set }
            }

            fn stepwise(&self, grows: &[bool]) -> bool {
                !grows.contains(&false)
            }
        }
    };
}
pub(super) use merging;
