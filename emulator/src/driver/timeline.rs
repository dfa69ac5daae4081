//! The order of asynchronous work.
//!
//! Everything that a stream does is a task: a number, the tasks that it comes after, and the work. A stream is the number
//! of its last task, and an event names one. **Nothing runs until somebody waits for it**, so that a program that reads a
//! result without waiting reads what stood there before, each time. Waiting for a task runs the tasks that it depends
//! on, in the order of their numbers, and then the task; what does not come before it stays undone, as it may on a device.

use super::error::{Code, Error, Result, lock, message};
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;

/// Something that a device does.
pub trait Work: Any + Debug + Send + Sync {
    /// Does it.
    ///
    /// # Errors
    /// What stops the context for good.
    fn run(&self) -> Result;

    /// What it is as a node of a graph: a `CUgraphNodeType`.
    fn kind(&self) -> u32;

    /// Bytes of the host's memory that it holds until it has run.
    fn holds(&self) -> usize {
        0
    }
}

/// Whose work it is: a context.
pub trait Owner: Debug + Send + Sync {
    /// Whether its work went well so far.
    ///
    /// # Errors
    /// What went wrong; its further work does not run.
    fn fault(&self) -> Result;

    /// Takes what its work did wrong.
    fn fail(&self, error: Error);
}

/// A sequence of work: a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Queue {
    /// The null stream of the context with this number.
    Legacy(u64),
    /// The default stream of a thread.
    Thread(u64, ThreadId),
    /// A stream that was made, by its own number, and whether it keeps step with the null stream.
    Made(u64, u64, bool),
}

impl Queue {
    /// The number of its context.
    pub fn context(self) -> u64 {
        match self {
            Queue::Legacy(context) | Queue::Thread(context, _) | Queue::Made(context, ..) => context,
        }
    }

    /// Whether it waits for the null stream, and the null stream for it.
    pub fn is_blocking(self) -> bool {
        !matches!(self, Queue::Made(_, _, false))
    }
}

#[derive(Debug)]
struct Task {
    owner: Arc<dyn Owner>,
    after: Vec<u64>,
    work: Vec<Arc<dyn Work>>,
    holds: usize,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the last task that was made.
    last: u64,
    /// Tasks that have not run.
    pending: BTreeMap<u64, Task>,
    /// The last task of each queue that has some pending.
    queues: HashMap<Queue, u64>,
    /// Host memory that pending tasks hold.
    held: usize,
}

static STATE: Mutex<Option<State>> = Mutex::new(None);
/// Held by the one thread that runs tasks.
static EXECUTOR: Mutex<()> = Mutex::new(());

/// How many tasks, and how much host memory, may be pending.
const MOST_TASKS: usize = 4096;
const MOST_HELD: usize = 256 << 20;

fn with<R>(work: impl FnOnce(&mut State) -> R) -> R {
    work(lock(&STATE).get_or_insert_default())
}

/// Puts `work` at the end of `queue`, behind the tasks `after` too; gives its number.
pub fn push(queue: Queue, owner: &Arc<dyn Owner>, after: &[u64], work: Vec<Arc<dyn Work>>) -> u64 {
    let (number, full) = with(|state| {
        let mut after: Vec<u64> = after.iter().copied().filter(|task| state.pending.contains_key(task)).collect();
        after.extend(state.queues.get(&queue));
        match queue {
            Queue::Legacy(context) => {
                after.extend(
                    state.queues.iter().filter(|(q, _)| q.context() == context && q.is_blocking()).map(|q| q.1),
                );
            }
            _ if queue.is_blocking() => after.extend(state.queues.get(&Queue::Legacy(queue.context()))),
            _ => {}
        }
        state.last += 1;
        let holds = work.iter().map(|w| w.holds()).sum();
        state.held += holds;
        state.pending.insert(state.last, Task { owner: owner.clone(), after, work, holds });
        state.queues.insert(queue, state.last);
        (state.last, state.pending.len() > MOST_TASKS || state.held > MOST_HELD)
    });
    if full {
        finish_all();
    }
    number
}

/// The last task of a queue, if one is pending.
pub fn last(queue: Queue) -> Option<u64> {
    with(|state| state.queues.get(&queue).copied())
}

/// Whether a task has not run yet.
pub fn is_pending(task: u64) -> bool {
    with(|state| state.pending.contains_key(&task))
}

/// Runs the tasks and all that they come after. What they do wrong stands in their contexts then.
pub fn finish(tasks: impl IntoIterator<Item = u64>) {
    let mut open: Vec<u64> = tasks.into_iter().collect();
    if open.is_empty() {
        return;
    }
    let _turn = lock(&EXECUTOR);
    let mut wanted = BTreeSet::new();
    with(|state| {
        while let Some(task) = open.pop() {
            if let Some(pending) = state.pending.get(&task)
                && wanted.insert(task)
            {
                open.extend(&pending.after);
            }
        }
    });
    // Each comes after lower numbers only.
    for number in wanted {
        let Some((owner, work)) = with(|state| {
            state.pending.get_mut(&number).map(|task| (task.owner.clone(), std::mem::take(&mut task.work)))
        }) else {
            continue;
        };
        for work in work {
            if owner.fault().is_err() {
                break;
            }
            let run = std::panic::AssertUnwindSafe(|| work.run());
            let result = std::panic::catch_unwind(run)
                .unwrap_or_else(|panic| Err(Error::new(Code::UNKNOWN, format!("{work:?}: {}", message(&*panic)))));
            if let Err(error) = result {
                owner.fail(error);
            }
        }
        let done = with(|state| {
            state.queues.retain(|_, last| *last != number);
            let done = state.pending.remove(&number);
            state.held -= done.as_ref().map_or(0, |task| task.holds);
            done
        });
        // Outside the lock: what a task holds may be the last of a context.
        drop(done);
    }
}

/// Runs the work of `queue`; says whether there was any.
pub fn finish_queue(queue: Queue) -> bool {
    let tasks = with(|state| match queue {
        // The null stream's tasks come after all that blocking streams do, but not before a next one is asked for.
        Queue::Legacy(context) => {
            state.queues.iter().filter(|(q, _)| q.context() == context && q.is_blocking()).map(|q| *q.1).collect()
        }
        _ => state.queues.get(&queue).copied().into_iter().collect::<Vec<u64>>(),
    });
    let any = !tasks.is_empty();
    finish(tasks);
    any
}

/// Runs all work of a context.
pub fn finish_context(context: u64) {
    finish(with(|state| {
        state.queues.iter().filter(|(q, _)| q.context() == context).map(|q| *q.1).collect::<Vec<u64>>()
    }));
}

/// Runs everything.
pub fn finish_all() {
    finish(with(|state| state.pending.keys().copied().collect::<Vec<u64>>()));
}

/// How many tasks are pending.
pub fn pending() -> usize {
    with(|state| state.pending.len())
}
