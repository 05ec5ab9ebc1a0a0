"""The kill switch: what is stopped, and every press and release."""

from risk.models.kill_switch import KillAct, KillScope, KillStage, KillSwitch

__all__ = ["KillAct", "KillScope", "KillStage", "KillSwitch"]
