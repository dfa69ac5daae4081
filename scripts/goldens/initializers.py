"""Initializers: the distribution that Keras draws from for each shape (random bits differ between engines), and the
values of those that draw nothing."""

import common
from common import keras, np
from keras.src.initializers import random_initializers

SHAPES = [(784, 512), (64, 32), (13, 1), (3, 3, 5, 11), (2, 3, 4), (7,)]
initializers = keras.initializers

DRAWN = {
    "glorot_uniform": initializers.GlorotUniform(),
    "glorot_normal": initializers.GlorotNormal(),
    "he_uniform": initializers.HeUniform(),
    "he_normal": initializers.HeNormal(),
    "lecun_uniform": initializers.LecunUniform(),
    "lecun_normal": initializers.LecunNormal(),
    "random_uniform": initializers.RandomUniform(),
    "random_uniform_range": initializers.RandomUniform(minval=-0.3, maxval=0.7),
    "random_normal": initializers.RandomNormal(),
    "random_normal_shifted": initializers.RandomNormal(mean=0.5, stddev=0.2),
    "variance_scaling": initializers.VarianceScaling(),
    "variance_scaling_fan_out": initializers.VarianceScaling(2.5, "fan_out", "untruncated_normal"),
    "variance_scaling_fan_avg": initializers.VarianceScaling(0.5, "fan_avg", "uniform"),
    "truncated_normal": initializers.TruncatedNormal(),
    "truncated_normal_shifted": initializers.TruncatedNormal(mean=0.5, stddev=0.2),
}
FIXED = {
    "zeros": initializers.Zeros(),
    "ones": initializers.Ones(),
    "constant": initializers.Constant(0.25),
    "constant_default": initializers.Constant(),
}


class Listener:
    """Stands in for Keras's random functions inside its initializers and keeps what they are asked for."""

    def __init__(self, real):
        self.real = real

    def __getattr__(self, function):
        def ask(shape, **arguments):
            self.draw = function
            self.parameters = {k: v for k, v in arguments.items() if k not in ("dtype", "seed")}
            return getattr(self.real, function)(shape, **arguments)

        if function in ("uniform", "normal", "truncated_normal"):
            return ask
        return getattr(self.real, function)


def write_drawn(folder, name, initializer):
    listener = random_initializers.random = Listener(random_initializers.random)
    rows = []
    try:
        for shape in SHAPES:
            values = np.array(initializer(shape))
            assert values.shape == shape and values.dtype == np.float32
            asked = listener.parameters
            if listener.draw == "uniform":
                low, high = asked["minval"], asked["maxval"]
                mean, deviation = (low + high) / 2, (high - low) / 12**0.5
            else:
                # A truncated normal is cut at two deviations, which leaves a smaller one.
                mean, parent = asked.get("mean", 0.0), asked["stddev"]
                reach, factor = (2, 0.87962566103423978) if listener.draw == "truncated_normal" else (np.inf, 1)
                low, high, deviation = mean - reach * parent, mean + reach * parent, parent * factor
            error = deviation / values.size**0.5
            assert (low <= values).all() and (values <= high).all()
            assert abs(values.mean() - mean) < 5 * error, name
            assert values.size < 1000 or abs(values.std() - deviation) < 5 * error, name
            rows.append({"shape": shape, **asked, "expected_mean": mean, "expected_stddev": deviation})
    finally:
        random_initializers.random = listener.real
    numbers = [key for key in rows[0] if key != "shape"]
    golden = common.config(initializer) | {"draw": listener.draw, "shapes": SHAPES}
    arrays = {key: np.array([row[key] for row in rows], "float32") for key in numbers}
    common.write(folder, name, arrays, golden)


def main():
    folder = common.output_folder()
    for name, initializer in DRAWN.items():
        write_drawn(folder, name, initializer)
    for name, initializer in FIXED.items():
        values = {f"values.{i}": initializer(shape) for i, shape in enumerate(SHAPES[2:])}
        golden = common.config(initializer) | {"draw": "fixed", "shapes": SHAPES[2:]}
        common.write(folder, name, values, golden)


main()
