//! Well-known kernels, compiled by nvcc here and now, against the same computed on the CPU, with all checks on.
//!
//! Without nvcc (`NVCC`, `UNCRUMPLE_NVCC`, `CUDA_HOME`, the repository's `.toolchain`, `PATH`) a test says so and ends;
//! with `UNCRUMPLE_REQUIRE_CUDA=1` it fails.

mod common;

use common::{Device, Plain};
use cuda_emulator::isa::Symbols;
use cuda_emulator::machine::Kind;
use cuda_emulator::ptx::Module;
use half::{bf16, f16};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// nvcc, or why there is none.
fn nvcc() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let places = [
        variable("NVCC"),
        variable("UNCRUMPLE_NVCC"),
        variable("CUDA_HOME").map(|home| home.join("bin/nvcc")),
        Some(root.join(".toolchain/nvidia/cu13/bin/nvcc")),
        Some("nvcc".into()),
    ];
    let runs = |nvcc: &PathBuf| Command::new(nvcc).arg("--version").output().is_ok_and(|o| o.status.success());
    let found = places.into_iter().flatten().find(runs);
    if found.is_none() {
        let required = std::env::var("UNCRUMPLE_REQUIRE_CUDA").is_ok_and(|v| v == "1");
        assert!(!required, "no nvcc: run scripts/setup-nvcc, or set NVCC");
        eprintln!("skipped: no nvcc; run scripts/setup-nvcc, or set NVCC");
    }
    found
}

/// The PTX of `kernels/NAME.cu`, compiled once.
fn ptx(name: &str) -> Option<String> {
    static COMPILED: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(text) = compiled.get(name) {
        return Some(text.clone());
    }
    let nvcc = nvcc()?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/kernels/{name}.cu"));
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.ptx", std::process::id()));
    let answer = Command::new(nvcc)
        .args(["-ptx", "-O3", "-std=c++17", "-arch=compute_80", "-lineinfo"])
        .arg(source)
        .arg("-o")
        .arg(&out)
        .output()
        .unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let text = std::fs::read_to_string(&out).unwrap();
    std::fs::remove_file(&out).unwrap();
    compiled.insert(name.to_owned(), text.clone());
    Some(text)
}

/// The module of `kernels/NAME.cu` on a new device.
fn compile(name: &str) -> Option<(Device, (Module, Symbols))> {
    let device = Device::new();
    let module = device.load(&ptx(name)?);
    Some((device, module))
}

/// Numbers in [-1, 1) that repeat from run to run.
fn numbers(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

#[track_caller]
fn close(found: &[f32], expected: &[f64], relative: f64, absolute: f64) {
    assert_eq!(found.len(), expected.len());
    for (i, (&f, &e)) in found.iter().zip(expected).enumerate() {
        // A NaN is close to nothing.
        assert!((f64::from(f) - e).abs() <= absolute + relative * e.abs(), "element {i} is {f}, expected {e}");
    }
}

/// `a b` with a of m × k and b of k × n elements that `b` looks up by row and column.
fn product(m: usize, n: usize, k: usize, a: &[f64], b: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    (0..m * n).map(|i| (0..k).map(|j| a[i / n * k + j] * b(j, i % n)).sum()).collect()
}

#[test]
fn sums_by_shuffles() {
    let Some((device, module)) = compile("reduce") else { return };
    let x = numbers(10_007, 1);
    let out = device.buffer(&[0f32]);
    let args = args![&device.buffer(&x), &out, 10_007i32];
    device.run(&module, "reduce", [[5, 1, 1], [256, 1, 1]], 0, args).unwrap();
    let sum: f64 = x.iter().map(|&x| f64::from(x)).sum();
    close(&out.read(), &[sum], 0.0, 1e-3);
}

#[test]
fn inclusive_scan() {
    let Some((device, module)) = compile("reduce") else { return };
    let x: Vec<i32> = (0..1000).map(|i| i * 7919 % 101 - 50).collect();
    let out = device.empty(4000);
    device.run(&module, "scan", [[1; 3], [1024, 1, 1]], 0, args![&device.buffer(&x), &out, 1000i32]).unwrap();
    let sums: Vec<i32> = x.iter().scan(0, |sum, &x| (*sum += x, Some(*sum)).1).collect();
    assert_eq!(out.read::<i32>(), sums);
}

#[test]
fn transpose_through_shared_memory() {
    let Some((device, module)) = compile("reduce") else { return };
    let (rows, columns) = (70usize, 45usize);
    let x = numbers(rows * columns, 2);
    let out = device.empty(4 * x.len());
    let args = args![&device.buffer(&x), &out, rows as i32, columns as i32];
    device.run(&module, "transpose", [[2, 3, 1], [32, 8, 1]], 0, args).unwrap();
    let expected: Vec<f32> = (0..x.len()).map(|i| x[i % rows * columns + i / rows]).collect();
    assert_eq!(out.read::<f32>(), expected);
}

#[test]
fn histogram_by_atomics() {
    let Some((device, module)) = compile("reduce") else { return };
    let x: Vec<u8> = numbers(50_000, 3).iter().map(|x| (x * x * 255.0) as u8).collect();
    let out = device.buffer(&[0u32; 256]);
    let args = args![&device.buffer(&x), &out, 50_000i32];
    device.run(&module, "histogram", [[7, 1, 1], [192, 1, 1]], 0, args).unwrap();
    let mut expected = vec![0u32; 256];
    x.iter().for_each(|&x| expected[usize::from(x)] += 1);
    assert_eq!(out.read::<u32>(), expected);
}

#[test]
fn tiled_gemm_with_asynchronous_copies() {
    let Some((device, module)) = compile("gemm_async") else { return };
    let (m, n, k) = (48, 32, 80);
    let (a, b) = (numbers(m * k, 4), numbers(k * n, 5));
    let c = device.empty(4 * m * n);
    let args = args![&device.buffer(&a), &device.buffer(&b), &c, n as i32, k as i32];
    device.run(&module, "gemm", [[2, 3, 1], [256, 1, 1]], 0, args).unwrap();
    let wide: Vec<f64> = a.iter().map(|&x| x.into()).collect();
    close(&c.read(), &product(m, n, k, &wide, |i, j| b[i * n + j].into()), 0.0, 1e-5);
    let args = args![&device.buffer(&a), &c];
    let fault = device.run(&module, "hasty", [[1; 3], [32, 1, 1]], 0, args).unwrap_err();
    assert_eq!(fault.kind, Kind::Unwritten, "{fault}");
    assert!(fault.source.is_some_and(|(file, _)| file.ends_with("gemm_async.cu")));
}

#[test]
fn gemm_by_ldmatrix_and_mma() {
    let Some((device, module)) = compile("gemm_mma") else { return };
    let (m, n, k) = (32, 24, 64);
    let halves = |n, seed| numbers(n, seed).into_iter().map(f16::from_f32).collect::<Vec<f16>>();
    let (a, b) = (halves(m * k, 6), halves(k * n, 7));
    let c = device.empty(4 * m * n);
    let args = args![&device.buffer(&a), &device.buffer(&b), &c, n as i32, k as i32];
    device.run(&module, "gemm", [[3, 2, 1], [32, 1, 1]], 0, args).unwrap();
    let wide: Vec<f64> = a.iter().map(|&x| x.to_f64()).collect();
    close(&c.read(), &product(m, n, k, &wide, |i, j| b[i * n + j].to_f64()), 0.0, 1e-5);
}

/// Runs a `wmma` kernel with inputs of type `T`.
fn wmma<T: Plain>(entry: &str, to: impl Fn(f32) -> T, from: impl Fn(T) -> f64) {
    let Some((device, module)) = compile("gemm_wmma") else { return };
    let (m, n, k) = (32, 48, 64);
    let [a, b] = [(m * k, 8), (k * n, 9)].map(|(n, seed)| numbers(n, seed).into_iter().map(&to).collect::<Vec<T>>());
    let start = numbers(m * n, 10);
    let c = device.buffer(&start);
    let args = args![&device.buffer(&a), &device.buffer(&b), &c, n as i32, k as i32];
    device.run(&module, entry, [[3, 2, 1], [32, 1, 1]], 0, args).unwrap();
    let wide: Vec<f64> = a.iter().map(|&x| from(x)).collect();
    let mut expected = product(m, n, k, &wide, |i, j| from(b[j * k + i]));
    expected.iter_mut().zip(&start).for_each(|(e, &c)| *e = (*e + f64::from(c)).max(0.0));
    close(&c.read(), &expected, 0.0, 1e-5);
}

#[test]
fn gemm_by_wmma() {
    wmma("gemm_f16", f16::from_f32, f16::to_f64);
    wmma("gemm_bf16", bf16::from_f32, bf16::to_f64);
    // What the low 13 bits hold does not count.
    wmma("gemm_tf32", |x| x, |x| f64::from(f32::from_bits(x.to_bits() & !0x1fff)));
}

#[test]
fn wmma_fragments_agree_element_by_element() {
    let Some((device, module)) = compile("gemm_wmma") else { return };
    let halves = |n, seed| numbers(n, seed).into_iter().map(f16::from_f32).collect::<Vec<f16>>();
    let (a, b) = (halves(32 * 16, 11), halves(16 * 8, 12));
    let out = device.empty(2 * 256);
    device.run(&module, "scale", [[1; 3], [32, 1, 1]], 0, args![&device.buffer(&a), &device.buffer(&b), &out]).unwrap();
    let by_rows: Vec<f64> = (0..512).map(|i| a[i % 16 * 32 + i / 16].to_f64()).collect();
    let expected: Vec<f64> = product(32, 8, 16, &by_rows, |i, j| b[i * 8 + j].to_f64()).iter().map(|x| x * x).collect();
    let found: Vec<f32> = out.read::<f16>().into_iter().map(f16::to_f32).collect();
    close(&found, &expected, 3e-3, 1e-4);
}

#[test]
fn wmma_of_bytes() {
    let Some((device, module)) = compile("gemm_wmma") else { return };
    let [a, b] = [(8 * 16, 17), (16 * 32, 18)]
        .map(|(n, seed)| numbers(n, seed).into_iter().map(|x| (x * 128.0) as i8).collect::<Vec<i8>>());
    let c = device.empty(4 * 8 * 32);
    device.run(&module, "bytes", [[1; 3], [32, 1, 1]], 0, args![&device.buffer(&a), &device.buffer(&b), &c]).unwrap();
    let wide: Vec<f64> = a.iter().map(|&x| x.into()).collect();
    let expected: Vec<i32> =
        product(8, 32, 16, &wide, |i, j| b[i * 32 + j].into()).iter().map(|&x| x as i32 - 5).collect();
    assert_eq!(c.read::<i32>(), expected);
}

#[test]
fn attention_with_an_online_softmax() {
    let Some((device, module)) = compile("attention") else { return };
    let (queries, keys) = (8, 50);
    let [q, k, v] = [(queries, 13), (keys, 14), (keys, 15)].map(|(n, seed)| numbers(n * 64, seed));
    // Scores far apart, so that the maximum moves.
    let k: Vec<f32> = k.iter().map(|x| x * 20.0).collect();
    let out = device.empty(4 * q.len());
    let args = args![&device.buffer(&q), &device.buffer(&k), &device.buffer(&v), &out, keys as i32];
    device.run(&module, "attention", [[2, 1, 1], [32, 4, 1]], 0, args).unwrap();
    let mut expected = Vec::new();
    for query in q.chunks_exact(64) {
        let dot = |key: &[f32]| query.iter().zip(key).map(|(&q, &k)| f64::from(q) * f64::from(k)).sum::<f64>() / 8.0;
        let scores: Vec<f64> = k.chunks_exact(64).map(dot).collect();
        let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|s| (s - top).exp()).collect();
        let sum: f64 = weights.iter().sum();
        let value = |i| weights.iter().enumerate().map(|(j, w)| w * f64::from(v[j * 64 + i])).sum::<f64>() / sum;
        expected.extend((0..64).map(value));
    }
    close(&out.read(), &expected, 0.0, 2e-5);
}

#[test]
fn functions_with_slow_paths() {
    let Some((device, module)) = compile("control") else { return };
    let x: Vec<f32> = (0..100).map(|i| 1.7f32.powi(i - 20) * if i % 3 == 0 { -1.0 } else { 1.0 }).collect();
    let y: Vec<f64> = (0..100).map(|i| 1.31f64.powi(i - 50) + 1e-9).collect();
    let (sines, powers) = (device.empty(400), device.empty(800));
    let args = args![&device.buffer(&x), &sines, &device.buffer(&y), &powers, 100i32];
    device.run(&module, "slow", [[2, 1, 1], [64, 1, 1]], 0, args).unwrap();
    let expected: Vec<f64> = x.iter().map(|&x| f64::from(x).sin()).collect();
    close(&sines.read(), &expected, 4e-7, 1e-12);
    for (&y, found) in y.iter().zip(powers.read::<f64>()) {
        let expected = y.powf(1.7) + y % 0.3 / y;
        assert!((found - expected).abs() <= 1e-14 * expected, "{y}: {found}, expected {expected}");
    }
}

#[test]
fn locks_between_lanes_and_blocks() {
    let Some((device, module)) = compile("control") else { return };
    for entry in ["lock", "spin"] {
        let (mutex, count) = (device.buffer(&[0i32]), device.buffer(&[0i32]));
        device.run(&module, entry, [[3, 1, 1], [64, 1, 1]], 0, args![&mutex, &count]).unwrap();
        assert_eq!((count.read::<i32>(), mutex.read::<i32>()), (vec![192], vec![0]), "{entry}");
    }
}

#[test]
fn a_table_of_branches() {
    let Some((device, module)) = compile("control") else { return };
    let x: Vec<i32> = (0..32).map(|i| i * 5 % 4).collect();
    let out = device.empty(128);
    device.run(&module, "table", [[1; 3], [32, 1, 1]], 0, args![&device.buffer(&x), &out]).unwrap();
    let expected: Vec<i32> = x.iter().map(|&x| [42, 143, 132, 143][x as usize]).collect();
    assert_eq!(out.read::<i32>(), expected);
    let fault = device.run(&module, "table", [[1; 3], [32, 1, 1]], 0, args![&device.buffer(&[4i32; 32]), &out]);
    assert_eq!(fault.unwrap_err().kind, Kind::Undefined);
}

#[test]
fn a_switch() {
    let Some((device, module)) = compile("control") else { return };
    let x: Vec<i32> = (0..64).map(|i| i * 7 % 12 - 1).collect();
    let start = numbers(64, 16);
    let out = device.buffer(&start);
    device.run(&module, "choose", [[1; 3], [64, 1, 1]], 0, args![&device.buffer(&x), &out]).unwrap();
    let expected: Vec<f64> = x
        .iter()
        .zip(&start)
        .map(|(&x, &old)| match x {
            0 => 2f64.sqrt(),
            1 => 1.0 / 3.0,
            2 => 8.0,
            3 => f64::from(old) + 1.0,
            4 => 16.0,
            5 => 4.5,
            6 => 6.5,
            7 => -7.0,
            8 => 2.0,
            9 => 3.0,
            _ => 100.0,
        })
        .collect();
    close(&out.read(), &expected, 1e-6, 0.0);
}
