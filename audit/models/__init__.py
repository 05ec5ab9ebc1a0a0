"""The audit trail, and the acts that need more than one person."""

from audit.models.approval import ApprovalDecision, ApprovalPolicy, ApprovalRequest, ApprovalState
from audit.models.record import AuditRecord

__all__ = ["ApprovalDecision", "ApprovalPolicy", "ApprovalRequest", "ApprovalState", "AuditRecord"]
