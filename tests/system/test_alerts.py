"""deploy/alerts.yml: rules that Prometheus can load, about figures and labels that there are."""

from __future__ import annotations

import math
import operator
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from orders.metrics import OUTCOME
from tests.system.test_page_of_metrics import PAGE
from tradeplatform.config import BASE_DIR
from tradeplatform.system.requests import SECONDS

RULES = BASE_DIR / "deploy" / "alerts.yml"

_FIGURE = re.compile(r"(tradeplatform_\w+)(?:\{([^}]*)\})?")
_DURATION = re.compile(r"\d+[smhd]")
# Prometheus's own judge, where it is installed: what it would say is looked at without it as well.
_PROMTOOL = shutil.which("promtool")
_WORD = re.compile(
    r"tradeplatform_\w+|(?:absent|sum|rate|increase|histogram_quantile)(?=\()|sum(?= by \()|by(?= \()|unless"
    r"|(?:[a-z]+(?:=~|!=|!~|=)\"[^\"]*\")|[a-z]+(?=[,)])|\d+[smhd](?=])|\d+(?:\.\d+)?|[=><!]=|[><*/,(){}\[\]]"
)
_CLOSES = {")": "(", "}": "{", "]": "["}
_SHOWN = re.compile(r"{{ \$(?:value|labels\.\w+)(?: \| humanize(?:Percentage|Duration)?)? }}")
_ABSENT = re.compile(r"absent\((?P<figure>tradeplatform_\w+)\) == 1")
_COMPARED = re.compile(
    r"(?:sum by \([a-z, ]+\) \()?(?P<figure>tradeplatform_\w+)"
    r"(?:{(?P<label>\w+)(?P<how>!?=)\"(?P<value>\w*)\"})?\)?"
    r" (?P<sign>==|>|<) (?P<bound>\d+(?: \* \d+)*)(?: unless (?P<unless>tradeplatform_\w+))?"
)
_ASKED_FOR = {
    "Errors", "SlowOutcomes", "SlowAnswers", "ShardLags", "ShardStopped", "BookStale", "InvariantBroken",
    "PartitionsEnd", "NeverProved", "EverythingKilled", "ScopeKilled",
}  # fmt: skip


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return list(group["rules"])


def known() -> dict[str, set[str]]:
    """The labels of each figure, by the table that another test holds against the platform."""
    found = {}
    for line in PAGE.read_text().splitlines():
        if line.startswith("| `"):
            (name, *labels), kind = re.findall(r"`(\w+)`", line), line.split("|")[2].strip()
            endings = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
            for ending in endings:
                found[name + ending] = {*labels} | ({"le"} if ending == "_bucket" else set())
    return found


def _words(expression: str) -> list[str]:
    """The words of an expression; fails where something is none."""
    rest = _WORD.sub("", expression)
    assert rest.strip() == "", rest
    return _WORD.findall(expression)


def test_every_rule_that_was_promised_is_there_once() -> None:
    names = [rule["alert"] for rule in rules()]

    assert set(names) >= _ASKED_FOR
    assert len(names) == len(set(names))


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_a_rule_asks_for_figures_and_labels_that_there_are(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in {"page", "warn"}
    assert set(rule["annotations"]) == {"summary", "look"}
    assert _DURATION.fullmatch(rule.get("for", "1m"))
    expression, figures = rule["expr"], known()

    asked = _FIGURE.findall(expression)
    assert asked
    for name, selectors in asked:
        assert name in figures, name
        assert set(re.findall(r"(\w+)=", selectors)) <= figures[name]
        # What the words name has to be left of the labels.
        words = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert words <= figures[name]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_a_rule_is_written_in_words_that_prometheus_has(rule: dict[str, Any]) -> None:
    opened = []
    for word in _words(rule["expr"]):
        if word in _CLOSES.values():
            opened.append(word)
        elif word in _CLOSES:
            assert opened.pop() == _CLOSES[word], rule["expr"]
    assert opened == []
    for text in rule["annotations"].values():
        assert re.search(r"{{|}}", _SHOWN.sub("", text)) is None, text


def test_the_file_is_one_group_and_prometheus_takes_it_where_it_is_installed() -> None:
    read = yaml.safe_load(RULES.read_text())

    assert set(read) == {"groups"}
    assert set(read["groups"][0]) == {"name", "interval", "rules"}
    assert _DURATION.fullmatch(read["groups"][0]["interval"])
    if _PROMTOOL is not None:
        subprocess.run([_PROMTOOL, "check", "rules", str(RULES)], check=True, capture_output=True)


_UP, _PROOF = "tradeplatform_database_up", "tradeplatform_proof_age_seconds"
_GLOBAL, _ACCOUNT = (
    f'tradeplatform_kill_switches{{scope="{scope}",stage="stopped"}}' for scope in ("global", "account")
)


@pytest.mark.parametrize(
    ("figures", "fires"),
    [
        ({_UP: 1, _PROOF: 3_600, _GLOBAL: 0, _ACCOUNT: 0}, []),
        ({_UP: 1, _PROOF: 172_801}, ["ProofOld"]),
        ({_UP: 1}, ["NeverProved"]),
        ({_UP: 0}, ["DatabaseAway"]),
        ({_UP: 1, _PROOF: 3_600, _GLOBAL: 1, _ACCOUNT: 0}, ["EverythingKilled"]),
        ({_UP: 1, _PROOF: 3_600, _GLOBAL: 0, _ACCOUNT: 2}, ["ScopeKilled"]),
    ],
)
def test_what_fires_after_two_days_of_the_same_figures(
    tmp_path: Path, figures: dict[str, int], fires: list[str]
) -> None:
    assert [rule["alert"] for rule in rules() if _holds(rule["expr"], figures)] == fires
    if _PROMTOOL is not None:
        _ask_prometheus(_PROMTOOL, tmp_path / "test.yml", figures, fires)


def _holds(expression: str, figures: dict[str, int]) -> bool:
    """Whether this is so of figures that stay: what is absent, or what a sum or a figure is compared with.

    Of others, such as rates, nothing may be given, so that they are of nothing.
    """
    names = {series.partition("{")[0] for series in figures}
    if found := _ABSENT.fullmatch(expression):
        return found["figure"] not in names
    found = _COMPARED.fullmatch(expression)
    if found is None:
        assert names.isdisjoint(name for name, _selectors in _FIGURE.findall(expression)), expression
        return False
    values = [value for series, value in figures.items() if _is_meant(series, found)]
    # Each of them is an alert of its own: the figures differ in the labels that are summed by.
    bound = math.prod(int(number) for number in found["bound"].split(" * "))
    compare = {"==": operator.eq, ">": operator.gt, "<": operator.lt}[found["sign"]]
    return any(compare(value, bound) for value in values) and found["unless"] not in names


def _is_meant(series: str, asked: re.Match[str]) -> bool:
    """Whether a selector takes a series."""
    name, _, labels = series.partition("{")
    if name != asked["figure"] or asked["label"] is None:
        return name == asked["figure"]
    same = dict(re.findall(r'(\w+)="(\w*)"', labels)).get(asked["label"], "") == asked["value"]
    return same if asked["how"] == "=" else not same


def _ask_prometheus(promtool: str, written: Path, figures: dict[str, int], fires: list[str]) -> None:
    """Fail unless these fire by Prometheus's own judgement."""
    test = {
        "interval": "4m",
        "input_series": [{"series": name, "values": f"{value}+0x750"} for name, value in figures.items()],
        "promql_expr_test": [
            {
                "expr": 'sum by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": "50h",
                "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in fires],
            }
        ],
    }
    written.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "tests": [test]}))
    run = subprocess.run([promtool, "test", "rules", str(written)], check=False, capture_output=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_half_a_second_is_a_bound_of_the_histograms_that_are_asked_about_it() -> None:
    """A quantile between two bounds is a guess."""
    assert 0.5 in OUTCOME._kwargs["buckets"]
    assert 0.5 in SECONDS._kwargs["buckets"]
