//! Windows of a series, cut out when they are needed.

use super::Dataset;
use crate::device::Device;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::Tensor;
use std::ops::Range;
use std::sync::Arc;

/// The windows of a series, each a sample: Keras's
/// [timeseries_dataset_from_array](https://keras.io/api/data_loading/timeseries/), with its names and defaults.
///
/// The data is one tensor `(rows, …)` of any dtype, a row for each moment. A window is `sequence_length` rows that lie
/// `sampling_rate` apart; from one to the next it is `sequence_stride` rows. So a sample is `(sequence_length, …)`. The
/// windows are never in memory all at once: the [`Dataset`] keeps the rows, which a trainer puts on its device, and a
/// batch is gathered from them there. Batch size, order and seed are those of [`Fit`](crate::train::Fit) and of the
/// model.
///
/// What is to be foretold is given by [`TimeSeries::targets`], and by [`TimeSeries::ahead`] how far ahead.
///
/// ```
/// use uncrumple::data::TimeSeries;
/// use uncrumple::prelude::*;
///
/// // 200 hours of a wave and of its slope; the wave 24 hours after the last of 48.
/// let hours = || (0..200).map(|i| i as f32 * 0.26);
/// let rows: Vec<f32> = hours().flat_map(|t| [t.sin(), t.cos()]).collect();
/// let wave: Vec<f32> = hours().map(f32::sin).collect();
/// let series = TimeSeries::new(&Tensor::from_slice(&rows, [200, 2])?, 48)
///     .targets(&Tensor::from_slice(&wave, [200, 1])?)
///     .ahead(24);
/// assert_eq!(series.dataset()?.len(), 200 - 48 - 24 + 1);
///
/// // In time: the first half to train on, and the rest held out.
/// let [train, test] = series.parts([0.5, 0.5])?;
/// let input = Input::new([48, 2]);
/// let x = Normalization::new().adapt(&train)?.call(&input)?;
/// let output = Dense::new(1).call(&Flatten::new().call(&x)?)?;
/// let mut trainer = Model::new(&input, &output)?.compile(RMSprop::new(1e-3), MeanSquaredError::new(), ())?;
/// trainer.fit(&train, Fit::epochs(1))?;
/// trainer.evaluate(&test)?;
/// let foretold = trainer.model().predict_source(&test, 32)?.remove(0);
/// assert_eq!(foretold.shape()[..], [test.len(), 1]);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TimeSeries {
    data: Tensor,
    sequence_length: usize,
    sequence_stride: usize,
    sampling_rate: usize,
    start_index: usize,
    end_index: Option<usize>,
    targets: Option<Tensor>,
    ahead: Option<usize>,
    times: Option<Vec<f64>>,
}

impl TimeSeries {
    /// Windows of so many rows of the data.
    pub fn new(data: &Tensor, sequence_length: usize) -> TimeSeries {
        TimeSeries {
            data: data.clone(),
            sequence_length,
            sequence_stride: 1,
            sampling_rate: 1,
            start_index: 0,
            end_index: None,
            targets: None,
            ahead: None,
            times: None,
        }
    }

    /// How many rows a window begins after the one before; 1 unless told otherwise.
    pub fn sequence_stride(mut self, rows: usize) -> Self {
        self.sequence_stride = rows;
        self
    }

    /// How many rows lie from one row of a window to the next; 1 unless told otherwise.
    pub fn sampling_rate(mut self, rows: usize) -> Self {
        self.sampling_rate = rows;
        self
    }

    /// The first row of the data that may be used; 0 unless told otherwise.
    pub fn start_index(mut self, row: usize) -> Self {
        self.start_index = row;
        self
    }

    /// The row before which all windows end; the end of the data unless told otherwise.
    pub fn end_index(mut self, row: usize) -> Self {
        self.end_index = Some(row);
        self
    }

    /// What belongs to the windows, `(rows, …)`. Without [`TimeSeries::ahead`] as in Keras: row `i` belongs to the
    /// window that begins with row `i` of the data, and there may be fewer, whose windows are then the last.
    pub fn targets(mut self, targets: &Tensor) -> Self {
        self.targets = Some(targets.clone());
        self
    }

    /// The targets are row by row those of the data, and what belongs to a window lies so many rows after its last. It
    /// lies before `end_index` too, so that a part that ends there knows nothing of the one behind it; 0 is the last
    /// row itself.
    pub fn ahead(mut self, rows: usize) -> Self {
        self.ahead = Some(rows);
        self
    }

    /// The time of each row, in any unit: windows that would reach over a gap are left out, and so are those whose
    /// target, by [`TimeSeries::ahead`], lies behind one. A gap is where a row follows at another distance than the
    /// usual (the median) by more than half of that. Without times there is none.
    pub fn times(mut self, times: impl Into<Vec<f64>>) -> Self {
        self.times = Some(times.into());
        self
    }

    /// The data set of the windows, in the order of time.
    ///
    /// A layer that adapts to it takes each row from `start_index` to `end_index` once. It cannot be split, since
    /// windows overlap: see [`TimeSeries::parts`].
    ///
    /// # Errors
    /// Data that is a scalar or holds NaN or infinity; a length, stride or rate of 0; indices that are out of range;
    /// targets of another number of rows; `ahead` without targets; times that do not ascend; no window that fits.
    pub fn dataset(&self) -> Result<Dataset> {
        let rows = self.rows()?;
        let reach = self.reach()?;
        let (targets, ahead) = match (&self.targets, self.ahead) {
            (None, Some(_)) => {
                return Err(wrong("`ahead` says where the targets lie, and there are none: give `targets`"));
            }
            (None, None) => (0, 0),
            (Some(targets), ahead) => (self.check_targets(targets)?, ahead.unwrap_or(0)),
        };
        let gaps = self.times.as_deref().map(|times| gaps(times, self.data.shape()[0])).transpose()?;
        // From the first row to the last that a sample sees.
        let seen = reach.saturating_add(ahead);
        let follows = |begin: usize| match &gaps {
            // The first row behind a gap after the beginning.
            Some(gaps) => gaps.get(gaps.partition_point(|&row| row <= begin)).is_none_or(|&row| row >= begin + seen),
            None => true,
        };
        let has_target = |begin: usize| self.targets.is_none() || self.ahead.is_some() || begin < targets;
        let begins = (rows.start..(rows.end + 1).saturating_sub(seen)).step_by(self.sequence_stride);
        let begins: Vec<i32> = begins.filter(|&b| has_target(b) && follows(b)).map(|b| b as i32).collect();
        if begins.is_empty() {
            let (start, end, rate) = (rows.start, rows.end, self.sampling_rate);
            let ahead = if ahead > 0 { format!(" and the row {ahead} ahead of them") } else { String::new() };
            let gaps = if gaps.is_some_and(|gaps| !gaps.is_empty()) { " between two gaps" } else { "" };
            return Err(wrong(format!(
                "no window fits: {} rows at the distance {rate}{ahead} take {seen} rows{gaps}, and there are {} from \
                 `start_index` {start} to `end_index` {end}",
                self.sequence_length,
                rows.len()
            )));
        }
        let place = |targets: &Tensor| {
            let offset = if self.ahead.is_some() { seen - 1 } else { 0 };
            let places: Vec<i32> = begins.iter().map(|&begin| begin + offset as i32).collect();
            targets.gather(&Tensor::from_slice(&places, places.len())?.to_device(&targets.device())?)
        };
        let targets = self.targets.as_ref().map(place).transpose()?;
        // No row outside can be known from the data set.
        let whole = rows.len() == self.data.shape()[0];
        let series = if whole { self.data.clone() } else { self.data.slice(0, rows.clone())? };
        let begins = begins.into_iter().map(|begin| begin - rows.start as i32).collect();
        let windows = Windows { begins, length: self.sequence_length, rate: self.sampling_rate };
        Dataset::of_windows(series, windows, targets)
    }

    /// The windows of consecutive parts of the rows, each part by itself: the first to train on, the others held out.
    /// `fractions` says how much of the rows each has, and adds up to 1. No row is in two parts.
    ///
    /// # Errors
    /// As [`TimeSeries::dataset`]; fractions that are not above 0 or do not add up to 1.
    pub fn parts<const N: usize>(&self, fractions: [f64; N]) -> Result<[Dataset; N]> {
        let rows = self.rows()?;
        let sum: f64 = fractions.iter().sum();
        if fractions.iter().any(|f| f.is_nan() || *f <= 0.0) || (sum - 1.0).abs() > 1e-9 {
            return Err(wrong(format!("expected fractions above 0 that add up to 1, got {fractions:?}")));
        }
        let mut before = 0.0;
        let mut end = rows.start;
        let mut parts = Vec::with_capacity(N);
        for (i, fraction) in fractions.into_iter().enumerate() {
            before += fraction;
            let start = end;
            // What rounding left of a sum is no row.
            end = if i + 1 == N { rows.end } else { rows.start + (rows.len() as f64 * before + 1e-6) as usize };
            let part = self.clone().start_index(start).end_index(end).dataset()?;
            parts.push(if i == 0 { part } else { part.held_out() });
        }
        parts.try_into().map_err(|_| Error::Internal("parts of another number".into()))
    }

    /// The rows that may be used.
    fn rows(&self) -> Result<Range<usize>> {
        let Some(&rows) = self.data.shape().first() else {
            return Err(wrong("the data is a single number; its first axis must be the rows"));
        };
        if i32::try_from(rows).is_err() {
            return Err(wrong(format!("{rows} rows are more than the {} that fit", i32::MAX)));
        }
        let (start, end) = (self.start_index, self.end_index.unwrap_or(rows));
        if start >= end || end > rows {
            return Err(wrong(format!(
                "expected `start_index` below `end_index`, and that at most {rows}, the rows of the data; got {start} \
                 and {end}"
            )));
        }
        Ok(start..end)
    }

    /// From the first row of a window to its last, both counted.
    fn reach(&self) -> Result<usize> {
        let named = [
            ("sequence_length", self.sequence_length),
            ("sequence_stride", self.sequence_stride),
            ("sampling_rate", self.sampling_rate),
        ];
        if let Some((name, _)) = named.iter().find(|(_, value)| *value == 0) {
            return Err(wrong(format!("`{name}`: expected at least 1, got 0")));
        }
        Ok((self.sequence_length - 1).saturating_mul(self.sampling_rate).saturating_add(1))
    }

    /// How many rows the targets have.
    fn check_targets(&self, targets: &Tensor) -> Result<usize> {
        let rows = self.data.shape()[0];
        match targets.shape().first() {
            None => Err(wrong("the targets are a single number; their first axis must be the rows")),
            Some(&n) if self.ahead.is_some() && n != rows => {
                Err(wrong(format!("with `ahead` each row of the data has its target: expected {rows}, got {n}")))
            }
            Some(&n) => Ok(n),
        }
    }
}

fn wrong(message: impl Into<String>) -> Error {
    Error::Data(format!("time series: {}", message.into()))
}

/// The rows behind a gap, in ascending order.
fn gaps(times: &[f64], rows: usize) -> Result<Vec<usize>> {
    if times.len() != rows {
        return Err(wrong(format!("expected one time for each of {rows} rows, got {}", times.len())));
    }
    let steps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    if let Some(at) = steps.iter().position(|step| step.is_nan() || *step <= 0.0) {
        let [a, b] = [times[at], times[at + 1]];
        return Err(wrong(format!("times must ascend, and row {} has {b} after {a}: sort the rows by time", at + 1)));
    }
    let mut sorted = steps.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let usual = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
    let behind = |(i, step): (usize, &f64)| ((step - usual).abs() > usual / 2.0).then_some(i + 1);
    Ok(steps.iter().enumerate().filter_map(behind).collect())
}

/// Where the samples of a [`Dataset`] of windows begin in its series, and which rows they have.
#[derive(Clone, Debug)]
pub(super) struct Windows {
    begins: Arc<[i32]>,
    length: usize,
    rate: usize,
}

impl Windows {
    pub fn len(&self) -> usize {
        self.begins.len()
    }

    /// The rows of the windows of these numbers, `(indices, length)`, on the CPU.
    pub fn rows(&self, indices: &[i32]) -> Result<Tensor> {
        let mut rows = Tensor::empty(&Device::Cpu, Shape::new(&[indices.len(), self.length])?, DType::I32)?;
        for (row, &index) in rows.data_mut::<i32>()?.chunks_exact_mut(self.length).zip(indices) {
            let Some(&begin) = usize::try_from(index).ok().and_then(|i| self.begins.get(i)) else {
                return Err(wrong(format!("there is no window {index}: there are {}", self.len())));
            };
            row.iter_mut().enumerate().for_each(|(i, row)| *row = begin + (i * self.rate) as i32);
        }
        Ok(rows)
    }

    /// Some of the windows.
    pub fn range(&self, range: Range<usize>) -> Windows {
        Windows { begins: self.begins[range].into(), ..*self }
    }

    /// A checksum that goes on from another.
    pub fn checksum(&self, sum: u32) -> u32 {
        let sum = crc32c::crc32c_append(sum, format!("{} {}", self.length, self.rate).as_bytes());
        crc32c::crc32c_append(sum, bytemuck::cast_slice(&self.begins))
    }
}
