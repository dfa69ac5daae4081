use crate::run::{EDGES, check, d, eval, f};

/// The bits with every NaN as one.
fn same(x: u64) -> u64 {
    if f32::from_bits(x as u32).is_nan() { 0x7fff_ffff } else { x }
}

fn pairs() -> Vec<[u64; 2]> {
    EDGES.iter().flat_map(|&a| EDGES.iter().map(move |&b| [f(a), f(b)])).collect()
}

fn flush(x: f32) -> f32 {
    if x.is_subnormal() { 0f32.copysign(x) } else { x }
}

fn over_pairs(instruction: &str, expected: impl Fn(f32, f32) -> f32) {
    let pairs = pairs();
    let rows: Vec<&[u64]> = pairs.iter().map(|p| &p[..]).collect();
    for (row, got) in pairs.iter().zip(eval(instruction, "f32", &["f32", "f32"], &rows)) {
        let [a, b] = row.map(|x| f32::from_bits(x as u32));
        let expected = same(f(expected(a, b)));
        assert_eq!(got, expected, "{instruction} {a:e} {b:e}: got {:e}", f32::from_bits(got as u32));
    }
}

#[test]
fn sums_and_products_to_the_nearest() {
    over_pairs("add.f32", |a, b| a + b);
    over_pairs("sub.rn.f32", |a, b| a - b);
    over_pairs("mul.rn.f32", |a, b| a * b);
    over_pairs("add.ftz.f32", |a, b| flush(flush(a) + flush(b)));
    over_pairs("mul.ftz.f32", |a, b| flush(flush(a) * flush(b)));
    over_pairs("add.sat.f32", |a, b| if (a + b).is_nan() { 0.0 } else { (a + b).clamp(0.0, 1.0) + 0.0 });
    over_pairs("div.rn.f32", |a, b| a / b);
}

/// Each directed result is the neighbour of the exact one in its direction: between the two lies the exact number.
#[test]
fn directed_rounding_encloses_the_exact_result() {
    let pairs = pairs();
    let rows: Vec<&[u64]> = pairs.iter().map(|p| &p[..]).collect();
    type Exact = fn(f64, f64) -> f64;
    // Products of f32 are exact in f64; sums may not be, but then f64 still tells on which side the sum lies.
    let operations: [(&str, Exact); 2] = [("add", |a, b| a + b), ("mul", |a, b| a * b)];
    for (name, exact) in operations {
        let run = |mode: &str| eval(&format!("{name}.{mode}.f32"), "f32", &["f32", "f32"], &rows);
        let [near, zero, down, up] = ["rn", "rz", "rm", "rp"].map(run);
        for (i, row) in pairs.iter().enumerate() {
            let [a, b] = row.map(|x| f64::from(f32::from_bits(x as u32)));
            let [n, z, lo, hi] = [near[i], zero[i], down[i], up[i]].map(|x| f32::from_bits(x as u32));
            let e = exact(a, b);
            if e.is_nan() {
                assert!([n, z, lo, hi].iter().all(|x| x.is_nan()), "{name} {a:e} {b:e}");
                continue;
            }
            assert!(f64::from(lo) <= e && e <= f64::from(hi), "{name} {a:e} {b:e}: {lo:e} {hi:e}");
            assert!(n == lo || n == hi, "{name} {a:e} {b:e}: {n:e} is neither {lo:e} nor {hi:e}");
            assert!(lo == hi || lo.next_up() == hi, "{name} {a:e} {b:e}: {lo:e} and {hi:e} are no neighbours");
            assert_eq!(z, if e < 0.0 { hi } else { lo }, "{name} {a:e} {b:e}");
        }
    }
    check("add.rm.f32", "f32", &["f32", "f32"], &[(&[f(1.0), f(-1.0)], f(-0.0)), (&[f(0.0), f(0.0)], f(0.0))]);
    check("add.rp.f32", "f32", &["f32", "f32"], &[(&[f(1.0), f(-1.0)], f(0.0))]);
}

#[test]
fn fused_multiply_add_rounds_once() {
    let (a, c) = (1.0 + f32::EPSILON, -1.0 - 2.0 * f32::EPSILON);
    check("fma.rn.f32", "f32", &["f32"; 3], &[(&[f(a), f(a), f(c)], f(f32::EPSILON * f32::EPSILON))]);
    check("fma.rm.f32", "f32", &["f32"; 3], &[(&[f(1e-30), f(-1e-30), f(1.0)], f(1f32.next_down()))]);
    check("fma.rz.f32", "f32", &["f32"; 3], &[(&[f(1e-30), f(1e-30), f(-1.0)], f((-1f32).next_up()))]);
    check("fma.rp.f32", "f32", &["f32"; 3], &[(&[f(1e-30), f(1e-30), f(1.0)], f(1f32.next_up()))]);
    check(
        "fma.rn.sat.f32",
        "f32",
        &["f32"; 3],
        &[(&[f(2.0), f(2.0), f(1.0)], f(1.0)), (&[f(f32::NAN), f(1.0), f(1.0)], 0)],
    );
    check("fma.rn.f64", "f64", &["f64"; 3], &[(&[d(0.1), d(10.0), d(-1.0)], d(f64::mul_add(0.1, 10.0, -1.0)))]);
    check("fma.rp.f64", "f64", &["f64"; 3], &[(&[d(1e-300), d(1.0), d(1.0)], d(1f64.next_up()))]);
    check("mad.rn.f32", "f32", &["f32"; 3], &[(&[f(2.0), f(3.0), f(4.0)], f(10.0))]);
}

#[test]
fn doubles() {
    let two = &["f64", "f64"];
    check("add.f64", "f64", two, &[(&[d(0.1), d(0.2)], d(0.1 + 0.2)), (&[d(f64::MAX), d(f64::MAX)], d(f64::INFINITY))]);
    check(
        "add.rz.f64",
        "f64",
        two,
        &[(&[d(f64::MAX), d(f64::MAX)], d(f64::MAX)), (&[d(1.0), d(-1e-30)], d(1f64.next_down()))],
    );
    check("mul.rp.f64", "f64", two, &[(&[d(1e-200), d(1e-200)], 1)]);
    check("div.rn.f64", "f64", two, &[(&[d(1.0), d(3.0)], d(1.0 / 3.0)), (&[d(1.0), d(0.0)], d(f64::INFINITY))]);
    check("div.rp.f64", "f64", two, &[(&[d(2.0), d(3.0)], d((2.0f64 / 3.0).next_up()))]);
    check("sqrt.rn.f64", "f64", &["f64"], &[(&[d(2.0)], d(2f64.sqrt()))]);
    check("rcp.rn.f64", "f64", &["f64"], &[(&[d(3.0)], d(1.0 / 3.0))]);
    let coarse = eval("rcp.approx.ftz.f64", "f64", &["f64"], &[&[d(3.0)], &[d(0.0)], &[d(f64::INFINITY)]]);
    assert!((f64::from_bits(coarse[0]) * 3.0 - 1.0).abs() < 1e-6 && coarse[0] & 0xffff_ffff == 0);
    assert_eq!(coarse[1..], [d(f64::INFINITY), 0]);
    check("min.f64", "f64", two, &[(&[d(f64::NAN), d(1.0)], d(1.0)), (&[d(0.0), d(-0.0)], d(-0.0))]);
    check("neg.f64", "f64", &["f64"], &[(&[d(1.0)], d(-1.0))]);
}

#[test]
fn roots_and_reciprocals() {
    check(
        "sqrt.rn.f32",
        "f32",
        &["f32"],
        &[(&[f(2.0)], f(2f32.sqrt())), (&[f(-0.0)], f(-0.0)), (&[f(-1.0)], 0x7fff_ffff)],
    );
    check("sqrt.rp.f32", "f32", &["f32"], &[(&[f(2.0)], f(2f32.sqrt().next_up())), (&[f(4.0)], f(2.0))]);
    check("rcp.rn.f32", "f32", &["f32"], &[(&[f(3.0)], f(1.0 / 3.0)), (&[f(-0.0)], f(f32::NEG_INFINITY))]);
    check("rcp.approx.ftz.f32", "f32", &["f32"], &[(&[f(1e-40)], f(f32::INFINITY)), (&[f(2.0)], f(0.5))]);
    check(
        "rsqrt.approx.f32",
        "f32",
        &["f32"],
        &[(&[f(4.0)], f(0.5)), (&[f(0.0)], f(f32::INFINITY)), (&[f(-1.0)], 0x7fff_ffff)],
    );
    check(
        "div.approx.f32",
        "f32",
        &["f32", "f32"],
        &[(&[f(1.0), f(1e38)], 0), (&[f(6.0), f(3.0)], f(2.0)), (&[f(f32::INFINITY), f(1e38)], 0x7fff_ffff)],
    );
    check("div.full.f32", "f32", &["f32", "f32"], &[(&[f(6.0), f(3.0)], f(2.0))]);
}

#[test]
fn extremes_pass_nan_by_unless_asked() {
    over_pairs("min.f32", |a, b| if a == b { if a.is_sign_negative() { a } else { b } } else { a.min(b) });
    over_pairs("max.f32", |a, b| if a == b { if a.is_sign_positive() { a } else { b } } else { a.max(b) });
    let two = &["f32", "f32"];
    check("min.NaN.f32", "f32", two, &[(&[f(f32::NAN), f(1.0)], 0x7fff_ffff), (&[f(2.0), f(1.0)], f(1.0))]);
    check("max.xorsign.abs.f32", "f32", two, &[(&[f(-3.0), f(2.0)], f(-3.0)), (&[f(-3.0), f(-4.0)], f(4.0))]);
    check("abs.f32", "f32", &["f32"], &[(&[f(-0.0)], 0), (&[f(-1e-40)], f(1e-40))]);
    check("abs.ftz.f32", "f32", &["f32"], &[(&[f(-1e-40)], 0)]);
    check("neg.f32", "f32", &["f32"], &[(&[f(0.0)], f(-0.0))]);
    check("copysign.f32", "f32", two, &[(&[f(-1.0), f(3.0)], f(-3.0)), (&[f(1.0), f(-3.0)], f(3.0))]);
    check("copysign.f64", "f64", &["f64", "f64"], &[(&[d(-1.0), d(3.0)], d(-3.0))]);
}

/// Within the errors that the PTX ISA states.
#[test]
fn approximations() {
    let inputs: Vec<[u64; 1]> = EDGES.iter().filter(|x| x.abs() < 1e3).map(|&x| [f(x)]).collect();
    let rows: Vec<&[u64]> = inputs.iter().map(|r| &r[..]).collect();
    let within = |instruction: &str, exact: fn(f64) -> f64, error: fn(f64) -> f64| {
        for (row, got) in inputs.iter().zip(eval(instruction, "f32", &["f32"], &rows)) {
            let x = f64::from(f32::from_bits(row[0] as u32));
            let (y, e) = (f64::from(f32::from_bits(got as u32)), exact(x));
            assert!(
                y == e || y.is_nan() && e.is_nan() || (y - e).abs() <= error(e),
                "{instruction} {x:e}: {y:e}, not {e:e}"
            );
        }
    };
    within("ex2.approx.f32", f64::exp2, |e| e * 2f64.powi(-22));
    within("lg2.approx.f32", f64::log2, |e| 2f64.powi(-22).max(e.abs() * 2f64.powi(-22)));
    within("sin.approx.f32", f64::sin, |_| 2f64.powi(-20));
    within("cos.approx.f32", f64::cos, |_| 2f64.powi(-20));
    within("tanh.approx.f32", f64::tanh, |e| e.abs() * 2f64.powi(-11));
    check(
        "ex2.approx.ftz.f32",
        "f32",
        &["f32"],
        &[(&[f(-126.5)], 0), (&[f(3.0)], f(8.0)), (&[f(f32::NEG_INFINITY)], 0)],
    );
    check("ex2.approx.f32", "f32", &["f32"], &[(&[f(-140.0)], f(2f32.powi(-140)))]);
    check("lg2.approx.f32", "f32", &["f32"], &[(&[f(0.0)], f(f32::NEG_INFINITY)), (&[f(-1.0)], 0x7fff_ffff)]);
}

#[test]
fn a_reciprocal_root_of_doubles_is_exact_enough() {
    // Without `.ftz` it is what `rsqrt` of CUDA is; with it, a starting value of 20 bits.
    check(
        "rsqrt.approx.f64",
        "f64",
        &["f64"],
        &[(&[d(2.0)], d(1.0 / 2f64.sqrt())), (&[d(-0.0)], d(f64::NEG_INFINITY))],
    );
    let coarse = 1.0 / 2f64.sqrt();
    check("rsqrt.approx.ftz.f64", "f64", &["f64"], &[(&[d(2.0)], d(coarse) & !0xffff_ffff)]);
}

#[test]
fn approximate_quotients_by_huge_numbers() {
    let (two, nan) = (&["f32", "f32"], 0x7fff_ffff);
    let huge = f(2f32.powi(127));
    check(
        "div.approx.f32",
        "f32",
        two,
        &[(&[f(-1.0), huge], f(-0.0)), (&[f(f32::INFINITY), huge], nan), (&[f(f32::NAN), huge], nan)],
    );
}
