"""The programs that go through sequences, and small networks of the other cells: 20 steps from the same start on the same
batches, as for the dense programs.

The sequences are shorter than the programs' own and a batch has few of them. The numbers that go in are computed on both sides,
and of large weights every stride-th value is stored. What float32 rounds is told by the same run in float64.
"""

import common
import drawn
from common import jax, keras, np
from drawn import bits, draw

layers, losses = keras.layers, keras.losses

STEPS, BATCH, SAMPLE = 20, 8, (12, 14)
LABEL_SEED, WEIGHT_SEED, INPUT_SEED = 1, 10, 100
VECTOR_SCALE = 0.1

CLASSES = losses.BinaryCrossentropy, "sigmoid"
NUMBER = losses.MeanSquaredError, "linear"
# Keras's own tanh of float64 is of float32.
PROGRAMS = {
    "lstm": (lambda tanh: [layers.LSTM(32, tanh)], CLASSES),
    "stacked-lstm": (
        lambda tanh: [*(layers.LSTM(32, tanh, return_sequences=True) for _ in range(2)), layers.LSTM(32, tanh)], CLASSES
    ),
    "gru": (lambda tanh: [layers.GRU(32, tanh)], NUMBER),
    "gru-reset-first": (lambda tanh: [layers.GRU(7, tanh, reset_after=False)], NUMBER),
    "simple-rnn": (lambda tanh: [layers.SimpleRNN(7, tanh)], CLASSES),
    "bidirectional": (lambda tanh: [layers.Bidirectional(layers.LSTM(5, tanh))], CLASSES),
}
OPTIMIZERS = {"sgd": lambda: keras.optimizers.SGD(1e-2), "rmsprop": lambda: keras.optimizers.RMSprop(1e-3)}


@keras.saving.register_keras_serializable("Goldens")
def tanh(x):
    return jax.numpy.tanh(x)


def train(program, optimizer, floats):
    """Losses before each update, the first step's gradients, the weights at the end, and what was built."""
    keras.utils.clear_session()
    keras.config.set_floatx(floats)
    keras.config.set_dtype_policy(floats)
    with jax.enable_x64(floats == "float64"):
        body, (loss, activation) = PROGRAMS[program]
        x = draw(INPUT_SEED, (STEPS * BATCH, *SAMPLE)).astype(floats)
        if loss is losses.MeanSquaredError:
            y = draw(LABEL_SEED, (STEPS * BATCH, 1)).astype(floats)
        else:
            y = (bits(LABEL_SEED, STEPS * BATCH) >> np.uint32(31)).astype(floats).reshape(-1, 1)
        model = keras.Sequential([keras.Input(SAMPLE), *body("tanh" if floats == "float32" else tanh), layers.Dense(1, activation)])
        scales = []
        for k, weight in enumerate(model.weights):
            scale = (6 / sum(weight.shape)) ** 0.5 if len(weight.shape) == 2 else VECTOR_SCALE
            scales.append(float(np.float32(scale)))
            weight.assign(draw(WEIGHT_SEED + k, weight.shape, scales[-1]).astype(floats))
        optimizer, loss = OPTIMIZERS[optimizer](), loss()
        optimizer.build(model.trainable_variables)

        @jax.jit
        @jax.value_and_grad
        def slope(weights, x, y):
            fixed = [v.value for v in model.non_trainable_variables]
            return loss(y, model.stateless_call(weights, fixed, x, training=True)[0])

        values, first = [], None
        for step in range(STEPS):
            rows = slice(step * BATCH, (step + 1) * BATCH)
            value, gradients = slope([v.value for v in model.trainable_variables], x[rows], y[rows])
            assert value.dtype == floats and all(g.dtype == floats for g in gradients)
            first = first or [np.array(g) for g in gradients]
            values.append(np.array(value))
            optimizer.apply(gradients, model.trainable_variables)
        final = [np.array(v.value) for v in model.trainable_variables]
    return np.array(values), first, final, (model, scales, optimizer, loss, x, y)


def main():
    folder = common.output_folder()
    for program in PROGRAMS:
        for name in OPTIMIZERS:
            exact_losses, exact_first, exact_final, _ = train(program, name, "float64")
            values, first, final, (model, scales, built, loss, x, y) = train(program, name, "float32")
            arrays = {"losses": values, "input.head": x.ravel()[:8], "label.head": y[:8].ravel()[:8]}
            weights = []
            for k, weight in enumerate(model.weights):
                path, step = weight.path, drawn.stride(final[k].size, 256)
                arrays[f"initial.head.{path}"] = draw(WEIGHT_SEED + k, weight.shape, scales[k]).ravel()[:8]
                arrays[f"first_gradient.{path}"] = first[k].ravel()[::step]
                arrays[f"final.{path}"] = final[k].ravel()[::step]
                weights.append({
                    "path": path,
                    "shape": weight.shape,
                    "seed": WEIGHT_SEED + k,
                    "scale": scales[k],
                    "stride": step,
                    "reference_error": {
                        "first_gradient": float(np.abs(first[k] - exact_first[k]).max()),
                        "final": float(np.abs(final[k] - exact_final[k]).max()),
                    },
                })
            golden = {
                "program": program,
                "input": SAMPLE,
                "chain": [common.config(layer) for layer in model.layers],
                "loss": common.config(loss),
                "optimizer": common.config(built),
                "batch": BATCH,
                "steps": STEPS,
                "input_seed": INPUT_SEED,
                "label_seed": LABEL_SEED,
                "label_shape": y.shape,
                "weights": weights,
                "losses_float64": exact_losses.tolist(),
                "reference_error": {"losses_relative": float(np.abs(values / exact_losses - 1).max())},
            }
            common.write(folder, f"{program}_{name}", arrays, golden)


main()
