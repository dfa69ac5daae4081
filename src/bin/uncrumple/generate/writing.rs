//! A text while it is written.

use super::vocabulary::Vocabulary;
use uncrumple::Result;

/// The text of tokens that come one by one, up to the words that end it.
pub struct Writing<'a> {
    vocabulary: &'a Vocabulary,
    stop: Option<&'a str>,
    tokens: Vec<i32>,
    /// The tokens from the first of these on tell how the next ones are written; the text of those before the second is
    /// known.
    known: [usize; 2],
    /// What may yet turn out to be the words that end it.
    held: String,
    ended: bool,
}

impl<'a> Writing<'a> {
    /// A text that goes on from these tokens, which are not part of it.
    pub fn behind(prompt: &[i32], vocabulary: &'a Vocabulary, stop: Option<&'a str>) -> Writing<'a> {
        let known = [0, prompt.len()];
        Writing { vocabulary, stop, tokens: prompt.to_vec(), known, held: String::new(), ended: false }
    }

    /// Whether the words that end it were there.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Takes a token; gives the text that is certain now and was not before.
    pub fn push(&mut self, token: i32) -> Result<String> {
        if self.ended {
            return Ok(String::new());
        }
        self.tokens.push(token);
        self.read(false)?;
        Ok(self.certain())
    }

    /// What was held back, where no token comes any more.
    pub fn rest(&mut self) -> Result<String> {
        if self.ended {
            return Ok(String::new());
        }
        self.read(true)?;
        let certain = self.certain();
        Ok(certain + &std::mem::take(&mut self.held))
    }

    /// Reads the tokens that are not read yet, unless there may be more of a character's bytes.
    fn read(&mut self, last: bool) -> Result<()> {
        let [from, to] = self.known;
        // A piece may be written otherwise behind another one.
        let before = self.vocabulary.text(&self.tokens[from..to])?;
        let all = self.vocabulary.text(&self.tokens[from..])?;
        let new = all.get(before.len()..).unwrap_or_default();
        let partial = new.ends_with(char::REPLACEMENT_CHARACTER) && self.tokens.len() - to < 4;
        if !new.is_empty() && (last || !partial) {
            self.held.push_str(new);
            self.known = [to, self.tokens.len()];
        }
        Ok(())
    }

    fn certain(&mut self) -> String {
        let Some(stop) = self.stop else { return std::mem::take(&mut self.held) };
        if let Some(at) = self.held.find(stop) {
            self.ended = true;
            self.held.truncate(at);
            return std::mem::take(&mut self.held);
        }
        let begins = |at: &usize| self.held.get(*at..).is_some_and(|tail| stop.starts_with(tail));
        let from = self.held.len().saturating_sub(stop.len());
        let at = (from..self.held.len()).find(begins).unwrap_or(self.held.len());
        let tail = self.held.split_off(at);
        std::mem::replace(&mut self.held, tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uncrumple::programs::language::Characters;

    /// What comes with each character, what is left, and whether it has ended.
    fn written(text: &str, stop: Option<&str>) -> Result<(Vec<String>, String, bool)> {
        let characters = Characters::of_text("abcdn\n");
        let tokens = characters.numbers(text);
        let vocabulary = Vocabulary::Characters(characters);
        let mut writing = Writing::behind(&[1, 2, 3], &vocabulary, stop);
        let parts = tokens.iter().map(|&token| writing.push(token)).collect::<Result<Vec<_>>>()?;
        let rest = writing.rest()?;
        Ok((parts, rest, writing.has_ended()))
    }

    #[test]
    fn what_may_be_the_end_is_held_back() -> Result<()> {
        let (parts, rest, ended) = written("abc", None)?;
        assert_eq!((parts, rest.as_str(), ended), (vec!["a".into(), "b".into(), "c".into()], "", false));
        let (parts, rest, ended) = written("banana\n\nd", Some("\n\n"))?;
        assert_eq!((parts.concat().as_str(), rest.as_str(), ended), ("banana", "", true));
        assert_eq!(parts[5..], ["a", "", "", ""]);
        // What began like the end and is not comes when that is certain.
        let (parts, rest, ended) = written("banaac", Some("ac"))?;
        assert_eq!((parts, rest.as_str(), ended), (["b", "", "an", "", "a", ""].map(String::from).into(), "", true));
        let (parts, rest, ended) = written("bana", Some("ac"))?;
        assert_eq!((parts.concat().as_str(), rest.as_str(), ended), ("ban", "a", false));
        Ok(())
    }

    #[test]
    fn an_unknown_character_holds_up_a_few_tokens_at_most() -> Result<()> {
        let (parts, _, _) = written("aéééébc", None)?;
        assert_eq!(parts.concat(), "a\u{fffd}\u{fffd}\u{fffd}\u{fffd}bc");
        let (parts, rest, _) = written("aé", None)?;
        assert_eq!((parts.concat().as_str(), rest.as_str()), ("a", "\u{fffd}"));
        Ok(())
    }
}
