"""Optimizers: two variables through 12 steps of given gradients, and the optimizer's own variables at the end."""

import common
from common import keras, np

optimizers = keras.optimizers
STEPS = 12
SHAPES = {"dense/kernel": (5, 3), "dense/bias": (7,)}
# Gradients small and large, so that a clip acts on some steps only and on one variable without the other; and 0.
SCALES = {
    "dense/kernel": [1, 0.1, 10, 0, 1e-3, 3, 1, 0.5, 1e-4, 2, 0, 1],
    "dense/bias": [1, 10, 0.1, 0, 1, 1e-3, 0, 2, 1e-4, 0.2, 5, 1],
}

OPTIMIZERS = {
    "sgd": (optimizers.SGD, {}),
    "sgd_momentum": (optimizers.SGD, {"learning_rate": 0.05, "momentum": 0.9}),
    "sgd_nesterov": (optimizers.SGD, {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}),
    "rmsprop": (optimizers.RMSprop, {}),
    "rmsprop_momentum": (optimizers.RMSprop, {"learning_rate": 0.01, "momentum": 0.9}),
    "adam": (optimizers.Adam, {}),
    "adamw": (optimizers.AdamW, {"weight_decay": 0.004}),
    "adagrad": (optimizers.Adagrad, {"learning_rate": 0.05}),
    "adadelta": (optimizers.Adadelta, {"learning_rate": 1.0}),
    "adamax": (optimizers.Adamax, {}),
    "nadam": (optimizers.Nadam, {}),
    "lamb": (optimizers.Lamb, {"learning_rate": 0.01}),
    "lion": (optimizers.Lion, {}),
    "ftrl": (optimizers.Ftrl, {"learning_rate": 0.05}),
    "adafactor": (optimizers.Adafactor, {"learning_rate": 0.05}),
    "muon": (optimizers.Muon, {"learning_rate": 0.01}),
}
CLIPS = {"clipnorm": 1.0, "global_clipnorm": 1.5, "clipvalue": 0.5}
MORE = {
    "sgd_weight_decay": (optimizers.SGD, {"weight_decay": 0.01, "momentum": 0.5}),
    "rmsprop_rho": (optimizers.RMSprop, {"rho": 0.5, "epsilon": 1e-3}),
    "rmsprop_centered": (optimizers.RMSprop, {"centered": True}),
    "rmsprop_centered_momentum": (optimizers.RMSprop, {"centered": True, "momentum": 0.9}),
    "adam_betas": (optimizers.Adam, {"learning_rate": 0.02, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}),
    "adam_amsgrad": (optimizers.Adam, {"amsgrad": True, "beta_2": 0.5}),
    "adam_weight_decay": (optimizers.Adam, {"weight_decay": 0.1, "learning_rate": 0.02}),
    "adamw_strong_decay": (optimizers.AdamW, {"weight_decay": 0.5, "learning_rate": 0.02}),
    "adagrad_initial": (optimizers.Adagrad, {"initial_accumulator_value": 0.5, "epsilon": 1e-3, "weight_decay": 0.1}),
    "adadelta_rho": (optimizers.Adadelta, {"learning_rate": 10.0, "rho": 0.5, "epsilon": 1e-3}),
    "adamax_betas": (optimizers.Adamax, {"learning_rate": 0.02, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}),
    "nadam_betas": (optimizers.Nadam, {"learning_rate": 0.02, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}),
    "lamb_betas": (optimizers.Lamb, {"learning_rate": 0.02, "beta_1": 0.5, "beta_2": 0.9, "weight_decay": 0.1}),
    "lion_betas": (optimizers.Lion, {"learning_rate": 0.02, "beta_1": 0.5, "beta_2": 0.5, "weight_decay": 0.1}),
    "ftrl_l1": (optimizers.Ftrl, {"learning_rate": 0.05, "l1_regularization_strength": 0.1, "beta": 0.2}),
    "ftrl_l2": (optimizers.Ftrl, {"l2_regularization_strength": 0.1, "l2_shrinkage_regularization_strength": 0.05,
                                  "learning_rate_power": -0.7, "initial_accumulator_value": 0.5}),
    "adafactor_more": (
        optimizers.Adafactor,
        {"learning_rate": 0.5, "beta_2_decay": -0.5, "epsilon_1": 1e-3, "epsilon_2": 0.5, "clip_threshold": 0.3,
         "relative_step": False, "weight_decay": 0.1},
    ),
    "muon_more": (
        optimizers.Muon,
        {"learning_rate": 0.02, "adam_beta_1": 0.5, "adam_beta_2": 0.9, "adam_weight_decay": 0.3, "weight_decay": 0.1,
         "epsilon": 1e-3, "adam_lr_ratio": 0.5, "momentum": 0.8, "ns_steps": 3, "nesterov": False, "rms_rate": None,
         "muon_a": 3.0, "muon_b": -4.0, "muon_c": 1.5},
    ),
    "muon_excluded": (optimizers.Muon, {"exclude_layers": ["dense"], "adam_weight_decay": None}),
    "muon_shared": (
        optimizers.Muon,
        {"gradient_accumulation_steps": 2, "use_ema": True, "global_clipnorm": 0.5, "loss_scale_factor": 4.0},
    ),
    "schedule": (optimizers.Adam, {"learning_rate": optimizers.schedules.CosineDecay(0.1, 8), "weight_decay": 0.1}),
    "ema": (optimizers.SGD, {"use_ema": True, "ema_momentum": 0.7}),
    "ema_overwrite": (optimizers.Adam, {"learning_rate": 0.1, "use_ema": True, "ema_overwrite_frequency": 5}),
    "accumulation": (optimizers.Adam, {"learning_rate": 0.1, "gradient_accumulation_steps": 5, "clipnorm": 0.5}),
    "accumulation_ema": (
        optimizers.RMSprop,
        {"gradient_accumulation_steps": 3, "use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": 2,
         "learning_rate": optimizers.schedules.ExponentialDecay(0.1, 2, 0.5), "global_clipnorm": 0.5, "momentum": 0.5},
    ),
    "loss_scale": (optimizers.Adam, {"loss_scale_factor": 1024.0, "global_clipnorm": 1e-3}),
    "loss_scale_accumulation": (
        optimizers.Adagrad, {"loss_scale_factor": 7.0, "gradient_accumulation_steps": 2, "clipvalue": 0.05}
    ),
}
# Words in the paths of weights that do not decay.
EXCLUDED = {"excluded": (optimizers.AdamW, {"weight_decay": 0.5, "learning_rate": 0.02}, ["bias"])}


def write_optimizer(folder, name, cls, options, exclude=None):
    keras.utils.clear_session()  # or the optimizer's name would count those made before it
    random = common.rng("optimizers")  # the same start and gradients for all
    variables, gradients = [], []
    for path, shape in SHAPES.items():
        scope, leaf = path.split("/")
        with keras.name_scope(scope):
            variables.append(keras.Variable(common.normal(random, shape), name=leaf))
        assert variables[-1].path == path
        scale = np.array(SCALES[path], "float32").reshape(-1, *[1] * len(shape))
        gradients.append(common.normal(random, (STEPS, *shape)) * scale)

    optimizer = cls(**options)
    if exclude:
        optimizer.exclude_from_weight_decay(var_names=exclude)
    arrays = {f"gradients.{v.path}": g for v, g in zip(variables, gradients)}
    arrays |= {f"initial.{v.path}": np.array(v.value) for v in variables}
    after = [[] for _ in variables]
    for step in range(STEPS):
        optimizer.apply([g[step] for g in gradients], variables)
        for values, variable in zip(after, variables):
            values.append(np.array(variable.value))
    arrays |= {f"after.{v.path}": np.stack(values) for v, values in zip(variables, after)}
    arrays |= {f"state.{name}": v.value for name, v in common.state(optimizer)}
    golden = common.config(optimizer) | {
        "steps": STEPS,
        "variables": [v.path for v in variables],
        "state": [name for name, _ in common.state(optimizer)],
    }
    common.write(folder, name, arrays, golden | ({"exclude": exclude} if exclude else {}))


def main():
    folder = common.output_folder()
    for name, (cls, options) in (OPTIMIZERS | MORE).items():
        write_optimizer(folder, name, cls, options)
    for name, (cls, options, exclude) in EXCLUDED.items():
        write_optimizer(folder, name, cls, options, exclude)
    for name, (cls, options) in OPTIMIZERS.items():
        for clip, value in CLIPS.items():
            write_optimizer(folder, f"{name}_{clip}", cls, options | {clip: value})


main()
