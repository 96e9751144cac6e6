"""Texts of a run on a cluster: the plan in its folder, and what hosts answer. Believed only if they make sense."""

from __future__ import annotations

import json
from pathlib import PurePath

from edits import ALL, GENTLE, Edit, edited
from fleet_hosts import ROWS, a_plan, facts
from hypothesis import strategies as st
from simple_reader import assert_same
from target import fuzz

from bench.errors import UserError
from bench.fleet.dask_hosts import DaskHosts, _facts
from bench.fleet.facts import Facts, unlike
from bench.fleet.news import Doing, News, Outcome
from bench.fleet.units import encoded, plan_from

PLAN = encoded(a_plan(ROWS[:3])).encode()
NEWS = (
    News(process="p", lines='{"a":1}\n', doing=Doing(stage="round 1", job="x", done=1, total=2, left_s=3.0)),
    News(process="p", outcome=Outcome(ended="whole")),
)
ANSWERS = (encoded(facts("a")).encode(), *(encoded(each).encode() for each in NEWS))


@fuzz("plans of clusters: edited", st.builds(lambda made: edited(PLAN, made), ALL | GENTLE), share=30_000)
def test_an_edited_plan_is_refused_or_means_what_stands_in_it(content: bytes) -> int:
    try:
        plan = plan_from(content, "plan.json")
    except UserError as error:
        said = str(error)
        assert said.isprintable()
        return len(content)
    assert_same(plan, json.loads(content))
    names = [unit.name for unit in plan.units]
    assert len(set(names)) == len(names)
    for unit in plan.units:
        assert PurePath(f"{unit.name}.jsonl").name == f"{unit.name}.jsonl"
        assert len({(row.task, row.device) for row in unit.rows}) == 1
    return len(content)


def test_a_text_that_no_encoding_has_is_no_answer() -> None:
    text = '{"machine":"\udc80"}'  # as another program could send it
    assert "another version of levelfield" in str(_facts(text))
    assert DaskHosts(None)._news("tcp://a", text) is None


def answer_of(number: int, made: list[Edit]) -> bytes:
    return edited(ANSWERS[number], made)


@fuzz("answers of hosts: edited", st.builds(answer_of, st.integers(0, 2), ALL | GENTLE), share=28_000)
def test_an_edited_answer_is_refused_or_means_what_stands_in_it(content: bytes) -> int:
    text = content.decode(errors="surrogateescape")
    found = _facts(text)
    if isinstance(found, Facts):
        assert_same(found, json.loads(text))
        assert all(each.isprintable() for each in unlike(facts("b"), found))
    else:
        assert found.isprintable()
    hosts = DaskHosts(None)
    news = hosts._news("tcp://a", text)
    if news is not None and news.known:
        assert_same(news, json.loads(text))
    return len(content)
