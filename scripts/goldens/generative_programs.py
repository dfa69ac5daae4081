"""The programs that make pictures: 20 steps from the same start on the same batches with the same noise, as for the dense
programs.

The pictures of `diffusion` are smaller than the program's own, and what the last bit of the noise's variance is worth, which
the highest of its sines show, is told by a run with another one. The numbers that go in are computed on both sides, noise by
the engine's generator; of large weights every stride-th value is stored. What float32 rounds is told by the same run in
float64.
"""

import contextlib
from unittest import mock

import common
import drawn
import ours
import philox
from common import jax, keras, np
from drawn import draw

layers, ops = keras.layers, keras.ops

STEPS, BATCH = 20, 4
WEIGHT_SEED, INPUT_SEED = 10, 100
BIAS_SCALE = 0.1
MOST = 64  # values of a weight that are stored
NUDGE = 2.0**-23
LEAST_ANGLE, MOST_ANGLE = np.arccos(0.95), np.arccos(0.02)


def vae(image):
    latent = 2
    inputs = keras.Input(image)
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(inputs)
    x = layers.Flatten()(layers.Conv2D(64, 3, strides=2, padding="same", activation="relu")(x))
    x = layers.Dense(16, activation="relu")(x)
    mean, log_var = (layers.Dense(latent, name=name)(x) for name in ("z_mean", "z_log_var"))
    epsilon = keras.Input((latent,))
    z = mean + ops.exp(0.5 * log_var) * epsilon
    x = layers.Dense(image[0] // 4 * (image[1] // 4) * 64, activation="relu", name="decoder_dense")(z)
    x = layers.Reshape((image[0] // 4, image[1] // 4, 64))(x)
    for filters in (64, 32):
        x = layers.Conv2DTranspose(filters, 3, strides=2, padding="same", activation="relu")(x)
    picture = layers.Conv2D(1, 3, padding="same", activation="sigmoid", name="decoder_conv2d")(x)
    return keras.Model([inputs, epsilon], [picture, mean, log_var])


def vae_loss(call, x, step, nudge):
    picture, mean, log_var = call([x, philox.normal(0, step, 0, (len(x), 2)).astype(x.dtype)])
    entropy = -(x * ops.log(picture) + (1 - x) * ops.log(1 - picture))
    divergence = -0.5 * (1 + log_var - mean**2 - ops.exp(log_var))
    return ops.sum(entropy) / len(x) + ops.mean(ops.sum(divergence, axis=-1))


def diffusion(image):
    widths, blocks = (32, 64, 96, 128), 2

    def block(x, width):
        # The engine counts layers of a class along what the outputs depend on, the first argument first.
        y = layers.BatchNormalization()(x)
        y = layers.Conv2D(width, 3, padding="same", activation="silu")(y)
        y = layers.Conv2D(width, 3, padding="same")(y)
        return layers.Add()([y, x if x.shape[-1] == width else layers.Conv2D(width, 1)(x)])

    pictures, variance = keras.Input(image), keras.Input((1, 1, 1))
    x = layers.Conv2D(widths[0], 1)(pictures)
    level = layers.UpSampling2D(image[:2])(ours.SinusoidalEmbedding(32)(variance))
    x, seen = layers.Concatenate()([x, level]), []
    for width in widths[:-1]:
        for _ in range(blocks):
            x = block(x, width)
            seen.append(x)
        x = layers.AveragePooling2D(2)(x)
    for _ in range(blocks):
        x = block(x, widths[-1])
    for width in reversed(widths[:-1]):
        x = layers.UpSampling2D(2)(x)
        for _ in range(blocks):
            x = block(layers.Concatenate()([x, seen.pop()]), width)
    return keras.Model([pictures, variance], layers.Conv2D(image[2], 1, kernel_initializer="zeros")(x))


def diffusion_loss(call, x, step, nudge):
    noise = philox.normal(0, step, 0, x.shape).astype(x.dtype)
    # The highest frequency shows each rounding of the variance, so that it is float32's in the float64 run too, each
    # operation rounded once.
    times = philox.uniform(0, step, 1, (len(x), 1, 1, 1))
    angles = (np.float32(MOST_ANGLE - LEAST_ANGLE) * times + np.float32(LEAST_ANGLE)).astype("float64")
    signal, rate = np.cos(angles).astype("float32"), np.sin(angles).astype("float32")
    predicted = call([signal.astype(x.dtype) * x + rate.astype(x.dtype) * noise, (rate * rate * np.float32(1 + nudge)).astype(x.dtype)])
    return ops.mean(ops.abs(noise - predicted))


# The picture, the network, the loss, the program's own optimizer, the rate of plain descent.
PROGRAMS = {
    "vae": ((28, 28, 1), vae, vae_loss, lambda: keras.optimizers.Adam(1e-3), 1e-4),
    "diffusion": ((16, 16, 3), diffusion, diffusion_loss, lambda: keras.optimizers.AdamW(1e-3), 1e-2),
}
OPTIMIZERS = {"sgd": lambda own, rate: keras.optimizers.SGD(rate), "own": lambda own, rate: own()}


def start(weight):
    """Seeded values about 0, or about 1 where Keras begins with ones: offset and scale."""
    if len(weight.shape) > 1:
        return 0.0, float(np.float32((6 / (np.prod(weight.shape[:-2]) * sum(weight.shape[-2:]))) ** 0.5))
    return float(weight.path.endswith(("gamma", "moving_variance"))), BIAS_SCALE


def path_of(weight):
    """The path as the engine has it, where encoder and decoder are models inside."""
    for own in ("dense", "conv2d"):
        if weight.path.startswith(f"decoder_{own}/"):
            return weight.path.replace("decoder_", "decoder/")
    return weight.path


def paths_of(program, model):
    def path(weight):
        path = path_of(weight)
        inside = "decoder" if path.startswith("conv2d_transpose") else "encoder"
        return path if program != "vae" or "decoder/" in path else f"{inside}/{path}"

    return [path(weight) for weight in model.weights]


@contextlib.contextmanager
def in_float64():
    """Keras's rules for JAX make float32 of float64."""
    with mock.patch.dict(keras.src.backend.common.dtypes.BIT64_TO_BIT32_DTYPE, float64="float64"):
        yield


def train(program, optimizer, floats, nudge=0):
    """Losses before each update, the first step's gradients by path, the weights at the end, and what was built. `nudge`: by
    which share the variance of noise is larger."""
    keras.utils.clear_session()
    keras.config.set_floatx(floats)
    keras.config.set_dtype_policy(floats)
    exact = floats == "float64"
    image, network, loss, own, rate = PROGRAMS[program]
    with jax.enable_x64(exact), in_float64() if exact else contextlib.nullcontext():
        x = draw(INPUT_SEED, (STEPS * BATCH, *image))
        # Of `vae` pictures in [0, 1).
        x = ((x + 1) / 2 if program == "vae" else x).astype(floats)
        model = network(image)
        starts = [start(weight) for weight in model.weights]
        for k, (weight, (offset, scale)) in enumerate(zip(model.weights, starts)):
            weight.assign((np.float32(offset) + draw(WEIGHT_SEED + k, weight.shape, scale)).astype(floats))
        optimizer = OPTIMIZERS[optimizer](own, rate)
        optimizer.build(model.trainable_variables)

        def value(weights, fixed, x, step):
            left = []

            def call(inputs):
                outputs, fixed_after = model.stateless_call(weights, fixed, inputs, training=True)
                left.append(fixed_after)
                return outputs

            return loss(call, x, step, nudge), left[0]

        slope = jax.value_and_grad(value, has_aux=True)
        values, first = [], None
        for step in range(STEPS):
            rows = slice(step * BATCH, (step + 1) * BATCH)
            weights, fixed = ([v.value for v in part] for part in (model.trainable_variables, model.non_trainable_variables))
            (value_, fixed), gradients = slope(weights, fixed, x[rows], step)
            assert value_.dtype == floats and all(g.dtype == floats for g in gradients)
            first = first or {v.path: np.array(g) for v, g in zip(model.trainable_variables, gradients)}
            values.append(np.array(value_))
            optimizer.apply(gradients, model.trainable_variables)
            for variable, new in zip(model.non_trainable_variables, fixed):
                variable.assign(new)
        final = [np.array(v.value) for v in model.weights]
    return np.array(values), first, final, (model, starts, optimizer, x)


def off(exact, *runs):
    """The most that one of the runs is off by."""
    return max(float(np.abs(run - exact).max()) for run in runs)


def main():
    folder = common.output_folder()
    for program, (image, *_) in PROGRAMS.items():
        for name in OPTIMIZERS:
            exact_losses, exact_first, exact_final, _ = train(program, name, "float64")
            values, first, final, (model, starts, built, x) = train(program, name, "float32")
            # A card's sine may be another by its last bits.
            nudged = train(program, name, "float32", NUDGE) if program == "diffusion" else (values, first, final, None)
            noise = philox.normal(0, 0, 0, (BATCH, 2) if program == "vae" else (BATCH, *image))
            arrays = {"losses": values, "input.head": x.ravel()[:8], "noise.head": noise.ravel()[:8]}
            weights = []
            for k, (path, weight, (offset, scale)) in enumerate(zip(paths_of(program, model), model.weights, starts)):
                step = drawn.stride(final[k].size, MOST)
                head = np.float32(offset) + draw(WEIGHT_SEED + k, weight.shape, scale).ravel()[:8]
                arrays |= {f"initial.head.{path}": head, f"final.{path}": final[k].ravel()[::step]}
                error = {"final": off(exact_final[k], final[k], nudged[2][k])}
                if weight.path in first:
                    gradient = first[weight.path]
                    arrays[f"first_gradient.{path}"] = gradient.ravel()[::step]
                    error["first_gradient"] = off(exact_first[weight.path], gradient, nudged[1][weight.path])
                about = {"path": path, "shape": weight.shape, "seed": WEIGHT_SEED + k, "offset": offset, "scale": scale}
                weights.append(about | {"stride": step, "trainable": weight.path in first, "reference_error": error})
            golden = {
                "program": program,
                "pictures": image,
                "optimizer": common.config(built),
                "batch": BATCH,
                "steps": STEPS,
                "input_seed": INPUT_SEED,
                "weights": weights,
                "losses_float64": exact_losses.tolist(),
                "losses_nudged": nudged[0].tolist(),
                "reference_error": {"losses_relative": float(np.abs(values / exact_losses - 1).max())},
            }
            common.write(folder, f"{program}_{name}", arrays, golden)
            print(program, name, golden["reference_error"], values[:3], values[-1])


main()
