//! Recurrent layers beyond their goldens: states from batch to batch, dropout, first values, what is refused.

use super::*;
use uncrumple::layers::{ActivationFn, LayerRef, Merge};
use uncrumple::model::Model;

/// Values that look random.
fn values(shape: &[usize]) -> Result<Tensor> {
    let size: usize = shape.iter().product();
    Tensor::from_slice(&(0..size).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect::<Vec<_>>(), shape)
}

fn close(a: &Tensor, b: &Tensor) -> Result<()> {
    assert_eq!(difference(a, b, tolerance([DType::F32]))?, None);
    Ok(())
}

/// A stateful layer and one that is not, with the same weights.
fn both(layer: impl Fn(bool) -> LayerRef, batch: usize, steps: usize) -> Result<[Model; 2]> {
    let keeps = Sequential::on(Input::batch_shape([batch, steps, 3])).add(layer(true)).add(Dense::new(1)).build()?;
    let mut whole = Sequential::new([2 * steps, 3]).add(layer(false)).add(Dense::new(1)).build()?;
    let paths: Vec<String> = whole.weight_paths().map(String::from).collect();
    for path in paths {
        whole.set_weight(&path, &keeps.weight(&path)?)?;
    }
    Ok([keeps, whole])
}

#[test]
fn a_stateful_layer_goes_on_where_the_batch_before_ended() -> Result<()> {
    let x = values(&[2, 8, 3])?;
    let halves = [x.slice(1, 0..4)?, x.slice(1, 4..8)?];
    let layers: [fn(bool) -> LayerRef; 4] = [
        |stateful| LSTM::new(4).stateful(stateful).shared(),
        |stateful| GRU::new(4).stateful(stateful).shared(),
        |stateful| SimpleRNN::new(4).stateful(stateful).shared(),
        |stateful| RNN::new(LSTMCell::new(4)).stateful(stateful).shared(),
    ];
    for layer in layers {
        let [mut keeps, whole] = both(layer, 2, 4)?;
        let want = whole.call(&[&x])?.remove(0);
        keeps.advance(&[&halves[0]])?;
        close(&keeps.advance(&[&halves[1]])?.remove(0), &want)?;
        let first = whole.call(&[&x])?;
        keeps.reset_state()?;
        keeps.advance(&[&halves[0]])?;
        close(&keeps.advance(&[&halves[1]])?.remove(0), &first[0])?;
        let text = keeps.predict(&halves[0]).unwrap_err().to_string();
        assert!(text.contains("rnn_state") && text.contains("Model::advance"), "{text}");
    }
    Ok(())
}

#[test]
fn training_and_evaluation_move_states_on_and_files_have_none() -> Result<()> {
    let x = values(&[2, 4, 3])?;
    let data = Dataset::new(x.clone(), values(&[2, 1])?)?;
    for device in devices() {
        let [keeps, _] = both(|stateful| LSTM::new(4).stateful(stateful).shared(), 2, 4)?;
        let mut trainer = keeps.on(device).compile(SGD::new(0.01), MeanSquaredError::new(), ())?;
        let state = |trainer: &Trainer| trainer.model().weight("lstm/rnn_state")?.to_vec::<f32>();
        let zeros = state(&trainer)?;
        assert!(zeros.iter().all(|&h| h == 0.0));
        trainer.train_on_batch(&data.to_device(trainer.device())?)?;
        let one = state(&trainer)?;
        assert_ne!(one, zeros);
        // The third step is a recorded one on a card.
        (0..2).try_for_each(|_| trainer.train_on_batch(&data.to_device(trainer.device())?))?;
        let three = state(&trainer)?;
        assert_ne!(one, three);
        trainer.evaluate(&data)?;
        assert_ne!(state(&trainer)?, three);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keeps.keras");
        trainer.save(&path)?;
        let mut loaded = Model::load(&path)?;
        assert_eq!(loaded.weight("lstm/rnn_state")?.to_vec::<f32>()?, zeros);
        trainer.reset_state()?;
        assert_eq!(state(&trainer)?, zeros);
        let mut model = trainer.model().clone().on(Device::Cpu);
        close(&loaded.advance(&[&x])?[0], &model.advance(&[&x])?[0])?;
    }
    Ok(())
}

/// In training with one sample of ones, or a one and then zeros; weights by their names.
fn drawn(layer: LayerRef, x: &Tensor, weights: &[(&str, &[f32])]) -> Result<Vec<f32>> {
    let graph = graph_of(&layer, from_ref(x))?;
    let weight = |(path, spec): &(String, layers::WeightSpec)| {
        let (_, values) = weights.iter().find(|(name, _)| path.ends_with(name)).unwrap();
        Tensor::from_slice(values, spec.shape)
    };
    let weights = graph.weights.iter().map(weight).collect::<Result<Vec<_>>>()?;
    let generator = Generator::new(3, &Device::Cpu)?;
    let mode = Mode { training: true, generator: Some(&generator), ..Mode::INFERENCE };
    graph.run(&weights, &[x], mode, &mut Updates::new())?.remove(0).to_vec()
}

#[test]
fn dropout_drops_the_same_at_all_steps() -> Result<()> {
    const UNITS: usize = 16;
    let identity: Vec<f32> = (0..UNITS * UNITS).map(|i| f32::from(u8::from(i % (UNITS + 1) == 0))).collect();
    let none = vec![0.0f32; UNITS * UNITS];
    let linear = ActivationFn::default();
    let layer = || SimpleRNN::new(UNITS).activation(linear).use_bias(false).return_sequences(true);
    let cell = || SimpleRNNCell::new(UNITS).activation(linear).use_bias(false);
    let steps = |y: Vec<f32>| y.chunks(UNITS).map(<[f32]>::to_vec).collect::<Vec<_>>();

    // Of the input: h = 2 · mask · x.
    let x = Tensor::ones(&Device::Cpu, [1, 3, UNITS], DType::F32)?;
    let weights = [("/kernel", &identity[..]), ("recurrent_kernel", &none[..])];
    for layer in [layer().dropout(0.5).shared(), RNN::new(cell().dropout(0.5)).return_sequences(true).shared()] {
        let h = steps(drawn(layer, &x, &weights)?);
        assert!(h[0].contains(&0.0) && h[0].contains(&2.0) && h[0].iter().all(|h| [0.0, 2.0].contains(h)));
        assert_eq!((&h[1], &h[2]), (&h[0], &h[0]));
    }
    // Of the state: h = x + 2 · mask · h, where x is 1 at the first step alone.
    let mut impulse = vec![1.0f32; UNITS];
    impulse.resize(3 * UNITS, 0.0);
    let x = Tensor::from_slice(&impulse, [1, 3, UNITS])?;
    let weights = [("/kernel", &identity[..]), ("recurrent_kernel", &identity[..])];
    let dropped = || cell().recurrent_dropout(0.5);
    for layer in [layer().recurrent_dropout(0.5).shared(), RNN::new(dropped()).return_sequences(true).shared()] {
        let h = steps(drawn(layer, &x, &weights)?);
        assert!(h[0].iter().all(|&h| h == 1.0) && h[1].contains(&0.0) && h[1].contains(&2.0), "{h:?}");
        assert_eq!(h[2], h[1].iter().map(|h| 2.0 * h).collect::<Vec<_>>());
    }
    Ok(())
}

/// Keras itself cannot: its ConvLSTM fails with any mask.
#[test]
fn a_convolutional_lstm_passes_masked_steps_over() -> Result<()> {
    let x = values(&[1, 4, 5, 2])?;
    let mask = Tensor::from_slice(&[true, false, true, true], [1, 4])?;
    let rest = Tensor::concatenate(&[&x.slice(1, 0..1)?, &x.slice(1, 2..4)?], 1)?;
    for layer in [ConvLSTM1D::new(3, 2), ConvLSTM1D::new(3, 2).go_backwards(true)] {
        let layer = layer.return_state(true).shared();
        let run = |x: &Tensor, mask: Option<Tensor>| -> Result<Vec<Vec<f32>>> {
            let graph = graph_of(&layer, from_ref(x))?;
            let weights = graph.weights.iter().map(|(_, spec)| values(&spec.shape)).collect::<Result<Vec<_>>>()?;
            let (outputs, _) = graph.run_masked(&weights, &[x], &[mask], Mode::INFERENCE, &mut Updates::new())?;
            outputs.iter().map(Tensor::to_vec::<f32>).collect()
        };
        let (masked, without) = (run(&x, Some(mask.clone()))?, run(&rest, None)?);
        assert_eq!(masked.len(), 3);
        assert_eq!(masked, without);
        assert!(masked != run(&x, None)?);
    }
    Ok(())
}

#[test]
fn the_bias_of_the_forget_gate_begins_at_one() -> Result<()> {
    let bias = |layer: LayerRef| -> Result<Vec<f32>> {
        Sequential::new([4, 3]).add(layer.named("layer")).build()?.weight("layer/cell/bias")?.to_vec()
    };
    assert_eq!(bias(LSTM::new(2).shared())?, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(bias(LSTM::new(1).unit_forget_bias(false).shared())?, [0.0; 4]);
    let drawn = bias(LSTM::new(2).bias_initializer(RandomNormal::new(0.0, 1.0)).shared())?;
    assert_eq!(drawn[2..4], [1.0, 1.0]);
    assert!(drawn[..2] != drawn[4..6] && drawn[4..6] != drawn[6..] && drawn.iter().all(|&b| b != 0.0), "{drawn:?}");
    Ok(())
}

#[test]
fn recurrent_layers_say_what_they_cannot_take() {
    let x = || Input::new([5, 3]);
    let batch = || Input::batch_shape([2, 5, 3]);
    let h = || Input::new([4]);
    let one_way = || LSTM::new(4).return_sequences(true);
    let cases = [
        (LSTM::new(4).activation(ActivationFn::Softmax).call(&x()), "use RNN(LSTMCell) instead"),
        (GRU::new(4).recurrent_activation(ActivationFn::Softmax).call(&x()), "use RNN(GRUCell) instead"),
        (LSTM::new(0).call(&x()), "argument `units`: expected a positive integer, got 0"),
        (GRU::new(4).dropout(1.5).call(&x()), "argument `dropout`: expected a number in [0, 1], got 1.5"),
        (LSTM::new(4).call(&Input::new([3])), "expected 3 axes (batch, steps, features), got shape (None, 3)"),
        (LSTM::new(4).call([&x(), &h()]), "expected states of shape (None, 4), (None, 4) behind the input"),
        (LSTM::new(4).stateful(true).call(&x()), "the batch size must be static"),
        (GRU::new(4).call([&batch(), &Input::new([5])]), "expected states of shape (2, 4)"),
        (
            Bidirectional::new(Dense::new(4)).call(&x()),
            "expected a recurrent layer, such as LSTM, GRU or RNN, got Dense",
        ),
        (Bidirectional::new(LSTM::new(4)).backward_layer(LSTM::new(4)).call(&x()), "got go_backwards=false and false"),
        (
            Bidirectional::new(one_way()).backward_layer(GRU::new(4).go_backwards(true)).call(&x()),
            "expected to have the same value for attribute \"return_sequences\", got true for forward layer and false",
        ),
        (
            Bidirectional::new(LSTM::new(4))
                .backward_layer(LSTM::new(3).go_backwards(true))
                .merge_mode(Merge::Sum)
                .call(&x()),
            "expected outputs of one shape to merge, got (None, 4) and (None, 3)",
        ),
        (RNN::new(Dense::new(4)).call(&x()), "expected a cell, such as LSTMCell or one with a `state_spec`, got Dense"),
        (RNN::new(StackedRNNCells::new([])).call(&x()), "expected a cell"),
        (ConvLSTM1D::new(2, 9).call(&Input::new([5, 6, 3])), "expected images that the window fits into"),
        (ConvLSTM1D::new(2, 2).strides(2).dilation_rate(2).call(&Input::new([5, 6, 3])), "not compatible"),
    ];
    for (result, want) in cases {
        let text = result.expect_err(want).to_string();
        assert!(text.contains(want), "{text}");
    }
}

#[test]
fn recurrences_run_in_halves() -> Result<()> {
    let x = values(&[2, 6, 3])?;
    let layers = [
        LSTM::new(4).return_sequences(true).shared(),
        Bidirectional::new(GRU::new(4)).shared(),
        RNN::new(LSTMCell::new(4).activation(ActivationFn::Softmax)).shared(),
    ];
    for layer in layers {
        let model = Sequential::new([6, 3]).add(layer).build()?;
        let exact = model.call(&[&x])?.remove(0);
        for precision in [Precision::MixedBf16, Precision::MixedF16] {
            let y = model.clone().precision(precision).call(&[&x])?.remove(0);
            assert_eq!(y.dtype(), precision.compute_dtype());
            assert_eq!(difference(&y.cast(DType::F32)?, &exact, 0.05)?, None, "{precision:?}");
        }
    }
    Ok(())
}
