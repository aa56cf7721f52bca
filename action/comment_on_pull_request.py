"""The step of action.yml that comments the summary on the pull request: one comment a name, written anew by each run.

The rules decide whether the job passes, so a comment that cannot be written (a pull request from a fork has a token
that may only read) is a warning. All that it is given comes through its environment.
"""

from __future__ import annotations

import json
import os
import re
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any

_LARGEST = 65_536  # characters of a comment
_PAGE = 100  # comments of a page, as many as there can be
_SECONDS = 30
# Who may write to the repository; a stranger's comment with our marker in it is not ours to go on with.
_TRUSTED = ("OWNER", "MEMBER", "COLLABORATOR")


def main() -> None:
    """Write SUMMARY, a file, as the comment of NAME."""
    event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
    repository = f"{os.environ['GITHUB_API_URL']}/repos/{os.environ['GITHUB_REPOSITORY']}"
    # Inside an HTML comment neither `--` nor `>` may stand.
    name = re.sub(r"--|[^0-9A-Za-z._ -]", "_", os.environ["NAME"])
    marker = f"<!-- p2phd-eval action: {name} -->"
    home = f"{os.environ['GITHUB_SERVER_URL']}/{os.environ['GITHUB_REPOSITORY']}"
    link = f"[The run]({home}/actions/runs/{os.environ['GITHUB_RUN_ID']})"
    text = comment_text(marker, Path(os.environ["SUMMARY"]).read_text(encoding="utf-8"), link)
    try:
        print(write_comment(repository, int(event["pull_request"]["number"]), marker, text, os.environ["TOKEN"]))
    except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
        message = " ".join(str(error).split()).replace("::", ": :")
        print(f"::warning title=p2phd-eval::No comment on the pull request: {type(error).__name__}: {message}")


def comment_text(marker: str, summary: str, link: str) -> str:
    """Return the comment: as much of the summary as a comment holds, whole lines of it."""
    body, end = f"{marker}\n{summary.strip()}", f"\n\n{link}\n"
    if len(body) + len(end) > _LARGEST:
        end = f"\n\nThe rest stands in the summary of the job. {link}\n"
        body = body[: _LARGEST - len(end)].rpartition("\n")[0]
    return body + end


def write_comment(repository: str, number: int, marker: str, text: str, token: str) -> str:
    """Write over the comment with the marker, or write one; return where it is."""
    page, comments = 1, f"{repository}/issues/{number}/comments"
    address, method = comments, "POST"
    while True:
        found = _request(f"{comments}?per_page={_PAGE}&page={page}", token)
        ours = [each for each in found if str(each.get("body", "")).startswith(marker) and _is_trusted(each)]
        if ours:
            address, method = f"{repository}/issues/comments/{int(ours[0]['id'])}", "PATCH"
        if ours or len(found) < _PAGE:
            break
        page += 1
    return str(_request(address, token, method, {"body": text}).get("html_url", address))


def _is_trusted(comment: dict[str, Any]) -> bool:
    return comment["user"]["type"] == "Bot" or comment.get("author_association") in _TRUSTED


def _request(address: str, token: str, method: str = "GET", values: dict[str, str] | None = None) -> Any:
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "User-Agent": "p2phd-eval",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    data = None if values is None else json.dumps(values).encode()
    request = urllib.request.Request(address, data=data, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main()
