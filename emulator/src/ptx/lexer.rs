//! Text to tokens.

use super::Error;

/// A token and its line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Token<'a> {
    pub kind: Kind<'a>,
    pub line: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind<'a> {
    /// An identifier, an opcode with its modifiers, or a directive with its dot.
    Word(&'a str),
    /// What starts with a digit.
    Number(&'a str),
    /// A string, without its quotes.
    Text(&'a str),
    /// Any other character.
    Mark(char),
    /// The end of the text.
    End,
}

fn is_word(c: u8) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, b'_' | b'$' | b'%' | b'.')
}

/// The tokens of `text`, without comments and preprocessor lines, ending with [`Kind::End`].
pub fn tokens(text: &str) -> Result<Vec<Token<'_>>, Error> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(&c) = bytes.get(at) {
        let start = at;
        let kind = match c {
            b'\n' => {
                line += 1;
                at += 1;
                continue;
            }
            c if c.is_ascii_whitespace() || c == 0 => {
                at += 1;
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at += bytes[at..].iter().take_while(|&&c| c != b'\n').count();
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                let Some(end) = text[at + 2..].find("*/") else {
                    return Err(Error::new(line, "a comment that never ends"));
                };
                line += text[at..at + 2 + end].matches('\n').count() as u32;
                at += end + 4;
                continue;
            }
            b'"' => {
                let Some(end) = text[at + 1..].find(['"', '\n']).filter(|&end| bytes[at + 1 + end] == b'"') else {
                    return Err(Error::new(line, "a string that never ends"));
                };
                at += end + 2;
                Kind::Text(&text[start + 1..at - 1])
            }
            c if c.is_ascii_digit() => {
                at += bytes[at..].iter().take_while(|&&c| c.is_ascii_alphanumeric() || c == b'.').count();
                // The exponent of a decimal fraction may have a sign.
                if matches!(bytes[at - 1], b'e' | b'E')
                    && text[start..at].contains('.')
                    && matches!(bytes.get(at), Some(b'-' | b'+'))
                {
                    at += 1;
                    at += bytes[at..].iter().take_while(|c| c.is_ascii_digit()).count();
                }
                Kind::Number(&text[start..at])
            }
            c if is_word(c) => {
                loop {
                    at += bytes[at..].iter().take_while(|&&c| is_word(c)).count();
                    // `shared::cta` is one word, `label:` is not.
                    if bytes[at..].starts_with(b"::") && bytes.get(at + 2).is_some_and(|&c| is_word(c)) {
                        at += 2;
                    } else {
                        break;
                    }
                }
                // NVIDIA's headers write `.reg.b16` without a space.
                if text[start..at].starts_with(".reg.") {
                    at = start + ".reg".len();
                }
                Kind::Word(&text[start..at])
            }
            c if c.is_ascii() => {
                at += 1;
                Kind::Mark(c as char)
            }
            _ => return Err(Error::new(line, "a character that is not ASCII")),
        };
        tokens.push(Token { kind, line });
    }
    tokens.push(Token { kind: Kind::End, line });
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_numbers_and_marks() {
        let kinds: Vec<Kind> =
            tokens("@!%p1 cp.async.ca.shared::cta.global [%r1+4], 0f3F800000; // x\n$L1: /* \n */ -1.5e-3 \"a b\"")
                .unwrap()
                .iter()
                .map(|t| t.kind)
                .collect();
        use Kind::*;
        assert_eq!(
            kinds,
            [
                Mark('@'),
                Mark('!'),
                Word("%p1"),
                Word("cp.async.ca.shared::cta.global"),
                Mark('['),
                Word("%r1"),
                Mark('+'),
                Number("4"),
                Mark(']'),
                Mark(','),
                Number("0f3F800000"),
                Mark(';'),
                Word("$L1"),
                Mark(':'),
                Mark('-'),
                Number("1.5e-3"),
                Text("a b"),
                End
            ]
        );
    }

    #[test]
    fn lines_are_counted() {
        let tokens = tokens("a\n/*\n\n*/ b\n\"").unwrap_err();
        assert_eq!(tokens.line, 5);
    }
}
