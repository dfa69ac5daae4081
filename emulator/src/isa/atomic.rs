//! `atom` and `red`: operations on memory that nothing comes between. The lanes of a warp go in their order.

use super::Decoded;
use super::address::{self, Address};
use super::cursor::Cursor;
use super::half::Format;
use crate::machine::{Block, Flow, Instruction, Kind, Trouble, WARP, Warp};
use crate::ptx::{Space, Type};
use std::sync::atomic::{Ordering, fence};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Add,
    Min,
    Max,
    And,
    Or,
    Xor,
    Exchange,
    Compare,
    Increment,
    Decrement,
}

impl Op {
    const NAMES: [(&'static str, Op); 10] = [
        ("add", Op::Add),
        ("min", Op::Min),
        ("max", Op::Max),
        ("and", Op::And),
        ("or", Op::Or),
        ("xor", Op::Xor),
        ("exch", Op::Exchange),
        ("cas", Op::Compare),
        ("inc", Op::Increment),
        ("dec", Op::Decrement),
    ];

    /// Whether PTX has it for numbers of a type.
    fn is_for(self, ty: Type) -> bool {
        use Type::*;
        match self {
            Op::Add => matches!(ty, U32 | S32 | U64 | S64 | F32 | F64 | F16 | F16x2 | BF16 | BF16x2),
            Op::Min | Op::Max => matches!(ty, U32 | S32 | U64 | S64 | F16 | F16x2 | BF16 | BF16x2),
            Op::And | Op::Or | Op::Xor => matches!(ty, B32 | B64),
            Op::Exchange => matches!(ty, B32 | B64 | U32 | S32 | U64 | S64 | F32 | F64),
            Op::Compare => matches!(ty, B16 | B32 | B64 | U32 | S32 | U64 | S64),
            Op::Increment | Op::Decrement => ty == U32,
        }
    }

    /// What replaces `old`. An `f32` sum in global memory flushes subnormal numbers, one in shared memory does not.
    fn apply(self, ty: Type, old: u64, b: u64, c: u64, flush: bool) -> u64 {
        match self {
            Op::Add => match ty {
                Type::F32 => {
                    let number = |bits: u64| {
                        let x = f32::from_bits(bits as u32);
                        if flush && x.is_subnormal() { 0f32.copysign(x) } else { x }
                    };
                    let sum = number(old) + number(b);
                    let sum = if flush && sum.is_subnormal() { 0f32.copysign(sum) } else { sum };
                    if sum.is_nan() { 0x7fff_ffff } else { u64::from(sum.to_bits()) }
                }
                Type::F64 => (f64::from_bits(old) + f64::from_bits(b)).to_bits(),
                _ => match Format::of(ty) {
                    Some((format, _)) => halves(old, b, |a, b| format.add(a, b)),
                    None => old.wrapping_add(b),
                },
            },
            Op::Min | Op::Max => {
                let larger = self == Op::Max;
                let first = match ty {
                    Type::S32 => (old as i32) < b as i32,
                    Type::S64 => (old as i64) < b as i64,
                    _ => match Format::of(ty) {
                        Some((format, _)) => return halves(old, b, |a, b| format.extremum(a, b, larger)),
                        None => old < b,
                    },
                };
                if first == larger { b } else { old }
            }
            Op::And => old & b,
            Op::Or => old | b,
            Op::Xor => old ^ b,
            Op::Exchange => b,
            Op::Compare => {
                if old == b {
                    c
                } else {
                    old
                }
            }
            Op::Increment => {
                if old >= b {
                    0
                } else {
                    old + 1
                }
            }
            Op::Decrement => {
                if old == 0 || old > b {
                    b
                } else {
                    old - 1
                }
            }
        }
    }
}

/// `f` of the two halves of each number; one half's result is cut off where it is stored.
fn halves(a: u64, b: u64, f: impl Fn(u16, u16) -> u16) -> u64 {
    u64::from(f(a as u16, b as u16)) | u64::from(f((a >> 16) as u16, (b >> 16) as u16)) << 16
}

struct Atomic {
    op: Op,
    ty: Type,
    address: Address,
    /// Registers for what stood there; none for `red`.
    d: Vec<u32>,
    b: Vec<u32>,
    c: Option<u32>,
    acquire: bool,
    release: bool,
}

impl Instruction for Atomic {
    fn run(&self, warp: &mut Warp, block: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        // What blocks on other threads of this machine wrote must be seen, too.
        if self.release {
            fence(Ordering::Release);
        }
        for lane in (0..WARP).filter(|lane| mask >> lane & 1 != 0) {
            let (space, at) = self.address.of(warp, lane);
            if self.b.len() > 1 {
                if space == Space::Shared {
                    let message = "vector atomics are for global memory";
                    return Err(Trouble::new(Kind::Undefined, lane, message));
                }
                address::aligned(at, self.ty.bytes() * self.b.len()).map_err(|p| Trouble::of(p, lane))?;
            }
            for (i, &b) in self.b.iter().enumerate() {
                let b = warp.registers[b as usize][lane];
                let c = self.c.map_or(0, |c| warp.registers[c as usize][lane]);
                let old =
                    self.update(warp, block, lane, (space, at.wrapping_add((i * self.ty.bytes()) as u64)), b, c)?;
                if let Some(&d) = self.d.get(i) {
                    warp.registers[d as usize][lane] = old;
                }
            }
        }
        if self.acquire {
            fence(Ordering::Acquire);
        }
        Ok(Flow::Next)
    }
}

impl Atomic {
    /// Replaces the number at an address; gives what stood there.
    fn update(
        &self,
        warp: &Warp,
        block: &mut Block,
        lane: usize,
        (space, at): (Space, u64),
        b: u64,
        c: u64,
    ) -> Result<u64, Box<Trouble>> {
        let trouble = |problem| Trouble::of(problem, lane);
        let bytes = self.ty.bytes();
        // A register may be wider than the number.
        let keep = u64::MAX >> (64 - 8 * bytes);
        let (b, c) = (b & keep, c & keep);
        match space {
            Space::Shared => block
                .shared
                .update(at, bytes, &warp.place(lane), |old| self.op.apply(self.ty, old, b, c, false))
                .map_err(trouble),
            Space::Global | Space::Generic => {
                address::aligned(at, bytes).map_err(trouble)?;
                let (allocation, offset) = block.global.find(at, bytes).map_err(trouble)?;
                let (old, written) = allocation.update(offset, bytes, |old| self.op.apply(self.ty, old, b, c, true));
                if !written && block.launch.checks {
                    return Err(Trouble::new(
                        Kind::Unwritten,
                        lane,
                        format!(
                            "an atomic operation on {bytes} bytes at {at:#x}, {offset} into the allocation of {} bytes at \
                             {:#x}",
                            allocation.size, allocation.base
                        ),
                    ));
                }
                Ok(old)
            }
            Space::Local | Space::Const | Space::Param => {
                let message =
                    format!("an atomic operation on {space:?} memory at {at:#x}; it needs global or shared memory");
                Err(Trouble::new(Kind::IllegalAddress, lane, message))
            }
        }
    }
}

pub fn decode(base: &str, cursor: &mut Cursor) -> Option<Decoded> {
    matches!(base, "atom" | "red").then(|| atomic(base == "atom", cursor))
}

fn atomic(gives_old: bool, cursor: &mut Cursor) -> Decoded {
    if cursor.peek() == Some("async") {
        return Err("`red.async` is not known".to_owned());
    }
    // nvcc and its headers also write the order and the scope behind the space or the operation.
    let order = ["relaxed", "acquire", "release", "acq_rel"].into_iter().find(|order| cursor.flag(order));
    ["cta", "cluster", "gpu", "sys"].into_iter().find(|scope| cursor.flag(scope));
    let space = match cursor.space() {
        space @ (Space::Global | Space::Shared | Space::Generic) => space,
        other => return Err(format!("expected global or shared memory, found {other:?}")),
    };
    let word = cursor.word()?;
    let Some(&(_, op)) = Op::NAMES.iter().find(|(name, _)| *name == word) else {
        return Err(format!("expected an operation such as `.add`, found `.{word}`"));
    };
    if !gives_old && matches!(op, Op::Exchange | Op::Compare) {
        return Err(format!("`red` has no `.{word}`"));
    }
    let no_flush = cursor.flag("noftz");
    let hint = cursor.flag("L2::cache_hint");
    let lanes = match cursor.one_of(&["v2", "v4", "v8"]) {
        Some("v2") => 2,
        Some("v4") => 4,
        Some(_) => 8,
        None => 1,
    };
    let ty = cursor.ty()?;
    if ty == Type::B128 {
        return Err("atomics on 128 bits are not known".to_owned());
    }
    if !op.is_for(ty) {
        return Err(format!("`.{word}` on .{} is not known", ty.name()));
    }
    let half = Format::of(ty).is_some();
    if half != no_flush {
        return Err("`.noftz` stands with halves, and only with them".to_owned());
    }
    if lanes > 1 && (space == Space::Shared || ty != Type::F32 && !half || lanes * ty.bytes() > 16) {
        return Err("vectors are for up to 16 bytes of f32 or halves in global memory".to_owned());
    }
    let d = match gives_old {
        true if lanes > 1 => cursor.destinations(ty)?,
        true => vec![cursor.destination(ty)?],
        false => Vec::new(),
    };
    let address = cursor.address(space)?;
    let b = if lanes > 1 { cursor.sources(ty)? } else { vec![cursor.source(ty)?] };
    if b.len() != lanes || gives_old && d.len() != lanes {
        return Err(format!("expected {lanes} registers in braces"));
    }
    let c = if op == Op::Compare { Some(cursor.source(ty)?) } else { None };
    if hint {
        cursor.source(Type::B64)?;
    }
    let [acquire, release] = [["acquire", "acq_rel"], ["release", "acq_rel"]]
        .map(|orders| order.is_some_and(|order| orders.contains(&order)));
    Ok(Box::new(Atomic { op, ty, address, d, b, c, acquire, release }))
}
