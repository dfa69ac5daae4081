//! `train csv` and what takes its models; `inspect`.

use super::{error, succeed, text};
use std::fmt::Write;
use std::path::Path;
use uncrumple::prelude::*;
use uncrumple::programs::tabular::{Problem, Tabular};

/// 300 rows: a number with gaps, a category, a name, and what follows from the first two.
fn table(folder: &Path) -> String {
    let mut rows = String::from("size,colour,name,weight,heavy\n");
    for i in 0..300 {
        let size = (i * 37 % 101) as f64 / 10.0;
        let colour = ["red", "green", "blue"][i % 3];
        let weight = 3.0 * size + [0.0, 10.0, 20.0][i % 3];
        let cell = if i % 29 == 3 { "NA".into() } else { size.to_string() };
        let heavy = if weight > 25.0 { "yes" } else { "no" };
        writeln!(rows, "{cell},{colour},name {i},{weight},{heavy}").unwrap();
    }
    let path = folder.join("stones.csv");
    std::fs::write(&path, rows).unwrap();
    text(&path).to_owned()
}

#[test]
fn a_table_is_learnt_and_predicted() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (table(folder.path()), folder.path().join("run"));
    for (target, exclude, problem, metric) in [
        ("weight", "heavy", Problem::Regression, "mean_absolute_error"),
        ("heavy", "weight", Problem::Binary, "accuracy"),
        ("colour", "heavy", Problem::Categorical, "accuracy"),
    ] {
        let train = ["train", "csv", &file, "--target", target, "--exclude", exclude, "--device", "cpu"];
        let printed =
            succeed(&[&train[..], &["--epochs", "40", "--learning-rate", "0.01", "--out", text(&out)]].concat());
        assert!(printed.contains("192 to train on, 48 for validation, 60 to be tested on (at random)"), "{printed}");
        assert!(printed.contains("left out name: holds 192 different texts in 192 rows"), "{printed}");
        let figures = printed.lines().find(|line| line.starts_with(metric)).unwrap();
        let figures: Vec<f64> = figures.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let better = if metric == "accuracy" { figures[0] > figures[1] + 0.1 } else { figures[0] < figures[1] / 2.0 };
        assert!(better, "{target}: {figures:?}");
        for name in ["history.csv", "learning-curves.png"] {
            assert!(out.join(name).metadata().unwrap().len() > 100, "{name}");
        }
        let saved = out.join("model.keras");
        assert_eq!(Tabular::of(&Model::load(&saved)?)?.unwrap().target.problem(), problem);

        // A table with these columns in another order, one column more, and no target.
        let new = folder.path().join("new.csv");
        std::fs::write(&new, "weight,more,colour,size\n20,1,red,\n5,2,violet,5\n").unwrap();
        let new = if target == "weight" { text(&new) } else { &file };
        let predicted = folder.path().join("predicted.csv");
        succeed(&["predict", text(&saved), "--x", new, "--out", text(&predicted), "--device", "cpu"]);
        let rows = std::fs::read_to_string(&predicted).unwrap();
        let (head, rows): (&str, usize) = (rows.lines().next().unwrap(), rows.lines().count() - 1);
        match problem {
            Problem::Regression => assert_eq!((head, rows), ("weight", 2)),
            Problem::Binary => assert_eq!((head, rows), ("heavy,heavy=no,heavy=yes", 300)),
            _ => assert_eq!((head, rows), ("colour,colour=blue,colour=green,colour=red", 300)),
        }
        let line = succeed(&["evaluate", text(&saved), "--x", &file, "--json", "--device", "cpu"]);
        let figures: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(figures[metric].as_f64().is_some_and(f64::is_finite), "{line}");
    }
    Ok(())
}

#[test]
fn tables_that_do_not_fit_are_explained() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let file = table(folder.path());
    let out = folder.path().join("run");
    let train =
        |more: &[&str]| error(&[&["train", "csv", &file, "--out", text(&out), "--device", "cpu"], more].concat());
    for (more, want) in [
        (&["--target", "mass"][..], "no column `mass`; it has size, colour, name, weight, heavy"),
        (&["--target", "name"], "too many to learn; to predict a number, all of its cells must be numbers, and `name"),
        (&["--target", "colour", "--kind", "regression"], "expected a number, got `red`"),
        (&["--target", "weight", "--exclude", "weight"], "column `weight` is the one to predict"),
        (&["--target", "weight", "--exclude", "mass"], "no column `mass`"),
        (&["--target", "weight", "--time", "size"], "cells without a value"),
        (&["--target", "weight", "--dropout=-0.5"], "`rate`"),
        (&["--target", "weight", "--test-split", "1"], "a fraction between 0 and 1"),
        (&["--target", "weight", "--balanced"], "a regression has no classes"),
    ] {
        let text = train(more);
        assert!(text.contains(want), "{text}");
    }
    let input = Input::new([2]);
    let model = folder.path().join("m.keras");
    Model::new(&input, &Dense::new(1).call(&input)?)?.save(&model)?;
    let predicted = text(folder.path()).to_owned() + "/p.csv";
    let said = error(&["predict", text(&model), "--x", &file, "--out", &predicted, "--device", "cpu"]);
    assert!(said.contains("a table is for models of tables, such as `train csv` leaves"), "{said}");
    let said =
        error(&["predict", text(&model), "--x", &file, "--out", &predicted.replace(".csv", ".npy"), "--device", "cpu"]);
    assert!(said.contains("the model is not one of tables"), "{said}");
    Ok(())
}

#[test]
fn whole_groups_and_the_latest_rows_are_held_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = String::from("size,day,written,house,weight\n");
    for i in 0..60 {
        let house = if i == 7 { String::new() } else { format!("house {}", i % 4) };
        writeln!(rows, "{i},2026-01-{:02},{:02}/01/2026,{house},{}", i % 30 + 1, i % 30 + 1, 3 * i).unwrap();
    }
    let file = folder.path().join("t.csv");
    std::fs::write(&file, &rows).unwrap();
    let out = folder.path().join("run");
    let train = ["train", "csv", text(&file), "--target", "weight", "--epochs", "1", "--device", "cpu"];
    let train = [&train[..], &["--out", text(&out)]].concat();
    let run = |how: [&str; 2]| succeed(&[&train[..], &how].concat());
    let refused = |how: [&str; 2]| error(&[&train[..], &how].concat());
    assert!(run(["--time", "day"]).contains("the latest by day"));
    assert!(refused(["--time", "written"]).contains("holds `01/01/2026`: expected numbers, or times as in 2026-01-31"));
    assert!(refused(["--group", "house"]).contains("--group: column `house` has 1 cells without a value"));
    std::fs::write(&file, rows.replace(",,", ",house 3,")).unwrap();
    let said = run(["--group", "house"]);
    assert!(
        said.contains("whole groups of house") && said.contains("30 to train on, 15 for validation, 15 to"),
        "{said}"
    );
}

#[test]
fn what_fails_after_an_epoch_leaves_the_best() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    // With such a learning rate the loss overflows after three steps, which are an epoch each.
    let mut rows = String::from("size,weight\n");
    (0..200).for_each(|i| writeln!(rows, "{i},{}", i * i % 37).unwrap());
    let (file, out) = (folder.path().join("t.csv"), folder.path().join("run"));
    std::fs::write(&file, rows).unwrap();
    let train = ["train", "csv", text(&file), "--target", "weight", "--device", "cpu", "--epochs", "400"];
    let large = ["--depth", "3", "--batch-size", "1000", "--learning-rate", "100", "--out", text(&out)];
    let output = super::uncrumple(&[&train[..], &large].concat());
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(failed.contains("the training loss became"), "{failed}");
    assert!(said.contains("The weights of the best epoch before the loss was lost are saved"), "{said}");
    for weight in Trainer::load(out.join("model.keras"))?.weights()? {
        assert!(weight.to_vec::<f32>()?.iter().all(|x| x.is_finite()));
    }
    Ok(())
}

#[test]
fn rows_without_a_target_are_left_out_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (table(folder.path()), folder.path().join("run"));
    let rows = std::fs::read_to_string(&file).unwrap().replacen(",yes\n", ",\n", 3);
    std::fs::write(&file, rows).unwrap();
    let target = ["--target", "heavy", "--exclude", "weight", "--epochs", "1", "--device", "cpu"];
    let said = succeed(&[&["train", "csv", &file, "--out", text(&out)][..], &target].concat());
    assert!(said.contains("left out 3 rows that have no heavy"), "{said}");
    let model = out.join("model.keras");
    let output = super::uncrumple(&["evaluate", text(&model), "--x", &file, "--device", "cpu"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.starts_with("297 samples"), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "warning: left out 3 rows that have no heavy\n");
}

#[test]
fn a_training_goes_on_when_nobody_reads_along() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (table(folder.path()), folder.path().join("run"));
    let trace = folder.path().join("trace.json");
    let train = ["train", "csv", &file, "--target", "weight", "--epochs", "3", "--profile", text(&trace)];
    let mut command = super::command(&[&train[..], &["--device", "cpu", "--out", text(&out)]].concat());
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    assert!(out.join("model.keras").is_file() && out.join("learning-curves.png").is_file() && trace.is_file());
}

#[test]
fn inspect_says_what_is_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let printed = succeed(&["inspect", &table(folder.path())]);
    for want in ["300 rows, 5 columns", "blue 100, green 100, red 100", "size    number"] {
        assert!(printed.contains(want), "{want} in {printed}");
    }
    let labels = datasets::folder().unwrap().join("mnist/t10k-labels-idx1-ubyte.gz");
    let printed = succeed(&["inspect", text(&labels)]);
    assert!(printed.contains("uint8 (10000,)") && printed.contains("0 980, 1 1135"), "{printed}");
    assert!(error(&["inspect", "README.md"]).contains("no known kind of data"));
}
