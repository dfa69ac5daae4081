//! A CUDA card: its context, its streams, and whose turn it is to use them.

use super::cublas::{self, Products};
use super::driver::{Card, Driver, Handle, Version, check, elapsed_time, lock};
use super::kernel_table::{HAVE_KERNELS, PTX_VERSION, TARGET};
use super::launch::Functions;
use super::lt;
use super::nvtx::Range;
use super::pool::Pool;
use super::transfer::Staging;
use crate::error::{CudaError, Error, Result};
use cudarc::driver::sys;
use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

/// One CUDA card and what runs on it.
///
/// It uses the card's primary context, which it shares with any other CUDA code of the process, and never lets it go.
/// All work runs on one stream, in the order in which it was given, whichever thread gave it; methods return when the
/// work is queued, unless they say that they wait. Only [`CudaDevice::upload`] goes beside it.
pub struct CudaDevice {
    this: Weak<CudaDevice>,
    ordinal: usize,
    name: String,
    capability: Version,
    memory: usize,
    shared: usize,
    context: Handle<sys::CUctx_st>,
    compute: Handle<sys::CUstream_st>,
    copies: Handle<sys::CUstream_st>,
    turns: Turns,
    pub(super) pool: Pool,
    pub(super) functions: Functions,
    pub(super) staging: Mutex<Option<Staging>>,
    pub(super) uploads: Mutex<Option<Staging>>,
    pub(super) products: Mutex<Option<Products>>,
}

impl CudaDevice {
    /// The card `ordinal`, counted from 0; the same one whenever it is asked for.
    ///
    /// # Errors
    /// A [`CudaError`] that says what is missing: a driver, the card, kernels in this binary, a driver and a card that
    /// are new enough for them, cuBLAS or cuBLASLt.
    pub fn get(ordinal: usize) -> Result<Arc<CudaDevice>> {
        static DEVICES: Mutex<Vec<Option<Arc<CudaDevice>>>> = Mutex::new(Vec::new());
        let driver = Driver::get()?;
        let card = Card::get(driver, ordinal)?;
        let mut devices = lock(&DEVICES);
        if devices.len() <= ordinal {
            devices.resize(ordinal + 1, None);
        }
        if let Some(device) = &devices[ordinal] {
            return Ok(device.clone());
        }
        usable(driver, &card)?;
        cublas::open()?;
        lt::open()?;
        let open = CudaDevice::open(card)?;
        let device = Arc::new_cyclic(|this| CudaDevice { this: this.clone(), ..open });
        devices[ordinal] = Some(device.clone());
        Ok(device)
    }

    fn open(card: Card) -> Result<CudaDevice> {
        let (mut context, mut compute, mut copies) = (std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut());
        let flags = sys::CUstream_flags::CU_STREAM_NON_BLOCKING as u32;
        // SAFETY: the device is one that the driver named; each call writes the handle that it makes, and the streams
        // belong to the context that is current by then.
        unsafe {
            check(sys::cuDevicePrimaryCtxRetain(&mut context, card.device), || {
                format!("cuDevicePrimaryCtxRetain of {}", card.name)
            })?;
            check(sys::cuCtxSetCurrent(context), || "cuCtxSetCurrent".into())?;
            check(sys::cuStreamCreate(&mut compute, flags), || "cuStreamCreate".into())?;
            check(sys::cuStreamCreate(&mut copies, flags), || "cuStreamCreate".into())?;
        }
        Ok(CudaDevice {
            this: Weak::new(),
            ordinal: card.ordinal,
            pool: Pool::new(&card)?,
            name: card.name,
            capability: card.capability,
            memory: card.memory,
            shared: card.shared,
            context: Handle(context),
            compute: Handle(compute),
            copies: Handle(copies),
            turns: Turns::default(),
            functions: Functions::new(),
            staging: Mutex::new(None),
            uploads: Mutex::new(None),
            products: Mutex::new(None),
        })
    }

    /// The handle that a tensor on this device holds.
    pub fn handle(&self) -> Result<Arc<CudaDevice>> {
        self.this.upgrade().ok_or_else(|| Error::Internal("a device that nobody holds".into()))
    }

    /// Its number.
    pub fn ordinal(&self) -> usize {
        self.ordinal
    }

    /// Its name, as the driver says it: `NVIDIA H100 80GB HBM3`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its compute capability.
    pub fn capability(&self) -> Version {
        self.capability
    }

    /// Bytes of memory that it has.
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// Bytes of shared memory that a block of a kernel can have.
    pub(crate) fn shared(&self) -> usize {
        self.shared
    }

    /// Waits for all work.
    ///
    /// # Errors
    /// What that work did wrong: an illegal address shows here first.
    pub fn synchronize(&self) -> Result<()> {
        let _turn = self.turn_outside_capture("wait for the device")?;
        // SAFETY: the stream lives as long as the device.
        check(unsafe { sys::cuStreamSynchronize(self.compute()) }, || "cuStreamSynchronize".into())?;
        Ok(())
    }

    /// Opens a range that a profiler shows, when profiling was asked for by [`enable_profiling`].
    ///
    /// [`enable_profiling`]: super::enable_profiling
    pub fn range(&self, name: &str) -> Range {
        Range::open(name)
    }

    /// Whether this thread is capturing a CUDA graph of what it does here.
    pub fn is_capturing(&self) -> bool {
        self.pool.capture(self).is_some()
    }

    pub(super) fn compute(&self) -> sys::CUstream {
        self.compute.0
    }

    pub(super) fn copies(&self) -> sys::CUstream {
        self.copies.0
    }

    /// Waits until no other thread uses the device, keeps it until the turn is dropped, and makes its context this
    /// thread's. A thread may nest turns.
    pub(super) fn turn(&self) -> Result<Turn<'_>> {
        let turn = self.turns.take();
        // SAFETY: the context is never released. Other CUDA code may have set another one, so it is set each time.
        check(unsafe { sys::cuCtxSetCurrent(self.context.0) }, || "cuCtxSetCurrent".into())?;
        Ok(turn)
    }

    /// [`CudaDevice::turn`] for what a CUDA graph cannot hold.
    pub(super) fn turn_outside_capture(&self, what: &'static str) -> Result<Turn<'_>> {
        let turn = self.turn()?;
        if self.is_capturing() {
            let message = format!(
                "a step that is captured as a CUDA graph cannot {what}: do it before or after the step, or run the step \
                 without a graph"
            );
            return Err(Error::Device { op: self.to_string().into(), message });
        }
        Ok(turn)
    }

    /// Whether this thread has the turn.
    pub(super) fn is_my_turn(&self) -> bool {
        self.turns.are_mine()
    }
}

impl fmt::Display for CudaDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cuda:{}", self.ordinal)
    }
}

impl fmt::Debug for CudaDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({})", self.name)
    }
}

/// Whether the kernels of this binary run on the card.
pub(super) fn usable(driver: Driver, card: &Card) -> Result<(), CudaError> {
    if !HAVE_KERNELS {
        return Err(CudaError::NoKernels);
    }
    card.runs(driver.version, Version::new(PTX_VERSION.0, PTX_VERSION.1), TARGET)
}

/// Whose turn it is to put work on the stream: a mutex that one thread may take again and again.
///
/// A capture keeps its turn to its end, because what another thread put on the stream meanwhile would become part of the
/// graph. Between captures a turn lasts one call.
#[derive(Default)]
struct Turns {
    /// A number of the thread whose turn it is; 0 for none.
    owner: AtomicUsize,
    lock: Mutex<()>,
}

/// A turn; the outermost one of a thread ends it.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    lock: Option<MutexGuard<'a, ()>>,
}

impl Turns {
    fn take(&self) -> Turn<'_> {
        if self.are_mine() {
            return Turn { turns: self, lock: None };
        }
        let lock = lock(&self.lock);
        self.owner.store(this_thread(), Relaxed);
        Turn { turns: self, lock: Some(lock) }
    }

    /// Only this thread ever stores its own number, so that no ordering is needed to read it.
    fn are_mine(&self) -> bool {
        self.owner.load(Relaxed) == this_thread()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.lock.is_some() {
            self.turns.owner.store(0, Relaxed);
        }
    }
}

/// A number that no other living thread has, and never 0.
fn this_thread() -> usize {
    thread_local!(static PLACE: Cell<u8> = const { Cell::new(0) });
    PLACE.with(|place| std::ptr::from_ref(place).addr())
}

/// A point in the order of a stream's work.
pub(super) struct Event(Handle<sys::CUevent_st>);

impl Event {
    pub fn new() -> Result<Event, CudaError> {
        Event::with(sys::CUevent_flags::CU_EVENT_DISABLE_TIMING)
    }

    fn with(flags: sys::CUevent_flags) -> Result<Event, CudaError> {
        let mut event = std::ptr::null_mut();
        // SAFETY: a context is current in every turn, in which alone this is called; the handle is written.
        check(unsafe { sys::cuEventCreate(&mut event, flags as u32) }, || "cuEventCreate".into())?;
        Ok(Event(Handle(event)))
    }

    /// Puts the event behind the work that the stream has now.
    pub fn record(&self, stream: sys::CUstream) -> Result<(), CudaError> {
        // SAFETY: event and stream live.
        check(unsafe { sys::cuEventRecord(self.0.0, stream) }, || "cuEventRecord".into())
    }

    /// Lets what the stream is given from now on wait until it has happened, and nobody else.
    pub fn hold_back(&self, stream: sys::CUstream) -> Result<(), CudaError> {
        // SAFETY: event and stream live.
        check(unsafe { sys::cuStreamWaitEvent(stream, self.0.0, 0) }, || "cuStreamWaitEvent".into())
    }

    /// Waits until it has happened; at once, if it was never recorded.
    pub fn wait(&self) -> Result<(), CudaError> {
        // SAFETY: the event lives.
        check(unsafe { sys::cuEventSynchronize(self.0.0) }, || "cuEventSynchronize".into())
    }
}

/// A point in the order of a card's work, whose time is known once it has happened.
pub struct TimedEvent {
    event: Event,
    device: Arc<CudaDevice>,
}

impl CudaDevice {
    /// An event behind the work that was put on the device so far.
    ///
    /// # Errors
    /// A device that fails, or that is capturing a graph.
    pub fn timed_event(self: &Arc<CudaDevice>) -> Result<TimedEvent> {
        let _turn = self.turn_outside_capture("time what it does")?;
        let event = Event::with(sys::CUevent_flags::CU_EVENT_DEFAULT)?;
        event.record(self.compute())?;
        Ok(TimedEvent { event, device: self.clone() })
    }
}

impl TimedEvent {
    /// Seconds between an earlier event of the same device and this one; waits for it.
    ///
    /// # Errors
    /// A device that fails.
    pub fn seconds_after(&self, earlier: &TimedEvent) -> Result<f64> {
        let _turn = self.device.turn_outside_capture("time what it did")?;
        self.event.wait()?;
        let mut milliseconds = 0.0;
        let elapsed = elapsed_time()?;
        // SAFETY: both events live, were recorded and have happened; the number is written.
        let read = unsafe { elapsed(&mut milliseconds, earlier.event.0.0, self.event.0.0) };
        check(read, || "cuEventElapsedTime".into())?;
        Ok(f64::from(milliseconds) / 1e3)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: the event lives until here; the driver keeps what is still pending. A failure changes nothing.
        let _ = unsafe { sys::cuEventDestroy_v2(self.0.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn turns_nest_in_a_thread_and_exclude_others() {
        let turns = Turns::default();
        let outer = turns.take();
        drop(turns.take());
        assert!(turns.are_mine());
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                assert!(!turns.are_mine());
                let _turn = turns.take();
                assert!(turns.are_mine());
            });
            std::thread::sleep(std::time::Duration::from_millis(10));
            assert!(turns.are_mine() && !other.is_finished());
            drop(outer);
        });
        assert!(!turns.are_mine());
    }

    #[test]
    fn what_is_missing_is_an_error_and_no_panic() {
        assert!(matches!(CudaDevice::get(usize::MAX), Err(Error::Cuda(_))));
    }

    #[test]
    fn a_card_is_one_device() -> Result<()> {
        let Some(device) = testing::device() else { return Ok(()) };
        assert!(Arc::ptr_eq(&device, &CudaDevice::get(0)?));
        Ok(())
    }
}
