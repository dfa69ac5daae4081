//! A model as a picture of its layers.

mod layout;

use super::nested::Nested;
use super::summary::grouped;
use super::{Graph, Model, Step};
use crate::layers::Spec;
use layout::{Layout, Place};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

/// How high a node is.
const HEIGHT: f64 = 56.0;
/// Between two rows at least and at most: the further lines go to the side, the more they need.
const BETWEEN: [f64; 2] = [48.0, 120.0];
const MARGIN: f64 = 36.0;
/// Where the rows begin, below the title.
const TOP: f64 = 104.0;
/// Of names and shapes so much is shown.
const LONGEST: usize = 48;

/// The layers of a model, from its inputs at the top to its outputs at the bottom, as an SVG picture. It prints itself. It is
/// what [`keras.utils.plot_model`](https://keras.io/api/utils/model_plotting_utils/) draws.
///
/// Each call of a layer is a node with the layer's name and class, the shape of what it gives, and its parameters. A layer
/// that is called several times is as many nodes that say so, a model inside the model is one.
///
/// ```
/// use uncrumple::prelude::*;
/// # fn main() -> Result<()> {
/// let input = Input::new([8]);
/// let x = Dense::new(8).relu().call(&input)?;
/// let model = Model::new(&input, &Add::new().call([&input, &x])?)?;
/// let svg = model.diagram().to_string();
/// assert!(svg.starts_with("<svg ") && svg.contains("(None, 8)"));
/// # Ok(())
/// # }
/// ```
pub struct Diagram<'a> {
    model: &'a Model,
}

impl Model {
    /// The model as an SVG picture of its layers.
    pub fn diagram(&self) -> Diagram<'_> {
        Diagram { model: self }
    }
}

/// What a node says: two lines, each with a part at the left and one at the right.
struct Node {
    name: String,
    class: String,
    shape: String,
    parameters: String,
    /// What of the model it is, if it is an end of it.
    input: bool,
    output: Option<String>,
}

impl Node {
    /// How wide the widest of its lines is; fonts differ, so there is room to spare.
    fn width(&self) -> f64 {
        let wide = |text: &str, each: f64| text.chars().count() as f64 * each;
        let first = wide(&self.name, 8.8) + wide(&self.class, 7.4);
        let second = wide(&self.shape, 7.4) + wide(&self.parameters, 7.4);
        first.max(second) + 52.0
    }
}

/// The nodes: inputs, then calls.
fn nodes(graph: &Graph, makers: &[usize]) -> Vec<Node> {
    let output = |values: std::ops::Range<usize>| {
        let several = graph.outputs.len() > 1;
        let name = |i: usize| if several { format!("output {}", i + 1) } else { "output".into() };
        let made = graph.outputs.iter().enumerate().filter(|(_, value)| values.contains(value));
        let names: Vec<String> = made.map(|(i, _)| name(i)).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let shapes = |specs: &[Spec]| short(&specs.iter().map(Spec::to_string).collect::<Vec<_>>().join(", "));
    let input = |(at, (name, spec)): (usize, &(String, Spec))| Node {
        name: short(name),
        class: "Input".into(),
        shape: shapes(std::slice::from_ref(spec)),
        parameters: spec.dtype.to_string(),
        input: true,
        output: output(at..at + 1),
    };
    let mut calls = vec![0; graph.layers.len()];
    graph.steps.iter().for_each(|step| calls[step.layer] += 1);
    let mut seen = vec![0; graph.layers.len()];
    let mut nodes: Vec<Node> = graph.inputs.iter().enumerate().map(input).collect();
    for step in &graph.steps {
        let entry = &graph.layers[step.layer];
        seen[step.layer] += 1;
        let inside = Nested::of(&entry.layer).map(|nested| match nested.graph.layers.len() {
            1 => " of 1 layer".into(),
            n => format!(" of {n} layers"),
        });
        let call = match calls[step.layer] {
            1 => String::new(),
            n => format!(", call {} of {n}", seen[step.layer]),
        };
        let count: usize = graph.weights[entry.weights.clone()].iter().map(|(_, w)| w.shape.size()).sum();
        let frozen = if entry.layer.is_trainable() { "" } else { ", frozen" };
        nodes.push(Node {
            name: short(&entry.name),
            class: short(entry.layer.layer().class_name())
                + &inside.unwrap_or_default()
                + &call
                + &odd(graph, step, makers),
            shape: shapes(&step.specs),
            parameters: match count {
                0 => String::new(),
                _ if seen[step.layer] > 1 => "the same parameters".into(),
                1 => format!("1 parameter{frozen}"),
                n => format!("{} parameters{frozen}", grouped(n)),
            },
            input: false,
            output: output(step.outputs.clone()),
        });
    }
    nodes
}

/// The node that makes each value.
fn makers(graph: &Graph) -> Vec<usize> {
    let inputs = graph.inputs.len();
    let made = graph.steps.iter().enumerate().flat_map(|(at, step)| step.outputs.clone().map(move |_| inputs + at));
    (0..inputs).chain(made).collect()
}

/// What a call reads in a way that its lines do not show: a value several times, or some outputs of several.
fn odd(graph: &Graph, step: &Step, makers: &[usize]) -> String {
    let counted = |from: usize| {
        let read = step.inputs.iter().filter(|&&value| makers[value] == from);
        let made =
            from.checked_sub(graph.inputs.len()).map(|at| graph.steps[at].outputs.clone()).unwrap_or(from..from + 1);
        let name = graph.value_name(made.start);
        match (read.clone().count(), made.len()) {
            (1, 1) => None,
            (times, 1) => Some(format!("{name} {times} ×")),
            _ => {
                let of: Vec<String> = read.map(|value| (value - made.start + 1).to_string()).collect();
                Some(format!("{} of {name}", of.join(", ")))
            }
        }
    };
    let sources: BTreeSet<usize> = step.inputs.iter().map(|&value| makers[value]).collect();
    let found: Vec<String> = sources.into_iter().filter_map(counted).collect();
    if found.is_empty() { String::new() } else { format!(", reads {}", short(&found.join(" and "))) }
}

/// Where each row begins.
fn tops(layout: &Layout) -> Vec<f64> {
    let mut widest = vec![0f64; layout.rows()];
    for &(from, to) in &layout.links {
        let (from, to) = (&layout.places[from], &layout.places[to]);
        widest[to.row] = widest[to.row].max((from.x - to.x).abs());
    }
    let [least, most] = BETWEEN;
    let below = |top: &mut f64, aside: f64| {
        *top += HEIGHT + (least + aside / 8.0).min(most);
        Some(*top)
    };
    std::iter::once(TOP).chain(widest.into_iter().skip(1).scan(TOP, below)).take(layout.rows()).collect()
}

/// Text that a node has room for.
fn short(text: &str) -> String {
    match text.chars().count() {
        0..=LONGEST => text.into(),
        _ => text.chars().take(LONGEST - 1).chain(['…']).collect(),
    }
}

/// Text as XML has it, which has no control characters.
fn escaped(text: &str) -> String {
    let escape = |c: char| match c {
        '&' => Cow::from("&amp;"),
        '<' => "&lt;".into(),
        '>' => "&gt;".into(),
        '"' => "&quot;".into(),
        c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => "\u{fffd}".into(),
        c => c.to_string().into(),
    };
    text.chars().map(escape).collect()
}

impl fmt::Display for Diagram<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let graph = self.model.graph();
        let makers = makers(graph);
        let nodes = nodes(graph, &makers);
        let read = |step: &Step| step.inputs.iter().map(|&value| makers[value]).collect();
        let reads: Vec<Vec<usize>> = graph.inputs.iter().map(|_| vec![]).chain(graph.steps.iter().map(read)).collect();
        let layout = Layout::new(&nodes.iter().map(Node::width).collect::<Vec<_>>(), &reads);

        let layers = match graph.layers.len() {
            1 => "1 layer".into(),
            n => format!("{n} layers"),
        };
        let line = format!("{layers}, {} parameters", grouped(self.model.count_params()));
        let title = short(&self.model.name);
        let words = (title.chars().count() as f64 * 13.0).max(line.chars().count() as f64 * 8.5);
        let width = layout.width.max(words) + 2.0 * MARGIN;
        let tops = tops(&layout);
        let height = tops.last().map_or(TOP, |top| top + HEIGHT) + MARGIN;
        writeln!(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"Noto Sans, Helvetica, Arial, sans-serif\" font-size=\"13\">"
        )?;
        let (title, line) = (escaped(&title), escaped(&line));
        writeln!(f, "<title>{title}</title>")?;
        // Whatever is behind the picture, its lines are seen on white.
        writeln!(f, "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>")?;
        writeln!(
            f,
            "<text x=\"{MARGIN}\" y=\"48\" font-size=\"22\" font-weight=\"bold\" fill=\"#1e293b\">{title}</text>"
        )?;
        writeln!(f, "<text x=\"{MARGIN}\" y=\"72\" font-size=\"14\" fill=\"#64748b\">{line}</text>")?;
        writeln!(
            f,
            "<defs><marker id=\"end\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"8\" markerHeight=\"8\" \
             orient=\"auto\"><path d=\"M0 1L9 5L0 9Z\" fill=\"#64748b\"/></marker></defs>"
        )?;
        let shift = MARGIN + ((width - 2.0 * MARGIN - layout.width) / 2.0).max(0.0);
        let x = |place: &Place| place.x + shift;
        let y = |place: &Place| tops[place.row];

        writeln!(f, "<g fill=\"none\" stroke=\"#64748b\" stroke-width=\"1.5\" stroke-linecap=\"round\">")?;
        for place in layout.places.iter().filter(|place| place.lane) {
            writeln!(f, "<path d=\"M{:.1} {:.1}v{HEIGHT}\"/>", x(place), y(place))?;
        }
        for &(from, to) in &layout.links {
            let (from, to) = (&layout.places[from], &layout.places[to]);
            // Down out of one row and down into the next.
            let (start, end) = (y(from) + HEIGHT, y(to) - if to.lane { 0.0 } else { 1.0 });
            let middle = (start + end) / 2.0;
            let (a, b) = (x(from), x(to));
            let arrow = if to.lane { "" } else { " marker-end=\"url(#end)\"" };
            writeln!(
                f,
                "<path d=\"M{a:.1} {start:.1}C{a:.1} {middle:.1} {b:.1} {middle:.1} {b:.1} {end:.1}\"{arrow}/>"
            )?;
        }
        writeln!(f, "</g>")?;
        for (node, place) in nodes.iter().zip(&layout.places) {
            node.draw(f, x(place), y(place), place.width)?;
        }
        writeln!(f, "</svg>")
    }
}

impl Node {
    /// Draws the node with its middle at `x` and its top at `y`.
    fn draw(&self, f: &mut fmt::Formatter<'_>, x: f64, y: f64, width: f64) -> fmt::Result {
        let (fill, stroke) = match (self.input, &self.output) {
            (true, _) => ("#eff6ff", "#2563eb"),
            (_, Some(_)) => ("#fff7ed", "#ea580c"),
            _ => ("#f8fafc", "#94a3b8"),
        };
        let left = x - width / 2.0;
        writeln!(
            f,
            "<rect x=\"{left:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{HEIGHT}\" rx=\"6\" fill=\"{fill}\" \
             stroke=\"{stroke}\" stroke-width=\"1.5\"/>"
        )?;
        let (right, left) = (left + width - 14.0, left + 14.0);
        let lines = [
            (23.0, &self.name, "font-weight=\"bold\" font-size=\"14\" fill=\"#1e293b\"", &self.class),
            (43.0, &self.shape, "fill=\"#1e293b\"", &self.parameters),
        ];
        for (down, first, style, second) in lines {
            let y = y + down;
            writeln!(f, "<text x=\"{left:.1}\" y=\"{y:.1}\" {style}>{}</text>", escaped(first))?;
            if !second.is_empty() {
                let style = "text-anchor=\"end\" fill=\"#64748b\"";
                writeln!(f, "<text x=\"{right:.1}\" y=\"{y:.1}\" {style}>{}</text>", escaped(second))?;
            }
        }
        if let Some(output) = &self.output {
            let y = y + HEIGHT + 15.0;
            let style = "font-size=\"12\" font-weight=\"bold\" fill=\"#c2410c\"";
            writeln!(f, "<text x=\"{left:.1}\" y=\"{y:.1}\" {style}>{}</text>", escaped(output))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;
    use crate::layers::{Add, Concatenate, Dense, Input};
    use crate::model::Sequential;

    #[test]
    fn a_model_says_what_it_is_made_of() -> Result<()> {
        let (a, b) = (Input::with([4], crate::DType::F32, Some("a<b")), Input::new([4]));
        let shared = Dense::new(4).shared();
        let inner = Sequential::new([4]).add(Dense::new(3)).build()?.named("inner").as_layer();
        let (x, y) = (shared.call(&a)?, shared.call(&b)?);
        let twice = Add::new().call([&x, &x])?;
        let merged = Concatenate::new().call([&inner.call(&twice)?, &y])?;
        let svg = Model::new([&a, &b], [&merged, &y])?.named("Tom & Jerry").diagram().to_string();
        for said in [
            "<title>Tom &amp; Jerry</title>",
            "a&lt;b",
            "Dense, call 1 of 2",
            "Dense, call 2 of 2",
            ">20 parameters<",
            "the same parameters",
            "Sequential of 1 layer",
            "Add, reads dense 2 ×",
            ">output 1<",
            ">output 2<",
            "4 layers, 35 parameters",
            "(None, 7)",
        ] {
            assert!(svg.contains(said), "{said} in {svg}");
        }
        assert_eq!(svg.matches("<rect ").count(), 1 + 2 + 5);
        Ok(())
    }

    #[test]
    fn what_xml_cannot_hold_is_replaced() {
        assert_eq!(escaped("a\u{1}\"<&>"), "a\u{fffd}&quot;&lt;&amp;&gt;");
        assert_eq!(short(&"x".repeat(99)).chars().count(), LONGEST);
    }
}
