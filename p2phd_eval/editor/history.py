"""The edits of one image, every one of which can be undone and done again."""

from __future__ import annotations

from collections.abc import Callable

from p2phd_eval.editing.edits import Edit
from p2phd_eval.editing.operations import Edited
from p2phd_eval.editing.scene import Scene

# Every so many edits the scene is kept; those between are edited anew from there, a few milliseconds each.
_KEPT_EVERY = 16


class History:
    """A scene, the edits that were done to it, and those that were undone and could be done again.

    `scene`: without edits. `apply`: does an edit; what it raises leaves the history as it was.
    """

    def __init__(self, scene: Scene, apply: Callable[[Scene, Edit], Edited]) -> None:
        self._apply = apply
        self._edits: list[Edit] = []
        self._kept = {0: scene}  # by the number of edits done
        self.position = 0  # how many edits are done
        self.scene = scene
        self.original = scene
        self.revision = 0  # another after every change

    @property
    def done(self) -> tuple[Edit, ...]:
        """The edits that are done, in order."""
        return tuple(self._edits[: self.position])

    @property
    def edits(self) -> tuple[Edit, ...]:
        """Those that are done, and behind them those that were undone."""
        return tuple(self._edits)

    def add(self, edit: Edit) -> Edited:
        """Do an edit; what was undone before is forgotten."""
        edited = self._apply(self.scene, edit)
        del self._edits[self.position :]
        self._kept = {n: scene for n, scene in self._kept.items() if n <= self.position}
        self._edits.append(edit)
        self._stand(self.position + 1, edited.scene)
        return edited

    def go_to(self, position: int) -> None:
        """Undo edits, or do them again, until `position` are done; that is brought into the range there is."""
        position = min(max(position, 0), len(self._edits))
        if position == self.position:
            return
        start = max(n for n in self._kept if n <= position)
        scene = self._kept[start]
        if start <= self.position < position:
            start, scene = self.position, self.scene
        for number in range(start, position):
            scene = self._apply(scene, self._edits[number]).scene
            self._keep(number + 1, scene)
        self._stand(position, scene)

    def _stand(self, position: int, scene: Scene) -> None:
        self.position, self.scene = position, scene
        self.revision += 1
        self._keep(position, scene)

    def _keep(self, position: int, scene: Scene) -> None:
        if position % _KEPT_EVERY == 0:
            self._kept[position] = scene
