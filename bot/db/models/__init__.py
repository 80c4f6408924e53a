"""All tables, one file per noun."""

from bot.db.models.audit import AuditEntry
from bot.db.models.case import Case, CaseEvent, DeskEvent
from bot.db.models.contact import Consent, Contact
from bot.db.models.course import Course, Enrolment
from bot.db.models.delivery import Delivery
from bot.db.models.desk import CaseOffer, Draft, LevelWords, Presence
from bot.db.models.duty import Absence, Drill, PushSubscription, ShiftPattern, ShiftSwap
from bot.db.models.file import (
    Attachment,
    CarePlan,
    CareTask,
    CaseForm,
    FollowUp,
    FormDefinition,
    PhoneCall,
    ReadReason,
    Report,
    Told,
    Worry,
)
from bot.db.models.handbook import GapTicket
from bot.db.models.imports import ImportBatch, ImportRow
from bot.db.models.job import Job, Lane, Schedule
from bot.db.models.link import DataRequest, Link
from bot.db.models.message import Assessment, Message
from bot.db.models.notice import Notice, NoticeChild, NoticeFeedback
from bot.db.models.operation import Alarm, PlatformToken, QuotaUse, WorkTask
from bot.db.models.person import Binding, BindingSlip, Child, ChildPlace, Guardian, Guardianship
from bot.db.models.place import Place, PlaceChange
from bot.db.models.record import LegalHold, ReadPermit, RetentionRun, TenantKey
from bot.db.models.roster import HotlineRow, Shift
from bot.db.models.rule_case import RuleCase
from bot.db.models.rules import RuleChange, RuleReplay, RuleSet
from bot.db.models.staff import Login, LoginFailure, RecoveryCode, Staff, StaffRole

__all__ = [
    "Absence",
    "Alarm",
    "Assessment",
    "Attachment",
    "AuditEntry",
    "Binding",
    "BindingSlip",
    "CarePlan",
    "CareTask",
    "Case",
    "CaseEvent",
    "CaseForm",
    "CaseOffer",
    "Child",
    "ChildPlace",
    "Consent",
    "Contact",
    "Course",
    "DataRequest",
    "Delivery",
    "DeskEvent",
    "Draft",
    "Drill",
    "Enrolment",
    "FollowUp",
    "FormDefinition",
    "GapTicket",
    "Guardian",
    "Guardianship",
    "HotlineRow",
    "ImportBatch",
    "ImportRow",
    "Job",
    "Lane",
    "LegalHold",
    "LevelWords",
    "Link",
    "Login",
    "LoginFailure",
    "Message",
    "Notice",
    "NoticeChild",
    "NoticeFeedback",
    "PhoneCall",
    "Place",
    "PlaceChange",
    "PlatformToken",
    "Presence",
    "PushSubscription",
    "QuotaUse",
    "ReadPermit",
    "ReadReason",
    "RecoveryCode",
    "Report",
    "RetentionRun",
    "RuleCase",
    "RuleChange",
    "RuleReplay",
    "RuleSet",
    "Schedule",
    "Shift",
    "ShiftPattern",
    "ShiftSwap",
    "Staff",
    "StaffRole",
    "TenantKey",
    "Told",
    "WorkTask",
    "Worry",
]
