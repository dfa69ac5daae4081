"""Opens `.keras` files that this engine wrote with Keras itself, and fails unless Keras computes the same.

    "$(scripts/goldens/environment)" scripts/goldens/check_ours.py FOLDER [--inference]

Every `.keras` file below FOLDER is checked with what lies beside it in its own folder: the inputs `x.npy` (or
`x.0.npy`, `x.1.npy`, …) and the predictions `y.npy` (or `y.0.npy`, …) that the engine made. Then one step is trained,
on the targets `target.npy` (or `target.0.npy`, …) if they are there and else on the predictions themselves, which must
change the weights and leave them finite. Where the engine left its own loss of that step, `loss.npy`, and its
predictions after it, `after.npy` (or `after.0.npy`, …), they must agree: only these prove the optimizer's state value
by value. With --inference files may be without a compile config and nothing is trained.
"""

import argparse
import pathlib
import sys
import warnings

import common
import hub  # noqa: F401, which registers its layers
import ours  # noqa: F401, too
from common import keras, np

RELATIVE, ABSOLUTE = 1e-4, 1e-6
register = keras.saving.register_keras_serializable(package="Tests")


# What tests/keras_files/registered.rs registers.
@register
class Scale(keras.layers.Layer):
    def __init__(self, factor, initializer, **options):
        super().__init__(**options)
        self.factor, self.initializer = factor, keras.initializers.get(initializer)

    def build(self, shape):
        self.scale = self.add_weight(shape=shape[-1:], initializer=self.initializer, name="scale")

    def call(self, x):
        return self.factor * self.scale * x


@register
class Halves(keras.initializers.Initializer):
    def __init__(self, n):
        self.n = n

    def __call__(self, shape, dtype=None):
        return self.n / 2.0 ** keras.ops.arange(1, shape[0] + 1, dtype="float32")


@register
class Fourth(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return keras.ops.sum((y_pred - y_true) ** 4, axis=-1)


@register
class Harmonic(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.01 / (1.0 + keras.ops.cast(step, "float32"))


@register
def squares(x):
    return keras.ops.concatenate([x, x**2], axis=-1)


def arrays(folder, stem):
    """`stem.npy`, or `stem.0.npy`, `stem.1.npy`, … in order."""
    single = folder / f"{stem}.npy"
    if single.exists():
        return [np.load(single)]
    numbered = []
    while (path := folder / f"{stem}.{len(numbered)}.npy").exists():
        numbered.append(np.load(path))
    return numbered


def one_or_all(values):
    return values[0] if len(values) == 1 else values


def predict(model, x):
    y = model.predict(one_or_all(x), verbose=0)
    return y if isinstance(y, list) else [y]


def expect_close(what, ours, theirs):
    """Equal shapes and close values; NaN is close to nothing."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    if ours.shape != theirs.shape:
        raise ValueError(f"{what}: our shape is {ours.shape}, Keras's is {theirs.shape}")
    close = np.abs(ours - theirs) <= ABSOLUTE + RELATIVE * np.abs(theirs)
    if not close.all():
        at = tuple(int(i) for i in np.argwhere(~close)[0])
        raise ValueError(f"{what}: {np.sum(~close)} of {close.size} values differ, first at {at}: "
                         f"ours {ours[at]}, Keras's {theirs[at]}")


def targets_of(model, folder, predictions):
    """The engine's targets, or the predictions: as classes where the loss is a sparse one."""
    if given := arrays(folder, "target"):
        return given
    losses = model.loss if isinstance(model.loss, (list, tuple)) else [model.loss] * len(predictions)
    if isinstance(model.loss, dict):
        losses = [model.loss[name] for name in model.output_names]
    sparse = ["sparse" in (loss if isinstance(loss, str) else loss.name) for loss in losses]
    return [y.argmax(-1).astype("int32") if s else y for s, y in zip(sparse, predictions)]


def train_one_step(model, folder, x, predictions):
    if getattr(model, "optimizer", None) is None:
        raise ValueError("no compile config: Keras cannot train on from this file")
    before = [np.array(v.value) for v in model.trainable_variables]
    iteration = int(model.optimizer.iterations)
    result = model.train_on_batch(one_or_all(x), one_or_all(targets_of(model, folder, predictions)), return_dict=True)
    if not np.isfinite(result["loss"]):
        raise ValueError(f"the loss of one more step is {result['loss']}")
    for ours in arrays(folder, "loss"):
        expect_close("loss of one more step", ours, np.float32(result["loss"]))
    if int(model.optimizer.iterations) != iteration + 1:
        raise ValueError(f"the step took the optimizer from iteration {iteration} to {int(model.optimizer.iterations)}")
    after = [np.array(v.value) for v in model.trainable_variables]
    if not all(np.isfinite(a).all() for a in after) or all(np.array_equal(a, b) for a, b in zip(after, before)):
        raise ValueError("one more step left the weights as they were, or not finite")
    for i, ours in enumerate(arrays(folder, "after")):
        expect_close(f"output {i} after one more step", ours, predict(model, x)[i])
    return f", step {iteration} to {iteration + 1}, loss {result['loss']:.6g}"


def check(path, inference):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Keras only warns of an optimizer's state that it cannot read
        warnings.filterwarnings("ignore", message=".*mask")  # nested models do carry them, whatever it says
        model = keras.models.load_model(path)
    x, ours = arrays(path.parent, "x"), arrays(path.parent, "y")
    if not x or not ours:
        raise ValueError("no x.npy or no y.npy beside the file")
    theirs = predict(model, x)
    if len(ours) != len(theirs):
        raise ValueError(f"the model has {len(theirs)} outputs, beside the file are {len(ours)}")
    for i, pair in enumerate(zip(ours, theirs)):
        expect_close(f"output {i}", *pair)
    return f"{len(theirs)} outputs agree" + ("" if inference else train_one_step(model, path.parent, x, theirs))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--inference", action="store_true", help="train nothing")
    arguments = parser.parse_args()
    files = sorted(arguments.folder.rglob("*.keras"))
    failed = 0 if files else 1
    if not files:
        print(f"no .keras file below {arguments.folder}")
    for path in files:
        try:
            print(f"ok    {path}: {check(path, arguments.inference)}")
        except Exception as error:
            failed += 1
            print(f"WRONG {path}: {type(error).__name__}: {error}")
    sys.exit(1 if failed else 0)


main()
