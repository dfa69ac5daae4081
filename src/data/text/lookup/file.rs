//! A lookup's arguments, and its vocabulary in files.

use super::{Key, Lookup, NAMED};
use crate::config::{Config, find, find_size, flag, list, object, refuse, word, wrong};
use crate::data::text::file::State;
use crate::data::text::output::Output;
use crate::data::text::salt::Salt;
use crate::error::{Error, Result};
use serde_json::{Value, json};

impl<K: Key> Lookup<K> {
    /// The arguments under Keras's names, as they were given.
    pub fn config(&self) -> Config {
        let given = self.given.as_ref();
        let terms = given.map(|given| given.terms.iter().map(K::to_json).collect::<Vec<_>>());
        let mut config = object(json!({
            "invert": self.invert,
            "max_tokens": self.max_tokens,
            "num_oov_indices": self.num_oov_indices,
            "oov_token": self.oov_token.to_json(),
            "mask_token": self.mask_token.as_ref().map(K::to_json),
            "output_mode": self.output.name(),
            "sparse": false,
            "pad_to_max_tokens": self.pad_to_max_tokens,
            "vocabulary_dtype": "int64",
            "idf_weights": given.and_then(|given| given.weights.clone()),
            "vocabulary": terms,
            "vocabulary_size": self.terms.as_ref().map(|_| self.size()),
            "oov_method": if self.farmhash { "farmhash" } else { "floormod" },
            "salt": self.salt.map(Salt::to_json),
            "encoding": "utf-8",
        }));
        config.remove(if K::NUMBERS { "encoding" } else { "vocabulary_dtype" });
        config
    }

    /// The lookup that a Keras config describes, where the class has these tokens unless told otherwise.
    pub fn from_config(config: &Config, mask_token: Option<K>, oov_token: K, lacking: &[Output]) -> Result<Lookup<K>> {
        refuse(config, &["sparse", "ragged"])?;
        let expected = if K::NUMBERS { "a whole number" } else { "a string" };
        let token = |name: &str| {
            let value = find(config, name);
            value.map(|v| K::from_json(v).ok_or_else(|| wrong(name, expected, v))).transpose()
        };
        if config.get("oov_token").is_some_and(Value::is_null) {
            return Err(wrong("oov_token", expected, &Value::Null));
        }
        let only = |name: &str, value: &str| match word(config, name, value)? {
            word if word.eq_ignore_ascii_case(value) => Ok(()),
            word => Err(wrong(name, value, &word.into())),
        };
        only("encoding", "utf-8")?;
        only("vocabulary_dtype", if K::NUMBERS { "int64" } else { "string" })?;
        let farmhash = match &*word(config, "oov_method", "floormod")? {
            "floormod" => false,
            "farmhash" => true,
            other => return Err(wrong("oov_method", "floormod or farmhash", &other.into())),
        };
        let mut lookup = Lookup {
            max_tokens: find_size(config, "max_tokens")?,
            num_oov_indices: find_size(config, "num_oov_indices")?.unwrap_or(1),
            invert: flag(config, "invert", false)?,
            output: Output::from_name(&word(config, "output_mode", "int")?, lacking)?,
            pad_to_max_tokens: flag(config, "pad_to_max_tokens", false)?,
            farmhash,
            salt: Salt::read(config)?,
            ..Lookup::new(token("mask_token")?.or(mask_token), token("oov_token")?.unwrap_or(oov_token))
        };
        lookup.check()?;
        if let Some(value) = find(config, "vocabulary") {
            let terms = list(value).and_then(|list| list.iter().map(K::from_json).collect::<Option<Vec<_>>>());
            let terms = terms.ok_or_else(|| wrong("vocabulary", &format!("a list of {expected}s"), value))?;
            let weights = find(config, "idf_weights").map(|value| {
                let list = list(value).and_then(|list| list.iter().map(Value::as_f64).collect::<Option<Vec<_>>>());
                list.ok_or_else(|| wrong("idf_weights", "a list of numbers", value))
            });
            lookup.give(terms, weights.transpose()?)?;
        }
        Ok(lookup)
    }

    /// What a file has of it, beside the arguments of what it is in.
    ///
    /// A vocabulary that was learnt is lines of an entry, as Keras writes it. Where Keras could not read these again (a
    /// term with a line break, an empty last one, weights that are padded) it is an argument.
    pub fn save(&self, mut config: Config) -> Result<State> {
        self.check()?;
        let all = self.vocabulary();
        let lines: Vec<String> = all.iter().map(K::to_string).collect();
        let text = lines.join("\n");
        let mut weights = self.idf().map(<[f32]>::to_vec);
        let mut vocabulary = None;
        if self.terms.is_some() && self.given.is_none() {
            let whole =
                split_lines(&text).eq(lines.iter().map(String::as_str)) && lines.last().is_some_and(|l| !l.is_empty());
            if whole && !(self.pad_to_max_tokens && weights.is_some()) {
                vocabulary = Some(text);
            } else {
                let idf = weights.as_ref().map(|w| w.iter().map(|&w| f64::from(w)).collect::<Vec<_>>());
                config.insert("vocabulary".into(), all.iter().map(K::to_json).collect());
                config.insert("idf_weights".into(), idf.into());
            }
        }
        if let Some(weights) = weights.as_mut().filter(|_| self.pad_to_max_tokens) {
            weights.resize(self.depth(), 0.0);
        }
        Ok(State { vocabulary, weights, numbers: K::NUMBERS != self.invert, ..State::new(config) })
    }

    /// Takes what a file has beside the arguments.
    pub fn restore(&mut self, State { config, vocabulary, weights, .. }: State) -> Result<()> {
        let weights = weights.filter(|_| self.output == Output::TfIdf);
        let (vocabulary, size) = (vocabulary.as_deref(), find_size(&config, "vocabulary_size")?);
        if self.given.is_none() {
            let Some(text) = vocabulary else { return Ok(()) };
            let mut lines: Vec<&str> = split_lines(text).collect();
            if text.ends_with('\n') {
                lines.push("");
            }
            // Keras takes away empty lines at the end, even one that is a term, as the size shows.
            while Some(lines.len()) != size && lines.last().is_some_and(|line| line.is_empty()) {
                lines.pop();
            }
            let terms = parse_lines(lines.into_iter())?;
            // Padded ones count for no term.
            let wide = weights.as_ref().map(|w| w.iter().take(terms.len()).map(|&w| f64::from(w)).collect::<Vec<_>>());
            self.set(terms, wide.as_deref())?;
        }
        let Some(mut weights) = weights else { return Ok(()) };
        let (got, expected) = (weights.len(), self.depth());
        if got != expected {
            return Err(Error::Config(format!("expected {expected} `idf_weights`, got {got}")));
        }
        weights.truncate(self.size());
        self.weights = Some(weights);
        Ok(())
    }
}

pub(super) fn parse_lines<'t, K: Key>(lines: impl Iterator<Item = &'t str>) -> Result<Vec<K>> {
    let parse = |(i, line): (usize, &str)| {
        let clipped: String = line.chars().take(NAMED * 8).collect();
        let bad = || Error::Config(format!("line {} of the vocabulary is no whole number: `{clipped}`", i + 1));
        K::parse(line).ok_or_else(bad)
    };
    lines.enumerate().map(parse).collect()
}

/// The lines of a text where Python's `splitlines` ends them, with which Keras reads vocabularies.
fn split_lines(text: &str) -> impl Iterator<Item = &str> {
    let ends =
        |c: char| matches!(c, '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let mut rest = Some(text).filter(|text| !text.is_empty());
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(at) = text.find(ends) else { return rest.take() };
        let end = if text[at..].starts_with("\r\n") { 2 } else { text[at..].chars().next().map_or(1, char::len_utf8) };
        rest = Some(&text[at + end..]).filter(|rest| !rest.is_empty());
        Some(&text[..at])
    })
}
