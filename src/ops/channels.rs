//! Sums along channels, and maps over them: what the normalisations share whose statistics belong to channels.
//!
//! A tensor is rows of `channels` elements. On the CPU its rows are summed in blocks of a fixed size, and what comes of the
//! blocks is merged in a tree of a fixed shape: the bits do not depend on the threads, and long sums lose little. On a card
//! the blocks are those of the grid, and a second kernel merges what comes of them.

use crate::device::Device;
use crate::device::cpu::convert::require_float;
use crate::device::cpu::{Float, threads};
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Meta, Sample, Tensor, given};
use std::ops::Range;

/// Elements of a block: as many as stay in a cache between two passes over them.
const BLOCK: usize = 1 << 13;

/// The most channels of a block.
pub const COLUMNS: usize = 512;

/// How many elements are taken together: rows are joined until they are as long, so that few channels fill the vectors too.
fn width(channels: usize) -> usize {
    channels * (64 / channels.max(1)).max(1)
}

/// Some rows, or of many channels a part of some rows.
pub struct Block {
    elements: Range<usize>,
    /// From one piece to the next, and the elements of one.
    step: usize,
    width: usize,
    channels: Range<usize>,
    rows: usize,
}

impl Block {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The block's part of what there is for each channel.
    pub fn of<'a, T>(&self, all: &'a [T]) -> &'a [T] {
        &all[self.channels.clone()]
    }

    /// The elements, a row at a time or several. Each piece begins with the block's first channel.
    #[inline(always)]
    pub fn pieces(&self) -> impl Iterator<Item = Range<usize>> {
        let (step, width, end) = (self.step, self.width, self.elements.end);
        self.elements.clone().step_by(step).map(move |at| at..(at + width).min(end))
    }

    /// What there is for each of the block's channels, as for each element of a piece.
    #[inline(always)]
    pub fn spread<T: Float>(&self, channels: &[T]) -> [T; COLUMNS] {
        let mut all = [T::ZERO; COLUMNS];
        let columns = self.channels.len();
        for row in all[..self.width].chunks_exact_mut(columns) {
            row.copy_from_slice(channels);
        }
        all
    }

    /// The sum for each channel of what there is for each element of a piece.
    #[inline(always)]
    pub fn gather<T: Float>(&self, all: &[T; COLUMNS], channels: &mut [T]) {
        channels.fill(T::ZERO);
        for row in all[..self.width].chunks_exact(self.channels.len()) {
            channels.iter_mut().zip(row).for_each(|(sum, &x)| *sum += x);
        }
    }
}

/// Two numbers for each channel, of a part of the rows.
pub type Two<'a, T> = [&'a mut [T]; 2];

/// Computes two numbers for each channel: `work` those of a block, over the threads, and `merge(rows, of those, more rows, of
/// those)` the first from both. Without rows they are 0.
pub fn reduce<T: Float>(
    rows: usize,
    out: Two<T>,
    work: impl Fn(&Block, Two<T>) + Sync,
    merge: impl Fn(usize, Two<T>, usize, Two<T>),
) -> Result<()> {
    let channels = out[0].len();
    if rows == 0 || channels == 0 {
        out.into_iter().for_each(|out| out.fill(T::ZERO));
        return Ok(());
    }
    let columns = channels.min(COLUMNS);
    let (parts, height) = (channels.div_ceil(columns), (BLOCK / columns).min(rows));
    let blocks = rows.div_ceil(height);
    let mut found = Tensor::empty(&Device::Cpu, Shape::new(&[blocks, parts, 2, columns])?, T::DTYPE)?;
    let found = found.data_mut::<T>()?;
    threads::split_rows(found, 2 * columns, 2, |first, found| {
        for (i, found) in found.chunks_exact_mut(2 * columns).enumerate() {
            let (row, part) = ((first + i) / parts * height, (first + i) % parts);
            let rows = row..(row + height).min(rows);
            let these = part * columns..((part + 1) * columns).min(channels);
            let elements = rows.start * channels + these.start..(rows.end - 1) * channels + these.end;
            let whole = parts == 1;
            let block = Block {
                elements,
                step: if whole { width(channels) } else { channels },
                width: if whole { width(channels) } else { these.len() },
                channels: these,
                rows: rows.len(),
            };
            work(&block, halves(found, block.channels.len()));
        }
    });
    let size = 2 * columns * parts;
    let mut step = 1;
    while step < blocks {
        for i in (0..blocks - step).step_by(2 * step) {
            let count = |block: usize, blocks: usize| ((block + blocks) * height).min(rows) - block * height;
            let (before, after) = found.split_at_mut((i + step) * size);
            for part in 0..parts {
                let these = columns.min(channels - part * columns);
                let at = part * 2 * columns..(part + 1) * 2 * columns;
                let into = halves(&mut before[i * size..][at.clone()], these);
                merge(count(i, step), into, count(i + step, step), halves(&mut after[at], these));
            }
        }
        step *= 2;
    }
    let [a, b] = out;
    for (part, (a, b)) in a.chunks_mut(columns).zip(b.chunks_mut(columns)).enumerate() {
        let [from_a, from_b] = halves(&mut found[part * 2 * columns..][..2 * columns], a.len());
        a.copy_from_slice(from_a);
        b.copy_from_slice(from_b);
    }
    Ok(())
}

/// The beginnings of both halves.
fn halves<T>(both: &mut [T], len: usize) -> Two<'_, T> {
    let middle = both.len() / 2;
    let (a, b) = both.split_at_mut(middle);
    [&mut a[..len], &mut b[..len]]
}

/// `N` numbers for each channel, spread over as many elements as are taken together: arrays of one length, one after the other.
pub fn coefficients<T: Float, const N: usize>(channels: usize, of: impl Fn(usize) -> [T; N]) -> Result<Tensor> {
    let width = width(channels);
    let mut all = Tensor::empty(&Device::Cpu, Shape::new(&[N, width])?, T::DTYPE)?;
    let numbers = all.data_mut::<T>()?;
    for i in 0..width {
        for (n, number) in of(i % channels).into_iter().enumerate() {
            numbers[n * width + i] = number;
        }
    }
    Ok(all)
}

/// Calls `work(elements, a part of out)` for what is taken together of `out`, over the threads; each begins with channel 0.
pub fn map<T: Float>(channels: usize, out: &mut [T], work: impl Fn(Range<usize>, &mut [T]) + Sync) {
    let width = width(channels);
    threads::split_rows(out, channels, (1usize << 14).div_ceil(channels.max(1)), |first, out| {
        T::vectorize(
            #[inline(always)]
            || {
                let mut at = first * channels;
                for out in out.chunks_mut(width) {
                    work(at..at + out.len(), out);
                    at += out.len();
                }
            },
        );
    });
}

/// Checks inputs that are x `(…, channels)`, then vectors with a number for each channel, in the type that is computed in,
/// and after them, if `gradient`, one like x.
pub fn check(op: &'static str, inputs: &[Meta], vectors: usize, gradient: bool, epsilon: f64) -> Result<()> {
    let [x, rest @ ..] = inputs else { return Err(Error::shape(op, "expected a tensor, got nothing")) };
    if rest.len() != vectors + usize::from(gradient) || gradient && inputs[inputs.len() - 1] != *x {
        let and = if gradient { " and a gradient like it" } else { "" };
        let message = format!("expected a tensor, {vectors} vectors{and}, got {}", given(inputs));
        return Err(Error::shape(op, message));
    }
    require_float(op, x.dtype)?;
    if x.shape.rank() == 0 {
        return Err(Error::shape(op, "expected at least one axis, got shape ()"));
    }
    let want = vector(x)?;
    if let Some(v) = rest[..vectors].iter().find(|v| **v != want) {
        let text = format!("expected {want} for each vector of channels, got {v} among {}", given(inputs));
        return Err(if v.dtype == want.dtype { Error::shape(op, text) } else { Error::dtype(op, text) });
    }
    if epsilon > 0.0 && epsilon.is_finite() {
        return Ok(());
    }
    Err(Error::Config(format!("{op}: expected a positive epsilon, got {epsilon}")))
}

/// A number for each channel of x, in the type that is computed in.
pub fn vector(x: &Meta) -> Result<Meta> {
    Ok(Meta::new(Shape::new(&[x.shape.last()])?, x.dtype.arithmetic()))
}

/// How a card goes over rows: threads of a block along channels (and the rest of them along rows), and rows of a block.
#[derive(Clone, Copy)]
pub struct Tile {
    rows: usize,
    channels: usize,
    columns: usize,
    chunk: usize,
    grid: Grid,
}

/// Threads of a block, and about as many blocks as fill a large card.
const THREADS: usize = 256;
const BLOCKS: usize = 528;

impl Tile {
    /// That for a tensor; it depends on the shape and the dtype alone.
    pub fn new(x: &Tensor) -> Tile {
        let (shape, lanes) = (x.shape(), 16 / x.dtype().size());
        let (rows, channels) = (shape.rows(), shape.last());
        let across = if channels.is_multiple_of(lanes) { channels / lanes } else { channels };
        let columns = across.next_power_of_two().min(32);
        let across = across.div_ceil(columns);
        // A thread takes at least eight rows.
        let chunks = (BLOCKS / across.max(1)).clamp(1, rows.div_ceil(THREADS / columns * 8).max(1));
        let chunk = rows.div_ceil(chunks).max(1);
        let grid = Grid { blocks: [across as u32, rows.div_ceil(chunk) as u32, 1], threads: THREADS as u32, shared: 0 };
        Tile { rows, channels, columns, chunk, grid }
    }

    /// Launches `kernel(pointers…, rows, channels, columns, chunk, ε)`.
    pub fn map(
        &self,
        device: &CudaDevice,
        kernel: &Kernel,
        dtype: DType,
        pointers: &[Arg],
        epsilon: f64,
    ) -> Result<()> {
        let sizes = [self.rows, self.channels, self.columns, self.chunk].map(|n| Arg::I64(n as i64));
        let args: smallvec::SmallVec<[Arg; 16]> =
            pointers.iter().copied().chain(sizes).chain([Arg::F64(epsilon)]).collect();
        device.launch(kernel, dtype, self.grid, &args)
    }

    /// Computes two numbers for each channel: `kernel(parts, pointers…, rows, channels, columns, chunk)` those of each chunk of
    /// rows, and `end(pointers…, parts, rows, channels, chunk, numbers…)` what comes of them.
    pub fn reduce(
        &self,
        device: &CudaDevice,
        x: &Tensor,
        [kernel, end]: [&Kernel; 2],
        pointers: &[Arg],
        end_pointers: &[Arg],
        numbers: &[Arg],
    ) -> Result<()> {
        let dtype = x.dtype().arithmetic();
        let chunks = self.grid.blocks[1] as usize;
        let parts = Tensor::empty(&x.device(), Shape::new(&[chunks, 2, self.channels])?, dtype)?;
        let parts = Arg::output(&parts)?;
        let sizes = [self.rows, self.channels, self.columns, self.chunk].map(|n| Arg::I64(n as i64));
        let args: smallvec::SmallVec<[Arg; 16]> =
            [parts].into_iter().chain(pointers.iter().copied()).chain(sizes).collect();
        device.launch(kernel, x.dtype(), self.grid, &args)?;
        // Eight channels a block.
        let grid = Grid::rows(self.channels.div_ceil(8), THREADS as u32);
        let sizes = [self.rows, self.channels, self.chunk].map(|n| Arg::I64(n as i64));
        let args: smallvec::SmallVec<[Arg; 16]> =
            end_pointers.iter().copied().chain([parts]).chain(sizes).chain(numbers.iter().copied()).collect();
        device.launch(end, dtype, grid, &args)
    }
}

/// What all are tested on.
pub const SHAPES: &[&[usize]] = &[
    &[7, 3],
    &[5],
    &[0, 4],
    &[6, 0],
    &[33, 8],
    &[2, 9, 7, 5],
    &[3, 2, 4, 16],
    &[1, 40],
    &[19, 1],
    &[600, 33],
    &[21, 1031],
];

/// A number for each channel of a case, in the type that is computed in.
pub fn sample(shape: &[usize], range: Range<f64>) -> Sample {
    Sample::within(shape[shape.len() - 1], range).wide()
}
