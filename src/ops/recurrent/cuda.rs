//! The passes of all cells on a CUDA card.
//!
//! One launch goes through all steps where the recurrent kernel fits a warp's registers or a block's shared memory; a larger
//! one is multiplied by cuBLAS, a product and a launch a step. `kernels/include/recurrent.cuh` says how.

use super::{Cell, Extents, Grad, GradInputs, Inputs, Kind, ON_CARD, Recurrence};
use crate::device::Device;
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel, Product};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::ops::activation::Activation;
use crate::ops::unary::SlopeOf;
use crate::shape::Shape;
use crate::tensor::{FLOATS, Tensor};
use smallvec::SmallVec;

/// The kernels of a cell.
#[derive(Clone, Copy, Debug)]
pub struct Kernels {
    warp: Kernel,
    warp_back: Kernel,
    block: Kernel,
    block_back: Kernel,
    step: Kernel,
    step_back: Kernel,
}

impl Kernels {
    /// Of these names, without the dtype's suffix.
    pub(super) const fn new(module: &'static str, names: [&'static str; 6]) -> Kernels {
        let [warp, warp_back, block, block_back, step, step_back] = names;
        Kernels {
            warp: Kernel::new(module, warp, IN_REGISTERS),
            warp_back: Kernel::new(module, warp_back, IN_REGISTERS),
            block: Kernel::new(module, block, FLOATS),
            block_back: Kernel::new(module, block_back, FLOATS),
            step: Kernel::new(module, step, FLOATS),
            step_back: Kernel::new(module, step_back, FLOATS),
        }
    }
}

/// The kernels of a module by the cell's name.
macro_rules! kernels {
    ($module:literal, $name:literal) => {
        $crate::ops::recurrent::cuda::Kernels::new(
            $module,
            [
                concat!($name, "_warp"),
                concat!($name, "_warp_back"),
                concat!($name, "_block"),
                concat!($name, "_block_back"),
                concat!($name, "_step"),
                concat!($name, "_step_back"),
            ],
        )
    };
}
pub(super) use kernels;

/// What a warp's registers hold a kernel of.
const IN_REGISTERS: &[DType] = &[DType::F32, DType::F16, DType::BF16];
/// Units of a kernel in registers.
const WARP: usize = 32;
/// Samples of a block that has the kernel in shared memory: `BLOCK_SAMPLES`.
const SAMPLES: usize = 4;

/// The number that the kernels have for an activation.
fn code(activation: Activation) -> Option<i32> {
    ON_CARD.iter().position(|&a| a == activation).map(|i| i as i32)
}

/// How a pass is computed.
enum Way {
    /// By one launch, on this grid.
    Warp(Grid),
    Block(Grid),
    /// By a product and a launch a step.
    Steps,
}

fn way(device: &CudaDevice, cell: &Cell, at: Extents, dtype: DType) -> Way {
    let Extents { batch, units, .. } = at;
    let blocks = |samples: usize| [batch.div_ceil(samples) as u32, 1, 1];
    if units <= WARP && IN_REGISTERS.contains(&dtype) {
        return Way::Warp(Grid { blocks: blocks(1), threads: WARP as u32, shared: 0 });
    }
    let threads = units.next_multiple_of(WARP);
    let wide = if dtype == DType::F64 { 8 } else { 4 };
    // Two buffers of exchange for each gate, and one for the reset state.
    let exchange = (2 * cell.gates + 1) * threads * SAMPLES * wide;
    let shared = (cell.gates * units * units * dtype.size()).next_multiple_of(16) + exchange;
    if shared <= device.shared() && threads <= 1024 {
        return Way::Block(Grid { blocks: blocks(SAMPLES), threads: threads as u32, shared: shared as u32 });
    }
    Way::Steps
}

/// The arguments that all kernels end with, the stepwise ones before two of their own.
fn last_args(
    op: &Recurrence,
    at: Extents,
    mask: Option<&Tensor>,
    dropout: Option<(&Tensor, f64)>,
) -> Result<SmallVec<[Arg; 9]>> {
    let pass = op.pass;
    let flags = [pass.sequences, pass.backwards, pass.reversed_output, pass.zero_output_for_mask, op.record];
    let flags = flags.into_iter().enumerate().map(|(bit, set)| i32::from(set) << bit).sum();
    let number = |activation: Activation| {
        let unknown = || Error::Internal(format!("there is no kernel of a recurrence with {}", activation.name()));
        code(activation).map(Arg::I32).ok_or_else(unknown)
    };
    Ok(SmallVec::from_iter([
        optional(mask)?,
        optional(dropout.map(|(kept, _)| kept))?,
        Arg::F64(dropout.map_or(1.0, |(_, scale)| scale)),
        Arg::I64(at.steps as i64),
        Arg::I64(at.batch as i64),
        Arg::I32(at.units as i32),
        Arg::I32(flags),
        number(op.activation)?,
        number(op.recurrent_activation)?,
    ]))
}

fn optional(tensor: Option<&Tensor>) -> Result<Arg> {
    tensor.map_or(Ok(Arg::Ptr(0)), |t| Arg::input(t))
}

/// The type that a running state has between launches.
fn running_dtype(dtype: DType) -> DType {
    if dtype == DType::F64 { DType::F64 } else { DType::F32 }
}

/// The op of a cell.
pub(super) fn forward<K: Kind>(
    op: &Recurrence,
    device: &CudaDevice,
    inputs: &Inputs,
    outputs: &mut [Tensor],
) -> Result<()> {
    let (at, dtype, weights) = (inputs.extents(), inputs.x.dtype(), inputs.weights);
    // The products of all steps at once.
    let (x, kernel) = (inputs.x.detach(), weights.kernel.detach());
    // Of a cell whose products have a bias of their own that is the second row.
    let row = |i: usize| -> Result<Option<Tensor>> {
        let Some(bias) = weights.bias else { return Ok(None) };
        let rows = bias.detach().reshape([bias.shape().rows(), bias.shape().last()])?;
        if i < rows.shape()[0] { rows.slice(0, i..i + 1)?.reshape([rows.shape().last()]).map(Some) } else { Ok(None) }
    };
    let (bias, recurrent_bias) = (row(0)?, row(1)?);
    let sums = x.linear(&kernel, bias.as_ref(), Activation::Linear)?;
    let [y, states, kept] = outputs else { return Err(Error::Internal("a pass has three outputs".into())) };
    let kept = if op.record { Arg::output(kept)? } else { Arg::Ptr(0) };
    let written = [Arg::output(y)?, Arg::output(states)?, kept];
    let recurrent = Arg::input(weights.recurrent_kernel)?;
    let read = [Arg::input(&sums)?, recurrent, optional(recurrent_bias.as_ref())?, optional(inputs.initial)?];
    let last = last_args(op, at, inputs.mask, inputs.dropout)?;
    let args: SmallVec<[Arg; 16]> = written.into_iter().chain(read).chain(last).collect();
    match way(device, &K::CELL, at, dtype) {
        Way::Warp(grid) => device.launch(&K::KERNELS.warp, dtype, grid, &args),
        Way::Block(grid) => device.launch(&K::KERNELS.block, dtype, grid, &args),
        Way::Steps => steps::<K>(op, device, inputs, (&sums, recurrent_bias.as_ref()), written),
    }
}

/// The recurrent kernel as one of each gate: (gates, units, units).
fn by_gates(kernel: &Tensor, cell: &Cell, units: usize) -> Result<Tensor> {
    kernel.detach().reshape([units, cell.gates, units])?.transpose(&[1, 0, 2])
}

/// What dropout multiplies by, `(gates, batch, units)`.
fn factors(dropout: (&Tensor, f64), dtype: DType) -> Result<Tensor> {
    dropout.0.cast(dtype)?.mul_scalar(dropout.1)
}

/// `out = a · b`, for each gate: `(batch, units)` times `(units, units)`, which may stand transposed.
fn product(device: &CudaDevice, [a, b, out]: [&Tensor; 3], gates: usize, at: Extents, transpose_b: bool) -> Result<()> {
    let Extents { batch, units, .. } = at;
    device.matmul(&Product {
        a,
        b,
        out,
        bias: None,
        m: batch,
        n: units,
        k: units,
        batch: gates,
        transpose_a: false,
        transpose_b,
        stride_a: batch * units,
        stride_b: units * units,
        stride_out: batch * units,
    })
}

fn steps<K: Kind>(
    op: &Recurrence,
    device: &CudaDevice,
    inputs: &Inputs,
    (sums, bias): (&Tensor, Option<&Tensor>),
    [y, states, kept]: [Arg; 3],
) -> Result<()> {
    let (cell, at, dtype) = (&K::CELL, inputs.extents(), sums.dtype());
    let on = Device::Cuda(device.handle()?);
    let planes = [cell.gates, at.batch, at.units];
    let kernel = by_gates(inputs.weights.recurrent_kernel, cell, at.units)?;
    let products = Tensor::zeros(&on, planes, dtype)?;
    let (running, state) = match inputs.initial.map(Tensor::detach) {
        None => {
            let running = Tensor::zeros(&on, [cell.states, at.batch, at.units], running_dtype(dtype))?;
            (running, Tensor::zeros(&on, planes, dtype)?)
        }
        Some(initial) => {
            let h = initial.slice(0, 0..1)?.broadcast_to(planes)?;
            let h = match inputs.dropout {
                Some(dropout) => h.mul(&factors(dropout, dtype)?)?,
                None => h,
            };
            // The kernel writes over both.
            (initial.cast(running_dtype(dtype))?.add_scalar(0.0)?, h.add_scalar(0.0)?)
        }
    };
    let first = [Arg::input(sums)?, optional(bias)?, Arg::input(&products)?];
    let own = [Arg::output(&running)?, Arg::output(&state)?];
    let last = last_args(op, at, inputs.mask, inputs.dropout)?;
    let launch = |place: usize, stage: i32| {
        let args: SmallVec<[Arg; 24]> = [y, states, kept]
            .into_iter()
            .chain(first)
            .chain(own)
            .chain(last.iter().copied())
            .chain([Arg::I64(place as i64), Arg::I32(stage)])
            .collect();
        device.launch(&K::KERNELS.step, dtype, Grid::elements(at.batch * at.units), &args)
    };
    for place in 0..at.steps {
        product(device, [&state, &kernel, &products], cell.recurrent, at, false)?;
        if cell.recurrent < cell.gates {
            launch(place, 0)?;
            product(device, [&state, &kernel, &products], cell.gates, at, false)?;
        }
        launch(place, 1)?;
    }
    Ok(())
}

/// The backward of a cell's op.
pub(super) fn backward<K: Kind>(
    grad: &Grad,
    device: &CudaDevice,
    inputs: &GradInputs,
    outputs: &mut [Tensor],
) -> Result<()> {
    let (op, cell, at) = (&grad.recurrence, &K::CELL, inputs.extents());
    let dtype = inputs.x.dtype();
    let on = Device::Cuda(device.handle()?);
    let Extents { steps, batch, features, units } = at;
    let width = cell.gates * units;
    let [dx, d_weights, d_initial] = outputs else {
        return Err(Error::Internal(format!("{} has three outputs", cell.grad)));
    };
    let rows = |columns: usize| Tensor::empty(&on, Shape::new(&[batch * steps, columns])?, dtype);
    let (d_sums, d_products) = (rows(width)?, cell.apart.then(|| rows(width)).transpose()?);
    // The states before the steps, in the order of the sums.
    let before = rows(units)?;
    let d_products_at = optional(d_products.as_ref())?;
    let written = [Arg::output(&d_sums)?, d_products_at, Arg::output(&before)?, Arg::output(d_initial)?];
    let kernel = Arg::input(inputs.recurrent_kernel)?;
    let read = [kernel, Arg::input(inputs.kept)?, optional(inputs.dy)?, optional(inputs.d_states)?];
    let last = last_args(op, at, inputs.mask, inputs.dropout)?;
    let args: SmallVec<[Arg; 16]> = written.into_iter().chain(read).chain(last).collect();
    match way(device, cell, at, dtype) {
        Way::Warp(grid) => device.launch(&K::KERNELS.warp_back, dtype, grid, &args)?,
        Way::Block(grid) => device.launch(&K::KERNELS.block_back, dtype, grid, &args)?,
        Way::Steps => steps_back::<K>(op, device, inputs, written)?,
    }
    let through = d_products.as_ref().unwrap_or(&d_sums);
    let x = inputs.x.reshape([batch * steps, features])?;
    let d_kernel = x.matmul_with(&d_sums, true, false)?;
    let d_recurrent = kernel_grad(op, cell, inputs, &before, through)?;
    let sum = |t: &Tensor| t.sum(&[0], true);
    let d_recurrent_bias = if op.bias && cell.apart { sum(through)? } else { Tensor::zeros(&on, [1, width], dtype)? };
    *d_weights = Tensor::concatenate(&[&d_kernel, &sum(&d_sums)?, &d_recurrent_bias, &d_recurrent], 0)?;
    if grad.dx {
        *dx = d_sums.matmul_with(inputs.kernel, false, true)?.reshape(inputs.x.shape())?;
    }
    Ok(())
}

fn steps_back<K: Kind>(op: &Recurrence, device: &CudaDevice, inputs: &GradInputs, written: [Arg; 4]) -> Result<()> {
    let (cell, at, dtype) = (&K::CELL, inputs.extents(), inputs.x.dtype());
    let on = Device::Cuda(device.handle()?);
    let planes = [cell.gates, at.batch, at.units];
    let kernel = by_gates(inputs.recurrent_kernel, cell, at.units)?;
    let (products, through) = (Tensor::zeros(&on, planes, dtype)?, Tensor::zeros(&on, planes, dtype)?);
    let running = match inputs.d_states {
        None => Tensor::zeros(&on, [cell.states, at.batch, at.units], running_dtype(dtype))?,
        Some(d_states) => d_states.cast(running_dtype(dtype))?.add_scalar(0.0)?,
    };
    let first = [Arg::input(inputs.kept)?, optional(inputs.dy)?, Arg::input(&products)?];
    let own = [Arg::output(&through)?, Arg::output(&running)?];
    let last = last_args(op, at, inputs.mask, inputs.dropout)?;
    let launch = |place: i64, stage: i32| {
        let args: SmallVec<[Arg; 24]> = written
            .into_iter()
            .chain(first)
            .chain(own)
            .chain(last.iter().copied())
            .chain([Arg::I64(place), Arg::I32(stage)])
            .collect();
        device.launch(&K::KERNELS.step_back, dtype, Grid::elements(at.batch * at.units), &args)
    };
    for place in (0..at.steps as i64).rev() {
        launch(place, 0)?;
        if cell.recurrent < cell.gates {
            product(device, [&through, &kernel, &products], cell.gates, at, true)?;
            launch(place, 1)?;
        }
        product(device, [&through, &kernel, &products], cell.recurrent, at, true)?;
    }
    launch(-1, 0)
}

/// The gradient of the recurrent kernel: the states before all steps, transposed, times the gradients of their products.
fn kernel_grad(op: &Recurrence, cell: &Cell, inputs: &GradInputs, before: &Tensor, through: &Tensor) -> Result<Tensor> {
    if inputs.dropout.is_none() && cell.recurrent == cell.gates {
        return before.matmul_with(through, true, false);
    }
    // Gate by gate: each has a state of its own.
    let Extents { steps, batch, units, .. } = inputs.extents();
    let rows = Shape::new(&[batch * steps, units])?;
    let mut gates = SmallVec::<[Tensor; 4]>::new();
    for gate in 0..cell.gates {
        let mut state = before.reshape([batch, steps, units])?;
        if let Some(dropout) = inputs.dropout {
            let factors = factors(dropout, through.dtype())?.slice(0, gate..gate + 1)?;
            state = state.mul(&factors.reshape([batch, 1, units])?)?;
        }
        if gate >= cell.recurrent {
            // It went through the reset gate, the second plane of each step.
            let planes = inputs.kept.slice(0, 0..steps * cell.planes)?;
            let reset = planes.reshape([steps, cell.planes, batch, units])?.slice(1, 1..2)?;
            let reset = reset.reshape([steps, batch, units])?.transpose(&[1, 0, 2])?;
            let reset = match op.recurrent_activation.slope_of() {
                Some(SlopeOf::Input) => op.recurrent_activation.call(&reset)?,
                _ => reset,
            };
            state = state.mul(&reset)?;
        }
        let gradient = through.slice(1, gate * units..(gate + 1) * units)?;
        gates.push(state.reshape(rows)?.matmul_with(&gradient, true, false)?);
    }
    Tensor::concatenate(&gates.iter().collect::<SmallVec<[&Tensor; 4]>>(), 1)
}
