//! `fit` and `evaluate`: what they print and leave is what the library computes.

use super::{error, succeed, text};
use std::path::{Path, PathBuf};
use uncrumple::files::npy;
use uncrumple::prelude::*;

/// A model that Keras saved, and arrays for it: `(name, values)` in files `name.npy`.
fn folder(model: &str, arrays: &[(&str, &Tensor)]) -> Result<(tempfile::TempDir, PathBuf)> {
    let folder = tempfile::tempdir().unwrap();
    for (name, tensor) in arrays {
        npy::write(folder.path().join(format!("{name}.npy")), &tensor.to_array()?)?;
    }
    Ok((folder, uncrumple::files::repository().join("tests/goldens/keras_files").join(model)))
}

fn numbers(n: usize, width: usize, step: f64) -> Result<Tensor> {
    let values: Vec<f64> = (0..n * width).map(|i| (i as f64 * step).sin()).collect();
    Tensor::from_slice(&values, [n, width])
}

fn file(folder: &Path, name: &str) -> String {
    text(&folder.join(name)).to_owned()
}

#[test]
fn a_file_of_keras_trains_on_as_in_the_library() -> Result<()> {
    let x = numbers(50, 4, 0.7)?;
    let y = Tensor::from_slice(&(0..50i64).map(|i| i % 2).collect::<Vec<_>>(), [50, 1])?;
    let (folder, model) = folder("compiled_by_name.keras", &[("x", &x), ("y", &y)])?;
    let at = |name| file(folder.path(), name);
    let (data, device) = (["--x", &at("x.npy"), "--y", &at("y.npy")], ["--device", "cpu"]);
    let how = ["--epochs", "2", "--batch-size", "8", "--no-shuffle", "--validation-split", "0.2"];
    let left = ["--save", &at("out.keras"), "--history", &at("history.csv")];
    let printed = succeed(&[&["fit", text(&model)][..], &data, &how, &left, &device].concat());
    assert!(printed.starts_with("50 samples on the CPU"), "{printed}");

    let mut trainer = Trainer::load(&model)?;
    let data_set = Dataset::new(x.cast(DType::F32)?, y)?;
    let fit = Fit::epochs(2).batch_size(8).shuffle(false).validation_split(0.2);
    trainer.fit(&data_set, fit)?.write_csv(folder.path().join("want.csv"))?;
    let table = std::fs::read_to_string(at("history.csv")).unwrap();
    assert_eq!(table, std::fs::read_to_string(at("want.csv")).unwrap());
    assert_eq!(table.lines().next(), Some("epoch,loss,accuracy,mae,val_loss,val_accuracy,val_mae"));

    let want = trainer.evaluate(&data_set)?;
    let line = succeed(&[&["evaluate", &at("out.keras"), "--json"][..], &data, &device].concat());
    let got: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&line).unwrap();
    let want: Vec<_> = want.iter().map(|(name, value)| (name.to_owned(), value)).collect();
    assert_eq!(got.into_iter().map(|(name, v)| (name, v.as_f64().unwrap())).collect::<Vec<_>>(), want);

    let others = ["--loss", "mse", "--metrics", "mae,mse", "--optimizer", "sgd", "--learning-rate", "0.5"];
    succeed(&[&["fit", text(&model)][..], &data, &how, &left, &others, &device].concat());
    let again = Trainer::load(at("out.keras"))?;
    assert_eq!(again.learning_rate(), 0.5);
    assert_eq!(again.iterations(), 10, "another optimizer begins anew");
    Ok(())
}

#[test]
fn several_inputs_and_outputs_have_names() -> Result<()> {
    let (left, right, value) = (numbers(20, 5, 0.3)?, numbers(20, 5, 0.5)?, numbers(20, 1, 0.9)?);
    let label = Tensor::from_slice(&(0..20i32).map(|i| i % 3).collect::<Vec<_>>(), [20])?;
    let arrays = [("left", &left), ("right", &right), ("label", &label), ("value", &value)];
    let (folder, model) = folder("functional_compiled.keras", &arrays)?;
    let named = |name: &str| format!("{name}={}", file(folder.path(), &format!("{name}.npy")));
    let run =
        |command: &str, more: &[&str]| [&[command, text(&model), "--device", "cpu"][..], more].concat().join("\n");
    let words = |line: &str| line.lines().map(str::to_owned).collect::<Vec<_>>();
    let line = run(
        "evaluate",
        &["--json", "--y", &named("value"), "--x", &named("right"), "--x", &named("left"), "--y", &named("label")],
    );
    let line = words(&line);
    let printed = succeed(&line.iter().map(String::as_str).collect::<Vec<_>>());
    let data = Dataset::new([left.cast(DType::F32)?, right.cast(DType::F32)?], [label, value.cast(DType::F32)?])?;
    let want = Trainer::load(&model)?.evaluate(&data)?;
    let got: serde_json::Value = serde_json::from_str(&printed).unwrap();
    for name in ["loss", "label_loss", "value_loss"] {
        assert_eq!(got[name].as_f64(), want.get(name), "{name}");
    }

    let out = format!("value={}", file(folder.path(), "out.npy"));
    let line = words(&run("predict", &["--x", &named("left"), "--x", &named("right"), "--out", &out]));
    assert!(succeed(&line.iter().map(String::as_str).collect::<Vec<_>>()).contains("out.npy  value (20, 1)"));
    let got = Tensor::from_array(&npy::read(folder.path().join("out.npy"))?)?;
    let want = Model::load(&model)?.predict_all([left, right], 32)?;
    assert_eq!(got.to_vec::<f32>()?, want[1].to_vec::<f32>()?);

    for (more, message) in [
        (vec!["--x", "left=l.npy", "--x", "r.npy"], "each needs a name"),
        (vec!["--x", "left=l.npy", "--x", "wrong=r.npy"], "the model has no input `wrong`, only left, right"),
        (vec!["--x", &named("left")], "there is no file for the input `right`"),
    ] {
        let line = words(&run("predict", &[&more[..], &["--out", "o.npz"]].concat()));
        let text = error(&line.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(text.contains(message), "{text}");
    }
    Ok(())
}

#[test]
fn what_is_missing_is_told() -> Result<()> {
    let x = numbers(4, 12, 0.1)?.reshape([4, 4, 3])?;
    let (folder, model) = folder("chain.keras", &[("x", &x), ("y", &x)])?;
    let at = |name: &str| file(folder.path(), name);
    let fit = |save: &str, more: &[&str]| {
        let save = at(save);
        let (x, y) = (at("x.npy"), at("y.npy"));
        error(&[&["fit", text(&model), "--x", &x, "--y", &y, "--epochs", "1", "--save", &save][..], more].concat())
    };
    assert!(fit("o.keras", &[]).contains("say its loss with --loss"));
    assert!(fit("o.keras", &["--loss", "nothing"]).contains("unknown loss `nothing`; known are"));
    assert!(fit("o.txt", &["--loss", "mse"]).contains("name a .keras file"));
    assert!(fit("o.keras", &["--loss", "mse"]).contains("(4, 4, 3)"), "targets of another shape");
    let folders = [text(folder.path()), "--loss", "mae"];
    assert!(fit("o.keras", &[&["--history"][..], &folders].concat()).contains("directory"));
    assert!(!folder.path().join("o.keras").exists());
    Ok(())
}

/// A copy of a model's file whose config has another word in the place of one.
fn altered(model: &Path, word: &str, other: &str, to: &Path) {
    let mut from = zip::ZipArchive::new(std::fs::File::open(model).unwrap()).unwrap();
    let mut out = zip::ZipWriter::new(std::fs::File::create(to).unwrap());
    for i in 0..from.len() {
        let mut entry = from.by_index(i).unwrap();
        let (name, mut bytes) = (entry.name().unwrap().into_owned(), Vec::new());
        std::io::copy(&mut entry, &mut bytes).unwrap();
        if name == "config.json" {
            let text = String::from_utf8(bytes).unwrap();
            assert!(text.contains(word), "{text}");
            bytes = text.replace(word, other).into_bytes();
        }
        out.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut out, &bytes).unwrap();
    }
    out.finish().unwrap();
}

#[test]
fn what_a_file_was_compiled_with_is_not_passed_over() -> Result<()> {
    let x = numbers(20, 4, 0.7)?;
    let y = Tensor::from_slice(&(0..20i64).map(|i| i % 2).collect::<Vec<_>>(), [20, 1])?;
    let (folder, model) = folder("compiled_by_name.keras", &[("x", &x), ("y", &y)])?;
    let at = |name: &str| file(folder.path(), name);
    let odd = folder.path().join("odd.keras");
    altered(&model, "RMSprop", "Nobody", &odd);
    let data = ["--x", &at("x.npy"), "--y", &at("y.npy"), "--device", "cpu"];
    let fit = ["fit", text(&odd), "--epochs", "1", "--save", &at("o.keras"), "--loss", "mse"];
    let said = error(&[&fit[..], &data].concat());
    assert!(said.contains("Nobody"), "{said}");
    succeed(&[&fit[..], &data, &["--metrics", "mae", "--optimizer", "sgd"]].concat());
    let evaluate = ["evaluate", text(&odd), "--loss", "mse"];
    assert!(error(&[&evaluate[..], &data].concat()).contains("Nobody"));
    succeed(&[&evaluate[..], &data, &["--metrics", "mae"]].concat());
    Ok(())
}

#[test]
fn a_seed_of_0_is_one() -> Result<()> {
    let (x, y) = (numbers(40, 4, 0.7)?, numbers(40, 1, 0.3)?);
    let (folder, _) = folder("chain.keras", &[("x", &x), ("y", &y)])?;
    let at = |name: &str| file(folder.path(), name);
    let model = Sequential::new([4]).add(Dense::new(8)).add(Dropout::new(0.5)).add(Dense::new(1)).build()?.seed(5)?;
    model.compile(SGD::new(0.01), MeanSquaredError::new(), ())?.save(at("m.keras"))?;
    let history = |seed: &[&str]| {
        let (save, table) = (at("o.keras"), at("h.csv"));
        let fit = ["fit", &at("m.keras"), "--x", &at("x.npy"), "--y", &at("y.npy"), "--epochs", "1", "--device", "cpu"];
        succeed(&[&fit[..], &["--save", &save, "--history", &table], seed].concat());
        std::fs::read_to_string(table).unwrap()
    };
    let own = history(&[]);
    assert_eq!(own, history(&["--seed", "5"]));
    assert_ne!(own, history(&["--seed", "0"]));
    Ok(())
}
