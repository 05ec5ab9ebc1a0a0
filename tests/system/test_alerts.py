"""deploy/alerts.yml: rules that Prometheus can load, about figures and labels that there are."""

from __future__ import annotations

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
    assert expression.count("(") == expression.count(")")

    asked = _FIGURE.findall(expression)
    assert asked
    for name, selectors in asked:
        assert name in figures, name
        assert set(re.findall(r"(\w+)=", selectors)) <= figures[name]
        # What the words name has to be left of the labels.
        words = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert words <= figures[name]


def test_prometheus_itself_takes_the_rules() -> None:
    promtool = shutil.which("promtool")
    if promtool is not None:
        subprocess.run([promtool, "check", "rules", str(RULES)], check=True, capture_output=True)


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
    promtool = shutil.which("promtool")
    if promtool is None:
        return
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
    written = tmp_path / "test.yml"
    written.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "tests": [test]}))

    run = subprocess.run([promtool, "test", "rules", str(written)], check=False, capture_output=True)

    assert run.returncode == 0, run.stdout + run.stderr


def test_half_a_second_is_a_bound_of_the_histograms_that_are_asked_about_it() -> None:
    """A quantile between two bounds is a guess."""
    assert 0.5 in OUTCOME._kwargs["buckets"]
    assert 0.5 in SECONDS._kwargs["buckets"]
