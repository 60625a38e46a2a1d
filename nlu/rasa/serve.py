"""Rasa's server for the house: `python serve.py MODEL [PORT]`, the token in FOYER_NLU_TOKEN.

It listens on loopback only and says `{"port": …}` once it can answer. Beside Rasa's own routes
(`/model/parse?token=…`) it has three that take the token as `Authorization: Bearer` and many texts at once:

POST /foyer/parse    {"texts": [{"text": …, "language"?: …}]} → {"answers": [what /model/parse answers, …]}
POST /foyer/vectors  the same → {"vectors": [base64 of 384 half floats, …]}; for texts of content, remembered
PUT  /foyer/model    {"path": …} → the model is replaced, without a pause for those who ask
"""

import asyncio
import os
import secrets
import socket
import sys
from functools import partial, wraps
from pathlib import Path
from typing import Any, Awaitable, Callable, Dict, List

import child

LOOPBACK = "127.0.0.1"
MOST = 256
Handler = Callable[..., Awaitable[Any]]


def main(model: str, port: str = "0") -> None:
    child.begin(_expect)
    token = os.environ.pop("FOYER_NLU_TOKEN")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((LOOPBACK, int(port)))
    # Before TensorFlow: it looks up hundreds of names in every module that there is, three seconds among thousands.
    import skops.io  # noqa: F401  # reading it is all that is wanted

    from rasa.core.run import configure_app, load_agent_on_start  # takes a few seconds

    app = configure_app(None, auth_token=token, enable_api=True, port=listener.getsockname()[1])
    app.config.FALLBACK_ERROR_FORMAT = "json"
    app.register_listener(partial(load_agent_on_start, model, None, None), "before_server_start")
    app.register_listener(partial(_ready, listener.getsockname()[1]), "after_server_start")
    _add_routes(app, token)
    app.run(sock=listener, workers=1, access_log=False, motd=False)


def _expect(told: Dict[str, Any]) -> None:
    """`{"soon": [text, …]}` on standard input: these are encoded while TensorFlow is still being imported."""
    from components.vectors import encoder

    encoder().expect(told["soon"])


async def _ready(port: int, app: Any, loop: Any) -> None:
    if app.ctx.agent is None or not app.ctx.agent.is_ready():
        child.tell(error="Rasa could not load the model.")
        os._exit(1)
    child.tell(port=port)


def _add_routes(app: Any, token: str) -> None:
    from sanic import response

    def guarded(handler: Handler) -> Handler:
        @wraps(handler)
        async def wrapper(request: Any) -> Any:
            given = request.headers.get("authorization", "")
            if not secrets.compare_digest(given.encode(), f"Bearer {token}".encode()):
                return response.json({"error": "unauthorised"}, status=401)
            return await handler(request)

        return wrapper

    @app.post("/foyer/parse")
    @guarded
    async def parse(request: Any) -> Any:
        texts = _texts(request)
        try:
            return response.json({"answers": answers(app.ctx.agent, texts)})
        except Exception:  # one message that breaks a component must not take the others along
            return response.json({"answers": [_alone(app.ctx.agent, one) for one in texts]})

    @app.post("/foyer/vectors")
    @guarded
    async def vectors(request: Any) -> Any:
        return response.json({"vectors": content_vectors(app.ctx.agent, _texts(request))})

    @app.put("/foyer/model")
    @guarded
    async def model(request: Any) -> Any:
        from rasa.core.agent import load_agent

        fresh = await load_agent(model_path=request.json["path"], loop=asyncio.get_running_loop())
        if not fresh.is_ready():
            return response.json({"error": "no model"}, status=422)
        app.ctx.agent = fresh
        return response.json({"model": fresh.processor.model_filename})


def _texts(request: Any) -> List[Dict[str, Any]]:
    from sanic.exceptions import InvalidUsage

    texts = (request.json or {}).get("texts")
    if not isinstance(texts, list) or len(texts) > MOST:
        raise InvalidUsage(f"texts: a list of at most {MOST} objects")
    return texts


def answers(agent: Any, texts: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """What Rasa's graph makes of several messages in one run, in their order."""
    from rasa.core.channels.channel import UserMessage
    from rasa.shared.core.trackers import DialogueStateTracker

    messages = [
        UserMessage(one["text"] or " ", metadata={"example": {"language": one.get("language")}}) for one in texts
    ]
    if not messages:
        return []
    target = agent.processor.model_metadata.nlu_target
    parsed = agent.processor.graph_runner.run(
        inputs={"__message__": messages, "__tracker__": DialogueStateTracker.from_events("nlu", [])},
        targets=[target],
    )[target]
    return [one.as_dict(only_output_properties=True) for one in parsed]


def _alone(agent: Any, text: Dict[str, Any]) -> Dict[str, Any]:
    try:
        return answers(agent, [text])[0]
    except Exception as error:
        return {"error": type(error).__name__}


def content_vectors(agent: Any, texts: List[Dict[str, Any]]) -> List[str]:
    """Centred vectors of texts whose language is known, through the store of remembered vectors."""
    from components.encoder import SentenceEncoder, packed
    from components.vectors import remembered

    part = next(one for one in _parts(agent) if isinstance(one, SentenceEncoder))
    raw = remembered([one["text"] for one in texts])
    return [packed(one) for one in part.means.centred(raw, [one.get("language") for one in texts])]


def _parts(agent: Any) -> List[Any]:
    runner = agent.processor.graph_runner
    return [node._component for node in runner._instantiated_nodes.values()]


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    main(*sys.argv[1:])
