"""Binding: a parent says whose parent they are, and the school's roster says whether it is so.

A conversation of two or three steps that goes on beside everything else: what is no answer to its
question is left to the other handlers, and danger never gets here. What was said so far is kept
encrypted. Without a match the parent is told truthfully that the school has to say. The code of a
slip of paper from the school binds in one step.
"""

from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core import kin, slips
from bot.core.commands import fixed_phrase, is_command, means, smalltalk_phrase, spoken
from bot.core.messages import Outcome
from bot.db.models import Contact
from bot.services import binding_claims, bindings, places, slip_talk
from bot.services.binding_claims import Claim, Found
from bot.services.binding_talk import Talk, joined
from bot.services.handling import Context, Effect, StoredMessage

KIND = "binding"
LONGEST = 60


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Begin, go on with or end a binding, where it is certain who writes."""
    if not spoken(message.kind) or message.group is not None or not message.vouched:
        return None
    words = message.text or message.scene
    if means("bind", words):
        return await _begin(context)
    if means("unbind", words):
        return await _leave(context)
    code = slips.code_in(words)
    if code is not None:
        return await slip_talk.redeem(context, message, code)
    talk = Talk.of(context)
    if talk is None or len(words) > LONGEST:
        return None
    if means("cancel", words):
        return context.outcome(KIND, "binding.cancelled", context.keep_beside(None))
    if not talk.child:
        return await _take_name(context, talk, words)
    if talk.asked:
        return await _take_which(context, talk, words)
    return await _take_rest(context, talk, words)


async def _begin(context: Context) -> Outcome:
    """Say how it stands with an earlier binding, and ask for the child's name."""
    async with context.services.database.read() as session:
        contact = await session.get_one(Contact, context.sender.id)
        left = await binding_claims.tries_left(session, contact.id, context.now)
        stands = await binding_claims.standing(session, contact, context.now)
    if not left:
        return context.outcome(KIND, "binding.too_many", context.keep_beside(None))
    begun = context.outcome(KIND, "binding.ask_name", context.keep_beside(Talk().kept(context)))
    return joined(context.say(f"binding.now_{stands}"), begun) if stands else begun


async def _take_name(context: Context, talk: Talk, words: str) -> Outcome | None:
    name = kin.introduced_name(words)
    if name is None:
        name = kin.bare_name(words)
        if name is None or await _is_question(context, words):
            return None
    further = replace(talk, child=name)
    return context.outcome(KIND, "binding.ask_rest", context.keep_beside(further.kept(context)))


async def _is_question(context: Context, words: str) -> bool:
    """Say whether what looks like a name (高考) is something to be answered after all."""
    if is_command(words) or smalltalk_phrase(words) or fixed_phrase(words):
        return True
    return (await context.services.answers.ask(words)).kind != "abstain"


async def _take_rest(context: Context, talk: Talk, words: str) -> Outcome | None:
    relation, phone = kin.relation_in(words), kin.phone_in(words)
    if phone is None and kin.digits_in(words):
        return context.outcome(KIND, "binding.no_phone")
    if phone is None and (relation is None or len(words) > 12):
        return None
    further = replace(talk, relation=relation or talk.relation, phone=phone or talk.phone)
    if further.relation and further.phone:
        return await _claim(context, further)
    key = "binding.ask_phone" if further.relation else "binding.ask_relation"
    return context.outcome(KIND, key, context.keep_beside(further.kept(context)))


async def _take_which(context: Context, talk: Talk, words: str) -> Outcome | None:
    relation = kin.relation_in(words)
    if relation is None or len(words) > 12:
        return None
    return await _claim(context, replace(talk, relation=relation))


async def _claim(context: Context, talk: Talk) -> Outcome:
    services = context.services
    claim = Claim(talk.child, talk.relation, talk.phone)
    async with services.database.read() as session:
        if not await binding_claims.tries_left(session, context.sender.id, context.now):
            return context.outcome(KIND, "binding.too_many", context.keep_beside(None))
        contact = await session.get_one(Contact, context.sender.id)
        found = await binding_claims.look_up(session, services.ring, contact, claim)
        place = await places.get(session, found.place_id)
    if found.verdict == "which" and talk.asked:
        # Asked once, and still nobody's relation alone.
        found = replace(found, verdict="ask", reason="shared_phone")
    if found.verdict == "which":
        kept = context.keep_beside(replace(talk, asked=True).kept(context))
        return context.outcome(KIND, "binding.which", _settle(context, claim, found), kept)
    return _settled(context, claim, found, place.name if place else "")


def _settle(context: Context, claim: Claim, found: Found) -> Effect:
    async def write(session: AsyncSession) -> None:
        await binding_claims.settle(
            session,
            context.services.ring,
            context.sender.id,
            claim,
            found,
            now=context.now,
            policy=context.services.policy,
        )

    return write


def _settled(context: Context, claim: Claim, found: Found, place: str) -> Outcome:
    if found.verdict == "already":
        return context.outcome(KIND, "binding.already", context.keep_beside(None))
    effects = (_settle(context, claim, found), context.keep_beside(None))
    if found.verdict == "match":
        word = kin.relation_word(claim.relation)
        return context.outcome(KIND, "binding.bound", *effects, place=place, relation=word)
    return context.outcome(KIND, "binding.asked", *effects)


async def _leave(context: Context) -> Outcome:
    async with context.services.database.read() as session:
        contact = await session.get_one(Contact, context.sender.id)
    if contact.guardian_id is None:
        return context.outcome(KIND, "binding.none", context.keep_beside(None))

    async def write(session: AsyncSession) -> None:
        row = await session.get_one(Contact, context.sender.id)
        await bindings.leave(session, row, now=context.now, reason="parent")

    return context.outcome(KIND, "binding.left", write, context.keep_beside(None))
