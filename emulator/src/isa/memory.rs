//! Memory: `ld`, `ldu`, `st`, and the hints that change nothing here (`prefetch`, `discard`, `applypriority`, `createpolicy`).

use super::Decoded;
use super::address::{Address, load, store};
use super::cursor::Cursor;
use crate::machine::{Block, Flow, Instruction, Trouble, WARP, Warp};
use crate::ptx::{Space, Type};

pub fn decode(base: &str, cursor: &mut Cursor) -> Option<Decoded> {
    Some(match base {
        "ld" | "ldu" => ld(cursor),
        "st" => st(cursor),
        "prefetch" | "prefetchu" | "discard" | "applypriority" => hint(cursor),
        _ => return None,
    })
}

struct Load {
    d: Vec<u32>,
    address: Address,
    bytes: usize,
    /// Bits above the loaded ones are copies of the sign.
    signed: bool,
    /// The bits that each register has.
    keep: Vec<u64>,
}

impl Instruction for Load {
    fn run(&self, warp: &mut Warp, block: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        let shift = 64 - 8 * self.bytes as u32;
        // All lanes read before one of the registers changes, since it may hold the address.
        let mut out = [[0; WARP]; 8];
        for lane in (0..WARP).filter(|lane| mask >> lane & 1 != 0) {
            let (space, at) = self.address.of(warp, lane);
            whole(at, self.bytes * self.d.len(), lane)?;
            for (i, out) in out.iter_mut().enumerate().take(self.d.len()) {
                let bits = load(warp, block, lane, (space, at + (i * self.bytes) as u64), self.bytes)?;
                let bits = if self.signed { ((bits << shift) as i64 >> shift) as u64 } else { bits };
                out[lane] = bits & self.keep[i];
            }
        }
        for (&d, out) in self.d.iter().zip(&out) {
            warp.write(d, mask, out);
        }
        Ok(Flow::Next)
    }
}

/// A vector's address is a multiple of the whole vector's size.
fn whole(at: u64, bytes: usize, lane: usize) -> Result<(), Box<Trouble>> {
    if at.is_multiple_of(bytes as u64) {
        return Ok(());
    }
    let message = format!("{at:#x} is no multiple of {bytes}, the size of the access");
    Err(Trouble::of(crate::memory::Problem::Misaligned(message), lane))
}

/// Cache operators, eviction priorities and the memory order: a lane's accesses happen in order here, and lanes' in some.
fn modifiers(cursor: &mut Cursor) -> Result<(Space, usize), String> {
    let order = cursor.one_of(&["weak", "relaxed", "acquire", "release", "volatile", "mmio"]);
    if matches!(order, Some("relaxed" | "acquire" | "release" | "mmio")) {
        cursor.one_of(&["cta", "cluster", "gpu", "sys"]).ok_or("expected the scope of the order, such as `.gpu`")?;
    }
    let space = cursor.space();
    cursor.one_of(&["ca", "cg", "cs", "lu", "cv", "wb", "wt", "nc"]);
    cursor.one_of(&["ca", "cg", "cs", "nc"]);
    while let Some(word) = cursor.peek() {
        if !word.starts_with("L1::") && !word.starts_with("L2::") {
            break;
        }
        cursor.word()?;
    }
    let lanes = match cursor.one_of(&["v2", "v4", "v8"]) {
        Some("v2") => 2,
        Some("v4") => 4,
        Some(_) => 8,
        None => 1,
    };
    Ok((space, lanes))
}

fn checked(ty: Type, lanes: usize) -> Result<usize, String> {
    if matches!(ty, Type::Pred | Type::B128) || ty.bytes() * lanes > 32 {
        return Err(format!("{lanes} of .{} cannot be loaded or stored at once", ty.name()));
    }
    Ok(ty.bytes())
}

fn ld(cursor: &mut Cursor) -> Decoded {
    let (space, lanes) = modifiers(cursor)?;
    let ty = cursor.ty()?;
    let bytes = checked(ty, lanes)?;
    let d = cursor.destinations(ty)?;
    if d.len() != lanes {
        return Err(format!("expected {lanes} registers"));
    }
    let address = cursor.address(space)?;
    let keep = d.iter().map(|&d| cursor.width(d, u64::MAX)).collect();
    Ok(Box::new(Load { d, address, bytes, signed: ty.is_signed(), keep }))
}

struct Store {
    a: Vec<u32>,
    address: Address,
    bytes: usize,
}

impl Instruction for Store {
    fn run(&self, warp: &mut Warp, block: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        for lane in (0..WARP).filter(|lane| mask >> lane & 1 != 0) {
            let (space, at) = self.address.of(warp, lane);
            whole(at, self.bytes * self.a.len(), lane)?;
            for (i, &a) in self.a.iter().enumerate() {
                let value = warp.registers[a as usize][lane];
                store(warp, block, lane, (space, at + (i * self.bytes) as u64), self.bytes, value)?;
            }
        }
        Ok(Flow::Next)
    }
}

fn st(cursor: &mut Cursor) -> Decoded {
    let (space, lanes) = modifiers(cursor)?;
    let ty = cursor.ty()?;
    let bytes = checked(ty, lanes)?;
    let address = cursor.address(space)?;
    let a = cursor.sources(ty)?;
    if a.len() != lanes {
        return Err(format!("expected {lanes} registers"));
    }
    Ok(Box::new(Store { a, address, bytes }))
}

struct Hint;

impl Instruction for Hint {
    fn run(&self, _: &mut Warp, _: &mut Block, _: u32) -> Result<Flow, Box<Trouble>> {
        Ok(Flow::Next)
    }
}

fn hint(cursor: &mut Cursor) -> Decoded {
    let space = cursor.space();
    while let Some(word) = cursor.peek() {
        if !word.starts_with('L') {
            break;
        }
        cursor.word()?;
    }
    cursor.address(space)?;
    while cursor.left() > 0 {
        cursor.integer()?;
    }
    Ok(Box::new(Hint))
}
