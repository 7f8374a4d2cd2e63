"""Time worked is the time between signs of life, and nothing else."""

from midcourse.capture.studio.limits import Bucket, Buckets
from midcourse.capture.studio.watch import Watch


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_pauses_do_not_count():
    clock = Clock()
    watch = Watch(clock)
    for at in (0, 10, 40, 400, 410):
        clock.now = float(at)
        watch.touch()
    assert watch.unsaved == 50
    clock.now = 420.0
    watch.away()
    clock.now = 430.0
    watch.touch()
    assert watch.take() == 60
    assert watch.unsaved == 0


def test_a_bucket_lets_a_burst_through_and_then_its_rate():
    clock = Clock()
    bucket = Bucket(rate=2, burst=3, clock=clock)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    clock.now = 1.0
    assert [bucket.take() for _ in range(3)] == [True, True, False]


def test_buckets_are_apart_and_bounded():
    buckets = Buckets(rate=0.001, burst=1, most=2)
    assert [buckets.take(k) for k in ("a", "a", "b", "c", "a")] == [True, False, True, True, True]
