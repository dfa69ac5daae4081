//! PNG and JPEG pictures.
//!
//! Formats: <https://www.w3.org/TR/png-3/>, <https://www.w3.org/Graphics/JPEG/itu-t81.pdf>. Read are PNGs of every colour
//! type and depth (of 16 bits the upper eight are kept, of an animation the first picture) and baseline and progressive
//! JPEGs, those of four inks too. Colour profiles, gamma and the orientation that a camera notes are not applied, as Keras
//! does not.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::files::archive::{Limits, MOST_PACKED};
use crate::files::{Array, guard, read_file};
use png::Transformations;
use std::path::Path;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Which channels a picture has: Keras's `color_mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorMode {
    /// One: 0.299 red + 0.587 green + 0.114 blue.
    Grayscale,
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Red, green, blue, and alpha: 255 where the file has none.
    Rgba,
}

impl ColorMode {
    /// How many channels.
    pub fn channels(self) -> usize {
        match self {
            ColorMode::Grayscale => 1,
            ColorMode::Rgb => 3,
            ColorMode::Rgba => 4,
        }
    }
}

/// Pixels that a byte of a JPEG stands for at most: each block of 8×8 takes a bit.
const MOST_PIXELS: u64 = 512;

/// Reads the PNG or JPEG file `path`: uint8 (height, width, channels).
///
/// # Errors
/// [`Error::File`] if it is neither, is truncated or damaged, or declares more than its length can hold; [`Error::Io`] if
/// it cannot be read.
pub fn read(path: impl AsRef<Path>, mode: ColorMode) -> Result<Array> {
    let path = path.as_ref();
    parse(&read_file(path)?, mode, path)
}

/// The picture of a whole PNG or JPEG file; `path` is its name in errors.
///
/// # Errors
/// As [`read`].
pub fn parse(bytes: &[u8], mode: ColorMode, path: &Path) -> Result<Array> {
    let picture = match bytes {
        [0x89, b'P', b'N', b'G', ..] => guard(path, "PNG", || png(bytes, mode, path))?,
        [0xff, 0xd8, ..] => guard(path, "JPEG", || jpeg(bytes, mode, path))?,
        [] => return Err(Error::file(path, "is empty: expected a PNG or JPEG picture")),
        _ => return Err(Error::file(path, "is neither PNG nor JPEG, whatever its name says")),
    };
    let data = recolour(picture.data, picture.channels, mode.channels());
    Array::new(DType::U8, vec![picture.height, picture.width, mode.channels()], data)
}

/// As it was decoded: one, two (gray and alpha), three or four channels.
struct Picture {
    height: usize,
    width: usize,
    channels: usize,
    data: Vec<u8>,
}

/// Holds what a picture needs against the length of its file, before memory is asked for.
fn check(height: u64, width: u64, mode: ColorMode, bytes: &[u8], honest: bool, path: &Path) -> Result<()> {
    let needed = height.saturating_mul(width).saturating_mul(mode.channels() as u64);
    if honest && needed <= Limits::harmless(bytes.len() as u64) {
        return Ok(());
    }
    let message = format!("declares {height} rows of {width} pixels, far more than {} bytes can hold", bytes.len());
    Err(Error::file(path, message))
}

fn png(bytes: &[u8], mode: ColorMode, path: &Path) -> Result<Picture> {
    let bad = |e: png::DecodingError| Error::file(path, format!("is not a whole PNG: {e}"));
    let mut decoder = png::Decoder::new(bytes);
    decoder.set_transformations(Transformations::normalize_to_color8());
    // Texts and profiles are packed too, and nobody asks for them.
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let info = decoder.read_header_info().map_err(bad)?;
    let (height, width) = (u64::from(info.height), u64::from(info.width));
    let row = (width * info.bits_per_pixel() as u64).div_ceil(8);
    let honest = row.saturating_mul(height) <= MOST_PACKED * bytes.len() as u64;
    check(height, width, mode, bytes, honest, path)?;
    let mut reader = decoder.read_info().map_err(bad)?;
    let mut data = vec![0; reader.output_buffer_size()];
    let frame = reader.next_frame(&mut data).map_err(bad)?;
    data.truncate(frame.buffer_size());
    // The checksum of the pixels lies behind them.
    reader.finish().map_err(bad)?;
    Ok(Picture {
        height: frame.height as usize,
        width: frame.width as usize,
        channels: frame.color_type.samples(),
        data,
    })
}

fn jpeg(bytes: &[u8], mode: ColorMode, path: &Path) -> Result<Picture> {
    let bad = |e| Error::file(path, format!("is not a whole JPEG: {e}"));
    // The decoder makes up what the last scan lacks. In a scan no 0xff stands before either of these.
    let last = |marker: u8| bytes.windows(2).rposition(|w| w == [0xff, marker]);
    if last(0xd9) < last(0xda) {
        return Err(Error::file(path, "is not a whole JPEG: it ends within a scan"));
    }
    // Otherwise what a truncated file lacks would be gray.
    let options = DecoderOptions::default().set_strict_mode(true);
    let limit = usize::from(u16::MAX);
    let options = options.set_max_width(limit).set_max_height(limit);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(bad)?;
    let (Some((width, height)), Some(stored)) = (decoder.dimensions(), decoder.input_colorspace()) else {
        return Err(Error::file(path, "is not a whole JPEG: it has no size"));
    };
    let (rows, columns) = (height as u64, width as u64);
    check(rows, columns, mode, bytes, rows.saturating_mul(columns) <= MOST_PIXELS * bytes.len() as u64, path)?;
    let (space, channels) = if stored == ColorSpace::Luma { (stored, 1) } else { (ColorSpace::RGB, 3) };
    decoder.set_options(options.jpeg_set_out_colorspace(space));
    let data = decoder.decode().map_err(bad)?;
    Ok(Picture { height, width, channels, data })
}

/// Pixels of `from` channels as pixels of `to`.
fn recolour(data: Vec<u8>, from: usize, to: usize) -> Vec<u8> {
    if from == to {
        return data;
    }
    let mut out = Vec::with_capacity(data.len() / from * to);
    for pixel in data.chunks_exact(from) {
        let (red, green, blue, alpha) = match *pixel {
            [gray] => (gray, gray, gray, 255),
            [gray, alpha] => (gray, gray, gray, alpha),
            [red, green, blue] => (red, green, blue, 255),
            [red, green, blue, alpha, ..] => (red, green, blue, alpha),
            [] => continue,
        };
        match to {
            // The weights of ITU-R 601 in 65536ths; where the three are equal, they are the gray.
            1 => {
                let sum = 19595 * u32::from(red) + 38470 * u32::from(green) + 7471 * u32::from(blue);
                out.push(((sum + (1 << 15)) >> 16) as u8);
            }
            3 => out.extend([red, green, blue]),
            _ => out.extend([red, green, blue, alpha]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{npy, repository};

    fn data(name: &str) -> Vec<u8> {
        std::fs::read(repository().join("tests/data").join(name)).unwrap()
    }

    fn parsed(bytes: &[u8], mode: ColorMode) -> Result<Array> {
        parse(bytes, mode, Path::new("x.png"))
    }

    /// A PNG of these pixels.
    fn file(width: u32, height: u32, color: png::ColorType, depth: png::BitDepth, pixels: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if color == png::ColorType::Indexed {
            encoder.set_palette(&[255, 0, 0, 0, 0, 255][..]);
            encoder.set_trns(&[128][..]);
        }
        encoder.write_header().unwrap().write_image_data(pixels).unwrap();
        bytes
    }

    #[test]
    fn every_kind_of_png_in_every_mode() {
        use ColorMode::{Grayscale, Rgb, Rgba};
        use png::{BitDepth, ColorType};
        /// The pixels as they are stored, and what they are in grey, RGB and RGBA.
        type Case = (ColorType, BitDepth, [&'static [u8]; 4]);
        let cases: [Case; 6] = [
            (
                ColorType::Grayscale,
                BitDepth::One,
                [&[0b0100_0000], &[0, 255], &[0, 0, 0, 255, 255, 255], &[0, 0, 0, 255, 255, 255, 255, 255]],
            ),
            (
                ColorType::Grayscale,
                BitDepth::Sixteen,
                [&[7, 200, 9, 1], &[7, 9], &[7, 7, 7, 9, 9, 9], &[7, 7, 7, 255, 9, 9, 9, 255]],
            ),
            (
                ColorType::GrayscaleAlpha,
                BitDepth::Eight,
                [&[7, 1, 9, 2], &[7, 9], &[7, 7, 7, 9, 9, 9], &[7, 7, 7, 1, 9, 9, 9, 2]],
            ),
            (
                ColorType::Rgb,
                BitDepth::Eight,
                [&[255, 0, 0, 0, 255, 0], &[76, 150], &[255, 0, 0, 0, 255, 0], &[255, 0, 0, 255, 0, 255, 0, 255]],
            ),
            (
                ColorType::Rgba,
                BitDepth::Eight,
                [&[0, 0, 255, 3, 9, 9, 9, 4], &[29, 9], &[0, 0, 255, 9, 9, 9], &[0, 0, 255, 3, 9, 9, 9, 4]],
            ),
            (
                ColorType::Indexed,
                BitDepth::One,
                [&[0b0100_0000], &[76, 29], &[255, 0, 0, 0, 0, 255], &[255, 0, 0, 128, 0, 0, 255, 255]],
            ),
        ];
        for (color, depth, [pixels, gray, rgb, rgba]) in cases {
            let bytes = file(2, 1, color, depth, pixels);
            for (mode, want) in [(Grayscale, gray), (Rgb, rgb), (Rgba, rgba)] {
                let array = parsed(&bytes, mode).unwrap();
                assert_eq!(array.shape, [1, 2, mode.channels()], "{color:?} {depth:?} {mode:?}");
                assert_eq!(array.bytes, want, "{color:?} {depth:?} {mode:?}");
            }
        }
    }

    #[test]
    fn interlaced_pngs_are_put_together() {
        let array = parsed(&data("interlaced.png"), ColorMode::Grayscale).unwrap();
        assert_eq!(array.shape, [21, 33, 1]);
        assert!((0..21 * 33).all(|i| usize::from(array.bytes[i]) == i / 33 * 12));
    }

    /// Pictures that Pillow wrote, and what it reads from them.
    #[test]
    fn jpegs_are_what_pillow_reads() {
        use ColorMode::{Grayscale, Rgb};
        for (name, mode, want) in [
            ("baseline.jpg", Rgb, "baseline.npy"),
            ("progressive.jpg", Rgb, "baseline.npy"),
            ("gray.jpg", Grayscale, "gray.npy"),
        ] {
            let array = parsed(&data(name), mode).unwrap();
            let want = npy::parse(data(want), Path::new(want)).unwrap();
            assert_eq!((array.dtype, &array.shape), (want.dtype, &want.shape), "{name}");
            // Decoders may round the transform and the colours each their own way.
            let worst = array.bytes.iter().zip(&want.bytes).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(worst <= Some(3), "{name}: off by {worst:?}");
        }
    }

    #[test]
    fn what_is_declared_is_held_against_the_length() {
        // A header for as large a picture as there can be, and nothing behind it.
        let mut bytes = file(1, 1, png::ColorType::Grayscale, png::BitDepth::Eight, &[0]);
        bytes[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
        let mut sum = flate2::Crc::new();
        sum.update(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&sum.sum().to_be_bytes());
        let message = parsed(&bytes, ColorMode::Rgb).unwrap_err().to_string();
        assert!(message.contains("x.png") && message.contains("far more than"), "{message}");
        let mut bytes = data("gray.jpg");
        let start = bytes.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        bytes[start + 5..start + 9].fill(0xff);
        let message = parsed(&bytes, ColorMode::Rgb).unwrap_err().to_string();
        assert!(message.contains("far more than"), "{message}");
        assert!(parsed(b"GIF8", ColorMode::Rgb).unwrap_err().to_string().contains("neither PNG nor JPEG"));
        assert!(parsed(b"", ColorMode::Rgb).is_err());
    }
}
