//! What stops a kernel: the text is what a user reads, the kind decides the driver's error code.

use super::Dim;
use crate::memory::Problem;
use std::fmt;

/// The sort of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An address outside every allocation, or in one that was freed.
    IllegalAddress,
    /// An address that is no multiple of the access's size.
    MisalignedAddress,
    /// A read of memory that nothing wrote.
    Unwritten,
    /// A race for shared memory.
    Race,
    /// A barrier, or another instruction that needs its lanes together, which not all of them reach.
    Divergence,
    /// `trap`, or a failed `assert`.
    Trap,
    /// A use of an instruction that the ISA leaves undefined.
    Undefined,
}

/// A fault, and where it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its sort.
    pub kind: Kind,
    /// What is wrong.
    pub message: String,
    /// The kernel's name.
    pub kernel: String,
    /// The block's place in the grid.
    pub block: Dim,
    /// The thread's place in the block; that of the first lane concerned.
    pub thread: Dim,
    /// The line of the PTX.
    pub line: u32,
    /// The source file and line, where the module has line information.
    pub source: Option<(String, u32)>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { message, kernel, block, thread, line, .. } = self;
        let what = match self.kind {
            Kind::IllegalAddress => "illegal address",
            Kind::MisalignedAddress => "misaligned address",
            Kind::Unwritten => "read of memory that was never written",
            Kind::Race => "race for shared memory",
            Kind::Divergence => "divergent barrier",
            Kind::Trap => "trap",
            Kind::Undefined => "undefined behaviour",
        };
        write!(f, "{what} in kernel `{kernel}`, block {block}, thread {thread}, PTX line {line}")?;
        if let Some((file, line)) = &self.source {
            write!(f, " ({file}:{line})")?;
        }
        write!(f, ": {message}")
    }
}

/// A fault before its place is known: the lane that it concerns, if one does.
#[derive(Debug)]
pub struct Trouble {
    pub kind: Kind,
    pub lane: Option<usize>,
    pub message: String,
}

impl Trouble {
    /// The trouble of `lane`.
    pub fn new(kind: Kind, lane: usize, message: impl Into<String>) -> Box<Trouble> {
        Box::new(Trouble { kind, lane: Some(lane), message: message.into() })
    }

    /// What a lane's access met.
    pub fn of(problem: Problem, lane: usize) -> Box<Trouble> {
        let (kind, message) = match problem {
            Problem::OutOfBounds(m) | Problem::Freed(m) => (Kind::IllegalAddress, m),
            Problem::Misaligned(m) => (Kind::MisalignedAddress, m),
            Problem::Unwritten(m) => (Kind::Unwritten, m),
            Problem::Race(m) => (Kind::Race, m),
        };
        Trouble::new(kind, lane, message)
    }
}
