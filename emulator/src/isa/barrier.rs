//! Barriers and fences: `bar`, `barrier`, `bar.warp.sync`, `membar`, `fence`.

use super::Decoded;
use super::cursor::Cursor;
use crate::machine::{Answer, Block, Flow, Instruction, Kind, Trouble, WARP, Warp};
use crate::ptx::Type;

pub fn decode(base: &str, cursor: &mut Cursor) -> Option<Decoded> {
    Some(match base {
        "bar" if cursor.flag("warp") => warp_sync(cursor),
        "bar" | "barrier" => barrier(base, cursor),
        "membar" | "fence" => fence(cursor),
        _ => return None,
    })
}

/// The order of one lane's accesses is that of its instructions here, so that a fence has nothing to do.
struct Fence;

impl Instruction for Fence {
    fn run(&self, _: &mut Warp, _: &mut Block, _: u32) -> Result<Flow, Box<Trouble>> {
        Ok(Flow::Next)
    }
}

fn fence(cursor: &mut Cursor) -> Decoded {
    cursor.one_of(&["sc", "acq_rel", "acquire", "release"]);
    if cursor.one_of(&["cta", "cluster", "gpu", "sys", "gl"]).is_none() {
        return Err("expected a scope, such as `.gpu`; proxy fences are not known".to_owned());
    }
    Ok(Box::new(Fence))
}

struct WarpSync {
    members: u32,
}

impl Instruction for WarpSync {
    fn run(&self, warp: &mut Warp, _: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        match super::warp::together(warp, self.members, mask)? {
            Some(flow) => Ok(flow),
            None => {
                warp.tick();
                Ok(Flow::Next)
            }
        }
    }
}

fn warp_sync(cursor: &mut Cursor) -> Decoded {
    if !cursor.flag("sync") {
        return Err("expected `.sync`".to_owned());
    }
    Ok(Box::new(WarpSync { members: cursor.source(Type::B32)? }))
}

#[derive(Clone, Copy)]
enum Reduce {
    Count(u32),
    All(u32),
    Any(u32),
}

struct Barrier {
    number: u32,
    threads: Option<u32>,
    /// All lanes of a warp arrive together.
    aligned: bool,
    waits: bool,
    reduce: Option<(Reduce, (u32, bool))>,
}

impl Instruction for Barrier {
    fn run(&self, warp: &mut Warp, block: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        let lane = mask.trailing_zeros() as usize;
        let live = warp.live();
        if self.aligned && mask != live {
            return Ok(Flow::Join(live));
        }
        let undefined = |message: String| Trouble::new(Kind::Undefined, lane, message);
        let number = warp.registers[self.number as usize][lane] as usize;
        let expected = self.threads.map(|t| warp.registers[t as usize][lane] as usize);
        let Some(barrier) = block.barriers.get_mut(number) else {
            return Err(undefined(format!("barrier {number} of 16")));
        };
        if let Some(n) = expected
            && (!n.is_multiple_of(WARP) || n == 0)
        {
            return Err(undefined(format!("a barrier for {n} threads: expected a multiple of {WARP}")));
        }
        if barrier.arrived > 0 && barrier.expected != expected {
            return Err(undefined(format!(
                "barrier {number} for {expected:?} threads, where others arrived for {:?} at PTX line {}",
                barrier.expected, barrier.line
            )));
        }
        if barrier.arrived == 0 {
            barrier.line = warp.line;
        }
        barrier.expected = expected;
        // With a number of threads, a whole warp counts even if it began with fewer lanes.
        barrier.arrived += if expected.is_some() && self.aligned { WARP } else { mask.count_ones() as usize };
        barrier.warps |= 1 << warp.number;
        if let Some((reduce, p)) = self.reduce {
            barrier.count += (warp.predicate(p) & mask).count_ones();
            let answer = match reduce {
                Reduce::Count(d) => Answer::Count(d),
                Reduce::All(d) => Answer::All(d),
                Reduce::Any(d) => Answer::Any(d),
            };
            barrier.answers.push((warp.number, mask, answer));
        }
        Ok(if self.waits { Flow::Wait(number) } else { Flow::Next })
    }
}

fn barrier(base: &str, cursor: &mut Cursor) -> Decoded {
    cursor.flag("cta");
    if cursor.flag("cluster") {
        return Err("barriers of clusters are not known".to_owned());
    }
    let kind = cursor.one_of(&["sync", "arrive", "red"]).ok_or("expected `.sync`, `.arrive` or `.red`")?;
    let reduction = if kind == "red" {
        Some(cursor.one_of(&["popc", "and", "or"]).ok_or("expected `.popc`, `.and` or `.or`")?)
    } else {
        None
    };
    let aligned = cursor.flag("aligned") || base == "bar";
    let reduce = match reduction {
        Some("popc") => {
            cursor.flag("u32");
            Some(Reduce::Count(cursor.destination(Type::U32)?))
        }
        Some(op) => {
            cursor.flag("pred");
            let (d, _) = cursor.predicate_destinations()?;
            Some(if op == "and" { Reduce::All(d) } else { Reduce::Any(d) })
        }
        None => None,
    };
    let number = cursor.source(Type::U32)?;
    let left = cursor.left() - usize::from(reduce.is_some() && cursor.left() > 0);
    let threads = if left > 0 { Some(cursor.source(Type::U32)?) } else { None };
    if kind == "arrive" && threads.is_none() {
        return Err("`.arrive` needs the number of threads".to_owned());
    }
    let reduce = match reduce {
        Some(reduce) => Some((reduce, cursor.predicate()?)),
        None => None,
    };
    Ok(Box::new(Barrier { number, threads, aligned, waits: kind != "arrive", reduce }))
}
