"""Assets and instruments in the back office. Trading buttons are added by the floor that trades."""

from instruments.admin import assets, instruments, quotes

__all__ = ["assets", "instruments", "quotes"]
