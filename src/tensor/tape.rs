//! The tape: the ops that ran, in their order, for the walk back.
//!
//! A tape is one growing list a thread, so recording an op is writing one entry, and the order of the entries is the
//! order of the walk. The memory of a finished tape serves the next one.

use super::{Keeps, Meta, Op, Tensor};
use crate::error::{Error, Result};
use smallbox::SmallBox;
use smallvec::SmallVec;
use std::cell::RefCell;
use std::marker::PhantomData;

/// Where a tensor came from: an output of a node of a tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    tape: u32,
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
type BoxedOp = SmallBox<dyn Op, [usize; 12]>;

/// An op that ran, or a watched tensor.
pub(crate) struct Node {
    /// `None` for a watched tensor.
    pub op: Option<BoxedOp>,
    pub inputs: SmallVec<[Slot; 3]>,
    pub outputs: SmallVec<[Slot; 1]>,
}

/// The nodes of one tape, and room for the gradients of their outputs.
#[derive(Default)]
pub(crate) struct TapeData {
    id: u32,
    pub nodes: Vec<Node>,
    pub grads: Vec<SmallVec<[Option<Tensor>; 1]>>,
}

#[derive(Default)]
struct Tapes {
    active: Vec<TapeData>,
    spare: Vec<TapeData>,
    paused: usize,
    last_id: u32,
}

thread_local! {
    static TAPES: RefCell<Tapes> = RefCell::default();
}

/// Records the ops that run on this thread while it lives, for the gradients with respect to watched tensors.
///
/// The name and the manner are TensorFlow's. Ops on tensors that do not depend on a watched one are not recorded.
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
    id: u32,
    // The nodes are the thread's, so the handle stays on it.
    not_send: PhantomData<*const ()>,
}

impl Default for GradientTape {
    fn default() -> Self {
        GradientTape::new()
    }
}

impl GradientTape {
    /// Starts recording. A tape within a tape records alone until it ends.
    pub fn new() -> GradientTape {
        TAPES.with_borrow_mut(|tapes| {
            let mut data = tapes.spare.pop().unwrap_or_default();
            tapes.last_id = tapes.last_id.wrapping_add(1);
            data.id = tapes.last_id;
            tapes.active.push(data);
            GradientTape { id: tapes.last_id, not_send: PhantomData }
        })
    }

    /// The same value as a tensor that gradients are asked for.
    ///
    /// # Errors
    /// A tensor that is not floating-point, or a tape that another one covers.
    pub fn watch(&self, tensor: &Tensor) -> Result<Tensor> {
        if !tensor.dtype().is_float() {
            let message =
                format!("expected a floating-point tensor, got {}: integers have no gradient", tensor.dtype());
            return Err(Error::dtype("watch", message));
        }
        TAPES.with_borrow_mut(|tapes| {
            let data = tapes.active.last_mut().filter(|t| t.id == self.id).ok_or_else(covered)?;
            let origin = Origin { tape: data.id, node: data.nodes.len() as u32, output: 0 };
            let mut slots = SmallVec::new();
            slots.push(Slot::new(tensor, false, None));
            data.nodes.push(Node { op: None, inputs: SmallVec::new(), outputs: slots });
            let mut watched = tensor.detach();
            watched.set_origin(Some(origin));
            Ok(watched)
        })
    }

    /// Ends the recording and hands the nodes to the walk back.
    pub(crate) fn finish(self) -> Result<TapeData> {
        TAPES.with_borrow_mut(|tapes| match tapes.active.pop_if(|t| t.id == self.id) {
            Some(data) => Ok(data),
            None => Err(covered()),
        })
    }
}

fn covered() -> Error {
    Error::Config("this gradient tape is covered by a newer one: end the inner tape first".into())
}

impl Drop for GradientTape {
    fn drop(&mut self) {
        // The nodes are dropped after the borrow ends, since they let tensors go.
        let data = TAPES.with_borrow_mut(|tapes| tapes.active.pop_if(|t| t.id == self.id));
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

/// Runs `work` without recording, so that buffers go as soon as they are not used.
pub fn no_grad<R>(work: impl FnOnce() -> R) -> R {
    struct Resume;
    impl Drop for Resume {
        fn drop(&mut self) {
            TAPES.with_borrow_mut(|tapes| tapes.paused -= 1);
        }
    }
    TAPES.with_borrow_mut(|tapes| tapes.paused += 1);
    let _resume = Resume;
    work()
}

/// Records that `op` made `outputs` from `inputs`, if a tape runs and a gradient can flow.
pub(crate) fn record<O: Op>(op: O, inputs: &[&Tensor], outputs: &mut [Tensor]) {
    let Some(Keeps { inputs: keep_inputs, outputs: keep_outputs }) = op.keeps() else { return };
    TAPES.with_borrow_mut(|tapes| {
        if tapes.paused > 0 {
            return;
        }
        let Some(data) = tapes.active.last_mut() else { return };
        let origin_of = |t: &Tensor| t.origin().filter(|o| o.tape == data.id);
        if !inputs.iter().any(|t| origin_of(t).is_some()) {
            return;
        }
        let node = data.nodes.len() as u32;
        let input = |(i, t): (usize, &&Tensor)| Slot::new(t, keep_inputs.contains(&i), origin_of(t));
        let output = |(i, t): (usize, &mut Tensor)| {
            if t.dtype().is_float() {
                t.set_origin(Some(Origin { tape: data.id, node, output: i as u16 }));
            }
            Slot::new(t, keep_outputs.contains(&i), None)
        };
        let inputs = inputs.iter().enumerate().map(input).collect();
        let outputs = outputs.iter_mut().enumerate().map(output).collect();
        data.nodes.push(Node { op: Some(smallbox::smallbox!(op)), inputs, outputs });
    });
}
