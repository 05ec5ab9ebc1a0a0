"""As Django's, but its connections do not wait for ever and its pool does not hold on to dead ones."""

from __future__ import annotations

import time
from datetime import UTC
from functools import cache
from typing import Any, ClassVar, Self, cast

from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import IsolationLevel
from psycopg import OperationalError, adapters
from psycopg.abc import AdaptContext
from psycopg.adapt import AdaptersMap
from psycopg.pq import Format
from psycopg.types.datetime import TimestamptzLoader
from psycopg_pool import ConnectionPool, PoolTimeout

from tradeplatform.common.postgresql.patience import PatientConnection

#: Seconds for which nobody asks again a database that let a caller wait for a connection in vain: with more
#: callers than threads each would wait for those before it.
ASK_AGAIN_SECONDS = 1.0
#: A database that is away is asked when somebody wants it, and not after pauses that grow to minutes.
_RECONNECT_SECONDS = 1.0

_clock = time.monotonic
_Pool = ConnectionPool[PatientConnection]


class _MomentLoader(TimestamptzLoader):
    """Reads a timestamptz in the session's time zone, which is UTC.

    Django's does it in Python, to replace the zone by its own, and takes fifteen times as long: an order's
    intake and its drain read several. It asks the loader for its `timezone`.
    """

    timezone = UTC

    def __new__(cls, oid: int, context: AdaptContext | None = None) -> Self:
        """The loader that psycopg has compiled, which has no subclasses."""
        return cast("Self", _COMPILED(oid, context))


_COMPILED: Any = adapters.get_loader(adapters.types["timestamptz"].oid, Format.TEXT)


@cache
def _reading_moments(context: AdaptersMap) -> AdaptersMap:
    found = AdaptersMap(context)
    found.register_loader("timestamptz", _MomentLoader)
    return found


class DatabaseWrapper(base.DatabaseWrapper):
    """Found by the settings' ENGINE."""

    #: Until when nobody asks, by alias.
    _away_until: ClassVar[dict[str, float]] = {}
    # Django's, one dictionary for all wrappers of a process.
    _connection_pools: dict[str, _Pool]

    @property
    def pool(self) -> _Pool | None:
        """As Django's; None where there is none."""
        options = self.settings_dict["OPTIONS"].get("pool")
        if self.alias == NO_DB_ALIAS or not options:
            return None
        if self.alias not in self._connection_pools:
            pool = ConnectionPool(
                kwargs=self.get_connection_params() | {"autocommit": True},
                connection_class=PatientConnection,
                open=False,
                configure=self._configure_connection,  # type: ignore[attr-defined]
                check=self._check,
                reconnect_timeout=_RECONNECT_SECONDS,
                **options,
            )
            self._connection_pools.setdefault(self.alias, pool)
        return self._connection_pools[self.alias]

    def get_connection_params(self) -> dict[str, Any]:
        """As Django's; moments in UTC are read as psycopg reads them."""
        params: dict[str, Any] = super().get_connection_params()
        if self.timezone == UTC:
            params["context"] = _reading_moments(params["context"])
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> PatientConnection:
        """As Django's. Of a database that was away a moment ago it raises OperationalError at once."""
        if not self.pool:
            self.isolation_level = IsolationLevel.READ_COMMITTED
            return PatientConnection.connect(**conn_params)
        # Whoever found it away has not closed its own connection yet when the next in a queue goes on.
        silent_until = PatientConnection.silent_since.get(_server(conn_params), -ASK_AGAIN_SECONDS)
        silent_until += ASK_AGAIN_SECONDS
        if _clock() < max(self._away_until.get(self.alias, 0.0), silent_until):
            raise OperationalError("the database was away a moment ago")
        try:
            found: PatientConnection = super().get_new_connection(conn_params)
        except PoolTimeout:
            # Else all are in use, and the next may well get one.
            self._stay_away_from(_server(conn_params))
            raise
        return found

    def _stay_away_from(self, server: tuple[str, str]) -> None:
        """For a moment, where it was asked in vain."""
        if server in PatientConnection.out_of_reach:
            self._away_until[self.alias] = _clock() + ASK_AGAIN_SECONDS

    def chunked_cursor(self) -> Any:
        """As Django's; a cursor that outlives its transaction would be left on a session of others'."""
        if self.settings_dict["OPTIONS"].get("in_each_transaction") and not self.in_atomic_block:
            return self.cursor()
        return super().chunked_cursor()

    def _check(self, connection: PatientConnection) -> None:
        """Raise OperationalError of an idle connection that the server has left, and trust no other."""
        if connection.is_left:
            connection.close()
            self._forget_others()
            raise OperationalError("the server has hung up")

    def _close(self) -> None:
        """As Django's; where one connection broke, no other that was open then is trusted."""
        if self.connection is not None and self.connection.closed:
            self._forget_others()
            self._stay_away_from(self.connection.server)
        super()._close()  # type: ignore[misc]

    def _forget_others(self) -> None:
        if self.pool:
            self.pool.drain()


def _server(conn_params: dict[str, Any]) -> tuple[str, str]:
    """Its host and port, as its connections name it."""
    return str(conn_params.get("host", "")), str(conn_params.get("port", ""))
