"""Every refusal the ledger can give: a class, a stable code, an HTTP status and one sentence.

A refusal means that nothing was recorded. `Refusal.code` never changes once released;
programs match on it, people read `str(refusal)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple


class Refusal(Exception):
    """A command was refused by a named rule; nothing was recorded.

    `code` is stable, `status` is the HTTP status, `retryable` says that the same command
    may succeed if it is simply given again. `details` are facts a program may read
    (references, pence, dates as ISO text), never personal data.
    """

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 422
    retryable: ClassVar[bool] = False
    rule: ClassVar[str] = "The command was refused."
    conceals = False
    """Set on one that says nothing is there because who asks may not know of it."""

    def __init__(self, sentence: str = "", **details: Any) -> None:
        super().__init__(sentence or self.rule)
        self.details = details

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        words = "".join(f"-{c.lower()}" if c.isupper() else c for c in cls.__name__)
        cls.code = words.lstrip("-")
        cls.rule = " ".join((cls.__doc__ or "").split("\n\n")[0].split())


# --- who asks -----------------------------------------------------------------------------


class NotSignedIn(Refusal):
    """Whoever asks must say who they are, and prove it."""

    status = 401


class TokenRefused(Refusal):
    """The access token must be one that the identity provider issued for this server, and still
    valid."""

    status = 401


class SignInFailed(Refusal):
    """Signing in did not work. Start again from the page to sign in."""

    status = 400


class NotKnownHere(Refusal):
    """Whoever proved who they are must also have a role here."""

    status = 403


class TooManyAttempts(Refusal):
    """Signing in failed too often from this address or under this name. Wait, then try again."""

    status = 429
    retryable = True


class IdentityProviderUnavailable(Refusal):
    """The service that people sign in with did not answer. Try again in a few minutes."""

    status = 503
    retryable = True


class InvalidSignInSettings(Refusal):
    """The settings of the identity provider must be whole and agree with each other."""

    status = 500


class NotPermitted(Refusal):
    """None of your roles has the permission that this needs."""

    status = 403


class TooManyRequests(Refusal):
    """Only so many requests a minute are answered, by who asks and by where from."""

    status = 429
    retryable = True


class AddressUnreadable(Refusal):
    """An address is at most 8,000 bytes long, and what is asked in it UTF-8 without control
    characters."""

    status = 400


class HeadersUnreadable(Refusal):
    """A request has at most 100 headers, and those that say who asks for what only once."""

    status = 400


class MediaTypeNotTaken(Refusal):
    """A body must be of a kind that its address takes, text in UTF-8, and not compressed."""

    status = 415


class HeadersTooLarge(Refusal):
    """A request's headers may be at most 32,000 bytes together."""

    status = 431


class UserNotFound(Refusal):
    """There is no user with that name."""

    status = 404


class UserNameTaken(Refusal):
    """A name under which someone's acts are recorded is theirs for ever."""

    status = 409


# --- input that cannot be read ------------------------------------------------------------


class InvalidMoney(Refusal):
    """An amount of money must be pounds and whole pence, such as 310.00."""


class InvalidDate(Refusal):
    """A date must be a real calendar date written YYYY-MM-DD."""


class InvalidValue(Refusal):
    """A field holds a value that is not allowed there."""


class InvalidPeriod(Refusal):
    """A period must end on or after the day it starts."""


# --- dates and bank files -----------------------------------------------------------------


class BeyondBankHolidayData(Refusal):
    """Whether a day is a working day is only known inside the years with bank holiday data."""


class PayDateNotWorkingDay(Refusal):
    """A pay date must be a day banks work: not a weekend, not an English bank holiday."""


class ProcessingDayTooFarAhead(Refusal):
    """A Bacs processing day must be at most 31 days after the file is made."""


class ProcessingDayTooSoon(Refusal):
    """A bank file must be made by its input day: by Bacs two working days before the pay date."""


class InvalidSubmissionSerial(Refusal):
    """A Bacs submission serial must be 6 digits, not all noughts."""


class InvalidServiceUserNumber(Refusal):
    """A Bacs service user number must be 6 digits."""


class InvalidSortCode(Refusal):
    """A sort code must be 6 digits, without hyphens or spaces."""


class InvalidAccountNumber(Refusal):
    """An account number must be 8 digits."""


class InvalidPaymentAmount(Refusal):
    """A payment to a bank must be whole pence, from 1 penny to 11 digits of pence."""


class InvalidBankReference(Refusal):
    """A bank reference must be 1 to 18 of A-Z, 0-9, . & / - and space, with no space at an end."""


class UnwritableName(Refusal):
    """A name must hold a letter or digit that the bank's alphabet (A-Z, 0-9) can write."""


class EmptyBankFile(Refusal):
    """A bank file must hold at least one payment."""


class BankFileTooLarge(Refusal):
    """A bank file's total and number of payments must fit the fields that state them."""


class PaymentOverBankLimit(Refusal):
    """A payment must not be over the most that the bank, or Faster Payments, takes in one item."""


class DuplicateBankReference(Refusal):
    """A bank reference must be different for each payment of a file."""


class InvalidMessageId(Refusal):
    """The id of a bank message must be 1 to 35 of A-Z, 0-9 and -."""


class BankFileUnreadable(Refusal):
    """A bank file must be right in every line and total, or it is refused whole."""


# --- what banks send back -----------------------------------------------------------------


class ReportNamesUnreadable(Refusal):
    """The names in a bank's report must be TOML text under keys that the ledger knows."""


class ReportForAnotherUser(Refusal):
    """A bank's report must be about this council's own service user number."""


class ReportAboutUnknownFile(Refusal):
    """A bank's report must be about a file that was sent from here."""


class ReportTotalsDiffer(Refusal):
    """What a bank's report says of a file must add up to that file, to the penny."""


class ReportNotFound(Refusal):
    """There is no bank report with that reference."""

    status = 404


class ReportItemNotFound(Refusal):
    """No item with that number waits in the report's queue."""

    status = 404


class ReportItemAlreadyResolved(Refusal):
    """The queued item was matched or dismissed before."""

    status = 409


class ReportItemDiffers(Refusal):
    """A queued item can be matched only to a payment of the same amount, and in its place."""


# --- a personal budget --------------------------------------------------------------------


class BudgetNotFound(Refusal):
    """There is no personal budget with that reference."""

    status = 404


class BudgetAlreadyOpened(Refusal):
    """A personal budget with that reference is already open with other facts."""

    status = 409


class BudgetIsClosed(Refusal):
    """The personal budget is closed; only what is left over can still be settled."""


class AfterBudgetClosed(Refusal):
    """A change to a closed personal budget cannot take effect after its last day."""


class ContributionOrderIncomplete(Refusal):
    """The order in which a contribution is set against lines must name each deployment once."""


class ContributionExceedsDebt(Refusal):
    """No more can be received towards a contribution than was invoiced and not yet paid."""


class NoContributionAssessed(Refusal):
    """No contribution is in force on that day."""

    status = 404


class AssessmentNotFound(Refusal):
    """There is no such financial assessment, or it can no longer be read."""

    status = 404


class DateOfBirthDiffers(Refusal):
    """The date of birth in a financial assessment must be the one the person registered with."""


class MassChangeNotFound(Refusal):
    """There is no mass change with that reference."""

    status = 404


class MassChangeAlreadyDecided(Refusal):
    """That step is not open to a mass change in its present state."""

    status = 409


class ApproverPreparedMassChange(Refusal):
    """A mass change must be decided by someone other than who prepared it."""

    status = 403


class MassChangeDiffersFromSeen(Refusal):
    """A mass change must be approved with exactly the totals and the hash it now has."""

    status = 409


class MassChangeIsEmpty(Refusal):
    """A mass change that changes no budget cannot be approved."""


class ReferenceUsedForOtherFacts(Refusal):
    """That reference was used before for something else; give a new one."""

    status = 409


class BeforeBudgetOpened(Refusal):
    """Nothing can take effect before the personal budget was opened."""


class ReasonNotLawful(Refusal):
    """A direct payment can be refused only on a ground in law, named by its code."""


class ReasonMissing(Refusal):
    """This outcome needs a reason code."""


class OfferNotAccepted(Refusal):
    """No direct payment can be paid before the person has accepted the offer."""


class RecipientExcluded(Refusal):
    """A direct payment to this person is not permitted."""


class AgreementNotSigned(Refusal):
    """No direct payment can be paid before the agreement is signed."""


class PayeeNotVerified(Refusal):
    """No payment can be made until a second person has verified the payee's details."""


class PayeeInDoubt(Refusal):
    """A later check speaks against the account in use: someone releases the payment by name."""


class VerifierProposedPayee(Refusal):
    """Payee details must be verified by someone other than the person who proposed them."""

    status = 403


class PayeeNotConfirmed(Refusal):
    """Details whose name confirmation of payee did not confirm need an override reason."""


class PayeeNotProposed(Refusal):
    """Those payee details have not been proposed for this personal budget."""


class NoAllocationInForce(Refusal):
    """No allocation to be paid as a direct payment is in force."""


class AllocationLineNotFound(Refusal):
    """The personal budget has no allocation line with that reference in force then."""


class AllocationLineExists(Refusal):
    """The personal budget already has an allocation line with that reference; revise it."""

    status = 409


class AllocationLineUnclear(Refusal):
    """An allocation line is either weekly or one-off, with an amount above nought."""


class PartsDoNotMakeBudget(Refusal):
    """The allocation lines must add up to the personal budget."""


class PaymentsAreSuspended(Refusal):
    """Payments are suspended in full."""


class PaymentsNotSuspended(Refusal):
    """Payments are not suspended."""


class SuspensionUnclear(Refusal):
    """Payments are suspended for more than one reason; the reason meant must be named."""


class ResumptionNotProposed(Refusal):
    """What was suspended for this reason is resumed only as someone else proposed it before."""


class NothingToPay(Refusal):
    """Nothing is owed for this period, or what is owed is less than nothing."""


class PaymentDiffersFromEntitlement(Refusal):
    """A payment must be exactly what the budget's terms say is still owed."""

    status = 409


class PaymentNotFound(Refusal):
    """The personal budget has no payment with that reference."""

    status = 404


class PaymentNotReturned(Refusal):
    """Only money that came back, or that the bank did not take, can be sent again or refunded."""


class PaymentAlreadySettled(Refusal):
    """Money that came back was sent again or refunded to the budget already."""

    status = 409


class ServiceFundNotHeld(Refusal):
    """Individual service funds can be paid once a provider is named who holds them."""


class ProviderAccountNotVerified(Refusal):
    """A provider can be paid once an account of theirs is verified by a second person."""


class ServiceFundNotOverpaid(Refusal):
    """What a provider pays back must be exactly what days already paid are overpaid by."""


class ReturnedPaymentNotSettled(Refusal):
    """Money came back and is held: it must be sent again or refunded before more is paid."""


class EstateCaseIsOpen(Refusal):
    """A death was reported: nothing is paid before the estate case is decided."""


class EstateCaseNotFound(Refusal):
    """The personal budget has no estate case with that reference."""

    status = 404


class EstateCaseAlreadyDecided(Refusal):
    """The estate case was decided otherwise before."""

    status = 409


class DayOfDeathUnclear(Refusal):
    """The day of death goes with a recipient who died, and with nobody else."""


class PaymentNotIssued(Refusal):
    """The payment has not left in a bank file, so it cannot have been paid or returned."""


class SpendReturnNotFound(Refusal):
    """The personal budget has no spend return with that reference."""

    status = 404


class SpendReturnDoesNotAddUp(Refusal):
    """Opening balance plus money in less money spent must be the closing balance."""


class SpendReturnNotExpected(Refusal):
    """That step does not follow from where the spend return stands."""

    status = 409


class ClawbackNotFound(Refusal):
    """The personal budget has no clawback with that reference."""

    status = 404


class ClawbackNotExpected(Refusal):
    """That step does not follow from where the clawback stands."""

    status = 409


class ClawbackNoticeNotEnded(Refusal):
    """No money is taken back before the person was told and the time to answer has passed."""


class ClawbackExceedsProposal(Refusal):
    """A clawback cannot be more than the person was told."""


class ClawbackExceedsOutstanding(Refusal):
    """More than is outstanding on the clawback cannot be received, deducted or waived."""


class ClawbackDiffersFromOverpayment(Refusal):
    """A clawback of an overpayment must be exactly what days already paid are overpaid by."""

    status = 409


class PaymentHasLeft(Refusal):
    """Only a payment that is in no bank file yet can be cancelled."""

    status = 409


class InterestInBudget(Refusal):
    """Nobody acts on their own budget, or on that of someone close to them."""

    status = 403


class InterestNotFound(Refusal):
    """Nobody of that name has an interest in this budget."""

    status = 404


class RepresentativeIsRecipient(Refusal):
    """Nobody is appointed to act for themselves."""


class RepresentativeNotFound(Refusal):
    """That person does not act for the recipient of this budget."""

    status = 404


class TakesEffectLater(Refusal):
    """Who acts for a recipient is recorded on the day it takes effect or after it, not before."""


class NobodyActsForRecipient(Refusal):
    """Only someone who acts for the recipient can give consent for them."""


class GrantNotTimeBoxed(Refusal):
    """Access is granted to a day, on or after the day it begins and at most 366 days later."""


class AccessNotGranted(Refusal):
    """That organisation has no access to this budget that could be taken back."""

    status = 404


class StatusNotAvailable(Refusal):
    """There is no account with these details whose status you may see."""

    status = 404


class TooManyWrongChecks(Refusal):
    """After 10 checks in an hour that found nothing, ask again when the hour is over."""

    status = 429
    retryable = True


class SamePersonProposed(Refusal):
    """Someone other than the person who proposed it must decide."""

    status = 403


class NothingToSwitch(Refusal):
    """No allocation line is in force that the switch would change."""


# --- people and caseload files ---


class UnreadableSortCode(Refusal):
    """A sort code must be six digits, such as 20-00-00."""


class UnreadableAccountNumber(Refusal):
    """An account number must be eight digits, or six or seven to be padded with noughts."""


class UnreadableAccountName(Refusal):
    """An account name must be 1 to 140 characters, none of them a control character."""


class UnreadableRollNumber(Refusal):
    """A roll number must be at most 18 letters, digits, spaces, dots, hyphens and /."""


class AccountFailsModulusCheck(Refusal):
    """An account number must pass the modulus check of its sort code, where there is one."""


class WeightTableUnreadable(Refusal):
    """A modulus weight table must be readable in every line, or it is refused whole."""


class ModulusTableConflict(Refusal):
    """A version of the modulus weight table is loaded once; another table needs another version."""

    status = 409


class PayeeReferenceMismatch(Refusal):
    """A payee reference must be the one made from its person and account."""


class UnreadableAddress(Refusal):
    """A postal address is 2 to 6 lines of at most 80 characters, the last of them a postcode."""


class UnreadableEmail(Refusal):
    """An email address must be one such as name@example.org."""


class ChannelUnusable(Refusal):
    """Letters go by post to a postal address and by email to an email address: give that too."""


class LetterNotFound(Refusal):
    """There is no letter with that reference."""

    status = 404


class LetterUnreadable(Refusal):
    """A letter can be read while its person is known here; this one was erased."""

    status = 404


class PersonUnknown(Refusal):
    """The person was never recorded here, or has been erased."""

    status = 404


class PersonErased(Refusal):
    """The person was erased; should they come back, they get a reference of their own anew."""

    status = 409


class PersonHasOpenBudget(Refusal):
    """Nobody is erased while a budget of theirs is open."""

    status = 409


class RetentionNotOver(Refusal):
    """What is held about a person is kept until the time set for it is over."""

    status = 409


class LegalHold(Refusal):
    """Nobody is erased while a legal hold stands."""

    status = 409


class LegalHoldNotFound(Refusal):
    """There is no such legal hold on the person to be released."""

    status = 404


class RestrictedFactUnknown(Refusal):
    """Nothing of that kind is recorded about the person."""

    status = 404


class BankFileErased(Refusal):
    """The time for which bank files are kept is over, and the contents of this one are gone."""

    status = 404


class ConfirmationOfPayeeNotSet(Refusal):
    """Names can be asked about only when a confirmation of payee service is set."""


class PayeeUnknown(Refusal):
    """The payee was never recorded here, or the person has been erased."""

    status = 404


class ProviderNotFound(Refusal):
    """There is no provider with that reference."""

    status = 404


class ProviderAlreadyKnown(Refusal):
    """A provider's reference must not be that of a provider of another name."""

    status = 409


class ProviderHasEnded(Refusal):
    """Nothing is begun or paid with a provider after its last day."""


class SealBroken(Refusal):
    """Sealed data did not open: it was altered, moved, or sealed with another key."""

    status = 500


class KeyFileExposed(Refusal):
    """The key file must not be open to anyone but its owner."""

    status = 500


class KeyGivenTwice(Refusal):
    """The master key comes from a setting or from a file, never from both."""

    status = 500


class KeyUnusable(Refusal):
    """The key must be 64 hexadecimal characters, or base64 of 32 bytes."""

    status = 500


class Fault(NamedTuple):
    """One thing wrong in a file: the line (the header is 1), the column ("" for a whole line)."""

    line: int
    column: str
    reason: str


def _first_of(faults: Sequence[Fault]) -> str:
    count = f"{len(faults)} fault{'' if len(faults) == 1 else 's'}"
    line, column, reason = faults[0]
    where = f"line {line}, {column}" if column else f"line {line}"
    return f"has {count}, so none of it was taken. First, {where}: {reason}"


class CaseloadRefused(Refusal):
    """A caseload file must have no fault, or none of it is taken."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(
            f"The caseload file {_first_of(faults)}",
            faults=[fault._asdict() for fault in faults],
        )
        self.faults = tuple(faults)


class AssessmentFileRefused(Refusal):
    """A file of financial assessments must have no fault, or none of it is taken."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(
            f"The assessment file {_first_of(faults)}",
            faults=[fault._asdict() for fault in faults],
        )
        self.faults = tuple(faults)


# --- a payment cycle ----------------------------------------------------------------------


class CycleNotFound(Refusal):
    """There is no payment cycle with that reference."""

    status = 404


class CycleAlreadyDecided(Refusal):
    """The cycle has already been decided, so that step no longer applies."""

    status = 409


class CycleNotApproved(Refusal):
    """A bank file can be issued only for a cycle that a second person has approved."""

    status = 409


class CycleNotIssued(Refusal):
    """Only a cycle whose bank file was issued can be settled, or has remittance advices."""

    status = 409


class CycleIsEmpty(Refusal):
    """A cycle without a single payment cannot be approved."""


class ApproverPreparedCycle(Refusal):
    """A cycle must be approved or rejected by someone other than the person who prepared it."""

    status = 403


class CycleChangedSinceSeen(Refusal):
    """The cycle is not the one the approver looked at; look again."""

    status = 409


class ProviderNotInCycle(Refusal):
    """A breakdown is of what a cycle pays a provider; this cycle pays that provider nothing."""

    status = 404


class CycleOutOfDate(Refusal):
    """A budget or a provider's account changed since the cycle was prepared; prepare again."""

    status = 409


class CycleNotSettledYet(Refusal):
    """A cycle is settled on or after its pay date."""


# --- accounting periods -------------------------------------------------------------------


class AccountingPeriodAlreadyClosed(Refusal):
    """A closed accounting period stays closed; put it right by adding to the open one."""

    status = 409


class AccountingPeriodNotOver(Refusal):
    """The accounts can be closed only to a day that is over."""


# --- the store ----------------------------------------------------------------------------


class ConcurrentChange(Refusal):
    """Someone else changed it at the same moment; give the command again."""

    status = 409
    retryable = True


class VersionConflict(Refusal):
    """It has changed since the version you named; look again before changing it."""

    status = 412


class IdempotencyKeyReused(Refusal):
    """That idempotency key was used before for another request."""

    status = 409


class UnknownEvent(Refusal):
    """The store holds an event of a kind this version of the ledger does not know."""

    status = 500


class LedgerNotInitialised(Refusal):
    """There is no ledger in this database yet; run `pbledger init` first."""

    status = 503


class StoreUnavailable(Refusal):
    """The database did not answer; whether the change was recorded is in doubt: ask again with
    the same idempotency key, or look before repeating it."""

    status = 503
    retryable = True


class ProjectionStopped(Refusal):
    """A read table stopped at an event it cannot apply; the ledger itself is not harmed."""

    status = 503


class CaseloadConflicts(Refusal):
    """A caseload file must agree with the budgets that are already here."""

    status = 409


class ReadTablesOutOfDate(Refusal):
    """The read tables were made by another version of the ledger; run `pbledger rebuild`."""

    status = 503


class PersonAlreadyKnown(Refusal):
    """That reference is already another person's."""

    status = 409


# --- financial assessment and rates -------------------------------------------------------


class FactsUnreadable(Refusal):
    """The facts of a financial assessment must be written with the fields and values they have."""


class DateOfBirthInFuture(Refusal):
    """A date of birth cannot be later than the day of the assessment."""


class UnderEighteen(Refusal):
    """Only an adult's care is charged for under the Care Act: the person must be 18 or over."""


class CoupleAssessedAsSingle(Refusal):
    """A person whose facts name a partner must be assessed as one of a couple."""


class IncomeLinesOverlap(Refusal):
    """Two lines of income of one kind must not share a day."""


class AssessmentGroundMissing(Refusal):
    """A light-touch assessment must name the ground it rests on."""


class ProvisionalAmountMissing(Refusal):
    """A person who could not be contacted is charged a provisional amount, which must be given."""


class RatesMissing(Refusal):
    """An assessment needs the rates of its year, and they are not in the rates files."""


class RatesUnreadable(Refusal):
    """A rates file must hold known figures of known years, as text, each with its source."""
