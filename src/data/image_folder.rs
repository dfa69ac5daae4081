//! Pictures in folders, one folder for each class.

use super::Dataset;
use super::image::{ColorMode, load_img, resized};
use crate::device::Device;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::Tensor;
use rayon::prelude::*;
use std::fs::{DirEntry, metadata, read_dir};
use std::path::{Path, PathBuf};

/// Where the PNG and JPEG files of a set lie, and which class each is of: what
/// [`keras.utils.image_dataset_from_directory`](https://keras.io/api/data_loading/image/#imagedatasetfromdirectory-function)
/// finds.
///
/// ```text
/// pets/cat/1.png
/// pets/cat/more/2.jpg
/// pets/dog/1.jpeg
/// ```
#[derive(Clone, Debug)]
pub struct ImageFolder {
    classes: Vec<String>,
    files: Vec<(PathBuf, i32)>,
    passed_over: usize,
}

impl ImageFolder {
    /// The pictures below `folder`. Each folder in it is a class, of its name; classes and files are in the order of their
    /// names. Files that are called neither `.png`, `.jpg` nor `.jpeg`, and whatever begins with a dot, are passed over.
    /// Links to the folders of classes and to files are followed; links to folders inside those of classes are passed
    /// over, since they could lead back to where they lie.
    ///
    /// # Errors
    /// A folder that cannot be read; a link that leads nowhere; fewer than two classes; a class without a picture.
    pub fn open(folder: impl AsRef<Path>) -> Result<ImageFolder> {
        let folder = folder.as_ref();
        let (mut classes, mut files, mut passed_over) = (Vec::new(), Vec::new(), 0);
        for entry in entries(folder)? {
            if Kind::of(&entry)? == Kind::File {
                continue;
            }
            let mut found = Vec::new();
            pictures(&entry.path(), &mut found, &mut passed_over)?;
            if found.is_empty() {
                let message =
                    "holds no .png, .jpg or .jpeg file: put pictures of the class there, or remove the folder";
                return Err(Error::file(entry.path(), message));
            }
            files.extend(found.into_iter().map(|path| (path, classes.len() as i32)));
            classes.push(entry.file_name().to_string_lossy().into_owned());
        }
        let found = match &classes[..] {
            [] => "holds no folder".to_owned(),
            [class] => format!("holds one folder alone, `{class}`"),
            _ => return Ok(ImageFolder { classes, files, passed_over }),
        };
        Err(Error::file(folder, format!("{found}: expected two or more, each with the pictures of a class")))
    }

    /// How many files in the folders of classes have names of no picture.
    pub fn passed_over(&self) -> usize {
        self.passed_over
    }

    /// What the classes are called, in the order of their numbers.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The files, each with the number of its class.
    pub fn files(&self) -> &[(PathBuf, i32)] {
        &self.files
    }

    /// The median height and width, and whether all pictures are grey.
    ///
    /// # Errors
    /// As [`load_img`], of the first file for which it fails.
    pub fn survey(&self) -> Result<([usize; 2], bool)> {
        let look = |(path, _): &(PathBuf, i32)| {
            let img = load_img(path, ColorMode::Rgb)?;
            let grey = img.data::<u8>()?.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]);
            Ok(([img.shape()[0], img.shape()[1]], grey))
        };
        let found = first_error(self.files.par_iter().map(look).collect())?;
        let median = |axis: usize| {
            let mut extents: Vec<usize> = found.iter().map(|(size, _)| size[axis]).collect();
            extents.sort_unstable();
            extents[extents.len() / 2]
        };
        Ok(([median(0), median(1)], found.iter().all(|(_, grey)| *grey)))
    }

    /// All pictures at this height and width, as [`resized`]: uint8 (n, height, width, channels), labels int32 (n,).
    ///
    /// # Errors
    /// As [`load_img`], of the first file for which it fails; a height or a width of 0.
    pub fn load(&self, size: [usize; 2], color_mode: ColorMode) -> Result<Dataset> {
        let labels: Vec<i32> = self.files.iter().map(|(_, class)| *class).collect();
        let sample = [size[0], size[1], color_mode.channels()];
        let shape = Shape::new(&[&[labels.len()], &sample[..]].concat())?;
        if shape.size() == 0 {
            return Err(Error::shape("load", format!("{} × {} pixels: expected 1 × 1 at least", size[0], size[1])));
        }
        // One buffer, since they may fill the memory.
        let mut pictures = Tensor::empty(&Device::Cpu, shape, DType::U8)?;
        let places = pictures.data_mut::<u8>()?.par_chunks_exact_mut(sample.iter().product());
        let read = |(place, (path, _)): (&mut [u8], &(PathBuf, i32))| -> Result<()> {
            place.copy_from_slice(resized(&load_img(path, color_mode)?, size)?.data()?);
            Ok(())
        };
        first_error(places.zip(&self.files).map(read).collect())?;
        Dataset::new(pictures, Tensor::from_slice(&labels, labels.len())?)
    }
}

/// All that was made on many threads: of several errors the same one is told each time.
fn first_error<T>(all: Vec<Result<T>>) -> Result<Vec<T>> {
    all.into_iter().collect()
}

/// What a folder holds, in the order of names.
fn entries(folder: &Path) -> Result<Vec<DirEntry>> {
    let all = read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let mut all = all.map_err(|e| Error::io(folder, e))?;
    all.retain(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    all.sort_by_key(DirEntry::file_name);
    Ok(all)
}

/// What an entry of a folder is.
#[derive(PartialEq)]
enum Kind {
    Folder,
    LinkToFolder,
    File,
}

impl Kind {
    fn of(entry: &DirEntry) -> Result<Kind> {
        let kind = || {
            let own = entry.file_type()?;
            Ok(match own.is_symlink() {
                true if metadata(entry.path())?.is_dir() => Kind::LinkToFolder,
                false if own.is_dir() => Kind::Folder,
                _ => Kind::File,
            })
        };
        kind().map_err(|e| Error::io(entry.path(), e))
    }
}

/// The pictures in a folder and in the folders in it, and the number of other files.
fn pictures(folder: &Path, found: &mut Vec<PathBuf>, others: &mut usize) -> Result<()> {
    for entry in entries(folder)? {
        let path = entry.path();
        let is = |known: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(known));
        match Kind::of(&entry)? {
            Kind::Folder => pictures(&path, found, others)?,
            Kind::File if ["png", "jpg", "jpeg"].into_iter().any(is) => found.push(path),
            Kind::File => *others += 1,
            Kind::LinkToFolder => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::repository;

    #[test]
    fn folders_are_classes() -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let copy = |from: &str, to: &str| {
            std::fs::create_dir_all(at(to).parent().unwrap()).unwrap();
            std::fs::copy(repository().join("tests/data").join(from), at(to)).unwrap();
        };
        let message = || ImageFolder::open(folder.path()).unwrap_err().to_string();
        assert!(message().contains("holds no folder"), "{}", message());
        copy("gray.jpg", "b/2.JPG");
        copy("interlaced.png", "b/in/1.png");
        copy("README.md", "b/notes.md");
        copy("README.md", ".hidden/1.png");
        assert!(message().contains("holds one folder alone, `b`"), "{}", message());
        std::fs::create_dir(at("a")).unwrap();
        assert!(message().contains("a: holds no .png"), "{}", message());
        copy("gray.jpg", "a/1.jpeg");
        let found = ImageFolder::open(folder.path())?;
        assert_eq!((found.classes(), found.passed_over()), (&["a".to_owned(), "b".to_owned()][..], 1));
        let files: Vec<_> = found.files().iter().map(|(path, class)| (path.clone(), *class)).collect();
        assert_eq!(files, [(at("a/1.jpeg"), 0), (at("b/2.JPG"), 1), (at("b/in/1.png"), 1)]);
        let ([height, width], grey) = found.survey()?;
        assert!(height > 0 && width > 0 && grey);
        copy("rgba.png", "a/colours.png");
        assert_eq!(ImageFolder::open(folder.path())?.survey()?, ([21, 33], false));
        std::fs::remove_file(at("a/colours.png")).unwrap();
        let data = found.load([8, 12], ColorMode::Rgb)?;
        assert_eq!(data.inputs()[0].shape()[..], [3, 8, 12, 3]);
        assert_eq!(data.targets()[0].to_vec::<i32>()?, [0, 1, 1]);
        let third = resized(&load_img(at("b/in/1.png"), ColorMode::Rgb)?, [8, 12])?;
        assert_eq!(data.inputs()[0].to_vec::<u8>()?[2 * 8 * 12 * 3..], third.to_vec::<u8>()?);
        let message = found.load([0, 12], ColorMode::Rgb).unwrap_err().to_string();
        assert!(message.contains("0 × 12 pixels: expected 1 × 1 at least"), "{message}");
        copy("README.md", "b/3.png");
        let message = ImageFolder::open(folder.path())?.survey().unwrap_err().to_string();
        assert!(message.contains("3.png: is neither PNG nor JPEG"), "{message}");
        assert!(ImageFolder::open(at("none")).is_err() && ImageFolder::open(at("a/1.jpeg")).is_err());
        Ok(())
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_to_classes_and_files() -> Result<()> {
        use std::os::unix::fs::symlink;
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let at = |name: &str| folder.path().join(name);
        let picture = repository().join("tests/data/gray.jpg");
        std::fs::copy(&picture, elsewhere.path().join("1.jpg")).unwrap();
        std::fs::create_dir(at("a")).unwrap();
        symlink(&picture, at("a/1.jpg")).unwrap();
        // Back to where it lies, and called like a picture.
        symlink(folder.path(), at("a/all.png")).unwrap();
        symlink(elsewhere.path(), at("b")).unwrap();
        symlink(&picture, at("no class.jpg")).unwrap();
        let found = ImageFolder::open(folder.path())?;
        assert_eq!(found.classes(), ["a", "b"]);
        assert_eq!(found.files(), [(at("a/1.jpg"), 0), (at("b/1.jpg"), 1)]);
        assert_eq!(found.load([2, 2], ColorMode::Rgb)?.len(), 2);
        for lost in ["c", "a/2.png"] {
            symlink(at("nowhere"), at(lost)).unwrap();
            let message = ImageFolder::open(folder.path()).unwrap_err().to_string();
            assert!(message.contains(lost), "{message}");
            std::fs::remove_file(at(lost)).unwrap();
        }
        Ok(())
    }
}
