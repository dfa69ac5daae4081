use super::*;
use crate::generate::Sampler;
use crate::tensor::Tensor;
use crate::train::Fit;

/// Words and how they are spoken, letter by letter.
const PAIRS: [(&str, &str); 4] = [("AB", "x y"), ("BA", "y x"), ("ABA", "x y x"), ("B", "y")];

fn small() -> Sequences {
    let [source, target] = [Script::Letters, Script::Symbols].map(|script| Side::new(script, 4));
    Sequences::adapt(&PAIRS, source, target).unwrap()
}

fn sizes() -> Sizes {
    Sizes { width: 32, depth: 1, dropout: 0.0 }
}

#[test]
fn what_is_given_is_one_place_behind_what_is_wanted() -> Result<()> {
    let sequences = small();
    let data = sequences.dataset(&PAIRS)?;
    let rows = |x: &Tensor| -> Vec<Vec<i32>> {
        x.to_vec::<i32>().unwrap().chunks(x.shape().last()).map(<[i32]>::to_vec).collect()
    };
    let [read, given, wanted] = [&data.inputs()[0], &data.inputs()[1], &data.targets()[0]].map(rows);
    let number = |side: &Side, term: &str| {
        let known = side.to_json()["vocabulary"].as_array().unwrap().clone();
        known.iter().position(|known| known == term).unwrap() as i32
    };
    let [a, b] = ["A", "B"].map(|letter| number(&sequences.source, letter));
    let [x, y, begin, end] = ["x", "y", "[START]", "[END]"].map(|symbol| number(&sequences.target, symbol));
    assert_eq!((begin, end), (sequences.target.begin(), sequences.target.end()));
    assert_eq!(read, [[a, b, 0, 0], [b, a, 0, 0], [a, b, a, 0], [b, 0, 0, 0]]);
    assert_eq!(given, [[begin, x, y, 0, 0], [begin, y, x, 0, 0], [begin, x, y, x, 0], [begin, y, 0, 0, 0]]);
    // Where the last token is given, its end is wanted; as far as nothing is given, nothing is wanted.
    assert_eq!(wanted, [[x, y, end, 0, 0], [y, x, end, 0, 0], [x, y, x, end, 0], [y, end, 0, 0, 0]]);
    assert_eq!(rows(&sequences.dataset(&[("ABABAB", "x y x y x y")])?.targets()[0]), [[x, y, x, y, end]]);
    assert_eq!(sequences.target.text(&[begin, y, 1, x, 0, end, 99, -1]), "y x");
    Ok(())
}

#[test]
fn nothing_behind_the_end_counts() -> Result<()> {
    let sequences = small();
    let model = sequences.model(sizes())?.seed(3)?;
    assert_eq!(model.warnings(), Vec::<String>::new(), "no layer loses the mask");
    let data = sequences.dataset(&PAIRS)?;
    let wanted = data.targets()[0].to_vec::<i32>()?;
    let inputs: Vec<&Tensor> = data.inputs().iter().collect();
    let probabilities = model.call(&inputs)?[0].to_vec::<f32>()?;
    let rows = probabilities.chunks(sequences.target.tokens()).zip(&wanted).filter(|(_, wanted)| **wanted != 0);
    let losses: Vec<f32> = rows.map(|(row, &wanted)| -row[wanted as usize].ln()).collect();
    assert_eq!(losses.len(), 3 + 3 + 4 + 2);
    let mean = f64::from(losses.iter().sum::<f32>()) / losses.len() as f64;
    let mut trainer = sequences.compile(model, 1e-3)?;
    let loss = trainer.evaluate_with(&data, 4)?.get("loss").unwrap();
    assert!((loss - mean).abs() < 1e-5, "{loss} {mean}");
    Ok(())
}

#[test]
fn what_is_learnt_is_written_with_a_cache_and_without() -> Result<()> {
    let sequences = small();
    let mut trainer = sequences.compile(sequences.model(sizes())?, 1e-2)?;
    trainer.fit(&sequences.dataset(&PAIRS)?, Fit::epochs(60).batch_size(4))?;
    let model = trainer.into_model();
    let (words, spoken): (Vec<&str>, Vec<&str>) = PAIRS.into_iter().unzip();
    let generate = sequences.generate();
    assert_eq!(sequences.write(&model, &words, &generate)?, spoken);
    assert_eq!(sequences.write(&model, &words, &generate.clone().cache(false))?, spoken);
    let beam = Sampler::Beam { num_beams: 2, length_penalty: 1.0 };
    assert_eq!(sequences.write(&model, &words, &generate.sampler(beam))?, spoken);

    // The file alone is enough.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.keras");
    model.save(&path)?;
    let model = Model::load(&path)?;
    let again = Sequences::of(&model)?.unwrap();
    assert_eq!(again.write(&model, &["ABA", "BB"], &again.generate())?[0], "x y x");
    Ok(())
}

#[test]
fn samples_differ_however_many_are_written() -> Result<()> {
    let sequences = small();
    let model = sequences.model(sizes())?;
    let sampler = Sampler::Random { temperature: 3.0 };
    let written = sequences.write(&model, &["AB"; 2 * TOGETHER], &sequences.generate().sampler(sampler))?;
    assert_ne!(written[..TOGETHER], written[TOGETHER..]);
    Ok(())
}

#[test]
fn a_damaged_attachment_is_an_error() -> Result<()> {
    let sequences = small();
    let model = sequences.model(sizes())?;
    let sound: Value = serde_json::from_slice(model.attachment(ENTRY).unwrap()).unwrap();
    assert_eq!(Sequences::of(&model)?.unwrap().source.to_json(), sound["source"]);
    let change = |side: &str, name: &str, value: Value| {
        let mut changed = sound.clone();
        changed[side][name] = value;
        changed.to_string()
    };
    let damaged = [
        ("{".to_string(), "damaged"),
        ("[]".to_string(), "its source: `script`"),
        (change("source", "script", "runes".into()), "its source: `script`"),
        (change("source", "length", 0.into()), "its source: `length`"),
        (change("target", "length", (1u64 << 40).into()), "its target: `length`"),
        (change("target", "length", 3.into()), "another model"),
        (
            change("target", "vocabulary", json!(["", "[UNK]", "x", "[START]"])),
            "its target: the vocabulary has no [START]",
        ),
        (change("target", "vocabulary", json!(["", "[UNK]", "x", "x"])), "its target: "),
        (change("target", "vocabulary", json!(["", "[UNK]", "[START]", "[END]", 7])), "its target: `vocabulary`"),
        (change("target", "vocabulary", json!(["", "[UNK]", "[START]", "[END]", "x"])), "another model"),
    ];
    for (text, words) in damaged {
        let model = model.clone().attach(ENTRY, text.as_bytes())?;
        let error = Sequences::of(&model).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
    let other = crate::model::Sequential::new([2]).add(Dense::new(1)).build()?;
    assert!(Sequences::of(&other)?.is_none());
    assert!(
        small().model(Sizes { width: 40, ..sizes() }).unwrap_err().to_string().contains("a multiple of 32, got 40")
    );
    Ok(())
}

#[test]
fn sentences_become_words_and_marks_and_are_written_again() {
    for (text, tokens, written) in [
        ("Insert Row?", &["insert", "Row", "?"][..], "Insert Row?"),
        (
            "¿Eliminar el e-mail (2.5%)?",
            &["¿", "eliminar", "el", "e-mail", "(", "2.5", "%", ")", "?"],
            "¿Eliminar el e-mail (2.5%)?",
        ),
        ("PDF-Datei", &["PDF-Datei"], "PDF-Datei"),
        ("It's", &["it's"], "It's"),
        ("A -- 'b'.", &["a", "-", "-", "'", "b", "'", "."], "A - - ' b '."),
        ("Área\u{a0}de  texto…", &["área", "de", "texto", "…"], "Área de texto…"),
        ("", &[], ""),
    ] {
        assert_eq!(Script::Words.tokens(text), tokens, "{text}");
        assert_eq!(Script::Words.text(tokens), written);
    }
    assert_eq!(Script::SmallWords.tokens("Insert PDF"), ["insert", "pdf"]);
    assert_eq!(Script::Letters.tokens("a b"), ["a", "b"]);
    assert_eq!(
        Script::Symbols.text(&Script::Symbols.tokens(" AE  K").iter().map(|s| &s[..]).collect::<Vec<_>>()),
        "AE K"
    );
}
