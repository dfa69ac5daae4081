//! A profile accounts for the whole step, and changes none of it.

use super::{devices, samples, weight_bits};
use std::cell::RefCell;
use std::collections::BTreeSet;
use uncrumple::callbacks::Profiler;
use uncrumple::prelude::*;
use uncrumple::profile::{self, Kind, Profile};
use uncrumple::train::{Callback, Epoch};

fn trainer(device: &Device) -> Result<Trainer> {
    let hidden = Dense::new(16).kernel_regularizer(L2::new(0.01));
    let model = Sequential::new([4]).add(hidden).add(Dropout::new(0.5)).add(Dense::new(3).softmax()).build()?;
    let model = model.seed(3)?.on(device.clone());
    model.compile(Adam::new(0.01).clipnorm(1.0), SparseCategoricalCrossentropy::new(), [Accuracy::new()])
}

fn data() -> Result<Dataset> {
    samples(&(0..23).map(|i| i % 3).collect::<Vec<i32>>())
}

thread_local!(static FOUND: RefCell<Profile> = RefCell::default());

/// Records the second epoch.
struct Recorder;

impl Callback for Recorder {
    fn on_epoch_begin(&mut self, trainer: &mut Trainer, epoch: &Epoch) -> Result<()> {
        if epoch.number == 1 { profile::begin(trainer.device()) } else { Ok(()) }
    }

    fn on_step_end(&mut self, _: &mut Trainer, epoch: &Epoch, step: usize) -> Result<Control> {
        if epoch.number == 1 && step + 1 == epoch.steps {
            let profile = profile::end()?;
            FOUND.with_borrow_mut(|found| *found = profile);
        }
        Ok(Control::Continue)
    }
}

fn record(device: &Device) -> Result<Profile> {
    uncrumple::device::cpu::threads::enter(|| {
        trainer(device)?.capture(false).fit(&data()?, Fit::epochs(2).batch_size(8).callback(Recorder))?;
        Ok(FOUND.with_borrow_mut(std::mem::take))
    })
}

#[test]
fn a_trace_that_cannot_be_written_is_known_before_the_first_step() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = trainer(&Device::Cpu)?;
    let mut fit =
        |path: &std::path::Path| trainer.fit(&data()?, Fit::epochs(2).callback(Profiler::new(path))).map(drop);
    let trace = folder.path().join("new/trace.json");
    fit(&trace)?;
    let text = std::fs::read_to_string(&trace).unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["traceEvents"].is_array());
    for path in [folder.path(), &trace.join("trace.json")] {
        assert!(matches!(fit(path), Err(Error::Io { .. })), "{}", path.display());
    }
    assert_eq!(trainer.iterations(), 2, "of the one run that began");
    Ok(())
}

/// Ends a run with an error before the profiler is warm.
struct Fails;

impl Callback for Fails {
    fn on_step_end(&mut self, _: &mut Trainer, _: &Epoch, _: usize) -> Result<Control> {
        Err(Error::Data("enough".into()))
    }
}

#[test]
fn a_run_that_ends_early_gives_the_capture_back() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    for capture in [true, false] {
        let mut trainer = trainer(&Device::Cpu)?.capture(capture);
        let fit = Fit::epochs(9).callback(Profiler::new(folder.path().join("t.json"))).callback(Fails);
        assert!(trainer.fit(&data()?, fit).is_err());
        assert_eq!(trainer.set_capture(false), capture);
    }
    Ok(())
}

#[test]
fn the_rows_are_the_steps() -> Result<()> {
    for device in devices() {
        let profile = record(&device)?;
        let table = profile.table();
        assert_eq!(table.steps, 3, "{device}");
        let sum = |rows: &[profile::Row]| rows.iter().map(|row| row.seconds).sum::<f64>();
        for (what, parts) in [("ops", sum(&table.ops) + table.between), ("layers", sum(&table.layers))] {
            assert!(
                (parts - table.seconds).abs() <= 1e-9 + 1e-6 * table.seconds,
                "{what}: {parts} of {}",
                table.seconds
            );
        }
        let names = |rows: &[profile::Row]| -> BTreeSet<(String, String)> {
            rows.iter().map(|row| (row.phase.clone(), row.name.clone())).collect()
        };
        let (ops, layers) = (names(&table.ops), names(&table.layers));
        for (phase, op) in [
            ("data", "gather"),
            ("forward", "linear"),
            ("forward", "dropout"),
            ("backward", "matmul"),
            ("optimizer", "adam"),
        ] {
            assert!(ops.contains(&(phase.into(), op.into())), "{device}: no {op} in {phase}: {ops:?}");
        }
        for layer in ["dense", "dropout", "dense_1", "(loss)"] {
            for phase in ["forward", "backward"] {
                assert!(layers.contains(&(phase.into(), layer.into())), "{device}: no {phase} of {layer}: {layers:?}");
            }
        }
        // Batches of 8, 8 and 7 samples through 4 × 16 and 16 × 3.
        let linear = table.ops.iter().find(|row| row.name == "linear").expect("there is one");
        assert_eq!((linear.calls, linear.operations), (6, 2 * 23 * (4 * 16 + 16 * 3)));
        let floats = |rows: u64, k: u64, n: u64| 4 * (rows * k + 3 * (k * n + n) + rows * n);
        assert_eq!(linear.bytes, floats(23, 4, 16) + floats(23, 16, 3));
        let adam = table.ops.iter().find(|row| row.name == "adam").expect("there is one");
        assert_eq!(adam.bytes, 3 * 4 * 7 * (4 * 16 + 16 + 16 * 3 + 3));
        let printed = table.to_string();
        assert!(printed.starts_with("3 steps") && printed.contains("(between ops)"), "{printed}");
    }
    Ok(())
}

#[test]
fn spans_lie_in_each_other() -> Result<()> {
    for device in devices() {
        let profile = record(&device)?;
        for (i, span) in profile.spans.iter().enumerate() {
            assert!(span.start <= span.end, "{span:?}");
            let Some(parent) = span.parent else {
                assert_eq!(span.kind, Kind::Step);
                continue;
            };
            let around = &profile.spans[parent];
            assert!(parent < i && around.kind != Kind::Op, "{span:?} in {around:?}");
            // A card's events are exact to half a microsecond.
            let slack = if device.is_cpu() { 0.0 } else { 2e-6 };
            assert!(around.start <= span.start + slack && span.end <= around.end + slack, "{span:?} in {around:?}");
        }
    }
    Ok(())
}

#[test]
fn profiling_changes_no_bit_and_leaves_a_trace() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.json");
    for device in devices() {
        let run = |profiled: bool| -> Result<_> {
            let mut trainer = trainer(&device)?;
            let fit = Fit::epochs(4).batch_size(8);
            let fit = if profiled { fit.callback(Profiler::new(&path)) } else { fit };
            let history = trainer.fit(&data()?, fit)?;
            let losses: Vec<f64> = history.epochs.iter().filter_map(|logs| logs.get("loss")).collect();
            Ok((losses, weight_bits(trainer.model())?))
        };
        assert!(run(true)? == run(false)?, "{device}");
        let text = std::fs::read_to_string(&path).expect("a trace");
        let trace: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let events = trace["traceEvents"].as_array().expect("a list");
        // Of 12 steps 3 warm up.
        assert_eq!(events.iter().filter(|e| e["cat"] == "step").count(), 9);
        assert!(
            events.iter().all(|e| e["ph"] == "X" && e["ts"].is_f64() && e["dur"].as_f64().is_some_and(|d| d >= 0.0))
        );
        assert!(events.iter().any(|e| e["name"] == "linear" && e["args"]["operations"].as_u64() > Some(0)));
        std::fs::remove_file(&path).expect("a file");
    }
    Ok(())
}

#[test]
fn one_thread_records_one_profile() -> Result<()> {
    profile::begin(&Device::Cpu)?;
    assert!(profile::begin(&Device::Cpu).is_err_and(|e| e.to_string().contains("end it first")));
    Tensor::ones(&Device::Cpu, [3], DType::F32)?.exp()?;
    assert_eq!(profile::end()?.spans.iter().filter(|s| s.name == "exp").count(), 1);
    Tensor::ones(&Device::Cpu, [3], DType::F32)?.exp()?;
    assert!(profile::end()?.spans.is_empty());
    Ok(())
}
