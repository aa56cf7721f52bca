"""What the processes that decode images have in common, beside a training and beside a feature network."""

from __future__ import annotations

import signal


def leave_interrupts_to_the_parent(_worker: int) -> None:
    """Start a DataLoader's worker so that Ctrl-C, which reaches the whole process group, is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
