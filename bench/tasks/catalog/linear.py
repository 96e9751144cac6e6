"""Linear regression on noisy points: two or three weights and a bias."""

from dataclasses import replace

from backends.contract import SGD
from bench.tasks.datasets.synthetic import Plane
from bench.tasks.definition import Model, Task

LINEAR_FIT = Task(
    name="linear_fit",
    summary="fit y = 3 x1 - 4 x2 + 5, all 1,000 rows in every step",
    data=Plane(weights=(3.0, -4.0), bias=5.0),
    model=Model(),
    loss="half_mse",
    optimizer=SGD(0.01),
    batch_size="all",
    epochs=100,  # after these the bias is 5 (1 - 0.99^100) = 3.17: not converged, on purpose
    metric="rmse",
    check_epochs=100,
)

LINEAR_FIT_MINIBATCH = replace(
    LINEAR_FIT,
    name="linear_fit_minibatch",
    summary="the same data, 32 rows a step, shuffled in every epoch",
    batch_size=32,
)

LINEAR_FIT_3D = replace(
    LINEAR_FIT,
    name="linear_fit_3d",
    summary="fit y = 2 x1 + 4 x2 - 3 x3 + 3, all 1,000 rows in every step",
    data=Plane(weights=(2.0, 4.0, -3.0), bias=3.0),
)

LINEAR_TASKS = (LINEAR_FIT, LINEAR_FIT_MINIBATCH, LINEAR_FIT_3D)
