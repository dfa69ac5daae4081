//! What the poolings share: which elements a window sees at each of its steps, and how threads and kernels go over them.

use super::window::{Padding, SPATIAL, Slide, Window, spatial};
use crate::device::cpu::convert::require_float;
use crate::device::cpu::{Float, threads};
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Case, Meta, Op, Sample};
use smallvec::SmallVec;
use std::ops::Range;

/// Channels that are worked on at a time: enough that what is done for each window is little beside them.
pub const LANES: usize = 32;

/// Elements that are worth a thread, and those of a piece that stays in a cache.
const GRAIN: usize = 1 << 13;
const PIECE: usize = 1 << 16;

/// The output's shape for an input `(batch, …, channels)` of floats.
///
/// # Errors
/// Shapes that do not fit, and windows that might see nothing but padding, of which there is neither a largest element nor a
/// mean.
pub fn infer(op: &'static str, window: &Window, x: &Meta) -> Result<Meta> {
    require_float(op, x.dtype)?;
    let steps = window.steps(op, &x.shape)?;
    for (slide, &extent) in window.slides().iter().zip(&x.shape[1..]) {
        let &Slide { size, dilation, before, after, .. } = slide;
        if dilation != 1 {
            return Err(Error::Config(format!("{op}: expected a window without dilation, got one of {dilation}")));
        }
        if extent == 0 || before >= size || after >= size {
            let message =
                format!("a window of {size} sees nothing but padding of {before} and {after} around shape {}", x.shape);
            return Err(Error::shape(op, message));
        }
    }
    let size = window.slides().iter().try_fold(1usize, |n, slide| n.checked_mul(slide.size));
    if size.is_none_or(|n| n > i32::MAX as usize) {
        let sizes: Vec<usize> = window.slides().iter().map(|slide| slide.size).collect();
        return Err(Error::Config(format!("{op}: expected a window of at most 2^31 - 1 elements, got {sizes:?}")));
    }
    Ok(Meta::new(image(x.shape[0], &steps, x.shape.last())?, x.dtype))
}

/// The shape of a tensor of these spatial extents, of which there are at most three.
fn image(batch: usize, extents: &[usize], channels: usize) -> Result<Shape> {
    let dims: SmallVec<[usize; SPATIAL + 2]> = [batch].iter().chain(extents).chain([&channels]).copied().collect();
    Shape::new(&dims)
}

/// The input's shape for the gradient of an output; `extents` are the input's spatial ones, with 1 before them where there
/// are fewer than three.
///
/// # Errors
/// A gradient that is of no output of such an input.
pub fn infer_grad(op: &'static str, window: &Window, extents: &[usize; SPATIAL], dy: &Meta) -> Result<Meta> {
    require_float(op, dy.dtype)?;
    let (batch, extents) = (dy.shape.first().copied().unwrap_or(0), &extents[SPATIAL - window.rank()..]);
    let x = Meta::new(image(batch, extents, dy.shape.last())?, dy.dtype);
    let want = infer(op, window, &x)?;
    if want != *dy {
        return Err(Error::shape(op, format!("expected a gradient of {}, got {}", want.shape, dy.shape)));
    }
    Ok(x)
}

/// The sizes of a pooling over three axes, whose shapes have been checked.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    batch: usize,
    channels: usize,
    input: [usize; SPATIAL],
    output: [usize; SPATIAL],
    slides: [Slide; SPATIAL],
}

/// What the window sees at one of its steps.
pub struct Seen {
    /// The elements along each axis, those of the padding left out.
    ranges: [Range<usize>; SPATIAL],
    /// The number that the window's first element has along each axis, counted with the padding.
    starts: [usize; SPATIAL],
    image: usize,
}

impl Seen {
    /// How many elements it is.
    #[inline(always)]
    pub fn count(&self) -> usize {
        self.ranges.iter().map(Range::len).product()
    }
}

impl Geometry {
    /// That of `window` between tensors of these shapes.
    pub fn new(window: &Window, x: &Shape, y: &Shape) -> Geometry {
        let batch = y.first().copied().unwrap_or(0);
        Geometry { batch, channels: y.last(), input: spatial(x), output: spatial(y), slides: window.three() }
    }

    /// The elements of a position.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Calls `f(step along the last axis, what the window sees)` for the steps along that axis at these along the others.
    #[inline(always)]
    fn along_row(&self, image: usize, [i, j]: [usize; 2], mut f: impl FnMut(usize, &Seen)) {
        let along = |a: usize, step: usize| {
            let Slide { size, stride, before, .. } = self.slides[a];
            let start = step * stride;
            (start, start.saturating_sub(before)..(start + size - before).min(self.input[a]))
        };
        let [(first, rows), (second, columns)] = [along(0, i), along(1, j)];
        let mut seen = Seen { ranges: [rows, columns, 0..0], starts: [first, second, 0], image };
        for k in 0..self.output[2] {
            (seen.starts[2], seen.ranges[2]) = along(2, k);
            f(k, &seen);
        }
    }

    /// The number that an element has in the window along an axis.
    #[inline(always)]
    fn number(&self, seen: &Seen, axis: usize, at: usize) -> usize {
        at + self.slides[axis].before - seen.starts[axis]
    }

    /// The number in the window of the first that is seen.
    #[inline(always)]
    pub fn first(&self, seen: &Seen) -> usize {
        (0..SPATIAL).fold(0, |n, a| n * self.slides[a].size + self.number(seen, a, seen.ranges[a].start))
    }

    /// Calls `f(position of the input, number in the window)` for all that is seen, from the first to the last.
    #[inline(always)]
    pub fn each(&self, seen: &Seen, mut f: impl FnMut(usize, usize)) {
        let [d, h, w] = self.input;
        for i in seen.ranges[0].clone() {
            for j in seen.ranges[1].clone() {
                let row = ((seen.image * d + i) * h + j) * w;
                let numbers = self.number(seen, 0, i) * self.slides[1].size + self.number(seen, 1, j);
                for k in seen.ranges[2].clone() {
                    f(row + k, numbers * self.slides[2].size + self.number(seen, 2, k));
                }
            }
        }
    }

    /// Calls `work(rows)` over the threads for parts of the output's rows, the positions along its last axis.
    pub fn over_rows(&self, work: &(dyn Fn(Range<usize>) + Sync)) {
        let rows = self.batch * self.output[0] * self.output[1];
        let seen = (0..SPATIAL).map(|a| self.slides[a].size.min(self.input[a]));
        let elements = seen.fold(self.output[2] * self.channels, usize::saturating_mul);
        if rows > 0 && elements > 0 {
            threads::split(rows, GRAIN.div_ceil(elements), work);
        }
    }

    /// The elements of rows of the output.
    pub fn elements(&self, rows: &Range<usize>) -> Range<usize> {
        let row = self.output[2] * self.channels;
        rows.start * row..rows.end * row
    }

    /// Calls `f(elements, first channel, what the window sees)` for the elements of these rows, counted from the first of them:
    /// [`LANES`] channels of a position at a time, and then the rest.
    #[inline(always)]
    pub fn in_rows(&self, rows: Range<usize>, mut f: impl FnMut(Range<usize>, usize, &Seen)) {
        let ([d, h, w], channels) = (self.output, self.channels);
        let whole = channels / LANES * LANES;
        for (i, row) in rows.enumerate() {
            self.along_row(
                row / (d * h),
                [row / h % d, row % h],
                #[inline(always)]
                |k, seen| {
                    let at = (i * w + k) * channels;
                    for c in (0..whole).step_by(LANES) {
                        f(at + c..at + c + LANES, c, seen);
                    }
                    if whole < channels {
                        f(at + whole..at + channels, whole, seen);
                    }
                },
            );
        }
    }

    /// Computes `dx` from 0 on by `add(elements of the output, elements of dx, number in the window, elements that the window
    /// sees)` for all that windows see, over the threads.
    ///
    /// `dx` is cut into pieces of whole rows, which stay in a cache while they are added to. Windows at the edge of a piece are
    /// looked at for the next one too, so that no thread adds to another's, and each element is added to in their order.
    pub fn pull<T: Float>(&self, dx: &mut [T], add: impl Fn(Range<usize>, &mut [T], usize, usize) + Sync) {
        let (channels, rows) = (self.channels, self.input[0] * self.input[1]);
        let row = self.input[2] * channels;
        threads::split_rows(dx, row, GRAIN.div_ceil(row.max(1)), |first, part| {
            let fit = (PIECE / row).max(1);
            let each = if fit > rows { fit / rows * rows } else { fit };
            for (i, piece) in part.chunks_mut(each * row).enumerate() {
                let first = first + i * each;
                piece.fill(T::ZERO);
                T::vectorize(
                    #[inline(always)]
                    || {
                        let start = first * self.input[2];
                        self.reaching(
                            first..first + piece.len() / row,
                            #[inline(always)]
                            |position, seen| {
                                let from = position * channels..(position + 1) * channels;
                                let count = seen.count();
                                self.each(
                                    seen,
                                    #[inline(always)]
                                    |to, number| {
                                        // Past the end if it lies before the piece.
                                        let to = to.wrapping_sub(start).saturating_mul(channels);
                                        if to < piece.len() {
                                            add(from.clone(), &mut piece[to..][..channels], number, count);
                                        }
                                    },
                                );
                            },
                        );
                    },
                );
            }
        });
    }

    /// Calls `f(position of the output, what the window sees)` for the windows that reach into these rows of the input, in
    /// their order.
    #[inline(always)]
    fn reaching(&self, rows: Range<usize>, mut f: impl FnMut(usize, &Seen)) {
        let ([d, h, w], depth, height) = (self.output, self.input[0], self.input[1]);
        for image in rows.start / (depth * height)..rows.end.div_ceil(depth * height) {
            for (i, j) in (0..d).flat_map(|i| (0..h).map(move |j| (i, j))) {
                self.along_row(
                    image,
                    [i, j],
                    #[inline(always)]
                    |k, seen| {
                        let row = |at: usize, along: usize| (image * depth + at) * height + along;
                        let first = row(seen.ranges[0].start, seen.ranges[1].start);
                        let last = row(seen.ranges[0].end - 1, seen.ranges[1].end - 1);
                        if last >= rows.start && first < rows.end {
                            f(((image * d + i) * h + j) * w + k, seen);
                        }
                    },
                );
            }
        }
    }

    /// Launches `kernel(pointers…, positions, channels, extents…, steps…, sizes…, strides…, paddings…)`, a thread an element
    /// or, where the channels allow it, sixteen bytes of them: for each position of the output, or of the input.
    pub fn cuda(
        &self,
        device: &CudaDevice,
        kernel: &Kernel,
        dtype: DType,
        pointers: &[Arg],
        of_input: bool,
    ) -> Result<()> {
        let extents = if of_input { self.input } else { self.output };
        let positions = self.batch * extents.iter().product::<usize>();
        let each = 16 / dtype.size();
        let lanes = if self.channels.is_multiple_of(each) { each } else { 1 };
        let mut args: SmallVec<[Arg; 24]> = SmallVec::from_slice(pointers);
        args.extend([positions, self.channels].map(|n| Arg::I64(n as i64)));
        let slides = |f: fn(&Slide) -> usize| self.slides.each_ref().map(f);
        for three in [self.input, self.output, slides(|s| s.size), slides(|s| s.stride), slides(|s| s.before)] {
            args.extend(three.map(|n| Arg::I64(n as i64)));
        }
        device.launch(kernel, dtype, Grid::elements(positions * self.channels / lanes), &args)
    }
}

/// What both are tested on: an input, and the size, stride and padding of a window.
pub const CASES: &[Sizes] = &[
    Sizes(&[2, 6, 8, 3], &[2, 2], &[2, 2], Padding::Valid),
    Sizes(&[2, 7, 5, 16], &[3, 3], &[2, 2], Padding::Same),
    Sizes(&[1, 7, 9, 20], &[3, 2], &[1, 2], Padding::Valid),
    Sizes(&[3, 5, 4, 1], &[2, 3], &[1, 1], Padding::Same),
    Sizes(&[2, 9, 7, 2], &[2, 2], &[3, 4], Padding::Valid),
    Sizes(&[1, 3, 2, 5], &[5, 4], &[2, 1], Padding::Same),
    Sizes(&[1, 20, 19, 8], &[18, 17], &[2, 1], Padding::Valid),
    Sizes(&[0, 5, 5, 3], &[2, 2], &[2, 2], Padding::Valid),
    Sizes(&[2, 5, 5, 0], &[2, 2], &[2, 2], Padding::Valid),
    Sizes(&[3, 11, 33], &[4], &[3], Padding::Same),
    Sizes(&[2, 13, 5], &[3], &[2], Padding::Causal),
    Sizes(&[2, 5, 4, 6, 4], &[2, 3, 2], &[2, 1, 2], Padding::Same),
    Sizes(&[1, 4, 5, 3, 7], &[3, 2, 3], &[1, 3, 1], Padding::Valid),
    Sizes(&[2, 34, 33, 35], &[3, 3], &[2, 2], Padding::Same),
];

/// An input's shape, and the size, stride and padding of a window.
pub struct Sizes(&'static [usize], &'static [usize], &'static [usize], Padding);

impl Sizes {
    /// Cases are written by hand, so their windows are valid.
    #[allow(clippy::expect_used)]
    pub fn window(&self) -> Window {
        let extents = &self.0[1..self.0.len() - 1];
        Window::new(extents, self.1, self.2, &vec![1; extents.len()], self.3).expect("a case's window is valid")
    }

    /// The input's shape.
    pub fn x(&self) -> Sample {
        Sample::new(self.0)
    }

    /// The output's shape.
    #[allow(clippy::expect_used)]
    pub fn y(&self) -> Sample {
        let x = Meta::new(self.x().shape, DType::F32);
        Sample::new(infer("pool", &self.window(), &x).expect("a case's shapes fit").shape.dims())
    }

    /// The case of an op on the input.
    pub fn case(&self, op: impl Op) -> Case {
        Case::new(op, [self.x()])
    }
}
