"""Rasa's own processes: where they live, how a model is trained, how the server is started and ended.

Rasa has its own virtualenv in nlu/rasa and is never imported. Its processes end with the one that started them.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from foundation.content_models import CityContent
from foundation.errors import OperatorError
from foundation.settings import ROOT
from nlu.rasa_client import Endpoint
from nlu.training import Models, TrainingData

Say = Callable[[str], None]

LONGEST_START = 180.0
"""Seconds; importing TensorFlow alone takes ten on a quick machine."""
_LINE = 1 << 20
_TRAINING = "training-"
_SECRETS = ("FOYER_MASTER_KEY", "DATABASE_URL", "FOYER_SMTP_URL")


@dataclass(frozen=True)
class Rasa:
    """The Rasa project beside the house. `work` is a folder of the data directory that is its own."""

    work: Path
    project: Path = ROOT / "nlu" / "rasa"

    @property
    def models(self) -> Models:
        return Models(self.work / "models")

    @property
    def python(self) -> Path:
        return self.project / ".venv" / "bin" / "python"

    def collect(self, content: CityContent, content_dir: Path, config: str = "config.yml") -> TrainingData:
        """What a model of this city is made of now. Errors: OperatorError."""
        pipeline = (self.project / config).read_text(encoding="utf-8")
        own = sorted((self.project / "components").glob("*.py")) if "components." in pipeline else []
        code = hashlib.sha256(b"".join(path.read_bytes() for path in own)).hexdigest()
        return TrainingData.collect(content, content_dir, pipeline, code)

    def check(self) -> None:
        """Errors: OperatorError that says how to get what is missing."""
        if not (self.project / ".venv" / "stamp").is_file() or not self.python.exists():
            raise OperatorError(
                "Rasa is not set up, so messages are understood by word lists and the menu. "
                f"Run: {_shown(self.project / 'setup.sh')}"
            )

    async def train(self, data: TrainingData, say: Say) -> Path:
        """Train a model, or take the one that was trained on equal data. Errors: OperatorError."""
        made = self.models.path(data.digest)
        if made.is_file():
            return made
        self.check()
        self._clear()
        config, examples = data.write(self.work / f"{_TRAINING}{os.getpid()}")
        target = config.parent / made.name
        say(f"training: {len(data.examples)} examples in {len(data.corpus)} languages …")
        try:
            await self._run_training((config, examples, target), say)
            self.models.folder.mkdir(parents=True, exist_ok=True)
            target.replace(made)
        finally:
            shutil.rmtree(config.parent, ignore_errors=True)
        say("training: done")
        return made

    def _clear(self) -> None:
        """Remove what trainings left that were killed."""
        for left in self.work.glob(f"{_TRAINING}*"):
            try:
                os.kill(int(left.name.removeprefix(_TRAINING)), 0)
            except (OSError, ValueError):
                shutil.rmtree(left, ignore_errors=True)

    async def _run_training(self, files: tuple[Path, Path, Path], say: Say) -> None:
        """`files`: config, examples, and the model to be made. Errors: OperatorError."""
        cores = os.cpu_count() or 1
        async with self._process("train.py", *map(_absolute, files), encoders=cores, calm=True) as process:
            async for told in _lines(process):
                if "step" in told:
                    say(f"training: {told['step']} …")
                elif "error" in told:
                    raise OperatorError(f"training failed: {told['error']}")
            if await process.wait() or not files[2].is_file():
                raise OperatorError(f"training failed; see {self._log('train')}")

    @asynccontextmanager
    async def serving(
        self, model: Path, *, encoders: int = 1, soon: Sequence[str] = ()
    ) -> AsyncIterator["Serving"]:
        """A server of one model, on loopback, with a fresh token. Errors: OperatorError.

        `soon`: texts that will be asked; their encoding begins while the server is still starting.
        """
        self.check()
        token = secrets.token_urlsafe(32)
        async with self._process("serve.py", _absolute(model), token=token, encoders=encoders) as process:
            if process.stdin is not None and soon:
                process.stdin.write(json.dumps({"soon": list(soon)}).encode() + b"\n")
            port = await asyncio.wait_for(self._port(process), LONGEST_START)
            yield Serving(Endpoint(f"http://127.0.0.1:{port}", token), process)

    async def _port(self, process: asyncio.subprocess.Process) -> int:
        async for told in _lines(process):
            if isinstance(told.get("port"), int):
                return int(str(told["port"]))
            if "error" in told:
                raise OperatorError(str(told["error"]))
        raise OperatorError(f"Rasa's server did not start; see {self._log('serve')}")

    @asynccontextmanager
    async def _process(
        self, script: str, *arguments: str, token: str | None = None, encoders: int = 1, calm: bool = False
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """One process of Rasa's virtualenv. It ends when this block ends, or when this process does."""
        self.work.mkdir(parents=True, exist_ok=True, mode=0o700)
        command = [str(self.python), "-u", str(self.project / script), *arguments]
        if calm:
            command = ["nice", "-n", "10", *command]
        with self._log(script.removesuffix(".py")).open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=self.work,
                env=self._environment(token, encoders),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=_LINE,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            await _end(process)

    def _environment(self, token: str | None, encoders: int) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if name not in _SECRETS}
        own.update(
            RASA_TELEMETRY_ENABLED="false",
            RASA_CACHE_MAX_SIZE="0",
            OMP_NUM_THREADS="1",
            FOYER_NLU_ENCODERS=str(encoders),
            OMP_WAIT_POLICY="passive",
            OPENBLAS_NUM_THREADS="1",
            TF_CPP_MIN_LOG_LEVEL="3",
            CUDA_VISIBLE_DEVICES="-1",
            PYTHONWARNINGS="ignore",
            PYTHONIOENCODING="utf-8",
            FOYER_NLU_VECTORS=_absolute(self.work / "vectors.sqlite"),
        )
        return own if token is None else {**own, "FOYER_NLU_TOKEN": token}

    def _log(self, name: str) -> Path:
        return self.work / f"{name}.log"


@dataclass(frozen=True)
class Serving:
    """A running server."""

    endpoint: Endpoint
    process: asyncio.subprocess.Process

    async def ended(self) -> int:
        """Wait until the server has ended by itself; its exit code."""
        while self.process.stdout is not None and await self.process.stdout.readline():
            pass
        return await self.process.wait()


async def _lines(process: asyncio.subprocess.Process) -> AsyncIterator[dict[str, object]]:
    """What the process tells, line by line; other output of the libraries below it is no news."""
    if process.stdout is None:
        return
    async for raw in process.stdout:
        with contextlib.suppress(ValueError):
            told = json.loads(raw)
            if isinstance(told, dict):
                yield told


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 5)
        except TimeoutError:
            process.kill()
            await process.wait()


def _absolute(path: Path) -> str:
    """Rasa's processes work in another folder."""
    return str(path.resolve())


def _shown(path: Path) -> str:
    """A path as the operator types it."""
    with contextlib.suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
