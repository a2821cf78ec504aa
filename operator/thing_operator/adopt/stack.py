"""The things that MIC knows: their names. Of a thing that exists MIC gives out no private key."""

from dataclasses import dataclass
from pathlib import Path

from thing_operator.adopt.model import FoundThing
from thing_operator.config import BatchSettings
from thing_operator.core.errors import ToolError
from thing_operator.core.reasons import ToolReason
from thing_operator.download.https import HttpsClient
from thing_operator.mic import Account, MicClient, ThingItem, find_stack, open_stack
from thing_operator.shadow.topics import is_thing_name

_SOURCE = "MIC"


@dataclass(frozen=True, slots=True)
class StackSource:
    """Where MIC is asked and for what: ``host`` of the stack or ``api``, its address; type and domain narrow it."""

    account: Account
    host: str | None = None
    api: str | None = None
    thing_type: str | None = None
    domain: str | None = None
    ca_file: Path | None = None


async def things_in_stack(source: StackSource) -> tuple[FoundThing, ...]:
    """The things that the account sees. Raises ToolError for none, and what ``mic`` and ``download`` raise."""
    https = HttpsClient(hosts=None, ca_file=source.ca_file, ca_setting="--ca-file")
    if source.api is not None:
        stack = await open_stack(https, api=source.api)
    else:
        stack = await find_stack(https, manifest_url=BatchSettings().manifest_url, host=source.host or "")
    client = MicClient(https, stack=stack, account=source.account)
    items = await client.find_things(thing_type=source.thing_type, domain=source.domain)
    if not items:
        raise ToolError(
            "MIC shows the account no such thing: check --thing-type, --domain and the account's domain",
            reason=ToolReason.NO_USABLE_THING,
        )
    return tuple(map(found_of, items))


def found_of(item: ThingItem) -> FoundThing:
    """A thing of MIC's, and why the operator cannot run it where it cannot."""
    return FoundThing(item.name, _SOURCE, elsewhere=_elsewhere(item))


def _elsewhere(item: ThingItem) -> str | None:
    if not is_thing_name(item.name):
        return "its name is no thing name of AWS IoT's: it has no MQTT session"
    if item.parent is not None:
        return f"it is a networked thing, which its parent {item.parent} speaks for: it has no session of its own"
    if item.protocol not in {None, "mqtt"}:
        return f"it speaks {item.protocol}, so MIC's gateway runs it: it has no MQTT session"
    return None
