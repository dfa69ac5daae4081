"""Losses: value under each reduction and the gradient of the predictions, weighted and not, at ordinary and extreme
predictions."""

import common
from common import jax, keras, np

losses = keras.losses
REDUCTIONS = ["sum_over_batch_size", "sum", "none"]


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return (e / e.sum(-1, keepdims=True)).astype("float32")


def sigmoid(x):
    return (1 / (1 + np.exp(-x.astype("float64")))).astype("float32")


def one_hot(labels, classes):
    return np.eye(classes, dtype="float32")[labels]


def write_loss(folder, name, cls, y_true, y_pred, weights=("none",), **options):
    """One file for each kind of sample weight: none, sample (one a row), column (one a row, of shape (rows, 1)),
    element (one for each value of the unreduced loss). Each file holds every reduction."""
    for weight in weights:
        case = name if weight == "none" else f"{name}_weight_{weight}"
        random = common.rng(case)
        arrays = {"y_true": y_true, "y_pred": y_pred}
        sample_weight = None
        if weight != "none":
            unreduced = cls(reduction="none", **options)(y_true, y_pred).shape
            shape = {"sample": y_pred.shape[:1], "column": (len(y_pred), 1), "element": unreduced}[weight]
            sample_weight = random.uniform(0, 2, shape).astype("float32")
            sample_weight.flat[1] = 0
            arrays["sample_weight"] = sample_weight
        for reduction in REDUCTIONS:
            loss = cls(reduction=reduction, **options)
            value, pull = jax.vjp(lambda p: loss(y_true, p, sample_weight), y_pred)
            grad = common.normal(random, value.shape) if reduction == "none" else np.float32(1)
            arrays[f"loss.{reduction}"] = value
            arrays[f"grad_loss.{reduction}"] = grad
            arrays[f"grad_y_pred.{reduction}"] = pull(jax.numpy.asarray(grad))[0]
        golden = common.config(cls(**options)) | {"reductions": REDUCTIONS, "sample_weight": weight}
        common.write(folder, case, arrays, golden)


def binary(folder):
    random = common.rng("binary")
    cls = losses.BinaryCrossentropy
    logits = common.normal(random, (6, 5), 2.0)
    truth = random.integers(0, 2, (6, 5)).astype("float32")
    extreme = np.array([[-50, 50, -50, 50, 0], [-20, 20, 20, -20, -0.0], [100, -100, 100, -100, 1e-4]], "float32")
    # No value at the clip's own limit, epsilon, where backends of Keras differ about the slope.
    edges = np.array([[0, 1, 0, 1, 0.5], [1e-8, 1 - 1e-6, 2e-7, 1, 1e-3]], "float32")
    soft = random.uniform(0, 1, (6, 5)).astype("float32")

    for label, options, x in [("logits", {"from_logits": True}, logits), ("probs", {}, sigmoid(logits))]:
        name = f"binary_crossentropy_{label}"
        write_loss(folder, name, cls, truth, x, ("none", "sample", "column"), **options)
        write_loss(folder, f"{name}_smooth", cls, truth, x, label_smoothing=0.1, **options)
        write_loss(folder, f"{name}_soft", cls, soft, x, **options)
        write_loss(folder, f"{name}_one", cls, truth[:, :1], x[:, :1], ("none", "sample"), **options)
        write_loss(folder, f"{name}_int", cls, truth.astype("int32"), x, **options)
    three = common.normal(random, (2, 3, 4))
    labels = random.integers(0, 2, (2, 3, 4)).astype("float32")
    write_loss(folder, "binary_crossentropy_logits_3d", cls, labels, three, ("none", "element"), from_logits=True)
    write_loss(folder, "binary_crossentropy_logits_extreme", cls, truth[:3], extreme, from_logits=True)
    write_loss(folder, "binary_crossentropy_probs_extreme", cls, truth[:2], edges)
    write_loss(folder, "binary_crossentropy_probs_extreme_other", cls, 1 - truth[:2], edges)


def categorical(folder):
    random = common.rng("categorical")
    logits = common.normal(random, (6, 5), 2.0)
    labels = random.integers(0, 5, 6).astype("int32")
    extreme = np.array([[-50, 50, 0, -50, 50], [50, -50, -50, -50, -50], [-50, -50, -50, -50, -50]], "float32")
    extreme_labels = np.array([0, 0, 2], "int32")
    # Probabilities of exactly 0 and 1, right and wrong; and a row whose sum, by which Keras divides it, is not 1.
    edges = np.array([[0, 1, 0, 0, 0], [0, 1, 0, 0, 0], [1e-8, 0.5, 0.5, 0, 0], [0.2, 0.4, 0.6, 0.8, 1]], "float32")
    edge_labels = np.array([1, 2, 0, 3], "int32")
    three = common.normal(random, (2, 3, 4))
    three_labels = random.integers(0, 4, (2, 3)).astype("int32")
    soft = softmax(common.normal(random, (6, 5)))

    dense, sparse = losses.CategoricalCrossentropy, losses.SparseCategoricalCrossentropy
    for label, options, to_input in [("logits", {"from_logits": True}, lambda x: x), ("probs", {}, softmax)]:
        x = to_input(logits)
        name = f"categorical_crossentropy_{label}"
        write_loss(folder, name, dense, one_hot(labels, 5), x, ("none", "sample", "column"), **options)
        write_loss(folder, f"{name}_smooth", dense, one_hot(labels, 5), x, label_smoothing=0.1, **options)
        write_loss(folder, f"{name}_soft", dense, soft, x, **options)
        three_hot, three_x = one_hot(three_labels, 4), to_input(three)
        write_loss(folder, f"{name}_3d", dense, three_hot, three_x, ("none", "element"), **options)
        write_loss(folder, f"sparse_{name}", sparse, labels, x, ("none", "sample", "column"), **options)
        write_loss(folder, f"sparse_{name}_column", sparse, labels[:, None], x, **options)
        write_loss(folder, f"sparse_{name}_int64", sparse, labels.astype("int64"), x, **options)
        write_loss(folder, f"sparse_{name}_3d", sparse, three_labels, three_x, ("none", "element"), **options)
    name = "categorical_crossentropy_logits_extreme"
    write_loss(folder, name, dense, one_hot(extreme_labels, 5), extreme, from_logits=True)
    write_loss(folder, f"sparse_{name}", sparse, extreme_labels, extreme, from_logits=True)
    name = "categorical_crossentropy_probs_extreme"
    write_loss(folder, name, dense, one_hot(edge_labels, 5), edges)
    write_loss(folder, f"sparse_{name}", sparse, edge_labels, edges)


def regression(folder):
    random = common.rng("regression")
    for cls in (losses.MeanSquaredError, losses.MeanAbsoluteError):
        name = cls().name
        y_true, y_pred = common.normal(random, (6, 5)), common.normal(random, (6, 5))
        write_loss(folder, name, cls, y_true, y_pred, ("none", "sample", "column"))
        write_loss(folder, f"{name}_one", cls, y_true[:, :1], y_pred[:, :1], ("none", "sample"))
        write_loss(folder, f"{name}_rank_1", cls, y_true[:, 0], y_pred[:, :1], ("none", "sample"))
        write_loss(folder, f"{name}_int", cls, np.rint(y_true).astype("int32"), y_pred)
        three = common.normal(random, (2, 3, 4)), common.normal(random, (2, 3, 4))
        write_loss(folder, f"{name}_3d", cls, *three, ("none", "column", "element"))


def main():
    folder = common.output_folder()
    binary(folder)
    categorical(folder)
    regression(folder)


main()
