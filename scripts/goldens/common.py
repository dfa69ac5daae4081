"""What every generator shares: the pinned Keras, seeded values, and one way to write a golden.

Import this module before anything of Keras: it fixes the backend and the instruction set, so that one machine's bits
are another's as far as XLA allows.
"""

import json
import os
import pathlib
import sys
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ["KERAS_BACKEND"] = "jax"
os.environ["KERAS_HOME"] = str(ROOT / ".cache/goldens/keras")  # no setting of this user's
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_cpu_max_isa=AVX2"

import jax
import keras
import numpy as np
from safetensors.numpy import save

DTYPES = ("float32", "int32", "int64", "uint8", "bool")


def output_folder():
    """The folder named on the command line, emptied of the goldens of an earlier run."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} FOLDER")
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for old in [*folder.glob("*.safetensors"), *folder.glob("*.keras")]:
        old.unlink()
    return folder


def rng(name):
    """A generator that depends on the case's name alone, so that a new case moves no other."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def normal(random, shape, scale=1.0):
    return (random.standard_normal(shape) * scale).astype("float32")


def config(thing):
    """`{"class_name", "config"}` of a Keras object, as Keras would write them into a model file."""
    whole = keras.saving.serialize_keras_object(thing)
    return {"class_name": whole["class_name"], "config": whole["config"]}


def write(folder, name, arrays, golden):
    """Writes `<folder>/<name>.safetensors`: the arrays, and `golden` as JSON under the metadata key "golden".

    The kind (the folder's name), the case's name and the versions are added here. A non-finite value is refused, for a
    comparison with it would prove nothing.
    """
    path = folder / f"{name}.safetensors"
    if path.exists():
        raise ValueError(f"two cases are named {name}")
    clean = {}
    for key, value in arrays.items():
        value = np.asarray(value, order="C")
        if value.dtype.name not in DTYPES:
            raise ValueError(f"{name}: array {key} is {value.dtype}, expected one of {DTYPES}")
        if not np.isfinite(value).all():
            raise ValueError(f"{name}: array {key} holds a value that is not finite")
        clean[key] = value
    versions = {"keras": keras.__version__, "jax": jax.__version__}
    golden = {"kind": folder.name, "name": name, **golden, "made_with": versions}
    path.write_bytes(save(clean, metadata={"golden": json.dumps(golden, allow_nan=False)}))


def states_of(layer):
    """What a recurrent layer keeps from batch to batch, which Keras counts to no variables."""
    stateful = isinstance(layer, keras.layers.RNN) and layer.stateful
    return keras.tree.flatten(layer.states) if stateful else []


def names_of(layer, prefix=""):
    """The names of a layer's variables by identity: behind the attributes that hold the layers inside, as in files."""
    names = {id(v): f"{prefix}{v.name}" for v in layer._trainable_variables + layer._non_trainable_variables}
    for i, v in enumerate(states_of(layer)):
        names[id(v)] = f"{prefix}rnn_state" + (f"_{i}" if i else "")
    held = []
    if isinstance(layer, keras.layers.Bidirectional):
        held = [("forward_layer", layer.forward_layer), ("backward_layer", layer.backward_layer)]
    elif isinstance(layer, keras.layers.StackedRNNCells):
        counts = {}
        for cell in layer.cells:
            kind = keras.src.utils.naming.to_snake_case(type(cell).__name__)
            number = counts[kind] = counts.get(kind, -1) + 1
            held.append((f"cells/{kind}" + (f"_{number}" if number else ""), cell))
    elif isinstance(layer, keras.layers.RNN):
        held = [("cell", layer.cell)]
    for attribute, inside in held:
        names |= names_of(inside, f"{prefix}{attribute}/")
    return names


def state(optimizer):
    """An optimizer's variables by their paths. Keras calls Adafactor's rows and columns after the weight alone, both, and
    has an unused 0 for each of a vector, which is left out."""
    names = {id(v): v.path for v in optimizer.variables}
    if isinstance(optimizer, keras.optimizers.Adafactor) and optimizer.built:
        for kind, kept in ("r", optimizer._r), ("c", optimizer._c):
            for weight, variable in zip(optimizer._trainable_variables, kept):
                of = "_".join(weight.path.split("/")[-2:])
                names[id(variable)] = f"{optimizer.name}/{of}_{kind}" if variable.shape else None
    return [(names[id(v)], v) for v in optimizer.variables if names[id(v)]]
