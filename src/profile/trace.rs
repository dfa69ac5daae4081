//! The trace that chrome://tracing, Perfetto and Speedscope show.

use super::{Kind, Profile};
use serde_json::{Value, json};

impl Profile {
    /// The spans as complete events (`"ph": "X"`) of Chrome's [trace event
    /// format](https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU), in microseconds.
    pub fn trace(&self) -> Value {
        let events = self.spans.iter().map(|span| {
            let category = match span.kind {
                Kind::Step => "step",
                Kind::Phase => "phase",
                Kind::Layer => "layer",
                Kind::Op => "op",
            };
            let arguments = match span.kind {
                Kind::Op => json!({ "bytes": span.bytes, "operations": span.operations }),
                _ => json!({}),
            };
            let (start, duration) = (span.start * 1e6, (span.end - span.start) * 1e6);
            json!({
                "name": span.name, "cat": category, "ph": "X", "pid": 1, "tid": 1, "ts": start, "dur": duration,
                "args": arguments,
            })
        });
        json!({ "displayTimeUnit": "ms", "traceEvents": events.collect::<Vec<_>>() })
    }
}
