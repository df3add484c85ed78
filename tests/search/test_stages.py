from hypothesis import given
from hypothesis import strategies as st

from automl_img.search.stages import GPU_OVERHEAD, LOOK_OVERHEAD, SHORTEST_LOOK, StagePlan, plan_stages
from automl_img.search.staging import expected_suggestions


@given(
    end=st.floats(40, 1e6),
    elapsed=st.floats(0, 30),
    starts=st.integers(1, 40),
    slots=st.integers(1, 16),
    share=st.floats(0.05, 0.9),
    full=st.floats(1, 1e6),
    overhead=st.sampled_from([LOOK_OVERHEAD, GPU_OVERHEAD]),
)
def test_no_plan_spends_more_than_there_is(end, elapsed, starts, slots, share, full, overhead):
    plan = plan_stages(
        elapsed=elapsed,
        end=end,
        starts=starts,
        slots=slots,
        final_share=share,
        full_seconds=full,
        overhead=overhead,
    )
    assert 1 <= plan.looks <= starts
    assert plan.look_seconds >= SHORTEST_LOOK
    assert elapsed - 1e-6 <= plan.search_end <= end
    rounds = -(-plan.looks // slots)
    early = end - elapsed - min(share * (end - elapsed), 1.5 * full / slots + overhead)
    assert plan.look_slot == plan.look_seconds + overhead
    assert plan.looks == 1 or rounds * plan.look_slot <= early + plan.look_slot
    assert plan.final_seconds >= min(share * (end - elapsed), full / slots) - 1e-6


def test_more_time_gives_longer_looks_and_more_of_them():
    def plan(end):
        return plan_stages(elapsed=5, end=end, starts=9, slots=2, final_share=0.6, full_seconds=1e5)

    plans = [plan(end) for end in (60, 120, 600, 3600)]
    assert [p.looks for p in plans] == sorted(p.looks for p in plans)
    assert plans[-1].look_seconds > plans[0].look_seconds
    assert plans[2].looks == plans[3].looks == 9


def test_the_time_before_the_search_stage_is_no_time_for_suggestions():
    plan = StagePlan(3, 20.0, 40.0, 400.0, 300.0, 700.0)
    assert [expected_suggestions(plan, 2, elapsed) for elapsed in (32.0, 216.0, 400.0, 500.0)] == [16, 8, 0, 0]
