"""Number of floating-point operations that a model needs, whichever backend computes it."""

from __future__ import annotations

from backends.contract import Array, Problem, WordCounts


def flops_per_pass(problem: Problem, order: Array) -> int:
    """Return the operations of all matrix products in a pass over `order` [steps, batch].

    A multiplication and an addition count as two operations. For each row, a layer with weights [inputs, outputs]
    takes 2 * inputs * outputs operations in the forward pass, the same number for the gradient of the weights, and
    the same number for the gradient of its inputs. The first layer does not compute the gradient of its inputs. A sum
    of word embeddings counts only the words that occur. Activations, losses and optimizer updates are not counted, so
    the result is a lower bound; in a large model they are negligible.
    """
    rows = order.size
    flops = sum(6 * layer.inputs * layer.outputs * rows for layer in problem.layers[1:])
    return flops + 4 * _entries(problem, order) * problem.layers[0].outputs


def _entries(problem: Problem, order: Array) -> int:
    """Return the number of input values that the first layer reads in the whole pass."""
    if isinstance(problem.inputs, WordCounts):
        return int(problem.inputs.lengths()[order].sum())
    return int(order.size * problem.layers[0].inputs)
