//! Inputs and targets, sample by sample along the first axis.

use super::mark::Mark;
use super::time_series::Windows;
use super::{Parts, Split, Table};
use crate::device::Device;
use crate::device::cpu::convert::Convert;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::with_dtype;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Samples: one or several inputs and targets, all with the same first extent, and weights if some samples count more.
#[derive(Clone, Debug)]
pub struct Dataset {
    inputs: Vec<Tensor>,
    targets: Vec<Tensor>,
    /// None, one for all targets, or one for each.
    weights: Vec<Tensor>,
    /// Where the samples are in the inputs, if these are a series of rows.
    windows: Option<Windows>,
    len: usize,
    mark: Mark,
}

impl Dataset {
    /// A data set of these inputs and targets.
    ///
    /// # Errors
    /// No samples, arrays of different lengths, NaN or infinity in the data.
    pub fn new(inputs: impl IntoTensors, targets: impl IntoTensors) -> Result<Dataset> {
        let (inputs, targets) = (inputs.into_tensors(), targets.into_tensors());
        let Some(first) = inputs.first() else {
            return Err(Error::Data("a data set needs at least one input".into()));
        };
        let len = first.shape().first().copied().unwrap_or(0);
        let named = || {
            let name = |kind: &'static str| move |(i, t)| (format!("{kind} {i}"), t);
            inputs.iter().enumerate().map(name("input")).chain(targets.iter().enumerate().map(name("target")))
        };
        named().try_for_each(|(name, tensor)| check(&name, tensor, len))?;
        Ok(Dataset { inputs, targets, weights: Vec::new(), windows: None, len, mark: Mark::default() })
    }

    /// A data set whose samples are windows of a series.
    ///
    /// # Errors
    /// NaN or infinity in the data.
    pub(super) fn of_windows(series: Tensor, windows: Windows, targets: Option<Tensor>) -> Result<Dataset> {
        let (len, rows) = (windows.len(), series.shape()[0]);
        check("the series", &series, rows)?;
        targets.iter().try_for_each(|targets| check("target 0", targets, len))?;
        let (inputs, targets) = (vec![series], targets.into_iter().collect());
        Ok(Dataset { inputs, targets, weights: Vec::new(), windows: Some(windows), len, mark: Mark::default() })
    }

    /// The same samples, each counted as often as its weight says in the losses, and in the metrics that ask for weights
    /// (`.weighted()`): one tensor for all targets or one for each, `(n)`, `(n, 1)`, or one weight for each
    /// loss. A weight of 0 leaves a sample out. It is Keras's `sample_weight`.
    ///
    /// # Errors
    /// Another number of tensors or samples, NaN or infinity.
    pub fn sample_weight(mut self, weights: impl IntoTensors) -> Result<Dataset> {
        let weights = weights.into_tensors();
        if ![1, self.targets.len()].contains(&weights.len()) {
            let (targets, got) = (self.targets.len(), weights.len());
            return Err(Error::Data(format!(
                "{got} sample weights for {targets} targets: give one for all of them or one for each"
            )));
        }
        for (i, tensor) in weights.iter().enumerate() {
            check(&format!("sample weight {i}"), tensor, self.len)?;
        }
        self.weights = weights;
        Ok(self)
    }

    /// The same samples, each with the weight of its class, 1 where none is given: Keras's `class_weight`, for classes of
    /// which there are few. The class is the label, rounded, or where the largest of several targets stands.
    ///
    /// # Errors
    /// Another number of targets than one, weights that are there already, a weight that is not finite.
    pub fn class_weight(self, weights: &[(i64, f64)]) -> Result<Dataset> {
        if !self.weights.is_empty() {
            let message = "`class_weight` needs data without sample weights: give sample weights alone";
            return Err(Error::Data(message.into()));
        }
        let weight = |class: i64| weights.iter().find(|(c, _)| *c == class).map_or(1.0, |(_, weight)| *weight as f32);
        let values: Vec<f32> = self.classes()?.into_iter().map(weight).collect();
        let (values, device) = (Tensor::from_slice(&values, self.len)?, self.targets[0].device());
        check("class weight", &values, self.len)?;
        self.sample_weight(values.to_device(&device)?)
    }

    /// How many samples there are, at least one.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The inputs, sample by sample; of windows of a [`TimeSeries`](super::TimeSeries) the rows that they are cut from.
    pub fn inputs(&self) -> &[Tensor] {
        &self.inputs
    }

    /// The targets.
    pub fn targets(&self) -> &[Tensor] {
        &self.targets
    }

    /// The weights of the samples for the target `i`, if they have any.
    pub fn weights(&self, i: usize) -> Option<&Tensor> {
        self.weights.get(if self.weights.len() == 1 { 0 } else { i })
    }

    /// All tensors: inputs, targets, weights.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.inputs.iter().chain(&self.targets).chain(&self.weights)
    }

    /// What `change` makes of every tensor.
    pub(crate) fn map(&self, len: usize, mut change: impl FnMut(&Tensor) -> Result<Tensor>) -> Result<Dataset> {
        let mut each = |list: &[Tensor]| list.iter().map(&mut change).collect::<Result<Vec<_>>>();
        Ok(Dataset {
            inputs: each(&self.inputs)?,
            targets: each(&self.targets)?,
            weights: each(&self.weights)?,
            windows: self.windows.clone(),
            len,
            mark: self.mark.clone(),
        })
    }

    /// The same of all that has a row for each sample, which the rows of windows have not.
    fn map_samples(&self, len: usize, change: impl FnMut(&Tensor) -> Result<Tensor>) -> Result<Dataset> {
        if self.windows.is_none() {
            return self.map(len, change);
        }
        let samples = Dataset { inputs: Vec::new(), ..self.clone() }.map(len, change)?;
        Ok(Dataset { inputs: self.inputs.clone(), ..samples })
    }

    /// The same samples, held out: a test set, which no layer may adapt to.
    pub fn held_out(mut self) -> Dataset {
        self.mark = self.mark.held_out();
        self
    }

    /// The same samples with other inputs, such as the same ones in another shape: held out, split and adapted to as these.
    ///
    /// # Errors
    /// As [`Dataset::new`].
    pub fn with_inputs(&self, inputs: impl IntoTensors) -> Result<Dataset> {
        let new = Dataset::new(inputs, self.targets.clone())?;
        if new.len != self.len {
            return Err(Error::Data(format!("the new inputs have {} samples, the data set has {}", new.len, self.len)));
        }
        Ok(Dataset { inputs: new.inputs, windows: None, ..self.clone() })
    }

    /// The same samples, which were made of the rows of `table`: held out, split and adapted to as these.
    pub fn made_of(self, table: &Table) -> Dataset {
        Dataset { mark: table.mark().clone(), ..self }
    }

    /// The samples with their input `i` alone, for a layer to adapt to.
    ///
    /// # Errors
    /// There is no such input.
    pub fn input(&self, i: usize) -> Result<Dataset> {
        let Some(input) = self.inputs.get(i) else {
            return Err(Error::Data(format!("there is no input {i} in a data set of {}", self.inputs.len())));
        };
        Ok(Dataset { inputs: vec![input.clone()], targets: vec![], weights: vec![], ..self.clone() })
    }

    /// The one input, for a layer that learns from it.
    ///
    /// # Errors
    /// Several inputs; data that is held out, or of which a part is.
    pub(crate) fn adapted_to(&self) -> Result<&Tensor> {
        let [input] = &self.inputs[..] else {
            let message =
                format!("a layer adapts to one input, this data has {}: choose with `input(i)`", self.inputs.len());
            return Err(Error::Data(message));
        };
        self.mark.adapt()?;
        Ok(input)
    }

    /// A part to train on and one that is held out: about this fraction of the samples. A layer may adapt to the first
    /// alone; it is an error for the second and for the whole from now on.
    ///
    /// # Errors
    /// Data that a layer adapted to, windows of a series; as [`Split::indices`].
    pub fn split(&self, fraction: f64, split: &Split) -> Result<(Dataset, Dataset)> {
        self.parts(split.indices(self.len, fraction)?)
    }

    /// `k` times a part to train on and one that is held out.
    ///
    /// # Errors
    /// Data that a layer adapted to, windows of a series; as [`Split::folds`].
    pub fn k_fold(&self, k: usize, split: &Split) -> Result<Vec<(Dataset, Dataset)>> {
        split.folds(self.len, k)?.into_iter().map(|parts| self.parts(parts)).collect()
    }

    fn parts(&self, (kept, held_out): Parts) -> Result<(Dataset, Dataset)> {
        if self.windows.is_some() {
            let message = "windows of a series overlap, so what is held out would be trained on: divide its rows, by \
                           `TimeSeries::parts` or `start_index` and `end_index`";
            return Err(Error::Data(message.into()));
        }
        let marks = self.mark.split()?;
        let part = |indices: &[i32], mark| -> Result<Dataset> {
            let contiguous = indices.windows(2).all(|pair| pair[0] + 1 == pair[1]);
            let part = match indices.first() {
                Some(&first) if contiguous => self.range(first as usize, first as usize + indices.len())?,
                _ => self.gather(indices)?,
            };
            Ok(Dataset { mark, ..part })
        };
        Ok((part(&kept, marks.0)?, part(&held_out, marks.1)?))
    }

    /// The classes and how many samples each has, in ascending order. The class is the label, rounded, or where the largest
    /// of several targets stands.
    ///
    /// # Errors
    /// Another number of targets than one, targets that are no classes.
    pub fn class_counts(&self) -> Result<Vec<(i64, usize)>> {
        let mut counts = BTreeMap::new();
        self.classes()?.into_iter().for_each(|class| *counts.entry(class).or_insert(0) += 1);
        Ok(counts.into_iter().collect())
    }

    /// Weights that make all classes count alike in the loss, whatever their numbers: samples / (classes · samples of the
    /// class), for [`Fit::class_weight`](crate::train::Fit::class_weight). It is scikit-learn's `balanced`.
    ///
    /// # Errors
    /// As [`Dataset::class_counts`].
    pub fn balanced_class_weight(&self) -> Result<Vec<(i64, f64)>> {
        let counts = self.class_counts()?;
        let share = self.len as f64 / counts.len() as f64;
        Ok(counts.into_iter().map(|(class, count)| (class, share / count as f64)).collect())
    }

    /// The class of each sample.
    ///
    /// # Errors
    /// As [`Dataset::class_counts`].
    pub fn classes(&self) -> Result<Vec<i64>> {
        let [target] = &self.targets[..] else {
            let message = format!("expected one target with the classes, the data set has {}", self.targets.len());
            return Err(Error::Data(message));
        };
        let target = target.to_device(&Device::Cpu)?;
        let last = if target.shape().rank() > 1 { target.shape().last() } else { 1 };
        let target = if last > 1 { target.argmax(-1)? } else { target };
        if target.shape().size() != self.len {
            let message = format!("expected one class a sample, got targets {}", self.targets[0].shape());
            return Err(Error::Data(message));
        }
        // As NumPy rounds, halves to the even one.
        with_dtype!(target.dtype(), T => Ok(target.data::<T>()?.iter().map(|x| x.to_f64().round_ties_even() as i64).collect()))
    }

    /// The first `n` samples, all of them if there are fewer.
    pub fn take(&self, n: usize) -> Result<Dataset> {
        self.range(0, n.clamp(1, self.len))
    }

    fn range(&self, start: usize, end: usize) -> Result<Dataset> {
        let windows = self.windows.as_ref().map(|windows| windows.range(start..end));
        Ok(Dataset { windows, ..self.map_samples(end - start, |t| t.slice(0, start..end))? })
    }

    /// The same samples on `device`.
    pub fn to_device(&self, device: &Device) -> Result<Dataset> {
        self.map(self.len, |t| t.to_device(device))
    }

    /// A checksum (CRC-32C) of all values with their shapes and types, for telling data that changed.
    ///
    /// # Errors
    /// A device that fails.
    pub fn checksum(&self) -> Result<u32> {
        let sum = self.windows.as_ref().map_or(0, |windows| windows.checksum(0));
        self.tensors().try_fold(sum, |sum, tensor| {
            let host = tensor.to_device(&Device::Cpu)?;
            let sum = crc32c::crc32c_append(sum, format!("{} {}", tensor.dtype(), tensor.shape()).as_bytes());
            Ok(crc32c::crc32c_append(sum, host.bytes()?))
        })
    }

    /// Copies of its own.
    pub(crate) fn copy(&self) -> Result<Dataset> {
        self.map(self.len, Tensor::copy)
    }

    /// Takes over the values of a data set of the same shapes, in place where it lies on a CUDA card.
    pub(crate) fn assign(&mut self, from: &Dataset) -> Result<()> {
        let to = self.inputs.iter_mut().chain(&mut self.targets).chain(&mut self.weights);
        to.zip(from.tensors()).try_for_each(|(to, from)| to.assign(from))
    }

    /// The samples of these numbers, as a batch, where the data lies.
    pub(crate) fn gather(&self, indices: &[i32]) -> Result<Dataset> {
        let device = self.inputs.first().map_or(Device::Cpu, Tensor::device);
        let samples = Tensor::from_slice(indices, indices.len())?.to_device(&device)?;
        let batch = self.map_samples(indices.len(), |t| t.gather(&samples))?;
        let Some(windows) = &self.windows else { return Ok(batch) };
        let rows = windows.rows(indices)?.to_device(&device)?;
        let inputs = self.inputs.iter().map(|series| series.gather(&rows)).collect::<Result<_>>()?;
        Ok(Dataset { inputs, windows: None, ..batch })
    }

    /// The samples themselves: windows are cut out of their series.
    pub(crate) fn samples(&self) -> Result<Cow<'_, Dataset>> {
        match &self.windows {
            None => Ok(Cow::Borrowed(self)),
            Some(windows) => self.gather(&(0..windows.len() as i32).collect::<Vec<_>>()).map(Cow::Owned),
        }
    }
}

/// Refuses what is no list of `len` samples, or not finite.
fn check(name: &str, tensor: &Tensor, len: usize) -> Result<()> {
    match tensor.shape().first() {
        None => Err(Error::Data(format!("{name} is a single number; the first axis must be the samples"))),
        Some(0) => Err(Error::Data(format!("{name} is empty: its shape is {}", tensor.shape()))),
        Some(&n) if n != len => Err(Error::Data(format!("{name} has {n} samples, input 0 has {len}"))),
        Some(_) => check_finite(name, tensor),
    }
}

/// A number that is not finite makes every weight NaN at the first step.
fn check_finite(name: &str, tensor: &Tensor) -> Result<()> {
    if !tensor.dtype().is_float() || !tensor.device().is_cpu() {
        return Ok(());
    }
    let found = with_dtype!(tensor.dtype(), T => tensor.data::<T>()?.iter().position(|x| !x.to_f64().is_finite()));
    match found {
        None => Ok(()),
        Some(at) => {
            let sample = at / (tensor.shape().size() / tensor.shape()[0]).max(1);
            let kind = with_dtype!(tensor.dtype(), T => tensor.data::<T>()?[at].to_f64());
            Err(Error::Data(format!("{name} holds {kind} in sample {sample}; remove or replace such values first")))
        }
    }
}

/// What can be the inputs or targets of a data set: one tensor, several, or `()` for none.
pub trait IntoTensors {
    /// The tensors.
    fn into_tensors(self) -> Vec<Tensor>;
}

impl IntoTensors for () {
    fn into_tensors(self) -> Vec<Tensor> {
        Vec::new()
    }
}

impl IntoTensors for Tensor {
    fn into_tensors(self) -> Vec<Tensor> {
        vec![self]
    }
}

impl IntoTensors for &Tensor {
    fn into_tensors(self) -> Vec<Tensor> {
        vec![self.clone()]
    }
}

impl<const N: usize> IntoTensors for [Tensor; N] {
    fn into_tensors(self) -> Vec<Tensor> {
        self.into()
    }
}

impl<const N: usize> IntoTensors for [&Tensor; N] {
    fn into_tensors(self) -> Vec<Tensor> {
        self.map(Tensor::clone).into()
    }
}

impl IntoTensors for Vec<Tensor> {
    fn into_tensors(self) -> Vec<Tensor> {
        self
    }
}
