"""Tables of a search, as spreadsheets and pandas read them."""

import csv

import pandas as pd
import pytest
from automl_img_trackers.csv_files import TABLES, CsvTracker

from automl_img.errors import PluginError

FIGURES = {"f1": 0.5, "loss": 1.25, "epochs": 2.0, "seconds": 3.0, "parameters": 7.0}


def begun(folder, name="mine"):
    tracker = CsvTracker()
    tracker.search_started(name, folder, {})
    return tracker


def rows(folder, table):
    with (folder / "csv" / table).open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_table_has_its_columns_from_the_start(tmp_path):
    begun(tmp_path)
    for table, columns in TABLES.items():
        assert (tmp_path / "csv" / table).read_text() == ",".join(columns) + "\n"


def test_a_search_is_told_in_plain_rows(tmp_path):
    tracker = begun(tmp_path)
    tracker.trial_started(1, {"architecture": "vgg", "optimizer.adamw.lr": 1e-3, "augmentation.flip": False})
    tracker.epoch_ended(1, 0.5, {"f1": 0.25, "loss": 2.0, "validation_loss": 1.5})
    tracker.trial_ended(1, "done", FIGURES)
    tracker.trial_ended(2, "skipped", {})
    tracker.search_ended({"validation_f1": 0.5})
    (measured,) = rows(tmp_path, "epochs.csv")
    assert measured.pop("time")
    assert measured == {
        **{"trial": "1", "attempt": "1", "epoch": "0.5"},
        **{"loss": "2.0", "validation_loss": "1.5", "f1": "0.25", "images_per_second": ""},
    }
    done, skipped = rows(tmp_path, "trials.csv")
    assert (done["trial"], done["outcome"], done["f1"], done["parameters"]) == ("1", "done", "0.5", "7.0")
    assert (skipped["trial"], skipped["attempt"], skipped["outcome"], skipped["f1"]) == ("2", "", "skipped", "")
    assert [(row["name"], row["validation_f1"], row["test_f1"]) for row in rows(tmp_path, "searches.csv")] == [
        ("mine", "0.5", "")
    ]


def test_trials_with_other_hyperparameters_leave_the_columns_as_they_are_and_pandas_makes_columns_of_them(tmp_path):
    tracker = begun(tmp_path)
    tracker.trial_started(1, {"architecture": "vgg", "vgg.blocks": 2})
    tracker.trial_started(2, {"architecture": "resnet", "resnet.depth": 18, "resnet.bottleneck": True})
    table = pd.read_csv(tmp_path / "csv" / "hyperparameters.csv")
    assert list(table.columns) == ["trial", "attempt", "name", "value"]
    wide = table.pivot(index="trial", columns="name", values="value")
    assert wide.loc[2, "resnet.depth"] == "18" and pd.isna(wide.loc[1, "resnet.depth"])


def test_going_on_adds_rows_under_the_one_header_and_counts_attempts_on(tmp_path):
    first = begun(tmp_path)
    first.trial_started(1, {"architecture": "vgg", "batch_size": 256})
    first.trial_started(1, {"architecture": "vgg", "batch_size": 128})
    again = begun(tmp_path)
    again.trial_started(1, {"architecture": "vgg", "batch_size": 128})
    again.epoch_ended(1, 1.0, {"f1": 0.1})
    sizes = [
        (row["attempt"], row["value"]) for row in rows(tmp_path, "hyperparameters.csv") if row["name"] == "batch_size"
    ]
    assert sizes == [("1", "256"), ("2", "128"), ("3", "128")]
    assert [row["attempt"] for row in rows(tmp_path, "epochs.csv")] == ["3"]


@pytest.mark.parametrize("torn", ["", "time,tri", "2026-01-01T00:00:00+00:00,1,1,0.5,2.0,0.2"])
def test_a_row_that_a_fault_has_torn_goes_and_the_others_stay(tmp_path, torn):
    tracker = begun(tmp_path)
    path = tmp_path / "csv" / "epochs.csv"
    whole = ""
    if "2026" in torn:
        tracker.epoch_ended(1, 0.25, {"f1": 0.1})
        whole = path.read_text()
    path.write_text(whole + torn)
    begun(tmp_path).epoch_ended(1, 0.5, {"f1": 0.2})
    assert [row["f1"] for row in rows(tmp_path, "epochs.csv")] == (["0.1", "0.2"] if whole else ["0.2"])


def test_texts_cannot_be_formulas_or_break_rows_and_numbers_stay_numbers(tmp_path):
    tracker = begun(tmp_path, name='=HYPERLINK("http://x","y")')
    texts = {"a": "+1", "b": "@SUM(A1)", "c": "-x", "d": 'two\nlines, "quoted"', "e": "é\udcff", "=f": None}
    tracker.trial_started(1, {**texts, "g": -0.5, "h": float("nan")})
    tracker.search_ended({})
    values = {row["name"]: row["value"] for row in rows(tmp_path, "hyperparameters.csv")}
    assert values == {
        **{"a": "'+1", "b": "'@SUM(A1)", "c": "'-x", "d": 'two\\nlines, "quoted"', "e": "é\\udcff", "'=f": ""},
        **{"g": "-0.5", "h": "nan"},
    }
    assert rows(tmp_path, "searches.csv")[0]["name"].startswith("'=")


def test_a_table_that_a_spreadsheet_saved_is_gone_on_with_and_one_with_other_columns_is_left_alone(tmp_path):
    begun(tmp_path).trial_started(1, {"architecture": "vgg"})
    path = tmp_path / "csv" / "hyperparameters.csv"
    saved = path.read_text().replace("\n", "\r\n").encode("utf-8-sig")
    path.write_bytes(saved)
    begun(tmp_path).trial_started(1, {"architecture": "vgg"})
    assert pd.read_csv(path)["attempt"].tolist() == [1, 2]
    path.write_text("trial;attempt;name;value\n1;1;architecture;vgg\n")
    with pytest.raises(PluginError, match=r"hyperparameters.csv: the table has other columns.*Move it away"):
        begun(tmp_path)
    assert path.read_text().endswith("1;1;architecture;vgg\n")


@pytest.mark.parametrize("link", ["csv", "csv/epochs.csv"])
def test_a_link_to_files_elsewhere_is_not_followed(tmp_path, link):
    precious = tmp_path / "precious"
    precious.write_text("one line without an end")
    (tmp_path / "run" / link).parent.mkdir(parents=True)
    (tmp_path / "run" / link).symlink_to(tmp_path if link == "csv" else precious)
    with pytest.raises(PluginError, match="a link leads out"):
        begun(tmp_path / "run")
    assert precious.read_text() == "one line without an end"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["precious", "run"]
