//! The command line as its users meet it: the real binary, what it prints, what it leaves, how it fails.

mod drawings;
mod fit;
mod generate;
mod generative;
mod pictures;
mod resume;
mod sentiment;
mod sequences;
mod table;
mod tasks;
mod weather;

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use uncrumple::files::npy;
use uncrumple::prelude::*;
use uncrumple::{optimizers, programs};

const COMMANDS: [&[&str]; 30] = [
    &["train"],
    &["train", "mnist"],
    &["train", "fashion-mnist"],
    &["train", "cifar10"],
    &["train", "images"],
    &["train", "boston"],
    &["train", "reviews"],
    &["train", "phonemes"],
    &["train", "cmudict"],
    &["train", "translate"],
    &["train", "sentiment"],
    &["train", "weather"],
    &["train", "shakespeare"],
    &["train", "vae"],
    &["train", "diffusion"],
    &["train", "emoji"],
    &["train", "caption"],
    &["train", "category"],
    &["train", "csv"],
    &["fit"],
    &["evaluate"],
    &["predict"],
    &["generate"],
    &["caption"],
    &["sample"],
    &["grad-cam"],
    &["summary"],
    &["inspect"],
    &["devices"],
    &["bench"],
];

/// The binary; where the tests were moved to another machine, the variable says where it is.
fn command(arguments: &[&str]) -> Command {
    let path = std::env::var("CARGO_BIN_EXE_uncrumple").unwrap_or_else(|_| env!("CARGO_BIN_EXE_uncrumple").into());
    let mut command = Command::new(path);
    command.args(arguments);
    command
}

/// Runs the binary.
fn uncrumple(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// Standard output of a run that must succeed.
fn succeed(arguments: &[&str]) -> String {
    let output = uncrumple(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Standard error of a run that must fail with this code.
fn fail(code: i32, arguments: &[&str]) -> String {
    let output = uncrumple(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// The one line that a run leaves which fails for a reason outside its usage.
fn error(arguments: &[&str]) -> String {
    let text = fail(1, arguments);
    assert!(text.starts_with("error: ") && text.ends_with('\n') && text.lines().count() == 1, "{text}");
    text
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn every_command_has_help() {
    let all = succeed(&["--help"]);
    for command in COMMANDS {
        assert!(all.contains(command[0]), "{all}");
        let help = succeed(&[command, &["--help"]].concat());
        assert!(help.contains(&format!("Usage: uncrumple {}", command.join(" "))), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
        assert_eq!(help, succeed(&[command, &["-h"]].concat()));
    }
    for (command, options) in [
        (
            &["train", "mnist"][..],
            &["--epochs", "--batch-size", "--limit", "--out", "--precision", "--profile", "--resume", "--backup-every"]
                [..],
        ),
        (
            &["fit"],
            &[
                "--x",
                "--y",
                "--epochs",
                "--no-shuffle",
                "--validation-split",
                "--save",
                "--history",
                "--loss",
                "--profile",
            ],
        ),
        (
            &["train", "csv"],
            &["--target", "--kind", "--exclude", "--time", "--group", "--balanced", "--width", "--out"],
        ),
        (&["evaluate"], &["--x", "--y", "--json", "--batch-size", "--loss", "--metrics"]),
        (
            &["train", "images"],
            &["--program", "--size", "--no-flip", "--epochs", "--learning-rate", "--out", "--resume"],
        ),
        (&["train", "sentiment"], &["--program", "--epochs", "--batch-size", "--out", "--precision", "--resume"]),
        (
            &["train", "weather"],
            &["--program", "--epochs", "--batch-size", "--learning-rate", "--out", "--precision", "--resume"],
        ),
        (
            &["train", "shakespeare"],
            &["--epochs", "--steps", "--batch-size", "--learning-rate", "--limit", "--out", "--precision", "--resume"],
        ),
        (
            &["generate"],
            &[
                "--prompt",
                "--max-tokens",
                "--temperature",
                "--top-k",
                "--top-p",
                "--beams",
                "--stop",
                "--samples",
                "--no-cache",
            ],
        ),
        (&["predict"], &["--x", "--image", "--top", "--out", "--batch-size", "--precision"]),
        (&["summary"], &["--batch-size", "--precision", "--plot"]),
        (&["grad-cam"], &["--image", "--class", "--layer", "--divide", "--out"]),
        (&["bench"], &["--program", "--seconds", "--batch-size", "--precision", "--profile"]),
    ] {
        let help = succeed(&[command, &["--help"]].concat());
        for option in options.iter().chain(&["--device", "--threads", "--seed"]) {
            assert!(help.contains(option), "{option} in {help}");
        }
    }
    assert_eq!(succeed(&["--version"]).trim(), concat!("uncrumple ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_is_explained() {
    for (arguments, said) in [
        (&["fly"][..], "unrecognized subcommand 'fly'"),
        (&["train", "cifar"], "unrecognized subcommand 'cifar'"),
        (&["train", "mnist", "--epochs", "0"], "0 is not in"),
        (&["train", "mnist", "--epochs", "many"], "invalid value 'many'"),
        (&["train", "mnist", "--limit", "3"], "3 is not in"),
        (&["train", "mnist", "--program", "dense"], "[possible values: dense-categorical, convnet]"),
        (&["train", "mnist", "--precision", "int4"], "[possible values: float32, mixed_bfloat16]"),
        (&["predict", "m.keras", "--x", "x.npy"], "--out <FILE>"),
        (&["summary"], "<MODEL.keras>"),
        (&["summary", "m.keras", "--batch-size", "0"], "0 is not in"),
        (&["predict", "m.keras", "--x", "x", "--out", "y", "--batch-size", "99999999999"], "is not in"),
        (&["devices", "--device", "tpu"], "write auto, cpu or cuda:N"),
        (&["generate", "m.keras"], "--prompt <TEXT>"),
        (&["generate", "m.keras", "--prompt", "a", "--temperature", "-1"], "a temperature is a number of at least 0"),
        (&["generate", "m.keras", "--prompt", "a", "--top-p", "1.5"], "a share is above 0 and at most 1"),
        (&["generate", "m.keras", "--prompt", "a", "--top-k", "3", "--top-p", "0.5"], "cannot be used with"),
        (&["generate", "m.keras", "--prompt", "a", "--beams", "3", "--temperature", "1"], "cannot be used with"),
        (&["generate", "m.keras", "--prompt", "a", "--max-tokens", "0"], "0 is not in"),
        (&["train", "shakespeare", "--limit", "10"], "10 is not in"),
        (&["bench", "--device", "cuda:x"], "write auto, cpu or cuda:N"),
        (&["bench", "--program", "nothing"], "dense-categorical"),
        (&["bench", "--seconds", "-1"], "unexpected argument '-1'"),
        (&["train", "boston", "--learning-rate", "-1"], "a learning rate is a number of at least 0"),
        (&["bench", "--seconds", "nan"], "a number of seconds above 0"),
    ] {
        let stderr = fail(2, arguments);
        assert!(stderr.starts_with("error: ") && stderr.contains(said), "{arguments:?}: {stderr}");
    }
    assert!(fail(2, &[]).contains("Usage: uncrumple <COMMAND>"));
}

#[test]
fn devices_tells_what_is_there_and_what_is_missing() {
    let found = succeed(&["devices"]);
    for name in ["cpu ", "driver ", "cuBLAS ", "cuBLASLt ", "kernels ", "--device auto uses "] {
        assert!(found.lines().any(|line| line.starts_with(name)), "{name} in {found}");
    }
    let cpu = succeed(&["devices", "--device", "cpu", "--threads", "1"]);
    assert!(cpu.contains("1 thread\n") && cpu.contains("--device cpu can be used."), "{cpu}");
    if found.contains("no NVIDIA driver") {
        assert!(found.contains("Install the NVIDIA driver") && found.contains("uses the CPU"), "{found}");
        for command in [&["devices"][..], &["bench", "--program", "dense-binary", "--seconds", "0.1"]] {
            let said = error(&[command, &["--device", "cuda:0"]].concat());
            assert!(said.starts_with("error: no NVIDIA driver: ") && said.contains("Install"), "{said}");
        }
    }
}

/// Holds a line of the bench against what such a line must be.
fn check_bench(line: &str, program: &str) {
    let line: Value = serde_json::from_str(line).unwrap();
    let word = |key: &str| line[key].as_str().unwrap_or_else(|| panic!("no {key} in {line}")).to_string();
    let number = |key: &str| line[key].as_f64().unwrap_or_else(|| panic!("no {key} in {line}"));
    assert_eq!([word("peer"), word("program")], ["uncrumple", program]);
    assert_eq!([word("device"), word("precision")], ["cpu", "float32"]);
    let (ms, samples) = (number("ms_per_step"), number("samples_per_s"));
    assert!(ms > 0.0 && ms < 60_000.0, "{line}");
    assert!((samples * ms / 1000.0 / number("batch_size") - 1.0).abs() < 1e-3, "{line}");
    assert!(number("steps") >= 3.0 && number("steps") == number("steps").trunc(), "{line}");
    // Three chunks of a quarter of a second at the median's speed, give or take what else the machine does.
    assert!(number("steps") * ms > 300.0, "{line}");
    assert!(number("first_step_s") > 0.0 && number("first_step_s") < 60.0, "{line}");
    if cfg!(target_os = "linux") {
        assert!(number("peak_rss_mb") > 1.0 && number("peak_rss_mb") < 10_000.0, "{line}");
    }
}

#[test]
fn bench_prints_a_line_of_json() {
    let options = ["bench", "--device", "cpu", "--seconds", "0.3", "--threads", "2"];
    let one = succeed(&[&options[..], &["--program", "dense-regression"]].concat());
    assert_eq!(one.lines().count(), 1, "{one}");
    check_bench(&one, "dense-regression");
    assert!(one.contains("\"batch_size\":16"), "{one}");

    let sized = succeed(&[&options[..], &["--program", "dense-binary", "--batch-size", "33"]].concat());
    check_bench(&sized, "dense-binary");
    assert!(sized.contains("\"batch_size\":33"), "{sized}");

    // Small batches, so that large programs take no longer here than small ones.
    let all = succeed(&[&options[..], &["--batch-size", "2"]].concat());
    assert_eq!(all.lines().count(), programs::ALL.len());
    for (line, program) in all.lines().zip(programs::ALL) {
        check_bench(line, program.name);
    }
}

#[test]
fn bench_tells_what_steps_are_made_of() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("new/trace.json");
    let options = ["bench", "--device", "cpu", "--seconds", "0.1", "--program", "dense-binary", "--profile"];
    let said = succeed(&[&options[..], &[text(&trace)]].concat());
    assert!(said.contains("20 steps") && said.contains("matmul") && said.trim_end().ends_with("trace.json"), "{said}");
    let events: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&trace).unwrap()).unwrap();
    assert!(events["traceEvents"].as_array().unwrap().len() > 20, "{events}");
    // Before anything is timed.
    let output = uncrumple(&[&options[..], &[text(folder.path())]].concat());
    assert!(!output.status.success() && output.stdout.is_empty());
}

/// A model file with one input, in a folder that goes with the handle.
fn small_model() -> (tempfile::TempDir, PathBuf, Model) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.keras");
    let model = Sequential::new([4]).add(Dense::new(8).relu()).add(Dense::new(3).softmax()).build().unwrap();
    model.save(&path).unwrap();
    (folder, path, model)
}

#[test]
fn predict_computes_what_the_model_does() {
    let (folder, path, model) = small_model();
    let x = Tensor::from_slice(&(0..70 * 4).map(|i| (i as f32 * 0.7).sin()).collect::<Vec<_>>(), [70, 4]).unwrap();
    let (from, to) = (folder.path().join("x.npy"), folder.path().join("y.npy"));
    npy::write(&from, &x.to_array().unwrap()).unwrap();
    let said = succeed(&["predict", text(&path), "--x", text(&from), "--out", text(&to), "--device", "cpu"]);
    assert!(said.contains("70 samples on the CPU") && said.contains("(70, 3)"), "{said}");
    let y = Tensor::from_array(&npy::read(&to).unwrap()).unwrap();
    assert_eq!(y.to_vec::<f32>().unwrap(), model.predict(&x).unwrap().to_vec::<f32>().unwrap());

    // One-hot targets are no labels; targets of other samples are none either.
    let hot = |n: usize| Tensor::from_slice(&[1f32, 0.0, 0.0].repeat(n), [n, 3]).unwrap().to_array().unwrap();
    let targets = folder.path().join("hot.npy");
    for (n, want) in [(70, "`categorical_crossentropy`) takes one-hot targets"), (69, "hot.npy has 69")] {
        npy::write(&targets, &hot(n)).unwrap();
        let loss = ["--loss", "sparse_categorical_crossentropy", "--device", "cpu"];
        let said = error(&[&["evaluate", text(&path), "--x", text(&from), "--y", text(&targets)][..], &loss].concat());
        assert!(said.contains(want), "{said}");
    }

    // Numbers of another type are converted.
    npy::write(&from, &x.cast(DType::F64).unwrap().to_array().unwrap()).unwrap();
    succeed(&["predict", text(&path), "--x", text(&from), "--out", text(&to), "--device", "cpu", "--batch-size", "7"]);
    let again = Tensor::from_array(&npy::read(&to).unwrap()).unwrap();
    assert_eq!(again.shape(), y.shape());
    let pairs = again.to_vec::<f32>().unwrap().into_iter().zip(y.to_vec::<f32>().unwrap());
    assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() <= 1e-6));
}

#[test]
fn predict_reads_several_inputs_and_writes_several_outputs() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = [Input::new([2]), Input::new([2])];
    let sum = Add::new().call([&a, &b]).unwrap();
    let product = Multiply::new().call([&a, &b]).unwrap();
    let model = Model::new([&a, &b], [&sum, &product]).unwrap();
    let path = folder.path().join("two.keras");
    model.save(&path).unwrap();
    let array = |x: [f32; 2]| Tensor::from_slice(&x, [1, 2]).unwrap().to_array().unwrap();
    let (from, to) = (folder.path().join("x.npz"), folder.path().join("y.npz"));
    for names in [["input_layer", "input_layer_1"], ["arr_0", "arr_1"]] {
        let arrays = names.iter().map(|n| n.to_string()).zip([array([1.0, 2.0]), array([3.0, 5.0])]);
        npy::write_npz(&from, &arrays.collect::<BTreeMap<_, _>>()).unwrap();
        succeed(&["predict", text(&path), "--x", text(&from), "--out", text(&to), "--device", "cpu"]);
        let found = npy::read_npz(&to).unwrap();
        assert_eq!(found["add"].to_vec::<f32>().unwrap(), [4.0, 7.0]);
        assert_eq!(found["multiply"].to_vec::<f32>().unwrap(), [3.0, 10.0]);
    }
    let single = folder.path().join("y.npy");
    let said = error(&["predict", text(&path), "--x", text(&from), "--out", text(&single)]);
    assert!(said.contains("2 outputs (add, multiply): name an .npz file"), "{said}");
    npy::write_npz(&from, &BTreeMap::from([("left".to_string(), array([1.0, 2.0]))])).unwrap();
    let said = error(&["predict", text(&path), "--x", text(&from), "--out", text(&to)]);
    assert!(said.contains("holds the arrays left; the model's inputs are input_layer, input_layer_1"), "{said}");
}

#[test]
fn what_fails_says_so_in_a_line() {
    let (folder, path, _) = small_model();
    let missing = folder.path().join("none.keras");
    assert!(error(&["summary", text(&missing)]).contains("none.keras: "));
    let broken = folder.path().join("broken.keras");
    std::fs::write(&broken, b"no zip").unwrap();
    assert!(error(&["summary", text(&broken)]).contains("broken.keras: "));

    let (x, y) = (folder.path().join("x.npy"), folder.path().join("y.npy"));
    let wide = Tensor::zeros(&Device::Cpu, [2, 5], DType::F32).unwrap();
    npy::write(&x, &wide.to_array().unwrap()).unwrap();
    let said = error(&["predict", text(&path), "--x", text(&x), "--out", text(&y), "--device", "cpu"]);
    assert!(said.contains("(samples, 4)") && said.contains("(2, 5)"), "{said}");
    assert!(!y.exists());

    let nowhere = broken.join("run");
    let said = error(&["train", "mnist", "--device", "cpu", "--limit", "100", "--out", text(&nowhere)]);
    assert!(said.contains("broken.keras"), "{said}");
}

#[test]
fn summary_shows_layers_and_memory() {
    let (_folder, path, model) = small_model();
    let shown = succeed(&["summary", text(&path), "--batch-size", "7", "--device", "cpu"]);
    assert_eq!(shown.trim_end(), Model::load(&path).unwrap().summary().batch_size(7).to_string().trim_end());
    assert!(shown.contains("(None, 8)") && shown.contains("batch of 7"), "{shown}");
    assert!(shown.contains(&format!("{}", model.count_params())), "{shown}");
    assert!(shown.contains("(Adam: 2 numbers a parameter)"), "{shown}");
    let most = succeed(&["summary", text(&path), "--batch-size", "4294967295", "--device", "cpu", "--threads", "1"]);
    assert!(most.contains("GiB") && most.contains("batch of 4294967295"), "{most}");

    // The optimizer is the file's own.
    let trainer = model.compile(SGD::new(0.1), SparseCategoricalCrossentropy::new(), ()).unwrap();
    trainer.save(&path).unwrap();
    let shown = succeed(&["summary", text(&path), "--seed", "3", "--device", "cpu"]);
    let slots =
        trainer.model().summary().optimizer(&*Box::<dyn optimizers::Optimizer>::from(SGD::new(0.1))).to_string();
    assert_eq!(shown.trim_end(), slots.trim_end());
    assert!(shown.contains("(SGD: "), "{shown}");
}

#[test]
fn predict_tells_what_is_wrong_with_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (model, out) = (folder.path().join("m.keras"), folder.path().join("y.npy"));
    Sequential::new([4]).add(Dense::new(2)).build().unwrap().save(&model).unwrap();
    let write = |name: &str, shape: &[usize]| {
        let path = folder.path().join(name);
        npy::write(&path, &Tensor::zeros(&Device::Cpu, shape, DType::F32).unwrap().to_array().unwrap()).unwrap();
        path
    };
    for shape in [&[100, 5][..], &[4], &[], &[100, 2, 2]] {
        let said = error(&["predict", text(&model), "--x", text(&write("x.npy", shape)), "--out", text(&out)]);
        assert!(said.contains("x.npy: has shape") && said.contains("takes (samples, 4)"), "{said}");
    }
    let x = write("x.npy", &[3, 4]);
    let said = error(&["predict", text(&model), "--x", text(&x), "--out", "y.txt"]);
    assert!(said.contains("y.txt: name an .npy or an .npz file"), "{said}");
    let said = error(&["predict", text(&model), "--x", text(&x), "--out", "/no/folder/y.npy"]);
    assert!(said.contains("there is no folder /no/folder") && !said.contains(".tmp"), "{said}");
    let detour = folder.path().join(".").join("x.npy");
    let said = error(&["predict", text(&model), "--x", text(&x), "--out", text(&detour)]);
    assert!(said.contains("x.npy: would be written over what is read from it"), "{said}");
    let said = error(&["predict", text(&model), "--x", text(&x), "--out", text(&out), "--threads", "999999"]);
    assert!(said.contains("999999 threads are too many: expected at most 1024"), "{said}");
    // One array for one input is that input, whatever its name.
    let alone = folder.path().join("x.npz");
    let array = npy::read(&x).unwrap();
    npy::write_npz(&alone, &[("anything".to_owned(), array)].into()).unwrap();
    succeed(&["predict", text(&model), "--x", text(&alone), "--out", text(&out), "--device", "cpu"]);
    std::fs::write(&model, b"\x89HDF\r\n\x1a\n and so on").unwrap();
    let said = error(&["summary", text(&model)]);
    assert!(said.contains("HDF5") && said.contains("save it as .keras"), "{said}");
}

#[test]
fn predict_loses_none_of_two_outputs_of_one_layer() {
    let folder = tempfile::tempdir().unwrap();
    let encoder = Sequential::new([2]).add(Rescaling::new(2.0)).build().unwrap().named("encoder").as_layer();
    let [a, b] = [Input::new([2]), Input::new([2])];
    let outputs = [&a, &b].map(|x| encoder.call(x).unwrap());
    let (path, from, to) = (folder.path().join("m.keras"), folder.path().join("x.npz"), folder.path().join("y.npz"));
    Model::new([&a, &b], outputs.each_ref()).unwrap().save(&path).unwrap();
    let array = |x: [f32; 2]| Tensor::from_slice(&x, [1, 2]).unwrap().to_array().unwrap();
    let arrays = [("arr_0", array([1.0, 2.0])), ("arr_1", array([3.0, 5.0]))].map(|(n, a)| (n.to_string(), a));
    npy::write_npz(&from, &BTreeMap::from(arrays)).unwrap();
    succeed(&["predict", text(&path), "--x", text(&from), "--out", text(&to), "--device", "cpu", "--seed", "1"]);
    let found = npy::read_npz(&to).unwrap();
    assert_eq!(found["encoder"].to_vec::<f32>().unwrap(), [2.0, 4.0]);
    assert_eq!(found["encoder_1"].to_vec::<f32>().unwrap(), [6.0, 10.0]);
}

/// Decodes a picture and counts its colours: a blank one has one.
fn colours(path: &Path) -> (u32, u32, usize) {
    let mut reader = png::Decoder::new(std::fs::File::open(path).unwrap()).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size()];
    let info = reader.next_frame(&mut bytes).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgb);
    let colours: std::collections::HashSet<&[u8]> = bytes[..info.buffer_size()].chunks_exact(3).collect();
    (info.width, info.height, colours.len())
}

#[test]
fn training_leaves_a_model_figures_and_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let (out, trace) = (folder.path().join("a/b"), folder.path().join("trace.json"));
    let train = |seed: &str| {
        let data = ["train", "mnist", "--epochs", "2", "--limit", "2000", "--batch-size", "64", "--seed", seed];
        let left = ["--out", text(&out), "--profile", text(&trace)];
        succeed(&[&data[..], &["--device", "cpu"], &left].concat())
    };
    let said = train("1");
    assert!(said.contains("Epoch 2/2") && said.contains("val_accuracy") && said.contains("samples/s"), "{said}");
    assert!(said.contains("20 steps, ") && said.contains("(between ops)") && trace.is_file(), "{said}");
    assert!(!said.contains('\x1b'), "no terminal, no colours: {said}");
    let verdict = said.lines().find(|line| line.contains("test pictures are recognised")).unwrap();
    let accuracy: f64 = verdict.split(' ').next().unwrap().parse().unwrap();
    // 1800 pictures are enough for far more than chance, and too few for the goal.
    assert!(accuracy > 50.0 && accuracy < 97.8, "{verdict}");
    assert!(verdict.ends_with("the goal of 97.8 % is not met."), "{verdict}");

    let pictures = ["learning-curves.png", "confusion-matrix.png", "misclassified.png", "filters.png"];
    for name in ["model.keras", "history.csv"].into_iter().chain(pictures) {
        assert!(out.join(name).is_file(), "{name}");
        assert!(said.contains(text(&out.join(name))), "{name} in {said}");
    }
    let history = std::fs::read_to_string(out.join("history.csv")).unwrap();
    let rows: Vec<Vec<&str>> = history.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0], ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]);
    assert_eq!((rows.len(), rows[1][0], rows[2][0]), (3, "1", "2"));
    assert!(rows[1..].concat().iter().all(|cell| cell.parse::<f64>().unwrap().is_finite()), "{history}");
    for name in pictures {
        let (width, height, colours) = colours(&out.join(name));
        assert!(width >= 800 && height >= 400 && colours > 20, "{name}: {width} × {height}, {colours} colours");
    }

    // The file is the model that was tested.
    let model = Model::load(out.join("model.keras")).unwrap();
    let (_, test) = datasets::mnist().unwrap();
    let test = test.take(2000).unwrap();
    let pictures = test.inputs()[0].reshape([2000, 784]).unwrap();
    let guesses = model.predict(&pictures).unwrap().argmax(-1).unwrap().cast(DType::I32).unwrap();
    let labels = test.targets()[0].to_vec::<i32>().unwrap();
    let right = guesses.to_vec::<i32>().unwrap().iter().zip(&labels).filter(|(a, b)| a == b).count();
    assert_eq!(format!("{:.2}", right as f64 / 20.0), format!("{accuracy:.2}"));

    // What it learnt reads the files of the data set as they are.
    let mnist = uncrumple::files::repository().join("datasets/mnist");
    let [x, y] = ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"].map(|name| mnist.join(name));
    let saved = out.join("model.keras");
    let given = [text(&saved), "--x", text(&x), "--divide", "255", "--device", "cpu", "--batch-size", "1000"];
    let line = succeed(&[&["evaluate"], &given[..], &["--y", text(&y), "--json"]].concat());
    let figures: Value = serde_json::from_str(&line).unwrap();
    assert!(figures["accuracy"].as_f64().is_some_and(|a| a > 0.5), "{line}");
    let outputs = out.join("y.npy");
    succeed(&[&["predict"], &given[..], &["--out", text(&outputs)]].concat());
    let whole = Tensor::from_array(&npy::read(&outputs).unwrap()).unwrap();
    let want = model.predict_all(vec![pictures.clone()], 1000).unwrap();
    let first = whole.to_vec::<f32>().unwrap()[..20_000].to_vec();
    let pairs = first.iter().zip(want[0].to_vec::<f32>().unwrap());
    assert!(whole.shape()[..] == [10_000, 10] && pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-5));

    // A picture in a file is scaled as in the training.
    let first = test.inputs()[0].slice(0, 0..1).unwrap().mul_scalar(255.0).unwrap().add_scalar(0.5).unwrap();
    let (digit, y) = (folder.path().join("digit.png"), folder.path().join("digit.npy"));
    let bytes = first.cast(DType::U8).unwrap().to_vec::<u8>().unwrap();
    pictures::write_png(&digit, [28, 28], png::ColorType::Grayscale, &bytes);
    let image = ["predict", text(&saved), "--device", "cpu", "--image", text(&digit), "--out", text(&y)];
    let line = succeed(&image);
    let probabilities = npy::read(&y).unwrap().to_vec::<f32>().unwrap();
    let guess = guesses.to_vec::<i32>().unwrap()[0] as usize;
    assert!(line.contains(&format!("  {guess} {:.2} %, ", probabilities[guess] * 100.0)), "{line}");
    let pairs = probabilities.iter().zip(want[0].to_vec::<f32>().unwrap());
    assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-5));

    // Another program has another goal.
    let data = ["train", "mnist", "--program", "convnet", "--epochs", "1", "--limit", "100", "--batch-size", "30"];
    let said = succeed(&[&data[..], &["--device", "cpu", "--out", text(&folder.path().join("convnet"))]].concat());
    assert!(said.starts_with("convnet on the CPU"), "{said}");
    assert!(said.contains("the goal of 99.1 % is not met."), "{said}");
    let convnet = Model::load(folder.path().join("convnet/model.keras")).unwrap();
    assert_eq!(convnet.graph().inputs[0].1.dims, [None, Some(28), Some(28), Some(1)]);

    // The same seed gives the same figures, another one others.
    train("1");
    assert_eq!(std::fs::read_to_string(out.join("history.csv")).unwrap(), history);
    train("2");
    assert_ne!(std::fs::read_to_string(out.join("history.csv")).unwrap(), history);
}
