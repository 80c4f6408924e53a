"""Consent: three separate ones, each asked for, given, refused and withdrawn on its own."""

import dataclasses

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.commands import means, numbered, spoken
from bot.core.levels import ESCALATED
from bot.core.messages import Outcome
from bot.services import consents, own_data
from bot.services.handling import Context, StoredMessage
from bot.services.remembered import EMERGENCY_ASKED, EMERGENCY_VALID


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Answer what is said about consent."""
    if not spoken(message.kind):
        return None
    if means("who_reads", message.text):
        return context.outcome("consents", "privacy.who_reads")
    if means("consent", message.text):
        return context.outcome("consents", "consent.overview")
    if means("consent_alone", message.text):
        return context.outcome("consents", "consent.unclear")
    found = numbered(("consent_give", "consent_refuse", "consent_withdraw"), message.text)
    if found is None:
        return None
    command, item = found
    if not 1 <= item <= len(consents.KINDS):
        return context.outcome("consents", "consent.unclear")
    kind = consents.KINDS[item - 1]
    version = context.services.phrases.get("consent.overview").version

    async def write(session: AsyncSession) -> None:
        contact, now = context.sender.id, context.now
        if command != "consent_give":
            await consents.take_back(session, contact, kind, now=now, everybody=True)
            return
        # A guardian's word holds for the child too, which under 14 can't give it itself.
        for child_id in (None, *await own_data.child_ids(session, contact)):
            await consents.give(
                session, contact, (kind,), now=now, child_id=child_id, version=version
            )

    key = {
        "consent_give": "consent.given",
        "consent_refuse": "consent.refused",
        "consent_withdraw": "consent.withdrawn",
    }[command]
    outcome = context.outcome("consents", key, write, item=item)
    if command == "consent_give":
        return _and_ask(context, outcome) if item == 1 else outcome
    return _and_say(context, outcome, erased=command == "consent_withdraw" and item == 1)


def _and_say(context: Context, outcome: Outcome, *, erased: bool) -> Outcome:
    """Say what a withdrawal changes, and what goes on in spite of it while a case is open."""
    keys = ["consent.words_erased"] if erased else []
    if context.danger.case_level in ESCALATED:
        keys.append("consent.case_goes_on")
    said = tuple(context.say(key) for key in keys)
    return dataclasses.replace(outcome, replies=(*outcome.replies, *said))


def _and_ask(context: Context, outcome: Outcome) -> Outcome:
    """Ask for the optional emergency contact once somebody lets us keep what they write."""
    return dataclasses.replace(
        outcome,
        replies=(*outcome.replies, context.say("emergency.ask")),
        effects=(*outcome.effects, context.remember(dict(EMERGENCY_ASKED), EMERGENCY_VALID)),
    )
