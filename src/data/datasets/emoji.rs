//! Emoji, and what they are called.

use super::{folder, unzipped};
use crate::data::ColorMode;
use crate::error::{Error, Result};
use crate::files::{Array, image};
use crate::tensor::Tensor;
use std::collections::BTreeMap;
use std::path::Path;

/// What the categories of [`emoji`] are called.
pub const EMOJI_CATEGORIES: [&str; 9] = [
    "Smileys & Emotion",
    "People & Body",
    "Animals & Nature",
    "Food & Drink",
    "Travel & Places",
    "Activities",
    "Objects",
    "Symbols",
    "Flags",
];

/// Pixels of a picture, in height and width.
const SIDE: usize = 32;
/// Red, green, blue.
const CHANNELS: usize = 3;

/// What one emoji is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emoji {
    /// In small letters, such as `dog face`; no two have the same.
    pub name: String,
    /// What it is called in chats, at least one: `dog`, or `satisfied`, which has spaces as `_`.
    pub short_names: Vec<String>,
    /// One of [`EMOJI_CATEGORIES`].
    pub category: String,
    /// What of its category it is: `animal-mammal`.
    pub subcategory: String,
    /// The name of the first of those that are much like it (a person, man and woman who do the same), often its own:
    /// whoever makes parts of their own keeps such a group together.
    pub group: String,
}

/// Pictures of emoji and what they are called.
#[derive(Clone, Debug)]
pub struct EmojiSet {
    /// float32 (n, 32, 32, 3) in [0, 1]: red, green and blue, on white.
    pub pictures: Tensor,
    /// What each of them is called, n in the same order.
    pub emoji: Vec<Emoji>,
}

impl EmojiSet {
    /// The categories as int32 (n,), places in [`EMOJI_CATEGORIES`].
    ///
    /// # Errors
    /// An emoji of another category.
    pub fn categories(&self) -> Result<Tensor> {
        let place = |emoji: &Emoji| {
            let place = EMOJI_CATEGORIES.iter().position(|category| *category == emoji.category);
            place.map(|place| place as i32).ok_or_else(|| {
                Error::Data(format!("`{}` is of no category of emoji: `{}`", emoji.name, emoji.category))
            })
        };
        let places = self.emoji.iter().map(place).collect::<Result<Vec<_>>>()?;
        Tensor::from_slice(&places, places.len())
    }

    /// The groups as numbers, for [`Split::grouped`](crate::data::Split::grouped).
    pub fn groups(&self) -> Vec<i64> {
        let mut numbers = BTreeMap::new();
        let number = |emoji: &Emoji| {
            let next = numbers.len() as i64;
            *numbers.entry(emoji.group.clone()).or_insert(next)
        };
        self.emoji.iter().map(number).collect()
    }

    /// The emoji at these places.
    ///
    /// # Errors
    /// Places beyond the last.
    pub fn choose(&self, places: &[i32]) -> Result<EmojiSet> {
        let beyond = |place: i32| Error::Data(format!("there is no emoji {place} among {}", self.emoji.len()));
        let one = |&place: &i32| {
            let emoji = usize::try_from(place).ok().and_then(|place| self.emoji.get(place));
            emoji.cloned().ok_or_else(|| beyond(place))
        };
        let emoji = places.iter().map(one).collect::<Result<Vec<_>>>()?;
        Ok(EmojiSet { pictures: self.pictures.gather(&Tensor::from_slice(places, places.len())?)?, emoji })
    }
}

/// Emoji: 1696 pictures of 32 × 32 pixels and their names to train on, 157 held out (Google's
/// [Noto Emoji](https://github.com/googlefonts/noto-emoji), 2024).
///
/// The parts are fixed: a tenth of each category is held out. What is much alike is one [group](Emoji::group) and on one
/// side: a person, man and woman who do the same, mirror images, pictures that are almost equal. What can only be known
/// by heart (flags of countries, signs of the zodiac) and large families (clock faces, families) is in the training part
/// alone. Of the held-out names 46 have no word that occurs in another name, which nobody can guess; the README of the
/// data set says what that means for tasks. Both parts are in Unicode's order, where neighbours are alike: shuffle them.
///
/// # Errors
/// The folder `datasets/emoji` is not there, or not what it was.
pub fn emoji() -> Result<(EmojiSet, EmojiSet)> {
    let folder = folder()?.join("emoji");
    let (names, pictures) = (folder.join("emoji.tsv.gz"), folder.join("pictures.png"));
    let all = lines(&unzipped(&names)?, &names)?;
    parts(all, &image::read(&pictures, ColorMode::Rgb)?, &pictures)
}

/// The emoji of a text, and which of them are held out.
fn lines(text: &str, path: &Path) -> Result<Vec<(bool, Emoji)>> {
    let line = |(i, line): (usize, &str)| {
        let damaged = |what: &str| Error::file(path, format!("line {}: {what}", i + 1));
        let cells: Vec<&str> = line.split('\t').collect();
        let [part, group, name, short_names, category, subcategory] = cells[..] else {
            return Err(damaged("expected part, group, name, short names, category and subcategory"));
        };
        let held_out = match part {
            "train" => false,
            "test" => true,
            _ => return Err(damaged(&format!("expected the part `train` or `test`, got `{part}`"))),
        };
        if !EMOJI_CATEGORIES.contains(&category) {
            return Err(damaged(&format!("there is no category `{category}`")));
        }
        let emoji = Emoji {
            name: name.into(),
            short_names: short_names.split(',').map(String::from).collect(),
            category: category.into(),
            subcategory: subcategory.into(),
            group: group.into(),
        };
        Ok((held_out, emoji))
    };
    text.lines().enumerate().map(line).collect()
}

/// What is to train on and what is held out; the pictures stand in rows, from left to right.
fn parts(all: Vec<(bool, Emoji)>, pictures: &Array, path: &Path) -> Result<(EmojiSet, EmojiSet)> {
    let (height, width) = (pictures.shape[0], pictures.shape[1]);
    let across = width / SIDE;
    let fits = across > 0 && width.is_multiple_of(SIDE) && height == SIDE * all.len().div_ceil(across);
    if !fits || all.is_empty() {
        let message = format!(
            "expected {} pictures of {SIDE} × {SIDE} pixels in rows, got {height} rows of {width} pixels",
            all.len()
        );
        return Err(Error::file(path, message));
    }
    let mut sets: [(Vec<f32>, Vec<Emoji>); 2] = Default::default();
    for (i, (held_out, emoji)) in all.into_iter().enumerate() {
        let (values, names) = &mut sets[usize::from(held_out)];
        let corner = (i / across * SIDE * width + i % across * SIDE) * CHANNELS;
        for row in pictures.bytes[corner..].chunks(width * CHANNELS).take(SIDE) {
            values.extend(row[..SIDE * CHANNELS].iter().map(|&byte| f32::from(byte) / 255.0));
        }
        names.push(emoji);
    }
    let set = |(values, emoji): (Vec<f32>, Vec<Emoji>)| -> Result<EmojiSet> {
        let pictures = Tensor::from_slice(&values, [emoji.len(), SIDE, SIDE, CHANNELS])?;
        Ok(EmojiSet { pictures, emoji })
    };
    let [train, test] = sets;
    Ok((set(train)?, set(test)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;
    use crate::dtype::DType;
    use std::collections::BTreeSet;

    fn find<'a>(set: &'a EmojiSet, name: &str) -> Option<(usize, &'a Emoji)> {
        set.emoji.iter().enumerate().find(|(_, emoji)| emoji.name == name)
    }

    #[test]
    fn the_emoji_are_whole() -> Result<()> {
        let (train, test) = emoji()?;
        for (set, n) in [(&train, 1696), (&test, 157)] {
            assert_eq!((set.emoji.len(), set.pictures.dtype()), (n, DType::F32));
            assert_eq!(set.pictures.shape().dims(), [n, 32, 32, 3]);
            let values = set.pictures.to_vec::<f32>()?;
            assert!(values.iter().all(|value| (0.0..=1.0).contains(value)));
            let categories = set.categories()?.to_vec::<i32>()?;
            assert!(categories.iter().zip(&set.emoji).all(|(&c, e)| EMOJI_CATEGORIES[c as usize] == e.category));
            assert_eq!(categories.iter().collect::<BTreeSet<_>>().len(), EMOJI_CATEGORIES.len());
        }
        let dog = find(&train, "dog face").map(|(_, emoji)| emoji.clone());
        let named = Emoji {
            name: "dog face".into(),
            short_names: vec!["dog".into()],
            category: "Animals & Nature".into(),
            subcategory: "animal-mammal".into(),
            group: "dog face".into(),
        };
        assert_eq!(dog, Some(named));
        Ok(())
    }

    /// A picture that went to another name, or another place, would have another colour there.
    #[test]
    fn pictures_are_those_of_their_names() -> Result<()> {
        let (train, test) = emoji()?;
        for (set, name, colour) in [
            (&train, "heart", [1.0, 0.2, 0.2]),
            (&train, "large blue square", [0.0, 0.5, 1.0]),
            (&test, "large green square", [0.5, 0.7, 0.2]),
            (&test, "large yellow circle", [1.0, 0.8, 0.2]),
            (&train, "wales flag", [0.8, 0.1, 0.2]),
        ] {
            let Some((place, _)) = find(set, name) else { return Err(Error::Data(format!("no {name}"))) };
            let picture = set.pictures.slice(0, place..place + 1)?.to_vec::<f32>()?;
            let middle = &picture[(16 * SIDE + 16) * CHANNELS..][..CHANNELS];
            let off = middle.iter().zip(colour).map(|(a, b): (&f32, f32)| (a - b).abs()).fold(0.0, f32::max);
            assert!(off < 0.2, "{name}: {middle:?}");
            if name == "heart" {
                assert_eq!(picture[..CHANNELS], [1.0; 3], "white beside it");
            }
        }
        Ok(())
    }

    #[test]
    fn no_group_is_on_both_sides() -> Result<()> {
        let (train, test) = emoji()?;
        let groups = |set: &EmojiSet| set.emoji.iter().map(|emoji| emoji.group.clone()).collect::<BTreeSet<_>>();
        assert!(groups(&train).is_disjoint(&groups(&test)));
        assert_eq!((groups(&train).len(), groups(&test).len()), (1192, 135));
        let (kept, held_out) = Split::grouped(train.groups()).indices(1696, 0.05)?;
        let parts = (train.choose(&kept)?, train.choose(&held_out)?);
        assert!((80..=90).contains(&parts.1.emoji.len()) && groups(&parts.0).is_disjoint(&groups(&parts.1)));
        let last = train.choose(&[1695])?;
        assert_eq!(
            (last.emoji[0].clone(), last.pictures.shape().dims()),
            (train.emoji[1695].clone(), &[1, 32, 32, 3][..])
        );
        assert!(train.choose(&[1696]).unwrap_err().to_string().contains("no emoji 1696 among 1696"));
        let names: BTreeSet<&str> = train.emoji.iter().chain(&test.emoji).map(|emoji| &emoji.name[..]).collect();
        assert_eq!(names.len(), 1853);
        for name in ["man cook", "woman cook"] {
            assert_eq!(find(&test, name).map(|(_, emoji)| &emoji.group[..]), Some("cook"));
        }
        for by_heart in ["country-flag", "subdivision-flag", "zodiac"] {
            assert!(test.emoji.iter().all(|emoji| emoji.subcategory != by_heart));
        }
        // Pixel by pixel, none of the held-out pictures is one to train on.
        let rows = |set: &EmojiSet| -> Result<Vec<Vec<u32>>> {
            let values = set.pictures.to_vec::<f32>()?;
            Ok(values.chunks(SIDE * SIDE * CHANNELS).map(|p| p.iter().map(|v| v.to_bits()).collect()).collect())
        };
        let known: BTreeSet<Vec<u32>> = rows(&train)?.into_iter().collect();
        assert!(!rows(&test)?.iter().any(|picture| known.contains(picture)));
        Ok(())
    }

    #[test]
    fn damaged_files_are_errors() -> Result<()> {
        let path = Path::new("names");
        let line = "train\tdog\tdog\tdog\tAnimals & Nature\tanimal-mammal\n";
        let error = |text: &str| lines(text, path).unwrap_err().to_string();
        assert!(error(&format!("{line}train\tdog\n")).contains("line 2: expected part, group"));
        assert!(error(&line.replace("train", "dev")).contains("got `dev`"));
        assert!(error(&line.replace("Animals", "Plants")).contains("`Plants & Nature`"));
        let of = |height: usize, width: usize, n: usize| {
            let array = Array::new(DType::U8, vec![height, width, 3], vec![0; height * width * 3])?;
            parts(lines(&line.repeat(n), path)?, &array, Path::new("atlas"))
        };
        assert_eq!(of(64, 64, 3)?.0.emoji.len(), 3);
        for (height, width, n) in [(64, 64, 5), (64, 64, 2), (63, 64, 3), (64, 65, 3), (64, 31, 3), (32, 64, 0)] {
            let message = of(height, width, n).unwrap_err().to_string();
            assert!(message.contains("atlas") && message.contains("32 × 32"), "{message}");
        }
        Ok(())
    }
}
