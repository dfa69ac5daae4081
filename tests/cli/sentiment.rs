//! What films are said to be: the networks that read it, and what a model file makes of sentences that it never saw.

use super::{fail, succeed, text};
use std::path::Path;
use uncrumple::prelude::*;
use uncrumple::programs::tabular::Tabular;

/// The command for three epochs.
fn arguments(out: &Path) -> Vec<&str> {
    vec!["train", "sentiment", "--out", text(out), "--epochs", "3", "--device", "cpu"]
}

/// The rows of `results.csv`: names, and accuracy in validation and test.
fn results(out: &Path) -> Vec<(String, [f64; 2])> {
    let table = std::fs::read_to_string(out.join("results.csv")).unwrap();
    assert!(table.starts_with("model,parameters,validation_accuracy,test_accuracy,seconds_per_epoch\n"), "{table}");
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        (cells[0].to_string(), [2, 3].map(|i| cells[i].parse().unwrap()))
    };
    table.lines().skip(1).map(row).collect()
}

#[test]
fn sentences_are_read_in_several_ways() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("sentiment");
    let printed = succeed(&arguments(&out));
    assert!(printed.contains("rows     7599 to train on, 845 for validation, 2111 to be tested on"), "{printed}");
    let rows = results(&out);
    assert_eq!(
        rows.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["majority", "bag-of-words", "lstm", "encoder"]
    );
    assert!(rows[0].1.iter().all(|share| (0.5..0.51).contains(share)), "{rows:?}");
    for (name, [validation, test]) in &rows[1..] {
        assert!(*validation > 0.65 && *test > 0.65, "{rows:?}");
        let line = printed.lines().find(|line| line.starts_with(name) && line.contains('%')).unwrap();
        assert!(line.contains(&format!("{:.1} %", test * 100.0)), "{line}");
        for file in ["model.keras", "history.csv", "learning-curves.png"] {
            assert!(out.join(name).join(file).metadata().unwrap().len() > 50, "{name}: {file}");
        }
        assert!(!out.join(name).join("model.backup.safetensors").exists(), "{name}");
    }
    let best = rows[1..].iter().max_by(|a, b| a.1[0].total_cmp(&b.1[0])).unwrap();
    assert!(printed.contains(&format!("\n{} is right about {:.1} % ", best.0, best.1[1] * 100.0)), "{printed}");

    // The file says what it reads, so that the command takes sentences.
    let (sentences, predicted) = (folder.path().join("sentences.csv"), folder.path().join("predicted.csv"));
    std::fs::write(&sentences, "text\nA dull and stupid mess.\n\"A moving, beautiful and funny film\"\n").unwrap();
    for network in ["lstm", "encoder"] {
        let model = out.join(network).join("model.keras");
        let space = Tabular::of(&Model::load(&model)?)?.unwrap().space;
        assert_eq!((space.width(), space.vocabulary_size("text")), (48, Some(5000)));
        succeed(&["predict", text(&model), "--x", text(&sentences), "--out", text(&predicted), "--device", "cpu"]);
        let predicted = std::fs::read_to_string(&predicted).unwrap();
        let said: Vec<&str> = predicted.lines().skip(1).collect();
        assert!(said.len() == 2 && said[0].contains("negative") && said[1].contains("positive"), "{predicted}");
    }

    // The same seed, one network alone: the same figures.
    let alone = folder.path().join("alone");
    succeed(&[&arguments(&alone)[..], &["--program", "lstm", "--threads", "1"]].concat());
    assert_eq!(results(&alone)[1], rows[2]);
    Ok(())
}

#[test]
fn numbers_of_words_are_exact_in_mixed_precision() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("sentiment");
    let read = ["--program", "lstm", "--program", "encoder"];
    succeed(&[&arguments(&out)[..], &read, &["--precision", "mixed_bfloat16"]].concat());
    let rows = results(&out);
    // Rounded to eight bits, the numbers of nearly all words would be those of others.
    assert!(rows[1..].iter().all(|(_, [_, test])| *test > 0.72), "{rows:?}");
}

#[test]
fn only_networks_that_read_are_taken() {
    let said = fail(2, &["train", "sentiment", "--program", "conv1d"]);
    assert!(said.contains("[possible values: bag-of-words, lstm, encoder]"), "{said}");
}
