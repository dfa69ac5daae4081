//! Memory: `ld`, `ldu`, `st`, and the hints that change nothing here (`prefetch`, `discard`, `applypriority`).

use super::Decoded;
use super::address::{Address, load, store};
use super::cursor::Cursor;
use crate::machine::{Block, Flow, Instruction, Trouble, WARP, Warp};
use crate::memory::{Allocation, Problem, View, is_aligned};
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

impl Load {
    /// A load of `N` registers.
    fn vector<const N: usize>(&self, warp: &mut Warp, block: &mut Block, mask: u32) -> Result<(), Box<Trouble>> {
        // All lanes read before one of the registers changes, since it may hold the address.
        let mut out = [[0; WARP]; N];
        if self.address.space == Space::Param && self.address.base.is_none() {
            // A kernel's own parameter is the same for all lanes.
            let lane = mask.trailing_zeros() as usize;
            let (space, at) = self.address.of(warp, lane);
            whole(at, self.bytes * N, lane)?;
            for (i, out) in out.iter_mut().enumerate() {
                *out = [load(warp, block, lane, (space, at + (i * self.bytes) as u64), self.bytes)?; WARP];
            }
        } else {
            let mut global = Near::new(block.global);
            for lane in lanes(mask) {
                let (space, at) = self.address.of(warp, lane);
                whole(at, self.bytes * N, lane)?;
                if let Space::Global | Space::Const = space
                    && let Some((allocation, offset)) = global.find(at, self.bytes * N)
                {
                    let mut all = true;
                    for (i, out) in out.iter_mut().enumerate() {
                        let (bits, written) = allocation.load(offset + i * self.bytes, self.bytes);
                        out[lane] = bits;
                        all &= written;
                    }
                    if all {
                        continue;
                    }
                }
                for (i, out) in out.iter_mut().enumerate() {
                    out[lane] = load(warp, block, lane, (space, at + (i * self.bytes) as u64), self.bytes)?;
                }
            }
        }
        let shift = 64 - 8 * self.bytes as u32;
        for ((out, &d), &keep) in out.iter_mut().zip(&self.d).zip(&self.keep) {
            if self.signed {
                out.iter_mut().for_each(|bits| *bits = ((*bits << shift) as i64 >> shift) as u64 & keep);
            }
            warp.write(d, mask, out);
        }
        Ok(())
    }
}

impl Instruction for Load {
    fn run(&self, warp: &mut Warp, block: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        match self.d.len() {
            1 => self.vector::<1>(warp, block, mask)?,
            2 => self.vector::<2>(warp, block, mask)?,
            4 => self.vector::<4>(warp, block, mask)?,
            _ => self.vector::<8>(warp, block, mask)?,
        }
        Ok(Flow::Next)
    }
}

/// The lanes of a mask.
fn lanes(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lane = mask.trailing_zeros() as usize;
        (mask != 0).then(|| {
            mask &= mask - 1;
            lane
        })
    })
}

/// Finds allocations for the lanes of an access, which mostly lie in the same.
struct Near<'a> {
    view: &'a View,
    last: Option<&'a Allocation>,
}

impl<'a> Near<'a> {
    fn new(view: &'a View) -> Near<'a> {
        Near { view, last: None }
    }

    /// The allocation that holds `bytes` bytes at `address`, and their offset in it.
    #[inline(always)]
    fn find(&mut self, address: u64, bytes: usize) -> Option<(&'a Allocation, usize)> {
        if let Some(last) = self.last
            && let Some(offset) = last.offset(address, bytes)
        {
            return Some((last, offset));
        }
        let (allocation, offset) = self.view.find(address, bytes).ok()?;
        self.last = Some(allocation);
        Some((allocation, offset))
    }
}

/// A vector's address is a multiple of the whole vector's size.
fn whole(at: u64, bytes: usize, lane: usize) -> Result<(), Box<Trouble>> {
    if is_aligned(at, bytes) {
        return Ok(());
    }
    let message = format!("{at:#x} is no multiple of {bytes}, the size of the access");
    Err(Trouble::of(Problem::Misaligned(message), lane))
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
        let mut global = Near::new(block.global);
        for lane in lanes(mask) {
            let (space, at) = self.address.of(warp, lane);
            whole(at, self.bytes * self.a.len(), lane)?;
            let found = if space == Space::Global { global.find(at, self.bytes * self.a.len()) } else { None };
            for (i, &a) in self.a.iter().enumerate() {
                let value = warp.registers[a as usize][lane];
                match found {
                    Some((allocation, offset)) => allocation.store(offset + i * self.bytes, self.bytes, value),
                    None => store(warp, block, lane, (space, at + (i * self.bytes) as u64), self.bytes, value)?,
                }
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
