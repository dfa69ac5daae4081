"""What Keras makes of texts and categories: TextVectorization, StringLookup, IntegerLookup and Hashing, and files of them.

    PYTHON scripts/goldens/text_input.py tests/goldens/text_input

These layers need TensorFlow, which the pinned environment of the other goldens does not have (it is half a gigabyte, and
nothing else asks for it). PYTHON is that of an environment of its own:

    python3 -m venv /tmp/text && /tmp/text/bin/pip install keras==3.15.1 tensorflow-cpu==2.21.0

One file, `text.json`: for each case the class, what it is made of (`arguments`), what it adapts to (`adapt`), its inputs
and outputs, its vocabulary, and its config as Keras writes it. Beside it the `.keras` files of some of them.

    PYTHON scripts/goldens/text_input.py --check FOLDER

is the other direction: it opens the `.keras` files that this engine wrote into FOLDER, and compares with the `.json` beside
each what their layers compute and which vocabulary they have.
"""

import json
import os
import pathlib
import sys

os.environ["KERAS_BACKEND"] = os.environ.get("KERAS_BACKEND", "tensorflow")
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf

assert keras.__version__ == "3.15.1" and tf.__version__.startswith("2.21."), (keras.__version__, tf.__version__)

POEM = [
    "Tiger, tiger, burning bright",
    "In the forests of the night;",
    "What immortal hand or eye",
    "Could frame thy fearful symmetry?",
    "  ",
    "the tiger\tthe\u00a0NIGHT\x0bof É é ÉCLAIR İ ß — “quoted” it's 3.14 a_b",
]
NEW = ["The tiger of the DAY!", "", "night night bright É é é—é", "\n \u3000", "of " * 40]
WORDS = [["ant", "bee", "cat"], ["bee", "cat", "cat"], ["", "bee", "dog"]]
OTHER = [["bee", "", "eel"], ["cat", "cat", "fly"]]
NUMBERS = [[12, 1138, 42], [42, -7, 36], [0, 42, 12]]
OTHERS = [[12, 0, 5], [-8, 42, 42], [100, 301, 7]]


def plain(values):
    """Nested lists of what TensorFlow and NumPy have."""
    if hasattr(values, "numpy"):
        values = values.numpy()
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if isinstance(values, (list, tuple)):
        return [plain(v) for v in values]
    return values.decode() if isinstance(values, bytes) else values.item() if isinstance(values, np.generic) else values


def cases():
    text = lambda name, **arguments: (f"text_{name}", "TextVectorization", arguments, POEM, NEW)
    yield text("default")
    for standardize in (None, "lower", "strip_punctuation", "lower_and_strip_punctuation"):
        for split in (None, "whitespace", "character"):
            yield text(f"{standardize}_{split}".lower(), standardize=standardize, split=split)
    for mode in ("multi_hot", "count", "tf_idf"):
        yield text(mode, output_mode=mode)
        yield text(f"{mode}_capped", output_mode=mode, max_tokens=5)
        yield text(f"{mode}_padded", output_mode=mode, max_tokens=60, pad_to_max_tokens=True)
        yield text(f"{mode}_ngrams", output_mode=mode, ngrams=2, max_tokens=30)
    yield text("capped", max_tokens=8)
    yield text("length", output_sequence_length=3)
    yield text("length_long", output_sequence_length=50, max_tokens=20)
    yield text("ngrams", ngrams=3)
    yield text("ngrams_list", ngrams=(2, 1))
    yield text("ngrams_two", ngrams=(2,), output_sequence_length=4)
    yield text("ngrams_characters", ngrams=2, split="character", max_tokens=40)
    # Terms that the lines of a file cannot hold.
    breaks = ["a\nb\u2028c\r\n\x1c", "\n \x85"]
    yield "text_breaks", "TextVectorization", {"split": "character"}, breaks, breaks[::-1]
    given = ["tiger", "night", "é"]
    yield "text_given", "TextVectorization", {"vocabulary": given}, None, NEW
    special = ["", "[UNK]", *given]
    yield "text_given_special", "TextVectorization", {"vocabulary": special, "output_sequence_length": 4}, None, NEW
    weights = [0.5, 1.25, 2.0]
    for name, more in ("", {}), ("_padded", {"pad_to_max_tokens": True, "max_tokens": 6}):
        arguments = {"vocabulary": given, "idf_weights": weights, "output_mode": "tf_idf", **more}
        yield f"text_given_tf_idf{name}", "TextVectorization", arguments, None, NEW
    tokens = {"split": None, "standardize": "lower"}
    yield "text_tokens", "TextVectorization", {**tokens, "output_sequence_length": 5}, WORDS, OTHER
    yield "text_tokens_ngrams", "TextVectorization", {**tokens, "ngrams": 2, "output_mode": "count"}, WORDS, OTHER

    modes = ("int", "one_hot", "multi_hot", "count", "tf_idf")
    for mode in modes:
        for name, more in ("", {}), ("_masked", {"mask_token": ""}), ("_oov", {"num_oov_indices": 3}):
            yield f"string_{mode}{name}", "StringLookup", {"output_mode": mode, **more}, WORDS, OTHER
        yield f"string_{mode}_flat", "StringLookup", {"output_mode": mode}, ["b", "a", "b"], ["a", "z", "b", "b"]
        yield f"string_{mode}_column", "StringLookup", {"output_mode": mode}, [["b"], ["a"], ["b"]], [["a"], ["z"]]
        for name, more in ("", {}), ("_masked", {"mask_token": 0}), ("_oov", {"num_oov_indices": 3}):
            yield f"integer_{mode}{name}", "IntegerLookup", {"output_mode": mode, **more}, NUMBERS, OTHERS
    for mode in modes[2:]:
        capped = {"output_mode": mode, "max_tokens": 3}
        yield f"string_{mode}_capped", "StringLookup", capped, WORDS, OTHER
        padded = {"output_mode": mode, "max_tokens": 9, "pad_to_max_tokens": True}
        yield f"string_{mode}_padded", "StringLookup", padded, WORDS, OTHER
    yield "string_no_oov", "StringLookup", {"num_oov_indices": 0, "vocabulary": ["bee", "ant"]}, None, ["ant", "bee"]
    yield "string_salt", "StringLookup", {"num_oov_indices": 7, "vocabulary": ["bee"], "salt": [133, 137]}, None, OTHER
    yield "string_oov_token", "StringLookup", {"oov_token": "?", "vocabulary": ["?", "a"]}, None, ["a", "?", "b"]
    ties = ["b", "a", "é", "Z", "z", "\U0001f600", "\ufffd", "aa", "a b"]
    yield "string_ties", "StringLookup", {}, ties, ties[::-1]
    yield "string_inverted", "StringLookup", {"vocabulary": ["a", "b"], "invert": True, "mask_token": ""}, None, [
        [0, 1, 2], [3, 4, -1]]
    yield "integer_inverted", "IntegerLookup", {"vocabulary": [5, 7], "invert": True, "num_oov_indices": 2}, None, [
        [0, 1, 2, 3, 4, -9]]
    for name, more in ("", {}), ("_salt", {"salt": 5}):
        arguments = {"vocabulary": [12], "num_oov_indices": 5, "oov_method": "farmhash", **more}
        yield f"integer_farmhash{name}", "IntegerLookup", arguments, None, OTHERS
    extreme = [[2**63 - 1, -(2**63)], [0, -1]]
    yield "integer_extreme", "IntegerLookup", {"num_oov_indices": 3}, extreme, [[2**63 - 1, 2**62, -(2**62) - 1, -3]]

    # Every way through the hash: up to 3, 7, 16, 32, 64 bytes, and blocks of 64.
    lengths = [*range(0, 70), 95, 96, 97, 127, 128, 129, 191, 192, 193, 256, 300, 1000]
    strings = [("0123456789abcdefghijklmnopqrstuvwxyz-É" * 30)[:n] for n in lengths]
    for name, more in ("", {}), ("_salt", {"salt": 133}), ("_salts", {"salt": [133, 137]}), ("_negative", {"salt": [-1, 3]}):
        yield f"hash{name}", "Hashing", {"num_bins": 2**31 - 1, **more}, None, strings
        yield f"hash{name}_integers", "Hashing", {"num_bins": 1000, **more}, None, OTHERS
    yield "hash_masked", "Hashing", {"num_bins": 4, "mask_value": ""}, None, OTHER
    yield "hash_masked_integers", "Hashing", {"num_bins": 4, "mask_value": 0}, None, OTHERS
    yield "hash_one_bin", "Hashing", {"num_bins": 1, "mask_value": ""}, None, OTHER
    for mode in modes[1:4]:
        yield f"hash_{mode}", "Hashing", {"num_bins": 5, "output_mode": mode}, None, OTHER
        yield f"hash_{mode}_flat", "Hashing", {"num_bins": 5, "output_mode": mode}, None, ["a", "b", "b"]
        yield f"hash_{mode}_column", "Hashing", {"num_bins": 5, "output_mode": mode}, None, [["a"], ["b"]]


# Those of which there are files, and whether as functional models with a layer behind.
FILES = {"text_default": False, "text_tf_idf": True, "text_ngrams_list": False, "text_given": True,
         "text_given_tf_idf_padded": False, "string_int_masked": True, "string_tf_idf": False, "string_inverted": False,
         "integer_count_oov": False, "integer_farmhash_salt": True, "hash_salts": False, "hash_masked_integers": True}


def model_of(layer, name, inputs, functional):
    dtype = "string" if isinstance(np.ravel(np.array(inputs, dtype=object))[0], str) else "int64"
    single = isinstance(layer, keras.layers.TextVectorization) and layer._split is not None
    input = keras.Input((1 if single else None,), dtype=dtype, name="in")
    if not functional:
        return keras.Sequential([input, layer], name="texts")
    return keras.Model(input, layer(input), name=f"model_{name}")


def write(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for old in [*folder.glob("*.json"), *folder.glob("*.keras")]:
        old.unlink()
    golden = {}
    for name, class_name, arguments, adapt, inputs in cases():
        layer = getattr(keras.layers, class_name)(name=name, **arguments)
        if adapt is not None:
            layer.adapt(np.array(adapt) if class_name == "IntegerLookup" else adapt)
        integers = class_name == "IntegerLookup" or not isinstance(np.ravel(np.array(inputs, dtype=object))[0], str)
        output = layer(np.array(inputs, dtype="int64") if integers else tf.constant(inputs))
        case = {"class_name": class_name, "arguments": arguments, "inputs": inputs, "output": plain(output),
                "shape": list(output.shape), "config": keras.saving.serialize_keras_object(layer)["config"]}
        if adapt is not None:
            case["adapt"] = adapt
        if class_name != "Hashing":
            case["vocabulary"] = plain(layer.get_vocabulary())
        if name in FILES:
            model_of(layer, name, inputs, FILES[name]).save(folder / f"{name}.keras")
            case["file"] = f"{name}.keras"
        golden[name] = case
    compact = lambda value: json.dumps(value, separators=(",", ":"))
    lines = ",\n".join(f"{compact(name)}:{compact(case)}" for name, case in golden.items())
    made_with = json.dumps({"keras": keras.__version__, "tensorflow": tf.__version__})
    (folder / "text.json").write_text(f'{{"made_with": {made_with}, "cases": {{\n{lines}\n}}}}\n')
    print(f"{len(golden)} cases, {len(FILES)} files")


def check(folder):
    files = sorted(folder.glob("*.keras"))
    for path in files:
        model = keras.models.load_model(path)
        want = json.loads(path.with_suffix(".json").read_text())
        layer = model.layers[-1]
        if "vocabulary" in want and want["vocabulary"] != (have := plain(layer.get_vocabulary())):
            raise ValueError(f"{path.name}: the vocabulary is {have}, not {want['vocabulary']}")
        integers = not isinstance(np.ravel(np.array(want["inputs"], dtype=object))[0], str)
        inputs = np.array(want["inputs"], dtype="int64") if integers else tf.constant(want["inputs"])
        have = layer(inputs)
        shape = list(have.shape)
        if shape != want["shape"]:
            raise ValueError(f"{path.name}: the shape is {shape}, not {want['shape']}")
        have, numbers = np.ravel(np.array(plain(have), dtype=object)), np.array(want["output"], dtype=object)
        same = [a == b if isinstance(a, str) else abs(a - b) <= 1e-6 * max(1, abs(b)) for a, b in zip(have, numbers)]
        if len(have) != len(numbers) or not all(same):
            raise ValueError(f"{path.name}: Keras computes {have}, not {numbers}")
    if not files:
        raise ValueError(f"no .keras file in {folder}")
    print(f"Keras {keras.__version__} on {keras.backend.backend()} opens {len(files)} files and computes the same")


if len(sys.argv) == 3 and sys.argv[1] == "--check":
    check(pathlib.Path(sys.argv[2]))
elif len(sys.argv) == 2:
    write(pathlib.Path(sys.argv[1]))
else:
    sys.exit(__doc__)
