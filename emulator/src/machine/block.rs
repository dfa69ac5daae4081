//! A block: its warps in turn, its shared memory, its barriers.

use super::fault::{Fault, Kind, Trouble};
use super::warp::Turn;
use super::{Dim, Kernel, Launch, WARP, Warp};
use crate::memory::{Clock, Shared, View};

/// The barriers that a block has.
const BARRIERS: usize = 16;

/// What the threads of a block share.
#[derive(Debug)]
pub struct Block<'a> {
    /// The launch that it belongs to.
    pub launch: &'a Launch<'a>,
    /// The kernel that it runs.
    pub kernel: &'a Kernel,
    /// Global memory.
    pub global: &'a View,
    /// Its place in the grid.
    pub place: Dim,
    /// Its shared memory.
    pub shared: Shared,
    /// Its barriers.
    pub barriers: [Barrier; BARRIERS],
    /// How many lanes executed an instruction so far, over all instructions.
    pub executed: u64,
    /// What `printf` and its like wrote is printed by the grid; here only the live threads are counted.
    live: usize,
}

/// A barrier: who has arrived since it last opened.
#[derive(Clone, Debug, Default)]
pub struct Barrier {
    /// The threads that it waits for, where the instruction says; otherwise all that live.
    pub expected: Option<usize>,
    /// The threads that have arrived.
    pub arrived: usize,
    /// The warps that have arrived, a bit each.
    pub warps: u32,
    /// What arrived with a predicate: the number of true ones, and whether all and any were.
    pub count: u32,
    /// Where the count goes when it opens: (warp, lanes, what to write).
    pub answers: Vec<(usize, u32, Answer)>,
    /// The line of the first that arrived.
    pub line: u32,
}

/// What `bar.red` writes when the barrier opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The number of true predicates to a register.
    Count(u32),
    /// Whether all were true to a predicate.
    All(u32),
    /// Whether any was true to a predicate.
    Any(u32),
}

impl<'a> Block<'a> {
    /// The memory of one block after another.
    pub fn new(launch: &'a Launch<'a>, kernel: &'a Kernel, global: &'a View) -> Block<'a> {
        Block {
            launch,
            kernel,
            global,
            place: Dim([0; 3]),
            shared: Shared::new(kernel.shared + launch.shared, launch.checks),
            barriers: Default::default(),
            executed: 0,
            live: 0,
        }
    }

    /// Runs the block at `place` with `warps`, which it starts anew.
    ///
    /// # Errors
    /// What stopped it.
    pub fn run(&mut self, place: Dim, warps: &mut [Warp]) -> Result<(), Box<Fault>> {
        self.place = place;
        self.shared.clear();
        self.barriers = Default::default();
        for warp in warps.iter_mut() {
            warp.start(self.kernel, self);
        }
        loop {
            let (mut done, mut moved) = (true, false);
            for warp in warps.iter_mut() {
                if warp.live() == 0 {
                    continue;
                }
                let before = self.executed;
                let turn = warp.turn(self.kernel, self).map_err(|trouble| self.fault(warp, *trouble))?;
                done &= turn == Turn::Done;
                moved |= self.executed != before;
            }
            if done {
                return Ok(());
            }
            moved |= self.open(warps);
            if !moved {
                return Err(self.stuck(warps));
            }
        }
    }

    /// Opens each barrier at which all have arrived; says whether one did.
    fn open(&mut self, warps: &mut [Warp]) -> bool {
        self.live = warps.iter().map(|w| w.live().count_ones() as usize).sum();
        let mut opened = false;
        for number in 0..BARRIERS {
            let barrier = &self.barriers[number];
            if barrier.arrived == 0 || barrier.arrived < barrier.expected.unwrap_or(self.live) {
                continue;
            }
            let Barrier { warps: members, count, answers, arrived, .. } = std::mem::take(&mut self.barriers[number]);
            opened = true;
            let mut joined = Clock(vec![0; warps.len()]);
            for warp in warps.iter().filter(|w| members >> w.number & 1 != 0) {
                joined.0.iter_mut().zip(&warp.clock.0).for_each(|(a, &b)| *a = (*a).max(b));
            }
            for (warp, lanes, answer) in answers {
                let warp = &mut warps[warp];
                match answer {
                    Answer::Count(register) => warp.write(register, lanes, &[u64::from(count); WARP]),
                    Answer::All(p) => {
                        warp.write_predicate(p, lanes, if count as usize == arrived { u32::MAX } else { 0 })
                    }
                    Answer::Any(p) => warp.write_predicate(p, lanes, if count > 0 { u32::MAX } else { 0 }),
                }
            }
            for warp in warps.iter_mut().filter(|w| members >> w.number & 1 != 0) {
                warp.clock.clone_from(&joined);
                warp.tick();
                warp.release(number);
            }
        }
        opened
    }

    fn fault(&self, warp: &Warp, trouble: Trouble) -> Box<Fault> {
        let lane = trouble.lane.unwrap_or(0);
        let thread = self.launch.block.place(warp.number * WARP + lane);
        let step = self.kernel.code.iter().find(|step| step.line == warp.line);
        let source = step.and_then(|step| step.source).map(|(file, line)| {
            let name = self.kernel.files.iter().find(|f| f.0 == file);
            (name.map_or_else(|| format!("file {file}"), |f| f.1.clone()), line)
        });
        Box::new(Fault {
            kind: trouble.kind,
            message: trouble.message,
            kernel: self.kernel.name.clone(),
            block: self.place,
            thread,
            line: warp.line,
            source,
        })
    }

    /// All live threads wait, and no barrier opens.
    fn stuck(&self, warps: &mut [Warp]) -> Box<Fault> {
        let parts: Vec<String> = self
            .barriers
            .iter()
            .enumerate()
            .filter(|(_, b)| b.arrived > 0)
            .map(|(i, b)| {
                let expected = b.expected.unwrap_or(self.live);
                format!("{} of {expected} threads have arrived at barrier {i} (PTX line {})", b.arrived, b.line)
            })
            .collect();
        let message = format!("no thread of the block can go on: {}", parts.join(", "));
        let first = warps.iter().position(|w| w.live() != 0).unwrap_or(0);
        let warp = &mut warps[first];
        warp.line = self.barriers.iter().find(|b| b.arrived > 0).map_or(warp.line, |b| b.line);
        let lane = warp.live().trailing_zeros() as usize % WARP;
        self.fault(warp, Trouble { kind: Kind::Divergence, lane: Some(lane), message })
    }
}
