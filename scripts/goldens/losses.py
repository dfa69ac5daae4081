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


def write_loss(folder, name, cls, y_true, y_pred, weights=("none",), reductions=REDUCTIONS, **options):
    """One file for each kind of sample weight: none, sample (one a row), column (one a row, of shape (rows, 1)),
    element (one for each value of the unreduced loss), zero (one a row, all 0). Each file holds every reduction."""
    for weight in weights:
        case = name if weight == "none" else f"{name}_weight_{weight}"
        random = common.rng(case)
        arrays = {"y_true": y_true, "y_pred": y_pred}
        sample_weight = None
        if weight != "none":
            unreduced = cls(reduction="none", **options)(y_true, y_pred).shape
            rows = y_pred.shape[:1]
            shape = {"sample": rows, "zero": rows, "column": (len(y_pred), 1), "element": unreduced}[weight]
            sample_weight = random.uniform(0, 2, shape).astype("float32")
            sample_weight.flat[slice(None) if weight == "zero" else 1] = 0
            arrays["sample_weight"] = sample_weight
        for reduction in reductions:
            loss = cls(reduction=reduction, **options)
            value, pull = jax.vjp(lambda p: loss(y_true, p, sample_weight), y_pred)
            grad = common.normal(random, value.shape) if reduction == "none" else np.float32(1)
            arrays[f"loss.{reduction}"] = value
            arrays[f"grad_loss.{reduction}"] = grad
            arrays[f"grad_y_pred.{reduction}"] = pull(jax.numpy.asarray(grad))[0]
        golden = common.config(cls(**options)) | {"reductions": list(reductions), "sample_weight": weight}
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


def values(folder):
    random = common.rng("values")
    table = common.normal(random, (6, 5)), common.normal(random, (6, 5), 2.0)
    positive = tuple(random.uniform(0.1, 4, (6, 5)).astype("float32") for _ in range(2))
    counts = random.poisson(2, (6, 5)).astype("int32")
    for cls, (y_true, y_pred) in [
        (losses.MeanAbsolutePercentageError, (positive[0], table[0])),
        (losses.MeanSquaredLogarithmicError, positive),
        (losses.LogCosh, table),
        (losses.Huber, table),
        (losses.Poisson, (counts, positive[1])),
        (losses.CosineSimilarity, table),
    ]:
        write_loss(folder, cls().name, cls, y_true, y_pred, ("none", "sample"))
    write_loss(folder, "log_cosh_large", losses.LogCosh, table[0] * 100, table[1])
    write_loss(folder, "mean_squared_logarithmic_error_negative", losses.MeanSquaredLogarithmicError, *table)
    three = common.normal(random, (2, 3, 4)), common.normal(random, (2, 3, 4), 2.0)
    every = [*REDUCTIONS, "mean", "mean_with_sample_weight"]
    kinds = "none", "sample", "column", "element", "zero"
    write_loss(folder, "reductions_log_cosh_3d", losses.LogCosh, *three, kinds[:1] + kinds[2:4], every)
    write_loss(folder, "reductions_mean_squared_error", losses.MeanSquaredError, *table, kinds, every)


def margins(folder):
    random = common.rng("margins")
    y_pred = common.normal(random, (6, 5))
    bits, signs = random.integers(0, 2, (6, 5)), random.choice([-1, 1], (6, 5))
    for cls in (losses.Hinge, losses.SquaredHinge):
        name = cls().name
        write_loss(folder, name, cls, signs.astype("float32"), y_pred, ("none", "sample"))
        write_loss(folder, f"{name}_bits", cls, bits.astype("float32"), y_pred)
        write_loss(folder, f"{name}_int", cls, bits.astype("int32"), y_pred)
    hot = one_hot(random.integers(0, 5, 6), 5)
    write_loss(folder, "categorical_hinge", losses.CategoricalHinge, hot, y_pred, ("none", "sample"))
    distributions = softmax(common.normal(random, (6, 5))), softmax(y_pred)
    write_loss(folder, "kl_divergence", losses.KLDivergence, *distributions, ("none", "sample"))
    write_loss(folder, "kl_divergence_hot", losses.KLDivergence, hot, distributions[1])


def focal(folder):
    random = common.rng("focal")
    logits = common.normal(random, (6, 5), 2.0)
    truth, hot = random.integers(0, 2, (6, 5)).astype("float32"), one_hot(random.integers(0, 5, 6), 5)
    binary_cls, categorical_cls = losses.BinaryFocalCrossentropy, losses.CategoricalFocalCrossentropy
    for label, options, of_bits, of_classes in [
        ("logits", {"from_logits": True}, logits, logits),
        ("probs", {}, sigmoid(logits), softmax(logits)),
    ]:
        name = f"binary_focal_crossentropy_{label}"
        write_loss(folder, name, binary_cls, truth, of_bits, ("none", "sample"), **options)
        write_loss(folder, f"{name}_smooth", binary_cls, truth, of_bits, label_smoothing=0.1, **options)
        balanced = {"apply_class_balancing": True, "alpha": 0.3, "gamma": 1.5}
        write_loss(folder, f"{name}_balanced", binary_cls, truth, of_bits, **balanced, **options)
        name = f"categorical_focal_crossentropy_{label}"
        write_loss(folder, name, categorical_cls, hot, of_classes, ("none", "sample"), **options)
        smooth = {"label_smoothing": 0.1, "alpha": 0.6, "gamma": 1.5}
        write_loss(folder, f"{name}_smooth", categorical_cls, hot, of_classes, **smooth, **options)


def overlap(folder):
    random = common.rng("overlap")
    truth = random.integers(0, 2, (3, 4, 4, 2)).astype("float32")
    found = sigmoid(common.normal(random, truth.shape))
    for cls in (losses.Dice, losses.Tversky):
        name = cls().name
        write_loss(folder, name, cls, truth, found, ("none", "sample"))
        write_loss(folder, f"{name}_axes", cls, truth, found, ("none", "sample"), axis=(1, 2, 3))
        write_loss(folder, f"{name}_axis", cls, truth, found, axis=-1)
    write_loss(folder, "tversky_weighted", losses.Tversky, truth, found, alpha=0.3, beta=0.7)


def main():
    folder = common.output_folder()
    for family in (binary, categorical, regression, values, margins, focal, overlap):
        family(folder)


main()
