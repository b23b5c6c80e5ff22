"""The figures are sums of what was measured, and nothing that failed is among them."""

import table


def one(ours: float, plain: float, optimum: float, shared: float = 2.0) -> dict:
    """A round of the types a, b, c, of which b is left out."""
    rows = {name: {"cpu_seconds": {"build": ours / 2, "run": ours / 2}} for name in "abc"}
    cost = {
        "plain": {"cpu_seconds": plain, "peak_bytes": 5 << 20},
        "optimum": {"cpu_seconds": optimum, "peak_bytes": 6 << 20},
    }
    whole = 3 * ours + shared
    return {
        "sweep": {"cpu_seconds": whole, "peak_bytes": 7 << 20, "first_process_bytes": 1 << 20},
        "rows": rows,
        "peers": {"a": cost, "b": {"left_out": "optimum failed"}, "c": cost},
        "start": {"plain": {"cpu_seconds": 1.0}, "optimum": {"cpu_seconds": 2.0}},
    }


def test_what_all_types_share_counts_for_the_sweep():
    made = table.document(["a", "b", "c"], 20, [one(4.0, 10.0, 20.0)])
    assert made["total_cpu_seconds"] == {"portwright": 10.0, "plain": 20.0, "optimum": 40.0}
    assert made["ratio"] == {"plain": 2.0, "optimum": 4.0}


def test_a_type_that_a_side_did_not_finish_is_named_and_not_summed():
    made = table.document(["a", "b", "c"], 20, [one(4.0, 10.0, 20.0)])
    assert made["compared"] == ["a", "c"]
    assert "- `b`: optimum failed" in table.markdown(made)


def test_only_the_first_types_of_the_list_are_compared():
    made = table.document(["a", "b", "c"], 1, [one(4.0, 10.0, 20.0)])
    assert made["compared"] == ["a"]
    assert made["total_cpu_seconds"]["optimum"] == 20.0
    assert made["left_out"]["c"] == "1 come before it"


def test_a_repetition_says_how_far_it_lies_and_changes_no_figure():
    first, again = one(4.0, 10.0, 20.0), one(5.0, 10.0, 18.0)
    del again["peers"]["c"]
    made = table.document(["a", "b", "c"], 20, [first, again])
    assert made["total_cpu_seconds"]["plain"] == 20.0
    assert made["spread"]["portwright"] == {"median": 0.25, "largest": 0.25, "repetitions": 1}
    assert made["spread"]["optimum"]["largest"] == 0.1
