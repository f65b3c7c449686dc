"""Inputs that are tables."""

from __future__ import annotations

import pytest

from framework_run.binding import bind
from framework_run.errors import BindingError

pd = pytest.importorskip("pandas")


def function(data: pd.DataFrame):
    return data


@pytest.mark.parametrize(("name", "method"), [("t.csv", "to_csv"), ("t.csv.gz", "to_csv"), ("t.json", "to_json")])
def test_a_file_becomes_a_data_frame_by_its_suffix(tmp_path, name, method):
    path = tmp_path / name
    frame = pd.DataFrame({"a": [1, 2]})
    getattr(frame, method)(path, **({"index": False} if method == "to_csv" else {}))
    _, keywords = bind(function, {}, inputs={"data": str(path)})
    assert keywords["data"]["a"].tolist() == [1, 2]


def test_a_parquet_file_becomes_a_data_frame(tmp_path):
    pytest.importorskip("pyarrow")
    pd.DataFrame({"a": [1, 2]}).to_parquet(tmp_path / "t.parquet")
    _, keywords = bind(function, {}, inputs={"data": str(tmp_path / "t.parquet")})
    assert keywords["data"]["a"].tolist() == [1, 2]


def test_a_suffix_that_says_nothing_and_a_file_that_holds_no_table_are_refused(tmp_path):
    with pytest.raises(BindingError, match="the suffix does not say how to read"):
        bind(function, {}, inputs={"data": str(tmp_path / "t.bin")})
    (tmp_path / "t.csv").write_text("")
    with pytest.raises(BindingError, match="holds no table"):
        bind(function, {}, inputs={"data": str(tmp_path / "t.csv")})
