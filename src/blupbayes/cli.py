"""The command line: reads arguments, calls the same verbs as Python does, prints or writes one table."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd

from blupbayes.comparison import Comparison
from blupbayes.datasets import list_datasets, load_dataset
from blupbayes.errors import BlupbayesError, DataError
from blupbayes.lessons import lesson, list_lessons
from blupbayes.mixed_model import MixedModel
from blupbayes.model.prior import Prior
from blupbayes.shell_examples import add_examples
from blupbayes.show.report.doubts import doubts
from blupbayes.show.report.output import check_path
from blupbayes.show.save import new_file
from blupbayes.show.tables import to_csv
from blupbayes.versions import show_versions, versions

__all__ = ["main"]

METHODS = {"ML": ("ML",), "REML": ("REML",), "both": ("ML", "REML")}
FORMATS: dict[str, Callable[[Comparison], str]] = {
    ".csv": lambda c: to_csv(c.to_dataframe()),
    ".html": lambda c: c.to_html(standalone=True),
    ".md": lambda c: c.to_markdown(),
    ".tex": lambda c: c.to_latex(),
}
DEMO = """\
Rail: the travel time of an ultrasonic wave in six rails, three times each (nanoseconds).
One linear mixed model, four answers: maximum likelihood, REML, Henderson's equations (MME) and the
full posterior, integrated exactly. MME is solved at the REML variances with beta ~ N(0, 1/kappa): at
kappa = {kappa:g} the prior pulls beta towards 0; as kappa goes to 0 its posterior mean becomes Henderson's:
"""
DEMO_KAPPA = 1e-3
PATH = (1e-2, 1e-3, 1e-4, 1e-6, 0.0)


class Parser(argparse.ArgumentParser):
    """Refuses in one line."""

    def error(self, message: str) -> NoReturn:
        """Exit with 2 and one line on stderr."""
        self.exit(2, f"blupbayes: {message} (see: {self.prog} --help)\n")


class Version(argparse.Action):
    """Print the version; it is looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        """Print and leave."""
        print(f"blupbayes {versions()['blupbayes']}")
        parser.exit()


def parser() -> argparse.ArgumentParser:
    """All verbs and their options."""
    top = Parser(prog="blupbayes", description="BLUPs, ML/REML and the posterior of one linear mixed model.")
    top.add_argument("--version", action=Version, nargs=0, help="show the version and exit")
    verbs = top.add_subparsers(title="verbs", required=True, metavar="VERB", parser_class=Parser)
    demo = verbs.add_parser("demo", help="Rail, offline: ML, REML, Henderson's equations and the posterior")
    demo.add_argument("--sample", action="store_true", help="draw the posterior with PyMC, too")
    demo.add_argument("--seed", type=int, default=1, help="of the sampler (default 1)")
    demo.set_defaults(run=run_demo)
    add_compare(verbs.add_parser("compare", help="answers for your own data, side by side"))
    add_report(verbs.add_parser("report", help="everything about your data in one file, to send or to print"))
    add_explorer(verbs.add_parser("explorer", help="one page with sliders: priors, pooling and shrinkage"))
    verbs.add_parser("datasets", help="list the data sets that are shipped").set_defaults(run=run_datasets)
    add_lesson(verbs.add_parser("lesson", aliases=["lessons"], help="copy a lesson to work in, or list all"))
    verbs.add_parser("versions", help="what is installed, for bug reports").set_defaults(run=run_versions)
    add_examples(top, verbs.choices)
    return top


def add_compare(verb: argparse.ArgumentParser) -> None:
    """Options of compare."""
    add_answers(verb)
    verb.add_argument("-o", "--output", metavar="FILE", help="write .csv (all digits), .html, .md or .tex")
    verb.set_defaults(run=run_compare)


def add_report(verb: argparse.ArgumentParser) -> None:
    """Options of report."""
    add_answers(verb)
    verb.add_argument("-o", "--output", metavar="FILE", required=True, help="write .html, .ipynb or .md")
    verb.add_argument("--force", action="store_true", help="replace a file that is there")
    verb.add_argument(
        "--strict",
        action="store_true",
        help="exit with 2, after writing, on divergences, R-hat above 1.01 or a fit on the boundary",
    )
    verb.add_argument("--title", help="of the report (default: from the data)")
    verb.add_argument("--question", help="in your words (default: from the formula)")
    verb.add_argument("--no-sensitivity", action="store_true", help="leave out what other priors would do")
    verb.set_defaults(run=run_report)


def add_explorer(verb: argparse.ArgumentParser) -> None:
    """Options of explorer."""
    add_model(verb)
    verb.add_argument("--groups", nargs="+", metavar="GROUP", help="grouping factors to show (default all)")
    verb.add_argument("-o", "--output", metavar="FILE", required=True, help="write .html")
    verb.add_argument("--force", action="store_true", help="replace a file that is there")
    verb.set_defaults(run=run_explorer)


def add_model(verb: argparse.ArgumentParser) -> None:
    """The model, and what every answer needs."""
    verb.add_argument("data", metavar="DATA", help="a .csv or .parquet file, or the name of a data set")
    verb.add_argument("formula", metavar="FORMULA", help='for example "travel ~ 1 + (1 | Rail)"')
    verb.add_argument("--prior", metavar="DIST", help='on the sds of the random effects: "HalfNormal(50)"')
    verb.add_argument("--ci-prob", type=float, default=0.95, help="level of every interval (default 0.95)")
    verb.add_argument("--weights", metavar="COLUMN", help="precision weights, 1 / variance up to a factor")
    verb.add_argument("--offset", metavar="COLUMN", help="known part of the mean")
    verb.add_argument("--sigma", type=float, help="the residual sd, if it is known (estimated unless given)")
    verb.add_argument(
        "--missing",
        choices=["raise", "drop"],
        default="raise",
        help="rows with missing values (default raise)",
    )


def add_answers(verb: argparse.ArgumentParser) -> None:
    """Options that say which answers to what."""
    add_model(verb)
    verb.add_argument(
        "--method", type=method, choices=list(METHODS), default="both", help="which fits (default both)"
    )
    verb.add_argument(
        "--kappa",
        type=float,
        default=0.0,
        help="prior precision of beta in Henderson's equations, from 0 (default) to inf",
    )
    verb.add_argument("--sample", action="store_true", help="draw the posterior with PyMC, too")
    verb.add_argument("--no-exact", action="store_true", help="leave the integrated posterior out")
    verb.add_argument(
        "--rel-error", type=float, default=0.01, help="of the integration, in posterior sds (default 0.01)"
    )
    verb.add_argument("--draws", type=int, help="kept per chain, with --sample (default 1000)")
    verb.add_argument("--tune", type=int, help="warm-up per chain, with --sample (default 1000)")
    verb.add_argument("--chains", type=int, help="with --sample (default 4)")
    verb.add_argument(
        "--target-accept", type=float, help="smaller steps near 1, with --sample (default 0.95)"
    )
    verb.add_argument("--seed", type=int, help="of the sampler")


def add_lesson(verb: argparse.ArgumentParser) -> None:
    """Options of lesson."""
    verb.add_argument("name", metavar="NAME", nargs="?", help="number or name; without one, list the lessons")
    verb.add_argument("-o", "--output", metavar="FOLDER", default=".", help="where to (default: here)")
    verb.add_argument("--force", action="store_true", help="replace a copy, and what was changed in it")
    verb.set_defaults(run=run_lesson)


def method(text: str) -> str:
    """ML, REML or both, in any case of letters."""
    return text.lower() if text.lower() == "both" else text.upper()


def run_demo(args: argparse.Namespace) -> None:
    """The Rail data in every answer."""
    model = MixedModel("travel ~ 1 + (1 | Rail)", load_dataset("rail"))
    print(DEMO.format(kappa=DEMO_KAPPA))
    path = model.kappa_path(model.fit("REML"), PATH)
    for kappa, mean in path.loc[path["component"] == "fixed", ["kappa", "estimate"]].itertuples(index=False):
        print(f"  kappa {kappa:<6g}  Intercept {mean:.3f}")
    print(flush=True)
    careful: dict[str, Any] = {"draws": 2000, "target_accept": 0.95} if args.sample else {}
    found = model.compare(sample=args.sample, random_seed=args.seed, kappa=DEMO_KAPPA, **careful)
    print(text(found))


def run_compare(args: argparse.Namespace) -> None:
    """Compare the answers for a file or a data set."""
    output = check_output(args.output)
    found = compared(args)
    if output is None:
        print(text(found))
        return
    replaced = " (replaced)" if output.exists() else ""
    write(output, FORMATS[output.suffix](found))
    print(f"{output}{replaced}: {len(found.to_dataframe('wide'))} quantities x {len(found.answers)} answers")


def run_report(args: argparse.Namespace) -> int:
    """Write a report; 2 if it is to be strict and there are doubts."""
    check_path(args.output, args.force)
    found = compared(args)
    file = args.data if Path(args.data).exists() else None
    options = {"title": args.title, "question": args.question, "sensitivity": not args.no_sensitivity}
    path = Path(found.report(args.output, force=args.force, data=file, **options))
    figures = path.with_name(f"{path.stem}_files")
    print(
        f"{path}, with its figures in {figures.name}" if path.suffix == ".md" and figures.is_dir() else path
    )
    reasons = doubts(found.answers) if args.strict else []
    if reasons:
        print(f"blupbayes: strict: {'; '.join(reasons)}", file=sys.stderr)
    return 2 if reasons else 0


def run_explorer(args: argparse.Namespace) -> None:
    """Write a page with sliders."""
    new_file("explorer", args.output, (".html",), args.force)
    found = model_of(args).compare(prior_of(args), ci_prob=args.ci_prob)
    print(found.explorer(args.output, force=args.force, groups=args.groups))


def model_of(args: argparse.Namespace) -> MixedModel:
    """The model that the options ask for."""
    options = {"weights": args.weights, "offset": args.offset, "sigma": args.sigma, "missing": args.missing}
    return MixedModel(args.formula, read(args.data), **options)


def prior_of(args: argparse.Namespace) -> Prior | None:
    """The prior that is asked for, None for the default."""
    return Prior(sd=args.prior) if args.prior else None


def compared(args: argparse.Namespace) -> Comparison:
    """The answers that the options ask for."""
    chosen = {name: getattr(args, name) for name in ("draws", "tune", "chains", "target_accept")}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    stray = [name for name in ("seed", *chosen) if getattr(args, name) is not None and not args.sample]
    if stray:
        raise DataError(f"--{stray[0].replace('_', '-')} is for the draws: add --sample.")
    if args.prior and args.no_exact and not args.sample:
        raise DataError("--prior is for the posterior: add --sample, or leave --no-exact out.")
    return model_of(args).compare(
        prior_of(args),
        args.sample,
        args.ci_prob,
        args.seed,
        kappa=args.kappa,
        methods=METHODS[args.method],
        exact=not args.no_exact,
        rel_error=args.rel_error,
        **chosen,
    )


def run_datasets(args: argparse.Namespace) -> None:
    """List the data sets."""
    print(list_datasets()[["name", "rows", "groups", "title"]].to_string(index=False))


def run_lesson(args: argparse.Namespace) -> None:
    """Copy one lesson, or list all."""
    if args.name is None:
        for number, name, title, question in list_lessons()[
            ["number", "name", "title", "question"]
        ].to_numpy():
            stop = "" if title.endswith("?") else "."
            print(f"{number:2}  {name}\n    {title}{stop} {question}")
        return
    print(f"{lesson(args.name, args.output, args.force)}: open it with Jupyter, or an editor for notebooks")


def run_versions(args: argparse.Namespace) -> None:
    """Print the versions."""
    show_versions()


def text(found: Comparison) -> str:
    """The table for stdout: as wide as the terminal, in full elsewhere."""
    if not sys.stdout.isatty():
        return found.to_text()
    return found.to_text(max_rows=40, width=os.get_terminal_size(sys.stdout.fileno()).columns)


def read(data: str) -> pd.DataFrame:
    """A .csv or .parquet file, or a data set by its name.

    Raises
    ------
    DataError
        If there is neither, or the file cannot be read.
    """
    path = Path(data)
    if not path.exists() and not path.suffix:
        return load_dataset(data)
    if path.is_dir():
        raise DataError(f"{data!r} is a folder: name a .csv or .parquet file in it.")
    if not path.is_file():
        close = get_close_matches(path.name, os.listdir(path.parent) if path.parent.is_dir() else [], n=1)
        raise DataError(
            f"no file {data!r}." + (f" Did you mean {str(path.parent / close[0])!r}?" if close else "")
        )
    name = path.name.lower()
    try:
        if name.endswith((".parquet", ".pq")):
            return pd.read_parquet(path)
        if name.endswith((".csv", ".csv.gz")):
            frame = pd.read_csv(path)
            separator(frame, data)
            return frame
    except (ValueError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        hint = ""
        if name.endswith((".csv", ".csv.gz")):
            hint = ". A .csv here has commas, decimal points and UTF-8; read others in Python with pandas.read_csv"
        raise DataError(f"cannot read {data!r}: {reason}{hint}") from None
    raise DataError(f"cannot read {data!r}: the name must end in .csv, .csv.gz or .parquet.")


def separator(frame: pd.DataFrame, data: str) -> None:
    """Refuse a file whose columns are all in one, since it has other separators than commas."""
    found = [mark for mark in ";\t|" if frame.shape[1] == 1 and mark in str(frame.columns[0])]
    if found:
        raise ValueError(f"its columns are separated by {found[0]!r}")


def check_output(output: str | None) -> Path | None:
    """Refuse, before any work, an output that could not be written."""
    if output is None:
        return None
    path = Path(output)
    if path.suffix not in FORMATS:
        raise DataError(f"-o {output!r}: the name must end in {', '.join(FORMATS)}.")
    if path.is_dir() or not path.parent.is_dir():
        raise DataError(
            f"-o {output!r}: "
            + ("it is a folder." if path.is_dir() else f"there is no folder {str(path.parent)!r}.")
        )
    if not os.access(path.parent, os.W_OK):
        raise DataError(f"-o {output!r}: the folder cannot be written to.")
    return path


def write(path: Path, content: str) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(content, encoding="utf-8", newline="\n")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; default those of the process.

    Returns
    -------
    int
        0, or 2: for bad input, with one clear line on stderr and nothing written, and for ``report --strict`` with
        doubts, after writing.
    """
    # The tables show every message at their foot; the log would repeat it on stderr.
    logging.getLogger("blupbayes").addHandler(logging.NullHandler())
    args = parser().parse_args(argv)
    try:
        code: int | None = args.run(args)
        sys.stdout.flush()
    except BlupbayesError as error:
        print(f"blupbayes: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        print(f"blupbayes: {error}", file=sys.stderr)
        return 2
    return code or 0


if __name__ == "__main__":
    sys.exit(main())
