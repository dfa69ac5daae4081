//! Copies to shared memory that are under way.

use super::WARP;

/// The copies that the lanes of a warp have begun.
#[derive(Debug, Default)]
pub struct Copies {
    /// Those of each lane.
    pub lanes: [Queue; WARP],
}

/// The copies of a lane, in their order.
#[derive(Debug, Default)]
pub struct Queue {
    /// Those that have not arrived.
    pub copies: Vec<Copied>,
    /// How many groups are closed; the open one has this number.
    pub groups: u64,
}

/// What a copy will write.
#[derive(Debug)]
pub struct Copied {
    /// The group that it belongs to.
    pub group: u64,
    /// Its place in shared memory.
    pub to: u64,
    /// Its size.
    pub bytes: usize,
    /// What was read.
    pub data: [u64; 2],
}
