//! Texts as a model's tokens, and back.

use std::path::Path;
use uncrumple::prelude::*;
use uncrumple::programs::language::Characters;

/// What a model's tokens stand for.
pub enum Vocabulary {
    /// Characters, which the model's file has.
    Characters(Characters),
    /// Pieces of words, of files beside it.
    #[cfg(feature = "tokenizers")]
    Pieces(Box<Tokenizer>),
}

impl Vocabulary {
    /// That of the file.
    pub fn of(model: &Model, path: &Path) -> Result<Vocabulary> {
        let missing = || {
            let other = match cfg!(feature = "tokenizers") {
                true => "--tokenizer names that of another",
                false => "--tokenizer for others is there where uncrumple was built with `--features tokenizers`",
            };
            let message = "has no vocabulary, so that nobody knows what its tokens stand for";
            let message = format!("{message}: `uncrumple train shakespeare` leaves a model that has one; {other}");
            Error::File { path: path.to_path_buf(), message }
        };
        Characters::of(model)?.map(Vocabulary::Characters).ok_or_else(missing)
    }

    /// That of a `tokenizer.json`, or of a folder which has one, or GPT-2's `vocab.json` and `merges.txt`.
    #[cfg(feature = "tokenizers")]
    pub fn read(path: &Path) -> Result<Vocabulary> {
        let (whole, merges) = (path.join("tokenizer.json"), path.join("merges.txt"));
        let tokenizer = match path.is_dir() {
            false => Tokenizer::load(path),
            true if whole.is_file() || !merges.is_file() => Tokenizer::load(whole),
            true => Tokenizer::byte_level_bpe(path.join("vocab.json"), merges),
        };
        tokenizer.map(|tokenizer| Vocabulary::Pieces(Box::new(tokenizer)))
    }

    /// The tokens of a prompt.
    pub fn tokens(&self, prompt: &str) -> Result<Vec<i32>> {
        match self {
            Vocabulary::Characters(characters) => characters.known_numbers(prompt),
            #[cfg(feature = "tokenizers")]
            Vocabulary::Pieces(tokenizer) => tokenizer.encode(&[prompt])?.token_ids.to_vec(),
        }
    }

    /// The text of tokens.
    pub fn text(&self, tokens: &[i32]) -> Result<String> {
        match self {
            Vocabulary::Characters(characters) => Ok(characters.text(tokens)),
            #[cfg(feature = "tokenizers")]
            Vocabulary::Pieces(tokenizer) => Ok(tokenizer.decode(&Tensor::from_slice(tokens, tokens.len())?)?.concat()),
        }
    }

    /// Tokens behind which there is no text.
    pub fn ends(&self) -> Vec<i32> {
        match self {
            Vocabulary::Characters(_) => Vec::new(),
            #[cfg(feature = "tokenizers")]
            Vocabulary::Pieces(tokenizer) => {
                let ends = ["<|endoftext|>", "</s>"].into_iter();
                ends.filter_map(|token| tokenizer.token_to_id(token)).filter_map(|id| i32::try_from(id).ok()).collect()
            }
        }
    }
}
