"""An unknown thermometer, calibrated with a line. Its published losses, gradients and parameters are golden values."""

from dataclasses import replace

from backends.contract import SGD
from bench.tasks.datasets.thermometer import Thermometer
from bench.tasks.definition import Model, Task

THERMOMETER = Task(
    name="thermometer",
    summary="calibrate a thermometer with 11 readings, 5,000 steps",
    data=Thermometer(scaling="tenth"),
    model=Model(start="one_zero"),
    loss="mse",
    optimizer=SGD(0.01),
    batch_size="all",
    epochs=5000,
    metric="rmse",
    check_epochs=5000,
)

THERMOMETER_RAW = replace(
    THERMOMETER,
    name="thermometer_raw",
    summary="the same readings, unscaled: training nearly diverges at first",
    data=Thermometer(scaling="raw"),
    optimizer=SGD(0.0001),
    epochs=100,
    check_epochs=100,
)

THERMOMETER_STANDARDIZED = replace(
    THERMOMETER_RAW,
    name="thermometer_standardized",
    summary="the same readings, standardized to mean 0 and standard deviation 1",
    data=Thermometer(scaling="standardized"),
    optimizer=SGD(0.01),
)

THERMOMETER_TASKS = (THERMOMETER, THERMOMETER_RAW, THERMOMETER_STANDARDIZED)
