//! HDF5 against itself and against files of Keras and h5py.

use super::*;
use crate::dtype::DType;
use crate::files::archive;
use half::{bf16, f16};
use std::path::{Path, PathBuf};

fn data(name: &str) -> PathBuf {
    crate::files::repository().join("tests/data").join(name)
}

fn read_back(tree: &Tree) -> Tree {
    let path = Path::new("w.h5");
    read(write(tree, path).unwrap(), path).unwrap()
}

#[test]
fn round_trips_every_type_and_shape() {
    let mut tree = Tree::default();
    for dtype in DType::ALL {
        let arrays = [vec![], vec![1], vec![2, 3], vec![0, 3], vec![2, 1, 3, 2]].map(|shape: Vec<usize>| {
            let n = shape.iter().product::<usize>() * dtype.size();
            let bytes = (0..n).map(|i| if dtype == DType::Bool { i % 2 } else { i } as u8).collect();
            Array::new(dtype, shape, bytes).unwrap()
        });
        tree.put(&format!("layers/{dtype}"), "täglich", arrays);
    }
    tree.put("layers/dropout", "dropout", []);
    tree.put("", "model", []);
    let back = read_back(&tree);
    assert_eq!(back.arrays, tree.arrays);
    assert!(tree.groups.keys().all(|group| back.groups.contains_key(group)));
    // Writing the same gives the same file: nothing in it depends on the time or on a hash.
    let bytes = write(&tree, Path::new("w.h5")).unwrap();
    assert_eq!(bytes, write(&tree.clone(), Path::new("w.h5")).unwrap());
    let attributes = hdf5_pure::File::from_bytes(bytes).unwrap().group("layers/bool/vars").unwrap().attrs().unwrap();
    assert_eq!(attributes["name"].as_str(), Some("täglich"));
    assert_eq!(read_back(&Tree::default()), Tree::default());
}

#[test]
fn many_variables_keep_their_order() {
    let mut tree = Tree::default();
    tree.put("optimizer", "adam", (0..300).map(|i| Array::from_slice(&[], &[i]).unwrap()));
    let back = read_back(&tree);
    let variables = back.get("optimizer").unwrap().unwrap();
    let numbers: Vec<i32> = variables.iter().flat_map(|v| v.to_vec::<i32>().unwrap()).collect();
    assert_eq!(numbers, (0..300).collect::<Vec<_>>());
    assert_eq!(back.get("opt").unwrap(), None);
    let gap = Tree { arrays: BTreeMap::from([("a/vars/1".into(), variables[0].clone())]), ..Tree::default() };
    assert!(gap.get("a").is_err());
}

#[test]
fn deep_and_wide_trees() {
    let mut tree = Tree::default();
    tree.put(&vec!["layers/sequential"; 30].join("/"), "deep", []);
    for i in 0..500 {
        tree.put(&format!("layers/dense_{i}"), "wide", [Array::from_slice(&[2], &[i as f32, 0.0]).unwrap()]);
    }
    let back = read_back(&tree);
    assert_eq!(back.arrays, tree.arrays);
    assert!(back.groups.len() > 1000);
    let two = Tree {
        arrays: BTreeMap::from([("a".into(), tree.arrays["layers/dense_0/vars/0"].clone())]),
        groups: BTreeMap::from([("a/b".into(), BTreeMap::new())]),
    };
    let message = write(&two, Path::new("w.h5")).unwrap_err().to_string();
    assert!(message.contains("`a` is both an array and a group"), "{message}");
}

#[test]
fn reads_a_model_of_keras() {
    let path = data("keras.keras");
    let mut entries = archive::read(&path).unwrap();
    assert!(archive::take(&mut entries, "config.json", &path).unwrap().starts_with(b"{"));
    let tree = read(archive::take(&mut entries, "model.weights.h5", &path).unwrap(), &path).unwrap();

    let floats = |path: &str| -> Vec<(Vec<usize>, Vec<f32>)> {
        let variables = tree.get(path).unwrap().unwrap();
        variables.iter().map(|v| (v.shape.clone(), v.to_vec::<f32>().unwrap())).collect()
    };
    let dense = [(vec![2, 3], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), (vec![3], vec![0.0, 1.0, 2.0])];
    assert_eq!(floats("layers/dense"), dense);
    let head = tree.get("layers/dense_1").unwrap().unwrap();
    assert_eq!(head[0].shape, [3, 1]);
    assert_eq!(head[0].to_vec::<bf16>().unwrap(), [0.0, 1.0, 2.0].map(bf16::from_f32));
    assert_eq!(head[1].to_vec::<bf16>().unwrap(), [bf16::ZERO]);
    let normalization = tree.get("layers/normalization").unwrap().unwrap();
    assert_eq!(normalization.iter().map(|v| v.dtype).collect::<Vec<_>>(), [DType::F32, DType::F32, DType::I32]);
    assert_eq!(tree.get("layers/dropout").unwrap().unwrap(), [] as [&Array; 0]);
    assert_eq!(tree.get("layers/input_layer").unwrap(), None);
    assert_eq!(tree.get("").unwrap().unwrap(), [] as [&Array; 0]);
    let adam = tree.get("optimizer").unwrap().unwrap();
    assert_eq!(adam[0].to_vec::<i32>().unwrap(), [1]);
    assert_eq!(adam[1].to_vec::<f32>().unwrap(), [0.5]);
    let shapes: Vec<_> = adam[2..].iter().map(|v| v.shape.as_slice()).collect();
    assert_eq!(shapes, [&[2, 3][..], &[2, 3], &[3], &[3], &[3, 1], &[3, 1], &[1], &[1]]);
}

#[test]
fn reads_what_h5py_may_hold() {
    let path = data("h5py.h5");
    let tree = read(crate::files::read_file(&path).unwrap(), &path).unwrap();
    assert_eq!(tree.arrays["gzip"].shape, [20, 30]);
    assert_eq!(tree.arrays["gzip"].to_vec::<f32>().unwrap(), (0..600).map(|i| i as f32).collect::<Vec<_>>());
    assert_eq!(tree.arrays["big"].to_vec::<f64>().unwrap(), [0.0, 1.0, 2.0]);
    assert_eq!(tree.arrays["half"].to_vec::<f16>().unwrap(), [0.5, -2.0].map(f16::from_f32));
    assert_eq!(tree.arrays["small"].to_vec::<i32>().unwrap(), [-1, 127]);
    assert_eq!(tree.arrays["flag"].to_vec::<bool>().unwrap(), [true, false]);
    assert_eq!(tree.arrays["empty"].shape, [0, 3]);
    assert_eq!(tree.arrays["scalar"].to_vec::<i64>().unwrap(), [-5]);
    assert!(tree.groups.contains_key("a/b"));
}

/// A file with one dataset that `fill` describes, read.
fn dataset(fill: impl FnOnce(&mut hdf5_pure::DatasetBuilder)) -> Result<Tree> {
    let mut file = hdf5_pure::FileBuilder::new();
    fill(file.create_dataset("a"));
    read(file.finish().unwrap(), Path::new("w.h5"))
}

#[test]
fn refuses_bombs_and_other_types() {
    let message = |tree: Result<Tree>| tree.unwrap_err().to_string();
    let text = dataset(|d| {
        d.with_strings(&["not", "numbers"]).unwrap();
    });
    assert!(message(text).contains("`a`: has elements of a type that no weight has"));
    let unsigned = dataset(|d| {
        d.with_u64_data(&[1]);
    });
    assert!(message(unsigned).contains("no weight has"));
    // 272 MiB of zeros in a quarter of a megabyte.
    let bomb = dataset(|d| {
        d.with_u8_data(&vec![0; 17 << 24]).with_chunks(&[1 << 24]).with_deflate(9);
    });
    assert!(message(bomb).contains("far more than the file holds"));
    let honest = dataset(|d| {
        d.with_u8_data(&vec![0; 1 << 24]).with_chunks(&[1 << 22]).with_deflate(9);
    });
    assert_eq!(honest.unwrap().arrays["a"].len(), 1 << 24);
    let mut cut = write(&Tree::default(), Path::new("w.h5")).unwrap();
    cut.pop();
    assert!(message(read(cut, Path::new("w.h5"))).contains("is truncated"));
    assert!(message(read(b"PK\x03\x04".to_vec(), Path::new("w.h5"))).contains("w.h5: is not a whole HDF5 file"));
}
