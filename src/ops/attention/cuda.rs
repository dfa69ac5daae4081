//! Attention on a CUDA card: which kernels compute it, and on how many blocks. `kernels/include/attention.cuh` says how.

use super::sizes::MaskStrides;
use super::{Attention, Inputs, Sizes};
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel, tf32};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::ops::rows;
use crate::tensor::{FLOATS, Tensor};
use smallvec::SmallVec;

/// The kernels of one arithmetic: how many columns of its output a block makes, and how many columns of scores are in shared
/// memory at a time, forward and back.
struct Kernels {
    forward: Kernel,
    query_grad: Kernel,
    key_grad: Kernel,
    width: usize,
    columns: [usize; 2],
    /// Terms of a product.
    terms: usize,
}

macro_rules! kernels {
    ($module:literal, $name:literal, $dtypes:expr, $width:literal, $columns:expr, $terms:literal) => {
        Kernels {
            forward: Kernel::new($module, concat!("attention_forward_", $name), $dtypes),
            query_grad: Kernel::new($module, concat!("attention_query_grad_", $name), $dtypes),
            key_grad: Kernel::new($module, concat!("attention_key_grad_", $name), $dtypes),
            width: $width,
            columns: $columns,
            terms: $terms,
        }
    };
}

const HALVES: &[DType] = &[DType::F16, DType::BF16];
static F64: Kernels = kernels!("attention", "32", &[DType::F64], 32, [16, 16], 8);
static F32: Kernels = kernels!("attention", "64", &[DType::F32], 64, [32, 32], 8);
static TF32: Kernels = kernels!("attention_tf32", "tf32_64", &[DType::F32], 64, [32, 32], 8);
static HALF: Kernels = kernels!("attention_half", "64", HALVES, 64, [64, 64], 16);
static HALF_WIDE: Kernels = kernels!("attention_half", "128", HALVES, 128, [64, 32], 16);
static DELTAS: Kernel = Kernel::new("attention", "attention_deltas", FLOATS);

/// Rows of a warp, and warps of a block at most.
const ROWS: usize = 16;
const WARPS: usize = 4;

impl Kernels {
    fn of(dtype: DType, sizes: &Sizes, tf32: bool) -> &'static Kernels {
        match dtype {
            DType::F64 => &F64,
            DType::F16 | DType::BF16 if sizes.size.max(sizes.value_size) <= HALF.width => &HALF,
            DType::F16 | DType::BF16 => &HALF_WIDE,
            _ if tf32 => &TF32,
            _ => &F32,
        }
    }

    /// Elements of a row in shared memory.
    fn padded(&self, size: usize, dtype: DType) -> usize {
        size.next_multiple_of(self.terms) + 16 / dtype.size()
    }
}

/// An attention on a card.
pub(super) struct Card<'a> {
    op: &'a Attention,
    device: &'a CudaDevice,
    sizes: Sizes,
    inputs: &'a Inputs<'a, &'a Tensor>,
    dtype: DType,
    kernels: &'static Kernels,
}

/// A launch: rows of scores that blocks share, and what there is one of for each.
struct Launch {
    rows: usize,
    /// Elements of a row, and of a column, in shared memory.
    row: usize,
    column: usize,
    columns: usize,
    /// How many columns the output has, and heads of all samples.
    width: usize,
    heads: usize,
}

impl<'a> Card<'a> {
    /// One of these inputs; f32 is rounded where products are.
    pub fn new(op: &'a Attention, device: &'a CudaDevice, inputs: &'a Inputs<'a, &'a Tensor>) -> Card<'a> {
        Card::with(op, device, inputs, tf32())
    }

    fn with(op: &'a Attention, device: &'a CudaDevice, inputs: &'a Inputs<'a, &'a Tensor>, tf32: bool) -> Card<'a> {
        let (sizes, dtype) = (Sizes::of(op, inputs), inputs.query.dtype());
        Card { op, device, sizes, inputs, dtype, kernels: Kernels::of(dtype, &sizes, tf32) }
    }

    pub fn forward(&self, outputs: &[Tensor]) -> Result<()> {
        let (sizes, kernels) = (&self.sizes, self.kernels);
        let key = kernels.padded(sizes.size, self.dtype);
        let launch = Launch {
            rows: sizes.queries,
            row: key,
            column: key + kernels.width + 16 / self.dtype.size(),
            columns: kernels.columns[0],
            width: sizes.value_size,
            heads: sizes.batch * sizes.heads,
        };
        let [query, key, value] = [self.inputs.query, self.inputs.key, self.inputs.value].map(|x| Arg::input(*x));
        let args = [Arg::output(&outputs[0])?, Arg::output(&outputs[1])?, query?, key?, value?];
        self.launch(&kernels.forward, launch, &args)
    }

    pub fn backward(&self, outputs: &[Tensor]) -> Result<()> {
        let (&[out, logarithms, grad], [dq, dk, dv]) = (self.inputs.rest, outputs) else {
            return Err(Error::Internal("the backward of attention has three inputs more and three outputs".into()));
        };
        let Sizes { batch, queries, key_rows, heads, key_heads, size, value_size, .. } = self.sizes;
        let deltas = Tensor::empty(&logarithms.device(), logarithms.shape(), self.dtype.arithmetic())?;
        let count = batch * queries * heads;
        let (grid, team) = rows::team(count, value_size, 1);
        let [of_query, of_head, of_size] = [queries, heads, value_size].map(|n| narrow(n).map(Arg::I32));
        let (to, out, from) = (Arg::output(&deltas)?, Arg::input(out)?, Arg::input(grad)?);
        let args = [to, out, from, Arg::I64(count as i64), of_query?, of_head?, of_size?, team];
        self.device.launch(&DELTAS, self.dtype, grid, &args)?;

        let row = self.kernels.padded(size, self.dtype) + self.kernels.padded(value_size, self.dtype);
        let columns = self.kernels.columns[1];
        let of = |rows, width, heads| Launch { rows, row, column: row, columns, width, heads };
        let [query, key, value] = [self.inputs.query, self.inputs.key, self.inputs.value].map(|x| Arg::input(*x));
        let read = [query?, key?, value?, Arg::input(logarithms)?, Arg::input(&deltas)?, from];
        let [dq, dk, dv] = [dq, dk, dv].map(|gradient| Arg::output(gradient));
        let args: Args = [dq?].into_iter().chain(read).collect();
        self.launch(&self.kernels.query_grad, of(queries, size, batch * heads), &args)?;
        let args: Args = [dk?, dv?].into_iter().chain(read).collect();
        self.launch(&self.kernels.key_grad, of(key_rows, size.max(value_size), batch * key_heads), &args)
    }

    /// Launches a kernel with these arguments and those that all have.
    fn launch(&self, kernel: &Kernel, launch: Launch, first: &[Arg]) -> Result<()> {
        let (grid, stages) = self.grid(&launch)?;
        let Sizes { queries, keys, key_rows, heads, key_heads, size, value_size, .. } = self.sizes;
        let pointer = |tensor: Option<&&Tensor>| tensor.map_or(Ok(Arg::Ptr(0)), |t| Arg::input(*t));
        let mut args: Args = first.iter().copied().collect();
        args.extend([pointer(self.inputs.mask)?, pointer(self.inputs.state)?]);
        for n in [queries, keys, key_rows, heads, key_heads, size, value_size] {
            args.push(Arg::I32(narrow(n)?));
        }
        let strides = self.inputs.mask.map_or([0; 3], |mask| {
            let MaskStrides { batch, head, query } = MaskStrides::of(mask);
            [batch, head, query]
        });
        args.extend(strides.map(|stride| Arg::I64(stride as i64)));
        // The sum of both must not overflow; further on it sees all keys too.
        let causal = self.op.causal.map_or(-1, |offset| offset.min(keys) as i32);
        let (stream, rate) = self.op.dropout.map_or((0, 0.0), |dropout| (dropout.stream, dropout.rate));
        args.extend([Arg::F64(self.op.scale), Arg::I32(causal), Arg::U32(stream), Arg::F32(rate as f32)]);
        args.extend([Arg::F64(1.0 / (1.0 - rate)), Arg::I32(stages as i32)]);
        self.device.launch(kernel, self.dtype, grid, &args)
    }

    /// Blocks, and stages of shared memory: of what fits, that of most rows, then that of two stages.
    fn grid(&self, launch: &Launch) -> Result<(Grid, usize)> {
        let (most, has) = (launch.rows.div_ceil(ROWS).clamp(1, WARPS), self.device.shared());
        let bytes = |warps: usize, stages: usize| {
            (warps * ROWS * launch.row + stages * launch.columns * launch.column) * self.dtype.size()
        };
        let mut ways = (1..=most).rev().flat_map(|warps| [(warps, 2), (warps, 1)]);
        let Some((warps, stages)) = ways.find(|&(warps, stages)| bytes(warps, stages) <= has) else {
            let message =
                format!("heads as wide as these need {} bytes of shared memory, the card has {has}", bytes(1, 1));
            return Err(Error::Device { op: "attention".into(), message: message + ": 256 elements always fit" });
        };
        let parts = launch.width.div_ceil(self.kernels.width);
        let blocks = launch.rows.div_ceil(warps * ROWS).saturating_mul(parts).saturating_mul(launch.heads);
        let (threads, shared) = (32 * warps as u32, bytes(warps, stages) as u32);
        Ok((Grid { blocks: [narrow(blocks)? as u32, 1, 1], threads, shared }, stages))
    }
}

type Args = SmallVec<[Arg; 28]>;

fn narrow(n: usize) -> Result<i32> {
    let message = || Error::shape("attention", format!("{n} elements, steps or blocks are too many for a launch"));
    i32::try_from(n).map_err(|_| message())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu::philox::Philox;
    use crate::device::{Device, cuda::testing};
    use crate::ops::attention::{AttentionGrad, cases};
    use crate::tensor::{Op, Sample};

    fn fill(sample: &Sample, seed: usize) -> Result<Tensor> {
        let (n, width) = (sample.shape.size(), sample.range.end - sample.range.start);
        let philox = Philox::new(seed as i64, 0, 0);
        let number = |i: usize| sample.range.start + f64::from(philox.uniform(i as u64 / 4)[i % 4]) * width;
        let values: Vec<f64> = (0..n).map(number).collect();
        match sample.dtype {
            Some(DType::Bool) => {
                Tensor::from_slice(&values.iter().map(|&x| x >= 0.5).collect::<Vec<_>>(), sample.shape)
            }
            _ => Tensor::from_slice(&values, sample.shape)?.cast(sample.dtype.unwrap_or(DType::F32)),
        }
    }

    fn differs(got: &[Tensor], want: &[Tensor], what: &str) -> Result<f32> {
        let mut most = 0f32;
        for (got, want) in got.iter().zip(want) {
            for (got, want) in got.to_vec::<f32>()?.into_iter().zip(want.to_vec::<f32>()?) {
                let difference = (got - want).abs() / want.abs().max(1.0);
                assert!(got == want || difference <= 0.02, "{what}: {got} for {want}");
                most = if got == want { most } else { most.max(difference) };
            }
        }
        Ok(most)
    }

    /// Factors of ten bits are off by some thousandth, and that must show.
    #[test]
    fn tf32_is_near_and_rounds() -> Result<()> {
        let Some(cuda) = testing::device() else { return Ok(()) };
        let device = Device::Cuda(cuda.clone());
        let mut most = [0f32; 2];
        for (op, back) in cases::ops() {
            let samples = op.samples(back);
            let on_cpu = samples.iter().enumerate().map(|(i, s)| fill(s, i)).collect::<Result<Vec<_>>>()?;
            let on_card = on_cpu.iter().map(|x| x.to_device(&device)).collect::<Result<Vec<_>>>()?;
            let on_cpu: Vec<&Tensor> = on_cpu.iter().collect();
            let on_card: Vec<&Tensor> = on_card.iter().collect();
            let attention = op.op();
            let metas = on_cpu.iter().map(|x| x.meta()).collect::<Vec<_>>();
            let infer = if back { AttentionGrad(attention).infer(&metas)? } else { attention.infer(&metas)? };
            let empty = |device: &Device| infer.iter().map(|m| Tensor::empty(device, m.shape, m.dtype)).collect();
            let (mut want, got): (Vec<Tensor>, Vec<Tensor>) = {
                let (want, got): (Result<Vec<_>>, Result<Vec<_>>) = (empty(&Device::Cpu), empty(&device));
                (want?, got?)
            };
            let inputs = attention.split("attention", &on_card)?;
            let card = Card::with(&attention, &cuda, &inputs, true);
            if back {
                AttentionGrad(attention).cpu(&on_cpu, &mut want)?;
                card.backward(&got)?;
            } else {
                attention.cpu(&on_cpu, &mut want)?;
                card.forward(&got)?;
            }
            let found = differs(&got, &want, &format!("{attention:?} of {metas:?}"))?;
            most[usize::from(back)] = most[usize::from(back)].max(found);
        }
        assert!(most.iter().all(|&m| m > 1e-5), "nothing was rounded: {most:?}");
        Ok(())
    }
}
