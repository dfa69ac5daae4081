"""Recurrent layers: outputs, last states, masks, and the gradients of every input, first state and weight for random upstream
gradients of all outputs.

Inputs, weights and upstream gradients come from `draw`, and of results with many values every stride-th is stored, so that wide
layers and long sequences have small files.
"""

import common
import drawn
from common import jax, keras, np

layers = keras.layers
MOST = 150  # values of a result that are stored


def write_layer(folder, name, layer, shape, mask=None, states=()):
    """`states`: the shapes of the first states, if they are given."""
    seeds = iter(range(1, 100))
    about = {}

    def draw(what, shape, scale=1.0):
        about[what] = {"seed": next(seeds), "shape": list(shape), "scale": float(np.float32(scale))}
        return drawn.draw(about[what]["seed"], shape, scale)

    inputs = [draw(f"input.{i}", s) for i, s in enumerate([shape, *states])]
    nested = isinstance(layer, layers.RNN) and isinstance(layer.cell, layers.StackedRNNCells)
    sizes = [len(c.state_size) if isinstance(c.state_size, list) else 1 for c in layer.cell.cells] if nested else []

    def call(x, *first):
        first = list(first)
        if nested and first:
            first = [[first.pop(0) for _ in range(size)] for size in sizes]
        options = {"initial_state": first} if first else {}
        x = jax.numpy.array(x)
        # As layers before would leave it. Keras gives it to no call with first states.
        keras.src.backend.set_keras_mask(x, None if mask is None else jax.numpy.array(mask))
        y = layer(x, **options)
        return keras.tree.flatten(y) if isinstance(y, (tuple, list)) else [y]

    call(*inputs)
    names = common.names_of(layer)
    for weight in layer.trainable_weights:
        weight.assign(draw(f"weight.{names[id(weight)]}", weight.shape, 1.2 / weight.shape[0] ** 0.5))
    directions = [layer.forward_layer, layer.backward_layer] if isinstance(layer, layers.Bidirectional) else [layer]
    fixed = [v for direction in directions for v in common.states_of(direction)]
    for state in fixed:
        state.assign(draw(f"weight.{names[id(state)]}", state.shape))

    def run(trainable, inputs):
        with keras.StatelessScope(list(zip(layer.trainable_variables, trainable))) as scope:
            outputs = call(*inputs)
            after = [scope.get_current_value(v) for v in fixed]
        return outputs, after

    trainable = [v.value for v in layer.trainable_variables]
    outputs, pull, after = jax.vjp(run, trainable, inputs, has_aux=True)
    upstream = [draw(f"grad_output.{i}", y.shape) for i, y in enumerate(outputs)]
    grad_weights, grad_inputs = pull(upstream)

    results = {f"output.{i}": y for i, y in enumerate(outputs)}
    results |= {f"grad_input.{i}": g for i, g in enumerate(grad_inputs)}
    results |= {f"grad_weight.{names[id(w)]}": g for w, g in zip(layer.trainable_weights, grad_weights)}
    results |= {f"updated.{names[id(v)]}": value for v, value in zip(fixed, after) if value is not None}
    strides = {what: drawn.stride(value.size, MOST) for what, value in results.items()}
    arrays = {what: np.asarray(v).ravel()[:: strides[what]] if strides[what] > 1 else v for what, v in results.items()}
    golden = common.config(layer) | {
        "inputs": len(inputs),
        "outputs": len(outputs),
        "training": False,
        "adapt": False,
        "weights": [
            {"name": names[id(w)], "trainable": w.trainable} for w in layer.trainable_weights + fixed
        ],
        "drawn": about,
        "strides": {what: stride for what, stride in strides.items() if stride > 1},
    }
    if mask is not None:
        arrays["mask.0"] = mask
        whole = layer.compute_mask(inputs[0], mask)
        whole = whole if isinstance(whole, (list, tuple)) else [whole]
        if whole[0] is not None:
            arrays["output_mask"] = whole[0]
    common.write(folder, name, arrays, golden)


RAGGED = np.array([[1, 1, 0, 1, 0], [0, 0, 0, 0, 0], [0, 1, 0, 0, 1], [1, 1, 1, 0, 0]], bool)
MASKS = {"ragged": RAGGED, "kept": np.ones((4, 5), bool), "dropped": np.zeros((4, 5), bool)}
KINDS = {
    "simple_rnn": (layers.SimpleRNN, {}),
    "gru": (layers.GRU, {}),
    "gru_reset_first": (layers.GRU, {"reset_after": False}),
    "lstm": (layers.LSTM, {}),
}


def options_of(gated):
    own = {
        f"{part}_{what}": value
        for part in ("kernel", "recurrent", "bias")
        for what, value in (
            ("initializer", keras.initializers.HeNormal(seed=7)),
            ("regularizer", keras.regularizers.L1L2(0.01, 0.02)),
            ("constraint", keras.constraints.MaxNorm(3.0)),
        )
    }
    return own | {"dropout": 0.2, "recurrent_dropout": 0.3, "seed": 5, "unroll": False} | (
        {"recurrent_activation": "hard_sigmoid"} if gated else {}
    )


def one_piece(folder):
    for label, (cls, own) in KINDS.items():
        states = 2 if cls is layers.LSTM else 1
        gated = cls is not layers.SimpleRNN

        def case(name, units=4, shape=(4, 5, 3), given=False, mask=None, **options):
            layer = cls(units, **own, **options, name="layer")
            first = [(shape[0], units)] * states if given else []
            write_layer(folder, f"{label}_{name}", layer, shape, mask, first)

        case("default")
        for units in (1, 31, 32, 33, 100, 257):
            case(f"{units}_units", units, (3, 4, 2), return_sequences=units % 2 == 1, return_state=True, given=True)
        case("one_step", shape=(4, 1, 3), return_sequences=True)
        case("one_sample", shape=(1, 5, 3), return_state=True)
        case("long", 3, (1, 2000, 2), return_state=True)
        case("backwards", go_backwards=True, return_sequences=True, return_state=True, given=True)
        case("no_bias", use_bias=False, return_sequences=True)
        case("options", **options_of(gated))
        case("linear", activation="linear", return_sequences=True)
        case("gelu", activation="gelu", return_sequences=True, return_state=True,
             **({"recurrent_activation": "silu"} if gated else {}))
        for kind, mask in MASKS.items():
            case(f"masked_{kind}", mask=mask)
            case(f"masked_{kind}_sequences", mask=mask, return_sequences=True, return_state=True)
        case("masked_given", mask=RAGGED, return_sequences=True, given=True)
        case("masked_zero", mask=RAGGED, return_sequences=True, zero_output_for_mask=True)
        case("masked_zero_last", mask=RAGGED, zero_output_for_mask=True, return_state=True)
        case("masked_backwards", mask=RAGGED, return_sequences=True, go_backwards=True, return_state=True)
        case("stateful", stateful=True, return_sequences=True)
        case("stateful_masked", stateful=True, mask=RAGGED, return_state=True, go_backwards=True)


def bidirectional(folder):
    def case(name, layer, states=(), mask=None, shape=(4, 5, 3), **options):
        wrapped = layers.Bidirectional(layer, **options, name="layer")
        write_layer(folder, f"bidirectional_{name}", wrapped, shape, mask=mask, states=[(4, u) for u in states])

    for mode in ("sum", "mul", "concat", "ave", None):
        case(f"{mode}", layers.LSTM(3, return_sequences=True), merge_mode=mode)
        case(f"{mode}_last", layers.GRU(3), merge_mode=mode)
    case("states", layers.LSTM(3, return_state=True, name="memory"), states=[3] * 4)
    case("states_none", layers.GRU(3, return_state=True, return_sequences=True), states=[3] * 2, merge_mode=None)
    own = layers.GRU(2, go_backwards=True, return_sequences=True, name="back")
    case("own", layers.SimpleRNN(3, return_sequences=True), backward_layer=own)
    for kind, mask in MASKS.items():
        case(f"masked_{kind}", layers.LSTM(3, return_sequences=True), mask=mask)
        case(f"masked_{kind}_last", layers.LSTM(3), mask=mask)
    case("masked_given", layers.GRU(3, return_sequences=True), states=[3, 3], mask=RAGGED)
    case("masked_state", layers.GRU(2, return_sequences=True, return_state=True), mask=RAGGED)
    case("stateful", layers.LSTM(2, return_sequences=True, stateful=True))
    case("rnn", layers.RNN(layers.LSTMCell(2), return_sequences=True), mask=RAGGED)


def cells(folder):
    def case(name, cell, states=(), mask=None, shape=(4, 5, 3), **options):
        layer = layers.RNN(cell, **options, name="layer")
        write_layer(folder, f"rnn_{name}", layer, shape, mask=mask, states=[(4, u) for u in states])

    softmax = {"activation": "softmax", "recurrent_activation": "softmax"}
    for label, cell, states in (
        ("simple", lambda: layers.SimpleRNNCell(3, activation="softmax", name="cell"), [3]),
        ("gru", lambda: layers.GRUCell(3, **softmax, name="cell"), [3]),
        ("gru_reset_first", lambda: layers.GRUCell(3, reset_after=False, name="cell"), [3]),
        ("lstm", lambda: layers.LSTMCell(3, **softmax, name="cell"), [3, 3]),
        ("stacked", lambda: layers.StackedRNNCells(
            [layers.LSTMCell(2, name="a"), layers.GRUCell(3, name="b"), layers.LSTMCell(4, use_bias=False, name="c")],
            name="cell"), [2, 2, 3, 4, 4]),
    ):
        case(label, cell())
        case(f"{label}_states", cell(), states, return_sequences=True, return_state=True)
        case(f"{label}_backwards", cell(), go_backwards=True, return_sequences=True)
        case(f"{label}_masked_last", cell(), mask=RAGGED, zero_output_for_mask=True, return_state=True)
        for kind, mask in MASKS.items():
            case(f"{label}_masked_{kind}", cell(), mask=mask, return_sequences=True, return_state=True)
        case(f"{label}_stateful", cell(), stateful=True)


def convolutions(folder):
    extents = {1: (6,), 2: (5, 4), 3: (3, 2, 3)}
    for axes, spatial in extents.items():
        def case(name, *arguments, states=None, shape=(2, 3, *spatial, 2), **options):
            layer = getattr(layers, f"ConvLSTM{axes}D")(*arguments, **options, name="layer")
            write_layer(folder, f"conv_lstm{axes}d_{name}", layer, shape, states=[states] * 2 if states else [])

        case("default", 2, 2)
        case("same", 2, 3, padding="same", return_sequences=True, return_state=True, states=(2, *spatial, 2))
        case("backwards", 1, 2, strides=2, padding="same", go_backwards=True, return_sequences=True)
        case("dilation", 2, 2, dilation_rate=2, padding="same", activation="softmax", use_bias=False)
        case("stateful", 1, 2, stateful=True, return_sequences=True)
        if axes == 2:
            case("options", 2, (3, 2), **options_of(True))


def main():
    folder = common.output_folder()
    for family in one_piece, bidirectional, cells, convolutions:
        family(folder)


main()
