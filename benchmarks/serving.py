"""A load on the server: 2,000 requests of one image each over 16 connections, against one bare call of the same model.

    python benchmarks/serving.py RUN [--requests 2000] [--connections 16]

Starts `automl-img serve RUN` on this machine, so that server and clients share its cores, and prints one table.
"""

import argparse
import http.client
import io
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image

from automl_img import load

PROGRAM = str(Path(sys.executable).parent / "automl-img")
BARE = 200  # calls of the bare model


def picture(rng, shape):
    pixels = rng.integers(0, 256, shape, dtype=np.uint8)
    written = io.BytesIO()
    Image.fromarray(pixels[..., 0] if shape[2] == 1 else pixels).save(written, "PNG")
    return written.getvalue()


def bare_seconds(predictor, content):
    """Seconds of one call with one file's content, decoding included, without a server."""
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"automl-img-{os.getpid()}.png"
    path.write_bytes(content)
    taken = []
    for _ in range(BARE):
        begin = time.perf_counter()
        predictor.predict([path])
        taken.append(time.perf_counter() - begin)
    path.unlink()
    return np.array(taken[BARE // 10 :])


def load_test(port, contents, count, connections):
    """Seconds of each request, and the statuses by number."""
    work, seconds, statuses, lock = queue.SimpleQueue(), [], {}, threading.Lock()
    for place in range(count):
        work.put(place)

    def client():
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while True:
            try:
                place = work.get_nowait()
            except queue.Empty:
                return
            begin = time.perf_counter()
            connection.request("POST", "/predict", contents[place % len(contents)], {"Content-Type": "image/png"})
            answer = connection.getresponse()
            answer.read()
            with lock:
                seconds.append(time.perf_counter() - begin)
                statuses[answer.status] = statuses.get(answer.status, 0) + 1

    threads = [threading.Thread(target=client) for _ in range(connections)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return np.array(seconds), statuses, time.perf_counter() - begin


def row(name, seconds, rate, note=""):
    p50, p95, p99 = (1e3 * np.quantile(seconds, share) for share in (0.5, 0.95, 0.99))
    print(f"| {name} | {rate:,.0f} | {p50:.1f} ms | {p95:.1f} ms | {p99:.1f} ms | {note} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--connections", type=int, default=16)
    given = parser.parse_args()
    predictor = load(given.run)
    image = predictor.card.plan.image
    rng = np.random.default_rng(0)
    contents = [picture(rng, (image.height, image.width, image.channels)) for _ in range(100)]
    bare = bare_seconds(predictor, contents[0])
    process = subprocess.Popen([PROGRAM, "serve", given.run, "--port", "0"], stdout=subprocess.PIPE, text=True)
    port = int(process.stdout.readline().rpartition(":")[2])
    try:
        load_test(port, contents, 50, 2)
        alone, _, alone_wall = load_test(port, contents, given.requests // 10, 1)
        seconds, statuses, wall = load_test(port, contents, given.requests, given.connections)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    print("| | requests/s | p50 | p95 | p99 | |\n|---|---|---|---|---|---|")
    row("one bare call", bare, 1 / bare.mean())
    row("one connection", alone, len(alone) / alone_wall)
    told = ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items()))
    row(f"{given.connections} connections", seconds, len(seconds) / wall, told)
    lost = given.requests - statuses.get(200, 0)
    print(
        f"\n{lost} of {given.requests} requests lost; p95 is {np.quantile(seconds, 0.95) / np.median(bare):.1f} bare calls"
    )
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
