"""Digest authentication: the vectors of the RFCs, and both sides against each other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offhook.clock import Now
from offhook.errors import LocalError
from offhook.sip import digest
from offhook.sip.digest import DigestClient, DigestServer, Outcome, Verdict, compute_ha1, compute_response, digest_hash
from offhook.sip.fields import Challenge, Credentials
from offhook.sip.headers import Headers
from offhook.sip.message import Request, Response
from offhook.testing.clock import SeededIds

URI = "sip:127.0.0.1"


class FixedIds:
    """The one cnonce of a vector."""

    def __init__(self, cnonce: str) -> None:
        self.cnonce = cnonce

    def token(self, bits: int = 128) -> str:
        return self.cnonce

    def fraction(self) -> float:
        return 0.0


def challenged(*values: str, status: int = 401, cseq: str = "1 REGISTER", call_id: str = "id") -> Response:
    name = "Proxy-Authenticate" if status == 407 else "WWW-Authenticate"
    return Response(status, headers=[("Call-ID", call_id), ("CSeq", cseq), *((name, value) for value in values)])


def client(realm: str | None = None, user: str = "1000", password: str = "1234") -> DigestClient:
    return DigestClient(user, password, realm, ids=SeededIds(1))


def values(answer: tuple[str, str] | None) -> dict[str, str]:
    assert answer is not None
    return dict(Credentials.parse(answer[1]).parameters)


class TestVectors:
    @pytest.mark.parametrize(
        ("algorithm", "response"),
        [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ],
    )
    def test_rfc7616_3_9_1(self, algorithm: str, response: str) -> None:
        nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
        opaque = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
        text = (
            f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
            f'nonce="{nonce}", opaque="{opaque}"'
        )
        ids = FixedIds("f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")
        mufasa = DigestClient("Mufasa", "Circle of Life", ids=ids)
        got = values(mufasa.answer(challenged(text), "GET", "/dir/index.html"))
        assert got == {
            "username": "Mufasa",
            "realm": "http-auth@example.org",
            "uri": "/dir/index.html",
            "algorithm": algorithm,
            "nonce": nonce,
            "nc": "00000001",
            "cnonce": ids.cnonce,
            "qop": "auth",
            "response": response,
            "opaque": opaque,
        }

    def test_rfc7616_3_9_2_as_corrected(self) -> None:
        """Erratum 4897: the printed values are those of a truncated SHA-512, which is another function."""
        if not digest.supports("SHA-512-256"):
            pytest.skip("this Python's OpenSSL has no SHA-512/256")
        text = (
            'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, '
            'nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", '
            'opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8, userhash=true'
        )
        ids = FixedIds("NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v")
        answer = DigestClient("Jäsøn Doe", "Secret, or not?", ids=ids).answer(challenged(text), "GET", "/doe.json")
        got = values(answer)
        assert got["username"] == "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"
        assert got["response"] == "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
        assert answer is not None and answer[1].endswith("userhash=true")

    def test_rfc2617_3_5(self) -> None:
        text = (
            'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
            'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
        )
        mufasa = DigestClient("Mufasa", "Circle Of Life", ids=FixedIds("0a4f113b"))
        got = values(mufasa.answer(challenged(text), "GET", "/dir/index.html"))
        assert got["response"] == "6629fae49393a05397450978507c4ef1"
        assert "algorithm" not in got

    def test_rfc2069_without_qop(self) -> None:
        # RFC 2069 section 2.4 with its erratum 749.
        text = (
            'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
            'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
        )
        mufasa = DigestClient("Mufasa", "CircleOfLife", ids=SeededIds())
        got = values(mufasa.answer(challenged(text), "GET", "/dir/index.html"))
        assert got["response"] == "1949323746fe6a43ef61f9606e7febea"
        assert not {"qop", "nc", "cnonce"} & set(got)

    def test_auth_int_hashes_the_body(self) -> None:
        text = 'Digest realm="r", nonce="n", qop="auth-int"'
        got = values(DigestClient("u", "p", ids=FixedIds("c")).answer(challenged(text), "INFO", URI, b"body"))
        ha1, body = digest_hash("MD5", "u:r:p"), digest_hash("MD5", b"body")
        ha2 = digest_hash("MD5", f"INFO:{URI}:{body}")
        assert got["qop"] == "auth-int"
        assert got["response"] == digest_hash("MD5", f"{ha1}:n:00000001:c:auth-int:{ha2}")

    def test_session_algorithms(self) -> None:
        text = 'Digest realm="r", nonce="n", algorithm=MD5-sess'
        got = values(DigestClient("u", "p", ids=FixedIds("c")).answer(challenged(text), "INFO", URI))
        ha1 = digest_hash("MD5", f"{digest_hash('MD5', 'u:r:p')}:n:c")
        assert got["response"] == digest_hash("MD5", f"{ha1}:n:{digest_hash('MD5', f'INFO:{URI}')}")
        assert got["cnonce"] == "c"

    def test_what_sip_js_sent_to_freeswitch(self) -> None:
        got = compute_response(
            algorithm="MD5",
            ha1=compute_ha1("MD5", "1000", "127.0.0.1", "1234"),
            nonce="76bf11e5-fe13-46f8-9973-db540791a473",
            method="REGISTER",
            uri=URI,
            qop="auth",
            nc="00000001",
            cnonce="ngpimukupnjo",
        )
        assert got == "2e82bcd31917d14b15fd7af6ff448507"

    def test_unknown_algorithms(self) -> None:
        assert digest.supports("sha-256-SESS") and not digest.supports("AKAv1-MD5")
        with pytest.raises(LocalError):
            digest_hash("AKAv1-MD5", "")


SHA = 'Digest realm="127.0.0.1", nonce="s", algorithm=SHA-256, qop="auth"'
MD5 = 'Digest realm="127.0.0.1", nonce="m", algorithm=MD5, qop="auth"'


class TestClient:
    def test_the_topmost_supported_counts(self) -> None:
        assert values(client().answer(challenged(SHA, MD5), "REGISTER", URI))["algorithm"] == "SHA-256"
        assert values(client().answer(challenged(MD5, SHA), "REGISTER", URI))["algorithm"] == "MD5"
        odd: tuple[str, ...] = (
            "Digest rubbish rubbish rubbish",
            "Basic realm=x",
            'Digest realm="127.0.0.1", nonce="x", algorithm=AKAv1-MD5',
        )
        odd += ('Digest realm="127.0.0.1", nonce="x", qop="auth-conf"', "Digest nonce=x", "Digest realm=x")
        assert values(client().answer(challenged(*odd, MD5), "REGISTER", URI))["nonce"] == "m"
        assert values(client().answer(challenged(f"{', '.join(odd[1:])}, {MD5}"), "REGISTER", URI))["nonce"] == "m"
        assert client().answer(challenged(*odd), "REGISTER", URI) is None

    def test_the_header_fits_the_status(self) -> None:
        answer = client().answer(challenged(MD5, status=407), "INVITE", URI)
        assert answer is not None and answer[0] == "Proxy-Authorization"
        answer = client().answer(challenged(MD5), "INVITE", URI)
        assert answer is not None and answer[0] == "Authorization"

    def test_another_realm_gets_no_answer(self) -> None:
        assert client("example.com").answer(challenged(MD5), "REGISTER", URI) is None
        assert client("127.0.0.1").answer(challenged(MD5), "REGISTER", URI) is not None

    def test_the_count_of_a_nonce_rises(self) -> None:
        agent = client()
        got = [
            values(agent.answer(challenged(MD5, cseq=f"{cseq} REGISTER"), "REGISTER", URI))["nc"] for cseq in (1, 3, 5)
        ]
        assert got == ["00000001", "00000002", "00000003"]
        assert values(agent.answer(challenged(SHA, cseq="7 REGISTER"), "REGISTER", URI))["nc"] == "00000001"

    def test_refused_credentials_are_not_sent_again(self) -> None:
        agent = client()
        first = agent.answer(challenged(MD5), "REGISTER", URI)
        assert first is not None
        refused = Headers([first])
        other = MD5.replace('"m"', '"m2"')
        assert agent.answer(challenged(other), "REGISTER", URI, refused=refused) is None
        stale = agent.answer(challenged(other + ", stale=TRUE"), "REGISTER", URI, refused=refused)
        assert stale is not None and values(stale)["nonce"] == "m2"
        # Another realm, a proxy, and another request are other matters.
        assert agent.answer(challenged(MD5.replace("127.0.0.1", "h")), "REGISTER", URI, refused=refused) is not None
        assert agent.answer(challenged(MD5, status=407), "REGISTER", URI, refused=refused) is not None
        assert agent.answer(challenged(MD5), "INVITE", URI) is not None

    @pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
    def test_what_is_kept_does_without_the_password(self, algorithm: str) -> None:
        first, switch = client(), server(algorithm)
        assert first.keepable == {} and first.proves("1234") is None
        assert switch.check(attempt(first, switch.challenge(NOW, False)), NOW, False).outcome is Outcome.OK
        first.trust()
        kept = first.keepable
        assert "1234" not in str(kept)
        second = DigestClient("1000", {}, ids=SeededIds(2), domain="elsewhere", kept=kept)
        assert switch.check(attempt(second, switch.challenge(NOW, False)), NOW, False).outcome is Outcome.OK
        assert second.keepable == kept
        assert (second.proves("1234"), second.proves("4321")) == (True, False)
        third = DigestClient("1000", {}, ids=SeededIds(2), kept={"other": kept[next(iter(kept))]})
        lines = [value for _, value in switch.challenge(NOW, False)]
        assert third.answer(challenged(*lines), "REGISTER", URI) is None

    def test_passwords_may_be_kept_hashed(self) -> None:
        plain = client().answer(challenged(MD5), "REGISTER", URI)
        hashed = {"MD5": compute_ha1("MD5", "1000", "127.0.0.1", "1234")}
        assert DigestClient("1000", hashed, ids=SeededIds(1)).answer(challenged(MD5), "REGISTER", URI) == plain
        assert DigestClient("1000", hashed, ids=SeededIds(1)).answer(challenged(SHA), "REGISTER", URI) is None

    def test_the_memory_of_nonces_has_a_limit(self) -> None:
        agent = client()
        for number in range(100):
            agent.credentials(Challenge.parse(f"Digest realm=r, nonce=n{number}, qop=auth"), "INFO", URI)
        assert len(agent._counts) == digest._MAX_NONCES

    def test_a_response_without_what_it_needs(self) -> None:
        assert client().answer(Response(401), "REGISTER", URI) is None
        assert client().answer(challenged(), "REGISTER", URI) is None

    @given(st.text())
    def test_no_challenge_raises(self, text: str) -> None:
        response = challenged()
        try:
            response.headers.add("WWW-Authenticate", f"Digest realm=r, nonce=n, {text}")
            response.headers.add("WWW-Authenticate", text)
        except LocalError:
            return
        answer = client().answer(response, "REGISTER", URI)
        if answer is not None:
            Request("REGISTER", URI).headers.add(*answer)


NOW = Now(0.0, 1_000_000.0)


def passwords(user: str) -> str | None:
    return {"1000": "1234", "zoë": "geheim"}.get(user)


def server(*algorithms: str, lookup: Callable[[str], str | None] = passwords) -> DigestServer:
    return DigestServer("127.0.0.1", lookup, SeededIds(2), algorithms or ("MD5",))


def attempt(agent: DigestClient, lines: list[tuple[str, str]], cseq: int = 1) -> Request:
    """The request that answers a challenge."""
    status = 407 if lines[0][0] == "Proxy-Authenticate" else 401
    response = challenged(*(value for _, value in lines), status=status, cseq=f"{cseq} REGISTER")
    answer = agent.answer(response, "REGISTER", URI)
    assert answer is not None
    return Request("REGISTER", URI, [answer])


class TestServer:
    @pytest.mark.parametrize("proxy", [False, True])
    @pytest.mark.parametrize("algorithms", [("MD5",), ("SHA-256", "MD5"), ("MD5-sess",)])
    def test_good_credentials(self, proxy: bool, algorithms: tuple[str, ...]) -> None:
        switch = server(*algorithms)
        lines = switch.challenge(NOW, proxy)
        assert [Challenge.parse(value).parameters["algorithm"] for _, value in lines] == list(algorithms)
        assert len({Challenge.parse(value).parameters["nonce"] for _, value in lines}) == len(lines)
        request = attempt(client(), lines)
        assert switch.check(request, NOW, proxy) == Verdict(Outcome.OK, "1000")
        assert switch.check(request, NOW, not proxy) == Verdict(Outcome.MISSING)

    def test_names_may_be_any(self) -> None:
        switch = server()
        request = attempt(client(user="zoë", password="geheim"), switch.challenge(NOW, False))
        assert switch.check(request, NOW, False) == Verdict(Outcome.OK, "zoë")

    def test_a_count_is_good_once(self) -> None:
        switch, agent = server(), client()
        lines = switch.challenge(NOW, False)
        first, second = attempt(agent, lines, 1), attempt(agent, lines, 3)
        assert switch.check(second, NOW, False).outcome is Outcome.OK
        assert switch.check(second, NOW, False).outcome is Outcome.STALE
        assert switch.check(first, NOW, False).outcome is Outcome.STALE

    def test_old_and_foreign_nonces_are_stale(self) -> None:
        switch = server()
        request = attempt(client(), switch.challenge(NOW, False))
        assert server().check(request, NOW, False).outcome is Outcome.STALE
        assert switch.check(request, Now(60.0, 0.0), False).outcome is Outcome.STALE
        line = switch.challenge(NOW, False, stale=True)[0][1]
        assert Challenge.parse(line).parameters["stale"] == "true"

    @pytest.mark.parametrize(("user", "password"), [("1000", "12345"), ("9999", "1234"), ("1000", ""), ("", "1234")])
    def test_wrong_credentials(self, user: str, password: str) -> None:
        switch = server()
        request = attempt(client(user=user, password=password), switch.challenge(NOW, False))
        assert switch.check(request, NOW, False) == Verdict(Outcome.WRONG, user)

    def test_an_algorithm_that_was_not_offered(self) -> None:
        request = attempt(client(), server("MD5").challenge(NOW, False))
        assert server("SHA-256").check(request, NOW, False).outcome is Outcome.WRONG

    def test_a_count_that_is_no_number(self) -> None:
        switch = server()
        nonce = Challenge.parse(switch.challenge(NOW, False)[0][1]).parameters["nonce"]
        response = compute_response(
            algorithm="MD5",
            ha1=compute_ha1("MD5", "1000", "127.0.0.1", "1234"),
            nonce=nonce,
            method="REGISTER",
            uri=URI,
            qop="auth",
            nc="xyz",
            cnonce="c",
        )
        line = (
            f'Digest username="1000", realm="127.0.0.1", nonce="{nonce}", uri="{URI}", response="{response}", '
            "qop=auth, nc=xyz, cnonce=c"
        )
        assert switch.check(Request("REGISTER", URI, [("Authorization", line)]), NOW, False).outcome is Outcome.WRONG

    def test_the_old_form_without_qop(self) -> None:
        switch = server()
        value = switch.challenge(NOW, False)[0][1].replace(', qop="auth"', "")
        request = attempt(client(), [("WWW-Authenticate", value)])
        assert switch.check(request, NOW, False).outcome is Outcome.OK

    def test_missing_credentials(self) -> None:
        lines = [
            ("Authorization", "rubbish rubbish rubbish"),
            ("Authorization", "Basic eA=="),
            ("Authorization", "Digest realm=x"),
        ]
        assert server().check(Request("REGISTER", URI, lines), NOW, False).outcome is Outcome.MISSING

    def test_nonces_are_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        switch = server()
        for second in range(200):
            switch.challenge(Now(float(second), 0.0), False)
        assert len(switch._nonces) == 60
        monkeypatch.setattr(digest, "_MAX_SERVER_NONCES", 60)
        switch.challenge(Now(199.0, 0.0), False)
        assert len(switch._nonces) == 60

    def test_algorithms_have_to_exist(self) -> None:
        with pytest.raises(LocalError):
            server("ROT13")

    @given(st.text())
    def test_no_credentials_raise(self, text: str) -> None:
        request = Request("REGISTER", URI)
        try:
            request.headers.add("Authorization", f'Digest username="1000", realm="127.0.0.1", {text}')
        except LocalError:
            return
        assert server().check(request, NOW, False).outcome in (Outcome.WRONG, Outcome.MISSING)

    def test_repr_hides_who(self) -> None:
        assert "1000" not in repr(Verdict(Outcome.OK, "1000"))
