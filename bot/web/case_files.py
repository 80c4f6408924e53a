"""What is done to the file of a case from its page: people told, attachments."""

import asyncio
from urllib.parse import quote

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from bot.core.errors import InputInvalid
from bot.db.models import Case
from bot.services import attachments, case_rights, file_types, told
from bot.services.file_types import Checked
from bot.services.told import Telling
from bot.web.case_acts import act
from bot.web.guard import Call


async def tell(call: Call) -> Response:
    """Write down who was told."""
    return await act(call, "told", _tell, panel="told")


async def _tell(session: AsyncSession, call: Call, case: Case) -> None:
    sent = call.form
    # One box chooses a guardian by name or anybody else by what they are.
    who, _, guardian = sent.get("who", "").partition(":")
    telling = Telling(
        who=who,
        way=sent.get("way", ""),
        words=sent.get("words", ""),
        reached=sent.get("reached") == "yes",
        name=sent.get("name", ""),
        guardian_id=int(guardian) if guardian.isdecimal() and len(guardian) < 19 else None,
        answer=sent.get("answer", ""),
        at=sent.get("at", ""),
    )
    await told.add(session, call.staff, case, telling, now=call.services.clock.now())


async def attach(call: Call) -> Response:
    """Keep a file, if it is what it says and nothing worse."""
    checked = await _checked(call)

    async def keep(session: AsyncSession, call: Call, case: Case) -> None:
        if isinstance(checked, InputInvalid):
            raise checked
        await attachments.add(session, call.staff, case, checked, now=call.services.clock.now())

    return await act(call, "attach", keep, panel="attachments")


async def _checked(call: Call) -> Checked | InputInvalid:
    """Look into the file before the transaction; what is wrong with it is said within."""
    case_id: int = call.request.path_params["case_id"]
    async with call.services.database.read() as session:
        await case_rights.visible(session, call.staff, case_id)
    sent = call.files.get("file")
    if sent is None:
        return InputInvalid("file_none", field="file")
    try:
        return await asyncio.to_thread(file_types.check, sent.name, sent.content)
    except InputInvalid as error:
        return error


async def attachment(call: Call) -> Response:
    """Hand a file out: to be kept by the browser, never to be opened inside the page."""
    path = call.request.path_params
    async with call.services.database.write() as session:
        now = call.services.clock.now()
        row, content = await attachments.read(
            session, call.staff, path["case_id"], path["attachment_id"], now=now
        )
    ending = row.name.rsplit(".", 1)[-1]
    named = f"attachment; filename=\"file.{ending}\"; filename*=UTF-8''{quote(row.name)}"
    return Response(
        content,
        media_type=row.media_type,
        headers={
            "Content-Disposition": named,
            "Content-Security-Policy": "default-src 'none'; sandbox",
        },
    )


async def remove(call: Call) -> Response:
    """Empty one's own file for good."""

    async def drop(session: AsyncSession, call: Call, case: Case) -> None:
        attachment_id: int = call.request.path_params["attachment_id"]
        now = call.services.clock.now()
        await attachments.remove(session, call.staff, case, attachment_id, now=now)

    return await act(call, "attach_remove", drop, panel="attachments")
