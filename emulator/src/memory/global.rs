//! Global memory: all allocations of a device, by address.

use super::{Allocation, Problem};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The first address that is handed out, above all of the host's.
const FIRST: u64 = 1 << 48;
/// What lies between the first addresses of two devices.
const APART: u64 = 1 << 48;
/// What lies between two allocations at least, and what their addresses are multiples of.
const GAP: u64 = 512;
/// How many freed ranges are remembered by name.
const REMEMBERED: usize = 1 << 16;

/// The allocations of a device.
#[derive(Debug)]
pub struct Global {
    state: Mutex<State>,
    /// The bytes that there are.
    pub total: usize,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    used: usize,
    live: BTreeMap<u64, Arc<Allocation>>,
    freed: Arc<Mutex<BTreeMap<u64, usize>>>,
    view: Option<Arc<View>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Global {
    /// A device of `total` bytes.
    pub fn new(total: usize) -> Global {
        Global::of_device(0, total)
    }

    /// The device `number`, of `total` bytes, whose addresses no other device has.
    pub fn of_device(number: usize, total: usize) -> Global {
        let next = FIRST + number as u64 * APART;
        Global { state: Mutex::new(State { next, ..State::default() }), total }
    }

    /// The number of the device that an address belongs to, if it is one that was or will be handed out.
    pub fn device_of(address: u64) -> Option<usize> {
        Some((address.checked_sub(FIRST)? / APART) as usize)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Memory of `size` bytes, or `None` where the device or the host has no more.
    pub fn allocate(&self, size: usize) -> Option<Arc<Allocation>> {
        let mut state = self.state();
        if state.used.checked_add(size)? > self.total {
            return None;
        }
        let allocation = Arc::new(Allocation::new(state.next, size)?);
        state.next += (size as u64).next_multiple_of(GAP) + GAP;
        Some(state.add(allocation))
    }

    /// An address for `size` bytes that [`Global::place`] provides later.
    pub fn reserve(&self, size: usize) -> u64 {
        let mut state = self.state();
        let address = state.next;
        state.next += (size as u64).next_multiple_of(GAP) + GAP;
        lock(&state.freed).insert(address, size);
        address
    }

    /// Memory at an address that was reserved for as many bytes, or `None` where there is some, or no more.
    pub fn place(&self, address: u64, size: usize) -> Option<Arc<Allocation>> {
        let mut state = self.state();
        if state.live.contains_key(&address) || state.used.checked_add(size)? > self.total {
            return None;
        }
        let allocation = Arc::new(Allocation::new(address, size)?);
        lock(&state.freed).remove(&address);
        Some(state.add(allocation))
    }

    /// Gives back the allocation that starts at `address`; `None` where none does.
    pub fn free(&self, address: u64) -> Option<Arc<Allocation>> {
        let mut state = self.state();
        let allocation = state.live.remove(&address)?;
        allocation.freed.store(true, Ordering::Relaxed);
        state.used -= allocation.size;
        let mut freed = lock(&state.freed);
        freed.insert(address, allocation.size);
        if freed.len() > REMEMBERED {
            freed.pop_first();
        }
        drop(freed);
        state.view = None;
        Some(allocation)
    }

    /// The allocation that starts at `address`.
    pub fn get(&self, address: u64) -> Option<Arc<Allocation>> {
        self.state().live.get(&address).cloned()
    }

    /// The allocation that holds `bytes` bytes at `address`, and their offset in it.
    ///
    /// # Errors
    /// What lies there instead.
    pub fn find(&self, address: u64, bytes: usize) -> Result<(Arc<Allocation>, usize), Problem> {
        let before = self.state().live.range(..=address).next_back().map(|(_, a)| a.clone());
        match before.and_then(|a| a.offset(address, bytes).map(|offset| (a, offset))) {
            Some(found) => Ok(found),
            None => self.view().find(address, bytes).map(|(a, offset)| (a.clone(), offset)),
        }
    }

    /// The bytes in use.
    pub fn used(&self) -> usize {
        self.state().used
    }

    /// The allocations as they are now.
    pub fn view(&self) -> Arc<View> {
        let mut state = self.state();
        if let Some(view) = &state.view {
            return view.clone();
        }
        let view = Arc::new(View { live: state.live.values().cloned().collect(), freed: state.freed.clone() });
        state.view = Some(view.clone());
        view
    }
}

impl State {
    fn add(&mut self, allocation: Arc<Allocation>) -> Arc<Allocation> {
        self.used += allocation.size;
        self.live.insert(allocation.base, allocation.clone());
        self.view = None;
        allocation
    }
}

/// The allocations at one moment, which is what a kernel sees while it runs.
#[derive(Debug)]
pub struct View {
    live: Vec<Arc<Allocation>>,
    /// Shared with [`Global`]: what was freed before is freed now.
    freed: Arc<Mutex<BTreeMap<u64, usize>>>,
}

impl View {
    /// All of them, by address.
    pub fn allocations(&self) -> &[Arc<Allocation>] {
        &self.live
    }

    /// The allocation that holds `bytes` bytes at `address`, and their offset in it.
    ///
    /// # Errors
    /// What lies there instead.
    #[inline]
    pub fn find(&self, address: u64, bytes: usize) -> Result<(&Arc<Allocation>, usize), Problem> {
        let after = self.live.partition_point(|a| a.base <= address);
        if let Some(allocation) = after.checked_sub(1).map(|i| &self.live[i])
            && let Some(offset) = allocation.offset(address, bytes)
        {
            return Ok((allocation, offset));
        }
        Err(self.explain(address, bytes, after))
    }

    #[cold]
    fn explain(&self, address: u64, bytes: usize, after: usize) -> Problem {
        let size = |n: u64| if n == 1 { "1 byte".to_owned() } else { format!("{n} bytes") };
        if let Some((&base, &freed)) = lock(&self.freed).range(..=address).next_back()
            && address < base + freed as u64
        {
            return Problem::Freed(format!(
                "{address:#x} lies {} into an allocation of {} at {base:#x} that was freed",
                size(address - base),
                size(freed as u64)
            ));
        }
        let before = after.checked_sub(1).map(|i| &self.live[i]);
        let next = self.live.get(after);
        let far = |a: &&Arc<Allocation>| address - a.end().min(address);
        let near = |a: &&Arc<Allocation>| a.base - address;
        let text = match (before.filter(|a| far(a) < 1 << 32), next.filter(|a| near(a) < 1 << 32)) {
            (Some(a), next) if next.as_ref().is_none_or(|n| far(&a) <= near(n)) => {
                if address < a.end() {
                    let over = address + bytes as u64 - a.end();
                    format!(
                        "{address:#x}: the last {} lie behind the allocation of {} at {:#x}",
                        size(over),
                        size(a.size as u64),
                        a.base
                    )
                } else {
                    let far = size(far(&a));
                    format!(
                        "{address:#x} is {far} behind the end of the allocation of {} at {:#x}",
                        size(a.size as u64),
                        a.base
                    )
                }
            }
            (_, Some(a)) => {
                let near = size(near(&a));
                format!("{address:#x} is {near} before the allocation of {} at {:#x}", size(a.size as u64), a.base)
            }
            _ if address < 1 << 16 => format!("{address:#x} is a null pointer"),
            _ => format!("{address:#x} is no address of this device (a host pointer?)"),
        };
        Problem::OutOfBounds(text)
    }
}
