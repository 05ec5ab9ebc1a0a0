"""Configuration: environment over YAML over defaults, and what production refuses to start with."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tradeplatform.config import BASE_DIR, ConfigurationError, load_config, secret_key, vault_keys

GOOD_VAULT_KEYS = "one:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
GOOD_KEY = "k9f2LmQ8xT4vB7nR1wZ6yC3hJ5pD0sGaEuXoViKtMbNqWrYcHd"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting but those of the test, and none remembered."""
    for name in list(os.environ):
        if name.startswith("TRADEPLATFORM_") or name in {"DATABASE_URL", "REDIS_URL"}:
            monkeypatch.delenv(name)
    load_config.cache_clear()
    yield
    monkeypatch.undo()
    load_config.cache_clear()


def set_all(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    """A production environment that is fine, but for `values`; '' takes a setting away."""
    fine = {
        "TRADEPLATFORM_ENVIRONMENT": "production",
        "TRADEPLATFORM_SECRET_KEY": GOOD_KEY,
        "TRADEPLATFORM_VAULT_KEYS": GOOD_VAULT_KEYS,
        "TRADEPLATFORM_ALLOWED_HOSTS": "desk.example.com, api.example.com",
        "TRADEPLATFORM_ALLOWED_ORIGINS": "https://desk.example.com",
        "TRADEPLATFORM_WEBAUTHN_RP_ID": "example.com",
        "TRADEPLATFORM_WEBAUTHN_ORIGINS": "https://desk.example.com",
        "DATABASE_URL": "postgresql://u:p@db/trade",
        "REDIS_URL": "redis://:p@cache:6379/0",
    }
    for name, value in (fine | values).items():
        monkeypatch.setenv(name, value)


def test_production_starts_when_all_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch)
    config = load_config()
    assert config.is_production
    assert config.allowed_hosts == ["desk.example.com", "api.example.com"]
    assert config.database_url is not None
    assert config.database_url.get_secret_value() == "postgresql://u:p@db/trade"
    assert "p@db" not in repr(config)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("TRADEPLATFORM_DEBUG", "true", "set it to false"),
        ("TRADEPLATFORM_SECRET_KEY", "", "TRADEPLATFORM_SECRET_KEY is missing: set it to 50 or more"),
        ("TRADEPLATFORM_SECRET_KEY", "short", "TRADEPLATFORM_SECRET_KEY is weak: set it to 50 or more"),
        ("TRADEPLATFORM_SECRET_KEY", "ab" * 40, "TRADEPLATFORM_SECRET_KEY is weak"),
        ("TRADEPLATFORM_SECRET_KEY", "django-insecure-" + GOOD_KEY, "TRADEPLATFORM_SECRET_KEY is weak"),
        ("TRADEPLATFORM_VAULT_KEYS", "", "TRADEPLATFORM_VAULT_KEYS is missing: set it to id:key"),
        ("TRADEPLATFORM_ALLOWED_HOSTS", "", "TRADEPLATFORM_ALLOWED_HOSTS is empty: set it to"),
        ("TRADEPLATFORM_ALLOWED_HOSTS", "*", "TRADEPLATFORM_ALLOWED_HOSTS contains '*': name"),
        ("TRADEPLATFORM_ALLOWED_ORIGINS", "https://*.example.com", "contains a wildcard: name each origin"),
        ("TRADEPLATFORM_ALLOWED_ORIGINS", "http://desk.example.com", "not https: use https origins only"),
        ("TRADEPLATFORM_WEBAUTHN_RP_ID", "", "TRADEPLATFORM_WEBAUTHN_RP_ID is missing: set it to"),
        ("TRADEPLATFORM_WEBAUTHN_ORIGINS", "", "TRADEPLATFORM_WEBAUTHN_ORIGINS is empty: set it to"),
        ("TRADEPLATFORM_WEBAUTHN_ORIGINS", "http://desk.example.com", "not https or not below the RP id"),
        ("TRADEPLATFORM_WEBAUTHN_ORIGINS", "https://desk.evilexample.com", "not https or not below"),
        ("DATABASE_URL", "", "DATABASE_URL is missing: set it to postgresql://"),
        ("REDIS_URL", "", "REDIS_URL is missing: set it to redis://"),
        (
            "TRADEPLATFORM_BROKER_URL",
            "redis://:p@cache/0",
            "TRADEPLATFORM_BROKER_URL is not RabbitMQ's: set it",
        ),
    ],
)
def test_production_refuses_what_is_missing_or_dangerous(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str, sentence: str
) -> None:
    set_all(monkeypatch, **{"TRADEPLATFORM_VAR_DIR": str(tmp_path), name: value})
    with pytest.raises(ConfigurationError) as refused:
        load_config()
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)
    assert GOOD_KEY not in str(refused.value)


def test_every_process_refuses_at_start_with_the_sentence_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, DATABASE_URL="")
    for arguments in (["manage.py", "check"], ["manage.py", "up"], ["manage.py", "migrate"]):
        done = subprocess.run(
            [sys.executable, *arguments], cwd=BASE_DIR, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1, arguments
        said = (done.stdout + done.stderr).strip()
        assert said == "DATABASE_URL is missing: set it to postgresql://user:password@host/name.", arguments


def test_environment_wins_over_yaml_wins_over_defaults(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "desk.yaml"
    file.write_text(
        "http_port: 8100\nws_port: 8101\nallowed_hosts: [a.example.com]\nredis_url: redis://y/0\n"
    )
    monkeypatch.setenv("TRADEPLATFORM_CONFIG", str(file))
    monkeypatch.setenv("TRADEPLATFORM_WS_PORT", "8201")
    config = load_config()
    assert (config.http_port, config.ws_port, config.bind_host) == (8100, 8201, "127.0.0.1")
    assert config.allowed_hosts == ["a.example.com"]
    assert config.redis_url is not None
    assert config.redis_url.get_secret_value() == "redis://y/0"


def test_plain_database_url_wins_over_yaml(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "desk.yaml"
    file.write_text("database_url: postgresql://yaml/x\n")
    monkeypatch.setenv("TRADEPLATFORM_CONFIG", str(file))
    monkeypatch.setenv("DATABASE_URL", "postgresql://environment/x")
    config = load_config()
    assert config.database_url is not None
    assert config.database_url.get_secret_value() == "postgresql://environment/x"


def test_an_unknown_yaml_setting_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "desk.yaml"
    file.write_text("htpp_port: 8100\n")
    monkeypatch.setenv("TRADEPLATFORM_CONFIG", str(file))
    with pytest.raises(ConfigurationError, match=r"htpp_port: Extra inputs are not permitted"):
        load_config()


def test_a_named_file_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEPLATFORM_CONFIG", "/nowhere/desk.yaml")
    with pytest.raises(ConfigurationError, match="correct the path or unset it"):
        load_config()


def test_a_value_of_the_wrong_type_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEPLATFORM_HTTP_PORT", "eighty")
    with pytest.raises(ConfigurationError) as refused:
        load_config()
    assert "valid integer" in str(refused.value)
    assert "eighty" not in str(refused.value)


def test_a_key_is_generated_once_outside_production(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRADEPLATFORM_VAR_DIR", str(tmp_path))
    first = secret_key(load_config())
    assert len(first) >= 64
    assert secret_key(load_config()) == first
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_a_vault_key_is_generated_once_outside_production(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRADEPLATFORM_VAR_DIR", str(tmp_path))
    first = vault_keys(load_config())
    name, _, key = first.partition(":")
    assert name
    assert len(base64.b64decode(key)) == 32
    assert vault_keys(load_config()) == first
    assert (tmp_path / "vault_keys").stat().st_mode & 0o777 == 0o600
