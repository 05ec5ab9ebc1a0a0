"""Typed configuration: environment over the YAML file over defaults, checked before Django sees a value."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

BASE_DIR = Path(__file__).resolve().parent.parent
CONFIG_FILE_VARIABLE = "TRADEPLATFORM_CONFIG"

#: What a process does, which decides its time-outs, its connections and its name in pg_stat_activity.
Role = Literal["command", "web", "sockets", "shard", "worker", "beat", "ingest"]

#: Below either of these a secret key can be guessed; Django's own check draws the same lines.
_KEY_LENGTH = 50
_KEY_VARIETY = 10

CommaList = Annotated[list[str], NoDecode]


class ConfigurationError(Exception):
    """The configuration is missing something or is dangerous; the message says what to do."""


class Config(BaseSettings):
    """Everything an operator may set.

    Environment names are `TRADEPLATFORM_` plus the name in capitals; the two server addresses are also
    read from plain `DATABASE_URL` and `REDIS_URL`.
    """

    model_config = SettingsConfigDict(
        env_prefix="TRADEPLATFORM_", extra="forbid", frozen=True, populate_by_name=True, env_ignore_empty=True
    )

    environment: Literal["development", "test", "production"] = "development"
    role: Role = "command"
    debug: bool = False

    secret_key: SecretStr | None = None
    #: Keys that encrypt the vault's data keys: "id:key, id:key", each 32 random bytes in base64, the current
    #: one last. Without it they are in the file `vault_keys` of the var folder.
    vault_keys: SecretStr | None = None
    allowed_hosts: CommaList = Field(default_factory=list)
    #: Origins of other sites that may call the API or open a socket ("https://desk.example.com").
    allowed_origins: CommaList = Field(default_factory=list)
    #: The name that passkeys are made for, this site's own or one above it ("example.com"), and the origins
    #: whose pages may use them ("https://desk.example.com").
    webauthn_rp_id: str = ""
    webauthn_origins: CommaList = Field(default_factory=list)
    #: TLS is ended by a proxy in front that sets X-Forwarded-Proto.
    behind_tls_proxy: bool = False

    database_url: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("TRADEPLATFORM_DATABASE_URL", "DATABASE_URL", "database_url"),
    )
    readonly_database_url: SecretStr | None = None
    redis_url: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("TRADEPLATFORM_REDIS_URL", "REDIS_URL", "redis_url")
    )

    #: RabbitMQ, where wake-ups go by it: "amqp://user:password@host:5672/vhost", or amqps; else by Valkey.
    broker_url: SecretStr | None = None

    http_port: int = Field(default=8000, ge=1, le=65535)
    ws_port: int = Field(default=8001, ge=1, le=65535)
    bind_host: str = "127.0.0.1"
    http_workers: int = Field(default=1, ge=1, le=64)
    http_threads: int = Field(default=8, ge=1, le=64)

    #: People with a staff role cannot open the back office by password alone.
    operators_need_second_factor: bool = False

    #: How many calls of API v1 an address may make in a minute, all its users together.
    address_calls_1m: int = Field(default=60_000, ge=60)
    #: How much weight of the Binance dialect an address may use in a minute; its clients read it there.
    binance_weight_1m: int = Field(default=6_000, ge=60)

    #: Behind a pooler that hands sessions on between transactions, as PgBouncer does: nothing is set for a
    #: session, and no cursor outlives its transaction.
    transaction_pooler: bool = False
    #: False behind one that knows no prepared statements, such as PgBouncer before 1.21.
    prepared_statements: bool = True

    #: A shard whose oldest waiting command waits longer takes no new orders, in seconds; 0: it always does.
    shard_lag_limit_seconds: float = Field(default=5.0, ge=0)
    #: How many requests may wait for a thread of one web process; beyond that they are refused at once.
    http_queue: int = Field(default=256, ge=1, le=900)

    #: Whether a command that cannot be applied halts its instrument, or is refused and no more.
    halt_on_quarantine: bool = False

    #: Who may read /metrics: callers from these networks, and whoever sends `Authorization: Bearer` with the
    #: token. To all others it is not there.
    metrics_networks: CommaList = Field(default_factory=lambda: ["127.0.0.0/8", "::1/128"])
    metrics_token: SecretStr | None = Field(default=None, min_length=20)

    log_format: Literal["console", "json"] | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    #: Where the checkout keeps what it makes: embedded servers' data, logs, generated secrets.
    var_dir: Path = BASE_DIR / "var"
    #: A folder with `postgres` and `initdb`, when the embedded ones must not be used.
    postgres_bin: Path | None = None
    #: A valkey-server or redis-server, when the embedded one must not be used.
    valkey_program: Path | None = None
    #: Ports of the embedded servers; free ones are taken when these are not set.
    postgres_port: int | None = Field(default=None, ge=1, le=65535)
    valkey_port: int | None = Field(default=None, ge=1, le=65535)
    #: The ordinary account that runs the embedded servers when the platform is started by root.
    service_user: str | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - not a place we read from
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment over YAML over defaults."""
        path = config_file()
        yaml = (YamlConfigSettingsSource(settings_cls, yaml_file=path),) if path else ()
        return (init_settings, env_settings, *yaml)

    @field_validator(
        "allowed_hosts", "allowed_origins", "webauthn_origins", "metrics_networks", mode="before"
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("metrics_networks")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        for network in value:
            ip_network(network)
        return value

    @field_validator("broker_url")
    @classmethod
    def _rabbitmq(cls, value: SecretStr | None) -> SecretStr | None:
        if value and urlsplit(value.get_secret_value()).scheme not in {"amqp", "amqps"}:
            raise ValueError(
                "TRADEPLATFORM_BROKER_URL is not RabbitMQ's: set it to amqp://user:password@host/vhost."
            )
        return value

    @model_validator(mode="after")
    def _safe_in_production(self) -> Self:
        if self.environment == "production":
            _refuse_danger(self)
        return self

    @property
    def is_production(self) -> bool:
        """True where real money may be: nothing is generated or guessed there."""
        return self.environment == "production"


def _refuse_danger(config: Config) -> None:
    """Raise ValueError with one sentence that says what to set, for the first thing wrong."""
    key = config.secret_key.get_secret_value() if config.secret_key else ""
    hosts, origins = config.allowed_hosts, config.allowed_origins
    checks = [
        (config.debug, "TRADEPLATFORM_DEBUG is on: set it to false, it shows secrets to strangers."),
        (not key, "TRADEPLATFORM_SECRET_KEY is missing: set it to 50 or more random characters."),
        (
            len(key) < _KEY_LENGTH or len(set(key)) < _KEY_VARIETY or key.startswith("django-insecure-"),
            "TRADEPLATFORM_SECRET_KEY is weak: set it to 50 or more random characters.",
        ),
        (
            not config.vault_keys and not vault_keys_file(config).is_file(),
            "TRADEPLATFORM_VAULT_KEYS is missing: set it to id:key, a name and 32 random bytes in base64.",
        ),
        (not hosts, "TRADEPLATFORM_ALLOWED_HOSTS is empty: set it to this site's host names."),
        ("*" in hosts, "TRADEPLATFORM_ALLOWED_HOSTS contains '*': name this site's hosts."),
        (
            any("*" in origin for origin in origins),
            "TRADEPLATFORM_ALLOWED_ORIGINS contains a wildcard: name each origin that may call the API.",
        ),
        (
            any(urlsplit(origin).scheme != "https" for origin in origins),
            "TRADEPLATFORM_ALLOWED_ORIGINS has an origin that is not https: use https origins only.",
        ),
        (
            not config.webauthn_rp_id,
            "TRADEPLATFORM_WEBAUTHN_RP_ID is missing: set it to the name passkeys are made for.",
        ),
        (
            not config.webauthn_origins,
            "TRADEPLATFORM_WEBAUTHN_ORIGINS is empty: set it to the https origins passkeys are used at.",
        ),
        (
            not all(_is_of(config.webauthn_rp_id, origin) for origin in config.webauthn_origins),
            "TRADEPLATFORM_WEBAUTHN_ORIGINS has one that is not https or not below the RP id: correct it.",
        ),
        (not config.database_url, "DATABASE_URL is missing: set it to postgresql://user:password@host/name."),
        (not config.redis_url, "REDIS_URL is missing: set it to redis://:password@host:port/0."),
    ]
    for wrong, sentence in checks:
        if wrong:
            raise ValueError(sentence)


def _is_of(name: str, origin: str) -> bool:
    """Whether passkeys made for the name may be used at the origin, as browsers decide it."""
    parts = urlsplit(origin)
    host = parts.hostname or ""
    return parts.scheme == "https" and not parts.path and (host == name or host.endswith(f".{name}"))


def config_file() -> Path | None:
    """The YAML file to read: the one TRADEPLATFORM_CONFIG names, else config.yaml of the checkout."""
    named = os.environ.get(CONFIG_FILE_VARIABLE)
    if named:
        path = Path(named)
        if not path.is_file():
            msg = f"{CONFIG_FILE_VARIABLE} names {path}, which is not a file: correct the path or unset it."
            raise ConfigurationError(msg)
        return path
    default = BASE_DIR / "config.yaml"
    return default if default.is_file() else None


@cache
def load_config() -> Config:
    """Read the configuration once per process; raise ConfigurationError with one sentence per fault."""
    try:
        return Config()
    except ValidationError as error:
        raise ConfigurationError(_explain(error)) from None


def _explain(error: ValidationError) -> str:
    lines = []
    for fault in error.errors(include_url=False, include_input=False):
        name = ".".join(str(part) for part in fault["loc"])
        text = fault["msg"].removeprefix("Value error, ")
        lines.append(f"{name}: {text}" if name else text)
    return " ".join(lines)


def secret_key(config: Config) -> str:
    """The configured key; outside production one that is generated once and kept in the var folder."""
    if config.secret_key:
        return config.secret_key.get_secret_value()
    return _generated_once(config.var_dir / "secret_key", lambda: secrets.token_urlsafe(64))


def vault_keys_file(config: Config) -> Path:
    """Where the vault's key-encryption keys are when they are not set: one "id:key" a line."""
    return config.var_dir / "vault_keys"


def vault_keys(config: Config) -> str:
    """The vault's key-encryption keys as they are now; outside production a first one is generated.

    Read anew at each call: a key that was added to the file is known to all processes at once.
    """
    if config.vault_keys:
        return config.vault_keys.get_secret_value()
    return _generated_once(vault_keys_file(config), new_vault_key)


def new_vault_key() -> str:
    """A fresh key-encryption key under a fresh name, as the file and the setting have it."""
    name = f"{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(3)}"
    return f"{name}:{base64.b64encode(secrets.token_bytes(32)).decode()}"


def _generated_once(path: Path, make: Callable[[], str]) -> str:
    """What the file holds, which only its owner reads; made first where it is not there."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        fresh.touch(mode=0o600)
        fresh.write_text(make())
        # link() never replaces: of two processes starting together both read the one that came first.
        try:
            path.hardlink_to(fresh)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text().strip()
