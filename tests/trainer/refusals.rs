//! What a trainer refuses, and when.

use super::*;

#[test]
fn labels_out_of_range_are_found_before_the_first_step() -> Result<()> {
    let good = samples(&[0, 1, 2, 0])?;
    for (bad, words) in [
        (samples(&[0, 1, 2, 3])?, ["label 3", "sample 3", "0 to 2"]),
        (samples(&[0, -1, 2, 2])?, ["label -1", "sample 1", "`dense_1`"]),
        (Dataset::new(&good.inputs()[0], Tensor::from_slice(&[0f32, 1., 1.5, 2.], 4)?)?, ["label 1.5", "sample 2", ""]),
    ] {
        let mut trainer = small()?;
        refused(trainer.fit(&bad, Fit::epochs(1).batch_size(1)), &words);
        refused(trainer.fit(&good, Fit::epochs(1).validation_data(&bad)), &words);
        refused(trainer.evaluate(&bad), &words);
        assert_eq!(trainer.iterations(), 0);
    }
    Ok(())
}

#[test]
fn validation_that_does_not_fit_is_found_before_the_first_step() -> Result<()> {
    let mut trainer = small()?;
    let wide = Dataset::new(random(&[2, 5], 1)?, Tensor::from_slice(&[0i32, 1], 2)?)?;
    refused(trainer.fit(&samples(&[0, 1])?, Fit::epochs(1).validation_data(&wide)), &["(None, 4)", "(2, 5)"]);
    for split in [f64::NAN, -0.1, 1.0] {
        refused(trainer.fit(&samples(&[0, 1])?, Fit::epochs(1).validation_split(split)), &["validation_split"]);
    }
    assert_eq!(trainer.iterations(), 0);
    Ok(())
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run_in_words() -> Result<()> {
    let data = Dataset::new(random(&[8, 4], 1)?, random(&[8, 3], 2)?)?;
    let mut trainer =
        Sequential::new(4).add(Dense::new(3)).build()?.compile(SGD::new(1e6), MeanSquaredError::new(), ())?;
    let error = trainer.fit(&data, Fit::epochs(50).batch_size(1)).map(|_| ()).expect_err("it learnt");
    let epochs = trainer.history().epochs.len();
    assert!(matches!(error, Error::Diverged { epoch, loss } if epoch == epochs && !loss.is_finite()), "{error}");
    assert!(epochs >= 1 && error.to_string().contains("smaller learning rate"), "{error}");
    Ok(())
}

#[test]
fn what_would_train_wrongly_is_refused_when_it_is_compiled() -> Result<()> {
    let model = chain()?;
    let loss = SparseCategoricalCrossentropy::from_logits();
    let error = model.clone().compile(SGD::new(0.1), loss, ());
    refused(error, &["SparseCategoricalCrossentropy", "from logits", "`dense_1`", "softmax"]);
    let sigmoid = Sequential::new(4).add(Dense::new(3)).add(Activation::sigmoid()).build()?;
    refused(sigmoid.compile(SGD::new(0.1), BinaryCrossentropy::from_logits(), ()), &["`activation`", "sigmoid"]);
    let softmax = Sequential::new(4).add(Dense::new(3)).add(Softmax::new()).build()?;
    let loss = CategoricalCrossentropy::from_logits();
    refused(softmax.compile(SGD::new(0.1), loss, ()), &["`softmax`", "from logits"]);
    let half = model.clone().precision(Precision::MixedF16);
    refused(
        half.compile(SGD::new(0.1), SparseCategoricalCrossentropy::new(), ()),
        &["mixed_float16", "loss_scale_factor"],
    );
    let mse = || MeanSquaredError::new();
    refused(forked()?.compile(SGD::new(0.1), [mse(), mse(), mse()], ()), &["2 outputs", "3 losses"]);
    refused(forked()?.compile(SGD::new(0.1), mse(), ())?.loss_weights([1.0]), &["loss_weights", "2"]);
    Ok(())
}

#[test]
fn what_cannot_train_is_refused() -> Result<()> {
    let mut trainer = small()?;
    for rate in [f64::NAN, f64::INFINITY, -0.1] {
        refused(trainer.set_learning_rate(rate), &["learning rate", &rate.to_string()]);
    }
    assert_eq!(trainer.learning_rate(), 1e-2);

    let frozen = Sequential::new(4).add(Dense::new(3).shared().trainable(false)).build()?;
    let mut frozen = frozen.compile(SGD::new(0.1), MeanSquaredError::new(), ())?;
    let data = Dataset::new(random(&[2, 4], 1)?, random(&[2, 3], 2)?)?;
    refused(frozen.fit(&data, Fit::epochs(1)), &["no trainable weights"]);
    refused(frozen.train_on_batch(&data), &["no trainable weights"]);
    assert!(frozen.evaluate(&data)?.get("loss").is_some());
    Ok(())
}
