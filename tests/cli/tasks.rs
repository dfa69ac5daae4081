//! The tasks on data that comes with the project, and the search for their sizes.

use super::{succeed, text};

/// The network's figure and the baseline's, of a line of the verdict.
fn figures(printed: &str, name: &str) -> [f64; 2] {
    let line = printed.lines().rfind(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in {printed}"));
    let words: Vec<f64> = line.split_whitespace().skip(1).map(|word| word.parse().unwrap_or(f64::NAN)).collect();
    [words[0], words[1]]
}

#[test]
fn every_task_is_better_than_common_sense() {
    let folder = tempfile::tempdir().unwrap();
    for (task, more, metric) in [
        ("boston", &["--epochs", "40", "--folds", "2"][..], "mean_absolute_error"),
        ("reviews", &["--epochs", "4"], "accuracy"),
        ("phonemes", &["--limit", "1500", "--epochs", "8"], "f1_micro"),
    ] {
        let out = folder.path().join(task);
        let printed = succeed(&[&["train", task, "--out", text(&out), "--device", "cpu"], more].concat());
        let [network, baseline] = figures(&printed, metric);
        let better = if metric == "mean_absolute_error" { network < baseline / 2.0 } else { network > baseline + 0.1 };
        assert!(better, "{task}: {network} {baseline}");
        for name in ["model.keras", "history.csv", "learning-curves.png"] {
            assert!(out.join(name).metadata().unwrap().len() > 100, "{task}: {name}");
        }
        if task == "boston" {
            let folds: Vec<&str> = printed.lines().filter(|line| line.contains("   202  ")).collect();
            assert!(folds.len() == 2 && printed.contains(" ± "), "{printed}");
        }
    }
}

#[test]
fn a_search_goes_on_where_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("boston");
    let run = |option: &str, value: &str| {
        let train =
            ["train", "boston", "--folds", "2", "--epochs", "8", "--tune", "5", "--device", "cpu", option, value];
        succeed(&[&train[..], &["--out", text(&out)]].concat())
    };
    let table = |printed: &str| {
        let rows = printed.lines().skip_while(|line| !line.contains("val_loss")).skip(1);
        rows.take_while(|line| !line.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let first = run("--seed", "0");
    // Five for an epoch, three for two, two for four, one for all eight.
    assert_eq!(table(&first).len(), 5 + 3 + 2 + 1, "{first}");
    assert!(first.contains("best: --width "), "{first}");
    let path = out.join("trials.json");
    let whole = std::fs::read_to_string(&path).unwrap();

    // As if it had been killed before some of the trials: they are run again, to the same losses.
    let mut trials: serde_json::Value = serde_json::from_str(&whole).unwrap();
    let known = trials["trials"].as_object_mut().unwrap();
    let names: Vec<String> = known.keys().skip(4).cloned().collect();
    names.iter().for_each(|name| drop(known.remove(name)));
    // A trial that is there is not run again.
    let kept = known.keys().next().unwrap().clone();
    known.insert(kept, 1e9.into());
    std::fs::write(&path, trials.to_string()).unwrap();
    let second = table(&run("--seed", "0"));
    let differ: Vec<_> = table(&first).iter().zip(&second).filter(|(a, b)| a != b).map(|(_, b)| b.clone()).collect();
    assert!(differ.iter().any(|line| line.contains("1000000000")), "{second:?}");

    for (option, value) in [("--seed", "1"), ("--width", "16")] {
        std::fs::write(&path, trials.to_string()).unwrap();
        let other = table(&run(option, value));
        assert!(!other.iter().any(|line| line.contains("1000000000")), "another search begins anew: {other:?}");
    }
}
