//! The CUDA device: context, memory pool, kernels and their launch, cuBLAS, graphs, NVTX ranges.
//!
//! The only folder that names cudarc.

pub mod kernel_table;

use crate::dtype::DType;
use crate::error::{CudaError, Result};
use crate::tensor::Tensor;
use std::sync::Arc;

/// A kernel and the element types that it exists for.
pub struct Kernel {
    /// The `.cu` file.
    pub module: &'static str,
    /// The entry, without the dtype's suffix.
    pub name: &'static str,
    /// The suffixes.
    pub dtypes: &'static [DType],
}

impl Kernel {
    /// The kernel `name` of `kernels/{module}.cu` for these dtypes.
    pub const fn new(module: &'static str, name: &'static str, dtypes: &'static [DType]) -> Kernel {
        Kernel { module, name, dtypes }
    }
}

/// How many blocks of how many threads a kernel runs on.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    /// Blocks along x, y and z.
    pub blocks: [u32; 3],
    /// Threads of a block.
    pub threads: u32,
    /// Bytes of dynamic shared memory.
    pub shared: u32,
}

impl Grid {
    /// Enough blocks of 256 threads for a grid-stride loop over `n` elements.
    pub fn elements(n: usize) -> Grid {
        let blocks = n.div_ceil(256 * 4).clamp(1, 132 * 16) as u32;
        Grid { blocks: [blocks, 1, 1], threads: 256, shared: 0 }
    }

    /// One block of `threads` a row; the kernel strides over the rows beyond 2³¹ − 1.
    pub fn rows(rows: usize, threads: u32) -> Grid {
        Grid { blocks: [rows.clamp(1, i32::MAX as usize) as u32, 1, 1], threads, shared: 0 }
    }
}

/// One argument of a kernel.
#[derive(Clone, Copy, Debug)]
pub enum Arg {
    /// A pointer to device memory; 0 stands for none.
    Ptr(u64),
    /// `long long`.
    I64(i64),
    /// `int`.
    I32(i32),
    /// `unsigned`.
    U32(u32),
    /// `float`.
    F32(f32),
    /// `double`.
    F64(f64),
}

impl Arg {
    /// Where a tensor's elements stand, for reading.
    pub fn input(tensor: &Tensor) -> Result<Arg> {
        Ok(Arg::Ptr(tensor.cuda_block()?.pointer()))
    }

    /// Where a tensor's elements stand, for writing.
    pub fn output(tensor: &Tensor) -> Result<Arg> {
        Arg::input(tensor)
    }
}

/// A product for cuBLAS: row-major tensors, `out = a · b (+ bias) (then relu)`.
pub struct Product<'a> {
    /// Left operand.
    pub a: &'a Tensor,
    /// Right operand.
    pub b: &'a Tensor,
    /// Result.
    pub out: &'a Tensor,
    /// Added to each row.
    pub bias: Option<&'a Tensor>,
    /// Rows of the result.
    pub m: usize,
    /// Columns of the result.
    pub n: usize,
    /// Inner extent.
    pub k: usize,
    /// How many products.
    pub batch: usize,
    /// Whether `a` is stored transposed.
    pub transpose_a: bool,
    /// Whether `b` is stored transposed.
    pub transpose_b: bool,
    /// Elements between the batch's left operands; 0 where one serves all.
    pub stride_a: usize,
    /// Elements between the batch's right operands; 0 where one serves all.
    pub stride_b: usize,
    /// Elements between the batch's results.
    pub stride_out: usize,
    /// Whether negative results become 0.
    pub relu: bool,
}

/// A range that a profiler shows; it ends when this goes.
pub struct Range(());

/// One CUDA card and what runs on it.
pub struct CudaDevice {
    ordinal: usize,
}

/// Memory of a CUDA card.
pub struct CudaBlock {
    device: Arc<CudaDevice>,
}

impl CudaBlock {
    /// The card.
    pub fn device(&self) -> &Arc<CudaDevice> {
        &self.device
    }
}

impl CudaBlock {
    /// The address on the device.
    pub fn pointer(&self) -> u64 {
        0
    }
}

impl CudaDevice {
    /// Puts `kernel` for `dtype` on the compute stream.
    ///
    /// A debug build compares the arguments' sizes with the signature in the PTX.
    pub fn launch(&self, _kernel: &Kernel, _dtype: DType, _grid: Grid, _args: &[Arg]) -> Result<()> {
        Err(CudaError::NoKernels.into())
    }

    /// Host numbers on the device, for kernels that read a table.
    ///
    /// During a graph capture the copy is made once, when the capture ends, and replays read what it wrote.
    pub fn constant(&self, _table: &[i64]) -> Result<Tensor> {
        Err(CudaError::NoKernels.into())
    }

    /// Multiplies matrices on the compute stream.
    pub fn matmul(&self, _product: &Product) -> Result<()> {
        Err(CudaError::NoKernels.into())
    }

    /// Opens a range that a profiler shows, when profiling was asked for.
    pub fn range(&self, _name: &'static str) -> Range {
        Range(())
    }

    /// The card `ordinal`.
    pub fn get(_ordinal: usize) -> Result<Arc<CudaDevice>> {
        Err(CudaError::NoKernels.into())
    }

    /// Its number.
    pub fn ordinal(&self) -> usize {
        self.ordinal
    }

    /// At least `size` bytes with unspecified content.
    pub fn allocate(&self, _size: usize) -> Result<CudaBlock> {
        Err(CudaError::NoKernels.into())
    }

    /// Waits for all work.
    pub fn synchronize(&self) -> Result<()> {
        Ok(())
    }

    /// Bytes in blocks that tensors hold.
    pub fn bytes_in_use(&self) -> usize {
        0
    }

    /// Copies host bytes to the start of `to`.
    pub fn copy_from_host(&self, _from: &[u8], _to: &CudaBlock) -> Result<()> {
        Err(CudaError::NoKernels.into())
    }

    /// Copies the first bytes of `from` to the host and waits for them.
    pub fn copy_to_host(&self, _from: &CudaBlock, _to: &mut [u8]) -> Result<()> {
        Err(CudaError::NoKernels.into())
    }

    /// Copies the first `bytes` of one block to another, in stream order.
    pub fn copy(&self, _from: &CudaBlock, _to: &CudaBlock, _bytes: usize) -> Result<()> {
        Err(CudaError::NoKernels.into())
    }

    /// Repeats the `pattern` of one element (1, 2, 4 or 8 bytes) over the first `count` elements.
    pub fn fill(&self, _to: &CudaBlock, _pattern: &[u8], _count: usize) -> Result<()> {
        Err(CudaError::NoKernels.into())
    }
}
