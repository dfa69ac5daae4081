//! A kernel: decoded instructions, and what a launch must provide.

use super::fault::Trouble;
use super::{Block, Warp};
use std::fmt;

/// A kernel, with the functions that it calls inlined.
#[derive(Debug, Default)]
pub struct Kernel {
    /// Its name.
    pub name: String,
    /// Its parameters, in their order.
    pub params: Vec<Param>,
    /// The instructions. Execution begins with the first; the end is an exit.
    pub code: Vec<Step>,
    /// How many registers a thread has, constants and special registers among them.
    pub registers: usize,
    /// How many predicates.
    pub predicates: usize,
    /// Registers that hold a number from the start.
    pub constants: Vec<(u32, u64)>,
    /// Predicates that are true from the start.
    pub true_predicates: Vec<u32>,
    /// Registers that hold a special register's value.
    pub specials: Vec<(u32, Special)>,
    /// Bytes of shared memory whose size is known.
    pub shared: usize,
    /// Bytes of local memory of a thread.
    pub local: usize,
    /// `.maxntid`.
    pub max_threads: Option<u32>,
    /// The source files of `.loc`.
    pub files: Vec<(u32, String)>,
}

impl Kernel {
    /// The bytes of all parameters.
    pub fn param_bytes(&self) -> usize {
        self.params.last().map_or(0, |p| p.offset + p.bytes)
    }
}

/// A kernel's parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// Where it stands among all parameters.
    pub offset: usize,
    /// Its size.
    pub bytes: usize,
}

/// A special register whose value never changes while a thread runs; 0, 1, 2 stand for x, y, z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names are PTX's
pub enum Special {
    Tid(u8),
    Ntid(u8),
    Ctaid(u8),
    Nctaid(u8),
    LaneId,
    WarpId,
    NWarpId,
    SmId,
    NSmId,
    GridId,
    LaneMaskEq,
    LaneMaskLe,
    LaneMaskLt,
    LaneMaskGe,
    LaneMaskGt,
    DynamicSmemSize,
    TotalSmemSize,
}

/// An instruction in its place.
pub struct Step {
    /// The predicate that decides which lanes take part, and whether it is negated.
    pub guard: Option<(u32, bool)>,
    /// What it does.
    pub run: Box<dyn Instruction>,
    /// Its line in the PTX.
    pub line: u32,
    /// File and line in the source.
    pub source: Option<(u32, u32)>,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)
    }
}

/// What an instruction does, for a warp.
pub trait Instruction: Send + Sync {
    /// Executes it for the lanes of `mask`, which is never 0.
    ///
    /// # Errors
    /// What stops the kernel.
    fn run(&self, warp: &mut Warp, block: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>>;

    /// Puts places in the code where the decoder left numbers of labels.
    fn link(&mut self, _labels: &[usize]) {}
}

/// How a warp goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// With the next instruction.
    Next,
    /// The lanes that took part go to the instruction with this number.
    Jump(usize),
    /// Some of the lanes that took part go to an instruction; the others run this one again.
    Split(u32, usize),
    /// Some of the lanes that took part run the instruction by themselves, and the others after them.
    Part(u32),
    /// The lanes that took part end.
    Exit,
    /// The instruction needs these lanes together: it runs again when they are.
    Join(u32),
    /// The lanes wait at a barrier of the block, and go on behind it.
    Wait(usize),
    /// The lanes have waited long enough for others to have a turn; they go on with the next instruction.
    Yield,
}
