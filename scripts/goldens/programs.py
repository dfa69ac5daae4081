"""The dense programs under each optimizer: 20 steps from the same start on the same batches.

Inputs, labels and initial weights come from `draw`, an integer formula that any language computes to the last bit, so
that a file holds results alone. Each program runs in float32 and again in float64, which tells the reference's own
rounding error.

The inputs' seed is the first for which no hidden value comes near relu's kink on the way: there a rounding error
decides whether a unit learns, Adam makes a full step of it, and the reference itself would be a matter of luck.
"""

import itertools

import common
import drawn
from common import jax, keras, np
from drawn import bits, draw

losses = keras.losses

BATCH, STEPS = 16, 20  # every step has a batch of its own
LABEL_SEED = 1
WEIGHT_SEED = 10  # of the first weight; the k-th after it has WEIGHT_SEED + k
INPUT_SEED = 100  # the first tried
MARGIN = 2e-6  # ten times float32's rounding of a hidden value here
BIAS_SCALE = 0.1

PROGRAMS = {
    "dense-binary": (64, [(32, "relu"), (32, "relu"), (1, "sigmoid")], losses.BinaryCrossentropy),
    "dense-categorical": (784, [(512, "relu"), (512, "relu"), (10, "softmax")], losses.SparseCategoricalCrossentropy),
    "dense-multilabel": (64, [(32, "relu"), (32, "relu"), (20, "sigmoid")], losses.BinaryCrossentropy),
    "dense-regression": (13, [(64, "relu"), (64, "relu"), (1, "linear")], losses.MeanSquaredError),
}
OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(1e-3),
    "sgd-nesterov": lambda: keras.optimizers.SGD(1e-3, momentum=0.9, nesterov=True),
    "rmsprop": lambda: keras.optimizers.RMSprop(1e-3),
    "adam": lambda: keras.optimizers.Adam(1e-3),
    "adamw": lambda: keras.optimizers.AdamW(1e-3),
}
# Each other rule and what all of them share, with one program alone. Ftrl forgets the initial weights in its first step,
# which leaves all hidden values at the kink.
SMALL = "dense-binary"
MORE = {
    "adagrad": lambda: keras.optimizers.Adagrad(1e-2),
    "adadelta": lambda: keras.optimizers.Adadelta(1.0),
    "adamax": lambda: keras.optimizers.Adamax(1e-3),
    "nadam": lambda: keras.optimizers.Nadam(1e-3),
    "lamb": lambda: keras.optimizers.Lamb(1e-3),
    "lion": lambda: keras.optimizers.Lion(1e-4),
    "adafactor": lambda: keras.optimizers.Adafactor(1e-2),
    "muon": lambda: keras.optimizers.Muon(1e-3, exclude_layers=["dense_2"]),
    "schedule": lambda: keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(0.0, 20, warmup_target=1e-3, warmup_steps=5)
    ),
    "ema": lambda: keras.optimizers.SGD(1e-2, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=6),
    "accumulation": lambda: keras.optimizers.Adam(1e-3, gradient_accumulation_steps=4),
}


def labels(program, outputs):
    """High bits again: a class, a bit for each output, or a value."""
    rows = STEPS * BATCH
    if program == "dense-categorical":
        return ((bits(LABEL_SEED, rows) >> np.uint32(8)) % np.uint32(outputs)).astype("int32").reshape(rows, 1)
    if program == "dense-regression":
        return draw(LABEL_SEED, (rows, outputs))
    return (bits(LABEL_SEED, rows * outputs) >> np.uint32(31)).astype("float32").reshape(rows, outputs)


def build(width, stack, floats):
    """The model with its initial weights, and the scale of each."""
    model = keras.Sequential(name="model", layers=[keras.Input((width,), dtype=floats)])
    for i, (units, activation) in enumerate(stack):
        model.add(keras.layers.Dense(units, activation, name=f"dense_{i}", dtype=floats))
    scales = []
    for k, weight in enumerate(model.weights):
        glorot = (6 / sum(weight.shape)) ** 0.5 if len(weight.shape) == 2 else BIAS_SCALE
        scales.append(float(np.float32(glorot)))
        weight.assign(draw(WEIGHT_SEED + k, weight.shape, scales[-1]).astype(floats))
    return model, scales


def kink_distance(weights, x):
    """The smallest hidden value before relu, in magnitude."""
    nearest = np.inf
    for kernel, bias in zip(weights[:-2:2], weights[1:-2:2]):
        x = x @ np.array(kernel) + np.array(bias)
        nearest = min(nearest, np.abs(x).min())
        x = np.maximum(x, 0)
    return nearest


def train(program, optimizer, input_seed, floats):
    """Losses before each update, the first step's gradients, the weights at the end, the smallest distance to a kink,
    and what was built."""
    keras.utils.clear_session()
    keras.config.set_floatx(floats)
    with jax.enable_x64(floats == "float64"):
        width, stack, loss = PROGRAMS[program]
        x = draw(input_seed, (STEPS * BATCH, width)).astype(floats)
        y = labels(program, stack[-1][0])
        y = y if y.dtype == "int32" else y.astype(floats)
        model, scales = build(width, stack, floats)
        optimizer, loss = (OPTIMIZERS | MORE)[optimizer](), loss()
        optimizer.build(model.trainable_variables)

        @jax.jit
        @jax.value_and_grad
        def slope(weights, x, y):
            return loss(y, model.stateless_call(weights, [], x, training=True)[0])

        values, first, nearest = [], None, np.inf
        for step in range(STEPS):
            rows = slice(step * BATCH, (step + 1) * BATCH)
            weights = [v.value for v in model.trainable_variables]
            nearest = min(nearest, kink_distance(weights, x[rows]))
            value, gradients = slope(weights, x[rows], y[rows])
            assert value.dtype == floats and all(g.dtype == floats for g in gradients)
            first = first or [np.array(g) for g in gradients]
            values.append(np.array(value))
            optimizer.apply(gradients, model.trainable_variables)
        final = [np.array(v.value) for v in model.trainable_variables]
    return np.array(values), first, final, nearest, (model, scales, optimizer, loss, x, y)


def main():
    folder = common.output_folder()
    for program in PROGRAMS:
        for optimizer in OPTIMIZERS | (MORE if program == SMALL else {}):
            for input_seed in itertools.count(INPUT_SEED):
                exact_losses, exact_first, exact_final, nearest, _ = train(program, optimizer, input_seed, "float64")
                if nearest > MARGIN:
                    break
            values, first, final, _, rest = train(program, optimizer, input_seed, "float32")
            model, scales, built, loss, x, y = rest
            error = float(np.abs(values / exact_losses - 1).max())
            assert error < 1e-5, f"{program} with {optimizer} rounds too much to be a reference: {error}"
            weights = []
            arrays = {"losses": values, "input.head": x[0, :8], "label.head": y[:8].ravel()[:8]}
            for k, weight in enumerate(model.weights):
                path = weight.path.removeprefix("model/")
                step = drawn.stride(first[k].size, 4096)
                arrays[f"first_gradient.{path}"] = first[k].ravel()[::step]
                arrays[f"initial.head.{path}"] = draw(WEIGHT_SEED + k, weight.shape, scales[k]).ravel()[:8]
                arrays[f"final.{path}"] = final[k].ravel()[::step]
                weights.append({
                    "path": path,
                    "shape": weight.shape,
                    "seed": WEIGHT_SEED + k,
                    "scale": scales[k],
                    "stride": step,
                    "final_sum": float(final[k].sum(dtype="float64")),
                    "final_abs_sum": float(np.abs(final[k]).sum(dtype="float64")),
                    "reference_error": {
                        "first_gradient": float(np.abs(first[k] - exact_first[k]).max()),
                        "final": float(np.abs(final[k] - exact_final[k]).max()),
                    },
                })
            width, stack, _ = PROGRAMS[program]
            golden = {
                "program": program,
                "input": width,
                "dense": [{"units": units, "activation": activation} for units, activation in stack],
                "loss": common.config(loss),
                "optimizer": common.config(built),
                "batch": BATCH,
                "steps": STEPS,
                "input_seed": input_seed,
                "label_seed": LABEL_SEED,
                "label_shape": y.shape,
                "weights": weights,
                "losses_float64": exact_losses.tolist(),
                "reference_error": {"losses_relative": error},
            }
            common.write(folder, f"{program}_{optimizer}", arrays, golden)


main()
