"""What somebody may have meant who names a setting that there is not."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from pydantic import BaseModel
from pydantic.alias_generators import to_snake

from thing_operator.config.settings import ENV_PREFIX, Settings


def setting_names(model: type[BaseModel] = Settings) -> Iterator[str]:
    """All settings with a dot between levels, as in the documentation: ``endpoint.host``."""
    for field in model.model_fields.values():
        name, group = str(field.alias), field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            yield from (f"{name}.{below}" for below in setting_names(group))
        else:
            yield name


def variable_of(setting: str) -> str:
    """The environment variable of a setting: ``endpoint.host`` is THING_OPERATOR_ENDPOINT__HOST."""
    return ENV_PREFIX + "__".join(to_snake(part) for part in setting.split(".")).upper()


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """A question with what is meant most likely, in brackets or nothing: `` (did you mean endpoint.host?)``."""
    # Compared without case, and a last part alone counts: host for endpoint.host.
    forms = {form: name for name in known for form in (name.rpartition(".")[2].lower(), name.lower())}
    found = get_close_matches(given.lower(), forms, n=1, cutoff=0.75)
    return f" (did you mean {forms[found[0]]}?)" if found else ""
