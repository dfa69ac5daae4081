//! What is learnt of Shakespeare's works, and what the model's file writes.

use super::{command, error, succeed, text};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use uncrumple::prelude::*;
use uncrumple::programs::language::{Characters, network, windows};

/// A short training.
fn train(out: &Path) -> String {
    let data = ["train", "shakespeare", "--limit", "30000", "--epochs", "2", "--steps", "20"];
    succeed(&[&data[..], &["--batch-size", "8", "--out", text(out), "--device", "cpu"]].concat())
}

/// A model that has learnt nothing, with characters in its file.
fn model(folder: &tempfile::TempDir) -> PathBuf {
    let characters = Characters::of_text("\n !,.BTabcdefghijklmnopqrstuvwxyz");
    let path = folder.path().join("m.keras");
    let model = characters.attach(network(characters.count()).unwrap().seed(3).unwrap()).unwrap();
    model.save(&path).unwrap();
    path
}

/// The command.
fn generate(model: &Path, more: &[&str]) -> Command {
    command(&[&["generate", text(model), "--device", "cpu"][..], more].concat())
}

#[test]
fn a_network_learns_letters_and_is_held_against_frequencies() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let printed = train(folder.path());
    assert!(printed.contains("held out are Troilus and Cressida, Twelfth Night, Two Gentlemen"), "{printed}");
    let figure = |name: &str| -> f64 {
        let line = printed.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {printed}"));
        line.split_whitespace().next_back().and_then(|number| number.parse().ok()).unwrap()
    };
    let [all, single, pair] =
        ["all characters alike", "how often each character is", "which character follows which"].map(figure);
    let learnt = figure("the network");
    assert!(pair < single - 0.3 && single < all - 0.5, "{printed}");
    assert!(learnt < all - 0.8 && learnt > 1.0, "{printed}");
    for name in ["model.keras", "history.csv", "learning-curves.png"] {
        assert!(folder.path().join(name).metadata().unwrap().len() > 100, "{name}");
        assert!(printed.contains(name), "{printed}");
    }
    assert!(!folder.path().join("model.backup.safetensors").exists());
    let history = std::fs::read_to_string(folder.path().join("history.csv")).unwrap();
    assert_eq!(history.lines().next(), Some("epoch,loss,accuracy,val_loss,val_accuracy"));
    assert_eq!(history.lines().count(), 3);

    // Characters of the part that was learnt from alone, and the figures from the file.
    let path = folder.path().join("model.keras");
    let model = Model::load(&path)?;
    let characters = Characters::of(&model)?.unwrap();
    let works = datasets::shakespeare()?;
    let joined = |works: &[datasets::Work]| works.iter().map(|w| &w.text[..]).collect::<Vec<_>>().join("\n");
    assert_eq!(characters, Characters::of_text(&joined(&works[..38])[..30_000]));
    assert!((all - (characters.count() as f64).ln()).abs() < 1e-3);
    let held_out = characters.numbers(&joined(&works[38..])[..30_000]);
    let windows = windows(&held_out, 128)?;
    let mut trainer = model.compile(SGD::new(0.0), SparseCategoricalCrossentropy::from_logits(), ())?;
    let loss = trainer.evaluate_with(&windows, 64)?.get("loss").unwrap();
    assert!((loss - learnt).abs() < 1e-3, "{loss} for {learnt}");

    let said = succeed(&["generate", text(&path), "--prompt", "The ", "--max-tokens", "5", "--device", "cpu"]);
    assert!(said.starts_with("The ") && said.chars().count() == 4 + 5 + 1, "{said}");

    // The same seed: the same bits.
    let again = tempfile::tempdir().unwrap();
    train(again.path());
    assert_eq!(std::fs::read_to_string(again.path().join("history.csv")).unwrap(), history);
    Ok(())
}

#[test]
fn a_text_goes_on_from_its_prompt() {
    let folder = tempfile::tempdir().unwrap();
    let path = model(&folder);
    let written = |more: &[&str]| {
        // Longer than the model sees at a time.
        let options = ["--prompt", "To be, or", "--max-tokens", "200"];
        let output = generate(&path, &[&options[..], more].concat()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{more:?}: {said}");
        (String::from_utf8(output.stdout).unwrap(), said)
    };
    let (first, said) = written(&[]);
    assert!(first.starts_with("To be, or") && first.chars().count() == 9 + 200 + 1, "{first}");
    assert!(said.starts_with("200 tokens in ") && said.trim_end().ends_with(" tokens/s"), "{said}");
    assert_eq!(written(&[]).0, first);
    assert_eq!(written(&["--no-cache"]).0, first);
    let mut all = vec![first.clone()];
    for more in [
        &["--seed", "1"][..],
        &["--temperature", "0"],
        &["--top-k", "3", "--temperature", "1.5"],
        &["--top-p", "0.5"],
        &["--beams", "3"],
    ] {
        let (one, _) = written(more);
        assert!(one.starts_with("To be, or") && one.chars().count() == 210, "{one}");
        assert!(!all.contains(&one), "{more:?}: {one}");
        all.push(one);
    }

    let (several, said) = written(&["--samples", "3"]);
    assert!(said.starts_with("600 tokens"), "{said}");
    let texts: Vec<&str> = several.split("--- ").collect();
    let text = |i: usize| texts[i].strip_prefix(&format!("{i} of 3 ---\n")).unwrap().trim_end();
    assert_eq!((texts.len(), text(1)), (4, first.trim_end()));
    assert!((1..=3).all(|i| text(i).starts_with("To be, or")) && text(2) != text(3), "{several}");

    // A search ends where the text does.
    let searched = |penalty: &str| {
        let beam = [
            "generate",
            super::text(&path),
            "--device",
            "cpu",
            "--prompt",
            "To be",
            "--beams",
            "2",
            "--max-tokens",
            "60",
        ];
        succeed(&[&beam[..], &["--stop", "t", "--length-penalty", penalty]].concat())
    };
    let (short, long) = (searched("-4"), searched("4"));
    assert!(short.len() < long.len(), "{short} {long}");

    let stop: String = first.chars().skip(100).take(2).collect();
    let (before, _) = first[9..].split_once(&stop).unwrap();
    assert_eq!(written(&["--stop", &stop]).0, format!("To be, or{before}\n"));
}

#[test]
fn who_has_read_enough_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--prompt", "To be", "--max-tokens", "1000000"];
    let mut child = generate(&model(&folder), &options).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut first = [0; 20];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert!(first.starts_with(b"To be"));
    // The pipe is closed now, and a million tokens would take an hour.
    assert!(child.wait().unwrap().success());
}

#[test]
fn what_cannot_write_says_why() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let writes = model(&folder);
    let said = error(&["generate", text(&writes), "--prompt", "a Grüße", "--device", "cpu"]);
    assert!(said.contains("does not know the characters 'G' 'ß' 'ü': it knows \"\\n !,.BT"), "{said}");
    for (more, words) in [
        (&["--prompt", ""][..], "--prompt: is empty"),
        (&["--prompt", "a", "--stop", "é"], "--stop: the model does not know the character 'é'"),
        (&["--prompt", "a", "--stop", "ab", "--beams", "2"], "texts of a search end at one token"),
        (&["--prompt", "a", "--temperature", "0", "--samples", "2"], "always the same: leave out --samples"),
    ] {
        let said = error(&[&["generate", text(&writes), "--device", "cpu"][..], more].concat());
        assert!(said.contains(words), "{said}");
    }
    let path = folder.path().join("m.keras");
    let refused = |model: &Model, words: &str| {
        model.save(&path).unwrap();
        let said = error(&["generate", text(&path), "--prompt", "a", "--device", "cpu"]);
        assert!(said.contains(words), "{said}");
    };
    let input = Input::new([28, 28, 1]);
    let pictures = Model::new(&input, &Dense::new(10).call(&Flatten::new().call(&input)?)?)?;
    refused(&pictures, "is no language model, which takes tokens (None, steps)");
    refused(&pictures, "it takes (None, 28, 28, 1) and gives (None, 10)");
    let input = Input::with([8], DType::I32, None);
    let model = Model::new(&input, &Dense::new(9).call(&Embedding::new(9, 4).call(&input)?)?)?;
    refused(&model, "m.keras: has no vocabulary");
    refused(&model, "`uncrumple train shakespeare` leaves a model that has one");
    refused(&Characters::of_text("abc").attach(model)?, "`vocabulary.json` is damaged: it is that of another model");
    Ok(())
}

/// A tokenizer of whole words beside a model that has none.
#[cfg(feature = "tokenizers")]
#[test]
fn a_tokenizer_says_what_tokens_are() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let input = Input::with([8], DType::I32, None);
    let x = TransformerDecoder::new(8, 2).call(&Embedding::new(260, 4).call(&input)?)?;
    Model::new(&input, &Dense::new(260).call(&x)?)?.save(path("m.keras"))?;
    // GPT-2 writes the bytes of letters as themselves, and a space as Ġ.
    let pieces = ["a", "b", "Ġ", "ab", "Ġab"];
    let numbers: serde_json::Value =
        pieces.iter().enumerate().map(|(i, piece)| (piece.to_string(), serde_json::json!(i))).collect();
    std::fs::write(path("vocab.json"), numbers.to_string()).unwrap();
    std::fs::write(path("merges.txt"), "#version: 0.2\na b\nĠ ab\n").unwrap();
    let (model, files) = (path("m.keras"), folder.path());
    let options = ["generate", text(&model), "--tokenizer", text(files), "--device", "cpu", "--max-tokens", "20"];
    let said = succeed(&[&options[..], &["--prompt", "ab ab"]].concat());
    assert!(said.starts_with("ab ab"), "{said}");
    let said = error(&["generate", text(&model), "--tokenizer", text(&path("none")), "--prompt", "a"]);
    assert!(said.contains("none"), "{said}");
    Ok(())
}
