"""What the judge page's scripts say, in the language of the reader. No database.

The page carries these as JSON; %(name)s is filled in by the script.
"""

from django.utils.translation import gettext as _


def judge_words() -> dict[str, str]:
    """Every sentence that the judge page's scripts can say, by a short name."""
    return {**_questions(), **_refusals(), **_sending(), **_acts(), **_feedback()}


def _questions() -> dict[str, str]:
    return {
        "step1": _("Does the query look for code?"),
        "step2": _("Does the code answer the query?"),
        "why_no": _("Why does it not look for code?"),
        "why_1": _("How far does the code answer?"),
        "why_0": _("How far does the code fall short?"),
        "choose": _("Choose one:"),
        "go": _("Read it, then go on."),
        "query": _("query"),
        "code": _("code"),
        "next": _("Mine %(mine)s, left %(left)s. Next query: %(query)s"),
        "now": _("%(note)s Mine %(mine)s, left %(left)s. Query: %(query)s"),
    }


def _refusals() -> dict[str, str]:
    return {
        "not_here": _("Not counted: the next pair is not here yet."),
        "too_early": _("Not counted: that press came before the pair was on screen."),
        "too_quick": _("Not counted: too quick after a press that did not count."),
        "double_click": _("Not counted: the second press of a double click."),
        "step1_first": _("Step 1 first: does the query look for code?"),
        "step2_asks": _("Step 2 asks about the code. Undo goes back to step 1."),
        "no_code": _("Not counted: this query has no code to judge."),
        "why_first": _("One more press: choose the reason. Undo goes back."),
        "no_fit": _("Not counted: that reason does not go with this answer."),
        "go_first": _("Not counted: Enter goes on to the next pair."),
    }


def _sending() -> dict[str, str]:
    return {
        "unsaved_1": _("Not saved, trying again. Your last vote is kept in this browser."),
        "unsaved_n": _("Not saved, trying again. %(n)s votes are kept in this browser."),
        "logged_out": _("You are logged out. What you judged is kept here and sent when you are back."),
        "log_in": _("Log in again"),
        "no_answer": _("The server does not answer. Trying again."),
        "not_taken": _("The server did not take the last vote."),
        "from_before": _("Sending what was kept from before…"),
        "unsent": _("unsent"),
    }


def _acts() -> dict[str, str]:
    return {
        "undoing": _("Taking the last one back…"),
        "undone": _("Taken back: judge it again."),
        "nothing": _("There is nothing to take back."),
        "not_yours": _("That pair is no longer yours; here is the next."),
        "flagged": _("Flagged for the curator."),
        "flag_lost": _("The flag was not saved; try again."),
        "comment_kept": _("Comment kept."),
        "question_kept": _("Your question is with the curators. You will find the answer under Discussion."),
        "comment_masked": _("Comment kept. It seemed to hold private text: that part was masked."),
        "comment_lost": _("The comment was not saved; try again."),
        "comment_draft": _("Your unsent comment is here again."),
        "copied": _("The code is copied."),
        "not_copied": _("The browser did not let the code be copied."),
        "no_code_to_copy": _("There is no code to copy."),
        "wrap_on": _("Long lines are broken."),
        "wrap_off": _("Long lines are scrolled."),
        "size": _("Text size: %(size)s"),
    }


def _feedback() -> dict[str, str]:
    return {
        "right": _("Right"),
        "wrong": _("Not as expected"),
        "expected": _("Expected: %(answer)s."),
        "given": _("You said: %(answer)s."),
        "no": _("the query does not look for code"),
        "unclear": _("the query cannot be judged"),
        "yes": _("the query looks for code"),
        "yes_1": _("the query looks for code, and the code answers it"),
        "yes_0": _("the query looks for code, but the code does not answer it"),
        "yes_unclear": _("the query looks for code, but the code cannot be judged"),
    }
