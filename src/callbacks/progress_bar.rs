//! How training goes, on the terminal.

use crate::error::Result;
use crate::model::grouped;
use crate::train::{Callback, Control, Epoch, Logs, Trainer};
use indicatif::{ProgressBar as Bar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Shows epoch, loss, metrics, samples a second and the time that is left, and keeps a line for each epoch.
///
/// On a terminal it is a bar that moves ten times a second at most, since reading figures waits for the device.
/// Elsewhere it is plain lines: one an epoch, and one every ten seconds in between. Both go to standard output.
#[derive(Default)]
pub struct ProgressBar {
    /// The bar of the present epoch, on a terminal.
    bar: Option<Bar>,
    clock: Option<Clock>,
}

/// When things began, and how much has been done.
struct Clock {
    run: Instant,
    epoch: Instant,
    shown: Instant,
    /// Steps since training began; those that a resumed run had made before do not count.
    steps: usize,
    /// Samples of this epoch, likewise.
    samples: usize,
    /// Seconds of this epoch's training, without validation.
    training: f64,
}

impl Clock {
    fn new() -> Clock {
        let now = Instant::now();
        Clock { run: now, epoch: now, shown: now, steps: 0, samples: 0, training: 0.0 }
    }

    /// Samples a second of `seconds` in this epoch; nothing where none was trained on.
    fn speed(&self, seconds: f64) -> String {
        match self.samples {
            0 => String::new(),
            samples => format!("  {} samples/s", grouped((samples as f64 / seconds) as usize)),
        }
    }
}

const REFRESH: Duration = Duration::from_millis(100);
const LINE: Duration = Duration::from_secs(10);

impl ProgressBar {
    /// A progress bar.
    pub fn new() -> ProgressBar {
        ProgressBar::default()
    }
}

impl Callback for ProgressBar {
    fn on_train_begin(&mut self, _: &mut Trainer) -> Result<()> {
        self.clock = Some(Clock::new());
        Ok(())
    }

    fn on_epoch_begin(&mut self, _: &mut Trainer, epoch: &Epoch) -> Result<()> {
        let now = Instant::now();
        if let Some(clock) = &mut self.clock {
            (clock.epoch, clock.shown, clock.samples) = (now, now, 0);
        }
        self.bar = std::io::stdout().is_terminal().then(|| {
            let target = ProgressDrawTarget::stdout_with_hz(10);
            let bar = Bar::with_draw_target(Some(epoch.steps as u64), target).with_prefix(title(epoch));
            let style = ProgressStyle::with_template("{prefix}  {wide_bar:.cyan/black.bright}  {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─"));
            bar
        });
        Ok(())
    }

    fn on_step_end(&mut self, trainer: &mut Trainer, epoch: &Epoch, step: usize) -> Result<Control> {
        let Some(clock) = &mut self.clock else { return Ok(Control::Continue) };
        clock.steps += 1;
        clock.samples += epoch.batch_size.min(epoch.samples - step * epoch.batch_size);
        let now = Instant::now();
        let last = step + 1 == epoch.steps;
        let due = now - clock.shown >= if self.bar.is_some() { REFRESH } else { LINE };
        if !due && !last {
            return Ok(Control::Continue);
        }
        clock.shown = now;
        // It waits for the device, so that what is timed is done.
        let logs = trainer.logs()?;
        let seconds = clock.epoch.elapsed().as_secs_f64();
        if last {
            clock.training = seconds;
        }
        let steps_left = (epoch.epochs - epoch.number) as f64 * epoch.steps as f64 - (step + 1) as f64;
        let left = steps_left * (clock.run.elapsed().as_secs_f64() / clock.steps as f64);
        let text = format!("{logs}{}  {} left", clock.speed(seconds), duration(left));
        match &self.bar {
            Some(bar) => {
                bar.set_message(text);
                bar.set_position(step as u64 + 1);
            }
            None if due && !last => line(&format!("{}  {}/{}  {text}", title(epoch), step + 1, epoch.steps)),
            None => {}
        }
        Ok(Control::Continue)
    }

    fn on_epoch_end(&mut self, _: &mut Trainer, epoch: &Epoch, logs: &Logs) -> Result<Control> {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        if let Some(clock) = &self.clock {
            let seconds = duration(clock.epoch.elapsed().as_secs_f64());
            line(&format!("{}  {seconds:>6}  {logs}{}", title(epoch), clock.speed(clock.training)));
        }
        Ok(Control::Continue)
    }
}

fn title(epoch: &Epoch) -> String {
    let width = epoch.epochs.to_string().len();
    format!("Epoch {:>width$}/{}", epoch.number + 1, epoch.epochs)
}

/// Who reads along may have gone; training goes on without.
fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// `0.4 s`, `7 min 05 s`, `2 h 09 min`.
fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        let texts = [0.04, 9.4, 12.3, 59.7, 425.0, 7740.0].map(duration);
        assert_eq!(texts, ["0.0 s", "9.4 s", "12 s", "1 min 00 s", "7 min 05 s", "2 h 09 min"]);
    }

    #[test]
    fn an_epoch_of_which_nothing_was_left_has_no_speed() {
        let mut clock = Clock::new();
        assert_eq!(clock.speed(0.0), "");
        clock.samples = 3000;
        assert_eq!(clock.speed(1.5), "  2,000 samples/s");
    }

    #[test]
    fn epochs_line_up() {
        let epoch = |number| Epoch { number, epochs: 10, steps: 1, batch_size: 1, samples: 1 };
        assert_eq!([title(&epoch(0)), title(&epoch(9))], ["Epoch  1/10", "Epoch 10/10"]);
    }
}
