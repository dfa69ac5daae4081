//! What tables become.

use super::*;
use std::path::Path;

fn table(text: &str) -> Table {
    Table::parse(text.as_bytes(), Path::new("t.csv")).unwrap()
}

const TRAIN: &str = "x,y,c,name,one\n1,5,a,Ann,7\n3,,b,Bob,7\n2,5,a,Cid,7\n2,8,,Dan,7\n";

#[test]
fn columns_become_numbers() -> Result<()> {
    let space = FeatureSpace::new().adapt(&table(TRAIN))?;
    assert_eq!(space.features().collect::<Vec<_>>(), [("x", 1), ("y", 2), ("c", 4)]);
    let reasons = ["holds 4 different texts in 4 rows", "is always 7"];
    assert_eq!(space.left_out().iter().map(|(_, reason)| &**reason).collect::<Vec<_>>(), reasons);
    // Another order, a column more, a category that was never seen, values that are not there.
    let new = table("c,extra,y,x\nz,1,,2\n,2,6,4\nb,3,8,NA\n");
    let (x, y) = (0.5f64.sqrt(), 2f64.sqrt());
    let want = [
        [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0],
        [2.0 / x, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        [0.0, 2.0 / y, 0.0, 0.0, 0.0, 0.0, 1.0],
    ];
    for space in [FeatureSpace::from_json(&space.to_json())?, space] {
        let got = space.transform(&new)?;
        assert_eq!(got.shape()[..], [3, 7]);
        let want = want.concat();
        let near = |(&got, want): (&f32, &f64)| (f64::from(got) - want).abs() <= 1e-6;
        assert!(got.to_vec::<f32>()?.iter().zip(&want).all(near), "{got}");
    }
    Ok(())
}

#[test]
fn what_is_told_counts() -> Result<()> {
    let space = FeatureSpace::new()
        .feature("x", Feature::StringCategorical { max_tokens: 1 })
        .feature("y", Feature::Float)
        .exclude("c")
        .adapt(&table(TRAIN))?;
    assert_eq!(space.features().collect::<Vec<_>>(), [("x", 2), ("y", 2)]);
    let got = space.transform(&table(TRAIN))?.to_vec::<f32>()?;
    assert_eq!(got, [1.0, 0.0, 5.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 5.0, 0.0, 0.0, 1.0, 8.0, 0.0]);
    Ok(())
}

#[test]
fn texts_become_words_or_letters() -> Result<()> {
    let texts = Table::from_columns([("t", ["A good, GOOD film.", "no film", ""])])?;
    let told = |tokens, ngrams, max_tokens| {
        FeatureSpace::new().feature("t", Feature::Text { tokens, ngrams, max_tokens }).adapt(&texts)
    };
    // film 2, good 2, a 1, no 1
    let words = told(Tokens::Words, 1, 3)?;
    for space in [FeatureSpace::from_json(&words.to_json())?, words] {
        assert_eq!(space.transform(&texts)?.to_vec::<f32>()?, [1., 1., 1., 1., 0., 0., 0., 0., 0.]);
    }
    let pairs = told(Tokens::Words, 2, 100)?;
    // a, film, good, no; a good, good film, good good, no film
    assert_eq!(pairs.width(), 8);
    let letters = told(Tokens::Letters, 2, 1000)?;
    let new = Table::from_columns([("t", ["o", "zz"])])?;
    // ^ $ o; of pairs none: ^o and o$ do not occur. Of zz only where it begins and ends.
    let ones: Vec<f32> =
        letters.transform(&new)?.to_vec::<f32>()?.chunks(letters.width()).map(|row| row.iter().sum()).collect();
    assert_eq!(ones, [3.0, 2.0]);
    Ok(())
}

#[test]
fn texts_become_the_numbers_of_their_words() -> Result<()> {
    let texts = Table::from_columns([("t", ["A good, GOOD film.", "no film", ""])])?;
    let sequence = |max_tokens, output_sequence_length| {
        let feature = Feature::TextSequence { tokens: Tokens::Words, max_tokens, output_sequence_length };
        FeatureSpace::new().feature("t", feature).adapt(&texts)
    };
    // film 2, good 3; a and no are not of the vocabulary.
    let space = sequence(4, 3)?;
    assert_eq!((space.width(), space.vocabulary_size("t"), space.vocabulary_size("u")), (3, Some(4), None));
    for space in [FeatureSpace::from_json(&space.to_json())?, space] {
        assert_eq!(space.transform(&texts)?.to_vec::<f32>()?, [1., 3., 3., 1., 2., 0., 0., 0., 0.]);
    }
    // a 4, no 5.
    let all = sequence(100, 5)?;
    assert_eq!(all.vocabulary_size("t"), Some(6));
    assert_eq!(all.transform(&texts)?.to_vec::<f32>()?[..10], [4., 3., 3., 2., 0., 5., 2., 0., 0., 0.]);

    let refused = |max_tokens, length| sequence(max_tokens, length).unwrap_err().to_string();
    for length in [0, 65_537, usize::MAX] {
        let said = format!("argument `output_sequence_length`: expected an integer from 1 to 65536, got {length}");
        assert_eq!(refused(100, length), said);
    }
    assert_eq!(refused(2, 5), "argument `max_tokens`: expected more than 2, which are no words, got 2");
    for length in [0, 65_537, u64::MAX] {
        let feature = json!({ "type": "text_sequence", "tokens": "words", "vocabulary": ["a"],
            "output_sequence_length": length });
        assert!(FeatureSpace::from_json(&json!({ "features": { "t": feature } })).is_err(), "{length}");
    }
    Ok(())
}

#[test]
fn runs_of_any_length_come_to_an_end() -> Result<()> {
    let text = |vocabulary: &[&str]| {
        let feature =
            json!({ "type": "text", "tokens": "words", "ngrams": usize::MAX as u64, "vocabulary": vocabulary });
        FeatureSpace::from_json(&json!({ "features": { "t": feature } }))
    };
    let texts = Table::from_columns([("t", [&*"a b ".repeat(3000), "b"])])?;
    assert_eq!(text(&["a b", "c"])?.transform(&texts)?.to_vec::<f32>()?, [1.0, 0.0, 0.0, 0.0]);
    assert_eq!(
        FeatureSpace::new()
            .feature("t", Feature::Text { tokens: Tokens::Words, ngrams: usize::MAX, max_tokens: 9 })
            .adapt(&Table::from_columns([("t", ["a b", "b"])])?)?
            .width(),
        3
    );
    assert!(text(&[]).is_err(), "a text without words has no elements");
    Ok(())
}

#[test]
fn a_word_among_numbers_counts_wherever_it_is() -> Result<()> {
    let cell = |i: usize| if i == 7 { "unknown".into() } else { (i * i).to_string() };
    let whole = table(&format!("x,z\n{}", (0..40).map(|i| format!("{},{i}\n", cell(i))).collect::<String>()));
    for rows in [0..20, 20..40] {
        let part = whole.take(&rows.collect::<Vec<_>>())?;
        let space = FeatureSpace::new().kinds_of(&whole).adapt(&part)?;
        let reason = "1 cell is no number, such as `unknown` in row 8: correct it or leave it empty";
        assert_eq!(space.left_out(), [("x".to_string(), reason.to_string())]);
        assert_eq!(space.transform(&whole)?.shape()[..], [40, 1]);
    }
    Ok(())
}

#[test]
fn nothing_is_learnt_from_what_is_held_out() -> Result<()> {
    let whole = table(TRAIN);
    let (train, test) = whole.split(0.5, &crate::data::Split::random())?;
    let adapt = |table: &Table| FeatureSpace::new().feature("c", Feature::string_categorical()).adapt(table);
    assert!(adapt(&whole).unwrap_err().to_string().contains("was split"));
    assert!(adapt(&test).unwrap_err().to_string().contains("held out"));
    assert!(adapt(&test.take(&[0])?).is_err());
    let space = adapt(&train)?;
    assert_eq!(space.transform(&test)?.shape()[0], 2);
    assert!(train.split(0.5, &crate::data::Split::random()).unwrap_err().to_string().contains("split first"));
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let space = FeatureSpace::new().adapt(&table(TRAIN))?;
    let refused = |text: &str| space.transform(&table(text)).unwrap_err().to_string();
    assert!(refused("x,y\n1,2\n").contains("no column `c`"));
    assert!(refused("x,y,c\n1,two,a\n").contains("column `y`, row 1"));
    assert!(refused("x,y,c\n1e300,2,a\n").contains("beyond float32's range"));
    assert!(FeatureSpace::new().transform(&table(TRAIN)).is_err());
    assert!(FeatureSpace::new().exclude("q").adapt(&table(TRAIN)).is_err());
    assert!(FeatureSpace::new().adapt(&table("a\n1\n1\n")).unwrap_err().to_string().contains("`a` is always 1"));
    for bad in [json!({}), json!({"features": {"a": {"type": "float", "mean": 0, "deviation": 0, "indicator": true}}})]
    {
        assert!(FeatureSpace::from_json(&bad).is_err());
    }
    Ok(())
}
