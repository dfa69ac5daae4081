//! Where a pass keeps what its backward reads.

use super::Extents;
use std::ops::Range;

/// Where a pass keeps what its backward reads, in rows of `(batch, units)`: for each step its planes, then for each state
/// its values before, between and after the steps, in the order of time. Not recorded, one step's planes and two values of
/// each state take turns.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub at: Extents,
    pub planes: usize,
    pub states: usize,
    pub record: bool,
    pub backwards: bool,
}

impl Layout {
    pub fn size(&self) -> usize {
        self.rows() * self.at.batch * self.at.units
    }

    pub fn rows(&self) -> usize {
        let (steps, values) = if self.record { (self.at.steps, self.at.steps + 1) } else { (1, 2) };
        steps * self.planes + values * self.states
    }

    pub fn elements(&self, row: usize, samples: &Range<usize>) -> Range<usize> {
        let Extents { batch, units, .. } = self.at;
        (row * batch + samples.start) * units..(row * batch + samples.end) * units
    }

    /// A plane of the step at a time.
    pub fn plane(&self, time: usize, plane: usize, samples: &Range<usize>) -> Range<usize> {
        let step = if self.record { time } else { 0 };
        self.elements(step * self.planes + plane, samples)
    }

    fn value(&self, state: usize, value: usize, samples: &Range<usize>) -> Range<usize> {
        let (first, value, values) = match self.record {
            true => (self.at.steps * self.planes, value, self.at.steps + 1),
            false => (self.planes, value % 2, 2),
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
