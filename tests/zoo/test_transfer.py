"""Redirects that a server on this machine cannot show."""

from __future__ import annotations

from pathlib import Path
from urllib.request import Request

import pytest

from dts.zoo.transfer import TransferError, _opener, _WebRedirects


@pytest.mark.parametrize(
    ('old', 'new', 'allowed'),
    [
        ('https://a/x', 'https://b/x', True),
        ('http://a/x', 'https://b/x', True),
        ('https://a/x', 'http://b/x', False),
        ('http://a/x', 'ftp://b/x', False),
        ('https://a/x', 'file:///x', False),
    ],
)
def test_redirects_stay_in_the_web_and_keep_their_protection(
    old: str, new: str, allowed: bool
) -> None:
    request = Request(old, headers={'Range': 'bytes=5-'})
    handler = _WebRedirects()
    if allowed:
        redirected = handler.redirect_request(request, None, 302, 'Found', {}, new)
        assert redirected.full_url == new
        assert redirected.get_header('Range') == 'bytes=5-'
    else:
        with pytest.raises(TransferError, match=f'redirects to {new}'):
            handler.redirect_request(request, None, 302, 'Found', {}, new)


def test_no_other_address_can_be_opened(tmp_path: Path) -> None:
    handled = set(_opener().handle_open)
    assert handled >= {'http', 'https'}
    assert not handled & {'file', 'ftp', 'data'}
    secret = tmp_path / 'secret'
    secret.write_text('secret')
    assert _opener().open(secret.as_uri()) is None
