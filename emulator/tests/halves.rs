//! Arithmetic of f16 and bf16 against exact results.

mod common;

use common::{Device, run_ptx};
use half::{bf16, f16};

/// Signed zeros, subnormals, the edges of normal numbers, ties, large numbers, infinities, NaN.
const EDGES: [u16; 32] = [
    0x0000, 0x8000, 0x0001, 0x8001, 0x03ff, 0x83ff, 0x0400, 0x8400, 0x0401, 0x1000, 0x13ff, 0x3555, 0x3bff, 0x3c00,
    0xbc00, 0x3c01, 0x3e00, 0x4000, 0xc200, 0x4248, 0x5640, 0x63ff, 0x6400, 0x6401, 0x77ff, 0x7bff, 0xfbff, 0x7800,
    0x7c00, 0xfc00, 0x7e00, 0xfe01,
];

/// Runs `body` for all triples of a few numbers, a lane each; gives the operands with the result.
fn triples(body: &str, numbers: &[u16]) -> Vec<([u16; 3], u16)> {
    let device = Device::new();
    let n = numbers.len();
    let mut out = Vec::new();
    // A block has at most 1024 threads.
    for &c in numbers {
        let pairs: Vec<[u16; 2]> = (0..n * n).map(|i| [numbers[i / n], numbers[i % n]]).collect();
        let a = device.buffer(&pairs.iter().map(|p| p[0]).collect::<Vec<u16>>());
        let b = device.buffer(&pairs.iter().map(|p| p[1]).collect::<Vec<u16>>());
        let c_all = device.buffer(&vec![c; n * n]);
        let d = device.empty(2 * n * n);
        let text = format!(
            "mul.wide.u32 %d0, %t, 2;\nadd.s64 %d1, %a0, %d0;\nld.global.b16 %h1, [%d1];\nadd.s64 %d1, %a1, %d0;\n\
             ld.global.b16 %h2, [%d1];\nadd.s64 %d1, %a2, %d0;\nld.global.b16 %h3, [%d1];\nadd.s64 %d1, %a3, %d0;\n\
             {body}\nst.global.b16 [%d1], %h0;"
        );
        run_ptx(&device, (n * n) as u32, &text, &[&a, &b, &c_all, &d]).unwrap();
        let results: Vec<u16> = d.read();
        out.extend(pairs.iter().zip(results).map(|(&[a, b], d)| ([a, b, c], d)));
    }
    out
}

fn pairs(body: &str) -> Vec<([u16; 3], u16)> {
    let mut all = triples(body, &EDGES);
    all.truncate(EDGES.len() * EDGES.len());
    all
}

/// A finite f16 as a multiple of 2^-48.
fn exact(bits: u16) -> i128 {
    (f16::from_bits(bits).to_f64() * 2f64.powi(48)) as i128
}

/// The nearest f16 to a multiple of 2^-48, ties to even; a zero is positive.
fn nearest(x: i128) -> u16 {
    let sign = if x < 0 { 0x8000 } else { 0 };
    let x = x.abs();
    // Infinity stands for the next power of two.
    let of = |bits: u16| if bits == 0x7c00 { 1i128 << 64 } else { exact(bits) };
    let (mut below, mut above) = (0u16, 0x7c00u16);
    while above - below > 1 {
        let middle = below + (above - below) / 2;
        if of(middle) <= x { below = middle } else { above = middle }
    }
    let (down, up) = (x - of(below), of(above) - x);
    let even = if below & 1 == 0 { below } else { above };
    let found = match down.cmp(&up) {
        _ if x >= 1 << 64 => 0x7c00,
        std::cmp::Ordering::Less => below,
        std::cmp::Ordering::Greater => above,
        std::cmp::Ordering::Equal => even,
    };
    sign | found
}

fn finite(x: [u16; 3]) -> bool {
    x.iter().all(|&x| f16::from_bits(x).is_finite())
}

/// Checks finite results exactly, but for the sign of zero, and the others by what `f64` says of them.
fn check(name: &str, results: &[([u16; 3], u16)], exactly: impl Fn([u16; 3]) -> i128, f: impl Fn([f64; 3]) -> f64) {
    for &(x, d) in results {
        let approximate = f(x.map(|x| f16::from_bits(x).to_f64()));
        if approximate.is_nan() {
            assert_eq!(d, 0x7fff, "{name} of {x:04x?}");
        } else if !finite(x) {
            assert_eq!(f16::from_bits(d).to_f64(), approximate, "{name} of {x:04x?}");
        } else if approximate == 0.0 {
            assert_eq!(d, f16::from_f64(approximate).to_bits(), "{name} of {x:04x?}");
        } else {
            assert_eq!(d, nearest(exactly(x)) | d & 0x8000, "{name} of {x:04x?}");
            assert_eq!(f16::from_bits(d).is_sign_negative(), approximate < 0.0, "{name} of {x:04x?}");
        }
    }
}

#[test]
fn f16_sums_and_products_are_the_nearest() {
    check("add", &pairs("add.rn.f16 %h0, %h1, %h2;"), |[a, b, _]| exact(a) + exact(b), |[a, b, _]| a + b);
    check("sub", &pairs("sub.f16 %h0, %h1, %h2;"), |[a, b, _]| exact(a) - exact(b), |[a, b, _]| a - b);
    // Both factors are multiples of 2^-24.
    let product = |a, b| (exact(a) >> 24) * (exact(b) >> 24);
    check("mul", &pairs("mul.f16 %h0, %h1, %h2;"), |[a, b, _]| product(a, b), |[a, b, _]| a * b);
    let fma = triples("fma.rn.f16 %h0, %h1, %h2, %h3;", &EDGES);
    check("fma", &fma, |[a, b, c]| product(a, b) + exact(c), |[a, b, c]| a * b + c);
}

#[test]
fn f16_modifiers() {
    for (x, d) in pairs("add.sat.f16 %h0, %h1, %h2;") {
        let sum = f16::from_bits(x[0]).to_f64() + f16::from_bits(x[1]).to_f64();
        let expected = if sum.is_nan() || sum <= 0.0 { 0.0 } else { sum.min(1.0) };
        assert!((f16::from_bits(d).to_f64() - expected).abs() <= expected / 2048.0, "{x:04x?}: {d:04x}");
        assert_eq!(d & 0x8000, 0);
    }
    for (x, d) in pairs("mul.ftz.f16 %h0, %h1, %h2;") {
        let [a, b] = [x[0], x[1]].map(|x| if x & 0x7c00 == 0 { x & 0x8000 } else { x });
        let product = f16::from_bits(a).to_f64() * f16::from_bits(b).to_f64();
        let d = f16::from_bits(d);
        if product.is_nan() {
            assert!(d.is_nan());
        } else if product.abs() < 2f64.powi(-14) * (1.0 - 2f64.powi(-11)) {
            assert_eq!(d.to_bits(), f16::from_f64(0f64.copysign(product)).to_bits(), "{x:04x?}");
        }
        assert!(!(d.to_f64() != 0.0 && d.to_f64().abs() < 2f64.powi(-14)), "{x:04x?} gives a subnormal number");
    }
    for (x, d) in triples("fma.rn.relu.f16 %h0, %h1, %h2, %h3;", &[0x0000, 0xbc00, 0x3c00, 0x7e00, 0xfc00, 0x4000]) {
        let [a, b, c] = x.map(|x| f16::from_bits(x).to_f64());
        let exact = a * b + c;
        let expected = if exact.is_nan() { 0x7fff } else { f16::from_f64(exact.max(0.0)).to_bits() & 0x7fff };
        assert_eq!(d, expected, "{x:04x?}");
    }
}

#[test]
fn extrema() {
    let number = |x| f16::from_bits(x).to_f64();
    let nan = |x: u16| f16::from_bits(x).is_nan();
    let smaller = |a: u16, b: u16| {
        if number(a) < number(b) || number(a) == number(b) && a & 0x8000 != 0 { a } else { b }
    };
    for (x @ [a, b, _], d) in pairs("min.f16 %h0, %h1, %h2;") {
        let expected = match (nan(a), nan(b)) {
            (true, true) => 0x7fff,
            (true, false) => b,
            (false, true) => a,
            _ => smaller(a, b),
        };
        assert_eq!(d, expected, "{x:04x?}");
    }
    for (x @ [a, b, _], d) in pairs("max.NaN.f16 %h0, %h1, %h2;") {
        let larger = if smaller(a, b) == a { b } else { a };
        assert_eq!(d, if nan(a) || nan(b) { 0x7fff } else { larger }, "{x:04x?}");
    }
    for (x @ [a, b, _], d) in pairs("max.xorsign.abs.f16 %h0, %h1, %h2;") {
        if !nan(a) && !nan(b) {
            assert_eq!(d, (a & 0x7fff).max(b & 0x7fff) | (a ^ b) & 0x8000, "{x:04x?}");
        }
    }
    for (x @ [a, ..], d) in pairs("abs.f16 %h0, %h1;\nneg.f16 %h0, %h0;") {
        assert_eq!(d, a | 0x8000, "{x:04x?}");
    }
}

#[test]
fn bf16_rounds_once() {
    let bits = |x: f64| bf16::from_f32(x as f32).to_bits();
    let tiny = 2f64.powi(-100);
    let ulp = 1.0 / 128.0;
    // (a, b, c, a b + c): 1 + 2^-8 is a tie, which a tiny addend decides.
    let cases = [
        (1.0 + ulp, 1.0 + 1.0 / 64.0, 0.0, 1.0 + 3.0 * ulp),
        (1.5, 1.0 + ulp, tiny, 1.5 + 2.0 * ulp),
        (1.5, 1.0 + ulp, -tiny, 1.5 + ulp),
        (1.5, 1.0 + ulp, 0.0, 1.5 + 2.0 * ulp),
        (1.5, 1.0 + 3.0 * ulp, tiny, 1.5 + 5.0 * ulp),
        (1.5, 1.0 + 3.0 * ulp, -tiny, 1.5 + 4.0 * ulp),
        (3e38, 3e38, 0.0, f64::INFINITY),
        (2f64.powi(-70), 2f64.powi(-63), 0.0, 2f64.powi(-133)),
        (2f64.powi(-70), 2f64.powi(-64), 0.0, 0.0),
        (2f64.powi(-70), 2f64.powi(-64), 2f64.powi(-133), 2f64.powi(-132)),
    ];
    let device = Device::new();
    for (a, b, c, expected) in cases {
        let pair = |x: f64| u32::from(bits(x)) | u32::from(bits(-x)) << 16;
        let input = device.buffer(&[pair(a), u32::from(bits(b)) * 0x1_0001, pair(c)]);
        let output = device.empty(4);
        let body = "ld.global.b32 %r1, [%a0];\nld.global.b32 %r2, [%a0+4];\nld.global.b32 %r3, [%a0+8];\n\
                    fma.rn.bf16x2 %r4, %r1, %r2, %r3;\nst.global.b32 [%a1], %r4;";
        run_ptx(&device, 1, body, &[&input, &output]).unwrap();
        let found = output.read::<u32>()[0];
        assert_eq!([found as u16, (found >> 16) as u16], [bits(expected), bits(-expected)], "{a} {b} {c}");
    }
}

#[test]
fn approximations_are_close() {
    for (body, f) in [
        ("ex2.approx.f16 %h0, %h1;", f64::exp2 as fn(f64) -> f64),
        ("tanh.approx.f16 %h0, %h1;", f64::tanh as fn(f64) -> f64),
    ] {
        for ([a, ..], d) in pairs(body) {
            let (expected, found) = (f(f16::from_bits(a).to_f64()), f16::from_bits(d).to_f64());
            match expected {
                e if e.is_nan() => assert_eq!(d, 0x7fff),
                e if e >= 65520.0 => assert_eq!(found, f64::INFINITY),
                e => assert!((found - e).abs() <= 2f64.powi(-11) * e.abs().max(2f64.powi(-14)), "{body} {a:04x}"),
            }
        }
    }
}

#[test]
fn what_ptx_has_not_is_an_error() {
    for (body, part) in [
        ("add.sat.bf16 %h0, %h1, %h2;", "sat"),
        ("fma.f16 %h0, %h1, %h2, %h3;", "expected `.rn`"),
        ("tanh.f16 %h0, %h1;", "expected `.approx`"),
        ("min.xorsign.f16 %h0, %h1, %h2;", "xorsign"),
    ] {
        let device = Device::new();
        let module = device.load(&common::ptx(0, body));
        let error = cuda_emulator::isa::kernel(&module.0, &module.0.functions[0], &module.1).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}
