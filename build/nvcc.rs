//! Finding `nvcc`, and compiling what has changed with it.

use super::{read, write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::{env, fs, thread};

/// What every kernel is compiled with. `-lineinfo` lets profilers and `compute-sanitizer` name source lines; it changes
/// no instruction.
const FLAGS: [&str; 6] = ["-ptx", "-O3", "-std=c++17", "--fmad=true", "-lineinfo", "-Ikernels/include"];

/// A compiler that was found.
pub struct Nvcc {
    path: PathBuf,
    /// What `nvcc --version` prints, so that another nvcc compiles all anew.
    version: String,
    /// `-arch=compute_80`
    arch: String,
}

impl Nvcc {
    /// Looks at `UNCRUMPLE_NVCC` (which, if set, must run; `none` builds without kernels), then in `CUDA_HOME`, in
    /// `.toolchain/`, and on `PATH`.
    pub fn find(root: &Path) -> Result<Option<Nvcc>, String> {
        let arch = arch()?;
        let new = |path: PathBuf| version(&path).map(|version| Nvcc { path, version, arch: arch.clone() });
        if let Some(path) = env::var_os("UNCRUMPLE_NVCC").filter(|p| !p.is_empty()) {
            if path == "none" {
                return Ok(None);
            }
            return match new(path.clone().into()) {
                Some(nvcc) => Ok(Some(nvcc)),
                None => Err(format!("UNCRUMPLE_NVCC is {path:?}, which does not run: set it to an nvcc, or unset it")),
            };
        }
        let home = env::var_os("CUDA_HOME").filter(|h| !h.is_empty()).map(|home| Path::new(&home).join("bin/nvcc"));
        let fetched = root.join(".toolchain/nvidia/cu13/bin/nvcc");
        if let Some(nvcc) = home.into_iter().chain([fetched]).find_map(new) {
            return Ok(Some(nvcc));
        }
        // Watched only here: PATH differs between a terminal and an editor, and each change builds the crate again.
        println!("cargo:rerun-if-env-changed=PATH");
        Ok(new("nvcc".into()))
    }

    /// Compiles those of `kernels/NAME.cu` whose PTX in `out` was made of something else, on all cores.
    pub fn compile(&self, root: &Path, names: &[String], headers: &[PathBuf], out: &Path) -> Result<(), String> {
        let mut shared = format!("{}\n{} {FLAGS:?}\n", self.version, self.arch);
        for header in headers {
            shared += &read(header)?;
        }
        let queue = Mutex::new(names.iter());
        let next = || queue.lock().ok()?.next();
        let work = || {
            while let Some(name) = next() {
                self.compile_one(root, name, &shared, out)?;
            }
            Ok(())
        };
        let jobs = env::var("NUM_JOBS").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
        thread::scope(|scope| {
            let workers: Vec<_> = (0..names.len().min(jobs)).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|_| Err("a thread panicked".into())))
        })
    }

    fn compile_one(&self, root: &Path, name: &str, shared: &str, out: &Path) -> Result<(), String> {
        let source = format!("kernels/{name}.cu");
        // The recipe is kept whole beside the PTX: it is small, and unlike a hash it cannot collide.
        let recipe = format!("{shared}\n{}", read(&root.join(&source))?);
        let (ptx, kept) = (out.join(format!("{name}.ptx")), out.join(format!("{name}.recipe")));
        if ptx.exists() && fs::read_to_string(&kept).is_ok_and(|r| r == recipe) {
            return Ok(());
        }
        // Until all is done, what nvcc leaves here was made of nothing.
        let _ = fs::remove_file(&kept);
        let answer = Command::new(&self.path)
            .current_dir(root)
            .arg(&self.arch)
            .args(FLAGS)
            .arg(&source)
            .arg("-o")
            .arg(&ptx)
            .output()
            .map_err(|e| format!("{}: {e}", self.path.display()))?;
        let said = String::from_utf8_lossy(&answer.stderr);
        if !answer.status.success() {
            return Err(format!("{}: {source} does not compile:\n{said}", self.path.display()));
        }
        for line in said.lines() {
            println!("cargo:warning={line}");
        }
        // Paths relative to the repository: the same sources give the same bytes wherever they are built.
        write(&ptx, &read(&ptx)?.replace(&format!("\"{}/", root.display()), "\""))?;
        write(&kept, &recipe)
    }
}

fn version(nvcc: &Path) -> Option<String> {
    let answer = Command::new(nvcc).arg("--version").output().ok()?;
    answer.status.success().then(|| String::from_utf8_lossy(&answer.stdout).into_owned())
}

/// The architecture from `UNCRUMPLE_CUDA_ARCH` (`90`, `sm_90` and `compute_90` are one), by default 80.
fn arch() -> Result<String, String> {
    let wish = env::var("UNCRUMPLE_CUDA_ARCH").unwrap_or_default();
    let number = wish.trim_start_matches("sm_").trim_start_matches("compute_");
    match number {
        "" => Ok("-arch=compute_80".into()),
        _ if number.trim_end_matches(['a', 'f']).parse::<u32>().is_ok() => Ok(format!("-arch=compute_{number}")),
        _ => Err(format!("UNCRUMPLE_CUDA_ARCH is `{wish}`: expected a compute capability such as 80 or 90")),
    }
}
