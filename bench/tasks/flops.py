"""Number of floating-point operations that a model needs, whichever backend computes it."""

from __future__ import annotations

from backends.contract import Array, Problem, WordCounts, flow_shapes


def flops_per_pass(problem: Problem, order: Array) -> int:
    """Return the operations of all matrix products in a pass over `order` [steps, batch].

    They are those that each layer tells for a row: of the forward pass, of the gradient of its parameters and of that
    of its inputs, which the first layer does not compute. A sum of word embeddings counts only the words that occur.
    Activations, losses and optimizer updates are not counted, so the result is a lower bound; in a large model they are
    negligible.
    """
    first, *others = problem.layers
    _, *shapes, _ = flow_shapes(problem.layers, problem.row_shape)
    of_others = sum(sum(layer.flops(shape)) for layer, shape in zip(others, shapes, strict=True))
    if isinstance(problem.inputs, WordCounts):
        words = int(problem.inputs.lengths()[order].sum())
        of_first = first.flops((words,))  # of all rows together
        return of_first.forward + of_first.params_gradient + order.size * of_others
    of_first = first.flops(problem.row_shape)
    return order.size * (of_first.forward + of_first.params_gradient + of_others)
