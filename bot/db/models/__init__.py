"""All tables, one file per noun."""

from bot.db.models.audit import AuditEntry
from bot.db.models.case import Case, CaseEvent, DeskEvent
from bot.db.models.contact import Consent, Contact
from bot.db.models.delivery import Delivery
from bot.db.models.handbook import GapTicket
from bot.db.models.job import Job, Lane, Schedule
from bot.db.models.message import Assessment, Message
from bot.db.models.operation import Alarm, PlatformToken, QuotaUse, WorkTask
from bot.db.models.place import Place
from bot.db.models.roster import HotlineRow, Shift
from bot.db.models.rule_case import RuleCase
from bot.db.models.rules import RuleChange, RuleReplay, RuleSet
from bot.db.models.staff import Login, LoginFailure, Staff, StaffRole

__all__ = [
    "Alarm",
    "Assessment",
    "AuditEntry",
    "Case",
    "CaseEvent",
    "Consent",
    "Contact",
    "Delivery",
    "DeskEvent",
    "GapTicket",
    "HotlineRow",
    "Job",
    "Lane",
    "Login",
    "LoginFailure",
    "Message",
    "Place",
    "PlatformToken",
    "QuotaUse",
    "RuleCase",
    "RuleChange",
    "RuleReplay",
    "RuleSet",
    "Schedule",
    "Shift",
    "Staff",
    "StaffRole",
    "WorkTask",
]
