"""Layers: weights, output, and the gradients of every input and trainable weight for a random upstream gradient."""

import warnings

import common
import ours
import philox
from common import jax, keras, np

layers = keras.layers
ACTIVATIONS = ["linear", "relu", "sigmoid", "tanh", "softmax", "gelu", "silu", "elu", "softplus"]
MORE_ACTIVATIONS = [
    "celu", "exponential", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu", "log_sigmoid",
    "log_softmax", "mish", "relu6", "selu", "soft_shrink", "softsign", "sparse_plus", "sparse_sigmoid", "squareplus",
    "tanh_shrink",
]


def write_layer(folder, name, layer, *inputs, adapt=None, training=False, gradient=True, notes=None, masks=(),
                inner=()):
    """`inputs`: shapes (filled with normal values) or arrays. Without `gradient` the inputs have none; it may name those that
    have one. `masks`: those of the inputs, or None. `inner`: names of layers inside, which files have under `layer`."""
    random = common.rng(name)
    inputs = [common.normal(random, x) if isinstance(x, tuple) else x for x in inputs]
    arrays = {}
    if adapt is not None:
        layer.adapt(adapt)
        arrays["adapt"] = adapt
    for mask in masks:
        assert mask is None or mask.dtype == "bool"
    whole = inputs if len(inputs) > 1 else inputs[0]
    layer(whole)
    for weight in layer.trainable_weights:
        weight.assign(common.normal(random, weight.shape, 0.7))
    prefix = f"{layer.name}/"
    names = {weight.path: weight.path.removeprefix(prefix) for weight in layer.weights}
    for path, own in names.items():
        names[path] = "/".join("layer" if part in inner else part for part in own.split("/"))

    have = range(len(inputs)) if gradient is True else gradient or ()
    differentiable = [i for i in have if inputs[i].dtype == "float32"]

    def run(trainable, floats):
        whole = list(inputs)
        for i, x in zip(differentiable, floats):
            whole[i] = x
        for i, mask in enumerate(masks):
            whole[i] = jax.numpy.array(whole[i])
            keras.src.backend.set_keras_mask(whole[i], None if mask is None else jax.numpy.array(mask))
        call = {"training": training} if layer._call_has_training_arg else {}
        # A stateless call would know no masks.
        with keras.StatelessScope(list(zip(layer.trainable_variables, trainable))) as scope:
            y = layer(whole if len(whole) > 1 else whole[0], **call)
            fixed = [scope.get_current_value(v) for v in layer.non_trainable_variables]
        fixed = [v.value if now is None else now for v, now in zip(layer.non_trainable_variables, fixed)]
        return y, (fixed, keras.src.backend.get_keras_mask(y))

    trainable = [v.value for v in layer.trainable_variables]
    output, pull, (fixed, output_mask) = jax.vjp(run, trainable, [inputs[i] for i in differentiable], has_aux=True)
    grad_output = common.normal(random, output.shape)
    grad_weights, grad_inputs = pull(grad_output)

    arrays |= {f"input.{i}": x for i, x in enumerate(inputs)}
    arrays |= {f"weight.{names[w.path]}": w.value for w in layer.weights}
    arrays |= {"output": output, "grad_output": grad_output}
    arrays |= {f"mask.{i}": mask for i, mask in enumerate(masks) if mask is not None}
    if output_mask is not None:
        arrays["output_mask"] = output_mask
    arrays |= {f"grad_input.{i}": g for i, g in zip(differentiable, grad_inputs)}
    arrays |= {f"grad_weight.{names[w.path]}": g for w, g in zip(layer.trainable_weights, grad_weights)}
    for variable, value in zip(layer.non_trainable_variables, fixed):
        if variable.path in names and (np.array(value) != np.array(variable.value)).any():
            arrays[f"updated.{names[variable.path]}"] = value
    golden = common.config(layer) | {
        "inputs": len(inputs),
        "training": training,
        "adapt": adapt is not None,
        "weights": [{"name": names[w.path], "trainable": w.trainable} for w in layer.weights],
    }
    if notes:
        golden["notes"] = notes
    common.write(folder, name, arrays, golden)


def dense(folder):
    def case(name, *arguments, shape, **options):
        write_layer(folder, f"dense_{name}", layers.Dense(*arguments, **options, name="dense"), shape)

    for activation in ACTIVATIONS:
        case(activation, 7, activation=activation, shape=(5, 11))
        case(f"{activation}_3d", 3, activation=activation, shape=(3, 4, 5))
    for activation in MORE_ACTIVATIONS:
        case(activation, 6, activation=activation, shape=(5, 11))
    case(
        "penalties",
        4,
        kernel_regularizer=keras.regularizers.L1L2(0.01, 0.02),
        bias_regularizer="l2",
        activity_regularizer=keras.regularizers.L1(0.5),
        kernel_constraint=keras.constraints.MaxNorm(3.0),
        bias_constraint="non_neg",
        shape=(3, 6),
    )
    case("default", 6, shape=(4, 3))
    case("linear_no_bias", 7, use_bias=False, shape=(5, 11))
    case("relu_no_bias", 7, activation="relu", use_bias=False, shape=(5, 11))
    case("softmax_no_bias_3d", 3, activation="softmax", use_bias=False, shape=(2, 3, 5))
    case("one_unit", 1, activation="sigmoid", shape=(8, 5))
    case("one_row", 9, activation="relu", shape=(1, 13))
    case("one_input", 5, activation="tanh", shape=(6, 1))
    case("wide", 33, activation="relu", shape=(3, 67))
    case(
        "initializers",
        4,
        kernel_initializer=keras.initializers.HeNormal(seed=7),
        bias_initializer=keras.initializers.Constant(0.25),
        shape=(3, 6),
    )


def activation(folder):
    special = np.array([[-100, -50, -10, -1, -0.5, -0.0, 0, 0.5, 1, 10, 50, 100]], "float32")
    for function in ACTIVATIONS:
        for label, x in [("2d", (4, 7)), ("3d", (2, 3, 5)), ("special", special)]:
            write_layer(folder, f"activation_{function}_{label}", layers.Activation(function, name="activation"), x)
    for function in MORE_ACTIVATIONS:
        write_layer(folder, f"activation_{function}", layers.Activation(function, name="activation"), (3, 4, 6))


def activation_layers(folder):
    def case(label, layer, *inputs):
        write_layer(folder, f"{layer.name}_{label}", layer, *inputs)

    image = (2, 3, 4, 5)
    case("default", layers.ReLU(name="relu"), (4, 7))
    case("all", layers.ReLU(max_value=1.2, negative_slope=0.2, threshold=0.3, name="relu"), (4, 7))
    case("max_value", layers.ReLU(max_value=0.5, name="relu"), (4, 7))
    case("threshold", layers.ReLU(threshold=0.4, name="relu"), (4, 7))
    case("default", layers.LeakyReLU(name="leaky_relu"), (4, 7))
    case("slope", layers.LeakyReLU(negative_slope=0.05, name="leaky_relu"), image)
    case("default", layers.ELU(name="elu"), (4, 7))
    case("alpha", layers.ELU(alpha=0.3, name="elu"), image)
    case("default", layers.PReLU(name="prelu"), (4, 7))
    case("shared", layers.PReLU(shared_axes=[1, 2], name="prelu"), image)
    options = {"alpha_initializer": "he_normal", "alpha_regularizer": "l1", "alpha_constraint": "unit_norm"}
    case("options", layers.PReLU(**options, name="prelu"), (4, 3, 5))
    case("default", layers.Softmax(name="softmax"), (4, 7))
    for label, axis in [("axis_1", 1), ("list", [2]), ("last_two", [2, 3]), ("apart", [1, 3]), ("negative", (-3, -1))]:
        case(label, layers.Softmax(axis=axis, name="softmax"), image)


def masks(folder):
    """What every layer makes of masks: of steps that are all kept, all dropped, or kept raggedly."""
    ragged = np.array([[1, 1, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0]], bool)
    kinds = {"ragged": ragged, "kept": np.ones((3, 4), bool), "dropped": np.zeros((3, 4), bool)}
    other = np.array([[1, 0, 0, 1], [0, 1, 0, 0], [1, 1, 1, 1]], bool)
    some = ragged | np.eye(3, 4, 2, dtype=bool)  # a mean of nothing is NaN
    x = (3, 4, 5)

    def case(cls, label, masks, *inputs, options={}, **how):
        name = f"{keras.src.utils.naming.to_snake_case(cls.__name__)}_masked{label}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of layers that destroy a mask
            write_layer(folder, name, cls(**options, name="layer"), *(inputs or [x]), masks=masks, **how)

    merges = layers.Add, layers.Average, layers.Concatenate, layers.Maximum, layers.Minimum, layers.Multiply
    for kind, mask in kinds.items():
        case(layers.BatchNormalization, f"_{kind}", [mask], training=True)
        for cls in merges:
            case(cls, f"_{kind}", [mask, other], x, x)
    for cls in merges:
        case(cls, "_one", [None, ragged], x, x)
        case(cls, "_three", [ragged, other, ~ragged], x, x, x)
    case(layers.Subtract, "", [ragged, other], x, x)
    case(layers.Dot, "", [ragged, other], x, x, options={"axes": 2})
    for axis in 1, -2:
        case(layers.Concatenate, f"_axis_{axis}", [ragged, other[:, :2]], x, (3, 2, 5), options={"axis": axis})
        case(layers.Concatenate, f"_axis_{axis}_one", [None, other[:, :2]], x, (3, 2, 5), options={"axis": axis})
    case(layers.BatchNormalization, "_axis", [ragged], training=True, options={"axis": 1})
    case(layers.BatchNormalization, "_inference", [ragged])
    case(layers.GlobalAveragePooling1D, "_some", [some])
    case(layers.GlobalAveragePooling1D, "_kept", [kinds["kept"]], options={"keepdims": True})
    case(layers.Softmax, "", [ragged], (3, 4))
    for name, options in {
        "Activation": {"activation": "tanh"}, "ActivityRegularization": {"l1": 0.1}, "AlphaDropout": {"rate": 0.3},
        "AveragePooling1D": {"pool_size": 2}, "Conv1D": {"filters": 2, "kernel_size": 2}, "Cropping1D": {},
        "Dense": {"units": 2}, "Dropout": {"rate": 0.3}, "ELU": {}, "Flatten": {}, "GaussianDropout": {"rate": 0.3},
        "GaussianNoise": {"stddev": 0.3}, "GlobalMaxPooling1D": {}, "GroupNormalization": {"groups": 5},
        "LayerNormalization": {}, "LeakyReLU": {}, "Masking": {}, "MaxPooling1D": {}, "Permute": {"dims": (2, 1)},
        "PReLU": {}, "RMSNormalization": {}, "ReLU": {}, "Rescaling": {"scale": 2.0}, "Reshape": {"target_shape": (5, 4)},
        "SpatialDropout1D": {"rate": 0.3}, "UnitNormalization": {}, "UpSampling1D": {}, "ZeroPadding1D": {},
    }.items():
        case(getattr(layers, name), "", [ragged], options=options)
    case(layers.RepeatVector, "", [ragged[:, 0]], (3, 5), options={"n": 2})
    gaps = common.normal(common.rng("gaps"), (3, 4, 2))
    gaps[0, 2:], gaps[1], gaps[2, :, 1] = 0, 0, 0
    case(layers.Masking, "_steps", [None], gaps)
    case(layers.Masking, "_of_ones", [None], gaps * 0 + 1, options={"mask_value": 1.0})


def embedding(folder):
    random = common.rng("embedding")
    numbers = random.integers(0, 7, (4, 5)).astype("int32")
    numbers[0, 3:], numbers[1] = 0, 0
    case = lambda label, x, *arguments, **options: write_layer(
        folder, f"embedding_{label}", layers.Embedding(*arguments, **options, name="embedding"), x, gradient=False
    )
    case("default", numbers, 7, 3)
    case("mask_zero", numbers, 7, 3, mask_zero=True)
    case("vector", numbers[:, 0], 7, 2, mask_zero=True)
    case("grid", numbers.reshape(2, 2, 5).astype("int64"), 7, 2, mask_zero=True)
    case("floats", numbers.astype("float32") * 0.9, 7, 3, mask_zero=True)
    case("options", numbers, 7, 3, embeddings_initializer="glorot_normal", embeddings_regularizer="l2",
         embeddings_constraint="unit_norm")


def time_distributed(folder):
    def case(label, layer, *inputs, inner=(), **options):
        inner = [layer.name, *inner]
        write_layer(folder, f"time_distributed_{label}", layers.TimeDistributed(layer, name="time_distributed"), *inputs,
                    inner=inner, **options)

    case("dense", layers.Dense(3, "relu", name="dense"), (2, 4, 5))
    case("conv2d", layers.Conv2D(2, 3, name="conv"), (2, 3, 5, 4, 2))
    case("flatten", layers.Flatten(name="flatten"), (2, 3, 2, 2))
    case("batch_normalization", layers.BatchNormalization(name="bn"), (4, 3, 2), training=True)
    case("batch_normalization_inference", layers.BatchNormalization(name="bn"), (4, 3, 2))
    case("penalty", layers.Dense(3, kernel_regularizer="l2", activity_regularizer="l1", name="dense"), (2, 4, 5))
    case("twice", layers.TimeDistributed(layers.Dense(2, name="dense"), name="inside"), (2, 3, 2, 4), inner=["dense"])
    mask = np.array([[1, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]], bool)
    case("batch_normalization_masked", layers.BatchNormalization(name="bn"), (4, 3, 2), training=True, masks=[mask])
    steps = np.array([[[1, 0], [1, 1], [0, 1]], [[0, 1], [1, 1], [1, 0]]], bool)
    case("pooling_masked", layers.GlobalAveragePooling1D(name="pool"), (2, 3, 2, 4), masks=[steps])


def dropout(folder):
    layer = lambda rate: layers.Dropout(rate, seed=3, name="dropout")
    write_layer(folder, "dropout_inference", layer(0.3), (4, 7))
    write_layer(folder, "dropout_inference_3d", layer(0.5), (2, 3, 5))
    write_layer(folder, "dropout_rate_0_training", layer(0.0), (4, 7), training=True)
    for rank, shape in (1, (2, 5, 3)), (2, (2, 3, 4, 3)), (3, (1, 2, 3, 2, 4)):
        name = f"spatial_dropout{rank}d"
        layer = lambda rate: getattr(layers, f"SpatialDropout{rank}D")(rate, seed=3, name=name)
        write_layer(folder, f"{name}_inference", layer(0.3), shape)
        write_layer(folder, f"{name}_rate_0_training", layer(0.0), shape, training=True)


def noise(folder):
    for layer in (
        layers.GaussianNoise(0.2, seed=3, name="gaussian_noise"),
        layers.GaussianDropout(0.3, seed=3, name="gaussian_dropout"),
        layers.AlphaDropout(0.3, noise_shape=(None, 1), name="alpha_dropout"),
        layers.ActivityRegularization(0.1, 0.2, name="activity_regularization"),
    ):
        write_layer(folder, f"{layer.name}_inference", layer, (4, 7))
    for layer in (
        layers.GaussianNoise(0.0, name="gaussian_noise"),
        layers.GaussianDropout(0.0, name="gaussian_dropout"),
        layers.AlphaDropout(0.0, name="alpha_dropout"),
        layers.ActivityRegularization(name="activity_regularization"),
    ):
        write_layer(folder, f"{layer.name}_nothing", layer, (2, 3, 5), training=True)


def generative(folder):
    layer = ours.Sampling(name="sampling")
    layer.draw = lambda shape: philox.normal(0, 0, 0, shape)
    for training in (False, True):
        name = f"sampling_{'training' if training else 'inference'}"
        # In a prediction the variance is not read.
        write_layer(folder, name, layer, (5, 3), (5, 3), training=training, gradient=training or [0])
    levels = np.linspace(0, 1, 9, dtype="float32").reshape(9, 1, 1, 1)
    write_layer(folder, "sinusoidal_embedding", ours.SinusoidalEmbedding(32), levels)
    few = ours.SinusoidalEmbedding(2, min_frequency=0.5, max_frequency=4.0)
    write_layer(folder, "sinusoidal_embedding_2", few, (3, 4, 1))


def normalizing(folder):
    def case(label, layer, *inputs):
        write_layer(folder, f"{layer.name}_{label}", layer, *inputs)

    norm = lambda **options: layers.LayerNormalization(**options, name="layer_normalization")
    image = (2, 3, 4, 5)
    case("default", norm(), (6, 13))
    case("3d", norm(), (2, 3, 33))
    case("no_center", norm(center=False), (6, 13))
    case("no_scale", norm(scale=False), (6, 13))
    case("neither", norm(center=False, scale=False, epsilon=1e-5), (6, 13))
    case("axis_1", norm(axis=1), image)
    case("axes_2_3", norm(axis=[2, 3]), image)
    case("axes_3_1", norm(axis=[3, 1]), image)
    case("all_axes", norm(axis=[-1, -2, -3]), image)
    case("options", norm(gamma_regularizer="l2", beta_constraint="max_norm", beta_initializer="ones"), (6, 13))
    rms = lambda **options: layers.RMSNormalization(**options, name="rms_normalization")
    case("default", rms(), (6, 13))
    # Keras 3.15 fails over axes that are not the last ones: it does not stretch the scale along the others.
    case("epsilon", rms(epsilon=0.5), image)
    case("axes_2_3", rms(axis=[2, 3]), image)
    unit = lambda **options: layers.UnitNormalization(**options, name="unit_normalization")
    case("default", unit(), (6, 13))
    case("axis_1", unit(axis=1), image)
    case("axes_1_3", unit(axis=[1, 3]), image)


def convolutions(folder):
    def case(cls, label, *arguments, shape, **options):
        # Keras's own name, without the number of the instance.
        layer = cls(*arguments, **options, name=keras.src.utils.naming.to_snake_case(cls.__name__))
        write_layer(folder, f"{layer.name}_{label}", layer, shape)

    penalties = lambda name: {
        f"{name}_initializer": keras.initializers.HeNormal(seed=7),
        f"{name}_regularizer": keras.regularizers.L1L2(0.01, 0.02),
        f"{name}_constraint": keras.constraints.MaxNorm(3.0),
    }

    conv = lambda *arguments, **options: case(layers.Conv2D, *arguments, **options)
    conv("default", 4, 3, shape=(2, 5, 6, 3))
    conv("kernel_1", 4, 1, activation="relu", shape=(2, 3, 4, 5))
    conv("kernel_1_strides", 3, 1, strides=2, shape=(2, 5, 4, 3))
    conv("same", 3, 3, padding="same", activation="relu", shape=(2, 4, 5, 2))
    conv("same_strides", 3, (3, 2), strides=2, padding="same", shape=(2, 7, 6, 2))
    conv("same_beyond_the_image", 2, (5, 4), padding="same", shape=(2, 3, 2, 2))
    conv("same_dilation", 2, 3, dilation_rate=2, padding="same", shape=(1, 6, 7, 2))
    conv("strides_over_size", 3, 2, strides=(3, 4), shape=(2, 8, 6, 2))
    conv("dilation", 2, (2, 3), dilation_rate=(3, 1), shape=(2, 5, 5, 2))
    conv("groups", 6, 3, groups=2, activation="relu", shape=(2, 4, 4, 4))
    conv("groups_all", 4, 2, groups=4, padding="same", shape=(2, 3, 4, 4))
    conv("one_channel", 3, 3, use_bias=False, shape=(2, 5, 5, 1))
    conv("one_filter", 1, 3, activation="sigmoid", shape=(2, 4, 5, 3))
    conv("odd", 5, 3, strides=2, activation="tanh", shape=(1, 7, 9, 3))
    conv("gelu", 3, 2, activation="gelu", shape=(2, 3, 3, 2))
    conv("softmax", 3, 2, activation="softmax", shape=(2, 3, 3, 2))
    conv("glu", 4, 2, activation="glu", shape=(2, 3, 3, 2))
    options = penalties("kernel") | penalties("bias") | {"activity_regularizer": keras.regularizers.L1(0.5)}
    conv("options", 4, 2, **options, shape=(2, 3, 3, 2))

    conv = lambda *arguments, **options: case(layers.Conv1D, *arguments, **options)
    conv("default", 4, 3, shape=(2, 7, 3))
    conv("same_strides", 3, 4, strides=3, padding="same", activation="relu", shape=(2, 8, 2))
    conv("causal", 3, 3, padding="causal", activation="relu", shape=(2, 6, 2))
    conv("causal_dilation", 2, 2, dilation_rate=4, padding="causal", shape=(1, 9, 2))
    conv("causal_strides", 2, 3, strides=2, padding="causal", shape=(2, 6, 3))
    conv("groups", 6, 2, groups=3, shape=(2, 5, 3))

    conv = lambda *arguments, **options: case(layers.Conv3D, *arguments, **options)
    conv("default", 3, 2, shape=(2, 3, 4, 3, 2))
    conv("same_strides", 2, (3, 2, 1), strides=(1, 2, 3), padding="same", activation="relu", shape=(1, 3, 4, 5, 2))
    conv("dilation_groups", 4, 2, dilation_rate=(1, 2, 1), groups=2, shape=(1, 3, 4, 3, 2))

    conv = lambda *arguments, **options: case(layers.DepthwiseConv2D, *arguments, **options)
    conv("default", 3, shape=(2, 5, 6, 3))
    conv("multiplier", (3, 2), depth_multiplier=3, activation="relu", shape=(2, 4, 5, 2))
    conv("same_strides", 3, strides=2, padding="same", use_bias=False, shape=(1, 5, 7, 3))
    # It refuses no strides beside a dilation.
    conv("dilation_strides", 2, strides=2, dilation_rate=2, depth_multiplier=2, padding="same", shape=(2, 5, 6, 2))
    conv("options", 2, **penalties("depthwise"), **penalties("bias"), shape=(2, 3, 3, 2))
    conv = lambda *arguments, **options: case(layers.DepthwiseConv1D, *arguments, **options)
    conv("default", 3, shape=(2, 7, 3))
    conv("multiplier", 2, depth_multiplier=2, strides=2, padding="same", activation="gelu", shape=(2, 7, 2))

    conv = lambda *arguments, **options: case(layers.SeparableConv2D, *arguments, **options)
    conv("default", 4, 3, shape=(2, 5, 6, 3))
    conv("multiplier", 5, (2, 3), depth_multiplier=2, activation="relu", shape=(2, 4, 5, 3))
    conv("same_strides", 3, 3, strides=2, padding="same", activation="softmax", shape=(1, 5, 7, 2))
    conv("same_dilation", 3, 2, dilation_rate=2, padding="same", use_bias=False, shape=(2, 4, 5, 2))
    options = penalties("depthwise") | penalties("pointwise") | penalties("bias")
    conv("options", 2, 2, **options, shape=(2, 3, 3, 2))
    conv = lambda *arguments, **options: case(layers.SeparableConv1D, *arguments, **options)
    conv("default", 4, 3, shape=(2, 7, 3))
    conv("multiplier", 3, 4, depth_multiplier=3, strides=2, padding="same", activation="tanh", shape=(2, 8, 2))

    conv = lambda *arguments, **options: case(layers.Conv1DTranspose, *arguments, **options)
    conv("default", 4, 3, shape=(2, 5, 3))
    for size in (1, 2, 3, 4):
        for stride, more in [(1, None), (2, None), (3, None), (2, 0), (2, 1), (3, 1)]:
            for padding in ("valid", "same"):
                label = f"{size}_{stride}_{padding}" + ("" if more is None else f"_{more}")
                if (size, stride, more) in [(1, 1, None), (2, 1, None), (4, 1, None), (1, 2, None), (4, 3, 1)]:
                    continue
                conv(label, 1, size, strides=stride, padding=padding, output_padding=more, shape=(1, 3, 1))
    conv("dilation", 2, 3, dilation_rate=2, shape=(1, 4, 2))
    conv("dilation_same", 2, 2, dilation_rate=3, padding="same", activation="relu", shape=(1, 4, 2))
    conv("dilation_same_0", 2, 2, dilation_rate=3, padding="same", output_padding=0, shape=(1, 4, 2))
    conv = lambda *arguments, **options: case(layers.Conv2DTranspose, *arguments, **options)
    conv("default", 4, 3, shape=(2, 3, 4, 3))
    conv("same_strides", 3, 3, strides=2, padding="same", activation="relu", shape=(2, 3, 4, 2))
    conv("mixed", 2, (3, 2), strides=(2, 3), output_padding=(1, 0), activation="softmax", shape=(1, 3, 2, 3))
    conv("no_bias", 2, 2, strides=2, use_bias=False, shape=(2, 2, 3, 2))
    conv("options", 2, 2, **penalties("kernel"), **penalties("bias"), activation="gelu", shape=(2, 2, 2, 3))
    conv = lambda *arguments, **options: case(layers.Conv3DTranspose, *arguments, **options)
    conv("default", 2, 2, shape=(1, 2, 3, 2, 2))
    conv("same_strides", 2, (3, 2, 1), strides=(1, 2, 2), padding="same", shape=(1, 2, 2, 3, 2))


def batch_and_group(folder):
    image = (3, 4, 5, 6)
    for training in (True, False):
        def case(label, shape, **options):
            name = f"batch_normalization_{label}{'_training' if training else ''}"
            initializers = {
                "moving_mean_initializer": keras.initializers.RandomNormal(0.2, 1.0, seed=3),
                "moving_variance_initializer": keras.initializers.RandomUniform(0.5, 2.0, seed=4),
            }
            layer = layers.BatchNormalization(**{**initializers, **options}, name="batch_normalization")
            write_layer(folder, name, layer, shape, training=training)

        case("2d", (9, 5))
        case("image", image)
        case("sequence", (2, 7, 3), momentum=0.5, epsilon=1e-5)
        case("axis_1", image, axis=1)
        case("no_scale", image, scale=False)
        case("no_center", image, center=False, axis=-2)
        case("neither", (2, 3, 2, 2, 4), center=False, scale=False)
        case("one_channel", (4, 5, 3, 1))
        case("one_image", (1, 4, 3, 2))
        options = {"gamma_regularizer": "l2", "beta_constraint": "max_norm", "beta_initializer": "ones"}
        case("options", (8, 70), moving_mean_initializer="zeros", moving_variance_initializer="ones", **options)
    for label, shape, options in [
        ("default", (2, 3, 4, 64), {}),
        ("groups", image, {"groups": 2}),
        ("instance", image, {"groups": -1}),
        ("one_group", (2, 5, 6), {"groups": 1, "epsilon": 1e-5}),
        ("2d", (4, 6), {"groups": 3}),
        ("axis_1", image, {"groups": 2, "axis": 1}),
        ("no_scale", image, {"groups": 3, "scale": False}),
        ("neither", image, {"groups": 3, "scale": False, "center": False}),
    ]:
        write_layer(folder, f"group_normalization_{label}", layers.GroupNormalization(**options, name="group_normalization"), shape)


def pooling(folder):
    sequence, image, volume = (3, 11, 5), (2, 7, 6, 3), (2, 5, 4, 6, 2)
    # Few values, so that most windows have several largest elements.
    ties = common.rng("ties").integers(-1, 2, (2, 6, 5, 4)).astype("float32")
    for kind, default in ("Max", {}), ("Average", {"pool_size": 2}):
        def case(rank, label, x, *arguments, **options):
            name = f"{kind.lower()}_pooling{rank}d"
            layer = getattr(layers, f"{kind}Pooling{rank}D")(*arguments, **options, name=name)
            write_layer(folder, f"{name}_{label}", layer, x)

        case(1, "default", sequence, **default)
        case(1, "overlapping", sequence, 4, strides=1, padding="same")
        case(1, "apart", sequence, 2, strides=5)
        case(1, "one_channel", (1, 9, 1), 3, padding="same")
        case(2, "default", image, **default)
        case(2, "same", image, 2, padding="same")
        case(2, "overlapping", image, 3, strides=2, padding="same")
        case(2, "uneven", image, (3, 2), strides=(1, 2))
        case(2, "apart", image, (1, 2), strides=(3, 4), padding="same")
        case(2, "whole", (1, 4, 3, 17), (4, 3))
        case(2, "larger_than_input", (1, 3, 2, 2), (5, 4), strides=1, padding="same")
        case(2, "ties", ties, 3, strides=1, padding="same")
        case(3, "default", volume, **default)
        case(3, "overlapping", volume, (3, 2, 3), strides=(2, 1, 1), padding="same")
        case(3, "uneven", volume, (2, 3, 1), strides=(3, 1, 2))
        for rank, x in (1, sequence), (2, image), (3, volume):
            for keep in (False, True):
                name = f"global_{kind.lower()}_pooling{rank}d"
                layer = getattr(layers, f"Global{kind}Pooling{rank}D")(keepdims=keep, name=name)
                write_layer(folder, f"{name}{'_keepdims' if keep else ''}", layer, x)
        name = f"global_{kind.lower()}_pooling2d"
        write_layer(folder, f"{name}_ties", getattr(layers, f"Global{kind}Pooling2D")(name=name), ties)


def shapes(folder):
    for name, dims, shape in [("2", (2, 1), (3, 4, 5)), ("3", (3, 1, 2), (2, 3, 4, 5)), ("same", (1, 2), (3, 4, 5))]:
        write_layer(folder, f"permute_{name}", layers.Permute(dims, name="permute"), shape)
    for n in (1, 4):
        write_layer(folder, f"repeat_vector_{n}", layers.RepeatVector(n, name="repeat_vector"), (3, 5))
    for shape in [(4, 7), (3, 4, 5), (2, 3, 4, 5), (5,)]:
        write_layer(folder, f"flatten_{len(shape)}d", layers.Flatten(name="flatten"), shape)
    for name, target, shape in [
        ("to_3d", (2, 6), (3, 12)),
        ("to_2d", (12,), (3, 4, 3)),
        ("infer_all", (-1,), (3, 4, 5)),
        ("infer_last", (3, -1), (2, 12)),
        ("infer_first", (-1, 2, 3), (2, 6, 4)),
        ("infer_middle", (2, -1, 5), (3, 4, 5)),
    ]:
        write_layer(folder, f"reshape_{name}", layers.Reshape(target, name="reshape"), shape)


def merging(folder):
    for cls in (layers.Add, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum, layers.Subtract):
        name = cls.__name__.lower()
        for label, inputs in [
            ("2", [(4, 7)] * 2),
            ("3", [(4, 7)] * 3),
            ("3d", [(2, 3, 5)] * 2),
            ("broadcast_last", [(4, 3, 1), (4, 3, 6)]),
            ("broadcast_both", [(4, 1, 5), (4, 3, 1)]),
            ("broadcast_3", [(4, 1, 5), (4, 3, 5), (4, 3, 1)]),
            ("broadcast_rank", [(4, 5), (4, 3, 5)]),
        ]:
            if cls is layers.Subtract and len(inputs) != 2:
                continue
            notes = None
            if label == "broadcast_rank":
                notes = "It puts axes of size 1 after the batch axis of the input of lower rank: (4, 5) as (4, 1, 5)."
            write_layer(folder, f"{name}_{label}", cls(name=name), *inputs, notes=notes)
    for label, axes, inputs, options in [
        ("vectors", 1, [(4, 7), (4, 7)], {}),
        ("cosine", -1, [(4, 7), (4, 7)], {"normalize": True}),
        ("matrices", (2, 1), [(3, 4, 5), (3, 5, 6)], {}),
        ("matrices_first", 1, [(3, 5, 4), (3, 5, 6)], {}),
        ("matrices_cosine", (1, 2), [(3, 5, 4), (3, 6, 5)], {"normalize": True}),
        ("matrix_vector", (2, 1), [(3, 4, 5), (3, 5)], {}),
        ("vector_matrix", (1, 1), [(3, 5), (3, 5, 4)], {}),
        ("4d", (2, 3), [(2, 3, 5, 4), (2, 6, 2, 5)], {}),
    ]:
        write_layer(folder, f"dot_{label}", layers.Dot(axes, **options, name="dot"), *inputs)
    for label, axis, inputs in [
        ("default", None, [(4, 3), (4, 5)]),
        ("3_inputs", -1, [(4, 3), (4, 1), (4, 5)]),
        ("axis_1", 1, [(3, 2, 5), (3, 4, 5)]),
        ("axis_1_3_inputs", 1, [(3, 2, 5), (3, 1, 5), (3, 4, 5)]),
        ("axis_2", 2, [(3, 2, 5), (3, 2, 1), (3, 2, 7)]),
        ("axis_minus_2", -2, [(2, 3, 2, 5), (2, 3, 4, 5)]),
    ]:
        options = {} if axis is None else {"axis": axis}
        write_layer(folder, f"concatenate_{label}", layers.Concatenate(**options, name="concatenate"), *inputs)


def preprocessing(folder):
    pixels = common.rng("pixels").integers(0, 256, (2, 3, 4, 3))

    def rescaling(label, x, *arguments, **options):
        write_layer(folder, f"rescaling_{label}", layers.Rescaling(*arguments, **options, name="rescaling"), x)

    rescaling("scale", (4, 7), 0.25)
    rescaling("offset", (4, 7), 1 / 127.5, offset=-1.0)
    rescaling("uint8", pixels.astype("uint8"), 1 / 255)
    rescaling("int32", pixels.astype("int32"), 1 / 127.5, offset=-1)
    rescaling("channels", (2, 3, 4, 3), [0.5, 2.0, -1.0], offset=[0.0, 1.0, -0.5])

    def normalization(label, x, adapt=None, notes=None, **options):
        layer = layers.Normalization(**options, name="normalization")
        write_layer(folder, f"normalization_{label}", layer, x, adapt=adapt, notes=notes)

    tiny = "A variance of 0 is divided by as max(sqrt(variance), epsilon) with Keras's epsilon 1e-7."
    normalization("given", (4, 3), mean=[0.5, -1.0, 2.0], variance=[1.5, 0.25, 4.0])
    normalization("given_scalar", (4, 3), mean=0.5, variance=2.0)
    normalization("given_scalar_axis_none", (4, 3, 2), axis=None, mean=0.5, variance=2.0)
    normalization("given_axis_1", (4, 3, 2), axis=1, mean=[0.5, -1.0, 2.0], variance=[1.5, 0.25, 4.0])
    normalization("given_axes_1_2", (4, 2, 2), axis=(1, 2), mean=[[0, 1], [2, 3]], variance=[[1, 2], [0.5, 4]])
    normalization("given_last_of_axes_1_2", (4, 3, 2), axis=(1, 2), mean=[1.0, -1.0], variance=[0.5, 2.0])
    normalization("given_invert", (4, 3), mean=[0.5, -1.0, 2.0], variance=[1.5, 0.25, 4.0], invert=True)
    normalization("given_variance_0", (4, 3), mean=[0.5, 0.0, 2.0], variance=[1.5, 0.0, 4.0], notes=tiny)

    data = common.normal(common.rng("adapt"), (17, 3, 5), 3.0) + np.float32(1.5)
    constant = data[:, 0].copy()
    constant[:, 2] = 4.0
    normalization("adapt", (4, 5), data[:, 0])
    normalization("adapt_3d", (4, 3, 5), data)
    normalization("adapt_axis_none", (4, 3, 5), data, axis=None)
    normalization("adapt_axis_1", (4, 3, 5), data, axis=1)
    normalization("adapt_axes_1_2", (4, 3, 5), data, axis=(1, 2))
    normalization("adapt_invert", (4, 5), data[:, 0], invert=True)
    normalization("adapt_constant_column", (4, 5), constant, notes=tiny)


    categories = common.rng("categories").integers(0, 5, (4, 3)).astype("int32")
    column = categories[:, :1]
    for mode in ("multi_hot", "count", "one_hot"):
        for label, x in [("", categories), ("_column", column)]:
            layer = layers.CategoryEncoding(num_tokens=6, output_mode=mode, name="category_encoding")
            write_layer(folder, f"category_encoding_{mode}{label}", layer, x)
    # Inputs of whole numbers, for which Keras gives no gradient; one lies on a boundary.
    bins = np.array([[-3, 0, 1], [2, 5, 9], [7, -1, 4]], "int32")
    for mode in ("int", "one_hot", "multi_hot", "count"):
        layer = layers.Discretization([-0.5, 1.0, 4.5], output_mode=mode, name="discretization")
        write_layer(folder, f"discretization_{mode}", layer, bins)
    steps = common.normal(common.rng("masking"), (3, 4, 5))
    steps[0, 1], steps[2, 3], steps[1, 0, :2] = 0, 0, 0
    write_layer(folder, "masking_default", layers.Masking(name="masking"), steps)
    steps[0, 2] = -1
    write_layer(folder, "masking_value", layers.Masking(mask_value=-1.0, name="masking"), steps)


@keras.saving.register_keras_serializable(package="Goldens")
def sum_and_product(x):
    return keras.ops.concatenate([x[0] + x[1], x[0] * x[1]], axis=-1)


def lambdas(folder):
    for label, options in [("", {}), ("_output_shape", {"output_shape": (4, 6)})]:
        layer = layers.Lambda(sum_and_product, name="lambda", **options)
        write_layer(folder, f"lambda{label}", layer, (2, 4, 3), (2, 4, 3))
def framing(folder):
    series, image, volume = (2, 5, 3), (2, 4, 5, 3), (2, 4, 3, 5, 2)

    def case(label, layer, x):
        write_layer(folder, f"{layer.name}_{label}", layer, x)

    for axes, x in enumerate((series, image, volume), 1):
        padding = lambda *amounts: getattr(layers, f"ZeroPadding{axes}D")(*amounts, name=f"zero_padding{axes}d")
        cropping = lambda *amounts: getattr(layers, f"Cropping{axes}D")(*amounts, name=f"cropping{axes}d")
        up = lambda *sizes, **more: getattr(layers, f"UpSampling{axes}D")(*sizes, **more, name=f"up_sampling{axes}d")
        case("default", padding(), x)
        case("two", padding(2), x)
        case("default", cropping(), x)
        case("one", cropping(1), x)
        case("default", up(), x)
        case("three", up(3), x)
    case("pair", layers.ZeroPadding1D((0, 2), name="zero_padding1d"), series)
    case("pair", layers.Cropping1D((3, 0), name="cropping1d"), series)
    case("each", layers.ZeroPadding2D((2, 0), name="zero_padding2d"), image)
    case("each", layers.Cropping2D((0, 2), name="cropping2d"), image)
    case("pairs", layers.ZeroPadding2D(((0, 1), (2, 3)), name="zero_padding2d"), image)
    case("pairs", layers.Cropping2D(((1, 0), (0, 3)), name="cropping2d"), image)
    case("pairs", layers.ZeroPadding3D(((0, 1), (2, 0), (1, 1)), name="zero_padding3d"), volume)
    case("pairs", layers.Cropping3D(((0, 1), (2, 0), (1, 1)), name="cropping3d"), volume)
    case("each", layers.UpSampling2D((3, 1), name="up_sampling2d"), image)
    case("each", layers.UpSampling3D((1, 3, 2), name="up_sampling3d"), volume)
    for interpolation in ("bilinear", "bicubic", "lanczos3", "lanczos5"):
        layer = layers.UpSampling2D((2, 3), interpolation=interpolation, name="up_sampling2d")
        case(interpolation, layer, image)
    whole = common.rng("framing").integers(0, 256, image)
    case("uint8", layers.ZeroPadding2D(1, name="zero_padding2d"), whole.astype("uint8"))
    case("int32", layers.Cropping2D(1, name="cropping2d"), whole.astype("int32"))


def sizing(folder):
    def resizing(label, x, *size, **options):
        write_layer(folder, f"resizing_{label}", layers.Resizing(*size, **options, name="resizing"), x)

    image = (2, 6, 5, 2)
    for interpolation in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"):
        resizing(f"{interpolation}_up", image, 7, 9, interpolation=interpolation)
        resizing(f"{interpolation}_down", image, 4, 2, interpolation=interpolation)
        if interpolation != "nearest":
            resizing(f"{interpolation}_antialias", image, 4, 2, interpolation=interpolation, antialias=True)
    resizing("default", image, 3, 8)
    resizing("same", image, 6, 5)
    resizing("one_row", (1, 1, 4, 3), 3, 1, antialias=True)
    for label, size in (("wide", (3, 8)), ("high", (9, 4))):
        resizing(f"crop_{label}", image, *size, crop_to_aspect_ratio=True)
        resizing(f"pad_{label}", image, *size, pad_to_aspect_ratio=True, fill_value=0.5)
    for label, size, x in [
        ("inner", (3, 2), image),
        ("same", (6, 5), image),
        ("larger", (8, 7), image),
        ("wider", (4, 9), image),
        ("uint8", (2, 3), common.rng("center_crop").integers(0, 256, image).astype("uint8")),
    ]:
        write_layer(folder, f"center_crop_{label}", layers.CenterCrop(*size, name="center_crop"), x)


def augmentation(folder):
    image = (2, 5, 6, 2)
    pixels = common.rng("augmentation").integers(0, 256, image)

    def idle(layer, x=image, label="inference"):
        write_layer(folder, f"{layer.name}_{label}", layer, x)

    idle(layers.RandomFlip(name="random_flip"))
    idle(layers.RandomFlip("horizontal", seed=3, name="random_flip"), label="horizontal")
    idle(layers.RandomFlip("vertical", name="random_flip"), pixels.astype("uint8"), label="vertical_uint8")
    idle(layers.RandomRotation(0.2, name="random_rotation"))
    idle(layers.RandomTranslation(0.2, (-0.1, 0.3), seed=3, name="random_translation"))
    idle(layers.RandomZoom(0.2, name="random_zoom"))
    idle(layers.RandomCrop(5, 6, seed=3, name="random_crop"))
    idle(layers.RandomContrast(0.2, name="random_contrast"))
    idle(layers.RandomContrast((0.1, 0.4), value_range=(0, 1), seed=3, name="random_contrast"), label="options")
    idle(layers.RandomBrightness(0.2, name="random_brightness"))
    idle(layers.RandomBrightness((-0.1, 0.3), value_range=(0, 1), seed=3, name="random_brightness"), label="options")
    idle(layers.RandomErasing(name="random_erasing"))
    options = {"factor": (0.2, 0.7), "scale": (0.1, 0.2), "value_range": (0, 1)}
    idle(layers.RandomErasing(**options, fill_value=0.5, seed=3, name="random_erasing"), label="options")
    idle(layers.MixUp(name="mix_up"))
    idle(layers.MixUp(0.4, seed=3, name="mix_up"), label="options")
    idle(layers.CutMix(name="cut_mix"))
    idle(layers.CutMix((0.2, 0.6), seed=3, name="cut_mix"), label="options")

    # Ranges of one number leave nothing to chance.
    def sure(label, layer, x=image, gradient=False):
        write_layer(folder, f"{layer.name}_{label}", layer, x, training=True, gradient=gradient)

    for fill_mode in ("constant", "nearest", "reflect", "wrap"):
        for interpolation in ("nearest", "bilinear"):
            options = {"fill_mode": fill_mode, "interpolation": interpolation, "fill_value": 0.5}
            layer = layers.RandomRotation((0.07, 0.07), **options, name="random_rotation")
            sure(f"{fill_mode}_{interpolation}", layer)
            layer = layers.RandomTranslation((-0.35, -0.35), (0.9, 0.9), **options, name="random_translation")
            sure(f"{fill_mode}_{interpolation}", layer)
            layer = layers.RandomZoom((0.7, 0.7), (0.3, 0.3), **options, name="random_zoom")
            sure(f"{fill_mode}_{interpolation}", layer)
    sure("back", layers.RandomRotation((-0.3, -0.3), name="random_rotation"))
    sure("uint8", layers.RandomRotation((0.07, 0.07), name="random_rotation"), pixels.astype("uint8"))
    sure("in", layers.RandomZoom((-0.4, -0.4), (-0.2, -0.2), name="random_zoom"))
    sure("both", layers.RandomZoom((-0.4, -0.4), name="random_zoom"))
    bright = (pixels * 0.9 + 10.3).astype("float32")  # no pixel ends where values are cut off
    sure("up", layers.RandomBrightness((0.3, 0.3), name="random_brightness"), bright, gradient=True)
    sure("down", layers.RandomBrightness((-0.2, -0.2), name="random_brightness"), bright, gradient=True)
    sure("same", layers.RandomContrast((0, 0), name="random_contrast"), bright, gradient=True)


def main():
    folder = common.output_folder()
    families = (
        dense, activation, activation_layers, dropout, noise, generative, normalizing, batch_and_group, convolutions,
        pooling, shapes, merging, preprocessing, lambdas, framing, sizing, augmentation, embedding, time_distributed,
        masks,
    )
    for family in families:
        family(folder)


main()
