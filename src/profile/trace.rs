//! The trace that chrome://tracing, Perfetto and Speedscope show.

use super::{Kind, Profile};
use crate::error::{Error, Result};
use serde_json::{Value, json};
use std::path::Path;

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

    /// Writes [`Profile::trace`] to a file.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write_trace(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        std::fs::write(path, self.trace().to_string()).map_err(|source| Error::Io { path: path.into(), source })
    }
}
