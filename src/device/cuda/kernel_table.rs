//! The kernels that were compiled into the crate, and the handle that names one, checked when the crate is compiled.

use crate::dtype::DType;

include!(concat!(env!("OUT_DIR"), "/kernels.rs"));

/// A kernel entry of a module's PTX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The module: the stem of its `.cu` file.
    pub module: &'static str,
    /// The entry's name: the kernel's, an underscore and the dtype's suffix.
    pub name: &'static str,
    /// Bytes of each parameter.
    pub params: &'static [u16],
}

/// A kernel of one of the modules, for some dtypes.
///
/// Always a constant, so that a misspelt name or a missing dtype stops the compiler:
///
/// ```
/// use uncrumple::DType;
/// use uncrumple::device::cuda::Kernel;
///
/// const FILL: Kernel = Kernel::new("fill", "fill", &DType::ALL);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// The module: the stem of its `.cu` file.
    pub module: &'static str,
    /// The kernel's name, without the dtype's suffix.
    pub name: &'static str,
    /// The dtypes that it takes; empty for a kernel that has one entry, without a suffix.
    pub dtypes: &'static [DType],
    /// For each dtype the place of its entry in [`ENTRIES`], or [`NONE`]: a launch then searches for nothing.
    entries: [u16; DType::ALL.len()],
}

const NONE: u16 = u16::MAX;
const _: () = assert!(ENTRIES.len() < NONE as usize, "too many kernels for a u16");

impl Kernel {
    /// The kernel `name` of `kernels/MODULE.cu` for `dtypes`: entries `name_f32`, `name_bf16`, …, or plain `name` where
    /// `dtypes` is empty.
    ///
    /// # Panics
    /// Where the module lacks one of the entries: evaluated as a constant, that is an error of the compiler. A crate
    /// built without `nvcc` has no kernels to compare with and takes any name.
    pub const fn new(module: &'static str, name: &'static str, dtypes: &'static [DType]) -> Kernel {
        let mut entries = [NONE; DType::ALL.len()];
        let mut i = 0;
        while HAVE_KERNELS && i < entries.len() {
            if dtypes.is_empty() {
                entries[i] = required(module, name, "");
            } else if i < dtypes.len() {
                entries[dtypes[i] as usize] = required(module, name, dtypes[i].short());
            }
            i += 1;
        }
        Kernel { module, name, dtypes, entries }
    }

    /// The place in [`ENTRIES`] of the entry for `dtype` (any dtype, where the kernel has one entry); `None` if the kernel
    /// does not take it, or if the crate was built without `nvcc`.
    pub fn entry(&self, dtype: DType) -> Option<usize> {
        match self.entries[dtype as usize] {
            NONE => None,
            place => Some(place as usize),
        }
    }

    /// Bytes of each parameter of the entry for `dtype`, if there is one.
    pub fn params(&self, dtype: DType) -> Option<&'static [u16]> {
        self.entry(dtype).map(|place| ENTRIES[place].params)
    }
}

/// The place of the entry `NAME_SUFFIX` of the module.
const fn required(module: &str, name: &str, suffix: &str) -> u16 {
    match find(name, suffix) {
        Some(place) if equal(ENTRIES[place].module, module) => place as u16,
        Some(place) => {
            let (entry, other) = (ENTRIES[place].name, ENTRIES[place].module);
            missing(&["kernel `", entry, "` is in kernels/", other, ".cu, not in kernels/", module, ".cu"])
        }
        None => {
            let line = if suffix.is_empty() { "" } else { "_" };
            let advice = ".cu: its name is misspelt, or it is not instantiated for this dtype";
            missing(&["no kernel `", name, line, suffix, "` in kernels/", module, advice])
        }
    }
}

/// The place of the entry `NAME_SUFFIX`, or of `NAME` where the suffix is empty.
const fn find(name: &str, suffix: &str) -> Option<usize> {
    let (mut low, mut high) = (0, ENTRIES.len());
    while low < high {
        let middle = (low + high) / 2;
        match compare(ENTRIES[middle].name.as_bytes(), name.as_bytes(), suffix.as_bytes()) {
            0 => return Some(middle),
            1.. => high = middle,
            _ => low = middle + 1,
        }
    }
    None
}

/// Orders `entry` against `NAME_SUFFIX` as bytes: below, equal or above zero. Neither `str`'s order nor concatenation
/// is `const`.
const fn compare(entry: &[u8], name: &[u8], suffix: &[u8]) -> i32 {
    let length = if suffix.is_empty() { name.len() } else { name.len() + 1 + suffix.len() };
    let mut i = 0;
    while i < entry.len() && i < length {
        let byte = if i < name.len() {
            name[i]
        } else if i == name.len() {
            b'_'
        } else {
            suffix[i - name.len() - 1]
        };
        if entry[i] != byte {
            return entry[i] as i32 - byte as i32;
        }
        i += 1;
    }
    if entry.len() == length {
        0
    } else if entry.len() < length {
        -1
    } else {
        1
    }
}

const fn equal(a: &str, b: &str) -> bool {
    compare(a.as_bytes(), b.as_bytes(), b"") == 0
}

/// Panics with the parts joined: a constant's panic takes one string and no formatting.
const fn missing(parts: &[&str]) -> ! {
    let mut text = [b' '; 256];
    let (mut length, mut part) = (0, 0);
    while part < parts.len() {
        let bytes = parts[part].as_bytes();
        let mut i = 0;
        while i < bytes.len() && length < text.len() {
            text[length] = bytes[i];
            length += 1;
            i += 1;
        }
        part += 1;
    }
    match std::str::from_utf8(text.split_at(length).0) {
        Ok(text) => panic!("{}", text),
        Err(_) => panic!("a kernel is missing"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILL: Kernel = Kernel::new("fill", "fill", &DType::ALL);

    /// Why the compiler would refuse `Kernel::new` with these arguments.
    fn refusal(module: &'static str, name: &'static str, dtypes: &'static [DType]) -> Option<String> {
        let panic = std::panic::catch_unwind(|| Kernel::new(module, name, dtypes)).err()?;
        panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string()))
    }

    #[test]
    fn a_wrong_kernel_is_refused() {
        let wrong: [(_, _, &[DType], _); 4] = [
            ("fill", "fil", &[DType::F32], "no kernel `fil_f32` in kernels/fill.cu"),
            ("fill", "fill", &[], "no kernel `fill` in kernels/fill.cu"),
            ("fill", "fill_f3", &[DType::BF16], "no kernel `fill_f3_bf16` in kernels/fill.cu"),
            ("fil", "fill", &[DType::F32], "kernel `fill_f32` is in kernels/fill.cu, not in kernels/fil.cu"),
        ];
        for (module, name, dtypes, message) in wrong {
            let refusal = refusal(module, name, dtypes);
            assert_eq!(refusal.is_some(), HAVE_KERNELS, "`{name}` of `{module}`");
            assert!(refusal.iter().all(|refusal| refusal.starts_with(message)), "{refusal:?}");
        }
        assert_eq!(refusal("fill", "fill_f32", &[]), None);
    }

    #[test]
    fn parameters_have_the_size_of_their_dtype() {
        for dtype in DType::ALL {
            let expected: &[u16] = &[8, dtype.size() as u16, 8];
            assert_eq!(FILL.params(dtype), HAVE_KERNELS.then_some(expected), "{dtype}");
        }
        assert_eq!(Kernel::new("fill", "fill", &[DType::F32]).params(DType::F64), None);
        assert_eq!(Kernel::new("fill", "fill_f32", &[]).params(DType::I64).is_some(), HAVE_KERNELS);
    }

    #[test]
    fn every_entry_is_found() {
        assert_eq!(HAVE_KERNELS, !ENTRIES.is_empty());
        for (place, entry) in ENTRIES.iter().enumerate() {
            assert_eq!(find(entry.name, ""), Some(place));
            let (name, suffix) = entry.name.rsplit_once('_').unwrap();
            assert_eq!(find(name, suffix), Some(place));
            assert!(MODULES.iter().any(|(name, ptx)| *name == entry.module && ptx.contains(entry.name)));
        }
        for missing in ["", "a", "zzz", "fill_", "fill_f3", "fill_f320"] {
            assert_eq!(find(missing, ""), None);
        }
    }
}
