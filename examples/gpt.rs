//! A small GPT of one's own: a functional model that learns a text letter by letter and writes on. What it leaves,
//! `uncrumple generate` takes.
//!
//! ```text
//! cargo run --release --example gpt -- text.txt gpt.keras
//! ```

use uncrumple::callbacks::ProgressBar;
use uncrumple::prelude::*;
use uncrumple::programs::language::{Characters, windows};

/// Characters that the model sees at a time.
const STEPS: usize = 64;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = &arguments[..] else {
        return Err(Error::Config("expected a text file, and the model's .keras file".into()));
    };
    let text = std::fs::read_to_string(from).map_err(|source| Error::Io { path: from.into(), source })?;
    let characters = Characters::of_text(&text);

    let tokens = Input::with([STEPS], DType::I32, None);
    let mut x = TokenAndPositionEmbedding::new(characters.count(), STEPS, 64).call(&tokens)?;
    for _ in 0..2 {
        // Without a second input a decoder is causal self-attention alone.
        x = TransformerDecoder::new(256, 4).normalize_first(true).call(&x)?;
    }
    let logits = Dense::new(characters.count()).call(&LayerNormalization::new().call(&x)?)?;
    let model = characters.attach(Model::new(&tokens, &logits)?)?.on(Device::best());

    // Each window's targets are the characters behind its own.
    let data = windows(&characters.numbers(&text), STEPS)?;
    let mut trainer = model.compile(AdamW::new(3e-3), SparseCategoricalCrossentropy::from_logits(), Accuracy::new())?;
    trainer.fit(&data, Fit::epochs(3).batch_size(16).callback(ProgressBar::new()))?;
    trainer.save(to)?;

    let prompt = characters.known_numbers(&text.chars().take(10).collect::<String>())?;
    let sampler = Sampler::TopP { p: 0.9, temperature: 0.8 };
    let written = trainer.model().generate(&[prompt], &Generate::max_length(300).sampler(sampler).slide(true))?;
    println!("{}", characters.text(&written[0]));
    Ok(())
}
