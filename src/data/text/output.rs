//! Places in a vocabulary as numbers and vectors.

use crate::device::Device;
use crate::device::cpu::threads;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The place of what is left out of vectors.
pub(super) const NOWHERE: i32 = -1;

/// How the places of terms are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Each as its number.
    Int,
    /// Each as a vector with a 1 at its place.
    OneHot,
    /// Those of a row together, with a 1 at the place of each that occurs.
    MultiHot,
    /// Those of a row together, with how often each occurs.
    Count,
    /// The same, times how telling each is.
    TfIdf,
}

impl Output {
    const ALL: [(Output, &str); 5] = [
        (Output::Int, "int"),
        (Output::OneHot, "one_hot"),
        (Output::MultiHot, "multi_hot"),
        (Output::Count, "count"),
        (Output::TfIdf, "tf_idf"),
    ];

    /// Keras's name.
    pub fn name(self) -> &'static str {
        Output::ALL.into_iter().find(|(output, _)| *output == self).map_or("", |(_, name)| name)
    }

    /// The one that Keras calls so, unless the layer lacks it.
    pub fn from_name(name: &str, lacking: &[Output]) -> Result<Output> {
        let known = || Output::ALL.into_iter().filter(|(output, _)| !lacking.contains(output));
        known().find(|(_, n)| *n == name).map(|(output, _)| output).ok_or_else(|| {
            let names: Vec<_> = known().map(|(_, name)| name).collect();
            Error::Config(format!("argument `output_mode`: expected one of {}, got {name}", names.join(", ")))
        })
    }

    /// These places, in the shape of what they are of: int32 in that shape, or float32 vectors of `depth` elements, of
    /// which those of a last axis together make one.
    ///
    /// # Errors
    /// More than two axes where the last one is taken together.
    pub fn encode(self, places: &[i32], shape: Shape, depth: usize, weights: Option<&[f32]>) -> Result<Tensor> {
        // Keras gives a single value an axis of its own.
        let vectors = if shape.rank() == 0 { Shape::new(&[1])? } else { shape };
        let rank = vectors.rank();
        match self {
            Output::Int => Tensor::from_slice(places, shape),
            Output::OneHot => {
                // A last axis of one value is that value.
                let outer = if rank > 1 && vectors.last() == 1 { &vectors[..rank - 1] } else { &vectors[..] };
                let to = Shape::new(&[outer, &[depth]].concat())?;
                self.fill(to, weights, |row| std::slice::from_ref(&places[row]))
            }
            _ if rank > 2 => {
                let name = self.name();
                Err(Error::Input(format!("expected at most 2 axes for {name}, got shape {shape}")))
            }
            _ => {
                let (outer, length) = (&vectors[..rank - 1], vectors.last());
                let to = Shape::new(&[outer, &[depth]].concat())?;
                self.fill(to, weights, |row| &places[row * length..(row + 1) * length])
            }
        }
    }

    /// The places of each row: int32 padded with 0 to `length` or to that of the longest row, or a vector for each.
    pub fn encode_rows(
        self,
        rows: &[Vec<i32>],
        length: Option<usize>,
        depth: usize,
        weights: Option<&[f32]>,
    ) -> Result<Tensor> {
        if self != Output::Int {
            return self.fill(Shape::new(&[rows.len(), depth])?, weights, |row| &rows[row]);
        }
        let length = length.unwrap_or_else(|| rows.iter().map(Vec::len).max().unwrap_or(0));
        let mut tensor = Tensor::zeros(&Device::Cpu, [rows.len(), length], DType::I32)?;
        if length > 0 {
            for (to, row) in tensor.data_mut::<i32>()?.chunks_exact_mut(length).zip(rows) {
                to.iter_mut().zip(row).for_each(|(to, &place)| *to = place);
            }
        }
        Ok(tensor)
    }

    /// A vector for each row, of the places that it has.
    fn fill<'p>(
        self,
        shape: Shape,
        weights: Option<&[f32]>,
        places: impl Fn(usize) -> &'p [i32] + Sync,
    ) -> Result<Tensor> {
        let mut tensor = Tensor::zeros(&Device::Cpu, shape, DType::F32)?;
        let depth = shape.last();
        threads::split_rows(tensor.data_mut::<f32>()?, depth, 64, |first, vectors| {
            for (row, vector) in (first..).zip(vectors.chunks_exact_mut(depth)) {
                for &place in places(row) {
                    let Some(to) = usize::try_from(place).ok().and_then(|place| vector.get_mut(place)) else {
                        continue;
                    };
                    match self {
                        Output::Count | Output::TfIdf => *to += 1.0,
                        _ => *to = 1.0,
                    }
                }
                for (to, weight) in vector.iter_mut().zip(weights.unwrap_or(&[])) {
                    *to *= weight;
                }
            }
        });
        Ok(tensor)
    }
}
