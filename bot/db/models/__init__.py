"""All tables, one file per noun."""

from bot.db.models.audit import AuditEntry
from bot.db.models.case import Case, CaseEvent, DeskEvent
from bot.db.models.contact import Consent, Contact
from bot.db.models.course import Course, Enrolment
from bot.db.models.delivery import Delivery
from bot.db.models.handbook import GapTicket
from bot.db.models.imports import ImportBatch, ImportRow
from bot.db.models.job import Job, Lane, Schedule
from bot.db.models.link import DataRequest, Link
from bot.db.models.message import Assessment, Message
from bot.db.models.notice import Notice, NoticeChild
from bot.db.models.operation import Alarm, PlatformToken, QuotaUse, WorkTask
from bot.db.models.person import Binding, Child, ChildPlace, Guardian, Guardianship
from bot.db.models.place import Place, PlaceChange
from bot.db.models.record import LegalHold, ReadPermit, RetentionRun, TenantKey
from bot.db.models.roster import HotlineRow, Shift
from bot.db.models.rule_case import RuleCase
from bot.db.models.rules import RuleChange, RuleReplay, RuleSet
from bot.db.models.staff import Login, LoginFailure, RecoveryCode, Staff, StaffRole

__all__ = [
    "Alarm",
    "Assessment",
    "AuditEntry",
    "Binding",
    "Case",
    "CaseEvent",
    "Child",
    "ChildPlace",
    "Consent",
    "Contact",
    "Course",
    "DataRequest",
    "Delivery",
    "DeskEvent",
    "Enrolment",
    "GapTicket",
    "Guardian",
    "Guardianship",
    "HotlineRow",
    "ImportBatch",
    "ImportRow",
    "Job",
    "Lane",
    "LegalHold",
    "Link",
    "Login",
    "LoginFailure",
    "Message",
    "Notice",
    "NoticeChild",
    "Place",
    "PlaceChange",
    "PlatformToken",
    "QuotaUse",
    "ReadPermit",
    "RecoveryCode",
    "RetentionRun",
    "RuleCase",
    "RuleChange",
    "RuleReplay",
    "RuleSet",
    "Schedule",
    "Shift",
    "Staff",
    "StaffRole",
    "TenantKey",
    "WorkTask",
]
