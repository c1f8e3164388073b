"""The dataset card: Markdown with the front matter that the Hugging Face hub reads, written from a release's facts.

No Django, no clock, no name of a project, release or person: the card is part of what the content hash covers.
"""

import json
from typing import Any

from annotation.agreement import PAPER_ALPHA

_SIZES = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")]
_KEEP_RULES = {
    "majority": "at least {min_votes} valid votes, and a majority of at least {min_share} of the answers",
    "alpha-u": "at least {min_votes} valid votes, and an alpha_u of the pair of at least {min_alpha_u}",
    "unanimous": "at least {min_votes} valid votes, all the same",
}
_REMOVALS = {
    "too_few_votes": "too few valid votes",
    "no_intent": "no code-search intent by majority",
    "unresolved": "no majority",
    "below_share": "majority below the share asked for",
    "below_alpha_u": "alpha_u below the threshold",
    "not_unanimous": "not unanimous",
    "set_aside": "set aside as impossible to judge",
    "imported_conflict": "imported labels contradict each other",
    "licence": "its licence is left out",
    "adjudicated_no_intent": "no code-search intent, by an adjudicator",
    "adjudicated_unusable": "impossible to judge, by an adjudicator",
    "dropped_by_split": "query stood on two sides of a split by code",
}


def size_category(n: int) -> str:
    """The hub's name for a number of rows."""
    return next((name for limit, name in _SIZES if n < limit), "1M<n<10M")


def describe_rule(rule: dict[str, Any]) -> str:
    """A keep rule in words."""
    if rule.get("min_share") == "1/2":
        return f"at least {rule['min_votes']} valid votes, and any majority of the answers"
    return _KEEP_RULES[rule["keep"]].format(**rule)


def name_rule(rule: dict[str, Any]) -> str:
    """A keep rule in a few words, without its number of votes."""
    if rule["keep"] == "majority":
        return "any majority" if rule["min_share"] == "1/2" else f"majority of at least {rule['min_share']}"
    return f"alpha_u of at least {rule['min_alpha_u']}" if rule["keep"] == "alpha-u" else "all votes the same"


def describe_removal(reason: str) -> str:
    """Why pairs were removed, in words."""
    return _REMOVALS.get(reason, reason.replace("_", " "))


def describe_alpha(alpha: dict[str, Any]) -> str:
    """An alpha with its n and interval, or why it is undefined."""
    size = f"{alpha['n']:,} votes on {alpha['units']:,} pairs"
    if alpha["alpha"] is None:
        return f"undefined ({alpha['undefined']}; {size})"
    interval = alpha.get("interval")
    between = f", 95 % interval {interval[0]:.3f} to {interval[1]:.3f}" if interval else ""
    return f"{alpha['alpha']:.3f}{between} ({size})"


def front_matter(facts: dict[str, Any]) -> str:
    """The YAML block. Every value is printed as JSON, which is YAML as well and needs no quoting rules of ours."""
    statistics = facts["statistics"]
    splits = [split for split, counts in statistics["splits"].items() if counts["pairs"]]
    fields = {
        "language": ["en"],
        "license": "other",
        "license_name": "see-provenance",
        "pretty_name": _title(facts),
        "tags": ["code-search", "code-question-answering", *([facts["language"]] if facts["language"] else [])],
        "annotations_creators": _annotation_creators(facts),
        "language_creators": ["found"],
        "size_categories": [size_category(statistics["pairs"])],
        "source_datasets": ["original"],
        "task_categories": ["text-classification", "text-retrieval"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"cosqa-qa-{split}.json"} for split in splits],
            },
            {"config_name": "pairs", "data_files": [{"split": "all", "path": "pairs.jsonl"}]},
            *_votes_config(facts),
        ],
    }
    return "\n".join(["---", *(f"{key}: {json.dumps(value)}" for key, value in fields.items()), "---"])


def _votes_config(facts: dict[str, Any]) -> list[dict[str, Any]]:
    if not facts["votes"]["published"]:
        return []
    return [{"config_name": "votes", "data_files": [{"split": "all", "path": "votes.jsonl"}]}]


def _annotation_creators(facts: dict[str, Any]) -> list[str]:
    kinds = facts["votes"]["raters"]
    names = {"human": "crowdsourced", "simulated": "machine-generated", "imported": "found"}
    found = [name for kind, name in names.items() if kinds.get(kind)]
    return found or ["found"]


def _title(facts: dict[str, Any]) -> str:
    return " ".join(filter(None, ["Judged", facts["language"].capitalize(), "query-code pairs"]))


def card(facts: dict[str, Any]) -> str:
    """The whole card. facts: what `freeze_release` gathers (criteria, statistics, agreement, removed, votes)."""
    sections = [
        front_matter(facts),
        f"# {_title(facts)}",
        _introduction(facts),
        _collection(facts),
        _agreement(facts),
        _splits(facts),
        _statistics(facts["statistics"]),
        _votes(facts),
        *_pools(facts),
        _limits(),
    ]
    return "\n\n".join(sections) + "\n"


def _introduction(facts: dict[str, Any]) -> str:
    statistics = facts["statistics"]
    return (
        f"{statistics['pairs']:,} pairs of a search query and a code function, judged whether the code answers the "
        f"query: {statistics['ones']:,} times yes (label 1), {statistics['zeros']:,} times no (label 0). "
        f"{statistics['queries']['distinct']:,} distinct queries, {statistics['codes']['distinct']:,} distinct codes."
        "\n\n"
        "Files: `cosqa-qa-*.json` (code question answering) and `cosqa-retrieval-*.json` with `code_idx_map.txt` "
        "(code search; dev and test hold positives only) in the shapes of CoSQA; `pairs.jsonl` with everything known "
        "of a pair; `votes.jsonl`; `manifest.json` with the SHA-256 of each file."
    )


def _collection(facts: dict[str, Any]) -> str:
    rule = facts["criteria"]
    removed = [f"- {describe_removal(reason)}: {n:,}" for reason, n in facts["removed"].items()]
    imported = facts["statistics"]["origins"].get("imported", 0)
    lines = [
        "## How the labels came to be",
        "Each annotator first said whether the query has code-search intent, then whether the code answers it. Intent "
        "is decided by the majority of all valid votes on the query, the label by the majority of the answers. "
        '"Cannot judge" is missing data.',
        f"Kept: pairs with {describe_rule(rule['keep_rule'])}.",
    ]
    if imported:
        lines.append(
            f"{imported:,} pairs carry a single label from elsewhere, raters unknown; no agreement figure counts them."
        )
    if adjudicated := facts["statistics"]["origins"].get("adjudicated", 0):
        lines.append(
            f"{adjudicated:,} pairs carry the label of an adjudicator, who saw all votes and gave a reason (`origin` "
            "is `adjudicated` in `pairs.jsonl`). Their votes stand as they were given, for or against the label."
        )
    if removed:
        lines.append("Judged but not kept:\n\n" + "\n".join(removed))
    return "\n\n".join(lines)


def _agreement(facts: dict[str, Any]) -> str:
    agreement = facts["agreement"]
    return "\n\n".join(
        [
            "## Agreement",
            "Krippendorff's alpha (nominal) of all votes before any pair was removed:",
            f"- intent: {describe_alpha(agreement['intent'])}\n- answer: {describe_alpha(agreement['answer'])}",
            f"Of the answers on kept pairs only: {describe_alpha(agreement['answer_kept'])}. This figure is selected: "
            f"the rule removed pairs because raters differed. (CoSQA reports {PAPER_ALPHA} after its filter.)",
        ]
    )


def _splits(facts: dict[str, Any]) -> str:
    report = facts["split_report"]
    rows = [
        f"| {split} | {counts['pairs']:,} | {counts['ones']:,} | {counts['pairs'] - counts['ones']:,} |"
        for split, counts in facts["statistics"]["splits"].items()
    ]
    how = (
        "Pairs that share a query or a code, also through other pairs, stand in one split."
        if report["by"] == "group"
        else f"No code and no query stands in two splits; {report['dropped']:,} pairs between the sides were dropped."
    )
    return "\n\n".join(
        [
            "## Splits",
            "\n".join(["| split | pairs | label 1 | label 0 |", "|---|---:|---:|---:|", *rows]),
            f"{how} Connected groups: {report['groups']:,}; the largest holds {report['largest_group']:,} pairs. "
            f"Seed {report['seed']}.",
        ]
    )


def _statistics(statistics: dict[str, Any]) -> str:
    rows = [
        f"| {name} | {of['distinct']:,} | {of['average_words']:.2f} | {of['vocabulary']:,} |"
        for name, of in (("queries", statistics["queries"]), ("codes", statistics["codes"]))
    ]
    licences = ", ".join(f"{name}: {n:,}" for name, n in statistics["licences"].items())
    return "\n\n".join(
        [
            "## Statistics",
            "\n".join(["| texts | distinct | average words | vocabulary |", "|---|---:|---:|---:|", *rows]),
            f"Words are what stands between single spaces. Licences of the functions, in pairs: {licences}.",
        ]
    )


def _votes(facts: dict[str, Any]) -> str:
    votes = facts["votes"]
    raters = ", ".join(f"{n:,} {kind}" for kind, n in votes["raters"].items()) or "none"
    lines = [
        "## Votes and people",
        f"Raters: {raters}. `votes.jsonl` holds {votes['published']:,} of the {votes['on_kept_pairs']:,} votes on kept "
        "pairs: those of people who agreed to it. Raters appear under pseudonyms that hold within this release only "
        "and cannot be linked to another.",
    ]
    if votes["raters"].get("simulated"):
        lines.append("**Simulated raters are programs.** Their votes are no human judgement.")
    return "\n\n".join(lines)


def _pools(facts: dict[str, Any]) -> list[str]:
    qrels = facts.get("qrels")
    if not qrels:
        return []
    pools = "; ".join(
        f"{pool['queries']:,} queries, the best {pool['depth']} codes of each of {len(pool['systems'])} systems"
        for pool in qrels["pools"]
    )
    return [
        "## Judged pools\n\n`qrels.txt` (TREC's form: query, 0, code, relevance, by content hash) and `qrels.json` "
        f"(with texts, votes and the split of the query) hold every judged pair of the test pools: {pools}. "
        f"{qrels['judged']:,} pairs are judged, {qrels['relevant']:,} of them relevant; {qrels['not_judged']:,} are "
        "not judged yet. They are there whatever the keep rule says. Do not test on queries whose split is train."
    ]


def _limits() -> str:
    return (
        "## Limits\n\nOther functions than the judged ones may answer a query as well, so a search metric that counts "
        "only the judged one understates a model. Queries held back for privacy were never shown to annotators and are "
        "not part of this release. Each function keeps the licence of its source (`provenance` in `pairs.jsonl`)."
    )
