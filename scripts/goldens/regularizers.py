"""Regularizers: the penalty on weights, and its gradient."""

import common
from common import jax, keras

regularizers = keras.regularizers

CASES = {
    "l1": (regularizers.L1(), (5, 7)),
    "l1_factor": (regularizers.L1(0.25), (2, 3, 4, 5)),
    "l2": (regularizers.L2(), (5, 7)),
    "l2_factor": (regularizers.L2(0.25), (11,)),
    "l1_l2": (regularizers.L1L2(0.1, 0.2), (5, 7)),
    "l1_l2_nothing": (regularizers.L1L2(), (5, 7)),
    "l1_l2_l1": (regularizers.L1L2(l1=0.1), (5, 7)),
    "orthogonal": (regularizers.OrthogonalRegularizer(), (5, 7)),
    "orthogonal_columns": (regularizers.OrthogonalRegularizer(0.3, "columns"), (5, 7)),
}


def main():
    folder = common.output_folder()
    for name, (regularizer, shape) in CASES.items():
        x = common.normal(common.rng(name), shape)
        penalty, gradient = jax.value_and_grad(regularizer)(x)
        arrays = {"x": x, "penalty": penalty, "gradient": gradient}
        common.write(folder, name, arrays, common.config(regularizer))


main()
