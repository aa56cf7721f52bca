"""What Ctrl-C and SIGTERM do while something is being finished."""

import signal
from collections.abc import Iterator

import pytest

from p2phd_eval.interrupts import CaughtSignals, StopRequest


@pytest.fixture(autouse=True)
def _ctrl_c() -> Iterator[None]:
    """What Python does with Ctrl-C, also where the tests were started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_first_signal_is_a_request_and_the_second_interrupts() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest() as stop:
        assert stop.signum is None
        signal.raise_signal(signal.SIGINT)
        assert stop.signum == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) == before


def test_signals_that_are_caught_are_all_written_down() -> None:
    sent = [signal.SIGTERM, signal.SIGINT, signal.SIGINT]
    with CaughtSignals() as caught:
        for number in sent:
            signal.raise_signal(number)
    assert caught.signals == sent
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
