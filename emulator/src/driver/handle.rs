//! Handles: numbers that stand for objects, so that a handle that was destroyed or never made is recognised.

use super::error::{Code, Error, Result, lock};
use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// A handle as a caller holds it.
pub type Raw = *mut c_void;

/// The objects of one kind, by handle.
#[derive(Debug)]
pub struct Handles<T> {
    kind: &'static str,
    null: Code,
    objects: Mutex<Option<HashMap<usize, Arc<T>>>>,
}

impl<T> Handles<T> {
    /// No objects, of the kind that errors call `kind`.
    pub const fn new(kind: &'static str) -> Handles<T> {
        Handles { kind, null: Code::INVALID_VALUE, objects: Mutex::new(None) }
    }

    /// As [`Handles::new`], of a kind whose null handle is `CUDA_ERROR_INVALID_HANDLE` too.
    pub const fn resource(kind: &'static str) -> Handles<T> {
        Handles { kind, null: Code::INVALID_HANDLE, objects: Mutex::new(None) }
    }

    /// Keeps an object under a new handle, which `make` may put into it.
    pub fn add(&self, make: impl FnOnce(usize) -> T) -> (Raw, Arc<T>) {
        // No handle is 0, 1 or 2, which name streams that are always there, and none is ever used again.
        static NEXT: AtomicUsize = AtomicUsize::new(0x1000);
        let number = NEXT.fetch_add(16, Relaxed);
        let object = Arc::new(make(number));
        lock(&self.objects).get_or_insert_default().insert(number, object.clone());
        (std::ptr::without_provenance_mut(number), object)
    }

    /// The object that `handle` stands for.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_HANDLE`; for a null handle what its kind has for it.
    pub fn get(&self, handle: Raw) -> Result<Arc<T>> {
        if handle.is_null() {
            return Err(Error::new(self.null, format!("a null pointer for {}", self.kind)));
        }
        let objects = lock(&self.objects);
        objects.as_ref().and_then(|all| all.get(&handle.addr()).cloned()).ok_or_else(|| self.unknown(handle))
    }

    /// The object of the handle with this number, if there is one.
    pub fn find(&self, number: usize) -> Option<Arc<T>> {
        lock(&self.objects).as_ref()?.get(&number).cloned()
    }

    /// Forgets a handle.
    ///
    /// # Errors
    /// As [`Handles::get`].
    pub fn remove(&self, handle: Raw) -> Result<Arc<T>> {
        self.get(handle)?;
        let removed = lock(&self.objects).as_mut().and_then(|all| all.remove(&handle.addr()));
        removed.ok_or_else(|| self.unknown(handle))
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<T>> {
        lock(&self.objects).iter().flat_map(HashMap::values).cloned().collect()
    }

    fn unknown(&self, handle: Raw) -> Error {
        Error::new(Code::INVALID_HANDLE, format!("{handle:p} is not {}, or was destroyed", self.kind))
    }
}
