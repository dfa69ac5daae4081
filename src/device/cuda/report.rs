//! What there is for CUDA on this machine and in this binary, and how to get what is missing.

use super::context::usable;
use super::driver::{Card, Driver, Version};
use super::kernel_table::{ENTRIES, HAVE_KERNELS, MODULES, PTX_VERSION, TARGET};
use super::{cublas, lt};
use crate::error::CudaError;
use std::fmt;

/// What was found, as `uncrumple devices` shows it by [`fmt::Display`].
#[derive(Clone, Debug)]
pub struct Report {
    /// The CUDA version that the driver supports.
    pub driver: Result<Version, CudaError>,
    /// The cards, or why none is seen, in the order of their numbers.
    pub cards: Vec<Result<CardReport, CudaError>>,
    /// cuBLAS's version: major, minor, patch.
    pub cublas: Result<[i32; 3], CudaError>,
    /// cuBLASLt's version: major, minor, patch.
    pub cublaslt: Result<[i32; 3], CudaError>,
    /// The kernels of this binary.
    pub kernels: Result<KernelReport, CudaError>,
}

/// A card.
#[derive(Clone, Debug)]
pub struct CardReport {
    /// Its number.
    pub ordinal: usize,
    /// Its name.
    pub name: String,
    /// Its compute capability.
    pub capability: Version,
    /// Bytes of memory.
    pub memory: usize,
    /// Why the kernels of this binary do not run on it, if they do not.
    pub problem: Option<CudaError>,
}

/// The kernels of this binary.
#[derive(Clone, Copy, Debug)]
pub struct KernelReport {
    /// How many there are, each dtype counted.
    pub count: usize,
    /// Of how many modules.
    pub modules: usize,
    /// Their PTX ISA version.
    pub ptx: Version,
    /// The oldest architecture that they run on: `sm_80`.
    pub target: &'static str,
}

/// Looks for everything that CUDA needs. Loads libraries, makes no context, and changes nothing.
pub fn report() -> Report {
    let driver = Driver::get();
    let cards = match &driver {
        Ok(Driver { cards: 0, .. }) => vec![Err(CudaError::NoDevice { ordinal: 0, count: 0 })],
        Ok(driver) => (0..driver.cards).map(|ordinal| card(*driver, ordinal)).collect(),
        Err(_) => Vec::new(),
    };
    let kernels = match HAVE_KERNELS {
        false => Err(CudaError::NoKernels),
        true => Ok(KernelReport {
            count: ENTRIES.len(),
            modules: MODULES.len(),
            ptx: Version::new(PTX_VERSION.0, PTX_VERSION.1),
            target: TARGET,
        }),
    };
    let driver = driver.map(|driver| driver.version);
    Report { driver, cards, cublas: cublas::version(), cublaslt: lt::version(), kernels }
}

fn card(driver: Driver, ordinal: usize) -> Result<CardReport, CudaError> {
    let card = Card::get(driver, ordinal)?;
    let problem = usable(driver, &card).err();
    Ok(CardReport { ordinal, name: card.name, capability: card.capability, memory: card.memory, problem })
}

/// One line a thing, its name in front; a long text goes on below, under its beginning.
///
/// ```text
/// driver     CUDA 13.0
/// cuda:0     NVIDIA H100 80GB HBM3, compute capability 9.0, 79.6 GiB
/// cuBLAS     13.0.2
/// cuBLASLt   13.0.2
/// kernels    418 in 23 modules, PTX ISA 9.0 for sm_80 and newer
/// ```
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, "driver", self.driver.as_ref().map(|version| format!("CUDA {version}")))?;
        for (i, card) in self.cards.iter().enumerate() {
            line(f, &format!("cuda:{i}"), card.as_ref())?;
            if let Ok(CardReport { problem: Some(problem), .. }) = card {
                line::<&str>(f, "", Err(problem))?;
            }
        }
        let library = |version: &[i32; 3]| version.map(|part| part.to_string()).join(".");
        line(f, "cuBLAS", self.cublas.as_ref().map(library))?;
        line(f, "cuBLASLt", self.cublaslt.as_ref().map(library))?;
        line(f, "kernels", self.kernels.as_ref())
    }
}

impl fmt::Display for CardReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = self.memory as f64 / (1u64 << 30) as f64;
        write!(f, "{}, compute capability {}, {memory:.1} GiB", self.name, self.capability)
    }
}

impl fmt::Display for KernelReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} modules, PTX ISA {} for {} and newer", self.count, self.modules, self.ptx, self.target)
    }
}

/// Characters of a line, and of the names in front.
const WIDTH: usize = 100;
const NAMES: usize = 11;

fn line<T: fmt::Display>(f: &mut fmt::Formatter<'_>, name: &str, found: Result<T, &CudaError>) -> fmt::Result {
    let text = found.map_or_else(|error| error.to_string(), |found| found.to_string());
    write!(f, "{name:NAMES$}")?;
    let mut column = NAMES;
    for (i, word) in text.split_whitespace().enumerate() {
        let length = word.chars().count();
        if i > 0 && column + 1 + length > WIDTH {
            write!(f, "\n{:NAMES$}", "")?;
            column = NAMES;
        } else if i > 0 {
            f.write_str(" ")?;
            column += 1;
        }
        f.write_str(word)?;
        column += length;
    }
    writeln!(f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_is_there_and_what_is_missing() {
        let capability = Version::new(7, 5);
        let needed =
            CudaError::CardTooOld { name: "Tesla T4".into(), found: "7.5".into(), needed: "8.0 or newer".into() };
        let card =
            CardReport { ordinal: 0, name: "Tesla T4".into(), capability, memory: 15 << 30, problem: Some(needed) };
        let report = Report {
            driver: Ok(Version::new(13, 0)),
            cards: vec![Ok(card)],
            cublas: Ok([13, 0, 2]),
            cublaslt: Err(CudaError::NoCublas {
                library: "cuBLASLt",
                searched: "libcublasLt.so and its versioned names".into(),
                reason: "libcublasLt.so: cannot open shared object file: No such file or directory".into(),
            }),
            kernels: Ok(KernelReport { count: 418, modules: 23, ptx: Version::new(9, 0), target: "sm_80" }),
        };
        assert_eq!(
            report.to_string(),
            "\
driver     CUDA 13.0
cuda:0     Tesla T4, compute capability 7.5, 15.0 GiB
           Tesla T4 has compute capability 7.5; the kernels of this binary need 8.0 or newer
cuBLAS     13.0.2
cuBLASLt   no cuBLASLt: libcublasLt.so and its versioned names could not be loaded (libcublasLt.so:
           cannot open shared object file: No such file or directory). Install the CUDA 13 libraries
           (Debian and Ubuntu: libcublas-13-0; pip: nvidia-cublas) and put their folder on
           LD_LIBRARY_PATH
kernels    418 in 23 modules, PTX ISA 9.0 for sm_80 and newer
"
        );
    }

    #[test]
    fn this_machine_is_reported() {
        let report = report();
        let text = report.to_string();
        println!("{text}");
        assert!(["driver", "\ncuBLAS ", "\ncuBLASLt ", "\nkernels"].iter().all(|name| text.contains(name)), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        if let Err(CudaError::NoDriver { .. }) = &report.driver {
            assert!(text.starts_with("driver     no NVIDIA driver: "), "{text}");
            assert!(report.cards.is_empty());
        }
    }
}
