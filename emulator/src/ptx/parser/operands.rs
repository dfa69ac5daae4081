//! Operands, numbers and literals.

use super::{DEEPEST, Parser};
use crate::ptx::lexer::Kind;
use crate::ptx::{Error, Operand};

impl Parser<'_> {
    pub(super) fn unsigned(&mut self, what: &str) -> Result<u32, Error> {
        match self.number()? {
            Operand::Integer(n) if u32::try_from(n).is_ok() => Ok(n as u32),
            _ => {
                self.at -= 1;
                self.error(what)
            }
        }
    }

    /// A number with its sign.
    pub(super) fn number(&mut self) -> Result<Operand, Error> {
        let negative = self.eat('-');
        let Kind::Number(text) = self.peek() else { return self.error("a number") };
        let Some(number) = literal(text, negative) else { return self.error("a number that PTX knows") };
        self.at += 1;
        Ok(number)
    }

    pub(super) fn operand(&mut self, depth: usize) -> Result<Operand, Error> {
        if depth > DEEPEST {
            return self.error("operands that nest less deeply");
        }
        match self.peek() {
            Kind::Number(_) | Kind::Mark('-') => self.number(),
            Kind::Mark('!') => {
                self.at += 1;
                Ok(Operand::Not(self.name()?))
            }
            Kind::Mark(open @ ('{' | '(')) => {
                self.at += 1;
                let close = if open == '{' { '}' } else { ')' };
                let mut list = Vec::new();
                while !self.eat(close) {
                    list.push(self.operand(depth + 1)?);
                    if self.peek() != Kind::Mark(close) {
                        self.expect(',')?;
                    }
                }
                Ok(Operand::List(list))
            }
            Kind::Mark('[') => {
                self.at += 1;
                let name = if let Kind::Word(_) = self.peek() { Some(self.name()?) } else { None };
                let offset = if name.is_none() { self.integer()? } else { self.offset()? };
                self.expect(']')?;
                Ok(Operand::Address(name, offset))
            }
            Kind::Word(_) => {
                let name = self.name()?;
                if self.eat('|') {
                    return Ok(Operand::Pair(name, self.name()?));
                }
                match self.offset()? {
                    0 => Ok(Operand::Name(name)),
                    offset => Ok(Operand::Offset(name, offset)),
                }
            }
            _ => self.error("an operand"),
        }
    }

    /// `+8`, `+-8`, `-8`, or nothing.
    fn offset(&mut self) -> Result<i64, Error> {
        if self.eat('+') || self.peek() == Kind::Mark('-') { self.integer() } else { Ok(0) }
    }

    fn integer(&mut self) -> Result<i64, Error> {
        match self.number()? {
            Operand::Integer(n) => Ok(n),
            _ => {
                self.at -= 1;
                self.error("an integer")
            }
        }
    }
}

/// The value of a literal, or `None` where it is none.
fn literal(text: &str, negative: bool) -> Option<Operand> {
    let hex = |digits: &str| u64::from_str_radix(digits, 16).ok();
    let integer = |bits: u64| Some(Operand::Integer(if negative { (bits as i64).wrapping_neg() } else { bits as i64 }));
    let lower = text.to_ascii_lowercase();
    if let Some(digits) = lower.strip_prefix("0f").filter(|d| d.len() == 8) {
        let bits = u32::from_str_radix(digits, 16).ok()?;
        return Some(Operand::Bits32(bits ^ (u32::from(negative) << 31)));
    }
    if let Some(digits) = lower.strip_prefix("0d").filter(|d| d.len() == 16) {
        return Some(Operand::Bits64(hex(digits)? ^ (u64::from(negative) << 63)));
    }
    if lower.contains('.') {
        let x: f64 = lower.parse().ok()?;
        return Some(Operand::Float(if negative { -x } else { x }));
    }
    let digits = lower.trim_end_matches('u');
    if let Some(digits) = digits.strip_prefix("0x") {
        return integer(hex(digits)?);
    }
    if let Some(digits) = digits.strip_prefix("0b") {
        return integer(u64::from_str_radix(digits, 2).ok()?);
    }
    if digits.len() > 1 && digits.starts_with('0') {
        return integer(u64::from_str_radix(digits, 8).ok()?);
    }
    integer(digits.parse().ok()?)
}
