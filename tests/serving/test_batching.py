"""Requests that come together are answered together."""

import asyncio
import threading

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="FastAPI is not installed: pip install 'automl-img[serve]'")

from automl_img.serving.batching import Batcher, Busy


def pixels_of(*values):
    return np.array(values, np.uint8).reshape(-1, 1, 1, 1)


class Network:
    """Answers with the pixel itself, the first time only when it is let go."""

    def __init__(self):
        self.seen, self.begun, self.may = [], threading.Event(), threading.Event()

    def __call__(self, pixels):
        self.seen.append(pixels.ravel().tolist())
        self.begun.set()
        assert self.may.wait(30)
        return pixels.ravel().tolist()


async def begun(network):
    await asyncio.get_running_loop().run_in_executor(None, network.begun.wait, 30)


def test_what_comes_while_the_network_works_is_answered_in_one_batch():
    network, sizes = Network(), []

    async def all_of_it():
        batcher = Batcher(network, most=4, told=sizes.append)
        batcher.start()
        first = asyncio.create_task(batcher.answers(pixels_of(1)))
        await begun(network)
        others = [asyncio.create_task(batcher.answers(pixels_of(*values))) for values in ((2, 3), (4,), (5, 6))]
        await asyncio.sleep(0)
        network.may.set()
        found = await asyncio.gather(first, *others)
        await batcher.stop()
        return found

    assert asyncio.run(all_of_it()) == [[1], [2, 3], [4], [5, 6]]
    assert network.seen == [[1], [2, 3, 4], [5, 6]] and sizes == [1, 3, 2]


def test_more_than_may_wait_is_refused_and_the_rest_is_answered():
    network = Network()

    async def all_of_it():
        batcher = Batcher(network, waiting=3)
        batcher.start()
        first = asyncio.create_task(batcher.answers(pixels_of(1)))
        await begun(network)
        second = asyncio.create_task(batcher.answers(pixels_of(2, 3)))
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await batcher.answers(pixels_of(4, 5))
        network.may.set()
        found = await asyncio.gather(first, second)
        await batcher.stop()
        return found

    assert asyncio.run(all_of_it()) == [[1], [2, 3]]


def test_a_request_that_has_gone_is_not_answered_and_harms_nobody():
    network = Network()

    async def all_of_it():
        batcher = Batcher(network)
        batcher.start()
        first = asyncio.create_task(batcher.answers(pixels_of(1)))
        await begun(network)
        gone, stays = (asyncio.create_task(batcher.answers(pixels_of(value))) for value in (2, 3))
        await asyncio.sleep(0)
        gone.cancel()
        network.may.set()
        found = await asyncio.gather(first, stays)
        await batcher.stop()
        return found

    assert asyncio.run(all_of_it()) == [[1], [3]]
    assert network.seen == [[1], [3]]


def test_a_network_that_fails_fails_its_batch_and_goes_on():
    def sometimes(pixels):
        if pixels.max() == 9:
            raise MemoryError("too much")
        return pixels.ravel().tolist()

    async def all_of_it():
        batcher = Batcher(sometimes)
        batcher.start()
        with pytest.raises(MemoryError):
            await batcher.answers(pixels_of(9))
        found = await batcher.answers(pixels_of(1))
        await batcher.stop()
        return found

    assert asyncio.run(all_of_it()) == [1]
