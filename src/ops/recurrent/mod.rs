//! Recurrences over whole sequences: what the ops of the cells share.
//!
//! One op goes through all steps: the product of the input with its kernel, which needs no state (a card makes it for all steps
//! at once, the CPU where a step's numbers are in its cache), that of the state with the recurrent kernel, the gates, the next
//! state.

mod cases;
mod cpu;
mod cpu_back;
mod cpu_weights;
mod cuda;
mod grad;
mod gru;
mod layout;
mod lstm;
mod simple_rnn;
mod step;
#[cfg(test)]
mod tests;

pub use grad::Back;
pub use gru::{Gru, GruGrad, ResetFirst, ResetFirstGrad};
pub use lstm::{Lstm, LstmGrad};
pub use simple_rnn::{SimpleRnn, SimpleRnnGrad};

use super::activation::Activation;
use crate::device::cpu::Float;
use crate::device::cpu::convert::require_float;
use crate::device::cuda::CudaDevice;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::profile;
use crate::shape::Shape;
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Tensor, apply, given, require_one_dtype};
use cuda::Kernels;
use grad::{Grad, GradInputs};
use layout::Layout;
use smallvec::SmallVec;
use std::fmt::Debug;
use std::marker::PhantomData;
use step::{Step, StepBack};

/// How a sequence is gone through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// Whether the output is that of every step, `(batch, time, units)`, rather than of the last, `(batch, units)`.
    pub sequences: bool,
    /// Whether it begins at the last step.
    pub backwards: bool,
    /// Whether a backward pass puts its outputs in the order in which it makes them, as Keras's `go_backwards` does; else each
    /// stands at its own time.
    pub reversed_output: bool,
    /// Whether the outputs of masked steps are 0 rather than those of the step before.
    pub zero_output_for_mask: bool,
}

/// The weights of a cell.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    /// What the input is multiplied by, `(features, gates · units)`.
    pub kernel: &'a Tensor,
    /// What the state is multiplied by, `(units, gates · units)`.
    pub recurrent_kernel: &'a Tensor,
    /// What is added to the input's products, `(gates · units,)`; of a GRU that resets after the state's products `(2, gates ·
    /// units)`, the second row for those.
    pub bias: Option<&'a Tensor>,
}

/// What a pass may be given beside the input and the weights.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given<'a> {
    /// The states before the first step, `(states, batch, units)`; zeros where they are not given.
    pub initial: Option<&'a Tensor>,
    /// Which steps count, bool `(batch, time)`: at the others the state stays as it is.
    pub mask: Option<&'a Tensor>,
    /// Which units of the state are kept for the product of each gate, the same at all steps, bool `(gates, batch, units)`,
    /// and what the kept ones are multiplied by.
    pub dropout: Option<(&'a Tensor, f64)>,
}

/// The activations that recurrences have kernels for on a CUDA card, in the kernels' order. The CPU has all.
const ON_CARD: [Activation; 6] = [
    Activation::Linear,
    Activation::Relu,
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::HardSigmoid,
    Activation::Softsign,
];

/// Whether recurrences have kernels for an activation on a CUDA card.
pub fn on_card(activation: Activation) -> bool {
    ON_CARD.contains(&activation)
}

/// What the ops of all cells are: a pass, its activations, and which inputs there are.
#[derive(Clone, Copy, Debug)]
pub struct Recurrence {
    pass: Pass,
    activation: Activation,
    recurrent_activation: Activation,
    /// Whether what the backward reads is kept.
    record: bool,
    bias: bool,
    initial: bool,
    mask: bool,
    /// What the units that dropout keeps are multiplied by.
    dropout: Option<f64>,
}

/// What a cell is to its passes.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// The names of its ops.
    op: &'static str,
    grad: &'static str,
    /// Parts of the sums.
    gates: usize,
    /// Of these the first so many are products of the state as it stands.
    recurrent: usize,
    /// Whether the last gate's product has a gradient apart from that of its sum.
    apart: bool,
    states: usize,
    /// What its backward reads of a step, in planes of `(batch, units)`.
    planes: usize,
}

impl Cell {
    /// Rows of `(batch, units)` that a pass over so many steps keeps for its backward.
    fn kept(&self, steps: usize) -> usize {
        steps * self.planes + (steps + 1) * self.states
    }
}

/// A kind of cell: its arithmetic on the CPU, a step of a group of samples at a time, and its kernels.
pub trait Kind: Clone + Copy + Debug + Send + Sync + 'static {
    /// What it is to its passes.
    const CELL: Cell;
    /// Its kernels.
    const KERNELS: Kernels;
    /// The next states, and in the step's planes what the backward reads.
    fn step<T: Float>(op: &Recurrence, step: &mut Step<T>);
    /// The gradients of the sums and of the states before the step, but for what comes through the products of the gates
    /// that are [`Cell::recurrent`], which the pass adds.
    fn step_back<T: Float>(op: &Recurrence, step: &mut StepBack<T>);
}

/// The op of a cell's pass: y, the last states, and what its backward reads.
#[derive(Clone, Copy, Debug)]
pub struct Forward<K>(Recurrence, PhantomData<K>);

/// The extents of a sequence.
#[derive(Clone, Copy, Debug)]
struct Extents {
    steps: usize,
    batch: usize,
    features: usize,
    units: usize,
}

impl Extents {
    /// Those of an input `(batch, time, features)` for a recurrent kernel.
    fn of(x: &Tensor, recurrent_kernel: &Tensor) -> Extents {
        let (shape, units) = (x.shape(), recurrent_kernel.shape()[0]);
        Extents { steps: shape[1], batch: shape[0], features: shape[2], units }
    }

    /// Tells the profile what so many products of the inputs and states with the kernels take.
    fn count(&self, cell: &Cell, products: usize) {
        profile::operations(
            2 * products * self.steps * self.batch * (self.features + self.units) * cell.gates * self.units,
        );
    }
}

/// An op's inputs by what they are.
struct Inputs<'a> {
    x: &'a Tensor,
    weights: Weights<'a>,
    initial: Option<&'a Tensor>,
    mask: Option<&'a Tensor>,
    dropout: Option<(&'a Tensor, f64)>,
}

impl<'a> Inputs<'a> {
    fn extents(&self) -> Extents {
        Extents::of(self.x, self.weights.recurrent_kernel)
    }

    fn list(&self) -> SmallVec<[&'a Tensor; 8]> {
        let Weights { kernel, recurrent_kernel, bias } = self.weights;
        let given = [bias, self.initial, self.mask, self.dropout.map(|(kept, _)| kept)];
        [self.x, kernel, recurrent_kernel].into_iter().chain(given.into_iter().flatten()).collect()
    }
}

impl Recurrence {
    fn new(pass: Pass, [activation, recurrent_activation]: [Activation; 2], inputs: &Inputs) -> Recurrence {
        Recurrence {
            pass,
            activation,
            recurrent_activation,
            record: inputs.list().iter().any(|t| t.origin().is_some()),
            bias: inputs.weights.bias.is_some(),
            initial: inputs.initial.is_some(),
            mask: inputs.mask.is_some(),
            dropout: inputs.dropout.map(|(_, scale)| scale),
        }
    }

    /// How many inputs there are.
    fn inputs(&self) -> usize {
        let given = [self.bias, self.initial, self.mask, self.dropout.is_some()];
        3 + given.into_iter().filter(|&given| given).count()
    }

    /// The inputs by what they are; `infer` saw that they are all there.
    fn split<'a>(&self, inputs: &[&'a Tensor]) -> Inputs<'a> {
        let mut rest = inputs[3..].iter().copied();
        let mut next = |given: bool| if given { rest.next() } else { None };
        Inputs {
            x: inputs[0],
            weights: Weights { kernel: inputs[1], recurrent_kernel: inputs[2], bias: next(self.bias) },
            initial: next(self.initial),
            mask: next(self.mask),
            dropout: next(self.dropout.is_some()).zip(self.dropout),
        }
    }

    /// Checks the inputs of the cell's forward.
    fn check(&self, cell: &Cell, inputs: &[Meta]) -> Result<Extents> {
        let op = cell.op;
        if inputs.len() != self.inputs() {
            let message = format!("expected {} inputs, got {}", self.inputs(), given(inputs));
            return Err(Error::shape(op, message));
        }
        let (x, kernel, recurrent) = (inputs[0], inputs[1], inputs[2]);
        require_float(op, x.dtype)?;
        let floats: SmallVec<[Meta; 8]> = inputs.iter().filter(|m| m.dtype != DType::Bool).copied().collect();
        require_one_dtype(op, &floats)?;
        let [units, columns] = *recurrent.shape.dims() else {
            return Err(Error::shape(op, format!("expected a 2-D recurrent kernel, got {}", recurrent.shape)));
        };
        if columns != cell.gates * units || units == 0 {
            let wanted = format!("({units}, {})", cell.gates * units);
            let message = format!("expected a recurrent kernel of shape {wanted} and a unit, got {}", recurrent.shape);
            return Err(Error::shape(op, message));
        }
        let [batch, steps, features] = *x.shape.dims() else {
            return Err(Error::shape(op, format!("expected an input (batch, time, features), got {}", x.shape)));
        };
        if steps == 0 {
            return Err(Error::shape(op, format!("expected an input of at least one step, got {}", x.shape)));
        }
        if kernel.shape.dims() != [features, columns] {
            let message = format!("expected a kernel of shape ({features}, {columns}), got {}", kernel.shape);
            return Err(Error::shape(op, message));
        }
        let mut rest = inputs[3..].iter();
        let mut expect = |what: &str, extents: &[usize], bool: bool| match rest.next() {
            Some(m) if m.shape.dims() == extents && (m.dtype == DType::Bool) == bool => Ok(()),
            Some(m) => Err(Error::shape(op, format!("expected {what} of shape {}, got {m}", Shape::new(extents)?))),
            None => Err(Error::Internal(format!("{op}: inputs are missing"))),
        };
        if self.bias {
            let extents = [2, columns];
            expect("a bias", if cell.apart { &extents } else { &extents[1..] }, false)?;
        }
        if self.initial {
            expect("initial states", &[cell.states, batch, units], false)?;
        }
        if self.mask {
            expect("a mask of bools", &[batch, steps], true)?;
        }
        if self.dropout.is_some() {
            expect("a dropout mask of bools", &[cell.gates, batch, units], true)?;
        }
        Ok(Extents { steps, batch, features, units })
    }

    /// The outputs: y, the last states, and what the backward reads.
    fn outputs(&self, cell: &Cell, at: Extents, dtype: DType) -> Result<Metas> {
        let Extents { steps, batch, units, .. } = at;
        let y = if self.pass.sequences { Shape::new(&[batch, steps, units])? } else { Shape::new(&[batch, units])? };
        let kept = if self.record { self.layout(cell, at).rows() } else { 0 };
        let shapes = [y, Shape::new(&[cell.states, batch, units])?, Shape::new(&[kept, batch, units])?];
        Ok(shapes.into_iter().map(|shape| Meta::new(shape, dtype)).collect())
    }

    fn layout(&self, cell: &Cell, at: Extents) -> Layout {
        Layout { at, cell: *cell, record: self.record, backwards: self.pass.backwards }
    }

    /// Whether the activations are those that nearly every cell has, which are computed in one pass.
    fn usual(&self) -> bool {
        (self.activation, self.recurrent_activation) == (Activation::Tanh, Activation::Sigmoid)
    }

    /// Whether a sample's output of a step is 0.
    fn zeroed(&self, mask: Option<&[bool]>, at: Extents, time: usize, sample: usize) -> bool {
        self.pass.zero_output_for_mask && mask.is_some_and(|mask| !mask[sample * at.steps + time])
    }

    /// The step that is gone through at this place.
    fn time(&self, place: usize, steps: usize) -> usize {
        if self.pass.backwards { steps - 1 - place } else { place }
    }

    /// Where the output of a place stands in time.
    fn output_time(&self, place: usize, steps: usize) -> usize {
        if self.pass.reversed_output { place } else { self.time(place, steps) }
    }
}

impl<K: Kind> Forward<K> {
    /// Rows of `(batch, units)` that a pass over so many steps keeps for its backward.
    pub fn kept(steps: usize) -> usize {
        K::CELL.kept(steps)
    }

    /// The outputs, and the last states.
    fn of(
        x: &Tensor,
        weights: Weights,
        activations: [Activation; 2],
        pass: Pass,
        given: Given,
    ) -> Result<(Tensor, Tensor)> {
        let Given { initial, mask, dropout } = given;
        let inputs = &Inputs { x, weights, initial, mask, dropout };
        if let Some(other) = activations.into_iter().find(|&a| !inputs.x.device().is_cpu() && !on_card(a)) {
            return Err(Error::Config(format!(
                "{}: a CUDA card has this recurrence with the activations {}, not with {}; a cell goes step by step with any",
                K::CELL.op,
                ON_CARD.map(Activation::name).join(", "),
                other.name()
            )));
        }
        let outputs = apply(Forward::<K>(Recurrence::new(pass, activations, inputs), PhantomData), &inputs.list())?;
        match &outputs[..] {
            [y, states, _] => Ok((y.clone(), states.clone())),
            _ => Err(Error::Internal(format!("{} has three outputs", K::CELL.op))),
        }
    }
}

impl<K: Kind> Op for Forward<K> {
    fn name(&self) -> &'static str {
        K::CELL.op
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let at = self.0.check(&K::CELL, inputs)?;
        self.0.outputs(&K::CELL, at, inputs[0].dtype)
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let inputs = self.0.split(inputs);
        inputs.extents().count(&K::CELL, 1);
        cpu::forward::<K>(&self.0, &inputs, outputs)
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let inputs = self.0.split(inputs);
        inputs.extents().count(&K::CELL, 1);
        cuda::forward::<K>(&self.0, device, &inputs, outputs)
    }

    fn keeps(&self) -> Option<Keeps> {
        // What is not there is not kept.
        Some(Keeps { inputs: &[0, 1, 2, 3, 4, 5, 6], outputs: &[2] })
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        self.0.backward::<K>(node)
    }

    fn cases() -> Vec<Case> {
        cases::forward::<K>()
    }
}
