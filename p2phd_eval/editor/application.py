"""What the page asks of the server, as a Starlette application."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
from msgspec import Meta, Struct
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from p2phd_eval.editing.edits import Edit, kind_of_edit, style_of_edit
from p2phd_eval.editing.scene import Scene
from p2phd_eval.editing.scene_objects import SceneObject, find_object, list_objects
from p2phd_eval.editing.script import script_values
from p2phd_eval.editor.painter import Painter, Pixels, cut_out
from p2phd_eval.editor.palette import PaletteEntry
from p2phd_eval.editor.session import SCRIPT, Session
from p2phd_eval.editor.uploads import MOST_BYTES, UploadKind, keep_upload
from p2phd_eval.errors import InputError
from p2phd_eval.failures import describe_failure
from p2phd_eval.files import json_text
from p2phd_eval.generators.data.triplets import Triplet, find_triplets, folder_names, read_photo
from p2phd_eval.images.png import encode_png
from p2phd_eval.json_files import decode_json_as

_MOST_JSON = 1 << 20  # bytes of a request; a stroke of a minute takes 60 kB
_MOST_OBJECTS = 200  # of the shelf of one image
_LEAST_OBJECT = 12  # pixels of an object of the shelf
_FILES = ("editor.html", "editor.css", "editor.js", "maps.js", "panes.js", "server.js")
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}

_T = TypeVar("_T")
_Coordinate = Annotated[int, Meta(ge=0, lt=2**20)]


class _Position(Struct, forbid_unknown_fields=True):
    image: str
    position: Annotated[int, Meta(ge=0, lt=2**31)]


class _Place(Struct, forbid_unknown_fields=True):
    image: str
    point: tuple[_Coordinate, _Coordinate]


class EditorApplication:
    """Answers the page's requests.

    Parameters
    ----------
    session : Session
    painter : Painter
    palette : tuple of PaletteEntry
    """

    def __init__(self, session: Session, painter: Painter, palette: tuple[PaletteEntry, ...]) -> None:
        self._session, self._painter, self._palette = session, painter, palette
        self._photos = _photos_of(session)
        self._trouble = ""  # why the script could not be written, if so
        # Pictures are made one after the other: torch's own threads take all cores for each.
        self._networks = ThreadPoolExecutor(max_workers=1, thread_name_prefix="networks")

    def starlette(self) -> Starlette:
        """Return the application, with paths as the page asks for them."""
        gets: dict[str, Callable[[Request], Awaitable[Response]]] = {
            "session": self._session_facts,
            "image": self._image,
            "maps": self._maps,
            "photo": self._photo,
            "picture": self._picture,
            "objects": self._objects,
            "object": self._object,
            "script": self._script,
        }
        posts = {
            "edit": self._edit,
            "go-to": self._go_to,
            "style": self._style,
            "styles": self._styles,
            "upload": self._upload,
            "save": self._save,
        }
        app = Starlette(
            routes=[
                *(Route("/" if name == _FILES[0] else f"/{name}", _file(name), methods=["GET"]) for name in _FILES),
                *(Route(f"/api/{name}", answer, methods=["GET"]) for name, answer in gets.items()),
                *(Route(f"/api/{name}", answer, methods=["POST"]) for name, answer in posts.items()),
            ],
            exception_handlers={InputError: _refused, Exception: _failed},
        )
        app.router.redirect_slashes = False  # it would leave the token out
        return app

    def close(self) -> None:
        """Wait for the picture that is being made, and drop those that are asked for."""
        self._networks.shutdown(cancel_futures=True)

    # --- What there is

    async def _session_facts(self, request: Request) -> Response:
        session, config = self._session, self._session.scenes.config
        edited = session.edited_images()
        return _json(
            {
                "data": str(session.scenes.root),
                "phase": session.scenes.phase,
                "folder": str(session.folder),
                "images": [{"key": key, "edits": edited.get(key, 0)} for key in session.scenes.triplets],
                "classes": self._palette,
                "label_nc": config.label_nc,
                "instances": config.instances,
                "features": session.features,
                "styled": any(arm.renderer.features is not None for arm in self._painter.arms),
                "arms": [
                    {
                        "name": arm.name,
                        "precision": arm.renderer.precision.name,
                        "training_step": arm.renderer.training_step,
                        "checkpoint_sha256": arm.renderer.checkpoint_sha256,
                    }
                    for arm in self._painter.arms
                ],
                "photos": bool(self._photos),
                "most_bytes": MOST_BYTES,
            }
        )

    async def _image(self, request: Request) -> Response:
        return _json(await run_in_threadpool(self._state, _asked(request, "image")))

    async def _maps(self, request: Request) -> Response:
        """Answer with the label map and, where there is one, the instance map: int32, little-endian, row by row."""
        scene = await run_in_threadpool(self._scene, _asked(request, "image"), _whole(request, "revision"))
        if scene is None:
            return _outdated()
        maps = [scene.label] if scene.instance is None else [scene.label, scene.instance]
        return Response(b"".join(each.astype("<i4").tobytes() for each in maps), media_type="application/octet-stream")

    async def _photo(self, request: Request) -> Response:
        return _png(await run_in_threadpool(lambda: encode_png(self._photo_of(_asked(request, "image")), "photo")))

    async def _objects(self, request: Request) -> Response:
        """Answer with the objects of an image as it is in the data set, those that have numbers of their own first."""
        image = _asked(request, "image")

        def found() -> list[SceneObject]:
            scene = self._session.scenes.scene(image)
            there = (each for each in list_objects(scene) if each.pixels >= _LEAST_OBJECT)
            return sorted(there, key=lambda each: (not each.counted, -each.pixels))[:_MOST_OBJECTS]

        return _json(
            [
                {
                    "image": image,
                    "label": each.label,
                    "number": each.number,
                    "box": each.box,
                    "pixels": each.pixels,
                    "counted": each.counted,
                }
                for each in await run_in_threadpool(found)
            ]
        )

    async def _object(self, request: Request) -> Response:
        image, label, number = _asked(request, "image"), _whole(request, "label"), _whole(request, "number")

        def made() -> bytes:
            scene = self._session.scenes.scene(image)
            found = find_object(scene, label, number)
            photo = self._photo_of(image) if image in self._photos else None
            return cut_out(scene, found.mask, found.box, photo, self._colour(label))

        return _png(await run_in_threadpool(made))

    async def _script(self, request: Request) -> Response:
        text = json_text(script_values(self._session.script()))
        named = {"Content-Disposition": f'attachment; filename="{SCRIPT}"'}
        return Response(text, media_type="application/json", headers=named)

    # --- What the networks make

    async def _picture(self, request: Request) -> Response:
        """Answer with what an arm makes of a scene; 409 where the scene has changed before its turn came."""
        image, arm = _asked(request, "image"), _whole(request, "arm")
        if arm >= len(self._painter.arms):
            raise InputError("arm", expected=f"0 to {len(self._painter.arms) - 1}", found=str(arm))
        if "original" in request.query_params:
            history = await run_in_threadpool(self._session.history, image)
            return _png(await self._with_networks(self._painter.picture, arm, history.original))
        revision = _whole(request, "revision")

        def picture() -> bytes | None:
            scene = self._scene(image, revision)
            return None if scene is None else self._painter.picture(arm, scene)

        png = await self._with_networks(picture)
        return _outdated() if png is None else _png(png)

    async def _styles(self, request: Request) -> Response:
        place = await _body(request, _Place)
        history = await run_in_threadpool(self._session.history, place.image)
        choices = await self._with_networks(self._painter.choices, history.scene, place.point)
        return _json([{"style": each.style, "png": base64.b64encode(each.png).decode()} for each in choices])

    async def _with_networks(self, call: Callable[..., _T], *arguments: Any) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._networks, call, *arguments)

    # --- What a person does

    async def _edit(self, request: Request) -> Response:
        edit: Edit = await _body(request, Edit)
        await run_in_threadpool(self._session.require_uploads, edit)  # first: no other file is even looked at
        if (style := style_of_edit(edit)) is not None:
            await self._with_networks(self._painter.require_style, style)
        await run_in_threadpool(self._session.add, edit)
        return await self._changed(edit.image)

    async def _go_to(self, request: Request) -> Response:
        wanted = await _body(request, _Position)

        def go() -> None:
            with self._session.lock:
                self._session.history(wanted.image).go_to(wanted.position)

        await run_in_threadpool(go)
        return await self._changed(wanted.image)

    async def _changed(self, image: str) -> Response:
        # Written when the answer is out: the disk may take longer than the networks.
        return _json(await run_in_threadpool(self._state, image), background=BackgroundTask(self._write))

    def _write(self) -> None:
        try:
            self._session.write()
            self._trouble = ""
        except (InputError, OSError) as error:  # told with the next answer
            self._trouble = describe_failure(error).message

    async def _style(self, request: Request) -> Response:
        place = await _body(request, _Place)
        return _json(await run_in_threadpool(self._session.style_at, place.image, place.point))

    async def _upload(self, request: Request) -> Response:
        kind = _asked(request, "kind")
        if kind not in ("mask", "photo"):
            raise InputError("kind", expected="mask | photo", found=repr(kind))
        content = await _content(request, MOST_BYTES)
        kept = await run_in_threadpool(keep_upload, self._session.folder, content, _upload_kind(kind))
        return _json(asdict(kept))

    async def _save(self, request: Request) -> Response:
        saved = await run_in_threadpool(self._session.save)
        return _json({"folder": str(saved.folder), "message": str(saved)})

    # --- Helpers

    def _state(self, image: str) -> dict[str, Any]:
        """Return what the page shows of an image beside its maps."""
        with self._session.lock:
            history = self._session.history(image)
            width, height = history.scene.size
            return {
                "image": image,
                "width": width,
                "height": height,
                "revision": history.revision,
                "position": history.position,
                "edits": [
                    {"kind": kind_of_edit(each), "label": getattr(each, "label", None)} for each in history.edits
                ],
                "styles": {str(number): style for number, style in history.scene.styles.items()},
                "trouble": self._trouble,
            }

    def _scene(self, image: str, revision: int) -> Scene | None:
        """Return the scene of an image as it is; None if it has changed since a revision."""
        with self._session.lock:
            history = self._session.history(image)
            return history.scene if history.revision == revision else None

    def _photo_of(self, image: str) -> Pixels:
        triplet = self._photos.get(image)
        if triplet is None or triplet.photo is None:
            raise InputError("image", expected="one with a photo", found=repr(image))
        return np.asarray(read_photo(triplet.photo))

    def _colour(self, label: int) -> int:
        return next((each.colour for each in self._palette if each.label == label), label & 0xFFFFFF)


def _photos_of(session: Session) -> Mapping[str, Triplet]:
    """Return the images with their photos; none where the data set has no photos."""
    scenes = session.scenes
    folder = folder_names(scenes.phase, scenes.config)[2]
    if folder is None or not (scenes.root / folder).is_dir():
        return {}
    return {each.key: each for each in find_triplets(scenes.root, scenes.phase, scenes.config, photos=True)}


def _upload_kind(kind: str) -> UploadKind:
    return "mask" if kind == "mask" else "photo"


def _asked(request: Request, name: str) -> str:
    found = request.query_params.getlist(name)
    if len(found) != 1:
        raise InputError(name, expected="one value", found=str(len(found)))
    return found[0]


def _whole(request: Request, name: str) -> int:
    text = _asked(request, name)
    if not (text.isascii() and text.isdecimal() and len(text) < 12):
        raise InputError(name, expected="a whole number", found=f"{text!r:.40}")
    return int(text)


async def _content(request: Request, most: int) -> bytes:
    """Return the body of a request; raises HTTP 413 as soon as it is too large."""
    refusal = HTTPException(413, f"Expected at most {most} bytes.")
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:12]) > most:
        raise refusal
    content = bytearray()
    async for block in request.stream():
        content += block
        if len(content) > most:
            raise refusal
    return bytes(content)


async def _body(request: Request, kind: Any) -> Any:
    """Return the body of a request as a value of a type; raises `InputError` for all else."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "Expected application/json.")
    content = await _content(request, _MOST_JSON)
    return decode_json_as(kind, content, "request", expected="JSON")


def _json(values: Any, status: int = 200, background: BackgroundTask | None = None) -> Response:
    content = msgspec.json.encode(values)
    return Response(content, status_code=status, media_type="application/json", background=background)


def _outdated() -> Response:
    return _json({"message": "The scene has changed since."}, 409)


def _png(content: bytes) -> Response:
    return Response(content, media_type="image/png")


def _file(name: str) -> Callable[[Request], Awaitable[Response]]:
    content = (files("p2phd_eval.editor") / "templates" / name).read_bytes()

    async def answer(request: Request) -> Response:
        return Response(content, media_type=_TYPES[Path(name).suffix])

    return answer


async def _refused(request: Request, error: Exception) -> Response:
    return JSONResponse({"message": describe_failure(error).message}, status_code=422)


async def _failed(request: Request, error: Exception) -> Response:
    return JSONResponse({"message": describe_failure(error).message}, status_code=500)
