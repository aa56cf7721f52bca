"""The editor as a program: models and data opened, a port taken, requests answered until Ctrl-C."""

from __future__ import annotations

import errno
import os
import secrets
import socket
import sys
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from p2phd_eval.editing.data_scenes import DataScenes
from p2phd_eval.editor.painter import Arm, Painter
from p2phd_eval.editor.palette import palette_of
from p2phd_eval.editor.session import SCRIPT, Features, Session
from p2phd_eval.errors import InputError, require_whole
from p2phd_eval.generators.sampling.renderer import Renderer, open_renderer
from p2phd_eval.interrupts import StopRequest
from p2phd_eval.locks import hold_folder
from p2phd_eval.progress import Note, ProgressFactory, silent, unheard

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_ADDRESS = "127.0.0.1"
_MOST_ARMS = 2


class EditorServer:
    """A page that is ready to be asked for, at `address`; see `open_editor`."""

    def __init__(self, app: ASGIApp, listener: socket.socket, address: str, script: Path) -> None:
        import uvicorn

        self.address, self.script = address, script
        self._listener = listener
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                lifespan="off",
                loop="asyncio",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=2,
            )
        )

    def answer(self) -> None:
        """Answer requests until Ctrl-C or SIGTERM, or until another thread calls `stop`."""
        with StopRequest():  # uvicorn ends at a signal, and hands it on
            self._server.run(sockets=[self._listener])

    def stop(self) -> None:
        """Let `answer` return."""
        self._server.should_exit = True


@contextmanager
def open_editor(
    runs: Sequence[str | Path],
    data: str | Path,
    *,
    phase: str = "test",
    port: int = 8765,
    out: str | Path = "edits",
    precisions: Sequence[str] = ("fp32",),
    clusters: Sequence[Path] = (),
    seed: int = 0,
    device: str | torch.device | None = None,
    note: Note = unheard,
    progress: ProgressFactory = silent,
) -> Iterator[EditorServer]:
    """Let a person edit the images of a data set in a browser and see what one or two models make of them.

    The server is reached from this machine alone, by an address with a random token.

    Parameters
    ----------
    runs : sequence of str or Path
        One or two run folders, checkpoints or folders of the original.
    data : str or Path
        A data set in pix2pixHD's layout.
    phase : str
        Which part of it.
    port : int
        0: any that is free.
    out : str or Path
        Folder of the script, which is written as one edits, of what is uploaded, and of saved data sets. A script that
        it holds is taken up again.
    precisions : sequence of str
        In which pictures are made: one for all runs, or one for each.
    clusters : sequence of Path
        Of each run with an encoder; by default those in its folder.
    seed : int
        Of drawn styles, as of `generate`.
    device : str or torch.device, optional
        By default cuda, mps or cpu, the first that there is.

    Yields
    ------
    EditorServer
        Whose `answer` is to be called.

    Raises
    ------
    InputError
        If a package is missing, the port is taken, runs do not fit the data or each other, or as `open_renderer`,
        `DataScenes.open` and `Session` do.
    """
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise InputError(
            "edit serve",
            expected="the packages starlette and uvicorn",
            found=str(error),
            fix="Install them: pip install 'p2phd-eval[editor]'.",
        ) from None
    from p2phd_eval.editor.application import EditorApplication
    from p2phd_eval.editor.guard import Guard

    with ExitStack() as held:
        listener = held.enter_context(_listen(port))  # first, since all else takes longer
        arms = _open_arms(
            runs, data, phase=phase, precisions=precisions, clusters=clusters, seed=seed, device=device, note=note
        )
        label_nc, features = _require_alike(arms)
        scenes = DataScenes.open(data, phase, label_nc=label_nc, progress=progress)
        if not scenes.config.instances and any(arm.renderer.config.data.instances for arm in arms):
            raise InputError(str(data), expected=f"a folder {phase}_inst, since the model sees instances", found="none")
        folder = Path(out)
        held.enter_context(hold_folder(folder))
        session = Session(scenes, folder, features or scenes.features)
        first = scenes.scene(next(iter(scenes.triplets)))
        editor = EditorApplication(session, Painter(arms, folder), palette_of(scenes.root, label_nc, first.label))
        held.callback(session.write)
        held.callback(editor.close)
        token = secrets.token_urlsafe(24)
        taken: int = listener.getsockname()[1]
        guarded = Guard(editor.starlette(), token=token, port=taken)
        yield EditorServer(guarded, listener, f"http://{_ADDRESS}:{taken}/{token}/", folder / SCRIPT)


def open_browser(address: str) -> None:
    """Open a page where there is a screen; elsewhere a browser of the terminal would take the terminal."""
    screen = sys.platform in ("win32", "darwin") or bool({"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys())
    if screen:
        webbrowser.open(address)


def _listen(port: int) -> socket.socket:
    require_whole(0, 65535, {"--port": port})
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # A port that a server has just left is free again at once.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_ADDRESS, port))
        listener.listen()
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        raise InputError(
            f"--port {port}",
            expected="a free port",
            found="one that another program uses, perhaps another edit serve" if taken else str(error.strerror),
            fix="Name another one, or --port 0 for any that is free.",
        ) from None
    return listener


def _open_arms(
    runs: Sequence[str | Path],
    data: str | Path,
    *,
    phase: str,
    precisions: Sequence[str],
    clusters: Sequence[Path],
    seed: int,
    device: str | torch.device | None,
    note: Note,
) -> list[Arm]:
    if not 1 <= len(runs) <= _MOST_ARMS:
        raise InputError("RUN", expected=f"one to {_MOST_ARMS} runs", found=str(len(runs)))
    if len(precisions) not in (1, len(runs)):
        raise InputError(
            "--precision", expected=f"one, or one for each of {len(runs)} runs", found=str(len(precisions))
        )
    if clusters and len(clusters) != len(runs):
        raise InputError("--clusters", expected=f"one for each of {len(runs)} runs", found=str(len(clusters)))
    names = _names(runs, precisions)
    arms = []
    for number, run in enumerate(runs):
        renderer = open_renderer(
            run,
            precision=precisions[number % len(precisions)],
            seed=seed,
            clusters=clusters[number] if clusters else None,
            data=data,
            phase=phase,
            device=device,
            note=note,
        )
        arms.append(Arm(name=names[number], renderer=renderer))
    return arms


def _names(runs: Sequence[str | Path], precisions: Sequence[str]) -> list[str]:
    """Return what tells runs apart for people: the folder's name, or else the precision, or the whole path."""
    for names in ([Path(run).name for run in runs], list(precisions), [str(run) for run in runs]):
        if len(names) == len(runs) and len(set(names)) == len(names) and all(names):
            return names
    return [f"{run} ({number})" for number, run in enumerate(runs, start=1)]


def _require_alike(arms: Sequence[Arm]) -> tuple[int, Features | None]:
    """Return how many classes the models see, and what has one style in those that have styles."""
    classes = {arm.renderer.config.data.label_nc for arm in arms}
    if len(classes) > 1:
        raise InputError(
            "RUN2", expected="a model of as many classes", found=" and ".join(str(each) for each in sorted(classes))
        )
    kinds = {_features_of(arm.renderer) for arm in arms} - {None}
    if len(kinds) > 1:
        raise InputError(
            "RUN2", expected="a model with the same --features", found=" and ".join(sorted(str(each) for each in kinds))
        )
    return classes.pop(), kinds.pop() if kinds else None


def _features_of(renderer: Renderer) -> Features | None:
    kind = renderer.config.features.kind
    return "instance" if kind == "instance" else "label" if kind == "label" else None
