//! Small random files in the layouts that are common, and what is wrong with others.

use super::*;
use crate::files::safetensors::Contents;
use crate::generate::Generate;

/// Names and shapes.
type Shapes = Vec<(String, Vec<usize>)>;

const WIDTH: usize = 6;
const INNER: usize = 8;
const WORDS: usize = 11;
const PLACES: usize = 9;

fn numbers(shape: &[usize], seed: usize) -> Array {
    let n: usize = shape.iter().product();
    let number = |i: usize| ((i * 7919 + seed * 104_729) % 1009) as f32 / 1009.0 - 0.5;
    Array::from_slice(shape, &(0..n).map(number).collect::<Vec<_>>()).unwrap()
}

fn write(name: &str, arrays: &Shapes, folder: &tempfile::TempDir) -> PathBuf {
    let arrays = arrays.iter().enumerate().map(|(i, (name, shape))| (name.clone(), numbers(shape, i))).collect();
    let path = folder.path().join(name);
    safetensors::write(&path, &Contents { arrays, metadata: BTreeMap::new() }).unwrap();
    path
}

fn gpt2_arrays(prefix: &str) -> Shapes {
    let mut arrays = vec![("wte.weight".to_string(), vec![WORDS, WIDTH]), ("wpe.weight".into(), vec![PLACES, WIDTH])];
    for layer in 0..2 {
        for (name, shape) in [
            ("ln_1.weight", vec![WIDTH]),
            ("ln_1.bias", vec![WIDTH]),
            ("attn.c_attn.weight", vec![WIDTH, 3 * WIDTH]),
            ("attn.c_attn.bias", vec![3 * WIDTH]),
            ("attn.c_proj.weight", vec![WIDTH, WIDTH]),
            ("attn.c_proj.bias", vec![WIDTH]),
            ("ln_2.weight", vec![WIDTH]),
            ("ln_2.bias", vec![WIDTH]),
            ("mlp.c_fc.weight", vec![WIDTH, INNER]),
            ("mlp.c_fc.bias", vec![INNER]),
            ("mlp.c_proj.weight", vec![INNER, WIDTH]),
            ("mlp.c_proj.bias", vec![WIDTH]),
            // Masks that some files have beside the weights.
            ("attn.bias", vec![1, 1, PLACES, PLACES]),
        ] {
            arrays.push((format!("h.{layer}.{name}"), shape));
        }
    }
    arrays.extend([("ln_f.weight".to_string(), vec![WIDTH]), ("ln_f.bias".into(), vec![WIDTH])]);
    arrays.into_iter().map(|(name, shape)| (format!("{prefix}{name}"), shape)).collect()
}

/// GPT-2 by its definition, in f64, of the same file.
fn gpt2_logits(path: &Path, prefix: &str, ids: &[usize], heads: usize) -> Vec<f64> {
    let arrays = safetensors::read(path).unwrap().arrays;
    let get = |name: &str| -> Vec<f64> {
        arrays[&format!("{prefix}{name}")].to_vec::<f32>().unwrap().into_iter().map(f64::from).collect()
    };
    let norm = |x: &[f64], name: &str| -> Vec<f64> {
        let (gamma, beta) = (get(&format!("{name}.weight")), get(&format!("{name}.bias")));
        x.chunks(WIDTH)
            .flat_map(|row| {
                let mean = row.iter().sum::<f64>() / WIDTH as f64;
                let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / WIDTH as f64;
                let scale = 1.0 / (variance + 1e-5).sqrt();
                row.iter()
                    .zip(gamma.iter().zip(&beta))
                    .map(|(x, (g, b))| (x - mean) * scale * g + b)
                    .collect::<Vec<_>>()
            })
            .collect()
    };
    let linear = |x: &[f64], name: &str| -> Vec<f64> {
        let (w, b) = (get(&format!("{name}.weight")), get(&format!("{name}.bias")));
        let (inputs, outputs) = (w.len() / b.len(), b.len());
        let one =
            |row: &[f64], j: usize| row.iter().enumerate().map(|(i, x)| x * w[i * outputs + j]).sum::<f64>() + b[j];
        x.chunks(inputs).flat_map(|row| (0..outputs).map(|j| one(row, j)).collect::<Vec<_>>()).collect()
    };
    let (wte, wpe) = (get("wte.weight"), get("wpe.weight"));
    let at =
        |(t, &id): (usize, &usize)| (0..WIDTH).map(|d| wte[id * WIDTH + d] + wpe[t * WIDTH + d]).collect::<Vec<_>>();
    let mut x: Vec<f64> = ids.iter().enumerate().flat_map(at).collect();
    let size = WIDTH / heads;
    for layer in 0..2 {
        let qkv = linear(&norm(&x, &format!("h.{layer}.ln_1")), &format!("h.{layer}.attn.c_attn"));
        let part = |t: usize, third: usize, h: usize| &qkv[t * 3 * WIDTH + third * WIDTH + h * size..][..size];
        let mut y = vec![0.0; x.len()];
        for (t, h) in (0..ids.len()).flat_map(|t| (0..heads).map(move |h| (t, h))) {
            let dot = |s: usize| part(t, 0, h).iter().zip(part(s, 1, h)).map(|(q, k)| q * k).sum::<f64>();
            let e: Vec<f64> = (0..=t).map(|s| (dot(s) / (size as f64).sqrt()).exp()).collect();
            let sum: f64 = e.iter().sum();
            for d in 0..size {
                y[t * WIDTH + h * size + d] = e.iter().enumerate().map(|(s, e)| e / sum * part(s, 2, h)[d]).sum();
            }
        }
        let y = linear(&y, &format!("h.{layer}.attn.c_proj"));
        x.iter_mut().zip(&y).for_each(|(x, y)| *x += y);
        let inner = linear(&norm(&x, &format!("h.{layer}.ln_2")), &format!("h.{layer}.mlp.c_fc"));
        let gelu = |x: f64| 0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh());
        let inner: Vec<f64> = inner.into_iter().map(gelu).collect();
        let y = linear(&inner, &format!("h.{layer}.mlp.c_proj"));
        x.iter_mut().zip(&y).for_each(|(x, y)| *x += y);
    }
    let x = norm(&x, "ln_f");
    let score = |row: &[f64], word: usize| (0..WIDTH).map(|d| row[d] * wte[word * WIDTH + d]).sum::<f64>();
    x.chunks(WIDTH).flat_map(|row| (0..WORDS).map(|word| score(row, word)).collect::<Vec<_>>()).collect()
}

#[test]
fn gpt2_files_are_gpt2() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    for (prefix, heads) in [("", 2), ("transformer.", 3)] {
        let path = write("gpt2.safetensors", &gpt2_arrays(prefix), &folder);
        let model = gpt2(&path, heads)?;
        let ids = [3, 10, 0, 7, 7];
        let tokens = Tensor::from_slice(&ids.map(|id| id as i32), [1, 5])?;
        let got = model.call(&[&tokens])?[0].to_vec::<f32>()?;
        for (got, want) in got.iter().zip(gpt2_logits(&path, prefix, &ids, heads)) {
            assert!((f64::from(*got) - want).abs() < 2e-5, "{got} for {want}");
        }
        let generation = model.generation(&[], &[vec![1, 2]], &Generate::max_length(PLACES))?;
        assert!(generation.is_cached());
        assert_eq!(model.generate(&[vec![1, 2]], &Generate::max_length(PLACES))?[0].len(), PLACES);
    }
    Ok(())
}

fn bert_arrays(prefix: &str) -> Shapes {
    let mut arrays = vec![
        ("embeddings.word_embeddings.weight".to_string(), vec![WORDS, WIDTH]),
        ("embeddings.position_embeddings.weight".into(), vec![PLACES, WIDTH]),
        ("embeddings.token_type_embeddings.weight".into(), vec![2, WIDTH]),
        ("embeddings.LayerNorm.weight".into(), vec![WIDTH]),
        ("embeddings.LayerNorm.bias".into(), vec![WIDTH]),
    ];
    for (name, rows, columns) in [
        ("attention.self.query", WIDTH, WIDTH),
        ("attention.self.key", WIDTH, WIDTH),
        ("attention.self.value", WIDTH, WIDTH),
        ("attention.output.dense", WIDTH, WIDTH),
        ("intermediate.dense", INNER, WIDTH),
        ("output.dense", WIDTH, INNER),
    ] {
        arrays.push((format!("encoder.layer.0.{name}.weight"), vec![rows, columns]));
        arrays.push((format!("encoder.layer.0.{name}.bias"), vec![rows]));
    }
    for name in ["attention.output.LayerNorm", "output.LayerNorm"] {
        arrays.push((format!("encoder.layer.0.{name}.weight"), vec![WIDTH]));
        arrays.push((format!("encoder.layer.0.{name}.bias"), vec![WIDTH]));
    }
    arrays.into_iter().map(|(name, shape)| (format!("{prefix}{name}"), shape)).collect()
}

#[test]
fn bert_files_open_and_padding_does_not_count() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    for prefix in ["", "bert."] {
        let model = bert(write("bert.safetensors", &bert_arrays(prefix), &folder), 2)?;
        let row = |ids: &[i32]| Tensor::from_slice(ids, [1, ids.len()]);
        let of = |ids: &[i32], mask: &[i32]| -> Result<Vec<f32>> {
            let mask = row(mask)?;
            let tokens = &model.call(&[&row(ids)?, &row(&vec![0; ids.len()])?, &mask])?[0];
            sentence_embeddings(tokens, &mask)?.to_vec::<f32>()
        };
        let (short, padded) = (of(&[1, 5, 2], &[1, 1, 1])?, of(&[1, 5, 2, 0, 9], &[1, 1, 1, 0, 0])?);
        assert!(short.iter().zip(&padded).all(|(a, b)| (a - b).abs() < 1e-6), "{short:?} {padded:?}");
        assert!((short.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
        assert_ne!(of(&[1, 5, 2], &[1, 1, 1])?, of(&[1, 6, 2], &[1, 1, 1])?);
    }
    Ok(())
}

#[test]
fn what_files_lack_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |mut arrays: Shapes, edit: &dyn Fn(&mut Shapes), words: &str| {
        edit(&mut arrays);
        let error = gpt2(write("one.safetensors", &arrays, &folder), 2).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("one.safetensors"), "{error}");
    };
    let arrays = || gpt2_arrays("");
    refused(vec![], &|_| {}, "has no array `wte.weight`");
    refused(arrays(), &|a| a.retain(|(name, _)| name != "h.1.ln_2.bias"), "has no array `h.1.ln_2.bias`");
    refused(arrays(), &|a| a[1].1 = vec![PLACES], "`wpe.weight`: expected two axes, got [9]");
    refused(arrays(), &|a| a[1].1 = vec![PLACES, 0], "`wpe.weight`: expected two axes");
    refused(
        arrays(),
        &|a| a[2].1 = vec![WIDTH + 1],
        "expected (6,) numbers for `layer_0/_self_attention_layer_norm/gamma`",
    );
    let error = gpt2(write("two.safetensors", &arrays(), &folder), 4).unwrap_err().to_string();
    assert!(error.contains("6 features do not divide into 4 heads"), "{error}");
}
