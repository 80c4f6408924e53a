"""Contacts of guardians who are known by their id in DingTalk's directory of families.

An import makes the contact before anybody has written, so that notices reach them (`reach`);
whoever writes without having one is recognised by their first words (`recognise`). Called by
`bot.services.importing` and by the inbox. The id is the platform's own proof; who was taken away
from a guardian by hand isn't given back by it.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, Select, delete, exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.messages import IncomingMessage
from bot.db.models import Binding, Child, Contact, Guardian, Guardianship, Place
from bot.db.models.person import BOUND, REFUSED, WITHDRAWN
from bot.services import bindings, contacts, people

CHANNEL, WAY = "dingtalk", "directory"
UNDONE = "import_undone"


async def reach(
    session: AsyncSession, guardian: Guardian, *, account: str, now: datetime
) -> Contact | None:
    """Make a guardian's contact on a robot, or take the one that is there, and bind it.

    Returns:
        The contact that has become theirs now; None where nothing was bound: they have one, it is
        somebody else's or was taken away from them, or they may be told of no child.
    """
    if guardian.external_id is None:
        return None
    contact = await contacts.find(session, CHANNEL, account, guardian.external_id)
    if contact is not None and contact.guardian_id is not None:
        return None
    children = await people.children_of_guardian(session, guardian.id)
    theirs = select(Contact.id).where(
        Contact.guardian_id == guardian.id, Contact.channel == CHANNEL, Contact.account == account
    )
    if not children or await session.scalar(theirs.limit(1)) is not None:
        return None
    if contact is not None and await session.scalar(select(_taken_away(contact, guardian.id))):
        return None
    if contact is None:
        contact = Contact(
            channel=CHANNEL,
            account=account,
            external_id=guardian.external_id,
            place_id=children[0].place_id,
            created_at=now,
            window_used=0,
            window_limit=contacts.UNCOUNTED,
        )
        session.add(contact)
        await session.flush()
    await bindings.bind(session, contact, guardian, way=WAY, now=now)
    return contact


def _taken_away(contact: Contact, guardian_id: int | ColumnElement[int]) -> ColumnElement[bool]:
    """Match a contact that was this guardian's, or wanted to be, and is not to be."""
    return exists().where(
        Binding.contact_id == contact.id,
        Binding.guardian_id == guardian_id,
        Binding.state.in_((WITHDRAWN, REFUSED)),
    )


def _known(contact: Contact, home: str) -> Select[Guardian]:
    """Return the query for who has a contact's id among the families of its robot's place."""
    query = (
        select(Guardian)
        .join(Guardianship, Guardianship.guardian_id == Guardian.id)
        .join(Child, Child.id == Guardianship.child_id)
        .where(
            Guardian.external_id == contact.external_id,
            ~Guardianship.custody_block,
            ~_taken_away(contact, Guardian.id.expression),
            *people.here(),
        )
    )
    if home:
        path = select(Place.path).where(Place.scene == home).scalar_subquery()
        query = query.join(Place, Place.id == Child.place_id).where(Place.path.startswith(path))
    return query.distinct().limit(2)


def vouches(message: IncomingMessage) -> bool:
    """Say whether a message's sender is a member of a DingTalk organisation beyond doubt."""
    return message.channel == CHANNEL and message.vouched and not message.outside


async def recognise(session: AsyncSession, contact: Contact, *, home: str, now: datetime) -> None:
    """Bind somebody who writes and whose id exactly one guardian has; else change nothing.

    Args:
        contact: of DingTalk, of a member of the robot's organisation, bound to nobody.
        home: the scene of the place that the robot belongs to; empty: to every place.
    """
    found = (await session.scalars(_known(contact, home))).all()
    if len(found) != 1 or await bindings.other_contact(session, contact, found[0].id):
        return
    await bindings.bind(session, contact, found[0], way=WAY, now=now)


async def let_go(session: AsyncSession, contact_ids: Collection[int], *, now: datetime) -> set[int]:
    """Take contacts that a directory bound away again, with the rows that say so.

    Returns:
        The ids of those from which nobody ever wrote: an import made them.
    """
    silent = set[int]()
    query = select(Contact).where(Contact.id.in_(contact_ids)).order_by(Contact.id)
    for contact in (await session.scalars(query)).all():
        if contact.last_incoming_at is None:
            silent.add(contact.id)
        await bindings.leave(session, contact, now=now, reason=UNDONE)
        await session.execute(
            delete(Binding).where(
                Binding.contact_id == contact.id, Binding.way == WAY, Binding.reason == UNDONE
            )
        )
    return silent


async def bound_by_directory(session: AsyncSession, guardian_ids: Collection[int]) -> list[int]:
    """Return the ids of the contacts that are these guardians' by their id in a directory."""
    rows = await session.scalars(
        select(Contact.id)
        .join(Binding, Binding.contact_id == Contact.id)
        .where(Contact.guardian_id.in_(guardian_ids), Binding.way == WAY, Binding.state == BOUND)
    )
    return sorted(set(rows))
