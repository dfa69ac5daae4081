//! A window that slides over the spatial axes of a tensor: what convolutions and poolings share.

use crate::error::{Error, Result};
use crate::shape::Shape;
use smallvec::SmallVec;

/// As many spatial axes as there are at most.
pub const SPATIAL: usize = 3;

/// What is assumed around a tensor, so that a window may reach over its edges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// Nothing: the window stays inside.
    #[default]
    Valid,
    /// As much as gives ⌈extent / stride⌉ steps, the odd element behind.
    Same,
    /// All of it before, so that no step sees what comes after it; with as many steps as [`Padding::Same`].
    Causal,
}

impl Padding {
    /// Keras's name.
    pub fn name(self) -> &'static str {
        match self {
            Padding::Valid => "valid",
            Padding::Same => "same",
            Padding::Causal => "causal",
        }
    }

    /// The padding that Keras calls `name`.
    pub fn from_name(name: &str) -> Option<Padding> {
        [Padding::Valid, Padding::Same, Padding::Causal].into_iter().find(|p| p.name() == name)
    }
}

/// How a window moves along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slide {
    /// Elements that the window sees.
    pub size: usize,
    /// Elements that it moves by.
    pub stride: usize,
    /// The distance of the elements that it sees.
    pub dilation: usize,
    /// Elements assumed before the first.
    pub before: usize,
    /// Elements assumed behind the last.
    pub after: usize,
}

impl Slide {
    /// One element at a time, and nothing around.
    pub const NONE: Slide = Slide { size: 1, stride: 1, dilation: 1, before: 0, after: 0 };

    /// From the first element that the window sees to its last, both counted.
    pub fn reach(&self) -> usize {
        self.size.saturating_sub(1).saturating_mul(self.dilation).saturating_add(1)
    }

    /// How often the window fits an axis of `extent` elements.
    pub fn steps(&self, extent: usize) -> usize {
        let padded = extent.saturating_add(self.before).saturating_add(self.after);
        if padded < self.reach() { 0 } else { (padded - self.reach()) / self.stride + 1 }
    }

    /// The same with the padding of `kind` for an axis of `extent` elements.
    pub fn padded(self, kind: Padding, extent: usize) -> Slide {
        let (before, after) = match kind {
            Padding::Valid => (0, 0),
            Padding::Same => {
                // Where there is nothing, the window makes no step.
                let moves = extent.div_ceil(self.stride).checked_sub(1);
                let end = moves.map_or(0, |moves| moves.saturating_mul(self.stride).saturating_add(self.reach()));
                let all = end.saturating_sub(extent);
                (all / 2, all - all / 2)
            }
            Padding::Causal => (self.reach() - 1, 0),
        };
        Slide { before, after, ..self }
    }
}

/// A window over one to three spatial axes, its padding in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    slides: [Slide; SPATIAL],
    rank: usize,
}

impl Window {
    /// A window of `size` that moves by `stride` over axes of `extents`, its elements `dilation` apart.
    ///
    /// # Errors
    /// No or more than three axes, lists of other lengths, a size, stride or dilation of 0.
    pub fn new(
        extents: &[usize],
        size: &[usize],
        stride: &[usize],
        dilation: &[usize],
        padding: Padding,
    ) -> Result<Window> {
        let rank = extents.len();
        if !(1..=SPATIAL).contains(&rank) || [size, stride, dilation].iter().any(|list| list.len() != rank) {
            return Err(Error::Config(format!(
                "a window over axes of {extents:?}: expected a size, a stride and a dilation for each of one to three axes, \
                 got {size:?}, {stride:?} and {dilation:?}"
            )));
        }
        if [size, stride, dilation].iter().any(|list| list.contains(&0)) {
            return Err(Error::Config(format!(
                "a window's size, stride and dilation are at least 1, got {size:?}, {stride:?} and {dilation:?}"
            )));
        }
        let slides: SmallVec<[Slide; SPATIAL]> = (0..rank)
            .map(|a| Slide { size: size[a], stride: stride[a], dilation: dilation[a], before: 0, after: 0 })
            .zip(extents)
            .map(|(slide, &extent)| slide.padded(padding, extent))
            .collect();
        Ok(Window::of(&slides))
    }

    /// The window of these movements, one an axis; at most three are looked at.
    pub fn of(slides: &[Slide]) -> Window {
        let rank = slides.len().min(SPATIAL);
        let mut all = [Slide::NONE; SPATIAL];
        all[SPATIAL - rank..].copy_from_slice(&slides[..rank]);
        Window { slides: all, rank }
    }

    /// How many axes it moves over.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The movement along each axis.
    pub fn slides(&self) -> &[Slide] {
        &self.slides[SPATIAL - self.rank..]
    }

    /// The movement along three axes, of which the first stand still where there are fewer.
    pub fn three(&self) -> [Slide; SPATIAL] {
        self.slides
    }

    /// How many elements the window sees.
    pub fn size(&self) -> usize {
        self.slides.iter().map(|s| s.size).product()
    }

    /// The steps along each axis of a tensor `(batch, …, channels)`.
    ///
    /// # Errors
    /// A tensor of another rank, or one over which the window does not fit once.
    pub fn steps(&self, op: &'static str, x: &Shape) -> Result<SmallVec<[usize; SPATIAL]>> {
        if x.rank() != self.rank + 2 {
            let message =
                format!("expected {} axes (batch, {} spatial, channels), got shape {x}", self.rank + 2, self.rank);
            return Err(Error::shape(op, message));
        }
        let steps: SmallVec<[usize; SPATIAL]> =
            self.slides().iter().zip(&x[1..]).map(|(slide, &extent)| slide.steps(extent)).collect();
        if let Some(a) = steps.iter().position(|&n| n == 0) {
            let Slide { before, after, .. } = self.slides()[a];
            return Err(Error::shape(
                op,
                format!(
                    "expected axis {} of the input to have at least {} elements, got shape {x} with a padding of {before} \
                     and {after}",
                    a + 1,
                    self.slides()[a].reach(),
                ),
            ));
        }
        Ok(steps)
    }
}

/// The extents of a tensor `(batch, …, channels)` as of one with three spatial axes.
pub fn spatial(shape: &Shape) -> [usize; SPATIAL] {
    let mut three = [1; SPATIAL];
    let extents = shape.get(1..shape.rank().saturating_sub(1)).unwrap_or(&[]);
    let rank = extents.len().min(SPATIAL);
    three[SPATIAL - rank..].copy_from_slice(&extents[..rank]);
    three
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(extent: usize, size: usize, stride: usize, dilation: usize, padding: Padding) -> Result<Slide> {
        Ok(Window::new(&[extent], &[size], &[stride], &[dilation], padding)?.slides()[0])
    }

    #[test]
    fn same_pads_as_tensorflow_does() -> Result<()> {
        // (extent, size, stride, dilation) → (before, after)
        for (given, want) in [
            ((5, 3, 1, 1), (1, 1)),
            ((5, 2, 1, 1), (0, 1)),
            ((6, 3, 2, 1), (0, 1)),
            ((5, 3, 2, 1), (1, 1)),
            ((5, 3, 1, 2), (2, 2)),
            ((3, 7, 1, 1), (3, 3)),
            ((4, 1, 3, 1), (0, 0)),
            ((0, 3, 1, 1), (1, 1)),
        ] {
            let (extent, size, stride, dilation) = given;
            let slide = one(extent, size, stride, dilation, Padding::Same)?;
            if extent > 0 {
                assert_eq!((slide.before, slide.after), want, "{given:?}");
            }
            assert_eq!(slide.steps(extent), extent.div_ceil(stride), "{given:?}");
        }
        Ok(())
    }

    #[test]
    fn valid_and_causal() -> Result<()> {
        assert_eq!(one(7, 3, 2, 1, Padding::Valid)?.steps(7), 3);
        assert_eq!(one(7, 3, 1, 3, Padding::Valid)?.steps(7), 1);
        assert_eq!(one(2, 3, 1, 1, Padding::Valid)?.steps(2), 0);
        let causal = one(7, 3, 2, 2, Padding::Causal)?;
        assert_eq!((causal.before, causal.after, causal.steps(7)), (4, 0, 4));
        Ok(())
    }

    #[test]
    fn what_cannot_be_is_an_error() {
        assert!(Window::new(&[], &[], &[], &[], Padding::Valid).is_err());
        assert!(Window::new(&[5], &[3, 3], &[1], &[1], Padding::Valid).is_err());
        assert!(Window::new(&[5], &[3], &[0], &[1], Padding::Valid).is_err());
        assert!(Window::new(&[1; 4], &[1; 4], &[1; 4], &[1; 4], Padding::Valid).is_err());
    }
}
