//! What an op is.

use super::{Case, Slot, Tensor};
use crate::device::cuda::CudaDevice;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use smallvec::SmallVec;
use std::fmt;
use std::sync::Arc;

/// What is known of a tensor before its values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The extents of its axes.
    pub shape: Shape,
    /// The type of its elements.
    pub dtype: DType,
}

impl Meta {
    /// A shape and a dtype together.
    pub fn new(shape: Shape, dtype: DType) -> Meta {
        Meta { shape, dtype }
    }
}

/// `float32 (2, 3)`.
impl fmt::Display for Meta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.dtype, self.shape)
    }
}

/// What an op was given where that is wrong: its inputs' dtypes and shapes.
pub(crate) fn given(inputs: &[Meta]) -> String {
    let texts: Vec<String> = inputs.iter().map(Meta::to_string).collect();
    if texts.is_empty() { "nothing".into() } else { texts.join(", ") }
}

/// Checks that all inputs have one dtype.
///
/// # Errors
/// [`Error::DType`] with the dtypes.
pub(crate) fn require_one_dtype(op: &'static str, inputs: &[Meta]) -> Result<()> {
    if inputs.windows(2).all(|pair| pair[0].dtype == pair[1].dtype) {
        return Ok(());
    }
    let dtypes: Vec<&str> = inputs.iter().map(|m| m.dtype.name()).collect();
    Err(Error::dtype(op, format!("the dtypes {} differ; cast to one of them first", dtypes.join(" and "))))
}

/// What an op returns, one entry an output; most have one.
pub type Metas = SmallVec<[Meta; 5]>;
/// The outputs of an op.
pub type Tensors = SmallVec<[Tensor; 5]>;
/// The gradients of an op's inputs, in their order; `None` where none flows.
pub type Gradients = SmallVec<[Option<Tensor>; 5]>;

/// Which tensors an op's backward reads; the others are let go after the forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeps {
    /// The inputs, by number.
    pub inputs: &'static [usize],
    /// The outputs, by number.
    pub outputs: &'static [usize],
}

impl Keeps {
    /// The backward needs shapes at most.
    pub const NOTHING: Keeps = Keeps { inputs: &[], outputs: &[] };

    /// The backward reads these inputs.
    pub const fn inputs(inputs: &'static [usize]) -> Keeps {
        Keeps { inputs, outputs: &[] }
    }

    /// The backward reads these outputs.
    pub const fn outputs(outputs: &'static [usize]) -> Keeps {
        Keeps { inputs: &[], outputs }
    }
}

/// A function of tensors: what it means, on each device, forward and backward, and how it is tested.
///
/// There are no default methods, so that none is forgotten. A kernel that only a backward uses is an op too.
pub trait Op: fmt::Debug + Send + Sync + 'static {
    /// The name in errors, profiles and tests: `softmax`.
    fn name(&self) -> &'static str;

    /// The outputs' shapes and dtypes, and the only place that rejects inputs.
    fn infer(&self, inputs: &[Meta]) -> Result<Metas>;

    /// Computes the outputs on the CPU. Floating-point tensors are `f32` or `f64` here: halves are converted at the edge.
    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()>;

    /// Launches what computes the outputs on a CUDA card.
    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()>;

    /// What the backward reads, or `None` where no gradient flows through the op.
    fn keeps(&self) -> Option<Keeps>;

    /// The gradients of the inputs from those of the outputs; only those that [`Backward::wants`] are used.
    fn backward(&self, node: &Backward) -> Result<Gradients>;

    /// What it is tested on.
    fn cases() -> Vec<Case>
    where
        Self: Sized;
}

/// A shared op is an op too, so that a list of different ones can be run.
impl Op for Arc<dyn Op> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        (**self).infer(inputs)
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        (**self).cpu(inputs, outputs)
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        (**self).cuda(device, inputs, outputs)
    }

    fn keeps(&self) -> Option<Keeps> {
        (**self).keeps()
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        (**self).backward(node)
    }

    fn cases() -> Vec<Case> {
        Vec::new()
    }
}

/// What an op's backward works from.
pub struct Backward<'a> {
    pub(crate) name: &'static str,
    pub(crate) inputs: &'a [Slot],
    pub(crate) outputs: &'a [Slot],
    pub(crate) grads: &'a [Option<Tensor>],
}

impl Backward<'_> {
    /// An input that [`Op::keeps`] named.
    pub fn input(&self, i: usize) -> Result<&Tensor> {
        self.inputs.get(i).and_then(Slot::kept).ok_or_else(|| self.not_kept("input", i))
    }

    /// An output that [`Op::keeps`] named.
    pub fn output(&self, i: usize) -> Result<&Tensor> {
        self.outputs.get(i).and_then(Slot::kept).ok_or_else(|| self.not_kept("output", i))
    }

    /// Shape and dtype of an input.
    pub fn input_meta(&self, i: usize) -> Meta {
        self.inputs[i].meta()
    }

    /// How many inputs there were.
    pub fn input_count(&self) -> usize {
        self.inputs.len()
    }

    /// The gradient of the first output.
    pub fn grad(&self) -> Result<&Tensor> {
        self.grad_of(0).ok_or_else(|| Error::Internal(format!("{}: the first output has no gradient", self.name)))
    }

    /// The gradient of an output, if one flowed into it.
    pub fn grad_of(&self, i: usize) -> Option<&Tensor> {
        self.grads.get(i).and_then(Option::as_ref)
    }

    /// Whether anything upstream needs the gradient of an input.
    pub fn wants(&self, i: usize) -> bool {
        self.inputs.get(i).is_some_and(|slot| slot.origin.is_some())
    }

    fn not_kept(&self, what: &str, i: usize) -> Error {
        Error::Internal(format!("the backward of {} reads {what} {i}, which its `keeps` does not name", self.name))
    }
}
