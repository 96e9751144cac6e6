"""Handwritten digits (MNIST): ten classes with an MLP and with a convolutional network, and 3 against 7."""

from backends.contract import SGD, Adam
from bench.tasks.convolutional import ConvNet
from bench.tasks.datasets.mnist import Mnist, MnistImages, MnistThreeSeven
from bench.tasks.definition import Model, Task

MNIST_3V7 = Task(
    name="mnist_3v7",
    summary="classify 3 against 7 with one layer, all 12,396 rows in every step",
    data=MnistThreeSeven(),
    model=Model(output_activation="sigmoid"),
    loss="mse",
    # The lesson's original settings hardly learn. To reproduce them: --set optimizer.learning_rate=0.001
    # --set model.start=gaussian --set data.labels=one_two
    optimizer=SGD(0.1),
    batch_size="all",
    epochs=2000,
    metric="threshold_accuracy",
    check_epochs=500,
)

MNIST_MLP = Task(
    name="mnist_mlp",
    summary="ten digits by 784-128-64-10, 60,000 rows, 64 a step",
    data=Mnist(),
    model=Model(hidden=(128, 64)),
    loss="softmax_cross_entropy",
    optimizer=SGD(0.003),
    batch_size=64,
    epochs=5,
    metric="accuracy",
    check_epochs=2,
)

MNIST_CNN = Task(
    name="mnist_cnn",
    summary="ten digits by a convolutional network of LeNet-5's shape, 60,000 rows, 64 a step",
    data=MnistImages(),
    model=ConvNet(filters=(6, 16), kernel=5, hidden=(120, 84)),
    loss="softmax_cross_entropy",
    optimizer=Adam(0.001),
    batch_size=64,
    epochs=5,  # after three, PyTorch had 0.9839
    metric="accuracy",
    check_epochs=1,
)

IMAGE_TASKS = (MNIST_3V7, MNIST_MLP, MNIST_CNN)
