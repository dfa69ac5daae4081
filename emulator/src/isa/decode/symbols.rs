//! What names stand for: scopes, registers, variables and labels.

use super::{Decoder, LARGEST};
use crate::machine::Special;
use crate::ptx::{Error, Space, Type, Variable};
use std::collections::HashMap;

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
pub enum Symbol {
    /// A register.
    Register(u32, Type),
    /// A predicate.
    Predicate(u32),
    /// A variable or a parameter: its address in its space.
    Place(Space, u64),
}

/// The names of a `{ … }`.
#[derive(Default)]
pub(super) struct Scope<'m> {
    pub(super) names: HashMap<&'m str, Symbol>,
    /// `%r<9>`: the prefix, the type and the count.
    pub(super) ranges: HashMap<&'m str, (Type, u32)>,
    /// The registers of ranges that were used.
    pub(super) used: HashMap<String, Symbol>,
}

/// A function that is being inlined, or the entry.
pub(super) struct Frame<'m> {
    /// The scopes from here on are its own.
    pub(super) first_scope: usize,
    pub(super) labels: HashMap<String, usize>,
    pub(super) targets: HashMap<&'m str, &'m [String]>,
    /// Where `ret` goes; the entry has none.
    pub(super) end: Option<usize>,
}

impl<'m> Decoder<'m> {
    pub(super) fn declare(&mut self, ty: Type, names: &'m [(String, Option<u32>)]) {
        for (name, count) in names {
            match count {
                Some(count) => {
                    if let Some(scope) = self.scopes.last_mut() {
                        scope.ranges.insert(name, (ty, *count));
                    }
                }
                None => {
                    let symbol = self.new_symbol(ty);
                    if let Some(scope) = self.scopes.last_mut() {
                        scope.names.insert(name, symbol);
                    }
                }
            }
        }
    }

    pub(super) fn variable(&mut self, variable: &'m Variable) -> Result<(), Error> {
        let fail = |what: &str| Err(Error::new(variable.line, format!("`{}`: {what}", variable.name)));
        let symbol = match variable.space {
            Space::Shared => match self.shared.get(variable.name.as_str()) {
                Some(&at) => Symbol::Place(Space::Shared, at),
                None => return fail("a shared variable that no kernel reaches"),
            },
            // Parameters of a call lie in local memory, where the function that is inlined reads them.
            Space::Local | Space::Param => {
                let at = self.kernel.local.next_multiple_of(variable.align.max(8));
                let Some(bytes) = variable.bytes else { return fail("a local array without a size") };
                self.kernel.local = at.saturating_add(bytes).next_multiple_of(16);
                if self.kernel.local > LARGEST {
                    return fail("more local memory than a thread has");
                }
                Symbol::Place(Space::Local, at as u64)
            }
            _ => return fail("a variable of this space in a function"),
        };
        if let Some(scope) = self.scopes.last_mut() {
            scope.names.insert(&variable.name, symbol);
        }
        Ok(())
    }

    pub fn symbol(&mut self, name: &str) -> Result<Symbol, String> {
        let first = self.frames.last().map_or(0, |f| f.first_scope);
        for i in (first..self.scopes.len()).rev() {
            if let Some(symbol) = self.scopes[i].names.get(name).or_else(|| self.scopes[i].used.get(name)) {
                return Ok(*symbol);
            }
            let prefix = name.trim_end_matches(|c: char| c.is_ascii_digit());
            if let Some(&(ty, count)) = self.scopes[i].ranges.get(prefix)
                && name[prefix.len()..].parse().is_ok_and(|n: u32| n < count)
            {
                let symbol = self.new_symbol(ty);
                self.scopes[i].used.insert(name.to_owned(), symbol);
                return Ok(symbol);
            }
        }
        if let Some(&at) = self.shared.get(name) {
            return Ok(Symbol::Place(Space::Shared, at));
        }
        if let Some(&at) = self.globals.get(name) {
            let constant = self.constant_names.contains(name);
            return Ok(Symbol::Place(if constant { Space::Const } else { Space::Global }, at));
        }
        Err(format!("`{name}` is not declared"))
    }

    fn new_symbol(&mut self, ty: Type) -> Symbol {
        if ty == Type::Pred { Symbol::Predicate(self.new_predicate()) } else { Symbol::Register(self.register(ty), ty) }
    }

    fn register(&mut self, ty: Type) -> u32 {
        self.types.push(ty);
        self.kernel.registers += 1;
        self.kernel.registers as u32 - 1
    }

    pub fn new_register(&mut self) -> u32 {
        self.register(Type::B64)
    }

    /// The bits that a register has.
    pub fn register_mask(&self, register: u32) -> u64 {
        let bytes = self.types.get(register as usize).map_or(8, |t| t.bytes());
        if bytes >= 8 { u64::MAX } else { (1 << (8 * bytes)) - 1 }
    }

    pub fn new_predicate(&mut self) -> u32 {
        self.kernel.predicates += 1;
        self.kernel.predicates as u32 - 1
    }

    pub fn carry(&mut self) -> u32 {
        let p = self.carry.unwrap_or_else(|| self.new_predicate());
        self.carry = Some(p);
        p
    }

    pub fn constant(&mut self, bits: u64) -> u32 {
        if let Some(&register) = self.constants.get(&bits) {
            return register;
        }
        let register = self.new_register();
        self.constants.insert(bits, register);
        register
    }

    /// A predicate that is always true or never: `setp` of a constant, made once at the start.
    pub fn constant_predicate(&mut self, value: bool) -> u32 {
        if let Some(p) = self.constant_predicates[usize::from(value)] {
            return p;
        }
        let p = self.new_predicate();
        self.constant_predicates[usize::from(value)] = Some(p);
        if value {
            self.kernel.true_predicates.push(p);
        }
        p
    }

    pub fn special(&mut self, special: Special) -> u32 {
        if let Some(&register) = self.specials.get(&special) {
            return register;
        }
        let register = self.new_register();
        self.specials.insert(special, register);
        register
    }

    pub(super) fn new_label(&mut self) -> usize {
        self.labels.push(None);
        self.labels.len() - 1
    }

    /// The number of a label of the function that is being decoded.
    pub fn label(&mut self, name: &str) -> usize {
        let known = self.frames.last().and_then(|f| f.labels.get(name).copied());
        if let Some(label) = known {
            return label;
        }
        let label = self.new_label();
        if let Some(frame) = self.frames.last_mut() {
            frame.labels.insert(name.to_owned(), label);
        }
        label
    }

    pub fn targets(&mut self, name: &str) -> Result<Vec<usize>, String> {
        let found = self.frames.last().and_then(|f| f.targets.get(name).copied());
        let targets = found.ok_or_else(|| format!("`{name}` is no list of branch targets that stands above"))?;
        Ok(targets.iter().map(|t| self.label(t)).collect())
    }

    pub fn return_label(&self) -> Option<usize> {
        self.frames.last().and_then(|f| f.end)
    }
}
