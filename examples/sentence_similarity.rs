//! How alike sentences are, by the vectors that MiniLM makes of them. With the files that `scripts/fetch-data minilm` brings:
//!
//! ```text
//! cargo run --release --features tokenizers --example sentence_similarity -- .cache/datasets/minilm \
//!     "That is a happy person" "That is a happy dog" "Today is a sunny day"
//! ```

use std::path::Path;
use uncrumple::data::Tokenizer;
use uncrumple::prelude::*;
use uncrumple::programs::pretrained;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, first, others @ ..] = &arguments[..] else {
        return Err(Error::Config("expected a folder with model.safetensors and vocab.txt, then sentences".into()));
    };
    let folder = Path::new(folder);
    let model = pretrained::bert(folder.join("model.safetensors"), 12)?.on(Device::best());
    let tokenizer = Tokenizer::word_piece(folder.join("vocab.txt"))?;

    let sentences: Vec<&str> = std::iter::once(first).chain(others).map(String::as_str).collect();
    let encoding = tokenizer.encode(&sentences)?;
    let (ids, mask) = (&encoding.token_ids, &encoding.attention_mask);
    let segments = Tensor::zeros(&Device::Cpu, ids.shape(), DType::I32)?;
    let tokens = &model.call(&[ids, &segments, mask])?[0];
    let vectors = pretrained::sentence_embeddings(tokens, &mask.to_device(&tokens.device())?)?;
    let cosines = vectors.matmul_with(&vectors, false, true)?.to_vec::<f32>()?;
    for (cosine, sentence) in cosines.iter().zip(&sentences).skip(1) {
        println!("{cosine:.4}  {sentence}");
    }
    Ok(())
}
