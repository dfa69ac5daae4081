//! What texts are made of.

/// What a text is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// What stands between spaces.
    Words,
    /// Each letter; where the text begins and ends counts as one.
    Letters,
}

impl Tokens {
    const ALL: [(Tokens, &str); 2] = [(Tokens::Words, "words"), (Tokens::Letters, "letters")];

    /// Its name in files.
    pub(super) fn name(self) -> &'static str {
        Tokens::ALL.into_iter().find(|(tokens, _)| *tokens == self).map_or("", |(_, name)| name)
    }

    pub(super) fn from_name(name: &str) -> Option<Tokens> {
        Tokens::ALL.into_iter().find(|(_, n)| *n == name).map(|(tokens, _)| tokens)
    }

    /// Calls `each` with every token of a text, up to `ngrams` in a row.
    pub(super) fn each(self, text: &str, ngrams: usize, mut each: impl FnMut(&str)) {
        let plain = |c: char| c.is_alphanumeric() || c.is_whitespace();
        let text: String = text.to_lowercase().chars().filter(|&c| plain(c)).collect();
        let (parts, between): (Vec<String>, &str) = match self {
            Tokens::Words => (text.split_whitespace().map(String::from).collect(), " "),
            Tokens::Letters => {
                let letters = text.split_whitespace().collect::<Vec<_>>().join(" ");
                (
                    ["^"]
                        .into_iter()
                        .map(String::from)
                        .chain(letters.chars().map(String::from))
                        .chain(["$".into()])
                        .collect(),
                    "",
                )
            }
        };
        for n in 1..=ngrams.min(parts.len()) {
            parts.windows(n).for_each(|run| each(&run.join(between)));
        }
    }
}
