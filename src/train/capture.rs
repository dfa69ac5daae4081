//! The training step as a CUDA graph: recorded once for each shape of a batch, then replayed with one launch.

use super::{Batch, Trainer, step};
use crate::device::Device;
use crate::device::cuda::{CudaDevice, CudaGraph, Range};
use crate::error::{Error, Result};
use crate::tensor::{Meta, Tensor};
use smallvec::SmallVec;
use std::sync::Arc;

/// The shapes and dtypes of a batch, and whether the step changes weights.
type Key = (SmallVec<[Meta; 4]>, bool);

/// The shapes that have run, and the graphs that were recorded for them.
#[derive(Default)]
pub(super) struct Captures {
    /// Shapes of which one step ran as it is, so that kernels and workspaces are there.
    seen: Vec<Key>,
    graphs: Vec<Captured>,
    /// Where the weights stand that the graphs read and write.
    places: Vec<u64>,
}

struct Captured {
    key: Key,
    /// What the graph reads: a batch is copied into it before each launch.
    batch: Batch,
    graph: CudaGraph,
}

/// More shapes than a whole batch and a last, smaller one, each with an update and without, are not worth their memory.
const GRAPHS: usize = 4;

impl Trainer {
    /// Whether a step on a CUDA device is recorded as a graph and replayed; it is unless told otherwise.
    ///
    /// A step of one's own that waits for the device, or whose work depends on values, cannot be recorded.
    pub fn capture(mut self, capture: bool) -> Trainer {
        self.captures = capture.then(Captures::default);
        self
    }

    /// [`Trainer::capture`] in the middle of a training; returns how it was.
    pub fn set_capture(&mut self, capture: bool) -> bool {
        let was = self.captures.is_some();
        if was != capture {
            self.captures = capture.then(Captures::default);
        }
        was
    }

    /// How many recorded steps it replays: one for each shape of a batch that came at least twice, and none on the CPU.
    pub fn captured(&self) -> usize {
        self.captures.as_ref().map_or(0, |captures| captures.graphs.len())
    }

    /// Forgets the recorded steps, which what has changed since is no part of.
    pub(super) fn forget_captures(&mut self) {
        self.captures = self.captures.take().map(|_| Captures::default());
    }

    /// One step on the device, by the graph for the batch's shape if there is one.
    pub(super) fn run_step(&mut self, batch: &Batch, scratch: &mut step::Scratch) -> Result<()> {
        let _range = Range::open("step");
        let Device::Cuda(device) = self.model.device.clone() else { return self.step(batch, scratch) };
        // A card writes weights in place. Those that somebody else holds, such as a clone of the model, stay as they are.
        self.model.weights.iter_mut().try_for_each(Tensor::make_unique)?;
        match self.captures.is_some() {
            true => self.run_captured(&device, batch, scratch),
            false => self.step(batch, scratch),
        }
    }

    fn run_captured(&mut self, device: &Arc<CudaDevice>, batch: &Batch, scratch: &mut step::Scratch) -> Result<()> {
        let mut captures = self.captures.take().unwrap_or_default();
        let result = self.replay(&mut captures, device, batch, scratch);
        self.captures = Some(captures);
        result
    }

    fn replay(
        &mut self,
        captures: &mut Captures,
        device: &Arc<CudaDevice>,
        batch: &Batch,
        scratch: &mut step::Scratch,
    ) -> Result<()> {
        let places = self.model.weights.iter().map(|weight| weight.cuda_block().map_or(0, |block| block.pointer()));
        if !places.clone().eq(captures.places.iter().copied()) {
            // The graphs write the weights where they were.
            captures.graphs.clear();
            captures.places = places.collect();
        }
        let key: Key = (batch.tensors().map(|t| t.meta()).collect(), self.state.updates(&*self.optimizer));
        if let Some(captured) = captures.graphs.iter_mut().find(|c| c.key == key) {
            captured.batch.assign(batch)?;
            return captured.graph.launch();
        }
        if !captures.seen.contains(&key) || captures.graphs.len() == GRAPHS {
            self.step(batch, scratch)?;
            if captures.seen.len() < GRAPHS {
                captures.seen.push(key);
            }
            return Ok(());
        }
        let own = batch.copy()?;
        let (graph, ()) = device.capture(|| self.step(&own, scratch)).map_err(|error| {
            let advice = "The same step ran before without being recorded; Trainer::capture(false) leaves it so";
            Error::Config(format!("the training step cannot be recorded as a CUDA graph: {error}. {advice}"))
        })?;
        graph.launch()?;
        captures.graphs.push(Captured { key, batch: own, graph });
        Ok(())
    }
}
