//! A block's shared memory, with a check for reads of what nothing wrote and for races.
//!
//! Two accesses to a byte race if they come from different threads, at least one writes, not both are atomic, and no
//! barrier orders them. Order is kept as a vector clock a warp: the interval of each other warp (the number of barriers
//! that it had passed) up to which everything it did happened before. A barrier joins the clocks of its warps and begins
//! a new interval for each; `bar.warp.sync` begins a new interval of its own warp.

use super::{Problem, is_aligned};

/// Who accesses: a warp, the lane, its interval, and what its warp knows of the others.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The number of the warp in its block.
    pub warp: usize,
    /// The lane in the warp.
    pub lane: usize,
    /// The warp's clock.
    pub clock: &'a Clock,
    /// The line of the instruction.
    pub line: u32,
}

/// For each warp of the block, the interval up to which its accesses are ordered before what comes now; for the own warp,
/// its current interval.
#[derive(Clone, Debug, Default)]
pub struct Clock(pub Vec<u32>);

/// The last access to a byte.
#[derive(Clone, Copy, Debug, Default)]
struct Access {
    /// The interval, counted from 1; 0 is no access.
    interval: u32,
    line: u32,
    warp: u8,
    lane: u8,
    atomic: bool,
    /// Reads of several lanes, or of several warps, in this interval.
    lanes: bool,
    warps: bool,
}

impl Access {
    fn new(place: &Place, atomic: bool) -> Access {
        let interval = place.clock.0[place.warp];
        let (warp, lane) = (place.warp as u8, place.lane as u8);
        Access { interval, line: place.line, warp, lane, atomic, lanes: false, warps: false }
    }

    /// Whether it may still be under way when `place` accesses.
    fn races(&self, place: &Place) -> bool {
        if self.interval == 0 {
            return false;
        }
        let warp = usize::from(self.warp);
        if warp == place.warp {
            let now = self.interval == place.clock.0[warp];
            return now && (usize::from(self.lane) != place.lane || self.lanes || self.warps);
        }
        self.interval > place.clock.0[warp]
    }
}

/// What is known of bytes that were always accessed together.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    write: Access,
    read: Access,
    /// Whether they were written at all.
    written: bool,
    /// Whether this word's bytes have cells of their own, since some were accessed without the others.
    split: bool,
}

/// A block's shared memory.
#[derive(Debug)]
pub struct Shared {
    data: Vec<u8>,
    /// A cell for each word of 4 bytes.
    words: Vec<Cell>,
    /// A cell for each byte, in use where the word is split; empty until one is.
    bytes: Vec<Cell>,
    checks: bool,
}

impl Shared {
    /// `bytes` bytes that nothing wrote yet.
    pub fn new(bytes: usize, checks: bool) -> Shared {
        let words = if checks { bytes.div_ceil(4) } else { 0 };
        Shared { data: vec![0; bytes], words: vec![Cell::default(); words], bytes: Vec::new(), checks }
    }

    /// As new, for the next block.
    pub fn clear(&mut self) {
        self.words.fill(Cell::default());
    }

    #[inline(always)]
    fn range(&self, address: u64, bytes: usize) -> Result<usize, Problem> {
        let inside = address.checked_add(bytes as u64).is_some_and(|end| end <= self.data.len() as u64);
        if inside && is_aligned(address, bytes) {
            Ok(address as usize)
        } else {
            Err(self.misplaced(address, bytes, inside))
        }
    }

    #[cold]
    fn misplaced(&self, address: u64, bytes: usize, inside: bool) -> Problem {
        if inside {
            return Problem::Misaligned(format!("the shared address {address:#x} is no multiple of {bytes}"));
        }
        let size = self.data.len();
        Problem::OutOfBounds(format!(
            "{address:#x} is not in the block's {size} bytes of shared memory with all {bytes} bytes"
        ))
    }

    fn number(&self, at: usize, bytes: usize) -> u64 {
        let data = &self.data[at..at + bytes];
        // A copy of as many bytes as the access has would be a call, and each arm is one instruction.
        match *data {
            [a] => a.into(),
            [a, b] => u16::from_le_bytes([a, b]).into(),
            [a, b, c, d] => u32::from_le_bytes([a, b, c, d]).into(),
            [a, b, c, d, e, f, g, h] => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            _ => unreachable!("an access has 1, 2, 4 or 8 bytes"),
        }
    }

    fn set(&mut self, at: usize, bytes: usize, value: u64) {
        let (data, value) = (&mut self.data[at..at + bytes], value.to_le_bytes());
        match bytes {
            1 => data.copy_from_slice(&value[..1]),
            2 => data.copy_from_slice(&value[..2]),
            4 => data.copy_from_slice(&value[..4]),
            _ => data.copy_from_slice(&value),
        }
    }

    /// Calls `check` for each cell of an access, with the address of its first byte.
    fn cells(
        &mut self,
        at: usize,
        bytes: usize,
        check: impl Fn(&mut Cell, usize) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        if !self.checks {
            return Ok(());
        }
        let words = self.words.len();
        for i in at / 4..(at + bytes).div_ceil(4) {
            let word = &mut self.words[i];
            if bytes >= 4 && !word.split {
                check(word, i * 4)?;
                continue;
            }
            if self.bytes.is_empty() {
                self.bytes.resize(words * 4, Cell::default());
            }
            let whole = *word;
            word.split = true;
            if !whole.split {
                self.bytes[i * 4..][..4].fill(whole);
            }
            for byte in at.max(i * 4)..(at + bytes).min(i * 4 + 4) {
                check(&mut self.bytes[byte], byte)?;
            }
        }
        Ok(())
    }

    /// The number of `bytes` bytes at `address`.
    ///
    /// # Errors
    /// What is wrong with the access.
    #[inline]
    pub fn load(&mut self, address: u64, bytes: usize, place: &Place) -> Result<u64, Problem> {
        let at = self.range(address, bytes)?;
        let again = match bytes {
            4 => self.words.get_mut(at / 4).is_some_and(|word| word.read_again(place)),
            8 => self.words.get_mut(at / 4..at / 4 + 2).is_some_and(|two| two.iter_mut().all(|w| w.read_again(place))),
            _ => false,
        };
        if !again {
            self.cells(at, bytes, |cell, byte| cell.read(byte, place, false))?;
        }
        Ok(self.number(at, bytes))
    }

    /// Writes the low `bytes` bytes of `value` at `address`.
    ///
    /// # Errors
    /// What is wrong with the access.
    pub fn store(&mut self, address: u64, bytes: usize, value: u64, place: &Place) -> Result<(), Problem> {
        let at = self.range(address, bytes)?;
        self.cells(at, bytes, |cell, byte| cell.write(byte, place, false))?;
        self.set(at, bytes, value);
        Ok(())
    }

    /// Replaces the number at `address` by `update` of it, atomically; gives what stood there.
    ///
    /// # Errors
    /// What is wrong with the access.
    pub fn update(
        &mut self,
        address: u64,
        bytes: usize,
        place: &Place,
        update: impl Fn(u64) -> u64,
    ) -> Result<u64, Problem> {
        let at = self.range(address, bytes)?;
        self.cells(at, bytes, |cell, byte| {
            cell.read(byte, place, true)?;
            cell.write(byte, place, true)
        })?;
        let old = self.number(at, bytes);
        self.set(at, bytes, update(old));
        Ok(old)
    }

    /// Checks a write that comes later, of which other threads may know nothing yet.
    ///
    /// # Errors
    /// What is wrong with the access.
    pub fn expect_write(&mut self, address: u64, bytes: usize, place: &Place) -> Result<(), Problem> {
        let at = self.range(address, bytes)?;
        self.cells(at, bytes, |cell, byte| cell.check_write(byte, place, false))
    }
}

impl Cell {
    /// The usual read, which tells nothing new: of a whole word that was written before, by a warp that has just read it.
    #[inline(always)]
    fn read_again(&mut self, place: &Place) -> bool {
        let (last, now) = (&mut self.read, place.clock.0[place.warp]);
        let again = last.interval == now && usize::from(last.warp) == place.warp && !last.atomic;
        if !again || !self.written || self.split || self.write.races(place) {
            return false;
        }
        last.lanes |= usize::from(last.lane) != place.lane;
        true
    }

    fn read(&mut self, byte: usize, place: &Place, atomic: bool) -> Result<(), Problem> {
        if !self.written {
            return Err(Problem::Unwritten(format!("shared memory at {byte:#x}, which nothing in this block wrote")));
        }
        if !(atomic && self.write.atomic) && self.write.races(place) {
            return Err(race(byte, "reads", "wrote", &self.write));
        }
        let (access, last) = (Access::new(place, atomic), &mut self.read);
        if last.interval == access.interval && last.warp == access.warp && last.atomic == atomic {
            last.lanes |= last.lane != access.lane;
        } else if last.races(place) {
            // Two warps in one interval: which of them is forgotten, so that both count.
            let warps = last.warp != access.warp || last.warps;
            *last = Access { warps, ..access };
        } else {
            *last = access;
        }
        Ok(())
    }

    /// Looks for a race of a write.
    #[inline(always)]
    fn check_write(&self, byte: usize, place: &Place, atomic: bool) -> Result<(), Problem> {
        if !(atomic && self.write.atomic) && self.write.races(place) {
            return Err(race(byte, "writes", "wrote", &self.write));
        }
        if !(atomic && self.read.atomic) && self.read.races(place) {
            return Err(race(byte, "writes", "read", &self.read));
        }
        Ok(())
    }

    fn write(&mut self, byte: usize, place: &Place, atomic: bool) -> Result<(), Problem> {
        self.check_write(byte, place, atomic)?;
        self.write = Access::new(place, atomic);
        self.written = true;
        Ok(())
    }
}

#[cold]
fn race(byte: usize, does: &str, did: &str, other: &Access) -> Problem {
    let others = if other.lanes || other.warps { " (among others)" } else { "" };
    Problem::Race(format!(
        "this thread {does} shared memory at {byte:#x}, which thread {} of the block{others} {did} at PTX line {} with no \
         barrier between",
        usize::from(other.warp) * 32 + usize::from(other.lane),
        other.line,
    ))
}
