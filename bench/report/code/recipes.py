"""Where each backend has what a reader looks for: the names of the definitions that are shown, by backend and mode.

Tables and functions with a `match` are named here, and of these only what the task uses is shown. A test looks every
name up, so a definition that is renamed is missed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Names of definitions below the module `backends.FAMILY_...`, such as `layers.LAYERS`."""

    family: str  # what the names of the backend's modules begin with
    layers: str = ""  # table from kinds of layers to what computes them; empty if the model has no layers of its own
    activations: tuple[str, ...] = ()  # tables by the name of the activation
    losses: str  # table by the name of the loss
    optimizer: str = ""  # function with a `match`; empty if the optimizer is made with the model
    model: tuple[str, ...]
    step: tuple[str, ...]
    loop: tuple[str, ...]
    supported: str  # what the backend says that it supports

    def place(self, name: str) -> str:
        """Return the full dotted name of a definition."""
        return f"{self.family}_{name}"


NUMPY = Recipe(
    family="backends.numpy",
    layers="layers.LAYERS",
    activations=("affine.ACTIVATE", "affine.BACK_THROUGH"),
    losses="layers.LOSSES",
    optimizer="layers.make_update",
    model=("layers.make_layers", "layers.pass_through", "layers.pass_back"),
    step=("backend.NumpyTrainer.step",),
    loop=("backend.NumpyTrainer.train", "backend.NumpyTrainer.batch", "layers.take"),
    supported="layers.SUPPORTED",
)

TORCH = Recipe(
    family="backends.torch",
    layers="layers.LAYERS",
    activations=("layers.ACTIVATIONS",),
    losses="layers.LOSSES",
    optimizer="layers.make_optimizer",
    model=("layers.Network",),
    step=("backend.LoopTrainer.step",),
    loop=("backend.LoopTrainer.steps", "trainer.TorchTrainer.train", "trainer.TorchTrainer.batch", "layers.take"),
    supported="layers.SUPPORTED",
)

TORCH_MODES = {
    "eager": TORCH,
    "dataloader": replace(
        TORCH,
        step=("dataloader.DataLoaderTrainer.steps",),
        loop=("dataloader.DataLoaderTrainer.loader", "trainer.TorchTrainer.train"),
    ),
    "compile": replace(TORCH, model=(*TORCH.model, "backend.CompiledLoopTrainer", "backend.compiled")),
    "compile-pass": replace(
        TORCH,
        optimizer="compile_pass.update",
        model=(*TORCH.model, "compile_pass.CompilePassTrainer.__init__"),
        step=("compile_pass.CompilePassTrainer.plain_step",),
        loop=(
            "compile_pass.CompilePassTrainer.plain_pass",
            "compile_pass.CompilePassTrainer.steps",
            "compile_pass.CompilePassTrainer.rates",
            "trainer.TorchTrainer.train",
            "trainer.TorchTrainer.batch",
            "layers.take",
        ),
    ),
}

TENSORFLOW = Recipe(
    family="backends.tensorflow",
    layers="layers.LAYERS",
    activations=("layers.ACTIVATIONS",),
    losses="layers.LOSSES",
    optimizer="layers.update",
    model=("layers.through", "layers.forward"),
    step=("backend.TensorflowTrainer.step",),
    loop=(
        "backend.TensorflowTrainer.whole_pass",
        "backend.TensorflowTrainer.__init__.compiled",
        "backend.TensorflowTrainer.__init__.run",
        "backend.TensorflowTrainer.train",
        "backend.TensorflowTrainer.batch",
    ),
    supported="layers.SUPPORTED",
)

TENSORFLOW_MODES = {
    "eager": replace(
        TENSORFLOW,
        loop=(
            "backend.TensorflowTrainer.loop",
            "backend.TensorflowTrainer.train",
            "backend.TensorflowTrainer.batch",
        ),
    ),
    "graph": TENSORFLOW,
    "xla": TENSORFLOW,
}

JAX = Recipe(
    family="backends.jax",
    layers="layers.LAYERS",
    activations=("layers.ACTIVATIONS",),
    losses="layers.LOSSES",
    optimizer="layers.update",
    model=("layers.through", "layers.forward"),
    step=("backend.step",),
    loop=("backend.JaxTrainer.loop", "backend.JaxTrainer.__init__.jitted_step", "backend.JaxTrainer.train"),
    supported="layers.SUPPORTED",
)

JAX_MODES = {
    "jit": JAX,
    "scan": replace(JAX, loop=("backend.scan", "backend.JaxTrainer.__init__.steps", "backend.JaxTrainer.train")),
}

KERAS = Recipe(
    family="backends.keras",
    layers="backend.LAYERS",
    activations=("backend.ACTIVATIONS",),
    losses="backend.LOSSES",
    optimizer="backend.make_optimizer",
    model=("backend.Network.__init__",),
    step=("backend.Network.compute_loss", "backend.KerasTrainer.__init__"),
    loop=("backend.KerasTrainer.fit", "backend.KerasTrainer.train", "backend.Batches"),
    supported="backend.SUPPORTED",
)


def _keras_on(framework: str) -> Mapping[str, Recipe]:
    return {"fit": replace(KERAS, model=(*KERAS.model, f"{framework}_backend.open_trainer"))}


SKLEARN = Recipe(
    family="backends.sklearn",
    activations=("backend.ACTIVATIONS",),
    losses="backend.LOSS_SCALES",
    model=("backend.make_estimator", "backend.refusal"),
    step=("backend.Recorder",),
    loop=("backend.SklearnTrainer.train",),
    supported="backend.SUPPORTED",
)

RECIPES: Mapping[str, Mapping[str, Recipe]] = {
    "numpy": {"loop": NUMPY},
    "torch": TORCH_MODES,
    "tensorflow": TENSORFLOW_MODES,
    "jax": JAX_MODES,
    "keras-tensorflow": _keras_on("tensorflow"),
    "keras-jax": _keras_on("jax"),
    "keras-torch": _keras_on("torch"),
    "sklearn": {"partial_fit": SKLEARN},
}
