//! CUDA graphs: work that is recorded once and repeated with one call.

use super::context::CudaDevice;
use super::driver::{Handle, Relaxed, check};
use super::pool::GraphMemory;
use crate::error::{CudaError, Error, Result};
use cudarc::driver::sys;
use std::sync::Arc;

/// Work of a device that was captured, ready to be launched.
///
/// Each launch reads and writes the same addresses. What the work made while it was captured lives in memory of the
/// graph's own, and each launch writes it anew. What it read from outside must be kept, and new input copied into it.
pub struct CudaGraph {
    device: Arc<CudaDevice>,
    executable: Handle<sys::CUgraphExec_st>,
    _memory: Arc<GraphMemory>,
}

impl CudaDevice {
    /// Records what `work` puts on the device, without running it, and returns the graph and what `work` returned: tensors
    /// that hold their values once the graph was launched.
    ///
    /// `work` must have run before, so that kernels are loaded, and must not wait for another thread that uses the device:
    /// other threads wait until the capture ends.
    ///
    /// # Errors
    /// What `work` returned, or did that a graph cannot hold: wait for the device, or copy from or to the host.
    pub fn capture<R>(self: &Arc<CudaDevice>, work: impl FnOnce() -> Result<R>) -> Result<(CudaGraph, R)> {
        let _turn = self.turn_outside_capture("capture another graph")?;
        let memory = GraphMemory::new(self);
        let capture = Capture::begin(self, &memory)?;
        let result = work()?;
        let recorded = capture.end()?;
        memory.write_constants()?;
        let mut executable = std::ptr::null_mut();
        // SAFETY: the graph was just captured; the handle is written, of a copy.
        let made = unsafe { sys::cuGraphInstantiateWithFlags(&mut executable, recorded.0, 0) };
        check(made, || "cuGraphInstantiate".into())?;
        let graph = CudaGraph { device: self.clone(), executable: Handle(executable), _memory: memory };
        // SAFETY: graph and stream live. The first launch then costs no more than the others.
        check(unsafe { sys::cuGraphUpload(executable, self.compute()) }, || "cuGraphUpload".into())?;
        Ok((graph, result))
    }
}

impl CudaGraph {
    /// Puts the work on the compute stream once more.
    pub fn launch(&self) -> Result<()> {
        let _turn = self.device.turn_outside_capture("launch a graph")?;
        // SAFETY: graph and stream live, and so does the memory that the graph's work took.
        check(unsafe { sys::cuGraphLaunch(self.executable.0, self.device.compute()) }, || "cuGraphLaunch".into())?;
        Ok(())
    }

    /// The card that it runs on.
    pub fn device(&self) -> &Arc<CudaDevice> {
        &self.device
    }
}

impl Drop for CudaGraph {
    fn drop(&mut self) {
        if let Ok(_turn) = self.device.turn() {
            let _relaxed = Relaxed::enter();
            // SAFETY: nobody uses the graph again; launches that are queued still run, and end before whoever takes its
            // memory next, on the same stream. A failure changes nothing.
            let _ = unsafe { sys::cuGraphExecDestroy(self.executable.0) };
        }
    }
}

/// A capture that is under way; dropped without [`Capture::end`], because the work failed, it is thrown away.
struct Capture<'a> {
    device: &'a CudaDevice,
    ended: bool,
}

impl<'a> Capture<'a> {
    fn begin(device: &'a CudaDevice, memory: &Arc<GraphMemory>) -> Result<Capture<'a>> {
        // Of this thread alone: what other threads do with other streams is their own affair.
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream lives, and this thread has the turn until the capture has ended.
        check(unsafe { sys::cuStreamBeginCapture_v2(device.compute(), mode) }, || "cuStreamBeginCapture".into())?;
        device.pool.set_capture(Some(memory.clone()));
        Ok(Capture { device, ended: false })
    }

    fn end(mut self) -> Result<Recorded> {
        let graph = self.stop()?;
        if graph.0.is_null() {
            return Err(Error::Internal("the driver captured no graph".into()));
        }
        Ok(graph)
    }

    fn stop(&mut self) -> Result<Recorded, CudaError> {
        self.ended = true;
        self.device.pool.set_capture(None);
        let mut graph = std::ptr::null_mut();
        // SAFETY: this thread began the capture of this stream; the handle is written, null where the capture failed.
        let result = unsafe { sys::cuStreamEndCapture(self.device.compute(), &mut graph) };
        check(result, || "cuStreamEndCapture".into())?;
        Ok(Recorded(graph))
    }
}

impl Drop for Capture<'_> {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.stop();
        }
    }
}

/// What a capture recorded; null where it failed.
struct Recorded(sys::CUgraph);

impl Drop for Recorded {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: nobody uses the graph again. A failure changes nothing.
            let _ = unsafe { sys::cuGraphDestroy(self.0) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::{DType, Device, Tensor};

    #[test]
    fn a_graph_repeats_its_work() -> Result<()> {
        let Some(cuda) = testing::device() else { return Ok(()) };
        let device = Device::Cuda(cuda.clone());
        let source = Tensor::full(&device, 1000, DType::F32, 1.0)?;
        let ((graph, copy), discarded) = {
            let discarded = cuda.capture(|| source.copy()?.item()).err();
            (cuda.capture(|| source.copy()?.copy())?, discarded)
        };
        assert!(discarded.is_some_and(|error| error.to_string().contains("shape")), "an error ends a capture");
        for value in [2.0, 3.0] {
            let fresh = Tensor::full(&device, 1000, DType::F32, value)?;
            cuda.copy(fresh.cuda_block()?, source.cuda_block()?, 4000)?;
            graph.launch()?;
            // What is made meanwhile does not touch the graph's memory.
            let other = Tensor::full(&device, 1000, DType::F32, -1.0)?;
            assert_eq!(copy.to_vec::<f32>()?, vec![value as f32; 1000]);
            drop(other);
        }
        drop(graph);
        assert_eq!(copy.to_vec::<f32>()?, vec![3.0; 1000]);
        Ok(())
    }

    #[test]
    fn constants_stay_what_they_were() -> Result<()> {
        let Some(cuda) = testing::device() else { return Ok(()) };
        let device = Device::Cuda(cuda.clone());
        let (graph, copies) = cuda.capture(|| {
            // What goes round has the size of the table.
            drop(Tensor::full(&device, 50, DType::I64, 7.0)?);
            let first = Tensor::constant(&cuda, &[5; 50])?.copy()?;
            drop(Tensor::full(&device, 50, DType::I64, 7.0)?);
            Ok([first, Tensor::constant(&cuda, &[6; 50])?.copy()?])
        })?;
        for _ in 0..3 {
            graph.launch()?;
            assert_eq!(copies[0].to_vec::<i64>()?, [5; 50]);
            assert_eq!(copies[1].to_vec::<i64>()?, [6; 50]);
        }
        assert_eq!(Tensor::constant(&cuda, &[1, 2, 3])?.to_vec::<i64>()?, [1, 2, 3]);
        Ok(())
    }

    #[test]
    fn what_a_graph_cannot_hold_is_an_error() -> Result<()> {
        let Some(cuda) = testing::device() else { return Ok(()) };
        let device = Device::Cuda(cuda.clone());
        let tensor = Tensor::zeros(&device, 3, DType::F32)?;
        let refused = [
            cuda.capture(|| cuda.synchronize()).err(),
            cuda.capture(|| tensor.to_vec::<f32>()).err(),
            cuda.capture(|| Tensor::from_slice(&[1.0f32], 1)?.to_device(&device)).err(),
            cuda.capture(|| cuda.capture(|| Ok(()))).err(),
        ];
        for error in refused {
            let error = error.map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains("captured as a CUDA graph cannot"), "{error}");
        }
        // Nothing of the captures is left.
        assert_eq!(tensor.to_vec::<f32>()?, [0.0; 3]);
        Ok(())
    }
}
