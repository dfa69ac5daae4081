"""The programs that look at images: 20 steps from the same start on the same batches, as for the dense programs.

The images are smaller than the programs' own, about the smallest that their windows fit, and a batch has few of them, so
that a test takes seconds. The numbers that go in are computed on both sides, and of large weights 256 values are stored.
Among so many hidden values some lie at relu's kink: what float32 rounds is told by the same run in float64, step by step.
Where normalisations pass a unit that learns or not on to all others, the inputs' seed is the first for which no hidden value
comes near the kink in the steps that decide.
"""

import itertools

import common
import drawn
from common import jax, keras, np
from drawn import bits, draw

layers, losses = keras.layers, keras.losses

STEPS, CLASSES = 20, 10
LABEL_SEED, WEIGHT_SEED, INPUT_SEED = 1, 10, 100  # the first tried of the inputs
BIAS_SCALE = 0.1
DECISIVE = 5  # steps
ORDERS = (1, 3, 5)  # in which the first step's gradients are computed again: shifts of the batch
MARGIN = 5e-6  # three times float32's rounding of a hidden value of the residual network

hidden = []  # the values before each relu, as the last call of the model saw them


def relu(x):
    hidden.append(x)
    return keras.ops.relu(x)


def convnet(x):
    for filters in (64, 128):
        x = layers.MaxPooling2D(2)(layers.Conv2D(filters, 3, activation=relu)(x))
    return layers.Conv2D(256, 3, activation=relu)(x)


def separable_convnet(x):
    for i, pair in enumerate([(32, 64), (64, 128), (64, 128)]):
        x = layers.MaxPooling2D(2)(x) if i else x
        for filters in pair:
            x = layers.SeparableConv2D(filters, 3, activation=relu)(x)
    return x


def resnet(x):
    x = layers.Conv2D(32, 3, padding="same")(x)
    for filters in (32, 64, 128):
        for block in range(2):
            strides = 2 if filters > 32 and block == 0 else 1
            skip = layers.Conv2D(filters, 1, strides=strides)(x) if strides > 1 else x
            x = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(x)
            x = layers.Activation(relu)(layers.BatchNormalization()(x))
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            x = layers.Activation(relu)(layers.Add()([layers.BatchNormalization()(x), skip]))
    return x


# The image, the layers before the mean over it, the units between that and the classes, loss, optimizer, images of a batch,
# least distance from the kink.
PROGRAMS = {
    "convnet": ((18, 18, 1), convnet, (), losses.SparseCategoricalCrossentropy, keras.optimizers.Adam, 16, 0),
    "separable-convnet": (
        (32, 32, 3), separable_convnet, (32,), losses.CategoricalCrossentropy, keras.optimizers.RMSprop, 16, 0
    ),
    "resnet": ((8, 8, 3), resnet, (), losses.SparseCategoricalCrossentropy, keras.optimizers.Adam, 8, MARGIN),
}
# Plain descent is slow where a unit that turns at the kink in a later step would show in the losses.
OPTIMIZERS = {
    "sgd": lambda own, margin: keras.optimizers.SGD(1e-4 if margin else 1e-3),
    "own": lambda own, margin: own(1e-3),
}


def start(weight, optimizer):
    """Seeded values about 0, or about 1 where Keras begins with ones: offset and scale."""
    if len(weight.shape) > 1:
        window, channels = np.prod(weight.shape[:-2]), sum(weight.shape[-2:])
        # A depthwise filter sees one channel, and Keras's first values, made for all, shrink gradients to nothing on the way
        # through six of them. RMSprop divides by their size, so that it needs no larger ones.
        if weight.name == "depthwise_kernel" and optimizer == "sgd":
            channels = 2
        return 0.0, float(np.float32((6 / (window * channels)) ** 0.5))
    return float(weight.path.endswith(("gamma", "moving_variance"))), BIAS_SCALE


def build(program, optimizer):
    """The model, and offset and scale of each weight."""
    image, body, dense, *_ = PROGRAMS[program]
    inputs = keras.Input(image)
    x = layers.GlobalAveragePooling2D()(body(inputs))
    for units in dense:
        x = layers.Dense(units, activation=relu)(x)
    model = keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(x))
    starts = [start(weight, optimizer) for weight in model.weights]
    for k, (weight, (offset, scale)) in enumerate(zip(model.weights, starts)):
        weight.assign((np.float32(offset) + draw(WEIGHT_SEED + k, weight.shape, scale)).astype(weight.dtype))
    return model, starts


def train(program, optimizer, input_seed, floats):
    """Losses before each update, the first step's gradients by path in each order, the weights at the end, and what was built;
    nothing where a hidden value comes too near the kink."""
    keras.utils.clear_session()
    keras.config.set_floatx(floats)
    keras.config.set_dtype_policy(floats)
    with jax.enable_x64(floats == "float64"):
        image, _, _, loss, own, batch, margin = PROGRAMS[program]
        x = draw(input_seed, (STEPS * batch, *image)).astype(floats)
        y = ((bits(LABEL_SEED, STEPS * batch) >> np.uint32(8)) % np.uint32(CLASSES)).astype("int32")
        y = y.reshape(-1, 1) if loss is losses.SparseCategoricalCrossentropy else np.eye(CLASSES, dtype=floats)[y]
        model, starts = build(program, optimizer)
        optimizer, loss = OPTIMIZERS[optimizer](own, margin), loss()
        optimizer.build(model.trainable_variables)

        def value(weights, fixed, x, y):
            hidden.clear()
            outputs, fixed = model.stateless_call(weights, fixed, x, training=True)
            nearest = jax.numpy.array([abs(values).min() for values in hidden]).min()
            return loss(y, outputs), (fixed, nearest)

        slope = jax.jit(jax.value_and_grad(value, has_aux=True))
        values, first = [], None
        for step in range(STEPS):
            rows = slice(step * batch, (step + 1) * batch)
            weights = [v.value for v in model.trainable_variables]
            fixed = fixed_before = [v.value for v in model.non_trainable_variables]
            (value_, (fixed, nearest)), gradients = slope(weights, fixed, x[rows], y[rows])
            if floats == "float64" and step < DECISIVE and nearest < margin:
                return None
            assert value_.dtype == floats and all(g.dtype == floats for g in gradients)
            if not first:
                # The same samples in other orders round otherwise: by how much tells what the first order's rounding is worth.
                runs = [gradients] + [
                    slope(weights, fixed_before, np.roll(x[rows], k, 0), np.roll(y[rows], k, 0))[1] for k in ORDERS
                ]
                first = [{v.path: np.array(g) for v, g in zip(model.trainable_variables, run)} for run in runs]
            values.append(np.array(value_))
            optimizer.apply(gradients, model.trainable_variables)
            for variable, new in zip(model.non_trainable_variables, fixed):
                variable.assign(new)
        final = {v.path: np.array(v.value) for v in model.weights}
    return np.array(values), first, final, (model, starts, optimizer, loss, x, y)


def main():
    folder = common.output_folder()
    for program, (image, *_) in PROGRAMS.items():
        for name in OPTIMIZERS:
            for input_seed in itertools.count(INPUT_SEED):
                if exact := train(program, name, input_seed, "float64"):
                    break
            exact_losses, exact_first, exact_final, _ = exact
            values, first, final, (model, starts, built, loss, x, y) = train(program, name, input_seed, "float32")
            arrays = {"losses": values, "input.head": x.ravel()[:8], "label.head": y[:8].ravel()[:8]}
            weights = []
            for k, (weight, (offset, scale)) in enumerate(zip(model.weights, starts)):
                path = weight.path
                step = drawn.stride(final[path].size, 256)
                head = np.float32(offset) + draw(WEIGHT_SEED + k, weight.shape, scale).ravel()[:8]
                arrays |= {f"initial.head.{path}": head, f"final.{path}": final[path].ravel()[::step]}
                error = {"final": float(np.abs(final[path] - exact_final[path]).max())}
                if path in first[0]:
                    arrays[f"first_gradient.{path}"] = first[0][path].ravel()[::step]
                    error["first_gradient"] = max(float(np.abs(run[path] - exact_first[0][path]).max()) for run in first)
                about = {"path": path, "shape": weight.shape, "seed": WEIGHT_SEED + k, "offset": offset, "scale": scale}
                weights.append(about | {"stride": step, "trainable": path in first[0], "reference_error": error})
            golden = {
                "program": program,
                "input": image,
                "loss": common.config(loss),
                "optimizer": common.config(built),
                "batch": PROGRAMS[program][5],
                "steps": STEPS,
                "input_seed": input_seed,
                "label_seed": LABEL_SEED,
                "label_shape": y.shape,
                "weights": weights,
                "losses_float64": exact_losses.tolist(),
                "reference_error": {"losses_relative": float(np.abs(values / exact_losses - 1).max())},
            }
            common.write(folder, f"{program}_{name}", arrays, golden)


main()
