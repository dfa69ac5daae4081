//! Pictures of models: their layers, and what they go by.

use super::pictures::write_png;
use super::{colours, error, fail, succeed, text};
use uncrumple::prelude::*;
use uncrumple::programs::image::resnet;
use uncrumple::programs::pictures::Pictures;

#[test]
fn summary_draws_the_layers() {
    let folder = tempfile::tempdir().unwrap();
    let [model, svg] = ["m.keras", "new/m.svg"].map(|name| folder.path().join(name));
    let input = Input::new([8, 8, 3]);
    let network = Model::new(&input, &resnet(&input, 10).unwrap()).unwrap();
    network.named("a <small> resnet").save(&model).unwrap();
    let said = succeed(&["summary", text(&model), "--plot", text(&svg), "--device", "cpu"]);
    assert!(said.contains("Activations") && said.contains(text(&svg)), "{said}");
    let drawn = std::fs::read_to_string(&svg).unwrap();
    assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>\n"), "{drawn}");
    // One input, the first convolution, six blocks of seven layers, of which two have one more for the skip, and two at last.
    let nodes = drawn.matches("<rect ").count() - 1;
    assert_eq!(nodes, 1 + 1 + 6 * 7 + 2 + 2);
    for said in ["a &lt;small&gt; resnet", "BatchNormalization", "(None, 8, 8, 32)", "1,290 parameters", ">output<"] {
        assert!(drawn.contains(said), "{said} in {drawn}");
    }

    // Not over the model, and not where nothing can be.
    let before = std::fs::read(&model).unwrap();
    let said = error(&["summary", text(&model), "--plot", text(&model)]);
    assert!(said.contains("name a file that ends in .svg"), "{said}");
    assert_eq!(std::fs::read(&model).unwrap(), before);
    let said = error(&["summary", text(&model), "--plot", text(&model.join("m.svg"))]);
    assert!(said.contains("m.svg"), "{said}");
}

#[test]
fn grad_cam_draws_what_speaks_for_a_class() {
    let folder = tempfile::tempdir().unwrap();
    let [model, other, picture, out] = ["m.keras", "d.keras", "x.png", "heat.png"].map(|name| folder.path().join(name));
    // One map is the red of the picture, the other its blue.
    let mut network = Sequential::new([6, 8, 3])
        .add(Conv2D::new(2, 1).use_bias(false))
        .add(GlobalAveragePooling2D::new())
        .add(Dense::new(2).softmax())
        .build()
        .unwrap();
    let red_and_blue = Tensor::from_slice(&[9f32, 0.0, 0.0, 0.0, 0.0, 9.0], [1, 1, 3, 2]).unwrap();
    network.set_weight("conv2d/kernel", &red_and_blue).unwrap();
    network.set_weight("dense/kernel", &Tensor::from_slice(&[1f32, -1.0, -1.0, 1.0], [2, 2]).unwrap()).unwrap();
    let classes = vec!["red".to_string(), "blue".to_string()];
    let pictures = Pictures { image: [6, 8, 3], scale: 1.0 / 255.0, classes };
    pictures.attach(network).unwrap().save(&model).unwrap();
    // Red at the left, and at the right a quarter of blue.
    let pixels: Vec<[u8; 3]> = (0..48).map(|i| if i % 8 < 6 { [255, 0, 0] } else { [0, 0, 255] }).collect();
    write_png(&picture, [6, 8], png::ColorType::Rgb, &pixels.concat());

    let run = |more: &[&str]| {
        let given = ["grad-cam", text(&model), "--image", text(&picture), "--out", text(&out), "--device", "cpu"];
        [&given[..], more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let strs = |words: &[String]| -> String { succeed(&words.iter().map(String::as_str).collect::<Vec<_>>()) };
    let said = strs(&run(&[]));
    // Means of 6.75 and 2.25, so e⁹ : 1.
    assert!(said.starts_with("red, 100.0 %\n") && said.contains("by the maps of conv2d"), "{said}");
    let (width, height, found) = colours(&out);
    assert!(width > 800 && height > 500 && found > 50, "{width} × {height}, {found} colours");
    let first = std::fs::read(&out).unwrap();
    let said = strs(&run(&["--class", "blue", "--layer", "conv2d"]));
    assert!(said.starts_with("blue, 0.0 %; the likeliest is red, 100.0 %\n"), "{said}");
    let second = std::fs::read(&out).unwrap();
    assert_ne!(first, second);
    strs(&run(&["--class", "1"]));
    assert_eq!(std::fs::read(&out).unwrap(), second);
    // So dark that nothing is sure.
    let said = strs(&run(&["--divide", "1e9"]));
    assert!(said.starts_with("red, 50.0 %\n"), "{said}");

    let refused = |more: &[&str], want: &str| {
        let said = error(&run(more).iter().map(String::as_str).collect::<Vec<_>>());
        assert!(said.contains(want), "{said}");
    };
    refused(&["--class", "green"], "no class `green`; it has red, blue");
    refused(&["--layer", "conv"], "no layer `conv`; of those that give maps: conv2d");
    refused(&["--layer", "dense"], "layer `dense` gives (None, 2); expected one that gives maps");
    refused(&["--divide", "0"], "--divide: expected a number other than 0");
    let given = ["grad-cam", text(&model), "--image", text(&picture), "--out"];
    let said = error(&[&given[..], &[text(&picture)]].concat());
    assert!(said.contains("would be written over what is read"), "{said}");
    let said = error(&[&given[..], &[text(&model)]].concat());
    assert!(said.contains("name a file that ends in .png"), "{said}");
    let said = fail(2, &given[..4]);
    assert!(said.contains("--out <FILE.png>"), "{said}");
    Sequential::new([4]).add(Dense::new(2)).build().unwrap().save(&other).unwrap();
    let said = error(&["grad-cam", text(&other), "--image", text(&picture), "--out", text(&out)]);
    assert!(said.contains("which are no pictures"), "{said}");
    // A picture has no name before it: nothing is read but this file.
    let said = error(&["grad-cam", text(&model), "--image", &format!("a={}", text(&picture)), "--out", text(&out)]);
    assert!(said.contains("a="), "{said}");
}
