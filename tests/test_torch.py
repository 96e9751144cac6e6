"""When PyTorch compiles: in the first pass, and never after it."""

from __future__ import annotations

from types import ModuleType

import pytest

from backends.contract import Placement
from backends.registry import BUILT_IN
from bench.conformance.cases import words


@pytest.fixture
def torch() -> ModuleType:
    """Return PyTorch, imported where a test needs it: every process of the tests imports this file."""
    return pytest.importorskip("torch")  # type: ignore[no-any-return]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["compile", "compile-pass"])
def test_what_is_compiled_in_the_first_pass_serves_every_later_one(mode: str, torch: ModuleType) -> None:
    case = words("float32")  # whose number of entries differs from step to step
    placement = Placement(mode=mode, device="cpu", precision="float32", threads=1)
    trainer = BUILT_IN["torch"].load().open_trainer(case.problem, placement)
    trainer.reset(case.initial)
    first = trainer.train(case.order)
    with torch.compiler.set_stance("fail_on_recompile"):
        trainer.predict(case.unseen)
        trainer.train(case.other_order())
        trainer.reset(case.initial)
        assert (trainer.train(case.order) == first).all()


@pytest.mark.slow
def test_a_second_compilation_would_be_seen(torch: ModuleType) -> None:
    double = torch.compile(lambda x: 2 * x, dynamic=False)
    double(torch.ones(3))
    with torch.compiler.set_stance("fail_on_recompile"), pytest.raises(RuntimeError, match="recompile"):
        double(torch.ones(4))
