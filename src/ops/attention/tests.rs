//! Attention against its definition, and what it promises of steps that go on from a cache.

use super::Attend;
use crate::device::cpu::philox::Philox;
use crate::dtype::DType;
use crate::error::Result;
use crate::tensor::{GradientTape, Tensor};

fn numbers(shape: &[usize], seed: i64) -> Result<Tensor> {
    let (philox, n) = (Philox::new(seed, 0, 0), shape.iter().product());
    let number = |i: usize| f64::from(philox.uniform(i as u64 / 4)[i % 4]) * 4.0 - 2.0;
    Tensor::from_slice(&(0..n).map(number).collect::<Vec<f64>>(), shape)
}

fn dims(x: &Tensor) -> [usize; 4] {
    std::array::from_fn(|axis| x.shape()[axis])
}

/// softmax(scale · q · kᵀ) · v, score by score, over the keys that `seen(batch, head, query, key)` has.
fn definition(
    [query, key, value]: [&Tensor; 3],
    scale: f64,
    seen: impl Fn(usize, usize, usize, usize) -> bool,
) -> Result<Vec<f64>> {
    let ([batch, queries, heads, size], [_, keys, key_heads, value_size]) = (dims(query), dims(value));
    let (q, k, v) = (query.data::<f64>()?, key.data::<f64>()?, value.data::<f64>()?);
    let mut out = Vec::new();
    for row in 0..batch * queries * heads {
        let (b, i, h) = (row / heads / queries, row / heads % queries, row % heads);
        let of_key = |j: usize| (b * keys + j) * key_heads + h * key_heads / heads;
        let weight = |j: usize| {
            let (q, k) = (&q[row * size..][..size], &k[of_key(j) * size..][..size]);
            let score: f64 = q.iter().zip(k).map(|(q, k)| q * k).sum();
            if seen(b, h, i, j) { (scale * score).exp() } else { 0.0 }
        };
        let weights: Vec<f64> = (0..keys).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        for d in 0..value_size {
            let total: f64 = weights.iter().enumerate().map(|(j, w)| w * v[of_key(j) * value_size + d]).sum();
            out.push(if sum == 0.0 { 0.0 } else { total / sum });
        }
    }
    Ok(out)
}

fn close(got: &Tensor, want: &[f64]) -> Result<()> {
    let got = got.to_vec::<f64>()?;
    assert_eq!(got.len(), want.len());
    let near = |(g, w): (&f64, &f64)| (g - w).abs() < 1e-12;
    assert!(got.iter().zip(want).all(near), "{got:?} for {want:?}");
    Ok(())
}

#[test]
fn it_is_what_it_is_defined_as() -> Result<()> {
    for [batch, queries, keys, heads, key_heads, size, value_size] in
        [[2, 5, 7, 4, 2, 3, 6], [1, 60, 300, 1, 1, 9, 2], [1, 1, 1, 2, 2, 1, 1]]
    {
        let query = numbers(&[batch, queries, heads, size], 1)?;
        let key = numbers(&[batch, keys, key_heads, size], 2)?;
        let value = numbers(&[batch, keys, key_heads, value_size], 3)?;
        let all = [&query, &key, &value];
        let plain = query.attention(&key, &value, Attend::default())?;
        close(&plain, &definition(all, 1.0 / (size as f64).sqrt(), |_, _, _, _| true)?)?;
        for whole in 0..8usize {
            let extents: [usize; 3] =
                std::array::from_fn(|i| if whole >> i & 1 == 1 { [batch, heads, queries][i] } else { 1 });
            let shape = [extents[0], extents[1], extents[2], keys];
            // Every third key, and of the first query none at all.
            let bit = |i: usize| i / keys > 0 && !(i * 7).is_multiple_of(3);
            let bits: Vec<bool> = (0..shape.iter().product()).map(bit).collect();
            let mask = Tensor::from_slice(&bits, shape)?;
            let at = |b: usize, h: usize, i: usize, j: usize| {
                let [b, h, i] = [(b, 0), (h, 1), (i, 2)].map(|(at, axis)| at.min(extents[axis] - 1));
                bits[((b * extents[1] + h) * extents[2] + i) * keys + j]
            };
            for causal in [None, Some(0), Some(2)] {
                let attend = Attend { mask: Some(&mask), scale: Some(-0.3), causal, ..Attend::default() };
                let before = |i: usize, j: usize| causal.is_none_or(|offset| j <= i + offset);
                let want = definition(all, -0.3, |b, h, i, j| at(b, h, i, j) && before(i, j))?;
                close(&query.attention(&key, &value, attend)?, &want)?;
            }
        }
    }
    Ok(())
}

#[test]
fn a_step_from_a_cache_has_the_bits_of_the_whole_sequence() -> Result<()> {
    let (steps, heads, size) = (520, 2, 12);
    let of = |seed| numbers(&[1, steps, heads, size], seed)?.cast(DType::F32);
    let (query, key, value) = (of(1)?, of(2)?, of(3)?);
    let whole = query.attention(&key, &value, Attend { causal: Some(0), ..Attend::default() })?;
    for step in [0, 1, 15, 16, 47, 48, 255, 256, 511, 519] {
        let one = query.slice(1, step..step + 1)?;
        let cached = Attend { causal: Some(step), keys: Some(step + 1), ..Attend::default() };
        let got = one.attention(&key, &value, cached)?.to_vec::<f32>()?;
        assert_eq!(got, whole.slice(1, step..step + 1)?.to_vec::<f32>()?, "step {step}");
    }
    Ok(())
}

#[test]
fn a_query_that_sees_no_key_gives_zeros_and_no_gradient() -> Result<()> {
    let (query, key, value) = (numbers(&[1, 2, 1, 3], 1)?, numbers(&[1, 4, 1, 3], 2)?, numbers(&[1, 4, 1, 2], 3)?);
    let mask = Tensor::from_slice(&[false, false, false, false, true, false, false, true], [1, 1, 2, 4])?;
    let tape = GradientTape::new();
    let (query, key, value) = (tape.watch(&query)?, tape.watch(&key)?, tape.watch(&value)?);
    let y = query.attention(&key, &value, Attend { mask: Some(&mask), ..Attend::default() })?;
    assert_eq!(y.to_vec::<f64>()?[..2], [0.0, 0.0]);
    let gradients = tape.gradient(&y.sum(&[], false)?, &[&query, &key, &value])?;
    for gradient in gradients.iter().flatten() {
        assert!(gradient.to_vec::<f64>()?.iter().all(|g| g.is_finite()));
    }
    assert_eq!(gradients[0].as_ref().map(|g| g.to_vec::<f64>()).transpose()?.unwrap_or_default()[..3], [0.0; 3]);
    Ok(())
}

#[test]
fn what_does_not_fit_is_named() -> Result<()> {
    let (q, k, v) = (numbers(&[2, 3, 4, 5], 1)?, numbers(&[2, 6, 2, 5], 2)?, numbers(&[2, 6, 2, 7], 3)?);
    let refused = |q: &Tensor, k: &Tensor, v: &Tensor, attend: Attend, words: &str| {
        let error = q.attention(k, v, attend).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    let plain = Attend::default();
    refused(&q.reshape([6, 4, 5])?, &k, &v, plain, "4 axes (batch, steps, heads, size), got float64 (6, 4, 5)");
    refused(&q, &v, &k, plain, "a key of the query's batch and size");
    refused(&q, &k, &v.slice(1, 0..3)?, plain, "a value of the key's batch, steps and heads");
    refused(&q.slice(2, 0..3)?, &k, &v, plain, "a multiple of the key's");
    refused(&q, &k, &v, Attend { keys: Some(7), ..plain }, "at least 7 keys, got (2, 6, 2, 5)");
    let mask = Tensor::from_slice(&[true; 12], [2, 1, 1, 6])?;
    refused(&q, &k, &v, Attend { mask: Some(&mask.slice(3, 0..5)?), ..plain }, "bool (2 or 1, 4 or 1, 3 or 1, 6)");
    refused(&q, &k, &v, Attend { mask: Some(&mask.cast(DType::I32)?), ..plain }, "got int32 (2, 1, 1, 6)");
    refused(&q, &k, &v, Attend { scale: Some(f64::NAN), ..plain }, "a finite scale, got NaN");
    Ok(())
}
