//! Where the batches of an epoch come from.

use super::Trainer;
use crate::data::{Dataset, Source};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::tensor::{Arriving, Tensor};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::thread::Scope;
use std::time::Duration;

/// Batches that wait to be trained on.
const AHEAD: usize = 2;
/// How long a thread that has nothing to do waits until it looks for work again.
const PAUSE: Duration = Duration::from_micros(500);

/// What a run trains on.
#[derive(Clone, Copy)]
pub(super) enum Feed<'a> {
    /// Data on the trainer's device: a batch is gathered there.
    Placed(&'a Dataset),
    /// Data elsewhere: batches are read ahead.
    Source(&'a dyn Source),
}

impl<'a> Feed<'a> {
    /// The data where it lies.
    pub fn of(data: &'a Dataset, device: &Device) -> Feed<'a> {
        match data.inputs().first().is_some_and(|input| input.device() == *device) {
            true => Feed::Placed(data),
            false => Feed::Source(data),
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Feed::Placed(data) => data.len(),
            Feed::Source(source) => source.len(),
        }
    }

    /// The batches of these numbers, one by one, for a trainer on this device.
    pub fn batches<'scope>(
        self,
        device: &Device,
        scope: &'scope Scope<'scope, '_>,
        chunks: impl Iterator<Item = &'scope [i32]> + Send + 'scope,
    ) -> Result<Batches<'scope>>
    where
        'a: 'scope,
    {
        match self {
            Feed::Placed(data) => Ok(Batches::Placed(data, Box::new(chunks))),
            Feed::Source(source) => {
                let (sender, receiver) = sync_channel(AHEAD);
                let device = device.clone();
                let read = move || {
                    for indices in chunks {
                        // A source is somebody's code: its panic is an error of the run.
                        let batch = catch_unwind(AssertUnwindSafe(|| Sent::read(source, indices, &device)));
                        let batch =
                            batch.unwrap_or_else(|_| Err(Error::Data("the source of the data panicked".into())));
                        let last = batch.is_err();
                        // Nobody listens any more where the run has ended.
                        if sender.send(batch).is_err() || last {
                            return;
                        }
                    }
                };
                let thread = std::thread::Builder::new().name("batches".into());
                thread.spawn_scoped(scope, read).map_err(|e| Error::Data(format!("no thread to read data on: {e}")))?;
                Ok(Batches::Ahead(receiver))
            }
        }
    }
}

/// A batch that was read and is on its way to the trainer's device.
pub(super) struct Sent {
    batch: Dataset,
    tensors: Vec<Arriving>,
}

impl Sent {
    fn read(source: &dyn Source, indices: &[i32], device: &Device) -> Result<Sent> {
        let batch = source.read(indices)?.samples()?.into_owned();
        let (want, got) = (indices.len(), batch.len());
        if got != want {
            return Err(Error::Data(format!("the source of the data was asked for {want} samples and gave {got}")));
        }
        let tensors = batch.tensors().map(|tensor| tensor.send(device)).collect::<Result<_>>()?;
        Ok(Sent { batch, tensors })
    }

    /// The batch on the device.
    fn batch(self) -> Result<Dataset> {
        let mut tensors = self.tensors.into_iter();
        let missing = || Error::Internal("a tensor of a batch was not sent".into());
        self.batch.map(self.batch.len(), |_: &Tensor| tensors.next().ok_or_else(missing)?.tensor())
    }
}

/// The batches of an epoch.
pub(super) enum Batches<'a> {
    Placed(&'a Dataset, Box<dyn Iterator<Item = &'a [i32]> + Send + 'a>),
    Ahead(Receiver<Result<Sent>>),
}

impl Batches<'_> {
    /// The next batch on the trainer's device.
    pub fn next(&mut self, trainer: &Trainer) -> Result<Dataset> {
        let over = || Error::Internal("the batches of an epoch are over before it is".into());
        match self {
            Batches::Placed(data, chunks) => trainer.batch(data, chunks.next().ok_or_else(over)?),
            Batches::Ahead(receiver) => wait(receiver).ok_or_else(over)??.batch(),
        }
    }
}

/// What the reader sends next; nothing where it has ended.
///
/// The thread that trains is one of the pool's, and the reader may need them: to wait is to do their work meanwhile, or as
/// many trainings as there are threads would wait for readers that wait for a thread.
fn wait<T>(receiver: &Receiver<T>) -> Option<T> {
    loop {
        match receiver.try_recv() {
            Ok(batch) => return Some(batch),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => {}
        }
        if rayon::yield_now() == Some(rayon::Yield::Executed) {
            continue;
        }
        match receiver.recv_timeout(PAUSE) {
            Ok(batch) => return Some(batch),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}
