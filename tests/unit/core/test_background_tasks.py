"""Tasks that nobody waits for."""

import asyncio

from thing_operator.core.background_tasks import BackgroundTasks


async def test_a_task_is_kept_until_it_has_ended() -> None:
    tasks, go_on = BackgroundTasks(), asyncio.Event()

    async def work() -> None:
        await go_on.wait()

    tasks.start(work(), name="work")
    (task,) = tasks
    assert task.get_name() == "work"
    go_on.set()
    await task
    await asyncio.sleep(0)
    assert list(tasks) == []
