"""`p2phd-eval edit`."""

import typer

from p2phd_eval.commands.edit_faces import faces

app = typer.Typer(no_args_is_help=True, help="Change maps, and see what a model makes of them.")
app.command()(faces)


@app.callback()
def _edit() -> None:
    """Change maps, and see what a model makes of them."""
