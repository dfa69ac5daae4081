//! Rounding that Rust has no operation for: towards zero, down and up, and the flush of subnormal numbers.
//!
//! A result is first rounded to the nearest, together with what that lost; the sign of the loss decides whether the
//! neighbour is taken instead.

/// How a result is rounded: `.rn`, `.rz`, `.rm`, `.rp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    Near,
    Zero,
    Down,
    Up,
}

impl Rounding {
    /// By its modifier, without the dot.
    pub fn from_name(name: &str) -> Option<Rounding> {
        Some(match name {
            "rn" => Rounding::Near,
            "rz" => Rounding::Zero,
            "rm" => Rounding::Down,
            "rp" => Rounding::Up,
            _ => return None,
        })
    }
}

macro_rules! adjust {
    ($name:ident, $float:ty) => {
        /// `near` is the nearest to `near + loss`, of which only the sign counts; gives what the mode asks for.
        #[inline(always)]
        pub fn $name(near: $float, loss: f64, mode: Rounding) -> $float {
            let down = loss < 0.0 && (mode == Rounding::Down || mode == Rounding::Zero && near > 0.0);
            let up = loss > 0.0 && (mode == Rounding::Up || mode == Rounding::Zero && near < 0.0);
            if down {
                near.next_down()
            } else if up {
                near.next_up()
            } else {
                near
            }
        }
    };
}
adjust!(adjust32, f32);
adjust!(adjust64, f64);

/// `sum + rest` as an `f32`, where `rest` is less than half a unit in the last place of `sum`.
#[inline(always)]
pub fn to_f32(sum: f64, rest: f64, mode: Rounding) -> f32 {
    let near = sum as f32;
    let lost = sum - f64::from(near);
    if mode == Rounding::Near {
        // Rounding twice goes wrong only where `sum` lies in the middle of two numbers and `rest` decides.
        let (up, down) = (f64::from(near.next_up()) - sum, sum - f64::from(near.next_down()));
        return if lost < 0.0 && -lost == down && rest < 0.0 {
            near.next_down()
        } else if lost > 0.0 && lost == up && rest > 0.0 {
            near.next_up()
        } else {
            near
        };
    }
    adjust32(near, if lost == 0.0 { rest } else { lost }, mode)
}

/// `a + b` as the nearest number, and exactly what that lost (Knuth's TwoSum).
#[inline(always)]
pub fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let s = a + b;
    let t = s - a;
    (s, (a - (s - t)) + (b - t))
}

/// The sign of a sum that is exactly zero: minus where the mode rounds down, unless both terms are +0.
#[inline(always)]
fn zero(a: f64, b: f64, mode: Rounding, near: f64) -> f64 {
    if mode == Rounding::Down && near == 0.0 && !(a.is_sign_positive() && b.is_sign_positive() && a == 0.0 && b == 0.0)
    {
        return -0.0;
    }
    near
}

/// a · b + c for `f32`.
#[inline(always)]
pub fn fma32(a: f32, b: f32, c: f32, mode: Rounding) -> f32 {
    if mode == Rounding::Near {
        return f32::mul_add(a, b, c);
    }
    // The product is exact.
    let (product, c) = (f64::from(a) * f64::from(b), f64::from(c));
    let (sum, rest) = two_sum(product, c);
    let rest = if rest.is_nan() { 0.0 } else { rest };
    to_f32(if sum == 0.0 { zero(product, c, mode, sum) } else { sum }, rest, mode)
}

/// a + b for `f32`.
#[inline(always)]
pub fn add32(a: f32, b: f32, mode: Rounding) -> f32 {
    if mode == Rounding::Near { a + b } else { fma32(a, 1.0, b, mode) }
}

/// a · b for `f32`.
#[inline(always)]
pub fn mul32(a: f32, b: f32, mode: Rounding) -> f32 {
    if mode == Rounding::Near { a * b } else { to_f32(f64::from(a) * f64::from(b), 0.0, mode) }
}

/// a / b for `f32`.
#[inline(always)]
pub fn div32(a: f32, b: f32, mode: Rounding) -> f32 {
    if mode == Rounding::Near {
        return a / b;
    }
    let (a, b) = (f64::from(a), f64::from(b));
    let quotient = a / b;
    let rest = f64::mul_add(-quotient, b, a) * b.signum();
    to_f32(quotient, if rest.is_nan() { 0.0 } else { rest }, mode)
}

/// √a for `f32`.
#[inline(always)]
pub fn sqrt32(a: f32, mode: Rounding) -> f32 {
    if mode == Rounding::Near {
        return a.sqrt();
    }
    let a = f64::from(a);
    let root = a.sqrt();
    let rest = f64::mul_add(-root, root, a);
    to_f32(root, if rest.is_nan() { 0.0 } else { rest }, mode)
}

/// a + b for `f64`.
pub fn add64(a: f64, b: f64, mode: Rounding) -> f64 {
    let near = a + b;
    if mode == Rounding::Near || !near.is_finite() && (a.is_infinite() || b.is_infinite()) || near.is_nan() {
        return near;
    }
    if near.is_infinite() {
        return adjust64(near, if near > 0.0 { -1.0 } else { 1.0 }, mode);
    }
    if near == 0.0 {
        return zero(a, b, mode, near);
    }
    adjust64(near, two_sum(a, b).1, mode)
}

/// What the nearest product lost.
fn product_loss(a: f64, b: f64, near: f64) -> f64 {
    if near.abs() > 1e-250 {
        return f64::mul_add(a, b, -near);
    }
    // The loss itself would vanish: look at it 2⁶⁰⁰ times as large.
    let scale = 2f64.powi(300);
    f64::mul_add(a * scale, b * scale, -(near * scale * scale))
}

/// a · b for `f64`.
pub fn mul64(a: f64, b: f64, mode: Rounding) -> f64 {
    let near = a * b;
    if mode == Rounding::Near || near.is_nan() || a.is_infinite() || b.is_infinite() || a == 0.0 || b == 0.0 {
        return near;
    }
    if near.is_infinite() {
        return adjust64(near, if near > 0.0 { -1.0 } else { 1.0 }, mode);
    }
    adjust64(near, product_loss(a, b, near), mode)
}

/// a · b + c for `f64`; the loss is that of Boldo and Muller (*Exact and approximated error of the FMA*, 2011).
pub fn fma64(a: f64, b: f64, c: f64, mode: Rounding) -> f64 {
    let near = f64::mul_add(a, b, c);
    if mode == Rounding::Near || near.is_nan() || [a, b, c].iter().any(|x| x.is_infinite()) {
        return near;
    }
    if a == 0.0 || b == 0.0 {
        return add64(a * b, c, mode);
    }
    if c == 0.0 {
        return mul64(a, b, mode);
    }
    if near.is_infinite() {
        return adjust64(near, if near > 0.0 { -1.0 } else { 1.0 }, mode);
    }
    let product = a * b;
    let (alpha, alpha_rest) = two_sum(c, f64::mul_add(a, b, -product));
    let (beta, beta_rest) = two_sum(product, alpha);
    let loss = ((beta - near) + beta_rest) + alpha_rest;
    if near == 0.0 && loss == 0.0 {
        return zero(product, c, mode, near);
    }
    adjust64(near, loss, mode)
}

/// a / b for `f64`.
pub fn div64(a: f64, b: f64, mode: Rounding) -> f64 {
    let near = a / b;
    if mode == Rounding::Near || near.is_nan() || a.is_infinite() || b.is_infinite() || a == 0.0 || b == 0.0 {
        return near;
    }
    if near.is_infinite() {
        return adjust64(near, if near > 0.0 { -1.0 } else { 1.0 }, mode);
    }
    // Powers of two keep the remainder away from the subnormal numbers.
    let scale = if a.abs() < 1e-200 { 2f64.powi(300) } else { 1.0 };
    let rest = f64::mul_add(-(near * scale), b, a * scale) * b.signum();
    adjust64(near, rest, mode)
}

/// √a for `f64`.
pub fn sqrt64(a: f64, mode: Rounding) -> f64 {
    let near = a.sqrt();
    if mode == Rounding::Near || !near.is_finite() || near == 0.0 {
        return near;
    }
    let scale = if a < 1e-200 { 2f64.powi(200) } else { 1.0 };
    adjust64(near, f64::mul_add(-(near * scale), near * scale, a * scale * scale), mode)
}

/// 0 with its sign where `x` is subnormal: `.ftz`.
#[inline(always)]
pub fn flush(x: f32) -> f32 {
    if x.abs() < f32::MIN_POSITIVE { 0f32.copysign(x) } else { x }
}

/// Between 0 and 1, with NaN as 0: `.sat`.
#[inline(always)]
pub fn saturate(x: f32) -> f32 {
    if x > 0.0 { if x < 1.0 { x } else { 1.0 } } else { 0.0 }
}

/// As [`saturate`].
pub fn saturate64(x: f64) -> f64 {
    if x > 0.0 { x.min(1.0) } else { 0.0 }
}

/// The one NaN that `f32` instructions give.
#[inline(always)]
pub fn canonical(x: f32) -> f32 {
    if x.is_nan() { f32::from_bits(0x7fff_ffff) } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directed_sums_and_products() {
        let (one, tiny) = (1f32, 1e-30f32);
        assert_eq!(add32(one, tiny, Rounding::Near), 1.0);
        assert_eq!(add32(one, tiny, Rounding::Up), 1f32.next_up());
        assert_eq!(add32(one, -tiny, Rounding::Down), 1f32.next_down());
        assert_eq!(add32(one, -tiny, Rounding::Zero), 1f32.next_down());
        assert_eq!(add32(-one, tiny, Rounding::Zero), (-1f32).next_up());
        assert_eq!(mul32(f32::MAX, 2.0, Rounding::Zero), f32::MAX);
        assert_eq!(mul32(f32::MAX, 2.0, Rounding::Up), f32::INFINITY);
        assert_eq!(mul32(1e-30, 1e-30, Rounding::Up), f32::from_bits(1));
        assert_eq!(mul32(1e-30, 1e-30, Rounding::Down), 0.0);
        assert!(add32(1.0, -1.0, Rounding::Down).is_sign_negative());
        assert!(add32(1.0, -1.0, Rounding::Up).is_sign_positive());
        assert_eq!(div32(1.0, 3.0, Rounding::Up), div32(1.0, 3.0, Rounding::Down).next_up());
        assert_eq!(sqrt32(2.0, Rounding::Up), sqrt32(2.0, Rounding::Down).next_up());
        assert_eq!(sqrt32(4.0, Rounding::Up), 2.0);
    }

    #[test]
    fn directed_f64() {
        assert_eq!(add64(1.0, 1e-300, Rounding::Up), 1f64.next_up());
        assert_eq!(add64(f64::MAX, f64::MAX, Rounding::Zero), f64::MAX);
        assert_eq!(mul64(1e-200, 1e-200, Rounding::Up), f64::from_bits(1));
        assert_eq!(mul64(1e-200, -1e-200, Rounding::Down), -f64::from_bits(1));
        assert_eq!(div64(1.0, 3.0, Rounding::Up), div64(1.0, 3.0, Rounding::Down).next_up());
        assert_eq!(fma64(1.0, 1.0, 1e-300, Rounding::Up), 1f64.next_up());
        assert_eq!(fma64(0.1, 10.0, -1.0, Rounding::Up), fma64(0.1, 10.0, -1.0, Rounding::Down), "it is exact");
        assert_eq!(sqrt64(2.0, Rounding::Up), sqrt64(2.0, Rounding::Down).next_up());
    }
}
