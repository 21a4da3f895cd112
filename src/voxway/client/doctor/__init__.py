"""An examination of the way to a gateway, from the key to a sentence there and back.

SLNG's guide lists what goes wrong and what to do about it; here each item is a check, with its
finding and its remedy. What hinders all that comes after it ends the examination.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import msgspec
from msgspec import Struct

from ...errors import GatewayError
from ..gateway import Gateway
from ..http import Health
from ..proxies import proxy_for
from ..reconnect import NEVER
from ..voxway import DEFAULT_EAR, DEFAULT_VOICE, Voxway
from . import speech
from .findings import Finding, Hindrance, Report, ok, problem, report, skipped, warning
from .talk import refused, upgrade
from .way import Way, fetch, look_up, reach, way_to

__all__ = ["Finding", "Patient", "Report", "examine", "report"]

CLOCK_TOLD = 2.5  # seconds: a Date header leaves out parts of one, and is written anew each second
CLOCK_OFF = 30.0
CLOCK_WRONG = 300.0


class Patient(Struct, frozen=True, kw_only=True):
    """Whom to examine. `raw_key` is the key as it was given, `key_source` where; without `speaks`
    no model is asked for anything. The models are chosen if they are not named."""

    gateway: Gateway
    raw_key: str = ""
    key_source: str = ""
    speaks: bool = True
    voice: str = ""
    ear: str = ""


class _Model(Struct):
    id: str
    kind: str


class _Models(Struct):
    data: list[_Model]


async def examine(patient: Patient) -> AsyncIterator[Finding]:
    """The findings, one after the other. Raises ConfigError if nothing can be tried."""
    gateway = patient.gateway
    way = way_to(gateway, proxy_for(gateway.url))
    yield key_given(patient)
    try:
        async for finding in _way(way, gateway):
            yield finding
        voice, ear = await _models(way, gateway, patient)
        yield ok("models", f"speaking by {voice or 'none'}, listening by {ear or 'none'}")
        async for finding in _sessions(way, patient, voice, ear):
            yield finding
    except Hindrance as hindrance:
        yield hindrance.finding
    except GatewayError as error:
        yield speech.failed("speech", error)


def key_given(patient: Patient) -> Finding:
    """What can be seen of the key by itself."""
    raw, source = patient.raw_key, patient.key_source
    if raw != raw.strip():
        where = "begins with" if raw != raw.lstrip() else "ends with"
        blank = {"\n": "a newline", "\r": "a carriage return", "\t": "a tab"}
        edge = raw[0] if raw != raw.lstrip() else raw[-1]
        message = f"the key {source} {where} {blank.get(edge, 'a blank')}"
        remedy = "take it away: voxway's own tools do, other clients are refused with 401"
        return warning("key", message, remedy)
    if not patient.gateway.key:
        remedy = "if the gateway wants one: --key or VOXWAY_API_KEY"
        return warning("key", "there is no key", remedy)
    return ok("key", f"there is a key {source}".rstrip())


async def _way(way: Way, gateway: Gateway) -> AsyncIterator[Finding]:
    if (found := await look_up(way)) is not None:
        yield found
    told: list[Finding] = []
    hindrance: Hindrance | None = None
    try:
        (await reach(way, told))[1].close()
    except Hindrance as error:
        hindrance = error
    for finding in told:
        yield finding
    if hindrance is not None:
        raise hindrance
    began = time.time()
    answer = await fetch(way, "/health", {})
    try:
        health = msgspec.json.decode(answer.body, type=Health)
    except msgspec.DecodeError:
        message = f"what answers at {way.address} is no voxway gateway (HTTP {answer.status})"
        remedy = "check host, port and path; a company's proxy may answer in its place"
        raise Hindrance(problem("gateway", message, remedy, "unreachable")) from None
    yield _health(health)
    if "date" in answer.headers:
        yield clock(answer.headers["date"], (began + time.time()) / 2)


def _health(health: Health) -> Finding:
    away = sorted(
        name for name, state in health.engines.items() if state not in ("ready", "remote")
    )
    if health.status != "ok":
        remedy = "it is about to end: wait for its successor"
        return warning("gateway", f"the gateway is {health.status}", remedy)
    if away:
        message = f"the gateway is there, but not {', '.join(away)}"
        return warning("gateway", message, "the gateway's log says why its workers do not run")
    return ok("gateway", f"the gateway is well, with {health.sessions} sessions")


def clock(date: str, now: float) -> Finding:
    """This machine's clock against a Date header, which is exact to two seconds."""
    try:
        off = now - parsedate_to_datetime(date).timestamp()
    except ValueError:
        return skipped("clock", "the gateway tells no time")
    message = "this machine's clock and the gateway's agree"
    if abs(off) > CLOCK_TOLD:
        message = f"this machine's clock and the gateway's differ by {abs(off):.0f} s"
    remedy = "set the wrong one by NTP: certificates and keys are good from one time to another"
    if abs(off) > CLOCK_WRONG:
        return problem("clock", message, remedy, "failed", seconds_off=off)
    if abs(off) > CLOCK_OFF:
        return warning("clock", message, remedy, seconds_off=off)
    return ok("clock", message, seconds_off=off)


async def _models(way: Way, gateway: Gateway, patient: Patient) -> tuple[str, str]:
    """The voice and the ear to use, if there are any. Raises Hindrance if the key does not open."""
    answer = await fetch(way, "/v1/models", gateway.headers())
    try:
        if answer.status != 200:
            told = msgspec.json.decode(answer.body, type=_Refusal)
            raise refused(told.code, told.message)
        models = msgspec.json.decode(answer.body, type=_Models).data
    except msgspec.DecodeError:
        message = f"/v1/models is answered with HTTP {answer.status}, and not by the gateway"
        remedy = "something between (a company's proxy, a login) answers for it: let /v1 pass"
        raise Hindrance(problem("models", message, remedy, "unreachable")) from None
    return (
        patient.voice or _chosen(models, "tts", DEFAULT_VOICE),
        patient.ear or _chosen(models, "stt", DEFAULT_EAR),
    )


class _Refusal(Struct):
    code: str = ""
    message: str = "refused"


def _chosen(models: list[_Model], kind: str, default: str) -> str:
    found = [model.id for model in models if model.kind == kind]
    return default if default in found else next(iter(found), "")


async def _sessions(way: Way, patient: Patient, voice: str, ear: str) -> AsyncIterator[Finding]:
    headers = patient.gateway.headers()
    if not voice:
        yield skipped("echo", "the gateway has no voice")
        return
    told: list[Finding] = []
    talk = await upgrade(way, f"/v1/tts/{quote(voice, safe='/:@')}", headers, told)
    for finding in told:
        yield finding
    try:
        found, echo = await speech.echo(talk)
        yield found
    finally:
        talk.close()
    if not patient.speaks:
        yield skipped("speech", "not asked for")
        return
    if ear:
        talk = await upgrade(way, f"/v1/stt/{quote(ear, safe='/:@')}", headers)
        try:
            yield await speech.upload(talk)
        finally:
            talk.close()
    async for finding in _speech(patient, voice, ear, echo):
        yield finding


async def _speech(
    patient: Patient, voice: str, ear: str, echo: speech.Echo
) -> AsyncIterator[Finding]:
    """With the client's own sessions. Raises GatewayError."""
    gateway = patient.gateway
    async with Voxway(gateway.url, gateway.key, ca=gateway.ca, retry=NEVER) as vox:
        spoken = await speech.speak(vox, voice)
        yield speech.speech(spoken, echo)
        if not spoken.pieces:
            return
        enough = speech.download(spoken)
        yield enough
        if enough.status != "problem":
            yield speech.playback(spoken, echo)
        if ear:
            yield await speech.hearing(vox, ear, spoken)
        else:
            yield skipped("format", "the gateway has no recognizer to listen to it")
