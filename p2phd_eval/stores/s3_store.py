"""S3 and what speaks as it does, through s3fs; credentials and endpoint are found as all tools of AWS find them."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, BinaryIO, TypeVar

from p2phd_eval.errors import InputError
from p2phd_eval.stores.object_store import (
    AT_ONCE,
    Broken,
    ObjectState,
    changed_object,
    missing_extra,
    reason,
    redacted,
    refused,
    unreachable,
)

_T = TypeVar("_T")

_CREDENTIALS = (
    "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, as for the command aws; for a bucket that is "
    "open to all, FSSPEC_S3_ANON=true."
)
# Codes of S3's errors: docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_REFUSED = {
    "InvalidAccessKeyId": "an access key that it does not know",
    "SignatureDoesNotMatch": "a secret key that is wrong",
    "ExpiredToken": "credentials that have expired",
    "InvalidToken": "a session token that is wrong",
    "RequestTimeTooSkewed": "a clock here that is minutes wrong",
    "AccessDenied": "no permission for these credentials",
    "AllAccessDisabled": "no permission for anybody",
    "403": "wrong credentials, or none that may read it",
}
_ELSEWHERE = ("PermanentRedirect", "AuthorizationHeaderMalformed", "301")
_BUSY = ("SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "500", "502", "503")
_FIRST_PART = 50 << 20  # bytes above which an object is written in parts


class S3Store:
    """Objects of S3, by ranges, each on the condition that its ETag is still the one that was listed."""

    def __init__(self) -> None:
        self._files: dict[int, Any] = {}  # by process: connections do not survive a fork

    def state(self, url: str) -> ObjectState | None:
        """Return an object's size and ETag; None where there is no such object."""
        bucket, key = _split(url)
        if not key or key.endswith("/"):
            return None
        try:
            found = self._call(url, "head_object", Bucket=bucket, Key=key)
        except FileNotFoundError:
            return None
        return ObjectState(found["ContentLength"], _version(found))

    def objects(self, url: str) -> Iterator[tuple[str, ObjectState]]:
        """List what is below a prefix, page by page; markers of folders are left out."""
        bucket, key = _split(url)
        prefix = f"{key.rstrip('/')}/" if key else ""
        token: dict[str, str] = {}
        while True:
            try:
                page = self._call(url, "list_objects_v2", Bucket=bucket, Prefix=prefix, **token)
            except FileNotFoundError as error:
                raise InputError(
                    redacted(url), expected="a bucket", found=f"none called {bucket!r}", fix="Check its name."
                ) from error
            for each in page.get("Contents", ()):
                if not each["Key"].endswith("/"):
                    yield each["Key"][len(prefix) :], ObjectState(each["Size"], _version(each))
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def read(self, url: str, state: ObjectState, start: int, end: int) -> bytes:
        """Return a part of an object."""
        bucket, key = _split(url)
        condition = {"IfMatch": f'"{state.version}"'} if _is_etag(state.version) else {}

        async def read(files: Any) -> bytes:
            answer = await files._call_s3(
                "get_object", Bucket=bucket, Key=key, Range=f"bytes={start}-{end - 1}", **condition
            )
            if _version(answer) != state.version:  # not every server that speaks S3 knows conditions
                answer["Body"].close()
                raise changed_object(url)
            if (
                answer.get("ContentLength", end - start) != end - start
            ):  # the whole of it, from a server that knows no ranges
                answer["Body"].close()
                raise Broken("another part than was asked for")
            async with answer["Body"] as body:
                content: bytes = await body.read()
                return content

        content = self._sync(url, read)
        if len(content) != end - start:
            raise Broken(f"{len(content)} of {end - start} bytes")
        return content

    def stream(self, url: str, state: ObjectState) -> Iterator[bytes]:
        """Yield an object whole."""
        yield self.read(url, state, 0, state.size)

    def require_writable(self, url: str) -> None:
        """Raise InputError if the bucket is not there, or not for these credentials."""
        bucket, key = _split(url)
        if not key:
            raise InputError(redacted(url), expected="s3://BUCKET/KEY", found="a bucket alone", fix="Name the object.")
        next(self.objects(f"s3://{bucket}/{key}"), None)

    def write(self, url: str, content: BinaryIO, size: int) -> None:
        """Put an object there; a large one in parts, which are one object when the last is there, or none."""
        bucket, key = _split(url)
        if size <= _FIRST_PART:
            self._call(url, "put_object", Bucket=bucket, Key=key, Body=content.read())
            return
        part = max(_FIRST_PART, -(-size // 9_000))  # 10,000 parts at most
        begun = self._call(url, "create_multipart_upload", Bucket=bucket, Key=key)
        named = {"Bucket": bucket, "Key": key, "UploadId": begun["UploadId"]}
        try:
            done = list[dict[str, Any]]()
            while block := content.read(part):
                sent = self._call(url, "upload_part", **named, PartNumber=len(done) + 1, Body=block)
                done.append({"ETag": sent["ETag"], "PartNumber": len(done) + 1})
            self._call(url, "complete_multipart_upload", **named, MultipartUpload={"Parts": done})
        except BaseException:
            self._call(url, "abort_multipart_upload", **named)
            raise

    def _call(self, url: str, method: str, **given: Any) -> dict[str, Any]:
        found: dict[str, Any] = self._sync(url, lambda files: files._call_s3(method, **given))
        return found

    def _connected(self, url: str) -> Any:
        if (files := self._files.get(os.getpid())) is not None:
            return files
        try:
            import s3fs
        except ImportError:
            raise missing_extra(url, "s3fs", "s3") from None
        # It takes FSSPEC_S3_... into account.
        files = s3fs.S3FileSystem(
            skip_instance_cache=True, use_listings_cache=False, config_kwargs={"max_pool_connections": 2 * AT_ONCE}
        )
        self._files[os.getpid()] = files  # those of a parent stay: closed here, they would wait for its threads
        return files

    def _sync(self, url: str, work: Callable[[Any], Coroutine[Any, Any, _T]]) -> _T:
        files = self._connected(url)  # which says what to install
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ParamValidationError
        from fsspec.asyn import sync

        try:
            found: _T = sync(files.loop, work, files)
            return found
        except FileNotFoundError:
            raise
        except NoCredentialsError:
            raise refused(url, "no credentials", _CREDENTIALS) from None
        except ParamValidationError:
            bucket = _split(redacted(url))[0]
            raise InputError(
                redacted(url),
                expected="s3://BUCKET/KEY",
                found=f"{bucket!r}, which is no name of a bucket",
                fix=_CREDENTIALS if "@" in bucket else "",
            ) from None
        except (BotoCoreError, ClientError, OSError, ValueError, TimeoutError, _broken_body()) as error:
            raise self._told(url, error) from None

    def _told(self, url: str, error: BaseException) -> BaseException:
        from botocore.exceptions import BotoCoreError, EndpointConnectionError, HTTPClientError

        code = _code(error)
        if code in ("PreconditionFailed", "412"):
            return changed_object(url)
        if code == "403":  # the answer to a HEAD has no text
            code = self._said_to_listing(url)
        if code in _REFUSED or isinstance(error, PermissionError):
            return refused(url, _REFUSED.get(code, reason(error)), _CREDENTIALS)
        if isinstance(error, EndpointConnectionError):
            return unreachable(url, "no connection to it")
        if isinstance(error, ValueError):  # an endpoint that is no address
            return unreachable(url, reason(error))
        if isinstance(error, BotoCoreError) and not isinstance(error, HTTPClientError):
            return refused(url, reason(error), _CREDENTIALS)
        if code in _ELSEWHERE:
            return refused(url, "a bucket of another region", "Set AWS_DEFAULT_REGION to the region of the bucket.")
        if code in _BUSY or not code:
            return Broken(reason(error))
        return InputError(redacted(url), expected="an answer of S3", found=f"{code}: {reason(error)}")

    def _said_to_listing(self, url: str) -> str:
        """The code of the error that a request with an answer in words has."""
        from fsspec.asyn import sync

        bucket, key = _split(url)
        files = self._connected(url)
        try:
            sync(files.loop, files._call_s3, "list_objects_v2", Bucket=bucket, Prefix=key, MaxKeys=1)
        except Exception as error:  # whatever it is, the request before has failed
            return _code(error) or "403"
        return "AccessDenied"


def _split(url: str) -> tuple[str, str]:
    bucket, _, key = url.partition("://")[2].partition("/")
    return bucket, key


def _version(found: dict[str, Any]) -> str:
    etag: str = found.get("ETag", "").strip('"')
    return etag or str(found.get("LastModified", ""))


def _is_etag(version: str) -> bool:
    return bool(version) and " " not in version


def _code(error: BaseException) -> str:
    """S3's code of an error, from itself or what it was made of."""
    for each in (error, error.__cause__):
        answer = getattr(each, "response", None)
        if answer is not None:
            return str(answer.get("Error", {}).get("Code", ""))
    return ""


def _broken_body() -> type[Exception]:
    """What the client raises of a body that ends too early."""
    from aiohttp import ClientError

    return ClientError
