//! The axes of a tensor in another order.

use super::copy::{WORDS, cuda_strided, with_word, word, words, words_mut};
use crate::device::cpu::threads;
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::{MAX_RANK, Shape};
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one};
use bytemuck::Pod;
use smallvec::SmallVec;

/// Axis `i` of the output is axis `axes[i]` of the input; none named stands for all of them reversed.
#[derive(Clone, Debug)]
pub struct Transpose(SmallVec<[isize; MAX_RANK]>);

static TILES: Kernel = Kernel::new("transpose", "transpose_tiles", WORDS);

impl Tensor {
    /// The tensor with its axes in another order: axis `i` of the result is axis `axes[i]` of this one, for any dtype
    /// ([Keras](https://keras.io/api/ops/numpy/#transpose-function)). Axes may be negative; none named reverses them.
    ///
    /// # Errors
    /// Axes that are no permutation of the tensor's.
    pub fn transpose(&self, axes: &[isize]) -> Result<Tensor> {
        apply_one(Transpose(SmallVec::from_slice(axes)), &[self])
    }
}

impl Transpose {
    /// The last two of three axes exchanged.
    pub fn swap() -> Transpose {
        Transpose(SmallVec::from_slice(&[0, 2, 1]))
    }

    fn permutation(&self, shape: &Shape) -> Result<SmallVec<[usize; MAX_RANK]>> {
        if self.0.is_empty() {
            return Ok((0..shape.rank()).rev().collect());
        }
        let axes =
            self.0.iter().map(|&a| shape.axis(a, "transpose")).collect::<Result<SmallVec<[usize; MAX_RANK]>>>()?;
        if axes.len() != shape.rank() || (0..shape.rank()).any(|i| !axes.contains(&i)) {
            let message = format!("the axes {:?} are no permutation of those of the shape {shape}", self.0);
            return Err(Error::shape("transpose", message));
        }
        Ok(axes)
    }
}

/// The output's axes, with those merged that are neighbours in the input too, and without those of extent 1.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    extents: [usize; MAX_RANK],
    /// The input's strides along them.
    from: [usize; MAX_RANK],
    /// The output's.
    to: [usize; MAX_RANK],
    rank: usize,
}

impl Plan {
    /// How an array of this shape is read with its axes permuted.
    pub fn new(shape: &Shape, permutation: &[usize]) -> Plan {
        let strides = shape.strides();
        let mut plan = Plan { extents: [1; MAX_RANK], from: [1; MAX_RANK], to: [1; MAX_RANK], rank: 0 };
        for &axis in permutation.iter().filter(|&&axis| shape[axis] != 1) {
            match plan.rank.checked_sub(1) {
                Some(last) if plan.from[last] == strides[axis] * shape[axis] => {
                    plan.extents[last] *= shape[axis];
                    plan.from[last] = strides[axis];
                }
                _ => {
                    (plan.extents[plan.rank], plan.from[plan.rank]) = (shape[axis], strides[axis]);
                    plan.rank += 1;
                }
            }
        }
        plan.rank = plan.rank.max(1);
        for i in (0..plan.rank - 1).rev() {
            plan.to[i] = plan.to[i + 1] * plan.extents[i + 1];
        }
        plan
    }

    /// The axis that is contiguous in the input: the last one where rows stay rows.
    fn contiguous(&self) -> usize {
        self.from[..self.rank].iter().position(|&stride| stride == 1).unwrap_or(self.rank - 1)
    }

    /// The axes other than the last and the one that is contiguous in the input: extent, stride there, stride here.
    fn outer(&self) -> SmallVec<[(usize, usize, usize); MAX_RANK]> {
        let inner = self.contiguous();
        (0..self.rank - 1).filter(|&i| i != inner).map(|i| (self.extents[i], self.from[i], self.to[i])).collect()
    }

    /// Permutes on the CPU, over tiles that are read and written while they are in the cache.
    pub fn cpu<W: Pod + Send + Sync>(&self, from: &[W], to: &mut [W]) {
        const TILE: usize = 16;
        const GRAIN: usize = 1 << 14;
        if to.is_empty() {
            return;
        }
        let (last, inner, outer) = (self.rank - 1, self.contiguous(), self.outer());
        let offsets = |index: usize| {
            let (mut index, mut offsets) = (index, (0, 0));
            for &(extent, from, to) in outer.iter().rev() {
                let at = index % extent;
                index /= extent;
                offsets = (offsets.0 + at * from, offsets.1 + at * to);
            }
            offsets
        };
        let row = self.extents[last];
        if inner == last {
            threads::split_rows(to, row, GRAIN.div_ceil(row), |first, to| {
                for (i, to) in to.chunks_exact_mut(row).enumerate() {
                    let at = offsets(first + i).0;
                    to.copy_from_slice(&from[at..at + row]);
                }
            });
            return;
        }
        let stride = self.from[last];
        let tiles = self.extents[inner].div_ceil(TILE);
        let pieces = to.len() / row / self.extents[inner] * tiles;
        let parts = threads::Parts::new(to);
        threads::split(pieces, GRAIN.div_ceil(row * TILE), &|range| {
            for piece in range {
                let (read, write) = offsets(piece / tiles);
                let rows = piece % tiles * TILE..(piece % tiles * TILE + TILE).min(self.extents[inner]);
                for start in (0..row).step_by(TILE) {
                    let end = (start + TILE).min(row);
                    for r in rows.clone() {
                        let at = write + r * self.to[inner];
                        // SAFETY: each piece has rows of the output of its own.
                        let to = unsafe { parts.slice(at + start..at + end) };
                        let column = from[read + r + start * stride..].iter().step_by(stride);
                        to.iter_mut().zip(column).for_each(|(to, &from)| *to = from);
                    }
                }
            }
        });
    }

    /// Permutes on a CUDA card: row by row where rows stay rows, else by tiles through shared memory.
    fn cuda(&self, device: &CudaDevice, from: &Tensor, to: &Tensor) -> Result<()> {
        const TILE: usize = 32;
        // A tile of narrower matrices is mostly empty. What is copied element by element is written in order, and read with
        // a stride so short, or in so few streams, that the cache still has the sector at the next element.
        const NARROW: usize = 8;
        let n = to.shape().size();
        if n == 0 {
            return Ok(());
        }
        let (last, inner, outer) = (self.rank - 1, self.contiguous(), self.outer());
        if inner == last || self.extents[inner].min(self.extents[last]) < NARROW {
            return cuda_strided(device, from, to, &self.extents, &self.from);
        }
        let mut args = SmallVec::<[Arg; 32]>::new();
        args.extend([Arg::output(to)?, Arg::input(from)?]);
        let (rows, columns) = (self.extents[inner], self.extents[last]);
        let matrices = n / rows / columns;
        let tiles = matrices * rows.div_ceil(TILE) * columns.div_ceil(TILE);
        args.extend([matrices, rows, columns, self.from[last], self.to[inner]].map(|x| Arg::I64(x as i64)));
        let axis = |i: usize| outer.get(i).copied().unwrap_or((1, 0, 0));
        args.extend((0..MAX_RANK - 2).map(|i| Arg::I64(axis(i).0 as i64)));
        args.extend((0..MAX_RANK - 2).map(|i| Arg::I64(axis(i).1 as i64)));
        args.extend((0..MAX_RANK - 2).map(|i| Arg::I64(axis(i).2 as i64)));
        device.launch(&TILES, word(to.dtype()), Grid::rows(tiles, 256), &args)
    }
}

impl Op for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let [x] = inputs else {
            return Err(Error::shape("transpose", format!("expected one tensor, got {}", inputs.len())));
        };
        let extents: SmallVec<[usize; MAX_RANK]> =
            self.permutation(&x.shape)?.into_iter().map(|axis| x.shape[axis]).collect();
        Ok(Metas::from_elem(Meta::new(Shape::new(&extents)?, x.dtype), 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let shape = inputs[0].shape();
        let plan = Plan::new(&shape, &self.permutation(&shape)?);
        with_word!(inputs[0].dtype(), W => plan.cpu::<W>(words(inputs[0])?, words_mut(&mut outputs[0])?));
        Ok(())
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let shape = inputs[0].shape();
        Plan::new(&shape, &self.permutation(&shape)?).cuda(device, inputs[0], &outputs[0])
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::NOTHING)
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let permutation = self.permutation(&node.input_meta(0).shape)?;
        let mut inverse = SmallVec::<[isize; MAX_RANK]>::from_elem(0, permutation.len());
        permutation.iter().enumerate().for_each(|(to, &from)| inverse[from] = to as isize);
        Ok(Gradients::from_iter([Some(node.grad()?.transpose(&inverse)?)]))
    }

    fn cases() -> Vec<Case> {
        let case = |shape: &[usize], axes: &[isize]| {
            Case::new(Transpose(SmallVec::from_slice(axes)), [Sample::new(shape)]).dtypes(&DType::ALL)
        };
        vec![
            case(&[], &[]),
            case(&[33], &[0]),
            case(&[0, 3], &[1, 0]),
            case(&[1, 7], &[1, 0]),
            case(&[33, 65], &[1, 0]),
            case(&[31, 67_003], &[]),
            case(&[5, 33, 37], &[0, 2, 1]),
            case(&[3, 5, 7, 4], &[0, 2, 1, -1]),
            case(&[3, 5, 7, 4], &[2, 3, 0, 1]),
            case(&[2, 3, 4, 5], &[3, 1, 2, 0]),
            case(&[2, 3, 2, 1, 3, 2, 2, 3], &[7, 5, 6, 4, 0, 2, 1, 3]),
            case(&[66_000, 2, 3], &[0, 2, 1]),
            case(&[2100, 9, 8], &[0, 2, 1]),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_each_element_where_its_index_says() -> Result<()> {
        for (shape, axes) in [
            (&[33, 65][..], &[1isize, 0][..]),
            (&[5, 33, 37], &[0, 2, 1]),
            (&[2, 3, 4, 5], &[3, 1, 2, 0]),
            (&[3, 5, 7, 4], &[2, 3, 0, 1]),
            (&[3, 1, 7, 4], &[2, 0, 1, 3]),
        ] {
            let n = shape.iter().product::<usize>();
            let x = Tensor::from_slice(&(0..n as i32).collect::<Vec<_>>(), shape)?;
            let y = x.transpose(axes)?;
            let (from, to) = (x.shape().strides(), y.shape().strides());
            for (i, &value) in y.data::<i32>()?.iter().enumerate() {
                let at: usize = (0..axes.len()).map(|k| i / to[k] % y.shape()[k] * from[axes[k] as usize]).sum();
                assert_eq!(value as usize, at, "{shape:?} {axes:?} element {i}");
            }
        }
        Ok(())
    }

    #[test]
    fn rejects_axes_that_are_no_permutation() -> Result<()> {
        let x = Tensor::from_slice(&[0u8; 6], [2, 3])?;
        for axes in [&[0][..], &[0, 0], &[0, 2], &[0, 1, 2]] {
            let message = x.transpose(axes).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(message.contains("(2, 3)"), "{message}");
        }
        assert_eq!(x.transpose(&[-1, 0])?.shape().dims(), [3, 2]);
        Ok(())
    }
}
