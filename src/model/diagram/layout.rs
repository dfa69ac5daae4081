//! Where the nodes of a graph stand: in rows from the top down, as Sugiyama, Tagawa and Toda draw them
//! ([paper](https://ieeexplore.ieee.org/document/4308636)).
//!
//! A node stands below all that it reads. Where a line has to pass a row, it gets a place there like a node, so that no line
//! crosses a node. Lines from one node to several run together until they part.

use std::collections::BTreeSet;

/// Between the nodes of a row.
const GAP: f64 = 28.0;
/// What a line that passes a row takes.
const LANE: f64 = 12.0;
/// How often the rows are gone through, downwards and in the end upwards.
const SWEEPS: usize = 12;

/// A place in a row: a node, or where a line passes.
#[derive(Clone, Debug)]
pub struct Place {
    /// The row.
    pub row: usize,
    /// The middle.
    pub x: f64,
    /// How wide it is.
    pub width: f64,
    /// Whether only a line is there.
    pub lane: bool,
    above: Vec<usize>,
    below: Vec<usize>,
}

/// Places, the nodes first in the order in which they were given, and the pieces of lines from one row to the next.
#[derive(Debug)]
pub struct Layout {
    /// The nodes, and then the lanes.
    pub places: Vec<Place>,
    /// From a place to one of the next row.
    pub links: Vec<(usize, usize)>,
    /// How wide all of it is; places begin at 0.
    pub width: f64,
    rows: Vec<Vec<usize>>,
}

impl Layout {
    /// Nodes of these widths, each of which reads some of those before it.
    pub fn new(widths: &[f64], reads: &[Vec<usize>]) -> Layout {
        let rows = rows(reads);
        let place = |(&width, &row): (&f64, &usize)| Place::new(row, width, false);
        let places = widths.iter().zip(&rows).map(place).collect();
        let count = rows.iter().max().map_or(0, |last| last + 1);
        let mut layout = Layout { places, links: Vec::new(), width: 0.0, rows: vec![Vec::new(); count] };
        layout.link(reads);
        layout.order();
        layout.stand();
        layout
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Gives lines their lanes.
    fn link(&mut self, reads: &[Vec<usize>]) {
        // Where the line of a node has come to, and in which row it goes on from there.
        let mut ends: Vec<Vec<usize>> = (0..reads.len()).map(|node| vec![node]).collect();
        for (node, read) in reads.iter().enumerate() {
            for &from in read.iter().collect::<BTreeSet<_>>() {
                let (first, row) = (self.places[from].row, self.places[node].row);
                while ends[from].len() < row - first {
                    let last = ends[from][ends[from].len() - 1];
                    let lane = self.places.len();
                    self.places.push(Place::new(self.places[last].row + 1, LANE, true));
                    self.join(last, lane);
                    ends[from].push(lane);
                }
                self.join(ends[from][row - first - 1], node);
            }
        }
        for (at, place) in self.places.iter().enumerate() {
            self.rows[place.row].push(at);
        }
    }

    fn join(&mut self, from: usize, to: usize) {
        self.links.push((from, to));
        self.places[from].below.push(to);
        self.places[to].above.push(from);
    }

    /// Orders the rows, each by where its neighbours stand in the middle, and keeps the order in which the fewest lines cross.
    fn order(&mut self) {
        let mut best = (self.crossings(), self.rows.clone());
        for sweep in 0..SWEEPS {
            let down = sweep % 2 == 0;
            let count = self.rows.len();
            let mut at = vec![0.0; self.places.len()];
            for i in 0..count {
                let row = &mut self.rows[if down { i } else { count - 1 - i }];
                let middle = |&place: &usize, own: usize| {
                    let place = &self.places[place];
                    let neighbours = if down { &place.above } else { &place.below };
                    mean(neighbours.iter().map(|&n| at[n])).unwrap_or(own as f64)
                };
                let mut sorted: Vec<_> =
                    row.iter().enumerate().map(|(own, place)| (middle(place, own), *place)).collect();
                sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
                for (own, (_, place)) in sorted.iter().enumerate() {
                    (row[own], at[*place]) = (*place, own as f64);
                }
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.rows.clone());
            }
        }
        self.rows = best.1;
    }

    /// How many pairs of pieces of lines cross.
    fn crossings(&self) -> usize {
        let mut at = vec![0; self.places.len()];
        let numbered = self.rows.iter().flat_map(|row| row.iter().enumerate());
        numbered.for_each(|(own, &place)| at[place] = own);
        let between = |(row, next): (&Vec<usize>, &Vec<usize>)| {
            // A tree of counts (Fenwick's) of the ends so far: those further right are crossed.
            let mut tree = vec![0; next.len() + 1];
            let (mut crossed, mut seen) = (0, 0);
            for place in row {
                let mut ends: Vec<usize> = self.places[*place].below.iter().map(|&n| at[n]).collect();
                ends.sort_unstable();
                for end in &ends {
                    let (mut i, mut left) = (end + 1, 0);
                    while i > 0 {
                        left += tree[i];
                        i &= i - 1;
                    }
                    crossed += seen - left;
                }
                for end in &ends {
                    let mut i = end + 1;
                    while i < tree.len() {
                        tree[i] += 1;
                        i += i & i.wrapping_neg();
                    }
                    seen += 1;
                }
            }
            crossed
        };
        self.rows.iter().zip(self.rows.iter().skip(1)).map(between).sum()
    }

    /// Sets the places of each row as near as can be to where their neighbours stand.
    fn stand(&mut self) {
        for row in 0..self.rows.len() {
            self.set(row, |_| 0.0);
        }
        for sweep in 0..SWEEPS {
            let count = self.rows.len();
            for i in 0..count {
                let row = if sweep % 2 == 0 { i } else { count - 1 - i };
                let wanted: Vec<f64> = self.rows[row].iter().map(|&place| self.wanted(place, sweep % 2 == 0)).collect();
                self.set(row, |own| wanted[own]);
            }
        }
        let edge = |side: f64| self.places.iter().map(move |place| place.x + side * place.width / 2.0);
        let left = edge(-1.0).fold(f64::INFINITY, f64::min);
        self.width = (edge(1.0).fold(0.0, f64::max) - left).max(0.0);
        self.places.iter_mut().for_each(|place| place.x -= left);
    }

    /// Where a place would stand for its neighbours in one direction: nodes keep to nodes, and lanes to lanes, so that both
    /// run straight where they can. A line leaves its node as near as it can, and comes in from where it is.
    fn wanted(&self, at: usize, down: bool) -> f64 {
        let place = &self.places[at];
        let neighbours = if down { &place.above } else { &place.below };
        let of = |lane| mean(neighbours.iter().map(|&n| &self.places[n]).filter(|n| n.lane == lane).map(|n| n.x));
        let other = if place.lane && !down { None } else { of(!place.lane) };
        of(place.lane).or(other).unwrap_or(place.x)
    }

    /// Sets the places of a row nearest to where they want to be, in their order and apart: the least squares, found by pooling
    /// neighbours that stand in each other's way.
    fn set(&mut self, row: usize, wanted: impl Fn(usize) -> f64) {
        /// Places that stand side by side: how many, their weight, and where the first would be if all had no width.
        struct Pool(usize, f64, f64);
        let mut pools: Vec<Pool> = Vec::new();
        let mut offsets = Vec::new();
        let mut offset = 0.0;
        for (own, &at) in self.rows[row].iter().enumerate() {
            let place = &self.places[at];
            if own > 0 {
                offset += GAP + (self.places[self.rows[row][own - 1]].width + place.width) / 2.0;
            }
            offsets.push(offset);
            // A lane gives way to a node.
            let mut pool = Pool(1, if place.lane { 1e-4 } else { 1.0 }, wanted(own) - offset);
            while let Some(Pool(count, weight, x)) = pools.pop_if(|last| last.2 > pool.2) {
                let sum = weight + pool.1;
                pool = Pool(count + pool.0, sum, (weight * x + pool.1 * pool.2) / sum);
            }
            pools.push(pool);
        }
        let firsts = pools.iter().flat_map(|pool| std::iter::repeat_n(pool.2, pool.0));
        for ((&at, offset), first) in self.rows[row].iter().zip(offsets).zip(firsts) {
            self.places[at].x = first + offset;
        }
    }
}

impl Place {
    fn new(row: usize, width: f64, lane: bool) -> Place {
        Place { row, x: 0.0, width, lane, above: Vec::new(), below: Vec::new() }
    }
}

/// The row of each node: below all that it reads, and what reads nothing just above the first that reads it.
fn rows(reads: &[Vec<usize>]) -> Vec<usize> {
    let mut rows: Vec<usize> = Vec::new();
    for read in reads {
        rows.push(read.iter().map(|&from| rows[from] + 1).max().unwrap_or(0));
    }
    let mut first = vec![usize::MAX; rows.len()];
    for (node, read) in reads.iter().enumerate() {
        read.iter().for_each(|&from| first[from] = first[from].min(rows[node]));
    }
    for node in (0..rows.len()).filter(|&node| reads[node].is_empty() && first[node] != usize::MAX) {
        rows[node] = first[node] - 1;
    }
    rows
}

fn mean(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = numbers.fold((0, 0.0), |(count, sum), x| (count + 1, sum + x));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No two places of a row touch.
    fn check(layout: &Layout) {
        for row in &layout.rows {
            for pair in row.windows(2) {
                let [a, b] = [0, 1].map(|i| &layout.places[pair[i]]);
                assert!(b.x - a.x >= (a.width + b.width) / 2.0 + GAP - 1e-6, "{layout:?}");
            }
        }
        let inside = |p: &Place| p.x - p.width / 2.0 >= -1e-6 && p.x + p.width / 2.0 <= layout.width + 1e-6;
        assert!(layout.places.iter().all(inside), "{layout:?}");
        for &(from, to) in &layout.links {
            assert_eq!(layout.places[from].row + 1, layout.places[to].row);
        }
    }

    #[test]
    fn a_chain_is_straight_with_and_without_a_skip() {
        let layout = Layout::new(&[90.0, 120.0, 60.0], &[vec![], vec![0], vec![1]]);
        check(&layout);
        assert!(layout.places.iter().all(|place| (place.x - 60.0).abs() < 1e-9), "{layout:?}");
        assert_eq!((layout.rows(), layout.width, layout.places.len()), (3, 120.0, 3));

        let layout = Layout::new(&[90.0, 120.0, 60.0, 100.0], &[vec![], vec![0], vec![1], vec![2, 0]]);
        check(&layout);
        let (nodes, lanes) = layout.places.split_at(4);
        assert!(nodes.iter().all(|place| (place.x - nodes[0].x).abs() < 1e-9), "{layout:?}");
        assert!(lanes.len() == 2 && (lanes[0].x - lanes[1].x).abs() < 1e-9, "{layout:?}");
    }

    #[test]
    fn lines_of_one_node_run_together() {
        let reads: Vec<Vec<usize>> = (0..30).map(|node| (0..node).collect()).collect();
        let layout = Layout::new(&[50.0; 30], &reads);
        check(&layout);
        assert_eq!(layout.places.iter().filter(|place| place.lane).count(), (0..28).sum::<usize>() + 28);
    }

    #[test]
    fn inputs_stand_where_they_are_read_and_twins_do_not_cross() {
        // Two inputs, two chains, the second of which was made in the wrong order.
        let reads = [vec![], vec![], vec![1], vec![0], vec![3], vec![2], vec![], vec![4, 5, 6, 6]];
        let layout = Layout::new(&[80.0; 8], &reads);
        check(&layout);
        assert_eq!((layout.crossings(), layout.places[6].row, layout.places[7].row), (0, 2, 3));
        assert_eq!(layout.links.len(), 7);
        let nothing = Layout::new(&[], &[]);
        assert_eq!((nothing.rows(), nothing.width), (0, 0.0));
    }
}
