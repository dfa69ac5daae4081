//! Any bytes as the file of a tokenizer: a `tokenizer.json`, a `vocab.txt`, or half of GPT-2's two.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;
use uncrumple::data::Tokenizer;

const TEXTS: [&str; 2] = ["The tiger burns, doesn't it? é虎", ""];

fn sound(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/tokenizers")).join(name)
}

/// A regular expression of a few bytes may grow to 10 MB by its crate's own limit, and a file may have several.
const EXPRESSIONS: usize = 64 << 10;

/// What reads tokenizers reads them of files. The crate makes its own expressions once, for whoever needs them first.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let warm = Tokenizer::byte_level_bpe(sound("vocab.json"), sound("merges.txt")).and_then(|t| t.encode(&TEXTS));
    warm.expect("a sound tokenizer");
    // Each process has its own, and leaves it.
    std::env::temp_dir().join(format!("uncrumple-fuzz-tokenizer-{}", std::process::id()))
});

// A few bytes are a piece, which two maps have with its number, and each text may be padded with thousands.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    std::fs::write(&*FILE, bytes).expect("a file");
    let read: [fn(PathBuf) -> uncrumple::Result<Tokenizer>; 4] = [
        Tokenizer::load,
        Tokenizer::word_piece,
        |file| Tokenizer::byte_level_bpe(file, sound("merges.txt")),
        |file| Tokenizer::byte_level_bpe(sound("vocab.json"), file),
    ];
    for read in read {
        uncrumple_fuzz::read(bytes.len() + EXPRESSIONS, 1024, |_| {
            let tokenizer = read(FILE.clone())?.sequence_length(8)?;
            let encoding = tokenizer.encode(&TEXTS)?;
            tokenizer.decode(&encoding.token_ids)
        });
    }
});
