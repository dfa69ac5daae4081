//! Recurrences over whole sequences: what the ops of the cells share.
//!
//! One op goes through all steps. The product of the input with its kernel needs no state, so it is made for many steps at once;
//! then step by step comes the product of the state with the recurrent kernel, the gates, the next state.

mod cases;
mod cpu;
mod cuda;
mod gru;
mod lstm;
mod simple_rnn;

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
use cpu::{Step, StepBack};
use cuda::Kernels;
use smallvec::SmallVec;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::ops::Range;

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

/// The op of the backward of a cell's pass: the gradients of the sums, of the recurrent kernel, of the first states, and of
/// the bias where there is one.
#[derive(Clone, Copy, Debug)]
pub struct Back<K>(Grad, PhantomData<K>);

/// The extents of a sequence.
#[derive(Clone, Copy, Debug)]
struct Extents {
    steps: usize,
    batch: usize,
    features: usize,
    units: usize,
}

impl Extents {
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
        let shape = self.x.shape();
        let (batch, steps, features) = (shape[0], shape[1], shape[2]);
        Extents { steps, batch, features, units: self.weights.recurrent_kernel.shape()[0] }
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
        Layout { at, planes: cell.planes, states: cell.states, record: self.record, backwards: self.pass.backwards }
    }

    /// Whether the activations are those that nearly every cell has, which are computed in one pass.
    fn usual(&self) -> bool {
        (self.activation, self.recurrent_activation) == (Activation::Tanh, Activation::Sigmoid)
    }

    /// Whether a sample's output of a step is 0.
    fn zeroed(&self, mask: Option<&[bool]>, at: Extents, time: usize, sample: usize) -> bool {
        self.pass.zero_output_for_mask && mask.is_some_and(|mask| !mask[sample * at.steps + time])
    }

    /// The gradients of the inputs.
    fn backward<K: Kind>(&self, node: &Backward) -> Result<Gradients> {
        let mut place = 3 + [self.bias, self.initial].into_iter().filter(|&given| given).count();
        let mut next = |given: bool| -> Result<Option<&Tensor>> {
            let tensor = if given { Some(node.input(place)?) } else { None };
            place += usize::from(given);
            Ok(tensor)
        };
        let (mask, dropout) = (next(self.mask)?, next(self.dropout.is_some())?);
        let (dy, d_states) = (node.grad_of(0), node.grad_of(1));
        let grad = Grad { recurrence: *self, dx: node.wants(0), dy: dy.is_some(), d_states: d_states.is_some() };
        let given = [dy, d_states, mask, dropout];
        let read = [node.input(0)?, node.input(1)?, node.input(2)?, node.output(2)?];
        let inputs: SmallVec<[&Tensor; 8]> = read.into_iter().chain(given.into_iter().flatten()).collect();
        let outputs = apply(Back::<K>(grad, PhantomData), &inputs)?;
        let [dx, d_weights, d_initial] = &outputs[..] else {
            return Err(Error::Internal(format!("{} has three outputs", K::CELL.grad)));
        };
        let (features, units) = (node.input_meta(1).shape[0], node.input_meta(2).shape[0]);
        let mut first = 0;
        let mut rows = |count: usize| {
            first += count;
            d_weights.slice(0, first - count..first)
        };
        let mut gradients = Gradients::new();
        let (d_kernel, mut d_bias, d_recurrent) = (rows(features)?, rows(2)?, rows(units)?);
        if !K::CELL.apart {
            d_bias = d_bias.slice(0, 0..1)?.reshape([d_bias.shape().last()])?;
        }
        gradients.push(grad.dx.then(|| dx.clone()));
        gradients.extend([Some(d_kernel), Some(d_recurrent)]);
        gradients.extend(self.bias.then_some(Some(d_bias)));
        gradients.extend(self.initial.then(|| Some(d_initial.clone())));
        gradients.extend(std::iter::repeat_n(None, usize::from(self.mask) + usize::from(self.dropout.is_some())));
        Ok(gradients)
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

/// Where a pass keeps what its backward reads, in rows of `(batch, units)`: for each step its planes, then for each state
/// its values before, between and after the steps, in the order of time. Not recorded, one step's planes and two values of
/// each state take turns.
#[derive(Clone, Copy)]
struct Layout {
    at: Extents,
    planes: usize,
    states: usize,
    record: bool,
    backwards: bool,
}

impl Layout {
    fn size(&self) -> usize {
        self.rows() * self.at.batch * self.at.units
    }

    fn rows(&self) -> usize {
        let (steps, values) = if self.record { (self.at.steps, self.at.steps + 1) } else { (1, 2) };
        steps * self.planes + values * self.states
    }

    fn elements(&self, row: usize, samples: &Range<usize>) -> Range<usize> {
        let Extents { batch, units, .. } = self.at;
        (row * batch + samples.start) * units..(row * batch + samples.end) * units
    }

    /// A plane of the step at a time.
    fn plane(&self, time: usize, plane: usize, samples: &Range<usize>) -> Range<usize> {
        let step = if self.record { time } else { 0 };
        self.elements(step * self.planes + plane, samples)
    }

    fn value(&self, state: usize, value: usize, samples: &Range<usize>) -> Range<usize> {
        let (first, value, values) = match self.record {
            true => (self.at.steps * self.planes, value, self.at.steps + 1),
            false => (self.planes, value % 2, 2),
        };
        self.elements(first + state * values + value, samples)
    }

    /// A state before the step at a time.
    fn before(&self, state: usize, time: usize, samples: &Range<usize>) -> Range<usize> {
        self.value(state, time + usize::from(self.backwards), samples)
    }

    /// A state after it.
    fn after(&self, state: usize, time: usize, samples: &Range<usize>) -> Range<usize> {
        self.value(state, time + usize::from(!self.backwards), samples)
    }
}

/// What the ops of the backward of all cells are: what the forward was, and which gradients there are and are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Grad {
    recurrence: Recurrence,
    dx: bool,
    dy: bool,
    d_states: bool,
}

/// The inputs of such an op by what they are.
struct GradInputs<'a> {
    x: &'a Tensor,
    kernel: &'a Tensor,
    recurrent_kernel: &'a Tensor,
    kept: &'a Tensor,
    dy: Option<&'a Tensor>,
    d_states: Option<&'a Tensor>,
    mask: Option<&'a Tensor>,
    dropout: Option<(&'a Tensor, f64)>,
}

impl GradInputs<'_> {
    fn extents(&self) -> Extents {
        let shape = self.x.shape();
        let (batch, steps, features) = (shape[0], shape[1], shape[2]);
        Extents { steps, batch, features, units: self.recurrent_kernel.shape()[0] }
    }
}

impl Grad {
    fn split<'a>(&self, inputs: &[&'a Tensor]) -> GradInputs<'a> {
        let mut rest = inputs[4..].iter().copied();
        let mut next = |given: bool| if given { rest.next() } else { None };
        GradInputs {
            x: inputs[0],
            kernel: inputs[1],
            recurrent_kernel: inputs[2],
            kept: inputs[3],
            dy: next(self.dy),
            d_states: next(self.d_states),
            mask: next(self.recurrence.mask),
            dropout: next(self.recurrence.dropout.is_some()).zip(self.recurrence.dropout),
        }
    }

    /// The gradients of the input, of the weights, and of the first states. Those of the weights are rows of one tensor: the
    /// kernel's, the bias's two, the recurrent kernel's.
    fn infer(&self, cell: &Cell, inputs: &[Meta]) -> Result<Metas> {
        let op = &self.recurrence;
        let flags = [self.dy, self.d_states, op.mask, op.dropout.is_some()];
        let wrong = || Error::shape(cell.grad, format!("the shapes do not fit: {}", given(inputs)));
        let [x, kernel, recurrent, kept, rest @ ..] = inputs else { return Err(wrong()) };
        let ([batch, steps, features], [units, width]) = (x.shape.dims(), recurrent.shape.dims()) else {
            return Err(wrong());
        };
        let at = Extents { steps: *steps, batch: *batch, features: *features, units: *units };
        let state = Shape::new(&[cell.states, at.batch, at.units])?;
        let y = match op.pass.sequences {
            true => Shape::new(&[at.batch, at.steps, at.units])?,
            false => Shape::new(&[at.batch, at.units])?,
        };
        let shapes = [y, state, Shape::new(&[*batch, *steps])?, Shape::new(&[cell.gates, *batch, *units])?];
        let wanted = shapes.into_iter().zip(flags).filter(|(_, given)| *given).map(|(shape, _)| shape);
        let fits = *width == cell.gates * units
            && kernel.shape.dims() == [*features, *width]
            && kept.shape.dims() == [op.layout(cell, at).rows(), *batch, *units]
            && rest.iter().map(|m| m.shape).eq(wanted);
        if !fits {
            return Err(wrong());
        }
        let dx = if self.dx { x.shape } else { Shape::new(&[0])? };
        let shapes = [dx, Shape::new(&[features + units + 2, *width])?, state];
        Ok(shapes.into_iter().map(|shape| Meta::new(shape, x.dtype)).collect())
    }
}

impl<K: Kind> Forward<K> {
    /// Rows of `(batch, units)` that a pass over so many steps keeps for its backward.
    pub fn kept(steps: usize) -> usize {
        steps * K::CELL.planes + (steps + 1) * K::CELL.states
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
        Some(Keeps { inputs: &[0, 1, 2, 3, 4, 5, 6, 7], outputs: &[2] })
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        self.0.backward::<K>(node)
    }

    fn cases() -> Vec<Case> {
        cases::forward::<K>()
    }
}

impl<K: Kind> Op for Back<K> {
    fn name(&self) -> &'static str {
        K::CELL.grad
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        self.0.infer(&K::CELL, inputs)
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let inputs = self.0.split(inputs);
        inputs.extents().count(&K::CELL, 2);
        cpu::backward::<K>(&self.0, &inputs, outputs)
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let inputs = self.0.split(inputs);
        inputs.extents().count(&K::CELL, 2);
        cuda::backward::<K>(&self.0, device, &inputs, outputs)
    }

    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Ok(Gradients::new())
    }

    fn cases() -> Vec<Case> {
        cases::backward::<K>()
    }
}
