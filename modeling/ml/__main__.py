"""The library's own command line; works without Django and without a database.

    python -m modeling.ml train coclr-iba --files pairs.json --out runs/one
    python -m modeling.ml evaluate-search runs/one/checkpoint --queries queries.json --code-base code_idx_map.txt

Results go to standard output, progress to standard error. Exit status: 0 done, 2 bad input, 1 failure, 130 stopped.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.errors import QuarryError
from modeling.ml.data import read_code_base, read_pairs, read_training_files
from modeling.ml.errors import UnknownRecipeError
from modeling.ml.recipes import RECIPES, SETTINGS, Recipe, parse_overrides, resolve
from modeling.ml.splitting import without_connected

CANDIDATE_ENCODER = "candidate-encoder"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        result: dict[str, Any] = arguments.run(arguments)
    except QuarryError as error:
        _say(f"error: {error}")
        return 2
    sys.stdout.write(json.dumps(result) + "\n" if arguments.json else _readable(result))
    return 130 if result.get("finished") is False else 0


def _train(arguments: argparse.Namespace) -> dict[str, Any]:
    config = _config(arguments)
    examples = _training_examples(arguments)
    from modeling.ml.train import train

    dev = read_pairs(arguments.dev, split="dev") if arguments.dev else []
    result = train(
        config,
        examples,
        arguments.out,
        dev=dev,
        report=_report_line,
        should_stop=_stop_on_signal(),
        resume=not arguments.fresh,
    )
    if not result.finished:
        _say(f"Stopped at step {result.steps} of {result.total_steps}; the same command goes on from there.")
    return {**asdict(result), "checkpoint": str(result.checkpoint), "recipe": config.recipe, "pairs": len(examples)}


def _evaluate_search(arguments: argparse.Namespace) -> dict[str, Any]:
    queries = read_pairs(arguments.queries, split="test", labelled=False)
    code_base = read_code_base(arguments.code_base)
    from modeling.ml.evaluation import evaluate_search

    return evaluate_search(_scorer(arguments), queries, code_base, progress=_progress("codes encoded"))


def _evaluate_qa(arguments: argparse.Namespace) -> dict[str, Any]:
    pairs = read_pairs(arguments.pairs, split="test")
    choose_on = read_pairs(arguments.dev, split="dev") if arguments.dev else []
    from modeling.ml.evaluation import evaluate_qa

    return evaluate_qa(_scorer(arguments), pairs, threshold=arguments.threshold, choose_on=choose_on)


def _cross_validate(arguments: argparse.Namespace) -> dict[str, Any]:
    config = _config(arguments)
    examples = _training_examples(arguments)
    from modeling.ml.crossval import cross_validate_qa

    return cross_validate_qa(config, examples, arguments.out, folds=arguments.folds, report=_report_line)


def _search(arguments: argparse.Namespace) -> dict[str, Any]:
    code_base = read_code_base(arguments.code_base)
    from modeling.ml.search import search

    scorer = _scorer(arguments)
    index = scorer.index([code.text for code in code_base], progress=_progress("codes encoded"))
    hits = search(scorer, arguments.query, code_base, k=arguments.k, index=index)
    return {"query": arguments.query, "checkpoint": scorer.name, "hits": [asdict(hit) for hit in hits]}


def _recipes(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "recipes": {name: text for name, (text, _) in RECIPES.items()},
        "settings": {name: f"{item.metadata['help']} Default: {item.default}" for name, item in SETTINGS.items()},
    }


def _config(arguments: argparse.Namespace) -> Recipe:
    given = {"encoder": arguments.encoder, "seed": arguments.seed}
    return resolve(
        _recipe_name(arguments),
        {**{key: value for key, value in given.items() if value is not None}, **parse_overrides(arguments.set)},
    )


def _recipe_name(arguments: argparse.Namespace) -> str:
    """The recipe, named first or with --recipe."""
    names = {name for name in (arguments.name, arguments.recipe) if name}
    if len(names) != 1:
        raise UnknownRecipeError(name=" and ".join(sorted(names)) or "(none named)", known=", ".join(RECIPES))
    return str(names.pop())


def _training_examples(arguments: argparse.Namespace) -> list[Any]:
    pairs = read_training_files(arguments.files, unlabelled_match=_recipe_name(arguments) == CANDIDATE_ENCODER)
    examples = pairs.examples
    _say(f"{len(examples)} pairs read; {pairs.repeated} repeated, {len(pairs.contradictory)} contradictory left out")
    for path in arguments.without_connected_to:
        test = read_pairs(path, split="test", labelled=False)
        before = len(examples)
        examples = without_connected(
            examples, query_ids=[pair.query_id for pair in test], code_ids=[pair.code_id for pair in test]
        )
        _say(f"{before - len(examples)} pairs connected with {path} left out")
    return examples


def _scorer(arguments: argparse.Namespace) -> Any:
    from modeling.ml.matcher import load_scorer

    return load_scorer(arguments.checkpoint, max_length=arguments.max_length, view=arguments.text_view)


def _stop_on_signal() -> Callable[[], bool]:
    """Ctrl-C and SIGTERM ask the run to stop after its step; a second Ctrl-C ends it at once."""
    asked: list[int] = []

    def note(number: int, frame: Any) -> None:
        asked.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, note)
    signal.signal(signal.SIGTERM, note)
    return lambda: bool(asked)


def _report_line(line: dict[str, Any]) -> None:
    numbers = ", ".join(f"{key} {value:.4g}" for key, value in line.items() if key not in _NOT_SHOWN)
    _say(f"step {line['step']}/{line['total_steps']}, epoch {line['epoch']}, {line['time']:.0f} s: {numbers}")


_NOT_SHOWN = {"step", "total_steps", "epoch", "time", "gradient_norm"}


def _progress(what: str) -> Callable[[int, int], None]:
    last = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > 2 or done == total:
            last = time.monotonic()
            _say(f"{done}/{total} {what}")

    return progress


def _readable(result: dict[str, Any]) -> str:
    lines = []
    for key, value in result.items():
        if isinstance(value, dict):
            lines += [f"{key}:", *(f"  {name:<24} {_shown(item)}" for name, item in value.items())]
        elif key == "hits":
            lines += [
                f"{hit['rank']:>3}  {hit['score']:.4f}  {hit['name'] or hit['code'].splitlines()[0]}" for hit in value
            ]
        else:
            lines.append(f"{key:<26} {_shown(value)}")
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m modeling.ml", description="Train and measure query-code matching.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_training(commands, "train", _train, "train a recipe").add_argument(
        "--dev", type=Path, help="pairs to choose the epoch on (default: a share of the files)"
    )
    cross = _add_training(commands, "cross-validate", _cross_validate, "code QA by grouped cross-validation")
    cross.add_argument("--folds", type=int, default=3)
    search = _add_measuring(commands, "evaluate-search", _evaluate_search, "MRR over a whole code base")
    search.add_argument("--queries", type=Path, required=True)
    search.add_argument("--code-base", type=Path, required=True)
    qa = _add_measuring(commands, "evaluate-qa", _evaluate_qa, "accuracy on judged pairs")
    qa.add_argument("--pairs", type=Path, required=True)
    qa.add_argument("--threshold", type=float, help="answer 1 above this score")
    qa.add_argument("--dev", type=Path, help="pairs to choose the threshold on")
    ask = _add(commands, "search", _search, "rank a code base for a query")
    ask.add_argument("query")
    ask.add_argument("--checkpoint", required=True)
    ask.add_argument("--code-base", type=Path, required=True)
    ask.add_argument("-k", type=int, default=10, help="number of answers")
    _add_reading(ask)
    _add(commands, "recipes", _recipes, "list recipes and their settings")
    return parser


def _add(commands: Any, name: str, run: Callable[..., dict[str, Any]], text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text)
    parser.set_defaults(run=run)
    parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")
    return parser


def _add_training(commands: Any, name: str, run: Callable[..., dict[str, Any]], text: str) -> argparse.ArgumentParser:
    parser = _add(commands, name, run, text)
    parser.add_argument("name", nargs="?", metavar="RECIPE", help=", ".join(RECIPES))
    parser.add_argument("--recipe", help="the recipe, if it is not named first")
    parser.add_argument("--files", type=Path, nargs="+", required=True, help="labelled pairs or release folders")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--encoder", help="minilm, codebert, a folder, a checkpoint or a hub name")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="another setting of the recipe")
    parser.add_argument(
        "--without-connected-to",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="leave out pairs that share a query or code, directly or through others, with this test file",
    )
    parser.add_argument("--fresh", action="store_true", help="start over instead of going on with the folder's run")
    return parser


def _add_measuring(commands: Any, name: str, run: Callable[..., dict[str, Any]], text: str) -> argparse.ArgumentParser:
    parser = _add(commands, name, run, text)
    parser.add_argument("checkpoint", help="a checkpoint folder, an encoder's name (zero-shot) or bm25")
    _add_reading(parser)
    return parser


def _add_reading(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--max-length", type=int, help="tokens that are read (default: the checkpoint's)")
    parser.add_argument("--text-view", help="full, no_doc, ... (default: the checkpoint's)")


if __name__ == "__main__":
    raise SystemExit(main())
