//! Compiles `kernels/*.cu` to PTX and writes `kernels.rs`, the table of kernel entries that `src/device/cuda` includes.
//!
//! Needs only `nvcc`: no GPU, no driver, no CUDA library. Without `nvcc` the table is empty and all else still builds.

#[path = "build/nvcc.rs"]
mod nvcc;
#[path = "build/ptx.rs"]
mod ptx;

use nvcc::Nvcc;
use ptx::Module;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=build");
    println!("cargo:rerun-if-changed=kernels");
    for variable in ["UNCRUMPLE_NVCC", "UNCRUMPLE_CUDA_ARCH", "CUDA_HOME", "NVCC_CCBIN"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    if let Err(message) = run() {
        // Cargo shows what a failed build script wrote to standard error.
        eprintln!("{message}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), String> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("run by cargo only")?);
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("run by cargo only")?);
    let modules = match Nvcc::find(&root)? {
        Some(nvcc) => compile(&nvcc, &root, &out)?,
        None => {
            println!(
                "cargo:warning=no nvcc: building without CUDA kernels. Run ./scripts/setup-nvcc, set CUDA_HOME, or put \
                 nvcc 13.0 on PATH, and build again"
            );
            Vec::new()
        }
    };
    write(&out.join("kernels.rs"), &table(&modules)?)
}

/// The modules, sorted by name, with their PTX in `out`.
fn compile(nvcc: &Nvcc, root: &Path, out: &Path) -> Result<Vec<Module>, String> {
    let mut names = Vec::new();
    for path in files(&root.join("kernels"))? {
        if path.extension().is_some_and(|e| e == "cu") {
            names.push(path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
    let headers = files(&root.join("kernels/include"))?;
    nvcc.compile(root, &names, &headers, out)?;
    names.into_iter().map(|name| Module::parse(&name, &read(&out.join(format!("{name}.ptx")))?)).collect()
}

/// The text of `kernels.rs`.
fn table(modules: &[Module]) -> Result<String, String> {
    let mut entries: Vec<_> = modules.iter().flat_map(|m| m.entries.iter().map(move |e| (&e.name, m, e))).collect();
    entries.sort_by_key(|(name, ..)| *name);
    if let Some(pair) = entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let [(name, a, _), (_, b, _)] = [pair[0], pair[1]];
        return Err(format!("kernel `{name}` is in both kernels/{}.cu and kernels/{}.cu: rename one", a.name, b.name));
    }
    let version = modules.iter().map(|m| m.version).max().unwrap_or_default();
    let target = modules.first().map_or("", |m| m.target.as_str());

    let mut text = String::new();
    let mut line = |args: std::fmt::Arguments| writeln!(text, "{args}").map_err(|e| e.to_string());
    line(format_args!("/// Whether `nvcc` was found when the crate was built."))?;
    line(format_args!("pub const HAVE_KERNELS: bool = {};", !modules.is_empty()))?;
    line(format_args!("/// The PTX ISA version of the modules."))?;
    line(format_args!("pub const PTX_VERSION: (u32, u32) = {version:?};"))?;
    line(format_args!("/// The oldest architecture that the modules run on, such as `sm_80`."))?;
    line(format_args!("pub const TARGET: &str = {target:?};"))?;
    line(format_args!("/// Name and PTX of each module; the name is the stem of its `.cu` file."))?;
    line(format_args!("pub static MODULES: &[(&str, &str)] = &["))?;
    for Module { name, .. } in modules {
        line(format_args!("    ({name:?}, include_str!(concat!(env!(\"OUT_DIR\"), \"/{name}.ptx\"))),"))?;
    }
    line(format_args!("];"))?;
    line(format_args!("/// The entries of all modules, sorted by name."))?;
    line(format_args!("pub const ENTRIES: &[Entry] = &["))?;
    for (name, module, entry) in entries {
        let (module, params) = (&module.name, &entry.params);
        line(format_args!("    Entry {{ module: {module:?}, name: {name:?}, params: &{params:?} }},"))?;
    }
    line(format_args!("];"))?;
    Ok(text)
}

/// The files of a folder, sorted; none where there is no folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| format!("{}: {e}", folder.display()))?.path();
        if path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}
