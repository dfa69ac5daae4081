//! The temperature of tomorrow: what the command says of its networks, and what it leaves.

use super::{command, error, fail, succeed, text};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use uncrumple::prelude::*;

/// The command for an epoch.
fn arguments(out: &Path) -> Vec<&str> {
    vec!["train", "weather", "--out", text(out), "--epochs", "1", "--batch-size", "512", "--device", "cpu"]
}

/// The same for the networks that are quick to train.
fn quick(out: &Path) -> Vec<&str> {
    [&arguments(out)[..], &["--program", "dense", "--program", "conv1d"]].concat()
}

/// The rows of `results.csv`: names, and validation MAE, test MAE and their ratio.
fn results(out: &Path) -> Vec<(String, [f64; 3])> {
    let table = std::fs::read_to_string(out.join("results.csv")).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        (cells[0].to_string(), [2, 3, 4].map(|i| cells[i].parse().unwrap()))
    };
    table.lines().skip(1).map(row).collect()
}

#[test]
fn networks_are_held_against_persistence() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("weather");
    let printed = succeed(&quick(&out));
    assert!(printed.contains(" 34921 to train on     (2009-07-06 to 2013-06-30)"), "{printed}");
    assert!(printed.contains(" 17389 to be tested on (2015-07-07 to 2017-06-30)"), "{printed}");

    let rows = results(&out);
    assert_eq!(rows.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["persistence", "dense", "conv1d"]);
    // What it is to say that tomorrow is as warm as now, by the table alone.
    let table = datasets::weather()?;
    let temperatures = table.column("temperature")?.numbers()?;
    let off = |range: std::ops::Range<usize>| {
        let n = range.len() as f64;
        range.map(|i| (temperatures[i] - temperatures[i - 24]).abs()).sum::<f64>() / n
    };
    let (_, [validation, test, one]) = &rows[0];
    assert!((validation - off(35_064 + 143..52_596)).abs() < 1e-5 && (test - off(52_596 + 143..70_128)).abs() < 1e-5);
    assert_eq!(*one, 1.0);
    for (name, [validation, off, ratio]) in &rows[1..] {
        assert!((ratio - off / test).abs() < 1e-9 && *validation < 2.5 && *ratio < 1.5, "{name}: {rows:?}");
        let line = printed.lines().find(|line| line.starts_with(name) && line.contains("°C")).unwrap();
        assert!(line.contains(&format!("{off:.3} °C")) && line.contains(&format!("{ratio:.3}")), "{line}");
        for file in ["model.keras", "history.csv", "learning-curves.png"] {
            assert!(out.join(name).join(file).metadata().unwrap().len() > 50, "{name}: {file}");
        }
        assert!(!out.join(name).join("model.backup.safetensors").exists(), "{name}");
    }
    let best = rows[1..].iter().min_by(|a, b| a.1[0].total_cmp(&b.1[0])).unwrap();
    assert!(printed.contains(&format!("\n{} is off by {:.2} °C in the test part, ", best.0, best.1[1])), "{printed}");

    let png = std::fs::read(out.join("forecast.png")).unwrap();
    assert_eq!((&png[1..4], &png[16..24]), (&b"PNG"[..], &[0, 0, 6, 64, 0, 0, 2, 248][..]));
    let svg = std::fs::read_to_string(out.join("forecast.svg")).unwrap();
    assert!(svg.matches("<polyline").count() >= 3);
    for words in ["Temperature, ", "24 hours before", "as warm as a day before", " °C"] {
        assert!(svg.contains(words), "{words}");
    }

    // The model in the file takes what was measured and gives degrees.
    let model = Model::load(out.join(&best.0).join("model.keras"))?;
    let weather = uncrumple::programs::series::Weather::new(&table)?;
    let [_, _, part] = weather.parts()?;
    let foretold = model.predict_source(&part, 1000)?.remove(0).to_vec::<f32>()?;
    let real = part.targets()[0].to_vec::<f32>()?;
    let mae = foretold.iter().zip(&real).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>() / real.len() as f64;
    assert!((mae - best.1[1]).abs() < 1e-4, "{mae} {rows:?}");

    // The same seed, one network alone: the same figures.
    let alone = folder.path().join("alone");
    succeed(&[&arguments(&alone)[..], &["--program", "conv1d", "--threads", "1"]].concat());
    assert_eq!(results(&alone)[1], rows[2]);

    goes_on(&folder.path().join("killed"), &out);
    Ok(())
}

#[test]
fn a_recurrent_network_foretells_the_weather() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("weather");
    succeed(&[&arguments(&out)[..], &["--program", "lstm"]].concat());
    let rows = results(&out);
    assert!(rows[1].0 == "lstm" && rows[1].1[2] < 1.5, "{rows:?}");
}

/// A comparison that is killed while its second network learns goes on there, to what the `whole` one left.
fn goes_on(killed: &Path, whole: &Path) {
    let backup = killed.join("conv1d/model.backup.safetensors");
    let mut child =
        command(&[&quick(killed)[..], &["--backup-every", "0.2"]].concat()).stdout(Stdio::null()).spawn().unwrap();
    let begin = Instant::now();
    while !backup.exists() && child.try_wait().unwrap().is_none() {
        assert!(begin.elapsed() < Duration::from_secs(600));
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let printed = succeed(&[&quick(killed)[..], &["--resume"]].concat());
    assert!(!printed.contains("there is no"), "dense is done, and conv1d goes on: {printed}");
    assert_eq!(results(killed), results(whole));
    for network in ["dense", "conv1d"] {
        let history = |out: &Path| std::fs::read_to_string(out.join(network).join("history.csv")).unwrap();
        assert_eq!(history(killed), history(whole), "{network}");
        assert!(!killed.join(network).join("model.backup.safetensors").exists());
    }
}

#[test]
fn what_the_comparison_cannot_do_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("weather");
    let trace = folder.path().join("trace.json");
    let said = error(&[&arguments(&out)[..], &["--profile", text(&trace)]].concat());
    assert!(said.contains("--profile: times one training; name the network by --program"), "{said}");
    let said = fail(2, &["train", "weather", "--program", "convnet"]);
    assert!(said.contains("[possible values: dense, conv1d"), "{said}");
}
