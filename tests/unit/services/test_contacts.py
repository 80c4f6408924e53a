"""Contacts: met once, bound by a class's code, with the platform's window for sending."""

from datetime import UTC, datetime, timedelta

import pytest
from factories import SCENE, incoming, make_district
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from bot.core.messages import Kind
from bot.db.engine import Database
from bot.db.models import Contact
from bot.services import contacts

NOW = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)
WRITTEN = [Kind.TEXT, Kind.VOICE, Kind.IMAGE, Kind.VIDEO, Kind.FILE, Kind.LOCATION, Kind.LINK]
TOUCHED = [Kind.FOLLOW, Kind.SCAN, Kind.MENU]


def fresh() -> Contact:
    return Contact(following=True, window_used=0, window_limit=0)


@pytest.mark.parametrize("kind", WRITTEN)
def test_words_open_five_messages_for_48_hours(kind: Kind) -> None:
    contact = fresh()
    contacts.open_wechat_window(contact, kind, NOW)
    assert contacts.budget_left(contact, NOW) == 5
    assert contacts.budget_left(contact, NOW + timedelta(hours=48) - timedelta(seconds=1)) == 5
    assert contacts.budget_left(contact, NOW + timedelta(hours=48)) == 0


@pytest.mark.parametrize("kind", TOUCHED)
def test_a_click_opens_three_messages_for_a_minute(kind: Kind) -> None:
    contact = fresh()
    contacts.open_wechat_window(contact, kind, NOW)
    assert contacts.budget_left(contact, NOW + timedelta(seconds=59)) == 3
    assert contacts.budget_left(contact, NOW + timedelta(seconds=60)) == 0


@pytest.mark.parametrize("kind", [Kind.RECEIPT, Kind.UNFOLLOW, Kind.OTHER])
def test_other_events_open_nothing(kind: Kind) -> None:
    contact = fresh()
    contacts.open_wechat_window(contact, kind, NOW)
    assert contacts.budget_left(contact, NOW) == 0


@given(
    st.lists(
        st.tuples(st.sampled_from([*WRITTEN, *TOUCHED, Kind.RECEIPT]), st.integers(0, 4000)),
        max_size=8,
    )
)
def test_a_click_never_shortens_what_words_have_opened(acts: list[tuple[Kind, int]]) -> None:
    contact, now = fresh(), NOW
    words_until = NOW
    for kind, minutes in acts:
        now += timedelta(minutes=minutes)
        contacts.open_wechat_window(contact, kind, now)
        if kind in WRITTEN:
            words_until = now + timedelta(hours=48)
        left = contacts.budget_left(contact, now)
        assert left is not None
        assert 0 <= left <= 5
        if now + timedelta(minutes=1) < words_until:
            assert contact.window_until == words_until


def test_nobody_is_sent_to_who_has_left_or_used_it_up() -> None:
    contact = fresh()
    contacts.open_wechat_window(contact, Kind.TEXT, NOW)
    contact.window_used = 4
    assert contacts.budget_left(contact, NOW) == 1
    contact.window_used = 7
    assert contacts.budget_left(contact, NOW) == 0
    contact.window_used, contact.following = 0, False
    assert contacts.budget_left(contact, NOW) == 0


async def test_a_person_is_met_once_per_account(database: Database) -> None:
    async with database.write() as session:
        first = await contacts.meet(session, incoming("一", at=NOW), NOW)
        await session.flush()
        again = await contacts.meet(session, incoming("二", at=NOW), NOW + timedelta(hours=1))
        assert again.id == first.id
        assert again.last_incoming_at == NOW + timedelta(hours=1)
        await contacts.meet(session, incoming("三", at=NOW, sender="oOther"), NOW)
        assert await session.scalar(select(func.count(Contact.id))) == 2


async def test_a_new_contact_belongs_where_the_account_does(database: Database) -> None:
    async with database.write() as session:
        place = await make_district(session, now=NOW)
        contact = await contacts.meet(session, incoming("一", at=NOW), NOW, home=SCENE)
        assert contact.place_id == place.class_.id
        contact.place_id = place.school.id
        await contacts.meet(session, incoming("二", at=NOW), NOW, home=SCENE)
        assert contact.place_id == place.school.id, "what is known of a person stays"
        other = await contacts.meet(session, incoming(at=NOW, sender="o2"), NOW, home="nowhere")
        assert other.place_id is None


async def test_a_code_says_where_somebody_came_from(database: Database) -> None:
    async with database.write() as session:
        place = await make_district(session, now=NOW)
        contact = await contacts.meet(session, incoming(at=NOW, kind=Kind.FOLLOW, scene=SCENE), NOW)
        assert contact.place_id == place.class_.id
        await contacts.meet(session, incoming(at=NOW, kind=Kind.SCAN, scene="other"), NOW)
        assert contact.place_id == place.class_.id
        await contacts.meet(session, incoming(at=NOW, kind=Kind.UNFOLLOW), NOW)
        assert not contact.following
        await contacts.meet(session, incoming(at=NOW, kind=Kind.RECEIPT), NOW)
        assert not contact.following, "a report of the platform is not the person"
        await contacts.meet(session, incoming("回来了", at=NOW), NOW)
        assert contact.following
