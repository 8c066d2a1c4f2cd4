"""Who is next: turns between clients, places, limits, closing; laws for any sequence of joining and leaving."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbcore.demo.serving.fair_queue import FairQueue, QueueClosedError, QueueFullError


def served_order(queue, names):
    tickets = [(name, queue.join(name[:3])) for name in names]
    order = []
    while queue.served is not None:
        name = next(name for name, ticket in tickets if ticket is queue.served)
        order.append(name)
        queue.leave(queue.served)
    return order


def test_clients_take_turns_and_keep_their_own_order():
    queue = FairQueue()
    names = ["ann1", "ann2", "ann3", "bob1", "eve1", "eve2"]
    assert served_order(queue, names) == ["ann1", "ann2", "bob1", "eve1", "ann3", "eve2"]


def test_places_are_those_of_being_served():
    queue = FairQueue()
    first = queue.join("ann")
    tickets = [queue.join("ann"), queue.join("ann"), queue.join("bob")]
    assert [queue.position(one) for one in (first, *tickets)] == [0, 1, 3, 2]
    queue.leave(tickets[0])
    assert [queue.position(one) for one in tickets] == [-1, 1, 2]
    queue.leave(tickets[0])
    assert len(queue) == 2


def test_one_client_and_all_clients_have_limits():
    queue = FairQueue(per_client=2, total=2)
    for name in ("ann", "ann"):
        queue.join(name)
    with pytest.raises(QueueFullError, match="2 requests of yours wait already, at most 2 may"):
        queue.join("ann")
    queue.join("bob")
    with pytest.raises(QueueFullError, match="2 requests wait already, at most 2 may"):
        queue.join("eve")


def test_waiting_tells_each_new_place_and_closing_sends_away():
    async def scene():
        queue = FairQueue()
        first, second, third = (queue.join(name) for name in ("a", "b", "c"))
        told = []

        async def wait():
            async for place in queue.wait(third):
                told.append(place)

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        queue.leave(first)
        await asyncio.sleep(0)
        queue.leave(second)
        await waiting
        assert told == [2, 1]
        assert queue.served is third
        fourth = queue.join("d")
        queue.close()
        with pytest.raises(QueueClosedError, match="stopping"):
            async for _ in queue.wait(fourth):
                pass
        with pytest.raises(QueueClosedError, match="stopping"):
            queue.join("e")
        assert queue.served is third  # it is finished all the same

    asyncio.run(scene())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=25))
def test_whatever_happens_somebody_is_served_while_somebody_waits(steps):
    queue, inside = FairQueue(per_client=30, total=99), []
    for client, joins in steps:
        if joins:
            inside.append(queue.join(client))
        elif inside:
            queue.leave(inside.pop(len(client) * 7 % len(inside)))
        assert (queue.served is None) == (not inside)
        assert len(queue) == max(0, len(inside) - 1)
        assert sorted(queue.position(ticket) for ticket in inside) == list(range(len(inside)))
        for client_name in "abc":
            mine = [queue.position(ticket) for ticket in inside if ticket.client == client_name]
            waiting = [place for place in mine if place]
            assert waiting == sorted(waiting)  # nobody is overtaken by a later request of the same client
