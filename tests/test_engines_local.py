"""The engine: everything comes back once, in order, whatever dies."""

from __future__ import annotations

import ctypes
import itertools
import os
import signal
import subprocess
import sys
import textwrap
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from dataaudit.engines import Lost, memory
from dataaudit.engines.local import LOOK_AHEAD, LocalEngine
from dataaudit.errors import IncompleteError

# ------------------------------------------------------------ what runs in the workers (imported there by name)


def act(items, begin):
    """Answer each number with its square; each word dies the death it names."""
    results = []
    for index, item in enumerate(items):
        begin(index)
        if item == "segv":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif item == "exit":
            os._exit(0)
        elif item == "hang":
            time.sleep(600)
        elif item == "memory":
            bytearray(64 * 2**30)
        elif item == "raise":
            raise ZeroDivisionError("in the function")
        results.append(item * item if isinstance(item, int) else item)
    return results


def die_once(items, begin, *, marker):
    for index, item in enumerate(items):
        begin(index)
        if item == 3 and not Path(marker).exists():
            Path(marker).touch()
            os._exit(7)
    return list(items)


def die_in_crowd(items, begin):
    begin(0)
    if len(items) > 1:
        os._exit(1)
    return list(items)


def slow(items, begin):
    for index, _ in enumerate(items):
        begin(index)
        time.sleep(0.1)
    return list(items)


def process_of(items, begin):
    begin(0)
    return [os.getpid()]


def take_turns(items, begin, *, weight):
    """Return, for each item, when it was alone with something of that many MiB."""
    times = []
    for index, _ in enumerate(items):
        begin(index)
        with memory.turn(weight):
            start = time.monotonic()
            time.sleep(0.4)
            times.append((start, time.monotonic()))
    return times


def die_in_turn(items, begin):
    begin(0)
    with memory.turn(memory.HEAVY):
        if items[0] == "die":
            os._exit(1)
    return list(items)


def chatter(items, begin):
    begin(0)
    print("noise", flush=True)  # noqa: T201 - what it tests
    os.write(1, b"raw noise\n" * 1000)
    os.write(2, b"raw noise\n" * 1000)
    return [sys.stdin.read(1)]


def imports(items, begin):
    begin(0)
    return sorted({name.partition(".")[0] for name in sys.modules})


def big(items, begin):
    begin(0)
    return bytes(4_000_000)


class UnpicklableError(Exception):
    def __init__(self, first, second):
        super().__init__(first)
        self.second = second


def raise_unpicklable(items, begin):
    raise UnpicklableError("one", "two")


# --------------------------------------------------------------------------------------------------------------


def answers(engine, items, *, batch_size, function=act):
    """Map, check the contract of the ordered map, and return one outcome an item."""
    outcomes, seen, done = [], [], []
    for batch, result in engine.map_batches(function, items, batch_size=batch_size, progress=done.append):
        seen.extend(batch)
        assert 0 < len(batch) <= batch_size
        if isinstance(result, Lost):
            assert len(batch) == 1
            outcomes.append(result)
        else:
            outcomes.extend(result)
    assert seen == list(items)
    assert sum(done) == len(items)
    return outcomes


@pytest.fixture(scope="module")
def engine():
    with LocalEngine(2, 0.6, 256) as running:
        yield running


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 1000])
def test_an_ordered_map(engine, count):
    assert answers(engine, range(count), batch_size=8) == [n * n for n in range(count)]


def test_one_job_gives_the_same_in_another_process():
    with LocalEngine(1, 5, 256) as engine:
        assert answers(engine, range(20), batch_size=3) == [n * n for n in range(20)]
        (pid,) = answers(engine, [0], batch_size=1, function=process_of)
    assert pid != os.getpid()
    assert not psutil.pid_exists(pid)


def test_workers_stay_warm_between_maps(engine):
    first = set(answers(engine, [0], batch_size=1, function=process_of))
    for _ in range(5):
        first |= set(answers(engine, [0], batch_size=1, function=process_of))
    assert len(first) <= engine.jobs


LOST = {
    "segv": Lost("crash", "its worker was killed by SIGSEGV"),
    "exit": Lost("crash", "its worker ended with exit code 0"),
    "hang": Lost("timeout", "took longer than 0.6 s"),
    "memory": Lost("memory", "needed more than 256 MiB"),
}


@pytest.mark.parametrize(("death", "place"), [("segv", 0), ("segv", 7), ("exit", 3), ("exit", 19), ("hang", 3), ("memory", 7)])
def test_a_death_loses_the_guilty_item_only(engine, death, place):
    items = list(range(20))
    items[place] = death
    expected = [n * n for n in range(20)]
    expected[place] = LOST[death]
    assert answers(engine, items, batch_size=8) == expected


def test_all_the_guilty_of_one_batch_are_found(engine):
    items = [0, "segv", "exit", 3, "memory", 5, "hang", 7, 8, "segv"]
    assert answers(engine, items, batch_size=10) == [LOST.get(n, n * n if isinstance(n, int) else n) for n in items]


def test_a_hang_is_seen_when_the_item_is_overdue_not_the_batch():
    items = [*range(10), "hang", *range(53)]
    with LocalEngine(1, 1.0, 256) as engine:
        answers(engine, range(3), batch_size=3)  # the start is not what is timed
        start = time.monotonic()
        answers(engine, items, batch_size=64)
    assert time.monotonic() - start < 8  # twice a second, and two starts; a limit of the batch would be 64


def test_a_slow_batch_of_quick_items_is_no_timeout():
    with LocalEngine(1, 0.8, 256) as engine:
        assert answers(engine, range(20), batch_size=20, function=slow) == list(range(20))


def test_an_item_blamed_once_gets_a_second_chance(tmp_path):
    with LocalEngine(2, 5, 256) as engine:
        function = partial(die_once, marker=str(tmp_path / "died"))
        assert answers(engine, range(8), batch_size=8, function=function) == list(range(8))
    assert (tmp_path / "died").exists()


def test_a_batch_that_dies_as_a_whole_is_done_one_by_one(engine):
    assert answers(engine, range(5), batch_size=5, function=die_in_crowd) == list(range(5))


def test_an_exception_is_the_callers(engine):
    with pytest.raises(ZeroDivisionError, match="in the function") as caught:
        answers(engine, [1, "raise", 2], batch_size=2)
    assert any("line" in note and "act" in note for note in caught.value.__notes__)
    assert answers(engine, [1, 2], batch_size=2) == [1, 4]


def test_an_exception_that_does_not_pickle_is_still_told(engine):
    with pytest.raises(RuntimeError, match="UnpicklableError: one"):
        answers(engine, [1], batch_size=1, function=raise_unpicklable)


def test_a_function_that_does_not_pickle_is_told_here(engine):
    with pytest.raises(Exception, match=r"(?i)pickle|local object"):
        answers(engine, [1], batch_size=1, function=lambda items, _begin: items)
    assert answers(engine, [2], batch_size=1) == [4]


@pytest.mark.skipif(sys.platform == "win32", reason="no turns")
def test_what_is_heavy_is_held_by_one_worker_at_a_time_and_waiting_is_no_timeout():
    with LocalEngine(3, item_timeout=0.9, item_memory=512) as engine:
        for weight, together in ((memory.HEAVY, False), (memory.HEAVY - 1, True)):
            function = partial(take_turns, weight=weight)
            times = sorted(answers(engine, list(range(6)), batch_size=1, function=function))
            overlaps = any(after < before for (_, before), (after, _) in itertools.pairwise(times))
            assert overlaps == together


def test_a_death_gives_the_turn_back():
    with LocalEngine(2, item_timeout=5, item_memory=512) as engine:
        assert [type(answer) for answer in answers(engine, ["die", "b", "die", "d"], batch_size=1, function=die_in_turn)] == [
            Lost,
            str,
            Lost,
            str,
        ]


def test_what_a_function_prints_harms_nothing(engine, capfd):
    assert answers(engine, [1], batch_size=1, function=chatter) == [""]
    assert capfd.readouterr() == ("", "")


def test_big_answers_come_whole(engine):
    for batch, result in engine.map_batches(big, range(6), batch_size=1):
        assert len(batch) == 1
        assert len(result) == 4_000_000


def test_a_closed_generator_leaves_no_worker_busy():
    before = psutil.Process().children()
    with LocalEngine(2, 60, 256) as engine:
        results = engine.map_batches(act, [1, "hang", "hang"], batch_size=1)
        assert next(results) == ([1], [1])
        results.close()
        assert not engine._running
        assert answers(engine, [3], batch_size=1) == [9]
    assert psutil.Process().children() == before


def test_a_map_begins_before_anything_is_asked_for_and_closes_as_one_that_was():
    with LocalEngine(2, 60, 256) as engine:
        done = []
        results = engine.map_batches(act, [1, 2], batch_size=1, progress=done.append)
        assert len(engine._running) == 2
        assert not done
        results.close()
        assert not engine._running
        assert answers(engine, [3], batch_size=1) == [9]


def test_what_is_left_of_an_old_map_ends_no_other():
    with LocalEngine(1, 60, 256) as engine:
        assert list(engine.map_batches(act, [], batch_size=1)) == []
        empty, old = engine.map_batches(act, [], batch_size=1), engine.map_batches(act, [2], batch_size=1)
        assert next(old) == ([2], [4])
        new = engine.map_batches(act, [3, 4], batch_size=1)
        old.close()
        del empty
        assert engine._running
        assert list(new) == [([3], [9]), ([4], [16])]


def test_limits_may_be_set_after_a_worker_was_started_ahead():
    with LocalEngine() as engine:
        engine.start(__name__)
        engine.jobs, engine.item_timeout, engine.item_memory = 1, 0.8, 256
        (ahead,) = engine._idle
        assert answers(engine, [3, "hang"], batch_size=1) == [9, Lost("timeout", "took longer than 0.8 s")]
        assert ahead.worked
    with LocalEngine() as engine:
        engine.start(__name__)
        engine.item_memory = 256
        assert [lost.kind for lost in answers(engine, ["memory"], batch_size=1)] == ["memory"]


def test_a_worker_that_nobody_needed_is_not_waited_for():
    before = psutil.Process().children()
    with LocalEngine() as engine:
        engine.start("dataaudit.features")
        (ahead,) = engine._idle
    assert ahead.cause() == "was killed by SIGKILL"
    assert psutil.Process().children() == before


def test_one_map_at_a_time():
    with LocalEngine(2, 60, 256) as engine:
        first = engine.map_batches(act, [1, "hang"], batch_size=1)
        assert next(first) == ([1], [1])
        with pytest.raises(RuntimeError, match="another map"):
            engine.map_batches(act, [1], batch_size=1)


def test_results_wait_within_bounds():
    with LocalEngine(2, 0.8, 256) as engine:
        items = ["hang", *range(2000)]
        started = []
        for batch, _ in engine.map_batches(act, items, batch_size=1, progress=started.append):
            if batch == ["hang"]:
                assert sum(started) <= LOOK_AHEAD * 2 + 1
                break


def test_workers_import_nothing_heavy(engine):
    loaded = set(answers(engine, [1], batch_size=1, function=imports))
    assert not loaded & {"scipy", "sklearn", "tensorflow", "pandas", "rich", "click", "pydantic"}


def test_a_worker_that_cannot_start_is_an_error_not_a_lost_item(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with LocalEngine(1, 5, 256) as engine, pytest.raises(IncompleteError, match="exit code 1"):
        answers(engine, [1], batch_size=1)


SCRIPT = """
import signal, sys, time, warnings
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background has it ignored
sys.path[:0] = {path!r}
warnings.simplefilter("error")
from dataaudit.engines.local import LocalEngine
from test_engines_local import act
with LocalEngine(2, 600, 256) as engine:   # no __main__ guard, and none is needed
    for batch, result in engine.map_batches(act, {items!r}, batch_size=1):
        if batch == [1]:
            print("ready", flush=True)
    time.sleep(600)
"""


def start_script(tmp_path, items):
    """Start a process with two workers, and return it with them."""
    code = textwrap.dedent(SCRIPT).format(path=[str(Path(__file__).parent), str(Path(__file__).parents[1])], items=items)
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    assert process.stdout.readline() == b"ready\n"
    deadline = time.monotonic() + 10
    while len(workers := psutil.Process(process.pid).children(recursive=True)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.6)  # until they have begun; not a multiple of the quarter of a second after which the engine looks round
    assert len(workers) == 2
    return process, workers


@pytest.mark.parametrize("items", [[1, "hang", "hang"], [1, 2, 3, 4]], ids=["busy", "idle"])
def test_ctrl_c_leaves_nothing_behind(tmp_path, items):
    shared = Path("/dev/shm")  # noqa: S108 - looked at, not written to
    shared_before = set(shared.iterdir()) if shared.is_dir() else set()
    process, workers = start_script(tmp_path, items)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it too
    _, errors = process.communicate(timeout=10)
    assert errors.rstrip().endswith(b"KeyboardInterrupt")
    assert errors.count(b"Traceback") == 1  # the parent's; the workers say nothing
    assert not psutil.wait_procs(workers, timeout=5)[1]
    assert list(tmp_path.iterdir()) == []
    assert (set(shared.iterdir()) if shared.is_dir() else set()) <= shared_before


def test_idle_workers_end_with_a_parent_that_was_killed(tmp_path):
    process, workers = start_script(tmp_path, [1, 2, 3, 4])
    process.kill()
    process.communicate(timeout=10)
    assert not psutil.wait_procs(workers, timeout=5)[1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize(
    ("asks", "function", "arguments"), [(memory.share_one_heap, "mallopt", (-8, 1)), (memory.give_back, "malloc_trim", (0,))]
)
def test_the_c_library_is_asked_for_less_memory_where_it_can_be(asks, function, arguments, there, monkeypatch):
    asked = []
    library = SimpleNamespace(**({function: lambda *given: asked.append(given)} if there else {}))
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library)
    asks()
    assert asked == ([arguments] if there else [])
