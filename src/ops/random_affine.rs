//! Random maps for [`Tensor::affine_transform`].

use super::random::{Generator, check_state, philox, sample_state};
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Tensor, apply_one, given};
use std::f64::consts::TAU;

/// A random motion of images of which each has its own, but for a crop. Numbers are uniform between the two of a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Motion {
    /// Mirrored with a probability of ½ about the axes that are named, about both or none of them.
    Flip {
        /// Up and down.
        vertical: bool,
        /// Left and right.
        horizontal: bool,
    },
    /// Turned about the middle, by parts of a whole turn.
    Rotate([f64; 2]),
    /// Moved, by parts of the height and of the width.
    Translate {
        /// Downwards.
        height: [f64; 2],
        /// To the right.
        width: [f64; 2],
    },
    /// Seen from further away, where the factor is above 1, or from nearer.
    Zoom {
        /// Vertically.
        height: [f64; 2],
        /// Horizontally; `None` for the same number.
        width: Option<[f64; 2]>,
    },
    /// A part of this height and width, at the same whole pixel of all images.
    Crop([usize; 2]),
}

impl Motion {
    /// Its number for the kernel, and from what to what its two numbers lie for images of this height and width.
    fn ranges(&self, [height, width]: [usize; 2]) -> (i32, [[f64; 2]; 2]) {
        let times = |range: [f64; 2], extent: usize| range.map(|x| x * extent as f64);
        let flag = |on: bool| [f64::from(u8::from(on)); 2];
        let places = |extent: usize, part: usize| [0.0, (extent.saturating_sub(part) + 1) as f64];
        match *self {
            Motion::Flip { vertical, horizontal } => (0, [flag(vertical), flag(horizontal)]),
            Motion::Rotate(turns) => (1, [turns, [0.0; 2]]),
            Motion::Translate { height: h, width: w } => (2, [times(h, height), times(w, width)]),
            Motion::Zoom { height, width: Some(width) } => (3, [height, width]),
            Motion::Zoom { height, width: None } => (4, [height, height]),
            Motion::Crop([h, w]) => (5, [places(height, h), places(width, w)]),
        }
    }
}

/// The map of each of `batch` images of this height and width.
#[derive(Clone, Copy, Debug)]
pub struct RandomAffine {
    motion: Motion,
    batch: usize,
    size: [usize; 2],
    stream: u32,
}

static KERNEL: Kernel = Kernel::new("random", "random_affine", &[DType::F32]);

impl Generator {
    /// The maps of a motion for images of the shape `(batch, height, width, channels)`, as
    /// [`Tensor::affine_transform`] takes them: float32, `(batch, 2, 3)`.
    ///
    /// # Errors
    /// Another shape, a crop that is larger than the images, numbers that are not finite or in the wrong order.
    pub fn affine(&self, motion: Motion, images: &Shape) -> Result<Tensor> {
        let [batch, height, width, _] = images[..] else {
            let message = format!("expected images (batch, height, width, channels), got shape {images}");
            return Err(Error::shape("random_affine", message));
        };
        let op = RandomAffine { motion, batch, size: [height, width], stream: self.stream() };
        apply_one(op, &[self.state()])
    }
}

impl RandomAffine {
    /// The map for two uniform numbers: ((a₀, a₁, a₂), (b₀, b₁, b₂)).
    fn map(&self, [u, v]: [f32; 2]) -> [f64; 6] {
        let (_, ranges) = self.motion.ranges(self.size);
        let number = |[low, high]: [f64; 2], u: f32| low + (high - low) * f64::from(u);
        let (vertical, horizontal) = (number(ranges[0], u), number(ranges[1], v));
        // The middle of the image.
        let [y, x] = self.size.map(|n| (n as f64 - 1.0) / 2.0);
        match self.motion {
            Motion::Flip { .. } => {
                let sign = |on: f64| if u < 0.5 { 1.0 - 2.0 * on } else { 1.0 };
                let (fx, fy) = (sign(horizontal), sign(vertical));
                [fx, 0.0, x * (1.0 - fx), 0.0, fy, y * (1.0 - fy)]
            }
            Motion::Rotate(_) => {
                let (sin, cos) = (TAU * vertical).sin_cos();
                [cos, -sin, x - x * cos + y * sin, sin, cos, y - x * sin - y * cos]
            }
            Motion::Translate { .. } => [1.0, 0.0, -horizontal, 0.0, 1.0, -vertical],
            Motion::Zoom { width, .. } => {
                let horizontal = if width.is_some() { horizontal } else { vertical };
                [horizontal, 0.0, x * (1.0 - horizontal), 0.0, vertical, y * (1.0 - vertical)]
            }
            Motion::Crop(_) => [1.0, 0.0, horizontal.floor(), 0.0, 1.0, vertical.floor()],
        }
    }
}

impl Op for RandomAffine {
    fn name(&self) -> &'static str {
        "random_affine"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let [state] = inputs else {
            return Err(Error::shape("random_affine", format!("expected a generator's state, got {}", given(inputs))));
        };
        check_state("random_affine", state)?;
        let (_, ranges) = self.motion.ranges(self.size);
        if let Some([low, high]) = ranges.iter().find(|[low, high]| !((high - low).is_finite() && low <= high)) {
            return Err(Error::Config(format!("random_affine: expected finite low <= high, got {low} and {high}")));
        }
        let [height, width] = self.size;
        match self.motion {
            Motion::Crop([h, w]) if h > height || w > width => Err(Error::Config(format!(
                "random_affine: expected a crop within images of {height} by {width}, got {h} by {w}"
            ))),
            _ => Ok(Metas::from_elem(Meta::new(Shape::new(&[self.batch, 2, 3])?, DType::F32), 1)),
        }
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let philox = philox(inputs[0], self.stream)?;
        for (n, out) in outputs[0].data_mut::<f32>()?.chunks_exact_mut(6).enumerate() {
            let block = if matches!(self.motion, Motion::Crop(_)) { 0 } else { n as u64 };
            let [u, v, ..] = philox.uniform(block);
            out.iter_mut().zip(self.map([u, v])).for_each(|(out, x)| *out = x as f32);
        }
        Ok(())
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (kind, [[a, b], [c, d]]) = self.motion.ranges(self.size);
        let [height, width] = self.size.map(|n| Arg::I64(n as i64));
        let args = [
            Arg::output(&outputs[0])?,
            Arg::input(inputs[0])?,
            Arg::I64(self.batch as i64),
            Arg::U32(self.stream),
            Arg::I32(kind),
            height,
            width,
            Arg::F64(a),
            Arg::F64(b),
            Arg::F64(c),
            Arg::F64(d),
        ];
        device.launch(&KERNEL, DType::F32, Grid::elements(self.batch), &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Ok(Gradients::new())
    }

    fn cases() -> Vec<Case> {
        let motions = [
            Motion::Flip { vertical: true, horizontal: true },
            Motion::Flip { vertical: false, horizontal: true },
            Motion::Rotate([-0.5, 0.5]),
            Motion::Translate { height: [-0.2, 0.3], width: [0.0, 0.5] },
            Motion::Zoom { height: [0.5, 1.5], width: Some([0.7, 0.8]) },
            Motion::Zoom { height: [0.5, 1.5], width: None },
            Motion::Crop([3, 2]),
        ];
        let case = |(motion, stream): (Motion, u32)| {
            let op = RandomAffine { motion, batch: 33 * (stream as usize % 2), size: [5, 8], stream };
            Case::new(op, [sample_state()]).dtypes(&[DType::F32])
        };
        motions.into_iter().flat_map(|m| [(m, 1), (m, 3)]).chain([(motions[0], 2)]).map(case).collect()
    }
}
