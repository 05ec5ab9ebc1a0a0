"""WebAuthn as this site speaks it: what browsers are asked, and what their answers prove.

Parsing and cryptography are the library's. Here is what it leaves to the site: the origins whose pages may
ask, which kinds of keys are taken, and that an answer from inside another site's frame counts for nothing.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from django.conf import settings
from fido2 import cbor
from fido2.cose import ES256, RS256, CoseKey, EdDSA
from fido2.server import Fido2Server
from fido2.webauthn import (
    Aaguid,
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialParameters,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

#: How long a person may take to answer: browsers are told so, and challenges live as long.
ANSWER_SECONDS = 180
_SITE = "Trading platform"
# What every device and browser knows; the browser is told the same list.
_ALGORITHMS = (ES256.ALGORITHM, EdDSA.ALGORITHM, RS256.ALGORITHM)
_COSE_ALGORITHM = 3
_LONGEST_ID = 1_023
# All that the library and what it stands on raise when bytes are not what they claim to be.
_NOT_AN_ANSWER = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    NotImplementedError,
    OverflowError,
    RecursionError,
    UnsupportedAlgorithm,
    struct.error,
)


class InvalidAnswerError(Exception):
    """Not an answer to what was asked; the message says why, for the record and not for the caller."""


@dataclass(frozen=True, slots=True)
class Credential:
    """The public half of a key in somebody's device, and the newest count of its signatures."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


def creation_options(
    *, challenge: bytes, user_handle: bytes, username: str, known: Iterable[bytes]
) -> dict[str, Any]:
    """What a browser is asked to make: PublicKeyCredentialCreationOptionsJSON.

    The device is to verify the person, so that each passkey can confirm as well as log in.
    """
    options, _state = _server().register_begin(
        PublicKeyCredentialUserEntity(id=user_handle, name=username, display_name=username),
        credentials=[_named(one) for one in known],
        resident_key_requirement=ResidentKeyRequirement.PREFERRED,
        user_verification=UserVerificationRequirement.REQUIRED,
        challenge=challenge,
    )
    return _plain(options.public_key)


def request_options(*, challenge: bytes, known: Iterable[bytes], verified: bool) -> dict[str, Any]:
    """What a browser is asked to sign: PublicKeyCredentialRequestOptionsJSON."""
    options, _state = _server().authenticate_begin(
        credentials=[_named(one) for one in known],
        user_verification=_verification(verified=verified),
        challenge=challenge,
    )
    return _plain(options.public_key)


def challenge_of(answer: Mapping[str, Any]) -> bytes:
    """The challenge that an answer says it is to. Raises InvalidAnswerError."""
    try:
        kind = RegistrationResponse if "attestationObject" in answer["response"] else AuthenticationResponse
        return bytes(kind.from_dict(answer).response.client_data.challenge)
    except _NOT_AN_ANSWER as error:
        raise InvalidAnswerError(str(error)) from error


def registered(answer: Mapping[str, Any], *, challenge: bytes) -> Credential:
    """The credential that a browser has made. Raises InvalidAnswerError."""
    server = _server()
    try:
        parsed = RegistrationResponse.from_dict(answer)
        _require_own_page(parsed)
        user = PublicKeyCredentialUserEntity(id=b"-", name="-", display_name="-")
        _options, state = server.register_begin(
            user, user_verification=UserVerificationRequirement.REQUIRED, challenge=challenge
        )
        data = server.register_complete(state, parsed)
        made = data.credential_data
        if made is None or made.credential_id != parsed.raw_id:
            raise InvalidAnswerError("The credential is not the one it says.")
        if made.public_key[_COSE_ALGORITHM] not in _ALGORITHMS or len(made.credential_id) > _LONGEST_ID:
            raise InvalidAnswerError("A kind of key that was not asked for.")
        # A key that cannot be read would fail at each login: it fails here.
        with suppress(InvalidSignature):
            made.public_key.verify(b"", b"")
        return Credential(bytes(made.credential_id), cbor.encode(made.public_key), data.counter)
    except _NOT_AN_ANSWER as error:
        raise InvalidAnswerError(str(error)) from error


def asserted(
    answer: Mapping[str, Any], *, challenge: bytes, known: Iterable[Credential], verified: bool
) -> Credential:
    """Which of the known credentials signed the challenge, with its device's count of now.

    Whether it may count so is decided where the newest count is kept. Raises InvalidAnswerError.
    """
    server, keys = _server(), {one.credential_id: one for one in known}
    try:
        parsed = AuthenticationResponse.from_dict(answer)
        _require_own_page(parsed)
        _options, state = server.authenticate_begin(
            user_verification=_verification(verified=verified), challenge=challenge
        )
        signer = server.authenticate_complete(state, [_attested(one) for one in keys.values()], parsed)
        count = parsed.response.authenticator_data.counter
    except _NOT_AN_ANSWER as error:
        raise InvalidAnswerError(str(error)) from error
    key = keys[bytes(signer.credential_id)]
    return Credential(key.credential_id, key.public_key, count)


def _server() -> Fido2Server:
    site = PublicKeyCredentialRpEntity(id=settings.WEBAUTHN_RP_ID, name=_SITE)
    server = Fido2Server(site, verify_origin=lambda origin: origin in settings.WEBAUTHN_ORIGINS)
    server.timeout = ANSWER_SECONDS * 1_000  # type: ignore[assignment]  # milliseconds; the library has None
    server.allowed_algorithms = [
        PublicKeyCredentialParameters(type=PublicKeyCredentialType.PUBLIC_KEY, alg=algorithm)
        for algorithm in _ALGORITHMS
    ]
    return server


def _require_own_page(parsed: RegistrationResponse | AuthenticationResponse) -> None:
    if parsed.response.client_data.cross_origin:
        raise InvalidAnswerError("Asked from inside another site's frame.")


def _verification(*, verified: bool) -> UserVerificationRequirement:
    return UserVerificationRequirement.REQUIRED if verified else UserVerificationRequirement.PREFERRED


def _named(credential_id: bytes) -> PublicKeyCredentialDescriptor:
    return PublicKeyCredentialDescriptor(type=PublicKeyCredentialType.PUBLIC_KEY, id=credential_id)


def _attested(key: Credential) -> AttestedCredentialData:
    public_key = CoseKey.parse(cbor.decode(key.public_key))  # type: ignore[arg-type]
    return AttestedCredentialData.create(Aaguid.NONE, key.credential_id, public_key)


def _plain(options: Any) -> dict[str, Any]:
    """As JSON has it: the library's own mappings and enums turned into plain ones."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(options)))
    return plain
