import re

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.images.condition_ids import SampleCounts
from p2phd_eval.images.conditions import Condition, read_conditions, require_samples


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_prompts_are_read_in_the_order_of_the_table(tmp_path, encoding, end):
    lines = ["seed, condition ,prompt", '1,cat-1,"a cat, on a chair"', "", ",", "2,über,  ein Hund  "]
    path = write(tmp_path / "p.csv", end.join(lines).replace(f"{end},{end}", f"{end},,{end}"), encoding)
    assert read_conditions(path) == (
        Condition(name="cat-1", prompt="a cat, on a chair"),
        Condition(name="über", prompt="ein Hund"),
    )


def test_names_alone_are_their_own_prompts(tmp_path):
    path = write(tmp_path / "classes.csv", "id\ncat\ntabby cat\n")
    assert [each.prompt for each in read_conditions(path)] == ["cat", "tabby cat"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("condition;prompt\ncat;a cat\n", "found semicolons between the columns, as spreadsheets write them"),
        ("condition\tprompt\ncat\ta cat\n", "found tabs between the columns"),
        ("name,prompt\ncat,a cat\n", "found the columns 'name', 'prompt'"),
        ("condition,id\ncat,cat\n", "found the columns 'condition', 'id'"),
        ("condition,prompt,prompt\ncat,a,b\n", "found the columns 'condition', 'prompt', 'prompt'"),
        ("", "found an empty file"),
        ("condition,prompt\n", "found a header and no line below it"),
        ("condition,prompt\ncat,a cat, red\n", "p.csv, line 2: expected a table"),
        ("condition,prompt\ncat,\n", "line 2: expected a table in UTF-8"),
        ("condition,prompt\n\n,a cat\n", "line 3: expected a table in UTF-8"),
        ('condition,prompt\ncat,"a cat\non a chair"\ncat,b\n', "line 4: expected a condition of its own"),
        ("condition,prompt\ncafe\u0301,a\ncaf\u00e9,b\n", "line 3: expected a condition of its own in each line"),
        ('condition,prompt\ncat,"a\n', "what is no table with commas"),
        ("condition,prompt\na/b,x\n", "line 2: expected a condition that can begin the name of a file, found 'a/b'"),
        ("condition,prompt\n..,x\n", "a name of hidden or system files"),
        ("condition,prompt\n.cat,x\n", "a name of hidden or system files"),
        ("condition,prompt\na\x07,x\n", "a character that names of files cannot have everywhere"),
        (f"condition,prompt\n{'é' * 120},x\n", "240 bytes, more than 200"),
        ("condition,prompt\ncat@3,x\n", "what would be read as a seed at its end"),
        ("condition,prompt\ncat.png,x\n", "an ending that is left off where images are paired: it would be 'cat'"),
    ],
)
def test_what_is_no_table_of_conditions_is_refused_with_its_line(tmp_path, text, message):
    with pytest.raises(InputError, match=re.escape(message)):
        read_conditions(write(tmp_path / "p.csv", text))


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(InputError, match="nothing there"):
        read_conditions(tmp_path / "p.csv")
    with pytest.raises(InputError, match="no UTF-8 text at byte 20"):
        read_conditions(write(tmp_path / "p.csv", "condition,prompt\ncaf\u00e9,x\n", "latin-1"))


CONDITIONS = tuple(Condition(name=name, prompt=name) for name in ("cat", "dog", "owl"))


def test_an_arm_makes_every_condition_with_the_same_seeds():
    ids = [f"{name}@{seed}" for name in ("cat", "dog", "owl") for seed in (0, 3)]
    assert require_samples(CONDITIONS, ids, "out") == SampleCounts(conditions=3, fewest=2, most=2)
    assert require_samples(CONDITIONS, ["cat", "dog", "owl"], "out") == SampleCounts(conditions=3, fewest=1, most=1)
    with pytest.raises(InputError, match=re.escape("out: expected each of 3 conditions with the same seeds, found 4")):
        require_samples(CONDITIONS, [each for each in ids if each not in ("dog@0", "owl@3")], "out")
    with pytest.raises(InputError, match="3 images, without 'cat@2', 'dog@0', 'dog@2' and 3 more"):
        require_samples(CONDITIONS, ["cat@0", "cat@10", "owl@2"], "out")
    with pytest.raises(InputError, match="found 'cow@0' of no condition"):
        require_samples(CONDITIONS, [*ids, "cow@0"], "out")
    with pytest.raises(InputError, match="without 'cat', 'dog', 'owl'"):
        require_samples(CONDITIONS, [], "out")
