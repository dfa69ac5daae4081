//! The op against its definition, and what conformance does not see: which gradients are asked for, and mixed types.

use crate::dtype::DType;
use crate::error::Result;
use crate::tensor::{GradientTape, Tensor};

fn numbers(shape: &[usize], step: usize) -> Result<Tensor> {
    let n = shape.iter().product::<usize>();
    Tensor::from_slice(&(0..n).map(|i| (i * step % 131) as f64 / 65.0 - 1.0).collect::<Vec<_>>(), shape)
}

const EPSILON: f64 = 1e-3;

/// What is added to x, what the sum is multiplied by and what is added to it, and the gradients of both outputs.
struct Given {
    x: Tensor,
    residual: Tensor,
    gamma: Tensor,
    beta: Tensor,
    ds: Tensor,
    dy: Tensor,
}

impl Given {
    fn new(rows: usize, count: usize) -> Result<Given> {
        let like_x = |step| numbers(&[rows, count], step);
        let (gamma, beta) = (numbers(&[count], 3)?.add_scalar(1.5)?, numbers(&[count], 5)?);
        Ok(Given { x: like_x(7)?, residual: like_x(11)?, gamma, beta, ds: like_x(13)?, dy: like_x(17)? })
    }

    fn cast(&self, dtype: DType) -> Result<Given> {
        let [x, residual, gamma, beta, ds, dy] =
            [&self.x, &self.residual, &self.gamma, &self.beta, &self.ds, &self.dy].map(|t| t.cast(dtype));
        Ok(Given { x: x?, residual: residual?, gamma: gamma?, beta: beta?, ds: ds?, dy: dy? })
    }

    /// Sum, output, and the gradients of x, γ and β of Σ ds · sum + dy · output, one number after the other.
    fn plainly(&self, centred: bool) -> Result<[Vec<f64>; 5]> {
        let [x, residual, gamma, beta, ds, dy] =
            [&self.x, &self.residual, &self.gamma, &self.beta, &self.ds, &self.dy].map(|t| t.to_vec::<f64>());
        let (x, residual, gamma, beta, ds, dy) = (x?, residual?, gamma?, beta?, ds?, dy?);
        let n = gamma.len();
        let sum: Vec<f64> = x.iter().zip(&residual).map(|(x, r)| x + r).collect();
        let (mut y, mut dx, mut dgamma, mut dbeta) = (sum.clone(), ds, vec![0.0; n], vec![0.0; n]);
        for row in 0..sum.len() / n {
            let s = &sum[row * n..(row + 1) * n];
            let mean = if centred { s.iter().sum::<f64>() / n as f64 } else { 0.0 };
            let variance = s.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / n as f64;
            let scale = 1.0 / (variance + EPSILON).sqrt();
            let normal: Vec<f64> = s.iter().map(|s| (s - mean) * scale).collect();
            for j in 0..n {
                let at = row * n + j;
                y[at] = normal[j] * gamma[j] + beta[j];
                dgamma[j] += dy[at] * normal[j];
                dbeta[j] += dy[at];
                // How each normalised element changes with each of the row.
                for i in 0..n {
                    let own = if i == j { 1.0 } else { 0.0 };
                    let with_mean = if centred { 1.0 / n as f64 } else { 0.0 };
                    let slope = scale * (own - with_mean - normal[i] * normal[j] / n as f64);
                    dx[row * n + i] += dy[at] * gamma[j] * slope;
                }
            }
        }
        Ok([sum, y, dx, dgamma, dbeta])
    }

    /// The same by the op.
    fn fused(&self, centred: bool) -> Result<[Tensor; 5]> {
        let tape = GradientTape::new();
        let [x, residual, gamma, beta] = [&self.x, &self.residual, &self.gamma, &self.beta].map(|t| tape.watch(t));
        let (x, residual, gamma, beta) = (x?, residual?, gamma?, beta?);
        let (sum, y) = match centred {
            true => x.add_layer_norm(&residual, Some(&gamma), Some(&beta), EPSILON)?,
            false => {
                let (sum, y) = x.add_rms_norm(&residual, Some(&gamma), EPSILON)?;
                (sum, y.add(&beta)?)
            }
        };
        let total = sum.mul(&self.ds)?.add(&y.mul(&self.dy)?)?.sum(&[], false)?;
        let gradients = tape.gradient(&total, &[&x, &residual, &gamma, &beta])?;
        let [Some(dx), Some(dr), Some(dgamma), Some(dbeta)] = &gradients[..] else { panic!("a gradient is missing") };
        assert_eq!(dx.to_vec::<f64>()?, dr.to_vec::<f64>()?);
        Ok([sum, y, dx.clone(), dgamma.clone(), dbeta.clone()])
    }
}

fn close(got: &[f64], want: &[f64], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (g, w) in got.iter().zip(want) {
        assert!((g - w).abs() < 1e-11 * (1.0 + w.abs()), "{what}: {g} for {w}");
    }
}

#[test]
fn it_is_what_it_is_defined_as() -> Result<()> {
    for (rows, count) in [(1, 1), (3, 5), (50, 33), (2, 600)] {
        for centred in [true, false] {
            let given = Given::new(rows, count)?;
            for (got, want) in given.fused(centred)?.iter().zip(given.plainly(centred)?) {
                close(&got.to_vec::<f64>()?, &want, &format!("{rows} rows of {count}, centred {centred}"));
            }
        }
    }
    Ok(())
}

#[test]
fn a_row_of_one_element_has_no_gradient() -> Result<()> {
    let tape = GradientTape::new();
    let x = tape.watch(&numbers(&[3, 1], 7)?)?;
    let y = x.layer_norm(Some(&numbers(&[1], 3)?), None, EPSILON)?;
    let gradients = tape.gradient(&y.mul(&numbers(&[3, 1], 11)?)?, &[&x])?;
    assert_eq!(gradients[0].as_ref().map(|g| g.to_vec::<f64>()).transpose()?, Some(vec![0.0; 3]));
    Ok(())
}

#[test]
fn what_is_not_wanted_changes_nothing_else() -> Result<()> {
    let given = Given::new(40, 9)?;
    let run = |watched: [bool; 4], use_sum: bool, use_y: bool| -> Result<Vec<Option<Vec<f64>>>> {
        let tape = GradientTape::new();
        let inputs = [&given.x, &given.residual, &given.gamma, &given.beta];
        let each = inputs.into_iter().zip(watched);
        let each = each.map(|(t, watched)| if watched { tape.watch(t) } else { Ok(t.clone()) });
        let inputs = each.collect::<Result<Vec<_>>>()?;
        let (sum, y) = inputs[0].add_layer_norm(&inputs[1], Some(&inputs[2]), Some(&inputs[3]), EPSILON)?;
        let (sum, y) = (sum.mul(&given.ds)?, y.mul(&given.dy)?);
        let total = match (use_sum, use_y) {
            (true, true) => sum.add(&y)?,
            (true, false) => sum,
            _ => y,
        };
        let sources: Vec<&Tensor> = inputs.iter().zip(watched).filter(|(_, w)| *w).map(|(t, _)| t).collect();
        let gradients = tape.gradient(&total.sum(&[], false)?, &sources)?;
        gradients.iter().map(|g| g.as_ref().map(|g| g.to_vec::<f64>()).transpose()).collect()
    };
    let all = run([true; 4], true, true)?;
    for which in 1..16 {
        let watched = [which & 1 > 0, which & 2 > 0, which & 4 > 0, which & 8 > 0];
        let want: Vec<_> = all.iter().zip(watched).filter(|(_, w)| *w).map(|(g, _)| g.clone()).collect();
        assert_eq!(run(watched, true, true)?, want, "{watched:?}");
    }
    let ds = given.ds.to_vec::<f64>()?;
    assert_eq!(run([true; 4], true, false)?, [Some(ds.clone()), Some(ds.clone()), None, None]);
    let of_y = run([true; 4], false, true)?;
    assert_eq!(of_y[2..], all[2..]);
    let [Some(of_y), Some(of_all)] = [&of_y[0], &all[0]] else { panic!("x has a gradient") };
    close(&of_y.iter().zip(&ds).map(|(y, s)| y + s).collect::<Vec<_>>(), of_all, "dx");
    Ok(())
}

#[test]
fn halves_keep_their_weights_in_f32() -> Result<()> {
    for dtype in [DType::BF16, DType::F16] {
        let (wide, half) = (Given::new(6, 17)?.cast(DType::F32)?, Given::new(6, 17)?.cast(dtype)?);
        let (gamma, beta) = (Some(&wide.gamma), Some(&wide.beta));
        let y = half.x.layer_norm(gamma, beta, EPSILON)?;
        let want = half.x.cast(DType::F32)?.layer_norm(gamma, beta, EPSILON)?.cast(dtype)?;
        assert_eq!((y.dtype(), bits(&y)?), (dtype, bits(&want)?));
        let tape = GradientTape::new();
        let (x, gamma) = (tape.watch(&half.x)?, tape.watch(&wide.gamma)?);
        let y = x.rms_norm(Some(&gamma), EPSILON)?;
        let gradients = tape.gradient(&y, &[&x, &gamma])?;
        let dtypes: Vec<_> = gradients.iter().map(|g| g.as_ref().map(Tensor::dtype)).collect();
        assert_eq!(dtypes, [Some(dtype), Some(DType::F32)]);
    }
    Ok(())
}

fn bits(half: &Tensor) -> Result<Vec<f32>> {
    half.cast(DType::F32)?.to_vec()
}

#[test]
fn what_does_not_fit_is_named() -> Result<()> {
    let x = numbers(&[2, 3], 7)?;
    let refused = |result: Result<Tensor>, words: &str| {
        let error = result.map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    let short = numbers(&[2], 3)?;
    let want = "layer_norm: expected float64 (3,) for each weight, got float64 (2,) among float64 (2, 3), float64 (2,)";
    refused(x.layer_norm(Some(&short), None, EPSILON), want);
    let half = x.cast(DType::BF16)?;
    let gamma = numbers(&[3], 3)?.cast(DType::BF16)?;
    refused(half.rms_norm(Some(&gamma), EPSILON), "rms_norm: expected float32 (3,) for each weight, got bfloat16 (3,)");
    refused(x.layer_norm(None, None, 0.0), "layer_norm: expected a positive epsilon, got 0");
    let sum = x.add_layer_norm(&numbers(&[3, 2], 7)?, None, None, EPSILON).map(|(sum, _)| sum);
    refused(sum, "add_layer_norm: expected float64 (2, 3) for the residual, got float64 (3, 2)");
    let scalar = x.sum(&[], false)?;
    refused(scalar.layer_norm(None, None, EPSILON), "layer_norm: expected at least one axis, got shape ()");
    Ok(())
}
