"""A backend that opens, and goes wrong in training, each mode in its own way."""

import time

import numpy as np

from backends.numpy_backend import NumpyTrainer, open_product

__all__ = ["open_product", "open_trainer"]


class BrokenTrainer(NumpyTrainer):
    def __init__(self, problem, placement):
        super().__init__(problem, placement)
        self.mode = placement.mode

    def train(self, order):
        losses = super().train(order)
        match self.mode:
            case "raises":
                raise ValueError("this step cannot be taken")
            case "nan":
                self.values.fill(np.nan)
                return np.full_like(losses, np.nan)
            case "one_loss":
                return losses.mean()
            case "hangs":
                time.sleep(1000)
        return losses


def open_trainer(problem, placement):
    return BrokenTrainer(problem, placement)
