//! The walk back: gradients of a tensor with respect to the watched ones.

mod accumulate;
mod check;

pub use accumulate::Accumulate;
pub use check::{GradientCheck, check_gradients};

use crate::error::{Error, Result};
use crate::profile;
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
        let nodes: Vec<_> = sources.iter().map(|s| self.watched(s)).collect();
        if let Some(at) = nodes.iter().position(Option::is_none) {
            let message =
                format!("gradient: this tape does not watch source {at}; use the tensor that `watch` returned");
            return Err(Error::Config(message));
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
            let _span = profile::backward(tape.id, at as u32);
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
fn put(slots: &mut smallvec::SmallVec<[Option<Tensor>; 5]>, output: u16, gradient: Tensor) -> Result<()> {
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
    Err(Error::Internal(format!("the backward of {name} gave a gradient {} for an input {input}", gradient.meta())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::no_grad;

    fn scalar(x: f32) -> Result<Tensor> {
        Tensor::scalar(x)
    }

    fn is_error<T>(result: Result<T>, word: &str) {
        let text = result.err().map(|e| e.to_string()).unwrap_or_default();
        assert!(text.contains(word), "{text:?} does not say {word:?}");
    }

    #[test]
    fn only_what_this_tape_watches_is_a_source() -> Result<()> {
        let other = GradientTape::new();
        let foreign = other.watch(&scalar(1.0)?)?;
        drop(other);
        let ask = |source: &dyn Fn(&Tensor, &Tensor) -> Tensor| {
            let tape = GradientTape::new();
            let x = tape.watch(&scalar(3.0)?)?;
            let y = x.square()?;
            let z = y.mul_scalar(2.0)?;
            tape.gradient(&z, &[&x, &source(&x, &y)])
        };
        assert_eq!(ask(&|x, _| x.clone())?[1].as_ref().map(Tensor::item).transpose()?, Some(12.0));
        is_error(ask(&|_, _| foreign.clone()), "source 1");
        is_error(ask(&|_, y| y.clone()), "source 1");
        is_error(ask(&|x, _| x.detach()), "source 1");
        Ok(())
    }

    /// Each thread's first tape would have the same number if threads counted alone.
    #[test]
    fn a_tape_of_another_thread_is_another_tape() -> Result<()> {
        let foreign = std::thread::spawn(|| {
            let tape = GradientTape::new();
            let x = tape.watch(&Tensor::scalar(5f32)?)?;
            (0..3).try_fold(x, |x, _| x.mul_scalar(1.0))
        });
        let foreign = foreign.join().unwrap_or_else(|_| Err(Error::Internal("a panic".into())))?;
        let tape = GradientTape::new();
        let x = tape.watch(&scalar(2.0)?)?;
        let y = x.mul(&foreign)?;
        assert_eq!(tape.gradient(&y, &[&x])?[0].as_ref().map(Tensor::item).transpose()?, Some(5.0));
        Ok(())
    }

    #[test]
    fn what_a_newer_tape_would_lose_is_an_error() -> Result<()> {
        let outer = GradientTape::new();
        let x = outer.watch(&scalar(3.0)?)?;
        let y = x.square()?;
        is_error(outer.watch(&y), "detach");
        let inner = GradientTape::new();
        is_error(y.exp(), "exp");
        is_error(y.reshape([1]), "reshape");
        is_error(inner.watch(&y), "detach");
        is_error(outer.watch(&scalar(1.0)?), "newer");
        y.greater(&x)?;
        y.detach().exp()?;
        no_grad(|| y.exp())?;
        drop(inner);
        let z = y.mul_scalar(2.0)?;
        assert_eq!(outer.gradient(&z, &[&x])?[0].as_ref().map(Tensor::item).transpose()?, Some(12.0));
        Ok(())
    }

    #[test]
    fn a_tape_ends_also_while_a_newer_one_lives() -> Result<()> {
        let outer = GradientTape::new();
        let x = outer.watch(&scalar(3.0)?)?;
        let y = x.square()?;
        let inner = GradientTape::new();
        assert_eq!(outer.gradient(&y, &[&x])?[0].as_ref().map(Tensor::item).transpose()?, Some(6.0));
        let dropped = GradientTape::new();
        let innermost = GradientTape::new();
        drop(dropped);
        drop(innermost);
        let x = inner.watch(&y)?;
        assert_eq!(inner.gradient(&x.square()?, &[&x])?[0].as_ref().map(Tensor::item).transpose()?, Some(18.0));
        Ok(())
    }

    /// A thread of the pool that waits inside `no_grad` takes other work: here the pool's only one takes
    /// a whole training step.
    #[test]
    fn a_tape_that_begins_inside_no_grad_records() -> Result<()> {
        let train = || -> Result<Option<f64>> {
            let tape = GradientTape::new();
            let x = tape.watch(&scalar(3.0)?)?;
            let y = no_grad(|| x.square())?.add(&x.square()?)?;
            tape.gradient(&y, &[&x])?.remove(0).map(|g| g.item()).transpose()
        };
        let outer = GradientTape::new();
        let x = outer.watch(&scalar(1.0)?)?;
        assert_eq!(no_grad(train)?, Some(6.0));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let pool = pool.map_err(|e| Error::Internal(e.to_string()))?;
        let mut found = Ok(None);
        pool.install(|| no_grad(|| rayon::scope(|scope| scope.spawn(|_| found = train()))));
        assert_eq!(found?, Some(6.0));
        let y = x.square()?;
        assert_eq!(outer.gradient(&y, &[&x])?.remove(0).map(|g| g.item()).transpose()?, Some(2.0));
        Ok(())
    }
}
