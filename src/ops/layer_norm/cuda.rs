//! Layer normalisation on a CUDA card; `kernels/layer_norm.cu` says how.

use super::grad::Inputs;
use super::{LayerNorm, LayerNormGrad};
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::ops::normalize_channels::optional;
use crate::ops::rows;
use crate::shape::Shape;
use crate::tensor::{FLOATS, Tensor};

static FORWARD: Kernel = Kernel::new("layer_norm", "layer_norm_fwd", FLOATS);
static BACKWARD: Kernel = Kernel::new("layer_norm", "layer_norm_bwd", FLOATS);
static BACKWARD_END: Kernel = Kernel::new("layer_norm", "layer_norm_bwd_end", &[DType::F32, DType::F64]);

/// Threads of a block of the backward; the longest row that a warp has alone there, whose sums are in shared memory; the most
/// shared memory of a block, which every card has; about as many blocks as fill a large card; rows of a team, at least.
const THREADS: usize = 256;
const WARP_ROW: usize = 512;
const SHARED: usize = 64 << 10;
const BLOCKS: usize = 528;
const ROWS: usize = 2;

pub fn forward(op: &LayerNorm, device: &CudaDevice, inputs: &[&Tensor], outputs: &[Tensor]) -> Result<()> {
    let x = inputs[0];
    let (rows, count) = (x.shape().rows(), x.shape().last());
    let [y, sum @ .., moments] = outputs else {
        return Err(Error::Internal("a layer normalisation has at least two outputs".into()));
    };
    let (grid, team) = rows::team(rows, count, 1);
    let [gamma, beta] = op.vectors(inputs);
    let args = [
        Arg::output(y)?,
        optional(sum.first().as_ref())?,
        Arg::output(moments)?,
        Arg::input(x)?,
        optional(op.residual.then(|| &inputs[1]))?,
        optional(gamma)?,
        optional(beta)?,
        Arg::I64(rows as i64),
        Arg::I64(count as i64),
        Arg::F64(op.epsilon),
        Arg::I32(i32::from(op.centred)),
        team,
    ];
    device.launch(&FORWARD, x.dtype(), grid, &args)
}

pub fn backward(op: &LayerNormGrad, device: &CudaDevice, inputs: &Inputs, outputs: &mut [Tensor]) -> Result<()> {
    let x = inputs.x;
    let (rows, count, dtype) = (x.shape().rows(), x.shape().last(), x.dtype().arithmetic());
    let (dx, sums) = op.outputs(outputs);
    let (warps, teams) = if count <= WARP_ROW { (true, THREADS / 32) } else { (false, 1) };
    let blocks = rows.div_ceil(teams * ROWS).min(BLOCKS);
    // Of longer rows each block forms its sums where they end.
    let bytes = teams * sums.len() * count * dtype.size();
    let shared = if bytes <= SHARED { bytes } else { 0 };
    let grid = Grid { shared: shared as u32, ..Grid::rows(blocks, THREADS as u32) };
    let parts = Tensor::empty(&x.device(), Shape::new(&[sums.len(), blocks, count])?, dtype)?;
    let parts = if sums.is_empty() { Arg::Ptr(0) } else { Arg::output(&parts)? };
    let [rows, count, blocks] = [rows, count, blocks].map(|n| Arg::I64(n as i64));
    let args = [
        optional(dx.as_deref().as_ref())?,
        parts,
        Arg::input(x)?,
        optional(inputs.gamma.as_ref())?,
        Arg::input(inputs.moments)?,
        Arg::input(inputs.dy)?,
        optional(inputs.ds.as_ref())?,
        rows,
        count,
        Arg::I32(i32::from(op.norm.centred)),
        Arg::I32(i32::from(op.of_gamma)),
        Arg::I32(i32::from(op.of_beta)),
        Arg::I32(i32::from(shared > 0)),
        Arg::I32(i32::from(warps)),
    ];
    device.launch(&BACKWARD, x.dtype(), grid, &args)?;
    if sums.is_empty() {
        return Ok(());
    }
    let columns = x.shape().last().div_ceil(32) as u32;
    let grid = Grid { blocks: [columns, sums.len() as u32, 1], threads: THREADS as u32, shared: 0 };
    let args = [optional(sums.first().as_ref())?, optional(sums.get(1).as_ref())?, parts, blocks, count];
    device.launch(&BACKWARD_END, dtype, grid, &args)
}
