"""What a bare bot costs: wechatpy and FastAPI decrypt, parse and answer the same words, encrypted.

Nothing is stored, screened or looked up. `xinqing bench callbacks` runs it beside the service, as
`python -m bot.bench.echo <port>` with the account in the environment.
"""

import os
import sys

import uvicorn
from fastapi import FastAPI, Request, Response
from wechatpy import parse_message
from wechatpy.crypto import WeChatCrypto
from wechatpy.replies import create_reply


def make_echo(token: str, encoding_aes_key: str, app_id: str) -> FastAPI:
    """Return the application for one account in safe mode."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    crypto = WeChatCrypto(token, encoding_aes_key, app_id)

    @app.get("/ready")
    async def ready() -> dict[str, bool]:
        return {"ready": True}

    @app.post("/callbacks/wechat/{account}")
    async def echo(
        account: str, request: Request, msg_signature: str, timestamp: str, nonce: str
    ) -> Response:
        opened = crypto.decrypt_message(await request.body(), msg_signature, timestamp, nonce)
        message = parse_message(opened)
        reply = create_reply(message.content, message).render()
        sealed = crypto.encrypt_message(reply, nonce, timestamp)
        return Response(sealed, media_type="application/xml")

    return app


def main() -> None:
    """Serve on loopback."""
    app = make_echo(*(os.environ[f"ECHO_{name}"] for name in ("TOKEN", "AES_KEY", "APP_ID")))
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
