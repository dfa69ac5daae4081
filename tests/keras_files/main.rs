//! Model files: those that Keras wrote, our own, and in `hostile` damaged ones.

#[path = "../common/mod.rs"]
mod common;
mod hostile;
mod registered;
mod transformers;

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use uncrumple::files::{Array, repository, safetensors};
use uncrumple::losses;
use uncrumple::model::keras::{self, Loaded};
use uncrumple::prelude::*;
use uncrumple::programs::diffusion::{Condition, UNet};
use uncrumple::programs::vae::Vae;

fn goldens() -> PathBuf {
    repository().join("tests/goldens/keras_files")
}

struct Golden {
    name: String,
    file: PathBuf,
    facts: Value,
    arrays: BTreeMap<String, Array>,
}

impl Golden {
    fn all() -> Vec<Golden> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(goldens()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "safetensors") {
                let contents = safetensors::read(&path).unwrap();
                let facts: Value = serde_json::from_str(&contents.metadata["golden"]).unwrap();
                let file = goldens().join(facts["file"].as_str().unwrap());
                let name = path.file_stem().unwrap().to_str().unwrap().to_string();
                found.push(Golden { name, file, facts, arrays: contents.arrays });
            }
        }
        assert!(found.len() >= 11, "the goldens are not in {}", goldens().display());
        found
    }

    fn list(&self, key: &str) -> Vec<&str> {
        self.facts[key].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect()
    }

    fn tensors(&self, stem: &str, count: &str) -> Vec<Tensor> {
        let count = self.facts[count].as_u64().unwrap();
        (0..count).map(|i| Tensor::from_array(&self.arrays[&format!("{stem}.{i}")]).unwrap()).collect()
    }
}

fn predict(model: &Model, inputs: &[Tensor]) -> Vec<Vec<f32>> {
    let outputs = model.call(&inputs.iter().collect::<Vec<_>>()).unwrap();
    outputs.iter().map(|t| t.cast(DType::F32).unwrap().to_vec().unwrap()).collect()
}

#[track_caller]
fn assert_close(what: &str, got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= 2e-6 + 1e-5 * w.abs(), "{what}: element {i} is {g}, Keras has {w}");
    }
}

/// Weights by the end of their path: a nested model's are `inner/wide/kernel` here and `wide/kernel` in Keras.
fn weight(model: &Model, path: &str) -> Array {
    let ours: Vec<&str> = model.weight_paths().filter(|p| *p == path || p.ends_with(&format!("/{path}"))).collect();
    assert_eq!(ours.len(), 1, "{path}");
    model.weight(ours[0]).unwrap().to_array().unwrap()
}

/// The training state of a file in the order of the golden's `state`.
fn state(golden: &Golden, loaded: &Loaded) -> Vec<(String, Array)> {
    let training = loaded.training.as_ref().unwrap().as_ref().unwrap();
    // Keras names a slot after the layer and the weight, without the models around them.
    let local =
        |path: &str| path.rsplitn(3, '/').take(2).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("_");
    let trainable: Vec<String> = trainable(&loaded.model).map(local).collect();
    let find = |name: &str| {
        let slots = training.optimizer.all_slots();
        for (i, weight) in trainable.iter().enumerate() {
            for (s, slot) in slots.iter().enumerate() {
                if name == format!("{weight}_{slot}") {
                    return training.slots[i][s].to_array().unwrap();
                }
            }
        }
        panic!("{}: no slot {name}", golden.name)
    };
    let named = golden.list("state").into_iter().map(|path| {
        let array = match path.split_once('/').map_or(path, |(_, name)| name) {
            // Nadam's product, which Keras gives no name.
            name if name.starts_with("variable") => {
                let scalar = training.optimizer.scalar(training.iteration).unwrap();
                Array::from_slice(&[], &[scalar as f32]).unwrap()
            }
            "iteration" => Array::from_slice(&[], &[training.iteration as i32]).unwrap(),
            "learning_rate" => {
                Array::from_slice(&[], &[training.optimizer.settings().learning_rate.at(0) as f32]).unwrap()
            }
            name => find(name),
        };
        (path.to_string(), array)
    });
    named.collect()
}

fn trainable(model: &Model) -> impl Iterator<Item = &str> {
    model.graph().weights.iter().filter(|(_, spec)| spec.trainable).map(|(path, _)| path.as_str())
}

fn check(golden: &Golden, loaded: &Loaded) {
    let name = &golden.name;
    assert_eq!(loaded.model.weight_paths().count(), golden.list("weights").len(), "{name}");
    for path in golden.list("weights") {
        assert_eq!(weight(&loaded.model, path), golden.arrays[&format!("weight.{path}")], "{name}: {path}");
    }
    let outputs = predict(&loaded.model, &golden.tensors("input", "inputs"));
    for (i, (got, want)) in outputs.iter().zip(golden.tensors("output", "outputs")).enumerate() {
        assert_close(&format!("{name}: output {i}"), got, want.data().unwrap());
    }
    assert_eq!(loaded.training.is_some(), !golden.list("state").is_empty(), "{name}");
    if loaded.training.is_some() {
        for (path, got) in state(golden, loaded) {
            let want = &golden.arrays[&format!("state.{path}")];
            if path.contains("variable") {
                // Computed here from the count of steps.
                assert_close(&format!("{name}: {path}"), &got.to_vec().unwrap(), &want.to_vec().unwrap());
            } else {
                assert_eq!(got, *want, "{name}: {path}");
            }
        }
    }
}

#[test]
fn files_of_keras_load_and_come_back_from_a_save() {
    let folder = tempfile::tempdir().unwrap();
    for golden in Golden::all() {
        let loaded = keras::read(&golden.file).unwrap_or_else(|e| panic!("{e}"));
        check(&golden, &loaded);

        let path = folder.path().join(format!("{}.keras", golden.name));
        let training = loaded.training.as_ref().map(|t| t.as_ref().unwrap().borrowed());
        let model = loaded.model.clone().attach("note.txt", *b"kept").unwrap();
        keras::write(&path, &model, training).unwrap();
        let again = keras::read(&path).unwrap();
        check(&golden, &again);
        assert_eq!(again.model.attachment("note.txt"), Some(&b"kept"[..]));
        assert_eq!(format!("{:?}", again.model.graph()), format!("{:?}", loaded.model.graph()), "{}", golden.name);
        if let (Some(Ok(a)), Some(Ok(b))) = (&loaded.training, &again.training) {
            assert_eq!(format!("{a:?}"), format!("{b:?}"), "{}", golden.name);
        }
        let inputs = golden.tensors("input", "inputs");
        assert_eq!(predict(&loaded.model, &inputs), predict(&again.model, &inputs), "the same bits");
    }
}

/// A model with what makes files hard: a shared layer at two depths, a nested model called twice that is itself an
/// output, a model inside that one, a frozen layer, more than ten layers of one class.
fn intricate() -> Model {
    let core = Sequential::new([4]).add(Dense::new(4).tanh()).build().unwrap().named("core");
    let input = Input::new([4]);
    let x = Dense::new(4).relu().call(&input).unwrap();
    let x = core.as_layer().call(&x).unwrap();
    let x = Dense::new(4).named("frozen").trainable(false).call(&x).unwrap();
    let block = Model::new(&input, &x).unwrap().named("block").as_layer();

    let (left, right) = (Input::new([4]), Input::new([4]));
    let shared = Dense::new(4).sigmoid().shared();
    let mut x = shared.call(&left).unwrap();
    for _ in 0..11 {
        x = Dense::new(4).tanh().call(&x).unwrap();
    }
    let a = block.call(&shared.call(&x).unwrap()).unwrap();
    let b = block.call(&a).unwrap();
    let sum = Add::new().call([&a, &right]).unwrap();
    let joined = Concatenate::new().call([&left, &sum, &b]).unwrap();
    let y = Dense::new(3).softmax().call(&joined).unwrap();
    Model::new([&right, &left], [&y, &b]).unwrap().seed(5).unwrap()
}

fn sample<const N: usize>(seed: u64, shape: [usize; N]) -> Tensor {
    let mut random = common::Random(seed);
    let values: Vec<f32> = (0..shape.iter().product::<usize>()).map(|_| random.next() as f32 * 2.0 - 1.0).collect();
    Tensor::from_slice(&values, shape).unwrap()
}

#[test]
fn our_own_models_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.keras");
    let model = intricate();
    model.save(&path).unwrap();
    let again = Model::load(&path).unwrap();
    let inputs = [sample(1, [5, 4]), sample(2, [5, 4])];
    assert_eq!(predict(&model, &inputs), predict(&again, &inputs));
    assert_eq!(model.weight_paths().collect::<Vec<_>>(), again.weight_paths().collect::<Vec<_>>());
    assert_eq!(trainable(&model).collect::<Vec<_>>(), trainable(&again).collect::<Vec<_>>());
    assert!(model.weight_paths().any(|p| p == "block/core/dense/kernel"));
    assert!(!trainable(&model).any(|p| p.starts_with("block/frozen")));

    let mixed = Sequential::new([4]).add(Dense::new(2)).build().unwrap().precision(Precision::MixedBf16);
    mixed.save(&path).unwrap();
    let again = Model::load(&path).unwrap();
    assert_eq!(again.summary().activation_bytes(), mixed.summary().activation_bytes());
    assert_eq!(predict(&again, &inputs[..1]), predict(&mixed, &inputs[..1]));
}

#[test]
fn a_layer_keeps_a_precision_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.keras");
    let head = Dense::new(2).shared().precision(Precision::F32);
    let mixed = Sequential::new([4]).add(Dense::new(8).tanh()).add(head).build().unwrap();
    let mixed = mixed.precision(Precision::MixedBf16);
    mixed.save(&path).unwrap();
    let again = Model::load(&path).unwrap();
    let input = sample(1, [5, 4]);
    let outputs = [&mixed, &again].map(|model| model.call(&[&input]).unwrap().remove(0));
    assert!(outputs.iter().all(|y| y.dtype() == DType::F32));
    let outputs = outputs.map(|y| y.to_vec::<f32>().unwrap());
    assert_eq!(outputs[0], outputs[1]);
    let whole = predict(&again.precision(Precision::F32), &[input]);
    assert_ne!(outputs[1], whole[0], "the first layer computes in bf16");
}

#[test]
fn a_nested_model_keeps_its_values_and_shares_them() {
    let mut inner = Sequential::new([2]).add(Dense::new(2)).build().unwrap().named("inner");
    inner.set_weight("dense/kernel", &Tensor::from_slice(&[1f32, 2., 3., 4.], [2, 2]).unwrap()).unwrap();
    inner.set_weight("dense/bias", &Tensor::from_slice(&[0.5f32, -0.5], [2]).unwrap()).unwrap();
    let x = Input::new([2]);
    let layer = inner.as_layer();
    let y = layer.call(&layer.call(&x).unwrap()).unwrap();
    let outer = Model::new(&x, &y).unwrap();
    assert_eq!(outer.weight_paths().collect::<Vec<_>>(), ["inner/dense/kernel", "inner/dense/bias"]);
    let x = Tensor::from_slice(&[1f32, 1.], [1, 2]).unwrap();
    let once = predict(&inner, std::slice::from_ref(&x));
    let twice = predict(&inner, &[Tensor::from_slice(&once[0], [1, 2]).unwrap()]);
    assert_eq!(predict(&outer, &[x]), twice);
    // Another seed draws what was drawn, and leaves what was given.
    let chain = Sequential::new([2]).add(&inner).add(Dense::new(2)).build().unwrap().seed(9).unwrap();
    assert_eq!(chain.weight("inner/dense/kernel").unwrap().to_vec::<f32>().unwrap(), [1., 2., 3., 4.]);

    let wrong = layer.call(&Input::new([3])).unwrap_err().to_string();
    assert!(wrong.contains("inner") && wrong.contains("(None, 2)") && wrong.contains("(None, 3)"), "{wrong}");
}

#[test]
fn weights_alone() {
    let folder = tempfile::tempdir().unwrap();
    let model = intricate();
    let mut other = intricate().seed(77).unwrap();
    let inputs = [sample(1, [5, 4]), sample(2, [5, 4])];
    assert_ne!(predict(&model, &inputs), predict(&other, &inputs));
    for name in ["w.safetensors", "w.weights.h5"] {
        let path = folder.path().join(name);
        model.save_weights(&path).unwrap();
        other = other.seed(78).unwrap();
        other.load_weights(&path).unwrap();
        assert_eq!(predict(&model, &inputs), predict(&other, &inputs), "{name}");

        let mut small = Sequential::new([4]).add(Dense::new(4)).build().unwrap();
        let before = predict(&small, &inputs[..1]);
        let message = small.load_weights(&path).unwrap_err().to_string();
        assert!(message.contains(name), "{message}");
        assert_eq!(predict(&small, &inputs[..1]), before, "nothing is half loaded");
    }
    assert!(model.save_weights(folder.path().join("w.txt")).is_err());

    let path = folder.path().join("one.safetensors");
    Sequential::new([4]).add(Dense::new(5)).build().unwrap().save_weights(&path).unwrap();
    let mut narrow = Sequential::new([4]).add(Dense::new(3)).build().unwrap();
    let message = narrow.load_weights(&path).unwrap_err().to_string();
    assert!(message.contains("`dense/kernel`: expected float32 (4, 3), the file holds float32 [4, 5]"), "{message}");
}

/// Each layer of images, with arguments that are not the defaults. What changes images in training does not in a prediction.
fn of_images() -> Model {
    let chain = Sequential::new([6, 5, 2])
        .add(RandomFlip::horizontal())
        .add(RandomRotation::new((-0.1, 0.2)).fill_mode(FillMode::Wrap).interpolation(Interpolation::Nearest))
        .add(RandomTranslation::new(0.1, (0.0, 0.2)).fill_mode(FillMode::Constant).fill_value(0.5))
        .add(RandomZoom::new(0.1).width_factor((-0.1, 0.2)).fill_mode(FillMode::Nearest))
        .add(RandomZoom::new(0.1))
        .add(RandomCrop::new(6, 5))
        .add(RandomContrast::new((0.1, 0.3)).value_range(-1.0, 1.0))
        .add(RandomBrightness::new(0.2).value_range(-1.0, 1.0))
        .add(RandomErasing::new(0.5).scale((0.1, 0.2)).fill_value(0.5).value_range(-1.0, 1.0))
        .add(MixUp::new(0.4))
        .add(CutMix::new((0.2, 0.4)));
    let chain = Interpolation::ALL.into_iter().fold(chain, |chain, interpolation| {
        let larger = UpSampling2D::new([2, 1]).interpolation(interpolation);
        chain.add(larger).add(Resizing::new(5, 7).interpolation(interpolation).antialias(true))
    });
    let chain = chain
        .add(Resizing::new(9, 6).pad_to_aspect_ratio(true).fill_value(0.25))
        .add(Resizing::new(4, 9).crop_to_aspect_ratio(true))
        .add(ZeroPadding2D::new([(1, 2), (0, 3)]))
        .add(Cropping2D::new([(1, 0), (2, 1)]))
        .add(CenterCrop::new(4, 5))
        .add(CenterCrop::new(6, 6));
    chain.build().unwrap()
}

/// Writes what `scripts/keras-check` opens with Keras, where `UNCRUMPLE_WRITE_KERAS` names the folder.
#[test]
#[ignore = "for scripts/keras-check"]
fn write_files_for_keras() {
    let folder = PathBuf::from(std::env::var_os("UNCRUMPLE_WRITE_KERAS").expect("UNCRUMPLE_WRITE_KERAS is not set"));
    let place = |group: &str, name: &str| {
        let folder = folder.join(group).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    };
    let put = |folder: &Path, stem: &str, tensor: &Tensor| {
        uncrumple::files::npy::write(folder.join(format!("{stem}.npy")), &tensor.to_array().unwrap()).unwrap();
    };
    let write = |name: &str, loaded: &Loaded, inputs: &[Tensor], next: &[(&str, Tensor)]| {
        let training = loaded.training.as_ref().map(|t| t.as_ref().unwrap().borrowed());
        let folder = place(if training.is_some() { "trained" } else { "inference" }, name);
        let model = loaded.model.clone().attach("note.txt", *b"kept").unwrap();
        keras::write(folder.join("model.keras"), &model, training).unwrap();
        let outputs = loaded.model.call(&inputs.iter().collect::<Vec<_>>()).unwrap();
        next.iter().for_each(|(stem, tensor)| put(&folder, stem, tensor));
        for (stem, tensors) in [("x", inputs), ("y", &outputs[..])] {
            tensors.iter().enumerate().for_each(|(i, tensor)| put(&folder, &format!("{stem}.{i}"), tensor));
        }
    };
    for golden in Golden::all() {
        let loaded = keras::read(&golden.file).unwrap();
        // What Keras computes when it goes on from its own file, it must compute from ours.
        let next = [("target.0", "target.0"), ("loss", "next.loss"), ("after.0", "next.output.0")];
        let next = next.map(|(stem, key)| golden.arrays.get(key).map(|a| (stem, Tensor::from_array(a).unwrap())));
        let next: Vec<_> = next.into_iter().flatten().collect();
        write(&golden.name, &loaded, &golden.tensors("input", "inputs"), &next);
    }
    let inputs = [sample(1, [5, 4]), sample(2, [5, 4])];
    let loaded = |model| Loaded { model, training: None };
    write("intricate", &loaded(intricate()), &inputs, &[]);
    let x = Input::new([4]);
    let list = Model::new(&x, &intricate().as_layer().call([&x, &x]).unwrap()).unwrap();
    write("nested_output", &loaded(list), &inputs[..1], &[]);
    let images = [sample(4, [3, 6, 5, 2])];
    write("images", &loaded(of_images()), &images, &[]);
    write("attention_of_ours", &loaded(transformers::attention()), &transformers::attended(), &[]);
    let vae = Vae::new([8, 8, 1], 2).classes(3).model().unwrap();
    write("vae", &loaded(vae), &[sample(7, [3, 8, 8, 1]), Tensor::from_slice(&[2, 0, 1], [3, 1]).unwrap()], &[]);
    let told = Condition::Text { tokens: 9, length: 4 };
    let unet = UNet::new([8, 8, 3], [8, 16], 1).patch(2).condition(told).model().unwrap();
    let words = Tensor::from_slice(&[3, 8, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], [3, 4]).unwrap();
    let levels = Tensor::from_slice(&[0.01f32, 0.5, 0.97], [3, 1, 1, 1]).unwrap();
    write("unet", &loaded(unet), &[sample(8, [3, 8, 8, 3]), levels, words], &[]);
    write("embeddings_of_ours", &loaded(transformers::embeddings()), &[transformers::words()], &[]);
    let series = Sequential::new([6, 2]).add(ZeroPadding1D::new((1, 2))).add(Cropping1D::new((0, 1)));
    let series = series.add(UpSampling1D::new([3])).build().unwrap();
    write("series", &loaded(series), &[sample(5, [3, 6, 2])], &[]);
    let volumes = Sequential::new([2, 3, 5, 2]).add(ZeroPadding3D::new([(1, 2), (0, 1), (0, 0)]));
    let volumes = volumes.add(Cropping3D::new([1, 0, 2])).add(UpSampling3D::new([1, 2, 3])).build().unwrap();
    write("volumes", &loaded(volumes), &[sample(6, [3, 2, 3, 5, 2])], &[]);

    // What a trainer saves, and the step that it makes next.
    let trained = |name: &str, mut trainer: Trainer, data: &Dataset| {
        let folder = place("trained", name);
        let x = &data.inputs()[0];
        trainer.fit(data, Fit::epochs(3).batch_size(6)).unwrap();
        trainer.save(folder.join("model.keras")).unwrap();
        put(&folder, "x", x);
        put(&folder, "target", &data.targets()[0]);
        put(&folder, "y", &trainer.predict(x).unwrap());
        let loss = trainer.evaluate_with(data, data.len()).unwrap().get("loss").unwrap();
        put(&folder, "loss", &Tensor::from_slice(&[loss as f32], ()).unwrap());
        trainer.train_on_batch(data).unwrap();
        put(&folder, "after", &trainer.predict(x).unwrap());
    };
    let model = || Sequential::new([4]).add(Dense::new(8).tanh()).add(Dense::new(3).softmax()).build().unwrap();
    let (x, classes) = (sample(3, [20, 4]), (0..20).map(|i| i % 3).collect::<Vec<i32>>());
    let labels = Dataset::new(&x, Tensor::from_slice(&classes, 20).unwrap()).unwrap();
    // No target is 0, which errors in percent are divided by.
    let hot: Vec<f32> = classes.iter().flat_map(|&c| (0..3).map(move |i| if i == c { 0.8 } else { 0.1 })).collect();
    let hot = Dataset::new(&x, Tensor::from_slice(&hot, [20, 3]).unwrap()).unwrap();
    let metrics = (
        SparseCategoricalAccuracy::new().named("acc"),
        SparseCategoricalAccuracy::new().named("acc").weighted(),
        SparseTopKCategoricalAccuracy::new().k(2),
    );
    let optimizer = Adam::new(0.02).clipnorm(0.5);
    let trainer = model().compile(optimizer, SparseCategoricalCrossentropy::new(), metrics).unwrap();
    trained("saved_by_a_trainer", trainer, &labels);
    for loss in losses::MODULES {
        let loss = losses::from_config(loss, &Default::default()).unwrap();
        let data = if loss.takes_labels() { &labels } else { &hot };
        let name = loss.class_name();
        trained(name, model().compile(SGD::new(0.05), vec![loss], ()).unwrap(), data);
    }
    let schedules: [uncrumple::schedules::LearningRate; 6] = [
        ExponentialDecay::new(0.1, 4, 0.5).into(),
        InverseTimeDecay::new(0.1, 4, 0.5).into(),
        PolynomialDecay::new(0.1, 8).into(),
        PiecewiseConstantDecay::new([3, 8], [0.1, 0.05, 0.01]).into(),
        CosineDecay::new(0.01, 20).warmup(0.1, 5).into(),
        CosineDecayRestarts::new(0.1, 4).into(),
    ];
    trained("registered", registered::trainer().unwrap(), &hot);
    for (i, schedule) in schedules.into_iter().enumerate() {
        let trainer = model().compile(SGD::new(schedule), SparseCategoricalCrossentropy::new(), ()).unwrap();
        trained(&format!("schedule_{i}"), trainer, &labels);
    }
}
