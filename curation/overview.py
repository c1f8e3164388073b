"""What the curation stage adds to a project's overview: from log lines to pairs."""

from django.db.models import Sum

from core.menu import section_address
from core.models import Project
from core.overview import Branch, Contribution, Stage, Step
from curation.models import CandidateRun, Code, LogImport, Pair
from curation.selectors import current_rule_set
from curation.selectors.queries import RuleCounts, left_out_count, rule_counts


def contribution(project: Project) -> Contribution:
    """Counts and steps of the project's logs, queries, code and pairs."""
    counts = rule_counts(project, current_rule_set(project), with_rules=False)
    n_pairs = Pair.objects.filter(project=project).count()
    n_codes = Code.objects.filter(project=project, is_paired=True, quarantine_reason="").count()
    return Contribution(
        stages=[
            _lines(project),
            _queries(project, counts),
            _wanted(project, counts),
            Stage(
                "pairs",
                "Pairs",
                n_pairs,
                section_address("curation:candidates", project),
                branches=_shown(Branch("code functions to pair", n_codes, section_address("curation:code", project))),
            ),
        ],
        steps=_steps(project, counts, n_codes=n_codes, n_pairs=n_pairs),
    )


def _lines(project: Project) -> Stage:
    sums = LogImport.objects.filter(project=project).aggregate(
        read=Sum("n_read", default=0), known=Sum("n_known", default=0), bad=Sum("n_bad", default=0)
    )
    logs = section_address("curation:logs", project)
    return Stage(
        "lines",
        "Log lines",
        sums["read"],
        logs,
        branches=_shown(Branch("asked before", sums["known"], logs), Branch("bad rows", sums["bad"], logs)),
    )


def _queries(project: Project, counts: RuleCounts) -> Stage:
    queries = section_address("curation:queries", project)
    return Stage(
        "queries",
        "Queries",
        counts.queries,
        queries,
        branches=_shown(
            Branch("no intent by the rules", counts.rejected, _with(queries, "rejected")),
            Branch("held back for privacy", counts.quarantined, _with(queries, "quarantined")),
            Branch("not judged by the rules yet", counts.unjudged, _with(queries, "unjudged")),
        ),
    )


def _wanted(project: Project, counts: RuleCounts) -> Stage:
    """Queries with intent; below them why the last proposal left some without a pair."""
    queries = section_address("curation:queries", project)
    left_out = left_out_count(project, current_rule_set(project))
    branches = [
        Branch("left out by a curator", left_out, f"{_with(queries, 'accepted')}&left_out=yes" if queries else ""),
        Branch("asked by too few people", counts.withheld, _with(queries, "accepted")),
    ]
    run = CandidateRun.objects.filter(project=project, origin="encoder", is_complete=True).order_by("-id").first()
    if run is not None:
        matches = section_address("curation:candidate_matches", project, run.pk)
        waiting = counts.accepted - left_out - counts.withheld - run.n_queries
        branches += [
            Branch("best code below the threshold", run.n_below_threshold, f"{matches}?by=query&outcome=below"),
            Branch("codes used too often already", run.n_over_cap, f"{matches}?by=query&outcome=over_cap"),
            Branch("nothing to score", run.n_not_searched, matches),
            Branch("not in the last candidate run", max(0, waiting), section_address("curation:candidates", project)),
        ]
    return Stage("intent", "With intent", counts.accepted, _with(queries, "accepted"), branches=_shown(*branches))


def _shown(*branches: Branch) -> list[Branch]:
    return [branch for branch in branches if branch.value]


def _with(address: str, verdict: str) -> str:
    return f"{address}?verdict={verdict}" if address else ""


def _steps(project: Project, counts: RuleCounts, *, n_codes: int, n_pairs: int) -> list[Step]:
    return [
        Step(
            "Bring a search log in",
            "One query a line, CSV, TSV or JSON Lines, plain or as gzip.",
            counts.queries > 0,
            section_address("curation:logs", project),
            "Add a log",
        ),
        Step(
            "Apply the intent rules",
            "They set aside queries that do not ask for code: debugging, concepts, tools.",
            counts.accepted + counts.rejected > 0 and counts.unjudged == 0,
            section_address("curation:rules", project),
            "Open the rules",
        ),
        Step(
            "Bring code in",
            "Functions of the standard library, of an installed package, or of a folder.",
            n_codes > 0,
            section_address("curation:code", project),
            "Add code",
        ),
        Step(
            "Propose pairs",
            "An encoder finds the best code of every query.",
            n_pairs > 0,
            section_address("curation:candidates", project),
            "Propose pairs",
        ),
    ]
