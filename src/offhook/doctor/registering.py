"""Who may in: registrations, digest, passwords, and calls without any."""

from __future__ import annotations

from offhook.doctor import remedies
from offhook.doctor.bench import Agent, Bench
from offhook.doctor.findings import CheckEnded, Outcome, cannot, failed, ok
from offhook.doctor.handset import Handset
from offhook.doctor.reaching import place_of
from offhook.errors import ParseError
from offhook.sip.events import Registered, RegistrationFailed, ServerLost
from offhook.sip.fields import Challenge

WRONG_PASSWORD = "offhook-doctor-wrong-password"


async def register(bench: Bench) -> Outcome:
    """Every extension that was given registers; they stay registered for the checks that follow."""
    if not bench.everybody:
        raise CheckEnded(cannot("no extension was given", "Give --agents FILE, or --agent 1000 --agent 1001"))
    refused: list[tuple[Agent, Handset, RegistrationFailed]] = []
    granted: dict[str, int] = {}
    for agent in bench.everybody:
        handset = bench.new_handset(agent.extension, agent.password)
        came = await handset.connect()
        if isinstance(came, Registered):
            bench.handsets[agent.extension] = handset
            granted[agent.extension] = came.expires
        elif isinstance(came, RegistrationFailed):
            refused.append((agent, handset, came))
        else:
            reason = came.reason if isinstance(came, ServerLost) else "no answer to REGISTER"
            raise CheckEnded(failed(f"{agent.extension}: {reason}", "See what `sip` says"))
    if refused:
        raise CheckEnded(await _why(bench, refused))
    seconds = sorted(set(granted.values()))
    return ok(f"{', '.join(granted)} for {' or '.join(map(str, seconds))} s, domain {bench.config.sip_domain}")


async def _why(bench: Bench, refused: list[tuple[Agent, Handset, RegistrationFailed]]) -> Outcome:
    """A registration was refused: is it the domain, the extension, the password?"""
    agent, handset, came = refused[0]
    users = ", ".join(agent.extension for agent, _, _ in refused)
    seen = f"{users}: {came.status} {came.reason}, domain {bench.config.sip_domain}"
    realms = realms_of(handset)
    own = bench.config.sip_domain
    others = [realm for realm in realms if realm.lower() != own.lower()]
    for domain in dict.fromkeys((*others, *hosts(bench))):
        if domain.lower() != own.lower() and await _registers(bench, agent, domain):
            return failed(f"{seen}; it is taken with domain {domain}", f"Say --domain {domain}")
    if others:
        remedy = f"The server's domain seems to be {others[0]}: say --domain {others[0]}; or look at {remedies.DOMAIN}"
        return failed(f"{seen}; the server asks for realm {others[0]}", remedy)
    if came.status in (401, 403, 407) and bench.handsets:
        remedy = (
            "Others of this domain are taken, so it is its password, or there is no such user: correct it in the "
            "doctor's file, or the user's directory/*.xml, then `fs_cli -x reloadxml`"
        )
        return failed(seen, remedy)
    if came.status in (401, 403, 407):
        remedy = (
            "FreeSWITCH says the same to a wrong password, an unknown user and an unknown domain. Its log says which "
            f"(`SIP auth failure`, `Can't find user`): correct the password, directory/*.xml, or --domain; "
            f"{remedies.DOMAIN}"
        )
        return failed(seen, remedy)
    return failed(seen, "Look at the server's log, with `fs_cli -x 'sofia global siptrace on'`")


def realms_of(handset: Handset) -> list[str]:
    """The realms of the challenges that came."""
    return list(dict.fromkeys(one.parameters.get("realm", "") for one in challenges_of(handset)))


def challenges_of(handset: Handset) -> list[Challenge]:
    """The challenges to REGISTER that came."""
    found: list[Challenge] = []
    for message in (*handset.received("REGISTER", 401), *handset.received("REGISTER", 407)):
        for name in ("WWW-Authenticate", "Proxy-Authenticate"):
            for line in message.headers.all(name):
                try:
                    found += Challenge.parse_many(line)
                except ParseError:
                    continue
    return found


def hosts(bench: Bench) -> list[str]:
    """Domains that are worth a try: the servers' hosts."""
    return [place_of(url).host for url in bench.config.sip]


async def _registers(bench: Bench, agent: Agent, domain: str) -> bool:
    """Whether the agent is taken under another domain. Its password goes to the same server as before, digested."""
    handset = bench.new_handset(agent.extension, agent.password, domain=domain)
    try:
        return isinstance(await handset.connect(), Registered)
    finally:
        await bench.close_handset(handset)


async def digest(bench: Bench) -> Outcome:
    """Passwords are asked for, and never pass in clear."""
    handset = bench.first()
    challenges = challenges_of(handset)
    if not challenges:
        raise CheckEnded(
            failed("REGISTER was taken without a password being asked for", f"Ask for one: {remedies.PASSWORDS}")
        )
    schemes = {challenge.scheme.lower() for challenge in challenges}
    if "digest" not in schemes:
        remedy = "Look at what stands before FreeSWITCH: it asks for digests"
        raise CheckEnded(failed(f"the server asks by {', '.join(sorted(schemes))}, and not by digest", remedy))
    parameters = [challenge.parameters for challenge in challenges if challenge.scheme.lower() == "digest"]
    algorithms = list(dict.fromkeys(one.get("algorithm", "MD5").upper() for one in parameters))
    realm = parameters[0].get("realm", "")
    note = ""
    if algorithms == ["MD5"]:
        note = "MD5 alone: set rfc8760-auth-algorithms to SHA-256,MD5 in sip_profiles/offhook.xml (FreeSWITCH 1.10.11)"
    other = ""
    if realm.lower() != bench.config.sip_domain.lower():
        own = bench.config.sip_domain
        other = (
            f"the server's realm is {realm}, the domain here {own}: where that is a mistake say --domain {realm} "
            f"(messages do not arrive else); where not, --realm {realm} lets no other be answered"
        )
    return ok(f"{', '.join(algorithms)}, realm {realm}", note, other)


async def wrong_password(bench: Bench) -> Outcome:
    """A wrong password is refused."""
    first = bench.first()
    handset = bench.new_handset(first.line.user, WRONG_PASSWORD)
    try:
        came = await handset.connect()
    finally:
        await bench.close_handset(handset)
    if isinstance(came, Registered):
        raise CheckEnded(
            failed("ANYBODY CAN REGISTER: a wrong password was taken", f"Ask for it: {remedies.PASSWORDS}")
        )
    if not isinstance(came, RegistrationFailed):
        raise CheckEnded(failed("a wrong password got no answer", "Is fail2ban or a firewall at work? See its log"))
    return ok(f"refused, {came.status} {came.reason}")


async def unproven_call(bench: Bench) -> Outcome:
    """A call of somebody who proves nothing is refused, whomever it says it is from."""
    called = bench.first()
    handset = bench.new_handset("offhook-doctor", stranger=True)
    try:
        await handset.connect()
        leg = await handset.dial(called.line.user)
        await handset.until(lambda: bool(leg.up or leg.end or called.legs), 6.0)
        rang = [one for one in called.legs.values() if one.end is None]
        await handset.decided(leg, 0.0)
    finally:
        await bench.close_handset(handset)
    if leg.up or rang:
        remedy = "Set auth-calls to true in sip_profiles/offhook.xml, no apply-inbound-acl there, and restart it"
        raise CheckEnded(failed("ANYBODY CAN CALL: a call without a password was taken", remedy))
    if leg.status in (401, 407):
        return ok(f"refused, {leg.refusal}")
    return ok(f"refused, {leg.refusal}", "not by a challenge (401, 407): a call that is to prove itself could not")


async def one_registration(bench: Bench) -> Outcome:
    """A second login of an extension takes the calls of the first: one phone rings, not two."""
    caller, called = bench.first(), bench.second()
    again = bench.new_handset(called.line.user, password_of(bench, called))
    try:
        if not isinstance(await again.connect(), Registered):
            raise CheckEnded(failed("a second registration was refused", "See multiple-registrations of the profile"))
        leg = await caller.dial(called.line.user)
        newer = await again.rings(6.0)
        older = await called.rings(0.3)
        await caller.hang_up(leg)
        if newer is None and older is not None:
            remedy = "Set multiple-registrations to false in sip_profiles/offhook.xml, and restart the profile"
            raise CheckEnded(failed("who registered first is called, and not who registered last", remedy))
        if newer is None:
            raise CheckEnded(failed(f"who registered last is not called: {leg.refusal}", "See what `agent-call` says"))
    finally:
        await bench.close_handset(again)
        # Its un-REGISTER may have taken the first one's registration along.
        if isinstance(await called.register_again(), RegistrationFailed):
            raise CheckEnded(failed("who registered first cannot register again", "Look at the server's log"))
    if older is not None:
        note = "an extension rings wherever it is registered: set multiple-registrations to false in the profile"
        return ok("both registrations ring", note)
    return ok("the last one rings, the one before does not")


def password_of(bench: Bench, handset: Handset) -> str:
    return next(agent.password for agent in bench.everybody if agent.extension == handset.line.user)
