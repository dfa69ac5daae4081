//! Where in its sequence a step stands, and numbers that follow from it.

use super::{Signature, Spec};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::Tensor;
use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// The positions of so many steps, of which the first is that of the call's number, `start_index`, and behind `before` others.
///
/// # Errors
/// Positions that no memory counts.
pub fn positions(signature: &Signature, before: usize, steps: usize) -> Result<Range<usize>> {
    let first = usize::try_from(signature.number()).ok().and_then(|first| first.checked_add(before));
    first.and_then(|first| Some(first..first.checked_add(steps)?)).ok_or_else(|| {
        let start = signature.number();
        Error::Config(format!("argument `start_index`: {steps} steps from {start} on are more than can be counted"))
    })
}

/// Checks that a layer which knows `sequence_length` positions has these.
///
/// # Errors
/// Positions behind them.
pub fn check_known(positions: &Range<usize>, sequence_length: usize) -> Result<()> {
    if positions.end <= sequence_length {
        return Ok(());
    }
    let (steps, start) = (positions.len(), positions.start);
    let message = format!("expected positions below {sequence_length}, as `sequence_length` says");
    Err(Error::Input(format!("{message}, got {steps} steps from position {start} on")))
}

/// Checks that an input is a sequence of features; its steps, where they are known.
pub fn steps_of(x: &Spec) -> Result<Option<usize>> {
    if x.rank() < 3 {
        return Err(Error::Input(format!("expected at least 3 axes (batch, steps, features), got shape {x}")));
    }
    x.known(-1)?;
    Ok(x.dims[x.rank() - 2])
}

/// Rows of numbers, one for each position, that depend on it and on a layer's arguments alone: computed once and kept
/// where they were last needed, since a step must not wait for the host each time.
#[derive(Default)]
pub struct Table(Mutex<Vec<Kept>>);

struct Kept {
    first: usize,
    rows: Tensor,
}

impl Kept {
    fn positions(&self) -> Range<usize> {
        self.first..self.first + self.rows.shape()[0]
    }

    fn is_like(&self, features: usize, device: &Device) -> bool {
        self.rows.shape().last() == features && self.rows.device() == *device
    }
}

impl Table {
    /// A table (float32) that has the rows of these positions, and which of its rows is the first of them; `fill`
    /// writes the row of a position, from the frequencies of features.
    pub fn covering(
        &self,
        positions: Range<usize>,
        features: usize,
        device: &Device,
        frequencies: impl Fn() -> Vec<f32>,
        fill: impl Fn(&[f32], usize, &mut [f32]),
    ) -> Result<(Tensor, usize)> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|k| k.is_like(features, device));
        let mut wanted = positions.clone();
        if let Some(kept) = place.map(|place| &kept[place]) {
            let known = kept.positions();
            if known.start <= positions.start && positions.end <= known.end {
                return Ok((kept.rows.clone(), positions.start - known.start));
            }
            // Steps that come one by one: as many again, so that a table is made seldom.
            if known.start <= positions.start && positions.start <= known.end {
                wanted = known.start..positions.end.max(known.end.saturating_add(known.len()));
            }
        }
        let shape = Shape::new(&[wanted.len(), features])?;
        let mut values = vec![0.0; shape.size()];
        let (frequencies, rows) = (frequencies(), values.chunks_exact_mut(features.max(1)));
        rows.zip(wanted.clone()).for_each(|(row, position)| fill(&frequencies, position, row));
        let rows = Tensor::from_slice(&values, shape)?.to_device(device)?;
        let made = Kept { first: wanted.start, rows: rows.clone() };
        match place {
            Some(place) => kept[place] = made,
            None => kept.push(made),
        }
        Ok((rows, positions.start - wanted.start))
    }
}

/// Rows of a table, which is not copied where they are all.
pub fn part(table: &Tensor, rows: Range<usize>) -> Result<Tensor> {
    if rows == (0..table.shape()[0]) { Ok(table.clone()) } else { table.slice(0, rows) }
}

/// A layer of other arguments has other numbers.
impl Clone for Table {
    fn clone(&self) -> Self {
        Table::default()
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Table")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn rows_are_made_seldom() -> Result<()> {
        let (table, made) = (Table::default(), Cell::new(0));
        let rows = |positions: Range<usize>, features: usize| -> Result<Vec<f32>> {
            let steps = positions.len();
            let fill = |frequencies: &[f32], position: usize, row: &mut [f32]| {
                made.set(made.get() + 1);
                row.fill(frequencies[0] * position as f32);
            };
            let (rows, first) = table.covering(positions, features, &Device::Cpu, || vec![1.0], fill)?;
            part(&rows, first..first + steps)?.to_vec::<f32>()
        };
        assert_eq!(rows(2..5, 1)?, [2.0, 3.0, 4.0]);
        assert_eq!(rows(3..4, 1)?, [3.0]);
        assert_eq!(made.get(), 3);
        for position in 5..100 {
            assert_eq!(rows(position..position + 1, 1)?, [position as f32]);
        }
        assert!(made.get() < 400, "{}", made.get());
        assert_eq!(rows(1..2, 1)?, [1.0]);
        assert_eq!(rows(7..8, 2)?, [7.0, 7.0]);
        assert!(rows(0..0, 2)?.is_empty());
        assert!(rows(0..2, 0)?.is_empty());
        Ok(())
    }
}
