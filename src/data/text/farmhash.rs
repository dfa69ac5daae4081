//! FarmHash's Fingerprint64 ([paper and source](https://github.com/google/farmhash)), by which Keras sorts strings into
//! bins.
//!
//! Of the crates that have it, the one that builds without C++ goes wrong at lengths of 128, 192, … bytes.

const K0: u64 = 0xc3a5_c85c_97cb_3127;
const K1: u64 = 0xb492_b66f_be98_f273;
const K2: u64 = 0x9ae1_6a3b_2f90_404f;

/// The fingerprint of these bytes, the same on every machine.
pub(super) fn fingerprint64(s: &[u8]) -> u64 {
    match s.len() {
        0 => K2,
        1..4 => {
            let (first, middle, last) = (s[0], s[s.len() / 2], s[s.len() - 1]);
            let y = u64::from(first) + (u64::from(middle) << 8);
            let z = s.len() as u64 + (u64::from(last) << 2);
            shift_mix(y.wrapping_mul(K2) ^ z.wrapping_mul(K0)).wrapping_mul(K2)
        }
        4..8 => {
            let word = |s: &[u8]| s.iter().take(4).rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
            mix(s.len() as u64 + (word(s) << 3), word(&s[s.len() - 4..]), multiplier(s))
        }
        8..17 => {
            let (a, b, mul) = (at(s, 0).wrapping_add(K2), at(s, s.len() - 8), multiplier(s));
            let c = b.rotate_right(37).wrapping_mul(mul).wrapping_add(a);
            let d = a.rotate_right(25).wrapping_add(b).wrapping_mul(mul);
            mix(c, d, mul)
        }
        17..33 => {
            let mul = multiplier(s);
            let (a, b) = (at(s, 0).wrapping_mul(K1), at(s, 8));
            let (c, d) = (at(s, s.len() - 8).wrapping_mul(mul), at(s, s.len() - 16).wrapping_mul(K2));
            mix(outer(a, b, c, d), inner(a, b, c), mul)
        }
        33..65 => medium(s),
        _ => long(s),
    }
}

fn medium(s: &[u8]) -> u64 {
    let mul = multiplier(s);
    let (a, b) = (at(s, 0).wrapping_mul(K2), at(s, 8));
    let (c, d) = (at(s, s.len() - 8).wrapping_mul(mul), at(s, s.len() - 16).wrapping_mul(K2));
    let y = outer(a, b, c, d);
    let z = mix(y, inner(a, b, c), mul);
    let e = at(s, 16).wrapping_mul(mul);
    let f = at(s, 24);
    let g = y.wrapping_add(at(s, s.len() - 32)).wrapping_mul(mul);
    let h = z.wrapping_add(at(s, s.len() - 24)).wrapping_mul(mul);
    let end = e.wrapping_add(f.wrapping_add(a).rotate_right(18)).wrapping_add(g);
    mix(outer(e, f, g, h), end, mul)
}

fn long(s: &[u8]) -> u64 {
    const SEED: u64 = 81;
    let mut x = SEED.wrapping_mul(K2).wrapping_add(at(s, 0));
    let mut y = SEED.wrapping_mul(K1).wrapping_add(113);
    let mut z = shift_mix(y.wrapping_mul(K2).wrapping_add(113)).wrapping_mul(K2);
    let (mut v, mut w) = ((0u64, 0u64), (0u64, 0u64));
    // All whole blocks but the last bytes, which make the last one together with some of those before.
    let whole = (s.len() - 1) / 64;
    for block in s.chunks_exact(64).take(whole) {
        let sum = x.wrapping_add(y).wrapping_add(v.0).wrapping_add(at(block, 8));
        x = sum.rotate_right(37).wrapping_mul(K1) ^ w.1;
        let sum = y.wrapping_add(v.1).wrapping_add(at(block, 48));
        y = sum.rotate_right(42).wrapping_mul(K1).wrapping_add(v.0).wrapping_add(at(block, 40));
        z = z.wrapping_add(w.0).rotate_right(33).wrapping_mul(K1);
        v = weak(block, v.1.wrapping_mul(K1), x.wrapping_add(w.0));
        w = weak(&block[32..], z.wrapping_add(w.1), y.wrapping_add(at(block, 16)));
        std::mem::swap(&mut z, &mut x);
    }
    let (last, mul) = (&s[s.len() - 64..], K1.wrapping_add((z & 0xff) << 1));
    w.0 = w.0.wrapping_add((s.len() as u64 - 1) & 63);
    v.0 = v.0.wrapping_add(w.0);
    w.0 = w.0.wrapping_add(v.0);
    let sum = x.wrapping_add(y).wrapping_add(v.0).wrapping_add(at(last, 8));
    x = sum.rotate_right(37).wrapping_mul(mul) ^ w.1.wrapping_mul(9);
    let sum = y.wrapping_add(v.1).wrapping_add(at(last, 48));
    y = sum.rotate_right(42).wrapping_mul(mul).wrapping_add(v.0.wrapping_mul(9)).wrapping_add(at(last, 40));
    z = z.wrapping_add(w.0).rotate_right(33).wrapping_mul(mul);
    v = weak(last, v.1.wrapping_mul(mul), x.wrapping_add(w.0));
    w = weak(&last[32..], z.wrapping_add(w.1), y.wrapping_add(at(last, 16)));
    let first = mix(v.0, w.0, mul).wrapping_add(shift_mix(y).wrapping_mul(K0)).wrapping_add(x);
    mix(first, mix(v.1, w.1, mul).wrapping_add(z), mul)
}

/// The eight bytes from `i` on, little endian.
fn at(s: &[u8], i: usize) -> u64 {
    s[i..i + 8].iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

fn multiplier(s: &[u8]) -> u64 {
    K2.wrapping_add(2 * s.len() as u64)
}

fn shift_mix(x: u64) -> u64 {
    x ^ (x >> 47)
}

fn mix(u: u64, v: u64, mul: u64) -> u64 {
    let a = shift_mix((u ^ v).wrapping_mul(mul));
    shift_mix((v ^ a).wrapping_mul(mul)).wrapping_mul(mul)
}

fn outer(a: u64, b: u64, c: u64, d: u64) -> u64 {
    a.wrapping_add(b).rotate_right(43).wrapping_add(c.rotate_right(30)).wrapping_add(d)
}

fn inner(a: u64, b: u64, c: u64) -> u64 {
    a.wrapping_add(b.wrapping_add(K2).rotate_right(18)).wrapping_add(c)
}

/// A hash of 32 bytes and two seeds.
fn weak(s: &[u8], a: u64, b: u64) -> (u64, u64) {
    let (w, x, y, z) = (at(s, 0), at(s, 8), at(s, 16), at(s, 24));
    let a = a.wrapping_add(w);
    let b = b.wrapping_add(a).wrapping_add(z).rotate_right(21);
    let c = a;
    let a = a.wrapping_add(x).wrapping_add(y);
    let b = b.wrapping_add(a.rotate_right(44));
    (a.wrapping_add(z), b.wrapping_add(c))
}
