//! Copies and fills.

use super::error::{Code, Error, Result, invalid, read};
use super::handle::Raw;
use super::memory::text_of;
use super::stream;
use super::timeline::Work;
use super::{capture, context, device, host};
use std::sync::Arc;

/// Where bytes are.
#[derive(Clone, Debug)]
pub enum Place {
    /// On a device.
    Device(u64),
    /// On the host.
    Host(usize),
    /// On the host when the call was made, and kept since.
    Kept(Arc<[u8]>),
}

/// Bytes in rows and slices.
#[derive(Clone, Debug)]
pub struct Side {
    /// The first byte.
    pub place: Place,
    /// Bytes from a row to the next.
    pub pitch: usize,
    /// Bytes from a slice to the next.
    pub slice: usize,
}

/// A copy.
#[derive(Clone, Debug)]
pub struct Copy {
    /// From here.
    pub from: Side,
    /// To there.
    pub to: Side,
    /// Bytes of a row, rows of a slice, slices.
    pub extent: [usize; 3],
}

/// What an address means by itself.
fn place_of(address: u64) -> Place {
    if device::owns(address) { Place::Device(address) } else { Place::Host(address as usize) }
}

impl Side {
    fn line(place: Place) -> Side {
        Side { place, pitch: 0, slice: 0 }
    }

    /// Bytes from the first to behind the last of an extent, where memory can have so many.
    fn span(&self, [width, height, depth]: [usize; 3]) -> Option<usize> {
        let rows = height.saturating_sub(1).checked_mul(self.pitch)?;
        let slices = depth.saturating_sub(1).checked_mul(self.slice)?;
        width.checked_add(rows)?.checked_add(slices).filter(|&span| isize::try_from(span).is_ok())
    }

    /// What is wrong with it, whenever it is used; gives its span.
    pub(super) fn check(&self, extent: [usize; 3]) -> Result<usize> {
        let Some(span) = self.span(extent) else { return invalid("more bytes than there are") };
        match self.place {
            Place::Host(0) if span > 0 => invalid("a null pointer for host memory"),
            Place::Host(address) if device::owns(address as u64) => {
                invalid(format!("{address:#x} is an address of a device where one of the host is expected"))
            }
            _ => Ok(span),
        }
    }

    /// What is wrong with it now, before any of it is touched.
    pub(super) fn check_now(&self, extent: [usize; 3]) -> Result {
        let span = self.check(extent)?;
        let Place::Device(address) = self.place else { return Ok(()) };
        let found = device::find(address, span);
        found.map(|_| ()).map_err(|problem| Error::new(Code::INVALID_VALUE, text_of(problem)))
    }

    fn is_pageable(&self, extent: [usize; 3]) -> bool {
        match self.place {
            Place::Host(address) => self.span(extent).is_none_or(|span| host::region(address, span).is_none()),
            _ => false,
        }
    }
}

pub(super) fn fault(what: &str) -> impl FnOnce(crate::memory::Problem) -> Error + '_ {
    move |problem| Error::new(Code::ILLEGAL_ADDRESS, format!("{what}: {}", text_of(problem)))
}

impl Work for Copy {
    fn run(&self) -> Result {
        let [width, height, depth] = self.extent;
        if self.is_empty() {
            return Ok(());
        }
        let dense = (height, depth) == (1, 1)
            || [&self.from, &self.to].iter().all(|s| s.pitch == width && (depth == 1 || s.slice == width * height));
        let (width, height, depth) = if dense { (width * height * depth, 1, 1) } else { (width, height, depth) };
        for z in 0..depth {
            for y in 0..height {
                self.row(y * self.from.pitch + z * self.from.slice, y * self.to.pitch + z * self.to.slice, width)?;
            }
        }
        Ok(())
    }

    fn kind(&self) -> u32 {
        1
    }

    fn holds(&self) -> usize {
        if let Place::Kept(bytes) = &self.from.place { bytes.len() } else { 0 }
    }
}

impl Copy {
    fn row(&self, from: usize, to: usize, bytes: usize) -> Result {
        match (&self.from.place, &self.to.place) {
            (Place::Device(a), Place::Device(b)) => {
                let (a, a_offset) = device::find(a + from as u64, bytes).map_err(fault("a copy from the device"))?;
                let (b, b_offset) = device::find(b + to as u64, bytes).map_err(fault("a copy to the device"))?;
                a.copy(a_offset, &b, b_offset, bytes);
            }
            (Place::Device(a), Place::Host(b)) => {
                let (a, offset) = device::find(a + from as u64, bytes).map_err(fault("a copy to the host"))?;
                // SAFETY: the caller of the copy promises that so many bytes may be written there until the stream was
                // waited for, as cuMemcpy asks.
                let to = unsafe { std::slice::from_raw_parts_mut(pointer(*b).add(to), bytes) };
                a.read(offset, to);
            }
            (source, Place::Device(b)) => {
                let (b, offset) = device::find(b + to as u64, bytes).map_err(fault("a copy from the host"))?;
                match source {
                    Place::Kept(kept) => b.write(offset, &kept[from..from + bytes]),
                    // SAFETY: as above, for reading.
                    Place::Host(a) => {
                        b.write(offset, unsafe { std::slice::from_raw_parts(pointer(*a).add(from), bytes) })
                    }
                    Place::Device(_) => {}
                }
            }
            (Place::Host(a), Place::Host(b)) => {
                // SAFETY: as above; the two may overlap.
                unsafe { pointer(*a).add(from).copy_to(pointer(*b).add(to), bytes) }
            }
            (Place::Kept(kept), Place::Host(b)) => {
                // SAFETY: as above.
                unsafe { pointer(*b).add(to).copy_from(kept[from..from + bytes].as_ptr(), bytes) }
            }
            (_, Place::Kept(_)) => return invalid("a copy to what is kept"),
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.extent.contains(&0)
    }

    /// What is wrong with it, whenever it runs.
    fn check(&self) -> Result {
        let [width, height, depth] = self.extent;
        for side in [&self.from, &self.to] {
            side.check(self.extent)?;
            if (height > 1 || depth > 1) && side.pitch < width {
                return invalid("rows that are longer than the pitch");
            }
            if depth > 1 && side.slice < height * side.pitch {
                return invalid("slices of more rows than the height of the memory");
            }
        }
        Ok(())
    }

    /// What is wrong with it now.
    fn check_now(&self) -> Result {
        self.check()?;
        self.from.check_now(self.extent)?;
        self.to.check_now(self.extent)
    }

    /// Keeps what is pageable, since the caller may change it once the call has returned.
    fn keep(&mut self) {
        if let (Place::Host(address), Some(span)) = (&self.from.place, self.from.span(self.extent)) {
            // SAFETY: the caller of the copy promises so many bytes there.
            let bytes: Arc<[u8]> = unsafe { std::slice::from_raw_parts(pointer(*address), span) }.into();
            self.from.place = Place::Kept(bytes);
        }
    }
}

fn pointer(address: usize) -> *mut u8 {
    std::ptr::with_exposed_provenance_mut(address)
}

/// Puts a copy on a stream. What is pageable on the host is read at the call, or written before it returns.
fn copy_async(mut copy: Copy, stream: Raw) -> Result {
    let stream = stream::get(stream)?;
    if copy.is_empty() {
        return Ok(());
    }
    // In a graph memory may be there only once it runs.
    if capture::is_capturing(stream.queue) {
        copy.check()?;
        return stream.submit(Arc::new(copy));
    }
    copy.check_now()?;
    let wait = copy.to.is_pageable(copy.extent);
    if !wait && copy.from.is_pageable(copy.extent) {
        capture::check_legacy(stream.queue)?;
        copy.keep();
    }
    stream.submit(Arc::new(copy))?;
    if wait { stream.wait() } else { Ok(()) }
}

/// Copies, and waits for it, but for one from the device to the device.
fn copy(copy: Copy) -> Result {
    let stream = stream::get(std::ptr::null_mut())?;
    capture::refuse_unsafe("a copy that waits")?;
    if copy.is_empty() {
        return Ok(());
    }
    copy.check_now()?;
    let on_device = matches!((&copy.from.place, &copy.to.place), (Place::Device(_), Place::Device(_)));
    stream.submit(Arc::new(copy))?;
    if on_device { Ok(()) } else { stream.wait() }
}

fn line(from: Place, to: Place, bytes: usize) -> Copy {
    Copy { from: Side::line(from), to: Side::line(to), extent: [bytes, 1, 1] }
}

pub unsafe fn unified(to: u64, from: u64, bytes: usize) -> Result {
    copy(line(place_of(from), place_of(to), bytes))
}

pub unsafe fn unified_async(to: u64, from: u64, bytes: usize, stream: Raw) -> Result {
    copy_async(line(place_of(from), place_of(to), bytes), stream)
}

pub unsafe fn to_device(to: u64, from: Raw, bytes: usize) -> Result {
    copy(line(Place::Host(from.expose_provenance()), Place::Device(to), bytes))
}

pub unsafe fn to_device_async(to: u64, from: Raw, bytes: usize, stream: Raw) -> Result {
    copy_async(line(Place::Host(from.expose_provenance()), Place::Device(to), bytes), stream)
}

pub unsafe fn to_host(to: Raw, from: u64, bytes: usize) -> Result {
    copy(line(Place::Device(from), Place::Host(to.expose_provenance()), bytes))
}

pub unsafe fn to_host_async(to: Raw, from: u64, bytes: usize, stream: Raw) -> Result {
    copy_async(line(Place::Device(from), Place::Host(to.expose_provenance()), bytes), stream)
}

pub unsafe fn on_device(to: u64, from: u64, bytes: usize) -> Result {
    copy(line(Place::Device(from), Place::Device(to), bytes))
}

pub unsafe fn on_device_async(to: u64, from: u64, bytes: usize, stream: Raw) -> Result {
    copy_async(line(Place::Device(from), Place::Device(to), bytes), stream)
}

pub unsafe fn peer(to: u64, there: Raw, from: u64, here: Raw, bytes: usize) -> Result {
    context::get(there).and(context::get(here))?;
    copy(line(Place::Device(from), Place::Device(to), bytes))
}

pub unsafe fn peer_async(to: u64, there: Raw, from: u64, here: Raw, bytes: usize, stream: Raw) -> Result {
    context::get(there).and(context::get(here))?;
    copy_async(line(Place::Device(from), Place::Device(to), bytes), stream)
}

/// One side of `CUDA_MEMCPY2D`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Side2D {
    x: usize,
    y: usize,
    kind: u32,
    host: Raw,
    device: u64,
    array: Raw,
    pitch: usize,
}

/// `CUDA_MEMCPY2D`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Copy2D {
    from: Side2D,
    to: Side2D,
    width: usize,
    height: usize,
}

/// One side of `CUDA_MEMCPY3D` and `CUDA_MEMCPY3D_PEER`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Side3D {
    x: usize,
    y: usize,
    z: usize,
    level: usize,
    kind: u32,
    host: Raw,
    device: u64,
    array: Raw,
    /// Reserved, or the context.
    context: Raw,
    pitch: usize,
    height: usize,
}

/// `CUDA_MEMCPY3D`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Copy3D {
    from: Side3D,
    to: Side3D,
    width: usize,
    height: usize,
    depth: usize,
}

fn side(kind: u32, host: Raw, device: u64, offset: Option<usize>, pitch: usize, slice: usize) -> Result<Side> {
    let Some(offset) = offset else { return invalid("an offset beyond all memory") };
    let place = match kind {
        1 if host.is_null() => Place::Host(0),
        1 => Place::Host(host.expose_provenance().wrapping_add(offset)),
        2 => Place::Device(device.wrapping_add(offset as u64)),
        4 => place_of(device.wrapping_add(offset as u64)),
        _ => return Err(Error::new(Code::NOT_SUPPORTED, "a copy from or to an array")),
    };
    Ok(Side { place, pitch, slice })
}

impl Side2D {
    fn side(&self, width: usize) -> Result<Side> {
        let pitch = if self.pitch == 0 { width } else { self.pitch };
        let offset = self.y.checked_mul(pitch).and_then(|rows| rows.checked_add(self.x));
        side(self.kind, self.host, self.device, offset, pitch, 0)
    }
}

impl Side3D {
    fn side(&self, width: usize, height: usize) -> Result<Side> {
        let pitch = if self.pitch == 0 { width } else { self.pitch };
        let rows = if self.height == 0 { height } else { self.height };
        let offset = (self.z.checked_mul(rows).and_then(|r| r.checked_add(self.y)))
            .and_then(|rows| rows.checked_mul(pitch)?.checked_add(self.x));
        let Some(slice) = pitch.checked_mul(rows) else { return invalid("slices beyond all memory") };
        side(self.kind, self.host, self.device, offset, pitch, slice)
    }
}

impl Copy3D {
    /// What it copies.
    ///
    /// # Errors
    /// Arrays, null pointers, and rows or slices that are longer than what is between two of them.
    pub fn copy(&self) -> Result<Copy> {
        let (from, to) = (self.from.side(self.width, self.height)?, self.to.side(self.width, self.height)?);
        let copy = Copy { from, to, extent: [self.width, self.height, self.depth] };
        copy.check().map(|()| copy)
    }
}

unsafe fn read_2d(copy: *const Copy2D) -> Result<Copy> {
    // SAFETY: the caller's promise.
    let copy = unsafe { read(copy) }?;
    let (from, to) = (copy.from.side(copy.width)?, copy.to.side(copy.width)?);
    let copy = Copy { from, to, extent: [copy.width, copy.height, 1] };
    copy.check().map(|()| copy)
}

pub unsafe fn copy_2d(parameters: *const Copy2D) -> Result {
    // SAFETY: the caller's promise.
    copy(unsafe { read_2d(parameters) }?)
}

pub unsafe fn copy_2d_async(parameters: *const Copy2D, stream: Raw) -> Result {
    // SAFETY: the caller's promise.
    copy_async(unsafe { read_2d(parameters) }?, stream)
}

pub unsafe fn copy_3d(parameters: *const Copy3D) -> Result {
    // SAFETY: the caller's promise.
    copy(unsafe { read(parameters) }?.copy()?)
}

pub unsafe fn copy_3d_async(parameters: *const Copy3D, stream: Raw) -> Result {
    // SAFETY: the caller's promise.
    copy_async(unsafe { read(parameters) }?.copy()?, stream)
}
