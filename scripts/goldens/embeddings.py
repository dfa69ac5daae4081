"""Embeddings of tokens and positions: outputs, masks, and the gradients of inputs and weights for a random upstream
gradient.

What a call is told beside its tensor is `call`, under Keras's names. A gradient that is 0 throughout, because nothing of
what it belongs to was read, is not written.
"""

import common
import hub
from common import jax, keras, np

layers = keras.layers


def write_layer(folder, name, layer, x, mask=None, **call):
    """`mask`: what flows in with the input."""
    random = common.rng(name)

    def run_on(x):
        x = jax.numpy.array(x)
        if mask is not None:
            keras.src.backend.set_keras_mask(x, jax.numpy.array(mask))
        return layer(x, **call)

    y = run_on(x)
    names = hub.names_of(layer)
    for weight in layer.trainable_weights:
        weight.assign(common.normal(random, weight.shape, 0.7))
    arrays = {f"weight.{names[id(w)]}": np.asarray(w.value) for w in layer.trainable_weights}
    masked = keras.src.backend.get_keras_mask(run_on(x))

    def run(trainable, x):
        with keras.StatelessScope(list(zip(layer.trainable_variables, trainable))):
            return run_on(x)

    upstream = common.normal(random, y.shape)
    trainable = [v.value for v in layer.trainable_variables]
    if x.dtype == "float32":
        y, pull = jax.vjp(run, trainable, x)
        weights, of_input = pull(upstream)
    else:
        y, pull = jax.vjp(lambda trainable: run(trainable, x), trainable)
        (weights,), of_input = pull(upstream), np.zeros(())
    gradients = {"grad_input.0": of_input}
    gradients |= {f"grad_weight.{names[id(w)]}": g for w, g in zip(layer.trainable_weights, weights)}
    arrays |= {what: g for what, g in gradients.items() if np.any(np.asarray(g))}
    arrays |= {"input.0": x, "output.0": y, "grad_output.0": upstream}
    arrays |= {} if mask is None else {"mask.0": mask}
    arrays |= {} if masked is None else {"output_mask": masked}
    golden = common.config(layer) | {
        "inputs": 1,
        "outputs": 1,
        "training": False,
        "adapt": False,
        "call": call,
        "weights": [{"name": names[id(w)], "trainable": True} for w in layer.trainable_weights],
    }
    common.write(folder, name, arrays, golden)


def numbers(name, shape, below):
    return common.rng(name).integers(0, below, shape).astype("int32")


def reversible(folder):
    def case(name, x, sizes=(7, 4), cls=layers.ReversibleEmbedding, mask=None, own=None, **call):
        layer = cls(*sizes, **(own or {}), name="layer")
        write_layer(folder, f"reversible_embedding_{name}", layer, x, mask, **call)

    ids = numbers("ids", (3, 5), 7)
    vectors = common.normal(common.rng("vectors"), (3, 5, 4))
    gaps = np.array([[1, 1, 0, 1, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1]], bool)
    untied, zero = {"tie_weights": False}, {"mask_zero": True}
    options = {
        "embeddings_initializer": keras.initializers.HeNormal(),
        "embeddings_regularizer": keras.regularizers.L1L2(0.01, 0.02),
        "embeddings_constraint": keras.constraints.MaxNorm(3.0),
    }
    case("default", ids)
    case("untied", ids, own=untied)
    case("mask", ids, own=zero)
    case("options", ids, own=options | untied)
    case("fractions", ids.astype("float32") + np.float32(0.25), own=zero)
    case("hub", ids[:1, :1], cls=hub.ReversibleEmbedding)
    case("reverse", vectors, reverse=True)
    case("reverse_untied", vectors, own=untied, reverse=True)
    case("reverse_mask", vectors, own=zero, mask=gaps, reverse=True)
    case("reverse_cap", vectors, own={"logit_soft_cap": 1.5}, reverse=True)
    case("reverse_cap_untied", vectors, own=untied | {"logit_soft_cap": 0.5, "reverse_dtype": "float32"}, reverse=True)
    case("reverse_one", vectors[:1, :1], reverse=True)
    case("reverse_vectors", common.normal(common.rng("rows"), (6, 3)), (33, 3), reverse=True)


def positions(folder):
    def case(name, shape, length, own=None, **call):
        layer = hub.PositionEmbedding(length, **(own or {}), name="layer")
        x = common.normal(common.rng(name), shape)
        write_layer(folder, f"position_embedding_{name}", layer, x, **call)

    case("default", (3, 5, 4), 5)
    case("shorter", (2, 3, 5), 7)
    case("one_step", (2, 1, 3), 4)
    case("one_position", (1, 1, 1), 1)
    case("start", (2, 3, 4), 7, start_index=4)
    case("axes", (2, 3, 4, 5), 6, {"initializer": "uniform"}, start_index=1)
    case("size_33", (2, 17, 3), 33)


def sines(folder):
    def case(name, shape, own=None, **call):
        layer = hub.SinePositionEncoding(**(own or {}), name="layer")
        x = common.normal(common.rng(name), shape)
        write_layer(folder, f"sine_position_encoding_{name}", layer, x, **call)

    case("default", (2, 5, 6))
    case("odd", (2, 4, 7))
    case("one_step", (1, 1, 1))
    case("start", (2, 3, 8), start_index=3)
    case("far", (1, 3, 10), start_index=1000)
    case("wavelength", (2, 33, 4), {"max_wavelength": 100})
    case("axes", (2, 3, 4, 6), {"max_wavelength": 500.5})


def both(folder):
    def case(name, shape, sizes=(7, 5, 4), own=None, **call):
        layer = hub.TokenAndPositionEmbedding(*sizes, **(own or {}), name="layer")
        x = numbers(name, shape, sizes[0])
        write_layer(folder, f"token_and_position_embedding_{name}", layer, x, **call)

    case("default", (3, 5))
    case("shorter", (2, 3), (9, 7, 5))
    case("one_step", (2, 1))
    case("untied", (2, 5), own={"tie_weights": False})
    case("mask", (3, 4), own={"mask_zero": True})
    case("start", (2, 2), (6, 9, 3), start_index=7)
    case("axes", (2, 3, 4), own={"embeddings_initializer": keras.initializers.RandomNormal(stddev=0.02)})
    case("size_33", (2, 17), (33, 33, 3))


def rotary(folder):
    def case(name, shape, own=None, **call):
        layer = hub.RotaryEmbedding(**(own or {}), name="layer")
        x = common.normal(common.rng(name), shape)
        write_layer(folder, f"rotary_embedding_{name}", layer, x, **call)

    case("default", (2, 5, 6))
    case("heads", (2, 5, 3, 8))
    case("one_step", (2, 1, 2))
    case("size_66", (1, 3, 66))
    case("start", (2, 3, 2, 6), start_index=7)
    case("far", (1, 4, 16), start_index=1000)
    case("wavelength", (2, 5, 6), {"max_wavelength": 500000, "denominator_dim": 10})
    case("heads_first", (2, 3, 5, 4), {"sequence_axis": 2})
    case("features_first", (2, 6, 3, 5), {"sequence_axis": -1, "feature_axis": 1}, start_index=2)
    case("linear", (2, 5, 6), {"scaling_factor": 4.0})
    case("dynamic", (2, 5, 6), {"scaling_factor": 4.0, "rope_type": "dynamic"})
    case("dynamic_pair", (2, 5, 2), {"scaling_factor": 2.0, "rope_type": "dynamic"})
    yarn = {"scaling_factor": 4.0, "rope_type": "yarn", "original_max_position_embeddings": 64}
    case("yarn", (2, 5, 32), yarn, start_index=20)
    exact = {"truncate": False, "beta_fast": 8.0, "beta_slow": 2.0, "max_wavelength": 500}
    case("yarn_exact", (2, 5, 32), yarn | exact)


def main():
    folder = common.output_folder()
    for family in reversible, positions, sines, both, rotary:
        family(folder)


main()
