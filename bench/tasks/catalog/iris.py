"""Three species of iris, classified from four lengths."""

from backends.contract import Momentum
from bench.tasks.datasets.iris import Iris
from bench.tasks.definition import Model, Task

IRIS_MLP = Task(
    name="iris_mlp",
    summary="classify 3 species of iris with 10 hidden units, 150 rows, 16 a step",
    data=Iris(),
    model=Model(hidden=(10,)),
    loss="softmax_cross_entropy",
    optimizer=Momentum(0.05),
    batch_size=16,
    epochs=50,
    metric="accuracy",
    check_epochs=50,
)

IRIS_TASKS = (IRIS_MLP,)
