//! Layers that change images at random, by what must hold whatever the numbers are: what is left when their parameters
//! are read off the result. What Keras says of them is in `tests/layers/`.

mod common;

use common::{difference, tolerance};
use std::collections::BTreeSet;
use std::f64::consts::TAU;
use uncrumple::layers::{LayerRef, Updates};
use uncrumple::model::{Graph, Mode};
use uncrumple::ops::Generator;
use uncrumple::prelude::*;

const COUNT: usize = 200;

fn devices() -> Vec<Device> {
    std::iter::once(Device::Cpu).chain(common::cuda()).collect()
}

/// What a layer makes of its inputs in training, on the CPU.
fn train(layer: &LayerRef, inputs: &[&Tensor], generator: &Generator) -> Result<Vec<Tensor>> {
    let symbol = |t: &&Tensor| Input::of(Spec::batch_of(&t.shape()[1..], t.dtype()), None);
    let symbols: Vec<_> = inputs.iter().map(symbol).collect();
    let graph = Graph::new(&symbols, &layer.call_all(&symbols)?)?;
    let device = generator.state().device();
    let inputs = inputs.iter().map(|t| t.to_device(&device)).collect::<Result<Vec<_>>>()?;
    let mode = Mode { training: true, generator: Some(generator), ..Mode::INFERENCE };
    let outputs = graph.run(&[], &inputs.iter().collect::<Vec<_>>(), mode, &mut Updates::new())?;
    outputs.iter().map(|t| t.to_device(&Device::Cpu)).collect()
}

/// The images that a layer makes with the seed 7, the same on every device and each time.
fn images(layer: impl Into<LayerRef>, x: &Tensor) -> Result<Vec<f64>> {
    let (layer, mut first) = (layer.into(), None::<Tensor>);
    for device in devices() {
        let draw = || -> Result<Tensor> { Ok(train(&layer, &[x], &Generator::new(7, &device)?)?.remove(0)) };
        let y = draw()?;
        assert_eq!(y.to_vec::<f32>()?, draw()?.to_vec::<f32>()?, "{device}: a rerun");
        let want = first.get_or_insert(y.clone());
        assert_eq!(difference(&y, want, tolerance([DType::F32]))?, None, "{device} and the CPU");
    }
    Ok(first.map(|y| common::wide(&y)).transpose()?.unwrap_or_default())
}

/// Images whose two channels are the row and the column, so that a pixel says where it comes from.
fn places(height: usize, width: usize) -> Result<Tensor> {
    let one = (0..height).flat_map(|i| (0..width).flat_map(move |j| [i as f32, j as f32]));
    let all: Vec<f32> = std::iter::repeat_n(one.collect::<Vec<_>>(), COUNT).flatten().collect();
    Tensor::from_slice(&all, [COUNT, height, width, 2])
}

/// Numbers from 0 to 1 that hardly repeat.
fn noise(shape: [usize; 4]) -> Result<Tensor> {
    let mut random = common::Random(5);
    let all: Vec<f32> = (0..shape.iter().product::<usize>()).map(|_| random.next() as f32).collect();
    Tensor::from_slice(&all, shape)
}

/// Checks that numbers look as if they were uniform in a range.
fn uniform(numbers: impl IntoIterator<Item = f64>, [low, high]: [f64; 2], what: &str) {
    let numbers: Vec<f64> = numbers.into_iter().collect();
    let (n, width) = (numbers.len() as f64, high - low);
    assert!(numbers.iter().all(|x| (low - 1e-4..high + 1e-4).contains(x)), "{what}: outside {low} to {high}");
    let mean = numbers.iter().sum::<f64>() / n;
    // Five standard errors; that the ends are so far away has a probability below 1e-8.
    assert!((mean - (low + high) / 2.0).abs() < 5.0 * width / (12.0 * n).sqrt(), "{what}: the mean is {mean}");
    let ends = numbers.iter().fold((high, low), |(a, b), &x| (x.min(a), x.max(b)));
    assert!(ends.0 < low + 0.1 * width && ends.1 > high - 0.1 * width, "{what}: from {} to {}", ends.0, ends.1);
}

#[test]
fn a_flip_is_the_mirror_or_the_image() -> Result<()> {
    let [height, width, channels] = [3, 4, 2];
    let x = noise([COUNT, height, width, channels])?;
    let samples = common::wide(&x)?;
    for (layer, down, right) in [
        (RandomFlip::new(), true, true),
        (RandomFlip::horizontal(), false, true),
        (RandomFlip::vertical(), true, false),
    ] {
        let size = height * width * channels;
        let mut flips = 0;
        for (x, y) in samples.chunks(size).zip(images(layer, &x)?.chunks(size)) {
            let mirrored: Vec<f64> = (0..size)
                .map(|at| {
                    let (i, j, c) = (at / channels / width, at / channels % width, at % channels);
                    let (i, j) = (if down { height - 1 - i } else { i }, if right { width - 1 - j } else { j });
                    x[(i * width + j) * channels + c]
                })
                .collect();
            assert!(y == x || y == mirrored, "{down} {right}");
            flips += usize::from(y == mirrored);
        }
        // Five standard deviations.
        assert!(flips.abs_diff(COUNT / 2) < 36, "{flips} of {COUNT}");
    }
    Ok(())
}

#[test]
fn motions_lie_in_their_ranges() -> Result<()> {
    let (height, width) = (9, 11);
    let x = places(height, width)?;
    // Where the pixel at this place of each image comes from, as distances from the middle.
    let from = |y: &[f64], i: usize, j: usize| -> Vec<[f64; 2]> {
        let image = y.chunks(height * width * 2);
        image.map(|y| [y[(i * width + j) * 2] - 4.0, y[(i * width + j) * 2 + 1] - 5.0]).collect()
    };
    let y = images(RandomRotation::new((-0.1, 0.3)), &x)?;
    let right = from(&y, 4, 6);
    assert!(right.iter().all(|[y, x]| (y.hypot(*x) - 1.0).abs() < 1e-5));
    uniform(right.iter().map(|[y, x]| y.atan2(*x) / TAU), [-0.1, 0.3], "turns");
    let down = from(&y, 5, 5);
    assert!(right.iter().zip(&down).all(|(right, down)| (right[0] + down[1]).abs() < 1e-5));

    let y = images(RandomTranslation::new(0.2, (-0.1, 0.3)), &x)?;
    let middle = from(&y, 4, 5);
    uniform(middle.iter().map(|[y, _]| -y / 9.0), [-0.2, 0.2], "heights");
    uniform(middle.iter().map(|[_, x]| -x / 11.0), [-0.1, 0.3], "widths");

    let y = images(RandomZoom::new((-0.4, 0.3)).width_factor(0.1), &x)?;
    uniform(from(&y, 5, 5).iter().map(|[y, _]| y - 1.0), [-0.4, 0.3], "zooms of the height");
    uniform(from(&y, 4, 6).iter().map(|[_, x]| x - 1.0), [-0.1, 0.1], "zooms of the width");
    let y = images(RandomZoom::new(0.2), &x)?;
    uniform(from(&y, 5, 5).iter().map(|[y, _]| y - 1.0), [-0.2, 0.2], "zooms");
    assert!(from(&y, 5, 6).iter().all(|[y, x]| (y - x).abs() < 1e-5), "without a width factor both are one");
    Ok(())
}

#[test]
fn a_crop_is_at_one_place_for_all_images() -> Result<()> {
    let x = places(4, 5)?;
    let mut found = BTreeSet::new();
    for device in devices() {
        let mut generator = Generator::new(7, &device)?;
        for _ in 0..40 {
            let y = common::wide(&train(&RandomCrop::new(3, 3).shared(), &[&x], &generator)?[0])?;
            let (top, left) = (y[0], y[1]);
            let fits = |(at, pixel): (usize, &[f64])| {
                pixel[0] == top + (at % 9 / 3) as f64 && pixel[1] == left + (at % 3) as f64
            };
            assert!(y.chunks(2).enumerate().all(fits), "{device}");
            found.insert((top as usize, left as usize));
            generator.advance()?;
        }
        assert_eq!(found, (0..2).flat_map(|i| (0..3).map(move |j| (i, j))).collect(), "{device}");
    }
    Ok(())
}

#[test]
fn contrast_and_brightness_have_one_number_an_image() -> Result<()> {
    let x = noise([COUNT, 3, 4, 2])?;
    let samples = common::wide(&x)?;
    let y = images(RandomBrightness::new((-0.2, 0.1)).value_range(-1.0, 2.0), &x)?;
    let deltas = samples.chunks(24).zip(y.chunks(24)).map(|(x, y)| {
        let delta = y[0] - x[0];
        assert!(x.iter().zip(y).all(|(x, y)| (y - x - delta).abs() < 1e-5));
        delta / 3.0
    });
    uniform(deltas, [-0.2, 0.1], "brightness");
    assert!(images(RandomBrightness::new((1.0, 1.0)).value_range(0.0, 0.5), &x)?.iter().all(|&y| y == 0.5));

    let y = images(RandomContrast::new((0.3, 0.5)).value_range(-1.0, 2.0), &x)?;
    let factors = samples.chunks(24).zip(y.chunks(24)).map(|(x, y)| {
        let channel = |image: &[f64], c: usize| image.iter().skip(c).step_by(2).copied().collect::<Vec<_>>();
        let factors: Vec<f64> = (0..2)
            .flat_map(|c| {
                let (x, y) = (channel(x, c), channel(y, c));
                let mean = x.iter().sum::<f64>() / 12.0;
                assert!((y.iter().sum::<f64>() / 12.0 - mean).abs() < 1e-5, "the mean stays");
                // What lies near the mean says little.
                let far = x.into_iter().zip(y).filter(move |(x, _)| (x - mean).abs() > 0.05);
                far.map(move |(x, y)| (y - mean) / (x - mean)).collect::<Vec<_>>()
            })
            .collect();
        assert!(factors.iter().all(|f| (f - factors[0]).abs() < 1e-4), "{factors:?}");
        factors[0]
    });
    uniform(factors, [0.7, 1.5], "contrast");
    Ok(())
}

/// The rows and columns of the pixels for which something holds, which must be all of a box.
fn box_of(width: usize, holds: &[bool]) -> Option<[usize; 4]> {
    let places = || holds.iter().enumerate().filter(|(_, holds)| **holds).map(|(at, _)| (at / width, at % width));
    let first = places().next()?;
    let (mut rows, mut columns) = ((first.0, first.0), (first.1, first.1));
    for (i, j) in places() {
        rows = (rows.0.min(i), rows.1.max(i));
        columns = (columns.0.min(j), columns.1.max(j));
    }
    assert_eq!(places().count(), (rows.1 - rows.0 + 1) * (columns.1 - columns.0 + 1), "not a box");
    Some([rows.0, rows.1 + 1, columns.0, columns.1 + 1])
}

#[test]
fn erasing_fills_boxes() -> Result<()> {
    let x = noise([COUNT, 20, 30, 1])?;
    let erase = RandomErasing::new((1.0, 1.0)).scale((0.04, 0.25)).value_range(0.0, 2.0);
    let y = images(erase.clone().fill_value(1.5), &x)?;
    for y in y.chunks(600) {
        let holds: Vec<bool> = y.iter().map(|&y| y == 1.5).collect();
        let [top, bottom, left, right] = box_of(30, &holds).expect("each has a box");
        // From 0.2 to 0.5 of the sides, and at most one pixel more or less.
        assert!(
            (3..=11).contains(&(bottom - top)) && (5..=16).contains(&(right - left)),
            "{top} {bottom} {left} {right}"
        );
    }
    let samples = common::wide(&x)?;
    let changed = |y: &[f64]| samples.chunks(600).zip(y.chunks(600)).filter(|(x, y)| x != y).count();
    assert_eq!(changed(&y), COUNT);
    assert_eq!(changed(&images(RandomErasing::new(0.0), &x)?), 0);
    let half = changed(&images(RandomErasing::new(1.0).fill_value(2.0).value_range(0.0, 2.0), &x)?);
    // The probability is uniform from 0 to 1 itself.
    assert!(half.abs_diff(COUNT / 2) < 36, "{half} of {COUNT}");
    let noisy = images(erase, &x)?;
    assert!(noisy.iter().all(|y| (0.0..=2.0).contains(y)) && changed(&noisy) == COUNT);
    Ok(())
}

#[test]
fn labels_are_mixed_as_their_images_are() -> Result<()> {
    let count = 24;
    let x = noise([count, 12, 10, 2])?;
    // A class for each sample, so that labels say what was mixed.
    let labels = Tensor::from_slice(&(0..count as i32).collect::<Vec<_>>(), count)?.one_hot(count, DType::F32)?;
    let samples = common::wide(&x)?;
    let mixed = |layer: &LayerRef, device: &Device| -> Result<Vec<Vec<f64>>> {
        let both = train(layer, &[&x, &labels], &Generator::new(3, device)?)?;
        both.iter().map(common::wide).collect()
    };
    for device in devices() {
        let (mix, cut) = (MixUp::new(0.8).shared(), CutMix::new((0.9, 1.0)).shared());
        let mut weights = Vec::new();
        for layer in [&mix, &cut] {
            let both = mixed(layer, &device)?;
            let [y, labels] = &both[..] else { panic!("images and labels") };
            for (i, (y, label)) in y.chunks(240).zip(labels.chunks(count)).enumerate() {
                assert!((label.iter().sum::<f64>() - 1.0).abs() < 1e-5);
                let Some(j) = (0..count).find(|&j| j != i && label[j] > 0.0) else { continue };
                let (own, other) = (&samples[240 * i..][..240], &samples[240 * j..][..240]);
                let w = label[i];
                weights.push(w);
                if layer.layer().class_name() == "MixUp" {
                    let close = |((y, a), b): ((&f64, &f64), &f64)| (y - (w * a + (1.0 - w) * b)).abs() < 1e-5;
                    assert!(y.iter().zip(own).zip(other).all(close), "{device}: sample {i}");
                    continue;
                }
                let holds: Vec<bool> = y.chunks(2).zip(own.chunks(2)).map(|(y, own)| y != own).collect();
                assert!(holds.iter().zip(y.chunks(2)).zip(other.chunks(2)).all(|((cut, y), o)| !cut || y == o));
                let sides = box_of(10, &holds).map_or([0.0; 2], |[a, b, c, d]| [(b - a) as f64, (d - c) as f64]);
                let side = (1.0 - w).sqrt();
                assert!((sides[0] - 12.0 * side).abs() < 1.0 && (sides[1] - 10.0 * side).abs() < 1.0, "{sides:?}, {w}");
            }
        }
        assert!(weights.len() > count && weights.iter().any(|w| *w < 0.4) && weights.iter().any(|w| *w > 0.6));
        assert_eq!(mixed(&mix, &device)?, mixed(&mix, &device)?);
    }
    Ok(())
}

fn labelled(classes: bool, device: &Device) -> Result<Dataset> {
    let labels = Tensor::from_slice(&[0, 1, 2, 0, 1, 2, 1, 0], 8)?;
    let labels = if classes { labels } else { labels.one_hot(3, DType::F32)? };
    Dataset::new(noise([8, 6, 5, 2])?, labels)?.to_device(device)
}

#[test]
fn a_trainer_trains_on_what_is_mixed() -> Result<()> {
    for device in devices() {
        let trainer = |mixing: Option<CutMix>| -> Result<Trainer> {
            let chain = Sequential::new([6, 5, 2]).add(RandomFlip::horizontal()).add(RandomRotation::new(0.1));
            let model = chain.add(Flatten::new()).add(Dense::new(3).softmax()).build()?.on(device.clone());
            let trainer = model.compile(SGD::new(0.1), CategoricalCrossentropy::new(), [CategoricalAccuracy::new()])?;
            Ok(match mixing {
                Some(mixing) => trainer.mixing(mixing),
                None => trainer,
            })
        };
        let run = |mut trainer: Trainer| -> Result<Vec<f32>> {
            let batch = labelled(false, &device)?;
            // On a card the later steps are replayed.
            (0..5).try_for_each(|_| trainer.train_on_batch(&batch))?;
            trainer.weights()?[0].to_vec()
        };
        let mixing = || trainer(Some(CutMix::new(1.0)));
        let mixed = run(mixing()?)?;
        assert!(mixed.iter().all(|w| w.is_finite()));
        assert_eq!(mixed, run(mixing()?)?, "{device}: a rerun");
        assert_eq!(mixed, run(mixing()?.on(device.clone())?.precision(Precision::F32)?)?, "{device}: moved");
        assert_ne!(mixed, run(trainer(None)?)?, "{device}");

        let mut trainer = mixing()?;
        let text = trainer.train_on_batch(&labelled(true, &device)?).unwrap_err().to_string();
        assert!(text.contains("one-hot them first") && text.contains("int32 (8,)"), "{text}");
    }
    Ok(())
}

#[test]
fn weights_before_a_motion_are_named() -> Result<()> {
    let chain = Sequential::new([6, 5, 2]).add(Dense::new(2)).add(RandomFlip::new());
    let model = chain.add(Flatten::new()).add(Dense::new(3)).build()?;
    let mut trainer = model.compile(SGD::new(0.1), SparseCategoricalCrossentropy::from_logits(), ())?;
    match trainer.train_on_batch(&labelled(true, &Device::Cpu)?) {
        Err(Error::NoGradient { paths }) => assert_eq!(paths, ["dense/kernel", "dense/bias"]),
        other => panic!("{other:?}"),
    }
    Ok(())
}

#[test]
fn layers_reject_what_they_cannot_take() {
    let wrong = |layer: LayerRef, sample: &[usize]| {
        layer.call(&Input::new(sample)).err().map(|e| e.to_string()).unwrap_or_default()
    };
    let image = [4, 5, 3];
    let cases = [
        (
            wrong(ZeroPadding2D::new(1).shared(), &[4, 3]),
            "layer `zero_padding2d`: expected 4 axes (batch, height, width, channels), got shape (None, 4, 3)",
        ),
        (
            wrong(Cropping2D::new([2, 0]).shared(), &image),
            "layer `cropping2d`: expected spatial axes that are longer than the `cropping` [[2, 2], [0, 0]], got shape \
             (None, 4, 5, 3)",
        ),
        (
            wrong(UpSampling1D::new([0]).shared(), &[4, 3]),
            "layer `up_sampling1d`: argument `size`: expected at least 1, got [0]",
        ),
        (
            wrong(Resizing::new(0, 3).shared(), &image),
            "layer `resizing`: argument `height`: expected at least 1, got 0",
        ),
        (
            wrong(Resizing::new(3, 3).crop_to_aspect_ratio(true).pad_to_aspect_ratio(true).shared(), &image),
            "layer `resizing`: arguments `crop_to_aspect_ratio` and `pad_to_aspect_ratio`: expected at most one of \
             them",
        ),
        (
            wrong(RandomRotation::new(1.5).shared(), &image),
            "layer `random_rotation`: argument `factor`: expected a number or two in [-1, 1], got 1.5",
        ),
        (
            wrong(RandomZoom::new((-1.0, 0.5)).shared(), &image),
            "layer `random_zoom`: argument `height_factor`: expected numbers above -1, got [-1.0,0.5]",
        ),
        (
            wrong(RandomZoom::new(0.5).interpolation(Interpolation::Bicubic).shared(), &image),
            "layer `random_zoom`: argument `interpolation`: expected nearest or bilinear, got bicubic",
        ),
        (
            wrong(RandomContrast::new((-0.1, 0.5)).shared(), &image),
            "layer `random_contrast`: argument `factor`: expected a number or two in [0, 1], got [-0.1,0.5]",
        ),
        (
            wrong(RandomBrightness::new(0.1).value_range(1.0, 0.0).shared(), &image),
            "layer `random_brightness`: argument `value_range`: expected a lower and a higher number, got 1 and 0",
        ),
        (
            wrong(RandomErasing::new(1.0).fill_value([1.0, 2.0]).shared(), &image),
            "layer `random_erasing`: expected axis -1 of the input to be 2, as `fill_value` has 2 numbers, got shape \
             (None, 4, 5, 3)",
        ),
        (
            wrong(MixUp::new(0.0).shared(), &image),
            "layer `mix_up`: argument `alpha`: expected a number in (0, 1], got 0",
        ),
        (
            wrong(RandomFlip::new().shared(), &[4, 3]),
            "layer `random_flip`: expected 4 axes (batch, height, width, channels), got shape (None, 4, 3)",
        ),
    ];
    for (got, want) in cases {
        assert_eq!(got, want);
    }
    let bytes = Input::with([4, 5, 3], DType::U8, None);
    let text = Resizing::new(2, 2).call(&bytes).err().map(|e| e.to_string()).unwrap_or_default();
    assert_eq!(text, "layer `resizing`: expected a floating-point input, got uint8; put a Rescaling before it");
    let text = MixUp::new(0.2).call([&Input::new([4, 5, 3]), &Input::with((), DType::I32, None)]);
    let text = text.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(text.contains("one-hot them first"), "{text}");
}
