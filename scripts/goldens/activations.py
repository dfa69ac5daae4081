"""Activation functions on their own: value and gradient, with every argument that changes them."""

import common
from common import jax, keras, np

# Where the functions bend or saturate.
SPECIAL = np.array([-100, -50, -10, -6, -3, -1, -0.5, -1e-3, -0.0, 0, 1e-3, 0.5, 1, 3, 6, 10, 50, 100], "float32")

# Where a function without arguments has one slope on the left and another on the right.
KINKS = {
    "hard_shrink": [-0.5, 0.5],
    "hard_sigmoid": [-3, 3],
    "hard_silu": [-3, 3],
    "hard_tanh": [-1, 1],
    "leaky_relu": [0],
    "relu6": [0, 6],
    "soft_shrink": [-0.5, 0.5],
    "sparse_plus": [-1, 1],
    "sparse_sigmoid": [-1, 1],
}

CASES = [
    ("linear", {}),
    ("relu", {}),
    ("relu", {"negative_slope": 0.2}),
    ("relu", {"max_value": 1.5}),
    ("relu", {"threshold": 0.7}),
    ("relu", {"negative_slope": 0.1, "max_value": 2.0, "threshold": 0.5}),
    ("sigmoid", {}),
    ("tanh", {}),
    ("gelu", {"approximate": False}),
    ("gelu", {"approximate": True}),
    ("silu", {}),
    ("elu", {}),
    ("elu", {"alpha": 0.3}),
    ("softplus", {}),
    ("celu", {}),
    ("celu", {"alpha": 0.3}),
    ("exponential", {}),
    ("hard_shrink", {}),
    ("hard_sigmoid", {}),
    ("hard_silu", {}),
    ("hard_tanh", {}),
    ("leaky_relu", {}),
    ("leaky_relu", {"negative_slope": 0.05}),
    ("log_sigmoid", {}),
    ("mish", {}),
    ("relu6", {}),
    ("selu", {}),
    ("soft_shrink", {}),
    ("softsign", {}),
    ("sparse_plus", {}),
    ("sparse_sigmoid", {}),
    ("squareplus", {}),
    ("tanh_shrink", {}),
    ("threshold", {"threshold": 0.7, "default_value": -0.25}),
    ("glu", {"axis": -1}),
    ("glu", {"axis": 1}),
    ("softmax", {"axis": -1}),
    ("softmax", {"axis": 1}),
    ("log_softmax", {"axis": -1}),
    ("log_softmax", {"axis": 1}),
]


def main():
    folder = common.output_folder()
    for function, arguments in CASES:
        name = "_".join([function] + [f"{key}_{value}".lower() for key, value in arguments.items()])
        random = common.rng(name)
        shape = (3, 4, 6) if function == "glu" else (3, 4, 5)
        inputs = {"random": common.normal(random, shape, 2.0)}
        if function == "glu":
            # (3, 6, 6)
            inputs["special"] = np.stack([SPECIAL, SPECIAL[::-1]]).reshape(2, 3, 6).repeat(2, axis=1)
        elif function == "exponential":
            inputs["special"] = SPECIAL[SPECIAL < 50]
        elif "softmax" in function:
            inputs["special"] = np.stack([SPECIAL, SPECIAL[::-1], np.full_like(SPECIAL, 100)])
        else:
            # Backends of Keras agree about the slope at a kink for plain relu alone.
            kinks = [0, *arguments.values()] if arguments and function != "gelu" else KINKS.get(function, [])
            inputs["special"] = SPECIAL[~np.isin(SPECIAL, kinks)]
        for label, x in inputs.items():
            output, pull = jax.vjp(lambda x: getattr(keras.activations, function)(x, **arguments), x)
            grad_output = common.normal(random, output.shape)
            arrays = {"input.0": x, "output": output, "grad_output": grad_output, "grad_input.0": pull(grad_output)[0]}
            common.write(folder, f"{name}_{label}", arrays, {"function": function, "arguments": arguments})


main()
