"""The checks by name: what each one requires, why it matters, and the usual cause of a failure."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace

import bench.conformance.behaviour as behaviour
import bench.conformance.interface as interface
from backends.contract import Placement, Precision, Unsupported
from backends.registry import Entry
from bench.conformance.cases import CASES
from bench.conformance.subject import Subject, Violation
from bench.harness.output import place


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that every backend must do. `look` raises `Violation` if it does not."""

    name: str
    look: Callable[[Subject], None]
    why: str  # why it matters
    where: str  # where it is specified
    cause: str  # the usual cause of a failure, and what to do about it
    precisions: tuple[Precision, ...] = ("float32",)
    every_case: bool = True  # False: the first supported case is enough
    gate: bool = False  # if it fails, the checks after it are not run

    def explain(self, got: str, cause: str = "") -> str:
        """Return the whole message for the author of a backend."""
        return f"{self.lesson(got)} Usual cause: {cause or self.cause}."

    def lesson(self, got: str) -> str:
        """Return the message without a cause, where the cause is known."""
        return f"{got}. Why it matters: {self.why}. See {self.where}."


CHECKS: dict[str, Check] = {
    check.name: check
    for check in (
        Check(
            name="entry",
            look=interface.entry,
            why="bench list and every run load all entries; they must stay quick and must not import frameworks",
            where="Entry in backends/registry.py",
            cause="the Entry is in the module of the backend; put it into a module that imports only backends.registry",
            every_case=False,
        ),
        Check(
            name="contract",
            look=interface.contract,
            why="the harness calls only these functions, with positional arguments",
            where="Backend and Trainer in backends/contract.py",
            cause="a name or an argument differs; copy the signature from there",
            every_case=False,
            gate=True,
        ),
        Check(
            name="trains",
            look=interface.trains,
            why="a mode that an entry names has a row in every table",
            where="Backend.open_trainer and Trainer.train in backends/contract.py",
            cause="a mode, layer, loss or optimizer is not implemented yet; raise Unsupported in open_trainer for it",
            gate=True,
        ),
        Check(
            name="shapes",
            look=interface.shapes,
            why="these arrays are compared and counted as they are",
            where="Trainer in backends/contract.py",
            cause="the framework's own arrays are returned, the mean of a pass instead of the loss of each step, "
            "weights kept as [outputs, inputs] and not transposed, or a number of rows fixed to the batch size",
        ),
        Check(
            name="follows",
            look=behaviour.follows,
            why="every framework is timed on the same arithmetic; losses that do not depend on what is passed in are "
            "no training",
            where="the formulas at the top of backends/contract.py, and Trainer",
            cause="losses kept from an earlier call, an order that is ignored, a gradient summed and not averaged, the "
            "loss taken after the update and not before, another momentum, another Adam, or Adam's 1 - beta^t computed "
            "in float32 (it needs float64 or expm1, and is off by 1e-5 otherwise); where all losses are the last one, "
            "a buffer that is used again: copy the loss of each step",
        ),
        Check(
            name="answers",
            look=behaviour.answers,
            why="the time of an answer counts only if it is that of the request and of the parameters",
            where="Trainer.predictor in backends/contract.py",
            cause="an answer of another request, or of the parameters of an earlier call of train; or all answers are "
            "written to one array: return a copy",
        ),
        Check(
            name="continues",
            look=behaviour.continues,
            why="an epoch is one call of train, and its end is not the end of the training",
            where="Trainer.train in backends/contract.py",
            cause="the optimizer's state or its step count is reset in each call of train, which only reset may do; "
            "or, where all losses of a call are the same, a buffer is used again: copy the loss of each step",
            precisions=("float64",),
        ),
        Check(
            name="resets",
            look=behaviour.starts_afresh,
            why="a process trains again and again from the same start to time it, and each must be the same work",
            where="Trainer.reset in backends/contract.py",
            cause="the optimizer's state was not cleared: zero momentum's v, and Adam's m, v and step count",
        ),
        Check(
            name="compiles once",
            look=behaviour.compiles_once,
            why="passes after the first are timed as steady passes; compiling in them would be counted as training",
            where="Trainer.reset in backends/contract.py",
            cause="reset makes a new model, optimizer or compiled function; copy into the existing ones",
        ),
        Check(
            name="leaves inputs",
            look=behaviour.leaves_inputs,
            why="all trainings start from the same arrays; after a change the next training starts from other values",
            where="Problem and Trainer.reset in backends/contract.py",
            cause="an in-place update of an array that was not copied (np.asarray and torch.from_numpy do not copy)",
        ),
        Check(
            name="gives copies",
            look=behaviour.gives_copies,
            why="losses and parameters are kept, and compared after more training",
            where="Trainer.params and Trainer.train in backends/contract.py",
            cause="a view of the trainer's own memory is returned; return a copy",
        ),
        Check(
            name="precision",
            look=behaviour.computes_in_precision,
            why="parity is exact only in float64, and a float32 row must not be trained in lower precision",
            where="Placement.dtype in backends/contract.py",
            cause="the framework's default type is used for some weights, optimizer state or constant",
            precisions=("float64", "float32"),
        ),
        Check(
            name="starts cold",
            look=interface.starts_cold,
            why="the first call is timed with its compilation, which code of an earlier process would hide",
            where="Entry.caches in backends/registry.py",
            cause="compiled code is kept in a folder of the framework's own; name the variable that sets it in "
            "Entry.caches, and every worker gets an empty one",
            every_case=False,
        ),
        Check(
            name="refuses",
            look=interface.refuses,
            why="a missing device must give a row with a reason in the table, not a failure; and a layer that is "
            "computed as if it were another one would be wrong in every backend alike, which no comparison shows",
            where="Unsupported and Supported in backends/contract.py",
            cause="placement.device is ignored, or an else stands for all layers but one; raise Unsupported for every "
            "device that is not available, and call Supported.require for the rest",
            every_case=False,
        ),
        Check(
            name="product",
            look=interface.product,
            why="the fastest product is an upper bound on the speed of every training",
            where="Backend.open_product in backends/contract.py",
            cause="the function returns before the product is finished, or multiplies something else",
            every_case=False,
        ),
    )
}


def run_check(check: Check, entry: Entry, placement: Placement) -> str:
    """Run a check on a backend; return the cases it could not be run on, empty if it was run on all.

    Raises `Violation` if it fails, and `Unsupported` if no case is supported.
    """
    refused: list[str] = []
    tried = 0
    for make_case in CASES:
        name = make_case("float64").name
        where = f"On {name}: " if check.every_case else ""
        try:
            for precision in check.precisions:
                case = make_case(precision)
                here = replace(placement, precision=precision)
                check.look(Subject(entry=entry, case=case, placement=here))
        except Unsupported as error:
            refused.append(f"{name}: {error}")
            continue
        except Violation as violation:
            raise Violation(check.explain(f"{where}{violation}", violation.cause)) from violation
        except Exception as error:  # code of other people may raise anything
            traceback.print_exc()
            at = place(traceback.extract_tb(error.__traceback__), entry.module)
            raised = f"{where}raised {type(error).__name__}: {error}{at}"
            raise Violation(check.lesson(raised)) from error
        tried += 1
        if not check.every_case:
            break
    if not tried:
        raise Unsupported("; ".join(refused))
    return f"not run on {'; '.join(refused)}" if refused else ""
