//! Files of tokenizers, of our own: what the crate behind them makes of pretrained models' is its own tests'.

use super::*;
use uncrumple::data::Tokenizer;

fn file(name: &str) -> PathBuf {
    repository().join("tests/data/tokenizers").join(name)
}

fn rows(tensor: &Tensor) -> Vec<Vec<i32>> {
    assert_eq!(tensor.dtype(), DType::I32);
    let values = tensor.to_vec::<i32>().unwrap();
    values.chunks(tensor.shape().last().max(1)).map(<[i32]>::to_vec).collect()
}

#[test]
fn word_pieces() -> Result<()> {
    let bert = Tokenizer::word_piece(file("vocab.txt"))?;
    let encoding = bert.encode(&["The TIGERS, burning!", "Café 虎虎 uncrumpled?", ""])?;
    let want = [
        vec![2, 5, 6, 7, 11, 8, 9, 13, 3],
        // A letter that is not known makes its word unknown; Chinese letters are words.
        vec![2, 17, 18, 18, 14, 15, 16, 1, 3],
        vec![2, 3, 0, 0, 0, 0, 0, 0, 0],
    ];
    assert_eq!(rows(&encoding.token_ids), want);
    assert_eq!(rows(&encoding.attention_mask)[1..], [vec![1; 9], [vec![1; 2], vec![0; 7]].concat()]);
    let texts = bert.decode(&encoding.token_ids)?;
    assert_eq!(texts, ["the tigers, burning!", "cafe 虎 虎 uncrumpled", ""]);
    assert_eq!((bert.vocabulary_size(), bert.token_to_id("tiger"), bert.token_to_id("cat")), (19, Some(6), None));

    let cut = bert.sequence_length(4)?.encode(&["the tigers", "the"])?;
    assert_eq!(rows(&cut.token_ids), [[2, 5, 6, 3], [2, 5, 3, 0]]);
    let cased = Tokenizer::word_piece_cased(file("vocab.txt"))?;
    assert_eq!(rows(&cased.encode(&["the The café [MASK]"])?.token_ids), [[2, 5, 1, 1, 4, 3]]);
    Ok(())
}

#[test]
fn byte_pairs() -> Result<()> {
    let gpt = Tokenizer::byte_level_bpe(file("vocab.json"), file("merges.txt"))?;
    let id = |token: &str| gpt.token_to_id(token).unwrap() as i32;
    let encoding = gpt.encode(&["the tiger burn.", "é", ""])?;
    let end = id("<|endoftext|>");
    // The space before a word is a part of it, and é is two bytes.
    let want = [
        vec![id("the"), id("Ġtiger"), id("Ġ"), id("burn"), id(".")],
        vec![id("Ã"), id("©"), end, end, end],
        vec![end; 5],
    ];
    assert_eq!(rows(&encoding.token_ids), want);
    assert_eq!(rows(&encoding.attention_mask), [[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0; 5]]);
    assert_eq!(gpt.decode(&encoding.token_ids)?, ["the tiger burn.", "é", ""]);
    assert_eq!(rows(&gpt.encode(&["the<|endoftext|>"])?.token_ids), [[id("the"), end]]);
    let none: [&str; 0] = [];
    assert_eq!(gpt.encode(&none)?.token_ids.shape()[..], [0, 0]);
    let long = "the tiger ".repeat(50_000);
    assert_eq!(gpt.encode(&[&*long])?.token_ids.shape()[..], [1, 100_001]);
    assert_eq!(gpt.clone().sequence_length(3)?.encode(&[&*long])?.token_ids.shape()[..], [1, 3]);
    Ok(())
}

/// The file says that texts are cut off at six and padded to six on the left.
#[test]
fn a_tokenizer_json_says_how_to_cut_and_pad() -> Result<()> {
    let tokenizer = Tokenizer::load(file("tokenizer.json"))?;
    let encoding = tokenizer.encode(&["the bright", "the tigers, burning"])?;
    assert_eq!(rows(&encoding.token_ids), [[0, 0, 2, 5, 10, 3], [2, 5, 6, 7, 11, 3]]);
    assert_eq!(rows(&encoding.attention_mask)[0], [0, 0, 1, 1, 1, 1]);
    assert_eq!(tokenizer.decode(&encoding.token_ids)?, ["the bright", "the tigers,"]);
    let other = tokenizer.sequence_length(3)?.encode(&["the tiger"])?;
    assert_eq!(rows(&other.token_ids), [[2, 5, 3]]);
    Ok(())
}

#[test]
fn files_that_are_none() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    #[track_caller]
    fn refused<T: std::fmt::Debug>(result: Result<T>, words: &[&str]) {
        let error = result.unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    let twice = write("vocab.txt", b"[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\na\n");
    refused(Tokenizer::word_piece(&twice), &["vocab.txt", "line 7", "`a`"]);
    refused(Tokenizer::word_piece(write("none.txt", b"")), &["none.txt", "[UNK]"]);
    refused(Tokenizer::word_piece(write("bytes.txt", b"\xff\0")), &["UTF-8"]);
    refused(Tokenizer::word_piece(folder.path()), &["regular file"]);
    let pieces = write("vocab.json", br#"{"a":0,"b":1,"ab":4294967295}"#);
    let pairs = write("merges.txt", b"a b\n");
    let huge = Tokenizer::byte_level_bpe(&pieces, &pairs)?;
    refused(huge.encode(&["ab"]), &["beyond int32"]);
    refused(Tokenizer::byte_level_bpe(&pieces, write("m.txt", b"a c\n")), &["m.txt", "c"]);
    refused(Tokenizer::byte_level_bpe(&pieces, write("m.txt", b"a b c\n")), &["m.txt", "line 1", "two pieces"]);
    refused(Tokenizer::byte_level_bpe(write("v.json", b"[1]"), &pairs), &["v.json", "vocabulary"]);
    refused(Tokenizer::byte_level_bpe(write("v.json", br#"{"a":-1}"#), &pairs), &["v.json", "vocabulary"]);

    let sound = std::fs::read_to_string(file("tokenizer.json")).unwrap();
    let load = |text: &str| Tokenizer::load(write("tokenizer.json", text.as_bytes()));
    refused(load(&sound[..sound.len() / 2]), &["is no tokenizer"]);
    refused(load("[]"), &["is no tokenizer"]);
    refused(load(&sound.replace("\"Fixed\": 6", "\"Fixed\": 99999999999")), &["pads texts to 99999999999"]);
    refused(load(&sound.replace("\"max_length\": 6", "\"max_length\": 1")), &["sequence_length", "more than 2"]);
    refused(load(&sound.replace("\"pad_id\": 0", "\"pad_id\": 4294967295")), &["pads with no int32"]);
    refused(Tokenizer::word_piece(file("vocab.txt"))?.sequence_length(2), &["more than 2"]);
    refused(Tokenizer::word_piece(file("vocab.txt"))?.sequence_length(usize::MAX), &["at most"]);
    let tokenizer = load(&sound)?;
    refused(tokenizer.decode(&Tensor::from_slice(&[-1i32], 1)?), &["-1"]);
    refused(tokenizer.encode(&Strings::new(["a"], [1, 1])?), &["(batch,)", "(1, 1)"]);
    assert_eq!(tokenizer.decode(&Tensor::from_slice(&[i32::MAX, 5], 2)?)?, ["the"]);
    Ok(())
}

/// Bytes of the file changed at many places end in a tokenizer or an error, and it in numbers or an error.
#[test]
fn damaged_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let sound = std::fs::read(file("tokenizer.json")).unwrap();
    let mut errors = 0;
    for i in 0..400 {
        let mut bytes = sound.clone();
        let at = i * bytes.len() / 400;
        match i % 4 {
            0 => bytes.truncate(at),
            1 => bytes[at] = b'9',
            2 => bytes[at] = b'"',
            _ => bytes[at] ^= 0x15,
        }
        std::fs::write(&path, &bytes).unwrap();
        match Tokenizer::load(&path) {
            Ok(tokenizer) => errors += usize::from(tokenizer.encode(&["the tigers burning 虎 é!"]).is_err()),
            Err(_) => errors += 1,
        }
    }
    assert!(errors > 100, "{errors}");
}
