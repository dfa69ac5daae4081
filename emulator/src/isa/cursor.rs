//! Reading one instruction: its modifiers in their order, its operands in theirs.

use super::address::Address;
use super::decode::{Decoder, Symbol};
use crate::machine::Special;
use crate::ptx::{Operand, Space, Type};

/// An instruction that is being decoded.
pub struct Cursor<'c, 'm> {
    decoder: &'c mut Decoder<'m>,
    modifiers: Vec<&'c str>,
    operands: std::slice::Iter<'c, Operand>,
}

impl<'c, 'm> Cursor<'c, 'm> {
    pub(super) fn new(
        decoder: &'c mut Decoder<'m>,
        opcode: &'c str,
        operands: &'c [Operand],
    ) -> (&'c str, Cursor<'c, 'm>) {
        let mut words = opcode.split('.');
        let base = words.next().unwrap_or_default();
        (base, Cursor { decoder, modifiers: words.collect(), operands: operands.iter() })
    }

    /// Takes the modifier `name` if it is there.
    pub fn flag(&mut self, name: &str) -> bool {
        let found = self.modifiers.iter().position(|m| *m == name);
        found.map(|i| self.modifiers.remove(i)).is_some()
    }

    /// Takes the first modifier, if it is one of `names`.
    pub fn one_of(&mut self, names: &[&'static str]) -> Option<&'static str> {
        let first = self.modifiers.first()?;
        let found = names.iter().find(|n| *n == first)?;
        self.modifiers.remove(0);
        Some(found)
    }

    /// Takes the first modifier whatever it is.
    pub fn word(&mut self) -> Result<&'c str, String> {
        if self.modifiers.is_empty() {
            return Err("expected another modifier".to_owned());
        }
        Ok(self.modifiers.remove(0))
    }

    /// The first modifier, which stays.
    pub fn peek(&self) -> Option<&'c str> {
        self.modifiers.first().copied()
    }

    /// The last modifier that is a type, which stays.
    pub fn last_type(&self) -> Option<Type> {
        self.modifiers.iter().rev().find_map(|m| Type::from_name(m))
    }

    /// Takes the first modifier, which must be a type.
    pub fn ty(&mut self) -> Result<Type, String> {
        let word = self.word()?;
        Type::from_name(word).ok_or_else(|| format!("expected a type, found `.{word}`"))
    }

    /// Takes the first modifier if it is a state space, or else says [`Space::Generic`].
    pub fn space(&mut self) -> Space {
        match self.modifiers.first().and_then(|m| Space::from_name(m)) {
            Some(space) => {
                self.modifiers.remove(0);
                space
            }
            None => Space::Generic,
        }
    }

    /// How many operands are left.
    pub fn left(&self) -> usize {
        self.operands.len()
    }

    /// Takes the next operand as it is written.
    pub fn operand(&mut self) -> Result<&'c Operand, String> {
        self.operands.next().ok_or_else(|| "expected another operand".to_owned())
    }

    /// The next operand, which stays.
    pub fn next_operand(&self) -> Option<&'c Operand> {
        self.operands.as_slice().first()
    }

    /// Takes a register to write, of the type's size; `_` is one that nobody reads.
    pub fn destination(&mut self, ty: Type) -> Result<u32, String> {
        let operand = self.operand()?;
        self.register_of(operand, ty, true)
    }

    /// Takes a register or a number to read, of the type's size.
    pub fn source(&mut self, ty: Type) -> Result<u32, String> {
        let operand = self.operand()?;
        self.value_of(operand, ty, false)
    }

    /// As [`Cursor::destination`], for a register that may be wider than the type.
    pub fn wide_destination(&mut self, ty: Type) -> Result<u32, String> {
        let operand = self.operand()?;
        self.register_of(operand, ty, false)
    }

    /// As [`Cursor::source`], for a register that may be wider than the type.
    pub fn wide_source(&mut self, ty: Type) -> Result<u32, String> {
        let operand = self.operand()?;
        self.value_of(operand, ty, true)
    }

    /// Takes `{a, b, …}`, or a single register, to write.
    pub fn destinations(&mut self, ty: Type) -> Result<Vec<u32>, String> {
        match self.operand()? {
            Operand::List(list) => list.iter().map(|o| self.register_of(o, ty, false)).collect(),
            one => Ok(vec![self.register_of(one, ty, false)?]),
        }
    }

    /// Takes `{a, b, …}`, or a single register or number, to read.
    pub fn sources(&mut self, ty: Type) -> Result<Vec<u32>, String> {
        match self.operand()? {
            Operand::List(list) => list.iter().map(|o| self.value_of(o, ty, true)).collect(),
            one => Ok(vec![self.value_of(one, ty, true)?]),
        }
    }

    /// Takes a predicate to write, or two: `p|q`.
    pub fn predicate_destinations(&mut self) -> Result<(u32, Option<u32>), String> {
        match self.operand()? {
            Operand::Pair(p, q) => {
                let p = self.predicate_named(p)?;
                Ok((p, Some(self.predicate_named(q)?)))
            }
            Operand::Name(p) => Ok((self.predicate_named(p)?, None)),
            other => Err(format!("expected a predicate, found {other:?}")),
        }
    }

    /// Takes a register, and perhaps a predicate behind a bar: `d|p`.
    pub fn destination_and_predicate(&mut self, ty: Type) -> Result<(u32, Option<u32>), String> {
        match self.operand()? {
            Operand::Pair(d, p) => {
                let d = self.register_of(&Operand::Name(d.clone()), ty, true)?;
                Ok((d, Some(self.predicate_named(p)?)))
            }
            other => Ok((self.register_of(other, ty, true)?, None)),
        }
    }

    /// Takes a predicate to read, and whether it is negated.
    pub fn predicate(&mut self) -> Result<(u32, bool), String> {
        match self.operand()? {
            Operand::Name(p) => Ok((self.predicate_named(p)?, false)),
            Operand::Not(p) => Ok((self.predicate_named(p)?, true)),
            Operand::Integer(n) => Ok((self.decoder.constant_predicate(*n != 0), false)),
            other => Err(format!("expected a predicate, found {other:?}")),
        }
    }

    /// Whether the next operand is a predicate.
    pub fn at_predicate(&mut self) -> bool {
        match self.next_operand() {
            Some(Operand::Name(name)) => matches!(self.decoder.symbol(name), Ok(Symbol::Predicate(_))),
            Some(Operand::Not(_)) => true,
            _ => false,
        }
    }

    /// Takes an address in `space`.
    pub fn address(&mut self, space: Space) -> Result<Address, String> {
        let Operand::Address(name, offset) = self.operand()? else {
            return Err("expected an address in brackets".to_owned());
        };
        let Some(name) = name else {
            return Ok(Address { space, base: None, offset: *offset as u64 });
        };
        match self.decoder.symbol(name)? {
            Symbol::Register(base, ty) if ty.bytes() >= 4 => {
                Ok(Address { space, base: Some(base), offset: *offset as u64 })
            }
            Symbol::Place(found, at) => {
                // A parameter of a function that is inlined lies in local memory.
                let space = if space == Space::Param || found == space { found } else { space };
                let at = if space == Space::Generic { super::address::generic(found, at) } else { at };
                Ok(Address { space, base: None, offset: at.wrapping_add_signed(*offset) })
            }
            _ => Err(format!("`{name}` is no address")),
        }
    }

    /// Takes the last operand, which must be an integer that is known now.
    pub fn last_integer(&mut self) -> Result<i64, String> {
        match self.operands.next_back() {
            Some(Operand::Integer(n)) => Ok(*n),
            other => Err(format!("expected a number as the last operand, found {other:?}")),
        }
    }

    /// Takes an integer that is known now.
    pub fn integer(&mut self) -> Result<i64, String> {
        match self.operand()? {
            Operand::Integer(n) => Ok(*n),
            other => Err(format!("expected a number, found {other:?}")),
        }
    }

    /// Takes a label, as its number.
    pub fn label(&mut self) -> Result<usize, String> {
        match self.operand()? {
            Operand::Name(name) => Ok(self.decoder.label(name)),
            other => Err(format!("expected a label, found {other:?}")),
        }
    }

    /// Takes the label of a list of branch targets, as their numbers.
    pub fn targets(&mut self) -> Result<Vec<usize>, String> {
        match self.operand()? {
            Operand::Name(name) => self.decoder.targets(name),
            other => Err(format!("expected a label, found {other:?}")),
        }
    }

    /// The bits that `register` keeps of `bits`.
    pub fn width(&self, register: u32, bits: u64) -> u64 {
        bits & self.decoder.register_mask(register)
    }

    /// A register that no text names.
    pub fn scratch(&mut self) -> u32 {
        self.decoder.new_register()
    }

    /// The predicate that is the carry.
    pub fn carry(&mut self) -> u32 {
        self.decoder.carry()
    }

    /// The register that holds `bits`.
    pub fn constant(&mut self, bits: u64) -> u32 {
        self.decoder.constant(bits)
    }

    /// Whether the function that is being decoded was called, so that `ret` goes on behind the call at this label.
    pub fn return_label(&self) -> Option<usize> {
        self.decoder.return_label()
    }

    /// What is left unread, as an error.
    pub(super) fn finish(self) -> Result<(), String> {
        if let Some(modifier) = self.modifiers.first() {
            return Err(format!("the modifier `.{modifier}` is not known here"));
        }
        match self.operands.len() {
            0 => Ok(()),
            n => Err(format!("{n} operands too many")),
        }
    }

    fn predicate_named(&mut self, name: &str) -> Result<u32, String> {
        if name == "_" {
            return Ok(self.decoder.new_predicate());
        }
        match self.decoder.symbol(name)? {
            Symbol::Predicate(p) => Ok(p),
            _ => Err(format!("`{name}` is no predicate")),
        }
    }

    fn register_of(&mut self, operand: &Operand, ty: Type, exact: bool) -> Result<u32, String> {
        let Operand::Name(name) = operand else { return Err(format!("expected a register, found {operand:?}")) };
        if name == "_" {
            return Ok(self.decoder.new_register());
        }
        match self.decoder.symbol(name)? {
            Symbol::Register(register, declared) => fits(name, declared, ty, !exact).map(|()| register),
            _ => Err(format!("`{name}` is no register")),
        }
    }

    fn value_of(&mut self, operand: &Operand, ty: Type, wide: bool) -> Result<u32, String> {
        let bits = match operand {
            Operand::Integer(n) if ty == Type::F32 => u64::from((*n as f32).to_bits()),
            Operand::Integer(n) if ty == Type::F64 => (*n as f64).to_bits(),
            Operand::Integer(n) => *n as u64,
            Operand::Float(x) if ty == Type::F32 => u64::from((*x as f32).to_bits()),
            Operand::Float(x) if ty == Type::F64 => x.to_bits(),
            Operand::Bits32(bits) if ty == Type::F64 => f64::from(f32::from_bits(*bits)).to_bits(),
            Operand::Bits64(bits) if ty == Type::F32 => u64::from((f64::from_bits(*bits) as f32).to_bits()),
            Operand::Bits32(bits) => u64::from(*bits),
            Operand::Bits64(bits) => *bits,
            Operand::Name(name) if name == "WARP_SZ" => crate::machine::WARP as u64,
            Operand::Name(name) => match self.special(name) {
                Some(special) => return Ok(self.decoder.special(special)),
                None => match self.decoder.symbol(name)? {
                    Symbol::Register(register, declared) => return fits(name, declared, ty, wide).map(|()| register),
                    Symbol::Place(_, at) => at,
                    _ => return Err(format!("`{name}` is no register")),
                },
            },
            Operand::Offset(name, offset) => match self.decoder.symbol(name)? {
                Symbol::Place(_, at) => at.wrapping_add_signed(*offset),
                _ => return Err(format!("`{name}` is no variable")),
            },
            other => return Err(format!("expected a register or a number, found {other:?}")),
        };
        let keep = if ty.bytes() >= 8 { u64::MAX } else { (1 << (8 * ty.bytes().max(1))) - 1 };
        Ok(self.decoder.constant(bits & keep))
    }

    fn special(&self, name: &str) -> Option<Special> {
        let axis = |suffix: &str| ["x", "y", "z"].iter().position(|a| *a == suffix).map(|a| a as u8);
        let (base, rest) = name.strip_prefix('%')?.split_once('.').unwrap_or((&name[1..], ""));
        Some(match (base, axis(rest)) {
            ("tid", Some(a)) => Special::Tid(a),
            ("ntid", Some(a)) => Special::Ntid(a),
            ("ctaid", Some(a)) => Special::Ctaid(a),
            ("nctaid", Some(a)) => Special::Nctaid(a),
            ("laneid", None) => Special::LaneId,
            ("warpid", None) => Special::WarpId,
            ("nwarpid", None) => Special::NWarpId,
            ("smid", None) => Special::SmId,
            ("nsmid", None) => Special::NSmId,
            ("gridid", None) => Special::GridId,
            ("lanemask_eq", None) => Special::LaneMaskEq,
            ("lanemask_le", None) => Special::LaneMaskLe,
            ("lanemask_lt", None) => Special::LaneMaskLt,
            ("lanemask_ge", None) => Special::LaneMaskGe,
            ("lanemask_gt", None) => Special::LaneMaskGt,
            ("dynamic_smem_size", None) => Special::DynamicSmemSize,
            ("total_smem_size", None) => Special::TotalSmemSize,
            _ => return None,
        })
    }
}

/// Whether a register of type `declared` can be used as `ty`.
fn fits(name: &str, declared: Type, ty: Type, wide: bool) -> Result<(), String> {
    if declared.bytes() == ty.bytes() || wide && declared.bytes() > ty.bytes() {
        return Ok(());
    }
    Err(format!("`{name}` is .{}, the instruction takes .{}", declared.name(), ty.name()))
}
