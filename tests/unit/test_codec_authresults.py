"""codec.authresults: fields of RFC 8601 and RFC 7208, with comments, quotes and odd things."""

import pytest

from qscanner.codec.authresults import MAX_OCTETS, Result, authentication_results, received_spf


@pytest.mark.parametrize(
    ("value", "id_", "results"),
    [
        pytest.param(b" mx.example; none", "mx.example", [], id="none"),
        pytest.param(
            b" MX.example 1;\n\tdkim=pass (good; signature) header.d=A.example header.b=x;"
            b"\n spf=fail smtp.mailfrom=b@c.example",
            "mx.example",
            [
                ("dkim", "pass", (("header.d", "A.example"), ("header.b", "x"))),
                ("spf", "fail", (("smtp.mailfrom", "b@c.example"),)),
            ],
            id="two",
        ),
        pytest.param(
            b'"mx.example"; dkim/1 = PASS reason="a; dkim=pass \\" b" header.i=@a.example',
            "mx.example",
            [("dkim", "pass", (("reason", 'a; dkim=pass " b'), ("header.i", "@a.example")))],
            id="quoted",
        ),
        pytest.param(
            b"mx.example; spf=none (a (nested; dkim=pass) one)",
            "mx.example",
            [("spf", "none", ())],
            id="nested-comment",
        ),
        pytest.param(b"", "", [], id="empty"),
        pytest.param(b";;;", "", [], id="only-semicolons"),
        pytest.param(b"(mx.example; dkim=pass", "", [], id="open-comment"),
        pytest.param(b"mx.example;" + b"a=b;" * MAX_OCTETS, "", [], id="too-long"),
    ],
)
def test_authentication_results(
    value: bytes, id_: str, results: list[tuple[str, str, tuple[tuple[str, str], ...]]]
) -> None:
    """Comments say nothing, quotes hold a semicolon together."""
    want = tuple(Result(method=m, result=r, properties=p) for m, r, p in results)
    assert authentication_results(value) == (id_, want)


@pytest.mark.parametrize(
    ("value", "result", "client_ip"),
    [
        (
            b" pass (mx.example: domain of a@b designates 192.0.2.1 as permitted sender)",
            "pass",
            (),
        ),
        (b"Pass (x) client-ip=192.0.2.1; envelope-from=a@b;", "pass", ("192.0.2.1",)),
        (b"softfail client-ip=::1", "softfail", ("::1",)),
    ],
)
def test_received_spf(value: bytes, result: str, client_ip: tuple[str, ...]) -> None:
    """The first word is the result; keys are where the patch writes them."""
    found = received_spf(value)
    assert found is not None
    assert (found.result, found.values("client-ip")) == (result, client_ip)


@pytest.mark.parametrize("value", [b"", b" (pass)", b"result=pass"])
def test_no_received_spf(value: bytes) -> None:
    """Without a result there is none."""
    assert received_spf(value) is None
