//! Networks that make pictures, on every device: the same pictures of one seed, files, and parts of what was trained.

mod common;

use common::Random;
use serde_json::json;
use uncrumple::GradientTape;
use uncrumple::diffusion::{Diffusion, NoiseSchedule, Prediction, Sample, SampleStep};
use uncrumple::losses::gaussian_kl;
use uncrumple::prelude::*;
use uncrumple::programs::captions::Captions;
use uncrumple::programs::diffusion::{Condition, Denoiser, Told, UNet};
use uncrumple::programs::sequences::Sizes;
use uncrumple::programs::vae::Vae;

fn devices() -> Vec<Device> {
    std::iter::once(Device::Cpu).chain(common::cuda()).collect()
}

fn random(shape: &[usize], seed: u64) -> Result<Tensor> {
    let mut random = Random(seed);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| random.next() as f32).collect();
    Tensor::from_slice(&values, shape)
}

/// The largest difference of two tensors of one shape.
fn apart(a: &Tensor, b: &Tensor) -> Result<f32> {
    assert_eq!(a.shape(), b.shape());
    let (a, b) = (a.to_device(&Device::Cpu)?.to_vec::<f32>()?, b.to_device(&Device::Cpu)?.to_vec::<f32>()?);
    Ok(a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max))
}

/// A model whose last layer, which begins with zeros, says something.
fn stirred(mut model: Model) -> Result<Model> {
    let path = model.weight_paths().filter(|path| path.ends_with("kernel")).last().unwrap().to_string();
    let kernel = random(model.weight(&path)?.shape().dims(), 5)?.rescale(0.4, -0.2)?;
    model.set_weight(&path, &kernel)?;
    Ok(model)
}

const NAMES: [&str; 4] = ["red heart", "red car", "blue car", "dog face"];

fn of_names() -> Result<Denoiser> {
    Denoiser::new(Diffusion::new()).of_texts(&NAMES, 3)
}

fn network(widths: [usize; 2]) -> UNet {
    UNet::new([8, 8, 3], widths, 1)
}

#[test]
fn a_seed_makes_the_same_pictures() -> Result<()> {
    let told: [(Denoiser, [&str; 3]); 2] = [
        (Denoiser::new(Diffusion::new()).of_classes(["cat", "dog"]), ["dog", "cat", "DOG"]),
        (of_names()?, ["red dog", "blue heart", "car"]),
    ];
    for (denoiser, prompts) in told {
        let model = stirred(denoiser.model(network([8, 16]).patch(2))?)?;
        for step in [SampleStep::Ddim, SampleStep::Ddpm] {
            let sample = Sample::new(0).steps(4).step(step).guidance(2.5).seed(7);
            let mut made: Vec<Tensor> = Vec::new();
            for device in devices() {
                let model = model.clone().on(device.clone());
                let pictures = denoiser.sample(&model, &prompts, &sample)?;
                assert_eq!(pictures.shape().dims(), [3, 8, 8, 3]);
                assert_eq!(apart(&pictures, &denoiser.sample(&model, &prompts, &sample)?)?, 0.0, "{device}: not a bit");
                let other = denoiser.sample(&model, &prompts, &sample.seed(8))?;
                assert!(apart(&pictures, &other)? > 0.1, "{device}: another seed");
                let untold = denoiser.sample(&model, &prompts, &sample.guidance(0.0))?;
                assert!(apart(&pictures, &untold)? > 1e-3, "{device}: what is told does not matter");
                made.push(pictures);
            }
            // In this range are all pictures; what differs is rounding, which four steps make larger.
            let off = made.iter().map(|pictures| apart(pictures, &made[0])).collect::<Result<Vec<_>>>()?;
            println!("{step:?}: devices differ by {off:?}");
            assert!(off.iter().all(|off| *off < 1e-4), "{step:?}: {off:?}");
        }
    }
    Ok(())
}

#[test]
fn files_say_how_pictures_are_made() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.keras");
    let diffusion =
        Diffusion::new().schedule(NoiseSchedule::LINEAR).prediction(Prediction::Velocity).unconditional(0.2);
    let denoiser = Denoiser::new(diffusion).of_texts(&NAMES, 3)?;
    let model = stirred(denoiser.model(network([8, 16]))?)?;
    model.save(&path)?;
    let again = Model::load(&path)?;
    let found = Denoiser::of(&again)?.unwrap();
    assert_eq!(found.diffusion(), diffusion);
    assert!(
        matches!(found.told(), Told::Text(side) if side.vocabulary().eq(["red", "car", "heart", "face", "dog", "blue"]))
    );
    let sample = Sample::new(0).steps(2).guidance(1.5);
    let [a, b] = [(&denoiser, &model), (&found, &again)].map(|(d, m)| d.sample(m, &["red car"], &sample));
    assert_eq!(apart(&a?, &b?)?, 0.0);

    let message = |denoiser: &Denoiser, prompt: &str| denoiser.conditions(&[prompt]).unwrap_err().to_string();
    assert!(message(&found, "green house").contains("none of the words of `green house`"));
    // A word twice, and more words than are read.
    assert!(message(&found, "house house").contains("none of the words of `house house`"));
    assert!(message(&found, "a b c car").contains("none of the words of `a b c car`"));
    assert!(found.conditions(&["green car"]).is_ok());
    let classes = Denoiser::new(Diffusion::new()).of_classes(["cat", "dog"]);
    assert!(message(&classes, "cow").contains("no pictures of `cow`; it knows cat, dog"));

    // What is attached may be of another model, or nonsense.
    let about = model.attachment("diffusion.json").unwrap().to_vec();
    let other = classes.model(network([8, 16]))?.attach("diffusion.json", about)?;
    assert!(Denoiser::of(&other).unwrap_err().to_string().contains("that of another model"));
    // Of as many inputs, for more classes or fewer than the network knows.
    for names in [&["cat", "dog", "cow"][..], &["cat"], &[]] {
        let about = json!({ "diffusion": diffusion.to_json(), "told": { "classes": names } }).to_string();
        let model = classes.model(network([8, 16]))?.attach("diffusion.json", about.into_bytes())?;
        assert!(Denoiser::of(&model).unwrap_err().to_string().contains("that of another model"), "{names:?}");
    }
    // Pictures may have any channels, such as those of another network's features.
    let features = Denoiser::new(diffusion).model(UNet::new([8, 8, 4], [8, 16], 1))?;
    assert!(matches!(Denoiser::of(&features)?.unwrap().told(), Told::Nothing));
    for damaged in [
        "",
        "{}",
        r#"{"diffusion": {"schedule": {"name": "cosine", "min_signal_rate": 0.5, "max_signal_rate": 0.1}}}"#,
        r#"{"diffusion": {"schedule": {"name": "linear", "min_beta": 0.1, "max_beta": 20}, "prediction": "noise",
            "unconditional": 0.1}, "told": {"classes": [1, 2]}}"#,
    ] {
        let model = classes.model(network([8, 16]))?.attach("diffusion.json", damaged.as_bytes())?;
        assert!(Denoiser::of(&model).unwrap_err().to_string().contains("is damaged"), "{damaged}");
    }
    Ok(())
}

#[test]
fn networks_that_cannot_be_are_refused() {
    let message = |network: UNet| network.model().unwrap_err().to_string();
    assert!(message(UNet::new([8, 8, 1], [], 1)).contains("one level at least"));
    assert!(message(UNet::new([8, 12, 1], [4, 8, 8, 8], 1)).contains("multiples of 8, got 8 x 12"));
    assert!(message(UNet::new([8, 8, 1], [4, 8], 0)).contains("one block at least"));
    assert!(message(UNet::new([8, 8, 1], [4; 80], 1)).contains("got 8 x 8"));
    assert!(message(UNet::new([10, 10, 1], [4, 8], 1).patch(4)).contains("multiples of 8"));
    assert!(Vae::new([10, 8, 1], 2).model().unwrap_err().to_string().contains("multiples of 4, got 10 x 8"));
    assert!(message(UNet::new([8, 8, 1], [4, 8], 1).condition(Condition::Class(0))).contains("one class at least"));
    let text = Condition::Text { tokens: 5, length: 0 };
    assert!(UNet::new([8, 8, 1], [4, 8], 1).condition(text).model().is_err());
}

/// Half the noise is guessed after some steps, where at first nothing is.
#[test]
fn a_network_learns_to_denoise() -> Result<()> {
    for device in devices() {
        let denoiser = of_names()?;
        let pictures = random(&[4, 1, 1, 3], 3)?.broadcast_to([4, 8, 8, 3])?;
        let data = denoiser.dataset(&pictures, &NAMES)?;
        let model = denoiser.model(network([8, 16]))?.on(device.clone());
        let optimizer = AdamW::new(5e-3).use_ema(true).ema_momentum(0.5);
        let mut trainer = model.compile(optimizer, (), ())?.with_step(denoiser.diffusion().step());
        let steps = if device.is_cpu() { 60 } else { 5 };
        let history = trainer.fit(&data, Fit::epochs(steps).batch_size(4))?;
        let losses = history.values("loss");
        let (first, last) = (losses[0], losses[losses.len() - 1]);
        // E|ε| = √(2/π), of a network that begins with 0.
        assert!((first - 0.8).abs() < 0.1, "{device}: {first}");
        assert!(last < if device.is_cpu() { 0.5 } else { first } * first.max(1.0), "{device}: {losses:?}");
    }
    Ok(())
}

#[test]
fn a_vaes_parts_are_what_it_is_made_of() -> Result<()> {
    for classes in [None, Some(3)] {
        let vae = Vae::new([8, 8, 1], 2).beta(2.0);
        let vae = classes.map_or(vae, |classes| vae.classes(classes));
        let pictures = random(&[6, 8, 8, 1], 1)?;
        let class = Tensor::from_slice(&[0, 1, 2, 0, 1, 2], [6, 1])?;
        let told = |first: &Tensor| -> Vec<Tensor> {
            std::iter::once(first.clone()).chain(classes.map(|_| class.clone())).collect()
        };
        let mut losses: Vec<f64> = Vec::new();
        for device in devices() {
            let mut trainer = vae.model()?.on(device.clone()).compile(Adam::new(1e-2), (), ())?.with_step(vae.step());
            let data = Dataset::new(told(&pictures), ())?;
            trainer.fit(&data, Fit::epochs(3).batch_size(6))?;
            let loss = trainer.evaluate(&data)?.get("loss").unwrap();
            let model = trainer.model();
            let whole = model.predict_all(told(&pictures), 6)?;
            let encoded = model.get_layer("encoder")?.predict_all(told(&pictures), 6)?;
            let decoded = model.get_layer("decoder")?.predict_all(told(&encoded[0]), 6)?;
            assert_eq!(apart(&whole[0], &decoded[0])?, 0.0, "{device}");
            assert_eq!([apart(&whole[1], &encoded[0])?, apart(&whole[2], &encoded[1])?], [0.0; 2], "{device}");
            assert_eq!(apart(&encoded[2], &encoded[0])?, 0.0, "{device}: the point is the mean where nothing is drawn");

            // The loss of an evaluation, from probabilities instead of logits.
            let p = whole[0].to_device(&Device::Cpu)?;
            let terms =
                pictures.mul(&p.log()?)?.add(&pictures.rescale(-1.0, 1.0)?.mul(&p.rescale(-1.0, 1.0)?.log()?)?)?;
            let entropy = -terms.sum(&[], false)?.to_vec::<f32>()?[0] / 6.0;
            let [mean, log_var] = [&encoded[0], &encoded[1]].map(|x| x.to_device(&Device::Cpu));
            let divergence = gaussian_kl(&mean?, &log_var?)?.to_vec::<f32>()?[0];
            let want = f64::from(entropy + 2.0 * divergence);
            assert!((loss / want - 1.0).abs() < 1e-5, "{device}: {loss}, not {want}");
            losses.push(loss);
        }
        assert!(losses.iter().all(|loss| (loss / losses[0] - 1.0).abs() < 1e-4), "{losses:?}");
    }
    Ok(())
}

/// −½ Σ (1 + v − m² − eᵛ), and its slopes m and ½ (eᵛ − 1) over the batch.
#[test]
fn the_divergence_is_the_papers() -> Result<()> {
    let (m, v) = ([0.5f32, -1.0, 0.0, 2.0], [0.0f32, -2.0, 1.5, 0.25]);
    for device in devices() {
        let [mean, log_var] = [m, v].map(|x| Tensor::from_slice(&x, [2, 2]).and_then(|x| x.to_device(&device)));
        let tape = GradientTape::new();
        let (mean, log_var) = (tape.watch(&mean?)?, tape.watch(&log_var?)?);
        let divergence = gaussian_kl(&mean, &log_var)?;
        let of = |(m, v): (&f32, &f32)| -0.5 * (1.0 + v - m * m - v.exp());
        let want = m.iter().zip(&v).map(of).sum::<f32>() / 2.0;
        assert!((divergence.to_device(&Device::Cpu)?.to_vec::<f32>()?[0] - want).abs() < 1e-6, "{device}");
        let slopes = tape.gradient(&divergence, &[&mean, &log_var])?;
        for (slope, want) in slopes.iter().zip([m.map(|m| m / 2.0), v.map(|v| 0.25 * (v.exp() - 1.0))]) {
            let want = Tensor::from_slice(&want, [2, 2])?;
            assert!(apart(slope.as_ref().unwrap(), &want)? < 1e-6, "{device}");
        }
    }
    let (one, three) = (random(&[2, 1], 1)?, random(&[2, 3], 1)?);
    assert!(gaussian_kl(&one, &three).unwrap_err().to_string().contains("of one shape, got (2, 1) and (2, 3)"));
    Ok(())
}

#[test]
fn layers_come_back_with_their_weights() -> Result<()> {
    let (a, b) = (Input::new([3]), Input::new([3]));
    let hidden = Dense::new(4).relu().named("hidden");
    let output = Dense::new(2).call(&Concatenate::new().call([&hidden.call(&a)?, &hidden.call(&b)?])?)?;
    let model = Model::new([&a, &b], &output)?.seed(4)?;
    let (x, y) = (random(&[5, 3], 1)?, random(&[5, 3], 2)?);
    let part = model.get_layer("hidden")?;
    assert_eq!(part.weight("hidden/kernel")?.to_vec::<f32>()?, model.weight("hidden/kernel")?.to_vec::<f32>()?);
    let both = Tensor::concatenate(&[&part.predict(&x)?, &part.predict(&y)?], 1)?;
    let whole = model.call(&[&x, &y])?;
    assert_eq!(apart(&model.get_layer("dense")?.predict(&both)?, &whole[0])?, 0.0);
    let message = model.get_layer("output").unwrap_err().to_string();
    assert!(message.contains("no layer `output`; it has hidden, concatenate, dense"), "{message}");
    Ok(())
}

#[test]
fn captions_come_back_from_files() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.keras");
    let captions = Captions::adapt([8, 8, 3], &NAMES, 3)?;
    let model = captions.model(Sizes { width: 32, depth: 1, dropout: 0.1 })?.seed(3)?;
    let pictures = random(&[3, 8, 8, 3], 1)?;
    let written = captions.write(&model, &pictures, &captions.generate())?;
    assert_eq!(written.len(), 3);
    model.save(&path)?;
    let again = Model::load(&path)?;
    let found = Captions::of(&again)?.unwrap();
    assert_eq!(found.image(), [8, 8, 3]);
    assert_eq!(found.write(&again, &pictures, &found.generate())?, written);
    assert_eq!(found.write(&again, &pictures, &found.generate().cache(false))?, written);
    for damaged in ["", "{}", r#"{"image": [8, 8], "words": {}}"#] {
        let model = model.clone().attach("captions.json", damaged.as_bytes())?;
        assert!(Captions::of(&model).unwrap_err().to_string().contains("is damaged"), "{damaged}");
    }
    let about = again.attachment("captions.json").unwrap().to_vec();
    let other = Captions::adapt([8, 16, 3], &NAMES, 3)?.model(Sizes { width: 32, depth: 1, dropout: 0.1 })?;
    let message = Captions::of(&other.attach("captions.json", about)?).unwrap_err().to_string();
    assert!(message.contains("that of another model"), "{message}");
    let message = Captions::adapt([8, 8, 4], &NAMES, 3).unwrap_err().to_string();
    assert!(message.contains("1 or 3 channels, got 4"), "{message}");
    Ok(())
}

/// What is transparent is white, and a picture of another size is brought to the network's.
#[test]
fn captions_read_files() -> Result<()> {
    let captions = Captions::adapt([8, 16, 3], &NAMES, 3)?;
    let files = ["rgba.png", "rgba.png"].map(|name| uncrumple::files::repository().join("tests/data").join(name));
    let x = captions.load(&files)?;
    assert_eq!(x.shape().dims(), [2, 8, 16, 3]);
    assert!(x.to_vec::<f32>()?.iter().all(|x| (0.0..=1.0).contains(x)));
    assert!(captions.load(&["none.png"]).is_err());
    Ok(())
}
