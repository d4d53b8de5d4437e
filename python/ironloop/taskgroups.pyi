from asyncio.taskgroups import TaskGroup as TaskGroup
