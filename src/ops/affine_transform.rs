//! Images moved, turned and stretched.

use super::resize::Interpolation;
use crate::device::cpu::convert::require_float;
use crate::device::cpu::{Float, threads};
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one, given};
use crate::with_float;

/// What lies outside an image `a b c d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FillMode {
    /// One value: `k k k k | a b c d | k k k k`.
    Constant,
    /// The nearest pixel: `a a a a | a b c d | d d d d`.
    Nearest,
    /// The image mirrored about its edge: `d c b a | a b c d | d c b a`.
    #[default]
    Reflect,
    /// The image again: `a b c d | a b c d | a b c d`.
    Wrap,
}

impl FillMode {
    /// All of them, in the order of the kernel's numbers.
    pub const ALL: [FillMode; 4] = [FillMode::Constant, FillMode::Nearest, FillMode::Reflect, FillMode::Wrap];

    /// Keras's name.
    pub fn name(self) -> &'static str {
        match self {
            FillMode::Constant => "constant",
            FillMode::Nearest => "nearest",
            FillMode::Reflect => "reflect",
            FillMode::Wrap => "wrap",
        }
    }

    /// Which of `extent` elements stands for the one at `index`, if one does.
    #[inline(always)]
    fn place(self, index: i64, extent: i64) -> Option<usize> {
        let place = match self {
            FillMode::Constant if !(0..extent).contains(&index) => return None,
            FillMode::Constant => index,
            FillMode::Nearest => index.clamp(0, extent - 1),
            FillMode::Reflect => {
                let at = index.rem_euclid(2 * extent);
                at.min(2 * extent - 1 - at)
            }
            FillMode::Wrap => index.rem_euclid(extent),
        };
        Some(place as usize)
    }
}

/// y[n, i, j] is x[n] at the row b₀·j + b₁·i + b₂ and the column a₀·j + a₁·i + a₂, where ((a₀, a₁, a₂), (b₀, b₁, b₂))
/// is the n-th of the maps, which so lead from the output back to the input.
#[derive(Clone, Copy, Debug)]
pub struct AffineTransform {
    size: [usize; 2],
    interpolation: Interpolation,
    fill: FillMode,
    value: f64,
}

static TRANSFORM: Kernel = Kernel::new("image", "affine_transform", FLOATS);

impl Tensor {
    /// Images `(batch, height, width, channels)` of a floating-point dtype, each seen through its map of `maps`
    /// (float32, `(batch, 2, 3)`): [Keras's
    /// `affine_transform`](https://keras.io/api/ops/image/#affine_transform-function), with the first six of its eight
    /// numbers. The pixel at the row i and the column j is the input's at the column a₀·j + a₁·i + a₂ and the row b₀·j
    /// + b₁·i + b₂; `value` is outside where the fill mode is a constant. The output has the height and width `size`.
    ///
    /// No gradient flows through it: it is for data, before the first weights. What stands before it and is trained
    /// ends in [`Error::NoGradient`].
    ///
    /// # Errors
    /// Other shapes or dtypes, images without pixels, an interpolation that is neither nearest nor bilinear.
    pub fn affine_transform(
        &self,
        maps: &Tensor,
        size: [usize; 2],
        interpolation: Interpolation,
        fill: FillMode,
        value: f64,
    ) -> Result<Tensor> {
        apply_one(AffineTransform { size, interpolation, fill, value }, &[self, maps])
    }
}

impl AffineTransform {
    /// The pixels of the i-th row of the output, from an image of this height and width and so many channels.
    #[inline(always)]
    fn row<T: Float>(&self, i: usize, x: &[T], own: [usize; 3], map: &[f32], out: &mut [T]) {
        let [height, width, channels] = own;
        let [a0, a1, a2, b0, b1, b2] = std::array::from_fn(|k| f64::from(map[k]));
        let pixel = |row: i64, column: i64| {
            let at = (self.fill.place(row, height as i64)? * width + self.fill.place(column, width as i64)?) * channels;
            Some(&x[at..at + channels])
        };
        let value = T::of(self.value);
        for (j, out) in out.chunks_exact_mut(channels).enumerate() {
            let (i, j) = (i as f64, j as f64);
            let (column, row) = (a0 * j + a1 * i + a2, b0 * j + b1 * i + b2);
            if self.interpolation == Interpolation::Nearest {
                match pixel(row.round() as i64, column.round() as i64) {
                    Some(pixel) => out.copy_from_slice(pixel),
                    None => out.fill(value),
                }
                continue;
            }
            let (top, left) = (row.floor(), column.floor());
            let (down, right) = (T::of(row - top), T::of(column - left));
            out.fill(T::ZERO);
            for (dy, part) in [(0, T::ONE - down), (1, down)] {
                for (dx, part) in [(0, part * (T::ONE - right)), (1, part * right)] {
                    match pixel((top as i64).saturating_add(dy), (left as i64).saturating_add(dx)) {
                        Some(pixel) => out.iter_mut().zip(pixel).for_each(|(out, &x)| *out += part * x),
                        None => out.iter_mut().for_each(|out| *out += part * value),
                    }
                }
            }
        }
    }
}

impl Op for AffineTransform {
    fn name(&self) -> &'static str {
        "affine_transform"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let [x, maps] = inputs else {
            let message = format!("expected images and their maps, got {}", given(inputs));
            return Err(Error::shape("affine_transform", message));
        };
        require_float("affine_transform", x.dtype)?;
        let [batch, height, width, channels] = x.shape[..] else {
            let message = format!("expected images (batch, height, width, channels), got shape {}", x.shape);
            return Err(Error::shape("affine_transform", message));
        };
        if maps.dtype != DType::F32 || maps.shape.dims() != [batch, 2, 3] {
            let message = format!("expected maps float32 ({batch}, 2, 3), got {maps}");
            return Err(Error::shape("affine_transform", message));
        }
        let [out_height, out_width] = self.size;
        let out = Shape::new(&[batch, out_height, out_width, channels])?;
        if height * width == 0 && out.size() > 0 {
            return Err(Error::shape("affine_transform", format!("expected images with pixels, got shape {}", x.shape)));
        }
        if !matches!(self.interpolation, Interpolation::Nearest | Interpolation::Bilinear) {
            let name = self.interpolation.name();
            return Err(Error::Config(format!("affine_transform: expected nearest or bilinear, got {name}")));
        }
        Ok(Metas::from_elem(Meta::new(out, x.dtype), 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (x, maps) = (inputs[0], inputs[1].data::<f32>()?);
        let own @ [_, _, channels] = [x.shape()[1], x.shape()[2], x.shape()[3]];
        let [height, width] = self.size;
        let (image, row) = (own[0] * own[1] * channels, width * channels);
        with_float!(x.dtype(), "affine_transform", T => {
            let x = x.data::<T>()?;
            threads::split_rows(outputs[0].data_mut::<T>()?, row, (1usize << 12).div_ceil(row.max(1)), |first, out| {
                T::vectorize(#[inline(always)] || {
                    for (at, out) in (first..).zip(out.chunks_exact_mut(row)) {
                        let n = at / height;
                        self.row(at % height, &x[n * image..][..image], own, &maps[6 * n..][..6], out);
                    }
                });
            });
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (x, out) = (inputs[0], &outputs[0]);
        let (shape, n) = (x.shape(), out.shape().size());
        let [height, width] = self.size;
        let sizes = [n, shape[1], shape[2], shape[3], height, width].map(|x| Arg::I64(x as i64));
        let [n_arg, own_height, own_width, channels, height, width] = sizes;
        let args = [
            Arg::output(out)?,
            Arg::input(x)?,
            Arg::input(inputs[1])?,
            n_arg,
            own_height,
            own_width,
            channels,
            height,
            width,
            Arg::I32(i32::from(self.interpolation == Interpolation::Bilinear)),
            Arg::I32(self.fill as i32),
            Arg::F64(self.value),
        ];
        device.launch(&TRANSFORM, x.dtype(), Grid::elements(n), &args)
    }

    /// A pixel's gradient would be the sum over all that saw it, whose places only the maps tell.
    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Ok(Gradients::new())
    }

    fn cases() -> Vec<Case> {
        let case = |x: [usize; 4], size, interpolation, fill| {
            let maps = Sample::within([x[0], 2, 3], -1.5..1.5).dtype(DType::F32);
            Case::new(AffineTransform { size, interpolation, fill, value: 0.75 }, [Sample::new(x), maps])
        };
        let mut cases = vec![
            case([0, 3, 4, 1], [3, 4], Interpolation::Bilinear, FillMode::Reflect),
            case([2, 3, 4, 0], [3, 4], Interpolation::Nearest, FillMode::Reflect),
            case([1, 1, 1, 2], [5, 3], Interpolation::Bilinear, FillMode::Wrap),
            case([3, 67, 41, 3], [33, 50], Interpolation::Bilinear, FillMode::Reflect),
        ];
        for fill in FillMode::ALL {
            for interpolation in [Interpolation::Nearest, Interpolation::Bilinear] {
                cases.push(case([2, 5, 7, 3], [6, 5], interpolation, fill));
            }
        }
        cases
    }
}
