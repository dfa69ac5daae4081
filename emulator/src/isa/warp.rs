//! Between the lanes of a warp: `shfl`, `vote`, `match`, `redux`, `activemask`, `elect`.

use super::Decoded;
use super::cursor::Cursor;
use crate::machine::{Block, Flow, Instruction, Kind, Lanes, Trouble, WARP, Warp};
use crate::ptx::Type;

pub fn decode(base: &str, cursor: &mut Cursor) -> Option<Decoded> {
    Some(match base {
        "shfl" => shfl(cursor),
        "vote" => vote(cursor),
        "match" => matching(cursor),
        "redux" => redux(cursor),
        "activemask" => activemask(cursor),
        "elect" => elect(cursor),
        _ => return None,
    })
}

/// What to do before the lanes that register `members` names have met here; `None` once they have.
///
/// # Errors
/// Lanes that name different members, that are not among them, or members that have ended.
pub fn together(warp: &Warp, members: u32, mask: u32) -> Result<Option<Flow>, Box<Trouble>> {
    let lane = mask.trailing_zeros() as usize;
    let named = &warp.registers[members as usize];
    let undefined = |lane, message: String| Err(Trouble::new(Kind::Undefined, lane, message));
    let members = named[lane] as u32;
    if let Some(other) = (0..WARP).find(|&l| mask >> l & 1 != 0 && named[l] as u32 != members) {
        // Lanes with other members form a group of their own.
        let theirs = named[other] as u32;
        if members >> other & 1 != 0 || theirs >> lane & 1 != 0 {
            return undefined(
                other,
                format!("the lane names the members {theirs:#010x}, lane {lane} names {members:#010x}"),
            );
        }
        let same =
            (0..WARP).filter(|&l| mask >> l & 1 != 0 && named[l] as u32 == members).fold(0, |all, l| all | 1 << l);
        return Ok(Some(Flow::Part(same)));
    }
    if members >> lane & 1 == 0 {
        return undefined(lane, format!("the lane is not among the members {members:#010x} that it names"));
    }
    let ended = members & !warp.live();
    if ended != 0 {
        return undefined(
            lane,
            format!("of the members {members:#010x}, the lanes {ended:#010x} have ended or never were"),
        );
    }
    if mask & members != members {
        return Ok(Some(Flow::Join(members)));
    }
    let strangers = mask & !members;
    if strangers != 0 {
        let stranger = strangers.trailing_zeros() as usize;
        return undefined(stranger, format!("the lane is not among the members {members:#010x} that it names"));
    }
    Ok(None)
}

/// An instruction of lanes that have met: what it writes to a register or a predicate.
struct Sync<F> {
    members: u32,
    work: F,
}

impl<F: Fn(&mut Warp, u32) -> Result<(), Box<Trouble>> + Send + std::marker::Sync> Instruction for Sync<F> {
    fn run(&self, warp: &mut Warp, _: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        if let Some(flow) = together(warp, self.members, mask)? {
            return Ok(flow);
        }
        (self.work)(warp, mask).map(|()| Flow::Next)
    }
}

fn synced(
    members: u32,
    work: impl Fn(&mut Warp, u32) -> Result<(), Box<Trouble>> + Send + std::marker::Sync + 'static,
) -> Decoded {
    Ok(Box::new(Sync { members, work }))
}

fn expect(cursor: &mut Cursor, word: &str) -> Result<(), String> {
    if cursor.flag(word) { Ok(()) } else { Err(format!("expected `.{word}`")) }
}

fn shfl(cursor: &mut Cursor) -> Decoded {
    expect(cursor, "sync")?;
    let mode = cursor.one_of(&["up", "down", "bfly", "idx"]).ok_or("expected `.up`, `.down`, `.bfly` or `.idx`")?;
    expect(cursor, "b32")?;
    let (d, p) = cursor.destination_and_predicate(Type::B32)?;
    let [a, b, c] = [cursor.source(Type::B32)?, cursor.source(Type::B32)?, cursor.source(Type::B32)?];
    let members = cursor.source(Type::B32)?;
    synced(members, move |warp, mask| {
        let [a, b, c] = [a, b, c].map(|r| warp.registers[r as usize]);
        let (mut out, mut valid): (Lanes, u32) = ([0; WARP], 0);
        for lane in (0..WARP).filter(|l| mask >> l & 1 != 0) {
            let (b, clamp, segments) = (b[lane] as usize & 31, c[lane] as usize & 31, c[lane] as usize >> 8 & 31);
            // The lanes of a segment agree in these bits.
            let most = lane & segments | clamp & !segments & 31;
            let least = lane & segments;
            let (from, inside) = match mode {
                "up" => (lane as isize - b as isize, lane as isize - b as isize >= most as isize),
                "down" => ((lane + b) as isize, lane + b <= most),
                "bfly" => ((lane ^ b) as isize, lane ^ b <= most),
                _ => ((least | b & !segments & 31) as isize, least | b & !segments & 31 <= most),
            };
            let from = if inside { from as usize } else { lane };
            // What a lane that takes no part holds is undefined: all ones, NaN as a number, so that a use of it shows.
            out[lane] = if mask >> from & 1 != 0 { a[from] } else { 0xffff_ffff };
            valid |= u32::from(inside) << lane;
        }
        warp.write(d, mask, &out);
        if let Some(p) = p {
            warp.write_predicate(p, mask, valid);
        }
        Ok(())
    })
}

fn vote(cursor: &mut Cursor) -> Decoded {
    expect(cursor, "sync")?;
    let mode = cursor.one_of(&["all", "any", "uni", "ballot"]).ok_or("expected `.all`, `.any`, `.uni` or `.ballot`")?;
    if mode == "ballot" {
        expect(cursor, "b32")?;
        let (d, p) = (cursor.destination(Type::B32)?, cursor.predicate()?);
        let members = cursor.source(Type::B32)?;
        return synced(members, move |warp, mask| {
            let votes = warp.predicate(p) & mask;
            warp.write(d, mask, &[u64::from(votes); WARP]);
            Ok(())
        });
    }
    expect(cursor, "pred")?;
    let ((d, _), p) = (cursor.predicate_destinations()?, cursor.predicate()?);
    let members = cursor.source(Type::B32)?;
    synced(members, move |warp, mask| {
        let votes = warp.predicate(p) & mask;
        let holds = match mode {
            "all" => votes == mask,
            "any" => votes != 0,
            _ => votes == mask || votes == 0,
        };
        warp.write_predicate(d, mask, if holds { u32::MAX } else { 0 });
        Ok(())
    })
}

fn matching(cursor: &mut Cursor) -> Decoded {
    let all = cursor.one_of(&["any", "all"]).ok_or("expected `.any` or `.all`")? == "all";
    expect(cursor, "sync")?;
    let ty = cursor.ty()?;
    if !matches!(ty, Type::B32 | Type::B64) {
        return Err("`match` is for .b32 and .b64".to_owned());
    }
    let (d, p) = cursor.destination_and_predicate(Type::B32)?;
    let (a, members) = (cursor.source(ty)?, cursor.source(Type::B32)?);
    synced(members, move |warp, mask| {
        let a = warp.registers[a as usize];
        let equal = |lane: usize| {
            (0..WARP).filter(|&l| mask >> l & 1 != 0 && a[l] == a[lane]).fold(0u32, |bits, l| bits | 1 << l)
        };
        let first = equal(mask.trailing_zeros() as usize);
        let out: Lanes =
            std::array::from_fn(|lane| u64::from(if all { if first == mask { mask } else { 0 } } else { equal(lane) }));
        warp.write(d, mask, &out);
        if let Some(p) = p {
            warp.write_predicate(p, mask, if first == mask { u32::MAX } else { 0 });
        }
        Ok(())
    })
}

fn redux(cursor: &mut Cursor) -> Decoded {
    expect(cursor, "sync")?;
    let op = cursor
        .one_of(&["add", "min", "max", "and", "or", "xor"])
        .ok_or("expected `.add`, `.min`, `.max`, `.and`, `.or` or `.xor`")?;
    let (abs, nan) = (cursor.flag("abs"), cursor.flag("NaN"));
    let ty = cursor.ty()?;
    if abs || nan {
        return Err("`redux` of floating-point numbers is not known".to_owned());
    }
    let fold: fn(u32, u32) -> u32 = match (op, ty) {
        ("add", Type::U32 | Type::S32) => u32::wrapping_add,
        ("min", Type::U32) => u32::min,
        ("max", Type::U32) => u32::max,
        ("min", Type::S32) => |a, b| (a as i32).min(b as i32) as u32,
        ("max", Type::S32) => |a, b| (a as i32).max(b as i32) as u32,
        ("and", Type::B32) => |a, b| a & b,
        ("or", Type::B32) => |a, b| a | b,
        ("xor", Type::B32) => |a, b| a ^ b,
        _ => return Err(format!("`redux.{op}` on .{} is not known", ty.name())),
    };
    let (d, a) = (cursor.destination(ty)?, cursor.source(ty)?);
    let members = cursor.source(Type::B32)?;
    synced(members, move |warp, mask| {
        let a = &warp.registers[a as usize];
        let lanes = (0..WARP).filter(|l| mask >> l & 1 != 0).map(|l| a[l] as u32);
        let out = lanes.reduce(fold).unwrap_or(0);
        warp.write(d, mask, &[u64::from(out); WARP]);
        Ok(())
    })
}

struct ActiveMask(u32);

impl Instruction for ActiveMask {
    fn run(&self, warp: &mut Warp, _: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        warp.write(self.0, mask, &[u64::from(mask); WARP]);
        Ok(Flow::Next)
    }
}

fn activemask(cursor: &mut Cursor) -> Decoded {
    expect(cursor, "b32")?;
    Ok(Box::new(ActiveMask(cursor.destination(Type::B32)?)))
}

/// `elect.sync`: the lowest of the members leads.
fn elect(cursor: &mut Cursor) -> Decoded {
    expect(cursor, "sync")?;
    let (d, p) = cursor.destination_and_predicate(Type::B32)?;
    let members = cursor.source(Type::B32)?;
    synced(members, move |warp, mask| {
        let leader = mask.trailing_zeros();
        warp.write(d, mask, &[u64::from(leader); WARP]);
        if let Some(p) = p {
            warp.write_predicate(p, mask, 1 << leader);
        }
        Ok(())
    })
}
