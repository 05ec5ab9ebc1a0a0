"""What `python -m tests.load` is asked for has to go together, or it says what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.load.__main__ import main


def test_the_door_socket_of_a_platform_that_runs_needs_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clients = tmp_path / "clients.json"
    clients.touch()
    asked = ["load", "--url", "http://127.0.0.1:8000", "--clients", str(clients), "--door", "socket"]
    monkeypatch.setattr("sys.argv", asked)

    with pytest.raises(SystemExit):
        main()

    assert "The door socket needs --ws-url as well" in capsys.readouterr().err
