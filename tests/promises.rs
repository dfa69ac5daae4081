//! What the engine promises of every training: no gradient is missing in silence, memory is flat and known beforehand,
//! and the same seed gives the same bits. (That every op is checked is `every_op_of_the_list_is_checked` of the
//! conformance suite; that a step takes nothing from the allocator is `tests/allocations.rs`.)

mod common;

use std::sync::{Mutex, MutexGuard, PoisonError};
use uncrumple::device::cpu::pool;
use uncrumple::layers::LayerRef;
use uncrumple::model::Summary;
use uncrumple::prelude::*;

/// The pools are the process's: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn devices() -> Vec<Device> {
    [Some(Device::Cpu), common::cuda()].into_iter().flatten().collect()
}

fn data(samples: usize, features: usize) -> Result<Dataset> {
    let mut random = common::Random(3);
    let x: Vec<f32> = (0..samples * features).map(|_| random.next() as f32 * 2.0 - 1.0).collect();
    let y: Vec<i32> = (0..samples).map(|_| (random.next() * 3.0) as i32).collect();
    Dataset::new(Tensor::from_slice(&x, [samples, features])?, Tensor::from_slice(&y, samples)?)
}

fn bits(trainer: &Trainer) -> Result<Vec<Vec<u32>>> {
    trainer.weights()?.iter().map(|w| Ok(w.to_vec::<f32>()?.into_iter().map(f32::to_bits).collect())).collect()
}

#[test]
fn a_parameter_without_a_gradient_is_named_and_nothing_changes() -> Result<()> {
    let _alone = alone();
    for device in devices() {
        let input = Input::new(4);
        let left = Dense::new(3).named("left").call(&input)?;
        let right = Dense::new(3).named("right").call(&Dense::new(5).named("inner").call(&input)?)?;
        let model = Model::new(&input, [&left, &right])?.on(device.clone());
        // The second output is forgotten, as a step of one's own may.
        let mut trainer = model.compile(SGD::new(0.1), (), ())?.with_step(|model, batch| {
            model.call(&[&batch.inputs()[0]])?[0].sparse_softmax_cross_entropy(&batch.targets()[0])?.mean(&[], false)
        });
        let (before, batch) = (bits(&trainer)?, data(6, 4)?.to_device(&device)?);
        match trainer.train_on_batch(&batch) {
            Err(Error::NoGradient { paths }) => {
                assert_eq!(paths, ["inner/kernel", "inner/bias", "right/kernel", "right/bias"], "{device}");
            }
            other => panic!("{device}: {other:?}"),
        }
        assert_eq!((bits(&trainer)?, trainer.iterations()), (before, 0), "{device}");
    }
    Ok(())
}

/// Bytes that tensors hold, and bytes that the pool has from the system.
fn memory(device: &Device) -> (usize, usize) {
    match device {
        Device::Cpu => (pool::bytes_in_use(), pool::bytes_held()),
        Device::Cuda(cuda) => (cuda.bytes_in_use(), cuda.bytes_held()),
    }
}

#[test]
fn memory_after_ten_steps_is_memory_after_ten_thousand() -> Result<()> {
    let _alone = alone();
    for device in devices() {
        let chain = Sequential::new(4).add(Dense::new(8).relu()).add(Dropout::new(0.3)).add(Dense::new(3).softmax());
        let model = chain.build()?.on(device.clone());
        let mut trainer =
            model.compile(Adam::new(1e-3).clipnorm(1.0), SparseCategoricalCrossentropy::new(), [Accuracy::new()])?;
        let batch = data(8, 4)?.to_device(&device)?;
        let mut after = |steps: usize| -> Result<_> {
            (0..steps).try_for_each(|_| trainer.train_on_batch(&batch))?;
            device.synchronize()?;
            Ok(memory(&device))
        };
        // In software a step of a card takes milliseconds.
        let steps = if device == Device::Cpu { 10_000 } else { 1_000 };
        assert_eq!(after(10)?, after(steps - 10)?, "{device}: bytes in use and held by the pool");
    }
    Ok(())
}

/// Runs `work` as a machine with so many threads does.
fn on_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.unwrap_or_else(|e| panic!("a thread pool: {e}")).install(work)
}

/// What a step takes at its height: what the pool has to ask for when it begins with nothing that waits.
fn height(trainer: &mut Trainer, device: &Device, batch: &Dataset) -> Result<usize> {
    match device {
        Device::Cpu => pool::release_all(),
        Device::Cuda(cuda) => cuda.release_all()?,
    }
    let idle = memory(device).1;
    trainer.train_on_batch(batch)?;
    Ok(memory(device).1 - idle)
}

/// Parameters and the optimizer's state take what is stated, up to an eighth; activations at least that, and on the CPU at
/// most a third more and what is stated of scratch memory, whatever the number of threads.
#[test]
fn the_summary_states_what_training_uses() -> Result<()> {
    let _alone = alone();
    for device in devices() {
        let threads = if device.is_cpu() { &[1, 2, 16][..] } else { &[1] };
        for (&threads, batch) in threads.iter().flat_map(|t| [(t, 64), (t, 512)]) {
            on_threads(threads, || {
                check_memory("dense", dense(), &device, batch, threads)?;
                check_memory("recurrent", recurrent(), &device, batch, threads)
            })?;
        }
    }
    Ok(())
}

/// Features of a sample.
const WIDTH: usize = 256;

fn dense() -> Sequential {
    (0..16).fold(Sequential::new(WIDTH), |chain, _| chain.add(Dense::new(WIDTH).relu()))
}

/// Recurrences, whose values at all steps wait for the backward.
fn recurrent() -> Sequential {
    let sequences = Sequential::new(WIDTH).add(Reshape::new([32, 8]));
    let lstm = sequences.add(LSTM::new(40).return_sequences(true));
    lstm.add(Bidirectional::new(GRU::new(33).return_sequences(true))).add(SimpleRNN::new(48))
}

fn check_memory(name: &str, chain: Sequential, device: &Device, batch: usize, threads: usize) -> Result<()> {
    let in_use = || memory(device).0;
    let samples = data(batch, WIDTH)?.to_device(device)?;
    let start = in_use();
    let model = chain.add(Dense::new(3).softmax()).build()?.on(device.clone());
    let parameters = in_use() - start;
    let (stated_parameters, stated_state, stated_activations, scratch) = {
        let summary = model.summary().batch_size(batch);
        let activations = summary.activation_bytes().unwrap();
        (summary.parameter_bytes(), summary.optimizer_bytes(), activations, summary.scratch_bytes(threads))
    };
    let loss = SparseCategoricalCrossentropy::new();
    let mut trainer = model.compile(Adam::new(1e-3), loss, ())?.capture(false);
    trainer.train_on_batch(&samples)?;
    let state = in_use() - start - parameters;
    // All gradients are there before the first weight changes; the rest are activations and what works on them.
    let activations = height(&mut trainer, device, &samples)? - stated_parameters;
    let label = format!("{name} on {device}, batch of {batch}, {threads} threads");
    // A model's weights go to a card when it is compiled, so that only on the CPU they can be told from the state.
    let both = ("parameters and state", parameters + state, stated_parameters + stated_state);
    let alone = [("parameters", parameters, stated_parameters), ("state", state, stated_state)];
    let told_apart = if device.is_cpu() { &alone[..] } else { &[] };
    // Blocks come in classes, so an eighth may be lost.
    for &(what, used, stated) in told_apart.iter().chain([&both]) {
        assert!((stated..=stated * 9 / 8).contains(&used), "{label}: {what} take {used} bytes, {stated} are stated");
    }
    let most = stated_activations * 4 / 3 + scratch;
    assert!(
        !device.is_cpu() || (stated_activations..=most).contains(&activations),
        "{label}: activations take {activations} bytes, {stated_activations} are stated"
    );
    Ok(())
}

/// Convolutions, each with scratch memory of another size, take no more of it for a thread than the summary states.
#[test]
fn scratch_memory_grows_with_threads_as_stated() -> Result<()> {
    let _alone = alone();
    let run = |threads| {
        on_threads(threads, || -> Result<usize> {
            let program = uncrumple::programs::find("resnet")?;
            let mut trainer = program.compile(program.model()?, ())?;
            let batch = program.data(8, 0)?;
            trainer.train_on_batch(&batch)?;
            height(&mut trainer, &Device::Cpu, &batch)
        })
    };
    let (one, many) = (run(1)?, run(16)?);
    assert!(many <= one + 15 * Summary::SCRATCH_PER_THREAD, "{one} bytes with one thread, {many} with 16");
    Ok(())
}

/// Every layer that draws random numbers, by its file, those that take images first: some pass no gradient on; those that take
/// sequences last.
fn random_layers() -> [Vec<(&'static str, LayerRef)>; 3] {
    let images = vec![
        ("mixing", MixUp::new(0.4).into()),
        ("random_brightness", RandomBrightness::new(0.2).value_range(-4.0, 4.0).into()),
        ("random_contrast", RandomContrast::new(0.2).value_range(-4.0, 4.0).into()),
        ("random_crop", RandomCrop::new(3, 3).into()),
        ("random_erasing", RandomErasing::new(0.5).value_range(-4.0, 4.0).into()),
        ("warp", RandomFlip::new().into()),
    ];
    let vectors = vec![
        ("alpha_dropout", AlphaDropout::new(0.2).into()),
        ("dropout", Dropout::new(0.3).into()),
        ("gaussian_dropout", GaussianDropout::new(0.2).into()),
        ("gaussian_noise", GaussianNoise::new(0.1).into()),
        ("sampling", Sampling::new().into()),
    ];
    let sequences = vec![
        ("conv_lstm", ConvLSTM1D::new(2, 3).recurrent_dropout(0.2).into()),
        ("recurrent_cell", GRU::new(5).dropout(0.2).recurrent_dropout(0.2).into()),
        ("attend", TransformerEncoder::new(9, 2).dropout(0.2).into()),
    ];
    [images, vectors, sequences]
}

/// A point drawn by a layer, as a layer of one input.
fn drawn(layer: LayerRef) -> Result<LayerRef> {
    let input = Input::new([96]);
    let of = |x: &Symbol| Dense::new(96).call(x);
    Ok(Model::new(&input, &layer.call([&of(&input)?, &of(&input)?])?)?.as_layer())
}

fn random_trainer(device: &Device) -> Result<Trainer> {
    let mut chain = Sequential::new(32).add(Reshape::new([4, 4, 2]));
    let [images, vectors, sequences] = random_layers();
    for (_, layer) in images {
        chain = chain.add(layer);
    }
    chain = chain.add(Flatten::new());
    for (_, layer) in vectors {
        // It takes a mean and a variance.
        if layer.layer().class_name() == "Sampling" {
            chain = chain.add(drawn(layer)?);
            continue;
        }
        chain = chain.add(Dense::new(96).tanh()).add(layer);
    }
    for ((_, layer), shape) in sequences.into_iter().zip([&[3, 8, 4][..], &[4, 24], &[8, 12]]) {
        chain = chain.add(Dense::new(96).tanh()).add(Reshape::new(shape)).add(layer).add(Flatten::new());
    }
    let model = chain.add(Dense::new(3).softmax()).build()?.seed(7)?.on(device.clone());
    model.compile(AdamW::new(1e-2), SparseCategoricalCrossentropy::new(), [Accuracy::new()])
}

#[test]
fn no_layer_that_draws_numbers_is_left_out_below() -> std::io::Result<()> {
    let mut drawing = Vec::new();
    for entry in std::fs::read_dir(uncrumple::files::repository().join("src/layers"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "rs") && std::fs::read_to_string(&path)?.contains("call.generator()") {
            drawing.push(path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
    drawing.sort();
    let mut tested: Vec<_> = random_layers().iter().flatten().map(|(name, _)| *name).collect();
    tested.sort();
    assert_eq!(drawing, tested);
    Ok(())
}

#[test]
fn a_rerun_gives_the_same_bits_with_any_number_of_threads() -> Result<()> {
    let _alone = alone();
    let data = data(203, 32)?;
    let run = |device: &Device| -> Result<_> {
        let mut trainer = random_trainer(device)?;
        let history = trainer.fit(&data, Fit::epochs(2).batch_size(67))?;
        Ok((bits(&trainer)?, history.values("loss").iter().map(|l| l.to_bits()).collect::<Vec<_>>()))
    };
    for device in devices() {
        let first = run(&device)?;
        assert!(run(&device)? == first, "{device}: a rerun has other bits");
        for threads in [1, 2, 5] {
            assert!(on_threads(threads, || run(&device))? == first, "{device}: {threads} threads have other bits");
        }
    }
    Ok(())
}

#[test]
fn a_run_that_was_saved_goes_on_with_the_bits_of_one_that_was_not() -> Result<()> {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.keras");
    let data = data(50, 32)?;
    let fit = |epochs| Fit::epochs(epochs).batch_size(17);
    for device in devices() {
        let mut whole = random_trainer(&device)?;
        whole.fit(&data, fit(4))?;
        for stop in [1, 3] {
            let mut first = random_trainer(&device)?;
            first.fit(&data, fit(stop))?;
            first.save(&path)?;
            drop(first);
            let mut second = Trainer::load(&path)?.on(device.clone())?;
            second.fit(&data, fit(4 - stop))?;
            assert!(bits(&second)? == bits(&whole)?, "{device}: stopped after epoch {stop}");
        }
    }
    Ok(())
}
