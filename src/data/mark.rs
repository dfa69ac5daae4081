//! What may be done with data, so that nothing is learnt from what a network is judged by.

use crate::error::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// What was done with samples so far, shared by all copies of them.
const FREE: u8 = 0;
const SPLIT: u8 = 1;
const ADAPTED: u8 = 2;

/// The mark that samples bear: whether they are held out, and whether they were split or adapted to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mark {
    held_out: bool,
    state: Arc<AtomicU8>,
}

impl Mark {
    /// The same mark, of samples that a network is judged by.
    pub fn held_out(mut self) -> Mark {
        self.held_out = true;
        self
    }

    /// The marks of a part that is trained on and of one that is held out.
    ///
    /// # Errors
    /// Something adapted to the samples before: it knows what is to be held out.
    pub fn split(&self) -> Result<(Mark, Mark)> {
        self.enter(SPLIT).map_err(|_| {
            Error::Data(
                "this data cannot be split any more: a layer or a feature space adapted to all of it, so what is held out \
                 would not be new to the network; split first, then adapt to the training part"
                    .into(),
            )
        })?;
        let part = || Mark { held_out: self.held_out, state: Arc::default() };
        Ok((part(), part().held_out()))
    }

    /// Notes that something learns from the samples.
    ///
    /// # Errors
    /// Samples that are held out, or of which some are.
    pub fn adapt(&self) -> Result<()> {
        if self.held_out {
            let message = "this data is held out for validation or test: adapt to the training part alone, or the figures \
                           of the held-out part say nothing about new data";
            return Err(Error::Data(message.into()));
        }
        self.enter(ADAPTED).map_err(|_| {
            Error::Data(
                "this data was split, and a part of it is held out: adapt to the training part that the split gave"
                    .into(),
            )
        })
    }

    /// Goes from free to `state`, or stays in it; an error where it is in another.
    fn enter(&self, state: u8) -> Result<(), u8> {
        match self.state.compare_exchange(FREE, state, Ordering::AcqRel, Ordering::Acquire) {
            Err(other) if other != state => Err(other),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_out_stays_unseen() -> Result<()> {
        let whole = Mark::default();
        let (train, test) = whole.split()?;
        assert!(whole.adapt().is_err() && whole.clone().adapt().is_err() && test.adapt().is_err());
        // Several folds of one set, and a part of a part.
        let (inner, validation) = train.split()?;
        assert!(whole.split().is_ok() && train.adapt().is_err() && validation.adapt().is_err());
        assert!(test.split()?.0.adapt().is_err(), "a part of what is held out is held out");
        inner.adapt()?;
        inner.clone().adapt()?;
        assert!(inner.split().is_err() && inner.clone().split().is_err());
        Ok(())
    }
}
