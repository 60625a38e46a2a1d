"""The command `foyer`. What an operator must do is said in plain words on one screen, without a traceback."""

import argparse
import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg.errors import UndefinedTable
from pydantic import ValidationError
from sqlalchemy.exc import ProgrammingError

from foundation.errors import OperatorError
from foundation.postgres import NotRunning
from foundation.settings import Settings
from foyer import content_cli, nlu_cli, supervisor
from foyer.supervisor import OPERATOR_NEEDED

if TYPE_CHECKING:
    from foyer.wiring import House

Command = Callable[[Settings, argparse.Namespace], None]
PR_SET_PDEATHSIG = 1
TRY_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h: the supervisor starts the child again."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, 78 when the operator is needed, 75 while the database is away."""
    chosen = _parser().parse_args(arguments)
    _die_with_supervisor()
    _log_to_stderr()
    try:
        chosen.command(_settings(), chosen)
    except NotRunning as error:
        say(str(error))
        return TRY_AGAIN
    except OperatorError as error:
        return _needs_operator(str(error))
    except ProgrammingError as error:
        if not isinstance(error.orig, UndefinedTable):
            raise
        return _needs_operator("The database has no tables of this Foyer yet. Run: foyer db migrate")
    except KeyboardInterrupt:
        return 0
    return 0


def _needs_operator(text: str) -> int:
    print(f"foyer: {text}", file=sys.stderr, flush=True)
    return OPERATOR_NEEDED


def say(text: str) -> None:
    print(f"foyer: {text}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="foyer", description="The front door of a citizens' office.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(words: str, command: Command, text: str, under: object = commands) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = under.add_parser(words, help=text, description=text)  # type: ignore[attr-defined]  # argparse keeps the type private
        made.set_defaults(command=command)
        return made

    add("run", run, "Run everything on this machine: database, pages and worker.")
    add("serve", serve, "Serve the pages; any number of these may run.")
    add("worker", worker, "Answer, deliver and run jobs; any number of these may run.")
    add("seed", seed, "Bring the database in line with the city's content.")
    add("turn-config", turn_config, "Print a configuration for coturn, the relay of calls.")
    add("version", version, "Print the version.")

    bot = commands.add_parser("bot", help="Channels with a process of their own.").add_subparsers(
        required=True, metavar="CHANNEL"
    )
    add("telegram", bot_telegram, "Ask Telegram for what people write; one runs, others wait.", bot)
    add("matrix", bot_matrix, "Hear and speak for the office's Matrix account; one runs, others wait.", bot)

    db = commands.add_parser("db", help="The database.").add_subparsers(required=True, metavar="COMMAND")
    add("migrate", db_migrate, "Bring the database to this version's schema.", db)

    staff = commands.add_parser("staff", help="Accounts of the staff.").add_subparsers(
        required=True, metavar="COMMAND"
    )
    new = add("add", add_staff, "Make an account; its first password is shown once.", staff)
    new.add_argument("login")
    new.add_argument("--name", required=True, help="the name that people are told")
    new.add_argument("--role", action="append", help="clerk (without it), content or admin; may be repeated")
    add("list", list_staff, "Show the accounts: login, name, roles.", staff)
    reset = add("reset-password", reset_password, "Give an account a new first password.", staff)
    reset.add_argument("login")

    nlu_cli.add(commands, say)
    content_cli.add(commands, say)

    save = add("backup", backup, "Write a dump, and the keys that open it, into a directory.")
    save.add_argument("directory", type=Path)
    restore_ = add("restore", restore, "Bring a dump back, with the latest keys.")
    restore_.add_argument("file", type=Path)
    restore_.add_argument("--keyring", type=Path, required=True, help="the latest keyring.sealed")
    restore_.add_argument("--replace", action="store_true", help="throw away what the database holds now")
    return parser


def run(settings: Settings, _: argparse.Namespace) -> None:
    supervisor.run(settings, say)


def serve(settings: Settings, _: argparse.Namespace) -> None:
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    import uvicorn

    from foyer.app import create_app
    from foyer.wiring import opened

    async with opened(settings, supervisor.database_url(settings)) as house:
        server = uvicorn.Server(
            uvicorn.Config(
                await create_app(house),
                # The address of a page may hold somebody's token: it is written to no log.
                access_log=False,
                log_config=None,
                server_header=False,
                ws_per_message_deflate=False,
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=settings.trusted_proxies,
                ssl_certfile=settings.tls_certificate,
                ssl_keyfile=settings.tls_key,
                timeout_graceful_shutdown=5,
            )
        )
        await server.serve(sockets=[supervisor.bind(settings)])


def worker(settings: Settings, _: argparse.Namespace) -> None:
    asyncio.run(_work(settings))


async def _work(settings: Settings) -> None:
    from foyer.worker import work

    await _until_signalled(settings, work)


def bot_telegram(settings: Settings, _: argparse.Namespace) -> None:
    asyncio.run(_telegram(settings))


async def _telegram(settings: Settings) -> None:
    from foyer.bots import telegram

    await _until_signalled(settings, telegram)


def bot_matrix(settings: Settings, _: argparse.Namespace) -> None:
    asyncio.run(_matrix(settings))


async def _matrix(settings: Settings) -> None:
    from foyer.bots import matrix

    await _until_signalled(settings, matrix)


async def _until_signalled(settings: Settings, work: Callable[["House"], Awaitable[None]]) -> None:
    from foyer.wiring import opened

    async with opened(settings, supervisor.database_url(settings)) as house:
        task = asyncio.ensure_future(work(house))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task


def db_migrate(settings: Settings, _: argparse.Namespace) -> None:
    from foyer.migrations import heads, migrate

    with supervisor.database(settings, say) as url:
        migrate(url)
    say(f"the database has schema {heads()[0]}")


def seed(settings: Settings, _: argparse.Namespace) -> None:
    with supervisor.database(settings, say) as url:
        asyncio.run(_seed(settings, url))


async def _seed(settings: Settings, url: str) -> None:
    from foyer.wiring import opened

    async with opened(settings, url) as house:
        await supervisor.seed(house, say)


def add_staff(settings: Settings, chosen: argparse.Namespace) -> None:
    """Errors: OperatorError when the login is taken, login or name is empty, or a role is unknown."""
    roles = list(dict.fromkeys(chosen.role or ["clerk"]))
    _check_account(chosen.login, chosen.name, roles)
    with supervisor.database(settings, say) as url:
        login, password = asyncio.run(_add_staff(settings, url, chosen.login, chosen.name.strip(), roles))
    say(f"login {login}   password {password}   (shown only now, to be changed at the first sign-in)")


def _check_account(login: str, name: str, roles: Sequence[str]) -> None:
    from people.service import ROLES

    if not login.strip() or not name.strip():
        raise OperatorError('Login and name must not be empty. Run: foyer staff add LOGIN --name "Name"')
    for role in roles:
        if role not in ROLES:
            raise OperatorError(f"There is no role {role!r}. Give --role one of: {', '.join(ROLES)}")


async def _add_staff(
    settings: Settings, url: str, login: str, name: str, roles: list[str]
) -> tuple[str, str]:
    from foyer.wiring import opened
    from people.models import Office
    from people.service import LoginTaken

    async with opened(settings, url) as house, house.database.city(await house.city_id()) as session:
        office = await session.get_one(Office, await house.office_id())
        languages = list(house.content.city.languages)
        try:
            staff, password = await house.people.create_staff(
                session, office, login=login, name=name, roles=roles, languages=languages
            )
        except LoginTaken:
            raise OperatorError(
                f"There is an account with the login {login!r} already. Choose another login, "
                f"or give that one a new password: foyer staff reset-password {login}"
            ) from None
        return staff.login, password


def list_staff(settings: Settings, _: argparse.Namespace) -> None:
    with supervisor.database(settings, say) as url:
        for line in asyncio.run(_list_staff(settings, url)):
            print(line)


async def _list_staff(settings: Settings, url: str) -> list[str]:
    from foyer.wiring import opened

    async with opened(settings, url) as house, house.database.city(await house.city_id()) as session:
        return [
            f"{one.login}   {one.name}   {', '.join(one.roles)}"
            for one in await house.people.everyone(session)
        ]


def reset_password(settings: Settings, chosen: argparse.Namespace) -> None:
    with supervisor.database(settings, say) as url:
        password = asyncio.run(_reset_password(settings, url, chosen.login))
    say(f"login {chosen.login}   password {password}   (to be changed at the next sign-in)")


async def _reset_password(settings: Settings, url: str, login: str) -> str:
    from foundation.errors import NotFound
    from foyer.wiring import opened

    async with opened(settings, url) as house, house.database.city(await house.city_id()) as session:
        try:
            return await house.people.reset_password(session, login)
        except NotFound:
            raise OperatorError(
                f"There is no account with the login {login!r}. See all of them: foyer staff list"
            ) from None


def backup(settings: Settings, chosen: argparse.Namespace) -> None:
    from foyer import backup as keeper

    with supervisor.database(settings, say) as url:
        made = keeper.backup(url, chosen.directory, keeper.tools(settings))
    say(f"wrote {made.dump} and {made.keyring}")


def restore(settings: Settings, chosen: argparse.Namespace) -> None:
    from foyer import backup as keeper

    with supervisor.only_one(settings.data_dir), supervisor.database(settings, say) as url:
        keeper.restore(
            url, chosen.file, chosen.keyring, keeper.tools(settings), settings, replace=chosen.replace
        )
    say(f"{chosen.file} is restored; start Foyer with: foyer run")


def turn_config(settings: Settings, _: argparse.Namespace) -> None:
    from web_call.ice import coturn_configuration

    secret = settings.turn_secret.get_secret_value() if settings.turn_secret else ""
    urls = [url.strip() for url in settings.turn_urls.split(",") if url.strip()]
    print(coturn_configuration(urls, secret, settings.public_url), end="")


def version(_settings: Settings, _: argparse.Namespace) -> None:
    print(metadata.version("foyer"))


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        lines = [f"  {_name(problem['loc'])}{problem['msg']}" for problem in error.errors()]
        raise OperatorError("the settings cannot be used:\n" + "\n".join(lines)) from None


def _name(place: Sequence[int | str]) -> str:
    if not place:
        return ""
    name = str(place[0])
    return f"{name if name.isupper() else f'FOYER_{name.upper()}'}: "


def _die_with_supervisor() -> None:
    """A child of `foyer run` ends with it, even when that was killed."""
    parent = os.environ.pop(supervisor.PARENT, None)
    if parent is not None:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(parent):
            sys.exit(0)


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name in ("httpx", "pikepdf", "aioice", "alembic", "procrastinate", "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main())
