//! Where a pass keeps what its backward reads.

use super::{Cell, Extents};
use std::ops::Range;

/// Where a pass keeps what its backward reads, in rows of `(batch, units)`: for each step its planes, then for each state
/// its values before, between and after the steps, in the order of time. Not recorded, one step's planes and two values of
/// each state take turns.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub at: Extents,
    pub cell: Cell,
    pub record: bool,
    pub backwards: bool,
}

impl Layout {
    pub fn size(&self) -> usize {
        self.rows() * self.at.batch * self.at.units
    }

    pub fn rows(&self) -> usize {
        self.cell.kept(if self.record { self.at.steps } else { 1 })
    }

    pub fn elements(&self, row: usize, samples: &Range<usize>) -> Range<usize> {
        let Extents { batch, units, .. } = self.at;
        (row * batch + samples.start) * units..(row * batch + samples.end) * units
    }

    /// A plane of the step at a time.
    pub fn plane(&self, time: usize, plane: usize, samples: &Range<usize>) -> Range<usize> {
        let step = if self.record { time } else { 0 };
        self.elements(step * self.cell.planes + plane, samples)
    }

    fn value(&self, state: usize, value: usize, samples: &Range<usize>) -> Range<usize> {
        let (first, value, values) = match self.record {
            true => (self.at.steps * self.cell.planes, value, self.at.steps + 1),
            false => (self.cell.planes, value % 2, 2),
        };
        self.elements(first + state * values + value, samples)
    }

    /// A state before the step at a time.
    pub fn before(&self, state: usize, time: usize, samples: &Range<usize>) -> Range<usize> {
        self.value(state, time + usize::from(self.backwards), samples)
    }

    /// A state after it.
    pub fn after(&self, state: usize, time: usize, samples: &Range<usize>) -> Range<usize> {
        self.value(state, time + usize::from(!self.backwards), samples)
    }
}
