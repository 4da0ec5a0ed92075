import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.net.addresses import is_forbidden

PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450:4001::200e"]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_open(address):
    assert not is_forbidden(address)


@given(st.ip_addresses())
def test_what_python_calls_not_global_is_never_open(address):
    if not address.is_global or address.is_multicast:
        assert is_forbidden(address)


@given(st.ip_addresses(v=4))
def test_no_ipv6_form_of_an_ipv4_address_is_open(address):
    number = int(address)
    forms = [
        number,  # compatible
        0xFFFF << 32 | number,  # mapped
        0x64FF9B << 96 | number,  # NAT64
        0x64FF9B0001 << 80 | number,  # local NAT64
        0x2002 << 112 | number << 80,  # 6to4
        0x20010000 << 96 | number ^ 0xFFFFFFFF,  # Teredo
    ]
    assert all(is_forbidden(ipaddress.IPv6Address(form)) for form in forms)


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f.0.0.1", "2130706433", "1.1.1.1 ", "fe80::1%eth0"])
def test_what_is_no_public_address_is_forbidden(text):
    assert is_forbidden(text)
