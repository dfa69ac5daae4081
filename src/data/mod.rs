//! What networks are trained on: data sets, their splits and batches, and the sets that come with the project.

mod dataset;
pub mod datasets;
mod feature_space;
mod image;
mod image_folder;
mod mark;
mod source;
mod split;
mod table;
mod text;
mod time_series;
mod tokens;

pub use dataset::{Dataset, IntoTensors};
pub use feature_space::{Feature, FeatureSpace};
pub use image::{ColorMode, img_to_array, load_img, resized};
pub use image_folder::ImageFolder;
pub use source::{NpyFiles, Source};
pub use split::{Parts, Split};
pub use table::{Column, ColumnKind, Table};
#[cfg(feature = "tokenizers")]
pub use text::{Encoding, Tokenizer};
pub use text::{
    Hashing, IntegerLookup, Keys, MaskValue, Ngrams, Salt, SplitOn, Standardize, StringLookup, Strings,
    TextVectorization,
};
pub use time_series::TimeSeries;
pub use tokens::Tokens;
