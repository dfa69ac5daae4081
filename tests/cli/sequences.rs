//! Words that are spoken and sentences that are translated: what a short training prints and leaves.

use super::{command, error, fail, succeed, text};
use std::path::Path;
use uncrumple::metrics::text::chrf;
use uncrumple::prelude::*;
use uncrumple::programs::sequences::{Script, Sequences, Side, Sizes};

/// A short training of a task on little.
fn train(task: &str, out: &Path, more: &[&str]) -> String {
    let short = ["train", task, "--out", text(out), "--device", "cpu", "--width", "32", "--depth", "1"];
    succeed(&[&short[..], more].concat())
}

/// The network and its vocabularies, from the file alone; what else a run leaves is there.
fn left(out: &Path) -> Result<(Sequences, Model)> {
    for name in ["model.keras", "history.csv", "learning-curves.png"] {
        assert!(out.join(name).metadata().unwrap().len() > 100, "{name}");
    }
    assert!(!out.join("model.backup.safetensors").exists());
    let model = Model::load(out.join("model.keras"))?;
    Ok((Sequences::of(&model)?.unwrap(), model))
}

/// The figures of a line that begins so.
fn figures(printed: &str, name: &str) -> Vec<f64> {
    let line = printed.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in {printed}"));
    line[name.len()..].split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// The lines of the examples, behind their head.
fn examples<'a>(printed: &'a str, head: &str) -> Vec<&'a str> {
    let lines = printed.lines().skip_while(|line| !line.starts_with(head)).skip(1);
    lines.take_while(|line| !line.is_empty()).collect()
}

#[test]
fn words_are_spoken() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("cmudict");
    let more = ["--limit", "4000", "--epochs", "4", "--batch-size", "32", "--learning-rate", "0.004"];
    let printed = train("cmudict", &out, &more);
    let (network, baseline) = (figures(&printed, "network   "), figures(&printed, "baseline"));
    assert_eq!((network.len(), baseline.len()), (2, 2), "{printed}");
    // So little is enough for more than letters one by one.
    assert!(network[0] < baseline[0] && network[1] <= baseline[1] && network[0] > 5.0, "{printed}");

    let (sequences, model) = left(&out)?;
    let rows = examples(&printed, "word ");
    assert_eq!(rows.len(), 10, "{printed}");
    let words: Vec<&str> = rows.iter().map(|row| row.split(' ').next().unwrap()).collect();
    let said = sequences.write(&model, &words, &sequences.generate())?;
    assert_eq!(said, sequences.write(&model, &words, &sequences.generate().cache(false))?);
    for (row, said) in rows.iter().zip(said) {
        let columns: Vec<&str> = row.split("   ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        assert_eq!(columns[1], said, "what is saved is what was tested: {row}");
    }
    Ok(())
}

#[test]
fn sentences_are_translated() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("translate");
    let more = ["--limit", "400", "--epochs", "8", "--batch-size", "16", "--learning-rate", "0.005"];
    let printed = train("translate", &out, &more);
    assert!(printed.contains("400 test texts"), "{printed}");
    assert_eq!(printed.lines().filter(|line| line.starts_with("English  ")).count(), 10, "{printed}");

    // What is saved is what was tested.
    let (sequences, model) = left(&out)?;
    let (_, test) = datasets::translations()?;
    let (english, spanish): (Vec<&str>, Vec<&str>) =
        test[..400].iter().map(|text| (&text.english[..], &text.spanish[..])).unzip();
    let beam = sequences.generate().sampler(Sampler::Beam { num_beams: 4, length_penalty: 1.0 });
    let greedy = sequences.write(&model, &english, &sequences.generate())?;
    let beam = sequences.write(&model, &english, &beam)?;
    // So little training may leave nothing as the likeliest word.
    for (name, score, least) in [
        ("network, the likeliest word each time", chrf(&greedy, &spanish)?, 0.0),
        ("network, a beam of 4", chrf(&beam, &spanish)?, 1.0),
        ("the English as it is", chrf(&english, &spanish)?, 1.0),
    ] {
        let said = figures(&printed, name)[0];
        assert!((said - score).abs() < 0.00501 && score >= least, "{name}: {score} in {printed}");
    }
    Ok(())
}

#[test]
fn sizes_that_no_network_has_are_refused() {
    for (option, value, words) in [
        ("--width", "33", "expected a multiple of 32"),
        ("--width", "0", "expected a multiple of 32"),
        ("--depth", "0", "is not in 1.."),
        ("--dropout", "1", "expected at least 0 and less than 1"),
    ] {
        let said = fail(2, &["train", "translate", option, value]);
        assert!(said.contains(words) && said.contains(option), "{said}");
    }
}

#[test]
fn a_text_is_answered() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.keras");
    let pairs = [("AB", "x y"), ("BA", "y x"), ("ABA", "x y x"), ("B", "y")];
    let [letters, phonemes] = [Script::Letters, Script::Symbols].map(|script| Side::new(script, 4));
    let sequences = Sequences::adapt(&pairs, letters, phonemes)?;
    let sizes = Sizes { width: 32, depth: 1, dropout: 0.0 };
    let mut trainer = sequences.compile(sequences.model(sizes)?, 1e-2)?;
    trainer.fit(&sequences.dataset(&pairs)?, Fit::epochs(60).batch_size(4))?;
    trainer.into_model().save(&path)?;
    let options = ["generate", text(&path), "--device", "cpu"];
    for more in [&[][..], &["--no-cache"], &["--beams", "2"], &["--temperature", "0.01", "--seed", "4"]] {
        assert_eq!(succeed(&[&options[..], &["--prompt", "ABA"], more].concat()), "x y x\n", "{more:?}");
    }
    let several = succeed(&[&options[..], &["--prompt", "ABA", "--samples", "3"]].concat());
    assert_eq!(several.lines().count(), 3, "{several}");

    let output = command(&[&options[..], &["--prompt", "cABABbA"]].concat()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("does not know c\n") && said.contains("the first 4 of its 7 tokens"),
        "{said}"
    );
    for (more, words) in [
        (&["--prompt", "AB", "--stop", "x"][..], "--stop: this model answers with tokens of its own"),
        (&["--prompt", "AB", "--max-tokens", "9"], "--max-tokens: this model"),
        (&["--prompt", "aab"], "does not know a b, which is all of it: it knows B A …"),
        (&["--prompt", " "], "--prompt: is empty"),
    ] {
        let said = error(&[&options[..], more].concat());
        assert!(said.contains(words), "{said}");
    }
    Ok(())
}
