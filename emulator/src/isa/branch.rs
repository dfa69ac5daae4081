//! Where a thread goes on: `bra`, `brx.idx`, `ret`, `exit`, `trap`, `nanosleep`, `griddepcontrol`, and what says nothing here.

use super::Decoded;
use super::cursor::Cursor;
use crate::machine::{Block, Flow, Instruction, Kind, Trouble, Warp};
use crate::ptx::Type;

struct Jump(usize);

impl Instruction for Jump {
    fn run(&self, _: &mut Warp, _: &mut Block, _: u32) -> Result<Flow, Box<Trouble>> {
        Ok(Flow::Jump(self.0))
    }

    fn link(&mut self, labels: &[usize]) {
        self.0 = labels[self.0];
    }
}

/// A jump to the label with this number.
pub fn jump(label: usize) -> Box<dyn Instruction> {
    Box::new(Jump(label))
}

/// `brx.idx`: the lanes with the lowest index go first; the others run the instruction again.
struct Table {
    index: u32,
    targets: Vec<usize>,
}

impl Instruction for Table {
    fn run(&self, warp: &mut Warp, _: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        let lane = mask.trailing_zeros() as usize;
        let index = warp.registers[self.index as usize][lane];
        let same = |l: &usize| mask >> l & 1 != 0 && warp.registers[self.index as usize][*l] == index;
        let together = (0..crate::machine::WARP).filter(same).fold(0, |all, l| all | 1 << l);
        match self.targets.get(index as usize) {
            Some(&target) => Ok(Flow::Split(together, target)),
            None => {
                Err(Trouble::new(Kind::Undefined, lane, format!("branch {index} of a list of {}", self.targets.len())))
            }
        }
    }

    fn link(&mut self, labels: &[usize]) {
        self.targets.iter_mut().for_each(|t| *t = labels[*t]);
    }
}

struct Exit;

impl Instruction for Exit {
    fn run(&self, _: &mut Warp, _: &mut Block, _: u32) -> Result<Flow, Box<Trouble>> {
        Ok(Flow::Exit)
    }
}

struct Trap;

impl Instruction for Trap {
    fn run(&self, _: &mut Warp, _: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        Err(Trouble::new(Kind::Trap, mask.trailing_zeros() as usize, "the kernel executed `trap`"))
    }
}

struct Nothing(Flow);

impl Instruction for Nothing {
    fn run(&self, _: &mut Warp, _: &mut Block, _: u32) -> Result<Flow, Box<Trouble>> {
        Ok(self.0)
    }
}

pub fn decode(base: &str, cursor: &mut Cursor) -> Option<Decoded> {
    Some(match base {
        "bra" => {
            cursor.flag("uni");
            cursor.label().map(jump)
        }
        "brx" => table(cursor),
        "ret" => {
            cursor.flag("uni");
            Ok(cursor.return_label().map_or_else(|| Box::new(Exit) as Box<dyn Instruction>, jump))
        }
        "exit" => Ok(Box::new(Exit)),
        "trap" => Ok(Box::new(Trap)),
        "brkpt" | "pmevent" => {
            while cursor.left() > 0 {
                let _ = cursor.operand();
            }
            cursor.flag("mask");
            Ok(Box::new(Nothing(Flow::Next)))
        }
        // Kernels of a stream run one after the other, so that those before have ended.
        "griddepcontrol" => match cursor.one_of(&["launch_dependents", "wait"]) {
            Some(_) => Ok(Box::new(Nothing(Flow::Next))),
            None => Err("expected `.launch_dependents` or `.wait`".to_owned()),
        },
        "nanosleep" => (|| {
            cursor.flag("u32");
            cursor.source(Type::U32)?;
            Ok(Box::new(Nothing(Flow::Yield)) as Box<dyn Instruction>)
        })(),
        _ => return None,
    })
}

fn table(cursor: &mut Cursor) -> Decoded {
    if !cursor.flag("idx") {
        return Err("expected `.idx`".to_owned());
    }
    cursor.flag("uni");
    let index = cursor.source(Type::U32)?;
    Ok(Box::new(Table { index, targets: cursor.targets()? }))
}
