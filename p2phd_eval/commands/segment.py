"""`p2phd-eval segment`."""

import typer

from p2phd_eval.commands.options.folders import FolderOptionsCommand
from p2phd_eval.commands.segment_score import score
from p2phd_eval.commands.segment_train import train

app = typer.Typer(no_args_is_help=True, help="Judge samples by what a segmenter finds in them.")
app.command(cls=FolderOptionsCommand)(score)
app.command()(train)
