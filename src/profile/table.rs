//! What a step's time is made of, as a table.

use super::{Kind, Profile};
use std::fmt;

/// What a machine can do at most, as it was measured.
#[derive(Clone, Copy, Debug)]
pub struct Peak {
    /// Bytes a second that a copy reads and writes.
    pub bytes: f64,
    /// Floating-point operations a second in f32.
    pub operations: f64,
}

/// What all spans of one kind took together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// The phase.
    pub phase: String,
    /// The op or layer; a phase in brackets for what belongs to no layer.
    pub name: String,
    /// How many there were.
    pub calls: usize,
    /// Seconds, without those of spans inside.
    pub seconds: f64,
    /// Bytes that ops read and wrote.
    pub bytes: u64,
    /// Floating-point operations.
    pub operations: u64,
}

/// The steps of a profile, taken apart twice: by op, and by layer. The rows of each, with what lies between ops, are the
/// steps. It prints itself.
#[derive(Clone, Debug)]
pub struct Table {
    /// Steps.
    pub steps: usize,
    /// Seconds of all of them.
    pub seconds: f64,
    /// By phase and op, the longest first.
    pub ops: Vec<Row>,
    /// By phase and layer, the longest first.
    pub layers: Vec<Row>,
    /// Seconds in a step and in no op: what the host does between them or, on a card, where it waits for the host.
    pub between: f64,
    peak: Option<Peak>,
}

impl Profile {
    /// The table of the steps in it.
    pub fn table(&self) -> Table {
        let mut own: Vec<f64> = self.spans.iter().map(|span| span.end - span.start).collect();
        for span in &self.spans {
            if let Some(parent) = span.parent {
                own[parent] -= span.end - span.start;
            }
        }
        let mut table = Table { steps: 0, seconds: 0.0, ops: vec![], layers: vec![], between: 0.0, peak: None };
        for (i, span) in self.spans.iter().enumerate() {
            if span.kind == Kind::Step {
                table.steps += 1;
                table.seconds += span.end - span.start;
            }
            let around = || std::iter::successors(Some(i), |&i| self.spans[i].parent).map(|i| &self.spans[i]);
            if !around().any(|span| span.kind == Kind::Step) {
                continue;
            }
            let named = |kind| around().find(|span| span.kind == kind).map(|span| span.name.to_string());
            let phase = named(Kind::Phase).unwrap_or_else(|| "step".into());
            let layer = named(Kind::Layer).unwrap_or_else(|| format!("({phase})"));
            let row = |name, calls| Row {
                phase: phase.clone(),
                name,
                calls,
                seconds: own[i],
                bytes: span.bytes,
                operations: span.operations,
            };
            let is_outer = span.kind == Kind::Layer || (span.kind == Kind::Phase && layer.starts_with('('));
            add(&mut table.layers, row(layer.clone(), usize::from(is_outer)));
            match span.kind {
                Kind::Op => add(&mut table.ops, row(span.name.to_string(), 1)),
                _ => table.between += own[i],
            }
        }
        for rows in [&mut table.ops, &mut table.layers] {
            rows.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        }
        table
    }
}

fn add(rows: &mut Vec<Row>, new: Row) {
    match rows.iter_mut().find(|row| row.phase == new.phase && row.name == new.name) {
        Some(row) => {
            row.calls += new.calls;
            row.seconds += new.seconds;
            row.bytes += new.bytes;
            row.operations += new.operations;
        }
        None => rows.push(new),
    }
}

impl Table {
    /// The same, rates beside those of the machine.
    pub fn peak(self, peak: Peak) -> Table {
        Table { peak: Some(peak), ..self }
    }

    fn rows(&self, f: &mut fmt::Formatter<'_>, title: &str, rows: &[Row]) -> fmt::Result {
        let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).max(title.len() + 9);
        let share = if self.peak.is_some() { "      " } else { "" };
        writeln!(f, "{title:<width$}  phase       calls     µs    share    GB/s{share}   GFLOP/s{share}")?;
        let steps = self.steps.max(1) as f64;
        let mut line = |name: &str, phase: &str, calls: f64, seconds: f64, work: Option<(u64, u64)>| {
            let share = 100.0 * seconds / self.seconds;
            write!(f, "{name:<width$}  {phase:<9}  {calls:>6.1}  {:>7.1}  {share:>5.1} %", 1e6 * seconds / steps)?;
            let Some((bytes, operations)) = work else { return writeln!(f) };
            let rate = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
            let of = |rate: f64, peak: f64| format!(" {:>3.0} %", 100.0 * rate / peak);
            let (bytes, operations) = (rate(bytes), rate(operations));
            let of_bytes = self.peak.map(|peak| of(bytes, peak.bytes)).unwrap_or_default();
            let of_operations = self.peak.map(|peak| of(operations, peak.operations)).unwrap_or_default();
            writeln!(f, "  {:>6.1}{of_bytes}   {:>7.1}{of_operations}", bytes / 1e9, operations / 1e9)
        };
        for row in rows {
            let work = Some((row.bytes, row.operations)).filter(|(bytes, _)| *bytes > 0);
            line(&row.name, &row.phase, row.calls as f64 / steps, row.seconds, work)?;
        }
        if title == "op" {
            line("(between ops)", "", 0.0, self.between, None)?;
        }
        Ok(())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = 1e6 * self.seconds / self.steps.max(1) as f64;
        writeln!(f, "{} steps, {each:.1} µs each; calls and µs are those of one step", self.steps)?;
        if let Some(Peak { bytes, operations }) = self.peak {
            let (bytes, operations) = (bytes / 1e9, operations / 1e9);
            writeln!(
                f,
                "% of what the machine does: a copy {bytes:.1} GB/s read and written, f32 {operations:.1} GFLOP/s"
            )?;
        }
        writeln!(f)?;
        self.rows(f, "op", &self.ops)?;
        writeln!(f)?;
        self.rows(f, "layer", &self.layers)
    }
}
