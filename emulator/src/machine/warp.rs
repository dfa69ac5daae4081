//! A warp: 32 lanes, their registers, and where each of them is in the code.
//!
//! Lanes that are at the same instruction form a group. The group at the lowest instruction runs first, so that groups meet
//! again where their ways join (Diamos et al., *SIMD re-convergence at thread frontiers*, MICRO 2011), and a group that
//! loops for long lets the others have their turn, as the independent thread scheduling of Volta does.

use super::fault::{Kind, Trouble};
use super::{Block, Copies, Flow, Kernel, Special};
use crate::memory::{Clock, Place};

/// The lanes of a warp.
pub const WARP: usize = 32;
/// All lanes.
pub const FULL: u32 = u32::MAX;
/// A register: the bits of each lane, zero-extended.
pub type Lanes = [u64; WARP];

/// How many jumps back a group takes before another has a turn.
const PATIENCE: u32 = 4096;

/// Lanes at one instruction.
#[derive(Clone, Copy, Debug)]
struct Group {
    at: usize,
    mask: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    /// It needs these lanes at its instruction.
    Join(u32),
    /// It waits at this barrier of the block.
    Wait(usize),
}

/// How a warp stands after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// All lanes have ended.
    Done,
    /// All lanes wait at barriers.
    Waiting,
    /// It could go on.
    Yielded,
}

/// A warp.
#[derive(Debug)]
pub struct Warp {
    /// The registers, by their number in the kernel.
    pub registers: Vec<Lanes>,
    /// The predicates, a bit a lane.
    pub predicates: Vec<u32>,
    /// Its number in the block.
    pub number: usize,
    /// The threads that it had at first; the last warp of a block may have fewer than 32.
    pub lanes: u32,
    /// What it knows of the other warps' accesses to shared memory.
    pub clock: Clock,
    /// Each lane's local memory, one behind the other.
    pub local: Vec<u8>,
    /// Copies to shared memory that are under way.
    pub copies: Copies,
    /// The line of the instruction that runs.
    pub line: u32,
    groups: Vec<Group>,
    /// The lanes of the group that runs, which is not among the others meanwhile.
    running: u32,
    jumps: u32,
}

impl Warp {
    /// The warp `number` of a block.
    pub fn new(kernel: &Kernel, number: usize) -> Warp {
        Warp {
            registers: vec![[0; WARP]; kernel.registers],
            predicates: vec![0; kernel.predicates],
            number,
            lanes: 0,
            clock: Clock::default(),
            local: vec![0; kernel.local * WARP],
            copies: Default::default(),
            line: 0,
            groups: Vec::new(),
            running: 0,
            jumps: 0,
        }
    }

    /// Makes it ready for the block that begins.
    pub fn start(&mut self, kernel: &Kernel, block: &Block) {
        let threads = block.launch.block.count();
        let first = self.number * WARP;
        let live = (threads - first).min(WARP);
        self.lanes = if live == WARP { FULL } else { (1 << live) - 1 };
        self.groups = vec![Group { at: 0, mask: self.lanes, state: State::Ready }];
        let warps = threads.div_ceil(WARP);
        self.clock.0.clear();
        self.clock.0.resize(warps, 0);
        self.clock.0[self.number] = 1;
        self.copies = Default::default();
        (self.jumps, self.running) = (0, 0);
        for &(register, value) in &kernel.constants {
            self.registers[register as usize] = [value; WARP];
        }
        for &predicate in &kernel.true_predicates {
            self.predicates[predicate as usize] = FULL;
        }
        for &(register, special) in &kernel.specials {
            self.registers[register as usize] =
                std::array::from_fn(|lane| value(special, first + lane, lane, kernel, block));
        }
    }

    /// The lanes that have not ended.
    pub fn live(&self) -> u32 {
        self.groups.iter().fold(self.running, |all, g| all | g.mask)
    }

    /// Writes a register's lanes of `mask`.
    #[inline(always)]
    pub fn write(&mut self, register: u32, mask: u32, values: &Lanes) {
        let to = &mut self.registers[register as usize];
        if mask == FULL {
            *to = *values;
        } else {
            for (lane, (to, value)) in to.iter_mut().zip(values).enumerate() {
                if mask >> lane & 1 != 0 {
                    *to = *value;
                }
            }
        }
    }

    /// Writes a predicate's lanes of `mask`.
    #[inline(always)]
    pub fn write_predicate(&mut self, predicate: u32, mask: u32, values: u32) {
        let to = &mut self.predicates[predicate as usize];
        *to = *to & !mask | values & mask;
    }

    /// A predicate's lanes, negated or not.
    #[inline(always)]
    pub fn predicate(&self, (predicate, negated): (u32, bool)) -> u32 {
        let bits = self.predicates[predicate as usize];
        if negated { !bits } else { bits }
    }

    /// Who accesses shared memory, for its check.
    #[inline(always)]
    pub fn place(&self, lane: usize) -> Place<'_> {
        Place { warp: self.number, lane, clock: &self.clock, line: self.line }
    }

    /// Begins a new interval: what the warp did is ordered before what it does.
    pub fn tick(&mut self) {
        self.clock.0[self.number] += 1;
    }

    /// Lets the lanes that wait at `barrier` go on.
    pub fn release(&mut self, barrier: usize) {
        for group in &mut self.groups {
            if group.state == State::Wait(barrier) {
                group.state = State::Ready;
            }
        }
    }

    /// The lanes that wait at `barrier`.
    pub fn waiting(&self, barrier: usize) -> u32 {
        self.groups.iter().filter(|g| g.state == State::Wait(barrier)).fold(0, |all, g| all | g.mask)
    }

    /// Runs until all lanes have ended or wait, or another warp should have its turn.
    pub fn turn(&mut self, kernel: &Kernel, block: &mut Block) -> Result<Turn, Box<Trouble>> {
        loop {
            let Some(chosen) = self.choose()? else {
                return Ok(if self.groups.is_empty() { Turn::Done } else { Turn::Waiting });
            };
            let mut group = self.groups.swap_remove(chosen);
            // The group runs up to where another one is.
            let limit = self.groups.iter().filter(|g| g.at > group.at).map(|g| g.at).min().unwrap_or(usize::MAX);
            self.running = group.mask;
            let yielded = self.run(kernel, block, &mut group, limit)?;
            self.running = 0;
            if group.mask != 0 {
                self.merge(group);
            }
            if yielded {
                return Ok(Turn::Yielded);
            }
        }
    }

    /// The group that runs next, if one can.
    fn choose(&mut self) -> Result<Option<usize>, Box<Trouble>> {
        let live = self.live();
        for group in &mut self.groups {
            if let State::Join(needed) = group.state
                && needed & live & !group.mask == 0
            {
                group.state = State::Ready;
            }
        }
        let ready = self.groups.iter().enumerate().filter(|(_, g)| g.state == State::Ready);
        let chosen = if self.jumps > PATIENCE {
            self.jumps = 0;
            ready.max_by_key(|(_, g)| g.at)
        } else {
            ready.min_by_key(|(_, g)| g.at)
        };
        if let Some((i, _)) = chosen {
            return Ok(Some(i));
        }
        let stuck =
            self.groups.iter().find_map(|g| if let State::Join(needed) = g.state { Some((g, needed)) } else { None });
        let Some((group, needed)) = stuck else { return Ok(None) };
        let (missing, lane) = (needed & live & !group.mask, group.mask.trailing_zeros() as usize);
        Err(Trouble::new(
            Kind::Divergence,
            lane,
            format!(
                "the lanes {:#010x} of warp {} are at an instruction that needs the lanes {needed:#010x} together, but the \
                 lanes {missing:#010x} wait elsewhere",
                group.mask, self.number
            ),
        ))
    }

    /// Puts a group back, joined with one that is at the same instruction in the same state.
    fn merge(&mut self, group: Group) {
        let same = |g: &&mut Group| {
            g.at == group.at && !matches!(g.state, State::Wait(_)) && !matches!(group.state, State::Wait(_))
        };
        if let Some(other) = self.groups.iter_mut().find(same) {
            other.mask |= group.mask;
            // One that joined may be complete now; it finds out when it runs.
            other.state = State::Ready;
        } else {
            self.groups.push(group);
        }
    }

    /// Runs `group` until it reaches `limit`, splits, jumps, ends or waits; says whether others should have a turn.
    fn run(
        &mut self,
        kernel: &Kernel,
        block: &mut Block,
        group: &mut Group,
        limit: usize,
    ) -> Result<bool, Box<Trouble>> {
        loop {
            let Some(step) = kernel.code.get(group.at) else {
                group.mask = 0;
                return Ok(false);
            };
            let mask = step.guard.map_or(group.mask, |guard| group.mask & self.predicate(guard));
            let flow = if mask == 0 {
                Flow::Next
            } else {
                self.line = step.line;
                block.executed += u64::from(mask.count_ones());
                step.run.run(self, block, mask)?
            };
            if flow == Flow::Next {
                group.at += 1;
                if group.at >= limit {
                    return Ok(false);
                }
                continue;
            }
            if mask != group.mask {
                self.merge(Group { at: group.at + 1, mask: group.mask & !mask, state: State::Ready });
                (group.mask, self.running) = (mask, mask);
            }
            match flow {
                Flow::Next => {}
                Flow::Jump(target) => {
                    self.jumps += u32::from(target <= group.at);
                    group.at = target;
                    if self.jumps > PATIENCE {
                        return Ok(true);
                    }
                    // The common loop: all lanes together.
                    if self.groups.is_empty() {
                        continue;
                    }
                }
                Flow::Split(lanes, target) => {
                    let others = Group { mask: group.mask & !lanes, ..*group };
                    if others.mask != 0 {
                        self.merge(others);
                    }
                    (group.at, group.mask) = (target, lanes);
                }
                Flow::Part(lanes) => {
                    // They go on alone up to the next instruction.
                    let others = Group { mask: group.mask & !lanes, ..*group };
                    group.mask = lanes;
                    self.merge(others);
                    let flow = step.run.run(self, block, lanes)?;
                    if flow == Flow::Next {
                        group.at += 1;
                    } else {
                        return Err(Trouble::new(
                            Kind::Undefined,
                            lanes.trailing_zeros() as usize,
                            "lanes meet here that name different members, and some of those are elsewhere",
                        ));
                    }
                }
                Flow::Exit => group.mask = 0,
                Flow::Join(needed) => group.state = State::Join(needed),
                Flow::Wait(barrier) => (group.at, group.state) = (group.at + 1, State::Wait(barrier)),
                Flow::Yield => {
                    group.at += 1;
                    return Ok(true);
                }
            }
            return Ok(false);
        }
    }
}

/// The value of a special register for a thread of the block.
fn value(special: Special, thread: usize, lane: usize, kernel: &Kernel, block: &Block) -> u64 {
    let launch = block.launch;
    let bit = 1u64 << lane;
    match special {
        Special::Tid(axis) => u64::from(launch.block.place(thread).0[usize::from(axis)]),
        Special::Ntid(axis) => u64::from(launch.block.0[usize::from(axis)]),
        Special::Ctaid(axis) => u64::from(block.place.0[usize::from(axis)]),
        Special::Nctaid(axis) => u64::from(launch.grid.0[usize::from(axis)]),
        Special::LaneId => lane as u64,
        Special::WarpId => (thread / WARP) as u64,
        Special::NWarpId => launch.block.count().div_ceil(WARP) as u64,
        Special::SmId => 0,
        Special::NSmId => 1,
        Special::GridId => 1,
        Special::LaneMaskEq => bit,
        Special::LaneMaskLt => bit - 1,
        Special::LaneMaskLe => bit | (bit - 1),
        Special::LaneMaskGe => u64::from(u32::MAX) & !(bit - 1),
        Special::LaneMaskGt => u64::from(u32::MAX) & !(bit - 1) & !bit,
        Special::DynamicSmemSize => launch.shared as u64,
        Special::TotalSmemSize => (kernel.shared + launch.shared) as u64,
    }
}
