"""Constraints: weights, and what becomes of them."""

import common
from common import keras

constraints = keras.constraints

CASES = {
    "max_norm": (constraints.MaxNorm(), (5, 7)),
    "max_norm_axis": (constraints.MaxNorm(1.5, axis=1), (5, 7)),
    "max_norm_filters": (constraints.MaxNorm(0.5, axis=[0, 1, 2]), (3, 3, 2, 4)),
    "min_max_norm": (constraints.MinMaxNorm(), (5, 7)),
    "min_max_norm_rate": (constraints.MinMaxNorm(2.0, 3.0, rate=0.3, axis=1), (5, 7)),
    "non_neg": (constraints.NonNeg(), (5, 7)),
    "unit_norm": (constraints.UnitNorm(), (5, 7)),
    "unit_norm_axis": (constraints.UnitNorm(axis=-1), (2, 5, 7)),
}


def main():
    folder = common.output_folder()
    for name, (constraint, shape) in CASES.items():
        weight = common.normal(common.rng(name), shape)
        arrays = {"weight": weight, "constrained": constraint(weight)}
        common.write(folder, name, arrays, common.config(constraint))


main()
