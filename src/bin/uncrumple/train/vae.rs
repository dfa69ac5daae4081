//! `uncrumple train vae`: handwritten digits out of two numbers.

use super::pace::Pace;
use super::print_left;
use super::run::Run;
use super::sequences::figures;
use crate::options::describe;
use crate::plot::{self, Picture, Row};
use crate::say;
use clap::Args;
use serde_json::json;
use std::path::Path;
use uncrumple::callbacks::EarlyStopping;
use uncrumple::losses::gaussian_kl;
use uncrumple::ops::Generator;
use uncrumple::prelude::*;
use uncrumple::programs::vae::Vae;

/// Learn to draw handwritten digits from two numbers
#[derive(Args)]
#[command(
    after_help = "Trains a variational autoencoder (the program vae) on MNIST: an encoder tells where in a plane a digit \
    lies, a decoder draws it from there. 60,000 pictures, of which the last tenth is for validation, and 10,000 to be \
    tested on. The loss is in nats a picture: the binary cross-entropy of its pixels, and the divergence of what the \
    encoder says from the standard normal distribution; their sum is a bound of how unlikely a picture is to the network. \
    Beside it stands that of who takes each pixel to be as bright as it is on average. With --conditional both are told \
    which digit it is, so that the decoder draws any that it is told; with --beta above 1 the numbers say less of a picture, and more apart \
    from each other. By default 15 epochs of batches of 128, with Adam and a learning rate that rises to 0.001 in the first \
    twentieth of all steps, and falls to 0 along a cosine: some 5 to 9 minutes of two CPU cores."
)]
pub struct Arguments {
    /// Numbers between encoder and decoder
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1024))]
    latent: u32,

    /// Tell encoder and decoder which digit it is
    #[arg(long)]
    conditional: bool,

    /// What the divergence counts in the loss
    #[arg(long, value_name = "B", default_value_t = 1.0, value_parser = beta)]
    beta: f64,

    /// Take only the first N pictures of each part
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(100..))]
    limit: Option<u32>,

    #[command(flatten)]
    pace: Pace,

    #[command(flatten)]
    run: Run,
}

fn beta(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|beta: &f64| *beta >= 0.0 && beta.is_finite())
        .ok_or_else(|| "a number of at least 0".into())
}

const IMAGE: [usize; 3] = [28, 28, 1];
const CLASSES: usize = 10;
const EPOCHS: usize = 15;
const BATCH: usize = 128;
const RATE: f64 = 1e-3;
const VALIDATION: f64 = 0.1;

/// Points along a side of the plane, and how far from 0 it is looked at.
const SIDE: usize = 20;
const EXTENT: f64 = 2.5;
/// Pictures of a row, of which there are so many where each begins and ends with another digit.
const COLUMNS: usize = 12;
const ROWS: usize = 8;
/// Pictures that go through the network at once.
const TOGETHER: usize = 500;

pub fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { latent, conditional, beta, limit, pace, run } = arguments;
    let device = run.compute.start()?;
    let out = run.out("vae")?;
    let (train, test) = datasets::mnist()?;
    let first = |data: Dataset| limit.map_or(Ok(data.clone()), |n| data.take(n as usize));
    let (train, validation) = first(train)?.split(VALIDATION, &Split::in_order())?;
    let [train, validation, test] = [train, validation, first(test)?].map(|digits| Digits::new(&digits, *conditional));
    let (train, validation, test) = (train?, validation?, test?);

    let vae = Vae::new(IMAGE, *latent as usize).beta(*beta);
    let vae = if *conditional { vae.classes(CLASSES) } else { vae };
    let model = vae.model()?.seed(run.compute.seed())?;
    say(format!(
        "vae on {}\n{latent} numbers between encoder and decoder{}, {} parameters, β = {beta}\n\
         {} pictures to learn from, {} for validation, and {} to be tested on\n",
        describe(&device),
        if *conditional { ", which are told the digit" } else { "" },
        model.count_params(),
        train.len(),
        validation.len(),
        test.len()
    ))?;

    let (epochs, batch) = (pace.epochs(EPOCHS), pace.batch_size(BATCH));
    // A rate that is high from the first step on may end where the encoder says the same of all.
    let rate = pace.schedule(RATE, epochs.saturating_mul(train.len().div_ceil(batch)), 20);
    let model = model.precision(run.precision.into()).on(device);
    let mut trainer = model.compile(Adam::new(rate), (), ())?.with_step(vae.step());
    let fit = Fit::epochs(epochs)
        .batch_size(batch)
        .identity(json!({ "beta": beta }))
        .validation_data(&validation.data()?)
        .callback(EarlyStopping::new().patience(epochs).restore_best_weights());
    let Some(history) = run.train(&mut trainer, &train.data()?, fit, &out)? else { return Ok(()) };

    let model = trainer.model();
    let part = |name| Ok::<_, Error>(model.get_layer(name)?.precision(Precision::F32));
    let parts = Parts { encoder: part("encoder")?, decoder: part("decoder")? };
    let [reconstruction, divergence] = parts.bound(&test, run.compute.seed())?;
    let number = |x: f64| format!("{x:.2}");
    say("")?;
    let titles =
        [format!("{} test pictures", test.len()), "nats a picture".into(), "of pixels".into(), "divergence".into()];
    let mean = train.mean_picture()?;
    let network = [reconstruction + divergence, reconstruction, divergence];
    let average = test.cross_entropy(&mean)?;
    figures(
        &titles,
        &[
            ("the network, at most", network.map(number).to_vec()),
            ("each pixel as bright as on average", [average, average, 0.0].map(number).to_vec()),
        ],
    )?;
    say("")?;
    plot::learning_curves(&history, None, &out.join("learning-curves.png"))?;
    parts.draw_grid(*latent as usize, *conditional, run.compute.seed(), &out.join(GRID))?;
    parts.draw_reconstructions(&test, &out.join(RECONSTRUCTIONS))?;
    parts.draw_interpolations(&test, &out.join(INTERPOLATIONS))?;
    print_left(&out, &LEFT)
}

const GRID: &str = "latent-grid.png";
const RECONSTRUCTIONS: &str = "reconstructions.png";
const INTERPOLATIONS: &str = "interpolations.png";

/// What a run leaves in its folder.
const LEFT: [(&str, &str); 6] = [
    ("model.keras", "the trained model, of which encoder and decoder are layers"),
    ("history.csv", "the loss of each epoch"),
    ("learning-curves.png", "the same as a curve"),
    (GRID, "what the decoder draws from points of the latent space"),
    (RECONSTRUCTIONS, "test pictures, and what comes back of them"),
    (INTERPOLATIONS, "what lies between two test pictures"),
];

/// Pictures, each with its digit as the network reads it.
struct Digits {
    pictures: Tensor,
    digits: Tensor,
    conditional: bool,
}

impl Digits {
    fn new(data: &Dataset, conditional: bool) -> Result<Digits> {
        let digits = data.targets()[0].reshape([data.len(), 1])?;
        Ok(Digits { pictures: data.inputs()[0].clone(), digits, conditional })
    }

    fn len(&self) -> usize {
        self.pictures.shape()[0]
    }

    /// What the model is trained on: its inputs alone.
    fn data(&self) -> Result<Dataset> {
        Dataset::new(self.inputs(&self.pictures, &self.digits), ())
    }

    fn inputs(&self, first: &Tensor, digits: &Tensor) -> Vec<Tensor> {
        let digits = self.conditional.then(|| digits.clone());
        std::iter::once(first.clone()).chain(digits).collect()
    }

    /// How bright each pixel is on average, (1, height, width, channels).
    fn mean_picture(&self) -> Result<Tensor> {
        self.pictures.mean(&[0], true)
    }

    /// The binary cross-entropy of the pictures with one of probabilities, in nats a picture.
    fn cross_entropy(&self, probabilities: &Tensor) -> Result<f64> {
        let p = probabilities.clip(1e-4, 1.0 - 1e-4)?;
        let (bright, dark) = (p.log()?, p.rescale(-1.0, 1.0)?.log()?);
        let mean = self.mean_picture()?;
        let terms = mean.mul(&bright)?.add(&mean.rescale(-1.0, 1.0)?.mul(&dark)?)?;
        Ok(-f64::from(terms.sum(&[], false)?.to_vec::<f32>()?[0]))
    }

    /// Some of them.
    fn choose(&self, places: &[i32]) -> Result<Digits> {
        let places = Tensor::from_slice(places, places.len())?;
        let (pictures, digits) = (self.pictures.gather(&places)?, self.digits.gather(&places)?);
        Ok(Digits { pictures, digits, ..*self })
    }
}

/// A trained autoencoder.
struct Parts {
    encoder: Model,
    decoder: Model,
}

impl Parts {
    /// What the test pictures cost, in nats each: their pixels, and the divergence; of points drawn by what the encoder says.
    fn bound(&self, digits: &Digits, seed: u64) -> Result<[f64; 2]> {
        let encoded = self.encoder.predict_all(digits.inputs(&digits.pictures, &digits.digits), TOGETHER)?;
        let [mean, log_var, _] = &encoded[..] else {
            return Err(Error::Internal("an encoder has three outputs".into()));
        };
        let epsilon = Generator::new(seed as i64, &Device::Cpu)?.normal(mean.shape(), DType::F32, 0.0, 1.0)?;
        let points = mean.add(&log_var.mul_scalar(0.5)?.exp()?.mul(&epsilon)?)?;
        let made = self.decode(digits, &points, &digits.digits)?.clip(1e-7, 1.0 - 1e-7)?;
        let x = &digits.pictures;
        let terms = x.mul(&made.log()?)?.add(&x.rescale(-1.0, 1.0)?.mul(&made.rescale(-1.0, 1.0)?.log()?)?)?;
        let each = terms.sum(&[1, 2, 3], false)?.mean(&[], false)?;
        let divergence = gaussian_kl(mean, log_var)?;
        Ok([-f64::from(each.to_vec::<f32>()?[0]), f64::from(divergence.to_vec::<f32>()?[0])])
    }

    /// The points where the encoder thinks pictures are likeliest.
    fn encode(&self, digits: &Digits) -> Result<Tensor> {
        Ok(self.encoder.predict_all(digits.inputs(&digits.pictures, &digits.digits), TOGETHER)?.swap_remove(0))
    }

    /// The pictures of points, which are of these digits.
    fn decode(&self, like: &Digits, points: &Tensor, digits: &Tensor) -> Result<Tensor> {
        Ok(self.decoder.predict_all(like.inputs(points, digits), TOGETHER)?.swap_remove(0))
    }

    /// The plane, if the latent space is one; else pictures of points that are drawn, of each digit if it can be asked for.
    fn draw_grid(&self, latent: usize, conditional: bool, seed: u64, path: &Path) -> Result<()> {
        let plane = latent == 2 && !conditional;
        let rows = if plane { SIDE } else { CLASSES };
        let values: Vec<f32> = if plane {
            let at = |i: usize| (2.0 * EXTENT * i as f64 / (SIDE - 1) as f64 - EXTENT) as f32;
            (0..SIDE * SIDE).flat_map(|i| [at(i % SIDE), -at(i / SIDE)]).collect()
        } else {
            let drawn =
                Generator::new(seed as i64, &Device::Cpu)?.normal([rows, SIDE, latent], DType::F32, 0.0, 1.0)?;
            let drawn = drawn.to_vec::<f32>()?;
            // The same points for each digit show what is left to say of one.
            let of = if conditional { SIDE * latent } else { drawn.len() };
            drawn[..of].repeat(drawn.len() / of)
        };
        let points = Tensor::from_slice(&values, [rows * SIDE, latent])?;
        let digits: Vec<i32> = (0..rows * SIDE).map(|i| (i / SIDE % CLASSES) as i32).collect();
        let digits = Tensor::from_slice(&digits, [rows * SIDE, 1])?;
        let like = Digits { pictures: points.clone(), digits: digits.clone(), conditional };
        let pictures = pictures_of(&self.decode(&like, &points, &digits)?)?;
        let mut pictures = pictures.into_iter();
        let name = |row: usize| if conditional { row.to_string() } else { String::new() };
        let row = |row| Row { name: name(row), pictures: pictures.by_ref().take(SIDE).collect() };
        let rows: Vec<Row> = (0..rows).map(row).collect();
        let line = match (plane, conditional) {
            (true, _) => {
                format!(
                    "of points from -{EXTENT} to {EXTENT} each way, the first number to the right, the second upwards"
                )
            }
            (_, true) => {
                "a row for each digit, a column for each point, drawn from the standard normal distribution".into()
            }
            _ => "of points drawn from the standard normal distribution".into(),
        };
        plot::grid("Digits out of numbers", &line, &rows, 2, path)
    }

    fn draw_reconstructions(&self, test: &Digits, path: &Path) -> Result<()> {
        let mut rows = Vec::new();
        for first in (0..test.len().min(4 * COLUMNS)).step_by(COLUMNS) {
            let places: Vec<i32> = (first..(first + COLUMNS).min(test.len())).map(|i| i as i32).collect();
            let some = test.choose(&places)?;
            let made = self.decode(&some, &self.encode(&some)?, &some.digits)?;
            rows.push(Row { name: "test".into(), pictures: pictures_of(&some.pictures)? });
            rows.push(Row { name: "again".into(), pictures: pictures_of(&made)? });
        }
        plot::grid("Test pictures, and what comes back of them", "each above its own", &rows, 3, path)
    }

    /// Rows from a test picture to another, along a straight line between their points.
    fn draw_interpolations(&self, test: &Digits, path: &Path) -> Result<()> {
        let most = ROWS.min(test.len() / 2);
        let places: Vec<i32> = (0..2 * most).map(|i| i as i32).collect();
        let ends = test.choose(&places)?;
        let points = self.encode(&ends)?;
        let mut rows = Vec::new();
        for row in 0..most {
            let [from, to] = [2 * row, 2 * row + 1].map(|i| points.slice(0, i..i + 1));
            let (from, to) = (from?, to?);
            let along = |i: usize| {
                let share = i as f64 / (COLUMNS - 1) as f64;
                from.mul_scalar(1.0 - share)?.add(&to.mul_scalar(share)?)
            };
            let line = (0..COLUMNS).map(along).collect::<Result<Vec<_>>>()?;
            let line = Tensor::concatenate(&line.iter().collect::<Vec<_>>(), 0)?;
            // Where the decoder is told the digit, it is that of the nearer end.
            let digit = ends.digits.slice(0, 2 * row..2 * row + 2)?.to_vec::<i32>()?;
            let digits: Vec<i32> = (0..COLUMNS).map(|i| digit[usize::from(2 * i >= COLUMNS)]).collect();
            let made = self.decode(&ends, &line, &Tensor::from_slice(&digits, [COLUMNS, 1])?)?;
            let mut pictures = pictures_of(&ends.pictures.slice(0, 2 * row..2 * row + 2)?)?;
            let last = pictures.pop();
            pictures.extend(pictures_of(&made)?);
            pictures.extend(last);
            rows.push(Row { name: String::new(), pictures });
        }
        let line =
            "a test picture first and last, and what the decoder draws on the way from one's point to the other's";
        plot::grid("From one digit to another", line, &rows, 3, path)
    }
}

/// The pictures of a tensor, ink on white.
fn pictures_of(tensor: &Tensor) -> Result<Vec<Picture>> {
    plot::pictures(tensor, |x| 255.0 * (1.0 - x))
}
