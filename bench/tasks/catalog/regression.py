"""Regression on curves: one that a line nearly fits, and one that needs a hidden layer."""

from backends.contract import SGD, Adam
from bench.tasks.datasets.synthetic import Curve
from bench.tasks.definition import Model, Task

LINE_FIT = Task(
    name="line_fit",
    summary="fit a line to sin(x) x^3 + 3x with noise, 100 rows",
    data=Curve(formula="sine_cube_line", noise=0.8),
    model=Model(),
    loss="mse",
    optimizer=SGD(0.05),
    batch_size="all",
    epochs=400,
    metric="rmse",
    check_epochs=400,
)

MLP_REGRESSION = Task(
    name="mlp_regression",
    summary="fit x^4 and noise with 10 hidden units, 100 rows",
    data=Curve(formula="fourth_power", noise=0.1),
    model=Model(hidden=(10,), activation="sigmoid"),
    loss="mse",
    optimizer=Adam(0.03),
    batch_size="all",
    epochs=1000,
    metric="rmse",
    check_epochs=1000,
)

REGRESSION_TASKS = (LINE_FIT, MLP_REGRESSION)
