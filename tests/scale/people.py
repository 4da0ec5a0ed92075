"""Users with their clients, well and badly behaved."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

from tests.scale.browser import Browser, Journey
from tests.scale.crowd import PAUSE, TRIES, Crowd, Signed
from tests.scale.wire import Sent

from vestibule.protocol.pkce import challenge_for, new_verifier

REDIRECT_URI = "http://127.0.0.1:33418/callback"
_PARKED = 3  # living sessions that a user leaves alone at most


class Person:
    """One user with one client at a time, who does things at random until it is time."""

    def __init__(self, crowd: Crowd, number: int) -> None:
        self.crowd, self.number = crowd, number
        name = crowd.plan.names[number]
        self.random = random.Random(f"{crowd.plan.seed} {name}")
        self.browser = Browser(crowd.wire, crowd.provider_url, name)
        self.session: Signed | None = None
        self.client_id = ""
        self.parked = 0
        self.begun = False
        self.deeds = {
            self.call: 45,
            self.refresh: 15,
            self.refresh_and_lose_the_answer: 8,
            self.refresh_at_two_places: 8,
            self.steal: 3,
            self.replay_the_code: 2,
            self.revoke: 5,
            self.park: 5,
        }

    async def live(self, until: float) -> None:
        """Until the clock says so; what was begun is finished."""
        await asyncio.sleep(self.random.uniform(0, 2))
        while self.crowd.wire.clock.now() < until:
            if self.session is None or self.session.over:
                await self.sign_in()
            else:
                await self._choose()(self.session)
            await asyncio.sleep(self.random.uniform(0.02, 0.8))
        await self.browser.aclose()

    def _choose(self) -> Callable[[Signed], Awaitable[None]]:
        """What to do next. The first one goes by the user, so that a short run sees all of them."""
        deeds = list(self.deeds)
        if not self.begun:
            self.begun = True
            return deeds[self.number % len(deeds)]
        [deed] = self.random.choices(deeds, list(self.deeds.values()))
        return deed

    async def sign_in(self) -> None:
        """From registration to tokens. Whatever did not come to tokens is begun anew."""
        wire = self.crowd.wire
        if not self.client_id or self.random.random() < 0.2:
            await self._register()
        verifier, state = new_verifier(), secrets.token_urlsafe(16)
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": REDIRECT_URI,
            "code_challenge": challenge_for(verifier),
            "code_challenge_method": "S256",
            "state": state,
            "resource": f"{wire.base_url}/mcp",
        }
        began = wire.clock.now()
        journey = await self.browser.visit(f"{wire.base_url}/authorize?{urlencode(query)}", REDIRECT_URI)
        if "code" not in journey.answer:
            self._begin_anew(journey, began)
            return
        session = Signed(f"session-{next(self.crowd.names)}", self.client_id, journey.answer["code"], verifier)
        self.crowd.upstream_codes[journey.upstream_code] = session.name
        await self._redeem(session)

    def _begin_anew(self, journey: Journey, began: float) -> None:
        if not journey.disturbed:
            where = journey.stranded or journey.answer.get("error_description") or journey.answer.get("error")
            self.crowd.failed.append((began, self.crowd.wire.clock.now(), f"a sign-in failed that nothing disturbed: {where}"))
        self.crowd.counts["sign-ins begun anew"] += 1

    async def _register(self) -> None:
        wire = self.crowd.wire
        document = {
            "redirect_uris": [REDIRECT_URI],
            "client_name": "Soak",
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        }
        for _ in range(TRIES):
            response = await wire.http.post(f"{wire.base_url}/register", json=document)
            wire.look_at(response)
            if response.status_code == 201:
                self.client_id = response.json()["client_id"]
                return
            await asyncio.sleep(PAUSE)

    async def _redeem(self, session: Signed) -> None:
        """Post the code: once, twice at once, twice in a row, or with the first answer lost."""
        form = self._redemption(session)
        [way] = self.random.choices(["once", "at once", "in a row", "lost"], [5, 2, 2, 1])
        if way == "lost":
            await self.crowd.wire.post("redeem", session.name, session.code, form=form, patience=self._impatience())
        if way == "at once":
            self.crowd.counts["codes posted twice"] += 1
            answers = list(await asyncio.gather(*(self.crowd.insist("redeem", session, session.code, form) for _ in range(2))))
        else:
            answers = [await self.crowd.insist("redeem", session, session.code, form)]
        if way == "in a row":
            self.crowd.counts["codes posted twice"] += 1
            await self.crowd.insist("redeem", session, session.code, form)
        won = next((answer for answer in answers if answer is not None and answer.is_ok), None)
        if won is None:
            self.crowd.counts["sign-ins begun anew"] += 1  # the tokens went with an answer that was lost
            return
        self.crowd.counts["sign-ins"] += 1
        self._adopt(session, won)
        self.crowd.sessions.append(session)
        self.session = session

    async def call(self, session: Signed) -> None:
        answers = await self._calls(session)
        if any(answer is not None and answer.answer and answer.answer.status == 401 for answer in answers):
            await self.refresh(session)

    async def refresh(self, session: Signed) -> None:
        self.crowd.counts["refreshes"] += 1
        self._take(session, await self._refresh(session))

    async def refresh_and_lose_the_answer(self, session: Signed) -> None:
        self.crowd.counts["refreshes tried again"] += 1
        form = session.form(grant_type="refresh_token", refresh_token=session.refresh)
        await self.crowd.wire.post("refresh", session.name, session.refresh, form=form, patience=self._impatience())
        self._take(session, await self._refresh(session))

    async def refresh_at_two_places(self, session: Signed) -> None:
        self.crowd.counts["refreshes at two places"] += 1
        first, second = await asyncio.gather(self._refresh(session), self._refresh(session))
        self._take(session, self.random.choice([first, second]))

    async def steal(self, session: Signed) -> None:
        """Somebody uses a refresh token whose successor was used."""
        if len(session.spent) < 2:
            await self.refresh(session)
            return
        self.crowd.counts["thefts"] += 1
        token = self.random.choice(session.spent[:-1])
        form = session.form(grant_type="refresh_token", refresh_token=token)
        await self._end(session, self.crowd.insist("refresh", session, token, form))

    async def replay_the_code(self, session: Signed) -> None:
        """Somebody uses the code again, with its verifier."""
        self.crowd.counts["codes replayed"] += 1
        await self._end(session, self.crowd.insist("redeem", session, session.code, self._redemption(session)))

    async def revoke(self, session: Signed) -> None:
        self.crowd.counts["revocations"] += 1
        await self._end(session, self.crowd.insist("revoke", session, session.refresh, session.form(token=session.refresh)))

    async def park(self, session: Signed) -> None:
        """Leave the session alone, alive, and begin another."""
        if self.parked < _PARKED:
            self.parked += 1
            self.session = None

    async def _end(self, session: Signed, ending: Awaitable[Sent | None]) -> None:
        """Do what ends the session while it is used, and use it on until after the time by which it has to be dead everywhere."""
        session.over = True
        await self._calls(session)
        await asyncio.gather(ending, self._calls(session))
        for _ in range(4):
            await asyncio.gather(self._calls(session), self._refresh(session))
            await self.crowd.wire.clock.sleep(self.crowd.plan.revocation_delay * self.random.uniform(0.3, 0.5))

    async def _calls(self, session: Signed) -> list[Sent | None]:
        """A call for each server: nginx hands them out in turn."""
        calls = (self.crowd.insist("call", session, session.access, None) for _ in range(self.crowd.plan.servers))
        self.crowd.counts["calls"] += self.crowd.plan.servers
        return await asyncio.gather(*calls)

    async def _refresh(self, session: Signed) -> Sent | None:
        form = session.form(grant_type="refresh_token", refresh_token=session.refresh)
        return await self.crowd.insist("refresh", session, session.refresh, form)

    def _take(self, session: Signed, answer: Sent | None) -> None:
        if answer is not None and answer.is_ok:
            session.spent.append(session.refresh)
            self._adopt(session, answer)
        else:
            session.over = True

    @staticmethod
    def _adopt(session: Signed, answer: Sent) -> None:
        session.refresh, session.access = answer.content["refresh_token"], answer.content["access_token"]

    @staticmethod
    def _redemption(session: Signed) -> dict[str, str]:
        return session.form(grant_type="authorization_code", code=session.code, code_verifier=session.verifier)

    def _impatience(self) -> float:
        """Seconds after which the connection is dropped: before, while and after the server works on it."""
        return self.random.choice([0.002, 0.01, 0.03, 0.1])
