"""`p2phd-eval edit`."""

import typer

from p2phd_eval.commands.edit_compare import compare
from p2phd_eval.commands.edit_faces import faces
from p2phd_eval.commands.edit_scripts import apply, random
from p2phd_eval.commands.edit_serve import serve
from p2phd_eval.commands.options.folders import FolderOptionsCommand

app = typer.Typer(no_args_is_help=True, help="Change maps, and see what a model makes of them.")
app.command()(apply)
app.command()(random)
app.command(cls=FolderOptionsCommand)(compare)
app.command()(faces)
app.command()(serve)
