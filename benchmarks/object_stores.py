"""Listing 100,000 keys of a store, and reading small photos at a distance of some milliseconds: time and memory.

A real S3 server (moto's) runs in a process of its own, behind a wire that delays every answer, as a network does. What
is timed runs in processes of their own too, so that the memory is theirs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measuring import describe_machine, today

from p2phd_eval.files import write_json
from p2phd_eval.user_folders import CACHE_VARIABLE

BUCKET = "photos"
_KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}

_SERVER = """
import sys, threading
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer
keys, photos, size = map(int, sys.argv[1:])
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
store = s3_backends["123456789012"]["aws"]
store.create_bucket("photos", "us-east-1")
for number in range(keys):
    store.put_object("photos", f"many/{number % 100:02}/{number:06}.png", b"")
for number in range(photos):
    store.put_object("photos", f"few/{number:06}.png", number.to_bytes(4, "big") * (size // 4))
print(server.get_host_and_port()[1], flush=True)
threading.Event().wait()
"""

# What is timed: each prints seconds, seconds of the processor, and MiB at the most; what it read is checked.
_PROLOGUE = """
import hashlib, json, os, resource, sys, time
def done(start, result):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": time.perf_counter() - start[0], "processor_seconds": time.process_time() - start[1],
                      "mib": peak - before, "result": result}))
"""
_TIMED = {
    "list: open_source": """
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.stores.store_path import as_path
as_path("s3://photos/none").exists()  # libraries are loaded
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
start = time.perf_counter(), time.process_time()
done(start, len(open_source("s3://photos/many")))
""",
    "list: boto3, names alone": """
import boto3
client = boto3.client("s3")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
start = time.perf_counter(), time.process_time()
pages = client.get_paginator("list_objects_v2").paginate(Bucket="photos", Prefix="many/")
done(start, len(sorted(each["Key"] for page in pages for each in page["Contents"])))
""",
    "read: open_source": """
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.stores.store_path import as_path
as_path("s3://photos/none").exists()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
source = open_source("s3://photos/few")
start = time.perf_counter(), time.process_time()
digest = hashlib.sha256("".join(source.content_sha256(i) for i in range(len(source))).encode())
done(start, digest.hexdigest())
""",
    "read: boto3, one after another": """
import boto3
client = boto3.client("s3")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
pages = client.get_paginator("list_objects_v2").paginate(Bucket="photos", Prefix="few/")
names = sorted(each["Key"] for page in pages for each in page["Contents"])
start = time.perf_counter(), time.process_time()
hashes = [hashlib.sha256(client.get_object(Bucket="photos", Key=name)["Body"].read()).hexdigest() for name in names]
done(start, hashlib.sha256("".join(hashes).encode()).hexdigest())
""",
}
_TIMED["read: open_source, again"] = _TIMED["read: open_source"]


@contextmanager
def delaying_wire(server_port: int, delay: float) -> Iterator[int]:
    """Pass on connections to a server of this machine; answers begin `delay` seconds late."""

    def ask(client: socket.socket, server: socket.socket) -> None:
        while data := client.recv(1 << 16):
            time.sleep(delay)
            server.sendall(data)
        server.close()

    def answer(server: socket.socket, client: socket.socket) -> None:
        while data := server.recv(1 << 20):
            client.sendall(data)

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                server = socket.create_connection(("127.0.0.1", server_port))
                for carry, pair in ((ask, (client, server)), (answer, (server, client))):
                    threading.Thread(target=_quietly(carry), args=pair, daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _quietly(carry: Callable[[socket.socket, socket.socket], None]) -> Callable[[socket.socket, socket.socket], None]:
    def run(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):  # either side has left
            carry(one, other)

    return run


def timed(code: str, environment: dict[str, str]) -> dict[str, Any]:
    process = subprocess.run(
        [sys.executable, "-c", _PROLOGUE + code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    if process.returncode:
        raise SystemExit(process.stderr)
    found: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--bytes", type=int, default=100_000, help="of a photo")
    parser.add_argument("--delay", type=float, default=0.02, help="seconds from a request to its answer")
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / f"results/object-stores-{today()}.json")
    given = parser.parse_args()
    machine = describe_machine()
    numbers = [str(each) for each in (given.keys, given.photos, given.bytes)]
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER, *numbers], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        with tempfile.TemporaryDirectory() as cache, delaying_wire(port, given.delay) as wire:
            environment = {**_KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{wire}", CACHE_VARIABLE: cache}
            results = {}
            for name, code in _TIMED.items():
                results[name] = timed(code, environment)
                print(name, results[name], flush=True)
    finally:
        server.terminate()
        server.wait()
    reads = {each["result"] for name, each in results.items() if name.startswith("read")}
    assert len(reads) == 1, reads
    seconds = {name: each["seconds"] for name, each in results.items()}
    one_by_one = seconds["read: boto3, one after another"]
    document = {
        "date": today(),
        "machine": machine,
        "keys": given.keys,
        "photos": given.photos,
        "bytes_of_a_photo": given.bytes,
        "delay_seconds": given.delay,
        "results": results,
        "ratios": {
            "boto3, one after another, to reading": one_by_one / seconds["read: open_source"],
            "boto3, one after another, to reading again": one_by_one / seconds["read: open_source, again"],
            "listing to boto3's": seconds["list: open_source"] / seconds["list: boto3, names alone"],
        },
    }
    write_json(given.json, document)
    print(document["ratios"], f"written: {given.json}")


if __name__ == "__main__":
    main()
