//! Convolutions against their definition.

use super::*;
use crate::device::cpu::philox::Philox;

/// Calls `f(output, kernel, input)` for all elements that meet, counted over batch, space and channels.
fn each(g: &Geometry, mut f: impl FnMut(usize, usize, usize)) {
    let ([a, b, c], (depth, width)) = (&g.axes, g.group());
    for n in 0..g.batch {
        for (i, j, k) in positions([a.output, b.output, c.output]) {
            let y = ((n * a.output + i) * b.output + j) * c.output + k;
            for (p, q, r) in positions([a.size, b.size, c.size]) {
                let (Some(u), Some(v), Some(w)) = (a.seen(i, p), b.seen(j, q), c.seen(k, r)) else { continue };
                let (k, x) = ((p * b.size + q) * c.size + r, ((n * a.input + u) * b.input + v) * c.input + w);
                for filter in 0..g.filters {
                    for channel in 0..depth {
                        let from = x * g.channels + filter / width * depth + channel;
                        f(y * g.filters + filter, (k * depth + channel) * g.filters + filter, from);
                    }
                }
            }
        }
    }
}

fn numbers(len: usize, seed: u64) -> Vec<f64> {
    let philox = Philox::new(seed as i64, 0, 0);
    (0..len as u64).map(|i| f64::from(philox.uniform(i / 4)[i as usize % 4]) - 0.5).collect()
}

fn compare<T: Float>(g: &Geometry, what: &str, got: &[T], want: &[f64]) {
    let tolerance = if size_of::<T>() == 8 { 1e-11 } else { 1e-4 };
    assert_eq!(got.len(), want.len());
    for (i, (got, w)) in got.iter().zip(want).enumerate() {
        let got = got.wide();
        assert!((got - w).abs() <= tolerance, "{what} of {g:?}: element {i} is {got}, not {w}");
    }
}

fn check(g: Geometry) -> Result<()> {
    check_as::<f64>(g)?;
    check_as::<f32>(g)
}

fn check_as<T: Float>(g: Geometry) -> Result<()> {
    let pixels = |f: fn(&Axis) -> usize| g.axes.iter().map(f).product::<usize>();
    let (depth, _) = g.group();
    let x = numbers(g.batch * pixels(|a| a.input) * g.channels, 1);
    let kernel = numbers(pixels(|a| a.size) * depth * g.filters, 2);
    let dy = numbers(g.batch * pixels(|a| a.output) * g.filters, 3);
    let elements = |x: &[f64]| x.iter().map(|&x| T::of(x)).collect::<Vec<T>>();
    let [of_x, of_kernel, of_dy] = [&x, &kernel, &dy].map(|x| elements(x));
    // Small, so that it takes no digits of the sums.
    let mark = |element: usize| (element % 7) as f64;
    let nothing = |len: usize| vec![T::of(f64::NAN); len];

    let mut want = vec![0.0; dy.len()];
    each(&g, |y, k, i| want[y] += x[i] * kernel[k]);
    let mut got = nothing(dy.len());
    // Every element is finished once, and as one of its column.
    let finish = |row: usize, column: usize, piece: &mut [T]| {
        piece.iter_mut().enumerate().for_each(|(i, v)| *v += T::of(mark(row * g.filters + column + i)));
    };
    want.iter_mut().enumerate().for_each(|(i, v)| *v += mark(i));
    forward(&g, &of_x, &of_kernel, &mut got, Some(&finish))?;
    compare(&g, "forward", &got, &want);

    let mut want = vec![0.0; x.len()];
    each(&g, |y, k, i| want[i] += dy[y] * kernel[k]);
    let mut got = nothing(x.len());
    input_grad(&g, &of_dy, &of_kernel, &mut got)?;
    compare(&g, "input_grad", &got, &want);

    let mut want = vec![0.0; kernel.len()];
    each(&g, |y, k, i| want[k] += dy[y] * x[i]);
    let mut got = nothing(kernel.len());
    kernel_grad(&g, &of_x, &of_dy, &mut got)?;
    compare(&g, "kernel_grad", &got, &want);
    Ok(())
}

fn axis(input: usize, size: usize, stride: usize, dilation: usize, before: usize, after: usize) -> Axis {
    let output = (input + before + after).saturating_sub((size - 1) * dilation + 1) / stride + 1;
    Axis { input, output, size, stride, dilation, before }
}

#[test]
fn agrees_with_the_definition() -> Result<()> {
    let one = axis(1, 1, 1, 1, 0, 0);
    let planes = [
        [one, axis(7, 3, 1, 1, 0, 0), axis(9, 3, 1, 1, 0, 0)],
        [one, axis(7, 3, 1, 1, 1, 1), axis(9, 3, 1, 1, 1, 1)],
        [one, axis(7, 3, 2, 1, 1, 1), axis(10, 2, 3, 1, 0, 1)],
        [one, axis(6, 2, 3, 1, 0, 0), axis(9, 3, 1, 3, 2, 5)],
        [one, axis(5, 1, 1, 1, 0, 0), axis(4, 1, 1, 1, 0, 0)],
        [one, axis(5, 1, 2, 1, 0, 0), axis(4, 1, 2, 1, 0, 0)],
        [one, axis(2, 5, 1, 1, 2, 2), axis(3, 4, 1, 1, 1, 2)],
        [one, one, axis(31, 5, 2, 2, 8, 0)],
        [one, one, axis(70, 3, 1, 1, 0, 0)],
        [axis(4, 2, 1, 1, 0, 1), axis(5, 3, 2, 1, 1, 1), axis(6, 2, 1, 2, 1, 1)],
        [one, axis(30, 3, 1, 1, 1, 1), axis(14, 3, 1, 1, 1, 1)],
    ];
    for axes in planes {
        for (channels, filters, groups) in
            [(3, 5, 1), (1, 4, 1), (17, 35, 1), (6, 9, 3), (4, 4, 4), (3, 6, 3), (16, 16, 16), (3, 0, 3), (2, 0, 1)]
        {
            for batch in [0, 1, 3] {
                check(Geometry { batch, axes, channels, filters, groups })?;
            }
        }
    }
    // Several passes over the taps, more rows than a band has, several vectors.
    check(Geometry { batch: 1, axes: planes[1], channels: 300, filters: 70, groups: 1 })?;
    check(Geometry { batch: 2, axes: planes[10], channels: 67, filters: 33, groups: 1 })?;
    check(Geometry { batch: 2, axes: planes[10], channels: 67, filters: 67, groups: 67 })?;
    // Few filters: with and without zeros around and strides, elements of the kernel that see zeros alone, several chunks.
    let hardly_seen = [one, axis(3, 4, 1, 1, 1, 2), axis(2, 5, 1, 1, 2, 2)];
    for axes in [planes[0], planes[1], planes[6], planes[7], planes[10], hardly_seen] {
        for (channels, filters) in [(8, 1), (19, 2)] {
            let g = Geometry { batch: 3, axes, channels, filters, groups: 1 };
            check(g)?;
        }
    }
    let g = Geometry { batch: 90, axes: planes[10], channels: 9, filters: 1, groups: 1 };
    assert!(few::Few::of::<f32>(&g).is_some() && few::Few::of::<f64>(&g).is_some());
    check(g)?;
    // The parts of a large image would be memory that is read.
    let side = axis(300, 3, 1, 1, 1, 1);
    assert!(few::Few::of::<f32>(&Geometry { batch: 1, axes: [one, side, side], ..g }).is_none());
    // Winograd's algorithm: whole and cut tiles, without and with zeros around, over several planes, several chunks.
    let planes = [
        [one, axis(10, 3, 1, 1, 0, 0), axis(8, 3, 1, 1, 0, 0)],
        [one, axis(11, 3, 1, 1, 1, 1), axis(9, 3, 1, 1, 1, 1)],
        [one, axis(11, 3, 1, 1, 2, 0), axis(9, 3, 1, 1, 0, 2)],
        [axis(5, 1, 2, 1, 0, 0), axis(10, 3, 1, 1, 1, 1), axis(8, 3, 1, 1, 1, 1)],
    ];
    for axes in planes {
        for (channels, filters) in [(16, 16), (19, 37), (64, 33)] {
            let g = Geometry { batch: 3, axes, channels, filters, groups: 1 };
            assert!(winograd::Winograd::of(&g.forward(0)).is_some(), "{g:?}");
            check(g)?;
        }
    }
    check(Geometry { batch: 40, axes: planes[1], channels: 33, filters: 20, groups: 1 })
}

/// In f32 Winograd's algorithm is off by little more than a direct sum is.
#[test]
fn winograd_keeps_the_digits() -> Result<()> {
    let one = axis(1, 1, 1, 1, 0, 0);
    let axes = [one, axis(16, 3, 1, 1, 1, 1), axis(16, 3, 1, 1, 1, 1)];
    let g = Geometry { batch: 1, axes, channels: 64, filters: 64, groups: 1 };
    let (x, kernel) = (numbers(16 * 16 * 64, 1), numbers(9 * 64 * 64, 2));
    let mut want = vec![0.0; 16 * 16 * 64];
    each(&g, |y, k, i| want[y] += x[i] * kernel[k]);
    let narrow = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<_>>();
    let (x, kernel) = (narrow(&x), narrow(&kernel));
    let (mut direct, mut got) = (vec![0f32; want.len()], vec![0f32; want.len()]);
    each(&g, |y, k, i| direct[y] += x[i] * kernel[k]);
    forward(&g, &x, &kernel, &mut got, None)?;
    let error = |got: &[f32]| {
        let squares: f64 = got.iter().zip(&want).map(|(&g, w)| (f64::from(g) - w).powi(2)).sum();
        (squares / want.len() as f64).sqrt()
    };
    let (direct, winograd) = (error(&direct), error(&got));
    assert!(winograd < 2.0 * direct && winograd > 0.0, "root mean square errors: {winograd:e}, directly {direct:e}");
    Ok(())
}
