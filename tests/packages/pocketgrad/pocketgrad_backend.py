"""pocketgrad as a backend of levelfield. Mode `eager`: forward, backward and update, one operation at a time."""

import numpy as np
import pocketgrad
from pocketgrad import Tensor

from backends.contract import SGD, Adam, Dense, Momentum, Supported, Unsupported, parts

LOSSES = ("mse", "half_mse", "softmax_cross_entropy")
SUPPORTED = Supported("pocketgrad", (Dense,), ("identity", "sigmoid", "relu"), LOSSES, (SGD, Momentum, Adam))


def open_trainer(problem, placement):
    if placement.device != "cpu":
        raise Unsupported("pocketgrad computes on the CPU only")
    SUPPORTED.require(problem)
    return PocketTrainer(problem)


def open_product(size, placement):
    matrix = Tensor(np.ones((size, size), placement.dtype))
    return lambda: matrix @ matrix


class PocketTrainer:
    def __init__(self, problem):
        self.problem = problem

    def reset(self, params):
        self.parameters = [Tensor(part.copy(), learns=True) for part in parts(params)]
        self.state = [(np.zeros_like(p.data), np.zeros_like(p.data)) for p in self.parameters]
        self.steps = 0

    def forward(self, inputs):
        flow, parameters = Tensor(inputs), iter(self.parameters)
        for layer, weights, bias in zip(self.problem.layers, parameters, parameters, strict=True):
            flow = getattr(pocketgrad, layer.activation)(flow @ weights + bias)
        return flow

    def train(self, order):
        return np.array([self.step(rows) for rows in order])

    def step(self, rows):
        outputs = self.forward(self.problem.inputs[rows])
        loss = getattr(pocketgrad, self.problem.loss)(outputs, self.problem.targets[rows])
        loss.backward()
        self.steps += 1
        for parameter, (m, v) in zip(self.parameters, self.state, strict=True):
            parameter.data -= self.change(parameter.gradient, m, v)
        return loss.data

    def change(self, g, m, v):
        match self.problem.optimizer:
            case SGD(rate):
                return rate * g
            case Momentum(rate, momentum):
                v[...] = momentum * v + g
                return rate * v
            case adam:
                m[...] = adam.beta1 * m + (1 - adam.beta1) * g
                v[...] = adam.beta2 * v + (1 - adam.beta2) * g * g
                rate = adam.learning_rate / (1 - adam.beta1**self.steps)
                return rate * m / (np.sqrt(v / (1 - adam.beta2**self.steps)) + adam.epsilon)

    def predict(self, inputs):
        return self.forward(inputs).data

    def predictor(self, rows):
        return self.predict  # nothing is compiled, so it answers any number of rows

    def params(self):
        copies = (parameter.data.copy() for parameter in self.parameters)
        return tuple({name: next(copies) for name in layer.shapes()} for layer in self.problem.layers)

    def peak_device_memory_bytes(self):
        return None  # there is no device but the CPU
