//! What the ops that only move elements share: elements by their size, and the copy of a block.

use crate::device::cpu::threads;
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::dtype::DType;
use crate::error::Result;
use crate::shape::{MAX_RANK, Shape};
use crate::tensor::Tensor;
use bytemuck::Pod;
use smallvec::SmallVec;

/// The dtypes that the moving kernels are named after, one for each size of an element.
pub const WORDS: &[DType] = &[DType::U8, DType::F16, DType::F32, DType::F64];

static COPY: Kernel = Kernel::new("copy", "copy_block", WORDS);
static STRIDED: Kernel = Kernel::new("copy", "copy_strided", WORDS);

/// The one of [`WORDS`] that elements of `dtype` move as.
pub fn word(dtype: DType) -> DType {
    match dtype.size() {
        1 => DType::U8,
        2 => DType::F16,
        4 => DType::F32,
        _ => DType::F64,
    }
}

/// Runs `$body` with `$type` standing for the unsigned integer that is as large as an element of `$dtype`.
macro_rules! with_word {
    ($dtype:expr, $type:ident => $body:expr) => {
        match $dtype.size() {
            1 => {
                type $type = u8;
                $body
            }
            2 => {
                type $type = u16;
                $body
            }
            4 => {
                type $type = u32;
                $body
            }
            _ => {
                type $type = u64;
                $body
            }
        }
    };
}
pub(crate) use with_word;

/// Copies on a CUDA card the elements of `from` that the indices of `to`, an array of these extents, name by the strides.
pub fn cuda_strided(
    device: &CudaDevice,
    from: &Tensor,
    to: &Tensor,
    extents: &[usize; MAX_RANK],
    strides: &[usize; MAX_RANK],
) -> Result<()> {
    let n = to.shape().size();
    let mut args = SmallVec::<[Arg; 32]>::new();
    args.extend([Arg::output(to)?, Arg::input(from)?, Arg::I64(n as i64)]);
    args.extend(extents.iter().chain(strides).map(|&x| Arg::I64(x as i64)));
    device.launch(&STRIDED, word(to.dtype()), Grid::elements(n), &args)
}

/// The elements as words of their size.
pub fn words<W: Pod>(tensor: &Tensor) -> Result<&[W]> {
    Ok(bytemuck::cast_slice(tensor.bytes()?))
}

/// The elements as words of their size, for writing.
pub fn words_mut<W: Pod>(tensor: &mut Tensor) -> Result<&mut [W]> {
    Ok(bytemuck::cast_slice_mut(tensor.bytes_mut()?))
}

/// An array seen as `outer` × `count` × `inner`, for what runs along one axis.
#[derive(Clone, Copy, Debug)]
pub struct Along {
    /// The product of the extents before the axis.
    pub outer: usize,
    /// The extent of the axis.
    pub count: usize,
    /// The product of the extents after it.
    pub inner: usize,
}

impl Along {
    /// An array of this shape along its axis `axis`.
    pub fn new(shape: &Shape, axis: usize) -> Along {
        Along { outer: shape[..axis].iter().product(), count: shape[axis], inner: shape[axis + 1..].iter().product() }
    }
}

/// `rows` pieces of `width` neighbouring elements, at even distances in two arrays.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// How many pieces there are.
    pub rows: usize,
    /// Elements of a piece.
    pub width: usize,
    /// Where the first piece starts in the array that is read, and the distance to the next.
    pub from: (usize, usize),
    /// The same in the array that is written.
    pub to: (usize, usize),
}

impl Block {
    /// Copies on the CPU.
    pub fn cpu<W: Pod + Send + Sync>(&self, from: &[W], to: &mut [W]) {
        let Block { rows, width, .. } = *self;
        if rows * width == 0 {
            return;
        }
        let parts = threads::Parts::new(to);
        let copy = |row: usize, columns: std::ops::Range<usize>| {
            let (at, start) = (self.from.0 + row * self.from.1, self.to.0 + row * self.to.1);
            // SAFETY: rows do not overlap (the distance is at least the width), nor do the columns that threads get.
            let part = unsafe { parts.slice(start + columns.start..start + columns.end) };
            part.copy_from_slice(&from[at + columns.start..at + columns.end]);
        };
        const GRAIN: usize = 1 << 15;
        if rows == 1 {
            threads::split(width, GRAIN, &|columns| copy(0, columns));
        } else {
            threads::split(rows, GRAIN.div_ceil(width), &|rows| rows.for_each(|row| copy(row, 0..width)));
        }
    }

    /// Copies on a CUDA card.
    pub fn cuda(&self, device: &CudaDevice, from: &Tensor, to: &Tensor) -> Result<()> {
        let n = self.rows * self.width;
        if n == 0 {
            return Ok(());
        }
        let [n_arg, width, a, b, c, d] =
            [n, self.width, self.from.0, self.from.1, self.to.0, self.to.1].map(|x| Arg::I64(x as i64));
        let args = [Arg::output(to)?, Arg::input(from)?, n_arg, width, a, b, c, d];
        device.launch(&COPY, word(to.dtype()), Grid::elements(n), &args)
    }
}
