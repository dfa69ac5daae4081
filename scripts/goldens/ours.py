"""What Keras has in examples and not in the package, by the names under which this engine's files have it."""

from common import keras, np

register = keras.saving.register_keras_serializable(package="uncrumple")


@register
class Sampling(keras.layers.Layer):
    """https://keras.io/examples/generative/vae/, which draws in predictions too."""

    def draw(self, shape):
        return keras.random.normal(shape)

    def call(self, inputs, training=False):
        z_mean, z_log_var = inputs
        if not training:
            return z_mean
        return z_mean + keras.ops.exp(0.5 * z_log_var) * self.draw(keras.ops.shape(z_mean))

    def get_config(self):
        return super().get_config()  # and nothing that Keras finds out by itself


@register
class SinusoidalEmbedding(keras.layers.Layer):
    """https://keras.io/examples/generative/ddim/, with frequencies that are rounded once."""

    def __init__(self, output_dim, min_frequency=1.0, max_frequency=1000.0, **options):
        super().__init__(**options)
        self.output_dim, self.min_frequency, self.max_frequency = output_dim, min_frequency, max_frequency

    def call(self, x):
        frequencies = np.geomspace(self.min_frequency, self.max_frequency, self.output_dim // 2)
        # In float32 whatever the rest is in, as the engine has it.
        angles = keras.ops.cast(x, "float32") * (2 * np.pi * frequencies).astype("float32")
        angles = keras.ops.cast(angles, self.compute_dtype)
        return keras.ops.concatenate([keras.ops.sin(angles), keras.ops.cos(angles)], axis=-1)

    def get_config(self):
        own = {name: getattr(self, name) for name in ("output_dim", "min_frequency", "max_frequency")}
        return super().get_config() | own
