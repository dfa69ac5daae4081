//! The tape: the ops that ran, in their order, for the walk back.
//!
//! A tape is one growing list a thread, so recording an op is writing one entry, and the order of the entries is the
//! order of the walk. The memory of a finished tape serves the next one.

use super::{Keeps, Meta, Op, Tensor};
use crate::error::{Error, Result};
use crate::profile;
use smallbox::SmallBox;
use smallvec::SmallVec;
use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Where a tensor came from: an output of a node of a tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    tape: u64,
    pub node: u32,
    pub output: u16,
}

/// What the tape knows of an input or output of an op.
pub(crate) struct Slot {
    value: Value,
    /// Where it came from; `None` for what needs no gradient.
    pub origin: Option<Origin>,
}

enum Value {
    Meta(Meta),
    Kept(Tensor),
}

impl Slot {
    fn new(tensor: &Tensor, keep: bool, origin: Option<Origin>) -> Slot {
        let value = if keep { Value::Kept(tensor.detach()) } else { Value::Meta(tensor.meta()) };
        Slot { value, origin }
    }

    pub fn kept(&self) -> Option<&Tensor> {
        match &self.value {
            Value::Kept(tensor) => Some(tensor),
            Value::Meta(_) => None,
        }
    }

    pub fn meta(&self) -> Meta {
        match &self.value {
            Value::Kept(tensor) => tensor.meta(),
            Value::Meta(meta) => *meta,
        }
    }
}

/// An op is kept in place up to this size, on the heap beyond.
type BoxedOp = SmallBox<dyn Op, [usize; 20]>;

/// An op that ran, or a watched tensor.
pub(crate) struct Node {
    /// `None` for a watched tensor.
    pub op: Option<BoxedOp>,
    pub inputs: SmallVec<[Slot; 5]>,
    pub outputs: SmallVec<[Slot; 5]>,
}

/// The nodes of one tape, and room for the gradients of their outputs.
#[derive(Default)]
pub(crate) struct TapeData {
    pub id: u64,
    /// How many [`no_grad`] are under way over this tape.
    paused: usize,
    pub nodes: Vec<Node>,
    pub grads: Vec<SmallVec<[Option<Tensor>; 5]>>,
}

/// The tapes of a thread. A thread of the pool that waits may run another training loop meanwhile, from its beginning to
/// its end, over the tapes that it has: so whatever a tape needs to know is its own, and not the thread's.
#[derive(Default)]
struct Tapes {
    /// The newest last.
    active: Vec<TapeData>,
    spare: Vec<TapeData>,
}

impl Tapes {
    fn end(&mut self, id: u64) -> Option<TapeData> {
        self.active.iter().position(|tape| tape.id == id).map(|at| self.active.remove(at))
    }
}

/// One count for the process: tensors go from thread to thread.
static LAST_ID: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static TAPES: RefCell<Tapes> = RefCell::default();
}

/// Records the ops that run on this thread while it lives, for the gradients with respect to watched tensors.
///
/// The name and the manner are TensorFlow's. Ops on tensors that do not depend on a watched one are not recorded, nor are
/// those of a walk back: there are no gradients of gradients. Of several tapes the newest records, and an op on a tensor
/// that an older one watches or recorded is an error while the newer one lives.
///
/// ```
/// # use uncrumple::{GradientTape, Tensor};
/// # fn main() -> uncrumple::Result<()> {
/// let tape = GradientTape::new();
/// let x = tape.watch(&Tensor::scalar(3f32)?)?;
/// let y = x.mul(&x)?;
/// let dx = tape.gradient(&y, &[&x])?.remove(0);
/// assert_eq!(dx.map(|g| g.item()).transpose()?, Some(6.0));
/// # Ok(())
/// # }
/// ```
pub struct GradientTape {
    id: u64,
    // The nodes are the thread's, so the handle stays on it.
    not_send: PhantomData<*const ()>,
}

impl Default for GradientTape {
    fn default() -> Self {
        GradientTape::new()
    }
}

impl GradientTape {
    /// Starts recording, until it is dropped or asked for gradients.
    pub fn new() -> GradientTape {
        let id = LAST_ID.fetch_add(1, Relaxed) + 1;
        TAPES.with_borrow_mut(|tapes| {
            let spare = tapes.spare.pop().unwrap_or_default();
            tapes.active.push(TapeData { id, paused: 0, ..spare });
        });
        GradientTape { id, not_send: PhantomData }
    }

    /// The same value as a tensor that gradients are asked for.
    ///
    /// # Errors
    /// A tensor that is not floating-point, one that a living tape watches or recorded (what made it would get no gradient;
    /// [`Tensor::detach`] says that this is meant), or a tape that a newer one covers.
    pub fn watch(&self, tensor: &Tensor) -> Result<Tensor> {
        if !tensor.dtype().is_float() {
            let message =
                format!("expected a floating-point tensor, got {}: integers have no gradient", tensor.dtype());
            return Err(Error::dtype("watch", message));
        }
        TAPES.with_borrow_mut(|tapes| {
            if tensor.origin().is_some_and(|o| tapes.active.iter().any(|tape| tape.owns(o))) {
                let message = "watch: a gradient tape that still records made this tensor; detach it first".into();
                return Err(Error::Config(message));
            }
            let data = tapes.active.last_mut().filter(|t| t.id == self.id).ok_or_else(|| covered("watch"))?;
            let origin = Origin { tape: data.id, node: data.nodes.len() as u32, output: 0 };
            let mut slots = SmallVec::new();
            slots.push(Slot::new(tensor, false, None));
            data.nodes.push(Node { op: None, inputs: SmallVec::new(), outputs: slots });
            let mut watched = tensor.detach();
            watched.set_origin(Some(origin));
            Ok(watched)
        })
    }

    /// The node of a tensor that this tape watches.
    pub(crate) fn watched(&self, tensor: &Tensor) -> Option<u32> {
        TAPES.with_borrow(|tapes| {
            let data = tapes.active.iter().find(|tape| tape.id == self.id)?;
            let origin = tensor.origin().filter(|o| data.owns(*o))?;
            data.nodes.get(origin.node as usize).filter(|node| node.op.is_none()).map(|_| origin.node)
        })
    }

    /// Ends the recording and hands the nodes to the walk back.
    pub(crate) fn finish(self) -> Result<TapeData> {
        let data = TAPES.with_borrow_mut(|tapes| tapes.end(self.id));
        data.ok_or_else(|| Error::Internal("a gradient tape ended twice".into()))
    }
}

fn covered(op: &str) -> Error {
    Error::Config(format!(
        "{op}: a newer gradient tape covers the one of this tensor: end the newer tape first, or detach the tensor"
    ))
}

impl Drop for GradientTape {
    fn drop(&mut self) {
        // The nodes are dropped after the borrow ends, since they let tensors go.
        let data = TAPES.with_borrow_mut(|tapes| tapes.end(self.id));
        if let Some(data) = data {
            data.recycle();
        }
    }
}

impl TapeData {
    /// Whether a tensor came from this tape.
    pub fn owns(&self, origin: Origin) -> bool {
        origin.tape == self.id
    }

    /// Lets the nodes go and keeps the memory for the next tape.
    pub fn recycle(mut self) {
        self.nodes.clear();
        self.grads.clear();
        TAPES.with_borrow_mut(|tapes| tapes.spare.push(self));
    }
}

/// Runs `work` without recording on the tape that records now, so that buffers go as soon as they are not used. A tape that
/// begins within `work` records.
pub fn no_grad<R>(work: impl FnOnce() -> R) -> R {
    /// The tape that goes on in the end.
    struct Resume(Option<u64>);
    impl Drop for Resume {
        fn drop(&mut self) {
            TAPES.with_borrow_mut(|tapes| {
                if let Some(tape) = tapes.active.iter_mut().find(|tape| Some(tape.id) == self.0) {
                    tape.paused -= 1;
                }
            });
        }
    }
    let pause = |tape: &mut TapeData| {
        tape.paused += 1;
        tape.id
    };
    let _resume = Resume(TAPES.with_borrow_mut(|tapes| tapes.active.last_mut().map(pause)));
    work()
}

/// Records that `op` made `outputs` from `inputs`, if a tape runs and a gradient can flow.
///
/// # Errors
/// An input of an older tape, whose gradient would be lost.
pub(crate) fn record<O: Op>(op: O, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
    let Some(Keeps { inputs: keep_inputs, outputs: keep_outputs }) = op.keeps() else { return Ok(()) };
    TAPES.with_borrow_mut(|tapes| {
        let Some((data, older)) = tapes.active.split_last_mut() else { return Ok(()) };
        if data.paused > 0 {
            return Ok(());
        }
        let is_older = |o| older.iter().any(|tape| tape.paused == 0 && tape.owns(o));
        if !older.is_empty() && inputs.iter().filter_map(|t| t.origin()).any(is_older) {
            return Err(covered(op.name()));
        }
        let origin_of = |t: &Tensor| t.origin().filter(|o| data.owns(*o));
        if !inputs.iter().any(|t| origin_of(t).is_some()) {
            return Ok(());
        }
        let (tape, node) = (data.id, data.nodes.len() as u32);
        let input = |(i, t): (usize, &&Tensor)| Slot::new(t, keep_inputs.contains(&i), origin_of(t));
        let output = |(i, t): (usize, &mut Tensor)| {
            if t.dtype().is_float() {
                t.set_origin(Some(Origin { tape, node, output: i as u16 }));
            }
            Slot::new(t, keep_outputs.contains(&i), None)
        };
        let inputs = inputs.iter().enumerate().map(input).collect();
        let outputs = outputs.iter_mut().enumerate().map(output).collect();
        data.nodes.push(Node { op: Some(smallbox::smallbox!(op)), inputs, outputs });
        profile::recorded(tape, node);
        Ok(())
    })
}
