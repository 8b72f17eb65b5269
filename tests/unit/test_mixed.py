"""A recipe with few layers in float: chosen greedily, judged on images that chose nothing."""

import math
import os
import tempfile
import tomllib
from dataclasses import replace

import pytest
from filelock import FileLock

from tests.helpers.fake_oracle import LIMITS, FakeOracle
from vitbench.blame.asking import Asking
from vitbench.blame.halves import halves, worth
from vitbench.blame.lines import lines, planned
from vitbench.blame.margin import chance, keeps, keeps_with_margin, most_misses
from vitbench.blame.mixed import few, mixed
from vitbench.blame.mixed_text import mixed_record, mixed_text
from vitbench.blame.scratch import scratch
from vitbench.blame.trial import Refusal
from vitbench.case import Case
from vitbench.cli.main import main
from vitbench.cli.mixed import _price
from vitbench.errors import UserError, WorkerFailed
from vitbench.project.variants import read_variants
from vitbench.pyproject import Pyproject
from vitbench.runtimes.limits import INT8
from vitbench.runtimes.takes import misfit
from vitbench.runtimes.variants import VARIANTS

NAMES = [f"blocks.{block}.{kind}" for block in range(4) for kind in ("qkv", "proj", "fc1", "fc2")]
CASE = Case("m", "int8-dynamic", "cpu", 1)
SHARE = replace(LIMITS, relative_error=0.3, agreement=0.6)


def chosen(costs, most=4, limits=SHARE, seconds=1e6, images=200, **more):
    oracle = FakeOracle(costs, **more)
    clusters = [str(at) for at in range(images)]
    asking = Asking(oracle, seconds, oracle.now)
    found = mixed(asking, oracle, list(costs), clusters, limits, most, 0)
    return found, oracle


def test_the_layers_that_break_the_limits_are_left_in_float_and_no_others():
    found, _ = chosen({**dict.fromkeys(NAMES, 0.001), NAMES[3]: 0.3, NAMES[10]: 0.5})
    assert set(found.floats) == {NAMES[3], NAMES[10]}
    assert found.mended.kept
    assert found.before.agreement.state == "BROKEN"
    assert found.after.agreement.state == "KEPT"
    assert found.after.agreement.matched > found.before.agreement.matched


def test_it_is_judged_on_images_that_chose_nothing():
    found, _ = chosen({**dict.fromkeys(NAMES, 0.001), NAMES[3]: 0.9})
    choosing, judging = halves([str(at) for at in range(200)], 0)
    assert not set(choosing) & set(judging)
    assert set(found.mended.trial.clusters) == {str(at) for at in choosing}
    assert set(found.after.clusters) == set(found.before.clusters) == {str(at) for at in judging}


def test_a_recipe_that_keeps_its_limits_is_left_as_it_is():
    found, oracle = chosen(dict.fromkeys(NAMES, 0.0001))
    assert (found.floats, found.mended) == ((), None)
    assert len(oracle.asked) == 2
    assert "nothing to mend" in mixed_text(mixed_record(found, CASE, 16, 4, 0, None))


def test_where_few_layers_do_not_suffice_the_best_is_named_and_not_called_kept():
    found, _ = chosen(dict.fromkeys(NAMES, 0.05), most=3)
    assert not found.mended.kept
    assert len(found.floats) == 3
    said = mixed_text(mixed_record(found, CASE, 16, 3, 0, None))
    assert "no recipe with at most 3 of 16 layers" in said
    assert "BROKEN" in said


def test_a_layer_that_was_added_in_vain_is_taken_back():
    """Alone, the first two cost most; in the recipe the third covers for them."""

    class Covering(FakeOracle):
        def __call__(self, floats, rows):
            self.costs = {**self.base}
            if NAMES[2] in floats:
                self.costs |= {NAMES[0]: 0.0, NAMES[1]: 0.0}
            return super().__call__(floats, rows)

    oracle = Covering({})
    oracle.base = {**dict.fromkeys(NAMES, 0.0005), NAMES[0]: 0.2, NAMES[1]: 0.2, NAMES[2]: 0.18}
    clusters = [str(at) for at in range(200)]
    asking = Asking(oracle, 1e6, oracle.now)
    found = mixed(asking, oracle, NAMES, clusters, SHARE, 4, 0)
    assert found.floats == (NAMES[2],)


def test_when_the_time_is_up_the_best_that_was_found_is_judged():
    found, oracle = chosen({**dict.fromkeys(NAMES, 0.02), NAMES[0]: 0.4}, seconds=13.0)
    assert oracle.time <= 13 + 2  # and the two that are judged
    assert NAMES[0] in found.floats
    assert not found.mended.in_time
    assert "the time was up" in mixed_text(mixed_record(found, CASE, 16, 4, 0, None))


def test_too_few_images_are_refused_with_the_number_that_is_needed():
    with pytest.raises(UserError, match="give at least 148 images"):
        chosen({**dict.fromkeys(NAMES, 0.001), NAMES[3]: 0.9}, limits=INT8, images=100)


def test_a_recipe_that_cannot_be_measured_is_said():
    with pytest.raises(WorkerFailed, match="give more --minutes"):
        chosen(dict.fromkeys(NAMES, 0.1), seconds=-1.0)


def test_layers_that_win_no_agreement_are_not_added():
    """One image of 250 is answered otherwise whatever is in float: the margin cannot be reached."""
    costs = {**dict.fromkeys(NAMES, 1e-6), NAMES[3]: 0.5}
    clusters = [str(at) for at in range(500)]
    seed = next(at for at in range(9) if 0 in halves(clusters, at)[0])
    oracle = FakeOracle(costs)
    limits = replace(LIMITS, agreement=0.96)
    found = mixed(Asking(oracle, 1e6, oracle.now), oracle, NAMES, clusters, limits, 4, seed)
    assert found.mended.trial.agreement.matched == 249
    assert chance(249, 250, 250, 0.96) < 0.95
    assert (found.floats, found.state, found.mended.kept) == ((NAMES[3],), "KEPT", True)


def test_a_recipe_that_the_other_half_proves_is_taken_though_the_margin_is_not_reached():
    found, _ = chosen({**dict.fromkeys(NAMES, 0.0001), NAMES[3]: 0.5, NAMES[5]: 0.08}, most=1)
    assert (found.mended.kept, found.after.agreement.state, found.state) == (False, "KEPT", "KEPT")
    assert found.floats == (NAMES[3],)


def test_layers_that_there_was_no_time_for_come_before_those_that_cost_nothing():
    costs = {**{f"a{at}": 1e-6 for at in range(10)}, "a7": 0.5}
    found, oracle = chosen(costs, seconds=16.0)
    assert (frozenset(costs) - {"a7"}, 32) not in oracle.asked  # it was never tried alone
    assert found.floats == ("a7",)
    assert not found.mended.in_time
    assert "the time was up" in mixed_text(mixed_record(found, CASE, 10, 4, 0, None))


class Headed(FakeOracle):
    """As a model with another head. A regression has no share; its bound is a tenth larger."""

    head = "regression"

    def __call__(self, floats, rows):
        trial = super().__call__(floats, rows)
        if isinstance(trial, Refusal):
            return trial
        found = replace(trial.agreement, head=self.head)
        if self.head == "embedding":
            return replace(trial, agreement=found)
        error = found.relative_error
        found = replace(
            found, share=math.nan, cosine=math.nan, matched=0, error=error, error_upper=1.1 * error
        )
        return replace(trial, agreement=found, hits=())


def test_a_regression_is_mended_by_its_bound_and_asked_for_no_agreement():
    oracle = Headed({**dict.fromkeys(NAMES, 1e-6), NAMES[3]: 0.5})
    clusters = [str(at) for at in range(60)]
    found = mixed(Asking(oracle, 1e6, oracle.now), oracle, NAMES, clusters, INT8, 4, 0)
    assert (found.floats, found.state) == ((NAMES[3],), "KEPT")
    assert "won" not in mixed_text(mixed_record(found, CASE, 16, 4, 0, None))
    trial = oracle(frozenset({NAMES[3]}), range(60))
    bound = trial.agreement.error_upper
    for limit, margin in ((bound * 1.2, True), (bound * 1.05, False)):
        limits = replace(INT8, relative_error=limit)
        assert keeps(trial, limits) == keeps_with_margin(trial, limits, 60, 0.96) == margin


@pytest.mark.parametrize(
    ("head", "images", "words"),
    [
        ("regression", 30, "no bound of an error.*at least 40 images"),
        ("embedding", 180, "no agreement of 88%.*at least 200 images"),
    ],
)
def test_too_few_images_of_other_heads_are_refused_early(head, images, words):
    oracle, clusters = Headed({NAMES[0]: 0.9, NAMES[1]: 0.1}), [str(at) for at in range(images)]
    oracle.head = head
    with pytest.raises(UserError, match=words):
        mixed(Asking(oracle, 9, oracle.now), oracle, NAMES[:2], clusters, INT8, 1, 0)
    assert len(oracle.asked) == 1


def test_a_cosine_off_the_mean_has_its_margin():
    trial = FakeOracle({"a": 1e-6})(frozenset(), range(250))
    limits = replace(INT8, cosine=0.99)
    for cosine, margin in ((0.9905, False), (0.992, True)):
        found = replace(trial.agreement, centred_cosine=cosine)
        assert keeps(replace(trial, agreement=found), limits) == margin


def test_images_of_one_photograph_are_refused():
    oracle = FakeOracle({"a": 0.9, "b": 0.1})
    with pytest.raises(UserError, match="all images are of one photograph"):
        mixed(Asking(oracle, 9, oracle.now), oracle, ["a", "b"], ["x"] * 3, SHARE, 1, 0)
    assert not oracle.asked


def test_recipes_that_are_refused_are_named_and_no_time_is_asked_for():
    found, _ = chosen({**dict.fromkeys(NAMES, 0.001), NAMES[3]: 0.5}, refused=NAMES)
    said = mixed_text(mixed_record(found, CASE, 16, 4, 0, None))
    assert found.mended.in_time
    assert "recipes could not be measured: planted" in said
    assert "--minutes" not in said
    assert "best one" not in said


def test_a_refused_layer_leaves_its_place_to_the_next_ones():
    costs = {**dict.fromkeys(NAMES, 1e-6), NAMES[0]: 0.1, NAMES[5]: 0.11, NAMES[10]: 0.12}

    class Refusing(FakeOracle):
        def __call__(self, floats, rows):
            self.refused = {NAMES[10]} if len(floats) == 1 else set()
            return super().__call__(floats, rows)

    oracle = Refusing(costs)
    clusters = [str(at) for at in range(200)]
    found = mixed(Asking(oracle, 1e6, oracle.now), oracle, NAMES, clusters, SHARE, 4, 0)
    assert set(found.floats) == {NAMES[0], NAMES[5], NAMES[10]}
    assert found.mended.in_time


@pytest.mark.parametrize(("state", "words"), [("BROKEN", "break them"), ("UNPROVEN", "too few")])
def test_it_is_said_why_a_recipe_that_was_kept_where_it_was_chosen_is_not_taken(state, words):
    found, _ = chosen({**dict.fromkeys(NAMES, 0.001), NAMES[3]: 0.5})
    judged = replace(found.after.agreement, state=state, sentence=f"x: {state} (96 % needs 74)")
    found = replace(found, after=replace(found.after, agreement=judged))
    said = mixed_text(mixed_record(found, CASE, 16, 4, 0, None))
    assert f"keeps the limits on the images that choose; the others {words}" in said.replace(
        "are too few", "too few"
    )
    assert ("UNPROVEN (96 % needs 74)" in said) == (state == "UNPROVEN")
    assert found.state == state


def test_a_price_that_fails_is_said_and_costs_nothing_else():
    class Failing:
        def price(self, *_):
            raise WorkerFailed("no answer in 9 s")

    found, _ = chosen({**dict.fromkeys(NAMES, 0.001), NAMES[3]: 0.5})
    made = mixed_record(found, CASE, 16, 4, 0, _price(Failing(), found.floats))
    assert "price: not measured: no answer in 9 s" in mixed_text(made)
    assert made["speedup"] is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--name="], "--name=: a name may hold"),
        (["--json=."], "--json=. is a folder"),
        (["--name=int8-dynamic", "--write"], "there is a variant 'int8-dynamic' already"),
        (["--name=int8-dynamic", "--most=0"], "--most=0"),  # without --write the name may be there
    ],
)
def test_options_are_refused_before_minutes_are_spent(
    options, words, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    case = "deit_tiny_patch16_224/int8-dynamic/cpu/b1"
    assert main(["mixed", case, f"--cache={tmp_path}", *options]) == 4
    assert words in capsys.readouterr().err


def test_a_folder_of_a_killed_process_goes_and_that_of_a_living_one_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    killed, living = (tmp_path / f"vitbench-blame-{name}" for name in ("killed", "living"))
    for folder in (killed, living):
        folder.mkdir()
        (folder / "artifact").touch()
        (folder / "alive.lock").touch()
        os.utime(folder / "alive.lock", (0, 0))
    with FileLock(living / "alive.lock"), scratch() as mine:
        assert {*tmp_path.iterdir()} == {living, mine}
        os.utime(mine / "alive.lock", (0, 0))
        with scratch() as other:
            assert {*tmp_path.iterdir()} == {living, mine, other}
    assert [*tmp_path.iterdir()] == [living]


def test_halves_share_no_photograph_and_are_drawn_by_the_seed():
    clusters = [f"photo {at % 23}" for at in range(256)]
    drawn = [halves(clusters, seed) for seed in range(5)]
    for choosing, judging in drawn:
        assert sorted(choosing + judging) == list(range(256))
        assert not {clusters[at] for at in choosing} & {clusters[at] for at in judging}
        assert abs(len(choosing) - len(judging)) <= 24
    assert len({tuple(choosing) for choosing, _ in drawn}) == 5
    assert halves(clusters, 3) == drawn[3]
    assert worth(clusters, drawn[0][0]) < len(drawn[0][0])


def test_the_chance_of_a_proof_is_that_of_a_simulation():
    import numpy as np

    generator = np.random.default_rng(0)
    shares = generator.beta(248.5, 2.5, 100_000)  # Jeffreys' posterior of 248 of 250
    misses = generator.binomial(250, 1 - shares)
    allowed = most_misses(250, 0.96)
    assert allowed == 4
    assert chance(248, 250, 250, 0.96) == pytest.approx((misses <= allowed).mean(), abs=0.005)
    assert most_misses(50, 0.96) == -1
    assert chance(50, 50, 50, 0.96) == 0


def test_a_margin_is_asked_of_what_chooses():
    oracle = FakeOracle({"a": 0.04})  # an error of 0.2
    trial = oracle(frozenset(), range(100, 350))
    assert keeps_with_margin(trial, replace(INT8, relative_error=0.25), 250, 0.96)
    assert not keeps_with_margin(trial, replace(INT8, relative_error=0.21), 250, 0.96)
    few_hits = oracle(frozenset(), range(10, 260))
    assert not keeps_with_margin(few_hits, replace(INT8, relative_error=0.25), 250, 0.96)


def test_a_quarter_of_the_layers_is_few():
    assert [few(count) for count in (1, 3, 12, 49)] == [1, 1, 3, 12]


LAYERS = ["blocks.0.mlp.fc1", "blocks.11.mlp.fc2"]
INT8_ROWS = [
    row
    for row in VARIANTS
    if row.precision == "int8"
    and not misfit(replace(row, options={**row.options, "float_layers": LAYERS}))
]


@pytest.mark.parametrize("row", INT8_ROWS, ids=lambda row: row.name)
def test_the_lines_mean_the_recipe(row, tmp_path):
    recipe = replace(row, options={**row.options, "float_layers": LAYERS * 3})
    text = lines(recipe, "my.recipe")
    whole = tomllib.loads(text)
    table = whole["tool"]["vitbench"]
    (found,) = read_variants(Pyproject(tmp_path / "pyproject.toml", text, table, whole), [])
    same = replace(found, name=recipe.name, about=recipe.about, origin=recipe.origin)
    assert same == recipe


def test_limits_of_a_project_are_written_as_numbers():
    row = replace(INT8_ROWS[0], limits=replace(INT8, relative_error=0.05, reason="set in x"))
    table = tomllib.loads(lines(row, "a"))["tool"]["vitbench"]["variants"]["a"]
    assert table["limits"]["relative_error"] == 0.05
    assert table["limits"]["neighbours"] == INT8.neighbours


def test_a_file_keeps_what_it_has(tmp_path):
    file = tmp_path / "pyproject.toml"
    before = '[project]\r\nname = "x"  # mine\r\n[tool.vitbench.models]\r\nm = "vit_x"\r\n'
    file.write_bytes(before.encode())
    made = planned(tmp_path, lines(INT8_ROWS[0], "a"), "vitbench mixed")
    assert file.read_bytes() == before.encode()
    made.write()
    assert file.read_bytes().startswith(before.encode())
    assert tomllib.loads(file.read_text())["tool"]["vitbench"]["variants"]["a"]["runtime"]
    with pytest.raises(UserError, match=r"pyproject\.toml"):  # the table is there now
        planned(tmp_path, lines(INT8_ROWS[0], "a"), "vitbench mixed")


@pytest.mark.parametrize(
    "before",
    [
        "tool = { vitbench = { models = {} } }\n",
        '[tool.vitbench]\nvariants = { a = { runtime = "eager" } }\n',
        "not toml",
    ],
)
def test_a_file_without_room_is_left_alone(before, tmp_path):
    file = tmp_path / "pyproject.toml"
    file.write_text(before)
    with pytest.raises(UserError, match=r"pyproject\.toml"):
        planned(tmp_path, lines(INT8_ROWS[0], "b"), "vitbench mixed")
    assert file.read_text() == before


def test_a_file_that_is_missing_is_made(tmp_path):
    planned(tmp_path, lines(INT8_ROWS[0], "a"), "vitbench mixed").write()
    assert "[tool.vitbench.variants.a]" in (tmp_path / "pyproject.toml").read_text()


def test_a_folder_in_place_of_the_file_is_said(tmp_path):
    (tmp_path / "pyproject.toml").mkdir()
    with pytest.raises(UserError, match=r"pyproject\.toml"):
        planned(tmp_path, lines(INT8_ROWS[0], "a"), "vitbench mixed")


def test_a_file_that_may_not_be_written_is_refused(tmp_path):
    file = tmp_path / "pyproject.toml"
    file.write_text("[tool.vitbench]\n")
    file.chmod(0o444)
    with pytest.raises(UserError, match=r"may not be written: make the file writable"):
        planned(tmp_path, lines(INT8_ROWS[0], "a"), "vitbench mixed")
    file.chmod(0o640)
    planned(tmp_path, lines(INT8_ROWS[0], "a"), "vitbench mixed").write()
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_file_with_another_name_or_owner_is_continued_in_place(tmp_path):
    file, other = tmp_path / "pyproject.toml", tmp_path / "same.toml"
    file.write_text("[tool.vitbench]\n")
    os.link(file, other)
    planned(tmp_path, lines(INT8_ROWS[0], "a"), "vitbench mixed").write()
    assert other.samefile(file)
    assert "variants.a" in other.read_text()
    other.unlink()
    if os.geteuid() == 0:
        os.chown(file, 1234, 1234)
        planned(tmp_path, lines(INT8_ROWS[0], "b"), "vitbench mixed").write()
        assert (file.stat().st_uid, file.stat().st_gid) == (1234, 1234)
        assert "variants.b" in file.read_text()
    assert [*tmp_path.iterdir()] == [file]
