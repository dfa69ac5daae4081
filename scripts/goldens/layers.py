"""Layers: weights, output, and the gradients of every input and trainable weight for a random upstream gradient."""

import common
from common import jax, keras, np

layers = keras.layers
ACTIVATIONS = ["linear", "relu", "sigmoid", "tanh", "softmax", "gelu", "silu", "elu", "softplus"]
MORE_ACTIVATIONS = [
    "celu", "exponential", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu", "log_sigmoid",
    "log_softmax", "mish", "relu6", "selu", "soft_shrink", "softsign", "sparse_plus", "sparse_sigmoid", "squareplus",
    "tanh_shrink",
]


def write_layer(folder, name, layer, *inputs, adapt=None, training=False, notes=None):
    """`inputs`: shapes (filled with normal values) or arrays."""
    random = common.rng(name)
    inputs = [common.normal(random, x) if isinstance(x, tuple) else x for x in inputs]
    arrays = {}
    if adapt is not None:
        layer.adapt(adapt)
        arrays["adapt"] = adapt
    whole = inputs if len(inputs) > 1 else inputs[0]
    layer(whole)
    for weight in layer.trainable_weights:
        weight.assign(common.normal(random, weight.shape, 0.7))
    prefix = f"{layer.name}/"
    names = {weight.path: weight.path.removeprefix(prefix) for weight in layer.weights}

    differentiable = [i for i, x in enumerate(inputs) if x.dtype == "float32"]

    def run(trainable, floats):
        whole = list(inputs)
        for i, x in zip(differentiable, floats):
            whole[i] = x
        fixed = [v.value for v in layer.non_trainable_variables]
        call = {"training": training} if layer._call_has_training_arg else {}
        return layer.stateless_call(trainable, fixed, whole if len(whole) > 1 else whole[0], **call)[0]

    trainable = [v.value for v in layer.trainable_variables]
    output, pull = jax.vjp(run, trainable, [inputs[i] for i in differentiable])
    grad_output = common.normal(random, output.shape)
    grad_weights, grad_inputs = pull(grad_output)

    arrays |= {f"input.{i}": x for i, x in enumerate(inputs)}
    arrays |= {f"weight.{names[w.path]}": w.value for w in layer.weights}
    arrays |= {"output": output, "grad_output": grad_output}
    arrays |= {f"grad_input.{i}": g for i, g in zip(differentiable, grad_inputs)}
    arrays |= {f"grad_weight.{names[w.path]}": g for w, g in zip(layer.trainable_weights, grad_weights)}
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


def dropout(folder):
    layer = lambda rate: layers.Dropout(rate, seed=3, name="dropout")
    write_layer(folder, "dropout_inference", layer(0.3), (4, 7))
    write_layer(folder, "dropout_inference_3d", layer(0.5), (2, 3, 5))
    write_layer(folder, "dropout_rate_0_training", layer(0.0), (4, 7), training=True)


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


def main():
    folder = common.output_folder()
    families = (
        dense, activation, activation_layers, dropout, noise, normalizing, shapes, merging, preprocessing, lambdas,
    )
    for family in families:
        family(folder)


main()
