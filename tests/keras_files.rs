//! Model files: those that Keras wrote, our own, and damaged ones.

mod common;

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use uncrumple::files::{Array, safetensors};
use uncrumple::model::keras::{self, Loaded};
use uncrumple::prelude::*;

fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

fn goldens() -> PathBuf {
    root().join("tests/goldens/keras_files")
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
        let slots = training.optimizer.slots();
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
        let array = match path.split_once('/').unwrap().1 {
            "iteration" => Array::from_slice(&[], &[training.iteration as i32]).unwrap(),
            "learning_rate" => Array::from_slice(&[], &[training.optimizer.settings().learning_rate as f32]).unwrap(),
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
            assert_eq!(got, golden.arrays[&format!("state.{path}")], "{name}: {path}");
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
        let extra = BTreeMap::from([("uncrumple.json".to_string(), b"{\"seed\": 7}".to_vec())]);
        let training = loaded.training.as_ref().map(|t| t.as_ref().unwrap().borrowed());
        keras::write(&path, &loaded.model, training, &extra).unwrap();
        let again = keras::read(&path).unwrap();
        check(&golden, &again);
        assert_eq!(again.extra, extra);
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

fn sample(seed: u64, shape: [usize; 2]) -> Tensor {
    let mut random = common::Random(seed);
    let values: Vec<f32> = (0..shape[0] * shape[1]).map(|_| random.next() as f32 * 2.0 - 1.0).collect();
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

/// The entries of a zip file.
fn entries(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut zip = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let count = zip.len();
    let read = |i: usize| {
        let mut entry = zip.by_index(i).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.name().unwrap().into_owned(), bytes)
    };
    (0..count).map(read).collect()
}

fn zipped(entries: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        zip.start_file(name.as_str(), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The error of a file whose config was changed.
fn refused(file: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut entries = entries(&goldens().join(file));
    let mut config: Value = serde_json::from_slice(&entries["config.json"]).unwrap();
    change(&mut config);
    entries.insert("config.json".into(), config.to_string().into_bytes());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.keras");
    std::fs::write(&path, zipped(&entries)).unwrap();
    let message = Model::load(&path).unwrap_err().to_string();
    assert!(message.contains("m.keras"), "{message}");
    message
}

#[track_caller]
fn assert_says(message: &str, parts: &[&str]) {
    assert!(parts.iter().all(|part| message.contains(part)), "{message}");
}

#[test]
fn configs_that_lie_are_refused() {
    let dense = |c: &mut Value| c["config"]["layers"][1].clone();
    let huge = |n: u64| refused("mlp_adam.keras", |c| c["config"]["layers"][1]["config"]["units"] = json!(n));
    for units in [6, 1 << 40, 1_000_000_000_000] {
        assert_says(&huge(units), &["hidden/kernel", "[5, 7]"]);
    }
    assert_says(&huge(u64::MAX), &["hidden"]);
    assert_says(&huge(0), &["hidden", "units"]);
    let class = |class: &str| refused("mlp_adam.keras", |c| c["config"]["layers"][1]["class_name"] = json!(class));
    assert_says(&class("Transmogrifier"), &["hidden", "Transmogrifier"]);
    assert_says(&class("Lambda"), &["hidden", "Lambda", "never run"]);
    let message = refused("mlp_adam.keras", |c| c["config"]["layers"][1]["module"] = json!("my.layers"));
    assert_says(&message, &["hidden", "my.layers", "custom"]);
    let message = refused("mlp_adam.keras", |c| c["config"]["layers"][1]["registered_name"] = json!("My>Dense"));
    assert_says(&message, &["My>Dense", "custom"]);
    let message = refused("mlp_adam.keras", |c| {
        c["config"]["layers"][1]["config"]["activation"] =
            json!({"module": "builtins", "class_name": "function", "config": "mine", "registered_name": "function"});
    });
    assert_says(&message, &["hidden", "mine"]);
    let message = refused("mlp_adam.keras", |c| c["class_name"] = json!("MyModel"));
    assert_says(&message, &["MyModel"]);
    let message = refused("mlp_adam.keras", |c| {
        let extra = dense(c);
        c["config"]["layers"].as_array_mut().unwrap().push(extra);
    });
    assert_says(&message, &["hidden"]);
    let message = refused("mlp_adam.keras", |c| {
        c["config"]["layers"].as_array_mut().unwrap().pop();
    });
    assert_says(&message, &["layers/dense_1/vars/0"]);
    let message = refused("mlp_adam.keras", |c| c["config"]["layers"][1]["config"]["dtype"] = json!("float64"));
    assert_says(&message, &["hidden", "dtype", "float64"]);
    for shape in [json!([]), json!([null, -1]), json!([null, 1.5]), json!("x"), json!([1, 1, 1, 1, 1, 1, 1, 1, 1])] {
        let message = refused("mlp_adam.keras", |c| c["config"]["layers"][0]["config"]["batch_shape"] = shape);
        assert_says(&message, &["`x`", "shape"]);
    }
    // Models inside models inside models.
    let message = refused("mlp_adam.keras", |c| {
        for _ in 0..20 {
            let inner = json!({"class_name": "Sequential", "config": c["config"].clone(), "module": "keras"});
            c["config"]["layers"] = json!([c["config"]["layers"][0], inner]);
        }
    });
    assert_says(&message, &["nested"]);
}

#[test]
fn graphs_that_lie_are_refused() {
    let functional = |change: &dyn Fn(&mut Value)| refused("functional.keras", |c| change(&mut c["config"]));
    let at = |c: &Value, name: &str| {
        c["layers"].as_array().unwrap().iter().position(|l| l["name"] == name).unwrap_or_else(|| panic!("{name}"))
    };
    let history = |c: &mut Value, name: &str, history: Value| {
        let place = at(c, name);
        c["layers"][place]["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = history;
    };
    let message = functional(&|c| history(c, "shared", json!(["inner", 1, 0])));
    assert_says(&message, &["circle"]);
    let message = functional(&|c| history(c, "shared", json!(["nobody", 0, 0])));
    assert_says(&message, &["shared", "nobody"]);
    let message = functional(&|c| history(c, "shared", json!(["left", 1, 0])));
    assert_says(&message, &["shared", "left"]);
    let message = functional(&|c| history(c, "shared", json!(["normalization", 0, 9])));
    assert_says(&message, &["shared", "output 9"]);
    let message = functional(&|c| history(c, "shared", json!("left")));
    assert_says(&message, &["shared", "expected the output"]);
    let message = functional(&|c| c["output_layers"] = json!({"a": ["label", 0, 0]}));
    assert_says(&message, &["output_layers", "dict"]);
    let message = functional(&|c| c["output_layers"] = json!([["label", 3, 0]]));
    assert_says(&message, &["output_layers", "label"]);
    let message = functional(&|c| c["output_layers"] = json!([["label", 0, 0]]));
    assert_says(&message, &["no output depends on"]);
    let message = functional(&|c| c["input_layers"] = json!([["left", 0, 0]]));
    assert_says(&message, &["input"]);
    let message = functional(&|c| {
        let place = at(c, "dropout");
        c["layers"][place]["inbound_nodes"][0]["kwargs"] = json!({"scale": 3});
    });
    assert_says(&message, &["dropout", "scale"]);
    let message = functional(&|c| {
        let place = at(c, "dropout");
        c["layers"][place]["inbound_nodes"] = json!([["concatenate", 0, 0, {}]]);
    });
    assert_says(&message, &["dropout", "Keras 3"]);
    let message = functional(&|c| c["layers"].as_array_mut().unwrap().swap(0, 1));
    assert_says(&message, &["order"]);
    let message = functional(&|c| {
        let place = at(c, "label");
        c["layers"][place]["config"]["name"] = json!("value");
    });
    assert_says(&message, &["value"]);
}

/// Ten thousand layers in a row, and a small file that calls layers without end.
#[test]
fn long_and_exponential_graphs() {
    let layer = |name: &str, from: &str| {
        json!({
            "module": "keras.layers", "class_name": "Activation", "config": {"name": name, "activation": "relu"},
            "name": name, "inbound_nodes": [{"args": [{"class_name": "__keras_tensor__",
                "config": {"keras_history": [from, 0, 0]}}], "kwargs": {}}],
        })
    };
    let start = json!({
        "module": "keras.layers", "class_name": "InputLayer", "name": "x0", "inbound_nodes": [],
        "config": {"name": "x0", "batch_shape": [null, 4], "dtype": "float32"},
    });
    let chain = |n: usize| {
        let mut layers = vec![start.clone()];
        layers.extend((1..n).map(|i| layer(&format!("x{i}"), &format!("x{}", i - 1))));
        json!({"name": "m", "layers": layers, "input_layers": [["x0", 0, 0]], "output_layers": [[format!("x{}", n - 1), 0, 0]]})
    };
    let message = refused("functional.keras", |c| c["config"] = chain(9_999));
    assert_says(&message, &["layers/"]);
    let message = refused("functional.keras", |c| c["config"] = chain(10_001));
    assert_says(&message, &["more than 10000 layers"]);
    // Each model calls the one inside it ten times: 10^12 calls in all.
    let mut model = chain(2);
    for depth in 0..12 {
        let name = format!("n{depth}");
        let node = |from: &str, call: usize| json!({"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": [from, call, 0]}}], "kwargs": {}});
        let nodes: Vec<Value> = (0..10).map(|i| if i == 0 { node("x0", 0) } else { node(&name, i - 1) }).collect();
        model["name"] = json!(name);
        let inner = json!({"module": "keras.src.models.functional", "class_name": "Functional", "config": model,
            "name": name, "inbound_nodes": nodes});
        model = json!({"name": "m", "layers": [start, inner], "input_layers": [["x0", 0, 0]],
            "output_layers": [[name, 10, 0]]});
    }
    let message = refused("functional.keras", |c| c["config"] = model);
    assert_says(&message, &["more than 100000 calls"]);
}

#[test]
fn unknown_training_does_not_keep_a_model_from_predicting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.keras");
    let with = |change: &dyn Fn(&mut Value)| -> Loaded {
        let mut entries = entries(&goldens().join("mlp_rmsprop.keras"));
        let mut config: Value = serde_json::from_slice(&entries["config.json"]).unwrap();
        change(&mut config["compile_config"]);
        entries.insert("config.json".into(), config.to_string().into_bytes());
        std::fs::write(&path, zipped(&entries)).unwrap();
        keras::read(&path).unwrap()
    };
    let refused = |change: &dyn Fn(&mut Value), parts: &[&str]| {
        let loaded = with(change);
        assert_eq!(predict(&loaded.model, &[sample(1, [2, 5])])[0].len(), 6);
        assert_says(&loaded.training.unwrap().unwrap_err().to_string(), parts);
    };
    refused(&|c| c["optimizer"]["class_name"] = json!("Zigzag"), &["m.keras", "optimizer", "Zigzag"]);
    refused(&|c| c["optimizer"]["module"] = json!("my.own"), &["my.own", "custom"]);
    refused(
        &|c| c["optimizer"]["config"]["learning_rate"] = json!({"class_name": "ExponentialDecay"}),
        &["learning_rate"],
    );
    refused(&|c| c["loss"] = json!("my_loss"), &["loss", "my_loss"]);
    refused(&|c| c["metrics"] = json!(["auc_of_mine"]), &["metric", "auc_of_mine"]);
    refused(&|c| c["weighted_metrics"] = json!(["mae"]), &["weighted_metrics"]);
    refused(&|c| c["loss"] = json!({"nobody": "mean_squared_error"}), &["nobody"]);
    refused(&|c| c["optimizer"]["config"]["momentum"] = json!(0.5), &["optimizer", "expected 8", "found 4"]);
    assert!(with(&|c| *c = json!({})).training.is_none());
    for loss in [json!(["sparse_categorical_crossentropy"]), json!({"output": "sparse_categorical_crossentropy"})] {
        let training = with(&|c| c["loss"] = loss.clone()).training.unwrap().unwrap();
        assert_eq!(training.losses[0].class_name(), "SparseCategoricalCrossentropy");
        assert_eq!(training.iteration, 2);
    }
}

#[test]
fn missing_and_foreign_entries() {
    let whole = entries(&goldens().join("mlp_adam.keras"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.keras");
    #[allow(clippy::type_complexity)]
    let message = |change: &dyn Fn(&mut BTreeMap<String, Vec<u8>>)| {
        let mut entries = whole.clone();
        change(&mut entries);
        std::fs::write(&path, zipped(&entries)).unwrap();
        Model::load(&path).unwrap_err().to_string()
    };
    for name in ["metadata.json", "config.json", "model.weights.h5"] {
        assert_says(&message(&|e| drop(e.remove(name))), &["m.keras", name]);
        assert_says(&message(&|e| drop(e.insert(name.into(), b"no".to_vec()))), &["m.keras"]);
    }
    let version = |v: &str| format!("{{\"keras_version\": \"{v}\"}}").into_bytes();
    assert_says(&message(&|e| drop(e.insert("metadata.json".into(), version("2.15.0")))), &["2.15.0"]);
    // Weights of another model, and of other types.
    let other = |name: &str| entries(&goldens().join(name))["model.weights.h5"].clone();
    assert_says(
        &message(&|e| drop(e.insert("model.weights.h5".into(), other("chain.keras")))),
        &["hidden/kernel", "[6, 5]"],
    );
    assert_says(
        &message(&|e| drop(e.insert("model.weights.h5".into(), hdf5_pure_f64()))),
        &["hidden/kernel", "float64"],
    );
    assert_says(&message(&|e| drop(e.insert("model.weights.h5".into(), hdf5_pure_text()))), &["no weight has"]);
    let deep = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000)).into_bytes();
    assert_says(&message(&|e| drop(e.insert("config.json".into(), deep.clone()))), &["config.json"]);
    let long = vec![b' '; 9 << 20];
    assert_says(&message(&|e| drop(e.insert("config.json".into(), long.clone()))), &["config.json", "bytes"]);
    let model = Model::load(goldens().join("mlp_adam.keras")).unwrap();
    let taken = BTreeMap::from([("config.json".to_string(), Vec::new())]);
    assert!(keras::write(&path, &model, None, &taken).is_err());
}

/// The weights of mlp_adam in float64.
fn hdf5_pure_f64() -> Vec<u8> {
    let mut file = hdf5_pure::FileBuilder::new();
    let mut layers = file.create_group("layers");
    for (name, shape) in [("dense", [5, 7]), ("dense_1", [7, 3])] {
        let mut layer = layers.create_group(name);
        let mut vars = layer.create_group("vars");
        vars.create_dataset("0").with_f64_data(&vec![0.0; (shape[0] * shape[1]) as usize]).with_shape(&shape);
        vars.create_dataset("1").with_f64_data(&vec![0.0; shape[1] as usize]).with_shape(&shape[1..]);
        layer.add_group(vars.finish());
        layers.add_group(layer.finish());
    }
    file.add_group(layers.finish());
    file.finish().unwrap()
}

fn hdf5_pure_text() -> Vec<u8> {
    let mut file = hdf5_pure::FileBuilder::new();
    file.create_dataset("layers").with_strings(&["not", "numbers"]).unwrap();
    file.finish().unwrap()
}

/// The child's half of the test below.
#[test]
#[ignore = "the test below runs it with little memory"]
fn child_reads_damaged_models() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.keras");
    let (mut read, mut refused) = (0, 0);
    let mut attempt = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        match keras::read(&path) {
            Ok(_) => read += 1,
            Err(error) => {
                assert!(error.to_string().contains("m.keras"), "{error}");
                refused += 1;
            }
        }
    };
    for name in ["mlp_adam.keras", "functional_compiled.keras"] {
        let whole = std::fs::read(goldens().join(name)).unwrap();
        let mut random = common::Random(11);
        for i in 0..60 {
            attempt(&whole[..whole.len() * i / 60]);
        }
        // Bits of the zip itself: its checksums find most of them.
        for _ in 0..150 {
            let mut bytes = whole.clone();
            let at = (random.next() * bytes.len() as f64) as usize;
            bytes[at] ^= 1 << (random.next() * 8.0) as u32;
            attempt(&bytes);
        }
        // Bits below the checksums.
        let parts = entries(&goldens().join(name));
        for _ in 0..300 {
            let mut parts = parts.clone();
            let part = if random.next() < 0.5 { "config.json" } else { "model.weights.h5" };
            let bytes = parts.get_mut(part).unwrap();
            for _ in 0..3 {
                let at = (random.next() * bytes.len() as f64) as usize;
                bytes[at] ^= 1 << (random.next() * 8.0) as u32;
            }
            attempt(&zipped(&parts));
        }
        let mut bomb = parts.clone();
        bomb.insert("model.weights.h5".into(), vec![0; 400 << 20]);
        attempt(&zipped(&bomb));
        // A config that is as large as it may be, and all small values.
        let mut wide = parts.clone();
        wide.insert("config.json".into(), format!("[{}1]", "1,".repeat(4 << 20)).into_bytes()[2..].to_vec());
        attempt(&zipped(&wide));
        let mut wide = parts;
        wide.insert("config.json".into(), format!("[{}1]", "1,".repeat((4 << 20) - 4)).into_bytes());
        attempt(&zipped(&wide));
    }
    println!("{read} were read, {refused} refused: done");
}

#[cfg(unix)]
#[test]
fn damaged_models_are_errors_in_bounded_memory() {
    let out = std::process::Command::new("sh")
        .args(["-c", "ulimit -v 2097152; exec \"$0\" --exact child_reads_damaged_models --ignored --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .env("RUST_BACKTRACE", "0")
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .unwrap();
    let (text, log) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && text.contains("refused: done"), "{}\n{text}\n{log}", out.status);
    println!("{}", text.lines().find(|l| l.contains("refused: done")).unwrap());
}

/// Writes what `scripts/goldens/check_ours.py` opens with Keras, where `UNCRUMPLE_WRITE_KERAS` names the folder.
#[test]
#[ignore = "for scripts/goldens/check_ours.py"]
fn write_files_for_keras() {
    let folder = PathBuf::from(std::env::var_os("UNCRUMPLE_WRITE_KERAS").expect("UNCRUMPLE_WRITE_KERAS is not set"));
    let write = |name: &str, loaded: &Loaded, inputs: &[Tensor], next: &[(&str, Tensor)]| {
        let training = loaded.training.as_ref().map(|t| t.as_ref().unwrap().borrowed());
        let folder = folder.join(if training.is_some() { "trained" } else { "inference" }).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let extra = BTreeMap::from([("uncrumple.json".to_string(), b"{}".to_vec())]);
        keras::write(folder.join("model.keras"), &loaded.model, training, &extra).unwrap();
        let outputs = loaded.model.call(&inputs.iter().collect::<Vec<_>>()).unwrap();
        for (stem, tensor) in next {
            uncrumple::files::npy::write(folder.join(format!("{stem}.npy")), &tensor.to_array().unwrap()).unwrap();
        }
        for (stem, tensors) in [("x", inputs), ("y", &outputs[..])] {
            for (i, tensor) in tensors.iter().enumerate() {
                let path = folder.join(format!("{stem}.{i}.npy"));
                uncrumple::files::npy::write(path, &tensor.to_array().unwrap()).unwrap();
            }
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
    let loaded = |model| Loaded { model, training: None, extra: BTreeMap::new() };
    write("intricate", &loaded(intricate()), &inputs, &[]);
    let x = Input::new([4]);
    let list = Model::new(&x, &intricate().as_layer().call([&x, &x]).unwrap()).unwrap();
    write("nested_output", &loaded(list), &inputs[..1], &[]);
}
