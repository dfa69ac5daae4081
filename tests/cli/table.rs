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
        assert!(printed.contains("left out name: holds 192 different words in 192 rows"), "{printed}");
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
        (&["--target", "name"], "300 classes in 300 rows"),
        (&["--target", "colour", "--kind", "regression"], "expected a number, got `red`"),
        (&["--target", "weight", "--exclude", "mass"], "no column `mass`"),
        (&["--target", "weight", "--time", "size"], "cells without a value"),
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
    assert!(said.contains("not made by `train csv`"), "{said}");
    Ok(())
}

#[test]
fn whole_groups_and_the_latest_rows_are_held_out() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (table(folder.path()), folder.path().join("run"));
    for (how, want) in [(["--group", "name"], "whole groups of name"), (["--time", "name"], "the latest by name")] {
        let train =
            ["train", "csv", &file, "--target", "weight", "--epochs", "1", "--out", text(&out), "--device", "cpu"];
        assert!(succeed(&[&train[..], &how].concat()).contains(want));
    }
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
