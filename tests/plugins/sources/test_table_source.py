"""What a table of file names and labels becomes, and what is said of one that cannot be used."""

import codecs
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from automl_img_sources._table_files import ENDINGS
from automl_img_sources.table import TableSource
from PIL import Image

from automl_img.data.arrays import validated
from automl_img.plugin import DataError

CLASSES = ("cat", "dog")


def images(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(folder / name)


@pytest.fixture
def here(tmp_path):
    """A folder with the images 0.png to 5.png."""
    images(tmp_path, *(f"{number}.png" for number in range(6)))
    return tmp_path


def table(folder, text, name="labels.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def load(path, **options):
    return TableSource().load(path, options)


def names(split):
    return [Path(path).name for path in split.images]


PLAIN = "image,label\n0.png,cat\n1.png,dog\n2.png,cat\n"


def refused(path, **options):
    with pytest.raises(DataError) as caught:
        load(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_file_names_and_labels_become_images_and_classes(here):
    dataset = validated(load(table(here, PLAIN)))
    assert names(dataset.train) == ["0.png", "1.png", "2.png"]
    assert dataset.class_names == CLASSES and dataset.train.labels.tolist() == [0, 1, 0]
    assert dataset.task == "binary"


def test_the_guess_is_told_and_how_to_change_it(here):
    text = "key,shot,species,phase\n7,0.png,cat,train\n8,1.png,dog,train\n9,2.png,cat,test\n"
    dataset = load(table(here, text))
    assert dataset.notes == (
        "Column 'shot' was taken as the image, column 'species' as the label, column 'phase' as the split; "
        "set data.options.image, data.options.label, data.options.split to change it.",
    )
    assert dataset.test is not None and names(dataset.test) == ["2.png"]


def test_what_the_options_name_is_not_guessed_and_not_told(here):
    text = "image,other,label,kind\n0.png,3.png,x,cat\n1.png,4.png,y,dog\n"
    dataset = load(table(here, text), image="other", label="kind")
    assert names(dataset.train) == ["3.png", "4.png"] and dataset.train.labels == ["cat", "dog"]
    assert dataset.notes == ()


def test_a_column_of_files_without_endings_is_known_by_the_files(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"image")
    assert load(table(tmp_path, "scan,diagnosis\na,ill\nb,well\n")).train.labels == ["ill", "well"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("image;label\n0.png;cat\n1.png;dog\n", "x.csv"),
        ("image\tlabel\n0.png\tcat\n1.png\tdog\n", "x.csv"),
        ("image\tlabel\n0.png\tcat\n1.png\tdog\n", "x.tsv"),
        ("\n,image,label,\n0,0.png, cat ,\n\n1,1.png,dog,\n,,,\n", "x.csv"),
        ('"image","label"\r\n"0.png","cat"\r\n"1.png","dog"', "X.CSV"),
    ],
)
def test_the_usual_ways_to_write_a_text_table_are_read(here, text, name):
    dataset = load(table(here, text, name))
    assert names(dataset.train) == ["0.png", "1.png"] and dataset.train.labels == ["cat", "dog"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_of_every_program_is_read(here, encoding):
    path = here / "x.csv"
    path.write_text("image,label\n0.png,Hündin\n1.png,猫\n", encoding=encoding)
    assert TableSource().accepts(path)
    assert load(path).train.labels == ["Hündin", "猫"]


def test_parquet_is_read_as_text_with_gaps_as_empty(here):
    path = here / "x.parquet"
    pd.DataFrame({"image": ["0.png", "1.png"], "label": [3, 7], "patient": ["p", None]}).to_parquet(path)
    dataset = load(path, group="patient")
    assert dataset.train.labels == ["3", "7"] and dataset.train.groups == ["p", ""]


def test_lists_of_labels_in_parquet_are_several_labels(here):
    path = here / "x.parquet"
    pd.DataFrame({"image": ["0.png", "1.png", "2.png"], "label": [["a", "b"], [], ["b"]]}).to_parquet(path)
    dataset = validated(load(path))
    assert dataset.task == "multilabel" and dataset.train.labels.tolist() == [[1, 1], [0, 0], [0, 1]]


def test_whole_images_in_parquet_are_left_to_the_library_that_reads_them(here):
    path, content = here / "x.parquet", (here / "0.png").read_bytes()
    frame = pd.DataFrame({"image": [{"bytes": content, "path": "0.png"}] * 2, "label": [0, 1], "id": ["a", "b"]})
    frame.to_parquet(path)
    message = refused(path)
    assert "x.parquet: the column 'image' holds whole images, not names of files" in message
    assert "datasets.Dataset.from_parquet" in message
    assert "data.options.image: the column 'image' holds whole images" in refused(path, image="image")
    frame.assign(thumbnail=[content] * 2, image=["0.png", "1.png"]).to_parquet(path)
    assert names(load(path).train) == ["0.png", "1.png"], "a column of contents that is not needed does no harm"


def test_excel_is_read_from_its_first_sheet_and_the_others_are_told(here):
    path = here / "x.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"image": ["0.png", "1.png"], "label": [1, 2]}).to_excel(book, sheet_name="Labels", index=False)
        pd.DataFrame({"a": [1]}).to_excel(book, sheet_name="Other", index=False)
    dataset = load(path)
    assert dataset.train.labels == ["1", "2"]
    assert dataset.notes[0] == "Of the 2 sheets of x.xlsx, the first was read: Labels."


@pytest.mark.parametrize(("ending", "library"), [("parquet", "pyarrow"), ("xlsx", "openpyxl")])
def test_a_missing_library_is_named_with_the_line_that_installs_it(here, monkeypatch, ending, library):
    path = table(here, "", f"x.{ending}")
    monkeypatch.setitem(sys.modules, library, None)  # Python's own way to make an import fail
    message = refused(path)
    assert f"needs {library}, which is not installed" in message and "pip install 'automl-img[table]'" in message


@pytest.mark.parametrize("ending", ["parquet", "xlsx"])
def test_a_damaged_file_says_so(here, ending):
    assert "or it is damaged" in refused(table(here, "no such thing", f"x.{ending}"))


def test_a_dataframe_is_read_and_its_index_has_no_meaning(here):
    frame = pd.DataFrame({"image": [here / "0.png", here / "1.png"], "label": ["cat", "dog"]}, index=[7, 7])
    source = TableSource()
    assert source.accepts_object(frame) and not source.accepts_object([1]) and not source.accepts_object(frame["label"])
    assert source.convert(frame, {}).train.labels == ["cat", "dog"]
    frame["label"] = ["cat", None]
    with pytest.raises(DataError, match="DataFrame, position 1: 1 of 2 images have no label"):
        source.convert(frame, {})


def test_numbers_with_gaps_keep_their_whole_names_in_a_dataframe(here):
    frame = pd.DataFrame(
        {"image": [str(here / f"{k}.png") for k in range(3)], "label": [1, 2, 1], "group": [4, np.nan, np.int64(5)]}
    )
    dataset = TableSource().convert(frame, {"group": "group"})
    assert dataset.train.labels == ["1", "2", "1"] and dataset.train.groups == ["4", "", "5"]


def test_columns_of_metadata_come_with_their_images(here):
    path = table(here, "name,label,camera,site\n1.png,cat,old,north\n2.png,dog,new,south\n3.png,cat,new,north\n")
    dataset = load(path, metadata="camera, site")
    assert {name: list(values) for name, values in dataset.train.metadata.items()} == {
        "camera": ["old", "new", "new"],
        "site": ["north", "south", "north"],
    }
    with pytest.raises(DataError, match="no such column"):
        load(path, metadata="camara")


def test_splits_and_groups_come_from_their_columns(here):
    rows = "".join(
        f"{k}.png,{CLASSES[k % 2]},{split},p{k // 2}\n" for k, split in enumerate(["train", "Val", "TEST"] * 2)
    )
    dataset = load(table(here, "image,label,split,who\n" + rows), group="who")
    assert names(dataset.train) == ["0.png", "3.png"]
    assert dataset.validation is not None and names(dataset.validation) == ["1.png", "4.png"]
    assert dataset.test is not None and dataset.test.groups == ["p1", "p2"]


def test_a_column_named_split_that_names_no_split_is_left_with_a_note(here):
    dataset = load(table(here, "image,label,split\n0.png,cat,4\n1.png,dog,5\n"))
    assert dataset.test is None and dataset.validation is None
    assert "Column 'split' was not used: its values, such as '4', name no split." in dataset.notes


def test_a_misspelt_split_is_an_error_with_its_line(here):
    message = refused(table(here, "image,label,split\n0.png,cat,train\n1.png,dog,tset\n"))
    assert "labels.csv, line 3: a split has an unknown name; found 'tset'" in message


def test_a_separator_makes_several_labels(here):
    dataset = validated(load(table(here, "image,label\n0.png,a b\n1.png,\n2.png,b\n"), separator=" "))
    assert dataset.task == "multilabel" and dataset.class_names == ("a", "b")
    assert dataset.train.labels.tolist() == [[1, 1], [0, 0], [0, 1]]


def test_labels_that_clearly_split_are_split_and_told(here):
    dataset = load(table(here, "image,label\n0.png,a|b\n1.png,b|c\n2.png,c\n3.png,a\n"))
    assert dataset.train.labels == [("a", "b"), ("b", "c"), ("c",), ("a",)] and dataset.task == "multilabel"
    assert "Cells of 'label' were split into labels at '|'" in dataset.notes[-1]


def test_an_empty_separator_keeps_each_cell_one_label(here):
    dataset = load(table(here, "image,label\n0.png,a|b\n1.png,b|a\n2.png,a\n3.png,b\n"), separator="")
    assert dataset.train.labels == ["a|b", "b|a", "a", "b"]


def test_labels_that_do_not_clearly_split_stay_whole(here):
    dataset = load(table(here, 'image,label\n0.png,"boat, sail"\n1.png,"boat, motor"\n2.png,a|b\n'))
    assert dataset.train.labels == ["boat, sail", "boat, motor", "a|b"] and dataset.task == "auto"
    assert 'if they are several, set data.options.separator = "|"' in dataset.notes[-1]


def test_paths_of_classes_are_left_to_the_core(here):
    dataset = validated(
        load(table(here, "image,label\n0.png,clothing/shoes/boot\n1.png,clothing/hat\n2.png,toy/car\n"))
    )
    assert dataset.task == "hierarchical"


def test_a_column_of_0_and_1_for_each_class_makes_several_labels(here):
    dataset = validated(load(table(here, "image,cat,dog,bird\n0.png,1,1,0\n1.png,0,0,0\n2.png,0,0,1\n")))
    assert dataset.class_names == ("cat", "dog", "bird") and dataset.task == "multilabel"
    assert dataset.train.labels.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert "columns 'cat', 'dog', 'bird' as the labels" in dataset.notes[0]


@pytest.mark.parametrize("label", ["dog,cat,bird", ["dog", "cat", "bird"]])
def test_exactly_one_1_in_each_row_is_one_label_and_told(here, label):
    text = "image,cat,dog,bird\n0.png,1,0,0\n1.png,0.0,1.0,0.0\n2.png,False,False,TRUE\n"
    dataset = validated(load(table(here, text), label=label))
    assert dataset.task == "multiclass" and dataset.class_names == ("dog", "cat", "bird")
    assert dataset.train.labels.tolist() == [1, 0, 2]
    assert "Each row has exactly one 1 in its 3 label columns: one label for each image." in dataset.notes


def test_levels_make_a_hierarchy_from_the_top(here):
    text = "image,top,below\n0.png,shoe,boot\n1.png,shoe,\n2.png,top,T-shirt/top\n"
    dataset = validated(load(table(here, text), levels="top,below"))
    assert dataset.task == "hierarchical" and dataset.class_names == ("shoe", "shoe/boot", "top/T-shirt-top")
    assert any("The / in names such as 'T-shirt/top' became -" in note for note in dataset.notes)


def test_of_levels_the_first_name_and_the_first_gap_are_told(here):
    several = "".join(f"{number}.png,shoe,{number}/{number}\n" for number in range(6))
    dataset = load(table(here, "image,top,below\n" + several), levels="top,below")
    assert dataset.notes[-1].startswith("The / in names such as '0/0' became -")
    gaps = "".join(f"{number}.png,,{number}\n" for number in range(6))
    assert "line 2: 'top' is empty" in refused(table(here, "image,top,below\n" + gaps), levels="top,below")


def test_relative_names_start_at_the_root(tmp_path):
    images(tmp_path / "pictures", "0.png", "1.png")
    path = table(tmp_path, "image,label\n0.png,cat\n1.png,dog\n")
    for root in ("pictures", str(tmp_path / "pictures")):
        assert all(Path(image).is_file() for image in load(path, root=root).train.images)


def test_absolute_paths_and_file_addresses_are_taken_as_they_are(here):
    images(here, "a b.png")
    text = f"image,label\n{here}/0.png,cat\nfile://{here}/a%20b.png,dog\n"
    assert load(table(here, text)).train.images == [here / "0.png", here / "a b.png"]


def test_names_from_windows_get_slashes(tmp_path):
    images(tmp_path, "train/cat/0.png", "train/dog/1.png")
    dataset = load(table(tmp_path, "image,label\ntrain\\cat\\0.png,cat\ntrain\\dog\\1.png,dog\n"))
    assert dataset.train.images == [tmp_path / "train/cat/0.png", tmp_path / "train/dog/1.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="a backslash separates folders there")
def test_names_that_hold_a_backslash_are_taken_as_written_if_they_are_there(tmp_path):
    images(tmp_path, "a\\0.png", "a\\1.png")
    dataset = load(table(tmp_path, "image,label\na\\0.png,cat\na\\1.png,dog\n"))
    assert dataset.train.images == [tmp_path / "a\\0.png", tmp_path / "a\\1.png"]


def test_text_too_long_for_a_file_is_no_file(here):
    words = "many words " * 30
    found = load(table(here, f"caption,picture,label\n{words},0.png,cat\n{words},1.png,dog\n"))
    assert names(found.train) == ["0.png", "1.png"]
    assert "no column holds names of image files" in refused(table(here, f"caption,label\n{words},cat\n{words},dog\n"))
    for name in (words, words.replace(" ", "\\")):
        assert "2 of the first 2 files of the column 'image' are not there" in refused(
            table(here, f"image,label\n{name},cat\n{name},dog\n")
        )


def test_a_few_missing_files_stay_in_the_list(here):
    assert len(load(table(here, PLAIN + "none.png,dog\n")).train) == 4


def test_only_the_first_files_are_looked_for_however_long_the_table_is(tmp_path):
    images(tmp_path, *(f"{number}.png" for number in range(101)))
    rows = "".join(f"{number}.png,{CLASSES[number % 2]}\n" for number in range(20_000))
    assert len(load(table(tmp_path, "image,label\n" + rows)).train) == 20_000


def test_files_that_are_mostly_missing_are_an_error_that_names_the_folder(tmp_path):
    path = table(tmp_path, PLAIN)
    message = refused(path)
    assert (
        f"line 2: 3 of the first 3 files of the column 'image' are not there, the first is {tmp_path / '0.png'}"
        in message
    )
    assert f"Relative names start at {tmp_path}; set data.options.root" in message
    images(tmp_path / "train", "0.png")
    assert f"0.png is in {tmp_path / 'train'}: set data.options.root to that" in refused(path)


def test_names_without_their_ending_are_told_apart(tmp_path):
    images(tmp_path / "all", "7.png")
    message = refused(table(tmp_path, "id,label\n7,cat\n8,dog\n"))
    assert "write the names with their ending" in message and str(tmp_path / "all" / "7.png") in message


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            PLAIN,
            {"label": "lable"},
            r"data\.options\.label: labels\.csv has no such column; found 'lable'; allowed: image, label\. Did you mean 'label'",
        ),
        (PLAIN, {"image": "Image"}, r"data\.options\.image: .*Did you mean 'image'"),
        (PLAIN, {"image": ["image", "label"]}, r"data\.options\.image: this is one column"),
        (PLAIN, {"levels": "label"}, "a hierarchy needs two columns or more"),
        (PLAIN, {"levels": "image,label", "label": "label"}, "label and levels exclude each other"),
        (
            "image,a,b\n0.png,1,boot\n1.png,0,hat\n",
            {"label": "a,b"},
            "line 2: column 'b' is read as one class.*found 'boot'; allowed: 0 and 1",
        ),
        (PLAIN, {"root": "nowhere"}, r"data\.options\.root: there is no such folder; found '.*nowhere'"),
        (PLAIN, {"root": "x" * 300}, r"data\.options\.root: there is no such folder; found '.*xxx'"),
        ("image,a,b\n0.png,1,0\n1.png,1,\n", {"label": "a,b"}, "line 3: column 'b' .* neither 0 nor 1; found ''"),
        (
            "image,a,b\n0.png,1,0\n1.png,1,1\n",
            {"label": "a,b", "separator": "|"},
            r"data\.options\.separator: .*single column",
        ),
        (
            "image,a,b,c\n0.png,x,y,z\n1.png,x,,z\n",
            {"levels": "a,b,c"},
            "line 3: 'b' is empty, and a level below is not",
        ),
        ("", {}, r"labels\.csv: the table is empty"),
        ("image,label\n0.png,c\0a\0t\n", {}, "line 2: this is no text table: it holds a zero byte"),
        (PLAIN, {"label": "image,lable"}, "found 'lable'"),
        ("\n\n", {}, "the table is empty"),
        ("image,label\n", {}, "the table is empty; found 'columns image, label'"),
        (
            "name,kind\nx,cat\ny,dog\n",
            {},
            "no column holds names of image files; found 'name, kind'.*data.options.image",
        ),
        (
            "mask,picture,label\n0.png,1.png,a\n2.png,3.png,b\n",
            {},
            "several columns hold names of image files; found 'mask, picture'",
        ),
        (
            "image,age,weight\n0.png,3,4\n1.png,5,6\n",
            {},
            "not clear which column holds the labels; found 'image, age, weight'",
        ),
        ("image\n0.png\n1.png\n", {}, "no column holds the labels; found 'image'"),
        (
            "image,label\n0.png,cat\n1.png,dog,more\n",
            {},
            r"labels\.csv, line 3: the table is malformed.*found '3 cells'; allowed: 2",
        ),
        ("image,label\n\n0.png,cat\n1.png\n", {}, r"line 4: the table is malformed.*found '1 cells'"),
        ('image,label\n0.png,"cat\n1.png,dog\n', {}, "line 2: the table is malformed: .*quotation marks"),
        ('image,label,note\n0.png,cat,"two\nlines"\n1.png,,x\n', {}, "line 4: 1 of 2 images have no label"),
        ("image,label,label\n0.png,cat,dog\n", {}, "line 1: two columns have the same name; found 'label'"),
        (
            "0.png,cat\n1.png,dog\n",
            {},
            "the first line does not name the columns; found '0.png, cat'.*such as image,label",
        ),
        ("image,label\n0.png,cat\n,dog\n", {}, "line 3: 1 of 2 rows name no image"),
        (
            "image,label\n0.png,cat\n1.png,\n",
            {},
            r"labels\.csv, line 3: 1 of 2 images have no label, the first is .*1\.png",
        ),
        (PLAIN + "0.png,dog\n", {}, r"line 5: .*0\.png has two labels; found 'dog here, cat in line 2'"),
        (
            "image,label\n0.png,cat\nhttps://a.org/1.png,dog\n",
            {},
            "line 3: .*images are not downloaded; found 'https://a.org/1.png'",
        ),
    ],
)
def test_a_table_that_cannot_be_used_says_why_and_where(here, text, options, message):
    assert re.search(message, refused(table(here, text), **options))


def test_another_encoding_is_named_with_its_line(here):
    path = here / "labels.csv"
    path.write_bytes("image,label\n0.png,cat\n1.png,Hündin\n".encode("latin-1"))
    message = refused(path)
    assert "labels.csv, line 3: the table is not encoded in UTF-8; found 'byte 0xfc'" in message and "iconv" in message
    path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())
    assert "line 3: the table is not encoded in UTF-8" in refused(path)


def test_two_columns_of_one_name_are_refused_in_every_kind_of_table(here):
    frame = pd.DataFrame([["0.png", "cat", "dog"]], columns=["image", "label", "label"])
    with pytest.raises(DataError, match="DataFrame: two columns have the same name; found 'label'"):
        TableSource().convert(frame, {})
    frame.to_excel(here / "x.xlsx", index=False)
    assert "row 1: two columns have the same name" in refused(here / "x.xlsx")


@pytest.mark.parametrize("cell", ["", "#N/A", "#REF!"])
def test_rows_of_excel_have_the_numbers_that_excel_shows_and_an_error_is_no_label(here, cell):
    frame = pd.DataFrame({"image": ["0.png", "1.png"], "label": ["cat", cell]})
    frame.to_excel(here / "x.xlsx", index=False, engine="openpyxl")  # writes what Excel calls an error as one
    assert "x.xlsx, row 3: 1 of 2 images have no label" in refused(here / "x.xlsx")


def test_an_error_in_a_cell_of_excel_is_no_group(here):
    frame = pd.DataFrame(
        {"image": ["0.png", "1.png", "2.png"], "label": ["a", "b", "a"], "patient": ["7", "#N/A", "#N/A"]}
    )
    frame.to_excel(here / "x.xlsx", index=False, engine="openpyxl")
    assert list(load(here / "x.xlsx", group="patient").train.groups) == ["7", "", ""]


def test_a_dataframe_without_rows_is_refused():
    with pytest.raises(DataError, match="DataFrame: the table is empty"):
        TableSource().convert(pd.DataFrame({"image": [], "label": []}), {})


def test_what_is_no_table_says_so(here):
    table(here, PLAIN)
    assert "this is a folder, not a table. There are tables in it: labels.csv." in refused(here)
    assert "there is no such file" in refused(here / "none.csv")
    assert "this kind of table is unknown; found '.png'" in refused(here / "0.png")
    assert "data.path: the table is not given" in refused(None)


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        (PLAIN, True),
        ("image;label\n", True),
        ("gs://bucket/1.jpg,cat\n", False),
        ("training,gs://bucket/1.jpg,cat\n", False),
        ("1.jpg,cat\n", False),
        ("image\n", False),
        ("", False),
    ],
)
def test_a_text_file_is_accepted_if_its_first_line_names_columns(here, text, accepted):
    assert TableSource().accepts(table(here, text)) is accepted


def test_other_files_are_accepted_by_their_ending(here):
    source = TableSource()
    assert source.accepts(table(here, "", "x.xlsx")) and source.accepts(table(here, "", "x.parquet"))
    assert not source.accepts(here) and not source.accepts(here / "0.png") and not source.accepts(here / "none.csv")


def test_all_endings_that_are_accepted_are_named_where_the_source_is_described():
    assert [ending for ending in ENDINGS if f"{ending}," not in TableSource.__doc__] == []
