"""What an operator says of its Leases, to the log and to who asks whether it is ready. Pure."""

from thing_operator.leadership.claim import Claim, ClaimKind
from thing_operator.leadership.lease import Lease

NO_NAMESPACE = "there is no such namespace: create it (its Things are run from then on), or correct the name"


def place_of(claim: Claim) -> str:
    """Where the claim is about, as people say it."""
    return "all namespaces" if claim.kind is ClaimKind.HOME else f"namespace {claim.key.namespace}"


def holder_of(lease: Lease) -> str:
    """Who holds a Lease, and since when by that holder's own clock."""
    return f"{lease.holder} since {lease.acquired or 'an unknown time'}"


def waiting(claim: Claim, lease: Lease) -> str:
    """Somebody else runs it."""
    return (
        f"{place_of(claim)}: run by {holder_of(lease)} (Lease {claim.key}). This operator starts no session there and "
        "waits until that Lease ends; thing-operator run --take-over takes over at once"
    )


def lost(claim: Claim, lease: Lease) -> str:
    """Somebody else has taken it."""
    return (
        f"{place_of(claim)}: taken over by {holder_of(lease)} (Lease {claim.key}). The sessions of this operator end "
        "there, and it waits until that Lease ends"
    )


def denied(claim: Claim) -> str:
    """The API server does not let us have it."""
    return (
        f"{place_of(claim)}: {claim.denied}. It runs without a Lease: a second operator would not be noticed"
    )
