"""What the rest says: the account, money sent back, invoices, spend returns, money asked back."""

from __future__ import annotations

from collections.abc import Mapping

from ledger.aggregates import (
    clawbacks,
    contributions,
    payees,
    payments,
    recovery,
    spend_returns,
)
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.letters.changes import need_of
from ledger.letters.letter import LOOK_AGAIN, Part, Row, Table
from ledger.projections.words import REJECTION_REASONS, RETURN_REASONS, day
from ledger.statements.wording import ASKED_BACK, NOT_PURSUED, days, pounds

# --- the account ------------------------------------------------------------------------------

_WHOSE: dict[payees.PayeeType, str] = {
    "recipient": "your own account",
    "nominated_person": "the account of the person you chose to receive it",
    "authorised_person": "the account of the person who acts for you",
    "managed_account": "an account that someone looks after for you",
    "personal_representative": "the account of the person who deals with the estate",
}


def account(e: payees.PayeeVerified, budget: PersonalBudget) -> Part:
    """A warning as much as news: someone may have put their own account in."""
    payee = budget.payee
    assert payee is not None, "it was just verified"
    said = "We will pay your care direct payment into this account. "
    said += f"It is recorded as {_WHOSE[payee.payee_type]}. "
    if payee.provider_reference:
        said = f"We will pay your care direct payment to the provider {payee.provider_reference}. "
        said += "The provider will hold the money for you. "
    return Part(
        kind="account_changed",
        subject="The account we pay your care direct payment into",
        paragraphs=(f"{said}This does not change a payment that is already on its way.",),
        to_do=(
            "If you did not ask for this, or it is not right, call us at once. "
            "Someone may be trying to take your money.",
            "If your next payment does not come when you expect it, call us.",
            "Never tell anyone your PIN or your password. We will never ask you for them.",
        ),
        payee_reference=e.payee_reference,
    )


_WITH_THE_PROVIDER = (
    "You do not have to do anything. We are sorting this out with the provider.",
    "If you go without care because of this, call us at once.",
)
_GIVE_DETAILS = (
    "Call us as soon as you can and give us the right account details.",
    "When we have checked them we will send the money again.",
    "If you cannot pay for your care because of this, tell us when you call.",
)
_PUTTING_RIGHT = ("We are putting this right. We will send it again, or tell you why not.",)
_WAIT = (
    "If you cannot pay for your care because of this, call us at once.",
    "If the account is no longer yours, call us.",
)
_NOT_THE_ACCOUNT: frozenset[payments.BankRejection] = frozenset(
    {"AM05", "RR04", "input_error", "other"}
)
"""Why a bank does not take a payment that may well be for the right account."""


def _payment(payment: payments.Payment) -> str:
    return (
        "the payment to your provider" if payment.provider_reference else "your care direct payment"
    )


def _because(reasons: Mapping[str, str], code: str) -> str:
    """Why, as the sentence goes on. A death at a provider's bank is nothing to tell the person."""
    return "" if code in payments.DECEASED else f" because {reasons[code]}"


def came_back(e: payments.PaymentReturned, budget: PersonalBudget) -> Part | None:
    """None where the bank says that the person who holds the account has died."""
    sent = budget.payments[e.payment_reference]
    if e.reason_code in payments.DECEASED and not sent.provider_reference:
        return None
    if e.reason_code == "C":
        return _asked_back_from_the_bank(e, sent)
    return Part(
        kind="payment_returned",
        subject=f"{_payment(sent).capitalize()} did not arrive",
        paragraphs=(
            f"On {day(sent.pay_on)} we paid {pounds(e.amount_pence)} for {days(sent.period)}. "
            f"The bank sent it back{_because(RETURN_REASONS, e.reason_code)}.",
            "Your money is safe. We are holding it for you.",
        ),
        to_do=_WITH_THE_PROVIDER if sent.provider_reference else _GIVE_DETAILS,
        payee_reference=sent.payee_reference,
    )


def _asked_back_from_the_bank(e: payments.PaymentReturned, sent: payments.Payment) -> Part:
    return Part(
        kind="payment_returned",
        subject=f"We asked for {_payment(sent)} back",
        paragraphs=(
            f"On {day(sent.pay_on)} we paid {pounds(e.amount_pence)} for {days(sent.period)}. "
            "We asked the bank to send it back, and it did.",
            "We are holding the money. We will tell you what happens with it.",
        ),
        to_do=(
            "If you do not know why we asked for it, call us.",
            "If you cannot pay for your care because of this, call us at once.",
        ),
        payee_reference=sent.payee_reference,
    )


def not_taken(e: payments.PaymentRejected, budget: PersonalBudget) -> Part | None:
    """None where the bank says that the person who holds the account has died."""
    due = budget.payments[e.payment_reference]
    if e.reason_code in payments.DECEASED and not due.provider_reference:
        return None
    waits = e.reason_code in _NOT_THE_ACCOUNT
    return Part(
        kind="payment_returned",
        subject=f"We could not make {_payment(due)}",
        paragraphs=(
            f"We were to pay {pounds(e.amount_pence)} for {days(due.period)} on {day(due.pay_on)}. "
            f"The bank did not take the payment{_because(REJECTION_REASONS, e.reason_code)}.",
            "Your money is safe. We are holding it for you.",
            *(_PUTTING_RIGHT if waits else ()),
        ),
        to_do=_WITH_THE_PROVIDER if due.provider_reference else _WAIT if waits else _GIVE_DETAILS,
        payee_reference=due.payee_reference,
    )


# --- invoices ---------------------------------------------------------------------------------

Charged = contributions.ContributionInvoiced | contributions.ContributionCredited


def _charges(e: Charged, budget: PersonalBudget, sign: int, total: str) -> Table:
    """What was charged for which days; a contribution that a payment missed is below nought."""
    rows = []
    for line in e.lines:
        need = need_of(budget, line.line_reference)
        pence = -line.amount_pence if line.kind == "contribution" else line.amount_pence
        what = f"Put right: {need}" if line.adjustment else f"Your contribution to {need}"
        rows.append(Row(what, days(line.window), sign * pence))
    return Table("What it is made up of", tuple(rows), total)


def invoiced(e: contributions.ContributionInvoiced, budget: PersonalBudget) -> Part | None:
    """None where it comes to nothing: days put right that cancel out."""
    if not e.amount_pence:
        return None
    owed = budget.contribution_debt_pence
    to_pay = max(min(owed, e.amount_pence), 0)
    more = ""
    if owed > e.amount_pence:
        more = f" With what you owed before it is {pounds(owed)}."
    elif to_pay < e.amount_pence:
        more = f" We had charged you too much before, so you pay {pounds(to_pay)}."
    return Part(
        kind="invoice",
        subject=f"Invoice for your contribution: {pounds(e.amount_pence)}",
        paragraphs=(
            f"This is an invoice for what you pay towards your support, for days up to "
            f"{day(e.period.ends_on)}. It comes to {pounds(e.amount_pence)}.{more}",
        ),
        facts=(("Invoice", e.invoice_reference), ("To pay", pounds(to_pay))),
        table=_charges(e, budget, 1, "This invoice"),
        to_do=(
            f"Pay {pounds(to_pay)} and give the reference {e.invoice_reference}.",
            "If you cannot pay it, or do not know how, call us. You do not need to stop your care.",
        ),
        disagree=LOOK_AGAIN,
    )


def credited(e: contributions.ContributionCredited, budget: PersonalBudget) -> Part:
    left = budget.contribution_debt_pence
    owes = f"You still owe {pounds(left)}." if left > 0 else "You owe nothing on invoices now."
    return Part(
        kind="credit",
        subject=f"You owe {pounds(e.amount_pence)} less",
        paragraphs=(
            f"We charged you {pounds(e.amount_pence)} too much for days up to "
            f"{day(e.period.ends_on)}. We have taken it off what you owe. {owes}",
        ),
        facts=(("Credit", e.invoice_reference),),
        table=_charges(e, budget, -1, "You owe less by"),
    )


# --- spend returns ----------------------------------------------------------------------------

_QUERY: dict[spend_returns.ReturnQuery, str] = {
    "evidence_missing": "Some papers are missing. We need bank statements, and an invoice, a "
    "receipt or a payslip for what you paid.",
    "unagreed_spending": "Some money was spent on something that is not in your support plan.",
    "balance_disagrees": "The balance you gave us is not the one on the bank statement.",
    "contribution_not_paid": "Your contribution was not paid into the account, or not all of it.",
    "other": "Call us and we will tell you what it is.",
}


def return_asked(e: spend_returns.SpendReturnRequested, _: PersonalBudget) -> Part:
    return Part(
        kind="spend_return_asked",
        subject="Tell us how you spent your care direct payment",
        paragraphs=(
            f"We need to know how the money was spent from {days(e.period)}. "
            "We call this a spend return.",
        ),
        facts=(("Spend return", e.return_reference), ("Send it by", day(e.due_on))),
        to_do=(
            f"Send us your spend return by {day(e.due_on)}.",
            "Send the bank statements, and an invoice, a receipt or a payslip for what you paid.",
            "If you need help or more time, call us.",
        ),
    )


def return_queried(e: spend_returns.SpendReturnQueried, budget: PersonalBudget) -> Part:
    period = budget.spend_returns[e.return_reference].period
    return Part(
        kind="spend_return_queried",
        subject="A question about your spend return",
        paragraphs=(
            f"Thank you for your spend return for {days(period)}. We have a question about it.",
            _QUERY[e.query_code],
        ),
        facts=(("Spend return", e.return_reference),),
        to_do=("Call us, or send us what is missing.", "If you need help with it, call us."),
    )


def return_accepted(e: spend_returns.SpendReturnAccepted, budget: PersonalBudget) -> Part:
    period = budget.spend_returns[e.return_reference].period
    return Part(
        kind="spend_return_accepted",
        subject="We have accepted your spend return",
        paragraphs=(
            f"Thank you for your spend return for {days(period)}. We have checked and accepted it. "
            "You do not need to do anything.",
        ),
        facts=(("Spend return", e.return_reference),),
    )


# --- money asked back -------------------------------------------------------------------------


def clawback_notified(e: clawbacks.ClawbackNotified, budget: PersonalBudget) -> Part:
    asked = budget.clawbacks[e.clawback_reference]
    until = day(e.respond_by)
    # Days that were overpaid are put right with the next payment, if there is one, as ever.
    meanwhile = (
        " We take no money while you are waiting for our answer."
        if asked.cause_code != "overpayment"
        else ""
    )
    return Part(
        kind="clawback_notified",
        subject=f"We may ask you to pay back {pounds(asked.proposed_pence)}",
        paragraphs=(
            f"We think that you should pay back {pounds(asked.proposed_pence)} to the council. "
            f"{ASKED_BACK[asked.cause_code]}",
            f"Nothing is decided yet, and you do not have to pay now. You have until {until} to "
            "tell us what you think. After that someone else at the council decides.",
        ),
        facts=(("Reference", e.clawback_reference), ("Answer by", until)),
        to_do=(
            f"Tell us by {until} what you think about this.",
            "If you agree, tell us how you would like to pay it back. It can be a little at a "
            "time.",
            "Do not use money that you need for your care to pay it.",
        ),
        disagree=(
            f"Tell us by {until} why you think it is wrong. Call us or write to us, and send "
            f"anything that shows it.{meanwhile}"
        ),
    )


def clawback_confirmed(e: clawbacks.ClawbackConfirmed, budget: PersonalBudget) -> Part:
    asked = budget.clawbacks[e.clawback_reference]
    less = (
        f" That is less than the {pounds(asked.proposed_pence)} we wrote about before."
        if e.amount_pence != asked.proposed_pence
        else ""
    )
    how, to_do = (
        (
            f"We take {pounds(e.instalment_pence)} off each care direct payment until it is paid.",
            "If you need that money for your care, call us. We can talk about taking less.",
        )
        if e.recovery == "deduction"
        else (
            "We do not take it off your care direct payment. You pay it back to the council.",
            f"Pay {pounds(e.amount_pence)} and give the reference {e.clawback_reference}. If you "
            "cannot pay it all at once, or do not know how, call us.",
        )
    )
    return Part(
        kind="clawback_confirmed",
        subject=f"You need to pay back {pounds(e.amount_pence)}",
        paragraphs=(
            f"We have decided that you need to pay back {pounds(e.amount_pence)}.{less} "
            f"{ASKED_BACK[asked.cause_code]} Two people at the council have looked at this.",
            how,
        ),
        facts=(("Reference", e.clawback_reference),),
        to_do=(to_do,),
        disagree=LOOK_AGAIN,
    )


def clawback_waived(e: clawbacks.ClawbackWaived, budget: PersonalBudget) -> Part:
    left = budget.clawbacks[e.clawback_reference].outstanding_pence
    rest = f"You still owe {pounds(left)} of it." if left else "Nothing is left to pay."
    return Part(
        kind="clawback_waived",
        subject=f"You do not have to pay back {pounds(e.amount_pence)}",
        paragraphs=(
            f"We no longer ask you for {pounds(e.amount_pence)}, because "
            f"{NOT_PURSUED[e.reason_code]}. {rest}",
        ),
        facts=(("Reference", e.clawback_reference),),
    )


def recovery_capped(e: recovery.RecoveryCapped, budget: PersonalBudget) -> Part | None:
    """None where nothing is to be paid back: then it means nothing to anybody yet."""
    if not any(clawback.outstanding_pence for clawback in budget.clawbacks.values()):
        return None
    if e.per_payment_pence is None:
        said = "We take the amounts that we told you about off each care direct payment again."
    elif e.per_payment_pence:
        said = f"We take at most {pounds(e.per_payment_pence)} off each care direct payment."
    else:
        said = "For now we take nothing off your care direct payments."
    return Part(
        kind="recovery_capped",
        subject="How you pay back what you owe",
        paragraphs=(said, "This does not change how much you owe."),
        to_do=("If this leaves you without enough to pay for your care, call us.",),
        disagree=LOOK_AGAIN,
    )
