//! Data that is read while training goes on.

use super::{devices, samples, small_on, weight_bits};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use uncrumple::data::{NpyFiles, Source};
use uncrumple::files::npy;
use uncrumple::prelude::*;

fn data() -> Result<Dataset> {
    samples(&(0..23).map(|i| i % 3).collect::<Vec<i32>>())
}

/// The same data in files.
fn files(folder: &std::path::Path) -> Result<NpyFiles> {
    let data = data()?;
    let [x, y] = ["x.npy", "y.npy"].map(|name| folder.join(name));
    npy::write(&x, &data.inputs()[0].to_array()?)?;
    npy::write(&y, &data.targets()[0].to_array()?)?;
    NpyFiles::open([x], [y])
}

#[test]
fn files_train_as_memory_does() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let source = files(folder.path())?;
    for device in devices() {
        let fit = || Ok::<_, Error>(Fit::epochs(3).batch_size(5).validation_data(&data()?));
        let (mut memory, mut read) = (small_on(&device)?, small_on(&device)?);
        let history = memory.fit(&data()?, fit()?)?;
        assert_eq!(format!("{}", read.fit_source(&source, fit()?)?), format!("{history}"));
        assert_eq!(weight_bits(read.model())?, weight_bits(memory.model())?, "{device}");
        let [a, b] = [read.evaluate_source(&source, 4)?, memory.evaluate_with(&data()?, 4)?];
        assert_eq!(format!("{a}"), format!("{b}"));

        // Ended amid the second epoch, and gone on with.
        let backup = folder.path().join(format!("{}.safetensors", device.is_cpu()));
        let ended = small_on(&device)?.fit_source(&source, fit()?.backup(&backup).callback(Ends { at: 7, made: 0 }))?;
        assert_eq!(ended.epochs.len(), 1);
        let mut again = small_on(&device)?;
        again.fit_source(&source, fit()?.resume(&backup).callback(Ends { at: usize::MAX, made: 0 }))?;
        assert_eq!(weight_bits(again.model())?, weight_bits(memory.model())?, "{device}, resumed");
    }
    Ok(())
}

/// Ends a run after so many steps.
struct Ends {
    at: usize,
    made: usize,
}

impl Callback for Ends {
    fn on_step_end(&mut self, _: &mut Trainer, _: &Epoch, _: usize) -> Result<Control> {
        self.made += 1;
        Ok(if self.made == self.at { Control::Stop } else { Control::Continue })
    }
}

/// What a source makes of the samples of these numbers.
type Read = fn(&Dataset, &[i32]) -> Result<Dataset>;

/// Counts what is asked for, and does something else at one batch.
struct Odd {
    data: Dataset,
    reads: AtomicUsize,
    at: usize,
    what: Read,
}

impl Source for Odd {
    fn len(&self) -> usize {
        self.data.len()
    }

    fn read(&self, indices: &[i32]) -> Result<Dataset> {
        match self.reads.fetch_add(1, Ordering::SeqCst) {
            n if n == self.at => (self.what)(&self.data, indices),
            _ => self.data.read(indices),
        }
    }
}

fn odd(at: usize, what: Read) -> Result<Odd> {
    Ok(Odd { data: data()?, reads: AtomicUsize::new(0), at, what })
}

/// Begins to read when as many others do, and needs a thread of the pool for it.
struct Together<'a>(Dataset, &'a Barrier, AtomicUsize);

impl Source for Together<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn read(&self, indices: &[i32]) -> Result<Dataset> {
        // The first is read to be looked at, before a thread of the pool waits for any.
        if self.2.fetch_add(1, Ordering::SeqCst) == 1 {
            self.1.wait();
        }
        rayon::scope(|_| self.0.read(indices))
    }
}

#[test]
fn as_many_trainings_as_threads_do_not_wait_for_each_other() -> Result<()> {
    let threads = uncrumple::device::cpu::threads::count();
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        let fit = || {
            let source = Together(data()?, &barrier, AtomicUsize::new(0));
            small_on(&Device::Cpu)?.fit_source(&source, Fit::epochs(2).batch_size(5))
        };
        let runs: Vec<_> = (0..threads).map(|_| scope.spawn(fit)).collect();
        runs.into_iter().try_for_each(|run| run.join().unwrap().map(drop))
    })
}

#[test]
fn more_samples_than_can_be_numbered_are_refused() -> Result<()> {
    struct Endless;
    impl Source for Endless {
        fn len(&self) -> usize {
            i32::MAX as usize + 1
        }

        fn read(&self, _: &[i32]) -> Result<Dataset> {
            data()
        }
    }
    let fit = small_on(&Device::Cpu)?.fit_source(&Endless, Fit::epochs(1)).unwrap_err();
    let evaluate = small_on(&Device::Cpu)?.evaluate_source(&Endless, 4).unwrap_err();
    for error in [fit, evaluate] {
        assert!(error.to_string().contains("2147483648 samples are more than"), "{error}");
    }
    Ok(())
}

#[test]
fn what_a_source_fails_with_ends_the_run() -> Result<()> {
    // The first batch is looked at before the run; the fourth read is its third batch.
    let cases: [(Read, &str); 3] = [
        (|_, _| Err(Error::Data("the disk is gone".into())), "the disk is gone"),
        (|_, _| panic!("not now"), "panicked"),
        (|data, _| data.read(&[0]), "asked for 5 samples and gave 1"),
    ];
    for (what, want) in cases {
        let mut trainer = small_on(&Device::Cpu)?;
        let error = trainer.fit_source(&odd(3, what)?, Fit::epochs(2).batch_size(5)).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
        assert_eq!(trainer.iterations(), 2, "what came before was learnt from");
    }
    Ok(())
}

#[test]
fn two_batches_are_read_ahead_and_no_more() -> Result<()> {
    static READS: AtomicUsize = AtomicUsize::new(0);
    struct Counts(Dataset);
    impl Source for Counts {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn read(&self, indices: &[i32]) -> Result<Dataset> {
            READS.fetch_add(1, Ordering::SeqCst);
            self.0.read(indices)
        }
    }
    /// After a step, how far the reader is when it has had time.
    struct Looks;
    impl Callback for Looks {
        fn on_step_end(&mut self, _: &mut Trainer, _: &Epoch, step: usize) -> Result<Control> {
            std::thread::sleep(std::time::Duration::from_millis(20));
            // One to look at, those trained on, two that wait, and one in the reader's hand.
            let read = READS.load(Ordering::SeqCst);
            assert!((step + 2..=1 + step + 1 + 3).contains(&read), "{read} after step {step}");
            Ok(Control::Continue)
        }
    }
    small_on(&Device::Cpu)?.fit_source(&Counts(data()?), Fit::epochs(1).batch_size(1).callback(Looks))?;
    assert_eq!(READS.load(Ordering::SeqCst), 24);
    Ok(())
}

#[test]
fn sources_that_do_not_fit_are_refused() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let source = files(folder.path())?;
    let mut trainer = small_on(&Device::Cpu)?;
    let text = |result: Result<History>| result.unwrap_err().to_string();
    assert!(text(trainer.fit_source(&source, Fit::epochs(1).validation_split(0.5))).contains("data in memory"));
    assert!(text(trainer.fit_source(&source, Fit::epochs(1).class_weight([(0, 1.0)]))).contains("data in memory"));
    let short = folder.path().join("short.npy");
    npy::write(&short, &Tensor::from_slice(&[1.0f32; 8], [2, 4])?.to_array()?)?;
    let files = |x: &[&str]| NpyFiles::open(x.iter().map(|x| folder.path().join(x)), []).unwrap_err().to_string();
    assert!(files(&["x.npy", "short.npy"]).contains("has 2 rows, the first file 23"));
    assert!(files(&[]).contains("at least one file of inputs"));
    assert!(files(&["no.npy"]).contains("no.npy"));
    Ok(())
}
