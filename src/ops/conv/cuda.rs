//! Convolutions on a CUDA card: which kernel computes one, on how many blocks.
//!
//! A window of one element that moves by one sees each place once, which is a matrix product as it stands and goes to
//! cuBLAS. With as many groups as channels the kernels of `depthwise.cu` run, else the tiles of `conv.cuh`.

use super::kernels::{ADD_PARTS, Depthwise, F32, F64, HALF, SCALAR, TF32, Tiles, VECTOR};
use crate::device::Elements;
use crate::device::cpu::conv::{Axis, Geometry};
use crate::device::cuda::{Arg, CudaDevice, Grid, Product, tf32};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::ops::Activation;
use crate::shape::Shape;
use crate::tensor::Tensor;
use smallvec::SmallVec;

type Args = SmallVec<[Arg; 32]>;

/// Bytes of an operand's terms that pass through shared memory together.
const SLAB: usize = 64;
/// As many blocks as fill a large card about twice; more splits of a sum than that takes are only more bytes.
const BLOCKS: usize = 264;
/// Of a depthwise kernel: its threads, elements of the kernel that a thread sums for, and places that it takes in a
/// row.
const THREADS: usize = 256;
const TAPS: usize = 9;
const PLACES: usize = 4;

/// A convolution on a card.
pub(super) struct Conv<'a> {
    device: &'a CudaDevice,
    geometry: &'a Geometry,
    dtype: DType,
    /// Whether f32 factors may be rounded to TF32.
    tf32: bool,
}

impl Conv<'_> {
    /// One of these sizes; f32 is rounded where products are.
    pub fn new<'a>(device: &'a CudaDevice, geometry: &'a Geometry, dtype: DType) -> Conv<'a> {
        Conv { device, geometry, dtype, tf32: tf32() }
    }

    /// `out = x * kernel`, plus `bias`, and 0 for less where `relu` asks.
    pub fn forward(&self, x: &Tensor, kernel: &Tensor, bias: Option<&Tensor>, out: &Tensor, relu: bool) -> Result<()> {
        let g = self.geometry;
        if out.shape().size() == 0 {
            return Ok(());
        }
        if self.is_product() {
            let sizes = [self.places_out(), g.filters, g.channels];
            self.product([x, kernel, out], sizes, [false, false], bias)?;
            return if relu { Activation::Relu.cuda(self.device, out, out) } else { Ok(()) };
        }
        let mut args = Args::new();
        args.extend([Arg::output(out)?, Arg::input(x)?, Arg::input(kernel)?]);
        args.push(bias.map_or(Ok(Arg::Ptr(0)), |bias| Arg::input(bias))?);
        args.extend(self.sizes()?);
        let relu = Arg::I32(i32::from(relu));
        if self.is_depthwise() {
            let [z, y, x] = g.axes.map(|a| a.output);
            let (kernels, vector) = self.depthwise(16);
            args.push(relu);
            let threads = g.batch * z * y * x.div_ceil(PLACES) * g.filters / vector;
            return self.device.launch(&kernels.forward, self.dtype, depthwise_grid(threads), &args);
        }
        let tiles = self.tiles(g.filters / g.groups);
        let rows = self.places_out().div_ceil(tiles.rows);
        args.extend([Arg::I32(narrow(rows)?), relu]);
        self.device.launch(&tiles.forward, self.dtype, self.grid(tiles, g.filters, rows)?, &args)
    }

    /// `dx`, the gradient of the input.
    pub fn input_grad(&self, dy: &Tensor, kernel: &Tensor, dx: &Tensor) -> Result<()> {
        let g = self.geometry;
        if dx.shape().size() == 0 {
            return Ok(());
        }
        if self.is_product() {
            let sizes = [self.places_out(), g.channels, g.filters];
            return self.product([dy, kernel, dx], sizes, [false, true], None);
        }
        // The places of the input that are equal modulo the stride, along each axis: how many kinds, and how many of
        // one.
        let phases = g.axes.map(|a| a.stride.min(a.input));
        let places = g.axes.map(|a| a.input.div_ceil(a.stride));
        let mut args = Args::new();
        args.extend([Arg::output(dx)?, Arg::input(dy)?, Arg::input(kernel)?]);
        args.extend(self.sizes()?);
        if self.is_depthwise() {
            let (kernels, vector) = match g.filters == g.channels {
                true => self.depthwise(16),
                false => (&SCALAR, 1),
            };
            let runs = g.axes[0].input * g.axes[1].input * phases[2] * places[2].div_ceil(PLACES);
            let threads = g.batch * runs * g.channels / vector;
            return self.device.launch(&kernels.input_grad, self.dtype, depthwise_grid(threads), &args);
        }
        let tiles = self.tiles(g.channels / g.groups);
        let rows = (g.batch * places.iter().product::<usize>()).div_ceil(tiles.rows);
        args.push(Arg::I32(narrow(rows)?));
        let grid = self.grid(tiles, g.channels, rows * phases.iter().product::<usize>())?;
        self.device.launch(&tiles.input_grad, self.dtype, grid, &args)
    }

    /// `dw`, the gradient of the kernel. Its sums are over all places, so their parts are formed by many blocks, and
    /// added up in a fixed order. How they are cut depends on the sizes alone.
    pub fn kernel_grad(&self, x: &Tensor, dy: &Tensor, dw: &Tensor) -> Result<()> {
        let (g, places) = (self.geometry, self.places_out());
        if dw.shape().size() == 0 {
            return Ok(());
        }
        if self.is_product() {
            return self.product([x, dy, dw], [g.channels, g.filters, places], [true, false], None);
        }
        if self.is_depthwise() {
            let (kernels, vector) = self.depthwise(4 * self.dtype.size().min(4));
            let lanes = g.filters.div_ceil(vector).next_power_of_two().min(32);
            let tiles = g.filters.div_ceil(lanes * vector) * self.taps().div_ceil(TAPS);
            // Sixteen places a thread are worth a block.
            let (parts, chunk) = cut(places, 16 * THREADS / lanes, (2 * BLOCKS).div_ceil(tiles));
            let sums = self.parts(dw, parts)?;
            let mut args = Args::new();
            args.extend([Arg::output(&sums)?, Arg::input(x)?, Arg::input(dy)?]);
            args.extend(self.sizes()?);
            args.extend([Arg::I32(narrow(lanes)?), Arg::I64(chunk as i64)]);
            let grid = Grid { blocks: [blocks(tiles * parts)?, 1, 1], threads: THREADS as u32, shared: 0 };
            self.device.launch(&kernels.kernel_grad, self.dtype, grid, &args)?;
            return self.add_parts(&sums, dw, parts);
        }
        let tiles = self.tiles(g.filters / g.groups);
        let rows = (self.taps() * (g.channels / g.groups)).div_ceil(tiles.rows);
        let alone = rows * (g.filters / g.groups).div_ceil(tiles.columns) * g.groups;
        // Eight slabs are worth a block.
        let (parts, chunk) = cut(places, 8 * SLAB / self.dtype.size(), BLOCKS.div_ceil(alone));
        let sums = if parts > 1 { Some(self.parts(dw, parts)?) } else { None };
        let mut args = Args::new();
        args.extend([Arg::output(dw)?, sums.as_ref().map_or(Ok(Arg::Ptr(0)), |sums| Arg::output(sums))?]);
        args.extend([Arg::input(x)?, Arg::input(dy)?]);
        args.extend(self.sizes()?);
        args.extend([Arg::I32(narrow(parts)?), Arg::I64(chunk as i64)]);
        self.device.launch(&tiles.kernel_grad, self.dtype, self.grid(tiles, g.filters, rows * parts)?, &args)?;
        sums.map_or(Ok(()), |sums| self.add_parts(&sums, dw, parts))
    }

    fn is_product(&self) -> bool {
        let g = self.geometry;
        g.groups == 1 && g.axes.iter().all(|a| a.size == 1 && a.stride == 1 && a.before == 0 && a.input == a.output)
    }

    fn is_depthwise(&self) -> bool {
        self.geometry.groups == self.geometry.channels
    }

    fn product(
        &self,
        [a, b, out]: [&Tensor; 3],
        [m, n, k]: [usize; 3],
        [transpose_a, transpose_b]: [bool; 2],
        bias: Option<&Tensor>,
    ) -> Result<()> {
        self.device.matmul(&Product {
            a,
            b,
            out,
            bias: bias.map(|bias| bias as &dyn Elements),
            m,
            n,
            k,
            batch: 1,
            transpose_a,
            transpose_b,
            stride_a: 0,
            stride_b: 0,
            stride_out: 0,
        })
    }

    /// The tiles for products of so many columns.
    fn tiles(&self, columns: usize) -> &'static Tiles {
        let g = self.geometry;
        let arithmetic = match self.dtype {
            DType::F64 => &F64,
            DType::F16 | DType::BF16 => &HALF,
            _ if self.tf32 => &TF32,
            _ => &F32,
        };
        let size = 16 / self.dtype.size();
        let vectors = (g.channels / g.groups).is_multiple_of(size) && (g.filters / g.groups).is_multiple_of(size);
        let fitting = arithmetic.vector.iter().filter(|_| vectors);
        fitting.min_by_key(|t| columns.next_multiple_of(t.columns)).unwrap_or(&arithmetic.gather)
    }

    /// Blocks for a product of `columns` in all groups by as many tiles of rows.
    fn grid(&self, tiles: &Tiles, columns: usize, rows: usize) -> Result<Grid> {
        let groups = self.geometry.groups;
        let count = rows.saturating_mul((columns / groups).div_ceil(tiles.columns)).saturating_mul(groups);
        Ok(Grid { blocks: [blocks(count)?, 1, 1], threads: 128, shared: 0 })
    }

    /// The depthwise kernels, and how many channels they take at once, if these are `bytes`.
    fn depthwise(&self, bytes: usize) -> (&'static Depthwise, usize) {
        let (g, vector) = (self.geometry, bytes / self.dtype.size());
        let multiplier = g.filters / g.channels;
        match g.filters.is_multiple_of(vector) && (multiplier == 1 || multiplier.is_multiple_of(vector)) {
            true => (&VECTOR, vector),
            false => (&SCALAR, 1),
        }
    }

    /// Room for sums that are not whole yet.
    fn parts(&self, dw: &Tensor, parts: usize) -> Result<Tensor> {
        let dtype = if self.dtype == DType::F64 { DType::F64 } else { DType::F32 };
        Tensor::empty(&dw.device(), Shape::new(&[parts, dw.shape().size()])?, dtype)
    }

    fn add_parts(&self, sums: &Tensor, dw: &Tensor, parts: usize) -> Result<()> {
        let n = dw.shape().size();
        let args = [Arg::output(dw)?, Arg::input(sums)?, Arg::I64(n as i64), Arg::I64(parts as i64)];
        let grid = Grid { blocks: [blocks(n.div_ceil(THREADS))?, 1, 1], threads: THREADS as u32, shared: 0 };
        self.device.launch(&ADD_PARTS, self.dtype, grid, &args)
    }

    fn places_out(&self) -> usize {
        self.geometry.batch * self.geometry.axes.iter().map(|a| a.output).product::<usize>()
    }

    fn taps(&self) -> usize {
        self.geometry.axes.iter().map(|a| a.size).product()
    }

    /// The parameters `GEOMETRY` of a kernel.
    ///
    /// # Errors
    /// An image, or what the kernel has for a channel or a filter, that 30 bits do not count.
    fn sizes(&self) -> Result<SmallVec<[Arg; 22]>> {
        let g = self.geometry;
        let mut args = SmallVec::new();
        let (mut input, mut output) = (1usize, 1usize);
        for &Axis { input: from, output: to, size, stride, dilation, before } in &g.axes {
            input = input.saturating_mul(from);
            output = output.saturating_mul(to);
            let reach = stride.saturating_mul(to).saturating_add(dilation.saturating_mul(size));
            narrow(reach.saturating_add(before))?;
            for n in [from, to, size, stride, dilation, before] {
                args.push(Arg::I32(narrow(n)?));
            }
        }
        narrow(input)?;
        narrow(output)?;
        narrow(self.taps().saturating_mul(g.channels.max(g.filters)))?;
        args.push(Arg::I64(g.batch as i64));
        for n in [g.channels, g.filters, g.groups] {
            args.push(Arg::I32(narrow(n)?));
        }
        Ok(args)
    }
}

/// Cuts `count` places into at most `parts` chunks that are multiples of `least`: how many, and how long.
fn cut(count: usize, least: usize, parts: usize) -> (usize, usize) {
    // A chunk and a place in an image are counted in 31 bits together.
    let chunk = count.div_ceil(parts.max(1)).next_multiple_of(least).clamp(least, (1 << 30) / least * least);
    (count.div_ceil(chunk).max(1), chunk)
}

fn depthwise_grid(threads: usize) -> Grid {
    let blocks = threads.div_ceil(THREADS).min(BLOCKS * 16) as u32;
    Grid { blocks: [blocks, 1, 1], threads: THREADS as u32, shared: 0 }
}

fn blocks(count: usize) -> Result<u32> {
    match u32::try_from(count) {
        Ok(blocks) if blocks <= i32::MAX as u32 => Ok(blocks),
        _ => Err(Error::shape("conv", format!("a CUDA kernel has at most 2³¹ − 1 blocks, this takes {count}"))),
    }
}

fn narrow(n: usize) -> Result<i32> {
    match i32::try_from(n) {
        Ok(n) if n <= 1 << 30 => Ok(n),
        _ => Err(Error::shape(
            "conv",
            format!("CUDA kernels count the places of an image and of a kernel to 2³⁰, got {n}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu::conv;
    use crate::device::cpu::convert::Convert;
    use crate::device::cuda::testing;
    use crate::{Device, with_dtype};

    /// Small whole numbers, whose products and sums f32 holds exactly in any order, and TF32 and halves as factors.
    fn whole(n: usize, start: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7 + i / 11 + start) % 5) as f32 - 2.0).collect()
    }

    /// Axes of (input, size, stride, dilation, zeros on either side).
    fn geometry(axes: [[usize; 5]; 3], [batch, channels, filters, groups]: [usize; 4]) -> Geometry {
        let axes = axes.map(|[input, size, stride, dilation, before]| {
            let output = (input + 2 * before - (size - 1) * dilation - 1) / stride + 1;
            Axis { input, output, size, stride, dilation, before }
        });
        Geometry { batch, axes, channels, filters, groups }
    }

    const ONE: [usize; 5] = [1, 1, 1, 1, 0];

    fn geometries() -> [Geometry; 10] {
        [
            // Wide tiles, of which the last are not full, and sums over the places in several parts.
            geometry([ONE, [13, 3, 1, 1, 1], [12, 3, 1, 1, 1]], [2, 16, 72, 1]),
            // Narrow ones, in groups; the window moves by two.
            geometry([ONE, [10, 3, 2, 1, 1], [9, 3, 2, 1, 0]], [2, 16, 48, 2]),
            // Places of the input that no tap reaches, and distances that are no multiples of the movement.
            geometry([[3, 2, 1, 1, 0], [9, 3, 2, 2, 2], [8, 3, 2, 3, 3]], [1, 8, 40, 1]),
            // One element at a time.
            geometry([ONE, [7, 3, 1, 1, 1], [9, 2, 2, 1, 0]], [3, 3, 5, 1]),
            geometry([ONE, ONE, [40, 5, 3, 1, 2]], [2, 9, 66, 3]),
            // Depthwise: as many filters as channels, several, one channel; more taps than a block takes.
            geometry([ONE, [9, 3, 1, 1, 1], [11, 3, 1, 1, 1]], [2, 24, 24, 24]),
            geometry([ONE, [9, 3, 2, 1, 1], [10, 4, 2, 2, 1]], [2, 4, 32, 4]),
            geometry([ONE, [8, 4, 3, 1, 1], [7, 3, 1, 2, 0]], [1, 3, 6, 3]),
            geometry([ONE, [30, 3, 1, 1, 0], [31, 3, 1, 1, 0]], [2, 1, 20, 1]),
            // A product.
            geometry([ONE, [5, 1, 1, 1, 0], [4, 1, 1, 1, 0]], [2, 8, 24, 1]),
        ]
    }

    fn check(conv: &Conv) -> Result<()> {
        let (g, device) = (conv.geometry, Device::Cuda(conv.device.handle()?));
        let extents = |of: fn(&Axis) -> usize| g.axes.iter().map(of).product::<usize>();
        let inputs = g.batch * extents(|a| a.input) * g.channels;
        let (outputs, kernels) = (conv.places_out() * g.filters, conv.taps() * g.channels / g.groups * g.filters);
        let (x, w, b, dy) = (whole(inputs, 0), whole(kernels, 3), whole(g.filters, 1), whole(outputs, 2));
        let (mut y, mut dx, mut dw) = (vec![0.0; outputs], vec![0.0; inputs], vec![0.0; kernels]);
        conv::forward(g, &x, &w, &mut y, None)?;
        conv::input_grad(g, &dy, &w, &mut dx)?;
        conv::kernel_grad(g, &x, &dy, &mut dw)?;
        y.iter_mut().enumerate().for_each(|(i, y)| *y = (*y + b[i % g.filters]).max(0.0));

        with_dtype!(conv.dtype, T => {
            let narrowed = |data: &[f32]| data.iter().map(|&x| T::from_f64(x.into())).collect::<Vec<T>>();
            let put = |data: &[f32]| Tensor::from_slice(&narrowed(data), data.len())?.to_device(&device);
            let empty = |n: usize| Tensor::full(&device, n, conv.dtype, f64::NAN);
            let (to_y, to_dx, to_dw) = (empty(outputs)?, empty(inputs)?, empty(kernels)?);
            let (x, w, b, dy) = (put(&x)?, put(&w)?, put(&b)?, put(&dy)?);
            conv.forward(&x, &w, Some(&b), &to_y, true)?;
            conv.input_grad(&dy, &w, &to_dx)?;
            conv.kernel_grad(&x, &dy, &to_dw)?;
            for (what, got, want) in [("y", to_y, y), ("dx", to_dx, dx), ("dw", to_dw, dw)] {
                let wide = |data: Vec<T>| data.into_iter().map(Convert::to_f64).collect::<Vec<f64>>();
                let label = format!("{what} of {:?}, TF32 {}, {g:?}", conv.dtype, conv.tf32);
                assert_eq!(wide(got.to_vec::<T>()?), wide(narrowed(&want)), "{label}");
            }
        });
        Ok(())
    }

    #[test]
    fn whole_numbers_are_exact() -> Result<()> {
        let Some(cuda) = testing::device() else { return Ok(()) };
        for geometry in &geometries() {
            for dtype in DType::FLOATS {
                check(&Conv { device: &cuda, geometry, dtype, tf32: false })?;
            }
            check(&Conv { device: &cuda, geometry, dtype: DType::F32, tf32: true })?;
        }
        Ok(())
    }

    #[test]
    fn tf32_rounds_factors_to_ten_bits() -> Result<()> {
        let Some(cuda) = testing::device() else { return Ok(()) };
        let device = Device::Cuda(cuda.clone());
        for channels in [3, 8] {
            let geometry = geometry([ONE, ONE, [4, 2, 1, 1, 0]], [1, channels, 8, 1]);
            let (terms, fine) = (2.0 * channels as f32, 1.0 + 2f32.powi(-12));
            let x = Tensor::full(&device, 4 * channels, DType::F32, fine.into())?;
            let (w, y) = (Tensor::ones(&device, 16 * channels, DType::F32)?, Tensor::zeros(&device, 24, DType::F32)?);
            for (tf32, want) in [(false, terms * fine), (true, terms)] {
                let conv = Conv { device: &cuda, geometry: &geometry, dtype: DType::F32, tf32 };
                conv.forward(&x, &w, None, &y, false)?;
                assert_eq!(y.to_vec::<f32>()?, vec![want; 24]);
            }
        }
        Ok(())
    }

    #[test]
    fn places_are_cut_into_whole_chunks() {
        for (count, least, parts) in [(0, 128, 9), (1, 128, 9), (1000, 128, 3), (1 << 40, 256, 7), (5000, 16, 0)] {
            let (cut, chunk) = cut(count, least, parts);
            assert!(
                chunk % least == 0 && cut * chunk >= count && (cut - 1) * chunk <= count,
                "{count} {least} {parts}"
            );
        }
    }

    #[test]
    fn sizes_beyond_30_bits_are_an_error_with_words() {
        let error = narrow(1 << 31).unwrap_err().to_string();
        assert!(error.contains("to 2³⁰, got 2147483648"), "{error}");
        assert!(blocks(1 << 31).is_err() && narrow(1 << 30).is_ok());
    }
}
