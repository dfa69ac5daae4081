//! The walk back: gradients of a tensor with respect to the watched ones.

mod accumulate;
mod check;

pub use accumulate::Accumulate;
pub use check::{GradientCheck, check_gradients};

use crate::error::{Error, Result};
use crate::tensor::{Backward, GradientTape, Node, Tensor};

impl GradientTape {
    /// The gradients of `target` with respect to `sources`, `None` for one that it does not depend on.
    ///
    /// Of a target that is no scalar, the gradient of the sum of its elements. The tape ends with it.
    ///
    /// # Errors
    /// A source that the tape does not watch, or an op's backward that fails.
    pub fn gradient(self, target: &Tensor, sources: &[&Tensor]) -> Result<Vec<Option<Tensor>>> {
        let mut found = vec![None; sources.len()];
        let nodes: Vec<_> = sources.iter().map(|s| s.origin().map(|o| o.node)).collect();
        if nodes.iter().any(Option::is_none) {
            return Err(Error::Config("a gradient was asked for a tensor that the tape does not watch".into()));
        }
        self.walk(target, None, |node, gradient| {
            for (found, _) in found.iter_mut().zip(&nodes).filter(|(_, n)| **n == Some(node)) {
                *found = Some(gradient.clone());
            }
        })?;
        Ok(found)
    }

    /// Walks back from `target`, whose own gradient is `seed` or ones, and hands each watched tensor's node number and
    /// gradient to `leaf`.
    pub(crate) fn walk(self, target: &Tensor, seed: Option<Tensor>, mut leaf: impl FnMut(u32, Tensor)) -> Result<()> {
        let mut tape = self.finish()?;
        let Some(start) = target.origin().filter(|o| tape.owns(*o)) else {
            tape.recycle();
            return Ok(());
        };
        let mut nodes = std::mem::take(&mut tape.nodes);
        let mut grads = std::mem::take(&mut tape.grads);
        grads.resize_with(start.node as usize + 1, Default::default);
        let seed = match seed {
            Some(seed) => seed,
            None => Tensor::ones(&target.device(), target.shape(), target.dtype())?,
        };
        put(&mut grads[start.node as usize], start.output, seed)?;
        let mut result = Ok(());
        for at in (0..=start.node as usize).rev() {
            let mut grad = std::mem::take(&mut grads[at]);
            if grad.iter().all(Option::is_none) {
                continue;
            }
            let node: &mut Node = &mut nodes[at];
            let Some(op) = &node.op else {
                if let Some(gradient) = grad.first_mut().and_then(Option::take) {
                    leaf(at as u32, gradient);
                }
                continue;
            };
            let backward = Backward { name: op.name(), inputs: &node.inputs, outputs: &node.outputs, grads: &grad };
            let step = op.backward(&backward).and_then(|inputs| {
                for (slot, gradient) in node.inputs.iter().zip(inputs) {
                    if let (Some(origin), Some(gradient)) = (slot.origin, gradient) {
                        check(op.name(), &slot.meta(), &gradient)?;
                        put(&mut grads[origin.node as usize], origin.output, gradient)?;
                    }
                }
                Ok(())
            });
            if step.is_err() {
                result = step;
                break;
            }
            // What the node kept is not needed again: its memory serves the ops before it.
            node.inputs.clear();
            node.outputs.clear();
        }
        nodes.clear();
        grads.clear();
        tape.nodes = nodes;
        tape.grads = grads;
        tape.recycle();
        result
    }
}

/// The one place where gradients that meet are added.
fn put(slots: &mut smallvec::SmallVec<[Option<Tensor>; 1]>, output: u16, gradient: Tensor) -> Result<()> {
    let output = output as usize;
    if slots.len() <= output {
        slots.resize(output + 1, None);
    }
    let slot = &mut slots[output];
    *slot = Some(match slot.take() {
        None => gradient,
        Some(sum) => Accumulate::sum(&sum, &gradient)?,
    });
    Ok(())
}

/// A backward that returns the wrong shape would train wrongly in silence.
fn check(name: &str, input: &crate::tensor::Meta, gradient: &Tensor) -> Result<()> {
    if gradient.meta() == *input {
        return Ok(());
    }
    Err(Error::Internal(format!(
        "the backward of {name} gave a gradient {} {} for an input {} {}",
        gradient.dtype(),
        gradient.shape(),
        input.dtype,
        input.shape
    )))
}
