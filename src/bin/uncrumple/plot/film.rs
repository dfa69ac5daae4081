//! Pictures that move.

use super::sheet::Picture;
use std::path::Path;
use uncrumple::files::atomic_write;
use uncrumple::{Error, Result};

/// Of white between pictures.
const LINE: usize = 2;
/// How long a frame is shown, and the last one, in hundredths of a second.
const EACH: u16 = 12;
const LAST: u16 = 250;
/// How fast colours are chosen, from 1, the best, to 30.
const SPEED: i32 = 10;

/// An animated GIF of frames, each of which has as many pictures of one size as all others, so many in a row; each pixel is
/// a square of `scale` pixels. The last frame stays a while, and it begins anew.
pub fn film(frames: &[Vec<Picture>], columns: usize, scale: usize, path: &Path) -> Result<()> {
    let failed = |message: String| Error::File { path: path.to_path_buf(), message };
    let Some(first) = frames.first().and_then(|frame| frame.first()) else {
        return Err(failed("there is nothing to show".into()));
    };
    let (w, h) = (first.width * scale, first.height * scale);
    let (columns, count) = (columns.max(1), frames[0].len());
    let columns = columns.min(count);
    let width = columns * (w + LINE) - LINE;
    let height = count.div_ceil(columns) * (h + LINE) - LINE;
    let (Ok(wide), Ok(high)) = (u16::try_from(width), u16::try_from(height)) else {
        return Err(failed(format!("{width} x {height} pixels are more than a GIF holds")));
    };
    atomic_write(path, |out| {
        // Each frame has colours of its own. Of one whose colours are all greys Pillow takes these instead.
        let greys: Vec<u8> = (0..=255).flat_map(|grey| [grey; 3]).collect();
        let mut encoder = gif::Encoder::new(out, wide, high, &greys).map_err(std::io::Error::other)?;
        encoder.set_repeat(gif::Repeat::Infinite).map_err(std::io::Error::other)?;
        for (at, pictures) in frames.iter().enumerate() {
            let mut pixels = vec![[255u8; 3]; width * height];
            for (i, picture) in pictures.iter().enumerate().take(count) {
                let (left, top) = (i % columns * (w + LINE), i / columns * (h + LINE));
                for (y, row) in picture.sampled((w, h)).chunks(w).enumerate() {
                    let start = (top + y) * width + left;
                    pixels[start..start + w].copy_from_slice(row);
                }
            }
            let mut frame = gif::Frame::from_rgb_speed(wide, high, pixels.as_flattened(), SPEED);
            frame.delay = if at + 1 == frames.len() { LAST } else { EACH };
            encoder.write_frame(&frame).map_err(std::io::Error::other)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_hold_all_pictures() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("film.gif");
        let picture = |shade: f32| Picture::of([2, 2, 3], &[shade; 12], |x| x);
        let frames =
            [vec![picture(10.0), picture(20.0), picture(30.0)], vec![picture(40.0), picture(50.0), picture(60.0)]];
        film(&frames, 2, 3, &path).unwrap();
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(std::fs::File::open(&path).unwrap()).unwrap();
        assert_eq!((decoder.width(), decoder.height()), (14, 14));
        assert!(decoder.global_palette().unwrap().chunks(3).enumerate().all(|(i, grey)| grey == [i as u8; 3]));
        for first in [10, 40] {
            let frame = decoder.read_next_frame().unwrap().unwrap();
            let shade = |x: usize, y: usize| frame.buffer[(y * 14 + x) * 4];
            assert_eq!([shade(0, 0), shade(8, 5), shade(5, 13), shade(13, 13)], [first, first + 10, first + 20, 255]);
        }
        assert!(decoder.read_next_frame().unwrap().is_none());
        assert!(film(&[], 2, 3, &path).is_err());
    }
}
