//! `cp.async`: copies from global to shared memory that go on while the thread does other things.
//!
//! The source is read when the copy is issued; the data arrive in shared memory only at the wait that covers them. So a
//! kernel that forgets a wait reads what was there before, or memory that nothing wrote.

use super::Decoded;
use super::address::{self, Address};
use super::cursor::Cursor;
use crate::machine::{Block, Copied, Flow, Instruction, Kind, Trouble, WARP, Warp};
use crate::ptx::{Space, Type};

/// How much of the source a copy takes.
enum Part {
    All,
    /// As many bytes as the register says; zeros follow.
    Bytes(u32),
    /// Nothing where the predicate says so.
    Unless((u32, bool)),
}

struct Issue {
    to: Address,
    from: Address,
    bytes: usize,
    part: Part,
}

impl Instruction for Issue {
    fn run(&self, warp: &mut Warp, block: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        for lane in (0..WARP).filter(|lane| mask >> lane & 1 != 0) {
            let trouble = |problem| Trouble::of(problem, lane);
            let ((_, to), (_, from)) = (self.to.of(warp, lane), self.from.of(warp, lane));
            let take = match self.part {
                Part::All => self.bytes,
                Part::Bytes(register) => warp.registers[register as usize][lane] as u32 as usize,
                Part::Unless(predicate) => {
                    if warp.predicate(predicate) >> lane & 1 != 0 {
                        0
                    } else {
                        self.bytes
                    }
                }
            };
            if take > self.bytes {
                let message = format!("a copy of {} bytes takes {take} bytes of its source", self.bytes);
                return Err(Trouble::new(Kind::Undefined, lane, message));
            }
            // Other threads must have done with the place now, not when the data arrive.
            block.shared.expect_write(to, self.bytes, &warp.place(lane)).map_err(trouble)?;
            address::aligned(from, self.bytes).map_err(trouble)?;
            let mut data = [0u64; 2];
            let mut done = 0;
            while done < take {
                let step = [8, 4, 2, 1].into_iter().find(|n| done + n <= take && done.is_multiple_of(*n)).unwrap_or(1);
                let at = (Space::Global, from + done as u64);
                data[done / 8] |= address::load(warp, block, lane, at, step)? << (8 * (done % 8));
                done += step;
            }
            let queue = &mut warp.copies.lanes[lane];
            queue.copies.push(Copied { group: queue.groups, to, bytes: self.bytes, data });
        }
        Ok(Flow::Next)
    }
}

struct Commit;

impl Instruction for Commit {
    fn run(&self, warp: &mut Warp, _: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        for lane in (0..WARP).filter(|lane| mask >> lane & 1 != 0) {
            warp.copies.lanes[lane].groups += 1;
        }
        Ok(Flow::Next)
    }
}

/// Waits until at most the last so many groups are under way; `None` waits for everything.
struct Wait(Option<u64>);

impl Instruction for Wait {
    fn run(&self, warp: &mut Warp, block: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        for lane in (0..WARP).filter(|lane| mask >> lane & 1 != 0) {
            let queue = &mut warp.copies.lanes[lane];
            let arrived = match self.0 {
                // The open group, too, which commits nothing else.
                None => queue.copies.len(),
                Some(left) => {
                    let before = queue.groups.saturating_sub(left);
                    queue.copies.partition_point(|copy| copy.group < before)
                }
            };
            let arrived: Vec<Copied> = queue.copies.drain(..arrived).collect();
            for copy in arrived {
                let step = copy.bytes.min(8);
                for (i, &data) in copy.data[..copy.bytes.div_ceil(8)].iter().enumerate() {
                    block
                        .shared
                        .store(copy.to + 8 * i as u64, step, data, &warp.place(lane))
                        .map_err(|problem| Trouble::of(problem, lane))?;
                }
            }
        }
        Ok(Flow::Next)
    }
}

pub fn decode(base: &str, cursor: &mut Cursor) -> Option<Decoded> {
    (base == "cp").then(|| copy(cursor))
}

fn copy(cursor: &mut Cursor) -> Decoded {
    if cursor.one_of(&["async"]).is_none() {
        return Err("only `cp.async` is known".to_owned());
    }
    match cursor.word()? {
        "commit_group" => Ok(Box::new(Commit)),
        "wait_all" => Ok(Box::new(Wait(None))),
        "wait_group" => {
            let left = cursor.integer()?;
            match u64::try_from(left) {
                Ok(left) => Ok(Box::new(Wait(Some(left)))),
                Err(_) => Err(format!("expected how many groups may stay under way, found {left}")),
            }
        }
        "ca" => issue(cursor, false),
        "cg" => issue(cursor, true),
        other => Err(format!(
            "`cp.async.{other}` is not known; expected `.ca`, `.cg`, `.commit_group`, `.wait_group` or `.wait_all`"
        )),
    }
}

fn issue(cursor: &mut Cursor, only_16: bool) -> Decoded {
    if (cursor.space(), cursor.space()) != (Space::Shared, Space::Global) {
        return Err("expected `.shared.global`".to_owned());
    }
    let hint = cursor.flag("L2::cache_hint");
    cursor.one_of(&["L2::64B", "L2::128B", "L2::256B"]);
    let (to, from) = (cursor.address(Space::Shared)?, cursor.address(Space::Global)?);
    let bytes = match cursor.integer()? {
        16 => 16,
        n @ (4 | 8) if !only_16 => n as usize,
        n => return Err(format!("a copy of {n} bytes: `.ca` copies 4, 8 or 16, `.cg` 16")),
    };
    let part = match cursor.left() - usize::from(hint && cursor.left() > 0) {
        0 => Part::All,
        _ if cursor.at_predicate() => Part::Unless(cursor.predicate()?),
        _ => Part::Bytes(cursor.source(Type::U32)?),
    };
    if hint {
        cursor.source(Type::B64)?;
    }
    Ok(Box::new(Issue { to, from, bytes, part }))
}
