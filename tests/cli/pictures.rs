//! Commands that learn from pictures, and `predict --image`.

use super::{colours, command, error, fail, small_model, succeed, text};
use std::io::Write;
use std::path::{Path, PathBuf};
use uncrumple::prelude::*;
use uncrumple::programs::pictures::Pictures;

/// Writes a PNG file.
pub fn write_png(path: &Path, [height, width]: [usize; 2], color: png::ColorType, pixels: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = std::fs::File::create(path).unwrap();
    let mut encoder = png::Encoder::new(file, width as u32, height as u32);
    encoder.set_color(color);
    encoder.write_header().unwrap().write_image_data(pixels).unwrap();
}

/// A number below 256 that is another one for each place.
fn noise(i: usize) -> u8 {
    ((i as u32).wrapping_mul(2_654_435_761) >> 24) as u8
}

/// Folders of pictures of which one channel is bright, `count` of each class, of several sizes.
fn coloured(folder: &Path, classes: &[&str], count: usize) {
    for (class, name) in classes.iter().enumerate() {
        for i in 0..count {
            let size = [28 + i % 7, 30 + i % 5];
            let pixel = |at: usize| noise(at + 1000 * i) / 4 + if at % 3 == class { 180 } else { 0 };
            let pixels: Vec<u8> = (0..size[0] * size[1] * 3).map(pixel).collect();
            write_png(&folder.join(name).join(format!("{i}.png")), size, png::ColorType::Rgb, &pixels);
        }
    }
}

const LEFT: [&str; 6] =
    ["model.keras", "history.csv", "learning-curves.png", "confusion-matrix.png", "misclassified.png", "filters.png"];

/// Holds what a run left against what it says.
fn check_left(said: &str, out: &Path) {
    for name in LEFT {
        assert!(said.contains(text(&out.join(name))), "{name} in {said}");
        assert!(out.join(name).metadata().is_ok_and(|file| file.len() > 50), "{name}");
    }
    assert!(colours(&out.join("confusion-matrix.png")).2 > 20);
}

#[test]
fn folders_of_pictures_are_learnt_and_predicted() {
    let folder = tempfile::tempdir().unwrap();
    let (pictures, out) = (folder.path().join("pictures"), folder.path().join("run"));
    coloured(&pictures, &["berry", "leaf", "sea"], 20);
    std::fs::write(pictures.join("leaf/notes.txt"), "no picture").unwrap();
    let train = ["train", "images", text(&pictures), "--epochs", "12", "--batch-size", "8"];
    let more = ["--learning-rate", "0.003", "--size", "24x20", "--device", "cpu", "--out", text(&out)];
    let said = succeed(&[&train[..], &more].concat());
    assert!(said.contains("berry 20, leaf 20, sea 20"), "{said}");
    assert!(said.contains("3 classes, 24 × 20 pixels of 3 channels"), "{said}");
    assert!(said.contains("42 pictures to learn from, 6 for validation, and 12 to be tested on"), "{said}");
    assert!(said.contains(" % of 12 test pictures are recognised; always to say the most frequent class"), "{said}");
    check_left(&said, &out);

    let model = out.join("model.keras");
    let files: Vec<PathBuf> = ["berry/3.png", "sea/4.png"].iter().map(|name| pictures.join(name)).collect();
    let (files, y) = ([text(&files[0]), text(&files[1])], folder.path().join("y.npy"));
    let predict = [&["predict", text(&model), "--device", "cpu", "--top", "2", "--image"], &files[..]].concat();
    let said = succeed(&[&predict[..], &["--out", text(&y)]].concat());
    let lines: Vec<&str> = said.lines().collect();
    for (line, (file, class)) in lines.iter().zip(files.iter().zip(["berry", "sea"])) {
        assert!(line.starts_with(file) && line.contains(&format!("  {class} ")), "{line}");
        assert_eq!(line.matches(" %").count(), 2, "{line}");
    }
    assert!(lines.len() == 3 && lines[2].contains("(2, 3)"), "{said}");
    assert_eq!(succeed(&predict).lines().collect::<Vec<_>>(), lines[..2]);

    // A file that is none is named, and so is one that ends too early.
    let whole = std::fs::read(files[0]).unwrap();
    let broken = folder.path().join("broken.png");
    for bytes in [&b"a text"[..], &whole[..whole.len() / 2], b""] {
        std::fs::write(&broken, bytes).unwrap();
        let said = error(&["predict", text(&model), "--device", "cpu", "--image", files[0], text(&broken)]);
        assert!(said.contains("broken.png: "), "{said}");
    }
}

#[test]
fn grey_pictures_have_one_channel_and_a_size_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let (pictures, out) = (folder.path().join("marks"), folder.path().join("run"));
    for i in 0..10 {
        for (name, bright) in [("day", 200), ("night", 0)] {
            let pixels: Vec<u8> = (0..300 * 120).map(|at| bright + noise(at + i) / 8).collect();
            write_png(&pictures.join(name).join(format!("{i}.PNG")), [300, 120], png::ColorType::Grayscale, &pixels);
        }
    }
    let train = ["train", "images", text(&pictures), "--epochs", "1", "--device", "cpu", "--no-flip"];
    let said = succeed(&[&train[..], &["--out", text(&out)]].concat());
    assert!(said.contains("convnet on the CPU"), "{said}");
    assert!(said.contains("2 classes, 64 × 32 pixels of 1 channel,"), "{said}");
    check_left(&said, &out);
    let layers = succeed(&["summary", text(&out.join("model.keras")), "--device", "cpu"]);
    assert!(layers.contains("Rescaling") && layers.contains("RandomTranslation"), "{layers}");
    assert!(!layers.contains("RandomFlip"), "{layers}");
}

#[test]
fn what_is_wrong_with_folders_of_pictures_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let elsewhere = tempfile::tempdir().unwrap();
    let out = elsewhere.path().join("out");
    let said = |more: &[&str]| {
        let train = ["train", "images", text(folder.path()), "--device", "cpu", "--epochs", "1", "--out"];
        error(&[&train[..], &[text(&out)], more].concat())
    };
    let holds = |more: &[&str], want: &str| {
        let said = said(more);
        assert!(said.contains(want), "{want} in {said}");
    };
    holds(&[], "holds no folder: expected two or more, each with the pictures of a class");
    coloured(folder.path(), &["one"], 3);
    holds(&[], "holds one folder alone, `one`: expected two or more");
    std::fs::create_dir(at("two")).unwrap();
    holds(&[], "two: holds no .png, .jpg or .jpeg file");
    coloured(folder.path(), &["one", "two"], 2);
    std::fs::remove_file(at("one/2.png")).unwrap();
    holds(&[], "one: holds 2 pictures: expected 3 at least");
    std::fs::remove_file(at("one/1.png")).unwrap();
    holds(&[], "one: holds 1 picture: expected 3 at least");
    coloured(folder.path(), &["one", "two"], 3);
    holds(&["--size", "16"], "conv2d");
    std::fs::write(at("two/text.jpg"), "dear diary").unwrap();
    holds(&[], "two/text.jpg: is neither PNG nor JPEG");
    assert!(!out.exists(), "nothing is made before it is known that there is something to learn");
    // Results in the folder of pictures would be a class the next time.
    let train = ["train", "images", ".", "--device", "cpu"];
    for (more, named) in
        [(&[][..], "runs/images"), (&["--out", "new/../one/x"], "new/../one/x"), (&["--out", "."], ".")]
    {
        let output = command(&[&train[..], more].concat()).current_dir(folder.path()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let want =
            format!("error: --out {named}: lies in ., where each folder is a class: name a folder outside of it\n");
        assert_eq!(said, want);
    }
    assert!(!at("runs").exists() && !at("new").exists() && !at("one/x").exists());
    let said = error(&["train", "images", text(&at("one/1.png"))]);
    assert!(said.contains("1.png"), "{said}");
    let said = fail(2, &["train", "images", text(folder.path()), "--size", "0x3"]);
    assert!(said.contains("write HEIGHTxWIDTH"), "{said}");
}

#[test]
fn predict_says_which_models_take_pictures() {
    let (folder, model, _) = small_model();
    let picture = folder.path().join("p.png");
    write_png(&picture, [3, 2], png::ColorType::Grayscale, &[0, 50, 100, 150, 200, 250]);
    let said = error(&["predict", text(&model), "--image", text(&picture)]);
    assert!(
        said.contains("--image: input `input_layer` of the model takes (None, 4), which are no pictures"),
        "{said}"
    );

    // Of another engine's model its input says the size; --divide scales the numbers.
    let other = Sequential::new([3, 2, 1]).add(Flatten::new()).add(Rescaling::new(1.0)).build().unwrap();
    other.save(&model).unwrap();
    let predict = ["predict", text(&model), "--device", "cpu", "--top", "1", "--image", text(&picture)];
    assert!(succeed(&predict).trim_end().ends_with("p.png  5 250"));
    assert!(succeed(&[&predict[..], &["--divide", "250"]].concat()).trim_end().ends_with("p.png  5 1"));
    let pictures =
        Pictures { image: [3, 2, 1], scale: 0.5, classes: ["a", "b", "c", "d", "e", "f"].map(Into::into).into() };
    pictures.attach(other).unwrap().save(&model).unwrap();
    assert!(succeed(&predict).trim_end().ends_with("p.png  f 125"));
    assert!(error(&[&predict[..], &["--divide", "0"]].concat()).contains("a number other than 0"));

    // One number is how likely the second of two classes is; grad-cam says the same, of the same numbers.
    let mut sigmoid = Sequential::new([3, 2, 1])
        .add(Conv2D::new(1, 1).use_bias(false))
        .add(Flatten::new())
        .add(Dense::new(1).sigmoid())
        .build()
        .unwrap();
    sigmoid.set_weight("conv2d/kernel", &Tensor::from_slice(&[1f32], [1, 1, 1, 1]).unwrap()).unwrap();
    sigmoid.set_weight("dense/kernel", &Tensor::from_slice(&[1.8f32; 6], [6, 1]).unwrap()).unwrap();
    let rescaled = Sequential::new([3, 2, 1]).add(Rescaling::new(1.0 / 255.0)).add(sigmoid.as_layer());
    let out = folder.path().join("heat.png");
    // 750 / 255 · 1.8 = 5.294, of which the sigmoid is 0.995.
    for network in [sigmoid.clone(), rescaled.build().unwrap()] {
        network.save(&model).unwrap();
        let said = succeed(&["predict", text(&model), "--device", "cpu", "--image", text(&picture)]);
        assert!(said.ends_with("  1 99.50 %, 0 0.50 %\n"), "{said}");
        let said = succeed(&["grad-cam", text(&model), "--image", text(&picture), "--out", text(&out)]);
        assert!(said.starts_with("1, 99.5 %"), "{said}");
    }

    assert!(fail(2, &["predict", text(&model)]).contains("--x <FILE>"));
    let both = ["predict", text(&model), "--image", text(&picture), "--x", "x.npy", "--out", "y.npy"];
    assert!(fail(2, &both).contains("cannot be used with"));
}

/// Writes a gzipped idx file of bytes.
fn write_idx(path: &Path, shape: &[u32], bytes: &[u8]) {
    let mut file = vec![0, 0, 8, shape.len() as u8];
    shape.iter().for_each(|n| file.extend(n.to_be_bytes()));
    file.extend(bytes);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&file).unwrap();
    std::fs::write(path, encoder.finish().unwrap()).unwrap();
}

/// Runs a command that finds its data in `datasets`; what it prints and whether it succeeds.
fn run_with(datasets: &Path, arguments: &[&str]) -> (bool, String) {
    // The source tree may hold what was fetched: another takes its place.
    let source = datasets.parent().unwrap().join("source");
    let variables = [("UNCRUMPLE_DATASETS", datasets), ("CARGO_MANIFEST_DIR", &source)];
    let output = command(arguments).envs(variables).output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (output.status.success(), text)
}

#[test]
fn sets_that_are_fetched_are_asked_for_and_learnt() {
    let folder = tempfile::tempdir().unwrap();
    let (datasets, out) = (folder.path().join("datasets"), folder.path().join("run"));
    std::fs::create_dir(&datasets).unwrap();
    let train = |set: &str, more: &[&str]| {
        let train = ["train", set, "--epochs", "1", "--batch-size", "8", "--device", "cpu", "--out", text(&out)];
        run_with(&datasets, &[&train[..], more].concat())
    };
    for set in ["fashion-mnist", "cifar10"] {
        let (done, said) = train(set, &[]);
        let want =
            format!("error: {set} does not come with the project: `scripts/fetch-data {set}` fetches it; it is not in");
        let places = ["datasets", ".cache/datasets", "source/.cache/datasets"];
        let places = places.map(|place| folder.path().join(place).display().to_string()).join(", ");
        assert!(!done && said == format!("{want} {places}\n"), "{said}");
    }

    // Where the script puts them; a few pictures of noise are enough to run.
    let fashion = folder.path().join(".cache/datasets/fashion-mnist");
    std::fs::create_dir_all(&fashion).unwrap();
    for (name, n) in [("train", 40), ("t10k", 20)] {
        let pixels: Vec<u8> = (0..n as usize * 784).map(noise).collect();
        write_idx(&fashion.join(format!("{name}-images-idx3-ubyte.gz")), &[n, 28, 28], &pixels);
        let labels: Vec<u8> = (0..n as u8).map(|i| i % 10).collect();
        write_idx(&fashion.join(format!("{name}-labels-idx1-ubyte.gz")), &[n], &labels);
    }
    for (program, goal) in [("convnet", "90.5 % is not met"), ("dense-categorical", "88.0 % is not met")] {
        let (done, said) = train("fashion-mnist", &["--program", program]);
        assert!(done && said.starts_with(&format!("{program} on the CPU")) && said.contains(goal), "{said}");
        check_left(&said, &out);
    }

    let cifar = folder.path().join("source/.cache/datasets/cifar10");
    let pixels: Vec<u8> = (0..20 * 3072).map(noise).collect();
    for batch in ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"] {
        write_png(&cifar.join(format!("{batch}.png")), [20, 1024], png::ColorType::Rgb, &pixels);
    }
    let labels = |n: usize| serde_json::to_string(&(0..n).map(|i| i % 10).collect::<Vec<_>>()).unwrap();
    std::fs::write(cifar.join("test_lables.json"), labels(20)).unwrap();
    std::fs::write(cifar.join("train_lables.json"), "[1, 10]").unwrap();
    let (done, said) = train("cifar10", &[]);
    assert!(!done && said.contains("train_lables.json: is no list of labels from 0 to 9: it holds 10"), "{said}");
    std::fs::write(cifar.join("train_lables.json"), labels(100)).unwrap();
    let (done, said) = train("cifar10", &["--limit", "30"]);
    assert!(done && said.contains("27 pictures to learn from, 3 for validation, and 20 to be tested on"), "{said}");
    assert!(said.contains("resnet on the CPU") && said.contains(" % of 20 test pictures are recognised; "), "{said}");
    check_left(&said, &out);
    let picture = folder.path().join("p.png");
    write_png(&picture, [40, 50], png::ColorType::Rgb, &pixels[..6000]);
    let said = succeed(&["predict", text(&out.join("model.keras")), "--device", "cpu", "--image", text(&picture)]);
    assert!(datasets::CIFAR10_CLASSES.iter().any(|class| said.contains(&format!("  {class} "))), "{said}");
}
