"""The whole walk with its call: after the talk in writing both go to the call page, see each other, send papers."""

from dataclasses import dataclass, field

from playwright.async_api import expect

from tests.e2e.walk import PATIENCE, Walk
from tests.support.call import WATCHED, Sides
from tests.support.files import pdf, picture


@dataclass
class CallWalk(Walk):
    """`sums` are the checksums of the two files as their senders were shown them."""

    sums: list[str] = field(default_factory=list)

    @property
    def sides(self) -> Sides:
        return Sides(*self.visitors, self.citizen, self.clerk)

    async def hello(self) -> None:
        for visitor in self.visitors:
            await visitor.context.add_init_script(WATCHED)
            await visitor.context.grant_permissions(["camera", "microphone"])
        await super().hello()

    async def goes_to_the_call(self) -> None:
        await self.citizen.locator(".talk .to-call").click(timeout=PATIENCE)
        await self.citizen.locator("[data-act=begin]").click(timeout=PATIENCE)
        await expect(self.citizen.locator("video.preview")).to_be_visible(timeout=PATIENCE)
        await self.sides.connected(seconds=PATIENCE / 1000)

    async def accepts(self) -> None:
        await self.citizen.locator("[data-act=accept]").click(timeout=PATIENCE)
        await expect(self.citizen.locator(".talk")).to_be_visible(timeout=PATIENCE)
        await self.sides.pictures(seconds=PATIENCE / 1000)

    async def sends_papers(self) -> None:
        self.sums = [
            await self.sides.send_file(self.citizen, "Ausweis.pdf", "application/pdf", pdf()),
            await self.sides.send_file(self.clerk, "Merkblatt.png", "image/png", picture("PNG")),
        ]

    async def fetches_papers(self) -> None:
        """Each side has both files, byte for byte what was kept."""
        for page in (self.citizen, self.clerk):
            fetched = [await self.sides.fetch_file(page, name) for name in ("Ausweis.pdf", "Merkblatt.png")]
            assert fetched == [(one, one) for one in self.sums]

    async def still_see_each_other(self) -> None:
        await self.sides.pictures(seconds=PATIENCE / 1000)

    async def returns_to_the_chat(self) -> None:
        await expect(self.citizen.locator("[role=status]").first).to_be_attached(timeout=PATIENCE)
        await self.citizen.goto("/")

    @property
    def steps(self) -> tuple[str, ...]:
        steps = list(super().steps)
        after = steps.index("they_talk") + 1
        steps[after:after] = [
            "goes_to_the_call", "accepts", "sends_papers", "fetches_papers", "still_see_each_other",
        ]  # fmt: skip
        steps.insert(steps.index("reads_the_summary"), "returns_to_the_chat")
        return tuple(steps)
