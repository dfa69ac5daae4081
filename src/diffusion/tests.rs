use super::*;
use crate::device::Device;
use crate::initializers::Zeros;
use crate::layers::{
    Add, Call, Concatenate, Config, Dense, Embedding, Input, Layer, LayerRef, Reshape, Spec, WeightSpec, object,
};
use crate::model::Model;
use crate::optimizers::SGD;
use crate::tensor::Tensors;
use std::slice::from_ref;

/// Predicts without error of pictures all of whose values are drawn from a normal distribution: from pictures, the variance of
/// their noise, and a mean.
#[derive(Debug)]
struct Oracle {
    prediction: Prediction,
    deviation: f64,
}

impl Layer for Oracle {
    fn class_name(&self) -> &'static str {
        "Oracle"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        Ok(vec![inputs[0].clone()])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(Vec::new())
    }

    fn forward(&self, _: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let (x, noise, mean) = (inputs[0], inputs[1].sqrt()?, inputs[2].cast(DType::F32)?);
        let signal = inputs[1].rescale(-1.0, 1.0)?.sqrt()?;
        // What is not the mean is noise by σ² / (α² s² + σ²), and picture by the rest.
        let variance = noise.square()?.add(&signal.square()?.mul_scalar(self.deviation * self.deviation)?)?;
        let noise_in_x = x.sub(&signal.mul(&mean)?)?.mul(&noise)?.div(&variance)?;
        let picture = x.sub(&noise.mul(&noise_in_x)?)?.div(&signal)?;
        let y = match self.prediction {
            Prediction::Noise => noise_in_x,
            Prediction::Velocity => signal.mul(&noise_in_x)?.sub(&noise.mul(&picture)?)?,
        };
        Ok(Tensors::from_elem(y, 1))
    }

    fn config(&self) -> Config {
        object(json!({}))
    }
}

fn oracle(prediction: Prediction, deviation: f64, size: usize) -> Result<Model> {
    let (pictures, variance, mean) = (Input::new([size]), Input::new([1]), Input::new([1]));
    let output = LayerRef::new(Oracle { prediction, deviation }).call([&pictures, &variance, &mean])?;
    Model::new([&pictures, &variance, &mean], &output)
}

fn means(values: &[f32]) -> Result<Tensor> {
    Tensor::from_slice(values, [values.len(), 1])
}

const BOTH: [Prediction; 2] = [Prediction::Noise, Prediction::Velocity];

#[test]
fn known_pictures_come_out_of_noise() -> Result<()> {
    for (prediction, schedule) in
        BOTH.into_iter().flat_map(|p| [(p, NoiseSchedule::COSINE), (p, NoiseSchedule::LINEAR)])
    {
        let model = oracle(prediction, 0.0, 5)?;
        let diffusion = Diffusion::new().schedule(schedule).prediction(prediction);
        for (steps, step) in [(1, SampleStep::Ddim), (7, SampleStep::Ddim), (7, SampleStep::Ddpm)] {
            let sample = Sample::new(2).steps(steps).step(step).clip(None);
            let pictures = diffusion.sample(&model, &[means(&[0.25, -3.0])?], &sample)?.to_vec::<f32>()?;
            for (i, value) in pictures.iter().enumerate() {
                let off = (value - [0.25, -3.0][i / 5]).abs();
                assert!(off < 1e-2, "{prediction:?}, {schedule:?}, {steps} steps of {step:?}: {value}");
            }
            let clipped = diffusion.sample(&model, &[means(&[0.25, -3.0])?], &sample.clip(Some(1.0)))?;
            assert!(clipped.to_vec::<f32>()?[5..].iter().all(|value| *value == -1.0));
        }
    }
    Ok(())
}

/// Of a normal distribution the best prediction is known, so that its samples show whether steps take away as much noise as
/// there is.
#[test]
fn samples_have_the_datas_variance() -> Result<()> {
    const SIZE: usize = 500;
    const STEPS: usize = 400;
    for prediction in BOTH {
        let model = oracle(prediction, 0.5, SIZE)?;
        let diffusion = Diffusion::new().prediction(prediction);
        for step in [SampleStep::Ddim, SampleStep::Ddpm] {
            let sample = Sample::new(40).steps(STEPS).step(step).clip(None).seed(3);
            // The last step gives the mean of what a picture may have been, so it is the noisy one before that counts.
            let mut denoising = diffusion.denoising(&model, &[means(&[0.3; 40])?], &sample)?;
            let mut noisy = denoising.noisy().clone();
            let mut done = 0;
            while let Some(pictures) = denoising.next() {
                pictures?;
                done += 1;
                if done < STEPS {
                    noisy = denoising.noisy().clone();
                }
            }
            let rates = NoiseSchedule::COSINE.rates(1.0 / STEPS as f64);
            let values: Vec<f64> = noisy.to_vec::<f32>()?.into_iter().map(f64::from).collect();
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
            let want = 0.25 * rates.signal * rates.signal + rates.noise * rates.noise;
            assert!((mean - 0.3 * rates.signal).abs() < 0.01, "{prediction:?}, {step:?}: mean {mean}");
            assert!((variance / want - 1.0).abs() < 0.03, "{prediction:?}, {step:?}: {variance}, not {want}");
        }
    }
    Ok(())
}

#[test]
fn guidance_goes_from_nothing_told_to_the_condition_and_beyond() -> Result<()> {
    let (model, diffusion) = (oracle(Prediction::Noise, 0.0, 3)?, Diffusion::new());
    for (guidance, want) in [(0.0, 0.0), (1.0, 0.2), (2.0, 0.4), (0.5, 0.1), (-1.0, -0.2)] {
        let sample = Sample::new(2).steps(5).guidance(guidance);
        let pictures = diffusion.sample(&model, &[means(&[0.2; 2])?], &sample)?.to_vec::<f32>()?;
        assert!(pictures.iter().all(|value| (value - want).abs() < 5e-3), "{guidance}: {pictures:?}");
    }
    Ok(())
}

#[test]
fn seeds_decide_pictures_whatever_their_number() -> Result<()> {
    let (model, diffusion) = (oracle(Prediction::Noise, 1.0, 2)?, Diffusion::new());
    let of = |count: usize, seed: u64| -> Result<Vec<f32>> {
        let sample = Sample::new(count).steps(3).step(SampleStep::Ddpm).clip(None).seed(seed);
        diffusion.sample(&model, &[means(&vec![0.0; count])?], &sample)?.to_vec()
    };
    let many = of(130, 1)?;
    assert_eq!(many, of(130, 1)?);
    assert_eq!(many[..128], of(64, 1)?[..]);
    assert_ne!(many[..128], many[128..256], "groups have noise of their own");
    assert_ne!(many[..128], of(64, 2)?[..]);
    // Step by step they are the same.
    let sample = Sample::new(130).steps(3).step(SampleStep::Ddpm).clip(None).seed(1);
    let last = diffusion.denoising(&model, &[means(&[0.0; 130])?], &sample)?.last().unwrap()?;
    assert_eq!(last.to_vec::<f32>()?, many);
    Ok(())
}

/// What is asked of a network, and by which error, shows in the loss of one that answers 0: of noise n the mean of |n| is
/// √(2/π), and of v = signal · n − noise · 2, for pictures of 2, the mean of v² is that of signal² + 4 noise².
#[test]
fn noise_is_learnt_by_the_absolute_error_and_v_by_the_squared() -> Result<()> {
    const TIMES: usize = 1000;
    let squares = (0..TIMES).map(|i| NoiseSchedule::COSINE.rates((i as f64 + 0.5) / TIMES as f64));
    let velocity = squares.map(|rates| rates.signal.powi(2) + 4.0 * rates.noise.powi(2)).sum::<f64>() / TIMES as f64;
    let wanted = [(Prediction::Noise, std::f64::consts::FRAC_2_PI.sqrt()), (Prediction::Velocity, velocity)];
    for (prediction, want) in wanted {
        let (pictures, variance) = (Input::new([8]), Input::new([1]));
        let output = Dense::new(8).kernel_initializer(Zeros).call(&Concatenate::new().call([&pictures, &variance])?)?;
        let model = Model::new([&pictures, &variance], &output)?;
        let step = Diffusion::new().prediction(prediction).step();
        let mut trainer = model.compile(SGD::new(0.0), (), ())?.with_step(step);
        let x = Tensor::full(&Device::Cpu, [8000, 8], DType::F32, 2.0)?;
        trainer.train_on_batch(&Batch::new(x, ())?)?;
        let loss = trainer.logs()?.get("loss").unwrap();
        assert!((loss / want - 1.0).abs() < 0.03, "{prediction:?}: {loss}, not {want}");
    }
    Ok(())
}

/// The rows of an embedding that training changes are those that the network was told.
#[test]
fn a_share_of_the_conditions_is_left_out() -> Result<()> {
    for (share, changed) in [(0.0, [false, true]), (1.0, [true, false]), (0.5, [true, true])] {
        let (pictures, variance, class) = (Input::new([4]), Input::new([1]), Input::with([1], DType::I32, None));
        let told = Reshape::new([4]).call(&Embedding::new(2, 4).call(&class)?)?;
        let output = Add::new().call([&pictures, &variance, &told])?;
        let model = Model::new([&pictures, &variance, &class], &output)?;
        let before = model.weight("embedding/embeddings")?.to_vec::<f32>()?;
        let mut trainer = model.compile(SGD::new(1.0), (), ())?.with_step(Diffusion::new().unconditional(share).step());
        let x = Tensor::ones(&Device::Cpu, [64, 4], DType::F32)?;
        trainer.train_on_batch(&Batch::new([x, Tensor::from_slice(&[1; 64], [64, 1])?], ())?)?;
        let after = trainer.model().weight("embedding/embeddings")?.to_vec::<f32>()?;
        assert_eq!([0, 4].map(|at| before[at..at + 4] != after[at..at + 4]), changed, "{share}");
    }
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let (model, diffusion, told) = (oracle(Prediction::Noise, 1.0, 2)?, Diffusion::new(), means(&[0.0; 2])?);
    let message = |conditions: &[Tensor], sample: Sample| {
        diffusion.sample(&model, conditions, &sample).map(drop).unwrap_err().to_string()
    };
    assert!(message(&[], Sample::new(2)).contains("it has 3 inputs, and 0 conditions are given"));
    assert!(message(from_ref(&told), Sample::new(3)).contains("conditions of 3 pictures, got shape (2, 1)"));
    assert!(message(from_ref(&told), Sample::new(0)).contains("`count`"));
    assert!(message(from_ref(&told), Sample::new(2).steps(0)).contains("`steps`"));
    assert!(message(from_ref(&told), Sample::new(2).guidance(f64::NAN)).contains("`guidance`"));
    assert!(message(from_ref(&told), Sample::new(2).clip(Some(0.0))).contains("`clip`"));
    for value in [json!(null), json!({"schedule": {"name": "cosine"}}), Diffusion::new().unconditional(2.0).to_json()] {
        assert!(Diffusion::from_json(&value).is_err(), "{value}");
    }
    let other = Diffusion::new().schedule(NoiseSchedule::LINEAR).prediction(Prediction::Velocity).unconditional(0.0);
    assert_eq!(Diffusion::from_json(&other.to_json())?, other);
    Ok(())
}
