//! Event files for TensorBoard.

use crate::error::{Error, Result};
use crate::train::{Callback, Control, Epoch, Logs, Trainer};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Writes the figures of each epoch to event files that TensorBoard shows: Keras's
/// [TensorBoard](https://keras.io/api/callbacks/tensorboard/).
///
/// As with Keras, `train/` below the folder holds `epoch_loss`, `epoch_{metric}` and `epoch_learning_rate`, and
/// `validation/` the figures of the validation under the same names, so that both are one chart; steps are epochs from 0.
/// Each run writes files of its own.
///
/// The format is that of TensorFlow's
/// [event.proto](https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/util/event.proto) in
/// [TFRecords](https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details).
pub struct TensorBoard {
    folder: PathBuf,
    train: Option<Events>,
    validation: Option<Events>,
}

impl TensorBoard {
    /// Writes below this folder.
    pub fn new(log_dir: impl AsRef<Path>) -> TensorBoard {
        TensorBoard { folder: log_dir.as_ref().to_path_buf(), train: None, validation: None }
    }
}

impl Callback for TensorBoard {
    fn on_train_begin(&mut self, trainer: &mut Trainer) -> Result<()> {
        let validates = trainer.figures().iter().any(|name| name.starts_with("val_"));
        self.train = Some(Events::create(&self.folder.join("train"))?);
        self.validation = validates.then(|| Events::create(&self.folder.join("validation"))).transpose()?;
        Ok(())
    }

    fn on_epoch_end(&mut self, trainer: &mut Trainer, epoch: &Epoch, logs: &Logs) -> Result<Control> {
        let mut figures: [Vec<(String, f64)>; 2] = Default::default();
        for (name, value) in logs.iter() {
            let (place, name) = name.strip_prefix("val_").map_or((0, name), |name| (1, name));
            figures[place].push((format!("epoch_{name}"), value));
        }
        figures[0].push(("epoch_learning_rate".to_string(), trainer.learning_rate()));
        for (events, figures) in [&mut self.train, &mut self.validation].into_iter().zip(figures) {
            if let Some(events) = events {
                events.scalars(epoch.number, &figures)?;
            }
        }
        Ok(Control::Continue)
    }

    fn on_train_end(&mut self, _: &mut Trainer) -> Result<()> {
        (self.train, self.validation) = (None, None);
        Ok(())
    }
}

/// A file of events, each written as soon as it happens.
struct Events {
    path: PathBuf,
    file: File,
}

impl Events {
    fn create(folder: &Path) -> Result<Events> {
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        // Several runs may begin within a second.
        let create = |i: u32| {
            let name = format!("events.out.tfevents.{:010}.{}.{i}.uncrumple", now() as u64, std::process::id());
            let path = folder.join(name);
            (File::create_new(&path), path)
        };
        let mut i = 0;
        let (file, path) = loop {
            match create(i) {
                (Err(e), _) if e.kind() == std::io::ErrorKind::AlreadyExists => i += 1,
                made => break made,
            }
        };
        let mut events = Events { file: file.map_err(|e| Error::io(&path, e))?, path };
        events.write(|event| bytes(event, 3, b"brain.Event:2"))?;
        Ok(events)
    }

    /// Appends an event with these numbers.
    fn scalars(&mut self, step: usize, figures: &[(String, f64)]) -> Result<()> {
        let mut summary = Vec::new();
        for (tag, value) in figures {
            let mut one = Vec::new();
            bytes(&mut one, 1, tag.as_bytes());
            one.push(2 << 3 | 5);
            one.extend((*value as f32).to_le_bytes());
            bytes(&mut summary, 1, &one);
        }
        self.write(|event| {
            event.push(2 << 3);
            varint(event, step as u64);
            bytes(event, 5, &summary);
        })
    }

    /// Appends an event as a record: its length, the event, and a checksum of either.
    fn write(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        let mut event = vec![1 << 3 | 1];
        event.extend(now().to_le_bytes());
        fill(&mut event);
        let length = (event.len() as u64).to_le_bytes();
        let mut record = length.to_vec();
        record.extend(masked(&length).to_le_bytes());
        record.extend(&event);
        record.extend(masked(&event).to_le_bytes());
        self.file.write_all(&record).map_err(|e| Error::io(&self.path, e))
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// TFRecord's checksum.
fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// A field of protobuf that has a length.
fn bytes(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend(value);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
