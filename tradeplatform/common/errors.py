"""Refusals: every "no" the platform can say, with a stable code, an HTTP status and the numbers behind it.

Codes are a contract with clients: they are documented, never renamed and never reused.
"""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus
from typing import Any


class Code(StrEnum):
    """Stable refusal codes, grouped by who has to act."""

    # The request itself is malformed.
    MALFORMED_JSON = "malformed_json"
    BODY_TOO_LARGE = "body_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    NOT_ACCEPTABLE = "not_acceptable"
    INVALID_FIELD = "invalid_field"
    INVALID_NUMBER = "invalid_number"
    INVALID_CLIENT_ORDER_ID = "invalid_client_order_id"
    TOO_MANY_ITEMS = "too_many_items"
    INVALID_COMBINATION = "invalid_combination"
    QUANTITY_REQUIRED = "quantity_required"
    TRIGGER_PRICE_REQUIRED = "trigger_price_required"
    TRIGGER_PRICE_NOT_ALLOWED = "trigger_price_not_allowed"
    EXPIRY_REQUIRED = "expiry_required"
    EXPIRY_IN_PAST = "expiry_in_past"
    UNKNOWN_OPERATION = "unknown_operation"
    UNKNOWN_CHANNEL = "unknown_channel"
    TOO_MANY_SUBSCRIPTIONS = "too_many_subscriptions"
    INVALID_FILE = "invalid_file"
    INVALID_PASSKEY = "invalid_passkey"
    WRONG_COLUMNS = "wrong_columns"
    FORMULA_CELL = "formula_cell"
    DUPLICATE_LINE = "duplicate_line"
    SIDES_DIFFER = "sides_differ"
    REASON_REQUIRED = "reason_required"
    NO_CHANGE = "no_change"
    STATEMENT_TOO_LONG = "statement_too_long"

    # The caller may not.
    NOT_AUTHENTICATED = "not_authenticated"
    PERMISSION_DENIED = "permission_denied"
    THROTTLED = "throttled"
    TOO_MANY_ORDERS = "too_many_orders"
    BANNED = "banned"
    SECOND_FACTOR_REQUIRED = "second_factor_required"
    SECOND_FACTOR_WRONG = "second_factor_wrong"
    PASSKEY_CHALLENGE_GONE = "passkey_challenge_gone"
    PASSKEY_CLONED = "passkey_cloned"
    CONFIRMATION_REQUIRED = "confirmation_required"
    SESSION_REQUIRED = "session_required"
    API_KEY_UNKNOWN = "api_key_unknown"
    API_KEY_REVOKED = "api_key_revoked"
    API_KEY_EXPIRED = "api_key_expired"
    API_KEY_OWNER_DISABLED = "api_key_owner_disabled"
    API_KEY_UNUSABLE = "api_key_unusable"
    API_KEY_WRONG_IP = "api_key_wrong_ip"
    API_KEY_WRONG_SCOPE = "api_key_wrong_scope"
    BAD_SIGNATURE = "bad_signature"
    TIMESTAMP_TOO_OLD = "timestamp_too_old"
    TIMESTAMP_AHEAD = "timestamp_ahead"
    REPLAYED = "replayed"
    MAKER_IS_CHECKER = "maker_is_checker"
    MAKER_LOST_RIGHT = "maker_lost_right"
    ACCOUNT_INACTIVE = "account_inactive"
    ACCOUNT_LOCKED = "account_locked"
    LEVERAGE_NOT_ALLOWED = "leverage_not_allowed"
    WRONG_REALM = "wrong_realm"

    # The thing asked for is not there (or not the caller's, which must look the same).
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    ACCOUNT_NOT_FOUND = "account_not_found"
    ORDER_NOT_FOUND = "order_not_found"
    LIST_NOT_FOUND = "list_not_found"
    ALERT_NOT_FOUND = "alert_not_found"
    REQUEST_NOT_FOUND = "request_not_found"
    POSITION_NOT_FOUND = "position_not_found"
    API_KEY_NOT_FOUND = "api_key_not_found"
    SESSION_NOT_FOUND = "session_not_found"
    PASSKEY_NOT_FOUND = "passkey_not_found"
    UNKNOWN_SYMBOL = "unknown_symbol"
    UNKNOWN_ASSET = "unknown_asset"

    # The state of things forbids it.
    CLIENT_ORDER_ID_CONFLICT = "client_order_id_conflict"
    REQUEST_ID_CONFLICT = "request_id_conflict"
    APPROVAL_NOT_PENDING = "approval_not_pending"
    ALREADY_DECIDED = "already_decided"
    EXTERNAL_ID_CONFLICT = "external_id_conflict"
    ALREADY_FROZEN = "already_frozen"
    LINE_CONFLICT = "line_conflict"
    ALREADY_MATCHED = "already_matched"
    ALREADY_UNDONE = "already_undone"
    BREAK_NOT_OPEN = "break_not_open"
    WRITE_OFF_WAITS = "write_off_waits"
    REQUEST_NOT_OPEN = "request_not_open"
    DEMO_MONEY = "demo_money"
    NOT_A_DEMO_ACCOUNT = "not_a_demo_account"
    RESET_PENDING = "reset_pending"
    KYC_LIMIT_EXCEEDED = "kyc_limit_exceeded"
    ORDER_NOT_OPEN = "order_not_open"
    ALERT_NOT_ACTIVE = "alert_not_active"
    TOO_MANY_ACTIVE_ALERTS = "too_many_active_alerts"
    AMEND_PENDING = "amend_pending"
    EVENT_NUMBER_OUT_OF_RANGE = "event_number_out_of_range"
    BELOW_EXECUTED = "below_executed"
    WOULD_TAKE = "would_take"
    KILLED = "killed"
    QUARANTINED = "quarantined"
    KILL_NOT_IN_EFFECT = "kill_not_in_effect"
    INSTRUMENT_HALTED = "instrument_halted"
    INSTRUMENT_MAINTENANCE = "instrument_maintenance"
    INSTRUMENT_DELISTED = "instrument_delisted"
    INSTRUMENT_CANCEL_ONLY = "instrument_cancel_only"
    INSTRUMENT_CLOSED = "instrument_closed"
    INSTRUMENT_NOT_HALTED = "instrument_not_halted"
    PHASE_NOT_ALLOWED = "phase_not_allowed"
    NOT_IN_AUCTION = "not_in_auction"
    REDUCE_ONLY = "reduce_only"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    NO_RATE = "no_rate"
    NO_PRICE = "no_price"
    INSUFFICIENT_MARGIN = "insufficient_margin"
    POSITION_NOT_OPEN = "position_not_open"
    EXIT_PRICE_REACHED = "exit_price_reached"
    INSTRUMENT_NOT_ENABLED = "instrument_not_enabled"
    CORRECTION_TOO_LARGE = "correction_too_large"
    ACCOUNT_IN_USE = "account_in_use"
    FIELD_IS_FIXED = "field_is_fixed"
    SECOND_FACTOR_OFF = "second_factor_off"
    PASSKEY_NAME_TAKEN = "passkey_name_taken"
    PASSKEY_KNOWN = "passkey_known"
    TOO_MANY_PASSKEYS = "too_many_passkeys"
    API_KEY_LABEL_TAKEN = "api_key_label_taken"
    TOO_MANY_API_KEYS = "too_many_api_keys"
    ROW_CHANGED = "row_changed"

    # An instrument's filters.
    PRICE_REQUIRED = "price_required"
    PRICE_NOT_ALLOWED = "price_not_allowed"
    PRICE_NOT_ON_TICK = "price_not_on_tick"
    PRICE_OUT_OF_RANGE = "price_out_of_range"
    PRICE_OUT_OF_BAND = "price_out_of_band"
    NO_REFERENCE_PRICE = "no_reference_price"
    QUANTITY_NOT_ON_STEP = "quantity_not_on_step"
    QUANTITY_TOO_SMALL = "quantity_too_small"
    QUANTITY_TOO_LARGE = "quantity_too_large"
    DISPLAY_QUANTITY_TOO_SMALL = "display_quantity_too_small"
    NOTIONAL_TOO_SMALL = "notional_too_small"
    NOTIONAL_TOO_LARGE = "notional_too_large"
    TOO_MANY_OPEN_ORDERS = "too_many_open_orders"

    # We cannot right now.
    UNAVAILABLE = "unavailable"
    OVERLOADED = "overloaded"
    INTERNAL_ERROR = "internal_error"


_STATUS = {
    Code.BODY_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.UNSUPPORTED_MEDIA_TYPE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Code.NOT_ACCEPTABLE: HTTPStatus.NOT_ACCEPTABLE,
    Code.NOT_AUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    Code.SECOND_FACTOR_REQUIRED: HTTPStatus.UNAUTHORIZED,
    Code.SECOND_FACTOR_WRONG: HTTPStatus.UNAUTHORIZED,
    Code.PASSKEY_CHALLENGE_GONE: HTTPStatus.UNAUTHORIZED,
    Code.PASSKEY_CLONED: HTTPStatus.UNAUTHORIZED,
    Code.CONFIRMATION_REQUIRED: HTTPStatus.FORBIDDEN,
    Code.SESSION_REQUIRED: HTTPStatus.FORBIDDEN,
    Code.API_KEY_UNKNOWN: HTTPStatus.UNAUTHORIZED,
    Code.API_KEY_REVOKED: HTTPStatus.UNAUTHORIZED,
    Code.API_KEY_EXPIRED: HTTPStatus.UNAUTHORIZED,
    Code.API_KEY_OWNER_DISABLED: HTTPStatus.UNAUTHORIZED,
    Code.API_KEY_UNUSABLE: HTTPStatus.UNAUTHORIZED,
    Code.BAD_SIGNATURE: HTTPStatus.UNAUTHORIZED,
    Code.TIMESTAMP_TOO_OLD: HTTPStatus.UNAUTHORIZED,
    Code.TIMESTAMP_AHEAD: HTTPStatus.UNAUTHORIZED,
    Code.REPLAYED: HTTPStatus.UNAUTHORIZED,
    Code.API_KEY_WRONG_IP: HTTPStatus.FORBIDDEN,
    Code.API_KEY_WRONG_SCOPE: HTTPStatus.FORBIDDEN,
    Code.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    Code.MAKER_IS_CHECKER: HTTPStatus.FORBIDDEN,
    Code.MAKER_LOST_RIGHT: HTTPStatus.CONFLICT,
    Code.ACCOUNT_INACTIVE: HTTPStatus.FORBIDDEN,
    Code.ACCOUNT_LOCKED: HTTPStatus.FORBIDDEN,
    Code.LEVERAGE_NOT_ALLOWED: HTTPStatus.FORBIDDEN,
    Code.WRONG_REALM: HTTPStatus.FORBIDDEN,
    Code.THROTTLED: HTTPStatus.TOO_MANY_REQUESTS,
    Code.TOO_MANY_ORDERS: HTTPStatus.TOO_MANY_REQUESTS,
    Code.BANNED: HTTPStatus.IM_A_TEAPOT,
    Code.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.ACCOUNT_NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.ORDER_NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.LIST_NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.ALERT_NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.REQUEST_NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.POSITION_NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.API_KEY_NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.SESSION_NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.PASSKEY_NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.UNKNOWN_SYMBOL: HTTPStatus.NOT_FOUND,
    Code.UNKNOWN_ASSET: HTTPStatus.NOT_FOUND,
    Code.METHOD_NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
    Code.CLIENT_ORDER_ID_CONFLICT: HTTPStatus.CONFLICT,
    Code.REQUEST_ID_CONFLICT: HTTPStatus.CONFLICT,
    Code.APPROVAL_NOT_PENDING: HTTPStatus.CONFLICT,
    Code.ALREADY_DECIDED: HTTPStatus.CONFLICT,
    Code.EXTERNAL_ID_CONFLICT: HTTPStatus.CONFLICT,
    Code.ALREADY_FROZEN: HTTPStatus.CONFLICT,
    Code.LINE_CONFLICT: HTTPStatus.CONFLICT,
    Code.ALREADY_MATCHED: HTTPStatus.CONFLICT,
    Code.ALREADY_UNDONE: HTTPStatus.CONFLICT,
    Code.BREAK_NOT_OPEN: HTTPStatus.CONFLICT,
    Code.WRITE_OFF_WAITS: HTTPStatus.CONFLICT,
    Code.REQUEST_NOT_OPEN: HTTPStatus.CONFLICT,
    Code.DEMO_MONEY: HTTPStatus.CONFLICT,
    Code.NOT_A_DEMO_ACCOUNT: HTTPStatus.CONFLICT,
    Code.RESET_PENDING: HTTPStatus.CONFLICT,
    Code.ORDER_NOT_OPEN: HTTPStatus.CONFLICT,
    Code.ALERT_NOT_ACTIVE: HTTPStatus.CONFLICT,
    Code.TOO_MANY_ACTIVE_ALERTS: HTTPStatus.CONFLICT,
    Code.AMEND_PENDING: HTTPStatus.CONFLICT,
    Code.EVENT_NUMBER_OUT_OF_RANGE: HTTPStatus.CONFLICT,
    Code.BELOW_EXECUTED: HTTPStatus.CONFLICT,
    Code.WOULD_TAKE: HTTPStatus.CONFLICT,
    Code.KILLED: HTTPStatus.CONFLICT,
    Code.QUARANTINED: HTTPStatus.CONFLICT,
    Code.KILL_NOT_IN_EFFECT: HTTPStatus.CONFLICT,
    Code.INSTRUMENT_HALTED: HTTPStatus.CONFLICT,
    Code.INSTRUMENT_MAINTENANCE: HTTPStatus.CONFLICT,
    Code.INSTRUMENT_DELISTED: HTTPStatus.CONFLICT,
    Code.INSTRUMENT_CANCEL_ONLY: HTTPStatus.CONFLICT,
    Code.INSTRUMENT_CLOSED: HTTPStatus.CONFLICT,
    Code.INSTRUMENT_NOT_HALTED: HTTPStatus.CONFLICT,
    Code.PHASE_NOT_ALLOWED: HTTPStatus.CONFLICT,
    Code.NOT_IN_AUCTION: HTTPStatus.CONFLICT,
    Code.REDUCE_ONLY: HTTPStatus.CONFLICT,
    Code.NO_RATE: HTTPStatus.CONFLICT,
    Code.NO_PRICE: HTTPStatus.CONFLICT,
    Code.POSITION_NOT_OPEN: HTTPStatus.CONFLICT,
    Code.EXIT_PRICE_REACHED: HTTPStatus.CONFLICT,
    Code.INSTRUMENT_NOT_ENABLED: HTTPStatus.CONFLICT,
    Code.CORRECTION_TOO_LARGE: HTTPStatus.CONFLICT,
    Code.ACCOUNT_IN_USE: HTTPStatus.CONFLICT,
    Code.FIELD_IS_FIXED: HTTPStatus.CONFLICT,
    Code.SECOND_FACTOR_OFF: HTTPStatus.CONFLICT,
    Code.PASSKEY_NAME_TAKEN: HTTPStatus.CONFLICT,
    Code.PASSKEY_KNOWN: HTTPStatus.CONFLICT,
    Code.TOO_MANY_PASSKEYS: HTTPStatus.CONFLICT,
    Code.API_KEY_LABEL_TAKEN: HTTPStatus.CONFLICT,
    Code.TOO_MANY_API_KEYS: HTTPStatus.CONFLICT,
    Code.ROW_CHANGED: HTTPStatus.CONFLICT,
    Code.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.OVERLOADED: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.INTERNAL_ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
}


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not an error of ours
    """The platform says no: nothing was stored, nothing was held, nothing moved.

    `code` is stable, `message` is a sentence for a person that says what to do next, `context` holds
    the numbers that explain it (JSON-able; decimals as strings).
    """

    def __init__(self, code: Code, message: str, **context: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.context = context

    @property
    def status(self) -> int:
        """The HTTP status a door answers with; 400 where nothing more precise fits."""
        return int(_STATUS.get(self.code, HTTPStatus.BAD_REQUEST))

    def __repr__(self) -> str:
        return f"Refusal({self.code}, {self.message!r}, {self.context!r})"
