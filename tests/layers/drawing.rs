//! Layers that draw random numbers.

use super::*;

#[test]
fn dropout_drops_in_training_and_scales_the_rest() -> Result<()> {
    let x = Tensor::ones(&Device::Cpu, [100, 200], DType::F32)?;
    for device in devices() {
        let generator = Generator::new(7, &device)?;
        let mode = Mode { training: true, generator: Some(&generator), ..Mode::INFERENCE };
        let drop = |layer: Dropout| -> Result<(Vec<f32>, Vec<f32>)> {
            let graph = graph_of(&layer.shared(), from_ref(&x))?;
            let outcome = run(&graph, &[], from_ref(&x), &[], from_ref(&x), mode, &device)?;
            Ok((outcome.outputs[0].to_vec()?, outcome.input_gradients[0].as_ref().unwrap().to_vec()?))
        };
        let (y, dx) = drop(Dropout::new(0.25))?;
        assert_eq!(y, dx, "the backward drops what the forward dropped");
        assert!(y.iter().all(|&y| y == 0.0 || (y - 4.0 / 3.0).abs() < 1e-6));
        let dropped = y.iter().filter(|y| **y == 0.0).count() as f64 / y.len() as f64;
        // Five standard deviations of the share.
        assert!((dropped - 0.25).abs() < 5.0 * (0.25f64 * 0.75 / 20_000.0).sqrt(), "{dropped}");
        assert_ne!(drop(Dropout::new(0.25))?.0, y, "two layers draw numbers of their own");

        let (y, dx) = drop(Dropout::new(1.0))?;
        assert!(y.iter().chain(&dx).all(|x| *x == 0.0), "all is dropped");

        // Rows live and die together.
        let (y, dx) = drop(Dropout::new(0.5).noise_shape([None, Some(1)]))?;
        assert_eq!(y, dx);
        assert!(y.chunks(200).all(|row| row.iter().all(|y| *y == row[0] && (*y == 0.0 || *y == 2.0))));
        let rows = y.chunks(200).filter(|row| row[0] == 0.0).count();
        assert!((25..=75).contains(&rows), "{rows} of 100");
    }
    let config = Dropout::new(0.5).noise_shape([None, Some(1)]).shared().layer().config();
    assert_eq!(Value::from(config.clone()), json!({"rate": 0.5, "seed": null, "noise_shape": [null, 1]}));
    assert_eq!(layers::from_config("Dropout", &config)?.layer().config(), config);
    Ok(())
}

#[test]
fn spatial_dropout_drops_whole_channels() -> Result<()> {
    let x = Tensor::ones(&Device::Cpu, [20, 4, 5, 10], DType::F32)?;
    for device in devices() {
        let generator = Generator::new(7, &device)?;
        let mode = Mode { training: true, generator: Some(&generator), ..Mode::INFERENCE };
        let graph = graph_of(&SpatialDropout2D::new(0.5).shared(), from_ref(&x))?;
        let outcome = run(&graph, &[], from_ref(&x), &[], from_ref(&x), mode, &device)?;
        let y: Vec<f32> = outcome.outputs[0].to_vec()?;
        assert_eq!(y, outcome.input_gradients[0].as_ref().unwrap().to_vec::<f32>()?);
        assert!(y.iter().all(|&y| y == 0.0 || y == 2.0));
        for sample in y.chunks(200) {
            assert!(sample.chunks(10).all(|place| place == &sample[..10]), "a channel lives or dies everywhere");
        }
        let dropped = y.chunks(200).flat_map(|sample| &sample[..10]).filter(|y| **y == 0.0).count();
        assert!((65..=135).contains(&dropped), "{dropped} of 200");
    }
    Ok(())
}

#[test]
fn noise_has_the_moments_that_it_says() -> Result<()> {
    let n = 40_000;
    let x = Tensor::full(&Device::Cpu, [200, 200], DType::F32, 2.0)?;
    for device in devices() {
        let generator = Generator::new(7, &device)?;
        let mode = Mode { training: true, generator: Some(&generator), ..Mode::INFERENCE };
        let noisy = |layer: layers::LayerRef| -> Result<(Vec<f32>, Vec<f32>)> {
            let graph = graph_of(&layer, from_ref(&x))?;
            let outcome = run(&graph, &[], from_ref(&x), &[], from_ref(&x), mode, &device)?;
            Ok((outcome.outputs[0].to_vec()?, outcome.input_gradients[0].as_ref().unwrap().to_vec()?))
        };
        let moments = |y: &[f32]| {
            let mean = y.iter().map(|&y| f64::from(y)).sum::<f64>() / n as f64;
            (mean, (y.iter().map(|&y| (f64::from(y) - mean).powi(2)).sum::<f64>() / n as f64).sqrt())
        };
        let close = |got: (f64, f64), mean: f64, stddev: f64| {
            // Five standard errors.
            assert!((got.0 - mean).abs() < 5.0 * stddev / (n as f64).sqrt(), "the mean {} is not {mean}", got.0);
            assert!((got.1 / stddev - 1.0).abs() < 5.0 / (n as f64).sqrt(), "the deviation {} is not {stddev}", got.1);
        };
        let (y, dx) = noisy(GaussianNoise::new(0.3).shared())?;
        close(moments(&y), 2.0, 0.3);
        assert!(dx.iter().all(|&d| d == 2.0), "what is added has no part in the gradient");

        let (y, dx) = noisy(GaussianDropout::new(0.2).shared())?;
        close(moments(&y), 2.0, 2.0 * 0.5);
        assert_eq!(y, dx, "the gradient has the factor of the forward");

        let (y, dx) = noisy(AlphaDropout::new(0.25).shared())?;
        let (alpha, rate) = (-1.758_099_34_f64, 0.25);
        let a = ((1.0 - rate) * (1.0 + rate * alpha * alpha)).powf(-0.5);
        let (kept, dropped) = (a * (2.0 - alpha * rate), a * alpha * (1.0 - rate));
        assert!(y.iter().all(|&y| (f64::from(y) - kept).abs() < 1e-5 || (f64::from(y) - dropped).abs() < 1e-5));
        let lost = y.iter().zip(&dx).filter(|(y, dx)| f64::from(**y) < 0.0 && **dx == 0.0).count();
        assert_eq!(lost, dx.iter().filter(|dx| **dx == 0.0).count());
        let share = lost as f64 / n as f64;
        assert!((share - rate).abs() < 5.0 * (rate * (1.0 - rate) / n as f64).sqrt(), "{share}");
        let (y, _) = noisy(AlphaDropout::new(0.5).noise_shape([None, Some(1)]).shared())?;
        assert!(y.chunks(200).all(|row| row.iter().all(|y| *y == row[0])), "rows live and die together");
    }
    Ok(())
}
