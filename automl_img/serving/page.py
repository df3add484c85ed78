"""The page to drop a picture on."""

from __future__ import annotations

import secrets

from automl_img.report.rendering import render

TEMPLATE = "serve.html.j2"


def page(name: str, *, asks_token: bool, most_bytes: int) -> tuple[str, str]:
    """Return the page, and the word that its script and its style must carry to be run by a browser.

    Args:
        name: What the model is called; empty: it is told to those alone who bring the token.
        asks_token: Whether requests must bring a token, for which the page asks.
        most_bytes: Of one request; the page sends one for each picture.
    """
    nonce = secrets.token_urlsafe(16)
    text = render(
        TEMPLATE,
        package="automl_img.serving",
        name=name,
        asks_token=asks_token,
        most_bytes=most_bytes,
        nonce=nonce,
    )
    return text, nonce


def page_headers(nonce: str) -> dict[str, str]:
    """What a browser is told of the page: it loads nothing, and runs nothing but its own script."""
    own = f"'nonce-{nonce}'"
    policy = (
        f"default-src 'none'; script-src {own}; style-src {own}; img-src blob: data:; connect-src 'self'; "
        "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
