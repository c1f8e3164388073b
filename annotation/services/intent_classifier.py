"""The optional second opinion on intent: trained from judgements by a job, and asked about every query by another.

It sorts what people should look at. It never takes the place of the rules.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from numpy.typing import NDArray

from annotation.intent_classifier import (
    Features,
    Scorer,
    check_enough,
    out_of_fold,
    report_on,
    train,
)
from annotation.models import IntentClassifier, IntentSample, IntentScore
from annotation.selectors.intent import judged_queries, labelled_queries
from core.db import run_in_chunks, write_transaction
from core.encoders import load_encoder
from core.encoding import Encoder
from core.errors import BadInputError, ConflictError, NotFoundError, QuarryError
from core.jobs import RunningJob, create_job
from core.models import Job, Project, User
from core.text import query_hash
from core.vectors import VectorStore, encode_missing
from curation.models import Query
from curation.rule_quality import LabelledQuery, judge_labelled, read_labelled
from curation.selectors import current_rule_set, profile_of

TRAIN_INTENT_CLASSIFIER, SCORE_INTENT = "annotation.train_intent_classifier", "annotation.score_intent"
MAX_LABELLED = 20_000
SCORE_AT_ONCE = 1000
FOLDS = 5


class EncoderChangedError(QuarryError):
    """The encoder is not the one that the classifier was trained with."""

    code, status = "encoder_changed", 409
    template = "The encoder {encoder} has changed since this second opinion was trained. Train it again."


# --- training -----------------------------------------------------------------------------------------------
def start_train_intent_classifier(
    *,
    project: Project,
    samples: Sequence[IntentSample] | None = None,
    labelled: Path | None = None,
    labelled_name: str = "",
    encoder: str = "",
    seed: int = 0,
    user: User | None = None,
    inline: bool = False,
) -> tuple[IntentClassifier, Job]:
    """Checks that there is enough to learn from and queues the training.

    samples: None takes all of the project's. labelled: a CSV or JSON Lines file with the columns query and label.
    Raises TooFewJudgementsError below the minimum of each class.
    """
    chosen = list(project.intent_samples.all() if samples is None else samples)
    check_enough(gather(project, chosen, labelled, labelled_name)[0])
    if not 0 <= seed < 2**31:
        raise BadInputError(problem=f"The seed is a number from 0 to {2**31 - 1:,}, not {seed}.")
    training = {
        "samples": [sample.pk for sample in chosen],
        "file": labelled_name or (labelled.name if labelled else ""),
        "seed": seed,
    }
    with write_transaction():
        classifier = IntentClassifier.objects.create(
            project=project,
            encoder=encoder.strip() or project.encoder or settings.QUARRY_ENCODER,
            rule_set=current_rule_set(project),
            training=training,
        )
        classifier.job = create_job(
            kind=TRAIN_INTENT_CLASSIFIER,
            title="Train a second opinion on intent",
            params={"classifier_id": classifier.pk, "path": str(labelled) if labelled else ""},
            project=project,
            user=user,
            inline=inline,
        )
        classifier.save(update_fields=["job"])
    return classifier, classifier.job


def gather(
    project: Project, samples: Sequence[IntentSample], labelled: Path | None = None, name: str = ""
) -> tuple[list[LabelledQuery], int]:
    """(distinct labelled queries of samples and file, how many were left out because their labels contradict).

    A sample's majority counts more than a file's label.
    """
    sampled: list[LabelledQuery] = []
    for sample in samples:
        for query in labelled_queries(judged_queries(sample)):
            stratum = f"{sample.pk}:{query.stratum}"
            sampled.append(LabelledQuery(query.query, query.has_intent, stratum, query.key))
    from_file = read_labelled(labelled, name=name) if labelled is not None else []
    if len(from_file) > MAX_LABELLED:
        raise BadInputError(problem=f"The labelled file has more than {MAX_LABELLED:,} queries; a sample is enough.")
    of_samples, contradicting = _distinct(sampled)
    of_file, more = _distinct(from_file)
    both = {**of_file, **of_samples}
    return [both[key] for key in sorted(both)], contradicting + more


def _distinct(queries: Sequence[LabelledQuery]) -> tuple[dict[str, LabelledQuery], int]:
    """(content hash -> query, how many texts had both labels)."""
    found: dict[str, LabelledQuery] = {}
    both: set[str] = set()
    for query in queries:
        key = query_hash(query.query)
        if key in found and found[key].has_intent != query.has_intent:
            both.add(key)
        found.setdefault(key, query)
    return {key: query for key, query in found.items() if key not in both}, len(both)


def train_intent_classifier(*, run: RunningJob, classifier: IntentClassifier, path: str = "") -> dict[str, Any]:
    """Trains, measures out of fold and stores; a classifier that is complete is left as it is."""
    if classifier.is_complete:
        return {"classifier": classifier.pk, **classifier.report}
    project, seed = classifier.project, classifier.training["seed"]
    samples = list(project.intent_samples.filter(pk__in=classifier.training["samples"]))
    file = Path(path) if path else None
    labelled, contradicting = gather(project, samples, file, classifier.training["file"])
    check_enough(labelled)
    run.progress(0, FOLDS + 2, f"encoding {len(labelled):,} queries")
    encoder = load_encoder(classifier.encoder)
    texts = [query.query for query in labelled]
    features = Features(texts, np.asarray(_vectors(encoder, texts), dtype=float))
    labels = np.array([query.has_intent for query in labelled], dtype=bool)
    chances, variants = np.zeros(len(labelled)), []
    for fold, (places, said, variant) in enumerate(out_of_fold(features, labels, seed=seed, folds=FOLDS), start=1):
        run.progress(fold, FOLDS + 2, f"fold {fold} of {FOLDS}")
        chances[places] = said
        variants.append(variant)
    scorer = train(features, labels, seed=seed, folds=FOLDS)
    rules = judge_labelled(profile_of(classifier.rule_set), labelled, language=project.language)
    classifier.fingerprint = encoder.fingerprint
    classifier.parameters = scorer.as_data()
    classifier.report = {
        **report_on(labelled, chances, rules),
        "variant": scorer.variant,
        "variants": variants,
        "folds": FOLDS,
        "contradicting": contradicting,
    }
    classifier.is_complete = True
    classifier.save(update_fields=["fingerprint", "parameters", "report", "is_complete"])
    _forget_upload(file)
    return {"classifier": classifier.pk, **classifier.report}


def _vectors(encoder: Encoder, texts: Sequence[str]) -> NDArray[np.float32]:
    store = VectorStore.of(Path(settings.QUARRY_HOME, "vectors"), encoder, view="query")
    return encode_missing(store, encoder, texts)


def _forget_upload(file: Path | None) -> None:
    """Removes a labelled file that was uploaded for this training; a curator's own file stays."""
    if file is not None and file.parent == Path(settings.QUARRY_HOME) / "uploads":
        file.unlink(missing_ok=True)


def find_classifier(project: Project, pk: int | None = None) -> IntentClassifier:
    """The trained classifier of this number, or the newest; NotFoundError otherwise."""
    trained = project.intent_classifiers.filter(is_complete=True).select_related("rule_set")
    found = trained.filter(pk=pk).first() if pk is not None else trained.first()
    if found is None:
        raise NotFoundError(what=f"trained second opinion in {project.slug}", name=pk if pk is not None else "any")
    return found


# --- asking it about every query ------------------------------------------------------------------------------
def start_score_intent(
    *, project: Project, classifier: IntentClassifier, user: User | None = None, inline: bool = False
) -> Job:
    """Queues the scoring of all queries that have no score yet."""
    if not classifier.is_complete:
        raise ConflictError(problem="This second opinion is not trained yet.")
    return create_job(
        kind=SCORE_INTENT,
        title=f"Ask the second opinion {classifier.pk} about every query",
        params={"classifier_id": classifier.pk},
        project=project,
        user=user,
        inline=inline,
    )


def score_intent(*, run: RunningJob, classifier: IntentClassifier) -> dict[str, Any]:
    """Scores the queries that may be shown and have no score yet, a thousand at a time; run again it goes on."""
    scorer = Scorer.from_data(classifier.parameters)
    encoder = _same_encoder(classifier) if scorer.needs_vectors else None
    todo = _unscored(classifier)
    total = todo.count()

    def rows() -> Iterator[IntentScore]:
        done = last = 0
        while part := list(todo.filter(pk__gt=last).order_by("pk").values_list("pk", "text")[:SCORE_AT_ONCE]):
            run.progress(done, total, f"{done:,} of {total:,} queries")
            last, done = part[-1][0], done + len(part)
            texts = [text for _, text in part]
            chances = scorer.chances(texts, _vectors(encoder, texts) if encoder is not None else None)
            for (pk, _), chance in zip(part, chances, strict=True):
                yield IntentScore(classifier=classifier, query_id=pk, chance=round(float(chance), 6))

    written = run_in_chunks(
        rows(), lambda chunk: IntentScore.objects.bulk_create(chunk, ignore_conflicts=True), max_rows=SCORE_AT_ONCE
    )
    classifier.n_scored = classifier.scores.count()
    classifier.scored_at = timezone.now()
    classifier.save(update_fields=["n_scored", "scored_at"])
    return {"classifier": classifier.pk, "scored": written, "scored_in_all": classifier.n_scored}


def _same_encoder(classifier: IntentClassifier) -> Encoder:
    encoder = load_encoder(classifier.encoder)
    if encoder.fingerprint != classifier.fingerprint:
        raise EncoderChangedError(encoder=classifier.encoder)
    return encoder


def _unscored(classifier: IntentClassifier) -> QuerySet[Query]:
    scored = IntentScore.objects.filter(classifier=classifier, query=OuterRef("pk"))
    return Query.objects.filter(~Exists(scored), project=classifier.project, quarantine_reason="")
