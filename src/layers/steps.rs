//! Sequences that come a few steps at a time, as a model writes them.

use crate::error::{Error, Result};
use crate::tensor::Tensor;
use smallvec::SmallVec;
use std::cell::RefCell;

/// What one call of a layer keeps from steps to the next ones, where some of its inputs come a few steps at a time:
/// keys and values of the steps before, or what it made of an input that stays.
///
/// A layer that can work so says it by [`Layer::stepwise`](super::Layer::stepwise), and finds this in its
/// [`Call::steps`](super::Call::steps).
#[derive(Debug)]
pub struct Steps {
    first: usize,
    capacity: usize,
    grows: SmallVec<[bool; 2]>,
    kept: RefCell<SmallVec<[(usize, Tensor); 4]>>,
}

impl Steps {
    /// Those of a call of which these inputs come a few steps at a time, `capacity` at most.
    pub(crate) fn new(capacity: usize, grows: SmallVec<[bool; 2]>) -> Steps {
        Steps { first: 0, capacity, grows, kept: RefCell::default() }
    }

    /// How many steps there were before.
    pub fn first(&self) -> usize {
        self.first
    }

    /// Whether an input comes a few steps at a time; one that does not is the same each time.
    pub fn grows(&self, input: usize) -> bool {
        self.grows.get(input).copied().unwrap_or(false)
    }

    /// Writes these steps `(batch, steps, …)` behind those before, which have the same place among what the call keeps; the whole,
    /// `(batch, capacity, …)`, of which what lies behind these steps is anything.
    ///
    /// # Errors
    /// More steps than were announced, steps of another shape than those before.
    pub fn append(&self, place: usize, steps: &Tensor) -> Result<Tensor> {
        let mut kept = self.kept.try_borrow_mut().map_err(|e| Error::Internal(format!("steps: {e}")))?;
        let count = steps.shape().get(1).copied().unwrap_or(0);
        if self.first + count > self.capacity {
            let (capacity, all) = (self.capacity, self.first + count);
            return Err(Error::Config(format!("expected at most {capacity} steps in all, got {all}")));
        }
        let at = match kept.iter().position(|(at, _)| *at == place) {
            Some(at) => at,
            None => {
                let whole = Tensor::zeros(&steps.device(), steps.shape().with(1, self.capacity)?, steps.dtype())?;
                kept.push((place, whole));
                kept.len() - 1
            }
        };
        kept[at].1.write_slice(1, self.first, steps)?;
        Ok(kept[at].1.clone())
    }

    /// [`Steps::append`], and of the whole the steps that there are.
    ///
    /// # Errors
    /// As [`Steps::append`].
    pub fn all(&self, place: usize, steps: &Tensor) -> Result<Tensor> {
        let count = self.first + steps.shape().get(1).copied().unwrap_or(0);
        self.append(place, steps)?.slice(1, 0..count)
    }

    /// What `make` makes of inputs that stay: the first time it is made, then it is what was kept at these places.
    ///
    /// # Errors
    /// What `make` answers.
    pub fn once<const N: usize>(
        &self,
        place: usize,
        make: impl FnOnce() -> Result<[Tensor; N]>,
    ) -> Result<[Tensor; N]> {
        let find = |at: usize| self.kept.borrow().iter().find(|(p, _)| *p == place + at).map(|(_, t)| t.clone());
        let found: SmallVec<[Tensor; 2]> = (0..N).map_while(find).collect();
        if let Ok(found) = <[Tensor; N]>::try_from(found.into_vec()) {
            return Ok(found);
        }
        let made = make()?;
        self.kept.borrow_mut().extend(made.iter().cloned().enumerate().map(|(at, tensor)| (place + at, tensor)));
        Ok(made)
    }

    /// Goes on to the steps from `first` on.
    pub(crate) fn go_to(&mut self, first: usize) {
        self.first = first;
    }

    /// Puts the samples in another order: `order` has the old place of each.
    pub(crate) fn reorder(&mut self, order: &Tensor) -> Result<()> {
        self.kept.get_mut().iter_mut().try_for_each(|(_, tensor)| {
            *tensor = tensor.gather(order)?;
            Ok(())
        })
    }
}
