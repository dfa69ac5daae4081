//! What is read, or what is written: texts as numbers and back.

use crate::data::{SplitOn, Standardize, TextVectorization};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use serde_json::{Value, json};

/// What stands before a sequence that is written, and behind it.
const FRAME: [&str; 2] = ["[START]", "[END]"];
/// What the vocabulary has for no token and for an unknown one, which nobody writes.
const UNKNOWN: usize = 2;
/// Tokens that a text has at most: a file may say how many.
const LONGEST: usize = 1 << 16;

/// What texts are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// Each letter: all characters but white space.
    Letters,
    /// What stands between spaces.
    Symbols,
    /// Words and marks of punctuation. The first word of a text becomes small where only its first letter is a capital,
    /// and is written with a capital again.
    Words,
    /// The same, all in small letters.
    SmallWords,
}

/// One side of pairs of sequences: what its texts are made of, how many tokens they have at most, and which tokens are
/// known.
#[derive(Clone, Debug)]
pub struct Side {
    script: Script,
    length: usize,
    vectorize: TextVectorization,
    terms: Vec<String>,
    /// The numbers of what stands before a sequence and behind it; 0 of one that is only read.
    frame: [i32; 2],
}

impl Script {
    const ALL: [(Script, &str); 4] = [
        (Script::Letters, "letters"),
        (Script::Symbols, "symbols"),
        (Script::Words, "words"),
        (Script::SmallWords, "small_words"),
    ];

    fn name(self) -> &'static str {
        Script::ALL.into_iter().find(|(script, _)| *script == self).map_or("", |(_, name)| name)
    }

    /// The tokens of a text.
    pub fn tokens(self, text: &str) -> Vec<String> {
        match self {
            Script::Letters => text.chars().filter(|c| !c.is_whitespace()).map(String::from).collect(),
            Script::Symbols => text.split_whitespace().map(String::from).collect(),
            Script::Words => {
                let mut words = words(text);
                if let Some(first) = words.iter_mut().find(|word| word.starts_with(char::is_alphabetic)) {
                    let small = first.to_lowercase();
                    // What has other capitals is an abbreviation or a name.
                    if first.chars().skip(1).eq(small.chars().skip(1)) {
                        *first = small;
                    }
                }
                words
            }
            Script::SmallWords => words(&text.to_lowercase()),
        }
    }

    /// The text of these tokens.
    pub fn text(self, tokens: &[&str]) -> String {
        match self {
            Script::Letters => tokens.concat(),
            Script::Symbols => tokens.join(" "),
            Script::Words | Script::SmallWords => sentence(tokens),
        }
    }
}

/// Runs of letters and digits, with the signs within them that are no ends of words, and other signs one by one.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut inside = false;
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        let word = c.is_alphanumeric()
            || inside && "'-.".contains(c) && letters.peek().is_some_and(|next| next.is_alphanumeric());
        match words.last_mut() {
            Some(last) if word && inside => last.push(c),
            _ if c.is_whitespace() => {}
            _ => words.push(c.into()),
        }
        inside = word;
    }
    words
}

/// Words and marks as one writes them, with a capital at the beginning.
fn sentence(tokens: &[&str]) -> String {
    let mut text = String::new();
    let mut joined = true;
    for token in tokens {
        let closing = matches!(*token, "." | "," | ";" | ":" | "!" | "?" | "…" | ")" | "]" | "»" | "”" | "’" | "%");
        if !joined && !closing {
            text.push(' ');
        }
        text.push_str(token);
        joined = matches!(*token, "(" | "[" | "«" | "“" | "‘" | "¿" | "¡");
    }
    match text.char_indices().find(|(_, c)| c.is_alphanumeric()) {
        Some((at, c)) => format!("{}{}{}", &text[..at], c.to_uppercase(), &text[at + c.len_utf8()..]),
        None => text,
    }
}

impl Side {
    /// Texts of at most `length` tokens, without a vocabulary yet.
    pub fn new(script: Script, length: usize) -> Side {
        let vectorize = TextVectorization::new().standardize(Standardize::None).split(SplitOn::Whitespace);
        Side { script, length, vectorize, terms: Vec::new(), frame: [0; 2] }
    }

    /// So many of the most frequent tokens are known at most, those for nothing, for unknown ones and for the begin and
    /// the end included; by default all are.
    pub fn max_tokens(mut self, max_tokens: usize) -> Side {
        self.vectorize = self.vectorize.max_tokens(max_tokens);
        self
    }

    /// Tokens that a text has at most.
    pub fn length(&self) -> usize {
        self.length
    }

    /// How many numbers a token can be.
    pub fn tokens(&self) -> usize {
        self.terms.len()
    }

    /// Whether a text is not too long.
    pub fn holds(&self, text: &str) -> bool {
        self.script.tokens(text).len() <= self.length
    }

    /// The tokens of a text, known or not, however many.
    pub fn tokens_of(&self, text: &str) -> Vec<String> {
        self.script.tokens(text)
    }

    /// Those of them that are read and not known, each once.
    pub fn unknown(&self, text: &str) -> Vec<String> {
        let read = self.tokens_of(text).into_iter().take(self.length);
        let mut unknown: Vec<String> = Vec::new();
        for token in read.filter(|token| !self.terms.contains(token)) {
            if !unknown.contains(&token) {
                unknown.push(token);
            }
        }
        unknown
    }

    /// Whether some of them are read and known.
    pub fn knows(&self, text: &str) -> bool {
        self.tokens_of(text).iter().take(self.length).any(|token| self.terms.contains(token))
    }

    /// The tokens that are known, the most frequent first.
    pub fn vocabulary(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().skip(UNKNOWN).map(String::as_str).filter(|term| !FRAME.contains(term))
    }

    /// Learns the vocabulary; of a side that is written it has what stands before a sequence and behind it.
    pub(in crate::programs) fn adapt(mut self, texts: &[&str], written: bool) -> Result<Side> {
        let spaced: Vec<String> = texts.iter().map(|text| self.spaced(text, written)).collect();
        self.vectorize.adapt(&spaced)?;
        self.known(written)
    }

    /// Fills in what follows from the vocabulary.
    fn known(mut self, written: bool) -> Result<Side> {
        self.terms = self.vectorize.get_vocabulary();
        if written {
            let place = |term: &str| self.terms.iter().position(|known| known == term);
            let [Some(begin), Some(end)] = FRAME.map(place) else {
                let message = format!("the vocabulary has no {} or no {}", FRAME[0], FRAME[1]);
                return Err(Error::Data(message));
            };
            self.frame = [begin as i32, end as i32];
        }
        let steps = self.length + if written { FRAME.len() } else { 0 };
        self.vectorize = self.vectorize.output_sequence_length(steps);
        Ok(self)
    }

    /// The tokens of a text between spaces, as many as there is place for.
    fn spaced(&self, text: &str, framed: bool) -> String {
        let mut tokens = self.script.tokens(text);
        tokens.truncate(self.length);
        let tokens = tokens.join(" ");
        if framed { format!("{} {tokens} {}", FRAME[0], FRAME[1]) } else { tokens }
    }

    fn encode(&self, texts: &[&str], framed: bool) -> Result<Tensor> {
        let spaced: Vec<String> = texts.iter().map(|text| self.spaced(text, framed)).collect();
        self.vectorize.call(&spaced)
    }

    /// The numbers of texts that are read, `(texts, length)`.
    pub(in crate::programs) fn numbers(&self, texts: &[&str]) -> Result<Tensor> {
        self.encode(texts, false)
    }

    /// What the decoder is given of texts that it shall write, and what it should say behind each, `(texts, length + 1)`.
    pub(in crate::programs) fn forced(&self, texts: &[&str]) -> Result<(Tensor, Tensor)> {
        let whole = self.encode(texts, true)?;
        let steps = self.length + 1;
        let (given, wanted) = (whole.slice(1, 0..steps)?, whole.slice(1, 1..steps + 1)?);
        // The end is wanted, never given: where nothing is wanted, nothing is given, so that the mask covers it.
        let kept: Vec<i32> = given
            .to_vec::<i32>()?
            .into_iter()
            .zip(wanted.to_vec::<i32>()?)
            .map(|(given, wanted)| if wanted == 0 { 0 } else { given })
            .collect();
        Ok((Tensor::from_slice(&kept, given.shape())?, wanted))
    }

    /// The number of what stands before a sequence.
    pub(in crate::programs) fn begin(&self) -> i32 {
        self.frame[0]
    }

    /// The number of what stands behind a sequence.
    pub(in crate::programs) fn end(&self) -> i32 {
        self.frame[1]
    }

    /// The text of what was written, without what stands around it and without unknown tokens.
    pub(in crate::programs) fn text(&self, numbers: &[i32]) -> String {
        let token = |&number: &i32| {
            let place = usize::try_from(number).ok().filter(|&place| place >= UNKNOWN && !self.frame.contains(&number));
            place.and_then(|place| self.terms.get(place)).map(String::as_str)
        };
        self.script.text(&numbers.iter().filter_map(token).collect::<Vec<_>>())
    }

    pub(in crate::programs) fn to_json(&self) -> Value {
        json!({ "script": self.script.name(), "length": self.length, "vocabulary": self.terms })
    }

    pub(in crate::programs) fn from_json(value: &Value, written: bool) -> Result<Side> {
        let bad = |name: &str| Error::Data(format!("`{name}` is not what it should be"));
        let script = Script::ALL.into_iter().find(|(_, name)| value["script"] == *name).ok_or_else(|| bad("script"))?.0;
        let length = value["length"].as_u64().and_then(|n| usize::try_from(n).ok());
        let length = length.filter(|n| (1..=LONGEST).contains(n)).ok_or_else(|| bad("length"))?;
        let terms = value["vocabulary"].as_array().ok_or_else(|| bad("vocabulary"))?;
        let terms: Option<Vec<&str>> = terms.iter().map(Value::as_str).collect();
        let side = Side::new(script, length);
        let vectorize = side.vectorize.vocabulary(terms.ok_or_else(|| bad("vocabulary"))?)?;
        Side { vectorize, ..Side::new(script, length) }.known(written)
    }
}
