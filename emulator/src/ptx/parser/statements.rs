//! The statements of a function's body.

use super::Parser;
use crate::ptx::lexer::Kind;
use crate::ptx::{Error, Instruction, Space, Statement, Type};

/// How deep the scopes of a function may nest.
const DEEPEST_SCOPE: usize = 64;

impl Parser<'_> {
    pub(super) fn body(&mut self) -> Result<Vec<Statement>, Error> {
        self.expect('{')?;
        let (mut body, mut depth) = (Vec::new(), 0usize);
        loop {
            let line = self.line();
            match self.peek() {
                Kind::Mark('{') if depth == DEEPEST_SCOPE => return self.error("scopes that nest less deeply"),
                Kind::Mark('{') => {
                    self.at += 1;
                    depth += 1;
                    body.push(Statement::Open);
                }
                Kind::Mark('}') => {
                    self.at += 1;
                    if depth == 0 {
                        return Ok(body);
                    }
                    depth -= 1;
                    body.push(Statement::Close);
                }
                Kind::Mark(';') => self.at += 1,
                Kind::Word(".reg") => body.push(self.registers()?),
                Kind::Word(".loc") => {
                    self.at += 1;
                    let (file, at) = (self.unsigned("the file's number")?, self.unsigned("a line")?);
                    self.unsigned("a column")?;
                    body.push(Statement::Location(file, at));
                    if self.eat(',') {
                        self.word("`function_name`")?;
                        self.name()?;
                        if self.eat('+') {
                            self.number()?;
                        }
                        self.expect(',')?;
                        self.word("`inlined_at`")?;
                        for _ in 0..3 {
                            self.number()?;
                        }
                    }
                }
                Kind::Word(".pragma") => self.pragma()?,
                Kind::Word(".branchtargets") => {
                    self.at += 1;
                    let mut targets = vec![self.name()?];
                    while self.eat(',') {
                        targets.push(self.name()?);
                    }
                    self.expect(';')?;
                    body.push(Statement::Targets(targets));
                }
                Kind::Word(word) if word.starts_with('.') && Space::from_name(&word[1..]).is_some() => {
                    let variable = self.variable()?;
                    self.expect(';')?;
                    body.push(Statement::Variable(variable));
                }
                Kind::Word(word) if word.starts_with('.') => return self.error("a directive that this emulator knows"),
                Kind::Word(word) if self.tokens.get(self.at + 1).map(|t| t.kind) == Some(Kind::Mark(':')) => {
                    self.at += 2;
                    body.push(Statement::Label(word.to_owned(), line));
                }
                Kind::Mark('@') | Kind::Word(_) => body.push(Statement::Instruction(self.instruction()?)),
                _ => return self.error("a statement"),
            }
        }
    }

    fn registers(&mut self) -> Result<Statement, Error> {
        self.at += 1;
        let word = self.word("a type")?;
        let Some(ty) = word.strip_prefix('.').and_then(Type::from_name) else {
            self.at -= 1;
            return self.error("a type");
        };
        let mut names = Vec::new();
        loop {
            let name = self.name()?;
            let count = if self.eat('<') {
                let count = self.unsigned("a number of registers")?;
                self.expect('>')?;
                Some(count)
            } else {
                None
            };
            names.push((name, count));
            if !self.eat(',') {
                self.expect(';')?;
                return Ok(Statement::Registers(ty, names));
            }
        }
    }

    fn instruction(&mut self) -> Result<Instruction, Error> {
        let guard = if self.eat('@') {
            let negated = self.eat('!');
            Some((self.name()?, negated))
        } else {
            None
        };
        let line = self.line();
        let opcode = self.name()?;
        let mut operands = Vec::new();
        if !self.eat(';') {
            loop {
                operands.push(self.operand(0)?);
                if !self.eat(',') {
                    self.expect(';')?;
                    break;
                }
            }
        }
        Ok(Instruction { line, guard, opcode, operands })
    }
}
