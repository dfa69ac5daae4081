//! What the conformance suite cannot see, since it holds every device against the same CPU: known values, NaN and ties,
//! and what bad input answers.

mod common;

use common::wide;
use uncrumple::ops::{Activation, Generator, Padding, Slide, Window};
use uncrumple::{DType, Device, Error, GradientTape, Result, Tensor};

const NAN: f32 = f32::NAN;
const INF: f32 = f32::INFINITY;

fn devices() -> impl Iterator<Item = Device> {
    [Some(Device::Cpu), common::cuda()].into_iter().flatten()
}

/// The gradient of the sum of `f`.
fn gradient(x: &Tensor, f: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let tape = GradientTape::new();
    let x = tape.watch(x)?;
    let y = f(&x)?;
    tape.gradient(&y, &[&x])?.remove(0).ok_or_else(|| Error::Internal("there is no gradient".into()))
}

/// The elements, with NaN as a text, so that equality means what it says.
fn texts(tensor: &Tensor) -> Result<Vec<String>> {
    Ok(wide(tensor)?.iter().map(|x| x.to_string()).collect())
}

fn expect(got: Result<Tensor>, want: &[f32]) -> Result<()> {
    let got = got?;
    assert_eq!(texts(&got)?, want.iter().map(|&x| f64::from(x).to_string()).collect::<Vec<_>>(), "on {}", got.device());
    Ok(())
}

#[test]
fn nan_stays_nan() -> Result<()> {
    for device in devices() {
        for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
            let x = Tensor::from_slice(&[NAN, 1.0, -1.0], 3)?.cast(dtype)?.to_device(&device)?;
            let y = Tensor::from_slice(&[0.0, NAN, -2.0], 3)?.cast(dtype)?.to_device(&device)?;
            expect(x.relu(), &[NAN, 1.0, 0.0])?;
            expect(x.clip(-0.5, 0.5), &[NAN, 0.5, -0.5])?;
            expect(x.maximum(&y), &[NAN, NAN, -1.0])?;
            expect(y.maximum(&x), &[NAN, NAN, -1.0])?;
            expect(x.minimum(&y), &[NAN, NAN, -2.0])?;
            expect(x.max(&[], false), &[NAN])?;
            expect(y.min(&[], false), &[NAN])?;
            expect(x.equal(&x), &[0.0, 1.0, 1.0])?;
            expect(x.not_equal(&x), &[1.0, 0.0, 0.0])?;
            expect(x.less_equal(&y), &[0.0, 0.0, 0.0])?;
            for f in
                [Tensor::elu, Tensor::softplus, Tensor::gelu, Tensor::silu, Tensor::sigmoid, Tensor::tanh, Tensor::abs]
            {
                let y = wide(&f(&x)?)?;
                assert!(y[0].is_nan() && !y[1].is_nan(), "on {device}");
            }
            for &activation in Activation::ALL {
                let y = wide(&activation.call(&x)?)?;
                assert!(y[0].is_nan() && !y[1].is_nan(), "{} on {device}", activation.name());
            }
            expect(x.rectify(0.0, 0.5, 0.0), &[NAN, 0.5, 0.0])?;
            expect(x.rectify(0.5, f64::INFINITY, 0.0), &[NAN, 1.0, -0.5])?;
            let infinite = Tensor::from_slice(&[-INF, INF], 2)?.cast(dtype)?.to_device(&device)?;
            expect(infinite.rectify(0.0, 2.0, 0.0), &[0.0, 2.0])?;
            let rows = [[0.0, -INF, 0.5], [NAN, 0.0, 1.0], [INF, 0.0, 0.0], [-INF; 3], [1000.0, 0.0, 1000.0]];
            let rows = Tensor::from_slice(rows.as_flattened(), [5, 3])?.cast(dtype)?.to_device(&device)?;
            let mut want = [NAN; 15];
            want[..3].copy_from_slice(&[0.25, 0.0, 0.75]);
            want[12..].copy_from_slice(&[0.5, 0.0, 0.5]);
            expect(rows.sparsemax(-1), &want)?;
            let y = wide(&rows.layer_norm(None, None, 1e-3)?)?;
            assert!(y[3..6].iter().all(|y| y.is_nan()) && y[12..].iter().all(|y| y.is_finite()), "on {device}");
            let one = Tensor::ones(&device, [1, 1], dtype)?;
            let bias = Tensor::zeros(&device, 1, dtype)?;
            let column = x.reshape([3, 1])?;
            expect(column.linear(&one, Some(&bias), Activation::Relu), &[NAN, 1.0, 0.0])?;
            expect(column.linear(&one, None, Activation::Relu), &[NAN, 1.0, 0.0])?;
            // A card has three ways of computing these: as a product, of channels by themselves, and by tiles.
            for (channels, stride) in [(1, 1), (1, 2), (2, 2)] {
                let images = column.broadcast_to([3, channels])?.reshape([3, 1, 1, channels])?;
                let kernel = Tensor::full(&device, [1, 1, channels, 1], dtype, 1.0 / channels as f64)?;
                let window = window(&images, 1, stride, Padding::Valid)?;
                for bias in [None, Some(&bias)] {
                    expect(images.conv(&kernel, bias, window, 1, Activation::Relu), &[NAN, 1.0, 0.0])?;
                }
            }
        }
    }
    Ok(())
}

#[test]
fn argmax_takes_the_first() -> Result<()> {
    for device in devices() {
        let on = |x: &[f32], shape: [usize; 2]| Tensor::from_slice(x, shape)?.to_device(&device);
        let x = on(&[1.0, 3.0, 3.0, NAN, 5.0, NAN, -1.0, f32::NEG_INFINITY, -1.0], [3, 3])?;
        assert_eq!(x.argmax(-1)?.to_vec::<i32>()?, [1, 0, 0]);
        assert_eq!(x.argmax(0)?.to_vec::<i32>()?, [1, 1, 1]);
        let low = on(&[f32::NEG_INFINITY; 4], [2, 2])?;
        assert_eq!(low.argmax(1)?.to_vec::<i32>()?, [0, 0]);
        let long = Tensor::from_slice(&[7i64; 1031], 1031)?.to_device(&device)?;
        assert_eq!(long.argmax(0)?.to_vec::<i32>()?, [0]);
        let masks = Tensor::from_slice(&[false, true, true], 3)?.to_device(&device)?;
        assert_eq!(masks.argmax(0)?.to_vec::<i32>()?, [1]);
    }
    Ok(())
}

#[test]
fn ties_share_the_gradient() -> Result<()> {
    for device in devices() {
        let x = Tensor::from_slice(&[1f32, 3.0, 3.0, 2.0], 4)?.to_device(&device)?;
        let gradient = |f: &dyn Fn(&Tensor) -> Result<Tensor>| gradient(&x, f)?.to_vec::<f32>();
        let other = Tensor::from_slice(&[3f32, 3.0, 1.0, 2.0], 4)?.to_device(&device)?;
        assert_eq!(gradient(&|x| x.max(&[], false))?, [0.0, 0.5, 0.5, 0.0]);
        assert_eq!(gradient(&|x| x.min(&[0], true))?, [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(gradient(&|x| x.maximum(&other))?, [0.0, 0.5, 1.0, 0.5]);
        assert_eq!(gradient(&|x| x.minimum(&other))?, [1.0, 0.5, 0.0, 0.5]);
        assert_eq!(gradient(&|x| x.clip(2.0, 2.5))?, [0.0, 0.0, 0.0, 1.0]);
        assert_eq!(gradient(&|x| x.sub(&x.mul_scalar(3.0)?)?.relu())?, [0.0; 4]);
    }
    Ok(())
}

/// A tensor of halves counts to 2048 only, were the counting of ties done in it.
#[test]
fn many_ties_are_counted_right() -> Result<()> {
    for device in devices() {
        for dtype in [DType::F16, DType::BF16] {
            let seed = Tensor::full(&device, (), dtype, 1024.0)?;
            let ones = Tensor::ones(&device, 100_000, dtype)?;
            let gradient = wide(&gradient(&ones, |x| x.max(&[], false)?.mul(&seed))?)?;
            assert_eq!(gradient.len(), 100_000);
            assert!(gradient.iter().all(|g| (g - 0.01024).abs() < 0.01024 / 128.0), "{} on {device}", gradient[0]);
        }
    }
    Ok(())
}

#[test]
fn casts_saturate_and_wrap() -> Result<()> {
    for device in devices() {
        let x = Tensor::from_slice(&[NAN, f32::INFINITY, -1e20, -1.9, 300.7, 0.0], 6)?.to_device(&device)?;
        for x in [x.clone(), x.cast(DType::F64)?] {
            assert_eq!(x.cast(DType::I32)?.to_vec::<i32>()?, [0, i32::MAX, i32::MIN, -1, 300, 0]);
            assert_eq!(x.cast(DType::I64)?.to_vec::<i64>()?[..5], [0, i64::MAX, x_i64(-1e20), -1, 300]);
            assert_eq!(x.cast(DType::U8)?.to_vec::<u8>()?, [0, 255, 0, 0, 255, 0]);
            assert_eq!(x.cast(DType::Bool)?.to_vec::<bool>()?, [true, true, true, true, true, false]);
        }
        let wide = Tensor::from_slice(&[-1i64, 256 + 7, 1 << 40, (1 << 53) + 1], 4)?.to_device(&device)?;
        assert_eq!(wide.cast(DType::U8)?.to_vec::<u8>()?, [255, 7, 0, 1]);
        assert_eq!(wide.cast(DType::I32)?.to_vec::<i32>()?, [-1, 263, 0, 1]);
        assert_eq!(
            wide.cast(DType::F64)?.to_vec::<f64>()?,
            [-1.0, 263.0, 1_099_511_627_776.0, 9_007_199_254_740_992.0]
        );
        // Just above the middle of two f32, and on it as an f64.
        let above = Tensor::from_slice(&[(1i64 << 62) + (1 << 38) + 1], 1)?.to_device(&device)?;
        assert_eq!(above.cast(DType::F32)?.to_vec::<f32>()?, [((1i64 << 62) + (1 << 39)) as f32]);
        // Ties go to the even neighbour, and what is too large to infinity; NaN stays.
        let x = Tensor::from_slice(&[1.0 + 3.0 / 2048.0, 1e20, NAN, 1.0 + 1.0 / 2048.0, -1e-9], 5)?;
        expect(x.to_device(&device)?.cast(DType::F16), &[1.0 + 2.0 / 1024.0, INF, NAN, 1.0, -0.0])?;
        let x = Tensor::from_slice(&[1.0 + 1.0 / 256.0, 1.0 + 3.0 / 256.0, NAN, f32::MAX], 4)?;
        expect(x.to_device(&device)?.cast(DType::BF16), &[1.0, 1.015_625, NAN, INF])?;
    }
    Ok(())
}

fn x_i64(x: f64) -> i64 {
    x as i64
}

#[test]
fn integers_compare_exactly() -> Result<()> {
    for device in devices() {
        let a = Tensor::from_slice(&[i64::MAX, 1 << 60, -5], 3)?.to_device(&device)?;
        let b = Tensor::from_slice(&[i64::MAX - 1, (1 << 60) + 1, -5], 3)?.to_device(&device)?;
        assert_eq!(a.greater(&b)?.to_vec::<bool>()?, [true, false, false]);
        assert_eq!(a.less(&b)?.to_vec::<bool>()?, [false, true, false]);
        assert_eq!(a.equal(&b)?.to_vec::<bool>()?, [false, false, true]);
        assert_eq!(a.greater_equal(&b)?.to_vec::<bool>()?, [true, false, true]);
    }
    Ok(())
}

#[test]
fn reductions_of_nothing() -> Result<()> {
    for device in devices() {
        let none = Tensor::zeros(&device, [0, 3], DType::F32)?;
        expect(none.sum(&[0], false), &[0.0; 3])?;
        expect(none.mean(&[0], false), &[NAN; 3])?;
        let error = none.max(&[0], false).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains("max") && error.contains("(0, 3)"), "{error}");
        assert_eq!(none.max(&[1], false)?.shape().dims(), [0]);
        assert!(none.argmax(0).is_err());
    }
    Ok(())
}

/// Sums that one running sum in f32 would get wrong by percents.
#[test]
fn long_sums_keep_their_bits() -> Result<()> {
    let count = 20_000_000;
    for device in devices() {
        let ones = Tensor::full(&device, count, DType::F32, 1.1)?;
        let want = f64::from(1.1f32) * count as f64;
        assert!((ones.sum(&[], false)?.item()? / want - 1.0).abs() < 2e-6);
        let columns = ones.reshape([count / 4, 4])?.sum(&[0], false)?.to_vec::<f32>()?;
        assert!(columns.iter().all(|c| (f64::from(*c) * 4.0 / want - 1.0).abs() < 2e-6), "{columns:?} on {device}");
    }
    Ok(())
}

#[test]
fn powers_at_zero_have_gradients() -> Result<()> {
    for device in devices() {
        let tape = GradientTape::new();
        let base = tape.watch(&Tensor::from_slice(&[0f32, 0.0, 2.0], 3)?.to_device(&device)?)?;
        let exponent = tape.watch(&Tensor::from_slice(&[0f32, 2.0, 3.0], 3)?.to_device(&device)?)?;
        let y = base.pow(&exponent)?;
        expect(Ok(y.detach()), &[1.0, 0.0, 8.0])?;
        let gradients = tape.gradient(&y, &[&base, &exponent])?;
        let [Some(base), Some(exponent)] = &gradients[..] else { panic!("both have a gradient") };
        expect(Ok(base.clone()), &[0.0, 0.0, 12.0])?;
        assert_eq!(exponent.to_vec::<f32>()?[..2], [0.0, 0.0]);
    }
    Ok(())
}

/// Φ(x) is 1e-6 of its terms at −5 and less than half an ulp of them at −6.
#[test]
fn gelu_keeps_its_left_tail() -> Result<()> {
    let x = Tensor::from_slice(&[-1f32, -3.0, -5.0, -6.0, -9.0, -11.0], 6)?;
    let (want, slope) = (wide(&x.cast(DType::F64)?.gelu()?)?, wide(&gradient(&x.cast(DType::F64)?, Tensor::gelu)?)?);
    for device in devices() {
        let x = x.to_device(&device)?;
        let got = [wide(&x.gelu()?)?, wide(&gradient(&x, Tensor::gelu)?)?];
        for (got, want) in got.iter().flatten().zip(want.iter().chain(&slope)) {
            assert!((got / want - 1.0).abs() < 1e-4, "{got:e} for {want:e} on {device}");
        }
    }
    Ok(())
}

#[test]
fn extremes_of_softmax_have_the_documented_answers() -> Result<()> {
    for device in devices() {
        let x = [1e30f32, 0., -INF, 1e30, -INF, -INF, 0., INF, 0., 0., NAN, 0.];
        let x = Tensor::from_slice(&x, [4, 3])?.to_device(&device)?;
        expect(x.softmax(-1), &[1., 0., 0., 1., 0., 0., NAN, NAN, NAN, NAN, NAN, NAN])?;
        expect(x.log_softmax(-1), &[0., -1e30, -INF, 0., -INF, -INF, NAN, NAN, NAN, NAN, NAN, NAN])?;
        let lowest = Tensor::full(&device, [1, 40], DType::F32, -f64::INFINITY)?;
        expect(lowest.softmax(1), &[NAN; 40])?;
        assert!(x.softmax(2).is_err());
    }
    Ok(())
}

#[test]
fn cross_entropies_of_huge_logits_are_exact() -> Result<()> {
    let close = |x: f32| assert!((x - std::f32::consts::LN_2).abs() < 1e-6, "{x}");
    for device in devices() {
        let x = Tensor::from_slice(&[1e4f32, 0., -1e4, 0., 0., -INF], [2, 3])?.to_device(&device)?;
        let t = Tensor::from_slice(&[0f32, 1., 0., 0.5, 0.5, 0.], [2, 3])?.to_device(&device)?;
        let loss = x.softmax_cross_entropy(&t)?.to_vec::<f32>()?;
        assert_eq!(loss[0], 1e4);
        close(loss[1]);
        expect(gradient(&x, |x| x.softmax_cross_entropy(&t)), &[1., -1., 0., 0., 0., 0.])?;

        let labels = Tensor::from_slice(&[1, 0], 2)?.to_device(&device)?;
        let loss = x.sparse_softmax_cross_entropy(&labels)?.to_vec::<f32>()?;
        assert_eq!(loss[0], 1e4);
        close(loss[1]);
        expect(gradient(&x, |x| x.sparse_softmax_cross_entropy(&labels)), &[1., -1., 0., -0.5, 0.5, 0.])?;

        let x = Tensor::from_slice(&[1e4f32, -1e4, 1e4, 0., NAN], 5)?.to_device(&device)?;
        let z = Tensor::from_slice(&[1f32, 1., 0., 0.5, 0.], 5)?.to_device(&device)?;
        let loss = x.sigmoid_cross_entropy(&z)?.to_vec::<f32>()?;
        assert_eq!(loss[..3], [0., 1e4, 1e4]);
        close(loss[3]);
        assert!(loss[4].is_nan());
        expect(gradient(&x, |x| x.sigmoid_cross_entropy(&z)), &[0., -1., 1., 0., NAN])?;
    }
    Ok(())
}

/// A card cannot answer with an error; the CPU does, which the ops' own tests check.
#[test]
fn what_is_out_of_range_shows_on_a_card() -> Result<()> {
    for device in devices().filter(|d| !d.is_cpu()) {
        let x = Tensor::from_slice(&[0f32; 9], [3, 3])?.to_device(&device)?;
        for bad in [-1, 3] {
            let labels = Tensor::from_slice(&[0, bad, 2], 3)?.to_device(&device)?;
            let loss = x.sparse_softmax_cross_entropy(&labels)?.to_vec::<f32>()?;
            assert!(!loss[0].is_nan() && loss[1].is_nan() && !loss[2].is_nan(), "{loss:?}");
            let dx = gradient(&x, |x| x.sparse_softmax_cross_entropy(&labels))?.to_vec::<f32>()?;
            assert!(dx[3..6].iter().all(|g| g.is_nan()) && dx[..3].iter().chain(&dx[6..]).all(|g| !g.is_nan()));
            expect(x.gather(&labels), &[0., 0., 0., NAN, NAN, NAN, 0., 0., 0.])?;
            expect(gradient(&x, |x| x.gather(&labels)), &[1., 1., 1., 0., 0., 0., 1., 1., 1.])?;
            let ones = Tensor::ones(&device, [3, 3], DType::I32)?;
            expect(ones.gather(&labels), &[1., 1., 1., 0., 0., 0., 1., 1., 1.])?;
        }
        assert!(matches!(x.data::<f32>(), Err(Error::Device { .. })));
    }
    Ok(())
}

#[test]
fn a_generator_does_not_advance_under_a_backward_in_silence() -> Result<()> {
    for device in devices() {
        let mut generator = Generator::new(5, &device)?;
        let tape = GradientTape::new();
        let x = tape.watch(&Tensor::ones(&device, 1001, DType::F32)?)?;
        let y = x.dropout(0.3, &generator)?;
        assert_eq!(generator.advance().is_ok(), device.is_cpu());
        let dx = tape.gradient(&y, &[&x])?.remove(0);
        assert_eq!(dx.map(|g| g.to_vec::<f32>()).transpose()?, Some(y.to_vec::<f32>()?));
        generator.advance()?;
    }
    Ok(())
}

#[test]
fn operators_stand_for_methods() -> Result<()> {
    let (a, b) = (Tensor::from_slice(&[6f32, 1.0], 2)?, Tensor::from_slice(&[3f32, 2.0], 2)?);
    expect(Ok(&a + &b), &[9.0, 3.0])?;
    expect(Ok(&a - b.clone()), &[3.0, -1.0])?;
    expect(Ok(a.clone() * &b), &[18.0, 2.0])?;
    expect(Ok(a.clone() / b.clone()), &[2.0, 0.5])?;
    expect(Ok(-&a), &[-6.0, -1.0])
}

#[test]
#[should_panic(expected = "add: the shapes (2,) and (3,) do not broadcast together")]
fn operators_panic_with_the_error() {
    let zeros = |n: usize| Tensor::zeros(&Device::Cpu, n, DType::F32).unwrap_or_else(|e| panic!("{e}"));
    let _ = zeros(2) + zeros(3);
}

#[test]
fn bad_input_is_an_error_that_names_it() -> Result<()> {
    let zeros = |shape: &[usize], dtype| Tensor::zeros(&Device::Cpu, shape, dtype);
    let (x, y) = (zeros(&[2, 3], DType::F32)?, zeros(&[4], DType::F32)?);
    let (wide, ints) = (zeros(&[2, 3], DType::F64)?, zeros(&[2, 3], DType::I32)?);
    let said = |result: Result<Tensor>, words: &[&str]| {
        let text = result.err().map(|e| e.to_string()).unwrap_or_else(|| "no error".into());
        assert!(words.iter().all(|w| text.contains(w)), "{text:?} does not say {words:?}");
    };
    said(x.add(&y), &["add", "(2, 3)", "(4,)"]);
    said(x.mul(&wide), &["multiply", "float32", "float64"]);
    said(ints.div(&ints), &["divide", "int32", "cast"]);
    said(x.less(&ints), &["less", "float32", "int32"]);
    said(ints.exp(), &["exp", "int32"]);
    said(ints.sum(&[], false), &["sum", "int32"]);
    said(x.sum(&[2], false), &["sum", "axis 2", "(2, 3)"]);
    said(x.mean(&[-3], false), &["mean", "axis -3", "(2, 3)"]);
    said(x.max(&[0, -2], false), &["max", "axis 0", "twice"]);
    said(x.argmax(5), &["argmax", "axis 5", "(2, 3)"]);
    said(x.broadcast_to([3, 3]), &["broadcast_to", "(2, 3)", "(3, 3)"]);
    said(x.select(&x, &x), &["select", "bool", "float32"]);
    said(x.equal(&x)?.select(&x, &y), &["select", "(2, 3)", "(4,)"]);
    said(x.equal(&x)?.select(&x, &wide), &["select", "float32", "float64"]);
    said(x.clip(1.0, 0.0), &["clip", "1", "0"]);
    said(x.clip(f64::NAN, 0.0), &["clip", "NaN"]);
    Ok(())
}

/// A window over two axes that moves by `stride`.
fn window(x: &Tensor, size: usize, stride: usize, padding: Padding) -> Result<Window> {
    Window::new(&x.shape()[1..3], &[size; 2], &[stride; 2], &[1; 2], padding)
}

#[test]
fn poolings_have_their_ties_nans_and_infinities() -> Result<()> {
    for device in devices() {
        for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
            let image = |values: &[f32]| -> Result<Tensor> {
                Tensor::from_slice(values, [1, 3, 3, 1])?.cast(dtype)?.to_device(&device)
            };
            // The first of the largest of a window gets the gradient, the first of the rows before the first of a column.
            let x = image(&[1.0, 1.0, 0.0, 1.0, 0.0, 2.0, 0.0, 2.0, 2.0])?;
            let same = window(&x, 2, 1, Padding::Same)?;
            expect(x.max_pool(same), &[1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0])?;
            expect(
                gradient(&x, |x| x.max_pool(same)?.sum(&[], false)),
                &[1.0, 0.0, 0.0, 0.0, 0.0, 4.0, 0.0, 3.0, 1.0],
            )?;
            // NaN is the largest, the first one of them; what a window does not see it does not hurt.
            let x = image(&[0.0, NAN, 0.0, 0.0, 0.0, 0.0, NAN, 0.0, -INF])?;
            let all = window(&x, 3, 1, Padding::Valid)?;
            expect(x.max_pool(all), &[NAN])?;
            expect(gradient(&x, |x| x.max_pool(all)?.sum(&[], false)), &[0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])?;
            let pairs = window(&x, 2, 1, Padding::Valid)?;
            expect(x.max_pool(pairs), &[NAN, NAN, NAN, 0.0])?;
            expect(x.average_pool(pairs), &[NAN, NAN, NAN, -INF])?;
            // Nothing around the image is larger than what is in it.
            let x = image(&[-INF; 9])?;
            expect(x.max_pool(same), &[-INF; 9])?;
            expect(gradient(&x, |x| x.max_pool(same)?.sum(&[], false)), &[1.0; 9])?;
            // What the padding adds does not count.
            let x = image(&[4.0, 8.0, 0.0, 0.0, 4.0, 8.0, 8.0, 0.0, 4.0])?;
            expect(x.average_pool(same), &[4.0, 5.0, 4.0, 3.0, 4.0, 6.0, 4.0, 2.0, 4.0])?;
        }
    }
    Ok(())
}

#[test]
fn windows_that_see_padding_alone_are_refused() -> Result<()> {
    let x = Tensor::ones(&Device::Cpu, [1, 4, 2], DType::F32)?;
    let of = |slide: Slide| {
        x.max_pool(Window::of(&[slide])).err().or(x.average_pool(Window::of(&[slide])).err()).map(|e| e.to_string())
    };
    let slide = Slide { size: 2, ..Slide::NONE };
    assert_eq!(of(slide), None);
    let before = of(Slide { before: 2, ..slide }).unwrap_or_default();
    assert_eq!(before, "max_pool: a window of 2 sees nothing but padding of 2 and 0 around shape (1, 4, 2)");
    assert!(of(Slide { dilation: 2, ..slide }).is_some_and(|e| e.contains("without dilation, got one of 2")));
    let huge = Slide { size: usize::MAX, before: usize::MAX / 2, after: usize::MAX / 2, ..slide };
    assert!(of(huge).is_some());
    Ok(())
}

#[test]
fn batch_norm_keeps_its_digits_far_from_zero() -> Result<()> {
    // Ones and minus ones about 10 000, whose squares f32 cannot tell apart.
    let (rows, channels) = (6000, 5);
    let values: Vec<f32> =
        (0..rows * channels).map(|i| 10_000.0 + if (i / channels) % 2 == 0 { 1.0 } else { -1.0 }).collect();
    for device in devices() {
        let x = Tensor::from_slice(&values, [rows, channels])?.to_device(&device)?;
        let (y, [mean, variance]) = x.batch_norm(None, None, 1e-12)?;
        for (got, want) in [(&mean, 10_000.0), (&variance, 1.0)] {
            assert!(wide(got)?.iter().all(|x| (x / want - 1.0).abs() < 1e-5), "{:?} on {device}", wide(got)?);
        }
        assert!(wide(&y)?.iter().all(|y| (y.abs() - 1.0).abs() < 1e-3), "on {device}");
    }
    Ok(())
}

#[test]
fn batch_norm_of_nothing_and_of_nan() -> Result<()> {
    for device in devices() {
        let empty = Tensor::zeros(&device, [0, 3, 2], DType::F32)?;
        let (y, [mean, variance]) = empty.batch_norm(None, None, 1e-3)?;
        assert_eq!(y.shape(), empty.shape());
        expect(Ok(mean), &[0.0, 0.0])?;
        expect(Ok(variance), &[0.0, 0.0])?;
        // A channel is hurt alone.
        let x = Tensor::from_slice(&[NAN, 1.0, 2.0, 3.0, 4.0, 5.0], [3, 2])?.to_device(&device)?;
        let (y, [mean, _]) = x.batch_norm(None, None, 1e-3)?;
        expect(Ok(mean), &[NAN, 3.0])?;
        let y = wide(&y)?;
        assert!(y.iter().step_by(2).all(|y| y.is_nan()) && y.iter().skip(1).step_by(2).all(|y| y.is_finite()));
    }
    Ok(())
}

#[test]
fn batch_norm_refuses_in_words() -> Result<()> {
    let x = Tensor::ones(&Device::Cpu, [2, 3], DType::BF16)?;
    let half = Tensor::ones(&Device::Cpu, 3, DType::BF16)?;
    let text = |gamma: &Tensor, epsilon| x.batch_norm(Some(gamma), None, epsilon).err().map(|e| e.to_string());
    let want = "batch_norm: expected float32 (3,) for each vector of channels, got bfloat16 (3,) among bfloat16 (2, 3), \
                bfloat16 (3,)";
    assert_eq!(text(&half, 1e-3).as_deref(), Some(want));
    let gamma = half.cast(DType::F32)?;
    assert_eq!(text(&gamma, 0.0).as_deref(), Some("batch_norm: expected a positive epsilon, got 0"));
    assert_eq!(text(&gamma, 1e-3), None);
    let one = Tensor::ones(&Device::Cpu, (), DType::F32)?;
    assert!(one.batch_norm(None, None, 1e-3).is_err());
    Ok(())
}
