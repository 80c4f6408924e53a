"""What a school asks in its forms, through `/desk/forms`."""

import re
from html import unescape

import httpx2
import pytest
from desk_world import Browser, World
from files_world import audit_of, begin, post, rows

from bot.db.models import CaseForm, FormDefinition
from bot.services import form_definitions
from bot.services.form_fields import MOST_FIELDS


def _sent(page: str) -> dict[str, str]:
    """Return what the browser would send of the form on a page."""
    form = page[page.index('id="rows"') : page.index('<div class="actions form-actions">')]
    found: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        box = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if box.get("type") != "checkbox" or " checked" in tag:
            found[box["name"]] = unescape(box.get("value", ""))
    for name, options in re.findall(r'<select[^>]*name="(\w+)"[^>]*>(.*?)</select>', form, re.S):
        picked = re.search(r'value="(\w*)" selected', options)
        found[name] = picked.group(1) if picked else ""
    for name, text in re.findall(r'<textarea[^>]*name="(\w+)"[^>]*>(.*?)</textarea>', form, re.S):
        found[name] = unescape(text)
    return found


async def _path(world: World, kind: str = "contact", place: str = "school_a") -> str:
    return f"/desk/forms/{world.places[place].id}/{kind}"


async def _do(
    browser: Browser, world: World, path: str, sent: dict[str, str], do: str, login: str = "lead"
) -> httpx2.Response:
    return await post(
        browser, world, path, login=login, **sent | {"do": do, "csrf": world.csrf[login]}
    )


async def test_a_school_adds_a_question_and_gives_the_form_back(
    browser: Browser, world: World
) -> None:
    path = await _path(world)
    sent = _sent((await browser("lead").get(path)).text)
    last = int(sent["count"])
    added = await _do(browser, world, path, sent, "add")
    sent = _sent(added.text)
    assert int(sent["count"]) == last + 1
    assert await rows(world, FormDefinition) == []
    own = {f"label_{last}": "谁陪着", f"kind_{last}": "choice", f"options_{last}": "妈妈\n奶奶"}
    preview = await _do(browser, world, path, sent | own, "preview")
    assert "预览（还没有存）" in preview.text
    assert "奶奶</span>" in preview.text
    moved = _sent((await _do(browser, world, path, sent | own, f"up:{last}")).text)
    assert moved[f"label_{last - 1}"] == "谁陪着"
    saved = await _do(browser, world, path, moved, "save")
    place_id = world.places["school_a"].id
    assert saved.headers["location"] == f"/desk/forms?place={place_id}&done=form_defined"
    assert "本处第1版" in (await browser("lead").get(saved.headers["location"])).text
    case_id = await world.add_case("one", place="school_a")
    assert (
        "谁陪着"
        in (await browser("counselor").get(await begin(browser, world, case_id, "contact"))).text
    )
    other = await world.add_case("two", place="school_b")
    theirs = await post(
        browser, world, f"/desk/cases/{other}/forms", login="other_counselor", kind="contact"
    )
    page = (await browser("other_counselor").get(theirs.headers["location"])).text
    assert "谁陪着" not in page
    back = await _do(browser, world, path, moved | {"seen": "1"}, "back")
    assert "done=form_given_back" in back.headers["location"]
    assert [len(row.fields) > 0 for row in await rows(world, FormDefinition)] == [True, False]
    # What has been begun keeps the fields it was begun with.
    first = (await rows(world, CaseForm))[0]
    assert "谁陪着" in [field["label"] for field in first.fields]
    async with world.services.database.read() as session:
        found = await form_definitions.in_force(session, place_id, "contact")
    assert (found.version_id, len(found.fields)) == (None, last)
    assert [entry["version"] for entry in await audit_of(world, "form.defined")] == [1]


async def test_the_districts_form_counts_where_a_school_has_none(
    browser: Browser, world: World
) -> None:
    path = await _path(world, place="district")
    sent = _sent((await browser("district").get(path)).text)
    saved = await _do(browser, world, path, sent | {"label_0": "哪一天"}, "save", login="district")
    assert saved.status_code == 303
    async with world.services.database.read() as session:
        for place in ("district", "school_a", "class_b"):
            found = await form_definitions.in_force(session, world.places[place].id, "contact")
            assert found.fields[0].label == "哪一天"
        assert (await form_definitions.in_force(session, None, "contact")).version_id is None


async def test_a_field_that_rules_lean_on_stays(browser: Browser, world: World) -> None:
    path = await _path(world, "cssrs")
    sent = _sent((await browser("lead").get(path)).text)
    at = next(name.removeprefix("key_") for name, key in sent.items() if key == "q2")
    kept = _sent((await _do(browser, world, path, sent, f"remove:{at}")).text)
    assert kept["count"] == sent["count"]
    # What a page sends by hand changes neither kind nor duty of it, and dropping it is refused.
    loose = {name: value for name, value in sent.items() if name != f"required_{at}"}
    renamed = loose | {f"kind_{at}": "text", f"label_{at}": "2. 换个说法"}
    assert (await _do(browser, world, path, renamed, "save")).status_code == 303
    async with world.services.database.read() as session:
        found = await form_definitions.in_force(session, world.places["school_a"].id, "cssrs")
    asked = next(field for field in found.fields if field.key == "q2")
    assert (asked.label, asked.kind, asked.required) == ("2. 换个说法", "yes_no_unknown", True)
    lost = sent | {f"key_{at}": "own_9", "seen": "1"}
    refused = await _do(browser, world, path, lost, "save")
    assert (refused.status_code, "安全规则要用的" in refused.text) == (422, True)


async def test_what_is_wrong_is_named_and_nothing_is_lost(browser: Browser, world: World) -> None:
    path = await _path(world)
    sent = _sent((await browser("lead").get(path)).text)
    wrong = sent | {"label_1": "", "label_3": "改过的名字"}
    refused = await _do(browser, world, path, wrong, "save")
    assert refused.status_code == 422
    assert "第2项" in refused.text
    assert "改过的名字" in refused.text
    many = sent
    for _ in range(MOST_FIELDS):
        many = _sent((await _do(browser, world, path, many, "add")).text)
    assert many["count"] == str(MOST_FIELDS)


async def test_of_two_who_change_one_form_the_second_is_told(
    browser: Browser, world: World
) -> None:
    path = await _path(world)
    sent = _sent((await browser("lead").get(path)).text)
    assert (await _do(browser, world, path, sent, "save")).status_code == 303
    late = await _do(browser, world, path, sent | {"label_0": "后来的"}, "save", login="district")
    assert late.status_code == 409
    assert "别人刚才存了新版本" in late.text
    assert "后来的" in late.text


@pytest.mark.parametrize(("login", "status"), [("other_lead", 404), ("counselor", 403)])
async def test_a_school_defines_its_own_forms_only(
    browser: Browser, world: World, login: str, status: int
) -> None:
    path = await _path(world)
    assert (await browser(login).get(path)).status_code == status
    answer = await _do(browser, world, path, {"count": "0"}, "back", login=login)
    assert answer.status_code == status
    assert (await browser("lead").get(await _path(world, "nonsense"))).status_code == 404
    assert await rows(world, FormDefinition) == []
