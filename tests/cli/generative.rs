//! Networks that make, name and sort pictures: what a short training prints and leaves, and what is made of the files.

use super::{command, error, fail, succeed, text};
use std::path::Path;
use uncrumple::data::{ColorMode, load_img};
use uncrumple::prelude::*;
use uncrumple::programs::captions::Captions;
use uncrumple::programs::diffusion::Denoiser;

/// A short training of a task.
fn train(task: &str, out: &Path, more: &[&str]) -> String {
    succeed(&[&["train", task, "--out", text(out), "--device", "cpu"][..], more].concat())
}

/// The numbers of a line that begins so.
fn figures(printed: &str, name: &str) -> Vec<f64> {
    let line = printed.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in {printed}"));
    line[name.len()..].split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// Height and width of a PNG file that shows more than one colour.
fn size(path: &Path) -> [usize; 2] {
    let picture = load_img(path, ColorMode::Rgb).unwrap();
    let values = picture.to_vec::<u8>().unwrap();
    assert!(values.iter().any(|value| *value != values[0]), "{}", path.display());
    [picture.shape()[0], picture.shape()[1]]
}

/// That so many frames are in a GIF file, by their graphic control extensions.
fn assert_frames(path: &Path, count: usize) {
    let bytes = std::fs::read(path).unwrap();
    assert!(bytes.starts_with(b"GIF89a"));
    let frames = bytes.windows(4).filter(|window| window == b"\x21\xf9\x04\x04" || window == b"\x21\xf9\x04\x00");
    assert_eq!(frames.count(), count, "{}", path.display());
}

#[test]
fn a_vae_draws_digits() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let told = ["--conditional", "--beta", "0.5", "--latent", "3", "--precision", "mixed_bfloat16"];
    for (name, more) in [("plain", &[][..]), ("told", &told)] {
        let out = folder.path().join(name);
        let short = ["--limit", "600", "--epochs", "3", "--batch-size", "16", "--learning-rate", "0.005"];
        let printed = train("vae", &out, &[&short[..], more].concat());
        let (network, mean) = (figures(&printed, "the network, at most"), figures(&printed, "each pixel"));
        assert!((network[0] - network[1] - network[2]).abs() < 0.02 && network[2] >= 0.0, "{printed}");
        // So little is enough for no more than to know where pictures are bright.
        assert!(network[0] < 1.5 * mean[0] && (mean[0] - 206.0).abs() < 8.0, "{printed}");
        for picture in ["latent-grid.png", "reconstructions.png", "interpolations.png", "learning-curves.png"] {
            assert!(size(&out.join(picture))[0] > 300, "{picture}");
        }
        let model = Model::load(out.join("model.keras"))?;
        let point = Tensor::zeros(&Device::Cpu, [1, if name == "told" { 3 } else { 2 }], DType::F32)?;
        let digit = Tensor::from_slice(&[4], [1, 1])?;
        let inputs = if name == "told" { vec![&point, &digit] } else { vec![&point] };
        assert_eq!(model.get_layer("decoder")?.call(&inputs)?[0].shape().dims(), [1, 28, 28, 1]);
    }
    Ok(())
}

/// On MNIST's pictures, whose files are like those of Fashion-MNIST.
#[test]
fn clothes_come_out_of_noise() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let (sets, out) = (folder.path().join("sets"), folder.path().join("diffusion"));
    std::fs::create_dir(&sets).unwrap();
    let mnist = uncrumple::files::repository().join("datasets/mnist");
    std::os::unix::fs::symlink(mnist, sets.join("fashion-mnist")).unwrap();
    let run = command(&["train", "diffusion", "--limit", "50", "--epochs", "1", "--steps", "2", "--device", "cpu"])
        .args(["--schedule", "linear", "--prediction", "v", "--out", text(&out)])
        .env("UNCRUMPLE_DATASETS", &sets)
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let [known, noise] = ["pictures to learn from", "noise"].map(|name| figures(&printed, name)[0]);
    let network = figures(&printed, "the network's, 2 steps, guidance 2");
    assert!(known < noise && network[0] > known, "{printed}");
    // 10 rows of 10 pictures of 28 pixels, three times as large.
    let [height, width] = size(&out.join("samples.png"));
    assert!(height > 10 * 84 && width > 10 * 84);
    assert_frames(&out.join("denoising.gif"), 3);

    let (model, grid) = (out.join("model.keras"), folder.path().join("grid.png"));
    let sample = |more: &[&str]| {
        succeed(
            &[&["sample", text(&model), "--steps", "3", "--out", text(&grid), "--device", "cpu"][..], more].concat(),
        );
        std::fs::read(&grid).unwrap()
    };
    let gif = folder.path().join("film.gif");
    let few = sample(&["--prompt", "bag", "--count", "2", "--gif", text(&gif)]);
    assert_frames(&gif, 4);
    // Of 61 steps every second one is shown, and what is made in the end.
    let steps = ["--prompt", "bag", "--count", "1", "--guidance", "1", "--gif", text(&gif)];
    let (long, nested) = (["--steps", "61", "--device", "cpu"], folder.path().join("new/grid.png"));
    succeed(&[&["sample", text(&model), "--out", text(&nested)][..], &long, &steps].concat());
    assert_frames(&gif, 32);
    assert_eq!(few, sample(&["--prompt", "bag", "--count", "2"]));
    assert_ne!(few, sample(&["--prompt", "bag", "--count", "2", "--seed", "1"]));
    assert_ne!(few, sample(&["--prompt", "coat", "--count", "2"]));
    assert_ne!(few, sample(&["--prompt", "bag", "--count", "2", "--sampler", "ddpm"]));
    assert!(sample(&[]).len() > few.len());
    let wrong = |more: &[&str]| error(&[&["sample", text(&model), "--out", text(&grid)][..], more].concat());
    assert!(wrong(&["--prompt", "hat"]).contains("no pictures of `hat`; it knows T-shirt, trouser"));
    let named = error(&["sample", text(&model), "--out", text(&model)]);
    assert!(named.contains("name a file that ends in .png"), "{named}");
    // Before anything is computed, or read.
    let nowhere = error(&["sample", "none.keras", "--out", text(&model.join("grid.png"))]);
    assert!(nowhere.contains("model.keras/grid.png") && !nowhere.contains("none.keras"), "{nowhere}");
    assert!(fail(2, &["sample", text(&model), "--out", text(&grid), "--steps", "0"]).contains("--steps"));
    Ok(())
}

#[test]
fn names_become_pictures_and_pictures_names() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("emoji");
    let printed = train("emoji", &out, &["--limit", "40", "--epochs", "1", "--steps", "2"]);
    assert!(printed.contains("pictures 40 to learn from"), "{printed}");
    assert!(figures(&printed, "noise")[0] > 0.0, "{printed}");
    let model = out.join("model.keras");
    let denoiser = Denoiser::of(&Model::load(&model)?)?.unwrap();
    assert!(denoiser.conditions(&["a face that nobody knows"]).is_ok());
    let grid = folder.path().join("grid.png");
    let sample = ["sample", text(&model), "--out", text(&grid), "--steps", "2", "--count", "2", "--device", "cpu"];
    let said = command(&[&sample[..], &["--prompt", "green face"]].concat()).output().unwrap();
    let warning = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.success() && size(&grid)[0] > 96, "{warning}");
    assert!(error(&sample).contains("--prompt: is missing"));
    assert!(error(&[&sample[..], &["--prompt", "xyzzy"]].concat()).contains("none of the words of `xyzzy`"));

    let out = folder.path().join("caption");
    let short = ["--limit", "200", "--epochs", "2", "--width", "32"];
    let printed = train("caption", &out, &short);
    for row in ["the network", "the name of the nearest picture", "always the most frequent words"] {
        assert!(printed.lines().any(|line| line.starts_with(row) && line.matches('%').count() == 3), "{printed}");
    }
    let captions = out.join("model.keras");
    let model = Model::load(&captions)?;
    assert_eq!(Captions::of(&model)?.unwrap().image(), [32, 32, 3]);
    let picture = text(&grid).to_string();
    let said = succeed(&["caption", text(&captions), &picture, &picture, "--device", "cpu"]);
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.len() == 2 && lines[0] == lines[1] && lines[0].starts_with(&picture), "{said}");
    let wrong = error(&["caption", text(&out.join("../emoji/model.keras")), &picture]);
    assert!(wrong.contains("writes no captions"), "{wrong}");
    assert!(error(&["sample", text(&captions), "--out", text(&grid)]).contains("makes no pictures"));
    Ok(())
}

#[test]
fn both_ways_to_see_are_better_than_one() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("category");
    let printed = train("category", &out, &["--epochs", "12"]);
    let share = |name: &str| -> f64 {
        let line = printed.lines().rfind(|line| line.starts_with(name) && line.ends_with('%')).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        words[words.len() - 2].parse().unwrap()
    };
    let [most, picture, name, both] = ["the most frequent category", "the picture", "the name", "both"].map(share);
    assert!(picture > most + 15.0 && name > most + 15.0 && both > picture.max(name), "{printed}");
    for network in ["picture", "name", "both"] {
        assert!(out.join(network).join("model.keras").metadata().unwrap().len() > 1000);
        assert!(!out.join(network).join("model.backup.safetensors").exists());
    }
}
