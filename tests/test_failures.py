from __future__ import annotations

import errno
import os

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.failures import BAD_INPUT, FAULT, describe_failure, traceback_text
from p2phd_eval.formatting import number_text


class OutOfMemoryError(RuntimeError):
    """As torch has it."""


@pytest.mark.parametrize(
    ("error", "exit_code", "words"),
    [
        (InputError("a\nb", expected="x", found="y", fix="b\n c."), BAD_INPUT, "a\\nb: expected x, found y.\nb\n c."),
        (InputError("a", expected="x", found="\x1b[2J"), BAD_INPUT, r"a: expected x, found \x1b[2J."),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a\nb"), BAD_INPUT, r"a\nb: expected to read or write it"),
        (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), BAD_INPUT, "memory: expected enough of it"),
        (MemoryError(), BAD_INPUT, "memory: expected enough of it, found: MemoryError."),
        (OutOfMemoryError("CUDA out of memory. Tried"), BAD_INPUT, "found: CUDA out of memory. Tried.\nFinished"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you"), BAD_INPUT, "memory: expected"),
        (RuntimeError("unable to open shared memory object </torch_1>"), BAD_INPUT, "/dev/shm"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "), BAD_INPUT, "--workers"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), BAD_INPUT, "memory: expected"),
        (RuntimeError("mat1 and mat2"), FAULT, "failed with RuntimeError: mat1 and mat2 (outside of its own code)"),
        (RecursionError("maximum recursion depth exceeded"), FAULT, "a fault of the program"),
        (EOFError(), FAULT, "failed with EOFError ("),
        (KeyError("a\x1bb" * 1000), FAULT, "failed with KeyError: 'a\\x1bb"),
    ],
)  # fmt: skip
def test_an_error_has_its_words_and_its_exit_code(error: Exception, exit_code: int, words: str) -> None:
    failure = describe_failure(error)
    assert failure.exit_code == exit_code
    assert words in failure.message
    assert failure.message.replace("\n", "").isprintable()
    assert len(failure.message) < 1500
    assert (exit_code == FAULT) == ("report it" in failure.message)
    assert failure.message.startswith("a") or "Finished work is kept." in failure.message


def test_a_fault_is_named_with_its_place_in_the_package() -> None:
    try:
        number_text("\x1b]0;")  # type: ignore[arg-type]
    except TypeError as error:
        assert "(formatting.py, line " in describe_failure(error).message
        assert traceback_text(error).startswith("Traceback")
