//! Windows of a series: against a plain loop, and in training against the same samples in memory.

use super::{devices, draw, weight_bits};
use uncrumple::data::{Source, TimeSeries};
use uncrumple::prelude::*;

/// A series of two numbers a row, of which the first is the row's, and what is to be foretold: a thousand times that.
fn series(rows: usize) -> Result<(Tensor, Tensor)> {
    let x: Vec<f32> = (0..rows).flat_map(|i| [i as f32, -(i as f32)]).collect();
    let y: Vec<f32> = (0..rows).map(|i| 1000.0 * i as f32).collect();
    Ok((Tensor::from_slice(&x, [rows, 2])?, Tensor::from_slice(&y, [rows, 1])?))
}

/// The rows of the data in each sample, and its target.
fn samples(data: &Dataset) -> Result<Vec<(Vec<usize>, Option<usize>)>> {
    let whole = data.read(&(0..data.len() as i32).collect::<Vec<_>>())?;
    let x = whole.inputs()[0].to_vec::<f32>()?;
    let length = whole.inputs()[0].shape()[1];
    let y = whole.targets().first().map(|y| y.to_vec::<f32>()).transpose()?;
    let sample = |(i, x): (usize, &[f32])| {
        assert!(x.chunks_exact(2).all(|row| row[0] == -row[1]), "rows are whole");
        let rows = x.chunks_exact(2).map(|row| row[0] as usize).collect();
        (rows, y.as_ref().map(|y| (y[i] / 1000.0) as usize))
    };
    Ok(x.chunks_exact(2 * length).enumerate().map(sample).collect())
}

/// What is asked of a series.
#[derive(Clone, Debug, Default)]
struct Asked {
    length: usize,
    stride: usize,
    rate: usize,
    start: usize,
    end: usize,
    ahead: Option<usize>,
    /// Rows before which time jumps.
    gaps: Vec<usize>,
}

impl Asked {
    /// One window after the other, by the words of the documentation.
    fn naive(&self) -> Vec<(Vec<usize>, Option<usize>)> {
        let mut samples = Vec::new();
        let mut begin = self.start;
        while begin < self.end {
            let rows: Vec<usize> = (0..self.length).map(|i| begin + i * self.rate).collect();
            let last = rows[self.length - 1];
            let target = self.ahead.map_or(begin, |ahead| last + ahead);
            let until = last.max(target);
            let broken = (begin + 1..=until).any(|row| self.gaps.contains(&row));
            if until < self.end && !broken {
                samples.push((rows, Some(target)));
            }
            begin += self.stride;
        }
        samples
    }

    fn of(&self, rows: usize) -> Result<TimeSeries> {
        let (x, y) = series(rows)?;
        let series = TimeSeries::new(&x, self.length).targets(&y).sequence_stride(self.stride).sampling_rate(self.rate);
        let mut time = 0.0;
        let times: Vec<f64> = (0..rows)
            .map(|row| {
                time += if self.gaps.contains(&row) { 7.5 } else { 0.5 };
                time
            })
            .collect();
        let series = series.start_index(self.start).end_index(self.end).times(times);
        Ok(if let Some(ahead) = self.ahead { series.ahead(ahead) } else { series })
    }
}

#[test]
fn windows_are_those_of_a_plain_loop() -> Result<()> {
    const ROWS: usize = 41;
    let mut compared = 0;
    for (length, stride, rate) in [(1, 1, 1), (5, 1, 1), (5, 3, 1), (4, 1, 3), (3, 7, 4), (41, 1, 1)] {
        for (start, end) in [(0, ROWS), (6, ROWS), (0, 30), (11, 29)] {
            for ahead in [None, Some(0), Some(1), Some(9)] {
                for gaps in [vec![], vec![20], vec![12, 13, 27]] {
                    let asked = Asked { length, stride, rate, start, end, ahead, gaps };
                    let naive = asked.naive();
                    match asked.of(ROWS)?.dataset() {
                        Ok(data) => assert_eq!(samples(&data)?, naive, "{asked:?}"),
                        Err(error) => {
                            assert!(naive.is_empty() && error.to_string().contains("no window fits"), "{error}");
                        }
                    }
                    compared += naive.len();
                }
            }
        }
    }
    assert!(compared > 1000, "{compared}");
    Ok(())
}

/// `timeseries_dataset_from_array(arange(10), arange(10)[3:], sequence_length=3)`: targets that were moved already,
/// and fewer than there are windows.
#[test]
fn targets_are_those_of_keras() -> Result<()> {
    let (x, y) = series(10)?;
    let data = TimeSeries::new(&x, 3).targets(&y.slice(0, 3..10)?).dataset()?;
    let windows: Vec<_> = (0..7).map(|i| (vec![i, i + 1, i + 2], Some(i + 3))).collect();
    assert_eq!(samples(&data)?, windows);
    let alone = TimeSeries::new(&x, 3).sampling_rate(4).dataset()?;
    assert_eq!(samples(&alone)?, [(vec![0, 4, 8], None), (vec![1, 5, 9], None)]);
    Ok(())
}

#[test]
fn parts_know_nothing_of_each_other() -> Result<()> {
    let (x, y) = series(100)?;
    let of = |x: &Tensor, y: &Tensor| TimeSeries::new(x, 10).targets(y).ahead(5).parts([0.5, 0.25, 0.25]);
    let parts = of(&x, &y)?;
    for (part, (start, end)) in parts.iter().zip([(0, 50), (50, 75), (75, 100)]) {
        let asked = Asked { length: 10, stride: 1, rate: 1, start, end, ahead: Some(5), gaps: vec![] };
        assert_eq!(samples(part)?, asked.naive());
        assert_eq!(part.inputs()[0].shape()[..], [end - start, 2], "no other row is kept");
    }
    // Another future changes neither what is trained on nor what it is scaled by.
    let other = |t: &Tensor| t.mul_scalar(-3.0)?.slice(0, 50..100);
    let (x2, y2) = (
        Tensor::concatenate(&[&x.slice(0, 0..50)?, &other(&x)?], 0)?,
        Tensor::concatenate(&[&y.slice(0, 0..50)?, &other(&y)?], 0)?,
    );
    let [train, validation, test] = of(&x2, &y2)?;
    assert_eq!(train.checksum()?, parts[0].checksum()?);
    assert_ne!(validation.checksum()?, parts[1].checksum()?);
    let statistics = |data: &Dataset| -> Result<Vec<Vec<f32>>> {
        let model = Sequential::new([10, 2]).add(Normalization::new().adapt(data)?).build()?;
        ["normalization/mean", "normalization/variance"]
            .iter()
            .map(|path| model.weight(path)?.to_vec::<f32>())
            .collect()
    };
    assert_eq!(statistics(&train)?, statistics(&parts[0])?);
    // The mean and variance of the rows 0 to 49, each once.
    assert_eq!(statistics(&train)?, [[24.5, -24.5], [208.25, 208.25]]);
    for held_out in [&validation, &test] {
        let error = Normalization::new().adapt(held_out).unwrap_err().to_string();
        assert!(error.contains("held out"), "{error}");
    }
    // Windows overlap: a split of them would train on what it holds out.
    for error in [
        train.split(0.2, &Split::random()).unwrap_err(),
        train.k_fold(2, &Split::in_order()).unwrap_err(),
        trainer(&Device::Cpu)?.fit(&train, Fit::epochs(1).validation_split(0.2)).unwrap_err(),
    ] {
        assert!(error.to_string().contains("windows of a series overlap"), "{error}");
    }
    Ok(())
}

/// Windows of five rows with two numbers, a target two rows ahead, and the same samples in memory.
fn both() -> Result<(Dataset, Dataset)> {
    let x: Vec<f32> = (0..60 * 2).map(|i| draw(3, i, 1.0)).collect();
    let y: Vec<f32> = (0..60).map(|i| draw(4, i, 1.0)).collect();
    let (x, y) = (Tensor::from_slice(&x, [60, 2])?, Tensor::from_slice(&y, [60, 1])?);
    let windows = TimeSeries::new(&x, 5).sampling_rate(3).targets(&y).ahead(2).dataset()?;
    let memory = windows.read(&(0..windows.len() as i32).collect::<Vec<_>>())?;
    assert_eq!(memory.inputs()[0].shape()[..], [60 - 12 - 2, 5, 2]);
    Ok((windows, memory))
}

fn trainer(device: &Device) -> Result<Trainer> {
    let model = Sequential::new([5, 2]).add(Flatten::new()).add(Dense::new(3).tanh()).add(Dense::new(1)).build()?;
    model.on(device.clone()).compile(RMSprop::new(1e-2), MeanSquaredError::new(), [MeanAbsoluteError::new()])
}

#[test]
fn windows_train_as_samples_in_memory_do() -> Result<()> {
    let (windows, memory) = both()?;
    for device in devices() {
        // 46 samples: the last batch is smaller.
        let fit = |data: &Dataset| Fit::epochs(3).batch_size(8).validation_data(data);
        let mut cut = trainer(&device)?;
        let mut whole = trainer(&device)?;
        let history = whole.fit(&memory, fit(&memory))?;
        assert_eq!(format!("{}", cut.fit(&windows, fit(&windows))?), format!("{history}"), "{device}");
        assert_eq!(weight_bits(cut.model())?, weight_bits(whole.model())?, "{device}");
        assert_eq!(format!("{}", cut.evaluate(&windows)?), format!("{}", whole.evaluate(&memory)?));
        let [a, b] = [
            cut.model().predict_source(&windows, 32)?.remove(0).to_vec::<f32>()?,
            whole.predict(&memory.inputs()[0])?.to_vec::<f32>()?,
        ];
        assert_eq!(a, b, "{device}");
        // Read on the CPU while the step runs, and as a batch of their own.
        let mut read = trainer(&device)?;
        read.fit_source(&windows, fit(&windows))?;
        assert_eq!(weight_bits(read.model())?, weight_bits(whole.model())?, "{device}");
        cut.train_on_batch(&windows.take(8)?.to_device(&device)?)?;
        whole.train_on_batch(&memory.take(8)?.to_device(&device)?)?;
        assert_eq!(weight_bits(cut.model())?, weight_bits(whole.model())?, "{device}");
    }
    Ok(())
}

#[test]
fn the_order_does_not_depend_on_the_threads() -> Result<()> {
    let (windows, _) = both()?;
    let run = |threads: usize| -> Result<_> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut trainer = trainer(&Device::Cpu)?;
            trainer.fit(&windows, Fit::epochs(2).batch_size(8))?;
            weight_bits(trainer.model())
        })
    };
    let one = run(1)?;
    assert_eq!(run(1)?, one);
    assert_eq!(run(5)?, one);
    Ok(())
}

#[test]
fn a_run_on_windows_goes_on_and_knows_its_data() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("run.safetensors");
    let (windows, _) = both()?;
    trainer(&Device::Cpu)?.fit(&windows, Fit::epochs(1).backup(&backup))?;
    let mut again = trainer(&Device::Cpu)?;
    again.fit(&windows, Fit::epochs(2).resume(&backup))?;
    let mut whole = trainer(&Device::Cpu)?;
    whole.fit(&windows, Fit::epochs(2))?;
    assert_eq!(weight_bits(again.model())?, weight_bits(whole.model())?);
    let other = windows.take(windows.len() - 1)?;
    let error = trainer(&Device::Cpu)?.fit(&other, Fit::epochs(3).resume(&backup)).unwrap_err().to_string();
    assert!(error.contains("is not a backup of this run"), "{error}");
    Ok(())
}

#[test]
fn what_makes_no_windows_is_refused_in_words() -> Result<()> {
    let (x, y) = series(20)?;
    let new = || TimeSeries::new(&x, 4);
    let cases: Vec<(TimeSeries, &[&str])> = vec![
        (TimeSeries::new(&x, 0), &["`sequence_length`", "at least 1"]),
        (new().sequence_stride(0), &["`sequence_stride`", "at least 1"]),
        (new().sampling_rate(0), &["`sampling_rate`", "at least 1"]),
        (new().start_index(7).end_index(7), &["`start_index` below `end_index`", "7 and 7"]),
        (new().end_index(21), &["at most 20", "21"]),
        (TimeSeries::new(&x, 21), &["no window fits", "21 rows", "there are 20"]),
        (new().sampling_rate(9), &["no window fits", "distance 9", "28 rows"]),
        (new().sampling_rate(usize::MAX), &["no window fits"]),
        (new().targets(&y).ahead(17), &["no window fits", "17 ahead", "21 rows"]),
        (new().targets(&y).ahead(usize::MAX), &["no window fits"]),
        (new().ahead(1), &["`ahead`", "give `targets`"]),
        (new().targets(&y.slice(0, 0..19)?).ahead(1), &["expected 20, got 19"]),
        (new().targets(&Tensor::scalar(1f32)?), &["targets are a single number"]),
        (TimeSeries::new(&Tensor::scalar(1f32)?, 1), &["data is a single number"]),
        (new().times([0.0, 1.0]), &["20 rows", "got 2"]),
        (new().times((0..20).map(|i| f64::from(i % 19)).collect::<Vec<_>>()), &["row 19", "0 after 18", "sort"]),
        (new().times(vec![f64::NAN; 20]), &["must ascend"]),
        (
            new().times((0..20).map(|i| f64::from(i + i / 3 * 9)).collect::<Vec<_>>()),
            &["no window fits", "between two gaps"],
        ),
    ];
    for (series, words) in cases {
        let error = series.dataset().unwrap_err().to_string();
        words.iter().for_each(|word| assert!(error.contains(word), "`{error}` lacks `{word}`"));
    }
    for fractions in [[0.5, 0.6], [0.0, 1.0], [-0.5, 1.5], [f64::NAN, 0.5]] {
        let error = new().parts(fractions).unwrap_err().to_string();
        assert!(error.contains("add up to 1"), "{error}");
    }
    assert!(new().parts([0.9, 0.1]).unwrap_err().to_string().contains("there are 2 from `start_index` 18"));
    let nan = Tensor::from_slice(&[0f32, 1.0, f32::NAN, 2.0], [4, 1])?;
    assert!(TimeSeries::new(&nan, 2).dataset().unwrap_err().to_string().contains("NaN"));
    for bad in [-1, 17] {
        let error = new().dataset()?.read(&[0, bad]).unwrap_err().to_string();
        assert!(error.contains(&bad.to_string()) && error.contains("17"), "{error}");
    }
    // The median is the usual distance: a first one that is longer is a gap.
    let late: Vec<f64> = std::iter::once(-5.0).chain((1..20).map(f64::from)).collect();
    assert_eq!(new().times(late).dataset()?.len(), 16);
    Ok(())
}
