//! Files that lie, are damaged, or name what this engine does not know: each is an error with words.

use super::{common, goldens, predict, sample};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::path::Path;
use uncrumple::model::keras::{self, Loaded};
use uncrumple::prelude::*;

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
    // What any layer can have.
    let message = refused("functional.keras", |c| {
        let layers = c["config"]["layers"].as_array_mut().unwrap();
        let dropout = layers.iter_mut().find(|l| l["class_name"] == "Dropout").unwrap();
        dropout["config"]["activity_regularizer"] = json!("l3");
    });
    assert_says(&message, &["dropout", "unknown regularizer", "l3"]);
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

/// A file has no states, and says how many samples they are for.
#[test]
fn states_are_held_against_what_the_file_brings() {
    let refused = |batch: u64| {
        refused("films.keras", |config| {
            let layers = &mut config["config"]["layers"];
            layers[0]["config"]["batch_shape"][0] = json!(batch);
            layers[1]["config"]["stateful"] = json!(true);
        })
    };
    assert_says(&refused(1 << 20), &["its states are more than 64 times as large as its weights"]);
    assert_says(&refused(1 << 62), &["conv_lstm2d"]);
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
fn a_mask_that_is_not_the_inputs_own_is_refused() {
    fn layer<'a>(c: &'a mut Value, name: &str) -> &'a mut Value {
        let layers = c["config"]["layers"].as_array_mut().unwrap();
        layers.iter_mut().find(|l| l["name"].as_str().is_some_and(|n| n.starts_with(name))).unwrap()
    }
    let other = refused("masked_pooled.keras", |c| layer(c, "not_equal")["inbound_nodes"][0]["args"][1] = json!(5.0));
    assert_says(&other, &["m.keras", "`not_equal_5`"]);
    let mask = |c: &mut Value| layer(c, "steps")["inbound_nodes"][0]["kwargs"].clone();
    let given = refused("masked_pooled.keras", |c| {
        let mask = mask(c);
        layer(c, "out")["inbound_nodes"][0]["kwargs"] = mask;
    });
    assert_says(&given, &["`out`", "a mask that its input does not have"]);
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
    refused(&|c| c["weighted_metrics"] = json!(["mean_of_mine"]), &["metric", "mean_of_mine"]);
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
    for taken in ["config.json", "assets/words.txt", ""] {
        assert!(model.clone().attach(taken, *b"").is_err(), "{taken}");
    }
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
        .args([
            "-c",
            "ulimit -v 2097152; exec \"$0\" --exact hostile::child_reads_damaged_models --ignored --nocapture",
        ])
        .arg(std::env::current_exe().unwrap())
        .env("RUST_BACKTRACE", "0")
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .unwrap();
    let (text, log) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && text.contains("refused: done"), "{}\n{text}\n{log}", out.status);
    println!("{}", text.lines().find(|l| l.contains("refused: done")).unwrap());
}

#[test]
fn calls_that_this_engine_cannot_pass_on_are_refused() {
    fn node<'a>(config: &'a mut Value, name: &str) -> &'a mut Value {
        let layers = config["config"]["layers"].as_array_mut().unwrap();
        &mut layers.iter_mut().find(|layer| layer["name"] == json!(name)).unwrap()["inbound_nodes"][0]
    }
    let changed_in = |file: &str, change: &dyn Fn(&mut Value)| refused(file, |c| change(c));
    let changed = |change: &dyn Fn(&mut Value)| changed_in("attention.keras", change);
    let refused = |name: &str, change: &dyn Fn(&mut Value)| changed(&|c| change(node(c, name)));
    let cache = refused("upper", &|node| node["kwargs"]["self_attention_cache"] = node["args"][0].clone());
    assert_says(&cache, &["upper", "self_attention_cache", "cannot pass on"]);
    let mask = refused("mixing", &|node| node["kwargs"]["query_mask"] = node["kwargs"]["attention_mask"].clone());
    assert_says(&mask, &["mixing", "query_mask", "cannot pass on"]);
    let word = refused("mixing", &|node| node["kwargs"]["use_causal_mask"] = json!("yes"));
    assert_says(&word, &["mixing", "use_causal_mask", "yes"]);
    let missing = refused("sharing", &|node| drop(node["kwargs"].as_object_mut().unwrap().remove("value")));
    assert_says(&missing, &["sharing", "called with `key` and without `value`"]);
    let many = refused("mixing", &|node| node["args"] = json!(vec![node["args"][0].clone(); 40]));
    assert_says(&many, &["mixing", "at most 10 arguments"]);
    let flag = refused("mixing", &|node| {
        let args = node["args"].as_array_mut().unwrap();
        args.resize(7, Value::Null);
        args.push(json!(3));
    });
    assert_says(&flag, &["mixing", "return_attention_scores", "cannot pass on"]);
    let start = |value: Value| {
        let starting = |layer: &Value| layer["class_name"] == json!("RotaryEmbedding");
        changed_in("embeddings.keras", &|c| {
            let layers = c["config"]["layers"].as_array_mut().unwrap();
            let layer = layers.iter_mut().find(|layer| starting(layer)).unwrap();
            layer["inbound_nodes"][0]["kwargs"]["start_index"] = value.clone();
        })
    };
    for value in [json!(-1), json!(0.5), json!([1]), json!(u64::MAX)] {
        assert_says(&start(value), &["turned", "start_index", "cannot pass on"]);
    }
    let window = changed(&|c| {
        let layers = c["config"]["layers"].as_array_mut().unwrap();
        let mixing = layers.iter_mut().find(|layer| layer["name"] == json!("mixing")).unwrap();
        mixing["config"]["sliding_window"] = json!(2);
    });
    assert_says(&window, &["mixing", "sliding_window"]);
}
