from __future__ import annotations

import importlib.util
import re
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from hatchling.builders.wheel import WheelBuilder
from hypothesis import given
from hypothesis import strategies as st

from photoplay.errors import RequestError, UnavailableError
from photoplay.service.ground.errors import ForbiddenError
from photoplay.service.ground.plans import EPOCH, Plan, cost, load_plans, permit, priority, size_class

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "service" / "plans.md"
PLANS = load_plans()
NOW = EPOCH + 1e7


def a_plan(**changed: object) -> Plan:
    return Plan.model_validate(PLANS["free"].model_dump() | changed)


def test_the_ladder_of_plans_gives_more_for_more() -> None:
    ladder = [PLANS[name] for name in ("free", "plus", "pro", "ultra")]
    assert list(PLANS) == ["free", "plus", "pro", "ultra", "home"]
    for lower, higher in pairwise(ladder):
        assert set(lower.sizes) <= set(higher.sizes)
        for more in ("max_seconds", "monthly_credits", "concurrency", "per_hour", "retention_days"):
            assert getattr(lower, more) < getattr(higher, more), more
        assert lower.priority_delay > higher.priority_delay
    assert PLANS["free"].sizes == ("480p",)
    assert PLANS["free"].label is not None
    assert all(plan.label is None for plan in ladder[1:])
    assert [plan.sizes[-1] for plan in ladder] == ["480p", "720p", "1080p", "1080p"]
    assert PLANS["ultra"].max_seconds == 30
    assert [name for name, plan in PLANS.items() if plan.unmetered] == ["home"]


def test_the_wheel_ships_the_plans() -> None:
    shipped = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    assert "photoplay/service/ground/plans.yaml" in shipped


def test_a_plan_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "plans.yaml"
    lab = {"title": "Lab", "sizes": ["480p"], "max_seconds": 2, "monthly_credits": 5, "concurrency": 1}
    lab |= {"per_hour": 1, "priority_delay": 0, "retention_days": 1, "backends": ["echo"]}
    file.write_text(yaml.safe_dump({"prices": {"480p": 3}, "factors": {"echo": 2}, "plans": {"lab": lab}}))
    plans = load_plans(file)
    assert list(plans) == ["lab"]
    assert cost(plans["lab"], "480p", 2, "echo") == 12


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("plans: {}", "prices"),
        ("prices: {480p: 1}\nplans: {}", "plans"),
        ("[1, 2", "YAML"),
        ("prices: {480p: 1}\nplans: {mine: {surprise: 1}}", "mine.title"),
        ("prices: {4k: 1}\nplans: {a: {}}", "4k"),
        ("prices: {}\nplans: {Mine: {}}", "Mine"),
        ("\x00", "YAML"),
    ],
)
def test_plans_that_cannot_be_read_are_refused(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "secret-place.yaml"
    file.write_text(text)
    with pytest.raises(UnavailableError) as refused:
        load_plans(file)
    assert refused.value.code == "plans_bad"
    assert named in refused.value.hint
    assert "secret-place" not in str(refused.value)


def test_a_missing_file_of_plans_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="cannot be read"):
        load_plans(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    "changed",
    [
        {"prices": {"720p": 1}},
        {"prices": {"480p": 0}},
        {"factors": {"pocket": 0}},
        {"concurrency": 0},
        {"name": "Not a name"},
        {"sizes": []},
        {"label": "middle"},
        {"priority_delay": -1},
        {"max_seconds": float("nan")},
        {"surprise": 1},
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"validation error"):
        a_plan(**changed)


@pytest.mark.parametrize(
    ("plan", "size", "seconds", "backend", "credits"),
    [
        ("free", "480p", 3.0, "pocket", 3),
        ("free", "480p", 3.0000000001, "pocket", 3),
        ("free", "480p", 3.1, "pocket", 4),
        ("free", "480p", 0.2, "pocket", 1),
        ("free", "480x854", 5, "anchor", 5),
        ("plus", "720p", 10, "pocket", 20),
        ("pro", "1080x1920", 4.2, "wan-i2v", 200),
        ("ultra", "1080p", 30, "pocket", 120),
        ("ultra", "64x64", 1, "echo", 1),
        ("home", "1080p", 60, "ltx2", 0),
    ],
)
def test_what_a_film_costs(plan: str, size: str, seconds: float, backend: str, credits: int) -> None:
    assert cost(PLANS[plan], size, seconds, backend) == credits


@pytest.mark.parametrize(
    ("size", "named"),
    [
        ("480p", "480p"),
        ("1080p", "1080p"),
        ("640x480", "480p"),
        ("854x480", "480p"),
        ("480X854", "480p"),
        ("481x854", "720p"),
        ("480x856", "720p"),
        ("720x1280", "720p"),
        ("1024x1792", "1080p"),
        ("1920x1080", "1080p"),
        ("1921x1080", None),
        ("4096x4096", None),
    ],
)
def test_a_size_in_pixels_counts_as_the_smallest_named_size_that_holds_it(size: str, named: str | None) -> None:
    assert size_class(size) == named


@pytest.mark.parametrize("size", ["", "4k", "480", "axb", "480x", "9999999x2", "-1x5"])
def test_a_size_that_is_none_is_an_error(size: str) -> None:
    with pytest.raises(RequestError) as wrong:
        size_class(size)
    assert wrong.value.code == "bad_size"


@pytest.mark.parametrize(
    ("plan", "size", "seconds", "backend", "code"),
    [
        ("free", "720p", 3, "pocket", "plan_size"),
        ("free", "1280x720", 3, "pocket", "plan_size"),
        ("ultra", "2160x3840", 3, "pocket", "plan_size"),
        ("home", "2160x3840", 3, "pocket", "plan_size"),
        ("free", "480p", 5.1, "pocket", "plan_length"),
        ("free", "480p", float("nan"), "pocket", "plan_length"),
        ("free", "480p", 3, "wan-i2v", "plan_backend"),
    ],
)
def test_what_a_plan_does_not_include(plan: str, size: str, seconds: float, backend: str, code: str) -> None:
    for ask in (permit, cost):
        with pytest.raises(ForbiddenError) as refused:
            ask(PLANS[plan], size, seconds, backend)
        assert refused.value.code == code


times = st.floats(min_value=EPOCH, max_value=EPOCH + 1e9)
delays = st.integers(min_value=0, max_value=86_400)


@given(now=st.floats(min_value=-1e12, max_value=1e12), delay=delays)
def test_a_priority_is_never_nought_and_fits_31_bits(now: float, delay: int) -> None:
    assert 1 <= priority(a_plan(priority_delay=delay), now) <= 2**31 - 1


@given(first=times, wait=st.floats(min_value=0, max_value=1e5), first_delay=delays, second_delay=delays)
def test_nobody_is_overtaken_by_who_comes_later_than_the_difference(
    first: float, wait: float, first_delay: int, second_delay: int
) -> None:
    second = first + wait
    mine = priority(a_plan(priority_delay=first_delay), first)
    theirs = priority(a_plan(priority_delay=second_delay), second)
    if second - first >= first_delay - second_delay:
        assert mine <= theirs  # at the same number the queue goes by age
    if second - first < first_delay - second_delay - 1:
        assert theirs < mine


jobs = st.lists(st.tuples(st.floats(min_value=0, max_value=20_000), st.sampled_from(sorted(PLANS))), max_size=60)


@given(jobs=jobs, takes=st.floats(min_value=1, max_value=600))
def test_the_wait_in_a_queue_is_bounded_by_who_came_before_and_the_handicap(
    jobs: list[tuple[float, str]], takes: float
) -> None:
    """One worker, any arrivals: whoever goes first by right came before, or less than the difference of delays after."""
    arrivals = sorted((EPOCH + at, name) for at, name in jobs)
    waiting, started, clock, order = list(range(len(arrivals))), [0.0] * len(arrivals), 0.0, []
    while waiting:
        clock = max(clock, min(arrivals[job][0] for job in waiting))
        here = [job for job in waiting if arrivals[job][0] <= clock]
        chosen = min(here, key=lambda job: (priority(PLANS[arrivals[job][1]], arrivals[job][0]), job))
        waiting.remove(chosen)
        started[chosen] = clock
        order.append(chosen)
        clock += takes
    for place, job in enumerate(order):
        submitted, plan = arrivals[job]
        for earlier in order[:place]:
            came, other = arrivals[earlier]
            assert (
                came - submitted < max(1e-9, PLANS[plan].priority_delay - PLANS[other].priority_delay)
                or came <= submitted
            )
        before = sum(came <= submitted + PLANS[plan].priority_delay for came, _ in arrivals)
        assert started[job] - submitted <= before * takes + takes


def test_a_dear_plan_goes_before_a_free_one_that_came_a_little_earlier() -> None:
    waited = PLANS["free"].priority_delay
    assert priority(PLANS["ultra"], NOW + waited - 1) < priority(PLANS["free"], NOW)
    assert priority(PLANS["ultra"], NOW + waited) == priority(PLANS["free"], NOW)
    assert priority(PLANS["ultra"], NOW + waited + 1) > priority(PLANS["free"], NOW)


def the_docs() -> ModuleType:
    """docs/write_plans.py, as a module."""
    spec = importlib.util.spec_from_file_location("write_plans", ROOT / "docs" / "write_plans.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_docs_tables_are_those_of_the_plans() -> None:
    assert PAGE.read_text(encoding="utf-8") == the_docs().page(), "run python docs/write_plans.py"


def test_the_docs_have_no_figure_of_a_plan_beside_the_tables() -> None:
    text = PAGE.read_text(encoding="utf-8")
    prose = re.sub(r"(?s)<!-- (\w+) -->.*<!-- /\1 -->|```.*?```", "", text)
    assert re.findall(r"\d+", prose) == ["403", "402"]


def test_the_docs_own_plans_load(tmp_path: Path) -> None:
    (example,) = re.findall(r"(?s)```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"))
    file = tmp_path / "plans.yaml"
    file.write_text(example)
    assert list(load_plans(file)) == ["home", "members"]
