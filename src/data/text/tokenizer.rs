//! Texts as pieces of words, by the files of pretrained models.

use super::strings::{Strings, integers};
use crate::device::Device;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::files::{guard, read_file};
use crate::tensor::Tensor;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, ModelWrapper, PaddingDirection, PaddingStrategy, PostProcessor, TruncationParams};

/// Numbers of a text: a file may say how many each is padded to.
const LONGEST: usize = 1 << 24;
/// What BERT's vocabularies have for other things than pieces of words.
const BERT: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
/// What GPT-2's has between texts.
const END_OF_TEXT: &str = "<|endoftext|>";
/// What texts are padded with, the first of them that is known; without any, 0.
const PADDING: [&str; 3] = ["[PAD]", "<pad>", END_OF_TEXT];

/// Texts as the numbers of pieces of words, as a pretrained model's tokenizer has them: the
/// [`tokenizers`](https://docs.rs/tokenizers) crate behind the cargo feature of that name.
///
/// ```no_run
/// # use uncrumple::data::Tokenizer;
/// # fn main() -> uncrumple::Result<()> {
/// let tokenizer = Tokenizer::load("tokenizer.json")?.sequence_length(128)?;
/// let encoding = tokenizer.encode(&["A text.", "Another one."])?;
/// assert_eq!(encoding.token_ids.shape()[..], [2, 128]);
/// assert_eq!(tokenizer.decode(&encoding.token_ids)?[0], "a text.");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// The file, for errors.
    path: PathBuf,
    /// What all texts are padded to at least.
    least: usize,
    pad: i32,
    pad_left: bool,
}

/// A batch of texts as numbers.
#[derive(Clone, Debug)]
pub struct Encoding {
    /// The numbers, int32 `(batch, length)`.
    pub token_ids: Tensor,
    /// 1 where a number is of the text and 0 where it is padding, int32 `(batch, length)`.
    pub attention_mask: Tensor,
}

impl Tokenizer {
    /// The tokenizer of a `tokenizer.json`, with its way to cut texts off and to pad them, but for dropout.
    ///
    /// # Errors
    /// A file that is damaged, or pads or numbers beyond int32.
    pub fn load(path: impl AsRef<Path>) -> Result<Tokenizer> {
        let path = path.as_ref();
        let bytes = read_file(path)?;
        let bad = |message: String| Error::file(path, message);
        let mut inner = guard(path, "tokenizer", || {
            tokenizers::Tokenizer::from_bytes(&bytes).map_err(|e| bad(format!("is no tokenizer: {e}")))
        })?;
        if let ModelWrapper::BPE(model) = inner.get_model() {
            // Other pieces each time are for training alone.
            let mut model = model.clone();
            model.dropout = None;
            inner.with_model(model);
        }
        let (padding, truncation) = (inner.get_padding().cloned(), inner.get_truncation().cloned());
        let pad = padding.as_ref().map(|padding| padding.pad_id);
        let mut tokenizer = Tokenizer::new(inner, path, pad)?;
        if let Some(padding) = padding {
            tokenizer.pad_left = matches!(padding.direction, PaddingDirection::Left);
            if let PaddingStrategy::Fixed(length) = padding.strategy {
                if length > LONGEST {
                    return Err(bad(format!("pads texts to {length} numbers; at most {LONGEST} are made")));
                }
                tokenizer.least = length;
            }
        }
        if let Some(TruncationParams { direction, max_length, .. }) = truncation {
            tokenizer.truncate(TruncationParams { direction, max_length, ..TruncationParams::default() })?;
        }
        Ok(tokenizer)
    }

    /// BERT's tokenizer over a `vocab.txt`, which has a piece on each line: small letters without accents, words and
    /// punctuation apart, each as the longest pieces that are known, between `[CLS]` and `[SEP]`. The places of lines are
    /// numbers.
    ///
    /// # Errors
    /// A file that cannot be read; a piece that is there twice; `[UNK]`, `[CLS]` or `[SEP]` missing.
    pub fn word_piece(vocabulary: impl AsRef<Path>) -> Result<Tokenizer> {
        Tokenizer::bert(vocabulary.as_ref(), true)
    }

    /// The same with letters and accents as they are.
    ///
    /// # Errors
    /// As for [`Tokenizer::word_piece`].
    pub fn word_piece_cased(vocabulary: impl AsRef<Path>) -> Result<Tokenizer> {
        Tokenizer::bert(vocabulary.as_ref(), false)
    }

    fn bert(path: &Path, lowercase: bool) -> Result<Tokenizer> {
        let bad = |message: String| Error::file(path, message);
        let bytes = read_file(path)?;
        let text = std::str::from_utf8(&bytes).map_err(|e| bad(format!("is not UTF-8: {e}")))?;
        let (mut vocabulary, mut seen) = (Vec::new(), HashSet::new());
        for (line, number) in text.lines().map(str::trim_end).zip(0u32..) {
            if !seen.insert(line) {
                let piece: String = line.chars().take(60).collect();
                return Err(bad(format!("line {} has the piece `{piece}` again", number + 1)));
            }
            vocabulary.push((line.to_owned(), number));
        }
        let number = |piece: &str| {
            let known = vocabulary.iter().find(|(known, _)| known == piece);
            known.cloned().ok_or_else(|| bad(format!("has no `{piece}`, as BERT's vocabularies have")))
        };
        let (_, cls, sep) = (number("[UNK]")?, number("[CLS]")?, number("[SEP]")?);
        let model = WordPiece::builder().vocab(vocabulary.into_iter().collect::<Vocab>()).build();
        let mut inner = tokenizers::Tokenizer::new(model.map_err(|e| bad(e.to_string()))?);
        inner
            .with_normalizer(Some(BertNormalizer::new(true, true, None, lowercase)))
            .with_pre_tokenizer(Some(BertPreTokenizer))
            .with_post_processor(Some(BertProcessing::new(sep, cls)))
            .with_decoder(Some(WordPieceDecoder::default()));
        add_special(&mut inner, &BERT);
        Tokenizer::new(inner, path, None)
    }

    /// GPT-2's tokenizer over a `vocab.json` (OpenAI's `encoder.json`), which has the number of each piece, and a
    /// `merges.txt` (`vocab.bpe`), which has the pairs of pieces that become one, the first first: bytes, of words with
    /// the space before them. Nothing stands before or behind a text; padding is `<|endoftext|>`, where it is known.
    ///
    /// # Errors
    /// A file that cannot be read; a pair of pieces, or what it becomes, without a number.
    pub fn byte_level_bpe(vocabulary: impl AsRef<Path>, merges: impl AsRef<Path>) -> Result<Tokenizer> {
        let (path, merges_path) = (vocabulary.as_ref(), merges.as_ref());
        let numbers: HashMap<String, u32> = serde_json::from_slice(&read_file(path)?)
            .map_err(|e| Error::file(path, format!("is no vocabulary of pieces and numbers: {e}")))?;
        let bytes = read_file(merges_path)?;
        let bad = |message: String| Error::file(merges_path, message);
        let text = std::str::from_utf8(&bytes).map_err(|e| bad(format!("is not UTF-8: {e}")))?;
        let mut merges = Vec::new();
        for (i, line) in text.lines().enumerate() {
            match line.split(' ').collect::<Vec<_>>()[..] {
                _ if line.starts_with("#version") || line.is_empty() => {}
                [a, b] => merges.push((a.to_owned(), b.to_owned())),
                _ => return Err(bad(format!("line {}: expected two pieces with a space between", i + 1))),
            }
        }
        let model = guard(merges_path, "merges", || {
            let vocabulary: Vocab = numbers.into_iter().collect();
            BPE::builder().vocab_and_merges(vocabulary, merges).build().map_err(|e| bad(e.to_string()))
        })?;
        let mut inner = tokenizers::Tokenizer::new(model);
        let bytes = || Some(ByteLevel::new(false, true, true));
        inner.with_pre_tokenizer(bytes()).with_decoder(bytes());
        add_special(&mut inner, &[END_OF_TEXT]);
        Tokenizer::new(inner, path, None)
    }

    fn new(mut inner: tokenizers::Tokenizer, path: &Path, pad: Option<u32>) -> Result<Tokenizer> {
        let bad = |message: String| Error::file(path, message);
        let known = || PADDING.iter().find_map(|token| inner.token_to_id(token));
        let pad = i32::try_from(pad.or_else(known).unwrap_or(0)).map_err(|_| bad("pads with no int32".into()))?;
        inner.with_padding(None).with_truncation(None).map_err(|e| bad(e.to_string()))?;
        Ok(Tokenizer { inner, path: path.into(), least: 0, pad, pad_left: false })
    }

    /// How many numbers each text becomes, those that stand before and behind it included: longer ones are cut off,
    /// shorter ones are padded. Default: what the file says, or as many as the longest of a call has.
    ///
    /// # Errors
    /// A length that leaves no place for the text.
    pub fn sequence_length(mut self, length: usize) -> Result<Tokenizer> {
        if length > LONGEST {
            return Err(Error::Config(format!("argument `sequence_length`: expected at most {LONGEST}, got {length}")));
        }
        let direction = self.inner.get_truncation().map(|truncation| truncation.direction).unwrap_or_default();
        self.truncate(TruncationParams { direction, max_length: length, ..TruncationParams::default() })?;
        self.least = length;
        Ok(self)
    }

    fn truncate(&mut self, truncation: TruncationParams) -> Result<()> {
        let around = self.inner.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
        let length = truncation.max_length;
        if length <= around {
            let message = format!("expected more than {around}, which stand around a text, got {length}");
            return Err(Error::Config(format!("argument `sequence_length`: {message}")));
        }
        self.inner.with_truncation(Some(truncation)).map(drop).map_err(|e| Error::file(&self.path, e.to_string()))
    }

    /// How many pieces there are.
    pub fn vocabulary_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The number of a piece.
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The numbers of texts, `(batch,)`.
    ///
    /// # Errors
    /// Strings of more than one axis; a text that the file's rules cannot take apart; a number beyond int32.
    pub fn encode<'a>(&self, texts: impl Into<Strings<'a>>) -> Result<Encoding> {
        let texts = texts.into();
        if texts.shape().rank() != 1 {
            return Err(Error::Input(format!("expected texts of (batch,), got shape {}", texts.shape())));
        }
        let encode = |text: &std::borrow::Cow<'_, str>| {
            let encoded = guard(&self.path, "tokenizer", || {
                let failed = |e: tokenizers::Error| Error::file(&self.path, format!("cannot encode a text: {e}"));
                self.inner.encode_fast(&**text, true).map_err(failed)
            })?;
            let ids = encoded.get_ids().iter().map(|&id| i32::try_from(id)).collect::<Result<Vec<_>, _>>();
            ids.map_err(|_| Error::file(&self.path, "has numbers beyond int32"))
        };
        let all: Vec<Result<Vec<i32>>> = texts.values().par_iter().map(encode).collect();
        // Of several errors the same one is told each time.
        let rows = all.into_iter().collect::<Result<Vec<_>>>()?;
        let length = rows.iter().map(Vec::len).max().unwrap_or(0).max(self.least);
        let shape = [rows.len(), length];
        let mut token_ids = Tensor::full(&Device::Cpu, shape, DType::I32, f64::from(self.pad))?;
        let mut attention_mask = Tensor::zeros(&Device::Cpu, shape, DType::I32)?;
        for (i, row) in rows.iter().enumerate() {
            let start = i * length + if self.pad_left { length - row.len() } else { 0 };
            token_ids.data_mut::<i32>()?[start..start + row.len()].copy_from_slice(row);
            attention_mask.data_mut::<i32>()?[start..start + row.len()].fill(1);
        }
        Ok(Encoding { token_ids, attention_mask })
    }

    /// The texts of these numbers, `(batch, length)` or `(length,)`, without those that stand for no piece of a word.
    ///
    /// # Errors
    /// A tensor of no whole numbers, of other axes, or with a negative number.
    pub fn decode(&self, token_ids: &Tensor) -> Result<Vec<String>> {
        let shape = token_ids.shape();
        if !(1..=2).contains(&shape.rank()) {
            return Err(Error::Input(format!("expected numbers of (batch, length) to decode, got shape {shape}")));
        }
        let bad = |id: i64| Error::Input(format!("expected numbers of pieces to decode, got {id}"));
        let ids = integers(token_ids, "decode")?.into_iter().map(|id| u32::try_from(id).map_err(|_| bad(id)));
        let ids = ids.collect::<Result<Vec<_>>>()?;
        let rows = if shape.rank() == 1 { 1 } else { shape[0] };
        let decode = |row: usize| {
            let length = shape.last();
            guard(&self.path, "tokenizer", || {
                let failed = |e: tokenizers::Error| Error::file(&self.path, format!("cannot decode: {e}"));
                self.inner.decode(&ids[row * length..(row + 1) * length], true).map_err(failed)
            })
        };
        (0..rows).map(decode).collect()
    }
}

/// Makes those of the tokens that are known what stands for no piece of a word.
fn add_special(inner: &mut tokenizers::Tokenizer, tokens: &[&str]) {
    let known = tokens.iter().filter(|token| inner.token_to_id(token).is_some());
    let known: Vec<_> = known.map(|token| AddedToken::from(*token, true)).collect();
    inner.add_special_tokens(&known);
}
