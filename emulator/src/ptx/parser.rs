//! Tokens to a module: its declarations here, what its functions do in [`statements`] and [`operands`].

mod operands;
mod statements;

use super::lexer::{Kind, Token};
use super::{Error, Function, Init, Module, Operand, Space, Type, Variable};
use std::collections::HashSet;

/// The largest variable that a module may declare: more than any device's constant or shared memory, and small enough that
/// a hostile file costs nothing.
const LARGEST: usize = 1 << 30;
/// How deep lists of operands and values may nest.
const DEEPEST: usize = 16;

pub struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
}

impl<'a> Parser<'a> {
    pub fn new(tokens: Vec<Token<'a>>) -> Parser<'a> {
        Parser { tokens, at: 0 }
    }

    fn peek(&self) -> Kind<'a> {
        self.tokens[self.at.min(self.tokens.len() - 1)].kind
    }

    fn line(&self) -> u32 {
        self.tokens[self.at.min(self.tokens.len() - 1)].line
    }

    fn next(&mut self) -> Kind<'a> {
        let kind = self.peek();
        self.at += 1;
        kind
    }

    fn error<T>(&self, expected: &str) -> Result<T, Error> {
        let found = match self.peek() {
            Kind::Word(w) | Kind::Number(w) => format!("`{w}`"),
            Kind::Text(t) => format!("\"{t}\""),
            Kind::Mark(c) => format!("`{c}`"),
            Kind::End => "the end of the text".to_owned(),
        };
        Err(Error::new(self.line(), format!("expected {expected}, found {found}")))
    }

    fn eat(&mut self, mark: char) -> bool {
        let found = self.peek() == Kind::Mark(mark);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, mark: char) -> Result<(), Error> {
        if self.eat(mark) { Ok(()) } else { self.error(&format!("`{mark}`")) }
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.peek() == Kind::Word(word);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, what: &str) -> Result<&'a str, Error> {
        match self.peek() {
            Kind::Word(word) => {
                self.at += 1;
                Ok(word)
            }
            _ => self.error(what),
        }
    }

    fn name(&mut self) -> Result<String, Error> {
        match self.peek() {
            Kind::Word(word) if !word.starts_with('.') => {
                self.at += 1;
                Ok(word.to_owned())
            }
            _ => self.error("a name"),
        }
    }

    /// The whole module.
    pub fn module(&mut self) -> Result<Module, Error> {
        let mut module = Module::default();
        if !self.eat_word(".version") {
            return self.error("`.version`");
        }
        let Kind::Number(version) = self.next() else {
            self.at -= 1;
            return self.error("the version, such as 9.0");
        };
        let parts = version.split_once('.').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        let Some(version) = parts else {
            self.at -= 1;
            return self.error("the version, such as 9.0");
        };
        module.version = version;
        loop {
            let line = self.line();
            match self.peek() {
                Kind::End => return defined_once(&module).map(|()| module),
                Kind::Word(".target") => {
                    self.at += 1;
                    module.target = self.name()?;
                    while self.eat(',') {
                        self.name()?;
                    }
                }
                Kind::Word(".address_size") => {
                    self.at += 1;
                    if self.unsigned("64")? != 64 {
                        return Err(Error::new(line, "only addresses of 64 bits are known"));
                    }
                }
                Kind::Word(".file") => {
                    self.at += 1;
                    let number = self.unsigned("the file's number")?;
                    let Kind::Text(name) = self.next() else {
                        self.at -= 1;
                        return self.error("the file's name");
                    };
                    module.files.push((number, name.to_owned()));
                    while self.eat(',') {
                        self.number()?;
                    }
                }
                Kind::Word(".section") => self.section()?,
                Kind::Word(".pragma") => self.pragma()?,
                Kind::Word(".alias" | ".branchtargets" | ".calltargets" | ".callprototype") => {
                    return self.error("a directive that this emulator knows");
                }
                Kind::Word(word) if word.starts_with('.') => self.declaration(&mut module)?,
                _ => return self.error("a directive"),
            }
        }
    }

    /// Debug information, which says nothing about what a module does.
    fn section(&mut self) -> Result<(), Error> {
        self.at += 1;
        self.word("the section's name")?;
        self.expect('{')?;
        while !self.eat('}') {
            if self.next() == Kind::End {
                self.at -= 1;
                return self.error("`}`");
            }
        }
        Ok(())
    }

    fn pragma(&mut self) -> Result<(), Error> {
        self.at += 1;
        loop {
            let Kind::Text(_) = self.next() else {
                self.at -= 1;
                return self.error("the pragma in quotes");
            };
            if !self.eat(',') {
                return self.expect(';');
            }
        }
    }

    /// A variable or a function, with its linkage.
    fn declaration(&mut self, module: &mut Module) -> Result<(), Error> {
        let mut external = false;
        while let Kind::Word(linkage @ (".visible" | ".extern" | ".weak" | ".common")) = self.peek() {
            external |= linkage == ".extern";
            self.at += 1;
        }
        match self.peek() {
            Kind::Word(".entry") => module.functions.push(self.function(true)?),
            Kind::Word(".func") => module.functions.push(self.function(false)?),
            Kind::Word(space) if Space::from_name(&space[1..]).is_some() => {
                let variable = self.variable()?;
                self.expect(';')?;
                module.variables.push(Variable { external, ..variable });
            }
            _ => return self.error("a directive that this emulator knows"),
        }
        Ok(())
    }

    fn function(&mut self, entry: bool) -> Result<Function, Error> {
        self.at += 1;
        let line = self.line();
        let returns = if !entry && self.peek() == Kind::Mark('(') { self.params()? } else { Vec::new() };
        let name = self.name()?;
        let params = if self.peek() == Kind::Mark('(') { self.params()? } else { Vec::new() };
        let mut max_threads = None;
        loop {
            match self.peek() {
                Kind::Word(".maxntid" | ".reqntid") => {
                    self.at += 1;
                    let mut threads = self.unsigned("a number of threads")?;
                    while self.eat(',') {
                        threads = threads.saturating_mul(self.unsigned("a number of threads")?);
                    }
                    max_threads = Some(threads);
                }
                Kind::Word(".minnctapersm" | ".maxnctapersm" | ".maxnreg") => {
                    self.at += 1;
                    self.unsigned("a number")?;
                }
                Kind::Word(".noreturn") => self.at += 1,
                Kind::Word(".pragma") => self.pragma()?,
                Kind::Mark(';') => {
                    self.at += 1;
                    return Ok(Function { entry, name, returns, params, max_threads, body: None, line });
                }
                Kind::Mark('{') => {
                    let body = Some(self.body()?);
                    return Ok(Function { entry, name, returns, params, max_threads, body, line });
                }
                _ => return self.error("`{`, `;` or a performance directive"),
            }
        }
    }

    fn params(&mut self) -> Result<Vec<Variable>, Error> {
        self.expect('(')?;
        let mut params = Vec::new();
        while !self.eat(')') {
            let Kind::Word(".param") = self.peek() else { return self.error("`.param`") };
            let param = self.variable()?;
            params.push(param);
            if self.peek() != Kind::Mark(')') {
                self.expect(',')?;
            }
        }
        Ok(params)
    }

    /// `.space .align 4 .b8 name[16] = {…}`, without the end.
    fn variable(&mut self) -> Result<Variable, Error> {
        let line = self.line();
        let Some(space) = self.word("a state space")?.strip_prefix('.').and_then(Space::from_name) else {
            self.at -= 1;
            return self.error("a state space");
        };
        let (mut align, mut element, mut lanes) = (None, None, 1);
        while let Kind::Word(word) = self.peek() {
            match word {
                ".align" => {
                    self.at += 1;
                    let n = self.unsigned("an alignment")?;
                    if !n.is_power_of_two() || n > 1 << 12 {
                        return Err(Error::new(
                            line,
                            format!("an alignment of {n}: expected a power of two up to 4096"),
                        ));
                    }
                    align = Some(n as usize);
                    continue;
                }
                ".v2" => lanes = 2,
                ".v4" => lanes = 4,
                // The attributes of a kernel's pointer parameter.
                ".ptr" | ".global" | ".shared" | ".const" | ".local" | ".managed" if element.is_some() => {}
                word if word.starts_with('.') => match Type::from_name(&word[1..]) {
                    Some(ty) if ty != Type::Pred => element = Some(ty),
                    _ => return self.error("a type"),
                },
                _ => break,
            }
            self.at += 1;
        }
        let Some(element) = element else { return self.error("a type") };
        let name = self.name()?;
        let mut count = Some(lanes);
        while self.eat('[') {
            if self.eat(']') {
                count = None;
                continue;
            }
            let n = self.unsigned("a number of elements")? as usize;
            count = count.and_then(|c: usize| c.checked_mul(n));
            self.expect(']')?;
        }
        let mut init = Vec::new();
        if self.eat('=') {
            self.values(element, &mut init, 0)?;
        }
        let given: usize = init.iter().map(|i| if let Init::Bytes(b) = i { b.len() } else { 8 }).sum();
        let bytes = count.map(|n| n.saturating_mul(element.bytes()));
        let bytes = if bytes.is_none() && given > 0 { Some(given) } else { bytes };
        if bytes.unwrap_or(0) > LARGEST || bytes.is_some_and(|b| given > b) {
            return Err(Error::new(line, format!("`{name}` has {bytes:?} bytes and {given} bytes of values")));
        }
        let align = align.unwrap_or(element.bytes() * lanes);
        Ok(Variable { space, name, align, bytes, init, external: false, line })
    }

    fn values(&mut self, element: Type, init: &mut Vec<Init>, depth: usize) -> Result<(), Error> {
        if depth > DEEPEST {
            return self.error("values that nest less deeply");
        }
        if self.eat('{') {
            while !self.eat('}') {
                self.values(element, init, depth + 1)?;
                if self.peek() != Kind::Mark('}') {
                    self.expect(',')?;
                }
            }
            return Ok(());
        }
        let line = self.line();
        let bits = match self.operand(0)? {
            Operand::Integer(n) if element == Type::F32 => u64::from((n as f32).to_bits()),
            Operand::Integer(n) if element == Type::F64 => (n as f64).to_bits(),
            Operand::Integer(n) => n as u64,
            Operand::Bits32(bits) => u64::from(bits),
            Operand::Bits64(bits) => bits,
            Operand::Float(x) if element == Type::F32 => u64::from((x as f32).to_bits()),
            Operand::Float(x) if element == Type::F64 => x.to_bits(),
            Operand::Name(name) if element.bytes() == 8 => {
                // `generic(name)` is the same address here, where spaces are windows of one.
                let name = if name == "generic" && self.eat('(') {
                    let name = self.name()?;
                    self.expect(')')?;
                    name
                } else {
                    name
                };
                init.push(Init::Address(name, 0));
                return Ok(());
            }
            Operand::Offset(name, n) if element.bytes() == 8 => {
                init.push(Init::Address(name, n));
                return Ok(());
            }
            _ => return Err(Error::new(line, "a value that does not fit the variable's type")),
        };
        let bytes = &bits.to_le_bytes()[..element.bytes().min(8)];
        match init.last_mut() {
            Some(Init::Bytes(all)) => all.extend(bytes),
            _ => init.push(Init::Bytes(bytes.to_vec())),
        }
        Ok(())
    }
}

/// That no name has two definitions; declarations may repeat it.
fn defined_once(module: &Module) -> Result<(), Error> {
    let variables = module.variables.iter().filter(|v| !v.external).map(|v| (&v.name, v.line));
    let functions = module.functions.iter().filter(|f| f.body.is_some()).map(|f| (&f.name, f.line));
    let mut names = HashSet::new();
    for (name, line) in variables.chain(functions) {
        if !names.insert(name) {
            return Err(Error::new(line, format!("`{name}` is defined a second time")));
        }
    }
    Ok(())
}
