"""The shell: what it prints and writes, and one clear line with exit 2 for bad input."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.cli import main

FORMULA = "travel ~ 1 + (1 | Rail)"


@pytest.fixture
def rail_csv(tmp_path):
    path = tmp_path / "rail.csv"
    bb.load_dataset("rail").to_csv(path, index=False)
    return path


def run(*arguments):
    """Exit code of the command in this process."""
    try:
        return main([str(a) for a in arguments])
    except SystemExit as stop:
        return stop.code


def refusal(capsys, *arguments):
    """The one line on stderr of a command that must fail."""
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("blupbayes: ") and err.endswith("\n")
    return err


def test_compare_prints_the_table(capsys, rail_csv):
    assert run("compare", rail_csv, FORMULA) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for piece in ("ML", "REML", "MME", "66.50", "24.81", "95 % wald"):
        assert piece in out
    # The reader's integers 1, 2, ... are levels like any others.
    assert "Rail 2" in out


def test_a_data_set_by_name(capsys):
    assert run("compare", "rail", FORMULA, "--method", "ML") == 0
    out = capsys.readouterr().out
    assert "ML" in out and "REML" not in out


def test_parquet(capsys, tmp_path):
    path = tmp_path / "rail.parquet"
    bb.load_dataset("rail").to_parquet(path)
    assert run("compare", path, FORMULA) == 0
    assert "66.50" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("suffix", "piece"),
    [
        (".csv", "component,group,level,term,estimator"),
        (".md", "| Fixed effects |"),
        (".tex", r"\begin{tabular}"),
        (".html", "<!DOCTYPE html>"),
    ],
)
def test_output_by_its_suffix(capsys, rail_csv, tmp_path, suffix, piece):
    path = tmp_path / f"table{suffix}"
    assert run("compare", rail_csv, FORMULA, "-o", path) == 0
    assert piece in path.read_text(encoding="utf-8")
    assert capsys.readouterr().out == f"{path}: 21 quantities x 4 answers\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        ["rail.csv", path.name]
    )  # nothing half-written


def test_csv_has_all_digits(rail_csv, tmp_path):
    path = tmp_path / "table.csv"
    run("compare", rail_csv, FORMULA, "-o", path)
    table = pd.read_csv(path)
    found = table.query("component == 'sd' and group == 'Rail' and estimator == 'REML'")["estimate"].iloc[0]
    assert found == pytest.approx(np.sqrt(615.3111111), rel=1e-9)


def test_options_reach_the_model(capsys, tmp_path):
    path = tmp_path / "table.csv"
    schools = tmp_path / "schools.csv"
    frame = bb.load_dataset("eight_schools")
    frame.assign(w=1 / frame["se"] ** 2, zero=0.0).to_csv(schools, index=False)
    options = ("--weights", "w", "--offset", "zero", "--sigma", "1", "--kappa", "0.01", "--ci-prob", "0.8")
    assert run("compare", schools, "y ~ 1 + (1 | school)", *options, "-o", path) == 0
    model = bb.MixedModel("y ~ 1 + (1 | school)", frame, weights=1 / frame["se"] ** 2, sigma=1)
    expected = model.compare(kappa=0.01, ci_prob=0.8).to_dataframe()
    found = pd.read_csv(path)
    # Read back from text: the last digit of the weights.
    assert found["estimate"].to_numpy() == pytest.approx(expected["estimate"].to_numpy(), rel=1e-9, abs=1e-12)
    assert set(found["ci_prob"].dropna()) == {0.8}


def test_missing_values_are_refused_or_dropped(capsys, rail_csv):
    text = rail_csv.read_text().splitlines()
    text[3] = text[3].split(",")[0] + ","
    rail_csv.write_text("\n".join(text))
    assert "travel: 1" in refusal(capsys, "compare", rail_csv, FORMULA)
    assert run("compare", rail_csv, FORMULA, "--missing", "drop") == 0
    assert "17 rows" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("compare", "no.csv", FORMULA), "no file 'no.csv'"),
        (("compare", "rial", FORMULA), "rail"),
        (("compare", "rail", "travel ~ 1 + (1 | rial)"), "Did you mean 'Rail'"),
        (("compare", "rail", "travel ~ 1"), "no group term"),
        (("compare", "rail", FORMULA, "--kappa", "-1"), "kappa"),
        (("compare", "rail", FORMULA, "--kappa", "many"), "--kappa"),
        (("compare", "rail", FORMULA, "--ci-prob", "95"), "ci_prob"),
        (("compare", "rail", FORMULA, "--method", "OLS"), "--method"),
        (("compare", "rail", FORMULA, "--no-exact", "--prior", "HalfNormal(50)"), "add --sample"),
        (("compare", "rail", FORMULA, "--rel-error", "2"), "share of the posterior sd"),
        (("compare", "rail", FORMULA, "--prior", "HalfNormal(50"), "HalfNormal"),
        (("compare", "rail", FORMULA, "-o", "table.xlsx"), "must end in .csv, .html, .md, .tex"),
        (("compare", "rail", FORMULA, "-o", "no/such/folder/table.csv"), "there is no folder"),
        (("compare", "rail", FORMULA, "--weights", "w"), "w"),
        (("compare", "rail"), "FORMULA"),
        (("report",), "report"),
        ((), "VERB"),
    ],
)
def test_bad_input_is_refused(capsys, monkeypatch, tmp_path, arguments, text):
    monkeypatch.chdir(tmp_path)
    error = refusal(capsys, *arguments)
    assert text in error
    assert len([line for line in error.splitlines() if not line.startswith(" ")]) == 1  # carets are set in
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("empty.csv", b"", "No columns"),
        ("binary.csv", b"\xff\xfe\x00\x81", "cannot read"),
        ("bad.parquet", b"not parquet", "cannot read"),
        ("table.ods", b"x", "must end in .csv, .csv.gz or .parquet"),
    ],
)
def test_unreadable_files_are_refused(capsys, tmp_path, name, content, text):
    (tmp_path / name).write_bytes(content)
    assert text in refusal(capsys, "compare", tmp_path / name, FORMULA)


def test_a_misspelt_file_is_suggested(capsys, rail_csv):
    assert "rail.csv" in refusal(capsys, "compare", rail_csv.with_name("rial.csv"), FORMULA)


def test_a_bad_output_is_refused_before_any_work(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("blupbayes.cli.MixedModel", None)
    assert "must end in" in refusal(capsys, "compare", "rail", FORMULA, "-o", tmp_path / "t.doc")
    assert "is a folder" in refusal(capsys, "compare", "rail", FORMULA, "-o", make(tmp_path / "d.csv"))


def make(path):
    path.mkdir()
    return path


def test_a_failed_run_leaves_the_old_file_alone(capsys, tmp_path):
    path = tmp_path / "table.md"
    path.write_text("old")
    refusal(capsys, "compare", "rail", "travel ~ nothing + (1 | Rail)", "-o", path)
    assert path.read_text() == "old"
    assert run("compare", "rail", FORMULA, "-o", path) == 0 and path.read_text().startswith("**travel")


def test_messages_stand_in_the_table_and_not_on_stderr(capsys):
    assert run("compare", "dyestuff2", "Yield ~ 1 + (1 | Batch)") == 0
    out, err = capsys.readouterr()
    assert "boundary of the parameter space" in " ".join(out.split()) and err == ""


def test_demo_without_sampling(capsys):
    assert run("demo") == 0
    out = capsys.readouterr().out
    # theory.md: 66.5 / (1 + 103.45 kappa).
    for kappa, mean in (("0.01", "32.686"), ("0.001", "60.266"), ("0.0001", "65.819"), ("0", "66.500")):
        assert f"kappa {kappa:<6}  Intercept {mean}" in out
    assert "MME" in out and "NUTS" not in out


def test_datasets_and_versions(capsys):
    assert run("datasets") == 0
    assert "sleepstudy" in capsys.readouterr().out
    assert run("versions") == 0
    assert "numpy" in capsys.readouterr().out
    assert run("--version") == 0
    assert capsys.readouterr().out == f"blupbayes {bb.__version__}\n"


def test_the_process_loads_no_sampler_and_exits_with_2(tmp_path):
    code = (
        "import sys; from blupbayes.cli import main\n"
        f"code = main(['compare', 'rail', '{FORMULA}', '-o', 'table.html'])\n"
        "heavy = {'pymc', 'pytensor', 'arviz', 'xarray', 'matplotlib', 'numba', 'rich'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    bad = subprocess.run(
        [sys.executable, "-m", "blupbayes.cli", "compare", "rail", "travel ~ (1|Rial)"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert bad.returncode == 2 and bad.stdout == "" and "Traceback" not in bad.stderr


def command(cwd, *arguments, **options):
    """The command in a process of its own."""
    line = [sys.executable, "-m", "blupbayes.cli", *arguments]
    return subprocess.run(
        line, text=True, cwd=cwd, timeout=60, check=False, stderr=subprocess.PIPE, **options
    )


def test_messages_are_not_logged_to_stderr_as_well(tmp_path):
    done = command(tmp_path, "compare", "dyestuff2", "Yield ~ 1 + (1 | Batch)", stdout=subprocess.PIPE)
    assert "boundary" in done.stdout and done.stderr == ""


def test_a_closed_pipe_is_no_error(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)  # as head does when it has seen enough
    try:
        done = command(tmp_path, "compare", "rail", FORMULA, stdout=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_folder_is_no_data(capsys, tmp_path):
    assert "is a folder" in refusal(capsys, "compare", tmp_path, "y ~ 1 + (1 | g)")


def test_a_csv_in_another_dialect_is_told_what_to_do(capsys, tmp_path):
    path = tmp_path / "latin.csv"
    path.write_bytes("höhe,g\n1,a\n2,b\n".encode("latin-1"))
    assert "commas, decimal points and UTF-8" in refusal(capsys, "compare", path, "y ~ 1 + (1 | g)")
    path.write_text("y;g\n1,5;a\n2,5;b\n")
    assert "its columns are separated by ';'. A .csv here has commas" in refusal(
        capsys, "compare", path, "y ~ 1 + (1 | g)"
    )


@pytest.mark.parametrize(
    "option", [("--draws", "10"), ("--seed", "1"), ("--target-accept", "0.9"), ("--chains", "2")]
)
def test_options_of_the_sampler_need_sample(capsys, rail_csv, option):
    assert f"{option[0]} is for the draws: add --sample" in refusal(
        capsys, "compare", rail_csv, "travel ~ 1 + (1 | Rail)", *option
    )


def test_options_of_the_sampler_reach_it(monkeypatch, rail_csv):
    seen = {}
    monkeypatch.setattr(bb.MixedModel, "sample", lambda self, prior, **k: seen.update(k) or self.fit())
    options = [
        "--sample",
        "--draws",
        "11",
        "--tune",
        "12",
        "--chains",
        "2",
        "--target-accept",
        "0.9",
        "--seed",
        "3",
    ]
    assert run("compare", rail_csv, "travel ~ 1 + (1 | Rail)", "--method", "reml", *options) == 0
    assert seen == {"draws": 11, "tune": 12, "chains": 2, "target_accept": 0.9, "random_seed": 3}


def test_a_replaced_file_is_said(capsys, rail_csv, tmp_path):
    for word in ("", " (replaced)"):
        assert run("compare", rail_csv, "travel ~ 1 + (1 | Rail)", "-o", tmp_path / "t.csv") == 0
        assert f"t.csv{word}: " in capsys.readouterr().out


def test_the_explorer_is_one_page_of_the_model_that_is_asked_for(capsys, rail_csv, tmp_path):
    page = tmp_path / "page.html"
    arguments = ("explorer", rail_csv, FORMULA, "--prior", "HalfNormal(7)", "--ci-prob", "0.8", "-o", page)
    assert run(*arguments) == 0 and capsys.readouterr().out == f"{page}\n"
    text = page.read_text(encoding="utf-8")
    assert '"ciProb":0.8' in text and "HalfNormal(7)" in text and text.count("<svg") == 3


def test_the_explorer_is_refused_before_any_work(capsys, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("kept")
    assert "the file exists" in refusal(capsys, "explorer", "no such file.csv", FORMULA, "-o", page)
    assert page.read_text() == "kept"
    assert "no grouping factor 'Track'" in refusal(
        capsys, "explorer", "rail", FORMULA, "--groups", "Track", "--force", "-o", page
    )
    assert page.read_text() == "kept"
