"""How many floating-point operations a task's model needs: what every backend must compute, however it does."""

from __future__ import annotations

from backends.contract import Array, Problem, WordCounts


def flops_per_pass(problem: Problem, order: Array) -> int:
    """Return the operations of the matrix products of a pass over `order` [steps, batch].

    A layer of weights [inputs, outputs] takes 2 inputs outputs operations a row forward, as many for the gradient by
    the weights, and as many for the gradient by its inputs, which the first layer need not compute. A sum of word
    embeddings counts the words that occur, not the zeros between them. Activations, losses and updates are left out:
    beside the products of a large model they are nothing, so that this is a lower bound.
    """
    rows = order.size
    flops = sum(6 * layer.inputs * layer.outputs * rows for layer in problem.layers[1:])
    return flops + 4 * _entries(problem, order) * problem.layers[0].outputs


def _entries(problem: Problem, order: Array) -> int:
    """Return how many numbers the first layer takes in over the whole pass."""
    if isinstance(problem.inputs, WordCounts):
        return int(problem.inputs.lengths()[order].sum())
    return int(order.size * problem.layers[0].inputs)
