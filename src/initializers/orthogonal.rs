//! Orthogonal matrices.

use super::{Initializer, normal, number};
use crate::device::cpu::philox::Philox;
use crate::error::{Error, Result};
use crate::shape::Shape;
use serde_json::{Map, Value};

/// gain times a random matrix whose rows or columns, whichever are fewer, have the length 1 and stand at right angles
/// to each other; by default the gain 1 ([Keras](https://keras.io/api/layers/initializers/#orthogonal-class); Saxe et
/// al., *Exact solutions to the nonlinear dynamics of learning in deep linear neural networks*, 2014).
///
/// The matrix is the weight with all axes but the last as one, so that a weight needs two at least. It is Q of a QR
/// factorisation of normal numbers, with a positive diagonal of R, which spreads it evenly over all such matrices.
#[derive(Clone, Copy, Debug)]
pub struct Orthogonal {
    gain: f64,
}

impl Orthogonal {
    /// Lengths of this number.
    pub fn new(gain: f64) -> Orthogonal {
        Orthogonal { gain }
    }

    pub(super) fn from_config(config: &Map<String, Value>) -> Result<Orthogonal> {
        Ok(Orthogonal { gain: number(config, "gain", 1.0)? })
    }
}

impl Default for Orthogonal {
    fn default() -> Self {
        Orthogonal::new(1.0)
    }
}

impl Initializer for Orthogonal {
    fn class_name(&self) -> &'static str {
        "Orthogonal"
    }

    fn config(&self) -> Map<String, Value> {
        Map::from_iter([("seed".into(), Value::Null), ("gain".into(), self.gain.into())])
    }

    fn values(&self, shape: &Shape, numbers: &Philox) -> Result<Vec<f32>> {
        let [leading @ .., columns] = shape.dims() else { return Err(too_few(shape)) };
        if leading.is_empty() {
            return Err(too_few(shape));
        }
        let (rows, columns) = (leading.iter().product::<usize>(), *columns);
        // `few` vectors of `long` elements, one behind the other.
        let (few, long) = (rows.min(columns), rows.max(columns));
        let mut vectors: Vec<f64> = normal(shape, numbers, 0.0, 1.0).into_iter().map(f64::from).collect();
        orthonormalize(&mut vectors, long);
        let at = |row: usize, column: usize| match rows <= columns {
            true => vectors[row * long + column],
            false => vectors[column * long + row],
        };
        debug_assert_eq!(vectors.len(), few * long);
        let place = |i: usize| (at(i / columns, i % columns) * self.gain) as f32;
        Ok((0..shape.size()).map(place).collect())
    }

    fn boxed(&self) -> Box<dyn Initializer> {
        Box::new(*self)
    }
}

fn too_few(shape: &Shape) -> Error {
    Error::shape("Orthogonal", format!("expected a weight of at least 2 axes, got shape {shape}"))
}

/// Makes vectors of `long` elements orthonormal, each with those before it, by Gram and Schmidt. Each is freed twice of
/// what it has of the others, which leaves them at right angles to the last digits, and R's diagonal is positive.
fn orthonormalize(vectors: &mut [f64], long: usize) {
    if long == 0 {
        return;
    }
    for i in 0..vectors.len() / long {
        let (done, rest) = vectors.split_at_mut(i * long);
        let own = &mut rest[..long];
        for _ in 0..2 {
            for other in done.chunks_exact(long) {
                let share = dot(own, other);
                own.iter_mut().zip(other).for_each(|(x, o)| *x -= share * o);
            }
        }
        let length = dot(own, own).sqrt();
        own.iter_mut().for_each(|x| *x /= length);
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(lane, (a, b))| *lane += a * b);
    }
    a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>() + lanes.iter().sum::<f64>()
}
