"""Consent: three separate ones, each asked for, given, refused and withdrawn on its own.

Whoever is bound to no child is asked once whether they are a guardian before anything is stored;
somebody who says that they are the child can't consent for themselves here. What is answered while
a case goes on is decided by `bot.services.discretion`.
"""

import dataclasses
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.commands import answers, means, numbered, spoken
from bot.core.messages import Outcome
from bot.db.models import Contact
from bot.services import consents, discretion, own_data
from bot.services.handling import Context, StoredMessage
from bot.services.remembered import EMERGENCY_ASKED, EMERGENCY_VALID

ASKED = "guardian"
ASKED_VALID = timedelta(minutes=30)
CHILD_ITSELF = "S"
_COMMANDS = ("consent_give", "consent_refuse", "consent_withdraw")


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a contact when it speaks about one consent.

    Args:
        sure: it is bound, or has said before that it is a guardian.
        stood: this consent stands, its own or for a child.
        openly: it may be told that its case goes on.
    """

    for_whom: tuple[int | None, ...]
    child_itself: bool
    sure: bool
    stood: bool
    openly: bool


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Answer what is said about consent."""
    if not spoken(message.kind):
        return None
    if means("who_reads", message.text):
        return context.outcome("consents", "privacy.who_reads")
    if means("consent", message.text):
        return await _overview(context)
    if means("consent_alone", message.text):
        return context.outcome("consents", "consent.unclear")
    found = numbered(_COMMANDS, message.text)
    if found is None:
        return await _guardian(context, message)
    command, item = found
    if not 1 <= item <= len(consents.KINDS):
        return context.outcome("consents", "consent.unclear")
    if command == "consent_give":
        return await _give(context, item)
    return await _decline(context, item)


async def _overview(context: Context) -> Outcome:
    """Say what the three are; which of them stand to older words is said in the same breath."""
    services = context.services
    async with services.database.read() as session:
        older = await consents.outdated(session, context.sender.id, services.phrases)
    outcome = context.outcome("consents", "consent.overview")
    if not older:
        return outcome
    newer = context.say("consent.newer_words", fields={"items": "/".join(map(str, older))})
    return dataclasses.replace(outcome, replies=(*outcome.replies, newer))


async def _know(context: Context, kind: str) -> _Known:
    contact_id = context.sender.id
    async with context.services.database.read() as session:
        contact = await session.get_one(Contact, contact_id)
        return _Known(
            for_whom=(None, *await own_data.child_ids(session, contact_id)),
            child_itself=CHILD_ITSELF in (contact.who, context.danger.who),
            sure=await consents.may_speak(session, contact_id),
            stood=await consents.stands(session, contact_id, kind),
            openly=await discretion.may_name_case(session, contact_id),
        )


async def _guardian(context: Context, message: StoredMessage) -> Outcome | None:
    """Take the answer to the question whether somebody is a guardian."""
    pending = context.sender.pending
    if pending.get("kind") != ASKED or context.sender.pending_expired:
        return None
    if answers("guardian_no", message.text):
        forget = context.remember(None, timedelta())
        return context.outcome("consents", "consent.not_guardian", forget)
    item = pending.get("item")
    if not answers("guardian_yes", message.text) or not isinstance(item, int):
        return None
    known = await _know(context, consents.KINDS[item - 1])
    return _given(context, item, known)


async def _give(context: Context, item: int) -> Outcome:
    known = await _know(context, consents.KINDS[item - 1])
    if known.child_itself:
        return context.outcome("consents", "consent.not_guardian")
    if not known.sure:
        ask = context.remember({"kind": ASKED, "item": item}, ASKED_VALID)
        return context.outcome("consents", "consent.under_fourteen", ask)
    return _given(context, item, known)


def _given(context: Context, item: int, known: _Known) -> Outcome:
    kind = consents.KINDS[item - 1]
    version = consents.version_of(context.services.phrases, kind)

    async def write(session: AsyncSession) -> None:
        # A guardian's word holds for the child too, which under 14 can't give it itself.
        for child_id in known.for_whom:
            await consents.give(
                session,
                context.sender.id,
                (kind,),
                now=context.now,
                child_id=child_id,
                version=version,
            )

    # The optional emergency contact is asked for once somebody lets us keep what they write.
    if item == 1:
        following = context.remember(dict(EMERGENCY_ASKED), EMERGENCY_VALID)
    else:
        following = context.remember(None, timedelta())
    outcome = context.outcome("consents", "consent.given", write, following, item=item)
    return _and(context, outcome, "emergency.ask") if item == 1 else outcome


async def _decline(context: Context, item: int) -> Outcome:
    """Take a consent back, or record that it is refused, and say what that changes."""
    kind = consents.KINDS[item - 1]
    known = await _know(context, kind)
    version = consents.version_of(context.services.phrases, kind)

    async def write(session: AsyncSession) -> None:
        await consents.decline(
            session,
            context.sender.id,
            kind,
            now=context.now,
            for_whom=known.for_whom,
            version=version,
        )

    said = "consent.withdrawn" if known.stood else "consent.refused"
    outcome = context.outcome("consents", said, write, item=item)
    if known.stood and item == 1:
        outcome = _and(context, outcome, "consent.words_erased")
    return _and(context, outcome, "consent.case_goes_on") if known.openly else outcome


def _and(context: Context, outcome: Outcome, key: str) -> Outcome:
    return dataclasses.replace(outcome, replies=(*outcome.replies, context.say(key)))
