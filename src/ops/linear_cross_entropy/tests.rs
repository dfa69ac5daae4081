//! The op against the logits and losses that it never stores.

use super::{LinearCrossEntropy, NAME};
use crate::dtype::DType;
use crate::error::Result;
use crate::tensor::{GradientTape, Tensor, apply_one};

fn numbers(shape: &[usize], step: usize) -> Result<Tensor> {
    let n = shape.iter().product::<usize>();
    Tensor::from_slice(&(0..n).map(|i| (i * step % 131) as f64 / 65.0 - 1.0).collect::<Vec<_>>(), shape)
}

#[test]
fn it_is_the_loss_of_the_logits() -> Result<()> {
    for (rows, features, classes) in [(7, 3, 5), (300, 4, 70)] {
        for transposed in [false, true] {
            let shape = if transposed { [classes, features] } else { [features, classes] };
            let (x, kernel) = (numbers(&[rows, features], 7)?, numbers(&shape, 11)?);
            let (bias, factors) = (numbers(&[classes], 3)?, numbers(&[rows], 5)?);
            let labels: Vec<i32> = (0..rows).map(|i| (i * i % classes) as i32).collect();
            let labels = Tensor::from_slice(&labels, [rows, 1])?;
            let run = |chunk: Option<usize>| -> Result<Vec<Vec<f64>>> {
                let tape = GradientTape::new();
                let (x, kernel, bias) = (tape.watch(&x)?, tape.watch(&kernel)?, tape.watch(&bias)?);
                let loss = match chunk {
                    Some(chunk) => {
                        let op = LinearCrossEntropy { transposed, bias: true, record: true, chunk };
                        apply_one(op, &[&x, &kernel, &bias, &labels, &factors])?
                    }
                    None => {
                        let logits = x.matmul_with(&kernel, false, transposed)?.add(&bias)?;
                        logits.sparse_softmax_cross_entropy(&labels)?.mul(&factors)?.sum(&[], false)?
                    }
                };
                // What flows in is more than 1.
                let gradients = tape.gradient(&loss.mul_scalar(3.0)?, &[&x, &kernel, &bias])?;
                let all = std::iter::once(&loss).chain(gradients.iter().flatten());
                all.map(|t| t.to_vec::<f64>()).collect()
            };
            let want = run(None)?;
            for chunk in [1, 70 * 128, 1 << 20] {
                let got = run(Some(chunk))?;
                assert_eq!(got.len(), 4);
                let all = got.iter().flatten().zip(want.iter().flatten());
                all.for_each(|(g, w)| assert!((g - w).abs() < 1e-11, "{g} for {w}, chunks of {chunk}"));
            }
        }
    }
    Ok(())
}

#[test]
fn what_is_not_recorded_forms_no_gradient() -> Result<()> {
    let (x, kernel, factors) = (numbers(&[4, 3], 7)?, numbers(&[3, 5], 11)?, numbers(&[4], 5)?);
    let labels = Tensor::from_slice(&[0u8, 4, 2, 1], 4)?;
    let alone = x.linear_cross_entropy((&kernel, false), None, &labels, &factors)?.to_vec::<f64>()?;
    let tape = GradientTape::new();
    let watched = tape.watch(&x)?.linear_cross_entropy((&kernel, false), None, &labels, &factors)?;
    assert!((alone[0] - watched.to_vec::<f64>()?[0]).abs() < 1e-14);
    Ok(())
}

#[test]
fn what_does_not_fit_is_named() -> Result<()> {
    let (x, kernel, factors) = (numbers(&[2, 3], 7)?, numbers(&[3, 5], 11)?, numbers(&[2], 5)?);
    let labels = |values: &[i32]| Tensor::from_slice(values, values.len());
    let refused = |kernel: &Tensor, transposed: bool, bias: Option<&Tensor>, labels: &Tensor, words: &str| {
        let error = x.linear_cross_entropy((kernel, transposed), bias, labels, &factors).map(|_| ());
        let error = error.unwrap_err().to_string();
        assert!(error.contains(words) && error.contains(NAME), "{error}");
    };
    refused(&kernel, true, None, &labels(&[0, 1])?, "rows of 5 features, got float64 (2, 3), float64 (3, 5)");
    refused(&kernel, false, Some(&factors), &labels(&[0, 1])?, "a bias of shape (5,)");
    refused(&kernel, false, None, &labels(&[0, 1, 2])?, "labels (2,) or (2, 1)");
    refused(&kernel, false, None, &labels(&[0, 5])?, "the label 5 at place 1 is out of range: there are 5 classes");
    let error = x.linear_cross_entropy((&kernel, false), None, &labels(&[0, 1])?, &factors.cast(DType::F32)?);
    assert!(error.map(|_| ()).unwrap_err().to_string().contains("expected factors float64 (2,)"));
    Ok(())
}
