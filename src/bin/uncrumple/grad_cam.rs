//! `uncrumple grad-cam`: which parts of a picture speak for a class.

use crate::arrays::{check_apart, pictures};
use crate::options::{Compute, named};
use crate::{plot, say};
use clap::Args;
use std::path::PathBuf;
use uncrumple::data::{ColorMode, load_img};
use uncrumple::explain::{class_scores, grad_cam};
use uncrumple::files::prepare;
use uncrumple::prelude::*;

/// Characters of a class's name that the picture shows.
const LONGEST: usize = 40;

/// Show which parts of a picture speak for a class, by Grad-CAM
#[derive(Args)]
#[command(
    after_help = "The picture is read in the size and the colours that the model takes. Its numbers are scaled as the \
    model's file says; where it says nothing and the model does not begin by scaling them (Rescaling, Normalization), they \
    are divided by 255; --divide takes the place of that, before what the model does itself. Bright is what speaks for the class: the mean gradient of \
    its score in each of the layer's maps, times the map (https://arxiv.org/abs/1610.02391)."
)]
pub struct Arguments {
    /// A .keras file that uncrumple or Keras 3 wrote
    #[arg(value_name = "MODEL.keras")]
    model: PathBuf,

    /// The picture: PNG or JPEG
    #[arg(long, value_name = "FILE")]
    image: PathBuf,

    /// The class, by its name or its number from 0 on; the likeliest unless given
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,

    /// The layer whose maps are looked at; the last convolution unless given
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,

    /// Divide the picture's numbers, 0 to 255, by this one instead of scaling them as the file says
    #[arg(long, value_name = "NUMBER")]
    divide: Option<f64>,

    /// Where the picture and its heatmap go
    #[arg(long, value_name = "FILE.png")]
    out: PathBuf,

    #[command(flatten)]
    compute: Compute,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    named(&arguments.out, "png")?;
    check_apart([&*arguments.image], &[&arguments.out])?;
    prepare(&arguments.out)?;
    let device = arguments.compute.start()?;
    let model = Model::load(&arguments.model)?.on(device);
    let pictures = pictures(&model, arguments.divide)?;
    let names = &pictures.classes;
    let class = arguments.class.as_ref().map(|given| class(given, names)).transpose()?;
    let picture = pictures.load(&model, &[&arguments.image])?;
    let found = grad_cam(&model, &picture, arguments.layer.as_deref(), class)?;

    let said = |class: usize, most| format!("{}, {}", plot::short(&names[class], most), sure(&found.outputs, class));
    let other = |most| match found.likeliest == found.class {
        true => String::new(),
        false => format!("; the likeliest is {}", said(found.likeliest, most)),
    };
    let line = format!("Grad-CAM of {}{}", plot::short(&found.layer, LONGEST), other(LONGEST));
    let shown = load_img(&arguments.image, ColorMode::Rgb)?;
    plot::heat(&shown, &found.heatmap, &said(found.class, LONGEST), &line, &arguments.out)?;
    say(format!("{}{}", said(found.class, usize::MAX), other(usize::MAX)))?;
    let nothing = found.heatmap.to_vec::<f32>()?.iter().all(|&x| x == 0.0);
    let what = if nothing { "nothing speaks for it" } else { "what speaks for it" };
    say(format!("{}  {what}, by the maps of {}", arguments.out.display(), found.layer))
}

/// The class of this name, or else of this number.
fn class(given: &str, names: &[String]) -> Result<usize> {
    let named = names.iter().position(|name| name == given);
    let numbered = || given.parse().ok().filter(|&class| class < names.len());
    named.or_else(numbered).ok_or_else(|| {
        let shown: Vec<&str> = names.iter().take(20).map(String::as_str).collect();
        let more = if names.len() > shown.len() { ", …" } else { "" };
        Error::Config(format!("--class: the model has no class `{given}`; it has {}{more}", shown.join(", ")))
    })
}

/// How likely a class is; of a model that gives no probabilities the number that it gives.
fn sure(outputs: &[f32], class: usize) -> String {
    let own = class_scores(outputs).get(class).copied().unwrap_or(f32::NAN);
    if outputs.iter().all(|p| (0.0..=1.0).contains(p)) { format!("{:.1} %", own * 100.0) } else { format!("{own:.3}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_found_by_its_name_before_its_number() {
        let names = ["cat", "0", "dog"].map(String::from);
        let found = |given| class(given, &names).ok();
        assert_eq!((found("dog"), found("0"), found("2"), found("3")), (Some(2), Some(1), Some(2), None));
        let said = class("cow", &names).unwrap_err().to_string();
        assert!(said.contains("no class `cow`; it has cat, 0, dog"), "{said}");
    }

    #[test]
    fn probabilities_are_shares_and_scores_are_numbers() {
        assert_eq!((sure(&[0.25], 0).as_str(), sure(&[0.25], 1).as_str()), ("75.0 %", "25.0 %"));
        assert_eq!((sure(&[0.25, 0.75], 1).as_str(), sure(&[-2.0, 0.75], 1).as_str()), ("75.0 %", "0.750"));
    }
}
