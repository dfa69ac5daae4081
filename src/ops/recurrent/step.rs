//! What a cell has of a group of samples in a step on the CPU, and loops over it.
//!
//! The numbers of a step stand in planes of `(samples, units)`, one for each gate, so that an activation is one long loop
//! whatever the number of units.

use crate::device::cpu::Float;
use crate::device::cpu::gemm::{Left, Packed};
use crate::ops::activation::Activation;
use crate::ops::unary::SlopeOf;

/// A group's step forward.
pub struct Step<'a, T: 'static> {
    pub products: Products<'a, T>,
    pub sums: Sums<'a, T>,
    pub bias: Option<&'a [T]>,
    pub units: usize,
    /// What the backward reads.
    pub planes: [&'a mut [T]; 4],
    /// The states before the step, and after it.
    pub old: [&'a [T]; 2],
    pub new: [&'a mut [T]; 2],
    /// Room, a plane each: for values of gates whose slopes are of their sums, for products.
    pub room: [&'a mut [T]; 5],
}

/// A group's step back.
pub struct StepBack<'a, T: 'static> {
    pub products: Products<'a, T>,
    pub planes: [&'a [T]; 4],
    pub old: [&'a [T]; 2],
    pub new: [&'a [T]; 2],
    /// The gradients of the states after the step, which become those of the states before it.
    pub states: [&'a mut [T]; 2],
    /// Where the gradients of the sums go.
    pub sums: SumsBack<'a, T>,
    /// Where that of the last gate's product goes where it is apart.
    pub apart: &'a mut [T],
    /// Room, a plane each.
    pub room: [&'a mut [T]; 9],
}

/// The products of a group's state with the recurrent kernel of each gate, or with its transpose.
#[derive(Clone, Copy)]
pub struct Products<'a, T: 'static> {
    /// One for each gate, or one for all of them.
    pub gates: &'a [Packed<'a, T>],
    /// What the state is multiplied by for each gate.
    pub dropout: Option<[&'a [T]; 4]>,
    pub units: usize,
}

impl<T: Float> Products<'_, T> {
    /// The state times the kernel of a gate; `room` is for the state with dropout.
    pub fn of(&self, gate: usize, state: &[T], out: &mut [T], room: &mut [T]) {
        let rows = state.len() / self.units.max(1);
        match self.dropout {
            Some(dropout) => {
                multiply(state, dropout[gate], room);
                self.gates[gate].of(rows, Left::Rows(room, self.units), out, self.units, false);
            }
            None => self.gates[gate].of(rows, Left::Rows(state, self.units), out, self.units, false),
        }
    }

    /// Adds the state times the kernels of all gates to their sums; `room` as above.
    pub fn add(&self, state: &[T], sums: &mut Sums<T>, room: &mut [T]) {
        let (rows, units, width) = (state.len() / self.units.max(1), self.units, sums.width);
        for (gate, product) in self.gates.iter().enumerate() {
            let state = match self.dropout {
                Some(dropout) => {
                    multiply(state, dropout[gate], room);
                    &*room
                }
                None => state,
            };
            let start = (gate * units).min(sums.rows.len());
            product.of(rows, Left::Rows(state, units), &mut sums.rows[start..], width, true);
        }
    }

    /// Adds what the gradients of a gate, whose rows stand `distance` apart, give the state.
    pub fn back(&self, gate: usize, grads: &[T], distance: usize, state: &mut [T], room: &mut [T]) {
        let rows = state.len() / self.units.max(1);
        match self.dropout {
            Some(dropout) => {
                self.gates[gate].of(rows, Left::Rows(grads, distance), room, self.units, false);
                multiply_add(room, dropout[gate], state);
            }
            None => self.gates[gate].of(rows, Left::Rows(grads, distance), state, self.units, true),
        }
    }
}

/// The sums of a group's step, the gates side by side.
pub struct Sums<'a, T> {
    pub rows: &'a mut [T],
    pub width: usize,
    pub units: usize,
}

impl<T: Float> Sums<'_, T> {
    /// Copies those of a gate to its plane.
    pub fn copy_to(&self, gate: usize, plane: &mut [T]) {
        let from = gate * self.units..(gate + 1) * self.units;
        for (plane, sums) in plane.chunks_exact_mut(self.units).zip(self.rows.chunks_exact(self.width)) {
            plane.copy_from_slice(&sums[from.clone()]);
        }
    }

    /// Adds those of a gate to its plane.
    pub fn add_to(&self, gate: usize, plane: &mut [T]) {
        let from = gate * self.units..(gate + 1) * self.units;
        T::vectorize(
            #[inline(always)]
            || {
                for (plane, sums) in plane.chunks_exact_mut(self.units).zip(self.rows.chunks_exact(self.width)) {
                    plane.iter_mut().zip(&sums[from.clone()]).for_each(|(x, &sum)| *x += sum);
                }
            },
        );
    }
}

/// The gradients of a group's sums, the gates side by side.
pub struct SumsBack<'a, T> {
    pub rows: &'a mut [T],
    pub width: usize,
    pub units: usize,
}

impl<T: Float> SumsBack<'_, T> {
    /// Writes a plane to a gate's part, negligible numbers as 0.
    pub fn write(&mut self, gate: usize, plane: &[T]) {
        let to = gate * self.units..(gate + 1) * self.units;
        T::vectorize(
            #[inline(always)]
            || {
                for (plane, rows) in plane.chunks_exact(self.units).zip(self.rows.chunks_exact_mut(self.width)) {
                    rows[to.clone()].iter_mut().zip(plane).for_each(|(out, &x)| *out = x.flush());
                }
            },
        );
    }
}

/// The rows of a group's planes, and of its sums: where loops in vectors read and write.
#[derive(Clone, Copy)]
pub struct Rows {
    pub units: usize,
    pub width: usize,
    pub count: usize,
}

impl Rows {
    /// Where a plane begins, which has all rows.
    pub fn plane<T>(&self, plane: &[T]) -> *const T {
        assert_eq!(plane.len(), self.count * self.units);
        plane.as_ptr()
    }

    pub fn plane_mut<T>(&self, plane: &mut [T]) -> *mut T {
        assert_eq!(plane.len(), self.count * self.units);
        plane.as_mut_ptr()
    }

    /// Where sums begin, which have all rows.
    pub fn wide<T>(&self, sums: &[T]) -> *const T {
        assert_eq!(sums.len(), self.count * self.width);
        sums.as_ptr()
    }

    pub fn wide_mut<T>(&self, sums: &mut [T]) -> *mut T {
        assert_eq!(sums.len(), self.count * self.width);
        sums.as_mut_ptr()
    }

    /// For each vector of units of each row its place in planes and in sums, and how many lanes are units.
    #[inline(always)]
    pub fn vectors(self, lanes: usize) -> impl Iterator<Item = (usize, usize, usize)> {
        let Rows { units, width, count } = self;
        let units_of = move |row: usize| {
            let vectors = (0..units).step_by(lanes);
            vectors.map(move |unit| (row * units + unit, row * width + unit, (units - unit).min(lanes)))
        };
        (0..count).flat_map(units_of)
    }
}

/// Adds a gate's part of a bias to each row of its plane.
pub(super) fn add_bias<T: Float>(bias: Option<&[T]>, gate: usize, units: usize, plane: &mut [T]) {
    let Some(bias) = bias else { return };
    let bias = &bias[gate * units..(gate + 1) * units];
    T::vectorize(
        #[inline(always)]
        || {
            for row in plane.chunks_exact_mut(units) {
                row.iter_mut().zip(bias).for_each(|(x, &b)| *x += b);
            }
        },
    );
}

/// The activation of a plane: in place, or in `value` where the slope is of the argument, which then stays. Returns where
/// the values are.
pub(super) fn activate<'a, T: Float>(activation: Activation, plane: &'a mut [T], value: &'a mut [T]) -> &'a [T] {
    if activation.slope_of() == Some(SlopeOf::Input) {
        value_of(activation, plane, value)
    } else {
        activation.cpu(plane);
        plane
    }
}

/// The values of a gate from what [`activate`] left in its plane.
pub(super) fn value_of<'a, T: Float>(activation: Activation, plane: &'a [T], value: &'a mut [T]) -> &'a [T] {
    if activation.slope_of() == Some(SlopeOf::Input) {
        value.copy_from_slice(plane);
        activation.cpu(value);
        value
    } else {
        plane
    }
}

/// `out = x · by`, element by element.
pub(super) fn multiply<T: Float>(x: &[T], by: &[T], out: &mut [T]) {
    T::vectorize(
        #[inline(always)]
        || out.iter_mut().zip(x.iter().zip(by)).for_each(|(out, (&x, &by))| *out = x * by),
    );
}

/// `x = x · by`, element by element.
pub(super) fn scale<T: Float>(x: &mut [T], by: &[T]) {
    T::vectorize(
        #[inline(always)]
        || x.iter_mut().zip(by).for_each(|(x, &by)| *x = *x * by),
    );
}

/// Negligible numbers become 0.
pub(super) fn flush<T: Float>(x: &mut [T]) {
    T::vectorize(
        #[inline(always)]
        || x.iter_mut().for_each(|x| *x = x.flush()),
    );
}

/// `out += x · by`, element by element.
pub(super) fn multiply_add<T: Float>(x: &[T], by: &[T], out: &mut [T]) {
    T::vectorize(
        #[inline(always)]
        || out.iter_mut().zip(x.iter().zip(by)).for_each(|(out, (&x, &by))| *out = x.mul_add(by, *out)),
    );
}

/// Planes of `size` elements out of one piece of memory; those that do not fit are empty.
pub(super) fn planes<T, const N: usize>(memory: &mut [T], size: usize) -> [&mut [T]; N] {
    let mut rest = memory.chunks_exact_mut(size.max(1));
    std::array::from_fn(|_| rest.next().unwrap_or_default())
}
