//! Moves: `mov` with its packing and unpacking, `cvta`, `isspacep`, clocks.

use super::Decoded;
use super::address::{generic, specific};
use super::cursor::Cursor;
use super::lanes::{Lane, map1};
use crate::machine::{Block, Flow, Instruction, Lanes, Trouble, WARP, Warp};
use crate::ptx::{Operand, Space, Type};

pub fn decode(base: &str, cursor: &mut Cursor) -> Option<Decoded> {
    Some(match base {
        "mov" if cursor.last_type() == Some(Type::Pred) => return None,
        "mov" => mov(cursor),
        "cvta" => cvta(cursor),
        "isspacep" => isspacep(cursor),
        _ => return None,
    })
}

fn mov(cursor: &mut Cursor) -> Decoded {
    let ty = cursor.ty()?;
    let clock = |o: Option<&Operand>| matches!(o, Some(Operand::Name(n)) if n.starts_with("%clock") || n.starts_with("%globaltimer"));
    if let Some(Operand::List(parts)) = cursor.next_operand() {
        let parts_ty = part(ty, parts.len())?;
        let d = cursor.destinations(parts_ty)?;
        return Ok(Box::new(Unpack { d, a: cursor.source(ty)?, bits: 8 * parts_ty.bytes() as u32 }));
    }
    let d = cursor.destination(ty)?;
    match cursor.next_operand() {
        Some(Operand::List(parts)) => {
            let parts_ty = part(ty, parts.len())?;
            Ok(Box::new(Pack { d, a: cursor.sources(parts_ty)?, bits: 8 * parts_ty.bytes() as u32 }))
        }
        operand if clock(operand) => {
            let upper = matches!(cursor.operand()?, Operand::Name(n) if n.ends_with("_hi"));
            Ok(Box::new(Clock { d, upper, mask: if ty.bytes() == 8 { u64::MAX } else { 0xffff_ffff } }))
        }
        _ => {
            let a = cursor.source(ty)?;
            Ok(super::lanes::boxed1(d, a, |a: u64| a))
        }
    }
}

/// The type of each of `n` parts of a register.
fn part(ty: Type, n: usize) -> Result<Type, String> {
    match (ty.bytes(), n) {
        (2, 2) => Ok(Type::B8),
        (4, 2) => Ok(Type::B16),
        (4, 4) => Ok(Type::B8),
        (8, 2) => Ok(Type::B32),
        (8, 4) => Ok(Type::B16),
        _ => Err(format!(".{} has no {n} parts", ty.name())),
    }
}

struct Pack {
    d: u32,
    a: Vec<u32>,
    bits: u32,
}

impl Instruction for Pack {
    fn run(&self, warp: &mut Warp, _: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        let keep = (1u64 << self.bits) - 1;
        let mut out: Lanes = [0; WARP];
        for (i, &a) in self.a.iter().enumerate() {
            for (out, a) in out.iter_mut().zip(&warp.registers[a as usize]) {
                *out |= (a & keep) << (self.bits * i as u32);
            }
        }
        warp.write(self.d, mask, &out);
        Ok(Flow::Next)
    }
}

struct Unpack {
    d: Vec<u32>,
    a: u32,
    bits: u32,
}

impl Instruction for Unpack {
    fn run(&self, warp: &mut Warp, _: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        let (a, keep) = (warp.registers[self.a as usize], (1u64 << self.bits) - 1);
        for (i, &d) in self.d.iter().enumerate() {
            warp.write(d, mask, &a.map(|a| a >> (self.bits * i as u32) & keep));
        }
        Ok(Flow::Next)
    }
}

/// The clocks count instructions: they grow, which is all that a program may rely on.
struct Clock {
    d: u32,
    mask: u64,
    /// Whether the upper 32 bits are meant.
    upper: bool,
}

impl Instruction for Clock {
    fn run(&self, warp: &mut Warp, block: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        warp.write(self.d, mask, &[block.executed >> (32 * u32::from(self.upper)) & self.mask; WARP]);
        Ok(Flow::Next)
    }
}

fn cvta(cursor: &mut Cursor) -> Decoded {
    let to = cursor.flag("to");
    let space = cursor.space();
    let ty = cursor.ty()?;
    if to {
        return map1(cursor, [ty; 2], |a: u64| specific(a).1);
    }
    map1(cursor, [ty; 2], move |a: u64| generic(space, a))
}

struct IsSpace {
    p: u32,
    a: u32,
    space: Space,
}

impl Instruction for IsSpace {
    fn run(&self, warp: &mut Warp, _: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        let a = &warp.registers[self.a as usize];
        let bits = (0..WARP).fold(0, |bits, l| bits | u32::from(specific(a[l].bits()).0 == self.space) << l);
        warp.write_predicate(self.p, mask, bits);
        Ok(Flow::Next)
    }
}

fn isspacep(cursor: &mut Cursor) -> Decoded {
    let space = cursor.space();
    let (p, _) = cursor.predicate_destinations()?;
    Ok(Box::new(IsSpace { p, a: cursor.source(Type::U64)?, space }))
}
