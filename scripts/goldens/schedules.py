"""Learning-rate schedules: their values at chosen steps."""

import common
from common import keras, np

schedules = keras.optimizers.schedules
# Beginnings and ends of decays, boundaries, and what lies on both sides of them.
STEPS = [0, 1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 15, 19, 20, 21, 25, 29, 30, 31, 40, 49, 50, 69, 70, 71, 99, 100, 149, 150, 1000]

SCHEDULES = {
    "exponential": (schedules.ExponentialDecay, {"decay_rate": 0.9}),
    "exponential_staircase": (schedules.ExponentialDecay, {"decay_rate": 0.5, "staircase": True}),
    "piecewise": (schedules.PiecewiseConstantDecay, {"boundaries": [3, 10, 30], "values": [0.5, 0.1, 0.2, 0.01]}),
    "polynomial": (schedules.PolynomialDecay, {}),
    "polynomial_power": (schedules.PolynomialDecay, {"end_learning_rate": 0.02, "power": 2.5}),
    "polynomial_cycle": (schedules.PolynomialDecay, {"end_learning_rate": 0.01, "power": 0.5, "cycle": True}),
    "inverse_time": (schedules.InverseTimeDecay, {"decay_rate": 0.5}),
    "inverse_time_staircase": (schedules.InverseTimeDecay, {"decay_rate": 0.5, "staircase": True}),
    "cosine": (schedules.CosineDecay, {}),
    "cosine_alpha": (schedules.CosineDecay, {"alpha": 0.1}),
    "cosine_warmup": (schedules.CosineDecay, {"alpha": 0.1, "warmup_target": 0.5, "warmup_steps": 5}),
    "cosine_restarts": (schedules.CosineDecayRestarts, {}),
    "cosine_restarts_even": (schedules.CosineDecayRestarts, {"t_mul": 1.0, "m_mul": 0.8, "alpha": 0.05}),
    "cosine_restarts_longer": (schedules.CosineDecayRestarts, {"t_mul": 1.5, "m_mul": 0.9}),
}


def main():
    folder = common.output_folder()
    for name, (cls, options) in SCHEDULES.items():
        if "Piecewise" not in cls.__name__:
            decay = "first_decay_steps" if "Restarts" in cls.__name__ else "decay_steps"
            options = {"initial_learning_rate": 0.1, decay: 10} | options
        schedule = cls(**options)
        values = np.array([schedule(np.int32(step)) for step in STEPS], "float32")
        common.write(folder, name, {"steps": np.array(STEPS, "int32"), "values": values}, common.config(schedule))


main()
