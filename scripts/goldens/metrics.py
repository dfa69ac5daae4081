"""Metrics over three successive batches of different sizes: the result after each, and the state at the end."""

import common
from common import keras, np

metrics = keras.metrics
SIZES = (5, 3, 8)


def write_metric(folder, name, metric, batches, weighted=False, whole=False):
    """`batches`: a list of (y_true, y_pred). `whole`: weights are whole numbers."""
    random = common.rng(name)
    arrays, results = {}, []
    for i, (y_true, y_pred) in enumerate(batches):
        sample_weight = None
        arrays |= {f"y_true.{i}": y_true, f"y_pred.{i}": y_pred}
        if weighted:
            sample_weight = random.uniform(0, 2, y_pred.shape[:1]).astype("float32")
            sample_weight[0] = 0
            if whole:
                sample_weight = sample_weight.round()
            arrays[f"sample_weight.{i}"] = sample_weight
        metric.update_state(y_true, y_pred, sample_weight)
        results.extend(np.asarray(metric.result(), "float32").ravel())
    arrays["results"] = np.array(results, "float32")
    if isinstance(metric, metrics.Mean):
        arrays |= {f"state.{v.name}": v.value for v in metric.variables}
    golden = common.config(metric) | {"batches": len(batches), "sample_weight": weighted}
    common.write(folder, name, arrays, golden)


def both(folder, case, cls, batches, **options):
    write_metric(folder, case, cls(**options), batches)
    write_metric(folder, f"{case}_weighted", cls(**options), batches, weighted=True)


def accuracy(folder):
    random = common.rng("accuracy")
    labels = [(random.integers(0, 3, n), random.integers(0, 3, n)) for n in SIZES]
    both(folder, "accuracy_float", metrics.Accuracy, [(t.astype("float32"), p.astype("float32")) for t, p in labels])
    both(folder, "accuracy_int", metrics.Accuracy, [(t.astype("int32"), p.astype("int32")) for t, p in labels])
    table = [tuple(random.integers(0, 2, (2, n, 4)).astype("float32")) for n in SIZES]
    both(folder, "accuracy_table", metrics.Accuracy, table)


def binary(folder):
    random = common.rng("binary")
    # Values at the threshold itself count as below it.
    grid = np.array([0, 0.1, 0.25, 0.3, 0.5, 0.7, 0.75, 1], "float32")
    table = [(random.integers(0, 2, (n, 3)).astype("float32"), random.choice(grid, (n, 3))) for n in SIZES]
    column = [(t[:, :1], p[:, :1]) for t, p in table]
    both(folder, "binary_accuracy", metrics.BinaryAccuracy, column)
    both(folder, "binary_accuracy_int", metrics.BinaryAccuracy, [(t.astype("int32"), p) for t, p in column])
    both(folder, "binary_accuracy_rank_1", metrics.BinaryAccuracy, [(t[:, 0], p) for t, p in column])
    both(folder, "binary_accuracy_multilabel", metrics.BinaryAccuracy, table)
    both(folder, "binary_accuracy_threshold_quarter", metrics.BinaryAccuracy, table, threshold=0.25)
    both(folder, "binary_accuracy_threshold_0.7", metrics.BinaryAccuracy, column, threshold=0.7)


def categorical(folder):
    random = common.rng("categorical")
    predictions = [random.uniform(0, 1, (n, 4)).astype("float32") for n in SIZES]
    # Ties: the first of the largest wins.
    tied = [p.round() for p in predictions]
    tied[0][0], tied[0][1], tied[1][0], tied[2][0] = 0, 1, [0, 0.5, 0.5, 0], [-1, -1, -2, -2]
    labels = [random.integers(0, 4, n).astype("int32") for n in SIZES]
    labels[0][:2], labels[1][0], labels[2][0] = 0, 1, 1
    dense, sparse = metrics.CategoricalAccuracy, metrics.SparseCategoricalAccuracy
    for label, values in [("", predictions), ("_ties", tied)]:
        hot = [np.eye(4, dtype="float32")[l] for l in labels]
        both(folder, f"categorical_accuracy{label}", dense, list(zip(hot, values)))
        both(folder, f"sparse_categorical_accuracy{label}", sparse, list(zip(labels, values)))
    soft = [random.uniform(0, 1, (n, 4)).astype("float32") for n in SIZES]
    both(folder, "categorical_accuracy_soft_labels", dense, list(zip(soft, predictions)))
    column = [l[:, None] for l in labels]
    both(folder, "sparse_categorical_accuracy_column", sparse, list(zip(column, predictions)))
    three = [random.integers(0, 4, (n, 2)).astype("int32") for n in SIZES]
    scores = [common.normal(random, (n, 2, 4)) for n in SIZES]
    write_metric(folder, "sparse_categorical_accuracy_3d", sparse(), list(zip(three, scores)))
    hot = [np.eye(4, dtype="float32")[l] for l in three]
    write_metric(folder, "categorical_accuracy_3d", dense(), list(zip(hot, scores)))


def regression(folder):
    random = common.rng("regression")
    for cls in (metrics.MeanAbsoluteError, metrics.MeanSquaredError):
        name = cls().name
        table = [(common.normal(random, (n, 3)), common.normal(random, (n, 3))) for n in SIZES]
        both(folder, name, cls, table)
        both(folder, f"{name}_rank_1", cls, [(t[:, 0], p[:, :1]) for t, p in table])
        both(folder, f"{name}_int", cls, [(np.rint(t).astype("int32"), p) for t, p in table])


def of_losses(folder):
    random = common.rng("of_losses")
    table = [(common.normal(random, (n, 3)), common.normal(random, (n, 3))) for n in SIZES]
    positive = [tuple(random.uniform(0.1, 3, (2, n, 3)).astype("float32")) for n in SIZES]
    signs = [(np.sign(t), p) for t, p in table]
    bits = [((t > 0).astype("float32"), 1 / (1 + np.exp(-p))) for t, p in table]
    shares = [(p / p.sum(-1, keepdims=True)) for _, p in positive]
    hot = [np.eye(3, dtype="float32")[random.integers(0, 3, n)] for n in SIZES]
    classes = list(zip(hot, shares))
    labels = [(t.argmax(-1).astype("int32"), p) for t, p in classes]
    for cls, batches in [
        (metrics.MeanAbsolutePercentageError, positive),
        (metrics.MeanSquaredLogarithmicError, positive),
        (metrics.RootMeanSquaredError, table),
        (metrics.CosineSimilarity, table),
        (metrics.LogCoshError, table),
        (metrics.Poisson, positive),
        (metrics.Hinge, signs),
        (metrics.SquaredHinge, signs),
        (metrics.CategoricalHinge, classes),
        (metrics.KLDivergence, classes),
        (metrics.BinaryCrossentropy, bits),
        (metrics.CategoricalCrossentropy, classes),
        (metrics.SparseCategoricalCrossentropy, labels),
    ]:
        both(folder, cls().name, cls, batches)
    both(folder, "root_mean_squared_error_rank_1", metrics.RootMeanSquaredError, [(t[:, 0], p[:, :1]) for t, p in table])
    logits = [(t, p) for (t, _), (_, p) in zip(bits, table)]
    smooth = {"from_logits": True, "label_smoothing": 0.1}
    write_metric(folder, "binary_crossentropy_logits", metrics.BinaryCrossentropy(**smooth), logits)


def top_k(folder):
    random = common.rng("top_k")
    dense, sparse = metrics.TopKCategoricalAccuracy, metrics.SparseTopKCategoricalAccuracy
    # Rounded, for ties: all of them are among the likeliest.
    scores = [common.normal(random, (n, 7)).round(1) for n in SIZES]
    labels = [random.integers(0, 7, n).astype("int32") for n in SIZES]
    hot = [np.eye(7, dtype="float32")[l] for l in labels]
    both(folder, "top_k_categorical_accuracy", dense, list(zip(hot, scores)))
    both(folder, "top_k_categorical_accuracy_2", dense, list(zip(hot, scores)), k=2)
    both(folder, "sparse_top_k_categorical_accuracy_3", sparse, list(zip(labels, scores)), k=3)
    both(folder, "sparse_top_k_categorical_accuracy_column", sparse, [(l[:, None], p) for l, p in zip(labels, scores)], k=2)
    three = [(random.integers(0, 4, (n, 2)).astype("int32"), common.normal(random, (n, 2, 4))) for n in SIZES]
    write_metric(folder, "sparse_top_k_categorical_accuracy_3d", sparse(k=2), three)


def counts(folder):
    random = common.rng("counts")
    # Values at thresholds themselves count as below them.
    grid = np.array([0, 0.1, 0.25, 0.3, 0.5, 0.7, 0.75, 1], "float32")
    table = [(random.integers(0, 2, (n, 3)).astype("float32"), random.choice(grid, (n, 3))) for n in SIZES]
    column = [(t[:, 0].astype("int32"), p[:, :1]) for t, p in table]
    smooth = [(t, random.uniform(0, 1, t.shape).astype("float32")) for t, _ in table]
    for cls in (metrics.TruePositives, metrics.TrueNegatives, metrics.FalsePositives, metrics.FalseNegatives):
        name = cls().name.removesuffix("_1")
        both(folder, name, cls, table, name=name)
        write_metric(folder, f"{name}_thresholds", cls(name=name, thresholds=[0.2, 0.5, 0.9]), smooth)
    for cls, name in [(metrics.Precision, "precision"), (metrics.Recall, "recall")]:
        both(folder, name, cls, table, name=name)
        both(folder, f"{name}_column", cls, column, name=name, thresholds=0.3)
        both(folder, f"{name}_even", cls, table, name=name, thresholds=[0.0, 0.25, 0.5, 0.75, 1.0])
        both(folder, f"{name}_class", cls, table, name=name, class_id=1)
        both(folder, f"{name}_top_k", cls, table, name=name, top_k=2)
        write_metric(folder, f"{name}_top_k_class", cls(name=name, top_k=1, class_id=2), smooth)
    for cls, name in [
        (metrics.PrecisionAtRecall, "precision_at_recall"),
        (metrics.RecallAtPrecision, "recall_at_precision"),
        (metrics.SensitivityAtSpecificity, "sensitivity_at_specificity"),
        (metrics.SpecificityAtSensitivity, "specificity_at_sensitivity"),
    ]:
        both(folder, name, lambda **options: cls(0.6, **options), smooth, name=name)
        few = cls(0.4, num_thresholds=1, class_id=0, name=name)
        write_metric(folder, f"{name}_one_threshold", few, table)


def areas(folder):
    random = common.rng("areas")
    table = [(random.integers(0, 2, (n, 3)).astype("float32"), random.uniform(0, 1, (n, 3)).round(2)) for n in SIZES]
    table = [(t, (0.3 * t + 0.7 * p).astype("float32")) for t, p in table]
    table[0][1][0], table[1][1][0] = 0, 1
    column = [(t[:, 0], p[:, :1]) for t, p in table]
    logits = [(t, 4 * p - 2) for t, p in table]
    auc = metrics.AUC
    for curve in ("ROC", "PR"):
        name = f"auc_{curve.lower()}"
        options = {"name": "auc", "curve": curve}
        both(folder, name, auc, table, **options)
        both(folder, f"{name}_column", auc, column, **options, num_thresholds=5)
        both(folder, f"{name}_labels", auc, table, **options, multi_label=True)
        both(folder, f"{name}_own_thresholds", auc, table, **options, thresholds=[0.6, 0.2, 0.9])
        for method in ("minoring", "majoring"):
            write_metric(folder, f"{name}_{method}", auc(**options, summation_method=method), table)
    weights = {"multi_label": True, "label_weights": [1.0, 0.5, 2.0]}
    both(folder, "auc_roc_label_weights", auc, table, name="auc", thresholds=[0.1, 0.5, 0.6], **weights)
    write_metric(folder, "auc_logits", auc(name="auc", from_logits=True), logits)


def scores(folder):
    random = common.rng("scores")
    table = [(random.integers(0, 2, (n, 4)).astype("float32"), random.uniform(0, 1, (n, 4)).astype("float32")) for n in SIZES]
    table[0][1][0] = 0
    hot = [(np.eye(4, dtype="float32")[t.argmax(-1)], p) for t, p in table]
    for average in (None, "micro", "macro", "weighted"):
        both(folder, f"f1_score_{average}".lower(), metrics.F1Score, hot, average=average)
        both(folder, f"fbeta_score_{average}".lower(), metrics.FBetaScore, table, average=average, beta=0.5, threshold=0.6)
    numbers = [(common.normal(random, (n, 3)), common.normal(random, (n, 3), 0.3)) for n in SIZES]
    numbers = [(t, (t + p).astype("float32")) for t, p in numbers]
    for aggregation in (None, "uniform_average", "variance_weighted_average"):
        name = f"r2_score_{aggregation}".lower()
        both(folder, name, metrics.R2Score, numbers, class_aggregation=aggregation)
    both(folder, "r2_score_adjusted", metrics.R2Score, [(t[:, 0], p[:, :1]) for t, p in numbers], num_regressors=2)


def overlap(folder):
    random = common.rng("overlap")
    labels = [tuple(random.integers(0, 3, (2, n, 4)).astype("int32")) for n in SIZES]
    found = [(t, random.uniform(0, 1, (*t.shape, 3)).astype("float32")) for t, _ in labels]
    hot = [(np.eye(3, dtype="float32")[t], p) for t, p in found]
    bits = [((t > 1).astype("float32"), p[..., 0]) for t, p in found]
    flat = lambda batches: [(t[:, 0], p[:, 0]) for t, p in batches]
    some = {"num_classes": 3, "target_class_ids": [0, 2]}
    for name, cls, batches, options in [
        ("io_u", metrics.IoU, labels, some),
        ("mean_io_u", metrics.MeanIoU, labels, {"num_classes": 3}),
        ("one_hot_io_u", metrics.OneHotIoU, hot, some),
        ("one_hot_mean_io_u", metrics.OneHotMeanIoU, hot, {"num_classes": 3}),
        ("binary_io_u", metrics.BinaryIoU, bits, {"threshold": 0.4}),
    ]:
        write_metric(folder, name, cls(name=name, **options), batches)
        whole = cls(name=name, **options)
        write_metric(folder, f"{name}_weighted", whole, flat(batches), weighted=True, whole=True)
    write_metric(folder, "binary_io_u_one", metrics.BinaryIoU([1], name="binary_io_u"), bits)
    ignoring = {"num_classes": 4, "ignore_class": 1, "sparse_y_pred": False, "name": "mean_io_u"}
    write_metric(folder, "mean_io_u_ignore", metrics.MeanIoU(**ignoring), found)


def main():
    folder = common.output_folder()
    for family in (accuracy, binary, categorical, regression, of_losses, top_k, counts, areas, scores, overlap):
        family(folder)


main()
