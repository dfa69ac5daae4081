//! Fills.

use super::error::{Result, invalid};
use super::handle::Raw;
use super::stream::{self, Stream};
use super::timeline::Work;
use super::transfer::{Place, Side, fault};
use super::{capture, device};
use std::sync::Arc;

/// A fill: an element again and again.
#[derive(Clone, Debug)]
pub struct Fill {
    /// The first element.
    pub to: u64,
    /// Bytes from a row to the next.
    pub pitch: usize,
    /// The element's low bytes.
    pub value: u32,
    /// Bytes of an element: 1, 2 or 4.
    pub element: usize,
    /// Elements of a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Fill {
    /// What is wrong with it, whenever it runs.
    ///
    /// # Errors
    /// Elements of other sizes or at addresses that are no multiple of theirs, and rows that are longer than the pitch.
    pub fn check(&self) -> Result {
        if !matches!(self.element, 1 | 2 | 4) {
            return invalid(format!("elements of {} bytes: expected 1, 2 or 4", self.element));
        }
        let misplaced = |n: u64| !n.is_multiple_of(self.element as u64);
        if misplaced(self.to) || self.height > 1 && misplaced(self.pitch as u64) {
            return invalid(format!(
                "{:#x} or the pitch is no multiple of the element's {} bytes",
                self.to, self.element
            ));
        }
        let (side, extent) = self.side();
        side.check(extent)?;
        if self.height > 1 && extent[0] > self.pitch {
            return invalid("rows that are longer than the pitch");
        }
        Ok(())
    }

    fn side(&self) -> (Side, [usize; 3]) {
        // What saturates here is more than `check` allows.
        let row = self.width.saturating_mul(self.element);
        (Side { place: Place::Device(self.to), pitch: self.pitch, slice: 0 }, [row, self.height, 1])
    }

    fn submit(self, stream: &Stream) -> Result {
        self.check()?;
        if self.width == 0 || self.height == 0 {
            return Ok(());
        }
        if !capture::is_capturing(stream.queue) {
            let (side, extent) = self.side();
            side.check_now(extent)?;
        }
        stream.submit(Arc::new(self))
    }
}

impl Work for Fill {
    fn run(&self) -> Result {
        let row = self.width * self.element;
        if row == 0 {
            return Ok(());
        }
        let piece: Vec<u8> =
            self.value.to_le_bytes()[..self.element].iter().copied().cycle().take(row.min(1 << 16)).collect();
        for y in 0..self.height {
            let (to, offset) = device::find(self.to.wrapping_add((y * self.pitch) as u64), row)
                .map_err(fault("a fill of device memory"))?;
            for start in (0..row).step_by(1 << 16) {
                to.write(offset + start, &piece[..piece.len().min(row - start)]);
            }
        }
        Ok(())
    }

    fn kind(&self) -> u32 {
        2
    }
}

fn fill(to: u64, pitch: usize, value: u32, element: usize, size: [usize; 2], stream: Option<Raw>) -> Result {
    let on = stream::get(stream.unwrap_or(std::ptr::null_mut()))?;
    if stream.is_none() {
        capture::refuse_unsafe("a fill without a stream")?;
    }
    Fill { to, pitch, value, element, width: size[0], height: size[1] }.submit(&on)
}

macro_rules! fills {
    ($($element:ty: $line:ident, $line_async:ident, $rows:ident, $rows_async:ident;)+) => {$(
        pub unsafe fn $line(to: u64, value: $element, count: usize) -> Result {
            fill(to, 0, value.into(), size_of::<$element>(), [count, 1], None)
        }

        pub unsafe fn $line_async(to: u64, value: $element, count: usize, stream: Raw) -> Result {
            fill(to, 0, value.into(), size_of::<$element>(), [count, 1], Some(stream))
        }

        pub unsafe fn $rows(to: u64, pitch: usize, value: $element, width: usize, height: usize) -> Result {
            fill(to, pitch, value.into(), size_of::<$element>(), [width, height], None)
        }

        pub unsafe fn $rows_async(
            to: u64,
            pitch: usize,
            value: $element,
            width: usize,
            height: usize,
            stream: Raw,
        ) -> Result {
            fill(to, pitch, value.into(), size_of::<$element>(), [width, height], Some(stream))
        }
    )+};
}
fills! {
    u8: fill_8, fill_8_async, fill_2d_8, fill_2d_8_async;
    u16: fill_16, fill_16_async, fill_2d_16, fill_2d_16_async;
    u32: fill_32, fill_32_async, fill_2d_32, fill_2d_32_async;
}
