"""The older name of `phases`."""

from orders.services.phases import halt_instrument, resume_instrument, settle_status

__all__ = ["halt_instrument", "resume_instrument", "settle_status"]
